/* SPDX-License-Identifier: Apache-2.0 */
/* Changing the document: lock, read, compare, commit. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/lock.h"
#include "base/mem.h"
#include "base/str.h"
#include "fleet/fleet.h"
#include "store/folder.h"
#include "store/trail.h"

struct store_edit {
	struct store *store;	/* borrowed */
	struct lock *lock;
	struct fleet *fleet;
	bool exists;		/* the document on disk, as we know it */
	struct buf text;
};

/* What commits that were killed left lying about. */
static void sweep(const struct store *store)
{
	DIR *dir = opendir(store->path);
	struct dirent *entry;

	if (!dir)
		return;
	while ((entry = readdir(dir)))
		if (str_starts(entry->d_name, ".fleet.json.next"))
			unlinkat(dirfd(dir), entry->d_name, 0);
	closedir(dir);
}

static int read_document(struct store_edit *edit, struct err *err)
{
	int rc = store_document(edit->store, &edit->text, err);

	if (rc < 0)
		return rc;
	edit->exists = rc > 0;
	if (edit->exists)
		return fleet_read((const char *)edit->text.data, edit->text.len,
				  edit->store->document, 0, &edit->fleet, err);
	edit->fleet = fleet_new();
	return edit->fleet ? 0 : err_no_memory(err);
}

int store_edit_begin(struct store *store, const char *doing, struct store_edit **ret,
		     struct err *err)
{
	owned(store_edit) struct store_edit *edit = mem_new(struct store_edit);
	int rc;

	if (!edit)
		return err_no_memory(err);
	edit->store = store;
	buf_init(&edit->text, STORE_DOCUMENT_MAX);
	rc = store_check_writable(store, err);
	if (rc == 0)
		rc = lock_take(store->lock, doing, STORE_WAIT_MS, &edit->lock, err);
	if (rc < 0)
		return rc;
	sweep(store);
	rc = read_document(edit, err);
	if (rc < 0)
		return rc;
	*ret = own_take(edit);
	return 0;
}

struct fleet *store_edit_fleet(struct store_edit *edit)
{
	return edit->fleet;
}

void store_edit_free(struct store_edit *edit)
{
	if (!edit)
		return;
	fleet_free(edit->fleet);
	buf_release(&edit->text);
	lock_free(edit->lock);
	free(edit);
}

/* Under our lock only a hand or a foreign program can have changed it. */
static int compare(const struct store_edit *edit, struct err *err)
{
	owned(buf) struct buf now = {.max = STORE_DOCUMENT_MAX};
	int rc = store_document(edit->store, &now, err);

	if (rc < 0)
		return rc;
	if ((rc > 0) == edit->exists && now.len == edit->text.len &&
	    (!now.len || memcmp(now.data, edit->text.data, now.len) == 0))
		return 0;
	err_set(err, ERR_CHANGED, "'%s' is not the document of revision %lld any more",
		edit->store->document, (long long)edit->fleet->revision - 1);
	return err_hint(err, "it was changed by other means than hsmctl; run the command again");
}

/* The new document's bytes, which are known to read back. */
static int compose(const struct store_edit *edit, struct buf *ret, struct err *err)
{
	owned(fleet) struct fleet *again = NULL;
	int rc = fleet_write(edit->fleet, ret, err);

	if (rc == 0)
		rc = fleet_read((const char *)ret->data, ret->len, edit->store->document, 0, &again,
				err);
	return rc == -ERR_INVALID ? err_wrap(err, "the change would make the document invalid") : rc;
}

static int replace_document(const struct store *store, struct err *err)
{
	if (rename(store->next, store->document) < 0)
		return err_errno(err, "cannot replace '%s'", store->document);
	return 0;
}

/* Ready on disk, then said, then done: see store.h. */
static int carry_out(struct store_edit *edit, const struct buf *text, const char *action,
		     const char *subject, const char *detail, struct err *err)
{
	owned(store_trail) struct store_trail *trail = NULL;
	const struct store *store = edit->store;
	struct store_state now, after = {.revision = edit->fleet->revision};
	int rc = compare(edit, err);

	if (rc == 0)
		rc = crypto_sha256_hex(text->data, text->len, after.digest, err);
	if (rc == 0)
		rc = store_trail_open(store, &trail, &now, err);
	if (rc == 0)
		rc = file_write(store->next, text->data, text->len, 0600, err);
	if (rc == 0)
		rc = store_trail_append(trail, action, subject, detail, &now, &after, err);
	if (rc < 0)
		return rc;
	rc = replace_document(store, err);
	if (rc < 0)
		store_trail_recover(trail, &now, NULL);
	return rc;
}

int store_edit_commit(struct store_edit *edit, const char *action, const char *subject,
		      const char *detail, struct err *err)
{
	owned(buf) struct buf text = {.max = STORE_DOCUMENT_MAX};
	struct buf old;
	int rc;

	edit->fleet->revision++;
	rc = compose(edit, &text, err);
	if (rc == 0)
		rc = carry_out(edit, &text, action, subject, detail, err);
	if (rc < 0) {
		edit->fleet->revision--;
		file_remove(edit->store->next, NULL);
		return rc;
	}
	old = edit->text;
	edit->text = text;
	text = old;
	edit->exists = true;
	return store_sync(edit->store, err);
}
