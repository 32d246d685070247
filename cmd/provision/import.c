/* SPDX-License-Identifier: Apache-2.0 */
/* hsmctl provision import: a fleet document of what a subscription holds. */
#include "access.h"
#include "base/err.h"
#include "base/file.h"
#include "provider/layout.h"
#include "provision/provision.h"

struct import {
	struct provider_import what;
	const char *out;
	struct provider_access access;
};

static const struct cli_param options[] = {
	CLI_OPT_STRING(struct import, what.resource_group, 'g', "resource-group", "NAME", NULL,
		       "Resource group of the devices, where there are several"),
	CLI_OPT_STRING(struct import, what.name, 0, "name", "NAME", NULL,
		       "Name of the fleet; without it the one its HSMs are marked with, or the resource group's"),
	CLI_OPT_FILE(struct import, out, 0, "out", "PATH", "Write the document there instead of printing it"),
	ACCESS_OPTIONS(struct import, access),
	CLI_END
};
static const struct cli_param none[] = {CLI_END};

static int run(struct cli *cli, const void *data, struct err *err)
{
	const struct import *a = data;
	const struct provider_call call = {.observer = cli->observer, .access = &a->access};
	owned(fleet) struct fleet *fleet = NULL;
	owned(buf) struct buf text = {.max = 16 << 20};
	const struct provider_layout *layout;
	int rc = provider_cloud_layout(&layout, err);

	if (rc == 0)
		rc = layout->import(&call, &a->what, &fleet, err);
	if (rc == 0)
		rc = fleet_write(fleet, &text, err);
	if (rc == 0 && a->out)
		rc = file_write(a->out, text.data, text.len, 0600, err);
	/* The document is the result: people get it as it is, too. */
	return rc < 0 || a->out ? rc : cli_write(cli, (const char *)text.data, text.len, err);
}

const struct cli_command provision_import_command = {
	.name = "import", .summary = "Write a fleet document of the HSMs that a subscription holds",
	.options = options, .args = none, .args_size = sizeof(struct import), .run = run,
};
