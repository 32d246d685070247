/* SPDX-License-Identifier: Apache-2.0 */
/* Logarithmic buckets. */
#include "drill/histogram.h"

#include <math.h>
#include <stddef.h>

#include "base/err.h"
#include "base/mem.h"

static size_t buckets_of(unsigned bits)
{
	return (size_t)(HISTOGRAM_TOP - bits + 1) << bits;
}

static size_t bucket_of(unsigned bits, uint64_t value)
{
	unsigned top;

	if (value < UINT64_C(1) << bits)
		return value;
	top = 63u - (unsigned)__builtin_clzll(value);
	return ((size_t)(top - bits) << bits) + (value >> (top - bits));
}

/* The middle of a bucket's values. */
static uint64_t middle_of(unsigned bits, size_t bucket)
{
	size_t octave = bucket >> bits;
	uint64_t low;

	if (octave < 2)
		return bucket;
	low = (uint64_t)(bucket - ((octave - 1) << bits)) << (octave - 1);
	return low + ((UINT64_C(1) << (octave - 1)) >> 1);
}

int histogram_init(struct histogram *h, unsigned bits, struct err *err)
{
	*h = (struct histogram){.bits = bits};
	h->buckets = mem_zalloc(buckets_of(bits) * sizeof(*h->buckets));
	return h->buckets ? 0 : err_no_memory(err);
}

void histogram_release(struct histogram *h)
{
	free(h->buckets);
	*h = (struct histogram){0};
}

void histogram_add(struct histogram *h, int64_t ns)
{
	int64_t value = ns < 0 ? 0 : ns;

	h->max = value > h->max ? value : h->max;
	value = value > HISTOGRAM_LIMIT ? HISTOGRAM_LIMIT : value;
	h->buckets[bucket_of(h->bits, (uint64_t)value)]++;
	h->count++;
}

int64_t histogram_quantile(const struct histogram *h, double share)
{
	uint64_t rank = (uint64_t)ceil(share * (double)h->count), seen = 0;
	size_t bucket = 0;
	int64_t value;

	if (h->count == 0)
		return -1;
	rank = rank < 1 ? 1 : rank > h->count ? h->count : rank;
	while ((seen += h->buckets[bucket]) < rank)
		bucket++;
	value = (int64_t)middle_of(h->bits, bucket);
	return value < h->max ? value : h->max;
}
