/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pkcs12 - a key and certificates from a PKCS #12 bundle (RFC 7292).
 *
 * OpenSSL's PKCS12_parse() decrypts keys in the host's library context; this reads
 * all in ours. Private to lib/crypto.
 */
#ifndef CRYPTO_PKCS12_H
#define CRYPTO_PKCS12_H

#include "crypto/openssl.h"

struct err;

/*
 * The first key, NULL when there is none, and all certificates, a new stack; both the
 * caller's. password may be NULL. ERR_INVALID: no bundle, damaged, a wrong password, RC2
 * or RC4 without OpenSSL's legacy provider (with a hint).
 */
int pkcs12_read(const void *data, size_t len, const char *password, EVP_PKEY **ret_key, STACK_OF(X509) **ret_certs,
		struct err *err);

#endif
