/* SPDX-License-Identifier: Apache-2.0 */
/*
 * access - the options of commands that speak to a cloud.
 *
 * Rows for a table of options: the argument struct T has a struct provider_access named f.
 */
#ifndef CMD_ACCESS_H
#define CMD_ACCESS_H

#include "cli/cli.h"
#include "provider/provider.h"

#define ACCESS_OPTIONS(T, f)                                                                       \
	CLI_OPT_STRING(T, f.credential, 0, "credential", "KIND", NULL,                             \
		       "client-secret, client-certificate, workload-identity, github, azure-devops, cli or " \
		       "managed-identity; without it the first that is configured"),               \
	CLI_OPT_STRING(T, f.subscription, 0, "subscription", "ID", NULL,                           \
		       "Subscription, where the document names none"),                             \
	CLI_OPT_STRING(T, f.tenant, 0, "tenant", "ID", NULL, "Tenant of the identity"),            \
	CLI_OPT_STRING(T, f.client, 0, "client-id", "ID", NULL, "Application or managed identity"), \
	CLI_OPT_STRING(T, f.secret_source, 0, "client-secret-source", "REF", NULL,                 \
		       "Where the client secret is: file:PATH, env:NAME, exec:PROGRAM or prompt:"), \
	CLI_OPT_FILE(T, f.certificate, 0, "client-certificate", "PATH",                            \
		     "PEM or PKCS#12 file with certificate and key, or the pkcs11: URI of the key"), \
	CLI_OPT_FILE(T, f.certificate_chain, 0, "client-certificate-chain", "PATH",                \
		     "PEM of the certificate whose key a pkcs11: URI names"),                      \
	CLI_OPT_STRING(T, f.password_source, 0, "certificate-password-source", "REF", NULL,        \
		       "Where the password of that file, or the PIN of that key, is"),             \
	CLI_OPT_FILE(T, f.token_file, 0, "federated-token-file", "PATH",                           \
		     "Token of another identity provider, read anew for each use"),                \
	CLI_OPT_FLAG(T, f.rs256, 0, "rs256", "Sign with RS256 and x5t instead of PS256"),          \
	CLI_OPT_FLAG(T, f.send_chain, 0, "send-certificate-chain",                                 \
		     "Send the certificate too: for registrations by subject name and issuer")

#endif
