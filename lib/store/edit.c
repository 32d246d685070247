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
	char *doing;
	struct lock *lock;	/* NULL: others may edit until we commit */
	struct fleet *fleet;	/* the caller's to change */
	struct fleet *base;	/* as that was when it was last in step with the document */
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

static int parse(const struct store *store, bool exists, const struct buf *text, struct fleet **ret, struct err *err)
{
	if (exists)
		return fleet_read((const char *)text->data, text->len, store->document, 0, ret, err);
	*ret = fleet_new();
	return *ret ? 0 : err_no_memory(err);
}

static int read_document(struct store_edit *edit, struct err *err)
{
	int rc = store_document(edit->store, &edit->text, err);

	if (rc < 0)
		return rc;
	edit->exists = rc > 0;
	rc = parse(edit->store, edit->exists, &edit->text, &edit->fleet, err);
	return rc < 0 ? rc : fleet_copy(edit->fleet, &edit->base, err);
}

static int take(const struct store_edit *edit, struct lock **ret, struct err *err)
{
	return lock_take(edit->store->lock, edit->doing, STORE_WAIT_MS, ret, err);
}

int store_edit_begin(struct store *store, const char *doing, struct store_edit **ret,
		     struct err *err)
{
	owned(store_edit) struct store_edit *edit = mem_new(struct store_edit);
	int rc;

	if (!edit)
		return err_no_memory(err);
	edit->store = store;
	edit->doing = mem_strdup(doing);
	buf_init(&edit->text, STORE_DOCUMENT_MAX);
	if (!edit->doing)
		return err_no_memory(err);
	rc = store_check_writable(store, err);
	if (rc == 0)
		rc = store_trail_check(store, err);
	if (rc == 0)
		rc = take(edit, &edit->lock, err);
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

void store_edit_yield(struct store_edit *edit)
{
	lock_free(own_take(edit->lock));
}

void store_edit_free(struct store_edit *edit)
{
	if (!edit)
		return;
	fleet_free(edit->fleet);
	fleet_free(edit->base);
	buf_release(&edit->text);
	lock_free(edit->lock);
	free(edit->doing);
	free(edit);
}

static int foreign(const struct store_edit *edit, struct err *err)
{
	err_set(err, ERR_CHANGED, "'%s' is not the document of revision %lld any more",
		edit->store->document, (long long)edit->base->revision);
	return err_hint(err, "it was changed by other means than hsmctl; run the command again");
}

/* What it is now. Commits count it up; what does not is of a hand or a foreign program. */
static int look_again(const struct store_edit *edit, struct fleet **ret, struct err *err)
{
	owned(buf) struct buf now = {.max = STORE_DOCUMENT_MAX};
	int rc = store_document(edit->store, &now, err);
	bool exists = rc > 0, same;

	if (rc < 0)
		return rc;
	same = exists == edit->exists && now.len == edit->text.len &&
	       (!now.len || memcmp(now.data, edit->text.data, now.len) == 0);
	rc = parse(edit->store, exists, &now, ret, err);
	if (rc < 0)
		return rc == -ERR_INVALID ? foreign(edit, err) : rc;
	return same || (*ret)->revision > edit->base->revision ? 0 : foreign(edit, err);
}

/* The new document and its bytes, which are known to read back. */
static int compose(const struct store_edit *edit, struct fleet **ret, struct buf *ret_text, struct err *err)
{
	owned(fleet) struct fleet *next = NULL, *again = NULL;
	int rc = look_again(edit, &next, err);

	if (rc == 0)
		rc = fleet_rebase(edit->base, edit->fleet, next, err);
	if (rc < 0)
		return rc;
	next->revision++;
	rc = fleet_write(next, ret_text, err);
	if (rc == 0)
		rc = parse(edit->store, true, ret_text, &again, err);
	if (rc < 0)
		return rc == -ERR_INVALID ? err_wrap(err, "the change would make the document invalid") : rc;
	*ret = own_take(next);
	return 0;
}

static int replace_document(const struct store *store, struct err *err)
{
	if (rename(store->next, store->document) < 0)
		return err_errno(err, "cannot replace '%s'", store->document);
	return 0;
}

/* Ready on disk, then said, then done: see store.h. */
static int carry_out(struct store *store, const struct fleet *next, const struct buf *text, const struct store_note *note,
		     struct err *err)
{
	owned(store_trail) struct store_trail *trail = NULL;
	struct store_state now, after = {.revision = next->revision};
	int rc = crypto_sha256_hex(text->data, text->len, after.digest, err);

	if (rc == 0)
		rc = store_trail_open(store, &trail, &now, err);
	if (rc == 0)
		rc = file_write(store->next, text->data, text->len, 0600, err);
	if (rc == 0)
		rc = store_trail_append(trail, note, &now, &after, err);
	if (rc < 0)
		return rc;
	rc = replace_document(store, err);
	if (rc < 0)
		store_trail_recover(trail, &now, NULL);
	return rc;
}

static int replace(struct store_edit *edit, const struct store_note *note, struct err *err)
{
	owned(fleet) struct fleet *next = NULL, *base = NULL;
	owned(buf) struct buf text = {.max = STORE_DOCUMENT_MAX};
	struct buf old = edit->text;
	int rc = compose(edit, &next, &text, err);

	if (rc == 0)
		rc = fleet_copy(edit->fleet, &base, err);
	if (rc == 0)
		rc = carry_out(edit->store, next, &text, note, err);
	if (rc < 0) {
		file_remove(edit->store->next, NULL);
		return rc;
	}
	edit->text = text;
	text = old;
	edit->exists = true;
	edit->fleet->revision = base->revision = next->revision;
	fleet_free(edit->base);
	edit->base = own_take(base);
	return store_sync(edit->store, err);
}

int store_edit_note(struct store_edit *edit, const struct store_note *note, struct err *err)
{
	owned(lock) struct lock *moment = NULL;
	int rc = edit->lock ? 0 : take(edit, &moment, err);

	return rc < 0 ? rc : replace(edit, note, err);
}

int store_edit_commit(struct store_edit *edit, const char *action, const char *subject,
		      const char *detail, struct err *err)
{
	const struct store_note note = {.action = action, .subject = subject, .detail = detail};

	return store_edit_note(edit, &note, err);
}
