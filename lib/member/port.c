/* SPDX-License-Identifier: Apache-2.0 */
/* Taking ports, and listening on them. */
#include "member/port.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/str.h"

enum { BACKLOG = 1024 };

static int parse(const char *address, struct sockaddr_in *ret, struct err *err)
{
	const char *colon = strrchr(address, ':');
	char host[64];
	int64_t port;

	if (!colon || !str_int(colon + 1, 0, 65535, &port))
		return err_set(err, ERR_INVALID, "'%s' is not ADDRESS:PORT", address);
	snprintf(host, sizeof(host), "%.*s", (int)(colon - address), address);
	*ret = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	if (inet_pton(AF_INET, host, &ret->sin_addr) != 1)
		return err_set(err, ERR_INVALID, "'%s' is not an IPv4 address", host);
	return 0;
}

static int failed(int fd, const char *address, struct err *err)
{
	int taken = errno == EADDRINUSE;

	err_errno(err, "cannot listen on '%s'", address);
	close(fd);
	if (taken)
		err->code = ERR_IN_USE;
	return -(int)err->code;
}

int port_bind(const char *address, int *ret_fd, char ret_text[static PORT_TEXT], struct err *err)
{
	struct sockaddr_in in;
	socklen_t len = sizeof(in);
	char text[INET_ADDRSTRLEN];
	int one = 1, fd, rc = parse(address, &in, err);

	if (rc < 0)
		return rc;
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_errno(err, "cannot make a socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&in, sizeof(in)) < 0)
		return failed(fd, address, err);
	getsockname(fd, (struct sockaddr *)&in, &len);
	inet_ntop(AF_INET, &in.sin_addr, text, sizeof(text));
	snprintf(ret_text, PORT_TEXT, "%s:%u", text, ntohs(in.sin_port));
	*ret_fd = fd;
	return 0;
}

int port_listen(int fd, const char *address, struct err *err)
{
	return listen(fd, BACKLOG) < 0 ? failed(fd, address, err) : 0;
}
