/* SPDX-License-Identifier: Apache-2.0 */
/* The table of scenarios. */
#include "drill/scenario.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "fleet/fleet.h"

/* Break one active member for the middle third of the run. */
#define MIDDLE_THIRD(fault)                                                                        \
	.steps = {{1.0 / 3, DRILL_BREAK, DRILL_ACTIVE_MEMBER, fault},                              \
		  {2.0 / 3, DRILL_HEAL, DRILL_ACTIVE_MEMBER, fault}},                              \
	.n_steps = 2

const struct drill_scenario drill_scenarios[] = {
	{.name = "member-crash",
	 .summary = "an active member's process is killed and started again",
	 .hypothesis = "Calls move to the other members at once; the application sees no error, and the member "
		       "serves again after it is started.",
	 MIDDLE_THIRD(FAULT_CRASH)},
	{.name = "member-hang",
	 .summary = "an active member stops answering while its connections stay open, then continues",
	 .hypothesis = "The silence is noticed by deadline; calls move to the other members, the application sees "
		       "no error, and the member serves again after it continues.",
	 MIDDLE_THIRD(FAULT_HANG)},
	{.name = NULL},
};

int drill_scenario_find(const char *name, const struct drill_scenario **ret, struct err *err)
{
	const char *names[sizeof(drill_scenarios) / sizeof(*drill_scenarios)] = {NULL};
	const char *nearest;

	for (size_t i = 0; drill_scenarios[i].name; i++) {
		names[i] = drill_scenarios[i].name;
		if (!str_eq(names[i], name))
			continue;
		*ret = &drill_scenarios[i];
		return 0;
	}
	nearest = str_nearest(name, names);
	err_set(err, ERR_NOT_FOUND, "no scenario '%s'", name);
	return nearest ? err_hint(err, "did you mean '%s'?", nearest) : err_hint(err, "see 'hsmctl drill list'");
}

/* All members on the device of member i. */
static uint32_t on_device_of(const struct fleet_group *group, size_t i)
{
	uint32_t mask = 0;

	for (size_t j = 0; j < group->n_members && j < 32; j++)
		if (str_eq(group->members[j].device, group->members[i].device))
			mask |= UINT32_C(1) << j;
	return mask;
}

static int first_active(const struct fleet_group *group, uint32_t *ret, struct err *err)
{
	for (size_t i = 0; i < group->n_members; i++)
		if (group->members[i].role == FLEET_ACTIVE) {
			*ret = on_device_of(group, i);
			return 0;
		}
	return err_set(err, ERR_GUARD, "group '%s' has no active member to break", group->name);
}

static int chosen_member(const struct fleet *fleet, const struct fleet_group *group, const char *chosen,
			 uint32_t *ret, struct err *err)
{
	bool standby = false;

	for (size_t i = 0; i < group->n_members; i++) {
		const struct fleet_member *m = &group->members[i];
		char name[160];

		if (!str_eq(m->device, chosen) &&
		    !str_eq(fleet_member_name(fleet, m, name, sizeof(name)), chosen))
			continue;
		standby = m->role != FLEET_ACTIVE;
		if (standby)
			continue;
		*ret = on_device_of(group, i);
		return 0;
	}
	if (standby)
		return err_set(err, ERR_GUARD, "'%s' is a standby member of '%s': breaking it shows nothing", chosen,
			       group->name);
	err_set(err, ERR_NOT_FOUND, "'%s' is not a member of '%s'", chosen, group->name);
	return err_hint(err, "see 'hsmctl ha show %s'", group->name);
}

int drill_scenario_target(enum drill_target target, const struct fleet *fleet, const struct fleet_group *group,
			  const char *chosen, uint32_t *ret, struct err *err)
{
	switch (target) {
	case DRILL_ACTIVE_MEMBER:
		return chosen ? chosen_member(fleet, group, chosen, ret, err) : first_active(group, ret, err);
	}
	return err_set(err, ERR_INVALID, "no such target");
}

/* ---- as a document ---- */

static const struct json_field row_fields[] = {
	JSON_F_STRING(struct drill_scenario_row, name, JSON_REQUIRED | JSON_COLUMN, "what 'drill run' calls it"),
	JSON_F_STRINGS(struct drill_scenario_row, faults, JSON_COLUMN, "kinds of faults, each once"),
	JSON_F_STRING(struct drill_scenario_row, summary, JSON_REQUIRED | JSON_COLUMN, "what happens"),
	JSON_F_STRING(struct drill_scenario_row, hypothesis, JSON_REQUIRED, "what is expected of the group"),
	JSON_F_END
};
static const struct json_type row_type = {
	.summary = "A scenario", .size = sizeof(struct drill_scenario_row), .fields = row_fields,
};
static const struct json_field list_fields[] = {
	JSON_F_LIST(struct drill_scenario_list, scenarios, JSON_REQUIRED | JSON_COLUMN, row_type, "the scenarios"),
	JSON_F_END
};
const struct json_type drill_scenario_list_type = {
	.schema = "scenarios", .summary = "What drills can break",
	.size = sizeof(struct drill_scenario_list), .fields = list_fields,
};

static bool has_text(char *const *texts, size_t count, const char *text)
{
	for (size_t i = 0; i < count; i++)
		if (str_eq(texts[i], text))
			return true;
	return false;
}

static int add_faults(struct drill_scenario_row *row, const struct drill_scenario *from)
{
	for (size_t i = 0; i < from->n_steps; i++) {
		const char *kind = fault_kind_names[from->steps[i].kind];
		char **slot;

		if (from->steps[i].action != DRILL_BREAK || has_text(row->faults, row->n_faults, kind))
			continue;
		slot = json_append(&row->faults, &row->n_faults, sizeof(*slot));
		if (!slot || !(*slot = mem_strdup(kind)))
			return -ERR_NO_MEMORY;
	}
	return 0;
}

static int add_row(struct drill_scenario_list *list, const struct drill_scenario *from)
{
	struct drill_scenario_row *row = json_append(&list->scenarios, &list->n_scenarios, sizeof(*row));

	if (!row || !(row->name = mem_strdup(from->name)) || !(row->summary = mem_strdup(from->summary)) ||
	    !(row->hypothesis = mem_strdup(from->hypothesis)))
		return -ERR_NO_MEMORY;
	return add_faults(row, from);
}

int drill_scenario_list(struct drill_scenario_list *ret, struct err *err)
{
	for (size_t i = 0; drill_scenarios[i].name; i++)
		if (add_row(ret, &drill_scenarios[i]) < 0) {
			json_release(&drill_scenario_list_type, ret);
			return err_no_memory(err);
		}
	return 0;
}
