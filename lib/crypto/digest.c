/* SPDX-License-Identifier: Apache-2.0 */
/* Digests, HMAC and random bytes from OpenSSL. */
#include "crypto/digest.h"

#include <openssl/rand.h>

#include "base/err.h"
#include "base/str.h"
#include "crypto/openssl.h"

static int digest(const char *name, const void *data, size_t len, uint8_t *ret, struct err *err)
{
	OPENSSL_ENTER();

	if (!EVP_Q_digest(openssl_context(), name, NULL, data, len, ret, NULL))
		return openssl_error(err, ERR_FAILED, "cannot compute a digest");
	return 0;
}

int crypto_sha1(const void *data, size_t len, uint8_t ret[static SHA1_LEN], struct err *err)
{
	return digest("SHA1", data, len, ret, err);
}

int crypto_sha256(const void *data, size_t len, uint8_t ret[static SHA256_LEN], struct err *err)
{
	return digest("SHA256", data, len, ret, err);
}

int crypto_sha256_hex(const void *data, size_t len, char ret[static SHA256_TEXT], struct err *err)
{
	uint8_t digest[SHA256_LEN];
	int rc = crypto_sha256(data, len, digest, err);

	if (rc == 0)
		str_hex(digest, sizeof(digest), ret);
	return rc;
}

int crypto_hmac_sha256(const void *key, size_t key_len, const void *data, size_t len,
		       uint8_t ret[static SHA256_LEN], struct err *err)
{
	OPENSSL_ENTER();

	/* OpenSSL takes NULL for "the key set before", not for an empty one. */
	if (!EVP_Q_mac(openssl_context(), "HMAC", NULL, "SHA256", NULL, key_len ? key : "", key_len,
		       data, len, ret, SHA256_LEN, NULL))
		return openssl_error(err, ERR_FAILED, "cannot compute an HMAC");
	return 0;
}

_Thread_local void (*crypto_random_source)(void *ret, size_t len);

int crypto_random(void *ret, size_t len, struct err *err)
{
	OPENSSL_ENTER();

	if (crypto_random_source) {
		crypto_random_source(ret, len);
		return 0;
	}
	if (len && RAND_bytes_ex(openssl_context(), ret, len, 0) != 1)
		return openssl_error(err, ERR_FAILED, "cannot make random bytes");
	return 0;
}
