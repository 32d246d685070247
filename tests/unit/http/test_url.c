/* SPDX-License-Identifier: Apache-2.0 */
#include "../base/temp.h"

#include <strings.h>

#include <curl/curl.h>

#include "http/url.h"

static void urls_are_taken_apart(void **state)
{
	static const struct {
		const char *text, *scheme, *host, *path, *query;
		unsigned port;
	} cases[] = {
		{"https://management.azure.com", "https", "management.azure.com", "", NULL, 443},
		{"https://a.b/", "https", "a.b", "/", NULL, 443},
		{"http://a", "http", "a", "", NULL, 80},
		{"HTTPS://A.B:8443/C?d=e&f#g?h", "HTTPS", "A.B", "/C", "d=e&f", 8443},
		{"https://a?b", "https", "a", "", "b", 443},
		{"https://a/?", "https", "a", "/", "", 443},
		{"https://a/b#c?d", "https", "a", "/b", NULL, 443},
		{"https://a#b", "https", "a", "", NULL, 443},
		{"https://a:1", "https", "a", "", NULL, 1},
		{"https://a:65535/", "https", "a", "/", NULL, 65535},
		{"https://[::1]:80/x", "https", "::1", "/x", NULL, 80},
		{"http://[fe80::1.2.3.4]", "http", "fe80::1.2.3.4", "", NULL, 80},
		{"https://a/b@c:d//e:f", "https", "a", "/b@c:d//e:f", NULL, 443},
		{"https://a_b-c.d/%2e%2e/../x", "https", "a_b-c.d", "/%2e%2e/../x", NULL, 443},
		{"x+y-z.1://a", "x+y-z.1", "a", "", NULL, 0},
		{"https://a/\xc3\xa9", "https", "a", "/\xc3\xa9", NULL, 443},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct url u;

		assert_int_equal(url_split(cases[i].text, &u, NULL), 0);
		assert_int_equal(u.scheme_len, strlen(cases[i].scheme));
		assert_memory_equal(u.scheme, cases[i].scheme, u.scheme_len);
		assert_int_equal(u.host_len, strlen(cases[i].host));
		assert_memory_equal(u.host, cases[i].host, u.host_len);
		assert_int_equal(u.path_len, strlen(cases[i].path));
		assert_memory_equal(u.path, cases[i].path, u.path_len);
		assert_int_equal(u.port, cases[i].port);
		assert_int_equal(!u.query, !cases[i].query);
		assert_int_equal(u.query_len, u.query ? strlen(cases[i].query) : 0);
		if (u.query)
			assert_memory_equal(u.query, cases[i].query, u.query_len);
	}
}

static void what_is_no_url_is_refused(void **state)
{
	static const char *const texts[] = {
		"", "a", "https", "https:", "https:/", "https://", "https:///a", "https://:80", "https://?a",
		"https://#a", "://a", "1s://a", "ht tp://a", "https:a", "//a", "/a",
		"https://u@a", "https://u:p@a/", "https://@a", "https://a@", "https://a\\b", "https://a\\@b/",
		"https://a:", "https://a:/", "https://a:0", "https://a:65536", "https://a:123456", "https://a:1x",
		"https://a:-1", "https://a:+1", "https://a: 1", "https://a:1:2",
		"https://a b", "https://a/b c", "https://a/\t", "https://a/\r\nX: y", "https://a\n", " https://a",
		"https://a/\x7f", "https://a?b\x01", "https://a%2eb", "https://\xc3\xa9", "https://a,b", "https://a!b",
		"https://[::1", "https://[]", "https://[::1]x", "https://[g]", "https://::1",
		"https://[fe80::1%25eth0]",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct url u = {.port = 7};
		struct err err = {0};

		assert_int_equal(url_split(texts[i], &u, &err), -ERR_INVALID);
		assert_int_equal(u.port, 7);
		assert_non_null(strstr(err.message, "no URL"));
	}
}

static void refusals_show_no_secret(void **state)
{
	struct err err = {0};
	struct url u;

	(void)state;
	assert_int_equal(url_split("https://me:SECRET/x@a/ b?sig=SECRET", &u, &err), -ERR_INVALID);
	assert_null(strstr(err.message, "SECRET"));
	assert_non_null(strstr(err.message, "@a/"));
}

static struct url must_split(const char *text)
{
	struct url u;

	assert_int_equal(url_split(text, &u, NULL), 0);
	return u;
}

static void hosts_have_kinds(void **state)
{
	static const struct {
		const char *text;
		bool https, loopback, link_local;
	} cases[] = {
		{"https://127.0.0.1", true, true, false},
		{"http://127.255.1.2:99/", false, true, false},
		{"http://[::1]/", false, true, false},
		{"http://[0:0:0:0:0:0:0:1]/", false, true, false},
		{"http://LocalHost/", false, true, false},
		{"HTTPS://localhost/", true, true, false},
		{"http://169.254.169.254/metadata", false, false, true},
		{"http://169.254.0.1", false, false, true},
		/* What looks like one of them to us or to others. */
		{"http://127.0.0.1.example.com/", false, false, false},
		{"http://127.0.0.example/", false, false, false},
		{"http://localhost.example.com/", false, false, false},
		{"http://localhost./", false, false, false},
		{"http://xlocalhost/", false, false, false},
		{"http://127.1/", false, false, false},
		{"http://0x7f.0.0.1/", false, false, false},
		{"http://0177.0.0.1/", false, false, false},
		{"http://2130706433/", false, false, false},
		{"http://127.0.0.1./", false, false, false},
		{"http://0.0.0.0/", false, false, false},
		{"http://[::]/", false, false, false},
		{"http://[::ffff:127.0.0.1]/", false, false, false},
		{"http://128.0.0.1/", false, false, false},
		{"http://169.255.0.1/", false, false, false},
		{"http://169.254.1/", false, false, false},
		{"http://169.254.169.254.example/", false, false, false},
		{"http://[fe80::1]/", false, false, false},
		{"httpsx://a/", false, false, false},
		{"ftp://127.0.0.1/", false, true, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct url u = must_split(cases[i].text);

		assert_int_equal(url_is_https(&u), cases[i].https);
		assert_int_equal(url_is_loopback(&u), cases[i].loopback);
		assert_int_equal(url_is_link_local(&u), cases[i].link_local);
	}
}

static void origins_are_compared(void **state)
{
	static const struct {
		const char *a, *b;
		bool same;
	} cases[] = {
		{"https://a.b/x", "HTTPS://A.B:443/y?z", true},
		{"http://a", "http://a:80/", true},
		{"https://a", "http://a:443", false},
		{"https://a", "https://a:444", false},
		{"https://a", "https://ab", false},
		{"https://a.b", "https://a.c", false},
		{"https://a", "https://a.", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct url a = must_split(cases[i].a), b = must_split(cases[i].b);

		assert_int_equal(url_same_origin(&a, &b), cases[i].same);
		assert_int_equal(url_same_origin(&b, &a), cases[i].same);
	}
}

static void values_are_encoded(void **state)
{
	owned(buf) struct buf b;

	(void)state;
	buf_init(&b, 1000);
	url_encode(&b, "aZ09-._~", 8);
	url_encode(&b, " /?&=+%\0\xff", 9);
	assert_string_equal(buf_text(&b), "aZ09-._~%20%2F%3F%26%3D%2B%25%00%FF");
	buf_clear(&b);
	url_form(&b, "grant type", "client_credentials");
	url_form(&b, "s", "a&b=c");
	url_form(&b, "empty", "");
	assert_string_equal(buf_text(&b), "grant%20type=client_credentials&s=a%26b%3Dc&empty=");
}

static void secrets_of_urls_are_hidden(void **state)
{
	static const struct {
		const char *text, *shown;
	} cases[] = {
		{"https://a/b?api-version=1&t=2&c=3&s=4&h=5&x=6",
		 "https://a/b?api-version=1&t=REDACTED&c=REDACTED&s=REDACTED&h=REDACTED&x=6"},
		{"https://a?SIG=x%3D&sv=1", "https://a?SIG=REDACTED&sv=1"},
		{"https://a?sig=x;y&z=1", "https://a?sig=REDACTED&z=1"},
		{"https://a?z=1;sig=x", "https://a?z=1;sig=REDACTED"},
		{"https://a?z=1?sig=x", "https://a?z=1?sig=REDACTED"},
		{"https://a?sig=x=y==&z=a=b", "https://a?sig=REDACTED&z=a=b"},
		{"https://a?sig=", "https://a?sig=REDACTED"},
		{"https://a?sig", "https://a?sig"},
		{"https://a?sig&sig=1", "https://a?sig&sig=REDACTED"},
		{"https://a?s%69g=x&%74=1", "https://a?s%69g=REDACTED&%74=REDACTED"},
		{"https://a#access_token=x&b=c", "https://a#access_token=REDACTED&b=c"},
		{"https://a?b=c#id_token=x", "https://a?b=c#id_token=REDACTED"},
		{"?code=x", "?code=REDACTED"},
		{"https://u:p@a/?b", "https://REDACTED@a/?b"},
		{"https://u:p/w?x@a/?b", "https://REDACTED@a/?b"},
		{"https://a/b@c", "https://a/b@c"},
		{"https://a?signal=1&tt=2&design=3", "https://a?signal=1&tt=2&design=3"},
		{"https://a?client_secret=x&client_assertion=y&token=z",
		 "https://a?client_secret=REDACTED&client_assertion=REDACTED&token=REDACTED"},
		{"", ""}, {"?", "?"}, {"&&==", "&&=="}, {"?=x", "?=x"}, {"no url at all", "no url at all"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		owned(buf) struct buf b;

		buf_init(&b, 1000);
		buf_put_str(&b, "<");
		url_redact(cases[i].text, &b);
		assert_int_equal(buf_text(&b)[0], '<');
		assert_string_equal(buf_text(&b) + 1, cases[i].shown);
	}
}

/* Of any length, and never cut inside a character. */
static void long_urls_are_cut(void **state)
{
	(void)state;
	for (size_t len = 200; len < 300; len++)
		for (unsigned shift = 0; shift < 2; shift++) {
			owned(mem) char *text = mem_zalloc(2 * len + 40);
			owned(buf) struct buf b;

			strcpy(text, shift ? "https://aa/?sig=1&" : "https://a/?sig=1&");
			for (size_t i = 0; i < len; i++)
				strcat(text, "\xc3\xa9");
			buf_init(&b, URL_SHOWN);
			url_redact(text, &b);
			assert_int_equal(buf_check(&b, NULL), 0);
			assert_true(b.len > URL_SHOWN - 8 && b.len <= URL_SHOWN);
			assert_memory_equal(b.data + b.len - 3, "...", 3);
			assert_int_equal(b.data[b.len - 4], 0xa9);
			assert_non_null(strstr(buf_text(&b), "sig=REDACTED&"));
		}
}

static void megabytes_are_taken(void **state)
{
	const size_t size = 4 << 20;
	owned(mem) char *text = mem_zalloc(size);
	owned(buf) struct buf b;
	struct url u;

	(void)state;
	memset(text, 'a', size - 1);
	memcpy(text, "https://a/?sig=", 15);
	assert_int_equal(url_split(text, &u, NULL), 0);
	assert_int_equal(u.query_len, size - 1 - 11);
	buf_init(&b, URL_SHOWN);
	url_redact(text, &b);
	assert_string_equal(buf_text(&b), "https://a/?sig=REDACTED");
}

static uint64_t next_random(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return *state >> 33;
}

static void check_part(CURLU *handle, CURLUPart part, unsigned flags, const char *text, size_t len)
{
	char *other = NULL;

	assert_int_equal(curl_url_get(handle, part, &other, flags), CURLUE_OK);
	assert_int_equal(strlen(other), len);
	assert_int_equal(strncasecmp(other, text, len), 0);
	curl_free(other);
}

/* curl_url_set() has the last word where a request goes: what we take, it reads alike. */
static void check_alike(const char *text)
{
	CURLU *handle = curl_url();
	struct url u;
	char port[12];

	assert_non_null(handle);
	if (url_split(text, &u, NULL) == 0 && (url_is_https(&u) || u.port) &&
	    curl_url_set(handle, CURLUPART_URL, text, CURLU_PATH_AS_IS) == CURLUE_OK) {
		char *user = NULL;

		snprintf(port, sizeof(port), "%u", u.port);
		check_part(handle, CURLUPART_SCHEME, 0, u.scheme, u.scheme_len);
		check_part(handle, CURLUPART_PORT, CURLU_DEFAULT_PORT, port, strlen(port));
		assert_int_equal(curl_url_get(handle, CURLUPART_USER, &user, 0), CURLUE_NO_USER);
		/* Numbers as hosts become addresses, addresses of IPv6 their shortest form. */
		if (!memchr("0123456789", u.host[0], 10) && !memchr(u.host, ':', u.host_len))
			check_part(handle, CURLUPART_HOST, 0, u.host, u.host_len);
		if (u.path_len)
			check_part(handle, CURLUPART_PATH, 0, u.path, u.path_len);
	}
	curl_url_cleanup(handle);
}

static void curl_reads_urls_alike(void **state)
{
	static const char *const pieces[] = {
		"https", "http", "://", ":", "/", "?", "#", "@", "\\", "[", "]", "::1", "a", "b.c", "127.0.0.1",
		"localhost", ".", "..", "%2f", "%40", "80", ":443", "=", "&", "sig=", "-", "_", "\xc3\xa9", "\t", " ",
		";", ",", "!",
	};
	uint64_t seed = 20261125;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		char text[200] = "https://";
		size_t n = next_random(&seed) % 9;

		text[next_random(&seed) % 4 ? 8 : 0] = 0;
		while (n--)
			strcat(text, pieces[next_random(&seed) % (sizeof(pieces) / sizeof(pieces[0]))]);
		check_alike(text);
	}
}

/* Any text: the marker stands behind '=' of a telling name only, and must not be shown. */
static void no_text_makes_redaction_fail(void **state)
{
	static const char *const pieces[] = {
		"sig=SECRET", "t=SECRET", "Token=SECRET", "?", "&", "#", "https://a", "/", "x=1", ";", "=",
		"%", "\xff", "\n", "@",
	};
	uint64_t seed = 7;

	(void)state;
	for (int i = 0; i < 100000; i++) {
		char text[200] = "?";
		owned(buf) struct buf b;

		for (size_t n = next_random(&seed) % 9; n; n--) {
			const char *piece = pieces[next_random(&seed) % (sizeof(pieces) / sizeof(pieces[0]))];

			if (strstr(piece, "SECRET"))
				strcat(text, "&");
			strcat(text, piece);
			if (strstr(piece, "SECRET"))
				strcat(text, "&");
		}
		buf_init(&b, URL_SHOWN);
		url_redact(text, &b);
		assert_null(strstr(buf_text(&b), "SECRET"));
	}
}

static int encode_and_redact(void)
{
	owned(buf) struct buf b;

	buf_init(&b, 10000);
	url_form(&b, "a", "b");
	url_redact("https://a/b?sig=c&d=eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee", &b);
	return buf_check(&b, NULL);
}

static void memory_runs_out(void **state)
{
	(void)state;
	assert_survives_no_memory(encode_and_redact());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(urls_are_taken_apart),
		cmocka_unit_test(what_is_no_url_is_refused),
		cmocka_unit_test(refusals_show_no_secret),
		cmocka_unit_test(hosts_have_kinds),
		cmocka_unit_test(origins_are_compared),
		cmocka_unit_test(values_are_encoded),
		cmocka_unit_test(secrets_of_urls_are_hidden),
		cmocka_unit_test(long_urls_are_cut),
		cmocka_unit_test(megabytes_are_taken),
		cmocka_unit_test(curl_reads_urls_alike),
		cmocka_unit_test(no_text_makes_redaction_fail),
		cmocka_unit_test(memory_runs_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
