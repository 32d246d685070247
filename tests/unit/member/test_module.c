/* SPDX-License-Identifier: Apache-2.0 */
/* A token in this process: what others in it did to the library, and what a fork does. */
#include <dlfcn.h>
#include <pthread.h>

#include "fixture.h"
#include "child.h"
#include "member/library.h"
#include "p11/rv.h"
#include "race.h"

static struct member *open_here(const char *pin)
{
	const struct member_config config = {
		.name = "here", .link = FLEET_LINK_MODULE, .module = LIBRARY, .serial = it.serial,
		.connect_ms = 500, .answer_ms = 5000, .call_ms = 30000,
	};
	struct secret *secret = pin == GOOD ? good_pin() : NULL;
	struct member *member;

	assert_int_equal(member_open(&config, &member, NULL), 0);
	if (pin && !secret)
		secret_new(pin, strlen(pin), &secret, NULL);
	if (secret)
		member_set_pin(member, secret);
	return member;
}

/* The library as an application has it that uses it itself. */
static CK_FUNCTION_LIST *load_as_host(void)
{
	CK_C_INITIALIZE_ARGS args = {.flags = CKF_OS_LOCKING_OK};
	CK_FUNCTION_LIST *f = NULL;
	CK_C_GetFunctionList get;
	void *handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);

	*(void **)&get = dlsym(handle, "C_GetFunctionList");
	return get(&f) == CKR_OK && f->C_Initialize(&args) == CKR_OK ? f : NULL;
}

static int a_wrong_pin(void)
{
	owned(member) struct member *good = open_here(GOOD), *bad = open_here("not the PIN"), *again = open_here(GOOD);
	struct member_channel *channel, *other, *third;
	struct err err = {0};

	CHECK(member_acquire(good, &channel, &err) == 0);
	CHECK(member_acquire(bad, &other, &err) == -ERR_PIN);
	CHECK(err.rv == CKR_PIN_INCORRECT);
	CHECK(member_acquire(again, &third, &err) == 0);
	member_release(channel);
	member_release(third);
	return 0;
}

static int a_host_that_logged_in(void)
{
	owned(secret) struct secret *pin = good_pin();
	owned(member) struct member *member = open_here(GOOD);
	CK_FUNCTION_LIST *f = load_as_host();
	owned(library) struct library *library = NULL;
	struct member_channel *channel;
	CK_SESSION_HANDLE session;
	CK_SLOT_ID slot;
	struct err err = {0};

	CHECK(f);
	CHECK(library_open(LIBRARY, &library, NULL) == 0);
	CHECK(library_find_token(library, &(struct library_token){.serial = it.serial}, &slot, NULL) == 0);
	CHECK(f->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &session) == CKR_OK);
	CHECK(f->C_Login(session, CKU_USER, pin->data, pin->len) == CKR_OK);
	/* Nobody looks at this PIN, so nobody may call it good, nor wrong. */
	CHECK(member_acquire(member, &channel, &err) < 0);
	CHECK(err.code != ERR_PIN && err.rv == CKR_USER_ALREADY_LOGGED_IN);
	return 0;
}

static void *acquire(void *member)
{
	struct member_channel *channel = NULL;
	struct err err = {0};

	if (member_acquire(member, &channel, &err) < 0)
		fprintf(stderr, "%s\n", err.message);
	return channel;
}

static int logins_at_once(void)
{
	enum { THREADS = 8, ROUNDS = 20 };

	for (int round = 0; round < ROUNDS; round++) {
		owned(member) struct member *member = open_here(GOOD);
		pthread_t threads[THREADS];
		void *channels[THREADS];

		for (int i = 0; i < THREADS; i++)
			CHECK(pthread_create(&threads[i], NULL, acquire, member) == 0);
		for (int i = 0; i < THREADS; i++)
			pthread_join(threads[i], &channels[i]);
		for (int i = 0; i < THREADS; i++) {
			CHECK(channels[i]);
			member_release(channels[i]);
		}
	}
	return 0;
}

static int a_host_that_goes_on(void)
{
	CK_FUNCTION_LIST *f = load_as_host();
	struct member *member = open_here(NULL);
	CK_INFO info;

	CHECK(f);
	CHECK(member_probe(member, NULL, NULL) == 0);
	member_free(member);
	CHECK(f->C_GetInfo(&info) == CKR_OK);
	return 0;
}

static int epochs(void)
{
	uint64_t last = 0;

	for (int i = 0; i < 50; i++) {
		owned(member) struct member *member = open_here(NULL);
		struct member_channel *channel, *other;

		CHECK(member_acquire(member, &channel, NULL) == 0);
		CHECK(member_acquire(member, &other, NULL) == 0);
		CHECK(member_epoch(channel) == member_epoch(other));
		CHECK(member_epoch(channel) > last);
		last = member_epoch(channel);
		member_release(channel);
		member_release(other);
	}
	return 0;
}

static struct member *of_parent;
static struct member_channel *channel_of_parent;

static int the_child(void)
{
	owned(member) struct member *member = open_here(GOOD);
	struct member_channel *channel;
	CK_OBJECT_HANDLE key;
	CK_TOKEN_INFO info;
	struct p11_call call = p11_C_GetTokenInfo(0, &info);
	struct err err = {0};

	/* What was the parent's is of no use, and may be given back. */
	CHECK(member_run(channel_of_parent, &call, 1, &err) == -ERR_UNREACHABLE);
	member_release(channel_of_parent);
	CHECK(member_acquire(member, &channel, &err) == 0);
	CHECK(generate(channel, false, "child's", &key) == 0);
	CHECK(sign(channel, key, &err) == 0);
	member_release(channel);
	member_free(of_parent);
	return 0;
}

static int a_fork(void)
{
	struct err err = {0};
	int status;

	of_parent = open_here(GOOD);
	CHECK(member_acquire(of_parent, &channel_of_parent, &err) == 0);
	status = in_child(the_child);
	CHECK(status == 0);
	CHECK(find(channel_of_parent, "nothing", NULL) == 0);
	member_release(channel_of_parent);
	member_free(of_parent);
	return 0;
}

static struct member_channel *rivals[RACE_RIVALS];

static CK_RV try(size_t rival, const char *label)
{
	CK_OBJECT_HANDLE object;

	return create_once(rivals[rival], label, &object);
}

static int links_at_once(void)
{
	owned(member) struct member *a = open_here(GOOD), *b = open_here(GOOD);

	for (size_t i = 0; i < RACE_RIVALS; i++)
		CHECK(member_acquire(i % 2 ? a : b, &rivals[i], NULL) == 0);
	CHECK(race_is_fair(try));
	for (size_t i = 0; i < RACE_RIVALS; i++)
		member_release(rivals[i]);
	return 0;
}

static int no_library(void)
{
	const struct member_config config = {.name = "here", .link = FLEET_LINK_MODULE, .module = "/nowhere.so"};
	owned(member) struct member *member = NULL;
	struct member_channel *channel;

	CHECK(member_open(&config, &member, NULL) == 0);
	CHECK(member_acquire(member, &channel, NULL) == -ERR_MISSING);
	return 0;
}

static int a_lease(void)
{
	owned(member) struct member *a = open_here(GOOD), *b = open_here(GOOD);
	const char *wrong = leases_end_with(a, b);

	if (wrong)
		fprintf(stderr, "%s\n", wrong);
	return wrong != NULL;
}

static void a_wrong_pin_is_refused_while_the_token_is_logged_in(void **state)
{
	(void)state;
	assert_int_equal(in_child(a_wrong_pin), 0);
}

static void a_login_of_the_host_proves_no_pin(void **state)
{
	(void)state;
	assert_int_equal(in_child(a_host_that_logged_in), 0);
}

static void logins_at_once_all_succeed(void **state)
{
	(void)state;
	assert_int_equal(in_child(logins_at_once), 0);
}

static void a_library_of_the_host_is_not_finalised(void **state)
{
	(void)state;
	assert_int_equal(in_child(a_host_that_goes_on), 0);
}

static void no_two_instances_of_a_library_have_one_epoch(void **state)
{
	(void)state;
	assert_int_equal(in_child(epochs), 0);
}

static void a_forked_child_has_a_library_of_its_own(void **state)
{
	(void)state;
	assert_int_equal(in_child(a_fork), 0);
}

static void of_threads_that_look_first_one_writes(void **state)
{
	(void)state;
	assert_int_equal(in_child(links_at_once), 0);
}

static void a_library_that_is_not_there_is_an_error(void **state)
{
	(void)state;
	assert_int_equal(in_child(no_library), 0);
}

static void a_lease_ends_with_its_link(void **state)
{
	(void)state;
	assert_int_equal(in_child(a_lease), 0);
}

/* ---- a library that gives less than it has ---- */

static CK_ULONG left;

static CK_RV find_one(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE *list, CK_ULONG room, CK_ULONG *ret)
{
	(void)session;
	*ret = room && left ? 1 : 0;
	if (*ret)
		*list = left--;
	return CKR_OK;
}

static void a_short_answer_to_a_search_is_not_its_end(void **state)
{
	CK_FUNCTION_LIST f = {.C_FindObjects = find_one};
	CK_OBJECT_HANDLE list[4];
	CK_ULONG n = 0;

	(void)state;
	left = 6;
	assert_int_equal(library_find(&f, 1, list, 4, &n), CKR_OK);
	assert_int_equal(n, 4);
	assert_int_equal(library_find(&f, 1, list, 4, &n), CKR_OK);
	assert_int_equal(n, 2);
	assert_int_equal(library_find(&f, 1, list, 4, &n), CKR_OK);
	assert_int_equal(n, 0);
}

static CK_RV find_too_many(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE *list, CK_ULONG room, CK_ULONG *ret)
{
	(void)session, (void)list;
	*ret = room + 1;
	return CKR_OK;
}

static void a_library_that_found_more_than_it_may_is_not_believed(void **state)
{
	CK_FUNCTION_LIST f = {.C_FindObjects = find_too_many};
	CK_OBJECT_HANDLE list[4];
	CK_ULONG n = 0;

	(void)state;
	assert_int_equal(library_find(&f, 1, list, 4, &n), CKR_DEVICE_ERROR);
	assert_int_equal(n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_wrong_pin_is_refused_while_the_token_is_logged_in),
		cmocka_unit_test(a_login_of_the_host_proves_no_pin),
		cmocka_unit_test(logins_at_once_all_succeed),
		cmocka_unit_test(a_library_of_the_host_is_not_finalised),
		cmocka_unit_test(no_two_instances_of_a_library_have_one_epoch),
		cmocka_unit_test(a_forked_child_has_a_library_of_its_own),
		cmocka_unit_test(of_threads_that_look_first_one_writes),
		cmocka_unit_test(a_lease_ends_with_its_link),
		cmocka_unit_test(a_library_that_is_not_there_is_an_error),
		cmocka_unit_test(a_short_answer_to_a_search_is_not_its_end),
		cmocka_unit_test(a_library_that_found_more_than_it_may_is_not_believed),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
