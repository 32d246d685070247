/* SPDX-License-Identifier: Apache-2.0 */
/* preflight_private - what the parts of the preflight share. Private to lib/provider/azure. */
#ifndef PROVIDER_AZURE_PREFLIGHT_PRIVATE_H
#define PROVIDER_AZURE_PREFLIGHT_PRIVATE_H

#include "base/err.h"
#include "provider/azure/preflight.h"

/* One look at a fleet: problems go into the plan, a failure of our own stays in rc. */
struct preflight {
	const struct fleet *fleet;
	struct provider_plan *plan;
	struct err *err;
	int rc;
};

/* Write a problem down. Its subject: "region east", or the noun alone where name is NULL. */
void preflight_tell(struct preflight *p, const char *noun, const char *name, const struct err *found);
/* The same about what of the document a node is there for. */
void preflight_tell_of(struct preflight *p, const struct azure_node *node, const struct err *found);

/* Where the document may name something that exists, an id begins with a slash. */
bool preflight_is_id(const char *text);
/* Is that the id of a resource of this type, "NAMESPACE/TYPE" or "NAMESPACE/TYPE/CHILD", in any case? A problem
 * of the field when not. id NULL is fine. */
bool preflight_check_id(struct preflight *p, const char *noun, const char *name, const char *field, const char *id,
			const char *type);
/* "westus", for one of the document's places. */
void preflight_check_location(struct preflight *p, const char *noun, const char *name, const char *location);

/* Networks, subnets, gateways, addresses, and what connects regions. */
void preflight_network(struct preflight *p);

/* Does any device of the region (NULL: of the fleet) get a private endpoint from us? */
bool preflight_makes_endpoints(const struct fleet *fleet, const char *region);

/* ---- asking Azure ---- */

/* One GET. */
struct preflight_question {
	struct azure_session *session;
	char *id;
	const char *about;		/* for people: what it is of */
	const char *api;
	bool list;
	const struct azure_node *node;	/* of something the document names as existing, NULL */
	const struct fleet_device *device;	/* of its identity, NULL */
	struct json_tree *answer;	/* NULL: not there, or failed */
	struct err failure;		/* ERR_OK: it was answered */
};

struct preflight_live {
	struct preflight p;
	struct azure_session *session;
	const struct azure_layout *layout;
	struct preflight_question *questions;
	size_t n;
	/* Positions from 1 of what is asked once; 0 = not asked. */
	size_t hsms, network, hsm_feature, network_feature, list;
};

/* Check the answers to the questions that have a node or a device. */
void preflight_existing(struct preflight_live *l);

/* Is it a name that a SKU may have? NULL is one. Otherwise told of noun and name. */
bool preflight_check_sku(struct preflight *p, const char *noun, const char *name, const char *field, const char *sku);

#endif
