/* SPDX-License-Identifier: Apache-2.0 */
/*
 * table - a document as people see it, from the fields marked JSON_COLUMN.
 *
 * First the document's own fields, one "Name: value" a line, then each list as
 * a table, with a heading when there are several. Fields of embedded objects
 * count as fields of what holds them. What is absent is "-".
 */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include "base/buf.h"
#include "json/type.h"

struct table_style {
	size_t width;	/* columns of the terminal, 0 = no limit */
	bool bold;	/* column headings in bold */
	bool utf8;
};

/*
 * Append it. A table wider than the limit gives up its columns marked JSON_WIDE, the last first, as far as it takes;
 * then texts are cut, those of the last column first. Numbers and words of the table's own are never cut, and neither
 * are the document's own fields.
 */
void cli_table(const struct json_type *type, const void *data, const struct table_style *style, struct buf *ret);

#endif
