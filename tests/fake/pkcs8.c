/* SPDX-License-Identifier: Apache-2.0 */
/* PrivateKeyInfo (RFC 5208) of EC keys (RFC 5915) and RSA keys (RFC 8017), as SoftHSM writes and reads it. */
#include <string.h>

#include "internal.h"

enum { SEQUENCE = 0x30, INTEGER = 0x02, OCTETS = 0x04, KEY_MAX = 8192 };

static const uint8_t EC_OID[] = {0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01};
static const uint8_t RSA_OID[] = {0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00};
static const CK_ATTRIBUTE_TYPE RSA_NUMBERS[] = {CKA_MODULUS, CKA_PUBLIC_EXPONENT, CKA_PRIVATE_EXPONENT, CKA_PRIME_1,
						CKA_PRIME_2, CKA_EXPONENT_1, CKA_EXPONENT_2, CKA_COEFFICIENT};
enum { RSA_COUNT = sizeof(RSA_NUMBERS) / sizeof(RSA_NUMBERS[0]) };

/* ---- writing ---- */

static void put(struct buf *ret, uint8_t tag, const void *data, size_t len)
{
	buf_put_u8(ret, tag);
	if (len >= 0x100)
		buf_put_u8(ret, 0x82);
	if (len >= 0x100)
		buf_put_u8(ret, (uint8_t)(len >> 8));
	else if (len >= 0x80)
		buf_put_u8(ret, 0x81);
	buf_put_u8(ret, (uint8_t)len);
	buf_put(ret, data, len);
}

static void put_number(struct buf *ret, const CK_ATTRIBUTE *number)
{
	owned(buf) struct buf bytes = {.max = KEY_MAX};
	const uint8_t *data = number->pValue;

	if (!number->ulValueLen || data[0] & 0x80)
		buf_put_u8(&bytes, 0);
	buf_put(&bytes, data, number->ulValueLen);
	put(ret, INTEGER, bytes.data, bytes.len);
}

static void put_small(struct buf *ret, uint8_t number)
{
	put(ret, INTEGER, &number, 1);
}

/* The algorithm, and the inner SEQUENCE's content. */
static void describe(const struct object *key, struct buf *algorithm, struct buf *inner)
{
	const CK_ATTRIBUTE *params = object_value(key, CKA_EC_PARAMS), *value = object_value(key, CKA_VALUE);

	if (object_number(key, CKA_KEY_TYPE) == CKK_EC) {
		buf_put(algorithm, EC_OID, sizeof(EC_OID));
		buf_put(algorithm, params->pValue, params->ulValueLen);
		put_small(inner, 1);
		put(inner, OCTETS, value->pValue, value->ulValueLen);
		return;
	}
	buf_put(algorithm, RSA_OID, sizeof(RSA_OID));
	put_small(inner, 0);
	for (size_t i = 0; i < RSA_COUNT; i++)
		put_number(inner, object_value(key, RSA_NUMBERS[i]));
}

CK_RV pkcs8_write(const struct object *key, struct buf *ret)
{
	owned(buf) struct buf algorithm = {.max = KEY_MAX}, inner = {.max = KEY_MAX}, body = {.max = KEY_MAX},
			      sequence = {.max = KEY_MAX};

	describe(key, &algorithm, &inner);
	put(&sequence, SEQUENCE, inner.data, inner.len);
	put_small(&body, 0);
	put(&body, SEQUENCE, algorithm.data, algorithm.len);
	put(&body, OCTETS, sequence.data, sequence.len);
	put(ret, SEQUENCE, body.data, body.len);
	return algorithm.bad || inner.bad || sequence.bad || body.bad || ret->bad ? CKR_HOST_MEMORY : CKR_OK;
}

/* ---- reading ---- */

static struct buf_reader take(struct buf_reader *r, uint8_t tag)
{
	bool right = buf_get_u8(r) == tag;
	size_t len = buf_get_u8(r);
	const uint8_t *data;

	if (len == 0x81) {
		len = buf_get_u8(r);
	} else if (len == 0x82) {
		len = (size_t)buf_get_u8(r) << 8;
		len |= buf_get_u8(r);
	} else if (len >= 0x80) {
		right = false;
	}
	data = right ? buf_get(r, len) : NULL;
	r->bad = r->bad || !data;
	return data ? buf_reader(data, len) : (struct buf_reader){.bad = true};
}

static CK_RV read_ec(struct object *key, struct buf_reader *algorithm, struct buf_reader *inner)
{
	size_t params_len = algorithm->len - sizeof(EC_OID);
	struct buf_reader value;

	take(inner, INTEGER);
	value = take(inner, OCTETS);
	if (inner->bad || object_set(key, CKA_EC_PARAMS, algorithm->data + sizeof(EC_OID), params_len) != CKR_OK)
		return CKR_FUNCTION_FAILED;
	return object_set(key, CKA_VALUE, value.data, value.len);
}

static CK_RV read_rsa(struct object *key, struct buf_reader *inner)
{
	CK_RV rv = CKR_OK;

	take(inner, INTEGER);
	for (size_t i = 0; i < RSA_COUNT && rv == CKR_OK; i++) {
		struct buf_reader n = take(inner, INTEGER);
		size_t zero = n.len > 1 && n.data[0] == 0;

		rv = n.bad ? CKR_FUNCTION_FAILED : object_set(key, RSA_NUMBERS[i], n.data + zero, n.len - zero);
	}
	return rv;
}

static bool begins(const struct buf_reader *r, const uint8_t *with, size_t len)
{
	return r->len >= len && memcmp(r->data, with, len) == 0;
}

CK_RV pkcs8_read(struct object *key, const uint8_t *der, size_t len)
{
	struct buf_reader all = buf_reader(der, len), body = take(&all, SEQUENCE), algorithm, octets, inner;
	CK_KEY_TYPE type = object_number(key, CKA_KEY_TYPE);

	take(&body, INTEGER);
	algorithm = take(&body, SEQUENCE);
	octets = take(&body, OCTETS);
	inner = take(&octets, SEQUENCE);
	if (octets.bad)
		return CKR_FUNCTION_FAILED;
	if (type == CKK_EC && begins(&algorithm, EC_OID, sizeof(EC_OID)))
		return read_ec(key, &algorithm, &inner);
	if (type == CKK_RSA && begins(&algorithm, RSA_OID, sizeof(RSA_OID)))
		return read_rsa(key, &inner);
	return CKR_FUNCTION_FAILED;
}
