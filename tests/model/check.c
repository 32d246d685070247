/* SPDX-License-Identifier: Apache-2.0 */
/* The promises, asked of the tokens themselves. */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "replica/graves.h"
#include "replica/verify.h"
#include "replica/view.h"
#include "world.h"

enum { SEEN_MAX = 64, POLICY_MEMBERS = 2 };

/* One key on one member, as its token holds it. */
struct seen {
	uint8_t uid[UID_LEN];
	bool has_record, has_object, gone;	/* gone: it is remembered as deleted */
	struct record newest;
	uint8_t value[32];
	CK_ULONG value_len;
};

/* All that one member holds. */
struct holding {
	struct seen seen[SEEN_MAX];
	size_t n;
	/* Objects of no uid that is known. */
	uint8_t strays[SEEN_MAX][16];
	size_t n_strays;
	struct view view;
	uint64_t changes;
	bool read;
};

static struct holding holdings[MEMBERS_MAX];

static struct seen *seen_of(struct holding *h, const uint8_t *uid)
{
	for (size_t i = 0; i < h->n; i++)
		if (memcmp(h->seen[i].uid, uid, UID_LEN) == 0)
			return &h->seen[i];
	if (h->n == SEEN_MAX)
		return NULL;
	memcpy(h->seen[h->n].uid, uid, UID_LEN);
	return &h->seen[h->n++];
}

static void see_value(struct seen *seen, const CK_ATTRIBUTE *value)
{
	seen->value_len = value->ulValueLen < sizeof(seen->value) ? value->ulValueLen : sizeof(seen->value);
	memcpy(seen->value, value->pValue, seen->value_len);
}

static void see_record(struct holding *h, const CK_ATTRIBUTE *value)
{
	struct record record;
	struct seen *seen;

	if (!value || record_decode(value->pValue, value->ulValueLen, &record, NULL) < 0)
		return;
	seen = seen_of(h, record.uid);
	if (!seen || (seen->has_record && !record_newer(&record, &seen->newest))) {
		record_release(&record);
		return;
	}
	if (seen->has_record)
		record_release(&seen->newest);
	seen->newest = record;
	seen->has_record = true;
	/* The record is all that there is of it. */
	if (record_is_all(&record)) {
		seen->has_object = true;
		see_value(seen, p11_attrs_find(&record.objects[0], CKA_VALUE));
	}
}

static void see_deleted(struct holding *h, const uint8_t *uids, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct seen *seen = seen_of(h, uids + i * GRAVE_LEN);

		if (seen)
			seen->gone = true;
	}
}

static void see_memo(struct holding *h, const CK_ATTRIBUTE *value)
{
	const uint8_t *uids;
	struct view view;
	size_t count;

	if (!value)
		return;
	if (graves_decode(value->pValue, value->ulValueLen, &uids, &count, NULL) > 0)
		see_deleted(h, uids, count);
	else if (view_decode(value->pValue, value->ulValueLen, &view, NULL) < 0)
		see_record(h, value);
	else
		view_merge(&h->view, &view);
}

static void see_object(struct holding *h, const struct p11_attrs *attrs)
{
	const CK_ATTRIBUTE *id = p11_attrs_find(attrs, CKA_ID), *value = p11_attrs_find(attrs, CKA_VALUE);
	struct seen *seen = id && id->ulValueLen == UID_LEN ? seen_of(h, id->pValue) : NULL;

	if (!value)
		return;
	if (!seen) {
		if (h->n_strays < SEEN_MAX && value->ulValueLen == 16)
			memcpy(h->strays[h->n_strays++], value->pValue, 16);
		return;
	}
	seen->has_object = true;
	see_value(seen, value);
}

static void see(void *data, CK_OBJECT_HANDLE handle, const struct p11_attrs *attrs)
{
	static const CK_ATTRIBUTE domain = {CKA_LABEL, (void *)"hsmctl domain", 13};
	CK_OBJECT_CLASS class = p11_attrs_ulong(attrs, CKA_CLASS, CKO_DATA);

	(void)handle;
	if (p11_attrs_match(attrs, &domain, 1))
		return;
	if (class == CKO_DATA)
		see_memo(data, p11_attrs_find(attrs, CKA_VALUE));
	else if (class == CKO_SECRET_KEY)
		see_object(data, attrs);
}

static void forget(struct holding *h)
{
	for (size_t i = 0; i < h->n; i++)
		if (h->seen[i].has_record)
			record_release(&h->seen[i].newest);
	*h = (struct holding){0};
}

void check_begin(void)
{
	for (size_t m = 0; m < MEMBERS_MAX; m++)
		forget(&holdings[m]);
}

static struct holding *look(size_t m)
{
	struct holding *h = &holdings[m];

	if (h->read && h->changes == fake_changes(m))
		return h;
	forget(h);
	h->read = true;
	h->changes = fake_changes(m);
	fake_each(m, see, h);
	return h;
}

static struct seen *find(size_t m, const uint8_t *uid)
{
	struct holding *h = look(m);

	for (size_t i = 0; i < h->n; i++)
		if (memcmp(h->seen[i].uid, uid, UID_LEN) == 0)
			return &h->seen[i];
	return NULL;
}

static bool is_live(const struct seen *s)
{
	return s && s->has_object && s->has_record && s->newest.state == RECORD_LIVE && !s->gone;
}

static uint32_t live_on(struct world *w, const uint8_t *uid)
{
	uint32_t mask = 0;

	for (size_t m = 0; m < w->n_members; m++)
		if (is_live(find(m, uid)))
			mask |= 1u << m;
	return mask;
}

/* Acknowledged: live on as many members as the policy promised, less those that lost what they had. */
static void check_lost(struct world *w, const struct entry *e)
{
	unsigned harm = world_harm(w) - e->harm_at_make;
	int copies = __builtin_popcount(live_on(w, e->uid));

	if (e->made == MADE && !e->planted && !e->delete_tried && copies + (int)harm < POLICY_MEMBERS)
		world_broken(w, "lost: %s was acknowledged and is live on %d members", e->label, copies);
}

/* Members that remember it as deleted. */
static uint32_t known_gone(struct world *w, const uint8_t *uid)
{
	uint32_t mask = 0;

	for (size_t m = 0; m < w->n_members; m++) {
		const struct seen *s = find(m, uid);

		if (s && s->gone)
			mask |= 1u << m;
	}
	return mask;
}

/* What was made once is there once: no other uid is live with the same material. */
static void check_doubled(struct world *w, const struct entry *e)
{
	const struct seen *mine = NULL;

	for (size_t m = 0; m < w->n_members && !mine; m++)
		mine = is_live(find(m, e->uid)) ? find(m, e->uid) : NULL;
	for (size_t m = 0; mine && m < w->n_members; m++) {
		const struct holding *h = look(m);

		for (size_t i = 0; i < h->n; i++)
			if (is_live(&h->seen[i]) && memcmp(h->seen[i].uid, e->uid, UID_LEN) != 0 &&
			    memcmp(h->seen[i].value, mine->value, sizeof(mine->value)) == 0 &&
			    !known_gone(w, h->seen[i].uid))
				world_broken(w, "doubled: %s is live twice on m%zu", e->label, m);
	}
}

/* A stranger's key that works is somewhere, as it was or adopted. */
static void check_destroyed(struct world *w, const struct entry *e)
{
	if (world_harm(w) != e->harm_at_make)
		return;
	for (size_t m = 0; m < w->n_members; m++) {
		const struct holding *h = look(m);

		for (size_t i = 0; i < h->n_strays; i++)
			if (memcmp(h->strays[i], e->value, sizeof(e->value)) == 0)
				return;
		for (size_t i = 0; i < h->n; i++)
			if (h->seen[i].has_object && memcmp(h->seen[i].value, e->value, sizeof(e->value)) == 0)
				return;
	}
	world_broken(w, "destroyed: %s worked and was nobody's, and is gone", e->label);
}

/* What all know, or only those that can be reached. */
static struct view known(struct world *w, bool reachable)
{
	struct view all = {0};

	for (size_t m = 0; m < w->n_members; m++)
		if (!reachable || w->places[m].reachable)
			view_merge(&all, &look(m)->view);
	return all;
}

/* Members of which somebody knows that they missed writes. */
static uint32_t not_current(struct world *w)
{
	const struct view all = known(w, false);
	uint32_t mask = 0;

	for (size_t m = 0; m < w->n_members; m++) {
		char name[24];

		snprintf(name, sizeof(name), "m%zu", m);
		if (view_mark_of(&all, name).state != VIEW_CURRENT)
			mask |= 1u << m;
	}
	return mask;
}

uint32_t check_may_have(struct world *w, const uint8_t *uid)
{
	return live_on(w, uid) | not_current(w);
}

/* Deleted: on no member on which it was not already. Whoever is known to have missed writes may be given it once more, by
 * a sync that looked before. */
static void check_back(struct world *w, struct entry *e)
{
	uint32_t now;

	if (e->deleted != MADE || world_harm(w) != e->harm_at_make)
		return;
	now = live_on(w, e->uid);
	if (now & ~e->may_have)
		world_broken(w, "back: %s was deleted, and members %x have it again", e->label, now & ~e->may_have);
	e->may_have = check_may_have(w, e->uid);
}

static bool same_mark(struct view_mark a, struct view_mark b)
{
	return !view_mark_above(a, b) && !view_mark_above(b, a);
}

/* Members that whoever comes now takes for current, while somebody who knows better can be reached. */
static uint32_t serving(struct world *w)
{
	const struct view all = known(w, false), seen = known(w, true);
	uint32_t mask = 0;

	for (size_t m = 0; m < w->n_members; m++) {
		char name[24];
		struct view_mark mark;

		snprintf(name, sizeof(name), "m%zu", m);
		mark = view_mark_of(&seen, name);
		if (w->places[m].reachable && mark.state == VIEW_CURRENT && same_mark(mark, view_mark_of(&all, name)) &&
		    same_mark(mark, view_mark_of(&look(m)->view, name)))
			mask |= 1u << m;
	}
	return mask;
}

/* Who serves has all that was acknowledged, and nothing that was deleted. */
static void check_stale(struct world *w, const struct entry *e, uint32_t serves)
{
	uint32_t live = live_on(w, e->uid);

	if (world_harm(w) != e->harm_at_make)
		return;
	if (!e->delete_tried && serves & ~live)
		world_broken(w, "stale: members %x serve and lack %s", serves & ~live, e->label);
	if (e->deleted == MADE && serves & live)
		world_broken(w, "stale: members %x serve and have %s, which was deleted", serves & live, e->label);
}

static struct view_mark mark_on(size_t m, size_t of)
{
	char name[24];

	snprintf(name, sizeof(name), "m%zu", of);
	return view_mark_of(&look(m)->view, name);
}

/* Who has it and is current knows of each that has it not. */
static void check_told(struct world *w, const struct entry *e)
{
	const struct view all = known(w, false);
	uint32_t live = live_on(w, e->uid);

	if (e->delete_tried || world_harm(w) != 0)
		return;
	for (size_t m = 0; m < w->n_members; m++)
		for (size_t lacks = 0; lacks < w->n_members; lacks++) {
			char name[24];

			snprintf(name, sizeof(name), "m%zu", m);
			if ((live & 1u << m) && !(live & 1u << lacks) && mark_on(m, lacks).state == VIEW_CURRENT &&
			    view_mark_of(&all, name).state == VIEW_CURRENT)
				world_broken(w, "told: m%zu has %s, and does not know that m%zu lacks it", m, e->label, lacks);
		}
}

void check_step(struct world *w)
{
	uint32_t serves = serving(w);

	for (size_t i = 0; i < w->n_ledger; i++) {
		struct entry *e = &w->ledger[i];

		if (e->planted) {
			check_destroyed(w, e);
		} else if (e->made == MADE) {
			check_lost(w, e);
			check_back(w, e);
			check_doubled(w, e);
			check_stale(w, e, serves);
			check_told(w, e);
		}
	}
}

/* ---- after quiet ---- */

/* Is everything where it should be, by what the tokens hold? */
static bool truly_in_sync(struct world *w)
{
	for (size_t m = 0; m < w->n_members; m++) {
		const struct holding *h = look(m);

		if (h->n_strays)
			return false;
		for (size_t i = 0; i < h->n; i++) {
			const struct seen *a = &h->seen[i];
			bool live = is_live(a);

			if (a->has_object && !live)
				return false;
			for (size_t o = 0; live && o < w->n_members; o++) {
				const struct seen *b = find(o, a->uid);

				if (!is_live(b) || memcmp(a->value, b->value, sizeof(a->value)) != 0 ||
				    !record_same_version(&a->newest, &b->newest))
					return false;
			}
		}
	}
	return true;
}

static const char *label_of(const struct seen *s, char *text, size_t size)
{
	return p11_attrs_text(&s->newest.objects[0], CKA_LABEL, text, size);
}

static const char *label_on(size_t m, const uint8_t *uid, char *text, size_t size)
{
	const struct seen *s = find(m, uid);

	return s && s->has_record ? label_of(s, text, size) : "";
}

static void check_settled(struct world *w, const struct entry *e)
{
	uint32_t all = (1u << w->n_members) - 1, live = live_on(w, e->uid);
	char text[128];

	if (e->planted || world_harm(w) != e->harm_at_make)
		return;
	if (e->made == MADE && !e->delete_tried && live != all)
		world_broken(w, "unsettled: %s is on members %x after a sync", e->label, live);
	if (e->deleted == MADE && live)
		world_broken(w, "unsettled: %s was deleted and is on members %x after a sync", e->label, live);
	if (e->deleted == MADE && known_gone(w, e->uid) != all)
		world_broken(w, "unsettled: %s was deleted, which only members %x know after a sync", e->label,
			     known_gone(w, e->uid));
	if (e->made == MADE && !e->delete_tried && e->label_sure && live == all &&
	    strcmp(label_on(0, e->uid, text, sizeof(text)), e->label_now) != 0)
		world_broken(w, "undone: %s is called '%s', not '%s'", e->label, text, e->label_now);
}

/* A key of which it was said that it was not made: nobody has one of its label. */
static void check_not_made(struct world *w, const struct entry *e)
{
	char text[128];

	if (e->made != NOT_MADE)
		return;
	for (size_t m = 0; m < w->n_members; m++) {
		const struct holding *h = look(m);

		for (size_t i = 0; i < h->n; i++)
			if (is_live(&h->seen[i]) && strcmp(label_of(&h->seen[i], text, sizeof(text)), e->label) == 0)
				world_broken(w, "made: %s was said not to be made, and is live on m%zu", e->label, m);
	}
}

static unsigned syncs;

void check_sync(struct world *w, int rc, const struct replica_sync_report *report, const struct err *err)
{
	syncs++;
	if (rc < 0)
		world_broken(w, "unsettled: a sync with everybody up says: %s", err->message);
	else if (report->verdict != VERDICT_IN_SYNC)
		world_broken(w, "unsettled: a sync with everybody up ends %s, skipped '%s'",
			     replica_verdict_names[report->verdict], report->n_skipped ? report->skipped[0].reason : "");
	else if (syncs == 2 && report->copied + report->deleted + report->repaired + report->adopted)
		world_broken(w, "unsettled: a second sync still finds something to do");
}

/* Nobody went, no answer was lost, and nothing was made behind our backs. */
static bool untouched(const struct world *w)
{
	return !w->events && w->healthy == (1u << w->n_members) - 1;
}

void check_verify(struct world *w, bool says_in_sync)
{
	if (says_in_sync && !truly_in_sync(w))
		world_broken(w, "verify: it says in_sync, and it is not so");
	if (!says_in_sync && untouched(w))
		world_broken(w, "idle: nothing happened to anybody, and verify finds something to repair");
}

void check_end(struct world *w)
{
	syncs = 0;
	world_run(w, OP_VERIFY);
	world_run(w, OP_SYNC);
	for (size_t i = 0; i < w->n_ledger && !*w->broken; i++) {
		check_settled(w, &w->ledger[i]);
		check_not_made(w, &w->ledger[i]);
	}
	world_run(w, OP_SYNC);
}
