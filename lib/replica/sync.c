/* SPDX-License-Identifier: Apache-2.0 */
/* Repairing what an examination finds. */
#include <string.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/observer.h"
#include "crypto/digest.h"
#include "replica/copy.h"
#include "replica/domain.h"
#include "replica/key.h"
#include "replica/prove.h"
#include "replica/verify.h"

enum { ROUNDS_MAX = 5 };

static const struct json_field note_fields[] = {
	JSON_F_STRING(struct replica_sync_note, key, JSON_COLUMN, "label of the key, and the member"),
	JSON_F_STRING(struct replica_sync_note, reason, JSON_COLUMN, "why"),
	JSON_F_END
};
static const struct json_type note_type = {
	.summary = "A key that was left", .size = sizeof(struct replica_sync_note), .fields = note_fields,
};

static const char *const action_names[] = {"copy", "delete", "repair", "adopt", "clear", "join", NULL};
static const struct json_field step_fields[] = {
	JSON_F_ENUM(struct replica_sync_step, action, JSON_COLUMN, action_names,
		    "copy, delete, repair a key there; adopt one without a record; clear away a torn object; join: give the domain key"),
	JSON_F_STRING(struct replica_sync_step, key, JSON_COLUMN, "label of the key"),
	JSON_F_STRING(struct replica_sync_step, member, JSON_COLUMN, "member it is done on"),
	JSON_F_END
};
static const struct json_type step_type = {
	.summary = "A step", .size = sizeof(struct replica_sync_step), .fields = step_fields,
};

static const struct json_field sync_fields[] = {
	JSON_F_STRING(struct replica_sync_report, group, JSON_COLUMN, "the group"),
	JSON_F_ENUM(struct replica_sync_report, verdict, JSON_COLUMN, replica_verdict_names,
		    "as verify would say afterwards; of a dry run, now"),
	JSON_F_BOOL(struct replica_sync_report, dry_run, 0, "nothing was done: the numbers say what would be"),
	JSON_F_INT(struct replica_sync_report, copied, JSON_COLUMN, 0, 0, "keys brought to a member"),
	JSON_F_INT(struct replica_sync_report, deleted, JSON_COLUMN, 0, 0, "keys removed from a member"),
	JSON_F_INT(struct replica_sync_report, repaired, JSON_COLUMN, 0, 0, "keys put right on a member"),
	JSON_F_INT(struct replica_sync_report, adopted, JSON_COLUMN, 0, 0, "keys taken into the group"),
	JSON_F_LIST(struct replica_sync_report, planned, 0, step_type, "of a dry run: what would be done"),
	JSON_F_LIST(struct replica_sync_report, skipped, JSON_COLUMN, note_type, "what could not be done"),
	JSON_F_LIST(struct replica_sync_report, conflicts, JSON_COLUMN, note_type, "what a person must decide"),
	JSON_F_LIST(struct replica_sync_report, members, JSON_COLUMN, replica_report_member_type, "members"),
	JSON_F_INT(struct replica_sync_report, duration_ms, JSON_COLUMN, 0, 0, "how long it took"),
	JSON_F_END
};
const struct json_type replica_sync_report_type = {
	.schema = "sync", .summary = "What a sync did", .size = sizeof(struct replica_sync_report), .fields = sync_fields,
};

static const struct json_field plan_fields[] = {
	JSON_F_STRING(struct replica_sync_report, group, JSON_COLUMN, "the group"),
	JSON_F_ENUM(struct replica_sync_report, verdict, JSON_COLUMN, replica_verdict_names, "as verify says now"),
	{.name = "would_do", .kind = JSON_LIST, .flags = JSON_COLUMN, .offset = offsetof(struct replica_sync_report, planned),
	 .count_offset = offsetof(struct replica_sync_report, n_planned), .type = &step_type, .summary = "what would be done"},
	{.name = "cannot_do", .kind = JSON_LIST, .flags = JSON_COLUMN, .offset = offsetof(struct replica_sync_report, skipped),
	 .count_offset = offsetof(struct replica_sync_report, n_skipped), .type = &note_type, .summary = "what could not be done"},
	JSON_F_LIST(struct replica_sync_report, conflicts, JSON_COLUMN, note_type, "what a person must decide"),
	JSON_F_LIST(struct replica_sync_report, members, JSON_COLUMN, replica_report_member_type, "members"),
	JSON_F_END
};
const struct json_type replica_sync_plan_type = {
	.summary = "What a sync would do", .size = sizeof(struct replica_sync_report), .fields = plan_fields,
};

/* One round of work. */
struct round {
	struct replica_sites *sites;
	const struct census *census;
	const struct examination *x;
	struct replica_sync_report *report;
	enum sync_mode mode;
	bool dry_run;
	bool first;	/* nobody looked before: too early to call a key nobody's */
};

static int note(struct replica_sync_note **list, size_t *count, const struct p11_attrs *attrs,
		const char *member, const char *reason)
{
	struct replica_sync_note *n;
	owned(mem) char *label = key_label(attrs);
	owned(mem) char *key = !label ? NULL : attrs->count ? mem_printf("%s on %s", label, member)
							     : mem_printf("domain key on %s", member);

	for (size_t i = 0; key && i < *count; i++)
		if (strcmp((*list)[i].key, key) == 0 && strcmp((*list)[i].reason, reason) == 0)
			return 0;
	n = key ? json_append(list, count, sizeof(*n)) : NULL;
	if (!n)
		return -ERR_NO_MEMORY;
	n->key = own_take(key);
	n->reason = mem_strdup(reason);
	return 0;
}

/* A site whose copy of the key passed its proof; the target itself if it did. */
static size_t choose_source(const struct round *r, long key, size_t target)
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
static int repair(struct round *r, const struct finding *f, struct err *err)
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
static int remove_key(struct round *r, const struct finding *f, struct err *err)
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
static int clear(struct round *r, const struct finding *f, struct err *err)
{
	int rc = r->dry_run ? 0 : copy_destroy(&r->sites->sites[f->site], r->census->strays[f->stray].handle, err);

	r->report->repaired += rc == 0;
	return rc;
}

/*
 * Adopting makes a replica of the key on its own member, with our uid, and then
 * destroys the original: the same step as to any other member.
 */
static int adopt(struct round *r, const struct finding *f, struct err *err)
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

static int act(struct round *r, const struct finding *f, struct err *err)
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

/* Two findings about one key on one member are one repair. */
static bool repeats(const struct examination *x, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (x->findings[j].site == x->findings[i].site && x->findings[j].key == x->findings[i].key &&
		    x->findings[i].key != NO_KEY)
			return true;
	return false;
}

static const struct p11_attrs *attrs_of(const struct round *r, const struct finding *f)
{
	return f->key != NO_KEY ? &r->census->keys[f->key].truth->objects[0] : &r->census->strays[f->stray].attrs;
}

static enum sync_action action_of(const struct round *r, const struct finding *f)
{
	if (f->key == NO_KEY && f->stray == NO_KEY)
		return SYNC_JOIN;
	if (f->kind == FINDING_DELETED)
		return SYNC_DELETE;
	if (f->kind == FINDING_EXTRA)
		return looks_like_debris(&r->census->strays[f->stray].attrs) ? SYNC_CLEAR : SYNC_ADOPT;
	return r->census->keys[f->key].copies[f->site].objects[0] ? SYNC_REPAIR : SYNC_COPY;
}

static int plan(struct round *r, const struct finding *f)
{
	enum sync_action action = action_of(r, f);
	struct replica_sync_step *step = json_append(&r->report->planned, &r->report->n_planned, sizeof(*step));

	if (!step)
		return -ERR_NO_MEMORY;
	step->action = action;
	step->key = action == SYNC_JOIN ? mem_strdup("domain key") : key_label(attrs_of(r, f));
	step->member = mem_strdup(r->sites->sites[f->site].of->name);
	return step->key && step->member ? 0 : -ERR_NO_MEMORY;
}

static void log_step(const struct round *r, const struct finding *f, const char *member)
{
	owned(mem) char *label = key_label(attrs_of(r, f));

	log_info("replica", "'%s': %s '%s'%s", member, action_names[action_of(r, f)], label ? label : "",
		 r->dry_run ? " (not done)" : "");
}

/* 1 when something was done, so that another look is worth it. */
static int work(struct round *r, struct observer *observer, struct err *err)
{
	int done = 0, rc = 0;

	for (size_t i = 0; i < r->x->n_findings && rc == 0; i++) {
		const struct finding *f = &r->x->findings[i];
		struct replica_site *site = &r->sites->sites[f->site];
		struct err why = {0};

		/* The domain key itself was seen to before. */
		if (r->dry_run && f->kind == FINDING_MISSING && f->key == NO_KEY)
			rc = plan(r, f);
		if (rc < 0 || !site->channel || (f->key == NO_KEY && f->stray == NO_KEY) || repeats(r->x, i) ||
		    (f->kind == FINDING_EXTRA && r->mode == SYNC_RECOVER))
			continue;
		if (f->kind == FINDING_EXTRA && r->first && !r->dry_run) {
			done = 1;
			continue;
		}
		observer_step(observer, site->of->name, "repairing keys", i, r->x->n_findings);
		if (f->kind == FINDING_CONFLICT) {
			rc = note(&r->report->conflicts, &r->report->n_conflicts, attrs_of(r, f), site->of->name, f->detail);
		} else if (act(r, f, &why) == 0 || why.code == ERR_CHANGED) {
			/* Changed meanwhile: the next look tells what is to be done now. */
			done = 1;
			rc = r->dry_run ? plan(r, f) : 0;
			log_step(r, f, site->of->name);
		} else {
			rc = note(&r->report->skipped, &r->report->n_skipped, attrs_of(r, f), site->of->name, why.message);
			if (why.code == ERR_UNREACHABLE || why.code == ERR_PROTOCOL)
				replica_site_lost(site, &why);
		}
		if (rc == 0)
			rc = cancel_check(err);
	}
	if (rc == -ERR_NO_MEMORY)
		err_no_memory(err);
	return rc < 0 ? rc : done;
}

/* Members that have no tombstone yet get it, so that none can bring the key back. */
static int spread_tombstones(struct replica_sites *sites, const struct census *census)
{
	for (size_t k = 0; k < census->n_keys; k++) {
		const struct census_key *key = &census->keys[k];

		if (!key->truth || key->truth->state != RECORD_DELETED)
			continue;
		for (size_t s = 0; s < sites->count; s++) {
			struct err why = {0};

			if (sites->sites[s].channel && !key->copies[s].record && !key->copies[s].objects[0] &&
			    copy_record(&sites->sites[s], key->truth, &key->copies[s], &why) < 0 &&
			    why.code == ERR_UNREACHABLE)
				replica_site_lost(&sites->sites[s], &why);
		}
	}
	return 0;
}

static int note_site(struct replica_sync_note **list, size_t *count, const struct replica_site *site, const char *reason)
{
	const struct p11_attrs none = {0};

	return note(list, count, &none, site->of->name, reason);
}

/* A member whose domain key is lost or torn gets it from one whose works. */
static int rejoin_site(struct replica_site *from, struct replica_site *to, const uint8_t *id,
		       struct replica_sync_report *report)
{
	char fingerprint[DOMAIN_FINGERPRINT];
	struct err why = {0};

	if (to->domain && domain_prove(to, to, &why) == 0) {
		/* Two that work and differ: which is right is not for a program to say. */
		if (domain_prove(from, to, &why) == -ERR_DIFFERENT)
			return note_site(&report->conflicts, &report->n_conflicts, to, why.message);
		return 0;
	}
	if (!*to->of->transport)
		return 0;
	if (domain_join(from, to, id, to->of->transport, fingerprint, &why) == 0)
		return 0;
	to->domain = CK_INVALID_HANDLE;
	return note_site(&report->skipped, &report->n_skipped, to, why.message);
}

static int rejoin(struct replica_sites *sites, struct replica_sync_report *report)
{
	struct replica_site *from = NULL;
	struct err why;
	int rc = 0;

	for (size_t s = 0; s < sites->count && !from; s++)
		if (sites->sites[s].channel && sites->sites[s].domain &&
		    domain_prove(&sites->sites[s], &sites->sites[s], &why) == 0)
			from = &sites->sites[s];
	for (size_t s = 0; s < sites->count && from && rc == 0; s++)
		if (sites->sites[s].channel && &sites->sites[s] != from)
			rc = rejoin_site(from, &sites->sites[s], sites->set->domain_id, report);
	return rc;
}

int replica_sync(struct replica_set *set, uint32_t mask, enum sync_mode mode, struct observer *observer,
		 struct replica_sync_report *ret, struct err *err)
{
	owned(replica_sites) struct replica_sites sites = {0};
	int64_t start = clock_now_ms();
	int rc = replica_sites_open(set, mask, &sites, err), more = 1;
	bool dry_run = mode == SYNC_DRY_RUN;

	if (rc == 0 && !dry_run)
		rc = rejoin(&sites, ret);
	for (int i = 0; rc == 0 && more > 0; i++) {
		owned(census) struct census census = {0};
		owned(examination) struct examination x = {0};
		struct replica_report report = {0};

		rc = census_take(&sites, NULL, &census, err);
		if (rc == 0)
			rc = examine(&sites, &census, VERIFY_ALL, observer, &x, err);
		if (rc < 0)
			break;
		if (!dry_run)
			spread_tombstones(&sites, &census);
		more = i < ROUNDS_MAX ? work(&(struct round){&sites, &census, &x, ret, mode, dry_run, i == 0}, observer, err) : 0;
		if (more < 0)
			return more;
		if (more && !dry_run)
			continue;
		more = 0;
		rc = replica_report_fill(&report, &sites, &census, &x, VERIFY_ALL, err);
		ret->verdict = report.verdict;
		ret->members = own_take(report.members);
		ret->n_members = report.n_members;
		report.n_members = 0;
		json_release(&replica_report_type, &report);
	}
	ret->group = mem_strdup(set->name);
	ret->dry_run = dry_run;
	ret->duration_ms = clock_now_ms() - start;
	return rc;
}
