/* SPDX-License-Identifier: Apache-2.0 */
#include "../base/temp.h"

#include "azure/arm_private.h"

static struct http_answer answer_of(unsigned status, const char *body)
{
	struct http_answer answer = {.status = status, .request_id = "our-id"};

	buf_init(&answer.body, 1 << 20);
	buf_put_str(&answer.body, body);
	return answer;
}

static void errors_of_every_shape_are_read(void **state)
{
	static const struct {
		const char *body, *code, *message;
	} cases[] = {
		{"{\"error\":{\"code\":\"BadRequest\",\"message\":\"The delete is not allowed.\"}}",
		 "BadRequest", "The delete is not allowed"},
		{"\xef\xbb\xbf{\"error\":{\"code\":\"C\",\"message\":\"m\",\"target\":null,\"details\":[],"
		 "\"innererror\":null}}",
		 "C", "m"},
		{"{\"code\":\"PrivateEndpointWithGivenConnectionNameNotFound\",\"message\":\"Not there.\"}",
		 "PrivateEndpointWithGivenConnectionNameNotFound", "Not there"},
		{"{\"Message\":\"The requested resource does not support http method 'PUT'.\"}",
		 "", "The requested resource does not support http method 'PUT'"},
		{"{\"Error\":{\"Code\":\"C\",\"Message\":\"m\"}}", "C", "m"},
		{"{\"error\":\"invalid_client\",\"error_description\":\"AADSTS7000215: Invalid client secret.\"}",
		 "invalid_client", "AADSTS7000215: Invalid client secret"},
		{"{\"error\":\"invalid_client\"}", "invalid_client", ""},
		{"<html>\r\n<head><TITLE>502 Bad\r\n Gateway</TITLE></head><body>no</body></html>", "",
		 "502 Bad Gateway"},
		{"<html><head><title>never ends", "", ""},
		{"<html><body>nothing</body></html>", "", ""},
		{"upstream request\ttimeout\n", "", "upstream request timeout"},
		{"", "", ""},
		{"  \r\n", "", ""},
		{"{}", "", ""},
		{"[]", "", ""},
		{"{\"error\":null}", "", ""},
		{"{\"error\":{\"code\":7,\"message\":[1]}}", "", ""},
		/* Nested ones: outer first, the innermost last, nothing twice. */
		{"{\"error\":{\"code\":\"DeploymentFailed\",\"message\":\"At least one failed.\",\"details\":["
		 "{\"code\":\"Conflict\",\"message\":\"An error occurred.\",\"details\":["
		 "{\"code\":\"AllocationFailed\",\"message\":\"No capacity.\"}]}],"
		 "\"innererror\":{\"code\":\"RackFull\",\"message\":\"rack 7 is full\",\"innererror\":{\"code\":"
		 "\"Deep\"}}}}",
		 "DeploymentFailed", "At least one failed: Conflict: An error occurred: AllocationFailed: No capacity: "
				     "RackFull: rack 7 is full: Deep"},
		{"{\"error\":{\"code\":\"A\",\"message\":\"same\",\"details\":[{\"code\":\"A\",\"message\":"
		 "\"same\"}]}}",
		 "A", "same"},
		{"{\"error\":{\"code\":\"A\",\"message\":\"outer\",\"details\":[{\"code\":\"B\",\"message\":\"one\"},"
		 "{\"code\":\"\",\"message\":\"two\"}]}}", "A", "outer: B: one: two"},
		/* JSON in a message. */
		{"{\"error\":{\"code\":\"Outer\",\"message\":\"{\\r\\n  \\\"status\\\": \\\"Failed\\\",\\r\\n  "
		 "\\\"error\\\": "
		 "{\\\"code\\\": \\\"Inner\\\", \\\"message\\\": \\\"It is full.\\\"}\\r\\n}\"}}", "Outer",
		 "Inner: It is full"},
		{"{\"error\":{\"code\":\"Outer\",\"message\":\"{no JSON at all\"}}", "Outer", "{no JSON at all"},
		/* What moves a terminal's cursor, and what signs a URL. */
		{"{\"error\":{\"code\":\"A\\u001b[1m\",\"message\":\"a\\u001b[2Jb\\r\\n\\r\\n  c\"}}", "A?[1m",
		 "a?[2Jb c"},
		{"{\"error\":{\"code\":\"A\",\"message\":\"see https://a.example/x?sig=hush&b=1 there\"}}",
		 "A", "see https://a.example/x?sig=REDACTED&b=1 there"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		owned(http_answer) struct http_answer answer = answer_of(400, cases[i].body);
		struct arm_failure failure;

		arm_failure_read(&answer, &failure);
		assert_int_equal(failure.status, 400);
		assert_string_equal(failure.code, cases[i].code);
		assert_string_equal(failure.message, cases[i].message);
	}
}

/* Wherever the characters of two bytes begin. */
static void long_errors_are_cut_in_the_middle(void **state)
{
	(void)state;
	for (int shift = 0; shift < 4; shift++) {
		owned(buf) struct buf text = {.max = 1 << 20};
		owned(http_answer) struct http_answer answer = {0};
		struct arm_failure failure;

		buf_printf(&text, "{\"error\":{\"code\":\"%0100d\",\"message\":\"begin %.*s", 7, shift % 2, "x");
		for (int i = 0; i < 500; i++)
			buf_put_str(&text, "\xc3\xa4");
		buf_printf(&text, " end%.*s\"}}", shift / 2, "!");
		answer = answer_of(400, buf_text(&text));
		arm_failure_read(&answer, &failure);
		assert_int_equal(strlen(failure.code), sizeof(failure.code) - 1);
		assert_true(strlen(failure.message) < sizeof(failure.message));
		assert_true(strlen(failure.message) > sizeof(failure.message) - 4);
		assert_memory_equal(failure.message, "begin ", 6);
		assert_non_null(strstr(failure.message, "\xa4 ... \xc3"));
		assert_null(strchr(failure.message, '?'));
		assert_non_null(strstr(failure.message, "\xa4 end"));
	}
}

static void deep_errors_have_an_end(void **state)
{
	owned(buf) struct buf deep = {.max = 1 << 20};
	owned(http_answer) struct http_answer nested = {0};
	struct arm_failure failure;

	(void)state;
	for (int i = 0; i < 60; i++)
		buf_printf(&deep, "{\"code\":\"C%d\",\"innererror\":", i);
	buf_put_str(&deep, "null");
	for (int i = 0; i < 60; i++)
		buf_put_str(&deep, "}");
	nested = answer_of(400, buf_text(&deep));
	arm_failure_read(&nested, &failure);
	assert_string_equal(failure.message, "C1: C2: C3: C4: C5: C6: C7: C8");
}

/* Whatever comes, it is text that may be shown. */
static void broken_errors_do_no_harm(void **state)
{
	static const char whole[] =
		"{\"error\":{\"code\":\"Outer\",\"message\":\"{\\\"error\\\":{\\\"code\\\":\\\"Inner\\\","
		"\\\"message\\\":\\\"see https://a/?sig=x\\\"}}\",\"details\":["
		"{\"code\":\"B\",\"message\":\"\xc3\xa4\"}],\"innererror\":{\"code\":\"D\"}},\"error_description\":\"<title>\"}";
	uint64_t random = 7;

	(void)state;
	for (int i = 0; i < 5000; i++) {
		owned(http_answer) struct http_answer answer = answer_of(400, whole);
		struct arm_failure failure;

		for (int n = 0; n < 1 + i % 4; n++) {
			random = random * 6364136223846793005 + 1442695040888963407;
			answer.body.data[(random >> 33) % answer.body.len] = (uint8_t)(random >> 25);
		}
		answer.body.len -= i % 3 ? 0 : (random >> 40) % answer.body.len;
		arm_failure_read(&answer, &failure);
		assert_true(strlen(failure.code) < sizeof(failure.code));
		assert_true(strlen(failure.message) < sizeof(failure.message));
		assert_null(strpbrk(failure.message, "\x1b\r\n\t\x7f"));
	}
}

static void an_error_inside_a_body(void **state)
{
	static const char text[] = "{\"properties\":{\"error\":{\"code\":\"C\",\"message\":\"m\"}}}";
	owned(json_tree) struct json_tree *tree = NULL;
	struct arm_failure failure = {.status = 7, .code = "old"};

	(void)state;
	assert_int_equal(json_tree_parse(text, strlen(text), "test", &tree, NULL), 0);
	arm_failure_of(json_tree_get(tree, "properties.error"), &failure);
	assert_int_equal(failure.status, 0);
	assert_string_equal(failure.code, "C");
	assert_string_equal(failure.message, "m");
	arm_failure_of(NULL, &failure);
	assert_string_equal(failure.code, "");
	assert_string_equal(failure.message, "");
}

static void statuses_and_codes_become_errors(void **state)
{
	static const struct {
		struct arm_failure failure;
		enum err_code code;
		enum err_retry retry;
		const char *message, *hint;	/* of the hint a part; NULL = none */
	} cases[] = {
		{{400, "BadRequest", "no"}, ERR_INVALID, ERR_RETRY_NEVER,
		 "cannot do it: BadRequest: no (400, request id-1)", NULL},
		{{401, "InvalidAuthenticationToken", "no"}, ERR_DENIED, ERR_RETRY_NEVER,
		 "cannot do it: InvalidAuthenticationToken: no (401, request id-1)", NULL},
		{{403, "AuthorizationFailed", "no"}, ERR_DENIED, ERR_RETRY_NEVER,
		 "cannot do it: AuthorizationFailed: no (403, request id-1)", "takes some minutes"},
		{{404, "ResourceNotFound", "no"}, ERR_NOT_FOUND, ERR_RETRY_NEVER,
		 "cannot do it: ResourceNotFound: no (404, request id-1)", NULL},
		{{404, "", ""}, ERR_NOT_FOUND, ERR_RETRY_NEVER, "cannot do it: not found (404, request id-1)", NULL},
		{{408, "", ""}, ERR_UNREACHABLE, ERR_RETRY_IDEMPOTENT,
		 "cannot do it: it took too long (408, request id-1)", NULL},
		{{409, "Conflict", "no"}, ERR_IN_USE, ERR_RETRY_NEVER,
		 "cannot do it: Conflict: no (409, request id-1)", NULL},
		{{429, "TooManyRequests", "no"}, ERR_UNREACHABLE, ERR_RETRY_SAFE,
		 "cannot do it: TooManyRequests: no (429, request id-1)", NULL},
		{{500, "", "x"}, ERR_UNREACHABLE, ERR_RETRY_IDEMPOTENT, "cannot do it: x (500, request id-1)", NULL},
		{{504, "GatewayTimeout", ""}, ERR_UNREACHABLE, ERR_RETRY_IDEMPOTENT,
		 "cannot do it: GatewayTimeout: the service failed (504, request id-1)", NULL},
		{{412, "PreconditionFailed", "no"}, ERR_FAILED, ERR_RETRY_NEVER,
		 "cannot do it: PreconditionFailed: no (412, request id-1)", NULL},
		{{302, "", ""}, ERR_FAILED, ERR_RETRY_NEVER,
		 "cannot do it: an answer that was not expected (302, request id-1)",
		 NULL},
		{{1000, "", ""}, ERR_PROTOCOL, ERR_RETRY_NEVER,
		 "cannot do it: no status of HTTP (1000, request id-1)", NULL},
		{{0, "RackFull", "no"}, ERR_FAILED, ERR_RETRY_NEVER, "cannot do it: RackFull: no (request id-1)", NULL},
		{{0, "", ""}, ERR_FAILED, ERR_RETRY_NEVER,
		 "cannot do it: it failed, and no reason is given (request id-1)", NULL},
		{{409, "MissingSubscriptionRegistration", "no"}, ERR_DENIED, ERR_RETRY_NEVER, NULL, "register"},
		{{403, "RequestDisallowedByPolicy", "no"}, ERR_DENIED, ERR_RETRY_NEVER, NULL, "network security group"},
		{{400, "QuotaExceeded", "no"}, ERR_FAILED, ERR_RETRY_NEVER, NULL, "two for each stamp"},
		{{404, "SubscriptionNotFound", "no"}, ERR_NOT_FOUND, ERR_RETRY_NEVER, NULL, "tenant"},
		{{404, "InvalidResourceType", "no"}, ERR_UNSUPPORTED, ERR_RETRY_NEVER, NULL, "another api version"},
		{{400, "NoRegisteredProviderFound", "no"}, ERR_UNSUPPORTED, ERR_RETRY_NEVER, NULL,
		 "another api version"},
		{{400, "InUseSubnetCannotBeDeleted", "no"}, ERR_IN_USE, ERR_RETRY_NEVER, NULL, "delegation"},
		{{400, "PublicIPAddressCannotBeDeleted", "no"}, ERR_IN_USE, ERR_RETRY_NEVER, NULL, "gateway"},
		{{409, "AnotherOperationInProgress", "no"}, ERR_IN_USE, ERR_RETRY_NEVER, NULL, "one change at a time"},
		{{400, "locationnotavailableforresourcetype", "no"}, ERR_UNSUPPORTED, ERR_RETRY_NEVER, NULL,
		 "another region"},
		{{400, "BadRequest", "Availability zone is supported, please dont enter stampId value"},
		 ERR_UNSUPPORTED,
		 ERR_RETRY_NEVER, NULL, "zone in place of a stamp"},
		{{400, "DeploymentFailed", "outer: ScopeLocked: no"}, ERR_INVALID, ERR_RETRY_NEVER, NULL, "lock"},
		/* What was accepted and then failed has failed, but the hint is as good. */
		{{0, "QuotaExceeded", "no"}, ERR_FAILED, ERR_RETRY_NEVER, NULL, "two for each stamp"},
		{{0, "InUseSubnetCannotBeDeleted", "no"}, ERR_FAILED, ERR_RETRY_NEVER, NULL, "delegation"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err err = {.hint = "old"};

		assert_int_equal(arm_failure_set(&cases[i].failure, "cannot do it", "id-1", &err), -(int)cases[i].code);
		assert_int_equal(arm_failure_set(&cases[i].failure, "cannot do it", "id-1", NULL), -(int)cases[i].code);
		assert_int_equal(err.code, cases[i].code);
		assert_int_equal(err.retry, cases[i].retry);
		if (cases[i].message)
			assert_string_equal(err.message, cases[i].message);
		if (cases[i].hint && !strstr(err.hint, cases[i].hint))
			fail_msg("'%s' lacks '%s'", err.hint, cases[i].hint);
		if (!cases[i].hint)
			assert_string_equal(err.hint, "");
	}
}

static void the_request_is_named_however_long_the_rest_is(void **state)
{
	struct arm_failure failure = {.status = 409};
	char what[400];
	struct err err = {0};

	(void)state;
	memset(failure.code, 'c', sizeof(failure.code) - 1);
	memset(failure.message, 'm', sizeof(failure.message) - 1);
	memset(what, 'w', sizeof(what) - 1);
	what[sizeof(what) - 1] = 0;
	arm_failure_set(&failure, what, "00000000-0000-4000-8000-000000000007", &err);
	assert_non_null(strstr(err.message, "mm (409, request 00000000-0000-4000-8000-000000000007)"));
	err = (struct err){0};
	failure = (struct arm_failure){.status = 500, .code = "C"};
	arm_failure_set(&failure, "what", NULL, &err);
	assert_string_equal(err.message, "what: C: the service failed (500)");
}

static void absence_and_other_work_are_told_from_failures(void **state)
{
	static const struct {
		struct arm_failure failure;
		bool absent, busy;
	} cases[] = {
		{{404, "ResourceNotFound", ""}, true, false},
		{{404, "ResourceGroupNotFound", ""}, true, false},
		{{404, "ParentResourceNotFound", ""}, true, false},
		{{404, "NotFound", ""}, true, false},
		{{404, "notfound", ""}, true, false},
		{{404, "PrivateEndpointWithGivenConnectionNameNotFound", ""}, true, false},
		{{404, "InvalidResourceType", ""}, false, false},
		{{404, "SubscriptionNotFound", ""}, false, false},
		{{404, "OperationNotFound", ""}, false, false},
		{{404, "", ""}, false, false},
		{{400, "NotFound", ""}, false, false},
		{{409, "AnotherOperationInProgress", ""}, false, true},
		{{409, "ReferencedResourceNotProvisioned", ""}, false, true},
		{{409, "ResourceNotProvisioned", ""}, false, true},
		{{409, "Conflict", "the network is still Updating"}, false, true},
		{{409, "ResourceGroupBeingDeleted", ""}, false, false},
		{{400, "AnotherOperationInProgress", ""}, false, false},
		{{429, "", ""}, false, true},
		{{429, "AnotherOperationInProgress", ""}, false, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(arm_failure_is_absence(&cases[i].failure), cases[i].absent);
		assert_int_equal(arm_failure_is_busy(&cases[i].failure), cases[i].busy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(errors_of_every_shape_are_read),
		cmocka_unit_test(long_errors_are_cut_in_the_middle),
		cmocka_unit_test(deep_errors_have_an_end),
		cmocka_unit_test(broken_errors_do_no_harm),
		cmocka_unit_test(an_error_inside_a_body),
		cmocka_unit_test(statuses_and_codes_become_errors),
		cmocka_unit_test(the_request_is_named_however_long_the_rest_is),
		cmocka_unit_test(absence_and_other_work_are_told_from_failures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
