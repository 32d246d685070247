/* SPDX-License-Identifier: Apache-2.0 */
/* URLs of resources, and which URLs may be given a token. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "azure/arm_private.h"
#include "base/err.h"
#include "base/mem.h"
#include "http/url.h"

enum { URL_MAX = 32768, SHOWN_MAX = 512 };

/* Characters that stand for themselves in a path (RFC 3986 section 3.3). */
static const char plain[] = "/!$&'()*+,;=:@";

/* Names of resources may hold any character. keep: more that stay as they are. */
static void encode(struct buf *ret, const char *text, size_t len, const char *keep)
{
	for (size_t i = 0; i < len; i++)
		if (text[i] && (strchr(plain, text[i]) || strchr(keep, text[i])))
			buf_put_u8(ret, (uint8_t)text[i]);
		else
			url_encode(ret, text + i, 1);
}

int arm_url(const struct arm *arm, const char *id, const char *api_version, char **ret, struct err *err)
{
	owned(buf) struct buf url = {.max = URL_MAX};
	size_t path = strcspn(id, "?");
	int rc;

	if (*id != '/')
		return err_set(err, ERR_INVALID, "no id of a resource: '%s'", id);
	buf_put_str(&url, arm->cloud.arm);
	encode(&url, id, path, "");
	encode(&url, id + path, strlen(id + path), "?%");
	buf_printf(&url, "%capi-version=", id[path] ? '&' : '?');
	url_encode(&url, api_version, strlen(api_version));
	rc = buf_check(&url, err);
	if (rc < 0)
		return rc;
	*ret = mem_strdup(buf_text(&url));
	return *ret ? 0 : err_no_memory(err);
}

/* "westeurope.management.azure.com" */
static bool is_below(const struct url *url, const struct url *ours)
{
	size_t more = url->host_len - ours->host_len;

	if (!url_is_https(url) || !url_is_https(ours) || url->port != ours->port || url->host_len <= ours->host_len + 1)
		return false;
	return url->host[more - 1] == '.' && strncasecmp(url->host + more, ours->host, ours->host_len) == 0;
}

int arm_check_url(const struct arm *arm, const char *text, struct err *err)
{
	owned(buf) struct buf shown = {.max = SHOWN_MAX};
	struct url url, ours;
	int rc = url_split(arm->cloud.arm, &ours, err);

	if (rc < 0)
		return rc;
	if (url_split(text, &url, NULL) == 0 && (url_same_origin(&url, &ours) || is_below(&url, &ours)))
		return 0;
	url_redact(text, &shown);
	return err_set(err, ERR_PROTOCOL, "an answer of Azure leads to another place than %s: '%s'", arm->cloud.arm,
		       buf_text(&shown));
}

bool arm_url_names(const struct arm *arm, const char *text, const char *id)
{
	owned(mem) char *own = NULL;
	struct url url, ours;

	if (arm_url(arm, id, "", &own, NULL) < 0 || url_split(own, &ours, NULL) < 0 || url_split(text, &url, NULL) < 0)
		return false;
	return url.path_len == ours.path_len && strncasecmp(url.path, ours.path, url.path_len) == 0;
}

/* The last two parts of an id say enough for people. */
static const char *short_id(const char *id, size_t len)
{
	size_t slashes = 0;

	while (len && slashes < 2)
		slashes += id[--len] == '/';
	return slashes == 2 ? id + len + 1 : id;
}

void arm_what(enum http_method method, const char *id, char ret[static ARM_WHAT])
{
	static const char *const verbs[] = {
		[HTTP_GET] = "read", [HTTP_HEAD] = "read", [HTTP_PUT] = "write",
		[HTTP_PATCH] = "change", [HTTP_POST] = "run", [HTTP_DELETE] = "delete",
	};
	size_t len = strcspn(id, "?");
	const char *last = short_id(id, len);

	snprintf(ret, ARM_WHAT, "cannot %s '%.*s'", verbs[method], (int)(len - (size_t)(last - id)), last);
}
