/* SPDX-License-Identifier: Apache-2.0 */
/* What apply would do, without doing it. */
#include "provider/plan.h"

#include "base/err.h"
#include "base/mem.h"
#include "fleet/fleet.h"
#include "provider/check.h"
#include "provider/layout.h"
#include "provider/walk.h"
#include "store/store.h"

const char *const change_kind_names[] = {"create", "start", "update", "destroy", "adopt", "release", NULL};

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

static const struct json_field problem_fields[] = {
	JSON_F_STRING(struct provider_problem, subject, JSON_REQUIRED | JSON_COLUMN, "what it is about"),
	JSON_F_STRING(struct provider_problem, text, JSON_REQUIRED | JSON_COLUMN, "what is wrong or missing"),
	JSON_F_STRING(struct provider_problem, hint, JSON_OMIT | JSON_COLUMN, "what to do about it"),
	JSON_F_END
};
static const struct json_type problem_type = {
	.summary = "Something that must be put right first", .size = sizeof(struct provider_problem),
	.fields = problem_fields,
};

static const struct json_field plan_fields[] = {
	JSON_F_STRING(struct provider_plan, fleet, JSON_REQUIRED | JSON_COLUMN, "name of the fleet"),
	JSON_F_INT(struct provider_plan, revision, JSON_REQUIRED | JSON_COLUMN, 0, INT64_MAX,
		   "of the store's document that it was made against"),
	JSON_F_LIST(struct provider_plan, changes, JSON_REQUIRED | JSON_COLUMN, change_type,
		    "what apply would do, in this order"),
	JSON_F_LIST(struct provider_plan, problems, JSON_OMIT | JSON_COLUMN, problem_type,
		    "what must be put right before apply can begin"),
	JSON_F_END
};
const struct json_type provider_plan_type = {
	.schema = "plan", .summary = "What hsmctl provision apply would do",
	.size = sizeof(struct provider_plan), .fields = plan_fields,
};

void provider_plan_release(struct provider_plan *plan)
{
	json_release(&provider_plan_type, plan);
}

int provider_plan_add(struct provider_plan *plan, enum change_kind kind, const char *subject,
		      const char *detail, struct err *err)
{
	struct provider_change *c = json_append(&plan->changes, &plan->n_changes, sizeof(*c));

	if (!c)
		return err_no_memory(err);
	c->kind = kind;
	c->subject = mem_strdup(subject);
	c->detail = mem_strdup(detail);
	return c->subject && c->detail ? 0 : err_no_memory(err);
}

int provider_plan_problem(struct provider_plan *plan, const char *subject, const struct err *problem,
			  struct err *err)
{
	struct provider_problem *p = json_append(&plan->problems, &plan->n_problems, sizeof(*p));

	if (!p)
		return err_no_memory(err);
	p->code = problem->code;
	p->subject = mem_strdup(subject);
	p->text = mem_strdup(problem->message);
	p->hint = *problem->hint ? mem_strdup(problem->hint) : NULL;
	return p->subject && p->text && !p->hint == !*problem->hint ? 0 : err_no_memory(err);
}

int provider_plan_check(const struct provider_plan *plan, struct err *err)
{
	const struct provider_problem *first = plan->problems;

	if (!plan->n_problems)
		return 0;
	err_set(err, (enum err_code)first->code, "%s: %s", first->subject, first->text);
	if (plan->n_problems > 1)
		err_wrap(err, "%zu problems stand in the way, the first", plan->n_problems);
	if (first->hint)
		err_hint(err, "%s", first->hint);
	return -(int)first->code;
}

struct planner {
	struct walk walk;	/* first: cast back */
	struct provider_plan *plan;
};

static int record(struct walk *walk, const struct change *change, struct err *err)
{
	owned(mem) char *subject = mem_printf("%s %s", change->noun, change->name);

	if (!subject)
		return err_no_memory(err);
	return provider_plan_add(((struct planner *)walk)->plan, change->kind, subject, change->detail, err);
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

int plan_prepare(const struct provider_call *call, const struct fleet *have, const struct fleet *desired,
		 struct fleet **ret, struct err *err)
{
	owned(fleet) struct fleet *copy = NULL;
	const struct provider_layout *layout = NULL;
	int rc = fleet_copy(desired, &copy, err);

	if (rc == 0)
		rc = provider_layout_of(copy, &layout, err);
	if (rc == 0 && layout)
		rc = layout->complete(call, have, copy, err);
	if (rc < 0)
		return rc;
	*ret = own_take(copy);
	return 0;
}

/* What only a cloud can tell; also of a fleet that is to leave it. */
static int compare_layout(const struct provider_call *call, const struct fleet *have, const struct fleet *desired,
			  struct provider_plan *plan, struct err *err)
{
	const struct provider_layout *layout = NULL;
	int rc = provider_layout_of(desired, &layout, err);

	if (rc == 0 && !layout)
		rc = provider_layout_of(have, &layout, err);
	return rc < 0 || !layout ? rc : layout->plan(call, have, desired, plan, err);
}

int plan_compare(const struct provider_call *call, const struct fleet *have, const struct fleet *desired,
		 struct provider_plan *ret, struct err *err)
{
	struct planner planner = {
		.walk = {.store = call->store, .desired = desired, .record = record}, .plan = ret,
	};
	int rc = provider_check(have, desired, err);

	if (rc == 0)
		rc = compare(&planner, have, err);
	if (rc == 0)
		rc = compare_layout(call, have, desired, ret, err);
	ret->revision = have->revision;
	if (rc < 0)
		provider_plan_release(ret);
	return rc;
}

int provider_complete(const struct provider_call *call, const struct fleet *desired, struct fleet **ret,
		      struct err *err)
{
	owned(fleet) struct fleet *have = NULL;
	int rc = store_read(call->store, &have, err);

	return rc < 0 ? rc : plan_prepare(call, have, desired, ret, err);
}

int provider_plan_make(const struct provider_call *call, const struct fleet *desired, struct provider_plan *ret,
		       struct err *err)
{
	owned(fleet) struct fleet *have = NULL, *complete = NULL;
	int rc = store_read(call->store, &have, err);

	if (rc == 0)
		rc = plan_prepare(call, have, desired, &complete, err);
	return rc < 0 ? rc : plan_compare(call, have, complete, ret, err);
}
