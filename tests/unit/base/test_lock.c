/* SPDX-License-Identifier: Apache-2.0 */
#include "temp.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/lock.h"

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

static int once(const char *path)
{
	owned(lock) struct lock *lock = NULL;

	return lock_take(path, "x", 0, &lock, NULL);
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
		temp_test(memory_runs_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
