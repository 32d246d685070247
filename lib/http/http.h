/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http - requests to web services: many at once, over TLS, repeated with care.
 *
 * One client serves any number of threads. A thread of its own drives all
 * transfers through libcurl's multi interface, so connections are shared; each
 * caller waits for its own answer. A wait ends early when the command is
 * cancelled or its deadline passes (base/cancel.h).
 *
 * Rules that no caller can forget: https only (see the two exceptions below);
 * certificates are checked; redirects are not followed (an answer of 3xx is an
 * answer); proxies come from the environment as curl reads it; credentials and
 * signed parameters of URLs appear in no log and no error.
 */
#ifndef HTTP_HTTP_H
#define HTTP_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct err;
struct http;
struct secret;

struct http_settings {
	const char *user_agent;	/* borrowed while http_new() runs, as all here */
	const char *ca_file;	/* PEM of the only trusted authorities; NULL = the system's */
	bool allow_loopback;	/* plain http to 127.0.0.0/8, [::1], localhost: for tests */
	double pause_scale;	/* factor of every pause; 0 counts as 1; others need allow_loopback */
};

/* ERR_INVALID: a scale or user agent that cannot be; ERR_NOT_FOUND: no ca_file. */
int http_new(const struct http_settings *settings, struct http **ret, struct err *err);
/* No call may be running. */
void http_free(struct http *http);
OWN_DEFINE(http)

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_PUT, HTTP_PATCH, HTTP_POST, HTTP_DELETE };
extern const char *const http_method_names[];	/* "GET" … */

/* What may be done when it is not known whether a request arrived. */
enum http_repeat {
	HTTP_IDEMPOTENT,	/* send it again */
	HTTP_ONCE,		/* again only when nothing was sent, or when the answer says that
				 * nothing was done: 429, and 503 with Retry-After */
};

enum {
	HTTP_LOCAL = 1,		/* identity endpoint of this host: plain http to loopback and
				 * 169.254.0.0/16 is allowed, no proxy */
	HTTP_SECRET = 2,	/* the answer holds a token: body.wipe is set */
	HTTP_PROBE = 4,		/* give up early (1 s to connect, 10 s of silence, one attempt): may
				 * not exist */
};

struct http_header {
	const char *name, *value;
};

struct http_request {
	enum http_method method;
	const char *url;			/* of any length, sent as it is */
	const struct http_header *headers;	/* ends with a NULL name; may be NULL; takes the
						 * place of ours (Accept, x-ms-client-request-id) */
	const struct secret *bearer;		/* Authorization: Bearer …; may be NULL */
	const void *body;			/* NULL = none; GET and HEAD take none */
	size_t body_len;
	const char *content_type;
	enum http_repeat repeat;
	unsigned flags;				/* HTTP_LOCAL, … */
	unsigned attempts;			/* 0 = 4 */
};

/* name and value of one header of the answer; both owned by the answer. */
struct http_field {
	char *name, *value;
};

struct http_answer {
	unsigned status;
	struct buf body;		/* at most 16 MiB */
	struct http_field *fields;
	size_t n_fields;
	unsigned attempts;		/* made for it, the last one's answer is this */
	char request_id[37];		/* x-ms-client-request-id: one UUID for all attempts */
};
void http_answer_release(struct http_answer *answer);
OWN_DEFINE_RELEASE(http_answer)

/* Value of the last header of that name, case ignored; NULL when there is none. */
const char *http_answer_header(const struct http_answer *answer, const char *name);

/* Seconds that Retry-After (number or date), retry-after-ms or x-ms-retry-after-ms
 * ask for; -1 without. */
double http_answer_retry_after(const struct http_answer *answer);

/*
 * Send and wait for the answer, whatever its status; ret is zeroed by the caller and
 * released after, also after a failure (its request_id is set then too).
 *
 * Attempts: 408, 429, 500, 502, 503, 504 and failed connections are repeated as
 * request->repeat allows, after 0.8 s x 2^n with jitter 0.8 to 1.3 and at most
 * 60 s, or after what the answer asks for. When the pause is longer than an hour,
 * or than what the command's deadline leaves, what there is comes back at once. The last answer is
 * returned as it is. HTTP_ONCE uses a new connection: on an old one nobody can tell a
 * request that was lost from one that was carried out.
 *
 * ERR_UNREACHABLE, ERR_PROTOCOL (not HTTP, cut short, too long), a cancel code; of these
 * err.retry is IDEMPOTENT when some attempt may have been carried out, else SAFE.
 * ERR_DENIED (certificate, forbidden URL, a proxy that refuses), ERR_INVALID (a URL or
 * header that cannot be sent, a ca_file that is none).
 */
int http_send(struct http *http, const struct http_request *request, struct http_answer *ret,
	      struct err *err);

/* Wait that long (scaled); 0, or a cancel code. */
int http_pause(struct http *http, double seconds, struct err *err);

#endif
