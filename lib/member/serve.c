/* SPDX-License-Identifier: Apache-2.0 */
/* One host's conversations: hello, then calls and replies; and the heart that beats meanwhile. */
#include "member/serve.h"

#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "member/frame.h"
#include "member/host.h"
#include "member/instance.h"
#include "member/limit.h"
#include "member/stream.h"
#include "member/visit.h"

enum { IDLE_MS = 15 * 60 * 1000, HELLO_MAX = 64 };

/* ---- the heart ---- */

void service_init(struct service *service, struct host *host, const char *name, int64_t idle_ms)
{
	pthread_condattr_t monotonic;

	*service = (struct service){.host = host, .name = name, .idle_ms = idle_ms ? idle_ms : IDLE_MS};
	pthread_mutex_init(&service->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&service->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
}

/* Is its call in the library for longer than it may be? */
static bool is_overdue(struct conversation *c, int64_t now_ms)
{
	return atomic_load(&c->busy_since) && now_ms > atomic_load(&c->busy_until);
}

/* Tell the peer that its call is under way, if it is and is not overdue. */
static void beat(struct conversation *c, int64_t now_ms)
{
	int64_t since = atomic_load(&c->busy_since);

	if (!since || now_ms - since < FRAME_BEAT_MS / 2 || is_overdue(c, now_ms))
		return;
	if (pthread_mutex_trylock(&c->write_lock) != 0)
		return;
	if (atomic_load(&c->busy_since) && frame_send_beat(c->stream, NULL) < 0)
		stream_cut(c->stream);
	pthread_mutex_unlock(&c->write_lock);
}

/* A library that hangs in one call is likely to hang in the next: as long as it does,
 * nobody is kept waiting. */
static void tell_stuck(struct service *service, bool stuck)
{
	if (stuck == atomic_exchange(&service->stuck, stuck))
		return;
	if (stuck)
		log_error("appliance", "a call does not come back from the library; no other is begun");
	else
		log_info("appliance", "the library answers again");
}

void *service_heart(void *data)
{
	struct service *service = data;

	pthread_mutex_lock(&service->lock);
	while (!service->stopping) {
		struct timespec until = clock_after_ms(FRAME_BEAT_MS);
		int64_t now = clock_now_ms();
		bool stuck = false;

		for (struct conversation *c = service->first; c; c = c->next) {
			beat(c, now);
			stuck |= is_overdue(c, now);
		}
		tell_stuck(service, stuck);
		pthread_cond_timedwait(&service->changed, &service->lock, &until);
	}
	pthread_mutex_unlock(&service->lock);
	return NULL;
}

void service_stop(struct service *service)
{
	pthread_mutex_lock(&service->lock);
	service->stopping = true;
	pthread_cond_broadcast(&service->changed);
	pthread_mutex_unlock(&service->lock);
}

/* ---- coming and going ---- */

void conversation_init(struct conversation *c, struct service *service)
{
	*c = (struct conversation){.service = service};
	pthread_mutex_init(&c->write_lock, NULL);
}

void conversation_release(struct conversation *c)
{
	pthread_mutex_destroy(&c->write_lock);
}

static void join(struct conversation *c, struct stream *stream)
{
	pthread_mutex_lock(&c->service->lock);
	c->stream = stream;
	c->next = c->service->first;
	c->service->first = c;
	pthread_mutex_unlock(&c->service->lock);
}

static void leave(struct conversation *c)
{
	struct conversation **at = &c->service->first;

	pthread_mutex_lock(&c->service->lock);
	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	pthread_mutex_unlock(&c->service->lock);
}

/* ---- refusals ---- */

/* The reason is err's, which the end of the connection logs. */
static int refuse(struct conversation *c, struct buf *out, enum frame_refusal why, const struct err *err)
{
	struct frame_pace pace = frame_pace(HELLO_MS, HELLO_MS, HELLO_MS);

	frame_begin(out);
	buf_put_u8(out, (uint8_t)why);
	buf_put_str(out, err->message);
	pthread_mutex_lock(&c->write_lock);
	atomic_store(&c->busy_since, 0);
	frame_send(c->stream, out, FRAME_REFUSED, &pace, NULL);
	pthread_mutex_unlock(&c->write_lock);
	return -(int)err->code;
}

static int refuse_stuck(struct conversation *c, struct buf *out, struct err *err)
{
	err_set(err, ERR_UNREACHABLE, "a call does not come back from the token's library");
	return refuse(c, out, FRAME_STUCK, err);
}

static int refuse_malformed(struct conversation *c, struct buf *out, const char *reason, struct err *err)
{
	err_set(err, ERR_PROTOCOL, "%s", reason);
	return refuse(c, out, FRAME_MALFORMED, err);
}

/* ---- the hello ---- */

struct hello {
	uint8_t version;	/* that both ends speak */
	uint8_t instance[INSTANCE_LEN];
	bool has_instance;
};

/* What follows in a hello of a version after ours is not for us. */
static bool is_whole(const struct buf_reader *r, uint8_t newest)
{
	return newest > FRAME_VERSION ? !r->bad : buf_read_done(r);
}

/* NULL, or what is wrong with it. */
static const char *parse_hello(const struct buf *in, struct hello *ret)
{
	struct buf_reader r = buf_reader(in->data, in->len);
	const uint8_t *magic = buf_get(&r, 6), *instance;
	uint8_t oldest = buf_get_u8(&r), newest = buf_get_u8(&r);

	if (!magic || memcmp(magic, "hsmctl", 6) != 0)
		return "not a client of this protocol";
	ret->version = newest < FRAME_VERSION ? newest : FRAME_VERSION;
	if (oldest > ret->version || ret->version < FRAME_OLDEST)
		return "no common version of the protocol";
	ret->has_instance = ret->version >= FRAME_VERSION_INSTANCE;
	instance = ret->has_instance ? buf_get(&r, INSTANCE_LEN) : NULL;
	if (instance)
		memcpy(ret->instance, instance, INSTANCE_LEN);
	return is_whole(&r, newest) ? NULL : "not a client of this protocol";
}

/* NULL, or what is wrong with the hello. A negative *ret_rc: there was none. */
static const char *read_hello(struct conversation *c, struct buf *in, struct frame_pace *pace, struct hello *ret,
			      int *ret_rc, struct err *err)
{
	uint32_t len;
	int kind = frame_receive_head(c->stream, &len, pace, err);

	*ret_rc = kind == FRAME_HELLO && len <= HELLO_MAX ? frame_receive_body(c->stream, len, in, pace, err) : kind;
	if (*ret_rc < 0)
		return NULL;
	return kind != FRAME_HELLO || len > HELLO_MAX ? "not a client of this protocol" : parse_hello(in, ret);
}

/* What it was told in the hello is in; begins the visit. */
static int welcome(struct conversation *c, const struct host_peer *peer, const struct hello *hello, struct buf *out,
		   struct visit **ret, struct err *err)
{
	struct frame_pace pace = frame_pace(HELLO_MS, HELLO_MS, HELLO_MS);
	struct host *host = c->service->host;
	const char *serial = host_serial(host), *name = c->service->name;
	int rc = visit_begin(host, peer, hello->has_instance ? hello->instance : NULL, ret, err);

	if (rc < 0)
		return rc;
	frame_begin(out);
	buf_put_u8(out, hello->version);
	buf_put_u64(out, host_epoch(host));
	buf_put_bytes(out, serial, strlen(serial));
	buf_put_bytes(out, name, strlen(name));
	if (hello->has_instance)
		buf_put_u8(out, visit_is_logged_in(*ret));
	return frame_send(c->stream, out, FRAME_WELCOME, &pace, err);
}

static int greet(struct conversation *c, const struct host_peer *peer, bool has_place, struct buf *in, struct buf *out,
		 struct visit **ret, struct err *err)
{
	struct frame_pace pace = frame_pace(HELLO_MS, HELLO_MS, HELLO_MS);
	struct hello hello = {0};
	int rc;
	const char *wrong = read_hello(c, in, &pace, &hello, &rc, err);

	if (rc < 0)
		return rc;
	if (wrong)
		return refuse_malformed(c, out, wrong, err);
	if (!has_place) {
		err_set(err, ERR_IN_USE, "all places are taken");
		return refuse(c, out, FRAME_FULL, err);
	}
	if (c->service->ill) {
		*err = *c->service->ill;
		return refuse(c, out, FRAME_NO_TOKEN, err);
	}
	if (atomic_load(&c->service->stuck))
		return refuse_stuck(c, out, err);
	return welcome(c, peer, &hello, out, ret, err);
}

/* ---- calls ---- */

static int reply(struct conversation *c, struct p11_batch *batch, struct buf *out, struct err *err)
{
	struct frame_pace pace = frame_pace(PATIENCE_MS, PATIENCE_MS, INT64_MAX);
	int rc;

	frame_begin(out);
	buf_put_u64(out, host_changes(c->service->host));
	p11_encode_reply(out, batch->calls, batch->count);
	pthread_mutex_lock(&c->write_lock);
	atomic_store(&c->busy_since, 0);
	rc = frame_send(c->stream, out, FRAME_REPLY, &pace, err);
	pthread_mutex_unlock(&c->write_lock);
	return rc;
}

/* Wait for somebody to say something: the only wait that may be long. */
static int await_call(struct conversation *c, struct err *err)
{
	int64_t idle_ms = c->service->idle_ms;
	int rc;

	atomic_store(&c->idle_since, clock_now_ms());
	rc = stream_wait(c->stream, clock_now_ms() + idle_ms, err);
	atomic_store(&c->idle_since, 0);
	return rc ? rc : err_set(err, ERR_TIMEOUT, "idle for %lld ms", (long long)idle_ms);
}

static bool take_large(struct service *service)
{
	unsigned n = atomic_load(&service->large);

	while (n < LARGE_MAX && !atomic_compare_exchange_weak(&service->large, &n, n + 1))
		;
	return n < LARGE_MAX;
}

/* The peer is told that it is not forgotten: refusing what it is sending would look
 * like the end of the connection. */
static int await_large(struct conversation *c, struct err *err)
{
	int64_t end = clock_now_ms() + CALL_SHORT_MS;
	int rc = 0;

	while (rc == 0 && !take_large(c->service)) {
		if (clock_now_ms() > end)
			return err_set(err, ERR_IN_USE, "too many large calls without login");
		clock_sleep_ms(FRAME_BEAT_MS);
		rc = frame_send_beat(c->stream, err);
	}
	return rc;
}

/* What a call asks room for is as much a promise as the length of a frame. */
static int decode(struct conversation *c, const struct visit *visit, const struct buf *in, bool *large,
		  struct p11_batch *ret, struct err *err)
{
	struct buf_reader r = buf_reader(in->data, in->len);
	bool any = *large || visit_is_logged_in(visit);
	int rc = p11_decode_request(&r, any ? P11_RESULT_MAX : SMALL_ROOM, ret, err);

	if (rc == 0 || any)
		return rc;
	rc = await_large(c, err);
	if (rc < 0)
		return rc;
	*large = true;
	r = buf_reader(in->data, in->len);
	return p11_decode_request(&r, P11_RESULT_MAX, ret, err);
}

static int serve_call(struct conversation *c, struct visit *visit, const struct buf *in, bool *large, struct buf *out,
		      struct err *err)
{
	owned(p11_batch) struct p11_batch batch = {0};
	int64_t now, limit;
	int rc = decode(c, visit, in, large, &batch, err);

	if (rc < 0)
		return refuse(c, out, rc == -ERR_IN_USE ? FRAME_FULL : FRAME_MALFORMED, err);
	if (atomic_load(&c->service->stuck))
		return refuse_stuck(c, out, err);
	now = clock_now_ms();
	limit = call_is_long(batch.calls, batch.count) ? CALL_LONG_MS : CALL_SHORT_MS;
	atomic_store(&c->busy_until, now + limit + (int64_t)in->len / FRAME_RATE);
	atomic_store(&c->busy_since, now);
	visit_execute(visit, batch.calls, batch.count);
	return reply(c, &batch, out, err);
}

static int converse(struct conversation *c, struct visit *visit, struct buf *in, struct buf *out, struct err *err)
{
	struct frame_pace pace;
	uint32_t len;
	bool large;
	int rc = await_call(c, err);

	if (rc < 0)
		return rc;
	pace = frame_pace(PATIENCE_MS, PATIENCE_MS, INT64_MAX);
	pace.beats = true;
	rc = frame_receive_head(c->stream, &len, &pace, err);
	if (rc < 0)
		return rc;
	if (rc != FRAME_CALL)
		return refuse_malformed(c, out, "an unexpected frame", err);
	large = len > SMALL_FRAME && !visit_is_logged_in(visit);
	rc = large ? await_large(c, err) : 0;
	if (rc < 0)
		return rc == -ERR_IN_USE ? refuse(c, out, FRAME_FULL, err) : rc;
	rc = frame_receive_body(c->stream, len, in, &pace, err);
	if (rc == 0)
		rc = serve_call(c, visit, in, &large, out, err);
	/* It may hold a PIN. */
	buf_clear(in);
	if (large)
		atomic_fetch_sub(&c->service->large, 1);
	return rc;
}

int conversation_hold(struct conversation *c, struct stream *stream, const struct host_peer *peer, bool has_place,
		      struct err *err)
{
	owned(buf) struct buf in = {.max = FRAME_MAX, .wipe = true};
	owned(buf) struct buf out = {.max = FRAME_MAX + FRAME_HEAD, .wipe = true};
	owned(visit) struct visit *visit = NULL;
	int rc;

	join(c, stream);
	rc = greet(c, peer, has_place, &in, &out, &visit, err);
	while (rc == 0)
		rc = converse(c, visit, &in, &out, err);
	leave(c);
	return rc;
}
