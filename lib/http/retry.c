/* SPDX-License-Identifier: Apache-2.0 */
/* The rules for repeating, apart from doing it. */
#include "http/retry.h"

#include <string.h>
#include <time.h>

#include <curl/curl.h>

#include "base/clock.h"
#include "base/str.h"

static const double first_pause = 0.8, longest_pause = 60, jitter_low = 0.8, jitter_high = 1.3;
static const int64_t longest_wait_s = INT64_C(1) << 32;

bool retry_nothing_done(const struct http_answer *answer)
{
	return answer->status == 429 || (answer->status == 503 && http_answer_retry_after(answer) >= 0);
}

bool retry_answer(const struct http_answer *answer, enum http_repeat repeat)
{
	static const unsigned passing[] = {408, 429, 500, 502, 503, 504};

	if (repeat == HTTP_ONCE)
		return retry_nothing_done(answer);
	for (size_t i = 0; i < sizeof(passing) / sizeof(passing[0]); i++)
		if (answer->status == passing[i])
			return true;
	return false;
}

bool retry_failure(bool transient, enum err_retry retry, enum http_repeat repeat)
{
	return transient && (retry == ERR_RETRY_SAFE || (retry == ERR_RETRY_IDEMPOTENT && repeat == HTTP_IDEMPOTENT));
}

/* FNV-1a, then mixed (MurmurHash3's finalizer): ids differ in their middle, too. In [0, 1). */
static double fraction(const char *text, unsigned salt)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325) ^ salt;

	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
	h = (h ^ h >> 33) * UINT64_C(0xff51afd7ed558ccd);
	h = (h ^ h >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
	return (double)((h ^ h >> 33) >> 11) / (double)(UINT64_C(1) << 53);
}

double retry_backoff(unsigned attempt, const char *request_id)
{
	double pause = first_pause;

	for (unsigned i = 1; i < attempt && pause < longest_pause; i++)
		pause *= 2;
	pause *= jitter_low + (jitter_high - jitter_low) * fraction(request_id, attempt);
	return pause < longest_pause ? pause : longest_pause;
}

/* -1 for what is no number, and for negative ones. */
static double number(const char *text, double unit)
{
	int64_t n;

	return text && str_int(text, 0, longest_wait_s, &n) ? (double)n * unit : -1;
}

/* Clocks differ: what counts is how far the date lies behind the one the server wrote. */
static double until(const char *date, const char *server_date, int64_t utc_ms)
{
	time_t then = date ? curl_getdate(date, NULL) : -1;
	time_t now = server_date ? curl_getdate(server_date, NULL) : -1;
	double seconds;

	if (then == -1)
		return -1;
	seconds = (double)then - (now == -1 ? (double)utc_ms / 1000 : (double)now);
	return seconds > 0 ? seconds : 0;
}

double retry_asked(const struct http_answer *answer, int64_t utc_ms)
{
	const char *after = http_answer_header(answer, "Retry-After");
	double seconds = number(http_answer_header(answer, "retry-after-ms"), 0.001);

	if (seconds < 0)
		seconds = number(http_answer_header(answer, "x-ms-retry-after-ms"), 0.001);
	if (seconds < 0)
		seconds = number(after, 1);
	/* curl would read a bare number as a date. */
	if (seconds < 0 && after && after[strspn(after, "-+.0123456789 ")])
		seconds = until(after, http_answer_header(answer, "Date"), utc_ms);
	return seconds;
}

double http_answer_retry_after(const struct http_answer *answer)
{
	return retry_asked(answer, clock_utc_ms());
}
