/* SPDX-License-Identifier: Apache-2.0 */
/* A certificate authority in a folder. */
#include "crypto/cert.h"

#include <openssl/pem.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "crypto/x509.h"

enum {
	AUTHORITY_DAYS = 3650,
	CERTIFICATE_DAYS = 730,
	EARLY_S = 86400,	/* for peers whose clock is behind */
	SERIAL_LEN = 16,
	KEY_ID_LEN = 20,
};

const char *const cert_role_names[] = {"none", "appliance", "admin", "application", NULL};

/* A certificate and its private key; issuer of itself when it is the CA. */
struct pair {
	X509 *cert;
	EVP_PKEY *key;
};

static void pair_release(struct pair *pair)
{
	X509_free(pair->cert);
	EVP_PKEY_free(pair->key);
}

OWN_DEFINE_RELEASE(pair)

struct extension {
	int nid;
	const char *value;
};

/* 1 = a certificate and its key, 0 = half of it or halves of two, as a kill between
 * writing the key and the certificate leaves them; ERR_INVALID = damaged. */
static int pair_read(const char *folder, const char *name, struct pair *ret, struct err *err)
{
	owned(mem) char *cert_path = mem_printf("%s/%s.pem", folder, name);
	owned(mem) char *key_path = mem_printf("%s/%s.key", folder, name);
	int rc;

	if (!cert_path || !key_path)
		return err_no_memory(err);
	rc = x509_read(cert_path, &ret->cert, err);
	if (rc == 0)
		rc = x509_read_key(key_path, &ret->key, err);
	if (rc < 0)
		return rc == -ERR_NOT_FOUND ? 0 : rc;
	return X509_check_private_key(ret->cert, ret->key) == 1;
}

static int write_pem(const char *folder, const char *name, const char *suffix, BIO *bio,
		     mode_t mode, struct err *err)
{
	owned(mem) char *path = mem_printf("%s/%s.%s", folder, name, suffix);
	char *text = NULL;
	long len = BIO_get_mem_data(bio, &text);

	if (!path)
		return err_no_memory(err);
	return file_write(path, text, (size_t)len, mode, err);
}

/* The key first: a certificate is the sign that the pair is whole. */
static int pair_write(const char *folder, const char *name, const struct pair *pair, struct err *err)
{
	owned(BIO) BIO *cert = BIO_new(BIO_s_mem());
	owned(BIO) BIO *key = BIO_new(BIO_s_mem());
	int rc;

	if (!cert || !key || !PEM_write_bio_X509(cert, pair->cert) ||
	    !PEM_write_bio_PKCS8PrivateKey(key, pair->key, NULL, NULL, 0, NULL, NULL))
		return openssl_error(err, ERR_FAILED, "cannot encode a certificate");
	rc = write_pem(folder, name, "key", key, 0600, err);
	return rc < 0 ? rc : write_pem(folder, name, "pem", cert, 0644, err);
}

static bool set_serial(X509 *cert)
{
	owned(BIGNUM) BIGNUM *number = NULL;
	uint8_t serial[SERIAL_LEN];

	if (crypto_random(serial, sizeof(serial), NULL) < 0)
		return false;
	number = BN_bin2bn(serial, sizeof(serial), NULL);
	return number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert));
}

static bool set_name(X509 *cert, const char *name)
{
	X509_NAME *subject = X509_get_subject_name(cert);

	return X509_NAME_add_entry_by_txt(subject, "O", MBSTRING_UTF8,
					  (const unsigned char *)"hsmctl", -1, -1, 0) &&
	       X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
					  (const unsigned char *)name, -1, -1, 0);
}

/* RFC 7093, method 1. OpenSSL's own way computes a SHA-1 in the host's library
 * context, where that may be forbidden. */
static bool set_key_identifier(X509 *cert)
{
	const ASN1_BIT_STRING *key = X509_get0_pubkey_bitstr(cert);
	owned(ASN1_OCTET_STRING) ASN1_OCTET_STRING *id = ASN1_OCTET_STRING_new();
	uint8_t digest[SHA256_LEN];

	return key && id &&
	       crypto_sha256(ASN1_STRING_get0_data(key), (size_t)ASN1_STRING_length(key), digest, NULL) == 0 &&
	       ASN1_OCTET_STRING_set(id, digest, KEY_ID_LEN) &&
	       X509_add1_ext_i2d(cert, NID_subject_key_identifier, id, 0, X509V3_ADD_DEFAULT) == 1;
}

static bool add_extensions(X509 *cert, X509 *issuer, const struct extension *extensions)
{
	X509V3_CTX context;

	X509V3_set_ctx(&context, issuer, cert, NULL, NULL, 0);
	for (; extensions->value; extensions++) {
		owned(X509_EXTENSION) X509_EXTENSION *e = X509V3_EXT_nconf_nid(
			NULL, &context, extensions->nid, extensions->value);

		if (!e || !X509_add_ext(cert, e, -1))
			return false;
	}
	return true;
}

/* A key and a certificate for it; issuer NULL = signed by itself. */
static int pair_make(const char *name, long days, const struct extension *extensions,
		     const struct pair *issuer, struct pair *ret, struct err *err)
{
	const struct pair *by = issuer ? issuer : ret;

	ret->cert = X509_new_ex(openssl_context(), NULL);
	ret->key = EVP_PKEY_Q_keygen(openssl_context(), NULL, "EC", "P-256");
	if (!ret->cert || !ret->key || !X509_set_version(ret->cert, X509_VERSION_3) ||
	    !set_serial(ret->cert) || !set_name(ret->cert, name) ||
	    !X509_gmtime_adj(X509_getm_notBefore(ret->cert), -(long)EARLY_S) ||
	    !X509_time_adj_ex(X509_getm_notAfter(ret->cert), (int)days, 0, NULL) ||
	    !X509_set_pubkey(ret->cert, ret->key) ||
	    !X509_set_issuer_name(ret->cert, X509_get_subject_name(by->cert)) ||
	    !set_key_identifier(ret->cert) || !add_extensions(ret->cert, by->cert, extensions) ||
	    !X509_sign(ret->cert, by->key, EVP_sha256()))
		return openssl_error(err, ERR_FAILED, "cannot make a certificate");
	return 0;
}

int cert_authority_make(const char *folder, const char *fleet_name, struct err *err)
{
	static const struct extension extensions[] = {
		{NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
		{NID_key_usage, "critical,keyCertSign,cRLSign"},
		{0, NULL},
	};
	OPENSSL_ENTER();
	owned(pair) struct pair old = {0}, new = {0};
	int rc = pair_read(folder, "ca", &old, err);

	if (rc != 0)
		return rc < 0 ? err_wrap(err, "cannot use the certificate authority") : 0;
	if (!*fleet_name || strlen(fleet_name) > 64)
		return err_set(err, ERR_INVALID, "'%s' is no name for a certificate authority", fleet_name);
	rc = pair_make(fleet_name, AUTHORITY_DAYS, extensions, NULL, &new, err);
	return rc < 0 ? rc : pair_write(folder, "ca", &new, err);
}

static bool still_good(const struct pair *pair, const struct pair *authority,
		       const char *name, enum cert_role role)
{
	char is[X509_NAME_TEXT];

	return X509_verify(pair->cert, authority->key) == 1 && x509_role(pair->cert) == role &&
	       x509_name(pair->cert, is) && str_eq(is, name) &&
	       X509_cmp_current_time(X509_get0_notAfter(pair->cert)) > 0;
}

static int issue(const char *folder, const char *name, const char *holder, enum cert_role role,
		 const struct pair *authority, struct err *err)
{
	owned(mem) char *names =
		mem_printf("URI:urn:hsmctl:role:%s%s", cert_role_names[role],
			   role == CERT_ROLE_APPLIANCE ? ",IP:127.0.0.1,IP:::1,DNS:localhost" : "");
	const struct extension extensions[] = {
		{NID_basic_constraints, "critical,CA:FALSE"},
		{NID_key_usage, "critical,digitalSignature"},
		{NID_ext_key_usage, "clientAuth,serverAuth"},
		{NID_authority_key_identifier, "keyid:always"},
		{NID_subject_alt_name, names},
		{0, NULL},
	};
	owned(pair) struct pair new = {0};
	int rc;

	if (!names)
		return err_no_memory(err);
	rc = pair_make(holder, CERTIFICATE_DAYS, extensions, authority, &new, err);
	return rc < 0 ? rc : pair_write(folder, name, &new, err);
}

/* By an authority that is there. */
static int issue_unless_good(const char *folder, const char *name, const char *holder, enum cert_role role,
			     const struct pair *authority, struct err *err)
{
	owned(pair) struct pair old = {0};
	int rc = pair_read(folder, name, &old, err);

	if (rc < 0 && rc != -ERR_INVALID)
		return rc;
	if (rc > 0 && still_good(&old, authority, holder, role))
		return 0;
	err_clear(err);
	return issue(folder, name, holder, role, authority, err);
}

static int check_wish(const char *name, enum cert_role role, struct err *err)
{
	if (!str_is_name(name) || str_eq(name, "ca"))
		return err_set(err, ERR_INVALID, "'%s' is no name for a certificate", name);
	if (role <= CERT_ROLE_NONE || role > CERT_ROLE_APPLICATION)
		return err_set(err, ERR_INVALID, "a certificate for '%s' needs a role", name);
	return 0;
}

static int read_authority(const char *folder, struct pair *ret, struct err *err)
{
	int rc = pair_read(folder, "ca", ret, err);

	if (rc < 0)
		return err_wrap(err, "cannot use the certificate authority");
	return rc == 0 ? err_set(err, ERR_NOT_FOUND, "no certificate authority in '%s'", folder) : 0;
}

int cert_issue(const char *folder, const char *name, enum cert_role role, struct err *err)
{
	OPENSSL_ENTER();
	owned(pair) struct pair authority = {0};
	int rc = check_wish(name, role, err);

	if (rc == 0)
		rc = read_authority(folder, &authority, err);
	return rc < 0 ? rc : issue_unless_good(folder, name, name, role, &authority, err);
}

static int copy_authority(const char *from, const char *to, struct err *err)
{
	owned(mem) char *source = file_join(from, "ca.pem"), *target = file_join(to, "ca.pem");
	owned(buf) struct buf text = {.max = 64 << 10};
	int rc = source && target ? file_read(source, &text, err) : err_no_memory(err);

	return rc < 0 ? rc : file_write(target, text.data, text.len, 0644, err);
}

int cert_issue_to(const char *from, const char *folder, const char *name, const char *holder, enum cert_role role,
		  struct err *err)
{
	OPENSSL_ENTER();
	owned(pair) struct pair authority = {0};
	int rc = check_wish(name, role, err);

	if (rc == 0)
		rc = read_authority(from, &authority, err);
	if (rc == 0)
		rc = issue_unless_good(folder, name, holder, role, &authority, err);
	return rc < 0 ? rc : copy_authority(from, folder, err);
}

int cert_fingerprint(const char *path, char ret[static SHA256_TEXT], struct err *err)
{
	OPENSSL_ENTER();
	owned(X509) X509 *cert = NULL;
	int rc = x509_read(path, &cert, err);

	return rc < 0 ? rc : x509_fingerprint(cert, ret, err);
}
