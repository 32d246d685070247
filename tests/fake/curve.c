/* SPDX-License-Identifier: Apache-2.0 */
/* ECDSA on P-256 and P-384, with nonces that follow from key and input: the same signature in every run. */
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <string.h>

#include "base/own.h"
#include "internal.h"

enum { COORDINATE_MAX = 48, POINT_MAX = 2 + 1 + 2 * COORDINATE_MAX };

static struct curve {
	CK_BYTE params[10];
	CK_ULONG params_len;
	int nid;
	size_t len;
	EC_GROUP *group;
} curves[] = {
	{{0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07}, 10, NID_X9_62_prime256v1, 32, NULL},
	{{0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22}, 7, NID_secp384r1, 48, NULL},
};
enum { CURVES = sizeof(curves) / sizeof(curves[0]) };

static inline void own_BN_CTX(BN_CTX **p)
{
	BN_CTX_free(*p);
}

static inline void own_EC_POINT(EC_POINT **p)
{
	EC_POINT_free(*p);
}

static void make_groups(void)
{
	for (size_t i = 0; i < CURVES; i++)
		curves[i].group = EC_GROUP_new_by_curve_name(curves[i].nid);
}

const struct curve *curve_of(const CK_ATTRIBUTE *params)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, make_groups);
	for (size_t i = 0; i < CURVES; i++)
		if (curves[i].group && params->ulValueLen == curves[i].params_len &&
		    memcmp(params->pValue, curves[i].params, curves[i].params_len) == 0)
			return &curves[i];
	return NULL;
}

size_t curve_len(const struct curve *curve)
{
	return curve->len;
}

/* Both orders begin with 32 bits of ones: a number whose first bit is not set is below them. */
static void into_range(uint8_t *value, size_t len)
{
	value[0] &= 0x7f;
	value[len - 1] |= 1;
}

CK_RV curve_point(const struct curve *curve, uint8_t *value, struct buf *ret)
{
	owned(BN_CTX) BN_CTX *ctx = BN_CTX_new();
	owned(EC_POINT) EC_POINT *point = EC_POINT_new(curve->group);
	uint8_t bare[POINT_MAX];
	BIGNUM *d;
	size_t len;

	into_range(value, curve->len);
	if (!ctx || !point)
		return CKR_HOST_MEMORY;
	BN_CTX_start(ctx);
	d = BN_CTX_get(ctx);
	len = d && BN_bin2bn(value, (int)curve->len, d) && EC_POINT_mul(curve->group, point, d, NULL, NULL, ctx) == 1
		      ? EC_POINT_point2oct(curve->group, point, POINT_CONVERSION_UNCOMPRESSED, bare, sizeof(bare), ctx)
		      : 0;
	BN_CTX_end(ctx);
	buf_put_u8(ret, 0x04);
	buf_put_u8(ret, (uint8_t)len);
	buf_put(ret, bare, len);
	return len && !ret->bad ? CKR_OK : CKR_GENERAL_ERROR;
}

CK_RV curve_agree(const struct curve *curve, const CK_ATTRIBUTE *value, const uint8_t *point, size_t len, struct buf *ret)
{
	owned(BN_CTX) BN_CTX *ctx = BN_CTX_new();
	owned(EC_POINT) EC_POINT *q = EC_POINT_new(curve->group);
	uint8_t *out = buf_reserve(ret, curve->len);
	size_t bare = 1 + 2 * curve->len, skip = len > bare ? len - bare : 0;
	BIGNUM *d, *x;
	bool good;

	if (!ctx || !q || !out)
		return CKR_HOST_MEMORY;
	BN_CTX_start(ctx);
	d = BN_CTX_get(ctx);
	x = BN_CTX_get(ctx);
	good = x && EC_POINT_oct2point(curve->group, q, point + skip, len - skip, ctx) == 1 &&
	       BN_bin2bn(value->pValue, (int)value->ulValueLen, d) &&
	       EC_POINT_mul(curve->group, q, NULL, q, d, ctx) == 1 &&
	       EC_POINT_get_affine_coordinates(curve->group, q, x, NULL, ctx) == 1 &&
	       BN_bn2binpad(x, out, (int)curve->len) > 0;
	BN_CTX_end(ctx);
	ret->len += good ? curve->len : 0;
	return good ? CKR_OK : CKR_GENERAL_ERROR;
}

/* The leftmost bits of a digest, as a number. */
static BIGNUM *digest_number(const struct curve *curve, const uint8_t *in, size_t len, BN_CTX *ctx)
{
	BIGNUM *z = BN_CTX_get(ctx);

	return z ? BN_bin2bn(in, (int)(len < curve->len ? len : curve->len), z) : NULL;
}

static BIGNUM *nonce(const struct curve *curve, const CK_ATTRIBUTE *value, const uint8_t *in, size_t len, BN_CTX *ctx)
{
	uint8_t seed[COORDINATE_MAX + 64], hash[EVP_MAX_MD_SIZE];
	size_t n = len < 64 ? len : 64;
	BIGNUM *k = BN_CTX_get(ctx);

	memcpy(seed, value->pValue, curve->len);
	memcpy(seed + curve->len, in, n);
	if (!k || EVP_Digest(seed, curve->len + n, hash, NULL, EVP_sha512(), NULL) != 1)
		return NULL;
	into_range(hash, curve->len);
	return BN_bin2bn(hash, (int)curve->len, k);
}

/* r = (kG).x, s = (z + rd) / k; false when OpenSSL fails. */
static bool sign(const struct curve *curve, const BIGNUM *k, const BIGNUM *z, const BIGNUM *d, uint8_t *ret,
		 BN_CTX *ctx)
{
	owned(EC_POINT) EC_POINT *point = EC_POINT_new(curve->group);
	const BIGNUM *order = EC_GROUP_get0_order(curve->group);
	BIGNUM *r = BN_CTX_get(ctx), *s = BN_CTX_get(ctx), *inverse = BN_CTX_get(ctx);

	return point && inverse && EC_POINT_mul(curve->group, point, k, NULL, NULL, ctx) == 1 &&
	       EC_POINT_get_affine_coordinates(curve->group, point, r, NULL, ctx) == 1 &&
	       BN_nnmod(r, r, order, ctx) == 1 && BN_mod_mul(s, r, d, order, ctx) == 1 &&
	       BN_mod_add(s, s, z, order, ctx) == 1 && BN_mod_inverse(inverse, k, order, ctx) &&
	       BN_mod_mul(s, s, inverse, order, ctx) == 1 && BN_bn2binpad(r, ret, (int)curve->len) > 0 &&
	       BN_bn2binpad(s, ret + curve->len, (int)curve->len) > 0;
}

CK_RV curve_sign(const struct curve *curve, const CK_ATTRIBUTE *value, const uint8_t *in, size_t len, struct buf *ret)
{
	owned(BN_CTX) BN_CTX *ctx = BN_CTX_new();
	uint8_t *out = buf_reserve(ret, 2 * curve->len);
	BIGNUM *d, *z, *k;
	bool good;

	if (!ctx || !out)
		return CKR_HOST_MEMORY;
	if (value->ulValueLen != curve->len)
		return CKR_GENERAL_ERROR;
	BN_CTX_start(ctx);
	d = BN_CTX_get(ctx);
	z = digest_number(curve, in, len, ctx);
	k = nonce(curve, value, in, len, ctx);
	good = d && z && k && BN_bin2bn(value->pValue, (int)curve->len, d) && sign(curve, k, z, d, out, ctx);
	BN_CTX_end(ctx);
	ret->len += 2 * curve->len;
	return good ? CKR_OK : CKR_GENERAL_ERROR;
}

/* Is (z/s G + r/s Q).x = r? */
static bool verify(const struct curve *curve, const EC_POINT *q, const BIGNUM *z, const uint8_t *signature, BN_CTX *ctx)
{
	owned(EC_POINT) EC_POINT *point = EC_POINT_new(curve->group);
	const BIGNUM *order = EC_GROUP_get0_order(curve->group);
	BIGNUM *r = BN_CTX_get(ctx), *s = BN_CTX_get(ctx), *u = BN_CTX_get(ctx), *v = BN_CTX_get(ctx),
	       *x = BN_CTX_get(ctx);

	return point && x && BN_bin2bn(signature, (int)curve->len, r) &&
	       BN_bin2bn(signature + curve->len, (int)curve->len, s) && BN_mod_inverse(s, s, order, ctx) &&
	       BN_mod_mul(u, z, s, order, ctx) == 1 && BN_mod_mul(v, r, s, order, ctx) == 1 &&
	       EC_POINT_mul(curve->group, point, u, q, v, ctx) == 1 &&
	       EC_POINT_get_affine_coordinates(curve->group, point, x, NULL, ctx) == 1 &&
	       BN_nnmod(x, x, order, ctx) == 1 && BN_cmp(x, r) == 0;
}

CK_RV curve_verify(const struct curve *curve, const CK_ATTRIBUTE *point, const uint8_t *in, size_t len,
		   const uint8_t *signature, size_t signature_len)
{
	owned(BN_CTX) BN_CTX *ctx = BN_CTX_new();
	owned(EC_POINT) EC_POINT *q = EC_POINT_new(curve->group);
	const uint8_t *der = point->pValue;
	BIGNUM *z;
	bool good;

	if (!ctx || !q)
		return CKR_HOST_MEMORY;
	if (signature_len != 2 * curve->len)
		return CKR_SIGNATURE_LEN_RANGE;
	if (point->ulValueLen < 3 || EC_POINT_oct2point(curve->group, q, der + 2, point->ulValueLen - 2, ctx) != 1)
		return CKR_GENERAL_ERROR;
	BN_CTX_start(ctx);
	z = digest_number(curve, in, len, ctx);
	good = z && verify(curve, q, z, signature, ctx);
	BN_CTX_end(ctx);
	return good ? CKR_OK : CKR_SIGNATURE_INVALID;
}
