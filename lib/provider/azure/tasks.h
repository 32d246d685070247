/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tasks - work that depends on other work, as much of it at once as that allows.
 *
 * Every task runs in a thread of its own as soon as all it needs is done, up to 64 at once. When one
 * fails, what needs it is left out and everything else goes on: an hour's work is not
 * thrown away for one mistake. When the command is cancelled nothing new begins.
 */
#ifndef PROVIDER_AZURE_TASKS_H
#define PROVIDER_AZURE_TASKS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/observer.h"

enum { TASK_TEXT = 120 };

struct tasks;

struct task {
	const char *label;		/* for people; borrowed, as the next three */
	const size_t *needs;		/* positions in the list */
	size_t n_needs;
	void *data;
	/* In a thread of its own. */
	int (*run)(struct task *task, struct err *err);
	/* In the caller's thread when run succeeded: what must not happen at once. May be NULL. */
	int (*done)(struct task *task, struct err *err);

	/* tasks_run()'s own */
	struct tasks *tasks;
	pthread_t thread;
	enum observer_state state;
	bool left_out;			/* something it needs failed */
	bool ran;
	int64_t began_ms, ended_ms;
	char text[TASK_TEXT];
	struct err err;
};

/* Run them all and show them to observer (may be NULL). The first error in the order of the list
 * (a cancel code before all others); every other one is told as a note. */
int tasks_run(struct task *tasks, size_t n, struct observer *observer, struct err *err);

/* What the task is doing now; from its thread. */
void task_say(struct task *task, const char *text);

#endif
