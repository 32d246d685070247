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
 * or Cloud HSMs must have, connections that cannot carry its devices, quota within the document (2
 * dedicated HSMs a stamp, 4 a region by default: a warning in text, not a problem). */
int azure_preflight_document(const struct fleet *fleet, struct provider_plan *plan, struct err *err);

/* Asks, with GETs only: provider registration, features (of dedicated HSMs), whether the location
 * offers the type in this api-version, zones against stamps, quota with the devices that exist,
 * identities and existing networks that the document names. */
int azure_preflight_live(struct azure_session *session, const struct azure_layout *layout,
			 struct provider_plan *plan, struct err *err);

#endif
