/* SPDX-License-Identifier: Apache-2.0 */
#include "temp.h"

#include <fcntl.h>
#include <sys/wait.h>

#include "base/inherit.h"
#include "base/secret.h"

static int hooked;

static void hook(void)
{
	hooked++;
}

/* Status of a child that asks a question. */
static int child(bool (*question)(int), int fd)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(question(fd));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static bool is_hooked(int ignored)
{
	(void)ignored;
	return hooked == 1;
}

static void a_child_has_what_was_not_noted_and_nothing_else(void **state)
{
	int noted = open("/dev/null", O_RDONLY | O_CLOEXEC), high = fcntl(noted, F_DUPFD_CLOEXEC, 700);
	int own = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)state;
	inherit_not(noted);
	inherit_not(high);
	assert_int_equal(child(is_open, noted), false);
	assert_int_equal(child(is_open, high), false);
	assert_int_equal(child(is_open, own), true);
	assert_true(is_open(noted) && is_open(high));
	inherit_close(noted);
	assert_false(is_open(noted));
	/* The number is somebody else's now. */
	assert_int_equal(dup2(own, noted), noted);
	assert_int_equal(child(is_open, noted), true);
	inherit_close(high);
	close(noted);
	close(own);
}

static void hooks_run_in_children_only(void **state)
{
	(void)state;
	inherit_on_fork(hook);
	assert_int_equal(child(is_hooked, 0), true);
	assert_int_equal(hooked, 0);
}

static struct secret *secret;

static bool knows(int ignored)
{
	(void)ignored;
	return secret->data[0] != 0;
}

static void a_child_does_not_know_a_secret(void **state)
{
	(void)state;
	assert_int_equal(secret_new("1234", 4, &secret, NULL), 0);
	assert_int_equal(child(knows, 0), false);
	assert_memory_equal(secret->data, "1234", 4);
	secret_free(secret);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_child_has_what_was_not_noted_and_nothing_else),
		cmocka_unit_test(hooks_run_in_children_only),
		cmocka_unit_test(a_child_does_not_know_a_secret),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
