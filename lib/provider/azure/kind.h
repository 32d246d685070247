/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kind - what hsmctl knows of each type of Azure resource that it makes: one row each.
 */
#ifndef PROVIDER_AZURE_KIND_H
#define PROVIDER_AZURE_KIND_H

#include <stdbool.h>
#include <stddef.h>

struct fleet;

/* In the order in which they are unmade: what stands first goes first. */
enum azure_kind_name {
	AZURE_CONNECTION,
	AZURE_PEERING,
	AZURE_ZONE_GROUP,
	AZURE_PRIVATE_ENDPOINT,
	AZURE_DEDICATED_HSM,
	AZURE_CLOUD_HSM,
	AZURE_GATEWAY,
	AZURE_PUBLIC_IP,
	AZURE_ZONE_LINK,
	AZURE_ZONE,
	AZURE_SUBNET,
	AZURE_NETWORK,
	AZURE_GROUP,
	AZURE_KINDS
};

struct azure_kind {
	const char *noun;		/* "virtual network" */
	const char *type;		/* "Microsoft.Network/virtualNetworks" */
	const char *child_of;		/* type of what it is part of, and deleted with; NULL */
	bool tagged;			/* carries tags, and with them the mark of its fleet */
	bool tags_by_put;		/* they are changed by the whole resource: it has no PATCH */
	bool put_again;			/* one that failed is put right by the same PUT */
	bool in_network;		/* writes in one virtual network wait for each other … */
	bool until_done;		/* … until they are finished, not just accepted */
	double poll;			/* seconds between questions where the service names none */
	double limit;			/* seconds it may take to be made or unmade */
	const char *const *ignored;	/* paths of a body that are not compared; NULL-terminated */
};
extern const struct azure_kind azure_kinds[AZURE_KINDS];

/* The kind of an ARM type, case ignored; -1 for others. */
int azure_kind_of(const char *type);

/* Which version of its API is spoken for a fleet. */
const char *azure_api(const struct fleet *fleet, enum azure_kind_name kind);

/* "id" or "resourceId": how dedicatedHSMs of this version name what they refer to. */
const char *azure_reference_name(const char *dedicated_api);

#endif
