/* SPDX-License-Identifier: Apache-2.0 */
/* text - amounts as people read them. Private to lib/drill. */
#ifndef DRILL_TEXT_H
#define DRILL_TEXT_H

#include <stddef.h>

/* "840 µs", "12.3 ms", "4.21 s", "2 min 3 s"; "–" for a negative number. Returns text. */
const char *text_duration(char *text, size_t size, double ms);

/* "12,345" */
const char *text_count(char *text, size_t size, long long count);

/* A number with its unit: "ms" is a duration; others are plurals that follow the
 * count and lose their last letter behind a 1. */
const char *text_amount(char *text, size_t size, double amount, const char *unit);

/* A share of 1 in percent, never rounded up: "99.9986 %". */
const char *text_percent(char *text, size_t size, double share);

/* "2026-11-24T08:30:00.123Z" as "2026-11-24 08:30:00.123 UTC". */
const char *text_time(char *text, size_t size, const char *rfc3339);

#endif
