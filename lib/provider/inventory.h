/* SPDX-License-Identifier: Apache-2.0 */
/* inventory - the devices of a fleet as a document (schema "devices"). */
#ifndef PROVIDER_INVENTORY_H
#define PROVIDER_INVENTORY_H

#include <stddef.h>
#include <stdint.h>

#include "base/own.h"
#include "json/type.h"

struct err;
struct fleet;
struct fleet_device;
struct provider_call;
struct store;

/* What the administrator of a device does after it exists, and whether it was seen to be done. */
enum inventory_done { STEP_OPEN, STEP_DONE, STEP_UNKNOWN };
extern const char *const inventory_done_names[];	/* "open", "done", "unknown" */

struct inventory_step {
	char *device;
	int64_t number;		/* from 1, in the device's order */
	unsigned state;		/* enum inventory_done; unknown: cannot be observed from here */
	char *text;		/* "log in at 10.2.1.5 as tenantadmin" */
	char *command;		/* to type, NULL */
};

struct inventory_device {
	char *name, *datacenter, *region, *provider;
	unsigned state;		/* enum device_state */
	char *address;		/* of its first partition, or where it is managed */
	char *message;		/* what a cloud says of it, or why its state is not known; NULL */
	char *id;		/* in a cloud, NULL */
	char **groups;		/* that its partitions serve in */
	size_t n_groups;
};

/* What was asked for failed on a device. */
struct inventory_failure {
	char *device;
	char *code;		/* as in error documents */
	char *message, *hint;
};

struct inventory {
	char *fleet;
	int64_t revision;
	struct inventory_device *devices;
	size_t n_devices;
	struct inventory_step *steps;	/* of devices in clouds */
	size_t n_steps;
	struct inventory_failure *failures;
	size_t n_failures;
};
extern const struct json_type inventory_type;

static inline void inventory_release(struct inventory *inventory)
{
	json_release(&inventory_type, inventory);
}
OWN_DEFINE_RELEASE(inventory)

/* Begin the document, without devices. ret is zeroed by the caller. */
int inventory_begin(const struct fleet *fleet, struct inventory *ret, struct err *err);
/* Append one device with what is known of it without asking its token; one that cannot be looked at is
 * unknown, and no error. */
int inventory_add(struct store *store, const struct fleet *fleet, const struct fleet_device *device,
		  struct inventory *inventory, struct err *err);
/* All devices of the fleet. */
int inventory_make(struct store *store, const struct fleet *fleet, struct inventory *ret,
		   struct err *err);

/* The device failed, and why. */
int inventory_fail(struct inventory *inventory, const char *device, const struct err *why, struct err *err);
/* 0 without failures; else ERR_FAILED with the first one, and how many there are. */
int inventory_check(const struct inventory *inventory, struct err *err);

/* The same, and what their clouds say now. */
int inventory_look(const struct provider_call *call, const struct fleet *fleet, struct inventory *ret,
		   struct err *err);

#endif
