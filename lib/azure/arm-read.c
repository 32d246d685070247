/* SPDX-License-Identifier: Apache-2.0 */
/* Reading resources, and lists of them page by page. */
#include <stdlib.h>
#include <string.h>

#include "azure/arm_private.h"
#include "base/err.h"
#include "base/mem.h"

enum { PAGES_MAX = 1000, TRIES = 3 };

static int read_once(struct arm *arm, const char *url, const char *what, struct json_tree **ret, struct err *err)
{
	const struct arm_call call = {.method = HTTP_GET, .url = url, .repeat = HTTP_IDEMPOTENT};
	owned(http_answer) struct http_answer answer = {0};
	owned(json_tree) struct json_tree *body = NULL;
	struct arm_failure failure;
	int rc = arm_call(arm, &call, &answer, err);

	if (rc < 0)
		return err_wrap(err, "%s", what);
	if (answer.status != 200) {
		arm_failure_read(&answer, &failure);
		return arm_failure_is_absence(&failure) ? 0 : arm_refused(&answer, &failure, what, err);
	}
	rc = arm_body_read(&answer, true, &body, err);
	if (rc < 0)
		return err_wrap(err, "%s", what);
	*ret = own_take(body);
	return 1;
}

/* 1 and the body, 0 when there is nothing at that URL. An answer that is none is asked for again. */
static int read_url(struct arm *arm, const char *url, const char *what, struct json_tree **ret, struct err *err)
{
	struct err ours = {0};
	int rc = 0;

	err = err ? err : &ours;
	for (int i = 0; i < TRIES; i++) {
		rc = read_once(arm, url, what, ret, err);
		if (rc != -ERR_PROTOCOL || err->retry != ERR_RETRY_IDEMPOTENT)
			break;
	}
	return rc;
}

int arm_get(struct arm *arm, const char *id, const char *api_version, struct json_tree **ret,
	    struct err *err)
{
	owned(mem) char *url = NULL;
	char what[ARM_WHAT];
	int rc = arm_url(arm, id, api_version, &url, err);

	arm_what(HTTP_GET, id, what);
	return rc < 0 ? rc : read_url(arm, url, what, ret, err);
}

/* ---- lists ---- */

static int append(const struct json_tree *page, struct json_tree *all, struct err *err)
{
	const struct json_tree *value = json_tree_member(page, "value");
	size_t n = json_tree_count(value);
	/* A page may be empty, when another one follows. */
	bool follows = json_tree_text(page, "nextLink") && json_tree_kind(value) == JSON_TREE_ABSENT;
	int rc = 0;

	/* No list is not an empty one: what is missing from it would count as gone. */
	if (json_tree_kind(value) != JSON_TREE_LIST && !follows)
		return err_set(err, ERR_PROTOCOL, "the answer holds no list");
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = json_tree_append(all, json_tree_copy(json_tree_at(value, i)), err);
	return rc;
}

/* 1 when there is a next page, whose URL then replaces this one's. */
static int next_page(const struct arm *arm, const struct json_tree *page, char **url, struct err *err)
{
	const char *next = json_tree_text(json_tree_member(page, "nextLink"), "");
	char *copy;
	int rc;

	if (!next || !*next)
		return 0;
	rc = arm_check_url(arm, next, err);
	if (rc < 0)
		return rc;
	if (strcmp(next, *url) == 0)
		return err_set(err, ERR_PROTOCOL, "a page of the list names itself as the next");
	copy = mem_strdup(next);
	if (!copy)
		return err_no_memory(err);
	free(*url);
	*url = copy;
	return 1;
}

/* 1 when a page follows, 0 after the last one; *ret_found says whether there was this one. */
static int read_page(struct arm *arm, char **url, const char *what, struct json_tree *all, bool *ret_found,
		     struct err *err)
{
	owned(json_tree) struct json_tree *page = NULL;
	int rc = read_url(arm, *url, what, &page, err);

	*ret_found = rc > 0;
	if (rc <= 0)
		return rc;
	rc = append(page, all, err);
	if (rc == 0)
		rc = next_page(arm, page, url, err);
	return rc < 0 ? err_wrap(err, "%s", what) : rc;
}

int arm_list(struct arm *arm, const char *id, const char *api_version, struct json_tree **ret,
	     struct err *err)
{
	owned(json_tree) struct json_tree *all = json_tree_list();
	owned(mem) char *url = NULL;
	char what[ARM_WHAT];
	int pages = 0, found = 0;
	int rc = all ? arm_url(arm, id, api_version, &url, err) : err_no_memory(err);

	arm_what(HTTP_GET, id, what);
	if (rc < 0)
		return rc;
	do {
		bool there = false;

		rc = pages++ < PAGES_MAX ? read_page(arm, &url, what, all, &there, err)
					 : err_set(err, ERR_PROTOCOL, "%s: the list has no end", what);
		found += there;
	} while (rc > 0);
	if (rc < 0)
		return rc;
	if (found && found < pages)
		return err_set(err, ERR_PROTOCOL, "%s: a page of the list is missing", what);
	*ret = own_take(all);
	return found > 0;
}
