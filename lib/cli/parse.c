/* SPDX-License-Identifier: Apache-2.0 */
/* Command lines: options anywhere, global ones everywhere, nothing abbreviated. */
#include "cli/parse.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/familiar.h"
#include "cli/globals.h"
#include "cli/param.h"

enum { PARAMS_MAX = 64, NAME_TEXT = 80 };

struct parse {
	struct cli *cli;
	const struct cli_command *command;	/* never NULL */
	void *args;
	const struct cli_param *arg;	/* row of the next plain word */
	int argc, verb, at;		/* verb: its index, -1 when there is none */
	char **argv;
	bool given[PARAMS_MAX];		/* by option row */
	struct err *err;
};

static const struct cli_param no_rows[] = {CLI_END};
static const struct cli_command no_command = {.options = no_rows, .args = no_rows};

/* "DID see '… --help'": did is "" or a sentence. */
static int hint(const struct cli *cli, const char *did, struct err *err)
{
	const char *verb = cli->command ? cli->command->name : NULL;

	return err_hint(err, "%.120s%ssee 'hsmctl %s%s%s --help'", did, *did ? " " : "",
			cli->group->name, verb ? " " : "", verb ? verb : "");
}

static int hint_nearest(const struct cli *cli, const char *nearest, struct err *err)
{
	char did[NAME_TEXT + 20] = "";

	if (nearest)
		snprintf(did, sizeof(did), "did you mean '%.80s'?", nearest);
	return hint(cli, did, err);
}

__attribute__((format(printf, 2, 3)))
static int usage(const struct parse *p, const char *fmt, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	err_set(p->err, ERR_USAGE, "%s", text);
	return hint(p->cli, "", p->err);
}

/* Say whose value it was that a row refused. */
static int bad_value(const struct parse *p, const char *whose)
{
	char did[sizeof(p->err->hint)];

	snprintf(did, sizeof(did), "%s", p->err->hint);
	err_wrap(p->err, "%s", whose);
	return hint(p->cli, did, p->err);
}

/*
 * A command may offer more words for a global option (status -o prometheus):
 * its own row of that name then decides, and the global one follows if it can.
 */
static int assign(struct parse *p, const struct cli_param *own, const struct cli_param *global,
		  const char *value, const char *whose)
{
	if (own) {
		p->given[own - p->command->options] = true;
		if (cli_param_set(own, p->args, value, p->err) < 0)
			return bad_value(p, whose);
	}
	if (global && cli_param_set(global, &p->cli->globals, value, own ? NULL : p->err) < 0 && !own)
		return bad_value(p, whose);
	return 0;
}

/* The next word as an option's value; NULL at the end. */
static const char *next_value(struct parse *p)
{
	p->at++;
	if (p->at == p->verb)
		p->at++;
	return p->at < p->argc ? p->argv[p->at] : NULL;
}

static const char *nearest_option(const struct parse *p, const char *word, size_t len, char *name)
{
	const char *names[2 * PARAMS_MAX + 1] = {0};
	const struct cli_param *tables[] = {p->command->options, cli_globals};
	const char *found;
	size_t n = 0;

	for (size_t t = 0; t < 2; t++)
		for (const struct cli_param *row = tables[t]; row && row->name && n < 2 * PARAMS_MAX; row++)
			if (!(row->flags & CLI_HIDDEN))
				names[n++] = row->name;
	snprintf(name, NAME_TEXT, "%.*s", (int)len, word);
	found = str_nearest(name, names);
	if (found)
		snprintf(name, NAME_TEXT, "--%s", found);
	return found ? name : NULL;
}

static int unknown_option(const struct parse *p, const char *word, size_t len)
{
	char name[NAME_TEXT];
	const char *nearest = nearest_option(p, word + 2, len, name);

	err_set(p->err, ERR_USAGE, "unknown option '--%.*s'", (int)len, word + 2);
	return hint_nearest(p->cli, nearest, p->err);
}

/* --name, --name=value, --name value */
static int parse_long(struct parse *p, const char *word)
{
	size_t len = strcspn(word + 2, "=");
	const struct cli_param *own = cli_long(p->command->options, word + 2, len);
	const struct cli_param *global = cli_long(cli_globals, word + 2, len);
	const struct cli_param *row = own ? own : global;
	const char *value = word[2 + len] ? word + 3 + len : NULL;
	char whose[NAME_TEXT + 16];

	if (!row)
		return unknown_option(p, word, len);
	snprintf(whose, sizeof(whose), "option '--%.64s'", row->name);
	if (row->kind == CLI_FLAG && value)
		return usage(p, "%s takes no value", whose);
	if (row->kind != CLI_FLAG && !value)
		value = next_value(p);
	if (row->kind != CLI_FLAG && !value)
		return usage(p, "%s needs a value", whose);
	return assign(p, own, global, value, whose);
}

/* -g VALUE, -gVALUE, -qv */
static int parse_letters(struct parse *p, const char *word)
{
	for (const char *c = word + 1; *c; c++) {
		const struct cli_param *own = cli_short(p->command->options, *c);
		const struct cli_param *global = cli_short(cli_globals, *c);
		const struct cli_param *row = own ? own : global;
		char whose[] = {'o', 'p', 't', 'i', 'o', 'n', ' ', '\'', '-', *c, '\'', 0};
		const char *value = NULL;
		int r;

		if (!row)
			return usage(p, "unknown %s", whose);
		if (row->kind != CLI_FLAG)
			value = c[1] ? c + 1 : next_value(p);
		if (row->kind != CLI_FLAG && !value)
			return usage(p, "%s needs a value", whose);
		r = assign(p, own, global, value, whose);
		if (r < 0 || value)
			return r;
	}
	return 0;
}

/* Text pasted from a page: U+2013, U+2014, U+2212. */
static bool begins_with_dash(const char *word)
{
	return str_starts(word, "\xe2\x80\x93") || str_starts(word, "\xe2\x80\x94") || str_starts(word, "\xe2\x88\x92");
}

static int bad_dash(struct parse *p, const char *word)
{
	err_set(p->err, ERR_USAGE, "'%s' begins with a typographic dash, not with '-'", word);
	return err_hint(p->err, "write --%s", word + 3 + strspn(word + 3, "-"));
}

static int parse_word(struct parse *p, const char *word)
{
	if (begins_with_dash(word))
		return bad_dash(p, word);
	if (!p->arg || !p->arg->name)
		return usage(p, "unexpected word '%s'", word);
	if (cli_param_set(p->arg, p->args, word, p->err) < 0)
		return bad_value(p, p->arg->name);
	if (p->arg->kind != CLI_STRINGS)
		p->arg++;
	return 0;
}

static int parse_words(struct parse *p)
{
	bool options = true;
	int r = 0;

	for (p->at = 0; p->at < p->argc && r == 0; p->at++) {
		const char *word = p->argv[p->at];

		if (p->at == p->verb)
			continue;
		if (options && strcmp(word, "--") == 0)
			options = false;
		else if (options && str_starts(word, "--"))
			r = parse_long(p, word);
		else if (options && word[0] == '-' && word[1])
			r = parse_letters(p, word);
		else
			r = parse_word(p, word);
		/* Behind --help all is forgiven, but -o json still counts. */
		if (r < 0 && (p->cli->globals.help || p->cli->globals.version)) {
			err_clear(p->err);
			r = 0;
		}
	}
	return r;
}

static bool is_empty(const struct parse *p, const struct cli_param *row)
{
	const struct cli_strings *strings = (const void *)((const char *)p->args + row->offset);

	return row->kind != CLI_STRINGS || strings->count == 0;
}

static int check_required(const struct parse *p)
{
	const struct cli_param *rows = p->command->options;

	for (size_t i = 0; rows && rows[i].name; i++)
		if ((rows[i].flags & CLI_REQUIRED) && !p->given[i])
			return usage(p, "option '--%s' is missing", rows[i].name);
	for (rows = p->arg; rows && rows->name; rows++)
		if ((rows->flags & CLI_REQUIRED) && is_empty(p, rows))
			return usage(p, "%s is missing", rows->name);
	return 0;
}

/* A command's own row of a global option begins where the global one stands. */
static int inherit(struct parse *p)
{
	for (const struct cli_param *global = cli_globals; global->name; global++) {
		const struct cli_param *own =
			cli_long(p->command->options, global->name, strlen(global->name));
		const void *field = (const char *)&p->cli->globals + global->offset;
		int r = 0;

		if (own && global->kind == CLI_CHOICE)
			r = cli_param_set(own, p->args, global->names[*(const unsigned *)field], p->err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int from_environment(struct parse *p)
{
	int r = 0;

	for (const struct cli_param *global = cli_globals; global->name && r == 0; global++) {
		char name[CLI_VARIABLE];
		const char *value = cli_param_variable(global, name) ? secure_getenv(name) : NULL;

		if (value && *value)
			r = assign(p, cli_long(p->command->options, global->name, strlen(global->name)),
				   global, value, name);
	}
	return r;
}

const struct cli_command *cli_find_command(const struct cli_group *group, const char *verb)
{
	const struct cli_command *own = NULL;

	for (size_t i = 0; group->commands[i]; i++) {
		if (!group->commands[i]->name)
			own = group->commands[i];
		else if (str_eq(group->commands[i]->name, verb))
			return group->commands[i];
	}
	return own;
}

const struct cli_group *cli_find_group(const struct cli_group *const *groups, const char *name)
{
	for (; *groups; groups++)
		if (str_eq((*groups)->name, name))
			return *groups;
	return NULL;
}

/* A word that is no command but a verb of one. */
static const struct cli_group *group_with(const struct cli_group *const *groups, const char *verb)
{
	for (; *groups; groups++)
		if (cli_find_command(*groups, verb) && cli_find_command(*groups, verb)->name)
			return *groups;
	return NULL;
}

int cli_no_group(const struct cli_group *const *groups, const char *name, const char *next, struct err *err)
{
	const struct cli_group *group = group_with(groups, name);
	const char *names[PARAMS_MAX + 1] = {0}, *near;

	for (size_t i = 0; groups[i] && i < PARAMS_MAX; i++)
		names[i] = groups[i]->name;
	near = str_nearest(name, names);
	err_set(err, ERR_USAGE, "no command '%s'", name);
	if (familiar_hint(name, next, false, err))
		return -ERR_USAGE;
	if (group)
		return err_hint(err, "did you mean 'hsmctl %s %s'?", group->name, name);
	return near ? err_hint(err, "did you mean '%s'? see 'hsmctl --help'", near)
		    : err_hint(err, "see 'hsmctl --help'");
}

int cli_no_verb(const struct cli_group *group, const char *verb, struct err *err)
{
	const struct cli cli = {.group = group};
	const char *names[PARAMS_MAX + 1] = {0};

	for (size_t i = 0, n = 0; group->commands[i] && n < PARAMS_MAX; i++)
		if (group->commands[i]->name && !(group->commands[i]->flags & CLI_HIDDEN))
			names[n++] = group->commands[i]->name;
	err_set(err, ERR_USAGE, "no verb '%s' of 'hsmctl %s'", verb, group->name);
	if (familiar_hint(group->name, verb, true, err))
		return -ERR_USAGE;
	return hint_nearest(&cli, str_nearest(verb, names), err);
}

/* Find the verb, which stands behind global options only. */
static int find_command(struct parse *p)
{
	int at = cli_find_word(p->argc, p->argv);
	const char *word = at < p->argc ? p->argv[at] : NULL;
	const struct cli_command *command = cli_find_command(p->cli->group, word);

	if (!command && word && word[0] != '-')
		return cli_no_verb(p->cli->group, word, p->err);
	p->cli->command = command;
	p->command = command ? command : &no_command;
	p->verb = command && command->name ? at : -1;
	p->arg = p->command->args;
	return 0;
}

/* What stands before the first word is read: defaults, then the environment. */
static int prepare(struct parse *p, bool environment)
{
	int r = cli_param_defaults(p->command->options, p->args, p->err);

	if (r == 0)
		r = cli_param_defaults(p->command->args, p->args, p->err);
	if (r == 0 && environment)
		r = cli_param_defaults(cli_globals, &p->cli->globals, p->err);
	if (r == 0)
		r = inherit(p);
	return r == 0 && environment ? from_environment(p) : r;
}

int cli_parse(struct cli *cli, const struct cli_group *group, bool environment, int argc,
	      char **argv, void **ret_args, struct err *err)
{
	struct parse p = {.cli = cli, .argc = argc, .argv = argv, .err = err};
	owned(mem) void *args = NULL;
	int r;

	cli->group = group;
	r = find_command(&p);
	if (r < 0)
		return r;
	args = p.args = mem_zalloc(p.command->args_size + 1);
	if (!args)
		return err_no_memory(err);
	r = prepare(&p, environment);
	if (r == 0)
		r = parse_words(&p);
	if (r < 0 || cli->globals.help || cli->globals.version)
		return r;
	if (!cli->command)
		return usage(&p, "'hsmctl %s' needs a verb", group->name);
	r = check_required(&p);
	if (r == 0)
		*ret_args = own_take(args);
	return r;
}

bool cli_parse_wants_json(int argc, char **argv, bool otherwise)
{
	bool json = otherwise;

	for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
		const char *value = NULL;

		if (str_eq(argv[i], "-o") || str_eq(argv[i], "--output"))
			value = i + 1 < argc ? argv[i + 1] : NULL;
		else if (str_starts(argv[i], "--output="))
			value = argv[i] + strlen("--output=");
		else if (str_starts(argv[i], "-o"))
			value = argv[i] + 2;
		if (value)
			json = strcmp(value, "json") == 0;
	}
	return json;
}
