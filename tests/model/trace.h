/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trace - the choices that make a history.
 *
 * Whatever a history may do one way or another it asks here. A trace that is empty
 * answers from its seed and notes what it answered; one that was noted answers
 * the same again, so a history is repeated from its trace and made shorter by
 * making its trace shorter: where there is no more of it the answer is 0, which
 * is always the dullest choice.
 */
#ifndef MODEL_TRACE_H
#define MODEL_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TRACE_MAX = 4096 };

struct trace {
	uint64_t seed, state;	/* of the generator */
	bool replay;		/* answer from the list */
	size_t at, len;
	uint8_t list[TRACE_MAX];
};

void trace_seed(struct trace *trace, uint64_t seed);
/* Begin again with what was noted. */
void trace_rewind(struct trace *trace);
/* 0 … n - 1; n is at most 256. */
unsigned trace_choose(struct trace *trace, unsigned n);
/* Random bytes that are no choice: the same for the same seed, not part of the list. */
uint64_t trace_random(uint64_t *state);

#endif
