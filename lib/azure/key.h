/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key - a private key on a token that a pkcs11: URI names. Private to lib/azure.
 *
 * The library named by module-path or module-name is loaded into this process; the URI must
 * say enough to leave one token and one RSA key.
 */
#ifndef AZURE_KEY_H
#define AZURE_KEY_H

#include <stddef.h>
#include <stdint.h>

#include "base/own.h"
#include "crypto/assertion.h"

struct azure_key;
struct err;
struct secret;

/*
 * Find the token, log in and find the key. pin (may be NULL, stays the caller's) serves where the URI
 * has no pin-source. ERR_INVALID (the URI), ERR_MISSING (the library), ERR_NOT_FOUND,
 * ERR_AMBIGUOUS, ERR_PIN.
 */
int azure_key_open(const char *uri, const struct secret *pin, struct azure_key **ret, struct err *err);
void azure_key_free(struct azure_key *key);
OWN_DEFINE(azure_key)

/* "token 'TOKEN'" */
const char *azure_key_about(const struct azure_key *key);

/* As assertion_sign; key is a struct azure_key. */
int azure_key_sign(void *key, enum assertion_algorithm algorithm, const void *data, size_t len, uint8_t *ret,
		   size_t *ret_len, struct err *err);

#endif
