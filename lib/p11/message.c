/* SPDX-License-Identifier: Apache-2.0 */
/* Forms of message parameters, and how they travel. */
#include "p11/message.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "p11/rv.h"

enum { IV_MAX = 256, TAG_MAX = 16, POLY1305_LEN = 16, WIRE_MAX = 1024 };
enum number { IV_LEN, FIXED_BITS, GENERATOR, TAG_LEN, DATA_LEN, NUMBERS };
#define NONE SIZE_MAX

struct p11_message_form {
	uint8_t id;			/* on the wire; 0 = plain bytes */
	size_t size;
	size_t iv, tag;			/* where it leads to them */
	size_t numbers[NUMBERS];	/* where they stand; NONE = it has no such */
	bool tag_in_bits;
};

#define AT(field) offsetof(TYPE, field)
static const struct p11_message_form forms[] = {
#define TYPE CK_GCM_MESSAGE_PARAMS
	{1, sizeof(TYPE), AT(pIv), AT(pTag), {AT(ulIvLen), AT(ulIvFixedBits), AT(ivGenerator), AT(ulTagBits), NONE}, true},
#undef TYPE
#define TYPE CK_CCM_MESSAGE_PARAMS
	{2, sizeof(TYPE), AT(pNonce), AT(pMAC),
	 {AT(ulNonceLen), AT(ulNonceFixedBits), AT(nonceGenerator), AT(ulMACLen), AT(ulDataLen)}, false},
#undef TYPE
#define TYPE CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS
	{3, sizeof(TYPE), AT(pNonce), AT(pTag), {AT(ulNonceLen), NONE, NONE, NONE, NONE}, false},
#undef TYPE
};
enum { FORMS = sizeof(forms) / sizeof(forms[0]) };

const struct p11_message_form *p11_message_form(CK_MECHANISM_TYPE type)
{
	switch (type) {
	case CKM_AES_GCM:
		return &forms[0];
	case CKM_AES_CCM:
		return &forms[1];
	case CKM_CHACHA20_POLY1305:
	case CKM_SALSA20_POLY1305:
		return &forms[2];
	default:
		return NULL;
	}
}

/* ---- one parameter ---- */

static CK_ULONG number(const struct p11_message_form *form, const void *param, enum number which)
{
	CK_ULONG value = 0;

	if (form->numbers[which] != NONE)
		memcpy(&value, (const uint8_t *)param + form->numbers[which], sizeof(value));
	return value;
}

static CK_BYTE *lead(const void *param, size_t at)
{
	CK_BYTE *to;

	memcpy(&to, (const uint8_t *)param + at, sizeof(to));
	return to;
}

/* In bytes. A nonce of ChaCha20 is counted in bits by the standard, and in bytes by libraries; neither has 24 < n < 64. */
static CK_ULONG iv_len(const struct p11_message_form *form, const void *param)
{
	CK_ULONG len = number(form, param, IV_LEN);

	return form->numbers[GENERATOR] == NONE && len > 24 ? len / 8 : len;
}

static CK_ULONG tag_len(const struct p11_message_form *form, const void *param)
{
	CK_ULONG len = form->numbers[TAG_LEN] == NONE ? POLY1305_LEN : number(form, param, TAG_LEN);

	return form->tag_in_bits ? len / 8 : len;
}

CK_GENERATOR_FUNCTION p11_message_generator(const struct p11_message_form *form, const void *param)
{
	return number(form, param, GENERATOR);
}

CK_ULONG p11_message_free_bits(const struct p11_message_form *form, const void *param)
{
	return iv_len(form, param) * 8 - number(form, param, FIXED_BITS);
}

void p11_message_set_generator(const struct p11_message_form *form, void *param, CK_GENERATOR_FUNCTION generator)
{
	if (form->numbers[GENERATOR] != NONE)
		memcpy((uint8_t *)param + form->numbers[GENERATOR], &generator, sizeof(generator));
}

static bool good_numbers(const struct p11_message_form *form, const void *param)
{
	return iv_len(form, param) <= IV_MAX && tag_len(form, param) <= TAG_MAX &&
	       (!form->tag_in_bits || number(form, param, TAG_LEN) % 8 == 0) &&
	       number(form, param, FIXED_BITS) <= iv_len(form, param) * 8 &&
	       p11_message_generator(form, param) <= CKG_GENERATE_COUNTER_XOR;
}

CK_RV p11_message_check(const struct p11_message_form *form, const void *param, CK_ULONG len)
{
	if (!form)
		return CKR_OK;
	return param && len == form->size && good_numbers(form, param) &&
			       (lead(param, form->iv) || !iv_len(form, param)) &&
			       (lead(param, form->tag) || !tag_len(form, param))
		       ? CKR_OK
		       : CKR_MECHANISM_PARAM_INVALID;
}

/* ---- the wire ---- */

/* What a parameter is for: a process, whose buffers wait for its messages; a message whose token writes into it; another. */
enum purpose { PROCESS, GIVING, READ };

/* What of the IV, and of the tag, is the caller's. */
static CK_ULONG given_iv(const struct p11_message_form *form, const void *param, enum purpose purpose)
{
	bool made = purpose == GIVING && p11_message_generator(form, param) != CKG_NO_GENERATE;

	if (purpose == PROCESS)
		return 0;
	return made ? (number(form, param, FIXED_BITS) + 7) / 8 : iv_len(form, param);
}

static CK_ULONG given_tag(const struct p11_message_form *form, const void *param, enum purpose purpose)
{
	return purpose == READ ? tag_len(form, param) : 0;
}

static void put_bytes(struct buf *buf, const void *bytes, CK_ULONG len)
{
	buf_put_u8(buf, bytes != NULL);
	if (bytes)
		buf_put(buf, bytes, len);
}

static void encode(struct buf *buf, const struct p11_message_form *form, const void *param, CK_ULONG len,
		   enum purpose purpose)
{
	buf_put_u8(buf, form ? form->id : 0);
	if (!form) {
		buf_put_bytes(buf, param, len);
		return;
	}
	for (int n = 0; n < NUMBERS; n++)
		if (form->numbers[n] != NONE)
			buf_put_u64(buf, number(form, param, n));
	put_bytes(buf, lead(param, form->iv), given_iv(form, param, purpose));
	put_bytes(buf, lead(param, form->tag), given_tag(form, param, purpose));
}

void p11_message_encode(struct buf *buf, const struct p11_message_form *form, const void *param, CK_ULONG len, bool gives)
{
	encode(buf, form, param, len, gives ? GIVING : READ);
}

/* Bytes into a new block of their own, with room for all of them; where the parameter leads to, if anywhere. */
static int take_bytes(struct buf_reader *r, struct p11_mechanism *m, int block, size_t at, CK_ULONG given, CK_ULONG len,
		      struct err *err)
{
	const uint8_t *bytes;

	if (!buf_get_u8(r))
		return 0;
	bytes = buf_get(r, given);
	m->blocks[block] = mem_zalloc(len + 1);
	if (!m->blocks[block])
		return err_no_memory(err);
	if (bytes && given)
		memcpy(m->blocks[block], bytes, given);
	memcpy((uint8_t *)m->blocks[0] + at, &m->blocks[block], sizeof(void *));
	return 0;
}

static int take_struct(struct buf_reader *r, const struct p11_message_form *form, enum purpose purpose,
		       struct p11_mechanism *m, struct err *err)
{
	uint8_t *param = m->blocks[0] = mem_zalloc(form->size);
	int rc;

	if (!param)
		return err_no_memory(err);
	m->ck.pParameter = param;
	m->ck.ulParameterLen = form->size;
	for (int n = 0; n < NUMBERS; n++) {
		CK_ULONG value = form->numbers[n] == NONE ? 0 : (CK_ULONG)buf_get_u64(r);

		if (form->numbers[n] != NONE)
			memcpy(param + form->numbers[n], &value, sizeof(value));
	}
	if (r->bad || !good_numbers(form, param))
		return err_set(err, ERR_PROTOCOL, "a message parameter of wrong lengths");
	rc = take_bytes(r, m, 1, form->iv, given_iv(form, param, purpose), iv_len(form, param), err);
	if (rc == 0)
		rc = take_bytes(r, m, 2, form->tag, given_tag(form, param, purpose), tag_len(form, param), err);
	return rc;
}

static int take_plain(struct buf_reader *r, struct p11_mechanism *m, struct err *err)
{
	size_t len;
	const uint8_t *bytes = buf_get_bytes(r, &len);

	if (!bytes || !len)
		return 0;
	if (len > P11_MESSAGE_PARAM_MAX)
		return err_set(err, ERR_PROTOCOL, "a message parameter of %zu bytes", len);
	m->ck.pParameter = m->blocks[0] = mem_dup(bytes, len);
	m->ck.ulParameterLen = len;
	return m->blocks[0] ? 0 : err_no_memory(err);
}

static int decode(struct buf_reader *r, enum purpose purpose, struct p11_mechanism *ret,
		  const struct p11_message_form **ret_form, struct err *err)
{
	uint8_t id = buf_get_u8(r);
	int rc;

	if (id > FORMS)
		return err_set(err, ERR_PROTOCOL, "a message parameter of unknown form %u", id);
	*ret_form = id ? &forms[id - 1] : NULL;
	rc = id ? take_struct(r, *ret_form, purpose, ret, err) : take_plain(r, ret, err);
	if (rc == 0 && r->bad)
		rc = err_set(err, ERR_PROTOCOL, "a message parameter is cut short");
	if (rc < 0)
		p11_mechanism_release(ret);
	return rc;
}

int p11_message_decode(struct buf_reader *r, bool gives, struct p11_mechanism *ret, const struct p11_message_form **ret_form,
		       struct err *err)
{
	return decode(r, gives ? GIVING : READ, ret, ret_form, err);
}

/* What the token wrote: its IV, if it made one, and the tag. */
static CK_ULONG made_len(const struct p11_message_form *form, const void *param)
{
	return p11_message_generator(form, param) == CKG_NO_GENERATE ? 0 : iv_len(form, param);
}

void p11_message_encode_result(struct buf *buf, const struct p11_message_form *form, const void *param, CK_ULONG len)
{
	if (!form) {
		buf_put(buf, param, len);
		return;
	}
	buf_put(buf, lead(param, form->iv), made_len(form, param));
	buf_put(buf, lead(param, form->tag), tag_len(form, param));
}

static bool same_bits(const uint8_t *a, const uint8_t *b, CK_ULONG bits)
{
	CK_ULONG whole = bits / 8, rest = bits % 8;

	return (!whole || memcmp(a, b, whole) == 0) && (!rest || (a[whole] ^ b[whole]) >> (8 - rest) == 0);
}

int p11_message_decode_result(struct buf_reader *r, const struct p11_message_form *form, void *param, CK_ULONG len,
			      struct err *err)
{
	CK_ULONG made = form ? made_len(form, param) : len, tag = form ? tag_len(form, param) : 0;
	const uint8_t *iv = buf_get(r, made), *mac = buf_get(r, tag);

	if (r->bad)
		return err_set(err, ERR_PROTOCOL, "a message parameter is cut short");
	if (form && made && !same_bits(iv, lead(param, form->iv), number(form, param, FIXED_BITS)))
		return err_set(err, ERR_PROTOCOL, "an IV that does not begin as it was asked for");
	if (made)
		memcpy(form ? lead(param, form->iv) : param, iv, made);
	if (tag)
		memcpy(lead(param, form->tag), mac, tag);
	return 0;
}

/* ---- processes ---- */

CK_RV p11_process_check(const CK_MECHANISM *m)
{
	const struct p11_message_form *form = p11_message_form(m->mechanism);

	if (!form)
		return p11_mechanism_check(m);
	if (!m->pParameter && !m->ulParameterLen)
		return CKR_OK;
	return m->pParameter && m->ulParameterLen == form->size && good_numbers(form, m->pParameter)
		       ? CKR_OK
		       : CKR_MECHANISM_PARAM_INVALID;
}

void p11_process_encode(struct buf *buf, const CK_MECHANISM *m)
{
	const struct p11_message_form *form = p11_message_form(m->mechanism);

	buf_put_u8(buf, form != NULL);
	if (!form) {
		p11_mechanism_encode(buf, m);
		return;
	}
	buf_put_u64(buf, m->mechanism);
	encode(buf, m->ulParameterLen ? form : NULL, m->pParameter, m->ulParameterLen, PROCESS);
}

int p11_process_decode(struct buf_reader *r, struct p11_mechanism *ret, struct err *err)
{
	bool has_form = buf_get_u8(r) != 0;
	const struct p11_message_form *form = NULL;
	CK_MECHANISM_TYPE type;
	int rc;

	if (!has_form) {
		rc = p11_mechanism_decode(r, ret, err);
		if (rc == 0 && p11_message_form(ret->ck.mechanism)) {
			p11_mechanism_release(ret);
			rc = err_set(err, ERR_PROTOCOL, "a mechanism of messages with another parameter");
		}
		return rc;
	}
	type = (CK_MECHANISM_TYPE)buf_get_u64(r);
	*ret = (struct p11_mechanism){.ck.mechanism = type};
	rc = decode(r, PROCESS, ret, &form, err);
	if (rc == 0 && (!p11_message_form(type) || form != (ret->ck.ulParameterLen ? p11_message_form(type) : NULL))) {
		p11_mechanism_release(ret);
		rc = err_set(err, ERR_PROTOCOL, "a mechanism with another one's parameter");
	}
	return rc;
}

int p11_process_copy(const CK_MECHANISM *from, struct p11_mechanism *ret, struct err *err)
{
	owned(buf) struct buf wire = {.max = WIRE_MAX};
	struct buf_reader r;
	CK_RV rv = p11_process_check(from);
	int rc;

	if (!p11_message_form(from->mechanism))
		return p11_mechanism_copy(from, ret, err);
	if (rv != CKR_OK)
		return p11_rv_err(err, rv, "mechanism");
	p11_process_encode(&wire, from);
	rc = buf_check(&wire, err);
	if (rc < 0)
		return rc;
	r = buf_reader(wire.data, wire.len);
	return p11_process_decode(&r, ret, err);
}
