/* SPDX-License-Identifier: Apache-2.0 */
/* Access tokens: asking Entra ID for them, reading answers and refusals. */
#include "azure/token.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "azure/credential_private.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/str.h"
#include "http/url.h"
#include "json/tree.h"

enum { YEAR_S = 366 * 86400, REASON_MAX = 120 };

void azure_token_release(struct azure_token *token)
{
	secret_free(token->secret);
	*token = (struct azure_token){0};
}

/* ---- secrets in JSON ---- */

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Behind "name" and a colon: where the string begins; 0 for a name that is itself a value. */
static size_t string_at(const struct buf *body, size_t at)
{
	while (at < body->len && is_blank(body->data[at]))
		at++;
	if (at >= body->len || body->data[at] != ':')
		return 0;
	for (at++; at < body->len && is_blank(body->data[at]); at++)
		;
	return at < body->len && body->data[at] == '"' ? at + 1 : 0;
}

/* Length of the string, -1 when it has escapes or no end. */
static ssize_t string_len(const struct buf *body, size_t at)
{
	size_t end = at;

	while (end < body->len && body->data[end] != '"' && body->data[end] != '\\' && body->data[end] >= 0x20)
		end++;
	return end < body->len && body->data[end] == '"' ? (ssize_t)(end - at) : -1;
}

static int take_secret(struct buf *body, const char *name, const char *source, struct secret **ret, struct err *err)
{
	owned(mem) char *quoted = mem_printf("\"%s\"", name);
	size_t at = 0, value = 0;
	ssize_t len;
	int rc;

	if (!quoted)
		return err_no_memory(err);
	for (const uint8_t *hit; !value && at < body->len; value = string_at(body, at)) {
		hit = memmem(body->data + at, body->len - at, quoted, strlen(quoted));
		if (!hit)
			return 0;
		at = (size_t)(hit - body->data) + strlen(quoted);
	}
	if (!value)
		return 0;
	len = string_len(body, value);
	if (len < 0)
		return err_set(err, ERR_PROTOCOL, "%s: '%s' is no plain text", source, name);
	rc = secret_new(body->data + value, (size_t)len, ret, err);
	if (rc == 0)
		memset(body->data + value, 'x', (size_t)len);
	return rc;
}

/* Is what was taken the member of that name, and no other's text? */
static bool is_member(const struct json_tree *tree, const char *name, const struct secret *secret)
{
	const char *text = json_tree_text(json_tree_member(tree, name), "");

	if (!secret)
		return !text;
	return text && strlen(text) == secret->len && strspn(text, "x") == secret->len;
}

int azure_secret_parse(struct buf *body, const char *name, const char *source, struct secret **ret,
		       struct json_tree **ret_tree, struct err *err)
{
	owned(secret) struct secret *secret = NULL;
	owned(json_tree) struct json_tree *tree = NULL;
	int rc = take_secret(body, name, source, &secret, err);

	if (rc < 0)
		return rc;
	rc = json_tree_parse((const char *)body->data, body->len, source, &tree, err);
	if (rc == -ERR_INVALID && err)
		err->code = ERR_PROTOCOL;
	if (rc < 0)
		return rc == -ERR_INVALID ? -ERR_PROTOCOL : rc;
	if (!is_member(tree, name, secret))
		return err_set(err, ERR_PROTOCOL, "%s: '%s' is not where it belongs", source, name);
	if (secret)
		*ret = own_take(secret);
	*ret_tree = own_take(tree);
	return 0;
}

/* ---- when a token ends ---- */

/* App Service of 2017: "9/14/2026 11:04:05 PM +00:00". */
static int64_t english_date(const char *text)
{
	struct tm tm = {0};
	const char *rest = text ? strptime(text, "%m/%d/%Y %H:%M:%S", &tm) : NULL;

	if (!rest)
		return -1;
	rest += strspn(rest, " ");
	if (str_starts(rest, "PM") && tm.tm_hour < 12)
		tm.tm_hour += 12;
	if (str_starts(rest, "AM") && tm.tm_hour == 12)
		tm.tm_hour = 0;
	return (int64_t)timegm(&tm);
}

/* az: "2026-11-24 09:30:00.000000", of this host's time zone. */
static int64_t local_date(const char *text)
{
	struct tm tm = {.tm_isdst = -1};

	return text && strptime(text, "%Y-%m-%d %H:%M:%S", &tm) ? (int64_t)mktime(&tm) : -1;
}

/* Seconds since 1970, -1 when it is not said. */
static int64_t ends_on(const struct json_tree *tree)
{
	int64_t on = json_tree_int(tree, "expires_on", -1);

	if (on < 0)
		on = english_date(json_tree_text(tree, "expires_on"));
	return on < 0 ? local_date(json_tree_text(tree, "expiresOn")) : on;
}

int64_t azure_token_ends(const struct json_tree *tree)
{
	int64_t now = clock_now_ms(), utc = clock_utc_ms() / 1000;
	int64_t in = json_tree_int(tree, "expires_in", -1), on = ends_on(tree), left = YEAR_S;

	if (in < 0 && on < 0)
		return now;
	/* Identity endpoints count expires_in from the issue of a token that they have kept since. */
	if (in >= 0 && in < left)
		left = in;
	if (on >= 0 && on - utc < left)
		left = on - utc;
	return now + (left > 0 ? left : 0) * 1000;
}

/* ---- refusals ---- */

static const struct advice {
	int64_t code;	/* AADSTS… */
	const char *hint;
} advices[] = {
	{7000215, "give the secret's value, not its id; it is shown once, when it is made"},
	{7000222, "the secret has expired: make a new one in the application's registration"},
	{7000229, "the application has no service principal in this tenant: consent to it or choose another tenant"},
	{700016, "check client and tenant: this tenant does not know that application"},
	{700024, "the assertion has expired or this host's clock is wrong; a job's own token lasts minutes only"},
	{700027, "register the certificate with the application; with an old registration try --rs256"},
	{50027, "register the certificate with the application; with an old registration try --rs256"},
	{700021, "the assertion names another application: check the client"},
	{700211, "no federated credential of the application has this issuer; a slash at its end counts"},
	{700212, "no federated credential of the application has this audience"},
	{700213, "no federated credential of the application has this subject; upper and lower case count"},
	{70021, "no federated credential fits; issuer, subject and audience are compared letter by letter"},
	{90002, "check the tenant: there is none of that id or name in this cloud"},
	{900023, "check the tenant: it is neither an id nor a domain"},
	{53003, "a conditional access policy blocks this identity here"},
};

static const char *advice(const struct json_tree *tree, const char *text)
{
	int64_t code = json_tree_int(tree, "error_codes.0", 0);
	const char *in_text = strstr(text, "AADSTS");

	if (!code && in_text)
		code = strtoll(in_text + 6, NULL, 10);
	for (size_t i = 0; i < sizeof(advices) / sizeof(advices[0]); i++)
		if (advices[i].code == code)
			return advices[i].hint;
	return NULL;
}

static const char *reason(const struct json_tree *tree)
{
	static const char *const paths[] = {"error_description", "error.message", "message", "Message", "error", NULL};

	for (int i = 0; paths[i]; i++)
		if (json_tree_text(tree, paths[i]))
			return json_tree_text(tree, paths[i]);
	return "no reason given";
}

/* The first sentence, without its full stop: the ids behind it must survive where context is put before them. */
static int reason_len(const char *text)
{
	const char *end = strstr(text, ". ");
	size_t len = strcspn(text, "\r\n");

	if (end && (size_t)(end - text) < len)
		len = (size_t)(end - text);
	while (len && text[len - 1] == '.')
		len--;
	return len > REASON_MAX ? REASON_MAX : (int)len;
}

static enum err_code code_of(unsigned status, const struct json_tree *tree)
{
	if (status == 408 || status == 429 || status >= 500 ||
	    str_eq(json_tree_text(tree, "error"), "temporarily_unavailable"))
		return ERR_UNREACHABLE;
	if (status >= 400 && (tree || status == 400 || status == 401 || status == 403))
		return ERR_DENIED;
	return ERR_PROTOCOL;
}

int azure_token_refusal(const struct http_answer *answer, const struct json_tree *tree, const char *what,
			struct err *err)
{
	const char *trace = json_tree_text(tree, "trace_id"), *correlation = json_tree_text(tree, "correlation_id");
	const char *text = reason(tree), *hint = advice(tree, text);
	enum err_code code = code_of(answer->status, tree);

	log_info("azure", "no token (%u): %s", answer->status, text);
	err_set(err, code, "%s: %.*s (%u%s%.40s%s%.40s)", code == ERR_DENIED ? what : "cannot get a token",
		reason_len(text), text, answer->status, trace ? ", trace " : "", trace ? trace : "",
		correlation ? ", correlation " : "", correlation ? correlation : "");
	if (code == ERR_UNREACHABLE && err)
		err->retry = ERR_RETRY_SAFE;
	return hint ? err_hint(err, "%s", hint) : -(int)code;
}

int azure_token_read(struct http_answer *answer, const char *what, struct azure_token *ret, struct err *err)
{
	owned(json_tree) struct json_tree *tree = NULL;
	owned(secret) struct secret *secret = NULL;
	int rc = azure_secret_parse(&answer->body, "access_token", "token endpoint", &secret, &tree, err);

	if (answer->status != 200)
		return azure_token_refusal(answer, tree, what, err);
	if (rc < 0)
		return rc;
	if (!secret || !secret->len)
		return err_set(err, ERR_PROTOCOL, "the token endpoint answered without a token");
	*ret = (struct azure_token){.secret = own_take(secret), .ends_ms = azure_token_ends(tree)};
	return 0;
}

/* ---- Entra ID ---- */

char *azure_token_url(const struct azure_credential *credential)
{
	return mem_printf("%s/%s/oauth2/v2.0/token", credential->cloud->authority, credential->tenant);
}

static int complete(const struct azure_credential *c, struct buf *form, struct err *err)
{
	owned(mem) char *scope = mem_printf("%s/.default", c->cloud->audience);

	if (!scope)
		return err_no_memory(err);
	url_form(form, "grant_type", "client_credentials");
	url_form(form, "client_id", c->client);
	url_form(form, "scope", scope);
	return buf_check(form, err);
}

int azure_token_exchange(const struct azure_credential *credential, struct buf *form, const char *what,
			 struct azure_token *ret, struct err *err)
{
	static const struct http_header headers[] = {{"Accept", "application/json"}, {NULL, NULL}};
	owned(mem) char *url = azure_token_url(credential);
	owned(http_answer) struct http_answer answer = {0};
	struct http_request request = {
		.method = HTTP_POST, .url = url, .headers = headers, .repeat = HTTP_IDEMPOTENT,
		.content_type = "application/x-www-form-urlencoded", .flags = HTTP_SECRET,
	};
	int rc = url ? complete(credential, form, err) : err_no_memory(err);

	if (rc < 0)
		return rc;
	request.body = form->data;
	request.body_len = form->len;
	rc = http_send(credential->http, &request, &answer, err);
	return rc < 0 ? err_wrap(err, "cannot get a token") : azure_token_read(&answer, what, ret, err);
}

int azure_token_exchange_assertion(const struct azure_credential *credential, const char *assertion,
				   const char *what, struct azure_token *ret, struct err *err)
{
	owned(buf) struct buf form = {.max = 1 << 20, .wipe = true};

	url_form(&form, "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
	url_form(&form, "client_assertion", assertion);
	return azure_token_exchange(credential, &form, what, ret, err);
}
