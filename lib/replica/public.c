/* SPDX-License-Identifier: Apache-2.0 */
/* Public halves of pairs, for who did not log in. */
#include "replica/public.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "member/member.h"
#include "replica/domain.h"
#include "replica/key.h"

/* Public keys of one type after the other: what is worth reading of them depends on that. */
struct looking {
	record_visitor each;
	void *data;
	CK_OBJECT_HANDLE *handles;
	CK_ULONG *types;
	CK_ULONG count;
};

static int take_type(void *data, CK_OBJECT_HANDLE handle, struct p11_attrs *attrs, struct err *err)
{
	struct looking *looking = data;
	const CK_ATTRIBUTE *id = attrs ? p11_attrs_find(attrs, CKA_ID) : NULL;

	(void)err;
	if (!id || id->ulValueLen != UID_LEN)
		return 0;
	looking->handles[looking->count] = handle;
	looking->types[looking->count++] = p11_attrs_ulong(attrs, CKA_KEY_TYPE, CK_UNAVAILABLE_INFORMATION);
	return 0;
}

static int take_key(void *data, CK_OBJECT_HANDLE handle, struct p11_attrs *attrs, struct err *err)
{
	const struct looking *looking = data;
	owned(record) struct record record = {.state = RECORD_LIVE, .n_objects = 2};
	const CK_ATTRIBUTE *id = attrs ? p11_attrs_find(attrs, CKA_ID) : NULL;

	if (!id || id->ulValueLen != UID_LEN || domain_owns(attrs) || p11_attrs_bool(attrs, CKA_PRIVATE, true))
		return 0;
	memcpy(record.uid, id->pValue, UID_LEN);
	record.objects[1] = *attrs;
	*attrs = (struct p11_attrs){0};
	return looking->each(looking->data, handle, &record, err);
}

/* Those of the first one's type are read, the others move up. */
static int read_type(struct member_channel *channel, struct looking *looking, CK_OBJECT_HANDLE *list, struct err *err)
{
	const CK_ULONG type = looking->types[0];
	CK_ATTRIBUTE_TYPE types[64];
	CK_ULONG n = key_attribute_types(CKO_PUBLIC_KEY, type, types), same = 0, left = 0;

	for (CK_ULONG i = 0; i < looking->count; i++) {
		if (looking->types[i] == type) {
			list[same++] = looking->handles[i];
			continue;
		}
		looking->types[left] = looking->types[i];
		looking->handles[left++] = looking->handles[i];
	}
	looking->count = left;
	return member_get_each(channel, list, same, types, n, take_key, looking, err);
}

int public_read(struct member_channel *channel, record_visitor each, void *data, struct err *err)
{
	static const CK_ATTRIBUTE_TYPE basics[] = {CKA_KEY_TYPE, CKA_ID};
	CK_OBJECT_CLASS class = CKO_PUBLIC_KEY;
	CK_BBOOL yes = CK_TRUE;
	const CK_ATTRIBUTE template[] = {{CKA_CLASS, &class, sizeof(class)}, {CKA_TOKEN, &yes, sizeof(yes)}};
	owned(mem) CK_OBJECT_HANDLE *list = NULL, *handles = NULL;
	owned(mem) CK_ULONG *types = NULL;
	struct looking looking = {.each = each, .data = data};
	CK_ULONG count = 0;
	int rc = member_find(channel, template, 2, &list, &count, err);

	if (rc < 0 || !count)
		return rc;
	looking.handles = handles = mem_zalloc(count * sizeof(*handles));
	looking.types = types = mem_zalloc(count * sizeof(*types));
	if (!handles || !types)
		return err_no_memory(err);
	rc = member_get_each(channel, list, count, basics, 2, take_type, &looking, err);
	while (rc == 0 && looking.count)
		rc = read_type(channel, &looking, list, err);
	return rc;
}
