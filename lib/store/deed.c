/* SPDX-License-Identifier: Apache-2.0 */
/* Deeds: an entry before what is done with keys and devices, and one after it. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cancel.h"
#include "base/err.h"
#include "base/file.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "store/folder.h"
#include "store/trail.h"

/*
 * A deed that goes on holds the lock on a file of its own, deed-ID in locks/. One that is there and held by nobody
 * belongs to a process that died, or could not write the end: whoever begins the next deed writes it.
 */
static const char prefix[] = "deed-";
enum { ID_LEN = 8, ID_TEXT = 2 * ID_LEN + 1, NAME_MAX_LEN = sizeof(prefix) + ID_TEXT };

struct store_deed {
	struct store *store;	/* borrowed */
	struct lock *lock;	/* NULL: it has ended */
	char id[ID_TEXT];
	char *action, *subject, *detail;
};

static void own_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

/* ---- ends of deeds whose process died ---- */

static struct store_audit_entry *find_begun(const struct store_audit_trail *trail, const char *id)
{
	for (size_t i = 0; i < trail->n_entries; i++)
		if (trail->entries[i].outcome == STORE_BEGUN && str_eq(trail->entries[i].deed, id))
			return &trail->entries[i];
	return NULL;
}

static int put_end(struct store_trail *trail, const struct store_audit_entry *begun, const struct store_state *now,
		   struct err *err)
{
	char reason[160];
	const struct store_note note = {begun->action, begun->subject, begun->detail, begun->deed, STORE_NOT_KNOWN, reason};

	snprintf(reason, sizeof(reason), "whoever began it, entry %lld, did not come to its end", (long long)begun->number);
	log_error("store", "'%s' of '%s' was begun, entry %lld of the trail, and did not come to its end", begun->action,
		  begun->subject ? begun->subject : "", (long long)begun->number);
	return store_trail_append(trail, &note, NULL, now, err);
}

/* Died before it began, or after its end: then there is nothing to say. A trail that cannot be read keeps nobody from
 * going on: verify tells of it. */
static int end_dead(struct store *store, struct store_trail *trail, const char *id, const struct store_state *now,
		    struct err *err)
{
	struct store_audit_trail all = {0};
	struct store_audit_entry *begun;
	int rc = store_audit_read(store, &all, NULL);

	if (rc == 0)
		rc = store_audit_fold(&all, err);
	begun = rc == 0 ? find_begun(&all, id) : NULL;
	rc = begun ? put_end(trail, begun, now, err) : 0;
	json_release(&store_audit_trail_type, &all);
	return rc;
}

static int look_at(struct store *store, struct store_trail *trail, const char *name, const struct store_state *now,
		   struct err *err)
{
	const struct lock_request request = {.doing = "ending what was not ended", .passing = true};
	struct lock *lock = NULL;
	int rc = store_take(store, name, &request, &lock, NULL);

	/* It goes on. */
	if (rc < 0)
		return 0;
	rc = end_dead(store, trail, name + sizeof(prefix) - 1, now, err);
	if (rc < 0)
		lock_leave(lock);
	else
		lock_free(lock);
	return rc;
}

static int end_all_dead(struct store *store, struct store_trail *trail, const struct store_state *now, struct err *err)
{
	__attribute__((cleanup(own_dir))) DIR *dir = opendir(store->locks);
	struct dirent *entry;
	int rc = 0;

	if (!dir)
		return errno == ENOENT ? 0 : err_errno(err, "cannot look into '%s'", store->locks);
	while (rc == 0 && (entry = readdir(dir)))
		if (str_starts(entry->d_name, prefix))
			rc = look_at(store, trail, entry->d_name, now, err);
	return rc;
}

bool store_deed_goes_on(const struct store *store, const struct store_audit_entry *begun)
{
	owned(mem) char *path = begun->deed ? mem_printf("%s/%s%s", store->locks, prefix, begun->deed) : NULL;

	return path && lock_is_held(path);
}

/* ---- one's own ---- */

static int describe(struct store_deed *deed, const char *action, const char *subject, const char *detail, struct err *err)
{
	uint8_t id[ID_LEN];
	int rc = crypto_random(id, sizeof(id), err);

	if (rc < 0)
		return rc;
	str_hex(id, sizeof(id), deed->id);
	deed->action = mem_strdup(action);
	deed->subject = subject ? mem_strdup(subject) : NULL;
	deed->detail = detail ? mem_strdup(detail) : NULL;
	return deed->action && !deed->subject == !subject && !deed->detail == !detail ? 0 : err_no_memory(err);
}

static int hold(struct store_deed *deed, struct err *err)
{
	const struct lock_request request = {.doing = deed->action, .passing = true};
	char name[NAME_MAX_LEN];

	snprintf(name, sizeof(name), "%s%s", prefix, deed->id);
	return store_take(deed->store, name, &request, &deed->lock, err);
}

static struct store_note note_of(const struct store_deed *deed, enum store_outcome outcome, const char *detail,
				 const char *reason)
{
	return (struct store_note){deed->action, deed->subject, detail ? detail : deed->detail, deed->id, outcome, reason};
}

static void has_ended(struct store_deed *deed)
{
	lock_free(own_take(deed->lock));
}

int store_deed_begin(struct store *store, const char *action, const char *subject, const char *detail,
		     struct store_deed **ret, struct err *err)
{
	owned(store_deed) struct store_deed *deed = mem_new(struct store_deed);
	owned(store_trail) struct store_trail *trail = NULL;
	struct store_state now;
	struct store_note note;
	int rc;

	if (!deed)
		return err_no_memory(err);
	deed->store = store;
	rc = store_check_writable(store, err);
	if (rc == 0)
		rc = describe(deed, action, subject, detail, err);
	if (rc == 0)
		rc = hold(deed, err);
	if (rc < 0)
		return rc;
	rc = store_trail_open(store, &trail, &now, err);
	if (rc == 0)
		rc = end_all_dead(store, trail, &now, err);
	note = note_of(deed, STORE_BEGUN, NULL, NULL);
	if (rc == 0)
		rc = store_trail_append(trail, &note, NULL, &now, err);
	/* Without an entry there is nothing to end. */
	if (rc < 0) {
		has_ended(deed);
		return rc;
	}
	*ret = own_take(deed);
	return 0;
}

static enum store_outcome outcome_of(int rc)
{
	if (rc >= 0)
		return STORE_DONE;
	return rc == -ERR_NOT_KNOWN || cancel_is(rc) ? STORE_NOT_KNOWN : STORE_FAILED;
}

static int write_end(struct store_deed *deed, const struct store_note *note, struct err *err)
{
	owned(store_trail) struct store_trail *trail = NULL;
	struct store_state now;
	int rc = store_trail_open(deed->store, &trail, &now, err);

	return rc < 0 ? rc : store_trail_append(trail, note, NULL, &now, err);
}

void store_deed_end(struct store_deed *deed, const char *detail, int rc, const struct err *why)
{
	const struct store_note note = note_of(deed, outcome_of(rc), detail, rc < 0 && why ? why->message : NULL);
	struct err err = {0};

	if (!deed->lock)
		return;
	cancel_shield();
	if (write_end(deed, &note, &err) == 0)
		has_ended(deed);
	else
		log_error("store", "the trail cannot tell how '%s' of '%s' ended: %s", deed->action,
			  deed->subject ? deed->subject : "", err.message);
	cancel_unshield();
}

int store_deed_commit(struct store_deed *deed, struct store_edit *edit, const char *detail, struct err *err)
{
	const struct store_note note = note_of(deed, STORE_DONE, detail, NULL);
	int rc = store_edit_note(edit, &note, err);

	if (rc == 0)
		has_ended(deed);
	return rc;
}

void store_deed_free(struct store_deed *deed)
{
	if (!deed)
		return;
	lock_leave(deed->lock);
	free(deed->action);
	free(deed->subject);
	free(deed->detail);
	free(deed);
}
