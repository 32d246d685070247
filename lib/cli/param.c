/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of the tables: values in, descriptions out. */
#include "cli/param.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/str.h"

enum { WORDS_MAX = 1024, SHORT_MAX = 24 };

static int set_strings(struct cli_strings *strings, const char *value, struct err *err)
{
	if (strings->count == CLI_STRINGS_MAX)
		return err_set(err, ERR_USAGE, "more than %d values", CLI_STRINGS_MAX);
	strings->items[strings->count++] = value;
	return 0;
}

static int set_int(const struct cli_param *row, int64_t *field, const char *value, struct err *err)
{
	bool any = !row->min && !row->max;
	int64_t min = any ? INT64_MIN : row->min, max = any ? INT64_MAX : row->max;

	if (str_int(value, min, max, field))
		return 0;
	if (any)
		return err_set(err, ERR_USAGE, "'%s' is not a whole number", value);
	return err_set(err, ERR_USAGE, "'%s' is not a number from %" PRId64 " to %" PRId64,
		       value, min, max);
}

static int set_duration(const struct cli_param *row, int64_t *field, const char *value,
			struct err *err)
{
	int64_t ms;

	if (!str_duration_ms(value, &ms))
		return err_set(err, ERR_USAGE, "'%s' is not a time such as 10s, 250ms, 1.5m", value);
	if ((row->min || row->max) && (ms < row->min || ms > row->max))
		return err_set(err, ERR_USAGE, "'%s' is not from %" PRId64 "ms to %" PRId64 "ms",
			       value, row->min, row->max);
	*field = ms;
	return 0;
}

static void put_names(const struct cli_param *row, const char *between, struct buf *ret)
{
	for (size_t i = 0; row->names[i]; i++)
		buf_printf(ret, "%s%s", i ? between : "", row->names[i]);
}

static int set_choice(const struct cli_param *row, unsigned *field, const char *value,
		      struct err *err)
{
	int index = str_index(row->names, value);
	owned(buf) struct buf words = {.max = WORDS_MAX};
	const char *near;

	if (index >= 0) {
		*field = (unsigned)index;
		return 0;
	}
	put_names(row, ", ", &words);
	err_set(err, ERR_USAGE, "'%.100s' is not one of %s", value, buf_text(&words));
	near = str_nearest(value, row->names);
	return near ? err_hint(err, "did you mean '%s'?", near) : -(int)ERR_USAGE;
}

int cli_param_set(const struct cli_param *row, void *base, const char *value, struct err *err)
{
	void *field = (char *)base + row->offset;

	switch (row->kind) {
	case CLI_FLAG:
		*(bool *)field = true;
		return 0;
	case CLI_STRING:
		/* An empty shell variable must not mean that another identity is used. */
		if ((row->flags & CLI_ACCESS) && !*value)
			return err_set(err, ERR_USAGE, "it is empty");
		*(const char **)field = value;
		return 0;
	case CLI_STRINGS:
		return set_strings(field, value, err);
	case CLI_INT:
		return set_int(row, field, value, err);
	case CLI_DURATION:
		return set_duration(row, field, value, err);
	case CLI_CHOICE:
		return set_choice(row, field, value, err);
	}
	return err_set(err, ERR_FAILED, "row '%s' has no kind", row->name);
}

int cli_param_defaults(const struct cli_param *rows, void *base, struct err *err)
{
	int r;

	for (; rows && rows->name; rows++) {
		r = rows->fallback ? cli_param_set(rows, base, rows->fallback, err) : 0;
		if (r < 0)
			return err_wrap(err, "default of '%s'", rows->name);
	}
	return 0;
}

/* Few short words stand for themselves: "table|json". */
static bool names_as_value(const struct cli_param *row)
{
	size_t len = 0;

	if (row->kind != CLI_CHOICE || row->value)
		return false;
	for (size_t i = 0; row->names[i]; i++)
		len += strlen(row->names[i]) + 1;
	return len <= SHORT_MAX;
}

void cli_param_value(const struct cli_param *row, struct buf *ret)
{
	if (row->value)
		buf_put_str(ret, row->value);
	else if (names_as_value(row))
		put_names(row, "|", ret);
	else
		for (const char *c = row->name; *c; c++)
			buf_put_u8(ret, (uint8_t)toupper((unsigned char)*c));
}

void cli_param_about(const struct cli_param *row, struct buf *ret)
{
	bool open = row->kind == CLI_CHOICE && !names_as_value(row);

	buf_put_str(ret, row->summary ? row->summary : "");
	if (open) {
		buf_put_str(ret, " (");
		put_names(row, ", ", ret);
	}
	if (row->fallback)
		buf_printf(ret, "%sdefault %s", open ? "; " : " (", row->fallback);
	if (open || row->fallback)
		buf_put_u8(ret, ')');
}

bool cli_param_variable(const struct cli_param *row, char ret[static CLI_VARIABLE])
{
	snprintf(ret, CLI_VARIABLE, "HSMCTL_%s", row->name);
	for (char *c = ret; *c; c++)
		*c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
	return row->kind != CLI_FLAG;
}
