/* SPDX-License-Identifier: Apache-2.0 */
#include "temp.h"

#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/cred.h"

static void references(void **state)
{
	static const char *const good[] = {"file:x", "env:X", "exec:x", "exec:[\"vault\",\"read\"]",
					   "prompt:", NULL};
	static const char *const bad[] = {"", "file:", "env:", "exec:", "prompt", "prompt:x", "1234",
					  "File:x", " file:x", "pin:secret", NULL};

	(void)state;
	for (int i = 0; good[i]; i++)
		assert_int_equal(cred_check(good[i], NULL), 0);
	for (int i = 0; bad[i]; i++) {
		struct err err = {0};
		struct secret *none = NULL;

		assert_int_equal(cred_check(bad[i], &err), -ERR_INVALID);
		assert_true(strlen(err.hint) > 0);
		assert_int_equal(cred_read(bad[i], "PIN", &none, NULL), -ERR_INVALID);
	}
}

/* Somebody types the PIN itself where a reference belongs. */
static void a_pin_in_the_wrong_place_is_not_repeated(void **state)
{
	struct err err = {0};

	(void)state;
	assert_int_equal(cred_check("81727364", &err), -ERR_INVALID);
	assert_null(strstr(err.message, "8172"));
	assert_null(strstr(err.hint, "8172"));
}

static int read_from(const char *prefix, const char *rest, struct secret **ret, struct err *err)
{
	owned(mem) char *reference = mem_printf("%s%s", prefix, rest);

	return reference ? cred_read(reference, "PIN of 'x'", ret, err) : -ERR_NO_MEMORY;
}

static void files(void **state)
{
	static const struct {
		const char *text;
		int code;
	} cases[] = {
		{"1234", 0}, {"1234\n", 0}, {"1234\nsecond line\n", 0},
		{"", ERR_FAILED}, {"\n", ERR_FAILED}, {"\n1234\n", ERR_FAILED},
	};
	const char *path = in(*state, "pin");
	struct err err = {0};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		owned(secret) struct secret *s = NULL;

		file_write(path, cases[i].text, strlen(cases[i].text), 0600, NULL);
		assert_int_equal(read_from("file:", path, &s, &err), -cases[i].code);
		if (s)
			assert_string_equal(s->data, "1234");
		else
			assert_non_null(strstr(err.message, "PIN of 'x'"));
	}
	struct secret *none = NULL;

	file_write(path, "1234", 4, 0640, NULL);
	assert_int_equal(read_from("file:", path, &none, &err), -ERR_DENIED);
	assert_int_equal(err.code, ERR_DENIED);
	assert_true(strlen(err.hint) > 0);
	assert_int_equal(read_from("file:", path, &none, NULL), -ERR_DENIED);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(read_from("file:", path, &none, &err), -ERR_NOT_FOUND);
	assert_null(none);
}

static void too_much_is_no_secret(void **state)
{
	char text[5000];
	struct secret *none = NULL;

	memset(text, 'x', sizeof(text));
	file_write(in(*state, "pin"), text, sizeof(text), 0600, NULL);
	assert_int_equal(read_from("file:", in(*state, "pin"), &none, NULL), -ERR_INVALID);
	file_write(in(*state, "prog"), "#!/bin/sh\nprintf %05000d 7\n", 26, 0700, NULL);
	assert_int_equal(read_from("exec:", in(*state, "prog"), &none, NULL), -ERR_FAILED);
	assert_null(none);
}

static void environment(void **state)
{
	owned(secret) struct secret *s = NULL;
	struct secret *none = NULL;

	(void)state;
	setenv("HSMCTL_TEST_PIN", "1234", 1);
	assert_int_equal(cred_read("env:HSMCTL_TEST_PIN", "PIN", &s, NULL), 0);
	assert_string_equal(s->data, "1234");
	setenv("HSMCTL_TEST_PIN", "", 1);
	assert_int_equal(cred_read("env:HSMCTL_TEST_PIN", "PIN", &none, NULL), -ERR_NOT_FOUND);
	unsetenv("HSMCTL_TEST_PIN");
	assert_int_equal(cred_read("env:HSMCTL_TEST_PIN", "PIN", &none, NULL), -ERR_NOT_FOUND);
}

static void programs(void **state)
{
	static const struct {
		const char *script;
		int code;
	} cases[] = {
		{"#!/bin/sh\necho 1234\necho more\n", 0},
		{"#!/bin/sh\nprintf 1234; echo noise >&2\n", 0},
		{"#!/bin/sh\nexit 0\n", ERR_FAILED},
		{"#!/bin/sh\necho 1234; exit 3\n", ERR_FAILED},
		{"#!/bin/sh\necho 1234; kill -9 $$\n", ERR_FAILED},
	};
	const char *path = in(*state, "prog");
	struct secret *none = NULL;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		owned(secret) struct secret *s = NULL;
		struct err err = {0};

		file_write(path, cases[i].script, strlen(cases[i].script), 0700, NULL);
		assert_int_equal(read_from("exec:", path, &s, &err), -cases[i].code);
		if (s)
			assert_string_equal(s->data, "1234");
		assert_null(strstr(err.message, "1234"));
	}
	assert_int_equal(cred_read("exec:no-such-program-anywhere", "PIN", &none, NULL), -ERR_MISSING);
	/* No words are split, no shell looks at it. */
	assert_int_equal(cred_read("exec:echo 1234", "PIN", &none, NULL), -ERR_MISSING);
}

/* In a child whose terminal is the other end of a pty. Ends with 0 when the
 * answer was "1234", otherwise with the error code. */
static void ask(int terminal, int64_t deadline_ms)
{
	struct secret *s = NULL;
	int rc;

	setsid();
	ioctl(terminal, TIOCSCTTY, 0);
	cancel_install(deadline_ms);
	rc = cred_read("prompt:", "PIN of 'x'", &s, NULL);
	_exit(rc < 0 ? -rc : strcmp((char *)s->data, "1234") == 0 ? 0 : 99);
}

/* Read from the terminal's other end until text was seen. */
static bool expect(int fd, const char *text, char *seen, size_t room)
{
	size_t len = 0;

	while (len < room - 1) {
		ssize_t n = read(fd, seen + len, 1);

		if (n <= 0)
			return false;
		seen[++len] = 0;
		if (strstr(seen, text))
			return true;
	}
	return false;
}

static void prompts(void **state)
{
	static const struct {
		const char *typed;
		int64_t deadline_ms;	/* from now, 0 = none */
		int status;
	} cases[] = {
		{"1234\n", 0, 0},
		{"12\x7f" "234\n", 0, 0},	/* with a correction */
		{"\n", 0, ERR_FAILED},
		{"\x04", 0, ERR_FAILED},	/* end of input */
		{"\x03", 0, ERR_INTERRUPTED},	/* Ctrl-C */
		{"", 30, ERR_TIMEOUT},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t deadline = cases[i].deadline_ms ? clock_now_ms() + cases[i].deadline_ms : 0;
		struct termios after;
		char seen[200];
		int master, terminal, status;
		pid_t child;

		assert_int_equal(openpty(&master, &terminal, NULL, NULL, NULL), 0);
		child = fork();
		if (child == 0) {
			close(master);
			ask(terminal, deadline);
		}
		assert_true(expect(master, "PIN of 'x': ", seen, sizeof(seen)));
		/* The prompt is written before the echo is off. */
		do
			tcgetattr(terminal, &after);
		while (after.c_lflag & ECHO && *cases[i].typed);
		assert_int_equal(write(master, cases[i].typed, strlen(cases[i].typed)),
				 (ssize_t)strlen(cases[i].typed));
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), cases[i].status);
		assert_int_equal(tcgetattr(terminal, &after), 0);
		assert_true(after.c_lflag & ECHO);
		assert_true(expect(master, "\n", seen, sizeof(seen)));
		assert_null(strstr(seen, "1"));
		close(master);
		close(terminal);
	}
}

static void a_prompt_needs_a_terminal(void **state)
{
	int status;
	pid_t child = fork();

	(void)state;
	if (child == 0) {
		struct secret *none = NULL;
		struct err err = {0};
		int rc;

		setsid();
		rc = cred_read("prompt:", "PIN", &none, &err);
		_exit(rc == -ERR_DENIED && *err.hint ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static int once(const char *prefix, const char *path)
{
	owned(secret) struct secret *s = NULL;

	return read_from(prefix, path, &s, NULL);
}

static void memory_runs_out(void **state)
{
	file_write(in(*state, "pin"), "1234\n", 5, 0600, NULL);
	assert_survives_no_memory(once("file:", in(*state, "pin")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(references),
		cmocka_unit_test(a_pin_in_the_wrong_place_is_not_repeated),
		temp_test(files),
		temp_test(too_much_is_no_secret),
		cmocka_unit_test(environment),
		temp_test(programs),
		cmocka_unit_test(prompts),
		cmocka_unit_test(a_prompt_needs_a_terminal),
		temp_test(memory_runs_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
