/* SPDX-License-Identifier: Apache-2.0 */
#include "../base/temp.h"

#include <openssl/err.h>

#include "base/str.h"
#include "crypto/digest.h"

static void sha256_of_known_texts(void **state)
{
	/* FIPS 180-4 examples. */
	static const struct {
		const char *text, *digest;
	} cases[] = {
		{"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
		{"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
		{"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		 "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
	};
	char hex[SHA256_TEXT];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(crypto_sha256_hex(cases[i].text, strlen(cases[i].text), hex, NULL), 0);
		assert_string_equal(hex, cases[i].digest);
	}
	assert_int_equal(crypto_sha256_hex(NULL, 0, hex, NULL), 0);
	assert_string_equal(hex, cases[0].digest);
}

static void sha1_of_a_known_text(void **state)
{
	static const uint8_t abc[] = {0xa9, 0x99, 0x3e, 0x36, 0x47, 0x06, 0x81, 0x6a, 0xba, 0x3e,
				      0x25, 0x71, 0x78, 0x50, 0xc2, 0x6c, 0x9c, 0xd0, 0xd8, 0x9d};
	uint8_t digest[SHA1_LEN];

	(void)state;
	assert_int_equal(crypto_sha1("abc", 3, digest, NULL), 0);
	assert_memory_equal(digest, abc, sizeof(abc));
}

static void hmac_of_known_texts(void **state)
{
	/* RFC 4231, cases 2 and 6; the empty key and text. */
	static const uint8_t long_key[131] = {[0 ... 130] = 0xaa};
	static const struct {
		const void *key;
		size_t key_len;
		const char *text, *mac;
	} cases[] = {
		{"Jefe", 4, "what do ya want for nothing?",
		 "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
		{long_key, sizeof(long_key), "Test Using Larger Than Block-Size Key - Hash Key First",
		 "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
		{NULL, 0, "", "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"},
	};
	uint8_t mac[SHA256_LEN];
	char hex[SHA256_TEXT];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(crypto_hmac_sha256(cases[i].key, cases[i].key_len, cases[i].text,
						    strlen(cases[i].text), mac, NULL), 0);
		str_hex(mac, sizeof(mac), hex);
		assert_string_equal(hex, cases[i].mac);
	}
}

static void random_bytes_differ(void **state)
{
	uint8_t a[32] = {0}, b[32] = {0};

	(void)state;
	assert_int_equal(crypto_random(a, sizeof(a), NULL), 0);
	assert_int_equal(crypto_random(b, sizeof(b), NULL), 0);
	assert_memory_not_equal(a, b, sizeof(a));
	assert_int_equal(crypto_random(NULL, 0, NULL), 0);
}

static void the_hosts_errors_stay(void **state)
{
	char hex[SHA256_TEXT];

	(void)state;
	ERR_clear_error();
	ERR_raise(ERR_LIB_USER, 7);
	assert_int_equal(crypto_sha256_hex("x", 1, hex, NULL), 0);
	assert_int_equal(ERR_GET_REASON(ERR_get_error()), 7);
	assert_int_equal(ERR_get_error(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sha256_of_known_texts),
		cmocka_unit_test(sha1_of_a_known_text),
		cmocka_unit_test(hmac_of_known_texts),
		cmocka_unit_test(random_bytes_differ),
		cmocka_unit_test(the_hosts_errors_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
