/* SPDX-License-Identifier: Apache-2.0 */
/* Heads of frames that lie: who believes them reserves or waits for what never comes. */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../base/temp.h"
#include "member/frame.h"
#include "member/stream.h"

/* What is received when this head comes. */
static int head_of(enum frame_kind kind, uint32_t len)
{
	const uint8_t head[] = {(uint8_t)(len >> 24), (uint8_t)(len >> 16), (uint8_t)(len >> 8), (uint8_t)len, kind};
	struct frame_pace pace = frame_pace(5000, 5000, 5000);
	owned(stream) struct stream *stream = NULL;
	uint32_t got;
	int fds[2], rc;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(stream_over_socket(fds[0], &stream, NULL), 0);
	assert_int_equal(write(fds[1], head, sizeof(head)), sizeof(head));
	rc = frame_receive_head(stream, &got, &pace, NULL);
	close(fds[1]);
	return rc;
}

static void a_frame_is_no_longer_than_its_kind_may_be(void **state)
{
	static const struct {
		enum frame_kind kind;
		uint32_t longest;
	} cases[] = {
		{FRAME_HELLO, FRAME_SHORT}, {FRAME_WELCOME, FRAME_SHORT}, {FRAME_CALL, FRAME_MAX},
		{FRAME_REPLY, FRAME_MAX}, {FRAME_BEAT, 0}, {FRAME_REFUSED, FRAME_SHORT},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(head_of(cases[i].kind, cases[i].longest), cases[i].kind);
		assert_int_equal(head_of(cases[i].kind, cases[i].longest + 1), -ERR_PROTOCOL);
		assert_int_equal(head_of(cases[i].kind, UINT32_MAX), -ERR_PROTOCOL);
	}
	assert_int_equal(head_of(0, 0), -ERR_PROTOCOL);
	assert_int_equal(head_of(FRAME_REFUSED + 1, 0), -ERR_PROTOCOL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_frame_is_no_longer_than_its_kind_may_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
