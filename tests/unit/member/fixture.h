/* SPDX-License-Identifier: Apache-2.0 */
/* An appliance on a token of its own, and clients of it: what the tests of this room share. */
#ifndef TESTS_MEMBER_FIXTURE_H
#define TESTS_MEMBER_FIXTURE_H

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../base/temp.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/secret.h"
#include "crypto/cert.h"
#include "crypto/tls.h"
#include "fleet/fleet.h"
#include "member/appliance.h"
#include "member/frame.h"
#include "member/member.h"
#include "member/stream.h"

static const char LIBRARY[] = "/usr/lib/softhsm/libsofthsm2.so";

/* The user's PIN never stands in clear in this program, so that its memory can be searched. */
static const uint8_t MASKED_PIN[] = {0x2e, 0x32, 0x3f, 0x7a, 0x2f, 0x29, 0x3f, 0x28,
				     0x7d, 0x29, 0x7a, 0x0a, 0x13, 0x14};
enum { PIN_MASK = 0x5a, PIN_LEN = sizeof(MASKED_PIN) };
static const char GOOD[] = "stands for the PIN";

static struct {
	char *folder, *pki, *tokens, *guard, *pid_file;
	char serial[17], address[64];
	pid_t pid;
	struct tls_context *tls, *shop, *cafe;	/* an administrator, two applications */
	struct appliance_config wish;		/* limits for the next start, */
	rlim_t files;				/* of descriptors, too; 0 = as here */
} it;

static struct secret *good_pin(void)
{
	struct secret *pin;

	assert_int_equal(secret_new(MASKED_PIN, PIN_LEN, &pin, NULL), 0);
	for (size_t i = 0; i < PIN_LEN; i++)
		pin->data[i] ^= PIN_MASK;
	return pin;
}

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
	struct secret *pin = good_pin(), *so_pin = NULL;
	struct err err = {0};
	char *path = file_join(it.folder, "serial");

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
		.guests = it.wish.guests, .idle_ms = it.wish.idle_ms, .yield_ms = it.wish.yield_ms,
	};
	struct proc_id id;
	struct err err = {0};

	it.pid = fork();
	if (it.pid == 0) {
		int rc;

		log_to_fd(open(in(it.folder, "log"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600), LOG_LEVEL_INFO);
		if (it.files)
			setrlimit(RLIMIT_NOFILE, &(struct rlimit){it.files, it.files});
		cancel_install(0);
		rc = appliance_serve(&config, &err);
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
	assert_int_equal(cert_issue(it.pki, "shop", CERT_ROLE_APPLICATION, &err), 0);
	assert_int_equal(cert_issue(it.pki, "cafe", CERT_ROLE_APPLICATION, &err), 0);
	assert_int_equal(in_child(make_token), 0);
	free(text);
	text = file_join(it.folder, "serial");
	assert_int_equal(file_read(text, &serial, &err), 0);
	snprintf(it.serial, sizeof(it.serial), "%s", buf_text(&serial));
	assert_int_equal(tls_context_new(it.pki, "admin", false, &it.tls, &err), 0);
	assert_int_equal(tls_context_new(it.pki, "shop", false, &it.shop, &err), 0);
	assert_int_equal(tls_context_new(it.pki, "cafe", false, &it.cafe, &err), 0);
	free(text);
	free(conf);
	start();
	return 0;
}

static int tear_down(void **state)
{
	end(SIGTERM);
	tls_context_free(it.tls);
	tls_context_free(it.shop);
	tls_context_free(it.cafe);
	free(it.pki);
	free(it.tokens);
	free(it.guard);
	free(it.pid_file);
	return temp_teardown(state);
}

/* Anew, as after a crash, with the limits of it.wish. */
static inline void restart(void)
{
	end(SIGTERM);
	start();
}

/* Memory of the appliance. */
static inline long resident_kb(void)
{
	char path[64], line[256];
	long kb = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)it.pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f) && sscanf(line, "VmRSS: %ld kB", &kb) != 1)
		;
	if (f)
		fclose(f);
	return kb;
}

/* pin: NULL = none, GOOD, or a wrong one. */
static inline struct member *open_member_at(const char *address, struct tls_context *tls, const char *pin,
					    int64_t answer_ms)
{
	const struct member_config config = {
		.name = "unit", .link = FLEET_LINK_TLS, .address = address, .tls = tls, .serial = it.serial,
		.connect_ms = 5000, .answer_ms = answer_ms, .call_ms = 30000,
	};
	struct secret *secret = pin == GOOD ? good_pin() : NULL;
	struct member *member;

	assert_int_equal(member_open(&config, &member, NULL), 0);
	if (pin && !secret)
		assert_int_equal(secret_new(pin, strlen(pin), &secret, NULL), 0);
	if (secret)
		member_set_pin(member, secret);
	return member;
}

static inline struct member *open_member(const char *pin)
{
	return open_member_at(it.address, it.tls, pin, 5000);
}

static inline int generate(struct member_channel *channel, bool token, const char *label, CK_OBJECT_HANDLE *ret)
{
	static const CK_BYTE p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
	CK_MECHANISM mechanism = {CKM_EC_KEY_PAIR_GEN, NULL, 0};
	CK_BBOOL on_token = token, yes = CK_TRUE;
	CK_ATTRIBUTE public_t[] = {{CKA_TOKEN, &on_token, 1}, {CKA_EC_PARAMS, (void *)p256, sizeof(p256)}};
	CK_ATTRIBUTE private_t[] = {{CKA_TOKEN, &on_token, 1}, {CKA_PRIVATE, &yes, 1}, {CKA_SIGN, &yes, 1},
				    {CKA_LABEL, (void *)label, strlen(label)}};
	CK_OBJECT_HANDLE public;
	struct p11_call call = p11_C_GenerateKeyPair(member_session(channel), &mechanism, public_t, 2, private_t, 4,
						     &public, ret);

	return member_run(channel, &call, 1, NULL);
}

static inline CK_ULONG find(struct member_channel *channel, const char *label, CK_OBJECT_HANDLE *ret)
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

/* A data object on the token with this label, unless there is one; the rv of the call that decided. */
static inline CK_RV create_once(struct member_channel *channel, const char *label, CK_OBJECT_HANDLE *ret)
{
	CK_OBJECT_CLASS class = CKO_DATA;
	CK_BBOOL yes = CK_TRUE;
	CK_ATTRIBUTE t[] = {{CKA_LABEL, (void *)label, strlen(label)}, {CKA_CLASS, &class, sizeof(class)},
			    {CKA_TOKEN, &yes, 1}, {CKA_PRIVATE, &yes, 1}};
	struct p11_call calls[] = {
		p11_X_Absent(member_session(channel), t, 1),
		p11_C_CreateObject(member_session(channel), t, 4, ret),
	};
	int rc = member_call(channel, calls, 2, NULL, NULL);

	return rc < 0 ? CKR_DEVICE_REMOVED : calls[0].rv == CKR_OK ? calls[1].rv : calls[0].rv;
}

/* CKR_OK when it was granted. */
static inline CK_RV take_lease(struct member_channel *channel, struct p11_lease *ret)
{
	struct p11_call call = p11_X_Lease(member_session(channel), "the lease", 9, "a test", 6, 60000, 0, ret);

	return member_call(channel, &call, 1, NULL, NULL) < 0 ? CKR_DEVICE_REMOVED : call.rv;
}

/* A lease of another connection of the same kind ends with it; the name of what is wrong, or NULL. */
static inline const char *leases_end_with(struct member *a, struct member *b)
{
	struct member_channel *theirs, *mine;
	struct p11_lease lease;
	CK_RV rv;

	if (member_acquire(a, &theirs, NULL) < 0 || member_acquire(b, &mine, NULL) < 0)
		return "no channel";
	if (take_lease(theirs, &lease) != CKR_OK || !lease.number)
		return "not granted";
	if (take_lease(mine, &lease) != CKR_FUNCTION_REJECTED || strcmp(lease.holder, "a test") != 0)
		return "not refused";
	member_spoil(theirs);
	member_release(theirs);
	for (int n = 0; (rv = take_lease(mine, &lease)) == CKR_FUNCTION_REJECTED && n < 1000; n++)
		clock_sleep_ms(10);
	member_release(mine);
	return rv == CKR_OK ? NULL : "not free";
}

static inline int sign(struct member_channel *channel, CK_OBJECT_HANDLE key, struct err *err)
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

/* ---- frames by hand ---- */

static inline int receive(struct stream *stream, struct buf *body)
{
	struct frame_pace pace = frame_pace(10000, 10000, 10000);

	return frame_receive(stream, body, &pace, NULL);
}

static inline int send_frame(struct stream *stream, struct buf *frame, enum frame_kind kind)
{
	struct frame_pace pace = frame_pace(10000, 10000, 10000);

	return frame_send(stream, frame, kind, &pace, NULL);
}

#endif
