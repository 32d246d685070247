/* SPDX-License-Identifier: Apache-2.0 */
/* Operations that go on in the service: what a first answer says about how they end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "azure/arm_private.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/secret.h"

void arm_operation_release(struct arm_operation *operation)
{
	free(operation->id);
	free(operation->api_version);
	free(operation->url);
	free(operation->location);
	json_tree_free(operation->body);
	secret_free(operation->secret);
	*operation = (struct arm_operation){0};
}

/* ---- states ---- */

const char *arm_state(const struct json_tree *resource)
{
	const char *state = json_tree_text(resource, "properties.provisioningState");

	return state && *state ? state : "Succeeded";
}

bool arm_state_is(const char *state, const char *name)
{
	return strcasecmp(state, name) == 0;
}

bool arm_state_final(const char *state)
{
	return arm_state_is(state, "Succeeded") || arm_state_is(state, "Failed") || arm_state_is(state, "Canceled") ||
	       arm_state_is(state, "Cancelled");
}

/* ---- choosing ---- */

static bool makes(enum http_method method)
{
	return method == HTTP_PUT || method == HTTP_PATCH;
}

int arm_operation_follow(const struct arm *arm, const struct http_answer *answer, const char *header, char **old,
			 struct err *err)
{
	const char *url = http_answer_header(answer, header);
	char *copy;
	int rc;

	if (!url || !*url || (*old && strcmp(*old, url) == 0))
		return 0;
	rc = arm_check_url(arm, url, err);
	if (rc < 0)
		return rc;
	copy = mem_strdup(url);
	if (!copy)
		return err_no_memory(err);
	free(*old);
	*old = copy;
	return 0;
}

/* A PUT may just say where what it made is. */
static int follow_location(const struct arm *arm, const struct http_answer *answer, struct arm_operation *op,
			   struct err *err)
{
	const char *location = http_answer_header(answer, "Location");

	if (!location || (makes(op->method) && arm_url_names(arm, location, op->id)))
		return 0;
	return arm_operation_follow(arm, answer, "Location", &op->location, err);
}

static enum arm_poll without_headers(const struct arm_operation *op)
{
	if (makes(op->method))
		return op->body && arm_state_final(arm_state(op->body)) ? ARM_DONE : ARM_RESOURCE;
	return op->method == HTTP_DELETE && op->status == 202 ? ARM_GONE : ARM_DONE;
}

/* Location counts where the answer says that it has only been accepted or begun. */
static int choose(const struct arm *arm, const struct http_answer *answer, struct arm_operation *op, struct err *err)
{
	int rc = arm_operation_follow(arm, answer, "Azure-AsyncOperation", &op->url, err);

	if (rc == 0 && (op->url || op->status == 201 || op->status == 202))
		rc = follow_location(arm, answer, op, err);
	if (rc < 0)
		return rc;
	if (op->url) {
		op->poll = ARM_STATUS;
	} else if (op->location) {
		op->poll = ARM_LOCATION;
		op->url = own_take(op->location);
	} else {
		op->poll = without_headers(op);
	}
	return 0;
}

static int name(const char *id, const char *api_version, struct arm_operation *op, struct err *err)
{
	op->id = mem_strdup(id);
	op->api_version = mem_strdup(api_version);
	return op->id && op->api_version ? 0 : err_no_memory(err);
}

/* It was accepted, so a body that cannot be read is no failure of a write: the resource tells. */
static int read_body(struct http_answer *answer, struct arm_operation *op, struct err *err)
{
	struct err unread = {0};
	int rc = arm_body_read(answer, false, &op->body, &unread);

	if (rc == -ERR_NO_MEMORY || (rc < 0 && op->method == HTTP_POST && op->status == 200)) {
		if (err)
			*err = unread;
		return rc;
	}
	return 0;
}

int arm_operation_start(const struct arm *arm, const struct arm_request *request, struct http_answer *answer,
			struct arm_operation *ret, struct err *err)
{
	owned(arm_operation) struct arm_operation op = {
		.method = request->method, .status = answer->status, .retry_after = http_answer_retry_after(answer),
	};
	int rc = name(request->id, request->api_version, &op, err);

	snprintf(op.request_id, sizeof(op.request_id), "%s", arm_request_id(answer));
	if (rc == 0 && request->secret)
		rc = secret_dup(request->secret, &op.secret, err);
	if (rc == 0)
		rc = read_body(answer, &op, err);
	if (rc == 0)
		rc = choose(arm, answer, &op, err);
	if (rc < 0)
		return rc;
	*ret = op;
	op = (struct arm_operation){0};
	return 0;
}

int arm_join(const char *id, const char *api_version, enum http_method method,
	     struct arm_operation *ret, struct err *err)
{
	owned(arm_operation) struct arm_operation op = {
		.method = method, .poll = method == HTTP_DELETE ? ARM_GONE : ARM_RESOURCE, .retry_after = -1,
	};
	int rc = name(id, api_version, &op, err);

	if (rc < 0)
		return rc;
	*ret = op;
	op = (struct arm_operation){0};
	return 0;
}
