/* SPDX-License-Identifier: Apache-2.0 */
/* Making a key on as many members as the policy wants. */
#include "replica/write.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "crypto/digest.h"
#include "member/member.h"
#include "p11/rv.h"
#include "replica/copy.h"
#include "replica/outcome.h"
#include "replica/prove.h"

enum { TRIES = 3 };

/* What one site has of a key that is being made. */
struct making {
	CK_OBJECT_HANDLE objects[RECORD_OBJECTS_MAX];
	CK_OBJECT_HANDLE record;
	bool tried;		/* to write its record: whether it is there is not known */
	bool excused;		/* it cannot take such a key, and policy lets that be */
};

static int generate(struct replica_site *site, const struct key_request *request, const struct p11_attrs *templates,
		    CK_OBJECT_HANDLE *ret, struct err *err)
{
	CK_SESSION_HANDLE session = member_session(site->channel);
	const struct p11_attrs *hidden = &templates[0], *open = &templates[1];
	struct p11_call call = request->n_templates > 1
				       ? p11_C_GenerateKeyPair(session, &request->mechanism, open->items, open->count,
							       hidden->items, hidden->count, &ret[1], &ret[0])
				       : p11_C_GenerateKey(session, &request->mechanism, hidden->items, hidden->count, &ret[0]);

	return member_run(site->channel, &call, 1, err);
}

static int make_on(struct replica_site *site, const struct key_request *request, const struct record *record,
		   struct making *ret, struct err *err)
{
	struct p11_attrs templates[RECORD_OBJECTS_MAX] = {0};
	int rc = 0;

	for (size_t i = 0; i < request->n_templates && rc == 0; i++) {
		rc = key_member_template(request, i, record->uid, &templates[i], err);
		if (rc == 0)
			rc = key_leave_out(site->channel, site->domain, &site->of->holds, &templates[i], err);
	}
	if (rc == 0)
		rc = request->make ? request->make(request->data, site, templates, ret->objects, err)
				   : generate(site, request, templates, ret->objects, err);
	for (size_t i = 0; i < RECORD_OBJECTS_MAX; i++)
		p11_attrs_release(&templates[i]);
	return rc;
}

/* What the token made of the request becomes what applications see. */
static int describe(struct replica_site *site, const struct key_request *request, const struct making *made,
		    struct record *record, struct err *err)
{
	int rc = 0;

	for (size_t o = 0; o < request->n_templates && rc == 0; o++) {
		rc = key_describe(site->channel, made->objects[o], request, o, record->uid, &record->objects[o], err);
		record->n_objects = o + 1;
	}
	if (rc == 0 && request->hides_public)
		rc = p11_attrs_set_bool(&record->objects[1], RECORD_GONE, true, err);
	return rc < 0 ? rc : prove_anchor(site, made->objects[0], record, err);
}

/* A code that may mean anything, of a member that answers: SoftHSM gives one now and then to two who make objects at
 * the same time. Worth another try before the member is left out. */
static bool is_passing(const struct err *why)
{
	return why->code == ERR_TOKEN && p11_rv_class(why->rv) == P11_AMBIGUOUS;
}

static int put_creating(struct replica_site *site, const struct record *creating, struct making *made, struct err *err)
{
	const struct record_base base = {.fresh = !made->tried};

	made->tried = true;
	return record_put(site->channel, creating, &base, &made->record, err);
}

/* The creating record, then the key. */
static int make_first(struct replica_site *site, const struct key_request *request, struct record *record,
		      struct making *made, struct err *err)
{
	int rc = put_creating(site, record, made, err);

	if (rc == 0)
		rc = make_on(site, request, record, made, err);
	for (int i = 1; i < TRIES && rc < 0 && made->record && is_passing(err); i++)
		rc = make_on(site, request, record, made, err);
	if (rc == 0)
		rc = describe(site, request, made, record, err);
	return rc;
}

static int make_replica(struct replica_site *from, CK_OBJECT_HANDLE key, struct replica_site *to,
			const struct record *creating, struct making *made, struct err *err)
{
	int rc = made->record ? 0 : put_creating(to, creating, made, err);

	return rc < 0 ? rc : copy_key(from, key, to, creating, NULL, &made->objects[0], err);
}

/* The live record in place of the creating one, while that and the key are still there: whoever took them for a
 * creation that nobody finishes took them away. */
static int make_live(struct replica_site *site, const struct record *live, const struct making *made, struct err *err)
{
	const struct record_base base = {.old = {made->record}, .n_old = 1, .objects = {made->objects[0]}};

	int rc = record_put(site->channel, live, &base, NULL, err);

	for (int i = 1; i < TRIES && rc < 0 && is_passing(err); i++)
		rc = record_put(site->channel, live, &base, NULL, err);
	return rc;
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
	for (int tries = 0;;) {
		size_t from = first_of(sites, have);
		struct replica_site *giver = &sites->sites[from];
		int rc;

		if (from == sites->count)
			return err_set(err, ERR_UNREACHABLE, "nobody is left who has the key");
		rc = make_replica(giver, made[from].objects[0], &sites->sites[to], creating, &made[to], err);
		if (rc == -ERR_TOKEN && !member_broken(giver->channel) && ++tries < TRIES)
			continue;
		if (rc == 0 || !member_broken(giver->channel))
			return rc;
		outcome_failed(giver, err);
	}
}

/* Is it the key that cannot be carried, rather than a member that fails? */
static bool is_excused(const struct replica_sites *sites, const struct err *why)
{
	return replica_set_policy(sites->set).allow_unreplicated &&
	       (why->code == ERR_NOT_REPLICABLE || (why->code == ERR_TOKEN && p11_rv_class(why->rv) == P11_CALLER));
}

static uint32_t excused(const struct making made[static SET_MAX])
{
	uint32_t mask = 0;

	for (size_t i = 0; i < SET_MAX; i++)
		if (made[i].excused)
			mask |= 1u << i;
	return mask;
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
		if (first_of(sites, mask) == sites->count)
			break;
		outcome_failed(site, &why);
		made[i].excused = is_excused(sites, &why);
		if (!outcome_members_fault(&why) && !ret_why->code)
			*ret_why = why;
	}
	return mask;
}

/* Take back what was made: objects first, then the record, so that what cannot be destroyed is not taken for somebody
 * else's. Best effort: a sync takes away the rest. */
static void undo_all(struct replica_sites *sites, const struct record *record, const struct making *made)
{
	for (size_t i = 0; i < sites->count; i++) {
		struct replica_site *site = &sites->sites[i];
		struct err ignored;

		/* What was made after somebody else had taken the record away. */
		if (site->channel &&
		    record_withdraw(site->channel, made[i].record, record->uid, &ignored) == -ERR_CHANGED)
			record_sweep(site->channel, record->uid, &ignored);
	}
}

/* Where it was begun, and who went away with what there is of it. */
static uint32_t left_behind(const struct replica_sites *sites, const struct making made[static SET_MAX])
{
	uint32_t mask = 0;

	for (size_t i = 0; i < sites->count; i++)
		if (made[i].record && (!sites->sites[i].channel || member_broken(sites->sites[i].channel)))
			mask |= 1u << i;
	return mask;
}

/* A copy that was made after its record was taken away is taken for somebody else's key, and adopted. */
static int not_known(const struct replica_sites *sites, struct err *err)
{
	err_set(err, ERR_NOT_KNOWN, "it is not known whether the key was made: it took longer than %d s, and members went away",
		LEASE_MS / 1000);
	return err_hint(err, "hsmctl sync %s", sites->set->name);
}

/* Nothing is live: all of it is taken back. err is the reason, unless what somebody took away with it may come about. */
static int take_back(struct replica_sites *sites, const struct record *record, const struct making made[static SET_MAX],
		     int64_t start, struct err *err)
{
	undo_all(sites, record, made);
	return clock_now_ms() - start >= LEASE_MS && left_behind(sites, made) ? not_known(sites, err) : -(int)err->code;
}

struct looking {
	const struct record *live;
	bool found;
};

static int compare(void *data, CK_OBJECT_HANDLE handle, struct record *record, struct err *err)
{
	struct looking *looking = data;

	(void)handle;
	(void)err;
	looking->found = looking->found || (record->state == RECORD_LIVE && record->counter >= looking->live->counter);
	return 0;
}

/* Somebody who syncs may have been quicker: then the record there is ours, or made from it. */
static bool is_live(struct replica_site *site, const struct record *live, struct err *err)
{
	struct looking looking = {.live = live};

	return record_read_all(site->channel, live->uid, compare, &looking, err) == 0 && looking.found;
}

/* From creating to live, on each site that has the whole key; the masks of those where it came about, and of those
 * that may have done it. err: why it did not on one of the others. */
static uint32_t go_live(struct replica_sites *sites, uint32_t have, const struct record *live, const struct making *made,
			uint32_t *ret_unknown, struct err *err)
{
	uint32_t mask = 0;

	*ret_unknown = 0;
	err_set(err, ERR_POLICY, "nobody is left who has the key");
	for (size_t i = 0; i < sites->count; i++) {
		struct replica_site *site = &sites->sites[i];
		struct err why = {0};

		if (!(have & 1u << i) || !site->channel)
			continue;
		if (make_live(site, live, &made[i], &why) == 0 || (why.code == ERR_CHANGED && is_live(site, live, &why))) {
			mask |= 1u << i;
			continue;
		}
		if (member_broken(site->channel))
			*ret_unknown |= 1u << i;
		if (why.code == ERR_CHANGED)
			err_set(&why, ERR_CHANGED, "the creation took longer than %d s: it was taken for one that nobody "
						   "finishes", LEASE_MS / 1000);
		*err = why;
		outcome_failed(site, &why);
	}
	return mask;
}

/* The key on its first site and on the others, none of it live; all of it is taken back when that fails. */
static int make_on_all(struct replica_sites *sites, size_t source, const struct key_request *request,
		       struct record *record, struct making made[static SET_MAX], uint32_t *ret_have, struct err *err)
{
	int64_t start = clock_now_ms();
	struct err refusal = {0};
	int rc = crypto_random(record->uid, UID_LEN, err);

	if (rc == 0)
		rc = record_advance(record, RECORD_CREATING, err);
	if (rc == 0)
		rc = make_first(&sites->sites[source], request, record, &made[source], err);
	if (rc == 0) {
		log_info("replica", "'%s' made the key", sites->sites[source].of->name);
		/* Who gave it, and went since, has it, and will not say that it is live. */
		*ret_have = spread(sites, source, record, made, &refusal) & replica_sites_up(sites);
		rc = replica_policy_check(sites, *ret_have, err);
		/* That too few have it is the result; this is the reason. */
		if (rc < 0 && refusal.code)
			rc = -(int)(*err = refusal).code;
	}
	return rc == 0 ? 0 : take_back(sites, record, made, start, err);
}

/* Is it the first site's fault that it did not make the key, and another one's turn? */
static bool next_source(const struct err *why)
{
	return outcome_members_fault(why) || why->code == ERR_DIFFERENT ||
	       (why->code == ERR_TOKEN && p11_rv_class(why->rv) == P11_AMBIGUOUS);
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
		/* What may come about yet is neither made once more nor called refused. */
		if (rc == 0 || rc == -ERR_NOT_KNOWN || (!next_source(err) && sites->sites[source].channel))
			return rc;
		outcome_failed(&sites->sites[source], err);
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
	uint32_t have = 0, unknown = 0;
	int64_t start = clock_now_ms();
	int rc = key_request_check(request, replica_set_policy(sites->set).allow_unreplicated, err);

	if (rc == 0)
		rc = outcome_begin(sites, err);
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
	*ret_mask = go_live(sites, have, &live, made, &unknown, err);
	if (!*ret_mask && !unknown)
		rc = take_back(sites, &record, made, start, err);
	if (rc == 0)
		rc = outcome_settle(sites, ret_mask, excused(made), "the key was made", err);
	if (rc < 0)
		return rc;
	*ret = live;
	live = (struct record){0};
	return 0;
}
