/* SPDX-License-Identifier: Apache-2.0 */
/* What a host knows of the memos on its token without looking for them. */
#include "fixture.h"
#include "hosted.h"
#include "member/catalogue.h"
#include "member/kept.h"
#include "member/visit.h"

static const struct host_peer officer = {.name = "officer", .fingerprint = "02", .role = CERT_ROLE_ADMIN};
static struct visit *visit;
static CK_SESSION_HANDLE session;
static CK_OBJECT_CLASS data_class = CKO_DATA;

static CK_RV call(struct p11_call call)
{
	visit_execute(visit, &call, 1);
	return call.rv;
}

static CK_RV enter(void)
{
	owned(secret) struct secret *pin = good_pin();
	CK_RV rv;

	if (open_host() < 0 || visit_begin(host, &officer, NULL, &visit, NULL) < 0)
		return CKR_HOST_MEMORY;
	rv = call(p11_C_OpenSession(0, CKF_SERIAL_SESSION | CKF_RW_SESSION, &session));
	return rv == CKR_OK ? call(p11_C_Login(session, CKU_USER, pin->data, pin->len)) : rv;
}

static struct p11_call making(const char *application, const char *label, CK_BBOOL token, CK_OBJECT_HANDLE *ret)
{
	static CK_BBOOL on_token;
	static CK_ATTRIBUTE t[4];

	on_token = token;
	t[0] = (CK_ATTRIBUTE){CKA_CLASS, &data_class, sizeof(data_class)};
	t[1] = (CK_ATTRIBUTE){CKA_TOKEN, &on_token, 1};
	t[2] = (CK_ATTRIBUTE){CKA_APPLICATION, (void *)application, strlen(application)};
	t[3] = (CK_ATTRIBUTE){CKA_LABEL, (void *)label, strlen(label)};
	return p11_C_CreateObject(session, t, 4, ret);
}

static CK_OBJECT_HANDLE make(const char *label)
{
	CK_OBJECT_HANDLE made = CK_INVALID_HANDLE;

	return call(making(KEPT_APPLICATION, label, CK_TRUE, &made)) == CKR_OK ? made : CK_INVALID_HANDLE;
}

/* Does the catalogue give these, in this order? */
static bool gives(const char *label, size_t count, CK_OBJECT_HANDLE first, CK_OBJECT_HANDLE second)
{
	const CK_OBJECT_HANDLE want[] = {first, second};
	CK_OBJECT_HANDLE list[4];
	CK_ULONG n = 0;

	return catalogue_find(host, label, strlen(label), list, 4, &n) == CKR_OK && n == count &&
	       memcmp(list, want, n * sizeof(*list)) == 0;
}

static int account(void)
{
	CK_ATTRIBUTE renamed = {CKA_LABEL, (void *)"b", 1};
	CK_OBJECT_HANDLE old, a, b, copy, ignored;

	CHECK(enter() == CKR_OK && (old = make("a")));
	CHECK(gives("a", 1, old, 0) && gives("b", 0, 0, 0));
	CHECK((a = make("a")) && gives("a", 2, a, old));
	CHECK(call(p11_C_CopyObject(session, old, &renamed, 1, &copy)) == CKR_OK && gives("b", 1, copy, 0));
	CHECK(call(p11_C_SetAttributeValue(session, a, &renamed, 1)) == CKR_OK);
	CHECK(gives("a", 1, old, 0) && gives("b", 2, a, copy));
	CHECK(call(p11_C_DestroyObject(session, copy)) == CKR_OK && gives("b", 1, a, 0));
	/* None of them is one. */
	CHECK(call(making(KEPT_APPLICATION, "b", CK_FALSE, &ignored)) == CKR_OK);
	CHECK(call(making("another", "b", CK_TRUE, &ignored)) == CKR_OK && gives("b", 1, a, 0));
	/* What failed made none. */
	CHECK(call(p11_C_DestroyObject(session, copy)) == CKR_OBJECT_HANDLE_INVALID && gives("b", 1, a, 0));
	CHECK((b = make("ab")) && gives("ab", 1, b, 0) && gives("a", 1, old, 0));
	return 0;
}

static void what_guests_make_and_destroy_is_kept_account_of(void **state)
{
	(void)state;
	assert_int_equal(in_child(account), 0);
}

static int once(void)
{
	CK_OBJECT_HANDLE before, past = CK_INVALID_HANDLE;
	struct p11_call making_it;

	CHECK(enter() == CKR_OK && (before = make("past")) && gives("past", 1, before, 0));
	making_it = making(KEPT_APPLICATION, "past", CK_TRUE, &past);
	CHECK(p11_execute(host_functions(host), host_slot(host), &making_it) == CKR_OK && past);
	CHECK(gives("past", 1, before, 0));
	return 0;
}

static int at_its_start(void)
{
	CK_OBJECT_HANDLE list[3];
	CK_ULONG n;

	CHECK(enter() == CKR_OK && catalogue_find(host, "past", 4, list, 3, &n) == CKR_OK && n == 2);
	return 0;
}

static void a_host_searches_its_token_once(void **state)
{
	(void)state;
	assert_int_equal(in_child(once), 0);
	assert_int_equal(in_child(at_its_start), 0);
}

static int room(void)
{
	CK_OBJECT_HANDLE list[2];
	CK_ULONG n;

	CHECK(enter() == CKR_OK);
	for (int i = 0; i < 200; i++)
		CHECK(make(i % 100 ? "many" : "few"));
	CHECK(catalogue_find(host, "few", 3, list, 2, &n) == CKR_OK && n == 2);
	CHECK(catalogue_find(host, "many", 4, list, 2, &n) == CKR_HOST_MEMORY && n == 0);
	return 0;
}

static void more_than_there_is_room_for_is_an_error(void **state)
{
	(void)state;
	assert_int_equal(in_child(room), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_guests_make_and_destroy_is_kept_account_of),
		cmocka_unit_test(a_host_searches_its_token_once),
		cmocka_unit_test(more_than_there_is_room_for_is_an_error),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
