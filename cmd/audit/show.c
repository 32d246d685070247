/* SPDX-License-Identifier: Apache-2.0 */
/* hsmctl audit show: who changed what, when. */
#include "audit/audit.h"
#include "base/err.h"
#include "cli/cli.h"
#include "store/store.h"

struct show {
	int64_t last;
};

static const struct cli_param options[] = {
	CLI_OPT_INT(struct show, last, 'n', "last", "N", 1, INT64_MAX, NULL, "Only the newest N entries"),
	CLI_END
};
static const struct cli_param args[] = {CLI_END};

/* The newest entries as a document of their own; they are still the trail's. */
static int print(struct cli *cli, const struct store_audit_trail *trail, int64_t last, struct err *err)
{
	struct store_audit_trail part = *trail;

	if (last && (size_t)last < part.n_entries) {
		part.entries += part.n_entries - (size_t)last;
		part.n_entries = (size_t)last;
	}
	return cli_emit(cli, &store_audit_trail_type, &part, err);
}

static int run(struct cli *cli, const void *data, struct err *err)
{
	const struct show *a = data;
	owned(store) struct store *store = NULL;
	struct store_audit_trail trail = {0};
	int rc = store_open(cli_store_url(cli), 0, &store, err);

	if (rc == 0)
		rc = store_audit_read(store, &trail, err);
	if (rc < 0)
		return rc;
	rc = print(cli, &trail, a->last, err);
	json_release(&store_audit_trail_type, &trail);
	return rc;
}

const struct cli_command audit_show_command = {
	.name = "show", .summary = "Print the trail, oldest entry first",
	.options = options, .args = args, .args_size = sizeof(struct show),
	.output = &store_audit_trail_type, .run = run,
};
