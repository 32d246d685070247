/* SPDX-License-Identifier: Apache-2.0 */
/* Locks of what commands work on: a file each, in locks/. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/lock.h"
#include "base/mem.h"
#include "base/str.h"
#include "store/folder.h"

enum { SHOWN_MAX = 400 };

static const char *const kind_names[] = {"drill", "fleet", "device", "group", "key"};

struct store_lock {
	struct lock **held;
	size_t count;
};

int store_take(const struct store *store, const char *name, const struct lock_request *request, struct lock **ret,
	       struct err *err)
{
	owned(mem) char *path = file_join(store->locks, name);
	struct lock_request here = *request;
	int rc = path ? file_mkdirs(store->locks, 0700, err) : err_no_memory(err);

	here.path = path;
	return rc < 0 ? rc : lock_request(&here, ret, err);
}

/* Labels are any text: files are named by their digest. */
static int name_key(const struct store_subject *subject, char **ret, struct err *err)
{
	char digest[SHA256_TEXT];
	int rc = crypto_sha256_hex(subject->label, strlen(subject->label), digest, err);

	if (rc < 0)
		return rc;
	*ret = mem_printf("key-%s-%s", subject->name, digest);
	return *ret ? 0 : err_no_memory(err);
}

static bool has_name(const struct store_subject *subject)
{
	return subject->kind >= STORE_DEVICE;
}

static int name_file(const struct store_subject *subject, char **ret, struct err *err)
{
	const char *kind = kind_names[subject->kind];

	if (has_name(subject) && !str_is_name(subject->name))
		return err_set(err, ERR_INVALID, "'%s' is not a name: 1 to 63 of a-z 0-9 - _ .", subject->name);
	if (subject->kind == STORE_KEY)
		return name_key(subject, ret, err);
	*ret = has_name(subject) ? mem_printf("%s-%s", kind, subject->name) : mem_strdup(kind);
	return *ret ? 0 : err_no_memory(err);
}

static void show(const struct store_subject *subject, char text[static SHOWN_MAX])
{
	const char *kind = kind_names[subject->kind];

	if (subject->kind == STORE_KEY)
		snprintf(text, SHOWN_MAX, "%s '%s' of group '%s'", kind, subject->label, subject->name);
	else if (has_name(subject))
		snprintf(text, SHOWN_MAX, "%s '%s'", kind, subject->name);
	else
		snprintf(text, SHOWN_MAX, "the %s", kind);
}

static int take(struct store *store, const struct store_subject *subject, const char *doing, struct observer *observer,
		struct lock **ret, struct err *err)
{
	owned(mem) char *name = NULL;
	char shown[SHOWN_MAX];
	const struct lock_request request = {.what = shown, .doing = doing, .wait_ms = STORE_WAIT_MS,
					     .observer = observer, .passing = true};
	int rc = name_file(subject, &name, err);

	show(subject, shown);
	return rc < 0 ? rc : store_take(store, name, &request, ret, err);
}

static int compare_text(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "");
}

/* The one order in which they are taken: so nobody waits for who waits for him. */
static int in_order(const void *a, const void *b)
{
	const struct store_subject *one = a, *other = b;
	int order = (one->kind > other->kind) - (one->kind < other->kind);

	if (!order)
		order = compare_text(one->name, other->name);
	return order ? order : compare_text(one->label, other->label);
}

int store_lock(struct store *store, const struct store_subject *subjects, size_t n, const char *doing,
	       struct observer *observer, struct store_lock **ret, struct err *err)
{
	owned(mem) struct store_subject *sorted = mem_dup(subjects, n * sizeof(*subjects));
	owned(store_lock) struct store_lock *lock = mem_new(struct store_lock);
	int rc = store_check_writable(store, err);

	if (lock)
		lock->held = mem_zalloc(n * sizeof(*lock->held) + 1);
	if (!sorted || !lock || !lock->held)
		return err_no_memory(err);
	qsort(sorted, n, sizeof(*sorted), in_order);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		if (i && in_order(&sorted[i], &sorted[i - 1]) == 0)
			continue;
		rc = take(store, &sorted[i], doing, observer, &lock->held[lock->count], err);
		lock->count += rc == 0;
	}
	if (rc == 0)
		*ret = own_take(lock);
	return rc;
}

void store_lock_free(struct store_lock *lock)
{
	if (!lock)
		return;
	while (lock->count)
		lock_free(lock->held[--lock->count]);
	free(lock->held);
	free(lock);
}
