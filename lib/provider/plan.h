/* SPDX-License-Identifier: Apache-2.0 */
/* plan - what provider.h does not show of plans. Private to lib/provider. */
#ifndef PROVIDER_PLAN_H
#define PROVIDER_PLAN_H

#include "provider/provider.h"

/* A copy of desired with what it leaves to the store or the command. */
int plan_prepare(const struct provider_call *call, const struct fleet *have, const struct fleet *desired,
		 struct fleet **ret, struct err *err);

/* Compare with a document that was read already; ERR_INVALID also for a result
 * that would not be valid. */
int plan_compare(const struct provider_call *call, const struct fleet *have, const struct fleet *desired,
		 struct provider_plan *ret, struct err *err);

#endif
