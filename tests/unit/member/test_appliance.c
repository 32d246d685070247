/* SPDX-License-Identifier: Apache-2.0 */
/* An appliance on a real token: signatures across its death, and what its guests may not do. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../base/temp.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/secret.h"
#include "crypto/cert.h"
#include "crypto/tls.h"
#include "fleet/fleet.h"
#include "member/appliance.h"
#include "member/frame.h"
#include "member/member.h"
#include "p11/rv.h"

static const char LIBRARY[] = "/usr/lib/softhsm/libsofthsm2.so";
static const char PIN[] = "the user's PIN";

static struct {
	char *folder, *pki, *tokens, *guard, *pid_file;
	char serial[17], address[64];
	pid_t pid;
	struct tls_context *tls;
} it;

/* A child that does one thing with the library, so that this process never loads it. */
static int in_child(int (*what)(void))
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(what());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static int make_token(void)
{
	struct secret *pin = NULL, *so_pin = NULL;
	struct err err = {0};
	char *path = file_join(it.folder, "serial");

	secret_new(PIN, strlen(PIN), &pin, &err);
	secret_new("officer's PIN", 13, &so_pin, &err);
	if (appliance_init_token(LIBRARY, "unit", so_pin, pin, it.serial, &err) < 0) {
		fprintf(stderr, "%s\n", err.message);
		return 1;
	}
	return file_write(path, it.serial, strlen(it.serial), 0600, &err) < 0;
}

static void start(void)
{
	const struct appliance_config config = {
		.name = "unit", .library = LIBRARY, .address = *it.address ? it.address : "127.0.0.1:0",
		.tls_folder = it.pki, .pid_file = it.pid_file, .tokens = it.tokens, .guard = it.guard,
	};
	struct proc_id id;
	struct err err = {0};

	it.pid = fork();
	if (it.pid == 0) {
		int rc = appliance_serve(&config, &err);

		if (rc < 0)
			fprintf(stderr, "%s\n", err.message);
		_exit(rc < 0);
	}
	for (int n = 0; n < 1000; n++) {
		char text[64];

		if (proc_pid_file_read(it.pid_file, &id, text, sizeof(text), &err) == 1 && strchr(text, ':')) {
			snprintf(it.address, sizeof(it.address), "%s", text);
			return;
		}
		clock_sleep_ms(10);
	}
	fail_msg("the appliance does not start");
}

static void end(int signal_number)
{
	kill(it.pid, signal_number);
	waitpid(it.pid, NULL, 0);
}

static int set_up(void **state)
{
	owned(buf) struct buf serial = {.max = 64};
	char *conf, *text;
	struct err err = {0};

	assert_int_equal(temp_setup(state), 0);
	it.folder = *state;
	it.pki = file_join(it.folder, "pki");
	it.tokens = file_join(it.folder, "tokens");
	it.guard = file_join(it.folder, "guard");
	it.pid_file = file_join(it.folder, "pid");
	conf = file_join(it.folder, "softhsm2.conf");
	text = mem_printf("directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n", it.tokens);
	assert_int_equal(file_mkdirs(it.tokens, 0700, &err), 0);
	assert_int_equal(file_mkdirs(it.pki, 0700, &err), 0);
	assert_int_equal(file_write(conf, text, strlen(text), 0600, &err), 0);
	setenv("SOFTHSM2_CONF", conf, 1);
	assert_int_equal(cert_authority_make(it.pki, "unit", &err), 0);
	assert_int_equal(cert_issue(it.pki, "unit", CERT_ROLE_APPLIANCE, &err), 0);
	assert_int_equal(cert_issue(it.pki, "admin", CERT_ROLE_ADMIN, &err), 0);
	assert_int_equal(in_child(make_token), 0);
	free(text);
	text = file_join(it.folder, "serial");
	assert_int_equal(file_read(text, &serial, &err), 0);
	snprintf(it.serial, sizeof(it.serial), "%s", buf_text(&serial));
	assert_int_equal(tls_context_new(it.pki, "admin", false, &it.tls, &err), 0);
	free(text);
	free(conf);
	start();
	return 0;
}

static int tear_down(void **state)
{
	end(SIGTERM);
	tls_context_free(it.tls);
	free(it.pki);
	free(it.tokens);
	free(it.guard);
	free(it.pid_file);
	return temp_teardown(state);
}

static struct member *open_member(const char *pin)
{
	const struct member_config config = {
		.name = "unit", .link = FLEET_LINK_TLS, .address = it.address, .tls = it.tls, .serial = it.serial,
		.connect_ms = 5000, .answer_ms = 5000, .call_ms = 30000,
	};
	struct member *member;
	struct secret *secret;

	assert_int_equal(member_open(&config, &member, NULL), 0);
	if (pin) {
		assert_int_equal(secret_new(pin, strlen(pin), &secret, NULL), 0);
		member_set_pin(member, secret);
	}
	return member;
}

static int generate(struct member_channel *channel, bool token, const char *label, CK_OBJECT_HANDLE *ret)
{
	static const CK_BYTE p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
	CK_MECHANISM mechanism = {CKM_EC_KEY_PAIR_GEN, NULL, 0};
	CK_BBOOL on_token = token, yes = CK_TRUE;
	CK_ATTRIBUTE public_t[] = {{CKA_TOKEN, &on_token, 1}, {CKA_EC_PARAMS, (void *)p256, sizeof(p256)}};
	CK_ATTRIBUTE private_t[] = {{CKA_TOKEN, &on_token, 1}, {CKA_PRIVATE, &yes, 1}, {CKA_SIGN, &yes, 1},
				    {CKA_LABEL, (void *)label, strlen(label)}};
	CK_OBJECT_HANDLE public;
	struct p11_call call = p11_generate_key_pair(member_session(channel), &mechanism, public_t, 2, private_t, 4,
						     &public, ret);

	return member_run(channel, &call, 1, NULL);
}

static CK_ULONG find(struct member_channel *channel, const char *label, CK_OBJECT_HANDLE *ret)
{
	CK_ATTRIBUTE template = {CKA_LABEL, (void *)label, strlen(label)};
	CK_OBJECT_HANDLE *list = NULL;
	CK_ULONG count = 0;

	assert_int_equal(member_find(channel, &template, 1, &list, &count, NULL), 0);
	if (count && ret)
		*ret = list[0];
	free(list);
	return count;
}

static int sign(struct member_channel *channel, CK_OBJECT_HANDLE key, struct err *err)
{
	CK_MECHANISM mechanism = {CKM_ECDSA, NULL, 0};
	CK_BYTE digest[32] = {1}, signature[128];
	CK_ULONG len = sizeof(signature);
	struct p11_call calls[] = {
		p11_init(P11_C_SignInit, member_session(channel), &mechanism, key),
		p11_transform(P11_C_Sign, member_session(channel), digest, sizeof(digest), signature, &len),
	};

	return member_run(channel, calls, 2, err);
}

static void a_client_signs_again_after_the_daemon_was_killed_and_restarted(void **state)
{
	owned(member) struct member *member = open_member(PIN);
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
	call = p11_generate_random(member_session(channel), random, sizeof(random));
	assert_int_equal(member_call(channel, &call, 1, &err), -ERR_UNREACHABLE);
	kill(it.pid, SIGCONT);
	/* The channel is cut for good; a new one works. */
	assert_true(member_call(channel, &call, 1, &err) < 0);
	member_release(channel);
	assert_int_equal(member_probe(member, NULL, &err), 0);
}

static void a_wrong_pin_is_refused_beside_a_good_login_and_sent_once(void **state)
{
	owned(member) struct member *good = open_member(PIN), *bad = open_member("not the PIN");
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
	owned(member) struct member *in = open_member(PIN), *out = open_member(NULL);
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
	call = p11_get_attributes(member_session(outside), key, &value, 1);
	assert_int_equal(member_call(outside, &call, 1, &err), 0);
	assert_int_equal(call.rv, CKR_OBJECT_HANDLE_INVALID);
	/* Nor is another connection's session handle of any use. */
	call = p11_close_session(member_session(inside));
	assert_int_equal(member_call(outside, &call, 1, &err), 0);
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
	owned(member) struct member *a = open_member(PIN), *b = open_member(PIN);
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

static struct tls *dial(void)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct tls *tls = NULL;
	struct err err;

	in.sin_port = htons((uint16_t)atoi(strrchr(it.address, ':') + 1));
	assert_int_equal(connect(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(tls_handshake(it.tls, fd, 1u << CERT_ROLE_APPLIANCE, NULL, clock_now_ms() + 5000, &tls, &err), 0);
	return tls;
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
		owned(tls) struct tls *tls = dial();
		owned(buf) struct buf body = {.max = FRAME_MAX};
		struct err err = {0};
		int kind;

		assert_int_equal(tls_write(tls, cases[i].bytes, cases[i].len, clock_now_ms() + 5000, &err), 0);
		kind = frame_receive(tls, &body, clock_now_ms() + 5000, &err);
		if (kind != FRAME_REFUSED && kind != -ERR_UNREACHABLE)
			fail_msg("%s: answered with %d", cases[i].what, kind);
		assert_int_equal(member_probe(member, NULL, &err), 0);
	}
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
		owned(tls) struct tls *tls = dial();
		owned(buf) struct buf frame = {.max = 4096}, body = {.max = FRAME_MAX};
		CK_SESSION_HANDLE session;
		struct p11_call calls[] = {
			p11_open_session(CKF_SERIAL_SESSION, &session),
			p11_find_init(1, &(CK_ATTRIBUTE){CKA_LABEL, (void *)"x", 1}, 1),
		};

		assert_int_equal(tls_write(tls, hello, sizeof(hello), clock_now_ms() + 5000, &err), 0);
		assert_int_equal(frame_receive(tls, &body, clock_now_ms() + 5000, &err), FRAME_WELCOME);
		frame_begin(&frame);
		p11_encode_request(&frame, calls, 2);
		for (int n = 1 + rand() % 3; n > 0; n--)
			frame.data[FRAME_HEAD + (size_t)rand() % (frame.len - FRAME_HEAD)] = (uint8_t)rand();
		assert_int_equal(frame_send(tls, &frame, FRAME_CALL, clock_now_ms() + 5000, &err), 0);
		(void)frame_receive(tls, &body, clock_now_ms() + 5000, &err);
	}
	assert_int_equal(member_probe(member, NULL, &err), 0);
}

static void a_torn_token_is_put_back_at_the_next_start(void **state)
{
	owned(member) struct member *member = open_member(PIN);
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
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
