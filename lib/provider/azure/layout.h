/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layout - the resources that a fleet needs in Azure, as a graph.
 *
 * Made from the document alone, without asking anybody. Planning compares it
 * with what is there, applying makes it so, templates are another spelling of it:
 * one list of nodes, each a resource with its id, its body and what must exist
 * before it. Nodes stand behind everything they depend on.
 */
#ifndef PROVIDER_AZURE_LAYOUT_H
#define PROVIDER_AZURE_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/own.h"
#include "json/tree.h"
#include "provider/azure/kind.h"

struct err;
struct fleet;
struct fleet_azure_region;
struct fleet_device;

/* Stands for the shared key of connections in a body; never sent as it is. */
extern const char azure_key_marker[];
/* The tag that says which fleet a resource belongs to, and the one that lists the
 * names of the other tags we keep: a tag that was taken out of the document goes. */
extern const char azure_fleet_tag[], azure_names_tag[];
/* The first of them on a resource group: another name, since policies hand a group's tags on to all that
 * anybody makes in it. */
extern const char azure_group_tag[];
/* Resources whose names the service knows. */
extern const char azure_gateway_subnet[];	/* "GatewaySubnet" */
extern const char azure_hsm_zone[];		/* "privatelink.cloudhsm.azure.net" */

enum { AZURE_NODE_NEEDS = 4 };

struct azure_node {
	enum azure_kind_name kind;
	char *id;			/* resource id */
	char *name;			/* "network/subnet": as templates name it */
	char *label;			/* for people: "virtual network hsm-east" */
	struct json_tree *body;		/* what a PUT sends; NULL for one that must exist (external) */
	const char *api_version;	/* the fleet's or constant */
	size_t needs[AZURE_NODE_NEEDS];	/* positions of what must exist before */
	size_t n_needs;
	char *network;			/* id of the virtual network it is written in, NULL */
	const struct fleet_azure_region *region;	/* of the fleet; NULL for global ones */
	const struct fleet_device *device;	/* of the fleet: this is its HSM; NULL for others */
	const struct fleet_device *serves;	/* it is there for this device alone: endpoints */
	bool external;			/* exists already, belongs to somebody else: only looked at */
};

struct azure_layout {
	const struct fleet *fleet;	/* borrowed */
	struct azure_node *nodes;
	size_t n_nodes;
};

/* Of any document that could be read; one that azure_preflight_document() finds nothing wrong with makes
 * a layout worth sending. ret is zeroed by the caller. */
int azure_layout_make(const struct fleet *fleet, struct azure_layout *ret, struct err *err);
void azure_layout_release(struct azure_layout *layout);
OWN_DEFINE_RELEASE(azure_layout)

/* Positions by id (case ignored); -1 when there is none. */
int azure_layout_find(const struct azure_layout *layout, const char *id);
/* The HSM of a device. */
int azure_layout_device(const struct azure_layout *layout, const char *device);

/* "/subscriptions/S/resourceGroups/G" of a fleet; new memory, NULL without. S is the word SUBSCRIPTION
 * while that is not known. */
char *azure_group_id(const struct fleet *fleet);
const char *azure_group_name(const struct fleet *fleet);

/* Which of the two providers a device has. */
bool azure_is_dedicated(const struct fleet *fleet, const struct fleet_device *device);
bool azure_is_cloud(const struct fleet *fleet, const struct fleet_device *device);
/* Does the region have one of that kind? */
bool azure_region_has(const struct fleet *fleet, const char *region, enum azure_kind_name kind);
/* How regions are connected: FLEET_CONNECT_NONE, _VPN or _PEERING. */
unsigned azure_connects(const struct fleet *fleet);

/* "West US" and "westus" are one place. */
bool azure_same_location(const char *a, const char *b);

#endif
