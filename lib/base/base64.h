/* SPDX-License-Identifier: Apache-2.0 */
/* base64 - RFC 4648: standard (with padding) and URL-safe (without). */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include <stddef.h>

#include "base/buf.h"

void base64_put(struct buf *ret, const void *data, size_t len);
void base64url_put(struct buf *ret, const void *data, size_t len);

#endif
