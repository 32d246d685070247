/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scenario - what a drill breaks, and when: one constant row each.
 *
 * A scenario is a list of steps along the run. A step's time is a share of the
 * run's duration, so the same scenario is a smoke test of three seconds and an
 * exercise of an hour. A step that heals names the same target as the one that
 * broke it.
 */
#ifndef DRILL_SCENARIO_H
#define DRILL_SCENARIO_H

#include <stddef.h>
#include <stdint.h>

#include "json/type.h"
#include "provider/provider.h"

struct err;
struct fleet;
struct fleet_group;

/* Which members of the group a step is about. */
enum drill_target {
	DRILL_ACTIVE_MEMBER,	/* the first active one, or those of --target */
};

enum drill_action { DRILL_BREAK, DRILL_HEAL };

struct drill_step {
	double at;		/* share of the duration, 0 to 1 */
	enum drill_action action;
	enum drill_target target;
	enum fault_kind kind;	/* DRILL_BREAK */
};

enum { DRILL_STEPS_MAX = 16 };

struct drill_scenario {
	const char *name;
	const char *summary;	/* what happens: "kill the appliance of …" */
	const char *hypothesis;	/* what is expected of the group */
	struct drill_step steps[DRILL_STEPS_MAX];	/* by time */
	size_t n_steps;
};

extern const struct drill_scenario drill_scenarios[];	/* ends with a row without name */

/* ERR_NOT_FOUND with the nearest name as hint. */
int drill_scenario_find(const char *name, const struct drill_scenario **ret, struct err *err);

/*
 * The members (bit i = member i of the group) that target stands for. chosen is
 * a device's name, "DEVICE/PARTITION" or NULL. All members on the same device
 * are in the mask: they fall together. ERR_NOT_FOUND: chosen is no member;
 * ERR_GUARD: the group has no active member, or chosen is a standby.
 */
int drill_scenario_target(enum drill_target target, const struct fleet *fleet, const struct fleet_group *group,
			  const char *chosen, uint32_t *ret, struct err *err);

/* ---- the table as a document (schema "scenarios") ---- */

struct drill_scenario_row {
	char *name, *summary, *hypothesis;
	char **faults;		/* kinds, each once */
	size_t n_faults;
};

struct drill_scenario_list {
	struct drill_scenario_row *scenarios;
	size_t n_scenarios;
};
extern const struct json_type drill_scenario_list_type;

/* ret is zeroed by the caller, json_release()d after. */
int drill_scenario_list(struct drill_scenario_list *ret, struct err *err);

#endif
