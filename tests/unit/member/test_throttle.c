/* SPDX-License-Identifier: Apache-2.0 */
/* Who guesses PINs waits, nobody else does, and the token sees few guesses. */
#include "../base/temp.h"
#include "member/limit.h"
#include "member/throttle.h"

static struct throttle throttle;

static int forget(void **state)
{
	(void)state;
	throttle = (struct throttle){0};
	return 0;
}

/* A wrong PIN whose answer was waited for; how long that took. */
static int64_t wrong(const char *who, int64_t now)
{
	struct throttle_client *c = throttle_enter(&throttle, who, now);
	int64_t wait;

	assert_non_null(c);
	wait = throttle_judge(c, false, now);
	throttle_leave(c);
	return wait;
}

static int64_t right(const char *who, int64_t now)
{
	struct throttle_client *c = throttle_enter(&throttle, who, now);
	int64_t wait;

	assert_non_null(c);
	wait = throttle_judge(c, true, now);
	throttle_leave(c);
	return wait;
}

static void each_wrong_pin_waits_longer_up_to_a_limit_and_only_its_sender(void **state)
{
	int64_t last = 0;

	(void)state;
	for (int i = 0; i < 100; i++) {
		int64_t wait = wrong("shop", 1000);

		assert_true(wait > last || wait == THROTTLE_LONGEST_MS);
		last = wait;
	}
	assert_int_equal(last, THROTTLE_LONGEST_MS);
	assert_int_equal(wrong("cafe", 1000), THROTTLE_FIRST_MS);
}

static void the_right_pin_never_waits(void **state)
{
	(void)state;
	for (int i = 0; i < 100; i++) {
		wrong("shop", 1000);
		assert_int_equal(right("shop", 1000), 0);
		assert_int_equal(right("cafe", 1000), 0);
	}
	/* Nor does it help to know it: the next wrong one waits as long. */
	assert_int_equal(wrong("shop", 1000), THROTTLE_LONGEST_MS);
}

static void old_mistakes_are_forgotten(void **state)
{
	(void)state;
	for (int i = 0; i < 100; i++)
		wrong("shop", 1000);
	assert_int_equal(wrong("shop", 1000 + THROTTLE_FORGET_MS), THROTTLE_LONGEST_MS);
	assert_int_equal(wrong("shop", 2001 + 2 * THROTTLE_FORGET_MS), THROTTLE_FIRST_MS);
}

static void who_never_knew_the_pin_has_few_tries_under_way(void **state)
{
	struct throttle_client *c[THROTTLE_AT_ONCE];

	(void)state;
	for (int i = 0; i < THROTTLE_AT_ONCE; i++) {
		c[i] = throttle_enter(&throttle, "shop", 1000);
		assert_non_null(c[i]);
		throttle_judge(c[i], false, 1000);
	}
	assert_null(throttle_enter(&throttle, "shop", 1000));
	assert_int_equal(right("cafe", 1000), 0);
	throttle_leave(c[0]);
	assert_int_equal(right("shop", 1000), 0);
	/* Now somebody with this certificate knows it: others' mistakes are not in the way. */
	for (int i = 0; i < 10 * THROTTLE_AT_ONCE; i++)
		assert_non_null(throttle_enter(&throttle, "shop", 1000));
}

static void strangers_do_not_make_a_client_forgotten(void **state)
{
	char name[32];

	(void)state;
	right("known", 0);
	for (int i = 0; i < 10 * THROTTLE_CLIENTS; i++) {
		snprintf(name, sizeof(name), "stranger %d", i);
		wrong(name, 1000 + i);
	}
	for (int i = 0; i < 2 * THROTTLE_AT_ONCE; i++)
		assert_non_null(throttle_enter(&throttle, "known", 5000));
}

static void places_in_use_are_not_given_away(void **state)
{
	char name[32];

	(void)state;
	for (int i = 0; i < THROTTLE_CLIENTS; i++) {
		snprintf(name, sizeof(name), "client %d", i);
		assert_non_null(throttle_enter(&throttle, name, 1000));
	}
	assert_null(throttle_enter(&throttle, "one more", 1000));
}

static void the_token_sees_few_guesses_and_none_twice(void **state)
{
	uint8_t mac[THROTTLE_ADMIN_TRIES + 1][SHA256_LEN] = {{0}};

	(void)state;
	for (uint8_t i = 0; i < THROTTLE_ADMIN_TRIES; i++) {
		mac[i][0] = i + 1;
		assert_int_equal(throttle_token(&throttle, mac[i], CERT_ROLE_ADMIN), THROTTLE_ASK_TOKEN);
		assert_int_equal(throttle_token(&throttle, mac[i], CERT_ROLE_APPLICATION),
				 i < THROTTLE_TOKEN_TRIES ? THROTTLE_ASK_TOKEN : THROTTLE_NO_MORE);
		throttle_token_refused(&throttle, mac[i]);
		assert_int_equal(throttle_token(&throttle, mac[i], CERT_ROLE_ADMIN), THROTTLE_KNOWN_WRONG);
	}
	assert_int_equal(throttle_token(&throttle, mac[THROTTLE_ADMIN_TRIES], CERT_ROLE_ADMIN), THROTTLE_NO_MORE);
	throttle_token_refused(&throttle, mac[THROTTLE_ADMIN_TRIES]);
	assert_int_equal(throttle_token(&throttle, mac[0], CERT_ROLE_APPLICATION), THROTTLE_KNOWN_WRONG);
}

static void only_what_makes_keys_may_take_long(void **state)
{
	static const struct {
		enum p11_fn fn;
		int64_t answer_ms, call_ms, total_ms;
	} cases[] = {
		{P11_C_Sign, 1000, 60000, CALL_SHORT_MS},
		{P11_C_FindObjects, 10, 60000, CALL_SHORT_MS},
		{P11_C_Login, 2000, 60000, 2000 * CALL_SILENCES},
		{P11_C_Sign, 1000, 300, 300},
		{P11_C_GenerateKeyPair, 1000, 60000, 60000},
		{P11_C_GenerateKey, 1000, 60000, 60000},
		{P11_C_DeriveKey, 1000, 60000, 60000},
		{P11_C_GenerateKey, 1000, 300, 300},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct p11_call calls[] = {{.fn = P11_C_GetTokenInfo}, {.fn = cases[i].fn}};
		struct call_limit limit = call_limit(calls, 2, cases[i].answer_ms, cases[i].call_ms);

		assert_int_equal(limit.silence_ms, cases[i].answer_ms);
		assert_int_equal(limit.total_ms, cases[i].total_ms);
		assert_int_equal(limit.longest_ms, cases[i].call_ms);
	}
}

#define fresh_test(function) cmocka_unit_test_setup(function, forget)

int main(void)
{
	const struct CMUnitTest tests[] = {
		fresh_test(each_wrong_pin_waits_longer_up_to_a_limit_and_only_its_sender),
		fresh_test(the_right_pin_never_waits),
		fresh_test(old_mistakes_are_forgotten),
		fresh_test(who_never_knew_the_pin_has_few_tries_under_way),
		fresh_test(strangers_do_not_make_a_client_forgotten),
		fresh_test(places_in_use_are_not_given_away),
		fresh_test(the_token_sees_few_guesses_and_none_twice),
		fresh_test(only_what_makes_keys_may_take_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
