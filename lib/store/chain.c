/* SPDX-License-Identifier: Apache-2.0 */
/* Walks along the chain of hashes. */
#include "store/chain.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/str.h"

enum { TRAIL_MAX = 256 << 20 };

int store_chain_read(const struct store *store, struct buf *ret, struct err *err)
{
	int rc;

	buf_init(ret, TRAIL_MAX);
	rc = file_read(store->trail, ret, err);
	return rc == -ERR_NOT_FOUND ? 0 : rc;
}

bool store_lines_next(struct store_lines *lines)
{
	const struct buf *text = lines->text;
	const char *from = (const char *)text->data + lines->at;
	const char *end = lines->at < text->len ? memchr(from, '\n', text->len - lines->at) : NULL;

	if (!end)
		return false;
	lines->line = from;
	lines->len = (size_t)(end - from);
	lines->at += lines->len + 1;
	lines->number++;
	return true;
}

int store_lines_entry(const struct store *store, const struct store_lines *lines, struct store_audit_entry *ret,
		      struct err *err)
{
	char source[32];
	int rc;

	snprintf(source, sizeof(source), "entry %zu", lines->number);
	rc = json_read(&store_audit_entry_type, lines->line, lines->len, source, 0, ret, err);
	if (rc != -ERR_INVALID)
		return rc;
	err_wrap(err, "'%s'", store->trail);
	return err_hint(err, "hsmctl audit repair");
}

static int mismatch(const struct store *store, const struct store_lines *lines, const char *why,
		    struct err *err)
{
	err_set(err, ERR_DIFFERENT, "'%s' line %zu: %s", store->trail, lines->number, why);
	return err_hint(err, "hsmctl audit repair");
}

/* The line is byte for byte what the entry makes, and follows the one before. */
static int check_entry(const struct store *store, const struct store_lines *lines,
		       const struct store_audit_entry *entry, struct store_chain *chain, struct err *err)
{
	owned(buf) struct buf line = {.max = SIZE_MAX};
	char hash[TRAIL_HASH_TEXT];
	int rc = store_trail_hash(entry, hash, err);

	if (rc == 0)
		rc = store_trail_line(entry, &line, err);
	if (rc < 0)
		return rc;
	if (entry->number != chain->number + 1)
		return mismatch(store, lines, "entries are missing before it", err);
	if (!str_eq(entry->previous, chain->hash))
		return mismatch(store, lines, "it does not follow the entry before it", err);
	if (!str_eq(entry->hash, hash) || line.len != lines->len ||
	    memcmp(line.data, lines->line, line.len) != 0)
		return mismatch(store, lines, "it was changed", err);
	chain->number = entry->number;
	chain->revision = entry->revision;
	memcpy(chain->hash, hash, sizeof(hash));
	chain->seen = chain->seen || str_eq(chain->noted, hash);
	if (entry->document && entry->revision == chain->looked.revision)
		snprintf(chain->document, sizeof(chain->document), "%s", entry->document);
	return 0;
}

static int check_line(const struct store *store, const struct store_lines *lines, struct store_chain *chain,
		      struct err *err)
{
	struct store_audit_entry entry = {0};
	int rc = store_lines_entry(store, lines, &entry, err);

	if (rc == -ERR_INVALID)
		return mismatch(store, lines, "it is not an entry", err);
	if (rc == 0)
		rc = check_entry(store, lines, &entry, chain, err);
	json_release(&store_audit_entry_type, &entry);
	return rc;
}

int store_chain_walk(const struct store *store, const struct buf *text, struct store_chain *chain, struct err *err)
{
	struct store_lines lines = {.text = text};
	int rc = 0;

	memcpy(chain->hash, store_trail_origin, TRAIL_HASH_TEXT);
	while (rc == 0 && store_lines_next(&lines)) {
		rc = check_line(store, &lines, chain, err);
		chain->whole = rc == 0 ? lines.at : chain->whole;
	}
	return rc;
}

int store_chain_goes_on(const struct store *store, const struct buf *text, size_t from, struct err *err)
{
	struct store_lines lines = {.text = text, .at = from};
	int rc = -ERR_INVALID;

	while (rc == -ERR_INVALID && store_lines_next(&lines)) {
		struct store_audit_entry entry = {0};

		rc = store_lines_entry(store, &lines, &entry, err);
		json_release(&store_audit_entry_type, &entry);
	}
	return rc == -ERR_INVALID ? 0 : rc < 0 ? rc : 1;
}
