/* SPDX-License-Identifier: Apache-2.0 */
#include "identity.h"

#include <sys/stat.h>

#include "base/proc.h"
#include "fleet/fleet.h"
#include "provider/softhsm/library.h"

#define PASSWORD "pass-phrase"
#define PIN "24681357"
#define run(...) assert_int_equal(proc_run((const char *const[]){__VA_ARGS__, NULL}, NULL, NULL, NULL, NULL), 0)

/* Made once: keys and certificates of two applications. */
static char *keys;

/* NAME.key, NAME.crt, NAME.pem (both), NAME-locked.pem, NAME.p12, NAME.p8 */
static void make_identity(const char *name)
{
	owned(mem) char *key = mem_printf("%s/%s.key", keys, name), *crt = mem_printf("%s/%s.crt", keys, name);
	owned(mem) char *locked = mem_printf("%s/%s-locked.pem", keys, name);
	owned(mem) char *p12 = mem_printf("%s/%s.p12", keys, name);
	owned(mem) char *pem = mem_printf("%s/%s.pem", keys, name), *subject = mem_printf("/CN=%s", name);
	owned(buf) struct buf both = {.max = 1 << 20}, sealed = {.max = 1 << 20};

	run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", crt, "-subj", subject);
	run("openssl", "rsa", "-in", key, "-aes256", "-passout", "pass:" PASSWORD, "-out", locked);
	run("openssl", "pkcs12", "-export", "-inkey", key, "-in", crt, "-passout", "pass:" PASSWORD, "-out", p12);
	assert_int_equal(file_read(key, &both, NULL), 0);
	assert_int_equal(file_read(crt, &both, NULL), 0);
	assert_int_equal(file_write(pem, both.data, both.len, 0600, NULL), 0);
	assert_int_equal(file_read(locked, &sealed, NULL), 0);
	assert_int_equal(file_read(crt, &sealed, NULL), 0);
	assert_int_equal(file_write(locked, sealed.data, sealed.len, 0600, NULL), 0);
	assert_int_equal(chmod(p12, 0600), 0);
}

static int start(void **state)
{
	keys = strdup("/tmp/hsmctl-test-keys-XXXXXX");
	if (!mkdtemp(keys))
		return -1;
	make_identity("first");
	make_identity("other");
	return identity_start(state);
}

static int stop(void **state)
{
	file_remove_tree(keys, NULL);
	free(keys);
	return identity_stop(state);
}

static void register_certificate(struct identity *t, const char *name)
{
	owned(mem) char *json = mem_printf("{\"clients\": {\"" CLIENT "\": {\"certificates\": [\"%s/%s.crt\"]}}}",
					   keys, name);

	configure(t, json);
}

static void a_certificate_becomes_a_token(void **state)
{
	static const struct {
		const char *file;
		bool password, rs256, chain;
		const char *way;
	} cases[] = {
		{"first.pem", false, false, false, "client-certificate-PS256-x5t#S256"},
		{"first.pem", false, true, false, "client-certificate-RS256-x5t"},
		{"first.pem", false, false, true, "client-certificate-PS256-x5t#S256-x5c"},
		{"first.pem", false, true, true, "client-certificate-RS256-x5t-x5c"},
		{"first.p12", true, false, false, "client-certificate-PS256-x5t#S256"},
		{"first.p12", true, true, true, "client-certificate-RS256-x5t-x5c"},
		{"first-locked.pem", true, false, false, "client-certificate-PS256-x5t#S256"},
	};
	struct identity *t = *state;

	set_ids();
	register_certificate(t, "first");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		owned(azure_credential) struct azure_credential *c = NULL;
		struct azure_access given = {.rs256 = cases[i].rs256, .send_chain = cases[i].chain};

		setenv("AZURE_CLIENT_CERTIFICATE_PATH", in(keys, cases[i].file), 1);
		setenv("AZURE_CLIENT_CERTIFICATE_PASSWORD", cases[i].password ? PASSWORD : "", 1);
		c = found(t, &given);
		assert_says(azure_credential_about(c), cases[i].file);
		gives_token(t, c);
		assert_asked(t, i + 1, cases[i].way);
	}
}

/* Each statement has an id of its own, which Entra ID takes once. */
static void a_new_statement_for_each_token(void **state)
{
	struct identity *t = *state;
	owned(azure_credential) struct azure_credential *c = NULL;

	set_ids();
	setenv("ARM_CLIENT_CERTIFICATE_PATH", in(keys, "first.pem"), 1);
	register_certificate(t, "first");
	configure(t, "{\"token_says\": 1}");
	c = found(t, NULL);
	for (int i = 0; i < 3; i++)
		gives_token(t, c);
	assert_asked(t, 3, "client-certificate-PS256-x5t#S256");
}

static void a_registration_by_subject_needs_the_chain(void **state)
{
	struct identity *t = *state;
	struct azure_access given = {.send_chain = true};
	owned(azure_credential) struct azure_credential *with = NULL, *without = NULL;
	struct err err = {0};

	set_ids();
	setenv("AZURE_CLIENT_CERTIFICATE_PATH", in(keys, "first.pem"), 1);
	configure(t, "{\"clients\": {\"" CLIENT "\": {\"subject\": \"CN=first\"}}}");
	with = found(t, &given);
	without = found(t, NULL);
	gives_token(t, with);
	gives_none(without, ERR_DENIED, &err);
	setenv("AZURE_CLIENT_SEND_CERTIFICATE_CHAIN", "true", 1);
	gives_token(t, without);
}

static void a_certificate_that_is_not_registered(void **state)
{
	struct identity *t = *state;
	owned(azure_credential) struct azure_credential *c = NULL;
	struct err err = {0};

	set_ids();
	setenv("AZURE_CLIENT_CERTIFICATE_PATH", in(keys, "other.pem"), 1);
	register_certificate(t, "first");
	c = found(t, NULL);
	gives_none(c, ERR_DENIED, &err);
	assert_says(err.message, "the client certificate was refused: AADSTS700027");
	assert_says(err.hint, "--rs256");
}

static void what_cannot_be_loaded_is_told_at_once(void **state)
{
	static const struct {
		const char *file, *password;
		enum err_code code;
	} cases[] = {
		{"none.pem", NULL, ERR_NOT_FOUND},
		{"first.key", NULL, ERR_INVALID},
		{"first.p12", NULL, ERR_INVALID},
		{"first.p12", "wrong", ERR_INVALID},
		{"first-locked.pem", "wrong", ERR_INVALID},
	};
	struct identity *t = *state;
	struct err err = {0};

	set_ids();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		setenv("AZURE_CLIENT_CERTIFICATE_PATH", in(keys, cases[i].file), 1);
		setenv("AZURE_CLIENT_CERTIFICATE_PASSWORD", cases[i].password ? cases[i].password : "", 1);
		not_found(t, NULL, cases[i].code, &err);
		assert_says(err.message, "credential 'client-certificate'");
	}
	setenv("AZURE_CLIENT_CERTIFICATE_PATH", in(keys, "first.pem"), 1);
	unsetenv("AZURE_CLIENT_ID");
	not_found(t, NULL, ERR_INVALID, &err);
	assert_says(err.message, "no client");
}

/* ---- a key on a token ---- */

/* The key of a certificate, imported into a token of that label. */
static void import_key(const char *token, const char *name, const char *label, const char *id)
{
	owned(mem) char *p8 = mem_printf("%s/%s.p8", keys, name), *key = mem_printf("%s/%s.key", keys, name);

	run("openssl", "pkcs8", "-topk8", "-nocrypt", "-in", key, "-out", p8);
	run("softhsm2-util", "--import", p8, "--token", token, "--label", label, "--id", id, "--pin", PIN);
}

static void make_tokens(struct identity *t)
{
	owned(mem) char *conf = mem_printf("directories.tokendir = %s\nobjectstore.backend = file\n", t->folder);

	assert_int_equal(file_write(in(t->folder, "softhsm2.conf"), conf, strlen(conf), 0600, NULL), 0);
	setenv("SOFTHSM2_CONF", in(t->folder, "softhsm2.conf"), 1);
	for (int i = 0; i < 2; i++)
		run("softhsm2-util", "--init-token", "--free", "--label", i ? "spare" : "sign in", "--so-pin",
		    "0123456789", "--pin", PIN);
	import_key("sign in", "first", "login", "a1b2");
	import_key("sign in", "other", "login", "a1b3");
}

/* "pkcs11:PATH?module-path=…QUERY" */
static char *uri(const char *path, const char *query)
{
	static const struct fleet_device device;
	owned(mem) char *library = NULL;

	assert_int_equal(softhsm_library(&device, &library, NULL), 0);
	return mem_printf("pkcs11:%s?module-path=%s%s", path, library, query);
}

static void a_key_on_a_token_signs(void **state)
{
	struct identity *t = *state;

	make_tokens(t);
	set_ids();
	register_certificate(t, "first");
	setenv("AZURE_CLIENT_CERTIFICATE_CHAIN", in(keys, "first.crt"), 1);
	setenv("AZURE_CLIENT_CERTIFICATE_PASSWORD", PIN, 1);
	for (size_t i = 0; i < 4; i++) {
		owned(azure_credential) struct azure_credential *c = NULL;
		owned(mem) char *key = uri("token=sign%20in;object=login;id=%a1%b2;type=private", "");
		struct azure_access given = {.rs256 = i & 1, .send_chain = i & 2, .certificate = key};

		c = found(t, &given);
		assert_string_equal(azure_credential_about(c),
				    "certificate with a key on token 'sign in' of client " CLIENT);
		gives_token(t, c);
		assert_asked(t, i + 1, i == 0   ? "client-certificate-PS256-x5t#S256"
				       : i == 1 ? "client-certificate-RS256-x5t"
				       : i == 2 ? "client-certificate-PS256-x5t#S256-x5c"
						: "client-certificate-RS256-x5t-x5c");
	}
}

static void the_pin_comes_from_where_the_uri_says(void **state)
{
	struct identity *t = *state;
	owned(azure_credential) struct azure_credential *c = NULL;
	owned(mem) char *query = mem_printf("&pin-source=file:%s", in(t->folder, "pin"));
	owned(mem) char *by_file = uri("token=sign%20in;id=%a1%b2", query);
	owned(mem) char *by_environment = uri("token=sign%20in;id=%a1%b2", "&pin-source=env:HSMCTL_TEST_PIN");

	make_tokens(t);
	set_ids();
	register_certificate(t, "first");
	setenv("AZURE_CLIENT_CERTIFICATE_CHAIN", in(keys, "first.crt"), 1);
	setenv("AZURE_CLIENT_CERTIFICATE_PATH", by_file, 1);
	file_write(in(t->folder, "pin"), PIN "\n", sizeof(PIN), 0600, NULL);
	c = found(t, NULL);
	gives_token(t, c);
	azure_credential_free(own_take(c));
	setenv("AZURE_CLIENT_CERTIFICATE_PATH", by_environment, 1);
	setenv("HSMCTL_TEST_PIN", PIN, 1);
	c = found(t, NULL);
	gives_token(t, c);
	unsetenv("HSMCTL_TEST_PIN");
}

static void tokens_and_keys_that_are_not_there(void **state)
{
	static const struct {
		const char *path, *query, *pin;
		enum err_code code;
		const char *says;
	} cases[] = {
		{"token=none;object=login", "", PIN, ERR_NOT_FOUND, "no token"},
		{"object=login", "", PIN, ERR_AMBIGUOUS, "2 tokens"},
		{"token=sign%20in;object=login", "", PIN, ERR_AMBIGUOUS, "2 private RSA keys on token 'sign in'"},
		{"token=spare;object=login", "", PIN, ERR_NOT_FOUND, "no private RSA key on token 'spare'"},
		{"token=sign%20in;id=%a1%b2", "", "", ERR_NOT_FOUND, "no private RSA key"},
		{"token=sign%20in;id=%a1%b2", "", "13572468", ERR_PIN, "C_Login"},
		{"token=sign%20in;id=%a1%b2;type=public", "", PIN, ERR_INVALID, "type"},
		{"token=sign%20in;id=%a1%b2", "&pin-value=" PIN, "", ERR_INVALID, "'pin-value'"},
		{"token=sign%20in;id=%a1%b2", "&pin-source=" PIN, "", ERR_INVALID, "reference to a secret"},
	};
	struct identity *t = *state;
	struct err err = {0};

	make_tokens(t);
	set_ids();
	setenv("AZURE_CLIENT_CERTIFICATE_CHAIN", in(keys, "first.crt"), 1);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		owned(mem) char *key = uri(cases[i].path, cases[i].query);

		setenv("AZURE_CLIENT_CERTIFICATE_PATH", key, 1);
		setenv("AZURE_CLIENT_CERTIFICATE_PASSWORD", cases[i].pin, 1);
		not_found(t, NULL, cases[i].code, &err);
		assert_says(err.message, cases[i].says);
	}
	setenv("AZURE_CLIENT_CERTIFICATE_PATH", "pkcs11:token=sign%20in", 1);
	not_found(t, NULL, ERR_INVALID, &err);
	assert_says(err.hint, "module-path");
	setenv("AZURE_CLIENT_CERTIFICATE_PATH", "pkcs11:token=sign%20in?module-path=/nonexistent.so", 1);
	not_found(t, NULL, ERR_MISSING, &err);
	unsetenv("AZURE_CLIENT_CERTIFICATE_CHAIN");
	not_found(t, NULL, ERR_INVALID, &err);
	assert_says(err.hint, "AZURE_CLIENT_CERTIFICATE_CHAIN");
}

/* The certificate of one key beside another key. */
static void a_key_that_is_not_the_certificates(void **state)
{
	struct identity *t = *state;
	owned(azure_credential) struct azure_credential *c = NULL;
	owned(mem) char *key = uri("token=sign%20in;id=%a1%b3", "");
	struct err err = {0};

	make_tokens(t);
	set_ids();
	register_certificate(t, "first");
	setenv("AZURE_CLIENT_CERTIFICATE_CHAIN", in(keys, "first.crt"), 1);
	setenv("AZURE_CLIENT_CERTIFICATE_PASSWORD", PIN, 1);
	setenv("AZURE_CLIENT_CERTIFICATE_PATH", key, 1);
	c = found(t, NULL);
	gives_none(c, ERR_INVALID, &err);
	assert_says(err.message, "does not belong to the certificate");
}

static void memory_runs_out(void **state)
{
	struct identity *t = *state;
	owned(mem) char *key = uri("token=sign%20in;id=%a1%b2", "");
	struct azure_access given = {.certificate = in(keys, "first.pem"), .send_chain = true};

	make_tokens(t);
	set_ids();
	register_certificate(t, "first");
	configure(t, "{\"token_says\": 1}");
	setenv("AZURE_CLIENT_CERTIFICATE_CHAIN", in(keys, "first.crt"), 1);
	setenv("AZURE_CLIENT_CERTIFICATE_PASSWORD", PIN, 1);
	for (int i = 0; i < 2; i++) {
		owned(azure_credential) struct azure_credential *c = NULL;

		assert_survives_no_memory(find_once(t, &given));
		c = found(t, &given);
		assert_survives_no_memory(token_once(c));
		given.certificate = key;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		identity_test(a_certificate_becomes_a_token),
		identity_test(a_new_statement_for_each_token),
		identity_test(a_registration_by_subject_needs_the_chain),
		identity_test(a_certificate_that_is_not_registered),
		identity_test(what_cannot_be_loaded_is_told_at_once),
		identity_test(a_key_on_a_token_signs),
		identity_test(the_pin_comes_from_where_the_uri_says),
		identity_test(tokens_and_keys_that_are_not_there),
		identity_test(a_key_that_is_not_the_certificates),
		identity_test(memory_runs_out),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
