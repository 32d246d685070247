/* SPDX-License-Identifier: Apache-2.0 */
/* What processes do: the same calls into lib/replica that applications and commands make. */
#include <stdio.h>
#include <string.h>

#include "json/type.h"
#include "p11/rv.h"
#include "replica/key.h"
#include "replica/verify.h"
#include "replica/view.h"
#include "replica/write.h"
#include "world.h"

const char *const op_names[] = {"generate", "delete", "change", "refresh", "sync", "recover", "verify"};

/* Applications and commands write; administrators sync; members that come back are recovered. */
void actor_plan(struct process *p)
{
	static const enum op_kind writer[] = {OP_GENERATE, OP_DELETE, OP_CHANGE, OP_REFRESH};
	struct trace *trace = &p->world->trace;
	unsigned kind = trace_choose(trace, 4);

	p->application = kind == 1;
	p->n_ops = 1 + trace_choose(trace, OPS_MAX);
	for (size_t i = 0; i < p->n_ops; i++)
		p->ops[i] = (struct op){
			.kind = kind < 2    ? writer[i == 0 ? 0 : trace_choose(trace, 4)]
				: kind == 2 ? OP_SYNC
					    : OP_RECOVER,
			.key = trace_choose(trace, INDEX_MAX),
		};
}

/* After an operation: whom did it take for gone that nothing was wrong with? */
static void look_at_sites(struct process *p, const struct replica_sites *sites, const char *what)
{
	for (size_t m = 0; m < sites->count; m++)
		if (!sites->sites[m].channel && !(p->blamed & 1u << m) && !p->killed)
			world_broken(p->world, "blame: p%zu's %s takes m%zu for gone, which answered every message: %s",
				     p->number, what, m, sites->sites[m].err.message);
}

static struct record *pick(struct process *p, const struct op *op)
{
	return p->n_index ? &p->index[op->key % p->n_index] : NULL;
}

static void remember(struct process *p, const struct record *record)
{
	struct err err;

	if (p->n_index < INDEX_MAX && record_copy(record, &p->index[p->n_index], &err) == 0)
		p->n_index++;
}

/* As an application sees it: is it said that nothing was made? */
static enum outcome outcome_of(const struct process *p, int rc, const struct err *err)
{
	if (p->killed)
		return NOT_KNOWN;
	if (rc == 0)
		return MADE;
	return err->code == ERR_NOT_KNOWN ? NOT_KNOWN : NOT_MADE;
}

static struct entry *entry_of(struct world *w, const struct record *record)
{
	for (size_t i = 0; i < w->n_ledger; i++)
		if (w->ledger[i].made != PENDING && memcmp(w->ledger[i].uid, record->uid, UID_LEN) == 0)
			return &w->ledger[i];
	return NULL;
}

/* Could enough members have made it, to which nothing happened at all? With all of them nobody is left in doubt. */
static bool could_have(const struct world *w, enum outcome said)
{
	size_t well = (size_t)__builtin_popcount(w->healthy);

	return said == NOT_MADE ? well >= 2 : well == w->n_members;
}

static int make_key(struct replica_sites *sites, const char *label, struct record *ret, struct err *err)
{
	owned(key_request) struct key_request request = {0};
	uint32_t mask;
	int rc = key_request_kind(KEY_AES_256, label, &request, err);

	return rc < 0 ? rc : replica_generate(sites, &request, ret, &mask, err);
}

/* Public or private, by its number. */
static int make_data(struct replica_sites *sites, const char *label, size_t number, struct record *ret, struct err *err)
{
	owned(p11_attrs) struct p11_attrs attrs = {0};
	char value[32] = {0};
	uint32_t mask;
	int rc = p11_attrs_set_ulong(&attrs, CKA_CLASS, CKO_DATA, err);

	snprintf(value, sizeof(value), "content of %s", label);
	if (rc == 0)
		rc = p11_attrs_set_bool(&attrs, CKA_PRIVATE, number % 2, err);
	if (rc == 0)
		rc = p11_attrs_set(&attrs, CKA_LABEL, label, strlen(label), err);
	if (rc == 0)
		rc = p11_attrs_set(&attrs, CKA_VALUE, value, sizeof(value), err);
	return rc < 0 ? rc : replica_keep(sites, &attrs, ret, &mask, err);
}

static void generate(struct process *p, struct replica_sites *sites)
{
	owned(record) struct record record = {0};
	struct world *w = p->world;
	struct entry *entry = &w->ledger[w->n_ledger];
	struct err err = {0};
	int rc;

	if (w->n_ledger == LEDGER_MAX)
		return;
	*entry = (struct entry){.label_sure = true, .harm_at_make = world_harm(w)};
	snprintf(entry->label, sizeof(entry->label), "key-%zu", w->n_ledger++);
	memcpy(entry->label_now, entry->label, sizeof(entry->label_now));
	rc = w->play.objects && w->n_ledger % 3 == 0 ? make_data(sites, entry->label, w->n_ledger, &record, &err)
						      : make_key(sites, entry->label, &record, &err);
	if (rc == 0)
		memcpy(entry->uid, record.uid, UID_LEN);
	entry->made = outcome_of(p, rc, &err);
	world_say(w, "p%zu generate %s: %s", p->number, entry->label,
		  p->killed ? "killed" : rc == 0 ? "done" : err.message);
	if (rc == 0)
		remember(p, &record);
	else if (!p->killed && could_have(w, entry->made))
		world_broken(w, "refused: p%zu could not make %s, though members %x were well all the time: %s", p->number,
			     entry->label, w->healthy, err.message);
}

/* What it deleted itself it does not believe in any more. */
static void disremember(struct process *p, struct record *record)
{
	record_release(record);
	*record = p->index[--p->n_index];
	p->index[p->n_index] = (struct record){0};
}

static void delete(struct process *p, const struct op *op, struct replica_sites *sites)
{
	struct record *record = pick(p, op);
	struct entry *entry = record ? entry_of(p->world, record) : NULL;
	struct err err = {0};
	uint32_t mask;
	unsigned harm;
	int rc;

	if (!entry)
		return;
	entry->delete_tried = true;
	harm = world_harm(p->world);
	rc = replica_destroy(sites, record, &mask, &err);
	if (outcome_of(p, rc, &err) == MADE && entry->deleted != MADE) {
		entry->deleted = MADE;
		entry->may_have = check_may_have(p->world, entry->uid);
		entry->harm_at_make = harm;
	}
	if (rc == 0)
		disremember(p, record);
	world_say(p->world, "p%zu delete %s: %s", p->number, entry->label,
		  p->killed ? "killed" : rc == 0 ? "done" : err.message);
}

static void change(struct process *p, const struct op *op, struct replica_sites *sites)
{
	struct record *record = pick(p, op);
	struct entry *entry = record ? entry_of(p->world, record) : NULL;
	bool was_deleted, alone;
	unsigned mine;
	char label[NAME_MAX_];
	struct err err = {0};
	int rc;

	if (!entry)
		return;
	snprintf(label, sizeof(label), "%.15s.%zu.%lu", entry->label, p->number, p->world->messages);
	was_deleted = entry->deleted == MADE;
	alone = entry->changing++ == 0;
	mine = ++entry->changes;
	entry->label_sure = false;
	rc = replica_set_attributes(sites, record, 0, &(CK_ATTRIBUTE){CKA_LABEL, label, strlen(label)}, 1, &err);
	/* Of two at a time either may be the last; one that is not known may yet come about. */
	if (outcome_of(p, rc, &err) != NOT_KNOWN)
		entry->label_sure = --entry->changing == 0 && alone && entry->changes == mine;
	if (outcome_of(p, rc, &err) == MADE) {
		snprintf(entry->label_now, sizeof(entry->label_now), "%s", label);
		if (was_deleted)
			world_broken(p->world, "changed: p%zu changed %s, which was deleted, and was told that it was done",
				     p->number, entry->label);
	}
	world_say(p->world, "p%zu change %s to %s: %s", p->number, entry->label, label,
		  p->killed ? "killed" : rc == 0 ? "done" : err.message);
}

static int keep_live(void *data, CK_OBJECT_HANDLE handle, struct record *record, struct err *err)
{
	struct process *p = data;

	(void)handle;
	(void)err;
	for (size_t i = 0; i < p->n_index; i++)
		if (memcmp(p->index[i].uid, record->uid, UID_LEN) == 0)
			return 0;
	if (record->state == RECORD_LIVE)
		remember(p, record);
	return 0;
}

static void refresh(struct process *p, struct replica_sites *sites)
{
	struct err err = {0};
	struct views views;

	views_read(sites, UINT32_MAX, &views, &err);
	for (size_t i = 0; i < p->n_index; i++)
		record_release(&p->index[i]);
	p->n_index = 0;
	for (size_t m = 0; m < sites->count; m++)
		if (sites->sites[m].channel && record_read_all(sites->sites[m].channel, NULL, keep_live, p, &err) < 0)
			replica_site_lost(&sites->sites[m], &err);
}

static void sync(struct process *p, enum op_kind kind)
{
	struct replica_sync_report report = {0};
	struct err err = {0};
	int rc = replica_sync(p->set, UINT32_MAX, kind == OP_SYNC ? SYNC_ALL : SYNC_RECOVER, NULL, &report, &err);

	world_say(p->world, "p%zu %s: %s, copied %d deleted %d repaired %d adopted %d skipped %zu conflicts %zu", p->number,
		  op_names[kind], p->killed ? "killed" : rc < 0 ? err.message : replica_verdict_names[report.verdict],
		  (int)report.copied, (int)report.deleted, (int)report.repaired, (int)report.adopted, report.n_skipped,
		  report.n_conflicts);
	if (p->world->quiet && !p->killed)
		check_sync(p->world, rc, &report, &err);
	json_release(&replica_sync_report_type, &report);
}

static void verify(struct process *p)
{
	struct replica_report report = {0};
	struct err err = {0};
	int rc = replica_verify(p->set, VERIFY_ALL, NULL, &report, &err);

	if (p->world->quiet)
		check_verify(p->world, rc == 0 && report.verdict == VERDICT_IN_SYNC);
	json_release(&replica_report_type, &report);
}

static void write_keys(struct process *p, const struct op *op)
{
	owned(replica_sites) struct replica_sites sites = {0};
	uint32_t mask = p->application && op->kind != OP_REFRESH ? replica_set_current(p->set) : UINT32_MAX;
	struct err err = {0};

	p->blamed = ~mask;
	if (replica_sites_open(p->set, mask, &sites, &err) < 0)
		return;
	if (op->kind == OP_GENERATE)
		generate(p, &sites);
	else if (op->kind == OP_DELETE)
		delete(p, op, &sites);
	else if (op->kind == OP_CHANGE)
		change(p, op, &sites);
	else
		refresh(p, &sites);
	look_at_sites(p, &sites, op_names[op->kind]);
}

void actor_run(struct process *p)
{
	for (size_t i = 0; i < p->n_ops && !p->killed; i++) {
		const struct op *op = &p->ops[i];

		world_say(p->world, "p%zu begins to %s", p->number, op_names[op->kind]);
		if (op->kind == OP_SYNC || op->kind == OP_RECOVER)
			sync(p, op->kind);
		else if (op->kind == OP_VERIFY)
			verify(p);
		else
			write_keys(p, op);
	}
}
