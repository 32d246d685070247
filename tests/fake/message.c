/* SPDX-License-Identifier: Apache-2.0 */
/* Messages: AES-GCM whose tag and IV stand in the parameter, HMAC and ECDSA. */
#include <string.h>

#include "internal.h"

enum { IN_MAX = 64 << 20, SIGNATURE_MAX = 256, IV_ROOM = 256 };

CK_FLAGS message_uses(const struct token *token, CK_MECHANISM_TYPE type)
{
	if (!token->messages)
		return 0;
	/* As it says, and does not. */
	if (type == CKM_AES_GCM)
		return CKF_MESSAGE_ENCRYPT | CKF_MESSAGE_DECRYPT | CKF_MULTI_MESSAGE;
	return crypt_mac_len(type) || type == CKM_ECDSA ? CKF_MESSAGE_SIGN | CKF_MESSAGE_VERIFY : 0;
}

CK_RV message_start(struct session *session, enum activity activity, const CK_MECHANISM *m, CK_OBJECT_HANDLE handle)
{
	static const CK_FLAGS flags[] = {
		[MESSAGE_ENCRYPTING] = CKF_MESSAGE_ENCRYPT, [MESSAGE_DECRYPTING] = CKF_MESSAGE_DECRYPT,
		[MESSAGE_SIGNING] = CKF_MESSAGE_SIGN, [MESSAGE_VERIFYING] = CKF_MESSAGE_VERIFY,
	};
	struct operation *op = &session->op;
	CK_RV rv;

	if (!session->token->messages)
		return CKR_FUNCTION_NOT_SUPPORTED;
	if (op->activity != IDLE)
		return CKR_OPERATION_ACTIVE;
	if (!(message_uses(session->token, m->mechanism) & flags[activity]))
		return CKR_MECHANISM_INVALID;
	rv = operate_check_key(session, activity, m, object_find(session->token, handle));
	if (rv != CKR_OK)
		return rv;
	op->activity = activity;
	op->key = handle;
	op->mechanism.ck.mechanism = m->mechanism;
	return CKR_OK;
}

CK_RV message_end(struct session *session, enum activity activity)
{
	if (session->op.activity != activity)
		return CKR_OPERATION_NOT_INITIALIZED;
	operation_end(&session->op);
	return CKR_OK;
}

static CK_RV continues(const struct session *session, enum activity activity, struct object **ret)
{
	if (session->op.activity != activity)
		return CKR_OPERATION_NOT_INITIALIZED;
	*ret = object_find(session->token, session->op.key);
	return *ret ? CKR_OK : CKR_OBJECT_HANDLE_INVALID;
}

/* The fixed bits stay as they are. What is left to it is counted, in each process from zero, as NSS's softoken does. */
static void make_iv(struct session *session, const CK_GCM_MESSAGE_PARAMS *p)
{
	CK_ULONG whole = p->ulIvFixedBits / 8, rest = p->ulIvFixedBits % 8;
	CK_BYTE made[IV_ROOM] = {0}, mask = (CK_BYTE)(0xff >> rest);

	if (p->ivGenerator == CKG_NO_GENERATE)
		return;
	if (p->ivGenerator == CKG_GENERATE_RANDOM)
		token_random(session->token, made, p->ulIvLen);
	else if (p->ulIvLen)
		made[p->ulIvLen - 1] = (CK_BYTE)session->op.next++;
	if (rest)
		made[whole] = (CK_BYTE)((p->pIv[whole] & ~mask) | (made[whole] & mask));
	memcpy(p->pIv + whole, made + whole, p->ulIvLen - whole);
}

CK_RV message_crypt(struct session *session, enum activity activity, CK_GCM_MESSAGE_PARAMS *p, CK_ULONG param_len,
		    const CK_BYTE *aad, CK_ULONG aad_len, const CK_BYTE *in, CK_ULONG len, CK_BYTE *out, CK_ULONG *out_len)
{
	bool encrypts = activity == MESSAGE_ENCRYPTING;
	owned(buf) struct buf whole = {.max = IN_MAX, .wipe = true}, result = {.max = IN_MAX, .wipe = true};
	struct object *key = NULL;
	CK_GCM_PARAMS gcm;
	CK_MECHANISM m = {CKM_AES_GCM, &gcm, sizeof(gcm)};
	CK_RV rv = continues(session, activity, &key);

	if (rv == CKR_OK)
		rv = p11_message_check(p11_message_form(CKM_AES_GCM), p, param_len);
	if (rv != CKR_OK)
		return rv;
	if (!out || *out_len < len) {
		*out_len = len;
		return out ? CKR_BUFFER_TOO_SMALL : CKR_OK;
	}
	if (encrypts)
		make_iv(session, p);
	gcm = (CK_GCM_PARAMS){p->pIv, p->ulIvLen, p->ulIvLen * 8, (CK_BYTE *)aad, aad_len, p->ulTagBits};
	buf_put(&whole, in, len);
	buf_put(&whole, p->pTag, encrypts ? 0 : p->ulTagBits / 8);
	rv = crypt_cipher(&m, encrypts, object_value(key, CKA_VALUE), whole.data, whole.len, &result);
	if (rv != CKR_OK)
		return !encrypts && rv == CKR_GENERAL_ERROR ? CKR_AEAD_DECRYPT_FAILED : rv;
	if ((session->token->lies & FAKE_LIE_CIPHER) && result.len)
		result.data[0] ^= 1;
	if (encrypts)
		memcpy(p->pTag, result.data + len, p->ulTagBits / 8);
	return operate_give(result.data, len, out, out_len);
}

static CK_RV take(struct session *session, enum activity activity, const CK_BYTE *in, CK_ULONG len, struct object **ret_key)
{
	CK_RV rv = continues(session, activity, ret_key);

	if (rv != CKR_OK)
		return rv;
	session->op.input = (struct buf){.max = IN_MAX, .wipe = true};
	buf_put(&session->op.input, in, len);
	return session->op.input.bad ? CKR_HOST_MEMORY : CKR_OK;
}

CK_RV message_sign(struct session *session, const CK_BYTE *in, CK_ULONG len, CK_BYTE *out, CK_ULONG *out_len)
{
	struct operation *op = &session->op;
	owned(buf) struct buf result = {.max = SIGNATURE_MAX};
	struct object *key = NULL;
	CK_RV rv = take(session, MESSAGE_SIGNING, in, len, &key);

	if (rv == CKR_OK)
		rv = operate_sign(key, op->mechanism.ck.mechanism, &op->input, &result);
	buf_release(&op->input);
	if ((session->token->lies & FAKE_LIE_SIGN) && result.len)
		result.data[0] ^= 1;
	return rv == CKR_OK ? operate_give(result.data, result.len, out, out_len) : rv;
}

CK_RV message_verify(struct session *session, const CK_BYTE *in, CK_ULONG len, const CK_BYTE *given, CK_ULONG given_len)
{
	struct object *key = NULL;
	CK_RV rv = take(session, MESSAGE_VERIFYING, in, len, &key);

	if (rv == CKR_OK)
		rv = operate_check(key, &session->op, given, given_len);
	buf_release(&session->op.input);
	return rv;
}
