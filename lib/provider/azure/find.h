/* SPDX-License-Identifier: Apache-2.0 */
/*
 * find - what a fleet has in Azure, and which of it goes.
 *
 * What belongs to a fleet is told by the mark it carries (azure_fleet_tag), so that what a killed run
 * left behind is found too, and nothing of anybody else is.
 */
#ifndef PROVIDER_AZURE_FIND_H
#define PROVIDER_AZURE_FIND_H

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

/* Append one that is known by its id; one that is there already is not doubled. */
int azure_finds_add(struct azure_finds *finds, const struct fleet *fleet, enum azure_kind_name kind, const char *id,
		    const char *network, struct err *err);

/* One device, and what serves it alone. */
int azure_find_device(const struct azure_layout *layout, const struct fleet_device *device, struct azure_finds *ret,
		      struct err *err);

#endif
