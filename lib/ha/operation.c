/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Active operations: what a session's Init began (PKCS#11 v3.0 section 5.2).
 *
 * Sign, verify and digest keep what they are fed and send all of it at the end, so any member can do it and any other
 * can repeat it; encrypt and decrypt give output before their end: they stand on a member, and are put on another one
 * from the log when that is lost.
 */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "ha/internal.h"
#include "p11/curve.h"
#include "p11/object.h"
#include "p11/rv.h"

enum {
	STEP = 1 << 20,			/* of input that is not kept */
	BLOCK_MAX = 64,			/* more than any cipher holds back */
};

/* Does it give output before its end? */
static bool streams(const struct ha_operation *o)
{
	return o->op == P11_OP_ENCRYPT || o->op == P11_OP_DECRYPT;
}

struct p11_call ha_operation_init(const struct ha_operation *o)
{
	return p11_init(p11_fn_of(o->op, P11_PART_INIT), 0, &o->mechanism.ck, o->key);
}

void ha_operation_free(struct ha_operation *o)
{
	if (!o)
		return;
	ha_stream_release(&o->stream);
	ha_log_release(&o->log);
	ha_result_release(&o->result);
	p11_mechanism_release(&o->mechanism);
	free(o);
}

/* ---- beginning ---- */

/* Bytes of a number of the key's, 0 where it has none. Some tokens write a sign byte before it. */
static CK_ULONG number_len_of(const struct p11_attrs *attrs, CK_ATTRIBUTE_TYPE type)
{
	const CK_ATTRIBUTE *number = p11_attrs_find(attrs, type);
	const CK_BYTE *at = number ? number->pValue : NULL;
	CK_ULONG len = number ? number->ulValueLen : 0;

	while (len && !*at) {
		at++;
		len--;
	}
	return len;
}

/* Bytes of the order of an EC key's curve, or of a DSA key's group; 0 for other keys and curves. */
static CK_ULONG order_len_of(const struct p11_attrs *attrs)
{
	const struct p11_curve *curve = p11_curve(p11_attrs_find(attrs, CKA_EC_PARAMS));

	return curve ? curve->order_len : number_len_of(attrs, CKA_SUBPRIME);
}

/* What there is to know of the key. */
static CK_RV take_key(void *data, const struct record *record, size_t part)
{
	const struct p11_attrs *key = &record->objects[part];
	struct ha_operation *o = data;

	o->modulus_len = number_len_of(key, CKA_MODULUS);
	o->order_len = order_len_of(key);
	o->key_len = p11_attrs_ulong(key, CKA_VALUE_LEN, CK_UNAVAILABLE_INFORMATION);
	o->waits = o->each_time = p11_attrs_bool(key, CKA_ALWAYS_AUTHENTICATE, false);
	return CKR_OK;
}

/* Where tokens differ one is asked now, not when all is fed; the operation stands there. */
static CK_RV ask_token(struct ha_operation *o)
{
	o->alone = !p11_op_is_message(o->op) && p11_mech_is_doubtful(&o->mechanism.ck, o->key_len);
	return o->alone ? ha_stream_begin(o) : CKR_OK;
}

static int copy_mechanism(struct ha_operation *o, const CK_MECHANISM *from, struct err *err)
{
	return p11_op_is_message(o->op) ? p11_process_copy(from, &o->mechanism, err)
					: p11_mechanism_copy(from, &o->mechanism, err);
}

static CK_RV begin(struct ha_session *session, const struct p11_call *call, struct ha_operation **ret)
{
	const CK_MECHANISM *mechanism = call->args[1].in;
	struct ha_operation *o = mem_new(struct ha_operation);
	struct err err = {0};
	CK_RV rv;

	if (!o)
		return CKR_HOST_MEMORY;
	o->group = session->group;
	o->op = p11_fn_table[call->fn].op;
	o->number = ++session->n_started;
	ha_log_init(&o->log);
	ha_stream_init(&o->stream);
	ha_result_init(&o->result);
	rv = ha_mechanism_check(o->group, mechanism->mechanism, p11_op_flag(o->op));
	if (rv == CKR_OK && p11_fn_table[call->fn].args[2] == P11_ARG_OBJECT) {
		o->key = call->args[2].number;
		rv = ha_key_look(o->group, o->key, p11_op_use(o->op), mechanism->mechanism, take_key, o);
	}
	if (rv == CKR_OK && copy_mechanism(o, mechanism, &err) < 0)
		rv = p11_rv_from_err(&err);
	if (rv == CKR_OK)
		rv = ask_token(o);
	if (rv == CKR_OK)
		*ret = o;
	else
		ha_operation_free(o);
	return rv;
}

/* ---- going on ---- */

/* What every token would refuse, and some die of. len: of all that comes in. */
static CK_RV check_input(const struct ha_operation *o, const struct p11_call *call, CK_ULONG len)
{
	CK_RV rv = p11_mech_input_check(&o->mechanism.ck, p11_op_flag(o->op), o->modulus_len, len);
	const struct p11_arg *signature = p11_fn_table[call->fn].part == P11_PART_ONCE ? &call->args[2] : &call->args[1];

	if (rv == CKR_OK && o->op == P11_OP_VERIFY && o->modulus_len && signature->number != o->modulus_len)
		rv = CKR_SIGNATURE_LEN_RANGE;
	return rv;
}

/* Is the length of the result all that can be said now, and known without a member? In *ret_rv what the call comes to. in_len:
 * of all that came in. */
static bool says_length(const struct ha_operation *o, struct p11_call *call, CK_ULONG in_len, CK_RV *ret_rv)
{
	enum p11_arg_kind kind;
	struct p11_arg *result = p11_result_of(call, &kind);
	CK_ULONG len = p11_mech_output_len(&o->mechanism.ck, p11_op_flag(o->op), o->modulus_len, o->order_len, in_len);

	if (!result || len == CK_UNAVAILABLE_INFORMATION)
		return false;
	/* What is decrypted may be shorter. */
	if (result->out && (o->op == P11_OP_DECRYPT || *result->out_len >= len))
		return false;
	*ret_rv = result->out ? CKR_BUFFER_TOO_SMALL : CKR_OK;
	*result->out_len = len;
	return true;
}

/* Of what was encrypted or decrypted in parts: what its end gives is no more than this. */
static bool says_rest(const struct ha_operation *o, struct p11_call *call)
{
	enum p11_arg_kind kind;
	struct p11_arg *result = p11_result_of(call, &kind);
	CK_ULONG len = p11_mech_output_len(&o->mechanism.ck, p11_op_flag(o->op), o->modulus_len, o->order_len,
					   o->stream.fed);

	if (!streams(o) || result->out || len == CK_UNAVAILABLE_INFORMATION)
		return false;
	*result->out_len = len > o->stream.delivered ? len - o->stream.delivered : 0;
	return true;
}

/* Room for what comes at the end of all that came in. */
static size_t room_at_end(const struct ha_operation *o, CK_ULONG in_len)
{
	CK_ULONG len = p11_mech_output_len(&o->mechanism.ck, p11_op_flag(o->op), o->modulus_len, o->order_len, in_len);

	if (streams(o))
		return in_len + RESULT_ROOM;
	return len < RESULT_ROOM ? len : RESULT_ROOM;
}

/* The call with room of ours for its result. */
static CK_RV redirect(struct ha_operation *o, const struct p11_call *call, size_t room, CK_ULONG *len, struct p11_call *ret)
{
	enum p11_arg_kind kind;
	struct p11_arg *result;
	uint8_t *at;
	CK_RV rv;

	*ret = *call;
	result = p11_result_of(ret, &kind);
	if (!result)
		return CKR_OK;
	rv = ha_result_room(&o->result, room, &at);
	*len = room;
	*result = (struct p11_arg){.out = at, .out_len = len};
	return rv;
}

/* What came of it, to the application, if it has room (*ret_given). in: what it was made from. */
static CK_RV hand_out(struct ha_operation *o, struct p11_call *call, const struct p11_arg *in, bool *ret_given)
{
	enum p11_arg_kind kind;
	struct p11_arg *result = p11_result_of(call, &kind);

	*ret_given = true;
	if (!result)
		return CKR_OK;
	return ha_result_give(&o->result, p11_fn_table[call->fn].part, in ? in->in : NULL, in ? in->number : 0, result->out,
			      result->out_len, ret_given);
}

/* The operation in one batch: its beginning, what it was fed, its end. */
static CK_RV send_whole(struct ha_operation *o, const struct p11_call *last, CK_ULONG *len)
{
	CK_ULONG room = *len;
	struct p11_call calls[CALLS_MAX];
	size_t count = 0;

	calls[count++] = ha_operation_init(o);
	for (size_t n = 0; n < o->log.count; n++)
		calls[count++] = ha_log_call(&o->log, n, 0, LOG_MAX, NULL, NULL);
	*len = room;
	calls[count++] = *last;
	return ha_send(o->group, calls, count, NULL);
}

/* There was room of ours for all that came in: what a member lacks is not the application's. */
static CK_RV outward(const struct ha_operation *o, CK_RV rv)
{
	if (rv != CKR_BUFFER_TOO_SMALL)
		return rv;
	return o->op == P11_OP_DECRYPT ? CKR_ENCRYPTED_DATA_LEN_RANGE : CKR_DATA_LEN_RANGE;
}

/* Of input at once. What was encrypted in one call can be decrypted in one. */
static CK_ULONG most(const struct ha_operation *o)
{
	return o->op == P11_OP_DECRYPT ? SINGLE_MAX + BLOCK_MAX : SINGLE_MAX;
}

/* Output comes at once. */
static CK_RV update_giving(struct ha_operation *o, struct p11_call *call)
{
	const struct p11_arg *in = &call->args[1], *out = &call->args[2];
	struct p11_call ours;
	CK_ULONG made;
	bool given;
	CK_RV rv;

	if (in->number > most(o))
		return CKR_DATA_LEN_RANGE;
	/* A question for the length must not take the input in; the answer may be
	 * larger than what comes (PKCS#11 v3.0 section 5.2). */
	if (!out->out) {
		*out->out_len = in->number + BLOCK_MAX + o->stream.ahead.len;
		return CKR_OK;
	}
	if (!ha_result_waits(&o->result, P11_PART_UPDATE, in->in, in->number)) {
		if (o->result.of)
			return CKR_OPERATION_ACTIVE;
		rv = redirect(o, call, ha_stream_room(&o->stream, in->number), &made, &ours);
		if (rv == CKR_OK)
			rv = ha_stream_send(o, &ours);
		if (rv != CKR_OK)
			return outward(o, rv);
		o->stream.fed += in->number;
		o->result.bytes.len = made;
		ha_log_add(&o->log, call);
	}
	return hand_out(o, call, in, &given);
}

/* To a member, step by step, and kept as long as there is room: without it a replay is not possible any more. */
static CK_RV feed(struct ha_operation *o, const struct p11_call *call)
{
	bool bytes = p11_fn_table[call->fn].args[1] == P11_ARG_IN;
	const struct p11_arg *in = &call->args[1];
	CK_ULONG at = 0;
	CK_RV rv;

	do {
		struct p11_call step = *call;

		if (bytes)
			step.args[1] = (struct p11_arg){.in = (const uint8_t *)in->in + at,
							.number = in->number - at < STEP ? in->number - at : STEP};
		rv = ha_stream_send(o, &step);
		if (rv == CKR_OK)
			ha_log_add(&o->log, &step);
		at += STEP;
	} while (bytes && at < in->number && rv == CKR_OK);
	return rv;
}

/* Nothing is sent before the end, unless the operation stands somewhere, or there is more than can be sent, or kept, at
 * once. */
static CK_RV update_taking(struct ha_operation *o, const struct p11_call *call)
{
	if (o->alone || o->stream.channel || !ha_log_fits_call(&o->log, call))
		return feed(o, call);
	ha_log_add(&o->log, call);
	/* No member has it either: what comes at the end would be of other input. */
	return o->log.overflowed ? CKR_HOST_MEMORY : CKR_OK;
}

/* May its value go into a digest? Only what may be read. */
static CK_RV check_digested(struct ha_operation *o, const struct p11_call *call)
{
	owned(record) struct record record = {0};
	size_t part;

	if (p11_fn_table[call->fn].args[1] != P11_ARG_OBJECT)
		return CKR_OK;
	if (ha_object_get(o->group, call->args[1].number, &record, &part) != CKR_OK)
		return CKR_KEY_HANDLE_INVALID;
	return p11_object_of(&record.objects[part]).class == CKO_SECRET_KEY && p11_object_reveals(&record.objects[part])
		       ? CKR_OK
		       : CKR_KEY_INDIGESTIBLE;
}

static bool asks_length(const struct p11_call *call)
{
	struct p11_call asked = *call;
	enum p11_arg_kind kind;
	const struct p11_arg *result = p11_result_of(&asked, &kind);

	return result && !result->out;
}

/* Of an operation in one piece there are no parts: tokens say that it was never begun. */
static bool takes_whole(const struct ha_operation *o)
{
	const struct p11_mech *row = p11_mech(o->mechanism.ck.mechanism);

	return row && row->whole;
}

static CK_RV update(struct ha_operation *o, struct p11_call *call, bool *ret_over)
{
	CK_RV rv = check_digested(o, call);

	*ret_over = false;
	if (rv != CKR_OK)
		return rv;
	if (takes_whole(o)) {
		*ret_over = true;
		return CKR_OPERATION_NOT_INITIALIZED;
	}
	o->updated = true;
	rv = streams(o) ? update_giving(o, call) : update_taking(o, call);
	*ret_over = rv != CKR_OK && rv != CKR_BUFFER_TOO_SMALL;
	return rv;
}

static CK_RV final(struct ha_operation *o, struct p11_call *call, bool *ret_over)
{
	struct p11_call ours;
	CK_ULONG made = 0;
	CK_RV rv;

	*ret_over = true;
	if (o->result.of && o->result.of != P11_PART_FINAL)
		return CKR_OPERATION_ACTIVE;
	if (takes_whole(o)) {
		/* A question for a length ends nothing. */
		*ret_over = !asks_length(call);
		return streams(o) ? CKR_FUNCTION_NOT_SUPPORTED : CKR_OPERATION_NOT_INITIALIZED;
	}
	if (!o->result.of) {
		if (says_rest(o, call)) {
			*ret_over = false;
			return CKR_OK;
		}
		rv = check_input(o, call, streams(o) ? o->stream.fed : o->log.bytes.len);
		if (rv == CKR_OK && !streams(o) && says_length(o, call, o->log.bytes.len, &rv)) {
			*ret_over = false;
			return rv;
		}
		if (rv == CKR_OK)
			rv = redirect(o, call, streams(o) ? ha_stream_room(&o->stream, 0) : room_at_end(o, o->log.bytes.len), &made,
				      &ours);
		if (rv == CKR_OK)
			rv = streams(o) || o->alone || o->stream.channel ? ha_stream_send(o, &ours)
									 : send_whole(o, &ours, &made);
		if (rv != CKR_OK)
			return outward(o, rv);
		o->result.bytes.len = made;
	}
	rv = hand_out(o, call, NULL, ret_over);
	*ret_over = *ret_over || rv == CKR_HOST_MEMORY;
	return rv;
}

/* Is it room that is asked for, or that there is too little of? The answer is what is enough; what was begun without could
 * not be ended. */
static bool lacks_room(const struct ha_operation *o, struct p11_call *call, CK_ULONG in_len, CK_RV *ret_rv)
{
	enum p11_arg_kind kind;
	struct p11_arg *result = p11_result_of(call, &kind);
	CK_ULONG len = p11_mech_output_len(&o->mechanism.ck, p11_op_flag(o->op), o->modulus_len, o->order_len, in_len);

	if (!result || says_length(o, call, in_len, ret_rv))
		return result != NULL;
	if (len == CK_UNAVAILABLE_INFORMATION)
		len = !streams(o) ? RESULT_ROOM : result->out ? in_len : in_len + BLOCK_MAX;
	if (result->out && (!streams(o) || *result->out_len >= len))
		return false;
	*ret_rv = result->out ? CKR_BUFFER_TOO_SMALL : CKR_OK;
	*result->out_len = len;
	return true;
}

/* What is too long for one message. The result's length is known before, or is at most that of the input. */
static CK_RV once_in_parts(struct ha_operation *o, struct p11_call *call, bool *ret_over)
{
	const struct p11_arg *in = &call->args[1];
	enum p11_arg_kind kind;
	struct p11_arg *result = p11_result_of(call, &kind);
	CK_ULONG room = result ? *result->out_len : 0, made = 0, len = 0;
	struct p11_call last;
	CK_RV rv = CKR_OK;

	*ret_over = !lacks_room(o, call, in->number, &rv);
	if (!*ret_over)
		return rv;
	for (CK_ULONG at = 0; at < in->number && rv == CKR_OK; at += STEP) {
		CK_ULONG step = in->number - at < STEP ? in->number - at : STEP;
		uint8_t *out = result ? (uint8_t *)result->out + made : NULL;
		struct p11_call part = p11_transform(p11_fn_of(o->op, P11_PART_UPDATE), 0, (const uint8_t *)in->in + at, step,
						     out, &len);

		len = room - made;
		rv = streams(o) ? update_giving(o, &part) : update_taking(o, &part);
		made += streams(o) && rv == CKR_OK ? len : 0;
	}
	if (rv != CKR_OK)
		return rv == CKR_BUFFER_TOO_SMALL ? CKR_DEVICE_ERROR : rv;
	last = (struct p11_call){.fn = p11_fn_of(o->op, P11_PART_FINAL), .rv = P11_NOT_RUN};
	len = room - made;
	last.args[1] = result ? (struct p11_arg){.out = (uint8_t *)result->out + made, .out_len = &len} : call->args[2];
	rv = final(o, &last, ret_over);
	if (result && rv == CKR_OK)
		*result->out_len = made + len;
	return rv;
}

static CK_RV once(struct ha_operation *o, struct p11_call *call, bool *ret_over)
{
	const struct p11_arg *in = &call->args[1];
	CK_ULONG limit = streams(o) ? most(o) : (CK_ULONG)LOG_MAX - RESULT_ROOM, made = 0;
	struct p11_call ours;
	CK_RV rv;

	*ret_over = true;
	if (o->updated)
		return CKR_OPERATION_ACTIVE;
	if (in->number > limit)
		return takes_whole(o) ? CKR_DATA_LEN_RANGE : once_in_parts(o, call, ret_over);
	if (!ha_result_waits(&o->result, P11_PART_ONCE, in->in, in->number)) {
		rv = check_input(o, call, in->number);
		if (rv == CKR_OK && says_length(o, call, in->number, &rv)) {
			*ret_over = false;
			return rv;
		}
		if (rv == CKR_OK)
			rv = redirect(o, call, room_at_end(o, in->number), &made, &ours);
		if (rv == CKR_OK)
			rv = o->alone ? ha_stream_send(o, &ours) : send_whole(o, &ours, &made);
		if (rv != CKR_OK)
			return outward(o, rv);
		o->result.bytes.len = made;
	}
	rv = hand_out(o, call, in, ret_over);
	*ret_over = *ret_over || rv == CKR_HOST_MEMORY;
	return rv;
}

static CK_RV go_on(struct ha_operation *o, struct p11_call *call, bool *ret_over)
{
	*ret_over = true;
	/* On members no process of messages is any longer than one of them. */
	if (p11_op_is_message(o->op) && p11_fn_table[call->fn].part == P11_PART_FINAL)
		return CKR_OK;
	/* For the next message it may be given yet. */
	if (o->waits) {
		*ret_over = !p11_op_is_message(o->op);
		return CKR_USER_NOT_LOGGED_IN;
	}
	/* Whoever logs out has no private keys any more, nor has anybody one that is gone. */
	if (o->key && !ha_object_is_there(o->group, o->key))
		return ha_logged_in(o->group) ? CKR_KEY_HANDLE_INVALID : CKR_USER_NOT_LOGGED_IN;
	if (p11_op_is_message(o->op)) {
		*ret_over = false;
		return ha_message(o, call);
	}
	switch (p11_fn_table[call->fn].part) {
	case P11_PART_ONCE:
		return once(o, call, ret_over);
	case P11_PART_UPDATE:
		return update(o, call, ret_over);
	case P11_PART_FINAL:
		return final(o, call, ret_over);
	case P11_PART_NONE:
	case P11_PART_INIT:
		break;
	}
	return CKR_FUNCTION_NOT_SUPPORTED;
}

CK_RV ha_operate(struct ha_session *session, struct p11_call *call)
{
	const struct p11_fn_info *info = &p11_fn_table[call->fn];
	struct ha_operation **at = &session->operations[info->op];
	bool over;
	CK_RV rv;

	if (info->part == P11_PART_INIT)
		return *at ? CKR_OPERATION_ACTIVE : begin(session, call, at);
	if (!*at)
		return CKR_OPERATION_NOT_INITIALIZED;
	rv = go_on(*at, call, &over);
	if (over) {
		ha_operation_free(*at);
		*at = NULL;
	}
	return rv;
}

/* ---- two at once ---- */

/* One goes over what is encrypted, before, or was decrypted, after (PKCS#11 v3.0 section 5.17). */
CK_RV ha_operate_both(struct ha_session *session, struct p11_call *call)
{
	bool decrypts = call->fn == P11_C_DecryptDigestUpdate || call->fn == P11_C_DecryptVerifyUpdate;
	enum p11_op other = call->fn == P11_C_SignEncryptUpdate ? P11_OP_SIGN
			    : call->fn == P11_C_DecryptVerifyUpdate ? P11_OP_VERIFY : P11_OP_DIGEST;
	const struct p11_arg *in = &call->args[1], *out = &call->args[2];
	struct p11_call crypt = *call, over = {.fn = p11_fn_of(other, P11_PART_UPDATE), .rv = P11_NOT_RUN};
	CK_RV rv;

	if (!session->operations[other] || !session->operations[decrypts ? P11_OP_DECRYPT : P11_OP_ENCRYPT])
		return CKR_OPERATION_NOT_INITIALIZED;
	crypt.fn = p11_fn_of(decrypts ? P11_OP_DECRYPT : P11_OP_ENCRYPT, P11_PART_UPDATE);
	rv = ha_operate(session, &crypt);
	/* A question, or no room: the same comes again. */
	if (rv != CKR_OK || !out->out)
		return rv;
	over.args[1] = decrypts ? (struct p11_arg){.in = out->out, .number = *out->out_len} : *in;
	return ha_operate(session, &over);
}

void ha_session_cancel(struct ha_session *session, CK_FLAGS flags)
{
	struct p11_call end = p11_C_FindObjectsFinal(0);

	for (int op = 0; op < P11_OP_MAX; op++) {
		if (!session->operations[op] || !(p11_op_flag(op) & flags))
			continue;
		ha_operation_free(session->operations[op]);
		session->operations[op] = NULL;
	}
	if (flags & CKF_FIND_OBJECTS)
		ha_find_end(session, &end);
}
