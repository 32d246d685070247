/* SPDX-License-Identifier: Apache-2.0 */
/* Public keys as PKCS#11 gives them, made into OpenSSL's. */
#include "crypto/pubkey.h"

#include <openssl/core_names.h>
#include <openssl/rsa.h>
#include <stdbool.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "crypto/digest.h"
#include "crypto/openssl.h"

enum {
	RSA_MIN_BYTES = 64,
	RSA_MAX_BYTES = 2048,	/* OpenSSL's own limit for verification */
	ED25519_LEN = 32,
	FIELD_MAX = 66,
	OCTET_STRING = 0x04,
};

enum kind { KIND_RSA, KIND_EC, KIND_EDWARDS };

struct pubkey {
	enum kind kind;
	EVP_PKEY *key;
	size_t size;	/* bytes of the modulus, or of one coordinate */
};

struct bytes {
	const uint8_t *data;
	size_t len;
};

static const struct curve {
	const char *name;
	size_t field;	/* bytes of one coordinate */
	uint8_t oid_len, oid[10];
} curves[] = {
	{"P-256", 32, 10, {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07}},
	{"P-384", 48, 7, {0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22}},
	{"P-521", FIELD_MAX, 7, {0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23}},
};

void pubkey_free(struct pubkey *key)
{
	if (!key)
		return;
	OPENSSL_ENTER();
	EVP_PKEY_free(key->key);
	free(key);
}

static int wrap(enum kind kind, size_t size, EVP_PKEY **key, struct pubkey **ret, struct err *err)
{
	struct pubkey *k = mem_new(struct pubkey);

	if (!k)
		return err_no_memory(err);
	*k = (struct pubkey){.kind = kind, .key = own_take(*key), .size = size};
	*ret = k;
	return 0;
}

static bool key_from_params(const char *type, OSSL_PARAM *params, EVP_PKEY **ret)
{
	owned(EVP_PKEY_CTX) EVP_PKEY_CTX *context =
		EVP_PKEY_CTX_new_from_name(openssl_context(), type, NULL);

	return params && context && EVP_PKEY_fromdata_init(context) == 1 &&
	       EVP_PKEY_fromdata(context, ret, EVP_PKEY_PUBLIC_KEY, params) == 1;
}

/* A big-endian number without leading zeros. */
static struct bytes trim(const void *data, size_t len)
{
	struct bytes b = {data, data ? len : 0};

	while (b.len && !*b.data) {
		b.data++;
		b.len--;
	}
	return b;
}

int pubkey_rsa(const void *modulus, size_t modulus_len, const void *exponent,
	       size_t exponent_len, struct pubkey **ret, struct err *err)
{
	OPENSSL_ENTER();
	struct bytes n = trim(modulus, modulus_len), e = trim(exponent, exponent_len);
	owned(OSSL_PARAM_BLD) OSSL_PARAM_BLD *build = NULL;
	owned(OSSL_PARAM) OSSL_PARAM *params = NULL;
	owned(BIGNUM) BIGNUM *bn = NULL;
	owned(BIGNUM) BIGNUM *be = NULL;
	owned(EVP_PKEY) EVP_PKEY *key = NULL;

	if (n.len < RSA_MIN_BYTES || n.len > RSA_MAX_BYTES || !(n.data[n.len - 1] & 1))
		return err_set(err, ERR_INVALID, "an RSA modulus of %zu bytes that cannot be used", n.len);
	if (!e.len || e.len > n.len || !(e.data[e.len - 1] & 1) || (e.len == 1 && *e.data == 1))
		return err_set(err, ERR_INVALID, "an RSA exponent of %zu bytes that cannot be used", e.len);
	build = OSSL_PARAM_BLD_new();
	bn = BN_bin2bn(n.data, (int)n.len, NULL);
	be = BN_bin2bn(e.data, (int)e.len, NULL);
	if (!build || !bn || !be || !OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, bn) ||
	    !OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, be))
		return err_no_memory(err);
	params = OSSL_PARAM_BLD_to_param(build);
	if (!key_from_params("1.2.840.113549.1.1.1", params, &key))
		return openssl_error(err, ERR_INVALID, "not an RSA public key");
	return wrap(KIND_RSA, n.len, &key, ret, err);
}

/* What a DER OCTET STRING that fills all of data holds; otherwise nothing. */
static struct bytes octet_string(const uint8_t *data, size_t len)
{
	struct bytes none = {NULL, 0};

	if (len < 2 || data[0] != OCTET_STRING)
		return none;
	if (data[1] < 0x80)
		return data[1] == len - 2 ? (struct bytes){data + 2, len - 2} : none;
	/* No point needs a length of more than one byte. */
	if (data[1] != 0x81 || len < 3 || data[2] < 0x80 || data[2] != len - 3)
		return none;
	return (struct bytes){data + 3, len - 3};
}

static bool is_point(struct bytes b, size_t field)
{
	if (!b.len)
		return false;
	return b.data[0] == 0x04 ? b.len == 1 + 2 * field
				 : (b.data[0] | 1) == 0x03 && b.len == 1 + field;
}

static const struct curve *find_curve(const void *params, size_t len)
{
	for (size_t i = 0; params && i < sizeof(curves) / sizeof(curves[0]); i++)
		if (len == curves[i].oid_len && memcmp(params, curves[i].oid, len) == 0)
			return &curves[i];
	return NULL;
}

/* An uncompressed point begins with the tag of an OCTET STRING: only the
 * lengths tell the two forms apart. */
static struct bytes find_point(const void *data, size_t len, size_t field)
{
	struct bytes bare = {data, data ? len : 0}, inner = octet_string(bare.data, bare.len);

	if (is_point(inner, field))
		return inner;
	return is_point(bare, field) ? bare : (struct bytes){NULL, 0};
}

int pubkey_ec(const void *params, size_t params_len, const void *point, size_t point_len,
	      struct pubkey **ret, struct err *err)
{
	OPENSSL_ENTER();
	const struct curve *curve = find_curve(params, params_len);
	owned(OSSL_PARAM_BLD) OSSL_PARAM_BLD *build = NULL;
	owned(OSSL_PARAM) OSSL_PARAM *key_params = NULL;
	owned(EVP_PKEY) EVP_PKEY *key = NULL;
	struct bytes p;

	if (!curve)
		return err_set(err, ERR_UNSUPPORTED, "an elliptic curve other than P-256, P-384, P-521");
	p = find_point(point, point_len, curve->field);
	if (!p.len)
		return err_set(err, ERR_INVALID, "%zu bytes that are no point of %s", point_len, curve->name);
	build = OSSL_PARAM_BLD_new();
	if (!build ||
	    !OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, curve->name, 0) ||
	    !OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, p.data, p.len))
		return err_no_memory(err);
	key_params = OSSL_PARAM_BLD_to_param(build);
	if (!key_from_params("1.2.840.10045.2.1", key_params, &key))
		return openssl_error(err, ERR_INVALID, "not a point of the curve");
	return wrap(KIND_EC, curve->field, &key, ret, err);
}

int pubkey_ed25519(const void *point, size_t point_len, struct pubkey **ret, struct err *err)
{
	OPENSSL_ENTER();
	struct bytes p = {point, point ? point_len : 0};
	owned(EVP_PKEY) EVP_PKEY *key = NULL;

	if (p.len == 2 + ED25519_LEN)
		p = octet_string(p.data, p.len);
	if (p.len != ED25519_LEN)
		return err_set(err, ERR_INVALID, "%zu bytes that are no Ed25519 key", point_len);
	key = EVP_PKEY_new_raw_public_key_ex(openssl_context(), "ED25519", NULL, p.data, p.len);
	if (!key)
		return openssl_error(err, ERR_INVALID, "not an Ed25519 key");
	return wrap(KIND_EDWARDS, ED25519_LEN, &key, ret, err);
}

/* r || s in the form OpenSSL reads; its length, 0 on failure. */
static size_t ecdsa_der(const uint8_t *signature, size_t field, uint8_t **ret)
{
	owned(ECDSA_SIG) ECDSA_SIG *pair = ECDSA_SIG_new();
	owned(BIGNUM) BIGNUM *r = BN_bin2bn(signature, (int)field, NULL);
	owned(BIGNUM) BIGNUM *s = BN_bin2bn(signature + field, (int)field, NULL);
	int len;

	if (!pair || !r || !s || !ECDSA_SIG_set0(pair, r, s))
		return 0;
	r = s = NULL;	/* the pair's now */
	len = i2d_ECDSA_SIG(pair, ret);
	return len > 0 ? (size_t)len : 0;
}

static int verify(const struct pubkey *key, const void *data, size_t len,
		  const void *signature, size_t signature_len, struct err *err)
{
	owned(EVP_MD_CTX) EVP_MD_CTX *context = EVP_MD_CTX_new();
	const char *digest = key->kind == KIND_EDWARDS ? NULL : "SHA256";
	int rc;

	if (!context || EVP_DigestVerifyInit_ex(context, NULL, digest, openssl_context(), NULL,
						key->key, NULL) != 1)
		return openssl_error(err, ERR_FAILED, "cannot check a signature");
	rc = EVP_DigestVerify(context, signature, signature_len, data, len);
	return rc < 0 ? openssl_error(err, ERR_FAILED, "cannot check a signature") : rc;
}

int pubkey_verify(const struct pubkey *key, const void *data, size_t len,
		  const void *signature, size_t signature_len, struct err *err)
{
	OPENSSL_ENTER();
	size_t good_len = key->kind == KIND_RSA ? key->size : 2 * key->size;
	owned(openssl) uint8_t *der = NULL;

	if (!signature || signature_len != good_len)
		return 0;
	if (key->kind != KIND_EC)
		return verify(key, data, len, signature, signature_len, err);
	signature_len = ecdsa_der(signature, key->size, &der);
	if (!signature_len)
		return err_no_memory(err);
	return verify(key, data, len, der, signature_len, err);
}

int pubkey_encrypt(const struct pubkey *key, const void *data, size_t len,
		   uint8_t *ret, size_t *ret_len, struct err *err)
{
	OPENSSL_ENTER();
	owned(EVP_PKEY_CTX) EVP_PKEY_CTX *context = NULL;

	if (key->kind != KIND_RSA)
		return err_set(err, ERR_UNSUPPORTED, "only RSA keys encrypt");
	if (*ret_len < key->size || len > key->size - RSA_PKCS1_PADDING_SIZE)
		return err_set(err, ERR_INVALID, "no room to encrypt %zu bytes with an RSA key of %zu bytes",
			       len, key->size);
	context = EVP_PKEY_CTX_new_from_pkey(openssl_context(), key->key, NULL);
	if (!context || EVP_PKEY_encrypt_init(context) != 1 ||
	    EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) != 1 ||
	    EVP_PKEY_encrypt(context, ret, ret_len, len ? data : "", len) != 1)
		return openssl_error(err, ERR_FAILED, "cannot encrypt");
	return 0;
}

int pubkey_fingerprint(const struct pubkey *key, char ret[static 65], struct err *err)
{
	OPENSSL_ENTER();
	owned(openssl) unsigned char *der = NULL;
	int len = i2d_PUBKEY(key->key, &der);

	if (len <= 0)
		return openssl_error(err, ERR_FAILED, "cannot encode a public key");
	return crypto_sha256_hex(der, (size_t)len, ret, err);
}
