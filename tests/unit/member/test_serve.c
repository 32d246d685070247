/* SPDX-License-Identifier: Apache-2.0 */
/* A host that is served over socketpairs, in one process: what an appliance says without a network. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "fixture.h"
#include "hosted.h"
#include "member/instance.h"
#include "member/link.h"
#include "member/serve.h"
#include "p11/rv.h"

/* ---- a service, and its conversations ---- */

enum { SERVED_MAX = 64 };

struct served {
	struct conversation conversation;
	struct stream *stream;
	const struct host_peer *peer;
	pthread_t thread;
	atomic_bool ended;
};

static struct service service;
static pthread_t heart;
static struct served served[SERVED_MAX];
static atomic_uint n_served;
static bool is_full;

static int open_service(void)
{
	if (open_host() < 0)
		return -1;
	service_init(&service, host, "unit", 0);
	return pthread_create(&heart, NULL, service_heart, &service);
}

static void *serve_thread(void *data)
{
	struct served *s = data;
	struct err err = {0};

	conversation_hold(&s->conversation, s->stream, s->peer, !is_full, &err);
	stream_free(s->stream);
	atomic_store(&s->ended, true);
	return NULL;
}

/* The client's end. */
static struct stream *connect_as(const struct host_peer *peer)
{
	struct served *s = &served[atomic_fetch_add(&n_served, 1)];
	struct stream *stream;
	int fds[2];

	if (s >= served + SERVED_MAX || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		abort();
	s->peer = peer;
	conversation_init(&s->conversation, &service);
	if (stream_over_socket(fds[0], &stream, NULL) < 0 || stream_over_socket(fds[1], &s->stream, NULL) < 0)
		abort();
	pthread_create(&s->thread, NULL, serve_thread, s);
	return stream;
}

/* All clients have gone. */
static int close_service(void)
{
	for (unsigned i = 0; i < atomic_load(&n_served); i++) {
		pthread_join(served[i].thread, NULL);
		conversation_release(&served[i].conversation);
	}
	service_stop(&service);
	pthread_join(heart, NULL);
	host_free(host);
	return 0;
}

static bool await_end(const struct served *s)
{
	for (int n = 0; n < 1000 && !atomic_load(&s->ended); n++)
		clock_sleep_ms(10);
	return atomic_load(&s->ended);
}

/* ---- members by socketpair ---- */

static atomic_uint logins;
static _Atomic(const struct link_ops *) real_link;

static int count_logins(struct link *link, struct p11_call *calls, size_t count, const struct call_limit *limit,
			struct err *err)
{
	for (size_t i = 0; i < count; i++)
		atomic_fetch_add(&logins, calls[i].fn == P11_C_Login);
	return atomic_load(&real_link)->call(link, calls, count, limit, err);
}

static struct link_ops counting;
static pthread_once_t counting_once = PTHREAD_ONCE_INIT;

static void init_counting(void)
{
	counting = *atomic_load(&real_link);
	counting.call = count_logins;
}

static int open_by_pair(const struct member_config *config, struct link **ret, struct err *err)
{
	int64_t deadline = clock_now_ms() + config->connect_ms;
	int rc = link_stream_open(config, connect_as(config->via_data), FRAME_VERSION, deadline, ret, err);

	if (rc < 0)
		return rc;
	atomic_store(&real_link, (*ret)->ops);
	pthread_once(&counting_once, init_counting);
	(*ret)->ops = &counting;
	return 0;
}

static const struct link_ops by_pair = {.open = open_by_pair};

static struct member *open_pair_member(const char *pin)
{
	const struct member_config config = {
		.via = &by_pair, .via_data = (void *)&somebody, .name = "unit", .serial = it.serial,
		.connect_ms = 5000, .answer_ms = 5000, .call_ms = 30000,
	};
	struct member *member;

	if (member_open(&config, &member, NULL) < 0)
		abort();
	if (pin)
		member_set_pin(member, good_pin());
	return member;
}

static CK_RV random_on(struct member_channel *channel, CK_SESSION_HANDLE session)
{
	CK_BYTE random[8];
	struct p11_call call = p11_C_GenerateRandom(session, random, sizeof(random));

	return member_call(channel, &call, 1, NULL, NULL) < 0 ? CKR_DEVICE_REMOVED : call.rv;
}

/* ---- what channels have together ---- */

static int one_guest(void)
{
	struct member *member;
	struct member_channel *a, *b;
	CK_OBJECT_HANDLE key;

	CHECK(open_service() == 0);
	member = open_pair_member(GOOD);
	CHECK(member_acquire(member, &a, NULL) == 0 && member_acquire(member, &b, NULL) == 0);
	CHECK(logins == 1);
	CHECK(generate(a, false, "fleeting", &key) == 0);
	CHECK(find(b, "fleeting", NULL) == 1 && sign(b, key, NULL) == 0);
	CHECK(random_on(b, member_session(a)) == CKR_OK);
	/* The connection goes, its session with it; what was made on it stays. */
	member_spoil(a);
	member_release(a);
	CHECK(await_end(&served[0]));
	CHECK(sign(b, key, NULL) == 0);
	a = NULL;
	CHECK(member_acquire(member, &a, NULL) == 0 && logins == 1);
	CHECK(sign(a, key, NULL) == 0);
	member_release(a);
	member_release(b);
	member_free(member);
	return close_service();
}

static void channels_of_a_member_are_one_guest(void **state)
{
	(void)state;
	assert_int_equal(in_child(one_guest), 0);
}

static int two_members(void)
{
	struct member *in, *out;
	struct member_channel *inside, *outside;
	CK_OBJECT_HANDLE key;

	CHECK(open_service() == 0);
	in = open_pair_member(GOOD);
	out = open_pair_member(NULL);
	CHECK(member_acquire(in, &inside, NULL) == 0 && generate(inside, false, "fleeting", &key) == 0);
	CHECK(member_acquire(out, &outside, NULL) == 0 && find(outside, "fleeting", NULL) == 0);
	CHECK(sign(inside, key, NULL) == 0);
	member_release(inside);
	member_release(outside);
	member_free(in);
	member_free(out);
	return close_service();
}

static void members_of_a_process_are_guests_by_themselves(void **state)
{
	(void)state;
	assert_int_equal(in_child(two_members), 0);
}

static int logging_out(void)
{
	struct member *member;
	struct member_channel *a, *b, *c;
	CK_OBJECT_HANDLE key;
	struct secret *wrong;
	struct err err = {0};
	struct p11_call call;

	CHECK(open_service() == 0);
	member = open_pair_member(GOOD);
	CHECK(member_acquire(member, &a, NULL) == 0 && member_acquire(member, &b, NULL) == 0);
	CHECK(generate(a, false, "fleeting", &key) == 0);
	call = p11_C_Logout(member_session(a));
	CHECK(member_run(a, &call, 1, NULL) == 0);
	CHECK(sign(b, key, &err) < 0 && err.rv == CKR_USER_NOT_LOGGED_IN);
	/* Whoever comes next logs in again, for all. */
	CHECK(member_acquire(member, &c, NULL) == 0 && logins == 2);
	CHECK(sign(c, key, NULL) == 0 && sign(a, key, NULL) == 0);
	/* A PIN that was taken back opens nothing, though a channel is still out, nor does another one. */
	member_release(b);
	member_release(c);
	CHECK(secret_new("not the PIN", 11, &wrong, NULL) == 0);
	member_set_pin(member, wrong);
	CHECK(member_acquire(member, &b, &err) == -ERR_PIN && err.rv == CKR_PIN_INCORRECT);
	CHECK(sign(a, key, NULL) == 0);
	member_set_pin(member, NULL);
	CHECK(member_acquire(member, &b, NULL) == 0 && find(b, "fleeting", NULL) == 0);
	member_release(a);
	member_release(b);
	member_free(member);
	return close_service();
}

static void a_logout_is_for_all_channels_and_so_is_the_next_login(void **state)
{
	(void)state;
	assert_int_equal(in_child(logging_out), 0);
}

/* ---- at once ---- */

enum { CROWD = 4, ROUNDS = 20 };

static struct {
	struct member *member;
	struct member_channel *first;
	pthread_barrier_t start;
	CK_OBJECT_HANDLE keys[CROWD];
	atomic_uint bad, inside;
	CK_C_GenerateRandom random;
} crowd;

/* A session serves one call at a time. */
static CK_RV random_alone(CK_SESSION_HANDLE session, CK_BYTE *out, CK_ULONG len)
{
	CK_RV rv;

	atomic_fetch_add(&crowd.bad, atomic_fetch_add(&crowd.inside, 1) != 0);
	sched_yield();
	rv = crowd.random(session, out, len);
	atomic_fetch_sub(&crowd.inside, 1);
	return rv;
}

/* Each makes a key, signs with another's, and draws from a session that all have. */
static void *crowd_thread(void *number)
{
	size_t n = (size_t)number;

	for (int round = 0; round < ROUNDS; round++) {
		struct member_channel *channel = NULL;
		unsigned bad = member_acquire(crowd.member, &channel, NULL) < 0 ||
			       generate(channel, false, "shared", &crowd.keys[n]) < 0;

		pthread_barrier_wait(&crowd.start);
		bad = bad || random_on(channel, member_session(crowd.first)) != CKR_OK ||
		      sign(channel, crowd.keys[(n + 1) % CROWD], NULL) < 0;
		atomic_fetch_add(&crowd.bad, bad);
		if (round % 2 && channel && atomic_load(&n_served) < SERVED_MAX - 2 * CROWD)
			member_spoil(channel);
		member_release(channel);
		pthread_barrier_wait(&crowd.start);
	}
	return NULL;
}

static int at_once(void)
{
	pthread_t threads[CROWD];

	CHECK(open_service() == 0);
	crowd.random = host_functions(host)->C_GenerateRandom;
	host_functions(host)->C_GenerateRandom = random_alone;
	crowd.member = open_pair_member(GOOD);
	CHECK(member_acquire(crowd.member, &crowd.first, NULL) == 0);
	pthread_barrier_init(&crowd.start, NULL, CROWD);
	for (size_t i = 0; i < CROWD; i++)
		pthread_create(&threads[i], NULL, crowd_thread, (void *)i);
	for (size_t i = 0; i < CROWD; i++)
		pthread_join(threads[i], NULL);
	CHECK(crowd.bad == 0 && logins == 1);
	CHECK(find(crowd.first, "shared", NULL) == CROWD * ROUNDS);
	member_release(crowd.first);
	member_free(crowd.member);
	return close_service();
}

static void connections_of_one_guest_call_at_once(void **state)
{
	(void)state;
	assert_int_equal(in_child(at_once), 0);
}

/* ---- a call that takes its time ---- */

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool entered, open;
} gate = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void gate_set(bool *what)
{
	pthread_mutex_lock(&gate.lock);
	*what = true;
	pthread_cond_broadcast(&gate.changed);
	pthread_mutex_unlock(&gate.lock);
}

static void gate_await(const bool *what)
{
	pthread_mutex_lock(&gate.lock);
	while (!*what)
		pthread_cond_wait(&gate.changed, &gate.lock);
	pthread_mutex_unlock(&gate.lock);
}

/* The library does not come back from it before the gate is opened. */
static CK_RV random_behind_gate(CK_SESSION_HANDLE session, CK_BYTE *out, CK_ULONG len)
{
	(void)session;
	gate_set(&gate.entered);
	gate_await(&gate.open);
	memset(out, 0, len);
	return CKR_OK;
}

static void *random_thread(void *channel)
{
	return (void *)(uintptr_t)random_on(channel, member_session(channel));
}

static int cut_in_the_middle(void)
{
	struct member *member, *other;
	struct member_channel *channel;
	CK_OBJECT_HANDLE key;
	pthread_t thread;
	void *rv;

	CHECK(open_service() == 0);
	member = open_pair_member(GOOD);
	other = open_pair_member(GOOD);
	CHECK(member_acquire(member, &channel, NULL) == 0 && generate(channel, false, "fleeting", &key) == 0);
	host_functions(host)->C_GenerateRandom = random_behind_gate;
	pthread_create(&thread, NULL, random_thread, channel);
	gate_await(&gate.entered);
	member_cut(member);
	pthread_join(thread, &rv);
	CHECK((CK_RV)(uintptr_t)rv == CKR_DEVICE_REMOVED && !member_ended(channel));
	member_release(channel);
	/* Others are served meanwhile; what the call was in goes when it is over. */
	CHECK(member_acquire(other, &channel, NULL) == 0 && find(channel, "fleeting", NULL) == 0);
	CHECK(!atomic_load(&served[0].ended));
	gate_set(&gate.open);
	CHECK(await_end(&served[0]));
	CHECK(random_on(channel, member_session(channel)) == CKR_OK);
	member_release(channel);
	member_free(other);
	member_free(member);
	return close_service();
}

static void a_cut_in_the_middle_of_a_call_ends_it(void **state)
{
	(void)state;
	assert_int_equal(in_child(cut_in_the_middle), 0);
}

/* ---- frames by hand ---- */

/* The kind of what comes back; more: bytes behind the versions. */
static int hello(struct stream *stream, uint8_t newest, size_t more, struct buf *ret)
{
	static const uint8_t zeros[64];
	owned(buf) struct buf frame = {.max = 4096};

	frame_begin(&frame);
	buf_put_str(&frame, "hsmctl");
	buf_put_u8(&frame, FRAME_OLDEST);
	buf_put_u8(&frame, newest);
	buf_put(&frame, zeros, more);
	return send_frame(stream, &frame, FRAME_HELLO) < 0 ? -1 : receive(stream, ret);
}

/* What is left of a welcome behind the device's name; -1 = it is none of this version. */
static int welcome_tail(const struct buf *body, uint8_t version)
{
	struct buf_reader r = buf_reader(body->data, body->len);
	uint8_t said = buf_get_u8(&r);
	size_t len;

	buf_get_u64(&r);
	buf_get_bytes(&r, &len);
	buf_get_bytes(&r, &len);
	return r.bad || said != version ? -1 : (int)(r.len - r.pos);
}

static int versions(void)
{
	static const struct {
		uint8_t newest;
		size_t more;
		int kind;
		uint8_t version;
		int tail;
	} cases[] = {
		{1, 0, FRAME_WELCOME, 1, 0},
		{2, 0, FRAME_WELCOME, 2, 0},
		{3, 16, FRAME_WELCOME, 3, 1},
		{4, 16, FRAME_WELCOME, 4, 1},
		{9, 16, FRAME_WELCOME, 4, 1},
		{9, 30, FRAME_WELCOME, 4, 1},	/* what it says besides is not for us */
		{2, 16, FRAME_REFUSED, 0, 0},
		{3, 0, FRAME_REFUSED, 0, 0},
		{3, 15, FRAME_REFUSED, 0, 0},
		{3, 17, FRAME_REFUSED, 0, 0},
		{9, 15, FRAME_REFUSED, 0, 0},
		{9, 57, FRAME_REFUSED, 0, 0},
	};

	CHECK(open_service() == 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		owned(stream) struct stream *stream = connect_as(&somebody);
		owned(buf) struct buf body = {.max = 4096};
		int kind = hello(stream, cases[i].newest, cases[i].more, &body);

		if (kind != cases[i].kind)
			fprintf(stderr, "case %zu: %d\n", i, kind);
		CHECK(kind == cases[i].kind);
		if (kind == FRAME_WELCOME)
			CHECK(welcome_tail(&body, cases[i].version) == cases[i].tail);
		else
			CHECK(body.data[0] == FRAME_MALFORMED);
	}
	return close_service();
}

static void clients_of_other_versions_are_understood(void **state)
{
	(void)state;
	assert_int_equal(in_child(versions), 0);
}

static int send_random(struct stream *stream, CK_SESSION_HANDLE *session)
{
	owned(buf) struct buf frame = {.max = 4096}, body = {.max = 4096};
	CK_BYTE random[8];
	struct p11_call call = p11_C_OpenSession(0, CKF_SERIAL_SESSION, session);
	struct buf_reader r;

	frame_begin(&frame);
	p11_encode_request(&frame, &call, 1);
	CHECK(send_frame(stream, &frame, FRAME_CALL) == 0 && receive(stream, &body) == FRAME_REPLY);
	r = buf_reader(body.data, body.len);
	buf_get_u64(&r);
	CHECK(p11_decode_reply(&r, &call, 1, NULL) == 0 && call.rv == CKR_OK);
	call = p11_C_GenerateRandom(*session, random, sizeof(random));
	frame_begin(&frame);
	p11_encode_request(&frame, &call, 1);
	CHECK(send_frame(stream, &frame, FRAME_CALL) == 0);
	return 0;
}

static int beats(void)
{
	owned(buf) struct buf body = {.max = 4096};
	struct stream *stream;
	CK_SESSION_HANDLE session;

	CHECK(open_service() == 0);
	host_functions(host)->C_GenerateRandom = random_behind_gate;
	stream = connect_as(&somebody);
	CHECK(hello(stream, 3, 16, &body) == FRAME_WELCOME);
	CHECK(send_random(stream, &session) == 0);
	for (int i = 0; i < 3; i++)
		CHECK(receive(stream, &body) == FRAME_BEAT);
	gate_set(&gate.open);
	do
		CHECK(receive(stream, &body) == FRAME_BEAT || body.len);
	while (!body.len);
	stream_free(stream);
	return close_service();
}

static void its_heart_beats_while_a_call_runs(void **state)
{
	(void)state;
	assert_int_equal(in_child(beats), 0);
}

/* ---- refusals ---- */

static int no_place(void)
{
	owned(buf) struct buf body = {.max = 4096};
	struct stream *stream;

	CHECK(open_service() == 0);
	is_full = true;
	stream = connect_as(&somebody);
	CHECK(hello(stream, 3, 16, &body) == FRAME_REFUSED && body.data[0] == FRAME_FULL);
	stream_free(stream);
	return close_service();
}

static void who_finds_no_place_is_told_so(void **state)
{
	(void)state;
	assert_int_equal(in_child(no_place), 0);
}

static int stuck(void)
{
	owned(buf) struct buf body = {.max = 4096};
	struct stream *hung, *late = NULL;
	CK_SESSION_HANDLE session;
	int kind;

	CHECK(open_service() == 0);
	host_functions(host)->C_GenerateRandom = random_behind_gate;
	hung = connect_as(&somebody);
	CHECK(hello(hung, 3, 16, &body) == FRAME_WELCOME);
	CHECK(send_random(hung, &session) == 0);
	gate_await(&gate.entered);
	/* It has had its time. */
	atomic_store(&served[0].conversation.busy_until, 1);
	for (int n = 0; n < 1000 && !atomic_load(&service.stuck); n++)
		clock_sleep_ms(10);
	late = connect_as(&somebody);
	CHECK(hello(late, 3, 16, &body) == FRAME_REFUSED && body.data[0] == FRAME_STUCK);
	stream_free(late);
	gate_set(&gate.open);
	do
		kind = receive(hung, &body);
	while (kind == FRAME_BEAT);
	CHECK(kind == FRAME_REPLY);
	for (int n = 0; n < 1000 && atomic_load(&service.stuck); n++)
		clock_sleep_ms(10);
	late = connect_as(&somebody);
	CHECK(hello(late, 3, 16, &body) == FRAME_WELCOME);
	stream_free(late);
	stream_free(hung);
	return close_service();
}

static void while_the_library_hangs_nobody_is_kept_waiting(void **state)
{
	(void)state;
	assert_int_equal(in_child(stuck), 0);
}

/* ---- instances ---- */

static int other_in_a_child(void)
{
	uint8_t mine[INSTANCE_LEN], again[INSTANCE_LEN], next[INSTANCE_LEN], theirs[INSTANCE_LEN];
	int status;
	pid_t pid;

	CHECK(instance_id(7, mine, NULL) == 0 && instance_id(7, again, NULL) == 0 && instance_id(8, next, NULL) == 0);
	CHECK(memcmp(mine, again, sizeof(mine)) == 0 && memcmp(mine, next, sizeof(mine)) != 0);
	pid = fork();
	if (pid == 0)
		_exit(instance_id(7, theirs, NULL) < 0 || memcmp(mine, theirs, sizeof(mine)) == 0);
	CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
	return 0;
}

static void a_child_is_another_instance(void **state)
{
	(void)state;
	assert_int_equal(in_child(other_in_a_child), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(channels_of_a_member_are_one_guest),
		cmocka_unit_test(members_of_a_process_are_guests_by_themselves),
		cmocka_unit_test(a_logout_is_for_all_channels_and_so_is_the_next_login),
		cmocka_unit_test(connections_of_one_guest_call_at_once),
		cmocka_unit_test(a_cut_in_the_middle_of_a_call_ends_it),
		cmocka_unit_test(clients_of_other_versions_are_understood),
		cmocka_unit_test(its_heart_beats_while_a_call_runs),
		cmocka_unit_test(who_finds_no_place_is_told_so),
		cmocka_unit_test(while_the_library_hangs_nobody_is_kept_waiting),
		cmocka_unit_test(a_child_is_another_instance),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
