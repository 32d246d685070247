/* SPDX-License-Identifier: Apache-2.0 */
/* Calling a member on behalf of an application, and another one when it fails. */
#include <stdatomic.h>

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

/* FNV-1a over what decides which path a token takes; the bytes themselves are left out. */
static uint64_t mix(uint64_t hash, uint64_t value)
{
	return (hash ^ value) * 0x100000001b3u;
}

uint64_t ha_shape(CK_OBJECT_HANDLE object, const struct p11_call *calls, size_t count)
{
	uint64_t hash = mix(0xcbf29ce484222325u, object);

	for (size_t i = 0; i < count; i++) {
		const enum p11_arg_kind *kinds = p11_fn_table[calls[i].fn].args;

		hash = mix(hash, calls[i].fn);
		for (int n = 0; n < P11_ARGS_MAX && kinds[n] != P11_ARG_END; n++) {
			if (kinds[n] == P11_ARG_MECHANISM)
				hash = mix(hash, ((const CK_MECHANISM *)calls[i].args[n].in)->mechanism);
			else if (kinds[n] == P11_ARG_IN || kinds[n] == P11_ARG_RANDOM)
				hash = mix(hash, calls[i].args[n].number);
		}
	}
	return hash | 1;
}

bool ha_shape_known(struct ha_group *group, uint64_t shape)
{
	return atomic_load(&group->shapes[shape >> 32 & (SHAPES - 1)]) == shape;
}

void ha_shape_learn(struct ha_group *group, uint64_t shape)
{
	atomic_store(&group->shapes[shape >> 32 & (SHAPES - 1)], shape);
}

/* One call on its way through the members. */
struct run {
	struct ha_group *group;
	CK_OBJECT_HANDLE object;
	ha_builder build;
	void *data;
	struct member_channel **ret_channel;
	uint32_t tried, dubious;	/* masks of members; dubious: answered by a code that may mean anything */
	unsigned ended;			/* members whose host ended while it had the call */
	uint64_t shape;
	bool answered;
	CK_RV answer;			/* the first of those that another member may know better */
	CK_RV rv;			/* of the last attempt */
};

/* A member's own troubles are no answer to an application. */
static CK_RV outward(CK_RV rv)
{
	if (rv == CKR_USER_NOT_LOGGED_IN)
		return rv;
	return p11_rv_class(rv) == P11_SESSION || p11_rv_class(rv) == P11_BUSY || rv == CKR_CRYPTOKI_NOT_INITIALIZED
		       ? CKR_DEVICE_ERROR
		       : rv;
}

/* A member that cannot be asked any more, or says so itself. */
static enum next down(struct run *run, size_t member, const struct err *why)
{
	run->rv = CKR_DEVICE_REMOVED;
	ha_member_down(run->group, member, why);
	return NEXT_MEMBER;
}

/* Another member may know better; if none does, this is the answer. */
static enum next perhaps(struct run *run, CK_RV rv)
{
	if (!run->answered)
		run->answer = rv;
	run->answered = true;
	return NEXT_MEMBER;
}

static enum next judge(struct run *run, size_t member)
{
	struct err err;

	switch (p11_rv_class(run->rv)) {
	case P11_DONE:
	case P11_CALLER:
	case P11_CREDENTIAL:
		return FINISHED;
	case P11_SESSION:
		return SAME_MEMBER;
	case P11_HANDLE:
		ha_forget_handle(run->group, run->object, member);
		return SAME_MEMBER;
	case P11_BUSY:
		clock_sleep_ms(10);
		return SAME_MEMBER;
	case P11_MEMBER:
		p11_rv_err(&err, run->rv, "call");
		return down(run, member, &err);
	case P11_AMBIGUOUS:
		run->dubious |= 1u << member;
		return perhaps(run, run->rv);
	}
	return NEXT_MEMBER;
}

/* The link failed: whose fault is it, and may the call be sent to another one? */
static enum next failed(struct run *run, size_t member, const struct member_channel *channel, const struct err *err)
{
	if (err->code == ERR_NO_MEMORY) {
		run->rv = CKR_HOST_MEMORY;
		return FINISHED;
	}
	/* Well, and no place free: nobody is down for that. */
	if (p11_err_busy(err)) {
		run->rv = err->rv;
		return NEXT_MEMBER;
	}
	/* Another member accepted this PIN: that this one does not is its own trouble. */
	if (err->code == ERR_PIN && !ha_logged_in(run->group)) {
		run->rv = CKR_USER_NOT_LOGGED_IN;
		return FINISHED;
	}
	down(run, member, err);
	if (channel && member_ended(channel) && !ha_shape_known(run->group, run->shape) && ++run->ended >= RISKED_MAX) {
		run->rv = CKR_FUNCTION_FAILED;
		return FINISHED;
	}
	return NEXT_MEMBER;
}

/* One attempt on one member. */
static enum next attempt(struct run *run, size_t member)
{
	struct p11_call calls[CALLS_MAX];
	struct member_channel *channel = NULL;
	CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
	struct err err = {0};
	enum next next;
	int rc = ha_acquire(run->group, member, &channel, &err);

	if (rc == 0 && run->object != CK_INVALID_HANDLE) {
		run->rv = ha_resolve(run->group, run->object, member, channel, &key, &err);
		if (run->rv != CKR_OK && !err.code) {
			/* This member lacks the key; another may have it. */
			member_release(channel);
			return perhaps(run, run->rv);
		}
		rc = -(int)err.code;
	}
	if (rc == 0) {
		size_t count = run->build(run->data, member_session(channel), key, calls);

		run->shape = ha_shape(run->object, calls, count);
		rc = member_call(channel, calls, count, &err);
		if (rc == 0)
			run->rv = first_failure(calls, count);
		if (rc == 0 && run->rv == CKR_OK)
			ha_shape_learn(run->group, run->shape);
	}
	next = rc < 0 ? failed(run, member, channel, &err) : judge(run, member);
	if (rc == 0 && run->rv == CKR_OK && run->ret_channel)
		*run->ret_channel = channel;
	else
		member_release(channel);
	return next;
}

static enum next try_member(struct run *run, size_t member)
{
	enum next next = SAME_MEMBER;

	run->tried |= 1u << member;
	for (int n = 0; n < SAME_MEMBER_TRIES && next == SAME_MEMBER; n++)
		next = attempt(run, member);
	return next;
}

CK_RV ha_run(struct ha_group *group, CK_OBJECT_HANDLE object, ha_builder build, void *data,
	     struct member_channel **ret_channel)
{
	struct run run = {.group = group, .object = object, .build = build, .data = data,
			  .ret_channel = ret_channel, .rv = CKR_DEVICE_REMOVED};
	size_t member;

	if (!group->background)
		ha_recover(group);
	/* Members that are down get their chance when no other one said anything. */
	while ((member = ha_choose(group, run.tried, !run.answered)) < group->set->n_members) {
		if (try_member(&run, member) != FINISHED)
			continue;
		/* One member could what others could not: they are looked at. */
		if (run.rv == CKR_OK)
			ha_members_suspect(group, run.dubious);
		return outward(run.rv);
	}
	return outward(run.answered ? run.answer : run.rv);
}
