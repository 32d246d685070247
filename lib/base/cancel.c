/* SPDX-License-Identifier: Apache-2.0 */
/* Signals and the command's deadline, as something one can poll. */
#include "base/cancel.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"

static const struct {
	int number;
	enum err_code code;
	const char *text;
} signals[] = {
	{SIGINT, ERR_INTERRUPTED, "interrupted"},
	{SIGTERM, ERR_TERMINATED, "terminated"},
	{SIGHUP, ERR_HUNG_UP, "the terminal was closed"},
	{SIGQUIT, ERR_QUIT, "quit"},
};
enum { SIGNALS = sizeof(signals) / sizeof(signals[0]) };

static atomic_int event = -1;
static pid_t owner;	/* whose event it is: a child of fork() has one of its own */
static atomic_int caught;
static atomic_int shields;
static atomic_bool held;
static int64_t command_deadline;

static bool tell(void)
{
	uint64_t one = 1;

	return write(event, &one, sizeof(one)) == sizeof(one);
}

static void on_signal(int signal_number)
{
	int saved = errno, before = atomic_exchange(&caught, signal_number);

	if (!atomic_load(&shields)) {
		if (before == SIGINT && signal_number == SIGINT && !atomic_load(&held))
			_exit(128 + SIGINT);
		if (!tell())
			_exit(128 + signal_number);
	}
	errno = saved;
}

static void forget(void)
{
	uint64_t count;

	(void)!read(event, &count, sizeof(count));
}

/* A hangup that is ignored was meant to be: nohup. */
static bool is_ignored(int signal_number)
{
	struct sigaction now;

	return signal_number == SIGHUP && sigaction(signal_number, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
}

void cancel_install(int64_t deadline_ms)
{
	struct sigaction action = {.sa_handler = on_signal};

	command_deadline = deadline_ms;
	atomic_store(&caught, 0);
	atomic_store(&held, false);
	if (event >= 0 && owner == getpid()) {
		forget();
		return;
	}
	if (event >= 0)
		close(event);
	owner = getpid();
	event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	sigemptyset(&action.sa_mask);
	for (int i = 0; i < SIGNALS; i++)
		if (!is_ignored(signals[i].number))
			sigaction(signals[i].number, &action, NULL);
}

int cancel_fd(void)
{
	return event;
}

int cancel_check(struct err *err)
{
	int signal_number = atomic_load(&caught);

	if (atomic_load(&shields))
		return 0;
	for (int i = 0; i < SIGNALS; i++)
		if (signals[i].number == signal_number)
			return err_set(err, signals[i].code, "%s", signals[i].text);
	if (command_deadline && clock_now_ms() >= command_deadline)
		return err_set(err, ERR_TIMEOUT, "the time given with --timeout ran out");
	return 0;
}

bool cancel_is(int rc)
{
	for (int i = 0; i < SIGNALS; i++)
		if (rc == -(int)signals[i].code)
			return true;
	return rc == -ERR_TIMEOUT;
}

/* Waits that know the descriptor sleep on: it is not readable while a shield is up. */
void cancel_shield(void)
{
	if (atomic_fetch_add(&shields, 1) == 0 && event >= 0)
		forget();
}

void cancel_unshield(void)
{
	if (atomic_fetch_sub(&shields, 1) == 1 && event >= 0 && atomic_load(&caught))
		(void)!tell();
}

void cancel_hold(void)
{
	atomic_store(&held, true);
}

int64_t cancel_clamp(int64_t deadline_ms)
{
	bool runs = command_deadline && !atomic_load(&shields);

	return runs && command_deadline < deadline_ms ? command_deadline : deadline_ms;
}

int cancel_poll(int fd, short events, int64_t deadline_ms, struct err *err)
{
	struct pollfd p[] = {{.fd = fd, .events = events}, {.fd = cancel_fd(), .events = POLLIN}};
	int64_t end = cancel_clamp(deadline_ms);

	for (;;) {
		int64_t left = end - clock_now_ms();
		int timeout = left <= 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left, n, rc;

		n = poll(p, 2, timeout);
		if (n < 0 && errno != EINTR)
			return err_errno(err, "cannot wait for a connection");
		if (n > 0 && p[0].revents)
			return 0;
		rc = cancel_check(err);
		if (rc < 0 && (n != 0 || timeout == 0))
			return rc;
		if (n == 0 && timeout == 0)
			return err_set(err, ERR_TIMEOUT, "no answer in time");
	}
}
