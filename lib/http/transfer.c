/* SPDX-License-Identifier: Apache-2.0 */
/* One easy handle of libcurl: what it may do, what it sends, where its answer goes. */
#include "http/transfer.h"

#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "http/answer.h"
#include "http/failure.h"
#include "http/headers.h"

enum {
	CONNECT_MS = 30000,
	PROBE_MS = 1000,
	SILENCE_S = 90,		/* Resource Manager answers within 60 s */
	PROBE_SILENCE_S = 10,
	KEEPALIVE_S = 30,
	HEADERS_MAX = 256 << 10,
};

const char *const http_method_names[] = {"GET", "HEAD", "PUT", "PATCH", "POST", "DELETE", NULL};

static bool plain_is_allowed(const struct transfer_settings *settings, const struct http_request *request,
			     const struct url *url)
{
	if (settings->allow_loopback && url_is_loopback(url))
		return true;
	return request->flags & HTTP_LOCAL && (url_is_loopback(url) || url_is_link_local(url));
}

static bool is_plain(const struct url *url)
{
	return url->scheme_len == 4 && strncasecmp(url->scheme, "http", 4) == 0;
}

int transfer_check(const struct transfer_settings *settings, const struct http_request *request, struct url *ret,
		   struct err *err)
{
	int rc = url_split(request->url, ret, err);

	if (rc < 0)
		return rc;
	if (!url_is_https(ret) && !(is_plain(ret) && plain_is_allowed(settings, request, ret)))
		return err_set(err, ERR_DENIED, "only https is allowed to '%.*s'", (int)ret->host_len, ret->host);
	if (request->body && (request->method == HTTP_GET || request->method == HTTP_HEAD))
		return err_set(err, ERR_INVALID, "%s takes no body", http_method_names[request->method]);
	return headers_check(request, err);
}

/* Called before the request is written to a connection, and again when libcurl has lost one
 * that it used before: it cannot know what arrived there. */
static int on_request(void *data, char *peer, char *own, int peer_port, int own_port)
{
	struct transfer *t = data;

	(void)peer;
	(void)own;
	(void)peer_port;
	(void)own_port;
	if (t->sent && t->request->repeat == HTTP_ONCE) {
		t->resent = true;
		return CURL_PREREQFUNC_ABORT;
	}
	t->sent = true;
	return CURL_PREREQFUNC_OK;
}

static size_t on_body(char *data, size_t size, size_t n, void *argument)
{
	struct transfer *t = argument;
	struct buf *body = &t->answer->body;

	n *= size;
	if (n > body->max - body->len) {
		t->refusal = "it is longer than 16 MiB";
		return CURL_WRITEFUNC_ERROR;
	}
	buf_put(body, data, n);
	t->no_memory = body->bad;
	return body->bad ? CURL_WRITEFUNC_ERROR : n;
}

/* libcurl is content when the connection ends among the headers; we want the empty line. */
static size_t on_header(char *data, size_t size, size_t n, void *argument)
{
	struct transfer *t = argument;

	n *= size;
	t->header_len += n;
	if (t->header_len > HEADERS_MAX) {
		t->refusal = "its headers are longer than 256 KiB";
		return CURL_WRITEFUNC_ERROR;
	}
	if (n >= 5 && memcmp(data, "HTTP/", 5) == 0)
		t->headers_end = false;
	else if (n && (*data == '\r' || *data == '\n'))
		t->headers_end = true;
	return n;
}

/* libcurl checks the type of each value where the option is a constant. */
#define SET(option, value) (rc = rc ? rc : curl_easy_setopt(t->easy, option, value))

static CURLcode set_rules(struct transfer *t, const struct transfer_settings *settings)
{
	CURLcode rc = CURLE_OK;
	bool plain = is_plain(&t->url);

	SET(CURLOPT_PROTOCOLS_STR, plain ? "http" : "https");
	SET(CURLOPT_REDIR_PROTOCOLS_STR, "https");
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
	SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	if (settings->ca_file) {
		SET(CURLOPT_CAINFO, settings->ca_file);
		SET(CURLOPT_CAPATH, NULL);
		SET(CURLOPT_PROXY_CAINFO, settings->ca_file);
		SET(CURLOPT_PROXY_CAPATH, NULL);
	}
	/* What may go in the clear may do so on this host only. */
	if (plain || t->request->flags & HTTP_LOCAL)
		SET(CURLOPT_NOPROXY, "*");
	SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	return rc;
}

static CURLcode set_patience(struct transfer *t)
{
	bool probe = t->request->flags & HTTP_PROBE;
	CURLcode rc = CURLE_OK;

	SET(CURLOPT_CONNECTTIMEOUT_MS, (long)(probe ? PROBE_MS : CONNECT_MS));
	SET(CURLOPT_LOW_SPEED_LIMIT, 1L);
	SET(CURLOPT_LOW_SPEED_TIME, (long)(probe ? PROBE_SILENCE_S : SILENCE_S));
	SET(CURLOPT_TCP_KEEPALIVE, 1L);
	SET(CURLOPT_TCP_KEEPIDLE, (long)KEEPALIVE_S);
	SET(CURLOPT_TCP_KEEPINTVL, (long)KEEPALIVE_S);
	SET(CURLOPT_TCP_NODELAY, 1L);
	SET(CURLOPT_NOSIGNAL, 1L);
	/* A name that resolves slowly would hold up all transfers while one is given up. */
	SET(CURLOPT_QUICK_EXIT, 1L);
	/* On a connection used before, libcurl sends again when it dies without an answer. */
	SET(CURLOPT_FRESH_CONNECT, t->request->repeat == HTTP_ONCE ? 1L : 0L);
	return rc;
}

static CURLcode set_request(struct transfer *t, const struct transfer_settings *settings)
{
	const struct http_request *r = t->request;
	CURLcode rc = CURLE_OK;

	SET(CURLOPT_URL, r->url);
	SET(CURLOPT_PATH_AS_IS, 1L);
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	SET(CURLOPT_ACCEPT_ENCODING, "");
	SET(CURLOPT_USERAGENT, settings->user_agent);
	SET(CURLOPT_HTTPHEADER, t->headers);
	SET(CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE);
	if (r->method == HTTP_HEAD) {
		SET(CURLOPT_NOBODY, 1L);
	} else if (r->body || (r->method != HTTP_GET && r->method != HTTP_DELETE)) {
		SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)(r->body ? r->body_len : 0));
		SET(CURLOPT_POSTFIELDS, r->body ? r->body : "");
	}
	SET(CURLOPT_CUSTOMREQUEST, http_method_names[r->method]);
	return rc;
}

static CURLcode set_callbacks(struct transfer *t)
{
	CURLcode rc = CURLE_OK;

	SET(CURLOPT_PRIVATE, t);
	SET(CURLOPT_ERRORBUFFER, t->reason);
	SET(CURLOPT_WRITEFUNCTION, on_body);
	SET(CURLOPT_WRITEDATA, t);
	SET(CURLOPT_HEADERFUNCTION, on_header);
	SET(CURLOPT_HEADERDATA, t);
	SET(CURLOPT_PREREQFUNCTION, on_request);
	SET(CURLOPT_PREREQDATA, t);
	return rc;
}

int transfer_init(struct transfer *t, const struct transfer_settings *settings, const struct http_request *request,
		  struct http_answer *answer, struct err *err)
{
	CURLcode code;
	int rc;

	*t = (struct transfer){.request = request, .answer = answer, .event = -1};
	rc = transfer_check(settings, request, &t->url, err);
	if (rc == 0)
		rc = headers_new(request, answer->request_id, &t->headers, err);
	if (rc < 0)
		return rc;
	t->easy = curl_easy_init();
	if (!t->easy)
		return err_no_memory(err);
	code = set_rules(t, settings);
	code = code ? code : set_patience(t);
	code = code ? code : set_request(t, settings);
	code = code ? code : set_callbacks(t);
	if (code == CURLE_OUT_OF_MEMORY)
		return err_no_memory(err);
	return code ? err_set(err, ERR_FAILED, "cannot prepare a request: %s", curl_easy_strerror(code)) : 0;
}

void transfer_release(struct transfer *t)
{
	curl_easy_cleanup(t->easy);
	headers_free(t->headers);
	t->easy = NULL;
	t->headers = NULL;
}

static int take_headers(struct transfer *t, struct err *err)
{
	struct curl_header *h = NULL;

	while ((h = curl_easy_nextheader(t->easy, CURLH_HEADER, -1, h))) {
		int rc = answer_add(t->answer, h->name, h->value, err);

		if (rc < 0)
			return rc;
	}
	return 0;
}

int transfer_finish(struct transfer *t, bool *ret_transient, struct err *err)
{
	long status = 0;
	int rc;

	*ret_transient = false;
	if (t->result == CURLE_OK && !t->headers_end)
		t->result = CURLE_PARTIAL_FILE;
	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	t->answer->status = (unsigned)status;
	if (t->result != CURLE_OK)
		return failure_explain(t, ret_transient, err);
	rc = take_headers(t, err);
	if (rc < 0 && err)
		err->retry = ERR_RETRY_IDEMPOTENT;
	return rc;
}
