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

static void in_a_child(void **state)
{
	static const struct {
		void (*run)(void);
		int status;
	} cases[] = {{never_installed, 0}, {by_interrupt, 0}, {by_termination, 0},
		     {by_deadline, 0}, {twice, 130}};

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
