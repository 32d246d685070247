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
#include <stdint.h>

/* One of several things that go on at once. */
enum observer_state { OBSERVER_WAITING, OBSERVER_RUNNING, OBSERVER_DONE, OBSERVER_FAILED };
struct observer_item {
	const char *subject;	/* "dedicated HSM hsm-east-1" */
	const char *what;	/* "Configuring the device..." */
	enum observer_state state;
	int64_t elapsed_ms;	/* since it began; of its whole time when it ended */
};

struct observer {
	/* subject ("hsm-east-1") is now doing what ("starting"); done of total
	 * steps of the whole are finished, total 0 = not known. */
	void (*step)(struct observer *o, const char *subject, const char *what,
		     size_t done, size_t total);
	/* All that goes on, in the same order each time: called when something changed and
	 * about once a second. May be NULL. */
	void (*board)(struct observer *o, const struct observer_item *items, size_t n);
	/* Something a person should know, once. */
	void (*note)(struct observer *o, const char *text);
};

void observer_step(struct observer *o, const char *subject, const char *what,
		   size_t done, size_t total);
void observer_board(struct observer *o, const struct observer_item *items, size_t n);
void observer_note(struct observer *o, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
