/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the certificates and keys that assertions are signed with. */
#include <openssl/pem.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/secret.h"
#include "crypto/assertion_private.h"
#include "crypto/pkcs12.h"

enum { FILE_MAX = 256 * 1024 };

/* What a file holds. */
struct bundle {
	EVP_PKEY *key;
	STACK_OF(X509) *certs;	/* in any order */
};

static void bundle_release(struct bundle *bundle)
{
	EVP_PKEY_free(bundle->key);
	sk_X509_pop_free(bundle->certs, X509_free);
}

OWN_DEFINE_RELEASE(bundle)

/* ---- PEM ---- */

struct passphrase {
	const struct secret *secret;	/* may be NULL */
	bool asked;
};

static int tell_passphrase(char *text, int size, int writing, void *data)
{
	struct passphrase *passphrase = data;
	const struct secret *secret = passphrase->secret;

	(void)writing;
	passphrase->asked = true;
	if (!secret || secret->len > (size_t)size)
		return -1;
	memcpy(text, secret->data, secret->len);
	return (int)secret->len;
}

static int read_certs(const struct buf *file, STACK_OF(X509) **ret, struct err *err)
{
	owned(BIO) BIO *bio = BIO_new_mem_buf(file->data, (int)file->len);
	struct passphrase none = {.secret = NULL};
	unsigned long last;

	*ret = sk_X509_new_null();
	if (!bio || !*ret)
		return err_no_memory(err);
	for (;;) {
		owned(X509) X509 *cert = X509_new_ex(openssl_context(), NULL);

		if (!cert)
			return err_no_memory(err);
		/* On failure it frees the certificate and clears the pointer. */
		if (!PEM_read_bio_X509(bio, &cert, tell_passphrase, &none))
			break;
		if (!sk_X509_push(*ret, cert))
			return err_no_memory(err);
		cert = NULL;
	}
	last = ERR_peek_last_error();
	if (ERR_GET_LIB(last) != ERR_LIB_PEM || ERR_GET_REASON(last) != PEM_R_NO_START_LINE)
		return err_set(err, ERR_INVALID, "it holds a damaged certificate");
	return 0;
}

static int read_key(const struct buf *file, const struct secret *password, EVP_PKEY **ret, struct err *err)
{
	owned(BIO) BIO *bio = BIO_new_mem_buf(file->data, (int)file->len);
	struct passphrase passphrase = {.secret = password};

	if (!bio)
		return err_no_memory(err);
	*ret = PEM_read_bio_PrivateKey_ex(bio, NULL, tell_passphrase, &passphrase, openssl_context(), NULL);
	if (*ret)
		return 0;
	if (!passphrase.asked)
		return err_set(err, ERR_INVALID, "it holds no private key");
	return err_set(err, ERR_INVALID, password ? "wrong password" : "the private key needs a password");
}

/* ---- the signer ---- */

static int find_leaf(const struct bundle *bundle)
{
	for (int i = 0; i < sk_X509_num(bundle->certs); i++)
		if (X509_check_private_key(sk_X509_value(bundle->certs, i), bundle->key) == 1)
			return i;
	return -1;
}

static int find_issuer(const STACK_OF(X509) *certs, X509 *cert)
{
	for (int i = 0; i < sk_X509_num(certs); i++)
		if (X509_check_issued(sk_X509_value(certs, i), cert) == X509_V_OK)
			return i;
	return -1;
}

/* Move the leaf and those above it, in order; what belongs to neither stays. */
static STACK_OF(X509) *make_chain(STACK_OF(X509) *certs, int leaf)
{
	STACK_OF(X509) *chain = sk_X509_new_reserve(NULL, sk_X509_num(certs));

	if (!chain)
		return NULL;
	for (int i = leaf; i >= 0; i = find_issuer(certs, sk_X509_value(chain, sk_X509_num(chain) - 1)))
		sk_X509_push(chain, sk_X509_delete(certs, i));
	return chain;
}

static int check_key(const EVP_PKEY *key, struct err *err)
{
	if (!key || !EVP_PKEY_is_a(key, "RSA"))
		return err_set(err, ERR_INVALID, "its key is no RSA key");
	if (EVP_PKEY_get_size(key) > ASSERTION_SIGNATURE_MAX)
		return err_set(err, ERR_INVALID, "its key is too large");
	return 0;
}

static int new_signer(struct bundle *bundle, int leaf, struct assertion_signer **ret, struct err *err)
{
	owned(assertion_signer) struct assertion_signer *signer = mem_new(struct assertion_signer);

	if (!signer)
		return err_no_memory(err);
	signer->chain = make_chain(bundle->certs, leaf);
	if (!signer->chain)
		return err_no_memory(err);
	signer->key = own_take(bundle->key);
	*ret = own_take(signer);
	return 0;
}

static int read_bundle(const struct buf *file, const struct secret *password, struct bundle *ret, struct err *err)
{
	static const char begin[] = "-----BEGIN ";
	const char *text = password ? (const char *)password->data : NULL;
	int rc;

	if (!file->len)
		return err_set(err, ERR_INVALID, "it is empty");
	if (!memmem(file->data, file->len, begin, strlen(begin)))
		return pkcs12_read(file->data, file->len, text, &ret->key, &ret->certs, err);
	rc = read_certs(file, &ret->certs, err);
	return rc < 0 ? rc : read_key(file, password, &ret->key, err);
}

static int load(const struct buf *file, const struct secret *password, struct assertion_signer **ret,
		struct err *err)
{
	owned(bundle) struct bundle bundle = {0};
	int leaf, rc = read_bundle(file, password, &bundle, err);

	if (rc < 0)
		return rc;
	if (!bundle.key)
		return err_set(err, ERR_INVALID, "it holds no private key");
	if (!sk_X509_num(bundle.certs))
		return err_set(err, ERR_INVALID, "it holds no certificate");
	rc = check_key(bundle.key, err);
	if (rc < 0)
		return rc;
	leaf = find_leaf(&bundle);
	if (leaf < 0)
		return err_set(err, ERR_INVALID, "key and certificate do not belong together");
	return new_signer(&bundle, leaf, ret, err);
}

static int load_certs(const struct buf *file, struct assertion_signer **ret, struct err *err)
{
	owned(bundle) struct bundle bundle = {0};
	int rc = file->len ? read_certs(file, &bundle.certs, err) : 0;

	if (rc < 0)
		return rc;
	if (sk_X509_num(bundle.certs) <= 0)
		return err_set(err, ERR_INVALID, "it holds no certificate in PEM form");
	rc = check_key(X509_get0_pubkey(sk_X509_value(bundle.certs, 0)), err);
	return rc < 0 ? rc : new_signer(&bundle, 0, ret, err);
}

static int read_file(const char *path, bool secret, struct buf *ret, struct err *err)
{
	int rc = file_check_ours(path, secret, err);

	return rc < 0 ? rc : file_read(path, ret, err);
}

int assertion_signer_load(const char *path, const struct secret *password, struct assertion_signer **ret,
			  struct err *err)
{
	OPENSSL_ENTER();
	owned(buf) struct buf file = {.max = FILE_MAX, .wipe = true};
	int rc = read_file(path, true, &file, err);

	if (rc < 0)
		return rc;
	rc = load(&file, password, ret, err);
	return rc < 0 ? err_wrap(err, "cannot use '%s'", path) : 0;
}

int assertion_signer_remote(const char *path, assertion_sign sign, void *key, struct assertion_signer **ret,
			    struct err *err)
{
	OPENSSL_ENTER();
	owned(buf) struct buf file = {.max = FILE_MAX};
	int rc = read_file(path, false, &file, err);

	if (rc < 0)
		return rc;
	rc = load_certs(&file, ret, err);
	if (rc < 0)
		return err_wrap(err, "cannot use '%s'", path);
	(*ret)->sign = sign;
	(*ret)->remote = key;
	return 0;
}

void assertion_signer_free(struct assertion_signer *signer)
{
	if (!signer)
		return;
	OPENSSL_ENTER();
	sk_X509_pop_free(signer->chain, X509_free);
	EVP_PKEY_free(signer->key);
	free(signer);
}
