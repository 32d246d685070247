/* SPDX-License-Identifier: Apache-2.0 */
/* An appliance across the network: frames over mutual TLS, a deadline on every wait. */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "crypto/tls.h"
#include "member/frame.h"
#include "member/limit.h"
#include "member/link.h"
#include "member/member.h"

struct tls_link {
	struct link link;
	struct tls *tls;
	uint8_t version;	/* that both ends speak */
	struct buf out, in;
};

static void tls_link_close(struct link *link)
{
	struct tls_link *t = (struct tls_link *)link;

	tls_free(t->tls);
	buf_release(&t->out);
	buf_release(&t->in);
	free(t);
}

/* "127.0.0.1:41234" or "[::1]:41234"; numbers only, so nothing waits for DNS. */
static int resolve(const char *address, struct addrinfo **ret, struct err *err)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
	const char *colon = strrchr(address, ':');
	char host[64];
	int len;

	if (!colon)
		return err_set(err, ERR_INVALID, "the address '%s' has no port", address);
	len = (int)(colon - address);
	if (len > 2 && address[0] == '[' && address[len - 1] == ']')
		snprintf(host, sizeof(host), "%.*s", len - 2, address + 1);
	else
		snprintf(host, sizeof(host), "%.*s", len, address);
	if (getaddrinfo(host, colon + 1, &hints, ret) != 0)
		return err_set(err, ERR_INVALID, "'%s' is not ADDRESS:PORT", address);
	return 0;
}

static int wait_connected(int fd, int64_t deadline, struct err *err)
{
	struct pollfd p[2] = {{.fd = fd, .events = POLLOUT}, {.fd = cancel_fd(), .events = POLLIN}};
	socklen_t len = sizeof(int);
	int failed = 0;

	for (;;) {
		int64_t left = deadline - clock_now_ms();
		int n = poll(p, 2, left > 0 ? (int)left : 0), rc;

		if (n < 0 && errno != EINTR)
			return err_errno(err, "cannot connect");
		if (n > 0 && p[0].revents)
			break;
		rc = cancel_check(err);
		if (rc < 0)
			return rc;
		if (left <= 0)
			return err_set(err, ERR_UNREACHABLE, "no answer to the connection");
	}
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &len);
	return failed ? err_set(err, ERR_UNREACHABLE, "%s", strerror(failed)) : 0;
}

static int dial(const char *address, int64_t deadline, int *ret_fd, struct err *err)
{
	struct addrinfo *where;
	int fd, rc = resolve(address, &where, err);

	if (rc < 0)
		return rc;
	fd = socket(where->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		rc = err_errno(err, "cannot make a socket");
	else if (connect(fd, where->ai_addr, where->ai_addrlen) < 0 && errno != EINPROGRESS)
		rc = err_set(err, ERR_UNREACHABLE, "%s", strerror(errno));
	else
		rc = wait_connected(fd, deadline, err);
	freeaddrinfo(where);
	if (rc < 0 && fd >= 0)
		close(fd);
	*ret_fd = fd;
	return rc;
}

/* Is this the token we look for? */
static int read_welcome(struct tls_link *t, struct err *err)
{
	struct buf_reader r = buf_reader(t->in.data, t->in.len);
	const char *expected = t->link.config->serial;
	size_t serial_len, name_len;
	const uint8_t *serial;

	t->version = buf_get_u8(&r);
	t->link.epoch = buf_get_u64(&r);
	serial = buf_get_bytes(&r, &serial_len);
	buf_get_bytes(&r, &name_len);
	if (!buf_read_done(&r))
		return err_set(err, ERR_PROTOCOL, "a malformed welcome");
	if (expected && (strlen(expected) != serial_len || memcmp(expected, serial, serial_len) != 0))
		return err_set(err, ERR_UNREACHABLE, "the token there has serial '%.*s', not '%s'",
			       (int)serial_len, (const char *)serial, expected);
	return 0;
}

/* What a peer that refuses us says: ill, full, or not understanding us. Nothing was done. */
static int refused(struct tls_link *t, enum err_code otherwise, struct err *err)
{
	struct buf_reader r = buf_reader(t->in.data, t->in.len);
	uint8_t why = buf_get_u8(&r);
	int len = t->in.len > 200 ? 200 : (int)t->in.len - 1;

	err_set(err, why == FRAME_MALFORMED ? otherwise : ERR_UNREACHABLE, "refused: %.*s", len < 0 ? 0 : len,
		len > 0 ? (const char *)t->in.data + 1 : "");
	if (!err)
		return -ERR_UNREACHABLE;
	err->retry = ERR_RETRY_SAFE;
	if (why == FRAME_FULL)
		err->rv = CKR_SESSION_COUNT;
	return -(int)err->code;
}

static int greet(struct tls_link *t, struct frame_pace *pace, struct err *err)
{
	int rc;

	frame_begin(&t->out);
	buf_put_str(&t->out, "hsmctl");
	buf_put_u8(&t->out, FRAME_OLDEST);
	buf_put_u8(&t->out, FRAME_VERSION);
	rc = frame_send(t->tls, &t->out, FRAME_HELLO, pace, err);
	if (rc == 0)
		rc = frame_receive(t->tls, &t->in, pace, err);
	if (rc < 0)
		return rc;
	if (rc == FRAME_REFUSED)
		return refused(t, ERR_DENIED, err);
	if (rc != FRAME_WELCOME)
		return err_set(err, ERR_PROTOCOL, "not an hsmctl appliance");
	return read_welcome(t, err);
}

static int tls_link_open(const struct member_config *config, struct link **ret, struct err *err)
{
	int64_t deadline = clock_now_ms() + config->connect_ms;
	struct frame_pace pace = {.silence_ms = config->connect_ms, .end_ms = deadline, .last_ms = deadline};
	struct tls_link *t = mem_new(struct tls_link);
	owned(link) struct link *link = (struct link *)t;
	int fd, rc;

	if (!t)
		return err_no_memory(err);
	t->link = (struct link){.ops = &link_tls, .config = config};
	buf_init(&t->out, FRAME_MAX + FRAME_HEAD);
	buf_init(&t->in, FRAME_MAX);
	t->out.wipe = t->in.wipe = true;
	rc = dial(config->address, deadline, &fd, err);
	if (rc == 0)
		rc = tls_handshake(config->tls, fd, 1u << CERT_ROLE_APPLIANCE, config->certificate,
				   deadline, &t->tls, err);
	if (rc == 0)
		rc = greet(t, &pace, err);
	if (rc == -ERR_TIMEOUT && cancel_check(NULL) == 0)
		err->code = ERR_UNREACHABLE;
	if (rc < 0) {
		if (err)
			err->retry = ERR_RETRY_SAFE;
		return err_wrap(err, "%s", config->address);
	}
	*ret = own_take(link);
	return 0;
}

/* Beats and every byte grant another silence; in all there is what the pace has left. */
static int await_reply(struct tls_link *t, struct frame_pace *pace, struct err *err)
{
	int kind;

	do
		kind = frame_receive(t->tls, &t->in, pace, err);
	while (kind == FRAME_BEAT);
	if (kind == FRAME_REFUSED)
		return refused(t, ERR_PROTOCOL, err);
	if (kind < 0 || kind == FRAME_REPLY)
		return kind;
	return err_set(err, ERR_PROTOCOL, "an unexpected frame");
}

/* The request out and the reply in. */
static int exchange(struct tls_link *t, const struct call_limit *limit, struct err *err)
{
	struct frame_pace pace = frame_pace(limit->silence_ms, limit->total_ms, limit->longest_ms);
	int rc = frame_send(t->tls, &t->out, FRAME_CALL, &pace, err);

	if (rc == 0)
		rc = await_reply(t, &pace, err);
	if (rc != -ERR_TIMEOUT || cancel_check(err) < 0)
		return rc;
	if (clock_now_ms() < pace.end_ms)
		return err_set(err, ERR_UNREACHABLE, "no answer within %lld ms", (long long)limit->silence_ms);
	return err_set(err, ERR_UNREACHABLE, "no result within %lld ms", (long long)limit->total_ms);
}

/* An appliance of before would end the connection over a function that it does not know. */
static bool is_beyond(const struct tls_link *t, const struct p11_call *calls, size_t count)
{
	for (size_t i = 0; i < count && t->version < FRAME_VERSION_HOST; i++)
		if (p11_fn_table[calls[i].fn].flags & P11_HOST)
			return true;
	return false;
}

static int tls_link_call(struct link *link, struct p11_call *calls, size_t count, const struct call_limit *limit,
			 struct err *err)
{
	struct tls_link *t = (struct tls_link *)link;
	struct buf_reader r;
	int rc;

	if (is_beyond(t, calls, count)) {
		calls[0].rv = CKR_FUNCTION_NOT_SUPPORTED;
		return 0;
	}
	frame_begin(&t->out);
	p11_encode_request(&t->out, calls, count);
	rc = buf_check(&t->out, err);
	if (rc < 0) {
		if (err)
			err->retry = ERR_RETRY_SAFE;
		return rc;
	}
	rc = exchange(t, limit, err);
	if (rc < 0) {
		link->ended = tls_ended(t->tls);
		/* The peer may have it, unless it says that it did nothing: whoever sent it decides. */
		if (err && err->retry != ERR_RETRY_SAFE)
			err->retry = ERR_RETRY_IDEMPOTENT;
		return rc;
	}
	r = buf_reader(t->in.data, t->in.len);
	link->changes = buf_get_u64(&r);
	rc = p11_decode_reply(&r, calls, count, err);
	/* It may hold values of keys. */
	buf_clear(&t->in);
	if (rc < 0 && err)
		err->retry = ERR_RETRY_IDEMPOTENT;
	return rc;
}

/* A peer that owes nothing and has something to say has said goodbye. */
static bool tls_link_alive(struct link *link)
{
	return tls_wait(((struct tls_link *)link)->tls, 0, NULL) == 0;
}

static void tls_link_cut(struct link *link)
{
	tls_cut(((struct tls_link *)link)->tls);
}

const struct link_ops link_tls = {
	.open = tls_link_open,
	.call = tls_link_call,
	.alive = tls_link_alive,
	.cut = tls_link_cut,
	.close = tls_link_close,
};
