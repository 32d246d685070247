/* SPDX-License-Identifier: Apache-2.0 */
#include "../base/temp.h"

#include "base/str.h"
#include "p11/uri.h"

static void attributes_are_decoded(void **state)
{
	owned(p11_uri) struct p11_uri uri = {0};

	(void)state;
	assert_int_equal(p11_uri_parse("pkcs11:token=The%20Token;serial=0a1B;manufacturer=SoftHSM%20project;model=v2;"
				       "object=log%3bin;id=%00%ffA;type=private"
				       "?module-path=/usr/lib/a%26b.so&pin-source=file:/etc/pin%3fx",
				       &uri, NULL), 0);
	assert_string_equal(uri.token, "The Token");
	assert_string_equal(uri.serial, "0a1B");
	assert_string_equal(uri.manufacturer, "SoftHSM project");
	assert_string_equal(uri.model, "v2");
	assert_string_equal(uri.object, "log;in");
	assert_int_equal(uri.id_len, 3);
	assert_memory_equal(uri.id, "\0\xff" "A", 3);
	assert_string_equal(uri.type, "private");
	assert_string_equal(uri.module_path, "/usr/lib/a&b.so");
	assert_null(uri.module_name);
	assert_string_equal(uri.pin_source, "file:/etc/pin?x");
}

static void little_is_enough(void **state)
{
	static const char *const good[] = {"pkcs11:", "pkcs11:?", "pkcs11:?module-name=softhsm2", "pkcs11:token=a",
					   "pkcs11:token=a?", "pkcs11:object=a/b:c@d", "pkcs11:slot-id=17", NULL};

	(void)state;
	for (int i = 0; good[i]; i++) {
		owned(p11_uri) struct p11_uri uri = {0};

		assert_int_equal(p11_uri_parse(good[i], &uri, NULL), 0);
		assert_true(!uri.token || str_eq(uri.token, "a"));
	}
}

/* Each refusal names the attribute, or what is wrong with the whole. */
static void what_is_wrong_is_named(void **state)
{
	static const struct {
		const char *uri, *named;
		int code;
	} cases[] = {
		{"", "pkcs11:", ERR_INVALID},
		{"PKCS11:token=a", "pkcs11:", ERR_INVALID},
		{"/etc/cert.pem", "pkcs11:", ERR_INVALID},
		{"pkcs11:token", "'token'", ERR_INVALID},
		{"pkcs11:token=", "'token'", ERR_INVALID},
		{"pkcs11:token=a;token=a", "'token'", ERR_INVALID},
		{"pkcs11:token=%", "'token'", ERR_INVALID},
		{"pkcs11:token=%4", "'token'", ERR_INVALID},
		{"pkcs11:token=%4g", "'token'", ERR_INVALID},
		{"pkcs11:token=a%00b", "'token'", ERR_INVALID},
		{"pkcs11:token=a b", "'token'", ERR_INVALID},
		{"pkcs11:object=a\nb", "'object'", ERR_INVALID},
		{"pkcs11:;token=a", "''", ERR_INVALID},
		{"pkcs11:tokn=a", "'tokn'", ERR_INVALID},
		{"pkcs11:Token=a", "'Token'", ERR_INVALID},
		{"pkcs11:slot-id=one", "'slot-id'", ERR_INVALID},
		{"pkcs11:slot-description=a", "'slot-description'", ERR_UNSUPPORTED},
		{"pkcs11:library-version=3", "'library-version'", ERR_UNSUPPORTED},
		{"pkcs11:type=key", "'type'", ERR_INVALID},
		{"pkcs11:module-path=/a", "'module-path'", ERR_INVALID},
		{"pkcs11:?token=a", "'token'", ERR_INVALID},
		{"pkcs11:?module-path=a.so", "'module-path'", ERR_INVALID},
		{"pkcs11:?module-name=../a", "'module-name'", ERR_INVALID},
		{"pkcs11:?module-path=/a&module-name=b", "'module-name'", ERR_INVALID},
		{"pkcs11:token=a?pin-value=87654321", "'pin-value'", ERR_INVALID},
		{"pkcs11:pin-value=87654321", "'pin-value'", ERR_INVALID},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct p11_uri uri = {0};
		struct err err = {0};

		assert_int_equal(p11_uri_parse(cases[i].uri, &uri, &err), -cases[i].code);
		assert_int_equal(err.code, cases[i].code);
		if (!strstr(err.message, cases[i].named))
			fail_msg("'%s': %s", cases[i].uri, err.message);
		assert_null(strstr(err.message, "8765"));
		assert_null(strstr(err.hint, "8765"));
		assert_null(uri.token);
	}
}

/* Each attribute is compared with its own field, without what fills that up. */
static void a_token_is_known_by_what_is_said_of_it(void **state)
{
	static const struct {
		const char *uri;
		bool named;
	} cases[] = {
		{"pkcs11:", true},
		{"pkcs11:object=a;type=private", true},
		{"pkcs11:token=The%20Token", true},
		{"pkcs11:token=The", false},
		{"pkcs11:token=The%20Token%20", false},
		{"pkcs11:manufacturer=Maker", true},
		{"pkcs11:manufacturer=v2", false},
		{"pkcs11:model=v2", true},
		{"pkcs11:model=v", false},
		{"pkcs11:serial=0a1b", true},
		{"pkcs11:serial=0A1B", false},
		{"pkcs11:slot-id=7", true},
		{"pkcs11:slot-id=8", false},
		{"pkcs11:token=The%20Token;manufacturer=Maker;model=v2;serial=0a1b;slot-id=7", true},
		{"pkcs11:token=The%20Token;manufacturer=Maker;model=v2;serial=0a1c;slot-id=7", false},
	};
	CK_TOKEN_INFO info;

	(void)state;
	memset(&info, ' ', sizeof(info));
	memcpy(info.label, "The Token", 9);
	memcpy(info.manufacturerID, "Maker", 5);
	memcpy(info.model, "v2", 2);
	memset(info.serialNumber, 0, sizeof(info.serialNumber));
	memcpy(info.serialNumber, "0a1b", 4);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		owned(p11_uri) struct p11_uri uri = {0};

		assert_int_equal(p11_uri_parse(cases[i].uri, &uri, NULL), 0);
		if (p11_uri_names(&uri, 7, &info) != cases[i].named)
			fail_msg("'%s'", cases[i].uri);
	}
}

static void a_slip_of_the_pen_is_corrected(void **state)
{
	struct p11_uri uri = {0};
	struct err err = {0};

	(void)state;
	assert_int_equal(p11_uri_parse("pkcs11:?pin-sorce=file:x", &uri, &err), -ERR_INVALID);
	assert_non_null(strstr(err.hint, "'pin-source'"));
}

/* Any bytes: an error or a URI, never more. */
static void noise(void **state)
{
	static const char alphabet[] = "pkcs11:token=;?&%0aF\x01\xffid=object-";
	uint32_t seed = 12345;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		owned(p11_uri) struct p11_uri uri = {0};
		char text[64] = "pkcs11:";
		size_t len = 7;

		for (seed = seed * 1103515245 + 12345; len < 7 + seed / 65536 % 50; seed = seed * 1103515245 + 12345)
			text[len++] = alphabet[seed / 65536 % (sizeof(alphabet) - 1)];
		text[len] = 0;
		if (p11_uri_parse(text, &uri, NULL) < 0)
			assert_null(uri.token);
	}
}

static int once(void)
{
	owned(p11_uri) struct p11_uri uri = {0};

	return p11_uri_parse("pkcs11:token=a;id=%01?module-path=/b", &uri, NULL);
}

static void memory_runs_out(void **state)
{
	(void)state;
	assert_survives_no_memory(once());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(attributes_are_decoded),
		cmocka_unit_test(little_is_enough),
		cmocka_unit_test(what_is_wrong_is_named),
		cmocka_unit_test(a_token_is_known_by_what_is_said_of_it),
		cmocka_unit_test(a_slip_of_the_pen_is_corrected),
		cmocka_unit_test(noise),
		cmocka_unit_test(memory_runs_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
