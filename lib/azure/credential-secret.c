/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials: the secret of an application's registration. */
#include "azure/credential_private.h"
#include "base/cred.h"
#include "base/secret.h"
#include "http/url.h"

static int find(struct azure_credential *c, bool asked, struct err *err)
{
	const char *reference = c->given.secret_source;
	struct secret *secret = NULL;
	int rc;

	(void)asked;
	if (reference)
		rc = cred_read(reference, "client secret", &secret, err);
	else
		rc = credential_environment_secret("AZURE_CLIENT_SECRET", "ARM_CLIENT_SECRET", &secret, err);
	c->data = secret;
	if (rc < 0 || !secret)
		return rc;
	rc = credential_check_ids(c, "client secret", err);
	return rc < 0 ? rc : credential_about(c, err, "client secret (%s) of client %s",
					      reference ? reference : "AZURE_CLIENT_SECRET", c->client);
}

static int fetch(const struct azure_credential *c, struct azure_token *ret, struct err *err)
{
	const struct secret *secret = c->data;
	owned(buf) struct buf form = {.max = 1 << 20, .wipe = true};

	url_form(&form, "client_secret", (const char *)secret->data);
	return azure_token_exchange(c, &form, "the client secret was refused", ret, err);
}

static void release(void *data)
{
	secret_free(data);
}

const struct credential_source credential_secret = {
	.source = AZURE_CLIENT_SECRET, .wants = "AZURE_CLIENT_SECRET",
	.find = find, .fetch = fetch, .free = release,
};
