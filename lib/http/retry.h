/* SPDX-License-Identifier: Apache-2.0 */
/* retry - which answers and failures are worth another attempt, and when. Private to lib/http. */
#ifndef HTTP_RETRY_H
#define HTTP_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "http/http.h"

/* Does it say that the request was not carried out: 429, 503 with Retry-After? */
bool retry_nothing_done(const struct http_answer *answer);

/* May the request be sent again after this answer? */
bool retry_answer(const struct http_answer *answer, enum http_repeat repeat);

/* The same after a failure that may pass (transient) and is marked with what arrived. */
bool retry_failure(bool transient, enum err_retry retry, enum http_repeat repeat);

/* Seconds before attempt number attempt + 1 (the first is 1). The jitter comes from the
 * request's id: another for each request and attempt, the same in each run. */
double retry_backoff(unsigned attempt, const char *request_id);

/* http_answer_retry_after() at a moment; dates count from the answer's own Date. */
double retry_asked(const struct http_answer *answer, int64_t utc_ms);

#endif
