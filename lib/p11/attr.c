/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes: the table of types, owned lists, the wire form. */
#include "p11/attr.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "p11/template.h"

enum { ATTRS_MAX = 256 };

/* Short names for the table. Footnotes go by their numbers, so that a row can be held against the standard's. */
enum {
	DATA = P11_DATA, CERTIFICATE = P11_CERTIFICATE, PUBLIC = P11_PUBLIC, PRIVATE = P11_PRIVATE, SECRET = P11_SECRET,
	DOMAIN = P11_DOMAIN, KEYS = P11_KEYS, HIDDEN = P11_HIDDEN, ALL = P11_ALL,
	ANY = P11_ANY_TYPE, RSA = P11_RSA, EC = P11_EC, DSA = P11_DSA, DH = P11_DH, X942 = P11_X942,
	LOG = P11_LOGARITHM, CIPHER = P11_CIPHER, GENERIC = P11_GENERIC, X509 = P11_X509, WTLS = P11_WTLS, ATTR = P11_X509_ATTR,
	N1 = 1 << 1, N2 = 1 << 2, N3 = 1 << 3, N4 = 1 << 4, N5 = 1 << 5, N6 = 1 << 6, N7 = 1 << 7, N8 = 1 << 8,
	N9 = 1 << 9, N10 = 1 << 10, N11 = 1 << 11, N12 = 1 << 12, COPY = P11_COPIES,
};

#define A(type, kind, begins, replica, ...)                                                                            \
	{                                                                                                              \
		type, #type, P11_ATTR_##kind, P11_##begins, P11_##replica, 0, {__VA_ARGS__}                            \
	}
#define USE(type, begins, use, ...)                                                                                    \
	{                                                                                                              \
		type, #type, P11_ATTR_BOOL, P11_##begins, P11_ALIKE, use, {__VA_ARGS__}                                \
	}

/* Sections 4.2 to 4.11 of PKCS#11 v3.0, and the tables of key types of its Current Mechanisms. */
const struct p11_attr_info p11_attr_table[] = {
	/* All */
	A(CKA_CLASS, ULONG, BY_TOKEN, ALIKE, {ALL, ANY, N1}),
	A(CKA_TOKEN, BOOL, FALSE, HELD_TRUE, {ALL, ANY, COPY}),
	A(CKA_PRIVATE, BOOL, BY_TOKEN, ALIKE, {ALL, ANY, N9 | COPY}),
	A(CKA_LABEL, BYTES, EMPTY, GIVEN, {ALL, ANY, N8}),
	A(CKA_UNIQUE_ID, BYTES, BY_TOKEN, OWN, {ALL, ANY, N2 | N4 | N6}),
	A(CKA_MODIFIABLE, BOOL, TRUE, WHERE_KNOWN, {ALL, ANY, COPY}),
	A(CKA_COPYABLE, BOOL, TRUE, WHERE_KNOWN, {ALL, ANY, N12 | COPY}),
	A(CKA_DESTROYABLE, BOOL, TRUE, BY_RECORD, {ALL, ANY, COPY}),
	/* Data */
	A(CKA_APPLICATION, BYTES, EMPTY, ALIKE, {DATA, ANY, 0}),
	A(CKA_OBJECT_ID, BYTES, EMPTY, ALIKE, {DATA, ANY, 0}),
	/* Certificates */
	A(CKA_CERTIFICATE_TYPE, ULONG, BY_TOKEN, ALIKE, {CERTIFICATE, ANY, N1}),
	A(CKA_CERTIFICATE_CATEGORY, ULONG, ZERO, ALIKE, {CERTIFICATE, ANY, 0}),
	A(CKA_ISSUER, BYTES, EMPTY, GIVEN, {CERTIFICATE, X509 | WTLS, N8}),
	A(CKA_SERIAL_NUMBER, BYTES, EMPTY, GIVEN, {CERTIFICATE, X509 | ATTR, N8}),
	A(CKA_OWNER, BYTES, BY_TOKEN, ALIKE, {CERTIFICATE, ATTR, N1}),
	A(CKA_AC_ISSUER, BYTES, EMPTY, GIVEN, {CERTIFICATE, ATTR, N8}),
	A(CKA_ATTR_TYPES, BYTES, EMPTY, GIVEN, {CERTIFICATE, ATTR, N8}),
	A(CKA_URL, BYTES, EMPTY, ALIKE, {CERTIFICATE, X509 | WTLS, 0}),
	A(CKA_HASH_OF_SUBJECT_PUBLIC_KEY, BYTES, EMPTY, ALIKE, {CERTIFICATE, X509 | WTLS, 0}),
	A(CKA_HASH_OF_ISSUER_PUBLIC_KEY, BYTES, EMPTY, ALIKE, {CERTIFICATE, X509 | WTLS, 0}),
	A(CKA_NAME_HASH_ALGORITHM, ULONG, BY_TOKEN, ALIKE, {CERTIFICATE, X509 | WTLS, 0}),
	A(CKA_JAVA_MIDP_SECURITY_DOMAIN, ULONG, ZERO, ALIKE, {CERTIFICATE, X509, 0}),
	/* Keys */
	A(CKA_KEY_TYPE, ULONG, BY_TOKEN, ALIKE, {KEYS, ANY, N1 | N5}, {DOMAIN, ANY, N1}),
	A(CKA_ID, BYTES, EMPTY, GIVEN, {KEYS, ANY, N8}, {CERTIFICATE, X509, N8}),
	A(CKA_SUBJECT, BYTES, EMPTY, GIVEN, {PUBLIC | PRIVATE, ANY, N8}, {CERTIFICATE, X509 | WTLS, N1}),
	A(CKA_START_DATE, DATE, EMPTY, BY_RECORD, {KEYS, ANY, N8}, {CERTIFICATE, ANY, 0}),
	A(CKA_END_DATE, DATE, EMPTY, BY_RECORD, {KEYS, ANY, N8}, {CERTIFICATE, ANY, 0}),
	A(CKA_LOCAL, BOOL, BY_TOKEN, HISTORY, {KEYS, ANY, N2 | N4 | N6}, {DOMAIN, ANY, N2 | N4}),
	A(CKA_KEY_GEN_MECHANISM, ULONG, BY_TOKEN, HISTORY, {KEYS, ANY, N2 | N4 | N6}),
	A(CKA_ALLOWED_MECHANISMS, ULONGS, EMPTY, WHERE_KNOWN, {KEYS, ANY, 0}),
	/* Of private keys it has an 8, for who checks it against the key. */
	A(CKA_PUBLIC_KEY_INFO, BYTES, EMPTY, OWN, {PUBLIC | PRIVATE | CERTIFICATE, ANY, 0}),
	/* Public, private and secret ones */
	USE(CKA_DERIVE, FALSE, CKF_DERIVE, {KEYS, ANY, N8}),
	USE(CKA_ENCRYPT, BY_TOKEN, CKF_ENCRYPT, {PUBLIC | SECRET, ANY, N8 | N9}),
	USE(CKA_DECRYPT, BY_TOKEN, CKF_DECRYPT, {HIDDEN, ANY, N8 | N9}),
	USE(CKA_SIGN, BY_TOKEN, CKF_SIGN, {HIDDEN, ANY, N8 | N9}),
	USE(CKA_SIGN_RECOVER, BY_TOKEN, CKF_SIGN_RECOVER, {PRIVATE, ANY, N8 | N9}),
	USE(CKA_VERIFY, BY_TOKEN, CKF_VERIFY, {PUBLIC | SECRET, ANY, N8 | N9}),
	USE(CKA_VERIFY_RECOVER, BY_TOKEN, CKF_VERIFY_RECOVER, {PUBLIC, ANY, N8 | N9}),
	USE(CKA_WRAP, BY_TOKEN, CKF_WRAP, {PUBLIC | SECRET, ANY, N8 | N9}),
	USE(CKA_UNWRAP, BY_TOKEN, CKF_UNWRAP, {HIDDEN, ANY, N8 | N9}),
	A(CKA_TRUSTED, BOOL, FALSE, BY_RECORD, {PUBLIC | SECRET | CERTIFICATE, ANY, N10}),
	A(CKA_SENSITIVE, BOOL, FALSE, ALIKE, {PRIVATE, ANY, N8 | N9 | N11}, {SECRET, ANY, N8 | N11}),
	A(CKA_EXTRACTABLE, BOOL, FALSE, HELD_TRUE, {HIDDEN, ANY, N8 | N9 | N12}),
	/* Once it is true it stays so (11), hence it may become so (8). */
	A(CKA_WRAP_WITH_TRUSTED, BOOL, FALSE, BY_RECORD, {HIDDEN, ANY, N8 | N11}),
	A(CKA_ALWAYS_AUTHENTICATE, BOOL, FALSE, HELD_FALSE, {PRIVATE, ANY, 0}),
	A(CKA_ALWAYS_SENSITIVE, BOOL, BY_TOKEN, HISTORY, {HIDDEN, ANY, N2 | N4 | N6}),
	A(CKA_NEVER_EXTRACTABLE, BOOL, BY_TOKEN, HISTORY, {HIDDEN, ANY, N2 | N4 | N6}),
	A(CKA_WRAP_TEMPLATE, TEMPLATE, EMPTY, WHERE_KNOWN, {PUBLIC | SECRET, ANY, 0}),
	A(CKA_UNWRAP_TEMPLATE, TEMPLATE, EMPTY, WHERE_KNOWN, {HIDDEN, ANY, 0}),
	A(CKA_DERIVE_TEMPLATE, TEMPLATE, EMPTY, WHERE_KNOWN, {HIDDEN, ANY, 0}),
	A(CKA_CHECK_VALUE, BYTES, BY_TOKEN, MADE, {SECRET | CERTIFICATE, ANY, 0}),
	/* What there is of each type of key; of data and certificates, their content */
	A(CKA_VALUE, BYTES, EMPTY, ALIKE, {DATA, ANY, 0}, {CERTIFICATE, ANY, N1}, {PUBLIC, LOG, N1 | N4},
	  {PRIVATE, LOG | EC, N1 | N4 | N6 | N7}, {SECRET, ANY, N1 | N4 | N6 | N7}),
	A(CKA_VALUE_LEN, ULONG, BY_TOKEN, MADE, {SECRET, CIPHER, N2 | N3 | N6}, {SECRET, GENERIC, N2 | N3}),
	A(CKA_MODULUS, BYTES, BY_TOKEN, ALIKE, {PUBLIC, RSA, N1 | N4}, {PRIVATE, RSA, N1 | N4 | N6}),
	A(CKA_MODULUS_BITS, ULONG, BY_TOKEN, MADE, {PUBLIC, RSA, N2 | N3}),
	A(CKA_PUBLIC_EXPONENT, BYTES, BY_TOKEN, ALIKE, {PUBLIC, RSA, N1}, {PRIVATE, RSA, N1 | N4 | N6}),
	A(CKA_PRIVATE_EXPONENT, BYTES, BY_TOKEN, ALIKE, {PRIVATE, RSA, N1 | N4 | N6 | N7}),
	A(CKA_PRIME_1, BYTES, BY_TOKEN, ALIKE, {PRIVATE, RSA, N4 | N6 | N7}),
	A(CKA_PRIME_2, BYTES, BY_TOKEN, ALIKE, {PRIVATE, RSA, N4 | N6 | N7}),
	A(CKA_EXPONENT_1, BYTES, BY_TOKEN, ALIKE, {PRIVATE, RSA, N4 | N6 | N7}),
	A(CKA_EXPONENT_2, BYTES, BY_TOKEN, ALIKE, {PRIVATE, RSA, N4 | N6 | N7}),
	A(CKA_COEFFICIENT, BYTES, BY_TOKEN, ALIKE, {PRIVATE, RSA, N4 | N6 | N7}),
	A(CKA_EC_PARAMS, BYTES, BY_TOKEN, ALIKE, {PUBLIC, EC, N1 | N3}, {PRIVATE, EC, N1 | N4 | N6}),
	A(CKA_EC_POINT, BYTES, BY_TOKEN, ALIKE, {PUBLIC, EC, N1 | N4}),
	A(CKA_PRIME, BYTES, BY_TOKEN, ALIKE, {PUBLIC, LOG, N1 | N3}, {PRIVATE, LOG, N1 | N4 | N6},
	  {DOMAIN, LOG, N1 | N4}),
	A(CKA_SUBPRIME, BYTES, BY_TOKEN, ALIKE, {PUBLIC, DSA | X942, N1 | N3},
	  {PRIVATE, DSA | X942, N1 | N4 | N6}, {DOMAIN, DSA | X942, N1 | N4}),
	A(CKA_BASE, BYTES, BY_TOKEN, ALIKE, {PUBLIC, LOG, N1 | N3}, {PRIVATE, LOG, N1 | N4 | N6},
	  {DOMAIN, LOG, N1 | N4}),
	A(CKA_PRIME_BITS, ULONG, BY_TOKEN, MADE, {DOMAIN, LOG, N2 | N3}),
	A(CKA_SUBPRIME_BITS, ULONG, BY_TOKEN, MADE, {DOMAIN, DSA, N2}, {DOMAIN, X942, N2 | N3}),
	A(CKA_VALUE_BITS, ULONG, BY_TOKEN, MADE, {PRIVATE, DH, N2 | N6}),
	/* On nothing that a group keeps */
	A(CKA_MECHANISM_TYPE, ULONG, BY_TOKEN, OWN, {0, 0, 0}),
	{.name = NULL},
};

const struct p11_attr_info *p11_attr_info(CK_ATTRIBUTE_TYPE type)
{
	for (const struct p11_attr_info *info = p11_attr_table; info->name; info++)
		if (info->type == type)
			return info;
	return NULL;
}

static enum p11_attr_kind kind_of(CK_ATTRIBUTE_TYPE type)
{
	const struct p11_attr_info *info = p11_attr_info(type);

	return info ? info->kind : P11_ATTR_BYTES;
}

static bool is_numbers(CK_ATTRIBUTE_TYPE type)
{
	enum p11_attr_kind kind = kind_of(type);

	return kind == P11_ATTR_ULONG || kind == P11_ATTR_ULONGS;
}

bool p11_attr_is_nested(CK_ATTRIBUTE_TYPE type)
{
	return kind_of(type) == P11_ATTR_TEMPLATE;
}

bool p11_attr_is_strange(CK_ATTRIBUTE_TYPE type)
{
	return (type & CKF_ARRAY_ATTRIBUTE) && !p11_attr_info(type);
}

static void wipe(CK_ATTRIBUTE *attribute)
{
	if (p11_attr_is_nested(attribute->type))
		p11_template_wipe(attribute->pValue, attribute->ulValueLen / sizeof(CK_ATTRIBUTE));
	if (attribute->pValue)
		explicit_bzero(attribute->pValue, attribute->ulValueLen);
	free(attribute->pValue);
}

void p11_attrs_release(struct p11_attrs *attrs)
{
	for (CK_ULONG i = 0; i < attrs->count; i++)
		wipe(&attrs->items[i]);
	free(attrs->items);
	*attrs = (struct p11_attrs){0};
}

/* Takes value over, also on failure. */
static int put(struct p11_attrs *attrs, CK_ATTRIBUTE_TYPE type, void *value, CK_ULONG len, struct err *err)
{
	CK_ATTRIBUTE *at = (CK_ATTRIBUTE *)p11_attrs_find(attrs, type);
	CK_ATTRIBUTE fresh = {type, value, len};

	if (!value)
		return err_no_memory(err);
	if (at) {
		wipe(at);
		*at = fresh;
		return 0;
	}
	if (attrs->count == attrs->cap) {
		CK_ULONG cap = attrs->cap ? attrs->cap * 2 : 16;
		CK_ATTRIBUTE *grown = mem_grow(attrs->items, attrs->cap, cap, sizeof(*grown));

		if (!grown) {
			wipe(&fresh);
			return err_no_memory(err);
		}
		attrs->items = grown;
		attrs->cap = cap;
	}
	attrs->items[attrs->count++] = fresh;
	return 0;
}

/* Whatever is not CK_FALSE is true; kept as it is said elsewhere. */
static const void *as_kept(CK_ATTRIBUTE_TYPE type, const void *value, size_t len)
{
	static const CK_BBOOL yes = CK_TRUE;

	return kind_of(type) == P11_ATTR_BOOL && len == sizeof(yes) && *(const CK_BBOOL *)value ? &yes : value;
}

int p11_attrs_set(struct p11_attrs *attrs, CK_ATTRIBUTE_TYPE type, const void *value,
		  size_t len, struct err *err)
{
	value = as_kept(type, value, len);
	return put(attrs, type,
		   p11_attr_is_nested(type) ? p11_template_dup(value, len / sizeof(CK_ATTRIBUTE)) : mem_dup(value, len), len,
		   err);
}

int p11_attrs_set_bool(struct p11_attrs *attrs, CK_ATTRIBUTE_TYPE type, bool value, struct err *err)
{
	CK_BBOOL b = value ? CK_TRUE : CK_FALSE;

	return p11_attrs_set(attrs, type, &b, sizeof(b), err);
}

int p11_attrs_set_ulong(struct p11_attrs *attrs, CK_ATTRIBUTE_TYPE type, CK_ULONG value, struct err *err)
{
	return p11_attrs_set(attrs, type, &value, sizeof(value), err);
}

int p11_attrs_merge(struct p11_attrs *attrs, const CK_ATTRIBUTE *items, CK_ULONG count, struct err *err)
{
	for (CK_ULONG i = 0; i < count; i++) {
		int rc = p11_attrs_set(attrs, items[i].type, items[i].pValue, items[i].ulValueLen, err);

		if (rc < 0)
			return rc;
	}
	return 0;
}

void p11_attrs_remove(struct p11_attrs *attrs, CK_ATTRIBUTE_TYPE type)
{
	CK_ATTRIBUTE *at = (CK_ATTRIBUTE *)p11_attrs_find(attrs, type);

	if (!at)
		return;
	wipe(at);
	memmove(at, at + 1, (size_t)(attrs->items + attrs->count - at - 1) * sizeof(*at));
	attrs->count--;
}

const CK_ATTRIBUTE *p11_template_find(const CK_ATTRIBUTE *items, CK_ULONG count, CK_ATTRIBUTE_TYPE type)
{
	for (CK_ULONG i = 0; i < count; i++)
		if (items[i].type == type)
			return &items[i];
	return NULL;
}

const CK_ATTRIBUTE *p11_attrs_find(const struct p11_attrs *attrs, CK_ATTRIBUTE_TYPE type)
{
	return p11_template_find(attrs->items, attrs->count, type);
}

bool p11_attrs_bool(const struct p11_attrs *attrs, CK_ATTRIBUTE_TYPE type, bool absent)
{
	const CK_ATTRIBUTE *at = p11_attrs_find(attrs, type);

	return at && at->ulValueLen == sizeof(CK_BBOOL) ? *(CK_BBOOL *)at->pValue != CK_FALSE : absent;
}

CK_ULONG p11_attrs_ulong(const struct p11_attrs *attrs, CK_ATTRIBUTE_TYPE type, CK_ULONG absent)
{
	const CK_ATTRIBUTE *at = p11_attrs_find(attrs, type);
	CK_ULONG value;

	if (!at || at->ulValueLen != sizeof(value))
		return absent;
	memcpy(&value, at->pValue, sizeof(value));
	return value;
}

const char *p11_attrs_text(const struct p11_attrs *attrs, CK_ATTRIBUTE_TYPE type, char *text, size_t size)
{
	const CK_ATTRIBUTE *at = p11_attrs_find(attrs, type);
	size_t len = at ? at->ulValueLen : 0;

	if (len > size - 1)
		len = size - 1;
	if (len)
		memcpy(text, at->pValue, len);
	text[len] = 0;
	err_mask(text);
	return text;
}

bool p11_attr_same_value(const CK_ATTRIBUTE *a, const CK_ATTRIBUTE *b)
{
	if (a->ulValueLen != b->ulValueLen)
		return false;
	if (p11_attr_is_nested(a->type))
		return p11_template_equal(a->pValue, b->pValue, a->ulValueLen / sizeof(CK_ATTRIBUTE));
	return !a->ulValueLen || memcmp(as_kept(a->type, a->pValue, a->ulValueLen),
					as_kept(b->type, b->pValue, b->ulValueLen), a->ulValueLen) == 0;
}

bool p11_attrs_match(const struct p11_attrs *attrs, const CK_ATTRIBUTE *items, CK_ULONG count)
{
	for (CK_ULONG i = 0; i < count; i++) {
		const CK_ATTRIBUTE *at = p11_attrs_find(attrs, items[i].type);

		if (!at || !p11_attr_same_value(at, &items[i]))
			return false;
	}
	return true;
}

bool p11_attrs_equal(const struct p11_attrs *a, const struct p11_attrs *b)
{
	return a->count == b->count && p11_attrs_match(a, b->items, b->count);
}

bool p11_attrs_allow(const struct p11_attrs *attrs, CK_MECHANISM_TYPE mechanism)
{
	const CK_ATTRIBUTE *list = p11_attrs_find(attrs, CKA_ALLOWED_MECHANISMS);
	const CK_MECHANISM_TYPE *types = list ? list->pValue : NULL;
	CK_ULONG count = list ? list->ulValueLen / sizeof(*types) : 0, i = 0;

	while (i < count && types[i] != mechanism)
		i++;
	return !count || i < count;
}

/* A template within one: its length in bytes, then what a template is. */
static void encode_nested(struct buf *buf, const CK_ATTRIBUTE *items, CK_ULONG count)
{
	size_t at = buf->len;

	buf_put_u32(buf, 0);
	p11_attrs_encode(buf, items, count);
	if (!buf->bad)
		buf_patch_u32(buf, at, (uint32_t)(buf->len - at - sizeof(uint32_t)));
}

void p11_attr_encode_value(struct buf *buf, CK_ATTRIBUTE_TYPE type, const void *value, CK_ULONG len)
{
	if (p11_attr_is_nested(type)) {
		encode_nested(buf, value, len / sizeof(CK_ATTRIBUTE));
		return;
	}
	if (!is_numbers(type)) {
		buf_put_bytes(buf, value, len);
		return;
	}
	buf_put_u32(buf, (uint32_t)(len / sizeof(CK_ULONG) * 8));
	for (CK_ULONG i = 0; i + sizeof(CK_ULONG) <= len; i += sizeof(CK_ULONG)) {
		CK_ULONG v;

		memcpy(&v, (const char *)value + i, sizeof(v));
		buf_put_u64(buf, v);
	}
}

static int decode_list(struct buf_reader *r, bool nested, struct p11_attrs *ret, struct err *err);

static int decode_nested(struct buf_reader *inner, void **ret, CK_ULONG *ret_len, struct err *err)
{
	owned(p11_attrs) struct p11_attrs attrs = {0};
	int rc = decode_list(inner, true, &attrs, err);

	if (rc < 0)
		return rc;
	if (!buf_read_done(inner))
		return err_set(err, ERR_PROTOCOL, "a template of wrong length");
	*ret = p11_template_dup(attrs.items, attrs.count);
	*ret_len = attrs.count * sizeof(CK_ATTRIBUTE);
	return *ret ? 0 : err_no_memory(err);
}

int p11_attr_decode_value(struct buf_reader *r, CK_ATTRIBUTE_TYPE type, void **ret, CK_ULONG *ret_len,
			  struct err *err)
{
	size_t len;
	const uint8_t *bytes = buf_get_bytes(r, &len);
	struct buf_reader inner = buf_reader(bytes, len);
	CK_ULONG *values;

	if (!bytes)
		return err_set(err, ERR_PROTOCOL, "an attribute is cut short");
	if (p11_attr_is_nested(type))
		return decode_nested(&inner, ret, ret_len, err);
	if (!is_numbers(type)) {
		*ret = mem_dup(bytes, len);
		*ret_len = len;
		return *ret ? 0 : err_no_memory(err);
	}
	if (len % 8 || (kind_of(type) == P11_ATTR_ULONG && len != 8 && len != 0))
		return err_set(err, ERR_PROTOCOL, "a number attribute has %zu bytes", len);
	values = mem_zalloc(len / 8 * sizeof(CK_ULONG));
	if (!values)
		return err_no_memory(err);
	for (size_t i = 0; i < len / 8; i++)
		values[i] = (CK_ULONG)buf_get_u64(&inner);
	*ret = values;
	*ret_len = len / 8 * sizeof(CK_ULONG);
	return 0;
}

void p11_attrs_encode(struct buf *buf, const CK_ATTRIBUTE *items, CK_ULONG count)
{
	buf_put_u32(buf, (uint32_t)count);
	for (CK_ULONG i = 0; i < count; i++) {
		buf_put_u64(buf, items[i].type);
		p11_attr_encode_value(buf, items[i].type, items[i].pValue, items[i].ulValueLen);
	}
}

/* May it stand there? Peers do not decide how deep we go. */
static int check_type(CK_ATTRIBUTE_TYPE type, bool nested, struct err *err)
{
	if (p11_attr_is_strange(type))
		return err_set(err, ERR_PROTOCOL, "an array that nobody knows");
	if (nested && p11_attr_is_nested(type))
		return err_set(err, ERR_PROTOCOL, "a template within a template within a template");
	return 0;
}

static int decode_list(struct buf_reader *r, bool nested, struct p11_attrs *ret, struct err *err)
{
	uint32_t count = buf_get_u32(r);

	if (count > ATTRS_MAX)
		return err_set(err, ERR_PROTOCOL, "a template of %u attributes", count);
	for (uint32_t i = 0; i < count; i++) {
		CK_ATTRIBUTE_TYPE type = (CK_ATTRIBUTE_TYPE)buf_get_u64(r);
		CK_ULONG len = 0;
		void *value = NULL;
		int rc = check_type(type, nested, err);

		if (rc == 0)
			rc = p11_attr_decode_value(r, type, &value, &len, err);
		if (rc == 0 && p11_attrs_find(ret, type)) {
			free(value);
			rc = err_set(err, ERR_PROTOCOL, "an attribute is given twice");
		} else if (rc == 0) {
			rc = put(ret, type, value, len, err);
		}
		if (rc < 0) {
			p11_attrs_release(ret);
			return rc;
		}
	}
	return 0;
}

int p11_attrs_decode(struct buf_reader *r, struct p11_attrs *ret, struct err *err)
{
	return decode_list(r, false, ret, err);
}

const char *p11_class_name(CK_OBJECT_CLASS object_class)
{
	switch (object_class) {
	case CKO_PRIVATE_KEY:
		return "private";
	case CKO_PUBLIC_KEY:
		return "public";
	case CKO_SECRET_KEY:
		return "secret";
	case CKO_DATA:
		return "data";
	case CKO_CERTIFICATE:
		return "certificate";
	default:
		return "other";
	}
}

const char *p11_key_type_name(CK_KEY_TYPE type)
{
	switch (type) {
	case CKK_EC:
		return "ec";
	case CKK_RSA:
		return "rsa";
	case CKK_AES:
		return "aes";
	case CKK_GENERIC_SECRET:
		return "generic";
	case CKK_SHA256_HMAC:
		return "hmac";
	case CKK_EC_EDWARDS:
		return "ed25519";
	case CKK_DES3:
		return "des3";
	default:
		return "other";
	}
}
