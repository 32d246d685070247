/* SPDX-License-Identifier: Apache-2.0 */
/* Replicated writes. */
#include "replica/write.h"

#include <stdlib.h>

#include "base/err.h"
#include "base/log.h"
#include "crypto/digest.h"
#include "member/member.h"
#include "replica/copy.h"
#include "replica/prove.h"

/* What one site has of a key that is being made. */
struct making {
	CK_OBJECT_HANDLE objects[RECORD_OBJECTS_MAX];
	CK_OBJECT_HANDLE record;
};

static int generate_on(struct replica_site *site, const struct key_request *request, const struct record *record,
		       struct making *ret, struct err *err)
{
	CK_SESSION_HANDLE session = member_session(site->channel);
	owned(p11_attrs) struct p11_attrs hidden = {0}, open = {0};
	struct p11_call call;
	int rc = key_member_template(request, 0, record->uid, &hidden, err);

	if (rc == 0 && request->n_templates > 1)
		rc = key_member_template(request, 1, record->uid, &open, err);
	if (rc < 0)
		return rc;
	call = request->n_templates > 1
		       ? p11_generate_key_pair(session, &request->mechanism, open.items, open.count, hidden.items,
					       hidden.count, &ret->objects[1], &ret->objects[0])
		       : p11_generate_key(session, &request->mechanism, hidden.items, hidden.count, &ret->objects[0]);
	return member_run(site->channel, &call, 1, err);
}

/* What the token made of the request becomes what applications see. */
static int describe(struct replica_site *site, const struct key_request *request, const struct making *made,
		    struct record *record, struct err *err)
{
	static const CK_ATTRIBUTE_TYPE basics[] = {CKA_CLASS, CKA_KEY_TYPE};
	int rc = 0;

	for (size_t o = 0; o < request->n_templates && rc == 0; o++) {
		owned(p11_attrs) struct p11_attrs read = {0};
		CK_ATTRIBUTE_TYPE types[64];
		CK_ULONG n;

		rc = member_get(site->channel, made->objects[o], basics, 2, &read, err);
		if (rc < 0)
			return rc;
		n = key_attribute_types(p11_attrs_ulong(&read, CKA_CLASS, 0), p11_attrs_ulong(&read, CKA_KEY_TYPE, 0), types);
		rc = member_get(site->channel, made->objects[o], types, n, &read, err);
		if (rc == 0)
			rc = key_record_object(request, o, &read, record->uid, &record->objects[o], err);
		record->n_objects = o + 1;
	}
	return rc < 0 ? rc : prove_anchor(site, made->objects[0], record, err);
}

/* Take back what was made on a site; best effort, a sync reaps the rest. */
static void take_back(struct replica_site *site, const struct making *made)
{
	struct err ignored;

	for (size_t o = 0; o < RECORD_OBJECTS_MAX && site->channel; o++)
		copy_destroy(site, made->objects[o], &ignored);
	if (site->channel)
		copy_destroy(site, made->record, &ignored);
}

/* The creating record, then the key. */
static int make_first(struct replica_site *site, const struct key_request *request, struct record *record,
		      struct making *made, struct err *err)
{
	int rc = record_write(site->channel, record, &made->record, err);

	if (rc == 0)
		rc = generate_on(site, request, record, made, err);
	if (rc == 0)
		rc = describe(site, request, made, record, err);
	return rc;
}

static int make_replica(struct replica_site *from, CK_OBJECT_HANDLE key, struct replica_site *to,
			const struct record *creating, struct making *made, struct err *err)
{
	int rc = record_write(to->channel, creating, &made->record, err);

	return rc < 0 ? rc : copy_key(from, key, to, creating, NULL, err);
}

/* The live record beside the creating one, which then goes. */
static int make_live(struct replica_site *site, const struct record *live, const struct making *made, struct err *err)
{
	int rc = record_write(site->channel, live, NULL, err);

	return rc < 0 ? rc : copy_destroy(site, made->record, err);
}

/* Did the member fail us, or we ourselves (a check that cannot be carried out here, memory, a file)? */
static bool members_fault(const struct err *why)
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

/* The links of these went down while the key was being made. */
static void failed(struct replica_site *site, struct err *why)
{
	log_info("replica", "'%s' did not take the key: %s", site->of->name, why->message);
	if (members_fault(why))
		replica_site_lost(site, why);
}

static size_t first_up(const struct replica_sites *sites)
{
	for (int role = FLEET_ACTIVE; role <= FLEET_STANDBY; role++)
		for (size_t i = 0; i < sites->count; i++)
			if (sites->sites[i].channel && sites->sites[i].domain && (int)sites->sites[i].of->role == role)
				return i;
	return sites->count;
}

/* Copies to all others; the mask of sites that have the whole key. *ret_why: the first refusal that was no member's
 * fault, so the key's. */
static uint32_t spread(struct replica_sites *sites, size_t source, const struct record *creating, struct making *made,
		       struct err *ret_why)
{
	uint32_t mask = 1u << source;

	for (size_t i = 0; i < sites->count; i++) {
		struct replica_site *site = &sites->sites[i];
		struct err why = {0};

		if (i == source || !site->channel || !site->domain || !sites->sites[source].channel)
			continue;
		if (make_replica(&sites->sites[source], made[source].objects[0], site, creating, &made[i], &why) < 0) {
			failed(site, &why);
			if (!members_fault(&why) && !ret_why->code)
				*ret_why = why;
			continue;
		}
		mask |= 1u << i;
		log_info("replica", "'%s' has a replica, and proved it", site->of->name);
	}
	return mask;
}

/* A replica's objects are found by uid when it must go again. */
static void undo_all(struct replica_sites *sites, const struct record *record, const struct making *made)
{
	for (size_t i = 0; i < sites->count; i++) {
		struct replica_site *site = &sites->sites[i];
		const CK_ATTRIBUTE id = {CKA_ID, (void *)record->uid, UID_LEN};
		CK_OBJECT_HANDLE *list = NULL;
		CK_ULONG count = 0;
		struct err ignored;

		if (!site->channel)
			continue;
		if (member_find(site->channel, &id, 1, &list, &count, &ignored) == 0)
			for (CK_ULONG n = 0; n < count && site->channel; n++)
				copy_destroy(site, list[n], &ignored);
		free(list);
		take_back(site, &(struct making){.record = made[i].record});
	}
}

int replica_generate(struct replica_sites *sites, const struct key_request *request,
		     struct record *ret, uint32_t *ret_mask, struct err *err)
{
	struct making made[SET_MAX] = {0};
	owned(record) struct record record = {0}, live = {0};
	size_t source = first_up(sites);
	uint32_t mask = 0, have = 0;
	struct err refusal = {0};
	int rc = key_request_check(request, sites->set->policy.allow_unreplicated, err);

	if (rc == 0)
		rc = replica_policy_check(sites, replica_sites_up(sites), err);
	if (rc == 0 && source == sites->count)
		rc = err_set(err, ERR_UNREACHABLE, "no member of '%s' with the domain key is up", sites->set->name);
	if (rc == 0)
		rc = crypto_random(record.uid, UID_LEN, err);
	if (rc == 0)
		rc = record_advance(&record, RECORD_CREATING, err);
	if (rc < 0)
		return rc;
	rc = make_first(&sites->sites[source], request, &record, &made[source], err);
	if (rc == 0) {
		log_info("replica", "'%s' made the key", sites->sites[source].of->name);
		have = spread(sites, source, &record, made, &refusal);
		rc = replica_policy_check(sites, have, err);
		/* That too few have it is the result; this is the reason. */
		if (rc < 0 && refusal.code)
			rc = -(int)(*err = refusal).code;
	}
	if (rc == 0)
		rc = record_copy(&record, &live, err);
	if (rc == 0)
		rc = record_advance(&live, RECORD_LIVE, err);
	if (rc < 0) {
		undo_all(sites, &record, made);
		return rc;
	}
	for (size_t i = 0; i < sites->count; i++) {
		struct err why = {0};

		if (!(have & 1u << i) || !sites->sites[i].channel)
			continue;
		if (make_live(&sites->sites[i], &live, &made[i], &why) == 0)
			mask |= 1u << i;
		else
			failed(&sites->sites[i], &why);
	}
	/* One live record rolls forward at the next sync, but only as many as the
	 * policy wants are a promise. */
	rc = mask ? replica_policy_check(sites, mask, err)
		  : err_set(err, ERR_UNREACHABLE, "every member of '%s' went away", sites->set->name);
	if (rc < 0) {
		err_wrap(err, "it is not known whether the key was made");
		return err_hint(err, "hsmctl sync %s", sites->set->name);
	}
	*ret = live;
	live = (struct record){0};
	*ret_mask = mask;
	return 0;
}

/* All objects and record versions of a key on one site, found afresh. */
static int survey(struct replica_site *site, const struct record *record, struct census_copy *ret, struct err *err)
{
	struct replica_sites one = {.set = NULL, .count = 1};
	owned(census) struct census census = {0};
	struct census_key *key;
	int rc;

	one.sites[0] = *site;
	rc = census_take(&one, record->uid, &census, err);
	*site = one.sites[0];
	if (rc == 0 && !site->channel)
		rc = -(int)(*err = site->err).code;
	key = rc == 0 ? census_find(&census, record->uid) : NULL;
	if (!key)
		return rc;
	*ret = key->copies[0];
	key->copies[0] = (struct census_copy){0};
	return 0;
}

static int bury(struct replica_site *site, const struct record *tombstone, struct err *err)
{
	owned(census_copy) struct census_copy copy = {0};
	int rc = survey(site, tombstone, &copy, err);

	if (rc == 0)
		rc = copy_record(site, tombstone, &copy, err);
	if (rc == 0)
		rc = copy_destroy_objects(site, &copy, err);
	return rc;
}

/* Carry one version of a record to every site; what of it was done is the mask. */
static int write_everywhere(struct replica_sites *sites, const struct record *record,
			    int (*step)(struct replica_site *, const struct record *, struct err *),
			    uint32_t *ret_mask, struct err *err)
{
	uint32_t mask = 0;
	int rc = replica_policy_check(sites, replica_sites_up(sites), err);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < sites->count; i++) {
		struct err why = {0};

		if (!sites->sites[i].channel)
			continue;
		if (step(&sites->sites[i], record, &why) < 0) {
			failed(&sites->sites[i], &why);
			continue;
		}
		mask |= 1u << i;
		log_info("replica", "'%s' took the write", sites->sites[i].of->name);
	}
	if (ret_mask)
		*ret_mask = mask;
	/* One record rolls forward; an error is told only when nobody took it. */
	return mask ? 0 : err_set(err, ERR_UNREACHABLE, "every member of '%s' went away", sites->set->name);
}

int replica_destroy(struct replica_sites *sites, const struct record *record, uint32_t *ret_mask, struct err *err)
{
	owned(record) struct record tombstone = {0};
	int rc = record_copy(record, &tombstone, err);

	if (rc == 0)
		rc = record_advance(&tombstone, RECORD_DELETED, err);
	return rc < 0 ? rc : write_everywhere(sites, &tombstone, bury, ret_mask, err);
}

static int rewrite(struct replica_site *site, const struct record *record, struct err *err)
{
	owned(census_copy) struct census_copy copy = {0};
	int rc = survey(site, record, &copy, err);

	if (rc == 0)
		rc = copy_record(site, record, &copy, err);
	return rc;
}

int replica_set_attributes(struct replica_sites *sites, struct record *record, size_t object,
			   const CK_ATTRIBUTE *items, CK_ULONG count, struct err *err)
{
	owned(record) struct record next = {0};
	int rc = record_copy(record, &next, err);

	if (rc == 0)
		rc = p11_attrs_merge(&next.objects[object], items, count, err);
	if (rc == 0)
		rc = record_advance(&next, RECORD_LIVE, err);
	if (rc == 0)
		rc = write_everywhere(sites, &next, rewrite, NULL, err);
	if (rc < 0)
		return rc;
	record_release(record);
	*record = next;
	next = (struct record){0};
	return 0;
}
