/* SPDX-License-Identifier: Apache-2.0 */
/* What a host remembers of its token: absence, ages, leases, steps; over the fake token and on a clock of our own. */
#include "../base/temp.h"

#include <pthread.h>

#include "base/clock.h"
#include "fake/token.h"
#include "member/book.h"
#include "p11/rv.h"
#include "side.h"

enum { SLOT = 0 };

static int64_t now_ms, utc_of_host_ms;

static int64_t now_ns(void *data)
{
	(void)data;
	return now_ms * 1000000;
}

static int64_t utc_ms(void *data)
{
	(void)data;
	return utc_of_host_ms;
}

static const struct clock_source stopped = {.now_ns = now_ns, .utc_ms = utc_ms};

static struct book *book;
static CK_SESSION_HANDLE session;
static const struct book_guest one = {.who = "one"}, other = {.who = "another"};

static void open_book(bool shared)
{
	book_free(book);
	assert_int_equal(book_new(fake_functions(), SLOT, shared, &book, NULL), 0);
}

static int begin(void **state)
{
	(void)state;
	fake_reset(1, 1);
	assert_int_equal(fake_functions()->C_OpenSession(SLOT, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session),
			 CKR_OK);
	assert_int_equal(fake_functions()->C_Login(session, CKU_USER, (CK_BYTE *)"1234", 4), CKR_OK);
	clock_source = &stopped;
	now_ms = 1000;
	utc_of_host_ms = 1700000000000;
	open_book(false);
	return 0;
}

static int end(void **state)
{
	(void)state;
	mem_fail_after = 0;
	fake_watch(NULL, NULL);
	clock_source = NULL;
	book_free(book);
	book = NULL;
	fake_reset(0, 1);
	return 0;
}

static CK_RV run(const struct book_guest *guest, struct p11_call call)
{
	return book_execute(book, guest, &call);
}

static CK_OBJECT_HANDLE create(const char *label)
{
	CK_ATTRIBUTE t[] = {NUM(CKA_CLASS, data_class), NUM(CKA_TOKEN, yes), {CKA_LABEL, (void *)label, strlen(label)}};
	CK_OBJECT_HANDLE object;

	assert_int_equal(run(&one, p11_C_CreateObject(session, t, COUNT(t), &object)), CKR_OK);
	return object;
}

/* ---- absence ---- */

static CK_RV absent(const struct book_guest *guest, const char *label)
{
	CK_ATTRIBUTE t = {CKA_LABEL, (void *)label, strlen(label)};

	return run(guest, p11_X_Absent(session, &t, 1));
}

static void what_does_not_match_is_absent(void **state)
{
	CK_OBJECT_HANDLE a = create("here");

	(void)state;
	assert_int_equal(absent(&one, "here"), CKR_OBJECT_HANDLE_INVALID);
	assert_int_equal(absent(&one, "there"), CKR_OK);
	assert_int_equal(run(&one, p11_X_Absent(session, NULL, 0)), CKR_OBJECT_HANDLE_INVALID);
	assert_int_equal(run(&one, p11_C_DestroyObject(session, a)), CKR_OK);
	assert_int_equal(absent(&one, "here"), CKR_OK);
	assert_int_equal(run(&one, p11_X_Absent(session, NULL, 0)), CKR_OK);
}

static bool sees_the_last(const void *who, CK_SESSION_HANDLE s, CK_OBJECT_HANDLE object)
{
	(void)s;
	return object == *(const CK_OBJECT_HANDLE *)who;
}

static void what_a_guest_does_not_see_is_absent_to_it(void **state)
{
	CK_OBJECT_HANDLE last;
	struct book_guest guest = {&last, sees_the_last};

	(void)state;
	/* More than one step of the search. */
	for (int i = 0; i < 200; i++)
		last = create("many");
	assert_int_equal(absent(&guest, "many"), CKR_OBJECT_HANDLE_INVALID);
	assert_int_equal(run(&one, p11_C_DestroyObject(session, last)), CKR_OK);
	assert_int_equal(absent(&guest, "many"), CKR_OK);
	assert_int_equal(absent(&one, "many"), CKR_OBJECT_HANDLE_INVALID);
}

static void a_search_of_the_guest_goes_on(void **state)
{
	CK_OBJECT_HANDLE found[4];
	CK_TOKEN_INFO info;
	CK_ULONG n;

	(void)state;
	create("first");
	create("second");
	assert_int_equal(run(&one, p11_C_FindObjectsInit(session, NULL, 0)), CKR_OK);
	assert_int_equal(run(&one, p11_C_FindObjects(session, found, 1, &n)), CKR_OK);
	assert_int_equal(absent(&one, "first"), CKR_OBJECT_HANDLE_INVALID);
	assert_int_equal(absent(&one, "third"), CKR_OK);
	assert_int_equal(run(&one, p11_C_FindObjects(session, found, 4, &n)), CKR_OK);
	assert_int_equal(n, 1);
	assert_int_equal(run(&one, p11_C_FindObjectsFinal(session)), CKR_OK);
	/* Nor does a session stay behind. */
	assert_int_equal(run(&one, p11_C_GetTokenInfo(0, &info)), CKR_OK);
	assert_int_equal(info.ulSessionCount, 1);
}

static void nothing_is_absent_that_could_not_be_looked_for(void **state)
{
	static const struct {
		enum p11_fn fn;
		CK_RV rv;
	} faults[] = {
		{P11_C_OpenSession, CKR_SESSION_COUNT},
		{P11_C_FindObjectsInit, CKR_GENERAL_ERROR},
		{P11_C_FindObjects, CKR_DEVICE_ERROR},
	};
	CK_TOKEN_INFO info;

	(void)state;
	for (size_t i = 0; i < COUNT(faults); i++) {
		fake_fail(SLOT, faults[i].fn, 1, faults[i].rv, FAKE_BEFORE);
		assert_int_equal(absent(&one, "there"), faults[i].rv);
		assert_int_equal(absent(&one, "there"), CKR_OK);
	}
	assert_int_equal(run(&one, p11_C_GetTokenInfo(0, &info)), CKR_OK);
	assert_int_equal(info.ulSessionCount, 1);
	assert_int_equal(run(&one, p11_X_Absent(session + 7, NULL, 0)), CKR_SESSION_HANDLE_INVALID);
}

/* ---- ages ---- */

static CK_ULONG age_of(CK_OBJECT_HANDLE object)
{
	CK_ULONG ms = 4711;

	assert_int_equal(run(&one, p11_X_Age(session, object, &ms)), CKR_OK);
	return ms;
}

static void an_object_is_as_old_as_the_host_knows(void **state)
{
	CK_ATTRIBUTE t[] = {NUM(CKA_CLASS, data_class)};
	CK_OBJECT_HANDLE before = fake_plant(SLOT, t, COUNT(t)), made;
	CK_ULONG ms;

	(void)state;
	now_ms += 500;
	made = create("made");
	assert_int_equal(age_of(made), 0);
	assert_int_equal(age_of(before), 500);
	now_ms += 70;
	assert_int_equal(age_of(made), 70);
	assert_int_equal(age_of(before), 570);
	assert_int_equal(run(&one, p11_C_DestroyObject(session, made)), CKR_OK);
	assert_int_equal(run(&one, p11_X_Age(session, made, &ms)), CKR_OBJECT_HANDLE_INVALID);
	assert_int_equal(run(&one, p11_X_Age(session, made + 1, &ms)), CKR_OBJECT_HANDLE_INVALID);
	/* Whoever starts anew knows nothing of what was. */
	open_book(false);
	assert_int_equal(age_of(before), 0);
}

static void where_others_write_too_an_object_counts_from_the_first_question(void **state)
{
	CK_ATTRIBUTE t[] = {NUM(CKA_CLASS, data_class)};
	CK_OBJECT_HANDLE theirs, ours;

	(void)state;
	open_book(true);
	ours = create("ours");
	now_ms += 500;
	theirs = fake_plant(SLOT, t, COUNT(t));
	assert_int_equal(age_of(theirs), 0);
	now_ms += 70;
	assert_int_equal(age_of(theirs), 70);
	assert_int_equal(age_of(ours), 570);
}

struct newborn {
	CK_ULONG age;
	bool asked;
};

/* The object is on the token, and who made it was not told yet. */
static CK_RV ask_at_birth(void *data, CK_SLOT_ID slot, enum p11_fn fn, bool after, CK_RV rv)
{
	struct newborn *newborn = data;
	CK_OBJECT_HANDLE found;
	CK_ULONG n;

	(void)slot;
	if (fn != P11_C_CreateObject || !after || newborn->asked)
		return rv;
	newborn->asked = true;
	assert_int_equal(run(&other, p11_C_FindObjectsInit(session, NULL, 0)), CKR_OK);
	assert_int_equal(run(&other, p11_C_FindObjects(session, &found, 1, &n)), CKR_OK);
	assert_int_equal(run(&other, p11_C_FindObjectsFinal(session)), CKR_OK);
	assert_int_equal(n, 1);
	newborn->age = age_of(found);
	return rv;
}

static void an_object_is_not_old_while_it_is_being_made(void **state)
{
	struct newborn newborn = {.age = 4711};

	(void)state;
	now_ms += 1000000;
	fake_watch(ask_at_birth, &newborn);
	create("newborn");
	assert_true(newborn.asked);
	assert_int_equal(newborn.age, 0);
}

static void without_memory_nothing_is_older_than_it_is(void **state)
{
	CK_ATTRIBUTE t[] = {NUM(CKA_CLASS, data_class), NUM(CKA_TOKEN, yes)};
	CK_OBJECT_HANDLE object;

	(void)state;
	for (unsigned long n = 1; n < 20; n++) {
		struct p11_call call = p11_C_CreateObject(session, t, COUNT(t), &object);

		open_book(false);
		now_ms += 1000000;
		mem_fail_after = n;
		book_execute(book, &one, &call);
		mem_fail_after = 0;
		if (call.rv == CKR_OK)
			assert_int_equal(age_of(object), 0);
	}
}

/* ---- ages of more objects than the fake token would hold in time ---- */

static CK_OBJECT_HANDLE last_object;

static CK_RV make_next(CK_SESSION_HANDLE s, CK_ATTRIBUTE *t, CK_ULONG n, CK_OBJECT_HANDLE *ret)
{
	(void)s, (void)t, (void)n;
	*ret = ++last_object;
	return CKR_OK;
}

static CK_RV destroy_any(CK_SESSION_HANDLE s, CK_OBJECT_HANDLE object)
{
	(void)s, (void)object;
	return CKR_OK;
}

static CK_RV get_any(CK_SESSION_HANDLE s, CK_OBJECT_HANDLE object, CK_ATTRIBUTE *values, CK_ULONG n)
{
	(void)s, (void)values, (void)n;
	return object <= last_object ? CKR_OK : CKR_OBJECT_HANDLE_INVALID;
}

static CK_RV always_there(CK_SESSION_HANDLE s, CK_SESSION_INFO *ret)
{
	(void)s;
	*ret = (CK_SESSION_INFO){.state = CKS_RW_USER_FUNCTIONS};
	return CKR_OK;
}

static CK_FUNCTION_LIST endless = {.C_CreateObject = make_next, .C_DestroyObject = destroy_any,
				   .C_GetAttributeValue = get_any, .C_GetSessionInfo = always_there};

static void open_endless_book(void)
{
	book_free(book);
	last_object = 0;
	assert_int_equal(book_new(&endless, SLOT, false, &book, NULL), 0);
}

static void the_memory_for_ages_is_bounded(void **state)
{
	CK_OBJECT_HANDLE first, some;

	(void)state;
	open_endless_book();
	first = create("first");
	for (int i = 1; i < BOOK_AGES_MAX; i++)
		create("next");
	/* From here on none is asked for. */
	mem_fail_after = 1;
	for (int i = 0; i < BOOK_AGES_MAX; i++) {
		now_ms++;
		some = create("next");
		if (i % 64 == 0)
			assert_int_equal(age_of(some), 0);
	}
	assert_int_equal(mem_fail_after, 1);
	now_ms += 10;
	assert_int_equal(age_of(some), 10);
	assert_int_equal(age_of(some - 100), 110);
	/* What was forgotten is younger than it is, and older than what was not. */
	assert_in_range(age_of(first), BOOK_AGES_MAX / 2 - 1, BOOK_AGES_MAX + 10);
}

static void what_is_destroyed_takes_no_memory(void **state)
{
	CK_OBJECT_HANDLE first;

	(void)state;
	open_endless_book();
	first = create("first");
	for (int i = 0; i < 4 * BOOK_AGES_MAX; i++) {
		now_ms++;
		assert_int_equal(run(&one, p11_C_DestroyObject(session, create("next"))), CKR_OK);
	}
	assert_int_equal(age_of(first), 4 * BOOK_AGES_MAX);
}

/* ---- leases ---- */

static struct p11_lease got;

/* The number, 0 when it is somebody else's. */
static CK_ULONG lease(const struct book_guest *guest, const char *name, CK_ULONG ttl_ms, CK_ULONG number)
{
	const char *holder = guest->who;
	CK_RV rv = run(guest, p11_X_Lease(session, name, strlen(name), holder, strlen(holder), ttl_ms, number, &got));

	assert_true(rv == CKR_OK || rv == CKR_FUNCTION_REJECTED);
	assert_int_equal(rv == CKR_OK ? 0 : got.number, 0);
	return got.number;
}

static void a_lease_is_one_guests_until_it_runs_out(void **state)
{
	CK_ULONG first, second;

	(void)state;
	first = lease(&one, "name", 1000, 0);
	assert_true(first);
	assert_string_equal(got.holder, "one");
	assert_int_equal(got.left_ms, 1000);
	now_ms += 999;
	assert_int_equal(lease(&other, "name", 1000, 0), 0);
	assert_string_equal(got.holder, "one");
	assert_int_equal(got.left_ms, 1);
	/* Nor does it come twice to the same one, nor does it hold another name. */
	assert_int_equal(lease(&one, "name", 1000, 0), 0);
	assert_true(lease(&other, "nam", 1000, 0) > first);
	now_ms += 1;
	second = lease(&other, "name", 1000, 0);
	assert_true(second > first + 1);
	assert_string_equal(got.holder, "another");
	/* The number of before is of no use. */
	assert_int_equal(lease(&one, "name", 1000, first), 0);
	assert_string_equal(got.holder, "another");
}

static void renewing_needs_the_number(void **state)
{
	CK_ULONG number;

	(void)state;
	number = lease(&one, "name", 1000, 0);
	now_ms += 900;
	assert_int_equal(lease(&other, "name", 5000, number + 1), 0);
	assert_int_equal(lease(&one, "name", 1000, number), number);
	now_ms += 900;
	assert_int_equal(lease(&other, "name", 1000, 0), 0);
	/* One that ran out goes on when nobody took it meanwhile. */
	now_ms += 900;
	assert_int_equal(lease(&one, "name", 1000, number), number);
	/* Nothing is renewed that nobody has. */
	assert_int_equal(lease(&one, "nobody's", 1000, number), 0);
	assert_string_equal(got.holder, "");
}

static void a_lease_that_is_given_up_is_free(void **state)
{
	CK_ULONG number;

	(void)state;
	number = lease(&one, "name", 1000, 0);
	assert_int_equal(lease(&other, "name", 0, number + 1), 0);
	assert_string_equal(got.holder, "one");
	assert_int_equal(run(&one, p11_X_Lease(session, "name", 4, "", 0, 0, number, &got)), CKR_OK);
	assert_true(lease(&other, "name", 1000, 0) > number);
	assert_int_equal(lease(&one, "name", 1000, number), 0);
	assert_int_equal(run(&one, p11_X_Lease(session, "nobody's", 8, "", 0, 0, 0, &got)), CKR_OK);
}

static void leases_end_with_the_guest_that_has_them(void **state)
{
	CK_ULONG a;

	(void)state;
	a = lease(&one, "a", 1000, 0);
	assert_true(lease(&one, "b", 1000, 0));
	assert_true(lease(&other, "c", 1000, 0));
	/* Whoever renews it has it. */
	assert_int_equal(lease(&other, "a", 1000, a), a);
	book_leave(book, one.who);
	assert_int_equal(lease(&one, "a", 1000, 0), 0);
	assert_true(lease(&other, "b", 1000, 0));
	assert_int_equal(lease(&one, "c", 1000, 0), 0);
	book_leave(book, other.who);
	assert_true(lease(&one, "a", 1000, 0));
	assert_true(lease(&one, "c", 1000, 0));
}

static void numbers_rise_over_restarts(void **state)
{
	CK_ULONG last = 0;

	(void)state;
	for (int starts = 0; starts < 3; starts++) {
		for (int i = 0; i < 1000; i++) {
			CK_ULONG number = lease(&one, "name", 1, 0);

			assert_true(number > last);
			last = number;
			now_ms += 1;
		}
		/* Few grants are made in a millisecond. */
		utc_of_host_ms += 1;
		open_book(false);
	}
}

static void there_are_so_many_leases(void **state)
{
	char name[16];
	CK_RV rv;

	(void)state;
	for (int i = 0; i < BOOK_LEASES_MAX; i++) {
		snprintf(name, sizeof(name), "%d", i);
		assert_true(lease(&one, name, 1000 + (CK_ULONG)i, 0));
	}
	rv = run(&other, p11_X_Lease(session, "more", 4, "x", 1, 1000, 0, &got));
	assert_int_equal(p11_rv_class(rv), P11_BUSY);
	assert_int_equal(got.number, 0);
	now_ms += 1001;
	assert_true(lease(&other, "more", 1000, 0));
	assert_true(lease(&other, "and more", 1000, 0));
	assert_int_equal(lease(&other, "2", 1000, 0), 0);
}

static void the_holders_text_is_masked_and_bounded(void **state)
{
	static const char text[] = "a\033[2J\xff text\n";
	char longest[300];

	(void)state;
	memset(longest, 'x', sizeof(longest));
	assert_int_equal(run(&one, p11_X_Lease(session, "a", 1, text, strlen(text), 1000, 0, &got)), CKR_OK);
	assert_int_equal(run(&other, p11_X_Lease(session, "a", 1, "x", 1, 1000, 0, &got)), CKR_FUNCTION_REJECTED);
	assert_string_equal(got.holder, "a?[2J? text?");
	assert_int_equal(run(&one, p11_X_Lease(session, "b", 1, longest, sizeof(longest), 1000, 0, &got)), CKR_OK);
	assert_int_equal(strlen(got.holder), P11_LEASE_HOLDER_MAX);
}

static void only_those_who_are_logged_in_have_leases(void **state)
{
	(void)state;
	assert_int_equal(fake_functions()->C_Logout(session), CKR_OK);
	assert_int_equal(run(&one, p11_X_Lease(session, "a", 1, "x", 1, 1000, 0, &got)), CKR_USER_NOT_LOGGED_IN);
	assert_int_equal(absent(&one, "nothing"), CKR_OK);
}

/* ---- steps ---- */

static void batches_that_write_objects_are_steps(void **state)
{
	static const struct {
		enum p11_fn fns[3];
		bool step;
	} cases[] = {
		{{P11_X_Absent, P11_X_Age, P11_X_Lease}, false},
		{{P11_X_Absent, P11_X_Age, P11_C_CreateObject}, true},
		{{P11_C_DestroyObject, P11_X_Age, P11_C_FindObjects}, true},
		{{P11_C_FindObjects, P11_C_CopyObject, P11_C_FindObjectsFinal}, true},
		{{P11_C_UnwrapKey, P11_C_SetAttributeValue, P11_C_Sign}, true},
		{{P11_C_UnwrapKey, P11_C_GenerateKeyPair, P11_C_Sign}, true},
		{{P11_C_GenerateKeyPair, P11_C_WrapKey, P11_C_Sign}, false},
		{{P11_C_DeriveKey, P11_C_WrapKey, P11_C_Sign}, false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct p11_call calls[3];

		for (int n = 0; n < 3; n++)
			calls[n] = (struct p11_call){.fn = cases[i].fns[n]};
		assert_int_equal(book_is_step(calls, 3), cases[i].step);
	}
}

static void *begin_too(void *ret)
{
	/* A clock that stands at the beginning: all waits are over. */
	clock_source = &stopped;
	*(CK_RV *)ret = book_begin(book);
	if (*(CK_RV *)ret == CKR_OK)
		book_end(book);
	return NULL;
}

static CK_RV begin_in_a_thread(void)
{
	pthread_t thread;
	CK_RV rv;

	assert_int_equal(pthread_create(&thread, NULL, begin_too, &rv), 0);
	pthread_join(thread, NULL);
	return rv;
}

static void who_does_not_get_its_turn_is_told_that_the_host_is_busy(void **state)
{
	(void)state;
	now_ms = 0;
	assert_int_equal(begin_in_a_thread(), CKR_OK);
	assert_int_equal(book_begin(book), CKR_OK);
	assert_int_equal(p11_rv_class(begin_in_a_thread()), P11_BUSY);
	book_end(book);
	assert_int_equal(begin_in_a_thread(), CKR_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_does_not_match_is_absent, begin, end),
		cmocka_unit_test_setup_teardown(what_a_guest_does_not_see_is_absent_to_it, begin, end),
		cmocka_unit_test_setup_teardown(a_search_of_the_guest_goes_on, begin, end),
		cmocka_unit_test_setup_teardown(nothing_is_absent_that_could_not_be_looked_for, begin, end),
		cmocka_unit_test_setup_teardown(an_object_is_as_old_as_the_host_knows, begin, end),
		cmocka_unit_test_setup_teardown(where_others_write_too_an_object_counts_from_the_first_question, begin, end),
		cmocka_unit_test_setup_teardown(an_object_is_not_old_while_it_is_being_made, begin, end),
		cmocka_unit_test_setup_teardown(without_memory_nothing_is_older_than_it_is, begin, end),
		cmocka_unit_test_setup_teardown(the_memory_for_ages_is_bounded, begin, end),
		cmocka_unit_test_setup_teardown(what_is_destroyed_takes_no_memory, begin, end),
		cmocka_unit_test_setup_teardown(a_lease_is_one_guests_until_it_runs_out, begin, end),
		cmocka_unit_test_setup_teardown(renewing_needs_the_number, begin, end),
		cmocka_unit_test_setup_teardown(a_lease_that_is_given_up_is_free, begin, end),
		cmocka_unit_test_setup_teardown(leases_end_with_the_guest_that_has_them, begin, end),
		cmocka_unit_test_setup_teardown(numbers_rise_over_restarts, begin, end),
		cmocka_unit_test_setup_teardown(there_are_so_many_leases, begin, end),
		cmocka_unit_test_setup_teardown(the_holders_text_is_masked_and_bounded, begin, end),
		cmocka_unit_test_setup_teardown(only_those_who_are_logged_in_have_leases, begin, end),
		cmocka_unit_test_setup_teardown(batches_that_write_objects_are_steps, begin, end),
		cmocka_unit_test_setup_teardown(who_does_not_get_its_turn_is_told_that_the_host_is_busy, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
