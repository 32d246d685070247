/* SPDX-License-Identifier: Apache-2.0 */
#include "../base/temp.h"

#include <math.h>

#include "base/str.h"
#include "json/tree.h"

static const char sample[] =
	"\xef\xbb\xbf{\r\n"
	"  \"name\": \"vm\\u002d1 \\ud83d\\ude00\",\r\n"
	"  \"properties\": {\r\n"
	"    \"interfaces\": [{\"ip\": \"10.0.0.4\"}, {\"ip\": null}, [7, 8]],\r\n"
	"    \"count\": 3, \"digits\": \"-12\", \"size\": 2.5, \"on\": true, \"off\": false,\r\n"
	"    \"none\": null, \"0\": \"zero\"\r\n"
	"  },\r\n"
	"  \"tags\": {\"a.b\": \"dots\", \"\": \"empty\"}\r\n"
	"}\r\n";

static struct json_tree *parse(const char *text)
{
	struct json_tree *tree = NULL;
	struct err err;

	if (json_tree_parse(text, strlen(text), "answer", &tree, &err) < 0)
		fail_msg("%s: %s", text, err.message);
	return tree;
}

/* The text of a tree; good until the next call. */
static const char *text_of(const struct json_tree *tree)
{
	static char text[4096];
	owned(buf) struct buf buf = {.max = sizeof(text) - 1};

	assert_int_equal(json_tree_write(tree, false, &buf, NULL), 0);
	snprintf(text, sizeof(text), "%s", buf_text(&buf));
	return text;
}

static void values_are_found_by_path(void **state)
{
	owned(json_tree) struct json_tree *tree = parse(sample);
	char longest[400];

	(void)state;
	assert_string_equal(json_tree_text(tree, "name"), "vm-1 \xf0\x9f\x98\x80");
	assert_string_equal(json_tree_text(tree, "properties.interfaces.0.ip"), "10.0.0.4");
	assert_string_equal(json_tree_text(tree, "properties.0"), "zero");
	assert_int_equal(json_tree_int(tree, "properties.interfaces.2.1", 0), 8);
	assert_ptr_equal(json_tree_get(tree, ""), tree);
	assert_string_equal(json_tree_text(json_tree_get(tree, "name"), ""), json_tree_text(tree, "name"));
	assert_string_equal(json_tree_text(json_tree_member(json_tree_get(tree, "tags"), "a.b"), ""), "dots");
	assert_null(json_tree_get(tree, "tags.a.b"));
	assert_null(json_tree_get(tree, "Name"));
	assert_null(json_tree_get(tree, "name.x"));
	assert_null(json_tree_get(tree, "properties.interfaces.3"));
	assert_null(json_tree_get(tree, "properties.interfaces.-1"));
	assert_null(json_tree_get(tree, "properties.interfaces.x"));
	assert_null(json_tree_member(json_tree_get(tree, "properties.interfaces"), "0"));
	memset(longest, 'n', sizeof(longest));
	longest[sizeof(longest) - 1] = 0;
	assert_null(json_tree_get(tree, longest));
}

static void each_kind_is_told(void **state)
{
	static const struct {
		const char *path;
		enum json_tree_kind kind;
		size_t count;
	} cases[] = {
		{"", JSON_TREE_OBJECT, 3},
		{"name", JSON_TREE_STRING, 0},
		{"properties", JSON_TREE_OBJECT, 8},
		{"properties.interfaces", JSON_TREE_LIST, 3},
		{"properties.interfaces.1.ip", JSON_TREE_ABSENT, 0},
		{"properties.count", JSON_TREE_INT, 0},
		{"properties.size", JSON_TREE_NUMBER, 0},
		{"properties.on", JSON_TREE_BOOL, 0},
		{"properties.none", JSON_TREE_ABSENT, 0},
		{"nothing", JSON_TREE_ABSENT, 0},
	};
	owned(json_tree) struct json_tree *tree = parse(sample);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(json_tree_kind(json_tree_get(tree, cases[i].path)), cases[i].kind);
		assert_int_equal(json_tree_count(json_tree_get(tree, cases[i].path)), cases[i].count);
	}
}

static void other_kinds_fall_back(void **state)
{
	owned(json_tree) struct json_tree *tree = parse(sample);
	const struct json_tree *p = json_tree_get(tree, "properties");

	(void)state;
	assert_int_equal(json_tree_int(p, "count", 0), 3);
	assert_int_equal(json_tree_int(p, "digits", 0), -12);
	assert_int_equal(json_tree_int(p, "size", 9), 9);
	assert_int_equal(json_tree_int(p, "on", 9), 9);
	assert_int_equal(json_tree_int(p, "none", 9), 9);
	assert_int_equal(json_tree_int(tree, "name", 9), 9);
	assert_true(json_tree_bool(p, "on", false));
	assert_false(json_tree_bool(p, "off", true));
	assert_true(json_tree_bool(p, "count", true));
	assert_true(json_tree_bool(p, "none", true));
	assert_true(json_tree_number(p, "size") == 2.5);
	assert_true(json_tree_number(p, "count") == 3);
	assert_true(isnan(json_tree_number(p, "digits")));
	assert_true(isnan(json_tree_number(p, "none")));
	assert_null(json_tree_text(p, "count"));
	assert_null(json_tree_text(p, "interfaces"));
}

static void members_come_in_order(void **state)
{
	static const char *const names[] = {"interfaces", "count", "digits", "size", "on", "off", "none"};
	owned(json_tree) struct json_tree *tree = parse(sample);
	const struct json_tree *p = json_tree_get(tree, "properties");
	owned(json_tree) struct json_tree *few = parse("{\"x\":1,\"y\":null,\"x2\":3}");

	(void)state;
	for (size_t i = 0; i < 7; i++)
		if (!str_eq(json_tree_name(p, i), names[i]))
			fail_msg("member %zu is %s", i, json_tree_name(p, i));
	assert_int_equal(json_tree_int(json_tree_at(p, 1), "", 0), 3);
	assert_int_equal(json_tree_int(json_tree_at(few, 2), "", 0), 3);
	assert_string_equal(json_tree_name(few, 1), "y");
	assert_null(json_tree_at(few, 1));
	assert_null(json_tree_at(few, 3));
	assert_null(json_tree_name(few, 3));
	assert_null(json_tree_name(json_tree_get(p, "interfaces"), 0));
	assert_null(json_tree_at(json_tree_get(p, "interfaces"), 3));
	assert_null(json_tree_at(json_tree_get(tree, "name"), 0));
}

static void nothing_can_be_read_like_a_tree(void **state)
{
	(void)state;
	assert_int_equal(json_tree_kind(NULL), JSON_TREE_ABSENT);
	assert_null(json_tree_get(NULL, ""));
	assert_null(json_tree_get(NULL, "a.b"));
	assert_null(json_tree_member(NULL, "a"));
	assert_null(json_tree_text(NULL, ""));
	assert_int_equal(json_tree_int(NULL, "a", 5), 5);
	assert_true(json_tree_bool(NULL, "a", true));
	assert_true(isnan(json_tree_number(NULL, "")));
	assert_int_equal(json_tree_count(NULL), 0);
	assert_null(json_tree_at(NULL, 0));
	assert_null(json_tree_name(NULL, 0));
	assert_null(json_tree_copy(NULL));
	assert_true(json_tree_equal(NULL, NULL));
	json_tree_remove(NULL, "a.b");
	json_tree_free(NULL);
	assert_string_equal(text_of(NULL), "null");
}

static void empty_texts_are_the_empty_tree(void **state)
{
	static const char *const texts[] = {"", " \r\n\t ", "\xef\xbb\xbf", "\xef\xbb\xbf\r\n", "null", " null\n"};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct json_tree *tree = (struct json_tree *)(uintptr_t)1;

		assert_int_equal(json_tree_parse(texts[i], strlen(texts[i]), "answer", &tree, NULL), 0);
		assert_null(tree);
	}
	assert_null(parse("null"));
}

static void bad_texts_are_refused_and_not_repeated(void **state)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{"S3CRET", NULL}, {"{\"S3CRET\"}", NULL}, {"{\"a\":S3CRET}", NULL}, {"{\"a\":\"S3CRET\"", NULL},
		{"{} S3CRET", NULL}, {"{}{}", NULL}, {"[1,]", NULL}, {"{\"a\":1,}", NULL}, {"[1 2]", NULL},
		{"1 2", NULL}, {"\"S3CRET", NULL}, {"{", NULL}, {"[", NULL}, {"tru", NULL}, {"-", NULL},
		{"// S3CRET\n{}", NULL}, {"\"\\x\"", NULL}, {"<html>S3CRET</html>", NULL}, {"{} null", NULL},
		{"\xef\xbb\xbf\xef\xbb\xbf{}", NULL},
		{"\"\x80\"", "the text is not valid UTF-8"},
		{"\"\xc0\xaf\"", "the text is not valid UTF-8"},
		{"\"\xed\xa0\x80\"", "the text is not valid UTF-8"},
		{"\"\xc3", "the text is not valid UTF-8"},
		{"\"a\\u0000b\"", "a string holds a zero character"},
		{"{\"a\\u0000b\":1}", "a string holds a zero character"},
		{"\"\\\\\\u0000\"", "a string holds a zero character"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct json_tree *tree = NULL;
		struct err err;

		if (json_tree_parse(cases[i].text, strlen(cases[i].text), "answer", &tree, &err) != -ERR_INVALID)
			fail_msg("accepted: %s", cases[i].text);
		assert_null(tree);
		assert_true(str_starts(err.message, "answer: "));
		assert_null(strstr(err.message, "S3C"));
		if (cases[i].message)
			assert_string_equal(err.message + strlen("answer: "), cases[i].message);
	}
}

static void zero_bytes_are_refused(void **state)
{
	struct json_tree *tree = NULL;

	(void)state;
	assert_int_equal(json_tree_parse("{\"a\":\"b\0\"}", 10, "answer", &tree, NULL), -ERR_INVALID);
	assert_int_equal(json_tree_parse("{}\0", 3, "answer", &tree, NULL), -ERR_INVALID);
	assert_null(tree);
	/* an escaped backslash, then plain text */
	tree = parse("\"\\\\u0000\"");
	assert_string_equal(json_tree_text(tree, ""), "\\u0000");
	json_tree_free(tree);
}

static void nesting_goes_to_64(void **state)
{
	static const struct {
		size_t depth;
		int rc;
	} cases[] = {{1, 0}, {32, 0}, {64, 0}, {66, -ERR_INVALID}, {100000, -ERR_INVALID}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t depth = cases[i].depth;
		owned(mem) char *text = mem_zalloc(2 * depth + 2);
		owned(json_tree) struct json_tree *tree = NULL;

		memset(text, '[', depth);
		text[depth] = '1';
		memset(text + depth + 1, ']', depth);
		assert_int_equal(json_tree_parse(text, strlen(text), "answer", &tree, NULL), cases[i].rc);
	}
}

static void numbers_are_exact(void **state)
{
	static const struct {
		const char *text;
		enum json_tree_kind kind;
		int64_t value;
		const char *again;
	} cases[] = {
		{"0", JSON_TREE_INT, 0, "0"},
		{"-0", JSON_TREE_INT, 0, "0"},
		{"9223372036854775807", JSON_TREE_INT, INT64_MAX, "9223372036854775807"},
		{"-9223372036854775808", JSON_TREE_INT, INT64_MIN, "-9223372036854775808"},
		{"9007199254740993", JSON_TREE_INT, 9007199254740993, "9007199254740993"},
		{"9223372036854775808", JSON_TREE_NUMBER, 42, "9223372036854775808"},
		{"18446744073709551615", JSON_TREE_NUMBER, 42, "18446744073709551615"},
		{"1.5", JSON_TREE_NUMBER, 42, "1.5"},
		{"0.1", JSON_TREE_NUMBER, 42, "0.1"},
		{"-2.5e3", JSON_TREE_NUMBER, 42, "-2500"},
		{"1E300", JSON_TREE_NUMBER, 42, "1e+300"},
		{"\"9223372036854775807\"", JSON_TREE_STRING, INT64_MAX, "\"9223372036854775807\""},
		{"\"9223372036854775808\"", JSON_TREE_STRING, 42, "\"9223372036854775808\""},
		{"\"12x\"", JSON_TREE_STRING, 42, "\"12x\""},
		{"\"\"", JSON_TREE_STRING, 42, "\"\""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		owned(json_tree) struct json_tree *tree = parse(cases[i].text);

		assert_int_equal(json_tree_kind(tree), cases[i].kind);
		assert_true(json_tree_int(tree, "", 42) == cases[i].value);
		assert_string_equal(text_of(tree), cases[i].again);
	}
}

static void what_has_no_json_is_not_written(void **state)
{
	owned(json_tree) struct json_tree *tree = parse("{\"a\":[1e999]}");
	owned(buf) struct buf text = {.max = 64};
	struct err err;

	(void)state;
	buf_put_str(&text, "before");
	assert_int_equal(json_tree_write(tree, true, &text, &err), -ERR_INVALID);
	assert_string_equal(buf_text(&text), "before");
}

static void texts_look_as_elsewhere(void **state)
{
	owned(json_tree) struct json_tree *tree =
		parse("{\"b\" : [1,\"x\\u007f\\n\"], \"a\":{}, \"l\":[ ], \"n\":null,\"t\":true,\"f\":false}");
	owned(buf) struct buf text = {.max = 4096};

	(void)state;
	assert_string_equal(text_of(tree), "{\"b\":[1,\"x\\u007f\\n\"],\"a\":{},\"l\":[],\"n\":null,"
					   "\"t\":true,\"f\":false}");
	json_tree_remove(tree, "a");
	json_tree_remove(tree, "n");
	assert_int_equal(json_tree_write(tree, true, &text, NULL), 0);
	assert_string_equal(buf_text(&text), "{\n  \"b\": [\n    1,\n    \"x\\u007f\\n\"\n  ],\n  \"l\": [],\n"
					     "  \"t\": true,\n  \"f\": false\n}\n");
}

static void trees_survive_a_round_trip(void **state)
{
	(void)state;
	for (int pretty = 0; pretty < 2; pretty++) {
		owned(json_tree) struct json_tree *tree = parse(sample), *again = NULL;
		owned(buf) struct buf text = {.max = 4096};

		assert_int_equal(json_tree_write(tree, pretty, &text, NULL), 0);
		again = parse(buf_text(&text));
		assert_true(json_tree_equal(tree, again));
	}
}

static void equality_knows_no_order_of_members(void **state)
{
	static const struct {
		const char *a, *b;
		bool equal;
	} cases[] = {
		{"{\"a\":1,\"b\":[1,2]}", "{\"b\":[1,2],\"a\":1}", true},
		{"{\"a\":1}", "{\"a\":1,\"b\":2}", false},
		{"{\"a\":1}", "{\"a\":2}", false},
		{"[1,2]", "[2,1]", false},
		{"1", "1.0", false},
		{"1", "\"1\"", false},
		{"1.0", "1.00", true},
		{"\"a\"", "\"A\"", false},
		{"true", "false", false},
		{"{}", "[]", false},
		{"null", "{}", false},
		{"null", "null", true},
		{"{\"a\":null}", "{}", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		owned(json_tree) struct json_tree *a = parse(cases[i].a), *b = parse(cases[i].b);

		assert_int_equal(json_tree_equal(a, b), cases[i].equal);
		assert_int_equal(json_tree_equal(b, a), cases[i].equal);
	}
}

static void copies_are_equal_and_apart(void **state)
{
	owned(json_tree) struct json_tree *tree = parse(sample), *copy = json_tree_copy(tree);

	(void)state;
	assert_true(json_tree_equal(tree, copy));
	assert_int_equal(json_tree_set_text(copy, "properties.interfaces.0.ip", "x", NULL), 0);
	assert_string_equal(json_tree_text(tree, "properties.interfaces.0.ip"), "10.0.0.4");
	assert_false(json_tree_equal(tree, copy));
}

static void trees_are_built_by_path(void **state)
{
	owned(json_tree) struct json_tree *tree = json_tree_object();
	struct json_tree *list = json_tree_list();

	(void)state;
	assert_int_equal(json_tree_set_text(tree, "a.b.c", "deep", NULL), 0);
	assert_int_equal(json_tree_set_int(tree, "a.n", INT64_MIN, NULL), 0);
	assert_int_equal(json_tree_set_bool(tree, "on", true, NULL), 0);
	assert_int_equal(json_tree_set_text(tree, "a.none", NULL, NULL), 0);
	assert_int_equal(json_tree_set_member(tree, "x.y", json_tree_string("dots"), NULL), 0);
	assert_int_equal(json_tree_append(list, json_tree_object(), NULL), 0);
	assert_int_equal(json_tree_append(list, json_tree_string("s"), NULL), 0);
	assert_int_equal(json_tree_set(tree, "list", list, NULL), 0);
	assert_int_equal(json_tree_set_text(tree, "list.0.id", "first", NULL), 0);
	assert_int_equal(json_tree_set_int(tree, "list.1", 2, NULL), 0);
	assert_string_equal(text_of(tree), "{\"a\":{\"b\":{\"c\":\"deep\"},\"n\":-9223372036854775808},\"on\":true,"
					   "\"x.y\":\"dots\",\"list\":[{\"id\":\"first\"},2]}");
}

static void values_are_replaced_in_place(void **state)
{
	owned(json_tree) struct json_tree *tree = parse("{\"a\":{\"b\":1},\"n\":null,\"l\":[null]}");

	(void)state;
	assert_int_equal(json_tree_set_text(tree, "a", "x", NULL), 0);
	assert_int_equal(json_tree_set_bool(tree, "n.m", false, NULL), 0);
	assert_int_equal(json_tree_set_int(tree, "l.0.m", 1, NULL), 0);
	assert_string_equal(text_of(tree), "{\"a\":\"x\",\"n\":{\"m\":false},\"l\":[{\"m\":1}]}");
}

/* Every value here is taken over, which a leak checker sees. */
static void no_place_is_an_error(void **state)
{
	static const char *const paths[] = {"", "s.x", "s.x.y", "l.1", "l.1.x", "l.-1", "l.x", "l.x.y", "i.0", "l.0.x"};
	owned(json_tree) struct json_tree *tree = parse("{\"s\":\"text\",\"l\":[0],\"i\":1}");
	owned(mem) char *before = mem_strdup(text_of(tree));
	char longest[400];
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		assert_int_equal(json_tree_set(tree, paths[i], json_tree_object(), &err), -ERR_INVALID);
		assert_string_equal(text_of(tree), before);
	}
	memset(longest, 'n', sizeof(longest));
	longest[sizeof(longest) - 1] = 0;
	assert_int_equal(json_tree_set_text(tree, longest, "x", &err), -ERR_INVALID);
	assert_int_equal(json_tree_append(tree, json_tree_list(), &err), -ERR_INVALID);
	assert_int_equal(json_tree_set_member((struct json_tree *)(uintptr_t)json_tree_get(tree, "l"), "0",
					      json_tree_list(), &err), -ERR_INVALID);
	assert_string_equal(text_of(tree), before);
}

static void what_was_not_made_is_no_memory(void **state)
{
	owned(json_tree) struct json_tree *tree = json_tree_object(), *list = json_tree_list();

	(void)state;
	assert_int_equal(json_tree_set(tree, "a", NULL, NULL), -ERR_NO_MEMORY);
	assert_int_equal(json_tree_set_member(tree, "a", NULL, NULL), -ERR_NO_MEMORY);
	assert_int_equal(json_tree_append(list, NULL, NULL), -ERR_NO_MEMORY);
	assert_int_equal(json_tree_set_text(NULL, "a", "x", NULL), -ERR_NO_MEMORY);
	assert_int_equal(json_tree_set_member(NULL, "a", json_tree_list(), NULL), -ERR_NO_MEMORY);
	assert_int_equal(json_tree_append(NULL, json_tree_list(), NULL), -ERR_NO_MEMORY);
	assert_int_equal(json_tree_count(tree) + json_tree_count(list), 0);
}

static void parts_are_removed(void **state)
{
	static const char *const nothing[] = {"", "x", "a.x", "a.b.c.d", "l.2", "l.x", "x.y.z", "l.0.x"};
	owned(json_tree) struct json_tree *tree = parse("{\"a\":{\"b\":1,\"n\":null},\"l\":[1,2],\"c\":3}");
	owned(mem) char *before = mem_strdup(text_of(tree));

	(void)state;
	for (size_t i = 0; i < sizeof(nothing) / sizeof(nothing[0]); i++) {
		json_tree_remove(tree, nothing[i]);
		assert_string_equal(text_of(tree), before);
	}
	json_tree_remove(tree, "a.b");
	json_tree_remove(tree, "a.n");
	json_tree_remove(tree, "l.0");
	json_tree_remove(tree, "c");
	assert_string_equal(text_of(tree), "{\"a\":{},\"l\":[2]}");
}

/* Whatever happens to a byte, there is a tree or an error, and a tree can be written. */
static void every_changed_byte_is_survived(void **state)
{
	static const char bytes[] = "\x00\x01 \"\\{}[],:-0e/*\x80\xff";

	(void)state;
	for (size_t i = 0; i <= strlen(sample); i++) {
		for (size_t j = 0; j < sizeof(bytes); j++) {
			/* j = 0: cut short; copies, so that a read past the end is found */
			size_t len = j ? strlen(sample) : i;
			owned(mem) char *text = mem_dup(sample, len);
			owned(json_tree) struct json_tree *tree = NULL;
			owned(buf) struct buf out = {.max = 8192};
			int rc;

			if (i < len)
				text[i] = bytes[j];
			rc = json_tree_parse(text, len, "answer", &tree, NULL);
			assert_true(rc == 0 || rc == -ERR_INVALID);
			json_tree_write(tree, false, &out, NULL);
		}
	}
}

static int write_once(const struct json_tree *tree)
{
	owned(buf) struct buf text = {.max = 8192};
	struct err err;
	int rc = json_tree_write(tree, true, &text, &err);

	if (rc < 0)
		assert_int_equal(text.len, 0);
	return rc;
}

static void no_memory_is_survived(void **state)
{
	owned(json_tree) struct json_tree *tree = parse(sample);
	owned(buf) struct buf small = {.max = 20};

	(void)state;
	assert_survives_no_memory(write_once(tree));
	assert_int_equal(json_tree_write(tree, false, &small, NULL), -ERR_NO_MEMORY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_found_by_path),
		cmocka_unit_test(each_kind_is_told),
		cmocka_unit_test(other_kinds_fall_back),
		cmocka_unit_test(members_come_in_order),
		cmocka_unit_test(nothing_can_be_read_like_a_tree),
		cmocka_unit_test(empty_texts_are_the_empty_tree),
		cmocka_unit_test(bad_texts_are_refused_and_not_repeated),
		cmocka_unit_test(zero_bytes_are_refused),
		cmocka_unit_test(nesting_goes_to_64),
		cmocka_unit_test(numbers_are_exact),
		cmocka_unit_test(what_has_no_json_is_not_written),
		cmocka_unit_test(texts_look_as_elsewhere),
		cmocka_unit_test(trees_survive_a_round_trip),
		cmocka_unit_test(equality_knows_no_order_of_members),
		cmocka_unit_test(copies_are_equal_and_apart),
		cmocka_unit_test(trees_are_built_by_path),
		cmocka_unit_test(values_are_replaced_in_place),
		cmocka_unit_test(no_place_is_an_error),
		cmocka_unit_test(what_was_not_made_is_no_memory),
		cmocka_unit_test(parts_are_removed),
		cmocka_unit_test(every_changed_byte_is_survived),
		cmocka_unit_test(no_memory_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
