/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Manual pages in mdoc, from the tables. Lines that begin with .\" @ mark where
 * scripts/gen-man puts prose.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/event.h"
#include "cli/cli.h"
#include "cli/param.h"

enum { WORD_MAX = 4096 };
static const char page_date[] = "November 25, 2026";

/* A line of text that mdoc takes as it is. */
static void put_line(struct buf *ret, const char *text)
{
	if (*text == '.' || *text == '\'')
		buf_put_str(ret, "\\&");
	for (; *text; text++) {
		if (*text == '\\')
			buf_put_str(ret, "\\e");
		else
			buf_put_u8(ret, (uint8_t)*text);
	}
	buf_put_u8(ret, '\n');
}

static void put_about(const struct cli_param *row, bool option, struct buf *ret)
{
	owned(buf) struct buf about = {.max = WORD_MAX};

	cli_param_about(row, &about);
	if (option && row->kind == CLI_STRINGS)
		buf_put_str(&about, "; may be repeated");
	buf_put_u8(&about, '.');
	put_line(ret, buf_text(&about));
}

static void put_value(const struct cli_param *row, struct buf *ret)
{
	if (row->kind == CLI_FLAG)
		return;
	buf_put_str(ret, " Ar ");
	cli_param_value(row, ret);
}

static void synopsis_rows(const struct cli_param *rows, bool options, struct buf *ret)
{
	bool access = false;

	for (; rows && rows->name; rows++) {
		access = access || (rows->flags & CLI_ACCESS);
		if (rows->flags & (CLI_HIDDEN | CLI_ACCESS))
			continue;
		buf_put_str(ret, rows->flags & CLI_REQUIRED ? "." : ".Op ");
		if (options) {
			buf_printf(ret, "Fl -%s", rows->name);
			put_value(rows, ret);
		} else {
			buf_printf(ret, "Ar %s", rows->name);
		}
		buf_put_str(ret, rows->kind == CLI_STRINGS ? " ...\n" : "\n");
	}
	if (access)
		buf_put_str(ret, ".Op Ar access options\n");
}

static void synopsis(const struct cli_group *group, const struct cli_command *command,
		     struct buf *ret)
{
	buf_printf(ret, ".Nm hsmctl\n.Cm %s%s%s\n", group->name, command->name ? " " : "",
		   command->name ? command->name : "");
	synopsis_rows(command->options, true, ret);
	synopsis_rows(command->args, false, ret);
}

static void option_item(const struct cli_param *row, struct buf *ret)
{
	buf_put_str(ret, ".It ");
	if (row->letter)
		buf_printf(ret, "Fl %c , ", row->letter);
	buf_printf(ret, "Fl -%s", row->name);
	put_value(row, ret);
	buf_put_u8(ret, '\n');
	put_about(row, true, ret);
}

static void argument_item(const struct cli_param *row, struct buf *ret)
{
	buf_printf(ret, ".It Ar %s\n", row->name);
	put_about(row, false, ret);
}

/* access: the options that prove who we are to a cloud, or all others. */
static bool shows_any(const struct cli_param *rows, bool access)
{
	for (; rows && rows->name; rows++)
		if (!(rows->flags & CLI_HIDDEN) && !(rows->flags & CLI_ACCESS) == !access)
			return true;
	return false;
}

static void items(const struct cli_param *rows, bool access,
		  void (*item)(const struct cli_param *, struct buf *), struct buf *ret)
{
	for (; rows && rows->name; rows++)
		if (!(rows->flags & CLI_HIDDEN) && !(rows->flags & CLI_ACCESS) == !access)
			item(rows, ret);
}

static void command_text(const struct cli_command *command, struct buf *ret)
{
	char summary[WORD_MAX];

	snprintf(summary, sizeof(summary), "%s.", command->summary);
	put_line(ret, summary);
	if (command->flags & CLI_DESTROYS)
		buf_put_str(ret, "It asks before anything is destroyed, unless\n.Fl -yes\nis given.\n");
	if (command->output && command->output->schema)
		buf_printf(ret, "With\n.Fl o Cm json\nit prints\n.Dq hsmctl/%s/v1 .\n",
			   command->output->schema);
	if (command->instead.option)
		buf_printf(ret, "With\n.Fl -%s\nit is\n.Dq hsmctl/%s/v1 .\n", command->instead.option,
			   command->instead.output->schema);
	if (!shows_any(command->args, false) && !shows_any(command->options, false))
		return;
	buf_put_str(ret, ".Bl -tag -width Ds\n");
	items(command->args, false, argument_item, ret);
	items(command->options, false, option_item, ret);
	buf_put_str(ret, ".El\n");
}

static void head(const char *name, const char *summary, struct buf *ret)
{
	buf_printf(ret, ".\\\" SPDX-License-Identifier: Apache-2.0\n.\\\" Made by scripts/gen-man.\n"
			".Dd %s\n.Dt ", page_date);
	for (const char *c = name; *c; c++)
		buf_put_u8(ret, (uint8_t)toupper((unsigned char)*c));
	buf_printf(ret, " 1\n.Os hsmctl\n.Sh NAME\n.Nm %s\n.Nd ", name);
	put_line(ret, summary);
	buf_put_str(ret, ".Sh SYNOPSIS\n");
}

static bool is_shown(const struct cli_command *command)
{
	return !(command->flags & CLI_HIDDEN);
}

/* Once for all verbs, which have the same. */
static void access_options(const struct cli_group *group, struct buf *ret)
{
	const struct cli_command *const *command = group->commands;

	while (*command && !shows_any((*command)->options, true))
		command++;
	if (!*command)
		return;
	buf_put_str(ret, ".Ss Access options\nHow to prove to a cloud who is asking.\nEach stands before the environment "
			 "variables of its kind.\n.Bl -tag -width Ds\n");
	items((*command)->options, true, option_item, ret);
	buf_put_str(ret, ".El\n");
}

static void describe(const struct cli_group *group, struct buf *ret)
{
	const struct cli_command *own = cli_find_command(group, NULL);
	char summary[WORD_MAX];

	buf_put_str(ret, ".Sh DESCRIPTION\n");
	if (own) {
		command_text(own, ret);
	} else {
		snprintf(summary, sizeof(summary), "%s.", group->summary);
		put_line(ret, summary);
	}
	buf_put_str(ret, ".\\\" @description\n");
	for (size_t i = 0; group->commands[i]; i++) {
		const struct cli_command *command = group->commands[i];

		if (!command->name || !is_shown(command))
			continue;
		buf_printf(ret, ".Ss hsmctl %s %s\n", group->name, command->name);
		command_text(command, ret);
	}
	access_options(group, ret);
}

int cli_write_man(const struct cli_group *group, struct buf *ret, struct err *err)
{
	char name[64];

	snprintf(name, sizeof(name), "hsmctl-%s", group->name);
	head(name, group->summary, ret);
	for (size_t i = 0; group->commands[i]; i++)
		if (is_shown(group->commands[i]))
			synopsis(group, group->commands[i], ret);
	describe(group, ret);
	buf_put_str(ret, ".Sh ENVIRONMENT\nThe global options and the environment variables that "
			 "stand for them are in\n.Xr hsmctl 1 .\n.\\\" @files\n"
			 ".Sh EXIT STATUS\n0 when done; the others, and the codes of errors, are "
			 "in\n.Xr hsmctl 1 .\n.\\\" @sections\n.Sh SEE ALSO\n.Xr hsmctl 1\n");
	return buf_check(ret, err);
}

static void commands_list(const struct cli_group *const *groups, struct buf *ret)
{
	char summary[WORD_MAX];

	buf_put_str(ret, ".Pp\nThe commands, each with a page of its own:\n.Bl -tag -width completion\n");
	for (; *groups; groups++) {
		buf_printf(ret, ".It Cm %s\n", (*groups)->name);
		snprintf(summary, sizeof(summary), "%s.", (*groups)->summary);
		put_line(ret, summary);
	}
	buf_put_str(ret, ".El\n");
}

static void environment(struct buf *ret)
{
	static const char *const others[][2] = {
		{"HSMCTL_LOG", "Where the log goes: a file, or syslog."},
		{"HSMCTL_DEBUG", "Rooms whose debug lines are logged, separated by commas, or all: of commands on standard "
		 "error, unless\n.Ev HSMCTL_LOG\nsays where."},
		{"HSMCTL_STATISTICS", "Folder for what applications count, in place of those that\n.Xr hsmctl-status 1\nnames; "
		 "off: nobody sees it."},
		{"NO_COLOR", "Set: headings are not bold."},
		{"COLUMNS", "Width of tables on a terminal, instead of the terminal's own."},
		{"XDG_STATE_HOME", "Where the default store and the history of the prompt lie."},
	};

	buf_put_str(ret, ".Sh ENVIRONMENT\n.Bl -tag -width XDG_STATE_HOME\n");
	for (const struct cli_param *row = cli_globals; row->name; row++) {
		char name[CLI_VARIABLE];

		if (cli_param_variable(row, name))
			buf_printf(ret, ".It Ev %s\nStands for\n.Fl -%s .\n", name, row->name);
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		buf_printf(ret, ".It Ev %s\n%s\n", others[i][0], others[i][1]);
	buf_put_str(ret, ".El\n");
}

/* Codes of one status become one sentence; their order is that of the list. */
static void exit_status(struct buf *ret)
{
	int last = 0;

	buf_put_str(ret, ".Sh EXIT STATUS\n.Bl -tag -width Ds\n.It 0\nDone; for a check: what was "
			 "asked about holds; a drill passed.\n");
	for (enum err_code code = ERR_OK + 1; code < ERR_MAX; code++) {
		int status = err_exit_status(code);

		if (status != last)
			buf_printf(ret, ".It %d\n", status);
		buf_printf(ret, "%s%s\n", err_code_text(code),
			   code + 1 < ERR_MAX && err_exit_status(code + 1) == status ? ";" : ".");
		last = status;
	}
	buf_put_str(ret, ".El\n");
}

static void error_codes(struct buf *ret)
{
	buf_put_str(ret, ".Sh ERROR CODES\nWith\n.Fl o Cm json\na command without a result prints a "
			 "document\n.Dq hsmctl/error/v1\nwhose\n.Va error.code\nis one of\n"
			 ".Bl -tag -width confirmation_needed\n");
	for (enum err_code code = ERR_OK + 1; code < ERR_MAX; code++)
		buf_printf(ret, ".It Cm %s\n%s; status %d.\n", err_code_name(code),
			   err_code_text(code), err_exit_status(code));
	buf_put_str(ret, ".El\n");
}

static void events(struct buf *ret)
{
	buf_put_str(ret, ".Sh EVENTS\nLines that the module logs\n.Pq Ev HSMCTL_LOG\nof what happens to a group carry a code, "
			 "which stays what it is:\n.Bl -tag -width HA001\n");
	for (enum event event = EVENT_NONE + 1; event < EVENT_MAX; event++) {
		char text[WORD_MAX];

		snprintf(text, sizeof(text), "%s.", event_text(event));
		buf_printf(ret, ".It Cm %s\n", event_code(event));
		put_line(ret, text);
	}
	buf_put_str(ret, ".El\n");
}

/* Pages in the order of the alphabet, as the section is kept everywhere. */
static void see_also(const struct cli_group *const *groups, struct buf *ret)
{
	const char *last = "", *next;

	do {
		next = NULL;
		for (size_t i = 0; groups[i]; i++)
			if (strcmp(groups[i]->name, last) > 0 &&
			    (!next || strcmp(groups[i]->name, next) < 0))
				next = groups[i]->name;
		if (next)
			buf_printf(ret, "%s.Xr hsmctl-%s 1", *last ? " ,\n" : "", next);
		last = next;
	} while (next);
	buf_put_u8(ret, '\n');
}

int cli_write_man_overview(const struct cli_group *const *groups, struct buf *ret, struct err *err)
{
	head("hsmctl", "hardware security modules: provision, replicate, prove, fail over", ret);
	buf_put_str(ret, ".Nm\n.Op Ar global options\n.Ar command\n.Op Ar verb\n.Op Ar options\n"
			 ".Op Ar arguments\n.Sh DESCRIPTION\n.\\\" @description\n");
	commands_list(groups, ret);
	buf_put_str(ret, ".Ss Global options\nThey may stand before or behind the command.\n"
			 ".Bl -tag -width Ds\n");
	items(cli_globals, false, option_item, ret);
	buf_put_str(ret, ".El\n");
	environment(ret);
	buf_put_str(ret, ".\\\" @files\n");
	exit_status(ret);
	buf_put_str(ret, ".\\\" @sections\n");
	error_codes(ret);
	events(ret);
	buf_put_str(ret, ".Sh SEE ALSO\n");
	see_also(groups, ret);
	return buf_check(ret, err);
}
