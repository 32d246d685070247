/* SPDX-License-Identifier: Apache-2.0 */
/*
 * import - what the steps of an import share. Private to lib/provider/azure.
 *
 * First the HSMs are found (import-find.c), then what each stands on is read and becomes a region
 * (import-network.c), then it becomes a device (import-device.c).
 */
#ifndef PROVIDER_AZURE_IMPORT_PRIVATE_H
#define PROVIDER_AZURE_IMPORT_PRIVATE_H

#include "fleet/fleet.h"
#include "provider/azure/layout.h"
#include "provider/azure/session.h"

/* An HSM that is taken over; live is owned. */
struct import_hsm {
	enum azure_kind_name kind;
	struct json_tree *live;
	struct json_tree *endpoint;	/* clusters: its private endpoint, as far as it can be read */
	const char *endpoint_id;	/* NULL: it has none; in live */
	bool our_endpoint;		/* hsmctl made it for this fleet */
};

/* A region of the document, and what it was made from. */
struct import_place {
	char *region;
	char *network;			/* id, NULL: of clusters that no network reaches */
	char *hsm_subnet, *client_subnet;	/* ids of those in use, NULL */
	struct json_tree *live;		/* the network, NULL when it cannot be read */
	bool ours;			/* hsmctl made the network for this fleet */
};

struct import {
	const struct provider_call *call;
	struct azure_session session;
	const char *subscription;
	char *group, *name;		/* resource group; name of the fleet */
	struct fleet *fleet;		/* what is written */
	struct import_hsm *hsms;
	size_t n_hsms;
	struct import_place *places;
	size_t n_places;
	struct json_tree *gateways;	/* a list, of the groups in gateway_groups */
	char **gateway_groups;
	size_t n_gateway_groups;
};

/* All HSMs of the resource group wanted (NULL: the only one that has any) into m->hsms, m->group. */
int import_find(struct import *m, const char *wanted, struct err *err);

/* What the HSM stands on: reads it and adds its region when there is none yet. *ret is the region's name, in m. */
int import_region(struct import *m, const struct import_hsm *hsm, const char **ret, struct err *err);
/* Once all regions and devices are there: what connects them. */
int import_connection(struct import *m, struct err *err);

/* Its private endpoint into hsm; nothing happens with dedicated HSMs. */
int import_endpoint(struct import *m, struct import_hsm *hsm, struct err *err);
/* The HSM as a device in a datacenter of region. */
int import_device(struct import *m, const struct import_hsm *hsm, const char *region, struct err *err);

/* Name of a live resource, "" without. */
const char *import_name_of(const struct json_tree *live);
/* The word behind "/WORD/" in an id, and the id without its last two words; new memory, NULL without
 * memory, or when there is none such. */
char *import_part(const char *id, const char *word);
char *import_parent(const char *id);
/* Was the resource made by hsmctl for this fleet? */
bool import_is_ours(const struct import *m, const struct json_tree *live);
/* 1 and the resource; 0 with a note when it is not there or may not be read. */
int import_read(struct import *m, const char *id, enum azure_kind_name kind, struct json_tree **ret, struct err *err);
/* "West US" as "westus"; new memory. */
char *import_location(const char *location);
/* The nearest thing to text that is a name in documents (str_is_name), and that taken says nothing has yet;
 * new memory. */
typedef bool import_taken(const struct fleet *fleet, const char *name);
char *import_make_name(const struct fleet *fleet, const char *text, import_taken *taken);

#endif
