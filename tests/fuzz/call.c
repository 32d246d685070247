/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls as an application makes them, with arguments of all kinds and none: what p11_call_check() lets through is
 * written without harm, and a host reads it as it was meant.
 */
#include "fuzz.h"

#include <string.h>

#include "base/err.h"
#include "p11/call.h"

enum { WIRE_MAX = 4 << 20, BLOCKS_MAX = 1024, ITEMS_MAX = 5 };

static void *blocks[BLOCKS_MAX];
static size_t n_blocks;

/* So many bytes as a length says that the application gave with a pointer. */
static void *block(struct bytes *in, size_t len)
{
	uint8_t *at = calloc(1, len ? len : 1);

	HOLDS(at && n_blocks < BLOCKS_MAX);
	blocks[n_blocks++] = at;
	for (size_t i = 0; i < len; i++)
		at[i] = take_u8(in);
	return at;
}

static void free_blocks(void)
{
	while (n_blocks)
		free(blocks[--n_blocks]);
}

static CK_ULONG length(struct bytes *in)
{
	uint8_t one = take_u8(in);

	return one < 200 ? one % 40 : one < 250 ? one : one < 253 ? CK_UNAVAILABLE_INFORMATION : (CK_ULONG)1 << (one - 200);
}

/* A pointer that leads nowhere, or to what it says. */
static void *pointer(struct bytes *in, CK_ULONG *ret_len)
{
	*ret_len = length(in);
	return *ret_len <= UINT8_MAX && take_u8(in) % 8 ? block(in, *ret_len) : NULL;
}

static CK_ULONG number(struct bytes *in)
{
	uint8_t one = take_u8(in);
	CK_ULONG ret = 0;

	if (one < 250)
		return one;
	for (int i = 0; i < 8; i++)
		ret = ret << 8 | take_u8(in);
	return ret;
}

/* ---- mechanisms ---- */

static void lead(struct bytes *in, enum p11_param kind, void *param)
{
	if (kind == P11_PARAM_OAEP) {
		CK_RSA_PKCS_OAEP_PARAMS *p = param;

		p->pSourceData = pointer(in, &p->ulSourceDataLen);
	} else if (kind == P11_PARAM_GCM) {
		CK_GCM_PARAMS *p = param;

		p->pIv = pointer(in, &p->ulIvLen);
		p->pAAD = pointer(in, &p->ulAADLen);
	} else if (kind == P11_PARAM_ECDH) {
		CK_ECDH1_DERIVE_PARAMS *p = param;

		p->pSharedData = pointer(in, &p->ulSharedDataLen);
		p->pPublicData = pointer(in, &p->ulPublicDataLen);
	} else if (kind == P11_PARAM_STRING) {
		CK_KEY_DERIVATION_STRING_DATA *p = param;

		p->pData = pointer(in, &p->ulLen);
	} else if (kind == P11_PARAM_DATA8) {
		CK_DES_CBC_ENCRYPT_DATA_PARAMS *p = param;

		p->pData = pointer(in, &p->length);
	} else if (kind == P11_PARAM_DATA16) {
		CK_AES_CBC_ENCRYPT_DATA_PARAMS *p = param;

		p->pData = pointer(in, &p->length);
	}
}

static size_t size_of(enum p11_param kind)
{
	static const size_t sizes[] = {
		[P11_PARAM_IV8] = 8, [P11_PARAM_IV16] = 16, [P11_PARAM_ULONG] = sizeof(CK_ULONG),
		[P11_PARAM_PSS] = sizeof(CK_RSA_PKCS_PSS_PARAMS), [P11_PARAM_OAEP] = sizeof(CK_RSA_PKCS_OAEP_PARAMS),
		[P11_PARAM_GCM] = sizeof(CK_GCM_PARAMS), [P11_PARAM_CTR] = sizeof(CK_AES_CTR_PARAMS),
		[P11_PARAM_ECDH] = sizeof(CK_ECDH1_DERIVE_PARAMS), [P11_PARAM_STRING] = sizeof(CK_KEY_DERIVATION_STRING_DATA),
		[P11_PARAM_DATA8] = sizeof(CK_DES_CBC_ENCRYPT_DATA_PARAMS),
		[P11_PARAM_DATA16] = sizeof(CK_AES_CBC_ENCRYPT_DATA_PARAMS), [P11_PARAM_OBJECT] = sizeof(CK_OBJECT_HANDLE),
	};

	return sizes[kind];
}

/* A parameter is what its mechanism wants, or bytes, or none. */
static CK_MECHANISM *mechanism(struct bytes *in)
{
	const struct p11_mech *row;
	CK_MECHANISM *ret;
	size_t rows = 0, size;

	if (take_u8(in) % 16 == 0)
		return NULL;
	while (p11_mech_table[rows].name)
		rows++;
	row = &p11_mech_table[take_u8(in) % rows];
	ret = block(in, sizeof(*ret));
	ret->mechanism = take_u8(in) % 16 ? row->type : number(in);
	size = size_of(row->param);
	if (!size || take_u8(in) % 4 == 0) {
		ret->pParameter = pointer(in, &ret->ulParameterLen);
		/* Those that are long enough for pointers lead somewhere. */
		if (ret->pParameter && ret->ulParameterLen >= size)
			lead(in, row->param, ret->pParameter);
		return ret;
	}
	ret->pParameter = block(in, size);
	ret->ulParameterLen = size;
	lead(in, row->param, ret->pParameter);
	return ret;
}

/* ---- messages ---- */

static void *message(struct bytes *in, CK_MECHANISM_TYPE type, CK_ULONG *ret_len)
{
	CK_GCM_MESSAGE_PARAMS *gcm;
	CK_CCM_MESSAGE_PARAMS *ccm;
	CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS *chacha;

	switch (take_u8(in) % 8 ? type : 0) {
	case CKM_AES_GCM:
		gcm = block(in, *ret_len = sizeof(*gcm));
		gcm->pIv = pointer(in, &gcm->ulIvLen);
		gcm->ulIvFixedBits = length(in);
		gcm->ivGenerator = take_u8(in) % 6;
		gcm->ulTagBits = length(in) % 256;
		gcm->pTag = take_u8(in) % 8 ? block(in, 32) : NULL;
		return gcm;
	case CKM_AES_CCM:
		ccm = block(in, *ret_len = sizeof(*ccm));
		ccm->pNonce = pointer(in, &ccm->ulNonceLen);
		ccm->ulDataLen = number(in);
		ccm->nonceGenerator = take_u8(in) % 6;
		ccm->ulMACLen = length(in) % 32;
		ccm->pMAC = take_u8(in) % 8 ? block(in, 32) : NULL;
		return ccm;
	case CKM_CHACHA20_POLY1305:
		chacha = block(in, *ret_len = sizeof(*chacha));
		chacha->pNonce = pointer(in, &chacha->ulNonceLen);
		chacha->pTag = take_u8(in) % 8 ? block(in, 32) : NULL;
		return chacha;
	default:
		return pointer(in, ret_len);
	}
}

static const CK_MECHANISM_TYPE aeads[] = {CKM_AES_GCM, CKM_AES_CCM, CKM_CHACHA20_POLY1305, CKM_ECDSA};

static CK_MECHANISM *process(struct bytes *in)
{
	CK_MECHANISM *ret;

	if (take_u8(in) % 4 == 0)
		return mechanism(in);
	ret = block(in, sizeof(*ret));
	ret->mechanism = aeads[take_u8(in) % 4];
	ret->pParameter = message(in, ret->mechanism, &ret->ulParameterLen);
	return ret;
}

/* ---- templates ---- */

static CK_ATTRIBUTE_TYPE type_of(struct bytes *in)
{
	size_t rows = 0;

	while (p11_attr_table[rows].name)
		rows++;
	return take_u8(in) % 16 ? p11_attr_table[take_u8(in) % rows].type : number(in);
}

static CK_ATTRIBUTE *template(struct bytes *in, int depth, CK_ULONG *ret_count)
{
	CK_ULONG count = take_u8(in) % (ITEMS_MAX + 1);
	CK_ATTRIBUTE *items = block(in, count * sizeof(*items));

	for (CK_ULONG i = 0; i < count; i++) {
		items[i].type = type_of(in);
		if (p11_attr_is_nested(items[i].type) && depth < 2 && take_u8(in) % 8) {
			items[i].pValue = template(in, depth + 1, &items[i].ulValueLen);
			items[i].ulValueLen *= sizeof(*items);
		} else if (p11_attr_is_nested(items[i].type)) {
			items[i].pValue = NULL;
			items[i].ulValueLen = length(in);
		} else {
			items[i].pValue = pointer(in, &items[i].ulValueLen);
		}
	}
	*ret_count = count;
	return take_u8(in) % 16 ? items : NULL;
}

/* ---- calls ---- */

static void give(struct bytes *in, enum p11_arg_kind kind, struct p11_arg *a)
{
	switch (kind) {
	case P11_ARG_MECHANISM:
		a->in = mechanism(in);
		break;
	case P11_ARG_PROCESS:
		a->in = process(in);
		break;
	case P11_ARG_PARAM:
	case P11_ARG_PARAM_GIVING: {
		CK_MECHANISM_TYPE type = aeads[take_u8(in) % 4];

		a->in = p11_message_form(type);
		a->out = message(in, type, &a->number);
		break;
	}
	case P11_ARG_IN:
	case P11_ARG_PIN:
		a->in = pointer(in, &a->number);
		break;
	case P11_ARG_TEMPLATE:
	case P11_ARG_SEARCH:
		a->in = template(in, 0, &a->number);
		break;
	case P11_ARG_ATTRS:
		a->out = template(in, 2, &a->number);
		break;
	case P11_ARG_OUT:
	case P11_ARG_OUT_ULONGS:
	case P11_ARG_OUT_HANDLES:
		a->out_len = take_u8(in) % 16 ? block(in, sizeof(CK_ULONG)) : NULL;
		a->number = length(in);
		if (a->out_len)
			*a->out_len = a->number;
		a->out = a->number <= UINT8_MAX && take_u8(in) % 8 ? block(in, a->number * sizeof(CK_ULONG)) : NULL;
		break;
	case P11_ARG_RANDOM:
		a->out = pointer(in, &a->number);
		break;
	case P11_ARG_OUT_HANDLE:
	case P11_ARG_OUT_NUMBER:
	case P11_ARG_OUT_INFO:
		a->out = take_u8(in) % 16 ? block(in, 512) : NULL;
		break;
	default:
		a->number = number(in);
		break;
	}
}

static struct p11_call make_call(struct bytes *in)
{
	struct p11_call call = {.fn = take_u8(in) % P11_FN_MAX, .rv = P11_NOT_RUN};

	for (int n = 0; n < P11_ARGS_MAX && p11_fn_table[call.fn].args[n] != P11_ARG_END; n++)
		give(in, p11_fn_table[call.fn].args[n], &call.args[n]);
	return call;
}

/* Hosts do not read everything that may be asked for: a type twice, arrays that nobody knows, a number that is not one. Searches and templates
 * do not leave as an application gave them, but as lib/ha makes them. */
static bool is_plain(const CK_ATTRIBUTE *items, CK_ULONG count)
{
	for (CK_ULONG i = 0; i < count; i++) {
		const struct p11_attr_info *info = p11_attr_info(items[i].type);
		bool is_number = info && info->kind == P11_ATTR_ULONG;

		if (p11_attr_is_strange(items[i].type) || p11_template_find(items, i, items[i].type) ||
		    (is_number && items[i].ulValueLen != sizeof(CK_ULONG)))
			return false;
	}
	return true;
}

static bool leaves(const struct p11_call *call)
{
	const enum p11_arg_kind *kinds = p11_fn_table[call->fn].args;

	for (int n = 0; n < P11_ARGS_MAX && kinds[n] != P11_ARG_END; n++)
		if ((kinds[n] == P11_ARG_TEMPLATE || kinds[n] == P11_ARG_SEARCH) &&
		    !is_plain(call->args[n].in, call->args[n].number))
			return false;
	return true;
}

static void travel(const struct p11_call *call)
{
	owned(buf) struct buf once = {.max = WIRE_MAX}, twice = {.max = WIRE_MAX};
	owned(p11_batch) struct p11_batch batch = {0};
	struct buf_reader r;
	struct err err = {0};

	p11_encode_request(&once, call, 1);
	HOLDS(buf_check(&once, NULL) == 0);
	r = buf_reader(once.data, once.len);
	HOLDS(p11_decode_request(&r, P11_RESULT_MAX, &batch, &err) == 0);
	HOLDS(p11_call_check(&batch.calls[0]) == CKR_OK);
	p11_encode_request(&twice, batch.calls, 1);
	HOLDS(once.len == twice.len && memcmp(once.data, twice.data, once.len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct bytes in = {data, len};
	struct p11_call call = make_call(&in);

	if (p11_call_check(&call) == CKR_OK && leaves(&call))
		travel(&call);
	free_blocks();
	return 0;
}
