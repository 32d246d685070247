/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_private - what the three files of tls share: the context (who we are, whom
 * we trust), the socket below OpenSSL, and the connection.
 */
#ifndef CRYPTO_TLS_PRIVATE_H
#define CRYPTO_TLS_PRIVATE_H

#include <stdatomic.h>

#include "crypto/tls.h"
#include "crypto/x509.h"

struct tls_context {
	SSL_CTX *ssl;
	bool server;
};

/* The last that happened on the socket. Failures are told from it and not from
 * SSL_get_error(), which believes any old error in the host's queue. */
struct tls_socket {
	int fd;
	short wants;	/* POLLIN or POLLOUT: would have had to wait */
	bool ended;	/* the peer closed */
	int error;	/* errno */
};

struct tls {
	SSL *ssl;
	struct tls_socket socket;
	atomic_bool cut;
	bool broken;		/* a message was left half-way */
	int64_t silence_ms;	/* of the peer, in the handshake; 0 = up to the deadline */
	unsigned roles;		/* whom to accept; of the handshake */
	const char *pinned;
	const char *refusal;	/* why we refused the peer, NULL = not */
	int alert_sent, alert_received;	/* -1 = none */
	enum cert_role role;
	char name[X509_NAME_TEXT], fingerprint[SHA256_TEXT];
};

/* A BIO over socket (borrowed) that never waits and never raises SIGPIPE, as
 * OpenSSL's own does with write(). NULL without memory. */
BIO *tls_socket_bio(struct tls_socket *socket);

#endif
