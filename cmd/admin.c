/* SPDX-License-Identifier: Apache-2.0 */
/* The beginning that commands on a group share. */
#include "admin.h"

#include "base/err.h"
#include "cli/cli.h"
#include "provider/inventory.h"

void admin_release(struct admin *admin)
{
	replica_set_free(admin->set);
	fleet_free(admin->fleet);
	store_free(admin->store);
	*admin = (struct admin){0};
}

int admin_open(const struct cli *cli, const char *group, struct admin *ret, struct err *err)
{
	int rc = store_open(cli_store_url(cli), 0, &ret->store, err);

	if (rc == 0)
		rc = store_read(ret->store, &ret->fleet, err);
	if (rc == 0)
		rc = fleet_find_group(ret->fleet, group, &ret->group, err);
	if (rc == 0)
		rc = replica_set_open_admin(ret->fleet, ret->group, store_path(ret->store), &ret->set, err);
	return rc;
}

int admin_print_devices(struct cli *cli, struct store *store, struct err *err)
{
	owned(fleet) struct fleet *fleet = NULL;
	owned(inventory) struct inventory inventory = {0};
	int rc = store_read(store, &fleet, err);

	if (rc == 0)
		rc = inventory_make(store, fleet, &inventory, err);
	return rc < 0 ? rc : cli_emit(cli, &inventory_type, &inventory, err);
}

/* The document, without locks and without a word when there is none. */
static struct fleet *read_quietly(struct cli *cli)
{
	owned(store) struct store *store = NULL;
	struct fleet *fleet = NULL;
	struct err err;

	if (store_open(cli_store_url(cli), 0, &store, &err) == 0)
		store_read(store, &fleet, &err);
	return fleet;
}

void admin_complete_groups(struct cli *cli, struct cli_completion *c)
{
	owned(fleet) struct fleet *fleet = read_quietly(cli);

	for (size_t i = 0; fleet && i < fleet->n_groups; i++)
		cli_candidate(c, fleet->groups[i].name);
}

void admin_complete_devices(struct cli *cli, struct cli_completion *c)
{
	owned(fleet) struct fleet *fleet = read_quietly(cli);

	for (size_t i = 0; fleet && i < fleet->n_devices; i++)
		cli_candidate(c, fleet->devices[i].name);
}
