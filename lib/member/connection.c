/* SPDX-License-Identifier: Apache-2.0 */
/* One connection to the appliance: handshake, hello, then calls and replies. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "crypto/tls.h"
#include "member/appliance.h"
#include "member/frame.h"
#include "member/guest.h"
#include "member/host.h"
#include "member/limit.h"
#include "member/server.h"

enum { IDLE_MS = 15 * 60 * 1000, HELLO_MAX = 64 };

/* ---- refusals ---- */

/* The reason is err's, which the end of the connection logs. */
static int refuse(struct connection *c, struct buf *out, enum frame_refusal why, const struct err *err)
{
	struct frame_pace pace = frame_pace(HANDSHAKE_MS, HANDSHAKE_MS, HANDSHAKE_MS);

	frame_begin(out);
	buf_put_u8(out, (uint8_t)why);
	buf_put_str(out, err->message);
	pthread_mutex_lock(&c->write_lock);
	atomic_store(&c->busy_since, 0);
	frame_send(c->tls, out, FRAME_REFUSED, &pace, NULL);
	pthread_mutex_unlock(&c->write_lock);
	return -(int)err->code;
}

static int refuse_stuck(struct connection *c, struct buf *out, struct err *err)
{
	err_set(err, ERR_UNREACHABLE, "a call does not come back from the token's library");
	return refuse(c, out, FRAME_STUCK, err);
}

static int refuse_malformed(struct connection *c, struct buf *out, const char *reason, struct err *err)
{
	err_set(err, ERR_PROTOCOL, "%s", reason);
	return refuse(c, out, FRAME_MALFORMED, err);
}

/* ---- the beginning ---- */

/* Those who come only to be there shall not cost a handshake. */
static int await_first_byte(struct connection *c, struct err *err)
{
	struct pollfd p[2] = {{.fd = c->fd, .events = POLLIN}, {.fd = cancel_fd(), .events = POLLIN}};
	int64_t end = c->came_ms + SILENT_MS;

	for (int64_t left = SILENT_MS; left > 0; left = end - clock_now_ms()) {
		int n = poll(p, 2, (int)left), rc = cancel_check(err);

		if (rc < 0)
			return rc;
		if (n > 0 && p[0].revents)
			return place_spoke(c) ? 0 : err_set(err, ERR_UNREACHABLE, "it gave way to others");
		if (n < 0 && errno != EINTR)
			return err_errno(err, "cannot wait for a connection");
	}
	return err_set(err, ERR_UNREACHABLE, "it says nothing");
}

static int shake_hands(struct connection *c, struct err *err)
{
	unsigned roles = 1u << CERT_ROLE_ADMIN | 1u << CERT_ROLE_APPLICATION;
	struct tls *tls = NULL;
	int fd, rc = await_first_byte(c, err);

	if (rc < 0)
		return rc;
	/* The listener needs a descriptor of its own to end a slow handshake by. */
	fd = fcntl(c->fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return err_errno(err, "cannot take a connection");
	rc = tls_handshake(c->server->tls, fd, roles, NULL, clock_now_ms() + HANDSHAKE_MS, &tls, err);
	c->tls = tls;
	return rc;
}

/* NULL, or what is wrong with the hello. A negative *ret_rc: there was none. */
static const char *read_hello(struct connection *c, struct buf *in, struct frame_pace *pace, uint8_t *ret_version,
			      int *ret_rc, struct err *err)
{
	struct buf_reader r;
	const uint8_t *magic;
	uint8_t oldest, newest;
	uint32_t len;
	int kind = frame_receive_head(c->tls, &len, pace, err);

	*ret_rc = kind == FRAME_HELLO && len <= HELLO_MAX ? frame_receive_body(c->tls, len, in, pace, err) : kind;
	if (*ret_rc < 0)
		return NULL;
	r = buf_reader(in->data, in->len);
	magic = buf_get(&r, 6);
	oldest = buf_get_u8(&r);
	newest = buf_get_u8(&r);
	if (kind != FRAME_HELLO || !buf_read_done(&r) || memcmp(magic, "hsmctl", 6) != 0)
		return "not a client of this protocol";
	*ret_version = newest < FRAME_VERSION ? newest : FRAME_VERSION;
	return oldest > *ret_version || *ret_version < FRAME_OLDEST ? "no common version of the protocol" : NULL;
}

static int welcome(struct connection *c, bool has_place, struct buf *in, struct buf *out, struct err *err)
{
	struct frame_pace pace = frame_pace(HANDSHAKE_MS, HANDSHAKE_MS, HANDSHAKE_MS);
	struct host *host = c->server->host;
	const char *serial = host_serial(host), *name = c->server->config->name;
	uint8_t version;
	int rc;
	const char *wrong = read_hello(c, in, &pace, &version, &rc, err);

	if (rc < 0)
		return rc;
	if (wrong)
		return refuse_malformed(c, out, wrong, err);
	if (!has_place) {
		err_set(err, ERR_IN_USE, "all places are taken");
		return refuse(c, out, FRAME_FULL, err);
	}
	if (atomic_load(&c->server->stuck))
		return refuse_stuck(c, out, err);
	frame_begin(out);
	buf_put_u8(out, version);
	buf_put_u64(out, host_epoch(host));
	buf_put_bytes(out, serial, strlen(serial));
	buf_put_bytes(out, name, strlen(name));
	return frame_send(c->tls, out, FRAME_WELCOME, &pace, err);
}

/* ---- calls ---- */

static int reply(struct connection *c, struct p11_batch *batch, struct buf *out, struct err *err)
{
	struct frame_pace pace = frame_pace(PATIENCE_MS, PATIENCE_MS, INT64_MAX);
	int rc;

	frame_begin(out);
	buf_put_u64(out, host_changes(c->server->host));
	p11_encode_reply(out, batch->calls, batch->count);
	pthread_mutex_lock(&c->write_lock);
	atomic_store(&c->busy_since, 0);
	rc = frame_send(c->tls, out, FRAME_REPLY, &pace, err);
	pthread_mutex_unlock(&c->write_lock);
	return rc;
}

static int serve_call(struct connection *c, struct guest *guest, const struct buf *in, struct buf *out,
		      struct err *err)
{
	owned(p11_batch) struct p11_batch batch = {0};
	struct buf_reader r = buf_reader(in->data, in->len);
	int64_t now = clock_now_ms(), limit;

	if (p11_decode_request(&r, &batch, err) < 0)
		return refuse(c, out, FRAME_MALFORMED, err);
	if (atomic_load(&c->server->stuck))
		return refuse_stuck(c, out, err);
	limit = call_is_long(batch.calls, batch.count) ? CALL_LONG_MS : CALL_SHORT_MS;
	atomic_store(&c->busy_until, now + limit + (int64_t)in->len / FRAME_RATE);
	atomic_store(&c->busy_since, now);
	guest_execute(guest, batch.calls, batch.count);
	return reply(c, &batch, out, err);
}

/* Wait for somebody to say something: the only wait that may be long. */
static int await_call(struct connection *c, struct err *err)
{
	int64_t idle_ms = c->server->config->idle_ms ? c->server->config->idle_ms : IDLE_MS;
	int rc;

	atomic_store(&c->idle_since, clock_now_ms());
	rc = tls_wait(c->tls, clock_now_ms() + idle_ms, err);
	atomic_store(&c->idle_since, 0);
	return rc ? rc : err_set(err, ERR_TIMEOUT, "idle for %lld ms", (long long)idle_ms);
}

/* The peer is told that it is not forgotten: refusing what it is sending would look
 * like the end of the connection. */
static int await_large(struct connection *c, struct err *err)
{
	int64_t end = clock_now_ms() + CALL_SHORT_MS;
	int rc = 0;

	while (rc == 0 && !place_take_large(c->server)) {
		if (clock_now_ms() > end)
			return err_set(err, ERR_IN_USE, "too many large calls without login");
		clock_sleep_ms(FRAME_BEAT_MS);
		rc = frame_send_beat(c->tls, err);
	}
	return rc;
}

static int converse(struct connection *c, struct guest *guest, struct buf *in, struct buf *out, struct err *err)
{
	struct frame_pace pace;
	uint32_t len;
	bool large;
	int rc = await_call(c, err);

	if (rc < 0)
		return rc;
	pace = frame_pace(PATIENCE_MS, PATIENCE_MS, INT64_MAX);
	pace.beats = true;
	rc = frame_receive_head(c->tls, &len, &pace, err);
	if (rc < 0)
		return rc;
	if (rc != FRAME_CALL)
		return refuse_malformed(c, out, "an unexpected frame", err);
	large = len > SMALL_FRAME && !guest_is_logged_in(guest);
	rc = large ? await_large(c, err) : 0;
	if (rc < 0)
		return rc == -ERR_IN_USE ? refuse(c, out, FRAME_FULL, err) : rc;
	rc = frame_receive_body(c->tls, len, in, &pace, err);
	if (rc == 0)
		rc = serve_call(c, guest, in, out, err);
	/* It may hold a PIN. */
	buf_clear(in);
	if (large)
		place_leave_large(c->server);
	return rc;
}

static int serve(struct connection *c, struct err *err)
{
	owned(buf) struct buf in = {.max = FRAME_MAX, .wipe = true};
	owned(buf) struct buf out = {.max = FRAME_MAX + FRAME_HEAD, .wipe = true};
	owned(guest) struct guest *guest = NULL;
	struct host_peer peer;
	int rc = shake_hands(c, err);

	if (rc == 0)
		rc = welcome(c, place_take(c), &in, &out, err);
	if (rc < 0)
		return rc;
	peer = (struct host_peer){tls_peer_name(c->tls), tls_peer_fingerprint(c->tls), tls_peer_role(c->tls)};
	rc = guest_new(c->server->host, &peer, &guest, err);
	while (rc == 0)
		rc = converse(c, guest, &in, &out, err);
	return rc;
}

void *connection_thread(void *connection)
{
	struct connection *c = connection;
	struct err err = {0};

	serve(c, &err);
	log_info("appliance", "connection of '%s' ends: %s", c->tls ? tls_peer_name(c->tls) : "?", err.message);
	place_leave(c);
	return NULL;
}

/* ---- heartbeats ---- */

bool connection_is_overdue(struct connection *connection, int64_t now_ms)
{
	return atomic_load(&connection->busy_since) && now_ms > atomic_load(&connection->busy_until);
}

void connection_beat(struct connection *connection, int64_t now_ms)
{
	int64_t since = atomic_load(&connection->busy_since);

	if (!since || now_ms - since < FRAME_BEAT_MS / 2 || connection_is_overdue(connection, now_ms))
		return;
	if (pthread_mutex_trylock(&connection->write_lock) != 0)
		return;
	if (atomic_load(&connection->busy_since) && frame_send_beat(connection->tls, NULL) < 0)
		tls_cut(connection->tls);
	pthread_mutex_unlock(&connection->write_lock);
}
