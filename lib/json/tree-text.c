/* SPDX-License-Identifier: Apache-2.0 */
/* Trees from text and back. */
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <string.h>

#include "base/err.h"
#include "json/emit.h"
#include "json/tree_private.h"
#include "json/utf8.h"

enum { DEPTH_MAX = 64 };

static void own_tokener(struct json_tokener **tokener)
{
	if (*tokener)
		json_tokener_free(*tokener);
}

static int bad_text(struct err *err, const char *source, const char *reason)
{
	return err_set(err, ERR_INVALID, "%s: %s", source, reason);
}

/* What json-c would let pass or cut short. */
static int check_text(const char *text, size_t len, const char *source, struct err *err)
{
	static const char zero[] = "\\u0000";
	uint32_t character;

	for (size_t i = 0, n; i < len; i += n) {
		n = json_utf8(text + i, len - i, &character);
		if (!n)
			return bad_text(err, source, "the text is not valid UTF-8");
		if (!character)
			return bad_text(err, source, "the text holds a zero byte");
		if (character != '\\')
			continue;
		if (len - i >= strlen(zero) && memcmp(text + i, zero, strlen(zero)) == 0)
			return bad_text(err, source, "a string holds a zero character");
		n = 2;	/* an escaped backslash begins no escape */
	}
	return 0;
}

static int parse(const char *text, int len, const char *source, struct json_tree **ret, struct err *err)
{
	/* json-c counts a value inside the innermost brackets as a level too. */
	__attribute__((cleanup(own_tokener))) struct json_tokener *tokener = json_tokener_new_ex(DEPTH_MAX + 1);
	struct json_object *object;
	enum json_tokener_error problem;

	if (!tokener)
		return err_no_memory(err);
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
	object = json_tokener_parse_ex(tokener, text, len);
	problem = json_tokener_get_error(tokener);
	/* A number lasts until something else follows. */
	if (problem == json_tokener_continue) {
		object = json_tokener_parse_ex(tokener, "", 1);
		problem = json_tokener_get_error(tokener);
	}
	if (problem != json_tokener_success)
		return bad_text(err, source, json_tokener_error_desc(problem));
	*ret = json_tree_wrap(object);
	return 0;
}

int json_tree_parse(const char *text, size_t len, const char *source, struct json_tree **ret, struct err *err)
{
	static const char mark[] = "\xef\xbb\xbf", blank[] = " \t\r\n";
	int rc = check_text(text, len, source, err);

	if (rc < 0)
		return rc;
	if (len >= strlen(mark) && memcmp(text, mark, strlen(mark)) == 0) {
		text += strlen(mark);
		len -= strlen(mark);
	}
	while (len && strchr(blank, text[len - 1]))
		len--;
	if (len > INT_MAX)
		return bad_text(err, source, "the text is too large");
	if (len)
		return parse(text, (int)len, source, ret, err);
	*ret = NULL;
	return 0;
}

static int write_value(struct json_emit *e, const struct json_tree *value, struct err *err);

static int write_object(struct json_emit *e, const struct json_tree *tree, struct err *err)
{
	int rc = 0;

	json_emit_open(e, '{');
	json_object_object_foreach(json_tree_unwrap(tree), name, value)
	{
		json_emit_key(e, name);
		rc = write_value(e, json_tree_wrap(value), err);
		if (rc < 0)
			return rc;
	}
	json_emit_close(e, '}');
	return rc;
}

static int write_list(struct json_emit *e, const struct json_tree *tree, struct err *err)
{
	int rc = 0;

	json_emit_open(e, '[');
	for (size_t i = 0; rc == 0 && i < json_tree_count(tree); i++) {
		json_emit_element(e);
		rc = write_value(e, json_tree_at(tree, i), err);
	}
	json_emit_close(e, ']');
	return rc;
}

static int write_number(struct json_emit *e, struct json_object *number, struct err *err)
{
	double value = json_object_get_double(number);

	if (json_object_is_type(number, json_type_int))
		buf_printf(e->buf, "%" PRIu64, json_object_get_uint64(number));
	else if (isfinite(value))
		json_emit_number(e, value);
	else
		return err_set(err, ERR_INVALID, "a number that is not finite has no JSON");
	return 0;
}

static int write_value(struct json_emit *e, const struct json_tree *value, struct err *err)
{
	struct json_object *object = json_tree_unwrap(value);

	switch (json_tree_kind(value)) {
	case JSON_TREE_BOOL:
		json_emit_word(e, json_object_get_boolean(object) ? "true" : "false");
		return 0;
	case JSON_TREE_INT:
		json_emit_int(e, json_object_get_int64(object));
		return 0;
	case JSON_TREE_NUMBER:
		return write_number(e, object, err);
	case JSON_TREE_STRING:
		json_emit_string(e, json_object_get_string(object));
		return 0;
	case JSON_TREE_LIST:
		return write_list(e, value, err);
	case JSON_TREE_OBJECT:
		return write_object(e, value, err);
	default:
		json_emit_word(e, "null");
		return 0;
	}
}

int json_tree_write(const struct json_tree *tree, bool pretty, struct buf *ret, struct err *err)
{
	struct json_emit e = {.buf = ret, .pretty = pretty};
	size_t start = ret->len;
	int rc = write_value(&e, tree, err);

	if (pretty)
		buf_put_u8(ret, '\n');
	if (rc == 0)
		rc = buf_check(ret, err);
	if (rc < 0)
		ret->len = start;
	return rc;
}
