/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes as they are read and set, each on each object. */
#include <string.h>

#include "semantics.h"

/* What is read of it with room enough, with too little and with none. */
static void read_one(CK_OBJECT_HANDLE of, const struct attribute *a)
{
	CK_BYTE value[1024] = {0}, little[1];
	CK_ATTRIBUTE item = {a->type, NULL, 0};

	is(p11->C_GetAttributeValue(session, of, &item, 1));
	says("%ld", (long)item.ulValueLen);
	item = (CK_ATTRIBUTE){a->type, value, sizeof(value)};
	if (is(p11->C_GetAttributeValue(session, of, &item, 1)) == CKR_OK)
		shows(value, item.ulValueLen);
	item = (CK_ATTRIBUTE){a->type, little, sizeof(little)};
	is(p11->C_GetAttributeValue(session, of, &item, 1));
	says("%ld", (long)item.ulValueLen);
}

static void reading(void)
{
	for (size_t i = 0; i < n_objects; i++)
		for (const struct attribute *a = attributes; a < attributes + n_attributes; a++) {
			probe("read %s, %s", objects[i].name, a->name);
			read_one(object(objects[i].name), a);
		}
}

/* Each kind of value in one call: the last code that is not CKR_OK is the call's, the others are read. */
static void read_many(void)
{
	static const char *const together[] = {
		"CLASS LABEL ID", "VALUE LABEL", "LABEL VALUE", "UNKNOWN LABEL", "LABEL UNKNOWN VALUE",
		"VALUE UNKNOWN LABEL", "LABEL LABEL", "MODULUS LABEL", "VALUE MODULUS UNKNOWN",
	};

	for (size_t i = 0; i < N(together); i++) {
		struct template t = {0};
		char words[128], *rest = words, *word;

		probe("read aes, %s", together[i]);
		strcpy(words, together[i]);
		while ((word = next_word(&rest))) {
			char empty[64] = "+";

			set(&t, strcat(strcat(empty, word), ":"));
			t.items[t.n - 1] = (CK_ATTRIBUTE){t.items[t.n - 1].type, t.bytes + t.n * 64, 64};
		}
		is(p11->C_GetAttributeValue(session, object("aes"), t.items, t.n));
		for (CK_ULONG n = 0; n < t.n; n++)
			says("%ld", (long)t.items[n].ulValueLen);
	}
	probe("read no attributes");
	is(p11->C_GetAttributeValue(session, object("aes"), &(CK_ATTRIBUTE){CKA_LABEL, NULL, 0}, 0));
	probe("read a list that is not there");
	is(p11->C_GetAttributeValue(session, object("aes"), NULL, 1));
	probe("read of no object");
	is(p11->C_GetAttributeValue(session, CK_INVALID_HANDLE, &(CK_ATTRIBUTE){CKA_LABEL, NULL, 0}, 1));
}

/* ---- C_SetAttributeValue ---- */

/* Values an object is told to have. What is the same as it was is told too. */
static const char *const changes[] = {
	"CLASS=secret", "TOKEN=0", "TOKEN=1", "PRIVATE=0", "PRIVATE=1", "LABEL='new", "LABEL:", "LABEL!",
	"MODIFIABLE=0", "MODIFIABLE=1", "COPYABLE=0", "COPYABLE=1", "DESTROYABLE=0", "DESTROYABLE=1",
	"APPLICATION='new", "OBJECT_ID=06022a04", "VALUE=00", "CERTIFICATE_TYPE=0", "CERTIFICATE_CATEGORY=1",
	"ISSUER=3000", "SERIAL_NUMBER=020102", "URL='new", "KEY_TYPE=aes", "ID=0203", "ID:", "SUBJECT=3000",
	"START_DATE='20260101", "START_DATE:", "START_DATE='2026", "END_DATE='20270101", "LOCAL=1",
	"KEY_GEN_MECHANISM=1", "ALLOWED_MECHANISMS=8110000000000000", "ALLOWED_MECHANISMS=81", "DERIVE=0", "DERIVE=1",
	"ENCRYPT=0", "ENCRYPT=1", "DECRYPT=0", "DECRYPT=1", "SIGN=0", "SIGN=1", "SIGN:", "SIGN:0101", "SIGN:02",
	"SIGN_RECOVER=0", "VERIFY=0", "VERIFY=1", "VERIFY_RECOVER=0", "WRAP=0", "WRAP=1", "UNWRAP=0", "UNWRAP=1",
	"TRUSTED=1", "TRUSTED=0", "SENSITIVE=1", "SENSITIVE=0", "EXTRACTABLE=0", "EXTRACTABLE=1",
	"WRAP_WITH_TRUSTED=1", "WRAP_WITH_TRUSTED=0", "ALWAYS_AUTHENTICATE=1", "ALWAYS_SENSITIVE=1",
	"NEVER_EXTRACTABLE=1", "WRAP_TEMPLATE:", "UNWRAP_TEMPLATE:", "CHECK_VALUE=000000", "CHECK_VALUE:",
	"VALUE_LEN=16", "MODULUS=00", "MODULUS_BITS=1024", "PUBLIC_EXPONENT=03", "PRIVATE_EXPONENT=03", "PRIME_1=03",
	"EC_PARAMS=0603010203", "EC_POINT=04", "PRIME=03", "SUBPRIME=03", "VENDOR=01", "UNKNOWN=01",
	"LABEL='one UNKNOWN=01", "UNKNOWN=01 LABEL='one", "SIGN=0 LABEL='one", "LABEL='one SIGN:",
	"+LABEL='one +LABEL='two",
};

static void setting(void)
{
	for (size_t i = 0; i < n_objects; i++)
		for (size_t n = 0; n < N(changes); n++) {
			struct template t = {0}, change = {0};
			CK_BYTE value[64];
			CK_ATTRIBUTE read = {CKA_LABEL, value, sizeof(value)};
			CK_OBJECT_HANDLE made = CK_INVALID_HANDLE;

			probe("set %s, %s", objects[i].name, changes[n]);
			set_like(&t, objects[i].name);
			set(&t, "LABEL='old");
			set(&change, changes[n]);
			if (p11->C_CreateObject(session, t.items, t.n, &made) != CKR_OK)
				says("not made");
			is(p11->C_SetAttributeValue(session, made, change.items, change.n));
			if (p11->C_GetAttributeValue(session, made, &read, 1) == CKR_OK)
				shows(value, read.ulValueLen);
			read = (CK_ATTRIBUTE){change.items[0].type, value, sizeof(value)};
			if (p11->C_GetAttributeValue(session, made, &read, 1) == CKR_OK)
				shows(value, read.ulValueLen);
		}
	probe("set no attributes");
	is(p11->C_SetAttributeValue(session, object("aes"), &(CK_ATTRIBUTE){CKA_LABEL, NULL, 0}, 0));
	probe("set a list that is not there");
	is(p11->C_SetAttributeValue(session, object("aes"), NULL, 1));
	probe("set on no object");
	is(p11->C_SetAttributeValue(session, CK_INVALID_HANDLE, &(CK_ATTRIBUTE){CKA_LABEL, NULL, 0}, 1));
}

/* What the group keeps is changed by other ways than what a session has. */
static void setting_kept(void)
{
	static const struct {
		const char *object, *change;
	} kept[] = {
		{"data", "LABEL='new VALUE=00"}, {"cert", "LABEL='new"}, {"rsa-pub", "VERIFY=0 ENCRYPT=0"},
		{"rsa", "SIGN=0 ID=0203"}, {"ec", "DERIVE=0"}, {"aes", "EXTRACTABLE=0"}, {"aes-open", "SENSITIVE=1"},
		{"aes", "SENSITIVE=0"}, {"aes-kept", "EXTRACTABLE=1"}, {"aes", "TOKEN=0"},
		{"generic", "SIGN=0 VERIFY=0"},
	};

	for (size_t i = 0; i < N(kept); i++) {
		struct template t = {0}, change = {0};
		CK_OBJECT_HANDLE made;

		probe("set a kept %s, %s", kept[i].object, kept[i].change);
		set_like(&t, kept[i].object);
		set(&t, "TOKEN=1 LABEL='old");
		set(&change, kept[i].change);
		if (is(p11->C_CreateObject(session, t.items, t.n, &made)) != CKR_OK)
			continue;
		drop(made);
		is(p11->C_SetAttributeValue(session, made, change.items, change.n));
		for (CK_ULONG n = 0; n < change.n; n++) {
			CK_BYTE value[64];
			CK_ATTRIBUTE read = {change.items[n].type, value, sizeof(value)};

			if (is(p11->C_GetAttributeValue(session, made, &read, 1)) == CKR_OK)
				shows(value, read.ulValueLen);
		}
	}
}

void probe_attributes(void)
{
	reading();
	read_many();
	setting();
	setting_kept();
}
