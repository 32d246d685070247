/* SPDX-License-Identifier: Apache-2.0 */
/*
 * credential - how we prove to Entra ID who we are, and the tokens it gives for that.
 *
 * Sources in the order the ecosystem expects; the first that is configured is used,
 * and its failure is told, not skipped over:
 *
 *	what is given (struct azure_access)
 *	client-secret		AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET
 *	client-certificate	… AZURE_CLIENT_CERTIFICATE_PATH, _PASSWORD; a pkcs11: URI is a key
 *				on a token, its certificate in the file of AZURE_CLIENT_CERTIFICATE_CHAIN
 *	workload-identity	… AZURE_FEDERATED_TOKEN_FILE, read anew for every token; or ARM_OIDC_TOKEN
 *	github			ACTIONS_ID_TOKEN_REQUEST_URL, _TOKEN (with ARM_USE_OIDC or AZURE_CLIENT_ID)
 *	azure-devops		SYSTEM_OIDCREQUESTURI, SYSTEM_ACCESSTOKEN, ARM_ADO_PIPELINE_SERVICE_CONNECTION_ID
 *	cli			az account get-access-token, where somebody has logged in; not with ARM_USE_MSI
 *	managed-identity	App Service, Cloud Shell, Azure Arc, IMDS; of several the one of AZURE_CLIENT_ID
 *
 * The ARM_* twins of Terraform are read where an AZURE_* variable is missing. Tokens
 * live in memory only, are shared by threads and renewed 5 minutes before they end. One that
 * cannot be renewed yet serves until its end. HSMCTL_ARC_TOKENS is another folder for the keys
 * of Azure Arc, beside a stand-in only.
 */
#ifndef AZURE_CREDENTIAL_H
#define AZURE_CREDENTIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/own.h"

struct azure_cloud;
struct azure_credential;
struct err;
struct http;
struct secret;

enum azure_source {
	AZURE_AUTO,
	AZURE_CLIENT_SECRET,
	AZURE_CLIENT_CERTIFICATE,
	AZURE_WORKLOAD_IDENTITY,
	AZURE_GITHUB,
	AZURE_DEVOPS,
	AZURE_CLI,
	AZURE_MANAGED_IDENTITY,
};
extern const char *const azure_source_names[];	/* "auto", "client-secret", … */

/* What the command line gives; every member may be NULL or 0. Beats the environment. */
struct azure_access {
	unsigned source;		/* enum azure_source */
	const char *tenant, *client;	/* ids; of a managed identity also its resource id */
	const char *secret_source;	/* credential reference (base/cred.h) */
	const char *certificate;	/* PEM or PKCS #12 file, or a pkcs11: URI */
	const char *certificate_chain;	/* PEM of the certificate, for a pkcs11: URI */
	const char *password_source;	/* of the certificate's file: credential reference */
	const char *token_file;		/* federated token */
	bool rs256;			/* RS256 and x5t instead of PS256 and x5t#S256 */
	bool send_chain;		/* x5c: registrations by subject name and issuer; also
					 * AZURE_CLIENT_SEND_CERTIFICATE_CHAIN=true */
	const char *subscription;	/* for az, unless a tenant is given: it takes one of them */
};

/*
 * Find the source and check that it is complete; asks nobody yet (but az and IMDS, for
 * whether they are there). cloud, http and the strings of given must outlive it.
 * ERR_DENIED with a hint that lists what was looked for; ERR_INVALID for half of a source,
 * for several given at once and for one that was asked for and is not there. Secrets, certificates
 * and keys on tokens are read here, federated token files with each token.
 */
int azure_credential_find(const struct azure_access *given, const struct azure_cloud *cloud,
			  struct http *http, struct azure_credential **ret, struct err *err);
void azure_credential_free(struct azure_credential *credential);
OWN_DEFINE(azure_credential)

/* For -v: "client secret (AZURE_CLIENT_SECRET) of client 1234…". No secret in it. */
const char *azure_credential_about(const struct azure_credential *credential);
/* Tenant when the source knows it, NULL: az and managed identities have their own. */
const char *azure_credential_tenant(const struct azure_credential *credential);

/*
 * A token for the cloud's audience, a copy. refused: one that was handed out and answered
 * with 401; it is given up, so that whoever comes first renews it (NULL = none).
 * ERR_DENIED with the AADSTS code, trace and correlation id; ERR_UNREACHABLE. err.retry is
 * never IDEMPOTENT: what the token is for has not been sent.
 */
int azure_credential_token(struct azure_credential *credential, const struct secret *refused,
			   struct secret **ret, struct err *err);

#endif
