/* SPDX-License-Identifier: Apache-2.0 */
/* softhsm - a fresh token of SoftHSM, for a process that ends with it. */
#ifndef TESTS_FAKE_SOFTHSM_H
#define TESTS_FAKE_SOFTHSM_H

#include <dlfcn.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "../base/temp.h"
#include "side.h"

#define SOFTHSM "/usr/lib/softhsm/libsofthsm2.so"

static void write_conf(const char *folder)
{
	const char *path = in(folder, "softhsm2.conf");
	FILE *file = fopen(path, "we");

	mkdir(in(folder, "tokens"), 0700);
	fprintf(file, "directories.tokendir = %s/tokens\nobjectstore.backend = file\nlog.level = ERROR\n", folder);
	fclose(file);
	setenv("SOFTHSM2_CONF", path, 1);
}

static CK_RV init_token(CK_FUNCTION_LIST *f, CK_SLOT_ID *ret)
{
	CK_UTF8CHAR label[32] = "softhsm                         ";
	CK_SESSION_HANDLE s = 0;
	CK_RV rv = f->C_Initialize(NULL);

	rv = rv ? rv : f->C_InitToken(0, (CK_BYTE *)"87654321", 8, label);
	rv = rv ? rv : f->C_OpenSession(0, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &s);
	rv = rv ? rv : f->C_Login(s, CKU_SO, (CK_BYTE *)"87654321", 8);
	rv = rv ? rv : f->C_InitPIN(s, (CK_BYTE *)"1234", 4);
	*ret = 0;
	return rv ? rv : f->C_CloseAllSessions(0);
}

/* Its token, initialised, without a session. */
static bool softhsm_begin(const char *folder, struct side *ret)
{
	void *library = dlopen(SOFTHSM, RTLD_NOW | RTLD_LOCAL);
	CK_C_GetFunctionList get = library ? (CK_C_GetFunctionList)dlsym(library, "C_GetFunctionList") : NULL;

	write_conf(folder);
	return get && get(&ret->f) == CKR_OK && init_token(ret->f, &ret->slot) == CKR_OK;
}

#endif
