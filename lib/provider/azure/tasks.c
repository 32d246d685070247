/* SPDX-License-Identifier: Apache-2.0 */
/* Runs tasks in threads as soon as what they need is done. */
#include "provider/azure/tasks.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/own.h"

enum { BOARD_MS = 1000, STACK = 512 << 10, MOST_AT_ONCE = 64 };

struct tasks {
	struct task *list;
	size_t n;
	size_t running;
	bool changed;			/* something is new on the board */
	bool cancelled;
	pthread_mutex_t lock;		/* states and texts */
	pthread_cond_t news;
	struct observer *observer;
	struct observer_item *items;
};

void task_say(struct task *task, const char *text)
{
	struct tasks *t = task->tasks;

	if (!t)
		return;
	pthread_mutex_lock(&t->lock);
	if (strncmp(task->text, text, sizeof(task->text) - 1) != 0) {
		snprintf(task->text, sizeof(task->text), "%s", text);
		err_mask(task->text);
		t->changed = true;
		pthread_cond_signal(&t->news);
	}
	pthread_mutex_unlock(&t->lock);
}

static void *run_one(void *data)
{
	struct task *task = data;
	struct tasks *t = task->tasks;
	int rc = task->run(task, &task->err);

	pthread_mutex_lock(&t->lock);
	task->ended_ms = clock_now_ms();
	task->ran = true;
	if (rc < 0 && task->err.code == ERR_OK)
		task->err.code = (enum err_code)-rc;
	else if (rc >= 0)
		err_clear(&task->err);
	t->running--;
	t->changed = true;
	pthread_cond_signal(&t->news);
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

/* With the lock held. */
static void start(struct tasks *t, struct task *task)
{
	pthread_attr_t attr;
	int rc;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK);
	task->state = OBSERVER_RUNNING;
	task->began_ms = clock_now_ms();
	t->running++;
	t->changed = true;
	rc = pthread_create(&task->thread, &attr, run_one, task);
	pthread_attr_destroy(&attr);
	if (rc == 0)
		return;
	t->running--;
	task->state = OBSERVER_FAILED;
	errno = rc;
	err_errno(&task->err, "cannot start a thread");
}

enum readiness { READY, NOT_YET, NEVER };

static enum readiness readiness(const struct tasks *t, struct task *task)
{
	enum readiness result = READY;

	for (size_t i = 0; i < task->n_needs; i++) {
		const struct task *other = &t->list[task->needs[i]];

		if (other->state == OBSERVER_FAILED)
			return NEVER;
		if (other->state == OBSERVER_DONE)
			continue;
		result = NOT_YET;
		snprintf(task->text, sizeof(task->text), "after %.100s", other->label);
	}
	return result;
}

/* Until nothing moves: leaving one out may leave out others. */
static void start_ready(struct tasks *t)
{
	bool moved = true;

	while (moved) {
		moved = false;
		for (size_t i = 0; i < t->n; i++) {
			struct task *task = &t->list[i];
			enum readiness ready = task->state == OBSERVER_WAITING ? readiness(t, task) : NOT_YET;

			if (ready == NEVER || (ready == READY && t->cancelled)) {
				task->state = OBSERVER_FAILED;
				task->left_out = true;
				snprintf(task->text, sizeof(task->text), "left out");
				moved = true;
			} else if (ready == READY && t->running < MOST_AT_ONCE) {
				*task->text = 0;
				start(t, task);
				moved = true;
			}
		}
	}
}

/* What ended and was not looked at yet; done() runs without the lock. */
static struct task *ended(struct tasks *t)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->list[i].state == OBSERVER_RUNNING && t->list[i].ran)
			return &t->list[i];
	return NULL;
}

static void conclude(struct tasks *t, struct task *task)
{
	int rc;

	pthread_mutex_unlock(&t->lock);
	pthread_join(task->thread, NULL);
	rc = task->err.code != ERR_OK ? -(int)task->err.code : 0;
	if (rc == 0 && task->done)
		rc = task->done(task, &task->err);
	pthread_mutex_lock(&t->lock);
	task->state = rc < 0 ? OBSERVER_FAILED : OBSERVER_DONE;
	if (rc < 0)
		snprintf(task->text, sizeof(task->text), "%.119s",
			 cancel_is(rc) ? "interrupted; Azure goes on" : task->err.message);
	t->changed = true;
}

static void draw(struct tasks *t)
{
	int64_t now = clock_now_ms();

	for (size_t i = 0; i < t->n; i++) {
		const struct task *task = &t->list[i];

		t->items[i] = (struct observer_item){
			.subject = task->label, .what = task->text, .state = task->state,
			.elapsed_ms = !task->began_ms ? 0 : (task->ended_ms ? task->ended_ms : now) - task->began_ms,
		};
	}
	observer_board(t->observer, t->items, t->n);
	t->changed = false;
}

static void wait_for_news(struct tasks *t)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += BOARD_MS / 1000;
	while (!t->changed && pthread_cond_timedwait(&t->news, &t->lock, &until) == 0)
		;
}

static void loop(struct tasks *t)
{
	pthread_mutex_lock(&t->lock);
	for (;;) {
		struct task *task;

		t->cancelled = t->cancelled || cancel_check(NULL) < 0;
		start_ready(t);
		while ((task = ended(t))) {
			conclude(t, task);
			start_ready(t);
		}
		draw(t);
		if (!t->running)
			break;
		wait_for_news(t);
	}
	pthread_mutex_unlock(&t->lock);
}

static int tell(const struct tasks *t, struct err *err)
{
	const struct task *first = NULL;
	size_t left_out = 0;

	for (size_t i = 0; i < t->n; i++) {
		const struct task *task = &t->list[i];

		left_out += task->left_out;
		if (task->err.code != ERR_OK &&
		    (!first || (cancel_is(-(int)task->err.code) && !cancel_is(-(int)first->err.code))))
			first = task;
	}
	if (!first)
		return left_out ? cancel_check(err) : 0;
	for (size_t i = 0; i < t->n; i++)
		if (&t->list[i] != first && t->list[i].err.code != ERR_OK && !cancel_is(-(int)t->list[i].err.code))
			observer_note(t->observer, "%s", t->list[i].err.message);
	if (left_out && !cancel_is(-(int)first->err.code))
		observer_note(t->observer, "%zu more %s left out, because what %s did not come to be", left_out,
			      left_out == 1 ? "was" : "were", left_out == 1 ? "it needs" : "they need");
	if (err)
		*err = first->err;
	return -(int)first->err.code;
}

int tasks_run(struct task *list, size_t n, struct observer *observer, struct err *err)
{
	owned(mem) struct observer_item *items = mem_zalloc((n + 1) * sizeof(*items));
	struct tasks t = {.list = list, .n = n, .observer = observer, .items = items};
	pthread_condattr_t monotonic;

	if (!items)
		return err_no_memory(err);
	pthread_mutex_init(&t.lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&t.news, &monotonic);
	pthread_condattr_destroy(&monotonic);
	for (size_t i = 0; i < n; i++)
		list[i].tasks = &t;
	loop(&t);
	for (size_t i = 0; i < n; i++)
		list[i].tasks = NULL;
	pthread_cond_destroy(&t.news);
	pthread_mutex_destroy(&t.lock);
	return tell(&t, err);
}
