/* SPDX-License-Identifier: Apache-2.0 */
/* The host of the fixture's token, in this process; behind fixture.h, in a child. */
#ifndef TESTS_MEMBER_HOSTED_H
#define TESTS_MEMBER_HOSTED_H

#include "child.h"
#include "member/host.h"

static struct host *host;

static const struct host_peer somebody = {.name = "somebody", .fingerprint = "00", .role = CERT_ROLE_APPLICATION};
static const struct host_peer another = {.name = "another", .fingerprint = "01", .role = CERT_ROLE_APPLICATION};

static int open_host(void)
{
	static struct appliance_config config;
	struct err err = {0};

	config = (struct appliance_config){.name = "unit", .library = LIBRARY, .serial = it.serial};
	if (host_open(&config, &host, &err) == 0)
		return 0;
	fprintf(stderr, "%s\n", err.message);
	return -1;
}

#endif
