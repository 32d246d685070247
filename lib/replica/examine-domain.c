/* SPDX-License-Identifier: Apache-2.0 */
/* Whose domain key is there, works, and is the group's. */
#include "base/cancel.h"
#include "base/err.h"
#include "replica/domain.h"
#include "replica/examine_private.h"

/* Did a token look at what it was asked, and refuse? */
static bool refused(int rc)
{
	return rc == -ERR_TOKEN || rc == -ERR_DIFFERENT || rc == -ERR_UNSUPPORTED;
}

/* 1 when a key that one carries works on the other, 0 when it does not, twice: once may be a token's trouble of the
 * moment. Negative: not to be told. */
static int exchanges(struct replica_sites *sites, struct replica_site *from, struct replica_site *to)
{
	struct err why = {0};
	int rc = domain_prove(from, to, &why);

	if (refused(rc))
		rc = domain_prove(from, to, &why);
	if (rc < 0 && !refused(rc))
		examine_lose(sites, &why);
	return rc == 0 ? 1 : refused(rc) ? 0 : rc;
}

/* Those of mask that have the same domain key as one of them, which is among them when it works. */
static uint32_t agreeing(struct replica_sites *sites, uint32_t mask, size_t with, uint32_t *untold)
{
	uint32_t agree = 0;

	for (size_t s = 0; s < sites->count; s++) {
		int rc;

		if (s == with || !(mask & 1u << s) || !sites->sites[with].channel || !sites->sites[s].channel)
			continue;
		rc = exchanges(sites, &sites->sites[with], &sites->sites[s]);
		if (rc > 0)
			agree |= 1u << s | 1u << with;
		else if (rc < 0)
			*untold |= 1u << s;
	}
	if (!agree && sites->sites[with].channel) {
		int rc = exchanges(sites, &sites->sites[with], &sites->sites[with]);

		*(rc < 0 ? untold : &agree) |= rc ? 1u << with : 0;
	}
	return agree;
}

static size_t lowest(uint32_t mask)
{
	return (size_t)__builtin_ctz(mask);
}

/* Of those whose domain key works by itself the most that have the same, if that is more than half. */
static uint32_t majority_of(struct replica_sites *sites, uint32_t works, uint32_t *untold)
{
	uint32_t best = 0, left = works;

	while (left) {
		uint32_t agree = agreeing(sites, left, lowest(left), untold) | 1u << lowest(left);

		if (__builtin_popcount(agree) > __builtin_popcount(best))
			best = agree;
		left &= ~agree;
	}
	return 2 * __builtin_popcount(best) > __builtin_popcount(works) ? best : 0;
}

/* What was seen of domain keys: masks of sites. */
struct domains {
	uint32_t here;	  /* has one, or several that are the same */
	uint32_t several; /* more than one that are not the same: none of them counts */
	uint32_t works;
	uint32_t right; /* works, and is the group's */
	uint32_t lost;	/* its transport key is not there */
	uint32_t untold;
};

/* Of several the first that works; the others may be the same once more, torn, or of another group's making. */
static int choose_domain(struct examination *x, struct replica_sites *sites, size_t s, const CK_OBJECT_HANDLE *list,
			 size_t count, struct domains *ret)
{
	struct replica_site *site = &sites->sites[s], other = *site;
	bool same = true;

	site->domain = CK_INVALID_HANDLE;
	for (size_t i = 0; i < count && site->channel; i++) {
		other.domain = list[i];
		if (exchanges(sites, &other, &other) <= 0)
			continue;
		if (!site->domain)
			site->domain = list[i];
		else if (site->channel)
			same = same && exchanges(sites, site, &other) > 0;
	}
	if (!site->channel)
		return 0;
	if (!site->domain)
		site->domain = list[0];
	*(same ? &ret->here : &ret->several) |= 1u << s;
	return same ? examine_add(x, FINDING_DOMAIN_TWICE, REMEDY_SYNC, s, NO_KEY, NO_KEY,
				  "%zu domain keys of the group where one belongs", count)
		    : examine_add(x, FINDING_DOMAIN_TWICE, REMEDY_PERSON, s, NO_KEY, NO_KEY,
				  "%zu domain keys of the group, which differ: destroy those that are not the members'",
				  count);
}

/* The domain keys of a site, and whether it has the transport key that the group knows of. */
struct seen {
	CK_OBJECT_HANDLE list[DOMAIN_KEYS_MAX];
	size_t count;
	bool lost;
};

static int search(struct replica_sites *sites, size_t s, struct seen *ret, struct err *err)
{
	struct replica_site *site = &sites->sites[s];
	int rc = domain_list(site->channel, sites->set->domain_id, ret->list, &ret->count, err);

	if (rc < 0 || !*site->of->transport)
		return rc;
	rc = domain_transport(site->channel, site->of->transport, err);
	ret->lost = rc == -ERR_NOT_FOUND || refused(rc);
	return ret->lost ? 0 : rc;
}

/* A public half alone brings nothing. */
static bool has_private_half(const struct census *census, const struct census_stray *public_half)
{
	for (size_t i = 0; i < census->n_own; i++)
		if (census->own[i].site == public_half->site &&
		    domain_is_private_half(&census->own[i].attrs, &public_half->attrs))
			return true;
	return false;
}

/* The same out of what was read of all keys: a search costs a token as much as that. */
static int pick(const struct replica_sites *sites, size_t s, const struct census *census, struct seen *ret,
		struct err *err)
{
	const char *pinned = sites->sites[s].of->transport;

	ret->lost = *pinned;
	for (size_t i = 0; i < census->n_own; i++) {
		const struct census_stray *own = &census->own[i];
		int rc;

		if (own->site != s)
			continue;
		if (domain_is(&own->attrs, sites->set->domain_id) && ret->count < DOMAIN_KEYS_MAX)
			ret->list[ret->count++] = own->handle;
		rc = ret->lost ? domain_is_transport(&own->attrs, pinned, err) : 0;
		if (rc == -ERR_NO_MEMORY)
			return rc;
		if (rc > 0 && has_private_half(census, own))
			ret->lost = false;
	}
	return 0;
}

static int look_at_domain(struct examination *x, struct replica_sites *sites, size_t s, const struct census *census,
			  struct domains *ret)
{
	struct replica_site *site = &sites->sites[s];
	struct seen seen = {0};
	struct err why = {0};
	int rc = census ? pick(sites, s, census, &seen, &why) : search(sites, s, &seen, &why);

	if (rc < 0) {
		replica_site_lost(site, &why);
		return rc == -ERR_NO_MEMORY ? rc : 0;
	}
	ret->lost |= seen.lost ? 1u << s : 0;
	if (seen.count > 1)
		return choose_domain(x, sites, s, seen.list, seen.count, ret);
	site->domain = seen.count ? seen.list[0] : CK_INVALID_HANDLE;
	ret->here |= seen.count ? 1u << s : 0;
	return 0;
}

static void judge_domains(struct replica_sites *sites, struct domains *d)
{
	/* All agree with the first, as a rule. */
	if (d->here)
		d->works = agreeing(sites, d->here, lowest(d->here), &d->untold);
	d->right = d->works;
	if ((d->works | d->untold) == d->here)
		return;
	for (size_t s = 0; s < sites->count; s++)
		if (d->here & ~d->works & 1u << s)
			d->works |= agreeing(sites, 0, s, &d->untold);
	d->right = majority_of(sites, d->works & ~d->untold, &d->untold);
}

/* A member without a domain key that works: can it be given the group's? */
static int lacks_domain(struct examination *x, const struct replica_sites *sites, size_t s, const struct domains *d)
{
	enum finding_kind kind = d->here & 1u << s ? FINDING_DOMAIN_TORN : FINDING_DOMAIN_MISSING;
	const char *what = kind == FINDING_DOMAIN_TORN ? "the group's domain key does not work here"
						       : "the group's domain key is not here";

	if (d->lost & 1u << s)
		return examine_add(x, kind, REMEDY_PERSON, s, NO_KEY, NO_KEY,
				   "%s, nor the transport key by which it would come", what);
	if (!*sites->sites[s].of->transport)
		return examine_add(x, kind, REMEDY_PERSON, s, NO_KEY, NO_KEY,
				   "%s, and no transport key of the member is known by which it would come", what);
	return examine_add(x, kind, d->right ? REMEDY_SYNC : REMEDY_NONE, s, NO_KEY, NO_KEY, "%s%s", what,
			   d->right ? "" : ", and nobody who answers can give it");
}

static int report_domain(struct examination *x, struct replica_sites *sites, size_t s, const struct domains *d)
{
	uint32_t bit = 1u << s;
	int rc = 0;

	/* Who has the domain key may be pinned by a new one: there is nothing left to betray to it. */
	if (d->lost & bit)
		rc = examine_add(x, FINDING_TRANSPORT, d->right & bit ? REMEDY_SYNC : REMEDY_PERSON, s, NO_KEY, NO_KEY,
				 "the member's transport key is lost: it could not get the domain key again%s",
				 d->right & bit ? "" : "; 'hsmctl ha delete' and 'hsmctl ha create' make a new one");
	if (rc < 0 || (d->right & bit) || (d->several & bit))
		return rc;
	if (d->untold & bit) {
		x->skipped++;
		return 0;
	}
	if (!(d->works & bit))
		return lacks_domain(x, sites, s, d);
	return examine_add(
	    x, FINDING_DOMAIN_OTHER, REMEDY_PERSON, s, NO_KEY, NO_KEY,
	    d->right ? "its domain key is another than the other members': nothing is carried from here or to here; "
		       "'hsmctl ha delete' and 'hsmctl ha create' give all one"
		     : "the members' domain keys differ, and none is outnumbered: nothing is carried; 'hsmctl ha "
		       "delete' and "
		       "'hsmctl ha create' give all one");
}

int examine_domains(struct replica_sites *sites, const struct census *census, struct examination *ret, struct err *err)
{
	struct domains d = {0};
	int rc = 0;

	for (size_t s = 0; s < sites->count && rc == 0; s++)
		if (sites->sites[s].channel)
			rc = look_at_domain(ret, sites, s, census, &d);
	if (rc == 0)
		judge_domains(sites, &d);
	for (size_t s = 0; s < sites->count && rc == 0; s++) {
		if (!sites->sites[s].channel)
			continue;
		rc = report_domain(ret, sites, s, &d);
		if (!((d.right | d.untold) & 1u << s))
			sites->sites[s].domain = CK_INVALID_HANDLE;
	}
	if (rc == -ERR_NO_MEMORY)
		return err_no_memory(err);
	return rc < 0 ? rc : cancel_check(err);
}
