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
	const struct census *census;
	const struct examination *x;
	struct replica_sync_report *report;
	enum sync_mode mode;
	bool dry_run;
	bool first;	/* nobody looked before: too early to call a key nobody's */
};

/* Do it and count it; a dry run only counts. ERR_CHANGED: somebody else wrote meanwhile, nothing was done. Other codes:
 * it cannot be done, err says why. */
int repair_finding(struct repair_round *r, const struct finding *f, struct err *err);

/* What repair_finding() does about it, for people. */
enum sync_action repair_action(const struct repair_round *r, const struct finding *f);

/* Give a member whose domain key is lost or torn that of one whose works. 1 when both have one that works and they differ:
 * err tells, and nothing was done. */
int repair_domain(struct replica_site *from, struct replica_site *to, const uint8_t *id, struct err *err);

#endif
