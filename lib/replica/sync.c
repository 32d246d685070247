/* SPDX-License-Identifier: Apache-2.0 */
/* Repairing what an examination finds. */
#include <string.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/observer.h"
#include "replica/copy.h"
#include "replica/domain.h"
#include "replica/key.h"
#include "replica/repair.h"

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

/* Two findings about one key on one member are one repair. */
static bool repeats(const struct examination *x, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (x->findings[j].site == x->findings[i].site && x->findings[j].key == x->findings[i].key &&
		    x->findings[i].key != NO_KEY)
			return true;
	return false;
}

static const struct p11_attrs *attrs_of(const struct repair_round *r, const struct finding *f)
{
	return f->key != NO_KEY ? &r->census->keys[f->key].truth->objects[0] : &r->census->strays[f->stray].attrs;
}

static int plan(struct repair_round *r, const struct finding *f)
{
	enum sync_action action = repair_action(r, f);
	struct replica_sync_step *step = json_append(&r->report->planned, &r->report->n_planned, sizeof(*step));

	if (!step)
		return -ERR_NO_MEMORY;
	step->action = action;
	step->key = action == SYNC_JOIN ? mem_strdup("domain key") : key_label(attrs_of(r, f));
	step->member = mem_strdup(r->sites->sites[f->site].of->name);
	return step->key && step->member ? 0 : -ERR_NO_MEMORY;
}

static void log_step(const struct repair_round *r, const struct finding *f, const char *member)
{
	owned(mem) char *label = key_label(attrs_of(r, f));

	log_info("replica", "'%s': %s '%s'%s", member, action_names[repair_action(r, f)], label ? label : "",
		 r->dry_run ? " (not done)" : "");
}

/* 1 when something was done, so that another look is worth it. */
static int work(struct repair_round *r, struct observer *observer, struct err *err)
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
		} else if (repair_finding(r, f, &why) == 0 || why.code == ERR_CHANGED) {
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
	struct err why = {0};
	int rc = repair_domain(from, to, id, &why);

	if (rc == 0)
		return 0;
	return rc > 0 ? note_site(&report->conflicts, &report->n_conflicts, to, why.message)
		      : note_site(&report->skipped, &report->n_skipped, to, why.message);
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
		more = i < ROUNDS_MAX ? work(&(struct repair_round){&sites, &census, &x, ret, mode, dry_run, i == 0}, observer, err) : 0;
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
