/* SPDX-License-Identifier: Apache-2.0 */
/* What answers say went wrong: errors of every shape, read into one. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "azure/arm_private.h"
#include "base/err.h"
#include "base/mem.h"
#include "http/url.h"

enum {
	DEPTH_MAX = 8,		/* of errors in errors */
	DETAILS_MAX = 8,	/* of one error that are told */
	TEXT_MAX = 1 << 20,
	ENOUGH = 2000,		/* characters of reasons: no message has room for more */
};

/* ---- text of others, as it may be shown ---- */

static void put_word(struct buf *ret, const char *word, size_t len)
{
	owned(mem) char *url = NULL;

	if (memmem(word, len, "://", 3))
		url = mem_strndup(word, len);
	if (url)
		url_redact(url, ret);
	else
		buf_put(ret, word, len);
}

/* Words with one blank between them, no full stop at the end, and no signature of a URL. */
static void put_text(struct buf *ret, const char *text, size_t len)
{
	const char *end = text + len;

	while (end > text && (isspace((unsigned char)end[-1]) || end[-1] == '.'))
		end--;
	for (bool first = true; text < end; first = false) {
		size_t word = 0;

		while (text < end && isspace((unsigned char)*text))
			text++;
		while (text + word < end && !isspace((unsigned char)text[word]))
			word++;
		if (!first)
			buf_put_u8(ret, ' ');
		put_word(ret, text, word);
		text += word;
	}
}

static bool is_inside(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

/* The outermost says what failed and the innermost why: what is too long loses its middle. */
static void fit(const char *text, char *ret, size_t size)
{
	size_t len = strlen(text), head = size / 3, tail;

	if (len < size) {
		memcpy(ret, text, len + 1);
		return;
	}
	while (head && is_inside((unsigned char)text[head]))
		head--;
	tail = len - (size - 1 - head - strlen(" ... "));
	while (is_inside((unsigned char)text[tail]))
		tail++;
	snprintf(ret, size, "%.*s ... %s", (int)head, text, text + tail);
}

/* ---- errors in errors ---- */

static const char *either(const struct json_tree *tree, const char *one, const char *other)
{
	const char *text = json_tree_text(json_tree_member(tree, one), "");

	return text ? text : json_tree_text(json_tree_member(tree, other), "");
}

static const char *code_of(const struct json_tree *error)
{
	const char *code = either(error, "code", "Code");

	return code ? code : "";
}

static const char *message_of(const struct json_tree *error)
{
	return either(error, "message", "Message");
}

/* A body, or the error in it. */
static const struct json_tree *error_in(const struct json_tree *body)
{
	const struct json_tree *error = json_tree_member(body, "error");

	if (json_tree_kind(error) != JSON_TREE_OBJECT)
		error = json_tree_member(body, "Error");
	return json_tree_kind(error) == JSON_TREE_OBJECT ? error : body;
}

/* One more reason behind those so far, unless they say it already. */
static void add(struct buf *reasons, const char *code, const char *message)
{
	owned(buf) struct buf text = {.max = TEXT_MAX};

	put_text(&text, message, strlen(message));
	if (text.bad || !text.len || strstr(buf_text(reasons), buf_text(&text)))
		return;
	buf_printf(reasons, "%s%s%s%s", reasons->len ? ": " : "", code, *code ? ": " : "", buf_text(&text));
}

static struct json_tree *parse_inner(const char *message)
{
	struct json_tree *inner = NULL;

	message += strspn(message, " \r\n\t");
	if (*message == '{')
		json_tree_parse(message, strlen(message), "message", &inner, NULL);
	return inner;
}

/* The code of the outermost is told beside its reasons. */
static void walk(const struct json_tree *error, unsigned depth, struct buf *reasons)
{
	const char *message = message_of(error), *code = depth ? code_of(error) : "";
	const struct json_tree *details = json_tree_member(error, "details");
	owned(json_tree) struct json_tree *inner = message ? parse_inner(message) : NULL;

	if (!error || depth > DEPTH_MAX || reasons->len > ENOUGH)
		return;
	if (inner)
		walk(error_in(inner), depth + 1, reasons);
	else if (message)
		add(reasons, code, message);
	else
		add(reasons, "", code);
	for (size_t i = 0; i < json_tree_count(details) && i < DETAILS_MAX; i++)
		walk(json_tree_at(details, i), depth + 1, reasons);
	walk(json_tree_member(error, "innererror"), depth + 1, reasons);
}

void arm_failure_of(const struct json_tree *error, struct arm_failure *ret)
{
	owned(buf) struct buf reasons = {.max = TEXT_MAX};

	*ret = (struct arm_failure){0};
	walk(error, 0, &reasons);
	snprintf(ret->code, sizeof(ret->code), "%s", code_of(error));
	fit(buf_text(&reasons), ret->message, sizeof(ret->message));
	err_mask(ret->code);
	err_mask(ret->message);
}

/* ---- answers ---- */

/* Entra's: "error" is the code itself. */
static void read_entra(const struct json_tree *body, struct arm_failure *ret)
{
	const char *message = json_tree_text(body, "error_description");
	owned(buf) struct buf text = {.max = TEXT_MAX};

	snprintf(ret->code, sizeof(ret->code), "%s", json_tree_text(body, "error"));
	if (message)
		put_text(&text, message, strlen(message));
	fit(buf_text(&text), ret->message, sizeof(ret->message));
}

/* Of HTML its title, of other text all of it. */
static void read_text(const struct buf *body, struct arm_failure *ret)
{
	owned(mem) char *text = body->len ? mem_strndup((const char *)body->data, body->len) : NULL;
	const char *from = text ? text + strspn(text, " \r\n\t") : "", *end = from + strlen(from);
	owned(buf) struct buf shown = {.max = TEXT_MAX};

	if (*from == '<') {
		from = strcasestr(from, "<title>");
		end = from ? strcasestr(from, "</title>") : NULL;
		from = from ? from + strlen("<title>") : NULL;
	}
	if (from && end && end > from)
		put_text(&shown, from, (size_t)(end - from));
	fit(buf_text(&shown), ret->message, sizeof(ret->message));
}

void arm_failure_read(const struct http_answer *answer, struct arm_failure *ret)
{
	owned(json_tree) struct json_tree *body = NULL;

	*ret = (struct arm_failure){0};
	if (json_tree_parse((const char *)answer->body.data, answer->body.len, "answer", &body, NULL) < 0)
		read_text(&answer->body, ret);
	else if (json_tree_text(body, "error"))
		read_entra(body, ret);
	else
		arm_failure_of(error_in(body), ret);
	ret->status = answer->status;
	err_mask(ret->code);
	err_mask(ret->message);
}

/* ---- what they mean ---- */

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), n = strlen(end);

	return len >= n && strcasecmp(text + len - n, end) == 0;
}

bool arm_failure_is_absence(const struct arm_failure *failure)
{
	return failure->status == 404 && ends_with(failure->code, "NotFound") &&
	       strcasecmp(failure->code, "SubscriptionNotFound") != 0 &&
	       strcasecmp(failure->code, "OperationNotFound") != 0;
}

bool arm_failure_is_busy(const struct arm_failure *failure)
{
	static const char *const codes[] = {"AnotherOperationInProgress", "ReferencedResourceNotProvisioned",
					    "ResourceNotProvisioned", NULL};

	/* The other end of a peering, made anew meanwhile. */
	if (failure->status == 429 || strcasecmp(failure->code, "RemotePeeringIsDisconnected") == 0)
		return true;
	for (int i = 0; failure->status == 409 && codes[i]; i++)
		if (strcasecmp(failure->code, codes[i]) == 0)
			return true;
	return failure->status == 409 && strstr(failure->message, "still Updating");
}
