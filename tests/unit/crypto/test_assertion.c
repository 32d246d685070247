/* SPDX-License-Identifier: Apache-2.0 */
#include "../base/temp.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/provider.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include "base/secret.h"
#include "base/str.h"
#include "crypto/assertion.h"
#include "crypto/openssl.h"

static const char claims[] = "{\"aud\":\"https://login.example/token\",\"iss\":\"me\"}";

/* Who signs what: root signs middle, middle signs leaf; other and curve sign themselves. */
static EVP_PKEY *root_key, *middle_key, *leaf_key, *other_key, *curve_key;
static X509 *root, *middle, *leaf, *other, *curve;

/* ---- keys and certificates ---- */

static void add_extension(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	assert_int_equal(X509_add_ext(cert, extension, -1), 1);
	X509_EXTENSION_free(extension);
}

static X509 *make_cert(const char *name, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key)
{
	static long serial;
	X509 *cert = X509_new();
	X509_NAME *subject = X509_get_subject_name(cert);

	X509_set_version(cert, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), ++serial);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(cert, X509_get_subject_name(issuer ? issuer : cert));
	X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
	X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
	X509_set_pubkey(cert, key);
	add_extension(cert, NID_basic_constraints, key == leaf_key ? "CA:FALSE" : "critical,CA:TRUE");
	assert_true(X509_sign(cert, issuer_key, EVP_sha256()) > 0);
	return cert;
}

static int make_all(void **state)
{
	(void)state;
	root_key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	middle_key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	curve_key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	leaf_key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
	other_key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
	root = make_cert("root", root_key, NULL, root_key);
	middle = make_cert("middle", middle_key, root, root_key);
	leaf = make_cert("leaf", leaf_key, middle, middle_key);
	other = make_cert("other", other_key, NULL, other_key);
	curve = make_cert("curve", curve_key, NULL, curve_key);
	return 0;
}

static int free_all(void **state)
{
	EVP_PKEY *keys[] = {root_key, middle_key, leaf_key, other_key, curve_key};
	X509 *certs[] = {root, middle, leaf, other, curve};

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		EVP_PKEY_free(keys[i]);
		X509_free(certs[i]);
	}
	return 0;
}

/* ---- files ---- */

enum form { PLAIN, PLAIN_OLD, ENCRYPTED, ENCRYPTED_OLD };

static void put_key(BIO *bio, EVP_PKEY *key, enum form form)
{
	const EVP_CIPHER *cipher = form == ENCRYPTED || form == ENCRYPTED_OLD ? EVP_aes_256_cbc() : NULL;
	const unsigned char *password = (const unsigned char *)"secret";
	int rc;

	if (form == PLAIN_OLD || form == ENCRYPTED_OLD)
		rc = PEM_write_bio_PrivateKey_traditional(bio, key, cipher, cipher ? password : NULL,
							  cipher ? 6 : 0, NULL, NULL);
	else
		rc = PEM_write_bio_PKCS8PrivateKey(bio, key, cipher, cipher ? "secret" : NULL, cipher ? 6 : 0, NULL,
						   NULL);
	assert_int_equal(rc, 1);
}

static void put_certs(BIO *bio, X509 *const *certs)
{
	for (; certs && *certs; certs++)
		assert_int_equal(PEM_write_bio_X509(bio, *certs), 1);
}

static const char *save(const char *folder, const char *name, BIO *bio, mode_t mode)
{
	const char *path = in(folder, name);
	char *text;
	long len = BIO_get_mem_data(bio, &text);

	assert_int_equal(file_write(path, text, (size_t)len, mode, NULL), 0);
	BIO_free(bio);
	return path;
}

static const char *save_pem(const char *folder, EVP_PKEY *key, enum form form, X509 *const *certs)
{
	BIO *bio = BIO_new(BIO_s_mem());

	if (key)
		put_key(bio, key, form);
	put_certs(bio, certs);
	return save(folder, "signer.pem", bio, 0600);
}

struct box {
	const char *password;	/* NULL = none */
	EVP_PKEY *key;
	X509 *cert;
	X509 *const *above;
	int algorithm;		/* of certificates and key; 0 = OpenSSL's choice, -1 = none */
	int mac;		/* iterations; -1 = no MAC */
};

static const char *save_box(const char *folder, const struct box *box)
{
	STACK_OF(X509) *above = sk_X509_new_null();
	BIO *bio = BIO_new(BIO_s_mem());
	PKCS12 *bundle;

	for (X509 *const *cert = box->above; cert && *cert; cert++)
		sk_X509_push(above, *cert);
	bundle = PKCS12_create(box->password, "name", box->key, box->cert, above, box->algorithm, box->algorithm, 0,
			       box->mac, 0);
	assert_non_null(bundle);
	assert_int_equal(i2d_PKCS12_bio(bio, bundle), 1);
	PKCS12_free(bundle);
	sk_X509_free(above);
	return save(folder, "signer.pfx", bio, 0600);
}

static int load(const char *path, const char *password, struct assertion_signer **ret, struct err *err)
{
	owned(secret) struct secret *secret = NULL;

	if (password)
		assert_int_equal(secret_new(password, strlen(password), &secret, NULL), 0);
	return assertion_signer_load(path, secret, ret, err);
}

/* ---- what a token says ---- */

static size_t decode(const char *text, size_t len, uint8_t *ret)
{
	char padded[8192];
	int n;

	assert_true(len + 4 < sizeof(padded));
	for (size_t i = 0; i < len; i++)
		padded[i] = (char)(text[i] == '-' ? '+' : text[i] == '_' ? '/' : text[i]);
	memset(padded + len, '=', 4);
	n = EVP_DecodeBlock(ret, (const unsigned char *)padded, (int)(len + 3) / 4 * 4);
	assert_true(n >= 0);
	return len * 3 / 4;
}

static void check_signature(enum assertion_algorithm algorithm, X509 *cert, const char *token, size_t signed_len)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	EVP_PKEY_CTX *padding;
	uint8_t signature[8192];
	size_t len = decode(token + signed_len + 1, strlen(token + signed_len + 1), signature);

	assert_int_equal(len, 256);
	assert_int_equal(EVP_DigestVerifyInit(context, &padding, EVP_sha256(), NULL, X509_get0_pubkey(cert)), 1);
	if (algorithm == ASSERTION_PS256) {
		assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(padding, RSA_PKCS1_PSS_PADDING), 1);
		assert_int_equal(EVP_PKEY_CTX_set_rsa_pss_saltlen(padding, 32), 1);
	}
	assert_int_equal(EVP_DigestVerify(context, signature, len, (const uint8_t *)token, signed_len), 1);
	EVP_MD_CTX_free(context);
}

/* The header that certificates of a chain, ended by NULL, should give. */
static void expected_header(enum assertion_algorithm algorithm, bool chain, X509 *const *certs, struct buf *ret)
{
	bool sha1 = algorithm == ASSERTION_RS256;
	uint8_t digest[32], text[4096];
	unsigned len;
	int n;

	X509_digest(certs[0], sha1 ? EVP_sha1() : EVP_sha256(), digest, &len);
	n = EVP_EncodeBlock(text, digest, (int)len);
	for (uint8_t *p = text; *p; p++)
		*p = *p == '+' ? '-' : *p == '/' ? '_' : *p;
	n--;	/* 20 and 32 bytes have one '=' each */
	buf_printf(ret, "{\"alg\":\"%s\",\"typ\":\"JWT\",\"%s\":\"%.*s\"", sha1 ? "RS256" : "PS256",
		   sha1 ? "x5t" : "x5t#S256", n, text);
	for (size_t i = 0; chain && certs[i]; i++) {
		unsigned char *der = NULL;
		int der_len = i2d_X509(certs[i], &der);

		EVP_EncodeBlock(text, der, der_len);
		buf_printf(ret, "%s\"%s\"", i ? "," : ",\"x5c\":[", text);
		OPENSSL_free(der);
	}
	buf_put_str(ret, chain ? "]}" : "}");
}

static void check_token(const struct assertion_signer *signer, enum assertion_algorithm algorithm, bool chain,
			X509 *const *certs)
{
	owned(buf) struct buf buf = {.max = 65536, .wipe = true}, header = {.max = 65536};
	uint8_t part[8192];
	const char *token, *dot, *second;

	assert_int_equal(assertion_sign_token(signer, algorithm, chain, claims, &buf, NULL), 0);
	token = buf_text(&buf);
	dot = strchr(token, '.');
	second = strchr(dot + 1, '.');
	assert_null(strchr(second + 1, '.'));
	assert_int_equal(strspn(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."), buf.len);
	expected_header(algorithm, chain, certs, &header);
	part[decode(token, (size_t)(dot - token), part)] = 0;
	assert_string_equal((char *)part, buf_text(&header));
	part[decode(dot + 1, (size_t)(second - dot - 1), part)] = 0;
	assert_string_equal((char *)part, claims);
	check_signature(algorithm, certs[0], token, (size_t)(second - token));
}

static void check_all_tokens(const struct assertion_signer *signer, X509 *const *certs)
{
	for (int chain = 0; chain < 2; chain++) {
		check_token(signer, ASSERTION_PS256, chain, certs);
		check_token(signer, ASSERTION_RS256, chain, certs);
	}
}

/* ---- the tests ---- */

static void tokens_say_who_signed_and_verify(void **state)
{
	owned(assertion_signer) struct assertion_signer *signer = NULL;

	assert_int_equal(load(save_pem(*state, leaf_key, PLAIN, (X509 *[]){leaf, middle, root, NULL}), NULL, &signer,
			      NULL), 0);
	check_all_tokens(signer, (X509 *[]){leaf, middle, root, NULL});
	assert_int_equal(ERR_peek_error(), 0);
}

static void every_form_of_a_pem_file_is_read(void **state)
{
	static const enum form forms[] = {PLAIN, PLAIN_OLD, ENCRYPTED, ENCRYPTED_OLD};

	for (size_t i = 0; i < 4; i++) {
		owned(assertion_signer) struct assertion_signer *first = NULL, *last = NULL;
		BIO *bio = BIO_new(BIO_s_mem());

		assert_int_equal(load(save_pem(*state, leaf_key, forms[i], (X509 *[]){leaf, NULL}), "secret", &first,
				      NULL), 0);
		check_token(first, ASSERTION_PS256, true, (X509 *[]){leaf, NULL});

		BIO_puts(bio, "Bag Attributes\r\n    friendlyName: name\r\n");
		put_certs(bio, (X509 *[]){leaf, middle, NULL});
		BIO_puts(bio, "Key Attributes: <No Attributes>\n");
		put_key(bio, leaf_key, forms[i]);
		assert_int_equal(load(save(*state, "last.pem", bio, 0600), "secret", &last, NULL), 0);
		check_token(last, ASSERTION_PS256, true, (X509 *[]){leaf, middle, NULL});
	}
	assert_int_equal(ERR_peek_error(), 0);
}

static void certificates_stand_in_any_order(void **state)
{
	X509 *const orders[][6] = {
		{root, middle, leaf, NULL}, {middle, leaf, root, NULL}, {other, leaf, curve, root, middle, NULL},
	};

	for (size_t i = 0; i < 3; i++) {
		owned(assertion_signer) struct assertion_signer *signer = NULL;

		assert_int_equal(load(save_pem(*state, leaf_key, PLAIN, orders[i]), NULL, &signer, NULL), 0);
		check_token(signer, ASSERTION_RS256, true, (X509 *[]){leaf, middle, root, NULL});
	}

	owned(assertion_signer) struct assertion_signer *signer = NULL;

	/* signed by itself; and a chain with a hole */
	assert_int_equal(load(save_pem(*state, other_key, PLAIN, (X509 *[]){leaf, other, NULL}), NULL, &signer, NULL),
			 0);
	check_all_tokens(signer, (X509 *[]){other, NULL});
	assertion_signer_free(own_take(signer));
	assert_int_equal(load(save_pem(*state, leaf_key, PLAIN, (X509 *[]){leaf, root, NULL}), NULL, &signer, NULL), 0);
	check_all_tokens(signer, (X509 *[]){leaf, NULL});
}

static void bundles_are_read(void **state)
{
	const struct {
		struct box box;
		const char *password;
	} cases[] = {
		{{.password = "secret"}, "secret"},
		{{.password = "p\xc3\xa4ss w\xc3\xb6rd"}, "p\xc3\xa4ss w\xc3\xb6rd"},
		{{.password = "secret", .algorithm = NID_pbe_WithSHA1And3_Key_TripleDES_CBC}, "secret"},
		{{.password = NULL, .algorithm = -1}, NULL},
		{{.password = "", .algorithm = -1}, ""},
		{{.password = ""}, ""},
		{{.password = ""}, NULL},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		owned(assertion_signer) struct assertion_signer *signer = NULL;
		struct box box = cases[i].box;
		struct err err = {0};

		box.key = leaf_key;
		box.cert = leaf;
		box.above = (X509 *[]){root, middle, NULL};
		if (load(save_box(*state, &box), cases[i].password, &signer, &err) < 0)
			fail_msg("case %zu: %s", i, err.message);
		check_all_tokens(signer, (X509 *[]){leaf, middle, root, NULL});
		assert_int_equal(ERR_peek_error(), 0);
	}
}

static void expect_refused(const char *path, const char *password, int code, const char *message)
{
	struct assertion_signer *signer = NULL;
	struct err err = {0};

	assert_int_equal(load(path, password, &signer, &err), -code);
	assert_null(signer);
	if (!strstr(err.message, message) || !strstr(err.message, path))
		fail_msg("'%s', expected '%s'", err.message, message);
	assert_null(strstr(err.message, "secret"));
	assert_int_equal(ERR_peek_error(), 0);
}

static void wrong_passwords_are_told_apart(void **state)
{
	static const enum form forms[] = {ENCRYPTED, ENCRYPTED_OLD};
	struct box box = {.password = "secret", .key = leaf_key, .cert = leaf};
	const char *path;
	char longest[3000];

	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = 0;
	for (size_t i = 0; i < 2; i++) {
		path = save_pem(*state, leaf_key, forms[i], (X509 *[]){leaf, NULL});
		expect_refused(path, "Secret", ERR_INVALID, "wrong password");
		expect_refused(path, "", ERR_INVALID, "wrong password");
		expect_refused(path, longest, ERR_INVALID, "wrong password");
		expect_refused(path, NULL, ERR_INVALID, "needs a password");
	}
	path = save_box(*state, &box);
	expect_refused(path, "Secret", ERR_INVALID, "wrong password");
	expect_refused(path, "", ERR_INVALID, "wrong password");
	expect_refused(path, NULL, ERR_INVALID, "needs a password");
}

static void what_cannot_sign_is_refused(void **state)
{
	struct box box = {.password = "secret", .key = curve_key, .cert = curve};
	BIO *damaged = BIO_new(BIO_s_mem()), *junk = BIO_new(BIO_s_mem()), *empty = BIO_new(BIO_s_mem());

	expect_refused(save_pem(*state, other_key, PLAIN, (X509 *[]){leaf, NULL}), NULL, ERR_INVALID,
		       "do not belong together");
	expect_refused(save_pem(*state, curve_key, PLAIN, (X509 *[]){curve, NULL}), NULL, ERR_INVALID, "no RSA key");
	expect_refused(save_pem(*state, leaf_key, PLAIN, NULL), NULL, ERR_INVALID, "no certificate");
	expect_refused(save_pem(*state, NULL, PLAIN, (X509 *[]){leaf, NULL}), NULL, ERR_INVALID, "no private key");
	expect_refused(save_box(*state, &box), "secret", ERR_INVALID, "no RSA key");
	box = (struct box){.password = "secret", .key = leaf_key};
	expect_refused(save_box(*state, &box), "secret", ERR_INVALID, "no certificate");
	box = (struct box){.password = "secret", .cert = leaf};
	expect_refused(save_box(*state, &box), "secret", ERR_INVALID, "no private key");

	box = (struct box){.password = "secret", .key = leaf_key, .cert = leaf, .mac = -1};
	expect_refused(save_box(*state, &box), "secret", ERR_INVALID, "no MAC");

	put_key(damaged, leaf_key, PLAIN);
	put_certs(damaged, (X509 *[]){leaf, NULL});
	BIO_puts(damaged, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
	expect_refused(save(*state, "damaged.pem", damaged, 0600), NULL, ERR_INVALID, "damaged certificate");
	BIO_puts(junk, "no certificate at all");
	expect_refused(save(*state, "junk", junk, 0600), NULL, ERR_INVALID, "neither PEM nor PKCS #12");
	expect_refused(save(*state, "empty", empty, 0600), NULL, ERR_INVALID, "empty");
	expect_refused(in(*state, "absent"), NULL, ERR_NOT_FOUND, "no '");
}

static void open_files_are_refused(void **state)
{
	static const mode_t modes[] = {0640, 0604, 0620, 0602};
	const char *path = save_pem(*state, leaf_key, PLAIN, (X509 *[]){leaf, NULL});

	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(chmod(path, modes[i]), 0);
		expect_refused(path, NULL, ERR_NOT_OURS, "others can");
	}
}

/* RC2, which only OpenSSL's legacy provider has; ours is without it before and after. */
static void old_bundles_need_the_legacy_provider(void **state)
{
	OSSL_PROVIDER *legacy = OSSL_PROVIDER_try_load(NULL, "legacy", 1);
	struct box box = {.password = "secret", .key = leaf_key, .cert = leaf,
			  .algorithm = NID_pbe_WithSHA1And40BitRC2_CBC};
	owned(assertion_signer) struct assertion_signer *signer = NULL;
	struct err err = {0};
	const char *path;

	if (!legacy)
		skip();
	path = save_box(*state, &box);
	OSSL_PROVIDER_unload(legacy);

	setenv("OPENSSL_MODULES", *state, 1);
	assert_int_equal(load(path, "secret", &signer, &err), -ERR_INVALID);
	assert_non_null(strstr(err.message, "legacy provider"));
	assert_non_null(strstr(err.hint, "openssl pkcs12 -export"));
	expect_refused(path, "Secret", ERR_INVALID, "wrong password");
	unsetenv("OPENSSL_MODULES");

	assert_int_equal(load(path, "secret", &signer, NULL), 0);
	check_all_tokens(signer, (X509 *[]){leaf, NULL});
	expect_refused(path, "Secret", ERR_INVALID, "wrong password");
	assert_int_equal(OSSL_PROVIDER_available(openssl_context(), "legacy"), 0);
	assert_int_equal(OSSL_PROVIDER_available(openssl_context(), "default"), 1);
	assert_int_equal(ERR_peek_error(), 0);
}

/* Each third byte changed in turn: refused, or what the byte says is of no importance. */
static void damaged_bundles_are_read_safely(void **state)
{
	struct box box = {.password = "secret", .key = leaf_key, .cert = leaf};
	const char *path = save_box(*state, &box);
	owned(buf) struct buf file = {.max = 65536};

	assert_int_equal(file_read(path, &file, NULL), 0);
	for (size_t i = 0; i < file.len; i += 29) {
		owned(assertion_signer) struct assertion_signer *signer = NULL;
		int rc;

		file.data[i] ^= 0x81;
		assert_int_equal(file_write(path, file.data, file.len, 0600, NULL), 0);
		file.data[i] ^= 0x81;
		rc = load(path, "secret", &signer, NULL);
		assert_true(rc == 0 || rc == -ERR_INVALID);
		assert_int_equal(ERR_peek_error(), 0);
	}
	for (size_t len = 0; len < file.len; len += 97) {
		assert_int_equal(file_write(path, file.data, len, 0600, NULL), 0);
		expect_refused(path, "secret", ERR_INVALID, path);
	}
}

struct remote {
	EVP_PKEY *key;
	int code;
	unsigned calls;
};

static int sign_elsewhere(void *key, enum assertion_algorithm algorithm, const void *data, size_t len, uint8_t *ret,
			  size_t *ret_len, struct err *err)
{
	struct remote *remote = key;
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	EVP_PKEY_CTX *padding;

	remote->calls++;
	if (remote->code) {
		EVP_MD_CTX_free(context);
		return err_set(err, (enum err_code)remote->code, "the vault is shut");
	}
	assert_true(*ret_len >= 512);
	assert_int_equal(EVP_DigestSignInit(context, &padding, EVP_sha256(), NULL, remote->key), 1);
	if (algorithm == ASSERTION_PS256) {
		EVP_PKEY_CTX_set_rsa_padding(padding, RSA_PKCS1_PSS_PADDING);
		EVP_PKEY_CTX_set_rsa_pss_saltlen(padding, 32);
	}
	assert_int_equal(EVP_DigestSign(context, ret, ret_len, data, len), 1);
	EVP_MD_CTX_free(context);
	return 0;
}

static void keys_elsewhere_sign(void **state)
{
	owned(assertion_signer) struct assertion_signer *signer = NULL;
	struct remote remote = {.key = leaf_key};
	const char *path = save_pem(*state, NULL, PLAIN, (X509 *[]){leaf, root, middle, NULL});

	/* a certificate is no secret */
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(assertion_signer_remote(path, sign_elsewhere, &remote, &signer, NULL), 0);
	check_all_tokens(signer, (X509 *[]){leaf, middle, root, NULL});
	assert_int_equal(remote.calls, 4);
}

static void keys_elsewhere_can_fail(void **state)
{
	owned(buf) struct buf token = {.max = 65536, .wipe = true};
	owned(assertion_signer) struct assertion_signer *signer = NULL;
	struct remote remote = {.key = leaf_key, .code = ERR_UNREACHABLE};
	struct err err = {0};

	buf_put_str(&token, "before");
	assert_int_equal(assertion_signer_remote(save_pem(*state, NULL, PLAIN, (X509 *[]){leaf, NULL}), sign_elsewhere,
						 &remote, &signer, NULL), 0);
	assert_int_equal(assertion_sign_token(signer, ASSERTION_PS256, false, claims, &token, &err), -ERR_UNREACHABLE);
	assert_string_equal(err.message, "the vault is shut");
	assert_string_equal(buf_text(&token), "before");
	remote = (struct remote){.key = other_key};
	assert_int_equal(assertion_sign_token(signer, ASSERTION_PS256, false, claims, &token, &err), -ERR_INVALID);
	assert_non_null(strstr(err.message, "does not belong"));
	assert_string_equal(buf_text(&token), "before");
	assert_int_equal(ERR_peek_error(), 0);
}

static void certificates_for_keys_elsewhere_are_checked(void **state)
{
	struct assertion_signer *signer = NULL;
	struct err err = {0};
	const char *path = save_pem(*state, NULL, PLAIN, (X509 *[]){curve, leaf, NULL});

	assert_int_equal(assertion_signer_remote(path, sign_elsewhere, NULL, &signer, &err), -ERR_INVALID);
	assert_non_null(strstr(err.message, "no RSA key"));
	path = save_pem(*state, leaf_key, PLAIN, NULL);
	assert_int_equal(assertion_signer_remote(path, sign_elsewhere, NULL, &signer, &err), -ERR_INVALID);
	assert_non_null(strstr(err.message, "no certificate"));
	assert_int_equal(chmod(path, 0666), 0);
	assert_int_equal(assertion_signer_remote(path, sign_elsewhere, NULL, &signer, &err), -ERR_NOT_OURS);
	assert_null(signer);
	assertion_signer_free(NULL);
}

static void tokens_are_appended_or_not_at_all(void **state)
{
	owned(assertion_signer) struct assertion_signer *signer = NULL;
	owned(buf) struct buf whole = {.max = 65536, .wipe = true};
	struct err err;

	assert_int_equal(load(save_pem(*state, leaf_key, PLAIN, (X509 *[]){leaf, NULL}), NULL, &signer, NULL), 0);
	buf_put_str(&whole, "assertion=");
	assert_int_equal(assertion_sign_token(signer, ASSERTION_PS256, false, claims, &whole, NULL), 0);
	assert_true(str_starts(buf_text(&whole), "assertion=eyJhbGciOiJQUzI1NiIs"));
	for (size_t max = 10; max < whole.len; max += 50) {
		owned(buf) struct buf small = {.max = max, .wipe = true};

		buf_put_str(&small, "assertion=");
		assert_int_equal(assertion_sign_token(signer, ASSERTION_PS256, false, claims, &small, &err),
				 -ERR_NO_MEMORY);
		assert_int_equal(small.len, 10);
	}
}

static void uuids_are_random_and_of_version_4(void **state)
{
	char uuid[UUID_TEXT], other_uuid[UUID_TEXT];

	(void)state;
	for (int i = 0; i < 200; i++) {
		assert_int_equal(crypto_uuid(uuid, NULL), 0);
		assert_int_equal(crypto_uuid(other_uuid, NULL), 0);
		assert_string_not_equal(uuid, other_uuid);
		assert_int_equal(strlen(uuid), 36);
		for (size_t at = 0; at < 36; at++)
			assert_int_equal(uuid[at] == '-', at == 8 || at == 13 || at == 18 || at == 23);
		assert_int_equal(strspn(uuid, "0123456789abcdef-"), 36);
		assert_int_equal(uuid[14], '4');
		assert_non_null(strchr("89ab", uuid[19]));
	}
}

static int load_and_sign(const char *path, const char *password)
{
	owned(assertion_signer) struct assertion_signer *signer = NULL;
	owned(buf) struct buf token = {.max = 65536, .wipe = true};
	owned(secret) struct secret *secret = NULL;
	struct err err;
	int rc = secret_new(password, strlen(password), &secret, &err);

	if (rc == 0)
		rc = assertion_signer_load(path, secret, &signer, &err);
	return rc < 0 ? rc : assertion_sign_token(signer, ASSERTION_PS256, true, claims, &token, &err);
}

static void memory_runs_out(void **state)
{
	struct box box = {.password = "secret", .key = leaf_key, .cert = leaf};
	const char *path = save_box(*state, &box);

	assert_survives_no_memory(load_and_sign(path, "secret"));
	path = save_pem(*state, leaf_key, ENCRYPTED, (X509 *[]){leaf, middle, NULL});
	assert_survives_no_memory(load_and_sign(path, "secret"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		temp_test(tokens_say_who_signed_and_verify),
		temp_test(every_form_of_a_pem_file_is_read),
		temp_test(certificates_stand_in_any_order),
		temp_test(bundles_are_read),
		temp_test(wrong_passwords_are_told_apart),
		temp_test(what_cannot_sign_is_refused),
		temp_test(open_files_are_refused),
		temp_test(old_bundles_need_the_legacy_provider),
		temp_test(damaged_bundles_are_read_safely),
		temp_test(keys_elsewhere_sign),
		temp_test(keys_elsewhere_can_fail),
		temp_test(certificates_for_keys_elsewhere_are_checked),
		temp_test(tokens_are_appended_or_not_at_all),
		cmocka_unit_test(uuids_are_random_and_of_version_4),
		temp_test(memory_runs_out),
	};

	return cmocka_run_group_tests(tests, make_all, free_all);
}
