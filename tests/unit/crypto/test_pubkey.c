/* SPDX-License-Identifier: Apache-2.0 */
#include "../base/temp.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "crypto/digest.h"
#include "crypto/pubkey.h"

static const char text[] = "challenge of a proof";

/* One key, its public half as a token would show it, and one good signature. */
struct sample {
	const char *name;	/* curve, "RSA" or "ED25519" */
	EVP_PKEY *key;
	uint8_t params[16], point[140], der_point[144], compressed[70];
	size_t params_len, point_len, der_point_len, compressed_len;
	uint8_t modulus[256], exponent[8], signature[256];
	size_t modulus_len, exponent_len, signature_len;
};

static struct sample samples[] = {
	{.name = "P-256"}, {.name = "P-384"}, {.name = "P-521"}, {.name = "RSA"}, {.name = "ED25519"},
};
enum { P256, P384, P521, RSA_2048, EDWARDS, SAMPLES };

static size_t number(const EVP_PKEY *key, const char *name, uint8_t *ret)
{
	BIGNUM *n = NULL;

	assert_int_equal(EVP_PKEY_get_bn_param(key, name, &n), 1);

	size_t len = (size_t)BN_bn2bin(n, ret);

	BN_free(n);
	return len;
}

static void sign(struct sample *s)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	uint8_t raw[256];
	size_t len = sizeof(raw);
	const EVP_MD *md = s == &samples[EDWARDS] ? NULL : EVP_sha256();

	assert_int_equal(EVP_DigestSignInit(context, NULL, md, NULL, s->key), 1);
	assert_int_equal(EVP_DigestSign(context, raw, &len, (const void *)text, sizeof(text)), 1);
	EVP_MD_CTX_free(context);
	if (s > &samples[P521]) {
		memcpy(s->signature, raw, s->signature_len = len);
		return;
	}

	const uint8_t *at = raw;
	ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &at, (long)len);
	int field = (EVP_PKEY_get_bits(s->key) + 7) / 8;

	BN_bn2binpad(ECDSA_SIG_get0_r(pair), s->signature, field);
	BN_bn2binpad(ECDSA_SIG_get0_s(pair), s->signature + field, field);
	s->signature_len = 2 * (size_t)field;
	ECDSA_SIG_free(pair);
}

static void show_ec(struct sample *s)
{
	unsigned char *at = s->params;
	size_t field;

	assert_int_equal(EVP_PKEY_get_octet_string_param(s->key, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY,
							 s->point, sizeof(s->point), &s->point_len), 1);
	s->params_len = (size_t)i2d_ASN1_OBJECT(OBJ_nid2obj(EC_curve_nist2nid(s->name)), &at);
	field = (s->point_len - 1) / 2;
	s->compressed[0] = 2 | (s->point[s->point_len - 1] & 1);
	memcpy(s->compressed + 1, s->point + 1, field);
	s->compressed_len = field + 1;
}

static int make_samples(void **state)
{
	(void)state;
	for (size_t i = 0; i < SAMPLES; i++) {
		struct sample *s = &samples[i];

		if (i <= P521)
			s->key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", s->name);
		else if (i == RSA_2048)
			s->key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
		else
			s->key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
		if (i <= P521)
			show_ec(s);
		if (i == RSA_2048) {
			s->modulus_len = number(s->key, OSSL_PKEY_PARAM_RSA_N, s->modulus);
			s->exponent_len = number(s->key, OSSL_PKEY_PARAM_RSA_E, s->exponent);
		}
		if (i == EDWARDS) {
			s->point_len = 32;
			EVP_PKEY_get_raw_public_key(s->key, s->point, &s->point_len);
		}
		ASN1_OCTET_STRING *octets = ASN1_OCTET_STRING_new();
		unsigned char *at = s->der_point;

		ASN1_OCTET_STRING_set(octets, s->point, (int)s->point_len);
		s->der_point_len = (size_t)i2d_ASN1_OCTET_STRING(octets, &at);
		ASN1_OCTET_STRING_free(octets);
		sign(s);
	}
	return 0;
}

static int free_samples(void **state)
{
	(void)state;
	for (size_t i = 0; i < SAMPLES; i++)
		EVP_PKEY_free(samples[i].key);
	return 0;
}

static int load(size_t i, struct pubkey **ret, struct err *err)
{
	const struct sample *s = &samples[i];

	if (i == RSA_2048)
		return pubkey_rsa(s->modulus, s->modulus_len, s->exponent, s->exponent_len, ret, err);
	if (i == EDWARDS)
		return pubkey_ed25519(s->point, s->point_len, ret, err);
	return pubkey_ec(s->params, s->params_len, s->der_point, s->der_point_len, ret, err);
}

static void good_signatures_verify_and_changed_ones_do_not(void **state)
{
	(void)state;
	for (size_t i = 0; i < SAMPLES; i++) {
		struct sample *s = &samples[i];
		owned(pubkey) struct pubkey *key = NULL;
		uint8_t bad[256];

		assert_int_equal(load(i, &key, NULL), 0);
		assert_int_equal(pubkey_verify(key, text, sizeof(text), s->signature, s->signature_len, NULL), 1);
		assert_int_equal(pubkey_verify(key, text, sizeof(text) - 1, s->signature,
					       s->signature_len, NULL), 0);
		for (size_t bit = 0; bit < 8 * s->signature_len; bit += 5) {
			memcpy(bad, s->signature, s->signature_len);
			bad[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_int_equal(pubkey_verify(key, text, sizeof(text), bad, s->signature_len, NULL), 0);
		}
		assert_int_equal(ERR_peek_error(), 0);
	}
}

static void signatures_of_odd_shape_are_not_good(void **state)
{
	static const uint8_t zeros[256], ones[256] = {[0 ... 255] = 0xff};

	(void)state;
	for (size_t i = 0; i < SAMPLES; i++) {
		struct sample *s = &samples[i];
		owned(pubkey) struct pubkey *key = NULL;

		assert_int_equal(load(i, &key, NULL), 0);
		assert_int_equal(pubkey_verify(key, text, sizeof(text), NULL, 0, NULL), 0);
		assert_int_equal(pubkey_verify(key, text, sizeof(text), s->signature,
					       s->signature_len - 1, NULL), 0);
		assert_int_equal(pubkey_verify(key, text, sizeof(text), zeros, s->signature_len, NULL), 0);
		assert_int_equal(pubkey_verify(key, text, sizeof(text), ones, s->signature_len, NULL), 0);
		assert_int_equal(ERR_peek_error(), 0);
	}
}

static void a_signature_of_another_key_is_not_good(void **state)
{
	owned(pubkey) struct pubkey *key = NULL;
	EVP_PKEY *other = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	uint8_t point[65];
	size_t len;

	(void)state;
	EVP_PKEY_get_octet_string_param(other, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, point, sizeof(point), &len);
	EVP_PKEY_free(other);
	assert_int_equal(pubkey_ec(samples[P256].params, samples[P256].params_len, point, len, &key, NULL), 0);
	assert_int_equal(pubkey_verify(key, text, sizeof(text), samples[P256].signature,
				       samples[P256].signature_len, NULL), 0);
}

/* Bare, as OCTET STRING, compressed: one key, one fingerprint, that of OpenSSL. */
static void every_form_of_a_point_is_the_same_key(void **state)
{
	(void)state;
	for (size_t i = P256; i <= P521; i++) {
		struct sample *s = &samples[i];
		const struct {
			const uint8_t *data;
			size_t len;
		} forms[] = {{s->point, s->point_len}, {s->der_point, s->der_point_len},
			     {s->compressed, s->compressed_len}};
		char expected[SHA256_TEXT], hex[SHA256_TEXT];
		unsigned char *der = NULL;
		int len = i2d_PUBKEY(s->key, &der);

		assert_int_equal(crypto_sha256_hex(der, (size_t)len, expected, NULL), 0);
		OPENSSL_free(der);
		for (size_t f = 0; f < 3; f++) {
			owned(pubkey) struct pubkey *key = NULL;

			assert_int_equal(pubkey_ec(s->params, s->params_len, forms[f].data,
						   forms[f].len, &key, NULL), 0);
			assert_int_equal(pubkey_verify(key, text, sizeof(text), s->signature,
						       s->signature_len, NULL), 1);
			assert_int_equal(pubkey_fingerprint(key, hex, NULL), 0);
			assert_string_equal(hex, expected);
		}
	}
}

static void edwards_keys_come_bare_or_wrapped(void **state)
{
	struct sample *s = &samples[EDWARDS];
	owned(pubkey) struct pubkey *key = NULL;

	(void)state;
	assert_int_equal(pubkey_ed25519(s->der_point, s->der_point_len, &key, NULL), 0);
	assert_int_equal(pubkey_verify(key, text, sizeof(text), s->signature, s->signature_len, NULL), 1);
	for (size_t len = 0; len < s->der_point_len; len++) {
		struct pubkey *none = NULL;

		if (len != 32)
			assert_int_equal(pubkey_ed25519(s->der_point, len, &none, NULL), -ERR_INVALID);
	}
	s->der_point[0] = 0x03;
	assert_int_equal(pubkey_ed25519(s->der_point, s->der_point_len, &key, NULL), -ERR_INVALID);
	s->der_point[0] = 0x04;
}

static void wrong_points_are_refused(void **state)
{
	struct sample *s = &samples[P256];
	struct pubkey *none = NULL;
	uint8_t bad[144];

	(void)state;
	for (size_t i = P256; i <= P521; i++) {
		s = &samples[i];
		for (size_t len = 0; len < s->der_point_len; len++) {
			assert_int_equal(pubkey_ec(s->params, s->params_len, s->der_point, len, &none, NULL),
					 -ERR_INVALID);
			if (len < s->point_len)
				assert_int_equal(pubkey_ec(s->params, s->params_len, s->point, len,
							   &none, NULL), -ERR_INVALID);
		}
		/* Off the curve, and of another curve. */
		memcpy(bad, s->point, s->point_len);
		bad[s->point_len - 1] ^= 1;
		assert_int_equal(pubkey_ec(s->params, s->params_len, bad, s->point_len, &none, NULL),
				 -ERR_INVALID);
		assert_int_equal(pubkey_ec(s->params, s->params_len, samples[(i + 1) % 3].point,
					   samples[(i + 1) % 3].point_len, &none, NULL), -ERR_INVALID);
		memcpy(bad, s->point, s->point_len);
		bad[0] = 0x06;	/* hybrid */
		assert_int_equal(pubkey_ec(s->params, s->params_len, bad, s->point_len, &none, NULL),
				 -ERR_INVALID);
	}
	assert_int_equal(pubkey_ec(s->params, s->params_len, NULL, 65, &none, NULL), -ERR_INVALID);
	assert_int_equal(pubkey_ec(s->params, s->params_len, "\0", 1, &none, NULL), -ERR_INVALID);
	assert_null(none);
	assert_int_equal(ERR_peek_error(), 0);
}

static void other_curves_are_unsupported(void **state)
{
	/* secp256k1; an explicit SEQUENCE; a PrintableString; nothing. */
	static const struct {
		const char *params;
		size_t len;
	} cases[] = {{"\x06\x05\x2b\x81\x04\x00\x0a", 7}, {"\x30\x01\x02", 3},
		     {"\x13\x05P-256", 7}, {"", 0}, {NULL, 0}, {NULL, 10}};
	struct pubkey *none = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(pubkey_ec(cases[i].params, cases[i].len, samples[P256].point, 65, &none, NULL),
				 -ERR_UNSUPPORTED);
}

static void rsa_numbers_are_checked(void **state)
{
	struct sample *s = &samples[RSA_2048];
	static uint8_t wide[2060], even[256];
	struct pubkey *none = NULL;
	owned(pubkey) struct pubkey *padded = NULL;
	const struct {
		const void *n;
		size_t n_len;
		const void *e;
		size_t e_len;
	} cases[] = {
		{NULL, 0, "\3", 1},	{NULL, 256, "\3", 1},	       {wide, 2060, "\3", 1},
		{"\xff", 1, "\3", 1},	{wide, 2048, "\3", 1},	       {s->modulus, 256, "", 0},
		{s->modulus, 256, NULL, 3}, {s->modulus, 256, "\1", 1}, {s->modulus, 256, "\2", 1},
		{s->modulus, 256, "\0\0", 2}, {even, 256, "\3", 1},    {s->modulus, 256, wide, 300},
	};

	(void)state;
	memset(wide, 0xff, sizeof(wide));
	wide[2047] = 0xfe;
	memcpy(even, s->modulus, 256);
	even[255] &= 0xfe;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(pubkey_rsa(cases[i].n, cases[i].n_len, cases[i].e, cases[i].e_len, &none, NULL),
				 -ERR_INVALID);
	/* Leading zeros change nothing. */
	memset(wide, 0, 3);
	memcpy(wide + 3, s->modulus, 256);
	assert_int_equal(pubkey_rsa(wide, 259, "\0\1\0\1", 4, &padded, NULL), 0);
	assert_int_equal(pubkey_verify(padded, text, sizeof(text), s->signature, s->signature_len, NULL), 1);
}

static void what_is_encrypted_can_be_decrypted(void **state)
{
	owned(pubkey) struct pubkey *key = NULL;
	owned(pubkey) struct pubkey *ec = NULL;
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(samples[RSA_2048].key, NULL);
	uint8_t box[300], open[300];
	size_t box_len = sizeof(box), open_len = sizeof(open);

	(void)state;
	assert_int_equal(load(RSA_2048, &key, NULL), 0);
	assert_int_equal(load(P256, &ec, NULL), 0);
	assert_int_equal(pubkey_encrypt(key, text, sizeof(text), box, &box_len, NULL), 0);
	assert_int_equal(box_len, 256);
	assert_int_equal(EVP_PKEY_decrypt_init(context), 1);
	assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING), 1);
	assert_int_equal(EVP_PKEY_decrypt(context, open, &open_len, box, box_len), 1);
	assert_int_equal(open_len, sizeof(text));
	assert_memory_equal(open, text, sizeof(text));
	EVP_PKEY_CTX_free(context);

	box_len = 255;
	assert_int_equal(pubkey_encrypt(key, text, sizeof(text), box, &box_len, NULL), -ERR_INVALID);
	box_len = sizeof(box);
	assert_int_equal(pubkey_encrypt(key, open, 246, box, &box_len, NULL), -ERR_INVALID);
	assert_int_equal(pubkey_encrypt(key, open, 245, box, &box_len, NULL), 0);
	assert_int_equal(pubkey_encrypt(key, NULL, 0, box, &box_len, NULL), 0);
	assert_int_equal(pubkey_encrypt(ec, text, 1, box, &box_len, NULL), -ERR_UNSUPPORTED);
}

static int load_once(size_t i)
{
	owned(pubkey) struct pubkey *key = NULL;

	return load(i, &key, NULL);
}

static void memory_runs_out(void **state)
{
	(void)state;
	for (size_t i = 0; i < SAMPLES; i++)
		assert_survives_no_memory(load_once(i));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_signatures_verify_and_changed_ones_do_not),
		cmocka_unit_test(signatures_of_odd_shape_are_not_good),
		cmocka_unit_test(a_signature_of_another_key_is_not_good),
		cmocka_unit_test(every_form_of_a_point_is_the_same_key),
		cmocka_unit_test(edwards_keys_come_bare_or_wrapped),
		cmocka_unit_test(wrong_points_are_refused),
		cmocka_unit_test(other_curves_are_unsupported),
		cmocka_unit_test(rsa_numbers_are_checked),
		cmocka_unit_test(what_is_encrypted_can_be_decrypted),
		cmocka_unit_test(memory_runs_out),
	};

	return cmocka_run_group_tests(tests, make_samples, free_samples);
}
