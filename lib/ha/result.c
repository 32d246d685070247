/* SPDX-License-Identifier: Apache-2.0 */
/* Results for which an application had no room. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ha/internal.h"

void ha_result_init(struct ha_result *result)
{
	*result = (struct ha_result){0};
	buf_init(&result->bytes, LOG_MAX + RESULT_ROOM);
	result->bytes.wipe = true;
}

static void forget_asked(struct ha_result *result)
{
	if (result->asked)
		explicit_bzero(result->asked, result->asked_len);
	free(result->asked);
	result->asked = NULL;
	result->asked_len = 0;
	result->of = P11_PART_NONE;
}

void ha_result_release(struct ha_result *result)
{
	buf_release(&result->bytes);
	forget_asked(result);
}

CK_RV ha_result_room(struct ha_result *result, size_t len, uint8_t **ret)
{
	buf_clear(&result->bytes);
	*ret = buf_reserve(&result->bytes, len);
	return *ret ? CKR_OK : CKR_HOST_MEMORY;
}

bool ha_result_waits(const struct ha_result *result, enum p11_part part, const void *in, CK_ULONG len)
{
	return result->of == part && len == result->asked_len && (!len || memcmp(in, result->asked, len) == 0);
}

static CK_RV keep(struct ha_result *result, enum p11_part part, const void *in, CK_ULONG len)
{
	if (ha_result_waits(result, part, in, len))
		return CKR_OK;
	forget_asked(result);
	result->asked = mem_dup(in, len);
	if (!result->asked)
		return CKR_HOST_MEMORY;
	result->asked_len = len;
	result->of = part;
	return CKR_OK;
}

CK_RV ha_result_give(struct ha_result *result, enum p11_part part, const void *in, CK_ULONG len, void *out,
		     CK_ULONG *out_len, bool *ret_given)
{
	CK_ULONG made = result->bytes.len, room = *out_len;
	CK_RV rv;

	*out_len = made;
	*ret_given = out && room >= made;
	if (*ret_given) {
		memcpy(out, result->bytes.data, made);
		forget_asked(result);
		return CKR_OK;
	}
	rv = keep(result, part, in, len);
	return rv == CKR_OK && out ? CKR_BUFFER_TOO_SMALL : rv;
}
