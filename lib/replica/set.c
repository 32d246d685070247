/* SPDX-License-Identifier: Apache-2.0 */
/* The members of a group: opened, logged in, followed. */
#include "replica/set.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/cred.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/str.h"
#include "crypto/tls.h"
#include "member/member.h"
#include "replica/view.h"

static int open_member(const struct fleet *fleet, const struct fleet_member *from, const struct fleet_policy *policy,
		       struct tls_context *tls, struct replica_member *ret, struct err *err)
{
	struct fleet_device *device = fleet_device(fleet, from->device);
	struct fleet_partition *partition = device ? fleet_partition(device, from->partition) : NULL;
	struct fleet_datacenter *datacenter = device ? fleet_datacenter(fleet, device->datacenter) : NULL;

	if (!partition || !datacenter)
		return err_set(err, ERR_INVALID, "the member '%s' is not in the fleet", from->device);
	fleet_member_name(fleet, from, ret->name, sizeof(ret->name));
	ret->role = from->role;
	ret->adopted = fleet_adopts(fleet, device);
	snprintf(ret->transport, sizeof(ret->transport), "%s", from->transport ? from->transport : "");
	snprintf(ret->serial, sizeof(ret->serial), "%s", partition->serial ? partition->serial : "");
	snprintf(ret->datacenter, sizeof(ret->datacenter), "%s", datacenter->name);
	snprintf(ret->region, sizeof(ret->region), "%s", datacenter->region);
	return member_open_partition(device, partition, ret->name, policy, tls, &ret->member, err);
}

/* The fleet's authority is made with its first appliance; a fleet of libraries alone has none. */
static bool wants_tls(const struct fleet *fleet, const struct fleet_group *group)
{
	for (size_t i = 0; i < group->n_members; i++) {
		const struct fleet_device *device = fleet_device(fleet, group->members[i].device);
		const struct fleet_partition *partition =
			device ? fleet_partition(device, group->members[i].partition) : NULL;

		if (partition && partition->link.kind == FLEET_LINK_TLS)
			return true;
	}
	return false;
}

struct replica_set *replica_set_new(void)
{
	struct replica_set *set = mem_new(struct replica_set);

	if (!set)
		return NULL;
	set->threads = true;
	pthread_mutex_init(&set->lock, NULL);
	pthread_mutex_init(&set->change_lock, NULL);
	set->view = mem_new(struct view);
	if (set->view)
		return set;
	replica_set_free(set);
	return NULL;
}

static int want_tls(struct replica_set *set, const struct fleet *fleet, const struct fleet_group *group, struct err *err)
{
	return set->tls || !wants_tls(fleet, group) ? 0 : tls_context_new(set->pki, set->as, false, &set->tls, err);
}

static int copy_pin(const struct secret *pin, struct secret **ret, struct err *err)
{
	*ret = NULL;
	return pin ? secret_dup(pin, ret, err) : 0;
}

/* In the next place. later: the group was used without it, and nobody marked what it missed. With change_lock. */
static int add_member(struct replica_set *set, const struct fleet *fleet, const struct fleet_member *from, bool later,
		      struct err *err)
{
	struct fleet_policy policy = replica_set_policy(set);
	size_t i = set->n_members;
	struct replica_member *member = &set->members[i];
	struct secret *pin;
	int rc;

	if (i == SET_MAX)
		return err_set(err, ERR_INVALID, "group '%s' has, or had, more than %d members", set->name, SET_MAX);
	rc = copy_pin(set->pin, &pin, err);
	if (rc < 0)
		return rc;
	member->index = i;
	rc = open_member(fleet, from, &policy, set->tls, member, err);
	if (rc < 0) {
		secret_free(pin);
		return rc;
	}
	member_set_pin(member->member, pin);
	replica_set_mark(set, i, (struct view_mark){.counter = (uint64_t)from->mark,
						    .state = from->stale ? VIEW_OUT : VIEW_CURRENT});
	if (later)
		replica_set_mark_out(set, i);
	set->n_members = i + 1;
	return 0;
}

int replica_set_open(const struct fleet *fleet, const struct fleet_group *group, const char *folder,
		     const char *role, struct replica_set **ret, struct err *err)
{
	owned(replica_set) struct replica_set *set = replica_set_new();
	int rc;

	if (!set)
		return err_no_memory(err);
	set->pki = file_join(folder, "pki");
	set->as = mem_strdup(role);
	if (!set->pki || !set->as)
		return err_no_memory(err);
	snprintf(set->name, sizeof(set->name), "%s", group->name);
	set->policy = fleet_group_policy(fleet, group);
	if (!group->domain || !str_unhex(group->domain, set->domain_id, sizeof(set->domain_id)))
		return err_set(err, ERR_INVALID, "group '%s' names no domain key", group->name);
	rc = want_tls(set, fleet, group, err);
	for (size_t i = 0; i < group->n_members && rc == 0; i++)
		rc = add_member(set, fleet, &group->members[i], false, err);
	if (rc < 0)
		return rc;
	*ret = own_take(set);
	return 0;
}

int replica_set_open_admin(const struct fleet *fleet, const struct fleet_group *group, const char *folder,
			   struct replica_set **ret, struct err *err)
{
	owned(replica_set) struct replica_set *set = NULL;
	owned(secret) struct secret *pin = NULL;
	char what[128];
	int rc = replica_set_open(fleet, group, folder, "admin", &set, err);

	snprintf(what, sizeof(what), "user PIN of '%s'", group->name);
	if (rc == 0)
		rc = cred_read(group->pin_source, what, &pin, err);
	if (rc == 0)
		rc = replica_set_login(set, pin, err);
	if (rc < 0)
		return rc;
	*ret = own_take(set);
	return 0;
}

void replica_set_free(struct replica_set *set)
{
	if (!set)
		return;
	for (size_t i = 0; i < set->n_members; i++)
		member_free(set->members[i].member);
	tls_context_free(set->tls);
	secret_free(set->pin);
	pthread_mutex_destroy(&set->change_lock);
	pthread_mutex_destroy(&set->lock);
	free(set->pki);
	free(set->as);
	free(set->view);
	free(set);
}

/* To all but those of mask, who have it. With change_lock. */
static int give_pin(struct replica_set *set, uint32_t mask, const struct secret *pin, struct err *err)
{
	struct secret *kept;
	int rc = copy_pin(pin, &kept, err);

	if (rc < 0)
		return rc;
	secret_free(set->pin);
	set->pin = kept;
	set->pin_good = false;
	for (size_t i = 0; i < set->n_members; i++) {
		struct secret *copy;

		if (mask & 1u << i)
			continue;
		rc = copy_pin(set->members[i].left ? NULL : pin, &copy, err);
		if (rc < 0)
			return rc;
		member_set_pin(set->members[i].member, copy);
	}
	return 0;
}

static int share_pin(struct replica_set *set, uint32_t mask, const struct secret *pin, struct err *err)
{
	int rc;

	pthread_mutex_lock(&set->change_lock);
	rc = give_pin(set, mask, pin, err);
	pthread_mutex_unlock(&set->change_lock);
	return rc;
}

int replica_set_login(struct replica_set *set, const struct secret *pin, struct err *err)
{
	return share_pin(set, 0, pin, err);
}

int replica_set_try_pin(struct replica_set *set, size_t member, const struct secret *pin, struct err *err)
{
	struct secret *copy;
	int rc = copy_pin(pin, &copy, err);

	if (rc == 0)
		member_set_pin(set->members[member].member, copy);
	return rc;
}

int replica_set_share_pin(struct replica_set *set, size_t from, const struct secret *pin, struct err *err)
{
	return share_pin(set, 1u << from, pin, err);
}

/* ---- following the document ---- */

struct fleet_policy replica_set_policy(struct replica_set *set)
{
	struct fleet_policy policy;

	pthread_mutex_lock(&set->lock);
	policy = set->policy;
	pthread_mutex_unlock(&set->lock);
	return policy;
}

uint32_t replica_set_members(struct replica_set *set)
{
	uint32_t mask = 0;

	for (size_t i = 0; i < set->n_members; i++)
		if (!set->members[i].left)
			mask |= 1u << i;
	return mask;
}

/* Its place, if it ever had one as that token; n_members. */
static size_t place_of(const struct replica_set *set, const char *name, const struct fleet_partition *partition)
{
	size_t i = 0;

	while (i < set->n_members && !(str_eq(set->members[i].name, name) &&
				       str_eq(set->members[i].serial, partition->serial ? partition->serial : "")))
		i++;
	return i;
}

/* It is there already, elsewhere or in another role. */
static int update_member(struct replica_set *set, size_t i, const struct fleet_member *from,
			 const struct fleet_partition *partition, const struct fleet_policy *policy, struct err *err)
{
	struct replica_member *member = &set->members[i];
	bool came = member->left;
	struct secret *pin;
	int rc = 0;

	member_set_limits(member->member, policy);
	if (partition->link.kind == FLEET_LINK_TLS && partition->link.address)
		rc = member_move(member->member, partition->link.address, partition->link.certificate, err);
	if (rc >= 0 && came)
		rc = copy_pin(set->pin, &pin, err);
	if (rc < 0)
		return rc;
	if (came) {
		member_set_pin(member->member, pin);
		replica_set_mark_out(set, i);
	}
	member->role = from->role;
	member->left = false;
	return 0;
}

/* What the document says of one member. */
static int follow_member(struct replica_set *set, const struct fleet *fleet, const struct fleet_member *from,
			 const struct fleet_policy *policy, uint32_t *members, uint32_t *joined, struct err *err)
{
	const struct fleet_device *device = fleet_device(fleet, from->device);
	const struct fleet_partition *partition = device ? fleet_partition(device, from->partition) : NULL;
	char name[sizeof(set->members[0].name)];
	bool came;
	size_t i;
	int rc;

	if (!partition)
		return err_set(err, ERR_INVALID, "the member '%s' is not in the fleet", from->device);
	fleet_member_name(fleet, from, name, sizeof(name));
	i = place_of(set, name, partition);
	came = i == set->n_members || set->members[i].left;
	if (i < set->n_members)
		rc = update_member(set, i, from, partition, policy, err);
	else
		rc = add_member(set, fleet, from, true, err);
	if (rc < 0)
		return rc;
	*members |= 1u << i;
	*joined |= came ? 1u << i : 0;
	return 0;
}

/* What it was doing for us comes to its end. */
static void let_go(struct replica_member *member)
{
	member->left = true;
	member_set_pin(member->member, NULL);
}

/* With change_lock. */
static int follow(struct replica_set *set, const struct fleet *fleet, const struct fleet_group *group, uint32_t *joined,
		  struct err *err)
{
	struct fleet_policy policy = fleet_group_policy(fleet, group);
	uint32_t before = replica_set_members(set), members = 0;
	int rc;

	pthread_mutex_lock(&set->lock);
	set->policy = policy;
	pthread_mutex_unlock(&set->lock);
	rc = want_tls(set, fleet, group, err);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < group->n_members; i++) {
		int one = follow_member(set, fleet, &group->members[i], &policy, &members, joined, err);

		rc = one < 0 ? one : rc;
	}
	for (size_t i = 0; i < set->n_members; i++)
		if (before & ~members & 1u << i)
			let_go(&set->members[i]);
	return rc;
}

int replica_set_follow(struct replica_set *set, const struct fleet *fleet, const struct fleet_group *group,
		       uint32_t *ret_joined, struct err *err)
{
	struct err ignored = {0};
	int rc;

	*ret_joined = 0;
	pthread_mutex_lock(&set->change_lock);
	rc = follow(set, fleet, group, ret_joined, err ? err : &ignored);
	pthread_mutex_unlock(&set->change_lock);
	return rc;
}
