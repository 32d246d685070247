/* SPDX-License-Identifier: Apache-2.0 */
/*
 * template - templates as values of attributes: CKA_WRAP_TEMPLATE, CKA_UNWRAP_TEMPLATE, CKA_DERIVE_TEMPLATE.
 *
 * Such a value is an array of CK_ATTRIBUTEs whose pointers lead elsewhere. Here it is always one block of memory,
 * the array and behind it what it points to, so that it is kept, moved and freed like any other value; its
 * ulValueLen is that of the array. There is no template within a template within a template.
 */
#ifndef P11_TEMPLATE_H
#define P11_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>

#include "p11/pkcs11.h"

/* Bytes of the block. */
size_t p11_template_room(const CK_ATTRIBUTE *items, CK_ULONG count);
/* A block of one's own; NULL without memory. */
void *p11_template_dup(const CK_ATTRIBUTE *items, CK_ULONG count);
/* Into memory that has the room, aligned for a CK_ATTRIBUTE. */
void p11_template_put(void *ret, const CK_ATTRIBUTE *items, CK_ULONG count);
/* Zero what the array points to. */
void p11_template_wipe(const CK_ATTRIBUTE *items, CK_ULONG count);
/* The same attributes, in whatever order: tokens sort them. */
bool p11_template_equal(const CK_ATTRIBUTE *a, const CK_ATTRIBUTE *b, CK_ULONG count);

/* What an application is told that asks for a value: its length, and it where there is room. */
CK_RV p11_value_read(const CK_ATTRIBUTE *value, CK_ATTRIBUTE *ret);
/* The same for such a value (PKCS#11 v3.0 section 5.7.5): the length of the array; with
 * room for that, types and lengths; and the values of those that have room. */
CK_RV p11_template_read(const CK_ATTRIBUTE *value, CK_ATTRIBUTE *ret);

/*
 * Read one from a library, in the three steps that this takes, as one block into the room of value. Without a room, or
 * with one that is too small (CKR_BUFFER_TOO_SMALL), ulValueLen is how much the whole block wants.
 */
CK_RV p11_template_get(CK_FUNCTION_LIST *functions, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
		       CK_ATTRIBUTE *value);

#endif
