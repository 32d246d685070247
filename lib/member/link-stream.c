/* SPDX-License-Identifier: Apache-2.0 */
/* Frames over a stream, as a client speaks them: a deadline on every wait. */
#include <string.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "member/frame.h"
#include "member/instance.h"
#include "member/limit.h"
#include "member/link.h"
#include "member/member.h"
#include "member/stream.h"

enum { REFUSAL_MAX = 560 };	/* bytes of what a peer says that are repeated */

struct stream_link {
	struct link link;
	struct stream *stream;
	uint8_t version;	/* that both ends speak */
	struct buf out, in;
};

static void stream_link_close(struct link *link)
{
	struct stream_link *s = (struct stream_link *)link;

	stream_free(s->stream);
	buf_release(&s->out);
	buf_release(&s->in);
	free(s);
}

/* Is this the token we look for, and does its host speak what we offered? */
static int read_welcome(struct stream_link *s, uint8_t newest, struct err *err)
{
	struct buf_reader r = buf_reader(s->in.data, s->in.len);
	const char *expected = s->link.config->serial;
	size_t serial_len, name_len;
	const uint8_t *serial;

	s->version = buf_get_u8(&r);
	s->link.epoch = buf_get_u64(&r);
	serial = buf_get_bytes(&r, &serial_len);
	buf_get_bytes(&r, &name_len);
	s->link.logged_in = s->version >= FRAME_VERSION_INSTANCE && buf_get_u8(&r);
	if (!buf_read_done(&r))
		return err_set(err, ERR_PROTOCOL, "a malformed welcome");
	if (s->version < FRAME_OLDEST || s->version > newest)
		return err_set(err, ERR_PROTOCOL, "a welcome in version %u of the protocol, which we did not offer", s->version);
	if (expected && (strlen(expected) != serial_len || memcmp(expected, serial, serial_len) != 0))
		return err_set(err, ERR_UNREACHABLE, "the token there has serial '%.*s', not '%s'",
			       (int)serial_len, (const char *)serial, expected);
	return 0;
}

/* What a peer that refuses us says: ill, full, or not understanding us. Nothing was done. */
static int refused(struct stream_link *s, enum err_code otherwise, struct err *err)
{
	struct buf_reader r = buf_reader(s->in.data, s->in.len);
	uint8_t why = buf_get_u8(&r);
	int len = s->in.len > REFUSAL_MAX ? REFUSAL_MAX : (int)s->in.len - 1;

	err_set(err, why == FRAME_MALFORMED ? otherwise : ERR_UNREACHABLE, "refused: %.*s", len < 0 ? 0 : len,
		len > 0 ? (const char *)s->in.data + 1 : "");
	if (!err)
		return -ERR_UNREACHABLE;
	err->retry = ERR_RETRY_SAFE;
	if (why == FRAME_FULL)
		err->rv = CKR_SESSION_COUNT;
	return -(int)err->code;
}

static int say_hello(struct stream_link *s, uint8_t version, struct frame_pace *pace, struct err *err)
{
	uint8_t instance[INSTANCE_LEN];
	int rc = instance_id(s->link.config->number, instance, err);

	if (rc < 0)
		return rc;
	frame_begin(&s->out);
	buf_put_str(&s->out, "hsmctl");
	buf_put_u8(&s->out, FRAME_OLDEST);
	buf_put_u8(&s->out, version);
	if (version >= FRAME_VERSION_INSTANCE)
		buf_put(&s->out, instance, sizeof(instance));
	return frame_send(s->stream, &s->out, FRAME_HELLO, pace, err);
}

static int greet(struct stream_link *s, uint8_t version, struct frame_pace *pace, struct err *err)
{
	int rc = say_hello(s, version, pace, err);

	if (rc == 0)
		rc = frame_receive(s->stream, &s->in, pace, err);
	if (rc < 0)
		return rc;
	if (rc == FRAME_REFUSED)
		return refused(s, ERR_DENIED, err);
	if (rc != FRAME_WELCOME)
		return err_set(err, ERR_PROTOCOL, "not an hsmctl appliance");
	return read_welcome(s, version, err);
}

/* Beats and every byte grant another silence; in all there is what the pace has left. */
static int await_reply(struct stream_link *s, struct frame_pace *pace, struct err *err)
{
	int64_t since = clock_now_ns(), now;
	int kind;

	s->link.silence_us = 0;
	do {
		kind = frame_receive(s->stream, &s->in, pace, err);
		now = clock_now_ns();
		if ((now - since) / 1000 > s->link.silence_us)
			s->link.silence_us = (now - since) / 1000;
		since = now;
	} while (kind == FRAME_BEAT);
	if (kind == FRAME_REFUSED)
		return refused(s, ERR_PROTOCOL, err);
	if (kind < 0 || kind == FRAME_REPLY)
		return kind;
	return err_set(err, ERR_PROTOCOL, "an unexpected frame");
}

/* The request out and the reply in. */
static int exchange(struct stream_link *s, const struct call_limit *limit, struct err *err)
{
	struct frame_pace pace = frame_pace(limit->silence_ms, limit->total_ms, limit->longest_ms);
	int rc = frame_send(s->stream, &s->out, FRAME_CALL, &pace, err);

	if (rc == 0)
		rc = await_reply(s, &pace, err);
	if (rc != -ERR_TIMEOUT || cancel_check(err) < 0)
		return rc;
	if (clock_now_ms() < pace.end_ms)
		return err_set(err, ERR_UNREACHABLE, "no answer within %lld ms", (long long)limit->silence_ms);
	return err_set(err, ERR_UNREACHABLE, "no result within %lld ms", (long long)limit->total_ms);
}

/* An appliance of before would end the connection over a function that it does not know; each version knows some more. */
static bool is_beyond(const struct stream_link *s, const struct p11_call *calls, size_t count)
{
	static const enum p11_fn known[] = {[1] = P11_X_Absent, [2] = P11_C_GetObjectSize, [3] = P11_C_MessageEncryptInit,
					    [FRAME_VERSION] = P11_FN_MAX};

	for (size_t i = 0; i < count; i++)
		if (calls[i].fn >= known[s->version])
			return true;
	return false;
}

/* Nor does it know a mechanism of no row. */
static bool is_strange(const struct stream_link *s, const struct p11_call *calls, size_t count)
{
	for (size_t i = 0; i < count && s->version < FRAME_VERSION_MECHANISM; i++)
		for (int n = 0; n < P11_ARGS_MAX && p11_fn_table[calls[i].fn].args[n] != P11_ARG_END; n++)
			if (p11_fn_table[calls[i].fn].args[n] == P11_ARG_MECHANISM &&
			    !p11_mech(((const CK_MECHANISM *)calls[i].args[n].in)->mechanism))
				return true;
	return false;
}

/* Nor may it promise what it cannot be asked for. */
static void withdraw_messages(const struct stream_link *s, struct p11_call *calls, size_t count)
{
	for (size_t i = 0; i < count && s->version < FRAME_VERSION_MECHANISM; i++)
		if (calls[i].fn == P11_C_GetMechanismInfo && calls[i].rv == CKR_OK)
			((CK_MECHANISM_INFO *)calls[i].args[2].out)->flags &= ~(CK_FLAGS)P11_MESSAGE_USES;
}

static int stream_link_call(struct link *link, struct p11_call *calls, size_t count, const struct call_limit *limit,
			    struct err *err)
{
	struct stream_link *s = (struct stream_link *)link;
	struct buf_reader r;
	int rc;

	if (is_beyond(s, calls, count)) {
		calls[0].rv = CKR_FUNCTION_NOT_SUPPORTED;
		return 0;
	}
	if (is_strange(s, calls, count)) {
		calls[0].rv = CKR_MECHANISM_INVALID;
		return 0;
	}
	frame_begin(&s->out);
	p11_encode_request(&s->out, calls, count);
	rc = buf_check(&s->out, err);
	if (rc < 0) {
		if (err)
			err->retry = ERR_RETRY_SAFE;
		return rc;
	}
	rc = exchange(s, limit, err);
	if (rc < 0) {
		link->ended = stream_ended(s->stream);
		/* The peer may have it, unless it says that it did nothing: whoever sent it decides. */
		if (err && err->retry != ERR_RETRY_SAFE)
			err->retry = ERR_RETRY_IDEMPOTENT;
		return rc;
	}
	r = buf_reader(s->in.data, s->in.len);
	link->changes = buf_get_u64(&r);
	rc = p11_decode_reply(&r, calls, count, err);
	if (rc == 0)
		withdraw_messages(s, calls, count);
	/* It may hold values of keys. */
	buf_clear(&s->in);
	if (rc < 0 && err)
		err->retry = ERR_RETRY_IDEMPOTENT;
	return rc;
}

/* A peer that owes nothing and has something to say has said goodbye. */
static bool stream_link_alive(struct link *link)
{
	return stream_wait(((struct stream_link *)link)->stream, 0, NULL) == 0;
}

static void stream_link_cut(struct link *link)
{
	stream_cut(((struct stream_link *)link)->stream);
}

static const struct link_ops link_stream = {
	.call = stream_link_call,
	.alive = stream_link_alive,
	.cut = stream_link_cut,
	.close = stream_link_close,
};

int link_stream_open(const struct member_config *config, struct stream *stream, uint8_t version, int64_t deadline_ms,
		     struct link **ret, struct err *err)
{
	struct frame_pace pace = {.silence_ms = config->silence_ms ? config->silence_ms : config->connect_ms,
				  .end_ms = deadline_ms, .last_ms = deadline_ms};
	struct stream_link *s = mem_new(struct stream_link);
	owned(link) struct link *link = (struct link *)s;
	int rc;

	if (!s) {
		stream_free(stream);
		return err_no_memory(err);
	}
	*s = (struct stream_link){.link = {.ops = &link_stream, .config = config}, .stream = stream};
	buf_init(&s->out, FRAME_MAX + FRAME_HEAD);
	buf_init(&s->in, FRAME_MAX);
	s->out.wipe = s->in.wipe = true;
	rc = greet(s, version, &pace, err);
	if (rc == 0)
		*ret = own_take(link);
	return rc;
}
