/* SPDX-License-Identifier: Apache-2.0 */
/* A host that put key methods of its own into OpenSSL, as engines do: our checks do not use them. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "../base/temp.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "crypto/pubkey.h"

static const char text[] = "challenge of a proof";
static const uint8_t p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};

static EVP_PKEY *rsa, *ec;

static size_t sign(EVP_PKEY *key, uint8_t *ret, size_t room)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();

	assert_int_equal(EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key), 1);
	assert_int_equal(EVP_DigestSign(context, ret, &room, (const void *)text, sizeof(text)), 1);
	EVP_MD_CTX_free(context);
	return room;
}

static uint8_t rsa_signature[256], ec_signature[64];

static int make_keys(void **state)
{
	uint8_t der[80];
	const uint8_t *at = der;
	ECDSA_SIG *pair;

	(void)state;
	rsa = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
	ec = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	assert_int_equal(sign(rsa, rsa_signature, sizeof(rsa_signature)), sizeof(rsa_signature));
	pair = d2i_ECDSA_SIG(NULL, &at, (long)sign(ec, der, sizeof(der)));
	assert_non_null(pair);
	BN_bn2binpad(ECDSA_SIG_get0_r(pair), ec_signature, 32);
	BN_bn2binpad(ECDSA_SIG_get0_s(pair), ec_signature + 32, 32);
	ECDSA_SIG_free(pair);
	return 0;
}

/* What libp11's engine and others do: a copy of the built-in methods, some of it their own. */
static void take_over(int type)
{
	EVP_PKEY_METHOD *method = EVP_PKEY_meth_new(type, 0);

	assert_non_null(method);
	EVP_PKEY_meth_copy(method, EVP_PKEY_meth_find(type));
	assert_int_equal(EVP_PKEY_meth_add0(method), 1);
}

static void a_key_is_checked_whatever_the_host_registered(void **state)
{
	owned(pubkey) struct pubkey *rsa_key = NULL, *ec_key = NULL;
	uint8_t modulus[256], exponent[8], point[65];
	BIGNUM *n = NULL, *e = NULL;
	size_t exponent_len, point_len;

	(void)state;
	EVP_PKEY_get_bn_param(rsa, OSSL_PKEY_PARAM_RSA_N, &n);
	EVP_PKEY_get_bn_param(rsa, OSSL_PKEY_PARAM_RSA_E, &e);
	BN_bn2bin(n, modulus);
	exponent_len = (size_t)BN_bn2bin(e, exponent);
	BN_free(n);
	BN_free(e);
	EVP_PKEY_get_octet_string_param(ec, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, point, sizeof(point), &point_len);
	take_over(EVP_PKEY_RSA);
	take_over(EVP_PKEY_EC);
	assert_int_equal(pubkey_rsa(modulus, sizeof(modulus), exponent, exponent_len, &rsa_key, NULL), 0);
	assert_int_equal(pubkey_ec(p256, sizeof(p256), point, point_len, &ec_key, NULL), 0);
	assert_int_equal(pubkey_verify(rsa_key, text, sizeof(text), rsa_signature, sizeof(rsa_signature), NULL), 1);
	assert_int_equal(pubkey_verify(ec_key, text, sizeof(text), ec_signature, sizeof(ec_signature), NULL), 1);
	rsa_signature[9] ^= 1;
	ec_signature[9] ^= 1;
	assert_int_equal(pubkey_verify(rsa_key, text, sizeof(text), rsa_signature, sizeof(rsa_signature), NULL), 0);
	assert_int_equal(pubkey_verify(ec_key, text, sizeof(text), ec_signature, sizeof(ec_signature), NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_is_checked_whatever_the_host_registered),
	};

	return cmocka_run_group_tests(tests, make_keys, NULL);
}
