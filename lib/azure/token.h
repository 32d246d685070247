/* SPDX-License-Identifier: Apache-2.0 */
/*
 * token - access tokens, and answers that hold a secret. Private to lib/azure.
 *
 * Secrets are taken out of a JSON text before it is parsed, so that they pass
 * through no memory that is not wiped.
 */
#ifndef AZURE_TOKEN_H
#define AZURE_TOKEN_H

#include <stdint.h>

#include "base/buf.h"
#include "base/own.h"

struct azure_credential;
struct err;
struct http_answer;
struct json_tree;
struct secret;

struct azure_token {
	struct secret *secret;
	int64_t ends_ms;	/* on the monotonic clock */
};
void azure_token_release(struct azure_token *token);
OWN_DEFINE_RELEASE(azure_token)

/*
 * Parse a JSON text whose member name is a secret. ret gets it (untouched without one),
 * body and tree hold as many 'x' in its place. source names the text in errors.
 * ERR_PROTOCOL: no JSON, or a secret with escapes.
 */
int azure_secret_parse(struct buf *body, const char *name, const char *source, struct secret **ret,
		       struct json_tree **ret_tree, struct err *err);

/* When a token ends by expires_in, expires_on (numbers or text) or, of az, expiresOn (local
 * time). A token that does not say so ends now: it is used once. */
int64_t azure_token_ends(const struct json_tree *tree);

/* A token from the answer of a token endpoint, Entra's or that of a managed identity, or
 * what it says went wrong: "WHAT: AADSTS7000215: … (401, trace …)". */
int azure_token_read(struct http_answer *answer, const char *what, struct azure_token *ret, struct err *err);

/* The error of an answer that is no success; tree may be NULL. */
int azure_token_refusal(const struct http_answer *answer, const struct json_tree *tree, const char *what,
			struct err *err);

/* "AUTHORITY/TENANT/oauth2/v2.0/token", in new memory. NULL without memory. */
char *azure_token_url(const struct azure_credential *credential);

/*
 * Send form (wiped by its owner; it proves who we are) to the tenant's token endpoint with
 * what belongs to every such request: grant, client and scope.
 */
int azure_token_exchange(const struct azure_credential *credential, struct buf *form, const char *what,
			 struct azure_token *ret, struct err *err);

/* The same with a signed statement in place of a secret. */
int azure_token_exchange_assertion(const struct azure_credential *credential, const char *assertion,
				   const char *what, struct azure_token *ret, struct err *err);

#endif
