/* SPDX-License-Identifier: Apache-2.0 */
/* Requests: what a host reads. What it took it writes as it was read, binds, and copies. */
#include "fuzz.h"

#include <string.h>

#include "base/err.h"
#include "p11/call.h"

enum { WIRE_MAX = 4 << 20, ROOM = 1 << 20 };

/* For what points to each argument, and for attributes that each come as a block of their own. */
static size_t memory_for(size_t len)
{
	return ROOM + 64 * len + (64 << 10);
}

static int decode(const void *data, size_t len, struct p11_batch *ret)
{
	struct buf_reader r = buf_reader(data, len);
	struct err err = {0};

	return p11_decode_request(&r, ROOM, ret, &err);
}

static CK_RV plus_one(void *data, CK_OBJECT_HANDLE from, CK_OBJECT_HANDLE *ret)
{
	(void)data;
	*ret = from + 1;
	return CKR_OK;
}

static void bind(const struct p11_call *call)
{
	struct p11_inside inside;
	struct p11_call bound;

	HOLDS(p11_bind(call, 7, plus_one, NULL, &bound, &inside) == CKR_OK);
	HOLDS(p11_call_check(&bound) == CKR_OK);
}

static void copy_mechanism(const struct p11_call *call)
{
	const enum p11_arg_kind *kinds = p11_fn_table[call->fn].args;

	for (int n = 0; n < P11_ARGS_MAX && kinds[n] != P11_ARG_END; n++) {
		owned(p11_mechanism) struct p11_mechanism copy = {0};

		if (kinds[n] == P11_ARG_PROCESS && p11_process_copy(call->args[n].in, &copy, NULL) == 0)
			HOLDS(p11_process_check(&copy.ck) == CKR_OK);
		if (kinds[n] != P11_ARG_MECHANISM)
			continue;
		if (p11_mechanism_copy(call->args[n].in, &copy, NULL) < 0)
			continue;
		HOLDS(p11_mechanism_check(&copy.ck) == CKR_OK);
		p11_mech_output_len(&copy.ck, CKF_SIGN, 256, 32, 100);
		p11_mech_output_len(&copy.ck, CKF_DECRYPT, 0, 0, 100);
	}
}

static bool is_good(const struct p11_batch *batch)
{
	for (size_t i = 0; i < batch->count; i++)
		if (p11_call_check(&batch->calls[i]) != CKR_OK)
			return false;
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	owned(p11_batch) struct p11_batch batch = {0}, again = {0};
	owned(buf) struct buf once = {.max = WIRE_MAX}, twice = {.max = WIRE_MAX};
	int rc;

	account_begin();
	rc = decode(data, len, &batch);
	HOLDS(account_peak() <= memory_for(len));
	HOLDS(rc < 0 || (batch.count > 0 && batch.count <= P11_BATCH_MAX));
	if (rc < 0 || !is_good(&batch))
		return 0;
	for (size_t i = 0; i < batch.count; i++) {
		bind(&batch.calls[i]);
		copy_mechanism(&batch.calls[i]);
	}
	p11_encode_request(&once, batch.calls, batch.count);
	HOLDS(buf_check(&once, NULL) == 0);
	HOLDS(decode(once.data, once.len, &again) == 0);
	p11_encode_request(&twice, again.calls, again.count);
	HOLDS(once.len == twice.len && memcmp(once.data, twice.data, once.len) == 0);
	return 0;
}
