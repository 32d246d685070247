/* SPDX-License-Identifier: Apache-2.0 */
/* Programs, daemons and pid files. */
#include "base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"

extern char **environ;

/* What programs, libc and hosted libraries may need; '*' at either end stands for anything. Nothing that a user
 * names: it may be where a PIN is. */
static const char *const daemon_variables[] = {
	"PATH", "HOME", "TMPDIR", "TZ", "LANG", "LANGUAGE", "LC_*", "LD_*", "MALLOC_*", "*SAN_OPTIONS", "SOFTHSM2_CONF",
	"NSS_*", "ChrystokiConfigurationPath", "HSMCTL_DEBUG", NULL
};

static bool matches(const char *name, size_t len, const char *pattern)
{
	size_t fixed = strlen(pattern);

	if (*pattern == '*')
		return len >= fixed - 1 && memcmp(name + len - (fixed - 1), pattern + 1, fixed - 1) == 0;
	if (pattern[fixed - 1] == '*')
		return len >= fixed - 1 && memcmp(name, pattern, fixed - 1) == 0;
	return len == fixed && memcmp(name, pattern, len) == 0;
}

bool proc_daemon_keeps(const char *entry)
{
	for (const char *const *pattern = daemon_variables; *pattern; pattern++)
		if (matches(entry, strcspn(entry, "="), *pattern))
			return true;
	return false;
}

const char **proc_environment(const char *const *env, bool (*may_pass)(const char *entry))
{
	size_t ours = 0, theirs = 0, n = 0;
	const char **merged;

	/* A host may have none. */
	while (environ && environ[ours])
		ours++;
	while (env && env[theirs])
		theirs++;
	merged = mem_zalloc((ours + theirs + 1) * sizeof(*merged));
	for (size_t i = 0; merged && i < ours; i++) {
		size_t name = strcspn(environ[i], "=") + 1, j = 0;

		while (j < theirs && strncmp(environ[i], env[j], name) != 0)
			j++;
		if (j == theirs && (!may_pass || may_pass(environ[i])))
			merged[n++] = environ[i];
	}
	for (size_t j = 0; merged && j < theirs; j++)
		merged[n++] = env[j];
	return merged;
}

enum { STOP_MS = 1000 };

void proc_guard(void)
{
	struct rlimit core;

	if (getrlimit(RLIMIT_CORE, &core) == 0) {
		core.rlim_cur = 0;
		(void)setrlimit(RLIMIT_CORE, &core);
	}
#ifndef __SANITIZE_ADDRESS__	/* its search for leaks looks into us */
	(void)prctl(PR_SET_DUMPABLE, 0);
#endif
}

/* In the child, with nothing but async-signal-safe calls: turn into argv, or
 * write errno to report. */
static void become(const char *const *argv, const char *const *env, int in, int out,
		   int errors, int report)
{
	int fds[] = {in, out, errors, report}, code;
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGQUIT, SIG_DFL);
	/* Ignored for us and whatever we start: nohup. */
	if (signal(SIGHUP, SIG_DFL) == SIG_IGN)
		signal(SIGHUP, SIG_IGN);
	/* A host that closed its own standard streams gets theirs as pipes. */
	for (int i = 0; i < 4; i++)
		fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
	if (dup2(fds[0], 0) >= 0 && dup2(fds[1], 1) >= 0 && dup2(fds[2], 2) >= 0)
		execvpe(argv[0], (char *const *)argv, (char *const *)env);
	code = errno;
	_exit(write(fds[3], &code, sizeof(code)) == sizeof(code) ? 127 : 126);
}

/* Exactly len bytes; false when the other end closed before. */
static bool read_exactly(int fd, void *ret, size_t len)
{
	ssize_t n;

	do
		n = read(fd, ret, len);
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)len;
}

/* 0 when the program runs, else why not. */
static int exec_result(int report, const char *program, struct err *err)
{
	int code;

	if (!read_exactly(report, &code, sizeof(code)))
		return 0;
	if (code == ENOENT)
		return err_set(err, ERR_MISSING, "no program '%s'", program);
	errno = code;
	return err_errno(err, "cannot start '%s'", program);
}

static void close_one(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void close_two(int (*fds)[2])
{
	close_one(&(*fds)[0]);
	close_one(&(*fds)[1]);
}

/* What is there to read on p; false at the end. */
static bool drain_one(int fd, struct buf *to)
{
	char block[4096];
	ssize_t n = read(fd, block, sizeof(block));

	if (n > 0 && to)
		buf_put(to, block, (size_t)n);
	if (n > 0)
		explicit_bzero(block, (size_t)n);
	return n > 0 || (n < 0 && errno == EINTR);
}

/* Read both pipes to their ends, or until the command is cancelled. */
static int drain(int out, int errors, struct buf *ret_out, struct buf *ret_errors, struct err *err)
{
	struct pollfd p[] = {{.fd = out, .events = POLLIN}, {.fd = errors, .events = POLLIN},
			     {.fd = cancel_fd(), .events = POLLIN}};
	struct buf *to[] = {ret_out, ret_errors};

	while (p[0].fd >= 0 || p[1].fd >= 0) {
		int64_t left = cancel_clamp(INT64_MAX) - clock_now_ms();
		int rc, n = poll(p, 3, left < 0 ? 0 : left > 60000 ? 60000 : (int)left);

		for (int i = 0; n > 0 && i < 2; i++)
			if (p[i].revents && !drain_one(p[i].fd, to[i]))
				p[i].fd = -1;
		rc = cancel_check(err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* Ask it to end; insist when it does not. */
static void stop(pid_t pid)
{
	__attribute__((cleanup(close_one))) int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd p = {.fd = fd, .events = POLLIN};

	kill(pid, SIGTERM);
	if (fd < 0 || poll(&p, 1, STOP_MS) != 1)
		kill(pid, SIGKILL);
}

static int reap(pid_t pid, int *ret_status)
{
	pid_t got;

	do
		got = waitpid(pid, ret_status, 0);
	while (got < 0 && errno == EINTR);
	return got == pid ? 0 : -1;
}

int proc_run(const char *const *argv, const char *const *env, struct buf *ret_stdout,
	     struct buf *ret_stderr, struct err *err)
{
	__attribute__((cleanup(close_two))) int out[2] = {-1, -1};
	__attribute__((cleanup(close_two))) int errors[2] = {-1, -1};
	__attribute__((cleanup(close_two))) int report[2] = {-1, -1};
	__attribute__((cleanup(close_one))) int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	owned(mem) const char **merged = proc_environment(env, NULL);
	int status = 0, rc;
	pid_t pid;

	if (!merged)
		return err_no_memory(err);
	if (null < 0 || pipe2(out, O_CLOEXEC) < 0 || pipe2(errors, O_CLOEXEC) < 0 ||
	    pipe2(report, O_CLOEXEC) < 0)
		return err_errno(err, "cannot make the pipes of '%s'", argv[0]);
	pid = fork();
	if (pid == 0)
		become(argv, merged, null, out[1], errors[1], report[1]);
	if (pid < 0)
		return err_errno(err, "cannot start '%s'", argv[0]);
	close_one(&out[1]);
	close_one(&errors[1]);
	close_one(&report[1]);
	rc = exec_result(report[0], argv[0], err);
	if (rc == 0)
		rc = drain(out[0], errors[0], ret_stdout, ret_stderr, err);
	if (rc < 0)
		stop(pid);
	if (reap(pid, &status) < 0 && rc == 0)
		return err_set(err, ERR_FAILED, "somebody else waited for '%s'", argv[0]);
	if (rc < 0)
		return rc;
	if (WIFSIGNALED(status))
		return err_set(err, ERR_FAILED, "'%s' died of signal %d", argv[0], WTERMSIG(status));
	return WEXITSTATUS(status);
}

/* In the child: a session of its own, then a process that nobody has to reap. */
static void detach(const char *const *argv, const char *const *env, int null, int log, int report)
{
	pid_t pid;

	setsid();
	umask(077);
	/* Files of our caller's caller would stay open for as long as the daemon. */
	close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
	pid = fork();
	if (pid != 0)
		_exit(pid < 0);
	pid = getpid();
	if (chdir("/") == 0 && write(report, &pid, sizeof(pid)) == sizeof(pid))
		become(argv, env, null, log, log, report);
	_exit(126);
}

pid_t proc_spawn_daemon(const char *const *argv, const char *const *env,
			const char *log_path, struct err *err)
{
	__attribute__((cleanup(close_two))) int report[2] = {-1, -1};
	__attribute__((cleanup(close_one))) int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	__attribute__((cleanup(close_one))) int log =
		file_open(log_path, O_WRONLY | O_CREAT | O_APPEND, 0600, err);
	owned(mem) const char **merged = proc_environment(env, proc_daemon_keeps);
	pid_t child, daemon_pid = -1;
	int status, rc;

	if (log < 0)
		return log;
	if (!merged)
		return err_no_memory(err);
	if (null < 0 || pipe2(report, O_CLOEXEC) < 0)
		return err_errno(err, "cannot make a pipe");
	child = fork();
	if (child == 0)
		detach(argv, merged, null, log, report[1]);
	if (child < 0)
		return err_errno(err, "cannot start '%s'", argv[0]);
	close_one(&report[1]);
	reap(child, &status);
	if (!read_exactly(report[0], &daemon_pid, sizeof(daemon_pid)))
		return err_set(err, ERR_FAILED, "cannot start '%s'", argv[0]);
	rc = exec_result(report[0], argv[0], err);
	return rc < 0 ? rc : daemon_pid;
}

/* Field 22 of /proc/PID/stat. */
uint64_t proc_started(pid_t pid)
{
	char path[40], text[1024];
	unsigned long long started = 0;
	const char *p;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = 0;
	p = strrchr(text, ')');	/* the name before it may hold anything */
	if (!p || sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u"
				" %*d %*d %*d %*d %*d %*d %llu", &started) != 1)
		return 0;
	return started;
}

/* Open for as long as the daemon lives: the lock is the sign that it does. */
static int pid_file = -1;

int proc_pid_file_take(const char *path, const char *text, struct err *err)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char line[400];
	int len;

	len = snprintf(line, sizeof(line), "%d %llu %s\n", (int)getpid(),
		       (unsigned long long)proc_started(getpid()), text);
	if (len >= (int)sizeof(line) || strchr(text, '\n'))
		return err_set(err, ERR_INVALID, "a pid file holds one short line");
	if (pid_file < 0)
		pid_file = file_open(path, O_RDWR | O_CREAT, 0600, err);
	if (pid_file < 0)
		return pid_file;
	if (fcntl(pid_file, F_OFD_SETLK, &whole) < 0) {
		int rc = errno == EAGAIN || errno == EACCES
				 ? err_set(err, ERR_LOCKED, "a daemon that holds '%s' is running already", path)
				 : err_errno(err, "cannot lock the pid file '%s'", path);

		close_one(&pid_file);
		return rc;
	}
	/* Never empty once it was written: a reader would miss the daemon. */
	if (pwrite(pid_file, line, (size_t)len, 0) != len || ftruncate(pid_file, len) < 0)
		return err_errno(err, "cannot write the pid file '%s'", path);
	return 0;
}

void proc_pid_file_leave(void)
{
	close_one(&pid_file);
}

int proc_pid_file_read(const char *path, struct proc_id *ret, char *ret_text,
		       size_t size, struct err *err)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	unsigned long long started;
	char line[400] = "";
	int fd = file_open(path, O_RDONLY, 0, err), pid, at = 0;
	ssize_t n;

	if (fd < 0)
		return fd == -ERR_NOT_FOUND ? 0 : fd;
	n = pread(fd, line, sizeof(line) - 1, 0);
	if (fcntl(fd, F_OFD_GETLK, &whole) < 0)
		whole.l_type = F_UNLCK;
	close(fd);
	if (n <= 0 || whole.l_type == F_UNLCK)
		return 0;
	if (sscanf(line, "%d %llu %n", &pid, &started, &at) != 2 || !at)
		return 0;
	/* Of the daemon before, while a new one has locked and not yet written. */
	if (pid <= 0 || proc_started(pid) != started)
		return 0;
	line[strcspn(line, "\n")] = 0;
	*ret = (struct proc_id){.pid = pid, .started = started};
	if (ret_text)
		snprintf(ret_text, size, "%s", line + at);
	return 1;
}

/* A pidfd of exactly that process, -1 with errno ESRCH when it is gone. */
static int open_pidfd(const struct proc_id *id)
{
	int fd = (int)syscall(SYS_pidfd_open, id->pid, 0);

	if (fd >= 0 && proc_started(id->pid) != id->started) {
		close(fd);
		errno = ESRCH;
		return -1;
	}
	return fd;
}

int proc_signal(const struct proc_id *id, int signal_number, struct err *err)
{
	__attribute__((cleanup(close_one))) int fd = open_pidfd(id);

	if (fd < 0)
		return errno == ESRCH ? 0 : err_errno(err, "cannot reach process %d", (int)id->pid);
	if (syscall(SYS_pidfd_send_signal, fd, signal_number, NULL, 0) < 0 && errno != ESRCH)
		return err_errno(err, "cannot signal process %d", (int)id->pid);
	return 0;
}

int proc_wait_gone(const struct proc_id *id, int64_t wait_ms, struct err *err)
{
	__attribute__((cleanup(close_one))) int fd = open_pidfd(id);
	struct pollfd p[2] = {{.fd = fd, .events = POLLIN}, {.fd = cancel_fd(), .events = POLLIN}};
	int64_t end = cancel_clamp(clock_now_ms() + wait_ms);

	if (fd < 0)
		return errno == ESRCH ? 0 : err_errno(err, "cannot reach process %d", (int)id->pid);
	for (;;) {
		int64_t left = end - clock_now_ms();
		int rc;

		if (poll(p, 2, left < 0 ? 0 : left > 60000 ? 60000 : (int)left) < 0 && errno != EINTR)
			return err_errno(err, "cannot wait for process %d", (int)id->pid);
		if (p[0].revents)
			return 0;
		rc = cancel_check(err);
		if (rc < 0)
			return rc;
		if (left <= 0)
			return err_set(err, ERR_TIMEOUT, "process %d does not end", (int)id->pid);
	}
}
