/* SPDX-License-Identifier: Apache-2.0 */
/* Memos and steps: sealing, conditions that hold or do not, and members that are lost on the way. */
#include "rig.h"

#include "base/buf.h"
#include "base/mem.h"
#include "replica/memo.h"

static const char LABEL[] = "hsmctl test", OTHER[] = "hsmctl test, other";
static struct err err;

static struct member_channel *channel(void)
{
	return rig_open(UINT32_MAX)->sites[0].channel;
}

static size_t count(const char *label)
{
	size_t n;

	rig_memo(0, label, &n);
	return n;
}

static void seal(struct memo *memo, const char *text)
{
	buf_put(&memo->value, text, strlen(text));
	assert_int_equal(memo_seal(&memo->value, NULL), 0);
}

/* A memo that says text, in place of what stands there. */
static int replace(struct member_channel *at, const char *text, CK_OBJECT_HANDLE old)
{
	owned(step) struct step step = step_begin(at);

	if (old)
		step_ask(&step, old);
	else
		step_absent(&step, LABEL);
	seal(step_put(&step, LABEL), text);
	step_destroy(&step, old);
	return step_send(&step, &err);
}

struct words {
	char text[64];
	size_t whole, torn;
	int answer;
};

static int read(void *data, CK_OBJECT_HANDLE handle, const char *label, const void *value, size_t len, struct err *why)
{
	struct words *words = data;
	struct buf_reader r;

	(void)handle;
	assert_string_equal(label, LABEL);
	if (words->answer < 0)
		return err_set(why, ERR_DIFFERENT, "enough");
	if (memo_unseal(value, len, &r, why) < 0) {
		words->torn++;
		return 0;
	}
	words->whole++;
	len -= 32;
	memcpy(words->text, buf_get(&r, len), len);
	words->text[len] = '\0';
	return words->answer;
}

/* ---- sealing ---- */

static void what_is_sealed_comes_back_and_nothing_else(void **state)
{
	owned(buf) struct buf value = {.max = 256};
	struct buf_reader r;

	(void)state;
	buf_put(&value, "a word", 6);
	assert_int_equal(memo_seal(&value, NULL), 0);
	assert_int_equal(memo_unseal(value.data, value.len, &r, NULL), 0);
	assert_memory_equal(buf_get(&r, 6), "a word", 6);
	assert_true(buf_read_done(&r));
	for (size_t len = 0; len < value.len; len++) {
		owned(mem) uint8_t *cut = mem_dup(value.data, len);

		assert_int_equal(memo_unseal(cut, len, &r, NULL), -ERR_INVALID);
	}
	for (size_t at = 0; at < value.len; at++) {
		value.data[at] ^= 1;
		assert_int_equal(memo_unseal(value.data, value.len, &r, NULL), -ERR_INVALID);
		value.data[at] ^= 1;
	}
}

static void what_has_no_room_is_not_sealed(void **state)
{
	owned(buf) struct buf value = {.max = 16};

	(void)state;
	buf_put(&value, "a word", 6);
	assert_true(memo_seal(&value, NULL) < 0);
}

/* ---- steps ---- */

static void a_step_is_carried_out_when_its_conditions_hold_or_not_at_all(void **state)
{
	static const struct {
		const char *absent;		/* asked for */
		bool ask_there, ask_gone;	/* of objects */
		int rc;
	} cases[] = {
		{NULL, false, false, 0},
		{OTHER, false, false, 0},
		{LABEL, false, false, -ERR_CHANGED},
		{NULL, true, false, 0},
		{NULL, false, true, -ERR_CHANGED},
		{NULL, true, true, -ERR_CHANGED},
		{OTHER, true, false, 0},
		{OTHER, true, true, -ERR_CHANGED},
		{LABEL, true, false, -ERR_CHANGED},
	};
	CK_OBJECT_HANDLE gone, there;

	(void)state;
	assert_int_equal(replace(channel(), "first", CK_INVALID_HANDLE), 0);
	gone = rig_memo(0, LABEL, NULL);
	assert_int_equal(replace(channel(), "second", gone), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		owned(step) struct step step = step_begin(channel());
		uint64_t before = rig_changes();

		there = rig_memo(0, LABEL, NULL);
		if (cases[i].absent)
			step_absent(&step, cases[i].absent);
		step_ask(&step, cases[i].ask_there ? there : CK_INVALID_HANDLE);
		step_ask(&step, cases[i].ask_gone ? gone : CK_INVALID_HANDLE);
		seal(step_put(&step, LABEL), "third");
		step_destroy(&step, there);
		assert_int_equal(step_send(&step, &err), cases[i].rc);
		assert_int_equal(rig_changes() != before, cases[i].rc == 0);
		assert_int_equal(count(LABEL), 1);
		assert_int_equal(rig_memo(0, LABEL, NULL) == there, cases[i].rc != 0);
		if (cases[i].rc == 0)
			assert_int_equal(step.memos[0].handle, rig_memo(0, LABEL, NULL));
	}
}

/* A condition that is asked after another one was fulfilled counts as much. */
static void of_two_labels_that_must_be_absent_both_are_asked(void **state)
{
	static const char *const labels[] = {LABEL, OTHER};

	(void)state;
	assert_int_equal(replace(channel(), "first", CK_INVALID_HANDLE), 0);
	for (size_t first = 0; first < 2; first++) {
		owned(step) struct step step = step_begin(channel());
		uint64_t before = rig_changes();

		step_absent(&step, labels[first]);
		step_absent(&step, labels[1 - first]);
		seal(step_put(&step, OTHER), "second");
		assert_int_equal(step_send(&step, &err), -ERR_CHANGED);
		assert_int_equal(rig_changes(), before);
	}
}

static void two_memos_are_written_as_one(void **state)
{
	owned(step) struct step step = step_begin(channel());

	(void)state;
	seal(step_put(&step, LABEL), "one");
	seal(step_put(&step, OTHER), "two");
	assert_int_equal(step_send(&step, &err), 0);
	assert_int_equal(step.memos[0].handle, rig_memo(0, LABEL, NULL));
	assert_int_equal(step.memos[1].handle, rig_memo(0, OTHER, NULL));
}

static void a_step_without_anything_to_do_is_no_message(void **state)
{
	owned(step) struct step step = step_begin(channel());
	unsigned long before = rig_messages(0);

	(void)state;
	step_ask(&step, CK_INVALID_HANDLE);
	step_destroy(&step, CK_INVALID_HANDLE);
	assert_int_equal(step_send(&step, &err), 0);
	assert_int_equal(rig_messages(0), before);
}

/* What stands on a member after a loss: the old word, the new one, or both; never none. */
static void whoever_is_lost_over_a_step_has_the_old_or_the_new(void **state)
{
	static const struct {
		enum rig_when when;
		const char *text;
		size_t whole;
	} cases[] = {{RIG_BEFORE, "old", 1}, {RIG_HALFWAY, NULL, 2}, {RIG_AFTER, "new", 1}};

	(void)state;
	assert_int_equal(replace(channel(), "old", CK_INVALID_HANDLE), 0);
	rig_keep();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct member_channel *at = channel();
		struct words words = {0};

		rig_lose(0, 1, cases[i].when);
		assert_int_equal(replace(at, "new", rig_memo(0, LABEL, NULL)), -ERR_UNREACHABLE);
		assert_true(rig_came());
		rig_away(0, false);
		assert_int_equal(memo_each(channel(), LABEL, read, &words, &err), 0);
		assert_int_equal(words.whole, cases[i].whole);
		assert_int_equal(words.torn, 0);
		if (cases[i].text)
			assert_string_equal(words.text, cases[i].text);
		rig_back();
	}
}

/* ---- reading ---- */

static void torn_ones_are_given_as_they_are(void **state)
{
	struct words words = {0};
	CK_OBJECT_HANDLE list[2];
	size_t found;

	(void)state;
	assert_int_equal(replace(channel(), "word", CK_INVALID_HANDLE), 0);
	assert_true(fake_change(0, rig_memo(0, LABEL, NULL), CKA_VALUE, "wor", 3));
	assert_int_equal(memo_each(channel(), LABEL, read, &words, &err), 0);
	assert_int_equal(words.torn, 1);
	assert_int_equal(words.whole, 0);
	assert_int_equal(memo_find(channel(), LABEL, list, 2, &found, NULL), 0);
	assert_int_equal(found, 1);
	assert_int_equal(list[0], rig_memo(0, LABEL, NULL));
	assert_int_equal(memo_find(channel(), OTHER, list, 2, &found, NULL), 0);
	assert_int_equal(found, 0);
}

static void a_visitor_may_end_the_walk(void **state)
{
	struct words words = {.answer = -1};

	(void)state;
	assert_int_equal(replace(channel(), "word", CK_INVALID_HANDLE), 0);
	assert_int_equal(memo_each(channel(), LABEL, read, &words, &err), -ERR_DIFFERENT);
	assert_string_equal(err.message, "enough");
}

static void destroy(void *data)
{
	rig_destroy(0, *(CK_OBJECT_HANDLE *)data);
}

static void one_that_goes_while_all_are_read_is_counted(void **state)
{
	struct member_channel *at = channel();
	struct words words = {0};
	CK_OBJECT_HANDLE memo;
	unsigned long messages;

	(void)state;
	assert_int_equal(replace(at, "word", CK_INVALID_HANDLE), 0);
	memo = rig_memo(0, LABEL, NULL);
	messages = rig_messages(0);
	assert_int_equal(memo_each(at, LABEL, read, &words, &err), 0);
	messages = rig_messages(0) - messages;
	assert_int_equal(words.whole, 1);
	rig_between(0, (unsigned)messages, destroy, &memo);
	assert_int_equal(memo_each(at, LABEL, read, &words, &err), 1);
	assert_int_equal(words.whole, 1);
}

static void what_cannot_be_read_is_an_error_not_an_absence(void **state)
{
	struct words words = {0};

	(void)state;
	assert_int_equal(replace(channel(), "word", CK_INVALID_HANDLE), 0);
	fake_lack_attribute(0, CKA_VALUE);
	assert_true(memo_each(channel(), LABEL, read, &words, &err) < 0);
	assert_int_equal(words.whole + words.torn, 0);
}

#define ON_TWO(f) cmocka_unit_test_setup_teardown(f, rig_two, rig_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_sealed_comes_back_and_nothing_else),
		cmocka_unit_test(what_has_no_room_is_not_sealed),
		ON_TWO(a_step_is_carried_out_when_its_conditions_hold_or_not_at_all),
		ON_TWO(of_two_labels_that_must_be_absent_both_are_asked),
		ON_TWO(two_memos_are_written_as_one),
		ON_TWO(a_step_without_anything_to_do_is_no_message),
		ON_TWO(whoever_is_lost_over_a_step_has_the_old_or_the_new),
		ON_TWO(torn_ones_are_given_as_they_are),
		ON_TWO(a_visitor_may_end_the_walk),
		ON_TWO(one_that_goes_while_all_are_read_is_counted),
		ON_TWO(what_cannot_be_read_is_an_error_not_an_absence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
