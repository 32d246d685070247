/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials: the identity that Azure gives to the machine we run on. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "azure/credential_private.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/str.h"
#include "http/url.h"

enum { KEY_MAX = 4096 };

struct managed;

/* Each kind of host asks the same in words of its own. */
struct host {
	const char *name;
	const char *api_version;	/* NULL: the parameters are the body of a POST */
	const char *header;		/* that carries the endpoint's secret */
	const char *by_client, *by_resource;	/* parameters that choose an identity; NULL: it has one only */
	int (*fetch)(const struct azure_credential *c, const char *url, struct azure_token *ret, struct err *err);
};

struct managed {
	const struct host *host;
	char *endpoint;
	struct secret *secret;	/* of the endpoint, NULL = none */
};

static void release(void *data)
{
	struct managed *m = data;

	if (!m)
		return;
	free(m->endpoint);
	secret_free(m->secret);
	free(m);
}

/* ---- asking ---- */

static const char REFUSED[] = "the managed identity gave no token";

static int ask(const struct azure_credential *c, const struct http_request *request, struct azure_token *ret,
	       struct err *err)
{
	owned(http_answer) struct http_answer answer = {0};
	int rc = http_send(c->http, request, &answer, err);

	if (rc < 0)
		return err_wrap(err, "cannot reach the managed identity");
	return azure_token_read(&answer, REFUSED, ret, err);
}

static int fetch_app_service(const struct azure_credential *c, const char *url, struct azure_token *ret,
			     struct err *err)
{
	const struct managed *m = c->data;
	const struct http_header headers[] = {{m->host->header, (const char *)m->secret->data}, {NULL, NULL}};
	const struct http_request request = {.method = HTTP_GET, .url = url, .headers = headers,
					     .flags = HTTP_LOCAL | HTTP_SECRET};

	return ask(c, &request, ret, err);
}

static const struct http_header metadata[] = {{"Metadata", "true"}, {NULL, NULL}};

static int fetch_cloud_shell(const struct azure_credential *c, const char *parameters, struct azure_token *ret,
			     struct err *err)
{
	const struct managed *m = c->data;
	const struct http_request request = {
		.method = HTTP_POST, .url = m->endpoint, .headers = metadata, .body = parameters,
		.body_len = strlen(parameters), .content_type = "application/x-www-form-urlencoded",
		.flags = HTTP_LOCAL | HTTP_SECRET,
	};

	return ask(c, &request, ret, err);
}

/* A service that is being updated answers 404 or 410, for up to 70 s (what is more common, http repeats). */
static int fetch_imds(const struct azure_credential *c, const char *url, struct azure_token *ret, struct err *err)
{
	const struct http_request request = {.method = HTTP_GET, .url = url, .headers = metadata,
					     .flags = HTTP_LOCAL | HTTP_SECRET};

	for (int n = 0;; n++) {
		owned(http_answer) struct http_answer answer = {0};
		int rc = http_send(c->http, &request, &answer, err);

		if (rc < 0)
			return err_wrap(err, "cannot reach the managed identity");
		if ((answer.status != 404 || n == 4) && (answer.status != 410 || n == 6))
			return azure_token_read(&answer, REFUSED, ret, err);
		rc = http_pause(c->http, (double)(1 << n), err);
		if (rc < 0)
			return rc;
	}
}

/* ---- Azure Arc: who can read a file of the agent's group is let in ---- */

static const char *arc_folder(const struct azure_credential *c)
{
	const char *other = c->cloud->loopback ? credential_environment("HSMCTL_ARC_TOKENS", NULL) : NULL;

	return other ? other : "/var/opt/azcmagent/tokens";
}

/* The path comes from whoever answers on that port: only a key of the agent's may be sent back. */
static int check_key(const struct azure_credential *c, const char *path, struct err *err)
{
	const char *folder = arc_folder(c), *name = path + strlen(folder) + 1, *dot;

	if (!str_starts(path, folder) || path[strlen(folder)] != '/')
		return err_set(err, ERR_DENIED, "Azure Arc names a key outside of '%s': '%s'", folder, path);
	dot = strrchr(name, '.');
	if (strchr(name, '/') || !dot || dot == name || !str_eq(dot, ".key"))
		return err_set(err, ERR_DENIED, "Azure Arc names a file that is no key: '%s'", path);
	return 0;
}

static void close_file(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static int read_key(const char *path, struct buf *ret, struct err *err)
{
	__attribute__((cleanup(close_file))) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;
	uint8_t *room;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0) {
		err_errno(err, "cannot read the key of Azure Arc '%s'", path);
		return errno == EACCES ? err_hint(err, "only root and members of the group himds can") : -ERR_IO;
	}
	if (!S_ISREG(st.st_mode) || st.st_size <= 0 || st.st_size > KEY_MAX)
		return err_set(err, ERR_DENIED, "'%s' is no key of Azure Arc", path);
	room = buf_reserve(ret, (size_t)st.st_size);
	n = room ? read(fd, room, (size_t)st.st_size) : 0;
	if (n != st.st_size)
		return room ? err_set(err, ERR_IO, "cannot read all of '%s'", path) : err_no_memory(err);
	ret->len += (size_t)n;
	return 0;
}

/* "Basic realm=PATH" */
static int challenge(const struct azure_credential *c, const char *url, struct buf *ret_path, struct err *err)
{
	const struct http_request request = {.method = HTTP_GET, .url = url, .headers = metadata,
					     .flags = HTTP_LOCAL | HTTP_SECRET};
	owned(http_answer) struct http_answer answer = {0};
	int rc = http_send(c->http, &request, &answer, err);
	const char *header = rc < 0 ? NULL : http_answer_header(&answer, "WWW-Authenticate");
	const char *realm = header ? strcasestr(header, "realm=") : NULL;

	if (rc < 0)
		return err_wrap(err, "cannot reach Azure Arc");
	if (answer.status != 401 || !realm)
		return err_set(err, ERR_PROTOCOL, "Azure Arc names no key (%u)", answer.status);
	realm += strlen("realm=");
	realm += *realm == '"';
	buf_put(ret_path, realm, strcspn(realm, "\", \t"));
	return 0;
}

static int fetch_arc(const struct azure_credential *c, const char *url, struct azure_token *ret, struct err *err)
{
	owned(buf) struct buf path = {.max = 4096}, basic = {.max = KEY_MAX + 16, .wipe = true};
	struct http_header headers[] = {{"Metadata", "true"}, {"Authorization", NULL}, {NULL, NULL}};
	const struct http_request request = {.method = HTTP_GET, .url = url, .headers = headers,
					     .flags = HTTP_LOCAL | HTTP_SECRET};
	const char *key;
	int rc = challenge(c, url, &path, err);

	if (rc == 0)
		rc = credential_text(&path, &key, err);
	if (rc == 0)
		rc = check_key(c, key, err);
	buf_put_str(&basic, "Basic ");
	if (rc == 0)
		rc = read_key(key, &basic, err);
	if (rc == 0)
		rc = credential_text(&basic, &headers[1].value, err);
	if (rc < 0)
		return rc;
	if (strcspn(headers[1].value, "\r\n") != basic.len)
		return err_set(err, ERR_INVALID, "'%s' is no key of Azure Arc", key);
	return ask(c, &request, ret, err);
}

/* ---- which host this is ---- */

static const struct host app_service = {"App Service", "2019-08-01", "X-IDENTITY-HEADER", "client_id", "mi_res_id",
					fetch_app_service};
static const struct host app_service_2017 = {"App Service", "2017-09-01", "secret", "clientid", "mi_res_id",
					     fetch_app_service};
static const struct host cloud_shell = {"Cloud Shell", NULL, NULL, NULL, NULL, fetch_cloud_shell};
static const struct host arc = {"Azure Arc", "2019-11-01", NULL, NULL, NULL, fetch_arc};
static const struct host imds = {"this virtual machine", "2018-02-01", NULL, "client_id", "msi_res_id", fetch_imds};

static int set_host(struct managed *m, const struct host *host, const char *endpoint, const char *secret,
		    struct err *err)
{
	m->host = host;
	m->endpoint = mem_strdup(endpoint);
	if (!m->endpoint)
		return err_no_memory(err);
	return secret ? secret_new(secret, strlen(secret), &m->secret, err) : 0;
}

/* Is that our metadata service, and not another cloud's at the same address? Without
 * its header it answers 400; nobody is asked for a token yet. */
static bool imds_answers(const struct azure_credential *c, const char *endpoint)
{
	const struct http_request request = {.method = HTTP_GET, .url = endpoint,
					     .flags = HTTP_LOCAL | HTTP_PROBE | HTTP_SECRET};
	owned(http_answer) struct http_answer answer = {0};

	return http_send(c->http, &request, &answer, NULL) == 0 &&
	       (answer.status == 400 || answer.status == 429 || answer.status >= 500);
}

static int find_imds(struct azure_credential *c, bool asked, struct err *err)
{
	const char *base = credential_environment("AZURE_POD_IDENTITY_AUTHORITY_HOST", NULL);
	struct managed *m = c->data;
	owned(mem) char *endpoint = NULL;
	int len;

	if (!base)
		base = "http://169.254.169.254";
	for (len = (int)strlen(base); len && base[len - 1] == '/'; len--)
		;
	endpoint = mem_printf("%.*s/metadata/identity/oauth2/token", len, base);
	if (!endpoint)
		return err_no_memory(err);
	/* Who asked for it is told by the first token why there is none. */
	if (!asked && !credential_environment_is("ARM_USE_MSI") && !imds_answers(c, endpoint))
		return 0;
	return set_host(m, &imds, endpoint, NULL, err);
}

static int detect(struct azure_credential *c, bool asked, struct err *err)
{
	const char *identity = credential_environment("IDENTITY_ENDPOINT", NULL);
	const char *header = credential_environment("IDENTITY_HEADER", NULL);
	const char *msi = credential_environment("MSI_ENDPOINT", NULL);
	const char *secret = credential_environment("MSI_SECRET", NULL);
	struct managed *m = c->data;

	if (identity && header && credential_environment("IDENTITY_SERVER_THUMBPRINT", NULL))
		return err_set(err, ERR_UNSUPPORTED, "the identity of Service Fabric cannot be used");
	if (identity && header)
		return set_host(m, &app_service, identity, header, err);
	if (identity && credential_environment("IMDS_ENDPOINT", NULL))
		return set_host(m, &arc, identity, NULL, err);
	if (msi && secret)
		return set_host(m, &app_service_2017, msi, secret, err);
	if (msi)
		return set_host(m, &cloud_shell, msi, NULL, err);
	return find_imds(c, asked, err);
}

static int find(struct azure_credential *c, bool asked, struct err *err)
{
	struct managed *m = mem_new(struct managed);
	int rc;

	if (!m)
		return err_no_memory(err);
	c->data = m;
	if (!c->given.tenant)
		c->tenant = NULL;
	rc = detect(c, asked, err);
	if (rc < 0 || !m->host)
		return rc;
	/* AZURE_CLIENT_ID may be there for another reason. */
	if (!m->host->by_client && c->given.client)
		return err_set(err, ERR_UNSUPPORTED, "%s has one identity; none can be chosen", m->host->name);
	if (!m->host->by_client || !c->client)
		return credential_about(c, err, "managed identity of %s", m->host->name);
	return credential_about(c, err, "managed identity %s of %s", c->client, m->host->name);
}

/* Of an identity by its client id, or by its resource id, which begins with a slash. */
static void choose_identity(const struct azure_credential *c, struct buf *parameters)
{
	const struct managed *m = c->data;

	if (c->client && m->host->by_client)
		url_form(parameters, *c->client == '/' ? m->host->by_resource : m->host->by_client, c->client);
}

static int fetch(const struct azure_credential *c, struct azure_token *ret, struct err *err)
{
	const struct managed *m = c->data;
	owned(buf) struct buf parameters = {.max = 8192};
	owned(mem) char *resource = mem_printf("%s/", c->cloud->audience), *url = NULL;
	const char *text;
	int rc;

	if (!resource)
		return err_no_memory(err);
	if (m->host->api_version)
		url_form(&parameters, "api-version", m->host->api_version);
	url_form(&parameters, "resource", resource);
	choose_identity(c, &parameters);
	rc = credential_text(&parameters, &text, err);
	if (rc < 0)
		return rc;
	if (!m->host->api_version)
		return m->host->fetch(c, text, ret, err);
	url = mem_printf("%s%c%s", m->endpoint, strchr(m->endpoint, '?') ? '&' : '?', text);
	return url ? m->host->fetch(c, url, ret, err) : err_no_memory(err);
}

const struct credential_source credential_managed = {
	.source = AZURE_MANAGED_IDENTITY, .wants = "a managed identity",
	.find = find, .fetch = fetch, .free = release,
};
