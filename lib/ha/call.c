/* SPDX-License-Identifier: Apache-2.0 */
/* Calling a member on behalf of an application, and another one when it fails. */
#include <stdatomic.h>

#include "base/clock.h"
#include "base/err.h"
#include "ha/internal.h"
#include "member/frame.h"
#include "member/member.h"
#include "p11/rv.h"

enum { SAME_MEMBER_TRIES = 3 };

#define HASH_START 0xcbf29ce484222325u

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

static uint64_t shape_of(const struct p11_call *calls, size_t count)
{
	uint64_t hash = HASH_START;

	for (size_t i = 0; i < count; i++) {
		const enum p11_arg_kind *kinds = p11_fn_table[calls[i].fn].args;

		hash = mix(hash, calls[i].fn);
		for (int n = 0; n < P11_ARGS_MAX && kinds[n] != P11_ARG_END; n++) {
			if (kinds[n] == P11_ARG_MECHANISM || kinds[n] == P11_ARG_PROCESS)
				hash = mix(hash, ((const CK_MECHANISM *)calls[i].args[n].in)->mechanism);
			else if (kinds[n] == P11_ARG_IN || kinds[n] == P11_ARG_RANDOM || kinds[n] == P11_ARG_OBJECT)
				hash = mix(hash, calls[i].args[n].number);
		}
	}
	return hash | 1;
}

static bool shape_known(struct ha_group *group, uint64_t shape)
{
	return atomic_load(&group->shapes[shape >> 32 & (SHAPES - 1)]) == shape;
}

static void shape_learn(struct ha_group *group, uint64_t shape)
{
	atomic_store(&group->shapes[shape >> 32 & (SHAPES - 1)], shape);
}

/* ---- poison ---- */

static CK_RV as_it_is(void *data, CK_OBJECT_HANDLE from, CK_OBJECT_HANDLE *ret)
{
	(void)data;
	*ret = from;
	return CKR_OK;
}

/* Of all that a batch says to a member, whatever session it is made in; 0 without memory. */
static uint64_t digest_of(const struct p11_call *calls, size_t count)
{
	owned(buf) struct buf wire = {.max = FRAME_MAX, .wipe = true};
	struct p11_call plain[CALLS_MAX];
	struct p11_inside inside;
	uint64_t hash = HASH_START;

	for (size_t i = 0; i < count; i++)
		p11_bind(&calls[i], CK_INVALID_HANDLE, as_it_is, NULL, &plain[i], &inside);
	p11_encode_request(&wire, plain, count);
	for (size_t i = 0; i < wire.len; i++)
		hash = mix(hash, wire.data[i]);
	return wire.bad ? 0 : hash | 1;
}

/* Says it anything that a library could choke on? What is asked for alone is no different the next time. */
static bool says_anything(const struct p11_call *call)
{
	const enum p11_arg_kind *kinds = p11_fn_table[call->fn].args;
	bool says = false;

	for (int n = 0; n < P11_ARGS_MAX && kinds[n] != P11_ARG_END; n++)
		says = says || kinds[n] == P11_ARG_IN || kinds[n] == P11_ARG_TEMPLATE || kinds[n] == P11_ARG_MECHANISM ||
		       kinds[n] == P11_ARG_PROCESS;
	return says;
}

static void remember_poison(struct ha_group *group, const struct p11_call *calls, size_t count)
{
	uint64_t digest = says_anything(&calls[0]) ? digest_of(calls, count) : 0;

	if (!digest)
		return;
	atomic_store(&group->poison[atomic_fetch_add(&group->n_poison, 1) % POISON_MAX], digest);
	ha_watch_poison(group, calls[count - 1].fn);
}

static bool is_poison(struct ha_group *group, const struct p11_call *calls, size_t count)
{
	uint64_t digest = atomic_load(&group->n_poison) ? digest_of(calls, count) : 0;
	bool is = false;

	for (int i = 0; digest && i < POISON_MAX; i++)
		is = is || atomic_load(&group->poison[i]) == digest;
	return is;
}

/* ---- sending ---- */

/* Whose handles are looked up, and how that went: err.code is set when the link failed. */
struct binding {
	struct ha_group *group;
	size_t member;
	struct member_channel *channel;
	struct err *err;
};

static CK_RV look_up(void *data, CK_OBJECT_HANDLE from, CK_OBJECT_HANDLE *ret)
{
	const struct binding *b = data;

	return ha_resolve(b->group, from, b->member, b->channel, ret, b->err);
}

/* A batch as the member at the other end is to hear it, sent; calls[].rv say how it went. *ret_rv: what kept it from
 * being sent, when the member lacks an object. */
static int send_bound(struct binding *b, struct ha_errand *errand, struct p11_call *calls, size_t count, CK_RV *ret_rv)
{
	struct p11_call bound[CALLS_MAX];
	struct p11_inside inside[CALLS_MAX];
	int64_t start;
	int rc;

	*ret_rv = CKR_OK;
	for (size_t i = 0; i < count && *ret_rv == CKR_OK; i++)
		*ret_rv = p11_bind(&calls[i], member_session(b->channel), look_up, b, &bound[i], &inside[i]);
	if (*ret_rv != CKR_OK)
		return -(int)b->err->code;
	start = clock_now_ns();
	rc = member_call(b->channel, bound, count, NULL, b->err);
	for (size_t i = 0; i < count; i++)
		calls[i].rv = bound[i].rv;
	/* A refusal is quick, and says nothing. */
	if (rc == 0 && bound[count - 1].rv == CKR_OK)
		errand->took_us = (clock_now_ns() - start) / 1000 + 1;
	return rc;
}

static CK_RV forget(void *data, CK_OBJECT_HANDLE from, CK_OBJECT_HANDLE *ret)
{
	const struct binding *b = data;

	ha_forget_handle(b->group, from, b->member);
	*ret = from;
	return CKR_OK;
}

void ha_forget_handles(struct ha_group *group, const struct p11_call *calls, size_t count, size_t member)
{
	struct binding binding = {.group = group, .member = member};

	for (size_t i = 0; i < count; i++) {
		struct p11_inside inside;
		struct p11_call ignored;

		p11_bind(&calls[i], CK_INVALID_HANDLE, forget, &binding, &ignored, &inside);
	}
}

bool ha_lacks_object(int rc, const struct err *err)
{
	return rc == -ERR_TOKEN && p11_rv_class(err->rv) == P11_HANDLE;
}

size_t ha_member_of(const struct ha_group *group, const struct member_channel *channel)
{
	size_t i = 0;

	while (i < group->set->n_members && group->set->members[i].member != member_of(channel))
		i++;
	return i;
}

int ha_send_on(struct ha_group *group, struct member_channel *channel, struct p11_call *call, struct err *err)
{
	struct binding binding = {group, ha_member_of(group, channel), channel, err};
	struct ha_errand errand = {.kind = ha_kind(call, 1)};
	int64_t from = clock_now_ns();
	CK_RV rv;
	int rc;

	ha_errand_on(group, &errand, binding.member);
	rc = send_bound(&binding, &errand, call, 1, &rv);
	ha_errand_over(group, &errand);
	if (rc == 0 && rv != CKR_OK)
		call->rv = rv;
	ha_watch_asked(group, binding.member, channel, from, rc < 0 ? err : NULL, call->rv);
	return rc;
}

/* ---- the way through the members ---- */

/* One batch on its way. */
struct run {
	struct ha_group *group;
	struct p11_call *calls;
	size_t count;
	CK_ULONG rooms[CALLS_MAX];	/* for results, as the caller gave them */
	struct member_channel **ret_channel;
	uint32_t first;			/* those that have what others would have to make before */
	uint32_t tried, dubious;	/* masks of members; dubious: answered by a code that may mean anything */
	uint32_t left;			/* those that failed since the last one was chosen */
	uint32_t slow;			/* did not connect in a hurry; they are asked again when nobody else is left */
	struct ha_errand errand;
	unsigned ended;			/* members whose host ended while it had the call */
	uint64_t shape;
	int64_t *now_ns;		/* when the last attempt ended, or the first one begins */
	bool answered;
	CK_RV answer;			/* the first of those that another member may know better */
	CK_RV rv;			/* of the last attempt */
};

/* A length that an attempt left behind is no room for the next one. */
static void keep_rooms(struct run *run, bool restore)
{
	for (size_t i = 0; i < run->count; i++) {
		enum p11_arg_kind kind;
		struct p11_arg *result = p11_result_of(&run->calls[i], &kind);

		if (!result || !result->out_len)
			continue;
		if (restore)
			*result->out_len = run->rooms[i];
		else
			run->rooms[i] = *result->out_len;
	}
}

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
	run->left |= 1u << member;
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
		ha_forget_handles(run->group, run->calls, run->count, member);
		return SAME_MEMBER;
	case P11_BUSY:
		clock_sleep_ms(10);
		*run->now_ns = clock_now_ns();
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
	if (err->code == ERR_TIMEOUT && !channel) {
		run->slow |= 1u << member;
		run->tried &= ~(1u << member);
		ha_member_slow(run->group, member);
		return NEXT_MEMBER;
	}
	/* Another member accepted this PIN: that this one does not is its own trouble. */
	if (err->code == ERR_PIN && !ha_logged_in(run->group)) {
		run->rv = CKR_USER_NOT_LOGGED_IN;
		return FINISHED;
	}
	down(run, member, err);
	if (channel && member_ended(channel) && !shape_known(run->group, run->shape) && ++run->ended >= RISKED_MAX) {
		remember_poison(run->group, run->calls, run->count);
		run->rv = CKR_FUNCTION_FAILED;
		return FINISHED;
	}
	return NEXT_MEMBER;
}

/* One attempt on one member. */
static enum next attempt(struct run *run, size_t member)
{
	struct member_channel *channel = NULL;
	struct err err = {0};
	CK_RV unbound = CKR_OK;
	enum next next;
	bool patient = run->errand.patient || (run->slow & 1u << member);
	int rc = ha_acquire(run->group, member, patient, &channel, &err);

	keep_rooms(run, true);
	if (rc == 0) {
		struct binding binding = {run->group, member, channel, &err};

		rc = send_bound(&binding, &run->errand, run->calls, run->count, &unbound);
	}
	if (rc == 0 && unbound != CKR_OK) {
		/* This member lacks the key; another may have it. */
		run->rv = unbound;
		member_release(channel);
		return perhaps(run, unbound);
	}
	if (rc == 0)
		run->rv = first_failure(run->calls, run->count);
	if (rc == 0 && run->rv == CKR_OK)
		shape_learn(run->group, run->shape);
	*run->now_ns = ha_watch_asked(run->group, member, channel, *run->now_ns, rc < 0 ? &err : NULL, run->rv);
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
	ha_errand_over(run->group, &run->errand);
	return next;
}

static CK_RV look_where(void *data, CK_OBJECT_HANDLE from, CK_OBJECT_HANDLE *ret)
{
	struct run *run = data;

	run->first |= ha_local_where(run->group, from);
	*ret = from;
	return CKR_OK;
}

static uint32_t who_has(struct run *run)
{
	for (size_t i = 0; i < run->count; i++) {
		struct p11_inside inside;
		struct p11_call ignored;

		p11_bind(&run->calls[i], CK_INVALID_HANDLE, look_where, run, &ignored, &inside);
	}
	return run->first;
}

/* Members that are down get their chance when no other one said anything. */
static bool next_member(struct run *run)
{
	return (run->first && ha_choose(run->group, &run->errand, run->tried | ~run->first, false)) ||
	       ha_choose(run->group, &run->errand, run->tried, !run->answered);
}

/* ret_now: when the last attempt ended. */
static CK_RV send_somewhere(struct ha_group *group, struct p11_call *calls, size_t count,
			    struct member_channel **ret_channel, int64_t *ret_now)
{
	struct run run = {.group = group, .calls = calls, .count = count, .ret_channel = ret_channel,
			  .shape = shape_of(calls, count), .now_ns = ret_now, .rv = CKR_DEVICE_REMOVED,
			  .errand = {.kind = ha_kind(calls, count)}};

	if (is_poison(group, calls, count))
		return CKR_FUNCTION_FAILED;
	if (!group->background)
		ha_recover(group);
	keep_rooms(&run, false);
	run.first = who_has(&run);
	while (next_member(&run)) {
		ha_watch_failover(group, &run.left, run.errand.member);
		if (try_member(&run, run.errand.member) != FINISHED)
			continue;
		/* One member could what others could not: they are looked at. */
		if (run.rv == CKR_OK)
			ha_members_suspect(group, run.dubious);
		return outward(run.rv);
	}
	ha_watch_nobody(group, run.answered ? run.answer : run.rv);
	return outward(run.answered ? run.answer : run.rv);
}

CK_RV ha_send(struct ha_group *group, struct p11_call *calls, size_t count, struct member_channel **ret_channel)
{
	int64_t from = clock_now_ns(), now = from;
	CK_RV rv = send_somewhere(group, calls, count, ret_channel, &now);

	ha_watch_answered(group, from, now, rv);
	return rv;
}
