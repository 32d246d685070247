/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates from PEM files, and the parts of them we rely on. */
#include "crypto/x509.h"

#include <openssl/pem.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/str.h"

enum { PEM_MAX = 65536 };

static const char role_prefix[] = "urn:hsmctl:role:";

/* OpenSSL's own callback would ask on the terminal. */
static int no_passphrase(char *text, int size, int writing, void *unused)
{
	(void)text;
	(void)size;
	(void)writing;
	(void)unused;
	return -1;
}

static int read_pem(const char *path, bool secret, struct buf *text, struct err *err)
{
	int rc = file_check_ours(path, secret, err);

	return rc < 0 ? rc : file_read(path, text, err);
}

int x509_read(const char *path, X509 **ret, struct err *err)
{
	OPENSSL_ENTER();
	owned(buf) struct buf text = {.max = PEM_MAX};
	owned(X509) X509 *cert = X509_new_ex(openssl_context(), NULL);
	owned(BIO) BIO *bio = NULL;
	int rc = read_pem(path, false, &text, err);

	if (rc < 0)
		return rc;
	bio = BIO_new_mem_buf(text.len ? (const void *)text.data : "", (int)text.len);
	if (!cert || !bio)
		return err_no_memory(err);
	/* On failure it frees the certificate and clears the pointer. */
	if (!PEM_read_bio_X509(bio, &cert, no_passphrase, NULL))
		return err_set(err, ERR_INVALID, "'%s' holds no certificate in PEM form", path);
	*ret = own_take(cert);
	return 0;
}

int x509_read_key(const char *path, EVP_PKEY **ret, struct err *err)
{
	OPENSSL_ENTER();
	owned(buf) struct buf text = {.max = PEM_MAX, .wipe = true};
	owned(BIO) BIO *bio = NULL;
	EVP_PKEY *key;
	int rc = read_pem(path, true, &text, err);

	if (rc < 0)
		return rc;
	bio = BIO_new_mem_buf(text.len ? (const void *)text.data : "", (int)text.len);
	if (!bio)
		return err_no_memory(err);
	key = PEM_read_bio_PrivateKey_ex(bio, NULL, no_passphrase, NULL, openssl_context(), NULL);
	if (!key)
		return err_set(err, ERR_INVALID, "'%s' holds no private key in PEM form", path);
	*ret = key;
	return 0;
}

static enum cert_role role_of_uri(const ASN1_IA5STRING *uri)
{
	size_t len = (size_t)ASN1_STRING_length(uri), prefix = strlen(role_prefix);
	const char *text = (const char *)ASN1_STRING_get0_data(uri);

	if (len < prefix || memcmp(text, role_prefix, prefix) != 0)
		return CERT_ROLE_NONE;
	for (int i = CERT_ROLE_APPLIANCE; cert_role_names[i]; i++)
		if (strlen(cert_role_names[i]) == len - prefix &&
		    memcmp(cert_role_names[i], text + prefix, len - prefix) == 0)
			return (enum cert_role)i;
	return CERT_ROLE_NONE;
}

enum cert_role x509_role(const X509 *cert)
{
	owned(GENERAL_NAMES) GENERAL_NAMES *names =
		X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	enum cert_role role = CERT_ROLE_NONE;

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
		enum cert_role found = CERT_ROLE_NONE;

		if (name->type == GEN_URI)
			found = role_of_uri(name->d.uniformResourceIdentifier);
		if (found != CERT_ROLE_NONE && role != CERT_ROLE_NONE)
			return CERT_ROLE_NONE;
		if (found != CERT_ROLE_NONE)
			role = found;
	}
	return role;
}

bool x509_name(const X509 *cert, char ret[static X509_NAME_TEXT])
{
	const X509_NAME *subject = X509_get_subject_name(cert);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1), len;
	owned(openssl) unsigned char *text = NULL;

	if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0)
		return false;
	len = ASN1_STRING_to_UTF8(&text,
				  X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
	if (len <= 0 || len >= X509_NAME_TEXT || memchr(text, 0, (size_t)len))
		return false;
	memcpy(ret, text, (size_t)len);
	ret[len] = 0;
	return true;
}

int x509_fingerprint(const X509 *cert, char ret[static SHA256_TEXT], struct err *err)
{
	owned(openssl) unsigned char *der = NULL;
	int len = i2d_X509(cert, &der);

	if (len < 0)
		return openssl_error(err, ERR_FAILED, "cannot encode a certificate");
	return crypto_sha256_hex(der, (size_t)len, ret, err);
}
