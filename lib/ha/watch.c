/* SPDX-License-Identifier: Apache-2.0 */
/* What happens to a group, told to the log and counted for whoever looks (stats/stats.h). */
#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"
#include "ha/internal.h"
#include "member/member.h"
#include "p11/rv.h"
#include "stats/stats.h"

_Static_assert((int)STATS_MEMBERS == (int)SET_MAX, "a row for each member");
_Static_assert((int)STATS_DONE == (int)P11_DONE && (int)STATS_MEMBER == (int)P11_MEMBER &&
	       (int)STATS_CALLER == (int)P11_CALLER && (int)STATS_CREDENTIAL == (int)P11_CREDENTIAL &&
	       (int)STATS_BUSY == (int)P11_BUSY && (int)STATS_SESSION == (int)P11_SESSION &&
	       (int)STATS_HANDLE == (int)P11_HANDLE && (int)STATS_AMBIGUOUS == (int)P11_AMBIGUOUS,
	       "outcomes are the classes of return values");

int ha_watch_open(struct ha_group *group, const char *folder, const char *role, const char *serial, struct err *err)
{
	int rc = stats_open(folder, str_eq(role, "application"), group->set->name, serial, &group->stats, err);

	if (rc == 0)
		ha_watch_members(group, 0, false);
	return rc;
}

void ha_watch_members(struct ha_group *group, uint32_t joined, bool changed)
{
	for (size_t i = 0; i < group->set->n_members; i++) {
		const struct replica_member *m = &group->set->members[i];

		if (m->left)
			stats_left(group->stats, i);
		else
			stats_member(group->stats, i, m->name, m->role == FLEET_STANDBY);
		if (joined & 1u << i)
			stats_state(group->stats, i, STATS_BEHIND, ERR_STALE, 0);
	}
	if (!changed)
		return;
	stats_happened(group->stats, EVENT_GROUP_CHANGED, STATS_NOBODY, 0, 0);
	event_log(EVENT_GROUP_CHANGED, "'%s' has %d members now", group->set->name,
		  __builtin_popcount(replica_set_members(group->set)));
}

/* ---- calls ---- */

static enum stats_outcome outcome_of(const struct err *err, CK_RV rv)
{
	if (!err)
		return (enum stats_outcome)p11_rv_class(rv);
	return p11_err_busy(err) ? STATS_BUSY : err->code == ERR_PIN ? STATS_CREDENTIAL : STATS_LINK;
}

int64_t ha_watch_asked(struct ha_group *group, size_t member, const struct member_channel *channel, int64_t from_ns,
		       const struct err *err, CK_RV rv)
{
	int64_t now = clock_now_ns();

	/* Ours is nobody's fault. */
	if (err && err->code == ERR_NO_MEMORY)
		return now;
	stats_asked(group->stats, member, outcome_of(err, rv), from_ns, now);
	/* It did not end the connection: we did. */
	if (err && channel && member_broken(channel) && !member_ended(channel))
		stats_cut(group->stats, member);
	return now;
}

void ha_watch_answered(struct ha_group *group, int64_t from_ns, int64_t to_ns, CK_RV rv)
{
	stats_answered(group->stats, outcome_of(NULL, rv), from_ns, to_ns);
}

void ha_watch_failover(struct ha_group *group, uint32_t *left, size_t to)
{
	for (size_t i = 0; *left && i < group->set->n_members; i++) {
		if (!(*left & 1u << i) || i == to)
			continue;
		stats_failover(group->stats, i);
		if (atomic_fetch_or(&group->told, 1u << i) & 1u << i)
			continue;
		stats_happened(group->stats, EVENT_FAILOVER, i, 0, 0);
		event_log(EVENT_FAILOVER, "a call of '%s' went from '%s' to '%s'", group->set->name,
			  group->set->members[i].name, group->set->members[to].name);
	}
	*left = 0;
}

void ha_watch_replay(struct ha_group *group, uint32_t *left, size_t to)
{
	if (!*left)
		return;
	stats_replayed(group->stats);
	ha_watch_failover(group, left, to);
}

void ha_watch_poison(struct ha_group *group, enum p11_fn fn)
{
	stats_poisoned(group->stats);
	stats_happened(group->stats, EVENT_POISON, STATS_NOBODY, 0, 0);
	event_log(EVENT_POISON, "two members of '%s' ended over a %s: it is not sent again", group->set->name,
		  p11_fn_table[fn].name);
}

void ha_watch_nobody(struct ha_group *group, CK_RV rv)
{
	if (p11_rv_class(rv) != P11_MEMBER || atomic_exchange(&group->told_nobody, true))
		return;
	stats_happened(group->stats, EVENT_NOBODY_LEFT, STATS_NOBODY, 0, rv);
	event_log(EVENT_NOBODY_LEFT, "no member of '%s' could answer a call", group->set->name);
}

/* ---- members ---- */

void ha_watch_down(struct ha_group *group, size_t member, bool was_up, const struct err *why)
{
	bool behind = why->code == ERR_STALE;
	enum event event = behind ? EVENT_MEMBER_BEHIND : EVENT_MEMBER_DOWN;

	if (!was_up) {
		stats_reason(group->stats, member, why->code, why->rv);
		return;
	}
	stats_state(group->stats, member, behind ? STATS_BEHIND : STATS_DOWN, why->code, why->rv);
	stats_happened(group->stats, event, member, why->code, why->rv);
	event_log(event, "member '%s' of '%s' is down: %s", group->set->members[member].name, group->set->name,
		  why->message);
}

void ha_watch_up(struct ha_group *group, size_t member)
{
	atomic_fetch_and(&group->told, ~(1u << member));
	group->told_nobody = false;
	stats_state(group->stats, member, STATS_UP, 0, 0);
	stats_happened(group->stats, EVENT_MEMBER_UP, member, 0, 0);
	event_log(EVENT_MEMBER_UP, "member '%s' of '%s' serves again", group->set->members[member].name, group->set->name);
}

void ha_watch_unread(struct ha_group *group, const struct err *why)
{
	stats_happened(group->stats, EVENT_CHANGE_UNREAD, STATS_NOBODY, why->code, 0);
	event_log(EVENT_CHANGE_UNREAD, "not all that changed in '%s' is taken up: %s", group->set->name, why->message);
}

/* ---- the application ---- */

void ha_watch_login(struct ha_group *group, bool in)
{
	stats_login(group->stats, in);
}

void ha_watch_refused(struct ha_group *group, size_t member, const struct err *why)
{
	if (why->code != ERR_PIN || !p11_pin_refused(why->rv))
		return;
	stats_happened(group->stats, EVENT_PIN_REFUSED, member, why->code, why->rv);
	event_log(EVENT_PIN_REFUSED, "member '%s' of '%s' refused the PIN (%s)", group->set->members[member].name,
		  group->set->name, p11_rv_name(why->rv));
}

void ha_watch_session(struct ha_group *group, bool opened)
{
	stats_session(group->stats, opened);
}

void ha_watch_close(struct ha_group *group)
{
	stats_free(group->stats);
	group->stats = NULL;
}
