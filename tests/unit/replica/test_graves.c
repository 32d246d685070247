/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of deleted keys: they grow, close, survive kills and writers beside each other, and forget nobody. */
#include "rig.h"

#include "base/buf.h"
#include "base/mem.h"
#include "replica/graves.h"

enum { MOST = 1200 };
static const char OPEN[] = "hsmctl graves", FULL[] = "hsmctl graves, full";
static uint8_t uids[MOST][GRAVE_LEN];
static struct err err;

static struct member_channel *channel(void)
{
	return rig_open(1)->sites[0].channel;
}

static size_t lists(const char *label)
{
	size_t n;

	rig_memo(0, label, &n);
	return n;
}

static void name_uids(void)
{
	for (uint32_t i = 0; i < MOST; i++)
		memcpy(uids[i], &(uint32_t){i * 2654435761u}, sizeof(i));
}

/* How often each of ours was found, and how many others. */
struct found {
	unsigned times[MOST], others;
};

static int count(void *data, CK_OBJECT_HANDLE handle, const char *label, const void *value, size_t len, struct err *why)
{
	struct found *found = data;
	const uint8_t *list;
	size_t n = 0;
	int rc = graves_decode(value, len, &list, &n, why);

	(void)handle;
	(void)label;
	for (size_t i = 0; rc > 0 && i < n; i++) {
		uint32_t number, at;

		memcpy(&number, list + i * GRAVE_LEN, sizeof(number));
		at = number * 244002641u;	/* the inverse of the factor */
		if (at < MOST && memcmp(uids[at], list + i * GRAVE_LEN, GRAVE_LEN) == 0)
			found->times[at]++;
		else
			found->others++;
	}
	return 0;
}

/* The first n are in, at least once; no other one is. */
static void holds(size_t n)
{
	struct found found = {0};

	assert_int_equal(graves_each(channel(), count, &found, &err), 0);
	for (size_t i = 0; i < MOST; i++)
		assert_int_equal(found.times[i] > 0, i < n);
	assert_int_equal(found.others, 0);
}

static int begin(void **state)
{
	name_uids();
	return rig_two(state);
}

static void lists_grow_and_close_at_their_limit(void **state)
{
	static const struct {
		size_t at_once, sum, full;
	} cases[] = {{1, 1, 0}, {1, 2, 0}, {497, 499, 0}, {1, 500, 0}, {1, 501, 1}, {499, 1000, 1}, {0, 1000, 1},
		     {1, 1001, 2}, {199, 1200, 2}};
	size_t done = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(graves_dig(channel(), uids[done % MOST], cases[i].at_once, NULL, &err), 0);
		done += cases[i].at_once;
		assert_int_equal(done, cases[i].sum);
		assert_int_equal(lists(OPEN), 1);
		assert_int_equal(lists(FULL), cases[i].full);
		holds(done);
	}
}

static void more_than_a_list_holds_may_come_at_once(void **state)
{
	(void)state;
	assert_int_equal(graves_dig(channel(), uids[0], MOST, NULL, &err), 0);
	assert_int_equal(lists(OPEN), 1);
	assert_int_equal(lists(FULL), 2);
	holds(MOST);
}

static void what_is_there_is_not_written_again(void **state)
{
	uint64_t before;

	(void)state;
	assert_int_equal(graves_dig(channel(), uids[0], 20, NULL, &err), 0);
	before = rig_changes();
	assert_int_equal(graves_dig(channel(), uids[5], 10, NULL, &err), 0);
	assert_int_equal(rig_changes(), before);
	holds(20);
}

static int write_record_unless_deleted(const struct graves *graves)
{
	owned(step) struct step step = step_begin(channel());
	struct memo *memo;

	graves_ask(&step, graves);
	memo = step_put(&step, "hsmctl test");
	assert_int_equal(memo_seal(&memo->value, NULL), 0);
	return step_send(&step, &err);
}

static void what_rests_on_a_look_is_refused_after_any_deletion(void **state)
{
	struct graves look;

	(void)state;
	for (size_t before = 0; before < 3; before++) {
		assert_int_equal(graves_look(channel(), &look, &err), 0);
		assert_int_equal(look.count, before ? 1 : 0);
		assert_int_equal(write_record_unless_deleted(&look), 0);
		assert_int_equal(graves_dig(channel(), uids[before], 1, NULL, &err), 0);
		assert_int_equal(write_record_unless_deleted(&look), -ERR_CHANGED);
	}
}

/* Whoever digs goes on with what he knew; whoever else digs ends that. */
static void a_look_is_kept_up_to_date_by_own_digging_alone(void **state)
{
	(void)state;
	for (size_t strangers = 0; strangers < 2; strangers++) {
		struct graves look;

		assert_int_equal(graves_look(channel(), &look, &err), 0);
		if (strangers)
			assert_int_equal(graves_dig(channel(), uids[50], 1, NULL, &err), 0);
		assert_int_equal(graves_dig(channel(), uids[strangers], 1, &look, &err), 0);
		assert_int_equal(write_record_unless_deleted(&look), strangers ? -ERR_CHANGED : 0);
	}
}

/* Two open ones, as a kill leaves them, or one that is torn. */
static void open_lists_that_a_kill_left_become_one(void **state)
{
	(void)state;
	for (size_t torn = 0; torn < 2; torn++) {
		owned(p11_attrs) struct p11_attrs older = {0};
		CK_OBJECT_HANDLE planted;

		assert_int_equal(graves_dig(channel(), uids[0], 1, NULL, &err), 0);
		older = rig_attrs(0, rig_memo(0, OPEN, NULL));
		assert_int_equal(graves_dig(channel(), uids[1], 1, NULL, &err), 0);
		planted = fake_plant(0, older.items, older.count);
		if (torn)
			assert_true(fake_change(0, planted, CKA_VALUE, "half", 4));
		assert_int_equal(lists(OPEN), 2);
		holds(2);
		assert_int_equal(graves_dig(channel(), uids[1], 1, NULL, &err), 0);
		assert_int_equal(lists(OPEN), 1);
		holds(2);
	}
}

static void what_a_later_version_wrote_is_not_written_over(void **state)
{
	owned(buf) struct buf later = {.max = 256};
	uint64_t before;

	(void)state;
	assert_int_equal(graves_dig(channel(), uids[0], 1, NULL, &err), 0);
	buf_put(&later, "hsmctl-graves\2whatever it is", 28);
	assert_int_equal(memo_seal(&later, NULL), 0);
	assert_true(fake_change(0, rig_memo(0, OPEN, NULL), CKA_VALUE, later.data, later.len));
	before = rig_changes();
	assert_int_equal(graves_dig(channel(), uids[1], 1, NULL, &err), -ERR_UNSUPPORTED);
	assert_int_equal(rig_changes(), before);
}

static void a_list_is_whole_or_none(void **state)
{
	owned(p11_attrs) struct p11_attrs attrs = {0};
	const CK_ATTRIBUTE *value;
	const uint8_t *list;
	size_t n;

	(void)state;
	assert_int_equal(graves_dig(channel(), uids[0], 3, NULL, &err), 0);
	attrs = rig_attrs(0, rig_memo(0, OPEN, NULL));
	value = p11_attrs_find(&attrs, CKA_VALUE);
	assert_int_equal(graves_decode(value->pValue, value->ulValueLen, &list, &n, NULL), 1);
	assert_int_equal(n, 3);
	assert_memory_equal(list, uids, 3 * GRAVE_LEN);
	for (size_t len = 0; len < value->ulValueLen; len++) {
		owned(mem) uint8_t *cut = mem_dup(value->pValue, len);

		assert_int_equal(graves_decode(cut, len, &list, &n, NULL), -ERR_INVALID);
	}
}

/* Sealed, and of wrong length all the same; another memo. */
static void what_is_sealed_is_looked_at_all_the_same(void **state)
{
	static const struct {
		const char *body;
		size_t len;
		int rc;
	} cases[] = {
		{"hsmctl-graves\1\0\0\0\1sixteen bytes...", 34, 1},
		{"hsmctl-graves\1\0\0\0\1sixteen bytes... and more", 43, -ERR_INVALID},
		{"hsmctl-graves\1\0\0\0\2sixteen bytes...", 34, -ERR_INVALID},
		{"hsmctl-graves\1\377\377\377\377sixteen bytes...", 34, -ERR_INVALID},
		{"hsmctl-graves\2whatever", 22, -ERR_UNSUPPORTED},
		{"hsmctl-record, if anything", 26, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		owned(buf) struct buf value = {.max = 256};
		const uint8_t *list;
		size_t n;

		buf_put(&value, cases[i].body, cases[i].len);
		assert_int_equal(memo_seal(&value, NULL), 0);
		assert_int_equal(graves_decode(value.data, value.len, &list, &n, NULL), cases[i].rc);
	}
}

static void digs(void *data)
{
	assert_int_equal(graves_dig(rig_open(1)->sites[0].channel, data, 1, NULL, &err), 0);
}

/* The other one comes between any two messages, also where nobody ever dug before. */
static void two_who_dig_at_once_forget_nobody(void **state)
{
	(void)state;
	for (size_t had = 0; had < 2; had++) {
		bool came = true;

		rig_keep();
		for (unsigned n = 1; came; n++) {
			owned(replica_sites) struct replica_sites own = {0};
			uint8_t *mine = uids[had + 1];

			assert_int_equal(replica_sites_open(rig_set, 1, &own, NULL), 0);
			rig_between(0, n, digs, uids[had]);
			assert_int_equal(graves_dig(own.sites[0].channel, mine, 1, NULL, &err), 0);
			came = rig_came();
			if (came)
				holds(had + 2);
			assert_int_equal(lists(OPEN), 1);
			replica_sites_release(&own);
			rig_back();
		}
		assert_int_equal(graves_dig(channel(), uids[0], 1, NULL, &err), 0);
	}
}

/* Before, within or after any message, with the list full or not: again, and all are in. */
static void whoever_is_lost_while_digging_forgets_nobody(void **state)
{
	(void)state;
	for (size_t had = 1; had < MOST; had += GRAVES_FULL - 1) {
		assert_int_equal(graves_dig(channel(), uids[0], had, NULL, &err), 0);
		rig_keep();
		for (unsigned n = 3; n / 3; n++) {
			struct member_channel *at = channel();
			int rc;

			rig_lose(0, n / 3, n % 3);
			rc = graves_dig(at, uids[had], 1, NULL, &err);
			if (!rig_came())
				break;
			assert_int_equal(rc, -ERR_UNREACHABLE);
			rig_away(0, false);
			assert_int_equal(graves_dig(channel(), uids[had], 1, NULL, &err), 0);
			assert_int_equal(lists(OPEN), 1);
			holds(had + 1);
			rig_back();
		}
	}
}

static void memory_that_runs_out_while_digging_takes_nothing_away(void **state)
{
	struct member_channel *at;
	int rc = -ERR_NO_MEMORY;

	(void)state;
	assert_int_equal(graves_dig(channel(), uids[0], 100, NULL, &err), 0);
	at = channel();
	for (unsigned long n = 1; rc < 0; n++) {
		mem_fail_after = n;
		rc = graves_dig(at, uids[100], 1, NULL, &err);
		mem_fail_after = 0;
		assert_true(rc == 0 || rc == -ERR_NO_MEMORY);
		assert_true(n < 1000);
		if (rc < 0)
			holds(100);
		at = channel();
	}
	holds(101);
}

#define ON_TWO(f) cmocka_unit_test_setup_teardown(f, begin, rig_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_TWO(lists_grow_and_close_at_their_limit),
		ON_TWO(more_than_a_list_holds_may_come_at_once),
		ON_TWO(what_is_there_is_not_written_again),
		ON_TWO(what_rests_on_a_look_is_refused_after_any_deletion),
		ON_TWO(a_look_is_kept_up_to_date_by_own_digging_alone),
		ON_TWO(open_lists_that_a_kill_left_become_one),
		ON_TWO(what_a_later_version_wrote_is_not_written_over),
		ON_TWO(a_list_is_whole_or_none),
		cmocka_unit_test(what_is_sealed_is_looked_at_all_the_same),
		ON_TWO(two_who_dig_at_once_forget_nobody),
		ON_TWO(whoever_is_lost_while_digging_forgets_nobody),
		ON_TWO(memory_that_runs_out_while_digging_takes_nothing_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
