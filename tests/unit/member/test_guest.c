/* SPDX-License-Identifier: Apache-2.0 */
/* Guests of one host on a real token: who writes does so in one step, who makes keys holds nobody up. */
#include <fcntl.h>
#include <sched.h>

#include "fixture.h"
#include "base/log.h"
#include "child.h"
#include "member/guest.h"
#include "member/host.h"
#include "p11/rv.h"
#include "race.h"

static struct host *host;

static int open_host(void)
{
	static struct appliance_config config;
	struct err err = {0};

	config = (struct appliance_config){.name = "unit", .library = LIBRARY, .serial = it.serial};
	if (host_open(&config, &host, &err) == 0)
		return 0;
	fprintf(stderr, "%s\n", err.message);
	return -1;
}

/* A guest of the host with a session. */
struct visitor {
	struct guest *guest;
	CK_SESSION_HANDLE session;
};

static CK_RV call(const struct visitor *v, struct p11_call call)
{
	guest_execute(v->guest, &call, 1);
	return call.rv;
}

static CK_RV enter(struct visitor *v, const char *pin, CK_ULONG len)
{
	static const struct host_peer peer = {.name = "somebody", .fingerprint = "00", .role = CERT_ROLE_APPLICATION};
	CK_RV rv;

	if (guest_new(host, &peer, &v->guest, NULL) < 0)
		return CKR_HOST_MEMORY;
	rv = call(v, p11_open_session(CKF_SERIAL_SESSION | CKF_RW_SESSION, &v->session));
	return rv == CKR_OK && pin ? call(v, p11_login(v->session, CKU_USER, pin, len)) : rv;
}

static CK_RV enter_with_pin(struct visitor *v)
{
	owned(secret) struct secret *pin = good_pin();

	return enter(v, (const char *)pin->data, pin->len);
}

/* A data object of that label, unless there is one. */
static CK_RV make_once(const struct visitor *v, const char *label, bool token)
{
	CK_OBJECT_CLASS class = CKO_DATA;
	CK_BBOOL on_token = token, yes = CK_TRUE;
	CK_ATTRIBUTE t[] = {{CKA_LABEL, (void *)label, strlen(label)}, {CKA_CLASS, &class, sizeof(class)},
			    {CKA_TOKEN, &on_token, 1}, {CKA_PRIVATE, &yes, 1}};
	CK_OBJECT_HANDLE object;
	struct p11_call calls[] = {
		p11_absent(v->session, t, 1),
		p11_create_object(v->session, t, 4, &object),
	};

	guest_execute(v->guest, calls, 2);
	return calls[0].rv == CKR_OK ? calls[1].rv : calls[0].rv;
}

static CK_RV absent(const struct visitor *v, const char *label)
{
	CK_ATTRIBUTE t = {CKA_LABEL, (void *)label, strlen(label)};

	return call(v, p11_absent(v->session, &t, 1));
}

/* ---- steps ---- */

static struct visitor rivals[RACE_RIVALS];

static CK_RV try(size_t rival, const char *label)
{
	return make_once(&rivals[rival], label, true);
}

static CK_RV (*real_create)(CK_SESSION_HANDLE, CK_ATTRIBUTE *, CK_ULONG, CK_OBJECT_HANDLE *);

/* Whoever could come between has every opportunity. */
static CK_RV create_slowly(CK_SESSION_HANDLE session, CK_ATTRIBUTE *t, CK_ULONG n, CK_OBJECT_HANDLE *ret)
{
	for (int i = 0; i < 20; i++)
		sched_yield();
	return real_create(session, t, n, ret);
}

static int guests_at_once(void)
{
	CHECK(open_host() == 0);
	real_create = host_functions(host)->C_CreateObject;
	host_functions(host)->C_CreateObject = create_slowly;
	for (size_t i = 0; i < RACE_RIVALS; i++)
		CHECK(enter_with_pin(&rivals[i]) == CKR_OK);
	CHECK(race_is_fair(try));
	host_functions(host)->C_CreateObject = real_create;
	for (size_t i = 0; i < RACE_RIVALS; i++)
		guest_free(rivals[i].guest);
	host_free(host);
	return 0;
}

static void of_guests_that_look_first_one_writes(void **state)
{
	(void)state;
	assert_int_equal(in_child(guests_at_once), 0);
}

/* ---- what holds nobody up ---- */

static struct visitor beside;
static CK_RV of_beside;
static CK_RV (*real_random)(CK_SESSION_HANDLE, CK_BYTE *, CK_ULONG);
static CK_C_GenerateKeyPair real_pair;

static void *write_beside(void *label)
{
	of_beside = make_once(&beside, label, true);
	return NULL;
}

/* While the caller is in the library. */
static void let_write(const char *label)
{
	pthread_t thread;

	pthread_create(&thread, NULL, write_beside, (void *)label);
	pthread_join(thread, NULL);
}

static CK_RV random_beside(CK_SESSION_HANDLE session, CK_BYTE *out, CK_ULONG len)
{
	let_write("beside random");
	return real_random(session, out, len);
}

static CK_RV pair_beside(CK_SESSION_HANDLE session, CK_MECHANISM *m, CK_ATTRIBUTE *open, CK_ULONG n_open, CK_ATTRIBUTE *hidden,
			 CK_ULONG n_hidden, CK_OBJECT_HANDLE *ret_open, CK_OBJECT_HANDLE *ret_hidden)
{
	let_write("beside a pair");
	return real_pair(session, m, open, n_open, hidden, n_hidden, ret_open, ret_hidden);
}

static int a_key_beside(void)
{
	static CK_BYTE p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
	CK_MECHANISM m = {CKM_EC_KEY_PAIR_GEN, NULL, 0};
	CK_ATTRIBUTE t = {CKA_EC_PARAMS, p256, sizeof(p256)}, session_key = {CKA_TOKEN, &(CK_BBOOL){CK_FALSE}, 1};
	CK_OBJECT_HANDLE open, hidden;
	struct visitor maker;

	CHECK(open_host() == 0);
	CHECK(enter_with_pin(&maker) == CKR_OK && enter_with_pin(&beside) == CKR_OK);
	real_pair = host_functions(host)->C_GenerateKeyPair;
	host_functions(host)->C_GenerateKeyPair = pair_beside;
	CHECK(call(&maker, p11_generate_key_pair(maker.session, &m, &t, 1, &session_key, 1, &open, &hidden)) == CKR_OK);
	CHECK(of_beside == CKR_OK);
	return 0;
}

static int a_stranger_beside(void)
{
	CK_OBJECT_CLASS class = CKO_DATA;
	CK_ATTRIBUTE t = {CKA_CLASS, &class, sizeof(class)};
	CK_OBJECT_HANDLE object;
	struct visitor stranger;
	CK_BYTE out[8];

	CHECK(open_host() == 0);
	CHECK(enter(&stranger, NULL, 0) == CKR_OK && enter_with_pin(&beside) == CKR_OK);
	real_random = host_functions(host)->C_GenerateRandom;
	host_functions(host)->C_GenerateRandom = random_beside;
	struct p11_call calls[] = {
		p11_generate_random(stranger.session, out, sizeof(out)),
		p11_create_object(stranger.session, &t, 1, &object),
	};

	guest_execute(stranger.guest, calls, 2);
	CHECK(calls[0].rv == CKR_OK && calls[1].rv == CKR_USER_NOT_LOGGED_IN);
	CHECK(of_beside == CKR_OK);
	return 0;
}

static void who_makes_a_key_holds_nobody_up(void **state)
{
	(void)state;
	assert_int_equal(in_child(a_key_beside), 0);
}

static void who_is_not_logged_in_holds_nobody_up(void **state)
{
	(void)state;
	assert_int_equal(in_child(a_stranger_beside), 0);
}

/* ---- what a guest sees, and what is its own ---- */

static int absences(void)
{
	struct visitor a, b, stranger;

	CHECK(open_host() == 0);
	CHECK(enter_with_pin(&a) == CKR_OK && enter_with_pin(&b) == CKR_OK && enter(&stranger, NULL, 0) == CKR_OK);
	CHECK(make_once(&a, "fleeting", false) == CKR_OK);
	CHECK(absent(&a, "fleeting") == CKR_OBJECT_HANDLE_INVALID);
	CHECK(absent(&b, "fleeting") == CKR_OK);
	CHECK(make_once(&b, "fleeting", false) == CKR_OK);
	CHECK(make_once(&a, "private", true) == CKR_OK);
	CHECK(absent(&b, "private") == CKR_OBJECT_HANDLE_INVALID);
	CHECK(absent(&stranger, "private") == CKR_OK);
	/* Nor does anybody ask in another's session. */
	stranger.session = a.session;
	CHECK(absent(&stranger, "private") == CKR_SESSION_HANDLE_INVALID);
	return 0;
}

static CK_RV take(const struct visitor *v, struct p11_lease *ret)
{
	return call(v, p11_lease(v->session, "the lease", 9, "a test", 6, 60000, 0, ret));
}

static int leases(void)
{
	struct visitor a, b, stranger;
	struct p11_lease lease;

	CHECK(open_host() == 0);
	CHECK(enter_with_pin(&a) == CKR_OK && enter_with_pin(&b) == CKR_OK && enter(&stranger, NULL, 0) == CKR_OK);
	CHECK(take(&stranger, &lease) == CKR_USER_NOT_LOGGED_IN);
	CHECK(take(&a, &lease) == CKR_OK && lease.number);
	CHECK(take(&b, &lease) == CKR_FUNCTION_REJECTED && strcmp(lease.holder, "a test") == 0);
	guest_free(a.guest);
	CHECK(take(&b, &lease) == CKR_OK);
	return 0;
}

static void what_a_guest_does_not_see_is_absent(void **state)
{
	(void)state;
	assert_int_equal(in_child(absences), 0);
}

static void a_lease_ends_with_its_guest(void **state)
{
	(void)state;
	assert_int_equal(in_child(leases), 0);
}

/* ---- the log ---- */

static int pins_that_nobody_looks_at(void)
{
	owned(buf) struct buf log = {.max = 1 << 20};
	char *path = file_join(it.folder, "log");
	struct visitor v[5];

	CHECK(open_host() == 0);
	log_to_fd(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600), LOG_LEVEL_INFO);
	for (int i = 0; i < 5; i++) {
		char pin[] = "wrong 0";

		/* Three are shown to the token. */
		pin[6] += (char)i;
		CHECK(enter(&v[i], pin, 7) == (i < 3 ? CKR_PIN_INCORRECT : CKR_PIN_LOCKED));
	}
	CHECK(file_read(path, &log, NULL) == 0);
	CHECK(strstr(buf_text(&log), "wrong PIN of 'somebody' (CKR_PIN_INCORRECT), 3 in a row"));
	CHECK(strstr(buf_text(&log), "not looked at (CKR_PIN_LOCKED)"));
	CHECK(!strstr(buf_text(&log), "(CKR_PIN_LOCKED), "));
	free(path);
	return 0;
}

static void a_pin_that_was_not_looked_at_is_not_called_wrong(void **state)
{
	(void)state;
	assert_int_equal(in_child(pins_that_nobody_looks_at), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_guests_that_look_first_one_writes),
		cmocka_unit_test(who_makes_a_key_holds_nobody_up),
		cmocka_unit_test(who_is_not_logged_in_holds_nobody_up),
		cmocka_unit_test(what_a_guest_does_not_see_is_absent),
		cmocka_unit_test(a_lease_ends_with_its_guest),
		cmocka_unit_test(a_pin_that_was_not_looked_at_is_not_called_wrong),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
