/* SPDX-License-Identifier: Apache-2.0 */
/*
 * examine - compare a census with what the records say and prove the keys.
 *
 * The one place that decides what is wrong. verify prints the findings, sync
 * repairs them; neither has an opinion of its own.
 */
#ifndef REPLICA_EXAMINE_H
#define REPLICA_EXAMINE_H

#include "replica/census.h"

struct err;
struct observer;

enum finding_kind {
	FINDING_MISSING,	/* a live record elsewhere, no (whole) key here */
	FINDING_EXTRA,		/* a key without a record */
	FINDING_CONFLICT,	/* an extra key that looks like a live one but is not */
	FINDING_ATTRIBUTE,	/* here, with other attributes or an older record */
	FINDING_UNUSABLE,	/* here, but the proof failed */
	FINDING_DUPLICATE,	/* here more than once */
	FINDING_DELETED,	/* should be gone */
	FINDING_NOT_REPLICABLE,	/* cannot be carried to other members */
	FINDING_UNREACHABLE,	/* the member was not asked */
};
extern const char *const finding_kind_names[];

enum verify_mode { VERIFY_NONE, VERIFY_SAMPLE, VERIFY_ALL };
extern const char *const verify_mode_names[];	/* "none", "sample", "all" */

enum { NO_KEY = -1 };

struct finding {
	enum finding_kind kind;
	size_t site;
	long key;		/* index in the census, NO_KEY */
	long stray;		/* index in the census, NO_KEY */
	char detail[200];
};

struct examination {
	struct finding *findings;
	size_t n_findings, cap_findings;
	size_t live_keys;
	size_t site_keys[SET_MAX];	/* live keys listed there */
	size_t attempted, passed, failed;
	size_t skipped;			/* proofs that mode or a fault left out */
	uint32_t *proven;		/* per key of the census: sites that passed */
};

/* Sites may be lost on the way. ERR_NO_MEMORY, cancel codes. */
int examine(struct replica_sites *sites, const struct census *census, enum verify_mode mode,
	    struct observer *observer, struct examination *ret, struct err *err);
void examination_release(struct examination *examination);
OWN_DEFINE_RELEASE(examination)

#endif
