/* SPDX-License-Identifier: Apache-2.0 */
/* backup - backup and restore of Cloud HSM clusters by the service. */
#ifndef PROVIDER_AZURE_BACKUP_H
#define PROVIDER_AZURE_BACKUP_H

#include "provider/layout.h"

/* what->id NULL: make a backup, else restore it: only into a cluster that is not activated, since the
 * service damages others, unless what->activated says that this is meant. */
int azure_backup(const struct provider_call *call, const struct fleet *fleet, const struct fleet_device *device,
		 const struct provider_backup *what, struct provider_backup_result *ret, struct err *err);

#endif
