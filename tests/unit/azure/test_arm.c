/* SPDX-License-Identifier: Apache-2.0 */
#include "script.h"

#define ABSENT "{\"error\":{\"code\":\"ResourceNotFound\",\"message\":\"The resource was not found.\"}}"
#define BUSY "{\"error\":{\"code\":\"AnotherOperationInProgress\",\"message\":\"Another operation is in progress.\"}}"

/* ---- calls ---- */

/* The value of the header that is in the nth request, from 0; good until the next call. */
static const char *header(struct script *s, size_t nth, const char *name)
{
	static char value[300];
	const char *at = buf_text(&s->server.seen);

	for (size_t i = 0; at && i <= nth; i++) {
		at = strstr(at, name);
		at = at ? at + strlen(name) : NULL;
	}
	assert_non_null(at);
	snprintf(value, sizeof(value), "%.*s", (int)strcspn(at, "\r\n"), at);
	return value;
}

static void a_call_says_who_asks(void **state)
{
	struct script *s = *state;
	owned(json_tree) struct json_tree *one = NULL, *two = NULL;
	char first[300];

	assert_true(str_starts(arm_endpoint(s->arm), "http://127.0.0.1:"));
	assert_says(arm_about(s->arm), CLIENT);
	answers(s, 1, 200, "", "{\"name\":\"hsm1\"}");
	answers(s, 1, 200, "", "{}");
	assert_int_equal(arm_get(s->arm, DEVICE, API, &one, NULL), 1);
	assert_string_equal(json_tree_text(one, "name"), "hsm1");
	assert_int_equal(arm_get(s->arm, DEVICE, API, &two, NULL), 1);
	assert_int_equal(seen(s, "GET " DEVICE "?api-version=" API " HTTP/1.1\r\n"), 2);
	assert_int_equal(seen(s, "\r\nAuthorization: Bearer token-of-the-script\r\n"), 2);
	assert_int_equal(seen(s, "\r\nAccept: application/json\r\n"), 3);
	assert_int_equal(seen(s, "\r\nx-ms-return-client-request-id: true\r\n"), 3);
	assert_true(str_starts(header(s, 0, "User-Agent: "), "hsmctl/" HSMCTL_VERSION " (Linux "));
	assert_says(header(s, 0, "User-Agent: "), ") pipeline/7?");
	/* One id of the command, and one for each request. */
	snprintf(first, sizeof(first), "%s", header(s, 0, "x-ms-correlation-request-id: "));
	assert_int_equal(strlen(first), 36);
	assert_string_equal(header(s, 1, "x-ms-correlation-request-id: "), first);
	snprintf(first, sizeof(first), "%s", header(s, 0, "x-ms-client-request-id: "));
	assert_string_not_equal(header(s, 1, "x-ms-client-request-id: "), first);
	assert_all_asked(s);
}

static void ids_become_urls(void **state)
{
	static const struct {
		const char *id, *url;
	} cases[] = {
		{"/subscriptions/s/resourceGroups/g",
		 "https://a.example/subscriptions/s/resourceGroups/g?api-version=7"},
		{"/g (1)/\xc3\xa4 %20#&?", "https://a.example/g%20(1)/%C3%A4%20%2520%23&?&api-version=7"},
		{"/g/resources?$filter=tagName eq 'a\"b'",
		 "https://a.example/g/resources?$filter=tagName%20eq%20'a%22b'"
							   "&api-version=7"},
		{"/g?x=%20y", "https://a.example/g?x=%20y&api-version=7"},
	};
	struct arm arm = {.cloud = {.arm = (char *)(uintptr_t)"https://a.example"}};
	struct err err = {0};
	char *none = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		owned(mem) char *url = NULL;

		assert_int_equal(arm_url(&arm, cases[i].id, "7", &url, NULL), 0);
		assert_string_equal(url, cases[i].url);
	}
	assert_code(arm_url(&arm, "subscriptions/s", "7", &none, &err), ERR_INVALID, err);
	assert_code(arm_url(&arm, "", "7", &none, &err), ERR_INVALID, err);
	assert_survives_no_memory(({
		owned(mem) char *url = NULL;
		arm_url(&arm, cases[0].id, "7", &url, NULL);
	}));
}

static void messages_name_what_was_tried(void **state)
{
	static const struct {
		enum http_method method;
		const char *id, *what;
	} cases[] = {
		{HTTP_GET, DEVICE, "cannot read 'dedicatedHSMs/hsm1'"},
		{HTTP_PUT, GROUP, "cannot write 'resourceGroups/g'"},
		{HTTP_DELETE, "/subscriptions/s", "cannot delete 'subscriptions/s'"},
		{HTTP_POST, CLUSTER "/backup", "cannot run 'c1/backup'"},
		{HTTP_GET, GROUP "/resources?$filter=a/b/c", "cannot read 'g/resources'"},
		{HTTP_PATCH, "/x", "cannot change '/x'"},
	};
	char what[ARM_WHAT];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		arm_what(cases[i].method, cases[i].id, what);
		assert_string_equal(what, cases[i].what);
	}
}

static void a_refused_token_is_renewed_once(void **state)
{
	struct script *s = *state;
	owned(json_tree) struct json_tree *tree = NULL;
	struct err err = {0};

	answers(s, 1, 401, "", "");
	gives_a_token(s);
	answers(s, 1, 200, "", "{}");
	assert_int_equal(arm_get(s->arm, DEVICE, API, &tree, &err), 1);
	answers(s, 1, 401, "", "");
	gives_a_token(s);
	answers(s, 1, 401, "x-ms-request-id: theirs\r\n"
		"WWW-Authenticate: Bearer error=\"insufficient_claims\", claims=\"eyJhIjoxfQ==\"\r\n",
		"{\"error\":{\"code\":\"InvalidAuthenticationToken\",\"message\":\"no\"}}");
	assert_code(arm_get(s->arm, DEVICE, API, &tree, &err), ERR_DENIED, err);
	assert_string_equal(err.message,
		"cannot read 'dedicatedHSMs/hsm1': InvalidAuthenticationToken: no (401, request theirs)");
	assert_says(err.hint, "conditional access");
	assert_all_asked(s);
}

static void redirects_stay_in_the_cloud(void **state)
{
	struct script *s = *state;
	owned(arm_operation) struct arm_operation operation = {0};
	owned(json_tree) struct json_tree *tree = NULL;
	struct err err = {0};

	answers(s, 1, 307, "Location: <URL>/elsewhere?api-version=1\r\n", "");
	answers(s, 1, 201, "", "{}");
	assert_int_equal(begin(s, HTTP_PUT, DEVICE, &operation, &err), 0);
	assert_int_equal(seen(s, "PUT /elsewhere?api-version=1 "), 1);
	assert_int_equal(seen(s, "\r\n\r\n{\"location\":\"westus\"}"), 2);
	answers(s, 1, 302, "Location: <URL>/found\r\n", "");
	answers(s, 1, 200, "", "{}");
	assert_int_equal(arm_get(s->arm, DEVICE, API, &tree, &err), 1);
	/* To other hosts goes no token, and a write is not turned into a read. */
	answers(s, 1, 308, "Location: http://localhost:1/x\r\n", "");
	assert_code(arm_get(s->arm, DEVICE, API, &tree, &err), ERR_PROTOCOL, err);
	answers(s, 1, 302, "Location: <URL>/found\r\n", "");
	assert_code(begin(s, HTTP_PUT, DEVICE, &operation, &err), ERR_FAILED, err);
	answers(s, 4, 307, "Location: <URL>/round\r\n", "");
	assert_code(arm_get(s->arm, DEVICE, API, &tree, &err), ERR_FAILED, err);
	assert_all_asked(s);
}

/* ---- reading ---- */

static void what_is_absent_is_no_error(void **state)
{
	static const struct {
		unsigned status;
		const char *body;
		int rc;
	} cases[] = {
		{200, "{\"a\":1}", 1},
		{200, "\xef\xbb\xbf{}", 1},
		{404, ABSENT, 0},
		{404, "{\"error\":{\"code\":\"ResourceGroupNotFound\",\"message\":\"m\"}}", 0},
		{404, "{\"error\":{\"code\":\"NotFound\",\"message\":\"m\"}}", 0},
		{404, "{\"error\":{\"code\":\"ParentResourceNotFound\",\"message\":\"m\"}}", 0},
		{404, "{\"code\":\"PrivateEndpointWithGivenConnectionNameNotFound\",\"message\":\"m\"}", 0},
		{404, "{\"error\":{\"code\":\"InvalidResourceType\",\"message\":\"m\"}}", -ERR_UNSUPPORTED},
		{404, "{\"error\":{\"code\":\"SubscriptionNotFound\",\"message\":\"m\"}}", -ERR_NOT_FOUND},
		{404, "<html>", -ERR_NOT_FOUND},
		{403, "{\"error\":{\"code\":\"AuthorizationFailed\",\"message\":\"m\"}}", -ERR_DENIED},
		{200, "", -ERR_PROTOCOL},
		{200, "[]", -ERR_PROTOCOL},
		{200, "<html>", -ERR_PROTOCOL},
		{204, "", -ERR_FAILED},
	};
	struct script *s = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		owned(json_tree) struct json_tree *tree = NULL;
		struct err err = {0};

		/* What is no answer is asked for again. */
		answers(s, cases[i].rc == -ERR_PROTOCOL ? 3 : 1, cases[i].status, "", cases[i].body);
		if (arm_get(s->arm, DEVICE, API, &tree, &err) != cases[i].rc)
			fail_msg("row %zu: %s", i, err.message);
		assert_int_equal(tree != NULL, cases[i].rc == 1);
		if (cases[i].rc < 0)
			assert_says(err.message, "cannot read 'dedicatedHSMs/hsm1': ");
		if (cases[i].rc == -ERR_PROTOCOL)
			assert_int_equal(err.retry, ERR_RETRY_IDEMPOTENT);
	}
	assert_all_asked(s);
}

static void keys_in_answers_are_blanked(void **state)
{
	struct script *s = *state;
	owned(json_tree) struct json_tree *tree = NULL;

	answers(s, 1, 200, "", "{\"properties\":{\"sharedKey\" : \"hu\\\"sh\\\\\",\"authorizationKey\":\"hush\","
			       "\"key\":\"sharedKey\",\"more\":{\"sharedKey\":null},\"last\":\"stays\"}}");
	assert_int_equal(arm_get(s->arm, GROUP "/providers/Microsoft.Network/connections/c", API, &tree, NULL), 1);
	assert_string_equal(json_tree_text(tree, "properties.sharedKey"), "xxxxxxxx");
	assert_string_equal(json_tree_text(tree, "properties.authorizationKey"), "xxxx");
	assert_string_equal(json_tree_text(tree, "properties.key"), "sharedKey");
	assert_string_equal(json_tree_text(tree, "properties.last"), "stays");
}

#define LIST GROUP "/resources"

static void lists_are_read_to_the_end(void **state)
{
	static const char *const no_lists[] = {"{\"value\":{}}", "{\"value\":\"x\"}", "{}", "{\"value\":null}"};
	struct script *s = *state;
	owned(json_tree) struct json_tree *none = NULL, *three = NULL, *absent = NULL;

	answers(s, 1, 200, "", "{\"value\":[]}");
	assert_int_equal(arm_list(s->arm, LIST, API, &none, NULL), 1);
	assert_int_equal(json_tree_kind(none), JSON_TREE_LIST);
	assert_int_equal(json_tree_count(none), 0);
	answers(s, 1, 200, "", "{\"value\":[{\"name\":\"a\"},{\"name\":\"b\"}],"
			       "\"nextLink\":\"<URL>/next?page=2&x=%20\"}");
	answers(s, 1, 200, "", "{\"value\":null,\"nextLink\":\"<URL>/next?page=3\"}");
	answers(s, 1, 200, "", "{\"value\":[{\"name\":\"c\"}],\"nextLink\":null}");
	assert_int_equal(arm_list(s->arm, LIST, API, &three, NULL), 1);
	assert_int_equal(json_tree_count(three), 3);
	assert_string_equal(json_tree_text(three, "2.name"), "c");
	assert_int_equal(seen(s, "GET /next?page=2&x=%20 "), 1);
	/* No list is not an empty one. */
	for (size_t i = 0; i < sizeof(no_lists) / sizeof(no_lists[0]); i++) {
		owned(json_tree) struct json_tree *wrong = NULL;

		answers(s, 1, 200, "", no_lists[i]);
		assert_int_equal(arm_list(s->arm, LIST, API, &wrong, NULL), -ERR_PROTOCOL);
		assert_null(wrong);
	}
	answers(s, 1, 404, "", "{\"error\":{\"code\":\"ResourceGroupNotFound\",\"message\":\"m\"}}");
	assert_int_equal(arm_list(s->arm, LIST, API, &absent, NULL), 0);
	assert_int_equal(json_tree_count(absent), 0);
	assert_int_equal(json_tree_kind(absent), JSON_TREE_LIST);
	assert_all_asked(s);
}

static void lists_lead_nowhere_else(void **state)
{
	static const struct {
		const char *link;
		enum err_code code;
		const char *says;
		bool absent;		/* the page is asked for, and not there */
	} cases[] = {
		{"https://evil.example/next", ERR_PROTOCOL, "https://evil.example/next", false},
		{"http://localhost:1/next", ERR_PROTOCOL, "another place", false},
		{"<URL>" LIST "?api-version=" API, ERR_PROTOCOL, "names itself", false},
		{"/next", ERR_PROTOCOL, "another place", false},
		{"<URL>/next", ERR_PROTOCOL, "a page of the list is missing", true},
	};
	struct script *s = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		owned(mem) char *page = mem_printf("{\"value\":[{}],\"nextLink\":\"%s\"}", cases[i].link);
		owned(json_tree) struct json_tree *list = NULL;
		struct err err = {0};

		answers(s, 1, 200, "", page);
		if (cases[i].absent)
			answers(s, 1, 404, "", ABSENT);
		assert_code(arm_list(s->arm, LIST, API, &list, &err), cases[i].code, err);
		assert_null(list);
		assert_says(err.message, "cannot read 'g/resources': ");
		assert_says(err.message, cases[i].says);
	}
	assert_all_asked(s);
}

/* ---- writing ---- */

static void refusals_of_writes(void **state)
{
	static const struct {
		enum http_method method;
		unsigned status;
		const char *body;
		enum err_code code;
		const char *failure, *says;
	} cases[] = {
		{HTTP_PUT, 404,
		 "{\"error\":{\"code\":\"InvalidResourceType\",\"message\":\"The resource type could not be found in "
		 "the namespace 'Microsoft.HardwareSecurityModules' for api version '2018-10-31-preview'.\"}}",
		 ERR_UNSUPPORTED, "InvalidResourceType",
		 "cannot write 'dedicatedHSMs/hsm1': InvalidResourceType: The resource"},
		{HTTP_DELETE, 404, "{\"error\":{\"code\":\"InvalidResourceType\",\"message\":\"m\"}}", ERR_UNSUPPORTED,
		 "InvalidResourceType", "cannot delete"},
		{HTTP_DELETE, 400,
		 "{\"error\":{\"code\":\"BadRequest\",\"message\":\"The dedicatedhsms resource delete is only allowed "
		 "if ProvisioningState is Succeeded/Failed.\"}}",
		 ERR_IN_USE, "BadRequest", "is Succeeded/Failed (400, request "},
		{HTTP_PUT, 409, "{\"error\":{\"code\":\"ResourceGroupBeingDeleted\",\"message\":\"m\"}}", ERR_IN_USE,
		 "ResourceGroupBeingDeleted", "ResourceGroupBeingDeleted: m"},
		{HTTP_PUT, 409, BUSY, ERR_IN_USE, "AnotherOperationInProgress", "Another operation"},
	};
	struct script *s = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		owned(json_tree) struct json_tree *body = cases[i].method == HTTP_PUT ? json("{}") : NULL;
		const struct arm_request request = {
			.method = cases[i].method, .id = DEVICE, .api_version = API, .body = body,
		};
		struct arm_operation operation = {0};
		struct arm_failure failure;
		struct err err = {0};

		answers(s, 1, cases[i].status, "", cases[i].body);
		assert_code(arm_begin(s->arm, &request, 0, &operation, &failure, &err), cases[i].code, err);
		assert_int_equal(err.retry, ERR_RETRY_NEVER);
		assert_int_equal(failure.status, cases[i].status);
		assert_string_equal(failure.code, cases[i].failure);
		assert_says(err.message, cases[i].says);
		assert_null(operation.id);
	}
	assert_all_asked(s);
}

static int begin_patiently(struct script *s, double patience, struct arm_failure *failure, struct err *err)
{
	owned(json_tree) struct json_tree *body = json("{\"a\":1}");
	owned(arm_operation) struct arm_operation operation = {0};
	const struct arm_request request = {.method = HTTP_PUT, .id = DEVICE, .api_version = API, .body = body};

	return arm_begin(s->arm, &request, patience, &operation, failure, err);
}

static void other_work_is_waited_out(void **state)
{
	struct script *s = *state;
	struct arm_failure failure;
	struct err err = {0};

	answers(s, 1, 409, "", BUSY);
	answers(s, 1, 409, "", "{\"error\":{\"code\":\"ReferencedResourceNotProvisioned\",\"message\":\"m\"}}");
	answers(s, 1, 409, "", "{\"error\":{\"code\":\"ResourceNotProvisioned\",\"message\":\"m\"}}");
	/* lib/http tries four times itself before it gives a 429 back. */
	answers(s, 4, 429, "Retry-After: 5\r\n", "{\"error\":{\"code\":\"TooManyRequests\",\"message\":\"m\"}}");
	answers(s, 1, 201, "", "{}");
	assert_int_equal(begin_patiently(s, 900, &failure, &err), 0);
	assert_string_equal(failure.code, "TooManyRequests");
	assert_int_equal(seen(s, "\r\n\r\n{\"a\":1}"), 8);
	/* Pauses of 10, 15, 20, 25, 30, 30 seconds, and of what is left. */
	answers(s, 9, 409, "", BUSY);
	assert_code(begin_patiently(s, 140, &failure, &err), ERR_IN_USE, err);
	assert_says(err.hint, "one change at a time");
	answers(s, 3, 409, "Retry-After: 50\r\n", BUSY);
	assert_code(begin_patiently(s, 100, NULL, &err), ERR_IN_USE, err);
	assert_all_asked(s);
}

static void a_write_that_nobody_answers(void **state)
{
	struct script *s = *state;
	owned(json_tree) struct json_tree *body = json("{\"a\":1}");
	struct arm_request request = {
		.method = HTTP_PUT, .id = DEVICE, .api_version = API, .body = body, .repeat = HTTP_ONCE,
	};
	owned(arm_operation) struct arm_operation operation = {0};
	struct err err = {0};

	breaks(s, 1);
	assert_code(arm_begin(s->arm, &request, 900, &operation, NULL, &err), ERR_UNREACHABLE, err);
	assert_int_equal(err.retry, ERR_RETRY_IDEMPOTENT);
	assert_says(err.message, "cannot write 'dedicatedHSMs/hsm1': ");
	assert_int_equal(seen(s, "PUT "), 1);
	answers(s, 1, 500, "", "");
	assert_code(arm_begin(s->arm, &request, 900, &operation, NULL, &err), ERR_UNREACHABLE, err);
	assert_int_equal(err.retry, ERR_RETRY_IDEMPOTENT);
	assert_int_equal(seen(s, "PUT "), 2);
	request.repeat = HTTP_IDEMPOTENT;
	breaks(s, 1);
	answers(s, 1, 201, "", "{}");
	assert_int_equal(arm_begin(s->arm, &request, 900, &operation, NULL, &err), 0);
	assert_int_equal(seen(s, "PUT "), 4);
	assert_all_asked(s);
}

/* ---- secrets in bodies ---- */

static void a_secret_takes_the_place_of_its_marker(void **state)
{
	static const struct {
		const char *body, *marker, *secret, *sent;
	} cases[] = {
		{"{\"a\":\"@\",\"b\":[\"@\",\"@@\"],\"@\":1,\"c\":{\"d\":\"@\"}}", "@", "hush",
		 "{\"a\":\"hush\",\"b\":[\"hush\",\"@@\"],\"@\":1,\"c\":{\"d\":\"hush\"}}"},
		{"{\"a\":\"@\"}", "@", "q\"b\\n\n/", "{\"a\":\"q\\\"b\\\\n\\u000a/\"}"},
		{"{\"a\":\"x\\\"@\",\"b\":\"\\\"@\\\"\",\"c\":\"@\\\\\",\"d\":\"@\"}", "@", "hush",
		 "{\"a\":\"x\\\"@\",\"b\":\"\\\"@\\\"\",\"c\":\"@\\\\\",\"d\":\"hush\"}"},
		{"{\"a\":\"m/\\\"k\"}", "m/\"k", "hush", "{\"a\":\"hush\"}"},
		{"{\"a\":\"other\"}", "@", "hush", "{\"a\":\"other\"}"},
		{"{\"a\":\"@\"}", "@", "", "{\"a\":\"\"}"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		owned(json_tree) struct json_tree *body = json(cases[i].body);
		owned(secret) struct secret *secret = NULL;
		owned(buf) struct buf text = {.max = 1 << 20};

		assert_int_equal(secret_new(cases[i].secret, strlen(cases[i].secret), &secret, NULL), 0);
		const struct arm_request request = {.body = body, .marker = cases[i].marker, .secret = secret};

		assert_int_equal(arm_body_write(&request, &text, NULL), 0);
		assert_string_equal(buf_text(&text), cases[i].sent);
		assert_true(text.wipe);
		assert_survives_no_memory(({
			owned(buf) struct buf again = {.max = 1 << 20};
			arm_body_write(&request, &again, NULL);
		}));
	}
}

static void a_secret_that_comes_back_is_hidden(void **state)
{
	struct script *s = *state;
	owned(json_tree) struct json_tree *body = json("{\"value\":\"marker\"}");
	owned(secret) struct secret *secret = NULL;
	owned(arm_operation) struct arm_operation operation = {0};

	assert_int_equal(secret_new("hush", 4, &secret, NULL), 0);
	const struct arm_request request = {
		.method = HTTP_PUT, .id = DEVICE, .api_version = API, .body = body,
		.marker = "marker", .secret = secret,
	};

	answers(s, 1, 200, "", "{\"value\":\"hush\",\"again\":\"hushhush\"}");
	assert_int_equal(arm_begin(s->arm, &request, 0, &operation, NULL, NULL), 0);
	assert_int_equal(seen(s, "{\"value\":\"hush\"}"), 1);
	assert_string_equal(json_tree_text(operation.body, "value"), "xxxx");
	assert_string_equal(json_tree_text(operation.body, "again"), "xxxxxxxx");
	/* One that looks like its own cover. */
	owned(secret) struct secret *covered = NULL;
	owned(buf) struct buf text = {.max = 100};

	assert_int_equal(secret_new("xx", 2, &covered, NULL), 0);
	buf_put_str(&text, "xxxxx");
	arm_body_hide(&text, covered);
	assert_string_equal(buf_text(&text), "xxxxx");
}

/* ---- against the stand-in ---- */

#define STANDIN_NETWORK "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/g/providers/" \
			"Microsoft.Network/virtualNetworks/"
#define NETWORK_API "2024-01-01"
#define GROUP_API "2021-04-01"
#define A_NETWORK "{\"location\":\"westus\",\"properties\":{\"addressSpace\":{\"addressPrefixes\":[\"10.2.0.0/16\"]}}}"

static struct arm *opened(struct identity *t)
{
	static const struct azure_access as_the_environment_says;
	struct arm *arm = NULL;
	struct err err = {0};

	set_ids();
	setenv("AZURE_CLIENT_SECRET", SECRET, 1);
	configure(t, "{\"grace_404\": 0, \"page_size\": 2, \"time_scale\": 0.001}");
	json_tree_free(standin(t, "seed", "{\"" GROUP "\": {\"location\": \"westus\"}}"));
	if (arm_open(-1, &as_the_environment_says, &arm, &err) < 0)
		fail_msg("%s (%s)", err.message, err.hint);
	return arm;
}

static int put_network(struct arm *arm, const char *id, enum http_repeat repeat, struct json_tree **ret,
		       struct err *err)
{
	owned(json_tree) struct json_tree *body = json(A_NETWORK);
	owned(arm_operation) struct arm_operation operation = {0};
	const struct arm_request request = {
		.method = HTTP_PUT, .id = id, .api_version = NETWORK_API, .body = body, .repeat = repeat,
	};
	int rc = arm_begin(arm, &request, 900, &operation, NULL, err);

	return rc < 0 ? rc : arm_wait(arm, &operation, 10, 3600, NULL, ret, err);
}

static int take_network(struct arm *arm, const char *id, struct err *err)
{
	owned(arm_operation) struct arm_operation operation = {0};
	const struct arm_request request = {.method = HTTP_DELETE, .id = id, .api_version = NETWORK_API};
	int rc = arm_begin(arm, &request, 900, &operation, NULL, err);

	return rc < 0 ? rc : arm_wait(arm, &operation, 10, 3600, NULL, NULL, err);
}

static void puts_network(struct arm *arm, const char *id)
{
	owned(json_tree) struct json_tree *live = NULL;
	struct err err = {0};

	if (put_network(arm, id, HTTP_IDEMPOTENT, &live, &err) < 0)
		fail_msg("%s (%s)", err.message, err.hint);
	assert_string_equal(arm_state(live), "Succeeded");
	assert_string_equal(json_tree_text(live, "id"), id);
}

static void a_network_comes_and_goes(void **state)
{
	struct identity *t = *state;
	owned(arm) struct arm *arm = opened(t);
	owned(json_tree) struct json_tree *live = NULL, *all = NULL, *gone = NULL;
	struct err err = {0};

	configure(t, "{\"grace_404\": 2, \"grace_404_resource\": 2}");
	puts_network(arm, STANDIN_NETWORK "v1");
	puts_network(arm, STANDIN_NETWORK "v2");
	puts_network(arm, STANDIN_NETWORK "v3");
	configure(t, "{\"grace_404_resource\": 0}");
	assert_int_equal(arm_get(arm, STANDIN_NETWORK "v1", NETWORK_API, &live, &err), 1);
	assert_int_equal(arm_list(arm, GROUP "/resources", GROUP_API, &all, &err), 1);
	assert_int_equal(json_tree_count(all), 3);
	assert_int_equal(take_network(arm, STANDIN_NETWORK "v1", &err), 0);
	assert_int_equal(arm_get(arm, STANDIN_NETWORK "v1", NETWORK_API, &gone, &err), 0);
	assert_int_equal(take_network(arm, STANDIN_NETWORK "v1", &err), 0);
}

static void a_network_survives_faults(void **state)
{
	static const char *const faults[] = {
		"{\"kind\": \"expired-token\", \"match\": \"GET .*/operations/\", \"at\": 1}",
		"{\"kind\": \"reset-before\", \"match\": \"GET .*/operations/\", \"at\": 1, \"times\": 3}",
		"{\"kind\": \"409-busy\", \"match\": \"PUT\", \"at\": 1, \"times\": 2}",
		"{\"kind\": \"429\", \"match\": \"PUT\", \"at\": 1, \"times\": 5}",
		"{\"kind\": \"503\", \"match\": \"GET .*/operations/\", \"at\": 1, \"times\": 3}",
		"{\"kind\": \"502-html\", \"match\": \"PUT\", \"at\": 1, \"times\": 2}",
		"{\"kind\": \"bom\", \"every\": 1}",
		"{\"kind\": \"empty\", \"match\": \"GET\", \"at\": 1, \"times\": 2}",
		"{\"kind\": \"truncated\", \"match\": \"GET .*/operations/\", \"at\": 1}",
		"{\"kind\": \"garbage\", \"match\": \"GET .*/operations/\", \"at\": 1}",
		NULL,
	};
	struct identity *t = *state;
	owned(arm) struct arm *arm = opened(t);

	for (int i = 0; faults[i]; i++) {
		owned(mem) char *config = mem_printf("{\"faults\": [%s]}", faults[i]);
		owned(mem) char *id = mem_printf(STANDIN_NETWORK "v%d", i);

		configure(t, config);
		puts_network(arm, id);
	}
}

static void no_token_goes_elsewhere(void **state)
{
	struct identity *t = *state;
	owned(arm) struct arm *arm = opened(t);
	owned(json_tree) struct json_tree *known = NULL, *list = NULL;
	struct err err = {0};

	configure(t, "{\"faults\": [{\"kind\": \"foreign-poll\", \"match\": \"PUT\"}]}");
	assert_code(put_network(arm, STANDIN_NETWORK "v1", HTTP_ONCE, NULL, &err), ERR_PROTOCOL, err);
	assert_int_equal(err.retry, ERR_RETRY_IDEMPOTENT);
	configure(t, "{\"page_size\": 1, \"faults\": [{\"kind\": \"foreign-poll\", \"match\": \"GET .*/resources\"}]}");
	puts_network(arm, STANDIN_NETWORK "v2");
	assert_code(arm_list(arm, GROUP "/resources", GROUP_API, &list, &err), ERR_PROTOCOL, err);
	configure(t, "{\"faults\": [{\"kind\": \"redirect\", \"match\": \"GET\"}]}");
	assert_code(arm_get(arm, STANDIN_NETWORK "v2", NETWORK_API, &list, &err), ERR_PROTOCOL, err);
	known = standin(t, "state", NULL);
	assert_int_equal(json_tree_count(json_tree_get(known, "trapped")), 0);
	assert_int_equal(json_tree_count(json_tree_get(known, "faults_fired")), 3);
}

static void what_arrived_unanswered_is_found(void **state)
{
	struct identity *t = *state;
	owned(arm) struct arm *arm = opened(t);
	owned(arm_operation) struct arm_operation operation = {0};
	owned(json_tree) struct json_tree *live = NULL, *known = NULL;
	struct err err = {0};
	int rc;

	configure(t, "{\"faults\": [{\"kind\": \"reset-after\", \"match\": \"PUT\"}]}");
	assert_code(put_network(arm, STANDIN_NETWORK "v1", HTTP_ONCE, NULL, &err), ERR_UNREACHABLE, err);
	assert_int_equal(err.retry, ERR_RETRY_IDEMPOTENT);
	assert_int_equal(arm_join(STANDIN_NETWORK "v1", NETWORK_API, HTTP_PUT, &operation, &err), 0);
	rc = arm_wait(arm, &operation, 10, 3600, NULL, &live, &err);
	assert_int_equal(rc, 0);
	assert_string_equal(arm_state(live), "Succeeded");
	known = standin(t, "log", NULL);
	size_t puts = 0;
	for (size_t i = 0; i < json_tree_count(known); i++)
		puts += str_eq(json_tree_text(json_tree_at(known, i), "method"), "PUT");
	assert_int_equal(puts, 1);
}

static void the_innermost_reason_is_told(void **state)
{
	struct identity *t = *state;
	owned(arm) struct arm *arm = opened(t);
	struct err err = {0};

	configure(t, "{\"faults\": [{\"kind\": \"failed\", \"match\": \"PUT\"}]}");
	assert_code(put_network(arm, STANDIN_NETWORK "v1", HTTP_ONCE, NULL, &err), ERR_FAILED, err);
	assert_says(err.message, "cannot write 'virtualNetworks/v1': ");
	assert_says(err.message, "rack 7 of stamp1 is full");
	configure(t, "{\"denied\": [\"PUT \"]}");
	assert_code(put_network(arm, STANDIN_NETWORK "v2", HTTP_ONCE, NULL, &err), ERR_DENIED, err);
	assert_says(err.message, "AuthorizationFailed");
	configure(t, "{\"denied\": []}");
}

struct worker {
	pthread_t thread;
	struct arm *arm;
	char id[300];
	int rc;
	struct err err;
};

static void *make_and_take(void *argument)
{
	struct worker *w = argument;
	owned(json_tree) struct json_tree *live = NULL;

	w->rc = put_network(w->arm, w->id, HTTP_ONCE, &live, &w->err);
	if (w->rc == 0)
		w->rc = take_network(w->arm, w->id, &w->err);
	return NULL;
}

static void threads_share_one_arm(void **state)
{
	struct identity *t = *state;
	owned(arm) struct arm *arm = opened(t);
	struct worker workers[8] = {0};
	char way[64];

	/* The token ends while they use it. */
	configure(t, "{\"faults\": [{\"kind\": \"expired-token\", \"at\": 20}]}");
	for (int i = 0; i < 8; i++) {
		workers[i].arm = arm;
		snprintf(workers[i].id, sizeof(workers[i].id), STANDIN_NETWORK "v%d", i);
		assert_int_equal(pthread_create(&workers[i].thread, NULL, make_and_take, &workers[i]), 0);
	}
	for (int i = 0; i < 8; i++)
		pthread_join(workers[i].thread, NULL);
	for (int i = 0; i < 8; i++)
		if (workers[i].rc < 0)
			fail_msg("%s (%s)", workers[i].err.message, workers[i].err.hint);
	assert_int_equal(requests(t, way), 2);
}

static void a_wrong_credential_is_told_by_the_first_call(void **state)
{
	struct identity *t = *state;
	owned(arm) struct arm *arm = NULL;
	owned(json_tree) struct json_tree *live = NULL;
	const struct azure_access given = {.tenant = TENANT, .client = CLIENT};
	struct err err = {0};

	setenv("AZURE_CLIENT_SECRET", "wrong", 1);
	assert_int_equal(arm_open(-1, &given, &arm, &err), 0);
	assert_code(arm_get(arm, GROUP, GROUP_API, &live, &err), ERR_DENIED, err);
	assert_says(err.message, "AADSTS");
	(void)t;
}

int main(void)
{
	const struct CMUnitTest of_script[] = {
		script_test(a_call_says_who_asks),
		cmocka_unit_test(ids_become_urls),
		cmocka_unit_test(messages_name_what_was_tried),
		script_test(a_refused_token_is_renewed_once),
		script_test(redirects_stay_in_the_cloud),
		script_test(what_is_absent_is_no_error),
		script_test(keys_in_answers_are_blanked),
		script_test(lists_are_read_to_the_end),
		script_test(lists_lead_nowhere_else),
		script_test(refusals_of_writes),
		script_test(other_work_is_waited_out),
		script_test(a_write_that_nobody_answers),
		cmocka_unit_test(a_secret_takes_the_place_of_its_marker),
		script_test(a_secret_that_comes_back_is_hidden),
	};
	const struct CMUnitTest of_standin[] = {
		identity_test(a_network_comes_and_goes),
		identity_test(a_network_survives_faults),
		identity_test(no_token_goes_elsewhere),
		identity_test(what_arrived_unanswered_is_found),
		identity_test(the_innermost_reason_is_told),
		identity_test(threads_share_one_arm),
		identity_test(a_wrong_credential_is_told_by_the_first_call),
	};

	/* Scripts come last: they put their own URL in the place of the stand-in's. */
	return cmocka_run_group_tests(of_standin, identity_start, identity_stop) +
	       cmocka_run_group_tests(of_script, NULL, NULL);
}
