/* SPDX-License-Identifier: Apache-2.0 */
/* Small text helpers. */
#include "base/str.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int str_index(const char *const *names, const char *s)
{
	for (int i = 0; s && names[i]; i++)
		if (strcmp(names[i], s) == 0)
			return i;
	return -1;
}

bool str_eq(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

bool str_starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_int(const char *s, int64_t min, int64_t max, int64_t *ret)
{
	char *end;
	long long v;

	if (!s || !*s || (*s != '-' && (*s < '0' || *s > '9')))
		return false;
	errno = 0;
	v = strtoll(s, &end, 10);
	if (errno || *end || v < min || v > max)
		return false;
	*ret = v;
	return true;
}

bool str_duration_ms(const char *s, int64_t *ret_ms)
{
	static const struct {
		const char *unit;
		double ms;
	} units[] = {{"", 1000}, {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
	char *end;
	double v;

	if (!s || ((*s < '0' || *s > '9') && *s != '.'))
		return false;
	v = strtod(s, &end);
	/* No exponents, no hexadecimal. */
	if (strspn(s, "0123456789.") != (size_t)(end - s))
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(end, units[i].unit) != 0)
			continue;
		v *= units[i].ms;
		if (!(v >= 1 && v <= 1e12))
			return false;
		*ret_ms = (int64_t)(v + 0.5);
		return true;
	}
	return false;
}

bool str_is_name(const char *s)
{
	static const char first[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	static const char rest[] = "abcdefghijklmnopqrstuvwxyz0123456789-_.";

	return s && *s && strchr(first, *s) && strspn(s, rest) == strlen(s) &&
	       strlen(s) <= 63;
}

void str_hex(const void *data, size_t len, char *out)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *p = data;

	for (size_t i = 0; i < len; i++) {
		*out++ = digits[p[i] >> 4];
		*out++ = digits[p[i] & 15];
	}
	*out = 0;
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool str_unhex(const char *hex, void *ret, size_t len)
{
	unsigned char *p = ret;

	if (strlen(hex) != 2 * len || strspn(hex, "0123456789abcdefABCDEF") != 2 * len)
		return false;
	for (size_t i = 0; i < len; i++)
		p[i] = (unsigned char)(digit(hex[2 * i]) << 4 | digit(hex[2 * i + 1]));
	return true;
}

/* Levenshtein distance; words longer than 63 characters are far from all. */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[64];
	size_t lb = strlen(b);

	if (strlen(a) > 63 || lb > 62)
		return 64;
	for (size_t j = 0; j <= lb; j++)
		row[j] = (unsigned)j;
	for (size_t i = 1; a[i - 1]; i++) {
		unsigned diagonal = row[0];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= lb; j++) {
			unsigned cost = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			if (row[j] + 1 < cost)
				cost = row[j] + 1;
			if (row[j - 1] + 1 < cost)
				cost = row[j - 1] + 1;
			row[j] = cost;
		}
	}
	return row[lb];
}

const char *str_nearest(const char *s, const char *const *candidates)
{
	const char *best = NULL;
	unsigned best_distance = 3;

	for (; *candidates; candidates++) {
		unsigned d = distance(s, *candidates);

		if (d < best_distance && d < strlen(*candidates)) {
			best = *candidates;
			best_distance = d;
		}
	}
	return best;
}
