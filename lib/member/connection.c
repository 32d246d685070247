/* SPDX-License-Identifier: Apache-2.0 */
/* One connection to the appliance: its handshake, its place, then what is said over it. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "crypto/tls.h"
#include "member/appliance.h"
#include "member/host.h"
#include "member/server.h"
#include "member/stream.h"

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

static int shake_hands(struct connection *c, struct tls **ret, struct err *err)
{
	unsigned roles = 1u << CERT_ROLE_ADMIN | 1u << CERT_ROLE_APPLICATION;
	int fd, rc = await_first_byte(c, err);

	if (rc < 0)
		return rc;
	/* The listener needs a descriptor of its own to end a slow handshake by. */
	fd = fcntl(c->fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return err_errno(err, "cannot take a connection");
	return tls_handshake(c->server->tls, fd, roles, NULL, clock_now_ms() + HANDSHAKE_MS, ret, err);
}

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
	rc = conversation_hold(&c->conversation, stream, &peer, place_take(c), err);
	log_info("appliance", "connection of '%s' ends: %s", peer.name, err->message);
	return rc;
}

void *connection_thread(void *connection)
{
	struct connection *c = connection;
	struct err err = {0};

	serve(c, &err);
	if (!c->stream)
		log_info("appliance", "connection of '?' ends: %s", err.message);
	place_leave(c);
	return NULL;
}
