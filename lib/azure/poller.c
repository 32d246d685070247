/* SPDX-License-Identifier: Apache-2.0 */
/* What a poll's answer says: the status of an operation, its Location, the resource, or that it is gone. */
#include "azure/poller.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"

enum { SILENT_MAX = 3 };	/* answers in a row that do not say a status */

/* ---- telling ---- */

void poller_tell(struct poller *p, const char *state, const char *message)
{
	char text[400];

	if (state != p->state)
		snprintf(p->state, sizeof(p->state), "%s", state ? state : "");
	snprintf(text, sizeof(text), "%s", message ? message : "");
	err_mask(p->state);
	err_mask(text);
	if (p->watch)
		p->watch->told(p->watch, p->state, text);
}

static const char *message_in(const struct json_tree *body)
{
	const char *message = json_tree_text(body, "properties.statusMessage");

	return message ? message : json_tree_text(body, "properties.statusDetails");
}

/* An operation's or, of some services, the resource's own. */
static const char *status_in(const struct json_tree *body)
{
	const char *status = json_tree_text(body, "status");

	return status ? status : json_tree_text(body, "properties.provisioningState");
}

/* Results of actions have a status of their own. */
static const char *outcome_in(const struct json_tree *body)
{
	const char *status = json_tree_text(body, "properties.status");

	return status ? status : status_in(body);
}

void poller_tell_body(struct poller *p, const struct json_tree *body)
{
	const char *state = outcome_in(body), *message = message_in(body);

	if (state || message)
		poller_tell(p, state, message);
}

/* ---- how it ends ---- */

/* Where a body says why it failed; the last resort is its message for people. */
static void reason_in(const struct json_tree *body, struct arm_failure *ret)
{
	const char *message = message_in(body);

	arm_failure_of(json_tree_get(body, "error"), ret);
	if (!*ret->message && !*ret->code)
		arm_failure_of(json_tree_get(body, "properties.error"), ret);
	if (!*ret->message && message)
		snprintf(ret->message, sizeof(ret->message), "%s", message);
	err_mask(ret->message);
}

static int failed(const struct poller *p, const char *state, const struct json_tree *body, struct err *err)
{
	struct arm_failure failure;

	reason_in(body, &failure);
	if (!*failure.message && !arm_state_is(state, "Failed"))
		snprintf(failure.message, sizeof(failure.message), "the operation was cancelled");
	return arm_failure_set(&failure, p->what, p->op->request_id, err);
}

static bool is_failure(const char *state)
{
	return state && arm_state_final(state) && !arm_state_is(state, "Succeeded");
}

int poller_ask_instead(struct poller *p, enum arm_poll poll)
{
	p->op->poll = poll;
	p->pause = 0;
	p->fresh_until = p->waited + POLLER_FRESH;
	return 0;
}

/* What was polled says that it has succeeded. */
static int succeeded(struct poller *p, struct json_tree **body)
{
	struct arm_operation *op = p->op;

	if (op->method == HTTP_PUT || op->method == HTTP_PATCH)
		return poller_ask_instead(p, ARM_RESOURCE);
	if (op->method == HTTP_POST && op->poll == ARM_STATUS && op->location) {
		free(op->url);
		op->url = own_take(op->location);
		return poller_ask_instead(p, ARM_LOCATION);
	}
	if (op->method == HTTP_POST)
		p->result = own_take(*body);
	return 1;
}

int poller_read_first(struct poller *p, struct err *err)
{
	struct arm_operation *op = p->op;
	const char *state = op->method == HTTP_POST ? outcome_in(op->body) : arm_state(op->body);

	if (op->method == HTTP_DELETE)
		return 1;
	if (is_failure(state))
		return failed(p, state, op->body, err);
	p->result = own_take(op->body);
	return 1;
}

/* ---- place by place ---- */

/* 200 whatever the state. */
static int read_status(struct poller *p, const struct http_answer *answer, struct json_tree **body, struct err *err)
{
	const char *status = status_in(*body);

	poller_tell(p, status, message_in(*body));
	p->silent = status || answer->status == 202 ? 0 : p->silent + 1;
	if (!status && answer->status != 204 && p->silent < SILENT_MAX)
		return 0;
	if (is_failure(status))
		return failed(p, status, *body, err);
	if (!status && p->op->method == HTTP_DELETE && answer->status != 204)
		return poller_ask_instead(p, ARM_GONE);
	return !status || arm_state_final(status) ? succeeded(p, body) : 0;
}

static bool goes_on(const char *status)
{
	static const char *const words[] = {"InProgress", "Running", "Accepted", "Pending", "NotStarted", "Creating",
					    "Updating", "Deleting", "Provisioning", NULL};

	for (int i = 0; status && words[i]; i++)
		if (arm_state_is(status, words[i]))
			return true;
	return false;
}

/* 202 until the end, which 200 may still say to be none. */
static int read_location(struct poller *p, const struct http_answer *answer, struct json_tree **body, struct err *err)
{
	const char *status = outcome_in(*body);

	poller_tell(p, status, message_in(*body));
	if (answer->status == 202)
		return 0;
	if (is_failure(status))
		return failed(p, status, *body, err);
	if (goes_on(status) && p->op->method == HTTP_POST)
		return 0;
	/* The end of a deletion is empty; what says something and not that it has ended is looked up. */
	if (p->op->method == HTTP_DELETE && (goes_on(status) || (*body && !status)))
		return poller_ask_instead(p, ARM_GONE);
	return succeeded(p, body);
}

static int read_resource(struct poller *p, const struct http_answer *answer, struct json_tree **body, struct err *err)
{
	const char *state = arm_state(*body);

	(void)answer;
	poller_tell(p, state, message_in(*body));
	if (is_failure(state))
		return failed(p, state, *body, err);
	if (!arm_state_final(state))
		return 0;
	p->result = own_take(*body);
	return 1;
}

/* It is still there. One that is not being deleted, or no longer, stays; for a while that may be old news. */
static int read_gone(struct poller *p, const struct http_answer *answer, struct json_tree **body, struct err *err)
{
	const char *state = json_tree_text(*body, "properties.provisioningState");

	(void)answer;
	poller_tell(p, state, message_in(*body));
	if (!state || !arm_state_final(state)) {
		p->moved = p->moved || state;
		return 0;
	}
	if (!p->moved && p->waited <= p->fresh_until)
		return 0;
	if (is_failure(state))
		return failed(p, state, *body, err);
	return err_set(err, ERR_FAILED, "%s: it is still there, in state '%s'", p->what, state);
}

static const struct place {
	const char *newer;	/* header that names a newer URL; NULL = it is the resource's own */
	int (*read)(struct poller *p, const struct http_answer *answer, struct json_tree **body, struct err *err);
} places[] = {
	[ARM_STATUS] = {"Azure-AsyncOperation", read_status},
	[ARM_LOCATION] = {"Location", read_location},
	[ARM_RESOURCE] = {NULL, read_resource},
	[ARM_GONE] = {NULL, read_gone},
};

bool poller_has_url(const struct poller *p)
{
	return places[p->op->poll].newer;
}

/* Where both are given, the Location of an action tells the result. */
static int follow(struct poller *p, const struct http_answer *answer, struct err *err)
{
	struct arm_operation *op = p->op;
	const char *newer = places[op->poll].newer;
	int rc = newer ? arm_operation_follow(p->arm, answer, newer, &op->url, err) : 0;

	if (rc == 0 && op->poll == ARM_STATUS && op->location)
		rc = arm_operation_follow(p->arm, answer, "Location", &op->location, err);
	return rc;
}

int poller_read(struct poller *p, struct http_answer *answer, struct err *err)
{
	owned(json_tree) struct json_tree *body = NULL;
	int rc = follow(p, answer, err);

	arm_body_hide(&answer->body, p->op->secret);
	if (rc == 0)
		rc = arm_body_read(answer, !poller_has_url(p), &body, err);
	return rc < 0 ? rc : places[p->op->poll].read(p, answer, &body, err);
}
