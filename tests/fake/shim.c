/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shim - SoftHSM with faults on demand, for appliances of the tests (HSMCTL_SOFTHSM_LIBRARY names it).
 *
 * Lines of the file "faults" beside the appliance's softhsm2.conf, read at each call:
 *
 *	C_Sign die		the process ends, as SoftHSM's does on some inputs
 *	C_Sign exit		the process ends like a program that has done its work; abort, crash: like a wrong one
 *	C_Sign hang		the call never returns
 *	C_Sign deadlock		nor does any that comes after it
 *	C_Sign swallow		it takes memory until there is no more, and crashes (limit it before)
 *	C_Sign take:1000	it takes so many microseconds, one call after the other
 *	C_Sign 0x5		it answers with that code and does nothing
 *	C_Sign STOP:1234	process 1234 gets SIGSTOP, and the call goes on; KILL:1234 likewise
 *	C_Sign then:die		the call is carried out first, and "die" comes before its answer
 *	C_GetTokenInfo last-try	the token says that one more wrong PIN locks it
 *	C_Sign@3 die		only the third of its calls since the file was written
 */
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <pkcs11.h>

static const char LIBRARY[] = "/usr/lib/softhsm/libsofthsm2.so";
static const char THEN[] = "then:";

static CK_FUNCTION_LIST *real;
static CK_FUNCTION_LIST shim;

/* How often a function was called since the file was written. */
struct calls {
	ino_t file;
	struct timespec written;
	unsigned long count;
};
static pthread_mutex_t calls_lock = PTHREAD_MUTEX_INITIALIZER;

static unsigned long count_call(struct calls *calls, FILE *file)
{
	struct stat now;
	unsigned long count;

	if (fstat(fileno(file), &now) < 0)
		return 0;
	pthread_mutex_lock(&calls_lock);
	if (calls->file != now.st_ino || memcmp(&calls->written, &now.st_mtim, sizeof(now.st_mtim)) != 0)
		*calls = (struct calls){now.st_ino, now.st_mtim, 0};
	count = ++calls->count;
	pthread_mutex_unlock(&calls_lock);
	return count;
}

/* "C_Name" or "C_Name@N", and this is the N-th call? */
static bool is_meant(const char *row, const char *function, unsigned long count)
{
	size_t len = strlen(function);

	if (strncmp(row, function, len) != 0)
		return false;
	return row[len] == '@' ? strtoul(row + len + 1, NULL, 10) == count : !row[len];
}

/* Held for ever by who dies of it. */
static pthread_mutex_t everybody = PTHREAD_MUTEX_INITIALIZER;

static void swallow(void)
{
	enum { PIECE = 1 << 20 };

	for (;;)
		memset(malloc(PIECE), 1, PIECE);
}

/* What is to happen at this call; "" when nothing is. */
static void look(const char *function, struct calls *calls, char ret[static 64])
{
	const char *conf = getenv("SOFTHSM2_CONF"), *slash = conf ? strrchr(conf, '/') : NULL;
	char path[4096], row[64], what[64];
	unsigned long count;
	FILE *file;

	*ret = 0;
	if (!slash)
		return;
	snprintf(path, sizeof(path), "%.*s/faults", (int)(slash - conf), conf);
	file = fopen(path, "re");
	if (!file)
		return;
	count = count_call(calls, file);
	while (!*ret && fscanf(file, "%63s %63s", row, what) == 2)
		if (is_meant(row, function, count))
			strcpy(ret, what);
	fclose(file);
}

/* Like a device that does one thing at a time. */
static void take(long us)
{
	static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
	const struct timespec time = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};

	pthread_mutex_lock(&turn);
	nanosleep(&time, NULL);
	pthread_mutex_unlock(&turn);
}

/* A signal that is only sent would be blocked. */
static volatile int *volatile nowhere;

static void carry_out(const char *what, CK_RV *rv)
{
	pid_t pid = strchr(what, ':') ? atoi(strchr(what, ':') + 1) : 0;

	if (strcmp(what, "die") == 0)
		_exit(5);
	if (strcmp(what, "exit") == 0)
		exit(0);
	if (strcmp(what, "abort") == 0)
		abort();
	if (strcmp(what, "crash") == 0)
		*nowhere = 0;
	if (strcmp(what, "swallow") == 0)
		swallow();
	if (strcmp(what, "deadlock") == 0)
		pthread_mutex_lock(&everybody);
	while (strcmp(what, "hang") == 0 || strcmp(what, "deadlock") == 0)
		pause();
	if (strncmp(what, "take:", 5) == 0)
		take(pid);
	else if (pid > 0)
		kill(pid, strncmp(what, "STOP", 4) == 0 ? SIGSTOP : SIGKILL);
	else
		*rv = strtoul(what, NULL, 0);
}

static CK_RV before(const char *what)
{
	CK_RV rv = CKR_OK;

	pthread_mutex_lock(&everybody);
	pthread_mutex_unlock(&everybody);
	if (*what && strncmp(what, THEN, strlen(THEN)) != 0)
		carry_out(what, &rv);
	return rv;
}

static CK_RV after(const char *what, CK_RV rv)
{
	if (strncmp(what, THEN, strlen(THEN)) == 0)
		carry_out(what + strlen(THEN), &rv);
	return rv;
}

/* FAULTY(C_Name, (parameters), (arguments)) */
#define FAULTY(name, parameters, arguments)                                                                \
	static CK_RV faulty_##name parameters                                                              \
	{                                                                                                  \
		static struct calls calls;                                                                 \
		char what[64];                                                                             \
		CK_RV rv;                                                                                  \
		look(#name, &calls, what);                                                                 \
		rv = before(what);                                                                         \
		return rv == CKR_OK ? after(what, real->name arguments) : rv;                              \
	}

FAULTY(C_GetTokenInfo, (CK_SLOT_ID s, CK_TOKEN_INFO_PTR i), (s, i))
FAULTY(C_Login, (CK_SESSION_HANDLE s, CK_USER_TYPE u, CK_UTF8CHAR_PTR p, CK_ULONG n), (s, u, p, n))
FAULTY(C_GenerateRandom, (CK_SESSION_HANDLE s, CK_BYTE_PTR p, CK_ULONG n), (s, p, n))
FAULTY(C_Sign, (CK_SESSION_HANDLE s, CK_BYTE_PTR p, CK_ULONG n, CK_BYTE_PTR r, CK_ULONG_PTR l), (s, p, n, r, l))
FAULTY(C_EncryptUpdate, (CK_SESSION_HANDLE s, CK_BYTE_PTR p, CK_ULONG n, CK_BYTE_PTR r, CK_ULONG_PTR l), (s, p, n, r, l))
FAULTY(C_Decrypt, (CK_SESSION_HANDLE s, CK_BYTE_PTR p, CK_ULONG n, CK_BYTE_PTR r, CK_ULONG_PTR l), (s, p, n, r, l))
FAULTY(C_FindObjectsInit, (CK_SESSION_HANDLE s, CK_ATTRIBUTE_PTR t, CK_ULONG n), (s, t, n))
FAULTY(C_CreateObject, (CK_SESSION_HANDLE s, CK_ATTRIBUTE_PTR t, CK_ULONG n, CK_OBJECT_HANDLE_PTR o), (s, t, n, o))
FAULTY(C_GenerateKey, (CK_SESSION_HANDLE s, CK_MECHANISM_PTR m, CK_ATTRIBUTE_PTR t, CK_ULONG n, CK_OBJECT_HANDLE_PTR o),
       (s, m, t, n, o))
FAULTY(C_GenerateKeyPair,
       (CK_SESSION_HANDLE s, CK_MECHANISM_PTR m, CK_ATTRIBUTE_PTR t, CK_ULONG n, CK_ATTRIBUTE_PTR u, CK_ULONG k,
	CK_OBJECT_HANDLE_PTR o, CK_OBJECT_HANDLE_PTR p),
       (s, m, t, n, u, k, o, p))
FAULTY(C_DestroyObject, (CK_SESSION_HANDLE s, CK_OBJECT_HANDLE o), (s, o))
FAULTY(C_WrapKey,
       (CK_SESSION_HANDLE s, CK_MECHANISM_PTR m, CK_OBJECT_HANDLE w, CK_OBJECT_HANDLE k, CK_BYTE_PTR p, CK_ULONG_PTR l),
       (s, m, w, k, p, l))
FAULTY(C_UnwrapKey,
       (CK_SESSION_HANDLE s, CK_MECHANISM_PTR m, CK_OBJECT_HANDLE k, CK_BYTE_PTR p, CK_ULONG l, CK_ATTRIBUTE_PTR t,
	CK_ULONG n, CK_OBJECT_HANDLE_PTR o),
       (s, m, k, p, l, t, n, o))

/* Whatever else happens at it. */
static CK_RV told_C_GetTokenInfo(CK_SLOT_ID slot, CK_TOKEN_INFO_PTR info)
{
	static struct calls calls;
	CK_RV rv = faulty_C_GetTokenInfo(slot, info);
	char what[64];

	look("C_GetTokenInfo", &calls, what);
	if (rv == CKR_OK && info && strcmp(what, "last-try") == 0)
		info->flags |= CKF_USER_PIN_FINAL_TRY;
	return rv;
}

__attribute__((visibility("default"))) CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR list)
{
	void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	CK_C_GetFunctionList get = library ? (CK_C_GetFunctionList)dlsym(library, "C_GetFunctionList") : NULL;

	if (!get || get(&real) != CKR_OK)
		return CKR_GENERAL_ERROR;
	shim = *real;
	shim.C_GetTokenInfo = told_C_GetTokenInfo;
	shim.C_Login = faulty_C_Login;
	shim.C_GenerateRandom = faulty_C_GenerateRandom;
	shim.C_Sign = faulty_C_Sign;
	shim.C_EncryptUpdate = faulty_C_EncryptUpdate;
	shim.C_Decrypt = faulty_C_Decrypt;
	shim.C_FindObjectsInit = faulty_C_FindObjectsInit;
	shim.C_CreateObject = faulty_C_CreateObject;
	shim.C_GenerateKey = faulty_C_GenerateKey;
	shim.C_GenerateKeyPair = faulty_C_GenerateKeyPair;
	shim.C_DestroyObject = faulty_C_DestroyObject;
	shim.C_WrapKey = faulty_C_WrapKey;
	shim.C_UnwrapKey = faulty_C_UnwrapKey;
	*list = &shim;
	return CKR_OK;
}
