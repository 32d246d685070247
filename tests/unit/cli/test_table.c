/* SPDX-License-Identifier: Apache-2.0 */
/* Documents as people see them. */
#include "sample.h"

#include "base/buf.h"
#include "cli/table.h"

static void expect(const struct json_type *type, const void *data, bool bold, const char *text)
{
	owned(buf) struct buf buf = {.max = 1 << 16};

	cli_table(type, data, &(struct table_style){.bold = bold}, &buf);
	assert_string_equal(buf_text(&buf), text);
}

static void test_scalars_then_the_list(void **state)
{
	struct sample_key keys[] = {
		{(char *)"signing-1", NULL, 4, -1, true},
		{(char *)"bl\xc3\xa4u\x1b[2J", (char *)"a b", 12, 30, false},
	};
	char *tags[] = {(char *)"x", (char *)"y"};
	struct sample_document d = {
		.name = (char *)"payments", .hidden = (char *)"no", .state = 1,
		.place = {(char *)"east"}, .keys = keys, .n_keys = 2, .tags = tags, .n_tags = 2,
	};

	(void)state;
	expect(&document_type, &d, false,
	       "Name:          payments\n"
	       "State:         down\n"
	       "Place region:  east\n"
	       "Tags:          x,y\n"
	       "\n"
	       "LABEL      REPLICAS  LAG  PROVEN  NOTE\n"
	       "signing-1         4    -  yes     -\n"
	       "bl\xc3\xa4u?[2J         12   30  no      a b\n");
}

static void test_absent_values(void **state)
{
	struct sample_document d = {.hidden = (char *)"no"};

	(void)state;
	expect(&document_type, &d, false,
	       "Name:          -\n"
	       "State:         up\n"
	       "Place region:  -\n");
}

struct lists {
	struct sample_key *keys, *others;
	size_t n_keys, n_others;
	struct sample_document *documents;
	size_t n_documents;
};

static void test_several_lists_have_headings(void **state)
{
	static const struct json_field fields[] = {
		JSON_F_LIST(struct lists, keys, JSON_COLUMN, key_type, "Keys"),
		JSON_F_LIST(struct lists, others, JSON_COLUMN, key_type, "Others"),
		JSON_F_LIST(struct lists, documents, JSON_COLUMN, document_type, "Documents"),
		JSON_F_END
	};
	static const struct json_type type = {.size = sizeof(struct lists), .fields = fields};
	struct sample_key keys[] = {{(char *)"a", NULL, 1, 2, true}, {(char *)"b", NULL, 1, 2, true}};
	struct sample_document documents[] = {{.name = (char *)"d", .keys = keys, .n_keys = 2}};
	struct lists lists = {.keys = keys, .n_keys = 1, .documents = documents, .n_documents = 1};

	(void)state;
	expect(&type, &lists, false,
	       "Keys:\n"
	       "LABEL  REPLICAS  LAG  PROVEN  NOTE\n"
	       "a             1    2  yes     -\n"
	       "\n"
	       "Documents:\n"
	       "NAME  STATE  PLACE REGION  KEYS  TAGS\n"
	       "d     up     -             a,b   -\n");
}

static void test_one_empty_list_is_said(void **state)
{
	static const struct json_field fields[] = {
		JSON_F_LIST(struct lists, keys, JSON_COLUMN, key_type, "Keys"),
		JSON_F_END
	};
	static const struct json_type type = {.size = sizeof(struct lists), .fields = fields};
	struct lists lists = {.n_keys = 0};

	(void)state;
	expect(&type, &lists, false, "no keys\n");
}

static void test_headings_in_bold(void **state)
{
	static const struct json_field fields[] = {
		JSON_F_LIST(struct lists, keys, JSON_COLUMN, key_type, "Keys"),
		JSON_F_END
	};
	static const struct json_type type = {.size = sizeof(struct lists), .fields = fields};
	struct sample_key key = {(char *)"a", NULL, 1, 2, true};
	struct lists lists = {.keys = &key, .n_keys = 1};

	(void)state;
	expect(&type, &lists, true,
	       "\033[1mLABEL  REPLICAS  LAG  PROVEN  NOTE\033[0m\n"
	       "a             1    2  yes     -\n");
}

struct row {
	char *name, *serial, *text;
	int64_t number;
};

static const struct json_field row_fields[] = {
	JSON_F_STRING(struct row, name, JSON_COLUMN, "Name"),
	JSON_F_STRING(struct row, serial, JSON_COLUMN | JSON_WIDE, "Serial"),
	JSON_F_INT(struct row, number, JSON_COLUMN, 0, 0, "Number"),
	JSON_F_STRING(struct row, text, JSON_COLUMN, "Text"),
	JSON_F_END
};
static const struct json_type row_type = {.size = sizeof(struct row), .fields = row_fields};

struct rows {
	struct row *rows;
	size_t n_rows;
};

static void test_what_is_too_wide_is_left_out_and_then_cut(void **state)
{
	static const struct json_field fields[] = {
		JSON_F_LIST(struct rows, rows, JSON_COLUMN, row_type, "Rows"),
		JSON_F_END
	};
	static const struct json_type type = {.size = sizeof(struct rows), .fields = fields};
	static const struct {
		size_t width;
		const char *text;
	} rows[] = {
		{0, "NAME             SERIAL    NUMBER  TEXT\na-name-for-this  12345678       7  漢字 and more of it\n"},
		{57, "NAME             SERIAL    NUMBER  TEXT\na-name-for-this  12345678       7  漢字 and more of it\n"},
		{53, "NAME             NUMBER  TEXT\na-name-for-this       7  漢字 and more of it\n"},
		{36, "NAME             NUMBER  TEXT\na-name-for-this       7  漢字 and m…\n"},
		{30, "NAME        NUMBER  TEXT\na-name-fo…       7  漢字 and …\n"},
		/* No further: a column says something, or it is better gone. */
		{9, "NAME        NUMBER  TEXT\na-name-fo…       7  漢字 and …\n"},
	};
	struct row row = {(char *)"a-name-for-this", (char *)"12345678", (char *)"漢字 and more of it", 7};
	struct rows list = {&row, 1};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		owned(buf) struct buf buf = {.max = 1 << 16};

		cli_table(&type, &list, &(struct table_style){.width = rows[i].width, .utf8 = true}, &buf);
		assert_string_equal(buf_text(&buf), rows[i].text);
	}
}

static void test_memory_may_run_out(void **state)
{
	struct sample_key key = {(char *)"a", NULL, 1, 2, true};
	struct sample_document d = {.name = (char *)"payments", .keys = &key, .n_keys = 1};
	bool failed = true;

	(void)state;
	for (unsigned long n = 1; failed; n++) {
		owned(buf) struct buf buf = {.max = 1 << 16};

		assert_true(n < 100);
		mem_fail_after = n;
		cli_table(&document_type, &d, &(struct table_style){0}, &buf);
		failed = mem_fail_after == 0;
		mem_fail_after = 0;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scalars_then_the_list),
		cmocka_unit_test(test_absent_values),
		cmocka_unit_test(test_several_lists_have_headings),
		cmocka_unit_test(test_one_empty_list_is_said),
		cmocka_unit_test(test_headings_in_bold),
		cmocka_unit_test(test_what_is_too_wide_is_left_out_and_then_cut),
		cmocka_unit_test(test_memory_may_run_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
