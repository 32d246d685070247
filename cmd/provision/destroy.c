/* SPDX-License-Identifier: Apache-2.0 */
/* hsmctl provision destroy: remove every device the store says exists. */
#include <stdio.h>

#include "access.h"
#include "admin.h"
#include "base/err.h"
#include "provider/inventory.h"
#include "provision/provision.h"

struct destroy {
	bool zeroised;
	struct provider_access access;
};

static const struct cli_param options[] = {
	CLI_OPT_FLAG(struct destroy, zeroised, 0, "zeroised", "The dedicated HSMs hold no keys any more"),
	ACCESS_OPTIONS(struct destroy, access),
	CLI_END
};
static const struct cli_param none[] = {CLI_END};

/* "with 2 devices and all keys on them, and release 1 existing token, which stays as it is" */
static void tell_devices(const struct fleet *fleet, char *text, size_t size)
{
	size_t adopted = 0, made, len = 0;

	for (size_t i = 0; i < fleet->n_devices; i++)
		adopted += fleet_adopts(fleet, &fleet->devices[i]);
	made = fleet->n_devices - adopted;
	*text = 0;
	if (made || !adopted)
		len = (size_t)snprintf(text, size, " with %zu device%s and all keys on %s", made, made == 1 ? "" : "s",
				       made == 1 ? "it" : "them");
	if (adopted)
		snprintf(text + len, size - len, "%s release %zu that %s there before, whose tokens stay as they are",
			 len ? ", and" : " and", adopted, adopted == 1 ? "was" : "were");
}

static int confirm(struct cli *cli, const struct fleet *fleet, struct err *err)
{
	char question[400], devices[200];

	if (!fleet->n_devices && !fleet->azure.n_regions) {
		cli_say(cli, "nothing to destroy");
		return 0;
	}
	tell_devices(fleet, devices, sizeof(devices));
	snprintf(question, sizeof(question), "destroy the fleet '%s'%s%s%s%s?", fleet->name,
		 fleet->azure.subscription ? " in subscription " : "",
		 fleet->azure.subscription ? fleet->azure.subscription : "", devices,
		 fleet->azure.n_regions ? ", its networks and gateways" : "");
	return cli_confirm(cli, question, fleet->name, err);
}

static int run(struct cli *cli, const void *data, struct err *err)
{
	const struct destroy *a = data;
	owned(store) struct store *store = NULL;
	owned(fleet) struct fleet *fleet = NULL;
	owned(inventory) struct inventory inventory = {0};
	struct provider_call call = {.observer = cli->observer, .access = &a->access, .zeroised = a->zeroised};
	int rc = store_open(cli_store_url(cli), 0, &store, err);

	call.store = store;
	if (rc == 0)
		rc = store_read(store, &fleet, err);
	if (rc == 0)
		rc = provider_check_free(fleet, NULL, err);
	if (rc == 0)
		rc = provider_check_zeroised(&call, fleet, NULL, err);
	if (rc == 0)
		rc = confirm(cli, fleet, err);
	if (rc == 0)
		rc = provider_destroy(&call, err);
	if (rc == 0)
		admin_tell_released(cli, fleet, NULL);
	return rc < 0 ? rc : provision_print(cli, &call, false, &inventory, err);
}

const struct cli_command provision_destroy_command = {
	.name = "destroy", .summary = "Destroy all devices of the store, with their tokens and keys",
	.flags = CLI_DESTROYS | CLI_CHANGES, .options = options, .args = none, .args_size = sizeof(struct destroy),
	.output = &inventory_type, .run = run,
};
