/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of a real library of PKCS#11 3.0, NSS's softoken, as hosts carry them out: with keys of its session alone. */
#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "p11/call.h"

/* What it takes beside CK_C_INITIALIZE_ARGS: a text before the reserved pointer (pkcs11n.h). */
struct arguments {
	void *mutexes[4];
	CK_FLAGS flags;
	const char *parameters;
	void *reserved;
};

static CK_FUNCTION_LIST *f;
static CK_SLOT_ID slot;
static CK_SESSION_HANDLE session;

static int load(void **state)
{
	struct arguments args = {.flags = CKF_OS_LOCKING_OK,
				 .parameters = "configdir='' certPrefix='' keyPrefix='' secmod='' flags=noCertDB,noModDB"};
	void *library = dlopen("libsoftokn3.so", RTLD_NOW | RTLD_LOCAL);
	CK_VERSION version = {3, 0};
	CK_SLOT_ID slots[8];
	CK_ULONG count = 8;
	CK_INTERFACE *interface;
	CK_C_GetInterface get;

	(void)state;
	if (!library) {
		fprintf(stderr, "%s\n", dlerror());
		return -1;
	}
	*(void **)&get = dlsym(library, "C_GetInterface");
	if (!get || get((CK_UTF8CHAR_PTR) "PKCS 11", &version, &interface, 0) != CKR_OK)
		return -1;
	f = interface->pFunctionList;
	if (f->C_Initialize(&args) != CKR_OK || f->C_GetSlotList(CK_TRUE, slots, &count) != CKR_OK)
		return -1;
	slot = slots[0];
	return f->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &session) == CKR_OK ? 0 : -1;
}

static int unload(void **state)
{
	(void)state;
	return f->C_Finalize(NULL) == CKR_OK ? 0 : -1;
}

static CK_OBJECT_HANDLE make_key(CK_KEY_TYPE type)
{
	static CK_OBJECT_CLASS class = CKO_SECRET_KEY;
	static CK_BBOOL yes = CK_TRUE;
	static CK_BYTE value[] = "0123456789abcdef0123456789abcdef";
	CK_ATTRIBUTE template[] = {{CKA_CLASS, &class, sizeof(class)}, {CKA_KEY_TYPE, &type, sizeof(type)},
				   {CKA_ENCRYPT, &yes, 1}, {CKA_DECRYPT, &yes, 1}, {CKA_VALUE, value, 32}};
	CK_OBJECT_HANDLE k = CK_INVALID_HANDLE;
	struct p11_call call = p11_C_CreateObject(session, template, 5, &k);

	assert_int_equal(p11_execute(f, slot, &call), CKR_OK);
	return k;
}

/* A batch as a host has it: decoded, with memory of its own. Its reply is decoded into the calls. */
static void travel(struct p11_call *calls, size_t count)
{
	owned(buf) struct buf request = {.max = 4096}, reply = {.max = 4096};
	owned(p11_batch) struct p11_batch batch = {0};
	struct buf_reader r;

	p11_encode_request(&request, calls, count);
	r = buf_reader(request.data, request.len);
	assert_int_equal(p11_decode_request(&r, P11_RESULT_MAX, &batch, NULL), 0);
	p11_execute_all(f, slot, batch.calls, count);
	p11_encode_reply(&reply, batch.calls, count);
	r = buf_reader(reply.data, reply.len);
	assert_int_equal(p11_decode_reply(&r, calls, count, NULL), 0);
}

static CK_BYTE iv[12], tag[16], out[16];
static CK_ULONG len;

/* Text into out, or out in place. */
static CK_RV crypt(CK_MECHANISM_TYPE type, CK_OBJECT_HANDLE k, bool encrypts, void *param, CK_ULONG param_len)
{
	const CK_MECHANISM m = {type, NULL, 0};
	struct p11_call calls[] = {
		p11_C_MessageEncryptInit(session, &m, k),
		p11_C_EncryptMessage(session, param, param_len, "aad", 3, encrypts ? (const void *)"some text" : out, 9, out, &len),
		p11_C_MessageEncryptFinal(session),
	}, end = p11_C_MessageDecryptFinal(session);

	if (!encrypts) {
		calls[0].fn = P11_C_MessageDecryptInit;
		calls[1].fn = P11_C_DecryptMessage;
		calls[2].fn = P11_C_MessageDecryptFinal;
	}
	calls[1].args[1].in = p11_message_form(type);
	len = sizeof(out);
	travel(calls, 3);
	assert_int_equal(calls[0].rv, CKR_OK);
	if (calls[1].rv == CKR_OK)
		assert_int_equal(calls[2].rv, CKR_OK);
	else
		travel(&end, 1);
	return calls[1].rv;
}

static void there_and_back(CK_MECHANISM_TYPE type, CK_KEY_TYPE key_type, void *param, CK_ULONG param_len)
{
	CK_OBJECT_HANDLE k = make_key(key_type);

	assert_int_equal(crypt(type, k, true, param, param_len), CKR_OK);
	assert_int_equal(len, 9);
	assert_int_equal(crypt(type, k, false, param, param_len), CKR_OK);
	assert_memory_equal(out, "some text", 9);
	assert_int_equal(crypt(type, k, true, param, param_len), CKR_OK);
	tag[3] ^= 1;
	assert_int_not_equal(crypt(type, k, false, param, param_len), CKR_OK);
}

static void gcm_with_an_iv_of_the_callers(void **state)
{
	CK_GCM_MESSAGE_PARAMS p = {iv, sizeof(iv), 0, CKG_NO_GENERATE, tag, 128};

	(void)state;
	memcpy(iv, "an IV of ten", sizeof(iv));
	there_and_back(CKM_AES_GCM, CKK_AES, &p, sizeof(p));
	assert_memory_equal(iv, "an IV of ten", sizeof(iv));
}

static void gcm_with_a_random_iv(void **state)
{
	CK_GCM_MESSAGE_PARAMS p = {iv, sizeof(iv), 0, CKG_GENERATE_RANDOM, tag, 128};

	(void)state;
	memset(iv, 0, sizeof(iv));
	there_and_back(CKM_AES_GCM, CKK_AES, &p, sizeof(p));
	assert_memory_not_equal(iv, "\0\0\0\0\0\0\0\0\0\0\0\0", sizeof(iv));
}

static void chacha20_poly1305(void **state)
{
	CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS p = {iv, sizeof(iv), tag};

	(void)state;
	memcpy(iv, "an IV of ten", sizeof(iv));
	there_and_back(CKM_CHACHA20_POLY1305, CKK_CHACHA20, &p, sizeof(p));
}

/* It takes an IV of its own choice for one that it may count from zero in each process: why lib/ha asks for none such. */
static void an_iv_of_its_choice_comes_twice(void **state)
{
	CK_GCM_MESSAGE_PARAMS p = {iv, sizeof(iv), 0, CKG_GENERATE, tag, 128};
	CK_OBJECT_HANDLE k = make_key(CKK_AES);
	CK_BYTE first[12];

	(void)state;
	assert_int_equal(crypt(CKM_AES_GCM, k, true, &p, sizeof(p)), CKR_OK);
	memcpy(first, iv, sizeof(first));
	assert_int_equal(crypt(CKM_AES_GCM, k, true, &p, sizeof(p)), CKR_OK);
	assert_memory_equal(first, iv, sizeof(first));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gcm_with_an_iv_of_the_callers),
		cmocka_unit_test(gcm_with_a_random_iv),
		cmocka_unit_test(chacha20_poly1305),
		cmocka_unit_test(an_iv_of_its_choice_comes_twice),
	};

	return cmocka_run_group_tests(tests, load, unload);
}
