/* SPDX-License-Identifier: Apache-2.0 */
/* Deriving secret keys: ECDH without a function behind it, data encrypted by AES in ECB mode. */
#include "internal.h"

enum { AES_MAX = 32 };

/* The point of the other side, as SoftHSM takes it: bare, or as CKA_EC_POINT holds it. */
static CK_RV agree(const struct object *base, const CK_ECDH1_DERIVE_PARAMS *with, struct buf *ret)
{
	const struct curve *curve = curve_of(object_value(base, CKA_EC_PARAMS));

	if (object_number(base, CKA_CLASS) != CKO_PRIVATE_KEY || object_number(base, CKA_KEY_TYPE) != CKK_EC)
		return CKR_KEY_TYPE_INCONSISTENT;
	if (with->kdf != CKD_NULL || with->ulSharedDataLen || !with->ulPublicDataLen)
		return CKR_MECHANISM_PARAM_INVALID;
	return curve ? curve_agree(curve, object_value(base, CKA_VALUE), with->pPublicData, with->ulPublicDataLen, ret)
		     : CKR_GENERAL_ERROR;
}

static CK_RV encrypt(const struct object *base, const CK_KEY_DERIVATION_STRING_DATA *data, struct buf *ret)
{
	const CK_MECHANISM ecb = {CKM_AES_ECB, NULL, 0};

	if (object_number(base, CKA_CLASS) != CKO_SECRET_KEY || object_number(base, CKA_KEY_TYPE) != CKK_AES)
		return CKR_KEY_TYPE_INCONSISTENT;
	if (!data->ulLen || data->ulLen % 16)
		return CKR_MECHANISM_PARAM_INVALID;
	return crypt_cipher(&ecb, true, object_value(base, CKA_VALUE), data->pData, data->ulLen, ret);
}

/* ECDH may be left to choose: all that there is. */
static CK_RV check_len(CK_MECHANISM_TYPE mechanism, CK_KEY_TYPE type, CK_ULONG len)
{
	if (mechanism == CKM_ECDH1_DERIVE && !len)
		return CKR_OK;
	if (type == CKK_AES)
		return len == 16 || len == 24 || len == 32 ? CKR_OK : CKR_ATTRIBUTE_VALUE_INVALID;
	return len ? CKR_OK : CKR_TEMPLATE_INCOMPLETE;
}

/* Of what is too much the last bytes are taken by ECDH, and otherwise the first. */
static const uint8_t *cut(CK_MECHANISM_TYPE type, const struct buf *made, CK_ULONG len)
{
	return made->data + (type == CKM_ECDH1_DERIVE ? made->len - len : 0);
}

static CK_RV fill_in(struct object *object, const struct object *base, const uint8_t *value, CK_ULONG len)
{
	CK_RV rv = object_set(object, CKA_VALUE, value, len);

	if (rv == CKR_OK)
		rv = make_check_value(object);
	if (rv == CKR_OK)
		rv = object_set_flag(object, CKA_ALWAYS_SENSITIVE,
				     object_flag(base, CKA_ALWAYS_SENSITIVE) && object_flag(object, CKA_SENSITIVE));
	if (rv != CKR_OK)
		return rv;
	return object_set_flag(object, CKA_NEVER_EXTRACTABLE,
			       object_flag(base, CKA_NEVER_EXTRACTABLE) && !object_flag(object, CKA_EXTRACTABLE));
}

/* All that the mechanism makes of the base, when that may be used so. */
static CK_RV make(const struct session *session, const CK_MECHANISM *m, const struct object *base, struct buf *ret)
{
	CK_RV rv = base ? operate_permits(session, base, CKA_DERIVE, m->mechanism) : CKR_OBJECT_HANDLE_INVALID;

	if (rv != CKR_OK)
		return rv;
	if (p11_mechanism_check(m) != CKR_OK)
		return CKR_MECHANISM_PARAM_INVALID;
	return m->mechanism == CKM_ECDH1_DERIVE ? agree(base, m->pParameter, ret) : encrypt(base, m->pParameter, ret);
}

/* What it is to be is said in the template, whatever the mechanism is good for. */
static CK_RV check_kind(const struct p11_attrs *template, CK_KEY_TYPE type)
{
	CK_OBJECT_CLASS class = p11_attrs_ulong(template, CKA_CLASS, CK_UNAVAILABLE_INFORMATION);

	if (class == CK_UNAVAILABLE_INFORMATION || type == CK_UNAVAILABLE_INFORMATION)
		return CKR_TEMPLATE_INCOMPLETE;
	if (class != CKO_SECRET_KEY)
		return CKR_ATTRIBUTE_VALUE_INVALID;
	return type == CKK_AES || type == CKK_GENERIC_SECRET ? CKR_OK : CKR_TEMPLATE_INCONSISTENT;
}

CK_RV derive_key(struct session *session, const CK_MECHANISM *m, CK_OBJECT_HANDLE handle, const CK_ATTRIBUTE *items,
		 CK_ULONG count, CK_OBJECT_HANDLE *ret)
{
	const struct p11_attrs template = {(CK_ATTRIBUTE *)items, count, 0};
	CK_KEY_TYPE type = p11_attrs_ulong(&template, CKA_KEY_TYPE, CK_UNAVAILABLE_INFORMATION);
	CK_ULONG len = p11_attrs_ulong(&template, CKA_VALUE_LEN, 0);
	const struct object *base = object_find(session->token, handle);
	owned(buf) struct buf made = {.max = OUT_MAX, .wipe = true};
	owned(object) struct object *object = NULL;
	CK_RV rv = operate_knows(session->token, m->mechanism, CKF_DERIVE) ? CKR_OK : CKR_MECHANISM_INVALID;

	if (rv == CKR_OK)
		rv = check_kind(&template, type);
	if (rv == CKR_OK)
		rv = make(session, m, base, &made);
	if (rv == CKR_OK)
		rv = check_len(m->mechanism, type, len);
	len = len ? len : type == CKK_AES ? AES_MAX : made.len;
	if (rv == CKR_OK && len > made.len)
		rv = CKR_FUNCTION_FAILED;
	if (rv != CKR_OK)
		return rv;
	object = object_new(CKO_SECRET_KEY, type);
	if (!object)
		return CKR_HOST_MEMORY;
	rv = object_apply(session, &object, DERIVE, items, count);
	if (rv == CKR_OK)
		rv = fill_in(object, base, cut(m->mechanism, &made, len), len);
	return rv == CKR_OK ? object_insert(session, &object, ret) : rv;
}
