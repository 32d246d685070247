/* SPDX-License-Identifier: Apache-2.0 */
/* The function list: each call finds its token, locks it, meets its faults, and is carried out. */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "internal.h"

enum { LIBRARY_MAJOR = 2, LIBRARY_MINOR = 6 };

static _Atomic(fake_hook *) hook;
static _Atomic(void *) hook_data;

void fake_watch(fake_hook *new_hook, void *data)
{
	hook = NULL;
	hook_data = data;
	hook = new_hook;
}

static CK_RV watched(CK_SLOT_ID slot, enum p11_fn fn, bool after, CK_RV rv)
{
	fake_hook *to = hook;

	return to ? to(hook_data, slot, fn, after, rv) : rv;
}

/* ---- the way in and out ---- */

static CK_RV enter(CK_SLOT_ID slot, enum p11_fn fn, struct token **ret)
{
	struct token *token = token_of(slot);
	CK_RV rv = token_ready(NULL) ? CKR_OK : CKR_CRYPTOKI_NOT_INITIALIZED;

	if (rv == CKR_OK && !token)
		rv = CKR_SLOT_ID_INVALID;
	if (rv == CKR_OK && fn < P11_FN_MAX)
		rv = watched(slot, fn, false, CKR_OK);
	if (rv != CKR_OK)
		return rv;
	pthread_mutex_lock(&token->lock);
	token->calls[fn] += 1;
	rv = fn < P11_FN_MAX ? token_fault(token, fn, FAKE_BEFORE, CKR_OK) : CKR_OK;
	if (rv != CKR_OK)
		pthread_mutex_unlock(&token->lock);
	*ret = token;
	return rv;
}

static CK_RV leave(struct token *token, enum p11_fn fn, CK_RV rv)
{
	CK_SLOT_ID slot = token->slot;

	if (fn < P11_FN_MAX)
		rv = token_fault(token, fn, FAKE_AFTER, rv);
	pthread_mutex_unlock(&token->lock);
	return fn < P11_FN_MAX ? watched(slot, fn, true, rv) : rv;
}

/* What fails ends the operation that it belongs to (PKCS#11 v3.0 section 5.2). */
static void end_failed(CK_SESSION_HANDLE handle, enum p11_fn fn)
{
	struct token *token = token_of((handle >> 32) - 1);
	struct session *session;

	if (!token || fn >= P11_FN_MAX || p11_fn_table[fn].part <= P11_PART_INIT || p11_op_is_message(p11_fn_table[fn].op))
		return;
	pthread_mutex_lock(&token->lock);
	session = session_find(token, handle);
	if (session)
		operation_end(&session->op);
	pthread_mutex_unlock(&token->lock);
}

static CK_RV enter_session(CK_SESSION_HANDLE handle, enum p11_fn fn, struct token **ret_token, struct session **ret)
{
	CK_RV rv = enter((handle >> 32) - 1, fn, ret_token);

	if (rv == CKR_SLOT_ID_INVALID)
		return CKR_SESSION_HANDLE_INVALID;
	if (rv != CKR_OK) {
		end_failed(handle, fn);
		return rv;
	}
	*ret = session_find(*ret_token, handle);
	return *ret ? CKR_OK : leave(*ret_token, fn, CKR_SESSION_HANDLE_INVALID);
}

/* fake_NAME with these parameters, of which the first is "slot": does what stands last with "token". */
#define BY_SLOT(name, fn, parameters, deed)                                                                \
	static CK_RV fake_##name parameters                                                                \
	{                                                                                                  \
		struct token *token;                                                                       \
		CK_RV rv = enter(slot, fn, &token);                                                        \
		return rv == CKR_OK ? leave(token, fn, deed) : rv;                                         \
	}
/* The same where the first is the handle "h": does what stands last with "session". */
#define BY_SESSION(name, fn, parameters, deed)                                                             \
	static CK_RV fake_##name parameters                                                                \
	{                                                                                                  \
		struct session *session;                                                                   \
		struct token *token;                                                                       \
		CK_RV rv = enter_session(h, fn, &token, &session);                                         \
		return rv == CKR_OK ? leave(token, fn, deed) : rv;                                         \
	}
#define SLOT(name, parameters, deed) BY_SLOT(name, P11_##name, parameters, deed)
#define SESSION(name, parameters, deed) BY_SESSION(name, P11_##name, parameters, deed)
#define OTHER P11_FN_MAX

typedef CK_SESSION_HANDLE S;
typedef CK_OBJECT_HANDLE O;

/* ---- the library ---- */

static CK_RV fake_C_Initialize(CK_VOID_PTR args)
{
	bool yes = true;

	(void)args;
	return token_ready(&yes) ? CKR_CRYPTOKI_ALREADY_INITIALIZED : CKR_OK;
}

static CK_RV fake_C_Finalize(CK_VOID_PTR reserved)
{
	bool no = false;

	if (reserved)
		return CKR_ARGUMENTS_BAD;
	if (!token_ready(&no))
		return CKR_CRYPTOKI_NOT_INITIALIZED;
	for (size_t i = 0; i < token_total(); i++)
		fake_restart(i);
	return CKR_OK;
}

static void text(CK_UTF8CHAR *field, size_t len, const char *words)
{
	memset(field, ' ', len);
	memcpy(field, words, strlen(words));
}

static CK_RV fake_C_GetInfo(CK_INFO *ret)
{
	if (!token_ready(NULL))
		return CKR_CRYPTOKI_NOT_INITIALIZED;
	*ret = (CK_INFO){.cryptokiVersion = {2, 40}, .libraryVersion = {LIBRARY_MAJOR, LIBRARY_MINOR}};
	text(ret->manufacturerID, sizeof(ret->manufacturerID), "hsmctl tests");
	text(ret->libraryDescription, sizeof(ret->libraryDescription), "fake token");
	return CKR_OK;
}

static CK_RV fake_C_GetSlotList(CK_BBOOL present, CK_SLOT_ID *list, CK_ULONG *count)
{
	CK_ULONG room = *count, total = token_total();

	(void)present;
	if (!token_ready(NULL))
		return CKR_CRYPTOKI_NOT_INITIALIZED;
	*count = total;
	if (list && room < total)
		return CKR_BUFFER_TOO_SMALL;
	for (CK_ULONG i = 0; list && i < total; i++)
		list[i] = i;
	return CKR_OK;
}

static CK_RV fake_C_GetFunctionList(CK_FUNCTION_LIST **ret)
{
	*ret = fake_functions();
	return CKR_OK;
}

/* ---- slots ---- */

static CK_RV slot_info(CK_SLOT_INFO *ret)
{
	*ret = (CK_SLOT_INFO){.flags = CKF_TOKEN_PRESENT, .hardwareVersion = {LIBRARY_MAJOR, LIBRARY_MINOR}};
	text(ret->manufacturerID, sizeof(ret->manufacturerID), "hsmctl tests");
	text(ret->slotDescription, sizeof(ret->slotDescription), "fake slot");
	return CKR_OK;
}

static CK_RV token_info(const struct token *token, CK_TOKEN_INFO *ret)
{
	*ret = (CK_TOKEN_INFO){.flags = CKF_RNG | CKF_LOGIN_REQUIRED | CKF_USER_PIN_INITIALIZED | CKF_TOKEN_INITIALIZED,
			       .ulMaxPinLen = PIN_MAX, .ulMinPinLen = 4};
	memcpy(ret->label, token->label, sizeof(ret->label));
	memcpy(ret->serialNumber, token->serial, sizeof(ret->serialNumber));
	text(ret->manufacturerID, sizeof(ret->manufacturerID), "hsmctl tests");
	text(ret->model, sizeof(ret->model), "fake");
	for (const struct session *s = token->sessions; s; s = s->next) {
		ret->ulSessionCount++;
		ret->ulRwSessionCount += (s->flags & CKF_RW_SESSION) != 0;
	}
	ret->ulMaxSessionCount = ret->ulMaxRwSessionCount = CK_EFFECTIVELY_INFINITE;
	ret->ulTotalPublicMemory = ret->ulFreePublicMemory = CK_UNAVAILABLE_INFORMATION;
	ret->ulTotalPrivateMemory = ret->ulFreePrivateMemory = CK_UNAVAILABLE_INFORMATION;
	return CKR_OK;
}

static CK_RV mechanism_list(const struct token *token, CK_MECHANISM_TYPE *list, CK_ULONG *count)
{
	size_t all, n = 0;
	const CK_MECHANISM_TYPE *types = operate_mechanisms(&all);
	CK_ULONG room = *count;

	for (size_t i = 0; i < all; i++)
		n += !token_refuses(token, types[i]);
	n += token->vendors;
	*count = n;
	if (list && room < n)
		return CKR_BUFFER_TOO_SMALL;
	for (size_t i = 0; i < all && list; i++)
		if (!token_refuses(token, types[i]))
			*list++ = types[i];
	if (list && token->vendors)
		*list = FAKE_VENDOR_MAC;
	return CKR_OK;
}

static CK_RV mechanism_info(const struct token *token, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO *ret)
{
	const struct p11_mech *row = p11_mech(type);

	if (type == FAKE_VENDOR_MAC && token->vendors) {
		*ret = (CK_MECHANISM_INFO){16 + token->slot, 64 - token->slot, CKF_SIGN | CKF_VERIFY};
		return CKR_OK;
	}
	if (!row || !operate_knows(token, type, row->use))
		return CKR_MECHANISM_INVALID;
	*ret = (CK_MECHANISM_INFO){.flags = row->use | message_uses(token, type)};
	if (row->key_type == CKK_RSA)
		ret->ulMinKeySize = 512, ret->ulMaxKeySize = 8192;
	else if (row->key_type == CKK_EC)
		ret->ulMinKeySize = 256, ret->ulMaxKeySize = 384, ret->flags |= CKF_EC_NAMEDCURVE | CKF_EC_UNCOMPRESS;
	else if (row->key_type == CKK_AES)
		ret->ulMinKeySize = 16, ret->ulMaxKeySize = 32;
	return CKR_OK;
}

static CK_RV init_token(struct token *token, const CK_UTF8CHAR *label)
{
	if (token->sessions)
		return CKR_SESSION_EXISTS;
	token_clear(token);
	memcpy(token->label, label, sizeof(token->label));
	return CKR_OK;
}

static CK_RV close_all(struct token *token)
{
	session_close_all(token);
	return CKR_OK;
}

SLOT(C_GetSlotInfo, (CK_SLOT_ID slot, CK_SLOT_INFO *ret), slot_info(ret))
SLOT(C_GetTokenInfo, (CK_SLOT_ID slot, CK_TOKEN_INFO *ret), token_info(token, ret))
SLOT(C_GetMechanismList, (CK_SLOT_ID slot, CK_MECHANISM_TYPE *list, CK_ULONG *count),
     mechanism_list(token, list, count))
SLOT(C_GetMechanismInfo, (CK_SLOT_ID slot, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO *ret),
     mechanism_info(token, type, ret))
SLOT(C_OpenSession, (CK_SLOT_ID slot, CK_FLAGS flags, CK_VOID_PTR data, CK_NOTIFY notify, S *ret),
     ((void)data, (void)notify, session_open(token, flags, ret)))
BY_SLOT(C_CloseAllSessions, OTHER, (CK_SLOT_ID slot), close_all(token))
BY_SLOT(C_InitToken, OTHER, (CK_SLOT_ID slot, CK_UTF8CHAR *pin, CK_ULONG len, CK_UTF8CHAR *label),
	((void)pin, (void)len, init_token(token, label)))

/* ---- sessions ---- */

static CK_RV get_session_info(const struct session *session, CK_SESSION_INFO *ret)
{
	session_info(session, ret);
	return CKR_OK;
}

SESSION(C_CloseSession, (S h), session_close(session))
BY_SESSION(C_GetSessionInfo, OTHER, (S h, CK_SESSION_INFO *ret), get_session_info(session, ret))
SESSION(C_Login, (S h, CK_USER_TYPE type, CK_UTF8CHAR *pin, CK_ULONG len), session_login(session, type, pin, len))
SESSION(C_Logout, (S h), session_logout(session))
BY_SESSION(C_InitPIN, OTHER, (S h, CK_UTF8CHAR *pin, CK_ULONG len),
	   token->who == OFFICER ? session_set_pin(session, pin, len) : CKR_USER_NOT_LOGGED_IN)
BY_SESSION(C_SetPIN, OTHER, (S h, CK_UTF8CHAR *old, CK_ULONG old_len, CK_UTF8CHAR *pin, CK_ULONG len),
	   old_len == token->pin_len && memcmp(old, token->pin, old_len) == 0 ? session_set_pin(session, pin, len)
									      : CKR_PIN_INCORRECT)

/* ---- objects ---- */

SESSION(C_CreateObject, (S h, CK_ATTRIBUTE *t, CK_ULONG n, O *ret), object_create(session, t, n, ret))
SESSION(C_CopyObject, (S h, O o, CK_ATTRIBUTE *t, CK_ULONG n, O *ret), object_copy(session, o, t, n, ret))
SESSION(C_DestroyObject, (S h, O o), object_destroy(session, o))
SESSION(C_GetAttributeValue, (S h, O o, CK_ATTRIBUTE *t, CK_ULONG n), object_get(session, o, t, n))
SESSION(C_SetAttributeValue, (S h, O o, CK_ATTRIBUTE *t, CK_ULONG n), object_change(session, o, t, n))
SESSION(C_FindObjectsInit, (S h, CK_ATTRIBUTE *t, CK_ULONG n), find_start(session, t, n))
SESSION(C_FindObjects, (S h, O *ret, CK_ULONG room, CK_ULONG *n), find_next(session, ret, room, n))
SESSION(C_FindObjectsFinal, (S h), find_end(session))

/* ---- keys ---- */

static CK_RV generate_random(struct token *token, CK_BYTE *ret, CK_ULONG len)
{
	token_random(token, ret, len);
	return CKR_OK;
}

SESSION(C_GenerateKey, (S h, CK_MECHANISM *m, CK_ATTRIBUTE *t, CK_ULONG n, O *ret), make_key(session, m, t, n, ret))
SESSION(C_GenerateKeyPair,
	(S h, CK_MECHANISM *m, CK_ATTRIBUTE *open, CK_ULONG n_open, CK_ATTRIBUTE *hidden, CK_ULONG n_hidden,
	 O *ret_open, O *ret_hidden),
	make_pair(session, m, open, n_open, hidden, n_hidden, ret_open, ret_hidden))
SESSION(C_WrapKey, (S h, CK_MECHANISM *m, O wrapping, O key, CK_BYTE *out, CK_ULONG *len),
	wrap_key(session, m, wrapping, key, out, len))
SESSION(C_UnwrapKey,
	(S h, CK_MECHANISM *m, O unwrapping, CK_BYTE *blob, CK_ULONG len, CK_ATTRIBUTE *t, CK_ULONG n, O *ret),
	unwrap_key(session, m, unwrapping, blob, len, t, n, ret))
SESSION(C_DeriveKey, (S h, CK_MECHANISM *m, O base, CK_ATTRIBUTE *t, CK_ULONG n, O *ret),
	derive_key(session, m, base, t, n, ret))
SESSION(C_SeedRandom, (S h, CK_BYTE *seed, CK_ULONG len), ((void)session, (void)seed, (void)len, CKR_OK))
SESSION(C_GenerateRandom, (S h, CK_BYTE *ret, CK_ULONG len), ((void)session, generate_random(token, ret, len)))

/* ---- operations ---- */

#define IN CK_BYTE *in, CK_ULONG len
#define OUT CK_BYTE *out, CK_ULONG *out_len
#define OPERATION(verb, activity)                                                                          \
	SESSION(C_##verb##Init, (S h, CK_MECHANISM *m, O key), operate_start(session, activity, m, key))   \
	SESSION(C_##verb, (S h, IN, OUT), operate_whole(session, activity, false, in, len, out, out_len))

/* Parts give nothing before the end. */
static CK_RV add_part(struct session *session, enum activity activity, IN, OUT)
{
	*out_len = 0;
	return out ? operate_add(session, activity, in, len) : CKR_OK;
}
#define STREAM(verb, activity)                                                                             \
	SESSION(C_##verb##Update, (S h, IN, OUT), add_part(session, activity, in, len, out, out_len))      \
	SESSION(C_##verb##Final, (S h, OUT), operate_whole(session, activity, true, NULL, 0, out, out_len))

OPERATION(Encrypt, ENCRYPTING)
STREAM(Encrypt, ENCRYPTING)
OPERATION(Decrypt, DECRYPTING)
STREAM(Decrypt, DECRYPTING)
OPERATION(Sign, SIGNING)
SESSION(C_SignUpdate, (S h, IN), operate_add(session, SIGNING, in, len))
SESSION(C_SignFinal, (S h, OUT), operate_whole(session, SIGNING, true, NULL, 0, out, out_len))
SESSION(C_VerifyInit, (S h, CK_MECHANISM *m, O key), operate_start(session, VERIFYING, m, key))
SESSION(C_Verify, (S h, IN, CK_BYTE *signature, CK_ULONG n), operate_verify(session, false, in, len, signature, n))
SESSION(C_VerifyUpdate, (S h, IN), operate_add(session, VERIFYING, in, len))
SESSION(C_VerifyFinal, (S h, CK_BYTE *signature, CK_ULONG n), operate_verify(session, true, NULL, 0, signature, n))
SESSION(C_DigestInit, (S h, CK_MECHANISM *m), operate_start(session, DIGESTING, m, CK_INVALID_HANDLE))
SESSION(C_Digest, (S h, IN, OUT), operate_whole(session, DIGESTING, false, in, len, out, out_len))
SESSION(C_DigestUpdate, (S h, IN), operate_add(session, DIGESTING, in, len))
SESSION(C_DigestFinal, (S h, OUT), operate_whole(session, DIGESTING, true, NULL, 0, out, out_len))

/* ---- messages ---- */

#define PARAM CK_VOID_PTR param, CK_ULONG param_len
#define AAD CK_BYTE *aad, CK_ULONG aad_len
#define PROCESS(verb, activity)                                                                            \
	SESSION(C_Message##verb##Init, (S h, CK_MECHANISM *m, O key), message_start(session, activity, m, key)) \
	SESSION(C_Message##verb##Final, (S h), message_end(session, activity))

PROCESS(Encrypt, MESSAGE_ENCRYPTING)
PROCESS(Decrypt, MESSAGE_DECRYPTING)
PROCESS(Sign, MESSAGE_SIGNING)
PROCESS(Verify, MESSAGE_VERIFYING)
SESSION(C_EncryptMessage, (S h, PARAM, AAD, IN, OUT),
	message_crypt(session, MESSAGE_ENCRYPTING, param, param_len, aad, aad_len, in, len, out, out_len))
SESSION(C_DecryptMessage, (S h, PARAM, AAD, IN, OUT),
	message_crypt(session, MESSAGE_DECRYPTING, param, param_len, aad, aad_len, in, len, out, out_len))
SESSION(C_SignMessage, (S h, PARAM, IN, OUT),
	((void)param, (void)param_len, message_sign(session, in, len, out, out_len)))
SESSION(C_VerifyMessage, (S h, PARAM, IN, CK_BYTE *signature, CK_ULONG n),
	((void)param, (void)param_len, message_verify(session, in, len, signature, n)))

/* ---- what it has not ---- */

#define ABSENT(name, ...)                                                                                  \
	static CK_RV fake_##name(__VA_ARGS__)                                                              \
	{                                                                                                  \
		return CKR_FUNCTION_NOT_SUPPORTED;                                                         \
	}
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
ABSENT(C_GetOperationState, S h, OUT)
ABSENT(C_SetOperationState, S h, IN, O a, O b)
ABSENT(C_GetObjectSize, S h, O o, CK_ULONG *ret)
ABSENT(C_DigestKey, S h, O key)
ABSENT(C_SignRecoverInit, S h, CK_MECHANISM *m, O key)
ABSENT(C_SignRecover, S h, IN, OUT)
ABSENT(C_VerifyRecoverInit, S h, CK_MECHANISM *m, O key)
ABSENT(C_VerifyRecover, S h, IN, OUT)
ABSENT(C_DigestEncryptUpdate, S h, IN, OUT)
ABSENT(C_DecryptDigestUpdate, S h, IN, OUT)
ABSENT(C_SignEncryptUpdate, S h, IN, OUT)
ABSENT(C_DecryptVerifyUpdate, S h, IN, OUT)
ABSENT(C_GetFunctionStatus, S h)
ABSENT(C_CancelFunction, S h)
ABSENT(C_WaitForSlotEvent, CK_FLAGS flags, CK_SLOT_ID *slot, CK_VOID_PTR reserved)
ABSENT(C_GetInterfaceList, CK_INTERFACE *list, CK_ULONG *count)
ABSENT(C_GetInterface, CK_UTF8CHAR *name, CK_VERSION *version, CK_INTERFACE **ret, CK_FLAGS flags)
ABSENT(C_LoginUser, S h, CK_USER_TYPE type, CK_UTF8CHAR *pin, CK_ULONG len, CK_UTF8CHAR *name, CK_ULONG name_len)
ABSENT(C_SessionCancel, S h, CK_FLAGS flags)
ABSENT(C_EncryptMessageBegin, S h, PARAM, AAD)
ABSENT(C_EncryptMessageNext, S h, PARAM, IN, OUT, CK_FLAGS flags)
ABSENT(C_DecryptMessageBegin, S h, PARAM, AAD)
ABSENT(C_DecryptMessageNext, S h, PARAM, IN, OUT, CK_FLAGS flags)
ABSENT(C_SignMessageBegin, S h, PARAM)
ABSENT(C_SignMessageNext, S h, PARAM, IN, OUT)
ABSENT(C_VerifyMessageBegin, S h, PARAM)
ABSENT(C_VerifyMessageNext, S h, PARAM, IN, CK_BYTE *signature, CK_ULONG n)
#pragma GCC diagnostic pop

CK_FUNCTION_LIST *fake_functions(void)
{
	static CK_FUNCTION_LIST functions = {
		.version = {2, 40},
#undef CK_PKCS11_3_0
#define CK_PKCS11_2_0_ONLY 1
#define CK_PKCS11_FUNCTION_INFO(name) .name = fake_##name,
#include <pkcs11f.h>
#undef CK_PKCS11_FUNCTION_INFO
	};

	return &functions;
}

CK_FUNCTION_LIST *fake_functions_3_0(void)
{
	static CK_FUNCTION_LIST_3_0 functions = {
		.version = {3, 0},
#undef CK_PKCS11_2_0_ONLY
#define CK_PKCS11_3_0 1
#define CK_PKCS11_FUNCTION_INFO(name) .name = fake_##name,
#include <pkcs11f.h>
#undef CK_PKCS11_FUNCTION_INFO
	};

	return (CK_FUNCTION_LIST *)&functions;
}
