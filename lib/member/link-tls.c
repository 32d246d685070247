/* SPDX-License-Identifier: Apache-2.0 */
/* Dialling an appliance across the network: a socket, then mutual TLS, then frames over it. */
#include <errno.h>
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
#include "crypto/tls.h"
#include "member/frame.h"
#include "member/link.h"
#include "member/member.h"
#include "member/stream.h"

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
	socklen_t len = sizeof(int);
	int failed = 0, rc = cancel_poll(fd, POLLOUT, deadline, err);

	if (rc == -ERR_TIMEOUT && cancel_check(NULL) == 0)
		return err_set(err, ERR_TIMEOUT, "no answer to the connection");
	if (rc < 0)
		return rc;
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &len);
	return failed ? err_set(err, ERR_UNREACHABLE, "%s", strerror(failed)) : 0;
}

static int reach(const char *address, int64_t deadline, int *ret_fd, struct err *err)
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

static int dial(const struct member_config *config, int64_t deadline, struct stream **ret, struct err *err)
{
	int64_t silence = config->silence_ms ? config->silence_ms : config->connect_ms;
	int64_t soon = clock_now_ms() + silence;
	struct tls *tls = NULL;
	int fd, rc = reach(config->address, soon < deadline ? soon : deadline, &fd, err);

	if (rc == 0)
		rc = tls_handshake_heard(config->tls, fd, 1u << CERT_ROLE_APPLIANCE, config->certificate, silence, deadline,
					 &tls, err);
	return rc == 0 ? stream_over_tls(tls, ret, err) : rc;
}

static int open_as(const struct member_config *config, uint8_t version, int64_t deadline, struct link **ret,
		   bool *ret_dialled, struct err *err)
{
	struct stream *stream = NULL;
	int rc = dial(config, deadline, &stream, err);

	*ret_dialled = rc == 0;
	return rc == 0 ? link_stream_open(config, stream, version, deadline, ret, err) : rc;
}

static int link_tls_open(const struct member_config *config, struct link **ret, struct err *err)
{
	int64_t deadline = clock_now_ms() + config->connect_ms;
	bool dialled;
	int rc = open_as(config, FRAME_VERSION, deadline, ret, &dialled, err);

	/* An appliance of before does not take our hello for one. */
	if (rc == -ERR_DENIED && dialled) {
		err_clear(err);
		rc = open_as(config, FRAME_VERSION_INSTANCE - 1, deadline, ret, &dialled, err);
	}
	/* Somebody in a hurry learned nothing about it. */
	if (rc == -ERR_TIMEOUT && !config->silence_ms && cancel_check(NULL) == 0)
		rc = -(int)(err->code = ERR_UNREACHABLE);
	if (rc == 0)
		return 0;
	if (err)
		err->retry = ERR_RETRY_SAFE;
	return err_wrap(err, "%s", config->address);
}

const struct link_ops link_tls = {.open = link_tls_open};
