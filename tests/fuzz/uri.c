/* SPDX-License-Identifier: Apache-2.0 */
/* URIs: one that was read says the same when it is written and read again. */
#include "fuzz.h"

#include <string.h>

#include "base/buf.h"
#include "base/cred.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "p11/uri.h"

static void put(struct buf *text, char separator, const char *name, const char *value, size_t len)
{
	if (!value)
		return;
	buf_printf(text, "%c%s=", separator, name);
	for (size_t i = 0; i < len; i++)
		buf_printf(text, "%%%02x", (unsigned char)value[i]);
}

static size_t length(const char *text)
{
	return text ? strlen(text) : 0;
}

static void write_uri(const struct p11_uri *uri, struct buf *ret)
{
	buf_put_str(ret, "pkcs11:");
	put(ret, ';', "token", uri->token, length(uri->token));
	put(ret, ';', "manufacturer", uri->manufacturer, length(uri->manufacturer));
	put(ret, ';', "serial", uri->serial, length(uri->serial));
	put(ret, ';', "model", uri->model, length(uri->model));
	put(ret, ';', "object", uri->object, length(uri->object));
	put(ret, ';', "id", uri->id, uri->id_len);
	put(ret, ';', "type", uri->type, length(uri->type));
	buf_put_str(ret, "?");
	put(ret, '&', "module-path", uri->module_path, length(uri->module_path));
	put(ret, '&', "module-name", uri->module_name, length(uri->module_name));
	put(ret, '&', "pin-source", uri->pin_source, length(uri->pin_source));
}

/* The first separator of each part is one too many. */
static char *as_text(struct buf *written)
{
	char *text = mem_strdup(buf_text(written)), *at;

	HOLDS(text);
	while ((at = strstr(text, ":;")) || (at = strstr(text, "?&")))
		memmove(at + 1, at + 2, strlen(at + 2) + 1);
	return text;
}

static bool same(const struct p11_uri *a, const struct p11_uri *b)
{
	return str_eq(a->token, b->token) && str_eq(a->manufacturer, b->manufacturer) && str_eq(a->serial, b->serial) &&
	       str_eq(a->model, b->model) && str_eq(a->object, b->object) && str_eq(a->type, b->type) &&
	       str_eq(a->module_path, b->module_path) && str_eq(a->module_name, b->module_name) &&
	       str_eq(a->pin_source, b->pin_source) && a->id_len == b->id_len &&
	       (!a->id_len || memcmp(a->id, b->id, a->id_len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	owned(p11_uri) struct p11_uri uri = {0}, again = {0};
	owned(buf) struct buf written = {.max = 1 << 20};
	owned(mem) char *text = mem_strndup((const char *)data, len), *back = NULL;
	struct err err = {0};

	/* References to secrets are as short: both in one. */
	cred_check(text, &err);
	if (p11_uri_parse(text, &uri, &err) < 0)
		return 0;
	write_uri(&uri, &written);
	back = as_text(&written);
	HOLDS(p11_uri_parse(back, &again, &err) == 0);
	HOLDS(same(&uri, &again));
	return 0;
}
