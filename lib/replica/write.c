/* SPDX-License-Identifier: Apache-2.0 */
/* Replicated writes. */
#include "replica/write.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "crypto/digest.h"
#include "member/member.h"
#include "p11/rv.h"
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
	int rc = made->record ? 0 : record_write(to->channel, creating, &made->record, err);

	return rc < 0 ? rc : copy_key(from, key, to, creating, NULL, &made->objects[0], err);
}

/* The live record in place of the creating one, while that and the key are still there: whoever took them for a
 * creation that nobody finishes took them away. */
static int make_live(struct replica_site *site, const struct record *live, const struct making *made, struct err *err)
{
	return record_replace(site->channel, live, &(struct record_base){made->record, {made->objects[0]}}, err);
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

/* The best of mask to make a key on: active before standby, with the domain key. */
static size_t first_of(const struct replica_sites *sites, uint32_t mask)
{
	for (int role = FLEET_ACTIVE; role <= FLEET_STANDBY; role++)
		for (size_t i = 0; i < sites->count; i++)
			if ((mask & 1u << i) && sites->sites[i].channel && sites->sites[i].domain &&
			    (int)sites->sites[i].of->role == role)
				return i;
	return sites->count;
}

/* One copy, from whoever of have can give it: a giver that goes away is no fault of the one who takes. */
static int make_one(struct replica_sites *sites, uint32_t have, size_t to, const struct record *creating,
		    struct making *made, struct err *err)
{
	for (;;) {
		size_t from = first_of(sites, have);
		struct replica_site *giver = &sites->sites[from];
		int rc;

		if (from == sites->count)
			return err_set(err, ERR_NOT_FOUND, "nobody is left who has the key");
		rc = make_replica(giver, made[from].objects[0], &sites->sites[to], creating, &made[to], err);
		if (rc == 0 || !member_broken(giver->channel))
			return rc;
		failed(giver, err);
	}
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

		if (i == source || !site->channel || !site->domain)
			continue;
		if (make_one(sites, mask, i, creating, made, &why) == 0) {
			mask |= 1u << i;
			log_info("replica", "'%s' has a replica, and proved it", site->of->name);
			continue;
		}
		failed(site, &why);
		if (!members_fault(&why) && !ret_why->code)
			*ret_why = why;
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

/* What enough members took is made; what fewer took may yet become so. */
static int judge(const struct replica_sites *sites, uint32_t mask, const char *what, struct err *err)
{
	if (mask && replica_policy_check(sites, mask, err) == 0)
		return 0;
	err_set(err, ERR_NOT_KNOWN, "it is not known whether %s: %d of %zu members took it", what, __builtin_popcount(mask),
		sites->count);
	return err_hint(err, "hsmctl sync %s", sites->set->name);
}

/* From creating to live, on each site that has the whole key; the mask of those where it came about. */
static uint32_t go_live(struct replica_sites *sites, uint32_t have, const struct record *live, const struct making *made)
{
	uint32_t mask = 0;

	for (size_t i = 0; i < sites->count; i++) {
		struct err why = {0};

		if (!(have & 1u << i) || !sites->sites[i].channel)
			continue;
		if (make_live(&sites->sites[i], live, &made[i], &why) == 0)
			mask |= 1u << i;
		else
			failed(&sites->sites[i], &why);
	}
	return mask;
}

/* The key on its first site and on the others, none of it live; all of it is taken back when that fails. */
static int make_on_all(struct replica_sites *sites, size_t source, const struct key_request *request,
		       struct record *record, struct making made[static SET_MAX], uint32_t *ret_have, struct err *err)
{
	struct err refusal = {0};
	int rc = crypto_random(record->uid, UID_LEN, err);

	if (rc == 0)
		rc = record_advance(record, RECORD_CREATING, err);
	if (rc == 0)
		rc = make_first(&sites->sites[source], request, record, &made[source], err);
	if (rc == 0) {
		log_info("replica", "'%s' made the key", sites->sites[source].of->name);
		*ret_have = spread(sites, source, record, made, &refusal);
		rc = replica_policy_check(sites, *ret_have, err);
		/* That too few have it is the result; this is the reason. */
		if (rc < 0 && refusal.code)
			rc = -(int)(*err = refusal).code;
	}
	if (rc < 0)
		undo_all(sites, record, made);
	return rc;
}

/* Is it the first site's fault that it did not make the key, and another one's turn? */
static bool next_source(const struct err *why)
{
	return members_fault(why) || (why->code == ERR_TOKEN && p11_rv_class(why->rv) == P11_AMBIGUOUS);
}

/* Each source that fails leaves the turn to the next; a new uid each time, since nobody knows what a lost one has made. */
static int make_somewhere(struct replica_sites *sites, const struct key_request *request, struct record *record,
			  struct making made[static SET_MAX], uint32_t *ret_have, struct err *err)
{
	uint32_t left = UINT32_MAX;
	struct err first = {0};
	size_t source;
	int rc = 0;

	while ((source = first_of(sites, left)) < sites->count) {
		left &= ~(1u << source);
		memset(made, 0, SET_MAX * sizeof(*made));
		record_release(record);
		rc = make_on_all(sites, source, request, record, made, ret_have, err);
		if (rc == 0 || !next_source(err))
			return rc;
		failed(&sites->sites[source], err);
		if (!first.code)
			first = *err;
	}
	if (first.code)
		*err = first;
	else
		err_set(err, ERR_UNREACHABLE, "no member of '%s' with the domain key is up", sites->set->name);
	return -(int)err->code;
}

int replica_generate(struct replica_sites *sites, const struct key_request *request,
		     struct record *ret, uint32_t *ret_mask, struct err *err)
{
	struct making made[SET_MAX] = {0};
	owned(record) struct record record = {0}, live = {0};
	uint32_t have = 0;
	int rc = key_request_check(request, sites->set->policy.allow_unreplicated, err);

	if (rc == 0)
		rc = replica_policy_check(sites, replica_sites_up(sites), err);
	if (rc == 0)
		rc = make_somewhere(sites, request, &record, made, &have, err);
	if (rc < 0)
		return rc;
	rc = record_copy(&record, &live, err);
	if (rc == 0)
		rc = record_advance(&live, RECORD_LIVE, err);
	if (rc < 0) {
		undo_all(sites, &record, made);
		return rc;
	}
	*ret_mask = go_live(sites, have, &live, made);
	rc = judge(sites, *ret_mask, "the key was made", err);
	if (rc < 0)
		return rc;
	*ret = live;
	live = (struct record){0};
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

/* Carry one version of a record to every site; *ret_mask: those that took it. ERR_CHANGED when one of them has another
 * version than the one it was made from. */
static int write_everywhere(struct replica_sites *sites, const struct record *record,
			    int (*step)(struct replica_site *, const struct record *, struct err *), const char *what,
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
		if (step(&sites->sites[i], record, &why) == 0) {
			mask |= 1u << i;
			log_info("replica", "'%s' took the write", sites->sites[i].of->name);
			continue;
		}
		if (why.code == ERR_CHANGED)
			return -(int)(*err = why).code;
		failed(&sites->sites[i], &why);
	}
	if (ret_mask)
		*ret_mask = mask;
	return judge(sites, mask, what, err);
}

int replica_destroy(struct replica_sites *sites, const struct record *record, uint32_t *ret_mask, struct err *err)
{
	enum { TRIES = 5 };
	int rc = -ERR_CHANGED;

	for (int i = 0; i < TRIES && rc == -ERR_CHANGED; i++) {
		owned(record) struct record tombstone = {0};

		rc = record_copy(record, &tombstone, err);
		if (rc == 0)
			rc = record_advance(&tombstone, RECORD_DELETED, err);
		if (rc == 0)
			rc = write_everywhere(sites, &tombstone, bury, "the key was deleted", ret_mask, err);
	}
	return rc;
}

/* The version that all members together know to be the newest. ERR_NOT_FOUND when the key is gone. */
static int newest(struct replica_sites *sites, const uint8_t uid[static UID_LEN], struct record *ret, struct err *err)
{
	owned(census) struct census census = {0};
	const struct census_key *key;
	int rc = census_take(sites, uid, &census, err);

	if (rc < 0)
		return rc;
	key = census_find(&census, uid);
	if (!key || !key->truth || key->truth->state != RECORD_LIVE)
		return err_set(err, ERR_NOT_FOUND, "the key was deleted");
	return record_copy(key->truth, ret, err);
}

static int rewrite(struct replica_site *site, const struct record *record, struct err *err)
{
	owned(census_copy) struct census_copy copy = {0};
	int rc = survey(site, record, &copy, err);

	if (rc == 0)
		rc = copy_record(site, record, &copy, err);
	return rc;
}

/* The change, not the record that it was asked of: others may have written since that was read. */
static int change(struct replica_sites *sites, const uint8_t uid[static UID_LEN], size_t object, const CK_ATTRIBUTE *items,
		  CK_ULONG count, struct record *ret, struct err *err)
{
	uint32_t mask;
	int rc = newest(sites, uid, ret, err);

	if (rc == 0 && object >= ret->n_objects)
		rc = err_set(err, ERR_NOT_FOUND, "the key has no such half");
	if (rc == 0)
		rc = p11_attrs_merge(&ret->objects[object], items, count, err);
	if (rc == 0)
		rc = record_advance(ret, RECORD_LIVE, err);
	return rc < 0 ? rc : write_everywhere(sites, ret, rewrite, "the key was changed", &mask, err);
}

int replica_set_attributes(struct replica_sites *sites, struct record *record, size_t object,
			   const CK_ATTRIBUTE *items, CK_ULONG count, struct err *err)
{
	enum { TRIES = 5 };
	int rc = -ERR_CHANGED;

	for (int i = 0; i < TRIES && rc == -ERR_CHANGED; i++) {
		owned(record) struct record next = {0};

		rc = change(sites, record->uid, object, items, count, &next, err);
		if (rc < 0)
			continue;
		record_release(record);
		*record = next;
		next = (struct record){0};
	}
	return rc;
}
