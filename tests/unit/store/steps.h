/* SPDX-License-Identifier: Apache-2.0 */
/*
 * steps - what reaches the disk, counted, so that a test can die or fail at any
 * one of these calls. They take the place of libc's in the whole program.
 */
#ifndef TESTS_STORE_STEPS_H
#define TESTS_STORE_STEPS_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

enum step_fault {
	STEP_KILL_BEFORE,	/* SIGKILL instead of the call */
	STEP_KILL_HALFWAY,	/* a write is torn, anything else done, then SIGKILL */
	STEP_FULL_ONCE,		/* the call fails with ENOSPC */
	STEP_FULL,		/* this call and all later ones do */
	STEP_FAULTS
};

static enum step_fault step_fault;
static unsigned long step_left;	/* 0 = nothing happens */
static bool step_full;

static inline void step_die(void)
{
	syscall(SYS_kill, getpid(), SIGKILL);
}

static inline void step_arm(enum step_fault fault, unsigned long nth)
{
	step_fault = fault;
	step_left = nth;
	step_full = false;
}

/* True when the call is to fail; *halfway when to die after half of it. */
static inline bool step_now(bool *halfway)
{
	bool due = step_left && --step_left == 0;

	*halfway = due && step_fault == STEP_KILL_HALFWAY;
	if (due && step_fault == STEP_KILL_BEFORE)
		step_die();
	if (due && step_fault == STEP_FULL)
		step_full = true;
	errno = ENOSPC;
	return step_full || (due && step_fault == STEP_FULL_ONCE);
}

ssize_t write(int fd, const void *data, size_t len)
{
	bool halfway = false;
	ssize_t n;

	if (fd > 2 && step_now(&halfway))
		return -1;
	n = syscall(SYS_write, fd, data, halfway ? len / 2 : len);
	if (halfway)
		step_die();
	return n;
}

#define STEP_CALL(call)                                                        \
	bool halfway = false;                                                  \
	int rc = step_now(&halfway) ? -1 : (int)(call);                        \
	if (halfway)                                                           \
		step_die();                                                    \
	return rc

int fsync(int fd)
{
	STEP_CALL(syscall(SYS_fsync, fd));
}

int fdatasync(int fd)
{
	STEP_CALL(syscall(SYS_fdatasync, fd));
}

int rename(const char *from, const char *to)
{
	STEP_CALL(syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0));
}

#endif
