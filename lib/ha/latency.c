/* SPDX-License-Identifier: Apache-2.0 */
/* Learning how long calls take. */
#include "ha/latency.h"

#include <stdbool.h>
#include <stddef.h>

enum {
	PROBES = 4,	/* places where a kind may stand */
	WEIGHT = 8,	/* a call counts for one of so many, */
	AT_MOST = 4,	/* and for no more than so many times the mean */
	RISES = 64,	/* calls after which the least has come up to a mean that stays higher */
};

static size_t place(uint32_t kind, size_t n)
{
	return (kind + n) % LATENCY_KINDS;
}

static const struct latency_kind *find(const struct latency *latency, uint32_t kind)
{
	for (size_t n = 0; n < PROBES; n++)
		if (latency->kinds[place(kind, n)].kind == kind && latency->kinds[place(kind, n)].heard)
			return &latency->kinds[place(kind, n)];
	return NULL;
}

/* Its own, or that of the one that was not heard for longest. */
static struct latency_kind *place_for(struct latency *latency, uint32_t kind)
{
	struct latency_kind *oldest = (struct latency_kind *)find(latency, kind);

	for (size_t n = 0; n < PROBES && !(oldest && oldest->kind == kind && oldest->heard); n++) {
		struct latency_kind *k = &latency->kinds[place(kind, n)];

		if (!oldest || !k->heard || (oldest->heard && k->heard_ms < oldest->heard_ms))
			oldest = k;
	}
	if (oldest->kind != kind)
		*oldest = (struct latency_kind){.kind = kind};
	return oldest;
}

void latency_hear(struct latency *latency, uint32_t kind, int64_t us, int64_t now_ms)
{
	struct latency_kind *k = place_for(latency, kind);

	us = us < 1 ? 1 : us;
	k->heard_ms = now_ms;
	if (k->heard < LATENCY_KNOWN) {
		bool least = !k->heard || us < k->least_us;

		/* The first of all may have had to warm up: what is known begins at the least of the first. */
		k->least_us = least ? us : k->least_us;
		k->mean_us = k->least_us;
		k->heard++;
		return;
	}
	if (us > AT_MOST * k->mean_us)
		us = AT_MOST * k->mean_us + WEIGHT;
	k->mean_us += (us - k->mean_us) / WEIGHT;
	k->least_us += (k->mean_us - k->least_us) / RISES;
	if (us < k->least_us)
		k->least_us = us;
}

struct latency_guess latency_guess(const struct latency *latency, uint32_t kind, int64_t now_ms)
{
	const struct latency_kind *k = find(latency, kind);
	int64_t faded = k ? (now_ms - k->heard_ms) / LATENCY_FADES_MS : 0;

	if (!k || k->heard < LATENCY_KNOWN)
		return (struct latency_guess){0};
	if (k->mean_us <= k->least_us || faded > 62)
		return (struct latency_guess){k->least_us, k->least_us};
	return (struct latency_guess){k->least_us, k->least_us + ((k->mean_us - k->least_us) >> faded)};
}
