/* SPDX-License-Identifier: Apache-2.0 */
/* What apply would do, without doing it. */
#include "provider/plan.h"

#include "base/err.h"
#include "base/mem.h"
#include "fleet/fleet.h"
#include "provider/check.h"
#include "provider/walk.h"
#include "store/store.h"

const char *const change_kind_names[] = {"create", "start", "update", "destroy", NULL};

static const struct json_field change_fields[] = {
	JSON_F_ENUM(struct provider_change, kind, JSON_REQUIRED | JSON_COLUMN, change_kind_names,
		    "what is done"),
	JSON_F_STRING(struct provider_change, subject, JSON_REQUIRED | JSON_COLUMN, "to what"),
	JSON_F_STRING(struct provider_change, detail, JSON_COLUMN, "more about it"),
	JSON_F_END
};
static const struct json_type change_type = {
	.summary = "One step", .size = sizeof(struct provider_change), .fields = change_fields,
};

static const struct json_field plan_fields[] = {
	JSON_F_STRING(struct provider_plan, fleet, JSON_REQUIRED | JSON_COLUMN, "name of the fleet"),
	JSON_F_INT(struct provider_plan, revision, JSON_REQUIRED | JSON_COLUMN, 0, INT64_MAX,
		   "of the store's document that it was made against"),
	JSON_F_LIST(struct provider_plan, changes, JSON_REQUIRED | JSON_COLUMN, change_type,
		    "what apply would do, in this order"),
	JSON_F_END
};
const struct json_type provider_plan_type = {
	.schema = "plan", .summary = "What hsmctl provision apply would do",
	.size = sizeof(struct provider_plan), .fields = plan_fields,
};

struct planner {
	struct walk walk;	/* first: cast back */
	struct provider_plan *plan;
};

static int record(struct walk *walk, const struct change *change, struct err *err)
{
	struct provider_plan *plan = ((struct planner *)walk)->plan;
	struct provider_change *c = json_append(&plan->changes, &plan->n_changes, sizeof(*c));

	if (!c)
		return err_no_memory(err);
	c->kind = change->kind;
	c->subject = mem_printf("%s %s", change->noun, change->name);
	c->detail = mem_strdup(change->detail);
	return c->subject && c->detail ? 0 : err_no_memory(err);
}

/* Would the store accept what comes out? */
static int check_result(const struct fleet *fleet, struct err *err)
{
	owned(buf) struct buf text = {.max = 16 << 20};
	owned(fleet) struct fleet *again = NULL;
	int rc = fleet_write(fleet, &text, err);

	if (rc == 0)
		rc = fleet_read((const char *)text.data, text.len, "the fleet after it", 0, &again, err);
	return rc;
}

static int compare(struct planner *planner, const struct fleet *have, struct err *err)
{
	owned(fleet) struct fleet *copy = NULL;
	int rc = fleet_copy(have, &copy, err);

	if (rc == 0) {
		planner->walk.fleet = copy;
		rc = walk_run(&planner->walk, err);
	}
	if (rc == 0)
		rc = fleet_set(&planner->plan->fleet, copy->name, err);
	return rc < 0 ? rc : check_result(copy, err);
}

int plan_compare(struct store *store, const struct fleet *have, const struct fleet *desired,
		 struct provider_plan *ret, struct err *err)
{
	struct planner planner = {
		.walk = {.store = store, .desired = desired, .record = record}, .plan = ret,
	};
	int rc = provider_check(have, desired, err);

	if (rc == 0)
		rc = compare(&planner, have, err);
	ret->revision = have->revision;
	if (rc < 0)
		json_release(&provider_plan_type, ret);
	return rc;
}

int provider_plan_make(struct store *store, const struct fleet *desired, struct provider_plan *ret,
		       struct err *err)
{
	owned(fleet) struct fleet *have = NULL;
	int rc = store_read(store, &have, err);

	return rc < 0 ? rc : plan_compare(store, have, desired, ret, err);
}
