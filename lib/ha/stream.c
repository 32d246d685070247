/* SPDX-License-Identifier: Apache-2.0 */
/* Operations that stand on one member's channel, and are put on another's when it is lost. */
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "ha/internal.h"
#include "member/member.h"
#include "p11/rv.h"

enum { REPLAY_STEP = 1 << 20, AHEAD_MAX = RESULT_ROOM / 2 };

void ha_stream_init(struct ha_stream *stream)
{
	*stream = (struct ha_stream){0};
	buf_init(&stream->ahead, AHEAD_MAX);
	stream->ahead.wipe = true;
}

static void let_go(struct ha_stream *stream)
{
	member_release(stream->channel);
	stream->channel = NULL;
}

void ha_stream_release(struct ha_stream *stream)
{
	if (stream->channel)
		member_spoil(stream->channel);
	let_go(stream);
	buf_release(&stream->ahead);
}

size_t ha_stream_room(const struct ha_stream *stream, size_t len)
{
	size_t held = stream->fed > stream->delivered ? stream->fed - stream->delivered : 0;
	size_t room = len + held + RESULT_ROOM;

	return room < P11_RESULT_MAX ? room : P11_RESULT_MAX;
}

/* ---- replay ---- */

/* One step of the log, made again; what it gives the application has up to where it stood. */
static int replay_step(struct ha_operation *o, struct member_channel *channel, struct p11_call *call, const uint8_t *out,
		       const CK_ULONG *out_len, size_t *produced, struct err *err)
{
	struct ha_stream *stream = &o->stream;
	size_t known = stream->delivered > *produced ? stream->delivered - *produced : 0;
	int rc = ha_send_on(o->group, channel, call, err);

	if (rc == 0 && call->rv != CKR_OK)
		return p11_rv_err(err, call->rv, p11_fn_table[call->fn].name);
	if (rc < 0)
		return rc;
	if (*out_len > known)
		buf_put(&stream->ahead, out + known, *out_len - known);
	*produced += *out_len;
	return stream->ahead.bad ? err_set(err, ERR_DIFFERENT, "a replay gave too much") : 0;
}

/* Feed what was logged to the channel's fresh operation. How much members hold back is their affair: output is counted. */
static int replay(struct ha_operation *o, struct member_channel *channel, struct err *err)
{
	size_t room = ha_stream_room(&o->stream, REPLAY_STEP), produced = 0;
	owned(mem) uint8_t *scratch = o->log.count ? mem_zalloc(room) : NULL;
	int rc = 0;

	if (o->log.count && !scratch)
		return err_no_memory(err);
	buf_clear(&o->stream.ahead);
	for (size_t n = 0; n < o->log.count && rc == 0; n++)
		for (size_t at = 0; (at == 0 || at < o->log.parts[n].len) && rc == 0; at += REPLAY_STEP) {
			CK_ULONG len = room;
			struct p11_call call = ha_log_call(&o->log, n, at, REPLAY_STEP, scratch, &len);
			enum p11_arg_kind kind;

			if (!p11_result_of(&call, &kind))
				len = 0;
			rc = replay_step(o, channel, &call, scratch, &len, &produced, err);
		}
	if (scratch)
		explicit_bzero(scratch, room);
	o->stream.behind = o->stream.delivered > produced ? o->stream.delivered - produced : 0;
	return rc;
}

/* ---- where it stands ---- */

/* A channel on which the operation stands where the application thinks it does. */
static CK_RV attach(struct ha_operation *o)
{
	struct p11_call init = ha_operation_init(o);
	struct member_channel *channel = NULL;
	struct err err = {0};
	CK_RV rv = ha_send(o->group, &init, 1, &channel);

	if (rv != CKR_OK)
		return rv;
	member_keep(channel);
	if (replay(o, channel, &err) == 0) {
		o->stream.channel = channel;
		ha_watch_replay(o->group, &o->stream.left, ha_member_of(o->group, channel));
		return CKR_OK;
	}
	if (!err.rv && err.code != ERR_NO_MEMORY)
		ha_member_down(o->group, ha_member_of(o->group, channel), &err);
	o->stream.left |= 1u << ha_member_of(o->group, channel);
	o->stream.ended += member_ended(channel);
	member_spoil(channel);
	member_release(channel);
	if (err.code == ERR_NO_MEMORY)
		return CKR_HOST_MEMORY;
	return err.rv && p11_rv_class(err.rv) == P11_CALLER ? err.rv : CKR_DEVICE_REMOVED;
}

CK_RV ha_stream_begin(struct ha_operation *o)
{
	return attach(o);
}

static void detach(struct ha_operation *o, const struct err *why)
{
	struct member_channel *channel = o->stream.channel;

	if (why)
		ha_member_down(o->group, ha_member_of(o->group, channel), why);
	o->stream.left |= 1u << ha_member_of(o->group, channel);
	o->stream.ended += member_ended(channel);
	member_spoil(channel);
	let_go(&o->stream);
}

/* The operation is over on the member: its channel may serve others. */
static void finish(struct ha_stream *stream)
{
	member_clean(stream->channel);
	let_go(stream);
}

/* Results as they follow on what the application has. */
static CK_RV adjust(struct ha_stream *stream, struct p11_arg *result, CK_ULONG room, bool last)
{
	size_t dropped = *result->out_len < stream->behind ? *result->out_len : stream->behind;
	size_t ahead = stream->ahead.len;
	uint8_t *out = result->out;

	/* There was room for what its input can give, and for more than any member keeps back. */
	if (*result->out_len + ahead > room)
		return CKR_DEVICE_ERROR;
	if (dropped) {
		memmove(out, out + dropped, *result->out_len - dropped);
		*result->out_len -= dropped;
		stream->behind -= dropped;
	}
	if (ahead) {
		memmove(out + ahead, out, *result->out_len);
		memcpy(out, stream->ahead.data, ahead);
		*result->out_len += ahead;
		buf_clear(&stream->ahead);
	}
	stream->delivered += *result->out_len;
	/* In the end all members give the same. */
	return last && stream->behind ? CKR_DEVICE_ERROR : CKR_OK;
}

/* Can it be put anywhere? */
static CK_RV may_attach(const struct ha_operation *o, bool again)
{
	const struct ha_stream *stream = &o->stream;

	if (!stream->channel && o->log.overflowed && (again || stream->moved))
		return CKR_DEVICE_REMOVED;
	return stream->ended >= RISKED_MAX && !stream->moved ? CKR_FUNCTION_FAILED : CKR_OK;
}

/* Was it carried out, whatever the answer? */
static bool answered(const struct p11_call *call)
{
	return p11_rv_class(call->rv) != P11_MEMBER && p11_rv_class(call->rv) != P11_SESSION;
}

static CK_RV send_where_it_stands(struct ha_operation *o, struct p11_call *call)
{
	enum p11_arg_kind kind;
	struct p11_arg *result = p11_result_of(call, &kind);
	CK_ULONG room = result ? *result->out_len : 0;

	for (size_t n = 0; n <= o->group->set->n_members; n++) {
		struct err err = {0};
		CK_RV rv = may_attach(o, n > 0);

		if (rv != CKR_OK)
			return rv;
		if (!o->stream.channel)
			rv = attach(o);
		if (rv == CKR_DEVICE_REMOVED && n < o->group->set->n_members)
			continue;
		if (rv != CKR_OK)
			return rv;
		if (result)
			*result->out_len = room;
		if (ha_send_on(o->group, o->stream.channel, call, &err) < 0) {
			detach(o, err.code == ERR_NO_MEMORY ? NULL : &err);
			/* Ours, or the call is larger than any link takes: no member is down for that. */
			if (err.code == ERR_NO_MEMORY)
				return CKR_HOST_MEMORY;
			continue;
		}
		o->stream.ended = 0;
		o->stream.moved = true;
		if (!answered(call)) {
			detach(o, NULL);
			continue;
		}
		if (p11_call_ends(call))
			finish(&o->stream);
		return result && call->rv == CKR_OK ? adjust(&o->stream, result, room, p11_call_ends(call)) : call->rv;
	}
	return CKR_DEVICE_REMOVED;
}

CK_RV ha_stream_send(struct ha_operation *o, struct p11_call *call)
{
	int64_t from = clock_now_ns();
	CK_RV rv = send_where_it_stands(o, call);

	ha_watch_answered(o->group, from, clock_now_ns(), rv);
	return rv;
}
