/* SPDX-License-Identifier: Apache-2.0 */
/* Documents as aligned columns. */
#include "cli/table.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "cli/text.h"

enum { COLUMNS_MAX = 48, LABEL_MAX = 64, CELL_MAX = 1 << 16, GAP = 2, TEXT_LEAST = 10 };

/* A field, also of an embedded object, seen from the outermost struct. */
struct column {
	const struct json_field *field;
	size_t offset, count_offset;
	char label[LABEL_MAX];		/* "key label" */
	size_t width;
};

struct columns {
	struct column items[COLUMNS_MAX];
	size_t count;
};

static void collect(const struct json_type *type, size_t base, const char *prefix,
		    struct columns *ret)
{
	for (const struct json_field *f = type->fields; f->name; f++) {
		struct column column = {f, base + f->offset, base + f->count_offset, "", 0};

		if (!(f->flags & JSON_COLUMN) || ret->count == COLUMNS_MAX)
			continue;
		snprintf(column.label, LABEL_MAX, "%.30s%s%.30s", prefix, *prefix ? " " : "", f->name);
		for (char *c = column.label; *c; c++)
			*c = *c == '_' ? ' ' : *c;
		if (f->kind == JSON_OBJECT)
			collect(f->type, column.offset, column.label, ret);
		else
			ret->items[ret->count++] = column;
	}
}

static const void *at(const void *data, size_t offset)
{
	return (const char *)data + offset;
}

static size_t count_of(const struct column *c, const void *data)
{
	return *(const size_t *)at(data, c->count_offset);
}

/* Nothing to show: NULL, empty, or a number that the JSON leaves out or has as null. */
static bool absent(const struct column *c, const void *data)
{
	const void *value = at(data, c->offset);
	bool omit = c->field->flags & JSON_OMIT, nullable = c->field->flags & JSON_NULLABLE;
	double number;

	switch (c->field->kind) {
	case JSON_STRING:
		return !*(char *const *)value || !**(char *const *)value;
	case JSON_LIST:
	case JSON_STRINGS:
	case JSON_MAP:
		return count_of(c, data) == 0;
	case JSON_INT:
		number = (double)*(const int64_t *)value;
		break;
	case JSON_NUMBER:
		number = *(const double *)value;
		break;
	default:
		return false;
	}
	return (nullable && number < 0) || (omit && number == 0);
}

static void join(struct buf *ret, bool first, const char *text)
{
	buf_printf(ret, "%s%s", first ? "" : ",", text);
}

/* A list inside a row: the first text of each element, or how many there are. */
static void list_cell(const struct column *c, const void *data, struct buf *ret)
{
	const char *items = *(const char *const *)at(data, c->offset);
	const struct json_field *f = c->field->type->fields;

	while (f->name && !(f->kind == JSON_STRING && (f->flags & JSON_COLUMN)))
		f++;
	if (!f->name) {
		buf_printf(ret, "%zu", count_of(c, data));
		return;
	}
	for (size_t i = 0; i < count_of(c, data); i++) {
		const char *text =
			*(const char *const *)at(items, i * c->field->type->size + f->offset);

		join(ret, i == 0, text ? text : "-");
	}
}

static void map_cell(const struct column *c, const void *data, struct buf *ret)
{
	const struct json_pair *pairs = *(const struct json_pair *const *)at(data, c->offset);

	for (size_t i = 0; i < count_of(c, data); i++)
		buf_printf(ret, "%s%s=%s", i ? ", " : "", pairs[i].name, pairs[i].value);
}

static void cell_value(const struct column *c, const void *data, struct buf *ret)
{
	const void *value = at(data, c->offset);

	switch (c->field->kind) {
	case JSON_STRING:
		buf_put_str(ret, *(const char *const *)value);
		return;
	case JSON_BOOL:
		buf_put_str(ret, *(const bool *)value ? "yes" : "no");
		return;
	case JSON_INT:
		buf_printf(ret, "%" PRId64, *(const int64_t *)value);
		return;
	case JSON_NUMBER:
		buf_printf(ret, "%.6g", *(const double *)value);
		return;
	case JSON_ENUM:
		buf_put_str(ret, c->field->names[*(const unsigned *)value]);
		return;
	case JSON_STRINGS:
		for (size_t i = 0; i < count_of(c, data); i++)
			join(ret, i == 0, (*(char *const *const *)value)[i]);
		return;
	case JSON_LIST:
		list_cell(c, data, ret);
		return;
	case JSON_MAP:
		map_cell(c, data, ret);
		return;
	case JSON_OBJECT:
		return;
	}
}

/* The cell's text, in scratch. */
static const char *cell(const struct column *c, const void *data, struct buf *scratch)
{
	buf_clear(scratch);
	if (absent(c, data))
		buf_put_u8(scratch, '-');
	else
		cell_value(c, data, scratch);
	(void)buf_text(scratch);
	if (scratch->bad)
		return "-";
	err_mask((char *)scratch->data);
	return (const char *)scratch->data;
}

static bool right_aligned(const struct column *c)
{
	return c->field->kind == JSON_INT || c->field->kind == JSON_NUMBER;
}

/* Texts are cut where they must be; what is short by nature is not. */
static bool is_text(const struct column *c)
{
	return c->field->kind == JSON_STRING || c->field->kind == JSON_STRINGS || c->field->kind == JSON_LIST ||
	       c->field->kind == JSON_MAP;
}

static void put_cell(const struct column *c, const char *text, bool last, bool utf8, struct buf *ret)
{
	size_t width = text_width(text), blanks = width < c->width ? c->width - width : 0;

	if (right_aligned(c))
		text_pad(ret, blanks);
	blanks = c->width - text_put(ret, text, c->width, utf8);
	if (!last && !right_aligned(c))
		text_pad(ret, blanks);
	if (!last)
		text_pad(ret, GAP);
}

static void put_headings(const struct columns *columns, const struct table_style *style, struct buf *ret)
{
	if (style->bold)
		buf_put_str(ret, "\033[1m");
	for (size_t i = 0; i < columns->count; i++) {
		char label[LABEL_MAX];

		memcpy(label, columns->items[i].label, LABEL_MAX);
		for (char *c = label; *c; c++)
			*c = (char)toupper((unsigned char)*c);
		put_cell(&columns->items[i], label, i + 1 == columns->count, style->utf8, ret);
	}
	buf_put_str(ret, style->bold ? "\033[0m\n" : "\n");
}

static void measure(struct columns *columns, const char *items, size_t count, size_t size,
		    struct buf *scratch)
{
	for (size_t i = 0; i < columns->count; i++) {
		struct column *c = &columns->items[i];

		c->width = strlen(c->label);
		for (size_t row = 0; row < count; row++) {
			size_t width = text_width(cell(c, items + row * size, scratch));

			c->width = width > c->width ? width : c->width;
		}
	}
}

static size_t width_of(const struct columns *columns)
{
	size_t width = columns->count ? (columns->count - 1) * GAP : 0;

	for (size_t i = 0; i < columns->count; i++)
		width += columns->items[i].width;
	return width;
}

/* Remove the last column that can be done without; false when there is none. */
static bool drop_one(struct columns *columns)
{
	size_t at = columns->count;

	while (at > 0 && !(columns->items[at - 1].field->flags & JSON_WIDE))
		at--;
	if (at == 0)
		return false;
	columns->count--;
	memmove(&columns->items[at - 1], &columns->items[at], (columns->count - at + 1) * sizeof(struct column));
	return true;
}

static void fit(struct columns *columns, size_t limit)
{
	size_t width;

	while (width_of(columns) > limit && drop_one(columns))
		;
	width = width_of(columns);
	for (size_t i = columns->count; i-- > 0 && width > limit;) {
		struct column *c = &columns->items[i];
		size_t least = strlen(c->label) > TEXT_LEAST ? strlen(c->label) : TEXT_LEAST, cut = width - limit;

		if (!is_text(c) || c->width <= least)
			continue;
		cut = cut < c->width - least ? cut : c->width - least;
		c->width -= cut;
		width -= cut;
	}
}

static void put_table(const struct column *list, const void *data, const struct table_style *style,
		      struct buf *scratch, struct buf *ret)
{
	const char *items = *(const char *const *)at(data, list->offset);
	const struct json_type *type = list->field->type;
	size_t count = count_of(list, data);
	struct columns columns = {.count = 0};

	if (count == 0) {
		buf_printf(ret, "no %s\n", list->label);
		return;
	}
	collect(type, 0, "", &columns);
	measure(&columns, items, count, type->size, scratch);
	if (style->width)
		fit(&columns, style->width);
	put_headings(&columns, style, ret);
	for (size_t row = 0; row < count; row++) {
		for (size_t i = 0; i < columns.count; i++)
			put_cell(&columns.items[i],
				 cell(&columns.items[i], items + row * type->size, scratch),
				 i + 1 == columns.count, style->utf8, ret);
		buf_put_u8(ret, '\n');
	}
}

static bool skipped(const struct column *c, const void *data)
{
	return c->field->kind == JSON_LIST ||
	       ((c->field->flags & JSON_OMIT) && absent(c, data));
}

/* "Name:  value" lines; false when there was none. */
static bool put_scalars(const struct columns *columns, const void *data, struct buf *scratch,
			struct buf *ret)
{
	size_t width = 0;

	for (size_t i = 0; i < columns->count; i++)
		if (!skipped(&columns->items[i], data) && strlen(columns->items[i].label) > width)
			width = strlen(columns->items[i].label);
	for (size_t i = 0; i < columns->count; i++) {
		const struct column *c = &columns->items[i];

		if (skipped(c, data))
			continue;
		buf_printf(ret, "%c%s:", toupper((unsigned char)c->label[0]), c->label + 1);
		text_pad(ret, width - strlen(c->label) + 2);
		buf_printf(ret, "%s\n", cell(c, data, scratch));
	}
	return width > 0;
}

void cli_table(const struct json_type *type, const void *data, const struct table_style *style, struct buf *ret)
{
	owned(buf) struct buf scratch = {.max = CELL_MAX};
	struct columns columns = {.count = 0};
	size_t lists = 0;
	bool gap;

	collect(type, 0, "", &columns);
	for (size_t i = 0; i < columns.count; i++)
		lists += columns.items[i].field->kind == JSON_LIST;
	gap = put_scalars(&columns, data, &scratch, ret);
	for (size_t i = 0; i < columns.count; i++) {
		const struct column *c = &columns.items[i];

		if (c->field->kind != JSON_LIST || (count_of(c, data) == 0 && (gap || lists > 1)))
			continue;
		if (gap)
			buf_put_u8(ret, '\n');
		if (lists > 1)
			buf_printf(ret, "%c%s:\n", toupper((unsigned char)c->label[0]), c->label + 1);
		put_table(c, data, style, &scratch, ret);
		gap = true;
	}
}
