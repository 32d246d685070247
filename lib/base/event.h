/* SPDX-License-Identifier: Apache-2.0 */
/*
 * event - what may happen to an application's group, by codes that stay what they are.
 *
 * A line of the log that tells of one carries its code, so that whoever watches logs looks for "HA001" and for no
 * wording. One table (event.c) has them all: the log, statistics and hsmctl(1) read it. A code is never given another
 * meaning, and never used again.
 */
#ifndef BASE_EVENT_H
#define BASE_EVENT_H

#include "base/log.h"

enum event {
	EVENT_NONE,
	EVENT_MEMBER_DOWN,
	EVENT_MEMBER_UP,
	EVENT_MEMBER_BEHIND,
	EVENT_POISON,
	EVENT_FAILOVER,
	EVENT_GROUP_CHANGED,
	EVENT_PIN_REFUSED,
	EVENT_NOBODY_LEFT,
	EVENT_CHANGE_UNREAD,
	EVENT_STORE_UNREAD,
	EVENT_GROUP_UNOPENED,
	EVENT_ARGUMENTS,
	EVENT_GROUP_REPLACED,
	EVENT_SLOTS_STAY,
	EVENT_NO_STATISTICS,
	EVENT_MAX
};

/* "HA001"; "-" for what is none. */
const char *event_code(enum event event);
/* One line that says what it means, for hsmctl(1). */
const char *event_text(enum event event);
/* Who tells of it, and how loudly. */
const char *event_room(enum event event);
enum log_level event_level(enum event event);

/* Into the log, with its code before it. */
void event_log(enum event event, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
