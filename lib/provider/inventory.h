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
struct store;

struct inventory_device {
	char *name, *datacenter, *region, *provider;
	unsigned state;		/* enum device_state */
	char *address;		/* of its first partition */
	char **groups;		/* that its partitions serve in */
	size_t n_groups;
};

struct inventory {
	char *fleet;
	int64_t revision;
	struct inventory_device *devices;
	size_t n_devices;
};
extern const struct json_type inventory_type;

static inline void inventory_release(struct inventory *inventory)
{
	json_release(&inventory_type, inventory);
}
OWN_DEFINE_RELEASE(inventory)

/* Begin the document, without devices. ret is zeroed by the caller. */
int inventory_begin(const struct fleet *fleet, struct inventory *ret, struct err *err);
/* Append one device with what is known of it without asking its token. */
int inventory_add(struct store *store, const struct fleet *fleet, const struct fleet_device *device,
		  struct inventory *inventory, struct err *err);
/* All devices of the fleet. */
int inventory_make(struct store *store, const struct fleet *fleet, struct inventory *ret,
		   struct err *err);

#endif
