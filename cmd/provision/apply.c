/* SPDX-License-Identifier: Apache-2.0 */
/* hsmctl provision apply: make it so. */
#include <stdio.h>

#include "access.h"
#include "base/err.h"
#include "provider/inventory.h"
#include "provision/provision.h"

struct apply {
	const char *file;
	bool zeroised;
	struct provider_access access;
};

static const struct cli_param options[] = {
	CLI_OPT_FLAG(struct apply, zeroised, 0, "zeroised", "Dedicated HSMs that go hold no keys any more"),
	ACCESS_OPTIONS(struct apply, access),
	CLI_END
};
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
	for (size_t i = 0; !cli->globals.yes && count > 1 && i < plan->n_changes; i++)
		if (plan->changes[i].kind == CHANGE_DESTROY)
			cli_say(cli, "destroy %s: %s", plan->changes[i].subject, plan->changes[i].detail);
	snprintf(question, sizeof(question), count == 1 ? "destroy %s?" : "destroy %s and %zu more?", first,
		 count - 1);
	return cli_confirm(cli, question, NULL, err);
}

/* A plan that was kept is compared with what would be done now. */
static int check_kept(const struct wish *wish, const struct provider_plan *now, struct err *err)
{
	if (!wish->plan || wish->plan->revision == now->revision)
		return 0;
	err_set(err, ERR_CHANGED, "the plan was made against revision %lld, the store has %lld",
		(long long)wish->plan->revision, (long long)now->revision);
	return err_hint(err, "make a new one with 'hsmctl provision plan'");
}

/* The first one is the error; the others are told before it. */
static void tell_problems(struct cli *cli, const struct provider_plan *plan)
{
	for (size_t i = 1; i < plan->n_problems; i++)
		cli_say(cli, "hsmctl: %s: %s%s%s%s", plan->problems[i].subject, plan->problems[i].text,
			plan->problems[i].hint ? " (" : "", plan->problems[i].hint ? plan->problems[i].hint : "",
			plan->problems[i].hint ? ")" : "");
}

/* Nothing goes when something failed. */
static void tell_released(struct cli *cli, const struct provider_plan *plan, const struct inventory *result)
{
	for (size_t i = 0; i < plan->n_changes && !result->n_failures; i++)
		if (plan->changes[i].kind == CHANGE_RELEASE)
			cli_say(cli, "%s: left the fleet; its token and what is on it were not touched",
				plan->changes[i].subject);
}

static int apply(struct cli *cli, const struct provider_call *call, const struct wish *wish, struct err *err)
{
	owned(provider_plan) struct provider_plan plan = {0};
	owned(inventory) struct inventory result = {0};
	int rc = provider_plan_make(call, wish->fleet, &plan, err);

	if (rc == 0)
		rc = check_kept(wish, &plan, err);
	if (rc == 0)
		rc = provider_plan_check(&plan, err);
	if (rc < 0) {
		tell_problems(cli, &plan);
		return rc;
	}
	rc = confirm(cli, &plan, err);
	if (rc == 0 && !plan.n_changes)
		cli_say(cli, "nothing to change");
	if (rc == 0 && plan.n_changes)
		rc = provider_apply(call, wish->fleet, wish->plan ? wish->plan : &plan, wish->plan != NULL, &result, err);
	if (rc == 0)
		tell_released(cli, &plan, &result);
	if (rc == 0)
		rc = provision_print(cli, call, false, &result, err);
	return rc < 0 ? rc : inventory_check(&result, err);
}

static int run(struct cli *cli, const void *data, struct err *err)
{
	const struct apply *a = data;
	owned(store) struct store *store = NULL;
	owned(wish) struct wish wish = {0};
	struct provider_call call = {.observer = cli->observer, .access = &a->access, .zeroised = a->zeroised};
	int rc = provision_read(a->file, &wish, err);

	if (rc == 0)
		rc = provision_open(cli, &wish, &store, err);
	call.store = store;
	return rc < 0 ? rc : apply(cli, &call, &wish, err);
}

const struct cli_command provision_apply_command = {
	.name = "apply", .summary = "Make the devices of FILE exist and run", .flags = CLI_DESTROYS | CLI_CHANGES,
	.options = options, .args = args, .args_size = sizeof(struct apply),
	.output = &inventory_type, .run = run,
};
