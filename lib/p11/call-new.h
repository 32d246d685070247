/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Constructors of struct p11_call: for each row of functions.h p11_C_Name(), with the arguments of C_Name(). What is
 * given for a slot is not looked at; what C_OpenSession calls back is left out.
 */
#ifndef P11_CALL_NEW_H
#define P11_CALL_NEW_H

#include "p11/call.h"

#define P11_TAKE_SLOT(i) CK_SLOT_ID a##i
#define P11_TAKE_ULONG(i) CK_ULONG a##i
#define P11_TAKE_OPEN_FLAGS(i) CK_FLAGS a##i
#define P11_TAKE_SESSION(i) CK_SESSION_HANDLE a##i
#define P11_TAKE_OBJECT(i) CK_OBJECT_HANDLE a##i
#define P11_TAKE_MECHANISM(i) const CK_MECHANISM *a##i
#define P11_TAKE_PROCESS P11_TAKE_MECHANISM
#define P11_TAKE_PARAM(i) void *a##i, CK_ULONG n##i
#define P11_TAKE_PARAM_GIVING P11_TAKE_PARAM
#define P11_TAKE_IN(i) const void *a##i, CK_ULONG n##i
#define P11_TAKE_PIN(i) const void *a##i, CK_ULONG n##i
#define P11_TAKE_TEMPLATE(i) const CK_ATTRIBUTE *a##i, CK_ULONG n##i
#define P11_TAKE_SEARCH(i) const CK_ATTRIBUTE *a##i, CK_ULONG n##i
#define P11_TAKE_ATTRS(i) CK_ATTRIBUTE *a##i, CK_ULONG n##i
#define P11_TAKE_OUT(i) void *a##i, CK_ULONG *n##i
#define P11_TAKE_RANDOM(i) void *a##i, CK_ULONG n##i
#define P11_TAKE_OUT_HANDLE(i) CK_OBJECT_HANDLE *a##i
#define P11_TAKE_OUT_HANDLES(i) CK_OBJECT_HANDLE *a##i, CK_ULONG room##i, CK_ULONG *n##i
#define P11_TAKE_OUT_ULONGS(i) CK_ULONG *a##i, CK_ULONG *n##i
#define P11_TAKE_OUT_INFO(i) void *a##i
#define P11_TAKE_OUT_NUMBER(i) CK_ULONG *a##i

#define P11_KEEP_NUMBER_(i) {.number = a##i}
#define P11_KEEP_SLOT P11_KEEP_NUMBER_
#define P11_KEEP_ULONG P11_KEEP_NUMBER_
#define P11_KEEP_OPEN_FLAGS P11_KEEP_NUMBER_
#define P11_KEEP_SESSION P11_KEEP_NUMBER_
#define P11_KEEP_OBJECT P11_KEEP_NUMBER_
#define P11_KEEP_MECHANISM(i) {.in = a##i}
#define P11_KEEP_PROCESS P11_KEEP_MECHANISM
#define P11_KEEP_PARAM(i) {.out = a##i, .number = n##i}
#define P11_KEEP_PARAM_GIVING P11_KEEP_PARAM
#define P11_KEEP_IN(i) {.in = a##i, .number = n##i}
#define P11_KEEP_PIN P11_KEEP_IN
#define P11_KEEP_TEMPLATE P11_KEEP_IN
#define P11_KEEP_SEARCH P11_KEEP_IN
#define P11_KEEP_ATTRS P11_KEEP_PARAM
#define P11_KEEP_OUT(i) {.out = a##i, .out_len = n##i}
#define P11_KEEP_RANDOM P11_KEEP_ATTRS
#define P11_KEEP_OUT_HANDLE(i) {.out = a##i}
#define P11_KEEP_OUT_HANDLES(i) {.out = a##i, .number = room##i, .out_len = n##i}
#define P11_KEEP_OUT_ULONGS P11_KEEP_OUT
#define P11_KEEP_OUT_INFO P11_KEEP_OUT_HANDLE
#define P11_KEEP_OUT_NUMBER P11_KEEP_OUT_HANDLE

#define P11_ROW(where, name, flags, op, part, repeat, ...)                                                             \
	static inline struct p11_call p11_##name(P11_EACH(P11_TAKE_, __VA_ARGS__))                                     \
	{                                                                                                              \
		return (struct p11_call){                                                                              \
			.fn = P11_##name, .rv = P11_NOT_RUN, .args = {P11_EACH(P11_KEEP_, __VA_ARGS__)}};              \
	}
P11_FUNCTIONS(P11_ROW)
#undef P11_ROW

/* Any of the …Init functions; key is ignored by C_DigestInit. */
static inline struct p11_call p11_init(enum p11_fn fn, CK_SESSION_HANDLE session, const CK_MECHANISM *m,
				       CK_OBJECT_HANDLE key)
{
	return (struct p11_call){.fn = fn, .rv = P11_NOT_RUN, .args = {{.number = session}, {.in = m}, {.number = key}}};
}

/* Any call that takes bytes and gives some: C_Encrypt, C_Sign, C_DecryptUpdate … */
static inline struct p11_call p11_transform(enum p11_fn fn, CK_SESSION_HANDLE session, const void *in, CK_ULONG len,
					    void *out, CK_ULONG *out_len)
{
	return (struct p11_call){.fn = fn, .rv = P11_NOT_RUN,
				 .args = {{.number = session}, {.in = in, .number = len}, {.out = out, .out_len = out_len}}};
}

#endif
