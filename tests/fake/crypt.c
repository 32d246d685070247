/* SPDX-License-Identifier: Apache-2.0 */
/* Digests, MACs and ciphers by OpenSSL. */
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include "internal.h"

static const struct {
	CK_MECHANISM_TYPE digest, mac, rsa;
	const EVP_MD *(*md)(void);
} digests[] = {
	{CKM_SHA_1, CKM_SHA_1_HMAC, CKM_SHA1_RSA_PKCS, EVP_sha1},
	{CKM_SHA256, CKM_SHA256_HMAC, CKM_SHA256_RSA_PKCS, EVP_sha256},
	{CKM_SHA384, CKM_SHA384_HMAC, CKM_SHA384_RSA_PKCS, EVP_sha384},
	{CKM_SHA512, CKM_SHA512_HMAC, CKM_SHA512_RSA_PKCS, EVP_sha512},
};
enum { DIGESTS = sizeof(digests) / sizeof(digests[0]) };

CK_MECHANISM_TYPE crypt_digest_of(CK_MECHANISM_TYPE type)
{
	for (size_t i = 0; i < DIGESTS; i++)
		if (type == digests[i].rsa)
			return digests[i].digest;
	return 0;
}

static CK_RV filled(const struct buf *ret, bool good, CK_RV bad)
{
	return !good ? bad : ret->bad ? CKR_HOST_MEMORY : CKR_OK;
}

CK_RV crypt_digest(CK_MECHANISM_TYPE type, const uint8_t *in, size_t len, struct buf *ret)
{
	uint8_t *out = buf_reserve(ret, EVP_MAX_MD_SIZE);
	unsigned out_len = 0;

	for (size_t i = 0; i < DIGESTS && out; i++)
		if (digests[i].digest == type && EVP_Digest(in, len, out, &out_len, digests[i].md(), NULL) != 1)
			return CKR_GENERAL_ERROR;
	ret->len += out_len;
	return filled(ret, out_len, CKR_MECHANISM_INVALID);
}

size_t crypt_mac_len(CK_MECHANISM_TYPE type)
{
	for (size_t i = 0; i < DIGESTS; i++)
		if (type == digests[i].mac)
			return (size_t)EVP_MD_get_size(digests[i].md());
	return 0;
}

CK_RV crypt_mac(CK_MECHANISM_TYPE type, const CK_ATTRIBUTE *key, const uint8_t *in, size_t len, struct buf *ret)
{
	uint8_t *out = buf_reserve(ret, EVP_MAX_MD_SIZE);
	unsigned out_len = 0;

	for (size_t i = 0; i < DIGESTS && out; i++)
		if (digests[i].mac == type)
			HMAC(digests[i].md(), key->pValue, (int)key->ulValueLen, in ? in : out, len, out, &out_len);
	ret->len += out_len;
	return filled(ret, out_len, CKR_MECHANISM_INVALID);
}

/* ---- AES ---- */

static const struct aes {
	CK_MECHANISM_TYPE type;
	const EVP_CIPHER *(*by_len[3])(void);	/* of the key: 16, 24, 32 */
} ciphers[] = {
	{CKM_AES_ECB, {EVP_aes_128_ecb, EVP_aes_192_ecb, EVP_aes_256_ecb}},
	{CKM_AES_CBC, {EVP_aes_128_cbc, EVP_aes_192_cbc, EVP_aes_256_cbc}},
	{CKM_AES_CBC_PAD, {EVP_aes_128_cbc, EVP_aes_192_cbc, EVP_aes_256_cbc}},
	{CKM_AES_GCM, {EVP_aes_128_gcm, EVP_aes_192_gcm, EVP_aes_256_gcm}},
	{CKM_AES_KEY_WRAP, {EVP_aes_128_wrap, EVP_aes_192_wrap, EVP_aes_256_wrap}},
	{CKM_AES_KEY_WRAP_PAD, {EVP_aes_128_wrap_pad, EVP_aes_192_wrap_pad, EVP_aes_256_wrap_pad}},
	{CKM_AES_KEY_WRAP_KWP, {EVP_aes_128_wrap_pad, EVP_aes_192_wrap_pad, EVP_aes_256_wrap_pad}},
};

static const EVP_CIPHER *cipher_of(CK_MECHANISM_TYPE type, CK_ULONG key_len)
{
	for (size_t i = 0; i < sizeof(ciphers) / sizeof(ciphers[0]); i++)
		if (ciphers[i].type == type && (key_len == 16 || key_len == 24 || key_len == 32))
			return ciphers[i].by_len[key_len / 8 - 2]();
	return NULL;
}

struct aead {
	const CK_GCM_PARAMS *params;
	size_t tag_len;
};

static bool set_up(EVP_CIPHER_CTX *ctx, const EVP_CIPHER *cipher, const CK_MECHANISM *m, const struct aead *aead,
		   const uint8_t *key, bool encrypt)
{
	const CK_GCM_PARAMS *p = aead->params;
	int ignored;

	if (p)
		return EVP_CipherInit_ex(ctx, cipher, NULL, NULL, NULL, encrypt) == 1 &&
		       EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IVLEN, (int)p->ulIvLen, NULL) == 1 &&
		       EVP_CipherInit_ex(ctx, NULL, NULL, key, p->pIv, encrypt) == 1 &&
		       (!p->ulAADLen || EVP_CipherUpdate(ctx, NULL, &ignored, p->pAAD, (int)p->ulAADLen) == 1);
	EVP_CIPHER_CTX_set_flags(ctx, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
	if (EVP_CipherInit_ex(ctx, cipher, NULL, key, EVP_CIPHER_get_iv_length(cipher) == 16 ? m->pParameter : NULL,
			      encrypt) != 1)
		return false;
	return EVP_CIPHER_CTX_set_padding(ctx, m->mechanism == CKM_AES_CBC_PAD) == 1;
}

/* The tag stands behind the ciphertext. */
static bool run(EVP_CIPHER_CTX *ctx, const struct aead *aead, bool encrypt, const uint8_t *in, size_t len,
		uint8_t *out, size_t *ret_len)
{
	size_t body = encrypt ? len : len - aead->tag_len;
	int n = 0, last = 0;

	if (!encrypt && aead->tag_len &&
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, (int)aead->tag_len, (void *)(in + body)) != 1)
		return false;
	if ((body && EVP_CipherUpdate(ctx, out, &n, in, (int)body) != 1) ||
	    EVP_CipherFinal_ex(ctx, out + n, &last) != 1)
		return false;
	*ret_len = (size_t)(n + last);
	if (!encrypt || !aead->tag_len)
		return true;
	*ret_len += aead->tag_len;
	return EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, (int)aead->tag_len, out + n + last) == 1;
}

static CK_RV check_lengths(const CK_MECHANISM *m, const struct aead *aead, bool encrypt, size_t len)
{
	CK_RV wrong = encrypt ? CKR_DATA_LEN_RANGE : CKR_ENCRYPTED_DATA_LEN_RANGE;
	bool blocks = m->mechanism == CKM_AES_ECB || m->mechanism == CKM_AES_CBC ||
		      (m->mechanism == CKM_AES_CBC_PAD && !encrypt);
	bool iv = m->mechanism == CKM_AES_CBC || m->mechanism == CKM_AES_CBC_PAD;

	if (iv && m->ulParameterLen != 16)
		return CKR_ARGUMENTS_BAD;
	if (blocks && len % 16)
		return wrong;
	return !encrypt && len < aead->tag_len ? wrong : CKR_OK;
}

CK_RV crypt_cipher(const CK_MECHANISM *m, bool encrypt, const CK_ATTRIBUTE *key, const uint8_t *in, size_t len,
		   struct buf *ret)
{
	const CK_GCM_PARAMS *gcm = m->mechanism == CKM_AES_GCM ? m->pParameter : NULL;
	const struct aead aead = {gcm, gcm ? gcm->ulTagBits / 8 : 0};
	const EVP_CIPHER *cipher = cipher_of(m->mechanism, key->ulValueLen);
	uint8_t *out = buf_reserve(ret, len + 64);
	EVP_CIPHER_CTX *ctx;
	size_t out_len = 0;
	bool good;
	CK_RV rv = check_lengths(m, &aead, encrypt, len);

	if (rv != CKR_OK || !cipher || !out)
		return rv != CKR_OK ? rv : cipher ? CKR_HOST_MEMORY : CKR_KEY_SIZE_RANGE;
	ctx = EVP_CIPHER_CTX_new();
	good = ctx && set_up(ctx, cipher, m, &aead, key->pValue, encrypt) &&
	       run(ctx, &aead, encrypt, in, len, out, &out_len);
	EVP_CIPHER_CTX_free(ctx);
	ret->len += out_len;
	return filled(ret, good, CKR_GENERAL_ERROR);
}
