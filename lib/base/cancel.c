/* SPDX-License-Identifier: Apache-2.0 */
/* Signals and the command's deadline, as something one can poll. */
#include "base/cancel.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"

static atomic_int event = -1;
static atomic_int caught;
static int64_t command_deadline;

static void on_signal(int signal_number)
{
	int saved = errno;
	uint64_t one = 1;

	if (atomic_exchange(&caught, signal_number) == SIGINT && signal_number == SIGINT)
		_exit(128 + SIGINT);
	if (write(event, &one, sizeof(one)) < 0)
		_exit(128 + signal_number);
	errno = saved;
}

void cancel_install(int64_t deadline_ms)
{
	struct sigaction action = {.sa_handler = on_signal};
	uint64_t count;

	command_deadline = deadline_ms;
	atomic_store(&caught, 0);
	if (event >= 0) {
		(void)!read(event, &count, sizeof(count));
		return;
	}
	event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

int cancel_fd(void)
{
	return event;
}

int cancel_check(struct err *err)
{
	int signal_number = atomic_load(&caught);

	if (signal_number == SIGINT)
		return err_set(err, ERR_INTERRUPTED, "interrupted");
	if (signal_number == SIGTERM)
		return err_set(err, ERR_TERMINATED, "terminated");
	if (command_deadline && clock_now_ms() >= command_deadline)
		return err_set(err, ERR_TIMEOUT, "the time given with --timeout ran out");
	return 0;
}

int64_t cancel_clamp(int64_t deadline_ms)
{
	return command_deadline && command_deadline < deadline_ms ? command_deadline
								   : deadline_ms;
}
