/* SPDX-License-Identifier: Apache-2.0 */
/* Replication over fake tokens, from the domain key to the last proof; the tokens stand in the library. */
#include "group.h"

static void make_key(enum key_kind kind, struct record *ret, struct err *err)
{
	owned(replica_sites) struct replica_sites sites = {0};
	owned(key_request) struct key_request request = {0};
	uint32_t mask = 0;

	assert_int_equal(replica_sites_open(&set, UINT32_MAX, &sites, err), 0);
	assert_int_equal(key_request_kind(kind, key_kind_names[kind], &request, err), 0);
	if (replica_generate(&sites, &request, ret, &mask, err) < 0)
		fail_msg("%s: %s", key_kind_names[kind], err->message);
	assert_int_equal(mask, (1u << MEMBERS) - 1);
}

static void delete_key(const struct record *record, struct err *err)
{
	owned(replica_sites) struct replica_sites sites = {0};

	assert_int_equal(replica_sites_open(&set, UINT32_MAX, &sites, err), 0);
	assert_int_equal(replica_destroy(&sites, record, &(uint32_t){0}, err), 0);
}

static void keys_of_each_kind_are_replicated(void **state)
{
	static const enum key_kind kinds[] = {KEY_EC_P256, KEY_EC_P384, KEY_RSA_2048,
					      KEY_AES_128, KEY_AES_256, KEY_HMAC_SHA256};
	struct err err = {0};

	(void)state;
	make_domain(&err);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		owned(record) struct record record = {0};

		make_key(kinds[i], &record, &err);
		assert_int_equal(verdict(&err), VERDICT_IN_SYNC);
		if (i % 2)
			delete_key(&record, &err);
	}
	assert_int_equal(verdict(&err), VERDICT_IN_SYNC);
}

static void a_file_of_faults_reaches_the_library(void **state)
{
	struct err err = {0};

	(void)state;
	assert_int_equal(member_probe(set.members[0].member, NULL, &err), 0);
	assert_int_equal(file_write(faults, "C_GenerateRandom 0x5\n", 21, 0600, &err), 0);
	assert_true(member_probe(set.members[0].member, NULL, &err) < 0);
	assert_int_equal(err.rv, CKR_GENERAL_ERROR);
	assert_int_equal(file_write(faults, "C_GenerateRandom after:0x6\n", 27, 0600, &err), 0);
	assert_true(member_probe(set.members[0].member, NULL, &err) < 0);
	assert_int_equal(err.rv, CKR_FUNCTION_FAILED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(keys_of_each_kind_are_replicated, open_set, close_set),
	    cmocka_unit_test_setup_teardown(a_file_of_faults_reaches_the_library, open_set, close_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
