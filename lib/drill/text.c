/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers for people. */
#include "drill/text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

/* Three digits are what a reader can compare at a glance. */
static int decimals(double value)
{
	return value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
}

const char *text_duration(char *text, size_t size, double ms)
{
	if (ms < 0)
		snprintf(text, size, "–");
	else if (ms == 0)
		snprintf(text, size, "0 ms");
	else if (ms < 0.9995)
		snprintf(text, size, "%.0f µs", ms * 1000);
	else if (ms < 999.5)
		snprintf(text, size, "%.*f ms", decimals(ms), ms);
	else if (ms < 59950)
		snprintf(text, size, "%.*f s", ms < 9995 ? 2 : 1, ms / 1000);
	else
		snprintf(text, size, "%.0f min %.0f s", floor(round(ms / 1000) / 60), fmod(round(ms / 1000), 60));
	return text;
}

const char *text_count(char *text, size_t size, long long count)
{
	char digits[32];
	int len = snprintf(digits, sizeof(digits), "%lld", count < 0 ? -count : count);
	size_t n = 0;

	if (count < 0 && size > 1)
		text[n++] = '-';
	for (int i = 0; i < len && n + 2 < size; i++) {
		if (i && (len - i) % 3 == 0)
			text[n++] = ',';
		text[n++] = digits[i];
	}
	text[n] = 0;
	return text;
}

const char *text_amount(char *text, size_t size, double amount, const char *unit)
{
	char count[48];

	if (str_eq(unit, "ms"))
		return text_duration(text, size, amount);
	if (amount < 0)
		snprintf(text, size, "–");
	else
		snprintf(text, size, "%s %.*s", text_count(count, sizeof(count), llround(amount)),
			 (int)strlen(unit) - (llround(amount) == 1), unit);
	return text;
}

const char *text_percent(char *text, size_t size, double share)
{
	if (share >= 1)
		snprintf(text, size, "100 %%");
	else
		snprintf(text, size, "%.6g %%", floor(share * 1e6) / 1e4);
	return text;
}

const char *text_time(char *text, size_t size, const char *rfc3339)
{
	size_t len = rfc3339 ? strlen(rfc3339) : 0;

	if (len < 11 || rfc3339[10] != 'T')
		snprintf(text, size, "%s", len ? rfc3339 : "–");
	else
		snprintf(text, size, "%.10s %.*s UTC", rfc3339,
			 (int)strcspn(rfc3339 + 11, "Z"), rfc3339 + 11);
	return text;
}
