/* SPDX-License-Identifier: Apache-2.0 */
/* answer - filling a struct http_answer. Private to lib/http. */
#ifndef HTTP_ANSWER_H
#define HTTP_ANSWER_H

#include "http/http.h"

enum { ANSWER_MAX = 16 << 20, ANSWER_FIELDS = 500 };

/* Forget an earlier attempt's answer; request_id, attempts and memory of the body stay. */
void answer_clear(struct http_answer *answer);

/* One more header, copied. ERR_PROTOCOL when there are more than ANSWER_FIELDS. */
int answer_add(struct http_answer *answer, const char *name, const char *value, struct err *err);

#endif
