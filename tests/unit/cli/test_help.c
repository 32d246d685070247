/* SPDX-License-Identifier: Apache-2.0 */
/* Help, manual pages and completion say what the table says. */
#include "sample.h"

#include "base/buf.h"
#include "cli/complete.h"
#include "cli/help.h"

static void test_help_of_a_verb(void **state)
{
	static const char want[] =
		"usage: hsmctl sample create [--label TEXT] [--member DEVICE...] [--count COUNT]\n"
		"                            [--wait TIME] [--type TYPE] [--force] NAME\n"
		"                            [REST...]\n"
		"\n"
		"Make one.\n"
		"\n"
		"Arguments:\n"
		"  NAME                        Its name\n"
		"  REST                        More words\n"
		"\n"
		"Options:\n"
		"  -l, --label TEXT            Its label\n"
		"  -m, --member DEVICE         A member; may be repeated\n"
		"  -n, --count COUNT           How many (default 3)\n"
		"      --wait TIME             How long (default 2s)\n"
		"  -t, --type TYPE             Kind of key (aes-128, aes-256, ec-p256,\n"
		"                              hmac-sha256; default aes-256)\n"
		"  -f, --force                 By force\n"
		"\n"
		"Output with -o json: hsmctl/sample/v1\n"
		"\n"
		"Global options:\n"
		"      --store URL ";
	owned(buf) struct buf text = {.max = 1 << 16};

	(void)state;
	cli_help(&sample_group, &create_command, &text);
	assert_true(text.len > sizeof(want));
	text.data[sizeof(want) - 1] = 0;
	assert_string_equal((char *)text.data, want);
}

static void test_help_of_a_group(void **state)
{
	static const char want[] =
		"usage: hsmctl sample VERB [OPTIONS] [ARGUMENTS]\n"
		"\n"
		"Samples of things.\n"
		"\n"
		"Verbs:\n"
		"  create                      Make one\n"
		"  show                        Show one\n"
		"\n"
		"See 'hsmctl sample VERB --help' for one verb.\n";
	owned(buf) struct buf text = {.max = 1 << 16};

	(void)state;
	cli_help(&sample_group, NULL, &text);
	assert_true(text.len > sizeof(want));
	text.data[sizeof(want) - 1] = 0;
	assert_string_equal((char *)text.data, want);
}

static void test_an_own_row_stands_for_the_global_one(void **state)
{
	owned(buf) struct buf text = {.max = 1 << 16};
	const char *first;

	(void)state;
	cli_help(&sample_group, &show_command, &text);
	first = strstr(buf_text(&text), "-o, --output");
	assert_non_null(first);
	assert_null(strstr(first + 1, "-o, --output"));
	assert_non_null(strstr(buf_text(&text), "unless --yes is given"));
}

static void test_lines_fit_a_terminal(void **state)
{
	owned(buf) struct buf text = {.max = 1 << 16};
	char *rest, *line;

	(void)state;
	cli_help(&sample_group, &create_command, &text);
	cli_help_overview(sample_groups, &text);
	rest = (char *)(uintptr_t)buf_text(&text);
	while ((line = strsep(&rest, "\n")))
		assert_true(strlen(line) < 80);
}

static void test_manual_page(void **state)
{
	static const char *const wanted[] = {
		".Dt HSMCTL-SAMPLE 1\n",
		".Nm hsmctl-sample\n.Nd Samples of things\n",
		".Nm hsmctl\n.Cm sample create\n.Op Fl -label Ar TEXT\n.Op Fl -member Ar DEVICE ...\n",
		".Ar NAME\n.Op Ar REST ...\n",
		".Nm hsmctl\n.Cm sample show\n.Fl -group Ar GROUP\n.Op Fl -output Ar table|json|prometheus\n",
		".Ss hsmctl sample create\nMake one.\n",
		".Dq hsmctl/sample/v1 .\n",
		".It Fl t , Fl -type Ar TYPE\nKind of key (aes-128, aes-256, ec-p256, hmac-sha256; default aes-256).\n",
		".Sh ENVIRONMENT\n", ".Sh EXIT STATUS\n",
	};
	static const char *const unwanted[] = {"secret", "trick", "VERB"};
	owned(buf) struct buf page = {.max = 1 << 16};
	struct err err = {0};

	(void)state;
	assert_int_equal(cli_write_man(&sample_group, &page, &err), 0);
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		if (!strstr(buf_text(&page), wanted[i]))
			fail_msg("not in the page: %s", wanted[i]);
	for (size_t i = 0; i < sizeof(unwanted) / sizeof(unwanted[0]); i++)
		assert_null(strstr(buf_text(&page), unwanted[i]));
}

static void test_text_cannot_become_a_macro(void **state)
{
	static const struct cli_param options[] = {
		{.kind = CLI_FLAG, .name = "a", .summary = ".so /etc/passwd \\fB"}, CLI_END
	};
	static const struct cli_command command = {.summary = "'quoted", .options = options};
	static const struct cli_command *const commands[] = {&command, NULL};
	static const struct cli_group group = {"odd", ".Odd", commands};
	owned(buf) struct buf page = {.max = 1 << 16};

	(void)state;
	assert_int_equal(cli_write_man(&group, &page, NULL), 0);
	assert_non_null(strstr(buf_text(&page), "\n\\&.so /etc/passwd \\efB.\n"));
	assert_non_null(strstr(buf_text(&page), "\n\\&'quoted.\n"));
	assert_non_null(strstr(buf_text(&page), ".Nd \\&.Odd\n"));
}

static void test_overview_page_lists_every_code(void **state)
{
	owned(buf) struct buf page = {.max = 1 << 18};

	(void)state;
	assert_int_equal(cli_write_man_overview(sample_groups, &page, NULL), 0);
	for (enum err_code code = ERR_OK + 1; code < ERR_MAX; code++) {
		char item[128], status[16];

		snprintf(item, sizeof(item), ".It Cm %s\n", err_code_name(code));
		snprintf(status, sizeof(status), ".It %d\n", err_exit_status(code));
		assert_non_null(strstr(buf_text(&page), item));
		assert_non_null(strstr(buf_text(&page), status));
	}
	assert_non_null(strstr(buf_text(&page), ".Xr hsmctl-check 1 ,\n.Xr hsmctl-sample 1\n"));
	assert_non_null(strstr(buf_text(&page), ".It Ev HSMCTL_STORE\n"));
}

static void test_manual_page_without_memory(void **state)
{
	int r = -ERR_NO_MEMORY;

	(void)state;
	for (unsigned long n = 1; r < 0; n++) {
		owned(buf) struct buf page = {.max = 1 << 16};

		assert_true(n < 1000);
		mem_fail_after = n;
		r = cli_write_man(&sample_group, &page, NULL);
		assert_true(r == 0 || r == -ERR_NO_MEMORY);
		if (mem_fail_after)
			assert_int_equal(r, 0);
		mem_fail_after = 0;
	}
}

static void test_completion(void **state)
{
	static const struct {
		const char *line, *candidates;
	} rows[] = {
		{"''", "sample\ncheck\n"},
		{"s", "sample\n"},
		{"x", ""},
		{"nothing ''", ""},
		{"-o json s", "sample\n"},
		{"-o ''", "table\nwide\njson\n"},
		{"-o j", "json\n"},
		{"--output=j", "--output=json\n"},
		{"--output =", "table\nwide\njson\n"},
		{"--output = j", "json\n"},
		{"--output = json s", "sample\n"},
		{"sample ''", "create\nshow\n"},
		{"sample -o json c", "create\n"},
		{"sample --t", "--timeout\n"},
		{"sample nope ''", ""},
		{"sample create ''", "hsm-east-1\nhsm-west-1\n"},
		{"sample create hsm-w", "hsm-west-1\n"},
		{"sample create a ''", ""},
		{"sample create --t", "--type\n--timeout\n"},
		{"sample create --s", "--store\n"},
		{"sample create -t e", "ec-p256\n"},
		{"sample create --type e", "ec-p256\n"},
		{"sample create -ft a", "aes-128\naes-256\n"},
		{"sample create --type=a", "--type=aes-128\n--type=aes-256\n"},
		{"sample create --member hsm-e", "hsm-east-1\n"},
		{"sample create --label x hsm-e", "hsm-east-1\n"},
		{"sample create --force hsm-e", "hsm-east-1\n"},
		{"sample create -- --", ""},
		{"sample create --label ''", ""},
		{"sample show -o p", "prometheus\n"},
		{"--store /s sample create /", "/s\n"},
		{"--store=/s sample create /", "/s\n"},
		{"check h", "hsm-east-1\nhsm-west-1\n"},
		{"check --fo", "--force\n"},
	};

	(void)state;
	unsetenv("HSMCTL_STORE");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[128], *words[SAMPLE_WORDS];
		owned(buf) struct buf found = {.max = 4096};
		int count;

		snprintf(text, sizeof(text), "%s", rows[i].line);
		count = sample_split(text, words);
		for (int k = 0; k < count; k++)
			words[k] = strcmp(words[k], "''") == 0 ? (char *)"" : words[k];
		cli_candidates(sample_groups, count, words, &found);
		if (strcmp(buf_text(&found), rows[i].candidates) != 0)
			fail_msg("'%s': %s", rows[i].line, buf_text(&found));
	}
}

static void test_completion_offers_all_options_once(void **state)
{
	char *words[] = {(char *)"sample", (char *)"show", (char *)"-"};
	owned(buf) struct buf found = {.max = 4096};

	(void)state;
	cli_candidates(sample_groups, 3, words, &found);
	assert_string_equal(buf_text(&found),
			    "--group\n--output\n--store\n--progress\n--yes\n--timeout\n--quiet\n"
			    "--verbose\n--version\n--help\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_help_of_a_verb),
		cmocka_unit_test(test_help_of_a_group),
		cmocka_unit_test(test_an_own_row_stands_for_the_global_one),
		cmocka_unit_test(test_lines_fit_a_terminal),
		cmocka_unit_test(test_manual_page),
		cmocka_unit_test(test_text_cannot_become_a_macro),
		cmocka_unit_test(test_overview_page_lists_every_code),
		cmocka_unit_test(test_manual_page_without_memory),
		cmocka_unit_test(test_completion),
		cmocka_unit_test(test_completion_offers_all_options_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
