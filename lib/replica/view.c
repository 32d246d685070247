/* SPDX-License-Identifier: Apache-2.0 */
/* Marks of members, and what follows from them. */
#include "replica/view.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "member/member.h"

static const char MAGIC[] = "hsmctl-view";
enum { VERSION = 1, TRIES = 20 };

bool view_mark_above(struct view_mark a, struct view_mark b)
{
	return a.counter != b.counter ? a.counter > b.counter : a.state > b.state;
}

static bool same(struct view_mark a, struct view_mark b)
{
	return a.counter == b.counter && a.state == b.state;
}

struct view_mark view_mark_of(const struct view *view, const char *name)
{
	for (size_t i = 0; i < view->count; i++)
		if (str_eq(view->of[i].name, name))
			return view->of[i].mark;
	return (struct view_mark){0};
}

static void set_mark(struct view *view, const char *name, struct view_mark mark)
{
	size_t i = 0;

	while (i < view->count && !str_eq(view->of[i].name, name))
		i++;
	if (i == SET_MAX)
		return;
	if (i == view->count)
		snprintf(view->of[view->count++].name, sizeof(view->of[i].name), "%s", name);
	view->of[i].mark = mark;
}

void view_merge(struct view *into, const struct view *from)
{
	for (size_t i = 0; i < from->count; i++)
		if (view_mark_above(from->of[i].mark, view_mark_of(into, from->of[i].name)))
			set_mark(into, from->of[i].name, from->of[i].mark);
}

/* ---- wire ---- */

int view_encode(const struct view *view, struct buf *ret, struct err *err)
{
	buf_put(ret, MAGIC, sizeof(MAGIC) - 1);
	buf_put_u8(ret, VERSION);
	buf_put_u8(ret, (uint8_t)view->count);
	for (size_t i = 0; i < view->count; i++) {
		buf_put_bytes(ret, view->of[i].name, strlen(view->of[i].name));
		buf_put_u64(ret, view->of[i].mark.counter);
		buf_put_u8(ret, (uint8_t)view->of[i].mark.state);
	}
	return memo_seal(ret, err);
}

static void decode_one(struct buf_reader *r, struct view *view)
{
	char name[sizeof(view->of[0].name)] = "";
	size_t len = 0;
	const uint8_t *text = buf_get_bytes(r, &len);
	struct view_mark mark = {.counter = buf_get_u64(r), .state = buf_get_u8(r)};

	if (len >= sizeof(name) || mark.state > VIEW_OUT)
		r->bad = true;
	else if (text)
		memcpy(name, text, len);
	set_mark(view, name, mark);
}

int view_decode(const void *value, size_t len, struct view *ret, struct err *err)
{
	struct view view = {0};
	struct buf_reader r;
	int rc = memo_unseal(value, len, &r, err);
	const uint8_t *magic = rc < 0 ? NULL : buf_get(&r, sizeof(MAGIC) - 1);
	size_t count;

	if (rc < 0)
		return rc;
	if (!magic || memcmp(magic, MAGIC, sizeof(MAGIC) - 1) != 0)
		return err_set(err, ERR_INVALID, "not a view");
	if (buf_get_u8(&r) != VERSION)
		return err_set(err, ERR_UNSUPPORTED, "a view of a later version");
	count = buf_get_u8(&r);
	for (size_t i = 0; i < count && i < SET_MAX; i++)
		decode_one(&r, &view);
	if (!buf_read_done(&r))
		return err_set(err, ERR_INVALID, "a malformed view");
	*ret = view;
	return 0;
}

/* A group that ended leaves its marks behind: they are none of the next one's. */
static void label_of(const struct replica_set *set, char ret[static MEMO_LABEL])
{
	char hex[2 * sizeof(set->domain_id) + 1];

	str_hex(set->domain_id, sizeof(set->domain_id), hex);
	snprintf(ret, MEMO_LABEL, KEPT_VIEW "%s", hex);
}

/* ---- what sites know ---- */

struct reading {
	struct view seen;
	struct view_seen *at;
	char label[MEMO_LABEL];
	struct graves *graves;
};

static int take_in(void *data, CK_OBJECT_HANDLE handle, const char *label, const void *value, size_t len, struct err *err)
{
	struct reading *reading = data;
	struct view view;
	int rc = view_decode(value, len, &view, err);

	(void)label;
	if (rc < 0 && rc != -ERR_INVALID)
		return rc;
	if (reading->at->count < VIEW_HANDLES)
		reading->at->handles[reading->at->count++] = handle;
	/* A torn one is written beside the whole one, and goes with it. */
	if (rc == 0)
		view_merge(&reading->seen, &view);
	return 0;
}

static struct reading begin(const struct replica_sites *sites, size_t site, struct views *views)
{
	struct reading reading = {.at = &views->at[site]};

	label_of(sites->set, reading.label);
	return reading;
}

static void end(const struct replica_sites *sites, const struct reading *reading, struct views *views)
{
	for (size_t i = 0; i < sites->count; i++)
		reading->at->marks[i] = view_mark_of(&reading->seen, sites->sites[i].of->name);
	reading->at->read = true;
	view_merge(&views->all, &reading->seen);
}

/* Again when it was replaced meanwhile. */
static int read_one(const struct replica_sites *sites, size_t site, struct views *views, struct err *err)
{
	struct reading reading = begin(sites, site, views);
	int rc = 1;

	for (int i = 0; i < TRIES && rc > 0; i++) {
		reading.at->count = 0;
		rc = memo_each(sites->sites[site].channel, reading.label, take_in, &reading, err);
	}
	if (rc < 0)
		return rc;
	end(sites, &reading, views);
	return 0;
}

static int pick(void *data, CK_OBJECT_HANDLE handle, const char *label, const void *value, size_t len, struct err *err)
{
	struct reading *reading = data;

	if (reading->graves)
		graves_note(reading->graves, handle, label);
	return str_eq(label, reading->label) ? take_in(data, handle, label, value, len, err) : 0;
}

int views_read_along(const struct replica_sites *sites, size_t site, struct views *ret, struct graves *graves,
		     record_visitor each, void *data, struct err *err)
{
	struct reading reading = begin(sites, site, ret);
	int gone;

	reading.graves = graves;
	gone = record_read_beside(sites->sites[site].channel, each, data, pick, &reading, err);
	/* It may have been the view that was replaced. */
	if (gone > 0)
		return read_one(sites, site, ret, err);
	if (gone == 0)
		end(sites, &reading, ret);
	return gone;
}

/* What the process saw of marks outlives the members that told it. */
static void remember(struct replica_set *set, struct view *view)
{
	pthread_mutex_lock(&set->lock);
	view_merge(set->view, view);
	*view = *set->view;
	pthread_mutex_unlock(&set->lock);
}

void views_learned(const struct replica_sites *sites, struct views *views)
{
	remember(sites->set, &views->all);
}

int views_read(struct replica_sites *sites, uint32_t mask, struct views *ret, struct err *err)
{
	*ret = (struct views){0};
	for (size_t i = 0; i < sites->count; i++) {
		struct replica_site *site = &sites->sites[i];

		if (!site->channel || !(mask & 1u << i) || read_one(sites, i, ret, err) == 0)
			continue;
		if (err->code == ERR_NO_MEMORY)
			return -ERR_NO_MEMORY;
		replica_site_lost(site, err);
	}
	views_learned(sites, ret);
	return 0;
}

static uint32_t marked(const struct view *view, const struct replica_sites *sites, enum view_state state)
{
	uint32_t mask = 0;

	for (size_t i = 0; i < sites->count; i++)
		if (view_mark_of(view, sites->sites[i].of->name).state == state)
			mask |= 1u << i;
	return mask;
}

uint32_t views_current(const struct views *views, const struct replica_sites *sites)
{
	uint32_t mask = marked(&views->all, sites, VIEW_CURRENT);

	for (size_t i = 0; i < sites->count; i++)
		if (!views->at[i].read ||
		    !same(views->at[i].marks[i], view_mark_of(&views->all, sites->sites[i].of->name)))
			mask &= ~(1u << i);
	return mask;
}

static uint32_t serving(struct replica_set *set, uint32_t current, uint32_t there)
{
	return current || replica_set_policy(set).stale_members == FLEET_STALE_REFUSE ? current : there;
}

uint32_t views_serving(const struct views *views, const struct replica_sites *sites)
{
	uint32_t read = 0;

	for (size_t i = 0; i < sites->count; i++)
		if (views->at[i].read)
			read |= 1u << i;
	return serving(sites->set, views_current(views, sites), read);
}

uint32_t views_joining(const struct views *views, const struct replica_sites *sites)
{
	return marked(&views->all, sites, VIEW_JOINING);
}

void replica_set_mark(struct replica_set *set, size_t member, struct view_mark mark)
{
	const char *name = set->members[member].name;

	pthread_mutex_lock(&set->lock);
	if (view_mark_above(mark, view_mark_of(set->view, name)))
		set_mark(set->view, name, mark);
	pthread_mutex_unlock(&set->lock);
}

void replica_set_mark_out(struct replica_set *set, size_t member)
{
	const char *name = set->members[member].name;

	pthread_mutex_lock(&set->lock);
	set_mark(set->view, name, (struct view_mark){view_mark_of(set->view, name).counter + 1, VIEW_OUT});
	pthread_mutex_unlock(&set->lock);
}

struct view_mark replica_set_mark_of(struct replica_set *set, size_t member)
{
	struct view_mark mark;

	pthread_mutex_lock(&set->lock);
	mark = view_mark_of(set->view, set->members[member].name);
	pthread_mutex_unlock(&set->lock);
	return mark;
}

uint32_t replica_set_current(struct replica_set *set)
{
	uint32_t mask = 0;

	pthread_mutex_lock(&set->lock);
	for (size_t i = 0; i < set->n_members; i++)
		if (view_mark_of(set->view, set->members[i].name).state == VIEW_CURRENT)
			mask |= 1u << i;
	pthread_mutex_unlock(&set->lock);
	return mask & replica_set_members(set);
}

uint32_t replica_set_serving(struct replica_set *set, uint32_t mask)
{
	return serving(set, mask & replica_set_current(set), mask & replica_set_members(set));
}

int views_nobody_current(const struct replica_sites *sites, struct err *err)
{
	err_set(err, ERR_STALE, "every member of '%s' that can be reached missed writes which others took", sites->set->name);
	return err_hint(err, "bring the others back, or give up what only they know: hsmctl ha recover %s --accept-loss MEMBER",
			sites->set->name);
}

/* ---- marking ---- */

/* Members of mask are something else from now on. */
static void mark(struct view *view, const struct replica_sites *sites, uint32_t mask, enum view_state state)
{
	for (size_t i = 0; i < sites->count; i++) {
		const char *name = sites->sites[i].of->name;

		if (mask & 1u << i)
			set_mark(view, name, (struct view_mark){view_mark_of(view, name).counter + 1, state});
	}
}

static bool knows(const struct view_seen *seen, const struct view *view, const struct replica_sites *sites)
{
	for (size_t i = 0; i < sites->count; i++)
		if (!same(seen->marks[i], view_mark_of(view, sites->sites[i].of->name)))
			return false;
	return seen->read;
}

static int write_on(const struct replica_sites *sites, size_t site, const struct view *view, const struct view_seen *before,
		    struct err *err)
{
	owned(step) struct step step = step_begin(sites->sites[site].channel);
	char label[MEMO_LABEL];
	struct memo *memo;
	int rc;

	label_of(sites->set, label);
	if (!before->count)
		step_absent(&step, label);
	for (size_t i = 0; i < before->count; i++)
		step_ask(&step, before->handles[i]);
	memo = step_put(&step, label);
	rc = view_encode(view, &memo->value, err);
	for (size_t i = 0; i < before->count; i++)
		step_destroy(&step, before->handles[i]);
	return rc < 0 ? rc : step_send(&step, err);
}

/* On the sites of mask that do not know all of it. ERR_CHANGED when somebody else was quicker on any; who fails is lost. */
static int make_known(struct replica_sites *sites, uint32_t mask, struct view *view, const struct views *views, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; i < sites->count && rc == 0; i++) {
		struct replica_site *site = &sites->sites[i];

		if (!(mask & 1u << i) || !site->channel || knows(&views->at[i], view, sites))
			continue;
		rc = write_on(sites, i, view, &views->at[i], err);
		if (rc == 0 || rc == -ERR_CHANGED || rc == -ERR_NO_MEMORY)
			continue;
		replica_site_lost(site, err);
		rc = 0;
	}
	if (rc == 0)
		remember(sites->set, view);
	return rc;
}

static int others_keep(const struct replica_sites *sites, struct err *err)
{
	return err_set(err, ERR_CHANGED, "others keep marking members of '%s'", sites->set->name);
}

/* Do all of mask know who of missed is out? */
static bool told(const struct views *views, const struct replica_sites *sites, uint32_t mask, uint32_t missed)
{
	for (size_t i = 0; i < sites->count; i++)
		for (size_t m = 0; m < sites->count; m++)
			if ((mask & 1u << i) && (missed & 1u << m) &&
			    !same(views->at[i].marks[m], view_mark_of(&views->all, sites->sites[m].of->name)))
				return false;
	return true;
}

/* One look, and what follows from it. 1 when another look is needed. */
static int leave_out(struct replica_sites *sites, uint32_t *mask, uint32_t excused, struct err *err)
{
	uint32_t missed, in;
	struct views views;
	struct view next;
	int rc = views_read(sites, *mask, &views, err);

	if (rc < 0)
		return rc;
	*mask &= replica_sites_up(sites);
	rc = replica_policy_check(sites, *mask, err);
	if (rc < 0)
		return rc;
	if (!(views_serving(&views, sites) & *mask))
		return views_nobody_current(sites, err);
	missed = sites->members & ~(*mask | excused);
	in = missed & ~marked(&views.all, sites, VIEW_OUT);
	if (!in && told(&views, sites, *mask, missed))
		return 0;
	next = views.all;
	mark(&next, sites, in, VIEW_OUT);
	rc = make_known(sites, *mask, &next, &views, err);
	return rc == 0 || rc == -ERR_CHANGED ? 1 : rc;
}

int views_leave_out(struct replica_sites *sites, uint32_t *mask, uint32_t excused, struct err *err)
{
	int rc = 1;

	/* With everybody there nobody missed it, and nobody needs to be asked. */
	for (int i = 0; i < TRIES && rc == 1; i++)
		rc = (*mask | excused) == sites->members ? 0 : leave_out(sites, mask, excused, err);
	return rc == 1 ? others_keep(sites, err) : rc;
}

/* What there is can be learned of somebody who missed nothing; or of all together, when two writers who did not reach
 * each other's members left everybody out. */
static bool knows_all(const struct replica_sites *sites, uint32_t current)
{
	return current || replica_sites_up(sites) == sites->members;
}

/* 0: nobody has to; 1: look again; 2: they have. */
static int join(struct replica_sites *sites, uint32_t mask, struct views *ret, struct err *err)
{
	uint32_t up, current, out;
	struct view next;
	int rc = views_read(sites, UINT32_MAX, ret, err);

	if (rc < 0)
		return rc;
	up = replica_sites_up(sites);
	current = views_current(ret, sites);
	out = up & mask & ~current;
	if (!out)
		return 0;
	if (!knows_all(sites, current))
		return views_nobody_current(sites, err);
	/* Whom others bring up to date already stays as it is. */
	if (!(out & ~marked(&ret->all, sites, VIEW_JOINING)) && told(ret, sites, up, out))
		return 2;
	next = ret->all;
	mark(&next, sites, out & ~marked(&ret->all, sites, VIEW_JOINING), VIEW_JOINING);
	rc = make_known(sites, up, &next, ret, err);
	return rc == 0 || rc == -ERR_CHANGED ? 1 : rc;
}

int views_join(struct replica_sites *sites, uint32_t mask, struct views *ret, struct err *err)
{
	int rc = 1;

	for (int i = 0; i < TRIES && rc == 1; i++)
		rc = join(sites, mask, ret, err);
	return rc == 1 ? others_keep(sites, err) : rc < 0 ? rc : rc == 2;
}

/* Those that are away may have taken writes by themselves, whose takers left out all who are here, and nobody here was
 * told: one that missed nothing, as far as anybody here knows, is enough to permit it, and all of them count as takers. */
static int check_away(const struct replica_sites *sites, const struct views *views, struct err *err)
{
	uint32_t away = sites->members & ~replica_sites_up(sites);

	if (!(away & marked(&views->all, sites, VIEW_CURRENT)) || replica_policy_check(sites, away, NULL) < 0)
		return 0;
	return err_set(err, ERR_STALE, "%d members of '%s' that are away may have taken writes by themselves",
		       __builtin_popcount(away), sites->set->name);
}

int views_admit(struct replica_sites *sites, const struct views *joined, uint32_t mask, struct err *err)
{
	struct views views;
	struct view next;
	int rc = views_read(sites, UINT32_MAX, &views, err);

	mask &= marked(&joined->all, sites, VIEW_JOINING) & replica_sites_up(sites);
	if (rc < 0 || !mask)
		return rc;
	if (!knows_all(sites, views_current(&views, sites)))
		return views_nobody_current(sites, err);
	rc = check_away(sites, &views, err);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < sites->count; i++)
		if ((mask & 1u << i) && !same(view_mark_of(&views.all, sites->sites[i].of->name),
					      view_mark_of(&joined->all, sites->sites[i].of->name)))
			return others_keep(sites, err);
	next = views.all;
	mark(&next, sites, mask, VIEW_CURRENT);
	rc = make_known(sites, replica_sites_up(sites), &next, &views, err);
	if (rc == 0)
		log_info("replica", "%d more members of '%s' are up to date", __builtin_popcount(mask), sites->set->name);
	return rc;
}

/* Those who are given up come back like others that missed something. */
static void give_up(struct view *view, const struct replica_sites *sites, uint32_t for_whom)
{
	mark(view, sites, marked(view, sites, VIEW_CURRENT) & sites->members & ~replica_sites_up(sites), VIEW_OUT);
	mark(view, sites, for_whom, VIEW_CURRENT);
}

int views_accept_loss(struct replica_sites *sites, uint32_t mask, struct err *err)
{
	int rc = -ERR_CHANGED;

	for (int i = 0; i < TRIES && rc == -ERR_CHANGED; i++) {
		struct views views;
		struct view next;

		rc = views_read(sites, UINT32_MAX, &views, err);
		mask &= replica_sites_up(sites);
		next = views.all;
		if (rc < 0 || !mask)
			return rc;
		give_up(&next, sites, mask);
		rc = make_known(sites, replica_sites_up(sites), &next, &views, err);
	}
	return rc;
}
