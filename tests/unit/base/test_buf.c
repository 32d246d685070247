/* SPDX-License-Identifier: Apache-2.0 */
#include "temp.h"

#include "base/buf.h"

static void what_is_written_can_be_read(void **state)
{
	owned(buf) struct buf b;
	struct buf_reader r;
	size_t len;

	(void)state;
	buf_init(&b, 100);
	buf_put_u8(&b, 0xfe);
	buf_put_u32(&b, 0x01020304);
	buf_put_u64(&b, 0x1122334455667788);
	buf_put_bytes(&b, "abc", 3);
	buf_put_bytes(&b, NULL, 0);
	buf_put_str(&b, "xy");
	buf_printf(&b, "%d-%s", 7, "z");
	assert_int_equal(buf_check(&b, NULL), 0);
	assert_memory_equal(b.data, "\xfe\1\2\3\4\x11\x22\x33\x44\x55\x66\x77\x88\0\0\0\3abc\0\0\0\0xy7-z", b.len);

	r = buf_reader(b.data, b.len);
	assert_int_equal(buf_get_u8(&r), 0xfe);
	assert_int_equal(buf_get_u32(&r), 0x01020304);
	assert_true(buf_get_u64(&r) == 0x1122334455667788);
	assert_memory_equal(buf_get_bytes(&r, &len), "abc", 3);
	assert_int_equal(len, 3);
	assert_non_null(buf_get_bytes(&r, &len));
	assert_int_equal(len, 0);
	assert_false(buf_read_done(&r));
	assert_memory_equal(buf_get(&r, 5), "xy7-z", 5);
	assert_true(buf_read_done(&r));
}

static void the_maximum_holds_for_every_write(void **state)
{
	(void)state;
	for (size_t max = 0; max < 40; max++) {
		owned(buf) struct buf b;
		struct err err = {0};
		size_t written = 0;

		buf_init(&b, max);
		while (!b.bad && written < 100) {
			buf_put(&b, "abc", 3);
			written += 3;
		}
		assert_true(b.bad);
		assert_int_equal(b.len, max / 3 * 3);
		assert_int_equal(buf_check(&b, &err), -ERR_NO_MEMORY);
		buf_put_u8(&b, 1);
		buf_printf(&b, "x");
		assert_null(buf_reserve(&b, 0));
		assert_int_equal(b.len, max / 3 * 3);
		assert_string_equal(buf_text(&b), "");
		buf_clear(&b);
		assert_int_equal(b.len, 0);
		assert_int_equal(buf_check(&b, NULL), 0);
	}
}

/* The terminator does not count against the maximum. */
static void a_full_buffer_still_has_its_text(void **state)
{
	owned(buf) struct buf b, printed, none;

	(void)state;
	buf_init(&b, 4);
	buf_put(&b, "abcd", 4);
	assert_string_equal(buf_text(&b), "abcd");
	assert_int_equal(buf_check(&b, NULL), 0);
	buf_init(&printed, 4);
	buf_printf(&printed, "%s", "abcd");
	assert_string_equal(buf_text(&printed), "abcd");
	buf_printf(&printed, "%s", "");
	assert_int_equal(buf_check(&printed, NULL), 0);
	buf_printf(&printed, "e");
	assert_true(printed.bad);
	buf_init(&none, 0);
	assert_string_equal(buf_text(&none), "");
	assert_false(none.bad);
}

static void text_grows_over_many_writes(void **state)
{
	owned(buf) struct buf b;

	(void)state;
	buf_init(&b, 1 << 20);
	for (int i = 0; i < 10000; i++) {
		buf_printf(&b, "%05d", i);
		if (i % 1000 == 0)
			assert_int_equal(strlen(buf_text(&b)), b.len);
	}
	assert_int_equal(b.len, 50000);
	assert_memory_equal(b.data + 5 * 9999, "09999", 5);
}

static void a_maximum_without_end_is_allowed(void **state)
{
	owned(buf) struct buf b;

	(void)state;
	buf_init(&b, SIZE_MAX);
	buf_put(&b, "x", 1);
	assert_int_equal(buf_check(&b, NULL), 0);
	assert_null(buf_reserve(&b, SIZE_MAX));
	assert_true(b.bad);
	buf_clear(&b);
	mem_fail_after = 1;
	assert_null(buf_reserve(&b, SIZE_MAX / 2 + 2));
	assert_int_equal(mem_fail_after, 0);
	assert_true(b.bad);
}

static void patching_stays_inside(void **state)
{
	owned(buf) struct buf b;

	(void)state;
	buf_init(&b, 100);
	buf_patch_u32(&b, 0, 1);
	buf_put_u32(&b, 0);
	buf_put_u8(&b, 9);
	buf_patch_u32(&b, 0, 0xa0b0c0d0);
	buf_patch_u32(&b, 2, 7);
	buf_patch_u32(&b, SIZE_MAX, 7);
	assert_memory_equal(b.data, "\xa0\xb0\xc0\xd0\x09", 5);
	buf_patch_u32(&b, 1, 1);
	assert_memory_equal(b.data, "\xa0\0\0\0\1", 5);
}

static void reserved_room_is_filled_by_the_caller(void **state)
{
	owned(buf) struct buf b;
	uint8_t *at;

	(void)state;
	buf_init(&b, 300);
	buf_put_u8(&b, 'a');
	at = buf_reserve(&b, 299);
	assert_non_null(at);
	memset(at, 'b', 299);
	b.len += 299;
	assert_null(buf_reserve(&b, 1));
	assert_true(b.bad);
}

static void reading_past_the_end_yields_nothing(void **state)
{
	static const uint8_t data[] = {0, 0, 0, 9, 1, 2, 3};

	(void)state;
	for (size_t len = 0; len <= sizeof(data); len++) {
		struct buf_reader r = buf_reader(data, len);
		size_t got = 99;

		assert_null(buf_get_bytes(&r, &got));
		assert_int_equal(got, 0);
		assert_true(r.bad);
		assert_int_equal(buf_get_u8(&r), 0);
		assert_int_equal(buf_get_u32(&r), 0);
		assert_true(buf_get_u64(&r) == 0);
		assert_null(buf_get(&r, 0));
		assert_false(buf_read_done(&r));
	}
	struct buf_reader empty = buf_reader(NULL, 0);

	buf_get(&empty, 0);
	assert_true(buf_read_done(&empty));
	assert_null(buf_get(&empty, SIZE_MAX));
	assert_false(buf_read_done(&empty));
}

static void clearing_wipes_what_was_written_and_nothing_more(void **state)
{
	owned(buf) struct buf b;
	uint8_t *room;

	(void)state;
	buf_init(&b, 4096);
	b.wipe = true;
	buf_reserve(&b, 4096);
	buf_clear(&b);
	buf_put(&b, "secret", 6);
	/* Reserved and filled, but not counted, as after a read that failed. */
	room = buf_reserve(&b, 10);
	memcpy(room, "half a PIN", 10);
	b.data[3000] = 'x';
	buf_clear(&b);
	for (size_t i = 0; i < 16; i++)
		assert_int_equal(b.data[i], 0);
	assert_int_equal(b.data[3000], 'x');
}

static void a_buffer_that_was_large_once_is_small_again(void **state)
{
	owned(buf) struct buf b;

	(void)state;
	buf_init(&b, 1 << 20);
	b.wipe = true;
	buf_reserve(&b, BUF_KEPT);
	buf_clear(&b);
	assert_int_equal(b.cap, BUF_KEPT);
	buf_reserve(&b, 1 << 20);
	buf_clear(&b);
	assert_int_equal(b.cap, 0);
	buf_put_str(&b, "again");
	assert_string_equal(buf_text(&b), "again");
}

static int fill(void)
{
	owned(buf) struct buf b;

	buf_init(&b, 5000);
	for (int i = 0; i < 500; i++)
		buf_put_u64(&b, 1);
	buf_printf(&b, "%s", "text");
	if (!b.bad && strlen(buf_text(&b) + 4000) != 4)
		b.bad = true;
	return buf_check(&b, NULL);
}

static void memory_runs_out(void **state)
{
	(void)state;
	assert_survives_no_memory(fill());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_can_be_read),
		cmocka_unit_test(the_maximum_holds_for_every_write),
		cmocka_unit_test(a_full_buffer_still_has_its_text),
		cmocka_unit_test(text_grows_over_many_writes),
		cmocka_unit_test(a_maximum_without_end_is_allowed),
		cmocka_unit_test(patching_stays_inside),
		cmocka_unit_test(reserved_room_is_filled_by_the_caller),
		cmocka_unit_test(reading_past_the_end_yields_nothing),
		cmocka_unit_test(clearing_wipes_what_was_written_and_nothing_more),
		cmocka_unit_test(a_buffer_that_was_large_once_is_small_again),
		cmocka_unit_test(memory_runs_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
