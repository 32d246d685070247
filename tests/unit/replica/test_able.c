/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked of a token before it is taken into a fleet. */
#include "replica/able.h"
#include "rig.h"

#include "p11/call.h"

static struct member_channel *channel(void)
{
	return rig_open(1)->sites[0].channel;
}

static void a_token_that_can_hold_replicas_passes_and_keeps_nothing(void **state)
{
	size_t before = rig_objects(0);
	struct err err = {0};

	(void)state;
	if (able_check(channel(), &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(rig_objects(0), before);
}

static void what_it_lacks_is_named_all_at_once(void **state)
{
	struct err err = {0};

	(void)state;
	fake_refuse_mechanism(0, CKM_AES_KEY_GEN);
	fake_refuse_mechanism(0, CKM_RSA_PKCS_OAEP);
	assert_int_equal(able_check(channel(), &err), -ERR_UNSUPPORTED);
	assert_non_null(strstr(err.message, "CKM_AES_KEY_GEN, CKM_RSA_PKCS_OAEP"));
}

/* Key wrap with padding goes by two numbers. */
static void one_number_of_a_mechanism_is_enough(void **state)
{
	struct err err = {0};

	(void)state;
	fake_refuse_mechanism(0, CKM_AES_KEY_WRAP_KWP);
	assert_int_equal(able_check(channel(), &err), 0);
	fake_refuse_mechanism(0, CKM_AES_KEY_WRAP_PAD);
	assert_int_equal(able_check(channel(), &err), -ERR_UNSUPPORTED);
	assert_non_null(strstr(err.message, "CKM_AES_KEY_WRAP_KWP"));
}

static void a_token_without_data_objects_is_refused(void **state)
{
	struct err err = {0};

	(void)state;
	fake_fail(0, P11_C_CreateObject, 1, CKR_ATTRIBUTE_VALUE_INVALID, FAKE_BEFORE);
	assert_int_equal(able_check(channel(), &err), -ERR_UNSUPPORTED);
	assert_non_null(strstr(err.message, "no private data objects"));
}

static void one_that_has_a_domain_key_is_in_use(void **state)
{
	struct err err = {0};

	(void)state;
	assert_int_equal(able_check_free(channel(), &err), -ERR_IN_USE);
	rig_destroy(0, rig_object(0, CKO_SECRET_KEY, rig_set->domain_id, 16, NULL));
	assert_int_equal(able_check_free(channel(), &err), 0);
}

#define ON_TWO(f) cmocka_unit_test_setup_teardown(f, rig_two, rig_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_TWO(a_token_that_can_hold_replicas_passes_and_keeps_nothing),
		ON_TWO(what_it_lacks_is_named_all_at_once),
		ON_TWO(one_number_of_a_mechanism_is_enough),
		ON_TWO(a_token_without_data_objects_is_refused),
		ON_TWO(one_that_has_a_domain_key_is_in_use),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
