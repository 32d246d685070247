/* SPDX-License-Identifier: Apache-2.0 */
/* Fleet documents, and JSON at large: what was read is written, and read again, alike. */
#include "fuzz.h"

#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "fleet/fleet.h"
#include "json/tree.h"

enum { TEXT_MAX = 1 << 20 };

static struct fleet *read_document(const void *text, size_t len, unsigned flags)
{
	struct fleet *fleet = NULL;
	struct err err = {0};

	return fleet_read(text, len, "input", flags, &fleet, &err) == 0 ? fleet : NULL;
}

/* What commands ask of every document. */
static void look_around(const struct fleet *fleet)
{
	char name[128];

	for (size_t i = 0; i < fleet->n_groups; i++) {
		const struct fleet_group *group = &fleet->groups[i];

		fleet_group_policy(fleet, group);
		for (size_t m = 0; m < group->n_members; m++) {
			struct fleet_device *device;
			struct fleet_partition *partition;
			struct err err = {0};

			fleet_member_name(fleet, &group->members[m], name, sizeof(name));
			HOLDS(fleet_locate(fleet, name, &device, &partition, &err) == 0);
		}
	}
}

static void fleet_document(const uint8_t *data, size_t len, unsigned flags)
{
	owned(fleet) struct fleet *fleet = read_document(data, len, flags), *again = NULL, *copy = NULL;
	owned(buf) struct buf once = {.max = TEXT_MAX}, twice = {.max = TEXT_MAX};
	struct err err = {0};

	if (!fleet)
		return;
	look_around(fleet);
	HOLDS(fleet_copy(fleet, &copy, &err) == 0);
	HOLDS(fleet_rebase(fleet, fleet, copy, &err) == 0);
	HOLDS(fleet_write(fleet, &once, &err) == 0);
	again = read_document(once.data, once.len, 0);
	HOLDS(again);
	HOLDS(fleet_write(again, &twice, &err) == 0);
	HOLDS(once.len == twice.len && memcmp(once.data, twice.data, once.len) == 0);
}

static void tree(const uint8_t *data, size_t len)
{
	owned(json_tree) struct json_tree *tree = NULL, *again = NULL;
	owned(buf) struct buf once = {.max = TEXT_MAX}, twice = {.max = TEXT_MAX};
	struct err err = {0};

	if (json_tree_parse((const char *)data, len, "input", &tree, &err) < 0)
		return;
	json_tree_text(tree, "properties.error.message");
	HOLDS(json_tree_write(tree, false, &once, &err) == 0);
	HOLDS(json_tree_parse((const char *)once.data, once.len, "input", &again, &err) == 0);
	/* 1e2 is a number that comes back as an integer. */
	HOLDS(json_tree_write(again, false, &twice, &err) == 0);
	HOLDS(once.len == twice.len && memcmp(once.data, twice.data, once.len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	fleet_document(data, len, 0);
	fleet_document(data, len, JSON_COMMENTS);
	tree(data, len);
	return 0;
}
