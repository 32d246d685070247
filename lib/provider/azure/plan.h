/* SPDX-License-Identifier: Apache-2.0 */
/* plan - what apply would do in Azure, and what stands in its way. */
#ifndef PROVIDER_AZURE_PLAN_H
#define PROVIDER_AZURE_PLAN_H

#include "provider/layout.h"

int azure_plan(const struct provider_call *call, const struct fleet *have, const struct fleet *desired,
	       struct provider_plan *ret, struct err *err);

#endif
