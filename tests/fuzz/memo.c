/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What members hold of keys, of each other and of what was deleted: memos, as anybody may have written them who has
 * the PIN. The digest at the end is made here, since no chance finds one.
 */
#include "fuzz.h"

#include <string.h>

#include "base/err.h"
#include "replica/graves.h"
#include "replica/record.h"
#include "replica/view.h"

enum { VALUE_MAX = 1 << 20 };

static void record(const struct buf *value)
{
	owned(record) struct record record = {0}, again = {0}, copy = {0};
	owned(buf) struct buf once = {.max = VALUE_MAX}, twice = {.max = VALUE_MAX};
	struct err err = {0};
	char text[32];

	if (record_decode(value->data, value->len, &record, &err) < 0 || record.state == RECORD_UNKNOWN)
		return;
	HOLDS(record_copy(&record, &copy, &err) == 0);
	HOLDS(record_same_version(&record, &copy) && !record_newer(&record, &copy));
	record_is_all(&record);
	record_is_public(&record);
	for (size_t i = 0; i < record.n_objects; i++) {
		record_is_gone(&record, i);
		p11_attrs_text(&record.objects[i], CKA_LABEL, text, sizeof(text));
		HOLDS(p11_attrs_equal(&record.objects[i], &copy.objects[i]));
	}
	HOLDS(record_encode(&record, &once, &err) == 0);
	HOLDS(record_decode(once.data, once.len, &again, &err) == 0);
	HOLDS(record_encode(&again, &twice, &err) == 0);
	HOLDS(once.len == twice.len && memcmp(once.data, twice.data, once.len) == 0);
}

static void graves(const struct buf *value)
{
	const uint8_t *uids;
	struct err err = {0};
	size_t count;

	if (graves_decode(value->data, value->len, &uids, &count, &err) <= 0)
		return;
	HOLDS(count == 0 || (uids >= value->data && uids + count * GRAVE_LEN <= value->data + value->len));
}

static void view(const struct buf *value)
{
	owned(buf) struct buf once = {.max = VALUE_MAX}, twice = {.max = VALUE_MAX};
	struct view view = {0}, again = {0}, merged = {0};
	struct err err = {0};

	if (view_decode(value->data, value->len, &view, &err) < 0)
		return;
	for (size_t i = 0; i < view.count; i++)
		HOLDS(memchr(view.of[i].name, 0, sizeof(view.of[i].name)));
	view_merge(&merged, &view);
	view_merge(&merged, &view);
	HOLDS(merged.count <= SET_MAX);
	HOLDS(view_encode(&view, &once, &err) == 0);
	HOLDS(view_decode(once.data, once.len, &again, &err) == 0);
	HOLDS(view_encode(&again, &twice, &err) == 0);
	HOLDS(once.len == twice.len && memcmp(once.data, twice.data, once.len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	owned(buf) struct buf value = {.max = VALUE_MAX};
	struct err err = {0};
	struct buf_reader r;

	memo_unseal(data, len, &r, &err);
	buf_put(&value, data, len);
	HOLDS(memo_seal(&value, &err) == 0);
	account_begin();
	record(&value);
	graves(&value);
	view(&value);
	HOLDS(account_peak() <= 64 * len + (64 << 10));
	return 0;
}
