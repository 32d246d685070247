/* SPDX-License-Identifier: Apache-2.0 */
/* Judging writes by the members that took them. */
#include "replica/outcome.h"

#include "base/err.h"
#include "base/log.h"
#include "replica/view.h"

int outcome_begin(struct replica_sites *sites, struct err *err)
{
	struct views views;
	int rc = replica_policy_check(sites, replica_sites_up(sites), err);

	/* With everybody there nobody can miss it. */
	if (rc < 0 || replica_sites_up(sites) == sites->members)
		return rc;
	rc = views_read(sites, UINT32_MAX, &views, err);
	if (rc < 0)
		return rc;
	replica_sites_add(sites, views_joining(&views, sites) & ~replica_sites_up(sites));
	rc = replica_policy_check(sites, replica_sites_up(sites), err);
	return rc < 0 || views_serving(&views, sites) ? rc : views_nobody_current(sites, err);
}

bool outcome_members_fault(const struct err *why)
{
	switch (why->code) {
	case ERR_UNREACHABLE:
	case ERR_TIMEOUT:
	case ERR_PROTOCOL:
	case ERR_DENIED:
	case ERR_PIN:
		return true;
	default:
		return false;
	}
}

void outcome_failed(struct replica_site *site, const struct err *why)
{
	log_info("replica", "'%s' did not take the write: %s", site->of->name, why->message);
	if (outcome_members_fault(why))
		replica_site_lost(site, why);
}

static int not_known(const struct replica_sites *sites, uint32_t mask, const char *what, struct err *err)
{
	err_set(err, ERR_NOT_KNOWN, "it is not known whether %s: %d of %d members took it", what, __builtin_popcount(mask),
		__builtin_popcount(sites->members));
	return err_hint(err, "hsmctl sync %s", sites->set->name);
}

int outcome_settle(struct replica_sites *sites, uint32_t *mask, uint32_t excused, const char *what, struct err *err)
{
	if (replica_policy_check(sites, *mask, err) < 0 || views_leave_out(sites, mask, excused, err) < 0)
		return not_known(sites, *mask, what, err);
	return 0;
}
