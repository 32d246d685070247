/* SPDX-License-Identifier: Apache-2.0 */
/* Generating keys and pairs from the token's own random numbers. */
#include <string.h>

#include "internal.h"

enum { SECRET_MAX = 512 };

/* What each key that was generated says of itself. */
static CK_RV born_here(struct object *object, CK_MECHANISM_TYPE mechanism)
{
	CK_RV rv = object_set_flag(object, CKA_LOCAL, true);

	if (rv == CKR_OK)
		rv = object_set_number(object, CKA_KEY_GEN_MECHANISM, mechanism);
	if (rv == CKR_OK && object_number(object, CKA_CLASS) != CKO_PUBLIC_KEY)
		rv = object_set_flag(object, CKA_ALWAYS_SENSITIVE, object_flag(object, CKA_SENSITIVE));
	if (rv == CKR_OK && object_number(object, CKA_CLASS) != CKO_PUBLIC_KEY)
		rv = object_set_flag(object, CKA_NEVER_EXTRACTABLE, !object_flag(object, CKA_EXTRACTABLE));
	return rv;
}

/* KCV: what the key makes of a block of zeros (AES), the digest of it (others). */
CK_RV make_check_value(struct object *object)
{
	static const uint8_t zero[16];
	const CK_ATTRIBUTE *value = object_value(object, CKA_VALUE);
	const CK_MECHANISM ecb = {CKM_AES_ECB, NULL, 0};
	owned(buf) struct buf out = {.max = 1024};
	bool aes = object_number(object, CKA_KEY_TYPE) == CKK_AES;
	CK_RV rv = aes ? crypt_cipher(&ecb, true, value, zero, sizeof(zero), &out)
		       : crypt_digest(CKM_SHA_1, value->pValue, value->ulValueLen, &out);

	return rv == CKR_OK ? object_set(object, CKA_CHECK_VALUE, out.data, 3) : rv;
}

static bool right_size(CK_KEY_TYPE type, CK_ULONG len)
{
	return type == CKK_AES ? len == 16 || len == 24 || len == 32 : len >= 1 && len <= SECRET_MAX;
}

CK_RV make_key(struct session *session, const CK_MECHANISM *mechanism, const CK_ATTRIBUTE *items, CK_ULONG count,
	       CK_OBJECT_HANDLE *ret)
{
	CK_KEY_TYPE type = mechanism->mechanism == CKM_AES_KEY_GEN ? CKK_AES : CKK_GENERIC_SECRET;
	const struct p11_attrs template = {(CK_ATTRIBUTE *)items, count, 0};
	CK_ULONG len = p11_attrs_ulong(&template, CKA_VALUE_LEN, 0);
	owned(object) struct object *object = NULL;
	uint8_t value[SECRET_MAX];
	CK_RV rv;

	if (!operate_knows(session->token, mechanism->mechanism, CKF_GENERATE))
		return CKR_MECHANISM_INVALID;
	if (!p11_template_find(items, count, CKA_VALUE_LEN))
		return CKR_TEMPLATE_INCOMPLETE;
	if (!right_size(type, len))
		return CKR_ATTRIBUTE_VALUE_INVALID;
	object = object_new(CKO_SECRET_KEY, type);
	if (!object)
		return CKR_HOST_MEMORY;
	rv = object_apply(session, &object, GENERATE, items, count);
	if (rv != CKR_OK)
		return rv;
	token_random(session->token, value, len);
	rv = object_set(object, CKA_VALUE, value, len);
	if (rv == CKR_OK)
		rv = make_check_value(object);
	if (rv == CKR_OK)
		rv = born_here(object, mechanism->mechanism);
	return rv == CKR_OK ? object_insert(session, &object, ret) : rv;
}

static CK_RV make_ec(struct token *token, struct object *open, struct object *hidden)
{
	const CK_ATTRIBUTE *params = object_value(open, CKA_EC_PARAMS);
	const struct curve *curve = curve_of(params);
	owned(buf) struct buf point = {.max = 256};
	uint8_t value[64];
	CK_RV rv;

	if (!curve)
		return params->ulValueLen ? CKR_GENERAL_ERROR : CKR_TEMPLATE_INCOMPLETE;
	token_random(token, value, curve_len(curve));
	rv = curve_point(curve, value, &point);
	if (rv == CKR_OK)
		rv = object_set(open, CKA_EC_POINT, point.data, point.len);
	if (rv == CKR_OK)
		rv = object_set(hidden, CKA_EC_PARAMS, params->pValue, params->ulValueLen);
	return rv == CKR_OK ? object_set(hidden, CKA_VALUE, value, curve_len(curve)) : rv;
}

static CK_RV make_rsa(struct object *open, struct object *hidden)
{
	CK_ULONG bits = object_number(open, CKA_MODULUS_BITS);

	return bits ? rsa_make(bits, open, hidden) : CKR_TEMPLATE_INCOMPLETE;
}

CK_RV make_pair(struct session *session, const CK_MECHANISM *mechanism, const CK_ATTRIBUTE *open_items, CK_ULONG n_open,
		const CK_ATTRIBUTE *hidden_items, CK_ULONG n_hidden, CK_OBJECT_HANDLE *ret_open,
		CK_OBJECT_HANDLE *ret_hidden)
{
	CK_KEY_TYPE type = mechanism->mechanism == CKM_EC_KEY_PAIR_GEN ? CKK_EC : CKK_RSA;
	owned(object) struct object *open = NULL, *hidden = NULL;
	struct token *token = session->token;
	CK_RV rv;

	if (!operate_knows(token, mechanism->mechanism, CKF_GENERATE_KEY_PAIR))
		return CKR_MECHANISM_INVALID;
	open = object_new(CKO_PUBLIC_KEY, type);
	hidden = object_new(CKO_PRIVATE_KEY, type);
	if (!open || !hidden)
		return CKR_HOST_MEMORY;
	rv = object_apply(session, &open, GENERATE, open_items, n_open);
	if (rv == CKR_OK)
		rv = object_apply(session, &hidden, GENERATE, hidden_items, n_hidden);
	if (rv == CKR_OK)
		rv = type == CKK_EC ? make_ec(token, open, hidden) : make_rsa(open, hidden);
	if (rv == CKR_OK)
		rv = born_here(open, mechanism->mechanism);
	if (rv == CKR_OK)
		rv = born_here(hidden, mechanism->mechanism);
	if (rv == CKR_OK)
		rv = object_insert(session, &open, ret_open);
	if (rv != CKR_OK)
		return rv;
	rv = object_insert(session, &hidden, ret_hidden);
	if (rv != CKR_OK)
		object_remove(token, token->count - 1);
	return rv;
}
