/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host with a token behind it, and a client that says anything: u8 how it begins (enum), then calls, each u16 length
 * and a batch. Whatever it is told fits what it asked.
 */
#include "fuzz.h"

#include <string.h>

#include "base/err.h"
#include "fake/token.h"
#include "feed.h"
#include "member/appliance.h"
#include "member/frame.h"
#include "member/host.h"
#include "member/instance.h"
#include "member/serve.h"

enum {
	BARE = 1,	/* says what the input says, hello and heads too */
	LOGS_IN = 2,
	OLD = 4,	/* speaks version 2 */
	FULL = 8,	/* there is no place for it */
	HELLO_LEN = 8 + INSTANCE_LEN,
};

/* The library that the host loads is this program. */
CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR list);
__attribute__((visibility("default"))) CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR list)
{
	*list = fake_functions();
	return CKR_OK;
}

static void say_hello(struct feed *feed, uint8_t version)
{
	static const uint8_t hello[HELLO_LEN] = {'h', 's', 'm', 'c', 't', 'l', FRAME_OLDEST, FRAME_VERSION, 1, 2, 3};
	uint8_t copy[HELLO_LEN];

	memcpy(copy, hello, sizeof(copy));
	copy[7] = version;
	feed_frame(feed, FRAME_HELLO, copy, version >= FRAME_VERSION_INSTANCE ? HELLO_LEN : 8);
}

static void say_call(struct feed *feed, struct p11_call call)
{
	owned(buf) struct buf body = {.max = 4096};

	p11_encode_request(&body, &call, 1);
	feed_frame(feed, FRAME_CALL, body.data, body.len);
}

/* The first session of the token is the host's when somebody logs in: two are opened, and the calls name either. */
static void begin(struct feed *feed, unsigned how)
{
	CK_SESSION_HANDLE session;

	say_hello(feed, how & OLD ? 2 : FRAME_VERSION);
	for (int i = 0; i < 2; i++)
		say_call(feed, p11_C_OpenSession(0, CKF_SERIAL_SESSION | CKF_RW_SESSION, &session));
	if (how & LOGS_IN)
		say_call(feed, p11_C_Login(((CK_SESSION_HANDLE)1 << 32) + 1, CKU_USER, (CK_UTF8CHAR *)"1234", 4));
}

static void say(struct feed *feed, const uint8_t *data, size_t len)
{
	struct bytes in = {data, len};
	unsigned how = take_u8(&in);

	if (how & BARE) {
		buf_put(&feed->says, in.at, in.left);
		return;
	}
	begin(feed, how);
	while (in.left) {
		size_t wish = (size_t)take_u8(&in) << 8, n;
		uint8_t *body;

		wish |= take_u8(&in);
		body = take(&in, wish, &n);
		feed_frame(feed, FRAME_CALL, body, n);
		free(body);
	}
}

/* ---- what it hears ---- */

static bool next(struct buf_reader *r, uint8_t *ret_kind, const uint8_t **ret_body, size_t *ret_len)
{
	uint32_t len;

	if (r->pos == r->len)
		return false;
	len = buf_get_u32(r);
	*ret_kind = buf_get_u8(r);
	*ret_body = buf_get(r, len);
	*ret_len = len;
	HOLDS(!r->bad && *ret_kind >= FRAME_HELLO && *ret_kind <= FRAME_REFUSED);
	return true;
}

/* What answers a call is a reply to it. */
static void check_reply(struct buf_reader *says, const uint8_t *body, size_t len)
{
	owned(p11_batch) struct p11_batch asked = {0};
	struct buf_reader request, reply;
	struct err err = {0};
	const uint8_t *call;
	uint8_t kind;
	size_t call_len;

	HOLDS(next(says, &kind, &call, &call_len) && kind == FRAME_CALL);
	request = buf_reader(call, call_len);
	HOLDS(p11_decode_request(&request, P11_RESULT_MAX, &asked, &err) == 0);
	reply = buf_reader(body, len);
	buf_get_u64(&reply);
	HOLDS(p11_decode_reply(&reply, asked.calls, asked.count, &err) == 0);
}

static void check_all(const struct feed *feed)
{
	struct buf_reader says = buf_reader(feed->says.data, feed->says.len);
	struct buf_reader hears = buf_reader(feed->hears.data, feed->hears.len);
	const uint8_t *body;
	const uint8_t *hello;
	uint8_t kind, first;
	size_t len, hello_len;

	for (bool last = false; next(&hears, &kind, &body, &len);) {
		HOLDS(!last);
		if (kind == FRAME_REPLY)
			check_reply(&says, body, len);
		else if (kind == FRAME_WELCOME)
			HOLDS(says.pos == 0 && next(&says, &first, &hello, &hello_len) && first == FRAME_HELLO);
		else
			HOLDS(kind == FRAME_REFUSED || kind == FRAME_BEAT);
		last = kind == FRAME_REFUSED;
	}
}

/* ---- the host ---- */

static void serve(struct feed *feed, bool has_place)
{
	static const struct appliance_config config = {.name = "fuzz", .library = ""};
	static const struct host_peer peer = {.name = "anybody", .fingerprint = "00", .role = CERT_ROLE_APPLICATION};
	struct conversation conversation;
	struct service service;
	struct host *host;
	struct err err = {0};

	fake_reset(1, 1);
	HOLDS(host_open(&config, &host, &err) == 0);
	service_init(&service, host, "fuzz", 1000);
	conversation_init(&conversation, &service);
	HOLDS(conversation_hold(&conversation, &feed->stream, &peer, has_place, &err) < 0);
	conversation_release(&conversation);
	HOLDS(!host_guests(host)->first);
	host_free(host);
	fake_reset(0, 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	owned(feed) struct feed feed = {0};

	feed_time();
	feed_init(&feed);
	say(&feed, data, len);
	serve(&feed, !(len && data[0] & FULL));
	check_all(&feed);
	return 0;
}
