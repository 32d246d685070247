/* SPDX-License-Identifier: Apache-2.0 */
/* One connection to the appliance: its handshake, its place, then what is said over it. */
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "crypto/tls.h"
#include "member/appliance.h"
#include "member/host.h"
#include "member/server.h"
#include "member/stream.h"

/* ---- the hello ---- */

enum { RECORD_HEAD = 5, HANDSHAKE_RECORD = 22, RECORD_MAX = 1 << 14 };

int connection_has_hello(int fd, struct err *err)
{
	uint8_t head[RECORD_HEAD];
	ssize_t n = recv(fd, head, sizeof(head), MSG_PEEK | MSG_DONTWAIT);
	int there = 0, want = RECORD_HEAD;

	if (n == RECORD_HEAD)
		want += head[3] << 8 | head[4];
	if ((n > 0 && head[0] != HANDSHAKE_RECORD) || want > RECORD_HEAD + RECORD_MAX)
		return err_set(err, ERR_UNREACHABLE, "it does not speak TLS");
	ioctl(fd, FIONREAD, &there);
	if (n == RECORD_HEAD && there >= want)
		want = 1;
	/* Nothing less wakes us: who sends one byte at a time keeps nobody busy. */
	setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &want, sizeof(want));
	return want == 1;
}

/* Those who come only to be there shall not cost a handshake. */
static int await_hello(struct connection *c, struct err *err)
{
	struct pollfd p[2] = {{.fd = c->fd, .events = POLLIN | POLLRDHUP}, {.fd = cancel_fd(), .events = POLLIN}};
	int64_t end = c->came_ms + SILENT_MS;

	for (int64_t left = SILENT_MS; left > 0; left = end - clock_now_ms()) {
		int n = poll(p, 2, (int)left), rc = cancel_check(err);

		if (n < 0 && errno != EINTR)
			return err_errno(err, "cannot wait for a connection");
		if (rc == 0 && n > 0 && p[0].revents)
			rc = connection_has_hello(c->fd, err);
		if (rc != 0)
			return rc < 0 ? rc : 0;
		if (n > 0 && p[0].revents & ~POLLIN)
			return err_set(err, ERR_UNREACHABLE, "it left, or gave way to others, before it said hello");
	}
	return err_set(err, ERR_UNREACHABLE, "it does not say hello");
}

static int shake_hands(struct connection *c, struct tls **ret, struct err *err)
{
	unsigned roles = 1u << CERT_ROLE_ADMIN | 1u << CERT_ROLE_APPLICATION;
	int fd, rc = await_hello(c, err);

	if (rc == 0)
		rc = place_greet(c, &fd, err);
	return rc < 0 ? rc : tls_handshake(c->server->tls, fd, roles, NULL, clock_now_ms() + HANDSHAKE_MS, ret, err);
}

/* ---- what is said ---- */

static int serve(struct connection *c, struct err *err)
{
	struct stream *stream = NULL;
	struct tls *tls = NULL;
	struct host_peer peer;
	int rc = shake_hands(c, &tls, err);

	if (rc < 0)
		return rc;
	peer = (struct host_peer){tls_peer_name(tls), tls_peer_fingerprint(tls), tls_peer_role(tls)};
	rc = stream_over_tls(tls, &stream, err);
	if (rc < 0)
		return rc;
	c->stream = stream;
	rc = conversation_hold(&c->conversation, stream, &peer, place_take(c, peer.role), err);
	log_info("appliance", "connection of '%s' ends: %s", peer.name, err->message);
	return rc;
}

void *connection_thread(void *connection)
{
	struct connection *c = connection;
	struct err err = {0};

	serve(c, &err);
	/* Strangers shall not fill a disk. */
	if (!c->stream && c->said_hello)
		log_info("appliance", "connection of '?' ends: %s", err.message);
	else if (!c->stream)
		log_debug("appliance", "connection of '?' ends: %s", err.message);
	place_leave(c);
	return NULL;
}
