/* SPDX-License-Identifier: Apache-2.0 */
/* template_private - what both spellings of a layout share. Private to lib/provider/azure. */
#ifndef PROVIDER_AZURE_TEMPLATE_PRIVATE_H
#define PROVIDER_AZURE_TEMPLATE_PRIVATE_H

#include "provider/azure/template.h"

enum template_role {
	TEMPLATE_ABSENT,	/* the resource group itself, and what is somebody else's */
	TEMPLATE_INSIDE,	/* a subnet that stands in the body of its network */
	TEMPLATE_RESOURCE,
};

/* What a node waits for: its own needs, and an earlier write in the same network. */
enum { TEMPLATE_NEEDS = AZURE_NODE_NEEDS + 1 };

struct template {
	const struct azure_layout *layout;	/* borrowed */
	enum template_role *roles;		/* one for each node */
	bool has_key;				/* a body needs the shared key */
};

/* Which nodes become resources. ERR_UNSUPPORTED when one would have to be made in another resource group. ret is
 * zeroed by the caller. */
int template_init(const struct azure_layout *layout, struct template *ret, struct err *err);
void template_release(struct template *t);
OWN_DEFINE_RELEASE(template)

/* Where the resource group is; NULL when the document does not say. */
const char *template_location(const struct template *t);
/* The node that a text in a body refers to by its id, when it is part of the template; -1. */
int template_find(const struct template *t, const char *text);
/* The node of which node i is a child, when it is a resource of the template; -1. */
int template_parent(const struct template *t, size_t i);
/* The resource that a node stands in: its own, or for a subnet inside its network that one. */
size_t template_home(const struct template *t, size_t i);
/* Positions of the resources that node i waits for, each once. */
size_t template_needs(const struct template *t, size_t i, size_t ret[static TEMPLATE_NEEDS]);

#endif
