/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sites - the members of a set during one piece of work.
 *
 * A site is one member: a channel, the handle of the domain key there, or why it cannot be reached. Every function of the
 * room works on the sites of a set.
 */
#ifndef REPLICA_SITES_H
#define REPLICA_SITES_H

#include "replica/set.h"

struct member_channel;

struct replica_site {
	struct replica_member *of;
	struct member_channel *channel;	/* NULL: not reached, err says why */
	CK_OBJECT_HANDLE domain;	/* of the domain key, CK_INVALID_HANDLE = it has none */
	struct err err;
};

struct replica_sites {
	struct replica_set *set;
	uint32_t members;		/* who were members when the work began */
	struct replica_site sites[SET_MAX];
	size_t count;
};

/* All of them, none connected. */
struct replica_sites replica_sites_of(struct replica_set *set);

/*
 * Acquire a channel on each member of mask (bit i = member i), all at once, and
 * find the domain key there. A member that cannot be reached is left out with
 * its error. A refused PIN is tried on one member only: ERR_PIN; once a member
 * accepted it, a member that refuses it is left out like any other that fails.
 */
int replica_sites_open(struct replica_set *set, uint32_t mask, struct replica_sites *ret, struct err *err);
void replica_sites_release(struct replica_sites *sites);
/* Try those of mask that are not there as well. */
void replica_sites_add(struct replica_sites *sites, uint32_t mask);
OWN_DEFINE_RELEASE(replica_sites)

/* Drop a site whose link failed, keeping why. */
void replica_site_lost(struct replica_site *site, const struct err *why);

/* Do the sites of mask satisfy the durability policy? ERR_POLICY tells. */
int replica_policy_check(const struct replica_sites *sites, uint32_t mask, struct err *err);
uint32_t replica_sites_up(const struct replica_sites *sites);

#endif
