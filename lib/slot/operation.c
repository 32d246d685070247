/* SPDX-License-Identifier: Apache-2.0 */
/* Encrypt, decrypt, digest, sign, verify (PKCS#11 v3.0 sections 5.8 to 5.15). */
#include "slot/module.h"

static CK_RV start(CK_SESSION_HANDLE session, enum ha_kind kind, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE key)
{
	slot_scoped struct slot_call call = slot_enter(session);
	struct ha_group *group;

	if (call.rv == CKR_OK && !mechanism)
		call.rv = CKR_ARGUMENTS_BAD;
	if (call.rv == CKR_OK && call.session->operations[kind])
		call.rv = CKR_OPERATION_ACTIVE;
	if (call.rv == CKR_OK)
		call.rv = slot_group(call.slot, &group);
	if (call.rv == CKR_OK)
		call.rv = ha_operation_start(group, kind, mechanism, key, &call.session->operations[kind]);
	if (call.rv == CKR_OK)
		call.session->started[kind] = ++call.session->n_started;
	return call.rv;
}

static void end(struct slot_session *session, enum ha_kind kind)
{
	ha_operation_free(session->operations[kind]);
	session->operations[kind] = NULL;
}

/* The active operation of a kind. */
static CK_RV active(const struct slot_call *call, enum ha_kind kind, bool arguments_good)
{
	if (call->rv != CKR_OK)
		return call->rv;
	if (!call->session->operations[kind])
		return CKR_OPERATION_NOT_INITIALIZED;
	return arguments_good ? CKR_OK : CKR_ARGUMENTS_BAD;
}

static CK_RV once(CK_SESSION_HANDLE session, enum ha_kind kind, CK_BYTE_PTR in, CK_ULONG len, CK_BYTE_PTR out,
		  CK_ULONG_PTR out_len)
{
	slot_scoped struct slot_call call = slot_enter(session);
	bool over;

	call.rv = active(&call, kind, slot_given(in, len, 1) && out_len);
	if (call.rv != CKR_OK)
		return call.rv;
	call.rv = ha_operation_once(call.session->operations[kind], in, len, out, out_len, &over);
	if (over)
		end(call.session, kind);
	return call.rv;
}

static CK_RV update(CK_SESSION_HANDLE session, enum ha_kind kind, CK_BYTE_PTR in, CK_ULONG len, CK_BYTE_PTR out,
		    CK_ULONG_PTR out_len, bool gives)
{
	slot_scoped struct slot_call call = slot_enter(session);
	bool over;

	call.rv = active(&call, kind, slot_given(in, len, 1) && (out_len || !gives));
	if (call.rv != CKR_OK)
		return call.rv;
	call.rv = ha_operation_update(call.session->operations[kind], in, len, out, out_len, &over);
	if (over && call.rv != CKR_OK)
		end(call.session, kind);
	return call.rv;
}

static CK_RV final(CK_SESSION_HANDLE session, enum ha_kind kind, CK_BYTE_PTR out, CK_ULONG_PTR out_len)
{
	slot_scoped struct slot_call call = slot_enter(session);
	bool over;

	call.rv = active(&call, kind, out_len != NULL);
	if (call.rv != CKR_OK)
		return call.rv;
	call.rv = ha_operation_final(call.session->operations[kind], out, out_len, &over);
	if (over)
		end(call.session, kind);
	return call.rv;
}

static CK_RV verify(CK_SESSION_HANDLE session, bool whole, CK_BYTE_PTR in, CK_ULONG len, CK_BYTE_PTR signature,
		    CK_ULONG signature_len)
{
	slot_scoped struct slot_call call = slot_enter(session);

	call.rv = active(&call, HA_VERIFY, slot_given(in, len, 1) && signature && slot_given(signature, signature_len, 1));
	if (call.rv != CKR_OK)
		return call.rv;
	call.rv = ha_operation_verify(call.session->operations[HA_VERIFY], whole, in, len, signature, signature_len);
	end(call.session, HA_VERIFY);
	return call.rv;
}

CK_RV C_EncryptInit(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE key)
{
	return start(session, HA_ENCRYPT, mechanism, key);
}

CK_RV C_Encrypt(CK_SESSION_HANDLE session, CK_BYTE_PTR in, CK_ULONG len, CK_BYTE_PTR out, CK_ULONG_PTR out_len)
{
	return once(session, HA_ENCRYPT, in, len, out, out_len);
}

CK_RV C_EncryptUpdate(CK_SESSION_HANDLE session, CK_BYTE_PTR in, CK_ULONG len, CK_BYTE_PTR out, CK_ULONG_PTR out_len)
{
	return update(session, HA_ENCRYPT, in, len, out, out_len, true);
}

CK_RV C_EncryptFinal(CK_SESSION_HANDLE session, CK_BYTE_PTR out, CK_ULONG_PTR out_len)
{
	return final(session, HA_ENCRYPT, out, out_len);
}

CK_RV C_DecryptInit(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE key)
{
	return start(session, HA_DECRYPT, mechanism, key);
}

CK_RV C_Decrypt(CK_SESSION_HANDLE session, CK_BYTE_PTR in, CK_ULONG len, CK_BYTE_PTR out, CK_ULONG_PTR out_len)
{
	return once(session, HA_DECRYPT, in, len, out, out_len);
}

CK_RV C_DecryptUpdate(CK_SESSION_HANDLE session, CK_BYTE_PTR in, CK_ULONG len, CK_BYTE_PTR out, CK_ULONG_PTR out_len)
{
	return update(session, HA_DECRYPT, in, len, out, out_len, true);
}

CK_RV C_DecryptFinal(CK_SESSION_HANDLE session, CK_BYTE_PTR out, CK_ULONG_PTR out_len)
{
	return final(session, HA_DECRYPT, out, out_len);
}

CK_RV C_DigestInit(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism)
{
	return start(session, HA_DIGEST, mechanism, CK_INVALID_HANDLE);
}

CK_RV C_Digest(CK_SESSION_HANDLE session, CK_BYTE_PTR in, CK_ULONG len, CK_BYTE_PTR out, CK_ULONG_PTR out_len)
{
	return once(session, HA_DIGEST, in, len, out, out_len);
}

CK_RV C_DigestUpdate(CK_SESSION_HANDLE session, CK_BYTE_PTR in, CK_ULONG len)
{
	return update(session, HA_DIGEST, in, len, NULL, NULL, false);
}

CK_RV C_DigestFinal(CK_SESSION_HANDLE session, CK_BYTE_PTR out, CK_ULONG_PTR out_len)
{
	return final(session, HA_DIGEST, out, out_len);
}

CK_RV C_SignInit(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE key)
{
	return start(session, HA_SIGN, mechanism, key);
}

CK_RV C_Sign(CK_SESSION_HANDLE session, CK_BYTE_PTR in, CK_ULONG len, CK_BYTE_PTR out, CK_ULONG_PTR out_len)
{
	return once(session, HA_SIGN, in, len, out, out_len);
}

CK_RV C_SignUpdate(CK_SESSION_HANDLE session, CK_BYTE_PTR in, CK_ULONG len)
{
	return update(session, HA_SIGN, in, len, NULL, NULL, false);
}

CK_RV C_SignFinal(CK_SESSION_HANDLE session, CK_BYTE_PTR out, CK_ULONG_PTR out_len)
{
	return final(session, HA_SIGN, out, out_len);
}

CK_RV C_VerifyInit(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE key)
{
	return start(session, HA_VERIFY, mechanism, key);
}

CK_RV C_Verify(CK_SESSION_HANDLE session, CK_BYTE_PTR in, CK_ULONG len, CK_BYTE_PTR signature, CK_ULONG signature_len)
{
	return verify(session, true, in, len, signature, signature_len);
}

CK_RV C_VerifyUpdate(CK_SESSION_HANDLE session, CK_BYTE_PTR in, CK_ULONG len)
{
	return update(session, HA_VERIFY, in, len, NULL, NULL, false);
}

CK_RV C_VerifyFinal(CK_SESSION_HANDLE session, CK_BYTE_PTR signature, CK_ULONG signature_len)
{
	return verify(session, false, NULL, 0, signature, signature_len);
}
