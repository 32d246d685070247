/* SPDX-License-Identifier: Apache-2.0 */
#include "../base/temp.h"

#include <math.h>
#include <unistd.h>

#include "base/proc.h"
#include "sample.h"

static void read_sample(struct sample *s)
{
	assert_int_equal(json_read(&sample_type, sample_text, strlen(sample_text), "sample", 0, s, NULL), 0);
}

static void documents_survive_a_round_trip(void **state)
{
	(void)state;
	for (int pretty = 0; pretty < 2; pretty++) {
		owned(buf) struct buf text = {.max = 65536}, again = {.max = 65536};
		struct sample s = {0}, t = {0};

		read_sample(&s);
		assert_int_equal(json_write(&sample_type, &s, pretty, &text, NULL), 0);
		assert_int_equal(json_read(&sample_type, (char *)text.data, text.len, "again", 0, &t, NULL), 0);
		assert_true(json_equal(&sample_type, &s, &t));
		assert_int_equal(json_write(&sample_type, &t, pretty, &again, NULL), 0);
		assert_string_equal(buf_text(&text), buf_text(&again));
		assert_int_equal(strchr(buf_text(&text), '\n') != NULL, pretty);
		json_release(&sample_type, &s);
		json_release(&sample_type, &t);
	}
}

static void the_form_is_fixed(void **state)
{
	owned(buf) struct buf text = {.max = 65536};
	struct sample_item items[] = {{.name = (char[]){"a"}}, {.name = (char[]){"b"}, .size = 2}};
	struct sample s = {.title = (char[]){"t"}, .age = -1, .ratio = 0.1, .items = items, .n_items = 2};

	(void)state;
	assert_int_equal(json_write(&sample_type, &s, false, &text, NULL), 0);
	assert_string_equal(buf_text(&text),
			    "{\"schema\":\"hsmctl/sample/v1\",\"title\":\"t\",\"note\":null,\"open\":false,"
			    "\"count\":0,\"age\":null,\"ratio\":0.1,\"color\":\"red\","
			    "\"items\":[{\"name\":\"a\",\"size\":0},{\"name\":\"b\",\"size\":2}],\"tags\":[]}");
	buf_clear(&text);
	assert_int_equal(json_write(&sample_item_type, &items[1], true, &text, NULL), 0);
	assert_string_equal(buf_text(&text), "{\n  \"name\": \"b\",\n  \"size\": 2\n}\n");
	buf_clear(&text);
	s.n_items = 1;
	assert_int_equal(json_write(&sample_type, &s, true, &text, NULL), 0);
	assert_non_null(strstr(buf_text(&text),
			       "  \"items\": [\n    {\n      \"name\": \"a\",\n      \"size\": 0\n    }\n  ],\n  \"tags\": []\n}\n"));
}

static void strings_are_escaped(void **state)
{
	static const struct {
		const char *text, *json;
	} cases[] = {
		{"", "\"\""},
		{"\"\\/", "\"\\\"\\\\/\""},
		{"\b\f\n\r\t\x01\x1f", "\"\\b\\f\\n\\r\\t\\u0001\\u001f\""},
		{"\x7f\xc2\x80\xc2\x9b\xc2\xa0", "\"\\u007f\\u0080\\u009b\xc2\xa0\""},
		{"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""},
		{"a\x80z", "\"a\xef\xbf\xbdz\""},
		{"\xc3", "\"\xef\xbf\xbd\""},
		{"\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
		{"\xf0\x9f\x98", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		owned(buf) struct buf text = {.max = 65536};
		struct sample s = {.title = (char *)(uintptr_t)cases[i].text};
		char wanted[200];

		snprintf(wanted, sizeof(wanted), "\"title\":%s,", cases[i].json);
		assert_int_equal(json_write(&sample_type, &s, false, &text, NULL), 0);
		assert_non_null(strstr(buf_text(&text), wanted));
	}
}

static void numbers_are_short_and_exact(void **state)
{
	static const struct {
		double number;
		const char *text;
	} cases[] = {
		{0, "0"}, {1, "1"}, {0.1, "0.1"}, {-2.5, "-2.5"}, {1.0 / 3, "0.3333333333333333"},
		{1e300, "1e+300"}, {5e-324, "4.94065645841247e-324"}, {99.999, "99.999"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		owned(buf) struct buf text = {.max = 65536};
		struct sample s = {.title = (char[]){"t"}, .ratio = cases[i].number}, t = {0};
		char wanted[100];

		snprintf(wanted, sizeof(wanted), "\"ratio\":%s,", cases[i].text);
		assert_int_equal(json_write(&sample_type, &s, false, &text, NULL), 0);
		assert_non_null(strstr(buf_text(&text), wanted));
		assert_int_equal(json_read(&sample_type, (char *)text.data, text.len, "t", 0, &t, NULL), 0);
		assert_true(t.ratio == cases[i].number);
		json_release(&sample_type, &t);
	}
}

static void what_has_no_json_is_refused(void **state)
{
	struct sample no_title = {0}, not_finite = {.title = (char[]){"t"}, .ratio = NAN},
		      no_color = {.title = (char[]){"t"}, .color = 3};
	const struct {
		struct sample *s;
		const char *message;
	} cases[] = {
		{&no_title, "the key 'title' is missing"},
		{&not_finite, "'ratio' is not a finite number"},
		{&no_color, "'color' has no name for 3"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		owned(buf) struct buf text = {.max = 65536};
		struct err err;

		buf_put_str(&text, "before");
		assert_int_equal(json_write(&sample_type, cases[i].s, true, &text, &err), -ERR_INVALID);
		assert_string_equal(err.message, cases[i].message);
		assert_string_equal(buf_text(&text), "before");
	}
}

static void copies_are_equal_and_apart(void **state)
{
	struct sample s = {0}, t = {0};

	(void)state;
	read_sample(&s);
	assert_int_equal(json_copy(&sample_type, &s, &t, NULL), 0);
	assert_true(json_equal(&sample_type, &s, &t));
	assert_ptr_not_equal(s.items, t.items);
	assert_ptr_not_equal(s.tags[0], t.tags[0]);
	json_release(&sample_type, &s);
	assert_string_equal(t.items[1].name, "b");
	json_release(&sample_type, &t);
}

static void change_title(struct sample *s) { s->title[0] ^= 1; }
static void change_note(struct sample *s) { free(s->note); s->note = NULL; }
static void change_open(struct sample *s) { s->open = !s->open; }
static void change_count(struct sample *s) { s->count++; }
static void change_ratio(struct sample *s) { s->ratio += 1; }
static void change_color(struct sample *s) { s->color = 0; }
static void change_limits(struct sample *s) { s->limits.high--; }
static void change_item(struct sample *s) { s->items[1].limits.low++; }
static void change_tag(struct sample *s) { s->tags[0][0] = 'z'; }
static void change_length(struct sample *s)
{
	free(s->tags[1]);
	json_remove(&s->tags, &s->n_tags, sizeof(*s->tags), 1);
}

static void each_difference_is_seen(void **state)
{
	static void (*const changes[])(struct sample *) = {
		change_title, change_note, change_open, change_count, change_ratio,
		change_color, change_limits, change_item, change_tag, change_length,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		struct sample s = {0}, t = {0};

		read_sample(&s);
		read_sample(&t);
		assert_true(json_equal(&sample_type, &s, &t));
		changes[i](&t);
		assert_false(json_equal(&sample_type, &s, &t));
		assert_false(json_equal(&sample_type, &t, &s));
		json_release(&sample_type, &s);
		json_release(&sample_type, &t);
	}
}

static void lists_grow_and_shrink(void **state)
{
	struct sample_item *items = NULL;
	size_t n = 0;

	(void)state;
	for (int64_t i = 0; i < 5; i++) {
		struct sample_item *item = json_append(&items, &n, sizeof(*items));

		assert_null(item->name);
		assert_int_equal(item->size, 0);
		item->size = i;
	}
	json_remove(&items, &n, sizeof(*items), 4);
	json_remove(&items, &n, sizeof(*items), 0);
	json_remove(&items, &n, sizeof(*items), 1);
	assert_int_equal(n, 2);
	assert_int_equal(items[0].size, 1);
	assert_int_equal(items[1].size, 3);
	mem_fail_after = 1;
	assert_null(json_append(&items, &n, sizeof(*items)));
	assert_int_equal(n, 2);
	free(items);
}

static int copy_and_write(const struct sample *s)
{
	owned(buf) struct buf text = {.max = 65536};
	static const struct sample zero;
	struct sample t = {0};
	struct err err;
	int rc = json_copy(&sample_type, s, &t, &err);

	if (rc < 0)
		assert_memory_equal(&t, &zero, sizeof(t));
	if (rc == 0)
		rc = json_write(&sample_type, &t, true, &text, &err);
	json_release(&sample_type, &t);
	return rc;
}

static void no_memory_is_survived(void **state)
{
	struct sample s = {0};

	(void)state;
	read_sample(&s);
	assert_survives_no_memory(copy_and_write(&s));
	json_release(&sample_type, &s);
}

/* ---- maps ---- */

struct tagged {
	struct json_pair *tags, *more;
	size_t n_tags, n_more;
};

static const struct json_field tagged_fields[] = {
	JSON_F_MAP(struct tagged, tags, 0, "tags"),
	JSON_F_MAP(struct tagged, more, JSON_OMIT, "more tags"),
	JSON_F_END,
};
static const struct json_type tagged_type = {
	.summary = "Maps", .size = sizeof(struct tagged), .fields = tagged_fields,
};

static const char tagged_text[] =
	"{\"tags\":{\"owner\":\"a\",\"cost.center\":\"\",\"\":\"\\\"\xc3\xa9\"},\"more\":{\"x\":\"y\"}}";

static void read_tagged(const char *text, struct tagged *t)
{
	assert_int_equal(json_read(&tagged_type, text, strlen(text), "tagged", 0, t, NULL), 0);
}

static void maps_survive_a_round_trip(void **state)
{
	owned(buf) struct buf text = {.max = 65536};
	struct tagged t = {0}, copy = {0};

	(void)state;
	read_tagged(tagged_text, &t);
	assert_int_equal(t.n_tags, 3);
	assert_string_equal(t.tags[1].name, "cost.center");
	assert_string_equal(t.tags[1].value, "");
	assert_string_equal(t.tags[2].value, "\"\xc3\xa9");
	assert_int_equal(json_copy(&tagged_type, &t, &copy, NULL), 0);
	assert_true(json_equal(&tagged_type, &t, &copy));
	assert_ptr_not_equal(t.tags[0].name, copy.tags[0].name);
	assert_ptr_not_equal(t.tags[0].value, copy.tags[0].value);
	json_release(&tagged_type, &t);
	assert_int_equal(json_write(&tagged_type, &copy, false, &text, NULL), 0);
	assert_string_equal(buf_text(&text), tagged_text);
	json_release(&tagged_type, &copy);
	assert_null(copy.tags);
	assert_int_equal(copy.n_tags, 0);
}

static void empty_maps_can_be_left_out(void **state)
{
	static const char *const texts[] = {"{}", "{\"tags\":{},\"more\":{}}"};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		owned(buf) struct buf text = {.max = 65536}, pretty = {.max = 65536};
		struct tagged t = {0};

		read_tagged(texts[i], &t);
		assert_int_equal(t.n_tags + t.n_more, 0);
		assert_int_equal(json_write(&tagged_type, &t, false, &text, NULL), 0);
		assert_string_equal(buf_text(&text), "{\"tags\":{}}");
		json_release(&tagged_type, &t);
		read_tagged("{\"tags\":{\"a\":\"b\"}}", &t);
		assert_int_equal(json_write(&tagged_type, &t, true, &pretty, NULL), 0);
		assert_string_equal(buf_text(&pretty), "{\n  \"tags\": {\n    \"a\": \"b\"\n  }\n}\n");
		json_release(&tagged_type, &t);
	}
}

static void maps_are_equal_in_any_order(void **state)
{
	static const struct {
		const char *a, *b;
		bool equal;
	} cases[] = {
		{"{\"a\":\"1\",\"b\":\"2\"}", "{\"b\":\"2\",\"a\":\"1\"}", true},
		{"{\"a\":\"1\",\"b\":\"2\"}", "{\"a\":\"2\",\"b\":\"1\"}", false},
		{"{\"a\":\"1\",\"b\":\"2\"}", "{\"a\":\"1\"}", false},
		{"{\"a\":\"1\"}", "{\"A\":\"1\"}", false},
		{"{\"a\":\"1\"}", "{}", false},
		{"{}", "{}", true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tagged a = {0}, b = {0};
		char text[100];

		snprintf(text, sizeof(text), "{\"tags\":%s}", cases[i].a);
		read_tagged(text, &a);
		snprintf(text, sizeof(text), "{\"tags\":%s}", cases[i].b);
		read_tagged(text, &b);
		assert_int_equal(json_equal(&tagged_type, &a, &b), cases[i].equal);
		assert_int_equal(json_equal(&tagged_type, &b, &a), cases[i].equal);
		json_release(&tagged_type, &a);
		json_release(&tagged_type, &b);
	}
}

static void names_that_cannot_be_read_are_not_written(void **state)
{
	static const char *const names[] = {"a\"b", "a\\b", "a\nb", "\x7f", "\xc2\x80", "\x80"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		owned(buf) struct buf text = {.max = 65536};
		struct json_pair pair = {.name = (char *)(uintptr_t)names[i], .value = (char[]){"v"}};
		struct tagged t = {.tags = &pair, .n_tags = 1};
		struct err err;

		assert_int_equal(json_write(&tagged_type, &t, false, &text, &err), -ERR_INVALID);
		assert_non_null(strstr(err.message, "is no name for 'tags'"));
		assert_int_equal(text.len, 0);
	}
}

static int read_copy_and_write_maps(void)
{
	owned(buf) struct buf text = {.max = 65536};
	static const struct tagged zero;
	struct tagged t = {0}, copy = {0};
	struct err err;
	int rc = json_read(&tagged_type, tagged_text, strlen(tagged_text), "tagged", 0, &t, &err);

	if (rc < 0)
		assert_memory_equal(&t, &zero, sizeof(t));
	if (rc == 0)
		rc = json_copy(&tagged_type, &t, &copy, &err);
	if (rc < 0)
		assert_memory_equal(&copy, &zero, sizeof(copy));
	if (rc == 0)
		rc = json_write(&tagged_type, &copy, true, &text, &err);
	json_release(&tagged_type, &t);
	json_release(&tagged_type, &copy);
	return rc;
}

static void maps_survive_no_memory(void **state)
{
	(void)state;
	assert_survives_no_memory(read_copy_and_write_maps());
}

static const char *save(const char *folder, const char *name, const void *data, size_t len)
{
	static char path[2][300];
	static int i;

	i = !i;
	snprintf(path[i], sizeof(path[i]), "%s/%s", folder, name);
	assert_int_equal(file_write(path[i], data, len, 0600, NULL), 0);
	return path[i];
}

/* Does an independent validator accept the text under our schema? 1, 0. */
static int accepts(const char *folder, const struct buf *schema, const char *text)
{
	static const char program[] =
		"import json, jsonschema, sys\n"
		"schema, document = (json.load(open(path)) for path in sys.argv[1:])\n"
		"jsonschema.Draft202012Validator.check_schema(schema)\n"
		"sys.exit(not jsonschema.Draft202012Validator(schema).is_valid(document))\n";
	const char *s = save(folder, "schema.json", schema->data, schema->len);
	const char *d = save(folder, "document.json", text, strlen(text));
	const char *argv[] = {"/usr/bin/python3", "-c", program, s, d, NULL};
	owned(buf) struct buf out = {.max = 65536}, complaint = {.max = 65536};
	int status = proc_run(argv, NULL, &out, &complaint, NULL);

	if (complaint.len)
		fail_msg("%s", buf_text(&complaint));
	assert_in_range(status, 0, 1);
	return !status;
}

static void the_schema_says_what_the_reader_does(void **state)
{
	static const char *const texts[] = {
		sample_text, "{\"title\":\"t\"}", "{}", "{\"title\":1}", "{\"title\":\"t\",\"x\":1}",
		"{\"title\":\"t\",\"note\":null,\"age\":null}", "{\"title\":\"t\",\"count\":null}",
		"{\"title\":\"t\",\"port\":0}", "{\"title\":\"t\",\"port\":1}",
		"{\"title\":\"t\",\"color\":\"pink\"}", "{\"title\":\"t\",\"items\":[{\"name\":\"A\"}]}",
		"{\"title\":\"t\",\"items\":[{}]}", "{\"title\":\"t\",\"tags\":[\"A\"]}",
		"{\"title\":\"t\",\"tags\":[1]}", "{\"title\":\"t\",\"limits\":{\"high\":-1}}",
		"{\"schema\":\"hsmctl/other/v1\",\"title\":\"t\"}", "{\"title\":\"t\",\"ratio\":\"1\"}",
	};
	owned(buf) struct buf schema = {.max = 65536};

	if (access("/usr/bin/python3", X_OK) < 0)
		skip();
	assert_int_equal(json_schema(&sample_type, &schema, NULL), 0);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct sample s = {0};
		int rc = json_read(&sample_type, texts[i], strlen(texts[i]), "t", 0, &s, NULL);

		if (accepts(*state, &schema, texts[i]) != (rc == 0))
			fail_msg("reader and schema differ: %s", texts[i]);
		json_release(&sample_type, &s);
	}
}

static void the_schema_of_maps_says_what_the_reader_does(void **state)
{
	static const char *const texts[] = {
		tagged_text, "{}", "{\"tags\":{}}", "{\"tags\":[]}", "{\"tags\":\"a\"}", "{\"tags\":null}",
		"{\"tags\":{\"a\":1}}", "{\"tags\":{\"a\":null}}", "{\"tags\":{\"a\":{}}}",
		"{\"tags\":{\"a\":[\"b\"]}}",
	};
	owned(buf) struct buf schema = {.max = 65536};

	if (access("/usr/bin/python3", X_OK) < 0)
		skip();
	assert_int_equal(json_schema(&tagged_type, &schema, NULL), 0);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct tagged t = {0};
		int rc = json_read(&tagged_type, texts[i], strlen(texts[i]), "t", 0, &t, NULL);

		if (accepts(*state, &schema, texts[i]) != (rc == 0))
			fail_msg("reader and schema differ: %s", texts[i]);
		json_release(&tagged_type, &t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(documents_survive_a_round_trip),
		cmocka_unit_test(the_form_is_fixed),
		cmocka_unit_test(strings_are_escaped),
		cmocka_unit_test(numbers_are_short_and_exact),
		cmocka_unit_test(what_has_no_json_is_refused),
		cmocka_unit_test(copies_are_equal_and_apart),
		cmocka_unit_test(each_difference_is_seen),
		cmocka_unit_test(lists_grow_and_shrink),
		cmocka_unit_test(no_memory_is_survived),
		cmocka_unit_test(maps_survive_a_round_trip),
		cmocka_unit_test(empty_maps_can_be_left_out),
		cmocka_unit_test(maps_are_equal_in_any_order),
		cmocka_unit_test(names_that_cannot_be_read_are_not_written),
		cmocka_unit_test(maps_survive_no_memory),
		temp_test(the_schema_says_what_the_reader_does),
		temp_test(the_schema_of_maps_says_what_the_reader_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
