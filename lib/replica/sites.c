/* SPDX-License-Identifier: Apache-2.0 */
/* The members of a group, connected all at once. */
#include "replica/sites.h"

#include <pthread.h>
#include <signal.h>

#include "base/cancel.h"
#include "base/log.h"
#include "base/str.h"
#include "member/member.h"
#include "p11/rv.h"
#include "replica/domain.h"

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

		if (!(mask & sites->members & 1u << i) || site->channel)
			continue;
		site->err = (struct err){0};
		connect_site(site);
		find_domain(sites, site);
	}
}

struct replica_sites replica_sites_of(struct replica_set *set)
{
	struct replica_sites sites = {.set = set, .members = replica_set_members(set), .count = set->n_members};

	for (size_t i = 0; i < sites.count; i++)
		sites.sites[i].of = &set->members[i];
	return sites;
}

int replica_sites_open(struct replica_set *set, uint32_t mask, struct replica_sites *ret, struct err *err)
{
	pthread_t threads[SET_MAX];
	bool started[SET_MAX] = {false};
	uint32_t done = 0;
	int rc;

	*ret = replica_sites_of(set);
	mask &= ret->members;
	for (size_t i = 0; i < ret->count; i++)
		if (!(mask & 1u << i))
			err_set(&ret->sites[i].err, ERR_UNREACHABLE, "'%s' is down", set->members[i].name);
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
	struct fleet_policy policy = replica_set_policy(sites->set);
	int members = 0, datacenters = 0;

	for (size_t i = 0; i < sites->count; i++) {
		if (!(mask & 1u << i))
			continue;
		members++;
		datacenters += first_of_datacenter(sites, mask, i);
	}
	if (members >= policy.min_members && datacenters >= policy.min_datacenters)
		return 0;
	err_set(err, ERR_POLICY, "group '%s': %d members in %d datacentres can take the write, the policy needs %d in %d",
		sites->set->name, members, datacenters, (int)policy.min_members, (int)policy.min_datacenters);
	return err_hint(err, "hsmctl status %s", sites->set->name);
}
