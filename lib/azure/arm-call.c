/* SPDX-License-Identifier: Apache-2.0 */
/* One call of Resource Manager: with a token, and where it is redirected to. */
#include <stdlib.h>
#include <string.h>

#include "azure/arm_private.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"

enum { HOPS_MAX = 3 };

static int send_with(struct arm *arm, const struct arm_call *call, const char *url, const struct secret *token,
		     struct http_answer *ret, struct err *err)
{
	const struct http_header headers[] = {
		{"Accept", "application/json"},
		{"x-ms-return-client-request-id", "true"},
		{"x-ms-correlation-request-id", arm->correlation},
		{NULL, NULL},
	};
	const struct http_request request = {
		.method = call->method, .url = url, .headers = headers, .bearer = token,
		.body = call->body, .body_len = call->body_len, .content_type = call->body ? "application/json" : NULL,
		.repeat = call->repeat, .attempts = call->attempts,
		/* Connections answer with their key. */
		.flags = HTTP_SECRET,
	};

	http_answer_release(ret);
	*ret = (struct http_answer){0};
	return http_send(arm->http, &request, ret, err);
}

/* 401 means that nothing was done: once more, with a new token. */
static int send_as_us(struct arm *arm, const struct arm_call *call, const char *url, struct http_answer *ret,
		      struct err *err)
{
	owned(secret) struct secret *token = NULL, *renewed = NULL;
	int rc = azure_credential_token(arm->credential, NULL, &token, err);

	if (rc == 0)
		rc = send_with(arm, call, url, token, ret, err);
	if (rc < 0 || ret->status != 401)
		return rc;
	log_info("azure", "the token was refused (request %s)", arm_request_id(ret));
	rc = azure_credential_token(arm->credential, token, &renewed, err);
	return rc < 0 ? rc : send_with(arm, call, url, renewed, ret, err);
}

static const char *redirection(const struct arm_call *call, const struct http_answer *answer)
{
	unsigned status = answer->status;
	bool reads = call->method == HTTP_GET || call->method == HTTP_HEAD;

	if (status != 307 && status != 308 && !(reads && (status == 301 || status == 302)))
		return NULL;
	return http_answer_header(answer, "Location");
}

int arm_call(struct arm *arm, const struct arm_call *call, struct http_answer *ret, struct err *err)
{
	owned(mem) char *url = mem_strdup(call->url);
	int rc = url ? 0 : err_no_memory(err);

	for (int hops = 0; rc == 0; hops++) {
		const char *next;

		rc = send_as_us(arm, call, url, ret, err);
		next = rc == 0 && hops < HOPS_MAX ? redirection(call, ret) : NULL;
		if (!next)
			return rc;
		rc = arm_check_url(arm, next, err);
		if (rc < 0)
			return rc;
		free(url);
		url = mem_strdup(next);
		rc = url ? 0 : err_no_memory(err);
	}
	return rc;
}

const char *arm_request_id(const struct http_answer *answer)
{
	const char *theirs = http_answer_header(answer, "x-ms-request-id");

	return theirs && *theirs && strlen(theirs) < sizeof(answer->request_id) ? theirs : answer->request_id;
}

int arm_refused(const struct http_answer *answer, const struct arm_failure *failure, const char *what,
		struct err *err)
{
	const char *challenge = http_answer_header(answer, "WWW-Authenticate");
	int rc = arm_failure_set(failure, what, arm_request_id(answer), err);

	if (answer->status == 401 && challenge && strstr(challenge, "claims="))
		err_hint(err, "a conditional access policy asks for more than this identity can show here");
	return rc;
}
