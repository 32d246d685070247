/* SPDX-License-Identifier: Apache-2.0 */
/*
 * poller - an operation while it is waited for. Private to lib/azure.
 *
 * Seconds are those that were asked for, whatever a stand-in scales them to: limits mean the
 * same for both.
 */
#ifndef AZURE_POLLER_H
#define AZURE_POLLER_H

#include "azure/arm_private.h"

/* Seconds in which what has just begun may not be known everywhere. */
enum { POLLER_FRESH = 60 };

struct poller {
	struct arm *arm;
	struct arm_operation *op;
	struct arm_watch *watch;	/* NULL = nobody */
	char what[ARM_WHAT];
	char state[64];			/* the last one told */
	double interval, limit;
	double waited;			/* in all */
	double fresh_until;		/* of waited: until then 404 means not yet */
	double pause;			/* before the next poll */
	unsigned troubles, silent;	/* in a row */
	bool moved;			/* ARM_GONE: it was seen in the middle of something */
	struct json_tree *result;
};

/* What a poll tells; NULL = not said. */
void poller_tell(struct poller *poller, const char *state, const char *message);
/* The same of what a body says, where it says anything. */
void poller_tell_body(struct poller *poller, const struct json_tree *body);

/* Is what is polled a URL of the operation's own, not the resource? */
bool poller_has_url(const struct poller *poller);
/* From here on another place says how it goes, and is asked at once. Returns 0. */
int poller_ask_instead(struct poller *poller, enum arm_poll poll);

/* 1 = that was the end, 0 = go on. */
int poller_read_first(struct poller *poller, struct err *err);	/* ARM_DONE */
int poller_read(struct poller *poller, struct http_answer *answer, struct err *err);	/* 2xx */

#endif
