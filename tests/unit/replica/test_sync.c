/* SPDX-License-Identifier: Apache-2.0 */
/* What a sync makes of members that come back, of whoever is lost under way, and of memory that runs out. */
#include "rig.h"

#include "base/mem.h"
#include "replica/census.h"
#include "replica/view.h"

/* Messages of a sync are many; another member begins elsewhere. */
enum { STRIDE = 7 };

static struct err err;

/* Members that may serve, as they themselves know. */
static uint32_t current(void)
{
	struct replica_sites *sites;
	struct views views;

	*rig_set->view = (struct view){0};
	sites = rig_open(UINT32_MAX);
	assert_int_equal(views_read(sites, UINT32_MAX, &views, &err), 0);
	return views_current(&views, sites);
}

static int sync_with(uint32_t mask, enum sync_mode mode)
{
	struct replica_sync_report report = {0};
	int rc = replica_sync(rig_set, mask, mode, NULL, &report, &err);

	json_release(&replica_sync_report_type, &report);
	return rc;
}

/* A key that those of mask have, and the others missed. */
static void write_at(uint32_t mask, const char *label)
{
	owned(record) struct record record = {0};

	for (size_t m = 0; m < RIG_MEMBERS; m++)
		rig_away(m, !(mask & 1u << m));
	rig_key(KEY_AES_256, label, &record);
	for (size_t m = 0; m < RIG_MEMBERS; m++)
		rig_away(m, false);
}

static void others_write(void *data)
{
	owned(replica_sites) struct replica_sites sites = {0};
	owned(key_request) struct key_request request = {0};
	owned(record) struct record record = {0};
	uint32_t mask = 0;

	/* They cannot reach the last one, who would be asked because it joins. */
	rig_away(3, true);
	assert_int_equal(replica_sites_open(rig_set, *(uint32_t *)data, &sites, NULL), 0);
	assert_int_equal(key_request_kind(KEY_AES_256, "theirs", &request, NULL), 0);
	assert_int_equal(replica_generate(&sites, &request, &record, &mask, &err), 0);
	rig_away(3, false);
}

/* ---- coming back ---- */

static void a_member_that_missed_something_is_brought_up_to_date(void **state)
{
	static const struct {
		uint32_t took, with, current;
	} cases[] = {
		{0x7, 0xf, 0xf}, {0x7, 0xd, 0xf}, {0x3, 0xf, 0xf}, {0x3, 0x7, 0x7}, {0x3, 0xb, 0xb}, {0xc, 0x7, 0xf},
		/* The two that are away may have written, one of them being current. */
		{0x7, 0x9, 0x7}, {0x3, 0x5, 0x3}, {0x3, 0x9, 0x3},
	};

	(void)state;
	rig_keep();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		write_at(cases[i].took, "k");
		assert_int_equal(current(), cases[i].took);
		assert_int_equal(sync_with(cases[i].with, SYNC_RECOVER), 0);
		assert_int_equal(current(), cases[i].current);
		rig_back();
	}
}

/* Whom a writer passed over while he was being brought up to date does not serve before he has that, too. */
static void a_member_that_is_passed_over_meanwhile_gets_that_as_well(void **state)
{
	uint32_t theirs = 0x7;

	(void)state;
	write_at(0x7, "k");
	rig_keep();
	for (size_t m = 0; m < RIG_MEMBERS; m++)
		for (unsigned n = 1 + (unsigned)m; n; n += STRIDE) {
			uint32_t may_serve;

			rig_between(m, n, others_write, &theirs);
			assert_int_equal(sync_with(UINT32_MAX, SYNC_RECOVER), 0);
			if (!rig_came())
				n = 0u - STRIDE;
			may_serve = current();
			assert_int_equal(may_serve & 0x7, 0x7);
			rig_verify();
			if (may_serve & 0x8)
				assert_int_equal(rig_findings(FINDING_MISSING, 3, NULL), 0);
			/* The same sync sees to it, unless that came when the last of them was told. */
			if (m == 0)
				assert_int_equal(may_serve, 0xf);
			rig_back();
		}
}

static CK_RV takes_nothing(void *data, CK_SLOT_ID slot, enum p11_fn fn, bool after, CK_RV rv)
{
	(void)data;
	return slot == 3 && fn == P11_C_UnwrapKey && !after ? CKR_GENERAL_ERROR : rv;
}

static void who_cannot_take_what_it_missed_does_not_serve(void **state)
{
	(void)state;
	write_at(0x7, "k");
	fake_watch(takes_nothing, NULL);
	assert_int_equal(sync_with(UINT32_MAX, SYNC_ALL), 0);
	fake_watch(NULL, NULL);
	assert_int_equal(current(), 0x7);
	assert_int_equal(sync_with(UINT32_MAX, SYNC_ALL), 0);
	assert_int_equal(current(), 0xf);
}

static void where_nobody_is_current_nothing_is_brought_up_to_date(void **state)
{
	uint64_t before;

	(void)state;
	write_at(0x3, "k");
	before = rig_changes();
	assert_int_equal(sync_with(0xc, SYNC_ALL), -ERR_STALE);
	assert_int_equal(sync_with(0x8, SYNC_RECOVER), -ERR_STALE);
	assert_int_equal(rig_changes(), before);
	/* Looking is free. */
	assert_int_equal(sync_with(0xc, SYNC_DRY_RUN), 0);
	assert_int_equal(rig_changes(), before);
}

/* Those who knew are lost for good: an administrator gives up what only they know. */
static void what_was_given_up_does_not_keep_the_rest_from_serving(void **state)
{
	owned(record) struct record after = {0};

	(void)state;
	write_at(0xf, "before");
	write_at(0x3, "k");
	rig_away(0, true);
	rig_away(1, true);
	assert_int_equal(sync_with(UINT32_MAX, SYNC_ALL), -ERR_STALE);
	assert_int_equal(views_accept_loss(rig_open(UINT32_MAX), 0x4, &err), 0);
	assert_int_equal(sync_with(UINT32_MAX, SYNC_ALL), 0);
	assert_int_equal(replica_set_current(rig_set) & 0xc, 0xc);
	rig_key(KEY_AES_256, "after", &after);
	/* They come back: nothing that anybody has is lost. */
	rig_settles();
	assert_int_equal(rig_verify()->keys, 3);
	assert_int_equal(current(), 0xf);
}

/* Two writers that did not reach each other's members left everybody out. */
static void members_that_missed_each_others_writes_come_back_together(void **state)
{
	(void)state;
	write_at(0x3, "one");
	*rig_set->view = (struct view){0};
	write_at(0xc, "other");
	assert_int_equal(current(), 0x0);
	assert_int_equal(sync_with(0x7, SYNC_ALL), -ERR_STALE);
	rig_settles();
	assert_int_equal(rig_verify()->keys, 2);
	assert_int_equal(current(), 0xf);
}

/* ---- whoever is lost ---- */

static void prepare(void)
{
	owned(record) struct record deleted = {0};

	write_at(0xf, "all");
	rig_key(KEY_AES_256, "deleted", &deleted);
	rig_away(3, true);
	assert_int_equal(replica_destroy(rig_open(UINT32_MAX), &deleted, NULL, &err), 0);
	rig_away(3, false);
	write_at(0x7, "missed");
}

/* At whatever message of a recovery: what may serve afterwards lacks nothing, and the next sync ends it. */
static void whoever_is_lost_under_way_serves_nothing_that_it_lacks(void **state)
{
	(void)state;
	prepare();
	rig_keep();
	for (size_t m = 0; m < RIG_MEMBERS; m++)
		for (unsigned n = RIG_WHENS + (unsigned)m; n; n += STRIDE) {
			uint32_t may_serve;

			rig_lose(m, n / RIG_WHENS, n % RIG_WHENS);
			sync_with(UINT32_MAX, SYNC_RECOVER);
			if (!rig_came())
				n = 0u - STRIDE;
			rig_away(m, false);
			may_serve = current();
			rig_verify();
			for (size_t i = 0; i < RIG_MEMBERS; i++)
				if (may_serve & 1u << i)
					assert_int_equal(rig_findings(FINDING_MISSING, i, NULL) +
							 rig_findings(FINDING_DELETED, i, NULL), 0);
			rig_settles();
			assert_int_equal(rig_verify()->keys, 2);
			rig_back();
		}
}

static void what_is_in_sync_is_left_as_it_is(void **state)
{
	uint64_t before;

	(void)state;
	prepare();
	rig_settles();
	before = rig_changes();
	for (int mode = SYNC_ALL; mode <= SYNC_RECOVER; mode++)
		assert_int_equal(sync_with(UINT32_MAX, mode), 0);
	/* Domain keys are proven by session keys; token objects stay. */
	assert_int_equal(rig_changes(), before);
}

/* ---- memory ---- */

static size_t records(size_t member)
{
	struct replica_sites *sites = rig_open(1u << member);
	owned(census) struct census census = {0};
	size_t count = 0;

	assert_int_equal(census_take(sites, NULL, &census, &err), 0);
	for (size_t k = 0; k < census.n_keys; k++)
		count += census.keys[k].copies[member].record_handle != CK_INVALID_HANDLE;
	return count;
}

static size_t torn_in(const struct census *census)
{
	size_t torn = 0;

	for (size_t k = 0; k < census->n_keys; k++)
		for (size_t s = 0; s < census->n_sites; s++)
			torn += census->keys[k].copies[s].n_torn;
	return torn;
}

/* What cannot be taken in for want of memory is not torn. */
static void a_census_without_memory_tears_no_record(void **state)
{
	bool enough = false;

	(void)state;
	prepare();
	for (unsigned long n = 1; !enough; n++) {
		struct replica_sites *sites = rig_open(UINT32_MAX);
		struct census census = {0};
		int rc;

		mem_fail_after = n;
		rc = census_take(sites, NULL, &census, &err);
		enough = mem_fail_after != 0;
		mem_fail_after = 0;
		assert_true(rc == 0 || rc == -ERR_NO_MEMORY);
		assert_int_equal(torn_in(&census), 0);
		census_release(&census);
		assert_true(n < 100000);
	}
}

static void a_sync_without_memory_destroys_nothing(void **state)
{
	bool enough = false;

	(void)state;
	prepare();
	rig_settles();
	rig_keep();
	for (unsigned long n = 1; !enough; n++) {
		struct replica_sync_report report = {0};
		uint64_t before = rig_changes();
		int rc;

		mem_fail_after = n;
		rc = replica_sync(rig_set, UINT32_MAX, SYNC_ALL, NULL, &report, &err);
		enough = mem_fail_after != 0;
		mem_fail_after = 0;
		if (rc != 0 && rc != -ERR_NO_MEMORY)
			fail_msg("allocation %lu: %d %s", n, rc, err.message);
		for (size_t i = 0; i < report.n_skipped; i++)
			assert_int_not_equal(report.skipped[i].kind, FINDING_TORN);
		json_release(&replica_sync_report_type, &report);
		/* What was in sync is as it was. */
		assert_int_equal(rig_changes(), before);
	}
	for (size_t m = 0; m < RIG_MEMBERS; m++)
		assert_int_equal(records(m), 2);
	rig_in_sync();
}

/* The same with something to do: the next one ends it. */
static void a_sync_without_memory_is_ended_by_the_next(void **state)
{
	bool enough = false;

	(void)state;
	prepare();
	rig_keep();
	for (unsigned long n = 1; !enough; n += 29) {
		int rc;

		mem_fail_after = n;
		rc = sync_with(UINT32_MAX, SYNC_ALL);
		enough = mem_fail_after != 0;
		mem_fail_after = 0;
		if (rc != 0 && rc != -ERR_NO_MEMORY)
			fail_msg("allocation %lu: %d %s", n, rc, err.message);
		rig_settles();
		assert_int_equal(rig_verify()->keys, 2);
		rig_back();
	}
}

#define ON_FOUR(f) cmocka_unit_test_setup_teardown(f, rig_four, rig_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_FOUR(a_member_that_missed_something_is_brought_up_to_date),
		ON_FOUR(a_member_that_is_passed_over_meanwhile_gets_that_as_well),
		ON_FOUR(who_cannot_take_what_it_missed_does_not_serve),
		ON_FOUR(where_nobody_is_current_nothing_is_brought_up_to_date),
		ON_FOUR(what_was_given_up_does_not_keep_the_rest_from_serving),
		ON_FOUR(members_that_missed_each_others_writes_come_back_together),
		ON_FOUR(whoever_is_lost_under_way_serves_nothing_that_it_lacks),
		ON_FOUR(what_is_in_sync_is_left_as_it_is),
		ON_FOUR(a_census_without_memory_tears_no_record),
		ON_FOUR(a_sync_without_memory_destroys_nothing),
		ON_FOUR(a_sync_without_memory_is_ended_by_the_next),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
