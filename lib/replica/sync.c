/* SPDX-License-Identifier: Apache-2.0 */
/* Repairing what an examination finds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/observer.h"
#include "base/str.h"
#include "member/member.h"
#include "p11/rv.h"
#include "replica/copy.h"
#include "replica/key.h"
#include "replica/repair.h"

enum { ROUNDS_MAX = 5 };

static const struct json_field note_fields[] = {
	JSON_F_STRING(struct replica_sync_note, key, JSON_COLUMN, "label of the key, and the member"),
	JSON_F_STRING(struct replica_sync_note, member, 0, "the member"),
	JSON_F_ENUM(struct replica_sync_note, kind, 0, finding_kind_names, "what is wrong, as verify calls it"),
	JSON_F_STRING(struct replica_sync_note, reason, JSON_COLUMN, "why"),
	JSON_F_END
};
static const struct json_type note_type = {
	.summary = "A key that was left", .size = sizeof(struct replica_sync_note), .fields = note_fields,
};

static const char *const action_names[] = {"copy", "delete", "repair", "adopt", "clear", "join", NULL};
static const struct json_field step_fields[] = {
	JSON_F_ENUM(struct replica_sync_step, action, JSON_COLUMN, action_names,
		    "copy, delete, repair a key there; adopt one without a record; clear away what nobody can use, or "
		    "what is there twice; join: give the domain key"),
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
	JSON_F_INT(struct replica_sync_report, joined, JSON_OMIT, 0, 0, "members that were given the domain key"),
	JSON_F_LIST(struct replica_sync_report, planned, 0, step_type, "of a dry run: what would be done"),
	JSON_F_LIST(struct replica_sync_report, skipped, JSON_COLUMN, note_type, "what could not be done"),
	JSON_F_LIST(struct replica_sync_report, conflicts, JSON_COLUMN, note_type, "what a person must decide"),
	JSON_F_LIST(struct replica_sync_report, left, JSON_COLUMN, note_type, "what stays as it is, by its nature"),
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
	JSON_F_LIST(struct replica_sync_report, left, JSON_COLUMN, note_type, "what stays as it is, by its nature"),
	JSON_F_LIST(struct replica_sync_report, members, JSON_COLUMN, replica_report_member_type, "members"),
	JSON_F_END
};
const struct json_type replica_sync_plan_type = {
	.summary = "What a sync would do", .size = sizeof(struct replica_sync_report), .fields = plan_fields,
};

/* ---- what is told ---- */

/* What a finding is about, for people: new memory. */
static char *subject_of(const struct repair_round *r, const struct finding *f)
{
	const struct record *face = f->key != NO_KEY ? census_face(r->census, &r->census->keys[f->key]) : NULL;
	char hex[2 * UID_LEN + 1];

	if (f->stray != NO_KEY)
		return key_label(&r->census->strays[f->stray].attrs);
	if (f->key == NO_KEY)
		return mem_strdup(f->kind == FINDING_TRANSPORT ? "transport key" : "domain key");
	if (face)
		return key_label(&face->objects[0]);
	str_hex(r->census->keys[f->key].uid, UID_LEN, hex);
	return mem_strdup(hex);
}

static int note(struct replica_sync_note **list, size_t *count, const struct repair_round *r, const struct finding *f,
		const char *reason)
{
	const char *member = r->sites->sites[f->site].of->name;
	owned(mem) char *subject = subject_of(r, f);
	owned(mem) char *key = subject ? mem_printf("%s on %s", subject, member) : NULL;
	struct replica_sync_note *n;

	for (size_t i = 0; key && i < *count; i++)
		if (strcmp((*list)[i].key, key) == 0 && strcmp((*list)[i].reason, reason) == 0)
			return 0;
	n = key ? json_append(list, count, sizeof(*n)) : NULL;
	if (!n)
		return -ERR_NO_MEMORY;
	n->key = own_take(key);
	n->member = mem_strdup(member);
	n->kind = f->kind;
	n->reason = mem_strdup(reason);
	return n->member && n->reason ? 0 : -ERR_NO_MEMORY;
}

static int note_skipped(struct repair_round *r, const struct finding *f, const char *reason)
{
	return note(&r->report->skipped, &r->report->n_skipped, r, f, reason);
}

/* What no sync changes. */
static int note_finding(struct repair_round *r, const struct finding *f)
{
	if (f->remedy == REMEDY_PERSON)
		return note(&r->report->conflicts, &r->report->n_conflicts, r, f, f->detail);
	return f->remedy == REMEDY_LEAVE ? note(&r->report->left, &r->report->n_left, r, f, f->detail)
					 : note_skipped(r, f, f->detail);
}

static void forget(struct replica_sync_note **list, size_t *count)
{
	for (size_t i = 0; i < *count; i++)
		json_release(&note_type, &(*list)[i]);
	free(*list);
	*list = NULL;
	*count = 0;
}

/* Each round tells anew what is left. */
static void forget_notes(struct replica_sync_report *report)
{
	forget(&report->skipped, &report->n_skipped);
	forget(&report->conflicts, &report->n_conflicts);
	forget(&report->left, &report->n_left);
}

static int plan(struct repair_round *r, const struct finding *f)
{
	struct replica_sync_step *step = json_append(&r->report->planned, &r->report->n_planned, sizeof(*step));

	if (!step)
		return -ERR_NO_MEMORY;
	step->action = repair_action(r, f);
	step->key = subject_of(r, f);
	step->member = mem_strdup(r->sites->sites[f->site].of->name);
	return step->key && step->member ? 0 : -ERR_NO_MEMORY;
}

/* Who cannot bring a member up to date tries again and again. */
static bool is_news(const struct repair_round *r, const struct finding *f, const char *why)
{
	struct replica_set *set = r->sites->set;
	struct replica_member *of = r->sites->sites[f->site].of;
	bool news;

	pthread_mutex_lock(&set->lock);
	news = strncmp(of->not_done, why, sizeof(of->not_done) - 1) != 0;
	snprintf(of->not_done, sizeof(of->not_done), "%s", why);
	pthread_mutex_unlock(&set->lock);
	return news;
}

/* why: it was not done, which is said once; NULL = it was. */
static void log_step(const struct repair_round *r, const struct finding *f, const char *why)
{
	owned(mem) char *subject = subject_of(r, f);

	if (!is_news(r, f, why ? why : "") && why)
		return;
	log_info("replica", "'%s': %s '%s'%s%s", r->sites->sites[f->site].of->name, action_names[repair_action(r, f)],
		 subject ? subject : "", why ? " not done: " : r->dry_run ? " (not done)" : "", why ? why : "");
}

/* ---- a round ---- */

/* Two findings about one key on one member are one repair. */
static bool repeats(const struct examination *x, size_t i)
{
	const struct finding *f = &x->findings[i];

	for (size_t j = 0; j < i; j++)
		if (f->key != NO_KEY && x->findings[j].site == f->site && x->findings[j].key == f->key &&
		    x->findings[j].remedy == f->remedy)
			return true;
	return false;
}

/* Somebody else wrote, or an object went, between the look and the deed: the next look tells what is to be done now. */
static bool changed(const struct err *why)
{
	return why->code == ERR_CHANGED || (why->code == ERR_TOKEN && p11_rv_class(why->rv) == P11_HANDLE);
}

/* 1 when something was done, so that another look is worth it. */
static int work_on(struct repair_round *r, const struct finding *f)
{
	struct err why = {0};
	int rc = repair_finding(r, f, &why);

	if (rc == 0)
		log_step(r, f, NULL);
	if (rc == 0 && r->dry_run)
		rc = plan(r, f);
	if (rc >= 0)
		return 1;
	if (rc == -ERR_NO_MEMORY)
		return rc;
	if (examine_lose(r->sites, &why) || changed(&why))
		return 1;
	log_step(r, f, why.message);
	return note_skipped(r, f, why.message);
}

/* 1 when something was done. */
static int work(struct repair_round *r, struct observer *observer, struct err *err)
{
	int done = 0, rc = 0;

	forget_notes(r->report);
	for (size_t i = 0; i < r->x->n_findings && rc == 0; i++) {
		const struct finding *f = &r->x->findings[i];
		struct replica_site *site = &r->sites->sites[f->site];

		/* Who has all again is taken in at the end. */
		if (!site->channel || repeats(r->x, i) || f->kind == FINDING_STALE ||
		    (r->mode == SYNC_RECOVER && !examination_delays(f)))
			continue;
		observer_step(observer, site->of->name, "repairing keys", i, r->x->n_findings);
		if (f->remedy != REMEDY_SYNC)
			rc = note_finding(r, f);
		else
			rc = repair_must_wait(r, f) ? 1 : work_on(r, f);
		if (rc > 0)
			done = 1;
		if (rc >= 0)
			rc = cancel_check(err);
	}
	if (rc == -ERR_NO_MEMORY)
		err_no_memory(err);
	return rc < 0 ? rc : done;
}

/* Does the site know of the deletion as such, not by a record of old? */
static bool remembers(const struct census_copy *copy)
{
	return copy->record && copy->record->state == RECORD_DELETED && !copy->record_handle;
}

/* Deletions of which a site does not know yet, so that none can bring the key back. */
static int spread_to(struct replica_site *site, size_t s, struct census *census, struct err *err)
{
	owned(mem) uint8_t *uids = mem_zalloc(census->n_keys * UID_LEN + 1);
	size_t count = 0;
	int rc;

	if (!uids)
		return err_no_memory(err);
	for (size_t k = 0; k < census->n_keys; k++) {
		const struct census_key *key = &census->keys[k];

		if (key->truth && key->truth->state == RECORD_DELETED && !key->copies[s].not_understood &&
		    !remembers(&key->copies[s]))
			memcpy(uids + count++ * UID_LEN, key->uid, UID_LEN);
	}
	rc = count ? graves_dig(site->channel, uids, count, &census->graves[s], err) : 0;
	for (size_t k = 0; k < census->n_keys && rc == 0; k++) {
		const struct census_copy *copy = &census->keys[k].copies[s];

		if (copy->record && copy->record->state == RECORD_DELETED)
			rc = copy_destroy(site, copy->record_handle, err);
	}
	return rc;
}

static int spread_deletions(struct replica_sites *sites, struct census *census, struct err *err)
{
	for (size_t s = 0; s < sites->count; s++) {
		if (!sites->sites[s].channel || spread_to(&sites->sites[s], s, census, err) == 0)
			continue;
		if (err->code == ERR_NO_MEMORY)
			return -ERR_NO_MEMORY;
		examine_lose(sites, err);
	}
	return 0;
}

static bool all_have_domain(const struct replica_sites *sites)
{
	for (size_t s = 0; s < sites->count; s++)
		if (sites->sites[s].channel && !sites->sites[s].domain)
			return false;
	return true;
}

/* A domain key that is plainly missing comes before the keys that it carries; what else is wrong with them, and what
 * could not be done, the examination names that follows. */
static int rejoin(struct replica_sites *sites, struct replica_sync_report *report)
{
	owned(examination) struct examination x = {0};
	struct repair_round r = {.sites = sites, .x = &x, .report = report};
	int rc = all_have_domain(sites) ? 0 : examine_domains(sites, NULL, &x, NULL);

	for (size_t i = 0; i < x.n_findings && rc == 0; i++) {
		const struct finding *f = &x.findings[i];
		struct err why = {0};

		if (f->remedy != REMEDY_SYNC || !examination_delays(f) || !sites->sites[f->site].channel)
			continue;
		if (repair_finding(&r, f, &why) == 0)
			log_step(&r, f, NULL);
		else
			examine_lose(sites, &why);
	}
	return rc == -ERR_NO_MEMORY ? rc : 0;
}

/* One sync on its way. */
struct sync {
	struct replica_sites sites;
	enum sync_mode mode;
	struct observer *observer;
	struct replica_sync_report *report;
	struct views joined;
	bool joins;		/* somebody is being brought up to date */
};

static int join(struct sync *sync, struct err *err)
{
	int rc = views_join(&sync->sites, UINT32_MAX, &sync->joined, err);

	sync->joins = rc > 0;
	return rc < 0 ? rc : 0;
}

/* Sites that lack nothing which others could give. */
static uint32_t whole_sites(const struct sync *sync, const struct examination *x)
{
	uint32_t mask = replica_sites_up(&sync->sites);

	for (size_t s = 0; s < sync->sites.count; s++)
		if (examination_behind(x, s))
			mask &= ~(1u << s);
	return mask;
}

/* Nothing is left to do: those that joined, and lack nothing, are current. 1 when others came in between. */
static int admit(struct sync *sync, struct examination *x, struct err *err)
{
	uint32_t whole = whole_sites(sync, x);
	int rc = sync->joins ? views_admit(&sync->sites, &sync->joined, whole, err) : 0;

	if (rc == -ERR_CHANGED) {
		rc = join(sync, err);
		return rc < 0 ? rc : 1;
	}
	if (rc == -ERR_STALE) {
		examination_kept_out(x, whole, err->message);
		return 0;
	}
	if (rc == 0)
		examination_caught_up(x, sync->joins ? whole : 0);
	return rc;
}

static int conclude(struct sync *sync, const struct census *census, const struct examination *x, struct err *err)
{
	struct replica_report report = {0};
	int rc = replica_report_fill(&report, &sync->sites, census, x, VERIFY_ALL, err);

	sync->report->verdict = report.verdict;
	sync->report->members = own_take(report.members);
	sync->report->n_members = report.n_members;
	report.n_members = 0;
	json_release(&replica_report_type, &report);
	return rc;
}

/* Look, and mend. 1 when it is worth another look. */
static int go_round(struct sync *sync, int round, struct err *err)
{
	owned(census) struct census census = {0};
	owned(examination) struct examination x = {0};
	bool dry_run = sync->mode == SYNC_DRY_RUN, last = round >= ROUNDS_MAX;
	struct repair_round work_of = {&sync->sites, &census, &x, sync->report, sync->mode, dry_run, round == 0};
	uint32_t up = replica_sites_up(&sync->sites);
	int rc = census_take(&sync->sites, NULL, &census, err);

	if (rc == 0)
		rc = examine(&sync->sites, &census, VERIFY_ALL, sync->observer, &x, err);
	if (rc == 0 && !dry_run)
		rc = spread_deletions(&sync->sites, &census, err);
	if (rc == 0 && !last)
		rc = work(&work_of, sync->observer, err);
	/* Who went away meanwhile may have been the one to learn from. */
	if (rc == 0 && !dry_run)
		rc = sync->joins && replica_sites_up(&sync->sites) != up ? 1 : admit(sync, &x, err);
	if (rc < 0 || (rc > 0 && !dry_run && !last))
		return rc;
	return conclude(sync, &census, &x, err);
}

int replica_sync(struct replica_set *set, uint32_t mask, enum sync_mode mode, struct observer *observer,
		 struct replica_sync_report *ret, struct err *err)
{
	struct sync sync = {.mode = mode, .observer = observer, .report = ret};
	int64_t start = clock_now_ms();
	int rc = replica_sites_open(set, mask, &sync.sites, err);

	if (rc == 0 && mode != SYNC_DRY_RUN)
		rc = rejoin(&sync.sites, ret);
	if (rc == 0 && mode != SYNC_DRY_RUN)
		rc = join(&sync, err);
	if (rc == 0)
		rc = 1;
	for (int round = 0; rc > 0; round++)
		rc = go_round(&sync, round, err);
	replica_sites_release(&sync.sites);
	ret->group = mem_strdup(set->name);
	ret->dry_run = mode == SYNC_DRY_RUN;
	ret->duration_ms = clock_now_ms() - start;
	return rc;
}
