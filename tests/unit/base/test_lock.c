/* SPDX-License-Identifier: Apache-2.0 */
#include "temp.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/lock.h"
#include "base/observer.h"

static void the_holder_is_named_to_everybody(void **state)
{
	owned(mem) char *path = file_join(*state, "lock");
	owned(lock) struct lock *held = NULL;
	struct lock *none = NULL;
	char pid[32];

	snprintf(pid, sizeof(pid), "pid %d ", (int)getpid());
	assert_int_equal(lock_take(path, "sync payments", 0, &held, NULL), 0);
	/* More than once: those who were refused must not wipe the name. */
	for (int i = 0; i < 3; i++) {
		struct err err = {0};

		assert_int_equal(lock_take(path, "other", i, &none, &err), -ERR_LOCKED);
		assert_non_null(strstr(err.message, "doing 'sync payments'"));
		assert_non_null(strstr(err.message, pid));
		assert_true(strlen(err.hint) > 0);
		assert_null(none);
	}
}

static void a_lock_given_back_can_be_taken(void **state)
{
	owned(mem) char *path = file_join(*state, "lock");
	owned(buf) struct buf text = {.max = 100};

	for (int i = 0; i < 3; i++) {
		owned(lock) struct lock *held = NULL;

		assert_int_equal(lock_take(path, "x", 0, &held, NULL), 0);
	}
	assert_int_equal(file_read(path, &text, NULL), 0);
	assert_int_equal(text.len, 0);
}

/* Also one whose holder was killed; and somebody waits for it. */
static void a_dead_holder_holds_nothing(void **state)
{
	owned(mem) char *path = file_join(*state, "lock");
	owned(lock) struct lock *mine = NULL;
	int ready[2];
	char byte;
	pid_t child;

	assert_int_equal(pipe(ready), 0);
	child = fork();
	if (child == 0) {
		struct lock *held = NULL;

		if (lock_take(path, "to die", 0, &held, NULL) == 0)
			(void)!write(ready[1], "x", 1);
		pause();
		_exit(0);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(lock_take(path, "x", 0, &mine, NULL), -ERR_LOCKED);
	kill(child, SIGKILL);
	assert_int_equal(lock_take(path, "x", 30000, &mine, NULL), 0);
	assert_int_equal(waitpid(child, NULL, 0), child);
	close(ready[0]);
	close(ready[1]);
}

static void a_lock_is_no_link_and_needs_its_folder(void **state)
{
	owned(mem) char *path = file_join(*state, "lock");
	owned(mem) char *lost = file_join(*state, "no/lock");
	struct lock *none = NULL;

	assert_int_equal(symlink("target", path), 0);
	assert_int_equal(lock_take(path, "x", 0, &none, NULL), -ERR_IO);
	assert_int_equal(lock_take(lost, "x", 0, &none, NULL), -ERR_IO);
	lock_free(NULL);
}

static void a_passing_file_goes_with_its_lock(void **state)
{
	owned(mem) char *path = file_join(*state, "lock");
	const struct lock_request passing = {.path = path, .what = "key 'k'", .doing = "x", .passing = true};
	struct lock *lock = NULL, *none = NULL;
	struct err err = {0};

	assert_int_equal(lock_request(&passing, &lock, NULL), 0);
	assert_true(lock_is_held(path));
	assert_int_equal(lock_request(&passing, &none, &err), -ERR_LOCKED);
	assert_memory_equal(err.message, "key 'k' is locked by uid ", 25);
	lock_free(lock);
	assert_false(file_exists(path));
	assert_false(lock_is_held(path));
	/* As a holder that dies leaves it: nobody's, and taken as if it were new. */
	assert_int_equal(lock_request(&passing, &lock, NULL), 0);
	lock_leave(lock);
	assert_true(file_exists(path));
	assert_false(lock_is_held(path));
	assert_int_equal(lock_request(&passing, &lock, NULL), 0);
	/* Another's file in its place is not ours to remove. */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(file_write(path, "", 0, 0600, NULL), 0);
	lock_free(lock);
	assert_true(file_exists(path));
}

/* An observer that gives the lock back as soon as it is told who has it, and may then take it anew. */
struct ear {
	struct observer observer;	/* first: cast back */
	struct lock *lock;
	const struct lock_request *again;
	char text[400];
};

static void hear(struct observer *o, const char *text)
{
	struct ear *ear = (struct ear *)o;

	snprintf(ear->text, sizeof(ear->text), "%s", text);
	lock_free(own_take(ear->lock));
	if (ear->again)
		assert_int_equal(lock_request(ear->again, &ear->lock, NULL), 0);
}

static void who_waits_is_told_for_whom(void **state)
{
	owned(mem) char *path = file_join(*state, "lock");
	owned(lock) struct lock *mine = NULL;
	struct ear ear = {.observer = {.note = hear}};
	const struct lock_request request = {.path = path, .what = "group 'g'", .doing = "sync g", .wait_ms = 60000,
					     .observer = &ear.observer};

	assert_int_equal(lock_take(path, "ha delete g", 0, &ear.lock, NULL), 0);
	assert_int_equal(lock_request(&request, &mine, NULL), 0);
	assert_non_null(strstr(ear.text, "group 'g' is locked by uid "));
	assert_non_null(strstr(ear.text, "doing 'ha delete g'"));
}

static void a_file_that_went_while_it_was_waited_for_is_no_lock(void **state)
{
	owned(mem) char *path = file_join(*state, "lock");
	const struct lock_request first = {.path = path, .doing = "first", .passing = true};
	struct ear ear = {.observer = {.note = hear}, .again = &first};
	const struct lock_request second = {.path = path, .doing = "second", .wait_ms = 600, .passing = true,
					    .observer = &ear.observer};
	struct lock *none = NULL;

	assert_int_equal(lock_request(&first, &ear.lock, NULL), 0);
	assert_int_equal(lock_request(&second, &none, NULL), -ERR_LOCKED);
	assert_non_null(ear.lock);
	lock_free(ear.lock);
	assert_false(file_exists(path));
}

static int once(const char *path)
{
	const struct lock_request passing = {.path = path, .doing = "x", .passing = true};
	owned(lock) struct lock *lock = NULL;

	return lock_request(&passing, &lock, NULL);
}

static void memory_runs_out(void **state)
{
	owned(mem) char *path = file_join(*state, "lock");

	assert_survives_no_memory(once(path));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		temp_test(the_holder_is_named_to_everybody),
		temp_test(a_lock_given_back_can_be_taken),
		temp_test(a_dead_holder_holds_nothing),
		temp_test(a_lock_is_no_link_and_needs_its_folder),
		temp_test(a_passing_file_goes_with_its_lock),
		temp_test(who_waits_is_told_for_whom),
		temp_test(a_file_that_went_while_it_was_waited_for_is_no_lock),
		temp_test(memory_runs_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
