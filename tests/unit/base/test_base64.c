/* SPDX-License-Identifier: Apache-2.0 */
#include "temp.h"

#include "base/base64.h"

/* RFC 4648, section 10, and the digits where the alphabets differ. */
static const struct {
	const char *data;
	size_t len;
	const char *standard, *url;
} cases[] = {
	{"", 0, "", ""},
	{"f", 1, "Zg==", "Zg"},
	{"fo", 2, "Zm8=", "Zm8"},
	{"foo", 3, "Zm9v", "Zm9v"},
	{"foob", 4, "Zm9vYg==", "Zm9vYg"},
	{"fooba", 5, "Zm9vYmE=", "Zm9vYmE"},
	{"foobar", 6, "Zm9vYmFy", "Zm9vYmFy"},
	{"\0", 1, "AA==", "AA"},
	{"\0\0\0\0", 4, "AAAAAA==", "AAAAAA"},
	{"\xff", 1, "/w==", "_w"},
	{"\xff\xff\xff", 3, "////", "____"},
	{"\xfb\xef\xbe", 3, "++++", "----"},
	{"\x14\xfb\x9c\x03\xd9\x7e", 6, "FPucA9l+", "FPucA9l-"},
};

static void known_texts(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		/* copies of their own, so that a read past the end is found */
		owned(mem) char *data = mem_dup(cases[i].data, cases[i].len);
		owned(buf) struct buf text = {.max = 64}, url = {.max = 64};

		base64_put(&text, data, cases[i].len);
		base64url_put(&url, data, cases[i].len);
		assert_string_equal(buf_text(&text), cases[i].standard);
		assert_string_equal(buf_text(&url), cases[i].url);
	}
}

static void all_digits_in_order(void **state)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	owned(buf) struct buf text = {.max = 64};
	uint8_t data[48];

	(void)state;
	/* four digits of six bits each are three bytes */
	for (uint32_t i = 0; i < 64; i += 4) {
		uint32_t group = i << 18 | (i + 1) << 12 | (i + 2) << 6 | (i + 3);

		data[i / 4 * 3] = (uint8_t)(group >> 16);
		data[i / 4 * 3 + 1] = (uint8_t)(group >> 8);
		data[i / 4 * 3 + 2] = (uint8_t)group;
	}
	base64_put(&text, data, sizeof(data));
	assert_string_equal(buf_text(&text), digits);
}

static void what_was_there_stays(void **state)
{
	owned(buf) struct buf text = {.max = 64};

	(void)state;
	buf_put_str(&text, "a=");
	base64_put(&text, "f", 1);
	base64url_put(&text, NULL, 0);
	base64url_put(&text, "f", 1);
	assert_string_equal(buf_text(&text), "a=Zg==Zg");
}

static void the_maximum_holds(void **state)
{
	owned(buf) struct buf exact = {.max = 8}, small = {.max = 7}, url = {.max = 6};

	(void)state;
	base64_put(&exact, "foob", 4);
	assert_int_equal(exact.len, 8);
	base64_put(&small, "foob", 4);
	assert_int_equal(buf_check(&small, NULL), -ERR_NO_MEMORY);
	base64url_put(&url, "foob", 4);
	assert_int_equal(url.len, 6);
	assert_int_equal(buf_check(&url, NULL), 0);
}

static int put_much(void)
{
	owned(buf) struct buf text = {.max = 65536};
	static const uint8_t data[1000];

	for (int i = 0; i < 10; i++)
		base64_put(&text, data, sizeof(data));
	return buf_check(&text, NULL);
}

static void no_memory_is_survived(void **state)
{
	(void)state;
	assert_survives_no_memory(put_much());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_texts),
		cmocka_unit_test(all_digits_in_order),
		cmocka_unit_test(what_was_there_stays),
		cmocka_unit_test(the_maximum_holds),
		cmocka_unit_test(no_memory_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
