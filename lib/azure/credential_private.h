/* SPDX-License-Identifier: Apache-2.0 */
/* credential_private - what the sources of tokens share. Private to lib/azure. */
#ifndef AZURE_CREDENTIAL_PRIVATE_H
#define AZURE_CREDENTIAL_PRIVATE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "azure/cloud.h"
#include "azure/credential.h"
#include "azure/token.h"
#include "base/err.h"
#include "http/http.h"

struct credential_source {
	enum azure_source source;
	const char *wants;	/* what configures it, for people */
	/*
	 * Is it configured? 1 with data and about filled in, 0 when not, ERR_INVALID for half of
	 * it. asked: this source and no other was asked for.
	 */
	int (*find)(struct azure_credential *credential, bool asked, struct err *err);
	/* A new token. One call at a time. */
	int (*fetch)(const struct azure_credential *credential, struct azure_token *ret, struct err *err);
	void (*free)(void *data);	/* NULL is fine; may be NULL */
};

extern const struct credential_source credential_secret, credential_certificate, credential_workload,
	credential_github, credential_devops, credential_cli, credential_managed;

struct azure_credential {
	struct azure_access given;
	const struct azure_cloud *cloud;
	struct http *http;
	const struct credential_source *source;
	const char *tenant, *client;	/* given, or of the environment; NULL when unknown */
	char *strings[2];		/* copies of the two */
	char *about;
	void *data;			/* of the source */

	pthread_mutex_t lock;
	pthread_cond_t renewed;
	bool renewing;
	uint64_t rounds;		/* renewals that have ended */
	struct err failure;		/* of the last one; code ERR_OK when it worked */
	struct azure_token token;
	int64_t renew_ms;		/* when the next renewal is due, monotonic */
};

/* The first of these environment variables that is not empty; NULL. The second may be NULL. */
const char *credential_environment(const char *name, const char *twin);
/* The same as a secret, *ret NULL when there is none. */
int credential_environment_secret(const char *name, const char *twin, struct secret **ret, struct err *err);
/* true, True, 1 */
bool credential_environment_is(const char *name);

/* The text of a buffer that got all that was put into it, else ERR_NO_MEMORY. */
int credential_text(struct buf *buf, const char **ret, struct err *err);

/* Tenant and client are known, else ERR_INVALID: "SOURCE: …". */
int credential_check_ids(const struct azure_credential *credential, const char *what, struct err *err);

/* Set the about line; returns 1, as find does. */
int credential_about(struct azure_credential *credential, struct err *err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
