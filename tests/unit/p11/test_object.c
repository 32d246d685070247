/* SPDX-License-Identifier: Apache-2.0 */
/* What objects have, show and let be set, held against the tables and sentences of PKCS#11 v3.0 section 4. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "p11/object.h"
#include "p11/rv.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))
#define NONE CK_UNAVAILABLE_INFORMATION

/* ---- the standard's tables, attributes with their footnotes ---- */

static const char common[] = "CLASS 1";
/* Those that may change in a copy have a c (section 4.1.3), and the label may be changed (section 4.4). */
static const char storage[] = "TOKEN c; PRIVATE 9,c; MODIFIABLE c; LABEL 8; COPYABLE 12,c; DESTROYABLE c; UNIQUE_ID 2,4,6";
static const char data[] = "APPLICATION; OBJECT_ID; VALUE";
static const char certificate[] = "CERTIFICATE_TYPE 1; TRUSTED 10; CERTIFICATE_CATEGORY; CHECK_VALUE; START_DATE; END_DATE;"
				  "PUBLIC_KEY_INFO";
static const char x509[] = "SUBJECT 1; ID 8; ISSUER 8; SERIAL_NUMBER 8; VALUE 1; URL; HASH_OF_SUBJECT_PUBLIC_KEY;"
			   "HASH_OF_ISSUER_PUBLIC_KEY; JAVA_MIDP_SECURITY_DOMAIN; NAME_HASH_ALGORITHM";
static const char wtls[] = "SUBJECT 1; ISSUER 8; VALUE 1; URL; HASH_OF_SUBJECT_PUBLIC_KEY; HASH_OF_ISSUER_PUBLIC_KEY;"
			   "NAME_HASH_ALGORITHM";
static const char x509_attr[] = "OWNER 1; AC_ISSUER 8; SERIAL_NUMBER 8; ATTR_TYPES 8; VALUE 1";
static const char key[] = "KEY_TYPE 1,5; ID 8; START_DATE 8; END_DATE 8; DERIVE 8; LOCAL 2,4,6; KEY_GEN_MECHANISM 2,4,6;"
			  "ALLOWED_MECHANISMS";
static const char public[] = "SUBJECT 8; ENCRYPT 8,9; VERIFY 8,9; VERIFY_RECOVER 8,9; WRAP 8,9; TRUSTED 10; WRAP_TEMPLATE;"
			     "PUBLIC_KEY_INFO";
/* WRAP_WITH_TRUSTED has no 8 there, but what can become true can be changed; PUBLIC_KEY_INFO has one, and nobody here
 * could check a new value. DERIVE_TEMPLATE is in v3.0's headers alone. */
static const char private[] = "SUBJECT 8; SENSITIVE 8,9,11; DECRYPT 8,9; SIGN 8,9; SIGN_RECOVER 8,9; UNWRAP 8,9;"
			      "EXTRACTABLE 8,9,12; ALWAYS_SENSITIVE 2,4,6; NEVER_EXTRACTABLE 2,4,6; WRAP_WITH_TRUSTED 8,11;"
			      "UNWRAP_TEMPLATE; ALWAYS_AUTHENTICATE; PUBLIC_KEY_INFO; DERIVE_TEMPLATE";
static const char secret[] = "SENSITIVE 8,11; ENCRYPT 8,9; DECRYPT 8,9; SIGN 8,9; VERIFY 8,9; WRAP 8,9; UNWRAP 8,9;"
			     "EXTRACTABLE 8,9,12; ALWAYS_SENSITIVE 2,4,6; NEVER_EXTRACTABLE 2,4,6; CHECK_VALUE;"
			     "WRAP_WITH_TRUSTED 8,11; TRUSTED 10; WRAP_TEMPLATE; UNWRAP_TEMPLATE; DERIVE_TEMPLATE";
static const char domain[] = "KEY_TYPE 1; LOCAL 2,4";
static const char rsa_public[] = "MODULUS 1,4; MODULUS_BITS 2,3; PUBLIC_EXPONENT 1";
static const char rsa_private[] = "MODULUS 1,4,6; PUBLIC_EXPONENT 1,4,6; PRIVATE_EXPONENT 1,4,6,7; PRIME_1 4,6,7; PRIME_2 4,6,7;"
				  "EXPONENT_1 4,6,7; EXPONENT_2 4,6,7; COEFFICIENT 4,6,7";
static const char ec_public[] = "EC_PARAMS 1,3; EC_POINT 1,4", ec_private[] = "EC_PARAMS 1,4,6; VALUE 1,4,6,7";
static const char dsa_public[] = "PRIME 1,3; SUBPRIME 1,3; BASE 1,3; VALUE 1,4";
static const char dsa_private[] = "PRIME 1,4,6; SUBPRIME 1,4,6; BASE 1,4,6; VALUE 1,4,6,7";
static const char dsa_domain[] = "PRIME 1,4; SUBPRIME 1,4; BASE 1,4; PRIME_BITS 2,3; SUBPRIME_BITS 2";
static const char dh_public[] = "PRIME 1,3; BASE 1,3; VALUE 1,4";
static const char dh_private[] = "PRIME 1,4,6; BASE 1,4,6; VALUE 1,4,6,7; VALUE_BITS 2,6";
static const char dh_domain[] = "PRIME 1,4; BASE 1,4; PRIME_BITS 2,3";
static const char x942_domain[] = "PRIME 1,4; BASE 1,4; SUBPRIME 1,4; PRIME_BITS 2,3; SUBPRIME_BITS 2,3";
static const char generic[] = "VALUE 1,4,6,7; VALUE_LEN 2,3", aes[] = "VALUE 1,4,6,7; VALUE_LEN 2,3,6", des3[] = "VALUE 1,4,6,7";

static const struct {
	struct p11_object object;
	const char *tables[5];
} kinds[] = {
	{{CKO_DATA, NONE}, {common, storage, data}},
	{{CKO_CERTIFICATE, CKC_X_509}, {common, storage, certificate, x509}},
	{{CKO_CERTIFICATE, CKC_WTLS}, {common, storage, certificate, wtls}},
	{{CKO_CERTIFICATE, CKC_X_509_ATTR_CERT}, {common, storage, certificate, x509_attr}},
	{{CKO_PUBLIC_KEY, CKK_RSA}, {common, storage, key, public, rsa_public}},
	{{CKO_PUBLIC_KEY, CKK_EC}, {common, storage, key, public, ec_public}},
	{{CKO_PUBLIC_KEY, CKK_EC_EDWARDS}, {common, storage, key, public, ec_public}},
	{{CKO_PUBLIC_KEY, CKK_EC_MONTGOMERY}, {common, storage, key, public, ec_public}},
	{{CKO_PUBLIC_KEY, CKK_DSA}, {common, storage, key, public, dsa_public}},
	{{CKO_PUBLIC_KEY, CKK_DH}, {common, storage, key, public, dh_public}},
	{{CKO_PUBLIC_KEY, CKK_X9_42_DH}, {common, storage, key, public, dsa_public}},
	{{CKO_PRIVATE_KEY, CKK_RSA}, {common, storage, key, private, rsa_private}},
	{{CKO_PRIVATE_KEY, CKK_EC}, {common, storage, key, private, ec_private}},
	{{CKO_PRIVATE_KEY, CKK_EC_EDWARDS}, {common, storage, key, private, ec_private}},
	{{CKO_PRIVATE_KEY, CKK_EC_MONTGOMERY}, {common, storage, key, private, ec_private}},
	{{CKO_PRIVATE_KEY, CKK_DSA}, {common, storage, key, private, dsa_private}},
	{{CKO_PRIVATE_KEY, CKK_DH}, {common, storage, key, private, dh_private}},
	{{CKO_PRIVATE_KEY, CKK_X9_42_DH}, {common, storage, key, private, dsa_private}},
	{{CKO_SECRET_KEY, CKK_GENERIC_SECRET}, {common, storage, key, secret, generic}},
	{{CKO_SECRET_KEY, CKK_SHA256_HMAC}, {common, storage, key, secret, generic}},
	{{CKO_SECRET_KEY, CKK_AES}, {common, storage, key, secret, aes}},
	{{CKO_SECRET_KEY, CKK_DES3}, {common, storage, key, secret, des3}},
	{{CKO_DOMAIN_PARAMETERS, CKK_DSA}, {common, storage, domain, dsa_domain}},
	{{CKO_DOMAIN_PARAMETERS, CKK_DH}, {common, storage, domain, dh_domain}},
	{{CKO_DOMAIN_PARAMETERS, CKK_X9_42_DH}, {common, storage, domain, x942_domain}},
};

/* "2,4,6" as bits. */
static unsigned notes_of(const char *text)
{
	unsigned notes = 0;

	for (; *text && *text != ';'; text++) {
		int number = 0, used = 0;

		if (*text == 'c')
			notes |= P11_COPIES;
		else if (sscanf(text, "%2d%n", &number, &used) == 1) {
			notes |= 1u << number;
			text += used - 1;
		}
	}
	return notes;
}

/* What a table says of an attribute; false = it does not have it. */
static bool look_up(const char *table, const char *name, unsigned *ret)
{
	size_t len = strlen(name);

	for (const char *at = table; at; at = strchr(at, ';')) {
		at += strspn(at, "; ");
		if (strncmp(at, name, len) == 0 && strchr(" ;", at[len])) {
			*ret = notes_of(at + len);
			return true;
		}
	}
	return false;
}

static void every_object_has_what_the_standard_says(void **state)
{
	size_t there = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(kinds); i++)
		for (const struct p11_attr_info *info = p11_attr_table; info->name; info++) {
			const struct p11_attr_place *place = p11_object_place(kinds[i].object, info);
			unsigned notes = 0;
			bool has = false;

			for (size_t t = 0; t < COUNT(kinds[i].tables) && kinds[i].tables[t]; t++)
				has = has || look_up(kinds[i].tables[t], info->name + 4, &notes);
			if (has != (place != NULL) || (place && place->notes != notes))
				fail_msg("%s of %s %lx", info->name, p11_class_name(kinds[i].object.class),
					 kinds[i].object.type);
			there += has;
		}
	assert_true(there > 600);
}

static void a_row_does_not_contradict_itself(void **state)
{
	(void)state;
	for (const struct p11_attr_info *info = p11_attr_table; info->name; info++) {
		bool flag = info->kind == P11_ATTR_BOOL;

		assert_ptr_equal(p11_attr_info(info->type), info);
		assert_true(flag || (!info->use && info->begins != P11_TRUE && info->begins != P11_FALSE));
		assert_true(flag || (info->replica != P11_HELD_TRUE && info->replica != P11_HELD_FALSE));
		assert_true(info->begins != P11_ZERO || info->kind == P11_ATTR_ULONG);
		for (size_t i = 0; info->places[i].on; i++) {
			const struct p11_attr_place *place = &info->places[i];

			assert_true(i + 1 < COUNT(info->places));
			for (unsigned needed = P11_NEEDED_TO_CREATE; needed <= P11_NEEDED_TO_UNWRAP; needed <<= 2)
				assert_false((place->notes & needed) && (place->notes & needed << 1));
			assert_true(flag || !(place->notes & (P11_OFFICERS | P11_STAYS_TRUE | P11_STAYS_FALSE)));
			for (size_t j = 0; j < i; j++)
				assert_false((place->on & info->places[j].on) && (place->types & info->places[j].types));
		}
	}
}

/* ---- reading ---- */

static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
static CK_OBJECT_CLASS secret_class = CKO_SECRET_KEY, private_class = CKO_PRIVATE_KEY, public_class = CKO_PUBLIC_KEY,
		       data_class = CKO_DATA, certificate_class = CKO_CERTIFICATE, feature_class = CKO_HW_FEATURE;
static CK_KEY_TYPE aes_type = CKK_AES, rsa_type = CKK_RSA, ec_type = CKK_EC, generic_type = CKK_GENERIC_SECRET,
		   their_type = CKK_VENDOR_DEFINED | 1;
static CK_CERTIFICATE_TYPE x509_type = CKC_X_509;
static CK_ULONG len16 = 16, bits = 2048;
static CK_BYTE bytes[16] = {1, 2, 3};
static CK_MECHANISM_TYPE ecb[] = {CKM_AES_ECB};

#define NUM(type, variable) {type, &(variable), sizeof(variable)}
#define BYTES(type, len) {type, bytes, len}
#define TYPED(class, type) NUM(CKA_CLASS, class), NUM(CKA_KEY_TYPE, type)
enum { ITEMS = 8 };

/* The first attributes of a list that ends with one without a value. */
static CK_ULONG count_of(const CK_ATTRIBUTE *items)
{
	CK_ULONG n = 0;

	while (n < ITEMS && (items[n].type || items[n].pValue))
		n++;
	return n;
}

static struct p11_attrs list_of(const CK_ATTRIBUTE *items)
{
	return (struct p11_attrs){(CK_ATTRIBUTE *)items, count_of(items), 0};
}

static void what_is_read_is_a_value_a_default_a_secret_or_nothing(void **state)
{
	static const struct {
		CK_ATTRIBUTE object[ITEMS];
		CK_ATTRIBUTE_TYPE type;
		CK_RV want;
		CK_ULONG len;
	} cases[] = {
		{{TYPED(secret_class, aes_type), BYTES(CKA_LABEL, 3)}, CKA_LABEL, CKR_OK, 3},
		{{TYPED(secret_class, aes_type)}, CKA_LABEL, CKR_OK, 0},
		{{TYPED(secret_class, aes_type)}, CKA_PUBLIC_KEY_INFO, CKR_ATTRIBUTE_TYPE_INVALID, NONE},
		{{TYPED(public_class, ec_type)}, CKA_PUBLIC_KEY_INFO, CKR_OK, 0},
		{{TYPED(secret_class, aes_type)}, CKA_WRAP_WITH_TRUSTED, CKR_OK, 1},
		{{TYPED(secret_class, aes_type)}, CKA_ALLOWED_MECHANISMS, CKR_OK, 0},
		{{TYPED(secret_class, aes_type)}, CKA_END_DATE, CKR_OK, 0},
		{{TYPED(secret_class, aes_type)}, CKA_ENCRYPT, CKR_ATTRIBUTE_TYPE_INVALID, NONE},
		{{TYPED(secret_class, aes_type)}, CKA_UNIQUE_ID, CKR_ATTRIBUTE_TYPE_INVALID, NONE},
		/* What an AES key and a public key do not have is no secret of theirs. */
		{{TYPED(secret_class, aes_type)}, CKA_PRIME_1, CKR_ATTRIBUTE_TYPE_INVALID, NONE},
		{{TYPED(public_class, ec_type)}, CKA_VALUE, CKR_ATTRIBUTE_TYPE_INVALID, NONE},
		{{TYPED(public_class, rsa_type)}, CKA_PRIVATE_EXPONENT, CKR_ATTRIBUTE_TYPE_INVALID, NONE},
		{{TYPED(private_class, rsa_type)}, CKA_VALUE, CKR_ATTRIBUTE_TYPE_INVALID, NONE},
		{{TYPED(private_class, rsa_type)}, CKA_PRIME_1, CKR_ATTRIBUTE_SENSITIVE, NONE},
		{{TYPED(private_class, ec_type)}, CKA_VALUE, CKR_ATTRIBUTE_SENSITIVE, NONE},
		{{TYPED(secret_class, aes_type)}, CKA_VALUE, CKR_ATTRIBUTE_SENSITIVE, NONE},
		{{TYPED(secret_class, aes_type), NUM(CKA_SENSITIVE, no), NUM(CKA_EXTRACTABLE, yes), BYTES(CKA_VALUE, 16)},
		 CKA_VALUE, CKR_OK, 16},
		{{TYPED(secret_class, aes_type), NUM(CKA_SENSITIVE, yes), NUM(CKA_EXTRACTABLE, yes), BYTES(CKA_VALUE, 16)},
		 CKA_VALUE, CKR_ATTRIBUTE_SENSITIVE, NONE},
		{{TYPED(secret_class, aes_type), NUM(CKA_SENSITIVE, no), NUM(CKA_EXTRACTABLE, no), BYTES(CKA_VALUE, 16)},
		 CKA_VALUE, CKR_ATTRIBUTE_SENSITIVE, NONE},
		{{TYPED(secret_class, aes_type), BYTES(CKA_VALUE, 16)}, CKA_VALUE, CKR_ATTRIBUTE_SENSITIVE, NONE},
		{{NUM(CKA_CLASS, data_class)}, CKA_VALUE, CKR_OK, 0},
		{{NUM(CKA_CLASS, data_class)}, CKA_ID, CKR_ATTRIBUTE_TYPE_INVALID, NONE},
		{{NUM(CKA_CLASS, certificate_class), NUM(CKA_CERTIFICATE_TYPE, x509_type)}, CKA_CERTIFICATE_CATEGORY, CKR_OK,
		 sizeof(CK_ULONG)},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct p11_attrs object = list_of(cases[i].object);
		CK_BYTE room[64];
		CK_ATTRIBUTE length = {cases[i].type, NULL, 77}, value = {cases[i].type, room, sizeof(room)};

		if (p11_object_read(&object, &length) != cases[i].want || length.ulValueLen != cases[i].len)
			fail_msg("case %zu: length %ld", i, (long)length.ulValueLen);
		assert_int_equal(p11_object_read(&object, &value), cases[i].want);
		assert_true(value.ulValueLen == cases[i].len);
		if (cases[i].want != CKR_OK || !cases[i].len)
			continue;
		value.ulValueLen = cases[i].len - 1;
		assert_int_equal(p11_object_read(&object, &value), CKR_BUFFER_TOO_SMALL);
		assert_true(value.ulValueLen == NONE);
	}
}

/* ---- setting and using ---- */

/* What is searched for is compared with what is shown. */
static void what_is_shown_is_a_value_a_default_or_known_to_a_token_alone(void **state)
{
	owned(p11_attrs) struct p11_attrs attrs = {0};
	CK_BYTE value[] = {1, 2}, two = 2, k = 'k', l = 'l';

	(void)state;
	p11_attrs_set_ulong(&attrs, CKA_CLASS, CKO_SECRET_KEY, NULL);
	p11_attrs_set_ulong(&attrs, CKA_KEY_TYPE, CKK_AES, NULL);
	p11_attrs_set(&attrs, CKA_LABEL, "k", 1, NULL);
	/* Whatever is not false is true, and kept so. */
	p11_attrs_set(&attrs, CKA_SIGN, &two, 1, NULL);
	assert_int_equal(*(const CK_BBOOL *)p11_attrs_find(&attrs, CKA_SIGN)->pValue, CK_TRUE);
	assert_int_equal(p11_object_shows(&attrs, &(CK_ATTRIBUTE){CKA_SIGN, &yes, 1}), CKR_OK);
	assert_int_equal(p11_object_shows(&attrs, &(CK_ATTRIBUTE){CKA_SIGN, &two, 1}), CKR_OK);
	assert_int_equal(p11_object_shows(&attrs, &(CK_ATTRIBUTE){CKA_SIGN, &no, 1}), CKR_CANCEL);
	assert_int_equal(p11_object_shows(&attrs, &(CK_ATTRIBUTE){CKA_LABEL, &k, 1}), CKR_OK);
	assert_int_equal(p11_object_shows(&attrs, &(CK_ATTRIBUTE){CKA_LABEL, &l, 1}), CKR_CANCEL);
	assert_int_equal(p11_object_shows(&attrs, &(CK_ATTRIBUTE){CKA_START_DATE, NULL, 0}), CKR_OK);
	assert_int_equal(p11_object_shows(&attrs, &(CK_ATTRIBUTE){CKA_DERIVE, &no, 1}), CKR_OK);
	assert_int_equal(p11_object_shows(&attrs, &(CK_ATTRIBUTE){CKA_DERIVE, &yes, 1}), CKR_CANCEL);
	assert_int_equal(p11_object_shows(&attrs, &(CK_ATTRIBUTE){CKA_MODULUS, value, 2}), CKR_CANCEL);
	assert_int_equal(p11_object_shows(&attrs, &(CK_ATTRIBUTE){CKA_VALUE, value, 2}), CKR_ATTRIBUTE_SENSITIVE);
}

static void of_what_no_token_sees_all_is_in_the_standard(void **state)
{
	static const struct p11_object cert = {CKO_CERTIFICATE, CKC_X_509}, vendors = {CKO_VENDOR_DEFINED | 1, NONE};
	CK_BYTE byte = 1;
	const CK_ATTRIBUTE good = {CKA_LABEL, &byte, 1}, vendor = {CKA_VENDOR_DEFINED | 1, &byte, 1};
	const CK_ATTRIBUTE wrong = {CKA_SIGN, &byte, 1};

	(void)state;
	assert_int_equal(p11_object_check_known(cert, &good, 1), CKR_OK);
	assert_int_equal(p11_object_check_known(cert, &vendor, 1), CKR_ATTRIBUTE_TYPE_INVALID);
	assert_int_equal(p11_object_check_known(cert, &wrong, 1), CKR_ATTRIBUTE_TYPE_INVALID);
	assert_int_equal(p11_object_check_known(vendors, &good, 1), CKR_ATTRIBUTE_VALUE_INVALID);
}

static void an_application_sets_what_footnote_8_lets_it(void **state)
{
	static const struct {
		CK_ATTRIBUTE object[ITEMS], item;
		CK_RV want;
	} cases[] = {
		{{TYPED(secret_class, aes_type)}, BYTES(CKA_LABEL, 3), CKR_OK},
		{{TYPED(secret_class, aes_type), NUM(CKA_MODIFIABLE, no)}, BYTES(CKA_LABEL, 3), CKR_ACTION_PROHIBITED},
		{{TYPED(secret_class, aes_type), NUM(CKA_MODIFIABLE, no)}, BYTES(CKA_MODULUS, 3), CKR_ACTION_PROHIBITED},
		{{TYPED(secret_class, aes_type)}, BYTES(CKA_MODULUS, 3), CKR_ATTRIBUTE_TYPE_INVALID},
		{{TYPED(public_class, ec_type)}, NUM(CKA_DECRYPT, yes), CKR_ATTRIBUTE_TYPE_INVALID},
		{{TYPED(secret_class, aes_type)}, BYTES(CKA_VENDOR_DEFINED | 9, 3), CKR_ATTRIBUTE_TYPE_INVALID},
		{{TYPED(secret_class, aes_type)}, BYTES(CKA_DERIVE, 3), CKR_ATTRIBUTE_VALUE_INVALID},
		{{TYPED(secret_class, aes_type)}, NUM(CKA_DERIVE, yes), CKR_OK},
		{{TYPED(secret_class, aes_type)}, NUM(CKA_ENCRYPT, no), CKR_OK},
		{{TYPED(secret_class, aes_type)}, NUM(CKA_TOKEN, yes), CKR_ATTRIBUTE_READ_ONLY},
		{{TYPED(secret_class, aes_type)}, NUM(CKA_MODIFIABLE, no), CKR_ATTRIBUTE_READ_ONLY},
		{{TYPED(secret_class, aes_type)}, NUM(CKA_COPYABLE, no), CKR_ATTRIBUTE_READ_ONLY},
		{{TYPED(secret_class, aes_type)}, NUM(CKA_UNIQUE_ID, yes), CKR_ATTRIBUTE_READ_ONLY},
		{{TYPED(secret_class, aes_type)}, NUM(CKA_TRUSTED, no), CKR_ATTRIBUTE_READ_ONLY},
		{{TYPED(secret_class, aes_type)}, BYTES(CKA_VALUE, 16), CKR_ATTRIBUTE_READ_ONLY},
		{{TYPED(secret_class, aes_type)}, NUM(CKA_ALLOWED_MECHANISMS, ecb), CKR_ATTRIBUTE_READ_ONLY},
		{{TYPED(private_class, ec_type)}, NUM(CKA_ALWAYS_AUTHENTICATE, yes), CKR_ATTRIBUTE_READ_ONLY},
		/* Once it is there it is read-only. */
		{{TYPED(secret_class, aes_type), NUM(CKA_SENSITIVE, no)}, NUM(CKA_SENSITIVE, yes), CKR_OK},
		{{TYPED(secret_class, aes_type), NUM(CKA_SENSITIVE, no)}, NUM(CKA_SENSITIVE, no), CKR_OK},
		{{TYPED(secret_class, aes_type), NUM(CKA_SENSITIVE, yes)}, NUM(CKA_SENSITIVE, yes), CKR_ATTRIBUTE_READ_ONLY},
		{{TYPED(secret_class, aes_type), NUM(CKA_SENSITIVE, yes)}, NUM(CKA_SENSITIVE, no), CKR_ATTRIBUTE_READ_ONLY},
		{{TYPED(private_class, ec_type), NUM(CKA_EXTRACTABLE, yes)}, NUM(CKA_EXTRACTABLE, no), CKR_OK},
		{{TYPED(private_class, ec_type), NUM(CKA_EXTRACTABLE, no)}, NUM(CKA_EXTRACTABLE, no),
		 CKR_ATTRIBUTE_READ_ONLY},
		{{TYPED(private_class, ec_type), NUM(CKA_EXTRACTABLE, no)}, NUM(CKA_EXTRACTABLE, yes),
		 CKR_ATTRIBUTE_READ_ONLY},
		{{TYPED(private_class, ec_type)}, NUM(CKA_WRAP_WITH_TRUSTED, yes), CKR_OK},
		{{TYPED(private_class, ec_type), NUM(CKA_WRAP_WITH_TRUSTED, yes)}, NUM(CKA_WRAP_WITH_TRUSTED, no),
		 CKR_ATTRIBUTE_READ_ONLY},
		{{NUM(CKA_CLASS, data_class)}, BYTES(CKA_VALUE, 3), CKR_ATTRIBUTE_READ_ONLY},
		{{NUM(CKA_CLASS, certificate_class), NUM(CKA_CERTIFICATE_TYPE, x509_type)}, BYTES(CKA_ISSUER, 3), CKR_OK},
		{{NUM(CKA_CLASS, certificate_class), NUM(CKA_CERTIFICATE_TYPE, x509_type)}, BYTES(CKA_SUBJECT, 3),
		 CKR_ATTRIBUTE_READ_ONLY},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct p11_attrs object = list_of(cases[i].object);
		CK_RV rv = p11_object_may_set(&object, &cases[i].item);

		if (rv != cases[i].want)
			fail_msg("case %zu: %s", i, p11_rv_name(rv));
	}
}

static void a_key_is_used_as_its_flags_and_its_list_say(void **state)
{
	const CK_ATTRIBUTE items[] = {TYPED(secret_class, aes_type), NUM(CKA_ENCRYPT, yes), NUM(CKA_SIGN, no),
				      NUM(CKA_ALLOWED_MECHANISMS, ecb)};
	const struct p11_attrs object = {(CK_ATTRIBUTE *)items, COUNT(items), 0};

	(void)state;
	assert_int_equal(p11_object_may_use(&object, CKF_ENCRYPT, CKM_AES_ECB), CKR_OK);
	assert_int_equal(p11_object_may_use(&object, CKF_ENCRYPT, CKM_AES_CBC), CKR_MECHANISM_INVALID);
	assert_int_equal(p11_object_may_use(&object, CKF_SIGN, CKM_AES_ECB), CKR_KEY_FUNCTION_NOT_PERMITTED);
	assert_int_equal(p11_object_may_use(&object, CKF_UNWRAP, CKM_AES_ECB), CKR_KEY_FUNCTION_NOT_PERMITTED);
}

/* ---- templates ---- */

static const struct p11_object unknown = {NONE, NONE}, an_aes = {CKO_SECRET_KEY, CKK_AES},
			       an_rsa_public = {CKO_PUBLIC_KEY, CKK_RSA}, an_ec_private = {CKO_PRIVATE_KEY, CKK_EC};

static void a_template_is_judged_before_anything_is_made(void **state)
{
	const struct {
		enum p11_way way;
		const struct p11_object *object;
		CK_ATTRIBUTE items[ITEMS];
		CK_RV want;
	} cases[] = {
		/* Class and type */
		{P11_CREATE, &unknown, {BYTES(CKA_LABEL, 1)}, CKR_TEMPLATE_INCOMPLETE},
		{P11_CREATE, &unknown, {NUM(CKA_CLASS, secret_class), BYTES(CKA_VALUE, 16)}, CKR_TEMPLATE_INCOMPLETE},
		{P11_CREATE, &unknown, {NUM(CKA_CLASS, feature_class)}, CKR_ATTRIBUTE_VALUE_INVALID},
		{P11_CREATE, &unknown, {BYTES(CKA_CLASS, 3)}, CKR_ATTRIBUTE_VALUE_INVALID},
		{P11_GENERATE, &an_aes, {NUM(CKA_CLASS, private_class), NUM(CKA_VALUE_LEN, len16)}, CKR_TEMPLATE_INCONSISTENT},
		{P11_GENERATE, &an_aes, {NUM(CKA_KEY_TYPE, rsa_type), NUM(CKA_VALUE_LEN, len16)}, CKR_TEMPLATE_INCONSISTENT},
		{P11_UNWRAP, &unknown, {NUM(CKA_CLASS, secret_class)}, CKR_TEMPLATE_INCOMPLETE},
		{P11_UNWRAP, &unknown, {NUM(CKA_KEY_TYPE, aes_type)}, CKR_TEMPLATE_INCOMPLETE},
		/* Created */
		{P11_CREATE, &unknown, {NUM(CKA_CLASS, data_class)}, CKR_OK},
		{P11_CREATE, &unknown, {NUM(CKA_CLASS, data_class), BYTES(CKA_ID, 1)}, CKR_ATTRIBUTE_TYPE_INVALID},
		{P11_CREATE, &unknown, {TYPED(secret_class, aes_type), BYTES(CKA_VALUE, 16)}, CKR_OK},
		{P11_CREATE, &unknown, {TYPED(secret_class, aes_type)}, CKR_TEMPLATE_INCOMPLETE},
		{P11_CREATE, &unknown, {TYPED(secret_class, aes_type), BYTES(CKA_VALUE, 16), NUM(CKA_VALUE_LEN, len16)},
		 CKR_ATTRIBUTE_READ_ONLY},
		{P11_CREATE, &unknown, {TYPED(secret_class, aes_type), BYTES(CKA_VALUE, 16), NUM(CKA_LOCAL, no)},
		 CKR_ATTRIBUTE_READ_ONLY},
		{P11_CREATE, &unknown, {TYPED(public_class, ec_type), BYTES(CKA_EC_PARAMS, 9)}, CKR_TEMPLATE_INCOMPLETE},
		{P11_CREATE, &unknown, {TYPED(public_class, ec_type), BYTES(CKA_EC_PARAMS, 9), BYTES(CKA_EC_POINT, 9)}, CKR_OK},
		{P11_CREATE, &unknown, {NUM(CKA_CLASS, certificate_class), NUM(CKA_CERTIFICATE_TYPE, x509_type),
					BYTES(CKA_SUBJECT, 9), BYTES(CKA_VALUE, 9)}, CKR_OK},
		{P11_CREATE, &unknown, {NUM(CKA_CLASS, certificate_class), NUM(CKA_CERTIFICATE_TYPE, x509_type),
					BYTES(CKA_VALUE, 9)}, CKR_TEMPLATE_INCOMPLETE},
		{P11_CREATE, &unknown, {NUM(CKA_CLASS, certificate_class), NUM(CKA_CERTIFICATE_TYPE, x509_type),
					BYTES(CKA_SUBJECT, 9), BYTES(CKA_VALUE, 0)}, CKR_TEMPLATE_INCONSISTENT},
		{P11_CREATE, &unknown, {NUM(CKA_CLASS, certificate_class), NUM(CKA_CERTIFICATE_TYPE, x509_type),
					BYTES(CKA_SUBJECT, 9), BYTES(CKA_VALUE, 0), BYTES(CKA_URL, 9)}, CKR_OK},
		/* Generated */
		{P11_GENERATE, &an_aes, {NUM(CKA_VALUE_LEN, len16)}, CKR_OK},
		{P11_GENERATE, &an_aes, {TYPED(secret_class, aes_type), NUM(CKA_VALUE_LEN, len16)}, CKR_OK},
		{P11_GENERATE, &an_aes, {NUM(CKA_TOKEN, yes)}, CKR_TEMPLATE_INCOMPLETE},
		{P11_GENERATE, &an_aes, {BYTES(CKA_VALUE, 16)}, CKR_ATTRIBUTE_READ_ONLY},
		{P11_GENERATE, &an_aes, {NUM(CKA_VALUE_LEN, len16), BYTES(CKA_MODULUS, 9)}, CKR_ATTRIBUTE_TYPE_INVALID},
		{P11_GENERATE, &an_aes, {NUM(CKA_VALUE_LEN, len16), BYTES(CKA_TOKEN, 9)}, CKR_ATTRIBUTE_VALUE_INVALID},
		{P11_GENERATE, &an_aes, {NUM(CKA_VALUE_LEN, len16), NUM(CKA_TRUSTED, yes)}, CKR_ATTRIBUTE_READ_ONLY},
		{P11_GENERATE, &an_aes, {NUM(CKA_VALUE_LEN, len16), NUM(CKA_TRUSTED, no)}, CKR_OK},
		{P11_GENERATE, &an_aes, {NUM(CKA_VALUE_LEN, len16), NUM(CKA_ALWAYS_AUTHENTICATE, no)},
		 CKR_ATTRIBUTE_TYPE_INVALID},
		{P11_GENERATE, &an_aes, {NUM(CKA_VALUE_LEN, len16), BYTES(CKA_VENDOR_DEFINED | 9, 3)}, CKR_OK},
		{P11_GENERATE, &an_aes, {NUM(CKA_VALUE_LEN, len16), NUM(CKA_VALUE_LEN, len16)}, CKR_OK},
		{P11_GENERATE, &an_aes, {NUM(CKA_VALUE_LEN, len16), NUM(CKA_TOKEN, yes), NUM(CKA_TOKEN, no)},
		 CKR_TEMPLATE_INCONSISTENT},
		{P11_GENERATE, &an_rsa_public, {NUM(CKA_MODULUS_BITS, bits)}, CKR_OK},
		{P11_GENERATE, &an_rsa_public, {BYTES(CKA_PUBLIC_EXPONENT, 3)}, CKR_TEMPLATE_INCOMPLETE},
		{P11_GENERATE, &an_ec_private, {NUM(CKA_EXTRACTABLE, yes), NUM(CKA_SENSITIVE, no)}, CKR_OK},
		{P11_GENERATE, &an_ec_private, {BYTES(CKA_EC_PARAMS, 9)}, CKR_ATTRIBUTE_READ_ONLY},
		{P11_GENERATE, &an_ec_private, {NUM(CKA_ALWAYS_AUTHENTICATE, yes)}, CKR_OK},
		{P11_GENERATE, &an_ec_private, {NUM(CKA_ALWAYS_AUTHENTICATE, yes), NUM(CKA_PRIVATE, no)},
		 CKR_TEMPLATE_INCONSISTENT},
		/* Unwrapped */
		{P11_UNWRAP, &unknown, {TYPED(secret_class, aes_type)}, CKR_OK},
		{P11_UNWRAP, &unknown, {TYPED(secret_class, aes_type), NUM(CKA_VALUE_LEN, len16)}, CKR_ATTRIBUTE_READ_ONLY},
		{P11_UNWRAP, &unknown, {TYPED(secret_class, generic_type), NUM(CKA_VALUE_LEN, len16)}, CKR_OK},
		{P11_UNWRAP, &unknown, {TYPED(private_class, rsa_type), BYTES(CKA_MODULUS, 9)}, CKR_ATTRIBUTE_READ_ONLY},
		{P11_UNWRAP, &unknown, {TYPED(secret_class, their_type), BYTES(CKA_MODULUS, 9)}, CKR_OK},
		/* Derived */
		{P11_DERIVE, &unknown, {NUM(CKA_VALUE_LEN, len16)}, CKR_OK},
		{P11_DERIVE, &unknown, {TYPED(secret_class, aes_type), NUM(CKA_VALUE_LEN, len16)}, CKR_OK},
		{P11_DERIVE, &unknown, {TYPED(secret_class, aes_type), BYTES(CKA_VALUE, 16)}, CKR_ATTRIBUTE_READ_ONLY},
		{P11_DERIVE, &unknown, {NUM(CKA_NEVER_EXTRACTABLE, yes)}, CKR_ATTRIBUTE_READ_ONLY},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		CK_RV rv = p11_object_check(cases[i].way, *cases[i].object, cases[i].items, count_of(cases[i].items));

		if (rv != cases[i].want)
			fail_msg("case %zu: %s, not %s", i, p11_rv_name(rv), p11_rv_name(cases[i].want));
	}
}

static void a_copy_may_be_another_in_some_respects(void **state)
{
	static const struct {
		CK_ATTRIBUTE from[ITEMS], items[ITEMS];
		CK_RV want;
	} cases[] = {
		{{TYPED(secret_class, aes_type)}, {{0}}, CKR_OK},
		{{TYPED(secret_class, aes_type), NUM(CKA_COPYABLE, no)}, {{0}}, CKR_ACTION_PROHIBITED},
		{{TYPED(secret_class, aes_type), NUM(CKA_MODIFIABLE, no)}, {BYTES(CKA_LABEL, 2)}, CKR_OK},
		{{TYPED(secret_class, aes_type)}, {NUM(CKA_TOKEN, no), NUM(CKA_MODIFIABLE, no), NUM(CKA_DESTROYABLE, no),
						  NUM(CKA_COPYABLE, no), NUM(CKA_PRIVATE, yes)}, CKR_OK},
		{{TYPED(secret_class, aes_type)}, {BYTES(CKA_MODULUS, 2)}, CKR_ATTRIBUTE_TYPE_INVALID},
		{{TYPED(secret_class, aes_type)}, {BYTES(CKA_TOKEN, 2)}, CKR_ATTRIBUTE_VALUE_INVALID},
		{{TYPED(secret_class, aes_type)}, {NUM(CKA_KEY_TYPE, rsa_type)}, CKR_ATTRIBUTE_READ_ONLY},
		{{TYPED(secret_class, aes_type)}, {NUM(CKA_ALLOWED_MECHANISMS, ecb)}, CKR_ATTRIBUTE_READ_ONLY},
		{{TYPED(secret_class, aes_type), NUM(CKA_SENSITIVE, yes)}, {NUM(CKA_SENSITIVE, no)}, CKR_ATTRIBUTE_READ_ONLY},
		{{TYPED(secret_class, aes_type), NUM(CKA_SENSITIVE, no)}, {NUM(CKA_SENSITIVE, yes)}, CKR_OK},
		{{TYPED(secret_class, aes_type), NUM(CKA_EXTRACTABLE, no)}, {NUM(CKA_EXTRACTABLE, yes)},
		 CKR_ATTRIBUTE_READ_ONLY},
		{{TYPED(secret_class, aes_type), NUM(CKA_PRIVATE, yes)}, {NUM(CKA_PRIVATE, no)}, CKR_TEMPLATE_INCONSISTENT},
		{{TYPED(public_class, ec_type), NUM(CKA_PRIVATE, no)}, {NUM(CKA_PRIVATE, yes)}, CKR_OK},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct p11_attrs from = list_of(cases[i].from);
		CK_RV rv = p11_object_check_copy(&from, cases[i].items, count_of(cases[i].items));

		if (rv != cases[i].want)
			fail_msg("case %zu: %s", i, p11_rv_name(rv));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_object_has_what_the_standard_says),
		cmocka_unit_test(a_row_does_not_contradict_itself),
		cmocka_unit_test(what_is_read_is_a_value_a_default_a_secret_or_nothing),
		cmocka_unit_test(what_is_shown_is_a_value_a_default_or_known_to_a_token_alone),
		cmocka_unit_test(of_what_no_token_sees_all_is_in_the_standard),
		cmocka_unit_test(an_application_sets_what_footnote_8_lets_it),
		cmocka_unit_test(a_key_is_used_as_its_flags_and_its_list_say),
		cmocka_unit_test(a_template_is_judged_before_anything_is_made),
		cmocka_unit_test(a_copy_may_be_another_in_some_respects),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
