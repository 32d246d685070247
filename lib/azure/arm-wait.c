/* SPDX-License-Identifier: Apache-2.0 */
/* The one poller: asks until an operation has ended, wherever that is said. */
#include "azure/poller.h"
#include "base/cancel.h"
#include "base/err.h"
#include "base/mem.h"
#include "http/url.h"

enum {
	TROUBLES_MAX = 3,	/* polls in a row that may fail */
	TROUBLE_PAUSE = 10,
	INTERVAL_MIN = 1,
	INTERVAL_MAX = 300,
	ASKED_MAX = 600,	/* what Retry-After may say by contract */
};

static double clamp(double value, double low, double high)
{
	return value < low ? low : value > high ? high : value;
}

static double asked_or(double asked, double interval)
{
	return asked < 0 ? interval : clamp(asked, INTERVAL_MIN, ASKED_MAX);
}

/* ---- one poll: 1 = the end, 0 = go on ---- */

static int ask(struct poller *p, struct http_answer *ret, struct err *err)
{
	owned(mem) char *url = NULL;
	struct arm_call call = {.method = HTTP_GET, .url = p->op->url, .repeat = HTTP_IDEMPOTENT, .attempts = 1};
	int rc = 0;

	if (!poller_has_url(p)) {
		rc = arm_url(p->arm, p->op->id, p->op->api_version, &url, err);
		call.url = url;
	}
	return rc < 0 ? rc : arm_call(p->arm, &call, ret, err);
}

/* The service refuses what it had accepted: that is how a Location tells a failure. */
static int refused(const struct poller *p, const struct http_answer *answer, const struct arm_failure *failure,
		   struct err *err)
{
	int rc = arm_refused(answer, failure, p->what, err);

	if (p->op->poll != ARM_LOCATION || rc == -ERR_UNREACHABLE || answer->status == 401 || answer->status == 403 ||
	    answer->status == 404)
		return rc;
	err->code = ERR_FAILED;
	return -ERR_FAILED;
}

static int not_found(struct poller *p, const struct http_answer *answer, struct err *err)
{
	struct arm_operation *op = p->op;
	struct arm_failure failure;

	arm_failure_read(answer, &failure);
	if (op->poll == ARM_GONE && arm_failure_is_absence(&failure))
		return 1;
	if (arm_state_is(failure.code, "InvalidResourceType"))
		return refused(p, answer, &failure, err);
	if (p->waited <= p->fresh_until)
		return 0;
	/* Operations are forgotten; what they were about can still tell. */
	if (poller_has_url(p) && op->method != HTTP_POST)
		return poller_ask_instead(p, op->method == HTTP_DELETE ? ARM_GONE : ARM_RESOURCE);
	return refused(p, answer, &failure, err);
}

static int read_answer(struct poller *p, struct http_answer *answer, struct err *err)
{
	double asked = http_answer_retry_after(answer);
	struct arm_failure failure;

	p->pause = asked_or(asked, p->interval);
	if (answer->status >= 200 && answer->status < 300)
		return poller_read(p, answer, err);
	if (answer->status == 404)
		return not_found(p, answer, err);
	if (answer->status == 429) {
		p->pause = asked > p->pause ? asked : p->pause;
		poller_tell(p, p->state, "Azure wants to be asked less often");
		return 0;
	}
	arm_failure_read(answer, &failure);
	return refused(p, answer, &failure, err);
}

static bool may_pass(int rc, const struct err *err)
{
	return (rc == -ERR_UNREACHABLE || rc == -ERR_PROTOCOL) && err->retry != ERR_RETRY_NEVER;
}

static int poll_once(struct poller *p, struct err *err)
{
	owned(http_answer) struct http_answer answer = {0};
	int rc;

	p->pause = p->interval;
	rc = ask(p, &answer, err);
	if (rc == 0)
		rc = read_answer(p, &answer, err);
	if (!may_pass(rc, err)) {
		p->troubles = 0;
		return rc;
	}
	if (p->troubles == TROUBLES_MAX)
		return rc;
	p->pause = (p->pause < TROUBLE_PAUSE ? TROUBLE_PAUSE : p->pause) * (1 << p->troubles);
	p->troubles++;
	return 0;
}

/* ---- all of them ---- */

static int pause_before(struct poller *p, struct err *err)
{
	if (p->pause <= 0)
		return 0;
	if (p->waited >= p->limit)
		return err_set(err, ERR_TIMEOUT, "%s: still %s after %.0f s", p->what,
			       *p->state ? p->state : "in progress", p->waited);
	if (p->pause > p->limit - p->waited)
		p->pause = p->limit - p->waited;
	p->waited += p->pause;
	return arm_pause(p->arm, p->pause, err);
}

static int poll_all(struct poller *p, struct err *err)
{
	int rc = 0;

	poller_tell_body(p, p->op->body);
	while (rc == 0) {
		rc = pause_before(p, err);
		if (rc == 0)
			rc = poll_once(p, err);
	}
	return rc;
}

/* We stop looking, the service does not stop. */
static int left_alone(const struct poller *p, int rc, struct err *err)
{
	owned(buf) struct buf url = {.max = 1024};
	bool stopped = cancel_is(rc);

	if (!stopped && rc != -ERR_UNREACHABLE && rc != -ERR_PROTOCOL)
		return rc;
	err->retry = ERR_RETRY_IDEMPOTENT;
	if (!stopped)
		return rc;
	url_redact(p->op->url ? p->op->url : p->op->id, &url);
	return err_hint(err, "Azure goes on with it; run the command again to wait on (%.160s)", buf_text(&url));
}

int arm_wait(struct arm *arm, struct arm_operation *operation, double interval, double limit,
	     struct arm_watch *watch, struct json_tree **ret, struct err *err)
{
	struct poller p = {
		.arm = arm, .op = operation, .watch = watch, .limit = limit, .fresh_until = POLLER_FRESH,
		.interval = clamp(interval, INTERVAL_MIN, INTERVAL_MAX),
	};
	struct err ours = {0};
	int rc;

	err = err ? err : &ours;
	arm_what(operation->method, operation->id, p.what);
	p.pause = asked_or(operation->retry_after, p.interval);
	rc = operation->poll == ARM_DONE ? poller_read_first(&p, err) : poll_all(&p, err);
	if (rc < 0)
		return left_alone(&p, rc, err);
	if (ret && p.result)
		*ret = own_take(p.result);
	json_tree_free(p.result);
	return 0;
}
