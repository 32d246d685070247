/* SPDX-License-Identifier: Apache-2.0 */
/* Object management (PKCS#11 v3.0 section 5.7). */
#include <stdlib.h>
#include <string.h>

#include "slot/module.h"

/* The group of a call that came through. */
static CK_RV enter_group(struct slot_call *call, struct ha_group **ret)
{
	return call->rv == CKR_OK ? slot_group(call->slot, ret) : call->rv;
}

static CK_RV may_write(const struct slot_call *call)
{
	return call->rv == CKR_OK && !(call->session->flags & CKF_RW_SESSION) ? CKR_SESSION_READ_ONLY : call->rv;
}

/* What is searched for may be anything that can be read: a value of the wrong length is found nowhere. Templates are
 * looked into. */
static CK_RV check_search(const CK_ATTRIBUTE *template, CK_ULONG count)
{
	CK_RV rv = CKR_OK;

	if (!slot_given(template, count, sizeof(*template)))
		return CKR_ARGUMENTS_BAD;
	for (CK_ULONG i = 0; i < count && rv == CKR_OK; i++) {
		if (!template[i].pValue && template[i].ulValueLen)
			rv = CKR_ATTRIBUTE_VALUE_INVALID;
		else if (p11_attr_is_nested(template[i].type))
			rv = p11_template_check(&template[i], 1);
	}
	return rv;
}

CK_RV C_DestroyObject(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object)
{
	slot_scoped struct slot_call call = slot_enter(session);
	struct ha_group *group;

	call.rv = may_write(&call);
	call.rv = enter_group(&call, &group);
	return call.rv == CKR_OK ? ha_destroy(group, object) : call.rv;
}

CK_RV C_GetAttributeValue(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_PTR values, CK_ULONG count)
{
	slot_scoped struct slot_call call = slot_enter(session);
	struct ha_group *group;

	if (call.rv == CKR_OK && !slot_given(values, count, sizeof(*values)))
		call.rv = CKR_ARGUMENTS_BAD;
	call.rv = enter_group(&call, &group);
	return call.rv == CKR_OK ? ha_get_attributes(group, object, values, count) : call.rv;
}

CK_RV C_SetAttributeValue(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_PTR values, CK_ULONG count)
{
	slot_scoped struct slot_call call = slot_enter(session);
	struct ha_group *group;

	call.rv = may_write(&call);
	if (call.rv == CKR_OK)
		call.rv = p11_template_check(values, count);
	call.rv = enter_group(&call, &group);
	return call.rv == CKR_OK ? ha_set_attributes(group, object, values, count) : call.rv;
}

CK_RV C_FindObjectsInit(CK_SESSION_HANDLE session, CK_ATTRIBUTE_PTR template, CK_ULONG count)
{
	slot_scoped struct slot_call call = slot_enter(session);
	struct ha_group *group;

	if (call.rv == CKR_OK && call.session->finding)
		call.rv = CKR_OPERATION_ACTIVE;
	if (call.rv == CKR_OK)
		call.rv = check_search(template, count);
	call.rv = enter_group(&call, &group);
	if (call.rv == CKR_OK)
		call.rv = ha_find(group, template, count, &call.session->found, &call.session->n_found);
	if (call.rv == CKR_OK) {
		call.session->finding = true;
		call.session->next_found = 0;
	}
	return call.rv;
}

CK_RV C_FindObjects(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE_PTR objects, CK_ULONG room, CK_ULONG_PTR count)
{
	slot_scoped struct slot_call call = slot_enter(session);
	CK_ULONG left;

	if (call.rv != CKR_OK || !objects || !count)
		return call.rv != CKR_OK ? call.rv : CKR_ARGUMENTS_BAD;
	if (!call.session->finding)
		return CKR_OPERATION_NOT_INITIALIZED;
	left = call.session->n_found - call.session->next_found;
	*count = left < room ? left : room;
	memcpy(objects, call.session->found + call.session->next_found, *count * sizeof(*objects));
	call.session->next_found += *count;
	return CKR_OK;
}

CK_RV C_FindObjectsFinal(CK_SESSION_HANDLE session)
{
	slot_scoped struct slot_call call = slot_enter(session);

	if (call.rv == CKR_OK && !call.session->finding)
		call.rv = CKR_OPERATION_NOT_INITIALIZED;
	if (call.rv != CKR_OK)
		return call.rv;
	free(call.session->found);
	call.session->found = NULL;
	call.session->finding = false;
	return CKR_OK;
}

CK_RV C_GenerateKey(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism, CK_ATTRIBUTE_PTR template, CK_ULONG count,
		    CK_OBJECT_HANDLE_PTR key)
{
	slot_scoped struct slot_call call = slot_enter(session);
	struct ha_group *group;

	call.rv = may_write(&call);
	if (call.rv == CKR_OK && (!mechanism || !key))
		call.rv = CKR_ARGUMENTS_BAD;
	if (call.rv == CKR_OK)
		call.rv = p11_template_check(template, count);
	call.rv = enter_group(&call, &group);
	return call.rv == CKR_OK ? ha_generate(group, mechanism, NULL, 0, template, count, NULL, key) : call.rv;
}

CK_RV C_GenerateKeyPair(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism, CK_ATTRIBUTE_PTR public_t,
			CK_ULONG public_n, CK_ATTRIBUTE_PTR private_t, CK_ULONG private_n,
			CK_OBJECT_HANDLE_PTR public_key, CK_OBJECT_HANDLE_PTR private_key)
{
	slot_scoped struct slot_call call = slot_enter(session);
	struct ha_group *group;

	call.rv = may_write(&call);
	if (call.rv == CKR_OK && (!mechanism || !public_key || !private_key || !public_t))
		call.rv = CKR_ARGUMENTS_BAD;
	if (call.rv == CKR_OK)
		call.rv = p11_template_check(public_t, public_n);
	if (call.rv == CKR_OK)
		call.rv = p11_template_check(private_t, private_n);
	call.rv = enter_group(&call, &group);
	return call.rv == CKR_OK ? ha_generate(group, mechanism, public_t, public_n, private_t, private_n, public_key,
					       private_key)
				 : call.rv;
}

CK_RV C_GenerateRandom(CK_SESSION_HANDLE session, CK_BYTE_PTR out, CK_ULONG len)
{
	slot_scoped struct slot_call call = slot_enter(session);
	struct ha_group *group;

	if (call.rv == CKR_OK && !slot_given(out, len, 1))
		call.rv = CKR_ARGUMENTS_BAD;
	call.rv = enter_group(&call, &group);
	return call.rv == CKR_OK ? ha_random(group, out, len) : call.rv;
}
