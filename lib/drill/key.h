/* SPDX-License-Identifier: Apache-2.0 */
/*
 * drill_key - a key of the group, as the application threads use it.
 *
 * Everything is learned through the module. What a key makes is checked outside
 * of it: signatures with the public key, decryption with the plain text, MACs
 * with the first one.
 */
#ifndef DRILL_KEY_H
#define DRILL_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/own.h"
#include "p11/pkcs11.h"

struct drill_module;
struct err;
struct pubkey;

enum drill_use { DRILL_SIGNS, DRILL_ENCRYPTS, DRILL_MACS };

enum { DRILL_INPUT = 64, DRILL_OUTPUT = 1024, DRILL_MAC = 32 };

struct drill_key {
	char label[128];
	enum drill_use use;
	CK_KEY_TYPE type;
	CK_OBJECT_HANDLE handle;
	struct pubkey *public;		/* DRILL_SIGNS; owned */
	uint8_t mac[DRILL_MAC];		/* DRILL_MACS: of drill_mac_input */
};

struct drill_keys {
	struct drill_key *items;
	size_t count;
};

extern const uint8_t drill_mac_input[DRILL_INPUT];

/*
 * Every key that signs (EC, RSA, Ed25519), encrypts and decrypts (AES) or makes
 * MACs (HMAC with SHA-256), each tried once. ERR_GUARD: there is none, or one
 * that does not work.
 */
int drill_keys_find(const struct drill_module *module, struct drill_keys *ret, struct err *err);
void drill_keys_release(struct drill_keys *keys);
OWN_DEFINE_RELEASE(drill_keys)

/* out holds DRILL_OUTPUT bytes. data may be of any length; SHA-256 of it is signed
 * (Ed25519: data itself). */
CK_RV drill_key_sign(const struct drill_module *module, CK_SESSION_HANDLE session, const struct drill_key *key,
		     const void *data, size_t len, uint8_t *out, CK_ULONG *ret_len);
/* Is the signature right? Asks no token. */
bool drill_key_verify(const struct drill_key *key, const void *data, size_t len, const uint8_t *signature,
		      CK_ULONG signature_len);

/* AES in CBC mode with padding. */
CK_RV drill_key_encrypt(const struct drill_module *module, CK_SESSION_HANDLE session, const struct drill_key *key,
			const uint8_t iv[static 16], const void *data, size_t len, uint8_t *out, CK_ULONG *ret_len);
CK_RV drill_key_decrypt(const struct drill_module *module, CK_SESSION_HANDLE session, const struct drill_key *key,
			const uint8_t iv[static 16], const void *data, size_t len, uint8_t *out, CK_ULONG *ret_len);

/* Of drill_mac_input. */
CK_RV drill_key_mac(const struct drill_module *module, CK_SESSION_HANDLE session, const struct drill_key *key,
		    uint8_t *out, CK_ULONG *ret_len);

/* How drill_key_sign() signs: "ECDSA-SHA256 (r || s)". */
const char *drill_key_mechanism(const struct drill_key *key);

#endif
