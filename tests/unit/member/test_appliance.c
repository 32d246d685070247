/* SPDX-License-Identifier: Apache-2.0 */
/* An appliance on a real token: signatures across its death, and what its guests may not do. */
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "fixture.h"
#include "p11/rv.h"
#include "race.h"

static void a_client_signs_again_after_the_daemon_was_killed_and_restarted(void **state)
{
	owned(member) struct member *member = open_member(GOOD);
	struct member_channel *channel;
	CK_OBJECT_HANDLE key;
	struct err err = {0};
	uint64_t epoch;

	(void)state;
	assert_int_equal(member_acquire(member, &channel, &err), 0);
	assert_int_equal(generate(channel, true, "kept", &key), 0);
	assert_int_equal(sign(channel, key, &err), 0);
	epoch = member_epoch(channel);
	end(SIGKILL);
	assert_true(sign(channel, key, &err) < 0);
	assert_int_not_equal(err.retry, ERR_RETRY_NEVER);
	member_release(channel);
	assert_int_equal(member_acquire(member, &channel, &err), -ERR_UNREACHABLE);
	assert_int_equal(err.retry, ERR_RETRY_SAFE);
	start();
	assert_int_equal(member_acquire(member, &channel, &err), 0);
	assert_int_not_equal(member_epoch(channel), epoch);
	assert_int_equal(find(channel, "kept", &key), 1);
	assert_int_equal(sign(channel, key, &err), 0);
	member_release(channel);
}

static void a_stopped_daemon_is_cut_at_the_deadline(void **state)
{
	const struct member_config config = {
		.name = "unit", .link = FLEET_LINK_TLS, .address = it.address, .tls = it.tls, .serial = it.serial,
		.connect_ms = 2000, .answer_ms = 100, .call_ms = 30000,
	};
	owned(member) struct member *member = NULL;
	struct member_channel *channel;
	struct err err = {0};
	CK_BYTE random[8];
	struct p11_call call;
	int status;

	(void)state;
	assert_int_equal(member_open(&config, &member, NULL), 0);
	assert_int_equal(member_acquire(member, &channel, &err), 0);
	kill(it.pid, SIGSTOP);
	assert_int_equal(waitpid(it.pid, &status, WUNTRACED), it.pid);	/* now it has stopped */
	call = p11_C_GenerateRandom(member_session(channel), random, sizeof(random));
	assert_int_equal(member_call(channel, &call, 1, NULL, &err), -ERR_UNREACHABLE);
	kill(it.pid, SIGCONT);
	/* The channel is cut for good; a new one works. */
	assert_true(member_call(channel, &call, 1, NULL, &err) < 0);
	member_release(channel);
	assert_int_equal(member_probe(member, NULL, &err), 0);
}

static void a_wrong_pin_is_refused_beside_a_good_login_and_sent_once(void **state)
{
	owned(member) struct member *good = open_member(GOOD), *bad = open_member("not the PIN");
	struct member_channel *channel, *refused;
	struct err err = {0};

	(void)state;
	assert_int_equal(member_acquire(good, &channel, &err), 0);
	assert_int_equal(member_acquire(bad, &refused, &err), -ERR_PIN);
	assert_int_equal(err.rv, CKR_PIN_INCORRECT);
	assert_int_equal(member_acquire(bad, &refused, &err), -ERR_PIN);
	assert_non_null(strstr(err.message, "not tried again"));
	member_release(channel);
}

static void without_login_private_objects_are_neither_found_nor_used(void **state)
{
	owned(member) struct member *in = open_member(GOOD), *out = open_member(NULL);
	struct member_channel *inside, *outside;
	CK_ATTRIBUTE value = {CKA_LABEL, NULL, 0};
	CK_OBJECT_HANDLE key;
	struct p11_call call;
	struct err err = {0};

	(void)state;
	assert_int_equal(member_acquire(in, &inside, &err), 0);
	assert_int_equal(generate(inside, true, "private", &key), 0);
	assert_int_equal(member_acquire(out, &outside, &err), 0);
	assert_int_equal(find(outside, "private", NULL), 0);
	call = p11_C_GetAttributeValue(member_session(outside), key, &value, 1);
	assert_int_equal(member_call(outside, &call, 1, NULL, &err), 0);
	assert_int_equal(call.rv, CKR_OBJECT_HANDLE_INVALID);
	/* Nor is another connection's session handle of any use. */
	call = p11_C_CloseSession(member_session(inside));
	assert_int_equal(member_call(outside, &call, 1, NULL, &err), 0);
	assert_int_equal(call.rv, CKR_SESSION_HANDLE_INVALID);
	member_release(outside);
	assert_int_equal(member_acquire(out, &outside, &err), 0);
	assert_true(sign(outside, key, &err) < 0);
	assert_int_equal(err.rv, CKR_USER_NOT_LOGGED_IN);
	member_release(inside);
	member_release(outside);
}

static void session_objects_belong_to_their_connection(void **state)
{
	owned(member) struct member *a = open_member(GOOD), *b = open_member(GOOD);
	struct member_channel *mine, *theirs;
	CK_OBJECT_HANDLE key;
	struct err err = {0};

	(void)state;
	assert_int_equal(member_acquire(a, &mine, &err), 0);
	assert_int_equal(member_acquire(b, &theirs, &err), 0);
	assert_int_equal(generate(mine, false, "fleeting", &key), 0);
	assert_int_equal(find(mine, "fleeting", NULL), 1);
	assert_int_equal(find(theirs, "fleeting", NULL), 0);
	assert_true(sign(theirs, key, &err) < 0);
	assert_int_equal(err.rv, CKR_OBJECT_HANDLE_INVALID);
	assert_int_equal(sign(mine, key, &err), 0);
	member_release(mine);
	member_release(theirs);
}

/* -1 when nobody is there. */
static int try_to_connect(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	to.sin_port = htons((uint16_t)atoi(strrchr(it.address, ':') + 1));
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0)
		return fd;
	close(fd);
	return -1;
}

static int connect_bare(void)
{
	int fd = try_to_connect();

	assert_true(fd >= 0);
	return fd;
}

/* NULL when it is not let in. */
static struct stream *try_to_dial(void)
{
	struct stream *stream = NULL;
	struct tls *tls = NULL;
	int64_t deadline = clock_now_ms() + 5000;

	if (tls_handshake(it.tls, connect_bare(), 1u << CERT_ROLE_APPLIANCE, NULL, deadline, &tls, NULL) == 0)
		assert_int_equal(stream_over_tls(tls, &stream, NULL), 0);
	return stream;
}

static struct stream *dial(void)
{
	struct stream *stream = try_to_dial();

	assert_non_null(stream);
	return stream;
}

/* Send these bytes instead of a HELLO; the appliance must hang up and live on. */
static void bad_first_frames_end_the_connection_and_nothing_else(void **state)
{
	static const struct {
		const char *what;
		uint8_t bytes[24];
		size_t len;
	} cases[] = {
		{"a frame of 4 GiB", {0xff, 0xff, 0xff, 0xff, FRAME_CALL}, 5},
		{"a frame just over the maximum", {0x01, 0x00, 0x00, 0x01, FRAME_HELLO}, 5},
		{"a frame of no kind", {0, 0, 0, 0, 99}, 5},
		{"a call before the hello", {0, 0, 0, 1, FRAME_CALL, 0}, 6},
		{"a hello of another protocol", {0, 0, 0, 8, FRAME_HELLO, 'p', '1', '1', 'k', 'i', 't', 1, 1}, 13},
		{"a hello from the future", {0, 0, 0, 8, FRAME_HELLO, 'h', 's', 'm', 'c', 't', 'l', 9, 9}, 13},
		{"a hello that is too long", {0, 0, 0, 9, FRAME_HELLO, 'h', 's', 'm', 'c', 't', 'l', 1, 1, 0}, 14},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		owned(member) struct member *member = open_member(NULL);
		owned(stream) struct stream *stream = dial();
		owned(buf) struct buf body = {.max = FRAME_MAX};
		struct err err = {0};
		int kind;

		assert_int_equal(stream_write(stream, cases[i].bytes, cases[i].len, clock_now_ms() + 5000, &err), 0);
		kind = receive(stream, &body);
		if (kind != FRAME_REFUSED && kind != -ERR_UNREACHABLE)
			fail_msg("%s: answered with %d", cases[i].what, kind);
		assert_int_equal(member_probe(member, NULL, &err), 0);
	}
}

/* All of the log, once this stands in it. */
static void await_log(const char *what, struct buf *ret)
{
	for (int n = 0; n < 1000; n++) {
		buf_clear(ret);
		if (file_read(in(it.folder, "log"), ret, NULL) == 0 && strstr(buf_text(ret), what))
			return;
		clock_sleep_ms(10);
	}
	fail_msg("no '%s' in the log", what);
}

static void every_connection_ends_for_a_reason(void **state)
{
	static const uint8_t future[] = {0, 0, 0, 8, FRAME_HELLO, 'h', 's', 'm', 'c', 't', 'l', 9, 9};
	owned(buf) struct buf log = {.max = 16 << 20}, body = {.max = FRAME_MAX};
	owned(stream) struct stream *stream = dial();

	(void)state;
	assert_int_equal(stream_write(stream, future, sizeof(future), clock_now_ms() + 5000, NULL), 0);
	assert_int_equal(receive(stream, &body), FRAME_REFUSED);
	await_log("connection of 'admin' ends: no common version of the protocol\n", &log);
	assert_null(strstr(buf_text(&log), "ends: \n"));
}

static void damaged_calls_never_harm_the_daemon(void **state)
{
	static const uint8_t hello[] = {0, 0, 0, 8, FRAME_HELLO, 'h', 's', 'm', 'c', 't', 'l', 1, 1};
	owned(member) struct member *member = open_member(NULL);
	unsigned seed = (unsigned)clock_utc_ms();
	struct err err = {0};

	(void)state;
	print_message("seed %u\n", seed);
	srand(seed);
	for (int round = 0; round < 200; round++) {
		owned(stream) struct stream *stream = dial();
		owned(buf) struct buf frame = {.max = 4096}, body = {.max = FRAME_MAX};
		CK_SESSION_HANDLE session;
		struct p11_call calls[] = {
			p11_C_OpenSession(0, CKF_SERIAL_SESSION, &session),
			p11_C_FindObjectsInit(1, &(CK_ATTRIBUTE){CKA_LABEL, (void *)"x", 1}, 1),
		};

		assert_int_equal(stream_write(stream, hello, sizeof(hello), clock_now_ms() + 5000, &err), 0);
		assert_int_equal(receive(stream, &body), FRAME_WELCOME);
		frame_begin(&frame);
		p11_encode_request(&frame, calls, 2);
		for (int n = 1 + rand() % 3; n > 0; n--)
			frame.data[FRAME_HEAD + (size_t)rand() % (frame.len - FRAME_HEAD)] = (uint8_t)rand();
		assert_int_equal(send_frame(stream, &frame, FRAME_CALL), 0);
		(void)receive(stream, &body);
	}
	assert_int_equal(member_probe(member, NULL, &err), 0);
}

static void a_torn_token_is_put_back_at_the_next_start(void **state)
{
	owned(member) struct member *member = open_member(GOOD);
	struct err err = {0};
	char *command_path;
	owned(buf) struct buf listing = {.max = 4096};
	const char *argv[] = {"find", it.tokens, "-name", "token.object", NULL};

	(void)state;
	assert_int_equal(member_probe(member, NULL, &err), 0);	/* a login: a copy was taken */
	end(SIGKILL);
	assert_int_equal(proc_run(argv, NULL, &listing, NULL, &err), 0);
	command_path = mem_strndup((char *)listing.data, strcspn(buf_text(&listing), "\n"));
	assert_int_equal(truncate(command_path, 0), 0);
	free(command_path);
	start();
	assert_int_equal(member_probe(member, NULL, &err), 0);
}

/* ---- PINs ---- */

static CK_RV login_as(struct tls_context *tls, const char *pin)
{
	owned(member) struct member *member = open_member_at(it.address, tls, pin, 5000);
	struct member_channel *channel = NULL;
	struct err err = {0};
	int rc = member_acquire(member, &channel, &err);

	member_release(channel);
	assert_true(rc == 0 || err.rv);
	return err.rv;
}

static void wrong_pins_of_others_keep_nobody_out(void **state)
{
	(void)state;
	assert_int_equal(login_as(it.tls, GOOD), CKR_OK);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(login_as(it.cafe, "not the PIN"), CKR_PIN_INCORRECT);
		assert_int_equal(login_as(it.shop, "nor this"), CKR_PIN_INCORRECT);
	}
	assert_int_equal(login_as(it.tls, GOOD), CKR_OK);
	/* Nor somebody else with the same certificate. */
	assert_int_equal(login_as(it.cafe, GOOD), CKR_OK);
	assert_int_equal(login_as(it.cafe, "not the PIN"), CKR_PIN_INCORRECT);
}

static void before_a_good_login_the_token_sees_few_wrong_pins(void **state)
{
	owned(member) struct member *early = open_member_at(it.address, it.cafe, GOOD, 5000);
	struct err err = {0};

	(void)state;
	restart();
	/* The same wrong one is shown to it once. */
	for (int i = 0; i < 4; i++)
		assert_int_equal(login_as(it.shop, "wrong 1"), CKR_PIN_INCORRECT);
	assert_int_equal(login_as(it.shop, "wrong 2"), CKR_PIN_INCORRECT);
	assert_int_equal(login_as(it.cafe, "wrong 3"), CKR_PIN_INCORRECT);
	assert_int_equal(login_as(it.cafe, "wrong 4"), CKR_PIN_LOCKED);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(member_probe(early, NULL, &err), -ERR_PIN);
		assert_int_equal(err.rv, CKR_PIN_LOCKED);
	}
	assert_int_equal(login_as(it.cafe, "wrong 1"), CKR_PIN_INCORRECT);
	/* An administrator who knows it opens the way for all. */
	assert_int_equal(login_as(it.tls, GOOD), CKR_OK);
	assert_int_equal(login_as(it.cafe, GOOD), CKR_OK);
	assert_int_equal(login_as(it.cafe, "wrong 4"), CKR_PIN_INCORRECT);
	/* Also for those who had the right one when it was shut. */
	for (int i = 0; i < 1000 && member_probe(early, NULL, &err) < 0; i++)
		clock_sleep_ms(10);
	assert_int_equal(member_probe(early, NULL, &err), 0);
}

/* ---- what the host answers ---- */

static struct member_channel *rivals[RACE_RIVALS];

static CK_RV try(size_t rival, const char *label)
{
	CK_OBJECT_HANDLE object;

	return create_once(rivals[rival], label, &object);
}

static void of_clients_that_look_first_one_writes(void **state)
{
	owned(member) struct member *member = open_member(GOOD);

	(void)state;
	for (size_t i = 0; i < RACE_RIVALS; i++)
		assert_int_equal(member_acquire(member, &rivals[i], NULL), 0);
	assert_true(race_is_fair(try));
	for (size_t i = 0; i < RACE_RIVALS; i++)
		member_release(rivals[i]);
}

static CK_RV age_of(struct member_channel *channel, CK_OBJECT_HANDLE object, CK_ULONG *ret)
{
	struct p11_call call = p11_X_Age(member_session(channel), object, ret);

	assert_int_equal(member_call(channel, &call, 1, NULL, NULL), 0);
	return call.rv;
}

static void the_host_knows_how_old_an_object_is(void **state)
{
	owned(member) struct member *member = open_member(GOOD), *out = open_member(NULL);
	int64_t start = clock_now_ms();
	struct member_channel *channel, *outside;
	CK_OBJECT_HANDLE object;
	CK_ULONG ms = 0, again;
	struct p11_call destroy;

	(void)state;
	assert_int_equal(member_acquire(member, &channel, NULL), 0);
	assert_int_equal(member_acquire(out, &outside, NULL), 0);
	assert_int_equal(create_once(channel, "ages", &object), CKR_OK);
	for (int n = 0; ms < 20 && n < 1000; n++) {
		clock_sleep_ms(5);
		assert_int_equal(age_of(channel, object, &again), CKR_OK);
		assert_true(again >= ms);
		ms = again;
	}
	assert_in_range(ms, 20, clock_now_ms() - start);
	assert_int_equal(age_of(outside, object, &ms), CKR_OBJECT_HANDLE_INVALID);
	destroy = p11_C_DestroyObject(member_session(channel), object);
	assert_int_equal(member_run(channel, &destroy, 1, NULL), 0);
	assert_int_equal(age_of(channel, object, &ms), CKR_OBJECT_HANDLE_INVALID);
	member_release(channel);
	member_release(outside);
}

static void a_lease_ends_with_its_connection(void **state)
{
	owned(member) struct member *a = open_member(GOOD), *b = open_member(GOOD);
	const char *wrong = leases_end_with(a, b);

	(void)state;
	if (wrong)
		fail_msg("%s", wrong);
}

/* ---- a library that hangs ---- */

/* All files of SoftHSM's token, locked as by another process that does not let go. */
static void hold_token(int fds[static 64], size_t *n)
{
	DIR *folder = opendir(it.tokens);
	struct dirent *entry;
	char token[PATH_MAX] = "";

	while ((entry = readdir(folder)))
		if (entry->d_name[0] != '.')
			snprintf(token, sizeof(token), "%s/%s", it.tokens, entry->d_name);
	closedir(folder);
	folder = opendir(token);
	for (*n = 0; (entry = readdir(folder)) && *n < 64;) {
		struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

		if (entry->d_name[0] == '.')
			continue;
		fds[*n] = open(in(token, entry->d_name), O_RDWR | O_CLOEXEC);
		assert_int_equal(fcntl(fds[*n], F_SETLK, &lock), 0);
		++*n;
	}
	closedir(folder);
	assert_true(*n > 0);
}

/* The error of a new client, once it is this one; "" when there is none. */
static void await_probe(const char *message)
{
	struct err err = {0};

	for (int i = 0; i < 1000; i++) {
		owned(member) struct member *member = open_member(NULL);

		err_clear(&err);
		member_probe(member, NULL, &err);
		if (*message ? strstr(err.message, message) != NULL : !err.code)
			return;
		clock_sleep_ms(10);
	}
	fail_msg("'%s' instead of '%s'", err.message, message);
}

static void a_library_that_hangs_is_told_from_one_that_works(void **state)
{
	const struct member_config config = {
		.name = "unit", .link = FLEET_LINK_TLS, .address = it.address, .tls = it.tls, .serial = it.serial,
		.connect_ms = 5000, .answer_ms = 1000, .call_ms = 600000,
	};
	owned(member) struct member *member = NULL;
	struct member_channel *channel, *other;
	CK_ATTRIBUTE template = {CKA_LABEL, (void *)"kept", 4};
	CK_OBJECT_HANDLE *list = NULL;
	CK_ULONG count;
	struct err err = {0};
	int fds[64];
	size_t n;

	(void)state;
	assert_int_equal(member_open(&config, &member, NULL), 0);
	member_set_pin(member, good_pin());
	assert_int_equal(member_acquire(member, &channel, &err), 0);
	assert_int_equal(member_acquire(member, &other, &err), 0);
	hold_token(fds, &n);
	/* Its heart beats, and call_ms is ten minutes. */
	assert_int_equal(member_find(channel, &template, 1, &list, &count, &err), -ERR_UNREACHABLE);
	/* Whoever comes now is not kept waiting, nor who is there already. */
	await_probe("does not come back");
	assert_int_equal(member_find(other, &template, 1, &list, &count, &err), -ERR_UNREACHABLE);
	assert_non_null(strstr(err.message, "does not come back"));
	assert_int_equal(err.retry, ERR_RETRY_SAFE);
	member_release(channel);
	member_release(other);
	for (size_t i = 0; i < n; i++)
		close(fds[i]);
	await_probe("");
}

/* ---- places ---- */

static void bare_connections_keep_nobody_out(void **state)
{
	/* What a TLS client says first, and then no more. */
	static const uint8_t start[] = {0x16, 3, 1, 2, 0};
	owned(member) struct member *member = open_member(NULL);
	struct rlimit files;
	struct err err = {0};
	int fds[700];

	(void)state;
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	for (int speaking = 0; speaking < 2; speaking++) {
		for (int i = 0; i < 700; i++) {
			fds[i] = connect_bare();
			if (speaking)
				(void)!send(fds[i], start, sizeof(start), MSG_NOSIGNAL);
		}
		/* The silent ones give way at once, the others when they have had a second. */
		if (speaking)
			await_probe("");
		else
			assert_int_equal(member_probe(member, NULL, &err), 0);
		for (int i = 0; i < 700; i++)
			close(fds[i]);
	}
}

/* Many at once, of whom the oldest leave when others come. All of them say this. */
static void besiege(const void *what, size_t len)
{
	/* Their ports are free again at once. */
	static const struct linger none = {.l_onoff = 1};
	int fds[500];
	size_t n = sizeof(fds) / sizeof(fds[0]);

	memset(fds, -1, sizeof(fds));
	for (size_t i = 0;; i = (i + 1) % n) {
		close(fds[i]);
		fds[i] = try_to_connect();
		setsockopt(fds[i], SOL_SOCKET, SO_LINGER, &none, sizeof(none));
		(void)!send(fds[i], what, len, MSG_NOSIGNAL);
	}
}

/* In a process of their own. */
static pid_t begin_siege(const void *what, size_t len)
{
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		besiege(what, len);
	}
	return pid;
}

static void end_siege(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void strangers_who_come_and_go_keep_nobody_out(void **state)
{
	/* A byte, all of a hello but its end, and what no client says. */
	static const struct {
		uint8_t bytes[64];
		size_t len;
	} said[] = {
		{{0x16}, 1}, {{0x16, 3, 1, 0, 60, 1}, 64}, {"GET / HTTP/1.1\r\n", 16},
	};
	struct err err = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++) {
		pid_t siege = begin_siege(said[i].bytes, said[i].len);
		int rc = 0;

		for (int n = 0; n < 20 && rc == 0; n++) {
			owned(member) struct member *member = open_member(NULL);

			rc = member_probe(member, NULL, &err);
		}
		end_siege(siege);
		if (rc < 0)
			fail_msg("siege %zu: %s", i, err.message);
	}
}

static void a_hello_byte_by_byte_has_an_end(void **state)
{
	static const uint8_t start[] = {0x16, 3, 1, 0x3f, 0xff};
	struct pollfd p = {.fd = connect_bare(), .events = POLLIN};
	int n = 0;

	(void)state;
	(void)!send(p.fd, start, sizeof(start), MSG_NOSIGNAL);
	/* Each of them is a sign of life, and no more than that. */
	while (n < 1000 && poll(&p, 1, 10) == 0 && send(p.fd, "", 1, MSG_NOSIGNAL) == 1)
		n++;
	assert_in_range(n, 1, 999);
	close(p.fd);
}

static void descriptors_of_the_library_are_left_to_it(void **state)
{
	enum { GUESTS = 150, STRANGERS = 50 };
	owned(member) struct member *member = NULL;
	owned(buf) struct buf log = {.max = 16 << 20};
	struct stream *guests[GUESTS];
	struct member_channel *channel;
	CK_OBJECT_HANDLE key;
	int fds[STRANGERS];
	struct err err = {0};

	(void)state;
	it.files = 160;
	restart();
	await_log("of 160 descriptors 40 are the library's: there are places for 60 guests, not 512", &log);
	member = open_member(GOOD);
	assert_int_equal(member_acquire(member, &channel, &err), 0);
	for (int i = 0; i < GUESTS; i++)
		guests[i] = try_to_dial();
	for (int i = 0; i < STRANGERS; i++)
		fds[i] = connect_bare();
	await_log("all descriptors but the library's are in use: connections are refused", &log);
	assert_int_equal(generate(channel, true, "in need", &key), 0);
	assert_int_equal(sign(channel, key, &err), 0);
	assert_int_equal(find(channel, "in need", NULL), 1);
	for (int i = 0; i < GUESTS; i++)
		stream_free(guests[i]);
	/* Strangers give way to whoever comes. */
	await_probe("");
	for (int i = 0; i < STRANGERS; i++)
		close(fds[i]);
	member_release(channel);
	it.files = 0;
	restart();
}

static void who_finds_all_places_taken_is_told_so(void **state)
{
	owned(member) struct member *member = open_member(GOOD);
	const struct member_config hurried = {
		.name = "unit", .link = FLEET_LINK_TLS, .address = it.address, .tls = it.tls,
		.connect_ms = 1500, .answer_ms = 1000, .call_ms = 30000,
	};
	owned(member) struct member *late = NULL;
	struct member_channel *channels[3], *none;
	struct err err = {0};

	(void)state;
	it.wish = (struct appliance_config){.guests = 3};
	restart();
	for (int i = 0; i < 3; i++)
		assert_int_equal(member_acquire(member, &channels[i], &err), 0);
	assert_int_equal(member_open(&hurried, &late, NULL), 0);
	assert_int_equal(member_acquire(late, &none, &err), -ERR_UNREACHABLE);
	assert_int_equal(p11_rv_class(err.rv), P11_BUSY);
	/* Those who have a place keep it. */
	for (int i = 0; i < 3; i++)
		assert_true(find(channels[i], "nothing", NULL) == 0);
	member_spoil(channels[0]);
	member_release(channels[0]);
	assert_int_equal(member_probe(late, NULL, &err), 0);
	member_release(channels[1]);
	member_release(channels[2]);
	it.wish = (struct appliance_config){0};
	restart();
}

/* However many connections applications keep, an administrator can look at the member. */
static void applications_leave_a_place_to_administrators(void **state)
{
	enum { PLACES = 32 };
	owned(member) struct member *greedy = open_member_at(it.address, it.shop, GOOD, 5000);
	owned(member) struct member *admin = open_member(GOOD);
	struct member_channel *channels[PLACES] = {NULL};
	struct err err = {0};
	size_t count = 0;

	(void)state;
	it.wish = (struct appliance_config){.guests = PLACES};
	restart();
	while (count < PLACES && member_acquire(greedy, &channels[count], &err) == 0)
		count++;
	assert_int_equal(count, PLACES - 1);
	assert_int_equal(p11_rv_class(err.rv), P11_BUSY);
	assert_int_equal(member_probe(admin, NULL, &err), 0);
	while (count)
		member_release(channels[--count]);
	it.wish = (struct appliance_config){0};
	restart();
}

static void idle_guests_make_room_and_do_not_notice(void **state)
{
	struct member_channel *channels[3];
	struct member *members[6];
	struct err err = {0};

	(void)state;
	it.wish = (struct appliance_config){.guests = 3, .yield_ms = 1};
	restart();
	for (int i = 0; i < 6; i++) {
		members[i] = open_member(GOOD);
		assert_int_equal(member_probe(members[i], NULL, &err), 0);
	}
	for (int i = 0; i < 3; i++) {
		assert_int_equal(member_acquire(members[i], &channels[i], &err), 0);
		member_release(channels[i]);
	}
	for (int i = 0; i < 6; i++)
		member_free(members[i]);
	it.wish = (struct appliance_config){0};
	restart();
}

static void send_hello(struct stream *stream)
{
	static const uint8_t hello[] = {0, 0, 0, 8, FRAME_HELLO, 'h', 's', 'm', 'c', 't', 'l', 1, 1};
	owned(buf) struct buf body = {.max = FRAME_MAX};

	assert_int_equal(stream_write(stream, hello, sizeof(hello), clock_now_ms() + 5000, NULL), 0);
	assert_int_equal(receive(stream, &body), FRAME_WELCOME);
}

static void an_idle_connection_ends(void **state)
{
	owned(stream) struct stream *stream = NULL;
	uint8_t byte;

	(void)state;
	it.wish = (struct appliance_config){.idle_ms = 50};
	restart();
	stream = dial();
	send_hello(stream);
	assert_int_equal(stream_read(stream, &byte, 1, clock_now_ms() + 10000, NULL), -ERR_UNREACHABLE);
	it.wish = (struct appliance_config){0};
	restart();
}

static void a_promise_of_many_bytes_takes_no_memory(void **state)
{
	enum { PEERS = 20 };
	static const uint8_t head[] = {0x01, 0, 0, 0, FRAME_CALL, 1};	/* 16 MiB, and the first byte of them */
	struct stream *peers[PEERS];
	long before;

	(void)state;
	await_probe("");
	before = resident_kb();
	for (int i = 0; i < PEERS; i++) {
		owned(buf) struct buf body = {.max = 64};

		peers[i] = dial();
		send_hello(peers[i]);
		assert_int_equal(stream_write(peers[i], head, sizeof(head), clock_now_ms() + 5000, NULL), 0);
		/* It is at it, and says so. */
		assert_int_equal(receive(peers[i], &body), FRAME_BEAT);
	}
	if (resident_kb() - before > PEERS * 8192)
		fail_msg("%ld kB for nothing", resident_kb() - before);
	await_probe("");
	for (int i = 0; i < PEERS; i++)
		stream_free(peers[i]);
}

/* A call without login for results of so many bytes. */
static void ask_for(struct stream *stream, CK_ULONG bytes)
{
	owned(buf) struct buf frame = {.max = 4096};
	CK_MECHANISM_TYPE list[1];
	struct p11_call calls[P11_BATCH_MAX];
	CK_ULONG room = 65536, n = bytes / (room * sizeof(CK_ULONG));

	for (CK_ULONG i = 0; i < n; i++)
		calls[i] = p11_C_GetMechanismList(0, list, &room);
	frame_begin(&frame);
	p11_encode_request(&frame, calls, n);
	assert_int_equal(send_frame(stream, &frame, FRAME_CALL), 0);
}

static void room_for_much_is_for_few_before_login(void **state)
{
	static const uint8_t head[] = {0x01, 0, 0, 0, FRAME_CALL, 1};
	owned(stream) struct stream *stream = dial();
	owned(buf) struct buf body = {.max = FRAME_MAX};
	struct stream *peers[4];
	int kind;

	(void)state;
	for (int i = 0; i < 4; i++) {
		peers[i] = dial();
		send_hello(peers[i]);
		assert_int_equal(stream_write(peers[i], head, sizeof(head), clock_now_ms() + 5000, NULL), 0);
		assert_int_equal(receive(peers[i], &body), FRAME_BEAT);
	}
	send_hello(stream);
	ask_for(stream, 8 << 20);
	assert_int_equal(receive(stream, &body), FRAME_BEAT);
	for (int i = 0; i < 4; i++)
		stream_free(peers[i]);
	do
		kind = receive(stream, &body);
	while (kind == FRAME_BEAT);
	assert_int_equal(kind, FRAME_REPLY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_client_signs_again_after_the_daemon_was_killed_and_restarted),
		cmocka_unit_test(a_stopped_daemon_is_cut_at_the_deadline),
		cmocka_unit_test(a_wrong_pin_is_refused_beside_a_good_login_and_sent_once),
		cmocka_unit_test(without_login_private_objects_are_neither_found_nor_used),
		cmocka_unit_test(session_objects_belong_to_their_connection),
		cmocka_unit_test(bad_first_frames_end_the_connection_and_nothing_else),
		cmocka_unit_test(damaged_calls_never_harm_the_daemon),
		cmocka_unit_test(a_torn_token_is_put_back_at_the_next_start),
		cmocka_unit_test(wrong_pins_of_others_keep_nobody_out),
		cmocka_unit_test(before_a_good_login_the_token_sees_few_wrong_pins),
		cmocka_unit_test(of_clients_that_look_first_one_writes),
		cmocka_unit_test(the_host_knows_how_old_an_object_is),
		cmocka_unit_test(a_lease_ends_with_its_connection),
		cmocka_unit_test(every_connection_ends_for_a_reason),
		cmocka_unit_test(a_library_that_hangs_is_told_from_one_that_works),
		cmocka_unit_test(bare_connections_keep_nobody_out),
		cmocka_unit_test(strangers_who_come_and_go_keep_nobody_out),
		cmocka_unit_test(a_hello_byte_by_byte_has_an_end),
		cmocka_unit_test(descriptors_of_the_library_are_left_to_it),
		cmocka_unit_test(who_finds_all_places_taken_is_told_so),
		cmocka_unit_test(applications_leave_a_place_to_administrators),
		cmocka_unit_test(idle_guests_make_room_and_do_not_notice),
		cmocka_unit_test(an_idle_connection_ends),
		cmocka_unit_test(a_promise_of_many_bytes_takes_no_memory),
		cmocka_unit_test(room_for_much_is_for_few_before_login),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
