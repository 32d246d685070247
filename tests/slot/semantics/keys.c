/* SPDX-License-Identifier: Apache-2.0 */
/* Keys that are generated, wrapped, unwrapped and derived. */
#include <string.h>

#include "semantics.h"

static CK_BYTE iv[16];
static CK_RSA_PKCS_OAEP_PARAMS oaep = {CKM_SHA_1, CKG_MGF1_SHA1, CKZ_DATA_SPECIFIED, NULL, 0};

#define PLAIN(name) #name, {CKM_##name, NULL, 0}
#define WITH(name, parameter, len) #name, {CKM_##name, parameter, len}

/* What a new key says of itself: numbers and flags, and how long its values are. */
static void describe(CK_OBJECT_HANDLE key)
{
	for (size_t i = 0; i < n_attributes; i++) {
		const struct attribute *a = &attributes[i];
		CK_BYTE value[1024];
		CK_ATTRIBUTE item = {a->type, value, sizeof(value)};
		CK_ULONG number = 0;

		if (p11->C_GetAttributeValue(session, key, &item, 1) != CKR_OK)
			continue;
		memcpy(&number, value, a->kind == BYTES ? 0 : item.ulValueLen);
		if (a->kind != BYTES)
			says("%s=%lx", a->name, number);
		else if (a->type == CKA_LABEL || a->type == CKA_ID || a->type == CKA_SUBJECT)
			says("%s:%lu", a->name, item.ulValueLen);
	}
}

/* ---- C_GenerateKey ---- */

static const struct {
	const char *name;
	CK_MECHANISM ck;
	const char *words;
} secret[] = {
	{PLAIN(AES_KEY_GEN), "VALUE_LEN=16"}, {PLAIN(DES_KEY_GEN), ""}, {PLAIN(DES2_KEY_GEN), ""},
	{PLAIN(DES3_KEY_GEN), ""}, {PLAIN(GENERIC_SECRET_KEY_GEN), "VALUE_LEN=32"},
};

static const char *const secret_changes[] = {
	"", "TOKEN=1", "-VALUE_LEN", "VALUE_LEN=0", "VALUE_LEN=17", "VALUE_LEN=24", "VALUE_LEN=100000",
	"VALUE_LEN:10", "CLASS=secret", "CLASS=private", "CLASS=data", "KEY_TYPE=aes", "KEY_TYPE=des3",
	"KEY_TYPE=generic", "VALUE=00", "LABEL='made", "+LABEL='one +LABEL='two", "LABEL!", "ID=0102", "PRIVATE=0",
	"SENSITIVE=0", "SENSITIVE=1", "EXTRACTABLE=0", "EXTRACTABLE=1", "SENSITIVE=1 EXTRACTABLE=0", "ENCRYPT=1",
	"ENCRYPT=0", "SIGN=1", "WRAP=1", "DERIVE=1", "MODIFIABLE=0", "COPYABLE=0", "DESTROYABLE=0", "LOCAL=1",
	"LOCAL=0", "ALWAYS_SENSITIVE=1", "KEY_GEN_MECHANISM=1", "CHECK_VALUE=000000", "TRUSTED=1",
	"WRAP_WITH_TRUSTED=1", "ALWAYS_AUTHENTICATE=1", "ALLOWED_MECHANISMS=8110000000000000", "SIGN:0101", "SIGN:02",
	"TOKEN:", "START_DATE='20260101", "START_DATE='2026", "UNKNOWN=01", "VENDOR=01", "MODULUS_BITS=1024",
	"EC_PARAMS=00",
};

static void generation(void)
{
	static const CK_MECHANISM_TYPE others[] = {CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_RSA_PKCS, CKM_SHA256, CKM_AES_ECB,
						   0x7777};
	CK_OBJECT_HANDLE made;

	for (size_t i = 0; i < N(secret); i++)
		for (size_t n = 0; n < N(secret_changes); n++) {
			struct template t = {0};
			CK_RV rv;

			probe("generate %s, %s", secret[i].name, secret_changes[n]);
			set(&t, secret[i].words);
			set(&t, secret_changes[n]);
			rv = p11->C_GenerateKey(session, (CK_MECHANISM *)&secret[i].ck, t.items, t.n, &made);
			if (is(rv) != CKR_OK)
				continue;
			drop(made);
			describe(made);
		}
	for (size_t i = 0; i < N(others); i++) {
		CK_MECHANISM mechanism = {others[i], NULL, 0};

		probe("generate by 0x%lx", others[i]);
		is(p11->C_GenerateKey(session, &mechanism, NULL, 0, &made));
		is(p11->C_GenerateKeyPair(session, &mechanism, NULL, 0, NULL, 0, &made, &made));
	}
	probe("generate with a parameter");
	is(p11->C_GenerateKey(session, &(CK_MECHANISM){CKM_DES3_KEY_GEN, iv, sizeof(iv)}, NULL, 0, &made));
	probe("generate without a place for the handle");
	is(p11->C_GenerateKey(session, &(CK_MECHANISM){CKM_DES3_KEY_GEN, NULL, 0}, NULL, 0, NULL));
}

/* ---- C_GenerateKeyPair ---- */

static const struct {
	const char *name, *mechanism, *public, *private;
	CK_MECHANISM_TYPE type;
} pairs[] = {
	{"RSA", NULL, "MODULUS_BITS=1024 PUBLIC_EXPONENT=010001", "", CKM_RSA_PKCS_KEY_PAIR_GEN},
	{"EC", NULL, "EC_PARAMS=06082a8648ce3d030107", "", CKM_EC_KEY_PAIR_GEN},
	{"DSA", "domain", "", "", CKM_DSA_KEY_PAIR_GEN},
	{"DH", "dh", "", "", CKM_DH_PKCS_KEY_PAIR_GEN},
};

/* Of the public half, and of the private one. */
static const struct {
	const char *public, *private;
} pair_changes[] = {
	{"", ""}, {"TOKEN=1", "TOKEN=1"}, {"TOKEN=1", "TOKEN=0"}, {"PRIVATE=1", ""}, {"", "PRIVATE=0"},
	{"CLASS=public", "CLASS=private"}, {"CLASS=private", ""}, {"", "CLASS=public"}, {"KEY_TYPE=aes", ""},
	{"", "KEY_TYPE=aes"}, {"KEY_TYPE=rsa", "KEY_TYPE=rsa"}, {"VERIFY=1", "SIGN=1"}, {"SIGN=1", ""},
	{"", "VERIFY=1"}, {"", "SENSITIVE=0"}, {"", "SENSITIVE=1"}, {"", "EXTRACTABLE=1"}, {"", "EXTRACTABLE=0"},
	{"SENSITIVE=1", ""}, {"ID=0102", ""}, {"", "ID=0102"}, {"ID=01", "ID=02"}, {"LABEL='a", "LABEL='b"},
	{"+LABEL='a +LABEL='b", ""}, {"VALUE=00", ""}, {"", "VALUE=00"}, {"LOCAL=1", ""}, {"", "LOCAL=1"},
	{"TRUSTED=1", ""}, {"", "ALWAYS_AUTHENTICATE=1"}, {"", "ALWAYS_AUTHENTICATE=1 PRIVATE=0"},
	{"", "WRAP_WITH_TRUSTED=1"}, {"VERIFY:0101", ""}, {"", "SIGN:"}, {"UNKNOWN=01", ""}, {"", "UNKNOWN=01"},
	{"MODIFIABLE=0", "MODIFIABLE=0"}, {"DESTROYABLE=0", "DESTROYABLE=0"}, {"", "SUBJECT=3000"},
	{"-MODULUS_BITS", ""}, {"-EC_PARAMS", ""}, {"-PRIME", ""}, {"-PUBLIC_EXPONENT", ""},
	{"EC_PARAMS=0603010203", ""}, {"EC_PARAMS=00", ""}, {"EC_PARAMS:", ""}, {"MODULUS_BITS=17", ""},
	{"MODULUS_BITS=100000", ""}, {"PUBLIC_EXPONENT=02", ""}, {"PUBLIC_EXPONENT=03", ""},
	{"", "MODULUS_BITS=1024"}, {"VALUE_LEN=16", ""},
};

static void pair_generation(void)
{
	for (size_t i = 0; i < N(pairs); i++)
		for (size_t n = 0; n < N(pair_changes); n++) {
			struct template open = {0}, hidden = {0};
			CK_MECHANISM mechanism = {pairs[i].type, NULL, 0};
			CK_OBJECT_HANDLE public, private;
			CK_RV rv;

			probe("generate a pair %s, %s; %s", pairs[i].name, pair_changes[n].public,
			      pair_changes[n].private);
			if (pairs[i].mechanism) {
				set_like(&open, pairs[i].mechanism);
				set(&open, "-CLASS -VALUE -PRIVATE -KEY_TYPE -ID -SENSITIVE -EXTRACTABLE -DERIVE");
			}
			set(&open, pairs[i].public);
			set(&open, pair_changes[n].public);
			set(&hidden, pair_changes[n].private);
			rv = p11->C_GenerateKeyPair(session, &mechanism, open.items, open.n, hidden.items, hidden.n,
						    &public, &private);
			if (is(rv) != CKR_OK)
				continue;
			drop(public);
			drop(private);
			describe(public);
			describe(private);
		}
}

/* ---- C_WrapKey, C_UnwrapKey ---- */

static const struct wrapping {
	const char *name;
	CK_MECHANISM ck;
	const char *wraps, *unwraps;
	bool random;
} wrappings[] = {
	{PLAIN(AES_KEY_WRAP), "aes", "aes", false}, {PLAIN(AES_KEY_WRAP_PAD), "aes", "aes", false},
	{WITH(AES_CBC, iv, 16), "aes", "aes", false}, {WITH(AES_CBC_PAD, iv, 16), "aes", "aes", false},
	{PLAIN(RSA_PKCS), "rsa-pub", "rsa", true}, {WITH(RSA_PKCS_OAEP, &oaep, sizeof(oaep)), "rsa-pub", "rsa", true},
	{WITH(DES3_CBC, iv, 8), "des3", "des3", false}, {WITH(DES3_CBC_PAD, iv, 8), "des3", "des3", false},
	{PLAIN(AES_ECB), "aes", "aes", false}, {PLAIN(AES_KEY_GEN), "aes", "aes", false},
	{PLAIN(AES_KEY_WRAP), "rsa-pub", "rsa", false}, {PLAIN(RSA_PKCS), "aes", "aes", false},
	{PLAIN(AES_KEY_WRAP), "generic", "generic", false},
};

static CK_RV wrap(const struct wrapping *w, const char *key, CK_BYTE *out, CK_ULONG *len)
{
	return p11->C_WrapKey(session, (CK_MECHANISM *)&w->ck, object(w->wraps), object(key), out, len);
}

static void wrapping(void)
{
	for (const struct wrapping *w = wrappings; w < wrappings + N(wrappings); w++)
		for (size_t n = 0; n < n_objects; n++) {
			CK_BYTE out[1024];
			CK_ULONG asked = 0, little = 1, len = sizeof(out);

			probe("wrap %s by %s with %s", objects[n].name, w->name, w->wraps);
			is(wrap(w, objects[n].name, NULL, &asked));
			says("%lu", asked);
			is(wrap(w, objects[n].name, out, &little));
			if (is(wrap(w, objects[n].name, out, &len)) != CKR_OK)
				continue;
			/* Of private keys the encoding is the token's. */
			if (w->random)
				says("%lu", len);
			else
				shows(out, len);
		}
}

static const char *const unwrapped[] = {
	"CLASS=secret KEY_TYPE=generic", "CLASS=secret KEY_TYPE=aes", "CLASS=secret KEY_TYPE=aes TOKEN=1",
	"CLASS=secret", "KEY_TYPE=aes", "", "CLASS=private KEY_TYPE=rsa", "CLASS=public KEY_TYPE=rsa", "CLASS=data",
	"CLASS=secret KEY_TYPE=des3", "CLASS=secret KEY_TYPE=aes VALUE_LEN=16", "CLASS=secret KEY_TYPE=aes VALUE=00",
	"CLASS=secret KEY_TYPE=aes LOCAL=1", "CLASS=secret KEY_TYPE=aes SENSITIVE=0 EXTRACTABLE=1",
	"CLASS=secret KEY_TYPE=aes SENSITIVE=1", "CLASS=secret KEY_TYPE=aes PRIVATE=0",
	"CLASS=secret KEY_TYPE=aes TRUSTED=1", "CLASS=secret KEY_TYPE=aes UNKNOWN=01",
	"CLASS=secret KEY_TYPE=aes SIGN:", "CLASS=secret KEY_TYPE=aes +LABEL='a +LABEL='b",
	"CLASS=secret KEY_TYPE=aes MODIFIABLE=0 LABEL='made",
};

static void unwrap(const struct wrapping *w, const char *words, CK_BYTE *in, CK_ULONG len)
{
	struct template t = {0};
	CK_OBJECT_HANDLE made;
	CK_RV rv;

	set(&t, words);
	rv = p11->C_UnwrapKey(session, (CK_MECHANISM *)&w->ck, object(w->unwraps), in, len, t.items, t.n, &made);
	if (is(rv) != CKR_OK)
		return;
	drop(made);
	describe(made);
}

static void unwrapping(void)
{
	for (const struct wrapping *w = wrappings; w < wrappings + N(wrappings); w++) {
		CK_BYTE out[1024] = {0};
		CK_ULONG len = 40;

		for (size_t n = 0; n < N(unwrapped); n++) {
			probe("unwrap by %s with %s, %s", w->name, w->unwraps, unwrapped[n]);
			len = sizeof(out);
			if (wrap(w, "aes-open", out, &len) != CKR_OK)
				len = 40;
			unwrap(w, unwrapped[n], out, len);
		}
		probe("unwrap by %s with %s, damaged", w->name, w->unwraps);
		out[len - 1] ^= 1;
		if (!w->random)
			unwrap(w, unwrapped[1], out, len);
		probe("unwrap by %s with %s, cut short", w->name, w->unwraps);
		unwrap(w, unwrapped[1], out, len - 1);
		probe("unwrap by %s with %s, nothing", w->name, w->unwraps);
		unwrap(w, unwrapped[1], out, 0);
		probe("unwrap by %s with %s, not there", w->name, w->unwraps);
		unwrap(w, unwrapped[1], NULL, 16);
	}
	for (size_t i = 0; i < n_objects; i++) {
		CK_BYTE out[1024] = {0};
		CK_ULONG len = sizeof(out);
		struct template t = {0};
		CK_OBJECT_HANDLE made;
		CK_RV rv;

		probe("wrap %s and unwrap it", objects[i].name);
		if (is(wrap(&wrappings[1], objects[i].name, out, &len)) != CKR_OK)
			continue;
		set_like(&t, objects[i].name);
		set(&t, "-VALUE -MODULUS -PUBLIC_EXPONENT -PRIVATE_EXPONENT -PRIME_1 -PRIME_2 -EXPONENT_1 -EXPONENT_2");
		set(&t, "-COEFFICIENT -EC_PARAMS -PRIME -SUBPRIME -BASE");
		rv = p11->C_UnwrapKey(session, (CK_MECHANISM *)&wrappings[1].ck, object("aes"), out, len, t.items, t.n,
				      &made);
		if (is(rv) == CKR_OK)
			describe(made);
	}
}

/* ---- C_DeriveKey ---- */

static CK_BYTE point[65] = {
	0x04, 0x7d, 0x53, 0xb9, 0x6d, 0x93, 0x4f, 0x66, 0x18, 0x48, 0x89, 0xb1, 0x14, 0xc6, 0x2a, 0xce,
	0xd4, 0xa6, 0x77, 0xb0, 0x2b, 0x91, 0x6f, 0x4c, 0x90, 0x11, 0xe2, 0x51, 0xdd, 0x6f, 0x99, 0x71,
	0x09, 0xa1, 0xb8, 0x72, 0xda, 0xff, 0xc5, 0x50, 0x58, 0x77, 0x1a, 0x42, 0x50, 0xbd, 0x80, 0x3d,
	0x86, 0xf5, 0x30, 0xa0, 0xc5, 0xf1, 0xa7, 0xe5, 0x67, 0x3b, 0x80, 0xb5, 0xfb, 0x47, 0xad, 0x43,
	0x6d,
}, prime_base[128] = {2}, plain[16] = "sixteen bytes..";
static CK_ECDH1_DERIVE_PARAMS ecdh = {CKD_NULL, 0, NULL, sizeof(point), point},
			      ecdh_kdf = {CKD_SHA1_KDF, 0, NULL, sizeof(point), point},
			      ecdh_short = {CKD_NULL, 0, NULL, 10, point}, ecdh_none = {CKD_NULL, 0, NULL, 0, NULL},
			      ecdh_null = {CKD_NULL, 0, NULL, sizeof(point), NULL},
			      ecdh_shared = {CKD_NULL, 4, plain, sizeof(point), point};
static CK_KEY_DERIVATION_STRING_DATA text = {plain, sizeof(plain)}, text_short = {plain, 15}, text_null = {NULL, 16};
static CK_AES_CBC_ENCRYPT_DATA_PARAMS aes_cbc = {{0}, plain, sizeof(plain)};
static CK_DES_CBC_ENCRYPT_DATA_PARAMS des_cbc = {{0}, plain, sizeof(plain)};

static const struct {
	const char *what, *name;
	CK_MECHANISM ck;
} derivations[] = {
#define HOW(what, name, parameter) {what, WITH(name, &(parameter), sizeof(parameter))}
	HOW("", ECDH1_DERIVE, ecdh), HOW("a KDF", ECDH1_DERIVE, ecdh_kdf),
	HOW("half a point", ECDH1_DERIVE, ecdh_short),
	HOW("no point", ECDH1_DERIVE, ecdh_none), HOW("a point that is not there", ECDH1_DERIVE, ecdh_null),
	HOW("shared data", ECDH1_DERIVE, ecdh_shared), {"no parameter", PLAIN(ECDH1_DERIVE)},
	HOW("", DH_PKCS_DERIVE, prime_base), {"no parameter", PLAIN(DH_PKCS_DERIVE)},
	HOW("", AES_ECB_ENCRYPT_DATA, text), HOW("15 bytes", AES_ECB_ENCRYPT_DATA, text_short),
	HOW("bytes that are not there", AES_ECB_ENCRYPT_DATA, text_null), {"no parameter", PLAIN(AES_ECB_ENCRYPT_DATA)},
	HOW("", AES_CBC_ENCRYPT_DATA, aes_cbc), HOW("", DES3_ECB_ENCRYPT_DATA, text),
	HOW("", DES3_CBC_ENCRYPT_DATA, des_cbc),
	{"", PLAIN(AES_ECB)}, {"", "0x7777", {0x7777, NULL, 0}},
};

static const char *const bases[] = {"ec", "ec-pub", "dh", "rsa", "aes", "aes-open", "des3", "generic", "data"};

static const char *const derived[] = {
	"CLASS=secret KEY_TYPE=generic VALUE_LEN=16 SENSITIVE=0 EXTRACTABLE=1",
	"CLASS=secret KEY_TYPE=aes VALUE_LEN=16", "CLASS=secret KEY_TYPE=aes", "CLASS=secret KEY_TYPE=generic",
	"CLASS=secret", "KEY_TYPE=aes VALUE_LEN=16", "", "CLASS=secret KEY_TYPE=des3", "CLASS=secret KEY_TYPE=rsa",
	"CLASS=private KEY_TYPE=rsa", "CLASS=secret KEY_TYPE=generic VALUE_LEN=1000",
	"CLASS=secret KEY_TYPE=generic VALUE_LEN=0", "CLASS=secret KEY_TYPE=aes VALUE_LEN=17",
	"CLASS=secret KEY_TYPE=aes VALUE_LEN=16 VALUE=00", "CLASS=secret KEY_TYPE=aes VALUE_LEN=16 TOKEN=1",
	"CLASS=secret KEY_TYPE=aes VALUE_LEN=16 LOCAL=1", "CLASS=secret KEY_TYPE=aes VALUE_LEN=16 UNKNOWN=01",
	"CLASS=secret KEY_TYPE=aes VALUE_LEN=16 PRIVATE=0", "CLASS=secret KEY_TYPE=aes VALUE_LEN=16 SIGN:",
	"CLASS=secret KEY_TYPE=generic VALUE_LEN:10",
};

static void derive(size_t how, const char *base, const char *words)
{
	struct template t = {0};
	CK_BYTE value[64];
	CK_ATTRIBUTE read = {CKA_VALUE, value, sizeof(value)};
	CK_OBJECT_HANDLE made;
	CK_RV rv;

	probe("derive by %s%s%s from %s, %s", derivations[how].name, *derivations[how].what ? ", " : "",
	      derivations[how].what, base, words);
	set(&t, words);
	rv = p11->C_DeriveKey(session, (CK_MECHANISM *)&derivations[how].ck, object(base), t.items, t.n, &made);
	if (is(rv) != CKR_OK)
		return;
	drop(made);
	describe(made);
	if (p11->C_GetAttributeValue(session, made, &read, 1) == CKR_OK)
		shows(value, read.ulValueLen);
}

static void derivation(void)
{
	static const struct {
		size_t how;
		const char *base;
	} good[] = {{0, "ec"}, {7, "dh"}, {9, "aes"}, {14, "des3"}};

	for (size_t i = 0; i < N(derivations); i++)
		for (size_t n = 0; n < N(bases); n++)
			derive(i, bases[n], derived[0]);
	for (size_t i = 0; i < N(good); i++)
		for (size_t n = 1; n < N(derived); n++)
			derive(good[i].how, good[i].base, derived[n]);
}

void probe_keys(void)
{
	generation();
	pair_generation();
	wrapping();
	unwrapping();
	derivation();
}
