/* SPDX-License-Identifier: Apache-2.0 */
#include "../base/temp.h"

#include "provider/azure/address.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct address_range range(const char *text)
{
	struct address_range range;
	struct err err;

	if (address_range_read(text, &range, &err) < 0)
		fail_msg("%s", err.message);
	return range;
}

static uint32_t address(const char *text)
{
	uint32_t address;
	struct err err;

	if (address_read(text, &address, &err) < 0)
		fail_msg("%s", err.message);
	return address;
}

static void ranges_are_read(void **state)
{
	static const struct {
		const char *text;
		uint32_t first, last;
		unsigned bits;
	} cases[] = {
		{"10.2.0.0/16", 0x0a020000, 0x0a02ffff, 16},
		{"10.2.255.0/26", 0x0a02ff00, 0x0a02ff3f, 26},
		{"10.2.1.5/32", 0x0a020105, 0x0a020105, 32},
		{"0.0.0.0/0", 0, 0xffffffff, 0},
		{"128.0.0.0/1", 0x80000000, 0xffffffff, 1},
		{"255.255.255.254/31", 0xfffffffe, 0xffffffff, 31},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct address_range r = range(cases[i].text);

		assert_int_equal(r.first, cases[i].first);
		assert_int_equal(r.last, cases[i].last);
		assert_int_equal(r.bits, cases[i].bits);
	}
}

static void what_is_no_range_is_refused_with_a_hint(void **state)
{
	static const struct {
		const char *text, *says, *hint;
	} cases[] = {
		{"10.2.0.1/16", "does not begin where", "write 10.2.0.0/16"},
		{"10.2.0.1/0", "does not begin where", "write 0.0.0.0/0"},
		{"10.2.0.0", "no prefix length", "write the length behind a slash: 10.2.0.0/16"},
		{"10.2.1.0", "no prefix length", "10.2.1.0/24"},
		{"10.2.1.5", "no prefix length", "10.2.1.5/32"},
		{"10.0.0.0", "no prefix length", "10.0.0.0/8"},
		{"10.2.0.0/33", "no IPv4 address range", "10.2.0.0/16"},
		{"10.2.0.0/", "no IPv4 address range", "10.2.0.0/16"},
		{"10.2.0.0/016", "no IPv4 address range", "10.2.0.0/16"},
		{"10.2.0.0/-1", "no IPv4 address range", "10.2.0.0/16"},
		{"10.2.0.0/16 ", "no IPv4 address range", "10.2.0.0/16"},
		{"10.2.0/16", "no IPv4 address range", "10.2.0.0/16"},
		{"10.2.0.0.0/16", "no IPv4 address range", "10.2.0.0/16"},
		{"010.2.0.0/16", "no IPv4 address range", "10.2.0.0/16"},
		{"10.2.256.0/24", "no IPv4 address range", "10.2.0.0/16"},
		{"fd00::/64", "no IPv4 address range", "10.2.0.0/16"},
		{"", "no IPv4 address range", "10.2.0.0/16"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct address_range r = {7, 8, 9};
		struct err err = {0};

		assert_int_equal(address_range_read(cases[i].text, &r, &err), -ERR_INVALID);
		if (!strstr(err.message, cases[i].says) || !strstr(err.hint, cases[i].hint))
			fail_msg("%s: %s (%s)", cases[i].text, err.message, err.hint);
		assert_true(r.first == 7 && r.last == 8 && r.bits == 9);
	}
}

static void addresses_are_read_and_written(void **state)
{
	static const char *const good[] = {"0.0.0.0", "10.2.1.5", "255.255.255.255", "192.168.0.100"};
	static const struct {
		const char *text, *hint;
	} bad[] = {
		{"10.2.1", "four numbers"},
		{"10.2.1.05", "leading zeros"},
		{"10.2.1.5 ", "four numbers"},
		{" 10.2.1.5", "four numbers"},
		{"10.2.1.5.6", "four numbers"},
		{"10..1.5", "four numbers"},
		{"10.2.1.1000", "0 to 255"},
		{"10.2.1.5/24", "leave '/24' out"},
		{"::1", "IPv4"},
		{"", "four numbers"},
	};
	char text[ADDRESS_TEXT];

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		address_text(address(good[i]), text);
		assert_string_equal(text, good[i]);
	}
	for (size_t i = 0; i < COUNT(bad); i++) {
		uint32_t ret = 7;
		struct err err = {0};

		assert_int_equal(address_read(bad[i].text, &ret, &err), -ERR_INVALID);
		if (!strstr(err.hint, bad[i].hint))
			fail_msg("%s: %s", bad[i].text, err.hint);
		assert_int_equal(ret, 7);
	}
}

static void ranges_are_compared(void **state)
{
	static const struct {
		const char *a, *b;
		bool overlap, within;	/* a in b */
	} cases[] = {
		{"10.2.0.0/16", "10.2.0.0/16", true, true},
		{"10.2.1.0/24", "10.2.0.0/16", true, true},
		{"10.2.0.0/16", "10.2.1.0/24", true, false},
		{"10.2.0.0/16", "10.3.0.0/16", false, false},
		{"10.2.255.0/24", "10.3.0.0/24", false, false},
		{"0.0.0.0/0", "255.255.255.255/32", true, false},
		{"10.2.0.0/24", "10.2.1.0/24", false, false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct address_range a = range(cases[i].a), b = range(cases[i].b);

		assert_int_equal(address_overlap(&a, &b), cases[i].overlap);
		assert_int_equal(address_overlap(&b, &a), cases[i].overlap);
		assert_int_equal(address_within(&a, &b), cases[i].within);
	}
}

static void azure_keeps_five_of_each_subnet(void **state)
{
	static const struct {
		const char *address, *subnet;
		bool usable;
	} cases[] = {
		{"10.2.1.0", "10.2.1.0/24", false},
		{"10.2.1.3", "10.2.1.0/24", false},
		{"10.2.1.4", "10.2.1.0/24", true},
		{"10.2.1.254", "10.2.1.0/24", true},
		{"10.2.1.255", "10.2.1.0/24", false},
		{"10.2.0.255", "10.2.1.0/24", false},
		{"10.2.2.0", "10.2.1.0/24", false},
		{"10.2.1.4", "10.2.1.0/29", true},
		{"10.2.1.6", "10.2.1.0/29", true},
		{"10.2.1.7", "10.2.1.0/29", false},
		{"10.2.1.1", "10.2.1.0/30", false},
		{"10.2.1.1", "10.2.1.1/32", false},
		{"255.255.255.254", "0.0.0.0/0", true},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct address_range subnet = range(cases[i].subnet);

		if (address_usable(address(cases[i].address), &subnet) != cases[i].usable)
			fail_msg("%s in %s", cases[i].address, cases[i].subnet);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges_are_read),
		cmocka_unit_test(what_is_no_range_is_refused_with_a_hint),
		cmocka_unit_test(addresses_are_read_and_written),
		cmocka_unit_test(ranges_are_compared),
		cmocka_unit_test(azure_keeps_five_of_each_subnet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
