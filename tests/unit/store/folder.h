/* SPDX-License-Identifier: Apache-2.0 */
/* folder - a store for a test, and what tests do with it again and again. */
#ifndef TESTS_STORE_FOLDER_H
#define TESTS_STORE_FOLDER_H

#include "../base/temp.h"

#include "fleet/fleet.h"
#include "store/store.h"

static inline struct store *must_open(const char *path)
{
	struct store *store = NULL;
	struct err err;

	if (store_open(path, STORE_CREATE, &store, &err) < 0)
		fail_msg("%s", err.message);
	return store;
}

/* One edit that names the fleet and commits. */
static inline int commit(struct store *store, const char *name, struct err *err)
{
	owned(store_edit) struct store_edit *edit = NULL;
	int rc = store_edit_begin(store, "test", &edit, err);

	if (rc == 0)
		rc = fleet_set(&store_edit_fleet(edit)->name, name, err);
	return rc < 0 ? rc : store_edit_commit(edit, "test commit", name, NULL, err);
}

static inline void must_commit(struct store *store, const char *name)
{
	struct err err;

	if (commit(store, name, &err) < 0)
		fail_msg("%s", err.message);
}

static inline struct fleet *must_read(struct store *store)
{
	struct fleet *fleet = NULL;
	struct err err;

	if (store_read(store, &fleet, &err) < 0)
		fail_msg("%s", err.message);
	return fleet;
}

/* Number of entries of a whole trail. */
static inline int must_verify(struct store *store)
{
	struct err err;
	int rc = store_audit_verify(store, NULL, NULL, &err);

	if (rc < 0)
		fail_msg("%s", err.message);
	return rc;
}

/* A file of the store as text; its bytes are the caller's. */
static inline char *must_slurp(struct store *store, const char *name, size_t *ret_len)
{
	owned(mem) char *path = store_file(store, "%s", name);
	struct buf text;

	buf_init(&text, 1 << 20);
	assert_int_equal(file_read(path, &text, NULL), 0);
	*ret_len = text.len;
	buf_text(&text);
	return (char *)text.data;
}

static inline void must_write(struct store *store, const char *name, const void *data, size_t len)
{
	owned(mem) char *path = store_file(store, "%s", name);

	assert_int_equal(file_write(path, data, len, 0600, NULL), 0);
}

#endif
