/* SPDX-License-Identifier: Apache-2.0 */
/* plan - what provider.h does not show of plans. Private to lib/provider. */
#ifndef PROVIDER_PLAN_H
#define PROVIDER_PLAN_H

#include "provider/provider.h"

/* Compare with a document that was read already; ERR_INVALID also for a result
 * that would not be valid. */
int plan_compare(struct store *store, const struct fleet *have, const struct fleet *desired,
		 struct provider_plan *ret, struct err *err);

#endif
