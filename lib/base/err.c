/* SPDX-License-Identifier: Apache-2.0 */
/* Errors: the one table of codes, and how messages are put together. */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	int status;
	const char *text;
} codes[ERR_MAX] = {
	[ERR_OK] = {"ok", 0, "no error"},
	[ERR_FAILED] = {"failed", 1, "the command failed"},
	[ERR_NO_MEMORY] = {"no_memory", 1, "memory ran out"},
	[ERR_IO] = {"io", 1, "a file or a system call failed"},
	[ERR_IN_USE] = {"in_use", 1, "something still depends on it, or a port is taken"},
	[ERR_UNSUPPORTED] = {"unsupported", 1, "this token or provider cannot do that"},
	[ERR_NOT_REPLICABLE] = {"not_replicable", 1, "the group's members cannot replicate that kind of key"},
	[ERR_TOKEN] = {"token", 1, "a token refused a call"},
	[ERR_MISSING] = {"missing_software", 1, "a program or library must be installed first"},
	[ERR_GUARD] = {"guard", 1, "a drill was refused or aborted by a guard"},
	[ERR_USAGE] = {"usage", 2, "wrong use of the command line"},
	[ERR_INVALID] = {"invalid", 2, "a document is not valid"},
	[ERR_AMBIGUOUS] = {"ambiguous", 2, "more than one thing has that name"},
	[ERR_CONFIRM] = {"confirmation_needed", 2, "the command destroys something and --yes was not given"},
	[ERR_DIFFERENT] = {"different", 3, "a check found a difference"},
	[ERR_OBJECTIVE] = {"objective_missed", 4, "a drill missed an objective"},
	[ERR_DENIED] = {"denied", 5, "not allowed"},
	[ERR_PIN] = {"pin", 5, "the PIN was refused; it is not tried again"},
	[ERR_NOT_OURS] = {"not_ours", 5, "the store belongs to somebody else or others can write it"},
	[ERR_NOT_FOUND] = {"not_found", 6, "there is nothing of that name"},
	[ERR_EXISTS] = {"exists", 6, "there is one of that name already"},
	[ERR_UNREACHABLE] = {"unreachable", 7, "a device or member cannot be reached"},
	[ERR_STALE] = {"stale", 7, "only members that missed writes can be reached"},
	[ERR_NOT_KNOWN] = {"not_known", 10, "it is not known whether the write was made; a sync carries on what was"},
	[ERR_POLICY] = {"too_few_members", 7, "too few members are up for the durability policy"},
	[ERR_PROTOCOL] = {"protocol", 7, "the peer does not speak this protocol"},
	[ERR_LOCKED] = {"locked", 8, "somebody else holds the lock"},
	[ERR_CHANGED] = {"changed", 8, "the document changed under the edit"},
	[ERR_TIMEOUT] = {"timeout", 9, "--timeout ran out"},
	[ERR_HUNG_UP] = {"hung_up", 129, "the terminal was closed; running the command again continues"},
	[ERR_INTERRUPTED] = {"interrupted", 130, "interrupted; running the command again continues"},
	[ERR_QUIT] = {"quit", 131, "ended by SIGQUIT; running the command again continues"},
	[ERR_TERMINATED] = {"terminated", 143, "terminated; running the command again continues"},
};

const char *err_code_name(enum err_code code)
{
	return code < ERR_MAX ? codes[code].name : "failed";
}

const char *err_code_text(enum err_code code)
{
	return code < ERR_MAX ? codes[code].text : "";
}

int err_exit_status(enum err_code code)
{
	return code < ERR_MAX ? codes[code].status : 1;
}

/* Length of the well-formed character at p (RFC 3629), 0 when there is none. */
static size_t utf8_len(const unsigned char *p)
{
	size_t len = *p < 0x80 ? 1 : *p < 0xc2 ? 0 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : *p < 0xf5 ? 4 : 0;

	for (size_t i = 1; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	/* Overlong forms, surrogates, past U+10FFFF. */
	if ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f) ||
	    (*p == 0xf0 && p[1] < 0x90) || (*p == 0xf4 && p[1] > 0x8f))
		return 0;
	return len;
}

/* U+200E, U+200F, U+2028 to U+202E, U+2066 to U+2069: they turn, or end, the line they stand in. */
static bool turns_text(const unsigned char *p, size_t len)
{
	if (len != 3 || p[0] != 0xe2)
		return false;
	return (p[1] == 0x80 && (p[2] == 0x8e || p[2] == 0x8f || (p[2] >= 0xa8 && p[2] <= 0xae))) ||
	       (p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9);
}

void err_mask(char *text)
{
	for (unsigned char *p = (unsigned char *)text; *p;) {
		size_t len = utf8_len(p);

		/* U+0080 to U+009F are control characters too. */
		if (len == 0 || turns_text(p, len) || *p < 0x20 || *p == 0x7f || (*p == 0xc2 && p[1] < 0xa0)) {
			memset(p, '?', len ? len : 1);
			len = len ? len : 1;
		}
		p += len;
	}
}

/* The code set last by this thread: what a caller without a struct err is told
 * when context or a hint is added. */
static _Thread_local enum err_code last_code;

static int code_of(const struct err *err)
{
	enum err_code code = err ? err->code : last_code;

	return code == ERR_OK ? -(int)ERR_FAILED : -(int)code;
}

void err_clear(struct err *err)
{
	if (err)
		memset(err, 0, sizeof(*err));
}

int err_set(struct err *err, enum err_code code, const char *fmt, ...)
{
	va_list ap;

	last_code = code;
	if (!err)
		return -(int)code;
	err_clear(err);
	err->code = code;
	va_start(ap, fmt);
	vsnprintf(err->message, sizeof(err->message), fmt, ap);
	va_end(ap);
	err_mask(err->message);
	return -(int)code;
}

int err_errno(struct err *err, const char *fmt, ...)
{
	int saved = errno;
	char text[400];
	va_list ap;
	enum err_code code = saved == ENOMEM ? ERR_NO_MEMORY : ERR_IO;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	err_set(err, code, "%s: %s", text, strerror(saved));
	errno = saved;
	return -(int)code;
}

int err_wrap(struct err *err, const char *fmt, ...)
{
	char text[sizeof(err->message)];
	char old[sizeof(err->message)];
	va_list ap;

	if (!err)
		return code_of(err);
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	memcpy(old, err->message, sizeof(old));
	/* What is far in the back may be the id that support asks for: the context gives way. */
	snprintf(err->message, sizeof(err->message), "%.150s: %.440s", text, old);
	err_mask(err->message);
	return code_of(err);
}

int err_hint(struct err *err, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return code_of(err);
	va_start(ap, fmt);
	vsnprintf(err->hint, sizeof(err->hint), fmt, ap);
	va_end(ap);
	err_mask(err->hint);
	return code_of(err);
}

int err_no_memory(struct err *err)
{
	return err_set(err, ERR_NO_MEMORY, "out of memory");
}
