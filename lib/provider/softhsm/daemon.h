/* SPDX-License-Identifier: Apache-2.0 */
/* daemon - the process behind one local appliance. */
#ifndef PROVIDER_SOFTHSM_DAEMON_H
#define PROVIDER_SOFTHSM_DAEMON_H

#include <stdbool.h>

#include "base/proc.h"

struct err;
struct softhsm_paths;

enum { DAEMON_ADDRESS = 80 };

struct softhsm_daemon {
	struct proc_id id;
	char address[DAEMON_ADDRESS];	/* "" while it starts */
	bool suspended;			/* SIGSTOP */
};

/* 1 and *ret when one lives, 0 when none does. */
int softhsm_daemon_find(const struct softhsm_paths *paths, struct softhsm_daemon *ret,
			struct err *err);

struct softhsm_serve {
	const char *device, *library;
	const char *serial;	/* NULL = the only token there is */
	const char *address;	/* to listen on */
};

/* Start it, and wait until it listens; ret->address says where. ERR_IN_USE for a
 * taken port, ERR_FAILED with the last line of its log when it ends instead. */
int softhsm_daemon_start(const struct softhsm_paths *paths, const struct softhsm_serve *serve,
			 struct softhsm_daemon *ret, struct err *err);
/* Wait until one that lives listens, continuing it when it is suspended. */
int softhsm_daemon_await(const struct softhsm_paths *paths, struct softhsm_daemon *ret,
			 struct err *err);

/* SIGTERM, then SIGKILL after 5 s; suspended ones are continued to end. */
int softhsm_daemon_stop(const struct softhsm_paths *paths, struct err *err);

#endif
