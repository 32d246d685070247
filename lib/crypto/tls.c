/* SPDX-License-Identifier: Apache-2.0 */
/* TLS connections: every transfer is tried first and waited for second. */
#include "crypto/tls.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/inherit.h"
#include "base/mem.h"
#include "crypto/tls_private.h"

enum { ACCEPTED = 'A' };

/* How long a peer's kernel may leave sent bytes unacknowledged or its window shut:
 * a client wants to know soon whether its server's host has vanished, a server
 * loses nothing by waiting for a client that was stopped. */
enum { CLIENT_UNACKED_MS = 2000, SERVER_UNACKED_MS = 60000 };

/* Small messages go out at once, and a host that vanished is noticed. Not every
 * socket is TCP, hence no complaints. */
static void tune(int fd, bool server)
{
	const struct {
		int level, option, value;
	} options[] = {
		{IPPROTO_TCP, TCP_NODELAY, 1},
		{IPPROTO_TCP, TCP_USER_TIMEOUT, server ? SERVER_UNACKED_MS : CLIENT_UNACKED_MS},
		{SOL_SOCKET, SO_KEEPALIVE, 1},
		{IPPROTO_TCP, TCP_KEEPIDLE, 1},
		{IPPROTO_TCP, TCP_KEEPINTVL, 1},
		{IPPROTO_TCP, TCP_KEEPCNT, 2},
	};

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		setsockopt(fd, options[i].level, options[i].option, &options[i].value, sizeof(int));
}

/* Owns fd, also when it fails. */
static int connection_new(struct tls_context *context, int fd, struct tls **ret, struct err *err)
{
	owned(tls) struct tls *tls = mem_new(struct tls);
	BIO *bio;

	if (!tls) {
		close(fd);
		return err_no_memory(err);
	}
	tls->socket.fd = fd;
	tls->alert_sent = tls->alert_received = -1;
	inherit_not(fd);
	tune(fd, context->server);
	tls->ssl = SSL_new(context->ssl);
	bio = tls->ssl ? tls_socket_bio(&tls->socket) : NULL;
	if (!bio)
		return err_no_memory(err);
	SSL_set_bio(tls->ssl, bio, bio);
	SSL_set_app_data(tls->ssl, tls);
	if (context->server)
		SSL_set_accept_state(tls->ssl);
	else
		SSL_set_connect_state(tls->ssl);
	*ret = own_take(tls);
	return 0;
}

/* Alerts by which a peer says that it does not want our certificate. */
static bool about_certificates(int alert)
{
	return (alert >= SSL_AD_BAD_CERTIFICATE && alert <= SSL_AD_CERTIFICATE_UNKNOWN) ||
	       alert == SSL_AD_UNKNOWN_CA || alert == SSL_AD_ACCESS_DENIED ||
	       alert == SSL_AD_CERTIFICATE_REQUIRED;
}

static int explain(const struct tls *tls, struct err *err)
{
	const struct tls_socket *s = &tls->socket;

	if (atomic_load(&tls->cut))
		return err_set(err, ERR_UNREACHABLE, "the connection was cut");
	if (tls->refusal)
		return err_set(err, ERR_DENIED, "the peer is refused: %s", tls->refusal);
	if (tls->alert_sent == SSL_AD_CERTIFICATE_REQUIRED)
		return err_set(err, ERR_DENIED, "the peer is refused: it has no certificate");
	if (about_certificates(tls->alert_received))
		return err_set(err, ERR_DENIED, "the peer refuses our certificate: %s",
			       SSL_alert_desc_string_long(tls->alert_received));
	if (s->error)
		return err_set(err, ERR_UNREACHABLE, "the connection failed: %s", strerror(s->error));
	if (s->ended || tls->alert_received == SSL_AD_CLOSE_NOTIFY)
		return err_set(err, ERR_UNREACHABLE, "the peer closed the connection");
	if (tls->broken)
		return err_set(err, ERR_UNREACHABLE, "the connection broke before");
	return err_set(err, ERR_UNREACHABLE, "the peer does not speak TLS as we do");
}

/* Before each attempt. */
static int begin(struct tls *tls, struct err *err)
{
	tls->socket.wants = 0;
	return tls->broken || atomic_load(&tls->cut) ? explain(tls, err) : 0;
}

/* After an attempt that failed: 0 = try again. */
static int again(struct tls *tls, int64_t deadline_ms, struct err *err)
{
	int64_t soon = tls->silence_ms ? clock_now_ms() + tls->silence_ms : deadline_ms;
	int rc;

	if (tls->socket.wants)
		return cancel_poll(tls->socket.fd, tls->socket.wants, soon < deadline_ms ? soon : deadline_ms, err);
	rc = explain(tls, err);
	tls->broken = true;
	return rc;
}

/* Whoever was asked just now has not answered yet, mostly: it is waited for first, and read once. */
static int read_some(struct tls *tls, uint8_t *data, size_t len, int64_t deadline_ms, struct err *err)
{
	int rc = begin(tls, err);

	if (rc == 0 && !SSL_has_pending(tls->ssl)) {
		tls->socket.wants = POLLIN;
		rc = again(tls, deadline_ms, err);
	}
	while (rc == 0) {
		size_t n = 0;

		rc = begin(tls, err);
		if (rc < 0)
			return rc;
		if (SSL_read_ex(tls->ssl, data, len < INT_MAX ? len : INT_MAX, &n) == 1)
			return (int)n;
		rc = again(tls, deadline_ms, err);
	}
	return rc;
}

static int read_all(struct tls *tls, uint8_t *data, size_t len, int64_t deadline_ms, struct err *err)
{
	for (size_t got = 0; got < len;) {
		int n = read_some(tls, data + got, len - got, deadline_ms, err);

		if (n < 0) {
			tls->broken |= got > 0;
			return n;
		}
		got += (size_t)n;
	}
	return 0;
}

static int write_all(struct tls *tls, const uint8_t *data, size_t len, int64_t deadline_ms,
		     struct err *err)
{
	while (len) {
		size_t n = 0;
		int rc = begin(tls, err);

		if (rc < 0)
			return rc;
		if (SSL_write_ex(tls->ssl, data, len, &n) == 1) {
			data += n;
			len -= n;
			continue;
		}
		rc = again(tls, deadline_ms, err);
		if (rc < 0) {
			tls->broken = true;
			return rc;
		}
	}
	return 0;
}

/* The client is done before the server has looked at its certificate; one byte
 * from the server makes the handshake end with the same answer on both ends. */
static int confirm(struct tls *tls, bool server, int64_t deadline_ms, struct err *err)
{
	uint8_t byte = ACCEPTED;
	int rc;

	if (server)
		return write_all(tls, &byte, 1, deadline_ms, err);
	rc = read_all(tls, &byte, 1, deadline_ms, err);
	if (rc < 0)
		return rc;
	return byte == ACCEPTED ? 0 : err_set(err, ERR_UNREACHABLE, "the peer is no hsmctl");
}

static int shake(struct tls *tls, bool server, int64_t deadline_ms, struct err *err)
{
	for (;;) {
		int rc = begin(tls, err);

		if (rc < 0)
			return rc;
		if (SSL_do_handshake(tls->ssl) == 1)
			return confirm(tls, server, deadline_ms, err);
		rc = again(tls, deadline_ms, err);
		if (rc < 0)
			return rc;
	}
}

static int with_retry(int rc, enum err_retry retry, struct err *err)
{
	if (rc < 0 && err)
		err->retry = retry;
	return rc;
}

int tls_handshake_heard(struct tls_context *context, int fd, unsigned roles, const char *pinned, int64_t silence_ms,
			int64_t deadline_ms, struct tls **ret, struct err *err)
{
	OPENSSL_ENTER_HANDSHAKE();
	owned(tls) struct tls *tls = NULL;
	int rc = connection_new(context, fd, &tls, err);

	if (rc < 0)
		return rc;
	tls->roles = roles;
	tls->pinned = pinned;
	tls->silence_ms = silence_ms;
	rc = shake(tls, context->server, deadline_ms, err);
	tls->pinned = NULL;
	tls->silence_ms = 0;
	if (rc == -ERR_TIMEOUT && cancel_check(NULL) == 0)
		rc = err_set(err, ERR_TIMEOUT, "the peer did not finish the TLS handshake in time");
	if (rc < 0)
		return with_retry(rc, ERR_RETRY_SAFE, err);
	*ret = own_take(tls);
	return 0;
}

int tls_handshake(struct tls_context *context, int fd, unsigned roles, const char *pinned,
		  int64_t deadline_ms, struct tls **ret, struct err *err)
{
	int rc = tls_handshake_heard(context, fd, roles, pinned, 0, deadline_ms, ret, err);

	if (rc == -ERR_TIMEOUT && cancel_check(NULL) == 0) {
		rc = -ERR_UNREACHABLE;
		if (err)
			err->code = ERR_UNREACHABLE;
	}
	return rc;
}

/* No close_notify: messages carry their length, so that nothing can be cut off
 * unseen, and a forked child may free its copy without ending the parent's. */
void tls_free(struct tls *tls)
{
	if (!tls)
		return;
	OPENSSL_ENTER();
	SSL_free(tls->ssl);
	inherit_close(tls->socket.fd);
	free(tls);
}

int tls_read(struct tls *tls, void *data, size_t len, int64_t deadline_ms, struct err *err)
{
	OPENSSL_ENTER();

	return with_retry(read_all(tls, data, len, deadline_ms, err), ERR_RETRY_IDEMPOTENT, err);
}

int tls_read_some(struct tls *tls, void *data, size_t len, int64_t deadline_ms, struct err *err)
{
	OPENSSL_ENTER();

	return with_retry(read_some(tls, data, len, deadline_ms, err), ERR_RETRY_IDEMPOTENT, err);
}

int tls_write(struct tls *tls, const void *data, size_t len, int64_t deadline_ms, struct err *err)
{
	OPENSSL_ENTER();

	/* The peer never sees the end of what was not written whole. */
	return with_retry(write_all(tls, data, len, deadline_ms, err), ERR_RETRY_SAFE, err);
}

int tls_wait(struct tls *tls, int64_t deadline_ms, struct err *err)
{
	OPENSSL_ENTER();

	for (;;) {
		uint8_t byte;
		size_t n;
		int rc = begin(tls, err);

		if (rc < 0)
			return with_retry(rc, ERR_RETRY_IDEMPOTENT, err);
		if (SSL_peek_ex(tls->ssl, &byte, 1, &n) == 1)
			return 1;
		if (!tls->socket.wants)
			return atomic_load(&tls->cut) ? explain(tls, err) : 1;
		/* It was looked at just now. */
		if (deadline_ms <= 0)
			return 0;
		rc = cancel_poll(tls->socket.fd, tls->socket.wants, deadline_ms, err);
		if (rc == -ERR_TIMEOUT && cancel_check(NULL) == 0) {
			err_clear(err);
			return 0;
		}
		if (rc < 0)
			return with_retry(rc, ERR_RETRY_IDEMPOTENT, err);
	}
}

bool tls_ended(const struct tls *tls)
{
	const struct tls_socket *s = &tls->socket;

	return (s->ended || s->error == ECONNRESET || s->error == EPIPE) && !atomic_load(&tls->cut);
}

void tls_cut(struct tls *tls)
{
	atomic_store(&tls->cut, true);
	shutdown(tls->socket.fd, SHUT_RDWR);
}

enum cert_role tls_peer_role(const struct tls *tls)
{
	return tls->role;
}

const char *tls_peer_name(const struct tls *tls)
{
	return tls->name;
}

const char *tls_peer_fingerprint(const struct tls *tls)
{
	return tls->fingerprint;
}
