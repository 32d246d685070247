/* SPDX-License-Identifier: Apache-2.0 */
/* Mends a trail that cannot be appended to, or whose chain is broken. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "store/chain.h"

void store_repair_release(struct store_repair *repair)
{
	free(repair->kept);
	*repair = (struct store_repair){0};
}

/* A torn last line, which the next append would cut in silence, is a broken end too. */
static int examine(const struct store *store, const struct buf *text, struct store_repair *ret, size_t *ret_whole,
		   struct err *err)
{
	struct store_chain chain = {0};
	struct err why = {0};
	int rc = store_chain_walk(store, text, &chain, &why);

	if (rc < 0 && rc != -ERR_DIFFERENT) {
		*err = why;
		return rc;
	}
	*ret_whole = chain.whole;
	ret->entries = chain.number;
	if (chain.whole == text->len)
		return 0;
	snprintf(ret->why, sizeof(ret->why), "%s", rc < 0 ? why.message : "its last line is torn");
	rc = store_chain_goes_on(store, text, chain.whole, err);
	if (rc < 0)
		return rc;
	ret->damage = rc ? STORE_CHAIN_BROKEN : STORE_END_BROKEN;
	ret->bytes = (int64_t)(rc ? text->len : text->len - chain.whole);
	return 0;
}

static int look(const struct store *store, struct buf *text, struct store_repair *ret, size_t *ret_whole, struct err *err)
{
	int rc = store_chain_read(store, text, err);

	return rc < 0 ? rc : examine(store, text, ret, ret_whole, err);
}

int store_audit_look(struct store *store, struct store_repair *ret, struct err *err)
{
	owned(buf) struct buf text = {0};
	size_t whole;

	return look(store, &text, ret, &whole, err);
}

/* A name that nothing has yet. */
static char *choose_name(const struct store *store)
{
	char time[CLOCK_TEXT];
	char *path = NULL;

	for (int64_t now = clock_utc_ms(); !path || file_exists(path); now++) {
		free(path);
		clock_format(now, time);
		path = mem_printf("%s.broken-%s", store->trail, time);
		if (!path)
			return NULL;
	}
	return path;
}

/* On disk, before anything of the trail is touched. */
static int keep(const struct store *store, const uint8_t *bytes, struct store_repair *ret, struct err *err)
{
	size_t len = (size_t)ret->bytes;
	int rc = crypto_sha256_hex(bytes, len, ret->digest, err);

	ret->kept = rc < 0 ? NULL : choose_name(store);
	if (rc == 0 && !ret->kept)
		rc = err_no_memory(err);
	return rc < 0 ? rc : file_write(ret->kept, bytes, len, 0600, err);
}

static int cut_end(struct store *store, struct store_trail *trail, const struct store_repair *repair, size_t whole,
		   struct err *err)
{
	char detail[1000];
	const struct store_note note = {.action = "audit repair", .subject = "audit.log", .detail = detail};
	struct store_state now;
	int rc = store_trail_resume(trail, whole, &now, err);

	snprintf(detail, sizeof(detail), "%lld bytes behind entry %lld were none and are kept in %.600s; their SHA-256 is %s",
		 (long long)repair->bytes, (long long)repair->entries, repair->kept + strlen(store->path) + 1,
		 repair->digest);
	if (rc == 0)
		rc = store_trail_append(trail, &note, NULL, &now, err);
	return rc < 0 ? rc : store_trail_cut(trail, err);
}

static int begin_anew(struct store *store, struct store_trail *trail, const struct store_repair *repair, struct err *err)
{
	char detail[1800];
	const struct store_note note = {.action = "audit repair", .subject = "audit.log", .detail = detail};

	snprintf(detail, sizeof(detail), "begun anew; the trail before, of %lld bytes, is kept in %.600s; its SHA-256 is %s; %s",
		 (long long)repair->bytes, repair->kept + strlen(store->path) + 1, repair->digest, repair->why);
	return store_trail_renew(trail, &note, err);
}

static int refuse(const struct store_repair *repair, struct err *err)
{
	err_set(err, ERR_DIFFERENT, "%.400s, and entries stand behind it: the chain is broken in its midst", repair->why);
	return err_hint(err, "hsmctl audit repair --new-chain puts it aside and begins another, which names it");
}

int store_audit_repair(struct store *store, bool anew, struct store_repair *ret, struct err *err)
{
	owned(store_trail) struct store_trail *trail = NULL;
	owned(buf) struct buf text = {0};
	size_t whole = 0;
	int rc = store_check_writable(store, err);

	if (rc == 0)
		rc = store_trail_lock(store, &trail, err);
	if (rc == 0)
		rc = look(store, &text, ret, &whole, err);
	if (rc < 0 || ret->damage == STORE_WHOLE)
		return rc;
	if (ret->damage == STORE_CHAIN_BROKEN && !anew)
		return refuse(ret, err);
	rc = keep(store, text.data + (ret->damage == STORE_END_BROKEN ? whole : 0), ret, err);
	if (rc < 0)
		return rc;
	return ret->damage == STORE_END_BROKEN ? cut_end(store, trail, ret, whole, err) : begin_anew(store, trail, ret, err);
}
