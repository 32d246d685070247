/* SPDX-License-Identifier: Apache-2.0 */
/* Wrapping and unwrapping: RFC 5649 and RFC 3394 under AES keys, OAEP under RSA keys. */
#include <string.h>

#include "internal.h"

static bool by_rsa(const CK_MECHANISM *m)
{
	return m->mechanism == CKM_RSA_PKCS_OAEP || m->mechanism == CKM_RSA_PKCS;
}

static CK_RV check_mechanism(const struct token *token, const CK_MECHANISM *m, CK_FLAGS use)
{
	const CK_RSA_PKCS_OAEP_PARAMS *oaep = m->pParameter;

	if (!operate_knows(token, m->mechanism, use))
		return CKR_MECHANISM_INVALID;
	if (m->mechanism != CKM_RSA_PKCS_OAEP)
		return !by_rsa(m) && m->pParameter ? CKR_ARGUMENTS_BAD : CKR_OK;
	if (!oaep || m->ulParameterLen != sizeof(*oaep) || oaep->hashAlg != CKM_SHA_1 || oaep->mgf != CKG_MGF1_SHA1 ||
	    oaep->ulSourceDataLen)
		return CKR_ARGUMENTS_BAD;
	return CKR_OK;
}

/* Is the key under which it happens of the kind, and may it? */
static CK_RV check_wrapper(const struct session *session, const struct object *key, const CK_MECHANISM *m,
			   CK_OBJECT_CLASS rsa_class, CK_ATTRIBUTE_TYPE use)
{
	bool wraps = use == CKA_WRAP;

	if (!key)
		return wraps ? CKR_WRAPPING_KEY_HANDLE_INVALID : CKR_UNWRAPPING_KEY_HANDLE_INVALID;
	if (object_number(key, CKA_CLASS) != (by_rsa(m) ? rsa_class : CKO_SECRET_KEY) ||
	    object_number(key, CKA_KEY_TYPE) != (by_rsa(m) ? CKK_RSA : CKK_AES))
		return wraps ? CKR_WRAPPING_KEY_TYPE_INCONSISTENT : CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT;
	return operate_permits(session, key, use, m->mechanism);
}

static CK_RV check_wrapped(const struct session *session, const struct object *key, const struct object *wrapper,
			   const CK_MECHANISM *m)
{
	CK_OBJECT_CLASS class;
	CK_RV rv = key ? session_may_read(session, key) : CKR_KEY_HANDLE_INVALID;

	if (rv != CKR_OK)
		return rv;
	if (!object_flag(key, CKA_EXTRACTABLE))
		return CKR_KEY_UNEXTRACTABLE;
	if (object_flag(key, CKA_WRAP_WITH_TRUSTED) && !object_flag(wrapper, CKA_TRUSTED))
		return CKR_KEY_NOT_WRAPPABLE;
	class = object_number(key, CKA_CLASS);
	if (class != CKO_SECRET_KEY && (class != CKO_PRIVATE_KEY || by_rsa(m)))
		return CKR_KEY_NOT_WRAPPABLE;
	return CKR_OK;
}

static CK_RV plain_of(const struct object *key, struct buf *ret)
{
	const CK_ATTRIBUTE *value = object_value(key, CKA_VALUE);

	if (object_number(key, CKA_CLASS) == CKO_PRIVATE_KEY)
		return pkcs8_write(key, ret);
	buf_put(ret, value->pValue, value->ulValueLen);
	return ret->bad ? CKR_HOST_MEMORY : value->ulValueLen ? CKR_OK : CKR_KEY_NOT_WRAPPABLE;
}

static CK_RV transform(struct object *wrapper, const CK_MECHANISM *m, bool wraps, const uint8_t *in, size_t len,
		       struct buf *ret)
{
	if (by_rsa(m))
		return rsa_crypt(wrapper, m, wraps, in, len, ret);
	return crypt_cipher(m, wraps, object_value(wrapper, CKA_VALUE), in, len, ret);
}

CK_RV wrap_key(struct session *session, const CK_MECHANISM *m, CK_OBJECT_HANDLE wrapping, CK_OBJECT_HANDLE handle,
	       CK_BYTE *out, CK_ULONG *out_len)
{
	struct object *wrapper = object_find(session->token, wrapping), *key = object_find(session->token, handle);
	owned(buf) struct buf plain = {.max = OUT_MAX, .wipe = true}, blob = {.max = OUT_MAX};
	CK_RV rv = check_mechanism(session->token, m, CKF_WRAP);

	if (rv == CKR_OK)
		rv = check_wrapper(session, wrapper, m, CKO_PUBLIC_KEY, CKA_WRAP);
	if (rv == CKR_OK)
		rv = check_wrapped(session, key, wrapper, m);
	if (rv == CKR_OK)
		rv = plain_of(key, &plain);
	if (rv == CKR_OK)
		rv = transform(wrapper, m, true, plain.data, plain.len, &blob);
	return rv == CKR_OK ? operate_give(blob.data, blob.len, out, out_len) : rv;
}

/* SoftHSM knows neither length nor check value of a key that it unwrapped; nothing is said of its past. */
static CK_RV fill_in(struct session *session, struct object *object, const uint8_t *plain, size_t len)
{
	CK_RV rv = object_number(object, CKA_CLASS) == CKO_PRIVATE_KEY ? pkcs8_read(object, plain, len)
								       : object_set(object, CKA_VALUE, plain, len);

	if (rv == CKR_OK && (session->token->lies & FAKE_LIE_UNWRAP)) {
		CK_ATTRIBUTE_TYPE type = p11_attrs_find(&object->attrs, CKA_VALUE) ? CKA_VALUE : CKA_PRIVATE_EXPONENT;

		((uint8_t *)object_value(object, type)->pValue)[0] ^= 1;
	}
	return rv == CKR_OK ? object_set_flag(object, CKA_NEVER_EXTRACTABLE, false) : rv;
}

static CK_RV describe(struct session *session, const CK_ATTRIBUTE *items, CK_ULONG count, const CK_MECHANISM *m,
		      struct object **ret)
{
	const struct p11_attrs template = {(CK_ATTRIBUTE *)items, count, 0};
	CK_OBJECT_CLASS class = p11_attrs_ulong(&template, CKA_CLASS, CK_UNAVAILABLE_INFORMATION);
	CK_KEY_TYPE type = p11_attrs_ulong(&template, CKA_KEY_TYPE, CK_UNAVAILABLE_INFORMATION);

	if (class == CK_UNAVAILABLE_INFORMATION || type == CK_UNAVAILABLE_INFORMATION)
		return CKR_TEMPLATE_INCOMPLETE;
	if (class != CKO_SECRET_KEY && (class != CKO_PRIVATE_KEY || by_rsa(m)))
		return CKR_ATTRIBUTE_VALUE_INVALID;
	*ret = object_new(class, type);
	return !*ret ? CKR_HOST_MEMORY : object_apply(session, ret, UNWRAP, items, count);
}

CK_RV unwrap_key(struct session *session, const CK_MECHANISM *m, CK_OBJECT_HANDLE unwrapping, const CK_BYTE *blob,
		 CK_ULONG len, const CK_ATTRIBUTE *items, CK_ULONG count, CK_OBJECT_HANDLE *ret)
{
	struct object *wrapper = object_find(session->token, unwrapping);
	owned(buf) struct buf plain = {.max = OUT_MAX, .wipe = true};
	owned(object) struct object *object = NULL;
	CK_RV rv = check_mechanism(session->token, m, CKF_UNWRAP);

	if (rv == CKR_OK && !by_rsa(m) && (len < 16 || len % 8))
		rv = CKR_WRAPPED_KEY_LEN_RANGE;
	if (rv == CKR_OK)
		rv = check_wrapper(session, wrapper, m, CKO_PRIVATE_KEY, CKA_UNWRAP);
	if (rv == CKR_OK)
		rv = describe(session, items, count, m, &object);
	if (rv == CKR_OK && transform(wrapper, m, false, blob, len, &plain) != CKR_OK)
		rv = CKR_GENERAL_ERROR;
	if (rv == CKR_OK)
		rv = fill_in(session, object, plain.data, plain.len);
	return rv == CKR_OK ? object_insert(session, &object, ret) : rv;
}
