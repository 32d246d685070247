/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages (PKCS#11 v3.0 sections 5.9 - 5.15): the application's process is the group's, and each message of it is one
 * batch to some member, which begins a process, has this message, and ends it. So any member can do it, and any other
 * can repeat it: with the caller's IV, or with a new one that the token makes, since none of before was given out.
 */
#include <string.h>

#include "ha/internal.h"

/* SP 800-38D section 8.2.2: a random field of an IV has so many bits. */
enum { RANDOM_BITS_MIN = 96 };

/* The parameter, as it is sent: what the application's leads to is the application's. */
struct param {
	const struct p11_message_form *form;
	_Alignas(max_align_t) uint8_t bytes[P11_MESSAGE_PARAM_MAX];
};

static const struct p11_arg *input_of(const struct p11_call *call)
{
	bool has_aad = call->fn == P11_C_EncryptMessage || call->fn == P11_C_DecryptMessage;

	return &call->args[has_aad ? 3 : 2];
}

/* No member knows where another's counter stands, and the process is another one for each message: two IVs that are
 * counted would be the same. Those that are the token's own affair are random, if that is enough. */
static CK_RV choose_generator(const struct p11_call *call, struct param *param)
{
	CK_GENERATOR_FUNCTION generator = p11_message_generator(param->form, param->bytes);

	if (call->fn != P11_C_EncryptMessage || generator == CKG_NO_GENERATE || generator == CKG_GENERATE_RANDOM)
		return CKR_OK;
	if (generator != CKG_GENERATE || p11_message_free_bits(param->form, param->bytes) < RANDOM_BITS_MIN)
		return CKR_MECHANISM_PARAM_INVALID;
	p11_message_set_generator(param->form, param->bytes, CKG_GENERATE_RANDOM);
	return CKR_OK;
}

static CK_RV read_param(const struct ha_operation *o, const struct p11_call *call, struct param *ret)
{
	const struct p11_arg *arg = &call->args[1];
	CK_RV rv;

	ret->form = p11_message_form(o->mechanism.ck.mechanism);
	rv = p11_message_check(ret->form, arg->out, arg->number);
	if (rv == CKR_OK && !ret->form && !p11_param_is_plain(arg->out, arg->number))
		rv = CKR_MECHANISM_PARAM_INVALID;
	if (rv != CKR_OK)
		return rv;
	if (arg->number)
		memcpy(ret->bytes, arg->out, arg->number);
	return ret->form ? choose_generator(call, ret) : CKR_OK;
}

/* What every token would refuse, and some die of; and what no message to a member has room for. */
static CK_RV check_input(const struct ha_operation *o, const struct p11_call *call)
{
	const struct p11_arg *in = input_of(call);
	bool signs = o->op == P11_OP_MESSAGE_SIGN || o->op == P11_OP_MESSAGE_VERIFY;
	CK_ULONG most = signs ? (CK_ULONG)LOG_MAX - RESULT_ROOM : (CK_ULONG)SINGLE_MAX;

	if (in->number > most || (!signs && call->args[2].number > most))
		return CKR_DATA_LEN_RANGE;
	if (call->fn == P11_C_VerifyMessage && o->modulus_len && call->args[3].number != o->modulus_len)
		return CKR_SIGNATURE_LEN_RANGE;
	return p11_message_form(o->mechanism.ck.mechanism)
		       ? CKR_OK
		       : p11_mech_input_check(&o->mechanism.ck, p11_op_use(o->op), o->modulus_len, in->number);
}

/* AEADs put the tag into the parameter. */
static CK_ULONG output_len(const struct ha_operation *o, const struct p11_call *call)
{
	CK_ULONG len = input_of(call)->number;

	return p11_message_form(o->mechanism.ck.mechanism)
		       ? len
		       : p11_mech_output_len(&o->mechanism.ck, p11_op_use(o->op), o->modulus_len, o->order_len, len);
}

/* Is all that can be said now the length of the result? In *ret_rv what the call comes to. */
static bool says_length(const struct ha_operation *o, struct p11_call *call, CK_RV *ret_rv)
{
	enum p11_arg_kind kind;
	struct p11_arg *result = p11_result_of(call, &kind);
	CK_ULONG len = output_len(o, call);

	if (!result || len == CK_UNAVAILABLE_INFORMATION || (result->out && *result->out_len >= len))
		return false;
	*ret_rv = result->out ? CKR_BUFFER_TOO_SMALL : CKR_OK;
	*result->out_len = len;
	return true;
}

/* As one member is to hear it. */
static CK_RV send(struct ha_operation *o, const struct p11_call *call, struct param *param)
{
	struct p11_call calls[] = {
		ha_operation_init(o), *call, {.fn = p11_fn_of(o->op, P11_PART_FINAL), .rv = P11_NOT_RUN},
	};
	CK_ULONG most = input_of(call)->number + RESULT_ROOM;
	enum p11_arg_kind kind;
	struct p11_arg *result = p11_result_of(&calls[1], &kind);

	calls[1].args[1] = (struct p11_arg){.in = param->form, .out = param->bytes, .number = call->args[1].number};
	/* No more than the result can be: room is sent for. */
	if (result && result->out && *result->out_len > most)
		*result->out_len = most;
	return ha_send(o->group, calls, sizeof(calls) / sizeof(calls[0]), NULL);
}

CK_RV ha_message(struct ha_operation *o, struct p11_call *call)
{
	const struct p11_arg *arg = &call->args[1];
	struct param param;
	CK_RV rv = read_param(o, call, &param);

	if (rv == CKR_OK)
		rv = check_input(o, call);
	if (rv != CKR_OK || says_length(o, call, &rv))
		return rv;
	rv = send(o, call, &param);
	if (rv == CKR_OK && !param.form && p11_fn_table[call->fn].args[1] == P11_ARG_PARAM_GIVING && arg->number)
		memcpy(arg->out, param.bytes, arg->number);
	if (rv == CKR_OK)
		o->waits = o->each_time;
	return rv;
}
