/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream to a process of this machine: every transfer is tried first and waited for second.
 *
 * A peer that is asked one thing after the other answers in less time than it takes to wake somebody up on another
 * processor. So for a short while it is asked again and again before this thread sleeps, if no other thread of the
 * process does the same, nobody else wants the processor, and it was worth it the last time.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/inherit.h"
#include "base/mem.h"
#include "member/stream.h"

enum {
	BUFFER = 4096,		/* a whole frame, as they are most often, comes with one call of the system */
	INSIST_NS = 250000,	/* a signature takes less, mostly */
	TURN_NS = 20000,	/* one turn took longer: somebody else was on the processor */
	NOT_WORTH = 8,		/* waits without insisting, after one for nothing */
};

struct socket_stream {
	struct stream stream;
	int fd;
	atomic_bool cut;
	bool ended;	/* the peer closed it */
	bool broken;	/* something was written by half, or failed */
	unsigned patient;	/* so many waits without insisting */
	size_t at, len;		/* of the buffer: what has come and was not read yet */
	uint8_t buffer[BUFFER];
};

/* By one thread at a time. */
static atomic_flag insisting = ATOMIC_FLAG_INIT;

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

/* recv() again and again: what it gave last. */
static ssize_t insist(struct socket_stream *s, void *data, size_t len)
{
	int64_t now = clock_now_ns(), end = now + INSIST_NS, last;
	ssize_t n;

	do {
		sched_yield();
		last = now;
		n = recv(s->fd, data, len, MSG_DONTWAIT);
		now = clock_now_ns();
	} while (n < 0 && errno == EAGAIN && now < end && now - last < TURN_NS);
	if (n < 0)
		s->patient = NOT_WORTH;
	return n;
}

/* What is there, or comes within a moment. */
static ssize_t receive(struct socket_stream *s, void *data, size_t len, int64_t deadline_ms)
{
	ssize_t n = recv(s->fd, data, len, MSG_DONTWAIT);
	int error = errno;

	if (n >= 0 || error != EAGAIN || deadline_ms <= clock_now_ms())
		return n;
	if (s->patient) {
		s->patient--;
	} else if (!atomic_flag_test_and_set(&insisting)) {
		n = insist(s, data, len);
		error = errno;
		atomic_flag_clear(&insisting);
	}
	errno = error;
	return n;
}

/* The buffer, which is empty: 1 when there are bytes in it, 0 at the end of the stream, which comes again. */
static int fill(struct socket_stream *s, int64_t deadline_ms, struct err *err)
{
	ssize_t n;

	while ((n = receive(s, s->buffer, BUFFER, deadline_ms)) < 0) {
		int rc = failed(s, n, POLLIN, deadline_ms, err);

		if (rc < 0)
			return rc;
	}
	s->at = 0;
	s->len = (size_t)n;
	return n > 0;
}

/* Nothing of a PIN or a key stays behind. */
static int take(struct socket_stream *s, void *data, size_t len)
{
	size_t n = s->len - s->at < len ? s->len - s->at : len;

	memcpy(data, s->buffer + s->at, n);
	explicit_bzero(s->buffer + s->at, n);
	s->at += n;
	return (int)n;
}

/* Past the buffer, which is empty. */
static int read_large(struct socket_stream *s, void *data, size_t len, int64_t deadline_ms, struct err *err)
{
	ssize_t n;
	int rc = 0;

	while (rc == 0 && (n = receive(s, data, len < INT_MAX ? len : INT_MAX, deadline_ms)) <= 0)
		rc = failed(s, n, POLLIN, deadline_ms, err);
	return rc < 0 ? rc : (int)n;
}

static int socket_read(struct stream *stream, void *data, size_t len, int64_t deadline_ms, struct err *err)
{
	struct socket_stream *s = (struct socket_stream *)stream;
	int rc = check(s, err);

	if (rc == 0 && s->at == s->len && len >= BUFFER)
		return with_retry(read_large(s, data, len, deadline_ms, err), ERR_RETRY_IDEMPOTENT, err);
	if (rc == 0 && s->at == s->len && (rc = fill(s, deadline_ms, err)) == 0)
		rc = failed(s, 0, POLLIN, deadline_ms, err);
	return rc < 0 ? with_retry(rc, ERR_RETRY_IDEMPOTENT, err) : take(s, data, len);
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

	if (rc == 0 && s->at == s->len)
		rc = fill(s, deadline_ms, err);
	if (rc >= 0)
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
	struct socket_stream *s = (struct socket_stream *)stream;

	inherit_close(s->fd);
	explicit_bzero(s->buffer, BUFFER);
	free(s);
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
