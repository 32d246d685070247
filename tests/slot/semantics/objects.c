/* SPDX-License-Identifier: Apache-2.0 */
/* Objects as they are created, copied, found, measured and destroyed. */
#include <string.h>

#include "semantics.h"

/* ---- C_CreateObject ---- */

/* What becomes of each object of the table when this is said of it too. */
static const char *const changes[] = {
	"TOKEN=0", "TOKEN=1", "PRIVATE=1", "PRIVATE=0", "-CLASS", "CLASS=secret", "CLASS=mechanism", "CLASS=feature",
	"CLASS=0x80000001", "-KEY_TYPE", "KEY_TYPE=aes", "KEY_TYPE=0x7777", "-VALUE", "VALUE:", "VALUE!", "+LABEL='two",
	"LABEL!", "LABEL:", "MODIFIABLE=0", "COPYABLE=0", "DESTROYABLE=0", "MODIFIABLE:0101", "TOKEN:", "PRIVATE:0000",
	"ID=0102", "START_DATE='20260101", "START_DATE='2026", "START_DATE:", "SENSITIVE=1", "EXTRACTABLE=1",
	"SIGN=1", "SIGN:0001", "DERIVE=1", "LOCAL=1", "LOCAL=0", "ALWAYS_SENSITIVE=0", "NEVER_EXTRACTABLE=0",
	"KEY_GEN_MECHANISM=0", "VALUE_LEN=16", "VALUE_LEN=9", "MODULUS_BITS=1024", "CHECK_VALUE=010203", "CHECK_VALUE:",
	"TRUSTED=1", "TRUSTED=0", "WRAP_WITH_TRUSTED=1", "ALWAYS_AUTHENTICATE=1", "ALLOWED_MECHANISMS=8110000000000000",
	"ALLOWED_MECHANISMS=81", "ALLOWED_MECHANISMS:", "SUBJECT=3000", "VENDOR=01", "UNKNOWN=01",
	"PUBLIC_KEY_INFO=3000", "CERTIFICATE_TYPE=0", "CERTIFICATE_CATEGORY=2", "CERTIFICATE_CATEGORY=9",
	"URL='http://probe", "APPLICATION='other",
};

/* What every kind of object needs, and what it may not say. */
static const struct {
	const char *object, *change;
} cases[] = {
	{"cert", "-SUBJECT"}, {"cert", "-CERTIFICATE_TYPE"}, {"cert", "CERTIFICATE_TYPE=1"},
	{"cert", "CERTIFICATE_TYPE=7"}, {"cert", "-ISSUER -SERIAL_NUMBER"}, {"cert", "-VALUE URL='http://probe"},
	{"cert", "SUBJECT:"}, {"cert", "HASH_OF_SUBJECT_PUBLIC_KEY=0102"}, {"cert", "JAVA_MIDP_SECURITY_DOMAIN=1"},
	{"cert", "-ID"}, {"rsa-pub", "-MODULUS"}, {"rsa-pub", "-PUBLIC_EXPONENT"}, {"rsa-pub", "MODULUS:"},
	{"rsa-pub", "MODULUS=00ff"}, {"rsa-pub", "PRIVATE_EXPONENT=03"}, {"rsa-pub", "EC_POINT=04"},
	{"rsa-pub", "DECRYPT=1"}, {"rsa", "-MODULUS"}, {"rsa", "-PRIVATE_EXPONENT"}, {"rsa", "-PUBLIC_EXPONENT"},
	{"rsa", "-PRIME_1"}, {"rsa", "-PRIME_1 -PRIME_2 -EXPONENT_1 -EXPONENT_2 -COEFFICIENT"}, {"rsa", "PRIME_1:"},
	{"rsa", "PRIME_1=07"}, {"rsa", "VERIFY=1"}, {"rsa", "SENSITIVE=0 EXTRACTABLE=1"},
	{"rsa", "SENSITIVE=1 EXTRACTABLE=0"}, {"ec-pub", "-EC_POINT"}, {"ec-pub", "-EC_PARAMS"},
	{"ec-pub", "EC_POINT=0405"}, {"ec-pub", "EC_PARAMS=0603010203"}, {"ec-pub", "EC_PARAMS=06052b8104000a"},
	{"ec-pub", "EC_POINT:"}, {"ec", "-EC_PARAMS"}, {"ec", "VALUE=00"}, {"ec", "EC_POINT=0405"},
	{"dsa-pub", "-PRIME"}, {"dsa-pub", "-SUBPRIME"}, {"dsa-pub", "-BASE"}, {"dsa", "-PRIME"},
	{"dsa", "-SUBPRIME"}, {"dh", "-PRIME"}, {"dh", "-BASE"}, {"dh", "SUBPRIME=0b"}, {"dh", "VALUE_BITS=224"},
	{"domain", "-PRIME"}, {"domain", "-BASE"}, {"domain", "-SUBPRIME"}, {"domain", "PRIME_BITS=1024"},
	{"domain", "KEY_TYPE=dh -SUBPRIME"}, {"domain", "KEY_TYPE=rsa"}, {"aes", "VALUE=00"},
	{"aes", "VALUE=000102030405060708090a0b0c0d0e0f1011121314151617"}, {"aes", "VALUE_LEN=32"},
	{"aes", "KEY_TYPE=des"}, {"aes", "KEY_TYPE=rc4"}, {"aes", "KEY_TYPE=generic"}, {"aes", "MODULUS=010203"},
	{"aes", "WRAP_TEMPLATE:"}, {"aes", "WRAP_TEMPLATE:00"}, {"aes", "UNWRAP_TEMPLATE:"},
	{"des3", "VALUE=0011223344556677"}, {"des3", "KEY_TYPE=des VALUE=0123456789abcdef"},
	{"des3", "KEY_TYPE=des2 VALUE=0123456789abcdef23456789abcdef01"}, {"des3", "VALUE_LEN=24"},
	{"generic", "VALUE=01"}, {"generic", "VALUE_LEN=64"}, {"generic", "VALUE_LEN=31"},
};

static void create(const char *name, const char *change)
{
	struct template t = {0};
	CK_OBJECT_HANDLE made = CK_INVALID_HANDLE;

	probe("create %s, %s", name, change);
	set_like(&t, name);
	set(&t, "LABEL='made");
	set(&t, change);
	if (is(p11->C_CreateObject(session, t.items, t.n, &made)) == CKR_OK)
		drop(made);
}

static void creation(void)
{
	CK_OBJECT_HANDLE made;
	struct template t = {0};

	for (size_t i = 0; i < n_objects; i++)
		for (size_t n = 0; n < N(changes); n++)
			create(objects[i].name, changes[n]);
	for (size_t i = 0; i < N(cases); i++)
		create(cases[i].object, cases[i].change);
	set_like(&t, "data");
	probe("create nothing");
	is(p11->C_CreateObject(session, t.items, 0, &made));
	probe("create without a template");
	is(p11->C_CreateObject(session, NULL, 1, &made));
	probe("create without a place for the handle");
	is(p11->C_CreateObject(session, t.items, t.n, NULL));
}

/* ---- C_CopyObject ---- */

static const char *const copies[] = {
	"", "TOKEN=0", "TOKEN=1 PRIVATE=1", "PRIVATE=0", "PRIVATE=1", "LABEL='copy", "LABEL!", "ID=99", "CLASS=data",
	"CLASS=secret", "KEY_TYPE=aes", "VALUE=00112233445566778899aabbccddeeff", "SENSITIVE=1", "SENSITIVE=0",
	"EXTRACTABLE=0", "EXTRACTABLE=1", "MODIFIABLE=0", "COPYABLE=0", "DESTROYABLE=0", "SIGN=0", "ENCRYPT=0",
	"LOCAL=1", "ALWAYS_SENSITIVE=1", "UNKNOWN=01", "TOKEN:", "START_DATE='20260101", "APPLICATION='copy",
	"TRUSTED=1", "VALUE_LEN=16", "CHECK_VALUE=000000", "KEY_GEN_MECHANISM=1", "WRAP_WITH_TRUSTED=1",
	"ALWAYS_AUTHENTICATE=1",
};

/* Whether a copy says the same of itself as its original, but for what the template says. */
static void compare_copy(CK_OBJECT_HANDLE from, CK_OBJECT_HANDLE copy)
{
	for (size_t i = 0; i < n_attributes; i++) {
		CK_BYTE a[512], b[512];
		CK_ATTRIBUTE one = {attributes[i].type, a, sizeof(a)}, other = {attributes[i].type, b, sizeof(b)};
		CK_RV rv = p11->C_GetAttributeValue(session, from, &one, 1);
		CK_RV other_rv = p11->C_GetAttributeValue(session, copy, &other, 1);

		if (rv != other_rv || one.ulValueLen != other.ulValueLen ||
		    (rv == CKR_OK && memcmp(a, b, one.ulValueLen) != 0))
			says("%s", attributes[i].name);
	}
}

static void copying(void)
{
	for (size_t i = 0; i < n_objects; i++)
		for (size_t n = 0; n < N(copies); n++) {
			CK_OBJECT_HANDLE from, copy;
			struct template t = {0};

			probe("copy %s, %s", objects[i].name, *copies[n] ? copies[n] : "as it is");
			from = object(objects[i].name);
			/* Few are for the token: the others need not go to every member. */
			set(&t, *copies[n] ? "TOKEN=0" : "");
			set(&t, copies[n]);
			if (is(p11->C_CopyObject(session, from, t.items, t.n, &copy)) != CKR_OK)
				continue;
			compare_copy(from, copy);
			drop(copy);
		}
}

/* ---- C_GetObjectSize, C_DestroyObject ---- */

static void ends(void)
{
	static const char *const ways[] = {"TOKEN=0", "TOKEN=1"};

	for (size_t i = 0; i < n_objects; i++) {
		CK_ULONG size = 0;

		probe("size of %s", objects[i].name);
		is(p11->C_GetObjectSize(session, object(objects[i].name), &size));
		for (size_t n = 0; n < N(ways); n++) {
			CK_OBJECT_HANDLE made;
			struct template t = {0};
			CK_ULONG class;
			CK_ATTRIBUTE read = {CKA_CLASS, &class, sizeof(class)};

			probe("destroy %s, %s", objects[i].name, ways[n]);
			set_like(&t, objects[i].name);
			set(&t, ways[n]);
			if (is(p11->C_CreateObject(session, t.items, t.n, &made)) != CKR_OK)
				continue;
			is(p11->C_DestroyObject(session, made));
			is(p11->C_DestroyObject(session, made));
			is(p11->C_GetAttributeValue(session, made, &read, 1));
			is(p11->C_GetObjectSize(session, made, &size));
			is(p11->C_SetAttributeValue(session, made, &read, 1));
			is(p11->C_EncryptInit(session, &(CK_MECHANISM){CKM_AES_ECB, NULL, 0}, made));
		}
	}
}

static void halves(void)
{
	static const char *const ways[] = {"TOKEN=0", "TOKEN=1"};

	for (size_t n = 0; n < 4; n++) {
		struct template open = {0}, hidden = {0};
		CK_OBJECT_HANDLE pair[2];
		CK_ULONG class;
		CK_ATTRIBUTE read = {CKA_CLASS, &class, sizeof(class)};
		CK_RV rv;

		probe("destroy the %s half first, %s", n & 1 ? "private" : "public", ways[n / 2]);
		set(&open, "EC_PARAMS=06082a8648ce3d030107 LABEL='made");
		set(&open, ways[n / 2]);
		set(&hidden, "LABEL='made");
		set(&hidden, ways[n / 2]);
		rv = p11->C_GenerateKeyPair(session, &(CK_MECHANISM){CKM_EC_KEY_PAIR_GEN, NULL, 0}, open.items, open.n,
					    hidden.items, hidden.n, &pair[0], &pair[1]);
		if (is(rv) != CKR_OK)
			continue;
		is(p11->C_DestroyObject(session, pair[n & 1]));
		is(p11->C_GetAttributeValue(session, pair[n & 1], &read, 1));
		is(p11->C_GetAttributeValue(session, pair[!(n & 1)], &read, 1));
		is(p11->C_DestroyObject(session, pair[!(n & 1)]));
	}
}

/* ---- finding ---- */

/* No value that is not there: SoftHSM follows it. */
static const char *const searches[] = {
	"", "CLASS=data", "CLASS=certificate", "CLASS=public", "CLASS=private", "CLASS=secret", "CLASS=domain",
	"CLASS=mechanism", "CLASS=feature", "CLASS=0x80000001", "KEY_TYPE=rsa", "KEY_TYPE=ec", "KEY_TYPE=dsa",
	"KEY_TYPE=dh", "KEY_TYPE=aes", "KEY_TYPE=des3", "KEY_TYPE=generic", "CLASS=private KEY_TYPE=rsa",
	"CLASS=data KEY_TYPE=rsa", "TOKEN=1", "TOKEN=0", "PRIVATE=1", "PRIVATE=0", "LABEL='aes",
	"LABEL='aes CLASS=secret", "LABEL='ae", "LABEL='AES", "LABEL:", "ID=a1", "ID=a1 CLASS=public", "ID:", "ID=ff",
	"SIGN=1", "SIGN=0", "ENCRYPT=1", "SENSITIVE=1", "SENSITIVE=0", "EXTRACTABLE=0", "MODIFIABLE=1",
	"MODIFIABLE=0", "COPYABLE=1", "DESTROYABLE=1", "LOCAL=0", "LOCAL=1", "ALWAYS_SENSITIVE=0",
	"NEVER_EXTRACTABLE=0", "VALUE=0011223344", "VALUE=606162636465666768696a6b6c6d6e6f",
	"VALUE=707172737475767778797a7b7c7d7e7f", "VALUE_LEN=16", "VALUE_LEN=32", "MODULUS_BITS=1024",
	"PUBLIC_EXPONENT=010001", "EC_PARAMS=06082a8648ce3d030107", "CERTIFICATE_TYPE=0", "APPLICATION='probe",
	"SUBPRIME=00", "TOKEN:0101", "CLASS:00", "UNKNOWN=01", "UNKNOWN:", "VENDOR=01", "START_DATE:",
	"ALLOWED_MECHANISMS:", "CHECK_VALUE=000000", "+LABEL='aes +LABEL='aes", "+LABEL='aes +LABEL='rsa",
	"TRUSTED=0", "TRUSTED=1", "WRAP_WITH_TRUSTED=0", "ALWAYS_AUTHENTICATE=0", "SUBJECT:",
	"KEY_GEN_MECHANISM=0xffffffffffffffff", "CERTIFICATE_CATEGORY=0",
};

static void finds(void)
{
	CK_OBJECT_HANDLE list[64];
	CK_ULONG count = 0;

	for (size_t i = 0; i < N(searches); i++) {
		struct template t = {0};

		probe("find %s", *searches[i] ? searches[i] : "everything");
		set(&t, searches[i]);
		is(p11->C_FindObjectsInit(session, t.items, t.n));
		count = 0;
		is(p11->C_FindObjects(session, list, 64, &count));
		says("%lu", count);
		is(p11->C_FindObjectsFinal(session));
	}
	probe("find in steps");
	is(p11->C_FindObjectsInit(session, NULL, 0));
	for (CK_ULONG n = 0; n < 4; n++) {
		is(p11->C_FindObjects(session, list, n == 3 ? 64 : n, &count));
		says("%lu", count);
	}
	is(p11->C_FindObjects(session, list, 64, &count));
	says("%lu", count);
	is(p11->C_FindObjects(session, NULL, 1, &count));
	is(p11->C_FindObjects(session, list, 1, NULL));
	is(p11->C_FindObjectsFinal(session));
	is(p11->C_FindObjects(session, list, 64, &count));
	probe("find while an object is destroyed");
	is(p11->C_FindObjectsInit(session, NULL, 0));
	is(p11->C_DestroyObject(session, CK_INVALID_HANDLE));
	is(p11->C_FindObjectsFinal(session));
}

void probe_objects(void)
{
	creation();
	copying();
	ends();
	halves();
	finds();
}
