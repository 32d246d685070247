/* SPDX-License-Identifier: Apache-2.0 */
/* What is the caller's fault, seen before anybody is asked. */
#include "p11/call.h"
#include "p11/template.h"

enum { ATTRIBUTES_MAX = 256, VALUE_MAX = 1 << 20 };

/* PKCS#11 v3.0 section 4: what does not have the length of its type has no value. */
static bool fits(const CK_ATTRIBUTE *a)
{
	const struct p11_attr_info *info = p11_attr_info(a->type);

	if (a->ulValueLen > VALUE_MAX || (a->ulValueLen && !a->pValue))
		return false;
	switch (info ? info->kind : P11_ATTR_BYTES) {
	case P11_ATTR_BOOL:
		return a->ulValueLen == sizeof(CK_BBOOL);
	case P11_ATTR_ULONG:
		return a->ulValueLen == sizeof(CK_ULONG);
	case P11_ATTR_ULONGS:
		return a->ulValueLen % sizeof(CK_ULONG) == 0;
	case P11_ATTR_DATE:
		return a->ulValueLen == 0 || a->ulValueLen == sizeof(CK_DATE);
	case P11_ATTR_TEMPLATE:
		return a->ulValueLen % sizeof(CK_ATTRIBUTE) == 0 &&
		       a->ulValueLen <= ATTRIBUTES_MAX * sizeof(CK_ATTRIBUTE);
	case P11_ATTR_BYTES:
		break;
	}
	return true;
}

static CK_RV check_value(const CK_ATTRIBUTE *a)
{
	if (p11_attr_is_strange(a->type))
		return CKR_ATTRIBUTE_TYPE_INVALID;
	return fits(a) ? CKR_OK : CKR_ATTRIBUTE_VALUE_INVALID;
}

/* A template as a value. */
static CK_RV check_nested(const CK_ATTRIBUTE *items, CK_ULONG count)
{
	CK_RV rv = CKR_OK;

	for (CK_ULONG i = 0; i < count && rv == CKR_OK; i++) {
		rv = p11_attr_is_nested(items[i].type) ? CKR_ATTRIBUTE_VALUE_INVALID : check_value(&items[i]);
		if (rv == CKR_OK && p11_template_find(items, i, items[i].type))
			rv = CKR_TEMPLATE_INCONSISTENT;
	}
	return rv == CKR_OK && p11_template_room(items, count) > VALUE_MAX ? CKR_ATTRIBUTE_VALUE_INVALID : rv;
}

CK_RV p11_template_check(const CK_ATTRIBUTE *items, CK_ULONG count)
{
	CK_RV rv = CKR_OK;

	if ((count && !items) || count > ATTRIBUTES_MAX)
		return CKR_ARGUMENTS_BAD;
	for (CK_ULONG i = 0; i < count && rv == CKR_OK; i++) {
		rv = check_value(&items[i]);
		if (rv == CKR_OK && p11_attr_is_nested(items[i].type))
			rv = check_nested(items[i].pValue, items[i].ulValueLen / sizeof(CK_ATTRIBUTE));
	}
	return rv;
}

static CK_RV check_values(const CK_ATTRIBUTE *values, CK_ULONG count)
{
	if ((count && !values) || count > ATTRIBUTES_MAX)
		return CKR_ARGUMENTS_BAD;
	for (CK_ULONG i = 0; i < count; i++)
		if (p11_attr_is_strange(values[i].type))
			return CKR_ATTRIBUTE_TYPE_INVALID;
	return CKR_OK;
}

static CK_RV bad_unless(bool good)
{
	return good ? CKR_OK : CKR_ARGUMENTS_BAD;
}

/* Is there so much as the caller says? No memory holds more than half of what can be counted: CK_UNAVAILABLE_INFORMATION
 * is what a call that failed left in a length. */
static bool given(const void *at, CK_ULONG count, size_t each)
{
	return (at || !count) && count <= PTRDIFF_MAX / each;
}

/* What is searched for may be anything that can be read: a value of the wrong length is found nowhere. Templates are
 * looked into. */
static CK_RV check_search(const CK_ATTRIBUTE *items, CK_ULONG count)
{
	CK_RV rv = CKR_OK;

	if (!given(items, count, sizeof(*items)))
		return CKR_ARGUMENTS_BAD;
	for (CK_ULONG i = 0; i < count && rv == CKR_OK; i++) {
		if (!items[i].pValue && items[i].ulValueLen)
			rv = CKR_ATTRIBUTE_VALUE_INVALID;
		else if (p11_attr_is_nested(items[i].type))
			rv = p11_template_check(&items[i], 1);
	}
	return rv;
}

static CK_RV check_mechanism(const CK_MECHANISM *m)
{
	return m ? p11_mechanism_check(m) : CKR_ARGUMENTS_BAD;
}

static CK_RV check_arg(enum p11_arg_kind kind, const struct p11_arg *a)
{
	switch (kind) {
	case P11_ARG_END:
	case P11_ARG_SLOT:
	case P11_ARG_ULONG:
	case P11_ARG_SESSION:
	case P11_ARG_OBJECT:
		return CKR_OK;
	case P11_ARG_MECHANISM:
		return check_mechanism(a->in);
	case P11_ARG_PROCESS:
		return a->in ? p11_process_check(a->in) : CKR_ARGUMENTS_BAD;
	case P11_ARG_PARAM:
	case P11_ARG_PARAM_GIVING:
		return given(a->out, a->number, 1) ? p11_message_check(a->in, a->out, a->number) : CKR_ARGUMENTS_BAD;
	case P11_ARG_TEMPLATE:
		return p11_template_check(a->in, a->number);
	case P11_ARG_SEARCH:
		return check_search(a->in, a->number);
	case P11_ARG_ATTRS:
		return check_values(a->out, a->number);
	case P11_ARG_IN:
	case P11_ARG_PIN:
		return bad_unless(given(a->in, a->number, 1));
	case P11_ARG_RANDOM:
		return bad_unless(given(a->out, a->number, 1));
	case P11_ARG_OUT:
	case P11_ARG_OUT_ULONGS:
		return bad_unless(a->out_len);
	case P11_ARG_OUT_HANDLES:
		return bad_unless(a->out_len && given(a->out, a->number, sizeof(CK_ULONG)));
	case P11_ARG_OUT_HANDLE:
	case P11_ARG_OUT_INFO:
	case P11_ARG_OUT_NUMBER:
		return bad_unless(a->out);
	}
	return CKR_ARGUMENTS_BAD;
}

/* What a kind by itself does not say. */
static CK_RV check_more(const struct p11_call *call)
{
	switch (call->fn) {
	case P11_C_Verify:
		return bad_unless(call->args[2].in);
	case P11_C_VerifyFinal:
		return bad_unless(call->args[1].in);
	case P11_X_Lease:
		return bad_unless(call->args[1].number && call->args[1].number <= P11_LEASE_NAME_MAX &&
				  call->args[3].number <= P11_LEASE_MS_MAX);
	default:
		return CKR_OK;
	}
}

CK_RV p11_call_check(const struct p11_call *call)
{
	const enum p11_arg_kind *kinds = p11_fn_table[call->fn].args;
	CK_RV rv = CKR_OK;

	for (int n = 0; n < P11_ARGS_MAX && kinds[n] != P11_ARG_END && rv == CKR_OK; n++)
		rv = check_arg(kinds[n], &call->args[n]);
	return rv == CKR_OK ? check_more(call) : rv;
}
