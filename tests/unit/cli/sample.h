/* SPDX-License-Identifier: Apache-2.0 */
/* A command table with a row of each kind, shared by the tests of this room. */
#ifndef TEST_CLI_SAMPLE_H
#define TEST_CLI_SAMPLE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/mem.h"
#include "cli/cli.h"

struct sample_args {
	const char *label, *group, *name;
	struct cli_strings members, rest;
	int64_t count, wait;
	unsigned type;
	bool force, secret;
};

struct sample_key {
	char *label, *note;
	int64_t replicas, lag;
	bool proven;
};

struct sample_place {
	char *region;
};

struct sample_document {
	char *name, *hidden;
	unsigned state;
	struct sample_place place;
	struct sample_key *keys;
	size_t n_keys;
	char **tags;
	size_t n_tags;
};

static const char *const sample_types[] = {"aes-128", "aes-256", "ec-p256", "hmac-sha256", NULL};
static const char *const sample_states[] = {"up", "down", NULL};
static const char *const more_outputs[] = {"table", "json", "prometheus", NULL};

static const struct json_field key_fields[] = {
	JSON_F_STRING(struct sample_key, label, JSON_COLUMN, "Label"),
	JSON_F_INT(struct sample_key, replicas, JSON_COLUMN, 0, 0, "Replicas"),
	JSON_F_INT(struct sample_key, lag, JSON_COLUMN | JSON_NULLABLE, 0, 0, "Lag"),
	JSON_F_BOOL(struct sample_key, proven, JSON_COLUMN, "Proven"),
	JSON_F_STRING(struct sample_key, note, JSON_COLUMN, "Note"),
	JSON_F_END
};
static const struct json_type key_type = {
	.summary = "A key", .size = sizeof(struct sample_key), .fields = key_fields,
};
static const struct json_field place_fields[] = {
	JSON_F_STRING(struct sample_place, region, JSON_COLUMN, "Region"),
	JSON_F_END
};
static const struct json_type place_type = {
	.summary = "A place", .size = sizeof(struct sample_place), .fields = place_fields,
};
static const struct json_field document_fields[] = {
	JSON_F_STRING(struct sample_document, name, JSON_COLUMN, "Name"),
	JSON_F_STRING(struct sample_document, hidden, 0, "Not for people"),
	JSON_F_ENUM(struct sample_document, state, JSON_COLUMN, sample_states, "State"),
	JSON_F_OBJECT(struct sample_document, place, JSON_COLUMN, place_type, "Place"),
	JSON_F_LIST(struct sample_document, keys, JSON_COLUMN, key_type, "Keys"),
	JSON_F_STRINGS(struct sample_document, tags, JSON_COLUMN | JSON_OMIT, "Tags"),
	JSON_F_END
};
static const struct json_type document_type = {
	.schema = "sample", .summary = "A sample", .size = sizeof(struct sample_document),
	.fields = document_fields,
};

static void complete_member(struct cli *cli, struct cli_completion *c)
{
	cli_candidate(c, "hsm-east-1");
	cli_candidate(c, "hsm-west-1");
	if (cli->globals.store)
		cli_candidate(c, cli->globals.store);
}

/* What the next run returns, and what the last one was given. */
static int sample_result __attribute__((unused));
static bool sample_emits __attribute__((unused));
static struct sample_args sample_seen __attribute__((unused));

static int sample_run(struct cli *cli, const void *args, struct err *err)
{
	struct sample_document document = {.name = (char *)"payments"};

	sample_seen = *(const struct sample_args *)args;
	if (sample_emits && cli_emit(cli, &document_type, &document, err) < 0)
		return -(int)err->code;
	if (sample_result)
		return err_set(err, (enum err_code)-sample_result, "sample failed");
	return 0;
}

static const struct cli_param create_options[] = {
	CLI_OPT_STRING(struct sample_args, label, 'l', "label", "TEXT", NULL, "Its label"),
	CLI_OPT_STRINGS(struct sample_args, members, 'm', "member", "DEVICE", complete_member, "A member"),
	CLI_OPT_INT(struct sample_args, count, 'n', "count", NULL, 1, 9, "3", "How many"),
	CLI_OPT_DURATION(struct sample_args, wait, 0, "wait", "TIME", "2s", "How long"),
	CLI_OPT_CHOICE(struct sample_args, type, 't', "type", sample_types, "aes-256", "Kind of key"),
	CLI_OPT_FLAG(struct sample_args, force, 'f', "force", "By force"),
	{.kind = CLI_FLAG, .name = "secret", .flags = CLI_HIDDEN,
	 .offset = offsetof(struct sample_args, secret), .summary = "Not shown"},
	CLI_END
};
static const struct cli_param create_args[] = {
	CLI_ARG(struct sample_args, name, "NAME", complete_member, CLI_REQUIRED, "Its name"),
	CLI_ARGS(struct sample_args, rest, "REST", NULL, 0, "More words"),
	CLI_END
};
static const struct cli_command create_command = {
	.name = "create", .summary = "Make one", .options = create_options, .args = create_args,
	.args_size = sizeof(struct sample_args), .output = &document_type, .run = sample_run,
};

static const struct cli_param show_options[] = {
	{.kind = CLI_STRING, .letter = 'g', .name = "group", .flags = CLI_REQUIRED,
	 .offset = offsetof(struct sample_args, group), .summary = "Which group"},
	CLI_OPT_CHOICE(struct sample_args, type, 'o', "output", more_outputs, "table", "How"),
	CLI_END
};
static const struct cli_command show_command = {
	.name = "show", .summary = "Show one", .flags = CLI_DESTROYS, .options = show_options,
	.args_size = sizeof(struct sample_args), .run = sample_run,
};
static const struct cli_command hidden_command = {
	.name = "trick", .summary = "Not shown", .flags = CLI_HIDDEN, .run = sample_run,
	.args_size = sizeof(struct sample_args),
};
static const struct cli_command *const sample_commands[] = {
	&create_command, &show_command, &hidden_command, NULL
};
static const struct cli_group sample_group = {
	.name = "sample", .summary = "Samples of things", .commands = sample_commands,
};

static const struct cli_command check_command = {
	.summary = "Check all", .options = create_options, .args = create_args,
	.args_size = sizeof(struct sample_args), .run = sample_run,
};
static const struct cli_command *const check_commands[] = {&check_command, NULL};
static const struct cli_group check_group = {
	.name = "check", .summary = "Checks of things", .commands = check_commands,
};
static const struct cli_group *const sample_groups[] __attribute__((unused)) = {
	&sample_group, &check_group, NULL
};

enum { SAMPLE_WORDS = 32 };

/* Cut text at blanks; "''" is an empty word. text is changed. Returns the count. */
static inline int sample_split(char *text, char *words[static SAMPLE_WORDS])
{
	int n = 0;

	for (char *word; (word = strsep(&text, " ")) && n < SAMPLE_WORDS;)
		if (*word)
			words[n++] = strcmp(word, "''") == 0 ? word + 2 : word;
	return n;
}

#endif
