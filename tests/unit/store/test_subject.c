/* SPDX-License-Identifier: Apache-2.0 */
#include "folder.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct store_subject drills = {STORE_DRILL, NULL, NULL}, fleet = {STORE_FLEET, NULL, NULL};
static const struct store_subject device_a = {STORE_DEVICE, "a", NULL}, device_b = {STORE_DEVICE, "b", NULL};
static const struct store_subject group_a = {STORE_GROUP, "a", NULL};
static const struct store_subject key_x = {STORE_KEY, "a", "x / y"}, key_z = {STORE_KEY, "a", "z"};
static const struct store_subject key_other = {STORE_KEY, "b", "z"};

static int lock(struct store *store, const struct store_subject *subject, struct store_lock **ret, struct err *err)
{
	return store_lock(store, subject, 1, "sync a", NULL, ret, err);
}

static void each_subject_is_by_itself_and_its_holder_named(void **state)
{
	static const struct {
		const struct store_subject *subject;
		const char *shown;
	} all[] = {
		{&drills, "the drill is locked by uid "}, {&fleet, "the fleet is"}, {&device_a, "device 'a' is"},
		{&device_b, "device 'b' is"}, {&group_a, "group 'a' is"}, {&key_x, "key 'x / y' of group 'a' is"},
		{&key_z, "key 'z' of group 'a' is"}, {&key_other, "key 'z' of group 'b' is"},
	};
	enum { COUNT = sizeof(all) / sizeof(all[0]) };
	owned(store) struct store *store = must_open(*state);
	struct store_lock *held[COUNT] = {NULL};
	pid_t pids[COUNT];
	char pid[32];

	snprintf(pid, sizeof(pid), "pid %d ", (int)getpid());
	for (size_t i = 0; i < COUNT; i++)
		assert_int_equal(lock(store, all[i].subject, &held[i], NULL), 0);
	/* All of them wait at the same time. */
	for (size_t i = 0; i < COUNT; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			struct store_lock *none = NULL;
			struct err err = {0};
			int rc = lock(store, all[i].subject, &none, &err);

			_exit(rc != -ERR_LOCKED || strncmp(err.message, all[i].shown, strlen(all[i].shown)) != 0 ||
			      !strstr(err.message, pid) || !strstr(err.message, "doing 'sync a'"));
		}
	}
	for (size_t i = 0; i < COUNT; i++) {
		int status;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
		store_lock_free(held[i]);
	}
	assert_int_equal(rmdir(in(*state, "locks")), 0);	/* no file stays */
}

static void a_killed_holder_holds_nothing(void **state)
{
	owned(store) struct store *store = must_open(*state);
	owned(store_lock) struct store_lock *mine = NULL;
	struct store_lock *theirs = NULL;
	int ready[2], status;
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		if (lock(store, &group_a, &theirs, NULL) == 0)
			(void)!write(ready[1], "x", 1);
		pause();
		_exit(0);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(file_exists(in(*state, "locks/group-a")));
	assert_int_equal(lock(store, &group_a, &mine, NULL), 0);
	close(ready[0]);
	close(ready[1]);
}

static void several_are_taken_in_one_order_and_twice_is_once(void **state)
{
	const struct store_subject there[] = {device_a, device_b, group_a, device_a}, back[] = {group_a, device_b, device_a};
	pid_t pids[2];

	/* Each takes what the other asks for last; whoever waited for ever would end with 8. */
	for (int who = 0; who < 2; who++) {
		pids[who] = fork();
		if (pids[who] == 0) {
			owned(store) struct store *store = must_open(*state);

			for (int i = 0; i < 100; i++) {
				owned(store_lock) struct store_lock *lock = NULL;

				if (store_lock(store, who ? back : there, who ? 3 : 4, "x", NULL, &lock, NULL) < 0)
					_exit(8);
			}
			_exit(0);
		}
	}
	for (int who = 0; who < 2; who++) {
		int status;

		assert_int_equal(waitpid(pids[who], &status, 0), pids[who]);
		assert_int_equal(status, 0);
	}
}

static void what_is_no_name_is_no_file(void **state)
{
	static const char *const names[] = {"../x", "", "A", "a/b"};
	owned(store) struct store *store = must_open(*state);
	struct store_lock *none = NULL;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const struct store_subject group = {STORE_GROUP, names[i], NULL};

		assert_int_equal(lock(store, &group, &none, NULL), -ERR_INVALID);
	}
	assert_false(file_exists(in(*state, "x")));
}

static int once(struct store *store)
{
	const struct store_subject subjects[] = {key_x, device_a};
	owned(store_lock) struct store_lock *lock = NULL;
	struct err err;

	return store_lock(store, subjects, 2, "x", NULL, &lock, &err);
}

static void no_memory_is_survived(void **state)
{
	owned(store) struct store *store = must_open(*state);

	assert_survives_no_memory(once(store));
	assert_int_equal(rmdir(in(*state, "locks")), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		temp_test(each_subject_is_by_itself_and_its_holder_named),
		temp_test(a_killed_holder_holds_nothing),
		temp_test(several_are_taken_in_one_order_and_twice_is_once),
		temp_test(what_is_no_name_is_no_file),
		temp_test(no_memory_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
