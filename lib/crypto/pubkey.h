/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pubkey - what is done outside tokens with public keys: proving a replica.
 *
 * Public keys come as PKCS#11 gives them: modulus and exponent (big-endian) or
 * EC_PARAMS (DER OID) and EC_POINT (DER OCTET STRING, or the bare point).
 */
#ifndef CRYPTO_PUBKEY_H
#define CRYPTO_PUBKEY_H

#include <stddef.h>
#include <stdint.h>

#include "base/own.h"

struct err;
struct pubkey;

int pubkey_rsa(const void *modulus, size_t modulus_len, const void *exponent,
	       size_t exponent_len, struct pubkey **ret, struct err *err);
int pubkey_ec(const void *params, size_t params_len, const void *point, size_t point_len,
	      struct pubkey **ret, struct err *err);
/* Edwards keys; params as PKCS#11 3.0 (OID or PrintableString "edwards25519"). */
int pubkey_ed25519(const void *point, size_t point_len, struct pubkey **ret, struct err *err);
void pubkey_free(struct pubkey *key);
OWN_DEFINE(pubkey)

/*
 * 1 = the signature is good, 0 = it is not, negative = could not be checked.
 * RSA: CKM_RSA_PKCS over the DigestInfo of SHA-256(data) (PKCS #1 v1.5).
 * EC: CKM_ECDSA over SHA-256(data), signature r || s. Ed25519: pure, over data.
 */
int pubkey_verify(const struct pubkey *key, const void *data, size_t len,
		  const void *signature, size_t signature_len, struct err *err);

/* RSA PKCS #1 v1.5 encryption, for keys that can only decrypt. ret holds the
 * modulus' length; *ret_len is the room, then the length. */
int pubkey_encrypt(const struct pubkey *key, const void *data, size_t len,
		   uint8_t *ret, size_t *ret_len, struct err *err);

/* SHA-256 of the DER SubjectPublicKeyInfo, hex (65 bytes with the terminator). */
int pubkey_fingerprint(const struct pubkey *key, char ret[static 65], struct err *err);

#endif
