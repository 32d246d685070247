/* SPDX-License-Identifier: Apache-2.0 */
/* A stream to a process of this machine: every transfer is tried first and waited for second. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/err.h"
#include "base/inherit.h"
#include "base/mem.h"
#include "member/stream.h"

struct socket_stream {
	struct stream stream;
	int fd;
	atomic_bool cut;
	bool ended;	/* the peer closed it */
	bool broken;	/* something was written by half, or failed */
};

static int with_retry(int rc, enum err_retry retry, struct err *err)
{
	if (rc < 0 && err)
		err->retry = retry;
	return rc;
}

/* After a transfer that gave n: 0 = try again. */
static int failed(struct socket_stream *s, ssize_t n, short wants, int64_t deadline_ms, struct err *err)
{
	int error = errno;

	if (n < 0 && error == EINTR)
		return 0;
	if (n < 0 && error == EAGAIN)
		return cancel_poll(s->fd, wants, deadline_ms, err);
	s->broken = true;
	if (atomic_load(&s->cut))
		return err_set(err, ERR_UNREACHABLE, "the connection was cut");
	s->ended = n == 0 || error == EPIPE || error == ECONNRESET;
	return n == 0 ? err_set(err, ERR_UNREACHABLE, "the peer closed the connection")
		      : err_set(err, ERR_UNREACHABLE, "the connection failed: %s", strerror(error));
}

/* Before each transfer. */
static int check(const struct socket_stream *s, struct err *err)
{
	if (atomic_load(&s->cut))
		return err_set(err, ERR_UNREACHABLE, "the connection was cut");
	return s->broken ? err_set(err, ERR_UNREACHABLE, "the connection broke before") : 0;
}

static int socket_read(struct stream *stream, void *data, size_t len, int64_t deadline_ms, struct err *err)
{
	struct socket_stream *s = (struct socket_stream *)stream;
	int rc = check(s, err);

	while (rc == 0) {
		ssize_t n = recv(s->fd, data, len < INT_MAX ? len : INT_MAX, MSG_DONTWAIT);

		if (n > 0)
			return (int)n;
		rc = failed(s, n, POLLIN, deadline_ms, err);
	}
	return with_retry(rc, ERR_RETRY_IDEMPOTENT, err);
}

static int socket_write(struct stream *stream, const void *data, size_t len, int64_t deadline_ms, struct err *err)
{
	struct socket_stream *s = (struct socket_stream *)stream;
	const uint8_t *at = data;
	int rc = check(s, err);

	while (rc == 0 && len) {
		ssize_t n = send(s->fd, at, len, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0)
			rc = failed(s, n, POLLOUT, deadline_ms, err);
		at += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	s->broken |= rc < 0;
	return with_retry(rc, ERR_RETRY_SAFE, err);
}

static int socket_wait(struct stream *stream, int64_t deadline_ms, struct err *err)
{
	struct socket_stream *s = (struct socket_stream *)stream;
	int rc = check(s, err);

	if (rc == 0)
		rc = cancel_poll(s->fd, POLLIN, deadline_ms, err);
	if (rc == 0)
		rc = check(s, err);
	if (rc == -ERR_TIMEOUT && cancel_check(NULL) == 0) {
		err_clear(err);
		return 0;
	}
	return rc < 0 ? with_retry(rc, ERR_RETRY_IDEMPOTENT, err) : 1;
}

static bool socket_ended(const struct stream *stream)
{
	const struct socket_stream *s = (const struct socket_stream *)stream;

	return s->ended && !atomic_load(&s->cut);
}

static void socket_cut(struct stream *stream)
{
	struct socket_stream *s = (struct socket_stream *)stream;

	atomic_store(&s->cut, true);
	shutdown(s->fd, SHUT_RDWR);
}

static void socket_close(struct stream *stream)
{
	inherit_close(((struct socket_stream *)stream)->fd);
	free(stream);
}

static const struct stream_ops over_socket = {
	.read = socket_read, .write = socket_write, .wait = socket_wait,
	.ended = socket_ended, .cut = socket_cut, .close = socket_close,
};

int stream_over_socket(int fd, struct stream **ret, struct err *err)
{
	struct socket_stream *s = mem_new(struct socket_stream);

	if (!s) {
		close(fd);
		return err_no_memory(err);
	}
	*s = (struct socket_stream){.stream.ops = &over_socket, .fd = fd};
	inherit_not(fd);
	*ret = &s->stream;
	return 0;
}
