/* SPDX-License-Identifier: Apache-2.0 */
/* Templates in words, and the objects that are there for all probes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "semantics.h"

#define A(name, kind) {#name, CKA_##name, kind}
const struct attribute attributes[] = {
	A(CLASS, ULONG), A(TOKEN, BOOL), A(PRIVATE, BOOL), A(LABEL, BYTES), A(MODIFIABLE, BOOL), A(COPYABLE, BOOL),
	A(DESTROYABLE, BOOL), A(APPLICATION, BYTES), A(OBJECT_ID, BYTES), A(CERTIFICATE_TYPE, ULONG),
	A(CERTIFICATE_CATEGORY, ULONG), A(ISSUER, BYTES), A(SERIAL_NUMBER, BYTES), A(AC_ISSUER, BYTES),
	A(OWNER, BYTES), A(ATTR_TYPES, BYTES), A(URL, BYTES), A(HASH_OF_SUBJECT_PUBLIC_KEY, BYTES),
	A(HASH_OF_ISSUER_PUBLIC_KEY, BYTES), A(JAVA_MIDP_SECURITY_DOMAIN, ULONG), A(KEY_TYPE, ULONG), A(ID, BYTES),
	A(SUBJECT, BYTES), A(START_DATE, BYTES), A(END_DATE, BYTES), A(LOCAL, BOOL), A(KEY_GEN_MECHANISM, ULONG),
	A(ALLOWED_MECHANISMS, BYTES), A(PUBLIC_KEY_INFO, BYTES), A(DERIVE, BOOL), A(ENCRYPT, BOOL), A(DECRYPT, BOOL),
	A(SIGN, BOOL), A(SIGN_RECOVER, BOOL), A(VERIFY, BOOL), A(VERIFY_RECOVER, BOOL), A(WRAP, BOOL),
	A(UNWRAP, BOOL), A(TRUSTED, BOOL), A(SENSITIVE, BOOL), A(EXTRACTABLE, BOOL), A(WRAP_WITH_TRUSTED, BOOL),
	A(ALWAYS_AUTHENTICATE, BOOL), A(ALWAYS_SENSITIVE, BOOL), A(NEVER_EXTRACTABLE, BOOL), A(WRAP_TEMPLATE, BYTES),
	A(UNWRAP_TEMPLATE, BYTES), A(DERIVE_TEMPLATE, BYTES), A(CHECK_VALUE, BYTES), A(VALUE, BYTES),
	A(VALUE_LEN, ULONG), A(MODULUS, BYTES), A(MODULUS_BITS, ULONG), A(PUBLIC_EXPONENT, BYTES),
	A(PRIVATE_EXPONENT, BYTES), A(PRIME_1, BYTES), A(PRIME_2, BYTES), A(EXPONENT_1, BYTES), A(EXPONENT_2, BYTES),
	A(COEFFICIENT, BYTES), A(EC_PARAMS, BYTES), A(EC_POINT, BYTES), A(PRIME, BYTES), A(SUBPRIME, BYTES),
	A(BASE, BYTES), A(PRIME_BITS, ULONG), A(SUBPRIME_BITS, ULONG), A(VALUE_BITS, ULONG),
	A(HW_FEATURE_TYPE, ULONG), A(MECHANISM_TYPE, ULONG),
	{"VENDOR", CKA_VENDOR_DEFINED | 0x1234, BYTES}, {"UNKNOWN", 0x00007777, BYTES},
};
const size_t n_attributes = N(attributes);

static const struct {
	const char *name;
	CK_ULONG value;
} numbers[] = {
	{"data", CKO_DATA}, {"certificate", CKO_CERTIFICATE}, {"public", CKO_PUBLIC_KEY}, {"private", CKO_PRIVATE_KEY},
	{"secret", CKO_SECRET_KEY}, {"domain", CKO_DOMAIN_PARAMETERS}, {"feature", CKO_HW_FEATURE},
	{"mechanism", CKO_MECHANISM}, {"rsa", CKK_RSA}, {"dsa", CKK_DSA}, {"dh", CKK_DH}, {"ec", CKK_EC},
	{"aes", CKK_AES}, {"des", CKK_DES}, {"des2", CKK_DES2}, {"des3", CKK_DES3}, {"generic", CKK_GENERIC_SECRET},
	{"rc4", CKK_RC4},
};

#define RSA_PUBLIC                                                                                                     \
	"KEY_TYPE=rsa PUBLIC_EXPONENT=010001 MODULUS="                                                                 \
	"c0cca2f117e95b576206ac2b2386a97038af82503fc70e021e7c0e37dfe04dd9f00a9ffd92945527751194423ce2cab174e21184" \
	"576bec51c5ca569ff6ae9723c91c8b211cac9bc653b2b5c50ecbd5232c23ac68bb943d1f0dbd09190339c9300007b3a4097f25c7" \
	"2f1766f83444a5ff3238f32ecb81d08653aa067c42397521"
#define RSA_PRIVATE                                                                                                    \
	" PRIVATE_EXPONENT="                                                                                           \
	"7a2a70e92204aceb3ee3097f404098e6d2146c175b824f1f0aa0030666a6a3cdffeb4b9b8aa0d120726ed429f098a8652fb1fbf5" \
	"86cb8ceff7cb917e44fa362bce376e769425e27cf21dfe369aeeec3d0357380238460b9af53d118284a34c8f650d53093d20b74b" \
	"aef18dcf58169a74b2b5e73b25538e1c7aff6c2720a40141" \
	" PRIME_1="                                                                                                    \
	"e0af206459f5240526e621469a43f419f54253225ce938fefefd6a8533e87d87ac94dbeb954c89261e10ad3d5d0e218b635edc38" \
	"68385749f8b7f6add818f439" \
	" PRIME_2="                                                                                                    \
	"dbabd7a1419b753282346bf9e219278aa99f29a998305a3564fc5fae8eb1cbc46d49544ae690987f12b52fe0528cba13b19738d1" \
	"8833ee79a19fc00e8bfd1829" \
	" EXPONENT_1="                                                                                                 \
	"039365ed92eceed4d228a970e93599a5ec1c511c63e4264f1099d1df2ad351641e60041bfcb54a1d7c2f01c2cf3f5153599281e8" \
	"b7e7e5a3bcbc98c56d820029" \
	" EXPONENT_2="                                                                                                 \
	"399333a40f470893a16ecdf223a1862ca0c297afdcb4a7a02104c8ab3eb938f815d0c7680e404dc7d88666b2fbcfe8a16ac580dd" \
	"e23e023e1cef7aee1520d3e9" \
	" COEFFICIENT="                                                                                                \
	"7e526ff8e04951853410eff5170e8d7bf4be8ac894d3686c80cb7777e45ff7613cdeaf6278995c0728429812be0211278fb582c1" \
	"d8dc560087a44fffdcf9e96c"
/* Of DSA, and of Diffie and Hellman. */
#define PRIME_BASE                                                                                                     \
	" PRIME="                                                                                                      \
	"f3909c3c67892ad0d7959648bc21a6196e7eb665c49de40d39ef4a4dcea23638b4da04a3a0f67c7be687f146db1cb35db17ca444" \
	"5d5e6ed419cc4fecd9a875b893fcd58da2bdd148331019f78b0a54574aa4580697f7ca9be16ce0d9a5eefc12eb82d7d14e765af7" \
	"784f5289e0b71f6d7e53393d06763a9b356f8b0f540688f7" \
	" BASE="                                                                                                       \
	"ac2d03bd48b5f4fe8e15e984d41eb2b0c6cfb52e1baac3dd3080d72f3eb63bdc8e5f9797cabaabde7cce1dd480cb22d333d3a8f4" \
	"329db4b235464dabb523f7b8e66d0c0a32f70d87319fa162ce78f4a88b5a505dbd5bebcc741a6452dc6b4577b9cc47a38219b0e4" \
	"c1ccc21bd958ccc4a2935333b9771a522687c4cdc4ffcf85"
#define SUBPRIME " SUBPRIME=b9354c8bbf90a091106a710b9a88f7d13ef6e256f73b136872e90a05"
#define Y                                                                                                              \
	" VALUE="                                                                                                      \
	"d66e2cbbcc21e7d74bec4f5fd0e77d6815cbc79a0e858e3065994f3cb160ce22f7de90fe0220f41dc7644b683d98f0fb7131941c" \
	"c0278829c5ce8d230923539ac68a432fcb526e2d9749b96c95d835a3bffd20970b1e150c0b333d3e96869e9e34b62a9319cd43a2" \
	"caab928004946049120a36a2a09256cb296b8d4e199fed19"
#define X " VALUE=6b7b679cc3855898ac893fc678366e73e37b3f43ec60794e7f4c7d54"
#define P256 "KEY_TYPE=ec EC_PARAMS=06082a8648ce3d030107"
#define NAME "30103110300e06035504030c0770726f62696e67"

const struct object objects[] = {
	{"data", "CLASS=data PRIVATE=0 APPLICATION='probe OBJECT_ID=06022a03 VALUE=0011223344"},
	{"data-hidden", "CLASS=data PRIVATE=1 VALUE='hidden"},
	{"cert", "CLASS=certificate CERTIFICATE_TYPE=0 PRIVATE=0 ID=c1 SUBJECT=" NAME " ISSUER=" NAME
		 " SERIAL_NUMBER=020101 VALUE=3003020101"},
	{"rsa-pub", "CLASS=public PRIVATE=0 ID=a1 ENCRYPT=1 VERIFY=1 VERIFY_RECOVER=1 WRAP=1 " RSA_PUBLIC},
	{"rsa", "CLASS=private ID=a1 DECRYPT=1 SIGN=1 SIGN_RECOVER=1 UNWRAP=1 SENSITIVE=1 EXTRACTABLE=1 "
		RSA_PUBLIC RSA_PRIVATE},
	{"ec-pub", "CLASS=public PRIVATE=0 ID=e1 VERIFY=1 " P256
		   " EC_POINT=0441047d53b96d934f66184889b114c62aced4a677b02b916f4c9011e251dd6f99"
		   "7109a1b872daffc55058771a4250bd803d86f530a0c5f1a7e5673b80b5fb47ad436d"},
	{"ec", "CLASS=private ID=e1 SIGN=1 DERIVE=1 SENSITIVE=1 EXTRACTABLE=1 " P256
	       " VALUE=d565ccd1157802cb5204f188baa19df10899f60d48629e09f3e47d8eae325311"},
	{"dsa-pub", "CLASS=public PRIVATE=0 ID=d1 VERIFY=1 KEY_TYPE=dsa" PRIME_BASE SUBPRIME Y},
	{"dsa", "CLASS=private ID=d1 SIGN=1 SENSITIVE=1 EXTRACTABLE=1 KEY_TYPE=dsa" PRIME_BASE SUBPRIME X},
	{"dh", "CLASS=private ID=d2 DERIVE=1 SENSITIVE=1 EXTRACTABLE=1 KEY_TYPE=dh" PRIME_BASE X},
	{"domain", "CLASS=domain PRIVATE=0 KEY_TYPE=dsa" PRIME_BASE SUBPRIME},
	{"aes", "CLASS=secret ID=5a KEY_TYPE=aes ENCRYPT=1 DECRYPT=1 SIGN=1 VERIFY=1 WRAP=1 UNWRAP=1 DERIVE=1 "
		"SENSITIVE=1 EXTRACTABLE=1 VALUE=000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"},
	{"aes-open", "CLASS=secret ID=5b KEY_TYPE=aes ENCRYPT=1 SENSITIVE=0 EXTRACTABLE=1 "
		     "VALUE=606162636465666768696a6b6c6d6e6f"},
	{"aes-kept", "CLASS=secret ID=5c KEY_TYPE=aes ENCRYPT=1 SENSITIVE=1 EXTRACTABLE=0 "
		     "VALUE=707172737475767778797a7b7c7d7e7f"},
	{"des3", "CLASS=secret ID=5d KEY_TYPE=des3 ENCRYPT=1 DECRYPT=1 SIGN=1 VERIFY=1 WRAP=1 UNWRAP=1 DERIVE=1 "
		 "SENSITIVE=1 EXTRACTABLE=1 VALUE=0123456789abcdef23456789abcdef01456789abcdef0123"},
	{"generic", "CLASS=secret ID=5e KEY_TYPE=generic SIGN=1 VERIFY=1 DERIVE=1 SENSITIVE=1 EXTRACTABLE=1 "
		    "VALUE=808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f"
		    "a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf"},
};
const size_t n_objects = N(objects);

/* ---- words ---- */

static const struct attribute *attribute(const char *name)
{
	for (size_t i = 0; i < N(attributes); i++)
		if (strcmp(attributes[i].name, name) == 0)
			return &attributes[i];
	fprintf(stderr, "no attribute '%s'\n", name);
	exit(1);
}

static CK_ULONG number(const char *word)
{
	for (size_t i = 0; i < N(numbers); i++)
		if (strcmp(numbers[i].name, word) == 0)
			return numbers[i].value;
	return strtoul(word, NULL, 0);
}

static CK_ULONG add_bytes(struct template *t, const char *word)
{
	CK_ULONG len = 0;
	unsigned byte;

	for (; sscanf(word, "%2x", &byte) == 1; word += 2)
		t->bytes[t->used + len++] = (CK_BYTE)byte;
	return len;
}

static CK_ULONG add_value(struct template *t, enum kind kind, const char *word)
{
	CK_ULONG value = number(word), len = 0;

	if (*word == '\'') {
		len = strlen(++word);
		memcpy(t->bytes + t->used, word, len);
	} else if (kind == BYTES) {
		len = add_bytes(t, word);
	} else if (kind == BOOL) {
		t->bytes[t->used] = value ? CK_TRUE : CK_FALSE;
		len = sizeof(CK_BBOOL);
	} else {
		memcpy(t->bytes + t->used, &value, sizeof(value));
		len = sizeof(value);
	}
	return len;
}

static CK_ULONG find(const struct template *t, CK_ATTRIBUTE_TYPE type)
{
	CK_ULONG at = 0;

	while (at < t->n && t->items[at].type != type)
		at++;
	return at;
}

static void take_out(struct template *t, CK_ATTRIBUTE_TYPE type)
{
	CK_ULONG at = find(t, type);

	if (at < t->n)
		memmove(&t->items[at], &t->items[at + 1], (--t->n - at) * sizeof(t->items[0]));
}

static void set_word(struct template *t, char *word)
{
	bool beside = *word == '+', less = *word == '-';
	char *name = word + (beside || less), *end = name + strcspn(name, "=:!"), how = *end;
	const struct attribute *a;
	CK_ATTRIBUTE *item;

	*end = 0;
	a = attribute(name);
	if (less) {
		take_out(t, a->type);
		return;
	}
	item = &t->items[beside ? t->n : find(t, a->type)];
	t->n += item == &t->items[t->n];
	*item = (CK_ATTRIBUTE){a->type, how == '!' ? NULL : t->bytes + t->used, 8};
	if (how != '!')
		item->ulValueLen = how == '=' ? add_value(t, a->kind, end + 1) : add_bytes(t, end + 1);
	t->used += (item->ulValueLen + 7) / 8 * 8;
}

void set(struct template *t, const char *words)
{
	char *copy = strdup(words), *rest = copy, *word;

	while ((word = next_word(&rest)))
		set_word(t, word);
	free(copy);
}

/* ---- objects ---- */

static CK_OBJECT_HANDLE handles[N(objects)];

static size_t place(const char *name)
{
	for (size_t i = 0; i < N(objects); i++)
		if (strcmp(objects[i].name, name) == 0)
			return i;
	fprintf(stderr, "no object '%s'\n", name);
	exit(1);
}

void set_like(struct template *t, const char *name)
{
	set(t, objects[place(name)].words);
	set(t, "TOKEN=0");
}

void objects_make(void)
{
	for (size_t i = 0; i < N(objects); i++) {
		struct template t = {0};
		CK_OBJECT_HANDLE made;

		probe("object %s", objects[i].name);
		set(&t, objects[i].words);
		set(&t, "TOKEN=1");
		t.items[t.n++] = (CK_ATTRIBUTE){CKA_LABEL, (void *)objects[i].name, strlen(objects[i].name)};
		is(p11->C_CreateObject(session, t.items, t.n, &made));
	}
}

void objects_forget(void)
{
	memset(handles, 0, sizeof(handles));
}

CK_OBJECT_HANDLE object(const char *name)
{
	CK_ATTRIBUTE label = {CKA_LABEL, (void *)name, strlen(name)};
	size_t at = place(name);
	CK_ULONG count;

	if (!handles[at] && p11->C_FindObjectsInit(session, &label, 1) == CKR_OK) {
		p11->C_FindObjects(session, &handles[at], 1, &count);
		p11->C_FindObjectsFinal(session);
	}
	return handles[at];
}

void objects_destroy(void)
{
	for (size_t i = 0; i < N(objects); i++) {
		probe("end of object %s", objects[i].name);
		is(p11->C_DestroyObject(session, object(objects[i].name)));
	}
	probe("end");
}
