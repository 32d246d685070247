/* SPDX-License-Identifier: Apache-2.0 */
/* Calls on their way to a member: whose handles they hold, and what of an operation is left behind them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "stage.h"

enum { SESSION = 77, FAR = 1000 };

/* Members call an object by another number; one they do not have. */
static CK_RV translate(void *data, CK_OBJECT_HANDLE from, CK_OBJECT_HANDLE *ret)
{
	if (from == *(CK_OBJECT_HANDLE *)data)
		return CKR_OBJECT_HANDLE_INVALID;
	*ret = from + FAR;
	return CKR_OK;
}

static CK_RV bind(const struct p11_call *call, CK_OBJECT_HANDLE lacking, struct p11_call *ret, struct p11_inside *inside)
{
	return p11_bind(call, SESSION, translate, &lacking, ret, inside);
}

/* Of each function just sessions and objects are the member's; all else is what the caller gave. */
static void handles_are_the_members_and_nothing_else_changes(void **state)
{
	(void)state;
	for (int fn = 0; fn < P11_FN_MAX; fn++) {
		const enum p11_arg_kind *kinds = p11_fn_table[fn].args;
		struct p11_inside inside;
		struct p11_call bound;
		struct stage stage;
		struct p11_call call = make(fn, &stage);

		for (int i = 0; i < P11_ARGS_MAX; i++)
			if (kinds[i] == P11_ARG_OBJECT || kinds[i] == P11_ARG_SESSION)
				call.args[i].number = 5 + (CK_ULONG)i;
		assert_int_equal(bind(&call, CK_INVALID_HANDLE, &bound, &inside), CKR_OK);
		for (int i = 0; i < P11_ARGS_MAX; i++) {
			CK_ULONG number = call.args[i].number;

			if (kinds[i] == P11_ARG_SESSION)
				number = SESSION;
			else if (kinds[i] == P11_ARG_OBJECT)
				number += FAR;
			assert_int_equal(bound.args[i].number, number);
			assert_ptr_equal(bound.args[i].in, call.args[i].in);
			assert_ptr_equal(bound.args[i].out, call.args[i].out);
			assert_ptr_equal(bound.args[i].out_len, call.args[i].out_len);
		}
	}
}

static void a_handle_inside_a_parameter_is_the_members_too(void **state)
{
	CK_OBJECT_HANDLE other = 9, made;
	CK_MECHANISM mechanism = {CKM_CONCATENATE_BASE_AND_KEY, &other, sizeof(other)};
	struct p11_call call = p11_C_DeriveKey(1, &mechanism, 8, NULL, 0, &made), bound;
	struct p11_inside inside;

	(void)state;
	assert_int_equal(p11_call_check(&call), CKR_OK);
	assert_int_equal(bind(&call, CK_INVALID_HANDLE, &bound, &inside), CKR_OK);
	assert_int_equal(bound.args[2].number, 8 + FAR);
	assert_int_equal(*(CK_OBJECT_HANDLE *)((const CK_MECHANISM *)bound.args[1].in)->pParameter, 9 + FAR);
	/* The caller keeps what it gave. */
	assert_int_equal(other, 9);
	assert_int_equal(bind(&call, 9, &bound, &inside), CKR_OBJECT_HANDLE_INVALID);
}

static void an_object_that_a_member_lacks_ends_the_binding(void **state)
{
	CK_ULONG len = 0;
	const CK_MECHANISM mechanism = {CKM_AES_KEY_WRAP, NULL, 0};
	struct p11_call call = p11_C_WrapKey(1, &mechanism, 3, 4, NULL, &len), bound;
	struct p11_inside inside;

	(void)state;
	assert_int_equal(bind(&call, 3, &bound, &inside), CKR_OBJECT_HANDLE_INVALID);
	assert_int_equal(bind(&call, 4, &bound, &inside), CKR_OBJECT_HANDLE_INVALID);
	assert_int_equal(bind(&call, 5, &bound, &inside), CKR_OK);
}

/* PKCS#11 v3.0 section 5.2. */
static void an_operation_ends_as_its_call_says(void **state)
{
	static const struct {
		enum p11_fn fn;
		CK_RV rv;
		bool ends;
	} cases[] = {
		{P11_C_SignInit, CKR_OK, false},
		{P11_C_Sign, CKR_OK, true},
		{P11_C_Sign, CKR_BUFFER_TOO_SMALL, false},
		{P11_C_Sign, CKR_DATA_LEN_RANGE, true},
		{P11_C_SignUpdate, CKR_OK, false},
		{P11_C_SignUpdate, CKR_DATA_LEN_RANGE, true},
		{P11_C_SignFinal, CKR_BUFFER_TOO_SMALL, false},
		{P11_C_SignFinal, CKR_OK, true},
		{P11_C_Verify, CKR_SIGNATURE_INVALID, true},
		{P11_C_EncryptUpdate, CKR_BUFFER_TOO_SMALL, false},
		{P11_C_FindObjects, CKR_OK, false},
		{P11_C_FindObjects, CKR_DEVICE_ERROR, false},
		{P11_C_FindObjectsFinal, CKR_OK, true},
		{P11_C_MessageSignInit, CKR_OK, false},
		{P11_C_MessageSignInit, CKR_KEY_TYPE_INCONSISTENT, true},
		{P11_C_SignMessage, CKR_OK, false},
		{P11_C_DecryptMessage, CKR_AEAD_DECRYPT_FAILED, false},
		{P11_C_MessageSignFinal, CKR_OK, true},
		{P11_C_MessageSignFinal, CKR_DEVICE_ERROR, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct p11_call call = {.fn = cases[i].fn, .rv = cases[i].rv};

		assert_int_equal(p11_call_ends(&call), cases[i].ends);
	}
}

/* Each operation has an Init, and what goes on has one before it. */
static void operations_are_whole(void **state)
{
	(void)state;
	for (int fn = 0; fn < P11_FN_MAX; fn++) {
		const struct p11_fn_info *info = &p11_fn_table[fn];

		assert_int_equal(info->op == P11_OP_NONE, info->part == P11_PART_NONE);
		if (info->op == P11_OP_NONE)
			continue;
		/* Keys are digested beside bytes. */
		assert_int_equal(p11_fn_of(info->op, info->part), fn == P11_C_DigestKey ? P11_C_DigestUpdate : fn);
		assert_int_not_equal(p11_fn_of(info->op, P11_PART_INIT), P11_FN_MAX);
		/* Processes of messages end by themselves. */
		assert_int_equal(p11_fn_of(info->op, P11_PART_FINAL) == P11_FN_MAX,
				 p11_fn_of(info->op, P11_PART_UPDATE) == P11_FN_MAX && !p11_op_is_message(info->op));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(handles_are_the_members_and_nothing_else_changes),
		cmocka_unit_test(a_handle_inside_a_parameter_is_the_members_too),
		cmocka_unit_test(an_object_that_a_member_lacks_ends_the_binding),
		cmocka_unit_test(an_operation_ends_as_its_call_says),
		cmocka_unit_test(operations_are_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
