/* SPDX-License-Identifier: Apache-2.0 */
/*
 * examine - compare a census with what the records say, prove the keys, and the domain key that carries them.
 *
 * The one place that decides what is wrong, and whether a sync can put it right. verify prints the findings, sync
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
	FINDING_NOT_REPLICABLE,	/* cannot be carried to this member */
	FINDING_STALE,		/* the member missed writes, and was not brought up to date since */
	FINDING_UNREACHABLE,	/* the member was not asked */
	FINDING_PUBLIC_HALF,	/* another than its record says, or of no key at all */
	FINDING_TORN,		/* remains of a record or an object, which nobody can use */
	FINDING_NOT_UNDERSTOOD,	/* a record of a later version */
	FINDING_DOMAIN_MISSING,	/* the group's domain key is not here */
	FINDING_DOMAIN_TORN,	/* it is here and does not work */
	FINDING_DOMAIN_OTHER,	/* it works, and is another than the members' */
	FINDING_DOMAIN_TWICE,	/* there is more than one */
	FINDING_TRANSPORT,	/* the key by which the domain key would come is lost */
	FINDING_KINDS
};
extern const char *const finding_kind_names[];

/* What becomes of it. */
enum remedy {
	REMEDY_SYNC,	/* a sync puts it right */
	REMEDY_PERSON,	/* a person must decide */
	REMEDY_NONE,	/* nobody who is here has what it takes */
	REMEDY_LEAVE,	/* it stays as it is, and keeps nobody from serving */
};

enum verify_mode { VERIFY_NONE, VERIFY_SAMPLE, VERIFY_ALL };
extern const char *const verify_mode_names[];	/* "none", "sample", "all" */

enum { NO_KEY = -1 };

struct finding {
	enum finding_kind kind;
	enum remedy remedy;
	size_t site;
	long key;		/* index in the census, NO_KEY; its truth may be NULL */
	long stray;		/* index in the census, NO_KEY */
	char detail[200];
};

struct examination {
	struct finding *findings;
	size_t n_findings, cap_findings;
	size_t live_keys;
	size_t live_objects;		/* that are all in their record */
	size_t site_keys[SET_MAX];	/* live keys listed there */
	size_t attempted, passed, failed;
	size_t skipped;			/* proofs that mode or a fault left out */
	size_t sealed;			/* copies that are all in a record: the digest in it speaks for them */
	size_t excused;			/* copies that are not there, and policy lets them be */
	uint32_t *proven;		/* per key of the census: sites that passed */
	uint8_t *source;		/* per key: the site that can give it where it is wanted, SET_MAX = none */
	/* Kinds of keys that went from one site to another, as bits. */
	uint8_t carried[SET_MAX][SET_MAX];
	uint16_t shown[SET_MAX];	/* attributes that any object there shows, as bits */
	uint32_t all;			/* sites */
};

/* Sites may be lost on the way; of a site whose domain key is not the group's the handle is forgotten, so that nothing
 * is carried from there or to there. ERR_NO_MEMORY, cancel codes. */
int examine(struct replica_sites *sites, const struct census *census, enum verify_mode mode,
	    struct observer *observer, struct examination *ret, struct err *err);
/* The sites of mask lack nothing, and are not taken in for this reason. */
void examination_kept_out(struct examination *examination, uint32_t mask, const char *why);
/* The sites of mask were brought up to date after the census. */
void examination_caught_up(struct examination *examination, uint32_t mask);
/* Only the domain keys, into an empty examination; census: what is there, NULL = they are searched for. */
int examine_domains(struct replica_sites *sites, const struct census *census, struct examination *ret, struct err *err);
void examination_release(struct examination *examination);
OWN_DEFINE_RELEASE(examination)

/* Does it keep its member from coming back? What nobody has a use for before an administrator looks does not. */
bool examination_delays(const struct finding *finding);
/* Is something wrong on this site that a sync puts right? Then it lacks what others have. */
bool examination_behind(const struct examination *examination, size_t site);

/* Is this object of a key here, and as its record says? What is not, into text (NULL: nobody asks). */
bool examination_whole(const struct examination *examination, const struct census_key *key, size_t site, size_t object,
		       char text[static 64]);

/* A link that ended on the way takes its own site away, whichever member the work was for. Did any? */
bool examine_lose(struct replica_sites *sites, const struct err *why);

#endif
