/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unmake - finding what a fleet has in Azure and taking it away in the reverse order.
 *
 * What belongs to a fleet is told by the mark it carries (azure_fleet_tag), so that what a killed run
 * left behind is found too, and nothing of anybody else is touched.
 */
#ifndef PROVIDER_AZURE_UNMAKE_H
#define PROVIDER_AZURE_UNMAKE_H

#include "provider/azure/layout.h"
#include "provider/azure/session.h"

struct azure_found {
	enum azure_kind_name kind;
	char *id, *name;
	char *network;			/* of which virtual network it is a part, NULL */
	bool recorded;			/* the store knows it by this very id */
	const char *api_version;	/* the fleet's or constant */
};

struct azure_finds {
	struct azure_found *items;	/* in the order they are to be unmade */
	size_t n;
};
void azure_finds_release(struct azure_finds *finds);
OWN_DEFINE_RELEASE(azure_finds)

/* What fleet (as the store has it) owns and keep (NULL = nothing) does not name. Also every device of fleet
 * that has an id and is not in keep. */
int azure_find_doomed(struct azure_session *session, const struct fleet *fleet, const struct azure_layout *keep,
		      struct azure_finds *ret, struct err *err);

/* Unmake them; whole: the resource group too, when we made it and nothing is left in it. ERR_CONFIRM for
 * dedicated HSMs unless the call states that they are zeroised. */
int azure_unmake(struct azure_session *session, const struct fleet *fleet, const struct azure_finds *doomed,
		 bool whole, struct err *err);

/* One device, and what serves it alone. */
int azure_find_device(const struct azure_layout *layout, const struct fleet_device *device, struct azure_finds *ret,
		      struct err *err);

#endif
