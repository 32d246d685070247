/* SPDX-License-Identifier: Apache-2.0 */
/*
 * import - a fleet document of what a subscription holds.
 *
 * HSMs become devices; networks, subnets, gateways and private endpoints they stand on are named by
 * their ids, so that hsmctl looks at them and never writes or removes them.
 */
#ifndef PROVIDER_AZURE_IMPORT_H
#define PROVIDER_AZURE_IMPORT_H

#include "provider/layout.h"

int azure_import(const struct provider_call *call, const struct provider_import *what, struct fleet **ret,
		 struct err *err);

#endif
