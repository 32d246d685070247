/* SPDX-License-Identifier: Apache-2.0 */
/* clock - monotonic time for deadlines, UTC for records. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <pthread.h>
#include <stdint.h>
#include <time.h>

/* "2026-11-24T08:30:00.123Z" and its terminator. */
enum { CLOCK_TEXT = 32 };

/* Where the calling thread takes its time from instead of the system; NULL = it does not. For simulations. */
struct clock_source {
	int64_t (*now_ns)(void *data);
	int64_t (*utc_ms)(void *data);
	void (*sleep_ms)(void *data, int64_t ms);
	void *data;
};
extern _Thread_local const struct clock_source *clock_source;

int64_t clock_now_ns(void);	/* monotonic */
int64_t clock_now_ms(void);	/* monotonic */
int64_t clock_utc_ms(void);	/* since 1970 */
void clock_format(int64_t utc_ms, char text[static CLOCK_TEXT]);	/* RFC 3339 */
/* When a wait on a condition of the monotonic clock ends, ms from now. */
struct timespec clock_after_ms(int64_t ms);
/* Wait so long for a condition of the monotonic clock; threads of another source sleep there. */
void clock_wait_ms(pthread_cond_t *condition, pthread_mutex_t *lock, int64_t ms);
void clock_sleep_ms(int64_t ms);	/* ends early when cancelled */

#endif
