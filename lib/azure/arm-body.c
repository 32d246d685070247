/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies of requests and answers, and the secrets in them. */
#include <string.h>

#include "azure/arm_private.h"
#include "base/err.h"
#include "base/secret.h"

/* ARM takes 8 MiB. */
enum { BODY_MAX = 8 << 20, MARKER_MAX = 512 };

/* ---- what is read ---- */

static size_t skip_blanks(const struct buf *body, size_t at)
{
	while (at < body->len && body->data[at] && strchr(" \t\r\n", body->data[at]))
		at++;
	return at;
}

/* Behind a name in quotes: put x over the string that is its value. */
static void blank_value(struct buf *body, size_t at)
{
	at = skip_blanks(body, at);
	if (at >= body->len || body->data[at] != ':')
		return;
	at = skip_blanks(body, at + 1);
	if (at >= body->len || body->data[at] != '"')
		return;
	for (at++; at < body->len && body->data[at] != '"'; at++) {
		if (body->data[at] == '\\' && at + 1 < body->len)
			body->data[at++] = 'x';
		body->data[at] = 'x';
	}
}

static void blank_member(struct buf *body, const char *quoted)
{
	size_t at = 0;

	while (at < body->len) {
		const uint8_t *hit = memmem(body->data + at, body->len - at, quoted, strlen(quoted));

		if (!hit)
			return;
		at = (size_t)(hit - body->data) + strlen(quoted);
		blank_value(body, at);
	}
}

/* The next answer may be a better one. */
static int unusable(struct err *err)
{
	if (err) {
		err->code = ERR_PROTOCOL;
		err->retry = ERR_RETRY_IDEMPOTENT;
	}
	return -ERR_PROTOCOL;
}

int arm_body_read(struct http_answer *answer, bool needed, struct json_tree **ret, struct err *err)
{
	owned(json_tree) struct json_tree *body = NULL;
	int rc;

	if (answer->body.len) {
		blank_member(&answer->body, "\"sharedKey\"");
		blank_member(&answer->body, "\"authorizationKey\"");
	}
	rc = json_tree_parse((const char *)answer->body.data, answer->body.len, "answer", &body, err);
	if (rc == -ERR_INVALID)
		return unusable(err);
	if (rc == 0 && needed && json_tree_kind(body) != JSON_TREE_OBJECT) {
		err_set(err, ERR_PROTOCOL, "the answer is %s", body ? "no JSON object" : "empty");
		return unusable(err);
	}
	if (rc == 0)
		*ret = own_take(body);
	return rc;
}

/* ---- what is written ---- */

/* As it stands between the quotes of a JSON string. */
static void put_escaped(struct buf *ret, const struct secret *secret)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < secret->len; i++) {
		uint8_t c = secret->data[i];

		if (c == '"' || c == '\\')
			buf_put_u8(ret, '\\');
		if (c >= 0x20) {
			buf_put_u8(ret, c);
			continue;
		}
		buf_put_str(ret, "\\u00");
		buf_put_u8(ret, (uint8_t)digits[c >> 4]);
		buf_put_u8(ret, (uint8_t)digits[c & 15]);
	}
}

/* A whole string that is a value: not a part of one, nor a name. */
static bool is_value(const struct buf *text, size_t at, size_t len)
{
	if (at && (!text->data[at - 1] || !strchr(":,[", text->data[at - 1])))
		return false;
	return at + len >= text->len || text->data[at + len] != ':';
}

static void put_filled(struct buf *ret, const struct buf *text, const struct buf *marker, const struct secret *secret)
{
	size_t at = 0, from = 0;

	while (at < text->len) {
		const uint8_t *hit = memmem(text->data + at, text->len - at, marker->data, marker->len);

		if (!hit)
			break;
		at = (size_t)(hit - text->data);
		if (is_value(text, at, marker->len)) {
			buf_put(ret, text->data + from, at - from);
			buf_put_u8(ret, '"');
			put_escaped(ret, secret);
			buf_put_u8(ret, '"');
			from = at + marker->len;
		}
		at += marker->len;
	}
	buf_put(ret, text->data + from, text->len - from);
}

/* The text is written by us, without blanks between its parts. */
static int fill_in(const struct arm_request *request, const struct buf *text, struct buf *ret, struct err *err)
{
	owned(json_tree) struct json_tree *string = json_tree_string(request->marker);
	owned(buf) struct buf marker = {.max = MARKER_MAX};
	int rc = string ? json_tree_write(string, false, &marker, err) : err_no_memory(err);

	if (rc < 0)
		return rc;
	put_filled(ret, text, &marker, request->secret);
	return buf_check(ret, err);
}

int arm_body_write(const struct arm_request *request, struct buf *ret, struct err *err)
{
	owned(buf) struct buf text = {.max = BODY_MAX};
	int rc;

	if (!request->body)
		return 0;
	if (!request->marker || !request->secret)
		return json_tree_write(request->body, false, ret, err);
	ret->wipe = true;
	rc = json_tree_write(request->body, false, &text, err);
	return rc < 0 ? rc : fill_in(request, &text, ret, err);
}

void arm_body_hide(struct buf *body, const struct secret *secret)
{
	owned(buf) struct buf text = {.max = 1 << 20, .wipe = true};

	if (!secret || !body->len)
		return;
	put_escaped(&text, secret);
	if (text.bad || !text.len)
		return;
	for (size_t at = 0; at < body->len; at += text.len) {
		uint8_t *hit = memmem(body->data + at, body->len - at, text.data, text.len);

		if (!hit)
			return;
		memset(hit, 'x', text.len);
		at = (size_t)(hit - body->data);
	}
}
