/* SPDX-License-Identifier: Apache-2.0 */
#include "../base/temp.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"
#include "crypto/cert.h"

static X509 *load(const char *folder, const char *name)
{
	FILE *f = fopen(in(folder, name), "re");
	X509 *cert = PEM_read_X509(f, NULL, NULL, NULL);

	fclose(f);
	assert_non_null(cert);
	return cert;
}

static void fingerprint(const char *folder, const char *name, char ret[static SHA256_TEXT])
{
	assert_int_equal(cert_fingerprint(in(folder, name), ret, NULL), 0);
}

static mode_t mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 0777;
}

static void the_authority_may_sign_and_stays(void **state)
{
	char before[SHA256_TEXT], after[SHA256_TEXT];
	struct err err = {0};

	assert_int_equal(cert_authority_make(*state, "fleet-1", &err), 0);
	assert_int_equal(mode_of(in(*state, "ca.key")), 0600);
	fingerprint(*state, "ca.pem", before);
	assert_int_equal(cert_authority_make(*state, "fleet-1", &err), 0);
	fingerprint(*state, "ca.pem", after);
	assert_string_equal(before, after);

	X509 *ca = load(*state, "ca.pem");

	assert_true(X509_check_ca(ca) == 1);
	assert_int_equal(X509_get_pathlen(ca), 0);
	assert_true(X509_get_key_usage(ca) & KU_KEY_CERT_SIGN);
	assert_false(X509_get_key_usage(ca) & KU_DIGITAL_SIGNATURE);
	assert_int_equal(X509_verify(ca, X509_get0_pubkey(ca)), 1);
	X509_free(ca);
}

static void half_an_authority_is_made_anew(void **state)
{
	static const char *const lost[] = {"ca.key", "ca.pem"};
	char before[SHA256_TEXT], after[SHA256_TEXT];

	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(cert_authority_make(*state, "f", NULL), 0);
		fingerprint(*state, "ca.pem", before);
		assert_int_equal(unlink(in(*state, lost[i])), 0);
		assert_int_equal(cert_authority_make(*state, "f", NULL), 0);
		fingerprint(*state, "ca.pem", after);
		assert_string_not_equal(before, after);
		assert_int_equal(cert_issue(*state, "a", CERT_ROLE_ADMIN, NULL), 0);
	}
}

/* As a kill leaves it between the two files. */
static void a_key_of_another_certificate_is_replaced(void **state)
{
	assert_int_equal(cert_authority_make(*state, "f", NULL), 0);
	assert_int_equal(cert_issue(*state, "a", CERT_ROLE_ADMIN, NULL), 0);
	assert_int_equal(cert_issue(*state, "b", CERT_ROLE_ADMIN, NULL), 0);
	assert_int_equal(rename(in(*state, "b.key"), in(*state, "a.key")), 0);
	assert_int_equal(cert_issue(*state, "a", CERT_ROLE_ADMIN, NULL), 0);

	FILE *f = fopen(in(*state, "a.key"), "re");
	EVP_PKEY *key = PEM_read_PrivateKey(f, NULL, NULL, NULL);
	X509 *cert = load(*state, "a.pem");

	fclose(f);
	assert_int_equal(X509_check_private_key(cert, key), 1);
	X509_free(cert);
	EVP_PKEY_free(key);
}

static void a_damaged_authority_is_an_error(void **state)
{
	struct err err = {0};

	assert_int_equal(cert_authority_make(*state, "f", NULL), 0);
	assert_int_equal(file_write(in(*state, "ca.key"), "junk", 4, 0600, NULL), 0);
	assert_int_equal(cert_authority_make(*state, "f", &err), -ERR_INVALID);
	assert_non_null(strstr(err.message, "ca.key"));
	assert_int_equal(cert_issue(*state, "a", CERT_ROLE_ADMIN, &err), -ERR_INVALID);
}

static bool uri_is(X509 *cert, const char *uri)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	bool found = false;

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

		if (name->type == GEN_URI)
			found = str_eq((const char *)ASN1_STRING_get0_data(
					       name->d.uniformResourceIdentifier), uri);
	}
	GENERAL_NAMES_free(names);
	return found;
}

static void certificates_say_who_and_what(void **state)
{
	static const struct {
		enum cert_role role;
		const char *uri;
	} cases[] = {
		{CERT_ROLE_APPLIANCE, "urn:hsmctl:role:appliance"},
		{CERT_ROLE_ADMIN, "urn:hsmctl:role:admin"},
		{CERT_ROLE_APPLICATION, "urn:hsmctl:role:application"},
	};

	assert_int_equal(cert_authority_make(*state, "f", NULL), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *name = cert_role_names[cases[i].role];
		char file[64], cn[64];

		assert_int_equal(cert_issue(*state, name, cases[i].role, NULL), 0);
		snprintf(file, sizeof(file), "%s.key", name);
		assert_int_equal(mode_of(in(*state, file)), 0600);
		snprintf(file, sizeof(file), "%s.pem", name);

		X509 *cert = load(*state, file), *ca = load(*state, "ca.pem");
		bool appliance = cases[i].role == CERT_ROLE_APPLIANCE;

		assert_true(uri_is(cert, cases[i].uri));
		assert_true(X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName,
						      cn, sizeof(cn)) > 0);
		assert_string_equal(cn, name);
		assert_int_equal(X509_verify(cert, X509_get0_pubkey(ca)), 1);
		assert_int_equal(X509_check_issued(ca, cert), X509_V_OK);
		assert_int_equal(X509_check_ca(cert), 0);
		assert_int_equal(X509_get_extended_key_usage(cert), XKU_SSL_CLIENT | XKU_SSL_SERVER);
		assert_int_equal(X509_check_host(cert, "localhost", 0, 0, NULL) == 1, appliance);
		assert_int_equal(X509_check_ip_asc(cert, "127.0.0.1", 0) == 1, appliance);
		assert_int_equal(X509_check_ip_asc(cert, "::1", 0) == 1, appliance);
		assert_true(ASN1_STRING_length(X509_get0_serialNumber(cert)) > 12);
		X509_free(cert);
		X509_free(ca);
	}
}

static void issuing_again_keeps_what_is_good(void **state)
{
	char first[SHA256_TEXT], again[SHA256_TEXT], other[SHA256_TEXT];

	assert_int_equal(cert_authority_make(*state, "f", NULL), 0);
	assert_int_equal(cert_issue(*state, "a", CERT_ROLE_ADMIN, NULL), 0);
	fingerprint(*state, "a.pem", first);
	assert_int_equal(cert_issue(*state, "a", CERT_ROLE_ADMIN, NULL), 0);
	fingerprint(*state, "a.pem", again);
	assert_string_equal(first, again);

	assert_int_equal(cert_issue(*state, "a", CERT_ROLE_APPLICATION, NULL), 0);
	fingerprint(*state, "a.pem", other);
	assert_string_not_equal(first, other);

	/* Of a CA that is gone. */
	assert_int_equal(unlink(in(*state, "ca.key")), 0);
	assert_int_equal(cert_authority_make(*state, "f", NULL), 0);
	assert_int_equal(cert_issue(*state, "a", CERT_ROLE_APPLICATION, NULL), 0);
	fingerprint(*state, "a.pem", again);
	assert_string_not_equal(other, again);

	/* Damaged. */
	assert_int_equal(file_write(in(*state, "a.pem"), "junk", 4, 0644, NULL), 0);
	assert_int_equal(cert_issue(*state, "a", CERT_ROLE_APPLICATION, NULL), 0);
	fingerprint(*state, "a.pem", again);
}

static void wrong_requests(void **state)
{
	static const struct {
		const char *name;
		int role, code;
	} cases[] = {
		{"ca", CERT_ROLE_ADMIN, ERR_INVALID},
		{"../a", CERT_ROLE_ADMIN, ERR_INVALID},
		{"", CERT_ROLE_ADMIN, ERR_INVALID},
		{"a", CERT_ROLE_NONE, ERR_INVALID},
		{"a", CERT_ROLE_APPLICATION + 1, ERR_INVALID},
		{"a", CERT_ROLE_ADMIN, ERR_NOT_FOUND},	/* no CA yet */
	};
	char hex[SHA256_TEXT], name[66] = {0};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(cert_issue(*state, cases[i].name, (enum cert_role)cases[i].role, NULL),
				 -cases[i].code);
	memset(name, 'n', 65);
	assert_int_equal(cert_authority_make(*state, name, NULL), -ERR_INVALID);
	assert_int_equal(cert_authority_make(*state, "", NULL), -ERR_INVALID);
	assert_int_equal(cert_fingerprint(in(*state, "x.pem"), hex, NULL), -ERR_NOT_FOUND);
	assert_int_equal(file_write(in(*state, "x.pem"), "", 0, 0644, NULL), 0);
	assert_int_equal(cert_fingerprint(in(*state, "x.pem"), hex, NULL), -ERR_INVALID);
	assert_int_equal(chmod(in(*state, "x.pem"), 0666), 0);
	assert_int_equal(cert_fingerprint(in(*state, "x.pem"), hex, NULL), -ERR_NOT_OURS);
}

static void an_open_authority_key_is_refused(void **state)
{
	assert_int_equal(cert_authority_make(*state, "f", NULL), 0);
	assert_int_equal(chmod(in(*state, "ca.key"), 0644), 0);
	assert_int_equal(cert_issue(*state, "a", CERT_ROLE_ADMIN, NULL), -ERR_NOT_OURS);
}

/* Every byte of the DER form flipped in turn: an error or another certificate,
 * never a crash; and nothing is left in the error queue. */
static void damaged_certificates_are_read_safely(void **state)
{
	char good[SHA256_TEXT], hex[SHA256_TEXT];
	unsigned char *der = NULL;

	assert_int_equal(cert_authority_make(*state, "f", NULL), 0);
	fingerprint(*state, "ca.pem", good);

	X509 *ca = load(*state, "ca.pem");
	int len = i2d_X509(ca, &der);

	X509_free(ca);
	for (int i = 0; i < len; i += 3) {
		char *text;
		long text_len;
		BIO *bio = BIO_new(BIO_s_mem());

		der[i] ^= 0x81;
		PEM_write_bio(bio, "CERTIFICATE", "", der, len);
		der[i] ^= 0x81;
		text_len = BIO_get_mem_data(bio, &text);
		assert_int_equal(file_write(in(*state, "d.pem"), text, (size_t)text_len, 0644, NULL), 0);
		BIO_free(bio);
		if (cert_fingerprint(in(*state, "d.pem"), hex, NULL) == 0)
			assert_string_not_equal(hex, good);
		assert_int_equal(ERR_peek_error(), 0);
	}
	OPENSSL_free(der);
}

static void memory_runs_out(void **state)
{
	char hex[SHA256_TEXT];

	assert_survives_no_memory(cert_authority_make(*state, "f", NULL));
	assert_survives_no_memory(cert_issue(*state, "a", CERT_ROLE_APPLIANCE, NULL));
	assert_survives_no_memory(cert_fingerprint(in(*state, "a.pem"), hex, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		temp_test(the_authority_may_sign_and_stays),
		temp_test(half_an_authority_is_made_anew),
		temp_test(a_key_of_another_certificate_is_replaced),
		temp_test(a_damaged_authority_is_an_error),
		temp_test(certificates_say_who_and_what),
		temp_test(issuing_again_keeps_what_is_good),
		temp_test(wrong_requests),
		temp_test(an_open_authority_key_is_refused),
		temp_test(damaged_certificates_are_read_safely),
		temp_test(memory_runs_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
