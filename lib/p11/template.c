/* SPDX-License-Identifier: Apache-2.0 */
/* Templates as values: one block each. */
#include "p11/template.h"

#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "p11/attr.h"

enum { ITEMS_MAX = 256, VALUE_MAX = 1 << 20 };

static size_t aligned(size_t len)
{
	return (len + _Alignof(CK_ATTRIBUTE) - 1) / _Alignof(CK_ATTRIBUTE) * _Alignof(CK_ATTRIBUTE);
}

size_t p11_template_room(const CK_ATTRIBUTE *items, CK_ULONG count)
{
	size_t room = count * sizeof(*items);

	for (CK_ULONG i = 0; i < count; i++)
		room += aligned(items[i].ulValueLen);
	return room;
}

void p11_template_put(void *ret, const CK_ATTRIBUTE *items, CK_ULONG count)
{
	CK_ATTRIBUTE *array = ret;
	uint8_t *at = (uint8_t *)(array + count);

	for (CK_ULONG i = 0; i < count; i++) {
		array[i] = (CK_ATTRIBUTE){items[i].type, at, items[i].ulValueLen};
		if (items[i].ulValueLen)
			memcpy(at, items[i].pValue, items[i].ulValueLen);
		at += aligned(items[i].ulValueLen);
	}
}

void *p11_template_dup(const CK_ATTRIBUTE *items, CK_ULONG count)
{
	void *block = mem_zalloc(p11_template_room(items, count));

	if (block)
		p11_template_put(block, items, count);
	return block;
}

void p11_template_wipe(const CK_ATTRIBUTE *items, CK_ULONG count)
{
	for (CK_ULONG i = 0; items && i < count; i++)
		if (items[i].pValue)
			explicit_bzero(items[i].pValue, items[i].ulValueLen);
}

bool p11_template_equal(const CK_ATTRIBUTE *a, const CK_ATTRIBUTE *b, CK_ULONG count)
{
	for (CK_ULONG i = 0; i < count; i++) {
		const CK_ATTRIBUTE *other = p11_template_find(b, count, a[i].type);

		if (!other || other->ulValueLen != a[i].ulValueLen ||
		    (a[i].ulValueLen && memcmp(other->pValue, a[i].pValue, a[i].ulValueLen) != 0))
			return false;
	}
	return true;
}

CK_RV p11_value_read(const CK_ATTRIBUTE *value, CK_ATTRIBUTE *ret)
{
	CK_ULONG room = ret->ulValueLen;

	ret->ulValueLen = value->ulValueLen;
	if (!ret->pValue)
		return CKR_OK;
	if (room < value->ulValueLen) {
		ret->ulValueLen = CK_UNAVAILABLE_INFORMATION;
		return CKR_BUFFER_TOO_SMALL;
	}
	if (value->ulValueLen)
		memcpy(ret->pValue, value->pValue, value->ulValueLen);
	return CKR_OK;
}

CK_RV p11_template_read(const CK_ATTRIBUTE *value, CK_ATTRIBUTE *ret)
{
	const CK_ATTRIBUTE *items = value->pValue;
	CK_RV rv = CKR_OK;

	if (ret->pValue && ret->ulValueLen < value->ulValueLen) {
		ret->ulValueLen = CK_UNAVAILABLE_INFORMATION;
		return CKR_BUFFER_TOO_SMALL;
	}
	ret->ulValueLen = value->ulValueLen;
	for (CK_ULONG i = 0; ret->pValue && i < value->ulValueLen / sizeof(*items); i++) {
		CK_ATTRIBUTE *item = &((CK_ATTRIBUTE *)ret->pValue)[i];
		CK_RV one = p11_value_read(&items[i], item);

		item->type = items[i].type;
		if (one != CKR_OK)
			rv = one;
	}
	return rv;
}

/* ---- from a library ---- */

/* Room for each value that the library has told the length of, in one block. */
static CK_RV make_room(CK_ATTRIBUTE *items, CK_ULONG count, void **ret)
{
	size_t total = 0;
	uint8_t *at;

	for (CK_ULONG i = 0; i < count; i++) {
		if (items[i].ulValueLen > VALUE_MAX - total || p11_attr_is_nested(items[i].type) ||
		    p11_attr_is_strange(items[i].type))
			return CKR_ATTRIBUTE_SENSITIVE;
		total += aligned(items[i].ulValueLen);
	}
	at = *ret = mem_zalloc(total);
	for (CK_ULONG i = 0; at && i < count; i++) {
		items[i].pValue = at;
		at += aligned(items[i].ulValueLen);
	}
	return at ? CKR_OK : CKR_HOST_MEMORY;
}

/* The values, in the lengths that were told before. */
static CK_RV get_values(CK_FUNCTION_LIST *functions, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
			CK_ATTRIBUTE *ask, void **ret_block)
{
	CK_ATTRIBUTE *items = ask->pValue;
	CK_ULONG count = ask->ulValueLen / sizeof(*items), lens[ITEMS_MAX];
	CK_RV rv = make_room(items, count, ret_block);

	for (CK_ULONG i = 0; i < count; i++)
		lens[i] = items[i].ulValueLen;
	if (rv == CKR_OK)
		rv = functions->C_GetAttributeValue(session, object, ask, 1);
	for (CK_ULONG i = 0; i < count && rv == CKR_OK; i++)
		if (items[i].ulValueLen > lens[i])
			rv = CKR_DEVICE_ERROR;
	return rv;
}

static CK_RV hand_over(CK_ATTRIBUTE *value, const CK_ATTRIBUTE *items, CK_ULONG count)
{
	size_t room = p11_template_room(items, count);
	bool fits = value->ulValueLen >= room;

	value->ulValueLen = value->pValue && fits ? count * sizeof(*items) : room;
	if (value->pValue && fits)
		p11_template_put(value->pValue, items, count);
	return value->pValue && !fits ? CKR_BUFFER_TOO_SMALL : CKR_OK;
}

CK_RV p11_template_get(CK_FUNCTION_LIST *functions, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
		       CK_ATTRIBUTE *value)
{
	CK_ATTRIBUTE ask = {value->type, NULL, 0}, items[ITEMS_MAX] = {0};
	owned(mem) void *block = NULL;
	CK_ULONG len;
	CK_RV rv = functions->C_GetAttributeValue(session, object, &ask, 1);

	len = ask.ulValueLen;
	if (rv == CKR_OK && (len > sizeof(items) || len % sizeof(*items)))
		rv = CKR_DEVICE_ERROR;
	if (rv == CKR_OK && len) {
		ask.pValue = items;
		rv = functions->C_GetAttributeValue(session, object, &ask, 1);
	}
	if (rv == CKR_OK && ask.ulValueLen != len)
		rv = CKR_DEVICE_ERROR;
	if (rv == CKR_OK && len)
		rv = get_values(functions, session, object, &ask, &block);
	if (rv != CKR_OK) {
		value->ulValueLen = CK_UNAVAILABLE_INFORMATION;
		return rv;
	}
	return hand_over(value, items, len / sizeof(*items));
}
