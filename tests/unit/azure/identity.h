/* SPDX-License-Identifier: Apache-2.0 */
/*
 * identity - what the tests of credentials share: one stand-in of Entra ID and its kin for
 * a program of tests (tests/azure/README.md), and for each test a folder, an empty
 * environment and a log at debug level in which no secret may be found.
 */
#ifndef TESTS_IDENTITY_H
#define TESTS_IDENTITY_H

#include "../base/temp.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "azure/cloud.h"
#include "azure/credential.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/secret.h"
#include "base/str.h"
#include "http/http.h"
#include "json/tree.h"

#define TENANT "00000000-0000-4000-8000-0000000000aa"
#define CLIENT "00000000-0000-4000-8000-0000000000c1"
#define MANAGED "00000000-0000-4000-8000-0000000000d1"
#define SECRET "standin-secret"

static pid_t standin_pid;
static char standin_url[64];

struct identity {
	char *folder;
	struct azure_cloud cloud;
	struct http *http;
};

/* Of the stand-in, of keys of the tests, and how every JSON Web Token begins. */
static const char *const secrets[] = {SECRET, "standin-header", "standin-msi", "standin-runner", "standin-pipeline",
				      "eyJ", "PRIVATE KEY", "pass-phrase", "24681357", "arc-key-content", NULL};

static const struct azure_access nothing;

static inline void assert_no_secret(const char *text)
{
	for (int i = 0; secrets[i]; i++)
		if (strstr(text, secrets[i]))
			fail_msg("'%s' is told: %s", secrets[i], text);
}

/* ---- the stand-in ---- */

static inline int identity_start(void **state)
{
	owned(mem) char *folder = mem_strdup("/tmp/hsmctl-standin-XXXXXX");
	char port[16] = "";
	int fd = -1;

	(void)state;
	if (!mkdtemp(folder))
		return -1;
	standin_pid = fork();
	if (standin_pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execl("/usr/bin/python3", "/usr/bin/python3", "tests/azure/standin.py", "--port-file", in(folder, "port"), NULL);
		_exit(127);
	}
	for (int tries = 0; fd < 0 && tries < 3000 && waitpid(standin_pid, NULL, WNOHANG) == 0; tries++) {
		clock_sleep_ms(10);
		fd = open(in(folder, "port"), O_RDONLY | O_CLOEXEC);
	}
	if (fd >= 0 && read(fd, port, sizeof(port) - 1) < 0)
		*port = 0;
	close(fd);
	file_remove_tree(folder, NULL);
	if (!*port) {
		fprintf(stderr, "tests/azure/standin.py does not start here\n");
		return -1;
	}
	snprintf(standin_url, sizeof(standin_url), "http://127.0.0.1:%d", (int)strtol(port, NULL, 10));
	return 0;
}

static inline int identity_stop(void **state)
{
	(void)state;
	kill(standin_pid, SIGKILL);
	return waitpid(standin_pid, NULL, 0) == standin_pid ? 0 : -1;
}

/* One request to its control; the answer is the caller's to free. */
static inline struct json_tree *standin(struct identity *t, const char *what, const char *body)
{
	owned(mem) char *url = mem_printf("%s/_standin/%s", standin_url, what);
	owned(http_answer) struct http_answer answer = {0};
	const struct http_request request = {
		.method = body ? HTTP_POST : HTTP_GET, .url = url, .body = body, .body_len = body ? strlen(body) : 0,
		.content_type = body ? "application/json" : NULL,
	};
	struct json_tree *tree = NULL;

	assert_int_equal(http_send(t->http, &request, &answer, NULL), 0);
	if (answer.status != 200)
		fail_msg("%s: %u %s", what, answer.status, buf_text(&answer.body));
	assert_int_equal(json_tree_parse(buf_text(&answer.body), answer.body.len, what, &tree, NULL), 0);
	return tree;
}

static inline void configure(struct identity *t, const char *json)
{
	json_tree_free(standin(t, "config", json));
}

/* How many token requests there were; the way of the last one ("" when it was refused). */
static inline size_t requests(struct identity *t, char last_way[static 64])
{
	owned(json_tree) struct json_tree *state = standin(t, "state", NULL);
	const struct json_tree *list = json_tree_get(state, "token_requests");
	size_t n = json_tree_count(list);
	const char *way = json_tree_text(json_tree_at(list, n - 1), "way");

	snprintf(last_way, 64, "%s", way ? way : "");
	return n;
}

static inline void assert_asked(struct identity *t, size_t times, const char *way)
{
	char last[64];

	assert_int_equal(requests(t, last), times);
	assert_string_equal(last, way);
}

/* How often a path was asked for. */
static inline size_t asked_for(struct identity *t, const char *path)
{
	owned(json_tree) struct json_tree *log = standin(t, "log", NULL);
	size_t n = 0;

	for (size_t i = 0; i < json_tree_count(log); i++)
		n += str_starts(json_tree_text(json_tree_at(log, i), "path"), path);
	return n;
}

/* A statement as a cluster would put it into a file. */
static inline char *statement(struct identity *t, const char *json)
{
	owned(json_tree) struct json_tree *tree = standin(t, "assertion", json);

	return mem_strdup(json_tree_text(tree, "token"));
}

/* ---- each test ---- */

static inline void forget_environment(void)
{
	static const char *const prefixes[] = {"AZURE_", "ARM_", "ACTIONS_", "SYSTEM_", "IDENTITY_", "IMDS_", "MSI_",
					       "HTTP_", "HTTPS_", "http_", "https_", "HSMCTL_INSECURE", "HSMCTL_PAUSE",
					       "HSMCTL_ARM", "HSMCTL_ARC", NULL};
	extern char **environ;

	for (char **e = environ; *e;) {
		char name[128];
		int i = 0;

		snprintf(name, sizeof(name), "%.*s", (int)strcspn(*e, "="), *e);
		while (prefixes[i] && !str_starts(name, prefixes[i]))
			i++;
		if (prefixes[i])
			unsetenv(name);
		else
			e++;
	}
}

static inline void setup_environment(const char *folder)
{
	forget_environment();
	setenv("HSMCTL_INSECURE_LOOPBACK", "1", 1);
	setenv("HSMCTL_PAUSE_SCALE", "0.001", 1);
	setenv("AZURE_AUTHORITY_HOST", standin_url, 1);
	setenv("HSMCTL_ARM_ENDPOINT", standin_url, 1);
	/* Neither somebody's az nor the metadata service of the host the tests run on. */
	setenv("AZURE_CONFIG_DIR", folder, 1);
	setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:1", 1);
}

static inline int identity_setup(void **state)
{
	struct identity *t = calloc(1, sizeof(*t));
	struct http_settings settings = {.user_agent = "hsmctl/test", .allow_loopback = true, .pause_scale = 0.001};

	if (temp_setup((void **)&t->folder) < 0)
		return -1;
	setup_environment(t->folder);
	log_to_fd(open(in(t->folder, "log"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600), LOG_LEVEL_DEBUG);
	assert_int_equal(azure_cloud_init(-1, &t->cloud, NULL), 0);
	assert_int_equal(http_new(&settings, &t->http, NULL), 0);
	configure(t, "{\"clients\": null}");
	configure(t, "{\"clients\": {\"" CLIENT "\": {\"secret\": \"" SECRET "\"}}, \"token_seconds\": 3600,"
		     " \"token_says\": null, \"faults\": [], \"imds_first\": [], \"arc_key_file\": \"\","
		     " \"legacy_dates\": false, \"assertion_seconds\": 300, \"devops_connections\": []}");
	json_tree_free(standin(t, "reset", "{}"));
	*state = t;
	return 0;
}

static inline int identity_teardown(void **state)
{
	struct identity *t = *state;
	owned(json_tree) struct json_tree *known = standin(t, "state", NULL);
	owned(buf) struct buf log = {.max = 16 << 20}, wrong = {.max = 1 << 20};

	assert_int_equal(json_tree_write(json_tree_get(known, "violations"), false, &wrong, NULL), 0);
	assert_string_equal(buf_text(&wrong), "[]");
	http_free(t->http);
	azure_cloud_release(&t->cloud);
	log_to_fd(-1, LOG_LEVEL_ERROR);
	assert_int_equal(file_read(in(t->folder, "log"), &log, NULL), 0);
	assert_no_secret(buf_text(&log));
	temp_teardown((void **)&t->folder);
	free(t);
	return 0;
}

#define identity_test(function) cmocka_unit_test_setup_teardown(function, identity_setup, identity_teardown)

/* ---- credentials ---- */

static inline void set_ids(void)
{
	setenv("AZURE_TENANT_ID", TENANT, 1);
	setenv("AZURE_CLIENT_ID", CLIENT, 1);
}

/* With what is given (NULL = nothing); must be found. */
static inline struct azure_credential *found(struct identity *t, const struct azure_access *given)
{
	struct azure_credential *credential = NULL;
	struct err err = {0};

	if (azure_credential_find(given ? given : &nothing, &t->cloud, t->http, &credential, &err) < 0)
		fail_msg("%s (%s)", err.message, err.hint);
	assert_no_secret(azure_credential_about(credential));
	return credential;
}

/* Must fail with that code; err tells more. */
static inline void not_found(struct identity *t, const struct azure_access *given, enum err_code code, struct err *err)
{
	struct azure_credential *credential = NULL;
	int rc = azure_credential_find(given ? given : &nothing, &t->cloud, t->http, &credential, err);

	if (rc != -(int)code)
		fail_msg("%d, expected -%d: %s", rc, (int)code,
			 rc < 0 ? err->message : azure_credential_about(credential));
	assert_null(credential);
	assert_no_secret(err->message);
	assert_no_secret(err->hint);
}

/* Does Resource Manager take it? */
static inline bool is_taken(struct identity *t, const struct secret *token)
{
	static const char path[] = "/subscriptions/00000000-0000-4000-8000-000000000001?api-version=2022-12-01";
	owned(mem) char *url = mem_printf("%s%s", standin_url, path);
	owned(http_answer) struct http_answer answer = {0};
	const struct http_request request = {.method = HTTP_GET, .url = url, .bearer = token};

	assert_int_equal(http_send(t->http, &request, &answer, NULL), 0);
	return answer.status != 401;
}

/* A token that is taken; the caller's to free. */
static inline struct secret *token_of(struct identity *t, struct azure_credential *credential)
{
	struct secret *token = NULL;
	struct err err = {0};

	if (azure_credential_token(credential, NULL, &token, &err) < 0)
		fail_msg("%s (%s)", err.message, err.hint);
	assert_true(is_taken(t, token));
	return token;
}

static inline void gives_token(struct identity *t, struct azure_credential *credential)
{
	secret_free(token_of(t, credential));
}

static inline void gives_none(struct azure_credential *credential, enum err_code code, struct err *err)
{
	struct secret *token = NULL;
	int rc = azure_credential_token(credential, NULL, &token, err);

	if (rc != -(int)code)
		fail_msg("%d, expected -%d: %s", rc, (int)code, err->message);
	assert_null(token);
	assert_int_equal(err->code, code);
	assert_no_secret(err->message);
	assert_no_secret(err->hint);
}

/* For assert_survives_no_memory(). */
static inline int find_once(struct identity *t, const struct azure_access *given)
{
	owned(azure_credential) struct azure_credential *credential = NULL;

	return azure_credential_find(given, &t->cloud, t->http, &credential, NULL);
}

static inline int token_once(struct azure_credential *credential)
{
	owned(secret) struct secret *token = NULL;

	return azure_credential_token(credential, NULL, &token, NULL);
}

#define assert_says(text, part)                                                \
	do {                                                                   \
		if (!strstr((text), (part)))                                   \
			fail_msg("'%s' lacks '%s'", (text), (part));           \
	} while (0)

#endif
