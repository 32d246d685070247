/* SPDX-License-Identifier: Apache-2.0 */
/* What goes over the wire, what may come back, and whom it is sent to. */
#include "server.h"

#include <sys/mman.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "http/answer.h"

#define EMPTY "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
#define HEAD(headers) "HTTP/1.1 200 OK\r\n" headers "\r\n"

/* One request to a server with these steps; *seen gets what the server read. */
static int ask(const struct step *steps, const struct http_request *like, struct http_answer *answer, struct buf *seen,
	       struct err *err)
{
	struct http *http = server_client(NULL);
	struct http_request request = *like;
	struct server server;
	int rc;

	server_start(&server, steps, NULL);
	request.url = server_url(&server, like->url ? like->url : "/");
	request.attempts = request.attempts ? request.attempts : 1;
	rc = http_send(http, &request, answer, err);
	http_free(http);
	server_stop(&server);
	if (seen)
		buf_put(seen, server.seen.data, server.seen.len);
	server_release(&server);
	return rc;
}

static bool has_line(struct buf *text, const char *line)
{
	char wanted[300];

	snprintf(wanted, sizeof(wanted), "\r\n%s\r\n", line);
	return strstr(buf_text(text), wanted);
}

static void requests_of_every_method(void **state)
{
	static const struct {
		enum http_method method;
		const char *body, *type, *start, *length;
	} cases[] = {
		{HTTP_GET, NULL, NULL, "GET /x HTTP/1.1\r\n", NULL},
		{HTTP_HEAD, NULL, NULL, "HEAD /x HTTP/1.1\r\n", NULL},
		{HTTP_DELETE, NULL, NULL, "DELETE /x HTTP/1.1\r\n", NULL},
		{HTTP_DELETE, "{}", "application/json", "DELETE /x HTTP/1.1\r\n", "Content-Length: 2"},
		{HTTP_PUT, "{\"a\":1}", "application/json", "PUT /x HTTP/1.1\r\n", "Content-Length: 7"},
		{HTTP_PATCH, "{}", "application/json", "PATCH /x HTTP/1.1\r\n", "Content-Length: 2"},
		{HTTP_POST, "a=b", "application/x-www-form-urlencoded", "POST /x HTTP/1.1\r\n", "Content-Length: 3"},
		{HTTP_PUT, NULL, NULL, "PUT /x HTTP/1.1\r\n", "Content-Length: 0"},
		{HTTP_POST, NULL, NULL, "POST /x HTTP/1.1\r\n", "Content-Length: 0"},
		{HTTP_PATCH, NULL, NULL, "PATCH /x HTTP/1.1\r\n", "Content-Length: 0"},
		{HTTP_POST, "", "text/plain", "POST /x HTTP/1.1\r\n", "Content-Length: 0"},
		{HTTP_POST, "a", NULL, "POST /x HTTP/1.1\r\n", "Content-Length: 1"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *body = cases[i].body;
		const struct http_request request = {
			.method = cases[i].method, .url = "/x", .body = body, .body_len = body ? strlen(body) : 0,
			.content_type = cases[i].type,
		};
		owned(http_answer) struct http_answer answer = {0};
		owned(buf) struct buf seen;
		char id[80], type[80];

		buf_init(&seen, 1 << 20);
		assert_int_equal(ask(STEPS({.answer = EMPTY}), &request, &answer, &seen, NULL), 0);
		assert_int_equal(strncmp(buf_text(&seen), cases[i].start, strlen(cases[i].start)), 0);
		snprintf(id, sizeof(id), "x-ms-client-request-id: %s", answer.request_id);
		snprintf(type, sizeof(type), "Content-Type: %s", cases[i].type ? cases[i].type : "");
		assert_true(has_line(&seen, "Accept: application/json"));
		assert_true(has_line(&seen, "User-Agent: test/1"));
		assert_true(has_line(&seen, "x-ms-return-client-request-id: true"));
		assert_true(has_line(&seen, id));
		assert_true(cases[i].type ? has_line(&seen, type) : !strcasestr(buf_text(&seen), "Content-Type"));
		assert_true(cases[i].length ? has_line(&seen, cases[i].length)
					    : !strstr(buf_text(&seen), "Content-Length"));
		assert_null(strcasestr(buf_text(&seen), "Expect:"));
		assert_null(strcasestr(buf_text(&seen), "Cookie:"));
		assert_null(strcasestr(buf_text(&seen), "Authorization:"));
		assert_string_equal(strstr(buf_text(&seen), "\r\n\r\n") + 4, body ? body : "");
	}
}

static void big_bodies_go_out_whole(void **state)
{
	/* For so many libcurl would first ask whether they are wanted. */
	const size_t len = 3 << 19;
	owned(mem) char *body = mem_zalloc(len);
	owned(http_answer) struct http_answer answer = {0};
	owned(buf) struct buf seen;
	const struct http_request request = {.method = HTTP_PUT, .body = body, .body_len = len};
	const char *at;

	(void)state;
	for (size_t i = 0; i < len; i++)
		body[i] = (char)(i * 2654435761u >> 13);
	buf_init(&seen, 4 << 20);
	assert_int_equal(ask(STEPS({.answer = EMPTY}), &request, &answer, &seen, NULL), 0);
	assert_null(memmem(seen.data, seen.len, "Expect:", 7));
	at = memmem(seen.data, seen.len, "\r\n\r\n", 4);
	assert_int_equal(seen.len - (size_t)(at + 4 - (const char *)seen.data), len);
	assert_memory_equal(at + 4, body, len);
}

static void headers_of_the_caller(void **state)
{
	static const struct http_header headers[] = {
		{"accept", "text/html"}, {"Metadata", "true"}, {"X-Empty", ""}, {"Content-Type", "a/b"},
		{"If-Match", "\"x\\y\""}, {"X-Name", "M\xc3\xbcller"}, {NULL, NULL}
	};
	const struct http_request request = {.method = HTTP_PUT, .headers = headers, .body = "x", .body_len = 1,
					     .content_type = "c/d"};
	owned(http_answer) struct http_answer answer = {0};
	owned(buf) struct buf seen;

	(void)state;
	buf_init(&seen, 1 << 20);
	assert_int_equal(ask(STEPS({.answer = EMPTY}), &request, &answer, &seen, NULL), 0);
	assert_true(has_line(&seen, "accept: text/html"));
	assert_null(strstr(buf_text(&seen), "application/json"));
	assert_true(has_line(&seen, "Metadata: true"));
	assert_true(has_line(&seen, "X-Empty:"));
	assert_true(has_line(&seen, "Content-Type: a/b"));
	assert_null(strstr(buf_text(&seen), "c/d"));
	assert_true(has_line(&seen, "If-Match: \"x\\y\""));
	assert_true(has_line(&seen, "X-Name: M\xc3\xbcller"));
}

/* Paths are not tidied up, queries not encoded again, and 7000 bytes are not too many. */
static void urls_are_sent_as_they_are(void **state)
{
	char path[7000] = "/a/../b/./%2E%2e//c;d?x=%20&sig=a+b%2Fc&y=", wanted[7100];
	const struct http_request request = {.method = HTTP_GET, .url = path};
	owned(http_answer) struct http_answer answer = {0};
	owned(buf) struct buf seen;

	(void)state;
	memset(path + strlen(path), 'z', sizeof(path) - 1 - strlen(path));
	snprintf(wanted, sizeof(wanted), "GET %s HTTP/1.1\r\n", path);
	buf_init(&seen, 1 << 20);
	assert_int_equal(ask(STEPS({.answer = "echo"}), &request, &answer, &seen, NULL), 0);
	assert_memory_equal(seen.data, wanted, strlen(wanted));
	assert_string_equal(buf_text(&answer.body), path);
}

static void answers_of_every_form(void **state)
{
	static const struct {
		enum http_method method;
		const char *text;
		unsigned status;
		const char *body;
	} cases[] = {
		{HTTP_GET, HEAD("Content-Length: 5\r\n") "hello", 200, "hello"},
		{HTTP_GET, HEAD("") "until the end", 200, "until the end"},
		{HTTP_GET, HEAD("Content-Length: 0\r\n"), 200, ""},
		{HTTP_GET, HEAD("Transfer-Encoding: chunked\r\n") "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n", 200, "abcde"},
		{HTTP_GET, HEAD("Transfer-Encoding: chunked\r\n") "1\r\na\r\n0\r\nX-After: b\r\n\r\n", 200, "a"},
		{HTTP_GET, "HTTP/1.1 100 Continue\r\nX-Early: 1\r\n\r\n" HEAD("Content-Length: 1\r\n") "a", 200, "a"},
		{HTTP_GET, "HTTP/1.0 200 OK\r\n\r\nold", 200, "old"},
		{HTTP_GET, "HTTP/1.1 204 None\r\n\r\n", 204, ""},
		{HTTP_GET, "HTTP/1.1 304 Same\r\nContent-Length: 9\r\n\r\n", 304, ""},
		{HTTP_GET, "HTTP/1.1 999 What\r\nContent-Length: 1\r\n\r\na", 999, "a"},
		{HTTP_GET, "HTTP/1.1 404 Not\r\nContent-Length: 2\r\n\r\n{}", 404, "{}"},
		{HTTP_HEAD, HEAD("Content-Length: 99\r\n"), 200, ""},
		{HTTP_HEAD, HEAD("Content-Length: 999999999999\r\n"), 200, ""},
		{HTTP_HEAD, HEAD("Transfer-Encoding: chunked\r\n"), 200, ""},
		{HTTP_DELETE, "HTTP/1.1 202 Later\r\nContent-Length: 0\r\n\r\n", 202, ""},
		/* Not followed. */
		{HTTP_GET, "HTTP/1.1 302 Elsewhere\r\nLocation: /other\r\nContent-Length: 1\r\n\r\nx", 302, "x"},
		{HTTP_POST, "HTTP/1.1 307 Elsewhere\r\nLocation: https://a.b/\r\nContent-Length: 0\r\n\r\n", 307, ""},
		{HTTP_GET, "HTTP/1.1 401 Who\r\nWWW-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n", 401, ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (int slowly = 0; slowly < 2; slowly++) {
			const struct http_request request = {.method = cases[i].method};
			const struct step step = {.answer = cases[i].text, .slowly = slowly, .end = STEP_CLOSE};
			owned(http_answer) struct http_answer answer = {0};
			owned(buf) struct buf seen;
			struct err err = {0};

			buf_init(&seen, 1 << 20);
			if (ask(STEPS(step), &request, &answer, &seen, &err) < 0)
				fail_msg("case %zu: %s", i, err.message);
			assert_int_equal(answer.status, cases[i].status);
			assert_string_equal(buf_text(&answer.body), cases[i].body);
			assert_null(strstr(strstr(buf_text(&seen), "\r\n\r\n") + 4, "HTTP/"));
			assert_null(http_answer_header(&answer, "X-Early"));
		}
}

static void headers_of_an_answer(void **state)
{
	static const char text[] = HEAD("Location: https://a/1\r\nX-Blank:   b  \r\nx-ms-ReQuest-id: 7\r\n"
					"LOCATION: https://a/2\r\nX-Empty:\r\nX-Folded: a\r\n b\r\n"
					"Set-Cookie: a=b\r\nContent-Length: 0\r\n");
	const struct http_request request = {.method = HTTP_GET};
	owned(http_answer) struct http_answer answer = {0};

	(void)state;
	assert_int_equal(ask(STEPS({.answer = text}), &request, &answer, NULL, NULL), 0);
	assert_string_equal(http_answer_header(&answer, "location"), "https://a/2");
	assert_string_equal(http_answer_header(&answer, "x-blank"), "b");
	assert_string_equal(http_answer_header(&answer, "X-MS-REQUEST-ID"), "7");
	assert_string_equal(http_answer_header(&answer, "X-Empty"), "");
	assert_string_equal(http_answer_header(&answer, "X-Folded"), "a b");
	assert_null(http_answer_header(&answer, "X-None"));
	assert_int_equal(answer.n_fields, 8);
}

static void compressed_answers(void **state)
{
	static const char text[] =
		HEAD("Content-Encoding: gzip\r\n")
		"\x1f\x8b\x08\x00\x01\x00\x00\x00\x02\xff\xab\x56\x2a\x4b\xcc\x29"
		"\x4d\x55\xb2\x8a\x8e\xad\x05\x00\x42\xea\x40\x44\x0c\x00\x00\x00";
	const struct step step = {.answer = text, .len = sizeof(text) - 1, .end = STEP_CLOSE};
	const struct http_request request = {.method = HTTP_GET};
	owned(http_answer) struct http_answer answer = {0};
	owned(buf) struct buf seen;

	(void)state;
	buf_init(&seen, 1 << 20);
	assert_int_equal(ask(STEPS(step), &request, &answer, &seen, NULL), 0);
	assert_non_null(strstr(buf_text(&seen), "\r\nAccept-Encoding: "));
	assert_string_equal(buf_text(&answer.body), "{\"value\":[]}");
}

/* Nothing is repeated but what was only cut short. */
static void answers_that_are_none(void **state)
{
	static const struct {
		const char *text;
		unsigned attempts;
	} cases[] = {
		{"garbage\r\n\r\n", 1},
		{"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 1},
		{"HTTP/1.1 abc OK\r\n\r\n", 1},
		{"HTTP/9.9 200 OK\r\n\r\n", 1},
		{"SSH-2.0-OpenSSH_9.2\r\n", 1},
		{"HTTP/1.1 200 OK\r\nno header at all\r\nContent-Length: 0\r\n\r\n", 1},
		{HEAD("Content-Length: -1\r\n"), 1},
		{HEAD("Content-Length: abc\r\n"), 1},
		{HEAD("Content-Encoding: gzip\r\nContent-Length: 8\r\n") "nogzip!!", 1},
		{HEAD("Content-Encoding: none-such\r\nContent-Length: 1\r\n") "a", 1},
		{HEAD("Transfer-Encoding: chunked\r\n") "zz\r\nab\r\n", 2},
		{HEAD("Transfer-Encoding: chunked\r\n") "fffffffffffffffffff\r\n", 2},
		{HEAD("Content-Length: 3\r\n") "ab", 2},
		{"HTTP/1.1 100 Continue\r\n\r\n", 2},
		{"HTTP/1.1 103 Early\r\nX: y\r\n\r\nHTTP/1.1 20", 2},
		{"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", 2},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct http_request request = {.method = HTTP_GET, .attempts = 2};
		const struct step step = {.answer = cases[i].text, .end = STEP_CLOSE};
		owned(http_answer) struct http_answer answer = {0};
		struct err err = {0};
		int rc = ask(STEPS(step), &request, &answer, NULL, &err);

		if (rc != -ERR_PROTOCOL || answer.attempts != cases[i].attempts)
			fail_msg("case %zu: %d, %u attempts: %s", i, rc, answer.attempts, err.message);
		assert_int_equal(err.retry, ERR_RETRY_IDEMPOTENT);
		assert_non_null(strstr(err.message, "no proper answer from '127.0.0.1': "));
	}
}

static void the_body_has_a_limit(void **state)
{
	static const struct {
		const char *head;
		size_t fill;
		int rc;
	} cases[] = {
		{HEAD("Content-Length: 16777216\r\n"), ANSWER_MAX, 0},
		{HEAD(""), ANSWER_MAX, 0},
		{HEAD("Content-Length: 16777217\r\n"), ANSWER_MAX + 1, -ERR_PROTOCOL},
		{HEAD("Content-Length: 20971520\r\n"), 20 << 20, -ERR_PROTOCOL},
		{HEAD(""), 20 << 20, -ERR_PROTOCOL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct http_request request = {.method = HTTP_GET, .attempts = 3};
		const struct step step = {.answer = cases[i].head, .fill = cases[i].fill, .end = STEP_CLOSE};
		owned(http_answer) struct http_answer answer = {0};
		struct err err = {0};

		assert_int_equal(ask(STEPS(step), &request, &answer, NULL, &err), cases[i].rc);
		assert_int_equal(answer.attempts, 1);
		if (cases[i].rc < 0)
			assert_non_null(strstr(err.message, "longer than 16 MiB"));
		else
			assert_int_equal(answer.body.len, ANSWER_MAX);
	}
}

static void headers_have_limits(void **state)
{
	const struct http_request request = {.method = HTTP_GET, .attempts = 3};
	owned(mem) char *many = mem_zalloc(1 << 20), *one = mem_zalloc(1 << 20);
	const struct {
		const char *text, *says;
	} cases[] = {{many, "more than 500 headers"}, {one, "longer than 256 KiB"}};

	(void)state;
	strcpy(many, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n");
	for (char *p = many + strlen(many); p < many + 6000; p += 6)
		strcpy(p, "X: y\r\n");
	strcat(many, "\r\n");
	strcpy(one, "HTTP/1.1 200 OK\r\nX: ");
	for (size_t i = 0; i < 9; i++) {
		size_t at = strlen(one);

		memset(one + at, 'y', 30000);
		strcat(one, "\r\nX: ");
	}
	strcat(one, "\r\nContent-Length: 0\r\n\r\n");
	for (size_t i = 0; i < 2; i++) {
		const struct step step = {.answer = cases[i].text, .end = STEP_CLOSE};
		owned(http_answer) struct http_answer answer = {0};
		struct err err = {0};

		assert_int_equal(ask(STEPS(step), &request, &answer, NULL, &err), -ERR_PROTOCOL);
		assert_non_null(strstr(err.message, cases[i].says));
		assert_int_equal(answer.attempts, 1);
		assert_int_equal(err.retry, ERR_RETRY_IDEMPOTENT);
	}
}

static void secret_answers_are_wiped(void **state)
{
	const struct http_request secret = {.method = HTTP_GET, .flags = HTTP_SECRET}, other = {.method = HTTP_GET};
	owned(http_answer) struct http_answer a = {0}, b = {0};

	(void)state;
	assert_int_equal(ask(STEPS({.answer = OK_ANSWER}), &secret, &a, NULL, NULL), 0);
	assert_int_equal(ask(STEPS({.answer = OK_ANSWER}), &other, &b, NULL, NULL), 0);
	assert_true(a.body.wipe);
	assert_false(b.body.wipe);
}

static int send_to(struct http *http, const char *url, unsigned flags, struct err *err)
{
	const struct http_request request = {.method = HTTP_GET, .url = url, .flags = flags, .attempts = 1};
	owned(http_answer) struct http_answer answer = {0};

	return http_send(http, &request, &answer, err);
}

static void plain_http_is_for_this_host(void **state)
{
	static const char *const forbidden[] = {
		"http://example.com/", "http://10.0.0.1/", "http://127.0.0.1.example.com/", "http://127.1/",
		"http://[::2]/", "http://localhost.example.com", "ftp://127.0.0.1/", "file:///etc/passwd",
		"file://localhost/etc/passwd",
		"gopher://127.0.0.1/", "httpx://127.0.0.1/", "HTTP://example.com/",
	};
	const struct http_settings usual = {.user_agent = "test/1"};
	struct http *strict = NULL, *loose = server_client(NULL);
	struct server server;

	(void)state;
	assert_int_equal(http_new(&usual, &strict, NULL), 0);
	server_start(&server, STEPS({.answer = OK_ANSWER}), NULL);
	for (size_t i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]); i++) {
		int wanted = strstr(forbidden[i], ":///") ? -ERR_INVALID : -ERR_DENIED;
		struct err err = {0};

		assert_int_equal(send_to(loose, forbidden[i], 0, &err), wanted);
		assert_int_equal(send_to(loose, forbidden[i], HTTP_LOCAL, &err), wanted);
		assert_int_equal(send_to(strict, forbidden[i], HTTP_LOCAL, &err), wanted);
		assert_int_equal(err.retry, ERR_RETRY_NEVER);
	}
	assert_int_equal(send_to(loose, server_url(&server, "/"), 0, NULL), 0);
	assert_int_equal(send_to(strict, server_url(&server, "/"), 0, NULL), -ERR_DENIED);
	assert_int_equal(send_to(strict, server_url(&server, "/"), HTTP_LOCAL, NULL), 0);
	assert_int_equal(send_to(loose, "http://169.254.169.254/", 0, NULL), -ERR_DENIED);
	http_free(strict);
	http_free(loose);
	server_stop(&server);
	assert_int_equal(server.n_requests, 2);
	server_release(&server);
}

/* Plain http would leave this host if a proxy took it. */
static void proxies_see_no_plain_request(void **state)
{
	struct server server, proxy;
	struct http *http = server_client(NULL);

	(void)state;
	server_start(&server, STEPS({.answer = OK_ANSWER}), NULL);
	server_start(&proxy, STEPS({.answer = OK_ANSWER}), NULL);
	setenv("http_proxy", server_url(&proxy, ""), 1);
	setenv("all_proxy", server_url(&proxy, ""), 1);
	assert_int_equal(send_to(http, server_url(&server, "/"), 0, NULL), 0);
	assert_int_equal(send_to(http, server_url(&server, "/"), HTTP_LOCAL, NULL), 0);
	unsetenv("http_proxy");
	unsetenv("all_proxy");
	http_free(http);
	server_stop(&server);
	server_stop(&proxy);
	assert_int_equal(proxy.n_connections, 0);
	assert_int_equal(server.n_requests, 2);
	server_release(&server);
	server_release(&proxy);
}

static void a_proxy_that_refuses(void **state)
{
	static const struct http_header headers[] = {{"X", "SECRET"}, {NULL, NULL}};
	struct http_request request = {.method = HTTP_GET, .url = "https://example.invalid/", .headers = headers};
	owned(http_answer) struct http_answer answer = {0}, other = {0};
	struct err err = {0};
	struct server proxy;
	struct http *http = server_client(NULL);

	(void)state;
	server_start(&proxy, STEPS({.answer = "HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n"}), NULL);
	setenv("https_proxy", server_url(&proxy, ""), 1);
	assert_int_equal(http_send(http, &request, &answer, &err), -ERR_DENIED);
	assert_non_null(strstr(err.message, "the proxy does not let us reach 'example.invalid': it answers 407"));
	assert_int_equal(answer.attempts, 1);
	server_stop(&proxy);
	/* It is named when it is the one who cannot be reached. */
	assert_int_equal(http_send(http, &request, &other, &err), -ERR_UNREACHABLE);
	assert_int_equal(err.retry, ERR_RETRY_SAFE);
	assert_non_null(strstr(err.message, "cannot reach 'example.invalid': Failed to connect to 127.0.0.1 port"));
	unsetenv("https_proxy");
	http_free(http);
	assert_memory_equal(proxy.seen.data, "CONNECT example.invalid:443 HTTP/1.1\r\n", 38);
	assert_null(strstr(buf_text(&proxy.seen), "SECRET"));
	server_release(&proxy);
}

/* FOLDER/NAME.pem: a certificate that vouches for itself, for this address. */
static void make_certificate(const char *folder, const char *name, const char *address, SSL_CTX *tls)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();
	char san[80];
	X509_EXTENSION *extension;
	FILE *file;

	snprintf(san, sizeof(san), "IP:%s", address);
	X509_set_version(cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
	X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
	X509_set_pubkey(cert, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC, (const unsigned char *)name, -1,
				   -1, 0);
	X509_set_issuer_name(cert, X509_get_subject_name(cert));
	extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, san);
	X509_add_ext(cert, extension, -1);
	assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
	file = fopen(in(folder, name), "w");
	assert_non_null(file);
	PEM_write_X509(file, cert);
	fclose(file);
	assert_int_equal(SSL_CTX_use_certificate(tls, cert), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(tls, key), 1);
	X509_EXTENSION_free(extension);
	X509_free(cert);
	EVP_PKEY_free(key);
}

/* Send one GET to an https server; version: the newest it speaks. */
static int ask_tls(const char *folder, const char *address, const char *ca_file, int version, size_t *ret_requests,
		   struct err *err)
{
	SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
	const char *file = ca_file ? in(folder, ca_file) : NULL;
	struct server server;
	struct http *http;
	int rc;

	make_certificate(folder, "server.pem", address, tls);
	SSL_CTX_set_security_level(tls, 0);
	SSL_CTX_set_min_proto_version(tls, TLS1_VERSION);
	SSL_CTX_set_max_proto_version(tls, version);
	http = server_client(file);
	server_start(&server, STEPS({.answer = OK_ANSWER, .end = STEP_CLOSE}), tls);
	rc = send_to(http, server_url(&server, "/"), 0, err);
	http_free(http);
	server_stop(&server);
	*ret_requests = server.n_requests;
	server_release(&server);
	SSL_CTX_free(tls);
	return rc;
}

static void certificates_are_checked(void **state)
{
	SSL_CTX *other = SSL_CTX_new(TLS_server_method());
	const struct {
		const char *address, *ca_file;
		int version, rc;
	} cases[] = {
		{"127.0.0.1", "server.pem", TLS1_3_VERSION, 0},
		{"127.0.0.1", "server.pem", TLS1_2_VERSION, 0},
		{"127.0.0.1", "server.pem", TLS1_1_VERSION, -ERR_UNREACHABLE},
		{"127.0.0.1", NULL, TLS1_3_VERSION, -ERR_DENIED},
		{"127.0.0.1", "other.pem", TLS1_3_VERSION, -ERR_DENIED},
		{"127.0.0.2", "server.pem", TLS1_3_VERSION, -ERR_DENIED},
	};

	make_certificate(*state, "other.pem", "127.0.0.1", other);
	SSL_CTX_free(other);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err err = {0};
		size_t requests;
		int rc = ask_tls(*state, cases[i].address, cases[i].ca_file, cases[i].version, &requests, &err);

		if (rc != cases[i].rc)
			fail_msg("case %zu: %d: %s", i, rc, err.message);
		assert_int_equal(requests, rc == 0);
		assert_int_equal(err.retry, rc == -ERR_UNREACHABLE ? ERR_RETRY_SAFE : ERR_RETRY_NEVER);
		if (rc == -ERR_DENIED)
			assert_non_null(strstr(err.message, "cannot trust '127.0.0.1': "));
	}
}

static void a_ca_file_holds_certificates(void **state)
{
	struct err err = {0};
	size_t requests;

	assert_int_equal(file_write(in(*state, "junk.pem"), "junk", 4, 0644, NULL), 0);
	assert_int_equal(ask_tls(*state, "127.0.0.1", "junk.pem", TLS1_3_VERSION, &requests, &err), -ERR_INVALID);
	assert_non_null(strstr(err.message, "junk.pem"));
	assert_int_equal(requests, 0);
}

static void https_to_a_server_without_tls(void **state)
{
	struct server server;
	struct http *http = server_client(NULL);
	char url[60];
	struct err err = {0};

	(void)state;
	server_start(&server, STEPS({.answer = "HTTP/1.1 400 Bad\r\n\r\n", .unread = true, .end = STEP_CLOSE}), NULL);
	snprintf(url, sizeof(url), "https://127.0.0.1:%u/", server.port);
	assert_int_equal(send_to(http, url, 0, &err), -ERR_UNREACHABLE);
	assert_int_equal(err.retry, ERR_RETRY_SAFE);
	http_free(http);
	server_stop(&server);
	server_release(&server);
}

/* With Debian's settings OpenSSL itself would refuse old protocols. */
static void let_openssl_speak_anything(void)
{
	static const char text[] = "openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n"
				   "[c]\nMinProtocol = TLSv1\nCipherString = DEFAULT@SECLEVEL=0\n";
	int fd = memfd_create("openssl.cnf", 0);
	char path[40];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (write(fd, text, strlen(text)) == (ssize_t)strlen(text))
		setenv("OPENSSL_CONF", path, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_of_every_method),
		cmocka_unit_test(big_bodies_go_out_whole),
		cmocka_unit_test(headers_of_the_caller),
		cmocka_unit_test(urls_are_sent_as_they_are),
		cmocka_unit_test(answers_of_every_form),
		cmocka_unit_test(headers_of_an_answer),
		cmocka_unit_test(compressed_answers),
		cmocka_unit_test(answers_that_are_none),
		cmocka_unit_test(the_body_has_a_limit),
		cmocka_unit_test(headers_have_limits),
		cmocka_unit_test(secret_answers_are_wiped),
		cmocka_unit_test(plain_http_is_for_this_host),
		cmocka_unit_test(proxies_see_no_plain_request),
		cmocka_unit_test(a_proxy_that_refuses),
		cmocka_unit_test(https_to_a_server_without_tls),
		temp_test(certificates_are_checked),
		temp_test(a_ca_file_holds_certificates),
	};
	static const char *const proxies[] = {
		"http_proxy", "https_proxy", "all_proxy", "HTTPS_PROXY", "ALL_PROXY", "no_proxy", "NO_PROXY"
	};

	let_openssl_speak_anything();
	/* SSL_write() knows no MSG_NOSIGNAL. */
	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < sizeof(proxies) / sizeof(proxies[0]); i++)
		unsetenv(proxies[i]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
