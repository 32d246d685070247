/* SPDX-License-Identifier: Apache-2.0 */
/* Active operations: single-part calls that any member can do, streams that can be replayed. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "ha/internal.h"
#include "member/member.h"
#include "p11/rv.h"

enum {
	REPLAY_MAX = 16 << 20,		/* recorded input of one operation */
	RESULT_ROOM = 64 << 10,		/* more than any signature or digest */
	REPLAY_STEP = 1 << 20,
	SINGLE_MAX = 3 << 20,		/* encrypt and decrypt in one call */
	BLOCK_MAX = 64,			/* more than any cipher holds back */
};

static const struct {
	enum p11_fn init, once, update, final;
	CK_FLAGS use;
	CK_ATTRIBUTE_TYPE allowed;
	bool streams;			/* gives output before its end */
} kinds[HA_KIND_MAX] = {
	[HA_ENCRYPT] = {P11_C_EncryptInit, P11_C_Encrypt, P11_C_EncryptUpdate, P11_C_EncryptFinal, CKF_ENCRYPT, CKA_ENCRYPT, true},
	[HA_DECRYPT] = {P11_C_DecryptInit, P11_C_Decrypt, P11_C_DecryptUpdate, P11_C_DecryptFinal, CKF_DECRYPT, CKA_DECRYPT, true},
	[HA_DIGEST] = {P11_C_DigestInit, P11_C_Digest, P11_C_DigestUpdate, P11_C_DigestFinal, CKF_DIGEST, 0, false},
	[HA_SIGN] = {P11_C_SignInit, P11_C_Sign, P11_C_SignUpdate, P11_C_SignFinal, CKF_SIGN, CKA_SIGN, false},
	[HA_VERIFY] = {P11_C_VerifyInit, P11_C_Verify, P11_C_VerifyUpdate, P11_C_VerifyFinal, CKF_VERIFY, CKA_VERIFY, false},
};

struct ha_operation {
	struct ha_group *group;
	enum ha_kind kind;
	struct p11_mechanism mechanism;
	CK_OBJECT_HANDLE key;
	CK_ULONG modulus_len;		/* of an RSA key, 0 = another one */
	bool waits;			/* for the PIN */
	unsigned ended;			/* members in a row that ended over a call of this stream */
	bool moved;			/* one of its calls was answered: it is not what members end over */
	bool updated;			/* an Update came: Once is not allowed any more */
	struct buf recorded;		/* input of the updates so far */
	bool forgotten;			/* more came than is recorded: no replay */
	size_t delivered;		/* output of a stream the application has */
	struct member_channel *channel;	/* of a stream */
	/* A result made for an application that had no room for it: of which
	 * call, and of which input. The same call again gets it. */
	enum { NOTHING, AFTER_ONCE, AFTER_UPDATE, AFTER_FINAL } pending;
	struct buf result;
	uint8_t *asked;
	CK_ULONG asked_len;
};

static void forget_asked(struct ha_operation *o)
{
	if (o->asked)
		explicit_bzero(o->asked, o->asked_len);
	free(o->asked);
	o->asked = NULL;
	o->asked_len = 0;
	o->pending = NOTHING;
}

void ha_operation_free(struct ha_operation *o)
{
	if (!o)
		return;
	if (o->channel)
		member_spoil(o->channel);
	member_release(o->channel);
	p11_mechanism_release(&o->mechanism);
	buf_release(&o->recorded);
	buf_release(&o->result);
	forget_asked(o);
	free(o);
}

/* Bytes of an RSA key's modulus, 0 for other keys. Some tokens write a sign byte before it. */
static CK_ULONG modulus_len_of(const struct p11_attrs *attrs)
{
	const CK_ATTRIBUTE *modulus = p11_attrs_find(attrs, CKA_MODULUS);
	const CK_BYTE *at = modulus ? modulus->pValue : NULL;
	CK_ULONG len = modulus ? modulus->ulValueLen : 0;

	while (len && !*at) {
		at++;
		len--;
	}
	return len;
}

bool ha_operation_waits(const struct ha_operation *o)
{
	return o->waits;
}

void ha_operation_admit(struct ha_operation *o)
{
	o->waits = false;
}

/* What the record says, whatever the members hold of it: for what may the key be used, and by which mechanisms? The
 * period of its dates has no meaning (PKCS#11 v3.0 section 4.9). */
static CK_RV check_use(const struct p11_attrs *attrs, enum ha_kind kind, CK_MECHANISM_TYPE mechanism)
{
	if (!p11_attrs_bool(attrs, kinds[kind].allowed, false))
		return CKR_KEY_FUNCTION_NOT_PERMITTED;
	return p11_attrs_allow(attrs, mechanism) ? CKR_OK : CKR_MECHANISM_INVALID;
}

/* What a token would say of an Init, in its order of errors; and what there is to know of the key. */
static CK_RV check_start(struct ha_operation *o, const CK_MECHANISM *mechanism)
{
	const struct p11_mech *mech = p11_mech(mechanism->mechanism);
	owned(record) struct record record = {0};
	const CK_MECHANISM_TYPE *list;
	const struct p11_attrs *attrs;
	CK_ULONG count, i;
	size_t part;
	CK_RV rv = ha_mechanisms(o->group, &list, &count);

	if (rv != CKR_OK)
		return rv;
	for (i = 0; i < count && list[i] != mechanism->mechanism; i++)
		;
	if (i == count || !mech || !(mech->use & kinds[o->kind].use))
		return CKR_MECHANISM_INVALID;
	rv = p11_mechanism_check(mechanism);
	if (rv != CKR_OK || o->kind == HA_DIGEST)
		return rv;
	if (!ha_logged_in(o->group))
		return CKR_USER_NOT_LOGGED_IN;
	if (ha_object_get(o->group, o->key, &record, &part) != CKR_OK)
		return CKR_KEY_HANDLE_INVALID;
	attrs = &record.objects[part];
	o->modulus_len = modulus_len_of(attrs);
	o->waits = p11_attrs_bool(attrs, CKA_ALWAYS_AUTHENTICATE, false);
	if (mech->key_type != CK_UNAVAILABLE_INFORMATION &&
	    p11_attrs_ulong(attrs, CKA_KEY_TYPE, CK_UNAVAILABLE_INFORMATION) != mech->key_type)
		return CKR_KEY_TYPE_INCONSISTENT;
	return check_use(attrs, o->kind, mechanism->mechanism);
}

CK_RV ha_operation_start(struct ha_group *group, enum ha_kind kind, const CK_MECHANISM *mechanism,
			 CK_OBJECT_HANDLE key, struct ha_operation **ret)
{
	struct ha_operation *o = mem_new(struct ha_operation);
	struct err err;
	CK_RV rv;

	if (!o)
		return CKR_HOST_MEMORY;
	o->group = group;
	o->kind = kind;
	o->key = kind == HA_DIGEST ? CK_INVALID_HANDLE : key;
	buf_init(&o->recorded, REPLAY_MAX);
	buf_init(&o->result, REPLAY_MAX + RESULT_ROOM);
	o->recorded.wipe = o->result.wipe = true;
	rv = check_start(o, mechanism);
	if (rv == CKR_OK && p11_mechanism_copy(mechanism, &o->mechanism, &err) < 0)
		rv = p11_rv_from_err(&err);
	if (rv == CKR_OK)
		*ret = o;
	else
		ha_operation_free(o);
	return rv;
}

/* What every token would refuse, and some die of. */
static CK_RV check_input(const struct ha_operation *o, CK_ULONG len)
{
	return p11_mech_input_check(o->mechanism.ck.mechanism, kinds[o->kind].use, o->modulus_len, len);
}

/* ---- results an application has no room for ---- */

static CK_RV room(struct buf *result, size_t len, uint8_t **ret)
{
	buf_clear(result);
	*ret = buf_reserve(result, len);
	return *ret ? CKR_OK : CKR_HOST_MEMORY;
}

/* Is a result of this call, made from the same input, waiting? */
static bool is_pending(const struct ha_operation *o, int of, const void *in, CK_ULONG len)
{
	return (int)o->pending == of && len == o->asked_len && (!len || memcmp(in, o->asked, len) == 0);
}

static CK_RV hand_out(struct ha_operation *o, int of, const void *in, CK_ULONG len, void *out, CK_ULONG *out_len,
		      bool *ret_over)
{
	CK_ULONG made = o->result.len;

	*ret_over = false;
	if (out && *out_len >= made) {
		memcpy(out, o->result.data, made);
		*out_len = made;
		forget_asked(o);
		*ret_over = true;
		return CKR_OK;
	}
	*out_len = made;
	if (!is_pending(o, of, in, len)) {
		forget_asked(o);
		o->asked = mem_dup(in, len);
		if (!o->asked) {
			*ret_over = true;
			return CKR_HOST_MEMORY;
		}
		o->asked_len = len;
		o->pending = of;
	}
	return out ? CKR_BUFFER_TOO_SMALL : CKR_OK;
}

/* ---- one batch that any member can do ---- */

struct batch {
	struct ha_operation *o;
	const void *in;
	CK_ULONG in_len;
	const void *signature;
	CK_ULONG signature_len;
	uint8_t *out;
	CK_ULONG out_len, out_room;
};

static size_t build_once(void *data, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key, struct p11_call *calls)
{
	struct batch *b = data;
	struct ha_operation *o = b->o;

	b->out_len = b->out_room;
	calls[0] = p11_init(kinds[o->kind].init, session, &o->mechanism.ck, key);
	calls[1] = o->kind == HA_VERIFY
			   ? p11_verify(session, b->in, b->in_len, b->signature, b->signature_len)
			   : p11_transform(kinds[o->kind].once, session, b->in, b->in_len, b->out, &b->out_len);
	return 2;
}

static size_t build_parts(void *data, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key, struct p11_call *calls)
{
	struct batch *b = data;
	struct ha_operation *o = b->o;

	b->out_len = b->out_room;
	calls[0] = p11_init(kinds[o->kind].init, session, &o->mechanism.ck, key);
	calls[1] = p11_consume(kinds[o->kind].update, session, o->recorded.data, o->recorded.len);
	calls[2] = o->kind == HA_VERIFY ? p11_consume(P11_C_VerifyFinal, session, b->signature, b->signature_len)
					: p11_final(kinds[o->kind].final, session, b->out, &b->out_len);
	return 3;
}

CK_RV ha_operation_once(struct ha_operation *o, const void *in, CK_ULONG len, void *out, CK_ULONG *out_len, bool *ret_over)
{
	struct batch b = {.o = o, .in = in, .in_len = len};
	CK_RV rv;

	*ret_over = true;
	if (o->waits)
		return CKR_USER_NOT_LOGGED_IN;
	if (o->updated)
		return CKR_OPERATION_ACTIVE;
	if (len > (kinds[o->kind].streams ? (CK_ULONG)SINGLE_MAX : (CK_ULONG)REPLAY_MAX - RESULT_ROOM))
		return CKR_DATA_LEN_RANGE;
	if (is_pending(o, AFTER_ONCE, in, len))
		return hand_out(o, AFTER_ONCE, in, len, out, out_len, ret_over);
	b.out_room = kinds[o->kind].streams ? len + RESULT_ROOM : RESULT_ROOM;
	rv = check_input(o, len);
	if (rv == CKR_OK)
		rv = room(&o->result, b.out_room, &b.out);
	if (rv == CKR_OK)
		rv = ha_run(o->group, o->key, build_once, &b, NULL);
	if (rv != CKR_OK)
		return rv;
	o->result.len = b.out_len;
	return hand_out(o, AFTER_ONCE, in, len, out, out_len, ret_over);
}

/* ---- streams ---- */

/* Feed what was recorded to the channel's fresh operation; its output was delivered before. */
static int replay(struct ha_operation *o, struct member_channel *channel, struct err *err)
{
	CK_SESSION_HANDLE session = member_session(channel);
	owned(mem) uint8_t *scratch = mem_zalloc(REPLAY_STEP + RESULT_ROOM);
	size_t produced = 0;

	if (!scratch)
		return err_no_memory(err);
	for (size_t at = 0; at < o->recorded.len; at += REPLAY_STEP) {
		size_t len = o->recorded.len - at < REPLAY_STEP ? o->recorded.len - at : REPLAY_STEP;
		CK_ULONG out_len = REPLAY_STEP + RESULT_ROOM;
		struct p11_call call = kinds[o->kind].streams
			? p11_transform(kinds[o->kind].update, session, o->recorded.data + at, len, scratch, &out_len)
			: p11_consume(kinds[o->kind].update, session, o->recorded.data + at, len);
		int rc = member_run(channel, &call, 1, err);

		if (rc < 0)
			return rc;
		produced += kinds[o->kind].streams ? out_len : 0;
	}
	explicit_bzero(scratch, REPLAY_STEP + RESULT_ROOM);
	return produced == o->delivered ? 0
					: err_set(err, ERR_DIFFERENT, "a replay gave %zu bytes instead of %zu",
						  produced, o->delivered);
}

static size_t build_init(void *data, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key, struct p11_call *calls)
{
	struct ha_operation *o = data;

	calls[0] = p11_init(kinds[o->kind].init, session, &o->mechanism.ck, key);
	return 1;
}

static size_t index_of(const struct ha_group *group, const struct member_channel *channel)
{
	size_t i = 0;

	while (i < group->set->n_members && group->set->members[i].member != member_of(channel))
		i++;
	return i;
}

/* A channel on which the operation stands where the application thinks it does. */
static CK_RV attach(struct ha_operation *o)
{
	struct member_channel *channel = NULL;
	struct err err = {0};
	CK_RV rv = ha_run(o->group, o->key, build_init, o, &channel);

	if (rv != CKR_OK)
		return rv;
	member_keep(channel);
	if (replay(o, channel, &err) == 0) {
		o->channel = channel;
		return CKR_OK;
	}
	if (!err.rv)
		ha_member_down(o->group, index_of(o->group, channel), &err);
	o->ended += member_ended(channel);
	member_spoil(channel);
	member_release(channel);
	return err.rv && p11_rv_class(err.rv) == P11_CALLER ? err.rv : CKR_DEVICE_REMOVED;
}

static void detach(struct ha_operation *o, const struct err *why)
{
	if (why)
		ha_member_down(o->group, index_of(o->group, o->channel), why);
	o->ended += member_ended(o->channel);
	member_spoil(o->channel);
	member_release(o->channel);
	o->channel = NULL;
}

/* The operation is over on the member: its channel may serve others. */
static void finish(struct ha_operation *o)
{
	member_clean(o->channel);
	member_release(o->channel);
	o->channel = NULL;
}

/* PKCS#11 v3.0 section 5.2. */
static bool is_over(const struct ha_operation *o, const struct p11_call *call)
{
	return call->rv != CKR_BUFFER_TOO_SMALL && (call->rv != CKR_OK || call->fn == kinds[o->kind].final);
}

/* One call of a stream, on another member when its own is lost. */
static CK_RV stream(struct ha_operation *o, enum p11_fn fn, const void *in, CK_ULONG len, uint8_t *out, CK_ULONG *out_len)
{
	CK_ULONG out_room = out_len ? *out_len : 0;

	for (size_t n = 0; n <= o->group->set->n_members; n++) {
		struct p11_call call;
		struct err err = {0};
		CK_RV rv = CKR_OK;

		if (!o->channel && (n || o->delivered || o->recorded.len) && o->forgotten)
			return CKR_DEVICE_REMOVED;
		if (o->ended >= RISKED_MAX && !o->moved)
			return CKR_FUNCTION_FAILED;
		if (!o->channel)
			rv = attach(o);
		if (rv == CKR_DEVICE_REMOVED && n < o->group->set->n_members)
			continue;
		if (rv != CKR_OK)
			return rv;
		if (out_len)
			*out_len = out_room;
		call = fn == kinds[o->kind].final && o->kind != HA_VERIFY
			       ? p11_final(fn, member_session(o->channel), out, out_len)
		       : kinds[o->kind].streams ? p11_transform(fn, member_session(o->channel), in, len, out, out_len)
						: p11_consume(fn, member_session(o->channel), in, len);
		if (member_call(o->channel, &call, 1, &err) < 0) {
			detach(o, &err);
			continue;
		}
		o->ended = 0;
		o->moved = true;
		if (p11_rv_class(call.rv) != P11_MEMBER && p11_rv_class(call.rv) != P11_SESSION) {
			if (is_over(o, &call))
				finish(o);
			return call.rv;
		}
		detach(o, NULL);
	}
	return CKR_DEVICE_REMOVED;
}

/* Keep the input for a replay, as long as there is room for it. */
static void record_input(struct ha_operation *o, const void *in, CK_ULONG len)
{
	if (!o->forgotten)
		buf_put(&o->recorded, in, len);
	if (o->recorded.bad) {
		o->forgotten = true;
		buf_release(&o->recorded);
	}
}

static CK_RV update_stream(struct ha_operation *o, const void *in, CK_ULONG len, void *out, CK_ULONG *out_len, bool *ret_over)
{
	CK_ULONG made;
	uint8_t *at;
	CK_RV rv;

	if (len > SINGLE_MAX)
		return CKR_DATA_LEN_RANGE;
	/* A question for the length must not take the input in; the answer may be
	 * larger than what comes (PKCS#11 v3.0 section 5.2). */
	if (!out) {
		*out_len = len + BLOCK_MAX;
		*ret_over = false;
		return CKR_OK;
	}
	if (!is_pending(o, AFTER_UPDATE, in, len)) {
		if (o->pending)
			return CKR_OPERATION_ACTIVE;
		made = len + RESULT_ROOM;
		rv = room(&o->result, made, &at);
		if (rv == CKR_OK)
			rv = stream(o, kinds[o->kind].update, in, len, at, &made);
		if (rv != CKR_OK)
			return rv;
		o->result.len = made;
		record_input(o, in, len);
		o->delivered += made;
	}
	rv = hand_out(o, AFTER_UPDATE, in, len, out, out_len, ret_over);
	*ret_over = rv == CKR_HOST_MEMORY;
	return rv;
}

CK_RV ha_operation_update(struct ha_operation *o, const void *in, CK_ULONG len, void *out, CK_ULONG *out_len, bool *ret_over)
{
	CK_RV rv = CKR_OK;

	*ret_over = true;
	if (o->waits)
		return CKR_USER_NOT_LOGGED_IN;
	o->updated = true;
	if (kinds[o->kind].streams)
		return update_stream(o, in, len, out, out_len, ret_over);
	/* Nothing is sent before the end, unless there is more than can be kept. */
	if (o->channel || len > REPLAY_MAX - RESULT_ROOM - o->recorded.len) {
		for (CK_ULONG at = 0; at < len && rv == CKR_OK; at += REPLAY_STEP) {
			rv = stream(o, kinds[o->kind].update, (const uint8_t *)in + at,
				    len - at < REPLAY_STEP ? len - at : REPLAY_STEP, NULL, NULL);
			/* From the first step on: a replay would lack it. */
			o->forgotten = true;
		}
	} else {
		record_input(o, in, len);
		/* No member has it either: what comes at the end would be of other input. */
		rv = o->forgotten ? CKR_HOST_MEMORY : CKR_OK;
	}
	*ret_over = rv != CKR_OK;
	return rv;
}

CK_RV ha_operation_final(struct ha_operation *o, void *out, CK_ULONG *out_len, bool *ret_over)
{
	struct batch b = {.o = o, .out_room = RESULT_ROOM};
	CK_ULONG made = RESULT_ROOM;
	uint8_t *at;
	CK_RV rv;

	*ret_over = true;
	if (o->waits)
		return CKR_USER_NOT_LOGGED_IN;
	if (o->pending == AFTER_FINAL)
		return hand_out(o, AFTER_FINAL, NULL, 0, out, out_len, ret_over);
	if (o->pending)
		return CKR_OPERATION_ACTIVE;
	rv = check_input(o, o->recorded.len);
	if (rv == CKR_OK)
		rv = room(&o->result, RESULT_ROOM, &at);
	if (rv != CKR_OK)
		return rv;
	if (kinds[o->kind].streams || o->channel) {
		rv = stream(o, kinds[o->kind].final, NULL, 0, at, &made);
	} else {
		b.out = at;
		rv = ha_run(o->group, o->key, build_parts, &b, NULL);
		made = b.out_len;
	}
	if (rv != CKR_OK)
		return rv;
	o->result.len = made;
	return hand_out(o, AFTER_FINAL, NULL, 0, out, out_len, ret_over);
}

CK_RV ha_operation_verify(struct ha_operation *o, bool once, const void *in, CK_ULONG len,
			  const void *signature, CK_ULONG signature_len)
{
	struct batch b = {.o = o, .in = in, .in_len = len, .signature = signature, .signature_len = signature_len};

	if (o->waits)
		return CKR_USER_NOT_LOGGED_IN;
	if (once && o->updated)
		return CKR_OPERATION_ACTIVE;
	if (check_input(o, once ? len : o->recorded.len) != CKR_OK)
		return CKR_DATA_LEN_RANGE;
	if (o->modulus_len && signature_len != o->modulus_len)
		return CKR_SIGNATURE_LEN_RANGE;
	if (!once && o->channel)
		return stream(o, P11_C_VerifyFinal, signature, signature_len, NULL, NULL);
	return ha_run(o->group, o->key, once ? build_once : build_parts, &b, NULL);
}
