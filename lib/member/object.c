/* SPDX-License-Identifier: Apache-2.0 */
/* Finding objects and reading their attributes through a channel. */
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "member/member.h"
#include "p11/rv.h"

enum { FIND_STEP = 1024, VALUE_ROOM = 2048, VALUE_MAX = 1 << 20, GET_MAX = 64 };

int member_find(struct member_channel *channel, const CK_ATTRIBUTE *template, CK_ULONG count,
		CK_OBJECT_HANDLE **ret, CK_ULONG *ret_count, struct err *err)
{
	CK_SESSION_HANDLE session = member_session(channel);
	owned(mem) CK_OBJECT_HANDLE *list = NULL;
	CK_ULONG total = 0, got = FIND_STEP;
	int rc = 0;

	/* One round trip for all that fits in one step. */
	for (bool first = true; got == FIND_STEP; first = false) {
		CK_OBJECT_HANDLE *grown = mem_grow(list, total, total + FIND_STEP, sizeof(*list));
		struct p11_call calls[2];

		if (!grown)
			return err_no_memory(err);
		list = grown;
		calls[0] = p11_find_init(session, template, count);
		calls[1] = p11_find(session, list + total, FIND_STEP, &got);
		rc = first ? member_run(channel, calls, 2, err) : member_run(channel, &calls[1], 1, err);
		if (rc < 0)
			return rc;
		total += got;
	}
	struct p11_call final = p11_find_final(session);

	rc = member_run(channel, &final, 1, err);
	if (rc < 0)
		return rc;
	*ret = own_take(list);
	*ret_count = total;
	return 0;
}

static int keep(const CK_ATTRIBUTE *values, CK_ULONG count, struct p11_attrs *ret, struct err *err)
{
	for (CK_ULONG i = 0; i < count; i++) {
		int rc;

		if (values[i].ulValueLen == CK_UNAVAILABLE_INFORMATION)
			continue;
		rc = p11_attrs_set(ret, values[i].type, values[i].pValue, values[i].ulValueLen, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* One attribute by itself, with as much room as it wants. */
static int get_one(struct member_channel *channel, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type,
		   struct p11_attrs *ret, struct err *err)
{
	CK_ATTRIBUTE value = {.type = type};
	struct p11_call call = p11_get_attributes(member_session(channel), object, &value, 1);
	owned(mem) void *room = NULL;
	int rc = member_call(channel, &call, 1, err);

	if (rc < 0)
		return rc;
	if (call.rv != CKR_OK || value.ulValueLen == CK_UNAVAILABLE_INFORMATION || value.ulValueLen > VALUE_MAX)
		return call.rv == CKR_OBJECT_HANDLE_INVALID ? p11_rv_err(err, call.rv, "C_GetAttributeValue") : 0;
	room = mem_zalloc(value.ulValueLen);
	if (!room)
		return err_no_memory(err);
	value.pValue = room;
	call.rv = P11_NOT_RUN;
	rc = member_call(channel, &call, 1, err);
	return rc == 0 && call.rv == CKR_OK ? keep(&value, 1, ret, err) : rc;
}

int member_get(struct member_channel *channel, CK_OBJECT_HANDLE object, const CK_ATTRIBUTE_TYPE *types,
	       CK_ULONG count, struct p11_attrs *ret, struct err *err)
{
	owned(mem) uint8_t *room = mem_zalloc((size_t)VALUE_ROOM * count);
	CK_ATTRIBUTE values[GET_MAX];
	struct p11_call call;
	int rc;

	if (!room)
		return err_no_memory(err);
	if (count > GET_MAX)
		return err_set(err, ERR_FAILED, "%lu attributes at once", count);
	for (CK_ULONG i = 0; i < count; i++)
		values[i] = (CK_ATTRIBUTE){types[i], room + (size_t)VALUE_ROOM * i, VALUE_ROOM};
	call = p11_get_attributes(member_session(channel), object, values, count);
	rc = member_call(channel, &call, 1, err);
	if (rc < 0)
		return rc;
	if (call.rv == CKR_OK)
		return keep(values, count, ret, err);
	if (call.rv == CKR_OBJECT_HANDLE_INVALID)
		return p11_rv_err(err, call.rv, "C_GetAttributeValue");
	/* One attribute the token dislikes may hide the others (SoftHSM answers
	 * GENERAL_ERROR for dates of private objects): ask for each alone. */
	for (CK_ULONG i = 0; i < count && rc == 0; i++)
		rc = get_one(channel, object, types[i], ret, err);
	return rc;
}
