/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shim - SoftHSM with faults on demand, for appliances of the tests (HSMCTL_SOFTHSM_LIBRARY names it).
 *
 * Lines of the file "faults" beside the appliance's softhsm2.conf, read at each call:
 *
 *	C_Sign die		the process ends, as SoftHSM's does on some inputs
 *	C_Sign hang		the call never returns
 *	C_Sign 0x5		it answers with that code and does nothing
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pkcs11.h>

static const char LIBRARY[] = "/usr/lib/softhsm/libsofthsm2.so";

static CK_FUNCTION_LIST *real;
static CK_FUNCTION_LIST shim;

static void carry_out(const char *fault, CK_RV *ret)
{
	if (strcmp(fault, "die") == 0)
		_exit(5);
	while (strcmp(fault, "hang") == 0)
		pause();
	*ret = strtoul(fault, NULL, 0);
}

/* The fault of a function, CKR_OK when it has none. */
static CK_RV fault(const char *function)
{
	const char *conf = getenv("SOFTHSM2_CONF"), *slash = conf ? strrchr(conf, '/') : NULL;
	char path[4096], name[64], what[64];
	CK_RV rv = CKR_OK;
	FILE *file;

	if (!slash)
		return CKR_OK;
	snprintf(path, sizeof(path), "%.*s/faults", (int)(slash - conf), conf);
	file = fopen(path, "re");
	while (file && rv == CKR_OK && fscanf(file, "%63s %63s", name, what) == 2)
		if (strcmp(name, function) == 0)
			carry_out(what, &rv);
	if (file)
		fclose(file);
	return rv;
}

/* FAULTY(C_Name, (parameters), (arguments)) */
#define FAULTY(name, parameters, arguments)                                                                \
	static CK_RV faulty_##name parameters                                                              \
	{                                                                                                  \
		CK_RV rv = fault(#name);                                                                   \
		return rv == CKR_OK ? real->name arguments : rv;                                           \
	}

FAULTY(C_Login, (CK_SESSION_HANDLE s, CK_USER_TYPE u, CK_UTF8CHAR_PTR p, CK_ULONG n), (s, u, p, n))
FAULTY(C_GenerateRandom, (CK_SESSION_HANDLE s, CK_BYTE_PTR p, CK_ULONG n), (s, p, n))
FAULTY(C_Sign, (CK_SESSION_HANDLE s, CK_BYTE_PTR p, CK_ULONG n, CK_BYTE_PTR r, CK_ULONG_PTR l), (s, p, n, r, l))
FAULTY(C_EncryptUpdate, (CK_SESSION_HANDLE s, CK_BYTE_PTR p, CK_ULONG n, CK_BYTE_PTR r, CK_ULONG_PTR l), (s, p, n, r, l))
FAULTY(C_Decrypt, (CK_SESSION_HANDLE s, CK_BYTE_PTR p, CK_ULONG n, CK_BYTE_PTR r, CK_ULONG_PTR l), (s, p, n, r, l))
FAULTY(C_FindObjectsInit, (CK_SESSION_HANDLE s, CK_ATTRIBUTE_PTR t, CK_ULONG n), (s, t, n))
FAULTY(C_CreateObject, (CK_SESSION_HANDLE s, CK_ATTRIBUTE_PTR t, CK_ULONG n, CK_OBJECT_HANDLE_PTR o), (s, t, n, o))
FAULTY(C_GenerateKey, (CK_SESSION_HANDLE s, CK_MECHANISM_PTR m, CK_ATTRIBUTE_PTR t, CK_ULONG n, CK_OBJECT_HANDLE_PTR o),
       (s, m, t, n, o))
FAULTY(C_UnwrapKey,
       (CK_SESSION_HANDLE s, CK_MECHANISM_PTR m, CK_OBJECT_HANDLE k, CK_BYTE_PTR p, CK_ULONG l, CK_ATTRIBUTE_PTR t,
	CK_ULONG n, CK_OBJECT_HANDLE_PTR o),
       (s, m, k, p, l, t, n, o))

__attribute__((visibility("default"))) CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR list)
{
	void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	CK_C_GetFunctionList get = library ? (CK_C_GetFunctionList)dlsym(library, "C_GetFunctionList") : NULL;

	if (!get || get(&real) != CKR_OK)
		return CKR_GENERAL_ERROR;
	shim = *real;
	shim.C_Login = faulty_C_Login;
	shim.C_GenerateRandom = faulty_C_GenerateRandom;
	shim.C_Sign = faulty_C_Sign;
	shim.C_EncryptUpdate = faulty_C_EncryptUpdate;
	shim.C_Decrypt = faulty_C_Decrypt;
	shim.C_FindObjectsInit = faulty_C_FindObjectsInit;
	shim.C_CreateObject = faulty_C_CreateObject;
	shim.C_GenerateKey = faulty_C_GenerateKey;
	shim.C_UnwrapKey = faulty_C_UnwrapKey;
	*list = &shim;
	return CKR_OK;
}
