/* SPDX-License-Identifier: Apache-2.0 */
/* What is the caller's fault, for every function; and libraries that claim to have written more than there was room. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/err.h"
#include "stage.h"

static void good_arguments_pass(void **state)
{
	(void)state;
	for (int fn = 0; fn < P11_FN_MAX; fn++) {
		struct stage stage;
		struct p11_call call = make(fn, &stage);

		assert_int_equal(p11_call_check(&call), CKR_OK);
	}
}

/* Kinds that are no pointer at all have nothing to miss. */
static bool points(enum p11_arg_kind kind)
{
	return kind != P11_ARG_SLOT && kind != P11_ARG_ULONG && kind != P11_ARG_SESSION && kind != P11_ARG_OBJECT;
}

static void whatever_points_nowhere_is_the_callers_fault(void **state)
{
	int broken = 0;

	(void)state;
	for (int fn = 0; fn < P11_FN_MAX; fn++) {
		const enum p11_arg_kind *kinds = p11_fn_table[fn].args;

		for (int i = 0; i < P11_ARGS_MAX && kinds[i] != P11_ARG_END; i++) {
			struct stage stage;
			struct p11_call call = make(fn, &stage);

			if (!points(kinds[i]))
				continue;
			call.args[i].in = NULL;
			call.args[i].out = NULL;
			call.args[i].out_len = NULL;
			assert_int_equal(p11_call_check(&call), CKR_ARGUMENTS_BAD);
			broken++;
		}
	}
	assert_true(broken > 60);
}

static void a_length_alone_may_be_asked_for(void **state)
{
	struct stage stage;
	struct p11_call call = make(P11_C_Sign, &stage);

	(void)state;
	call.args[2].out = NULL;
	assert_int_equal(p11_call_check(&call), CKR_OK);
	call.args[1].in = NULL;
	call.args[1].number = 0;
	assert_int_equal(p11_call_check(&call), CKR_OK);
}

static void a_lease_has_a_name_and_an_end(void **state)
{
	static const struct {
		CK_ULONG name_len, holder_len, ttl_ms;
		CK_RV want;
	} cases[] = {
		{1, 0, 0, CKR_OK},
		{P11_LEASE_NAME_MAX, 1000, P11_LEASE_MS_MAX, CKR_OK},
		{0, 5, 1000, CKR_ARGUMENTS_BAD},
		{P11_LEASE_NAME_MAX + 1, 5, 1000, CKR_ARGUMENTS_BAD},
		{5, 5, P11_LEASE_MS_MAX + 1, CKR_ARGUMENTS_BAD},
		{5, 5, (CK_ULONG)-1, CKR_ARGUMENTS_BAD},
	};
	static const CK_BYTE bytes[1000];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct p11_lease lease;
		struct p11_call call = p11_X_Lease(1, bytes, cases[i].name_len, bytes, cases[i].holder_len,
						 cases[i].ttl_ms, 0, &lease);

		assert_int_equal(p11_call_check(&call), cases[i].want);
	}
}

/* Hosts answer them; no library is asked. */
static void no_library_has_the_calls_of_our_own(void **state)
{
	CK_FUNCTION_LIST none = {0};

	(void)state;
	for (int fn = 0; fn < P11_FN_MAX; fn++) {
		struct stage stage;
		struct p11_call call = make(fn, &stage);

		if (p11_fn_table[fn].where == P11_WHERE_HOST)
			assert_int_equal(p11_execute(&none, 0, &call), CKR_FUNCTION_NOT_SUPPORTED);
	}
}

/* A library of before 3.0 has no functions for messages, nor mechanisms that can do them. */
static CK_RV all_flags(CK_SLOT_ID slot, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO *ret)
{
	(void)slot;
	(void)type;
	ret->flags = ~0ul;
	return CKR_OK;
}

static void no_library_of_before_has_messages(void **state)
{
	CK_FUNCTION_LIST_3_0 list = {.version = {2, 40}, .C_GetMechanismInfo = all_flags};
	CK_MECHANISM_INFO info;

	(void)state;
	for (CK_BYTE major = 2; major <= 3; major++) {
		struct p11_call ask = p11_C_GetMechanismInfo(0, CKM_AES_GCM, &info);

		list.version.major = major;
		assert_int_equal(p11_execute((CK_FUNCTION_LIST *)&list, 0, &ask), CKR_OK);
		assert_int_equal(info.flags & P11_MESSAGE_USES, major < 3 ? 0 : P11_MESSAGE_USES);
		/* Nor has one of 3.0 what it leaves out. */
		for (int fn = 0; fn < P11_FN_MAX; fn++) {
			struct stage stage;
			struct p11_call call = make(fn, &stage);

			if (p11_fn_table[fn].where == P11_WHERE_MESSAGE)
				assert_int_equal(p11_execute((CK_FUNCTION_LIST *)&list, 0, &call), CKR_FUNCTION_NOT_SUPPORTED);
		}
	}
}

static void a_message_parameter_is_one_of_its_mechanism(void **state)
{
	static CK_BYTE iv[12], tag[16];
	static const struct {
		CK_GCM_MESSAGE_PARAMS p;
		CK_RV want;
	} cases[] = {
		{{iv, 12, 0, CKG_NO_GENERATE, tag, 128}, CKR_OK},
		{{iv, 12, 96, CKG_GENERATE_COUNTER_XOR, tag, 128}, CKR_OK},
		{{NULL, 0, 0, CKG_NO_GENERATE, NULL, 0}, CKR_OK},
		{{NULL, 12, 0, CKG_NO_GENERATE, tag, 128}, CKR_MECHANISM_PARAM_INVALID},
		{{iv, 12, 0, CKG_NO_GENERATE, NULL, 128}, CKR_MECHANISM_PARAM_INVALID},
		{{iv, 12, 97, CKG_NO_GENERATE, tag, 128}, CKR_MECHANISM_PARAM_INVALID},
		{{iv, 12, 0, CKG_GENERATE_COUNTER_XOR + 1, tag, 128}, CKR_MECHANISM_PARAM_INVALID},
		{{iv, 12, 0, CKG_NO_GENERATE, tag, 136}, CKR_MECHANISM_PARAM_INVALID},
		{{iv, 12, 0, CKG_NO_GENERATE, tag, 127}, CKR_MECHANISM_PARAM_INVALID},
		{{iv, 1ul << 62, 0, CKG_NO_GENERATE, tag, 128}, CKR_MECHANISM_PARAM_INVALID},
	};
	const struct p11_message_form *form = p11_message_form(CKM_AES_GCM);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(p11_message_check(form, &cases[i].p, sizeof(cases[i].p)), cases[i].want);
	assert_int_equal(p11_message_check(form, &cases[0].p, sizeof(cases[0].p) - 1), CKR_MECHANISM_PARAM_INVALID);
	assert_int_equal(p11_message_check(form, NULL, 0), CKR_MECHANISM_PARAM_INVALID);
	assert_null(p11_message_form(CKM_SHA256_HMAC));
}

static void values_have_the_length_of_their_type(void **state)
{
	static CK_BYTE bytes[64];
	static const struct {
		CK_ATTRIBUTE value;
		CK_RV want;
	} cases[] = {
		{{CKA_TOKEN, bytes, 1}, CKR_OK},
		{{CKA_TOKEN, bytes, 0}, CKR_ATTRIBUTE_VALUE_INVALID},
		{{CKA_TOKEN, bytes, 8}, CKR_ATTRIBUTE_VALUE_INVALID},
		{{CKA_CLASS, bytes, 4}, CKR_ATTRIBUTE_VALUE_INVALID},
		{{CKA_CLASS, bytes, 8}, CKR_OK},
		{{CKA_ALLOWED_MECHANISMS, bytes, 16}, CKR_OK},
		{{CKA_ALLOWED_MECHANISMS, bytes, 12}, CKR_ATTRIBUTE_VALUE_INVALID},
		{{CKA_LABEL, NULL, 0}, CKR_OK},
		{{CKA_LABEL, NULL, 3}, CKR_ATTRIBUTE_VALUE_INVALID},
		{{CKA_LABEL, bytes, CK_UNAVAILABLE_INFORMATION}, CKR_ATTRIBUTE_VALUE_INVALID},
		{{CKA_START_DATE, bytes, 8}, CKR_OK},
		{{CKA_END_DATE, NULL, 0}, CKR_OK},
		{{CKA_END_DATE, bytes, 4}, CKR_ATTRIBUTE_VALUE_INVALID},
		{{CKA_VENDOR_DEFINED | CKF_ARRAY_ATTRIBUTE, bytes, sizeof(CK_ATTRIBUTE)}, CKR_ATTRIBUTE_TYPE_INVALID},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(p11_template_check(&cases[i].value, 1), cases[i].want);
	assert_int_equal(p11_template_check(NULL, 0), CKR_OK);
	assert_int_equal(p11_template_check(NULL, 1), CKR_ARGUMENTS_BAD);
	assert_int_equal(p11_template_check(&cases[0].value, 1000000), CKR_ARGUMENTS_BAD);
}

static void templates_as_values_are_looked_at_inside(void **state)
{
	static CK_BYTE bytes[64];
	CK_ATTRIBUTE good[] = {{CKA_TOKEN, bytes, 1}, {CKA_LABEL, bytes, 5}}, twice[] = {good[0], good[1], good[0]};
	CK_ATTRIBUTE odd[] = {{CKA_TOKEN, bytes, 8}}, nowhere[] = {{CKA_LABEL, NULL, 5}};
	CK_ATTRIBUTE deep[] = {{CKA_WRAP_TEMPLATE, good, sizeof(good)}};
	CK_ATTRIBUTE strange[] = {{CKA_VENDOR_DEFINED | CKF_ARRAY_ATTRIBUTE, good, sizeof(good)}};
	const struct {
		CK_ATTRIBUTE value;
		CK_RV want;
	} cases[] = {
		{{CKA_UNWRAP_TEMPLATE, good, sizeof(good)}, CKR_OK},
		{{CKA_UNWRAP_TEMPLATE, NULL, 0}, CKR_OK},
		{{CKA_UNWRAP_TEMPLATE, good, sizeof(good) - 1}, CKR_ATTRIBUTE_VALUE_INVALID},
		{{CKA_UNWRAP_TEMPLATE, NULL, sizeof(good)}, CKR_ATTRIBUTE_VALUE_INVALID},
		{{CKA_UNWRAP_TEMPLATE, good, 1000000 * sizeof(CK_ATTRIBUTE)}, CKR_ATTRIBUTE_VALUE_INVALID},
		{{CKA_DERIVE_TEMPLATE, twice, sizeof(twice)}, CKR_TEMPLATE_INCONSISTENT},
		{{CKA_WRAP_TEMPLATE, odd, sizeof(odd)}, CKR_ATTRIBUTE_VALUE_INVALID},
		{{CKA_WRAP_TEMPLATE, nowhere, sizeof(nowhere)}, CKR_ATTRIBUTE_VALUE_INVALID},
		{{CKA_WRAP_TEMPLATE, deep, sizeof(deep)}, CKR_ATTRIBUTE_VALUE_INVALID},
		{{CKA_WRAP_TEMPLATE, strange, sizeof(strange)}, CKR_ATTRIBUTE_TYPE_INVALID},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(p11_template_check(&cases[i].value, 1), cases[i].want);
}

static void a_mechanism_without_its_parameter_is_refused(void **state)
{
	(void)state;
	for (const struct p11_mech *row = p11_mech_table; row->name; row++) {
		struct stage stage;
		struct p11_call call = make(P11_C_GenerateKey, &stage);

		stage.mechanism = (CK_MECHANISM){row->type, NULL, 0};
		assert_int_equal(p11_call_check(&call), row->param == P11_PARAM_NONE || row->param == P11_PARAM_BYTES
								? CKR_OK
								: CKR_MECHANISM_PARAM_INVALID);
		stage.mechanism.ulParameterLen = 16;
		if (row->param != P11_PARAM_NONE)
			assert_int_equal(p11_call_check(&call), CKR_MECHANISM_PARAM_INVALID);
	}
}

/* A mechanism of no row passes with bytes; what points somewhere in this process does not. */
static void a_mechanism_that_nobody_knows_has_plain_bytes(void **state)
{
	static const CK_BYTE iv[16] = "sixteen bytes..";
	CK_KEY_DERIVATION_STRING_DATA pointer = {(CK_BYTE *)(uintptr_t)iv, sizeof(iv)};
	CK_BYTE large[300] = {0};
	const struct {
		CK_MECHANISM m;
		CK_RV want;
	} cases[] = {
		{{CKM_VENDOR_DEFINED | 1, NULL, 0}, CKR_OK},
		{{CKM_VENDOR_DEFINED | 1, (CK_BYTE *)(uintptr_t)iv, sizeof(iv)}, CKR_OK},
		{{0x7777, large, 16}, CKR_OK},
		{{0x7777, large, sizeof(large)}, CKR_MECHANISM_PARAM_INVALID},
		{{0x7777, NULL, 16}, CKR_MECHANISM_PARAM_INVALID},
		{{0x7777, &pointer, sizeof(pointer)}, CKR_MECHANISM_PARAM_INVALID},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		owned(p11_mechanism) struct p11_mechanism copy = {0};

		assert_int_equal(p11_mechanism_check(&cases[i].m), cases[i].want);
		if (cases[i].want != CKR_OK)
			continue;
		assert_int_equal(p11_mechanism_copy(&cases[i].m, &copy, NULL), 0);
		assert_int_equal(copy.ck.mechanism, cases[i].m.mechanism);
		assert_int_equal(copy.ck.ulParameterLen, cases[i].m.ulParameterLen);
		if (copy.ck.ulParameterLen)
			assert_memory_equal(copy.ck.pParameter, cases[i].m.pParameter, copy.ck.ulParameterLen);
	}
}

static void a_mechanism_takes_keys_of_its_types(void **state)
{
	static const struct {
		CK_MECHANISM_TYPE type;
		CK_KEY_TYPE key;
		bool takes;
	} cases[] = {
		{CKM_SHA256_HMAC, CKK_GENERIC_SECRET, true}, {CKM_SHA256_HMAC, CKK_SHA256_HMAC, true},
		{CKM_SHA256_HMAC, CKK_SHA512_HMAC, false},   {CKM_SHA256_HMAC, CKK_AES, false},
		{CKM_DES3_CBC, CKK_DES2, true},		     {CKM_DES3_CBC, CKK_DES3, true},
		{CKM_DES3_CBC, CKK_DES, false},		     {CKM_AES_CBC, CKK_AES, true},
		{CKM_AES_CBC, CKK_RSA, false},		     {CKM_CONCATENATE_BASE_AND_KEY, CKK_AES, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(p11_mech_takes(p11_mech(cases[i].type), cases[i].key), cases[i].takes);
}

static CK_GCM_PARAMS gcm = {.ulTagBits = 128};
static CK_RSA_PKCS_PSS_PARAMS pss = {CKM_SHA256, CKG_MGF1_SHA256, 32};

static void what_no_token_takes_is_known_by_its_length(void **state)
{
	static const struct {
		CK_MECHANISM m;
		CK_FLAGS use;
		CK_ULONG len;
		CK_RV want;
	} cases[] = {
		{{CKM_AES_CBC_PAD, NULL, 0}, CKF_DECRYPT, 0, CKR_ENCRYPTED_DATA_LEN_RANGE},
		{{CKM_DES3_CBC_PAD, NULL, 0}, CKF_DECRYPT, 0, CKR_ENCRYPTED_DATA_LEN_RANGE},
		{{CKM_AES_CBC_PAD, NULL, 0}, CKF_ENCRYPT, 0, CKR_OK},
		{{CKM_AES_CBC, NULL, 0}, CKF_DECRYPT, 0, CKR_OK},
		{{CKM_AES_GCM, &gcm, sizeof(gcm)}, CKF_DECRYPT, 15, CKR_ENCRYPTED_DATA_LEN_RANGE},
		{{CKM_AES_GCM, &gcm, sizeof(gcm)}, CKF_DECRYPT, 16, CKR_OK},
		{{CKM_AES_GCM, &gcm, sizeof(gcm)}, CKF_ENCRYPT, 0, CKR_OK},
		{{CKM_RSA_PKCS_PSS, &pss, sizeof(pss)}, CKF_SIGN, 31, CKR_DATA_LEN_RANGE},
		{{CKM_RSA_PKCS_PSS, &pss, sizeof(pss)}, CKF_SIGN, 32, CKR_OK},
		{{CKM_RSA_PKCS_PSS, &pss, sizeof(pss)}, CKF_VERIFY, 31, CKR_OK},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(p11_mech_input_check(&cases[i].m, cases[i].use, 256, cases[i].len), cases[i].want);
}

static void the_hash_of_pss_is_one(void **state)
{
	CK_RSA_PKCS_PSS_PARAMS odd = {CKM_AES_ECB, CKG_MGF1_SHA1, 20}, unknown = {0x7777, CKG_MGF1_SHA1, 20};

	(void)state;
	assert_int_equal(p11_mechanism_check(&(CK_MECHANISM){CKM_RSA_PKCS_PSS, &odd, sizeof(odd)}),
			 CKR_MECHANISM_PARAM_INVALID);
	assert_int_equal(p11_mechanism_check(&(CK_MECHANISM){CKM_RSA_PKCS_PSS, &unknown, sizeof(unknown)}), CKR_OK);
}

static void where_tokens_differ_there_is_doubt(void **state)
{
	CK_RSA_PKCS_OAEP_PARAMS oaep = {CKM_SHA_1, CKG_MGF1_SHA1, CKZ_DATA_SPECIFIED, NULL, 0};
	const CK_MECHANISM of_oaep = {CKM_RSA_PKCS_OAEP, &oaep, sizeof(oaep)}, hmac = {CKM_SHA256_HMAC, NULL, 0};

	(void)state;
	assert_false(p11_mech_is_doubtful(&of_oaep, CK_UNAVAILABLE_INFORMATION));
	oaep.ulSourceDataLen = 1;
	assert_true(p11_mech_is_doubtful(&of_oaep, CK_UNAVAILABLE_INFORMATION));
	oaep = (CK_RSA_PKCS_OAEP_PARAMS){CKM_SHA256, CKG_MGF1_SHA256, 0, NULL, 0};
	assert_true(p11_mech_is_doubtful(&of_oaep, CK_UNAVAILABLE_INFORMATION));
	assert_true(p11_mech_is_doubtful(&hmac, 31));
	assert_false(p11_mech_is_doubtful(&hmac, 32));
	assert_false(p11_mech_is_doubtful(&hmac, CK_UNAVAILABLE_INFORMATION));
	assert_false(p11_mech_is_doubtful(&(CK_MECHANISM){CKM_AES_ECB, NULL, 0}, 16));
}

static void a_dsa_signature_is_twice_its_order(void **state)
{
	(void)state;
	assert_int_equal(p11_mech_output_len(&(CK_MECHANISM){CKM_DSA_SHA1, NULL, 0}, CKF_SIGN, 0, 28, 5), 56);
	assert_int_equal(p11_mech_output_len(&(CK_MECHANISM){CKM_DSA, NULL, 0}, CKF_SIGN, 0, 0, 5),
			 CK_UNAVAILABLE_INFORMATION);
}

static void raw_rsa_takes_what_fits_its_modulus(void **state)
{
	static const struct {
		CK_MECHANISM_TYPE type;
		CK_FLAGS use;
		CK_ULONG len;
		CK_RV want;
	} cases[] = {
		{CKM_RSA_X_509, CKF_SIGN, 128, CKR_OK},
		{CKM_RSA_X_509, CKF_SIGN, 129, CKR_DATA_LEN_RANGE},
		{CKM_RSA_X_509, CKF_VERIFY, 129, CKR_DATA_LEN_RANGE},
		{CKM_RSA_X_509, CKF_ENCRYPT, 129, CKR_DATA_LEN_RANGE},
		{CKM_RSA_X_509, CKF_DECRYPT, 127, CKR_ENCRYPTED_DATA_LEN_RANGE},
		{CKM_RSA_X_509, CKF_DECRYPT, 128, CKR_OK},
		{CKM_RSA_PKCS, CKF_SIGN, 117, CKR_OK},
		{CKM_RSA_PKCS, CKF_SIGN, 118, CKR_DATA_LEN_RANGE},
		{CKM_RSA_PKCS, CKF_SIGN, (CK_ULONG)-1, CKR_DATA_LEN_RANGE},
		{CKM_RSA_PKCS, CKF_DECRYPT, 129, CKR_ENCRYPTED_DATA_LEN_RANGE},
		{CKM_RSA_PKCS_OAEP, CKF_DECRYPT, 1, CKR_ENCRYPTED_DATA_LEN_RANGE},
		{CKM_SHA256_RSA_PKCS, CKF_SIGN, 100000, CKR_OK},
		{CKM_AES_CBC_PAD, CKF_DECRYPT, 1, CKR_OK},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(p11_mech_input_check(&(CK_MECHANISM){cases[i].type, NULL, 0}, cases[i].use, 128,
						      cases[i].len), cases[i].want);
	assert_int_equal(p11_mech_input_check(&(CK_MECHANISM){CKM_RSA_X_509, NULL, 0}, CKF_SIGN, 0, 4096), CKR_OK);
}

/* ---- a library that lies ---- */

static CK_RV claim;
static CK_ULONG claimed;

static CK_RV lie_sign(CK_SESSION_HANDLE s, CK_BYTE_PTR in, CK_ULONG len, CK_BYTE_PTR out, CK_ULONG_PTR out_len)
{
	(void)s, (void)in, (void)len, (void)out;
	*out_len = claimed;
	return claim;
}

static CK_RV lie_list(CK_SLOT_ID slot, CK_MECHANISM_TYPE_PTR list, CK_ULONG_PTR count)
{
	(void)slot, (void)list;
	*count = claimed;
	return claim;
}

static CK_RV lie_find(CK_SESSION_HANDLE s, CK_OBJECT_HANDLE_PTR list, CK_ULONG room, CK_ULONG_PTR count)
{
	(void)s, (void)list, (void)room;
	*count = claimed;
	return claim;
}

static CK_RV lie_get(CK_SESSION_HANDLE s, CK_OBJECT_HANDLE o, CK_ATTRIBUTE_PTR values, CK_ULONG count)
{
	(void)s, (void)o;
	for (CK_ULONG i = 0; i < count; i++)
		values[i].ulValueLen = claimed;
	return claim;
}

static CK_FUNCTION_LIST liar = {
	.C_Sign = lie_sign, .C_GetMechanismList = lie_list, .C_FindObjects = lie_find, .C_GetAttributeValue = lie_get,
};

static void a_library_that_claims_more_than_the_room_is_not_believed(void **state)
{
	static const struct {
		enum p11_fn fn;
		CK_RV says;
		CK_ULONG len;
		CK_RV want;
	} cases[] = {
		{P11_C_Sign, CKR_OK, 64, CKR_OK},
		{P11_C_Sign, CKR_OK, 65, CKR_DEVICE_ERROR},
		{P11_C_Sign, CKR_BUFFER_TOO_SMALL, 65, CKR_BUFFER_TOO_SMALL},
		{P11_C_GetMechanismList, CKR_OK, 9, CKR_DEVICE_ERROR},
		{P11_C_FindObjects, CKR_OK, 8, CKR_OK},
		{P11_C_FindObjects, CKR_OK, 9, CKR_DEVICE_ERROR},
		{P11_C_GetAttributeValue, CKR_OK, 32, CKR_OK},
		{P11_C_GetAttributeValue, CKR_OK, 33, CKR_DEVICE_ERROR},
		{P11_C_GetAttributeValue, CKR_ATTRIBUTE_SENSITIVE, 33, CKR_DEVICE_ERROR},
		{P11_C_GetAttributeValue, CKR_ATTRIBUTE_SENSITIVE, CK_UNAVAILABLE_INFORMATION, CKR_ATTRIBUTE_SENSITIVE},
		{P11_C_GetAttributeValue, CKR_BUFFER_TOO_SMALL, 33, CKR_BUFFER_TOO_SMALL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct stage stage;
		struct p11_call call = make(cases[i].fn, &stage);

		if (cases[i].fn == P11_C_GetAttributeValue)
			call.args[2].number = 3;
		claim = cases[i].says;
		claimed = cases[i].len;
		assert_int_equal(p11_execute(&liar, 0, &call), cases[i].want);
	}
}

/* ---- templates, read from a library ---- */

/* One that has a template with one value, in the lengths that it claims at each step. */
static CK_ULONG array_len, inner_len[2];
static int step;

static CK_RV lie_template(CK_SESSION_HANDLE s, CK_OBJECT_HANDLE o, CK_ATTRIBUTE_PTR values, CK_ULONG count)
{
	CK_ATTRIBUTE *inner = values->pValue;

	(void)s, (void)o;
	assert_int_equal(values->type, CKA_WRAP_TEMPLATE);
	values->ulValueLen = array_len;
	for (CK_ULONG i = 1; i < count; i++)
		values[i].ulValueLen = CK_UNAVAILABLE_INFORMATION;
	if (!inner)
		return count > 1 ? CKR_ATTRIBUTE_TYPE_INVALID : CKR_OK;
	inner->type = CKA_LABEL;
	if (inner->pValue)
		memset(inner->pValue, 'x', inner_len[0]);
	inner->ulValueLen = inner_len[step];
	step = 1;
	return CKR_OK;
}

static void a_template_is_read_in_steps_into_one_block(void **state)
{
	enum { ONE = sizeof(CK_ATTRIBUTE) };
	static const struct {
		CK_ULONG array, inner[2], room;
		CK_RV want;
		CK_ULONG len;
	} cases[] = {
		{ONE, {3, 3}, 2 * ONE, CKR_OK, ONE},
		{ONE, {3, 3}, ONE + 8, CKR_OK, ONE},
		{ONE, {3, 3}, ONE + 7, CKR_BUFFER_TOO_SMALL, ONE + 8},
		{ONE, {3, 3}, 0, CKR_OK, ONE + 8},
		{ONE, {3, 4}, 2 * ONE, CKR_DEVICE_ERROR, CK_UNAVAILABLE_INFORMATION},
		{0, {3, 3}, 2 * ONE, CKR_OK, 0},
		{ONE - 1, {3, 3}, 2 * ONE, CKR_DEVICE_ERROR, CK_UNAVAILABLE_INFORMATION},
		{1000 * ONE, {3, 3}, 2 * ONE, CKR_DEVICE_ERROR, CK_UNAVAILABLE_INFORMATION},
		{ONE, {CK_UNAVAILABLE_INFORMATION, 3}, 2 * ONE, CKR_OK, CK_UNAVAILABLE_INFORMATION},
	};

	(void)state;
	liar.C_GetAttributeValue = lie_template;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CK_ATTRIBUTE block[2], values[] = {{CKA_WRAP_TEMPLATE, cases[i].room ? block : NULL, cases[i].room},
						   {CKA_DERIVE_TEMPLATE, block, sizeof(block)}};
		struct p11_call call = p11_C_GetAttributeValue(1, 1, values, 2);

		array_len = cases[i].array;
		memcpy(inner_len, cases[i].inner, sizeof(inner_len));
		step = 0;
		/* What the library does not have fails nothing. */
		assert_int_equal(p11_execute(&liar, 0, &call), cases[i].want);
		assert_true(values[0].ulValueLen == cases[i].len);
		assert_true(call.rv == CKR_DEVICE_ERROR || values[1].ulValueLen == CK_UNAVAILABLE_INFORMATION);
		if (cases[i].room && cases[i].len == ONE)
			assert_memory_equal(block[0].pValue, "xxx", 3);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_arguments_pass),
		cmocka_unit_test(whatever_points_nowhere_is_the_callers_fault),
		cmocka_unit_test(a_length_alone_may_be_asked_for),
		cmocka_unit_test(a_lease_has_a_name_and_an_end),
		cmocka_unit_test(no_library_has_the_calls_of_our_own),
		cmocka_unit_test(no_library_of_before_has_messages),
		cmocka_unit_test(a_message_parameter_is_one_of_its_mechanism),
		cmocka_unit_test(values_have_the_length_of_their_type),
		cmocka_unit_test(templates_as_values_are_looked_at_inside),
		cmocka_unit_test(a_mechanism_without_its_parameter_is_refused),
		cmocka_unit_test(a_mechanism_that_nobody_knows_has_plain_bytes),
		cmocka_unit_test(a_mechanism_takes_keys_of_its_types),
		cmocka_unit_test(what_no_token_takes_is_known_by_its_length),
		cmocka_unit_test(the_hash_of_pss_is_one),
		cmocka_unit_test(where_tokens_differ_there_is_doubt),
		cmocka_unit_test(a_dsa_signature_is_twice_its_order),
		cmocka_unit_test(raw_rsa_takes_what_fits_its_modulus),
		cmocka_unit_test(a_library_that_claims_more_than_the_room_is_not_believed),
		cmocka_unit_test(a_template_is_read_in_steps_into_one_block),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
