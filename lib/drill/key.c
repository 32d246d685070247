/* SPDX-License-Identifier: Apache-2.0 */
/* What application threads do with one key. */
#include "drill/key.h"

#include "base/err.h"
#include "crypto/digest.h"
#include "crypto/pubkey.h"
#include "drill/module.h"

const uint8_t drill_mac_input[DRILL_INPUT] = "the same bytes give the same code on every member of a group";

CK_RV drill_key_sign(const struct drill_module *m, CK_SESSION_HANDLE session, const struct drill_key *key,
		     const void *data, size_t len, uint8_t *out, CK_ULONG *ret_len)
{
	uint8_t hash[SHA256_LEN];
	CK_MECHANISM mechanism = {CKM_SHA256_RSA_PKCS, NULL, 0};
	CK_BYTE *input = (CK_BYTE *)(uintptr_t)data;
	CK_RV rv;

	if (key->type == CKK_EC) {
		mechanism.mechanism = CKM_ECDSA;
		if (crypto_sha256(data, len, hash, NULL) < 0)
			return CKR_HOST_MEMORY;
		input = hash;
		len = sizeof(hash);
	} else if (key->type == CKK_EC_EDWARDS) {
		mechanism.mechanism = CKM_EDDSA;
	}
	*ret_len = DRILL_OUTPUT;
	rv = m->f->C_SignInit(session, &mechanism, key->handle);
	return rv == CKR_OK ? m->f->C_Sign(session, input, len, out, ret_len) : rv;
}

bool drill_key_verify(const struct drill_key *key, const void *data, size_t len, const uint8_t *signature,
		      CK_ULONG signature_len)
{
	struct err err;

	return pubkey_verify(key->public, data, len, signature, signature_len, &err) == 1;
}

CK_RV drill_key_encrypt(const struct drill_module *m, CK_SESSION_HANDLE session, const struct drill_key *key,
			const uint8_t iv[static 16], const void *data, size_t len, uint8_t *out, CK_ULONG *ret_len)
{
	CK_MECHANISM mechanism = {CKM_AES_CBC_PAD, (void *)(uintptr_t)iv, 16};
	CK_RV rv = m->f->C_EncryptInit(session, &mechanism, key->handle);

	*ret_len = DRILL_OUTPUT;
	return rv == CKR_OK ? m->f->C_Encrypt(session, (CK_BYTE *)(uintptr_t)data, len, out, ret_len) : rv;
}

CK_RV drill_key_decrypt(const struct drill_module *m, CK_SESSION_HANDLE session, const struct drill_key *key,
			const uint8_t iv[static 16], const void *data, size_t len, uint8_t *out, CK_ULONG *ret_len)
{
	CK_MECHANISM mechanism = {CKM_AES_CBC_PAD, (void *)(uintptr_t)iv, 16};
	CK_RV rv = m->f->C_DecryptInit(session, &mechanism, key->handle);

	*ret_len = DRILL_OUTPUT;
	return rv == CKR_OK ? m->f->C_Decrypt(session, (CK_BYTE *)(uintptr_t)data, len, out, ret_len) : rv;
}

CK_RV drill_key_mac(const struct drill_module *m, CK_SESSION_HANDLE session, const struct drill_key *key,
		    uint8_t *out, CK_ULONG *ret_len)
{
	CK_MECHANISM mechanism = {CKM_SHA256_HMAC, NULL, 0};
	CK_RV rv = m->f->C_SignInit(session, &mechanism, key->handle);

	*ret_len = DRILL_OUTPUT;
	return rv == CKR_OK ? m->f->C_Sign(session, (CK_BYTE *)(uintptr_t)drill_mac_input, DRILL_INPUT, out, ret_len)
			    : rv;
}

const char *drill_key_mechanism(const struct drill_key *key)
{
	return key->type == CKK_EC	     ? "ECDSA-SHA256 (r || s)"
	       : key->type == CKK_EC_EDWARDS ? "Ed25519"
					     : "RSASSA-PKCS1-v1_5-SHA256";
}
