/* SPDX-License-Identifier: Apache-2.0 */
/* The table of events. */
#include "base/event.h"

#include <stdarg.h>
#include <stdio.h>

static const struct {
	const char *code, *room;
	enum log_level level;
	const char *text;
} events[EVENT_MAX] = {
	[EVENT_NONE] = {"-", "", LOG_LEVEL_DEBUG, ""},
	[EVENT_MEMBER_DOWN] = {"HA001", "ha", LOG_LEVEL_ERROR, "a member is down: it is not asked any more, but tried again"},
	[EVENT_MEMBER_UP] = {"HA002", "ha", LOG_LEVEL_INFO, "a member serves again"},
	[EVENT_MEMBER_BEHIND] = {"HA003", "ha", LOG_LEVEL_ERROR,
				 "a member missed writes that others took, and is brought up to date before it serves"},
	[EVENT_POISON] = {"HA004", "ha", LOG_LEVEL_ERROR,
			  "two members ended over a request, which this process does not send again"},
	[EVENT_FAILOVER] = {"HA005", "ha", LOG_LEVEL_INFO,
			    "a call went on to another member; told once for each time that a member is down"},
	[EVENT_GROUP_CHANGED] = {"HA006", "ha", LOG_LEVEL_INFO, "the group has other members now, as the fleet document says"},
	[EVENT_PIN_REFUSED] = {"HA007", "ha", LOG_LEVEL_ERROR, "a member refused the PIN that the application logged in with"},
	[EVENT_NOBODY_LEFT] = {"HA008", "ha", LOG_LEVEL_ERROR,
			       "no member could answer a call; told once until one serves again"},
	[EVENT_CHANGE_UNREAD] = {"HA009", "ha", LOG_LEVEL_ERROR,
				 "not all that changed in the fleet document is taken up"},
	[EVENT_STORE_UNREAD] = {"SL001", "slot", LOG_LEVEL_ERROR, "the store or bundle cannot be used: C_Initialize fails"},
	[EVENT_GROUP_UNOPENED] = {"SL002", "slot", LOG_LEVEL_ERROR, "a group cannot be opened: its slot answers with errors"},
	[EVENT_ARGUMENTS] = {"SL003", "slot", LOG_LEVEL_ERROR, "the application gave C_Initialize an argument that is not valid"},
	[EVENT_GROUP_REPLACED] = {"SL004", "slot", LOG_LEVEL_INFO,
				  "a group was deleted, or made again: what runs on the one before ends"},
	[EVENT_SLOTS_STAY] = {"SL005", "slot", LOG_LEVEL_ERROR, "the fleet document changed and cannot be used: slots stay as they were"},
	[EVENT_NO_STATISTICS] = {"ST001", "stats", LOG_LEVEL_INFO,
				 "no folder takes the statistics of this process: hsmctl status --applications does not show it"},
};

const char *event_code(enum event event)
{
	return event < EVENT_MAX ? events[event].code : "-";
}

const char *event_text(enum event event)
{
	return event < EVENT_MAX ? events[event].text : "";
}

const char *event_room(enum event event)
{
	return event < EVENT_MAX ? events[event].room : "";
}

enum log_level event_level(enum event event)
{
	return event < EVENT_MAX ? events[event].level : LOG_LEVEL_DEBUG;
}

void event_log(enum event event, const char *fmt, ...)
{
	char text[700];
	va_list ap;

	if (!log_wants(event_level(event), event_room(event)))
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_write(event_level(event), event_room(event), "%s %s", event_code(event), text);
}
