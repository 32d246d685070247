/* SPDX-License-Identifier: Apache-2.0 */
/* The socket below a TLS connection, as OpenSSL wants to see it. */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "crypto/tls_private.h"

/* Note why a transfer failed; OpenSSL is told to come back or to give up. */
static int failed(BIO *bio, struct tls_socket *s, short wants)
{
	if (errno == EAGAIN || errno == EINTR) {
		s->wants = wants;
		BIO_set_flags(bio, (wants == POLLIN ? BIO_FLAGS_READ : BIO_FLAGS_WRITE) |
				   BIO_FLAGS_SHOULD_RETRY);
	} else {
		s->error = errno;
	}
	return -1;
}

static int socket_write(BIO *bio, const char *data, int len)
{
	struct tls_socket *s = BIO_get_data(bio);
	ssize_t n = send(s->fd, data, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT);

	BIO_clear_retry_flags(bio);
	return n < 0 ? failed(bio, s, POLLOUT) : (int)n;
}

static int socket_read(BIO *bio, char *ret, int len)
{
	struct tls_socket *s = BIO_get_data(bio);
	ssize_t n = recv(s->fd, ret, (size_t)len, MSG_DONTWAIT);

	BIO_clear_retry_flags(bio);
	if (n == 0)
		s->ended = true;
	return n < 0 ? failed(bio, s, POLLIN) : (int)n;
}

static long socket_control(BIO *bio, int command, long number, void *data)
{
	struct tls_socket *s = BIO_get_data(bio);

	(void)number;
	(void)data;
	if (command == BIO_CTRL_EOF)
		return s->ended;
	return command == BIO_CTRL_FLUSH;
}

/* Made once, never freed: it has to outlive every connection. */
static const BIO_METHOD *method(void)
{
	static BIO_METHOD *_Atomic shared;
	BIO_METHOD *known = atomic_load(&shared), *mine;

	if (known)
		return known;
	mine = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "hsmctl socket");
	if (!mine)
		return NULL;
	BIO_meth_set_write(mine, socket_write);
	BIO_meth_set_read(mine, socket_read);
	BIO_meth_set_ctrl(mine, socket_control);
	if (atomic_compare_exchange_strong(&shared, &known, mine))
		return mine;
	BIO_meth_free(mine);
	return known;
}

BIO *tls_socket_bio(struct tls_socket *socket)
{
	const BIO_METHOD *m = method();
	BIO *bio = m ? BIO_new(m) : NULL;

	if (!bio)
		return NULL;
	BIO_set_data(bio, socket);
	BIO_set_init(bio, 1);
	return bio;
}
