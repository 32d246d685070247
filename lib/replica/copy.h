/* SPDX-License-Identifier: Apache-2.0 */
/*
 * copy - bring one key to one member.
 *
 * Each function is a step that may be repeated: what is right stays, what is
 * not is made anew and proven before it counts.
 */
#ifndef REPLICA_COPY_H
#define REPLICA_COPY_H

#include "replica/census.h"

struct err;

/*
 * Carry the private or secret key from one site to another (the same site is
 * fine) and make its public half there, then prove it. Objects that the copy
 * has on the target already are destroyed after the new ones passed. ret_made (may
 * be NULL): the handle of the new private or secret key.
 */
int copy_key(struct replica_site *from, CK_OBJECT_HANDLE key, struct replica_site *to,
	     const struct record *record, const struct census_copy *old, CK_OBJECT_HANDLE *ret_made, struct err *err);

/* Only the public half. */
int copy_public(struct replica_site *to, const struct record *record, CK_OBJECT_HANDLE old, struct err *err);

/* Make the record on a site this version, in place of what it had when it was read, and unless a key was deleted there
 * since (NULL: that does not matter). ERR_CHANGED when a newer one is there, or what was read no longer is. */
int copy_record(struct replica_site *to, const struct record *record, const struct census_copy *old,
		const struct graves *graves, struct err *err);

/* Destroy one object; gone already is fine. 0 for CK_INVALID_HANDLE. */
int copy_destroy(struct replica_site *site, CK_OBJECT_HANDLE object, struct err *err);

/* Destroy the objects of a copy, not its records. */
int copy_destroy_objects(struct replica_site *site, const struct census_copy *copy, struct err *err);
/* Its records, too: what a deletion, which is known there, leaves. */
int copy_destroy_all(struct replica_site *site, const struct census_copy *copy, struct err *err);

#endif
