/* SPDX-License-Identifier: Apache-2.0 */
/* The wire form of calls: strict, every length checked before use. */
#include "p11/call.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "p11/rv.h"
#include "p11/template.h"

/* Memory of a decoded batch: a list of blocks, each wiped when freed. */
struct p11_block {
	struct p11_block *next;
	enum { BLOCK_BYTES, BLOCK_ATTRS, BLOCK_MECHANISM } kind;
	size_t size;
	union {
		struct p11_attrs attrs;
		struct p11_mechanism mechanism;
		max_align_t bytes[1];
	};
};

enum {
	LIST_MAX = 65536,	/* handles or mechanisms in one result */
	VALUES_MAX = 256,	/* attributes asked for at once */
};

static const CK_ULONG UNAVAILABLE = CK_UNAVAILABLE_INFORMATION;

void p11_batch_release(struct p11_batch *batch)
{
	while (batch->blocks) {
		struct p11_block *block = batch->blocks;

		batch->blocks = block->next;
		if (block->kind == BLOCK_ATTRS)
			p11_attrs_release(&block->attrs);
		else if (block->kind == BLOCK_MECHANISM)
			p11_mechanism_release(&block->mechanism);
		else
			explicit_bzero(block->bytes, block->size);
		free(block);
	}
	batch->count = 0;
}

static struct p11_block *block_new(struct p11_batch *batch, int kind, size_t size)
{
	struct p11_block *block = mem_zalloc(sizeof(*block) + size);

	if (!block)
		return NULL;
	block->kind = kind;
	block->size = size;
	block->next = batch->blocks;
	batch->blocks = block;
	return block;
}

static void *bytes_new(struct p11_batch *batch, size_t size)
{
	struct p11_block *block = block_new(batch, BLOCK_BYTES, size);

	return block ? block->bytes : NULL;
}

/* ---- info structs, field by field ---- */

static void put_text(struct buf *b, const void *text, size_t len)
{
	buf_put(b, text, len);
}

static void get_text(struct buf_reader *r, void *text, size_t len)
{
	const uint8_t *p = buf_get(r, len);

	if (p)
		memcpy(text, p, len);
}

static void put_version(struct buf *b, CK_VERSION v)
{
	buf_put_u8(b, v.major);
	buf_put_u8(b, v.minor);
}

static CK_VERSION get_version(struct buf_reader *r)
{
	CK_VERSION v = {.major = buf_get_u8(r)};

	v.minor = buf_get_u8(r);
	return v;
}

static size_t info_size(enum p11_fn fn)
{
	switch (fn) {
	case P11_C_GetInfo:
		return sizeof(CK_INFO);
	case P11_C_GetSlotInfo:
		return sizeof(CK_SLOT_INFO);
	case P11_C_GetTokenInfo:
		return sizeof(CK_TOKEN_INFO);
	case P11_C_GetMechanismInfo:
		return sizeof(CK_MECHANISM_INFO);
	case P11_X_Lease:
		return sizeof(struct p11_lease);
	default:
		return 0;
	}
}

#define TOKEN_NUMBERS(info)                                                    \
	{                                                                      \
		&(info)->flags, &(info)->ulMaxSessionCount, &(info)->ulSessionCount, \
		&(info)->ulMaxRwSessionCount, &(info)->ulRwSessionCount,       \
		&(info)->ulMaxPinLen, &(info)->ulMinPinLen, &(info)->ulTotalPublicMemory, \
		&(info)->ulFreePublicMemory, &(info)->ulTotalPrivateMemory, &(info)->ulFreePrivateMemory \
	}
enum { TOKEN_NUMBERS_LEN = 11 };

static void put_info(struct buf *b, enum p11_fn fn, const void *data)
{
	if (fn == P11_C_GetInfo) {
		const CK_INFO *i = data;

		put_version(b, i->cryptokiVersion);
		put_text(b, i->manufacturerID, sizeof(i->manufacturerID));
		put_text(b, i->libraryDescription, sizeof(i->libraryDescription));
		put_version(b, i->libraryVersion);
	} else if (fn == P11_C_GetSlotInfo) {
		const CK_SLOT_INFO *i = data;

		put_text(b, i->slotDescription, sizeof(i->slotDescription));
		put_text(b, i->manufacturerID, sizeof(i->manufacturerID));
		buf_put_u64(b, i->flags);
		put_version(b, i->hardwareVersion);
		put_version(b, i->firmwareVersion);
	} else if (fn == P11_C_GetTokenInfo) {
		CK_TOKEN_INFO *i = (CK_TOKEN_INFO *)data;
		CK_ULONG *numbers[TOKEN_NUMBERS_LEN] = TOKEN_NUMBERS(i);

		put_text(b, i->label, sizeof(i->label));
		put_text(b, i->manufacturerID, sizeof(i->manufacturerID));
		put_text(b, i->model, sizeof(i->model));
		put_text(b, i->serialNumber, sizeof(i->serialNumber));
		for (int n = 0; n < TOKEN_NUMBERS_LEN; n++)
			buf_put_u64(b, *numbers[n]);
		put_version(b, i->hardwareVersion);
		put_version(b, i->firmwareVersion);
		put_text(b, i->utcTime, sizeof(i->utcTime));
	} else if (fn == P11_X_Lease) {
		const struct p11_lease *i = data;

		buf_put_u64(b, i->number);
		buf_put_u64(b, i->left_ms);
		put_text(b, i->holder, P11_LEASE_HOLDER_MAX);
	} else {
		const CK_MECHANISM_INFO *i = data;

		buf_put_u64(b, i->ulMinKeySize);
		buf_put_u64(b, i->ulMaxKeySize);
		buf_put_u64(b, i->flags);
	}
}

static void get_info(struct buf_reader *r, enum p11_fn fn, void *data)
{
	if (fn == P11_C_GetInfo) {
		CK_INFO *i = data;

		i->cryptokiVersion = get_version(r);
		get_text(r, i->manufacturerID, sizeof(i->manufacturerID));
		get_text(r, i->libraryDescription, sizeof(i->libraryDescription));
		i->libraryVersion = get_version(r);
	} else if (fn == P11_C_GetSlotInfo) {
		CK_SLOT_INFO *i = data;

		get_text(r, i->slotDescription, sizeof(i->slotDescription));
		get_text(r, i->manufacturerID, sizeof(i->manufacturerID));
		i->flags = (CK_FLAGS)buf_get_u64(r);
		i->hardwareVersion = get_version(r);
		i->firmwareVersion = get_version(r);
	} else if (fn == P11_C_GetTokenInfo) {
		CK_TOKEN_INFO *i = data;
		CK_ULONG *numbers[TOKEN_NUMBERS_LEN] = TOKEN_NUMBERS(i);

		get_text(r, i->label, sizeof(i->label));
		get_text(r, i->manufacturerID, sizeof(i->manufacturerID));
		get_text(r, i->model, sizeof(i->model));
		get_text(r, i->serialNumber, sizeof(i->serialNumber));
		for (int n = 0; n < TOKEN_NUMBERS_LEN; n++)
			*numbers[n] = (CK_ULONG)buf_get_u64(r);
		i->hardwareVersion = get_version(r);
		i->firmwareVersion = get_version(r);
		get_text(r, i->utcTime, sizeof(i->utcTime));
	} else if (fn == P11_X_Lease) {
		struct p11_lease *i = data;

		i->number = (CK_ULONG)buf_get_u64(r);
		i->left_ms = (CK_ULONG)buf_get_u64(r);
		get_text(r, i->holder, P11_LEASE_HOLDER_MAX);
		i->holder[P11_LEASE_HOLDER_MAX] = 0;
		err_mask(i->holder);
	} else {
		CK_MECHANISM_INFO *i = data;

		i->ulMinKeySize = (CK_ULONG)buf_get_u64(r);
		i->ulMaxKeySize = (CK_ULONG)buf_get_u64(r);
		i->flags = (CK_FLAGS)buf_get_u64(r);
	}
}

/* ---- requests ---- */

static void encode_arg(struct buf *b, enum p11_arg_kind kind, const struct p11_arg *a)
{
	const CK_ATTRIBUTE *values;

	switch (kind) {
	case P11_ARG_SLOT:
	case P11_ARG_ULONG:
	case P11_ARG_SESSION:
	case P11_ARG_OBJECT:
	case P11_ARG_RANDOM:
		buf_put_u64(b, a->number);
		break;
	case P11_ARG_MECHANISM:
		p11_mechanism_encode(b, a->in);
		break;
	case P11_ARG_PROCESS:
		p11_process_encode(b, a->in);
		break;
	case P11_ARG_PARAM:
	case P11_ARG_PARAM_GIVING:
		p11_message_encode(b, a->in, a->out, a->number, kind == P11_ARG_PARAM_GIVING);
		break;
	case P11_ARG_IN:
	case P11_ARG_PIN:
		buf_put_bytes(b, a->in, a->number);
		break;
	case P11_ARG_TEMPLATE:
	case P11_ARG_SEARCH:
		p11_attrs_encode(b, a->in, a->number);
		break;
	case P11_ARG_ATTRS:
		values = a->out;
		buf_put_u32(b, (uint32_t)a->number);
		for (CK_ULONG i = 0; i < a->number; i++) {
			buf_put_u64(b, values[i].type);
			buf_put_u8(b, values[i].pValue != NULL);
			buf_put_u64(b, values[i].pValue ? values[i].ulValueLen : 0);
		}
		break;
	case P11_ARG_OUT:
	case P11_ARG_OUT_ULONGS:
		buf_put_u8(b, a->out != NULL);
		buf_put_u64(b, a->out ? *a->out_len : 0);
		break;
	case P11_ARG_OUT_HANDLES:
		buf_put_u64(b, a->number);
		break;
	case P11_ARG_OUT_HANDLE:
	case P11_ARG_OUT_INFO:
	case P11_ARG_OUT_NUMBER:
	case P11_ARG_END:
		break;
	}
}

void p11_encode_request(struct buf *buf, const struct p11_call *calls, size_t count)
{
	buf_put_u8(buf, (uint8_t)count);
	for (size_t i = 0; i < count; i++) {
		const enum p11_arg_kind *kinds = p11_fn_table[calls[i].fn].args;

		buf_put_u8(buf, (uint8_t)calls[i].fn);
		for (int n = 0; n < P11_ARGS_MAX && kinds[n] != P11_ARG_END; n++)
			encode_arg(buf, kinds[n], &calls[i].args[n]);
	}
}

/* Room for a result the peer asked for; *budget keeps all of them bounded. */
static int decode_room(struct buf_reader *r, struct p11_batch *batch, size_t unit, size_t max,
		       size_t *budget, struct p11_arg *a, struct err *err)
{
	bool wanted = buf_get_u8(r) != 0;
	uint64_t room = buf_get_u64(r);

	a->out_len = bytes_new(batch, sizeof(CK_ULONG));
	if (!a->out_len)
		return err_no_memory(err);
	if (!wanted)
		return 0;
	if (room > max || room * unit > *budget)
		return err_set(err, ERR_PROTOCOL, "room for %llu results", (unsigned long long)room);
	*budget -= room * unit;
	a->out = bytes_new(batch, room * unit);
	*a->out_len = (CK_ULONG)room;
	return a->out ? 0 : err_no_memory(err);
}

static int decode_values(struct buf_reader *r, struct p11_batch *batch, size_t *budget,
			 struct p11_arg *a, struct err *err)
{
	uint32_t count = buf_get_u32(r);
	CK_ATTRIBUTE *values;

	if (count > VALUES_MAX)
		return err_set(err, ERR_PROTOCOL, "%u attributes at once", count);
	values = bytes_new(batch, count * sizeof(*values));
	if (!values)
		return err_no_memory(err);
	a->out = values;
	a->number = count;
	for (uint32_t i = 0; i < count; i++) {
		bool wanted;
		uint64_t room;

		values[i].type = (CK_ATTRIBUTE_TYPE)buf_get_u64(r);
		wanted = buf_get_u8(r) != 0;
		room = buf_get_u64(r);
		if (!wanted)
			continue;
		if (p11_attr_is_strange(values[i].type))
			return err_set(err, ERR_PROTOCOL, "an array that nobody knows");
		if (room > *budget)
			return err_set(err, ERR_PROTOCOL, "an attribute of %llu bytes", (unsigned long long)room);
		*budget -= room;
		values[i].pValue = bytes_new(batch, room);
		values[i].ulValueLen = (CK_ULONG)room;
		if (!values[i].pValue)
			return err_no_memory(err);
	}
	return 0;
}

static int decode_template(struct buf_reader *r, struct p11_batch *batch, struct p11_arg *a, struct err *err)
{
	struct p11_block *block = block_new(batch, BLOCK_ATTRS, 0);
	int rc;

	if (!block)
		return err_no_memory(err);
	rc = p11_attrs_decode(r, &block->attrs, err);
	a->in = block->attrs.items;
	a->number = block->attrs.count;
	return rc;
}

/* decode: p11_mechanism_decode(), p11_process_decode() */
static int decode_mechanism(struct buf_reader *r, struct p11_batch *batch,
			    int (*decode)(struct buf_reader *r, struct p11_mechanism *ret, struct err *err),
			    struct p11_arg *a, struct err *err)
{
	struct p11_block *block = block_new(batch, BLOCK_MECHANISM, 0);
	int rc;

	if (!block)
		return err_no_memory(err);
	rc = decode(r, &block->mechanism, err);
	a->in = &block->mechanism.ck;
	return rc;
}

static int decode_message(struct buf_reader *r, struct p11_batch *batch, bool gives, struct p11_arg *a, struct err *err)
{
	struct p11_block *block = block_new(batch, BLOCK_MECHANISM, 0);
	const struct p11_message_form *form = NULL;
	int rc;

	if (!block)
		return err_no_memory(err);
	rc = p11_message_decode(r, gives, &block->mechanism, &form, err);
	a->in = form;
	a->out = block->mechanism.ck.pParameter;
	a->number = block->mechanism.ck.ulParameterLen;
	return rc;
}

static int decode_arg(struct buf_reader *r, struct p11_batch *batch, enum p11_fn fn,
		      enum p11_arg_kind kind, size_t *budget, struct p11_arg *a, struct err *err)
{
	size_t len;

	switch (kind) {
	case P11_ARG_SLOT:
	case P11_ARG_ULONG:
	case P11_ARG_SESSION:
	case P11_ARG_OBJECT:
		a->number = (CK_ULONG)buf_get_u64(r);
		return 0;
	case P11_ARG_MECHANISM:
		return decode_mechanism(r, batch, p11_mechanism_decode, a, err);
	case P11_ARG_PROCESS:
		return decode_mechanism(r, batch, p11_process_decode, a, err);
	case P11_ARG_PARAM:
	case P11_ARG_PARAM_GIVING:
		return decode_message(r, batch, kind == P11_ARG_PARAM_GIVING, a, err);
	case P11_ARG_IN:
	case P11_ARG_PIN:
		/* Stays in the frame, which lives as long as the batch. */
		a->in = buf_get_bytes(r, &len);
		a->number = a->in ? len : 0;
		return 0;
	case P11_ARG_TEMPLATE:
	case P11_ARG_SEARCH:
		return decode_template(r, batch, a, err);
	case P11_ARG_ATTRS:
		return decode_values(r, batch, budget, a, err);
	case P11_ARG_OUT:
		return decode_room(r, batch, 1, P11_RESULT_MAX, budget, a, err);
	case P11_ARG_OUT_ULONGS:
		return decode_room(r, batch, sizeof(CK_ULONG), LIST_MAX, budget, a, err);
	case P11_ARG_RANDOM:
		a->number = (CK_ULONG)buf_get_u64(r);
		if (a->number > *budget)
			return err_set(err, ERR_PROTOCOL, "too many random bytes");
		*budget -= a->number;
		a->out = bytes_new(batch, a->number);
		return a->out ? 0 : err_no_memory(err);
	case P11_ARG_OUT_HANDLES:
		a->number = (CK_ULONG)buf_get_u64(r);
		if (a->number > LIST_MAX || a->number * sizeof(CK_ULONG) > *budget)
			return err_set(err, ERR_PROTOCOL, "room for too many handles");
		*budget -= a->number * sizeof(CK_ULONG);
		a->out = bytes_new(batch, a->number * sizeof(CK_ULONG));
		a->out_len = bytes_new(batch, sizeof(CK_ULONG));
		return a->out && a->out_len ? 0 : err_no_memory(err);
	case P11_ARG_OUT_HANDLE:
	case P11_ARG_OUT_NUMBER:
		a->out = bytes_new(batch, sizeof(CK_ULONG));
		return a->out ? 0 : err_no_memory(err);
	case P11_ARG_OUT_INFO:
		a->out = bytes_new(batch, info_size(fn));
		return a->out ? 0 : err_no_memory(err);
	case P11_ARG_END:
		break;
	}
	return err_set(err, ERR_PROTOCOL, "an argument of no kind");
}

int p11_decode_request(struct buf_reader *r, size_t room, struct p11_batch *ret, struct err *err)
{
	uint8_t count = buf_get_u8(r);
	int rc = 0;

	*ret = (struct p11_batch){.count = count};
	if (count == 0 || count > P11_BATCH_MAX)
		return err_set(err, ERR_PROTOCOL, "a batch of %u calls", count);
	for (size_t i = 0; i < count && rc == 0; i++) {
		struct p11_call *call = &ret->calls[i];
		uint8_t fn = buf_get_u8(r);

		if (fn >= P11_FN_MAX) {
			rc = err_set(err, ERR_PROTOCOL, "unknown function %u", fn);
			break;
		}
		*call = (struct p11_call){.fn = fn, .rv = P11_NOT_RUN};
		for (int n = 0; rc == 0 && n < P11_ARGS_MAX && p11_fn_table[fn].args[n] != P11_ARG_END; n++)
			rc = decode_arg(r, ret, call->fn, p11_fn_table[fn].args[n], &room, &call->args[n], err);
	}
	if (rc == 0 && !buf_read_done(r))
		rc = err_set(err, ERR_PROTOCOL, "a request of wrong length");
	if (rc < 0)
		p11_batch_release(ret);
	return rc;
}

/* ---- replies ---- */

/* Results that a failed call still delivers: lengths, each attribute, and who has a lease. */
static bool delivers(const struct p11_call *call, enum p11_arg_kind kind)
{
	if (call->rv == CKR_OK)
		return true;
	if (kind == P11_ARG_OUT || kind == P11_ARG_OUT_ULONGS)
		return call->rv == CKR_BUFFER_TOO_SMALL;
	if (kind == P11_ARG_OUT_INFO)
		return call->fn == P11_X_Lease && call->rv == CKR_FUNCTION_REJECTED;
	return kind == P11_ARG_ATTRS &&
	       (call->rv == CKR_ATTRIBUTE_SENSITIVE || call->rv == CKR_ATTRIBUTE_TYPE_INVALID ||
		call->rv == CKR_BUFFER_TOO_SMALL);
}

static void encode_values(struct buf *b, const struct p11_arg *a, CK_RV rv)
{
	const CK_ATTRIBUTE *values = a->out;

	for (CK_ULONG i = 0; i < a->number; i++) {
		/* Too small a room: the length may be what would be needed, not what is there. */
		bool there = values[i].ulValueLen != UNAVAILABLE && values[i].pValue && rv != CKR_BUFFER_TOO_SMALL;

		buf_put_u64(b, values[i].ulValueLen == UNAVAILABLE ? UINT64_MAX : values[i].ulValueLen);
		buf_put_u8(b, there);
		if (there)
			p11_attr_encode_value(b, values[i].type, values[i].pValue, values[i].ulValueLen);
	}
}

static void encode_list(struct buf *b, const CK_ULONG *list, CK_ULONG count)
{
	for (CK_ULONG i = 0; i < count; i++)
		buf_put_u64(b, list[i]);
}

static void encode_result(struct buf *b, const struct p11_call *call, enum p11_arg_kind kind,
			  const struct p11_arg *a)
{
	bool ok = call->rv == CKR_OK;

	switch (kind) {
	case P11_ARG_ATTRS:
		encode_values(b, a, call->rv);
		break;
	case P11_ARG_OUT:
		buf_put_u64(b, *a->out_len);
		if (ok && a->out)
			buf_put(b, a->out, *a->out_len);
		break;
	case P11_ARG_OUT_ULONGS:
		buf_put_u64(b, *a->out_len);
		if (ok && a->out)
			encode_list(b, a->out, *a->out_len);
		break;
	case P11_ARG_OUT_HANDLES:
		buf_put_u64(b, *a->out_len);
		encode_list(b, a->out, *a->out_len);
		break;
	case P11_ARG_RANDOM:
		buf_put(b, a->out, a->number);
		break;
	case P11_ARG_OUT_HANDLE:
	case P11_ARG_OUT_NUMBER:
		buf_put_u64(b, *(CK_ULONG *)a->out);
		break;
	case P11_ARG_OUT_INFO:
		put_info(b, call->fn, a->out);
		break;
	case P11_ARG_PARAM_GIVING:
		p11_message_encode_result(b, a->in, a->out, a->number);
		break;
	default:
		break;
	}
}

void p11_encode_reply(struct buf *buf, const struct p11_call *calls, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const enum p11_arg_kind *kinds = p11_fn_table[calls[i].fn].args;

		buf_put_u64(buf, calls[i].rv);
		for (int n = 0; n < P11_ARGS_MAX && kinds[n] != P11_ARG_END; n++)
			if (delivers(&calls[i], kinds[n]))
				encode_result(buf, &calls[i], kinds[n], &calls[i].args[n]);
	}
}

/* Bytes that a value takes, with all that it points to. */
static size_t block_len(CK_ATTRIBUTE_TYPE type, const void *value, CK_ULONG len)
{
	return p11_attr_is_nested(type) ? p11_template_room(value, len / sizeof(CK_ATTRIBUTE)) : len;
}

/* lengths: the reply tells lengths alone, since some room was too small. */
static int decode_value(struct buf_reader *r, CK_ATTRIBUTE *value, bool lengths, struct err *err)
{
	uint64_t len = buf_get_u64(r);
	owned(mem) void *copy = NULL;
	CK_ULONG copy_len;
	int rc;

	if (!buf_get_u8(r)) {
		/* Whoever gave room and is told a length takes it for that of a value. */
		if (len != UINT64_MAX && value->pValue && !lengths)
			return err_set(err, ERR_PROTOCOL, "an attribute that has a length and no value");
		value->ulValueLen = len == UINT64_MAX ? UNAVAILABLE : (CK_ULONG)len;
		return 0;
	}
	rc = p11_attr_decode_value(r, value->type, &copy, &copy_len, err);
	if (rc < 0)
		return rc;
	if (!value->pValue || block_len(value->type, copy, copy_len) > value->ulValueLen)
		return err_set(err, ERR_PROTOCOL, "an attribute larger than its room");
	if (p11_attr_is_nested(value->type))
		p11_template_put(value->pValue, copy, copy_len / sizeof(CK_ATTRIBUTE));
	else
		memcpy(value->pValue, copy, copy_len);
	value->ulValueLen = copy_len;
	return 0;
}

static int decode_out(struct buf_reader *r, struct p11_arg *a, bool ok, struct err *err)
{
	uint64_t len = buf_get_u64(r);
	const uint8_t *bytes;

	if (ok && a->out) {
		if (len > *a->out_len)
			return err_set(err, ERR_PROTOCOL, "a result larger than its room");
		bytes = buf_get(r, len);
		if (bytes && len)
			memcpy(a->out, bytes, len);
	}
	*a->out_len = (CK_ULONG)len;
	return 0;
}

static int decode_list(struct buf_reader *r, struct p11_arg *a, CK_ULONG room, bool there, struct err *err)
{
	uint64_t count = buf_get_u64(r);
	CK_ULONG *list = a->out;

	if (there && count > room)
		return err_set(err, ERR_PROTOCOL, "a list larger than its room");
	for (uint64_t i = 0; there && i < count; i++)
		list[i] = (CK_ULONG)buf_get_u64(r);
	*a->out_len = (CK_ULONG)count;
	return 0;
}

static int decode_result(struct buf_reader *r, struct p11_call *call, enum p11_arg_kind kind,
			 struct p11_arg *a, struct err *err)
{
	bool ok = call->rv == CKR_OK;
	const uint8_t *bytes;
	int rc = 0;

	switch (kind) {
	case P11_ARG_ATTRS:
		for (CK_ULONG i = 0; i < a->number && rc == 0; i++)
			rc = decode_value(r, &((CK_ATTRIBUTE *)a->out)[i], call->rv == CKR_BUFFER_TOO_SMALL, err);
		return rc;
	case P11_ARG_OUT:
		return decode_out(r, a, ok, err);
	case P11_ARG_OUT_ULONGS:
		return decode_list(r, a, *a->out_len, ok && a->out, err);
	case P11_ARG_OUT_HANDLES:
		return decode_list(r, a, a->number, true, err);
	case P11_ARG_RANDOM:
		bytes = buf_get(r, a->number);
		if (bytes)
			memcpy(a->out, bytes, a->number);
		return 0;
	case P11_ARG_OUT_HANDLE:
	case P11_ARG_OUT_NUMBER:
		*(CK_ULONG *)a->out = (CK_ULONG)buf_get_u64(r);
		return 0;
	case P11_ARG_OUT_INFO:
		get_info(r, call->fn, a->out);
		return 0;
	case P11_ARG_PARAM_GIVING:
		return p11_message_decode_result(r, a->in, a->out, a->number, err);
	default:
		return 0;
	}
}

int p11_decode_reply(struct buf_reader *r, struct p11_call *calls, size_t count, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; i < count; i++) {
		const enum p11_arg_kind *kinds = p11_fn_table[calls[i].fn].args;

		calls[i].rv = (CK_RV)buf_get_u64(r);
		for (int n = 0; rc == 0 && n < P11_ARGS_MAX && kinds[n] != P11_ARG_END; n++)
			if (delivers(&calls[i], kinds[n]))
				rc = decode_result(r, &calls[i], kinds[n], &calls[i].args[n], err);
		if (rc < 0)
			return rc;
	}
	return buf_read_done(r) ? 0 : err_set(err, ERR_PROTOCOL, "a reply of wrong length");
}
