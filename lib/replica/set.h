/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replica_set - the members of one group, as replication sees them.
 *
 * A set is made from the fleet document, and follows it where a process lives long.
 */
#ifndef REPLICA_SET_H
#define REPLICA_SET_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/own.h"
#include "fleet/fleet.h"
#include "p11/pkcs11.h"

struct member;
struct member_channel;
struct secret;
struct tls_context;
struct view;

enum { SET_MAX = 32 };	/* members of a group */

struct replica_member {
	struct member *member;
	char name[128];
	char serial[64];		/* of its token; "" = not known */
	_Atomic(enum fleet_role) role;
	atomic_bool left;		/* it is no member any more; its place stays its own */
	char datacenter[64], region[64];
	bool adopted;			/* its token was there before; what has no record there is its owner's */
	char transport[65];		/* pinned fingerprint of its transport key, "" = none yet */
	size_t index;			/* in the set */
	/* By index of the target: 1 + the pair of mechanisms that carries keys
	 * there (domain.c), 0 = not tried yet. */
	_Atomic uint8_t carries[SET_MAX];
	char not_done[160];		/* with the set's lock: what was last logged so; "" = nothing since something was done */
	_Atomic uint32_t holds;		/* which restrictions of keys its token knows (key_leave_out) */
};

struct replica_set {
	char name[64];
	uint8_t domain_id[16];
	char *pki, *as;			/* where our certificates are, and which of them is ours */
	struct tls_context *tls;
	struct replica_member members[SET_MAX];	/* with change_lock, those that are not counted yet */
	atomic_size_t n_members;	/* that there are, or were */
	_Atomic bool pin_good;		/* a member accepted the PIN that all were given */
	bool threads;			/* may make some; true where nobody says otherwise */

	pthread_mutex_t change_lock;	/* of members that come and go, and of */
	struct secret *pin;		/* that they were given; NULL = none */

	pthread_mutex_t lock;		/* the last one to be taken; of what is below */
	struct fleet_policy policy;	/* replica_set_policy() where others may change it */
	struct view *view;		/* the newest that was ever seen (view.h) */
};

/* An empty set, to be filled by hand; what replica_set_open() and tests begin with. NULL when memory ran out. */
struct replica_set *replica_set_new(void);

/*
 * Open all members (nothing is connected). Certificates come from FOLDER/pki,
 * ours is that of role ("admin", "application").
 */
int replica_set_open(const struct fleet *fleet, const struct fleet_group *group, const char *folder,
		     const char *role, struct replica_set **ret, struct err *err);
void replica_set_free(struct replica_set *set);
OWN_DEFINE(replica_set)

/*
 * The document was changed: those who are no members any more are not asked from now on, new ones are, and roles, policy
 * and addresses are as it says. Whoever comes gets the next place, and one that comes back its own, unless it is another
 * token by now. *ret_joined: who came, and may have missed anything. group: the set's own, of the same domain key.
 * A member that cannot be taken up is left out, and is the error; the others are taken up.
 */
int replica_set_follow(struct replica_set *set, const struct fleet *fleet, const struct fleet_group *group,
		       uint32_t *ret_joined, struct err *err);
/* Those who are members now. */
uint32_t replica_set_members(struct replica_set *set);
struct fleet_policy replica_set_policy(struct replica_set *set);

/* Give every member a copy of the PIN, and whoever comes later; NULL logs out. */
int replica_set_login(struct replica_set *set, const struct secret *pin, struct err *err);
/* The same in two steps: one member alone has it until it said that it is right; then the others. */
int replica_set_try_pin(struct replica_set *set, size_t member, const struct secret *pin, struct err *err);
int replica_set_share_pin(struct replica_set *set, size_t from, const struct secret *pin, struct err *err);

/* Open, read the PIN from the group's pin_source, log in: what commands do. */
int replica_set_open_admin(const struct fleet *fleet, const struct fleet_group *group, const char *folder,
			   struct replica_set **ret, struct err *err);

#endif
