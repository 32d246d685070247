/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cancel - why a command should stop: Ctrl-C, SIGTERM, SIGHUP, SIGQUIT, --timeout.
 *
 * Only programs install it (cli does, before a command runs); inside an
 * application's process it is never installed and never fires. Every wait
 * polls cancel_fd() beside its own descriptor and calls cancel_check() after.
 */
#ifndef BASE_CANCEL_H
#define BASE_CANCEL_H

#include <stdbool.h>
#include <stdint.h>

struct err;

/* Catch SIGINT, SIGTERM, SIGHUP (unless it is ignored: nohup) and SIGQUIT; deadline_ms on the
 * monotonic clock, 0 = none. A second SIGINT ends the process at once. May be called again (the
 * shell does, once a line): it forgets an earlier signal. A child of fork() calls it first of all. */
void cancel_install(int64_t deadline_ms);

/* Readable once cancelled by a signal; -1 when not installed. */
int cancel_fd(void);

/* 0, or ERR_INTERRUPTED, ERR_TERMINATED, ERR_HUNG_UP, ERR_QUIT, ERR_TIMEOUT. */
int cancel_check(struct err *err);

/* Is this negative code one of those? Then nothing is known of what was asked. */
bool cancel_is(int rc);

/*
 * What undoes harm is not cancelled: between these two nothing is, not by the deadline, not by a
 * second SIGINT. What comes meanwhile counts afterwards. They nest.
 */
void cancel_shield(void);
void cancel_unshield(void);

/* Until the next cancel_install() a second SIGINT does not end the process: there is something to undo. */
void cancel_hold(void);

/* The smaller of deadline_ms and the command's own, both monotonic. */
int64_t cancel_clamp(int64_t deadline_ms);

/* Wait until fd is ready for events (poll()), or has failed. ERR_TIMEOUT at the deadline, past which it is looked
 * at once more, because it may have been us who slept; a cancel code when nothing was ready. */
int cancel_poll(int fd, short events, int64_t deadline_ms, struct err *err);

#endif
