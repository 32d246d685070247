/* SPDX-License-Identifier: Apache-2.0 */
/* Deleting and changing keys: what is said of a write is so, whoever is lost at whatever message of it. */
#include "rig.h"

#include <limits.h>
#include <stdio.h>

#include "base/mem.h"
#include "replica/graves.h"
#include "replica/view.h"

static struct err err;
static struct record key;

static int begin(void **state)
{
	int rc = rig_four(state);

	rig_key(KEY_AES_256, "old", &key);
	return rc;
}

static int end(void **state)
{
	record_release(&key);
	return rig_end(state);
}

/* ---- what is so ---- */

static size_t objects(size_t member)
{
	size_t count;

	rig_object(member, CK_UNAVAILABLE_INFORMATION, key.uid, UID_LEN, &count);
	return count;
}

static size_t records(size_t member)
{
	size_t count;

	rig_record(member, key.uid, &count);
	return count;
}

static void exists(bool there)
{
	for (size_t m = 0; m < RIG_MEMBERS; m++) {
		assert_int_equal(objects(m), there);
		assert_int_equal(records(m), there);
	}
}

/* The label that a member's record has; "" when it has none. */
struct label {
	char text[64];
};

static int keep_label(void *data, CK_OBJECT_HANDLE handle, struct record *record, struct err *why)
{
	struct label *label = data;
	owned(mem) char *text = record->n_objects ? key_label(&record->objects[0]) : NULL;

	(void)handle;
	(void)why;
	if (text)
		snprintf(label->text, sizeof(label->text), "%s", text);
	return 0;
}

static bool is_called(const char *text)
{
	struct replica_sites *sites = rig_open(UINT32_MAX);
	size_t count = 0;

	for (size_t m = 0; m < RIG_MEMBERS; m++) {
		struct label label = {""};

		assert_int_equal(record_read_all(sites->sites[m].channel, key.uid, keep_label, &label, &err), 0);
		count += strcmp(label.text, text) == 0;
	}
	/* All are of one mind. */
	assert_true(count == 0 || count == RIG_MEMBERS);
	return count;
}

/* ---- the writes ---- */

static int delete_at(struct replica_sites *sites)
{
	return replica_destroy(sites, &key, NULL, &err);
}

static bool is_deleted(void)
{
	bool deleted = !records(0);

	exists(!deleted);
	return deleted;
}

static int change_to(struct replica_sites *sites, CK_ATTRIBUTE_TYPE type, const char *text)
{
	const CK_ATTRIBUTE item = {type, (void *)(uintptr_t)text, strlen(text)};
	owned(record) struct record copy = {0};

	assert_int_equal(record_copy(&key, &copy, NULL), 0);
	return replica_set_attributes(sites, &copy, 0, &item, 1, &err);
}

static int change_at(struct replica_sites *sites)
{
	return change_to(sites, CKA_LABEL, "new");
}

static bool is_changed(void)
{
	bool new = is_called("new");

	exists(true);
	assert_true(new || is_called("old"));
	return new;
}

static const struct {
	int (*at)(struct replica_sites *sites);
	bool (*is_made)(void);
} writes[] = {{delete_at, is_deleted}, {change_at, is_changed}};

/* Made is made, refused is not, and what is not known is one of both: on all members, after one sync. */
static void holds(size_t write, int rc)
{
	bool made;

	rig_settles();
	made = writes[write].is_made();
	if (rc == 0)
		assert_true(made);
	else if (rc != -ERR_NOT_KNOWN)
		assert_false(made);
}

static bool write_while_lost(size_t write, uint32_t lost, unsigned message, enum rig_when when)
{
	struct replica_sites *sites = rig_open(UINT32_MAX);
	bool came = false;
	int rc;

	for (size_t m = 0; m < RIG_MEMBERS; m++)
		if (lost & 1u << m)
			rig_lose(m, message, when);
	rc = writes[write].at(sites);
	came = rig_came();
	if (came && __builtin_popcount(lost) > 2)
		assert_int_not_equal(rc, 0);
	holds(write, rc);
	rig_back();
	return came;
}

static void whatever_is_said_of_a_write_is_so_whoever_was_lost(void **state)
{
	static const uint32_t lost[] = {0x1, 0x2, 0x8, 0x3, 0xa, 0x7, 0xe, 0xf};

	(void)state;
	rig_keep();
	for (size_t i = 0; i < sizeof(writes) / sizeof(writes[0]); i++) {
		holds(i, writes[i].at(rig_open(UINT32_MAX)));
		assert_true(writes[i].is_made());
		rig_back();
		for (size_t l = 0; l < sizeof(lost) / sizeof(lost[0]); l++)
			for (unsigned n = RIG_WHENS; write_while_lost(i, lost[l], n / RIG_WHENS, n % RIG_WHENS); n++)
				;
	}
}

/* Two members, one after the other: the second is lost while it is being told that the first one missed it. */
static void whatever_is_said_is_so_when_witnesses_are_lost_as_well(void **state)
{
	(void)state;
	rig_keep();
	for (size_t i = 0; i < sizeof(writes) / sizeof(writes[0]); i++) {
		bool came = true;

		for (unsigned n = RIG_WHENS; came; n++) {
			struct replica_sites *sites = rig_open(UINT32_MAX);
			int rc;

			rig_lose(3, 1, RIG_BEFORE);
			rig_lose(1, n / RIG_WHENS, n % RIG_WHENS);
			rc = writes[i].at(sites);
			came = rig_came();
			holds(i, rc);
			rig_back();
		}
	}
}

static void with_too_few_members_nothing_is_done(void **state)
{
	uint64_t before = rig_changes();

	(void)state;
	for (size_t i = 0; i < sizeof(writes) / sizeof(writes[0]); i++) {
		assert_int_equal(writes[i].at(rig_open(0x1)), -ERR_POLICY);
		assert_int_equal(rig_changes(), before);
	}
}

/* Nobody that can be reached is current. */
static void members_that_missed_something_are_not_written_to(void **state)
{
	uint64_t before = rig_changes();

	(void)state;
	for (size_t m = 2; m < RIG_MEMBERS; m++)
		replica_set_mark(rig_set, m, (struct view_mark){1, VIEW_OUT});
	for (size_t i = 0; i < sizeof(writes) / sizeof(writes[0]); i++) {
		assert_int_equal(writes[i].at(rig_open(0xc)), -ERR_STALE);
		assert_int_equal(rig_changes(), before);
	}
}

/* ---- deleting ---- */

static void what_was_deleted_while_a_member_was_away_does_not_come_back(void **state)
{
	(void)state;
	for (size_t away = 0; away < RIG_MEMBERS; away++) {
		record_release(&key);
		rig_key(KEY_EC_P256, "old", &key);
		rig_away(away, true);
		assert_int_equal(delete_at(rig_open(UINT32_MAX)), 0);
		rig_away(away, false);
		assert_true(objects(away) > 0);
		rig_settles();
		exists(false);
	}
}

static void who_took_a_deletion_is_told(void **state)
{
	uint32_t mask = 0;

	(void)state;
	rig_away(2, true);
	assert_int_equal(replica_destroy(rig_open(UINT32_MAX), &key, &mask, &err), 0);
	assert_int_equal(mask, 0xb);
}

static void deleting_twice_is_deleting_once(void **state)
{
	uint64_t before;

	(void)state;
	assert_int_equal(delete_at(rig_open(UINT32_MAX)), 0);
	before = rig_changes();
	assert_int_equal(delete_at(rig_open(UINT32_MAX)), 0);
	assert_int_equal(rig_changes(), before);
}

static void lists_of_deleted_keys_close_when_they_are_full(void **state)
{
	static uint8_t others[GRAVES_FULL - 1][GRAVE_LEN];

	(void)state;
	for (uint32_t i = 0; i < GRAVES_FULL - 1; i++)
		memcpy(others[i], &(uint32_t){i + 1}, sizeof(i));
	for (size_t m = 0; m < RIG_MEMBERS; m++)
		assert_int_equal(graves_dig(rig_open(UINT32_MAX)->sites[m].channel, others[0], GRAVES_FULL - 1, NULL, &err), 0);
	for (size_t deleted = 0; deleted < 3; deleted++) {
		assert_int_equal(delete_at(rig_open(UINT32_MAX)), 0);
		exists(false);
		for (size_t m = 0; m < RIG_MEMBERS; m++) {
			size_t open, full;

			rig_memo(m, "hsmctl graves", &open);
			rig_memo(m, "hsmctl graves, full", &full);
			assert_int_equal(open, 1);
			assert_int_equal(full, deleted > 0);
		}
		assert_int_equal(change_at(rig_open(UINT32_MAX)), -ERR_NOT_FOUND);
		record_release(&key);
		rig_key(KEY_AES_256, "old", &key);
	}
	rig_settles();
	exists(true);
}

/* As they were written once: a record whose state is deleted. */
static void deletions_of_old_become_ones_of_today(void **state)
{
	owned(buf) struct buf wire = {.max = 65536};
	struct label label = {""};

	(void)state;
	assert_int_equal(record_advance(&key, RECORD_DELETED, NULL), 0);
	assert_int_equal(record_encode(&key, &wire, NULL), 0);
	for (size_t m = 0; m < 2; m++) {
		assert_true(fake_change(m, rig_record(m, key.uid, NULL), CKA_VALUE, wire.data, wire.len));
		rig_destroy(m, rig_object(m, CKO_SECRET_KEY, key.uid, UID_LEN, NULL));
	}
	assert_int_equal(change_at(rig_open(UINT32_MAX)), -ERR_NOT_FOUND);
	rig_settles();
	exists(false);
	for (size_t m = 0; m < RIG_MEMBERS; m++) {
		size_t graves;

		rig_memo(m, "hsmctl graves", &graves);
		assert_int_equal(graves, 1);
		assert_int_equal(record_read_all(rig_open(UINT32_MAX)->sites[m].channel, key.uid, keep_label, &label, &err), 0);
	}
	assert_string_equal(label.text, "");
	assert_int_equal(change_at(rig_open(UINT32_MAX)), -ERR_NOT_FOUND);
}

/* ---- changing ---- */

static void a_deleted_key_is_not_changed(void **state)
{
	uint64_t before;

	(void)state;
	assert_int_equal(delete_at(rig_open(0x7)), 0);
	before = rig_changes();
	/* The one who missed it has the record, and the key. */
	assert_int_equal(change_at(rig_open(UINT32_MAX)), -ERR_NOT_FOUND);
	assert_int_equal(rig_changes(), before);
	rig_settles();
	exists(false);
}

static void others_change(void *data)
{
	owned(replica_sites) struct replica_sites sites = {0};

	(void)data;
	assert_int_equal(replica_sites_open(rig_set, UINT32_MAX, &sites, NULL), 0);
	assert_int_equal(change_to(&sites, CKA_ID, "theirs"), 0);
}

static void others_delete(void *data)
{
	owned(replica_sites) struct replica_sites sites = {0};

	(void)data;
	assert_int_equal(replica_sites_open(rig_set, UINT32_MAX, &sites, NULL), 0);
	assert_int_equal(delete_at(&sites), 0);
}

static int compare_id(void *data, CK_OBJECT_HANDLE handle, struct record *record, struct err *why)
{
	const CK_ATTRIBUTE theirs = {CKA_ID, (void *)"theirs", 6}, ours = {CKA_LABEL, (void *)"new", 3};

	(void)handle;
	(void)why;
	*(bool *)data = p11_attrs_match(&record->objects[0], &theirs, 1) && p11_attrs_match(&record->objects[0], &ours, 1);
	return 0;
}

static bool has_both(void)
{
	bool all = true;

	for (size_t m = 0; m < RIG_MEMBERS; m++) {
		bool both = false;

		assert_int_equal(record_read_all(rig_open(UINT32_MAX)->sites[m].channel, key.uid, compare_id, &both, &err), 0);
		all = all && both;
	}
	return all;
}

/* At whatever message of ours, to whatever member, somebody else changes something else: both changes are in the end
 * there. */
static void two_changes_at_once_are_both_made(void **state)
{
	(void)state;
	rig_keep();
	for (size_t m = 0; m < RIG_MEMBERS; m++)
		for (unsigned n = 1; n; n++) {
			struct replica_sites *sites = rig_open(UINT32_MAX);

			rig_between(m, n, others_change, NULL);
			assert_int_equal(change_at(sites), 0);
			if (rig_came()) {
				rig_settles();
				assert_true(has_both());
			} else {
				n = UINT_MAX;
			}
			rig_back();
		}
}

/* Somebody deletes it meanwhile: whatever is said of the change, the key is gone, and stays so. */
static void a_change_brings_no_deleted_key_back(void **state)
{
	(void)state;
	rig_keep();
	for (size_t m = 0; m < RIG_MEMBERS; m++)
		for (unsigned n = 1; n; n++) {
			struct replica_sites *sites = rig_open(UINT32_MAX);
			int rc;

			rig_between(m, n, others_delete, NULL);
			rc = change_at(sites);
			assert_true(rc == 0 || rc == -ERR_NOT_FOUND || rc == -ERR_NOT_KNOWN);
			if (rig_came()) {
				rig_settles();
				exists(false);
			} else {
				n = UINT_MAX;
			}
			rig_back();
		}
}

/* Each time when we have looked, and are about to write. */
enum { LOOK = 3 };

static void others_keep_changing(void *data)
{
	others_change(data);
	rig_between(0, LOOK + 1, others_keep_changing, data);
}

static void a_change_that_others_keep_from_being_made_is_not_called_made(void **state)
{
	struct replica_sites *sites = rig_open(UINT32_MAX);

	(void)state;
	rig_between(0, LOOK + 1, others_keep_changing, NULL);
	assert_int_equal(change_at(sites), -ERR_NOT_KNOWN);
	rig_settles();
	assert_true(is_called("new") || is_called("old"));
}

static void a_change_goes_over_the_newest_version_of_any_member(void **state)
{
	(void)state;
	/* Member 0 missed the first change, and this process does not know of it. */
	assert_int_equal(change_to(rig_open(0xe), CKA_ID, "theirs"), 0);
	assert_int_equal(change_at(rig_open(UINT32_MAX)), 0);
	rig_settles();
	assert_true(has_both());
}

static void a_half_that_a_key_does_not_have_cannot_be_changed(void **state)
{
	const CK_ATTRIBUTE label = {CKA_LABEL, (void *)"new", 3};
	uint64_t before = rig_changes();

	(void)state;
	assert_int_equal(replica_set_attributes(rig_open(UINT32_MAX), &key, 1, &label, 1, &err), -ERR_NOT_FOUND);
	assert_int_equal(rig_changes(), before);
}

/* Who lacks the key missed what is written of it, unless policy says that nobody needs to have it. */
static void who_lacks_a_key_misses_its_changes_unless_excused(void **state)
{
	(void)state;
	rig_destroy(3, rig_object(3, CKO_SECRET_KEY, key.uid, UID_LEN, NULL));
	rig_destroy(3, rig_record(3, key.uid, NULL));
	for (int excused = 1; excused >= 0; excused--) {
		rig_set->policy.allow_unreplicated = excused;
		assert_int_equal(change_at(rig_open(UINT32_MAX)), 0);
		assert_int_equal(replica_set_current(rig_set), excused ? 0xf : 0x7);
	}
	rig_settles();
	exists(true);
}

/* That the others need not have it does not make one member two. */
static void a_change_that_too_few_took_is_not_called_made(void **state)
{
	(void)state;
	rig_set->policy.allow_unreplicated = true;
	for (size_t m = 1; m < RIG_MEMBERS; m++) {
		rig_destroy(m, rig_object(m, CKO_SECRET_KEY, key.uid, UID_LEN, NULL));
		rig_destroy(m, rig_record(m, key.uid, NULL));
	}
	assert_int_equal(change_at(rig_open(UINT32_MAX)), -ERR_NOT_KNOWN);
}

/* ---- what a version rests on ---- */

static void a_version_is_written_only_over_what_it_rests_on(void **state)
{
	static const struct {
		bool dug, destroyed, replaced, made;	/* by somebody else, since the look */
		int rc;
	} cases[] = {
		{false, false, false, false, 0},
		{true, false, false, false, -ERR_CHANGED},
		{false, true, false, false, -ERR_CHANGED},
		{false, false, true, false, -ERR_CHANGED},
		{false, false, false, true, -ERR_CHANGED},
	};

	(void)state;
	rig_keep();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct member_channel *at = rig_open(UINT32_MAX)->sites[0].channel;
		struct graves graves;
		struct record_base base = {.graves = &graves};
		uint64_t before;

		base.objects[0] = rig_object(0, CKO_SECRET_KEY, key.uid, UID_LEN, NULL);
		base.old[0] = rig_record(0, key.uid, NULL);
		base.n_old = !cases[i].made;
		assert_int_equal(graves_look(at, &graves, &err), 0);
		if (cases[i].dug)
			assert_int_equal(graves_dig(at, (const uint8_t *)"another key's id", 1, NULL, &err), 0);
		if (cases[i].destroyed)
			rig_destroy(0, base.objects[0]);
		if (cases[i].replaced)
			others_change(NULL);
		before = rig_changes();
		assert_int_equal(record_put(at, &key, &base, NULL, &err), cases[i].rc);
		assert_int_equal(rig_changes() != before, cases[i].rc == 0);
		rig_back();
	}
}

#define ON_FOUR(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_FOUR(whatever_is_said_of_a_write_is_so_whoever_was_lost),
		ON_FOUR(whatever_is_said_is_so_when_witnesses_are_lost_as_well),
		ON_FOUR(with_too_few_members_nothing_is_done),
		ON_FOUR(members_that_missed_something_are_not_written_to),
		ON_FOUR(what_was_deleted_while_a_member_was_away_does_not_come_back),
		ON_FOUR(who_took_a_deletion_is_told),
		ON_FOUR(deleting_twice_is_deleting_once),
		ON_FOUR(lists_of_deleted_keys_close_when_they_are_full),
		ON_FOUR(deletions_of_old_become_ones_of_today),
		ON_FOUR(a_deleted_key_is_not_changed),
		ON_FOUR(two_changes_at_once_are_both_made),
		ON_FOUR(a_change_brings_no_deleted_key_back),
		ON_FOUR(a_change_that_others_keep_from_being_made_is_not_called_made),
		ON_FOUR(a_change_goes_over_the_newest_version_of_any_member),
		ON_FOUR(a_half_that_a_key_does_not_have_cannot_be_changed),
		ON_FOUR(who_lacks_a_key_misses_its_changes_unless_excused),
		ON_FOUR(a_change_that_too_few_took_is_not_called_made),
		ON_FOUR(a_version_is_written_only_over_what_it_rests_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
