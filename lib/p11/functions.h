/* SPDX-License-Identifier: Apache-2.0 */
/*
 * functions - the calls that travel, one row each.
 *
 * From a row follow the number of the call (enum p11_fn), its place in p11_fn_table, how it is executed, its constructor
 * p11_C_Name() and, where it is made in a session, the module's own C_Name(). The order is the number on the wire: what
 * is new goes to the end.
 *
 *	where	SLOT: its first argument is a slot; LOGIN: what the module answers by itself; SESSION: made in a
 *		session, for whoever can answer it; MESSAGE: the same, of libraries that have PKCS#11 3.0; HOST: not of
 *		PKCS#11, a token's host answers it (member/book.h)
 *	flags	P11_USERS … (call.h), or 0
 *	op	the operations that it belongs to, and its part in them (PKCS#11 v3.0 section 5.2)
 *	repeat	who may carry it out, and once more
 *	args	in the order of the specification
 */
#ifndef P11_FUNCTIONS_H
#define P11_FUNCTIONS_H

#define P11_FUNCTIONS(ROW)                                                                                             \
	ROW(SLOT, C_GetInfo, 0, NONE, NONE, ANY, OUT_INFO)                                                             \
	ROW(SLOT, C_GetSlotInfo, 0, NONE, NONE, ANY, SLOT, OUT_INFO)                                                   \
	ROW(SLOT, C_GetTokenInfo, 0, NONE, NONE, ANY, SLOT, OUT_INFO)                                                  \
	ROW(SLOT, C_GetMechanismList, 0, NONE, NONE, ANY, SLOT, OUT_ULONGS)                                            \
	ROW(SLOT, C_GetMechanismInfo, 0, NONE, NONE, ANY, SLOT, ULONG, OUT_INFO)                                       \
	ROW(SLOT, C_OpenSession, 0, NONE, NONE, NOBODY, SLOT, OPEN_FLAGS, OUT_HANDLE)                                  \
	ROW(LOGIN, C_CloseSession, 0, NONE, NONE, NOBODY, SESSION)                                                     \
	ROW(LOGIN, C_Login, 0, NONE, NONE, NOBODY, SESSION, ULONG, PIN)                                                \
	ROW(LOGIN, C_Logout, P11_USERS, NONE, NONE, NOBODY, SESSION)                                                   \
	ROW(SESSION, C_CreateObject, P11_WRITES | P11_STEP, NONE, NONE, MAKER, SESSION, TEMPLATE, OUT_HANDLE)          \
	ROW(SESSION, C_CopyObject, P11_WRITES | P11_STEP, NONE, NONE, MAKER, SESSION, OBJECT, TEMPLATE, OUT_HANDLE)    \
	ROW(SESSION, C_DestroyObject, P11_WRITES | P11_STEP, NONE, NONE, GROUP, SESSION, OBJECT)                       \
	ROW(SESSION, C_GetAttributeValue, 0, NONE, NONE, GROUP, SESSION, OBJECT, ATTRS)                                \
	ROW(SESSION, C_SetAttributeValue, P11_WRITES | P11_STEP, NONE, NONE, GROUP, SESSION, OBJECT, TEMPLATE)         \
	ROW(SESSION, C_FindObjectsInit, 0, FIND, INIT, GROUP, SESSION, SEARCH)                                         \
	ROW(SESSION, C_FindObjects, 0, FIND, UPDATE, GROUP, SESSION, OUT_HANDLES)                                      \
	ROW(SESSION, C_FindObjectsFinal, 0, FIND, FINAL, GROUP, SESSION)                                               \
	ROW(SESSION, C_EncryptInit, 0, ENCRYPT, INIT, OPERATION, SESSION, MECHANISM, OBJECT)                           \
	ROW(SESSION, C_Encrypt, 0, ENCRYPT, ONCE, OPERATION, SESSION, IN, OUT)                                         \
	ROW(SESSION, C_EncryptUpdate, 0, ENCRYPT, UPDATE, OPERATION, SESSION, IN, OUT)                                 \
	ROW(SESSION, C_EncryptFinal, 0, ENCRYPT, FINAL, OPERATION, SESSION, OUT)                                       \
	ROW(SESSION, C_DecryptInit, 0, DECRYPT, INIT, OPERATION, SESSION, MECHANISM, OBJECT)                           \
	ROW(SESSION, C_Decrypt, 0, DECRYPT, ONCE, OPERATION, SESSION, IN, OUT)                                         \
	ROW(SESSION, C_DecryptUpdate, 0, DECRYPT, UPDATE, OPERATION, SESSION, IN, OUT)                                 \
	ROW(SESSION, C_DecryptFinal, 0, DECRYPT, FINAL, OPERATION, SESSION, OUT)                                       \
	ROW(SESSION, C_DigestInit, 0, DIGEST, INIT, OPERATION, SESSION, MECHANISM)                                     \
	ROW(SESSION, C_Digest, 0, DIGEST, ONCE, OPERATION, SESSION, IN, OUT)                                           \
	ROW(SESSION, C_DigestUpdate, 0, DIGEST, UPDATE, OPERATION, SESSION, IN)                                        \
	ROW(SESSION, C_DigestFinal, 0, DIGEST, FINAL, OPERATION, SESSION, OUT)                                         \
	ROW(SESSION, C_SignInit, 0, SIGN, INIT, OPERATION, SESSION, MECHANISM, OBJECT)                                 \
	ROW(SESSION, C_Sign, 0, SIGN, ONCE, OPERATION, SESSION, IN, OUT)                                               \
	ROW(SESSION, C_SignUpdate, 0, SIGN, UPDATE, OPERATION, SESSION, IN)                                            \
	ROW(SESSION, C_SignFinal, 0, SIGN, FINAL, OPERATION, SESSION, OUT)                                             \
	ROW(SESSION, C_VerifyInit, 0, VERIFY, INIT, OPERATION, SESSION, MECHANISM, OBJECT)                             \
	ROW(SESSION, C_Verify, 0, VERIFY, ONCE, OPERATION, SESSION, IN, IN)                                            \
	ROW(SESSION, C_VerifyUpdate, 0, VERIFY, UPDATE, OPERATION, SESSION, IN)                                        \
	ROW(SESSION, C_VerifyFinal, 0, VERIFY, FINAL, OPERATION, SESSION, IN)                                          \
	ROW(SESSION, C_GenerateKey, P11_WRITES | P11_STEP, NONE, NONE, MAKER, SESSION, MECHANISM, TEMPLATE, OUT_HANDLE) \
	ROW(SESSION, C_GenerateKeyPair, P11_WRITES, NONE, NONE, MAKER, SESSION, MECHANISM, TEMPLATE, TEMPLATE,         \
	    OUT_HANDLE, OUT_HANDLE)                                                                                    \
	ROW(SESSION, C_WrapKey, 0, NONE, NONE, GROUP, SESSION, MECHANISM, OBJECT, OBJECT, OUT)                         \
	ROW(SESSION, C_UnwrapKey, P11_WRITES | P11_STEP, NONE, NONE, MAKER, SESSION, MECHANISM, OBJECT, IN, TEMPLATE,  \
	    OUT_HANDLE)                                                                                                \
	ROW(SESSION, C_DeriveKey, P11_WRITES, NONE, NONE, MAKER, SESSION, MECHANISM, OBJECT, TEMPLATE, OUT_HANDLE)     \
	ROW(SESSION, C_SeedRandom, 0, NONE, NONE, ANY, SESSION, IN)                                                    \
	ROW(SESSION, C_GenerateRandom, 0, NONE, NONE, ANY, SESSION, RANDOM)                                            \
	ROW(HOST, X_Absent, 0, NONE, NONE, NOBODY, SESSION, SEARCH)                                                    \
	ROW(HOST, X_Age, 0, NONE, NONE, NOBODY, SESSION, OBJECT, OUT_NUMBER)                                           \
	ROW(HOST, X_Lease, P11_USERS, NONE, NONE, NOBODY, SESSION, IN, IN, ULONG, ULONG, OUT_INFO)                     \
	ROW(SESSION, C_GetObjectSize, 0, NONE, NONE, ANY, SESSION, OBJECT, OUT_NUMBER)                                 \
	ROW(SESSION, C_DigestKey, 0, DIGEST, UPDATE, OPERATION, SESSION, OBJECT)                                       \
	ROW(SESSION, C_SignRecoverInit, 0, SIGN_RECOVER, INIT, OPERATION, SESSION, MECHANISM, OBJECT)                  \
	ROW(SESSION, C_SignRecover, 0, SIGN_RECOVER, ONCE, OPERATION, SESSION, IN, OUT)                                \
	ROW(SESSION, C_VerifyRecoverInit, 0, VERIFY_RECOVER, INIT, OPERATION, SESSION, MECHANISM, OBJECT)              \
	ROW(SESSION, C_VerifyRecover, 0, VERIFY_RECOVER, ONCE, OPERATION, SESSION, IN, OUT)                            \
	ROW(SESSION, C_DigestEncryptUpdate, 0, NONE, NONE, GROUP, SESSION, IN, OUT)                                    \
	ROW(SESSION, C_DecryptDigestUpdate, 0, NONE, NONE, GROUP, SESSION, IN, OUT)                                    \
	ROW(SESSION, C_SignEncryptUpdate, 0, NONE, NONE, GROUP, SESSION, IN, OUT)                                      \
	ROW(SESSION, C_DecryptVerifyUpdate, 0, NONE, NONE, GROUP, SESSION, IN, OUT)                                    \
	ROW(MESSAGE, C_MessageEncryptInit, 0, MESSAGE_ENCRYPT, INIT, OPERATION, SESSION, PROCESS, OBJECT)              \
	ROW(MESSAGE, C_EncryptMessage, 0, MESSAGE_ENCRYPT, ONCE, OPERATION, SESSION, PARAM_GIVING, IN, IN, OUT)        \
	ROW(MESSAGE, C_MessageEncryptFinal, 0, MESSAGE_ENCRYPT, FINAL, OPERATION, SESSION)                             \
	ROW(MESSAGE, C_MessageDecryptInit, 0, MESSAGE_DECRYPT, INIT, OPERATION, SESSION, PROCESS, OBJECT)              \
	ROW(MESSAGE, C_DecryptMessage, 0, MESSAGE_DECRYPT, ONCE, OPERATION, SESSION, PARAM, IN, IN, OUT)               \
	ROW(MESSAGE, C_MessageDecryptFinal, 0, MESSAGE_DECRYPT, FINAL, OPERATION, SESSION)                             \
	ROW(MESSAGE, C_MessageSignInit, 0, MESSAGE_SIGN, INIT, OPERATION, SESSION, PROCESS, OBJECT)                    \
	ROW(MESSAGE, C_SignMessage, 0, MESSAGE_SIGN, ONCE, OPERATION, SESSION, PARAM_GIVING, IN, OUT)                  \
	ROW(MESSAGE, C_MessageSignFinal, 0, MESSAGE_SIGN, FINAL, OPERATION, SESSION)                                   \
	ROW(MESSAGE, C_MessageVerifyInit, 0, MESSAGE_VERIFY, INIT, OPERATION, SESSION, PROCESS, OBJECT)                \
	ROW(MESSAGE, C_VerifyMessage, 0, MESSAGE_VERIFY, ONCE, OPERATION, SESSION, PARAM, IN, IN)                      \
	ROW(MESSAGE, C_MessageVerifyFinal, 0, MESSAGE_VERIFY, FINAL, OPERATION, SESSION)

/* ---- what becomes of the arguments of a row ---- */

#define P11_CAT(a, b) a##b
#define P11_PASTE(a, b) P11_CAT(a, b)
#define P11_COUNT_(a1, a2, a3, a4, a5, a6, a7, n, ...) n
#define P11_COUNT(...) P11_COUNT_(__VA_ARGS__, 7, 6, 5, 4, 3, 2, 1)

/* P11_EACH(AS_, SESSION, IN) is AS_SESSION(0), AS_IN(1). */
#define P11_EACH(as, ...) P11_PASTE(P11_EACH_, P11_COUNT(__VA_ARGS__))(as, __VA_ARGS__)
#define P11_EACH_1(as, a) as##a(0)
#define P11_EACH_2(as, a, b) as##a(0), as##b(1)
#define P11_EACH_3(as, a, b, c) P11_EACH_2(as, a, b), as##c(2)
#define P11_EACH_4(as, a, b, c, d) P11_EACH_3(as, a, b, c), as##d(3)
#define P11_EACH_5(as, a, b, c, d, e) P11_EACH_4(as, a, b, c, d), as##e(4)
#define P11_EACH_6(as, a, b, c, d, e, f) P11_EACH_5(as, a, b, c, d, e), as##f(5)
#define P11_EACH_7(as, a, b, c, d, e, f, g) P11_EACH_6(as, a, b, c, d, e, f), as##g(6)

#endif
