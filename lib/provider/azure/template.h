/* SPDX-License-Identifier: Apache-2.0 */
/* template - a layout spelled as an ARM template or in Bicep. */
#ifndef PROVIDER_AZURE_TEMPLATE_H
#define PROVIDER_AZURE_TEMPLATE_H

#include "provider/azure/layout.h"

struct buf;

/*
 * For a deployment into the fleet's resource group (mode Incremental). The same ids, bodies and order as
 * provision apply: ids of resources of the layout become references (resourceId(), symbolic names), the shared
 * key of connections a secure parameter, external resources stay ids. dependsOn as in the layout, and
 * from one write in a network to the next; in Bicep only where no symbolic name implies it. Subnets
 * that stand in their network's body are not repeated. ERR_UNSUPPORTED when something would have to be made
 * in another resource group: subnets and peerings of somebody else's network.
 */
int azure_template_arm(const struct azure_layout *layout, struct buf *ret, struct err *err);
int azure_template_bicep(const struct azure_layout *layout, struct buf *ret, struct err *err);

#endif
