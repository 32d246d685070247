/* SPDX-License-Identifier: Apache-2.0 */
/* From files of statistics to the document. */
#include "status/applications.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/event.h"
#include "base/mem.h"
#include "base/str.h"
#include "fleet/fleet.h"
#include "p11/rv.h"
#include "stats/folder.h"
#include "stats/places.h"
#include "stats/stats.h"

static const char *const outcome_names[] = {"done", "member", "caller", "credential", "busy", "session", "handle",
					    "ambiguous", "link", NULL};
static const char *const member_states[] = {"up", "down", "behind", NULL};
static const char *const life_names[] = {"running", "ended", "elsewhere", NULL};
enum { PLACE_READ, PLACE_ABSENT, PLACE_DENIED };
static const char *const place_states[] = {"read", "absent", "denied", NULL};
_Static_assert(sizeof(outcome_names) / sizeof(outcome_names[0]) == STATS_OUTCOMES + 1, "a name for each");

static const struct json_field outcome_fields[] = {
	JSON_F_ENUM(struct application_outcome, outcome, JSON_REQUIRED, outcome_names,
		    "done; whose fault it was; handle, session: asked again; ambiguous: a code that may mean anything; "
		    "link: no answer"),
	JSON_F_INT(struct application_outcome, count, JSON_REQUIRED, 0, INT64_MAX, "how many"),
	JSON_F_END
};
static const struct json_type outcome_type = {
	.summary = "How calls ended", .size = sizeof(struct application_outcome), .fields = outcome_fields,
};
static const struct json_field time_fields[] = {
	JSON_F_INT(struct application_time, below_us, JSON_REQUIRED, 0, INT64_MAX,
		   "less than so many microseconds, not less than half of it; of the last one: or more"),
	JSON_F_INT(struct application_time, count, JSON_REQUIRED, 0, INT64_MAX, "how many"),
	JSON_F_END
};
static const struct json_type time_type = {
	.summary = "How long calls took", .size = sizeof(struct application_time), .fields = time_fields,
};
static const struct json_field calls_fields[] = {
	JSON_F_LIST(struct application_calls, outcomes, 0, outcome_type, "how they ended"),
	JSON_F_LIST(struct application_calls, times, 0, time_type, "how long they took"),
	JSON_F_END
};
static const struct json_type calls_type = {
	.summary = "Calls", .size = sizeof(struct application_calls), .fields = calls_fields,
};
static const struct json_field member_fields[] = {
	JSON_F_STRING(struct application_member, name, JSON_REQUIRED | JSON_COLUMN, "the member"),
	JSON_F_ENUM(struct application_member, role, JSON_REQUIRED, fleet_role_names, "its role"),
	JSON_F_ENUM(struct application_member, state, JSON_REQUIRED, member_states,
		    "as this process sees it; behind: it missed writes"),
	JSON_F_STRING(struct application_member, since, JSON_NULLABLE, "when it became so"),
	JSON_F_STRING(struct application_member, reason, JSON_NULLABLE, "why: a code of errors"),
	JSON_F_STRING(struct application_member, rv, JSON_NULLABLE, "return value of its token that was the reason"),
	JSON_F_INT(struct application_member, calls, 0, 0, INT64_MAX, "that it was asked"),
	JSON_F_INT(struct application_member, failed, 0, 0, INT64_MAX, "of these: for its own reasons"),
	JSON_F_INT(struct application_member, failovers, 0, 0, INT64_MAX, "calls that went on to another member, for this one failed"),
	JSON_F_INT(struct application_member, cuts, 0, 0, INT64_MAX, "links that were cut, for its silence most of the time"),
	JSON_F_INT(struct application_member, outages, 0, 0, INT64_MAX, "how often it went down"),
	JSON_F_NUMBER(struct application_member, p50_ms, JSON_NULLABLE, "half of its calls took less"),
	JSON_F_NUMBER(struct application_member, p99_ms, JSON_NULLABLE, "99 of 100 took less"),
	JSON_F_OBJECT(struct application_member, counted, 0, calls_type, "its calls"),
	JSON_F_END
};
static const struct json_type member_type = {
	.summary = "A member, as a process sees it", .size = sizeof(struct application_member), .fields = member_fields,
};
static const struct json_field event_fields[] = {
	JSON_F_STRING(struct application_event, at, JSON_REQUIRED, "when"),
	JSON_F_STRING(struct application_event, code, JSON_REQUIRED | JSON_COLUMN, "its code, as hsmctl(1) lists them"),
	JSON_F_STRING(struct application_event, event, JSON_REQUIRED, "what it means"),
	JSON_F_STRING(struct application_event, member, JSON_NULLABLE, "of this member"),
	JSON_F_STRING(struct application_event, reason, JSON_NULLABLE, "why: a code of errors"),
	JSON_F_STRING(struct application_event, rv, JSON_NULLABLE, "return value of a token that was the reason"),
	JSON_F_END
};
static const struct json_type event_type = {
	.summary = "Something that happened", .size = sizeof(struct application_event), .fields = event_fields,
};
static const struct json_field application_fields[] = {
	JSON_F_STRING(struct application, program, JSON_REQUIRED | JSON_COLUMN, "name of the process, as ps knows it"),
	JSON_F_INT(struct application, pid, JSON_REQUIRED | JSON_COLUMN, 0, INT64_MAX, "its number"),
	JSON_F_STRING(struct application, user, JSON_REQUIRED | JSON_COLUMN | JSON_WIDE, "whose file it is"),
	JSON_F_INT(struct application, uid, 0, 0, INT64_MAX, "the user's number"),
	JSON_F_STRING(struct application, group, JSON_REQUIRED | JSON_COLUMN, "the group that it uses"),
	JSON_F_STRING(struct application, serial, JSON_NULLABLE, "of the group's token"),
	JSON_F_ENUM(struct application, state, JSON_REQUIRED | JSON_COLUMN | JSON_WIDE, life_names,
		    "of the process; elsewhere: in a container of its own, where it cannot be looked at"),
	JSON_F_STRING(struct application, began, JSON_NULLABLE, "when it began to use the group"),
	JSON_F_STRING(struct application, last_call, JSON_NULLABLE, "when it did so last"),
	JSON_F_BOOL(struct application, logged_in, 0, "has it logged in?"),
	JSON_F_INT(struct application, sessions, 0, 0, INT64_MAX, "open sessions that used the group"),
	JSON_F_INT(struct application, sessions_opened, 0, 0, INT64_MAX, "that there ever were"),
	JSON_F_INT(struct application, calls, JSON_COLUMN, 0, INT64_MAX, "of the application, that members were asked for"),
	JSON_F_INT(struct application, failed, JSON_COLUMN, 0, INT64_MAX, "of these: that ended with an error of the group"),
	JSON_F_INT(struct application, refused, 0, 0, INT64_MAX, "of these: with an error of the caller's"),
	JSON_F_INT(struct application, failovers, JSON_COLUMN, 0, INT64_MAX, "how often a call went on to another member"),
	JSON_F_INT(struct application, replays, 0, 0, INT64_MAX, "operations in parts that were put on another member"),
	JSON_F_INT(struct application, poisoned, 0, 0, INT64_MAX, "requests that are not sent again, since members ended over them"),
	JSON_F_NUMBER(struct application, p50_ms, JSON_NULLABLE | JSON_COLUMN | JSON_WIDE, "half of the calls took less"),
	JSON_F_NUMBER(struct application, p99_ms, JSON_NULLABLE | JSON_COLUMN | JSON_WIDE, "99 of 100 took less"),
	JSON_F_INT(struct application, up, JSON_COLUMN, 0, INT64_MAX, "members that it uses"),
	JSON_F_INT(struct application, of, JSON_COLUMN | JSON_WIDE, 0, INT64_MAX, "members that the group has"),
	JSON_F_STRING(struct application, last_event, JSON_NULLABLE | JSON_COLUMN, "code of the newest event, and its member"),
	JSON_F_OBJECT(struct application, counted, 0, calls_type, "the calls"),
	JSON_F_LIST(struct application, members, 0, member_type, "the members"),
	JSON_F_LIST(struct application, events, 0, event_type, "the newest events, the oldest of them first"),
	JSON_F_END
};
static const struct json_type application_type = {
	.summary = "A process that uses a group", .size = sizeof(struct application), .fields = application_fields,
};
static const struct json_field place_fields[] = {
	JSON_F_STRING(struct application_place, folder, JSON_REQUIRED | JSON_COLUMN, "where files were looked for"),
	JSON_F_ENUM(struct application_place, state, JSON_REQUIRED | JSON_COLUMN, place_states,
		    "denied: this user may not look into it"),
	JSON_F_INT(struct application_place, files, JSON_COLUMN, 0, INT64_MAX, "that were read"),
	JSON_F_INT(struct application_place, refused, JSON_COLUMN, 0, INT64_MAX, "that are no statistics, or of another version"),
	JSON_F_BOOL(struct application_place, more, JSON_OMIT, "there are more than were read"),
	JSON_F_END
};
static const struct json_type place_type = {
	.summary = "A folder of statistics", .size = sizeof(struct application_place), .fields = place_fields,
};
static const struct json_field fields[] = {
	JSON_F_LIST(struct applications, applications, JSON_COLUMN, application_type, "processes that run"),
	JSON_F_LIST(struct applications, ended, JSON_COLUMN, application_type, "that did not end in good order"),
	JSON_F_LIST(struct applications, places, JSON_COLUMN, place_type, "where they were looked for"),
	JSON_F_END
};
const struct json_type applications_type = {
	.schema = "applications", .summary = "What applications have counted", .size = sizeof(struct applications),
	.fields = fields,
};

/* ---- figures ---- */

static int64_t sum_of(const struct stats_calls *calls, unsigned outcomes)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < STATS_OUTCOMES; i++)
		sum += outcomes & 1u << i ? calls->outcomes[i] : 0;
	return (int64_t)sum;
}

/* What is the caller's own affair; the rest, but for what was done, is the group's or the member's. */
enum {
	CALLERS = 1u << STATS_CALLER | 1u << STATS_CREDENTIAL | 1u << STATS_HANDLE,
	FAILED = ((1u << STATS_OUTCOMES) - 1) & ~(unsigned)CALLERS & ~(1u << STATS_DONE),
};

/* Three digits are more than the parts of a histogram tell. */
static double figure(const struct stats_calls *calls, double share)
{
	char text[32];

	snprintf(text, sizeof(text), "%.3g", stats_share_ms(calls->times, share));
	return strtod(text, NULL);
}

static int add_calls(const struct stats_calls *from, struct application_calls *ret, struct err *err)
{
	for (unsigned i = 0; i < STATS_OUTCOMES; i++) {
		struct application_outcome *o = from->outcomes[i] ? json_append(&ret->outcomes, &ret->n_outcomes, sizeof(*o)) : NULL;

		if (from->outcomes[i] && !o)
			return err_no_memory(err);
		if (o)
			*o = (struct application_outcome){i, (int64_t)from->outcomes[i]};
	}
	for (size_t i = 0; i < STATS_BUCKETS; i++) {
		struct application_time *t = from->times[i] ? json_append(&ret->times, &ret->n_times, sizeof(*t)) : NULL;

		if (from->times[i] && !t)
			return err_no_memory(err);
		if (t)
			*t = (struct application_time){(int64_t)stats_bucket_us(i), (int64_t)from->times[i]};
	}
	return 0;
}

/* ---- texts ---- */

static int set_time(char **ret, int64_t utc_ms, struct err *err)
{
	char text[CLOCK_TEXT];

	clock_format(utc_ms, text);
	return utc_ms ? fleet_set(ret, text, err) : 0;
}

static int set_reason(char **ret, char **ret_rv, unsigned error, uint64_t rv, struct err *err)
{
	int rc = error ? fleet_set(ret, err_code_name(error), err) : 0;

	return rc == 0 && rv ? fleet_set(ret_rv, p11_rv_name((CK_RV)rv), err) : rc;
}

static int set_user(char **ret, uid_t uid, struct err *err)
{
	const struct passwd *user = getpwuid(uid);
	char number[16];

	snprintf(number, sizeof(number), "%u", (unsigned)uid);
	return fleet_set(ret, user ? user->pw_name : number, err);
}

/* ---- members and events ---- */

static int add_member(const struct stats_member *from, struct application *application, struct err *err)
{
	struct application_member *m = json_append(&application->members, &application->n_members, sizeof(*m));
	int rc = m ? fleet_set(&m->name, from->name, err) : err_no_memory(err);

	if (rc == 0)
		rc = set_time(&m->since, from->since_ms, err);
	if (rc == 0)
		rc = set_reason(&m->reason, &m->rv, from->error, from->rv, err);
	if (rc == 0)
		rc = add_calls(&from->calls, &m->counted, err);
	if (rc < 0)
		return rc;
	m->role = from->role;
	m->state = from->state;
	m->calls = sum_of(&from->calls, ~0u);
	m->failed = sum_of(&from->calls, FAILED);
	m->failovers = (int64_t)from->failovers;
	m->cuts = (int64_t)from->cuts;
	m->outages = (int64_t)from->outages;
	m->p50_ms = figure(&from->calls, 0.5);
	m->p99_ms = figure(&from->calls, 0.99);
	application->failovers += m->failovers;
	application->up += m->state == STATS_UP;
	application->of++;
	return 0;
}

static const char *member_of(const struct stats_file *file, const struct stats_change *c)
{
	return c->member < STATS_MEMBERS ? file->members[c->member].name : NULL;
}

static int add_event(const struct stats_file *file, const struct stats_change *from, struct application *application,
		     struct err *err)
{
	struct application_event *e = json_append(&application->events, &application->n_events, sizeof(*e));
	int rc = e ? fleet_set(&e->code, event_code(from->event), err) : err_no_memory(err);

	if (rc == 0)
		rc = set_time(&e->at, from->at_ms ? from->at_ms : 1, err);
	if (rc == 0)
		rc = fleet_set(&e->event, event_text(from->event), err);
	if (rc == 0)
		rc = fleet_set(&e->member, member_of(file, from), err);
	return rc < 0 ? rc : set_reason(&e->reason, &e->rv, from->error, from->rv, err);
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = ((const struct stats_change *)a)->number, y = ((const struct stats_change *)b)->number;

	return x < y ? -1 : x > y;
}

static int add_events(const struct stats_file *file, struct application *application, struct err *err)
{
	struct stats_change changes[STATS_CHANGES];
	const struct stats_change *last = &changes[STATS_CHANGES - 1];
	const char *member;
	int rc = 0;

	memcpy(changes, file->changes, sizeof(changes));
	qsort(changes, STATS_CHANGES, sizeof(changes[0]), by_number);
	for (size_t i = 0; rc == 0 && i < STATS_CHANGES; i++)
		if (changes[i].number)
			rc = add_event(file, &changes[i], application, err);
	if (rc < 0 || !last->number)
		return rc;
	member = member_of(file, last);
	application->last_event = mem_printf("%s%s%s", event_code(last->event), member ? " " : "", member ? member : "");
	return application->last_event ? 0 : err_no_memory(err);
}

/* ---- processes ---- */

static int set_process(const struct stats_entry *entry, struct application *ret, struct err *err)
{
	const struct stats_file *file = &entry->file;
	int rc = fleet_set(&ret->program, *file->program ? file->program : "?", err);

	if (rc == 0)
		rc = set_user(&ret->user, entry->uid, err);
	if (rc == 0)
		rc = fleet_set(&ret->group, file->group, err);
	if (rc == 0 && *file->serial)
		rc = fleet_set(&ret->serial, file->serial, err);
	if (rc == 0)
		rc = set_time(&ret->began, file->began_ms, err);
	if (rc == 0)
		rc = set_time(&ret->last_call, entry->last_ms, err);
	ret->pid = file->pid;
	ret->uid = entry->uid;
	ret->state = entry->life;
	ret->logged_in = file->logged_in;
	ret->sessions = file->sessions;
	ret->sessions_opened = (int64_t)file->sessions_opened;
	ret->replays = (int64_t)file->replays;
	ret->poisoned = (int64_t)file->poisoned;
	return rc;
}

static int set_calls(const struct stats_calls *from, struct application *ret, struct err *err)
{
	ret->calls = sum_of(from, ~0u);
	ret->failed = sum_of(from, FAILED);
	ret->refused = sum_of(from, CALLERS);
	ret->p50_ms = figure(from, 0.5);
	ret->p99_ms = figure(from, 0.99);
	return add_calls(from, &ret->counted, err);
}

struct walk {
	const char *group;	/* NULL: all */
	struct applications *ret;
};

static int add(void *data, const struct stats_entry *entry, struct err *err)
{
	const struct walk *walk = data;
	struct applications *all = walk->ret;
	struct application *a;
	bool over = entry->life == STATS_ENDED;
	int rc;

	/* It ended in good order, but could not take its file away. */
	if (entry->file.ended_ms || (walk->group && !str_eq(walk->group, entry->file.group)))
		return 0;
	a = json_append(over ? &all->ended : &all->applications, over ? &all->n_ended : &all->n_applications, sizeof(*a));
	rc = a ? set_process(entry, a, err) : err_no_memory(err);
	if (rc == 0)
		rc = set_calls(&entry->file.calls, a, err);
	for (size_t i = 0; rc == 0 && i < STATS_MEMBERS; i++)
		if (entry->file.members[i].there)
			rc = add_member(&entry->file.members[i], a, err);
	return rc < 0 ? rc : add_events(&entry->file, a, err);
}

/* ---- the document ---- */

static int by_name(const void *a, const void *b)
{
	const struct application *x = a, *y = b;
	int names = strcmp(x->program, y->program);

	return names ? names : x->pid < y->pid ? -1 : x->pid > y->pid ? 1 : strcmp(x->group, y->group);
}

static void sort(struct application *list, size_t count)
{
	if (count)
		qsort(list, count, sizeof(*list), by_name);
}

static int read_place(const char *folder, struct walk *walk, struct err *err)
{
	struct application_place *place = json_append(&walk->ret->places, &walk->ret->n_places, sizeof(*place));
	struct stats_folder found;
	int rc = place ? fleet_set(&place->folder, folder, err) : err_no_memory(err);

	if (rc == 0)
		rc = stats_each(folder, add, walk, &found, err);
	if (rc < 0)
		return rc;
	place->state = found.there ? PLACE_READ : found.denied ? PLACE_DENIED : PLACE_ABSENT;
	place->files = (int64_t)found.files;
	place->refused = (int64_t)found.refused;
	place->more = found.more;
	return 0;
}

int applications_read(const char *store, const char *group, struct applications *ret, struct err *err)
{
	struct stats_place places[STATS_PLACES];
	struct walk walk = {group, ret};
	size_t count = stats_places(store, false, places);
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = read_place(places[i].path, &walk, err);
	sort(ret->applications, ret->n_applications);
	sort(ret->ended, ret->n_ended);
	return rc;
}
