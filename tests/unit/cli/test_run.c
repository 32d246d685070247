/* SPDX-License-Identifier: Apache-2.0 */
/* Lines that are run: status, result on stdout, talk on stderr. */
#include "sample.h"

#include <fcntl.h>
#include <pty.h>
#include <unistd.h>

#include "base/buf.h"

/* stdout and stderr of what runs between begin and end, as text. */
struct capture {
	int saved[2], files[2];
	char text[2][4096];
};

static void begin(struct capture *c)
{
	memset(c, 0, sizeof(*c));
	fflush(NULL);
	for (int i = 0; i < 2; i++) {
		c->saved[i] = fcntl(i + 1, F_DUPFD_CLOEXEC, 10);
		c->files[i] = fileno(tmpfile());
		dup2(c->files[i], i + 1);
	}
}

static void end(struct capture *c)
{
	fflush(NULL);
	for (int i = 0; i < 2; i++) {
		dup2(c->saved[i], i + 1);
		close(c->saved[i]);
		assert_true(pread(c->files[i], c->text[i], sizeof(c->text[i]) - 1, 0) >= 0);
		close(c->files[i]);
	}
}

static int run(struct capture *c, const char *line)
{
	const struct cli_globals defaults = {.progress = CLI_PROGRESS_NEVER};
	char text[256], *words[SAMPLE_WORDS];
	int count, status;

	snprintf(text, sizeof(text), "%s", line);
	count = sample_split(text, words);
	begin(c);
	status = cli_run_line(sample_groups, &defaults, count, words);
	end(c);
	return status;
}

static void test_status_follows_the_code(void **state)
{
	(void)state;
	for (enum err_code code = ERR_OK; code < ERR_MAX; code++) {
		/* No --timeout ran out here: a wait of our own was too short. */
		int expected = err_exit_status(code == ERR_TIMEOUT ? ERR_UNREACHABLE : code);
		struct capture c;

		sample_emits = false;
		sample_result = -(int)code;
		assert_int_equal(run(&c, "sample create a"), expected);
		assert_string_equal(c.text[0], "");
		assert_string_equal(c.text[1], code ? "hsmctl: sample failed\n" : "");
		sample_emits = true;
		assert_int_equal(run(&c, "-o json sample create a"), expected);
		assert_non_null(strstr(c.text[0], "\"schema\":\"hsmctl/sample/v1\""));
		assert_null(strstr(c.text[0], "hsmctl/error/v1"));
		assert_ptr_equal(strchr(c.text[0], '\n'), c.text[0] + strlen(c.text[0]) - 1);
	}
	sample_result = 0;
}

static void test_error_documents(void **state)
{
	static const struct {
		const char *line, *document;
	} rows[] = {
		{"-o json sample create a",
		 "{\"schema\":\"hsmctl/error/v1\",\"error\":{\"code\":\"locked\",\"message\":\"sample failed\",\"hint\":null}}\n"},
		{"sample create --forse a -o json",
		 "{\"schema\":\"hsmctl/error/v1\",\"error\":{\"code\":\"usage\",\"message\":\"unknown option '--forse'\","
		 "\"hint\":\"did you mean '--force'? see 'hsmctl sample create --help'\"}}\n"},
		{"sample create --forse a", ""},
	};

	(void)state;
	sample_emits = false;
	sample_result = -ERR_LOCKED;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct capture c;

		assert_true(run(&c, rows[i].line) != 0);
		assert_string_equal(c.text[0], rows[i].document);
		assert_ptr_equal(strstr(c.text[1], "hsmctl: "), c.text[1]);
	}
	sample_result = 0;
}

static void test_groups_are_found(void **state)
{
	static const struct {
		const char *line;
		int status;
		const char *said;
	} rows[] = {
		{"check a", 0, ""},
		{"-q check a", 0, ""},
		{"samples create a", 2, "hsmctl: no command 'samples' (did you mean 'sample'? see 'help')\n"},
		{"zzz", 2, "hsmctl: no command 'zzz' (see 'help')\n"},
		{"-q", 2, "hsmctl: no command given (see 'help')\n"},
		{"--nope check", 2, "hsmctl: unknown option '--nope'\n"},
	};

	(void)state;
	sample_emits = false;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct capture c;

		assert_int_equal(run(&c, rows[i].line), rows[i].status);
		assert_string_equal(c.text[1], rows[i].said);
	}
}

static void test_each_line_is_fresh(void **state)
{
	struct capture c;

	(void)state;
	assert_int_equal(run(&c, "sample create -f -m x a"), 0);
	assert_int_equal(sample_seen.members.count, 1);
	assert_int_equal(run(&c, "sample create a"), 0);
	assert_int_equal(sample_seen.members.count, 0);
	assert_false(sample_seen.force);
}

static void test_a_full_disk_is_told(void **state)
{
	const struct cli_globals defaults = {.output = CLI_TABLE};
	char *words[] = {(char *)"sample", (char *)"create", (char *)"a", NULL};
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC), saved, status;
	struct capture c;

	(void)state;
	assert_true(full >= 0);
	sample_emits = true;
	begin(&c);
	saved = fcntl(1, F_DUPFD_CLOEXEC, 10);
	dup2(full, 1);
	status = cli_run_line(sample_groups, &defaults, 3, words);
	dup2(saved, 1);
	end(&c);
	close(saved);
	close(full);
	assert_int_equal(status, 1);
	assert_non_null(strstr(c.text[1], "cannot write to stdout: No space left"));
}

static void test_confirmation(void **state)
{
	struct cli cli = {.globals = {.yes = true}};
	struct err err = {0};
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC), saved = fcntl(0, F_DUPFD_CLOEXEC, 10);

	(void)state;
	assert_int_equal(cli_confirm(&cli, "destroy it?", NULL, &err), 0);
	cli.globals.yes = false;
	dup2(null, 0);
	assert_int_equal(cli_confirm(&cli, "destroy it?", NULL, &err), -ERR_CONFIRM);
	dup2(saved, 0);
	close(saved);
	close(null);
	assert_string_equal(err.message, "nobody to ask: destroy it?");
	assert_string_equal(err.hint, "give --yes if that is meant");
}

/* Answer a question on a terminal of our own. */
static int answer(const char *word, const char *typed, struct err *err)
{
	struct cli cli = {.globals = {.yes = false}};
	int saved[3] = {fcntl(0, F_DUPFD_CLOEXEC, 10), -1, fcntl(2, F_DUPFD_CLOEXEC, 10)};
	int master, slave, r;

	assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
	assert_int_equal(write(master, typed, strlen(typed)), strlen(typed));
	for (int fd = 0; fd <= 2; fd += 2)
		dup2(slave, fd);
	r = cli_confirm(&cli, "destroy it?", word, err);
	for (int fd = 0; fd <= 2; fd += 2) {
		dup2(saved[fd], fd);
		close(saved[fd]);
	}
	close(slave);
	close(master);
	return r;
}

static void test_answers(void **state)
{
	static const struct {
		const char *word, *typed;
		int result;
	} rows[] = {
		{NULL, "y\n", 0}, {NULL, "yes\n", 0}, {NULL, "\n", -ERR_FAILED},
		{NULL, "n\n", -ERR_FAILED}, {NULL, "yessir\n", -ERR_FAILED}, {NULL, "\004", -ERR_FAILED},
		{"east", "east\n", 0}, {"east", "y\n", -ERR_FAILED}, {"east", "easter\n", -ERR_FAILED},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct err err = {0};

		assert_int_equal(answer(rows[i].word, rows[i].typed, &err), rows[i].result);
	}
}

static void test_store_url(void **state)
{
	struct cli cli = {.globals = {.store = "/s"}};

	(void)state;
	assert_string_equal(cli_store_url(&cli), "/s");
	cli.globals.store = NULL;
	setenv("XDG_STATE_HOME", "/x", 1);
	assert_string_equal(cli_store_url(&cli), geteuid() == 0 ? "/var/lib/hsmctl" : "/x/hsmctl");
}

static void test_state_path(void **state)
{
	char path[64];

	(void)state;
	setenv("HOME", "/h", 1);
	setenv("XDG_STATE_HOME", "/x", 1);
	cli_state_path("f", path, sizeof(path));
	assert_string_equal(path, "/x/f");
	setenv("XDG_STATE_HOME", "relative", 1);
	cli_state_path("f", path, sizeof(path));
	assert_string_equal(path, "/h/.local/state/f");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_status_follows_the_code),
		cmocka_unit_test(test_error_documents),
		cmocka_unit_test(test_groups_are_found),
		cmocka_unit_test(test_each_line_is_fresh),
		cmocka_unit_test(test_a_full_disk_is_told),
		cmocka_unit_test(test_confirmation),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_store_url),
		cmocka_unit_test(test_state_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
