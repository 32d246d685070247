/* SPDX-License-Identifier: Apache-2.0 */
/* Which member serves a call, and what becomes of one that a member does not answer well. */
#include "fixture.h"

#include "p11/rv.h"

static void active_members_serve_before_standbys_and_whoever_is_left(void **state)
{
	static const struct {
		uint32_t away, serves;	/* serves: one of these */
	} cases[] = {{0x0, 0x3}, {0x1, 0x2}, {0x2, 0x1}, {0x3, 0xc}, {0x7, 0x8}, {0xb, 0x4}, {0xd, 0x2}, {0xc, 0x3}};
	CK_OBJECT_HANDLE k = key(KEY_HMAC_SHA256, "k");

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		uint32_t who;

		away(cases[i].away);
		look_again();
		assert_int_equal(sign(k, &who), CKR_OK);
		assert_int_equal(__builtin_popcount(who), 1);
		assert_int_equal(who & ~cases[i].serves, 0);
	}
}

static void when_everybody_was_away_whoever_is_back_serves_at_once(void **state)
{
	CK_OBJECT_HANDLE k = key(KEY_HMAC_SHA256, "k");
	uint32_t who;

	(void)state;
	away(0xf);
	for (int i = 0; i < 3; i++)
		assert_int_equal(sign(k, &who), CKR_DEVICE_REMOVED);
	away(0xb);
	assert_int_equal(sign(k, &who), CKR_OK);
	assert_int_equal(who, 0x4);
}

/* What those of mask have, and the others missed; by another process. */
static void others_write_at(uint32_t mask)
{
	owned(record) struct record record = {0};

	away(~mask);
	rig_key(KEY_AES_256, "theirs", &record);
	away(0);
}

static void members_that_missed_a_write_never_serve(void **state)
{
	CK_OBJECT_HANDLE k = key(KEY_HMAC_SHA256, "k");
	uint32_t who;

	(void)state;
	others_write_at(0x3);
	assert_int_not_equal(found("theirs"), CK_INVALID_HANDLE);
	away(0x3);
	for (int i = 0; i < 3; i++) {
		CK_OBJECT_HANDLE handle;
		CK_ULONG count;

		assert_int_equal(sign(k, &who), CKR_DEVICE_REMOVED);
		assert_int_equal(who, 0);
		assert_int_equal(find("theirs", &handle, &count), CKR_DEVICE_REMOVED);
		rig_pass(LONG_MS);
	}
	away(0x1);
	assert_int_equal(sign(k, &who), CKR_OK);
	assert_int_equal(who, 0x2);
}

/* It knows from the store alone: those who could tell are away since before it began. */
static void a_process_that_reaches_only_members_left_out_serves_nothing(void **state)
{
	struct replica_set *set = rig_another();
	struct ha_group *fresh;
	owned(mem) CK_OBJECT_HANDLE *list = NULL;
	CK_ULONG count;
	uint64_t before;

	(void)state;
	key(KEY_HMAC_SHA256, "k");
	for (size_t m = 2; m < RIG_MEMBERS; m++)
		replica_set_mark(set, m, (struct view_mark){1, VIEW_OUT});
	assert_int_equal(ha_group_new(set, "/nonexistent", false, &fresh, NULL), 0);
	away(0x3);
	before = rig_changes();
	assert_int_equal(ha_login(fresh, "1234", 4), CKR_DEVICE_REMOVED);
	away(0);
	assert_int_equal(ha_login(fresh, "1234", 4), CKR_OK);
	away(0x3);
	assert_int_equal(find_all(fresh, NULL, 0, &list, &count), CKR_DEVICE_REMOVED);
	assert_int_equal(rig_changes(), before);
	away(0);
	assert_int_equal(find_all(fresh, NULL, 0, &list, &count), CKR_OK);
	assert_int_equal(count, 1);
	ha_group_free(fresh);
}

/* ---- verdicts ---- */

static void a_member_s_answer_is_the_callers_or_another_members_affair(void **state)
{
	static const struct {
		CK_RV answer;		/* of member 0, once or always */
		bool always;
		CK_RV rv;
		uint32_t asked;
	} cases[] = {
		/* What the caller did wrong is told, and nobody else is bothered. */
		{CKR_DATA_INVALID, false, CKR_DATA_INVALID, 0x1},
		{CKR_DATA_LEN_RANGE, false, CKR_DATA_LEN_RANGE, 0x1},
		{CKR_KEY_FUNCTION_NOT_PERMITTED, false, CKR_KEY_FUNCTION_NOT_PERMITTED, 0x1},
		{CKR_MECHANISM_PARAM_INVALID, false, CKR_MECHANISM_PARAM_INVALID, 0x1},
		/* Its own trouble, or what may be: another one is asked. */
		{CKR_DEVICE_ERROR, false, CKR_OK, 0x3},
		{CKR_DEVICE_REMOVED, false, CKR_OK, 0x3},
		{CKR_DEVICE_MEMORY, false, CKR_OK, 0x3},
		{CKR_TOKEN_NOT_PRESENT, false, CKR_OK, 0x3},
		{CKR_GENERAL_ERROR, false, CKR_OK, 0x3},
		{CKR_FUNCTION_FAILED, false, CKR_OK, 0x3},
		{CKR_VENDOR_DEFINED | 7, false, CKR_OK, 0x3},
		/* A session or a handle that it lost: it is asked again. */
		{CKR_SESSION_HANDLE_INVALID, false, CKR_OK, 0x1},
		{CKR_OPERATION_NOT_INITIALIZED, false, CKR_OK, 0x1},
		{CKR_KEY_HANDLE_INVALID, false, CKR_OK, 0x1},
		{CKR_SESSION_COUNT, false, CKR_OK, 0x1},
		{CKR_SESSION_HANDLE_INVALID, true, CKR_OK, 0x3},
		{CKR_SESSION_COUNT, true, CKR_OK, 0x3},
	};
	CK_OBJECT_HANDLE k = key(KEY_HMAC_SHA256, "k");

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		uint32_t who;

		look_again();
		for (unsigned n = 1; n <= (cases[i].always ? 16 : 1); n++)
			fake_fail(0, P11_C_Sign, n, cases[i].answer, FAKE_BEFORE);
		assert_int_equal(sign(k, &who), cases[i].rv);
		assert_int_equal(who, cases[i].asked);
		fake_heal(0);
		/* A call that was begun on it and never ended is nobody else's. */
		assert_int_equal(sign(k, NULL), CKR_OK);
	}
}

static void what_all_members_say_is_the_answer(void **state)
{
	static const struct {
		CK_RV answer, rv;
	} cases[] = {
		{CKR_GENERAL_ERROR, CKR_GENERAL_ERROR},
		{CKR_FUNCTION_FAILED, CKR_FUNCTION_FAILED},
		{CKR_SESSION_HANDLE_INVALID, CKR_DEVICE_ERROR},
		{CKR_SESSION_COUNT, CKR_DEVICE_ERROR},
		{CKR_DEVICE_ERROR, CKR_DEVICE_REMOVED},
	};
	CK_OBJECT_HANDLE k = key(KEY_HMAC_SHA256, "k");

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		uint32_t who;
		CK_RV rv;

		look_again();
		for (size_t m = 0; m < RIG_MEMBERS; m++)
			for (unsigned n = 1; n <= 16; n++)
				fake_fail(m, P11_C_Sign, n, cases[i].answer, FAKE_BEFORE);
		rv = sign(k, &who);
		for (size_t m = 0; m < RIG_MEMBERS; m++)
			fake_heal(m);
		assert_int_equal(who, 0xf);
		if (cases[i].answer == CKR_DEVICE_ERROR)
			assert_true(rv == CKR_DEVICE_REMOVED || rv == CKR_DEVICE_ERROR);
		else
			assert_int_equal(rv, cases[i].rv);
		/* Members that only said what may mean anything are not down for it. */
		assert_int_equal(sign(k, NULL), CKR_OK);
	}
}

static void a_member_that_says_it_is_broken_is_left_alone_until_it_is_looked_at(void **state)
{
	CK_OBJECT_HANDLE k = key(KEY_HMAC_SHA256, "k");
	uint32_t who;

	(void)state;
	fake_fail(0, P11_C_Sign, 1, CKR_DEVICE_ERROR, FAKE_BEFORE);
	assert_int_equal(sign(k, &who), CKR_OK);
	assert_int_equal(who, 0x3);
	assert_int_equal(sign(k, &who), CKR_OK);
	assert_int_equal(who, 0x2);
	look_again();
	assert_int_equal(sign(k, &who), CKR_OK);
	assert_int_equal(who, 0x1);
}

/* Whose host ends over a call, once it is connected, is lost with it. */
static void lose_over_a_call(uint32_t mask)
{
	for (size_t m = 0; m < RIG_MEMBERS; m++)
		if (mask & 1u << m)
			rig_lose(m, 1, RIG_BEFORE);
}

/* Everybody has a connection and knows the key's handle. */
static void warm(CK_OBJECT_HANDLE k)
{
	for (uint32_t m = 0; m < RIG_MEMBERS; m++) {
		uint32_t who;

		away(0xf & ~(1u << m));
		look_again();
		assert_int_equal(sign(k, &who), CKR_OK);
		assert_int_equal(who, 1u << m);
	}
	away(0);
	look_again();
}

static void a_call_that_two_members_end_over_goes_to_no_third(void **state)
{
	/* Of another length than any before them, and of the same. */
	static const char first[] = "what nobody signed before", other[] = "what nobody signed so far";
	CK_OBJECT_HANDLE k = key(KEY_HMAC_SHA256, "k");
	uint8_t signature[32];

	(void)state;
	warm(k);
	lose_over_a_call(0x7);
	assert_int_equal(sign_text(k, first, signature), CKR_FUNCTION_FAILED);
	assert_false(rig_came());
	away(0);
	look_again();
	/* The same once more is asked of nobody. */
	who_took(P11_C_SignInit);
	assert_int_equal(sign_text(k, first, signature), CKR_FUNCTION_FAILED);
	assert_int_equal(who_took(P11_C_SignInit), 0);
	/* From now on it is known that members can end such a call. */
	assert_int_equal(sign_text(k, other, signature), CKR_OK);
	lose_over_a_call(0x7);
	assert_int_equal(sign_text(k, "what nobody signed at all", signature), CKR_OK);
	assert_true(rig_came());
	away(0);
	look_again();
}

/* Nobody could be reached: the call ended nobody. */
static void a_call_that_nobody_took_goes_to_all(void **state)
{
	CK_OBJECT_HANDLE k = key(KEY_HMAC_SHA256, "k");
	uint8_t signature[32];

	(void)state;
	away(0x7);
	assert_int_equal(sign_text(k, "what nobody signed before", signature), CKR_OK);
}

/* ---- members that are slow to connect ---- */

static void slow(uint32_t mask)
{
	for (size_t m = 0; m < RIG_MEMBERS; m++)
		rig_slow(m, mask & 1u << m);
}

/* A process that has no connection yet. */
static void begin_anew(void)
{
	ha_group_free(group);
	assert_int_equal(ha_group_new(rig_another(), "/nonexistent", false, &group, NULL), 0);
}

static void a_new_process_goes_past_members_that_do_not_answer_at_once(void **state)
{
	static const struct {
		uint32_t slow, serves;
	} cases[] = {{0x1, 0x2}, {0x2, 0x1}, {0x3, 0xc}, {0x7, 0x8}};

	(void)state;
	key(KEY_HMAC_SHA256, "k");
	for (size_t i = 0; i < COUNT(cases); i++) {
		CK_OBJECT_HANDLE k;
		uint32_t who;

		begin_anew();
		slow(cases[i].slow);
		assert_int_equal(ha_login(group, "1234", 4), CKR_OK);
		k = found("k");
		assert_int_not_equal(k, CK_INVALID_HANDLE);
		assert_int_equal(sign(k, &who), CKR_OK);
		assert_int_equal(__builtin_popcount(who), 1);
		assert_int_equal(who & ~cases[i].serves, 0);
		slow(0);
	}
}

static void when_nobody_answers_at_once_all_are_waited_for(void **state)
{
	CK_OBJECT_HANDLE k;
	CK_BYTE byte;
	uint32_t who;

	(void)state;
	key(KEY_HMAC_SHA256, "k");
	begin_anew();
	slow(0xf);
	assert_int_equal(call_in(group, p11_C_GenerateRandom(0, &byte, 1)), CKR_OK);
	begin_anew();
	assert_int_equal(ha_login(group, "1234", 4), CKR_OK);
	k = found("k");
	assert_int_not_equal(k, CK_INVALID_HANDLE);
	assert_int_equal(sign(k, &who), CKR_OK);
	assert_int_equal(__builtin_popcount(who), 1);
	/* A PIN that is wrong is still told of by one. */
	begin_anew();
	assert_int_equal(ha_login(group, "4321", 4), CKR_PIN_INCORRECT);
	assert_int_equal(ha_login(group, "1234", 4), CKR_OK);
}

/* ---- PINs ---- */

static void a_wrong_pin_reaches_one_member_once(void **state)
{
	struct ha_group *fresh;
	size_t refused = 0;

	(void)state;
	assert_int_equal(ha_group_new(rig_another(), "/nonexistent", false, &fresh, NULL), 0);
	assert_int_equal(ha_login(fresh, "4321", 4), CKR_PIN_INCORRECT);
	assert_false(ha_logged_in(fresh));
	for (size_t m = 0; m < RIG_MEMBERS; m++)
		refused += rig_refused(m);
	assert_int_equal(refused, 1);
	assert_int_equal(ha_login(fresh, "1234", 4), CKR_OK);
	assert_int_equal(ha_login(fresh, "1234", 4), CKR_USER_ALREADY_LOGGED_IN);
	assert_int_equal(ha_logout(fresh), CKR_OK);
	assert_int_equal(ha_logout(fresh), CKR_USER_NOT_LOGGED_IN);
	ha_group_free(fresh);
}

static void look_at_all(void *data)
{
	uint8_t byte;

	rig_away(1, false);
	rig_pass(LONG_MS);
	assert_int_equal(call_in(data, p11_C_GenerateRandom(0, &byte, 1)), CKR_OK);
}

/* While it is looked at other calls are made, and members come back. */
static void a_pin_that_is_not_known_to_be_right_is_nobody_elses(void **state)
{
	struct ha_group *fresh;
	uint8_t byte;

	(void)state;
	assert_int_equal(ha_group_new(rig_another(), "/nonexistent", false, &fresh, NULL), 0);
	away(0x3);
	assert_int_equal(call_in(fresh, p11_C_GenerateRandom(0, &byte, 1)), CKR_OK);
	rig_away(0, false);
	rig_pass(LONG_MS);
	look_again();
	assert_int_equal(call_in(fresh, p11_C_GenerateRandom(0, &byte, 1)), CKR_OK);
	rig_reconnect(0);
	rig_between(0, 2, look_at_all, fresh);
	assert_int_equal(ha_login(fresh, "4321", 4), CKR_PIN_INCORRECT);
	assert_true(rig_came());
	for (size_t m = 1; m < RIG_MEMBERS; m++)
		assert_int_equal(rig_refused(m), 0);
	ha_group_free(fresh);
}

static void who_is_not_logged_in_uses_and_makes_nothing(void **state)
{
	CK_OBJECT_HANDLE k = key(KEY_HMAC_SHA256, "k"), other;
	uint64_t before = rig_changes();
	uint32_t who;

	(void)state;
	assert_int_equal(ha_logout(group), CKR_OK);
	assert_int_equal(sign(k, &who), CKR_USER_NOT_LOGGED_IN);
	assert_int_equal(who, 0);
	assert_int_equal(generate(KEY_AES_256, "other", &other), CKR_USER_NOT_LOGGED_IN);
	assert_int_equal(found("k"), CK_INVALID_HANDLE);
	assert_int_equal(rig_changes(), before);
	assert_int_equal(ha_login(group, "1234", 4), CKR_OK);
	assert_int_equal(found("k"), k);
}

static void a_group_that_was_cut_answers_nothing_any_more(void **state)
{
	CK_OBJECT_HANDLE k = key(KEY_HMAC_SHA256, "k");
	uint32_t who;

	(void)state;
	ha_group_cut(group);
	assert_int_not_equal(sign(k, &who), CKR_OK);
	assert_int_equal(who, 0);
	assert_int_equal(destroy(k), CKR_DEVICE_REMOVED);
	assert_int_equal(generate(KEY_HMAC_SHA256, "more", &k), CKR_DEVICE_REMOVED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_GROUP(active_members_serve_before_standbys_and_whoever_is_left),
		ON_GROUP(when_everybody_was_away_whoever_is_back_serves_at_once),
		ON_GROUP(members_that_missed_a_write_never_serve),
		ON_GROUP(a_process_that_reaches_only_members_left_out_serves_nothing),
		ON_GROUP(a_member_s_answer_is_the_callers_or_another_members_affair),
		ON_GROUP(what_all_members_say_is_the_answer),
		ON_GROUP(a_member_that_says_it_is_broken_is_left_alone_until_it_is_looked_at),
		ON_GROUP(a_call_that_two_members_end_over_goes_to_no_third),
		ON_GROUP(a_call_that_nobody_took_goes_to_all),
		ON_GROUP(a_new_process_goes_past_members_that_do_not_answer_at_once),
		ON_GROUP(when_nobody_answers_at_once_all_are_waited_for),
		ON_GROUP(a_wrong_pin_reaches_one_member_once),
		ON_GROUP(a_pin_that_is_not_known_to_be_right_is_nobody_elses),
		ON_GROUP(who_is_not_logged_in_uses_and_makes_nothing),
		ON_GROUP(a_group_that_was_cut_answers_nothing_any_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
