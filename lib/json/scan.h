/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scan - what json-c does not tell: that a text is strict JSON (RFC 8259), and
 * where each of its values stands.
 *
 * Refused beyond the grammar: duplicate keys, keys with escapes (two spellings
 * of one key), lone surrogates, text that is not UTF-8, zero bytes, nesting
 * deeper than 32, more than 128 keys in one object. Private to lib/json.
 */
#ifndef JSON_SCAN_H
#define JSON_SCAN_H

#include <stddef.h>

#include "base/own.h"

struct err;

struct json_mark {
	size_t offset;	/* of the value's first byte */
	unsigned line;	/* of its key, or of itself where it has none */
};

struct json_scan {
	char *text;	/* the document with comments turned into spaces */
	size_t len;
	struct json_mark *marks;	/* one for each value, an object before its members */
	size_t n_marks, room;
};

/* Fill ret, a zeroed struct; released by the caller also after a failure.
 * flags: JSON_COMMENTS. ERR_INVALID "SOURCE:LINE: …". */
int json_scan(const char *text, size_t len, const char *source, unsigned flags,
	      struct json_scan *ret, struct err *err);
void json_scan_release(struct json_scan *scan);
OWN_DEFINE_RELEASE(json_scan)

#endif
