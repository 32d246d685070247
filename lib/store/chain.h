/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chain - the lines of audit.log, and how far each follows from the one before.
 *
 * Works on the file's bytes, read by store_chain_read(). Private to lib/store.
 */
#ifndef STORE_CHAIN_H
#define STORE_CHAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "store/trail.h"

/* The whole lines, one after the other. Begins zeroed, but for text. */
struct store_lines {
	const struct buf *text;
	size_t at, number;
	const char *line;
	size_t len;
};
bool store_lines_next(struct store_lines *lines);
/* ERR_INVALID: it is not an entry. ret is zeroed by the caller. */
int store_lines_entry(const struct store *store, const struct store_lines *lines, struct store_audit_entry *ret,
		      struct err *err);

/* The file's bytes; none without a file. ret is empty, released by the caller; its maximum is set here. */
int store_chain_read(const struct store *store, struct buf *ret, struct err *err);

/* How far the chain has been walked. */
struct store_chain {
	int64_t number, revision;
	char hash[TRAIL_HASH_TEXT];
	size_t whole;			/* bytes of the entries that hold */
	struct store_state looked;	/* in: the document before the walk */
	char document[SHA256_TEXT];	/* what the trail says of that revision, "" = nothing */
	const char *noted;		/* in: hash to look for, NULL = none */
	bool seen;			/* it was there */
};

/* ERR_DIFFERENT names the first line that does not match. */
int store_chain_walk(const struct store *store, const struct buf *text, struct store_chain *chain, struct err *err);

/* Is there an entry among the lines that begin there or behind? 1 or 0. */
int store_chain_goes_on(const struct store *store, const struct buf *text, size_t from, struct err *err);

#endif
