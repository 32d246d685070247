/* SPDX-License-Identifier: Apache-2.0 */
/* Each case runs in a child: what is installed cannot be taken back. */
#include "temp.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/clock.h"

#define must(condition)                                                        \
	do {                                                                   \
		if (!(condition))                                              \
			_exit(__LINE__ % 100 + 2);                             \
	} while (0)

static bool fired(void)
{
	struct pollfd p = {.fd = cancel_fd(), .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

static void never_installed(void)
{
	must(cancel_fd() == -1);
	must(cancel_check(NULL) == 0);
	must(cancel_clamp(5) == 5);
	must(cancel_clamp(INT64_MAX) == INT64_MAX);
	_exit(0);
}

static void by_a_signal(int signal_number, int code)
{
	struct err err = {0};

	cancel_install(0);
	must(!fired());
	must(cancel_check(&err) == 0);
	raise(signal_number);
	must(fired());
	must(fired());
	must(cancel_check(&err) == -code);
	must(err.code == (enum err_code)code);
	/* A wait ends at once; this one would outlive the test run. */
	clock_sleep_ms(INT64_C(1) << 40);
	cancel_install(0);
	must(!fired());
	must(cancel_check(&err) == 0);
	raise(signal_number);
	must(fired());
	must(cancel_check(NULL) == -code);
	_exit(0);
}

static void by_interrupt(void)
{
	by_a_signal(SIGINT, ERR_INTERRUPTED);
}

static void by_termination(void)
{
	by_a_signal(SIGTERM, ERR_TERMINATED);
}

static void by_hangup(void)
{
	by_a_signal(SIGHUP, ERR_HUNG_UP);
}

static void by_quit(void)
{
	by_a_signal(SIGQUIT, ERR_QUIT);
}

static void not_by_a_hangup_that_is_ignored(void)
{
	signal(SIGHUP, SIG_IGN);
	cancel_install(0);
	raise(SIGHUP);
	must(!fired());
	must(cancel_check(NULL) == 0);
	_exit(0);
}

static void not_behind_a_shield(void)
{
	int64_t now = clock_now_ms();

	cancel_install(now);
	raise(SIGINT);
	cancel_shield();
	cancel_shield();
	must(cancel_check(NULL) == 0 && !fired());
	must(cancel_clamp(INT64_MAX) == INT64_MAX);
	/* Neither does a second one end anything, nor is it lost. */
	raise(SIGINT);
	raise(SIGTERM);
	cancel_unshield();
	must(cancel_check(NULL) == 0 && !fired());
	cancel_unshield();
	must(cancel_check(NULL) == -ERR_TERMINATED && fired());
	_exit(0);
}

static void not_by_a_second_one_while_held(void)
{
	cancel_install(0);
	cancel_hold();
	raise(SIGINT);
	raise(SIGINT);
	must(cancel_check(NULL) == -ERR_INTERRUPTED && fired());
	cancel_install(0);
	raise(SIGINT);
	raise(SIGINT);
	_exit(1);
}

static void codes_are_known(void)
{
	static const int codes[] = {ERR_INTERRUPTED, ERR_TERMINATED, ERR_HUNG_UP, ERR_QUIT, ERR_TIMEOUT};

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		must(cancel_is(-codes[i]) && !cancel_is(codes[i]));
	must(!cancel_is(0) && !cancel_is(-ERR_UNREACHABLE));
	_exit(0);
}

static void by_deadline(void)
{
	int64_t now = clock_now_ms();

	cancel_install(now + 3600000);
	must(cancel_check(NULL) == 0);
	must(cancel_clamp(INT64_MAX) == now + 3600000);
	must(cancel_clamp(now) == now);
	cancel_install(now);
	must(cancel_check(NULL) == -ERR_TIMEOUT);
	cancel_install(0);
	must(cancel_check(NULL) == 0);
	must(cancel_clamp(INT64_MAX) == INT64_MAX);
	_exit(0);
}

static void twice(void)
{
	cancel_install(0);
	raise(SIGINT);
	raise(SIGINT);
	_exit(1);
}

/* What a child is told is not told its parent, nor the other way round. */
static void each_process_by_itself(void)
{
	pid_t child;
	int status;

	cancel_install(0);
	child = fork();
	if (child == 0) {
		cancel_install(0);
		raise(SIGTERM);
		must(fired());
		_exit(0);
	}
	must(waitpid(child, &status, 0) == child && status == 0);
	must(!fired());
	raise(SIGTERM);
	child = fork();
	if (child == 0) {
		cancel_install(0);
		must(!fired());
		must(cancel_check(NULL) == 0);
		_exit(0);
	}
	must(waitpid(child, &status, 0) == child && status == 0);
	must(fired());
	_exit(0);
}

static void in_a_child(void **state)
{
	static const struct {
		void (*run)(void);
		int status;
	} cases[] = {{never_installed, 0}, {by_interrupt, 0}, {by_termination, 0},
		     {by_hangup, 0}, {by_quit, 0}, {not_by_a_hangup_that_is_ignored, 0},
		     {not_behind_a_shield, 0}, {not_by_a_second_one_while_held, 130}, {codes_are_known, 0},
		     {by_deadline, 0}, {each_process_by_itself, 0}, {twice, 130}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		pid_t child = fork();
		int status;

		if (child == 0)
			cases[i].run();
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), cases[i].status);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(in_a_child)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
