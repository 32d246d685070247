/* SPDX-License-Identifier: Apache-2.0 */
/* What an operation was fed, as calls that can be made again. */
#include <string.h>

#include "base/inherit.h"
#include "ha/internal.h"

static atomic_size_t kept;	/* bytes in all logs of the process */

/* What the parent keeps is not here to be given back. */
static void in_child(void)
{
	atomic_store(&kept, 0);
}

static void register_once(void)
{
	inherit_on_fork(in_child);
}

void ha_log_init(struct ha_log *log)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, register_once);
	*log = (struct ha_log){0};
	buf_init(&log->bytes, LOG_MAX);
	log->bytes.wipe = true;
}

void ha_log_release(struct ha_log *log)
{
	atomic_fetch_sub(&kept, log->bytes.len);
	buf_release(&log->bytes);
	log->count = 0;
}

static void overflow(struct ha_log *log)
{
	log->overflowed = true;
	ha_log_release(log);
}

static bool takes_bytes(const struct p11_call *call)
{
	return p11_fn_table[call->fn].args[1] == P11_ARG_IN;
}

static bool goes_on(const struct ha_log *log, const struct p11_call *call)
{
	return takes_bytes(call) && log->count && log->parts[log->count - 1].fn == call->fn;
}

static bool fits_in(const struct ha_log *log, const struct p11_call *call, size_t max)
{
	size_t len = takes_bytes(call) ? call->args[1].number : 0;

	return !log->overflowed && (goes_on(log, call) || log->count < LOG_PARTS_MAX) && len <= max &&
	       log->bytes.len <= max - len && len <= LOG_ALL_MAX && atomic_load(&kept) <= LOG_ALL_MAX - len;
}

bool ha_log_fits_call(const struct ha_log *log, const struct p11_call *call)
{
	return fits_in(log, call, LOG_MAX - RESULT_ROOM);
}

static void put(struct ha_log *log, const void *bytes, size_t len)
{
	size_t before = log->bytes.len;

	buf_put(&log->bytes, bytes, len);
	atomic_fetch_add(&kept, log->bytes.len - before);
	if (log->bytes.bad)
		overflow(log);
	else
		log->parts[log->count - 1].len += len;
}

void ha_log_add(struct ha_log *log, const struct p11_call *call)
{
	const struct p11_arg *in = &call->args[1];

	if (log->overflowed)
		return;
	if (!fits_in(log, call, LOG_MAX)) {
		overflow(log);
		return;
	}
	if (!goes_on(log, call)) {
		log->parts[log->count].fn = call->fn;
		log->parts[log->count].at = log->bytes.len;
		log->parts[log->count].object = takes_bytes(call) ? CK_INVALID_HANDLE : in->number;
		log->parts[log->count++].len = 0;
	}
	if (takes_bytes(call))
		put(log, in->in, in->number);
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
