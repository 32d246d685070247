/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that wait for a reply. */
#include "shape.h"

#include <string.h>

#include "fuzz.h"
#include "p11/template.h"

static const CK_ATTRIBUTE_TYPE types[] = {CKA_CLASS, CKA_LABEL, CKA_UNWRAP_TEMPLATE, CKA_VALUE,
					  CKA_ALLOWED_MECHANISMS, CKA_TOKEN, CKA_START_DATE, CKA_VALUE_LEN};
enum { TYPES = sizeof(types) / sizeof(types[0]) };

void shape_release(struct shape *shape)
{
	for (size_t i = 0; i < shape->n_blocks; i++)
		free(shape->blocks[i].at);
	*shape = (struct shape){0};
}

/* One that every member may be asked with. */
static const CK_MECHANISM mechanism = {CKM_ECDSA, NULL, 0};

static const CK_MECHANISM process = {CKM_AES_GCM, NULL, 0};

static void *block(struct shape *shape, size_t room)
{
	void *at = malloc(room);

	HOLDS(at && shape->n_blocks < SHAPE_BLOCKS);
	memset(at, 0xee, room);
	shape->blocks[shape->n_blocks].at = at;
	shape->blocks[shape->n_blocks++].room = room;
	return at;
}

static size_t room_of(const struct shape *shape, const void *at)
{
	for (size_t i = 0; i < shape->n_blocks; i++)
		if (shape->blocks[i].at == at)
			return shape->blocks[i].room;
	abort();
}

static size_t info_room(enum p11_fn fn)
{
	return fn == P11_C_GetInfo	  ? sizeof(CK_INFO)
	       : fn == P11_C_GetSlotInfo  ? sizeof(CK_SLOT_INFO)
	       : fn == P11_C_GetTokenInfo ? sizeof(CK_TOKEN_INFO)
	       : fn == P11_X_Lease	  ? sizeof(struct p11_lease)
					  : sizeof(CK_MECHANISM_INFO);
}

/* The low bits say how many, the others how large; a question for lengths has no room. */
static void give_values(struct shape *shape, struct p11_arg *a, uint8_t room)
{
	CK_ULONG count = room % (TYPES + 1), each = room / (TYPES + 1) * 8;
	CK_ATTRIBUTE *values = block(shape, count * sizeof(*values));

	for (CK_ULONG i = 0; i < count; i++)
		values[i] = (CK_ATTRIBUTE){types[i], each ? block(shape, each) : NULL, each};
	a->out = values;
	a->number = count;
}

/* With an IV of its own or the token's, as the room says. */
static void give_message(struct shape *shape, struct p11_arg *a, uint8_t room)
{
	CK_GCM_MESSAGE_PARAMS *p = block(shape, sizeof(*p));

	*p = (CK_GCM_MESSAGE_PARAMS){block(shape, 12), 12, room % 97, room % 5, block(shape, 16), 128};
	a->in = p11_message_form(CKM_AES_GCM);
	a->out = p;
	a->number = sizeof(*p);
}

static void give(struct shape *shape, const struct p11_call *call, enum p11_arg_kind kind, struct p11_arg *a, uint8_t room)
{
	size_t unit = kind == P11_ARG_OUT ? 1 : sizeof(CK_ULONG);

	switch (kind) {
	case P11_ARG_MECHANISM:
		a->in = &mechanism;
		break;
	case P11_ARG_PROCESS:
		a->in = &process;
		break;
	case P11_ARG_PARAM:
	case P11_ARG_PARAM_GIVING:
		give_message(shape, a, room);
		break;
	case P11_ARG_ATTRS:
		give_values(shape, a, room);
		break;
	case P11_ARG_OUT:
	case P11_ARG_OUT_ULONGS:
		a->out_len = block(shape, sizeof(CK_ULONG));
		*a->out_len = room;
		a->out = room == UINT8_MAX ? NULL : block(shape, room * unit);
		break;
	case P11_ARG_OUT_HANDLES:
		a->out_len = block(shape, sizeof(CK_ULONG));
		a->number = room;
		a->out = block(shape, room * unit);
		break;
	case P11_ARG_RANDOM:
		a->number = room;
		a->out = block(shape, room);
		break;
	case P11_ARG_OUT_HANDLE:
	case P11_ARG_OUT_NUMBER:
		a->out = block(shape, sizeof(CK_ULONG));
		break;
	case P11_ARG_OUT_INFO:
		a->out = block(shape, info_room(call->fn));
		break;
	default:
		break;
	}
}

void shape_add(struct shape *shape, unsigned fn, uint8_t room)
{
	struct p11_call *call = &shape->calls[shape->count++];

	*call = (struct p11_call){.fn = fn % P11_FN_MAX, .rv = P11_NOT_RUN};
	for (int n = 0; n < P11_ARGS_MAX && p11_fn_table[call->fn].args[n] != P11_ARG_END; n++)
		give(shape, call, p11_fn_table[call->fn].args[n], &call->args[n], room);
}

/* ---- answers ---- */

static void answer_value(const struct shape *shape, CK_ATTRIBUTE *value)
{
	static const CK_BBOOL yes = CK_TRUE;
	const CK_ATTRIBUTE inner = {CKA_SIGN, (void *)&yes, sizeof(yes)};
	const struct p11_attr_info *info = p11_attr_info(value->type);
	CK_ULONG room = value->ulValueLen;

	if (!value->pValue)
		value->ulValueLen = 24;
	else if (p11_attr_is_nested(value->type) && room_of(shape, value->pValue) >= p11_template_room(&inner, 1))
		p11_template_put(value->pValue, &inner, 1), value->ulValueLen = sizeof(inner);
	else if (p11_attr_is_nested(value->type) || room < sizeof(CK_ULONG))
		value->ulValueLen = CK_UNAVAILABLE_INFORMATION;
	else
		value->ulValueLen = info->kind == P11_ATTR_BOOL ? 1 : info->kind == P11_ATTR_BYTES ? room : 8;
}

static void answer(const struct shape *shape, enum p11_arg_kind kind, struct p11_arg *a)
{
	if (kind == P11_ARG_ATTRS)
		for (CK_ULONG i = 0; i < a->number; i++)
			answer_value(shape, &((CK_ATTRIBUTE *)a->out)[i]);
	if (kind == P11_ARG_OUT_HANDLES)
		*a->out_len = a->number;
}

void shape_answer(struct shape *shape, CK_RV rv)
{
	for (size_t i = 0; i < shape->count; i++) {
		struct p11_call *call = &shape->calls[i];

		call->rv = rv;
		for (int n = 0; n < P11_ARGS_MAX && p11_fn_table[call->fn].args[n] != P11_ARG_END; n++)
			answer(shape, p11_fn_table[call->fn].args[n], &call->args[n]);
	}
}

/* ---- what came ---- */

static void check_template(const struct shape *shape, const CK_ATTRIBUTE *value)
{
	const CK_ATTRIBUTE *items = value->pValue;
	const uint8_t *begin = value->pValue, *end = begin + room_of(shape, begin);
	CK_ULONG count = value->ulValueLen / sizeof(*items);

	HOLDS(value->ulValueLen % sizeof(*items) == 0);
	for (CK_ULONG i = 0; i < count; i++) {
		const uint8_t *at = items[i].pValue;

		HOLDS(!p11_attr_is_nested(items[i].type) && !p11_attr_is_strange(items[i].type));
		HOLDS(at >= begin && at <= end && items[i].ulValueLen <= (size_t)(end - at));
	}
}

static void check_value(const struct shape *shape, const CK_ATTRIBUTE *value, CK_RV rv)
{
	/* Lengths alone. */
	if (!value->pValue || rv == CKR_BUFFER_TOO_SMALL || value->ulValueLen == CK_UNAVAILABLE_INFORMATION)
		return;
	HOLDS(value->ulValueLen <= room_of(shape, value->pValue));
	if (p11_attr_is_nested(value->type))
		check_template(shape, value);
}

static void check_values(const struct shape *shape, const struct p11_arg *a, CK_RV rv)
{
	if (rv != CKR_OK && rv != CKR_ATTRIBUTE_SENSITIVE && rv != CKR_ATTRIBUTE_TYPE_INVALID)
		return;
	for (CK_ULONG i = 0; i < a->number; i++)
		check_value(shape, &((CK_ATTRIBUTE *)a->out)[i], rv);
}

static void check(const struct shape *shape, const struct p11_call *call, enum p11_arg_kind kind, const struct p11_arg *a)
{
	if (kind == P11_ARG_ATTRS)
		check_values(shape, a, call->rv);
	if (call->rv != CKR_OK || !a->out)
		return;
	if (kind == P11_ARG_OUT)
		HOLDS(*a->out_len <= room_of(shape, a->out));
	if (kind == P11_ARG_OUT_ULONGS || kind == P11_ARG_OUT_HANDLES)
		HOLDS(*a->out_len <= room_of(shape, a->out) / sizeof(CK_ULONG));
	if (kind == P11_ARG_OUT_INFO && call->fn == P11_X_Lease)
		HOLDS(memchr(((const struct p11_lease *)a->out)->holder, 0, P11_LEASE_HOLDER_MAX + 1));
}

void shape_check(const struct shape *shape)
{
	for (size_t i = 0; i < shape->count; i++) {
		const struct p11_call *call = &shape->calls[i];

		for (int n = 0; n < P11_ARGS_MAX && p11_fn_table[call->fn].args[n] != P11_ARG_END; n++)
			check(shape, call, p11_fn_table[call->fn].args[n], &call->args[n]);
	}
}
