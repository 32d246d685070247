/* SPDX-License-Identifier: Apache-2.0 */
/* Finding objects and reading their attributes through a channel. */
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "member/member.h"
#include "p11/rv.h"

enum { FIND_STEP = 8192, VALUE_ROOM = 2048, VALUE_MAX = 1 << 20, GET_MAX = 64, EACH_MAX = 512 };

/* One step of a search; what fails in the middle leaves none behind. */
static int search(struct member_channel *channel, struct p11_call *calls, size_t count, struct err *err)
{
	struct p11_call final = p11_C_FindObjectsFinal(member_session(channel));
	int rc = member_run(channel, calls, count, err);
	bool began = calls[0].fn != P11_C_FindObjectsInit || calls[0].rv == CKR_OK;

	if (rc == -ERR_TOKEN && began && member_call(channel, &final, 1, NULL, NULL) == 0 && final.rv == CKR_OK)
		member_clean(channel);
	return rc;
}

/* All that fits in one step takes one message. */
static int find_few(struct member_channel *channel, const CK_ATTRIBUTE *template, CK_ULONG count, CK_OBJECT_HANDLE *list,
		    CK_ULONG *ret_got, struct err *err)
{
	CK_SESSION_HANDLE session = member_session(channel);
	struct p11_call calls[] = {
		p11_C_FindObjectsInit(session, template, count),
		p11_C_FindObjects(session, list, FIND_STEP, ret_got),
		p11_C_FindObjectsFinal(session),
	};

	return search(channel, calls, 3, err);
}

static int find_many(struct member_channel *channel, const CK_ATTRIBUTE *template, CK_ULONG count, CK_OBJECT_HANDLE **ret,
		     CK_ULONG *ret_count, struct err *err)
{
	CK_SESSION_HANDLE session = member_session(channel);
	struct p11_call init = p11_C_FindObjectsInit(session, template, count), final = p11_C_FindObjectsFinal(session);
	owned(mem) CK_OBJECT_HANDLE *list = NULL;
	CK_ULONG total = 0, got = FIND_STEP;
	int rc = member_run(channel, &init, 1, err);

	while (rc == 0 && got == FIND_STEP) {
		CK_OBJECT_HANDLE *grown = mem_grow(list, total, total + FIND_STEP, sizeof(*list));
		struct p11_call call;

		if (!grown)
			return err_no_memory(err);
		list = grown;
		call = p11_C_FindObjects(session, list + total, FIND_STEP, &got);
		rc = search(channel, &call, 1, err);
		total += got;
	}
	if (rc == 0)
		rc = member_run(channel, &final, 1, err);
	if (rc < 0)
		return rc;
	*ret = own_take(list);
	*ret_count = total;
	return 0;
}

int member_find(struct member_channel *channel, const CK_ATTRIBUTE *template, CK_ULONG count,
		CK_OBJECT_HANDLE **ret, CK_ULONG *ret_count, struct err *err)
{
	owned(mem) CK_OBJECT_HANDLE *list = mem_zalloc(FIND_STEP * sizeof(*list));
	CK_ULONG got = 0;
	int rc = list ? find_few(channel, template, count, list, &got, err) : err_no_memory(err);

	if (rc == 0 && got == FIND_STEP)
		return find_many(channel, template, count, ret, ret_count, err);
	if (rc < 0)
		return rc;
	*ret = own_take(list);
	*ret_count = got;
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
	struct p11_call call = p11_C_GetAttributeValue(member_session(channel), object, &value, 1);
	owned(mem) void *room = NULL;
	int rc = member_call(channel, &call, 1, NULL, err);

	if (rc < 0)
		return rc;
	if (call.rv != CKR_OK || value.ulValueLen == CK_UNAVAILABLE_INFORMATION || value.ulValueLen > VALUE_MAX)
		return call.rv == CKR_OBJECT_HANDLE_INVALID ? p11_rv_err(err, call.rv, "C_GetAttributeValue") : 0;
	room = mem_zalloc(value.ulValueLen);
	if (!room)
		return err_no_memory(err);
	value.pValue = room;
	call.rv = P11_NOT_RUN;
	rc = member_call(channel, &call, 1, NULL, err);
	return rc == 0 && call.rv == CKR_OK ? keep(&value, 1, ret, err) : rc;
}

/* Values and their room are the caller's: count of each. */
static struct p11_call ask(struct member_channel *channel, CK_OBJECT_HANDLE object, const CK_ATTRIBUTE_TYPE *types,
			   CK_ULONG count, CK_ATTRIBUTE *values, uint8_t *room)
{
	for (CK_ULONG i = 0; i < count; i++)
		values[i] = (CK_ATTRIBUTE){types[i], room + (size_t)VALUE_ROOM * i, VALUE_ROOM};
	return p11_C_GetAttributeValue(member_session(channel), object, values, count);
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
	call = ask(channel, object, types, count, values, room);
	rc = member_call(channel, &call, 1, NULL, err);
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

/* What no batch gives: by itself, with all that member_get() tries. */
static int give_alone(struct member_channel *channel, CK_OBJECT_HANDLE object, const CK_ATTRIBUTE_TYPE *types,
		      CK_ULONG count, member_visitor each, void *data, struct err *err)
{
	owned(p11_attrs) struct p11_attrs attrs = {0};
	int rc = member_get(channel, object, types, count, &attrs, err);

	if (rc == -ERR_TOKEN && err->rv == CKR_OBJECT_HANDLE_INVALID)
		return each(data, object, NULL, err);
	return rc < 0 ? rc : each(data, object, &attrs, err);
}

static int give(CK_OBJECT_HANDLE object, const CK_ATTRIBUTE *values, CK_ULONG count, member_visitor each, void *data,
		struct err *err)
{
	owned(p11_attrs) struct p11_attrs attrs = {0};
	int rc = keep(values, count, &attrs, err);

	return rc < 0 ? rc : each(data, object, &attrs, err);
}

int member_get_each(struct member_channel *channel, const CK_OBJECT_HANDLE *objects, CK_ULONG n,
		    const CK_ATTRIBUTE_TYPE *types, CK_ULONG count, member_visitor each, void *data, struct err *err)
{
	CK_ULONG full = EACH_MAX / count < P11_BATCH_MAX ? EACH_MAX / count : P11_BATCH_MAX;
	owned(mem) uint8_t *room = mem_zalloc((size_t)VALUE_ROOM * count * (n < full ? n + 1 : full));
	struct p11_call calls[P11_BATCH_MAX];
	CK_ATTRIBUTE values[EACH_MAX];
	int rc = room ? 0 : err_no_memory(err);

	while (n && rc >= 0) {
		CK_ULONG batch = n < full ? n : full, done;

		for (CK_ULONG i = 0; i < batch; i++)
			calls[i] = ask(channel, objects[i], types, count, values + i * count,
				       room + VALUE_ROOM * i * count);
		rc = member_call(channel, calls, batch, NULL, err);
		for (done = 0; done < batch && calls[done].rv == CKR_OK && rc >= 0; done++)
			rc = give(objects[done], values + done * count, count, each, data, err);
		/* A batch ends with the first that fails. */
		if (done < batch && rc >= 0)
			rc = give_alone(channel, objects[done++], types, count, each, data, err);
		objects += done;
		n -= done;
	}
	return rc < 0 ? rc : 0;
}
