/* SPDX-License-Identifier: Apache-2.0 */
/* URLs by their text: as strict as it takes that nobody else reads them in another way. */
#include "http/url.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"
static const char unreserved[] = LETTERS DIGITS "-._~";

static bool is(const char *text, size_t len, const char *word)
{
	return len == strlen(word) && strncasecmp(text, word, len) == 0;
}

static bool has_bad_character(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text <= ' ' || *text == 0x7f)
			return true;
	return false;
}

/* ":port", or nothing, between p and end. */
static bool take_port(const char *p, const char *end, struct url *ret)
{
	unsigned port = 0;

	ret->port = is(ret->scheme, ret->scheme_len, "https") ? 443 : is(ret->scheme, ret->scheme_len, "http") ? 80 : 0;
	if (p == end)
		return true;
	if (*p++ != ':' || p == end || end - p > 5)
		return false;
	for (; p < end; p++) {
		if (*p < '0' || *p > '9')
			return false;
		port = port * 10 + (unsigned)(*p - '0');
	}
	ret->port = port;
	return port >= 1 && port <= 65535;
}

/* No other characters: backslashes, '@' and escapes are where parsers disagree. */
static bool take_host(const char *p, const char *end, struct url *ret)
{
	bool bracket = *p == '[';

	ret->host = p + bracket;
	ret->host_len = strspn(ret->host, bracket ? "0123456789abcdefABCDEF:." : LETTERS DIGITS "-._");
	p = ret->host + ret->host_len;
	if (!ret->host_len || (bracket && *p++ != ']'))
		return false;
	return take_port(p, end, ret);
}

static bool take_all(const char *text, struct url *ret)
{
	const char *authority, *end;

	ret->scheme = text;
	ret->scheme_len = strspn(text, LETTERS DIGITS "+-.");
	if (!isalpha((unsigned char)*text) || strncmp(text + ret->scheme_len, "://", 3) != 0)
		return false;
	authority = text + ret->scheme_len + 3;
	end = authority + strcspn(authority, "/?#");
	if (!take_host(authority, end, ret))
		return false;
	ret->path = end;
	ret->path_len = strcspn(end, "?#");
	end += ret->path_len;
	if (*end == '?') {
		ret->query = end + 1;
		ret->query_len = strcspn(ret->query, "#");
	}
	return true;
}

int url_split(const char *text, struct url *ret, struct err *err)
{
	struct url url = {0};
	owned(buf) struct buf shown = {0};

	if (!has_bad_character(text) && take_all(text, &url)) {
		*ret = url;
		return 0;
	}
	buf_init(&shown, URL_SHOWN);
	url_redact(text, &shown);
	return err_set(err, ERR_INVALID, "no URL: '%s'", buf_text(&shown));
}

bool url_is_https(const struct url *url)
{
	return is(url->scheme, url->scheme_len, "https");
}

/* An address in its one strict form: curl takes others, which then are no loopback to us. */
static bool address(const struct url *url, int family, void *ret)
{
	char text[INET6_ADDRSTRLEN];

	if (url->host_len >= sizeof(text))
		return false;
	memcpy(text, url->host, url->host_len);
	text[url->host_len] = 0;
	return inet_pton(family, text, ret) == 1;
}

bool url_is_loopback(const struct url *url)
{
	struct in_addr v4;
	struct in6_addr v6;

	if (address(url, AF_INET, &v4))
		return ntohl(v4.s_addr) >> 24 == 127;
	if (address(url, AF_INET6, &v6))
		return IN6_IS_ADDR_LOOPBACK(&v6);
	return is(url->host, url->host_len, "localhost");
}

bool url_is_link_local(const struct url *url)
{
	struct in_addr v4;

	return address(url, AF_INET, &v4) && ntohl(v4.s_addr) >> 16 == (169 << 8 | 254);
}

bool url_same_origin(const struct url *a, const struct url *b)
{
	return a->port == b->port && a->scheme_len == b->scheme_len && a->host_len == b->host_len &&
	       strncasecmp(a->scheme, b->scheme, a->scheme_len) == 0 &&
	       strncasecmp(a->host, b->host, a->host_len) == 0;
}

void url_encode(struct buf *ret, const char *text, size_t len)
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c && strchr(unreserved, c)) {
			buf_put_u8(ret, c);
			continue;
		}
		buf_put_u8(ret, '%');
		buf_put_u8(ret, (uint8_t)digits[c >> 4]);
		buf_put_u8(ret, (uint8_t)digits[c & 15]);
	}
}

void url_form(struct buf *ret, const char *name, const char *value)
{
	if (ret->len)
		buf_put_u8(ret, '&');
	url_encode(ret, name, strlen(name));
	buf_put_u8(ret, '=');
	url_encode(ret, value, strlen(value));
}

/* t, c, s, h sign the URLs of operations in Resource Manager. */
static bool is_telling(const char *name, size_t len)
{
	static const char *const names[] = {
		"t", "c", "s", "h", "sig", "signature", "token", "code", "key", "password", "secret", "assertion",
		"access_token", "id_token", "refresh_token", "client_secret", "client_assertion", "sastoken", NULL
	};

	/* An escaped name may be any of them. */
	if (memchr(name, '%', len))
		return true;
	for (size_t i = 0; names[i]; i++)
		if (is(name, len, names[i]))
			return true;
	return false;
}

/* What is shown of a text, and how much of it may follow. */
struct shown {
	struct buf *to;
	size_t left;
};

static void show(struct shown *s, const char *text, size_t len)
{
	static const char dots[] = "...";
	const size_t n_dots = sizeof(dots) - 1;

	if (len + n_dots <= s->left) {
		buf_put(s->to, text, len);
		s->left -= len;
		return;
	}
	if (s->left == 0)
		return;
	len = s->left - n_dots;
	/* Between two characters of UTF-8. */
	while (len && (text[len] & 0xc0) == 0x80)
		len--;
	buf_put(s->to, text, len);
	buf_put(s->to, dots, n_dots);
	s->left = 0;
}

static void show_query(struct shown *s, const char *text)
{
	static const char redacted[] = "=REDACTED";

	while (*text && s->left) {
		size_t name = strcspn(text, "=&;?#");
		bool telling = text[name] == '=' && is_telling(text, name);
		/* A ';' may be part of a secret; elsewhere a name may follow it. */
		size_t value = text[name] == '=' ? strcspn(text + name, telling ? "&#" : "&;?#") : 0;

		show(s, text, name);
		if (telling)
			show(s, redacted, sizeof(redacted) - 1);
		else
			show(s, text + name, value);
		text += name + value;
		if (*text)
			show(s, text++, 1);
	}
}

void url_redact(const char *text, struct buf *ret)
{
	const char *authority = strstr(text, "://"), *at = NULL;
	struct shown s = {ret, URL_SHOWN};
	struct url url = {0};
	size_t plain;

	/* What take_all() accepts names no user; in anything else a password may end anywhere. */
	if (authority && authority < text + strcspn(text, "?#") && !take_all(text, &url))
		at = strrchr(authority, '@');
	if (at) {
		show(&s, text, (size_t)(authority - text));
		show(&s, "://REDACTED", 11);
		text = at;
	}
	plain = strcspn(text, "?#");
	show(&s, text, plain);
	show_query(&s, text + plain);
}
