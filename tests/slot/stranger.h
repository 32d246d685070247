/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stranger - what the programs of this folder share: they load $MODULE as any application would, log in with
 * $PIN, and run one check, named by the first argument. Status 1 and a line on stderr tell what was wrong.
 */
#ifndef STRANGER_H
#define STRANGER_H

#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pkcs11.h>

static void *module;
static CK_FUNCTION_LIST *p11;
static CK_SESSION_HANDLE session;

#define IS(call, want)                                                                                     \
	do {                                                                                               \
		unsigned long is_ = (unsigned long)(call), want_ = (unsigned long)(want);                  \
		if (is_ != want_) {                                                                        \
			fprintf(stderr, "%s:%d: %s is 0x%lx, not 0x%lx\n", __FILE__, __LINE__, #call, is_, want_); \
			exit(1);                                                                           \
		}                                                                                          \
	} while (0)
#define OK(call) IS(call, CKR_OK)
#define HOLDS(condition) IS(!!(condition), true)

static inline CK_RV first_slot(CK_SLOT_ID *ret)
{
	CK_SLOT_ID list[8];
	CK_ULONG count = 8;
	CK_RV rv = p11->C_GetSlotList(CK_TRUE, list, &count);

	if (rv != CKR_OK)
		return rv;
	*ret = list[0];
	return count ? CKR_OK : CKR_SLOT_ID_INVALID;
}

static inline CK_SLOT_ID slot_id(void)
{
	CK_SLOT_ID ret;

	OK(first_slot(&ret));
	return ret;
}

static inline CK_SESSION_HANDLE open_session(void)
{
	CK_SESSION_HANDLE ret;

	OK(p11->C_OpenSession(slot_id(), CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &ret));
	return ret;
}

static inline CK_RV log_in(CK_SESSION_HANDLE s)
{
	char *pin = getenv("PIN");

	return p11->C_Login(s, CKU_USER, (CK_UTF8CHAR *)pin, strlen(pin));
}

static inline void begin(void)
{
	OK(p11->C_Initialize(NULL));
	session = open_session();
	OK(log_in(session));
}

static inline CK_ULONG find(const CK_ATTRIBUTE *template, CK_ULONG n, CK_OBJECT_HANDLE *ret, CK_ULONG room)
{
	CK_ULONG count = 0;

	OK(p11->C_FindObjectsInit(session, (CK_ATTRIBUTE *)template, n));
	OK(p11->C_FindObjects(session, ret, room, &count));
	OK(p11->C_FindObjectsFinal(session));
	return count;
}

/* The only object with this label and class. */
static inline CK_OBJECT_HANDLE object(const char *label, CK_OBJECT_CLASS class)
{
	const CK_ATTRIBUTE template[] = {
		{CKA_LABEL, (void *)label, strlen(label)}, {CKA_CLASS, &class, sizeof(class)}};
	CK_OBJECT_HANDLE list[4];

	IS(find(template, 2, list, 4), 1);
	return list[0];
}

static inline CK_RV sign_with(CK_SESSION_HANDLE s, CK_OBJECT_HANDLE key, CK_MECHANISM_TYPE type)
{
	CK_MECHANISM mechanism = {type, NULL, 0};
	CK_BYTE digest[32] = {1}, signature[512];
	CK_ULONG len = sizeof(signature);
	CK_RV rv = p11->C_SignInit(s, &mechanism, key);

	return rv == CKR_OK ? p11->C_Sign(s, digest, sizeof(digest), signature, &len) : rv;
}

/* A search for the private key of that label, and a signature. */
static inline CK_RV find_and_sign(CK_SESSION_HANDLE s, const char *label)
{
	CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
	CK_ATTRIBUTE template[] = {{CKA_LABEL, (void *)label, strlen(label)}, {CKA_CLASS, &class, sizeof(class)}};
	CK_OBJECT_HANDLE key;
	CK_ULONG count = 0;
	CK_RV rv = p11->C_FindObjectsInit(s, template, 2);

	if (rv != CKR_OK)
		return rv;
	p11->C_FindObjects(s, &key, 1, &count);
	p11->C_FindObjectsFinal(s);
	return count ? sign_with(s, key, CKM_ECDSA) : CKR_OBJECT_HANDLE_INVALID;
}

/* "ready", and then an answer to each line of stdin. */
static inline void answer_lines(void (*answer)(const char *line))
{
	char line[256];

	printf("ready\n");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = 0;
		answer(line);
		fflush(stdout);
	}
}

struct check {
	const char *name;
	void (*run)(char **args);
	int args;
};

static inline int run_check(const struct check *checks, int argc, char **argv)
{
	const char *path = getenv("MODULE");
	CK_C_GetFunctionList get;

	module = dlopen(path ? path : "hsmctl-pkcs11.so", RTLD_NOW | RTLD_LOCAL);
	if (!module) {
		fprintf(stderr, "%s\n", dlerror());
		return 1;
	}
	get = (CK_C_GetFunctionList)dlsym(module, "C_GetFunctionList");
	OK(get(&p11));
	for (; argc > 1 && checks->name; checks++) {
		if (strcmp(argv[1], checks->name) != 0 || argc - 2 != checks->args)
			continue;
		checks->run(argv + 2);
		return 0;
	}
	fprintf(stderr, "usage: %s CHECK [ARGUMENTS]\n", argv[0]);
	return 2;
}

#endif
