/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A member whose peer says anything. u8 how (enum), u8 calls, for each u8 function and u8 room, then what the peer
 * says: frames, each u8 kind, u16 length and body; or bytes as they are. A member that only reads records says what it
 * likes to say.
 */
#include "fuzz.h"

#include <string.h>

#include "base/err.h"
#include "base/secret.h"
#include "feed.h"
#include "member/frame.h"
#include "member/limit.h"
#include "member/link.h"
#include "member/member.h"
#include "replica/graves.h"
#include "replica/record.h"
#include "shape.h"

enum {
	BARE = 1,
	READS = 2,	/* logs in and reads records */
	OLD = 4,	/* says hello in version 2 */
};

static void say(struct feed *feed, struct bytes *in, unsigned how)
{
	if (how & BARE)
		buf_put(&feed->says, in->at, in->left);
	while (!(how & BARE) && in->left) {
		uint8_t kind = take_u8(in);
		size_t wish = (size_t)take_u8(in) << 8, n;
		uint8_t *body;

		wish |= take_u8(in);
		body = take(in, wish, &n);
		feed_frame(feed, kind, body, n);
		free(body);
	}
}

/* ---- calls by hand ---- */

static void call(struct feed *feed, struct shape *calls, uint8_t version)
{
	static const struct member_config config = {.name = "fuzz", .connect_ms = 100, .answer_ms = 100, .call_ms = 100};
	owned(link) struct link *link = NULL;
	struct call_limit limit = call_limit(calls->calls, calls->count, 100, 100);
	struct err err = {0};

	if (link_stream_open(&config, &feed->stream, version, INT64_MAX / 2, &link, &err) < 0)
		return;
	for (int i = 0; i < 2; i++)
		if (link->ops->call(link, calls->calls, calls->count, &limit, &err) == 0)
			shape_check(calls);
	link->ops->alive(link);
}

/* ---- records ---- */

/* All channels have one peer. */
static int open_link(const struct member_config *config, struct link **ret, struct err *err)
{
	struct feed *feed = config->via_data;

	feed->cut = false;
	return link_stream_open(config, &feed->stream, FRAME_VERSION, INT64_MAX / 2, ret, err);
}

static const struct link_ops via = {.open = open_link};

static int visit(void *data, CK_OBJECT_HANDLE handle, struct record *record, struct err *err)
{
	(void)data;
	(void)handle;
	(void)err;
	HOLDS(record->n_objects <= RECORD_OBJECTS_MAX);
	return 0;
}

static void read_channel(struct member_channel *channel)
{
	struct graves graves = {0};
	struct err err = {0};

	graves_look(channel, &graves, &err);
	HOLDS(graves.count <= GRAVES_OPEN_MAX);
	record_read_all(channel, NULL, visit, NULL, &err);
}

static void read_records(struct feed *feed)
{
	const struct member_config config = {.via = &via, .via_data = feed, .name = "fuzz", .connect_ms = 100,
					     .answer_ms = 100, .call_ms = 100};
	owned(member) struct member *member = NULL;
	struct member_channel *channel;
	struct secret *pin;
	struct err err = {0};

	HOLDS(member_open(&config, &member, &err) == 0);
	HOLDS(secret_new("1234", 4, &pin, &err) == 0);
	member_set_pin(member, pin);
	if (member_acquire(member, &channel, &err) < 0)
		return;
	read_channel(channel);
	member_release(channel);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	owned(feed) struct feed feed = {0};
	owned(shape) struct shape calls = {0};
	struct bytes in = {data, len};
	unsigned how = take_u8(&in);
	size_t count = 1 + take_u8(&in) % SHAPE_CALLS;

	feed_time();
	feed_init(&feed);
	for (size_t i = 0; i < count && !(how & READS); i++) {
		uint8_t fn = take_u8(&in);

		shape_add(&calls, fn, take_u8(&in));
	}
	say(&feed, &in, how);
	if (how & READS)
		read_records(&feed);
	else
		call(&feed, &calls, how & OLD ? 2 : FRAME_VERSION);
	return 0;
}
