/* SPDX-License-Identifier: Apache-2.0 */
/* Writing: sends a request, and waits where something else goes on. */
#include "azure/arm_private.h"
#include "base/cancel.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"

/* Pauses while something else goes on, in seconds, where the service asks for none. */
enum { PAUSE_FIRST = 10, PAUSE_MORE = 5, PAUSE_MAX = 30, BODY_MAX = 8 << 20 };

struct beginning {
	struct arm *arm;
	const struct arm_request *request;
	const char *url;
	char what[ARM_WHAT];
	struct buf body;
	double patience;	/* seconds left */
	double pause;		/* the next one */
};

/* Nothing came back. */
static int unanswered(const struct beginning *b, int rc, struct err *err)
{
	err_wrap(err, "%s", b->what);
	if (err && cancel_is(rc) && err->retry == ERR_RETRY_IDEMPOTENT)
		return err_hint(err, "Azure may have begun with it; run the command again to continue");
	return rc;
}

/* Accepted; whatever is wrong from here on, the service is at work. */
static int accepted(const struct beginning *b, struct http_answer *answer, struct arm_operation *ret, struct err *err)
{
	int rc;

	rc = arm_operation_start(b->arm, b->request, answer, ret, err);
	if (rc == 0)
		return 0;
	if (err)
		err->retry = ERR_RETRY_IDEMPOTENT;
	return err_wrap(err, "%s", b->what);
}

static double next_pause(struct beginning *b, const struct http_answer *answer)
{
	double asked = http_answer_retry_after(answer), pause = b->pause;

	b->pause = pause + PAUSE_MORE < PAUSE_MAX ? pause + PAUSE_MORE : PAUSE_MAX;
	if (asked >= 0)
		pause = asked < 1 ? 1 : asked;
	pause = pause < b->patience ? pause : b->patience;
	b->patience -= pause;
	return pause;
}

/* 0 to send it again, negative when it is refused for good. */
static int wait_out(struct beginning *b, const struct http_answer *answer, const struct arm_failure *failure,
		    struct err *err)
{
	double pause;

	if (!arm_failure_is_busy(failure) || b->patience <= 0)
		return arm_refused(answer, failure, b->what, err);
	pause = next_pause(b, answer);
	if (b->request->watch)
		b->request->watch->told(b->request->watch, "waiting", "waiting until another operation ends");
	log_info("azure", "%s yet: %s; again in %.0f s", b->what, failure->code, pause);
	return arm_pause(b->arm, pause, err);
}

/* 1 when it is accepted, 0 to try again. */
static int try(struct beginning *b, struct arm_operation *ret, struct arm_failure *failure, struct err *err)
{
	const struct arm_call call = {
		.method = b->request->method, .url = b->url, .repeat = b->request->repeat,
		.body = b->request->body ? b->body.data : NULL, .body_len = b->body.len,
	};
	owned(http_answer) struct http_answer answer = {0};
	int rc = arm_call(b->arm, &call, &answer, err);

	if (rc < 0)
		return unanswered(b, rc, err);
	arm_body_hide(&answer.body, b->request->secret);
	if (answer.status < 300) {
		rc = accepted(b, &answer, ret, err);
		return rc < 0 ? rc : 1;
	}
	arm_failure_read(&answer, failure);
	if (b->request->method == HTTP_DELETE && arm_failure_is_absence(failure)) {
		rc = accepted(b, &answer, ret, err);
		return rc < 0 ? rc : 1;
	}
	return wait_out(b, &answer, failure, err);
}

int arm_begin(struct arm *arm, const struct arm_request *request, double patience,
	      struct arm_operation *ret, struct arm_failure *failure, struct err *err)
{
	owned(mem) char *url = NULL;
	owned(buf) struct buf body = {.max = BODY_MAX};
	struct arm_failure ours;
	struct beginning b = {.arm = arm, .request = request, .patience = patience, .pause = PAUSE_FIRST};
	int rc = arm_url(arm, request->id, request->api_version, &url, err);

	arm_what(request->method, request->id, b.what);
	if (rc == 0)
		rc = arm_body_write(request, &body, err);
	if (rc < 0)
		return err_wrap(err, "%s", b.what);
	b.url = url;
	b.body = body;
	failure = failure ? failure : &ours;
	*failure = (struct arm_failure){0};
	while (rc == 0)
		rc = try(&b, ret, failure, err);
	return rc < 0 ? rc : 0;
}
