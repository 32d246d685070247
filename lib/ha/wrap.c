/* SPDX-License-Identifier: Apache-2.0 */
/* Giving keys away. */
#include "ha/internal.h"
#include "p11/object.h"

static CK_RV as_wrapping(CK_RV rv)
{
	return rv == CKR_KEY_HANDLE_INVALID ? CKR_WRAPPING_KEY_HANDLE_INVALID
	       : rv == CKR_KEY_TYPE_INCONSISTENT ? CKR_WRAPPING_KEY_TYPE_INCONSISTENT : rv;
}

/* What members hold of a key does not say whether it may leave; the record does. */
static CK_RV may_leave(const struct p11_attrs *key, const struct p11_attrs *wrapper)
{
	const CK_ATTRIBUTE *wanted = p11_attrs_find(wrapper, CKA_WRAP_TEMPLATE);

	if (!p11_object_has(p11_object_of(key), CKA_EXTRACTABLE))
		return CKR_KEY_NOT_WRAPPABLE;
	if (!p11_attrs_bool(key, CKA_EXTRACTABLE, false))
		return CKR_KEY_UNEXTRACTABLE;
	if (p11_attrs_bool(key, CKA_WRAP_WITH_TRUSTED, false) && !p11_attrs_bool(wrapper, CKA_TRUSTED, false))
		return CKR_KEY_NOT_WRAPPABLE;
	return !wanted || p11_attrs_match(key, wanted->pValue, wanted->ulValueLen / sizeof(CK_ATTRIBUTE))
		       ? CKR_OK
		       : CKR_KEY_HANDLE_INVALID;
}

CK_RV ha_wrap(struct ha_session *session, struct p11_call *call)
{
	CK_MECHANISM_TYPE type = ((const CK_MECHANISM *)call->args[1].in)->mechanism;
	owned(record) struct record wrapper = {0}, key = {0};
	size_t wrapper_part, key_part;
	CK_RV rv = ha_mechanism_check(session->group, type, CKF_WRAP);

	if (rv == CKR_OK)
		rv = as_wrapping(ha_key_get(session->group, call->args[2].number, CKF_WRAP, type, &wrapper, &wrapper_part));
	if (rv == CKR_OK)
		rv = ha_object_get(session->group, call->args[3].number, &key, &key_part);
	if (rv == CKR_OBJECT_HANDLE_INVALID)
		rv = CKR_KEY_HANDLE_INVALID;
	if (rv == CKR_OK)
		rv = may_leave(&key.objects[key_part], &wrapper.objects[wrapper_part]);
	return rv == CKR_OK ? ha_send(session->group, call, 1, NULL) : rv;
}
