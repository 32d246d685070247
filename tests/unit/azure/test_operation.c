/* SPDX-License-Identifier: Apache-2.0 */
#include "script.h"

#include "base/cancel.h"

#define DEVICE_IN(state, message)                                              \
	"{\"id\":\"" DEVICE "\",\"properties\":{\"provisioningState\":\"" state "\",\"statusMessage\":\"" message "\"}}"
#define WESTUS SUBSCRIPTION "/providers/Microsoft.Network/locations/westus"
#define STATUS "Azure-AsyncOperation: <URL>" WESTUS "/operations/1?api-version=" API "\r\n"
#define LOCATION "Location: <URL>" WESTUS "/operationResults/1?api-version=" API "\r\n"
#define ASKS_STATUS "GET " WESTUS "/operations/1?"
#define ASKS_RESULT "GET " WESTUS "/operationResults/1?"
#define ASKS(id) "GET " id "?api-version=" API
#define CLOSES "Connection: close\r\n"
#define IN_PROGRESS "{\r\n  \"status\": \"InProgress\"\r\n}"
#define SUCCEEDED "{\r\n  \"status\": \"Succeeded\"\r\n}"
#define ABSENT "{\"error\":{\"code\":\"ResourceNotFound\",\"message\":\"The resource was not found.\"}}"

/* ---- what a first answer says ---- */

#define HOST "https://management.azure.com"
#define SELF HOST DEVICE "?api-version=" API
#define ASYNC HOST "/s/operations/1"
#define RESULT HOST "/s/operationResults/1"

static void put_field(struct http_answer *answer, const char *name, const char *value)
{
	if (!value)
		return;
	answer->fields = mem_grow(answer->fields, answer->n_fields, answer->n_fields + 1, sizeof(*answer->fields));
	answer->fields[answer->n_fields].name = mem_strdup(name);
	answer->fields[answer->n_fields++].value = mem_strdup(value);
}

static struct http_answer first_answer(unsigned status, const char *async, const char *location, const char *body)
{
	struct http_answer answer = {.status = status, .request_id = "ours"};

	buf_init(&answer.body, 1 << 20);
	buf_put_str(&answer.body, body);
	put_field(&answer, "azure-asyncoperation", async);
	put_field(&answer, "LOCATION", location);
	put_field(&answer, "retry-after", "17");
	return answer;
}

static void the_place_to_ask_is_chosen(void **state)
{
	static const struct {
		enum http_method method;
		unsigned status;
		const char *async, *location, *body;
		enum arm_poll poll;
		const char *url, *beside;	/* Location beside */
	} cases[] = {
		{HTTP_PUT, 200, NULL, NULL, DEVICE_IN("CheckingQuota", ""), ARM_RESOURCE, NULL, NULL},
		{HTTP_PUT, 200, NULL, NULL, DEVICE_IN("succeeded", ""), ARM_DONE, NULL, NULL},
		{HTTP_PUT, 200, NULL, NULL, DEVICE_IN("Failed", ""), ARM_DONE, NULL, NULL},
		{HTTP_PUT, 201, NULL, NULL, "{\"id\":\"x\"}", ARM_DONE, NULL, NULL},
		{HTTP_PUT, 200, NULL, NULL, "", ARM_RESOURCE, NULL, NULL},
		{HTTP_PUT, 200, NULL, NULL, "<html>", ARM_RESOURCE, NULL, NULL},
		{HTTP_PUT, 202, NULL, NULL, "", ARM_RESOURCE, NULL, NULL},
		{HTTP_PUT, 201, ASYNC, NULL, DEVICE_IN("Updating", ""), ARM_STATUS, ASYNC, NULL},
		{HTTP_PUT, 200, ASYNC, NULL, DEVICE_IN("Succeeded", ""), ARM_STATUS, ASYNC, NULL},
		{HTTP_PUT, 202, ASYNC, RESULT, "{}", ARM_STATUS, ASYNC, RESULT},
		{HTTP_PUT, 201, ASYNC, SELF, "", ARM_STATUS, ASYNC, NULL},
		{HTTP_PUT, 201, NULL, SELF, DEVICE_IN("Updating", ""), ARM_RESOURCE, NULL, NULL},
		{HTTP_PUT, 202, NULL, HOST DEVICE "?api-version=other", "", ARM_RESOURCE, NULL, NULL},
		{HTTP_PUT, 202, NULL, RESULT, "", ARM_LOCATION, RESULT, NULL},
		{HTTP_PUT, 201, NULL, RESULT, DEVICE_IN("Creating", ""), ARM_LOCATION, RESULT, NULL},
		{HTTP_PUT, 200, NULL, RESULT, DEVICE_IN("Succeeded", ""), ARM_DONE, NULL, NULL},
		{HTTP_PATCH, 200, NULL, NULL, DEVICE_IN("Succeeded", ""), ARM_DONE, NULL, NULL},
		{HTTP_PATCH, 202, NULL, RESULT, "", ARM_LOCATION, RESULT, NULL},
		{HTTP_PATCH, 202, NULL, NULL, "", ARM_RESOURCE, NULL, NULL},
		{HTTP_DELETE, 202, NULL, RESULT, "", ARM_LOCATION, RESULT, NULL},
		{HTTP_DELETE, 202, ASYNC, RESULT, "", ARM_STATUS, ASYNC, RESULT},
		{HTTP_DELETE, 202, NULL, NULL, "", ARM_GONE, NULL, NULL},
		{HTTP_DELETE, 202, NULL, SELF, "", ARM_LOCATION, SELF, NULL},
		{HTTP_DELETE, 200, NULL, NULL, "", ARM_DONE, NULL, NULL},
		{HTTP_DELETE, 204, NULL, NULL, "", ARM_DONE, NULL, NULL},
		{HTTP_POST, 202, NULL, RESULT, "", ARM_LOCATION, RESULT, NULL},
		{HTTP_POST, 202, ASYNC, RESULT, "", ARM_STATUS, ASYNC, RESULT},
		{HTTP_POST, 202, ASYNC, NULL, "", ARM_STATUS, ASYNC, NULL},
		{HTTP_POST, 200, NULL, NULL, "{}", ARM_DONE, NULL, NULL},
		{HTTP_POST, 202, NULL, NULL, "", ARM_DONE, NULL, NULL},
		{HTTP_POST, 204, NULL, NULL, "", ARM_DONE, NULL, NULL},
		/* Hosts below the cloud's are the cloud's. */
		{HTTP_DELETE, 202, NULL, "https://westus.Management.Azure.com/x", "", ARM_LOCATION,
		 "https://westus.Management.Azure.com/x", NULL},
	};
	struct arm arm = {.cloud = {.arm = (char *)(uintptr_t)HOST}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		owned(http_answer) struct http_answer answer =
			first_answer(cases[i].status, cases[i].async, cases[i].location, cases[i].body);
		const struct arm_request request = {.method = cases[i].method, .id = DEVICE, .api_version = API};
		owned(arm_operation) struct arm_operation operation = {0};
		struct err err = {0};

		if (arm_operation_start(&arm, &request, &answer, &operation, &err) < 0)
			fail_msg("row %zu: %s", i, err.message);
		if (operation.poll != cases[i].poll)
			fail_msg("row %zu: %d", i, operation.poll);
		assert_true(str_eq(operation.url, cases[i].url));
		assert_true(str_eq(operation.location, cases[i].beside));
		assert_string_equal(operation.id, DEVICE);
		assert_string_equal(operation.api_version, API);
		assert_string_equal(operation.request_id, "ours");
		assert_int_equal(operation.method, cases[i].method);
		assert_int_equal(operation.status, cases[i].status);
		assert_true(operation.retry_after == 17);
	}
}

static void urls_of_others_are_refused(void **state)
{
	static const char *const urls[] = {
		"https://management.azure.com.evil.example/x", "https://evilmanagement.azure.com/x",
		"https://azure.com/x", "http://management.azure.com/x", "https://management.azure.com:8443/x",
		"http://westus.management.azure.com/x", "http://westus.management.azure.com:443/x",
		"https://westus.management.azure.com:8443/x", "https://management.azure.com@evil.example/x",
		"https://.management.azure.com.evil.example/", "//management.azure.com/x", "/subscriptions/x",
			"nonsense",
		"https://evil.example/?u=https://management.azure.com/", NULL,
	};
	struct arm arm = {.cloud = {.arm = (char *)(uintptr_t)HOST}};
	const struct arm_request request = {.method = HTTP_DELETE, .id = DEVICE, .api_version = API};

	(void)state;
	for (int i = 0; urls[i]; i++)
		for (int which = 0; which < 2; which++) {
			owned(http_answer) struct http_answer answer =
				first_answer(202, which ? urls[i] : NULL, which ? NULL : urls[i], "");
			struct arm_operation operation = {0};
			struct err err = {0};

			assert_code(arm_operation_start(&arm, &request, &answer, &operation, &err), ERR_PROTOCOL, err);
			assert_null(operation.id);
		}
}

static void starting_survives_lack_of_memory(void **state)
{
	struct arm arm = {.cloud = {.arm = (char *)(uintptr_t)HOST}};
	const struct arm_request request = {.method = HTTP_PUT, .id = DEVICE, .api_version = API};
	owned(http_answer) struct http_answer answer = first_answer(201, ASYNC, RESULT, "{\"id\":\"x\"}");
	owned(arm_operation) struct arm_operation operation = {0};

	(void)state;
	assert_survives_no_memory(arm_operation_start(&arm, &request, &answer, &operation, NULL));
}

static void states_have_no_case(void **state)
{
	static const struct {
		const char *body, *state;
		bool final;
	} cases[] = {
		{"{}", "Succeeded", true},
		{"{\"properties\":null}", "Succeeded", true},
		{"{\"properties\":{\"provisioningState\":null}}", "Succeeded", true},
		{"{\"properties\":{\"provisioningState\":\"\"}}", "Succeeded", true},
		{"{\"properties\":{\"provisioningState\":\"SUCCEEDED\"}}", "SUCCEEDED", true},
		{"{\"properties\":{\"provisioningState\":\"failed\"}}", "failed", true},
		{"{\"properties\":{\"provisioningState\":\"Canceled\"}}", "Canceled", true},
		{"{\"properties\":{\"provisioningState\":\"cancelled\"}}", "cancelled", true},
		{"{\"properties\":{\"provisioningState\":\"Allocating\"}}", "Allocating", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		owned(json_tree) struct json_tree *tree = json(cases[i].body);

		assert_string_equal(arm_state(tree), cases[i].state);
		assert_int_equal(arm_state_final(arm_state(tree)), cases[i].final);
	}
	assert_string_equal(arm_state(NULL), "Succeeded");
	assert_true(arm_state_is("dELETING", "Deleting"));
}

/* ---- what recordings show ---- */

struct listener {
	struct arm_watch watch;
	char told[2048];
};

static void told(struct arm_watch *watch, const char *state, const char *message)
{
	struct listener *l = (struct listener *)(void *)watch;
	size_t len = strlen(l->told);

	snprintf(l->told + len, sizeof(l->told) - len, "%s/%s;", state, message);
}

static void a_device_is_asked_until_it_stands(void **state)
{
	struct script *s = *state;
	owned(arm_operation) struct arm_operation operation = {0};
	owned(json_tree) struct json_tree *live = NULL;
	struct listener listener = {.watch = {told}};
	struct err err = {0};

	answers(s, 1, 200, "", DEVICE_IN("CheckingQuota", "Validating"));
	answers(s, 4, 200, "", DEVICE_IN("CheckingQuota", "Validating"));
	answers(s, 5, 200, "", DEVICE_IN("Connecting", "Connecting\\u0007"));
	answers(s, 6, 200, "", DEVICE_IN("Provisioning", "Configuring"));
	answers(s, 1, 200, "", DEVICE_IN("Succeeded", "ready"));
	assert_int_equal(begin(s, HTTP_PUT, DEVICE, &operation, &err), 0);
	assert_int_equal(operation.poll, ARM_RESOURCE);
	assert_int_equal(arm_wait(s->arm, &operation, 30, 3600, &listener.watch, &live, &err), 0);
	assert_string_equal(arm_state(live), "Succeeded");
	assert_int_equal(seen(s, ASKS(DEVICE)), 16);
	assert_all_asked(s);
	assert_says(listener.told, "CheckingQuota/Validating;");
	assert_says(listener.told, "Connecting/Connecting?;");
	assert_says(listener.told, "Succeeded/ready;");
}

static void a_network_is_asked_for_its_status(void **state)
{
	struct script *s = *state;
	owned(json_tree) struct json_tree *live = NULL;

	answers(s, 1, 201, STATUS "Azure-AsyncNotification: Enabled\r\nRetry-After: 3\r\n", DEVICE_IN("Updating", ""));
	answers(s, 38, 200, "Retry-After: 10\r\n", IN_PROGRESS);
	answers(s, 1, 200, "", SUCCEEDED);
	answers(s, 1, 200, "", DEVICE_IN("Succeeded", "the resource"));
	runs(s, HTTP_PUT, NETWORK, &live);
	assert_string_equal(json_tree_text(live, "properties.statusMessage"), "the resource");
	assert_int_equal(seen(s, ASKS_STATUS), 39);
	assert_int_equal(seen(s, ASKS(NETWORK)), 1);
	assert_all_asked(s);
}

static void a_resource_that_is_late_is_waited_for(void **state)
{
	struct script *s = *state;
	owned(json_tree) struct json_tree *live = NULL;

	answers(s, 1, 201, STATUS, "");
	answers(s, 1, 200, "", SUCCEEDED);
	answers(s, 1, 404, "", ABSENT);
	answers(s, 2, 200, "", DEVICE_IN("Updating", ""));
	answers(s, 1, 200, "", DEVICE_IN("Succeeded", ""));
	runs(s, HTTP_PUT, NETWORK, &live);
	assert_non_null(live);
	assert_all_asked(s);
}

static void deletes_by_location(void **state)
{
	struct script *s = *state;

	answers(s, 1, 202, LOCATION "Retry-After: 5\r\n", "");
	answers(s, 117, 202, LOCATION "Retry-After: 5\r\n", "");
	answers(s, 1, 200, "", "");
	runs(s, HTTP_DELETE, DEVICE, NULL);
	assert_int_equal(seen(s, ASKS_RESULT), 118);
	answers(s, 1, 202, LOCATION "Retry-After: 5\r\n", "");
	answers(s, 47, 202, LOCATION "Retry-After: 5\r\n", "");
	answers(s, 1, 204, "", "");
	runs(s, HTTP_DELETE, DEVICE, NULL);
	assert_all_asked(s);
}

static void a_delete_with_both_headers_is_asked_for_its_status(void **state)
{
	struct script *s = *state;
	owned(json_tree) struct json_tree *none = NULL;

	answers(s, 1, 202, STATUS LOCATION "Retry-After: 10\r\n", "");
	answers(s, 12, 200, "Retry-After: 10\r\n", IN_PROGRESS);
	answers(s, 1, 200, "", SUCCEEDED);
	runs(s, HTTP_DELETE, NETWORK, &none);
	assert_null(none);
	assert_int_equal(seen(s, ASKS_RESULT), 0);
	assert_all_asked(s);
}

static void what_is_gone_needs_no_headers(void **state)
{
	struct script *s = *state;

	answers(s, 1, 202, "", "");
	answers(s, 1, 200, "", DEVICE_IN("Succeeded", "not yet"));
	answers(s, 2, 200, "", DEVICE_IN("Deleting", ""));
	answers(s, 1, 404, "", ABSENT);
	runs(s, HTTP_DELETE, DEVICE, NULL);
	/* A Location that shows the resource as it was does not say that it is gone. */
	answers(s, 1, 202, LOCATION, "");
	answers(s, 1, 200, "", DEVICE_IN("Deleting", ""));
	answers(s, 1, 404, "", ABSENT);
	runs(s, HTTP_DELETE, DEVICE, NULL);
	/* Nor does what was not there. */
	answers(s, 1, 404, "", ABSENT);
	answers(s, 1, 204, "", "");
	answers(s, 1, 200, "", "");
	for (int i = 0; i < 3; i++)
		runs(s, HTTP_DELETE, DEVICE, NULL);
	assert_all_asked(s);
}

#define BACKUP(status, more) "{\"properties\":{\"jobId\":\"7\",\"status\":\"" status "\"" more "}}"

/* The URL is signed: long, and not to be shown. */
static char *signed_location(void)
{
	owned(mem) char *signature = mem_zalloc(3001);

	memset(signature, 'S', 3000);
	return mem_printf("Location: "
		"<URL>" CLUSTER "/backupOperationStatus/7?api-version=" API "&t=1&c=MIIHUSH&s=%s&h=hash\r\n",
			  signature);
}

static void a_backup_follows_the_newest_location(void **state)
{
	struct script *s = *state;
	owned(mem) char *first = signed_location();
	owned(json_tree) struct json_tree *result = NULL;

	answers(s, 1, 202, first, "");
	answers(s, 1, 202, "location: "
		"<URL>" CLUSTER "/backupOperationStatus/7?api-version=" API "\r\nRetry-After: 30\r\n", "");
	answers(s, 1, 202, "Retry-After: 30\r\n", "");
	answers(s, 1, 200, "", BACKUP("InProgress", ""));
	answers(s, 1, 200, "", BACKUP("Succeeded", ",\"backupId\":\"b-1\",\"error\":null"));
	runs(s, HTTP_POST, CLUSTER "/backup", &result);
	assert_string_equal(json_tree_text(result, "properties.backupId"), "b-1");
	assert_int_equal(seen(s, "&s=SSS"), 1);
	assert_int_equal(seen(s, "GET " CLUSTER "/backupOperationStatus/7?api-version=" API " HTTP"), 3);
	assert_all_asked(s);
}

static void results_of_actions(void **state)
{
	struct script *s = *state;
	owned(json_tree) struct json_tree *at_once = NULL, *by_status = NULL, *by_both = NULL, *no_body = NULL;

	answers(s, 1, 200, "", "{\"properties\":{\"state\":\"Pending\"}}");
	runs(s, HTTP_POST, CLUSTER "/one", &at_once);
	assert_string_equal(json_tree_text(at_once, "properties.state"), "Pending");
	answers(s, 1, 202, STATUS, "");
	answers(s, 1, 200, "", IN_PROGRESS);
	answers(s, 1, 200, "", "{\"status\":\"succeeded\",\"properties\":{\"output\":\"x\"}}");
	runs(s, HTTP_POST, CLUSTER "/two", &by_status);
	assert_string_equal(json_tree_text(by_status, "properties.output"), "x");
	answers(s, 1, 202, STATUS LOCATION, "");
	answers(s, 1, 200, "", SUCCEEDED);
	answers(s, 1, 202, "", "");
	answers(s, 1, 200, "", "{\"value\":7}");
	runs(s, HTTP_POST, CLUSTER "/three", &by_both);
	assert_int_equal(json_tree_int(by_both, "value", 0), 7);
	answers(s, 1, 202, LOCATION, "");
	answers(s, 1, 204, "", "");
	runs(s, HTTP_POST, CLUSTER "/four", &no_body);
	assert_null(no_body);
	assert_all_asked(s);
}

/* ---- failures ---- */

static void failed_operations_say_why(void **state)
{
	static const struct {
		enum http_method method;
		unsigned status;
		const char *headers, *body;	/* first answer */
		unsigned polled;		/* second one; 0 = none */
		const char *poll;
		const char *reason;
	} cases[] = {
		{HTTP_PUT, 200, "", DEVICE_IN("CheckingQuota", ""), 200, DEVICE_IN("Failed", "The quota is exceeded."),
		 "cannot write 'dedicatedHSMs/hsm1': The quota is exceeded."},
		{HTTP_PUT, 200, "", DEVICE_IN("Failed", "at once"), 0, NULL, "at once"},
		{HTTP_PUT, 200, "", DEVICE_IN("Creating", ""), 200,
		 "{\"properties\":{\"provisioningState\":\"FAILED\",\"error\":{\"code\":\"C\",\"message\":"
		 "\"out\",\"innererror\":"
		 "{\"code\":\"Full\",\"message\":\"rack 7\"}}}}", "C: out: Full: rack 7 (request "},
		{HTTP_PUT, 200, "", DEVICE_IN("Creating", ""), 200, DEVICE_IN("cancelled", ""),
		 "the operation was cancelled"},
		{HTTP_PUT, 200, "", DEVICE_IN("Creating", ""), 200,
		 "{\"properties\":{\"provisioningState\":\"Failed\"}}",
		 "no reason is given"},
		{HTTP_PUT, 201, STATUS, "", 200,
		 "{\"status\":\"Failed\",\"error\":{\"code\":\"C\",\"message\":\"m\"}}", "C: m"},
		{HTTP_PUT, 201, STATUS, "", 200, "{\"status\":\"Canceled\"}", "the operation was cancelled"},
		{HTTP_PUT, 202, LOCATION, "", 200, DEVICE_IN("Failed", "why"), "why"},
		{HTTP_PUT, 202, LOCATION, "", 409, "{\"error\":{\"code\":\"C\",\"message\":\"m\"}}", "C: m (409"},
		{HTTP_DELETE, 202, LOCATION, "", 400, "{\"error\":{\"code\":\"NotZeroized\",\"message\":\"m\"}}",
		 "cannot delete 'dedicatedHSMs/hsm1': NotZeroized: m (400"},
		{HTTP_DELETE, 202, STATUS LOCATION, "", 200, "{\"status\":\"Failed\",\"error\":{\"code\":\"C\"}}",
		 "C: "},
		{HTTP_POST, 202, LOCATION, "", 200, BACKUP("Failed",
		 ",\"error\":{\"code\":\"NoAccess\",\"message\":\"m\"}"),
		 "cannot run 'dedicatedHSMs/hsm1': NoAccess: m"},
		{HTTP_POST, 202, LOCATION, "", 200, BACKUP("Cancelled", ",\"statusDetails\":\"by hand\""), "by hand"},
		{HTTP_POST, 200, "", BACKUP("Failed", ""), 0, NULL, "no reason is given"},
	};
	struct script *s = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		owned(json_tree) struct json_tree *live = NULL;
		struct err err = {0};

		answers(s, 1, cases[i].status, cases[i].headers, cases[i].body);
		if (cases[i].polled)
			answers(s, 1, cases[i].polled, "", cases[i].poll);
		assert_code(run(s, cases[i].method, DEVICE, &live, &err), ERR_FAILED, err);
		assert_int_equal(err.retry, ERR_RETRY_NEVER);
		assert_null(live);
		assert_says(err.message, cases[i].reason);
	}
	assert_all_asked(s);
}

static void what_stays_is_not_gone(void **state)
{
	struct script *s = *state;
	struct err err = {0};

	answers(s, 1, 202, "", "");
	answers(s, 1, 200, "", DEVICE_IN("Deleting", ""));
	answers(s, 1, 200, "", DEVICE_IN("Succeeded", ""));
	assert_code(run(s, HTTP_DELETE, DEVICE, NULL, &err), ERR_FAILED, err);
	assert_says(err.message, "still there, in state 'Succeeded'");
	/* Old news are borne for a minute. */
	answers(s, 1, 202, "", "");
	answers(s, 7, 200, "", DEVICE_IN("Failed", "it holds partitions"));
	assert_code(run(s, HTTP_DELETE, DEVICE, NULL, &err), ERR_FAILED, err);
	assert_says(err.message, "it holds partitions");
	assert_all_asked(s);
}

static void refusals_end_it(void **state)
{
	static const struct {
		unsigned status;
		const char *body;
		enum err_code code;
	} cases[] = {
		{403, "{\"error\":{\"code\":\"AuthorizationFailed\",\"message\":\"m\"}}", ERR_DENIED},
		{400, "{\"error\":{\"code\":\"BadRequest\",\"message\":\"m\"}}", ERR_INVALID},
		{404, "{\"error\":{\"code\":\"InvalidResourceType\",\"message\":\"m\"}}", ERR_UNSUPPORTED},
		{302, "", ERR_FAILED},
	};
	struct script *s = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err err = {0};

		answers(s, 1, 201, STATUS, "");
		answers(s, 1, cases[i].status, "", cases[i].body);
		assert_code(run(s, HTTP_PUT, NETWORK, NULL, &err), cases[i].code, err);
	}
	assert_all_asked(s);
}

/* ---- tolerances ---- */

static void what_is_not_known_yet_is_asked_again(void **state)
{
	static const char unknown[] = "{\"error\":{\"code\":\"OperationNotFound\",\"message\":\"m\"}}";
	struct script *s = *state;
	struct err err = {0};

	answers(s, 1, 201, STATUS, "");
	answers(s, 6, 404, "", unknown);
	answers(s, 1, 200, "", SUCCEEDED);
	answers(s, 1, 200, "", DEVICE_IN("Succeeded", ""));
	runs(s, HTTP_PUT, NETWORK, NULL);
	/* After a minute an operation is forgotten, and the resource tells. */
	answers(s, 1, 201, STATUS, "");
	answers(s, 7, 404, "", unknown);
	answers(s, 1, 200, "", DEVICE_IN("Succeeded", ""));
	runs(s, HTTP_PUT, NETWORK, NULL);
	answers(s, 1, 202, LOCATION, "");
	answers(s, 7, 404, "", unknown);
	answers(s, 1, 404, "", ABSENT);
	runs(s, HTTP_DELETE, NETWORK, NULL);
	/* A resource that does not come, and an action of which nothing else tells. */
	answers(s, 1, 202, "", "");
	answers(s, 7, 404, "", ABSENT);
	assert_code(run(s, HTTP_PUT, NETWORK, NULL, &err), ERR_NOT_FOUND, err);
	answers(s, 1, 202, LOCATION, "");
	answers(s, 7, 404, "", unknown);
	assert_code(run(s, HTTP_POST, CLUSTER "/backup", NULL, &err), ERR_NOT_FOUND, err);
	assert_all_asked(s);
}

static void a_few_lost_connections_are_borne(void **state)
{
	struct script *s = *state;
	struct err err = {0};

	answers(s, 1, 201, STATUS CLOSES, "");
	breaks(s, 3);
	answers(s, 1, 200, "", IN_PROGRESS);
	answers(s, 1, 503, "Retry-After: 7\r\n", "");
	answers(s, 1, 502, "", "<html>");
	answers(s, 1, 200, "", "<html>");
	answers(s, 1, 200, "", SUCCEEDED);
	answers(s, 3, 200, "", "");
	answers(s, 1, 200, "", DEVICE_IN("Succeeded", ""));
	runs(s, HTTP_PUT, NETWORK, NULL);
	assert_all_asked(s);
	answers(s, 1, 201, STATUS CLOSES, "");
	breaks(s, 4);
	assert_code(run(s, HTTP_PUT, NETWORK, NULL, &err), ERR_UNREACHABLE, err);
	assert_int_equal(err.retry, ERR_RETRY_IDEMPOTENT);
	assert_all_asked(s);
	answers(s, 1, 201, STATUS, "");
	answers(s, 4, 500, "", "");
	assert_code(run(s, HTTP_PUT, NETWORK, NULL, &err), ERR_UNREACHABLE, err);
	assert_int_equal(err.retry, ERR_RETRY_IDEMPOTENT);
	assert_all_asked(s);
}

static void silence_is_taken_for_the_end_at_last(void **state)
{
	struct script *s = *state;

	answers(s, 1, 202, STATUS, "");
	answers(s, 1, 202, "", "");
	answers(s, 2, 200, "", "{}");
	answers(s, 1, 200, "", IN_PROGRESS);
	answers(s, 3, 200, "", "");
	/* Of a deletion only the resource can tell. */
	answers(s, 1, 404, "", ABSENT);
	runs(s, HTTP_DELETE, NETWORK, NULL);
	/* The status of some services is the resource. */
	answers(s, 1, 201, STATUS, "");
	answers(s, 2, 200, "", DEVICE_IN("Updating", ""));
	answers(s, 2, 200, "", DEVICE_IN("Succeeded", ""));
	runs(s, HTTP_PUT, NETWORK, NULL);
	assert_all_asked(s);
}

static void throttling_is_waited_out(void **state)
{
	struct script *s = *state;

	answers(s, 1, 201, STATUS, "");
	answers(s, 5, 429, "Retry-After: 100\r\n", "");
	answers(s, 1, 200, "", "\xef\xbb\xbf" SUCCEEDED);
	answers(s, 1, 200, "", DEVICE_IN("Succeeded", ""));
	runs(s, HTTP_PUT, NETWORK, NULL);
	assert_all_asked(s);
}

static void a_token_that_ends_on_the_way_is_renewed(void **state)
{
	struct script *s = *state;

	answers(s, 1, 201, STATUS, "");
	answers(s, 2, 200, "", IN_PROGRESS);
	answers(s, 1, 401, "WWW-Authenticate: Bearer error=\"invalid_token\"\r\n", "");
	gives_a_token(s);
	answers(s, 1, 200, "", SUCCEEDED);
	answers(s, 1, 200, "", DEVICE_IN("Succeeded", ""));
	runs(s, HTTP_PUT, NETWORK, NULL);
	assert_int_equal(seen(s, "POST /" TENANT "/oauth2/v2.0/token"), 2);
	assert_all_asked(s);
}

static void an_operation_leads_nowhere_else(void **state)
{
	struct script *s = *state;
	struct err err = {0};

	answers(s, 1, 202, "Location: https://evil.example/x?s=hush\r\n", "");
	assert_code(run(s, HTTP_DELETE, DEVICE, NULL, &err), ERR_PROTOCOL, err);
	assert_int_equal(err.retry, ERR_RETRY_IDEMPOTENT);
	assert_null(strstr(err.message, "hush"));
	answers(s, 1, 202, LOCATION, "");
	answers(s, 1, 202, "Location: https://evil.example/x\r\n", "");
	assert_code(run(s, HTTP_DELETE, DEVICE, NULL, &err), ERR_PROTOCOL, err);
	assert_int_equal(err.retry, ERR_RETRY_IDEMPOTENT);
	answers(s, 1, 202, LOCATION, "");
	answers(s, 1, 307, "Location: http://localhost:1/x\r\n", "");
	assert_code(run(s, HTTP_DELETE, DEVICE, NULL, &err), ERR_PROTOCOL, err);
	assert_all_asked(s);
}

/* ---- limits ---- */

static void waiting_has_a_limit(void **state)
{
	struct script *s = *state;
	owned(mem) char *location = signed_location();
	owned(arm_operation) struct arm_operation operation = {0};
	struct err err = {0};

	answers(s, 1, 202, location, "");
	answers(s, 4, 202, "Retry-After: 30\r\n", "");
	answers(s, 1, 200, "", BACKUP("Succeeded", ""));
	assert_int_equal(begin(s, HTTP_POST, CLUSTER "/backup", &operation, &err), 0);
	/* Polls at 10, 40, 70 and, with what is left, 95 seconds. */
	assert_code(arm_wait(s->arm, &operation, 10, 95, NULL, NULL, &err), ERR_TIMEOUT, err);
	assert_int_equal(err.retry, ERR_RETRY_IDEMPOTENT);
	assert_string_equal(err.message, "cannot run 'c1/backup': still in progress after 95 s");
	assert_says(err.hint, "Azure goes on with it");
	assert_says(err.hint, "(http://127.0.0.1:");
	assert_null(strstr(err.hint, "HUSH"));
	assert_null(strstr(err.hint, "SSS"));
	assert_int_equal(seen(s, "GET " CLUSTER "/backupOperationStatus/7"), 4);
	/* Another wait goes on where that one stopped. */
	assert_int_equal(arm_wait(s->arm, &operation, 10, 95, NULL, NULL, &err), 0);
	assert_all_asked(s);
}

/* Ctrl-C ends our waiting, not the operation. */
static void an_interrupted_wait_says_that_azure_goes_on(void **state)
{
	struct script *s = *state;
	owned(arm_operation) struct arm_operation operation = {0};
	struct err err = {0};

	cancel_install(0);
	answers(s, 1, 202, STATUS, "");
	put_step(s, (struct step){.answer = answer_text(s, 429, "Retry-After: 1000000\r\n", ""), .raise = SIGINT});
	assert_int_equal(begin(s, HTTP_DELETE, DEVICE, &operation, &err), 0);
	assert_code(arm_wait(s->arm, &operation, 300, 1e9, NULL, NULL, &err), ERR_INTERRUPTED, err);
	assert_int_equal(err.retry, ERR_RETRY_IDEMPOTENT);
	assert_says(err.hint, "Azure goes on with it");
	assert_says(err.hint, "/operations/1?api-version=" API);
	/* So does one whose request nobody has answered. */
	cancel_install(0);
	put_step(s, (struct step){.end = STEP_HOLD, .raise = SIGINT});
	assert_code(begin(s, HTTP_DELETE, DEVICE, &(struct arm_operation){0}, &err), ERR_INTERRUPTED, err);
	assert_int_equal(err.retry, ERR_RETRY_IDEMPOTENT);
	assert_says(err.hint, "may have begun");
	cancel_install(0);
	assert_all_asked(s);
}

static void pauses_are_within_bounds(void **state)
{
	struct script *s = *state;
	struct err err = {0};
	static const struct {
		const char *asked;
		double interval, limit;
		unsigned polls;
	} cases[] = {
		{"", 0, 3, 3},				/* at least 1 s */
		{"", 9999, 900, 3},			/* at most 300 s */
		{"Retry-After: 0\r\n", 10, 3, 3},
		{"Retry-After: 99999\r\n", 10, 1800, 3},	/* at most 600 s */
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		owned(arm_operation) struct arm_operation operation = {0};

		answers(s, 1, 202, STATUS, "");
		answers(s, cases[i].polls, 200, cases[i].asked, IN_PROGRESS);
		assert_int_equal(begin(s, HTTP_DELETE, DEVICE, &operation, &err), 0);
		operation.retry_after = *cases[i].asked ? 0.001 : -1;
		if (i == 3)
			operation.retry_after = 1e9;
		assert_code(arm_wait(s->arm, &operation, cases[i].interval, cases[i].limit, NULL, NULL, &err),
			ERR_TIMEOUT, err);
		assert_says(err.message, "still InProgress after");
		assert_all_asked(s);
	}
}

/* ---- operations of others ---- */

static void what_others_began_is_joined(void **state)
{
	struct script *s = *state;
	owned(arm_operation) struct arm_operation made = {0}, taken = {0};
	owned(json_tree) struct json_tree *live = NULL;
	struct err err = {0};

	answers(s, 2, 200, "", DEVICE_IN("Provisioning", ""));
	answers(s, 1, 200, "", DEVICE_IN("Succeeded", ""));
	assert_int_equal(arm_join(DEVICE, API, HTTP_PUT, &made, &err), 0);
	assert_int_equal(made.poll, ARM_RESOURCE);
	assert_int_equal(arm_wait(s->arm, &made, 30, 600, NULL, &live, &err), 0);
	assert_string_equal(arm_state(live), "Succeeded");
	answers(s, 2, 200, "", DEVICE_IN("Deleting", ""));
	answers(s, 1, 404, "", ABSENT);
	assert_int_equal(arm_join(DEVICE, API, HTTP_DELETE, &taken, &err), 0);
	assert_int_equal(taken.poll, ARM_GONE);
	assert_int_equal(arm_wait(s->arm, &taken, 30, 600, NULL, NULL, &err), 0);
	assert_all_asked(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_place_to_ask_is_chosen),
		cmocka_unit_test(urls_of_others_are_refused),
		cmocka_unit_test(starting_survives_lack_of_memory),
		cmocka_unit_test(states_have_no_case),
		script_test(a_device_is_asked_until_it_stands),
		script_test(a_network_is_asked_for_its_status),
		script_test(a_resource_that_is_late_is_waited_for),
		script_test(deletes_by_location),
		script_test(a_delete_with_both_headers_is_asked_for_its_status),
		script_test(what_is_gone_needs_no_headers),
		script_test(a_backup_follows_the_newest_location),
		script_test(results_of_actions),
		script_test(failed_operations_say_why),
		script_test(what_stays_is_not_gone),
		script_test(refusals_end_it),
		script_test(what_is_not_known_yet_is_asked_again),
		script_test(a_few_lost_connections_are_borne),
		script_test(silence_is_taken_for_the_end_at_last),
		script_test(throttling_is_waited_out),
		script_test(a_token_that_ends_on_the_way_is_renewed),
		script_test(an_operation_leads_nowhere_else),
		script_test(waiting_has_a_limit),
		script_test(an_interrupted_wait_says_that_azure_goes_on),
		script_test(pauses_are_within_bounds),
		script_test(what_others_began_is_joined),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
