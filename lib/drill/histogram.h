/* SPDX-License-Identifier: Apache-2.0 */
/*
 * histogram - a distribution of times in bounded memory.
 *
 * Buckets are logarithmic: each power of two is cut into 2^bits equal parts, so
 * a quantile is off by at most 1 / 2^(bits + 1) of its value (bits 7: 0.4 %).
 * The maximum and the count are exact. Values are nanoseconds; negative ones
 * count as 0, those above HISTOGRAM_LIMIT as if they were the limit (the
 * maximum stays exact).
 */
#ifndef DRILL_HISTOGRAM_H
#define DRILL_HISTOGRAM_H

#include <stdint.h>

#include "base/own.h"

struct err;

enum { HISTOGRAM_TOP = 42 };	/* log2 of the limit: 73 minutes */
#define HISTOGRAM_LIMIT ((INT64_C(1) << HISTOGRAM_TOP) - 1)

struct histogram {
	unsigned bits;
	uint32_t *buckets;
	uint64_t count;
	int64_t max;
};

int histogram_init(struct histogram *h, unsigned bits, struct err *err);
void histogram_release(struct histogram *h);
OWN_DEFINE_RELEASE(histogram)

void histogram_add(struct histogram *h, int64_t ns);

/* The smallest value that at least share (0 to 1) of the values do not exceed;
 * -1 when there are none. */
int64_t histogram_quantile(const struct histogram *h, double share);

#endif
