/* SPDX-License-Identifier: Apache-2.0 */
/* Refuses what cannot be made, all problems at once. */
#include "provider/check.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/str.h"
#include "fleet/fleet.h"
#include "provider/provider.h"

struct problems {
	struct err *err;
	struct err one;		/* the newest */
	bool any;
};

static void add(struct problems *p)
{
	size_t len = p->any && p->err ? strlen(p->err->message) : 0;

	if (p->err && !p->any)
		*p->err = p->one;
	else if (p->err && !strstr(p->err->message, p->one.message))
		snprintf(p->err->message + len, sizeof(p->err->message) - len, "; %s", p->one.message);
	p->any = true;
	if (!p->err)
		return;
	/* A message that was cut may end in the middle of a character. */
	err_mask(p->err->message);
}

#define problem(p, code, ...) (err_clear(&(p)->one), err_set(&(p)->one, (code), __VA_ARGS__), add(p))
#define hint(p, ...) ((p)->err && !*(p)->err->hint ? (void)err_hint((p)->err, __VA_ARGS__) : (void)0)

static void check_name(struct problems *p, const struct fleet *have, const struct fleet *desired)
{
	if ((!have->n_devices && !have->azure.n_regions) || str_eq(have->name, desired->name))
		return;
	problem(p, ERR_EXISTS, "the store holds the fleet '%s', not '%s'", have->name, desired->name);
	hint(p, "give another --store, or destroy that fleet first");
}

static void check_partitions(struct problems *p, const struct fleet *fleet, const struct fleet_device *have,
			     const struct fleet_device *want, const struct provider *provider)
{
	const struct fleet_group *group = have ? fleet_group_of(fleet, have->name, NULL) : NULL;

	for (size_t i = 0; i < want->n_partitions; i++) {
		const struct fleet_partition *w = &want->partitions[i];
		const struct fleet_partition *h = have && i < have->n_partitions ? &have->partitions[i] : NULL;

		if (provider && provider->adopts && w->serial && h && h->serial && !str_eq(h->serial, w->serial)) {
			problem(p, ERR_EXISTS, "partition '%s/%s' was adopted with the serial '%s', not '%s'",
				want->name, h->name, h->serial, w->serial);
			hint(p, "hsmctl device decommission %s first, if another token is meant", want->name);
		}
		if (!(provider && provider_is_foreign(provider)) && w->serial && !(h && str_eq(h->serial, w->serial))) {
			problem(p, ERR_INVALID, "the token of '%s' cannot be made with the serial '%s'",
				want->name, w->serial);
			hint(p, "leave the serial out");
		}
		if (h && group && !str_eq(h->name, w->name))
			problem(p, ERR_IN_USE, "partition '%s/%s' serves in group '%s' and keeps its name",
				want->name, h->name, group->name);
	}
}

/* What it was would be left behind, keys and all. */
static void check_provider(struct problems *p, const struct fleet *have, const struct fleet_device *want,
			   const struct provider *provider)
{
	const struct fleet_device *before = fleet_device(have, want->name);
	const struct provider *old = NULL;

	if (!before || !provider || provider_of(have, before, &old, NULL) < 0 || old == provider)
		return;
	problem(p, ERR_UNSUPPORTED, "device '%s' is a %s and cannot become a %s", want->name, old->makes,
		provider->makes);
	hint(p, "hsmctl device decommission %s first, or give the new one another name", want->name);
}

static void check_device(struct problems *p, const struct fleet *have, const struct fleet *desired,
			 const struct fleet_device *want)
{
	const struct provider *provider = NULL;
	int rc;

	err_clear(&p->one);
	rc = provider_of(desired, want, &provider, &p->one);
	if (rc == 0)
		rc = provider->check(desired, want, &p->one);
	if (rc < 0)
		add(p);
	check_provider(p, have, want, provider);
	check_partitions(p, have, fleet_device(have, want->name), want, provider);
}

static void check_removal(struct problems *p, const struct fleet *have, const struct fleet_device *device)
{
	const struct fleet_group *group = fleet_group_of(have, device->name, NULL);

	if (!group)
		return;
	problem(p, ERR_IN_USE, "device '%s' is not in the document, but serves in group '%s'",
		device->name, group->name);
	hint(p, "keep it in the document, or hsmctl ha delete %s", group->name);
}

/* ---- groups are made by hsmctl ha; here they can only be confirmed ---- */

static bool same_policy(const struct fleet_policy *a, const struct fleet_policy *b)
{
	return a->min_members == b->min_members && a->min_datacenters == b->min_datacenters &&
	       a->connect_ms == b->connect_ms && a->answer_ms == b->answer_ms &&
	       a->call_ms == b->call_ms && a->allow_unreplicated == b->allow_unreplicated &&
	       a->stale_members == b->stale_members;
}

static const struct fleet_member *find_member(const struct fleet_group *group,
					      const struct fleet_member *like)
{
	for (size_t i = 0; i < group->n_members; i++)
		if (str_eq(group->members[i].device, like->device) &&
		    str_eq(group->members[i].partition, like->partition))
			return &group->members[i];
	return NULL;
}

static bool same_group(const struct fleet *have, const struct fleet_group *h,
		       const struct fleet *desired, const struct fleet_group *w)
{
	struct fleet_policy is = fleet_group_policy(have, h), should = fleet_group_policy(desired, w);

	if (h->n_members != w->n_members || !same_policy(&is, &should) ||
	    (w->serial && !str_eq(w->serial, h->serial)) ||
	    (w->domain && !str_eq(w->domain, h->domain)) ||
	    (w->pin_source && !str_eq(w->pin_source, h->pin_source)))
		return false;
	for (size_t i = 0; i < w->n_members; i++) {
		const struct fleet_member *member = find_member(h, &w->members[i]);

		if (!member || member->role != w->members[i].role)
			return false;
	}
	return true;
}

static void check_groups(struct problems *p, const struct fleet *have, const struct fleet *desired)
{
	for (size_t i = 0; i < desired->n_groups; i++) {
		const struct fleet_group *w = &desired->groups[i], *h = fleet_group(have, w->name);

		if (h && same_group(have, h, desired, w))
			continue;
		problem(p, ERR_UNSUPPORTED, h ? "group '%s' is not what the document says"
					      : "group '%s' does not exist", w->name);
		hint(p, h ? "see 'hsmctl ha show %s'; leave the groups section out of the document"
			  : "leave the groups section out and use 'hsmctl ha create %s'", w->name);
	}
	for (size_t i = 0; i < have->n_groups; i++) {
		if (fleet_group(desired, have->groups[i].name))
			continue;
		problem(p, ERR_UNSUPPORTED, "group '%s' is not in the document", have->groups[i].name);
		hint(p, "hsmctl ha delete %s", have->groups[i].name);
	}
}

int provider_check(const struct fleet *have, const struct fleet *desired, struct err *err)
{
	struct err scratch;
	struct problems p = {.err = err ? err : &scratch};

	check_name(&p, have, desired);
	for (size_t i = 0; i < desired->n_devices; i++)
		check_device(&p, have, desired, &desired->devices[i]);
	for (size_t i = 0; i < have->n_devices; i++)
		if (!fleet_device(desired, have->devices[i].name))
			check_removal(&p, have, &have->devices[i]);
	if (desired->has_groups)
		check_groups(&p, have, desired);
	return p.any ? -(int)p.err->code : 0;
}
