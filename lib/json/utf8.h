/* SPDX-License-Identifier: Apache-2.0 */
/* utf8 - one character at a time (RFC 3629). Private to lib/json. */
#ifndef JSON_UTF8_H
#define JSON_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of the character at s and the character; 0 when there is no valid one:
 * overlong, a surrogate, above U+10FFFF, cut short. */
size_t json_utf8(const char *s, size_t len, uint32_t *ret);

#endif
