/* SPDX-License-Identifier: Apache-2.0 */
/*
 * repair - what is done about one finding.
 *
 * Each act may be repeated, and killed anywhere: what it left half done is found by the next examination.
 */
#ifndef REPLICA_REPAIR_H
#define REPLICA_REPAIR_H

#include "replica/verify.h"

struct err;

/* One round of a sync: what was read, what was found, and the report that counts what was done. */
struct repair_round {
	struct replica_sites *sites;
	struct census *census;		/* its graves follow what is written down */
	const struct examination *x;
	struct replica_sync_report *report;
	enum sync_mode mode;
	bool dry_run;
	bool first;	/* nobody looked before: too early to call a key nobody's */
};

/* Is this the turn for it? What looks like nobody's, or like remains, must be seen twice. */
bool repair_must_wait(const struct repair_round *r, const struct finding *f);

/*
 * Do it and count it; a dry run only counts. Only for findings of REMEDY_SYNC. ERR_CHANGED: somebody else wrote
 * meanwhile, nothing was done. Other codes: it cannot be done, err says why.
 */
int repair_finding(struct repair_round *r, const struct finding *f, struct err *err);

/* What repair_finding() does about it, for people. */
enum sync_action repair_action(const struct repair_round *r, const struct finding *f);

#endif
