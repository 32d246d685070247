/* SPDX-License-Identifier: Apache-2.0 */
/* library - which SoftHSM library an appliance hosts. */
#ifndef PROVIDER_SOFTHSM_LIBRARY_H
#define PROVIDER_SOFTHSM_LIBRARY_H

struct err;
struct fleet_device;

/*
 * The device's module, else HSMCTL_SOFTHSM_LIBRARY, else the first of the usual
 * places. New memory. ERR_MISSING when there is none.
 */
int softhsm_library(const struct fleet_device *device, char **ret, struct err *err);

#endif
