/* SPDX-License-Identifier: Apache-2.0 */
/*
 * look - what is in Azure now, for people: states, messages, and the steps that only a device's
 * administrator can do, with what can be seen of them from here.
 */
#ifndef PROVIDER_AZURE_LOOK_H
#define PROVIDER_AZURE_LOOK_H

#include "provider/layout.h"

int azure_look(const struct provider_call *call, const struct fleet *fleet, struct inventory *inventory,
	       struct err *err);

#endif
