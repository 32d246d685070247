/* SPDX-License-Identifier: Apache-2.0 */
/* applications - what processes that use groups have counted, as a document. */
#ifndef CMD_STATUS_APPLICATIONS_H
#define CMD_STATUS_APPLICATIONS_H

#include <stdbool.h>

#include "base/own.h"
#include "json/type.h"

struct err;

/* Of a histogram: those of these that were below so many microseconds, and not in the one before. */
struct application_time {
	int64_t below_us, count;
};
struct application_outcome {
	unsigned outcome;
	int64_t count;
};

/* What is counted of calls; figures of times are -1 when there was none. */
struct application_calls {
	struct application_outcome *outcomes;
	size_t n_outcomes;
	struct application_time *times;
	size_t n_times;
};

struct application_member {
	char *name;
	unsigned role, state;
	char *since, *reason, *rv;
	int64_t calls, failed, failovers, cuts, outages;
	double p50_ms, p99_ms;
	struct application_calls counted;
};

struct application_event {
	char *at, *code, *event, *member, *reason, *rv;
};

struct application {
	char *program;
	int64_t pid;
	char *user;
	int64_t uid;
	char *group, *serial;
	unsigned state;
	char *began, *last_call;
	bool logged_in;
	int64_t sessions, sessions_opened;
	int64_t calls, failed, refused, failovers, replays, poisoned;
	double p50_ms, p99_ms;
	int64_t up, of;
	char *last_event;
	struct application_calls counted;
	struct application_member *members;
	size_t n_members;
	struct application_event *events;
	size_t n_events;
};

struct application_place {
	char *folder;
	unsigned state;
	int64_t files, refused;
	bool more;
};

/* schema "applications"; all owned */
struct applications {
	struct application *applications, *ended;
	size_t n_applications, n_ended;
	struct application_place *places;
	size_t n_places;
};
extern const struct json_type applications_type;

static inline void applications_release(struct applications *applications)
{
	json_release(&applications_type, applications);
}
OWN_DEFINE_RELEASE(applications)

/* group NULL: of all. ret is zeroed by the caller. */
int applications_read(const char *store, const char *group, struct applications *ret, struct err *err);

#endif
