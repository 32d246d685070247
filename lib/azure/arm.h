/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arm - Azure Resource Manager: reading and writing resources by their id.
 *
 * One struct arm is a cloud, an identity and an HTTP client; any number of threads may
 * use it. A resource is named by its id ("/subscriptions/…/virtualNetworks/v") and read
 * and written in one api-version. Errors name the operation, the service's own code and
 * message, and the request id that Microsoft's support asks for.
 *
 * Tokens go to the cloud's own host and to hosts below its domain, and nowhere else:
 * URLs that answers give (operations, next pages) are checked before they are used.
 */
#ifndef AZURE_ARM_H
#define AZURE_ARM_H

#include <stdbool.h>
#include <stddef.h>

#include "azure/credential.h"
#include "http/http.h"
#include "json/tree.h"

struct arm;

/* cloud: enum fleet_azure_cloud, negative = as the environment says. access is borrowed and must
 * outlive it. Finds the credential; the first token is fetched by the first call. */
int arm_open(int cloud, const struct azure_access *access, struct arm **ret, struct err *err);
void arm_free(struct arm *arm);
OWN_DEFINE(arm)

const char *arm_endpoint(const struct arm *arm);	/* "https://management.azure.com" */
const char *arm_about(const struct arm *arm);		/* which credential is used */
/* Wait that long, scaled as the cloud's stand-in asks; 0 or a cancel code. */
int arm_pause(struct arm *arm, double seconds, struct err *err);

/* ---- what an answer says went wrong ---- */

/*
 * Every shape: {"error":{code,message,details[],innererror}}, flat {code,message}, {"Message"},
 * Entra's {"error":"…","error_description"}, HTML, nothing. Nested messages (also JSON
 * inside a message) are put behind the outer one, the innermost reason last.
 */
struct arm_failure {
	unsigned status;
	char code[80];		/* "" when the answer has none */
	char message[400];
};
void arm_failure_read(const struct http_answer *answer, struct arm_failure *ret);
/* The same from an error object inside a body ("error", "properties.error"); NULL: all empty. */
void arm_failure_of(const struct json_tree *error, struct arm_failure *ret);

/* Say it: "WHAT: CODE: MESSAGE (409, request 1234…)" with the code of the status (401, 403:
 * ERR_DENIED; 404: ERR_NOT_FOUND; 409: ERR_IN_USE; 400: ERR_INVALID; 408, 429, 5xx:
 * ERR_UNREACHABLE; others ERR_FAILED) and a hint for the codes we know, some of which have a better
 * error: an api-version that does not exist is ERR_UNSUPPORTED, a quota ERR_FAILED. Status 0, an
 * operation that was accepted and failed later: ERR_FAILED. */
int arm_failure_set(const struct arm_failure *failure, const char *what, const char *request_id,
		    struct err *err);

/* ---- reading ---- */

/* 1 and the body, an object; 0 when there is none (404 ResourceNotFound, ResourceGroupNotFound,
 * NotFound, ParentResourceNotFound, the flat ones of a missing child). InvalidResourceType and
 * SubscriptionNotFound are errors. id may have a query behind it ("?$filter=tagName eq 'x'"); what a URL
 * cannot hold is encoded. Keys of connections in answers are blanked. */
int arm_get(struct arm *arm, const char *id, const char *api_version, struct json_tree **ret,
	    struct err *err);

/* A member that is a secret: 1 and it, 0 when there is none. It passes through no memory that is not wiped.
 * *ret is NULL before. */
int arm_get_secret(struct arm *arm, const char *id, const char *api_version, const char *name,
		   struct secret **ret, struct err *err);

/* All pages of a list; *ret is a list of the elements of "value". The next page must be on the cloud's
 * hosts and not the same URL again (ERR_PROTOCOL). 404 as arm_get: an empty list, returns 0, else 1. */
int arm_list(struct arm *arm, const char *id, const char *api_version, struct json_tree **ret,
	     struct err *err);

/* ---- writing ---- */

/* Told when something else has to end first, what the first answer says, and whenever a poll was answered; state and message ("" when not
 * said) are the service's, without control characters. */
struct arm_watch {
	void (*told)(struct arm_watch *watch, const char *state, const char *message);
};

struct arm_request {
	enum http_method method;	/* PUT, PATCH, POST, DELETE */
	const char *id;			/* resource id; for an action with the action behind it */
	const char *api_version;
	const struct json_tree *body;	/* NULL = none */
	/* A secret the body needs: every string in it that is marker becomes the secret while the
	 * body is sent, in memory that is wiped. NULL = none. */
	const char *marker;
	const struct secret *secret;
	enum http_repeat repeat;
	struct arm_watch *watch;	/* for what has to end first; may be NULL */
};

/* What was begun, and how to learn how it ends. Released with arm_operation_release(). */
enum arm_poll {
	ARM_DONE,	/* finished with the answer itself */
	ARM_STATUS,	/* Azure-AsyncOperation: url says "status" */
	ARM_LOCATION,	/* Location: url answers 202 until the end */
	ARM_RESOURCE,	/* the resource itself says provisioningState */
	ARM_GONE,	/* the resource answers 404 at the end */
};
struct arm_operation {
	enum arm_poll poll;
	enum http_method method;
	char *id, *api_version;		/* of the resource */
	char *url;			/* ARM_STATUS, ARM_LOCATION: the newest */
	char *location;			/* Location beside an Azure-AsyncOperation */
	double retry_after;		/* seconds asked for; negative: not said */
	unsigned status;		/* of the first answer */
	struct json_tree *body;		/* of the first answer, may be NULL */
	struct secret *secret;		/* of the request: later answers may repeat it too */
	char request_id[37];
};
void arm_operation_release(struct arm_operation *operation);
OWN_DEFINE_RELEASE(arm_operation)

/*
 * Send it; ret (zeroed by the caller) says how to wait. One 401 renews the token and is tried again.
 * 409 AnotherOperationInProgress, ReferencedResourceNotProvisioned, ResourceNotProvisioned and
 * 429 of the resource provider are waited out for up to patience seconds (0 = not) with growing
 * pauses of 10 to 30 s or as Retry-After asks. failure (may be NULL) is what the last refusal said.
 * To delete what is not there is no failure. err.retry says whether the request may have been carried out.
 */
int arm_begin(struct arm *arm, const struct arm_request *request, double patience,
	      struct arm_operation *ret, struct arm_failure *failure, struct err *err);

/* An operation that somebody else began: the resource is in the middle of it. */
int arm_join(const char *id, const char *api_version, enum http_method method,
	     struct arm_operation *ret, struct err *err);

/*
 * Poll until it ends; *ret (may be NULL, stays NULL for deletes) is the resource, or for
 * POST the result. interval: seconds between polls where the service does not say (min 1, max 300).
 * limit: seconds until we give up waiting: ERR_TIMEOUT whose hint says that Azure goes on and names the operation.
 * Both count what was asked for, not what a stand-in scales it to. A failed or cancelled operation is
 * ERR_FAILED with the service's reason; where it is not known how it ends (ERR_TIMEOUT, ERR_UNREACHABLE,
 * ERR_PROTOCOL, cancelled) err.retry is IDEMPOTENT. What operation holds changes on the way; it serves
 * for another arm_wait after one that gave up.
 */
int arm_wait(struct arm *arm, struct arm_operation *operation, double interval, double limit,
	     struct arm_watch *watch, struct json_tree **ret, struct err *err);

/* provisioningState of a resource: a missing one counts as "Succeeded". */
const char *arm_state(const struct json_tree *resource);
bool arm_state_is(const char *state, const char *name);	/* case ignored */
/* Succeeded, Failed, Canceled, Cancelled; everything else is in progress. */
bool arm_state_final(const char *state);

#endif
