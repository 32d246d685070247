/* SPDX-License-Identifier: Apache-2.0 */
/*
 * library - a vendor's PKCS#11 library loaded into this process.
 *
 * Loading the same path twice shares one instance (PKCS#11 has one state per
 * process); the last user finalises it, unless somebody else in this process had
 * initialised it before us. A forked child begins with none loaded: what it
 * inherited is of no use to it but to be freed. Thread-safe.
 */
#ifndef MEMBER_LIBRARY_H
#define MEMBER_LIBRARY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/own.h"
#include "p11/pkcs11.h"

struct book;
struct err;
struct library;

/* dlopen, C_Initialize with OS locking. ERR_MISSING when there is no such file. */
int library_open(const char *path, struct library **ret, struct err *err);
void library_free(struct library *library);
OWN_DEFINE(library)

/* By its version also a CK_FUNCTION_LIST_3_0 (p11_execute()). */
CK_FUNCTION_LIST *library_functions(const struct library *library);
/* Differs for each instance that this process ever loaded. */
uint64_t library_epoch(const struct library *library);
/* Made before a fork, in the parent: nothing may be called. */
bool library_is_inherited(const struct library *library);

/*
 * C_Login of a user whose PIN is looked at. A token that is logged in already does
 * not look: then the PIN is compared with a salted digest of the one by which we
 * logged it in. CKR_USER_ALREADY_LOGGED_IN when that was somebody else, so that
 * nothing is known about this PIN. A token that locks itself at the next wrong PIN is not asked: CKR_PIN_LOCKED.
 */
CK_RV library_login(struct library *library, CK_SLOT_ID slot, CK_SESSION_HANDLE session, const void *pin, CK_ULONG len);
/* Does one wrong user PIN more lock the token? */
bool library_is_final_try(CK_FUNCTION_LIST *functions, CK_SLOT_ID slot);

/* C_FindObjects until the list is full or there are no more: a library may give fewer
 * than there are. CKR_DEVICE_ERROR when it claims to have given more than there was room for. */
CK_RV library_find(CK_FUNCTION_LIST *functions, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE *list, CK_ULONG room,
		   CK_ULONG *ret_count);

/* The book of a slot's token, which all that have taken it share; others may write past it.
 * The last to give it back ends it. */
int library_take_book(struct library *library, CK_SLOT_ID slot, struct book **ret, struct err *err);
void library_leave_book(struct library *library, struct book *book);

/* Which of a library's initialised tokens; what is NULL or "" says nothing, and all of it: the only one. */
struct library_token {
	const char *serial;	/* trimmed */
	const char *uri;	/* pkcs11: …, p11/uri.h */
};

/* Its slot. ERR_NOT_FOUND, ERR_AMBIGUOUS: the message says which tokens there are. */
int library_find_token(const struct library *library, const struct library_token *which, CK_SLOT_ID *ret,
		       struct err *err);

/* Text of a blank-padded field, trimmed and masked; ret holds len + 1. */
void library_text(const CK_UTF8CHAR *field, size_t len, char *ret);

#endif
