/* SPDX-License-Identifier: Apache-2.0 */
/* probe - many tokens asked at once, so that a hung one costs its own time only. */
#ifndef CMD_STATUS_PROBE_H
#define CMD_STATUS_PROBE_H

#include "base/err.h"
#include "fleet/fleet.h"
#include "p11/pkcs11.h"

struct tls_context;

struct probe {
	/* given */
	const struct fleet_device *device;
	const struct fleet_partition *partition;
	/* found */
	bool up;
	double latency_ms;
	CK_TOKEN_INFO info;
	struct err err;		/* why it is not up */
};

/* tls is NULL when its certificates cannot be used: tls_err says why. Does not log in. */
void probe_all(struct probe *probes, size_t count, struct tls_context *tls, const struct err *tls_err);

#endif
