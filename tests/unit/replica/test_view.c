/* SPDX-License-Identifier: Apache-2.0 */
/* Marks of members: how they are put together, and how a member that missed something is told, and comes back. */
#include "rig.h"

#include <limits.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "replica/view.h"

static struct err err;

/* ---- marks ---- */

static bool equal(struct view_mark a, struct view_mark b)
{
	return a.counter == b.counter && a.state == b.state;
}

static struct view_mark nth(size_t i)
{
	return (struct view_mark){.counter = i / 3, .state = i % 3};
}

enum { MARKS = 9 };

static struct view view_with(struct view_mark mark)
{
	struct view view = {.count = 1};

	strcpy(view.of[0].name, "m");
	view.of[0].mark = mark;
	return view;
}

static struct view_mark together(struct view_mark a, struct view_mark b)
{
	struct view view = view_with(a), other = view_with(b);

	view_merge(&view, &other);
	return view_mark_of(&view, "m");
}

static void the_greater_counter_counts_then_out_then_joining(void **state)
{
	static const struct {
		struct view_mark a, b;
		bool above;
	} cases[] = {
		{{2, VIEW_CURRENT}, {1, VIEW_OUT}, true},
		{{1, VIEW_OUT}, {1, VIEW_JOINING}, true},
		{{1, VIEW_JOINING}, {1, VIEW_CURRENT}, true},
		{{1, VIEW_OUT}, {1, VIEW_CURRENT}, true},
		{{1, VIEW_OUT}, {1, VIEW_OUT}, false},
		{{0, VIEW_CURRENT}, {1, VIEW_CURRENT}, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(view_mark_above(cases[i].a, cases[i].b), cases[i].above);
		assert_false(cases[i].above && view_mark_above(cases[i].b, cases[i].a));
	}
}

static void what_members_know_may_be_put_together_in_any_order_and_twice(void **state)
{
	(void)state;
	for (size_t i = 0; i < MARKS * MARKS * MARKS; i++) {
		struct view_mark a = nth(i % MARKS), b = nth(i / MARKS % MARKS), c = nth(i / MARKS / MARKS);

		assert_true(equal(together(a, b), together(b, a)));
		assert_true(equal(together(together(a, b), c), together(a, together(b, c))));
		assert_true(equal(together(a, a), a));
	}
}

static void a_view_has_room_for_all_members_of_a_group(void **state)
{
	struct view all = {0};

	(void)state;
	for (size_t i = 0; i <= SET_MAX; i++) {
		struct view one = view_with((struct view_mark){i + 1, VIEW_OUT});

		snprintf(one.of[0].name, sizeof(one.of[0].name), "m%zu", i);
		view_merge(&all, &one);
	}
	assert_int_equal(all.count, SET_MAX);
	assert_int_equal(view_mark_of(&all, "m31").counter, 32);
	assert_int_equal(view_mark_of(&all, "m32").counter, 0);
}

static void a_view_goes_there_and_back_whole_or_not(void **state)
{
	struct view view = view_with((struct view_mark){77, VIEW_JOINING}), back;
	owned(buf) struct buf wire = {.max = 4096};

	(void)state;
	memset(view.of[0].name, 'n', sizeof(view.of[0].name) - 1);
	assert_int_equal(view_encode(&view, &wire, NULL), 0);
	assert_int_equal(view_decode(wire.data, wire.len, &back, NULL), 0);
	assert_int_equal(back.count, 1);
	assert_true(equal(view_mark_of(&back, view.of[0].name), view.of[0].mark));
	for (size_t len = 0; len < wire.len; len++) {
		owned(mem) uint8_t *cut = mem_dup(wire.data, len);

		assert_int_equal(view_decode(cut, len, &back, NULL), -ERR_INVALID);
	}
	for (size_t at = 0; at < wire.len; at++) {
		wire.data[at] ^= 0x10;
		assert_int_equal(view_decode(wire.data, wire.len, &back, NULL), -ERR_INVALID);
		wire.data[at] ^= 0x10;
	}
}

/* Sealed, and not what this version writes. */
static void what_is_sealed_is_looked_at_all_the_same(void **state)
{
	static const struct {
		const char *body;
		size_t len;
		int rc;
	} cases[] = {
		{"hsmctl-view\1\0", 13, 0},
		{"hsmctl-view\2\0", 13, -ERR_UNSUPPORTED},
		{"hsmctl-view\1\1", 13, -ERR_INVALID},
		{"hsmctl-view\1\0more", 17, -ERR_INVALID},
		{"hsmctl-view\1\1\0\0\0\1m\0\0\0\0\0\0\0\1\2", 27, 0},
		{"hsmctl-view\1\1\0\0\0\1m\0\0\0\0\0\0\0\1\3", 27, -ERR_INVALID},
		{"hsmctl-graves\1\0", 15, -ERR_INVALID},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		owned(buf) struct buf wire = {.max = 256};
		struct view back;

		buf_put(&wire, cases[i].body, cases[i].len);
		assert_int_equal(memo_seal(&wire, NULL), 0);
		assert_int_equal(view_decode(wire.data, wire.len, &back, NULL), cases[i].rc);
	}
}

/* ---- members ---- */

static const char *label(void)
{
	static char text[MEMO_LABEL];
	char hex[33];

	str_hex(rig_set->domain_id, sizeof(rig_set->domain_id), hex);
	snprintf(text, sizeof(text), "hsmctl view %s", hex);
	return text;
}

/* Everybody can be reached again, and this process knows no more than they do. */
static struct replica_sites *afresh(uint32_t mask)
{
	*rig_set->view = (struct view){0};
	return rig_open(mask);
}

/* The store says that these were left out once. */
static void told_that_out(uint32_t mask)
{
	for (size_t m = 0; m < RIG_MEMBERS; m++)
		if (mask & 1u << m)
			replica_set_mark(rig_set, m, (struct view_mark){1, VIEW_OUT});
}

static uint32_t current(void)
{
	struct views views;
	struct replica_sites *sites = afresh(UINT32_MAX);

	assert_int_equal(views_read(sites, UINT32_MAX, &views, &err), 0);
	return views_current(&views, sites);
}

static uint32_t joining(void)
{
	struct views views;
	struct replica_sites *sites = afresh(UINT32_MAX);

	assert_int_equal(views_read(sites, UINT32_MAX, &views, &err), 0);
	return views_joining(&views, sites);
}

/* A write that those of mask took. */
static int leave_out(uint32_t mask, uint32_t excused)
{
	return views_leave_out(afresh(UINT32_MAX), &mask, excused, &err);
}

static void who_missed_a_write_is_known_to_those_who_took_it(void **state)
{
	static const struct {
		uint32_t took, excused, current;
	} cases[] = {{0xf, 0, 0xf}, {0x7, 0, 0x7}, {0x3, 0, 0x3}, {0xe, 0, 0xe}, {0x7, 0x8, 0xf}, {0x3, 0x4, 0x7}};

	(void)state;
	rig_keep();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(leave_out(cases[i].took, cases[i].excused), 0);
		assert_int_equal(current(), cases[i].current);
		/* Any one of them alone knows it. */
		for (size_t m = 0; m < RIG_MEMBERS; m++) {
			struct views views;
			struct replica_sites *sites = afresh(1u << m);

			assert_int_equal(views_read(sites, UINT32_MAX, &views, &err), 0);
			if (cases[i].took & 1u << m)
				assert_int_equal(replica_set_current(rig_set), cases[i].current);
		}
		rig_back();
	}
}

static void nobody_is_asked_while_everybody_takes_it(void **state)
{
	struct replica_sites *sites = rig_open(UINT32_MAX);
	unsigned long messages = rig_messages(0);
	uint64_t before = rig_changes();
	uint32_t mask = 0xf;

	(void)state;
	assert_int_equal(views_leave_out(sites, &mask, 0, &err), 0);
	mask = 0x7;
	assert_int_equal(views_leave_out(sites, &mask, 0x8, &err), 0);
	assert_int_equal(rig_messages(0), messages);
	assert_int_equal(rig_changes(), before);
}

static void who_is_out_already_is_not_marked_again(void **state)
{
	uint64_t before;

	(void)state;
	assert_int_equal(leave_out(0x7, 0), 0);
	before = rig_changes();
	assert_int_equal(leave_out(0x7, 0), 0);
	assert_int_equal(rig_changes(), before);
	assert_int_equal(leave_out(0x3, 0), 0);
	assert_int_equal(current(), 0x3);
}

/* That this process knows it is not enough. */
static void those_who_took_it_are_told_what_the_store_knows(void **state)
{
	uint32_t mask = 0x7;

	(void)state;
	told_that_out(0x8);
	assert_int_equal(views_leave_out(rig_open(UINT32_MAX), &mask, 0, &err), 0);
	assert_int_equal(current(), 0x7);
}

static void a_write_of_too_few_or_of_none_that_counts_is_refused(void **state)
{
	uint32_t mask = 0xc;

	(void)state;
	assert_int_equal(leave_out(0x1, 0), -ERR_POLICY);
	assert_int_equal(current(), 0xf);
	assert_int_equal(leave_out(0x3, 0), 0);
	told_that_out(0xc);
	assert_int_equal(views_leave_out(rig_open(0xc), &mask, 0, &err), -ERR_STALE);
	assert_int_equal(current(), 0x3);
}

/* While m is lost at each message, what is acknowledged is known by all that still count; then everybody joins. */
static void whoever_is_lost_while_marks_are_made_counts_no_longer(void **state)
{
	(void)state;
	rig_keep();
	for (size_t m = 0; m < 3; m++)
		for (unsigned n = RIG_WHENS; n; n++) {
			struct replica_sites *sites = afresh(UINT32_MAX);
			uint32_t mask = 0x7, lost = 1u << m;

			rig_lose(m, n / RIG_WHENS, n % RIG_WHENS);
			assert_int_equal(views_leave_out(sites, &mask, 0, &err), 0);
			if (!rig_came()) {
				lost = 0;
				n = UINT_MAX;
			}
			assert_int_equal(mask, 0x7 & ~lost);
			rig_away(m, false);
			assert_int_equal(current(), 0x7 & ~lost);
			rig_settles();
			assert_int_equal(current(), 0xf);
			rig_back();
		}
}

static void others_write(void *data)
{
	owned(replica_sites) struct replica_sites sites = {0};
	struct err why = {0};
	uint32_t mask = *(uint32_t *)data;

	assert_int_equal(replica_sites_open(rig_set, UINT32_MAX, &sites, NULL), 0);
	assert_int_equal(views_leave_out(&sites, &mask, 0, &why), 0);
}

static void two_writers_who_missed_others_are_both_heard(void **state)
{
	(void)state;
	rig_keep();
	for (unsigned n = 1;; n++) {
		struct replica_sites *sites = afresh(UINT32_MAX);
		uint32_t mask = 0x7, theirs = 0xb;

		rig_between(0, n, others_write, &theirs);
		assert_int_equal(views_leave_out(sites, &mask, 0, &err), 0);
		if (!rig_came())
			break;
		assert_int_equal(current(), 0x3);
		rig_back();
	}
}

/* ---- coming back ---- */

static void a_member_comes_back_in_two_steps(void **state)
{
	struct replica_sites *sites;
	struct views joined;

	(void)state;
	assert_int_equal(leave_out(0x7, 0), 0);
	sites = afresh(UINT32_MAX);
	assert_int_equal(views_join(sites, UINT32_MAX, &joined, &err), 1);
	assert_int_equal(joining(), 0x8);
	assert_int_equal(current(), 0x7);
	assert_int_equal(views_admit(rig_open(UINT32_MAX), &joined, 0x8, &err), 0);
	assert_int_equal(current(), 0xf);
	assert_int_equal(views_join(rig_open(UINT32_MAX), UINT32_MAX, &joined, &err), 0);
}

static void only_whoever_joined_is_admitted(void **state)
{
	struct views joined;

	(void)state;
	assert_int_equal(leave_out(0x3, 0), 0);
	assert_int_equal(views_join(afresh(UINT32_MAX), 0x8, &joined, &err), 1);
	assert_int_equal(views_admit(rig_open(UINT32_MAX), &joined, UINT32_MAX, &err), 0);
	assert_int_equal(current(), 0xb);
}

static void who_was_left_out_meanwhile_is_not_admitted(void **state)
{
	struct views joined;
	uint32_t theirs = 0x7;

	(void)state;
	assert_int_equal(leave_out(0x7, 0), 0);
	rig_keep();
	for (unsigned n = 1;; n++) {
		struct replica_sites *sites = afresh(UINT32_MAX);
		int rc;

		assert_int_equal(views_join(sites, UINT32_MAX, &joined, &err), 1);
		rig_between(0, n, others_write, &theirs);
		rc = views_admit(sites, &joined, 0x8, &err);
		if (!rig_came())
			break;
		assert_int_equal(rc, -ERR_CHANGED);
		assert_int_equal(current(), 0x7);
		rig_back();
	}
	assert_int_equal(current(), 0xf);
}

/* Who was left out again is known to one who cannot be reached when the others are asked: this process heard of it. */
static void what_this_process_ever_saw_counts(void **state)
{
	struct views joined;

	(void)state;
	assert_int_equal(leave_out(0x7, 0), 0);
	assert_int_equal(views_join(afresh(UINT32_MAX), UINT32_MAX, &joined, &err), 1);
	replica_set_mark(rig_set, 3, (struct view_mark){9, VIEW_OUT});
	assert_int_equal(views_admit(rig_open(UINT32_MAX), &joined, 0x8, &err), -ERR_CHANGED);
	replica_set_mark(rig_set, 3, (struct view_mark){8, VIEW_CURRENT});
	assert_int_equal(replica_set_mark_of(rig_set, 3).counter, 9);
	assert_int_equal(replica_set_current(rig_set), 0x7);
}

static void members_that_all_missed_something_need_all_or_an_administrator(void **state)
{
	static const struct {
		uint32_t up;
		int rc;
	} cases[] = {{0xc, -ERR_STALE}, {0x8, -ERR_STALE}, {0xd, 1}, {0xe, 1}, {0xf, 1}};
	struct views joined;

	(void)state;
	assert_int_equal(leave_out(0x3, 0), 0);
	rig_keep();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		told_that_out(0xc);
		assert_int_equal(views_join(rig_open(cases[i].up), UINT32_MAX, &joined, &err), cases[i].rc);
		rig_back();
	}
	told_that_out(0xf);
	assert_int_equal(views_join(rig_open(0x7), UINT32_MAX, &joined, &err), -ERR_STALE);
	assert_int_equal(views_join(rig_open(0xf), UINT32_MAX, &joined, &err), 1);
	assert_int_equal(views_admit(rig_open(0xf), &joined, UINT32_MAX, &err), 0);
	assert_int_equal(current(), 0xf);
}

static void nobody_is_admitted_when_those_who_knew_are_gone(void **state)
{
	struct views joined;

	(void)state;
	assert_int_equal(leave_out(0x3, 0), 0);
	assert_int_equal(views_join(afresh(UINT32_MAX), UINT32_MAX, &joined, &err), 1);
	assert_int_equal(views_admit(rig_open(0xc), &joined, 0xc, &err), -ERR_STALE);
	assert_int_equal(current(), 0x3);
}

/* By a current one, and with whoever else is there: then what they made is known to nobody here. */
static void nobody_is_admitted_while_those_who_are_away_may_have_written(void **state)
{
	static const struct {
		uint32_t up;
		int rc;
	} cases[] = {{0x3, -ERR_STALE}, {0x9, -ERR_STALE}, {0x7, 0}, {0xb, 0}, {0xd, 0}};
	struct views joined;

	(void)state;
	assert_int_equal(leave_out(0x5, 0), 0);
	rig_keep();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(views_join(afresh(cases[i].up), UINT32_MAX, &joined, &err), 1);
		assert_int_equal(views_admit(rig_open(cases[i].up), &joined, UINT32_MAX, &err), cases[i].rc);
		rig_back();
	}
	/* Nobody of them is current: they cannot. */
	assert_int_equal(leave_out(0x9, 0), 0);
	assert_int_equal(views_join(afresh(0x3), UINT32_MAX, &joined, &err), 1);
	assert_int_equal(views_admit(rig_open(0x3), &joined, UINT32_MAX, &err), 0);
}

static void an_administrator_may_give_up_what_others_know(void **state)
{
	(void)state;
	assert_int_equal(leave_out(0x3, 0), 0);
	told_that_out(0xc);
	assert_int_equal(views_accept_loss(rig_open(0xc), 0x4, &err), 0);
	/* Those who knew it come back like others that missed something. */
	assert_int_equal(current(), 0x4);
	/* Whoever is not there cannot be meant. */
	assert_int_equal(views_accept_loss(afresh(0x3), 0x8, &err), 0);
	assert_int_equal(current(), 0x4);
	rig_settles();
	assert_int_equal(current(), 0xf);
}

static void a_member_from_a_backup_does_not_know_what_others_know_of_it(void **state)
{
	struct fake_state *backup = fake_save(3);

	(void)state;
	assert_int_equal(leave_out(0x7, 0), 0);
	rig_settles();
	assert_int_equal(current(), 0xf);
	rig_restore(3, backup);
	assert_int_equal(current(), 0x7);
	rig_settles();
	assert_int_equal(current(), 0xf);
}

static void marks_of_another_group_are_none_of_this_one(void **state)
{
	(void)state;
	assert_int_equal(leave_out(0x7, 0), 0);
	rig_set->domain_id[0] ^= 1;
	assert_int_equal(current(), 0xf);
	rig_set->domain_id[0] ^= 1;
	assert_int_equal(current(), 0x7);
}

/* As a kill leaves it: beside the whole one, or before there was any. */
static void a_torn_view_says_nothing_and_goes_with_the_next(void **state)
{
	size_t n;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		owned(p11_attrs) struct p11_attrs attrs = {0};
		uint32_t before = i ? 0x7 : 0xf;

		if (!i)
			assert_int_equal(leave_out(0x7, 0), 0);
		attrs = rig_attrs(0, rig_memo(0, label(), NULL));
		if (!i)
			rig_destroy(0, rig_memo(0, label(), NULL));
		assert_true(fake_change(0, fake_plant(0, attrs.items, attrs.count), CKA_VALUE, "half", 4));
		if (!i)
			for (size_t m = 1; m < 3; m++)
				rig_destroy(m, rig_memo(m, label(), NULL));
		assert_int_equal(current(), before);
		assert_int_equal(leave_out(i ? 0x3 : 0x7, 0), 0);
		assert_int_equal(current(), i ? 0x3 : 0x7);
		rig_memo(0, label(), &n);
		assert_int_equal(n, 1);
	}
}

/* Whoever cannot read what a member knows does not know whether it may serve. */
static void a_view_of_a_later_version_keeps_its_member_from_serving(void **state)
{
	owned(buf) struct buf later = {.max = 256};
	uint64_t before;

	(void)state;
	assert_int_equal(leave_out(0x7, 0), 0);
	buf_put(&later, "hsmctl-view\2whatever", 20);
	assert_int_equal(memo_seal(&later, NULL), 0);
	assert_true(fake_change(1, rig_memo(1, label(), NULL), CKA_VALUE, later.data, later.len));
	before = fake_changes(1);
	assert_int_equal(current(), 0x5);
	assert_int_equal(leave_out(0x7, 0), 0);
	assert_int_equal(fake_changes(1), before);
}

#define ON_FOUR(f) cmocka_unit_test_setup_teardown(f, rig_four, rig_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_greater_counter_counts_then_out_then_joining),
		cmocka_unit_test(what_members_know_may_be_put_together_in_any_order_and_twice),
		cmocka_unit_test(a_view_has_room_for_all_members_of_a_group),
		cmocka_unit_test(a_view_goes_there_and_back_whole_or_not),
		cmocka_unit_test(what_is_sealed_is_looked_at_all_the_same),
		ON_FOUR(who_missed_a_write_is_known_to_those_who_took_it),
		ON_FOUR(nobody_is_asked_while_everybody_takes_it),
		ON_FOUR(who_is_out_already_is_not_marked_again),
		ON_FOUR(those_who_took_it_are_told_what_the_store_knows),
		ON_FOUR(a_write_of_too_few_or_of_none_that_counts_is_refused),
		ON_FOUR(whoever_is_lost_while_marks_are_made_counts_no_longer),
		ON_FOUR(two_writers_who_missed_others_are_both_heard),
		ON_FOUR(a_member_comes_back_in_two_steps),
		ON_FOUR(only_whoever_joined_is_admitted),
		ON_FOUR(who_was_left_out_meanwhile_is_not_admitted),
		ON_FOUR(what_this_process_ever_saw_counts),
		ON_FOUR(members_that_all_missed_something_need_all_or_an_administrator),
		ON_FOUR(nobody_is_admitted_when_those_who_knew_are_gone),
		ON_FOUR(nobody_is_admitted_while_those_who_are_away_may_have_written),
		ON_FOUR(an_administrator_may_give_up_what_others_know),
		ON_FOUR(a_member_from_a_backup_does_not_know_what_others_know_of_it),
		ON_FOUR(marks_of_another_group_are_none_of_this_one),
		ON_FOUR(a_torn_view_says_nothing_and_goes_with_the_next),
		ON_FOUR(a_view_of_a_later_version_keeps_its_member_from_serving),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
