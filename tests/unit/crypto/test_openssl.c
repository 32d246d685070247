/* SPDX-License-Identifier: Apache-2.0 */
/* In a host whose openssl.cnf forbids everything that we need. */
#include "../base/temp.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "crypto/pubkey.h"
#include "crypto/tls.h"

static const char config[] =
	"openssl_conf = init\n"
	"[init]\nssl_conf = ssl\nalg_section = algorithms\n"
	"[algorithms]\ndefault_properties = fips=yes\n"
	"[ssl]\nsystem_default = strange\n"
	"[strange]\nMinProtocol = TLSv1.2\nMaxProtocol = TLSv1.2\nCipherString = ALL:@SECLEVEL=5\n"
	"Ciphersuites = TLS_CHACHA20_POLY1305_SHA256\nGroups = secp521r1\n"
	"SignatureAlgorithms = RSA+SHA256\nVerifyMode = Once\n";

static int make_host(void **state)
{
	if (temp_setup(state) < 0)
		return -1;
	setenv("OPENSSL_CONF", in(*state, "openssl.cnf"), 1);
	return file_write(in(*state, "openssl.cnf"), config, strlen(config), 0600, NULL);
}

static void *hash(void *ret)
{
	return crypto_sha256_hex("abc", 3, ret, NULL) == 0 ? ret : NULL;
}

/* Before anything else, so that they race for the first use. */
static void first_use_by_many_threads(void **state)
{
	pthread_t threads[8];
	char hex[8][SHA256_TEXT];
	void *done;

	(void)state;
	for (int i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, hash, hex[i]), 0);
	for (int i = 0; i < 8; i++) {
		assert_int_equal(pthread_join(threads[i], &done), 0);
		assert_non_null(done);
		assert_true(str_starts(hex[i], "ba7816bf8f01cfea"));
	}
}

static void the_host_is_as_strange_as_meant(void **state)
{
	EVP_MD *md;

	(void)state;
	OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CONFIG, NULL);
	md = EVP_MD_fetch(NULL, "SHA256", NULL);
	assert_null(md);
	ERR_clear_error();
}

struct end {
	struct tls_context *context;
	int fd, rc;
};

static void *serve(void *argument)
{
	struct end *e = argument;
	owned(tls) struct tls *tls = NULL;
	char byte;

	e->rc = tls_handshake(e->context, e->fd, 1 << CERT_ROLE_ADMIN, NULL, clock_now_ms() + 30000, &tls, NULL);
	if (e->rc == 0)
		e->rc = tls_read(tls, &byte, 1, clock_now_ms() + 30000, NULL);
	return NULL;
}

static void connections_work_in_a_strange_host(void **state)
{
	owned(tls_context) struct tls_context *server = NULL;
	owned(tls_context) struct tls_context *client = NULL;
	owned(tls) struct tls *tls = NULL;
	char pin[SHA256_TEXT];
	struct end e;
	pthread_t thread;
	int fds[2];

	assert_int_equal(cert_authority_make(*state, "f", NULL), 0);
	assert_int_equal(cert_issue(*state, "hsm", CERT_ROLE_APPLIANCE, NULL), 0);
	assert_int_equal(cert_issue(*state, "admin", CERT_ROLE_ADMIN, NULL), 0);
	assert_int_equal(cert_fingerprint(in(*state, "hsm.pem"), pin, NULL), 0);
	assert_int_equal(tls_context_new(*state, "hsm", true, &server, NULL), 0);
	assert_int_equal(tls_context_new(*state, "admin", false, &client, NULL), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	e = (struct end){.context = server, .fd = fds[1]};
	pthread_create(&thread, NULL, serve, &e);
	assert_int_equal(tls_handshake(client, fds[0], 1 << CERT_ROLE_APPLIANCE, pin,
				       clock_now_ms() + 30000, &tls, NULL), 0);
	assert_int_equal(tls_write(tls, "x", 1, clock_now_ms() + 30000, NULL), 0);
	pthread_join(thread, NULL);
	assert_int_equal(e.rc, 0);
	assert_int_equal(ERR_peek_error(), 0);
}

/* RFC 8032, 7.1, test 2; and the base point of P-256 as a key. */
static void public_keys_work_in_a_strange_host(void **state)
{
	static const uint8_t p256[] = "\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07";
	uint8_t ed[32], signature[64], point[65], zero[64] = {0};
	owned(pubkey) struct pubkey *key = NULL;
	owned(pubkey) struct pubkey *ec = NULL;
	char hex[SHA256_TEXT];

	(void)state;
	assert_true(str_unhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", ed, 32));
	assert_true(str_unhex("92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
			      "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00", signature, 64));
	assert_int_equal(pubkey_ed25519(ed, 32, &key, NULL), 0);
	assert_int_equal(pubkey_verify(key, "\x72", 1, signature, 64, NULL), 1);
	assert_int_equal(pubkey_verify(key, "\x73", 1, signature, 64, NULL), 0);
	assert_true(str_unhex("046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
			      "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5", point, 65));
	assert_int_equal(pubkey_ec(p256, 10, point, 65, &ec, NULL), 0);
	assert_int_equal(pubkey_verify(ec, "x", 1, zero, 64, NULL), 0);
	assert_int_equal(pubkey_fingerprint(ec, hex, NULL), 0);
}

static void a_forked_child_has_randomness_of_its_own(void **state)
{
	uint8_t mine[16], childs[16];
	int pipes[2];
	pid_t child;

	(void)state;
	assert_int_equal(crypto_random(mine, sizeof(mine), NULL), 0);
	assert_int_equal(pipe(pipes), 0);
	child = fork();
	if (child == 0) {
		crypto_random(childs, sizeof(childs), NULL);
		_exit(write(pipes[1], childs, sizeof(childs)) != sizeof(childs));
	}
	assert_int_equal(crypto_random(mine, sizeof(mine), NULL), 0);
	assert_int_equal(read(pipes[0], childs, sizeof(childs)), sizeof(childs));
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_memory_not_equal(mine, childs, sizeof(mine));
	close(pipes[0]);
	close(pipes[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_use_by_many_threads),
		cmocka_unit_test(the_host_is_as_strange_as_meant),
		cmocka_unit_test(connections_work_in_a_strange_host),
		cmocka_unit_test(public_keys_work_in_a_strange_host),
		cmocka_unit_test(a_forked_child_has_randomness_of_its_own),
	};

	return cmocka_run_group_tests(tests, make_host, temp_teardown);
}
