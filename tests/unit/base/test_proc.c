/* SPDX-License-Identifier: Apache-2.0 */
#include "temp.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/proc.h"

enum { LIMIT_MS = 30000 };

#define argv_of(...) ((const char *const[]){__VA_ARGS__, NULL})
#ifdef __SANITIZE_ADDRESS__
enum { GUARDED_DUMPABLE = 1 };
#else
enum { GUARDED_DUMPABLE = 0 };
#endif

#define shell(script) argv_of("/bin/sh", "-c", script)

static void status_and_output_come_back(void **state)
{
	static const struct {
		const char *script;
		int status;
		const char *out, *errors;
	} cases[] = {
		{"true", 0, "", ""},
		{"exit 3", 3, "", ""},
		{"exit 127", 127, "", ""},
		{"echo a; echo b >&2; exit 255", 255, "a\n", "b\n"},
		{"echo $HSMCTL_A-$HSMCTL_B-$HSMCTL_C", 0, "1-new-\n", ""},
		{"cat", 0, "", ""},	/* standard input is empty */
		{"kill -9 $$", -ERR_FAILED, "", ""},
	};

	(void)state;
	setenv("HSMCTL_B", "old", 1);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		owned(buf) struct buf out = {.max = 100}, errors = {.max = 100};

		assert_int_equal(proc_run(shell(cases[i].script), argv_of("HSMCTL_A=1", "HSMCTL_B=new"),
					  &out, &errors, NULL), cases[i].status);
		assert_string_equal(buf_text(&out), cases[i].out);
		assert_string_equal(buf_text(&errors), cases[i].errors);
	}
	unsetenv("HSMCTL_B");
}

static void a_hangup_that_we_ignore_is_ignored_by_children(void **state)
{
	owned(buf) struct buf out = {.max = 100}, errors = {.max = 100};

	(void)state;
	assert_int_equal(proc_run(shell("kill -HUP $$; echo there"), NULL, &out, &errors, NULL), -ERR_FAILED);
	signal(SIGHUP, SIG_IGN);
	assert_int_equal(proc_run(shell("kill -HUP $$; echo there"), NULL, &out, &errors, NULL), 0);
	signal(SIGHUP, SIG_DFL);
	assert_string_equal(buf_text(&out), "there\n");
}

static void arguments_are_not_touched(void **state)
{
	owned(buf) struct buf out = {.max = 100};

	(void)state;
	assert_int_equal(proc_run(argv_of("printf", "%s|", "a b", "$HOME", "", "*", "';"), NULL,
				  &out, NULL, NULL), 0);
	assert_string_equal(buf_text(&out), "a b|$HOME||*|';|");
}

/* More than a pipe holds, on both; and more than the buffer may. */
static void much_output_blocks_nobody(void **state)
{
	owned(buf) struct buf out = {.max = 1 << 20}, errors = {.max = 1000};

	(void)state;
	assert_int_equal(proc_run(shell("head -c 300000 /dev/zero; head -c 300000 /dev/zero >&2"),
				  NULL, &out, &errors, NULL), 0);
	assert_int_equal(out.len, 300000);
	assert_int_equal(buf_check(&errors, NULL), -ERR_NO_MEMORY);
	assert_int_equal(proc_run(shell("head -c 300000 /dev/zero"), NULL, NULL, NULL, NULL), 0);
}

static void what_cannot_run_is_told(void **state)
{
	struct err err = {0};

	assert_int_equal(proc_run(argv_of("no-such-program-anywhere"), NULL, NULL, NULL, &err), -ERR_MISSING);
	assert_non_null(strstr(err.message, "no-such-program-anywhere"));
	assert_int_equal(proc_run(argv_of(in(*state, "x")), NULL, NULL, NULL, &err), -ERR_MISSING);
	file_write(in(*state, "x"), "not a program", 13, 0600, NULL);
	assert_int_equal(proc_run(argv_of(in(*state, "x")), NULL, NULL, NULL, &err), -ERR_IO);
	assert_non_null(strstr(err.message, "Permission denied"));
}

/* Descriptors and signal settings of the host do not reach the program. */
static void the_program_starts_clean(void **state)
{
	owned(buf) struct buf out = {.max = 1000};
	sigset_t all, old;

	(void)state;
	/* What the test itself was started with. */
	assert_int_equal(close_range(3, ~0U, CLOSE_RANGE_CLOEXEC), 0);
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(proc_run(argv_of("sh", "-c", "ls /proc/$$/fd; exec grep -E 'SigBlk|SigIgn' /proc/self/status"),
				  NULL, &out, NULL, NULL), 0);
	signal(SIGPIPE, SIG_DFL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	assert_memory_equal(buf_text(&out), "0\n1\n2\n", 6);
	assert_non_null(strstr(buf_text(&out), "SigBlk:\t0000000000000000"));
	assert_non_null(strstr(buf_text(&out), "SigIgn:\t0000000000000000"));
}

/* A host that has closed its standard streams, or waits for all children. */
static void strange_hosts(void **state)
{
	int status;
	pid_t child = fork();

	(void)state;
	if (child == 0) {
		struct buf out = {.max = 100}, errors = {.max = 100};
		int rc;

		close(0);
		close(1);
		close(2);
		rc = proc_run(shell("cat; echo a; echo b >&2"), NULL, &out, &errors, NULL);
		_exit(rc == 0 && strcmp(buf_text(&out), "a\n") == 0 &&
				      strcmp(buf_text(&errors), "b\n") == 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);

	signal(SIGCHLD, SIG_IGN);
	assert_int_equal(proc_run(shell("exit 3"), NULL, NULL, NULL, NULL), -ERR_FAILED);
	signal(SIGCHLD, SIG_DFL);
}

/* In a child, because a deadline once installed stays. */
static void a_program_ends_with_the_commands_time(void **state)
{
	static const char *const scripts[] = {"exec sleep 1000", "trap '' TERM; while :; do sleep 1; done"};
	int status;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		pid_t child = fork();

		if (child == 0) {
			cancel_install(clock_now_ms() + 50);
			_exit(-proc_run(shell(scripts[i]), NULL, NULL, NULL, NULL));
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), ERR_TIMEOUT);
	}
}

static void no_descriptor_is_lost(void **state)
{
	int before = dup(0), after;

	close(before);
	for (int i = 0; i < 3; i++) {
		proc_run(shell("true"), NULL, NULL, NULL, NULL);
		proc_run(argv_of("no-such-program-anywhere"), NULL, NULL, NULL, NULL);
		proc_spawn_daemon(argv_of("no-such-program-anywhere"), NULL, in(*state, "log"), NULL);
		proc_spawn_daemon(argv_of("true"), NULL, in(*state, "no/log"), NULL);
		proc_spawn_daemon(argv_of("true"), NULL, in(*state, "log"), NULL);
	}
	after = dup(0);
	close(after);
	assert_int_equal(before, after);
}

/* Sooner or later. */
static void becomes(const char *path, const char *expected)
{
	owned(buf) struct buf text = {.max = 1000};

	for (int64_t end = clock_now_ms() + LIMIT_MS; clock_now_ms() < end; poll(NULL, 0, 2)) {
		buf_clear(&text);
		assert_int_equal(file_read(path, &text, NULL), 0);
		if (strcmp(buf_text(&text), expected) == 0)
			break;
	}
	assert_string_equal(buf_text(&text), expected);
}

static void daemons_belong_to_nobody(void **state)
{
	char expected[100];
	pid_t pid;

	file_write(in(*state, "log"), "before\n", 7, 0600, NULL);
	pid = proc_spawn_daemon(shell("echo $$ $HSMCTL_A; echo e >&2; cat"),
				argv_of("HSMCTL_A=1"), in(*state, "log"), NULL);
	assert_true(pid > 0);
	/* Not our child. */
	assert_int_equal(waitpid(pid, NULL, WNOHANG), -1);
	snprintf(expected, sizeof(expected), "before\n%d 1\ne\n", (int)pid);
	becomes(in(*state, "log"), expected);
}

static void daemons_keep_nothing_of_their_callers_shell(void **state)
{
	static const char script[] = "echo $(pwd) $(umask) ${PATH:+path} ${HSMCTL_DEBUG:+debug} "
		"$HSMCTL_LOG$HSMCTL_PIN$PIN$OPENSSL_CONF $GIVEN";
	static const char *const names[] = {"HSMCTL_PIN", "PIN", "OPENSSL_CONF", "HSMCTL_LOG", "HSMCTL_DEBUG"};
	mode_t before = umask(0);

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		setenv(names[i], "/secret", 1);
	assert_true(proc_spawn_daemon(argv_of("/bin/sh", "-c", script), argv_of("GIVEN=given"), in(*state, "log"), NULL) > 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unsetenv(names[i]);
	umask(before);
	becomes(in(*state, "log"), "/ 0077 path debug given\n");
}

static void a_program_guards_its_memory(void **state)
{
	pid_t child = fork();
	int status;

	(void)state;
	if (child == 0) {
		struct rlimit core = {RLIM_INFINITY, RLIM_INFINITY}, before, after;

		(void)setrlimit(RLIMIT_CORE, &core);
		getrlimit(RLIMIT_CORE, &before);
		proc_guard();
		getrlimit(RLIMIT_CORE, &after);
		_exit(after.rlim_cur == 0 && after.rlim_max == before.rlim_max &&
				      prctl(PR_GET_DUMPABLE) == GUARDED_DUMPABLE ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void a_daemon_that_cannot_start_is_told(void **state)
{
	struct err err = {0};

	assert_int_equal(proc_spawn_daemon(argv_of("no-such-program-anywhere"), NULL, in(*state, "log"), &err),
			 -ERR_MISSING);
	assert_int_equal(proc_spawn_daemon(argv_of(*state), NULL, in(*state, "log"), &err), -ERR_IO);
	assert_int_equal(proc_spawn_daemon(argv_of("true"), NULL, in(*state, "no/log"), &err), -ERR_IO);
}

/* A child that holds the pid file with each of the texts, one per byte it gets. */
static pid_t start_holder(const char *path, const char *const *texts, int *ret_steps)
{
	int steps[2], ready[2];
	char byte;
	pid_t child;

	assert_int_equal(pipe2(steps, O_CLOEXEC), 0);
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	child = fork();
	if (child == 0) {
		close(steps[1]);
		for (; *texts; texts++) {
			if (proc_pid_file_take(path, *texts, NULL) < 0)
				_exit(1);
			(void)!write(ready[1], "x", 1);
			if (read(steps[0], &byte, 1) != 1)
				break;
		}
		pause();
		_exit(0);
	}
	close(steps[0]);
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	*ret_steps = steps[1];
	return child;
}

static void pid_files_tell_the_living(void **state)
{
	const char *path = in(*state, "pid");
	struct proc_id id = {0}, other = {0};
	char text[100] = "untouched";
	int steps;
	pid_t child;

	assert_int_equal(proc_pid_file_read(path, &id, text, sizeof(text), NULL), 0);
	assert_string_equal(text, "untouched");
	child = start_holder(path, argv_of("a long text 127.0.0.1:12345", "short", ""), &steps);
	assert_int_equal(proc_pid_file_read(path, &id, text, sizeof(text), NULL), 1);
	assert_string_equal(text, "a long text 127.0.0.1:12345");
	assert_int_equal(id.pid, child);
	assert_true(id.started > 0);
	assert_int_equal(proc_pid_file_read(path, &other, text, 7, NULL), 1);
	assert_string_equal(text, "a long");

	/* The text may change; nobody ever sees the daemon missing. */
	assert_int_equal(write(steps, "x", 1), 1);
	do
		assert_int_equal(proc_pid_file_read(path, &other, text, sizeof(text), NULL), 1);
	while (strcmp(text, "short") != 0);
	assert_int_equal(write(steps, "x", 1), 1);
	do
		assert_int_equal(proc_pid_file_read(path, &other, text, sizeof(text), NULL), 1);
	while (strcmp(text, "") != 0);

	/* A second daemon is refused. */
	assert_int_equal(proc_pid_file_take(path, "mine", NULL), -ERR_LOCKED);

	assert_int_equal(proc_signal(&id, 0, NULL), 0);
	assert_int_equal(proc_wait_gone(&id, 20, NULL), -ERR_TIMEOUT);
	assert_int_equal(proc_signal(&id, SIGKILL, NULL), 0);
	assert_int_equal(proc_wait_gone(&id, LIMIT_MS, NULL), 0);
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_int_equal(proc_pid_file_read(path, &id, text, sizeof(text), NULL), 0);
	assert_int_equal(proc_signal(&id, SIGKILL, NULL), 0);
	assert_int_equal(proc_wait_gone(&id, 0, NULL), 0);
	close(steps);

	/* After the refusal another file, or the same, can be taken. */
	child = fork();
	if (child == 0)
		_exit(proc_pid_file_take(path, "next", NULL) < 0 ||
		      proc_pid_file_read(path, &id, text, sizeof(text), NULL) != 1 || strcmp(text, "next") != 0);

	int status;

	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

/* Same pid, other start time: somebody else. */
static void a_reused_pid_is_never_hit(void **state)
{
	struct proc_id id = {.pid = getpid(), .started = 1};

	(void)state;
	assert_int_equal(proc_signal(&id, SIGKILL, NULL), 0);
	assert_int_equal(proc_wait_gone(&id, 0, NULL), 0);
}

/* The lock is held, but the words are those of a daemon long gone, or no words. */
static void old_words_under_a_new_lock_are_not_believed(void **state)
{
	static const char *const texts[] = {"", "\n", "1", "junk", "-5 1 x\n", "0 0 x\n", "1 1 x\n",
					    "99999999999999999999 1 x\n", NULL};
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	for (int i = 0; texts[i]; i++) {
		struct proc_id id = {.pid = 42};
		int fd;

		file_write(in(*state, "pid"), texts[i], strlen(texts[i]), 0600, NULL);
		fd = open(in(*state, "pid"), O_RDWR | O_CLOEXEC);
		assert_int_equal(fcntl(fd, F_OFD_SETLK, &whole), 0);
		assert_int_equal(proc_pid_file_read(in(*state, "pid"), &id, NULL, 0, NULL), 0);
		assert_int_equal(id.pid, 42);
		close(fd);
	}
}

/* Who holds the file leaves it to a child, and it ends with that one. */
static int leave_to_child(const char *path)
{
	struct proc_id id;
	char text[100];
	pid_t child;

	if (proc_pid_file_take(path, "parent", NULL) < 0)
		return 1;
	child = fork();
	if (child == 0) {
		proc_pid_file_take(path, "child", NULL);
		pause();
		_exit(0);
	}
	proc_pid_file_leave();
	do
		if (proc_pid_file_read(path, &id, text, sizeof(text), NULL) != 1)
			return 2;
	while (strcmp(text, "child") != 0);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	if (id.pid != child || proc_pid_file_read(path, &id, text, sizeof(text), NULL) != 0)
		return 3;
	return proc_pid_file_take(path, "parent", NULL) < 0 ? 4 : 0;
}

static void a_pid_file_can_be_left_to_a_child(void **state)
{
	pid_t child = fork();
	int status;

	if (child == 0)
		_exit(leave_to_child(in(*state, "pid")));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void a_pid_file_holds_one_line(void **state)
{
	char text[500];

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = 0;
	assert_int_equal(proc_pid_file_take(in(*state, "pid"), text, NULL), -ERR_INVALID);
	assert_int_equal(proc_pid_file_take(in(*state, "pid"), "a\nb", NULL), -ERR_INVALID);
	assert_int_equal(proc_pid_file_take(in(*state, "no/pid"), "a", NULL), -ERR_IO);
}

static int spawn(const char *log)
{
	pid_t pid = proc_spawn_daemon(argv_of("true"), NULL, log, NULL);

	return pid < 0 ? pid : 0;
}

static void memory_runs_out(void **state)
{
	assert_survives_no_memory(proc_run(shell("true"), NULL, NULL, NULL, NULL));
	assert_survives_no_memory(spawn(in(*state, "log")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(status_and_output_come_back),
		cmocka_unit_test(a_hangup_that_we_ignore_is_ignored_by_children),
		cmocka_unit_test(arguments_are_not_touched),
		cmocka_unit_test(much_output_blocks_nobody),
		temp_test(what_cannot_run_is_told),
		cmocka_unit_test(the_program_starts_clean),
		cmocka_unit_test(strange_hosts),
		cmocka_unit_test(a_program_ends_with_the_commands_time),
		temp_test(no_descriptor_is_lost),
		temp_test(daemons_belong_to_nobody),
		temp_test(daemons_keep_nothing_of_their_callers_shell),
		cmocka_unit_test(a_program_guards_its_memory),
		temp_test(a_daemon_that_cannot_start_is_told),
		temp_test(pid_files_tell_the_living),
		cmocka_unit_test(a_reused_pid_is_never_hit),
		temp_test(old_words_under_a_new_lock_are_not_believed),
		temp_test(a_pid_file_can_be_left_to_a_child),
		temp_test(a_pid_file_holds_one_line),
		temp_test(memory_runs_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
