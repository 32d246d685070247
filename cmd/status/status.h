/* SPDX-License-Identifier: Apache-2.0 */
/* hsmctl status, and the document it prints. */
#ifndef CMD_STATUS_STATUS_H
#define CMD_STATUS_STATUS_H

#include "json/type.h"
#include "status/probe.h"

extern const struct cli_command status_command;

struct status_device {
	char *name, *partition, *datacenter, *region;
	unsigned state;
	double latency_ms;
	char *address, *serial, *label, *detail;
};

struct status_member {
	char *name;
	unsigned role, state;
};

enum group_state { GROUP_HEALTHY, GROUP_DEGRADED, GROUP_BELOW_POLICY, GROUP_DOWN };

struct status_group {
	char *name;
	unsigned state;
	int64_t up, needed;
	struct status_member *members;
	size_t n_members;
};

/* schema "status"; all owned */
struct status {
	char *fleet;
	int64_t revision;
	bool healthy;
	struct status_device *devices;
	size_t n_devices;
	struct status_group *groups;
	size_t n_groups;
};
extern const struct json_type status_type;

static inline void status_release(struct status *status)
{
	json_release(&status_type, status);
}
OWN_DEFINE_RELEASE(status)

/* only NULL: all groups. ret is zeroed by the caller. */
int status_compose(const struct fleet *fleet, const struct fleet_group *only, const struct probe *probes,
		   size_t count, struct status *ret, struct err *err);

#endif
