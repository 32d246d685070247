/* SPDX-License-Identifier: Apache-2.0 */
/* proc - running programs by argument vector, and processes named by pid file. */
#ifndef BASE_PROC_H
#define BASE_PROC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"

struct err;
struct secret;

/* What a program does first: no core files, and no other process of its user looks into its memory: PINs are
 * in there. Files below /proc that show it belong to root from then on; those of its own it can still read. */
void proc_guard(void);

/*
 * Run argv[0] (looked for in PATH), wait for it, collect stdout and stderr.
 * Environment: ours plus env ("NAME=value", NULL-terminated, may be NULL).
 * Returns the exit status, or a negative code when it could not be run
 * (ERR_MISSING when there is no such program), died of a signal, or was ended
 * because the command is cancelled. Output past a buffer's maximum makes that
 * buffer bad, no more.
 */
int proc_run(const char *const *argv, const char *const *env, struct buf *ret_stdout,
	     struct buf *ret_stderr, struct err *err);

/*
 * Start a daemon: own session, stdin from /dev/null, stdout and stderr to the
 * end of log_path, a double fork so that no caller has to reap it. It keeps
 * nothing of the shell we were started from: its folder is /, its umask 077, and
 * its environment holds what proc_daemon_keeps() and env; a variable that a secret
 * came from is gone.
 * Returns the daemon's pid once the program runs, ERR_MISSING when there is no
 * such program. argv[0] and all paths in argv are absolute.
 */
pid_t proc_spawn_daemon(const char *const *argv, const char *const *env,
			const char *log_path, struct err *err);

/* May a daemon keep this variable ("NAME=value") of whoever started it? PATH, HOME, the language, and what the
 * loader, libc and hosted libraries look at. Not HSMCTL_LOG: a daemon has a log of its own, and another folder. */
bool proc_daemon_keeps(const char *entry);
/* An environment for a program: what may pass of ours (NULL: all), with env's entries (may be NULL) put over it. The
 * list is the caller's to free, its entries are borrowed. NULL without memory. */
const char **proc_environment(const char *const *env, bool (*may_pass)(const char *entry));

/*
 * A process as a pid file names it: its pid and when it started (clock ticks
 * since boot, field 22 of /proc/PID/stat), so that a reused pid is never hit.
 * The daemon holds a lock on the file for as long as it lives.
 */
struct proc_id {
	pid_t pid;
	uint64_t started;
};

/* When the process started, 0 when there is none of that number, or it is not shown to us. */
uint64_t proc_started(pid_t pid);

/* Lock path and write this process's identity and the text behind it; the
 * lock lasts as long as the process. Again with another text: replaces it. One
 * line, one file per process. ERR_LOCKED when another daemon has it. A child of
 * fork() shares the lock, and may take the file over. */
int proc_pid_file_take(const char *path, const char *text, struct err *err);
/* Leave it, if it was taken, to a child that was forked since. */
void proc_pid_file_leave(void);

/* Read a pid file. 1 and *ret when a live daemon holds its lock, 0 when none
 * does. ret_text (may be NULL, size bytes) gets the daemon's text. */
int proc_pid_file_read(const char *path, struct proc_id *ret, char *ret_text,
		       size_t size, struct err *err);

/* Send a signal through a pidfd after comparing the start time; 0 also when
 * the process is gone. */
int proc_signal(const struct proc_id *id, int signal_number, struct err *err);

/* Wait until the process is gone; ERR_TIMEOUT after wait_ms. */
int proc_wait_gone(const struct proc_id *id, int64_t wait_ms, struct err *err);

#endif
