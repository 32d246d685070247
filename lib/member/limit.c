/* SPDX-License-Identifier: Apache-2.0 */
/* How long a call may take. */
#include "member/limit.h"

static bool makes_key(enum p11_fn fn)
{
	/* Derivation too: some mechanisms stretch a password. */
	return fn == P11_C_GenerateKey || fn == P11_C_GenerateKeyPair || fn == P11_C_DeriveKey;
}

bool call_is_long(const struct p11_call *calls, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (makes_key(calls[i].fn))
			return true;
	return false;
}

struct call_limit call_limit(const struct p11_call *calls, size_t count, int64_t answer_ms, int64_t call_ms)
{
	int64_t total = answer_ms * CALL_SILENCES;

	if (total < CALL_SHORT_MS)
		total = CALL_SHORT_MS;
	if (total > call_ms || call_is_long(calls, count))
		total = call_ms;
	return (struct call_limit){.silence_ms = answer_ms, .total_ms = total, .longest_ms = call_ms};
}

struct call_limit call_limit_within(struct call_limit limit, const struct call_limit *own)
{
	if (!own)
		return limit;
	if (own->silence_ms)
		limit.silence_ms = own->silence_ms;
	if (own->total_ms)
		limit.total_ms = own->total_ms;
	if (own->longest_ms)
		limit.longest_ms = own->longest_ms;
	return limit;
}
