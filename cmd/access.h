/* SPDX-License-Identifier: Apache-2.0 */
/*
 * access - the options of commands that speak to a cloud.
 *
 * Rows for a table of options: the argument struct T has a struct provider_access named f.
 */
#ifndef CMD_ACCESS_H
#define CMD_ACCESS_H

#include "admin.h"
#include "cli/cli.h"
#include "provider/provider.h"

#define ACCESS_OPTIONS(T, f)                                                                       \
	{.kind = CLI_STRING, .name = "credential", .value = "KIND", .complete = admin_complete_credentials, \
	 .flags = CLI_ACCESS, .offset = CLI_FIELD_(T, f.credential, const char *),                 \
	 .summary = "client-secret, client-certificate, workload-identity, github, azure-devops, cli or " \
		    "managed-identity; without it the first that is configured"},                  \
	CLI_OPT_ACCESS(T, f.subscription, "subscription", "ID", 0,                                 \
		       "Subscription, where the document names none"),                             \
	CLI_OPT_ACCESS(T, f.tenant, "tenant", "ID", 0, "Tenant of the identity"),                  \
	CLI_OPT_ACCESS(T, f.client, "client-id", "ID", 0, "Application or managed identity"),      \
	CLI_OPT_ACCESS(T, f.secret_source, "client-secret-source", "REF", 0,                       \
		       "Where the client secret is: file:PATH, env:NAME, exec:PROGRAM or prompt:"), \
	CLI_OPT_ACCESS(T, f.certificate, "client-certificate", "PATH", CLI_FILES,                  \
		       "PEM or PKCS#12 file with certificate and key, or the pkcs11: URI of the key"), \
	CLI_OPT_ACCESS(T, f.certificate_chain, "client-certificate-chain", "PATH", CLI_FILES,      \
		       "PEM of the certificate whose key a pkcs11: URI names"),                    \
	CLI_OPT_ACCESS(T, f.password_source, "certificate-password-source", "REF", 0,              \
		       "Where the password of that file, or the PIN of that key, is"),             \
	CLI_OPT_ACCESS(T, f.token_file, "federated-token-file", "PATH", CLI_FILES,                 \
		       "Token of another identity provider, read anew for each use"),              \
	CLI_OPT_ACCESS_FLAG(T, f.rs256, "rs256", "Sign with RS256 and x5t instead of PS256"),      \
	CLI_OPT_ACCESS_FLAG(T, f.send_chain, "send-certificate-chain",                             \
			    "Send the certificate too: for registrations by subject name and issuer")

#endif
