/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials: statements of somebody whom the application trusts; Kubernetes, GitHub, Azure DevOps. */
#include <stdlib.h>
#include <string.h>

#include "azure/credential_private.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/secret.h"
#include "http/url.h"
#include "json/tree.h"

enum { STATEMENT_MAX = 65536 };

static const char REFUSED[] = "the federated token was refused";
static const char JOB_REFUSED[] = "the job's own token was refused";

/* Where statements come from. */
struct federated {
	char *path;		/* workload identity: the file */
	struct secret *statement;	/* workload identity: the statement itself */
	char *url;		/* of a job's token service */
	struct secret *bearer;	/* for that */
};

static void release(void *data)
{
	struct federated *f = data;

	if (!f)
		return;
	free(f->path);
	free(f->url);
	secret_free(f->statement);
	secret_free(f->bearer);
	free(f);
}

static struct federated *prepare(struct azure_credential *c)
{
	c->data = mem_new(struct federated);
	return c->data;
}

/* ---- workload identity ---- */

static int find_workload(struct azure_credential *c, bool asked, struct err *err)
{
	const char *path = c->given.token_file;
	struct federated *f = prepare(c);
	int rc;

	(void)asked;
	if (!f)
		return err_no_memory(err);
	if (!path)
		path = credential_environment("AZURE_FEDERATED_TOKEN_FILE", "ARM_OIDC_TOKEN_FILE_PATH");
	if (path) {
		f->path = mem_strdup(path);
		rc = f->path ? 0 : err_no_memory(err);
	} else {
		rc = credential_environment_secret("ARM_OIDC_TOKEN", NULL, &f->statement, err);
	}
	if (rc < 0 || (!f->path && !f->statement))
		return rc;
	rc = credential_check_ids(c, "federated token", err);
	return rc < 0 ? rc : credential_about(c, err, "federated token (%s) of client %s",
					      path ? path : "ARM_OIDC_TOKEN", c->client);
}

/* Anew every time: Kubernetes replaces the file long before the statement ends. */
static int read_statement(const char *path, struct buf *text, const char **ret, struct err *err)
{
	int rc = file_read(path, text, err);

	if (rc < 0)
		return err_wrap(err, "cannot read the federated token");
	while (text->len && strchr(" \t\r\n", text->data[text->len - 1]))
		text->len--;
	rc = credential_text(text, ret, err);
	if (rc == 0 && (!text->len || strcspn(*ret, " \t\r\n") != text->len))
		return err_set(err, ERR_INVALID, "'%s' holds no federated token", path);
	return rc;
}

static int fetch_workload(const struct azure_credential *c, struct azure_token *ret, struct err *err)
{
	const struct federated *f = c->data;
	owned(buf) struct buf text = {.max = STATEMENT_MAX, .wipe = true};
	const char *statement = f->statement ? (const char *)f->statement->data : NULL;
	int rc = f->path ? read_statement(f->path, &text, &statement, err) : 0;

	return rc < 0 ? rc : azure_token_exchange_assertion(c, statement, REFUSED, ret, err);
}

const struct credential_source credential_workload = {
	.source = AZURE_WORKLOAD_IDENTITY, .wants = "AZURE_FEDERATED_TOKEN_FILE",
	.find = find_workload, .fetch = fetch_workload, .free = release,
};

/* ---- the token services of jobs ---- */

/* URL with one more parameter. */
static int with_parameter(const char *url, const char *name, const char *value, char **ret, struct err *err)
{
	owned(buf) struct buf parameter = {.max = 4096};
	const char *text;
	int rc;

	url_form(&parameter, name, value);
	rc = credential_text(&parameter, &text, err);
	if (rc < 0)
		return rc;
	*ret = mem_printf("%s%c%s", url, strchr(url, '?') ? '&' : '?', text);
	return *ret ? 0 : err_no_memory(err);
}

/* Ask for a statement, which lasts for minutes, and trade it for a token at once. */
static int trade(const struct azure_credential *c, struct http_request *request, const char *member, const char *source,
		 struct azure_token *ret, struct err *err)
{
	const struct federated *f = c->data;
	owned(http_answer) struct http_answer answer = {0};
	owned(json_tree) struct json_tree *tree = NULL;
	owned(secret) struct secret *statement = NULL;
	int rc;

	request->url = f->url;
	request->bearer = f->bearer;
	request->repeat = HTTP_IDEMPOTENT;
	request->flags = HTTP_SECRET;
	rc = http_send(c->http, request, &answer, err);
	if (rc < 0)
		return err_wrap(err, "%s", source);
	rc = azure_secret_parse(&answer.body, member, source, &statement, &tree, err);
	/* A page to log in on is how some refuse. */
	if (answer.status == 203 || answer.status / 100 == 3)
		return err_set(err, ERR_DENIED, "%s: %s (%u)", source, JOB_REFUSED, answer.status);
	if (answer.status != 200) {
		azure_token_refusal(&answer, tree, JOB_REFUSED, err);
		return err_wrap(err, "%s", source);
	}
	if (rc == 0 && !statement)
		return err_set(err, ERR_PROTOCOL, "%s answered without a token", source);
	return rc < 0 ? rc : azure_token_exchange_assertion(c, (const char *)statement->data, REFUSED, ret, err);
}

static int need_bearer(struct federated *f, const char *name, const char *twin, const char *hint, struct err *err)
{
	int rc = credential_environment_secret(name, twin, &f->bearer, err);

	if (rc < 0 || f->bearer)
		return rc;
	err_set(err, ERR_INVALID, "%s is missing", name);
	return err_hint(err, "%s", hint);
}

/* The URL is in every job that may ask; whether this job wants Azure, the other variables say. */
static int find_github(struct azure_credential *c, bool asked, struct err *err)
{
	const char *url = credential_environment("ACTIONS_ID_TOKEN_REQUEST_URL", NULL);
	struct federated *f;
	int rc;

	if (!url || (!asked && !c->client && !credential_environment_is("ARM_USE_OIDC")))
		return 0;
	f = prepare(c);
	if (!f)
		return err_no_memory(err);
	rc = need_bearer(f, "ACTIONS_ID_TOKEN_REQUEST_TOKEN", NULL, "give the job 'permissions: id-token: write'", err);
	if (rc == 0)
		rc = credential_check_ids(c, "job of GitHub", err);
	if (rc == 0)
		rc = with_parameter(url, "audience", "api://AzureADTokenExchange", &f->url, err);
	return rc < 0 ? rc : credential_about(c, err, "identity of a job of GitHub for client %s", c->client);
}

static int fetch_github(const struct azure_credential *c, struct azure_token *ret, struct err *err)
{
	static const struct http_header headers[] = {{"Accept", "application/json; api-version=2.0"}, {NULL, NULL}};
	struct http_request request = {.method = HTTP_GET, .headers = headers};

	return trade(c, &request, "value", "GitHub", ret, err);
}

const struct credential_source credential_github = {
	.source = AZURE_GITHUB, .wants = "ACTIONS_ID_TOKEN_REQUEST_URL",
	.find = find_github, .fetch = fetch_github, .free = release,
};

static int find_devops(struct azure_credential *c, bool asked, struct err *err)
{
	const char *url = credential_environment("SYSTEM_OIDCREQUESTURI", "ARM_OIDC_REQUEST_URL");
	const char *connection = credential_environment("ARM_ADO_PIPELINE_SERVICE_CONNECTION_ID",
							"ARM_OIDC_AZURE_SERVICE_CONNECTION_ID");
	owned(mem) char *versioned = NULL;
	struct federated *f;
	int rc;

	if (!connection || (!asked && !url))
		return 0;
	if (!url)
		return err_set(err, ERR_INVALID, "SYSTEM_OIDCREQUESTURI is missing");
	f = prepare(c);
	if (!f)
		return err_no_memory(err);
	rc = need_bearer(f, "SYSTEM_ACCESSTOKEN", "ARM_OIDC_REQUEST_TOKEN",
			 "map it in the step: env: SYSTEM_ACCESSTOKEN: $(System.AccessToken)", err);
	if (rc == 0)
		rc = credential_check_ids(c, "job of Azure DevOps", err);
	if (rc == 0)
		rc = with_parameter(url, "api-version", "7.1", &versioned, err);
	if (rc == 0)
		rc = with_parameter(versioned, "serviceConnectionId", connection, &f->url, err);
	return rc < 0 ? rc : credential_about(c, err, "service connection %s of Azure DevOps for client %s", connection,
					      c->client);
}

static int fetch_devops(const struct azure_credential *c, struct azure_token *ret, struct err *err)
{
	/* Without the second a refusal is a page for people to log in on. */
	static const struct http_header headers[] = {{"Accept", "application/json"},
						     {"X-TFS-FedAuthRedirect", "Suppress"}, {NULL, NULL}};
	struct http_request request = {.method = HTTP_POST, .headers = headers, .body = "",
				       .content_type = "application/json"};

	return trade(c, &request, "oidcToken", "Azure DevOps", ret, err);
}

const struct credential_source credential_devops = {
	.source = AZURE_DEVOPS, .wants = "ARM_ADO_PIPELINE_SERVICE_CONNECTION_ID",
	.find = find_devops, .fetch = fetch_devops, .free = release,
};
