/* SPDX-License-Identifier: Apache-2.0 */
/*
 * script - a Resource Manager that answers what a test says, and an arm that asks it.
 *
 * The first request is the one for a token. "<URL>" in headers and bodies stands for the
 * server's own URL. A test adds answers as it goes; where there are none, the connection is
 * closed.
 */
#ifndef TESTS_SCRIPT_H
#define TESTS_SCRIPT_H

#include "identity.h"

#include "../http/server.h"

#include "azure/arm_private.h"

enum { SCRIPT_STEPS = 256 };

#define SUBSCRIPTION "/subscriptions/00000000-0000-4000-8000-000000000001"
#define GROUP SUBSCRIPTION "/resourceGroups/g"
#define DEVICE GROUP "/providers/Microsoft.HardwareSecurityModules/dedicatedHSMs/hsm1"
#define CLUSTER GROUP "/providers/Microsoft.HardwareSecurityModules/cloudHsmClusters/c1"
#define NETWORK GROUP "/providers/Microsoft.Network/virtualNetworks/v"
#define API "2021-11-30"

struct script {
	char *folder;
	struct server server;
	struct step steps[SCRIPT_STEPS + 1];
	size_t n;
	struct arm *arm;
};

/* text with the server's URL for each "<URL>" */
static inline char *with_url(const struct script *s, const char *text)
{
	owned(buf) struct buf made = {.max = 1 << 20};

	for (const char *hit; (hit = strstr(text, "<URL>")); text = hit + strlen("<URL>")) {
		buf_put(&made, text, (size_t)(hit - text));
		buf_put_str(&made, server_url(&s->server, ""));
	}
	buf_put_str(&made, text);
	return mem_strdup(buf_text(&made));
}

static inline void put_step(struct script *s, struct step step)
{
	assert_true(s->n < SCRIPT_STEPS);
	pthread_mutex_lock(&s->server.lock);
	s->steps[s->n++] = step;
	pthread_mutex_unlock(&s->server.lock);
}

static inline char *answer_text(const struct script *s, unsigned status, const char *headers, const char *body)
{
	owned(mem) char *head = with_url(s, headers), *content = with_url(s, body);

	if (status == 204)
		return mem_printf("HTTP/1.1 204 No Content\r\n%s\r\n", head);
	return mem_printf("HTTP/1.1 %u Status\r\n%sContent-Length: %zu\r\n\r\n%s", status, head,
			  strlen(content), content);
}

/* The next answers. headers: lines that end with \r\n. */
static inline void answers(struct script *s, size_t times, unsigned status, const char *headers, const char *body)
{
	for (size_t i = 0; i < times; i++)
		put_step(s, (struct step){.answer = answer_text(s, status, headers, body)});
}

/* The connection is lost instead. The answer before should say "Connection: close": on a
 * connection that it has used before, libcurl itself tries once more. */
static inline void breaks(struct script *s, size_t times)
{
	for (size_t i = 0; i < times; i++)
		put_step(s, (struct step){.end = STEP_RESET});
}

static inline void gives_a_token(struct script *s)
{
	answers(s, 1, 200, "", "{\"token_type\":\"Bearer\",\"expires_in\":3600,"
			       "\"access_token\":\"token-of-the-script\"}");
}

static inline int script_setup(void **state)
{
	static const struct azure_access as_the_environment_says;
	struct script *s = calloc(1, sizeof(*s));
	struct err err = {0};

	if (temp_setup((void **)&s->folder) < 0)
		return -1;
	for (size_t i = 0; i < SCRIPT_STEPS; i++)
		s->steps[i].end = STEP_CLOSE;
	s->steps[SCRIPT_STEPS].none = true;
	server_start(&s->server, s->steps, NULL);
	snprintf(standin_url, sizeof(standin_url), "%s", server_url(&s->server, ""));
	setup_environment(s->folder);
	setenv("HSMCTL_PAUSE_SCALE", "0.0001", 1);
	set_ids();
	setenv("AZURE_CLIENT_SECRET", SECRET, 1);
	setenv("AZURE_HTTP_USER_AGENT", "pipeline/7\x01", 1);
	if (arm_open(-1, &as_the_environment_says, &s->arm, &err) < 0)
		fail_msg("%s (%s)", err.message, err.hint);
	gives_a_token(s);
	*state = s;
	return 0;
}

static inline int script_teardown(void **state)
{
	struct script *s = *state;

	mem_fail_after = 0;
	arm_free(s->arm);
	server_stop(&s->server);
	server_release(&s->server);
	for (size_t i = 0; i < s->n; i++)
		free((char *)(uintptr_t)s->steps[i].answer);
	temp_teardown((void **)&s->folder);
	free(s);
	return 0;
}

#define script_test(function) cmocka_unit_test_setup_teardown(function, script_setup, script_teardown)

/* How often the requests hold a text. */
static inline size_t seen(struct script *s, const char *text)
{
	size_t n = 0;

	pthread_mutex_lock(&s->server.lock);
	for (const char *at = buf_text(&s->server.seen); (at = strstr(at, text)); at += strlen(text))
		n++;
	pthread_mutex_unlock(&s->server.lock);
	return n;
}

/* All of the script was asked for, and nothing beyond it. */
static inline void assert_all_asked(struct script *s)
{
	size_t n;

	pthread_mutex_lock(&s->server.lock);
	n = s->server.n_requests;
	pthread_mutex_unlock(&s->server.lock);
	assert_int_equal(n, s->n);
}

/* ---- what is done with it ---- */

static inline struct json_tree *json(const char *text)
{
	struct json_tree *tree = NULL;

	assert_int_equal(json_tree_parse(text, strlen(text), "test", &tree, NULL), 0);
	return tree;
}

static inline int begin(struct script *s, enum http_method method, const char *id, struct arm_operation *ret,
			struct err *err)
{
	owned(json_tree) struct json_tree *body = method == HTTP_DELETE ? NULL : json("{\"location\":\"westus\"}");
	const struct arm_request request = {.method = method, .id = id, .api_version = API, .body = body};

	return arm_begin(s->arm, &request, 0, ret, NULL, err);
}

/* Begin it and see it through; ret may be NULL. */
static inline int run(struct script *s, enum http_method method, const char *id, struct json_tree **ret,
		      struct err *err)
{
	owned(arm_operation) struct arm_operation operation = {0};
	int rc = begin(s, method, id, &operation, err);

	return rc < 0 ? rc : arm_wait(s->arm, &operation, 10, 3600, NULL, ret, err);
}

static inline void runs(struct script *s, enum http_method method, const char *id, struct json_tree **ret)
{
	struct err err = {0};

	if (run(s, method, id, ret, &err) < 0)
		fail_msg("%s (%s)", err.message, err.hint);
}

#define assert_code(rc, want, err)                                             \
	do {                                                                   \
		int rc_ = (rc);                                                \
		if (rc_ != -(int)(want))                                       \
			fail_msg("%d, expected -%d: %s", rc_, (int)(want), rc_ < 0 ? (err).message : ""); \
		if (rc_ < 0)                                                   \
			assert_int_equal((err).code, want);                    \
	} while (0)

#endif
