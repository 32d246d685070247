/* SPDX-License-Identifier: Apache-2.0 */
/* The watcher: has the daemon in a child, and starts it again when the library has ended it. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/proc.h"
#include "member/appliance.h"
#include "member/port.h"

enum {
	FIRST_MS = 100,		/* before it is started again; doubles each time */
	LONGEST_MS = 5000,	/* less than anybody waits for a daemon that starts */
	CALM_MS = 60000,	/* after such a life the next end is a first one again */
};

/* What the daemon says of itself. Whoever ends by its own will says so; a library says nothing. */
struct word {
	enum { SERVES = 1, ENDS } what;
	int rc;
	struct err err;
};

/* How a life ended. */
struct end {
	bool served;		/* before */
	bool wanted;		/* its last word is rc and err */
	int status;		/* of wait */
	int rc;
	struct err err;
};

/* ---- the daemon ---- */

static int watcher = -1;	/* where it listens */

static void say(const struct word *word)
{
	/* Whole, for it is shorter than a pipe takes at once. */
	(void)!write(watcher, word, sizeof(*word));
}

static void say_serves(void)
{
	say(&(struct word){.what = SERVES});
}

/* Nobody serves unwatched. Asked to end it leaves the token whole, as always. */
static void be_watched(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(0);
}

static void live(const struct appliance_config *config, int fd, pid_t parent)
{
	struct appliance_config watched = *config;
	struct word word = {.what = ENDS};

	watcher = fd;
	watched.serves = say_serves;
	cancel_install(0);
	be_watched(parent);
	word.rc = appliance_serve(&watched, &word.err);
	say(&word);
	_exit(0);
}

/* ---- the watcher ---- */

/* Until it is gone; a signal that tells us to end is passed on. */
static void await_end(pid_t pid, int *ret_status)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd p[2] = {{.fd = pidfd, .events = POLLIN}, {.fd = cancel_fd(), .events = POLLIN}};

	while (pidfd >= 0 && !p[0].revents) {
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			break;
		if (cancel_check(NULL) < 0 && p[1].fd >= 0) {
			kill(pid, SIGTERM);
			p[1].fd = -1;
		}
	}
	if (pidfd >= 0)
		close(pidfd);
	while (waitpid(pid, ret_status, 0) < 0 && errno == EINTR)
		;
}

static void hear(int fd, struct end *end)
{
	struct word word;

	while (read(fd, &word, sizeof(word)) == sizeof(word)) {
		end->served |= word.what == SERVES;
		end->wanted |= word.what == ENDS;
		end->rc = word.rc;
		end->err = word.err;
	}
}

/* One life of the daemon. reserved: the port's, which is not for it. */
static int one_life(const struct appliance_config *config, int reserved, struct end *ret, struct err *err)
{
	pid_t us = getpid(), pid;
	int words[2];

	*ret = (struct end){0};
	if (pipe2(words, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_errno(err, "cannot make a pipe");
	pid = fork();
	if (pid == 0) {
		close(reserved);
		close(words[0]);
		live(config, words[1], us);
	}
	close(words[1]);
	if (pid > 0) {
		/* The pid file is the daemon's: its process is the device. */
		proc_pid_file_leave();
		await_end(pid, &ret->status);
		hear(words[0], ret);
	}
	close(words[0]);
	return pid > 0 ? 0 : err_errno(err, "cannot start the daemon");
}

/* By whoever may end a process and no library does. */
static bool was_killed(int status)
{
	static const int from_outside[] = {SIGKILL, SIGTERM, SIGINT, SIGHUP, SIGQUIT};

	for (size_t i = 0; i < sizeof(from_outside) / sizeof(from_outside[0]); i++)
		if (WIFSIGNALED(status) && WTERMSIG(status) == from_outside[i])
			return true;
	return false;
}

/* 0 or a negative code: that is the result of it all. 1: err says why it is to be started again. */
static int judge(const struct end *end, bool served_ever, struct err *err)
{
	if ((end->wanted && end->rc == 0) || cancel_check(NULL) < 0)
		return 0;
	if (end->wanted)
		*err = end->err;
	else if (was_killed(end->status))
		return err_set(err, ERR_FAILED, "the daemon was killed by signal %d, and is not started again",
			       WTERMSIG(end->status));
	else if (WIFSIGNALED(end->status))
		err_set(err, ERR_FAILED, "the library ended the daemon by signal %d", WTERMSIG(end->status));
	else
		err_set(err, ERR_FAILED, "the library ended the daemon with exit status %d", WEXITSTATUS(end->status));
	return served_ever ? 1 : -(int)err->code;
}

/* Meanwhile we are what there is of the device: who stops it, or kills it, means us. */
static int await_next(const struct appliance_config *config, int64_t wait_ms, struct err *err)
{
	int rc = proc_pid_file_take(config->pid_file, "starting", err);

	if (rc == 0)
		clock_sleep_ms(wait_ms);
	return rc;
}

static int64_t longer(int64_t wait_ms)
{
	return 2 * wait_ms < LONGEST_MS ? 2 * wait_ms : LONGEST_MS;
}

static int watch(const struct appliance_config *config, int reserved, struct err *err)
{
	int64_t wait_ms = FIRST_MS;
	bool served = false;
	int rc = 0;

	while (rc == 0 && cancel_check(NULL) == 0) {
		int64_t start = clock_now_ms();
		struct end end;

		rc = one_life(config, reserved, &end, err);
		served |= end.served;
		if (rc == 0)
			rc = judge(&end, served, err);
		if (rc <= 0)
			return rc;
		if (clock_now_ms() - start > CALM_MS)
			wait_ms = FIRST_MS;
		log_error("appliance", "%s; it is started again in %lld ms", err->message, (long long)wait_ms);
		rc = await_next(config, wait_ms, err);
		wait_ms = longer(wait_ms);
	}
	return rc;
}

int appliance_watch(const struct appliance_config *config, struct err *err)
{
	struct appliance_config bound = *config;
	char address[PORT_TEXT];
	int reserved, rc;

	cancel_install(0);
	rc = port_bind(config->address, &reserved, address, err);
	if (rc < 0)
		return rc;
	bound.address = address;
	rc = watch(&bound, reserved, err);
	close(reserved);
	return rc;
}
