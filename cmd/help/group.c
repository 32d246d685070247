/* SPDX-License-Identifier: Apache-2.0 */
/* hsmctl help: help, manual pages and schemas of every command. */
#include "help/group.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "fleet/fleet.h"
#include "groups.h"

enum { PAGE_MAX = 1 << 20 };

struct help_args {
	const char *command, *verb;
	const char *man, *schemas, *unknown;
};

static void complete_command(struct cli *cli, struct cli_completion *c)
{
	(void)cli;
	for (size_t i = 0; all_groups[i]; i++)
		cli_candidate(c, all_groups[i]->name);
}

static void complete_verb(struct cli *cli, struct cli_completion *c)
{
	const struct cli_group *group = cli_find_group(all_groups, cli_given(c, "COMMAND"));

	(void)cli;
	for (size_t i = 0; group && group->commands[i]; i++)
		if (group->commands[i]->name && !(group->commands[i]->flags & CLI_HIDDEN))
			cli_candidate(c, group->commands[i]->name);
}

static const struct cli_param options[] = {
	{.kind = CLI_STRING, .name = "man", .value = "COMMAND", .flags = CLI_HIDDEN,
	 .offset = offsetof(struct help_args, man), .summary = "Write the manual page"},
	{.kind = CLI_STRING, .name = "schemas", .value = "FOLDER", .flags = CLI_HIDDEN,
	 .offset = offsetof(struct help_args, schemas), .summary = "Write all schemas"},
	{.kind = CLI_STRING, .name = "unknown", .value = "WORD", .flags = CLI_HIDDEN,
	 .offset = offsetof(struct help_args, unknown), .summary = "Refuse a word"},
	CLI_END
};
static const struct cli_param args[] = {
	CLI_ARG(struct help_args, command, "COMMAND", complete_command, 0, "A command; none: all of them"),
	CLI_ARG(struct help_args, verb, "VERB", complete_verb, 0, "One of its verbs"),
	CLI_END
};

static int write_man(struct cli *cli, const char *name, struct err *err)
{
	const struct cli_group *group = cli_find_group(all_groups, name);
	owned(buf) struct buf page = {.max = PAGE_MAX};
	int r;

	if (str_eq(name, "hsmctl"))
		r = cli_write_man_overview(all_groups, &page, err);
	else if (group)
		r = cli_write_man(group, &page, err);
	else
		r = cli_no_group(all_groups, name, NULL, err);
	return r < 0 ? r : cli_write(cli, buf_text(&page), page.len, err);
}

static int write_schema(const char *folder, const struct json_type *type, struct err *err)
{
	owned(buf) struct buf text = {.max = PAGE_MAX};
	owned(mem) char *name = mem_printf("%s.json", type->schema);
	owned(mem) char *path = name ? file_join(folder, name) : NULL;
	int r;

	if (!path)
		return err_no_memory(err);
	r = cli_schema(all_groups, type, &text, err);
	return r < 0 ? r : file_write(path, text.data, text.len, 0644, err);
}

static int write_schemas(const char *folder, struct err *err)
{
	int r = file_mkdirs(folder, 0755, err);

	if (r == 0)
		r = write_schema(folder, &cli_error_type, err);
	/* What administrators write themselves. */
	if (r == 0)
		r = write_schema(folder, &fleet_type, err);
	for (size_t i = 0; r == 0 && all_groups[i]; i++) {
		const struct cli_command *const *commands = all_groups[i]->commands;

		for (size_t k = 0; r == 0 && commands[k]; k++) {
			if (commands[k]->output && commands[k]->output->schema)
				r = write_schema(folder, commands[k]->output, err);
			if (r == 0 && commands[k]->instead.output)
				r = write_schema(folder, commands[k]->instead.output, err);
		}
	}
	return r;
}

static int refuse(const char *word, const char *next, struct err *err)
{
	if (word[0] != '-')
		return cli_no_group(all_groups, word, next, err);
	err_set(err, ERR_USAGE, "unknown option '%s'", word);
	return err_hint(err, "see 'hsmctl --help'");
}

static int help_of(const char *name, const char *verb, struct err *err)
{
	const struct cli_group *group = cli_find_group(all_groups, name);
	const struct cli_command *command = group ? cli_find_command(group, verb) : NULL;

	if (!group)
		return cli_no_group(all_groups, name, verb, err);
	if (verb && (!command || !str_eq(command->name, verb)))
		return cli_no_verb(group, verb, err);
	return cli_print_help(group, command, err);
}

static int run(struct cli *cli, const void *data, struct err *err)
{
	const struct help_args *a = data;

	if (a->unknown)
		return refuse(a->unknown, a->command, err);
	if (a->man)
		return write_man(cli, a->man, err);
	if (a->schemas)
		return write_schemas(a->schemas, err);
	if (a->command)
		return help_of(a->command, a->verb, err);
	return cli_print_overview(all_groups, err);
}

static const struct cli_command help_command = {
	.summary = "Print help for a command, or the list of commands",
	.options = options,
	.args = args,
	.args_size = sizeof(struct help_args),
	.run = run,
};

static const struct cli_command *const commands[] = {&help_command, NULL};

const struct cli_group help_group = {
	.name = "help",
	.summary = "Print help for a command, or the list of commands",
	.commands = commands,
};
