/* SPDX-License-Identifier: Apache-2.0 */
/* The addresses appliances listen on. */
#include "provider/softhsm/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/str.h"

static int parse(const char *address, struct sockaddr_in *ret, struct err *err)
{
	const char *colon = strrchr(address, ':');
	char host[INET_ADDRSTRLEN];
	int64_t port;
	size_t len = colon ? (size_t)(colon - address) : 0;

	*ret = (struct sockaddr_in){.sin_family = AF_INET};
	if (len < sizeof(host)) {
		memcpy(host, address, len);
		host[len] = 0;
	}
	if (!len || len >= sizeof(host) || inet_pton(AF_INET, host, &ret->sin_addr) != 1 ||
	    !str_int(colon + 1, 0, 65535, &port))
		return err_set(err, ERR_INVALID, "an appliance listens on an IPv4 ADDRESS:PORT, not on '%s'",
			       address);
	ret->sin_port = htons((uint16_t)port);
	return 0;
}

int softhsm_address_check(const char *address, struct err *err)
{
	struct sockaddr_in where;

	return parse(address, &where, err);
}

int softhsm_address_free(const char *address, struct err *err)
{
	struct sockaddr_in where;
	int one = 1, fd, rc = parse(address, &where, err);

	if (rc < 0)
		return rc;
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_errno(err, "cannot make a socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&where, sizeof(where)) < 0)
		rc = errno == EADDRINUSE ? err_set(err, ERR_IN_USE, "the port of '%s' is in use", address)
					 : err_errno(err, "cannot listen on '%s'", address);
	close(fd);
	return rc;
}
