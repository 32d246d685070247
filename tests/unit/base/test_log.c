/* SPDX-License-Identifier: Apache-2.0 */
/* Where lines go, whatever a host does with descriptors and folders. */
#include "temp.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"

static bool has(const char *path, const char *text)
{
	owned(buf) struct buf all = {.max = 1 << 16};

	return file_read(path, &all, NULL) == 0 && buf_text(&all) && strstr(buf_text(&all), text);
}

/* As daemons do: everything is closed, and other files get the numbers. */
static int become_a_daemon(const char *folder)
{
	int fd;

	closefrom(3);
	if (chdir("/") < 0)
		return 1;
	fd = open(in(folder, "theirs"), O_RDWR | O_CREAT | O_APPEND, 0600);
	if (fd < 0 || dup(fd) < 0 || dup(fd) < 0)
		return 1;
	log_error("test", "a line after it");
	return 0;
}

static int in_child(const char *folder)
{
	if (chdir(folder) < 0)
		return 1;
	setenv("HSMCTL_LOG", "log", 1);
	log_from_environment();
	log_error("test", "a line before it");
	return become_a_daemon(folder);
}

/* In a process of its own: where lines go is decided once. */
static void lines_go_into_no_file_of_the_hosts(void **state)
{
	pid_t child = fork();
	int status;

	if (child == 0)
		_exit(in_child(*state));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_true(has(in(*state, "log"), "a line before it"));
	assert_true(has(in(*state, "log"), "a line after it"));
	assert_false(has(in(*state, "theirs"), "line"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {temp_test(lines_go_into_no_file_of_the_hosts)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
