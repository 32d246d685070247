/* SPDX-License-Identifier: Apache-2.0 */
/*
 * write - changes to a group's keys, on as many members as the policy wants.
 *
 * All of them converge from records: killed anywhere, a later sync finishes
 * what was begun (a live or deleted record exists) or clears it away (only
 * creating records whose lease ran out).
 */
#ifndef REPLICA_WRITE_H
#define REPLICA_WRITE_H

#include "replica/key.h"
#include "replica/sites.h"

struct err;

/*
 * Make it on the first site that is up, carry the key to the others, prove it
 * there, make it live. *ret is the live record. *ret_mask: sites that have it.
 * ERR_POLICY (before anything is made, or after all of it was taken back);
 * ERR_TOKEN with the rv when the token refuses the request. Never repeated here.
 */
int replica_generate(struct replica_sites *sites, const struct key_request *request,
		     struct record *ret, uint32_t *ret_mask, struct err *err);

/*
 * Keep an object that is nothing but its record (record.h): attrs are all that applications see of it. As above, but that
 * it is live at once: killed half-way, the next sync brings it to all.
 */
int replica_keep(struct replica_sites *sites, const struct p11_attrs *attrs, struct record *ret, uint32_t *ret_mask,
		 struct err *err);

/*
 * Write a tombstone and destroy the objects on every site that is up; a member
 * that is away loses the key at its next sync. ERR_POLICY when too few are up
 * (nothing is changed). record: any version of the key's record. *ret_mask (may be NULL): sites
 * that took it.
 */
int replica_destroy(struct replica_sites *sites, const struct record *record, uint32_t *ret_mask, struct err *err);

/*
 * A new version of the record with these attributes of object set. Values are
 * not judged here. *record becomes the new version. ERR_POLICY as above.
 */
int replica_set_attributes(struct replica_sites *sites, struct record *record, size_t object,
			   const CK_ATTRIBUTE *items, CK_ULONG count, struct err *err);

#endif
