/* SPDX-License-Identifier: Apache-2.0 */
/* Appends to the audit trail: lines that each hold the hash of the one before. */
#include "store/trail.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "crypto/digest.h"
#include "store/folder.h"

/* Texts are cut so that a line, each of its bytes escaped to six, stays below
 * LINE_MAX_LEN; the last line is then inside the last TAIL_LEN bytes, also
 * with a torn one behind it. */
enum {
	ACTION_MAX = 100,
	SUBJECT_MAX = 1000,
	DETAIL_MAX = 3000,
	REASON_MAX = 600,
	LINE_MAX_LEN = 40960,
	TAIL_LEN = 2 * LINE_MAX_LEN,
};

const char store_trail_origin[] =
	"0000000000000000000000000000000000000000000000000000000000000000";

struct store_trail {
	struct store *store;
	int fd;
	bool over;		/* what stands behind the end is overwritten, and not cut after an error */
	off_t end;		/* behind the last whole line */
	int64_t number, revision;	/* of the last entry */
	char document[SHA256_TEXT];	/* "" = it names none */
	char before[SHA256_TEXT];	/* of a commit: the document it was made from; "" = none */
	char hash[TRAIL_HASH_TEXT];
};

void store_trail_free(struct store_trail *trail)
{
	if (!trail)
		return;
	if (trail->fd >= 0)
		close(trail->fd);
	free(trail);
}

int store_trail_line(const struct store_audit_entry *entry, struct buf *ret, struct err *err)
{
	return json_write(&store_audit_entry_type, entry, false, ret, err);
}

int store_trail_hash(const struct store_audit_entry *entry, char ret[static TRAIL_HASH_TEXT],
		     struct err *err)
{
	owned(buf) struct buf line = {.max = SIZE_MAX};
	struct store_audit_entry bare = *entry;
	int rc;

	bare.hash = NULL;
	rc = store_trail_line(&bare, &line, err);
	return rc < 0 ? rc : crypto_sha256_hex(line.data, line.len, ret, err);
}

static int lock_trail(const struct store_trail *trail, struct err *err)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int64_t end = clock_now_ms() + STORE_WAIT_MS;

	while (fcntl(trail->fd, F_OFD_SETLK, &whole) < 0) {
		int rc;

		if (errno != EAGAIN && errno != EACCES && errno != EINTR)
			return err_errno(err, "cannot lock '%s'", trail->store->trail);
		if (clock_now_ms() >= end)
			return err_set(err, ERR_LOCKED, "'%s' is locked by another process",
				       trail->store->trail);
		clock_sleep_ms(10);
		rc = cancel_check(err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int read_tail(const struct store_trail *trail, off_t from, size_t len, struct buf *ret, struct err *err)
{
	uint8_t *at = buf_reserve(ret, TAIL_LEN);

	if (!at)
		return buf_check(ret, err);
	for (;;) {
		ssize_t n = pread(trail->fd, at + ret->len, len - ret->len, from + (off_t)ret->len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, "cannot read '%s'", trail->store->trail);
		ret->len += (size_t)n;
		if (n == 0 || ret->len == len)
			return 0;
	}
}

static int not_a_trail(const struct store_trail *trail, struct err *err)
{
	err_set(err, ERR_INVALID, "the end of '%s' is not an entry, and nothing is done that it cannot tell of",
		trail->store->trail);
	return err_hint(err, "hsmctl audit repair");
}

/* The last entry, from its line. */
static int take_entry(struct store_trail *trail, const char *line, size_t len, struct err *err)
{
	struct store_audit_entry entry = {0};
	int rc = json_read(&store_audit_entry_type, line, len, trail->store->trail, 0, &entry, err);

	if (rc == -ERR_INVALID)
		return not_a_trail(trail, err);
	if (rc < 0)
		return rc;
	if (!entry.hash || strlen(entry.hash) != TRAIL_HASH_TEXT - 1) {
		json_release(&store_audit_entry_type, &entry);
		return not_a_trail(trail, err);
	}
	trail->number = entry.number;
	trail->revision = entry.revision;
	memcpy(trail->hash, entry.hash, TRAIL_HASH_TEXT);
	snprintf(trail->document, sizeof(trail->document), "%s", entry.document ? entry.document : "");
	snprintf(trail->before, sizeof(trail->before), "%s", entry.before ? entry.before : "");
	json_release(&store_audit_entry_type, &entry);
	return 0;
}

/* Find the last whole line of so many bytes and where it ends. */
static int load_end(struct store_trail *trail, off_t size, struct err *err)
{
	owned(buf) struct buf tail = {.max = TAIL_LEN};
	off_t from = size > TAIL_LEN ? size - TAIL_LEN : 0;
	const uint8_t *end, *before;
	int rc = read_tail(trail, from, (size_t)(size - from), &tail, err);

	if (rc < 0)
		return rc;
	end = tail.data ? memrchr(tail.data, '\n', tail.len) : NULL;
	if (!end)
		return from ? not_a_trail(trail, err) : 0;
	trail->end = from + (end - tail.data) + 1;
	before = memrchr(tail.data, '\n', (size_t)(end - tail.data));
	before = before ? before + 1 : tail.data;
	return take_entry(trail, (const char *)before, (size_t)(end - before), err);
}

static int load_tail(struct store_trail *trail, struct err *err)
{
	struct stat st;

	if (fstat(trail->fd, &st) < 0)
		return err_errno(err, "cannot look at '%s'", trail->store->trail);
	return load_end(trail, st.st_size, err);
}

static int say_changed(struct store_trail *trail, const struct store_state *now, struct err *err)
{
	char detail[160];
	const struct store_note note = {.action = "store changed", .subject = "fleet.json", .detail = detail};

	log_error("store", "'%s' was changed by other means than hsmctl since entry %lld of '%s'", trail->store->document,
		  (long long)trail->number, trail->store->trail);
	snprintf(detail, sizeof(detail), "found changed by other means since entry %lld; its SHA-256 was %s",
		 (long long)trail->number, trail->document);
	return store_trail_append(trail, &note, NULL, now, err);
}

/* The document is still the one that the commit was made from. Entries without a digest are of a version that kept none. */
static bool is_unfinished(const struct store_trail *trail, const struct store_state *now)
{
	return trail->revision == now->revision + 1 && (!*trail->document || str_eq(trail->before, now->digest));
}

/* After a commit that died between its entry and its document, or a hand that was quicker than us. */
static int settle(struct store_trail *trail, struct store_state *ret_now, struct err *err)
{
	int rc = store_look(trail->store, ret_now, err);

	if (rc < 0 || !trail->number)
		return rc;
	if (is_unfinished(trail, ret_now))
		return store_trail_recover(trail, ret_now, err);
	if (!*trail->document || str_eq(trail->document, ret_now->digest))
		return 0;
	return say_changed(trail, ret_now, err);
}

/* Open and lock it; nothing is known of it yet. */
int store_trail_lock(struct store *store, struct store_trail **ret, struct err *err)
{
	owned(store_trail) struct store_trail *trail = mem_new(struct store_trail);
	int rc;

	if (!trail)
		return err_no_memory(err);
	trail->store = store;
	trail->fd = -1;
	memcpy(trail->hash, store_trail_origin, TRAIL_HASH_TEXT);
	do {
		if (trail->fd >= 0)
			close(trail->fd);
		trail->fd = file_open(store->trail, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW, 0600, err);
		if (trail->fd < 0)
			return trail->fd;
		rc = lock_trail(trail, err);
		/* It may have been put aside while we waited. */
	} while (rc == 0 && !file_is_at(trail->fd, store->trail));
	if (rc == 0)
		*ret = own_take(trail);
	return rc;
}

int store_trail_open(struct store *store, struct store_trail **ret, struct store_state *ret_now, struct err *err)
{
	owned(store_trail) struct store_trail *trail = NULL;
	int rc = store_trail_lock(store, &trail, err);

	if (rc == 0)
		rc = load_tail(trail, err);
	if (rc == 0 && ftruncate(trail->fd, trail->end) < 0)
		rc = err_errno(err, "cannot cut the torn end of '%s'", store->trail);
	if (rc == 0)
		rc = settle(trail, ret_now, err);
	if (rc < 0)
		return rc;
	*ret = own_take(trail);
	return 0;
}

int store_trail_check(struct store *store, struct err *err)
{
	owned(store_trail) struct store_trail *trail = NULL;
	int rc = store_trail_lock(store, &trail, err);

	return rc < 0 ? rc : load_tail(trail, err);
}

/* text, NULL included, cut to max bytes between characters. */
static int cut_copy(const char *text, size_t max, char **ret)
{
	size_t len = text ? strlen(text) : 0;

	if (!text)
		return 0;
	if (len > max)
		for (len = max; len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80; len--)
			;
	*ret = mem_strndup(text, len);
	return *ret ? 0 : -ERR_NO_MEMORY;
}

static char *user_name(void)
{
	char room[4096];
	struct passwd user, *found = NULL;

	if (getpwuid_r(getuid(), &user, room, sizeof(room), &found) == 0 && found)
		return mem_strndup(user.pw_name, strnlen(user.pw_name, 255));
	return mem_printf("%u", (unsigned)getuid());
}

/* Who really sits there, if the environment is to be believed: sudo sets it, and who is root may too. */
static int put_sudo_user(struct store_audit_entry *entry)
{
	const char *name = secure_getenv("SUDO_USER");

	if (!name || !*name || str_eq(name, entry->user))
		return 0;
	entry->sudo_user = mem_strndup(name, strnlen(name, 255));
	return entry->sudo_user ? 0 : -ERR_NO_MEMORY;
}

static int fill(const struct store_trail *trail, const struct store_note *note, struct store_audit_entry *entry)
{
	char now[CLOCK_TEXT], host[256] = "";

	clock_format(clock_utc_ms(), now);
	gethostname(host, sizeof(host) - 1);
	entry->number = trail->number + 1;
	entry->time = mem_strdup(now);
	entry->user = user_name();
	entry->host = mem_strdup(host);
	entry->previous = mem_strdup(trail->hash);
	entry->outcome = note->outcome;
	if (!entry->time || !entry->user || !entry->host || !entry->previous ||
	    put_sudo_user(entry) < 0 ||
	    cut_copy(note->action, ACTION_MAX, &entry->action) < 0 ||
	    cut_copy(note->subject, SUBJECT_MAX, &entry->subject) < 0 ||
	    cut_copy(note->detail, DETAIL_MAX, &entry->detail) < 0 ||
	    cut_copy(note->deed, ACTION_MAX, &entry->deed) < 0 ||
	    cut_copy(note->reason, REASON_MAX, &entry->reason) < 0)
		return -ERR_NO_MEMORY;
	return 0;
}

static int put_line(struct store_trail *trail, const struct buf *line, struct err *err)
{
	for (size_t done = 0; done < line->len;) {
		ssize_t n = write(trail->fd, line->data + done, line->len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, "cannot write '%s'", trail->store->trail);
		done += (size_t)n;
	}
	if (fdatasync(trail->fd) < 0)
		return err_errno(err, "cannot flush '%s'", trail->store->trail);
	/* The file itself may be new. */
	return trail->number ? 0 : store_sync(trail->store, err);
}

static int append_entry(struct store_trail *trail, struct store_audit_entry *entry, struct err *err)
{
	owned(buf) struct buf line = {.max = LINE_MAX_LEN};
	char hash[TRAIL_HASH_TEXT];
	int rc = store_trail_hash(entry, hash, err);

	if (rc < 0)
		return rc;
	entry->hash = mem_strdup(hash);
	if (!entry->hash)
		return err_no_memory(err);
	rc = store_trail_line(entry, &line, err);
	buf_put_u8(&line, '\n');
	if (rc == 0)
		rc = buf_check(&line, err);
	if (rc == 0)
		rc = put_line(trail, &line, err);
	if (rc < 0) {
		if (!trail->over)
			(void)!ftruncate(trail->fd, trail->end);
		return rc;
	}
	trail->end += (off_t)line.len;
	trail->number = entry->number;
	trail->revision = entry->revision;
	memcpy(trail->hash, hash, sizeof(hash));
	memcpy(trail->store->head, hash, sizeof(hash));
	snprintf(trail->document, sizeof(trail->document), "%s", entry->document ? entry->document : "");
	snprintf(trail->before, sizeof(trail->before), "%s", entry->before ? entry->before : "");
	log_info("store", "entry %lld of '%s': %s %s%s%s", (long long)entry->number, trail->store->trail, entry->action,
		 entry->subject, entry->detail ? ": " : "", entry->detail ? entry->detail : "");
	return 0;
}

/* Documents by their digests; where there is none nothing is said. */
static int put_documents(struct store_audit_entry *entry, const struct store_state *before, const struct store_state *after)
{
	if (before && *before->digest && !(entry->before = mem_strdup(before->digest)))
		return -ERR_NO_MEMORY;
	if (*after->digest && !(entry->document = mem_strdup(after->digest)))
		return -ERR_NO_MEMORY;
	return 0;
}

int store_trail_append(struct store_trail *trail, const struct store_note *note, const struct store_state *before,
		       const struct store_state *after, struct err *err)
{
	struct store_audit_entry entry = {.revision = after->revision};
	int rc = fill(trail, note, &entry) < 0 ? err_no_memory(err) : 0;

	if (rc == 0 && put_documents(&entry, before, after) < 0)
		rc = err_no_memory(err);
	if (rc == 0)
		rc = append_entry(trail, &entry, err);
	json_release(&store_audit_entry_type, &entry);
	return rc;
}

int store_trail_recover(struct store_trail *trail, const struct store_state *now, struct err *err)
{
	char detail[100];
	const struct store_note note = {.action = "store recover", .subject = "fleet.json", .detail = detail};

	snprintf(detail, sizeof(detail), "entry %lld was not carried out; the document stays at revision %lld",
		 (long long)trail->number, (long long)now->revision);
	return store_trail_append(trail, &note, NULL, now, err);
}

/* ---- what repairs need ---- */

int store_trail_resume(struct store_trail *trail, size_t whole, struct store_state *ret_now, struct err *err)
{
	int rc = load_end(trail, (off_t)whole, err);

	if (rc < 0)
		return rc;
	trail->over = true;
	if (fcntl(trail->fd, F_SETFL, 0) < 0 || lseek(trail->fd, trail->end, SEEK_SET) < 0)
		return err_errno(err, "cannot write '%s'", trail->store->trail);
	return settle(trail, ret_now, err);
}

int store_trail_cut(struct store_trail *trail, struct err *err)
{
	if (ftruncate(trail->fd, trail->end) < 0 || fdatasync(trail->fd) < 0)
		return err_errno(err, "cannot cut the end of '%s'", trail->store->trail);
	return 0;
}

static int begin_next(struct store *store, const char *path, const struct store_note *note, struct err *err)
{
	owned(store_trail) struct store_trail *next = mem_new(struct store_trail);
	struct store_state now;
	int rc = next ? store_look(store, &now, err) : err_no_memory(err);

	if (rc < 0)
		return rc;
	next->store = store;
	memcpy(next->hash, store_trail_origin, TRAIL_HASH_TEXT);
	next->fd = file_open(path, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600, err);
	return next->fd < 0 ? next->fd : store_trail_append(next, note, NULL, &now, err);
}

int store_trail_renew(struct store_trail *trail, const struct store_note *note, struct err *err)
{
	owned(mem) char *path = file_join(trail->store->path, ".audit.log.next");
	int rc = path ? begin_next(trail->store, path, note, err) : err_no_memory(err);

	if (rc == 0 && rename(path, trail->store->trail) < 0)
		rc = err_errno(err, "cannot replace '%s'", trail->store->trail);
	if (rc < 0 && path)
		file_remove(path, NULL);
	return rc < 0 ? rc : store_sync(trail->store, err);
}
