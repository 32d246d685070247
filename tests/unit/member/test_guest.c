/* SPDX-License-Identifier: Apache-2.0 */
/* Guests of one host on a real token: who writes does so in one step, who makes keys holds nobody up. */
#include <fcntl.h>
#include <sched.h>

#include "fixture.h"
#include "base/log.h"
#include "hosted.h"
#include "member/instance.h"
#include "member/visit.h"
#include "p11/rv.h"
#include "race.h"

/* A visit to the host with a session. */
struct visitor {
	struct visit *visit;
	CK_SESSION_HANDLE session;
};

static CK_RV call(const struct visitor *v, struct p11_call call)
{
	visit_execute(v->visit, &call, 1);
	return call.rv;
}

static CK_RV enter_as(struct visitor *v, const struct host_peer *peer, const uint8_t *instance)
{
	if (visit_begin(host, peer, instance, &v->visit, NULL) < 0)
		return CKR_HOST_MEMORY;
	return call(v, p11_C_OpenSession(0, CKF_SERIAL_SESSION | CKF_RW_SESSION, &v->session));
}

static CK_RV enter(struct visitor *v, const char *pin, CK_ULONG len)
{
	CK_RV rv = enter_as(v, &somebody, NULL);

	return rv == CKR_OK && pin ? call(v, p11_C_Login(v->session, CKU_USER, pin, len)) : rv;
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
		p11_X_Absent(v->session, t, 1),
		p11_C_CreateObject(v->session, t, 4, &object),
	};

	visit_execute(v->visit, calls, 2);
	return calls[0].rv == CKR_OK ? calls[1].rv : calls[0].rv;
}

static CK_RV absent(const struct visitor *v, const char *label)
{
	CK_ATTRIBUTE t = {CKA_LABEL, (void *)label, strlen(label)};

	return call(v, p11_X_Absent(v->session, &t, 1));
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
		visit_free(rivals[i].visit);
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
	CHECK(call(&maker, p11_C_GenerateKeyPair(maker.session, &m, &t, 1, &session_key, 1, &open, &hidden)) == CKR_OK);
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
		p11_C_GenerateRandom(stranger.session, out, sizeof(out)),
		p11_C_CreateObject(stranger.session, &t, 1, &object),
	};

	visit_execute(stranger.visit, calls, 2);
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
	return call(v, p11_X_Lease(v->session, "the lease", 9, "a test", 6, 60000, 0, ret));
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
	visit_free(a.visit);
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

/* ---- instances ---- */

static CK_RV login(const struct visitor *v)
{
	owned(secret) struct secret *pin = good_pin();

	return call(v, p11_C_Login(v->session, CKU_USER, pin->data, pin->len));
}

static int certificates(void)
{
	static const uint8_t instance[INSTANCE_LEN] = {1}, elsewhere[INSTANCE_LEN] = {2};
	struct visitor a, b, stranger, other;
	struct p11_lease lease;

	CHECK(open_host() == 0);
	CHECK(enter_as(&a, &somebody, instance) == CKR_OK && enter_as(&b, &somebody, instance) == CKR_OK);
	CHECK(enter_as(&stranger, &another, instance) == CKR_OK && enter_as(&other, &somebody, elsewhere) == CKR_OK);
	CHECK(login(&a) == CKR_OK);
	CHECK(visit_is_logged_in(b.visit) && !visit_is_logged_in(stranger.visit) && !visit_is_logged_in(other.visit));
	CHECK(login(&stranger) == CKR_OK);
	CHECK(make_once(&a, "ours", false) == CKR_OK);
	CHECK(absent(&b, "ours") == CKR_OBJECT_HANDLE_INVALID && absent(&stranger, "ours") == CKR_OK);
	stranger.session = a.session;
	CHECK(absent(&stranger, "ours") == CKR_SESSION_HANDLE_INVALID);
	/* The lease is no visit's, but theirs. */
	CHECK(take(&a, &lease) == CKR_OK);
	visit_free(a.visit);
	CHECK(take(&b, &lease) == CKR_FUNCTION_REJECTED);
	CHECK(absent(&b, "ours") == CKR_OBJECT_HANDLE_INVALID);
	visit_free(b.visit);
	/* Who comes back after all have gone finds nothing. */
	CHECK(enter_as(&a, &somebody, instance) == CKR_OK);
	CHECK(!visit_is_logged_in(a.visit) && login(&a) == CKR_OK);
	CHECK(absent(&a, "ours") == CKR_OK && take(&a, &lease) == CKR_OK);
	return 0;
}

static void an_instance_is_one_guest_for_each_certificate(void **state)
{
	(void)state;
	assert_int_equal(in_child(certificates), 0);
}

static unsigned closed;
static CK_C_CloseSession real_close;

static CK_RV close_and_count(CK_SESSION_HANDLE session)
{
	closed++;
	return real_close(session);
}

/* The handle of the one object with this label. */
static CK_OBJECT_HANDLE look_up(const struct visitor *v, const char *label)
{
	CK_ATTRIBUTE t = {CKA_LABEL, (void *)label, strlen(label)};
	CK_OBJECT_HANDLE object = CK_INVALID_HANDLE;
	CK_ULONG count = 0;
	struct p11_call calls[] = {
		p11_C_FindObjectsInit(v->session, &t, 1),
		p11_C_FindObjects(v->session, &object, 1, &count),
		p11_C_FindObjectsFinal(v->session),
	};

	visit_execute(v->visit, calls, 3);
	return count == 1 ? object : CK_INVALID_HANDLE;
}

static int sessions(void)
{
	static const uint8_t instance[INSTANCE_LEN] = {1};
	struct visitor a, b, c;

	CHECK(open_host() == 0);
	CHECK(enter_as(&a, &somebody, instance) == CKR_OK && login(&a) == CKR_OK);
	CHECK(enter_as(&b, &somebody, instance) == CKR_OK && enter_as(&c, &somebody, instance) == CKR_OK);
	real_close = host_functions(host)->C_CloseSession;
	host_functions(host)->C_CloseSession = close_and_count;
	CHECK(make_once(&a, "first", false) == CKR_OK && make_once(&a, "second", false) == CKR_OK);
	CHECK(make_once(&c, "third", false) == CKR_OK);
	closed = 0;
	/* Left behind, for as long as anything lives by it, and not to be used. */
	visit_free(a.visit);
	CHECK(closed == 0);
	a.visit = b.visit;
	CHECK(absent(&a, "first") == CKR_SESSION_HANDLE_INVALID);
	CHECK(call(&b, p11_C_DestroyObject(b.session, look_up(&b, "first"))) == CKR_OK && closed == 0);
	CHECK(call(&b, p11_C_DestroyObject(b.session, look_up(&b, "second"))) == CKR_OK && closed == 1);
	/* Closing one destroys what was made on it, from wherever it is closed. */
	CHECK(call(&b, p11_C_CloseSession(c.session)) == CKR_OK && closed == 2);
	CHECK(absent(&b, "third") == CKR_OK);
	CHECK(absent(&c, "third") == CKR_SESSION_HANDLE_INVALID);
	visit_free(c.visit);
	visit_free(b.visit);
	CHECK(closed == 4);	/* with the one of absent() */
	return 0;
}

static void session_objects_outlive_the_connection_they_were_made_on(void **state)
{
	(void)state;
	assert_int_equal(in_child(sessions), 0);
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
		cmocka_unit_test(an_instance_is_one_guest_for_each_certificate),
		cmocka_unit_test(session_objects_outlive_the_connection_they_were_made_on),
		cmocka_unit_test(a_pin_that_was_not_looked_at_is_not_called_wrong),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
