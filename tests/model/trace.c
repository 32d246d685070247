/* SPDX-License-Identifier: Apache-2.0 */
/* Choices, from a seed or from a list. */
#include "trace.h"

void trace_seed(struct trace *trace, uint64_t seed)
{
	*trace = (struct trace){.seed = seed, .state = seed};
}

void trace_rewind(struct trace *trace)
{
	trace->at = 0;
	trace->replay = true;
}

/* SplitMix64. */
uint64_t trace_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

unsigned trace_choose(struct trace *trace, unsigned n)
{
	uint8_t choice = 0;

	if (n < 2)
		return 0;
	if (trace->replay)
		choice = trace->at < trace->len ? trace->list[trace->at] : 0;
	else if (trace->at < TRACE_MAX)
		choice = (uint8_t)(trace_random(&trace->state) % n);
	if (!trace->replay && trace->at < TRACE_MAX)
		trace->list[trace->len++] = choice;
	trace->at++;
	return choice % n;
}
