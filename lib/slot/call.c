/* SPDX-License-Identifier: Apache-2.0 */
/* The C_ functions that are calls in a session: one for each row of p11/functions.h. */
#include "slot/module.h"

#define TYPE_SESSION(i) CK_SESSION_HANDLE a##i
#define TYPE_ULONG(i) CK_ULONG a##i
#define TYPE_OBJECT(i) CK_OBJECT_HANDLE a##i
#define TYPE_MECHANISM(i) CK_MECHANISM_PTR a##i
#define TYPE_PROCESS TYPE_MECHANISM
#define TYPE_PARAM(i) CK_VOID_PTR a##i, CK_ULONG n##i
#define TYPE_PARAM_GIVING TYPE_PARAM
#define TYPE_IN(i) CK_BYTE_PTR a##i, CK_ULONG n##i
#define TYPE_TEMPLATE(i) CK_ATTRIBUTE_PTR a##i, CK_ULONG n##i
#define TYPE_SEARCH TYPE_TEMPLATE
#define TYPE_ATTRS TYPE_TEMPLATE
#define TYPE_OUT(i) CK_BYTE_PTR a##i, CK_ULONG_PTR n##i
#define TYPE_RANDOM TYPE_IN
#define TYPE_OUT_HANDLE(i) CK_OBJECT_HANDLE_PTR a##i
#define TYPE_OUT_HANDLES(i) CK_OBJECT_HANDLE_PTR a##i, CK_ULONG room##i, CK_ULONG_PTR n##i
#define TYPE_OUT_NUMBER(i) CK_ULONG_PTR a##i

#define GIVE_ONE(i) a##i
#define GIVE_TWO(i) a##i, n##i
#define GIVE_SESSION GIVE_ONE
#define GIVE_ULONG GIVE_ONE
#define GIVE_OBJECT GIVE_ONE
#define GIVE_MECHANISM GIVE_ONE
#define GIVE_PROCESS GIVE_ONE
#define GIVE_PARAM GIVE_TWO
#define GIVE_PARAM_GIVING GIVE_TWO
#define GIVE_IN GIVE_TWO
#define GIVE_TEMPLATE GIVE_TWO
#define GIVE_SEARCH GIVE_TWO
#define GIVE_ATTRS GIVE_TWO
#define GIVE_OUT GIVE_TWO
#define GIVE_RANDOM GIVE_TWO
#define GIVE_OUT_HANDLE GIVE_ONE
#define GIVE_OUT_HANDLES(i) a##i, room##i, n##i
#define GIVE_OUT_NUMBER GIVE_ONE

static CK_RV run(CK_SESSION_HANDLE handle, struct p11_call call)
{
	slot_scoped struct slot_call entered = slot_enter(handle);

	return entered.rv == CKR_OK ? slot_run(&entered, &call) : entered.rv;
}

#define ROW(where, name, flags, op, part, repeat, ...) ROW_##where(name, __VA_ARGS__)
#define ROW_SLOT(name, ...)
#define ROW_LOGIN(name, ...)
#define ROW_HOST(name, ...)
#define ROW_MESSAGE ROW_SESSION
#define ROW_SESSION(name, ...)                                                                                         \
	CK_RV name(P11_EACH(TYPE_, __VA_ARGS__))                                                                       \
	{                                                                                                              \
		return run(a0, p11_##name(P11_EACH(GIVE_, __VA_ARGS__)));                                              \
	}

P11_FUNCTIONS(ROW)
