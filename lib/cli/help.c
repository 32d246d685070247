/* SPDX-License-Identifier: Apache-2.0 */
/* Help for people, from the tables. */
#include "cli/help.h"

#include <string.h>

#include "cli/globals.h"
#include "cli/param.h"
#include "cli/text.h"

enum { HELP_MAX = 1 << 18, WORD_MAX = 4096 };

static bool shown(const struct cli_param *row)
{
	return !(row->flags & CLI_HIDDEN);
}

/* "[-g NAME]", "--member DEVICE ...", "GROUP": one unit of the synopsis. */
static void synopsis_word(const struct cli_param *row, bool option, struct buf *ret)
{
	bool optional = !(row->flags & CLI_REQUIRED);

	if (optional)
		buf_put_u8(ret, '[');
	if (option)
		buf_printf(ret, "--%s", row->name);
	else
		buf_put_str(ret, row->name);
	if (option && row->kind != CLI_FLAG) {
		buf_put_u8(ret, ' ');
		cli_param_value(row, ret);
	}
	if (row->kind == CLI_STRINGS)
		buf_put_str(ret, "...");
	if (optional)
		buf_put_u8(ret, ']');
}

static void synopsis_rows(const struct cli_param *rows, bool options, size_t indent,
			  size_t *column, struct buf *ret)
{
	bool access = false;

	for (; rows && rows->name; rows++) {
		owned(buf) struct buf word = {.max = WORD_MAX};

		if (!shown(rows) || (access && (rows->flags & CLI_ACCESS)))
			continue;
		access = rows->flags & CLI_ACCESS;
		if (access)
			buf_put_str(&word, "[access options]");
		else
			synopsis_word(rows, options, &word);
		if (*column + 1 + word.len > TEXT_WIDTH) {
			buf_put_u8(ret, '\n');
			text_pad(ret, indent);
			*column = indent;
		}
		buf_printf(ret, " %s", buf_text(&word));
		*column += 1 + word.len;
	}
}

static void synopsis(const struct cli_group *group, const struct cli_command *command,
		     struct buf *ret)
{
	size_t start = ret->len, indent, column;

	buf_printf(ret, "usage: hsmctl %s%s%s", group->name, command->name ? " " : "",
		   command->name ? command->name : "");
	indent = column = ret->len - start;
	synopsis_rows(command->options, true, indent, &column, ret);
	synopsis_rows(command->args, false, indent, &column, ret);
	buf_put_u8(ret, '\n');
}

static void option_entry(const struct cli_param *row, struct buf *ret)
{
	owned(buf) struct buf left = {.max = WORD_MAX}, about = {.max = WORD_MAX};

	if (row->letter)
		buf_printf(&left, "-%c, --%s", row->letter, row->name);
	else
		buf_printf(&left, "    --%s", row->name);
	if (row->kind != CLI_FLAG) {
		buf_put_u8(&left, ' ');
		cli_param_value(row, &left);
	}
	cli_param_about(row, &about);
	if (row->kind == CLI_STRINGS)
		buf_put_str(&about, "; may be repeated");
	text_entry(ret, buf_text(&left), buf_text(&about));
}

static void argument_entry(const struct cli_param *row, struct buf *ret)
{
	owned(buf) struct buf about = {.max = WORD_MAX};

	cli_param_about(row, &about);
	text_entry(ret, row->name, buf_text(&about));
}

/* own: rows that stand for those of the same name, NULL = none. access: the options that prove who we are
 * to a cloud, or all others. */
static void section(const char *title, const struct cli_param *rows, const struct cli_param *own, bool access,
		    void (*entry)(const struct cli_param *, struct buf *), struct buf *ret)
{
	bool any = false;

	for (; rows && rows->name; rows++) {
		if (!shown(rows) || !(rows->flags & CLI_ACCESS) == access ||
		    cli_long(own, rows->name, strlen(rows->name)))
			continue;
		if (!any)
			buf_printf(ret, "\n%s:\n", title);
		any = true;
		entry(rows, ret);
	}
}

static void command_help(const struct cli_group *group, const struct cli_command *command,
			 struct buf *ret)
{
	size_t column = 0;

	synopsis(group, command, ret);
	buf_put_u8(ret, '\n');
	text_wrap(ret, command->summary, 0, &column);
	buf_put_str(ret, ".\n");
	if (command->flags & CLI_DESTROYS)
		buf_put_str(ret, "Asks before anything is destroyed, unless --yes is given.\n");
	section("Arguments", command->args, NULL, false, argument_entry, ret);
	section("Options", command->options, NULL, false, option_entry, ret);
	section("Access options, for clouds", command->options, NULL, true, option_entry, ret);
	if (command->output && command->output->schema)
		buf_printf(ret, "\nOutput with -o json: hsmctl/%s/v1\n", command->output->schema);
	if (command->instead.option)
		buf_printf(ret, "With --%s: hsmctl/%s/v1\n", command->instead.option, command->instead.output->schema);
}

static void verbs(const struct cli_group *group, struct buf *ret)
{
	buf_put_str(ret, "\nVerbs:\n");
	for (size_t i = 0; group->commands[i]; i++)
		if (group->commands[i]->name && !(group->commands[i]->flags & CLI_HIDDEN))
			text_entry(ret, group->commands[i]->name, group->commands[i]->summary);
}

static bool has_verbs(const struct cli_group *group)
{
	for (size_t i = 0; group->commands[i]; i++)
		if (group->commands[i]->name && !(group->commands[i]->flags & CLI_HIDDEN))
			return true;
	return false;
}

static void group_help(const struct cli_group *group, struct buf *ret)
{
	buf_printf(ret, "usage: hsmctl %s VERB [OPTIONS] [ARGUMENTS]\n\n%s.\n", group->name,
		   group->summary);
	verbs(group, ret);
	buf_printf(ret, "\nSee 'hsmctl %s VERB --help' for one verb.\n", group->name);
}

void cli_help(const struct cli_group *group, const struct cli_command *command, struct buf *ret)
{
	if (!command)
		command = cli_find_command(group, NULL);
	if (!command) {
		group_help(group, ret);
	} else {
		command_help(group, command, ret);
		if (!command->name && has_verbs(group))
			verbs(group, ret);
	}
	section("Global options", cli_globals, command ? command->options : NULL, false, option_entry, ret);
}

void cli_help_overview(const struct cli_group *const *groups, struct buf *ret)
{
	buf_put_str(ret, "usage: hsmctl [GLOBAL OPTIONS] COMMAND [VERB] [OPTIONS] [ARGUMENTS]\n\n"
			 "Hardware security modules: provision, replicate, prove, fail over.\n\n"
			 "Commands:\n");
	for (; *groups; groups++)
		text_entry(ret, (*groups)->name, (*groups)->summary);
	section("Global options", cli_globals, NULL, false, option_entry, ret);
	buf_put_str(ret, "\nSee 'hsmctl help COMMAND' or 'hsmctl COMMAND --help' for one command.\n");
}

int cli_print_help(const struct cli_group *group, const struct cli_command *command,
		   struct err *err)
{
	owned(buf) struct buf text = {.max = HELP_MAX};

	cli_help(group, command, &text);
	return text_print(&text, err);
}

int cli_print_overview(const struct cli_group *const *groups, struct err *err)
{
	owned(buf) struct buf text = {.max = HELP_MAX};

	cli_help_overview(groups, &text);
	return text_print(&text, err);
}
