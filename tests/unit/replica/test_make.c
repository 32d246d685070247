/* SPDX-License-Identifier: Apache-2.0 */
/* Making keys: what is acknowledged is there and stays, what is refused leaves nothing. */
#include "rig.h"

#include "base/mem.h"
#include "replica/view.h"

static struct err err;
static struct record made;

static int end(void **state)
{
	record_release(&made);
	return rig_end(state);
}

static int make(struct replica_sites *sites, enum key_kind kind, uint32_t *ret_mask)
{
	owned(key_request) struct key_request request = {0};
	uint32_t ignored = 0;

	record_release(&made);
	assert_int_equal(key_request_kind(kind, "k", &request, NULL), 0);
	return replica_generate(sites, &request, &made, ret_mask ? ret_mask : &ignored, &err);
}

/* ---- what is so ---- */

/* Objects of keys and records on a member, but for what the group itself has. */
struct counting {
	size_t keys, records;
};

static void count(void *data, CK_OBJECT_HANDLE handle, const struct p11_attrs *attrs)
{
	const CK_ATTRIBUTE *label = p11_attrs_find(attrs, CKA_LABEL);
	struct counting *c = data;

	(void)handle;
	c->keys += label && label->ulValueLen == 1 && *(char *)label->pValue == 'k';
	c->records += label && label->ulValueLen > 14 && memcmp(label->pValue, "hsmctl record ", 14) == 0;
}

static struct counting on(size_t member)
{
	struct counting c = {0};

	fake_each(member, count, &c);
	return c;
}

/* This many whole keys of two halves are there, on all members of mask, and nothing of any on the others. */
static void are_there(size_t keys, uint32_t mask)
{
	for (size_t m = 0; m < rig_set->n_members; m++) {
		struct counting c = on(m);

		assert_int_equal(c.keys, mask & 1u << m ? 2 * keys : 0);
		assert_int_equal(c.records, mask & 1u << m ? keys : 0);
	}
}

/* Everybody is back: the key that was acknowledged is on all; of one that was refused nothing is left. */
static void holds(int rc)
{
	size_t keys;

	rig_settles();
	keys = on(0).records;
	if (rc == 0) {
		assert_int_equal(keys, 1);
		assert_int_equal(rig_record(0, made.uid, NULL) != CK_INVALID_HANDLE, 1);
	} else {
		assert_true(keys <= (rc == -ERR_NOT_KNOWN));
	}
	are_there(keys, UINT32_MAX);
}

static void a_key_is_made_on_all_members_and_proven(void **state)
{
	uint32_t mask;

	(void)state;
	for (int kind = 0; kind < KEY_KIND_MAX; kind++) {
		if (kind == KEY_ED25519 || kind == KEY_RSA_3072 || kind == KEY_RSA_4096)
			continue;
		assert_int_equal(make(rig_open(UINT32_MAX), kind, &mask), 0);
		assert_int_equal(mask, 0xf);
		assert_int_equal(made.state, RECORD_LIVE);
		for (size_t m = 0; m < RIG_MEMBERS; m++)
			assert_int_not_equal(rig_record(m, made.uid, NULL), CK_INVALID_HANDLE);
	}
	rig_in_sync();
}

static bool make_while_lost(uint32_t lost, unsigned message, enum rig_when when)
{
	struct replica_sites *sites = rig_open(UINT32_MAX);
	bool came;
	int rc;

	for (size_t m = 0; m < RIG_MEMBERS; m++)
		if (lost & 1u << m)
			rig_lose(m, message, when);
	rc = make(sites, KEY_EC_P256, NULL);
	came = rig_came();
	if (came && __builtin_popcount(lost) == 1)
		assert_int_equal(rc, 0);
	if (came && __builtin_popcount(lost) > 2)
		assert_int_not_equal(rc, 0);
	holds(rc);
	rig_back();
	return came;
}

/* With one of four lost the key is made all the same, elsewhere when need be. */
static void whatever_is_said_of_a_creation_is_so_whoever_was_lost(void **state)
{
	static const uint32_t lost[] = {0x1, 0x2, 0x8, 0x3, 0xa, 0x7, 0xe, 0xf};

	(void)state;
	rig_keep();
	for (size_t l = 0; l < sizeof(lost) / sizeof(lost[0]); l++)
		for (unsigned n = RIG_WHENS; make_while_lost(lost[l], n / RIG_WHENS, n % RIG_WHENS); n++)
			;
}

/* One is away from the beginning, and one who would be told so goes. */
static void whatever_is_said_is_so_when_witnesses_are_lost_as_well(void **state)
{
	bool came = true;

	(void)state;
	rig_keep();
	for (unsigned n = RIG_WHENS; came; n++) {
		struct replica_sites *sites = rig_open(0x7);
		int rc;

		rig_lose(1, n / RIG_WHENS, n % RIG_WHENS);
		rc = make(sites, KEY_EC_P256, NULL);
		came = rig_came();
		holds(rc);
		rig_back();
	}
}

/* ---- the first member ---- */

/* Whatever the first one answers instead, it is the next one's turn when that is the first one's own trouble. */
static void a_first_member_that_fails_leaves_its_turn_to_the_next(void **state)
{
	static const struct {
		enum p11_fn fn;
		CK_RV rv;
		bool made;
	} cases[] = {
		{P11_C_GenerateKeyPair, CKR_GENERAL_ERROR, true},
		{P11_C_GenerateKeyPair, CKR_DEVICE_REMOVED, true},
		{P11_C_GenerateKeyPair, CKR_DEVICE_MEMORY, true},
		{P11_C_CreateObject, CKR_DEVICE_MEMORY, true},
		{P11_C_CreateObject, CKR_GENERAL_ERROR, true},
		{P11_C_GenerateKeyPair, CKR_ATTRIBUTE_VALUE_INVALID, false},
		{P11_C_GenerateKeyPair, CKR_TEMPLATE_INCONSISTENT, false},
	};

	(void)state;
	rig_keep();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int rc;

		for (unsigned n = 1; n <= 6; n++)
			fake_fail(0, cases[i].fn, n, cases[i].rv, FAKE_BEFORE);
		rc = make(rig_open(UINT32_MAX), KEY_EC_P256, NULL);
		assert_int_equal(rc == 0, cases[i].made);
		/* The caller's own mistake is told, not tried around. */
		if (!cases[i].made)
			assert_int_equal(err.rv, cases[i].rv);
		fake_heal(0);
		holds(rc);
		rig_back();
	}
}

static void a_refusal_that_passes_is_tried_again_there(void **state)
{
	unsigned long before[] = {fake_calls(0, P11_C_GenerateKeyPair), fake_calls(1, P11_C_GenerateKeyPair)};
	uint32_t mask = 0;

	(void)state;
	fake_fail(0, P11_C_GenerateKeyPair, 1, CKR_GENERAL_ERROR, FAKE_BEFORE);
	assert_int_equal(make(rig_open(UINT32_MAX), KEY_EC_P256, &mask), 0);
	assert_int_equal(mask, 0xf);
	assert_int_equal(fake_calls(0, P11_C_GenerateKeyPair), before[0] + 2);
	assert_int_equal(fake_calls(1, P11_C_GenerateKeyPair), before[1]);
	are_there(1, UINT32_MAX);
	rig_in_sync();
}

/* Room for some of what a key needs: with any of it the key is whole on that member, or nothing of it is. */
static void a_full_token_is_left_out(void **state)
{
	(void)state;
	rig_keep();
	for (size_t m = 0; m < RIG_MEMBERS; m++)
		for (size_t room = 0; room < 5; room++) {
			uint32_t mask = 0;

			fake_limit(m, rig_objects(m) + room);
			assert_int_equal(make(rig_open(UINT32_MAX), KEY_EC_P256, &mask), 0);
			assert_int_equal(mask | 1u << m, 0xf);
			fake_heal(m);
			holds(0);
			rig_back();
		}
}

/* ---- policy ---- */

static void with_too_few_members_nothing_is_begun(void **state)
{
	uint64_t before = rig_changes();

	(void)state;
	assert_int_equal(make(rig_open(0x4), KEY_EC_P256, NULL), -ERR_POLICY);
	assert_int_equal(rig_changes(), before);
}

/* The members are there, and do not take it. */
static void what_too_few_took_is_taken_back(void **state)
{
	static const int64_t wanted[] = {2, 3, 4};

	(void)state;
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		rig_set->policy.min_members = wanted[i];
		for (size_t m = 1; m < RIG_MEMBERS; m++)
			fake_limit(m, rig_objects(m));
		assert_true(make(rig_open(UINT32_MAX), KEY_EC_P256, NULL) < 0);
		are_there(0, UINT32_MAX);
		for (size_t m = 1; m < RIG_MEMBERS; m++)
			fake_heal(m);
		rig_in_sync();
	}
}

static void a_key_that_can_be_carried_nowhere_is_refused_at_once(void **state)
{
	uint64_t before = rig_changes();

	(void)state;
	assert_int_equal(make(rig_open(UINT32_MAX), KEY_ED25519, NULL), -ERR_NOT_REPLICABLE);
	assert_int_equal(rig_changes(), before);
}

/* Members of *data refuse to take the key itself; domain keys are not proven here. */
static CK_RV take_no_key(void *data, CK_SLOT_ID slot, enum p11_fn fn, bool after, CK_RV rv)
{
	return *(uint32_t *)data & 1u << slot && fn == P11_C_UnwrapKey && !after ? CKR_ATTRIBUTE_VALUE_INVALID : rv;
}

static void members_that_take_no_such_key_are_excused_by_policy_alone(void **state)
{
	static const struct {
		bool allowed;
		int64_t wanted;
		uint32_t refuse, current;
		bool made;
	} cases[] = {
		{false, 2, 0xc, 0x3, true}, {true, 2, 0xc, 0xf, true}, {true, 3, 0xc, 0xf, false},
		{false, 1, 0xe, 0x1, true}, {true, 1, 0xe, 0xf, true}, {true, 2, 0xe, 0xf, false},
	};

	(void)state;
	rig_keep();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t refuse = cases[i].refuse, mask = 0;
		int rc;

		rig_set->policy.allow_unreplicated = cases[i].allowed;
		rig_set->policy.min_members = rig_set->policy.min_datacenters = cases[i].wanted;
		fake_watch(take_no_key, &refuse);
		rc = make(rig_open(UINT32_MAX), KEY_EC_P256, &mask);
		fake_watch(NULL, NULL);
		assert_int_equal(rc == 0, cases[i].made);
		/* The reason is told, not that too few have it. */
		assert_int_equal(rc == 0 ? 0 : err.rv, rc == 0 ? 0 : CKR_ATTRIBUTE_VALUE_INVALID);
		for (size_t m = 0; m < RIG_MEMBERS; m++)
			assert_int_equal(on(m).keys, cases[i].made && !(cases[i].refuse & 1u << m) ? 2 : 0);
		assert_int_equal(replica_set_current(rig_set), cases[i].current);
		if (rc == 0)
			assert_int_equal(mask, 0xf & ~cases[i].refuse);
		holds(rc);
		rig_back();
	}
}

static void who_missed_a_creation_is_known_before_it_is_acknowledged(void **state)
{
	static const uint32_t up[] = {0xf, 0x7, 0xe, 0x3, 0x9};

	(void)state;
	rig_keep();
	for (size_t i = 0; i < sizeof(up) / sizeof(up[0]); i++) {
		assert_int_equal(make(rig_open(up[i]), KEY_EC_P256, NULL), 0);
		assert_int_equal(replica_set_current(rig_set), up[i]);
		rig_back();
	}
}

/* ---- leases ---- */

/* Somebody who destroys the private half on a member, and the record that was there then. */
struct thief {
	size_t member;
	CK_OBJECT_HANDLE record, key;
};

static void spy(void *data, CK_OBJECT_HANDLE handle, const struct p11_attrs *attrs)
{
	const CK_ATTRIBUTE *label = p11_attrs_find(attrs, CKA_LABEL);
	struct thief *thief = data;

	if (p11_attrs_ulong(attrs, CKA_CLASS, 0) == CKO_PRIVATE_KEY && label && label->ulValueLen == 1)
		thief->key = handle;
	if (label && label->ulValueLen > 14 && memcmp(label->pValue, "hsmctl record ", 14) == 0)
		thief->record = handle;
}

static void steal(void *data)
{
	struct thief *thief = data;

	fake_each(thief->member, spy, thief);
	if (thief->key)
		rig_destroy(thief->member, thief->key);
}

/* The record that was there when the key went stays as it was: creating, or live already. */
static void nothing_goes_live_without_its_key(void **state)
{
	(void)state;
	rig_keep();
	for (size_t m = 0; m < RIG_MEMBERS; m++) {
		bool came = true;

		for (unsigned n = 1; came; n++) {
			struct replica_sites *sites = rig_open(UINT32_MAX);
			struct thief thief = {.member = m}, after = {.member = m};
			int rc;

			rig_between(m, n, steal, &thief);
			rc = make(sites, KEY_EC_P256, NULL);
			came = rig_came();
			fake_each(m, spy, &after);
			if (thief.key && after.record)
				assert_true(after.record == thief.record || after.key);
			holds(rc);
			rig_back();
		}
	}
}

static void time_goes_by(void *data)
{
	(void)data;
	rig_pass(2 * LEASE_MS);
	rig_sync(SYNC_ALL);
}

/* The maker stands still for longer than its lease, at whatever message, and somebody syncs meanwhile: what it then
 * says is so. */
static void a_creation_that_took_too_long_is_never_acknowledged_and_gone(void **state)
{
	size_t refused = 0;

	(void)state;
	rig_keep();
	for (size_t m = 0; m < RIG_MEMBERS; m++) {
		bool came = true;

		for (unsigned n = 1; came; n++) {
			struct replica_sites *sites = rig_open(UINT32_MAX);
			int rc;

			rig_between(m, n, time_goes_by, NULL);
			rc = make(sites, KEY_EC_P256, NULL);
			came = rig_came();
			refused += rc != 0;
			holds(rc);
			rig_back();
		}
	}
	assert_true(refused > 0);
}

/* All meet meanwhile; then only two are there, and the first of them goes as well. */
static void others_come_and_go(void *message)
{
	for (size_t m = 2; m < RIG_MEMBERS; m++)
		rig_away(m, false);
	time_goes_by(NULL);
	for (size_t m = 2; m < RIG_MEMBERS; m++)
		rig_away(m, true);
	rig_lose(0, *(unsigned *)message, RIG_BEFORE);
}

/* What its first member may keep is told, whatever comes of the next one. */
static void a_creation_that_is_begun_again_does_not_hide_what_is_left_of_the_first(void **state)
{
	size_t refused = 0;

	(void)state;
	rig_keep();
	for (unsigned n = 1; n <= 8; n++)
		for (unsigned then = 1; then <= 8; then++) {
			int rc;

			for (size_t m = 2; m < RIG_MEMBERS; m++)
				rig_away(m, true);
			struct replica_sites *sites = rig_open(UINT32_MAX);

			rig_between(0, n, others_come_and_go, &then);
			rc = make(sites, KEY_EC_P256, NULL);
			refused += rc != 0;
			holds(rc);
			rig_back();
		}
	assert_true(refused > 0);
}

/* Half a creation is its maker's for a minute, and nobody's after it. */
static void what_a_maker_left_is_taken_away_when_its_lease_is_over(void **state)
{
	struct replica_sites *sites = rig_open(UINT32_MAX);

	(void)state;
	rig_lose(1, 2, RIG_BEFORE);
	rig_set->policy.min_members = 4;
	assert_true(make(sites, KEY_EC_P256, NULL) < 0);
	assert_true(rig_came());
	rig_away(1, false);
	assert_int_equal(on(1).records, 1);
	rig_sync(SYNC_ALL);
	assert_int_equal(on(1).records, 1);
	rig_pass(LEASE_MS + 1000);
	rig_heals();
	are_there(0, UINT32_MAX);
}

static void memory_that_runs_out_leaves_nothing_or_a_key(void **state)
{
	int rc = -1;

	(void)state;
	rig_keep();
	for (unsigned long n = 1; rc < 0; n++) {
		struct replica_sites *sites = rig_open(UINT32_MAX);
		owned(key_request) struct key_request request = {0};
		uint32_t mask = 0;

		record_release(&made);
		assert_int_equal(key_request_kind(KEY_EC_P256, "k", &request, NULL), 0);
		mem_fail_after = n;
		rc = replica_generate(sites, &request, &made, &mask, &err);
		/* Not used up: there was enough. */
		if (rc == 0 && !mem_fail_after)
			rc = 1;
		mem_fail_after = 0;
		holds(rc < 0 ? rc : 0);
		rc = rc == 1 ? -1 : rc;
		rig_back();
		assert_true(n < 10000);
	}
}

#define ON_FOUR(f) cmocka_unit_test_setup_teardown(f, rig_four, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_FOUR(a_key_is_made_on_all_members_and_proven),
		ON_FOUR(whatever_is_said_of_a_creation_is_so_whoever_was_lost),
		ON_FOUR(whatever_is_said_is_so_when_witnesses_are_lost_as_well),
		ON_FOUR(a_first_member_that_fails_leaves_its_turn_to_the_next),
		ON_FOUR(a_refusal_that_passes_is_tried_again_there),
		ON_FOUR(a_full_token_is_left_out),
		ON_FOUR(with_too_few_members_nothing_is_begun),
		ON_FOUR(what_too_few_took_is_taken_back),
		ON_FOUR(a_key_that_can_be_carried_nowhere_is_refused_at_once),
		ON_FOUR(members_that_take_no_such_key_are_excused_by_policy_alone),
		ON_FOUR(who_missed_a_creation_is_known_before_it_is_acknowledged),
		ON_FOUR(nothing_goes_live_without_its_key),
		ON_FOUR(a_creation_that_took_too_long_is_never_acknowledged_and_gone),
		ON_FOUR(a_creation_that_is_begun_again_does_not_hide_what_is_left_of_the_first),
		ON_FOUR(what_a_maker_left_is_taken_away_when_its_lease_is_over),
		ON_FOUR(memory_that_runs_out_leaves_nothing_or_a_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
