/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compare - what a resource is against what it should be.
 *
 * All that the desired body says must be found in the live one, which may say more:
 * services add members of their own. Ids, locations and states are the same in any
 * case; an element of a list may stand anywhere.
 */
#ifndef PROVIDER_AZURE_COMPARE_H
#define PROVIDER_AZURE_COMPARE_H

#include <stdbool.h>
#include <stddef.h>

#include "json/tree.h"
#include "provider/azure/kind.h"

struct azure_node;
struct err;

enum { AZURE_DRIFT_TEXT = 400 };

struct azure_drift {
	/* How many differ: tags, and a cluster's identity, are changed; the rest is not. */
	size_t changes, fields;
	bool identity;		/* among the changes */
	/* "tags.owner is 'a', should be 'b'; sku.name …" */
	char changes_text[AZURE_DRIFT_TEXT], fields_text[AZURE_DRIFT_TEXT];
};

void azure_compare(const struct azure_node *node, const struct json_tree *live, struct azure_drift *ret);

/* 0 for "Succeeded" and what is in progress; ERR_FAILED with the service's reason. */
int azure_check_state(const struct azure_node *node, const struct json_tree *live, struct err *err);
/* ERR_UNSUPPORTED for fields that differ: hsmctl does not change them. */
int azure_check_fields(const struct azure_node *node, const struct azure_drift *drift, struct err *err);
/* Did it fail, and is the same PUT the remedy? Not of HSMs, and not of networks, whose subnets it would drop. */
bool azure_may_put_again(const struct azure_node *node, const struct json_tree *live);
/* Is it a peering that lost its other end? */
bool azure_is_dead_end(const struct azure_node *node, const struct json_tree *live);

/* All tags that the resource should carry: those of others stay, those we kept and no
 * longer want go. New tree. */
int azure_tags_wanted(const struct azure_node *node, const struct json_tree *live, struct json_tree **ret,
		      struct err *err);

/* The address at which the device of such a resource is reached; NULL when this one does not say. */
const char *azure_address_of(enum azure_kind_name kind, const struct json_tree *live);

/* The fleet whose mark it carries, NULL. */
const char *azure_owner(const struct json_tree *live);
/* Does it carry the mark of this fleet? */
bool azure_is_ours(const struct json_tree *live, const char *fleet);
/* Is the resource group one that this fleet made? */
bool azure_is_our_group(const struct json_tree *live, const char *fleet);

/* ERR_EXISTS for what is there, is to be written, and belongs to nobody or another fleet: destroying the
 * fleet would take it along. A device whose id the document gives is handed over by that. */
int azure_check_owner(const struct azure_node *node, const struct json_tree *live, const char *fleet,
		      struct err *err);

#endif
