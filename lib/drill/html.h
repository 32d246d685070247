/* SPDX-License-Identifier: Apache-2.0 */
/*
 * html - pieces of a page that is also well-formed XML. Private to lib/drill.
 *
 * Text that comes from anywhere else passes html_text(), which lets nothing
 * through that a browser could take for markup.
 */
#ifndef DRILL_HTML_H
#define DRILL_HTML_H

#include "base/buf.h"

/* Escaped; NULL is an en dash; bytes that are not UTF-8 become U+FFFD. */
void html_text(struct buf *out, const char *text);

/* <tag class="class">text</tag>; class may be NULL. */
void html_element(struct buf *out, const char *tag, const char *class, const char *text);

/* A row of a definition list. */
void html_fact(struct buf *out, const char *name, const char *text);
/* The same for a value that is code: digests, ids. */
void html_code_fact(struct buf *out, const char *name, const char *text);

/* The head of a table: captions separated by '|'; one that begins with '#' is
 * that of a column of numbers. */
void html_table_open(struct buf *out, const char *captions);
void html_table_close(struct buf *out);

void html_section_open(struct buf *out, const char *heading);
void html_section_close(struct buf *out);

/* All up to <main>, and what closes it. */
void html_page_open(struct buf *out, const char *title);
void html_page_close(struct buf *out);

#endif
