/* SPDX-License-Identifier: Apache-2.0 */
#include "../base/temp.h"

#include <pthread.h>
#include <signal.h>

#include "base/cancel.h"
#include "provider/azure/tasks.h"

enum { TASKS = 12 };

/* What ran, in the order in which it ended. */
struct world {
	pthread_mutex_t lock;
	pthread_cond_t met;
	size_t order[TASKS], n;
	size_t waiting;		/* of those that wait for each other */
	bool fails[TASKS];
};

static struct world world;
static struct task tasks[TASKS];

static size_t position(const struct task *task)
{
	return (size_t)(task - tasks);
}

static int run(struct task *task, struct err *err)
{
	size_t i = position(task);

	task_say(task, "running");
	pthread_mutex_lock(&world.lock);
	world.order[world.n++] = i;
	pthread_mutex_unlock(&world.lock);
	return world.fails[i] ? err_set(err, ERR_FAILED, "task %zu failed", i) : 0;
}

/* Ends only when three of them run at once. */
static int meet(struct task *task, struct err *err)
{
	(void)err;
	pthread_mutex_lock(&world.lock);
	world.waiting++;
	pthread_cond_broadcast(&world.met);
	while (world.waiting < 3)
		pthread_cond_wait(&world.met, &world.lock);
	world.order[world.n++] = position(task);
	pthread_mutex_unlock(&world.lock);
	return 0;
}

static void begin(size_t n, int (*function)(struct task *, struct err *))
{
	memset(&world, 0, sizeof(world));
	pthread_mutex_init(&world.lock, NULL);
	pthread_cond_init(&world.met, NULL);
	memset(tasks, 0, sizeof(tasks));
	for (size_t i = 0; i < n; i++)
		tasks[i] = (struct task){.label = "task", .run = function};
}

static size_t when(size_t task)
{
	for (size_t i = 0; i < world.n; i++)
		if (world.order[i] == task)
			return i;
	return SIZE_MAX;
}

static void needs_come_first(void **state)
{
	static const size_t zero[] = {0}, both[] = {1, 2}, three[] = {3};
	struct err err = {0};

	(void)state;
	begin(5, run);
	tasks[1].needs = tasks[2].needs = zero;
	tasks[1].n_needs = tasks[2].n_needs = 1;
	tasks[3].needs = both;
	tasks[3].n_needs = 2;
	tasks[4].needs = three;
	tasks[4].n_needs = 1;
	assert_int_equal(tasks_run(tasks, 5, NULL, &err), 0);
	assert_int_equal(world.n, 5);
	assert_true(when(0) < when(1) && when(0) < when(2));
	assert_true(when(1) < when(3) && when(2) < when(3) && when(3) < when(4));
}

static void what_needs_nothing_runs_at_once(void **state)
{
	struct err err = {0};

	(void)state;
	begin(3, meet);
	assert_int_equal(tasks_run(tasks, 3, NULL, &err), 0);
	assert_int_equal(world.n, 3);
}

static void a_failure_leaves_out_what_needs_it_and_nothing_else(void **state)
{
	static const size_t zero[] = {0}, one[] = {1}, two[] = {2};
	struct err err = {0};

	(void)state;
	begin(5, run);
	world.fails[1] = true;
	tasks[1].needs = zero;
	tasks[2].needs = one;
	tasks[3].needs = two;
	tasks[1].n_needs = tasks[2].n_needs = tasks[3].n_needs = 1;
	assert_int_equal(tasks_run(tasks, 5, NULL, &err), -ERR_FAILED);
	assert_string_equal(err.message, "task 1 failed");
	assert_int_equal(world.n, 3);
	assert_int_equal(when(2), SIZE_MAX);
	assert_int_equal(when(3), SIZE_MAX);
	assert_int_equal(tasks[4].state, OBSERVER_DONE);
	assert_true(tasks[2].left_out && tasks[3].left_out);
}

static size_t recorded;

static int record(struct task *task, struct err *err)
{
	recorded++;
	return position(task) == 1 ? err_set(err, ERR_IO, "disk full") : 0;
}

static void done_runs_for_what_succeeded_and_may_fail_it(void **state)
{
	static const size_t one[] = {1};
	struct err err = {0};

	(void)state;
	begin(4, run);
	world.fails[0] = true;
	for (size_t i = 0; i < 4; i++)
		tasks[i].done = record;
	tasks[3].needs = one;
	tasks[3].n_needs = 1;
	recorded = 0;
	assert_int_equal(tasks_run(tasks, 4, NULL, &err), -ERR_FAILED);
	assert_int_equal(recorded, 2);
	assert_int_equal(when(3), SIZE_MAX);
}

/* The last board shows everything, and nothing that is still going on. */
struct picture {
	struct observer observer;	/* first: cast back */
	size_t boards, waiting, running, done, failed;
};

static void board(struct observer *o, const struct observer_item *items, size_t n)
{
	struct picture *p = (struct picture *)o;

	p->boards++;
	p->waiting = p->running = p->done = p->failed = 0;
	for (size_t i = 0; i < n; i++) {
		p->waiting += items[i].state == OBSERVER_WAITING;
		p->running += items[i].state == OBSERVER_RUNNING;
		p->done += items[i].state == OBSERVER_DONE;
		p->failed += items[i].state == OBSERVER_FAILED;
	}
}

static void the_board_ends_with_the_whole_picture(void **state)
{
	struct picture picture = {.observer = {.board = board}};
	struct err err = {0};

	(void)state;
	begin(4, run);
	world.fails[2] = true;
	assert_int_equal(tasks_run(tasks, 4, &picture.observer, &err), -ERR_FAILED);
	assert_true(picture.boards > 0);
	assert_int_equal(picture.waiting + picture.running, 0);
	assert_int_equal(picture.done, 3);
	assert_int_equal(picture.failed, 1);
}

static int interrupt(struct task *task, struct err *err)
{
	run(task, err);
	raise(SIGINT);
	return cancel_check(err);
}

static void nothing_new_begins_once_cancelled(void **state)
{
	static const size_t zero[] = {0};
	struct err err = {0};

	(void)state;
	cancel_install(0);
	begin(3, run);
	tasks[0].run = interrupt;
	tasks[1].needs = tasks[2].needs = zero;
	tasks[1].n_needs = tasks[2].n_needs = 1;
	assert_int_equal(tasks_run(tasks, 3, NULL, &err), -ERR_INTERRUPTED);
	assert_int_equal(world.n, 1);
}

static void no_tasks_are_done_at_once(void **state)
{
	struct err err = {0};

	(void)state;
	begin(0, run);
	assert_int_equal(tasks_run(tasks, 0, NULL, &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(needs_come_first),
		cmocka_unit_test(what_needs_nothing_runs_at_once),
		cmocka_unit_test(a_failure_leaves_out_what_needs_it_and_nothing_else),
		cmocka_unit_test(done_runs_for_what_succeeded_and_may_fail_it),
		cmocka_unit_test(the_board_ends_with_the_whole_picture),
		cmocka_unit_test(no_tasks_are_done_at_once),
		cmocka_unit_test(nothing_new_begins_once_cancelled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
