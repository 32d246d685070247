/* SPDX-License-Identifier: Apache-2.0 */
/* What happens on the way to the appliance: slow is not dead, beating is not alive, and no PIN stays behind. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>

#include "fixture.h"
#include "member/limit.h"
#include "p11/rv.h"
#include "relay.h"

static struct relay relay;

static int set_up_with_relay(void **state)
{
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(set_up(state), 0);
	relay_start(&relay, it.address);
	return 0;
}

static int tear_down_with_relay(void **state)
{
	relay_end(&relay);
	return tear_down(state);
}

static CK_OBJECT_HANDLE make_aes(struct member_channel *channel)
{
	CK_MECHANISM mechanism = {CKM_AES_KEY_GEN, NULL, 0};
	CK_BBOOL no = CK_FALSE, yes = CK_TRUE;
	CK_ULONG len = 32;
	CK_ATTRIBUTE t[] = {{CKA_TOKEN, &no, 1}, {CKA_VALUE_LEN, &len, sizeof(len)}, {CKA_ENCRYPT, &yes, 1}};
	CK_OBJECT_HANDLE key;
	struct p11_call call = p11_C_GenerateKey(member_session(channel), &mechanism, t, 3, &key);

	assert_int_equal(member_run(channel, &call, 1, NULL), 0);
	return key;
}

/* So many bytes to the token, and as many back. */
static int encrypt(struct member_channel *channel, CK_OBJECT_HANDLE key, size_t size, struct err *err)
{
	CK_BYTE iv[16] = {0};
	CK_MECHANISM mechanism = {CKM_AES_CBC_PAD, iv, sizeof(iv)};
	owned(mem) uint8_t *in = mem_zalloc(size), *out = mem_zalloc(size + 64);
	CK_ULONG len = size + 64;
	struct p11_call calls[] = {
		p11_init(P11_C_EncryptInit, member_session(channel), &mechanism, key),
		p11_transform(P11_C_Encrypt, member_session(channel), in, size, out, &len),
	};

	return member_run(channel, calls, 2, err);
}

static void a_slow_line_is_not_taken_for_a_dead_one(void **state)
{
	owned(member) struct member *member = open_member_at(relay.address, it.tls, GOOD, 300);
	struct member_channel *channel;
	struct err err = {0};
	CK_OBJECT_HANDLE key;

	(void)state;
	assert_int_equal(member_acquire(member, &channel, &err), 0);
	key = make_aes(channel);
	/* Each way takes more than twice the silence that is allowed. */
	relay_order(&relay, "rate 400000");
	if (encrypt(channel, key, 256 << 10, &err) < 0)
		fail_msg("%s", err.message);
	relay_order(&relay, "rate 0");
	member_release(channel);
}

static void a_silent_line_is_cut(void **state)
{
	owned(member) struct member *member = open_member_at(relay.address, it.tls, NULL, 200);
	struct member_channel *channel;
	struct err err = {0};
	CK_BYTE random[8];
	struct p11_call call;

	(void)state;
	assert_int_equal(member_acquire(member, &channel, &err), 0);
	relay_order(&relay, "silence on");
	call = p11_C_GenerateRandom(member_session(channel), random, sizeof(random));
	assert_int_equal(member_call(channel, &call, 1, NULL, &err), -ERR_UNREACHABLE);
	assert_non_null(strstr(err.message, "no answer within 200 ms"));
	relay_order(&relay, "silence off");
	member_release(channel);
	assert_int_equal(member_probe(member, NULL, &err), 0);
}

/* ---- in a hurry ---- */

static void who_is_in_a_hurry_leaves_a_peer_that_says_nothing(void **state)
{
	struct member *member = open_member_at(relay.address, it.tls, GOOD, 5000);
	struct member_channel *channel;
	struct err err = {0};

	(void)state;
	relay_order(&relay, "silence on");
	assert_int_equal(member_acquire_quick(member, &channel, &err), -ERR_TIMEOUT);
	assert_int_equal(err.retry, ERR_RETRY_SAFE);
	relay_order(&relay, "silence off");
	/* Nothing is known to be wrong with it. */
	assert_int_equal(member_acquire(member, &channel, &err), 0);
	member_release(channel);
	assert_int_equal(member_acquire_quick(member, &channel, &err), 0);
	member_release(channel);
	member_free(member);
}

/* Three times there and back takes longer than one silence may. */
static void who_is_in_a_hurry_waits_for_a_peer_that_goes_on_talking(void **state)
{
	enum { EACH_WAY_MS = MEMBER_QUICK_MS / 4 };
	struct member_channel *channel;
	struct err err = {0};
	char order[32];
	int rc = -ERR_TIMEOUT;

	(void)state;
	snprintf(order, sizeof(order), "delay %d", EACH_WAY_MS);
	relay_order(&relay, order);
	/* This host may be too busy once in a while. */
	for (int n = 0; n < 50 && rc == -ERR_TIMEOUT; n++) {
		owned(member) struct member *member = open_member_at(relay.address, it.tls, NULL, 5000);
		int64_t start = clock_now_ms();

		rc = member_acquire_quick(member, &channel, &err);
		if (rc < 0)
			continue;
		assert_true(clock_now_ms() - start > MEMBER_QUICK_MS);
		member_release(channel);
	}
	relay_order(&relay, "delay 0");
	assert_int_equal(rc, 0);
}

/* ---- other peers than appliances of now ---- */

/* What answers a client instead of the appliance; one connection, after those whose hello it does not know. */
struct peer {
	uint8_t version;
	void (*serve)(struct stream *stream, const struct buf *call);	/* after the welcome */
	struct tls_context *context;
	int listener;
	char address[32];
	pthread_t thread;
};

static struct stream *peer_accept(struct peer *peer)
{
	struct stream *stream = NULL;
	struct tls *tls = NULL;
	int fd = accept4(peer->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (tls_handshake(peer->context, fd, ~0u, NULL, clock_now_ms() + 10000, &tls, NULL) < 0)
		return NULL;
	stream_over_tls(tls, &stream, NULL);
	return stream;
}

/* As an appliance of its version does. False: the hello has more than it knows. */
static bool peer_greet(const struct peer *peer, struct stream *stream)
{
	owned(buf) struct buf in = {.max = FRAME_MAX}, out = {.max = 4096};
	struct frame_pace pace = frame_pace(60000, 60000, 60000);
	bool knows = frame_receive(stream, &in, &pace, NULL) == FRAME_HELLO &&
		     in.len == (peer->version < FRAME_VERSION_INSTANCE ? 8 : 24);

	frame_begin(&out);
	if (knows) {
		buf_put_u8(&out, peer->version);
		buf_put_u64(&out, 1);
		buf_put_bytes(&out, it.serial, strlen(it.serial));
		buf_put_bytes(&out, "peer", 4);
		if (peer->version >= FRAME_VERSION_INSTANCE)
			buf_put_u8(&out, 0);
	} else {
		buf_put_u8(&out, FRAME_MALFORMED);
		buf_put_str(&out, "not a client of this protocol");
	}
	frame_send(stream, &out, knows ? FRAME_WELCOME : FRAME_REFUSED, &pace, NULL);
	return knows;
}

static void *peer_thread(void *data)
{
	struct peer *peer = data;
	owned(buf) struct buf in = {.max = FRAME_MAX};
	struct frame_pace pace = frame_pace(60000, 60000, 60000);
	struct stream *stream = peer_accept(peer);

	while (stream && !peer_greet(peer, stream)) {
		stream_free(stream);
		stream = peer_accept(peer);
	}
	while (stream && frame_receive(stream, &in, &pace, NULL) == FRAME_CALL)
		peer->serve(stream, &in);
	stream_free(stream);
	return NULL;
}

static void peer_start(struct peer *peer)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(in);

	assert_int_equal(tls_context_new(it.pki, "unit", true, &peer->context, NULL), 0);
	peer->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(peer->listener, (struct sockaddr *)&in, len), 0);
	assert_int_equal(listen(peer->listener, 1), 0);
	getsockname(peer->listener, (struct sockaddr *)&in, &len);
	snprintf(peer->address, sizeof(peer->address), "127.0.0.1:%u", ntohs(in.sin_port));
	pthread_create(&peer->thread, NULL, peer_thread, peer);
}

/* Its client has gone. */
static void peer_end(struct peer *peer)
{
	pthread_join(peer->thread, NULL);
	close(peer->listener);
	tls_context_free(peer->context);
}

static void beat_only(struct stream *stream, const struct buf *call)
{
	(void)call;
	while (frame_send_beat(stream, NULL) == 0)
		clock_sleep_ms(20);
}

static void a_peer_that_only_beats_is_left_after_a_short_call(void **state)
{
	struct peer peer = {.version = FRAME_VERSION, .serve = beat_only};
	struct member *member;
	struct err err = {0};

	(void)state;
	peer_start(&peer);
	/* Opening the session is a call, and call_ms is half a minute. */
	member = open_member_at(peer.address, it.tls, NULL, 100);
	assert_int_equal(member_probe(member, NULL, &err), -ERR_UNREACHABLE);
	assert_non_null(strstr(err.message, "no result within 5000 ms"));
	member_free(member);
	peer_end(&peer);
}

/* All goes well; what it does not know it would not take. */
static void nod(struct stream *stream, const struct buf *call)
{
	owned(p11_batch) struct p11_batch batch = {0};
	owned(buf) struct buf out = {.max = 4096};
	struct buf_reader r = buf_reader(call->data, call->len);
	struct frame_pace pace = frame_pace(60000, 60000, 60000);
	int rc = p11_decode_request(&r, P11_RESULT_MAX, &batch, NULL);

	for (size_t i = 0; i < batch.count; i++) {
		batch.calls[i].rv = CKR_OK;
		if (batch.calls[i].fn >= P11_X_Absent)
			rc = -ERR_PROTOCOL;
		if (batch.calls[i].fn == P11_C_GetMechanismInfo)
			((CK_MECHANISM_INFO *)batch.calls[i].args[2].out)->flags = ~0ul;
	}
	if (rc < 0) {
		stream_cut(stream);
		return;
	}
	frame_begin(&out);
	buf_put_u64(&out, 1);
	p11_encode_reply(&out, batch.calls, batch.count);
	frame_send(stream, &out, FRAME_REPLY, &pace, NULL);
}

static void nod_then_beat(struct stream *stream, const struct buf *call)
{
	static bool nodded;

	(nodded ? beat_only : nod)(stream, call);
	nodded = true;
}

static void a_call_lasts_no_longer_than_its_caller_lets_it(void **state)
{
	const struct call_limit limit = {.total_ms = 150};
	struct peer peer = {.version = FRAME_VERSION, .serve = nod_then_beat};
	struct member *member;
	struct member_channel *channel;
	struct err err = {0};
	CK_TOKEN_INFO info;
	struct p11_call call;

	(void)state;
	peer_start(&peer);
	member = open_member_at(peer.address, it.tls, NULL, 5000);
	assert_int_equal(member_acquire(member, &channel, &err), 0);
	call = p11_C_GetTokenInfo(0, &info);
	assert_int_equal(member_call(channel, &call, 1, &limit, &err), -ERR_UNREACHABLE);
	assert_non_null(strstr(err.message, "no result within 150 ms"));
	member_release(channel);
	member_free(member);
	peer_end(&peer);
}

static void an_appliance_of_before_is_not_asked_what_it_does_not_know(void **state)
{
	struct peer peer = {.version = FRAME_OLDEST, .serve = nod};
	struct member *member;
	struct member_channel *channel;
	struct p11_lease lease;
	CK_ULONG ms;
	struct p11_call calls[2];
	struct err err = {0};

	(void)state;
	peer_start(&peer);
	member = open_member_at(peer.address, it.tls, NULL, 5000);
	assert_int_equal(member_acquire(member, &channel, &err), 0);
	for (int i = 0; i < 4; i++) {
		calls[0] = i == 0   ? p11_X_Absent(member_session(channel), NULL, 0)
			   : i == 1 ? p11_X_Age(member_session(channel), 1, &ms)
			   : i == 2 ? p11_X_Lease(member_session(channel), "x", 1, "x", 1, 1, 0, &lease)
				    : p11_C_DestroyObject(member_session(channel), 1);
		calls[1] = i == 3 ? p11_X_Absent(member_session(channel), NULL, 0)
				  : p11_C_DestroyObject(member_session(channel), 1);
		assert_int_equal(member_call(channel, calls, 2, NULL, &err), 0);
		assert_int_equal(calls[0].rv, CKR_FUNCTION_NOT_SUPPORTED);
		assert_int_equal(calls[1].rv, P11_NOT_RUN);
	}
	/* Nor a mechanism that it has no row for. */
	calls[0] = p11_C_SignInit(member_session(channel), &(CK_MECHANISM){CKM_VENDOR_DEFINED | 1, NULL, 0}, 1);
	assert_int_equal(member_call(channel, calls, 1, NULL, &err), 0);
	assert_int_equal(calls[0].rv, CKR_MECHANISM_INVALID);
	/* The rest goes on. */
	calls[0] = p11_C_DestroyObject(member_session(channel), 1);
	assert_int_equal(member_run(channel, calls, 1, &err), 0);
	member_release(channel);
	member_free(member);
	peer_end(&peer);
}

/* Its library may have messages; that cannot be asked for, and is not promised. */
static void an_appliance_of_before_has_no_messages(void **state)
{
	static const CK_MECHANISM aead = {CKM_AES_GCM, NULL, 0};

	(void)state;
	for (uint8_t version = FRAME_VERSION_MECHANISM - 1; version <= FRAME_VERSION_MECHANISM; version++) {
		struct peer peer = {.version = version, .serve = nod};
		struct member *member;
		struct member_channel *channel;
		CK_MECHANISM_INFO info;
		struct p11_call ask = p11_C_GetMechanismInfo(0, CKM_AES_GCM, &info), init;
		bool knows = version >= FRAME_VERSION_MECHANISM;
		struct err err = {0};

		peer_start(&peer);
		member = open_member_at(peer.address, it.tls, NULL, 5000);
		assert_int_equal(member_acquire(member, &channel, &err), 0);
		assert_int_equal(member_call(channel, &ask, 1, NULL, &err), 0);
		assert_int_equal(info.flags & P11_MESSAGE_USES, knows ? P11_MESSAGE_USES : 0);
		assert_int_equal(info.flags & CKF_ENCRYPT, CKF_ENCRYPT);
		init = p11_C_MessageEncryptInit(member_session(channel), &aead, 1);
		/* This one takes it for broken when it hears of it. */
		assert_int_equal(member_call(channel, &init, 1, NULL, &err), knows ? -ERR_UNREACHABLE : 0);
		if (!knows)
			assert_int_equal(init.rv, CKR_FUNCTION_NOT_SUPPORTED);
		member_release(channel);
		member_free(member);
		peer_end(&peer);
	}
}

/* By its version it is decided what it is asked: one that nobody offered decides nothing. */
static void a_welcome_in_a_version_that_was_not_offered_is_refused(void **state)
{
	static const uint8_t versions[] = {FRAME_OLDEST - 1, FRAME_VERSION + 1, UINT8_MAX};

	(void)state;
	for (size_t i = 0; i < sizeof(versions); i++) {
		struct peer peer = {.version = versions[i], .serve = nod};
		struct member *member;
		struct member_channel *channel;
		struct err err = {0};

		peer_start(&peer);
		member = open_member_at(peer.address, it.tls, NULL, 5000);
		assert_int_equal(member_acquire(member, &channel, &err), -ERR_PROTOCOL);
		assert_non_null(strstr(err.message, "which we did not offer"));
		member_free(member);
		peer_end(&peer);
	}
}

/* ---- memory ---- */

/* How often the PIN stands in what the process can be made to dump; secret pages cannot. */
static int count_pins(pid_t pid)
{
	char path[64], line[512];
	int found = 0, memory;
	unsigned long from = 0, to = 0;
	bool readable = false;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
	memory = open(path, O_RDONLY | O_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/%d/smaps", (int)pid);
	maps = fopen(path, "re");
	assert_true(memory >= 0);
	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps)) {
		unsigned long start, end;
		char mode[8];

		if (sscanf(line, "%lx-%lx %7s", &start, &end, mode) == 3) {
			from = start;
			to = end;
			readable = mode[0] == 'r' && !strstr(line, "[v");
		}
		if (strncmp(line, "VmFlags:", 8) != 0 || !readable || strstr(line, " dd"))
			continue;
		owned(mem) uint8_t *bytes = malloc(to - from);
		ssize_t n = pread(memory, bytes, to - from, (off_t)from);

		assert_true(n > 0);

		for (ssize_t i = 0; i + PIN_LEN <= n; i++) {
			int same = 0;

			while (same < PIN_LEN && bytes[i + same] == (MASKED_PIN[same] ^ PIN_MASK))
				same++;
			found += same == PIN_LEN;
		}
	}
	fclose(maps);
	close(memory);
	return found;
}

/* A client that has logged in, and waits. */
static pid_t logged_in_client(int *ret_pipe)
{
	int fds[2];
	pid_t pid;
	char byte;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		struct member *member = open_member(GOOD);
		struct member_channel *channel;

		if (member_acquire(member, &channel, NULL) < 0)
			_exit(1);
		if (write(fds[1], "x", 1) == 1)
			pause();
		_exit(0);
	}
	close(fds[1]);
	assert_int_equal(read(fds[0], &byte, 1), 1);
	*ret_pipe = fds[0];
	return pid;
}

static void after_a_login_the_pin_is_in_no_memory_that_could_be_dumped(void **state)
{
	int fd, in_client, in_appliance;
	char *plain;
	pid_t client;

	(void)state;
	if (geteuid() != 0)
		skip();
	/* It would be found. */
	plain = malloc(PIN_LEN);
	assert_non_null(plain);
	for (size_t i = 0; i < PIN_LEN; i++)
		plain[i] = (char)(MASKED_PIN[i] ^ PIN_MASK);
	assert_true(count_pins(getpid()) > 0);
	explicit_bzero(plain, PIN_LEN);
	free(plain);
	client = logged_in_client(&fd);
	in_client = count_pins(client);
	in_appliance = count_pins(it.pid);
	kill(client, SIGKILL);
	waitpid(client, NULL, 0);
	close(fd);
	assert_int_equal(in_client, 0);
	assert_int_equal(in_appliance, 0);
}

static void a_large_call_leaves_no_large_buffers(void **state)
{
	enum { CHANNELS = 8, SIZE = 3 << 20 };

	(void)state;
#ifdef __SANITIZE_ADDRESS__
	skip();	/* it keeps what was freed */
#endif
	owned(member) struct member *member = open_member(GOOD);
	struct member_channel *channels[CHANNELS];
	struct err err = {0};
	long before, after;

	for (int i = 0; i < CHANNELS; i++)
		assert_int_equal(member_acquire(member, &channels[i], &err), 0);
	before = resident_kb();
	for (int i = 0; i < CHANNELS; i++)
		assert_int_equal(encrypt(channels[i], make_aes(channels[i]), SIZE, &err), 0);
	after = resident_kb();
	for (int i = 0; i < CHANNELS; i++)
		member_release(channels[i]);
	/* One at a time is in the works; they would be eight times two. */
	if (after - before > 10 * SIZE / 1024)
		fail_msg("%ld kB stay", after - before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_slow_line_is_not_taken_for_a_dead_one),
		cmocka_unit_test(a_silent_line_is_cut),
		cmocka_unit_test(who_is_in_a_hurry_leaves_a_peer_that_says_nothing),
		cmocka_unit_test(who_is_in_a_hurry_waits_for_a_peer_that_goes_on_talking),
		cmocka_unit_test(a_peer_that_only_beats_is_left_after_a_short_call),
		cmocka_unit_test(a_call_lasts_no_longer_than_its_caller_lets_it),
		cmocka_unit_test(an_appliance_of_before_is_not_asked_what_it_does_not_know),
		cmocka_unit_test(an_appliance_of_before_has_no_messages),
		cmocka_unit_test(a_welcome_in_a_version_that_was_not_offered_is_refused),
		cmocka_unit_test(after_a_login_the_pin_is_in_no_memory_that_could_be_dumped),
		cmocka_unit_test(a_large_call_leaves_no_large_buffers),
	};

	return cmocka_run_group_tests(tests, set_up_with_relay, tear_down_with_relay);
}
