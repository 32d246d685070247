/* SPDX-License-Identifier: Apache-2.0 */
/* hsmctl provision apply: make it so. */
#include <stdio.h>

#include "base/err.h"
#include "provider/inventory.h"
#include "provision/provision.h"

struct apply {
	const char *file;
};

static const struct cli_param options[] = {CLI_END};
static const struct cli_param args[] = {
	CLI_ARG(struct apply, file, "FILE", NULL, CLI_REQUIRED | CLI_FILES,
		"Fleet document, or a plan that 'provision plan' kept"),
	CLI_END
};

/* Making and starting needs no question; destroying does. */
static int confirm(struct cli *cli, const struct provider_plan *plan, struct err *err)
{
	char question[400];
	const char *first = NULL;
	size_t count = 0;

	for (size_t i = 0; i < plan->n_changes; i++) {
		if (plan->changes[i].kind != CHANGE_DESTROY)
			continue;
		first = first ? first : plan->changes[i].subject;
		count++;
	}
	if (!count)
		return 0;
	snprintf(question, sizeof(question), count == 1 ? "destroy %s?" : "destroy %s and %zu more?", first,
		 count - 1);
	return cli_confirm(cli, question, NULL, err);
}

static int check_fresh(const struct wish *wish, int64_t revision, struct err *err)
{
	if (!wish->is_plan || wish->revision == revision)
		return 0;
	err_set(err, ERR_CHANGED, "the plan was made against revision %lld, the store has %lld",
		(long long)wish->revision, (long long)revision);
	return err_hint(err, "make a new one with 'hsmctl provision plan'");
}

static int apply(struct cli *cli, struct store *store, const struct wish *wish, struct err *err)
{
	struct provider_plan plan = {0};
	int rc = provider_plan_make(store, wish->fleet, &plan, err);

	if (rc < 0)
		return rc;
	rc = check_fresh(wish, plan.revision, err);
	if (rc == 0)
		rc = confirm(cli, &plan, err);
	if (rc == 0 && !plan.n_changes)
		cli_say(cli, "nothing to change");
	if (rc == 0 && plan.n_changes)
		rc = provider_apply(store, wish->fleet, cli->observer, err);
	json_release(&provider_plan_type, &plan);
	return rc < 0 ? rc : provision_print(cli, store, err);
}

static int run(struct cli *cli, const void *data, struct err *err)
{
	const struct apply *a = data;
	owned(store) struct store *store = NULL;
	owned(fleet) struct fleet *fleet = NULL;
	struct wish wish = {0};
	int rc = provision_read(a->file, &wish, err);

	fleet = wish.fleet;
	if (rc == 0)
		rc = store_open(cli_store_url(cli), STORE_CREATE, &store, err);
	return rc < 0 ? rc : apply(cli, store, &wish, err);
}

const struct cli_command provision_apply_command = {
	.name = "apply", .summary = "Make the devices of FILE exist and run", .flags = CLI_DESTROYS,
	.options = options, .args = args, .args_size = sizeof(struct apply),
	.output = &inventory_type, .run = run,
};
