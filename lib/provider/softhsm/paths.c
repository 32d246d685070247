/* SPDX-License-Identifier: Apache-2.0 */
/* The paths of one appliance. */
#include "provider/softhsm/paths.h"

#include <stdlib.h>

#include "base/err.h"
#include "store/store.h"

static const char *const formats[SOFTHSM_PATHS] = {
	[SOFTHSM_FOLDER] = "appliances/%s",
	[SOFTHSM_CONF] = "appliances/%s/softhsm2.conf",
	[SOFTHSM_TOKENS] = "appliances/%s/tokens",
	[SOFTHSM_MAKING] = "appliances/%s/making",
	[SOFTHSM_GUARD] = "appliances/%s/guard",
	[SOFTHSM_PID] = "appliances/%s/appliance.pid",
	[SOFTHSM_LOG] = "appliances/%s/appliance.log",
	[SOFTHSM_SECRETS] = "secrets",
	[SOFTHSM_PIN] = "secrets/user.pin",
	[SOFTHSM_SO_PIN] = "secrets/%s.so.pin",
	[SOFTHSM_PKI] = "pki",
	[SOFTHSM_CERTIFICATE] = "pki/%s.pem",
	[SOFTHSM_KEY] = "pki/%s.key",
};

int softhsm_paths_init(const struct store *store, const char *device, struct softhsm_paths *ret,
		       struct err *err)
{
	for (int i = 0; i < SOFTHSM_PATHS; i++) {
		ret->at[i] = store_file(store, formats[i], device);
		if (!ret->at[i])
			return err_no_memory(err);
	}
	return 0;
}

void softhsm_paths_release(struct softhsm_paths *paths)
{
	for (int i = 0; i < SOFTHSM_PATHS; i++) {
		free(paths->at[i]);
		paths->at[i] = NULL;
	}
}
