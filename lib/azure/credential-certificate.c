/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials: a certificate whose key signs a statement that we are the application. */
#include <stdlib.h>
#include <string.h>

#include "azure/credential_private.h"
#include "azure/key.h"
#include "base/clock.h"
#include "base/cred.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/str.h"
#include "crypto/assertion.h"
#include "json/tree.h"

enum { ASSERTION_MAX = 65536, LASTS_S = 600 };

struct certificate {
	struct assertion_signer *signer;
	struct azure_key *key;	/* on a token; NULL: the file holds it */
};

static void release(void *data)
{
	struct certificate *certificate = data;

	if (!certificate)
		return;
	assertion_signer_free(certificate->signer);
	azure_key_free(certificate->key);
	free(certificate);
}

static int read_password(const struct azure_credential *c, struct secret **ret, struct err *err)
{
	if (c->given.password_source)
		return cred_read(c->given.password_source, "password of the certificate", ret, err);
	return credential_environment_secret("AZURE_CLIENT_CERTIFICATE_PASSWORD", "ARM_CLIENT_CERTIFICATE_PASSWORD",
					     ret, err);
}

static int load_file(const struct azure_credential *c, const char *path, struct certificate *ret, struct err *err)
{
	owned(secret) struct secret *password = NULL;
	int rc = read_password(c, &password, err);

	return rc < 0 ? rc : assertion_signer_load(path, password, &ret->signer, err);
}

static int load_token(const struct azure_credential *c, const char *uri, struct certificate *ret, struct err *err)
{
	const char *chain = c->given.certificate_chain;
	owned(secret) struct secret *pin = NULL;
	int rc;

	if (!chain)
		chain = credential_environment("AZURE_CLIENT_CERTIFICATE_CHAIN", NULL);
	if (!chain) {
		err_set(err, ERR_INVALID, "the key is on a token, and nothing says where its certificate is");
		return err_hint(err, "set AZURE_CLIENT_CERTIFICATE_CHAIN to a PEM file");
	}
	rc = read_password(c, &pin, err);
	if (rc == 0)
		rc = azure_key_open(uri, pin, &ret->key, err);
	return rc < 0 ? rc : assertion_signer_remote(chain, azure_key_sign, ret->key, &ret->signer, err);
}

static int find(struct azure_credential *c, bool asked, struct err *err)
{
	const char *from = c->given.certificate;
	struct certificate *certificate;
	int rc;

	(void)asked;
	if (!from)
		from = credential_environment("AZURE_CLIENT_CERTIFICATE_PATH", "ARM_CLIENT_CERTIFICATE_PATH");
	if (!from)
		return 0;
	rc = credential_check_ids(c, "client certificate", err);
	if (rc < 0)
		return rc;
	certificate = mem_new(struct certificate);
	c->data = certificate;
	if (!certificate)
		return err_no_memory(err);
	if (str_starts(from, "pkcs11:"))
		rc = load_token(c, from, certificate, err);
	else
		rc = load_file(c, from, certificate, err);
	if (rc < 0)
		return rc;
	if (certificate->key)
		return credential_about(c, err, "certificate with a key on %s of client %s",
					azure_key_about(certificate->key), c->client);
	return credential_about(c, err, "certificate (%s) of client %s", from, c->client);
}

/* What Entra ID wants to read: RFC 7523 section 3. */
static int claims(const struct azure_credential *c, struct buf *ret, struct err *err)
{
	owned(json_tree) struct json_tree *tree = json_tree_object();
	owned(mem) char *audience = azure_token_url(c);
	int64_t now = clock_utc_ms() / 1000;
	char id[UUID_TEXT];
	int rc = tree && audience ? crypto_uuid(id, err) : err_no_memory(err);

	if (rc == 0)
		rc = json_tree_set_text(tree, "aud", audience, err);
	if (rc == 0)
		rc = json_tree_set_text(tree, "iss", c->client, err);
	if (rc == 0)
		rc = json_tree_set_text(tree, "sub", c->client, err);
	if (rc == 0)
		rc = json_tree_set_text(tree, "jti", id, err);
	if (rc == 0)
		rc = json_tree_set_int(tree, "nbf", now, err);
	if (rc == 0)
		rc = json_tree_set_int(tree, "iat", now, err);
	if (rc == 0)
		rc = json_tree_set_int(tree, "exp", now + LASTS_S, err);
	return rc < 0 ? rc : json_tree_write(tree, false, ret, err);
}

static int fetch(const struct azure_credential *c, struct azure_token *ret, struct err *err)
{
	const struct certificate *certificate = c->data;
	enum assertion_algorithm algorithm = c->given.rs256 ? ASSERTION_RS256 : ASSERTION_PS256;
	owned(buf) struct buf text = {.max = 4096}, assertion = {.max = ASSERTION_MAX, .wipe = true};
	bool chain = c->given.send_chain || credential_environment_is("AZURE_CLIENT_SEND_CERTIFICATE_CHAIN");
	const char *said, *signed_text;
	int rc = claims(c, &text, err);

	if (rc == 0)
		rc = credential_text(&text, &said, err);
	if (rc == 0)
		rc = assertion_sign_token(certificate->signer, algorithm, chain, said, &assertion, err);
	if (rc == 0)
		rc = credential_text(&assertion, &signed_text, err);
	if (rc < 0)
		return err_wrap(err, "cannot sign with the client certificate");
	return azure_token_exchange_assertion(c, signed_text, "the client certificate was refused", ret, err);
}

const struct credential_source credential_certificate = {
	.source = AZURE_CLIENT_CERTIFICATE, .wants = "AZURE_CLIENT_CERTIFICATE_PATH",
	.find = find, .fetch = fetch, .free = release,
};
