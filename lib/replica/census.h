/* SPDX-License-Identifier: Apache-2.0 */
/*
 * census - what every member holds, read once and joined by key.
 *
 * Presence proves nothing; the census only says what is listed. Keys are
 * joined by uid: the record's, and the CKA_ID of objects.
 */
#ifndef REPLICA_CENSUS_H
#define REPLICA_CENSUS_H

#include "replica/graves.h"
#include "replica/record.h"
#include "replica/sites.h"
#include "replica/view.h"

struct err;

/* One key on one member. */
struct census_copy {
	struct record *record;		/* newest whole record there, owned by the census; NULL = none */
	CK_OBJECT_HANDLE record_handle;
	CK_OBJECT_HANDLE stale[RECORD_OLD_MAX - 1];	/* older or torn records of the same key */
	size_t n_stale, n_torn;		/* torn ones are counted by both */
	bool not_understood;		/* a record of a later version: what is here of the key stays as it is */
	/* [0] private or secret key, [1] public half; more than one is damage. */
	CK_OBJECT_HANDLE objects[RECORD_OBJECTS_MAX];
	struct p11_attrs attrs[RECORD_OBJECTS_MAX];
	size_t surplus;			/* further objects with this uid and class */
	CK_OBJECT_HANDLE surplus_handles[8];
};

void census_copy_release(struct census_copy *copy);
OWN_DEFINE_RELEASE(census_copy)

struct census_key {
	uint8_t uid[UID_LEN];
	const struct record *truth;	/* newest of all members; NULL = none that is whole and understood */
	struct census_copy *copies;	/* one for each site, by its index */
};

/* A key object without our uid as CKA_ID: made behind our back, or torn. */
struct census_stray {
	size_t site;
	CK_OBJECT_HANDLE handle;
	size_t object;			/* 0 private or secret, 1 public */
	struct p11_attrs attrs;
};

struct census {
	struct census_key *keys;	/* sorted by uid */
	size_t n_keys, cap_keys;
	struct census_stray *strays;
	size_t n_strays, cap_strays;
	struct census_stray *own;	/* domain and transport keys, of this group and of others */
	size_t n_own, cap_own;
	size_t n_sites;
	struct graves graves[SET_MAX];	/* of each site, as they were before its records were read */
	struct views views;		/* of all sites; not read when only one key was asked for */
	uint32_t not_understood;	/* sites with records of a later version */
};

/* Read all sites that are up; only: just the key of this uid, NULL = everything. A site whose link fails on the way is lost
 * (replica_site_lost), not an error. ERR_NO_MEMORY; ERR_UNSUPPORTED when of just this key a site has a record that is
 * not understood: whoever asks for one key wants to write it. */
int census_take(struct replica_sites *sites, const uint8_t *only, struct census *ret, struct err *err);
void census_release(struct census *census);
OWN_DEFINE_RELEASE(census)

/* Is it on this site: the key itself, or the record of what is all in that (record.h)? */
bool census_is_here(const struct census_key *key, size_t site);

/* A record that says what the key is, or was: deleted ones say nothing. NULL when nobody has one. */
const struct record *census_face(const struct census *census, const struct census_key *key);

/* The key of a uid, NULL when no member knows it. */
struct census_key *census_find(const struct census *census, const uint8_t uid[static UID_LEN]);

/* Objects on a site whose public part and usage are as the record says? */
bool census_copy_matches(const struct census_copy *copy, const struct record *record, size_t object,
			 const char **ret_attribute);

#endif
