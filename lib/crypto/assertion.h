/* SPDX-License-Identifier: Apache-2.0 */
/*
 * assertion - signed statements of who we are: JSON Web Tokens (RFC 7519) signed
 * with the key of a certificate (RFC 7515).
 */
#ifndef CRYPTO_ASSERTION_H
#define CRYPTO_ASSERTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct err;
struct secret;

enum assertion_algorithm {
	ASSERTION_PS256,	/* RSA-PSS, SHA-256, salt of 32 bytes; header x5t#S256 */
	ASSERTION_RS256,	/* PKCS #1 v1.5, SHA-256; header x5t (SHA-1 of the certificate) */
};
extern const char *const assertion_algorithm_names[];	/* "PS256", "RS256" */

/*
 * Signs with a key that is not in this process: data are the bytes to sign (not their
 * digest), ret gets the signature, *ret_len is the room, then the length.
 */
typedef int (*assertion_sign)(void *key, enum assertion_algorithm algorithm, const void *data,
			      size_t len, uint8_t *ret, size_t *ret_len, struct err *err);

/* A certificate with its key, and the chain above it. */
struct assertion_signer;

/*
 * A file with certificate, private key and chain: PEM (PKCS #8, PKCS #1; encrypted keys
 * with the password) or PKCS #12, told by its content. password may be NULL.
 * The file must be ours and closed to others: ERR_NOT_OURS. ERR_INVALID: no RSA key
 * (Entra takes no other), key and certificate that do not belong together, a wrong
 * password, a bundle of RC2 or RC4 that the legacy provider is missing for (says so).
 * The certificates may stand in any order; those above the key's own are its chain.
 */
int assertion_signer_load(const char *path, const struct secret *password,
			  struct assertion_signer **ret, struct err *err);

/* The certificate (the first, and its chain) of a PEM file with a key elsewhere; key is
 * given to sign and stays the caller's. Each signature is checked: ERR_INVALID when it is
 * not made with the certificate's key. */
int assertion_signer_remote(const char *path, assertion_sign sign, void *key,
			    struct assertion_signer **ret, struct err *err);
void assertion_signer_free(struct assertion_signer *signer);
OWN_DEFINE(assertion_signer)

/*
 * Append the compact form of a token with these claims (JSON text). chain: header x5c, leaf
 * first. ret must have wipe set: whoever holds the token is us while it lasts.
 */
int assertion_sign_token(const struct assertion_signer *signer, enum assertion_algorithm algorithm,
			 bool chain, const char *claims, struct buf *ret, struct err *err);

/* A random UUID (RFC 4122 version 4), lower case, with its terminator. */
enum { UUID_TEXT = 37 };
int crypto_uuid(char ret[static UUID_TEXT], struct err *err);

#endif
