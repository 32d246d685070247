/* SPDX-License-Identifier: Apache-2.0 */
/* RSA: keys of 2048 bits from a stock of primes, everything else by OpenSSL. */
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <stdatomic.h>
#include <string.h>

#include "base/own.h"
#include "internal.h"

static inline void own_BIGNUM(BIGNUM **p)
{
	BN_free(*p);
}

static inline void own_BN_CTX(BN_CTX **p)
{
	BN_CTX_free(*p);
}

static inline void own_EVP_PKEY_CTX(EVP_PKEY_CTX **p)
{
	EVP_PKEY_CTX_free(*p);
}

static inline void own_OSSL_PARAM_BLD(OSSL_PARAM_BLD **p)
{
	OSSL_PARAM_BLD_free(*p);
}

static atomic_uint next_primes;

void rsa_begin(uint64_t seed)
{
	next_primes = (unsigned)seed;
}

void rsa_free(EVP_PKEY *key)
{
	EVP_PKEY_free(key);
}

/* Each number of a key: its attribute and OpenSSL's name, in the order of RSAPrivateKey. */
static const struct {
	CK_ATTRIBUTE_TYPE type;
	const char *name;
} numbers[] = {
	{CKA_MODULUS, OSSL_PKEY_PARAM_RSA_N},
	{CKA_PUBLIC_EXPONENT, OSSL_PKEY_PARAM_RSA_E},
	{CKA_PRIVATE_EXPONENT, OSSL_PKEY_PARAM_RSA_D},
	{CKA_PRIME_1, OSSL_PKEY_PARAM_RSA_FACTOR1},
	{CKA_PRIME_2, OSSL_PKEY_PARAM_RSA_FACTOR2},
	{CKA_EXPONENT_1, OSSL_PKEY_PARAM_RSA_EXPONENT1},
	{CKA_EXPONENT_2, OSSL_PKEY_PARAM_RSA_EXPONENT2},
	{CKA_COEFFICIENT, OSSL_PKEY_PARAM_RSA_COEFFICIENT1},
};
enum { NUMBERS = sizeof(numbers) / sizeof(numbers[0]), PUBLIC_NUMBERS = 2 };

/* ---- making ---- */

static CK_RV set_number(struct object *key, CK_ATTRIBUTE_TYPE type, const BIGNUM *number)
{
	uint8_t bytes[1024];

	return object_set(key, type, bytes, (size_t)BN_bn2bin(number, bytes));
}

static EVP_PKEY *from_numbers(BIGNUM *const n[NUMBERS], size_t count)
{
	owned(OSSL_PARAM_BLD) OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	owned(EVP_PKEY_CTX) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	OSSL_PARAM *params = NULL;
	EVP_PKEY *key = NULL;
	bool good = build && ctx;

	for (size_t i = 0; i < count && good; i++)
		good = n[i] && OSSL_PARAM_BLD_push_BN(build, numbers[i].name, n[i]) == 1;
	params = good ? OSSL_PARAM_BLD_to_param(build) : NULL;
	if (!params || EVP_PKEY_fromdata_init(ctx) != 1 ||
	    EVP_PKEY_fromdata(ctx, &key, count > PUBLIC_NUMBERS ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY, params) != 1)
		key = NULL;
	OSSL_PARAM_free(params);
	return key;
}

static EVP_PKEY *key_of(struct object *key)
{
	BIGNUM *n[NUMBERS] = {NULL};
	size_t count = object_number(key, CKA_CLASS) == CKO_PRIVATE_KEY ? NUMBERS : PUBLIC_NUMBERS;

	if (key->rsa)
		return key->rsa;
	for (size_t i = 0; i < count; i++) {
		const CK_ATTRIBUTE *value = object_value(key, numbers[i].type);

		n[i] = BN_bin2bn(value->pValue, (int)value->ulValueLen, NULL);
	}
	key->rsa = from_numbers(n, count);
	for (size_t i = 0; i < count; i++)
		BN_free(n[i]);
	return key->rsa;
}

/* The rest of a key whose exponent and primes are known. */
static bool complete(BIGNUM *n[NUMBERS], BN_CTX *ctx)
{
	owned(BIGNUM) BIGNUM *p1 = BN_dup(n[3]), *q1 = BN_dup(n[4]), *phi = BN_new();

	return p1 && q1 && phi && BN_sub_word(p1, 1) && BN_sub_word(q1, 1) && BN_mul(n[0], n[3], n[4], ctx) &&
	       BN_mul(phi, p1, q1, ctx) && BN_mod_inverse(n[2], n[1], phi, ctx) && BN_nnmod(n[5], n[2], p1, ctx) &&
	       BN_nnmod(n[6], n[2], q1, ctx) && BN_mod_inverse(n[7], n[4], n[3], ctx);
}

static bool from_stock(BIGNUM *n[NUMBERS])
{
	const char *const *primes = fake_primes[next_primes++ % FAKE_PRIMES];
	owned(BN_CTX) BN_CTX *ctx = BN_CTX_new();

	for (size_t i = 0; i < NUMBERS; i++)
		n[i] = BN_new();
	return ctx && BN_set_word(n[1], 65537) && BN_hex2bn(&n[3], primes[0]) && BN_hex2bn(&n[4], primes[1]) &&
	       complete(n, ctx);
}

static bool by_openssl(CK_ULONG bits, BIGNUM *n[NUMBERS])
{
	EVP_PKEY *key = EVP_RSA_gen(bits);
	bool good = key;

	for (size_t i = 0; i < NUMBERS && good; i++)
		good = EVP_PKEY_get_bn_param(key, numbers[i].name, &n[i]) == 1;
	EVP_PKEY_free(key);
	return good;
}

CK_RV rsa_make(CK_ULONG bits, struct object *open, struct object *hidden)
{
	BIGNUM *n[NUMBERS] = {NULL};
	CK_RV rv = CKR_OK;

	if (bits < 512 || bits > 8192)
		return CKR_KEY_SIZE_RANGE;
	if (!(bits == 2048 ? from_stock(n) : by_openssl(bits, n)))
		rv = CKR_GENERAL_ERROR;
	for (size_t i = 0; i < NUMBERS && rv == CKR_OK; i++) {
		rv = set_number(hidden, numbers[i].type, n[i]);
		if (rv == CKR_OK && i < PUBLIC_NUMBERS)
			rv = set_number(open, numbers[i].type, n[i]);
	}
	for (size_t i = 0; i < NUMBERS; i++)
		BN_free(n[i]);
	return rv;
}

/* ---- using ---- */

static const EVP_MD *md_of(CK_MECHANISM_TYPE type)
{
	switch (type == CKM_RSA_PKCS ? 0 : crypt_digest_of(type)) {
	case CKM_SHA_1:
		return EVP_sha1();
	case CKM_SHA256:
		return EVP_sha256();
	case CKM_SHA384:
		return EVP_sha384();
	case CKM_SHA512:
		return EVP_sha512();
	default:
		return NULL;
	}
}

/* The digest of the input where the mechanism has one, else the input. */
static CK_RV digest(CK_MECHANISM_TYPE type, const uint8_t *in, size_t len, struct buf *ret)
{
	if (crypt_digest_of(type))
		return crypt_digest(crypt_digest_of(type), in, len, ret);
	buf_put(ret, in, len);
	return ret->bad ? CKR_HOST_MEMORY : CKR_OK;
}

static EVP_PKEY_CTX *start(struct object *key, int (*init)(EVP_PKEY_CTX *), CK_MECHANISM_TYPE type)
{
	EVP_PKEY *pkey = key_of(key);
	EVP_PKEY_CTX *ctx = pkey ? EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL) : NULL;
	const EVP_MD *md = md_of(type);

	if (ctx && init(ctx) == 1 && EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1 &&
	    (!md || EVP_PKEY_CTX_set_signature_md(ctx, md) == 1))
		return ctx;
	EVP_PKEY_CTX_free(ctx);
	return NULL;
}

CK_RV rsa_sign(struct object *key, CK_MECHANISM_TYPE type, const uint8_t *in, size_t len, struct buf *ret)
{
	owned(EVP_PKEY_CTX) EVP_PKEY_CTX *ctx = start(key, EVP_PKEY_sign_init, type);
	owned(buf) struct buf data = {.max = OUT_MAX};
	size_t room = object_value(key, CKA_MODULUS)->ulValueLen;
	uint8_t *out = buf_reserve(ret, room);
	CK_RV rv = digest(type, in, len, &data);

	if (rv != CKR_OK || !out || !ctx)
		return rv != CKR_OK ? rv : CKR_GENERAL_ERROR;
	if (EVP_PKEY_sign(ctx, out, &room, data.data, data.len) != 1)
		return CKR_GENERAL_ERROR;
	ret->len += room;
	return CKR_OK;
}

CK_RV rsa_verify(struct object *key, CK_MECHANISM_TYPE type, const uint8_t *in, size_t len, const uint8_t *signature,
		 size_t signature_len)
{
	owned(EVP_PKEY_CTX) EVP_PKEY_CTX *ctx = start(key, EVP_PKEY_verify_init, type);
	owned(buf) struct buf data = {.max = OUT_MAX};
	CK_RV rv = digest(type, in, len, &data);

	if (rv != CKR_OK || !ctx)
		return rv != CKR_OK ? rv : CKR_GENERAL_ERROR;
	if (signature_len != object_value(key, CKA_MODULUS)->ulValueLen)
		return CKR_SIGNATURE_LEN_RANGE;
	return EVP_PKEY_verify(ctx, signature, signature_len, data.data, data.len) == 1 ? CKR_OK
											: CKR_SIGNATURE_INVALID;
}

/* SoftHSM 2.6.1 has SHA-1 with MGF1 by SHA-1, and nothing else. */
static bool set_oaep(EVP_PKEY_CTX *ctx, const CK_MECHANISM *m)
{
	return m->mechanism != CKM_RSA_PKCS_OAEP || (EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) == 1 &&
						     EVP_PKEY_CTX_set_rsa_oaep_md(ctx, EVP_sha1()) == 1 &&
						     EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, EVP_sha1()) == 1);
}

CK_RV rsa_crypt(struct object *key, const CK_MECHANISM *m, bool encrypt, const uint8_t *in, size_t len, struct buf *ret)
{
	owned(EVP_PKEY_CTX) EVP_PKEY_CTX *ctx =
		start(key, encrypt ? EVP_PKEY_encrypt_init : EVP_PKEY_decrypt_init, CKM_RSA_PKCS);
	int (*step)(EVP_PKEY_CTX *, unsigned char *, size_t *, const unsigned char *, size_t) =
		encrypt ? EVP_PKEY_encrypt : EVP_PKEY_decrypt;
	size_t room = object_value(key, CKA_MODULUS)->ulValueLen;
	uint8_t *out = buf_reserve(ret, room);

	if (!out || !ctx || !set_oaep(ctx, m))
		return CKR_GENERAL_ERROR;
	if ((!encrypt && len != room) || step(ctx, out, &room, in, len) != 1)
		return CKR_GENERAL_ERROR;
	ret->len += room;
	return CKR_OK;
}
