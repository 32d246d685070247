/* SPDX-License-Identifier: Apache-2.0 */
/*
 * drill_module - the group's virtual slot, used as a stranger uses it.
 *
 * The library is loaded by path and spoken to through its function list alone,
 * so that a drill measures what an application would. One module at a time in a
 * process; its sessions may be used by many threads, one thread each.
 */
#ifndef DRILL_MODULE_H
#define DRILL_MODULE_H

#include <stdbool.h>

#include "base/own.h"
#include "p11/pkcs11.h"

struct err;
struct secret;

struct drill_module {
	void *library;
	CK_FUNCTION_LIST *f;
	CK_SLOT_ID slot;
	/* Logged in; the login lasts as long as it does. CK_INVALID_HANDLE = none. */
	CK_SESSION_HANDLE session;
	bool initialized;
};

/*
 * Load the library at path, initialise it for the store in folder, find the
 * slot whose token is labelled group and log in. ERR_MISSING (no library),
 * ERR_NOT_FOUND (no such slot), what p11_rv_err() says.
 */
int drill_module_open(const char *path, const char *folder, const char *group, const struct secret *pin,
		      struct drill_module **ret, struct err *err);
void drill_module_free(struct drill_module *module);
OWN_DEFINE(drill_module)

/* One more session on the slot, read-only. */
CK_RV drill_module_session(const struct drill_module *module, CK_SESSION_HANDLE *ret);

#endif
