/* SPDX-License-Identifier: Apache-2.0 */
/* One finding, one repair. */
#include "replica/repair.h"

#include "base/err.h"
#include "crypto/digest.h"
#include "replica/copy.h"
#include "replica/domain.h"
#include "replica/prove.h"

/* A site whose copy of the key passed its proof; the target itself if it did. */
static size_t choose_source(const struct repair_round *r, long key, size_t target)
{
	uint32_t proven = r->x->proven[key];

	if (proven & 1u << target)
		return target;
	for (size_t s = 0; s < r->sites->count; s++)
		if ((proven & 1u << s) && r->sites->sites[s].channel && r->sites->sites[s].domain)
			return s;
	return r->sites->count;
}

/* Bring one key to one member, whatever was wrong with it there. */
static int repair(struct repair_round *r, const struct finding *f, struct err *err)
{
	const struct census_key *key = &r->census->keys[f->key];
	const struct census_copy *copy = &key->copies[f->site];
	struct replica_site *to = &r->sites->sites[f->site];
	size_t source = choose_source(r, f->key, f->site);
	bool whole = source == f->site, was_there = copy->objects[0] != CK_INVALID_HANDLE;
	const char *attribute;
	int rc = 0;

	if (source == r->sites->count)
		return err_set(err, ERR_DIFFERENT, "no member has a copy that passes its proof");
	for (size_t o = 0; o < key->truth->n_objects && whole; o++)
		whole = copy->objects[o] && census_copy_matches(copy, key->truth, o, &attribute) && !copy->surplus;
	if (r->dry_run)
		rc = 0;
	else if (!whole)
		rc = copy_key(&r->sites->sites[source], key->copies[source].objects[0], to, key->truth, copy, NULL, err);
	if (rc == 0 && !r->dry_run)
		rc = copy_record(to, key->truth, copy, err);
	if (rc < 0)
		return rc;
	if (was_there)
		r->report->repaired++;
	else
		r->report->copied++;
	return 0;
}

/* A creation that nobody finished: its objects and its record go together, unless its maker goes on after all. */
static int withdraw(struct replica_site *site, const struct census_copy *copy, struct err *err)
{
	CK_OBJECT_HANDLE objects[RECORD_OBJECTS_MAX + sizeof(copy->surplus_handles) / sizeof(copy->surplus_handles[0])];
	size_t count = 0;
	int rc;

	if (!copy->record)
		return copy_destroy_objects(site, copy, err);
	for (size_t o = 0; o < RECORD_OBJECTS_MAX; o++)
		objects[count++] = copy->objects[o];
	for (size_t i = 0; i < copy->surplus; i++)
		objects[count++] = copy->surplus_handles[i];
	rc = record_withdraw(site->channel, copy->record_handle, objects, count, err);
	for (size_t i = 0; rc == 0 && i < copy->n_stale; i++)
		rc = copy_destroy(site, copy->stale[i], err);
	return rc;
}

/* Deleted: the tombstone first. Never finished: everything goes. */
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
		rc = withdraw(site, copy, err);
	else
		rc = copy_record(site, key->truth, copy, err);
	if (rc == 0 && key->truth->state == RECORD_DELETED)
		rc = copy_destroy_objects(site, copy, err);
	if (rc == 0)
		r->report->deleted++;
	return rc;
}

/* SoftHSM, killed while it wrote, lists a torn object as a secret key without
 * label, id and length. So does it a key that somebody unwrapped and gave no
 * name: only using it tells (prove_hollow). */
static bool looks_like_debris(const struct p11_attrs *attrs)
{
	const CK_ATTRIBUTE *label = p11_attrs_find(attrs, CKA_LABEL), *id = p11_attrs_find(attrs, CKA_ID);

	return p11_attrs_ulong(attrs, CKA_CLASS, 0) == CKO_SECRET_KEY && (!label || !label->ulValueLen) &&
	       (!id || !id->ulValueLen) && p11_attrs_ulong(attrs, CKA_VALUE_LEN, 0) == 0;
}

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
	return rc < 0 ? rc : record_advance(ret, RECORD_LIVE, err);
}

/* What nobody can use goes. */
static int clear(struct repair_round *r, const struct finding *f, struct err *err)
{
	int rc = r->dry_run ? 0 : copy_destroy(&r->sites->sites[f->site], r->census->strays[f->stray].handle, err);

	r->report->repaired += rc == 0;
	return rc;
}

/*
 * Adopting makes a replica of the key on its own member, with our uid, and then
 * destroys the original: the same step as to any other member.
 */
static int adopt(struct repair_round *r, const struct finding *f, struct err *err)
{
	const struct census_stray *stray = &r->census->strays[f->stray];
	struct replica_site *site = &r->sites->sites[f->site];
	bool pair = p11_attrs_ulong(&stray->attrs, CKA_CLASS, 0) == CKO_PRIVATE_KEY;
	const struct census_stray *public = pair ? public_half(r->census, stray) : NULL;
	owned(record) struct record record = {0};
	int rc;

	if (looks_like_debris(&stray->attrs)) {
		rc = prove_hollow(site, stray->handle, err);
		if (rc > 0)
			return clear(r, f, err);
		if (rc < 0)
			return rc;
	}
	if (!p11_attrs_bool(&stray->attrs, CKA_EXTRACTABLE, false))
		return err_set(err, ERR_NOT_REPLICABLE, "the key is not extractable, so it cannot be replicated");
	if (pair && !public)
		return err_set(err, ERR_NOT_REPLICABLE, "its public half is not there, or not alone");
	if (r->dry_run) {
		r->report->adopted++;
		return 0;
	}
	rc = record_stray(site, stray, public, &record, err);
	if (rc == 0)
		rc = copy_key(site, stray->handle, site, &record, NULL, NULL, err);
	if (rc == 0)
		rc = copy_record(site, &record, NULL, err);
	if (rc == 0)
		rc = copy_destroy(site, stray->handle, err);
	if (rc == 0 && public)
		rc = copy_destroy(site, public->handle, err);
	r->report->adopted += rc == 0;
	return rc;
}

int repair_finding(struct repair_round *r, const struct finding *f, struct err *err)
{
	switch (f->kind) {
	case FINDING_MISSING:
	case FINDING_ATTRIBUTE:
	case FINDING_UNUSABLE:
	case FINDING_DUPLICATE:
		return repair(r, f, err);
	case FINDING_DELETED:
		return remove_key(r, f, err);
	case FINDING_EXTRA:
		return adopt(r, f, err);
	default:
		return 0;
	}
}

enum sync_action repair_action(const struct repair_round *r, const struct finding *f)
{
	if (f->key == NO_KEY && f->stray == NO_KEY)
		return SYNC_JOIN;
	if (f->kind == FINDING_DELETED)
		return SYNC_DELETE;
	if (f->kind == FINDING_EXTRA)
		return looks_like_debris(&r->census->strays[f->stray].attrs) ? SYNC_CLEAR : SYNC_ADOPT;
	return r->census->keys[f->key].copies[f->site].objects[0] ? SYNC_REPAIR : SYNC_COPY;
}

int repair_domain(struct replica_site *from, struct replica_site *to, const uint8_t *id, struct err *err)
{
	char fingerprint[DOMAIN_FINGERPRINT];
	int rc;

	if (to->domain && domain_prove(to, to, err) == 0) {
		/* Two that work and differ: which is right is not for a program to say. */
		return domain_prove(from, to, err) == -ERR_DIFFERENT ? 1 : 0;
	}
	if (!*to->of->transport)
		return 0;
	rc = domain_join(from, to, id, to->of->transport, fingerprint, err);
	if (rc < 0)
		to->domain = CK_INVALID_HANDLE;
	return rc;
}
