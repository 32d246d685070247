/* SPDX-License-Identifier: Apache-2.0 */
/* What an operation was fed, as calls that can be made again. */
#include <string.h>

#include "ha/internal.h"

void ha_log_init(struct ha_log *log)
{
	*log = (struct ha_log){0};
	buf_init(&log->bytes, LOG_MAX);
	log->bytes.wipe = true;
}

void ha_log_release(struct ha_log *log)
{
	buf_release(&log->bytes);
	log->count = 0;
}

static void overflow(struct ha_log *log)
{
	log->overflowed = true;
	ha_log_release(log);
}

void ha_log_add(struct ha_log *log, const struct p11_call *call)
{
	const struct p11_arg *in = &call->args[1];
	bool bytes = p11_fn_table[call->fn].args[1] == P11_ARG_IN;
	bool goes_on = bytes && log->count && log->parts[log->count - 1].fn == call->fn;

	if (log->overflowed)
		return;
	if (!goes_on && log->count == LOG_PARTS_MAX) {
		overflow(log);
		return;
	}
	if (!goes_on) {
		log->parts[log->count].fn = call->fn;
		log->parts[log->count].at = log->bytes.len;
		log->parts[log->count].object = bytes ? CK_INVALID_HANDLE : in->number;
		log->parts[log->count++].len = 0;
	}
	if (!bytes)
		return;
	buf_put(&log->bytes, in->in, in->number);
	if (log->bytes.bad)
		overflow(log);
	else
		log->parts[log->count - 1].len += in->number;
}

struct p11_call ha_log_call(const struct ha_log *log, size_t n, size_t at, size_t max, void *out, CK_ULONG *out_len)
{
	size_t left = log->parts[n].len - at;
	struct p11_call call = {.fn = log->parts[n].fn, .rv = P11_NOT_RUN};
	enum p11_arg_kind kind;
	struct p11_arg *result = p11_result_of(&call, &kind);

	if (log->parts[n].object) {
		call.args[1] = (struct p11_arg){.number = log->parts[n].object};
		return call;
	}
	call.args[1] = (struct p11_arg){.in = log->bytes.data + log->parts[n].at + at, .number = left < max ? left : max};
	if (result)
		*result = (struct p11_arg){.out = out, .out_len = out_len};
	return call;
}
