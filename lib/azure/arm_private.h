/* SPDX-License-Identifier: Apache-2.0 */
/* arm_private - what the parts of arm share. Private to lib/azure. */
#ifndef AZURE_ARM_PRIVATE_H
#define AZURE_ARM_PRIVATE_H

#include "azure/arm.h"
#include "azure/cloud.h"
#include "crypto/assertion.h"

struct arm {
	struct azure_cloud cloud;
	struct http *http;
	struct azure_credential *credential;
	char correlation[UUID_TEXT];	/* x-ms-correlation-request-id of all calls */
};

/* ---- calls ---- */

struct arm_call {
	enum http_method method;
	const char *url;
	const void *body;	/* JSON; NULL = none */
	size_t body_len;
	enum http_repeat repeat;
	unsigned attempts;	/* 0 = as many as lib/http thinks fit */
};

/* Send it with a token, with a new one if that is refused, and to where it is redirected to in
 * this cloud. ret is zeroed by the caller; errors as http_send and azure_credential_token. */
int arm_call(struct arm *arm, const struct arm_call *call, struct http_answer *ret, struct err *err);

/* The URL of a resource, in new memory. */
int arm_url(const struct arm *arm, const char *id, const char *api_version, char **ret, struct err *err);
/* May a token go there? ERR_PROTOCOL: another host, or no URL. */
int arm_check_url(const struct arm *arm, const char *url, struct err *err);
/* Is it the URL of this resource, whatever the api-version? */
bool arm_url_names(const struct arm *arm, const char *url, const char *id);

/* "cannot read 'virtualNetworks/v'" */
enum { ARM_WHAT = 200 };
void arm_what(enum http_method method, const char *id, char ret[static ARM_WHAT]);
/* The service's id of a request, ours where it gives none. */
const char *arm_request_id(const struct http_answer *answer);
/* The error of an answer that is no success; failure is what was read from it. */
int arm_refused(const struct http_answer *answer, const struct arm_failure *failure, const char *what,
		struct err *err);

/* ---- bodies ---- */

/* Parse it. Keys that connections tell are blanked. ERR_PROTOCOL (may be asked again) for what is
 * no JSON and, when it is needed, no object; else *ret stays NULL for an empty one. */
int arm_body_read(struct http_answer *answer, bool needed, struct json_tree **ret, struct err *err);
/* Append the body of a request, its marker replaced by the secret; ret has wipe set then. */
int arm_body_write(const struct arm_request *request, struct buf *ret, struct err *err);
/* Blank every place at which the secret stands in an answer. */
void arm_body_hide(struct buf *body, const struct secret *secret);

/* ---- operations ---- */

/* 404 and a code that means that the resource is absent, not that the question was wrong. */
bool arm_failure_is_absence(const struct arm_failure *failure);
/* Something else goes on there: wait and send it again. */
bool arm_failure_is_busy(const struct arm_failure *failure);

/* What a first answer of 2xx says about how to wait. */
int arm_operation_start(const struct arm *arm, const struct arm_request *request, struct http_answer *answer,
			struct arm_operation *ret, struct err *err);
/* The newest URL that an answer gives, checked; old is replaced when there is one. */
int arm_operation_follow(const struct arm *arm, const struct http_answer *answer, const char *header, char **old,
			 struct err *err);

#endif
