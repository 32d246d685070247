/* SPDX-License-Identifier: Apache-2.0 */
/*
 * err - what went wrong, in one struct on the caller's stack.
 *
 * A function that can fail takes a struct err last and returns 0 (or a count)
 * or a negative enum err_code. Nothing is allocated, so an error can always be
 * told. Messages have no capital and no full stop, say the failure first and
 * put the subject in single quotes; control characters are masked. The hint
 * names the next command where there is one.
 *
 * What a code means to a script (exit status, name in JSON) stands in the one
 * table of err.c; what it means to an application (CK_RV) in p11/rv.c.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

enum err_code {
	ERR_OK,
	ERR_FAILED,	   /* nothing more precise is known */
	ERR_NO_MEMORY,
	ERR_IO,		   /* a file or a system call failed */
	ERR_IN_USE,	   /* something still depends on it, or a port is taken */
	ERR_UNSUPPORTED,   /* this token or provider cannot do that */
	ERR_NOT_REPLICABLE,/* a key that members cannot carry over */
	ERR_TOKEN,	   /* a token refused a call; err.rv says how */
	ERR_MISSING,	   /* a program or library that must be installed */
	ERR_GUARD,	   /* a drill was refused or aborted */
	ERR_USAGE,	   /* the command line */
	ERR_INVALID,	   /* a document: file, line, reason */
	ERR_AMBIGUOUS,
	ERR_CONFIRM,	   /* --yes missing */
	ERR_DIFFERENT,	   /* a check found a difference */
	ERR_OBJECTIVE,	   /* a drill missed an objective */
	ERR_DENIED,	   /* not allowed */
	ERR_PIN,	   /* wrong, locked or expired PIN: never tried again */
	ERR_NOT_OURS,	   /* a store that others own or can write */
	ERR_NOT_FOUND,
	ERR_EXISTS,
	ERR_UNREACHABLE,
	ERR_POLICY,	   /* too few members for the durability policy */
	ERR_STALE,	   /* only members that missed writes are up */
	ERR_NOT_KNOWN,	   /* a write that may have been made, or may still be */
	ERR_PROTOCOL,	   /* the peer does not speak our protocol */
	ERR_LOCKED,
	ERR_CHANGED,	   /* the document changed under the edit */
	ERR_TIMEOUT,
	ERR_HUNG_UP,
	ERR_INTERRUPTED,
	ERR_QUIT,
	ERR_TERMINATED,
	ERR_MAX
};

/*
 * May the same request be sent again? Only the layer that sent the bytes
 * knows: SAFE when nothing reached the peer, IDEMPOTENT when it may have and
 * only requests that are the same done twice may be repeated.
 */
enum err_retry { ERR_RETRY_NEVER, ERR_RETRY_SAFE, ERR_RETRY_IDEMPOTENT };

struct err {
	enum err_code code;
	enum err_retry retry;
	unsigned long rv;	/* CK_RV of a token, 0 when none was involved */
	char message[600];
	char hint[240];
};

/* Fill err (may be NULL) and return -code. */
int err_set(struct err *err, enum err_code code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* As err_set, with ": strerror(errno)" appended. ENOSPC and the like: ERR_IO. */
int err_errno(struct err *err, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Put "context: " before the message; returns -err->code. */
int err_wrap(struct err *err, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Say which command helps; returns -err->code so that it can be returned. */
int err_hint(struct err *err, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* ERR_NO_MEMORY in one word. */
int err_no_memory(struct err *err);

/* Forget everything. */
void err_clear(struct err *err);

/* snake_case name of a code, as printed in JSON; part of the contract. */
const char *err_code_name(enum err_code code);

/* One line that says what the code means, for hsmctl(1). */
const char *err_code_text(enum err_code code);

/* Exit status of a command that ended with this code. */
int err_exit_status(enum err_code code);

/* Replace control characters and bad UTF-8 leads in place, so that foreign
 * text cannot move a terminal's cursor. */
void err_mask(char *text);

#endif
