/* SPDX-License-Identifier: Apache-2.0 */
/*
 * observer - how rooms below report progress without knowing a terminal.
 *
 * A function that takes long accepts an observer (may be NULL). Calls come
 * from one thread at a time.
 */
#ifndef BASE_OBSERVER_H
#define BASE_OBSERVER_H

#include <stddef.h>

struct observer {
	/* subject ("hsm-east-1") is now doing what ("starting"); done of total
	 * steps of the whole are finished, total 0 = not known. */
	void (*step)(struct observer *o, const char *subject, const char *what,
		     size_t done, size_t total);
	/* Something a person should know, once. */
	void (*note)(struct observer *o, const char *text);
};

void observer_step(struct observer *o, const char *subject, const char *what,
		   size_t done, size_t total);
void observer_note(struct observer *o, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
