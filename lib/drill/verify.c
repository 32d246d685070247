/* SPDX-License-Identifier: Apache-2.0 */
/* The door to verification. */
#include "base/err.h"
#include "drill/exercise.h"
#include "replica/set.h"
#include "replica/verify.h"
#include "store/store.h"

int drill_verify(struct store *store, const char *group, struct observer *observer,
		 struct replica_report *ret, struct err *err)
{
	owned(fleet) struct fleet *fleet = NULL;
	owned(replica_set) struct replica_set *set = NULL;
	struct fleet_group *found;
	int rc = store_read(store, &fleet, err);

	if (rc == 0)
		rc = fleet_find_group(fleet, group, &found, err);
	if (rc == 0)
		rc = replica_set_open_admin(fleet, found, store_path(store), &set, err);
	return rc < 0 ? rc : replica_verify(set, VERIFY_ALL, observer, ret, err);
}
