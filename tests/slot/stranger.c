/* SPDX-License-Identifier: Apache-2.0 */
/* stranger CHECK [ARGUMENTS]: the module's manners: lists, sessions, forks, buffers, operations in parts. */
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stranger.h"

/* ---- what an application finds first ---- */

static void lists(char **args)
{
	CK_C_GetFunctionList get = (CK_C_GetFunctionList)dlsym(module, "C_GetFunctionList");
	CK_C_GetInterfaceList get_all = (CK_C_GetInterfaceList)dlsym(module, "C_GetInterfaceList");
	CK_C_GetInterface get_one = (CK_C_GetInterface)dlsym(module, "C_GetInterface");
	CK_VERSION old = {2, 40}, none = {9, 9};
	CK_INTERFACE *one, all[8];
	CK_ULONG count = 0;
	void **function;

	(void)args;
	IS(get(NULL), CKR_ARGUMENTS_BAD);
	IS(p11->version.major * 100 + p11->version.minor, 240);
	OK(get_all(NULL, &count));
	IS(count, 2);
	count = 1;
	IS(get_all(all, &count), CKR_BUFFER_TOO_SMALL);
	OK(get_all(all, &count));
	OK(get_one(NULL, NULL, &one, 0));
	IS(((CK_VERSION *)one->pFunctionList)->major, 3);
	OK(get_one((CK_UTF8CHAR *)"PKCS 11", &old, &one, 0));
	HOLDS(one->pFunctionList == p11);
	IS(get_one((CK_UTF8CHAR *)"PKCS 11", &none, &one, 0), CKR_ARGUMENTS_BAD);
	IS(get_one((CK_UTF8CHAR *)"Vendor", NULL, &one, 0), CKR_ARGUMENTS_BAD);
	IS(get_one(NULL, NULL, NULL, 0), CKR_ARGUMENTS_BAD);
	function = (void **)&((CK_FUNCTION_LIST_3_0 *)all[0].pFunctionList)->C_Initialize;
	for (; function <= (void **)&((CK_FUNCTION_LIST_3_0 *)all[0].pFunctionList)->C_MessageVerifyFinal; function++)
		HOLDS(*function);
}

static CK_RV mutex(CK_VOID_PTR *ignored)
{
	(void)ignored;
	return CKR_OK;
}

static CK_RV mutex_do(CK_VOID_PTR ignored)
{
	(void)ignored;
	return CKR_OK;
}

static void initialize(char **args)
{
	CK_C_INITIALIZE_ARGS some = {.CreateMutex = mutex};
	CK_C_INITIALIZE_ARGS own = {.CreateMutex = mutex, .DestroyMutex = mutex_do, .LockMutex = mutex_do,
				    .UnlockMutex = mutex_do};
	CK_C_INITIALIZE_ARGS both = own, threads = {.flags = CKF_LIBRARY_CANT_CREATE_OS_THREADS | CKF_OS_LOCKING_OK};
	CK_INFO info;

	(void)args;
	both.flags = CKF_OS_LOCKING_OK;
	IS(p11->C_GetInfo(&info), CKR_CRYPTOKI_NOT_INITIALIZED);
	IS(p11->C_Finalize(NULL), CKR_CRYPTOKI_NOT_INITIALIZED);
	IS(p11->C_OpenSession(0, CKF_SERIAL_SESSION, NULL, NULL, &session), CKR_CRYPTOKI_NOT_INITIALIZED);
	IS(p11->C_Initialize(&some), CKR_ARGUMENTS_BAD);
	IS(p11->C_Initialize(&own), CKR_CANT_LOCK);
	OK(p11->C_Initialize(&both));
	IS(p11->C_Initialize(NULL), CKR_CRYPTOKI_ALREADY_INITIALIZED);
	IS(p11->C_Finalize(&info), CKR_ARGUMENTS_BAD);
	IS(p11->C_GetInfo(NULL), CKR_ARGUMENTS_BAD);
	OK(p11->C_GetInfo(&info));
	OK(p11->C_Finalize(NULL));
	OK(p11->C_Initialize(&threads));
	session = open_session();
	OK(log_in(session));
	OK(p11->C_Finalize(NULL));
	IS(p11->C_CloseSession(session), CKR_CRYPTOKI_NOT_INITIALIZED);
}

/* stranger reserved PATH: the store named at C_Initialize, not by the environment. */
static void reserved(char **args)
{
	char text[4096];
	CK_C_INITIALIZE_ARGS named = {.flags = CKF_OS_LOCKING_OK, .LibraryParameters = (void *)text};
	CK_ULONG count = 0;

	OK(p11->C_Initialize(NULL));
	OK(p11->C_GetSlotList(CK_TRUE, NULL, &count));
	IS(count, 0);
	OK(p11->C_Finalize(NULL));
	snprintf(text, sizeof(text), "store=%s", args[0]);
	OK(p11->C_Initialize(&named));
	OK(p11->C_GetSlotList(CK_TRUE, NULL, &count));
	IS(count, 1);
}

static void token(char **args)
{
	CK_TOKEN_INFO info;
	CK_SLOT_INFO slot;
	CK_SLOT_ID ids[4];
	CK_ULONG count = 4;
	char label[33];

	OK(p11->C_Initialize(NULL));
	IS(p11->C_GetSlotList(CK_TRUE, NULL, NULL), CKR_ARGUMENTS_BAD);
	OK(p11->C_GetSlotList(CK_TRUE, ids, &count));
	IS(count, 1);
	count = 0;
	IS(p11->C_GetSlotList(CK_TRUE, ids, &count), CKR_BUFFER_TOO_SMALL);
	IS(p11->C_GetSlotInfo(99, &slot), CKR_SLOT_ID_INVALID);
	OK(p11->C_GetSlotInfo(ids[0], &slot));
	HOLDS(slot.flags & CKF_TOKEN_PRESENT);
	OK(p11->C_GetTokenInfo(ids[0], &info));
	snprintf(label, sizeof(label), "%-32s", args[0]);
	HOLDS(memcmp(info.label, label, 32) == 0);
	HOLDS(memcmp(info.serialNumber, args[1], 16) == 0);
	HOLDS(memcmp(info.model, "hsmctl HA group ", 16) == 0);
	HOLDS((info.flags & CKF_TOKEN_INITIALIZED) && (info.flags & CKF_LOGIN_REQUIRED));
	IS(p11->C_InitToken(ids[0], (CK_UTF8CHAR *)"1234", 4, (CK_UTF8CHAR *)label), CKR_FUNCTION_NOT_SUPPORTED);
}

/* ---- sessions and login ---- */

static void sessions(char **args)
{
	CK_SESSION_HANDLE other;
	CK_SESSION_INFO info;
	CK_OBJECT_HANDLE list[64], key;
	CK_ULONG hidden, shown;

	(void)args;
	OK(p11->C_Initialize(NULL));
	IS(p11->C_OpenSession(9, CKF_SERIAL_SESSION, NULL, NULL, &other), CKR_SLOT_ID_INVALID);
	IS(p11->C_OpenSession(slot_id(), CKF_RW_SESSION, NULL, NULL, &other), CKR_SESSION_PARALLEL_NOT_SUPPORTED);
	session = open_session();
	other = open_session();
	HOLDS(session != other);
	hidden = find(NULL, 0, list, 64);
	IS(p11->C_Login(session, CKU_SO, (CK_UTF8CHAR *)"1", 1), CKR_USER_TYPE_INVALID);
	IS(p11->C_Logout(session), CKR_USER_NOT_LOGGED_IN);
	OK(log_in(session));
	IS(log_in(other), CKR_USER_ALREADY_LOGGED_IN);
	OK(p11->C_GetSessionInfo(other, &info));
	IS(info.state, CKS_RW_USER_FUNCTIONS);
	shown = find(NULL, 0, list, 64);
	HOLDS(shown > hidden);
	key = object("signing-1", CKO_PRIVATE_KEY);
	OK(sign_with(other, key, CKM_ECDSA));
	OK(p11->C_Logout(other));
	OK(p11->C_GetSessionInfo(session, &info));
	IS(info.state, CKS_RW_PUBLIC_SESSION);
	HOLDS(sign_with(session, key, CKM_ECDSA) != CKR_OK);
	IS(find(NULL, 0, list, 64), hidden);
	OK(p11->C_CloseSession(other));
	IS(p11->C_CloseSession(other), CKR_SESSION_HANDLE_INVALID);
	IS(p11->C_GetSessionInfo(other, &info), CKR_SESSION_HANDLE_INVALID);
	OK(p11->C_CloseAllSessions(slot_id()));
	IS(p11->C_GetSessionInfo(session, &info), CKR_SESSION_HANDLE_INVALID);
	OK(p11->C_Finalize(NULL));
}

static void wrong_pin(char **args)
{
	(void)args;
	OK(p11->C_Initialize(NULL));
	session = open_session();
	IS(p11->C_Login(session, CKU_USER, (CK_UTF8CHAR *)"0000", 4), CKR_PIN_INCORRECT);
	OK(log_in(session));
	OK(sign_with(session, object("signing-1", CKO_PRIVATE_KEY), CKM_ECDSA));
}

/* ---- fork ---- */

static int child(bool again)
{
	CK_INFO info;

	IS(p11->C_GetInfo(&info), CKR_CRYPTOKI_NOT_INITIALIZED);
	IS(p11->C_CloseSession(session), CKR_CRYPTOKI_NOT_INITIALIZED);
	if (again) {
		begin();
		OK(sign_with(session, object("signing-1", CKO_PRIVATE_KEY), CKM_ECDSA));
		OK(p11->C_Finalize(NULL));
	}
	return 0;
}

static void forks(char **args)
{
	CK_OBJECT_HANDLE key;

	(void)args;
	begin();
	key = object("signing-1", CKO_PRIVATE_KEY);
	OK(sign_with(session, key, CKM_ECDSA));
	for (int again = 0; again < 2; again++) {
		int status = 1;
		pid_t pid = fork();

		if (pid == 0)
			exit(child(again));
		IS(waitpid(pid, &status, 0), pid);
		IS(status, 0);
		OK(sign_with(session, key, CKM_ECDSA));
	}
	OK(p11->C_Finalize(NULL));
}

/* ---- results in buffers ---- */

static void buffers(char **args)
{
	CK_MECHANISM sign = {CKM_ECDSA, NULL, 0}, digest = {CKM_SHA256, NULL, 0}, ecb = {CKM_AES_ECB, NULL, 0};
	CK_BYTE data[32] = {7}, out[128];
	CK_ULONG len = 0;

	(void)args;
	begin();
	IS(p11->C_Sign(session, data, 32, out, &len), CKR_OPERATION_NOT_INITIALIZED);
	IS(p11->C_SignInit(session, NULL, 1), CKR_ARGUMENTS_BAD);
	IS(p11->C_SignInit(session, &sign, 987654), CKR_KEY_HANDLE_INVALID);
	OK(p11->C_SignInit(session, &sign, object("signing-1", CKO_PRIVATE_KEY)));
	IS(p11->C_SignInit(session, &sign, object("signing-1", CKO_PRIVATE_KEY)), CKR_OPERATION_ACTIVE);
	OK(p11->C_Sign(session, data, 32, NULL, &len));
	IS(len, 64);
	len = 63;
	IS(p11->C_Sign(session, data, 32, out, &len), CKR_BUFFER_TOO_SMALL);
	IS(len, 64);
	OK(p11->C_Sign(session, data, 32, out, &len));
	IS(p11->C_Sign(session, data, 32, out, &len), CKR_OPERATION_NOT_INITIALIZED);
	OK(p11->C_VerifyInit(session, &sign, object("signing-1", CKO_PUBLIC_KEY)));
	OK(p11->C_Verify(session, data, 32, out, 64));
	out[20] ^= 1;
	OK(p11->C_VerifyInit(session, &sign, object("signing-1", CKO_PUBLIC_KEY)));
	IS(p11->C_Verify(session, data, 32, out, 64), CKR_SIGNATURE_INVALID);
	OK(p11->C_DigestInit(session, &digest));
	OK(p11->C_Digest(session, data, 32, NULL, &len));
	IS(len, 32);
	len = 31;
	IS(p11->C_Digest(session, data, 32, out, &len), CKR_BUFFER_TOO_SMALL);
	OK(p11->C_Digest(session, data, 32, out, &len));
	OK(p11->C_EncryptInit(session, &ecb, object("wrap-1", CKO_SECRET_KEY)));
	OK(p11->C_Encrypt(session, data, 32, NULL, &len));
	IS(len, 32);
	len = 16;
	IS(p11->C_Encrypt(session, data, 32, out, &len), CKR_BUFFER_TOO_SMALL);
	len = sizeof(out);
	OK(p11->C_Encrypt(session, data, 32, out, &len));
}

/* ---- in parts as at once ---- */

enum { BLOCKS = 64 };
static CK_BYTE text[16 * BLOCKS + 5];

static void fill_text(void)
{
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (CK_BYTE)(i * 7);
}

static CK_ULONG sign_in_parts(CK_MECHANISM_TYPE type, CK_OBJECT_HANDLE key, CK_ULONG step, CK_BYTE *ret, CK_ULONG room)
{
	CK_MECHANISM mechanism = {type, NULL, 0};

	OK(p11->C_SignInit(session, &mechanism, key));
	for (CK_ULONG at = 0; at < sizeof(text); at += step)
		OK(p11->C_SignUpdate(session, text + at, at + step > sizeof(text) ? sizeof(text) - at : step));
	OK(p11->C_SignFinal(session, ret, &room));
	return room;
}

static void same_signatures(CK_MECHANISM_TYPE type, CK_OBJECT_HANDLE key)
{
	CK_MECHANISM mechanism = {type, NULL, 0};
	CK_BYTE once[512], parts[512];
	CK_ULONG len = sizeof(once);

	OK(p11->C_SignInit(session, &mechanism, key));
	OK(p11->C_Sign(session, text, sizeof(text), once, &len));
	IS(sign_in_parts(type, key, 100, parts, sizeof(parts)), len);
	HOLDS(memcmp(once, parts, len) == 0);
}

static void same_digests(void)
{
	CK_MECHANISM mechanism = {CKM_SHA256, NULL, 0};
	CK_BYTE once[32], parts[32];
	CK_ULONG len = 32;

	OK(p11->C_DigestInit(session, &mechanism));
	OK(p11->C_Digest(session, text, sizeof(text), once, &len));
	OK(p11->C_DigestInit(session, &mechanism));
	for (size_t i = 0; i < sizeof(text); i++)
		OK(p11->C_DigestUpdate(session, text + i, 1));
	OK(p11->C_DigestFinal(session, parts, &len));
	HOLDS(memcmp(once, parts, 32) == 0);
}

/* Encrypt in two parts with something between them; the whole result. */
static CK_ULONG encrypt_in_parts(CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key, void (*between)(void), CK_BYTE *ret, CK_ULONG room)
{
	CK_ULONG len = room, done;

	OK(p11->C_EncryptInit(session, mechanism, key));
	OK(p11->C_EncryptUpdate(session, text, 500, ret, &len));
	done = len;
	if (between)
		between();
	len = room - done;
	OK(p11->C_EncryptUpdate(session, text + 500, sizeof(text) - 500, ret + done, &len));
	done += len;
	len = room - done;
	OK(p11->C_EncryptFinal(session, ret + done, &len));
	return done + len;
}

static void same_ciphertext(void (*between)(void))
{
	CK_BYTE iv[16] = {3}, once[sizeof(text) + 32], parts[sizeof(text) + 32], plain[sizeof(text) + 32];
	CK_MECHANISM cbc = {CKM_AES_CBC_PAD, iv, sizeof(iv)};
	CK_OBJECT_HANDLE key = object("wrap-1", CKO_SECRET_KEY);
	CK_ULONG len = sizeof(once), plain_len = sizeof(plain);

	OK(p11->C_EncryptInit(session, &cbc, key));
	OK(p11->C_Encrypt(session, text, sizeof(text), once, &len));
	IS(encrypt_in_parts(&cbc, key, between, parts, sizeof(parts)), len);
	HOLDS(memcmp(once, parts, len) == 0);
	OK(p11->C_DecryptInit(session, &cbc, key));
	OK(p11->C_Decrypt(session, parts, len, plain, &plain_len));
	IS(plain_len, sizeof(text));
	HOLDS(memcmp(plain, text, sizeof(text)) == 0);
}

static void parts(char **args)
{
	CK_MECHANISM rsa = {CKM_SHA256_RSA_PKCS, NULL, 0};
	CK_BYTE signature[256];

	(void)args;
	begin();
	fill_text();
	same_digests();
	same_signatures(CKM_SHA256_HMAC, object("mac-1", CKO_SECRET_KEY));
	same_signatures(CKM_SHA256_RSA_PKCS, object("tls-1", CKO_PRIVATE_KEY));
	same_ciphertext(NULL);
	IS(sign_in_parts(CKM_SHA256_RSA_PKCS, object("tls-1", CKO_PRIVATE_KEY), 99, signature, 256), 256);
	OK(p11->C_VerifyInit(session, &rsa, object("tls-1", CKO_PUBLIC_KEY)));
	OK(p11->C_VerifyUpdate(session, text, 17));
	OK(p11->C_VerifyUpdate(session, text + 17, sizeof(text) - 17));
	OK(p11->C_VerifyFinal(session, signature, 256));
}

/* ---- messages ---- */

static CK_FUNCTION_LIST_3_0 *functions_3_0(void)
{
	CK_C_GetInterface get = (CK_C_GetInterface)dlsym(module, "C_GetInterface");
	CK_VERSION version = {3, 0};
	CK_INTERFACE *interface;

	OK(get((CK_UTF8CHAR *)"PKCS 11", &version, &interface, 0));
	return interface->pFunctionList;
}

/* Whatever happens between two messages of a process: each has an IV that the token made, and opens. */
static void messages_around(void (*between)(void))
{
	CK_FUNCTION_LIST_3_0 *f = functions_3_0();
	CK_MECHANISM aead = {CKM_AES_GCM, NULL, 0}, hmac = {CKM_SHA256_HMAC, NULL, 0};
	CK_BYTE iv[4][12] = {"four"}, tag[16], sealed[64], opened[64], mac[32];
	CK_GCM_MESSAGE_PARAMS p = {.ulIvLen = 12, .ivGenerator = CKG_GENERATE, .pTag = tag, .ulTagBits = 128};
	CK_ULONG len;

	begin();
	fill_text();
	OK(f->C_MessageEncryptInit(session, &aead, object("wrap-1", CKO_SECRET_KEY)));
	OK(f->C_MessageDecryptInit(session, &aead, object("wrap-1", CKO_SECRET_KEY)));
	OK(f->C_MessageSignInit(session, &hmac, object("mac-1", CKO_SECRET_KEY)));
	OK(f->C_MessageVerifyInit(session, &hmac, object("mac-1", CKO_SECRET_KEY)));
	for (int i = 0; i < 4; i++) {
		p.pIv = iv[i];
		len = sizeof(sealed);
		OK(f->C_EncryptMessage(session, &p, sizeof(p), text, 3, text, 60, sealed, &len));
		IS(len, 60);
		for (int before = 0; before < i; before++)
			HOLDS(memcmp(iv[before], iv[i], 12) != 0);
		if (i == 1)
			between();
		len = sizeof(opened);
		OK(f->C_DecryptMessage(session, &p, sizeof(p), text, 3, sealed, 60, opened, &len));
		HOLDS(len == 60 && memcmp(opened, text, 60) == 0);
		IS(f->C_DecryptMessage(session, &p, sizeof(p), text, 4, sealed, 60, opened, &len), 0x42);
		len = sizeof(mac);
		OK(f->C_SignMessage(session, NULL, 0, text, 60, mac, &len));
		OK(f->C_VerifyMessage(session, NULL, 0, text, 60, mac, len));
		IS(f->C_VerifyMessage(session, NULL, 0, text, 61, mac, len), CKR_SIGNATURE_INVALID);
	}
	IS(f->C_EncryptMessageBegin(session, &p, sizeof(p), text, 3), CKR_FUNCTION_NOT_SUPPORTED);
	OK(f->C_MessageEncryptFinal(session));
	OK(f->C_MessageDecryptFinal(session));
	OK(f->C_MessageSignFinal(session));
	IS(f->C_MessageSignFinal(session), CKR_OPERATION_NOT_INITIALIZED);
	OK(f->C_SessionCancel(session, CKF_MESSAGE_VERIFY));
	IS(f->C_VerifyMessage(session, NULL, 0, text, 60, mac, len), CKR_OPERATION_NOT_INITIALIZED);
}

/* Of tokens that have none. */
static void no_messages(char **args)
{
	CK_MECHANISM aead = {CKM_AES_GCM, NULL, 0};

	(void)args;
	begin();
	IS(functions_3_0()->C_MessageEncryptInit(session, &aead, object("wrap-1", CKO_SECRET_KEY)), CKR_MECHANISM_INVALID);
}

/* Says "half", and goes on at the next line of stdin. */
static void wait_for_line(void)
{
	char line[8];

	puts("half");
	fflush(stdout);
	HOLDS(fgets(line, sizeof(line), stdin));
}

static void paused(char **args)
{
	(void)args;
	begin();
	fill_text();
	same_ciphertext(wait_for_line);
}

static void messages(char **args)
{
	(void)args;
	messages_around(wait_for_line);
}

static const struct check checks[] = {
	{"lists", lists, 0}, {"initialize", initialize, 0}, {"reserved", reserved, 1}, {"token", token, 2},
	{"sessions", sessions, 0}, {"wrong-pin", wrong_pin, 0}, {"forks", forks, 0}, {"buffers", buffers, 0},
	{"parts", parts, 0}, {"paused", paused, 0},
	{"messages", messages, 0}, {"no-messages", no_messages, 0}, {0},
};

int main(int argc, char **argv)
{
	return run_check(checks, argc, argv);
}
