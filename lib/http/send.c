/* SPDX-License-Identifier: Apache-2.0 */
/* A request until it is answered: attempts, pauses, the words about them. */
#include <stdio.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "crypto/assertion.h"
#include "http/answer.h"
#include "http/client.h"
#include "http/retry.h"

enum { ATTEMPTS = 4, PAUSE_MAX = 3600 };	/* seconds */

/* One http_send(). */
struct call {
	struct http *http;
	const struct http_request *request;
	struct http_answer *answer;
	bool arrived;		/* some attempt may have been carried out */
	bool transient;		/* the last one's failure may pass */
	int64_t took_ms;	/* the last one */
	struct err err;		/* of the last one */
};

static unsigned most_attempts(const struct http_request *request)
{
	if (request->flags & HTTP_PROBE)
		return 1;
	return request->attempts ? request->attempts : ATTEMPTS;
}

static int attempt_with(struct call *c, struct transfer *t)
{
	int64_t start = clock_now_ms();
	int rc = client_run(c->http, t, &c->err);

	if (rc == 0)
		rc = transfer_finish(t, &c->transient, &c->err);
	else
		c->err.retry = t->sent ? ERR_RETRY_IDEMPOTENT : ERR_RETRY_SAFE;
	c->took_ms = clock_now_ms() - start;
	if (t->sent && (rc < 0 || !retry_nothing_done(c->answer)))
		c->arrived = true;
	return rc;
}

static int attempt(struct call *c)
{
	owned(transfer) struct transfer t = {0};
	int rc;

	c->transient = false;
	err_clear(&c->err);
	answer_clear(c->answer);
	rc = transfer_init(&t, client_settings(c->http), c->request, c->answer, &c->err);
	if (rc < 0)
		return rc;
	c->answer->attempts++;
	return attempt_with(c, &t);
}

/* Seconds until the next attempt; negative when this was the last. */
static double next_pause(const struct call *c, int rc)
{
	const struct http_answer *a = c->answer;
	double pause = rc < 0 ? -1 : http_answer_retry_after(a);
	bool again = rc < 0 ? retry_failure(c->transient, c->err.retry, c->request->repeat)
			    : retry_answer(a, c->request->repeat);
	int64_t end = cancel_clamp(INT64_MAX);

	if (!again || a->attempts >= most_attempts(c->request))
		return -1;
	/* Who asks for more is left to callers with patience of their own. */
	if (pause > PAUSE_MAX)
		return -1;
	if (pause < 0)
		pause = retry_backoff(a->attempts, a->request_id);
	return client_pause_ms(c->http, pause) < end - clock_now_ms() ? pause : -1;
}

static void log_attempt(const struct call *c, int rc, double pause)
{
	const struct http_answer *a = c->answer;
	const char *service = http_answer_header(a, "x-ms-request-id");
	owned(buf) struct buf url = {0};
	char status[16], next[40] = "";

	buf_init(&url, URL_SHOWN);
	url_redact(c->request->url, &url);
	snprintf(status, sizeof(status), "%u", a->status);
	if (pause >= 0)
		snprintf(next, sizeof(next), ", again in %.3f s", pause);
	log_info("http", "%s %s → %.160s, %lld ms, attempt %u, request %s, service request %.60s%s",
		 http_method_names[c->request->method], buf_text(&url), rc < 0 ? c->err.message : status,
		 (long long)c->took_ms, a->attempts, a->request_id, service ? service : "-", next);
}

static enum err_retry what_may_be_done(const struct call *c)
{
	switch (c->err.code) {
	case ERR_DENIED:
	case ERR_INVALID:
		return ERR_RETRY_NEVER;
	default:
		return c->arrived ? ERR_RETRY_IDEMPOTENT : ERR_RETRY_SAFE;
	}
}

/* Which request it was, behind what went wrong. */
static int fail(const struct call *c, struct err *err)
{
	const struct http_answer *a = c->answer;
	owned(buf) struct buf url = {0};

	buf_init(&url, URL_SHOWN);
	url_redact(c->request->url, &url);
	if (a->attempts)
		err_set(err, c->err.code, "%.240s (%s %s, %u attempt%s, request %s)", c->err.message,
			http_method_names[c->request->method], buf_text(&url), a->attempts,
			a->attempts == 1 ? "" : "s", a->request_id);
	else
		err_set(err, c->err.code, "%s", c->err.message);
	if (err)
		err->retry = what_may_be_done(c);
	return -(int)c->err.code;
}

static int begin(struct call *c)
{
	struct url url;
	int rc = crypto_uuid(c->answer->request_id, &c->err);

	if (rc == 0)
		rc = transfer_check(client_settings(c->http), c->request, &url, &c->err);
	if (rc == 0)
		rc = cancel_check(&c->err);
	return rc;
}

static int repeat(struct call *c)
{
	int rc = begin(c);

	while (rc == 0) {
		double pause;

		rc = attempt(c);
		pause = next_pause(c, rc);
		if (log_wants(LOG_LEVEL_INFO, "http"))
			log_attempt(c, rc, pause);
		if (pause < 0)
			return rc;
		rc = http_pause(c->http, pause, &c->err);
	}
	return rc;
}

int http_send(struct http *http, const struct http_request *request, struct http_answer *ret, struct err *err)
{
	struct call c = {.http = http, .request = request, .answer = ret};

	buf_init(&ret->body, ANSWER_MAX);
	ret->body.wipe = request->flags & HTTP_SECRET;
	return repeat(&c) < 0 ? fail(&c, err) : 0;
}
