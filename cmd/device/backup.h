/* SPDX-License-Identifier: Apache-2.0 */
/* backup - what making and restoring backups of a device have in common. */
#ifndef CMD_DEVICE_BACKUP_H
#define CMD_DEVICE_BACKUP_H

#include "device/device.h"
#include "provider/layout.h"

/* The device and the store it is in; all owned. */
struct backup_place {
	struct store *store;
	struct store_lock *lock;		/* on the device: it joins no group meanwhile */
	struct fleet *fleet;
	struct fleet_device *device;		/* of fleet */
	const struct provider_layout *layout;	/* that can make backups of it */
};
void backup_place_release(struct backup_place *place);
OWN_DEFINE_RELEASE(backup_place)

/* doing is shown to others who want the device. ERR_UNSUPPORTED for one that no cloud runs. */
int backup_place_open(const struct cli *cli, const char *device, const char *doing, struct backup_place *ret,
		      struct err *err);

/* Have it done, with an entry before and after, and print what came of it. */
int backup_run(struct cli *cli, const struct backup_place *place, const struct provider_access *access,
	       const struct provider_backup *what, struct err *err);

#endif
