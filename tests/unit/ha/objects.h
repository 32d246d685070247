/* SPDX-License-Identifier: Apache-2.0 */
/*
 * objects - every way in which an application makes an object, and how it is seen what came of it.
 *
 * What is made of something else is made of the kit, which the group has: an AES key that wraps and is derived from,
 * two blobs under it, and a private key to derive from. Private keys are 1, so their public halves are the curve's
 * generator.
 */
#ifndef UNIT_HA_OBJECTS_H
#define UNIT_HA_OBJECTS_H

#include "fixture.h"

#define NUM(type, variable) {type, &(variable), sizeof(variable)}
#define TEXT(type, text) {type, (void *)(uintptr_t)(text), sizeof(text) - 1}
#define BYTES(type, array) {type, (void *)(uintptr_t)(array), sizeof(array)}

static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
static CK_ULONG len16 = 16, len32 = 32;
static const CK_BYTE P256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
static const CK_BYTE ONE[32] = {[31] = 1};
static const CK_BYTE GENERATOR[] = {
	0x04, 0x41, 0x04, 0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4,
	0x40, 0xf2, 0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2,
	0x96, 0x4f, 0xe3, 0x42, 0xe2, 0xfe, 0x1a, 0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e, 0x16,
	0x2b, 0xce, 0x33, 0x57, 0x6b, 0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5};
static const CK_BYTE VALUE[] = "an AES key of thirty-two bytes..";
enum { VALUE_LEN = 32 };

/* ---- sessions ---- */

static inline struct ha_session *session_of(struct ha_group *in, CK_FLAGS flags)
{
	struct ha_session *session;

	assert_int_equal(ha_session_open(in, CKF_SERIAL_SESSION | flags, &session), CKR_OK);
	return session;
}

static inline CK_RV call_by(struct ha_session *session, struct p11_call call)
{
	return ha_call(session, &call);
}

/* ---- what is made ---- */

/* Makes one, with more in its template. */
typedef CK_RV way_to_make(struct ha_session *s, const CK_ATTRIBUTE *more, CK_ULONG n, CK_OBJECT_HANDLE *ret);

/* A template, with more behind it. */
struct wish {
	CK_ATTRIBUTE items[32];
	CK_ULONG count;
};

static inline struct wish wish_of(const CK_ATTRIBUTE *items, CK_ULONG count, const CK_ATTRIBUTE *more, CK_ULONG n_more)
{
	struct wish wish = {.count = count + n_more};

	assert_true(wish.count <= COUNT(wish.items));
	memcpy(wish.items, items, count * sizeof(*items));
	if (n_more)
		memcpy(wish.items + count, more, n_more * sizeof(*more));
	return wish;
}

static struct kit {
	CK_OBJECT_HANDLE aes, private, public;
	uint8_t secret_blob[64], private_blob[512];
	CK_ULONG secret_len, private_len;
} kit;

static CK_MECHANISM wrapping = {CKM_AES_KEY_WRAP_PAD, NULL, 0};
static CK_ECDH1_DERIVE_PARAMS with_generator = {CKD_NULL, 0, NULL, sizeof(GENERATOR), (CK_BYTE *)(uintptr_t)GENERATOR};
static CK_MECHANISM ecdh = {CKM_ECDH1_DERIVE, &with_generator, sizeof(with_generator)};
static CK_KEY_DERIVATION_STRING_DATA two_blocks = {(CK_BYTE *)(uintptr_t)VALUE, VALUE_LEN};
static CK_MECHANISM encrypting = {CKM_AES_ECB_ENCRYPT_DATA, &two_blocks, sizeof(two_blocks)};

/* Begins a way: its template t, with more behind it, as a wish. */
#define WAY(name, ...)                                                                                                 \
	static inline CK_RV name(struct ha_session *s, const CK_ATTRIBUTE *more, CK_ULONG n, CK_OBJECT_HANDLE *ret)    \
	{                                                                                                              \
		CK_OBJECT_CLASS secret = CKO_SECRET_KEY, private = CKO_PRIVATE_KEY, public = CKO_PUBLIC_KEY,           \
				data = CKO_DATA, certificate = CKO_CERTIFICATE, domain = CKO_DOMAIN_PARAMETERS;        \
		CK_KEY_TYPE aes = CKK_AES, ec = CKK_EC, dsa = CKK_DSA;                                                 \
		CK_CERTIFICATE_TYPE x509 = CKC_X_509;                                                                  \
		const CK_ATTRIBUTE t[] = {__VA_ARGS__};                                                                \
		const struct wish w = wish_of(t, COUNT(t), more, n);                                                   \
		(void)secret, (void)private, (void)public, (void)data, (void)certificate, (void)domain;                \
		(void)aes, (void)ec, (void)dsa, (void)x509;
#define END }

#define SECRET_USES NUM(CKA_ENCRYPT, yes), NUM(CKA_DECRYPT, yes)

WAY(create_secret, NUM(CKA_CLASS, secret), NUM(CKA_KEY_TYPE, aes), {CKA_VALUE, (void *)(uintptr_t)VALUE, VALUE_LEN},
    SECRET_USES)
	return call_by(s, p11_C_CreateObject(0, w.items, w.count, ret));
END
WAY(create_private, NUM(CKA_CLASS, private), NUM(CKA_KEY_TYPE, ec), BYTES(CKA_EC_PARAMS, P256), BYTES(CKA_VALUE, ONE),
    NUM(CKA_SIGN, yes))
	return call_by(s, p11_C_CreateObject(0, w.items, w.count, ret));
END
WAY(create_public, NUM(CKA_CLASS, public), NUM(CKA_KEY_TYPE, ec), BYTES(CKA_EC_PARAMS, P256),
    BYTES(CKA_EC_POINT, GENERATOR), NUM(CKA_VERIFY, yes))
	return call_by(s, p11_C_CreateObject(0, w.items, w.count, ret));
END
WAY(create_data, NUM(CKA_CLASS, data), TEXT(CKA_APPLICATION, "tests"), TEXT(CKA_VALUE, "some data"))
	return call_by(s, p11_C_CreateObject(0, w.items, w.count, ret));
END
WAY(create_certificate, NUM(CKA_CLASS, certificate), NUM(CKA_CERTIFICATE_TYPE, x509), TEXT(CKA_SUBJECT, "somebody"),
    TEXT(CKA_VALUE, "a certificate"))
	return call_by(s, p11_C_CreateObject(0, w.items, w.count, ret));
END
WAY(create_domain, NUM(CKA_CLASS, domain), NUM(CKA_KEY_TYPE, dsa), TEXT(CKA_PRIME, "p"), TEXT(CKA_SUBPRIME, "q"),
    TEXT(CKA_BASE, "g"))
	return call_by(s, p11_C_CreateObject(0, w.items, w.count, ret));
END
WAY(generate_secret, NUM(CKA_VALUE_LEN, len32), SECRET_USES)
	CK_MECHANISM m = {CKM_AES_KEY_GEN, NULL, 0};
	return call_by(s, p11_C_GenerateKey(0, &m, w.items, w.count, ret));
END
/* The public half is where the private one is, and nobody looks at it. */
WAY(generate_pair, NUM(CKA_SIGN, yes))
	const CK_ATTRIBUTE *token = p11_template_find(more, n, CKA_TOKEN);
	const CK_ATTRIBUTE open[] = {BYTES(CKA_EC_PARAMS, P256), NUM(CKA_VERIFY, yes), token ? *token : t[0]};
	CK_MECHANISM m = {CKM_EC_KEY_PAIR_GEN, NULL, 0};
	CK_OBJECT_HANDLE other;
	return call_by(s, p11_C_GenerateKeyPair(0, &m, open, token ? 3 : 2, w.items, w.count, &other, ret));
END
WAY(unwrap_secret, NUM(CKA_CLASS, secret), NUM(CKA_KEY_TYPE, aes), SECRET_USES)
	return call_by(s, p11_C_UnwrapKey(0, &wrapping, kit.aes, kit.secret_blob, kit.secret_len, w.items, w.count,
					  ret));
END
WAY(unwrap_private, NUM(CKA_CLASS, private), NUM(CKA_KEY_TYPE, ec), NUM(CKA_SIGN, yes))
	return call_by(s, p11_C_UnwrapKey(0, &wrapping, kit.aes, kit.private_blob, kit.private_len, w.items, w.count,
					  ret));
END
WAY(derive_by_ecdh, NUM(CKA_CLASS, secret), NUM(CKA_KEY_TYPE, aes), NUM(CKA_VALUE_LEN, len32), SECRET_USES)
	return call_by(s, p11_C_DeriveKey(0, &ecdh, kit.private, w.items, w.count, ret));
END
WAY(derive_by_aes, NUM(CKA_CLASS, secret), NUM(CKA_KEY_TYPE, aes), NUM(CKA_VALUE_LEN, len16), SECRET_USES)
	return call_by(s, p11_C_DeriveKey(0, &encrypting, kit.aes, w.items, w.count, ret));
END
WAY(copy_secret, TEXT(CKA_LABEL, "copy"))
	return call_by(s, p11_C_CopyObject(0, kit.aes, w.items, w.count, ret));
END
WAY(copy_private, TEXT(CKA_LABEL, "copy"))
	return call_by(s, p11_C_CopyObject(0, kit.private, w.items, w.count, ret));
END
WAY(copy_public, TEXT(CKA_LABEL, "copy"))
	return call_by(s, p11_C_CopyObject(0, kit.public, w.items, w.count, ret));
END

static inline CK_ULONG wrap_into(struct ha_session *s, CK_OBJECT_HANDLE object, uint8_t *blob, CK_ULONG room)
{
	assert_int_equal(call_by(s, p11_C_WrapKey(0, &wrapping, kit.aes, object, blob, &room)), CKR_OK);
	return room;
}

static inline void make_kit(void)
{
	owned(ha_session) struct ha_session *s = session_of(group, CKF_RW_SESSION);
	const CK_ATTRIBUTE wraps[] = {NUM(CKA_TOKEN, yes), NUM(CKA_WRAP, yes), NUM(CKA_UNWRAP, yes), NUM(CKA_DERIVE, yes),
				      NUM(CKA_SENSITIVE, yes), TEXT(CKA_LABEL, "kit")};
	const CK_ATTRIBUTE derives[] = {NUM(CKA_TOKEN, yes), NUM(CKA_DERIVE, yes), NUM(CKA_SENSITIVE, yes),
					TEXT(CKA_LABEL, "kit")};
	const CK_ATTRIBUTE open[] = {NUM(CKA_TOKEN, yes), TEXT(CKA_LABEL, "kit")};
	const CK_ATTRIBUTE leaves = NUM(CKA_EXTRACTABLE, yes);
	CK_OBJECT_HANDLE secret, private;

	kit = (struct kit){0};
	assert_int_equal(create_secret(s, wraps, COUNT(wraps), &kit.aes), CKR_OK);
	assert_int_equal(create_private(s, derives, COUNT(derives), &kit.private), CKR_OK);
	assert_int_equal(create_public(s, open, COUNT(open), &kit.public), CKR_OK);
	assert_int_equal(create_secret(s, &leaves, 1, &secret), CKR_OK);
	assert_int_equal(create_private(s, &leaves, 1, &private), CKR_OK);
	kit.secret_len = wrap_into(s, secret, kit.secret_blob, sizeof(kit.secret_blob));
	kit.private_len = wrap_into(s, private, kit.private_blob, sizeof(kit.private_blob));
}

static int open_kit(void **state)
{
	open_group(state);
	make_kit();
	return 0;
}

#define ON_KIT(f) cmocka_unit_test_setup_teardown(f, open_kit, close_group)

/* The same with a session of the application. */
static struct ha_session *app;

static inline int open_app(void **state)
{
	open_kit(state);
	app = session_of(group, CKF_RW_SESSION);
	return 0;
}

static inline int close_app(void **state)
{
	ha_session_free(app);
	return close_group(state);
}

#define ON_APP(f) cmocka_unit_test_setup_teardown(f, open_app, close_app)

/* ---- the ways ---- */

enum { OWN_PAST, NO_PAST, BASES_PAST };	/* what may be said of always sensitive, never extractable */

static const struct making_way {
	const char *name;
	way_to_make *make;
	CK_OBJECT_CLASS class;
	bool hidden;			/* a private or secret key */
	bool local;			/* CKA_LOCAL */
	int past;
	CK_ULONG value_len;		/* 0 = it has none, or it is not known */
} making_ways[] = {
	{"generate secret", generate_secret, CKO_SECRET_KEY, true, true, OWN_PAST, 32},
	{"generate pair", generate_pair, CKO_PRIVATE_KEY, true, true, OWN_PAST, 0},
	{"create secret", create_secret, CKO_SECRET_KEY, true, false, NO_PAST, 32},
	{"create private", create_private, CKO_PRIVATE_KEY, true, false, NO_PAST, 0},
	{"create public", create_public, CKO_PUBLIC_KEY, false, false, NO_PAST, 0},
	{"create data", create_data, CKO_DATA, false, false, NO_PAST, 0},
	{"create certificate", create_certificate, CKO_CERTIFICATE, false, false, NO_PAST, 0},
	{"create domain parameters", create_domain, CKO_DOMAIN_PARAMETERS, false, false, NO_PAST, 0},
	{"unwrap secret", unwrap_secret, CKO_SECRET_KEY, true, false, NO_PAST, 0},
	{"unwrap private", unwrap_private, CKO_PRIVATE_KEY, true, false, NO_PAST, 0},
	{"derive by ECDH", derive_by_ecdh, CKO_SECRET_KEY, true, false, BASES_PAST, 32},
	{"derive by AES", derive_by_aes, CKO_SECRET_KEY, true, false, BASES_PAST, 16},
	{"copy secret", copy_secret, CKO_SECRET_KEY, true, false, BASES_PAST, 32},
	{"copy private", copy_private, CKO_PRIVATE_KEY, true, false, BASES_PAST, 0},
	{"copy public", copy_public, CKO_PUBLIC_KEY, false, false, NO_PAST, 0},
};

static inline bool is_copy(const struct making_way *way)
{
	return way->make == copy_secret || way->make == copy_private || way->make == copy_public;
}

/* ---- what came of it ---- */

static inline CK_RV read_value(struct ha_group *in, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, void *ret,
			       CK_ULONG *len)
{
	CK_ATTRIBUTE item = {type, ret, *len};
	CK_RV rv = call_in(in, p11_C_GetAttributeValue(0, object, &item, 1));

	*len = item.ulValueLen;
	return rv;
}

static inline bool says(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type)
{
	CK_BBOOL value;
	CK_ULONG len = sizeof(value);

	assert_int_equal(read_value(group, object, type, &value, &len), CKR_OK);
	return value;
}

static inline CK_ULONG number_of(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type)
{
	CK_ULONG value, len = sizeof(value);

	assert_int_equal(read_value(group, object, type, &value, &len), CKR_OK);
	return value;
}

/* What an object does, for any member to do the same: a cipher's block, a signature, the content of what does nothing. */
struct effect {
	uint8_t bytes[64];
	CK_ULONG len;
};

static inline CK_RV effect_of(CK_OBJECT_HANDLE object, CK_OBJECT_CLASS class, struct effect *ret)
{
	static const CK_MECHANISM ecb = {CKM_AES_ECB, NULL, 0}, ecdsa = {CKM_ECDSA, NULL, 0};
	bool secret = class == CKO_SECRET_KEY;
	struct use use;
	CK_RV rv;

	*ret = (struct effect){.len = sizeof(ret->bytes)};
	if (class != CKO_SECRET_KEY && class != CKO_PRIVATE_KEY)
		return read_value(group, object, class == CKO_PUBLIC_KEY ? CKA_EC_PARAMS :
				  class == CKO_DOMAIN_PARAMETERS ? CKA_PRIME : CKA_VALUE, ret->bytes, &ret->len);
	rv = use_begin(secret ? P11_OP_ENCRYPT : P11_OP_SIGN, secret ? &ecb : &ecdsa, object, &use);
	if (rv != CKR_OK)
		return rv;
	rv = use_call(&use, P11_PART_ONCE, VALUE, VALUE_LEN, ret->bytes, &ret->len);
	use_end(&use);
	return rv;
}

static inline void has_effect(CK_OBJECT_HANDLE object, CK_OBJECT_CLASS class, const struct effect *want)
{
	struct effect now;

	assert_int_equal(effect_of(object, class, &now), CKR_OK);
	assert_int_equal(now.len, want->len);
	assert_memory_equal(now.bytes, want->bytes, want->len);
}

/* The kit's keys are for no such use. */
static inline bool shows_effect(const struct making_way *way)
{
	return way->make != copy_private;
}

/* Session objects that a member has, of whomever. */
static inline CK_ULONG guests_on(size_t member)
{
	const CK_ATTRIBUTE template = NUM(CKA_TOKEN, no);
	CK_FUNCTION_LIST *f = fake_functions();
	CK_OBJECT_HANDLE list[256];
	CK_SESSION_HANDLE session;
	CK_ULONG count = 0;

	assert_int_equal(f->C_OpenSession(member, CKF_SERIAL_SESSION, NULL, NULL, &session), CKR_OK);
	assert_int_equal(f->C_FindObjectsInit(session, (CK_ATTRIBUTE *)(uintptr_t)&template, 1), CKR_OK);
	assert_int_equal(f->C_FindObjects(session, list, COUNT(list), &count), CKR_OK);
	f->C_CloseSession(session);
	return count;
}

static inline CK_ULONG guests(void)
{
	CK_ULONG sum = 0;

	for (size_t m = 0; m < RIG_MEMBERS; m++)
		sum += guests_on(m);
	return sum;
}

/* How many objects there are for the application. */
static inline CK_ULONG seen(struct ha_group *in)
{
	owned(mem) CK_OBJECT_HANDLE *list = NULL;
	CK_ULONG count;

	assert_int_equal(find_all(in, NULL, 0, &list, &count), CKR_OK);
	return count;
}

#endif
