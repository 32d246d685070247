/* SPDX-License-Identifier: Apache-2.0 */
/* Loads the module, and writes the lines. */
#include <dlfcn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "semantics.h"

void *module;
CK_FUNCTION_LIST *p11;
CK_SLOT_ID slot;
CK_SESSION_HANDLE session;

static CK_SESSION_HANDLE home;	/* keeps the login from one probe to the next */

static struct {
	char name[256], text[4096];
	size_t len;
	bool alone;
	CK_OBJECT_HANDLE made[16];
	size_t n_made;
} line;

/* ---- names of return values ---- */

#define NAMES(NAME)                                                                                                    \
	NAME(OK) NAME(CANCEL) NAME(HOST_MEMORY) NAME(SLOT_ID_INVALID) NAME(GENERAL_ERROR) NAME(FUNCTION_FAILED)        \
	NAME(ARGUMENTS_BAD) NAME(NO_EVENT) NAME(NEED_TO_CREATE_THREADS) NAME(CANT_LOCK) NAME(ATTRIBUTE_READ_ONLY)      \
	NAME(ATTRIBUTE_SENSITIVE) NAME(ATTRIBUTE_TYPE_INVALID) NAME(ATTRIBUTE_VALUE_INVALID) NAME(ACTION_PROHIBITED)   \
	NAME(DATA_INVALID) NAME(DATA_LEN_RANGE) NAME(DEVICE_ERROR) NAME(DEVICE_MEMORY) NAME(DEVICE_REMOVED)            \
	NAME(ENCRYPTED_DATA_INVALID) NAME(ENCRYPTED_DATA_LEN_RANGE) NAME(FUNCTION_CANCELED)                            \
	NAME(FUNCTION_NOT_PARALLEL) NAME(FUNCTION_NOT_SUPPORTED) NAME(KEY_HANDLE_INVALID) NAME(KEY_SIZE_RANGE)         \
	NAME(KEY_TYPE_INCONSISTENT) NAME(KEY_NOT_NEEDED) NAME(KEY_CHANGED) NAME(KEY_NEEDED) NAME(KEY_INDIGESTIBLE)     \
	NAME(KEY_FUNCTION_NOT_PERMITTED) NAME(KEY_NOT_WRAPPABLE) NAME(KEY_UNEXTRACTABLE) NAME(MECHANISM_INVALID)       \
	NAME(MECHANISM_PARAM_INVALID) NAME(OBJECT_HANDLE_INVALID) NAME(OPERATION_ACTIVE)                               \
	NAME(OPERATION_NOT_INITIALIZED) NAME(PIN_INCORRECT) NAME(PIN_INVALID) NAME(PIN_LEN_RANGE) NAME(PIN_EXPIRED)    \
	NAME(PIN_LOCKED) NAME(SESSION_CLOSED) NAME(SESSION_COUNT) NAME(SESSION_HANDLE_INVALID)                         \
	NAME(SESSION_PARALLEL_NOT_SUPPORTED) NAME(SESSION_READ_ONLY) NAME(SESSION_EXISTS)                              \
	NAME(SESSION_READ_ONLY_EXISTS) NAME(SESSION_READ_WRITE_SO_EXISTS) NAME(SIGNATURE_INVALID)                      \
	NAME(SIGNATURE_LEN_RANGE) NAME(TEMPLATE_INCOMPLETE) NAME(TEMPLATE_INCONSISTENT) NAME(TOKEN_NOT_PRESENT)        \
	NAME(TOKEN_NOT_RECOGNIZED) NAME(TOKEN_WRITE_PROTECTED) NAME(UNWRAPPING_KEY_HANDLE_INVALID)                     \
	NAME(UNWRAPPING_KEY_SIZE_RANGE) NAME(UNWRAPPING_KEY_TYPE_INCONSISTENT) NAME(USER_ALREADY_LOGGED_IN)            \
	NAME(USER_NOT_LOGGED_IN) NAME(USER_PIN_NOT_INITIALIZED) NAME(USER_TYPE_INVALID)                                \
	NAME(USER_ANOTHER_ALREADY_LOGGED_IN) NAME(USER_TOO_MANY_TYPES) NAME(WRAPPED_KEY_INVALID)                       \
	NAME(WRAPPED_KEY_LEN_RANGE) NAME(WRAPPING_KEY_HANDLE_INVALID) NAME(WRAPPING_KEY_SIZE_RANGE)                    \
	NAME(WRAPPING_KEY_TYPE_INCONSISTENT) NAME(RANDOM_SEED_NOT_SUPPORTED) NAME(RANDOM_NO_RNG)                       \
	NAME(DOMAIN_PARAMS_INVALID) NAME(CURVE_NOT_SUPPORTED) NAME(BUFFER_TOO_SMALL) NAME(SAVED_STATE_INVALID)         \
	NAME(INFORMATION_SENSITIVE) NAME(STATE_UNSAVEABLE) NAME(CRYPTOKI_NOT_INITIALIZED)                              \
	NAME(CRYPTOKI_ALREADY_INITIALIZED) NAME(MUTEX_BAD) NAME(MUTEX_NOT_LOCKED) NAME(FUNCTION_REJECTED)

static const struct {
	CK_RV rv;
	const char *name;
} names[] = {
#define NAME(name) {CKR_##name, #name},
	NAMES(NAME)
#undef NAME
};

CK_RV is(CK_RV rv)
{
	for (size_t i = 0; i < N(names); i++)
		if (names[i].rv == rv) {
			says("%s", names[i].name);
			return rv;
		}
	says("0x%lx", rv);
	return rv;
}

/* ---- lines ---- */

void says(const char *format, ...)
{
	va_list args;

	if (line.len)
		line.text[line.len++] = ' ';
	va_start(args, format);
	line.len += (size_t)vsnprintf(line.text + line.len, sizeof(line.text) - line.len - 1, format, args);
	va_end(args);
	if (line.len >= sizeof(line.text) - 2)
		line.len = sizeof(line.text) - 3;
}

void shows(const void *bytes, CK_ULONG len)
{
	const uint8_t *at = bytes;
	uint32_t sum = 2166136261u;	/* FNV-1a */

	for (CK_ULONG i = 0; i < len; i++)
		sum = (sum ^ at[i]) * 16777619u;
	says("%lu:%08x", len, sum);
}

void drop(CK_OBJECT_HANDLE made)
{
	if (line.n_made < N(line.made))
		line.made[line.n_made++] = made;
}

CK_SESSION_HANDLE open_session(CK_FLAGS flags)
{
	CK_SESSION_HANDLE ret = CK_INVALID_HANDLE;

	p11->C_OpenSession(slot, CKF_SERIAL_SESSION | flags, NULL, NULL, &ret);
	return ret;
}

CK_RV log_in(CK_SESSION_HANDLE s, CK_USER_TYPE user, const char *pin)
{
	return p11->C_Login(s, user, (CK_UTF8CHAR *)pin, strlen(pin));
}

static void come_home(void)
{
	if (home)
		return;
	home = open_session(CKF_RW_SESSION);
	if (log_in(home, CKU_USER, getenv("PIN")) != CKR_OK) {
		fprintf(stderr, "no login\n");
		exit(1);
	}
	objects_forget();
}

static void leave_home(void)
{
	p11->C_CloseAllSessions(slot);
	home = session = CK_INVALID_HANDLE;
}

/* Handles may be another login's: all that is labelled so. */
static void sweep(void)
{
	CK_BBOOL yes = CK_TRUE;
	CK_ATTRIBUTE made[] = {{CKA_LABEL, (void *)"made", 4}, {CKA_TOKEN, &yes, sizeof(yes)}};
	CK_ULONG count = 0;

	come_home();
	if (p11->C_FindObjectsInit(home, made, N(made)) != CKR_OK)
		return;
	p11->C_FindObjects(home, line.made, N(line.made), &count);
	p11->C_FindObjectsFinal(home);
	line.n_made = count;
}

static void end(void)
{
	if (line.alone)
		leave_home();
	if (line.alone && line.n_made)
		sweep();
	for (size_t i = 0; i < line.n_made; i++)
		p11->C_DestroyObject(home, line.made[i]);
	if (session)
		p11->C_CloseSession(session);
	session = CK_INVALID_HANDLE;
	if (*line.name)
		printf("%s\t%s\n", line.name, line.text);
	fflush(stdout);
	memset(&line, 0, sizeof(line));
}

static void next(const char *format, va_list args)
{
	end();
	vsnprintf(line.name, sizeof(line.name), format, args);
}

void probe(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	next(format, args);
	va_end(args);
	come_home();
	session = open_session(CKF_RW_SESSION);
}

void probe_alone(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	next(format, args);
	va_end(args);
	leave_home();
	line.alone = true;
}

char *next_word(char **text)
{
	char *word;

	do
		word = strsep(text, " ");
	while (word && !*word);
	return word;
}

/* ---- the module ---- */

static bool find_token(void)
{
	CK_SLOT_ID list[16];
	CK_ULONG count = N(list);
	CK_TOKEN_INFO info;

	if (p11->C_GetSlotList(CK_TRUE, list, &count) != CKR_OK)
		return false;
	for (CK_ULONG i = 0; i < count; i++) {
		slot = list[i];
		if (p11->C_GetTokenInfo(slot, &info) == CKR_OK && (info.flags & CKF_TOKEN_INITIALIZED))
			return true;
	}
	return false;
}

static const struct {
	const char *name;
	void (*run)(void);
} rooms[] = {
	{"general", probe_general},	  {"sessions", probe_sessions},	    {"objects", probe_objects},
	{"attributes", probe_attributes}, {"operations", probe_operations}, {"rare", probe_rare},
	{"keys", probe_keys},
};

/* semantics MODULE [ROOM] */
int main(int argc, char **argv)
{
	CK_C_GetFunctionList get;

	module = argc > 1 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : NULL;
	get = module ? (CK_C_GetFunctionList)dlsym(module, "C_GetFunctionList") : NULL;

	if (!get || get(&p11) != CKR_OK || !getenv("PIN")) {
		fprintf(stderr, "usage: PIN=... semantics MODULE\n");
		return 1;
	}
	probe_before();
	if (p11->C_Initialize(NULL) != CKR_OK || !find_token()) {
		fprintf(stderr, "no token\n");
		return 1;
	}
	come_home();
	objects_make();
	for (size_t i = 0; i < N(rooms); i++)
		if (argc < 3 || strcmp(argv[2], rooms[i].name) == 0)
			rooms[i].run();
	objects_destroy();
	p11->C_Finalize(NULL);
	return 0;
}
