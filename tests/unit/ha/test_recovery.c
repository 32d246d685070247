/* SPDX-License-Identifier: Apache-2.0 */
/* How a member that was away comes back: at once when it missed nothing, and not before it has what it missed. */
#include "fixture.h"

#include "member/member.h"

static size_t objects(size_t member, const struct record *record)
{
	size_t count;

	rig_object(member, CK_UNAVAILABLE_INFORMATION, record->uid, UID_LEN, &count);
	return count;
}

/* Does it serve, with nobody else there? */
static bool serves(size_t member, CK_OBJECT_HANDLE with)
{
	uint32_t who;
	CK_RV rv;

	away(0xf & ~(1u << member));
	rv = sign(with, &who);
	away(0);
	assert_int_equal(who & ~(1u << member), 0);
	/* The others are not down for it. */
	look_again();
	return rv == CKR_OK;
}

static void a_member_that_missed_nothing_serves_at_once(void **state)
{
	CK_OBJECT_HANDLE k = key(KEY_HMAC_SHA256, "k");
	uint64_t before = rig_changes();
	uint32_t who;

	(void)state;
	away(0x1);
	assert_int_equal(sign(k, &who), CKR_OK);
	assert_int_equal(who, 0x2);
	away(0);
	/* Not before somebody looked at it. */
	assert_int_equal(sign(k, &who), CKR_OK);
	assert_int_equal(who, 0x2);
	look_again();
	assert_int_equal(sign(k, &who), CKR_OK);
	assert_int_equal(who, 0x1);
	assert_int_equal(rig_changes(), before);
}

static void a_member_that_missed_something_has_it_before_it_serves(void **state)
{
	(void)state;
	for (size_t m = 0; m < RIG_MEMBERS; m++) {
		CK_OBJECT_HANDLE k, doomed = key(KEY_HMAC_SHA256, "doomed");
		uint32_t who;

		rig_away(m, true);
		k = key(KEY_HMAC_SHA256, "k");
		assert_int_equal(destroy(doomed), CKR_OK);
		/* Back, and nobody looked yet. */
		away(0xf & ~(1u << m));
		assert_int_not_equal(sign(k, &who), CKR_OK);
		assert_int_equal(who, 0);
		away(0);
		look_again();
		assert_true(serves(m, k));
		rig_in_sync();
		assert_int_equal(destroy(k), CKR_OK);
	}
}

/* What one writer knows another process finds out. */
static void a_member_that_missed_what_others_wrote_is_brought_up_to_date_as_well(void **state)
{
	CK_OBJECT_HANDLE k = key(KEY_HMAC_SHA256, "k");
	owned(record) struct record theirs = {0};

	(void)state;
	rig_away(1, true);
	rig_key(KEY_HMAC_SHA256, "theirs", &theirs);
	rig_away(1, false);
	assert_int_not_equal(found("theirs"), CK_INVALID_HANDLE);
	assert_int_equal(objects(1, &theirs), 0);
	look_again();
	assert_int_equal(objects(1, &theirs), 1);
	assert_true(serves(1, k));
	assert_true(serves(1, found("theirs")));
}

static void a_member_that_cannot_be_brought_up_to_date_does_not_serve(void **state)
{
	CK_OBJECT_HANDLE k;

	(void)state;
	rig_away(2, true);
	k = key(KEY_HMAC_SHA256, "k");
	rig_away(2, false);
	fake_limit(2, rig_objects(2) + 1);
	look_again();
	assert_false(serves(2, k));
	fake_heal(2);
	look_again();
	assert_true(serves(2, k));
}

/* Lost at each message while it is brought up to date: it does not serve before it has everything. */
static void a_member_that_goes_again_meanwhile_comes_back_later(void **state)
{
	bool came = true;

	(void)state;
	for (unsigned n = 1; came; n += 3) {
		CK_OBJECT_HANDLE k;
		uint32_t who;

		rig_away(0, true);
		k = key(KEY_HMAC_SHA256, "k");
		rig_away(0, false);
		rig_lose(0, n, n % RIG_WHENS);
		rig_pass(LONG_MS);
		assert_int_equal(sign(k, &who), CKR_OK);
		came = rig_came();
		away(0);
		look_again();
		assert_true(serves(0, k));
		rig_in_sync();
		assert_int_equal(destroy(k), CKR_OK);
	}
}

/* ---- one recoverer ---- */

static void two_processes_that_bring_back_a_member_do_it_once(void **state)
{
	owned(record) struct record theirs = {0};
	struct member_channel *leased;
	struct p11_lease lease = {0};
	struct p11_call call;
	struct err err = {0};

	(void)state;
	key(KEY_HMAC_SHA256, "k");
	rig_away(3, true);
	rig_key(KEY_HMAC_SHA256, "theirs", &theirs);
	rig_away(3, false);
	found("k");
	/* Somebody else is at it. */
	assert_int_equal(member_acquire(rig_set->members[3].member, &leased, &err), 0);
	call = p11_X_Lease(member_session(leased), "recover", 7, "somebody", 8, 3600000, 0, &lease);
	assert_int_equal(member_run(leased, &call, 1, &err), 0);
	look_again();
	assert_int_equal(objects(3, &theirs), 0);
	assert_false(serves(3, found("k")));
	/* And gives up. */
	member_spoil(leased);
	member_release(leased);
	look_again();
	assert_int_equal(objects(3, &theirs), 1);
	assert_true(serves(3, found("k")));
}

static void other_looks(void *data)
{
	struct ha_group *mine = group;

	group = data;
	look_again();
	group = mine;
}

/* The other one looks between any two messages of ours: nothing is there twice. */
static void two_that_look_at_once_double_nothing(void **state)
{
	struct ha_group *other = another_group();
	bool came = true;

	(void)state;
	for (unsigned n = 1; came; n += 5) {
		owned(record) struct record theirs = {0};
		CK_OBJECT_HANDLE list;
		CK_ULONG count;

		rig_away(3, true);
		rig_key(KEY_HMAC_SHA256, "theirs", &theirs);
		rig_away(3, false);
		assert_int_equal(find("theirs", &list, &count), CKR_OK);
		rig_between(3, n, other_looks, other);
		look_again();
		came = rig_came();
		look_again();
		assert_int_equal(objects(3, &theirs), 1);
		rig_in_sync();
		assert_int_equal(destroy(list), CKR_OK);
	}
	ha_group_free(other);
}

/* ---- restarts ---- */

/* Handles of before mean something else there now. */
static void a_member_that_was_restarted_is_asked_by_its_new_handles(void **state)
{
	CK_OBJECT_HANDLE k = key(KEY_HMAC_SHA256, "k"), other = key(KEY_HMAC_SHA256, "other");
	uint8_t before[2][32], after[32];

	(void)state;
	assert_int_equal(sign_text(k, "text", before[0]), CKR_OK);
	assert_int_equal(sign_text(other, "text", before[1]), CKR_OK);
	for (size_t m = 0; m < RIG_MEMBERS; m++) {
		rig_restore(m, fake_save(m));
		assert_true(serves(m, k));
		assert_int_equal(sign_text(k, "text", after), CKR_OK);
		assert_memory_equal(after, before[0], 32);
		assert_int_equal(sign_text(other, "text", after), CKR_OK);
		assert_memory_equal(after, before[1], 32);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_GROUP(a_member_that_missed_nothing_serves_at_once),
		ON_GROUP(a_member_that_missed_something_has_it_before_it_serves),
		ON_GROUP(a_member_that_missed_what_others_wrote_is_brought_up_to_date_as_well),
		ON_GROUP(a_member_that_cannot_be_brought_up_to_date_does_not_serve),
		ON_GROUP(a_member_that_goes_again_meanwhile_comes_back_later),
		ON_GROUP(two_processes_that_bring_back_a_member_do_it_once),
		ON_GROUP(two_that_look_at_once_double_nothing),
		ON_GROUP(a_member_that_was_restarted_is_asked_by_its_new_handles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
