/* SPDX-License-Identifier: Apache-2.0 */
#include "temp.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/spawn.h"

/* What the script says over SPAWN_FD; its pidfd is closed again. */
static void ask(const char *script, const char *const *env, char *ret, size_t size)
{
	const char *argv[] = {"/bin/sh", "-c", script, NULL};
	int ends[2], pidfd = -1;
	size_t len = 0;
	ssize_t n;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	assert_int_equal(spawn_aside(argv, env, ends[1], &pidfd, NULL), 0);
	close(ends[1]);
	while (len < size - 1 && (n = read(ends[0], ret + len, size - 1 - len)) > 0)
		len += (size_t)n;
	ret[len] = 0;
	close(ends[0]);
	assert_int_equal(poll(&(struct pollfd){.fd = pidfd, .events = POLLIN}, 1, 10000), 1);
	close(pidfd);
}

static void it_has_what_it_is_given_and_nothing_else(void **state)
{
	const char *env[] = {"PATH=/usr/bin:/bin", "COLOUR=green", NULL};
	char text[4096];

	(void)state;
	ask("echo $COLOUR >&3; cd /proc/self/fd && for fd in [0-9]*; do case $(readlink $fd) in"
	    " /dev/null | socket:*) ;; *) readlink $fd >&3; esac; done", env, text, sizeof(text));
	assert_string_equal(text, "green\n");
	ask("[ $$ = $(ps -o sid= -p $$) ] && echo leader >&3", env, text, sizeof(text));
	assert_string_equal(text, "leader\n");
}

static volatile sig_atomic_t told;

static void on_child(int signal_number)
{
	told = signal_number;
}

static void nobody_is_its_parent(void **state)
{
	const char *env[] = {NULL};
	char text[16];

	(void)state;
	signal(SIGCHLD, on_child);
	ask("echo here >&3", env, text, sizeof(text));
	assert_string_equal(text, "here\n");
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	assert_int_equal(told, 0);
	signal(SIGCHLD, SIG_DFL);
}

static void our_standard_streams_may_be_closed(void **state)
{
	const char *env[] = {NULL};
	int saved[3];
	char text[16];

	(void)state;
	for (int fd = 0; fd < 3; fd++) {
		saved[fd] = fcntl(fd, F_DUPFD_CLOEXEC, 10);
		close(fd);
	}
	ask("echo here >&3", env, text, sizeof(text));
	for (int fd = 0; fd < 3; fd++) {
		dup2(saved[fd], fd);
		close(saved[fd]);
	}
	assert_string_equal(text, "here\n");
}

static void what_cannot_run_is_told(void **state)
{
	const char *nothing[] = {"/nowhere", NULL}, *folder[] = {"/", NULL};
	int pidfd = -1;
	struct err err;

	(void)state;
	assert_int_equal(spawn_aside(nothing, nothing, 0, &pidfd, &err), -ERR_MISSING);
	assert_int_equal(spawn_aside(folder, nothing, 0, &pidfd, &err), -ERR_IO);
	assert_string_equal(err.message, "cannot start '/': Permission denied");
	assert_int_equal(pidfd, -1);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_has_what_it_is_given_and_nothing_else),
		cmocka_unit_test(nobody_is_its_parent),
		cmocka_unit_test(our_standard_streams_may_be_closed),
		cmocka_unit_test(what_cannot_run_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
