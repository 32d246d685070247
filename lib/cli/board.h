/* SPDX-License-Identifier: Apache-2.0 */
/*
 * board - what goes on at once, as lines of text.
 *
 * Composing is a function of what it is given and nothing else: whoever draws knows the
 * terminal, this knows what a picture looks like.
 */
#ifndef CLI_BOARD_H
#define CLI_BOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/observer.h"

struct buf;

struct board_view {
	size_t width, lines;	/* most columns of a line, most lines */
	bool utf8, colour;
	unsigned tick;		/* what runs turns with it */
	int64_t elapsed_ms;	/* of the whole */
};

/*
 * Append the picture: a line for each item, then one for the whole. Where they do not all
 * fit: what runs and what failed, the last of what is done, and how many others there are.
 */
void board_compose(const struct board_view *view, const struct observer_item *items, size_t n,
		   struct buf *ret);

/* Lines that a picture takes on a terminal of that many columns, which breaks longer ones. */
size_t board_lines(const char *picture, size_t columns);

/* One item for a log, without newline: "hsm-east-1: Configuring the device... (2m05s)". */
void board_log(const struct observer_item *item, struct buf *ret);

/* Does nothing go on any more? */
bool board_ended(const struct observer_item *items, size_t n);

/* "33s", "7m33s", "1h02m". */
enum { BOARD_TIME = 28 };
void board_time(int64_t ms, char ret[static BOARD_TIME]);

#endif
