/* SPDX-License-Identifier: Apache-2.0 */
/* Fetching secrets from where a reference points. */
#include "base/cred.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/proc.h"
#include "base/str.h"

enum { CRED_MAX = 4096 };

int cred_check(const char *reference, struct err *err)
{
	static const char *const kinds[] = {"file:", "env:", "exec:", NULL};

	if (str_eq(reference, "prompt:"))
		return 0;
	for (int i = 0; kinds[i]; i++)
		if (str_starts(reference, kinds[i]) && reference[strlen(kinds[i])])
			return 0;
	/* Not shown: it may be the secret itself. */
	err_set(err, ERR_INVALID, "that is not a reference to a secret");
	return err_hint(err, "use file:PATH, env:NAME, exec:PROGRAM or prompt:");
}

/* The first line of what was read. */
static int first_line(struct buf *text, const char *what, struct secret **ret, struct err *err)
{
	const uint8_t *end = text->len ? memchr(text->data, '\n', text->len) : NULL;
	size_t len = end ? (size_t)(end - text->data) : text->len;

	if (text->bad && !end)
		return err_set(err, ERR_FAILED, "the %s is longer than %zu bytes", what, text->max);
	if (!len)
		return err_set(err, ERR_FAILED, "the %s is empty", what);
	return secret_new(text->data, len, ret, err);
}

static int read_file(const char *path, const char *what, struct secret **ret, struct err *err)
{
	owned(buf) struct buf text = {.max = CRED_MAX, .wipe = true};
	int rc = file_check_ours(path, true, err);

	if (rc == 0)
		rc = file_read(path, &text, err);
	if (rc == -ERR_NOT_OURS && err)
		err->code = ERR_DENIED;
	if (rc < 0) {
		err_wrap(err, "cannot read the %s", what);
		return rc == -ERR_NOT_OURS ? -ERR_DENIED : rc;
	}
	return first_line(&text, what, ret, err);
}

static int read_exec(const char *program, const char *what, struct secret **ret, struct err *err)
{
	const char *argv[] = {program, NULL};
	owned(buf) struct buf text = {.max = CRED_MAX, .wipe = true};
	int rc = proc_run(argv, NULL, &text, NULL, err);

	if (rc < 0)
		return rc;
	if (rc > 0)
		return err_set(err, ERR_FAILED, "'%s' ended with status %d instead of giving the %s",
			       program, rc, what);
	return first_line(&text, what, ret, err);
}

static int read_line(int tty, struct buf *text, struct err *err)
{
	for (;;) {
		struct pollfd p[] = {{.fd = tty, .events = POLLIN},
				     {.fd = cancel_fd(), .events = POLLIN}};
		int64_t left = cancel_clamp(INT64_MAX) - clock_now_ms();
		int rc;
		ssize_t n;
		char c;

		poll(p, 2, left < 0 ? 0 : left > 60000 ? 60000 : (int)left);
		rc = cancel_check(err);
		if (rc < 0)
			return rc;
		if (!p[0].revents)
			continue;
		n = read(tty, &c, 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0 || c == '\n')
			return 0;
		buf_put(text, &c, 1);
	}
}

static int read_prompt(const char *what, struct secret **ret, struct err *err)
{
	owned(buf) struct buf text = {.max = CRED_MAX, .wipe = true};
	struct termios saved, quiet;
	int tty = open("/dev/tty", O_RDWR | O_CLOEXEC), rc;

	if (tty < 0 || tcgetattr(tty, &saved) < 0) {
		if (tty >= 0)
			close(tty);
		err_set(err, ERR_DENIED, "cannot ask for the %s without a terminal", what);
		return err_hint(err, "give a reference: file:PATH, env:NAME or exec:PROGRAM");
	}
	quiet = saved;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	dprintf(tty, "%s: ", what);
	tcsetattr(tty, TCSAFLUSH, &quiet);
	rc = read_line(tty, &text, err);
	tcsetattr(tty, TCSAFLUSH, &saved);
	dprintf(tty, "\n");
	close(tty);
	return rc < 0 ? rc : first_line(&text, what, ret, err);
}

int cred_read(const char *reference, const char *what, struct secret **ret, struct err *err)
{
	int rc = cred_check(reference, err);

	if (rc < 0)
		return rc;
	if (str_starts(reference, "file:"))
		return read_file(reference + 5, what, ret, err);
	if (str_starts(reference, "exec:"))
		return read_exec(reference + 5, what, ret, err);
	if (str_starts(reference, "env:")) {
		const char *value = secure_getenv(reference + 4);

		if (!value || !*value)
			return err_set(err, ERR_NOT_FOUND, "no environment variable '%s' with the %s",
				       reference + 4, what);
		return secret_new(value, strlen(value), ret, err);
	}
	return read_prompt(what, ret, err);
}
