/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lock - an advisory lock on a file that names its holder.
 *
 * Held by the kernel (fcntl OFD lock), so it goes when the process does, also
 * by kill -9. The file's text says who, where, since when and doing what; it
 * is for people, never for the decision.
 */
#ifndef BASE_LOCK_H
#define BASE_LOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/own.h"

struct err;
struct lock;
struct observer;

struct lock_request {
	const char *path;
	const char *what;		/* for people: "group 'payments'"; NULL: the path */
	const char *doing;		/* shown to others: "sync payments" */
	int64_t wait_ms;
	struct observer *observer;	/* is told for whom we wait, after a moment; may be NULL */
	bool passing;			/* the file goes with the lock: one of many, most of them taken once */
};

/* Wait up to wait_ms. ERR_LOCKED names the holder. */
int lock_request(const struct lock_request *request, struct lock **ret, struct err *err);
/* The same without frills. */
int lock_take(const char *path, const char *doing, int64_t wait_ms,
	      struct lock **ret, struct err *err);
void lock_free(struct lock *lock);	/* gives it back */
OWN_DEFINE(lock)
/* Give it back as a holder that dies would: a passing file stays where it is. */
void lock_leave(struct lock *lock);

/* Does anybody hold it? Takes and changes nothing. */
bool lock_is_held(const char *path);

#endif
