/* SPDX-License-Identifier: Apache-2.0 */
/* Operations: which mechanisms there are, who may use them, and the course from Init to Final. */
#include <string.h>

#include "internal.h"

static const CK_MECHANISM_TYPE mechanisms[] = {
	CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_EC_KEY_PAIR_GEN, CKM_AES_KEY_GEN, CKM_GENERIC_SECRET_KEY_GEN,
	CKM_RSA_PKCS, CKM_SHA1_RSA_PKCS, CKM_SHA256_RSA_PKCS, CKM_SHA384_RSA_PKCS, CKM_SHA512_RSA_PKCS,
	CKM_RSA_PKCS_OAEP, CKM_ECDSA, CKM_ECDH1_DERIVE, CKM_AES_ECB_ENCRYPT_DATA,
	CKM_AES_ECB, CKM_AES_CBC, CKM_AES_CBC_PAD, CKM_AES_GCM,
	CKM_AES_KEY_WRAP, CKM_AES_KEY_WRAP_PAD, CKM_AES_KEY_WRAP_KWP,
	CKM_SHA_1_HMAC, CKM_SHA256_HMAC, CKM_SHA384_HMAC, CKM_SHA512_HMAC,
	CKM_SHA_1, CKM_SHA256, CKM_SHA384, CKM_SHA512,
};
enum { MECHANISMS = sizeof(mechanisms) / sizeof(mechanisms[0]), INPUT_MAX = 64 << 20 };

const CK_MECHANISM_TYPE *operate_mechanisms(size_t *ret_count)
{
	*ret_count = MECHANISMS;
	return mechanisms;
}

bool operate_knows(const struct token *token, CK_MECHANISM_TYPE type, CK_FLAGS use)
{
	const struct p11_mech *row = p11_mech(type);

	if (type == FAKE_VENDOR_MAC)
		return token->vendors && (use & (CKF_SIGN | CKF_VERIFY));
	for (size_t i = 0; i < MECHANISMS && row && (row->use & use) && !token_refuses(token, type); i++)
		if (mechanisms[i] == type)
			return true;
	return false;
}

CK_RV operate_permits(const struct session *session, const struct object *key, CK_ATTRIBUTE_TYPE use,
		      CK_MECHANISM_TYPE type)
{
	CK_RV rv = session_may_read(session, key);

	if (rv != CKR_OK)
		return rv;
	if (!object_flag(key, use))
		return CKR_KEY_FUNCTION_NOT_PERMITTED;
	return p11_attrs_allow(&key->attrs, type) ? CKR_OK : CKR_MECHANISM_INVALID;
}

/* By activity: what the key must say, what the mechanism must do. */
static const struct {
	CK_ATTRIBUTE_TYPE use;
	CK_FLAGS flag;
} wanted[] = {
	[ENCRYPTING] = {CKA_ENCRYPT, CKF_ENCRYPT}, [DECRYPTING] = {CKA_DECRYPT, CKF_DECRYPT},
	[SIGNING] = {CKA_SIGN, CKF_SIGN}, [VERIFYING] = {CKA_VERIFY, CKF_VERIFY}, [DIGESTING] = {0, CKF_DIGEST},
	[MESSAGE_ENCRYPTING] = {CKA_ENCRYPT, CKF_ENCRYPT}, [MESSAGE_DECRYPTING] = {CKA_DECRYPT, CKF_DECRYPT},
	[MESSAGE_SIGNING] = {CKA_SIGN, CKF_SIGN}, [MESSAGE_VERIFYING] = {CKA_VERIFY, CKF_VERIFY},
};

CK_RV operate_check_key(const struct session *session, enum activity activity, const CK_MECHANISM *m,
		       const struct object *key)
{
	const struct p11_mech *row = p11_mech(m->mechanism);
	CK_KEY_TYPE type = key ? object_number(key, CKA_KEY_TYPE) : 0;
	CK_RV rv = key ? operate_permits(session, key, wanted[activity].use, m->mechanism) : CKR_OBJECT_HANDLE_INVALID;
	bool mac = !row || row->key_type == CKK_GENERIC_SECRET;

	if (rv != CKR_OK)
		return rv;
	if (!operate_knows(session->token, m->mechanism, wanted[activity].flag))
		return CKR_MECHANISM_INVALID;
	if (!mac)
		return type == row->key_type		? CKR_OK
		       : row->key_type == CKK_AES	? CKR_KEY_TYPE_INCONSISTENT
							: CKR_GENERAL_ERROR;
	if (type != CKK_GENERIC_SECRET)
		return CKR_KEY_TYPE_INCONSISTENT;
	return object_value(key, CKA_VALUE)->ulValueLen < crypt_mac_len(m->mechanism) ? CKR_KEY_SIZE_RANGE : CKR_OK;
}

CK_RV operate_start(struct session *session, enum activity activity, const CK_MECHANISM *m, CK_OBJECT_HANDLE handle)
{
	const struct object *key = object_find(session->token, handle);
	struct operation *op = &session->op;
	CK_RV rv;

	if (op->activity != IDLE)
		return CKR_OPERATION_ACTIVE;
	if (activity == DIGESTING)
		rv = operate_knows(session->token, m->mechanism, CKF_DIGEST) ? CKR_OK : CKR_MECHANISM_INVALID;
	else
		rv = operate_check_key(session, activity, m, key);
	if (rv == CKR_OK)
		rv = p11_mechanism_check(m) == CKR_OK ? CKR_OK : CKR_ARGUMENTS_BAD;
	if (rv == CKR_OK && p11_mechanism_copy(m, &op->mechanism, NULL) < 0)
		rv = CKR_HOST_MEMORY;
	if (rv != CKR_OK)
		return rv;
	op->activity = activity;
	op->key = handle;
	op->input = (struct buf){.max = INPUT_MAX, .wipe = true};
	if (m->mechanism == FAKE_VENDOR_MAC) {
		buf_put(&op->input, m->pParameter, m->ulParameterLen);
		op->mechanism.ck.mechanism = CKM_SHA256_HMAC;
	}
	op->ask_again = key && (activity == SIGNING || activity == DECRYPTING) &&
			object_flag(key, CKA_ALWAYS_AUTHENTICATE);
	return CKR_OK;
}

/* Can it be done in parts? Mechanisms without a digest of their own cannot, where they are RSA's or ECDSA's. */
static bool in_parts(const struct operation *op)
{
	CK_MECHANISM_TYPE type = op->mechanism.ck.mechanism;

	return type != CKM_RSA_PKCS && type != CKM_RSA_PKCS_OAEP && type != CKM_ECDSA;
}

/* Is that what is under way? An operation that is refused ends. */
static CK_RV continues(struct session *session, enum activity activity, bool parts)
{
	struct operation *op = &session->op;
	CK_RV rv = CKR_OK;

	if (op->activity != activity || (parts && !in_parts(op)))
		return CKR_OPERATION_NOT_INITIALIZED;
	if (op->ask_again)
		rv = CKR_USER_NOT_LOGGED_IN;
	if (rv != CKR_OK)
		operation_end(op);
	return rv;
}

CK_RV operate_add(struct session *session, enum activity activity, const CK_BYTE *in, CK_ULONG len)
{
	CK_RV rv = continues(session, activity, true);

	if (rv != CKR_OK)
		return rv;
	session->op.parts = true;
	buf_put(&session->op.input, in, len);
	return session->op.input.bad ? CKR_DATA_LEN_RANGE : CKR_OK;
}

CK_RV operate_sign(struct object *key, CK_MECHANISM_TYPE type, const struct buf *in, struct buf *ret)
{
	CK_KEY_TYPE key_type = object_number(key, CKA_KEY_TYPE);
	const struct curve *curve;

	if (key_type == CKK_RSA)
		return rsa_sign(key, type, in->data, in->len, ret);
	if (key_type != CKK_EC)
		return crypt_mac(type, object_value(key, CKA_VALUE), in->data, in->len, ret);
	curve = curve_of(object_value(key, CKA_EC_PARAMS));
	return curve ? curve_sign(curve, object_value(key, CKA_VALUE), in->data, in->len, ret) : CKR_GENERAL_ERROR;
}

static CK_RV compute(struct object *key, const struct operation *op, struct buf *ret)
{
	const CK_MECHANISM *m = &op->mechanism.ck;
	bool encrypt = op->activity == ENCRYPTING;

	if (op->activity == DIGESTING)
		return crypt_digest(m->mechanism, op->input.data, op->input.len, ret);
	if (op->activity == SIGNING)
		return operate_sign(key, m->mechanism, &op->input, ret);
	if (object_number(key, CKA_KEY_TYPE) == CKK_RSA)
		return rsa_crypt(key, m, encrypt, op->input.data, op->input.len, ret);
	return crypt_cipher(m, encrypt, object_value(key, CKA_VALUE), op->input.data, op->input.len, ret);
}

/* What RSA decrypts wants the room of a whole modulus, however short it is. */
static size_t room_for(const struct object *key, const struct operation *op, size_t len)
{
	size_t modulus = op->activity == DECRYPTING && key ? object_value(key, CKA_MODULUS)->ulValueLen : 0;

	return modulus > len ? modulus : len;
}

CK_RV operate_give(const void *result, size_t len, CK_BYTE *out, CK_ULONG *out_len)
{
	CK_ULONG room = *out_len;

	*out_len = len;
	if (!out)
		return CKR_OK;
	if (room < len)
		return CKR_BUFFER_TOO_SMALL;
	if (len)
		memcpy(out, result, len);
	return CKR_OK;
}

static void lie(const struct session *session, struct buf *result)
{
	unsigned about = session->op.activity == SIGNING ? FAKE_LIE_SIGN : FAKE_LIE_CIPHER;

	if ((session->token->lies & about) && result->len && session->op.activity != DIGESTING)
		result->data[result->len / 2] ^= 1;
}

CK_RV operate_whole(struct session *session, enum activity activity, bool last, const CK_BYTE *in, CK_ULONG len,
		    CK_BYTE *out, CK_ULONG *out_len)
{
	struct operation *op = &session->op;
	owned(buf) struct buf result = {.max = INPUT_MAX + 1024, .wipe = true};
	struct object *key = object_find(session->token, op->key);
	CK_RV rv = continues(session, activity, last);
	size_t before = op->input.len, room;

	if (rv != CKR_OK)
		return rv;
	if (!last && op->parts)
		rv = CKR_OPERATION_NOT_INITIALIZED;
	buf_put(&op->input, in, len);
	if (rv == CKR_OK && activity != DIGESTING && !key)
		rv = CKR_OBJECT_HANDLE_INVALID;
	if (rv == CKR_OK)
		rv = compute(key, op, &result);
	lie(session, &result);
	room = room_for(key, op, result.len);
	if (rv == CKR_OK && (!out || *out_len < room)) {
		rv = out ? CKR_BUFFER_TOO_SMALL : CKR_OK;
		*out_len = room;
	} else if (rv == CKR_OK) {
		rv = operate_give(result.data, result.len, out, out_len);
	}
	if (rv == CKR_BUFFER_TOO_SMALL || (rv == CKR_OK && !out))
		op->input.len = before;
	else
		operation_end(op);
	return rv;
}

static CK_RV check_mac(struct object *key, const struct operation *op, const CK_BYTE *signature, CK_ULONG len)
{
	owned(buf) struct buf right = {.max = 64};
	CK_RV rv = operate_sign(key, op->mechanism.ck.mechanism, &op->input, &right);

	if (rv != CKR_OK)
		return rv;
	if (right.len != len)
		return CKR_SIGNATURE_LEN_RANGE;
	return memcmp(right.data, signature, len) == 0 ? CKR_OK : CKR_SIGNATURE_INVALID;
}

CK_RV operate_check(struct object *key, const struct operation *op, const CK_BYTE *signature, CK_ULONG len)
{
	const struct buf *data = &op->input;
	const struct curve *curve;

	if (object_number(key, CKA_KEY_TYPE) == CKK_RSA)
		return rsa_verify(key, op->mechanism.ck.mechanism, data->data, data->len, signature, len);
	if (object_number(key, CKA_KEY_TYPE) != CKK_EC)
		return check_mac(key, op, signature, len);
	curve = curve_of(object_value(key, CKA_EC_PARAMS));
	return curve ? curve_verify(curve, object_value(key, CKA_EC_POINT), data->data, data->len, signature, len)
		     : CKR_GENERAL_ERROR;
}

CK_RV operate_verify(struct session *session, bool last, const CK_BYTE *in, CK_ULONG len, const CK_BYTE *signature,
		     CK_ULONG signature_len)
{
	struct operation *op = &session->op;
	struct object *key = object_find(session->token, op->key);
	CK_RV rv = continues(session, VERIFYING, last);

	if (rv != CKR_OK)
		return rv;
	buf_put(&op->input, in, len);
	rv = key ? operate_check(key, op, signature, signature_len) : CKR_OBJECT_HANDLE_INVALID;
	operation_end(op);
	return rv;
}
