/* SPDX-License-Identifier: Apache-2.0 */
/*
 * token - the token of a local appliance, on disk.
 *
 * It is made in a folder of its own and moved to its place when it is whole, so
 * a run that was killed leaves either no token or a good one.
 */
#ifndef PROVIDER_SOFTHSM_TOKEN_H
#define PROVIDER_SOFTHSM_TOKEN_H

#include <stdbool.h>

struct err;
struct fleet_device;
struct softhsm_paths;

/* ERR_INVALID when softhsm2.conf cannot name the folders of this device in a store of this absolute path. */
int softhsm_conf_check(const char *store_path, const char *device, struct err *err);

/* softhsm2.conf in the appliance's folder. */
int softhsm_conf_write(const struct softhsm_paths *paths, struct err *err);

/* Is there one that is whole, or can be restored by the guard? */
bool softhsm_token_whole(const struct softhsm_paths *paths);
/* May there be objects on it? Also true when nobody can tell. */
bool softhsm_token_used(const struct softhsm_paths *paths);

/* Make it with the PINs of the device's partition. The one there is, is lost. */
int softhsm_token_make(const struct softhsm_paths *paths, const struct fleet_device *device,
		       const char *library, struct err *err);

#endif
