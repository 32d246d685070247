/* SPDX-License-Identifier: Apache-2.0 */
/* Questions on the terminal. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"
#include "cli/emit.h"

enum { ANSWER_MAX = 256 };

/* Wait until stdin can be read; Ctrl-C and --timeout end it. */
static int wait_for_input(struct err *err)
{
	struct pollfd fds[2] = {{.fd = STDIN_FILENO, .events = POLLIN},
				{.fd = cancel_fd(), .events = POLLIN}};
	int r = 0;

	while (r == 0 && !fds[0].revents) {
		int64_t now = clock_now_ms(), left = cancel_clamp(now + 1000) - now;

		fds[0].revents = fds[1].revents = 0;
		if (poll(fds, 2, left > 0 ? (int)left : 0) < 0 && errno != EINTR)
			return err_errno(err, "cannot wait for an answer");
		r = cancel_check(err);
	}
	return r;
}

/* One line without its end; an end of input counts as an empty line. */
static int read_answer(char answer[static ANSWER_MAX], struct err *err)
{
	size_t len = 0;
	char c;
	ssize_t n;
	int r;

	for (;;) {
		r = wait_for_input(err);
		if (r < 0)
			return r;
		n = read(STDIN_FILENO, &c, 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0 || c == '\n')
			break;
		if (len < ANSWER_MAX - 1)
			answer[len++] = c;
	}
	answer[len] = 0;
	return 0;
}

int cli_confirm(struct cli *cli, const char *question, const char *word, struct err *err)
{
	char answer[ANSWER_MAX], shown[400];
	int r;

	if (cli->globals.yes)
		return 0;
	snprintf(shown, sizeof(shown), "%s", question);
	err_mask(shown);
	if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)) {
		err_set(err, ERR_CONFIRM, "nobody to ask: %s", shown);
		return err_hint(err, "give --yes if that is meant");
	}
	progress_clear(cli->observer);
	if (word)
		fprintf(stderr, "%s Type '%s' to go on: ", shown, word);
	else
		fprintf(stderr, "%s [y/N] ", shown);
	r = read_answer(answer, err);
	if (r < 0)
		return r;
	if (word ? str_eq(answer, word) : str_eq(answer, "y") || str_eq(answer, "yes"))
		return 0;
	return err_set(err, ERR_FAILED, "not confirmed");
}
