/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list is made here instead of by curl_slist_append(), so that each line has one copy
 * of ours, which can be zeroed.
 */
#include "http/headers.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/secret.h"

/* RFC 9110 section 5.6.2. */
static const char token[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

static bool one_line(const char *value)
{
	for (; *value; value++)
		if (((unsigned char)*value < ' ' && *value != '\t') || *value == 0x7f)
			return false;
	return true;
}

static int check_bearer(const struct secret *bearer, struct err *err)
{
	const char *text = bearer ? (const char *)bearer->data : "x";

	if (!*text || (bearer && strlen(text) != bearer->len) || strpbrk(text, " \t") || !one_line(text))
		return err_set(err, ERR_INVALID, "the access token is no token");
	return 0;
}

int headers_check(const struct http_request *request, struct err *err)
{
	for (const struct http_header *h = request->headers; h && h->name; h++) {
		if (!*h->name || h->name[strspn(h->name, token)])
			return err_set(err, ERR_INVALID, "no name of a header: '%s'", h->name);
		if (!h->value || !one_line(h->value))
			return err_set(err, ERR_INVALID, "the header '%s' is not one line", h->name);
	}
	if (request->content_type && !one_line(request->content_type))
		return err_set(err, ERR_INVALID, "no content type: '%s'", request->content_type);
	return check_bearer(request->bearer, err);
}

void headers_free(struct curl_slist *headers)
{
	while (headers) {
		struct curl_slist *next = headers->next;

		if (headers->data)
			explicit_bzero(headers->data, strlen(headers->data));
		free(headers->data);
		free(headers);
		headers = next;
	}
}

static inline void own_headers(struct curl_slist **headers)
{
	headers_free(*headers);
}

/* libcurl's notation: "Name;" is sent with an empty value, "Name:" is not sent at all. */
static int add(struct curl_slist **list, const char *name, const char *separator, const char *value, struct err *err)
{
	struct curl_slist *node = mem_new(struct curl_slist);
	size_t size = strlen(name) + strlen(separator) + strlen(value) + 1;

	if (!node)
		return err_no_memory(err);
	node->next = *list;
	*list = node;
	node->data = mem_zalloc(size);
	if (!node->data)
		return err_no_memory(err);
	snprintf(node->data, size, "%s%s%s", name, separator, value);
	return 0;
}

static bool has(const struct http_request *request, const char *name)
{
	for (const struct http_header *h = request->headers; h && h->name; h++)
		if (strcasecmp(h->name, name) == 0)
			return true;
	return false;
}

static int add_own(struct curl_slist **list, const struct http_request *request, struct err *err)
{
	for (const struct http_header *h = request->headers; h && h->name; h++) {
		int rc = add(list, h->name, *h->value ? ": " : ";", h->value, err);

		if (rc < 0)
			return rc;
	}
	return 0;
}

int headers_new(const struct http_request *request, const char *request_id, struct curl_slist **ret, struct err *err)
{
	const char *type = request->content_type;
	const struct {
		const char *name, *separator, *value;
	} usual[] = {
		{"Accept", ": ", "application/json"},
		{"x-ms-client-request-id", ": ", request_id},
		{"x-ms-return-client-request-id", ": ", "true"},
		{"Content-Type", type ? ": " : ":", type ? type : ""},
		{"Expect", ":", ""},
	};
	owned(headers) struct curl_slist *list = NULL;
	int rc = add_own(&list, request, err);

	if (rc == 0 && request->bearer)
		rc = add(&list, "Authorization", ": Bearer ", (const char *)request->bearer->data, err);
	for (size_t i = 0; rc == 0 && i < sizeof(usual) / sizeof(usual[0]); i++)
		if (!has(request, usual[i].name))
			rc = add(&list, usual[i].name, usual[i].separator, usual[i].value, err);
	if (rc < 0)
		return rc;
	*ret = own_take(list);
	return 0;
}
