/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exercise - one drill while it runs. Private to lib/drill.
 *
 * Its parts are made in the order of the fields and given back in reverse.
 */
#ifndef DRILL_EXERCISE_H
#define DRILL_EXERCISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/own.h"
#include "drill/run.h"
#include "drill/key.h"
#include "drill/scenario.h"

struct drill_module;
struct drill_workload;
struct fleet;
struct fleet_device;
struct fleet_group;
struct replica_report;
struct replica_set;
struct secret;
struct store_deed;
struct store_lock;

struct exercise {
	struct store *store;
	const struct drill_config *config;
	struct observer *observer;
	struct drill_report *report;	/* the caller's */
	char doing[160];		/* shown to others who want what we hold */
	struct store_lock *lock;
	struct store_deed *deed;
	const struct drill_scenario *scenario;
	struct fleet *fleet;
	struct fleet_group *group;	/* in fleet */
	struct replica_set *set;	/* to probe members with */
	struct secret *pin;
	uint32_t targets[DRILL_STEPS_MAX];	/* members of each step */
	struct store_lock *devices;	/* theirs: nobody else starts, stops or unmakes them meanwhile */
	uint32_t broken;		/* members that are not healed yet */
	size_t fault_of[32];		/* the newest fault of a member, in the report */
	uint32_t returning;		/* healed members that did not answer yet */
	struct drill_module *module;
	struct drill_keys keys;
	struct recorder *recorder;
	struct drill_workload *workload;
	int64_t start_ns;		/* of the load; 0 = not begun */
};

void exercise_release(struct exercise *x);
OWN_DEFINE_RELEASE(exercise)

/* Milliseconds since the load began. */
double exercise_ms(const struct exercise *x, int64_t now_ns);
/* The device of member i, NULL when the fleet has none (then it is damaged). */
struct fleet_device *exercise_device(const struct exercise *x, size_t i);
/* Read the fleet again and connect anew: a healed member may have another address. */
int exercise_reload(struct exercise *x, struct err *err);

/* preflight.c: who is there, may it be broken, were the replicas in sync. Fills
 * the report's members and verify.before. ERR_GUARD refuses. */
int exercise_preflight(struct exercise *x, struct err *err);

/* damage.c: break the members of mask; heal them. Healing goes on after an
 * error and returns the first. */
int exercise_break(struct exercise *x, uint32_t mask, enum fault_kind kind, struct err *err);
int exercise_heal(struct exercise *x, uint32_t mask, struct err *err);
/* Heal whatever is broken, also when the command was cancelled. */
int exercise_heal_all(struct exercise *x, struct err *err);
/* Ask the members that were healed whether they are back, and write down when. */
void exercise_watch(struct exercise *x);

/* timeline.c: load, steps, end of the load. */
int exercise_perform(struct exercise *x, struct err *err);

/* conclude.c: numbers, verification, verdict, evidence, files. why is how the
 * run ended, also when it ends only here; the code is how the command ends. */
int exercise_conclude(struct exercise *x, int why_rc, struct err *why, struct err *err);

/* verify.c: census and proof of the group as it is now. */
int drill_verify(struct store *store, const char *group, struct observer *observer,
		 struct replica_report *ret, struct err *err);

/* evidence.c: digest, and a signature by a key of the group if one can sign. */
int drill_evidence(struct drill_report *report, const struct drill_module *module, const struct drill_keys *keys,
		   struct err *err);

#endif
