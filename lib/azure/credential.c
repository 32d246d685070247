/* SPDX-License-Identifier: Apache-2.0 */
/* Finding the source of tokens, and keeping the newest token. */
#include "azure/credential.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "azure/credential_private.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/str.h"

/* Renewal begins that long before the end; one that failed is tried again after a pause,
 * while the old token still serves. */
enum { AHEAD_MS = 5 * 60 * 1000, AGAIN_MS = 30 * 1000 };

const char *const azure_source_names[] = {"auto", "client-secret", "client-certificate", "workload-identity",
					  "github", "azure-devops", "cli", "managed-identity", NULL};

static const struct credential_source *const sources[] = {
	&credential_secret, &credential_certificate, &credential_workload, &credential_github,
	&credential_devops, &credential_cli, &credential_managed, NULL,
};

const char *credential_environment(const char *name, const char *twin)
{
	const char *value = secure_getenv(name);

	if ((!value || !*value) && twin)
		value = secure_getenv(twin);
	return value && *value ? value : NULL;
}

int credential_environment_secret(const char *name, const char *twin, struct secret **ret, struct err *err)
{
	const char *value = credential_environment(name, twin);

	return value ? secret_new(value, strlen(value), ret, err) : 0;
}

bool credential_environment_is(const char *name)
{
	static const char *const yes[] = {"true", "True", "TRUE", "1", NULL};

	return str_index(yes, credential_environment(name, NULL)) >= 0;
}

int credential_text(struct buf *buf, const char **ret, struct err *err)
{
	*ret = buf_text(buf);
	return buf_check(buf, err);
}

int credential_about(struct azure_credential *credential, struct err *err, const char *fmt, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	err_mask(text);
	credential->about = mem_strdup(text);
	return credential->about ? 1 : err_no_memory(err);
}

/* They become parts of URLs and claims. */
static bool is_id(const char *text)
{
	return strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._") == strlen(text);
}

int credential_check_ids(const struct azure_credential *credential, const char *what, struct err *err)
{
	const struct {
		const char *name, *variable, *value;
	} ids[] = {{"tenant", "AZURE_TENANT_ID", credential->tenant},
		   {"client", "AZURE_CLIENT_ID", credential->client}};

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		if (!ids[i].value) {
			err_set(err, ERR_INVALID, "there is a %s, but no %s", what, ids[i].name);
			return err_hint(err, "set %s", ids[i].variable);
		}
		if (!is_id(ids[i].value))
			return err_set(err, ERR_INVALID, "'%s' is no id of a %s", ids[i].value, ids[i].name);
	}
	return 0;
}

/* What is given by hand decides, unless a source is named as well. */
static int wanted(const struct azure_access *given, struct err *err)
{
	const struct {
		const char *value;
		enum azure_source source;
	} hands[] = {{given->secret_source, AZURE_CLIENT_SECRET},
		     {given->certificate, AZURE_CLIENT_CERTIFICATE},
		     {given->token_file, AZURE_WORKLOAD_IDENTITY}};
	enum azure_source source = given->source;

	for (size_t i = 0; i < sizeof(hands) / sizeof(hands[0]); i++) {
		if (!hands[i].value || source == hands[i].source)
			continue;
		if (source != AZURE_AUTO)
			return err_set(err, ERR_INVALID, "what is given belongs to '%s' and to '%s'; give one",
				       azure_source_names[source], azure_source_names[hands[i].source]);
		source = hands[i].source;
	}
	return (int)source;
}

static int none(struct err *err)
{
	owned(buf) struct buf list = {.max = 240};

	for (int i = 0; sources[i]; i++)
		buf_printf(&list, "%s%s", i ? ", " : "looked for ", sources[i]->wants);
	err_set(err, ERR_DENIED, "found nothing to log in to Azure with");
	return err_hint(err, "%s", buf_text(&list));
}

/* 1, 0 or a negative code, as the source's find; what it prepared for nothing is given back. */
static int try_source(struct azure_credential *c, const struct credential_source *source, bool asked, struct err *err)
{
	int rc;

	c->source = source;
	rc = source->find(c, asked, err);
	if (rc != 0)
		return rc;
	if (source->free)
		source->free(c->data);
	c->data = NULL;
	return 0;
}

static int find(struct azure_credential *c, struct err *err)
{
	int want = wanted(&c->given, err), rc = 0;

	if (want < 0)
		return want;
	for (int i = 0; sources[i] && rc == 0; i++)
		if (want == AZURE_AUTO || want == (int)sources[i]->source)
			rc = try_source(c, sources[i], want != AZURE_AUTO, err);
	if (rc < 0)
		return err_wrap(err, "credential '%s'", azure_source_names[c->source->source]);
	if (rc == 0 && want != AZURE_AUTO)
		return err_set(err, ERR_INVALID, "credential '%s' is not there: it needs %s",
			       azure_source_names[want], c->source->wants);
	if (rc == 0)
		return none(err);
	log_info("azure", "credential: %s", c->about);
	return 0;
}

static int copy_id(const char *given, const char *name, const char *twin, char **copy, const char **ret,
		   struct err *err)
{
	const char *value = given && *given ? given : credential_environment(name, twin);

	*copy = value ? mem_strdup(value) : NULL;
	*ret = *copy;
	return value && !*copy ? err_no_memory(err) : 0;
}

int azure_credential_find(const struct azure_access *given, const struct azure_cloud *cloud,
			  struct http *http, struct azure_credential **ret, struct err *err)
{
	owned(azure_credential) struct azure_credential *c = mem_new(struct azure_credential);
	int rc;

	if (!c)
		return err_no_memory(err);
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->renewed, NULL);
	c->given = *given;
	c->cloud = cloud;
	c->http = http;
	rc = copy_id(given->tenant, "AZURE_TENANT_ID", "ARM_TENANT_ID", &c->strings[0], &c->tenant, err);
	if (rc == 0)
		rc = copy_id(given->client, "AZURE_CLIENT_ID", "ARM_CLIENT_ID", &c->strings[1], &c->client, err);
	if (rc == 0)
		rc = find(c, err);
	if (rc < 0)
		return rc;
	*ret = own_take(c);
	return 0;
}

void azure_credential_free(struct azure_credential *credential)
{
	if (!credential)
		return;
	if (credential->source && credential->source->free)
		credential->source->free(credential->data);
	azure_token_release(&credential->token);
	for (size_t i = 0; i < sizeof(credential->strings) / sizeof(credential->strings[0]); i++)
		free(credential->strings[i]);
	free(credential->about);
	pthread_cond_destroy(&credential->renewed);
	pthread_mutex_destroy(&credential->lock);
	free(credential);
}

const char *azure_credential_about(const struct azure_credential *credential)
{
	return credential->about;
}

const char *azure_credential_tenant(const struct azure_credential *credential)
{
	return credential->tenant;
}

static bool lasts(const struct azure_credential *c, int64_t until_ms)
{
	return c->token.secret && until_ms > clock_now_ms();
}

/* A renewal may fail while the old token is still good. */
static int keep_old(struct azure_credential *c, struct err *err)
{
	log_info("azure", "the token could not be renewed yet: %s", err->message);
	c->renew_ms = clock_now_ms() + AGAIN_MS;
	err_clear(err);
	return 0;
}

static void take_over(struct azure_credential *c, struct azure_token *token)
{
	azure_token_release(&c->token);
	c->token = *token;
	*token = (struct azure_token){0};
	c->renew_ms = c->token.ends_ms - AHEAD_MS;
	log_debug("azure", "new token for %lld s", (long long)(c->token.ends_ms - clock_now_ms()) / 1000);
}

/* Called with the lock, which is open while the source is asked. */
static int renew(struct azure_credential *c, struct err *err)
{
	owned(azure_token) struct azure_token token = {0};
	int rc;

	c->renewing = true;
	pthread_mutex_unlock(&c->lock);
	rc = c->source->fetch(c, &token, err);
	pthread_mutex_lock(&c->lock);
	/* Whatever the token was for has not been sent. */
	if (rc < 0 && err->retry == ERR_RETRY_IDEMPOTENT)
		err->retry = ERR_RETRY_SAFE;
	if (rc == 0)
		take_over(c, &token);
	else if (lasts(c, c->token.ends_ms))
		rc = keep_old(c, err);
	c->failure = rc < 0 ? *err : (struct err){0};
	c->renewing = false;
	c->rounds++;
	pthread_cond_broadcast(&c->renewed);
	return rc;
}

/* What another thread's renewal comes to is our answer too. */
static int wait_renewed(struct azure_credential *c, struct err *err)
{
	uint64_t round = c->rounds;

	while (c->rounds == round)
		pthread_cond_wait(&c->renewed, &c->lock);
	if (c->failure.code == ERR_OK)
		return 0;
	*err = c->failure;
	return -(int)err->code;
}

static int obtain(struct azure_credential *c, struct err *err)
{
	while (!lasts(c, c->renew_ms)) {
		int rc;

		if (!c->renewing)
			return renew(c, err);
		if (lasts(c, c->token.ends_ms))
			return 0;
		rc = wait_renewed(c, err);
		if (rc < 0 || c->token.secret)
			return rc;
	}
	return 0;
}

int azure_credential_token(struct azure_credential *credential, const struct secret *refused,
			   struct secret **ret, struct err *err)
{
	struct azure_credential *c = credential;
	struct err ours = {0};
	int rc;

	if (!err)
		err = &ours;
	pthread_mutex_lock(&c->lock);
	if (refused && c->token.secret && secret_equal(c->token.secret, refused))
		azure_token_release(&c->token);
	rc = obtain(c, err);
	if (rc == 0)
		rc = secret_dup(c->token.secret, ret, err);
	pthread_mutex_unlock(&c->lock);
	return rc;
}
