/* SPDX-License-Identifier: Apache-2.0 */
/* Constructors of struct p11_call, one a function, named after it. */
#ifndef P11_CALL_NEW_H
#define P11_CALL_NEW_H

#include "p11/call.h"

#define P11_NUM_(n) {.number = (n)}
#define P11_IN_(p, n) {.in = (p), .number = (n)}
#define P11_PTR_(p) {.in = (p)}
#define P11_OUT_(p, len) {.out = (p), .out_len = (len)}
#define P11_CALL_(name, ...) (struct p11_call){.fn = P11_##name, .rv = P11_NOT_RUN, .args = {__VA_ARGS__}}

static inline struct p11_call p11_get_token_info(CK_TOKEN_INFO *info)
{
	return P11_CALL_(C_GetTokenInfo, P11_NUM_(0), {.out = info});
}

static inline struct p11_call p11_get_mechanism_list(CK_MECHANISM_TYPE *list, CK_ULONG *count)
{
	return P11_CALL_(C_GetMechanismList, P11_NUM_(0), P11_OUT_(list, count));
}

static inline struct p11_call p11_get_mechanism_info(CK_MECHANISM_TYPE type, CK_MECHANISM_INFO *info)
{
	return P11_CALL_(C_GetMechanismInfo, P11_NUM_(0), P11_NUM_(type), {.out = info});
}

static inline struct p11_call p11_open_session(CK_FLAGS flags, CK_SESSION_HANDLE *session)
{
	return P11_CALL_(C_OpenSession, P11_NUM_(0), P11_NUM_(flags), {.out = session});
}

static inline struct p11_call p11_close_session(CK_SESSION_HANDLE session)
{
	return P11_CALL_(C_CloseSession, P11_NUM_(session));
}

static inline struct p11_call p11_login(CK_SESSION_HANDLE session, CK_USER_TYPE user, const void *pin, CK_ULONG len)
{
	return P11_CALL_(C_Login, P11_NUM_(session), P11_NUM_(user), P11_IN_(pin, len));
}

static inline struct p11_call p11_create_object(CK_SESSION_HANDLE session, const CK_ATTRIBUTE *t, CK_ULONG n,
						CK_OBJECT_HANDLE *object)
{
	return P11_CALL_(C_CreateObject, P11_NUM_(session), P11_IN_(t, n), {.out = object});
}

static inline struct p11_call p11_destroy_object(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object)
{
	return P11_CALL_(C_DestroyObject, P11_NUM_(session), P11_NUM_(object));
}

/* values: pValue and ulValueLen give the room, lengths come back as from a token. */
static inline struct p11_call p11_get_attributes(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
						 CK_ATTRIBUTE *values, CK_ULONG n)
{
	return P11_CALL_(C_GetAttributeValue, P11_NUM_(session), P11_NUM_(object), {.out = values, .number = n});
}

static inline struct p11_call p11_set_attributes(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
						 const CK_ATTRIBUTE *t, CK_ULONG n)
{
	return P11_CALL_(C_SetAttributeValue, P11_NUM_(session), P11_NUM_(object), P11_IN_(t, n));
}

static inline struct p11_call p11_find_init(CK_SESSION_HANDLE session, const CK_ATTRIBUTE *t, CK_ULONG n)
{
	return P11_CALL_(C_FindObjectsInit, P11_NUM_(session), P11_IN_(t, n));
}

static inline struct p11_call p11_find(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE *objects, CK_ULONG room,
				       CK_ULONG *count)
{
	return P11_CALL_(C_FindObjects, P11_NUM_(session), {.out = objects, .number = room, .out_len = count});
}

static inline struct p11_call p11_find_final(CK_SESSION_HANDLE session)
{
	return P11_CALL_(C_FindObjectsFinal, P11_NUM_(session));
}

/* Any of the …Init functions; key is ignored by C_DigestInit. */
static inline struct p11_call p11_init(enum p11_fn fn, CK_SESSION_HANDLE session, const CK_MECHANISM *m,
				       CK_OBJECT_HANDLE key)
{
	return (struct p11_call){.fn = fn, .rv = P11_NOT_RUN, .args = {P11_NUM_(session), P11_PTR_(m), P11_NUM_(key)}};
}

/* C_Encrypt, C_Decrypt, C_Digest, C_Sign and the …Update of the first two. */
static inline struct p11_call p11_transform(enum p11_fn fn, CK_SESSION_HANDLE session, const void *in, CK_ULONG len,
					    void *out, CK_ULONG *out_len)
{
	return (struct p11_call){.fn = fn, .rv = P11_NOT_RUN,
				 .args = {P11_NUM_(session), P11_IN_(in, len), P11_OUT_(out, out_len)}};
}

/* C_DigestUpdate, C_SignUpdate, C_VerifyUpdate; C_VerifyFinal with the signature. */
static inline struct p11_call p11_consume(enum p11_fn fn, CK_SESSION_HANDLE session, const void *in, CK_ULONG len)
{
	return (struct p11_call){.fn = fn, .rv = P11_NOT_RUN, .args = {P11_NUM_(session), P11_IN_(in, len)}};
}

/* C_EncryptFinal, C_DecryptFinal, C_DigestFinal, C_SignFinal. */
static inline struct p11_call p11_final(enum p11_fn fn, CK_SESSION_HANDLE session, void *out, CK_ULONG *out_len)
{
	return (struct p11_call){.fn = fn, .rv = P11_NOT_RUN, .args = {P11_NUM_(session), P11_OUT_(out, out_len)}};
}

static inline struct p11_call p11_verify(CK_SESSION_HANDLE session, const void *in, CK_ULONG len,
					 const void *signature, CK_ULONG signature_len)
{
	return P11_CALL_(C_Verify, P11_NUM_(session), P11_IN_(in, len), P11_IN_(signature, signature_len));
}

static inline struct p11_call p11_generate_key(CK_SESSION_HANDLE session, const CK_MECHANISM *m,
					       const CK_ATTRIBUTE *t, CK_ULONG n, CK_OBJECT_HANDLE *key)
{
	return P11_CALL_(C_GenerateKey, P11_NUM_(session), P11_PTR_(m), P11_IN_(t, n), {.out = key});
}

static inline struct p11_call p11_generate_key_pair(CK_SESSION_HANDLE session, const CK_MECHANISM *m,
						    const CK_ATTRIBUTE *public_t, CK_ULONG public_n,
						    const CK_ATTRIBUTE *private_t, CK_ULONG private_n,
						    CK_OBJECT_HANDLE *public_key, CK_OBJECT_HANDLE *private_key)
{
	return P11_CALL_(C_GenerateKeyPair, P11_NUM_(session), P11_PTR_(m), P11_IN_(public_t, public_n),
			 P11_IN_(private_t, private_n), {.out = public_key}, {.out = private_key});
}

static inline struct p11_call p11_wrap_key(CK_SESSION_HANDLE session, const CK_MECHANISM *m, CK_OBJECT_HANDLE wrapping,
					   CK_OBJECT_HANDLE key, void *out, CK_ULONG *out_len)
{
	return P11_CALL_(C_WrapKey, P11_NUM_(session), P11_PTR_(m), P11_NUM_(wrapping), P11_NUM_(key),
			 P11_OUT_(out, out_len));
}

static inline struct p11_call p11_unwrap_key(CK_SESSION_HANDLE session, const CK_MECHANISM *m,
					     CK_OBJECT_HANDLE unwrapping, const void *in, CK_ULONG len,
					     const CK_ATTRIBUTE *t, CK_ULONG n, CK_OBJECT_HANDLE *key)
{
	return P11_CALL_(C_UnwrapKey, P11_NUM_(session), P11_PTR_(m), P11_NUM_(unwrapping), P11_IN_(in, len),
			 P11_IN_(t, n), {.out = key});
}

static inline struct p11_call p11_generate_random(CK_SESSION_HANDLE session, void *out, CK_ULONG len)
{
	return P11_CALL_(C_GenerateRandom, P11_NUM_(session), {.out = out, .number = len});
}

/* ---- what the token's host answers ---- */

/* CKR_OK when no object that the caller may see matches, else CKR_OBJECT_HANDLE_INVALID: a
 * condition that ends its batch. */
static inline struct p11_call p11_absent(CK_SESSION_HANDLE session, const CK_ATTRIBUTE *t, CK_ULONG n)
{
	return P11_CALL_(X_Absent, P11_NUM_(session), P11_IN_(t, n));
}

/* For at least how many milliseconds, by its host's clock, the object has been there. */
static inline struct p11_call p11_age(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ULONG *ms)
{
	return P11_CALL_(X_Age, P11_NUM_(session), P11_NUM_(object), {.out = ms});
}

/*
 * Take a lease of that name (number 0), renew it (the number it was granted with), or give it
 * up (ttl_ms 0). holder is a text for people. Renewing what was lost meanwhile is refused like
 * taking what somebody has, so that it is a condition, too.
 */
static inline struct p11_call p11_lease(CK_SESSION_HANDLE session, const void *name, CK_ULONG name_len,
					const void *holder, CK_ULONG holder_len, CK_ULONG ttl_ms, CK_ULONG number,
					struct p11_lease *lease)
{
	return P11_CALL_(X_Lease, P11_NUM_(session), P11_IN_(name, name_len), P11_IN_(holder, holder_len),
			 P11_NUM_(ttl_ms), P11_NUM_(number), {.out = lease});
}

#endif
