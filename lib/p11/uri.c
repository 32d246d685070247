/* SPDX-License-Identifier: Apache-2.0 */
/* Reading pkcs11: URIs. */
#include "p11/uri.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

/* The last three stand behind the '?'. */
enum { TOKEN, MANUFACTURER, SERIAL, MODEL, SLOT_ID, OBJECT, ID, TYPE, MODULE_PATH, MODULE_NAME, PIN_SOURCE, ROWS };

static const char *const names[ROWS + 1] = {
	[TOKEN] = "token", [MANUFACTURER] = "manufacturer", [SERIAL] = "serial", [MODEL] = "model",
	[SLOT_ID] = "slot-id", [OBJECT] = "object", [ID] = "id", [TYPE] = "type", [MODULE_PATH] = "module-path",
	[MODULE_NAME] = "module-name", [PIN_SOURCE] = "pin-source",
};
static const size_t offsets[ROWS] = {
	[TOKEN] = offsetof(struct p11_uri, token), [MANUFACTURER] = offsetof(struct p11_uri, manufacturer),
	[SERIAL] = offsetof(struct p11_uri, serial), [MODEL] = offsetof(struct p11_uri, model),
	[SLOT_ID] = offsetof(struct p11_uri, slot_id),
	[OBJECT] = offsetof(struct p11_uri, object), [ID] = offsetof(struct p11_uri, id),
	[TYPE] = offsetof(struct p11_uri, type), [MODULE_PATH] = offsetof(struct p11_uri, module_path),
	[MODULE_NAME] = offsetof(struct p11_uri, module_name), [PIN_SOURCE] = offsetof(struct p11_uri, pin_source),
};
static const char *const not_ours[] = {"slot-manufacturer", "slot-description", "library-manufacturer",
				       "library-description", "library-version", NULL};
static const char *const types[] = {"private", "public", "cert", "secret-key", "data", NULL};

static char **field(struct p11_uri *uri, int row)
{
	return (char **)((char *)uri + offsets[row]);
}

void p11_uri_release(struct p11_uri *uri)
{
	for (int i = 0; i < ROWS; i++)
		free(*field(uri, i));
	*uri = (struct p11_uri){0};
}

static int unknown(const char *name, struct err *err)
{
	const char *nearest = str_nearest(name, names);

	if (str_eq(name, "pin-value")) {
		err_set(err, ERR_INVALID, "a PIN does not belong into a URI: 'pin-value'");
		return err_hint(err, "use pin-source=file:PATH or pin-source=env:NAME");
	}
	if (str_index(not_ours, name) >= 0)
		return err_set(err, ERR_UNSUPPORTED, "tokens cannot be chosen by '%s'", name);
	err_set(err, ERR_INVALID, "unknown attribute '%.40s' in a pkcs11: URI", name);
	return nearest ? err_hint(err, "did you mean '%s'?", nearest) : -ERR_INVALID;
}

/* The row of an attribute that may stand here. */
static int find_row(const char *name, bool query, struct err *err)
{
	int row = str_index(names, name);

	if (row < 0)
		return unknown(name, err);
	if (query != (row >= MODULE_PATH))
		return err_set(err, ERR_INVALID, "'%s' belongs %s the '?' of a pkcs11: URI", name,
			       query ? "before" : "behind");
	return row;
}

/* Percent-decode; ret has room for len + 1 bytes. Bytes decoded, -1 when it is malformed. */
static int decode(const char *text, size_t len, char *ret)
{
	int n = 0;

	for (size_t i = 0; i < len; i++) {
		char hex[3] = "";

		if ((unsigned char)text[i] <= 0x20 || text[i] == 0x7f)
			return -1;
		if (text[i] != '%') {
			ret[n++] = text[i];
			continue;
		}
		if (i + 2 >= len)
			return -1;
		memcpy(hex, text + i + 1, 2);
		if (!str_unhex(hex, ret + n, 1))
			return -1;
		n++;
		i += 2;
	}
	ret[n] = 0;
	return n;
}

/* Only an id is bytes; a zero would cut the others short. */
static int set_value(struct p11_uri *uri, int row, const char *text, size_t len, struct err *err)
{
	owned(mem) char *value = mem_zalloc(len + 1);
	int n;

	if (!value)
		return err_no_memory(err);
	if (*field(uri, row))
		return err_set(err, ERR_INVALID, "'%s' is twice in a pkcs11: URI", names[row]);
	n = decode(text, len, value);
	if (n < 0 || (row != ID && strlen(value) != (size_t)n))
		return err_set(err, ERR_INVALID, "the value of '%s' in a pkcs11: URI is malformed", names[row]);
	if (n == 0)
		return err_set(err, ERR_INVALID, "'%s' is empty in a pkcs11: URI", names[row]);
	if (row == ID)
		uri->id_len = (size_t)n;
	*field(uri, row) = own_take(value);
	return 0;
}

static int parse_one(const char *text, size_t len, bool query, struct p11_uri *ret, struct err *err)
{
	const char *equals = memchr(text, '=', len);
	owned(mem) char *name = mem_strndup(text, equals ? (size_t)(equals - text) : len);
	int row = name ? find_row(name, query, err) : err_no_memory(err);

	if (row < 0)
		return row;
	if (!equals)
		return err_set(err, ERR_INVALID, "'%s' has no value in a pkcs11: URI", name);
	return set_value(ret, row, equals + 1, len - (size_t)(equals + 1 - text), err);
}

/* Attributes up to end, with separator between them. */
static int parse_part(const char *text, const char *end, bool query, struct p11_uri *ret, struct err *err)
{
	char separator = query ? '&' : ';';
	int rc = 0;

	while (rc == 0 && text < end) {
		const char *next = memchr(text, separator, (size_t)(end - text));

		rc = parse_one(text, (size_t)((next ? next : end) - text), query, ret, err);
		text = next ? next + 1 : end;
	}
	return rc;
}

static int check(const struct p11_uri *uri, struct err *err)
{
	int64_t slot;

	if (uri->slot_id && !str_int(uri->slot_id, 0, INT64_MAX, &slot))
		return err_set(err, ERR_INVALID, "'slot-id' of a pkcs11: URI is no number");
	if (uri->type && str_index(types, uri->type) < 0)
		return err_set(err, ERR_INVALID, "'type' of a pkcs11: URI is not one of RFC 7512");
	if (uri->module_path && uri->module_name)
		return err_set(err, ERR_INVALID, "'module-path' and 'module-name' exclude each other");
	if (uri->module_path && *uri->module_path != '/')
		return err_set(err, ERR_INVALID, "'module-path' of a pkcs11: URI is no absolute path");
	if (uri->module_name && strchr(uri->module_name, '/'))
		return err_set(err, ERR_INVALID, "'module-name' of a pkcs11: URI is a path");
	return 0;
}

int p11_uri_parse(const char *text, struct p11_uri *ret, struct err *err)
{
	owned(p11_uri) struct p11_uri uri = {0};
	const char *query, *end = text + strlen(text);
	int rc;

	if (!str_starts(text, "pkcs11:"))
		return err_set(err, ERR_INVALID, "a URI that does not begin with 'pkcs11:'");
	text += strlen("pkcs11:");
	query = text + strcspn(text, "?");
	rc = parse_part(text, query, false, &uri, err);
	if (rc == 0 && *query)
		rc = parse_part(query + 1, end, true, &uri, err);
	if (rc == 0)
		rc = check(&uri, err);
	if (rc < 0)
		return rc;
	*ret = uri;
	uri = (struct p11_uri){0};
	return 0;
}

/* A field of an info is filled up with blanks, by some with zeros. */
static bool is(const char *wanted, const CK_UTF8CHAR *field, size_t len)
{
	while (len && (field[len - 1] == ' ' || field[len - 1] == 0))
		len--;
	return !wanted || (strlen(wanted) == len && memcmp(wanted, field, len) == 0);
}

bool p11_uri_names(const struct p11_uri *uri, CK_SLOT_ID slot, const CK_TOKEN_INFO *info)
{
	int64_t number;

	if (uri->slot_id && (!str_int(uri->slot_id, 0, INT64_MAX, &number) || (CK_SLOT_ID)number != slot))
		return false;
	return is(uri->token, info->label, sizeof(info->label)) &&
	       is(uri->manufacturer, info->manufacturerID, sizeof(info->manufacturerID)) &&
	       is(uri->model, info->model, sizeof(info->model)) &&
	       is(uri->serial, info->serialNumber, sizeof(info->serialNumber));
}
