/* SPDX-License-Identifier: Apache-2.0 */
/* Monotonic time and RFC 3339. */
#include "base/clock.h"

#include <poll.h>
#include <stdio.h>
#include <time.h>

#include "base/cancel.h"

_Thread_local const struct clock_source *clock_source;

int64_t clock_now_ns(void)
{
	struct timespec ts;

	if (clock_source)
		return clock_source->now_ns(clock_source->data);
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int64_t clock_now_ms(void)
{
	return clock_now_ns() / 1000000;
}

int64_t clock_utc_ms(void)
{
	struct timespec ts;

	if (clock_source)
		return clock_source->utc_ms(clock_source->data);
	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void clock_format(int64_t utc_ms, char text[static CLOCK_TEXT])
{
	int ms = (int)((utc_ms % 1000 + 1000) % 1000);
	time_t seconds = (time_t)(utc_ms / 1000 - (utc_ms % 1000 < 0));
	char date[24];
	struct tm tm;

	/* Years of more than four digits only come from foreign documents. */
	if (!gmtime_r(&seconds, &tm) || !strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm))
		snprintf(date, sizeof(date), "9999-12-31T23:59:59");
	snprintf(text, CLOCK_TEXT, "%s.%03dZ", date, ms);
}

struct timespec clock_after_ms(int64_t ms)
{
	int64_t at = clock_now_ns() + ms * 1000000;

	return (struct timespec){.tv_sec = (time_t)(at / 1000000000), .tv_nsec = (long)(at % 1000000000)};
}

void clock_wait_ms(pthread_cond_t *condition, pthread_mutex_t *lock, int64_t ms)
{
	struct timespec until = clock_after_ms(ms);

	if (clock_source)
		clock_source->sleep_ms(clock_source->data, ms);
	else
		pthread_cond_timedwait(condition, lock, &until);
}

void clock_sleep_ms(int64_t ms)
{
	int64_t end = clock_now_ms() + ms;

	if (clock_source) {
		clock_source->sleep_ms(clock_source->data, ms);
		return;
	}
	for (int64_t left = ms; left > 0; left = end - clock_now_ms()) {
		struct pollfd p = {.fd = cancel_fd(), .events = POLLIN};

		poll(&p, 1, (int)(left > 60000 ? 60000 : left));
		if (p.revents)
			return;
	}
}
