/* SPDX-License-Identifier: Apache-2.0 */
/*
 * preflight - what stands in the way of a layout, all of it at once.
 *
 * Everything that is found goes into the plan's problems; a negative code is only returned when
 * looking itself failed (memory, cancelled).
 */
#ifndef PROVIDER_AZURE_PREFLIGHT_H
#define PROVIDER_AZURE_PREFLIGHT_H

#include "provider/azure/layout.h"
#include "provider/azure/session.h"

/* Without asking anybody: subscription, names and their lengths, tags, SKUs (payShield devices are
 * read, not made), stamps and zones, the address plan (address.h), what a region with dedicated
 * or Cloud HSMs must have, connections that cannot carry its devices, ids of what exists already. */
int azure_preflight_document(const struct fleet *fleet, struct provider_plan *plan, struct err *err);

/*
 * Asks, with GETs only and all at once: provider registration, features (of dedicated HSMs that are yet
 * to be made), whether the location offers the type in this api-version, zones against stamps, quota with
 * the devices that exist (2 dedicated HSMs a stamp, 4 a region, unless there are more already), whether
 * identities, networks, subnets, gateways and endpoints that the document names are there and fit.
 * A question that is refused is a problem of its own; when none is answered, there is one for all.
 */
int azure_preflight_live(struct azure_session *session, const struct azure_layout *layout,
			 struct provider_plan *plan, struct err *err);

#endif
