/* SPDX-License-Identifier: Apache-2.0 */
/* paths - where the store keeps what belongs to one local appliance. */
#ifndef PROVIDER_SOFTHSM_PATHS_H
#define PROVIDER_SOFTHSM_PATHS_H

#include "base/own.h"

struct err;
struct store;

enum softhsm_path {
	SOFTHSM_FOLDER,		/* of the appliance */
	SOFTHSM_CONF,
	SOFTHSM_TOKENS,		/* exists when the token was made to its end */
	SOFTHSM_MAKING,		/* a token on its way; worth nothing after a crash */
	SOFTHSM_GUARD,
	SOFTHSM_PID,
	SOFTHSM_LOG,
	SOFTHSM_SECRETS,
	SOFTHSM_PIN,		/* the fleet's user PIN */
	SOFTHSM_SO_PIN,
	SOFTHSM_PKI,
	SOFTHSM_CERTIFICATE,
	SOFTHSM_KEY,
	SOFTHSM_PATHS
};

struct softhsm_paths {
	char *at[SOFTHSM_PATHS];
};

/* All of a device's paths, absolute. ret is zeroed by the caller, who releases
 * it also after a failure. */
int softhsm_paths_init(const struct store *store, const char *device, struct softhsm_paths *ret,
		       struct err *err);
void softhsm_paths_release(struct softhsm_paths *paths);
OWN_DEFINE_RELEASE(softhsm_paths)

#endif
