/* SPDX-License-Identifier: Apache-2.0 */
/* Calls as data: the table of functions and the executor. */
#include "p11/call.h"
#include "p11/template.h"

#define KIND_SLOT(i) P11_ARG_SLOT
#define KIND_ULONG(i) P11_ARG_ULONG
#define KIND_OPEN_FLAGS(i) P11_ARG_ULONG
#define KIND_SESSION(i) P11_ARG_SESSION
#define KIND_OBJECT(i) P11_ARG_OBJECT
#define KIND_MECHANISM(i) P11_ARG_MECHANISM
#define KIND_PROCESS(i) P11_ARG_PROCESS
#define KIND_PARAM(i) P11_ARG_PARAM
#define KIND_PARAM_GIVING(i) P11_ARG_PARAM_GIVING
#define KIND_IN(i) P11_ARG_IN
#define KIND_PIN(i) P11_ARG_PIN
#define KIND_TEMPLATE(i) P11_ARG_TEMPLATE
#define KIND_SEARCH(i) P11_ARG_SEARCH
#define KIND_ATTRS(i) P11_ARG_ATTRS
#define KIND_OUT(i) P11_ARG_OUT
#define KIND_RANDOM(i) P11_ARG_RANDOM
#define KIND_OUT_HANDLE(i) P11_ARG_OUT_HANDLE
#define KIND_OUT_HANDLES(i) P11_ARG_OUT_HANDLES
#define KIND_OUT_ULONGS(i) P11_ARG_OUT_ULONGS
#define KIND_OUT_INFO(i) P11_ARG_OUT_INFO
#define KIND_OUT_NUMBER(i) P11_ARG_OUT_NUMBER

#define ROW(where, name, flags, op, part, repeat, ...)                                                        \
	[P11_##name] = {#name, P11_WHERE_##where, flags, P11_OP_##op, P11_PART_##part, P11_REPEAT_##repeat,        \
			{P11_EACH(KIND_, __VA_ARGS__)}},

const struct p11_fn_info p11_fn_table[P11_FN_MAX] = {P11_FUNCTIONS(ROW)};

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

/* Arguments in the words of the C interface; a[i] is the i-th argument. */
#define GIVE_SLOT(i) slot
#define GIVE_ULONG(i) a[i].number
#define GIVE_OPEN_FLAGS(i) a[i].number, NULL, NULL
#define GIVE_SESSION(i) a[i].number
#define GIVE_OBJECT(i) a[i].number
#define GIVE_MECHANISM(i) (CK_MECHANISM *)a[i].in
#define GIVE_PROCESS GIVE_MECHANISM
#define GIVE_PARAM(i) a[i].out, a[i].number
#define GIVE_PARAM_GIVING GIVE_PARAM
#define GIVE_IN(i) (CK_BYTE *)a[i].in, a[i].number
#define GIVE_PIN(i) (CK_UTF8CHAR *)a[i].in, a[i].number
#define GIVE_TEMPLATE(i) (CK_ATTRIBUTE *)a[i].in, a[i].number
#define GIVE_SEARCH(i) (CK_ATTRIBUTE *)a[i].in, a[i].number
#define GIVE_ATTRS GIVE_PARAM
#define GIVE_OUT(i) a[i].out, a[i].out_len
#define GIVE_RANDOM GIVE_PARAM
#define GIVE_OUT_HANDLE(i) a[i].out
#define GIVE_OUT_HANDLES(i) a[i].out, a[i].number, a[i].out_len
#define GIVE_OUT_ULONGS(i) a[i].out, a[i].out_len
#define GIVE_OUT_INFO(i) a[i].out
#define GIVE_OUT_NUMBER(i) a[i].out

#define CALL_SLOT(name, ...) return f->name(P11_EACH(GIVE_, __VA_ARGS__));
#define CALL_LOGIN CALL_SLOT
#define CALL_SESSION CALL_SLOT
#define CALL_MESSAGE(name, ...)                                                                               \
	if (!f3 || !f3->name)                                                                                 \
		break;                                                                                        \
	return f3->name(P11_EACH(GIVE_, __VA_ARGS__));
#define CALL_HOST(name, ...) break;
#define CASE(where, name, flags, op, part, repeat, ...) case P11_##name: CALL_##where(name, __VA_ARGS__)

/* A library that has no functions for messages may say of a mechanism that they can be done. */
static CK_RV get_mechanism_info(CK_FUNCTION_LIST *f, CK_SLOT_ID slot, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO *ret)
{
	CK_RV rv = f->C_GetMechanismInfo(slot, type, ret);

	if (rv == CKR_OK && f->version.major < 3)
		ret->flags &= ~(CK_FLAGS)P11_MESSAGE_USES;
	return rv;
}

static CK_RV run(CK_FUNCTION_LIST *f, CK_SLOT_ID slot, enum p11_fn fn, const struct p11_arg *a)
{
	CK_FUNCTION_LIST_3_0 *f3 = f->version.major >= 3 ? (CK_FUNCTION_LIST_3_0 *)f : NULL;

	if (fn == P11_C_GetAttributeValue)
		return get_attributes(f, a[0].number, a[1].number, a[2].out, a[2].number);
	if (fn == P11_C_GetMechanismInfo)
		return get_mechanism_info(f, slot, a[1].number, a[2].out);
	switch (fn) {
		P11_FUNCTIONS(CASE)
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

struct p11_arg *p11_result_of(struct p11_call *call, enum p11_arg_kind *ret_kind)
{
	const enum p11_arg_kind *kinds = p11_fn_table[call->fn].args;

	for (int n = 0; n < P11_ARGS_MAX && kinds[n] != P11_ARG_END; n++) {
		if (kinds[n] != P11_ARG_OUT && kinds[n] != P11_ARG_OUT_ULONGS && kinds[n] != P11_ARG_OUT_HANDLES &&
		    kinds[n] != P11_ARG_ATTRS)
			continue;
		*ret_kind = kinds[n];
		return &call->args[n];
	}
	return NULL;
}

/* Refused before anything was read: what stands in the lengths is the room there was. */
static CK_RV refuse(struct p11_call *call, enum p11_arg_kind kind, struct p11_arg *result)
{
	CK_ATTRIBUTE *values = kind == P11_ARG_ATTRS ? result->out : NULL;

	for (CK_ULONG i = 0; values && call->rv == CKR_ATTRIBUTE_TYPE_INVALID && i < result->number; i++)
		values[i].ulValueLen = CK_UNAVAILABLE_INFORMATION;
	return call->rv;
}

CK_RV p11_execute(CK_FUNCTION_LIST *functions, CK_SLOT_ID slot, struct p11_call *call)
{
	enum p11_arg_kind kind = P11_ARG_END;
	struct p11_arg *result = p11_result_of(call, &kind);
	struct rooms rooms;

	call->rv = p11_call_check(call);
	if (call->rv != CKR_OK)
		return refuse(call, kind, result);
	if (!result)
		return call->rv = run(functions, slot, call->fn, call->args);
	measure(kind, result, &rooms);
	call->rv = run(functions, slot, call->fn, call->args);
	if (!within(call, kind, result, &rooms))
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

/* ---- operations ---- */

/* Of its mechanism, and of its key. */
static const struct {
	CK_FLAGS flag, use;
} op_flags[P11_OP_MAX] = {
	[P11_OP_ENCRYPT] = {CKF_ENCRYPT, CKF_ENCRYPT},
	[P11_OP_DECRYPT] = {CKF_DECRYPT, CKF_DECRYPT},
	[P11_OP_DIGEST] = {CKF_DIGEST, CKF_DIGEST},
	[P11_OP_SIGN] = {CKF_SIGN, CKF_SIGN},
	[P11_OP_VERIFY] = {CKF_VERIFY, CKF_VERIFY},
	[P11_OP_SIGN_RECOVER] = {CKF_SIGN_RECOVER, CKF_SIGN_RECOVER},
	[P11_OP_VERIFY_RECOVER] = {CKF_VERIFY_RECOVER, CKF_VERIFY_RECOVER},
	[P11_OP_MESSAGE_ENCRYPT] = {CKF_MESSAGE_ENCRYPT, CKF_ENCRYPT},
	[P11_OP_MESSAGE_DECRYPT] = {CKF_MESSAGE_DECRYPT, CKF_DECRYPT},
	[P11_OP_MESSAGE_SIGN] = {CKF_MESSAGE_SIGN, CKF_SIGN},
	[P11_OP_MESSAGE_VERIFY] = {CKF_MESSAGE_VERIFY, CKF_VERIFY},
};

CK_FLAGS p11_op_flag(enum p11_op op)
{
	return op_flags[op].flag;
}

CK_FLAGS p11_op_use(enum p11_op op)
{
	return op_flags[op].use;
}

bool p11_op_is_message(enum p11_op op)
{
	return op_flags[op].flag != op_flags[op].use;
}

enum p11_fn p11_fn_of(enum p11_op op, enum p11_part part)
{
	int fn = 0;

	while (fn < P11_FN_MAX && (p11_fn_table[fn].op != op || p11_fn_table[fn].part != part))
		fn++;
	return fn;
}

bool p11_call_ends(const struct p11_call *call)
{
	const struct p11_fn_info *info = &p11_fn_table[call->fn];

	/* Searches and processes of messages end with their last call only. */
	if (info->op == P11_OP_FIND || (p11_op_is_message(info->op) && info->part != P11_PART_INIT))
		return info->part == P11_PART_FINAL && call->rv == CKR_OK;
	if (call->rv == CKR_BUFFER_TOO_SMALL)
		return false;
	return call->rv != CKR_OK || info->part == P11_PART_ONCE || info->part == P11_PART_FINAL;
}

/* ---- binding ---- */

/* A handle inside a parameter is translated in a copy. */
static CK_RV bind_mechanism(struct p11_arg *arg, CK_RV (*object)(void *, CK_OBJECT_HANDLE, CK_OBJECT_HANDLE *), void *data,
			    struct p11_inside *inside)
{
	const CK_MECHANISM *from = arg->in;
	const struct p11_mech *row = p11_mech(from->mechanism);

	if (!row || row->param != P11_PARAM_OBJECT)
		return CKR_OK;
	inside->mechanism = (CK_MECHANISM){from->mechanism, &inside->object, sizeof(inside->object)};
	arg->in = &inside->mechanism;
	return object(data, *(CK_OBJECT_HANDLE *)from->pParameter, &inside->object);
}

CK_RV p11_bind(const struct p11_call *call, CK_SESSION_HANDLE session,
	       CK_RV (*object)(void *data, CK_OBJECT_HANDLE from, CK_OBJECT_HANDLE *ret), void *data,
	       struct p11_call *ret, struct p11_inside *inside)
{
	const enum p11_arg_kind *kinds = p11_fn_table[call->fn].args;
	CK_RV rv = CKR_OK;

	*ret = *call;
	for (int n = 0; n < P11_ARGS_MAX && kinds[n] != P11_ARG_END && rv == CKR_OK; n++) {
		struct p11_arg *arg = &ret->args[n];

		if (kinds[n] == P11_ARG_SESSION)
			arg->number = session;
		else if (kinds[n] == P11_ARG_OBJECT)
			rv = object(data, arg->number, &arg->number);
		else if (kinds[n] == P11_ARG_MECHANISM)
			rv = bind_mechanism(arg, object, data, inside);
	}
	return rv;
}
