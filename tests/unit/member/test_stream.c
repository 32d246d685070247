/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes over a local socket: what has come is there, in whatever pieces it is asked for, and the end comes after it. */
#include "../base/temp.h"

#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "member/stream.h"

enum { FAR = 10000, LARGE = 20000 };

static struct {
	struct stream *stream;
	int peer;
} it;

static int set_up(void **state)
{
	int ends[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	it.peer = ends[1];
	return stream_over_socket(ends[0], &it.stream, NULL);
}

static int tear_down(void **state)
{
	(void)state;
	stream_free(it.stream);
	if (it.peer >= 0)
		close(it.peer);
	return 0;
}

static void say(const void *data, size_t len)
{
	assert_int_equal(write(it.peer, data, len), len);
}

static void hang_up(void)
{
	close(it.peer);
	it.peer = -1;
}

static int64_t deadline(void)
{
	return clock_now_ms() + FAR;
}

static void pieces_are_as_small_or_large_as_one_likes(void **state)
{
	static uint8_t sent[LARGE], got[LARGE];
	static const size_t pieces[] = {1, 5, 4000, 5000, 3, LARGE};
	size_t at = 0;

	(void)state;
	for (size_t i = 0; i < LARGE; i++)
		sent[i] = (uint8_t)(i * 7);
	say(sent, LARGE);
	for (size_t i = 0; at < LARGE; i++) {
		size_t most = pieces[i % (sizeof(pieces) / sizeof(pieces[0]))];
		int n = stream_read(it.stream, got + at, most < LARGE - at ? most : LARGE - at, deadline(), NULL);

		assert_in_range(n, 1, most);
		at += (size_t)n;
	}
	assert_memory_equal(got, sent, LARGE);
	assert_int_equal(stream_wait(it.stream, 0, NULL), 0);
}

static void what_came_with_the_first_byte_need_not_be_waited_for(void **state)
{
	char byte;

	(void)state;
	say("ab", 2);
	assert_int_equal(stream_read(it.stream, &byte, 1, deadline(), NULL), 1);
	assert_int_equal(stream_wait(it.stream, 0, NULL), 1);
	assert_int_equal(stream_read(it.stream, &byte, 1, deadline(), NULL), 1);
	assert_int_equal(byte, 'b');
	assert_int_equal(stream_wait(it.stream, 0, NULL), 0);
	assert_int_equal(stream_read(it.stream, &byte, 1, 0, NULL), -ERR_TIMEOUT);
	/* It is whole: */
	say("c", 1);
	assert_int_equal(stream_read(it.stream, &byte, 1, deadline(), NULL), 1);
}

static void the_end_comes_after_the_bytes(void **state)
{
	char bytes[8];
	struct err err;

	(void)state;
	say("ab", 2);
	hang_up();
	assert_int_equal(stream_wait(it.stream, deadline(), NULL), 1);
	assert_int_equal(stream_read(it.stream, bytes, sizeof(bytes), deadline(), NULL), 2);
	assert_int_equal(stream_wait(it.stream, deadline(), NULL), 1);
	assert_false(stream_ended(it.stream));
	assert_int_equal(stream_read(it.stream, bytes, sizeof(bytes), deadline(), &err), -ERR_UNREACHABLE);
	assert_int_equal(err.retry, ERR_RETRY_IDEMPOTENT);
	assert_true(stream_ended(it.stream));
}

static void a_cut_stream_gives_nothing_more(void **state)
{
	char byte;

	(void)state;
	say("ab", 2);
	assert_int_equal(stream_read(it.stream, &byte, 1, deadline(), NULL), 1);
	stream_cut(it.stream);
	assert_int_equal(stream_wait(it.stream, deadline(), NULL), -ERR_UNREACHABLE);
	assert_int_equal(stream_read(it.stream, &byte, 1, deadline(), NULL), -ERR_UNREACHABLE);
	assert_false(stream_ended(it.stream));
}

#define stream_test(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		stream_test(pieces_are_as_small_or_large_as_one_likes),
		stream_test(what_came_with_the_first_byte_need_not_be_waited_for),
		stream_test(the_end_comes_after_the_bytes),
		stream_test(a_cut_stream_gives_nothing_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
