/* SPDX-License-Identifier: Apache-2.0 */
/* Finding SoftHSM. */
#include "provider/softhsm/library.h"

#include <glob.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "fleet/fleet.h"

static const char *const places[] = {
	"/usr/lib/softhsm/libsofthsm2.so",
	"/usr/lib/*/softhsm/libsofthsm2.so",
	"/usr/local/lib/softhsm/libsofthsm2.so",
	NULL
};

static int missing(struct err *err)
{
	err_hint(err, "apt-get install softhsm2");
	return -ERR_MISSING;
}

static int take(const char *path, char **ret, struct err *err)
{
	char *copy;

	if (!file_exists(path)) {
		err_set(err, ERR_MISSING, "SoftHSM is not installed: no '%s'", path);
		return missing(err);
	}
	/* Its daemon works elsewhere. */
	copy = file_absolute(path);
	if (!copy)
		return err_no_memory(err);
	*ret = copy;
	return 0;
}

int softhsm_library(const struct fleet_device *device, char **ret, struct err *err)
{
	const char *named = device->module ? device->module : secure_getenv("HSMCTL_SOFTHSM_LIBRARY");
	glob_t found = {0};
	int rc;

	if (named && *named)
		return take(named, ret, err);
	for (int i = 0; places[i] && !found.gl_pathc; i++) {
		globfree(&found);
		glob(places[i], 0, NULL, &found);
	}
	if (found.gl_pathc) {
		rc = take(found.gl_pathv[0], ret, err);
	} else {
		err_set(err, ERR_MISSING, "SoftHSM is not installed: no libsofthsm2.so");
		rc = missing(err);
	}
	globfree(&found);
	return rc;
}
