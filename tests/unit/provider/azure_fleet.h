/* SPDX-License-Identifier: Apache-2.0 */
/*
 * azure_fleet - the example's fleet in Azure, and others made of it by edits.
 *
 * An edit puts JSON at a path of the document (json/tree.h), or takes away what is
 * there when the JSON is NULL. The list ends with a path that is NULL.
 */
#ifndef TESTS_AZURE_FLEET_H
#define TESTS_AZURE_FLEET_H

#include "../base/temp.h"

#include "base/buf.h"
#include "base/str.h"
#include "fleet/fleet.h"
#include "json/tree.h"
#include "provider/azure/layout.h"

#define SUBSCRIPTION "00000000-0000-4000-8000-000000000001"
#define GROUP "/subscriptions/" SUBSCRIPTION "/resourceGroups/two-regions"
#define NETWORKS GROUP "/providers/Microsoft.Network"
#define HSMS GROUP "/providers/Microsoft.HardwareSecurityModules"
/* Of somebody else. */
#define LANDING "/subscriptions/00000000-0000-4000-8000-000000000009/resourceGroups/landing/providers/Microsoft.Network"
#define HUB LANDING "/virtualNetworks/hub"
#define IDENTITY                                                                                                     \
	"/subscriptions/" SUBSCRIPTION "/resourceGroups/ids/providers/Microsoft.ManagedIdentity"                     \
	"/userAssignedIdentities/i"

struct edit {
	const char *path, *json;
};

/* The example as a fleet of Cloud HSMs. */
#define CLOUD_EDITS                                                                                                  \
	{"datacenters", "[{\"name\":\"east\",\"region\":\"east\",\"provider\":\"azure-cloud-hsm\"},"                 \
			"{\"name\":\"west\",\"region\":\"west\",\"provider\":\"azure-cloud-hsm\"}]"},                \
	{"devices", "[{\"name\":\"hsm-east\",\"datacenter\":\"east\",\"azure\":{}},"                                 \
		    "{\"name\":\"hsm-west\",\"datacenter\":\"west\",\"azure\":{}}]"}

static inline struct fleet *example(void)
{
	const char *root = getenv("ROOT");
	owned(mem) char *path = mem_printf("%s/examples/azure-two-regions.json", root ? root : ".");
	struct fleet *fleet = NULL;
	struct err err;

	if (fleet_read_file(path, JSON_COMMENTS, &fleet, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(fleet_set(&fleet->azure.subscription, SUBSCRIPTION, &err), 0);
	return fleet;
}

static inline struct json_tree *parsed(const char *text)
{
	struct json_tree *tree = NULL;
	struct err err;

	if (json_tree_parse(text, strlen(text), "text", &tree, &err) < 0)
		fail_msg("%s: %s", text, err.message);
	return tree;
}

static inline void edit(struct json_tree *document, const struct edit *edits)
{
	struct err err;

	for (; edits && edits->path; edits++)
		if (!edits->json)
			json_tree_remove(document, edits->path);
		else if (json_tree_set(document, edits->path, parsed(edits->json), &err) < 0)
			fail_msg("%s: %s", edits->path, err.message);
}

/* The example with two lists of edits, each may be NULL. */
static inline struct fleet *edited(const struct edit *first, const struct edit *second)
{
	owned(fleet) struct fleet *fleet = example();
	owned(json_tree) struct json_tree *document = NULL;
	owned(buf) struct buf text = {.max = 1 << 20}, changed = {.max = 1 << 20};
	struct fleet *ret = NULL;
	struct err err;

	assert_int_equal(fleet_write(fleet, &text, &err), 0);
	document = parsed(buf_text(&text));
	edit(document, first);
	edit(document, second);
	assert_int_equal(json_tree_write(document, false, &changed, &err), 0);
	if (fleet_read((const char *)changed.data, changed.len, "edited", 0, &ret, &err) < 0)
		fail_msg("%s", err.message);
	return ret;
}

static inline void lay_out(const struct fleet *fleet, struct azure_layout *ret)
{
	struct err err;

	if (azure_layout_make(fleet, ret, &err) < 0)
		fail_msg("%s", err.message);
}

/* The node of an id, which must be there. */
static inline const struct azure_node *node_of(const struct azure_layout *layout, const char *id)
{
	int i = azure_layout_find(layout, id);

	if (i < 0)
		fail_msg("no node %s", id);
	return &layout->nodes[i];
}

#endif
