/* SPDX-License-Identifier: Apache-2.0 */
/* headers - what a request says before its body, as the list libcurl takes. Private to lib/http. */
#ifndef HTTP_HEADERS_H
#define HTTP_HEADERS_H

#include <curl/curl.h>

#include "http/http.h"

/* ERR_INVALID: a name or value that would become more than one header. */
int headers_check(const struct http_request *request, struct err *err);

/* Those of the request, and those that every request has. */
int headers_new(const struct http_request *request, const char *request_id, struct curl_slist **ret, struct err *err);

/* Zeroes what it frees: one of them may be a token. NULL is fine. */
void headers_free(struct curl_slist *headers);

#endif
