/* SPDX-License-Identifier: Apache-2.0 */
/* What a failure of libcurl means to those above. */
#include "http/failure.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "http/transfer.h"

struct row {
	CURLcode code;
	enum err_code means;
	bool transient;
};

static const struct row rows[] = {
	{CURLE_COULDNT_RESOLVE_PROXY, ERR_UNREACHABLE, true},
	{CURLE_COULDNT_RESOLVE_HOST, ERR_UNREACHABLE, true},
	{CURLE_COULDNT_CONNECT, ERR_UNREACHABLE, true},
	{CURLE_PROXY, ERR_UNREACHABLE, true},
	{CURLE_SSL_CONNECT_ERROR, ERR_UNREACHABLE, true},
	{CURLE_OPERATION_TIMEDOUT, ERR_UNREACHABLE, true},
	{CURLE_SEND_ERROR, ERR_UNREACHABLE, true},
	{CURLE_RECV_ERROR, ERR_UNREACHABLE, true},
	{CURLE_GOT_NOTHING, ERR_UNREACHABLE, true},
	{CURLE_HTTP2, ERR_UNREACHABLE, true},
	{CURLE_HTTP2_STREAM, ERR_UNREACHABLE, true},
	{CURLE_ABORTED_BY_CALLBACK, ERR_UNREACHABLE, true},
	{CURLE_PARTIAL_FILE, ERR_UNREACHABLE, true},
	{CURLE_BAD_CONTENT_ENCODING, ERR_PROTOCOL, false},
	{CURLE_UNSUPPORTED_PROTOCOL, ERR_PROTOCOL, false},
	{CURLE_WEIRD_SERVER_REPLY, ERR_PROTOCOL, false},
	{CURLE_WRITE_ERROR, ERR_PROTOCOL, false},
	{CURLE_PEER_FAILED_VERIFICATION, ERR_DENIED, false},
	{CURLE_SSL_ISSUER_ERROR, ERR_DENIED, false},
	{CURLE_SSL_CLIENTCERT, ERR_DENIED, false},
	{CURLE_SSL_CACERT_BADFILE, ERR_INVALID, false},
	{CURLE_OUT_OF_MEMORY, ERR_NO_MEMORY, false},
};

static struct row row_of(const struct transfer *t)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].code == t->result)
			return rows[i];
	return (struct row){t->result, ERR_FAILED, false};
}

/* Parts of the answer are there. */
static bool is_torn(const struct transfer *t, const struct row *row)
{
	return t->answer->status != 0 && t->sent && row->means == ERR_UNREACHABLE;
}

/* The system's word says more than libcurl's, which names the peer: a proxy, when it is not the host. */
static void explain_connect(const struct transfer *t, struct buf *ret)
{
	char host[256];
	long number = 0;

	snprintf(host, sizeof(host), "%.*s", (int)t->url.host_len, t->url.host);
	curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &number);
	if (!number || !strcasestr(t->reason, host))
		url_redact(*t->reason ? t->reason : curl_easy_strerror(t->result), ret);
	if (number)
		buf_printf(ret, "%s%s", ret->len ? ": " : "", strerror((int)number));
}

static void reason(const struct transfer *t, struct buf *ret)
{
	if (t->resent)
		buf_put_str(ret, "the connection ended before an answer");
	else if (t->refusal)
		buf_put_str(ret, t->refusal);
	else if (t->result == CURLE_COULDNT_CONNECT)
		explain_connect(t, ret);
	else
		url_redact(*t->reason ? t->reason : curl_easy_strerror(t->result), ret);
}

static int refused_by_proxy(const struct transfer *t, long status, struct err *err)
{
	return err_set(err, ERR_DENIED, "the proxy does not let us reach '%.*s': it answers %ld", (int)t->url.host_len,
		       t->url.host, status);
}

static const char *verdict(const struct transfer *t, enum err_code code)
{
	if (code == ERR_DENIED)
		return "cannot trust";
	if (code == ERR_UNREACHABLE && !t->sent)
		return "cannot reach";
	if (code == ERR_UNREACHABLE)
		return "no answer from";
	return code == ERR_PROTOCOL ? "no proper answer from" : "cannot ask";
}

static int describe(const struct transfer *t, enum err_code code, struct err *err)
{
	owned(buf) struct buf why = {0};

	buf_init(&why, 1024);
	reason(t, &why);
	return err_set(err, code, "%s '%.*s': %s", verdict(t, code), (int)t->url.host_len, t->url.host, buf_text(&why));
}

int failure_explain(const struct transfer *t, bool *ret_transient, struct err *err)
{
	struct row row = row_of(t);
	long proxy = 0;
	int rc;

	if (t->no_memory || row.means == ERR_NO_MEMORY)
		return err_no_memory(err);
	curl_easy_getinfo(t->easy, CURLINFO_HTTP_CONNECTCODE, &proxy);
	if (!t->sent && proxy >= 400 && proxy < 500)
		return refused_by_proxy(t, proxy, err);
	if (is_torn(t, &row))
		row.means = ERR_PROTOCOL;
	*ret_transient = row.transient;
	rc = describe(t, row.means, err);
	if (err && row.means != ERR_DENIED)
		err->retry = t->sent ? ERR_RETRY_IDEMPOTENT : ERR_RETRY_SAFE;
	return rc;
}
