/* SPDX-License-Identifier: Apache-2.0 */
/* Calling a member on behalf of an application, and another one when it fails. */
#include "base/clock.h"
#include "base/err.h"
#include "ha/internal.h"
#include "member/member.h"
#include "p11/rv.h"

enum { CALLS_MAX = 8, SAME_MEMBER_TRIES = 3 };

/* What to do after an answer, or the lack of one. */
enum next { FINISHED, SAME_MEMBER, NEXT_MEMBER };

static CK_RV first_failure(const struct p11_call *calls, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (calls[i].rv != CKR_OK)
			return calls[i].rv;
	return CKR_OK;
}

/* A code that may mean anything: the member is down only if its own probe fails. */
static void doubt(struct ha_group *group, size_t member)
{
	struct err err = {0};

	if (member_probe(group->set->members[member].member, NULL, &err) < 0)
		ha_member_down(group, member, &err);
}

static enum next judge(struct ha_group *group, size_t member, CK_OBJECT_HANDLE object, CK_RV rv)
{
	struct err err;

	switch (p11_rv_class(rv)) {
	case P11_DONE:
	case P11_CALLER:
	case P11_CREDENTIAL:
		return FINISHED;
	case P11_SESSION:
		return SAME_MEMBER;
	case P11_HANDLE:
		ha_forget_handle(group, object, member);
		return SAME_MEMBER;
	case P11_BUSY:
		clock_sleep_ms(10);
		return SAME_MEMBER;
	case P11_MEMBER:
		p11_rv_err(&err, rv, "call");
		ha_member_down(group, member, &err);
		return NEXT_MEMBER;
	case P11_AMBIGUOUS:
		doubt(group, member);
		return NEXT_MEMBER;
	}
	return NEXT_MEMBER;
}

/* One attempt on one member. */
static enum next attempt(struct ha_group *group, size_t member, CK_OBJECT_HANDLE object, ha_builder build,
			 void *data, struct member_channel **ret_channel, CK_RV *ret_rv)
{
	struct p11_call calls[CALLS_MAX];
	struct member_channel *channel = NULL;
	CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
	struct err err = {0};
	enum next next;
	int rc = member_acquire(group->set->members[member].member, &channel, &err);

	if (rc == 0 && object != CK_INVALID_HANDLE) {
		*ret_rv = ha_resolve(group, object, member, channel, &key, &err);
		if (*ret_rv != CKR_OK && !err.code) {
			/* This member lacks the key; another may have it. */
			member_release(channel);
			return NEXT_MEMBER;
		}
		rc = -(int)err.code;
	}
	if (rc == 0) {
		size_t count = build(data, member_session(channel), key, calls);

		rc = member_call(channel, calls, count, &err);
		if (rc == 0)
			*ret_rv = first_failure(calls, count);
	}
	if (rc < 0) {
		*ret_rv = err.code == ERR_PIN ? CKR_USER_NOT_LOGGED_IN : CKR_DEVICE_REMOVED;
		member_release(channel);
		if (err.code == ERR_PIN || err.code == ERR_NO_MEMORY)
			return FINISHED;
		ha_member_down(group, member, &err);
		return NEXT_MEMBER;
	}
	next = judge(group, member, object, *ret_rv);
	if (*ret_rv == CKR_OK && ret_channel)
		*ret_channel = channel;
	else
		member_release(channel);
	return next;
}

CK_RV ha_run(struct ha_group *group, CK_OBJECT_HANDLE object, ha_builder build, void *data,
	     struct member_channel **ret_channel)
{
	CK_RV rv = CKR_DEVICE_REMOVED;
	uint32_t tried = 0;

	if (!group->background)
		ha_recover(group);
	for (;;) {
		size_t member = ha_choose(group, tried);
		enum next next = SAME_MEMBER;

		if (member == group->set->n_members)
			return rv;
		tried |= 1u << member;
		for (int n = 0; n < SAME_MEMBER_TRIES && next == SAME_MEMBER; n++)
			next = attempt(group, member, object, build, data, ret_channel, &rv);
		if (next == FINISHED)
			return rv;
	}
}
