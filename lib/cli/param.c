/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of the tables: values in, descriptions out. */
#include "cli/param.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "base/err.h"
#include "base/str.h"

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

static int set_choice(const struct cli_param *row, unsigned *field, const char *value,
		      struct err *err)
{
	int index = str_index(row->names, value);
	const char *near;

	if (index >= 0) {
		*field = (unsigned)index;
		return 0;
	}
	err_set(err, ERR_USAGE, "'%s' is not one of its words", value);
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

void cli_param_value(const struct cli_param *row, struct buf *ret)
{
	if (row->value)
		buf_put_str(ret, row->value);
	for (const char *c = row->name; !row->value && *c; c++)
		buf_put_u8(ret, (uint8_t)toupper((unsigned char)*c));
}

void cli_param_about(const struct cli_param *row, struct buf *ret)
{
	bool open = false;

	buf_put_str(ret, row->summary ? row->summary : "");
	for (size_t i = 0; row->kind == CLI_CHOICE && row->names[i]; i++) {
		buf_printf(ret, "%s%s", open ? ", " : " (", row->names[i]);
		open = true;
	}
	if (row->fallback)
		buf_printf(ret, "%sdefault %s", open ? "; " : " (", row->fallback);
	if (open || row->fallback)
		buf_put_u8(ret, ')');
}

bool cli_param_variable(const struct cli_param *row, struct buf *ret)
{
	if (row->kind == CLI_FLAG)
		return false;
	buf_put_str(ret, "HSMCTL_");
	for (const char *c = row->name; *c; c++)
		buf_put_u8(ret, *c == '-' ? '_' : (uint8_t)toupper((unsigned char)*c));
	return true;
}
