/* SPDX-License-Identifier: Apache-2.0 */
/* Domain keys that are absent, torn, another, or there twice: what verify says, and what a sync does about it. */
#include "replica/domain.h"
#include "rig.h"

static CK_OBJECT_HANDLE domain_of(size_t member)
{
	size_t count;
	CK_OBJECT_HANDLE object = rig_object(member, CKO_SECRET_KEY, rig_set->domain_id, 16, &count);

	assert_true(count > 0);
	return object;
}

/* Another value under the same id: a key that works, and is not the group's. */
static void make_other(size_t member)
{
	uint8_t value[32] = {(uint8_t)member, 42};

	assert_true(fake_change(member, domain_of(member), CKA_VALUE, value, sizeof(value)));
}

static void plant_again(size_t member)
{
	owned(p11_attrs) struct p11_attrs attrs = rig_attrs(member, domain_of(member));

	assert_int_not_equal(fake_plant(member, attrs.items, attrs.count), CK_INVALID_HANDLE);
}

static size_t domains_on(size_t member)
{
	size_t count;

	rig_object(member, CKO_SECRET_KEY, rig_set->domain_id, 16, &count);
	return count;
}

static void a_member_without_one_gets_it_from_another(void **state)
{
	owned(record) struct record record = {0};

	(void)state;
	rig_key(KEY_AES_256, "k", &record);
	for (size_t m = 0; m < RIG_MEMBERS; m++) {
		rig_destroy(m, domain_of(m));
		rig_finds(FINDING_DOMAIN_MISSING, m);
		assert_int_equal(rig_sync(SYNC_DRY_RUN)->n_planned, 1);
		assert_int_equal(rig_sync(SYNC_DRY_RUN)->planned[0].action, SYNC_JOIN);
		assert_int_equal(domains_on(m), 0);
		assert_int_equal(rig_sync(SYNC_RECOVER)->joined, 1);
		rig_in_sync();
	}
}

static void one_that_does_not_work_is_replaced(void **state)
{
	(void)state;
	/* Its value is gone. */
	assert_true(fake_change(1, domain_of(1), CKA_VALUE, "", 0));
	rig_finds(FINDING_DOMAIN_TORN, 1);
	rig_heals();
	assert_int_equal(domains_on(1), 1);
}

static void another_one_is_named_and_nothing_is_carried_by_it(void **state)
{
	owned(record) struct record early = {0}, late = {0};
	const struct replica_sync_report *sync;
	size_t count;

	(void)state;
	rig_key(KEY_AES_256, "early", &early);
	make_other(0);
	rig_finds(FINDING_DOMAIN_OTHER, 0);
	rig_away(0, true);
	rig_key(KEY_AES_256, "late", &late);
	rig_away(0, false);
	/* Of what it has it may lose something, and of what it lacks it gets nothing. */
	rig_destroy(2, rig_object(2, CKO_SECRET_KEY, early.uid, UID_LEN, NULL));
	sync = rig_sync(SYNC_ALL);
	assert_int_equal(sync->verdict, VERDICT_DIVERGED);
	assert_int_equal(sync->n_conflicts, 1);
	assert_int_equal(sync->conflicts[0].kind, FINDING_DOMAIN_OTHER);
	assert_string_equal(sync->conflicts[0].member, "m0");
	assert_int_equal(sync->copied, 1);
	assert_true(sync->members[0].behind);
	assert_false(sync->members[2].behind);
	rig_object(0, CKO_SECRET_KEY, late.uid, UID_LEN, &count);
	assert_int_equal(count, 0);
	assert_int_equal(domains_on(0), 1);
	rig_verify();
	assert_int_equal(rig_findings(FINDING_DOMAIN_OTHER, 0, NULL), 1);
	assert_int_equal(rig_findings(FINDING_MISSING, 0, NULL), 1);
	assert_int_equal(rig_findings(FINDING_UNUSABLE, 0, NULL), 0);
}

static void a_member_that_only_differs_in_it_is_not_behind(void **state)
{
	owned(record) struct record record = {0};

	(void)state;
	rig_key(KEY_EC_P256, "k", &record);
	make_other(3);
	rig_sync(SYNC_RECOVER);
	assert_int_equal(rig_verify()->n_findings, 1);
	assert_false(rig_verify()->members[3].behind);
}

static void of_two_that_differ_neither_is_right(void **state)
{
	owned(record) struct record record = {0};
	const struct replica_sync_report *sync;

	(void)state;
	rig_key(KEY_AES_256, "k", &record);
	make_other(1);
	rig_verify();
	assert_int_equal(rig_findings(FINDING_DOMAIN_OTHER, 0, NULL), 1);
	assert_int_equal(rig_findings(FINDING_DOMAIN_OTHER, 1, NULL), 1);
	rig_destroy(1, rig_object(1, CKO_SECRET_KEY, record.uid, UID_LEN, NULL));
	sync = rig_sync(SYNC_ALL);
	assert_int_equal(sync->n_conflicts, 2);
	assert_int_equal(sync->copied, 0);
	assert_true(sync->members[1].behind);
	assert_int_equal(domains_on(0) + domains_on(1), 2);
}

static void the_same_one_twice_is_one_too_many(void **state)
{
	(void)state;
	plant_again(2);
	rig_finds(FINDING_DOMAIN_TWICE, 2);
	rig_heals();
	assert_int_equal(domains_on(2), 1);
}

static void of_two_the_torn_one_goes(void **state)
{
	(void)state;
	for (size_t m = 0; m < 2; m++) {
		plant_again(m);
		assert_true(fake_change(m, domain_of(m), CKA_VALUE, "", 0));
		rig_finds(FINDING_DOMAIN_TWICE, m);
		rig_heals();
		assert_int_equal(domains_on(m), 1);
	}
}

static void two_that_differ_are_a_persons_affair(void **state)
{
	const struct replica_sync_report *sync;

	(void)state;
	plant_again(2);
	make_other(2);
	rig_finds(FINDING_DOMAIN_TWICE, 2);
	sync = rig_sync(SYNC_ALL);
	assert_int_equal(sync->n_conflicts, 1);
	assert_int_equal(domains_on(2), 2);
}

static void destroy_transport(size_t member, CK_OBJECT_CLASS class)
{
	const CK_ATTRIBUTE template[] = {{CKA_LABEL, (void *)(uintptr_t)"hsmctl transport", 16},
					 {CKA_CLASS, &class, sizeof(class)}};
	CK_OBJECT_HANDLE found = CK_INVALID_HANDLE;
	CK_SESSION_HANDLE session;
	CK_ULONG count;
	CK_FUNCTION_LIST *f = fake_functions();

	assert_int_equal(f->C_OpenSession(member, CKF_SERIAL_SESSION, NULL, NULL, &session), CKR_OK);
	assert_int_equal(f->C_FindObjectsInit(session, (CK_ATTRIBUTE *)(uintptr_t)template, 2), CKR_OK);
	assert_int_equal(f->C_FindObjects(session, &found, 1, &count), CKR_OK);
	f->C_CloseSession(session);
	rig_destroy(member, found);
}

static void a_lost_transport_key_is_made_anew_and_pinned(void **state)
{
	char before[DOMAIN_FINGERPRINT];

	(void)state;
	memcpy(before, rig_set->members[1].transport, sizeof(before));
	destroy_transport(1, CKO_PRIVATE_KEY);
	rig_finds(FINDING_TRANSPORT, 1);
	/* An application has no document to pin it in. */
	assert_int_equal(rig_sync(SYNC_RECOVER)->n_conflicts, 0);
	assert_string_equal(rig_set->members[1].transport, before);
	rig_heals();
	assert_string_not_equal(rig_set->members[1].transport, before);
	/* By which the domain key comes again. */
	rig_destroy(1, domain_of(1));
	rig_finds(FINDING_DOMAIN_MISSING, 1);
	rig_heals();
}

static void without_both_a_person_is_asked(void **state)
{
	(void)state;
	destroy_transport(1, CKO_PRIVATE_KEY);
	rig_destroy(1, domain_of(1));
	rig_verify();
	assert_int_equal(rig_findings(FINDING_TRANSPORT, 1, NULL), 1);
	assert_int_equal(rig_findings(FINDING_DOMAIN_MISSING, 1, NULL), 1);
	assert_int_equal(rig_sync(SYNC_ALL)->n_conflicts, 2);
}

static void what_a_token_says_once_condemns_nothing(void **state)
{
	(void)state;
	fake_fail(1, P11_C_UnwrapKey, 1, CKR_GENERAL_ERROR, FAKE_BEFORE);
	rig_in_sync();
	fake_fail(0, P11_C_WrapKey, 1, CKR_FUNCTION_FAILED, FAKE_BEFORE);
	rig_heals();
	assert_int_equal(rig_sync(SYNC_ALL)->joined, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_member_without_one_gets_it_from_another, rig_four, rig_end),
		cmocka_unit_test_setup_teardown(one_that_does_not_work_is_replaced, rig_four, rig_end),
		cmocka_unit_test_setup_teardown(another_one_is_named_and_nothing_is_carried_by_it, rig_four, rig_end),
		cmocka_unit_test_setup_teardown(a_member_that_only_differs_in_it_is_not_behind, rig_four, rig_end),
		cmocka_unit_test_setup_teardown(of_two_that_differ_neither_is_right, rig_two, rig_end),
		cmocka_unit_test_setup_teardown(the_same_one_twice_is_one_too_many, rig_four, rig_end),
		cmocka_unit_test_setup_teardown(of_two_the_torn_one_goes, rig_four, rig_end),
		cmocka_unit_test_setup_teardown(two_that_differ_are_a_persons_affair, rig_four, rig_end),
		cmocka_unit_test_setup_teardown(a_lost_transport_key_is_made_anew_and_pinned, rig_four, rig_end),
		cmocka_unit_test_setup_teardown(without_both_a_person_is_asked, rig_four, rig_end),
		cmocka_unit_test_setup_teardown(what_a_token_says_once_condemns_nothing, rig_four, rig_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
