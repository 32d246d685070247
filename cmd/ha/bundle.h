/* SPDX-License-Identifier: Apache-2.0 */
/* bundle - a folder with what one application needs of the store, and no more. */
#ifndef CMD_HA_BUNDLE_H
#define CMD_HA_BUNDLE_H

#include "fleet/fleet.h"

struct err;

/* Who is to read it: files are root's and its group reads them; without a user they are our own. */
struct bundle_owner {
	const char *name;	/* NULL = ourselves */
	unsigned gid;
};

/* ERR_NOT_FOUND: no such user; ERR_DENIED: only root gives files to others. */
int bundle_owner_find(const char *name, struct bundle_owner *ret, struct err *err);

/*
 * Write or renew FOLDER: the fleet document with this group alone and no references to credentials, the fleet's
 * authority, a client certificate of role application. A certificate that is good stays. store: the folder of the store.
 */
int bundle_write(const char *store, const struct fleet *fleet, const struct fleet_group *group, const char *folder,
		 const struct bundle_owner *owner, struct err *err);

#endif
