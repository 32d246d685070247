/* SPDX-License-Identifier: Apache-2.0 */
/* What is sent again, how often, after how long, and what is said about it. */
#include "server.h"

#include <fcntl.h>

#include "base/log.h"
#include "base/secret.h"
#include "http/retry.h"

#define SAID(status, headers) "HTTP/1.1 " status " Said\r\nContent-Length: 0\r\n" headers "\r\n"
#define TORN_CHUNK "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"
#define TORN "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nok"

/* A server, a client, and all that the client logs. */
struct scene {
	struct server server;
	struct http *http;
	struct buf logged;
	int log[2];
};

static void open_scene(struct scene *s, const struct step *steps)
{
	assert_int_equal(pipe2(s->log, O_CLOEXEC), 0);
	assert_true(fcntl(s->log[1], F_SETPIPE_SZ, 1 << 18) > 0);
	log_to_fd(s->log[1], LOG_LEVEL_DEBUG);
	server_start(&s->server, steps, NULL);
	s->http = server_client(NULL);
	buf_init(&s->logged, 1 << 20);
}

/* After this the server's counts and the log are complete. */
static void end_scene(struct scene *s)
{
	uint8_t *at;
	ssize_t n;

	http_free(s->http);
	server_stop(&s->server);
	log_to_fd(-1, LOG_LEVEL_ERROR);
	close(s->log[1]);
	while ((at = buf_reserve(&s->logged, 4096)) && (n = read(s->log[0], at, 4096)) > 0)
		s->logged.len += (size_t)n;
	close(s->log[0]);
}

static void release_scene(struct scene *s)
{
	server_release(&s->server);
	buf_release(&s->logged);
}

static size_t count(struct buf *text, const char *word)
{
	size_t n = 0;

	for (const char *p = buf_text(text); (p = strstr(p, word)); p++)
		n++;
	return n;
}

/* What is expected of one http_send(). */
struct expected {
	int rc;
	unsigned status, attempts;
	size_t requests;
	enum err_retry retry;
};

static void check_send(const struct step *steps, const struct http_request *like, const struct expected *e)
{
	owned(http_answer) struct http_answer answer = {0};
	struct http_request request = *like;
	struct err err = {0};
	struct scene scene;
	int rc;

	open_scene(&scene, steps);
	request.url = server_url(&scene.server, "/a");
	rc = http_send(scene.http, &request, &answer, &err);
	end_scene(&scene);
	if (rc != e->rc || answer.attempts != e->attempts || scene.server.n_requests != e->requests)
		fail_msg("%d, %u attempts, %zu requests: %s", rc, answer.attempts, scene.server.n_requests,
			 err.message);
	assert_int_equal(answer.status, rc < 0 ? answer.status : e->status);
	assert_int_equal(rc < 0 ? err.retry : ERR_RETRY_NEVER, e->retry);
	assert_int_equal(strlen(answer.request_id), 36);
	/* One id for all attempts, in what is sent and in what is said. */
	assert_int_equal(count(&scene.server.seen, answer.request_id), scene.server.n_requests);
	assert_int_equal(count(&scene.logged, answer.request_id), answer.attempts);
	assert_int_equal(count(&scene.logged, ", again in "), answer.attempts - 1);
	if (rc < 0)
		assert_non_null(strstr(err.message, answer.request_id));
	release_scene(&scene);
}

static void answers_are_repeated_with_care(void **state)
{
	static const struct step ok = {.answer = OK_ANSWER};
	static const struct {
		const char *answer;
		bool idempotent, once;
	} cases[] = {
		{SAID("408", ""), true, false}, {SAID("429", ""), true, true}, {SAID("500", ""), true, false},
		{SAID("502", ""), true, false}, {SAID("503", ""), true, false}, {SAID("504", ""), true, false},
		{SAID("503", "Retry-After: 1\r\n"), true, true}, {SAID("500", "Retry-After: 1\r\n"), true, false},
		{SAID("429", "Retry-After: 0\r\n"), true, true}, {SAID("400", "Retry-After: 1\r\n"), false, false},
		{SAID("404", ""), false, false}, {SAID("409", ""), false, false}, {SAID("501", ""), false, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (int once = 0; once < 2; once++) {
			const struct step *steps = STEPS({.answer = cases[i].answer}, ok);
			const struct http_request request = {.method = HTTP_POST,
							     .repeat = once ? HTTP_ONCE : HTTP_IDEMPOTENT};
			bool again = once ? cases[i].once : cases[i].idempotent;
			const struct expected e = {0, again ? 200 : (unsigned)atoi(cases[i].answer + 9), again ? 2 : 1,
						   again ? 2 : 1, ERR_RETRY_NEVER};

			check_send(steps, &request, &e);
		}
}

static void attempts_have_a_number(void **state)
{
	const struct step *busy = STEPS({.answer = SAID("503", "")});
	const struct step *silent = STEPS({.end = STEP_CLOSE});
	const struct http_request four = {0}, two = {.attempts = 2}, seven = {.attempts = 7},
				  probe = {.attempts = 7, .flags = HTTP_PROBE};

	(void)state;
	check_send(busy, &four, &(struct expected){0, 503, 4, 4, ERR_RETRY_NEVER});
	check_send(busy, &two, &(struct expected){0, 503, 2, 2, ERR_RETRY_NEVER});
	check_send(busy, &seven, &(struct expected){0, 503, 7, 7, ERR_RETRY_NEVER});
	check_send(busy, &probe, &(struct expected){0, 503, 1, 1, ERR_RETRY_NEVER});
	check_send(silent, &four, &(struct expected){-ERR_UNREACHABLE, 0, 4, 4, ERR_RETRY_IDEMPOTENT});
	check_send(silent, &probe, &(struct expected){-ERR_UNREACHABLE, 0, 1, 1, ERR_RETRY_IDEMPOTENT});
}

static void broken_connections(void **state)
{
	static const struct step ok = {.answer = OK_ANSWER};
	static const struct {
		struct step first;
		int code;
	} cases[] = {
		{{.end = STEP_RESET}, ERR_UNREACHABLE},
		{{.end = STEP_CLOSE}, ERR_UNREACHABLE},
		{{.answer = "HTTP/1.1 200 OK\r\nContent-", .end = STEP_CLOSE}, ERR_PROTOCOL},
		{{.answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", .end = STEP_CLOSE}, ERR_PROTOCOL},
		{{.answer = TORN, .end = STEP_CLOSE}, ERR_PROTOCOL},
		{{.answer = TORN, .end = STEP_RESET}, ERR_PROTOCOL},
		{{.answer = TORN_CHUNK, .end = STEP_CLOSE}, ERR_PROTOCOL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct http_request idempotent = {.method = HTTP_PUT, .body = "{}", .body_len = 2};
		const struct http_request once = {.method = HTTP_POST, .repeat = HTTP_ONCE};

		check_send(STEPS(cases[i].first, ok), &idempotent,
			   &(struct expected){0, 200, 2, 2, ERR_RETRY_NEVER});
		check_send(STEPS(cases[i].first, ok), &once,
			   &(struct expected){-cases[i].code, 0, 1, 1, ERR_RETRY_IDEMPOTENT});
	}
}

/* The connection may end before or after the request is written: what is certain is that the
 * server does not read it twice. */
static void a_connection_that_ends_at_once(void **state)
{
	(void)state;
	for (int i = 0; i < 40; i++) {
		bool once = i % 2, reset = i / 2 % 2;
		const struct step first = {.unread = true, .end = reset ? STEP_RESET : STEP_CLOSE};
		owned(http_answer) struct http_answer answer = {0};
		struct http_request request = {.method = HTTP_POST, .repeat = once ? HTTP_ONCE : HTTP_IDEMPOTENT};
		struct err err = {0};
		struct scene scene;
		int rc;

		open_scene(&scene, STEPS(first, {.answer = OK_ANSWER}));
		request.url = server_url(&scene.server, "/a");
		rc = http_send(scene.http, &request, &answer, &err);
		end_scene(&scene);
		assert_int_equal(rc, rc == 0 || !once ? 0 : -ERR_UNREACHABLE);
		assert_int_equal(scene.server.n_requests, rc == 0);
		assert_int_equal(answer.attempts, rc == 0 ? 2 : 1);
		assert_int_equal(err.retry, rc == 0 ? ERR_RETRY_NEVER : ERR_RETRY_IDEMPOTENT);
		release_scene(&scene);
	}
}

/* What an earlier attempt may have done counts, too. */
static void a_server_that_vanishes(void **state)
{
	const struct http_request idempotent = {.method = HTTP_PUT}, once = {.method = HTTP_POST, .repeat = HTTP_ONCE};
	const struct step *silent = STEPS({.end = STEP_CLOSE, .vanish = true});
	const struct step *failing = STEPS({.answer = SAID("500", ""), .end = STEP_CLOSE, .vanish = true});
	const struct step *busy = STEPS({.answer = SAID("429", ""), .end = STEP_CLOSE, .vanish = true});

	(void)state;
	check_send(silent, &idempotent, &(struct expected){-ERR_UNREACHABLE, 0, 4, 1, ERR_RETRY_IDEMPOTENT});
	check_send(failing, &idempotent, &(struct expected){-ERR_UNREACHABLE, 0, 4, 1, ERR_RETRY_IDEMPOTENT});
	check_send(busy, &idempotent, &(struct expected){-ERR_UNREACHABLE, 0, 4, 1, ERR_RETRY_SAFE});
	check_send(busy, &once, &(struct expected){-ERR_UNREACHABLE, 0, 4, 1, ERR_RETRY_SAFE});
	check_send(silent, &once, &(struct expected){-ERR_UNREACHABLE, 0, 1, 1, ERR_RETRY_IDEMPOTENT});
}

static void nobody_listens(void **state)
{
	(void)state;
	for (int once = 0; once < 2; once++) {
		owned(http_answer) struct http_answer answer = {0};
		struct http_request request = {.method = HTTP_POST, .repeat = once ? HTTP_ONCE : HTTP_IDEMPOTENT};
		struct err err = {0};
		struct scene scene;
		char wanted[300];

		open_scene(&scene, STEPS({.answer = OK_ANSWER}));
		server_stop(&scene.server);
		request.url = server_url(&scene.server, "/a?sig=SECRET&b=c");
		assert_int_equal(http_send(scene.http, &request, &answer, &err), -ERR_UNREACHABLE);
		snprintf(wanted, sizeof(wanted),
			 "cannot reach '127.0.0.1': Connection refused (POST http://127.0.0.1:%u/a?sig=REDACTED&b=c, "
			 "4 attempts, request %s)",
			 scene.server.port, answer.request_id);
		assert_string_equal(err.message, wanted);
		assert_int_equal(err.retry, ERR_RETRY_SAFE);
		assert_int_equal(answer.attempts, 4);
		http_free(scene.http);
		log_to_fd(-1, LOG_LEVEL_ERROR);
		close(scene.log[0]);
		close(scene.log[1]);
		release_scene(&scene);
	}
}

/* A connection that has served before ends when the next request has arrived. libcurl then
 * sends again by itself, which a request that must run once forbids. */
static void a_dead_connection_repeats_nothing(void **state)
{
	(void)state;
	for (int once = 0; once < 2; once++) {
		owned(http_answer) struct http_answer first = {0}, second = {0};
		struct http_request request = {.method = HTTP_GET};
		struct err err = {0};
		struct scene scene;
		int rc;

		open_scene(&scene, STEPS({.answer = OK_ANSWER}, {.end = STEP_CLOSE}, {.answer = OK_ANSWER}));
		request.url = server_url(&scene.server, "/a");
		assert_int_equal(http_send(scene.http, &request, &first, NULL), 0);
		request.method = HTTP_POST;
		request.body = "restore";
		request.body_len = 7;
		request.repeat = once ? HTTP_ONCE : HTTP_IDEMPOTENT;
		rc = http_send(scene.http, &request, &second, &err);
		end_scene(&scene);
		assert_int_equal(rc, once ? -ERR_UNREACHABLE : 0);
		assert_int_equal(count(&scene.server.seen, "restore"), once ? 1 : 2);
		assert_int_equal(scene.server.n_connections, 2);
		if (once)
			assert_int_equal(err.retry, ERR_RETRY_IDEMPOTENT);
		release_scene(&scene);
	}
}

static void idempotent_requests_share_a_connection(void **state)
{
	struct http_request request = {.method = HTTP_GET};
	struct scene scene;

	(void)state;
	open_scene(&scene, STEPS({.answer = OK_ANSWER}));
	request.url = server_url(&scene.server, "/a");
	for (int i = 0; i < 5; i++) {
		owned(http_answer) struct http_answer answer = {0};

		assert_int_equal(http_send(scene.http, &request, &answer, NULL), 0);
	}
	end_scene(&scene);
	assert_int_equal(scene.server.n_requests, 5);
	assert_int_equal(scene.server.n_connections, 1);
	release_scene(&scene);
}

static void pauses_are_what_answers_ask_for(void **state)
{
	static const struct {
		const char *answer, *said;	/* NULL: by the id */
	} cases[] = {
		{SAID("429", "Retry-After: 2\r\n"), "again in 2.000 s"},
		{SAID("503", "Retry-After: 0\r\n"), "again in 0.000 s"},
		{SAID("503", "Date: Tue, 24 Nov 2026 08:30:00 GMT\r\nRetry-After: Tue, 24 Nov 2026 08:30:07 GMT\r\n"),
		 "again in 7.000 s"},
		{SAID("503", "retry-after-ms: 1500\r\nRetry-After: 9\r\n"), "again in 1.500 s"},
		{SAID("500", "x-ms-retry-after-ms: 250\r\n"), "again in 0.250 s"},
		{SAID("500", ""), NULL},
		{SAID("503", "Retry-After: never\r\n"), NULL},
		{NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct step first = {.answer = cases[i].answer, .end = STEP_CLOSE};
		owned(http_answer) struct http_answer answer = {0};
		struct http_request request = {.method = HTTP_GET};
		struct scene scene;
		char said[40];

		open_scene(&scene, STEPS(first, {.answer = OK_ANSWER}));
		request.url = server_url(&scene.server, "/a");
		assert_int_equal(http_send(scene.http, &request, &answer, NULL), 0);
		snprintf(said, sizeof(said), "again in %.3f s", retry_backoff(1, answer.request_id));
		end_scene(&scene);
		if (!strstr(buf_text(&scene.logged), cases[i].said ? cases[i].said : said))
			fail_msg("case %zu: %s", i, buf_text(&scene.logged));
		assert_int_equal(count(&scene.logged, "again in"), 1);
		release_scene(&scene);
	}
}

static void an_answer_is_logged(void **state)
{
	owned(http_answer) struct http_answer answer = {0};
	struct http_request request = {.method = HTTP_DELETE};
	struct scene scene;
	char start[200], end[200];

	(void)state;
	open_scene(&scene, STEPS({.answer = SAID("204", "x-ms-request-id: abc\x01" "def\r\n")}));
	request.url = server_url(&scene.server, "/a?x=1&t=SECRET");
	assert_int_equal(http_send(scene.http, &request, &answer, NULL), 0);
	end_scene(&scene);
	snprintf(start, sizeof(start), "http: DELETE http://127.0.0.1:%u/a?x=1&t=REDACTED → 204, ",
		 scene.server.port);
	snprintf(end, sizeof(end), " ms, attempt 1, request %s, service request abc?def\n", answer.request_id);
	assert_non_null(strstr(buf_text(&scene.logged), start));
	assert_non_null(strstr(buf_text(&scene.logged), end));
	assert_int_equal(count(&scene.logged, "\n"), 1);
	release_scene(&scene);
}

static void send_secrets(struct scene *scene, struct err *err)
{
	static const struct http_header headers[] = {{"X-IDENTITY-HEADER", "SECRET-header"}, {NULL, NULL}};
	static const char body[] = "client_secret=SECRET-body";
	owned(secret) struct secret *bearer = NULL;
	owned(http_answer) struct http_answer answer = {0};
	struct http_request request = {
		.method = HTTP_POST, .headers = headers, .body = body, .body_len = strlen(body),
		.content_type = "text/plain", .flags = HTTP_SECRET,
	};

	assert_int_equal(secret_new("SECRET-bearer", 13, &bearer, NULL), 0);
	request.bearer = bearer;
	request.url = server_url(&scene->server, "/a?sig=SECRET-url");
	assert_int_equal(http_send(scene->http, &request, &answer, err), -ERR_PROTOCOL);
	assert_int_equal(answer.attempts, 4);
	assert_true(answer.body.wipe);
}

static void secrets_stand_in_no_log_and_no_error(void **state)
{
	static const struct step torn = {
		.answer = "HTTP/1.1 200 OK\r\nContent-Length: 99\r\nX: SECRET-answer-header\r\n\r\nSECRET-answer",
		.end = STEP_CLOSE,
	};
	struct err err = {0};
	struct scene scene;

	(void)state;
	open_scene(&scene, STEPS({.answer = SAID("503", "X: SECRET-answer-header\r\n"), .end = STEP_CLOSE},
				 {.end = STEP_RESET}, torn));
	send_secrets(&scene, &err);
	end_scene(&scene);
	assert_int_equal(count(&scene.server.seen, "Authorization: Bearer SECRET-bearer\r\n"), 4);
	assert_int_equal(count(&scene.server.seen, "X-IDENTITY-HEADER: SECRET-header\r\n"), 4);
	assert_int_equal(count(&scene.server.seen, "client_secret=SECRET-body"), 4);
	assert_int_equal(count(&scene.server.seen, "sig=SECRET-url"), 4);
	assert_int_equal(count(&scene.logged, "SECRET"), 0);
	assert_int_equal(count(&scene.logged, "\n"), 4);
	assert_null(strstr(err.message, "SECRET"));
	assert_null(strstr(err.hint, "SECRET"));
	release_scene(&scene);
}

static void what_must_not_be_sent(void **state)
{
	static const struct http_header two_lines[] = {{"X", "a\r\nY: b"}, {NULL, NULL}};
	static const struct http_header bad_name[] = {{"X: a\r\nY", "b"}, {NULL, NULL}};
	static const struct http_header no_name[] = {{"", "b"}, {NULL, NULL}};
	static const struct http_header no_value[] = {{"X", NULL}, {NULL, NULL}};
	owned(secret) struct secret *lines = NULL, *empty = NULL, *zero = NULL;
	struct scene scene;

	(void)state;
	secret_new("a\r\nX: b", 7, &lines, NULL);
	secret_new("", 0, &empty, NULL);
	secret_new("a\0b", 3, &zero, NULL);
	open_scene(&scene, STEPS({.answer = OK_ANSWER}));
	const struct http_request requests[] = {
		{.headers = two_lines}, {.headers = bad_name}, {.headers = no_name}, {.headers = no_value},
		{.content_type = "a\nb", .method = HTTP_PUT, .body = "", .body_len = 0},
		{.bearer = lines}, {.bearer = empty}, {.bearer = zero},
		{.body = "x", .body_len = 1}, {.body = "x", .body_len = 1, .method = HTTP_HEAD},
		{.url = "nonsense"}, {.url = "http://me@127.0.0.1/"}, {.url = "http://127.0.0.1/a b"},
	};

	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		owned(http_answer) struct http_answer answer = {0};
		struct http_request request = requests[i];
		struct err err = {0};

		if (!request.url)
			request.url = server_url(&scene.server, "/a");
		assert_int_equal(http_send(scene.http, &request, &answer, &err), -ERR_INVALID);
		assert_int_equal(err.retry, ERR_RETRY_NEVER);
		assert_int_equal(answer.attempts, 0);
		assert_int_equal(strlen(answer.request_id), 36);
	}
	end_scene(&scene);
	assert_int_equal(scene.server.n_connections, 0);
	assert_int_equal(scene.logged.len, 0);
	release_scene(&scene);
}

static void ids_differ(void **state)
{
	owned(http_answer) struct http_answer a = {0}, b = {0};
	struct http_request request = {.method = HTTP_GET};
	struct scene scene;

	(void)state;
	open_scene(&scene, STEPS({.answer = OK_ANSWER}));
	request.url = server_url(&scene.server, "/a");
	assert_int_equal(http_send(scene.http, &request, &a, NULL), 0);
	assert_int_equal(http_send(scene.http, &request, &b, NULL), 0);
	end_scene(&scene);
	assert_string_not_equal(a.request_id, b.request_id);
	release_scene(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_are_repeated_with_care),
		cmocka_unit_test(attempts_have_a_number),
		cmocka_unit_test(broken_connections),
		cmocka_unit_test(a_connection_that_ends_at_once),
		cmocka_unit_test(a_server_that_vanishes),
		cmocka_unit_test(nobody_listens),
		cmocka_unit_test(a_dead_connection_repeats_nothing),
		cmocka_unit_test(idempotent_requests_share_a_connection),
		cmocka_unit_test(pauses_are_what_answers_ask_for),
		cmocka_unit_test(an_answer_is_logged),
		cmocka_unit_test(secrets_stand_in_no_log_and_no_error),
		cmocka_unit_test(what_must_not_be_sent),
		cmocka_unit_test(ids_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
