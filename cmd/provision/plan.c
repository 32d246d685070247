/* SPDX-License-Identifier: Apache-2.0 */
/* hsmctl provision plan: what apply would do. */
#include "access.h"
#include "base/err.h"
#include "base/file.h"
#include "provision/provision.h"

struct plan {
	const char *file, *out;
	struct provider_access access;
};

static const struct cli_param options[] = {
	CLI_OPT_FILE(struct plan, out, 0, "out", "PATH", "Keep the plan there, for 'provision apply PATH'"),
	ACCESS_OPTIONS(struct plan, access),
	CLI_END
};
static const struct cli_param args[] = {
	CLI_ARG(struct plan, file, "FILE", NULL, CLI_REQUIRED | CLI_FILES, "Fleet document"),
	CLI_END
};

/* One that cannot be applied is not kept, and none of an earlier document either. */
static int keep(const struct provider_call *call, const struct plan *a, const struct provider_plan *plan,
		const struct fleet *desired, struct err *err)
{
	owned(fleet) struct fleet *complete = NULL;
	int rc;

	if (plan->n_problems)
		return file_remove(a->out, err);
	rc = provider_complete(call, desired, &complete, err);
	return rc < 0 ? rc : provision_keep(a->out, plan, complete, err);
}

static int report(struct cli *cli, const struct provider_call *call, const struct plan *a,
		  const struct provider_plan *plan, const struct fleet *desired, struct err *err)
{
	int rc = cli_emit(cli, &provider_plan_type, plan, err);

	if (rc == 0 && a->out)
		rc = keep(call, a, plan, desired, err);
	if (rc == 0)
		rc = provider_plan_check(plan, err);
	if (rc < 0 || !plan->n_changes)
		return rc;
	err_set(err, ERR_DIFFERENT, "%zu change%s to make", plan->n_changes, plan->n_changes == 1 ? "" : "s");
	return err_hint(err, "hsmctl provision apply %s", a->out ? a->out : a->file);
}

static int run(struct cli *cli, const void *data, struct err *err)
{
	const struct plan *a = data;
	owned(store) struct store *store = NULL;
	owned(wish) struct wish wish = {0};
	owned(provider_plan) struct provider_plan plan = {0};
	struct provider_call call = {.observer = cli->observer, .access = &a->access};
	int rc = provision_read(a->file, &wish, err);

	if (rc == 0)
		rc = provision_open(cli, &wish, &store, err);
	call.store = store;
	if (rc == 0)
		rc = provider_plan_make(&call, wish.fleet, &plan, err);
	return rc < 0 ? rc : report(cli, &call, a, &plan, wish.fleet, err);
}

const struct cli_command provision_plan_command = {
	.name = "plan", .summary = "Show what apply would do; status 3 when there is something to do",
	.options = options, .args = args, .args_size = sizeof(struct plan),
	.output = &provider_plan_type, .run = run,
};
