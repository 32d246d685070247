/* SPDX-License-Identifier: Apache-2.0 */
/* Opens PKCS #12 bundles. */
#include "crypto/pkcs12.h"

#include <openssl/pkcs12.h>
#include <openssl/provider.h>
#include <stdbool.h>

#include "base/err.h"

enum { NESTING_MAX = 8 };

/* What was found so far. */
struct contents {
	EVP_PKEY *key;
	STACK_OF(X509) *certs;
};

static void contents_release(struct contents *contents)
{
	EVP_PKEY_free(contents->key);
	sk_X509_pop_free(contents->certs, X509_free);
}

static void own_bags(STACK_OF(PKCS12_SAFEBAG) **bags)
{
	sk_PKCS12_SAFEBAG_pop_free(*bags, PKCS12_SAFEBAG_free);
}

static void own_safes(STACK_OF(PKCS7) **safes)
{
	sk_PKCS7_pop_free(*safes, PKCS7_free);
}

OWN_DEFINE_RELEASE(contents)
OPENSSL_OWN(OSSL_PROVIDER, OSSL_PROVIDER_unload)
OPENSSL_OWN(PKCS12, PKCS12_free)
OPENSSL_OWN(PKCS8_PRIV_KEY_INFO, PKCS8_PRIV_KEY_INFO_free)

static bool take_key(const PKCS8_PRIV_KEY_INFO *info, struct contents *ret)
{
	if (info && !ret->key)
		ret->key = EVP_PKCS82PKEY_ex(info, openssl_context(), NULL);
	return ret->key;
}

static bool take_encrypted_key(const PKCS12_SAFEBAG *bag, const char *password, struct contents *ret)
{
	owned(PKCS8_PRIV_KEY_INFO) PKCS8_PRIV_KEY_INFO *info =
		PKCS12_decrypt_skey_ex(bag, password, -1, openssl_context(), NULL);

	return take_key(info, ret);
}

/* Read again, since OpenSSL reads it in the host's context. */
static bool take_cert(const PKCS12_SAFEBAG *bag, struct contents *ret)
{
	owned(X509) X509 *theirs = PKCS12_SAFEBAG_get1_cert(bag);
	owned(X509) X509 *ours = X509_new_ex(openssl_context(), NULL);
	owned(openssl) unsigned char *der = NULL;
	int len = theirs && ours ? i2d_X509(theirs, &der) : -1;
	const unsigned char *at = der;

	/* On failure it frees the certificate and clears the pointer. */
	if (len < 0 || !d2i_X509(&ours, &at, len) || !sk_X509_push(ret->certs, ours))
		return false;
	ours = NULL;
	return true;
}

static bool take_bags(const STACK_OF(PKCS12_SAFEBAG) *bags, const char *password, int depth, struct contents *ret);

static bool take_bag(const PKCS12_SAFEBAG *bag, const char *password, int depth, struct contents *ret)
{
	switch (PKCS12_SAFEBAG_get_nid(bag)) {
	case NID_keyBag:
		return take_key(PKCS12_SAFEBAG_get0_p8inf(bag), ret);
	case NID_pkcs8ShroudedKeyBag:
		return take_encrypted_key(bag, password, ret);
	case NID_certBag:
		return PKCS12_SAFEBAG_get_bag_nid(bag) != NID_x509Certificate || take_cert(bag, ret);
	case NID_safeContentsBag:
		return take_bags(PKCS12_SAFEBAG_get0_safes(bag), password, depth + 1, ret);
	default:
		return true;
	}
}

static bool take_bags(const STACK_OF(PKCS12_SAFEBAG) *bags, const char *password, int depth, struct contents *ret)
{
	if (!bags || depth > NESTING_MAX)
		return false;
	for (int i = 0; i < sk_PKCS12_SAFEBAG_num(bags); i++)
		if (!take_bag(sk_PKCS12_SAFEBAG_value(bags, i), password, depth, ret))
			return false;
	return true;
}

static bool take_safe(PKCS7 *safe, const char *password, struct contents *ret)
{
	owned(bags) STACK_OF(PKCS12_SAFEBAG) *bags = NULL;

	if (PKCS7_type_is_data(safe))
		bags = PKCS12_unpack_p7data(safe);
	else if (PKCS7_type_is_encrypted(safe))
		bags = PKCS12_unpack_p7encdata(safe, password, -1);
	else
		return true;
	return take_bags(bags, password, 0, ret);
}

static bool open_bundle(const PKCS12 *bundle, const char *password, EVP_PKEY **ret_key, STACK_OF(X509) **ret_certs)
{
	owned(safes) STACK_OF(PKCS7) *safes = PKCS12_unpack_authsafes(bundle);
	owned(contents) struct contents contents = {.certs = sk_X509_new_null()};

	if (!safes || !contents.certs)
		return false;
	for (int i = 0; i < sk_PKCS7_num(safes); i++)
		if (!take_safe(sk_PKCS7_value(safes, i), password, &contents))
			return false;
	*ret_key = own_take(contents.key);
	*ret_certs = own_take(contents.certs);
	return true;
}

/* No password is two different ones; *password becomes the one of the bundle. */
static bool password_fits(PKCS12 *bundle, const char **password)
{
	if (*password && **password)
		return PKCS12_verify_mac(bundle, *password, -1) == 1;
	*password = NULL;
	if (PKCS12_verify_mac(bundle, NULL, 0) == 1)
		return true;
	*password = "";
	return PKCS12_verify_mac(bundle, "", 0) == 1;
}

static int read_bundle(PKCS12 *bundle, const char *password, EVP_PKEY **ret_key, STACK_OF(X509) **ret_certs,
		       struct err *err)
{
	owned(OSSL_PROVIDER) OSSL_PROVIDER *legacy = NULL;
	bool given = password;

	if (!PKCS12_mac_present(bundle))
		return err_set(err, ERR_INVALID, "it has no MAC, so that anybody may have changed it");
	if (!password_fits(bundle, &password))
		return err_set(err, ERR_INVALID, given ? "wrong password" : "it needs a password");
	if (open_bundle(bundle, password, ret_key, ret_certs))
		return 0;
	/* RC2 and RC4, of Windows and old versions of OpenSSL; it leaves our context again. */
	legacy = OSSL_PROVIDER_try_load(openssl_context(), "legacy", 1);
	if (legacy && open_bundle(bundle, password, ret_key, ret_certs))
		return 0;
	if (legacy)
		return err_set(err, ERR_INVALID, "it cannot be decrypted, or is damaged");
	err_set(err, ERR_INVALID, "it is encrypted in a way that needs OpenSSL's legacy provider, which is not here");
	return err_hint(err, "on a host with that provider: openssl pkcs12 -legacy -in OLD -nodes | "
			"openssl pkcs12 -export -out NEW");
}

int pkcs12_read(const void *data, size_t len, const char *password, EVP_PKEY **ret_key, STACK_OF(X509) **ret_certs,
		struct err *err)
{
	OPENSSL_ENTER();
	owned(PKCS12) PKCS12 *bundle = PKCS12_init_ex(NID_pkcs7_data, openssl_context(), NULL);
	const unsigned char *at = data;

	if (!bundle)
		return err_no_memory(err);
	/* On failure it frees the bundle and clears the pointer. */
	if (!d2i_PKCS12(&bundle, &at, (long)len))
		return err_set(err, ERR_INVALID, "neither PEM nor PKCS #12");
	return read_bundle(bundle, password, ret_key, ret_certs, err);
}
