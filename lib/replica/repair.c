/* SPDX-License-Identifier: Apache-2.0 */
/* One finding, one repair. */
#include "replica/repair.h"

#include <string.h>

#include "base/err.h"
#include "crypto/digest.h"
#include "member/member.h"
#include "replica/copy.h"
#include "replica/domain.h"
#include "replica/prove.h"

/* The site that examine() saw give the key; any other that holds it, should that one be lost meanwhile. */
static size_t choose_source(const struct repair_round *r, long key)
{
	const struct replica_site *sites = r->sites->sites;
	size_t chosen = r->x->source[key];

	if (chosen < r->sites->count && sites[chosen].channel && sites[chosen].domain)
		return chosen;
	for (size_t s = 0; s < r->sites->count; s++)
		if ((r->x->proven[key] & 1u << s) && sites[s].channel && sites[s].domain)
			return s;
	return r->sites->count;
}

/* The key's own object there is right: it stays, and what lies beside it goes. */
static int keep_object(struct repair_round *r, const struct census_key *key, size_t site, struct err *err)
{
	const struct census_copy *copy = &key->copies[site];
	struct replica_site *to = &r->sites->sites[site];
	char ignored[64];
	int rc = 0;

	for (size_t i = 0; i < copy->surplus && rc == 0; i++)
		rc = copy_destroy(to, copy->surplus_handles[i], err);
	if (rc == 0 && key->truth->n_objects > 1 && !examination_whole(r->x, key, site, 1, ignored))
		rc = copy_public(to, key->truth, copy->objects[1], err);
	return rc;
}

/* Bring one key to one member, whatever was wrong with it there. */
static int repair(struct repair_round *r, const struct finding *f, struct err *err)
{
	const struct census_key *key = &r->census->keys[f->key];
	const struct census_copy *copy = &key->copies[f->site];
	struct replica_site *to = &r->sites->sites[f->site];
	bool was_there = census_is_here(key, f->site);
	size_t source = choose_source(r, f->key);
	char ignored[64];
	int rc = 0;

	if (r->dry_run || record_is_all(key->truth))
		rc = 0;
	else if ((r->x->proven[f->key] & 1u << f->site) && examination_whole(r->x, key, f->site, 0, ignored))
		rc = keep_object(r, key, f->site, err);
	else if (source == r->sites->count)
		rc = err_set(err, ERR_DIFFERENT, "nobody who has the key can carry it: see to the domain keys first");
	else
		rc = copy_key(&r->sites->sites[source], key->copies[source].objects[0], to, key->truth, copy, NULL,
			      err);
	if (rc == 0 && !r->dry_run)
		rc = copy_record(to, key->truth, copy, &r->census->graves[f->site], err);
	if (rc < 0)
		return rc;
	if (was_there)
		r->report->repaired++;
	else
		r->report->copied++;
	return 0;
}

/* A creation that nobody finished: its objects, which may be younger than the look, and its record go together, unless
 * its maker goes on after all. Where the look saw no record one may have been in the making: it went live. */
static int withdraw(struct replica_site *site, const struct census_key *key, const struct census_copy *copy, struct err *err)
{
	int rc = copy->record ? record_withdraw(site->channel, copy->record_handle, key->uid, err) : 0;

	for (size_t i = 0; rc == 0 && i < copy->n_stale; i++)
		rc = copy_destroy(site, copy->stale[i], err);
	return rc < 0 || copy->record ? rc : record_sweep(site->channel, key->uid, err);
}

/* Deleted: written down first. Never finished: everything goes. */
static int remove_key(struct repair_round *r, const struct finding *f, struct err *err)
{
	const struct census_key *key = &r->census->keys[f->key];
	const struct census_copy *copy = &key->copies[f->site];
	struct replica_site *site = &r->sites->sites[f->site];
	int rc = 0;

	if (r->dry_run) {
		r->report->deleted++;
		return 0;
	}
	if (key->truth->state == RECORD_CREATING)
		rc = withdraw(site, key, copy, err);
	else
		rc = graves_dig(site->channel, key->uid, 1, &r->census->graves[f->site], err);
	if (rc == 0 && key->truth->state == RECORD_DELETED)
		rc = copy_destroy_all(site, copy, err);
	if (rc == 0)
		r->report->deleted++;
	return rc;
}

/* ---- what nobody can use ---- */

/* Records that a kill left beside the newest one, or without one. */
static int sweep_records(struct repair_round *r, const struct finding *f, struct err *err)
{
	const struct census_key *key = &r->census->keys[f->key];
	const struct census_copy *copy = &key->copies[f->site];
	struct replica_site *site = &r->sites->sites[f->site];
	int rc = 0;

	for (size_t i = 0; i < copy->n_stale && rc == 0 && !r->dry_run; i++)
		rc = copy_destroy(site, copy->stale[i], err);
	r->report->repaired += rc == 0;
	return rc;
}

static int clear(struct repair_round *r, const struct finding *f, struct err *err)
{
	int rc = r->dry_run ? 0 : copy_destroy(&r->sites->sites[f->site], r->census->strays[f->stray].handle, err);

	r->report->repaired += rc == 0;
	return rc;
}

/* The same key once more: what has our mark must be there and work before the other goes. */
static int clear_double(struct repair_round *r, const struct finding *f, struct err *err)
{
	char ignored[64];

	if (!(r->x->proven[f->key] & 1u << f->site) ||
	    !examination_whole(r->x, &r->census->keys[f->key], f->site, 0, ignored))
		return err_set(err, ERR_DIFFERENT, "the key itself is to be put right first");
	return clear(r, f, err);
}

/* ---- a key that nobody has a record of ---- */

/* The public half of a stray private key: same site, same CKA_ID. */
static const struct census_stray *public_half(const struct census *census, const struct census_stray *private)
{
	const CK_ATTRIBUTE *id = p11_attrs_find(&private->attrs, CKA_ID);
	const struct census_stray *found = NULL;

	for (size_t i = 0; id && id->ulValueLen && i < census->n_strays; i++) {
		const struct census_stray *s = &census->strays[i];

		if (s->site != private->site || p11_attrs_ulong(&s->attrs, CKA_CLASS, 0) != CKO_PUBLIC_KEY ||
		    !p11_attrs_match(&s->attrs, id, 1))
			continue;
		if (found)
			return NULL;
		found = s;
	}
	return found;
}

/* A record for a key that has none, from what its objects say. */
static int record_stray(struct replica_site *site, const struct census_stray *stray, const struct census_stray *public,
			struct record *ret, struct err *err)
{
	int rc = crypto_random(ret->uid, UID_LEN, err);

	if (rc == 0)
		rc = p11_attrs_merge(&ret->objects[0], stray->attrs.items, stray->attrs.count, err);
	ret->n_objects = 1;
	if (rc == 0 && public) {
		rc = p11_attrs_merge(&ret->objects[1], public->attrs.items, public->attrs.count, err);
		ret->n_objects = 2;
	}
	if (rc == 0)
		rc = prove_anchor(site, stray->handle, ret, err);
	return rc < 0 ? rc : record_advance(ret, RECORD_CREATING, err);
}

/* Has somebody a record of it after all? An object whose CKA_ID is no uid of ours can have none. */
static int nobody_knows(struct replica_sites *sites, const struct census_stray *stray, struct err *err)
{
	const CK_ATTRIBUTE *id = p11_attrs_find(&stray->attrs, CKA_ID);
	owned(census) struct census census = {0};
	const struct census_key *key;
	int rc = id && id->ulValueLen == UID_LEN ? census_take(sites, id->pValue, &census, err) : 0;

	key = rc == 0 && census.n_keys ? census_find(&census, id->pValue) : NULL;
	return key && key->truth ? err_set(err, ERR_CHANGED, "somebody wrote a record of the key meanwhile") : rc;
}

/* Our copy of it, as a creation makes it: a record, the key, the record again, now live. */
static int make_ours(struct replica_site *site, const struct census_stray *stray, struct record *record,
		     struct err *err)
{
	owned(record) struct record live = {0};
	CK_OBJECT_HANDLE before, made;
	int rc = record_put(site->channel, record, &(struct record_base){0}, &before, err);

	if (rc == 0)
		rc = copy_key(site, stray->handle, site, record, NULL, &made, err);
	if (rc == 0)
		rc = record_copy(record, &live, err);
	if (rc == 0)
		rc = record_advance(&live, RECORD_LIVE, err);
	return rc < 0 ? rc
		      : record_put(site->channel, &live, &(struct record_base){.old = {before}, .n_old = 1, .objects = {made}}, NULL,
				   err);
}

/*
 * Adopting makes a replica of the key on its own member, with our uid; the original goes when that is proven and live.
 * What is cut short is reaped like any creation, or found as the same key once more.
 */
static int adopt(struct repair_round *r, const struct finding *f, struct err *err)
{
	const struct census_stray *stray = &r->census->strays[f->stray];
	struct replica_site *site = &r->sites->sites[f->site];
	bool pair = p11_attrs_ulong(&stray->attrs, CKA_CLASS, 0) == CKO_PRIVATE_KEY;
	const struct census_stray *public = pair ? public_half(r->census, stray) : NULL;
	owned(record) struct record record = {0};
	int rc;

	if (!p11_attrs_bool(&stray->attrs, CKA_EXTRACTABLE, false))
		return err_set(err, ERR_NOT_REPLICABLE, "the key is not extractable, so it cannot be replicated");
	if (pair && !public)
		return err_set(err, ERR_NOT_REPLICABLE, "its public half is not there, or not alone");
	if (r->dry_run) {
		r->report->adopted++;
		return 0;
	}
	rc = nobody_knows(r->sites, stray, err);
	if (rc == 0 && !site->channel)
		rc = -(int)(*err = site->err).code;
	if (rc == 0)
		rc = record_stray(site, stray, public, &record, err);
	if (rc == 0)
		rc = make_ours(site, stray, &record, err);
	if (rc == 0)
		rc = copy_destroy(site, stray->handle, err);
	if (rc == 0 && public)
		rc = copy_destroy(site, public->handle, err);
	r->report->adopted += rc == 0;
	return rc;
}

/* ---- the domain key ---- */

/* From whoever has the one that examine() called right. */
static int join(struct repair_round *r, const struct finding *f, struct err *err)
{
	struct replica_site *to = &r->sites->sites[f->site];
	char fingerprint[DOMAIN_FINGERPRINT];

	if (r->dry_run)
		return 0;
	for (size_t s = 0; s < r->sites->count; s++) {
		struct replica_site *from = &r->sites->sites[s];
		int rc;

		if (from == to || !from->channel || !from->domain)
			continue;
		rc = domain_join(from, to, r->sites->set->domain_id, to->of->transport, fingerprint, err);
		if (rc < 0)
			to->domain = CK_INVALID_HANDLE;
		else
			r->report->joined++;
		return rc;
	}
	return err_set(err, ERR_NOT_FOUND, "nobody who answers can give the domain key");
}

static int sweep_domain(struct repair_round *r, const struct finding *f, struct err *err)
{
	struct replica_site *site = &r->sites->sites[f->site];
	int rc = 0;

	if (!r->dry_run)
		rc = site->domain ? domain_sweep(site->channel, r->sites->set->domain_id, site->domain, err)
				  : err_set(err, ERR_DIFFERENT, "the domain key itself is to be put right first");
	r->report->repaired += rc == 0;
	return rc;
}

/* The set knows the new one, for whoever keeps the fleet's document. */
static int renew_transport(struct repair_round *r, const struct finding *f, struct err *err)
{
	struct replica_site *site = &r->sites->sites[f->site];
	char fingerprint[DOMAIN_FINGERPRINT];
	int rc = r->dry_run ? 0 : domain_renew(site, fingerprint, err);

	if (rc == 0 && !r->dry_run)
		memcpy(site->of->transport, fingerprint, sizeof(fingerprint));
	r->report->repaired += rc == 0;
	return rc;
}

/* ---- all of it ---- */

bool repair_must_wait(const struct repair_round *r, const struct finding *f)
{
	bool nobodys = f->kind == FINDING_EXTRA || f->kind == FINDING_TORN || f->stray != NO_KEY;

	return nobodys && r->first && !r->dry_run;
}

int repair_finding(struct repair_round *r, const struct finding *f, struct err *err)
{
	const struct record *truth = f->key != NO_KEY ? r->census->keys[f->key].truth : NULL;
	bool live = truth && truth->state == RECORD_LIVE;

	switch (f->kind) {
	case FINDING_DUPLICATE:
	case FINDING_TORN:
		if (f->stray != NO_KEY)
			return f->key != NO_KEY ? clear_double(r, f, err) : clear(r, f, err);
		return live ? repair(r, f, err) : sweep_records(r, f, err);
	case FINDING_MISSING:
	case FINDING_ATTRIBUTE:
	case FINDING_UNUSABLE:
	case FINDING_PUBLIC_HALF:
		return repair(r, f, err);
	case FINDING_DELETED:
		return remove_key(r, f, err);
	case FINDING_EXTRA:
		return adopt(r, f, err);
	case FINDING_DOMAIN_MISSING:
	case FINDING_DOMAIN_TORN:
		return join(r, f, err);
	case FINDING_DOMAIN_TWICE:
		return sweep_domain(r, f, err);
	case FINDING_TRANSPORT:
		return renew_transport(r, f, err);
	default:
		return 0;
	}
}

enum sync_action repair_action(const struct repair_round *r, const struct finding *f)
{
	switch (f->kind) {
	case FINDING_DOMAIN_MISSING:
	case FINDING_DOMAIN_TORN:
		return SYNC_JOIN;
	case FINDING_DELETED:
		return SYNC_DELETE;
	case FINDING_EXTRA:
		return SYNC_ADOPT;
	case FINDING_TORN:
	case FINDING_DOMAIN_TWICE:
		return SYNC_CLEAR;
	case FINDING_DUPLICATE:
		return f->stray != NO_KEY ? SYNC_CLEAR : SYNC_REPAIR;
	case FINDING_TRANSPORT:
		return SYNC_REPAIR;
	default:
		return census_is_here(&r->census->keys[f->key], f->site) ? SYNC_REPAIR : SYNC_COPY;
	}
}
