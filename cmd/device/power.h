/* SPDX-License-Identifier: Apache-2.0 */
/* power - what starting and stopping have in common. */
#ifndef CMD_DEVICE_POWER_H
#define CMD_DEVICE_POWER_H

#include "device/device.h"

struct provider;
struct store_edit;

struct power {
	const char *device;	/* NULL with all */
	bool all;
};
extern const struct cli_param power_options[], power_args[];

/* Do it to one device, which is locked; the fleet is that of the edit, which has yielded. */
typedef int (*power_verb)(struct store *store, struct store_edit *edit, const struct provider *provider,
			  struct fleet_device *device, struct err *err);

/*
 * Do it to the device that was named, or to each one, and print them. A device that
 * fails does not keep the others from their turn: all are printed, with what failed.
 */
int power_run(struct cli *cli, const struct power *power, const char *doing, power_verb verb,
	      struct err *err);

#endif
