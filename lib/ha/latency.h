/* SPDX-License-Identifier: Apache-2.0 */
/*
 * latency - how long a member takes, for each kind of call.
 *
 * A kind is functions, mechanism and roughly how much input: a key generation of 100 ms says nothing about a
 * signature. Of each the table holds the least and the mean (exponentially weighted, and no single call moves it far).
 * What was not heard lately says less and less: the mean fades to the least, so that a member that was slow for a
 * while is asked again. A kind of which fewer than LATENCY_KNOWN were heard is not known yet.
 *
 * Not thread-safe.
 */
#ifndef HA_LATENCY_H
#define HA_LATENCY_H

#include <stdint.h>

enum { LATENCY_KINDS = 64, LATENCY_KNOWN = 3, LATENCY_FADES_MS = 1000 };

struct latency {
	struct latency_kind {
		uint32_t kind, heard;
		int64_t heard_ms;
		int64_t least_us, mean_us;
	} kinds[LATENCY_KINDS];
};

/* Microseconds; 0 = not known. */
struct latency_guess {
	int64_t least_us, mean_us;
};

void latency_hear(struct latency *latency, uint32_t kind, int64_t us, int64_t now_ms);
struct latency_guess latency_guess(const struct latency *latency, uint32_t kind, int64_t now_ms);

#endif
