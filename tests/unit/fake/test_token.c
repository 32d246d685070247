/* SPDX-License-Identifier: Apache-2.0 */
/* The fake token's faults, one by one, and that a seed is a history. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>

#include "fake/token.h"
#include "side.h"

enum { SEED = 7 };

static struct side open_side(CK_SLOT_ID slot)
{
	struct side a = {.f = fake_functions(), .slot = slot};

	assert_int_equal(a.f->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &a.s), CKR_OK);
	assert_int_equal(a.f->C_Login(a.s, CKU_USER, (CK_BYTE *)"1234", 4), CKR_OK);
	return a;
}

static int begin(void **state)
{
	(void)state;
	fake_reset(2, SEED);
	return 0;
}

static int end(void **state)
{
	(void)state;
	fake_reset(0, SEED);
	return 0;
}

static CK_RV create(const struct side *a, const char *label, CK_OBJECT_HANDLE *ret)
{
	CK_ATTRIBUTE t[] = {NUM(CKA_CLASS, data_class),
			    NUM(CKA_TOKEN, yes),
			    NUM(CKA_PRIVATE, yes),
			    {CKA_LABEL, (void *)label, strlen(label)},
			    TEXT(CKA_VALUE, "content")};

	return a->f->C_CreateObject(a->s, t, COUNT(t), ret);
}

static CK_OBJECT_HANDLE find(const struct side *a, const char *label)
{
	CK_ATTRIBUTE t = {CKA_LABEL, (void *)label, strlen(label)};
	CK_OBJECT_HANDLE object = CK_INVALID_HANDLE;
	CK_ULONG n = 0;

	assert_int_equal(a->f->C_FindObjectsInit(a->s, &t, 1), CKR_OK);
	assert_int_equal(a->f->C_FindObjects(a->s, &object, 1, &n), CKR_OK);
	assert_int_equal(a->f->C_FindObjectsFinal(a->s), CKR_OK);
	return n ? object : CK_INVALID_HANDLE;
}

static CK_OBJECT_HANDLE plant(CK_SLOT_ID slot, const char *label)
{
	CK_ATTRIBUTE t[] = {NUM(CKA_CLASS, secret_class),
			    NUM(CKA_KEY_TYPE, aes_type),
			    NUM(CKA_SENSITIVE, yes),
			    NUM(CKA_EXTRACTABLE, yes),
			    {CKA_LABEL, (void *)label, strlen(label)},
			    {CKA_ID, ID, 16},
			    {CKA_VALUE, ID, 16}};

	return fake_plant(slot, t, COUNT(t));
}

static bool flag(const struct side *a, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type)
{
	CK_BBOOL value = 2;
	CK_ATTRIBUTE t = NUM(type, value);

	assert_int_equal(a->f->C_GetAttributeValue(a->s, object, &t, 1), CKR_OK);
	return value;
}

static void failures_come_before_or_behind_the_deed(void **state)
{
	static const struct {
		enum p11_fn fn;
		unsigned countdown;
		enum fake_when when;
		CK_RV first, second;
		bool there;
	} cases[] = {
	    {P11_C_CreateObject, 1, FAKE_BEFORE, CKR_DEVICE_ERROR, CKR_OK, false},
	    {P11_C_CreateObject, 1, FAKE_AFTER, CKR_DEVICE_ERROR, CKR_OK, true},
	    {P11_C_CreateObject, 2, FAKE_BEFORE, CKR_OK, CKR_DEVICE_ERROR, true},
	    {P11_C_CreateObject, 2, FAKE_AFTER, CKR_OK, CKR_DEVICE_ERROR, true},
	    {P11_C_Sign, 1, FAKE_BEFORE, CKR_OK, CKR_OK, true},
	    {P11_FN_MAX, 1, FAKE_BEFORE, CKR_DEVICE_ERROR, CKR_OK, false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		CK_OBJECT_HANDLE object;
		struct side a;

		fake_reset(1, SEED);
		a = open_side(0);
		fake_fail(0, cases[i].fn, cases[i].countdown, CKR_DEVICE_ERROR, cases[i].when);
		assert_int_equal(create(&a, "first", &object), cases[i].first);
		assert_int_equal(create(&a, "second", &object), cases[i].second);
		assert_int_equal(find(&a, "first") != CK_INVALID_HANDLE, cases[i].there);
	}
}

static void healing_ends_all_faults(void **state)
{
	struct side a = open_side(0);
	CK_OBJECT_HANDLE object;

	(void)state;
	fake_fail(0, P11_C_CreateObject, 1, CKR_DEVICE_ERROR, FAKE_BEFORE);
	fake_limit(0, 1);
	fake_lie(0, FAKE_LIE_CREATE);
	fake_heal(0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(create(&a, "one", &object), CKR_OK);
	assert_int_equal(count_of(&a, NULL, 0), 3);
}

static void a_restart_changes_handles_and_ends_sessions(void **state)
{
	struct side a = open_side(0);
	CK_ATTRIBUTE length = NUM(CKA_VALUE_LEN, len16);
	CK_OBJECT_HANDLE session_key, old[8];
	char label[] = "0";

	(void)state;
	assert_int_equal(generate(&a, CKM_AES_KEY_GEN, &length, 1, &session_key), CKR_OK);
	for (size_t i = 0; i < COUNT(old); i++, label[0]++) {
		assert_int_equal(create(&a, label, &old[i]), CKR_OK);
		/* Private ones get others at a logout already. */
		assert_true(fake_change(0, old[i], CKA_PRIVATE, i % 2 ? &yes : &no, sizeof(yes)));
	}
	fake_restart(0);
	assert_int_equal(create(&a, "x", &session_key), CKR_SESSION_HANDLE_INVALID);
	a = open_side(0);
	assert_int_equal(count_of(&a, NULL, 0), COUNT(old));
	label[0] = '0';
	for (size_t i = 0; i < COUNT(old); i++, label[0]++) {
		assert_int_not_equal(find(&a, label), CK_INVALID_HANDLE);
		assert_int_not_equal(find(&a, label), old[i]);
		assert_int_equal(a.f->C_DestroyObject(a.s, old[i]), CKR_OBJECT_HANDLE_INVALID);
	}
}

static void a_backup_comes_back(void **state)
{
	struct side a = open_side(0);
	struct fake_state *saved;
	CK_OBJECT_HANDLE object;

	(void)state;
	create(&a, "old", &object);
	saved = fake_save(0);
	a.f->C_DestroyObject(a.s, object);
	create(&a, "new", &object);
	for (CK_SLOT_ID slot = 0; slot < 2; slot++) {
		fake_restore(slot, saved);
		a = open_side(slot);
		assert_int_not_equal(find(&a, "old"), CK_INVALID_HANDLE);
		assert_int_equal(find(&a, "new"), CK_INVALID_HANDLE);
	}
	fake_state_free(saved);
}

static void the_newest_objects_are_forgotten(void **state)
{
	struct side a = open_side(0);
	CK_OBJECT_HANDLE object;

	(void)state;
	create(&a, "1", &object);
	create(&a, "2", &object);
	fake_restart(0);
	a = open_side(0);
	create(&a, "3", &object);
	create(&a, "4", &object);
	fake_forget(0, 3);
	a = open_side(0);
	assert_int_equal(count_of(&a, NULL, 0), 1);
	assert_int_not_equal(find(&a, "1"), CK_INVALID_HANDLE);
	fake_forget(0, 3);
	a = open_side(0);
	assert_int_equal(count_of(&a, NULL, 0), 0);
}

static void a_wiped_token_is_empty(void **state)
{
	struct side a = open_side(0);
	CK_OBJECT_HANDLE object;

	(void)state;
	create(&a, "1", &object);
	fake_wipe(0);
	a = open_side(0);
	assert_int_equal(count_of(&a, NULL, 0), 0);
}

static void torn_objects_lose_what_stood_behind(void **state)
{
	struct side a = open_side(0);
	CK_OBJECT_HANDLE key = plant(0, "key");
	CK_ATTRIBUTE label = {CKA_LABEL, NULL, 0}, is_secret = NUM(CKA_CLASS, secret_class);

	(void)state;
	assert_true(flag(&a, key, CKA_EXTRACTABLE));
	assert_true(fake_tear(0, key, CKA_EXTRACTABLE));
	assert_false(flag(&a, key, CKA_EXTRACTABLE));
	assert_int_equal(find(&a, "key"), key);
	assert_true(fake_tear(0, key, CKA_LABEL));
	assert_int_equal(a.f->C_GetAttributeValue(a.s, key, &label, 1), CKR_OK);
	assert_int_equal(label.ulValueLen, 0);
	assert_int_equal(count_of(&a, &is_secret, 1), 1);
	assert_false(fake_tear(0, 4711, CKA_LABEL));
}

static void single_values_change(void **state)
{
	struct side a = open_side(0);
	CK_OBJECT_HANDLE key = plant(0, "key");

	(void)state;
	assert_true(fake_change(0, key, CKA_EXTRACTABLE, NULL, 0));
	assert_false(flag(&a, key, CKA_EXTRACTABLE));
	assert_true(fake_change(0, key, CKA_LABEL, "other", 5));
	assert_int_equal(find(&a, "other"), key);
	assert_false(fake_change(0, 4711, CKA_LABEL, "other", 5));
}

static void mechanisms_and_attributes_may_lack(void **state)
{
	struct side a = open_side(0);
	CK_MECHANISM ecb = {CKM_AES_ECB, NULL, 0};
	CK_OBJECT_HANDLE key = plant(0, "key");
	CK_ATTRIBUTE id = {CKA_ID, NULL, 0};
	CK_MECHANISM_INFO info;
	CK_ULONG before = 0, after = 0;

	(void)state;
	a.f->C_GetMechanismList(0, NULL, &before);
	assert_int_equal(a.f->C_EncryptInit(a.s, &ecb, key), CKR_OK);
	fake_restart(0);
	a = open_side(0);
	fake_refuse_mechanism(0, CKM_AES_ECB);
	fake_lack_attribute(0, CKA_ID);
	key = find(&a, "key");
	assert_int_equal(a.f->C_EncryptInit(a.s, &ecb, key), CKR_MECHANISM_INVALID);
	assert_int_equal(a.f->C_GetMechanismInfo(0, CKM_AES_ECB, &info), CKR_MECHANISM_INVALID);
	a.f->C_GetMechanismList(0, NULL, &after);
	assert_int_equal(after, before - 1);
	assert_int_equal(a.f->C_GetAttributeValue(a.s, key, &id, 1), CKR_ATTRIBUTE_TYPE_INVALID);
	assert_int_equal(id.ulValueLen, CK_UNAVAILABLE_INFORMATION);
}

static void a_full_token_takes_session_objects_only(void **state)
{
	struct side a = open_side(0);
	CK_ATTRIBUTE length = NUM(CKA_VALUE_LEN, len16);
	CK_OBJECT_HANDLE object;

	(void)state;
	fake_limit(0, 2);
	assert_int_equal(create(&a, "1", &object), CKR_OK);
	assert_int_equal(create(&a, "2", &object), CKR_OK);
	assert_int_equal(create(&a, "3", &object), CKR_DEVICE_MEMORY);
	assert_int_equal(generate(&a, CKM_AES_KEY_GEN, &length, 1, &object), CKR_OK);
	a.f->C_DestroyObject(a.s, find(&a, "1"));
	assert_int_equal(create(&a, "3", &object), CKR_OK);
}

/* One domain key on both, one key carried over: does it do the same on both sides? */
static bool carries(struct side a[2])
{
	CK_MECHANISM pad = {CKM_AES_KEY_WRAP_PAD, NULL, 0}, ecb = {CKM_AES_ECB, NULL, 0};
	CK_ATTRIBUTE t[] = {NUM(CKA_CLASS, secret_class), NUM(CKA_KEY_TYPE, aes_type), NUM(CKA_EXTRACTABLE, yes),
			    NUM(CKA_VALUE_LEN, len32)};
	CK_BYTE blob[64], out[2][16];
	CK_ULONG len = sizeof(blob), out_len[2] = {16, 16};
	CK_OBJECT_HANDLE key[2];

	assert_int_equal(generate(&a[0], CKM_AES_KEY_GEN, t, 4, &key[0]), CKR_OK);
	assert_int_equal(a[0].f->C_WrapKey(a[0].s, &pad, plant(0, "domain"), key[0], blob, &len), CKR_OK);
	assert_int_equal(a[1].f->C_UnwrapKey(a[1].s, &pad, plant(1, "domain"), blob, len, t, 3, &key[1]), CKR_OK);
	for (int i = 0; i < 2; i++)
		assert_int_equal(encrypt(&a[i], &ecb, key[i], ID, 16, out[i], &out_len[i]), CKR_OK);
	return memcmp(out[0], out[1], 16) == 0;
}

static void a_planted_domain_key_carries_keys_from_slot_to_slot(void **state)
{
	struct side a[] = {open_side(0), open_side(1)};

	(void)state;
	assert_true(carries(a));
	fake_lie(1, FAKE_LIE_UNWRAP);
	assert_false(carries(a));
	fake_lie(1, FAKE_LIE_CIPHER);
	assert_false(carries(a));
	fake_heal(1);
	assert_true(carries(a));
}

static void lies_are_told_with_ok(void **state)
{
	struct side a = open_side(0);
	CK_ATTRIBUTE params = {CKA_EC_PARAMS, P256, sizeof(P256)};
	CK_MECHANISM m = {CKM_EC_KEY_PAIR_GEN, NULL, 0};
	CK_BYTE hash[32] = {1}, signature[64];
	CK_ULONG len = sizeof(signature);
	CK_OBJECT_HANDLE pair[2], object;

	(void)state;
	assert_int_equal(a.f->C_GenerateKeyPair(a.s, &m, &params, 1, NULL, 0, &pair[0], &pair[1]), CKR_OK);
	fake_lie(0, FAKE_LIE_SIGN);
	assert_int_equal(sign(&a, CKM_ECDSA, pair[1], hash, 32, signature, &len), CKR_OK);
	assert_int_equal(verify(&a, CKM_ECDSA, pair[0], hash, 32, signature, len), CKR_SIGNATURE_INVALID);
	fake_lie(0, FAKE_LIE_CREATE);
	assert_int_equal(create(&a, "gone", &object), CKR_OK);
	assert_int_equal(find(&a, "gone"), CK_INVALID_HANDLE);
	fake_lie(0, FAKE_LIE_DESTROY);
	assert_int_equal(create(&a, "here", &object), CKR_OK);
	assert_int_equal(a.f->C_DestroyObject(a.s, object), CKR_OK);
	assert_int_equal(find(&a, "here"), object);
}

static void count_values(void *data, CK_OBJECT_HANDLE handle, const struct p11_attrs *attrs)
{
	const CK_ATTRIBUTE *value = p11_attrs_find(attrs, CKA_VALUE);

	assert_int_not_equal(handle, CK_INVALID_HANDLE);
	*(int *)data += value && value->ulValueLen == 16 && memcmp(value->pValue, ID, 16) == 0;
}

static void a_checker_sees_secret_values(void **state)
{
	struct side a = open_side(0);
	CK_ATTRIBUTE length = NUM(CKA_VALUE_LEN, len16);
	CK_OBJECT_HANDLE object;
	int found = 0;

	(void)state;
	plant(0, "one");
	plant(0, "two");
	generate(&a, CKM_AES_KEY_GEN, &length, 1, &object);
	fake_each(0, count_values, &found);
	assert_int_equal(found, 2);
}

/* All that a token makes of itself: random bytes, keys, signatures. */
static void history(uint64_t seed, CK_BYTE ret[64 + 16 + 64 + 256])
{
	CK_ATTRIBUTE params = {CKA_EC_PARAMS, P256, sizeof(P256)}, length = NUM(CKA_VALUE_LEN, len16);
	CK_ULONG bits = 2048, len = 64;
	CK_ATTRIBUTE size = NUM(CKA_MODULUS_BITS, bits), value = {CKA_VALUE, ret + 64, 16},
		     n = {CKA_MODULUS, ret + 144, 256};
	CK_MECHANISM ec = {CKM_EC_KEY_PAIR_GEN, NULL, 0}, rsa = {CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0};
	CK_BYTE hash[32] = {1};
	CK_OBJECT_HANDLE pair[2], key;
	struct side a;

	fake_reset(2, seed);
	a = open_side(1);
	assert_int_equal(a.f->C_GenerateRandom(a.s, ret, 64), CKR_OK);
	assert_int_equal(generate(&a, CKM_AES_KEY_GEN, &length, 1, &key), CKR_OK);
	assert_true(fake_change(1, key, CKA_EXTRACTABLE, &yes, sizeof(yes)));
	assert_int_equal(a.f->C_GetAttributeValue(a.s, key, &value, 1), CKR_OK);
	assert_int_equal(a.f->C_GenerateKeyPair(a.s, &ec, &params, 1, NULL, 0, &pair[0], &pair[1]), CKR_OK);
	assert_int_equal(sign(&a, CKM_ECDSA, pair[1], hash, 32, ret + 80, &len), CKR_OK);
	assert_int_equal(verify(&a, CKM_ECDSA, pair[0], hash, 32, ret + 80, len), CKR_OK);
	assert_int_equal(a.f->C_GenerateKeyPair(a.s, &rsa, &size, 1, NULL, 0, &pair[0], &pair[1]), CKR_OK);
	assert_int_equal(a.f->C_GetAttributeValue(a.s, pair[0], &n, 1), CKR_OK);
}

static void one_seed_is_one_history(void **state)
{
	CK_BYTE first[400], again[400], other[400];

	(void)state;
	history(1, first);
	history(1, again);
	history(2, other);
	assert_memory_equal(first, again, sizeof(first));
	for (size_t at = 0; at < sizeof(first); at += 16)
		assert_memory_not_equal(first + at, other + at, 16);
}

static CK_RV deny_signing(void *data, CK_SLOT_ID slot, enum p11_fn fn, bool after, CK_RV rv)
{
	assert_int_equal(slot, 1);
	++*(int *)data;
	return fn == P11_C_CreateObject && after ? CKR_DEVICE_REMOVED : rv;
}

static void a_hook_sees_calls_and_counters_count(void **state)
{
	struct side a = open_side(1);
	CK_OBJECT_HANDLE object;
	uint64_t changes = fake_changes(1);
	int seen = 0;

	(void)state;
	fake_watch(deny_signing, &seen);
	assert_int_equal(create(&a, "x", &object), CKR_DEVICE_REMOVED);
	fake_watch(NULL, NULL);
	assert_int_equal(seen, 2);
	assert_int_not_equal(find(&a, "x"), CK_INVALID_HANDLE);
	assert_int_equal(fake_calls(1, P11_C_CreateObject), 1);
	assert_int_equal(fake_changes(1), changes + 1);
}

static void litter_stays_where_it_is_wanted(void **state)
{
	struct side a = open_side(0);
	CK_ATTRIBUTE t[] = {NUM(CKA_CLASS, data_class), NUM(CKA_TOKEN, yes), NUM(CKA_SIGN, yes)};
	CK_OBJECT_HANDLE object;

	(void)state;
	for (int litters = 0; litters < 2; litters++) {
		fake_litter(0, litters);
		assert_int_equal(a.f->C_CreateObject(a.s, t, COUNT(t), &object), CKR_ATTRIBUTE_TYPE_INVALID);
		assert_int_equal(count_of(&a, NULL, 0), litters);
	}
}

static void *make_and_unmake(void *data)
{
	struct side a = *(struct side *)data;
	CK_OBJECT_HANDLE object;

	a.f->C_OpenSession(a.slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &a.s);
	for (int i = 0; i < 500; i++)
		if (create(&a, "x", &object) != CKR_OK || a.f->C_DestroyObject(a.s, object) != CKR_OK)
			return data;
	return NULL;
}

static void threads_share_a_token(void **state)
{
	struct side a = open_side(0);
	pthread_t threads[4];
	void *failed;

	(void)state;
	for (size_t i = 0; i < COUNT(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, make_and_unmake, &a), 0);
	for (size_t i = 0; i < COUNT(threads); i++) {
		assert_int_equal(pthread_join(threads[i], &failed), 0);
		assert_null(failed);
	}
	assert_int_equal(count_of(&a, NULL, 0), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(failures_come_before_or_behind_the_deed),
	    TEST(healing_ends_all_faults),
	    TEST(a_restart_changes_handles_and_ends_sessions),
	    TEST(a_backup_comes_back),
	    TEST(the_newest_objects_are_forgotten),
	    TEST(a_wiped_token_is_empty),
	    TEST(torn_objects_lose_what_stood_behind),
	    TEST(single_values_change),
	    TEST(mechanisms_and_attributes_may_lack),
	    TEST(a_full_token_takes_session_objects_only),
	    TEST(a_planted_domain_key_carries_keys_from_slot_to_slot),
	    TEST(lies_are_told_with_ok),
	    TEST(a_checker_sees_secret_values),
	    TEST(one_seed_is_one_history),
	    TEST(a_hook_sees_calls_and_counters_count),
	    TEST(litter_stays_where_it_is_wanted),
	    TEST(threads_share_a_token),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
