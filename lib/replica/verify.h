/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify - are the replicas of a group in sync? Three answers, never a guess:
 * in_sync (every member reached, every key proven, nothing found), diverged
 * (something was found), unknown (anything else). Keys that cannot be carried to every member by their nature are
 * named, and diverge where policy wants replicas of all; what a later version wrote makes the verdict unknown.
 */
#ifndef REPLICA_VERIFY_H
#define REPLICA_VERIFY_H

#include "json/type.h"
#include "replica/examine.h"

struct err;
struct observer;

enum replica_verdict { VERDICT_IN_SYNC, VERDICT_DIVERGED, VERDICT_UNKNOWN };
extern const char *const replica_verdict_names[];	/* "in_sync", "diverged", "unknown" */

struct replica_report_member {
	char *name, *datacenter, *region, *detail;
	unsigned role;
	bool reachable;
	bool behind;	/* something is wrong there that a sync puts right; after one: was left undone */
	int64_t keys;
};

struct replica_report_key {
	char *label, *id, *class, *type;
};

struct replica_report_finding {
	char *member;
	struct replica_report_key key;
	unsigned kind;
	char *detail;
};

struct replica_report {
	char *group;
	unsigned verdict;
	int64_t keys;
	int64_t objects;
	struct replica_report_member *members;
	size_t n_members;
	struct replica_proofs {
		int64_t attempted, passed, failed;
	} proofs;
	struct replica_report_finding *findings;
	size_t n_findings;
};
extern const struct json_type replica_report_type;	/* schema "verify" */

/* Members and keys as reports show them; shared with sync. */
extern const struct json_type replica_report_member_type, replica_report_key_type;

/* Census and proof. ret is zeroed by the caller and json_release()d after. */
int replica_verify(struct replica_set *set, enum verify_mode mode, struct observer *observer,
		   struct replica_report *ret, struct err *err);

/* What of an examination a report tells. */
int replica_report_fill(struct replica_report *report, const struct replica_sites *sites,
			const struct census *census, const struct examination *x, enum verify_mode mode,
			struct err *err);

/* How a verdict ends a command: 0, ERR_DIFFERENT, ERR_UNREACHABLE. */
int replica_verdict_err(enum replica_verdict verdict, const char *group, struct err *err);

/* ---- sync ---- */

struct replica_sync_note {
	char *key, *member, *reason;
	unsigned kind;	/* enum finding_kind */
};

/* What a sync does to one key on one member, as a dry run foresees it. */
enum sync_action { SYNC_COPY, SYNC_DELETE, SYNC_REPAIR, SYNC_ADOPT, SYNC_CLEAR, SYNC_JOIN };
struct replica_sync_step {
	unsigned action;
	char *key, *member;
};

struct replica_sync_report {
	char *group;
	unsigned verdict;
	bool dry_run;
	int64_t copied, deleted, repaired, adopted, joined;
	struct replica_sync_note *skipped;	/* what could not be done */
	struct replica_sync_note *conflicts;	/* what a person must decide */
	struct replica_sync_note *left;		/* what stays as it is, by its nature */
	size_t n_skipped, n_conflicts, n_left;
	struct replica_sync_step *planned;
	size_t n_planned;
	struct replica_report_member *members;
	size_t n_members;
	int64_t duration_ms;
};
extern const struct json_type replica_sync_report_type;	/* schema "sync" */
/* The report of a dry run as people read it: what would be done, nothing that was. */
extern const struct json_type replica_sync_plan_type;

enum sync_mode {
	SYNC_ALL,	/* repair everything, adopt keys without a record */
	SYNC_DRY_RUN,	/* count and list what would be done, as if the first round did it all */
	SYNC_RECOVER,	/* what brings a member back needs: no adopting */
};

/*
 * Repair what examine() finds, member by member, until nothing is left that can
 * be repaired. mask: members to look at (UINT32_MAX = all). Kill it anywhere,
 * run it again. A member that cannot be reached is left for the next run.
 */
int replica_sync(struct replica_set *set, uint32_t mask, enum sync_mode mode, struct observer *observer,
		 struct replica_sync_report *ret, struct err *err);

#endif
