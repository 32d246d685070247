/* SPDX-License-Identifier: Apache-2.0 */
#include "../base/temp.h"

#include "base/str.h"
#include "json/lines.h"
#include "sample.h"

static int read_text(const char *text, size_t len, unsigned flags, struct sample *ret,
		     struct err *err)
{
	return json_read(&sample_type, text, len, "f.json", flags, ret, err);
}

static bool all_zero(const struct sample *s)
{
	static const struct sample zero;

	return memcmp(s, &zero, sizeof(zero)) == 0;
}

static void every_kind_is_read(void **state)
{
	struct sample s = {0};
	struct err err;

	(void)state;
	assert_int_equal(read_text(sample_text, strlen(sample_text), 0, &s, &err), 0);
	assert_string_equal(s.title, "tab\t quote\" \xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80");
	assert_string_equal(s.note, "n");
	assert_true(s.open);
	assert_true(s.count == INT64_MIN);
	assert_int_equal(s.port, 65535);
	assert_int_equal(s.age, 7);
	assert_true(s.ratio == 0.1);
	assert_int_equal(s.color, 2);
	assert_int_equal(s.limits.low, -1);
	assert_true(s.limits.high == INT64_MAX);
	assert_int_equal(s.n_items, 2);
	assert_string_equal(s.items[1].name, "b");
	assert_int_equal(s.items[1].limits.low, 3);
	assert_int_equal(s.n_tags, 2);
	assert_string_equal(s.tags[1], "y");
	json_release(&sample_type, &s);
	assert_true(all_zero(&s));
}

static void absent_and_null_read_alike(void **state)
{
	static const char *const texts[] = {
		"{\"title\":\"t\"}",
		"{\"title\":\"t\",\"note\":null,\"age\":null,\"items\":[],\"tags\":[]}",
	};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct sample s = {0};

		assert_int_equal(read_text(texts[i], strlen(texts[i]), 0, &s, NULL), 0);
		assert_null(s.note);
		assert_int_equal(s.age, -1);
		assert_int_equal(s.n_items, 0);
		json_release(&sample_type, &s);
	}
}

#define DEEP8 "[[[[[[[["

/* What is wrong, and how its message begins behind "f.json:". */
static const struct bad {
	const char *text, *message, *hint;
} bad[] = {
	/* not JSON */
	{"", "1: the document ends where '{' is expected", ""},
	{"  \n\t\r\n ", "3: the document ends where '{' is expected", ""},
	{"[]", "1: expected '{', found '['", ""},
	{"\"x\"", "1: expected '{'", ""},
	{"null", "1: expected '{'", ""},
	{"{} x", "1: expected the end of the document, found 'x'", ""},
	{"{}\n{}", "2: expected the end of the document, found '{'", ""},
	{"{\"title\":\"t\",}", "1: expected a key in double quotes, found '}'", ""},
	{"{title:1}", "1: expected a key in double quotes, found 't'", ""},
	{"{'title':1}", "1: expected a key in double quotes", ""},
	{"{\"title\" \"t\"}", "1: expected ':'", ""},
	{"{\"title\":\"t\" \"note\":\"n\"}", "1: expected ',' or '}'", ""},
	{"{\"tags\":[\"a\" \"b\"]}", "1: expected ',' or ']'", ""},
	{"{\"tags\":[\"a\",]}", "1: expected a value, found ']'", ""},
	{"{\"tags\":[,]}", "1: expected a value, found ','", ""},
	{"{\"count\":}", "1: expected a value", ""},
	{"{\"count\":01}", "1: expected ',' or '}'", ""},
	{"{\"count\":+1}", "1: expected a value", ""},
	{"{\"count\":-}", "1: expected a digit", ""},
	{"{\"count\":1.}", "1: expected a digit", ""},
	{"{\"count\":.5}", "1: expected a value", ""},
	{"{\"count\":1e}", "1: expected a digit", ""},
	{"{\"count\":0x10}", "1: expected ',' or '}'", ""},
	{"{\"ratio\":NaN}", "1: expected a value", ""},
	{"{\"ratio\":Infinity}", "1: expected a value", ""},
	{"{\"ratio\":-Infinity}", "1: expected a digit", ""},
	{"{\"open\":True}", "1: expected a value", ""},
	{"{\"open\":truely}", "1: expected ',' or '}'", ""},
	{"{\"title\":'t'}", "1: expected a value", ""},
	{"{\"title\":\"a\nb\"}", "1: a string holds a control character", ""},
	{"{\"title\":\"\\x\"}", "1: expected an escape", ""},
	{"{\"title\":\"\\u12g4\"}", "1: expected four hexadecimal digits", ""},
	{"{\"title\":\"\\ud800\"}", "1: half a surrogate pair", ""},
	{"{\"title\":\"\\udc00\"}", "1: half a surrogate pair", ""},
	{"{\"title\":\"\\ud800\\u0041\"}", "1: half a surrogate pair", ""},
	{"{\"title\":\"\\ud800\\ud800\"}", "1: half a surrogate pair", ""},
	{"{\"title\":\"\\u0000\"}", "1: 'title' holds a zero character", ""},
	{"{\"tags\":[\"\\u0000\"]}", "1: 'tags' holds a zero character", ""},
	/* not UTF-8 */
	{"{\n\"title\":\"\x80\"}", "2: the text is not valid UTF-8", ""},
	{"{\"title\":\"\xc0\xaf\"}", "1: the text is not valid UTF-8", ""},
	{"{\"title\":\"\xc3\"}", "1: the text is not valid UTF-8", ""},
	{"{\"title\":\"\xe0\x80\xaf\"}", "1: the text is not valid UTF-8", ""},
	{"{\"title\":\"\xed\xa0\x80\"}", "1: the text is not valid UTF-8", ""},
	{"{\"title\":\"\xf4\x90\x80\x80\"}", "1: the text is not valid UTF-8", ""},
	{"{\"title\":\"\xff\"}", "1: the text is not valid UTF-8", ""},
	{"\xef\xbb\xbf{}", "1: expected '{'", ""},
	/* keys */
	{"{\"title\":\"t\",\n\"titel\":\"t\"}", "2: unknown key 'titel'", "did you mean 'title'?"},
	{"{\"title\":\"t\",\"zzzzzzzz\":1}", "1: unknown key 'zzzzzzzz'", ""},
	{"{\"title\":\"t\",\"shema\":1}", "1: unknown key 'shema'", "did you mean 'schema'?"},
	{"{\"title\":\"t\",\"items\":[\n{\"name\":\"a\",\n\"siz\":1}]}", "3: unknown key 'siz'",
	 "did you mean 'size'?"},
	{"{\"title\":\"t\",\n\n\"title\":\"u\"}", "3: the key 'title' stands in line 1 already", ""},
	{"{\"title\":\"t\",\"items\":[{\"name\":\"a\",\n\"name\":\"a\"}]}",
	 "2: the key 'name' stands in line 1 already", ""},
	{"{\"titl\\u0065\":\"t\"}", "1: a key holds an escape", ""},
	{"{}", "1: the key 'title' is missing", ""},
	{"{\"title\":\"t\",\"items\":[\n\n{\"size\":1}]}", "3: the key 'name' is missing", ""},
	/* kinds */
	{"{\"title\":1}", "1: 'title' must be a string", ""},
	{"{\"title\":null}", "1: 'title' must be a string", ""},
	{"{\"title\":{}}", "1: 'title' must be a string", ""},
	{"{\"title\":\n1}", "1: 'title' must be a string", ""},
	{"{\"open\":1}", "1: 'open' must be true or false", ""},
	{"{\"open\":null}", "1: 'open' must be true or false", ""},
	{"{\"open\":\"true\"}", "1: 'open' must be true or false", ""},
	{"{\"count\":\"1\"}", "1: 'count' must be a whole number", ""},
	{"{\"count\":1.0}", "1: 'count' must be a whole number", ""},
	{"{\"count\":1e3}", "1: 'count' must be a whole number", ""},
	{"{\"count\":null}", "1: 'count' must be a whole number", ""},
	{"{\"ratio\":\"0\"}", "1: 'ratio' must be a number", ""},
	{"{\"ratio\":null}", "1: 'ratio' must be a number", ""},
	{"{\"ratio\":1e999}", "1: 'ratio' is too large", ""},
	{"{\"color\":1}", "1: 'color' must be a string", ""},
	{"{\"color\":\"gren\"}", "1: 'color' must be one of red, green, blue, not 'gren'",
	 "did you mean 'green'?"},
	{"{\"color\":\"\"}", "1: 'color' must be one of", ""},
	{"{\"limits\":[]}", "1: 'limits' must be an object", ""},
	{"{\"limits\":null}", "1: 'limits' must be an object", ""},
	{"{\"items\":{}}", "1: 'items' must be a list", ""},
	{"{\"items\":null}", "1: 'items' must be a list", ""},
	{"{\"items\":[\n1]}", "2: 'items' must be a list of objects", ""},
	{"{\"items\":[null]}", "1: 'items' must be a list of objects", ""},
	{"{\"tags\":[1]}", "1: 'tags' must be a list of strings", ""},
	{"{\"tags\":[\"a\",\nnull]}", "2: 'tags' must be a list of strings", ""},
	{"{\"tags\":\"a\"}", "1: 'tags' must be a list", ""},
	{"{\"schema\":\"hsmctl/other/v1\",\"title\":\"t\"}", "1: 'schema' must be 'hsmctl/sample/v1'", ""},
	{"{\n\"schema\":1,\"title\":\"t\"}", "2: 'schema' must be 'hsmctl/sample/v1'", ""},
	{"{\"schema\":null,\"title\":\"t\"}", "1: 'schema' must be", ""},
	/* values */
	{"{\"port\":0}", "1: 'port' must be from 1 to 65535", ""},
	{"{\"port\":65536}", "1: 'port' must be from 1 to 65535", ""},
	{"{\"port\":-1}", "1: 'port' must be from 1 to 65535", ""},
	{"{\"limits\":{\"high\":-1}}", "1: 'high' must be at least 0", ""},
	{"{\"count\":9223372036854775808}", "1: 'count' must be from -9223372036854775808 to", ""},
	{"{\"count\":-9223372036854775809}", "1: 'count' must be from", ""},
	{"{\"count\":18446744073709551616}", "1: 'count' must be from", ""},
	{"{\"count\":99999999999999999999999999999999999999}", "1: 'count' must be from", ""},
	{"{\"items\":[{\"name\":\"\"}]}", "1: 'name' must be a name", ""},
	{"{\"items\":[{\"name\":\"A\"}]}", "1: 'name' must be a name", ""},
	{"{\"items\":[{\"name\":\"../x\"}]}", "1: 'name' must be a name", ""},
	{"{\"items\":[{\"name\":\"a/b\"}]}", "1: 'name' must be a name", ""},
	{"{\"tags\":[\"a\",\"B\"]}", "1: 'tags' must be a name", ""},
	{"{\"title\":\"t\",\"items\":[\n{\"name\":\"a\"},\n{\"name\":\"b\"},\n{\n\"name\":\"a\"}]}",
	 "5: the name 'a' in 'items' stands in line 2 already", ""},
	/* comments without leave, and depth */
	{"{} // x", "1: comments are not allowed here", ""},
	{"/* x */ {}", "1: comments are not allowed here", ""},
	{"{\"title\":" DEEP8 DEEP8 DEEP8 DEEP8 DEEP8, "1: nested deeper than 32", ""},
	{"{\"title\":" DEEP8 DEEP8 DEEP8 DEEP8, "1: nested deeper than 32", ""},
};

static void bad_documents_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct sample s = {0};
		struct err err;
		const char *message = err.message + strlen("f.json:");

		assert_int_equal(read_text(bad[i].text, strlen(bad[i].text), 0, &s, &err), -ERR_INVALID);
		if (!str_starts(err.message, "f.json:") || !str_starts(message, bad[i].message))
			fail_msg("%s: '%s', expected '%s'", bad[i].text, err.message, bad[i].message);
		assert_string_equal(err.hint, bad[i].hint);
		assert_true(all_zero(&s));
	}
}

static void depth_is_bounded_not_less(void **state)
{
	struct sample s = {0};
	struct err err;
	char text[100] = "{\"tags\":";

	(void)state;
	/* 1 object and 31 lists: parsed, and then refused for what they hold */
	memset(text + strlen(text), '[', 31);
	memset(text + strlen(text), ']', 31);
	strcat(text, "}");
	assert_int_equal(read_text(text, strlen(text), 0, &s, &err), -ERR_INVALID);
	assert_string_equal(err.message, "f.json:1: 'tags' must be a list of strings");
}

static void many_keys_are_refused(void **state)
{
	owned(buf) struct buf text = {.max = 1 << 20};
	struct sample s = {0};
	struct err err;

	(void)state;
	buf_put_str(&text, "{");
	for (int i = 0; i < 1000; i++)
		buf_printf(&text, "%s\"k%d\":1", i ? "," : "", i);
	buf_put_str(&text, "}");
	assert_int_equal(read_text((char *)text.data, text.len, 0, &s, &err), -ERR_INVALID);
	assert_string_equal(err.message, "f.json:1: more than 128 keys in one object");
}

static void zero_bytes_are_refused(void **state)
{
	static const char text[] = "{\"title\":\"t\0\"}";
	struct sample s = {0};
	struct err err;

	(void)state;
	assert_int_equal(read_text(text, sizeof(text) - 1, 0, &s, &err), -ERR_INVALID);
	assert_string_equal(err.message, "f.json:1: the text holds a zero byte");
	assert_int_equal(read_text("{\"title\":\"t\"}", 14, 0, &s, &err), -ERR_INVALID);
}

static void every_truncation_is_refused(void **state)
{
	size_t whole = strlen(sample_text) - 1;

	(void)state;
	for (size_t len = 0; len < whole; len++) {
		/* a copy of its own, so that a read past the end is found */
		owned(mem) char *part = mem_dup(sample_text, len);
		struct sample s = {0};
		struct err err;

		assert_int_equal(read_text(part, len, 0, &s, &err), -ERR_INVALID);
		assert_true(all_zero(&s));
	}
}

/* Whatever happens to a byte, the reader ends with a document or an error. */
static void every_changed_byte_is_survived(void **state)
{
	static const char bytes[] = "\x00\x01 \"\\{}[],:-0e/*\x80\xff";

	(void)state;
	for (size_t i = 0; i < strlen(sample_text); i++) {
		for (size_t j = 0; j < sizeof(bytes); j++) {
			owned(mem) char *text = mem_dup(sample_text, strlen(sample_text));
			struct sample s = {0};
			int rc;

			text[i] = bytes[j];
			rc = read_text(text, strlen(sample_text), JSON_COMMENTS, &s, NULL);
			assert_true(rc == 0 || rc == -ERR_INVALID);
			if (rc < 0)
				assert_true(all_zero(&s));
			json_release(&sample_type, &s);
		}
	}
}

static void comments_keep_lines(void **state)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{"// a\n{ /* b\n */ \"title\": // \"x\n \"t\" }\n// end", NULL},
		{"{\"title\":\"// no\"}/**/", NULL},
		{"{\"title\":\"/* no */\"}//", NULL},
		{"{\"title\":/*\"*/\"t\"}", NULL},
		{"/***/{\"title\":\"t\"}/* ** / */", NULL},
		{"/* 1\n 2\n 3 */ // 3\n{\"x\":1}", "f.json:4: unknown key 'x'"},
		{"{\n/* open", "f.json:2: the comment that begins here has no end"},
		{"{/*/ \"title\":1}", "f.json:1: the comment that begins here has no end"},
		{"{ / }", "f.json:1: expected a key in double quotes, found '/'"},
		{"{\"count\":1/", "f.json:1: expected ',' or '}', found '/'"},
		{"// \xff\n{}", "f.json:1: the text is not valid UTF-8"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sample s = {0};
		struct err err = {0};
		int rc = read_text(cases[i].text, strlen(cases[i].text), JSON_COMMENTS, &s, &err);

		if (cases[i].message)
			assert_string_equal(err.message, cases[i].message);
		else
			assert_string_equal(err.message, "");
		assert_int_equal(rc, cases[i].message ? -ERR_INVALID : 0);
		json_release(&sample_type, &s);
	}
}

struct tagged {
	struct json_pair *tags;
	size_t n_tags;
};

static const struct json_field tagged_fields[] = {
	JSON_F_MAP(struct tagged, tags, 0, "tags"),
	JSON_F_END,
};
static const struct json_type tagged_type = {
	.summary = "A map", .size = sizeof(struct tagged), .fields = tagged_fields,
};

static void bad_maps_are_refused_with_their_line(void **state)
{
	static const struct bad maps[] = {
		{"{\n\"tags\":[]}", "2: 'tags' must be an object of strings", ""},
		{"{\"tags\":\"a\"}", "1: 'tags' must be an object of strings", ""},
		{"{\"tags\":null}", "1: 'tags' must be an object of strings", ""},
		{"{\"tags\":{\n\"a\":\"b\",\n\"c\":1}}", "3: 'c' in 'tags' must be a string", ""},
		{"{\"tags\":{\n\"a\":\nnull}}", "2: 'a' in 'tags' must be a string", ""},
		{"{\"tags\":{\"a\":{\"b\":\"c\"}}}", "1: 'a' in 'tags' must be a string", ""},
		{"{\"tags\":{\"a\":[\"b\"]}}", "1: 'a' in 'tags' must be a string", ""},
		{"{\"tags\":{\"a\":\"b\",\n\"a\":\"c\"}}", "2: the key 'a' stands in line 1 already", ""},
		{"{\"tags\":{\"a\":\"\\u0000\"}}", "1: 'tags' holds a zero character", ""},
		{"{\"tags\":{\"\\u0061\":\"b\"}}", "1: a key holds an escape", ""},
		{"{\"tags\":{\n\"a\x7f\":\"b\"}}", "2: a name in 'tags' holds a control character", ""},
		{"{\"tags\":{\"\xc2\x9b\":\"b\"}}", "1: a name in 'tags' holds a control character", ""},
		{"{\"tags\":{\"a\":\"b\"},\n\"tag\":1}", "2: unknown key 'tag'", "did you mean 'tags'?"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++) {
		struct tagged t = {0};
		struct err err;

		assert_int_equal(json_read(&tagged_type, maps[i].text, strlen(maps[i].text), "f.json", 0, &t, &err),
				 -ERR_INVALID);
		if (!str_starts(err.message + strlen("f.json:"), maps[i].message))
			fail_msg("%s: '%s', expected '%s'", maps[i].text, err.message, maps[i].message);
		assert_string_equal(err.hint, maps[i].hint);
		assert_null(t.tags);
		assert_int_equal(t.n_tags, 0);
	}
}

static void lines_of_pairs_are_known(void **state)
{
	static const char text[] = "{\n\"tags\": {\n\"a\": \"b\",\n\n\"c\": \"d\"\n}}";
	owned(json_lines) struct json_lines *lines = NULL;
	struct tagged t = {0};

	(void)state;
	assert_int_equal(json_read_lines(&tagged_type, text, strlen(text), "f.json", 0, &t, &lines, NULL), 0);
	assert_int_equal(json_lines_of(lines, &t.tags), 2);
	assert_int_equal(json_lines_of(lines, &t.tags[0]), 3);
	assert_int_equal(json_lines_of(lines, &t.tags[1]), 5);
	json_release(&tagged_type, &t);
}

static int read_and_release(void)
{
	struct sample s = {0};
	struct err err;
	int rc = read_text(sample_text, strlen(sample_text), 0, &s, &err);

	if (rc < 0)
		assert_true(all_zero(&s));
	json_release(&sample_type, &s);
	return rc;
}

static void no_memory_is_survived(void **state)
{
	(void)state;
	assert_survives_no_memory(read_and_release());
}

static void lines_are_known_by_address(void **state)
{
	owned(json_lines) struct json_lines *lines = NULL;
	struct sample s = {0};
	struct err err;

	(void)state;
	assert_int_equal(json_read_lines(&sample_type, sample_text, strlen(sample_text), "f.json", 0,
					 &s, &lines, &err), 0);
	assert_int_equal(json_lines_of(lines, &s.title), 3);
	assert_int_equal(json_lines_of(lines, &s.color), 10);
	assert_int_equal(json_lines_of(lines, &s.items), 12);
	assert_int_equal(json_lines_of(lines, &s.items[0]), 13);
	assert_int_equal(json_lines_of(lines, &s.items[1].name), 14);
	assert_int_equal(json_lines_of(lines, &s.items[1].limits.low), 14);
	assert_int_equal(json_lines_of(lines, &s.items[1].size), 0);
	assert_int_equal(json_lines_of(lines, &s.tags[1]), 16);
	assert_int_equal(json_lines_error(lines, &s.port, &err, "no '%s'", "x"), -ERR_INVALID);
	assert_string_equal(err.message, "f.json:7: no 'x'");
	assert_int_equal(json_lines_error(lines, &err, &err, "gone"), -ERR_INVALID);
	assert_string_equal(err.message, "f.json: gone");
	json_release(&sample_type, &s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_is_read),
		cmocka_unit_test(absent_and_null_read_alike),
		cmocka_unit_test(bad_documents_are_refused),
		cmocka_unit_test(depth_is_bounded_not_less),
		cmocka_unit_test(many_keys_are_refused),
		cmocka_unit_test(zero_bytes_are_refused),
		cmocka_unit_test(every_truncation_is_refused),
		cmocka_unit_test(every_changed_byte_is_survived),
		cmocka_unit_test(comments_keep_lines),
		cmocka_unit_test(no_memory_is_survived),
		cmocka_unit_test(lines_are_known_by_address),
		cmocka_unit_test(bad_maps_are_refused_with_their_line),
		cmocka_unit_test(lines_of_pairs_are_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
