/* SPDX-License-Identifier: Apache-2.0 */
/* Command lines into structs, and what is said about wrong ones. */
#include "sample.h"

#include "cli/globals.h"
#include "cli/parse.h"

struct parsed {
	struct cli cli;
	struct err err;
	char text[512];
	char *words[SAMPLE_WORDS];
	void *args;
	int status;
};

static void parse(struct parsed *p, const struct cli_group *group, bool environment, const char *line)
{
	int count;

	memset(p, 0, sizeof(*p));
	snprintf(p->text, sizeof(p->text), "%s", line);
	count = sample_split(p->text, p->words);
	p->status = cli_parse(&p->cli, group, environment, count, p->words, &p->args, &p->err);
}

static void release(struct parsed *p)
{
	free(p->args);
}

static void test_good_lines(void **state)
{
	static const struct {
		const char *line, *label, *name;
		size_t members, rest;
		int64_t count, wait;
		unsigned type;
		bool force, yes, json;
	} rows[] = {
		{"create a", NULL, "a", 0, 0, 3, 2000, 1, false, false, false},
		{"create --label x a", "x", "a", 0, 0, 3, 2000, 1, false, false, false},
		{"create --label=x a", "x", "a", 0, 0, 3, 2000, 1, false, false, false},
		{"create --label= a", "", "a", 0, 0, 3, 2000, 1, false, false, false},
		{"create -lx a", "x", "a", 0, 0, 3, 2000, 1, false, false, false},
		{"create -l x a", "x", "a", 0, 0, 3, 2000, 1, false, false, false},
		{"create -l -f a", "-f", "a", 0, 0, 3, 2000, 1, false, false, false},
		{"create a -f -lx", "x", "a", 0, 0, 3, 2000, 1, true, false, false},
		{"create -fylx a", "x", "a", 0, 0, 3, 2000, 1, true, true, false},
		{"-o json create a", NULL, "a", 0, 0, 3, 2000, 1, false, false, true},
		{"-yojson create a", NULL, "a", 0, 0, 3, 2000, 1, false, true, true},
		{"--output=json create a --yes", NULL, "a", 0, 0, 3, 2000, 1, false, true, true},
		{"create a --output json -f", NULL, "a", 0, 0, 3, 2000, 1, true, false, true},
		{"-o json create a -o table", NULL, "a", 0, 0, 3, 2000, 1, false, false, false},
		{"-o create create a -ojson", NULL, NULL, 0, 0, 0, 0, 0, false, false, false},
		{"create -m a -m b --member c d e f", NULL, "d", 3, 2, 3, 2000, 1, false, false, false},
		{"create -n 9 --wait 1.5m -t ec-p256 a", NULL, "a", 0, 0, 9, 90000, 2, false, false, false},
		{"create -- --label a", NULL, "--label", 0, 1, 3, 2000, 1, false, false, false},
		{"create - a", NULL, "-", 0, 1, 3, 2000, 1, false, false, false},
		{"create create", NULL, "create", 0, 0, 3, 2000, 1, false, false, false},
		{"create --label create create", "create", "create", 0, 0, 3, 2000, 1, false, false, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct parsed p;
		const struct sample_args *a;

		parse(&p, &sample_group, false, rows[i].line);
		if (!rows[i].name) {
			assert_int_equal(p.status, -ERR_USAGE);
			continue;
		}
		if (p.status)
			fail_msg("'%s': %s", rows[i].line, p.err.message);
		a = p.args;
		assert_ptr_equal(p.cli.command, &create_command);
		assert_string_equal(a->name, rows[i].name);
		assert_int_equal(a->label == NULL, rows[i].label == NULL);
		if (a->label)
			assert_string_equal(a->label, rows[i].label);
		assert_int_equal(a->members.count, rows[i].members);
		assert_int_equal(a->rest.count, rows[i].rest);
		assert_int_equal(a->count, rows[i].count);
		assert_int_equal(a->wait, rows[i].wait);
		assert_int_equal(a->type, rows[i].type);
		assert_int_equal(a->force, rows[i].force);
		assert_int_equal(p.cli.globals.yes, rows[i].yes);
		assert_int_equal(p.cli.globals.output == CLI_JSON, rows[i].json);
		release(&p);
	}
}

static void test_bad_lines(void **state)
{
	static const struct {
		const char *line, *message, *hint;
	} rows[] = {
		{"", "'hsmctl sample' needs a verb", "see 'hsmctl sample --help'"},
		{"-o json", "'hsmctl sample' needs a verb", "see 'hsmctl sample --help'"},
		{"crate a", "no verb 'crate' of 'hsmctl sample'",
		 "did you mean 'create'? see 'hsmctl sample --help'"},
		{"zzzzzz", "no verb 'zzzzzz' of 'hsmctl sample'", "see 'hsmctl sample --help'"},
		{"trik", "no verb 'trik' of 'hsmctl sample'", "see 'hsmctl sample --help'"},
		{"--force create a", "unknown option '--force'", "see 'hsmctl sample --help'"},
		{"create --forse a", "unknown option '--forse'",
		 "did you mean '--force'? see 'hsmctl sample create --help'"},
		{"create --for a", "unknown option '--for'",
		 "did you mean '--force'? see 'hsmctl sample create --help'"},
		{"create --lab x a", "unknown option '--lab'",
		 "did you mean '--label'? see 'hsmctl sample create --help'"},
		{"create --secrets a", "unknown option '--secrets'", "see 'hsmctl sample create --help'"},
		{"create -fz a", "unknown option '-z'", "see 'hsmctl sample create --help'"},
		{"create --force=yes a", "option '--force' takes no value", "see 'hsmctl sample create --help'"},
		{"create a --label", "option '--label' needs a value", "see 'hsmctl sample create --help'"},
		{"create a -l", "option '-l' needs a value", "see 'hsmctl sample create --help'"},
		{"create -n 10 a", "option '-n': '10' is not a number from 1 to 9",
		 "see 'hsmctl sample create --help'"},
		{"create -n 1x a", "option '-n': '1x' is not a number from 1 to 9",
		 "see 'hsmctl sample create --help'"},
		{"create --wait=soon a", "option '--wait': 'soon' is not a time such as 10s, 250ms, 1.5m",
		 "see 'hsmctl sample create --help'"},
		{"create -t aes-129 a", "option '-t': 'aes-129' is not one of aes-128, aes-256, ec-p256, hmac-sha256",
		 "did you mean 'aes-128'? see 'hsmctl sample create --help'"},
		{"create -t aes a", "option '-t': 'aes' is not one of aes-128, aes-256, ec-p256, hmac-sha256",
		 "see 'hsmctl sample create --help'"},
		{"create --timeout 0 a", "option '--timeout': '0' is not a time such as 10s, 250ms, 1.5m",
		 "see 'hsmctl sample create --help'"},
		{"create", "NAME is missing", "see 'hsmctl sample create --help'"},
		{"show", "option '--group' is missing", "see 'hsmctl sample show --help'"},
		{"show -g x y", "unexpected word 'y'", "see 'hsmctl sample show --help'"},
		{"create -o prometheus a", "option '-o': 'prometheus' is not one of table, wide, json",
		 "see 'hsmctl sample create --help'"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct parsed p;

		parse(&p, &sample_group, false, rows[i].line);
		assert_int_equal(p.status, -ERR_USAGE);
		assert_string_equal(p.err.message, rows[i].message);
		assert_string_equal(p.err.hint, rows[i].hint);
		assert_null(p.args);
	}
}

static void test_own_command_of_a_group(void **state)
{
	struct parsed p;

	(void)state;
	parse(&p, &check_group, false, "-o json --force create");
	assert_int_equal(p.status, 0);
	assert_ptr_equal(p.cli.command, &check_command);
	assert_string_equal(((struct sample_args *)p.args)->name, "create");
	assert_true(((struct sample_args *)p.args)->force);
	release(&p);
}

static void test_help_and_version_need_nothing_else(void **state)
{
	static const char *const lines[] = {"--help", "-h create", "create --help", "create -fh",
					    "show --help --no-such", "create --version", "--version"};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct parsed p;

		parse(&p, &sample_group, false, lines[i]);
		assert_int_equal(p.status, 0);
		assert_true(p.cli.globals.help || p.cli.globals.version);
		assert_null(p.args);
	}
}

static void test_too_many_values(void **state)
{
	char *words[2 * CLI_STRINGS_MAX + 4] = {(char *)"create", (char *)"name"};
	struct cli cli = {.globals = {0}};
	struct err err = {0};
	void *args = NULL;
	int n = 2;

	(void)state;
	for (int i = 0; i <= CLI_STRINGS_MAX; i++)
		words[n++] = (char *)"-mx";
	assert_int_equal(cli_parse(&cli, &sample_group, false, n, words, &args, &err), -ERR_USAGE);
	assert_string_equal(err.message, "option '-m': more than 64 values");
	assert_int_equal(cli_parse(&cli, &sample_group, false, n - 1, words, &args, &err), 0);
	assert_int_equal(((struct sample_args *)args)->members.count, CLI_STRINGS_MAX);
	free(args);
}

static void test_a_command_offers_more_outputs(void **state)
{
	static const struct {
		const char *line, *variable;
		unsigned own, global;
	} rows[] = {
		{"show -g x", NULL, 0, CLI_TABLE},
		{"show -g x -o json", NULL, 1, CLI_JSON},
		{"show -g x -o prometheus", NULL, 2, CLI_TABLE},
		{"-o prometheus show -g x", NULL, 2, CLI_TABLE},
		{"show -g x", "prometheus", 2, CLI_TABLE},
		{"show -g x", "json", 1, CLI_JSON},
		{"show -g x -o table", "json", 0, CLI_TABLE},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct parsed p;

		unsetenv("HSMCTL_OUTPUT");
		if (rows[i].variable)
			setenv("HSMCTL_OUTPUT", rows[i].variable, 1);
		parse(&p, &sample_group, true, rows[i].line);
		unsetenv("HSMCTL_OUTPUT");
		assert_int_equal(p.status, 0);
		assert_int_equal(((struct sample_args *)p.args)->type, rows[i].own);
		assert_int_equal(p.cli.globals.output, rows[i].global);
		release(&p);
	}
}

static void test_environment(void **state)
{
	struct parsed p;

	(void)state;
	setenv("HSMCTL_TIMEOUT", "5", 1);
	setenv("HSMCTL_STORE", "/s", 1);
	setenv("HSMCTL_OUTPUT", "json", 1);
	setenv("HSMCTL_PROGRESS", "", 1);
	setenv("HSMCTL_YES", "1", 1);
	parse(&p, &sample_group, true, "create a --timeout 250ms");
	assert_int_equal(p.status, 0);
	assert_int_equal(p.cli.globals.timeout_ms, 250);
	assert_string_equal(p.cli.globals.store, "/s");
	assert_int_equal(p.cli.globals.output, CLI_JSON);
	assert_int_equal(p.cli.globals.progress, CLI_PROGRESS_AUTO);
	assert_false(p.cli.globals.yes);
	release(&p);
	setenv("HSMCTL_OUTPUT", "xml", 1);
	parse(&p, &sample_group, true, "create a");
	assert_int_equal(p.status, -ERR_USAGE);
	assert_string_equal(p.err.message, "HSMCTL_OUTPUT: 'xml' is not one of table, wide, json");
	unsetenv("HSMCTL_OUTPUT");
	unsetenv("HSMCTL_TIMEOUT");
	unsetenv("HSMCTL_STORE");
	unsetenv("HSMCTL_PROGRESS");
	unsetenv("HSMCTL_YES");
}

static void test_find_word(void **state)
{
	static const struct {
		const char *line;
		int at;
	} rows[] = {
		{"", 0}, {"ha", 0}, {"-o json ha", 2}, {"-ojson ha", 1}, {"--output json ha", 2},
		{"--output=json ha", 1}, {"-yq ha", 1}, {"-yo json ha", 2}, {"--help", 1},
		{"--store", 1}, {"--store ha", 2}, {"--bogus ha", 0}, {"-y --bogus ha", 1},
		{"-yz ha", 0}, {"-y - ha", 1}, {"-y -- ha", 1}, {"--outpu json ha", 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[64], *words[SAMPLE_WORDS];
		int count;

		snprintf(text, sizeof(text), "%s", rows[i].line);
		count = sample_split(text, words);
		if (cli_find_word(count, words) != rows[i].at)
			fail_msg("'%s': %d", rows[i].line, cli_find_word(count, words));
	}
}

static void test_wants_json(void **state)
{
	static const struct {
		const char *line;
		bool otherwise, json;
	} rows[] = {
		{"a", false, false}, {"a", true, true}, {"-o json", false, true},
		{"x --output=json", false, true}, {"--output json y", false, true},
		{"-ojson", false, true}, {"-o table", true, false}, {"-- -o json", false, false},
		{"-o", true, true}, {"-o json -o table", false, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[64], *words[SAMPLE_WORDS];
		int count;

		snprintf(text, sizeof(text), "%s", rows[i].line);
		count = sample_split(text, words);
		assert_int_equal(cli_parse_wants_json(count, words, rows[i].otherwise), rows[i].json);
	}
}

static void test_memory_may_run_out(void **state)
{
	bool failed = true;

	(void)state;
	for (unsigned long n = 1; failed; n++) {
		struct parsed p;

		assert_true(n < 100);
		mem_fail_after = n;
		parse(&p, &sample_group, true, "create -t ec-p256 a");
		failed = mem_fail_after == 0;
		mem_fail_after = 0;
		assert_true(p.status == 0 || p.status == -ERR_NO_MEMORY);
		release(&p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_lines),
		cmocka_unit_test(test_bad_lines),
		cmocka_unit_test(test_own_command_of_a_group),
		cmocka_unit_test(test_help_and_version_need_nothing_else),
		cmocka_unit_test(test_too_many_values),
		cmocka_unit_test(test_a_command_offers_more_outputs),
		cmocka_unit_test(test_environment),
		cmocka_unit_test(test_find_word),
		cmocka_unit_test(test_wants_json),
		cmocka_unit_test(test_memory_may_run_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
