/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of a process: each on some member, repeated by another when that is lost, whoever makes the IV. */
#include "fixture.h"

enum { TEXT_LEN = 24 };
static const char text[] = "twenty-four bytes of it.";
static const CK_MECHANISM aead = {CKM_AES_GCM, NULL, 0}, hmac = {CKM_SHA256_HMAC, NULL, 0};

static int open_with_messages(void **state)
{
	open_group(state);
	for (size_t m = 0; m < RIG_MEMBERS; m++)
		fake_offer_messages(m);
	return 0;
}

#define ON_MESSAGES(f) cmocka_unit_test_setup_teardown(f, open_with_messages, close_group)

/* One message, and all that is around it. */
struct letter {
	CK_BYTE iv[12], tag[16], out[64];
	CK_ULONG len;
	CK_GCM_MESSAGE_PARAMS param;
};

static void begin_letter(struct letter *l, CK_GENERATOR_FUNCTION generator, CK_ULONG fixed_bits)
{
	*l = (struct letter){.len = sizeof(l->out)};
	memcpy(l->iv, "an IV of ten", sizeof(l->iv));
	l->param = (CK_GCM_MESSAGE_PARAMS){l->iv, sizeof(l->iv), fixed_bits, generator, l->tag, 128};
}

static CK_RV encrypt(struct use *use, struct letter *l)
{
	struct p11_call call = p11_C_EncryptMessage(0, &l->param, sizeof(l->param), "aad", 3, text, TEXT_LEN, l->out, &l->len);

	return ha_call(use->session, &call);
}

/* In place. */
static CK_RV decrypt(struct use *use, struct letter *l)
{
	struct p11_call call = p11_C_DecryptMessage(0, &l->param, sizeof(l->param), "aad", 3, l->out, TEXT_LEN, l->out, &l->len);

	return ha_call(use->session, &call);
}

static CK_RV end(struct use *use)
{
	struct p11_call call = {.fn = p11_fn_of(use->op, P11_PART_FINAL), .rv = P11_NOT_RUN};

	return ha_call(use->session, &call);
}

static void opens_as_text(CK_OBJECT_HANDLE k, const struct letter *sent)
{
	struct letter l = *sent;
	struct use use;

	l.param.pIv = l.iv;
	l.param.pTag = l.tag;
	assert_int_equal(use_begin(P11_OP_MESSAGE_DECRYPT, &aead, k, &use), CKR_OK);
	assert_int_equal(decrypt(&use, &l), CKR_OK);
	assert_int_equal(l.len, TEXT_LEN);
	assert_memory_equal(l.out, text, TEXT_LEN);
	use_end(&use);
}

static unsigned long connections(void)
{
	unsigned long all = 0;

	for (size_t m = 0; m < RIG_MEMBERS; m++)
		all += fake_calls(m, P11_C_OpenSession);
	return all;
}

/* ---- one after another ---- */

static void a_process_has_many_messages(void **state)
{
	CK_OBJECT_HANDLE k = key(KEY_AES_256, "k");
	struct letter first, l;
	struct use use;

	(void)state;
	assert_int_equal(use_begin(P11_OP_MESSAGE_ENCRYPT, &aead, k, &use), CKR_OK);
	begin_letter(&first, CKG_NO_GENERATE, 0);
	assert_int_equal(encrypt(&use, &first), CKR_OK);
	assert_memory_equal(first.iv, "an IV of ten", 12);
	opens_as_text(k, &first);
	begin_letter(&l, CKG_GENERATE_RANDOM, 0);
	assert_int_equal(encrypt(&use, &l), CKR_OK);
	assert_memory_not_equal(l.iv, first.iv, 12);
	opens_as_text(k, &l);
	assert_int_equal(end(&use), CKR_OK);
	assert_int_equal(encrypt(&use, &l), CKR_OPERATION_NOT_INITIALIZED);
	assert_int_equal(end(&use), CKR_OPERATION_NOT_INITIALIZED);
	use_end(&use);
}

static CK_RV mac(struct use *use, CK_BYTE *out, CK_ULONG *len)
{
	struct p11_call call = p11_C_SignMessage(0, NULL, 0, text, TEXT_LEN, out, len);

	return ha_call(use->session, &call);
}

static CK_RV check_mac(struct use *use, const CK_BYTE *given, CK_ULONG len)
{
	struct p11_call call = p11_C_VerifyMessage(0, NULL, 0, text, TEXT_LEN, given, len);

	return ha_call(use->session, &call);
}

/* Nothing that is wrong with one message ends the process, costs a connection, or makes a member sick. */
static void a_message_that_is_refused_ends_nothing(void **state)
{
	CK_OBJECT_HANDLE k = key(KEY_AES_256, "k"), h = key(KEY_HMAC_SHA256, "h");
	CK_BYTE good[32];
	CK_ULONG len = sizeof(good);
	struct letter l, torn;
	struct use out, in, signs, checks;
	unsigned long before;

	(void)state;
	assert_int_equal(use_begin(P11_OP_MESSAGE_ENCRYPT, &aead, k, &out), CKR_OK);
	assert_int_equal(use_begin(P11_OP_MESSAGE_DECRYPT, &aead, k, &in), CKR_OK);
	assert_int_equal(use_begin(P11_OP_MESSAGE_SIGN, &hmac, h, &signs), CKR_OK);
	assert_int_equal(use_begin(P11_OP_MESSAGE_VERIFY, &hmac, h, &checks), CKR_OK);
	begin_letter(&l, CKG_GENERATE_RANDOM, 0);
	assert_int_equal(encrypt(&out, &l), CKR_OK);
	assert_int_equal(mac(&signs, good, &len), CKR_OK);
	assert_int_equal(len, 32);
	before = connections();
	for (int i = 0; i < 8; i++) {
		torn = l;
		torn.tag[i] ^= 1;
		torn.param.pIv = torn.iv;
		torn.param.pTag = torn.tag;
		assert_int_equal(decrypt(&in, &torn), CKR_AEAD_DECRYPT_FAILED);
		assert_memory_equal(torn.out, l.out, TEXT_LEN);
		good[i] ^= 1;
		assert_int_equal(check_mac(&checks, good, 32), CKR_SIGNATURE_INVALID);
		good[i] ^= 1;
		assert_int_equal(check_mac(&checks, good, 31), CKR_SIGNATURE_LEN_RANGE);
		assert_int_equal(check_mac(&checks, good, 32), CKR_OK);
	}
	opens_as_text(k, &l);
	assert_int_equal(decrypt(&in, &l), CKR_OK);
	assert_int_equal(connections(), before);
	use_end(&out);
	use_end(&in);
	use_end(&signs);
	use_end(&checks);
}

/* What the length is, is known without a member. */
static void a_length_is_told_and_nothing_is_done(void **state)
{
	CK_OBJECT_HANDLE k = key(KEY_AES_256, "k"), h = key(KEY_HMAC_SHA256, "h");
	CK_BYTE out[32];
	CK_ULONG len = 0;
	struct letter l;
	struct p11_call call = p11_C_EncryptMessage(0, &l.param, sizeof(l.param), NULL, 0, text, TEXT_LEN, NULL, &len);
	struct use use;

	(void)state;
	assert_int_equal(use_begin(P11_OP_MESSAGE_ENCRYPT, &aead, k, &use), CKR_OK);
	begin_letter(&l, CKG_GENERATE_RANDOM, 0);
	who_took(P11_C_EncryptMessage);
	assert_int_equal(ha_call(use.session, &call), CKR_OK);
	assert_int_equal(len, TEXT_LEN);
	l.len = TEXT_LEN - 1;
	assert_int_equal(encrypt(&use, &l), CKR_BUFFER_TOO_SMALL);
	assert_int_equal(l.len, TEXT_LEN);
	assert_memory_equal(l.iv, "an IV of ten", 12);
	assert_int_equal(who_took(P11_C_EncryptMessage), 0);
	assert_int_equal(encrypt(&use, &l), CKR_OK);
	opens_as_text(k, &l);
	use_end(&use);
	assert_int_equal(use_begin(P11_OP_MESSAGE_SIGN, &hmac, h, &use), CKR_OK);
	assert_int_equal(mac(&use, NULL, &len), CKR_OK);
	assert_int_equal(len, 32);
	len = 31;
	assert_int_equal(mac(&use, out, &len), CKR_BUFFER_TOO_SMALL);
	assert_int_equal(len, 32);
	assert_int_equal(mac(&use, out, &len), CKR_OK);
	use_end(&use);
}

/* Each message is a use of its key. */
static void a_key_that_wants_the_pin_wants_it_for_each_message(void **state)
{
	CK_BBOOL yes = CK_TRUE;
	CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
	const CK_ATTRIBUTE always = {CKA_ALWAYS_AUTHENTICATE, &yes, 1}, template = {CKA_CLASS, &class, sizeof(class)};
	const CK_MECHANISM ecdsa = {CKM_ECDSA, NULL, 0};
	owned(record) struct record theirs = {0};
	owned(mem) CK_OBJECT_HANDLE *list = NULL;
	CK_BYTE out[64];
	CK_ULONG len, count;
	struct use use;

	(void)state;
	rig_key_with(KEY_EC_P256, "e", &always, 1, &theirs);
	assert_int_equal(find_all(group, &template, 1, &list, &count), CKR_OK);
	assert_int_equal(count, 1);
	assert_int_equal(use_begin(P11_OP_MESSAGE_SIGN, &ecdsa, list[0], &use), CKR_OK);
	for (int i = 0; i < 3; i++) {
		len = sizeof(out);
		assert_true(ha_session_waits(use.session));
		who_took(P11_C_SignMessage);
		assert_int_equal(mac(&use, out, &len), CKR_USER_NOT_LOGGED_IN);
		assert_int_equal(who_took(P11_C_SignMessage), 0);
		ha_session_admit(use.session);
		assert_int_equal(mac(&use, out, &len), CKR_OK);
		assert_int_equal(len, 64);
	}
	use_end(&use);
}

/* ---- IVs ---- */

/* Each message may be on another member: what only one of them counts is refused, what is left to it is random. */
static void no_iv_is_counted_by_a_member(void **state)
{
	static const struct {
		CK_GENERATOR_FUNCTION generator;
		CK_ULONG fixed_bits;
		CK_RV want;
	} cases[] = {
		{CKG_GENERATE_COUNTER, 32, CKR_MECHANISM_PARAM_INVALID},
		{CKG_GENERATE_COUNTER_XOR, 32, CKR_MECHANISM_PARAM_INVALID},
		{CKG_GENERATE, 1, CKR_MECHANISM_PARAM_INVALID},
		{CKG_GENERATE, 0, CKR_OK},
		{CKG_GENERATE_RANDOM, 37, CKR_OK},
		{CKG_GENERATE_RANDOM, 97, CKR_MECHANISM_PARAM_INVALID},
	};
	CK_OBJECT_HANDLE k = key(KEY_AES_256, "k");
	struct letter seen[8];
	struct use use;

	(void)state;
	assert_int_equal(use_begin(P11_OP_MESSAGE_ENCRYPT, &aead, k, &use), CKR_OK);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct letter l;

		begin_letter(&l, cases[i].generator, cases[i].fixed_bits);
		assert_int_equal(encrypt(&use, &l), cases[i].want);
		assert_memory_equal(l.iv, "an IV of ten", cases[i].want == CKR_OK ? cases[i].fixed_bits / 8 : 12);
		assert_int_equal(l.param.ivGenerator, cases[i].generator);
		if (cases[i].want == CKR_OK)
			opens_as_text(k, &l);
	}
	for (int i = 0; i < 8; i++) {
		begin_letter(&seen[i], CKG_GENERATE, 0);
		assert_int_equal(encrypt(&use, &seen[i]), CKR_OK);
		for (int before = 0; before < i; before++)
			assert_memory_not_equal(seen[before].iv, seen[i].iv, 12);
	}
	use_end(&use);
}

/* A member is lost at each of the messages that a letter takes, and however: the caller's IV stays the caller's, another
 * is the one that what came was made with. */
static void a_lost_message_is_done_again(void **state)
{
	static const CK_GENERATOR_FUNCTION generators[] = {CKG_NO_GENERATE, CKG_GENERATE_RANDOM};
	CK_OBJECT_HANDLE k = key(KEY_AES_256, "k");
	struct letter expected, l;
	struct use use;
	unsigned lost = 0;

	(void)state;
	assert_int_equal(use_begin(P11_OP_MESSAGE_ENCRYPT, &aead, k, &use), CKR_OK);
	begin_letter(&expected, CKG_NO_GENERATE, 0);
	assert_int_equal(encrypt(&use, &expected), CKR_OK);
	for (size_t m = 0; m < RIG_MEMBERS; m++)
		for (int when = 0; when < RIG_WHENS; when++)
			for (size_t g = 0; g < COUNT(generators); g++) {
				rig_lose(m, 1, when);
				begin_letter(&l, generators[g], 0);
				assert_int_equal(encrypt(&use, &l), CKR_OK);
				lost += rig_came();
				opens_as_text(k, &l);
				if (generators[g] == CKG_NO_GENERATE) {
					assert_memory_equal(l.iv, expected.iv, 12);
					assert_memory_equal(l.out, expected.out, TEXT_LEN);
					assert_memory_equal(l.tag, expected.tag, 16);
				}
				away(0);
				look_again();
			}
	assert_true(lost >= RIG_WHENS * COUNT(generators));
	away(0xf);
	assert_int_equal(encrypt(&use, &l), CKR_DEVICE_REMOVED);
	away(0);
	look_again();
	assert_int_equal(encrypt(&use, &l), CKR_OK);
	opens_as_text(k, &l);
	use_end(&use);
}

/* Any of its calls may fail: another member does it, and nobody is left with a process that is open. */
static void a_member_that_fails_at_any_call_is_left(void **state)
{
	static const enum p11_fn fns[] = {P11_C_MessageEncryptInit, P11_C_EncryptMessage, P11_C_MessageEncryptFinal};
	CK_OBJECT_HANDLE k = key(KEY_AES_256, "k");
	struct letter l;
	struct use use;

	(void)state;
	assert_int_equal(use_begin(P11_OP_MESSAGE_ENCRYPT, &aead, k, &use), CKR_OK);
	for (size_t f = 0; f < COUNT(fns); f++)
		for (int when = FAKE_BEFORE; when <= FAKE_AFTER; when++) {
			for (size_t m = 0; m < RIG_MEMBERS - 1; m++)
				fake_fail(m, fns[f], 1, CKR_DEVICE_ERROR, when);
			begin_letter(&l, CKG_GENERATE_RANDOM, 0);
			assert_int_equal(encrypt(&use, &l), CKR_OK);
			opens_as_text(k, &l);
			look_again();
			for (int i = 0; i < 8; i++) {
				begin_letter(&l, CKG_GENERATE_RANDOM, 0);
				assert_int_equal(encrypt(&use, &l), CKR_OK);
				opens_as_text(k, &l);
			}
			for (size_t m = 0; m < RIG_MEMBERS - 1; m++) {
				fake_heal(m);
				fake_offer_messages(m);
			}
		}
	use_end(&use);
}

/* ---- beginning and ending ---- */

static void the_group_has_messages_when_all_members_do(void **state)
{
	CK_OBJECT_HANDLE k = key(KEY_AES_256, "k");
	CK_MECHANISM_INFO info;
	struct use use;

	(void)state;
	assert_int_equal(ha_mechanism_info(group, CKM_AES_GCM, &info), CKR_OK);
	assert_int_equal(info.flags & (P11_MESSAGE_USES | CKF_MULTI_MESSAGE), CKF_MESSAGE_ENCRYPT | CKF_MESSAGE_DECRYPT);
	away(0x4);
	fake_heal(2);
	assert_int_equal(found("k"), k);
	away(0);
	look_again();
	assert_int_equal(ha_mechanism_info(group, CKM_AES_GCM, &info), CKR_OK);
	assert_int_equal(info.flags & P11_MESSAGE_USES, 0);
	assert_int_equal(use_begin(P11_OP_MESSAGE_ENCRYPT, &aead, k, &use), CKR_MECHANISM_INVALID);
}

static void what_is_wrong_with_a_process_is_said_at_once(void **state)
{
	CK_BYTE never = CK_FALSE;
	CK_ATTRIBUTE barred = {CKA_ENCRYPT, &never, sizeof(never)};
	CK_OBJECT_HANDLE k = key(KEY_AES_256, "k"), h = key(KEY_HMAC_SHA256, "h");
	CK_GCM_MESSAGE_PARAMS param = {.ulTagBits = 127};
	const CK_MECHANISM wrong = {CKM_AES_GCM, &param, sizeof(param)}, none = {CKM_AES_CBC, NULL, 0};
	struct use use;

	(void)state;
	assert_int_equal(use_begin(P11_OP_MESSAGE_ENCRYPT, &wrong, k, &use), CKR_MECHANISM_PARAM_INVALID);
	param.ulTagBits = 128;
	assert_int_equal(use_begin(P11_OP_MESSAGE_ENCRYPT, &none, k, &use), CKR_MECHANISM_PARAM_INVALID);
	assert_int_equal(use_begin(P11_OP_MESSAGE_SIGN, &aead, k, &use), CKR_MECHANISM_INVALID);
	assert_int_equal(use_begin(P11_OP_MESSAGE_ENCRYPT, &aead, h, &use), CKR_KEY_TYPE_INCONSISTENT);
	assert_int_equal(use_begin(P11_OP_MESSAGE_ENCRYPT, NULL, k, &use), CKR_ARGUMENTS_BAD);
	assert_int_equal(use_begin(P11_OP_MESSAGE_ENCRYPT, &wrong, k, &use), CKR_OK);
	use_end(&use);
	assert_int_equal(call_in(group, p11_C_SetAttributeValue(0, k, &barred, 1)), CKR_OK);
	assert_int_equal(use_begin(P11_OP_MESSAGE_ENCRYPT, &aead, k, &use), CKR_KEY_FUNCTION_NOT_PERMITTED);
	assert_int_equal(use_begin(P11_OP_MESSAGE_DECRYPT, &aead, k, &use), CKR_OK);
	use_end(&use);
}

static CK_RV begin_again(struct use *use, const CK_MECHANISM *mechanism, CK_OBJECT_HANDLE k)
{
	struct p11_call call = p11_init(p11_fn_of(use->op, P11_PART_INIT), 0, mechanism, k);

	return ha_call(use->session, &call);
}

/* One of each kind at a time, beside any of another; it ends by its Final, a new Init without a mechanism, or by force. */
static void processes_are_beside_each_other_and_end(void **state)
{
	CK_OBJECT_HANDLE k = key(KEY_AES_256, "k"), h = key(KEY_HMAC_SHA256, "h");
	struct p11_call sign = p11_C_MessageSignInit(0, &hmac, h), plain = p11_C_SignInit(0, &hmac, h);
	struct letter l;
	struct use use;

	(void)state;
	assert_int_equal(use_begin(P11_OP_MESSAGE_ENCRYPT, &aead, k, &use), CKR_OK);
	assert_int_equal(begin_again(&use, &aead, k), CKR_OPERATION_ACTIVE);
	assert_int_equal(ha_call(use.session, &sign), CKR_OK);
	assert_int_equal(ha_call(use.session, &plain), CKR_OK);
	assert_int_equal(begin_again(&use, NULL, CK_INVALID_HANDLE), CKR_OK);
	assert_int_equal(encrypt(&use, &l), CKR_OPERATION_NOT_INITIALIZED);
	assert_int_equal(begin_again(&use, &aead, k), CKR_OK);
	ha_session_cancel(use.session, CKF_MESSAGE_SIGN);
	begin_letter(&l, CKG_GENERATE, 0);
	assert_int_equal(encrypt(&use, &l), CKR_OK);
	ha_session_cancel(use.session, CKF_MESSAGE_ENCRYPT);
	assert_int_equal(encrypt(&use, &l), CKR_OPERATION_NOT_INITIALIZED);
	assert_int_equal(ha_call(use.session, &sign), CKR_OK);
	use_end(&use);
}

static void a_process_ends_with_its_key(void **state)
{
	CK_OBJECT_HANDLE k = key(KEY_AES_256, "k");
	struct letter l;
	struct use use;

	(void)state;
	assert_int_equal(use_begin(P11_OP_MESSAGE_ENCRYPT, &aead, k, &use), CKR_OK);
	assert_int_equal(destroy(k), CKR_OK);
	begin_letter(&l, CKG_GENERATE, 0);
	assert_int_equal(encrypt(&use, &l), CKR_KEY_HANDLE_INVALID);
	assert_int_equal(encrypt(&use, &l), CKR_OPERATION_NOT_INITIALIZED);
	use_end(&use);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_MESSAGES(a_process_has_many_messages),
		ON_MESSAGES(a_message_that_is_refused_ends_nothing),
		ON_MESSAGES(a_length_is_told_and_nothing_is_done),
		ON_MESSAGES(a_key_that_wants_the_pin_wants_it_for_each_message),
		ON_MESSAGES(no_iv_is_counted_by_a_member),
		ON_MESSAGES(a_lost_message_is_done_again),
		ON_MESSAGES(a_member_that_fails_at_any_call_is_left),
		ON_MESSAGES(the_group_has_messages_when_all_members_do),
		ON_MESSAGES(what_is_wrong_with_a_process_is_said_at_once),
		ON_MESSAGES(processes_are_beside_each_other_and_end),
		ON_MESSAGES(a_process_ends_with_its_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
