/* SPDX-License-Identifier: Apache-2.0 */
/* Starting, finding and ending the daemon. */
#include "provider/softhsm/daemon.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/program.h"
#include "base/str.h"
#include "provider/softhsm/address.h"
#include "provider/softhsm/paths.h"

enum { START_MS = 10000, STOP_MS = 5000, POLL_MS = 5, GONE_POLLS = 10, LOG_LINE = 300 };

/* 'R', 'S', 'T', 'Z' … of /proc/PID/stat; 0 when there is no such process. */
static char process_state(pid_t pid)
{
	owned(buf) struct buf text = {.max = 1024};
	char path[40];
	const char *end;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if (file_read(path, &text, NULL) < 0)
		return 0;
	end = strrchr(buf_text(&text), ')');
	return end && end[1] ? end[2] : 0;
}

int softhsm_daemon_find(const struct softhsm_paths *paths, struct softhsm_daemon *ret,
			struct err *err)
{
	struct softhsm_daemon found = {0};
	char state;
	int rc = proc_pid_file_read(paths->at[SOFTHSM_PID], &found.id, found.address,
				    sizeof(found.address), err);

	if (rc <= 0)
		return rc;
	state = process_state(found.id.pid);
	/* Killed, but its last threads still hold the pid file. */
	if (state == 'Z' || state == 'X' || !state)
		return proc_wait_gone(&found.id, STOP_MS, err);
	if (str_eq(found.address, "starting"))
		*found.address = 0;
	found.suspended = state == 'T';
	*ret = found;
	return 1;
}

/* Of the log, for people; "" when there is none. */
static void last_line(const char *path, char text[static LOG_LINE])
{
	int fd = file_open(path, O_RDONLY, 0, NULL);
	char *line;
	ssize_t n;
	size_t len;

	*text = 0;
	if (fd < 0)
		return;
	if (lseek(fd, -(LOG_LINE - 1), SEEK_END) < 0)
		lseek(fd, 0, SEEK_SET);
	n = read(fd, text, LOG_LINE - 1);
	close(fd);
	text[n > 0 ? n : 0] = 0;
	len = strlen(text);
	if (len && text[len - 1] == '\n')
		text[len - 1] = 0;
	line = strrchr(text, '\n');
	if (line)
		memmove(text, line + 1, strlen(line));
	err_mask(text);
}

static int ended(const struct softhsm_paths *paths, struct err *err)
{
	char line[LOG_LINE];

	last_line(paths->at[SOFTHSM_LOG], line);
	err_set(err, ERR_FAILED, "the appliance ended: %s", *line ? line : "it left no message");
	return err_hint(err, "see '%s'", paths->at[SOFTHSM_LOG]);
}

/* pid: of the daemon just started, 0 when whoever holds the pid file counts. */
static int await(const struct softhsm_paths *paths, pid_t pid, struct softhsm_daemon *ret,
		 struct err *err)
{
	int64_t end = clock_now_ms() + START_MS;
	int gone = 0;

	for (;;) {
		int found = softhsm_daemon_find(paths, ret, err);
		char state = pid ? process_state(pid) : 'R';
		int rc = cancel_check(err);

		if (found < 0 || rc < 0)
			return found < 0 ? found : rc;
		if (found && *ret->address)
			return 0;
		/* It also ends when another one, started by a run that was killed, came
		 * first; that one may not have written its pid file yet. */
		if (!found && (!pid || !state || state == 'Z') && ++gone > GONE_POLLS)
			return ended(paths, err);
		if (clock_now_ms() >= end)
			return err_set(err, ERR_TIMEOUT, "the appliance does not listen after %d s",
				       START_MS / 1000);
		clock_sleep_ms(POLL_MS);
	}
}

int softhsm_daemon_await(const struct softhsm_paths *paths, struct softhsm_daemon *ret,
			 struct err *err)
{
	int rc = softhsm_daemon_find(paths, ret, err);

	if (rc > 0 && ret->suspended)
		rc = proc_signal(&ret->id, SIGCONT, err);
	if (rc < 0)
		return rc;
	rc = await(paths, 0, ret, err);
	if (rc == 0)
		ret->suspended = false;
	return rc;
}

int softhsm_daemon_start(const struct softhsm_paths *paths, const struct softhsm_serve *serve,
			 struct softhsm_daemon *ret, struct err *err)
{
	owned(mem) char *program = NULL;
	owned(mem) char *conf = mem_printf("SOFTHSM2_CONF=%s", paths->at[SOFTHSM_CONF]);
	const char *env[] = {conf, "HSMCTL_OUTPUT=table", NULL};
	const char *argv[] = {
		NULL, "serve", "--name", serve->device, "--library", serve->library,
		"--pki", paths->at[SOFTHSM_PKI], "--pid-file", paths->at[SOFTHSM_PID],
		"--tokens", paths->at[SOFTHSM_TOKENS], "--guard", paths->at[SOFTHSM_GUARD],
		"--listen", serve->address, serve->serial ? "--serial" : NULL, serve->serial, NULL
	};
	pid_t pid;
	int rc;

	if (!conf)
		return err_no_memory(err);
	rc = program_find("hsmctl-appliance", &program, err);
	if (rc == 0)
		rc = softhsm_address_free(serve->address, err);
	if (rc < 0)
		return rc;
	argv[0] = program;
	pid = proc_spawn_daemon(argv, env, paths->at[SOFTHSM_LOG], err);
	if (pid < 0)
		return (int)pid;
	rc = await(paths, pid, ret, err);
	if (rc == 0)
		log_info("provider", "'%s': process %d serves at %s", serve->device, (int)ret->id.pid, ret->address);
	return rc;
}

int softhsm_daemon_stop(const struct softhsm_paths *paths, struct err *err)
{
	struct softhsm_daemon daemon;
	int rc = softhsm_daemon_find(paths, &daemon, err);

	if (rc <= 0)
		return rc;
	log_info("provider", "'%s': process %d is asked to end", paths->at[SOFTHSM_FOLDER], (int)daemon.id.pid);
	rc = proc_signal(&daemon.id, SIGTERM, err);
	if (rc == 0)
		rc = proc_signal(&daemon.id, SIGCONT, err);
	if (rc < 0)
		return rc;
	rc = proc_wait_gone(&daemon.id, STOP_MS, err);
	if (rc == 0 || cancel_check(err) < 0)
		return rc;
	log_info("provider", "'%s': process %d does not end, and is killed", paths->at[SOFTHSM_FOLDER],
		 (int)daemon.id.pid);
	rc = proc_signal(&daemon.id, SIGKILL, err);
	return rc < 0 ? rc : proc_wait_gone(&daemon.id, STOP_MS, err);
}
