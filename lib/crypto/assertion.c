/* SPDX-License-Identifier: Apache-2.0 */
/* Makes and signs JSON Web Tokens. */
#include "crypto/assertion.h"

#include <openssl/rsa.h>
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/err.h"
#include "base/str.h"
#include "crypto/assertion_private.h"
#include "crypto/digest.h"

enum { HEADER_MAX = 1 << 20 };

const char *const assertion_algorithm_names[] = {"PS256", "RS256", NULL};

static const struct thumbprint {
	const char *name, *digest;
} thumbprints[] = {
	[ASSERTION_PS256] = {"x5t#S256", "SHA256"},
	[ASSERTION_RS256] = {"x5t", "SHA1"},
};

/* ---- header ---- */

static int put_thumbprint(const struct thumbprint *thumbprint, const uint8_t *der, size_t len, struct buf *ret,
			  struct err *err)
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	size_t digest_len;

	if (!EVP_Q_digest(openssl_context(), thumbprint->digest, NULL, der, len, digest, &digest_len))
		return openssl_error(err, ERR_FAILED, "cannot compute the thumbprint of a certificate");
	buf_printf(ret, ",\"%s\":\"", thumbprint->name);
	base64url_put(ret, digest, digest_len);
	buf_put_u8(ret, '"');
	return 0;
}

/* Its thumbprint; without that, all of it, an element of x5c. */
static int put_certificate(X509 *cert, const struct thumbprint *thumbprint, struct buf *ret, struct err *err)
{
	owned(openssl) unsigned char *der = NULL;
	int len = i2d_X509(cert, &der);

	if (len < 0)
		return openssl_error(err, ERR_FAILED, "cannot encode a certificate");
	if (thumbprint)
		return put_thumbprint(thumbprint, der, (size_t)len, ret, err);
	buf_put_u8(ret, '"');
	base64_put(ret, der, (size_t)len);
	buf_put_u8(ret, '"');
	return 0;
}

/* By hand: it holds nothing but base64. */
static int make_header(const struct assertion_signer *signer, enum assertion_algorithm algorithm, bool chain,
		       struct buf *ret, struct err *err)
{
	OPENSSL_ENTER();
	int rc, count = chain ? sk_X509_num(signer->chain) : 0;

	buf_printf(ret, "{\"alg\":\"%s\",\"typ\":\"JWT\"", assertion_algorithm_names[algorithm]);
	rc = put_certificate(sk_X509_value(signer->chain, 0), &thumbprints[algorithm], ret, err);
	for (int i = 0; rc == 0 && i < count; i++) {
		buf_put_str(ret, i ? "," : ",\"x5c\":[");
		rc = put_certificate(sk_X509_value(signer->chain, i), NULL, ret, err);
	}
	buf_put_str(ret, chain ? "]}" : "}");
	return rc < 0 ? rc : buf_check(ret, err);
}

/* ---- signature ---- */

static bool set_padding(EVP_PKEY_CTX *context, enum assertion_algorithm algorithm)
{
	if (algorithm == ASSERTION_RS256)
		return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1;
	return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1 &&
	       EVP_PKEY_CTX_set_rsa_mgf1_md_name(context, "SHA256", NULL) == 1 &&
	       EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) == 1;
}

static int sign_here(EVP_PKEY *key, enum assertion_algorithm algorithm, const void *data, size_t len, uint8_t *ret,
		     size_t *ret_len, struct err *err)
{
	OPENSSL_ENTER();
	owned(EVP_MD_CTX) EVP_MD_CTX *context = EVP_MD_CTX_new();
	EVP_PKEY_CTX *padding;

	if (!context || EVP_DigestSignInit_ex(context, &padding, "SHA256", openssl_context(), NULL, key, NULL) != 1 ||
	    !set_padding(padding, algorithm) || EVP_DigestSign(context, ret, ret_len, data, len) != 1)
		return openssl_error(err, ERR_FAILED, "cannot sign an assertion");
	return 0;
}

/* A key that belongs to another certificate is easier to understand here than from the
 * refusal of whoever gets the token. */
static int check(const struct assertion_signer *signer, enum assertion_algorithm algorithm, const void *data,
		 size_t len, const uint8_t *signature, size_t signature_len, struct err *err)
{
	OPENSSL_ENTER();
	owned(EVP_MD_CTX) EVP_MD_CTX *context = EVP_MD_CTX_new();
	EVP_PKEY *key = X509_get0_pubkey(sk_X509_value(signer->chain, 0));
	EVP_PKEY_CTX *padding;

	if (!context || EVP_DigestVerifyInit_ex(context, &padding, "SHA256", openssl_context(), NULL, key, NULL) != 1 ||
	    !set_padding(padding, algorithm))
		return openssl_error(err, ERR_FAILED, "cannot check a signature");
	if (EVP_DigestVerify(context, signature, signature_len, data, len) != 1)
		return err_set(err, ERR_INVALID, "the key that signed does not belong to the certificate");
	return 0;
}

static int sign(const struct assertion_signer *signer, enum assertion_algorithm algorithm, const void *data,
		size_t len, uint8_t *ret, size_t *ret_len, struct err *err)
{
	int rc;

	if (signer->key)
		return sign_here(signer->key, algorithm, data, len, ret, ret_len, err);
	rc = signer->sign(signer->remote, algorithm, data, len, ret, ret_len, err);
	return rc < 0 ? rc : check(signer, algorithm, data, len, ret, *ret_len, err);
}

static int put_token(const struct assertion_signer *signer, enum assertion_algorithm algorithm, bool chain,
		     const char *claims, struct buf *ret, struct err *err)
{
	owned(buf) struct buf header = {.max = HEADER_MAX};
	uint8_t signature[ASSERTION_SIGNATURE_MAX];
	size_t signature_len = sizeof(signature), start = ret->len;
	int rc = make_header(signer, algorithm, chain, &header, err);

	if (rc < 0)
		return rc;
	base64url_put(ret, header.data, header.len);
	buf_put_u8(ret, '.');
	base64url_put(ret, claims, strlen(claims));
	rc = buf_check(ret, err);
	if (rc == 0)
		rc = sign(signer, algorithm, ret->data + start, ret->len - start, signature, &signature_len, err);
	if (rc < 0)
		return rc;
	buf_put_u8(ret, '.');
	base64url_put(ret, signature, signature_len);
	explicit_bzero(signature, sizeof(signature));
	return buf_check(ret, err);
}

int assertion_sign_token(const struct assertion_signer *signer, enum assertion_algorithm algorithm, bool chain,
			 const char *claims, struct buf *ret, struct err *err)
{
	size_t start = ret->len;
	int rc = put_token(signer, algorithm, chain, claims, ret, err);

	if (rc < 0)
		ret->len = start;
	return rc;
}

int crypto_uuid(char ret[static UUID_TEXT], struct err *err)
{
	uint8_t b[16];
	int rc = crypto_random(b, sizeof(b), err);

	if (rc < 0)
		return rc;
	b[6] = (b[6] & 0x0f) | 0x40;	/* version 4 */
	b[8] = (b[8] & 0x3f) | 0x80;	/* the variant of RFC 4122 */
	snprintf(ret, UUID_TEXT, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
		 b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
	return 0;
}
