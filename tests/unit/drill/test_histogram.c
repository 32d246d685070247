/* SPDX-License-Identifier: Apache-2.0 */
#include "../base/temp.h"

#include "drill/histogram.h"

/* Each of 1 … count once, times unit; the quantile's error is at most a share of the value. */
static void quantiles_are_near(void **state)
{
	static const double shares[] = {0.001, 0.01, 0.25, 0.5, 0.9, 0.99, 0.999};
	static const int64_t units[] = {1, 997, 1000000, 123456789};
	const int64_t count = 5000;

	(void)state;
	for (size_t u = 0; u < sizeof(units) / sizeof(*units); u++) {
		owned(histogram) struct histogram h = {0};

		assert_int_equal(histogram_init(&h, 7, NULL), 0);
		for (int64_t i = count; i > 0; i--)
			histogram_add(&h, i * units[u]);
		assert_int_equal(h.count, count);
		assert_int_equal(h.max, count * units[u]);
		for (size_t s = 0; s < sizeof(shares) / sizeof(*shares); s++) {
			int64_t exact = (int64_t)(shares[s] * (double)count + 0.999999) * units[u];
			int64_t off = llabs(histogram_quantile(&h, shares[s]) - exact);

			assert_true(off * 200 <= exact);
		}
		assert_int_equal(histogram_quantile(&h, 1) <= h.max, true);
	}
}

static void every_value_has_a_bucket(void **state)
{
	static const unsigned bits[] = {1, 4, 7, 10};

	(void)state;
	for (size_t b = 0; b < sizeof(bits) / sizeof(*bits); b++)
		for (unsigned power = 0; power < 63; power++)
			for (int delta = -1; delta <= 1; delta++) {
				owned(histogram) struct histogram h = {0};
				int64_t value = (INT64_C(1) << power) + delta, found;

				assert_int_equal(histogram_init(&h, bits[b], NULL), 0);
				histogram_add(&h, value);
				assert_int_equal(h.max, value);
				found = histogram_quantile(&h, 0.5);
				if (value < HISTOGRAM_LIMIT)
					assert_true(llabs(found - value) <= value >> bits[b]);
				assert_true(found >= 0 && found <= value);
			}
}

static void edges(void **state)
{
	owned(histogram) struct histogram h = {0};

	(void)state;
	assert_int_equal(histogram_init(&h, 7, NULL), 0);
	assert_int_equal(histogram_quantile(&h, 0.5), -1);
	histogram_add(&h, -5);
	assert_int_equal(histogram_quantile(&h, 0.5), 0);
	histogram_add(&h, INT64_MAX);
	assert_int_equal(h.max, INT64_MAX);
	assert_true(histogram_quantile(&h, 1) > HISTOGRAM_LIMIT / 2);
	assert_int_equal(histogram_quantile(&h, 0), 0);
}

static void no_memory(void **state)
{
	struct histogram h;

	(void)state;
	mem_fail_after = 1;
	assert_int_equal(histogram_init(&h, 7, NULL), -ERR_NO_MEMORY);
	mem_fail_after = 0;
	histogram_release(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quantiles_are_near),
		cmocka_unit_test(every_value_has_a_bucket),
		cmocka_unit_test(edges),
		cmocka_unit_test(no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
