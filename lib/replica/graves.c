/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of deleted keys on a member. */
#include "replica/graves.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

static const char OPEN[] = KEPT_GRAVES, FULL[] = KEPT_GRAVES_FULL;
enum { TRIES = 20 };

int graves_look(struct member_channel *channel, struct graves *ret, struct err *err)
{
	return memo_find(channel, OPEN, ret->open, GRAVES_OPEN_MAX, &ret->count, err);
}

void graves_note(struct graves *graves, CK_OBJECT_HANDLE handle, const char *label)
{
	if (str_eq(label, OPEN) && graves->count < GRAVES_OPEN_MAX)
		graves->open[graves->count++] = handle;
}

void graves_ask(struct step *step, const struct graves *graves)
{
	if (!graves->count)
		step_absent(step, OPEN);
	for (size_t i = 0; i < graves->count; i++)
		step_ask(step, graves->open[i]);
}

/* What the open ones hold, and what is to be added. */
struct digging {
	struct graves before;
	uint8_t *uids;
	size_t count, cap;
};

static void digging_release(struct digging *digging)
{
	free(digging->uids);
}
OWN_DEFINE_RELEASE(digging)

static bool holds(const struct digging *d, const uint8_t *uid)
{
	for (size_t i = 0; i < d->count; i++)
		if (memcmp(d->uids + i * GRAVE_LEN, uid, GRAVE_LEN) == 0)
			return true;
	return false;
}

/* How many were new. */
static int add(struct digging *d, const uint8_t *uids, size_t count, struct err *err)
{
	int added = 0;

	for (size_t i = 0; i < count; i++) {
		if (holds(d, uids + i * GRAVE_LEN))
			continue;
		if (d->count == d->cap) {
			size_t cap = d->cap ? d->cap * 2 : 64;
			uint8_t *grown = mem_grow(d->uids, d->cap, cap, GRAVE_LEN);

			if (!grown)
				return err_no_memory(err);
			d->uids = grown;
			d->cap = cap;
		}
		memcpy(d->uids + d->count++ * GRAVE_LEN, uids + i * GRAVE_LEN, GRAVE_LEN);
		added++;
	}
	return added;
}

static int take_in(void *data, CK_OBJECT_HANDLE handle, const char *label, const void *value, size_t len, struct err *err)
{
	struct digging *d = data;
	const uint8_t *uids;
	size_t count;
	int rc = graves_decode(value, len, &uids, &count, err);

	(void)label;
	if (rc < 0 && rc != -ERR_INVALID)
		return rc;
	if (d->before.count == GRAVES_OPEN_MAX)
		return 0;
	/* A torn one is written beside the whole one, and goes with it. */
	d->before.open[d->before.count++] = handle;
	return rc > 0 ? add(d, uids, count, err) : 0;
}

int graves_look_for(struct member_channel *channel, const uint8_t *uid, struct graves *ret, bool *ret_there,
		    struct err *err)
{
	int rc = 1;

	for (int i = 0; i < TRIES && rc > 0; i++) {
		owned(digging) struct digging d = {0};

		rc = memo_each(channel, OPEN, take_in, &d, err);
		*ret = d.before;
		*ret_there = holds(&d, uid);
	}
	return rc > 0 ? err_set(err, ERR_CHANGED, "keys keep being deleted") : rc;
}

static int put(struct step *step, const char *label, const uint8_t *uids, size_t count, struct err *err)
{
	return graves_encode(uids, count, &step_put(step, label)->value, err);
}

/* The open ones become one; what has no room there any more is closed. */
static int rewrite(struct member_channel *channel, const struct digging *d, CK_OBJECT_HANDLE *ret, struct err *err)
{
	owned(step) struct step step = step_begin(channel);
	size_t full = d->count > GRAVES_FULL ? GRAVES_FULL : 0;
	int rc = 0;

	graves_ask(&step, &d->before);
	if (full)
		rc = put(&step, FULL, d->uids, full, err);
	if (rc == 0)
		rc = put(&step, OPEN, d->uids + full * GRAVE_LEN, d->count - full, err);
	for (size_t i = 0; i < d->before.count; i++)
		step_destroy(&step, d->before.open[i]);
	if (rc == 0)
		rc = step_send(&step, err);
	if (rc == 0)
		*ret = step.memos[step.n_memos - 1].handle;
	return rc;
}

static bool same(const struct graves *a, const struct graves *b)
{
	return a->count == b->count && memcmp(a->open, b->open, a->count * sizeof(*a->open)) == 0;
}

/* At most what fits beside a nearly full one. */
static int dig_some(struct member_channel *channel, const uint8_t *uids, size_t count, struct graves *known, struct err *err)
{
	int rc = -ERR_CHANGED;

	for (int i = 0; i < TRIES && rc == -ERR_CHANGED; i++) {
		owned(digging) struct digging d = {0};
		CK_OBJECT_HANDLE made = CK_INVALID_HANDLE;

		rc = memo_each(channel, OPEN, take_in, &d, err);
		if (rc > 0)
			rc = -ERR_CHANGED;
		if (rc == 0)
			rc = add(&d, uids, count, err);
		if (rc > 0 || (rc == 0 && d.before.count > 1))
			rc = rewrite(channel, &d, &made, err);
		if (rc == 0 && made && known && same(known, &d.before))
			*known = (struct graves){.open = {made}, .count = 1};
	}
	return rc;
}

int graves_dig(struct member_channel *channel, const uint8_t *uids, size_t count, struct graves *known, struct err *err)
{
	int rc = 0;

	for (size_t done = 0; done < count && rc == 0; done += GRAVES_FULL) {
		size_t n = count - done < GRAVES_FULL ? count - done : GRAVES_FULL;

		rc = dig_some(channel, uids + done * GRAVE_LEN, n, known, err);
	}
	return rc;
}

int graves_each(struct member_channel *channel, memo_visitor each, void *data, struct err *err)
{
	int rc = 1;

	for (int i = 0; i < TRIES && rc > 0; i++) {
		rc = memo_each(channel, OPEN, each, data, err);
		/* Those that were full before this look are; one that became so since was read as the open one. */
		if (rc == 0)
			rc = memo_each(channel, FULL, each, data, err);
	}
	return rc > 0 ? err_set(err, ERR_CHANGED, "keys keep being deleted") : rc;
}
