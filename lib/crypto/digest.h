/* SPDX-License-Identifier: Apache-2.0 */
/* digest - SHA-256, HMAC and random bytes; SHA-1 where PKCS#11 asks for it. */
#ifndef CRYPTO_DIGEST_H
#define CRYPTO_DIGEST_H

#include <stddef.h>
#include <stdint.h>

struct err;

enum { SHA1_LEN = 20, SHA256_LEN = 32, SHA256_TEXT = 65 };

int crypto_sha1(const void *data, size_t len, uint8_t ret[static SHA1_LEN], struct err *err);
int crypto_sha256(const void *data, size_t len, uint8_t ret[static SHA256_LEN], struct err *err);
/* Lower-case hexadecimal with its terminator. */
int crypto_sha256_hex(const void *data, size_t len, char ret[static SHA256_TEXT], struct err *err);
int crypto_hmac_sha256(const void *key, size_t key_len, const void *data, size_t len,
		       uint8_t ret[static SHA256_LEN], struct err *err);
int crypto_random(void *ret, size_t len, struct err *err);

/* Where the calling thread takes its random bytes from instead; NULL = it does not. For simulations, which repeat. */
extern _Thread_local void (*crypto_random_source)(void *ret, size_t len);

#endif
