/* SPDX-License-Identifier: Apache-2.0 */
/* The wire form of calls: every function there and back, and every way to break it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/mem.h"
#include "p11/call.h"
#include "p11/rv.h"
#include "p11/template.h"
#include "stage.h"

enum { WIRE_MAX = 1 << 20 };

static CK_ULONG aes = CKK_AES;
static CK_ATTRIBUTE answer_template[] = {{CKA_LABEL, (void *)"inner", 5}, {CKA_KEY_TYPE, &aes, sizeof(aes)}};

/* What a token would answer: recognisable results in every place. */
static void answer(struct p11_call *call)
{
	call->rv = CKR_OK;
	for (int i = 0; i < P11_ARGS_MAX && p11_fn_table[call->fn].args[i] != P11_ARG_END; i++) {
		struct p11_arg *a = &call->args[i];
		CK_ATTRIBUTE *values = a->out;

		switch (p11_fn_table[call->fn].args[i]) {
		case P11_ARG_OUT:
			memset(a->out, 0x3c, 20);
			*a->out_len = 20;
			break;
		case P11_ARG_OUT_ULONGS:
		case P11_ARG_OUT_HANDLES:
			((CK_ULONG *)a->out)[0] = 77;
			((CK_ULONG *)a->out)[1] = 78;
			*a->out_len = 2;
			break;
		case P11_ARG_RANDOM:
			memset(a->out, 0x3c, a->number);
			break;
		case P11_ARG_OUT_HANDLE:
		case P11_ARG_OUT_NUMBER:
			*(CK_ULONG *)a->out = 4242;
			break;
		case P11_ARG_OUT_INFO:
			memset(a->out, 0x3c, sizeof(CK_MECHANISM_INFO));
			break;
		case P11_ARG_ATTRS:
			*(CK_ULONG *)values[0].pValue = CKO_DATA;
			values[0].ulValueLen = sizeof(CK_ULONG);
			memcpy(values[1].pValue, "hello", 5);
			values[1].ulValueLen = 5;
			values[2].ulValueLen = CK_UNAVAILABLE_INFORMATION;
			p11_template_put(values[3].pValue, answer_template, 2);
			values[3].ulValueLen = sizeof(answer_template);
			call->rv = CKR_ATTRIBUTE_SENSITIVE;
			break;
		default:
			break;
		}
	}
}

static void encode(struct buf *wire, const struct p11_call *call)
{
	buf_init(wire, WIRE_MAX);
	p11_encode_request(wire, call, 1);
	assert_int_equal(buf_check(wire, NULL), 0);
}

static void every_function_goes_there_and_back(void **state)
{
	(void)state;
	for (int fn = 0; fn < P11_FN_MAX; fn++) {
		owned(buf) struct buf wire = {0}, reply = {.max = WIRE_MAX};
		owned(p11_batch) struct p11_batch batch = {0};
		struct stage stage;
		struct p11_call call = make(fn, &stage);
		struct buf_reader r;
		struct err err = {0};

		encode(&wire, &call);
		r = buf_reader(wire.data, wire.len);
		assert_int_equal(p11_decode_request(&r, P11_RESULT_MAX, &batch, &err), 0);
		assert_int_equal(batch.count, 1);
		assert_int_equal(batch.calls[0].fn, fn);
		for (int i = 0; i < P11_ARGS_MAX && p11_fn_table[fn].args[i] != P11_ARG_END; i++) {
			const struct p11_arg *sent = &call.args[i], *got = &batch.calls[0].args[i];

			if (p11_fn_table[fn].args[i] == P11_ARG_IN || p11_fn_table[fn].args[i] == P11_ARG_PIN)
				assert_memory_equal(sent->in, got->in, got->number);
			if (p11_fn_table[fn].args[i] == P11_ARG_TEMPLATE) {
				const CK_ATTRIBUTE *t = got->in;

				assert_int_equal(got->number, 4);
				assert_int_equal(*(CK_ULONG *)t[0].pValue, CKO_DATA);
				assert_memory_equal(t[1].pValue, "a label of mine", 15);
				assert_int_equal(t[3].ulValueLen, sizeof(stage.nested));
				assert_true(p11_template_equal(t[3].pValue, stage.nested, 2));
			}
			if (p11_fn_table[fn].args[i] == P11_ARG_MECHANISM) {
				const CK_RSA_PKCS_OAEP_PARAMS *p = ((const CK_MECHANISM *)got->in)->pParameter;

				assert_int_equal(p->hashAlg, CKM_SHA_1);
				assert_memory_equal(p->pSourceData, "a lab", 5);
			}
			if (!got->out)
				assert_int_equal(sent->number, got->number);
		}
		answer(&batch.calls[0]);
		p11_encode_reply(&reply, batch.calls, 1);
		r = buf_reader(reply.data, reply.len);
		assert_int_equal(p11_decode_reply(&r, &call, 1, &err), 0);
		assert_int_equal(call.rv, batch.calls[0].rv);
		for (int i = 0; i < P11_ARGS_MAX && p11_fn_table[fn].args[i] != P11_ARG_END; i++) {
			if (p11_fn_table[fn].args[i] == P11_ARG_OUT) {
				assert_int_equal(stage.out_len, 20);
				assert_int_equal(stage.out[19], 0x3c);
			}
			if (p11_fn_table[fn].args[i] == P11_ARG_OUT_HANDLE ||
			    p11_fn_table[fn].args[i] == P11_ARG_OUT_NUMBER)
				assert_int_equal(stage.handles[i], 4242);
			if (p11_fn_table[fn].args[i] == P11_ARG_ATTRS) {
				assert_int_equal(stage.values[1].ulValueLen, 5);
				assert_memory_equal(stage.room[1], "hello", 5);
				assert_true(stage.values[2].ulValueLen == CK_UNAVAILABLE_INFORMATION);
				assert_int_equal(stage.values[3].ulValueLen, sizeof(answer_template));
				assert_true(p11_template_equal(stage.block, answer_template, 2));
			}
		}
		buf_release(&wire);
	}
}

static void a_request_cut_anywhere_is_refused(void **state)
{
	(void)state;
	for (int fn = 0; fn < P11_FN_MAX; fn++) {
		owned(buf) struct buf wire = {0};
		struct stage stage;
		struct p11_call call = make(fn, &stage);

		encode(&wire, &call);
		for (size_t len = 0; len < wire.len; len++) {
			/* An exact copy, so that reading past the end is seen by the sanitizer. */
			owned(mem) uint8_t *copy = mem_dup(wire.data, len);
			struct p11_batch batch;
			struct buf_reader r = buf_reader(copy, len);

			assert_true(p11_decode_request(&r, P11_RESULT_MAX, &batch, NULL) < 0);
		}
	}
}

static void random_damage_never_harms(void **state)
{
	unsigned seed = (unsigned)time(NULL);

	(void)state;
	print_message("seed %u\n", seed);
	srand(seed);
	for (int round = 0; round < 20000; round++) {
		owned(buf) struct buf wire = {0};
		struct p11_batch batch;
		struct stage stage;
		struct p11_call call = make(rand() % P11_FN_MAX, &stage);
		struct buf_reader r;

		encode(&wire, &call);
		for (int n = 1 + rand() % 4; n > 0; n--)
			wire.data[(size_t)rand() % wire.len] = (uint8_t)rand();
		r = buf_reader(wire.data, wire.len);
		if (p11_decode_request(&r, P11_RESULT_MAX, &batch, NULL) == 0)
			p11_batch_release(&batch);
	}
}

static void a_reply_larger_than_its_room_is_refused(void **state)
{
	owned(buf) struct buf reply = {.max = 1024};
	uint8_t out[4];
	CK_ULONG out_len = sizeof(out);
	struct p11_call call = p11_transform(P11_C_Sign, 1, "x", 1, out, &out_len);
	struct buf_reader r;
	struct err err;

	(void)state;
	buf_put_u64(&reply, CKR_OK);
	buf_put_u64(&reply, 5);
	buf_put(&reply, "12345", 5);
	r = buf_reader(reply.data, reply.len);
	assert_int_equal(p11_decode_reply(&r, &call, 1, &err), -ERR_PROTOCOL);
}

/* Whoever gave room takes a length for that of a value: a peer must not make it one of nothing. */
static void an_attribute_with_a_length_and_no_value_is_refused(void **state)
{
	static const struct {
		CK_RV rv;
		uint64_t len;
		int want;
	} cases[] = {
		{CKR_OK, 1 << 20, -ERR_PROTOCOL},
		{CKR_OK, 5, -ERR_PROTOCOL},
		{CKR_ATTRIBUTE_SENSITIVE, 5, -ERR_PROTOCOL},
		{CKR_ATTRIBUTE_SENSITIVE, UINT64_MAX, 0},
		{CKR_BUFFER_TOO_SMALL, 1 << 20, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		owned(buf) struct buf reply = {.max = WIRE_MAX};
		struct stage stage;
		struct p11_call call = make(P11_C_GetAttributeValue, &stage);
		struct buf_reader r;
		struct err err = {0};

		call.args[2].number = 1;
		buf_put_u64(&reply, cases[i].rv);
		buf_put_u64(&reply, cases[i].len);
		buf_put_u8(&reply, 0);
		r = buf_reader(reply.data, reply.len);
		assert_int_equal(p11_decode_reply(&r, &call, 1, &err), cases[i].want);
	}
}

/* A peer may ask for the length of what nobody can read: its reply is none that it takes for a broken peer's. */
static void what_is_refused_before_it_was_read_has_no_values(void **state)
{
	owned(buf) struct buf reply = {.max = WIRE_MAX};
	struct stage here, there;
	struct p11_call sent = make(P11_C_GetAttributeValue, &there), call = make(P11_C_GetAttributeValue, &here);
	struct buf_reader r;
	struct err err = {0};

	(void)state;
	there.values[3] = (CK_ATTRIBUTE){CKF_ARRAY_ATTRIBUTE, NULL, 0};
	assert_int_equal(p11_execute(NULL, 0, &sent), CKR_ATTRIBUTE_TYPE_INVALID);
	p11_encode_reply(&reply, &sent, 1);
	r = buf_reader(reply.data, reply.len);
	assert_int_equal(p11_decode_reply(&r, &call, 1, &err), 0);
	for (int i = 0; i < 4; i++)
		assert_true(here.values[i].ulValueLen == CK_UNAVAILABLE_INFORMATION);
}

/* Who has a lease is told to those who do not get it, in a text that harms no terminal. */
static void a_lease_that_is_refused_says_who_has_it(void **state)
{
	static const struct {
		enum p11_fn fn;
		CK_RV rv;
		bool told;
	} cases[] = {
		{P11_X_Lease, CKR_OK, true},
		{P11_X_Lease, CKR_FUNCTION_REJECTED, true},
		{P11_X_Lease, CKR_SESSION_COUNT, false},
		{P11_C_GetMechanismInfo, CKR_FUNCTION_REJECTED, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		owned(buf) struct buf reply = {.max = WIRE_MAX};
		struct stage here, there;
		struct p11_call sent = make(cases[i].fn, &there), call = make(cases[i].fn, &here);
		struct buf_reader r;
		struct err err = {0};

		sent.rv = cases[i].rv;
		there.info.lease = (struct p11_lease){.number = 7, .left_ms = 5, .holder = "she\033[2J"};
		memset(there.info.lease.holder + 7, 'x', P11_LEASE_HOLDER_MAX - 6);
		p11_encode_reply(&reply, &sent, 1);
		r = buf_reader(reply.data, reply.len);
		assert_int_equal(p11_decode_reply(&r, &call, 1, &err), 0);
		assert_int_equal(call.rv, cases[i].rv);
		assert_int_equal(here.info.lease.number, cases[i].told ? 7 : 0);
		if (!cases[i].told)
			continue;
		assert_int_equal(here.info.lease.left_ms, 5);
		assert_memory_equal(here.info.lease.holder, "she?[2J", 7);
		assert_int_equal(here.info.lease.holder[P11_LEASE_HOLDER_MAX], 0);
	}
}

/* Appliances of before go by them. */
static void functions_keep_their_numbers(void **state)
{
	(void)state;
	assert_int_equal(P11_C_GetInfo, 0);
	assert_int_equal(P11_C_GenerateRandom, 43);
	assert_int_equal(P11_X_Absent, 44);
	assert_int_equal(P11_X_Age, 45);
	assert_int_equal(P11_X_Lease, 46);
	assert_int_equal(P11_C_DecryptVerifyUpdate, 56);
	assert_int_equal(P11_C_MessageEncryptInit, 57);
	assert_int_equal(P11_C_MessageVerifyFinal, 68);
}

/* ---- messages ---- */

/* Every form, and what it leads to. */
static CK_BYTE iv[12], tag[16];
static CK_GCM_MESSAGE_PARAMS gcm = {iv, 12, 33, CKG_GENERATE_RANDOM, tag, 96};
static CK_CCM_MESSAGE_PARAMS ccm = {7, iv, 12, 33, CKG_GENERATE_RANDOM, tag, 12};
static CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS bits = {iv, 96, tag}, bytes = {iv, 12, tag};
static const struct {
	CK_MECHANISM mechanism;
	CK_ULONG tag_len;
} messages[] = {
	{{CKM_AES_GCM, &gcm, sizeof(gcm)}, 12},
	{{CKM_AES_CCM, &ccm, sizeof(ccm)}, 12},
	{{CKM_CHACHA20_POLY1305, &bits, sizeof(bits)}, 16},
	{{CKM_SALSA20_POLY1305, &bytes, sizeof(bytes)}, 16},
};
enum { MESSAGES = sizeof(messages) / sizeof(messages[0]) };

static struct p11_call message(size_t which, bool encrypts, CK_BYTE *out, CK_ULONG *len)
{
	const CK_MECHANISM *m = &messages[which].mechanism;
	struct p11_call call = p11_C_EncryptMessage(1, m->pParameter, m->ulParameterLen, "aad", 3, "text", 4, out, len);

	call.fn = encrypts ? P11_C_EncryptMessage : P11_C_DecryptMessage;
	call.args[1].in = p11_message_form(m->mechanism);
	memcpy(iv, "iv o\xafwelve!!", sizeof(iv));
	memcpy(tag, "a tag of sixteen", sizeof(tag));
	*len = 4;
	return call;
}

static void receive(const struct p11_call *call, struct buf *wire, struct p11_batch *ret)
{
	struct buf_reader r;

	encode(wire, call);
	r = buf_reader(wire->data, wire->len);
	assert_int_equal(p11_decode_request(&r, P11_RESULT_MAX, ret, NULL), 0);
	assert_int_equal(p11_call_check(&ret->calls[0]), CKR_OK);
}

/* The host hears the fixed bits of an IV that the token makes, all of another, and the tag of what is decrypted. */
static void a_message_says_what_is_the_callers(void **state)
{
	(void)state;
	for (size_t i = 0; i < MESSAGES; i++)
		for (int encrypts = 0; encrypts < 2; encrypts++) {
			owned(buf) struct buf wire = {0};
			owned(p11_batch) struct p11_batch batch = {0};
			CK_BYTE out[4], *got;
			CK_ULONG len;
			struct p11_call call = message(i, encrypts, out, &len);
			bool made = encrypts && messages[i].mechanism.pParameter != &bits && messages[i].mechanism.pParameter != &bytes;

			receive(&call, &wire, &batch);
			assert_ptr_equal(batch.calls[0].args[1].in, call.args[1].in);
			assert_int_equal(batch.calls[0].args[1].number, call.args[1].number);
			got = i == 1 ? ((CK_CCM_MESSAGE_PARAMS *)batch.calls[0].args[1].out)->pNonce
				     : *(CK_BYTE **)batch.calls[0].args[1].out;
			assert_ptr_not_equal(got, iv);
			assert_memory_equal(got, iv, made ? 5 : 12);
			assert_int_equal(got[6] == 0, made);
			got = i == 0 ? ((CK_GCM_MESSAGE_PARAMS *)batch.calls[0].args[1].out)->pTag
			      : i == 1 ? ((CK_CCM_MESSAGE_PARAMS *)batch.calls[0].args[1].out)->pMAC
				       : ((CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS *)batch.calls[0].args[1].out)->pTag;
			if (encrypts)
				assert_int_equal(got[0], 0);
			else
				assert_memory_equal(got, tag, messages[i].tag_len);
		}
}

/* As its token wrote it; and nothing of an IV whose fixed bits are others. */
static void an_iv_comes_back_as_it_was_asked_for_or_not_at_all(void **state)
{
	(void)state;
	for (int bit = 0; bit < 40; bit++) {
		owned(buf) struct buf wire = {0}, reply = {.max = WIRE_MAX};
		owned(p11_batch) struct p11_batch batch = {0};
		CK_BYTE out[4];
		CK_ULONG len;
		struct p11_call call = message(0, true, out, &len);
		CK_GCM_MESSAGE_PARAMS *there;
		struct buf_reader r;
		int rc;

		receive(&call, &wire, &batch);
		there = batch.calls[0].args[1].out;
		memset(there->pIv + 5, 0x5a, 7);
		there->pIv[bit / 8] ^= (CK_BYTE)(0x80 >> bit % 8);
		memset(there->pTag, 0x3c, 12);
		memcpy(batch.calls[0].args[4].out, "TEXT", 4);
		batch.calls[0].rv = CKR_OK;
		p11_encode_reply(&reply, batch.calls, 1);
		r = buf_reader(reply.data, reply.len);
		rc = p11_decode_reply(&r, &call, 1, NULL);
		assert_int_equal(rc, bit < 33 ? -ERR_PROTOCOL : 0);
		assert_int_equal(iv[6], bit < 33 ? 'e' : 0x5a);
		assert_int_equal(tag[0], bit < 33 ? 'a' : 0x3c);
		assert_int_equal(tag[12], 't');
		/* Cut anywhere, it is not believed either. */
		for (size_t n = 0; n < reply.len; n++) {
			r = buf_reader(reply.data, n);
			assert_int_equal(p11_decode_reply(&r, &call, 1, NULL), -ERR_PROTOCOL);
		}
	}
}

/* Bytes come back where bytes went; a process says the numbers of its parameter, or nothing. */
static void plain_parameters_and_processes_travel(void **state)
{
	CK_BYTE param[] = "some bytes", out[4];
	CK_ULONG len = 4;
	struct p11_call call = p11_C_SignMessage(1, param, sizeof(param), "text", 4, out, &len);
	static const CK_MECHANISM bare = {CKM_AES_GCM, NULL, 0}, plain = {CKM_SHA256_HMAC, NULL, 0};
	const CK_MECHANISM *processes[] = {&messages[0].mechanism, &messages[1].mechanism, &messages[2].mechanism, &bare, &plain};
	owned(buf) struct buf wire = {0}, reply = {.max = WIRE_MAX};
	owned(p11_batch) struct p11_batch batch = {0};
	struct buf_reader r;

	(void)state;
	receive(&call, &wire, &batch);
	assert_memory_equal(batch.calls[0].args[1].out, param, sizeof(param));
	memcpy(batch.calls[0].args[1].out, "SOME", 4);
	batch.calls[0].rv = CKR_OK;
	p11_encode_reply(&reply, batch.calls, 1);
	r = buf_reader(reply.data, reply.len);
	assert_int_equal(p11_decode_reply(&r, &call, 1, NULL), 0);
	assert_string_equal(param, "SOME bytes");
	for (size_t i = 0; i < sizeof(processes) / sizeof(processes[0]); i++) {
		owned(p11_mechanism) struct p11_mechanism copy = {0};

		assert_int_equal(p11_process_copy(processes[i], &copy, NULL), 0);
		assert_int_equal(copy.ck.mechanism, processes[i]->mechanism);
		assert_int_equal(copy.ck.ulParameterLen, processes[i]->ulParameterLen);
		assert_int_equal(p11_process_check(&copy.ck), CKR_OK);
		if (i == 0)
			assert_int_equal(((CK_GCM_MESSAGE_PARAMS *)copy.ck.pParameter)->ulTagBits, 96);
	}
}

static void a_process_with_anothers_parameter_is_refused(void **state)
{
	/* Whether there is a form, of which mechanism, of which form its parameter is. */
	static const struct {
		uint8_t has_form;
		CK_MECHANISM_TYPE type;
		uint8_t form;
	} cases[] = {{0, CKM_AES_GCM, 0}, {1, CKM_ECDSA, 0}, {1, CKM_AES_GCM, 3}, {1, CKM_AES_CCM, 9}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		owned(buf) struct buf wire = {.max = WIRE_MAX};
		owned(p11_mechanism) struct p11_mechanism got = {0};
		struct buf_reader r;

		buf_put_u8(&wire, cases[i].has_form);
		buf_put_u64(&wire, cases[i].type);
		buf_put_u8(&wire, cases[i].form);
		for (int n = 0; n < 64; n++)
			buf_put_u8(&wire, 0);
		r = buf_reader(wire.data, wire.len);
		assert_int_equal(p11_process_decode(&r, &got, NULL), -ERR_PROTOCOL);
	}
}

static void huge_wishes_are_refused(void **state)
{
	CK_ULONG len = 1ul << 40;
	uint8_t out[1];
	struct p11_call calls[] = {
		p11_transform(P11_C_Sign, 1, "x", 1, out, &len),
		p11_C_GenerateRandom(1, out, 1ul << 40),
		p11_C_FindObjects(1, (CK_OBJECT_HANDLE *)out, 1ul << 40, &len),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		owned(buf) struct buf wire = {0};
		struct p11_batch batch;
		struct buf_reader r;
		struct err err;

		encode(&wire, &calls[i]);
		r = buf_reader(wire.data, wire.len);
		assert_int_equal(p11_decode_request(&r, P11_RESULT_MAX, &batch, &err), -ERR_PROTOCOL);
	}
}

static void results_take_no_more_room_than_there_is(void **state)
{
	uint8_t out[8];
	CK_ULONG len = 0;
	CK_ATTRIBUTE value = {CKA_VALUE, out, 4000};
	struct p11_call calls[] = {
		p11_C_GenerateRandom(1, out, 4000), p11_transform(P11_C_Sign, 1, out, 1, out, &(CK_ULONG){4000}),
		p11_C_GetAttributeValue(1, 2, &value, 1), p11_C_FindObjects(1, (CK_OBJECT_HANDLE *)out, 500, &len),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		owned(buf) struct buf wire = {0};
		owned(p11_batch) struct p11_batch batch = {0};
		struct buf_reader r;

		encode(&wire, &calls[i]);
		r = buf_reader(wire.data, wire.len);
		assert_int_equal(p11_decode_request(&r, 3999, &batch, NULL), -ERR_PROTOCOL);
		r = buf_reader(wire.data, wire.len);
		assert_int_equal(p11_decode_request(&r, 4000, &batch, NULL), 0);
	}
}

static void templates_go_one_deep_and_strange_arrays_not_at_all(void **state)
{
	CK_ATTRIBUTE inner = {CKA_LABEL, (void *)"x", 1};
	CK_ATTRIBUTE outer = {CKA_WRAP_TEMPLATE, &inner, sizeof(inner)};
	CK_ATTRIBUTE deep = {CKA_UNWRAP_TEMPLATE, &outer, sizeof(outer)};
	CK_ATTRIBUTE strange = {CKA_VENDOR_DEFINED | CKF_ARRAY_ATTRIBUTE | 1, &inner, sizeof(inner)};
	const struct {
		CK_ATTRIBUTE *item;
		int want;
	} cases[] = {{&outer, 0}, {&deep, -ERR_PROTOCOL}, {&strange, -ERR_PROTOCOL}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		owned(buf) struct buf wire = {0};
		owned(p11_batch) struct p11_batch batch = {0};
		CK_OBJECT_HANDLE object;
		struct p11_call call = p11_C_CreateObject(1, cases[i].item, 1, &object);
		struct buf_reader r;

		encode(&wire, &call);
		r = buf_reader(wire.data, wire.len);
		assert_int_equal(p11_decode_request(&r, P11_RESULT_MAX, &batch, NULL), cases[i].want);
	}
}

/* What a peer says of how deep it goes is no reason to go there. */
static void a_million_templates_within_each_other_are_refused(void **state)
{
	enum { DEEP = 1000000, EACH = 16 };
	owned(buf) struct buf wire = {.max = (size_t)2 * DEEP * EACH};
	struct p11_attrs attrs = {0};
	struct buf_reader r;

	(void)state;
	for (uint32_t left = DEEP; left-- > 0;) {
		buf_put_u32(&wire, 1);
		buf_put_u64(&wire, CKA_UNWRAP_TEMPLATE);
		buf_put_u32(&wire, left * EACH);
	}
	r = buf_reader(wire.data, wire.len);
	assert_int_equal(p11_attrs_decode(&r, &attrs, NULL), -ERR_PROTOCOL);
}

static void memory_may_run_out_anywhere(void **state)
{
	(void)state;
	for (int fn = 0; fn < P11_FN_MAX; fn++) {
		owned(buf) struct buf wire = {0};
		struct stage stage;
		struct p11_call call = make(fn, &stage);
		int rc = -1;

		encode(&wire, &call);
		for (unsigned long n = 1; rc < 0; n++) {
			struct p11_batch batch;
			struct buf_reader r = buf_reader(wire.data, wire.len);

			mem_fail_after = n;
			rc = p11_decode_request(&r, P11_RESULT_MAX, &batch, NULL);
			mem_fail_after = 0;
			assert_true(n < 64);
			if (rc == 0)
				p11_batch_release(&batch);
		}
	}
}

static void return_values_have_names_and_classes(void **state)
{
	(void)state;
	assert_string_equal(p11_rv_name(CKR_PIN_INCORRECT), "CKR_PIN_INCORRECT");
	assert_string_equal(p11_rv_name(0x80000123), "0x80000123");
	assert_int_equal(p11_rv_class(CKR_PIN_INCORRECT), P11_CREDENTIAL);
	assert_int_equal(p11_rv_class(CKR_GENERAL_ERROR), P11_AMBIGUOUS);
	assert_int_equal(p11_rv_class(CKR_DEVICE_REMOVED), P11_MEMBER);
	assert_int_equal(p11_rv_class(CKR_DATA_LEN_RANGE), P11_CALLER);
	assert_int_equal(p11_rv_class(0x80000123), P11_AMBIGUOUS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_function_goes_there_and_back),
		cmocka_unit_test(a_request_cut_anywhere_is_refused),
		cmocka_unit_test(random_damage_never_harms),
		cmocka_unit_test(a_reply_larger_than_its_room_is_refused),
		cmocka_unit_test(an_attribute_with_a_length_and_no_value_is_refused),
		cmocka_unit_test(what_is_refused_before_it_was_read_has_no_values),
		cmocka_unit_test(a_lease_that_is_refused_says_who_has_it),
		cmocka_unit_test(functions_keep_their_numbers),
		cmocka_unit_test(a_message_says_what_is_the_callers),
		cmocka_unit_test(an_iv_comes_back_as_it_was_asked_for_or_not_at_all),
		cmocka_unit_test(plain_parameters_and_processes_travel),
		cmocka_unit_test(a_process_with_anothers_parameter_is_refused),
		cmocka_unit_test(huge_wishes_are_refused),
		cmocka_unit_test(results_take_no_more_room_than_there_is),
		cmocka_unit_test(templates_go_one_deep_and_strange_arrays_not_at_all),
		cmocka_unit_test(a_million_templates_within_each_other_are_refused),
		cmocka_unit_test(memory_may_run_out_anywhere),
		cmocka_unit_test(return_values_have_names_and_classes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
