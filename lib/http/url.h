/* SPDX-License-Identifier: Apache-2.0 */
/* url - taking URLs apart, putting values into them, hiding what they hold. */
#ifndef HTTP_URL_H
#define HTTP_URL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

struct err;

/* Pieces of an absolute URL, all inside the text: nothing is decoded. */
struct url {
	const char *scheme, *host, *path;	/* host without brackets, path from "/" on, may be "" */
	size_t scheme_len, host_len, path_len;	/* path_len without the query */
	unsigned port;				/* 443 and 80 where none is named, 0 for other schemes */
	const char *query;			/* behind '?', NULL without; ends at '#' or the end */
	size_t query_len;
};

/* ERR_INVALID for anything but scheme://host[:port][/path][?query][#fragment]: a user name,
 * control characters, blanks, a missing host. A host consists of letters, digits, '-', '.'
 * and '_' (names in other scripts: in Punycode), or is an IPv6 address in brackets. */
int url_split(const char *text, struct url *ret, struct err *err);

bool url_is_https(const struct url *url);
bool url_is_loopback(const struct url *url);	/* by its text: 127.x.x.x, ::1, localhost */
bool url_is_link_local(const struct url *url);	/* 169.254.x.x */
/* Same scheme, host (case ignored) and port. */
bool url_same_origin(const struct url *a, const struct url *b);

/* Append text percent-encoded but for unreserved characters (RFC 3986 section 2.3). */
void url_encode(struct buf *ret, const char *text, size_t len);
/* Append "name=value", encoded, behind a '&' unless ret is empty. */
void url_form(struct buf *ret, const char *name, const char *value);

enum { URL_SHOWN = 256 };
/* Append the URL as it may be shown, at most URL_SHOWN bytes of it: values of parameters that
 * carry signatures or tokens (t, c, s, h, sig, token, access_token, client_secret, code …) and
 * what stands before an '@' are "REDACTED". Works on any text. */
void url_redact(const char *text, struct buf *ret);

#endif
