/* SPDX-License-Identifier: Apache-2.0 */
/* What the token at the end of a channel can do. */
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "member/member.h"

enum { LIST_MAX = 4096 };

static int by_type(const void *a, const void *b)
{
	const struct member_mechanism *x = a, *y = b;

	return (x->type > y->type) - (x->type < y->type);
}

/* As many as go into one message, up to the first of which the token says nothing. Returns how many were told. */
static int ask_some(struct member_channel *channel, struct member_mechanism *list, CK_ULONG count, struct err *err)
{
	struct p11_call calls[P11_BATCH_MAX];
	int n = count < P11_BATCH_MAX ? (int)count : P11_BATCH_MAX, told = 0, rc;

	for (int i = 0; i < n; i++)
		calls[i] = p11_C_GetMechanismInfo(0, list[i].type, &list[i].info);
	rc = member_call(channel, calls, (size_t)n, NULL, err);
	while (rc == 0 && told < n && calls[told].rv == CKR_OK)
		told++;
	return rc < 0 ? rc : told;
}

static int ask_all(struct member_channel *channel, struct member_mechanism *list, CK_ULONG *count, struct err *err)
{
	CK_ULONG asked = 0, left = 0;

	while (asked < *count) {
		int told = ask_some(channel, list + asked, *count - asked, err);

		if (told < 0)
			return told;
		for (int i = 0; i < told; i++)
			list[left++] = list[asked++];
		/* The one that ended the message, if it was not its length. */
		asked += told < P11_BATCH_MAX && asked < *count;
	}
	*count = left;
	return 0;
}

int member_mechanisms(struct member_channel *channel, struct member_mechanism **ret, CK_ULONG *ret_count,
		      struct err *err)
{
	owned(mem) CK_MECHANISM_TYPE *types = mem_zalloc(LIST_MAX * sizeof(*types));
	owned(mem) struct member_mechanism *list = NULL;
	CK_ULONG count = LIST_MAX;
	struct p11_call call = p11_C_GetMechanismList(0, types, &count);
	int rc = types ? member_run(channel, &call, 1, err) : err_no_memory(err);

	if (rc < 0)
		return rc;
	list = mem_zalloc((count + 1) * sizeof(*list));
	if (!list)
		return err_no_memory(err);
	for (CK_ULONG i = 0; i < count; i++)
		list[i].type = types[i];
	rc = ask_all(channel, list, &count, err);
	if (rc < 0)
		return rc;
	qsort(list, count, sizeof(*list), by_type);
	*ret = own_take(list);
	*ret_count = count;
	return 0;
}
