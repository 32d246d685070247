/* SPDX-License-Identifier: Apache-2.0 */
/* assertion_private - what a signer holds. Private to lib/crypto. */
#ifndef CRYPTO_ASSERTION_PRIVATE_H
#define CRYPTO_ASSERTION_PRIVATE_H

#include "crypto/assertion.h"
#include "crypto/openssl.h"

enum { ASSERTION_SIGNATURE_MAX = 2048 };	/* bytes; OpenSSL takes no larger RSA key */

struct assertion_signer {
	STACK_OF(X509) *chain;	/* leaf first, each issued by the next */
	EVP_PKEY *key;		/* NULL: sign signs, with remote */
	assertion_sign sign;
	void *remote;
};

#endif
