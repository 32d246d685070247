/* SPDX-License-Identifier: Apache-2.0 */
/* Many callers at once, and callers that stop to wait. */
#include "server.h"

#include <dirent.h>
#include <math.h>
#include <netdb.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/wait.h>

#include "base/cancel.h"
#include "base/clock.h"

#define must(condition)                                                        \
	do {                                                                   \
		if (!(condition))                                              \
			_exit(__LINE__ % 200 + 2);                             \
	} while (0)

#define BUSY(headers) "HTTP/1.1 503 Busy\r\n" headers "Content-Length: 0\r\n\r\n"

enum { ANY = 99 };

/* One http_send() in a process of its own, in which steps raise signals. */
struct cancel_case {
	struct step step;
	double scale;
	int64_t deadline_ms;	/* from now, 0 = none */
	int rc;
	unsigned retry, attempts, status;	/* ANY where it depends on who is faster */
};

static bool is(unsigned value, unsigned wanted)
{
	return wanted == ANY || value == wanted;
}

static void run_case(const void *argument)
{
	const struct cancel_case *c = argument;
	const struct http_settings settings = {.allow_loopback = true, .pause_scale = c->scale};
	const struct step steps[] = {c->step, {.none = true}};
	struct http_request request = {.method = HTTP_PUT, .body = "x", .body_len = 1};
	struct http_answer answer = {0}, none = {0};
	struct err err = {0};
	struct http *http = NULL;
	struct server server;

	must(http_new(&settings, &http, NULL) == 0);
	server_start(&server, steps, NULL);
	request.url = server_url(&server, "/");
	cancel_install(c->deadline_ms ? clock_now_ms() + c->deadline_ms : 0);
	must(http_send(http, &request, &answer, &err) == c->rc);
	must((int)err.code == -c->rc);
	must(is(err.retry, c->retry));
	must(is(answer.attempts, c->attempts));
	must(is(answer.status, c->status));
	/* Who is cancelled sends nothing more. */
	if (c->rc < 0 && c->rc != -ERR_UNREACHABLE) {
		must(http_send(http, &request, &none, &err) == c->rc);
		must(err.retry == ERR_RETRY_SAFE && none.attempts == 0);
		must(http_pause(http, 1e9, &err) == c->rc);
	}
	http_answer_release(&answer);
	http_answer_release(&none);
	http_free(http);
	server_stop(&server);
	server_release(&server);
	_exit(0);
}

/* cancel_install() cannot be taken back. */
static void in_a_child(void (*run)(const void *argument), const void *argument, size_t i)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		alarm(120);
		run(argument);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		fail_msg("case %zu: status %x", i, (unsigned)status);
}

static void waits_end_when_cancelled(void **state)
{
	static const struct cancel_case cases[] = {
		{{.end = STEP_HOLD, .raise = SIGINT}, 1, 0, -ERR_INTERRUPTED, ERR_RETRY_IDEMPOTENT, 1, 0},
		{{.answer = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab", .end = STEP_HOLD, .raise = SIGTERM},
		 1, 0, -ERR_TERMINATED, ERR_RETRY_IDEMPOTENT, 1, ANY},
		{{.answer = BUSY("Retry-After: 3000\r\n"), .end = STEP_HOLD, .raise = SIGINT},
		 1, 0, -ERR_INTERRUPTED, ANY, 1, ANY},
		{{.answer = BUSY(""), .end = STEP_HOLD, .raise = SIGINT},
		 1000, 0, -ERR_INTERRUPTED, ERR_RETRY_IDEMPOTENT, 1, ANY},
		{{.end = STEP_HOLD}, 1, 100, -ERR_TIMEOUT, ANY, ANY, 0},
		{{.end = STEP_HOLD}, 1, -1, -ERR_TIMEOUT, ERR_RETRY_SAFE, 0, 0},
		/* What cannot be waited for comes back at once. */
		{{.answer = BUSY("Retry-After: 7200\r\n")}, 1, 3600000, 0, ERR_RETRY_NEVER, 1, 503},
		{{.answer = BUSY("Retry-After: 4000000000\r\n")}, 1, 0, 0, ERR_RETRY_NEVER, 1, 503},
		{{.answer = BUSY("")}, 1000, 300000, 0, ERR_RETRY_NEVER, 1, 503},
		{{.end = STEP_CLOSE}, 1000, 300000, -ERR_UNREACHABLE, ERR_RETRY_IDEMPOTENT, 1, 0},
		{{.answer = BUSY("Retry-After: 3000\r\n")}, 1e-6, 3600000, 0, ERR_RETRY_NEVER, 4, 503},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		in_a_child(run_case, &cases[i], i);
}

/* Names are resolved by libcurl in threads; "slow" takes until the test says so. */
static int slow_asked = -1, slow_answer = -1;

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **ret)
{
	uint64_t count = 1;

	(void)service;
	(void)hints;
	(void)ret;
	if (strcmp(name, "slow.invalid") != 0)
		return EAI_NONAME;
	(void)!write(slow_asked, &count, sizeof(count));
	(void)!read(slow_answer, &count, sizeof(count));
	return EAI_NONAME;
}

static void *interrupt_when_asked(void *argument)
{
	uint64_t count;

	(void)argument;
	(void)!read(slow_asked, &count, sizeof(count));
	kill(getpid(), SIGINT);
	return NULL;
}

static void cancel_while_resolving(const void *argument)
{
	struct http_request request = {.method = HTTP_POST, .url = "https://slow.invalid/", .repeat = HTTP_ONCE};
	struct http_answer slow = {0}, fast = {0};
	struct http *http = server_client(NULL);
	struct err err = {0};
	struct server server;
	pthread_t thread;
	uint64_t one = 1;
	sigset_t interrupt;

	(void)argument;
	server_start(&server, STEPS({.answer = OK_ANSWER}), NULL);
	slow_asked = eventfd(0, EFD_CLOEXEC);
	slow_answer = eventfd(0, EFD_CLOEXEC);
	cancel_install(0);
	/* Another thread takes the signal: no system call of this one is interrupted. */
	must(pthread_create(&thread, NULL, interrupt_when_asked, NULL) == 0);
	sigemptyset(&interrupt);
	sigaddset(&interrupt, SIGINT);
	pthread_sigmask(SIG_BLOCK, &interrupt, NULL);
	must(http_send(http, &request, &slow, &err) == -ERR_INTERRUPTED);
	must(err.retry == ERR_RETRY_SAFE && slow.attempts == 1);
	pthread_join(thread, NULL);
	/* The name still has no answer: others are not held up. */
	cancel_install(0);
	request.url = server_url(&server, "/");
	must(http_send(http, &request, &fast, NULL) == 0 && fast.status == 200);
	must(write(slow_answer, &one, sizeof(one)) == sizeof(one));
	http_answer_release(&slow);
	http_answer_release(&fast);
	http_free(http);
	server_stop(&server);
	server_release(&server);
	_exit(0);
}

static void a_slow_name_holds_up_nobody(void **state)
{
	(void)state;
	in_a_child(cancel_while_resolving, NULL, 0);
}

static void a_name_that_is_none(void **state)
{
	struct http *http = server_client(NULL);
	struct http_request request = {.method = HTTP_GET, .url = "https://no-such.invalid/"};
	owned(http_answer) struct http_answer answer = {0};
	struct err err = {0};

	(void)state;
	assert_int_equal(http_send(http, &request, &answer, &err), -ERR_UNREACHABLE);
	assert_int_equal(err.retry, ERR_RETRY_SAFE);
	assert_int_equal(answer.attempts, 4);
	assert_non_null(strstr(err.message, "cannot reach 'no-such.invalid': Could not resolve host"));
	http_free(http);
}

struct caller {
	struct http *http;
	const struct server *server;
	unsigned number, wrong;
	enum http_repeat repeat;
	int requests;
	pthread_t thread;
};

static void *call(void *argument)
{
	struct caller *c = argument;

	for (int i = 0; i < c->requests; i++) {
		owned(http_answer) struct http_answer answer = {0};
		struct http_request request = {.method = HTTP_PUT, .body = "x", .body_len = 1, .repeat = c->repeat};
		char path[60];

		snprintf(path, sizeof(path), "/caller/%u/request/%d", c->number, i);
		request.url = server_url(c->server, path);
		if (http_send(c->http, &request, &answer, NULL) < 0 || strcmp(buf_text(&answer.body), path) != 0)
			c->wrong++;
	}
	return NULL;
}

static void callers_get_their_own_answers(void **state)
{
	enum { CALLERS = 16 };

	(void)state;
	for (int once = 0; once < 2; once++) {
		const struct caller like = {.requests = once ? 3 : 50, .repeat = once ? HTTP_ONCE : HTTP_IDEMPOTENT};
		struct caller callers[CALLERS];
		struct http *http = server_client(NULL);
		struct server server;

		server_start(&server, STEPS({.answer = "echo"}), NULL);
		for (unsigned i = 0; i < CALLERS; i++) {
			callers[i] = like;
			callers[i].http = http;
			callers[i].server = &server;
			callers[i].number = i;
			assert_int_equal(pthread_create(&callers[i].thread, NULL, call, &callers[i]), 0);
		}
		for (unsigned i = 0; i < CALLERS; i++) {
			pthread_join(callers[i].thread, NULL);
			assert_int_equal(callers[i].wrong, 0);
		}
		http_free(http);
		server_stop(&server);
		assert_int_equal(server.n_requests, like.requests * CALLERS);
		if (once)
			assert_int_equal(server.n_connections, server.n_requests);
		server_release(&server);
	}
}

/* The kernel forgets a thread a moment after it was joined. */
#define assert_soon(condition)                                                 \
	do {                                                                   \
		int64_t end_ = clock_now_ms() + 10000;                         \
		while (!(condition) && clock_now_ms() < end_)                  \
			sched_yield();                                         \
		assert_true(condition);                                        \
	} while (0)

static size_t count_entries(const char *folder)
{
	DIR *dir = opendir(folder);
	size_t n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static size_t threads_at_start;

static void nothing_is_left_behind(void **state)
{
	size_t files;

	(void)state;
	/* What libcurl and OpenSSL open once. */
	http_free(server_client(NULL));
	files = count_entries("/proc/self/fd");
	for (int i = 0; i < 20; i++) {
		struct http *http = server_client(NULL);
		struct http_request request = {.method = HTTP_GET};
		struct server server;

		server_start(&server, STEPS({.answer = OK_ANSWER}), NULL);
		request.url = server_url(&server, "/");
		for (int j = 0; j < 3; j++) {
			owned(http_answer) struct http_answer answer = {0};

			assert_int_equal(http_send(http, &request, &answer, NULL), 0);
		}
		http_free(http);
		server_stop(&server);
		server_release(&server);
	}
	assert_int_equal(count_entries("/proc/self/fd"), files);
	/* A sanitizer may have started one of its own. */
	assert_soon(count_entries("/proc/self/task") <= threads_at_start + 1);
}

/* Threads of this process that would take the signal. */
static size_t takers(int signal_number)
{
	DIR *dir = opendir("/proc/self/task");
	size_t n = 0;

	for (struct dirent *e; (e = readdir(dir));) {
		char path[300], line[200];
		FILE *file;

		snprintf(path, sizeof(path), "/proc/self/task/%s/status", e->d_name);
		file = *e->d_name == '.' ? NULL : fopen(path, "re");
		while (file && fgets(line, sizeof(line), file))
			if (strncmp(line, "SigBlk:", 7) == 0)
				n += !(strtoull(line + 7, NULL, 16) >> (signal_number - 1) & 1);
		if (file)
			fclose(file);
	}
	closedir(dir);
	return n;
}

static void the_thread_takes_no_signals(void **state)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGPIPE, SIGHUP, SIGCHLD, SIGWINCH, SIGALRM, SIGUSR1, SIGTSTP};
	struct http *http = server_client(NULL);
	sigset_t mask;

	(void)state;
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		assert_soon(takers(signals[i]) == 1);
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	assert_false(sigismember(&mask, SIGINT));
	http_free(http);
}

static void settings_are_checked(void **state)
{
	static const struct {
		struct http_settings settings;
		int rc;
	} cases[] = {
		{{.user_agent = "hsmctl/1 (x)"}, 0},
		{{.user_agent = NULL, .pause_scale = 1}, 0},
		{{.pause_scale = 0.5}, -ERR_INVALID},
		{{.pause_scale = 2}, -ERR_INVALID},
		{{.pause_scale = 0.5, .allow_loopback = true}, 0},
		{{.pause_scale = -1, .allow_loopback = true}, -ERR_INVALID},
		{{.pause_scale = NAN, .allow_loopback = true}, -ERR_INVALID},
		{{.pause_scale = INFINITY, .allow_loopback = true}, -ERR_INVALID},
		{{.user_agent = "a\r\nX: y"}, -ERR_INVALID},
		{{.ca_file = "/none/such.pem"}, -ERR_NOT_FOUND},
		{{.ca_file = "/dev/null/such.pem"}, -ERR_IO},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct http *http = NULL;

		assert_int_equal(http_new(&cases[i].settings, &http, NULL), cases[i].rc);
		assert_int_equal(!http, cases[i].rc < 0);
		http_free(http);
	}
}

static void pauses_pass(void **state)
{
	const struct http_settings quick = {.allow_loopback = true, .pause_scale = 1e-9};
	static const double seconds[] = {0, -1, -1e300, 0.1, 1, 1e6};
	struct http *http = NULL;

	(void)state;
	assert_int_equal(http_new(&quick, &http, NULL), 0);
	for (size_t i = 0; i < sizeof(seconds) / sizeof(seconds[0]); i++)
		assert_int_equal(http_pause(http, seconds[i], NULL), 0);
	assert_int_equal(http_pause(http, NAN, NULL), 0);
	http_free(http);
}

static int make_and_send(const struct server *server)
{
	const struct http_settings settings = {.user_agent = "a/1", .allow_loopback = true, .pause_scale = 1e-9};
	static const struct http_header headers[] = {{"X", "y"}, {NULL, NULL}};
	struct http_request request = {.method = HTTP_POST, .headers = headers, .body = "x", .body_len = 1};
	owned(http_answer) struct http_answer answer = {0};
	owned(http) struct http *http = NULL;
	int rc = http_new(&settings, &http, NULL);

	request.url = server_url(server, "/");
	return rc < 0 ? rc : http_send(http, &request, &answer, NULL);
}

static void memory_runs_out(void **state)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 100\r\n\r\n";
	struct server server;

	(void)state;
	server_start(&server, STEPS({.answer = head, .fill = 100}), NULL);
	/* The server's own notes must not be what fails. */
	assert_non_null(buf_reserve(&server.seen, 4 << 20));
	assert_survives_no_memory(make_and_send(&server));
	server_stop(&server);
	server_release(&server);
	http_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		/* First, while this process has one thread: they fork. */
		cmocka_unit_test(waits_end_when_cancelled),
		cmocka_unit_test(a_slow_name_holds_up_nobody),
		cmocka_unit_test(a_name_that_is_none),
		cmocka_unit_test(callers_get_their_own_answers),
		cmocka_unit_test(nothing_is_left_behind),
		cmocka_unit_test(the_thread_takes_no_signals),
		cmocka_unit_test(settings_are_checked),
		cmocka_unit_test(pauses_pass),
		cmocka_unit_test(memory_runs_out),
	};

	threads_at_start = count_entries("/proc/self/task");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
