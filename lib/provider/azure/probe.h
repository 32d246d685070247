/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe - looking at a device from this host: ports, and questions that may never end.
 *
 * Everything is looked at at once, and ends early when the command is cancelled.
 */
#ifndef PROVIDER_AZURE_PROBE_H
#define PROVIDER_AZURE_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "provider/inventory.h"

struct err;

struct azure_port {
	const char *address;	/* in digits, borrowed */
	uint16_t port;
	const char *greeting;	/* how its peer begins to talk ("SSH-"): on the way there some things take
				 * any connection; NULL = one that speaks when it is spoken to */
	bool answers;
};

/* Connect to each, hear its greeting and hang up. Refused, out of reach and silent are one: no answer
 * within limit_ms. A negative code only when cancelled or without memory. */
int azure_ports_probe(struct azure_port *ports, size_t n, int64_t limit_ms, struct err *err);

/*
 * A question asked in a process of its own: a resolver or a vendor's library may wait for as long as it
 * likes, print, or crash. It is open when no answer came in time, unknown when it could not be asked.
 */
struct azure_question {
	enum inventory_done (*ask)(const void *data);	/* NULL: not asked, unknown */
	const void *data;				/* borrowed */
	int64_t limit_ms;
	enum inventory_done answer;

	/* the two functions' own */
	pid_t pid;
	int fd;
	int64_t until_ms;
};

/* Between the two other things can be looked at. Every begun question has to be awaited. While others
 * run in this process its locks may be held for ever in the new one: begin with no other thread. */
void azure_questions_begin(struct azure_question *questions, size_t n);
int azure_questions_await(struct azure_question *questions, size_t n, struct err *err);

#endif
