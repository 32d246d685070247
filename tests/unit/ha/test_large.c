/* SPDX-License-Identifier: Apache-2.0 */
/* More than one message takes, and more than is kept to be made again. */
#include "fixture.h"

/* A token that gives nothing before the end, as the fake one, gives what one message takes. */
enum { MIB = 1 << 20, KEPT = 16, LONG = 11, SESSIONS = 16 };

static CK_BYTE iv[16] = "initial vector..";
static uint8_t input[20 * MIB], output[2][20 * MIB + 64];

static const struct way {
	enum p11_op op;
	enum key_kind key;
	CK_MECHANISM mechanism;
} ways[] = {
	{P11_OP_SIGN, KEY_HMAC_SHA256, {CKM_SHA256_HMAC, NULL, 0}},
	{P11_OP_DIGEST, KEY_HMAC_SHA256, {CKM_SHA256, NULL, 0}},
	{P11_OP_ENCRYPT, KEY_AES_256, {CKM_AES_CBC_PAD, iv, sizeof(iv)}},
};

static void begin_input(void)
{
	for (size_t i = 0; i < sizeof(input); i++)
		input[i] = (uint8_t)(i * 7 + i / 251);
}

struct run {
	struct use use;
	uint8_t *out;
	CK_ULONG len;		/* of the result */
};

static CK_RV begin(const struct way *way, CK_OBJECT_HANDLE with, uint8_t *out, struct run *ret)
{
	*ret = (struct run){.out = out};
	return use_begin(way->op, &way->mechanism, with, &ret->use);
}

/* MiB number from to end - 1. */
static CK_RV go_on(struct run *run, size_t from, size_t end)
{
	CK_RV rv = CKR_OK;

	for (size_t i = from; i < end && rv == CKR_OK; i++) {
		CK_ULONG room = sizeof(output[0]) - run->len;

		rv = use_call(&run->use, P11_PART_UPDATE, input + i * MIB, MIB, run->out + run->len, &room);
		run->len += rv == CKR_OK && run->use.op == P11_OP_ENCRYPT ? room : 0;
	}
	return rv;
}

static CK_RV end(struct run *run)
{
	CK_ULONG room = sizeof(output[0]) - run->len;
	CK_RV rv = use_call(&run->use, P11_PART_FINAL, NULL, 0, run->out + run->len, &room);

	run->len += rv == CKR_OK ? room : 0;
	use_end(&run->use);
	return rv;
}

/* So many MiB; the member that serves goes before one of them. */
static CK_RV lose_at(const struct way *way, CK_OBJECT_HANDLE with, size_t mib, size_t at, struct run *ret)
{
	CK_RV rv = begin(way, with, output[1], ret);

	assert_int_equal(rv, CKR_OK);
	rv = go_on(ret, 0, at);
	away(0x1);
	if (rv == CKR_OK)
		rv = go_on(ret, at, mib);
	if (rv == CKR_OK)
		rv = end(ret);
	else
		use_end(&ret->use);
	away(0);
	look_again();
	return rv;
}

static void what_is_kept_outlives_its_member_and_no_more(void **state)
{
	(void)state;
	begin_input();
	for (size_t w = 0; w < COUNT(ways) && ways[w].op != P11_OP_ENCRYPT; w++) {
		CK_OBJECT_HANDLE k = key(ways[w].key, "k");
		struct run peace, run;

		assert_int_equal(begin(&ways[w], k, output[0], &peace), CKR_OK);
		assert_int_equal(go_on(&peace, 0, KEPT), CKR_OK);
		assert_int_equal(end(&peace), CKR_OK);
		for (size_t at = 1; at <= KEPT; at += 5) {
			assert_int_equal(lose_at(&ways[w], k, KEPT, at, &run), CKR_OK);
			assert_int_equal(run.len, peace.len);
			assert_memory_equal(output[1], output[0], run.len);
		}
		/* At 15 there are 14 yet to come: a replay is possible, and none after. */
		assert_int_equal(lose_at(&ways[w], k, KEPT + 2, KEPT - 1, &run), CKR_OK);
		assert_int_equal(lose_at(&ways[w], k, KEPT + 2, KEPT + 1, &run), CKR_DEVICE_REMOVED);
	}
}

static void the_process_keeps_so_much_and_others_go_on_without(void **state)
{
	static struct run runs[SESSIONS + 1];
	CK_OBJECT_HANDLE k = key(KEY_HMAC_SHA256, "k");
	struct run more;

	(void)state;
	begin_input();
	for (size_t i = 0; i <= SESSIONS; i++) {
		assert_int_equal(begin(&ways[0], k, output[1], &runs[i]), CKR_OK);
		assert_int_equal(go_on(&runs[i], 0, KEPT), CKR_OK);
	}
	away(0x1);
	assert_int_equal(end(&runs[SESSIONS]), CKR_DEVICE_REMOVED);
	assert_int_equal(end(&runs[0]), CKR_OK);
	assert_int_equal(end(&runs[1]), CKR_OK);
	away(0);
	look_again();
	/* There is room again. */
	assert_int_equal(lose_at(&ways[0], k, KEPT, KEPT, &more), CKR_OK);
	for (size_t i = 2; i < SESSIONS; i++)
		assert_int_equal(end(&runs[i]), CKR_OK);
}

/* In one call what parts give. */
static void a_call_may_be_of_any_length(void **state)
{
	(void)state;
	begin_input();
	for (size_t w = 0; w < COUNT(ways); w++) {
		CK_OBJECT_HANDLE k = key(ways[w].key, "k");
		CK_ULONG in_len = ways[w].op == P11_OP_ENCRYPT ? LONG * MIB : sizeof(input), asked = 0, len;
		struct run parts, once;

		assert_int_equal(begin(&ways[w], k, output[0], &parts), CKR_OK);
		assert_int_equal(go_on(&parts, 0, ways[w].op == P11_OP_ENCRYPT ? LONG : 20), CKR_OK);
		assert_int_equal(end(&parts), CKR_OK);
		assert_int_equal(begin(&ways[w], k, output[1], &once), CKR_OK);
		assert_int_equal(use_call(&once.use, P11_PART_ONCE, input, in_len, NULL, &asked), CKR_OK);
		assert_int_equal(asked, parts.len);
		len = asked - 1;
		assert_int_equal(use_call(&once.use, P11_PART_ONCE, input, in_len, output[1], &len), CKR_BUFFER_TOO_SMALL);
		assert_int_equal(len, parts.len);
		assert_int_equal(use_call(&once.use, P11_PART_ONCE, input, in_len, output[1], &len), CKR_OK);
		assert_int_equal(len, parts.len);
		assert_memory_equal(output[0], output[1], len);
		assert_true(is_over(&once.use));
		use_end(&once.use);
	}
}

static void what_was_encrypted_at_once_is_decrypted_at_once(void **state)
{
	static const struct way decrypt = {P11_OP_DECRYPT, KEY_AES_256, {CKM_AES_CBC_PAD, iv, sizeof(iv)}};
	CK_OBJECT_HANDLE k = key(KEY_AES_256, "k");
	CK_ULONG in_len = LONG * MIB, len = sizeof(output[0]), back = sizeof(output[1]), little = 100;
	struct run run;

	(void)state;
	begin_input();
	assert_int_equal(begin(&ways[2], k, output[0], &run), CKR_OK);
	assert_int_equal(use_call(&run.use, P11_PART_ONCE, input, in_len, output[0], &len), CKR_OK);
	use_end(&run.use);
	assert_int_equal(begin(&decrypt, k, output[1], &run), CKR_OK);
	assert_int_equal(use_call(&run.use, P11_PART_ONCE, output[0], len, output[1], &little), CKR_BUFFER_TOO_SMALL);
	assert_int_equal(little, len);
	assert_int_equal(use_call(&run.use, P11_PART_ONCE, output[0], len, output[1], &back), CKR_OK);
	assert_int_equal(back, in_len);
	assert_memory_equal(output[1], input, back);
	assert_true(is_over(&run.use));
	use_end(&run.use);
}

/* What a question for the length was answered is room enough. */
static void the_room_that_is_told_is_enough(void **state)
{
	static CK_GCM_PARAMS gcm = {iv, 12, 96, NULL, 0, 128};
	static const struct way tagged[] = {{P11_OP_ENCRYPT, KEY_AES_256, {CKM_AES_GCM, &gcm, sizeof(gcm)}},
					    {P11_OP_DECRYPT, KEY_AES_256, {CKM_AES_GCM, &gcm, sizeof(gcm)}}};
	CK_OBJECT_HANDLE k = key(KEY_AES_256, "k");
	CK_ULONG in_len = 5 * MIB, sealed = sizeof(output[0]), asked = 0;
	struct run run;

	(void)state;
	begin_input();
	assert_int_equal(begin(&tagged[0], k, output[0], &run), CKR_OK);
	assert_int_equal(use_call(&run.use, P11_PART_ONCE, input, in_len, output[0], &sealed), CKR_OK);
	use_end(&run.use);
	assert_int_equal(begin(&tagged[1], k, output[1], &run), CKR_OK);
	assert_int_equal(use_call(&run.use, P11_PART_ONCE, output[0], sealed, NULL, &asked), CKR_OK);
	assert_int_equal(asked, in_len);
	asked--;
	assert_int_equal(use_call(&run.use, P11_PART_ONCE, output[0], sealed, output[1], &asked), CKR_BUFFER_TOO_SMALL);
	assert_int_equal(asked, in_len);
	assert_int_equal(use_call(&run.use, P11_PART_ONCE, output[0], sealed, output[1], &asked), CKR_OK);
	assert_int_equal(asked, in_len);
	assert_memory_equal(output[1], input, in_len);
	assert_true(is_over(&run.use));
	use_end(&run.use);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_GROUP(what_is_kept_outlives_its_member_and_no_more),
		ON_GROUP(the_process_keeps_so_much_and_others_go_on_without),
		ON_GROUP(a_call_may_be_of_any_length),
		ON_GROUP(what_was_encrypted_at_once_is_decrypted_at_once),
		ON_GROUP(the_room_that_is_told_is_enough),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
