/* SPDX-License-Identifier: Apache-2.0 */
/* Completion: one walk over the words, then candidates for the last. */
#include "cli/complete.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"
#include "cli/globals.h"
#include "cli/param.h"
#include "cli/text.h"

enum { CANDIDATES_MAX = 1 << 20, PATIENCE_MS = 200, BEFORE_MAX = 80, GIVEN_MAX = 64 };

struct walk;

struct cli_completion {
	const char *typed;		/* what candidates must begin with */
	char before[BEFORE_MAX];	/* "--type=": put in front of each */
	bool files;			/* a path may stand there */
	struct buf *ret;
	const struct walk *walk;
};

/* How far the words before the last one have led. */
struct walk {
	const struct cli_group *const *groups;
	struct cli cli;
	const struct cli_param *arg;	/* row of the next plain word */
	const struct cli_param *value;	/* option that waits for its value */
	bool plain;			/* behind "--" */
	bool equals;			/* behind the "=" that bash cut out */
	bool lost;			/* a word nobody knows */
	bool began;			/* the command has had a plain word */
	struct {
		const struct cli_param *row;
		const char *value;
	} given[GIVEN_MAX];
	size_t n_given;
};

void cli_candidate(struct cli_completion *c, const char *word)
{
	if (str_starts(word, c->typed) && !strchr(word, '\n'))
		buf_printf(c->ret, "%s%s\n", c->before, word);
}

const char *cli_given(const struct cli_completion *c, const char *name)
{
	for (size_t i = c->walk->n_given; i-- > 0;)
		if (str_eq(c->walk->given[i].row->name, name))
			return c->walk->given[i].value;
	return NULL;
}

bool cli_is_given(const struct cli_completion *c, const char *name, const char *value)
{
	for (size_t i = 0; i < c->walk->n_given; i++)
		if (str_eq(c->walk->given[i].row->name, name) && str_eq(c->walk->given[i].value, value))
			return true;
	return false;
}

const char *cli_typed(const struct cli_completion *c)
{
	return c->typed;
}

static const struct cli_param *find_long(const struct walk *w, const char *name, size_t len)
{
	const struct cli_param *row =
		cli_long(w->cli.command ? w->cli.command->options : NULL, name, len);

	return row ? row : cli_long(cli_globals, name, len);
}

static const struct cli_param *find_short(const struct walk *w, char letter)
{
	const struct cli_param *row =
		cli_short(w->cli.command ? w->cli.command->options : NULL, letter);

	return row ? row : cli_short(cli_globals, letter);
}

/* Live completers want to know the store, and what they are to go with. */
static void remember(struct walk *w, const struct cli_param *row, const char *value)
{
	if (w->n_given < GIVEN_MAX) {
		w->given[w->n_given].row = row;
		w->given[w->n_given++].value = value;
	}
	if (row == cli_long(cli_globals, "store", strlen("store")))
		(void)cli_param_set(row, &w->cli.globals, value, NULL);
}

static void take_long(struct walk *w, const char *word)
{
	size_t len = strcspn(word + 2, "=");
	const struct cli_param *row = find_long(w, word + 2, len);

	if (!row || row->kind == CLI_FLAG)
		return;
	if (word[2 + len])
		remember(w, row, word + 3 + len);
	else
		w->value = row;
}

static void take_letters(struct walk *w, const char *word)
{
	for (const char *c = word + 1; *c; c++) {
		const struct cli_param *row = find_short(w, *c);

		if (!row || row->kind == CLI_FLAG)
			continue;
		w->value = c[1] ? NULL : row;
		return;
	}
}

static void enter_command(struct walk *w, const struct cli_command *command)
{
	w->cli.command = command;
	w->arg = command ? command->args : NULL;
}

static void take_plain(struct walk *w, const char *word)
{
	const struct cli_command *command;

	if (!w->cli.group) {
		w->cli.group = cli_find_group(w->groups, word);
		w->lost = !w->cli.group;
		if (w->cli.group)
			enter_command(w, cli_find_command(w->cli.group, NULL));
		return;
	}
	command = w->began ? NULL : cli_find_command(w->cli.group, word);
	w->began = true;
	if (command && command->name) {
		enter_command(w, command);
		return;
	}
	w->lost = !w->cli.command;
	if (!w->arg || !w->arg->name)
		return;
	remember(w, w->arg, word);
	if (w->arg->kind != CLI_STRINGS)
		w->arg++;
}

static void take(struct walk *w, const char *word)
{
	if (w->value && strcmp(word, "=") == 0 && !w->equals) {
		w->equals = true;
		return;
	}
	w->equals = false;
	if (w->value) {
		remember(w, w->value, word);
		w->value = NULL;
	} else if (!w->plain && strcmp(word, "--") == 0) {
		w->plain = true;
	} else if (!w->plain && str_starts(word, "--")) {
		take_long(w, word);
	} else if (!w->plain && word[0] == '-' && word[1]) {
		take_letters(w, word);
	} else {
		take_plain(w, word);
	}
}

static void offer_values(struct walk *w, const struct cli_param *row, struct cli_completion *c)
{
	for (size_t i = 0; row->kind == CLI_CHOICE && row->names[i]; i++)
		cli_candidate(c, row->names[i]);
	if (row->complete)
		row->complete(&w->cli, c);
	c->files = (row->flags & CLI_FILES) != 0;
}

static void offer_options(const struct cli_param *rows, const struct cli_param *shadowed_by,
			  struct cli_completion *c)
{
	char name[BEFORE_MAX];

	for (; rows && rows->name; rows++) {
		if ((rows->flags & CLI_HIDDEN) ||
		    cli_long(shadowed_by, rows->name, strlen(rows->name)))
			continue;
		snprintf(name, sizeof(name), "--%s", rows->name);
		cli_candidate(c, name);
	}
}

static void offer_plain(struct walk *w, struct cli_completion *c)
{
	const struct cli_group *group = w->cli.group;

	for (size_t i = 0; !group && w->groups[i]; i++)
		cli_candidate(c, w->groups[i]->name);
	for (size_t i = 0; group && !w->began && group->commands[i]; i++)
		if (group->commands[i]->name && !(group->commands[i]->flags & CLI_HIDDEN))
			cli_candidate(c, group->commands[i]->name);
	if (w->arg && w->arg->name)
		offer_values(w, w->arg, c);
}

/* "--type=ec": the value, with the option kept in front. */
static void offer_joined(struct walk *w, const char *word, struct cli_completion *c)
{
	size_t len = strcspn(word + 2, "=");
	const struct cli_param *row = find_long(w, word + 2, len);

	if (!row || row->kind == CLI_FLAG || len + 4 > BEFORE_MAX)
		return;
	snprintf(c->before, sizeof(c->before), "--%s=", row->name);
	c->typed = word + 3 + len;
	offer_values(w, row, c);
}

static void offer(struct walk *w, const char *word, struct cli_completion *c)
{
	const struct cli_param *own = w->cli.command ? w->cli.command->options : NULL;

	if (w->value) {
		c->typed = !w->equals && strcmp(word, "=") == 0 ? "" : word;
		offer_values(w, w->value, c);
	} else if (!w->plain && str_starts(word, "--") && strchr(word, '=')) {
		offer_joined(w, word, c);
	} else if (!w->plain && word[0] == '-') {
		offer_options(own, NULL, c);
		offer_options(cli_globals, own, c);
	} else {
		offer_plain(w, c);
	}
}

bool cli_candidates(const struct cli_group *const *groups, int count, char **words,
		    struct buf *ret)
{
	const char *last = count > 0 ? words[count - 1] : "";
	struct walk walk = {.groups = groups};
	struct cli_completion completion = {.typed = last, .ret = ret, .walk = &walk};
	const char *store = secure_getenv("HSMCTL_STORE");

	walk.cli.globals.store = store && *store ? store : NULL;
	walk.cli.globals.quiet = true;
	for (int i = 0; i + 1 < count && !walk.lost; i++)
		take(&walk, words[i]);
	if (!walk.lost)
		offer(&walk, last, &completion);
	return completion.files;
}

static void give_up(int signal_number)
{
	(void)signal_number;
	_exit(0);
}

int cli_complete(const struct cli_group *const *groups, int count, char **words)
{
	const struct itimerval patience = {.it_value = {.tv_usec = PATIENCE_MS * 1000}};
	owned(buf) struct buf found = {.max = CANDIDATES_MAX};
	bool files;

	cancel_install(clock_now_ms() + PATIENCE_MS);
	signal(SIGALRM, give_up);
	setitimer(ITIMER_REAL, &patience, NULL);
	files = cli_candidates(groups, count, words, &found);
	if (text_print(&found, NULL) < 0)
		return 1;
	return files ? CLI_WANTS_FILES : 0;
}
