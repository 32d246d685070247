/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions of an application, and the way of its calls. */
#include <stdlib.h>

#include "base/mem.h"
#include "ha/internal.h"

CK_RV ha_session_open(struct ha_group *group, CK_FLAGS flags, struct ha_session **ret)
{
	struct ha_session *session = mem_new(struct ha_session);

	if (!session)
		return CKR_HOST_MEMORY;
	session->group = group;
	session->flags = flags;
	ha_watch_session(group, true);
	*ret = session;
	return CKR_OK;
}

void ha_session_free(struct ha_session *session)
{
	if (!session)
		return;
	for (int op = 0; op < P11_OP_MAX; op++)
		ha_operation_free(session->operations[op]);
	ha_local_end(session);
	ha_watch_session(session->group, false);
	free(session->found);
	free(session);
}

/* ---- keys that want the PIN each time ---- */

/* The operation that was begun last of those that wait for it. */
static struct ha_operation *waiting(const struct ha_session *session)
{
	struct ha_operation *last = NULL;

	for (int op = 0; op < P11_OP_MAX; op++) {
		struct ha_operation *o = session->operations[op];

		if (o && o->waits && (!last || o->number > last->number))
			last = o;
	}
	return last;
}

bool ha_session_waits(const struct ha_session *session)
{
	return waiting(session) != NULL;
}

void ha_session_admit(struct ha_session *session)
{
	struct ha_operation *o = waiting(session);

	if (o)
		o->waits = false;
}

/* ---- calls ---- */

/* As much as members give at once. */
static CK_RV random_bytes(struct ha_session *session, struct p11_call *call)
{
	enum { STEP = 1 << 20 };
	CK_ULONG len = call->args[1].number;
	CK_RV rv = CKR_OK;

	for (CK_ULONG done = 0; done < len && rv == CKR_OK; done += STEP) {
		struct p11_call step = p11_C_GenerateRandom(0, (uint8_t *)call->args[1].out + done,
							    len - done < STEP ? len - done : STEP);

		rv = ha_send(session->group, &step, 1, NULL);
	}
	return rv;
}

/* What the group does otherwise than by asking a member. */
static CK_RV (*const handlers[P11_FN_MAX])(struct ha_session *session, struct p11_call *call) = {
	[P11_C_CreateObject] = ha_make,
	[P11_C_CopyObject] = ha_make,
	[P11_C_DestroyObject] = ha_destroy,
	[P11_C_GetAttributeValue] = ha_get_attributes,
	[P11_C_SetAttributeValue] = ha_set_attributes,
	[P11_C_FindObjectsInit] = ha_find_begin,
	[P11_C_FindObjects] = ha_find_next,
	[P11_C_FindObjectsFinal] = ha_find_end,
	[P11_C_GenerateKey] = ha_make,
	[P11_C_GenerateKeyPair] = ha_make,
	[P11_C_WrapKey] = ha_wrap,
	[P11_C_UnwrapKey] = ha_make,
	[P11_C_DeriveKey] = ha_make,
	[P11_C_GenerateRandom] = random_bytes,
	[P11_C_DigestEncryptUpdate] = ha_operate_both,
	[P11_C_DecryptDigestUpdate] = ha_operate_both,
	[P11_C_SignEncryptUpdate] = ha_operate_both,
	[P11_C_DecryptVerifyUpdate] = ha_operate_both,
};

/* What is no key's affair speaks of objects. */
static CK_RV any_member(struct ha_session *session, struct p11_call *call)
{
	CK_RV rv = ha_send(session->group, call, 1, NULL);

	return rv == CKR_KEY_HANDLE_INVALID ? CKR_OBJECT_HANDLE_INVALID : rv;
}

static CK_RV carry_out(struct ha_session *session, struct p11_call *call)
{
	enum p11_repeat repeat = p11_fn_table[call->fn].repeat;

	if (handlers[call->fn])
		return handlers[call->fn](session, call);
	if (repeat == P11_REPEAT_OPERATION)
		return ha_operate(session, call);
	return repeat == P11_REPEAT_ANY ? any_member(session, call) : CKR_FUNCTION_NOT_SUPPORTED;
}

/* A change of an object that is not the session's own. What is made is looked at where that is known (make.c). */
static bool writes_token(const struct ha_session *session, const struct p11_call *call)
{
	const struct p11_fn_info *info = &p11_fn_table[call->fn];

	return (info->flags & P11_WRITES) && info->repeat == P11_REPEAT_GROUP &&
	       !ha_object_is_local(session->group, call->args[1].number);
}

static bool cancels(const struct ha_session *session, const struct p11_call *call)
{
	const struct p11_fn_info *info = &p11_fn_table[call->fn];

	return info->part == P11_PART_INIT && p11_op_flag(info->op) && !call->args[1].in && session->operations[info->op];
}

CK_RV ha_call(struct ha_session *session, struct p11_call *call)
{
	CK_RV rv = p11_call_check(call);

	if (cancels(session, call)) {
		ha_session_cancel(session, p11_op_flag(p11_fn_table[call->fn].op));
		return call->rv = CKR_OK;
	}
	if (rv == CKR_OK && !(session->flags & CKF_RW_SESSION) && writes_token(session, call))
		rv = CKR_SESSION_READ_ONLY;
	if (rv == CKR_OK)
		rv = carry_out(session, call);
	/* No member is left because there is no such group any more: its policy is nobody's trouble. */
	if (rv == CKR_TOKEN_WRITE_PROTECTED && session->group->stopping)
		rv = CKR_DEVICE_REMOVED;
	return call->rv = rv;
}
