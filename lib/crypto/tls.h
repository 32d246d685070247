/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls - mutual TLS 1.3 over a connected socket, with a deadline on every wait.
 *
 * One thread at a time may read and one at a time may write, but not both at
 * once on one connection: callers take turns or hold a lock. tls_cut() may be
 * called from any thread at any time and makes every wait end.
 *
 * A client notices within two seconds that the server's host is gone. A server is
 * patient: a client that was stopped for a while, or is slow to read, is not cut
 * off in the middle of an answer.
 */
#ifndef CRYPTO_TLS_H
#define CRYPTO_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/own.h"
#include "crypto/cert.h"

struct err;

/* Certificates and keys of one end, shared by its connections; thread-safe. */
struct tls_context;

/* FOLDER/ca.pem, FOLDER/NAME.pem, FOLDER/NAME.key. server: accepts. */
int tls_context_new(const char *folder, const char *name, bool server,
		    struct tls_context **ret, struct err *err);
void tls_context_free(struct tls_context *context);
OWN_DEFINE(tls_context)

struct tls;

/*
 * Shake hands on fd, which the connection then owns (also on failure). Peers
 * without a certificate of our CA, or not in a role of roles (a mask of
 * 1 << enum cert_role), are refused with ERR_DENIED, and so are we when the peer
 * refuses us: both ends end with the same answer. pinned: SHA-256 the peer's
 * certificate must have, hex, NULL = any. deadline_ms is monotonic. A peer that
 * is gone, slow or speaks no TLS: ERR_UNREACHABLE. All of these are safe to retry.
 */
int tls_handshake(struct tls_context *context, int fd, unsigned roles, const char *pinned,
		  int64_t deadline_ms, struct tls **ret, struct err *err);
/* The same with ERR_TIMEOUT when the deadline passes, or when the peer says nothing for silence_ms. */
int tls_handshake_heard(struct tls_context *context, int fd, unsigned roles, const char *pinned, int64_t silence_ms,
			int64_t deadline_ms, struct tls **ret, struct err *err);
void tls_free(struct tls *tls);
OWN_DEFINE(tls)

/*
 * Exactly len bytes, or ERR_UNREACHABLE (end, reset), ERR_TIMEOUT (deadline
 * passed), or a cancel code when cancelled. A failure half-way leaves a
 * connection on which everything else is ERR_UNREACHABLE. What was not written
 * whole the peer never sees whole: safe to retry.
 */
int tls_read(struct tls *tls, void *data, size_t len, int64_t deadline_ms, struct err *err);
/* From 1 to len bytes, as soon as there are any; how many. A deadline that passes
 * leaves the connection whole: what comes later can still be read. */
int tls_read_some(struct tls *tls, void *data, size_t len, int64_t deadline_ms, struct err *err);
int tls_write(struct tls *tls, const void *data, size_t len, int64_t deadline_ms, struct err *err);

/* 1 when a byte can be read now, 0 at the deadline, ERR_UNREACHABLE, or a cancel code.
 * A readable end of stream counts as readable. deadline_ms 0: what is there now, cancelled or not. */
int tls_wait(struct tls *tls, int64_t deadline_ms, struct err *err);

/* Did the peer close or reset the connection (and not we, and not a deadline)? */
bool tls_ended(const struct tls *tls);

/* End every wait on it with ERR_UNREACHABLE, now and later. */
void tls_cut(struct tls *tls);

enum cert_role tls_peer_role(const struct tls *tls);
/* CN of the peer's certificate, and the SHA-256 of the certificate, hex; they
 * live as long as the connection. */
const char *tls_peer_name(const struct tls *tls);
const char *tls_peer_fingerprint(const struct tls *tls);

#endif
