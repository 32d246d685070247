/* SPDX-License-Identifier: Apache-2.0 */
/* Finding the keys of a group that a drill can use. */
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "crypto/pubkey.h"
#include "drill/key.h"
#include "drill/module.h"
#include "json/type.h"
#include "p11/attr.h"
#include "p11/rv.h"

enum { KEYS_MAX = 1000, VALUE_MAX = 16384 };

/* What decides how a key is used. */
static const CK_ATTRIBUTE_TYPE wanted[] = {
	CKA_LABEL, CKA_ID, CKA_KEY_TYPE, CKA_SIGN, CKA_ENCRYPT, CKA_DECRYPT, CKA_ALWAYS_AUTHENTICATE,
	CKA_MODULUS, CKA_PUBLIC_EXPONENT, CKA_EC_PARAMS, CKA_EC_POINT,
};

/* One attribute; none when the token does not give it. */
static int read_one(const struct drill_module *m, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type,
		    struct p11_attrs *ret, struct err *err)
{
	CK_ATTRIBUTE attribute = {type, NULL, 0};
	owned(mem) void *value = NULL;

	if (m->f->C_GetAttributeValue(m->session, object, &attribute, 1) != CKR_OK ||
	    attribute.ulValueLen == CK_UNAVAILABLE_INFORMATION || attribute.ulValueLen > VALUE_MAX)
		return 0;
	value = mem_zalloc(attribute.ulValueLen);
	if (!value)
		return err_no_memory(err);
	attribute.pValue = value;
	if (m->f->C_GetAttributeValue(m->session, object, &attribute, 1) != CKR_OK)
		return 0;
	return p11_attrs_set(ret, type, value, attribute.ulValueLen, err);
}

static int read_attributes(const struct drill_module *m, CK_OBJECT_HANDLE object, struct p11_attrs *ret,
			   struct err *err)
{
	int rc = 0;

	for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted) && rc == 0; i++)
		rc = read_one(m, object, wanted[i], ret, err);
	return rc;
}

/* At most KEYS_MAX handles. */
static int find(const struct drill_module *m, const CK_ATTRIBUTE *template, CK_ULONG count,
		CK_OBJECT_HANDLE ret[static KEYS_MAX], CK_ULONG *ret_count, struct err *err)
{
	CK_RV rv = m->f->C_FindObjectsInit(m->session, (CK_ATTRIBUTE *)(uintptr_t)template, count);
	CK_ULONG got;

	*ret_count = 0;
	if (rv != CKR_OK)
		return p11_rv_err(err, rv, "C_FindObjectsInit");
	do {
		got = 0;
		rv = m->f->C_FindObjects(m->session, ret + *ret_count, KEYS_MAX - *ret_count, &got);
		*ret_count += rv == CKR_OK ? got : 0;
	} while (rv == CKR_OK && got > 0 && *ret_count < KEYS_MAX);
	m->f->C_FindObjectsFinal(m->session);
	return rv == CKR_OK ? 0 : p11_rv_err(err, rv, "C_FindObjects");
}

/* What the public half adds; nothing when there is none. */
static int read_public_half(const struct drill_module *m, struct p11_attrs *attrs, struct err *err)
{
	CK_OBJECT_CLASS class = CKO_PUBLIC_KEY;
	CK_ULONG type = p11_attrs_ulong(attrs, CKA_KEY_TYPE, CK_UNAVAILABLE_INFORMATION), count;
	const CK_ATTRIBUTE *id = p11_attrs_find(attrs, CKA_ID);
	CK_OBJECT_HANDLE handles[KEYS_MAX];
	CK_ATTRIBUTE template[] = {
		{CKA_CLASS, &class, sizeof(class)},
		{CKA_KEY_TYPE, &type, sizeof(type)},
		{CKA_ID, id ? id->pValue : NULL, id ? id->ulValueLen : 0},
	};
	int rc;

	if (!id || id->ulValueLen == 0)
		return 0;
	rc = find(m, template, 3, handles, &count, err);
	for (size_t i = 7; i < sizeof(wanted) / sizeof(*wanted) && rc == 0 && count == 1; i++)
		rc = read_one(m, handles[0], wanted[i], attrs, err);
	return rc;
}

static int make_public(const struct p11_attrs *attrs, CK_KEY_TYPE type, struct pubkey **ret, struct err *err)
{
	const CK_ATTRIBUTE *n = p11_attrs_find(attrs, CKA_MODULUS), *e = p11_attrs_find(attrs, CKA_PUBLIC_EXPONENT);
	const CK_ATTRIBUTE *params = p11_attrs_find(attrs, CKA_EC_PARAMS), *point = p11_attrs_find(attrs, CKA_EC_POINT);

	if (type == CKK_RSA && n && e)
		return pubkey_rsa(n->pValue, n->ulValueLen, e->pValue, e->ulValueLen, ret, err);
	if (type == CKK_EC && params && point)
		return pubkey_ec(params->pValue, params->ulValueLen, point->pValue, point->ulValueLen, ret, err);
	if (type == CKK_EC_EDWARDS && point)
		return pubkey_ed25519(point->pValue, point->ulValueLen, ret, err);
	return err_set(err, ERR_NOT_FOUND, "its public half is not to be found");
}

/* How the key can be used; false when it cannot. */
static bool choose_use(CK_OBJECT_CLASS class, const struct p11_attrs *attrs, struct drill_key *ret)
{
	bool sign = p11_attrs_bool(attrs, CKA_SIGN, false);
	CK_KEY_TYPE type = p11_attrs_ulong(attrs, CKA_KEY_TYPE, CK_UNAVAILABLE_INFORMATION);

	ret->type = type;
	if (p11_attrs_bool(attrs, CKA_ALWAYS_AUTHENTICATE, false))
		return false;
	if (class == CKO_PRIVATE_KEY) {
		ret->use = DRILL_SIGNS;
		return sign && (type == CKK_RSA || type == CKK_EC || type == CKK_EC_EDWARDS);
	}
	ret->use = type == CKK_AES ? DRILL_ENCRYPTS : DRILL_MACS;
	if (type == CKK_AES)
		return p11_attrs_bool(attrs, CKA_ENCRYPT, false) && p11_attrs_bool(attrs, CKA_DECRYPT, false);
	return sign && (type == CKK_GENERIC_SECRET || type == CKK_SHA256_HMAC);
}

static int does_not_work(const struct drill_key *key, CK_RV rv, const char *why, struct err *err)
{
	return err_set(err, ERR_GUARD, "key '%s' does not work before the drill: %s", key->label,
		       rv == CKR_OK ? why : p11_rv_name(rv));
}

/* Once, before anything is broken, so that what fails later is the drill's doing. */
static int try_key(const struct drill_module *m, struct drill_key *key, struct err *err)
{
	uint8_t out[DRILL_OUTPUT], back[DRILL_OUTPUT];
	CK_ULONG len, back_len;
	CK_RV rv;

	if (key->use == DRILL_SIGNS) {
		rv = drill_key_sign(m, m->session, key, drill_mac_input, DRILL_INPUT, out, &len);
		if (rv == CKR_OK && drill_key_verify(key, drill_mac_input, DRILL_INPUT, out, len))
			return 0;
		return does_not_work(key, rv, "its signature does not verify", err);
	}
	if (key->use == DRILL_MACS) {
		rv = drill_key_mac(m, m->session, key, out, &len);
		if (rv != CKR_OK || len != DRILL_MAC)
			return does_not_work(key, rv, "its code has the wrong length", err);
		memcpy(key->mac, out, DRILL_MAC);
		return 0;
	}
	rv = drill_key_encrypt(m, m->session, key, drill_mac_input, drill_mac_input, DRILL_INPUT, out, &len);
	if (rv == CKR_OK)
		rv = drill_key_decrypt(m, m->session, key, drill_mac_input, out, len, back, &back_len);
	if (rv == CKR_OK && back_len == DRILL_INPUT && memcmp(back, drill_mac_input, DRILL_INPUT) == 0)
		return 0;
	return does_not_work(key, rv, "it does not decrypt what it encrypted", err);
}

static int add_key(const struct drill_module *m, CK_OBJECT_CLASS class, CK_OBJECT_HANDLE handle,
		   struct drill_keys *ret, struct err *err)
{
	owned(p11_attrs) struct p11_attrs attrs = {0};
	struct drill_key key = {.handle = handle}, *slot;
	int rc = read_attributes(m, handle, &attrs, err);

	if (rc < 0 || !choose_use(class, &attrs, &key))
		return rc;
	p11_attrs_text(&attrs, CKA_LABEL, key.label, sizeof(key.label));
	if (key.use == DRILL_SIGNS)
		rc = read_public_half(m, &attrs, err);
	if (rc == 0 && key.use == DRILL_SIGNS && make_public(&attrs, key.type, &key.public, err) < 0)
		rc = does_not_work(&key, CKR_OK, "its public half is not to be found", err);
	if (rc < 0)
		return rc;
	slot = json_append(&ret->items, &ret->count, sizeof(*slot));
	if (!slot) {
		pubkey_free(key.public);
		return err_no_memory(err);
	}
	*slot = key;
	return try_key(m, slot, err);
}

static int add_class(const struct drill_module *m, CK_OBJECT_CLASS class, struct drill_keys *ret, struct err *err)
{
	CK_BBOOL yes = CK_TRUE;
	CK_ATTRIBUTE template[] = {{CKA_CLASS, &class, sizeof(class)}, {CKA_TOKEN, &yes, sizeof(yes)}};
	CK_OBJECT_HANDLE handles[KEYS_MAX];
	CK_ULONG count;
	int rc = find(m, template, 2, handles, &count, err);

	for (CK_ULONG i = 0; i < count && rc == 0; i++)
		rc = add_key(m, class, handles[i], ret, err);
	return rc;
}

int drill_keys_find(const struct drill_module *m, struct drill_keys *ret, struct err *err)
{
	owned(drill_keys) struct drill_keys keys = {0};
	int rc = add_class(m, CKO_PRIVATE_KEY, &keys, err);

	if (rc == 0)
		rc = add_class(m, CKO_SECRET_KEY, &keys, err);
	if (rc < 0)
		return rc;
	if (keys.count == 0)
		return err_set(err, ERR_GUARD, "the group has no key that a drill can use");
	*ret = keys;
	keys = (struct drill_keys){0};
	return 0;
}

void drill_keys_release(struct drill_keys *keys)
{
	for (size_t i = 0; i < keys->count; i++)
		pubkey_free(keys->items[i].public);
	free(keys->items);
	*keys = (struct drill_keys){0};
}
