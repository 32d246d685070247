/* SPDX-License-Identifier: Apache-2.0 */
/* What a group can do: what all its members can, and vendors' mechanisms that nobody here knows. */
#include "fixture.h"

enum { MANY = 512 };

static bool is_listed(CK_MECHANISM_TYPE type)
{
	CK_MECHANISM_TYPE list[MANY];
	CK_ULONG count, at = 0;

	assert_int_equal(ha_mechanisms(group, list, MANY, &count), CKR_OK);
	while (at < count && list[at] != type)
		at++;
	return at < count;
}

static CK_RV info_of(CK_MECHANISM_TYPE type)
{
	CK_MECHANISM_INFO info;
	CK_RV rv = ha_mechanism_info(group, type, &info);

	assert_int_equal(is_listed(type), rv == CKR_OK);
	return rv;
}

/* A standby counts like an active member; who is away takes nothing away, and is asked again when it is back. */
static void the_group_has_what_all_have_that_can_be_asked(void **state)
{
	const CK_MECHANISM gcm = {CKM_AES_GCM, &(CK_GCM_PARAMS){(CK_BYTE *)"twelve bytes", 12, 96, NULL, 0, 128},
				  sizeof(CK_GCM_PARAMS)};
	CK_OBJECT_HANDLE k = key(KEY_AES_256, "k");
	struct use o;

	(void)state;
	assert_int_equal(info_of(CKM_AES_GCM), CKR_OK);
	away(0x8);
	assert_int_equal(found("k"), k);
	fake_refuse_mechanism(3, CKM_AES_GCM);
	assert_int_equal(info_of(CKM_AES_GCM), CKR_OK);
	away(0);
	look_again();
	assert_int_equal(info_of(CKM_AES_GCM), CKR_MECHANISM_INVALID);
	assert_int_equal(use_begin(P11_OP_ENCRYPT, &gcm, k, &o), CKR_MECHANISM_INVALID);
	assert_int_equal(info_of(CKM_AES_CBC), CKR_OK);
	away(0x8);
	assert_int_equal(found("k"), k);
	assert_int_equal(info_of(CKM_AES_GCM), CKR_OK);
	assert_int_equal(use_begin(P11_OP_ENCRYPT, &gcm, k, &o), CKR_OK);
	use_end(&o);
}

/* A list that is asked for again costs no member anything. */
static void members_are_asked_once(void **state)
{
	(void)state;
	who_took(P11_C_GetMechanismList);
	assert_true(is_listed(CKM_SHA256));
	assert_int_equal(who_took(P11_C_GetMechanismList), 0xf);
	assert_true(is_listed(CKM_SHA256));
	assert_int_equal(who_took(P11_C_GetMechanismList), 0);
}

static void with_nobody_to_ask_there_is_no_list(void **state)
{
	CK_MECHANISM_TYPE list[MANY];
	CK_ULONG count;

	(void)state;
	away(0xf);
	assert_int_equal(ha_mechanisms(group, list, MANY, &count), CKR_DEVICE_REMOVED);
	away(0);
	look_again();
	assert_true(is_listed(CKM_SHA256));
}

/* ---- vendors' ---- */

static void they_all_offer(uint32_t mask)
{
	for (size_t m = 0; m < RIG_MEMBERS; m++)
		if (mask & 1u << m)
			fake_offer_vendors(m);
}

static CK_MECHANISM vendors = {FAKE_VENDOR_MAC, (CK_BYTE *)"salt", 4};

static void mac_of(CK_OBJECT_HANDLE k, const CK_MECHANISM *mechanism, bool parts, uint32_t lost, uint8_t ret[static 32])
{
	CK_ULONG len = 0;
	struct use o;

	assert_int_equal(use_begin(P11_OP_SIGN, mechanism, k, &o), CKR_OK);
	if (parts)
		assert_int_equal(use_call(&o, P11_PART_UPDATE, "te", 2, NULL, &len), CKR_OK);
	away(lost);
	assert_int_equal(parts ? use_call(&o, P11_PART_UPDATE, "xt", 2, NULL, &len)
			       : use_call(&o, P11_PART_ONCE, "text", 4, NULL, &len), CKR_OK);
	len = 32;
	assert_int_equal(parts ? use_call(&o, P11_PART_FINAL, NULL, 0, ret, &len)
			       : use_call(&o, P11_PART_ONCE, "text", 4, ret, &len), CKR_OK);
	assert_true(is_over(&o));
	use_end(&o);
	away(0);
	look_again();
}

/* What it comes to, in one piece and in parts, whoever is lost. */
static void a_mechanism_that_nobody_knows_is_passed_through(void **state)
{
	const CK_MECHANISM hmac = {CKM_SHA256_HMAC, NULL, 0};
	uint8_t expected[32], out[32];
	CK_OBJECT_HANDLE k;
	CK_ULONG len = 32;
	struct use o;

	(void)state;
	they_all_offer(0xf);
	k = key(KEY_HMAC_SHA256, "k");
	assert_int_equal(use_begin(P11_OP_SIGN, &hmac, k, &o), CKR_OK);
	assert_int_equal(use_call(&o, P11_PART_ONCE, "salttext", 8, expected, &len), CKR_OK);
	use_end(&o);
	for (int parts = 0; parts < 2; parts++)
		for (uint32_t lost = 0; lost < 2; lost++) {
			mac_of(k, &vendors, parts, lost, out);
			assert_memory_equal(out, expected, 32);
		}
}

static void it_has_the_narrowest_sizes_and_the_flags_of_all(void **state)
{
	CK_MECHANISM_INFO info;

	(void)state;
	they_all_offer(0xf);
	assert_int_equal(ha_mechanism_info(group, FAKE_VENDOR_MAC, &info), CKR_OK);
	assert_int_equal(info.flags, CKF_SIGN | CKF_VERIFY);
	assert_int_equal(info.ulMinKeySize, 16 + RIG_MEMBERS - 1);
	assert_int_equal(info.ulMaxKeySize, 64 - (RIG_MEMBERS - 1));
}

static void one_that_a_member_lacks_is_not_offered(void **state)
{
	CK_OBJECT_HANDLE k;
	struct use o;

	(void)state;
	they_all_offer(0xb);
	k = key(KEY_HMAC_SHA256, "k");
	assert_int_equal(info_of(FAKE_VENDOR_MAC), CKR_MECHANISM_INVALID);
	assert_int_equal(use_begin(P11_OP_SIGN, &vendors, k, &o), CKR_MECHANISM_INVALID);
}

/* A pointer leads nowhere on a member. */
static void its_parameter_is_plain(void **state)
{
	CK_KEY_DERIVATION_STRING_DATA pointer = {(CK_BYTE *)"salt", 4};
	const CK_MECHANISM odd = {FAKE_VENDOR_MAC, &pointer, sizeof(pointer)};
	CK_OBJECT_HANDLE k;
	struct use o;

	(void)state;
	they_all_offer(0xf);
	k = key(KEY_HMAC_SHA256, "k");
	assert_int_equal(use_begin(P11_OP_SIGN, &odd, k, &o), CKR_MECHANISM_PARAM_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_GROUP(the_group_has_what_all_have_that_can_be_asked),
		ON_GROUP(members_are_asked_once),
		ON_GROUP(with_nobody_to_ask_there_is_no_list),
		ON_GROUP(a_mechanism_that_nobody_knows_is_passed_through),
		ON_GROUP(it_has_the_narrowest_sizes_and_the_flags_of_all),
		ON_GROUP(one_that_a_member_lacks_is_not_offered),
		ON_GROUP(its_parameter_is_plain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
