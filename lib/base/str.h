/* SPDX-License-Identifier: Apache-2.0 */
/* str - small text helpers: name tables, numbers, hexadecimal. */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Position of s in a NULL-terminated table of names, -1 when absent. */
int str_index(const char *const *names, const char *s);

bool str_eq(const char *a, const char *b);	/* NULL equals only NULL */
bool str_starts(const char *s, const char *prefix);

/* A whole decimal number in [min, max]; false leaves *ret alone. */
bool str_int(const char *s, int64_t min, int64_t max, int64_t *ret);

/* Seconds with an optional unit (ms, s, m, h) into milliseconds, at least 1:
 * "10s", "1.5m", "250ms", "30". */
bool str_duration_ms(const char *s, int64_t *ret_ms);

/* Names of devices, groups, partitions: 1 to 63 of a-z 0-9 - _ ., beginning
 * with a letter or digit. They become folder and token names. */
bool str_is_name(const char *s);

/* out holds 2 * len + 1 characters. */
void str_hex(const void *data, size_t len, char *out);
/* Exactly len bytes; false when hex is not 2 * len hexadecimal digits. */
bool str_unhex(const char *hex, void *ret, size_t len);

/* The word of candidates nearest to s in spelling, NULL when none is near. */
const char *str_nearest(const char *s, const char *const *candidates);

#endif
