/* SPDX-License-Identifier: Apache-2.0 */
/* The members of a group, connected all at once. */
#include "replica/set.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/cancel.h"
#include "base/cred.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/str.h"
#include "crypto/tls.h"
#include "member/member.h"
#include "p11/rv.h"
#include "replica/domain.h"
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
	snprintf(ret->transport, sizeof(ret->transport), "%s", from->transport ? from->transport : "");
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
	pthread_mutex_init(&set->view_lock, NULL);
	set->view = mem_new(struct view);
	if (set->view)
		return set;
	replica_set_free(set);
	return NULL;
}

int replica_set_open(const struct fleet *fleet, const struct fleet_group *group, const char *folder,
		     const char *role, struct replica_set **ret, struct err *err)
{
	owned(replica_set) struct replica_set *set = replica_set_new();
	owned(mem) char *pki = file_join(folder, "pki");
	int rc;

	if (!set || !pki)
		return err_no_memory(err);
	snprintf(set->name, sizeof(set->name), "%s", group->name);
	set->policy = fleet_group_policy(fleet, group);
	if (!group->domain || !str_unhex(group->domain, set->domain_id, sizeof(set->domain_id)))
		return err_set(err, ERR_INVALID, "group '%s' names no domain key", group->name);
	if (group->n_members > SET_MAX)
		return err_set(err, ERR_INVALID, "group '%s' has more than %d members", group->name, SET_MAX);
	rc = wants_tls(fleet, group) ? tls_context_new(pki, role, false, &set->tls, err) : 0;
	for (size_t i = 0; i < group->n_members && rc == 0; i++) {
		rc = open_member(fleet, &group->members[i], &set->policy, set->tls, &set->members[i], err);
		set->members[i].index = i;
		set->n_members++;
		replica_set_mark(set, i, (struct view_mark){.counter = (uint64_t)group->members[i].mark,
							    .state = group->members[i].stale ? VIEW_OUT : VIEW_CURRENT});
	}
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
	pthread_mutex_destroy(&set->view_lock);
	free(set->view);
	free(set);
}

int replica_set_login(struct replica_set *set, const struct secret *pin, struct err *err)
{
	set->pin_good = false;
	for (size_t i = 0; i < set->n_members; i++) {
		struct secret *copy = NULL;
		int rc = pin ? secret_dup(pin, &copy, err) : 0;

		if (rc < 0)
			return rc;
		member_set_pin(set->members[i].member, copy);
	}
	return 0;
}

static void *connect_site(void *data)
{
	struct replica_site *site = data;

	if (member_acquire(site->of->member, &site->channel, &site->err) < 0)
		site->channel = NULL;
	if (site->channel)
		log_info("replica", "'%s' is connected", site->of->name);
	else
		log_info("replica", "%s", site->err.message);
	return NULL;
}

/* The first member that looks at it tells whether the PIN is right; only then do
 * the others see it. */
static int try_pin(struct replica_sites *sites, uint32_t mask, uint32_t *ret_done, struct err *err)
{
	for (size_t i = 0; i < sites->count && !sites->set->pin_good; i++) {
		struct replica_site *site = &sites->sites[i];

		if (!(mask & 1u << i))
			continue;
		connect_site(site);
		*ret_done |= 1u << i;
		if (!site->channel && site->err.code == ERR_PIN && p11_pin_refused(site->err.rv)) {
			*err = site->err;
			return -ERR_PIN;
		}
		if (site->channel)
			sites->set->pin_good = true;
	}
	return 0;
}

/* A thread that takes none of the process's signals: they are the application's. */
static bool start(pthread_t *ret, struct replica_site *site)
{
	sigset_t all, saved;
	bool started;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &saved);
	started = pthread_create(ret, NULL, connect_site, site) == 0;
	pthread_sigmask(SIG_SETMASK, &saved, NULL);
	return started;
}

static void find_domain(const struct replica_sites *sites, struct replica_site *site)
{
	struct err why;

	if (site->channel && domain_find(site->channel, sites->set->domain_id, &site->domain, &why) < 0 &&
	    why.code != ERR_NOT_FOUND)
		replica_site_lost(site, &why);
}

void replica_sites_add(struct replica_sites *sites, uint32_t mask)
{
	for (size_t i = 0; i < sites->count; i++) {
		struct replica_site *site = &sites->sites[i];

		if (!(mask & 1u << i) || site->channel)
			continue;
		site->err = (struct err){0};
		connect_site(site);
		find_domain(sites, site);
	}
}

int replica_sites_open(struct replica_set *set, uint32_t mask, struct replica_sites *ret, struct err *err)
{
	pthread_t threads[SET_MAX];
	bool started[SET_MAX] = {false};
	uint32_t done = 0;
	int rc;

	*ret = (struct replica_sites){.set = set, .count = set->n_members};
	for (size_t i = 0; i < ret->count; i++) {
		ret->sites[i].of = &set->members[i];
		if (!(mask & 1u << i))
			err_set(&ret->sites[i].err, ERR_UNREACHABLE, "'%s' is down", set->members[i].name);
	}
	rc = try_pin(ret, mask, &done, err);
	for (size_t i = 0; i < ret->count && rc == 0; i++)
		if (mask & ~done & 1u << i)
			started[i] = set->threads && start(&threads[i], &ret->sites[i]);
	for (size_t i = 0; i < ret->count; i++) {
		if (started[i])
			pthread_join(threads[i], NULL);
		else if (rc == 0 && mask & ~done & 1u << i)
			connect_site(&ret->sites[i]);
	}
	for (size_t i = 0; i < ret->count && rc == 0; i++)
		find_domain(ret, &ret->sites[i]);
	/* Whoever was asked no longer is not down. */
	if (rc == 0)
		rc = cancel_check(err);
	if (rc < 0)
		replica_sites_release(ret);
	return rc;
}

void replica_sites_release(struct replica_sites *sites)
{
	for (size_t i = 0; i < sites->count; i++)
		member_release(sites->sites[i].channel);
	*sites = (struct replica_sites){0};
}

void replica_site_lost(struct replica_site *site, const struct err *why)
{
	if (!site->channel)
		return;
	site->err = *why;
	member_spoil(site->channel);
	member_release(site->channel);
	site->channel = NULL;
}

uint32_t replica_sites_up(const struct replica_sites *sites)
{
	uint32_t up = 0;

	for (size_t i = 0; i < sites->count; i++)
		if (sites->sites[i].channel)
			up |= 1u << i;
	return up;
}

/* Is member i the first of mask in its datacentre? */
static bool first_of_datacenter(const struct replica_sites *sites, uint32_t mask, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if ((mask & 1u << j) &&
		    str_eq(sites->sites[j].of->datacenter, sites->sites[i].of->datacenter))
			return false;
	return true;
}

int replica_policy_check(const struct replica_sites *sites, uint32_t mask, struct err *err)
{
	const struct fleet_policy *policy = &sites->set->policy;
	int members = 0, datacenters = 0;

	for (size_t i = 0; i < sites->count; i++) {
		if (!(mask & 1u << i))
			continue;
		members++;
		datacenters += first_of_datacenter(sites, mask, i);
	}
	if (members >= policy->min_members && datacenters >= policy->min_datacenters)
		return 0;
	err_set(err, ERR_POLICY, "group '%s': %d members in %d datacentres can take the write, the policy needs %d in %d",
		sites->set->name, members, datacenters, (int)policy->min_members, (int)policy->min_datacenters);
	return err_hint(err, "hsmctl status %s", sites->set->name);
}
