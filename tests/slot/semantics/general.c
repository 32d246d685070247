/* SPDX-License-Identifier: Apache-2.0 */
/* Every function before C_Initialize, in no session, with nothing; the module, its slot and its mechanisms. */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "semantics.h"

enum { BAD = 0x7fffffff };

/* ---- every function ---- */

/* Where a call goes, and what it is about. */
struct at {
	CK_SLOT_ID slot;
	CK_SESSION_HANDLE session;
};

/* Nothing but these is given to any function. */
#define SLOT_CALLS(CALL)                                                                                               \
	CALL(C_GetSlotInfo, to->slot, NULL)                                                                            \
	CALL(C_GetTokenInfo, to->slot, NULL)                                                                           \
	CALL(C_GetMechanismList, to->slot, NULL, NULL)                                                                 \
	CALL(C_GetMechanismInfo, to->slot, CKM_RSA_PKCS, NULL)                                                         \
	CALL(C_OpenSession, to->slot, CKF_SERIAL_SESSION, NULL, NULL, NULL)

#define SESSION_CALLS(CALL)                                                                                            \
	CALL(C_GetSessionInfo, to->session, NULL)                                                                      \
	CALL(C_Login, to->session, CKU_USER, NULL, 0)                                                                  \
	CALL(C_InitPIN, to->session, NULL, 0)                                                                          \
	CALL(C_SetPIN, to->session, NULL, 0, NULL, 0)                                                                  \
	CALL(C_GetOperationState, to->session, NULL, NULL)                                                             \
	CALL(C_SetOperationState, to->session, NULL, 0, 0, 0)                                                          \
	CALL(C_CreateObject, to->session, NULL, 0, NULL)                                                               \
	CALL(C_CopyObject, to->session, BAD, NULL, 0, NULL)                                                            \
	CALL(C_DestroyObject, to->session, BAD)                                                                        \
	CALL(C_GetObjectSize, to->session, BAD, NULL)                                                                  \
	CALL(C_GetAttributeValue, to->session, BAD, NULL, 0)                                                           \
	CALL(C_SetAttributeValue, to->session, BAD, NULL, 0)                                                           \
	CALL(C_FindObjectsInit, to->session, NULL, 1)                                                                  \
	CALL(C_FindObjects, to->session, NULL, 1, NULL)                                                                \
	CALL(C_FindObjectsFinal, to->session)                                                                          \
	CALL(C_EncryptInit, to->session, NULL, BAD)                                                                    \
	CALL(C_Encrypt, to->session, NULL, 0, NULL, NULL)                                                              \
	CALL(C_EncryptUpdate, to->session, NULL, 0, NULL, NULL)                                                        \
	CALL(C_EncryptFinal, to->session, NULL, NULL)                                                                  \
	CALL(C_DecryptInit, to->session, NULL, BAD)                                                                    \
	CALL(C_Decrypt, to->session, NULL, 0, NULL, NULL)                                                              \
	CALL(C_DecryptUpdate, to->session, NULL, 0, NULL, NULL)                                                        \
	CALL(C_DecryptFinal, to->session, NULL, NULL)                                                                  \
	CALL(C_DigestInit, to->session, NULL)                                                                          \
	CALL(C_Digest, to->session, NULL, 0, NULL, NULL)                                                               \
	CALL(C_DigestUpdate, to->session, NULL, 0)                                                                     \
	CALL(C_DigestKey, to->session, BAD)                                                                            \
	CALL(C_DigestFinal, to->session, NULL, NULL)                                                                   \
	CALL(C_SignInit, to->session, NULL, BAD)                                                                       \
	CALL(C_Sign, to->session, NULL, 0, NULL, NULL)                                                                 \
	CALL(C_SignUpdate, to->session, NULL, 0)                                                                       \
	CALL(C_SignFinal, to->session, NULL, NULL)                                                                     \
	CALL(C_SignRecoverInit, to->session, NULL, BAD)                                                                \
	CALL(C_SignRecover, to->session, NULL, 0, NULL, NULL)                                                          \
	CALL(C_VerifyInit, to->session, NULL, BAD)                                                                     \
	CALL(C_Verify, to->session, NULL, 0, NULL, 0)                                                                  \
	CALL(C_VerifyUpdate, to->session, NULL, 0)                                                                     \
	CALL(C_VerifyFinal, to->session, NULL, 0)                                                                      \
	CALL(C_VerifyRecoverInit, to->session, NULL, BAD)                                                              \
	CALL(C_VerifyRecover, to->session, NULL, 0, NULL, NULL)                                                        \
	CALL(C_DigestEncryptUpdate, to->session, NULL, 0, NULL, NULL)                                                  \
	CALL(C_DecryptDigestUpdate, to->session, NULL, 0, NULL, NULL)                                                  \
	CALL(C_SignEncryptUpdate, to->session, NULL, 0, NULL, NULL)                                                    \
	CALL(C_DecryptVerifyUpdate, to->session, NULL, 0, NULL, NULL)                                                  \
	CALL(C_GenerateKey, to->session, NULL, NULL, 0, NULL)                                                          \
	CALL(C_GenerateKeyPair, to->session, NULL, NULL, 0, NULL, 0, NULL, NULL)                                       \
	CALL(C_WrapKey, to->session, NULL, BAD, BAD, NULL, NULL)                                                       \
	CALL(C_UnwrapKey, to->session, NULL, BAD, NULL, 0, NULL, 0, NULL)                                              \
	CALL(C_DeriveKey, to->session, NULL, BAD, NULL, 0, NULL)                                                       \
	CALL(C_SeedRandom, to->session, NULL, 0)                                                                       \
	CALL(C_GenerateRandom, to->session, NULL, 1)                                                                   \
	CALL(C_GetFunctionStatus, to->session)                                                                         \
	CALL(C_CancelFunction, to->session)                                                                            \
	CALL(C_Logout, to->session)                                                                                    \
	CALL(C_CloseSession, to->session)

#define MODULE_CALLS(CALL)                                                                                             \
	CALL(C_GetInfo, NULL)                                                                                          \
	CALL(C_GetSlotList, CK_FALSE, NULL, NULL)                                                                      \
	CALL(C_WaitForSlotEvent, CKF_DONT_BLOCK, NULL, NULL)

#define FUNCTION(name, ...)                                                                                            \
	static CK_RV call_##name(const struct at *to)                                                                  \
	{                                                                                                              \
		(void)to;                                                                                              \
		return p11->name(__VA_ARGS__);                                                                         \
	}
#define CLOSE_ALL(CALL) CALL(C_CloseAllSessions, to->slot)
MODULE_CALLS(FUNCTION)
SLOT_CALLS(FUNCTION)
CLOSE_ALL(FUNCTION)
SESSION_CALLS(FUNCTION)

static const struct call {
	const char *name;
	CK_RV (*run)(const struct at *to);
	bool takes_slot, takes_session;
} calls[] = {
#define MODULE_CALL(name, ...) {#name, call_##name, false, false},
#define SLOT_CALL(name, ...) {#name, call_##name, true, false},
#define SESSION_CALL(name, ...) {#name, call_##name, false, true},
	MODULE_CALLS(MODULE_CALL) SLOT_CALLS(SLOT_CALL) CLOSE_ALL(SLOT_CALL) SESSION_CALLS(SESSION_CALL)
};

void probe_before(void)
{
	/* Where the standard has pReserved these headers have a field of their own. */
	static const CK_C_INITIALIZE_ARGS reserved = {.LibraryParameters = (void *)1};
	static const struct at nowhere = {0, 1};

	for (const struct call *c = calls; c < calls + N(calls); c++) {
		probe_alone("before C_Initialize, %s", c->name);
		is(c->run(&nowhere));
	}
	probe_alone("before C_Initialize, C_Finalize");
	is(p11->C_Finalize(NULL));
	probe_alone("C_Initialize, half of the callbacks");
	is(p11->C_Initialize(&(CK_C_INITIALIZE_ARGS){.CreateMutex = (CK_CREATEMUTEX)1}));
	probe_alone("C_Initialize, something reserved");
	is(p11->C_Initialize((void *)&reserved));
	probe_alone("C_Initialize twice, and C_Finalize");
	is(p11->C_Initialize(&(CK_C_INITIALIZE_ARGS){.flags = CKF_OS_LOCKING_OK}));
	is(p11->C_Initialize(NULL));
	is(p11->C_Finalize((void *)1));
	is(p11->C_Finalize(NULL));
	is(p11->C_Finalize(NULL));
	probe_alone("C_Initialize, no threads of its own");
	is(p11->C_Initialize(&(CK_C_INITIALIZE_ARGS){.flags = CKF_LIBRARY_CANT_CREATE_OS_THREADS}));
	is(p11->C_Finalize(NULL));
}

static void every_function(void)
{
	for (const struct call *c = calls; c < calls + N(calls); c++) {
		probe("nothing given, %s", c->name);
		is(c->run(&(struct at){slot, session}));
		if (c->takes_session) {
			probe("no session, %s", c->name);
			is(c->run(&(struct at){slot, BAD}));
			probe_alone("no login, %s", c->name);
			session = open_session(0);
			is(c->run(&(struct at){slot, session}));
		} else if (c->takes_slot) {
			probe("no slot, %s", c->name);
			is(c->run(&(struct at){BAD, session}));
		}
	}
}

/* ---- the module, its slot ---- */

static void tell_slot(void)
{
	CK_SLOT_ID list[16];
	CK_ULONG count = 0;
	CK_SLOT_INFO info;
	CK_TOKEN_INFO token;

	probe("slot list");
	is(p11->C_GetSlotList(CK_TRUE, NULL, &count));
	count = 0;
	is(p11->C_GetSlotList(CK_TRUE, list, &count));
	says("%s", count ? "some" : "none");
	count = N(list);
	is(p11->C_GetSlotList(CK_FALSE, list, &count));
	probe("slot information");
	is(p11->C_GetSlotInfo(slot, &info));
	says("0x%lx", info.flags);
	probe("token information, flags");
	is(p11->C_GetTokenInfo(slot, &token));
	says("0x%lx", token.flags);
	probe("token information, lengths of a PIN");
	is(p11->C_GetTokenInfo(slot, &token));
	says("%lu %lu", token.ulMinPinLen, token.ulMaxPinLen);
	probe("token information, sessions");
	is(p11->C_GetTokenInfo(slot, &token));
	says("%lu %lu %lu %lu", token.ulMaxSessionCount, token.ulSessionCount, token.ulMaxRwSessionCount,
	     token.ulRwSessionCount);
	probe("token information, memory");
	says("%lu %lu %lu %lu", token.ulTotalPublicMemory, token.ulFreePublicMemory, token.ulTotalPrivateMemory,
	     token.ulFreePrivateMemory);
	probe("waiting for a slot");
	is(p11->C_WaitForSlotEvent(CKF_DONT_BLOCK, &list[0], NULL));
	probe("waiting for a slot, something reserved");
	is(p11->C_WaitForSlotEvent(CKF_DONT_BLOCK, &list[0], list));
	probe("initialising the token");
	is(p11->C_InitToken(slot, (CK_UTF8CHAR *)"0", 1, (CK_UTF8CHAR *)"                                "));
	probe("initialising no token");
	is(p11->C_InitToken(BAD, (CK_UTF8CHAR *)"0000", 4, (CK_UTF8CHAR *)"                                "));
}

/* ---- mechanisms ---- */

static void tell_mechanisms(void)
{
	static const struct {
		const char *name;
		CK_MECHANISM_TYPE type;
	} all[] = {
#define M(name) {#name, CKM_##name},
		M(RSA_PKCS_KEY_PAIR_GEN) M(RSA_PKCS) M(RSA_X_509) M(MD5_RSA_PKCS) M(SHA1_RSA_PKCS)
		M(SHA224_RSA_PKCS) M(SHA256_RSA_PKCS) M(SHA384_RSA_PKCS) M(SHA512_RSA_PKCS) M(RSA_PKCS_OAEP)
		M(RSA_PKCS_PSS) M(SHA1_RSA_PKCS_PSS) M(SHA224_RSA_PKCS_PSS) M(SHA256_RSA_PKCS_PSS)
		M(SHA384_RSA_PKCS_PSS) M(SHA512_RSA_PKCS_PSS) M(EC_KEY_PAIR_GEN) M(ECDSA) M(ECDSA_SHA1)
		M(ECDSA_SHA256) M(ECDSA_SHA512) M(ECDH1_DERIVE) M(EC_EDWARDS_KEY_PAIR_GEN) M(EDDSA)
		M(DSA_PARAMETER_GEN) M(DSA_KEY_PAIR_GEN) M(DSA) M(DSA_SHA1) M(DSA_SHA224) M(DSA_SHA256)
		M(DSA_SHA384) M(DSA_SHA512) M(DH_PKCS_PARAMETER_GEN) M(DH_PKCS_KEY_PAIR_GEN) M(DH_PKCS_DERIVE)
		M(GENERIC_SECRET_KEY_GEN) M(AES_KEY_GEN) M(AES_ECB) M(AES_CBC) M(AES_CBC_PAD) M(AES_CTR) M(AES_GCM)
		M(AES_CMAC) M(AES_KEY_WRAP) M(AES_KEY_WRAP_PAD) M(AES_ECB_ENCRYPT_DATA) M(AES_CBC_ENCRYPT_DATA)
		M(DES_KEY_GEN) M(DES2_KEY_GEN) M(DES3_KEY_GEN) M(DES_ECB) M(DES_CBC) M(DES_CBC_PAD) M(DES3_ECB)
		M(DES3_CBC) M(DES3_CBC_PAD) M(DES_ECB_ENCRYPT_DATA) M(DES_CBC_ENCRYPT_DATA) M(DES3_ECB_ENCRYPT_DATA)
		M(DES3_CBC_ENCRYPT_DATA) M(MD5) M(SHA_1) M(SHA224) M(SHA256) M(SHA384) M(SHA512) M(MD5_HMAC)
		M(SHA_1_HMAC) M(SHA224_HMAC) M(SHA256_HMAC) M(SHA384_HMAC) M(SHA512_HMAC)
		M(CONCATENATE_BASE_AND_KEY) M(RC4) M(SHA256_HMAC_GENERAL) M(VENDOR_DEFINED)
#undef M
	};
	CK_MECHANISM_TYPE list[512];
	CK_ULONG count = 0;

	probe("mechanism list");
	is(p11->C_GetMechanismList(slot, NULL, &count));
	count = 1;
	is(p11->C_GetMechanismList(slot, list, &count));
	count = N(list);
	is(p11->C_GetMechanismList(slot, list, &count));
	for (size_t i = 0; i < N(all); i++) {
		CK_MECHANISM_INFO info = {0};
		CK_ULONG at = 0;

		while (at < count && list[at] != all[i].type)
			at++;
		probe("mechanism %s", all[i].name);
		is(p11->C_GetMechanismInfo(slot, all[i].type, &info));
		says("%s 0x%lx", at < count ? "listed" : "not listed", info.flags);
		probe("mechanism %s, sizes", all[i].name);
		says("%lu %lu", info.ulMinKeySize, info.ulMaxKeySize);
	}
}

/* ---- what is short ---- */

static void tell_random(void)
{
	CK_BYTE bytes[64] = {0};

	probe("random bytes");
	is(p11->C_GenerateRandom(session, bytes, sizeof(bytes)));
	probe("random bytes, none");
	is(p11->C_GenerateRandom(session, bytes, 0));
	probe("random seed");
	is(p11->C_SeedRandom(session, bytes, sizeof(bytes)));
	probe("random seed of nothing");
	is(p11->C_SeedRandom(session, bytes, 0));
}

static void tell_state(void)
{
	CK_BYTE state[4096];
	CK_ULONG len = 0;

	probe("operation state, no operation");
	is(p11->C_GetOperationState(session, NULL, &len));
	probe("operation state, a digest");
	p11->C_DigestInit(session, &(CK_MECHANISM){CKM_SHA256, NULL, 0});
	is(p11->C_GetOperationState(session, NULL, &len));
	probe("operation state, set from rubbish");
	is(p11->C_SetOperationState(session, state, 16, 0, 0));
}

/* ---- PKCS#11 v3.0: what a module that has it must say is the answer of one that does not ---- */

static CK_C_GetInterface interfaces(void)
{
	return (CK_C_GetInterface)dlsym(module, "C_GetInterface");
}

static CK_FUNCTION_LIST_3_0 *later(void)
{
	CK_C_GetInterface get = interfaces();
	CK_INTERFACE *interface = NULL;

	return get && get((CK_UTF8CHAR *)"PKCS 11", NULL, &interface, 0) == CKR_OK ? interface->pFunctionList : NULL;
}

static void wants(bool has, CK_RV got, CK_RV want)
{
	is(has ? got : want);
}

static void tell_interfaces(void)
{
	CK_C_GetInterface get = interfaces();
	CK_FUNCTION_LIST_3_0 *p30 = later();
	CK_INTERFACE *interface, list[1];
	CK_ULONG count = 0;

	probe("3.0: an interface by any name");
	wants(get, get ? get(NULL, NULL, &interface, 0) : 0, CKR_OK);
	probe("3.0: an interface of another name");
	wants(get, get ? get((CK_UTF8CHAR *)"Vendor", NULL, &interface, 0) : 0, CKR_ARGUMENTS_BAD);
	probe("3.0: an interface of another version");
	wants(get, get ? get((CK_UTF8CHAR *)"PKCS 11", &(CK_VERSION){9, 9}, &interface, 0) : 0, CKR_ARGUMENTS_BAD);
	probe("3.0: an interface without a place for it");
	wants(get, get ? get(NULL, NULL, NULL, 0) : 0, CKR_ARGUMENTS_BAD);
	probe("3.0: interfaces counted, and too many for their place");
	wants(p30, p30 ? p30->C_GetInterfaceList(NULL, &count) : 0, CKR_OK);
	count = 0;
	wants(p30, p30 ? p30->C_GetInterfaceList(list, &count) : 0, CKR_BUFFER_TOO_SMALL);
	wants(p30, p30 ? p30->C_GetInterfaceList(list, NULL) : 0, CKR_ARGUMENTS_BAD);
}

static void tell_later(void)
{
	CK_FUNCTION_LIST_3_0 *p30 = later();
	CK_MECHANISM sha256 = {CKM_SHA256, NULL, 0};

	probe("3.0: C_SessionCancel of nothing");
	wants(p30, p30 ? p30->C_SessionCancel(session, CKF_DIGEST) : 0, CKR_OK);
	probe("3.0: C_SessionCancel in no session");
	wants(p30, p30 ? p30->C_SessionCancel(BAD, CKF_DIGEST) : 0, CKR_SESSION_HANDLE_INVALID);
	probe("3.0: C_SessionCancel ends a digest");
	p11->C_DigestInit(session, &sha256);
	if (p30)
		p30->C_SessionCancel(session, CKF_DIGEST);
	wants(p30, p11->C_DigestInit(session, &sha256), CKR_OK);
	probe("3.0: C_SessionCancel of another operation ends no digest");
	p11->C_DigestInit(session, &sha256);
	if (p30)
		p30->C_SessionCancel(session, CKF_ENCRYPT);
	wants(p30, p11->C_DigestInit(session, &sha256), CKR_OPERATION_ACTIVE);
	probe("3.0: an Init without mechanism ends the operation");
	p11->C_DigestInit(session, &sha256);
	wants(p30, p30 ? p11->C_DigestInit(session, NULL) : 0, CKR_OK);
	wants(p30, p11->C_DigestInit(session, &sha256), CKR_OK);
	probe("3.0: C_LoginUser without a PIN");
	wants(p30, p30 ? p30->C_LoginUser(session, CKU_USER, NULL, 0, NULL, 0) : 0, CKR_ARGUMENTS_BAD);
}

void probe_general(void)
{
	every_function();
	tell_slot();
	tell_mechanisms();
	tell_random();
	tell_state();
	tell_interfaces();
	tell_later();
}
