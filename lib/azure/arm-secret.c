/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a secret that Resource Manager keeps. */
#include "azure/arm_private.h"
#include "azure/token.h"
#include "base/err.h"
#include "base/mem.h"

int arm_get_secret(struct arm *arm, const char *id, const char *api_version, const char *name, struct secret **ret,
		   struct err *err)
{
	owned(mem) char *url = NULL;
	owned(http_answer) struct http_answer answer = {0};
	owned(json_tree) struct json_tree *rest = NULL;
	struct arm_failure failure;
	char what[ARM_WHAT];
	int rc = arm_url(arm, id, api_version, &url, err);
	const struct arm_call call = {.method = HTTP_GET, .url = url, .repeat = HTTP_IDEMPOTENT};

	arm_what(HTTP_GET, id, what);
	if (rc == 0)
		rc = arm_call(arm, &call, &answer, err);
	if (rc < 0)
		return err_wrap(err, "%s", what);
	if (answer.status != 200) {
		arm_failure_read(&answer, &failure);
		return arm_failure_is_absence(&failure) ? 0 : arm_refused(&answer, &failure, what, err);
	}
	rc = azure_secret_parse(&answer.body, name, what, ret, &rest, err);
	return rc < 0 ? rc : *ret != NULL;
}
