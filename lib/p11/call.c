/* SPDX-License-Identifier: Apache-2.0 */
/* Calls as data: the table of functions and the executor. */
#include "p11/call.h"
#include "p11/template.h"

#define S P11_ARG_SESSION
#define U P11_ARG_ULONG
#define O P11_ARG_OBJECT
#define MECH P11_ARG_MECHANISM
#define IN P11_ARG_IN
#define T P11_ARG_TEMPLATE
#define OUT P11_ARG_OUT
#define H P11_ARG_OUT_HANDLE
#define INFO P11_ARG_OUT_INFO
#define FN(name, flags, ...) [P11_##name] = {#name, flags, {__VA_ARGS__}}

const struct p11_fn_info p11_fn_table[P11_FN_MAX] = {
	FN(C_GetInfo, P11_ANYONE, INFO),
	FN(C_GetSlotInfo, P11_ANYONE | P11_SLOT, U, INFO),
	FN(C_GetTokenInfo, P11_ANYONE | P11_SLOT, U, INFO),
	FN(C_GetMechanismList, P11_ANYONE | P11_SLOT, U, P11_ARG_OUT_ULONGS),
	FN(C_GetMechanismInfo, P11_ANYONE | P11_SLOT, U, U, INFO),
	FN(C_OpenSession, P11_ANYONE | P11_SLOT, U, U, H),
	FN(C_CloseSession, P11_ANYONE, S),
	FN(C_Login, P11_ANYONE, S, U, P11_ARG_PIN),
	FN(C_Logout, 0, S),
	FN(C_CreateObject, P11_WRITES | P11_STEP, S, T, H),
	FN(C_CopyObject, P11_WRITES | P11_STEP, S, O, T, H),
	FN(C_DestroyObject, P11_WRITES | P11_STEP, S, O),
	FN(C_GetAttributeValue, P11_ANYONE, S, O, P11_ARG_ATTRS),
	FN(C_SetAttributeValue, P11_WRITES | P11_STEP, S, O, T),
	FN(C_FindObjectsInit, P11_ANYONE | P11_STARTS, S, T),
	FN(C_FindObjects, P11_ANYONE | P11_CONTINUES, S, P11_ARG_OUT_HANDLES),
	FN(C_FindObjectsFinal, P11_ANYONE | P11_CONTINUES, S),
	FN(C_EncryptInit, P11_STARTS, S, MECH, O),
	FN(C_Encrypt, P11_CONTINUES, S, IN, OUT),
	FN(C_EncryptUpdate, P11_CONTINUES, S, IN, OUT),
	FN(C_EncryptFinal, P11_CONTINUES, S, OUT),
	FN(C_DecryptInit, P11_STARTS, S, MECH, O),
	FN(C_Decrypt, P11_CONTINUES, S, IN, OUT),
	FN(C_DecryptUpdate, P11_CONTINUES, S, IN, OUT),
	FN(C_DecryptFinal, P11_CONTINUES, S, OUT),
	FN(C_DigestInit, P11_ANYONE | P11_STARTS, S, MECH),
	FN(C_Digest, P11_ANYONE | P11_CONTINUES, S, IN, OUT),
	FN(C_DigestUpdate, P11_ANYONE | P11_CONTINUES, S, IN),
	FN(C_DigestFinal, P11_ANYONE | P11_CONTINUES, S, OUT),
	FN(C_SignInit, P11_STARTS, S, MECH, O),
	FN(C_Sign, P11_CONTINUES, S, IN, OUT),
	FN(C_SignUpdate, P11_CONTINUES, S, IN),
	FN(C_SignFinal, P11_CONTINUES, S, OUT),
	FN(C_VerifyInit, P11_STARTS, S, MECH, O),
	FN(C_Verify, P11_CONTINUES, S, IN, IN),
	FN(C_VerifyUpdate, P11_CONTINUES, S, IN),
	FN(C_VerifyFinal, P11_CONTINUES, S, IN),
	FN(C_GenerateKey, P11_WRITES | P11_STEP, S, MECH, T, H),
	FN(C_GenerateKeyPair, P11_WRITES, S, MECH, T, T, H, H),
	FN(C_WrapKey, 0, S, MECH, O, O, OUT),
	FN(C_UnwrapKey, P11_WRITES | P11_STEP, S, MECH, O, IN, T, H),
	FN(C_DeriveKey, P11_WRITES, S, MECH, O, T, H),
	FN(C_SeedRandom, P11_ANYONE, S, IN),
	FN(C_GenerateRandom, P11_ANYONE, S, P11_ARG_RANDOM),
	FN(X_Absent, P11_HOST | P11_ANYONE, S, T),
	FN(X_Age, P11_HOST | P11_ANYONE, S, O, P11_ARG_OUT_NUMBER),
	FN(X_Lease, P11_HOST, S, IN, IN, U, U, INFO),
};

#undef S
#undef U
#undef O
#undef MECH
#undef IN
#undef T
#undef OUT
#undef H
#undef INFO

/* Arguments in the words of the C interface; a[i] is the i-th argument. */
#define NUM(i) a[i].number
#define MECHANISM(i) ((CK_MECHANISM *)a[i].in)
#define BYTES(i) (CK_BYTE *)a[i].in, a[i].number
#define TEMPLATE(i) (CK_ATTRIBUTE *)a[i].in, a[i].number
#define OUT(i) a[i].out, a[i].out_len
#define HANDLE(i) ((CK_ULONG *)a[i].out)

enum { ROOMS_MAX = 256 };	/* attributes asked for at once */

/* Did the library look at each attribute by itself? */
static bool each_for_itself(CK_RV rv)
{
	return rv == CKR_OK || rv == CKR_ATTRIBUTE_SENSITIVE || rv == CKR_ATTRIBUTE_TYPE_INVALID ||
	       rv == CKR_BUFFER_TOO_SMALL;
}

/* Those of a list that are templates, without their room, or those that are not; how many. */
static CK_ULONG pick(const CK_ATTRIBUTE *values, CK_ULONG count, bool nested, CK_ATTRIBUTE *ret)
{
	CK_ULONG n = 0;

	for (CK_ULONG i = 0; i < count; i++)
		if (p11_attr_is_nested(values[i].type) == nested)
			ret[n++] = nested ? (CK_ATTRIBUTE){values[i].type, NULL, 0} : values[i];
	return n;
}

/* Templates take several steps: whose is there, in one for all of them, and each that is not empty by itself. One that
 * the library does not have is unavailable, and fails nothing. */
static CK_RV get_templates(CK_FUNCTION_LIST *f, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE *values,
			   CK_ULONG count)
{
	CK_ATTRIBUTE asked[ROOMS_MAX];
	CK_ULONG n = pick(values, count, true, asked), at = 0;
	CK_RV rv = n ? f->C_GetAttributeValue(session, object, asked, n) : CKR_OK;

	if (!each_for_itself(rv))
		return rv;
	rv = CKR_OK;
	for (CK_ULONG i = 0; i < count && each_for_itself(rv); i++) {
		CK_RV one = CKR_OK;

		if (!p11_attr_is_nested(values[i].type))
			continue;
		if (asked[at].ulValueLen && asked[at].ulValueLen != CK_UNAVAILABLE_INFORMATION)
			one = p11_template_get(f, session, object, &values[i]);
		else
			values[i].ulValueLen = asked[at].ulValueLen;
		if (one != CKR_OK && one != CKR_ATTRIBUTE_SENSITIVE && one != CKR_ATTRIBUTE_TYPE_INVALID)
			rv = one;
		at++;
	}
	return rv;
}

static CK_RV get_attributes(CK_FUNCTION_LIST *f, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
			    CK_ATTRIBUTE *values, CK_ULONG count)
{
	CK_ATTRIBUTE plain[ROOMS_MAX];
	CK_ULONG n = pick(values, count, false, plain), at = 0;
	CK_RV rv = n || !count ? f->C_GetAttributeValue(session, object, plain, n) : CKR_OK, nested;

	for (CK_ULONG i = 0; i < count; i++)
		if (!p11_attr_is_nested(values[i].type))
			values[i].ulValueLen = plain[at++].ulValueLen;
	if (!each_for_itself(rv))
		return rv;
	nested = get_templates(f, session, object, values, count);
	return nested == CKR_OK ? rv : nested;
}

static CK_RV run(CK_FUNCTION_LIST *f, CK_SLOT_ID slot, enum p11_fn fn, const struct p11_arg *a)
{
	switch (fn) {
	case P11_C_GetInfo:
		return f->C_GetInfo(a[0].out);
	case P11_C_GetSlotInfo:
		return f->C_GetSlotInfo(slot, a[1].out);
	case P11_C_GetTokenInfo:
		return f->C_GetTokenInfo(slot, a[1].out);
	case P11_C_GetMechanismList:
		return f->C_GetMechanismList(slot, OUT(1));
	case P11_C_GetMechanismInfo:
		return f->C_GetMechanismInfo(slot, NUM(1), a[2].out);
	case P11_C_OpenSession:
		return f->C_OpenSession(slot, NUM(1), NULL, NULL, HANDLE(2));
	case P11_C_CloseSession:
		return f->C_CloseSession(NUM(0));
	case P11_C_Login:
		return f->C_Login(NUM(0), NUM(1), BYTES(2));
	case P11_C_Logout:
		return f->C_Logout(NUM(0));
	case P11_C_CreateObject:
		return f->C_CreateObject(NUM(0), TEMPLATE(1), HANDLE(2));
	case P11_C_CopyObject:
		return f->C_CopyObject(NUM(0), NUM(1), TEMPLATE(2), HANDLE(3));
	case P11_C_DestroyObject:
		return f->C_DestroyObject(NUM(0), NUM(1));
	case P11_C_GetAttributeValue:
		return get_attributes(f, NUM(0), NUM(1), a[2].out, NUM(2));
	case P11_C_SetAttributeValue:
		return f->C_SetAttributeValue(NUM(0), NUM(1), TEMPLATE(2));
	case P11_C_FindObjectsInit:
		return f->C_FindObjectsInit(NUM(0), TEMPLATE(1));
	case P11_C_FindObjects:
		return f->C_FindObjects(NUM(0), a[1].out, NUM(1), a[1].out_len);
	case P11_C_FindObjectsFinal:
		return f->C_FindObjectsFinal(NUM(0));
	case P11_C_EncryptInit:
		return f->C_EncryptInit(NUM(0), MECHANISM(1), NUM(2));
	case P11_C_Encrypt:
		return f->C_Encrypt(NUM(0), BYTES(1), OUT(2));
	case P11_C_EncryptUpdate:
		return f->C_EncryptUpdate(NUM(0), BYTES(1), OUT(2));
	case P11_C_EncryptFinal:
		return f->C_EncryptFinal(NUM(0), OUT(1));
	case P11_C_DecryptInit:
		return f->C_DecryptInit(NUM(0), MECHANISM(1), NUM(2));
	case P11_C_Decrypt:
		return f->C_Decrypt(NUM(0), BYTES(1), OUT(2));
	case P11_C_DecryptUpdate:
		return f->C_DecryptUpdate(NUM(0), BYTES(1), OUT(2));
	case P11_C_DecryptFinal:
		return f->C_DecryptFinal(NUM(0), OUT(1));
	case P11_C_DigestInit:
		return f->C_DigestInit(NUM(0), MECHANISM(1));
	case P11_C_Digest:
		return f->C_Digest(NUM(0), BYTES(1), OUT(2));
	case P11_C_DigestUpdate:
		return f->C_DigestUpdate(NUM(0), BYTES(1));
	case P11_C_DigestFinal:
		return f->C_DigestFinal(NUM(0), OUT(1));
	case P11_C_SignInit:
		return f->C_SignInit(NUM(0), MECHANISM(1), NUM(2));
	case P11_C_Sign:
		return f->C_Sign(NUM(0), BYTES(1), OUT(2));
	case P11_C_SignUpdate:
		return f->C_SignUpdate(NUM(0), BYTES(1));
	case P11_C_SignFinal:
		return f->C_SignFinal(NUM(0), OUT(1));
	case P11_C_VerifyInit:
		return f->C_VerifyInit(NUM(0), MECHANISM(1), NUM(2));
	case P11_C_Verify:
		return f->C_Verify(NUM(0), BYTES(1), BYTES(2));
	case P11_C_VerifyUpdate:
		return f->C_VerifyUpdate(NUM(0), BYTES(1));
	case P11_C_VerifyFinal:
		return f->C_VerifyFinal(NUM(0), BYTES(1));
	case P11_C_GenerateKey:
		return f->C_GenerateKey(NUM(0), MECHANISM(1), TEMPLATE(2), HANDLE(3));
	case P11_C_GenerateKeyPair:
		return f->C_GenerateKeyPair(NUM(0), MECHANISM(1), TEMPLATE(2), TEMPLATE(3), HANDLE(4), HANDLE(5));
	case P11_C_WrapKey:
		return f->C_WrapKey(NUM(0), MECHANISM(1), NUM(2), NUM(3), OUT(4));
	case P11_C_UnwrapKey:
		return f->C_UnwrapKey(NUM(0), MECHANISM(1), NUM(2), BYTES(3), TEMPLATE(4), HANDLE(5));
	case P11_C_DeriveKey:
		return f->C_DeriveKey(NUM(0), MECHANISM(1), NUM(2), TEMPLATE(3), HANDLE(4));
	case P11_C_SeedRandom:
		return f->C_SeedRandom(NUM(0), BYTES(1));
	case P11_C_GenerateRandom:
		return f->C_GenerateRandom(NUM(0), a[1].out, NUM(1));
	case P11_X_Absent:
	case P11_X_Age:
	case P11_X_Lease:
	case P11_FN_MAX:
		break;
	}
	return CKR_FUNCTION_NOT_SUPPORTED;
}

/* ---- room for results ---- */

struct rooms {
	CK_ULONG out;
	CK_ULONG values[ROOMS_MAX];
};

static void measure(enum p11_arg_kind kind, const struct p11_arg *a, struct rooms *ret)
{
	const CK_ATTRIBUTE *values = a->out;

	ret->out = kind == P11_ARG_OUT_HANDLES ? a->number
		   : kind != P11_ARG_ATTRS && a->out ? *a->out_len
						     : CK_UNAVAILABLE_INFORMATION;
	for (CK_ULONG i = 0; kind == P11_ARG_ATTRS && i < a->number; i++)
		ret->values[i] = values[i].pValue ? values[i].ulValueLen : CK_UNAVAILABLE_INFORMATION;
}

/* Where a call says that it wrote something: is it within the room? A length alone may be more. */
static bool within(const struct p11_call *call, enum p11_arg_kind kind, const struct p11_arg *a, const struct rooms *rooms)
{
	const CK_ATTRIBUTE *values = a->out;

	if (call->rv == CKR_BUFFER_TOO_SMALL)
		return true;
	if (kind != P11_ARG_ATTRS)
		return call->rv != CKR_OK || *a->out_len <= rooms->out;
	for (CK_ULONG i = 0; i < a->number; i++)
		if (values[i].ulValueLen != CK_UNAVAILABLE_INFORMATION && values[i].ulValueLen > rooms->values[i])
			return false;
	return true;
}

/* The one argument that gives results of a length unknown before; -1 = none. */
static int result_of(const enum p11_arg_kind *kinds)
{
	for (int n = 0; n < P11_ARGS_MAX && kinds[n] != P11_ARG_END; n++)
		if (kinds[n] == P11_ARG_OUT || kinds[n] == P11_ARG_OUT_ULONGS || kinds[n] == P11_ARG_OUT_HANDLES ||
		    kinds[n] == P11_ARG_ATTRS)
			return n;
	return -1;
}

CK_RV p11_execute(CK_FUNCTION_LIST *functions, CK_SLOT_ID slot, struct p11_call *call)
{
	const enum p11_arg_kind *kinds = p11_fn_table[call->fn].args;
	int result = result_of(kinds);
	struct rooms rooms;

	call->rv = p11_call_check(call);
	if (call->rv != CKR_OK)
		return call->rv;
	if (result < 0)
		return call->rv = run(functions, slot, call->fn, call->args);
	measure(kinds[result], &call->args[result], &rooms);
	call->rv = run(functions, slot, call->fn, call->args);
	if (!within(call, kinds[result], &call->args[result], &rooms))
		call->rv = CKR_DEVICE_ERROR;
	return call->rv;
}

CK_RV p11_execute_all(CK_FUNCTION_LIST *functions, CK_SLOT_ID slot, struct p11_call *calls, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (p11_execute(functions, slot, &calls[i]) != CKR_OK)
			return calls[i].rv;
	return CKR_OK;
}
