/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outcome - what becomes of a write on the members that it is sent to.
 *
 * A write is made when as many members took it as the policy wants, and those that did not are known to have
 * missed it. It is not made when nobody has any of it. Everything between is not known, is said so, and comes about
 * when the members meet again. Private to lib/replica.
 */
#ifndef REPLICA_OUTCOME_H
#define REPLICA_OUTCOME_H

#include "replica/sites.h"

struct err;

/* Can it be made at all? Members that are just joining are tried as well. ERR_POLICY, ERR_STALE: nothing was done. */
int outcome_begin(struct replica_sites *sites, struct err *err);

/* Did the member fail us, or we ourselves (a check that cannot be carried out here, memory, a file)? */
bool outcome_members_fault(const struct err *why);
/* A member did not take it; when that is its own fault it is lost. */
void outcome_failed(struct replica_site *site, const struct err *why);

/* Those of *mask took it, those of excused cannot (view.h). Everybody else is marked as out; those that fail
 * meanwhile leave the mask. 0, or ERR_NOT_KNOWN: too few have it. what: "the key was made". */
int outcome_settle(struct replica_sites *sites, uint32_t *mask, uint32_t excused, const char *what, struct err *err);

#endif
