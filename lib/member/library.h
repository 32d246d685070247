/* SPDX-License-Identifier: Apache-2.0 */
/*
 * library - a vendor's PKCS#11 library loaded into this process.
 *
 * Loading the same path twice shares one instance (PKCS#11 has one state per
 * process); the last user finalises it. Thread-safe.
 */
#ifndef MEMBER_LIBRARY_H
#define MEMBER_LIBRARY_H

#include "base/own.h"
#include "p11/pkcs11.h"

struct err;
struct library;

/* dlopen, C_Initialize with OS locking. ERR_MISSING when there is no such file. */
int library_open(const char *path, struct library **ret, struct err *err);
void library_free(struct library *library);
OWN_DEFINE(library)

CK_FUNCTION_LIST *library_functions(const struct library *library);

/* The slot of the token with this serial (trimmed); serial NULL or "": the only
 * initialised token. ERR_NOT_FOUND, ERR_AMBIGUOUS. */
int library_find_token(const struct library *library, const char *serial,
		       CK_SLOT_ID *ret, struct err *err);

/* Text of a blank-padded field, trimmed and masked; ret holds len + 1. */
void library_text(const CK_UTF8CHAR *field, size_t len, char *ret);

#endif
