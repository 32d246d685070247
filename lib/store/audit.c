/* SPDX-License-Identifier: Apache-2.0 */
/* The audit trail as others see it: appended to, read, verified. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "store/folder.h"
#include "store/chain.h"

const char *const store_outcome_names[] = {"noted", "begun", "done", "failed", "not_known", NULL};

static const struct json_field entry_fields[] = {
	JSON_F_INT(struct store_audit_entry, number, JSON_REQUIRED | JSON_COLUMN, 1, INT64_MAX,
		   "position in the trail, from 1"),
	JSON_F_STRING(struct store_audit_entry, time, JSON_REQUIRED | JSON_COLUMN,
		      "when, RFC 3339 UTC"),
	JSON_F_STRING(struct store_audit_entry, user, JSON_REQUIRED | JSON_COLUMN,
		      "who ran the command"),
	JSON_F_STRING(struct store_audit_entry, sudo_user, JSON_OMIT,
		      "who became that user by sudo, as SUDO_USER says"),
	JSON_F_STRING(struct store_audit_entry, host, JSON_REQUIRED | JSON_COLUMN | JSON_WIDE, "where"),
	JSON_F_STRING(struct store_audit_entry, action, JSON_REQUIRED | JSON_COLUMN,
		      "what was done"),
	JSON_F_STRING(struct store_audit_entry, subject, JSON_COLUMN, "what it was done to"),
	JSON_F_STRING(struct store_audit_entry, detail, JSON_COLUMN, "more about it"),
	JSON_F_STRING(struct store_audit_entry, deed, JSON_OMIT,
		      "the same in the entry of its beginning and that of its end"),
	JSON_F_ENUM(struct store_audit_entry, outcome, JSON_OMIT, store_outcome_names,
		    "of a deed: begun, or how it ended; absent from an entry by itself"),
	JSON_F_STRING(struct store_audit_entry, reason, JSON_OMIT, "why it failed, or is not known"),
	JSON_F_INT(struct store_audit_entry, revision, JSON_REQUIRED | JSON_COLUMN | JSON_WIDE, 0, INT64_MAX,
		   "revision of the document after it"),
	JSON_F_STRING(struct store_audit_entry, before, JSON_OMIT,
		      "SHA-256 of the document that a change was made from"),
	JSON_F_STRING(struct store_audit_entry, document, JSON_OMIT,
		      "SHA-256 of the document after it"),
	JSON_F_STRING(struct store_audit_entry, previous, JSON_REQUIRED,
		      "hash of the entry before; zeros for the first"),
	JSON_F_STRING(struct store_audit_entry, hash, JSON_OMIT,
		      "SHA-256 over the entry's line without this key"),
	JSON_F_END,
};
const struct json_type store_audit_entry_type = {
	.summary = "A change, or something done with keys",
	.size = sizeof(struct store_audit_entry), .fields = entry_fields,
};

static const struct json_field trail_fields[] = {
	JSON_F_LIST(struct store_audit_trail, entries, JSON_REQUIRED | JSON_COLUMN,
		    store_audit_entry_type, "the entries, oldest first"),
	JSON_F_END,
};
const struct json_type store_audit_trail_type = {
	.schema = "audit", .summary = "The trail of every change",
	.size = sizeof(struct store_audit_trail), .fields = trail_fields,
};

int store_audit(struct store *store, const char *action, const char *subject,
		const char *detail, struct err *err)
{
	const struct store_note note = {.action = action, .subject = subject, .detail = detail};
	owned(store_trail) struct store_trail *trail = NULL;
	struct store_state now;
	int rc = store_check_writable(store, err);

	if (rc == 0)
		rc = store_trail_open(store, &trail, &now, err);
	return rc < 0 ? rc : store_trail_append(trail, &note, NULL, &now, err);
}

int store_audit_read(struct store *store, struct store_audit_trail *ret, struct err *err)
{
	owned(buf) struct buf text = {0};
	struct store_lines lines = {.text = &text};
	int rc = store_chain_read(store, &text, err);

	while (rc == 0 && store_lines_next(&lines)) {
		struct store_audit_entry *entry =
			json_append(&ret->entries, &ret->n_entries, sizeof(*entry));

		rc = entry ? store_lines_entry(store, &lines, entry, err) : err_no_memory(err);
	}
	if (rc < 0)
		json_release(&store_audit_trail_type, ret);
	return rc;
}

/* ---- one entry a deed ---- */

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool is_end(const struct store_audit_entry *entry)
{
	return entry->deed && entry->outcome != STORE_BEGUN;
}

/* The ids of the deeds that ended, sorted. */
static char **ended(const struct store_audit_trail *trail, size_t *ret_count)
{
	char **ids = mem_zalloc((trail->n_entries + 1) * sizeof(*ids));

	*ret_count = 0;
	for (size_t i = 0; ids && i < trail->n_entries; i++)
		if (is_end(&trail->entries[i]))
			ids[(*ret_count)++] = trail->entries[i].deed;
	if (ids)
		qsort(ids, *ret_count, sizeof(*ids), by_text);
	return ids;
}

int store_audit_fold(struct store_audit_trail *trail, struct err *err)
{
	size_t count, kept = 0;
	owned(mem) char **ids = ended(trail, &count);

	if (!ids)
		return err_no_memory(err);
	for (size_t i = 0; i < trail->n_entries; i++) {
		struct store_audit_entry *entry = &trail->entries[i];

		if (entry->deed && !is_end(entry) && bsearch(&entry->deed, ids, count, sizeof(*ids), by_text))
			json_release(&store_audit_entry_type, entry);
		else
			trail->entries[kept++] = *entry;
	}
	trail->n_entries = kept;
	return 0;
}

/* ---- the chain ---- */

/* Without a lock others may commit meanwhile: a document's entry is there before it, and the trail is at most
 * one entry ahead. */
static int judge(const struct store *store, const struct store_chain *chain, int64_t after, struct err *err)
{
	if (chain->revision < chain->looked.revision)
		return err_set(err, ERR_DIFFERENT,
			       "'%s' ends at revision %lld, the document is of revision %lld",
			       store->trail, (long long)chain->revision, (long long)chain->looked.revision);
	if (chain->revision > after + 1)
		return err_set(err, ERR_DIFFERENT,
			       "the document is of revision %lld, older than the trail's %lld",
			       (long long)after, (long long)chain->revision);
	if (*chain->document && !str_eq(chain->document, chain->looked.digest))
		return err_set(err, ERR_DIFFERENT,
			       "'%s' was changed by other means than hsmctl: it is not the document that '%s' speaks of",
			       store->document, store->trail);
	if (chain->noted && !chain->seen)
		return err_set(err, ERR_DIFFERENT,
			       "no entry of '%s' has the hash %s: it was cut, or made anew, since that was noted",
			       store->trail, chain->noted);
	return 0;
}

int store_audit_verify(struct store *store, const char *noted, char *ret_head, struct err *err)
{
	owned(buf) struct buf text = {0};
	struct store_chain chain = {.noted = noted};
	struct store_state after;
	int rc = store_look(store, &chain.looked, err);

	if (rc == 0)
		rc = store_chain_read(store, &text, err);
	if (rc == 0)
		rc = store_chain_walk(store, &text, &chain, err);
	if (rc == 0)
		rc = store_look(store, &after, err);
	if (rc == 0)
		rc = judge(store, &chain, after.revision, err);
	if (rc < 0)
		return rc;
	if (ret_head)
		memcpy(ret_head, chain.hash, sizeof(chain.hash));
	return (int)chain.number;
}
