/* SPDX-License-Identifier: Apache-2.0 */
/* Operations in many parts whose members die, and results that the caller has no room for. */
#include "fixture.h"

static CK_BYTE iv[16] = "initial vector..";

/* What is done in parts of these lengths; each kind its own way. */
static const CK_ULONG parts[] = {1, 15, 16, 0, 33, 64, 7};
enum { PARTS = sizeof(parts) / sizeof(parts[0]), IN_LEN = 136 };
static uint8_t input[IN_LEN];

static const struct way {
	enum p11_op kind;
	enum key_kind key;
	CK_MECHANISM mechanism;
} ways[] = {
	{P11_OP_SIGN, KEY_HMAC_SHA256, {CKM_SHA256_HMAC, NULL, 0}},
	{P11_OP_SIGN, KEY_RSA_2048, {CKM_SHA256_RSA_PKCS, NULL, 0}},
	{P11_OP_DIGEST, KEY_HMAC_SHA256, {CKM_SHA256, NULL, 0}},
	{P11_OP_ENCRYPT, KEY_AES_256, {CKM_AES_CBC_PAD, iv, sizeof(iv)}},
};

struct result {
	uint8_t out[1024];
	CK_ULONG len;
};

/* All parts, and the end; before part number `at` (PARTS: before the end) something happens. */
static CK_RV run(const struct way *way, CK_OBJECT_HANDLE with, int at, void (*happens)(void), struct result *ret)
{
	struct use o;
	const uint8_t *in = input;
	CK_ULONG room;
	CK_RV rv = use_begin(way->kind, &way->mechanism, with, &o);

	*ret = (struct result){.len = 0};
	for (int i = 0; i < PARTS && rv == CKR_OK; i++) {
		if (i == at)
			happens();
		room = sizeof(ret->out) - ret->len;
		rv = use_call(&o, P11_PART_UPDATE, in, parts[i], ret->out + ret->len, &room);
		assert_int_equal(is_over(&o), rv != CKR_OK);
		ret->len += rv == CKR_OK && way->kind == P11_OP_ENCRYPT ? room : 0;
		in += parts[i];
	}
	if (rv == CKR_OK && at == PARTS)
		happens();
	if (rv == CKR_OK) {
		room = sizeof(ret->out) - ret->len;
		rv = use_call(&o, P11_PART_FINAL, NULL, 0, ret->out + ret->len, &room);
		assert_true(is_over(&o));
		ret->len += rv == CKR_OK ? room : 0;
	}
	use_end(&o);
	return rv;
}

static uint32_t gone;

static void they_go(void)
{
	away(gone);
}

static void begin_input(void)
{
	for (size_t i = 0; i < IN_LEN; i++)
		input[i] = (uint8_t)i;
}

/* Whoever is left at whatever part makes what the one would have made that is gone. */
static void the_result_is_the_same_whoever_goes_between_two_parts(void **state)
{
	static const uint32_t masks[] = {0x1, 0x2, 0x3, 0x7, 0xe, 0xb};

	(void)state;
	begin_input();
	for (size_t w = 0; w < COUNT(ways); w++) {
		CK_OBJECT_HANDLE k = key(ways[w].key, "k");
		struct result expected, got;

		assert_int_equal(run(&ways[w], k, -1, NULL, &expected), CKR_OK);
		for (size_t i = 0; i < COUNT(masks); i++)
			for (int at = 0; at <= PARTS; at++) {
				gone = masks[i];
				assert_int_equal(run(&ways[w], k, at, they_go, &got), CKR_OK);
				assert_int_equal(got.len, expected.len);
				assert_memory_equal(got.out, expected.out, got.len);
				away(0);
				look_again();
			}
	}
}

static unsigned nth;
static uint32_t dying;

static void they_die(void)
{
	for (size_t m = 0; m < RIG_MEMBERS; m++)
		if (dying & 1u << m)
			rig_lose(m, nth, RIG_AFTER);
}

/* A member dies at whatever message. */
static void the_result_is_the_same_whoever_dies_over_a_part(void **state)
{
	(void)state;
	begin_input();
	for (size_t w = 0; w < COUNT(ways); w++) {
		CK_OBJECT_HANDLE k = key(ways[w].key, "k");
		struct result expected, got;
		bool came = true;

		assert_int_equal(run(&ways[w], k, -1, NULL, &expected), CKR_OK);
		dying = 0x1;
		for (nth = 1; came; nth++) {
			assert_int_equal(run(&ways[w], k, 0, they_die, &got), CKR_OK);
			assert_int_equal(got.len, expected.len);
			assert_memory_equal(got.out, expected.out, got.len);
			came = rig_came();
			away(0);
			look_again();
		}
	}
}

static void with_nobody_left_it_is_over(void **state)
{
	(void)state;
	begin_input();
	for (size_t w = 0; w < COUNT(ways); w++) {
		CK_OBJECT_HANDLE k = key(ways[w].key, "k");
		struct result got;

		for (int at = 0; at <= PARTS; at++) {
			gone = 0xf;
			assert_int_equal(run(&ways[w], k, at, they_go, &got), CKR_DEVICE_REMOVED);
			away(0);
			look_again();
			assert_int_equal(run(&ways[w], k, -1, NULL, &got), CKR_OK);
		}
	}
}

/* ---- decrypting and verifying ---- */

static void what_was_encrypted_on_one_member_is_decrypted_on_the_others(void **state)
{
	static const struct way encrypt = {P11_OP_ENCRYPT, KEY_AES_256, {CKM_AES_CBC_PAD, iv, sizeof(iv)}};
	CK_OBJECT_HANDLE k = key(KEY_AES_256, "k");
	struct result wire;

	(void)state;
	begin_input();
	assert_int_equal(run(&encrypt, k, -1, NULL, &wire), CKR_OK);
	for (uint32_t m = 0; m < RIG_MEMBERS; m++) {
		struct use o;
		uint8_t out[256];
		CK_ULONG first = sizeof(out), last = sizeof(out);

		assert_int_equal(use_begin(P11_OP_DECRYPT, &encrypt.mechanism, k, &o), CKR_OK);
		assert_int_equal(use_call(&o, P11_PART_UPDATE, wire.out, 48, out, &first), CKR_OK);
		away(0xf & ~(1u << m));
		last -= first;
		assert_int_equal(use_call(&o, P11_PART_UPDATE, wire.out + 48, wire.len - 48, out + first, &last), CKR_OK);
		first += last;
		last = sizeof(out) - first;
		assert_int_equal(use_call(&o, P11_PART_FINAL, NULL, 0, out + first, &last), CKR_OK);
		assert_int_equal(first + last, IN_LEN);
		assert_memory_equal(out, input, IN_LEN);
		use_end(&o);
		away(0);
		look_again();
	}
}

static CK_RV verify(CK_OBJECT_HANDLE k, const uint8_t *signature, CK_ULONG len, uint32_t *ret_who)
{
	const CK_MECHANISM mechanism = {CKM_SHA256_HMAC, NULL, 0};
	struct p11_call call = p11_C_Verify(0, "text", 4, signature, len);
	struct use o;
	CK_RV rv;

	assert_int_equal(use_begin(P11_OP_VERIFY, &mechanism, k, &o), CKR_OK);
	who_took(P11_C_Verify);
	rv = ha_call(o.session, &call);
	*ret_who = who_took(P11_C_Verify);
	use_end(&o);
	return rv;
}

static void a_wrong_signature_is_wrong_everywhere(void **state)
{
	CK_OBJECT_HANDLE k = key(KEY_HMAC_SHA256, "k");
	uint8_t signature[32];
	uint32_t who;

	(void)state;
	assert_int_equal(sign_text(k, "text", signature), CKR_OK);
	assert_int_equal(verify(k, signature, 32, &who), CKR_OK);
	assert_int_equal(who, 0x1);
	signature[0] ^= 1;
	assert_int_equal(verify(k, signature, 32, &who), CKR_SIGNATURE_INVALID);
	assert_int_equal(who, 0x1);
	assert_int_equal(verify(k, signature, 31, &who), CKR_SIGNATURE_LEN_RANGE);
	signature[0] ^= 1;
	away(0x1);
	assert_int_equal(verify(k, signature, 32, &who), CKR_OK);
	assert_int_equal(who, 0x2);
}

/* ---- results ---- */

/* Asked for its length, and then for too little room: nobody is asked before there is enough. */
static void a_length_that_is_known_costs_nobody_anything(void **state)
{
	const CK_MECHANISM mechanism = {CKM_SHA256_HMAC, NULL, 0};
	CK_OBJECT_HANDLE k = key(KEY_HMAC_SHA256, "k");
	uint8_t expected[32], out[32];
	struct use o;
	CK_ULONG len = 0;
	unsigned long made;

	(void)state;
	assert_int_equal(sign_text(k, "text", expected), CKR_OK);
	made = fake_calls(0, P11_C_Sign);
	assert_int_equal(use_begin(P11_OP_SIGN, &mechanism, k, &o), CKR_OK);
	away(0xf);
	assert_int_equal(use_call(&o, P11_PART_ONCE, "text", 4, NULL, &len), CKR_OK);
	assert_int_equal(len, 32);
	assert_false(is_over(&o));
	len = 31;
	assert_int_equal(use_call(&o, P11_PART_ONCE, "text", 4, out, &len), CKR_BUFFER_TOO_SMALL);
	assert_int_equal(len, 32);
	assert_false(is_over(&o));
	away(0);
	assert_int_equal(fake_calls(0, P11_C_Sign), made);
	assert_int_equal(use_call(&o, P11_PART_ONCE, "text", 4, out, &len), CKR_OK);
	assert_true(is_over(&o));
	assert_memory_equal(out, expected, 32);
	assert_int_equal(fake_calls(0, P11_C_Sign), made + 1);
	use_end(&o);
}

/* What is decrypted may be shorter than it could be: it is made once, and waits for room. */
static void a_result_waits_for_room(void **state)
{
	uint8_t zero[16] = {0}, secret[16], out[16];
	const CK_MECHANISM mechanism = {CKM_AES_CBC_PAD, zero, sizeof(zero)};
	CK_OBJECT_HANDLE k = key(KEY_AES_256, "k");
	struct use o;
	CK_ULONG len = sizeof(secret);
	unsigned long made;

	(void)state;
	assert_int_equal(use_begin(P11_OP_ENCRYPT, &mechanism, k, &o), CKR_OK);
	assert_int_equal(use_call(&o, P11_PART_ONCE, "text", 4, secret, &len), CKR_OK);
	use_end(&o);
	made = fake_calls(0, P11_C_Decrypt);
	assert_int_equal(use_begin(P11_OP_DECRYPT, &mechanism, k, &o), CKR_OK);
	assert_int_equal(use_call(&o, P11_PART_ONCE, secret, sizeof(secret), NULL, &len), CKR_OK);
	assert_in_range(len, 4, sizeof(secret));
	assert_int_equal(fake_calls(0, P11_C_Decrypt), made);
	len = 3;
	assert_int_equal(use_call(&o, P11_PART_ONCE, secret, sizeof(secret), out, &len), CKR_BUFFER_TOO_SMALL);
	assert_int_equal(len, 4);
	assert_false(is_over(&o));
	/* Nobody is needed for it any more. */
	away(0xf);
	assert_int_equal(use_call(&o, P11_PART_ONCE, secret, sizeof(secret), out, &len), CKR_OK);
	assert_true(is_over(&o));
	assert_memory_equal(out, "text", 4);
	assert_int_equal(fake_calls(0, P11_C_Decrypt), made + 1);
	use_end(&o);
}

static void another_input_gets_another_result(void **state)
{
	const CK_MECHANISM mechanism = {CKM_SHA256_HMAC, NULL, 0};
	CK_OBJECT_HANDLE k = key(KEY_HMAC_SHA256, "k");
	uint8_t expected[32], out[32];
	struct use o;
	CK_ULONG len = 0;

	(void)state;
	assert_int_equal(sign_text(k, "other", expected), CKR_OK);
	assert_int_equal(use_begin(P11_OP_SIGN, &mechanism, k, &o), CKR_OK);
	assert_int_equal(use_call(&o, P11_PART_ONCE, "text", 4, NULL, &len), CKR_OK);
	assert_int_equal(use_call(&o, P11_PART_ONCE, "other", 5, out, &len), CKR_OK);
	assert_memory_equal(out, expected, 32);
	use_end(&o);
}

/* Of the end of what is encrypted or decrypted in parts: nobody is asked, and it goes on. */
static void a_question_for_the_end_ends_nothing(void **state)
{
	static const enum p11_op ops[] = {P11_OP_ENCRYPT, P11_OP_DECRYPT};
	CK_GCM_PARAMS gcm = {iv, 12, 96, NULL, 0, 128};
	const CK_MECHANISM mechanism = {CKM_AES_GCM, &gcm, sizeof(gcm)};
	CK_OBJECT_HANDLE k = key(KEY_AES_256, "k");
	uint8_t text[48] = "text", out[48];

	(void)state;
	for (size_t i = 0; i < COUNT(ops); i++) {
		CK_ULONG len = sizeof(out), in_len = i ? 32 : 16;
		struct use o;

		assert_int_equal(use_begin(ops[i], &mechanism, k, &o), CKR_OK);
		assert_int_equal(use_call(&o, P11_PART_FINAL, NULL, 0, NULL, &len), CKR_OK);
		assert_int_equal(len, i ? 0 : 16);
		assert_false(is_over(&o));
		len = sizeof(out);
		assert_int_equal(use_call(&o, P11_PART_ONCE, text, in_len, out, &len), CKR_OK);
		assert_int_equal(len, i ? 16 : 32);
		memcpy(text, out, len);
		use_end(&o);
	}
	assert_string_equal(text, "text");
}

/* ---- what only a token can say ---- */

/* A key that is too short for its hash is told when the operation begins, as the member has it; and what a member takes
 * goes on by itself, whoever is lost. */
static void where_tokens_differ_one_is_asked_first(void **state)
{
	CK_BBOOL yes = CK_TRUE;
	CK_OBJECT_CLASS class = CKO_SECRET_KEY;
	CK_KEY_TYPE generic = CKK_GENERIC_SECRET;
	CK_ATTRIBUTE template[] = {{CKA_CLASS, &class, sizeof(class)}, {CKA_KEY_TYPE, &generic, sizeof(generic)},
				   {CKA_SIGN, &yes, 1}, {CKA_VALUE, iv, sizeof(iv)}};
	CK_RSA_PKCS_OAEP_PARAMS oaep = {CKM_SHA256, CKG_MGF1_SHA256, CKZ_DATA_SPECIFIED, NULL, 0};
	const CK_MECHANISM hmac = {CKM_SHA256_HMAC, NULL, 0}, of_oaep = {CKM_RSA_PKCS_OAEP, &oaep, sizeof(oaep)};
	CK_OBJECT_HANDLE small, rsa = key(KEY_RSA_2048, "k");
	struct p11_call make = p11_C_CreateObject(0, template, COUNT(template), &small);
	owned(ha_session) struct ha_session *session = NULL;
	uint8_t in[256] = {1}, out[256];
	CK_ULONG len = sizeof(out);
	struct use o;

	(void)state;
	assert_int_equal(ha_session_open(group, CKF_SERIAL_SESSION, &session), CKR_OK);
	assert_int_equal(ha_call(session, &make), CKR_OK);
	assert_int_equal(use_begin(P11_OP_SIGN, &hmac, small, &o), CKR_KEY_SIZE_RANGE);
	who_took(P11_C_DecryptInit);
	assert_int_equal(use_begin(P11_OP_DECRYPT, &of_oaep, rsa, &o), CKR_OK);
	assert_int_equal(who_took(P11_C_DecryptInit), 0x1);
	away(0x1);
	/* No ciphertext of this key: the other one says so. */
	assert_int_not_equal(use_call(&o, P11_PART_ONCE, in, sizeof(in), out, &len), CKR_OK);
	assert_int_equal(who_took(P11_C_DecryptInit) & 0x2, 0x2);
	assert_true(is_over(&o));
	use_end(&o);
}

/* ---- what stands in the record ---- */

static void a_key_that_wants_the_pin_each_time_is_not_used_before_it(void **state)
{
	CK_BBOOL yes = CK_TRUE;
	const CK_ATTRIBUTE always = {CKA_ALWAYS_AUTHENTICATE, &yes, 1};
	owned(record) struct record theirs = {0};
	const CK_MECHANISM mechanism = {CKM_SHA256_RSA_PKCS, NULL, 0};

	(void)state;
	rig_key_with(KEY_RSA_2048, "k", &always, 1, &theirs);
	for (int admitted = 0; admitted < 2; admitted++) {
		CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
		const CK_ATTRIBUTE template = {CKA_CLASS, &class, sizeof(class)};
		owned(mem) CK_OBJECT_HANDLE *list = NULL;
		struct use o;
		uint8_t out[256];
		CK_ULONG len = sizeof(out), count;

		assert_int_equal(find_all(group, &template, 1, &list, &count), CKR_OK);
		assert_int_equal(count, 1);
		assert_int_equal(use_begin(P11_OP_SIGN, &mechanism, list[0], &o), CKR_OK);
		assert_true(ha_session_waits(o.session));
		if (admitted)
			ha_session_admit(o.session);
		who_took(P11_C_Sign);
		assert_int_equal(use_call(&o, P11_PART_ONCE, "text", 4, out, &len), admitted ? CKR_OK : CKR_USER_NOT_LOGGED_IN);
		assert_true(is_over(&o));
		assert_int_equal(who_took(P11_C_Sign) != 0, admitted);
		use_end(&o);
	}
}

static void what_a_key_may_not_do_no_member_is_asked_for(void **state)
{
	static const struct {
		enum p11_op kind;
		enum key_kind key;
		CK_MECHANISM_TYPE mechanism;
		CK_RV rv;
	} cases[] = {
		{P11_OP_SIGN, KEY_AES_256, CKM_SHA256_HMAC, CKR_KEY_TYPE_INCONSISTENT},
		{P11_OP_ENCRYPT, KEY_RSA_2048, CKM_RSA_PKCS, CKR_KEY_FUNCTION_NOT_PERMITTED},
		{P11_OP_SIGN, KEY_HMAC_SHA256, CKM_SHA256_RSA_PKCS, CKR_KEY_TYPE_INCONSISTENT},
		{P11_OP_SIGN, KEY_HMAC_SHA256, CKM_SHA256, CKR_MECHANISM_INVALID},
		{P11_OP_SIGN, KEY_HMAC_SHA256, CKM_VENDOR_DEFINED | 1, CKR_MECHANISM_INVALID},
		{P11_OP_ENCRYPT, KEY_HMAC_SHA256, CKM_SHA256_HMAC, CKR_MECHANISM_INVALID},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const CK_MECHANISM mechanism = {cases[i].mechanism, NULL, 0};
		CK_OBJECT_HANDLE k = key(cases[i].key, "k");
		struct use o;

		who_took(P11_C_SignInit);
		assert_int_equal(use_begin(cases[i].kind, &mechanism, k, &o), cases[i].rv);
		assert_int_equal(who_took(P11_C_SignInit), 0);
	}
}

/* A key that goes while its operation is under way. */
static void an_operation_ends_with_its_key(void **state)
{
	const CK_MECHANISM mechanism = {CKM_SHA256_HMAC, NULL, 0};
	CK_OBJECT_HANDLE k = key(KEY_HMAC_SHA256, "k");
	struct use o;
	uint8_t out[32];
	CK_ULONG len = 0, room = sizeof(out);

	(void)state;
	assert_int_equal(use_begin(P11_OP_SIGN, &mechanism, k, &o), CKR_OK);
	assert_int_equal(use_call(&o, P11_PART_UPDATE, "text", 4, NULL, &len), CKR_OK);
	assert_int_equal(destroy(k), CKR_OK);
	assert_int_equal(use_call(&o, P11_PART_FINAL, NULL, 0, out, &room), CKR_KEY_HANDLE_INVALID);
	assert_true(is_over(&o));
	use_end(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_GROUP(the_result_is_the_same_whoever_goes_between_two_parts),
		ON_GROUP(the_result_is_the_same_whoever_dies_over_a_part),
		ON_GROUP(with_nobody_left_it_is_over),
		ON_GROUP(what_was_encrypted_on_one_member_is_decrypted_on_the_others),
		ON_GROUP(a_wrong_signature_is_wrong_everywhere),
		ON_GROUP(a_length_that_is_known_costs_nobody_anything),
		ON_GROUP(a_result_waits_for_room),
		ON_GROUP(another_input_gets_another_result),
		ON_GROUP(a_question_for_the_end_ends_nothing),
		ON_GROUP(where_tokens_differ_one_is_asked_first),
		ON_GROUP(a_key_that_wants_the_pin_each_time_is_not_used_before_it),
		ON_GROUP(what_a_key_may_not_do_no_member_is_asked_for),
		ON_GROUP(an_operation_ends_with_its_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
