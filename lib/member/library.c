/* SPDX-License-Identifier: Apache-2.0 */
/* Loading vendor libraries: the one door to dlopen. */
#include "member/library.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "p11/rv.h"

struct library {
	struct library *next;
	char *path;
	void *handle;
	CK_FUNCTION_LIST *functions;
	unsigned users;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct library *loaded;

static void unload(struct library *library)
{
	if (library->handle)
		dlclose(library->handle);
	free(library->path);
	free(library);
}

static int load(const char *path, struct library *library, struct err *err)
{
	CK_C_INITIALIZE_ARGS args = {.flags = CKF_OS_LOCKING_OK};
	CK_C_GetFunctionList get;
	CK_RV rv;

	library->path = mem_strdup(path);
	if (!library->path)
		return err_no_memory(err);
	if (strchr(path, '/') && !file_exists(path))
		return err_set(err, ERR_MISSING, "no PKCS#11 library '%s'", path);
	library->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!library->handle)
		return err_set(err, ERR_MISSING, "cannot load the PKCS#11 library: %s", dlerror());
	*(void **)&get = dlsym(library->handle, "C_GetFunctionList");
	if (!get)
		return err_set(err, ERR_INVALID, "'%s' is not a PKCS#11 library", path);
	rv = get(&library->functions);
	if (rv != CKR_OK)
		return p11_rv_err(err, rv, "C_GetFunctionList");
	rv = library->functions->C_Initialize(&args);
	if (rv != CKR_OK && rv != CKR_CRYPTOKI_ALREADY_INITIALIZED)
		return p11_rv_err(err, rv, "C_Initialize");
	return 0;
}

int library_open(const char *path, struct library **ret, struct err *err)
{
	struct library *library;
	int rc = 0;

	pthread_mutex_lock(&lock);
	for (library = loaded; library && strcmp(library->path, path) != 0; library = library->next)
		;
	if (!library) {
		library = mem_new(struct library);
		rc = library ? load(path, library, err) : err_no_memory(err);
		if (rc < 0) {
			if (library)
				unload(library);
		} else {
			library->next = loaded;
			loaded = library;
		}
	}
	if (rc == 0) {
		library->users++;
		*ret = library;
	}
	pthread_mutex_unlock(&lock);
	return rc;
}

void library_free(struct library *library)
{
	if (!library)
		return;
	pthread_mutex_lock(&lock);
	if (--library->users == 0) {
		struct library **at = &loaded;

		while (*at != library)
			at = &(*at)->next;
		*at = library->next;
		library->functions->C_Finalize(NULL);
		unload(library);
	}
	pthread_mutex_unlock(&lock);
}

CK_FUNCTION_LIST *library_functions(const struct library *library)
{
	return library->functions;
}

void library_text(const CK_UTF8CHAR *field, size_t len, char *ret)
{
	while (len && (field[len - 1] == ' ' || field[len - 1] == 0))
		len--;
	memcpy(ret, field, len);
	ret[len] = 0;
	err_mask(ret);
}

int library_find_token(const struct library *library, const char *serial,
		       CK_SLOT_ID *ret, struct err *err)
{
	CK_SLOT_ID slots[256];
	CK_ULONG count = sizeof(slots) / sizeof(slots[0]);
	CK_RV rv = library->functions->C_GetSlotList(CK_TRUE, slots, &count);
	int found = 0;

	if (rv != CKR_OK)
		return p11_rv_err(err, rv, "C_GetSlotList");
	for (CK_ULONG i = 0; i < count; i++) {
		char text[17];
		CK_TOKEN_INFO info;

		if (library->functions->C_GetTokenInfo(slots[i], &info) != CKR_OK ||
		    !(info.flags & CKF_TOKEN_INITIALIZED))
			continue;
		library_text(info.serialNumber, sizeof(info.serialNumber), text);
		if (serial && *serial && !str_eq(text, serial))
			continue;
		*ret = slots[i];
		found++;
	}
	if (found == 0)
		return err_set(err, ERR_NOT_FOUND, "no initialised token%s%s in '%s'",
			       serial && *serial ? " with serial " : "", serial ? serial : "", library->path);
	if (found > 1)
		return err_set(err, ERR_AMBIGUOUS, "%d tokens in '%s'; name one by its serial", found, library->path);
	return 0;
}
