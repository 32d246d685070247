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

/* bold: column headings in bold, for terminals. */
void cli_table(const struct json_type *type, const void *data, bool bold, struct buf *ret);

#endif
