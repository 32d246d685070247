/* SPDX-License-Identifier: Apache-2.0 */
/* Results on stdout: JSON for programs, tables for people. */
#include "cli/emit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cancel.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/table.h"
#include "cli/text.h"

enum { DOCUMENT_MAX = 64 << 20 };

struct error_detail {
	char *code, *message, *hint;
};

struct error_document {
	struct error_detail error;
};

static const struct json_field detail_fields[] = {
	JSON_F_STRING(struct error_detail, code, JSON_REQUIRED | JSON_COLUMN, "One of the codes in hsmctl(1)"),
	JSON_F_STRING(struct error_detail, message, JSON_REQUIRED | JSON_COLUMN, "What went wrong, for people"),
	JSON_F_STRING(struct error_detail, hint, JSON_NULLABLE | JSON_COLUMN, "What helps, or null"),
	JSON_F_END
};

static const struct json_type detail_type = {
	.summary = "The error", .size = sizeof(struct error_detail), .fields = detail_fields,
};

static const struct json_field error_fields[] = {
	JSON_F_OBJECT(struct error_document, error, JSON_REQUIRED | JSON_COLUMN, detail_type, "The error"),
	JSON_F_END
};

const struct json_type cli_error_type = {
	.schema = "error", .summary = "A command that has no result",
	.size = sizeof(struct error_document), .fields = error_fields,
};

struct version_document {
	char *name, *version;
};

static const struct json_field version_fields[] = {
	JSON_F_STRING(struct version_document, name, JSON_REQUIRED | JSON_COLUMN, "The program"),
	JSON_F_STRING(struct version_document, version, JSON_REQUIRED | JSON_COLUMN, "Its version"),
	JSON_F_END
};

const struct json_type cli_version_type = {
	.schema = "version", .summary = "Which version runs",
	.size = sizeof(struct version_document), .fields = version_fields,
};

static bool wants_colour(void)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && !(no && *no) && term && strcmp(term, "dumb") != 0;
}

/* What stdout is: a pipe gets everything, a terminal what fits its width, unless -o wide asks for more. */
static struct table_style style_of(const struct cli *cli)
{
	const char *variable = getenv("COLUMNS");
	int64_t columns;

	if (!isatty(STDOUT_FILENO) || cli->globals.output == CLI_WIDE)
		return (struct table_style){.bold = wants_colour()};
	if (!variable || !str_int(variable, 2, UINT16_MAX, &columns))
		columns = (int64_t)text_extent(STDOUT_FILENO).columns;
	return (struct table_style){.width = (size_t)columns, .bold = wants_colour(), .utf8 = text_speaks_utf8()};
}

static int write_line(const struct cli *cli, const struct json_type *type, const void *data, struct buf *text,
		      struct err *err)
{
	int r = json_write(type, data, !cli->lines, text, err);

	if (r == 0 && cli->lines)
		buf_put_u8(text, '\n');
	return r;
}

/* The fields of a result and one more, which stands behind them in memory too. New memory. */
static struct json_field *with_head(const struct json_type *type)
{
	static const struct json_field head = {
		.name = "audit_head", .kind = JSON_STRING, .flags = JSON_OMIT,
		.summary = "hash of the newest audit entry of what was done; keep it elsewhere, for 'audit verify --head'",
	};
	size_t count = 0;
	struct json_field *fields;

	while (type->fields[count].name)
		count++;
	fields = mem_zalloc((count + 2) * sizeof(*fields));
	if (!fields)
		return NULL;
	memcpy(fields, type->fields, count * sizeof(*fields));
	fields[count] = head;
	fields[count].offset = (type->size + sizeof(char *) - 1) / sizeof(char *) * sizeof(char *);
	return fields;
}

static int write_with_head(const struct cli *cli, const struct json_type *type, const void *data, struct buf *text,
			   struct err *err)
{
	owned(mem) struct json_field *fields = with_head(type);
	owned(mem) char *both = mem_zalloc(type->size + 2 * sizeof(char *));
	struct json_type longer = *type;
	const struct json_field *last = fields;

	if (!fields || !both)
		return err_no_memory(err);
	while (last[1].name)
		last++;
	memcpy(both, data, type->size);
	memcpy(both + last->offset, &cli->head, sizeof(cli->head));
	longer.fields = fields;
	return write_line(cli, &longer, both, text, err);
}

static int emit_json(const struct cli *cli, const struct json_type *type, const void *data, struct buf *text, struct err *err)
{
	bool changed = cli->head && type == cli->command->output && (cli->command->flags & CLI_CHANGES);

	return changed ? write_with_head(cli, type, data, text, err) : write_line(cli, type, data, text, err);
}

static bool changes(const struct cli_group *const *groups, const struct json_type *type)
{
	for (; *groups; groups++)
		for (const struct cli_command *const *c = (*groups)->commands; *c; c++)
			if ((*c)->output == type && ((*c)->flags & CLI_CHANGES))
				return true;
	return false;
}

int cli_schema(const struct cli_group *const *groups, const struct json_type *type, struct buf *ret, struct err *err)
{
	owned(mem) struct json_field *fields = with_head(type);
	struct json_type longer = *type;

	if (!fields)
		return err_no_memory(err);
	longer.fields = fields;
	return json_schema(changes(groups, type) ? &longer : type, ret, err);
}

static int print(struct cli *cli, const struct json_type *type, const void *data, struct err *err)
{
	owned(buf) struct buf text = {.max = DOCUMENT_MAX};
	struct table_style style = style_of(cli);
	int r = 0;

	if (cli->globals.output == CLI_JSON)
		r = emit_json(cli, type, data, &text, err);
	else
		cli_table(type, data, &style, &text);
	return r < 0 ? r : cli_write(cli, buf_text(&text), text.len, err);
}

int cli_emit(struct cli *cli, const struct json_type *type, const void *data, struct err *err)
{
	int r = cancel_check(err);

	return r < 0 ? r : print(cli, type, data, err);
}

int cli_write(struct cli *cli, const char *text, size_t len, struct err *err)
{
	owned(buf) struct buf copy = {.max = DOCUMENT_MAX};
	int r;

	buf_put(&copy, text, len);
	progress_clear(cli->observer);
	r = text_print(&copy, err);
	cli->emitted = cli->emitted || r == 0;
	return r;
}

int cli_print_version(struct cli *cli, struct err *err)
{
	static char name[] = "hsmctl", version[] = HSMCTL_VERSION;
	static const char text[] = "hsmctl " HSMCTL_VERSION "\n";
	const struct version_document document = {name, version};

	if (cli->globals.output == CLI_JSON)
		return cli_emit(cli, &cli_version_type, &document, err);
	return cli_write(cli, text, sizeof(text) - 1, err);
}

int cli_emit_error(struct cli *cli, struct err *error)
{
	char code[64];
	const struct error_document document = {
		{code, error->message, *error->hint ? error->hint : NULL},
	};

	snprintf(code, sizeof(code), "%s", err_code_name(error->code));
	return print(cli, &cli_error_type, &document, NULL);
}
