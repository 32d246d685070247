/* SPDX-License-Identifier: Apache-2.0 */
/* Objects of every class, made in every way: what applications see of them, and what is refused. */
#include "objects.h"

static const CK_ATTRIBUTE in_token = NUM(CKA_TOKEN, yes), in_session = NUM(CKA_TOKEN, no);

/* What each says of itself, of its place and of its past (PKCS#11 v3.0 sections 4.4 to 4.10). */
static void looks_as_it_should(const struct making_way *way, CK_OBJECT_HANDLE object, bool token)
{
	CK_ULONG len = 0;

	assert_int_equal(number_of(object, CKA_CLASS), way->class);
	assert_int_equal(says(object, CKA_TOKEN), token);
	assert_true(says(object, CKA_MODIFIABLE));
	assert_true(says(object, CKA_DESTROYABLE));
	if (way->class == CKO_DATA || way->class == CKO_CERTIFICATE || way->class == CKO_DOMAIN_PARAMETERS)
		return;
	assert_int_equal(says(object, CKA_LOCAL), way->local);
	if (way->make == generate_secret)
		assert_int_equal(number_of(object, CKA_KEY_GEN_MECHANISM), CKM_AES_KEY_GEN);
	else if (way->make == generate_pair)
		assert_int_equal(number_of(object, CKA_KEY_GEN_MECHANISM), CKM_EC_KEY_PAIR_GEN);
	else
		assert_int_equal(number_of(object, CKA_KEY_GEN_MECHANISM), CK_UNAVAILABLE_INFORMATION);
	if (way->value_len)
		assert_int_equal(number_of(object, CKA_VALUE_LEN), way->value_len);
	/* No mark of ours is shown where there is no need for one; of the originals there is. */
	assert_int_equal(read_value(group, object, CKA_ID, NULL, &len), CKR_OK);
	if (!token && !is_copy(way))
		assert_int_equal(len, 0);
}

static void each_is_made_for_a_session_and_for_the_group(void **state)
{
	(void)state;
	for (size_t w = 0; w < COUNT(making_ways); w++) {
		const struct making_way *way = &making_ways[w];

		for (int token = 0; token < 2; token++) {
			struct ha_session *s = session_of(group, CKF_RW_SESSION);
			struct ha_group *other = another_group();
			CK_ULONG before = seen(other), mine = seen(group);
			CK_OBJECT_HANDLE object = CK_INVALID_HANDLE;
			struct effect effect;

			assert_int_equal(way->make(s, token ? &in_token : &in_session, 1, &object), CKR_OK);
			looks_as_it_should(way, object, token);
			if (shows_effect(way))
				assert_int_equal(effect_of(object, way->class, &effect), CKR_OK);
			assert_true(seen(group) > mine);
			assert_int_equal(seen(other) > before, token);
			rig_in_sync();
			assert_int_equal(destroy(object), CKR_OK);
			assert_int_equal(destroy(object), CKR_OBJECT_HANDLE_INVALID);
			ha_session_free(s);
			rig_in_sync();
			assert_int_equal(guests(), 0);
			ha_group_free(other);
		}
	}
}

/* ---- its past ---- */

static void says_of_its_past(const struct making_way *way, bool sensitive, bool extractable, bool base_always,
			     bool base_never)
{
	const CK_ATTRIBUTE more[] = {NUM(CKA_TOKEN, no),
				     {CKA_SENSITIVE, sensitive ? &yes : &no, 1},
				     {CKA_EXTRACTABLE, extractable ? &yes : &no, 1}};
	bool own = way->past == OWN_PAST, bases = way->past == BASES_PAST;

	for (int token = 0; token < 2; token++) {
		struct ha_session *s = session_of(group, CKF_RW_SESSION);
		struct wish w = wish_of(more, COUNT(more), NULL, 0);
		CK_OBJECT_HANDLE object;
		CK_ULONG len = 0;

		w.items[0] = token ? in_token : in_session;
		assert_int_equal(way->make(s, w.items, w.count, &object), CKR_OK);
		assert_int_equal(says(object, CKA_SENSITIVE), sensitive);
		assert_int_equal(says(object, CKA_EXTRACTABLE), extractable);
		assert_int_equal(says(object, CKA_ALWAYS_SENSITIVE), sensitive && (own || (bases && base_always)));
		assert_int_equal(says(object, CKA_NEVER_EXTRACTABLE), !extractable && (own || (bases && base_never)));
		assert_int_equal(read_value(group, object, CKA_VALUE, NULL, &len),
				 sensitive || !extractable ? CKR_ATTRIBUTE_SENSITIVE : CKR_OK);
		assert_int_equal(destroy(object), CKR_OK);
		ha_session_free(s);
	}
}

/* What was always so can only be said of what was never anywhere else (PKCS#11 v3.0 sections 4.9, 4.10, 5.18). */
static void a_past_is_told_as_far_as_it_is_known(void **state)
{
	(void)state;
	for (size_t w = 0; w < COUNT(making_ways); w++)
		for (int n = 0; n < 4 && making_ways[w].hidden && !is_copy(&making_ways[w]); n++)
			says_of_its_past(&making_ways[w], n & 2, n & 1, false, false);
}

static void a_past_goes_on_in_what_is_made_of_it(void **state)
{
	struct ha_session *s = session_of(group, CKF_RW_SESSION);
	const CK_ATTRIBUTE more[] = {NUM(CKA_TOKEN, yes), NUM(CKA_SENSITIVE, yes), NUM(CKA_DERIVE, yes),
				     NUM(CKA_WRAP, yes), NUM(CKA_UNWRAP, yes)};
	const CK_ATTRIBUTE leaves = NUM(CKA_EXTRACTABLE, yes);
	static const struct making_way derived = {.make = derive_by_aes, .past = BASES_PAST},
				       unwrapped = {.make = unwrap_secret, .past = NO_PAST};
	CK_OBJECT_HANDLE copy, key;

	(void)state;
	assert_int_equal(generate_secret(s, more, COUNT(more), &kit.aes), CKR_OK);
	assert_true(says(kit.aes, CKA_ALWAYS_SENSITIVE));
	assert_true(says(kit.aes, CKA_NEVER_EXTRACTABLE));
	for (int n = 0; n < 4; n++)
		says_of_its_past(&derived, n & 2, n & 1, true, true);
	/* The key that unwraps is no part of what it unwraps. */
	assert_int_equal(create_secret(s, &leaves, 1, &key), CKR_OK);
	kit.secret_len = wrap_into(s, key, kit.secret_blob, sizeof(kit.secret_blob));
	for (int n = 0; n < 4; n++)
		says_of_its_past(&unwrapped, n & 2, n & 1, true, true);
	for (int token = 0; token < 2; token++) {
		assert_int_equal(copy_secret(s, token ? &in_token : &in_session, 1, &copy), CKR_OK);
		assert_true(says(copy, CKA_LOCAL));
		assert_true(says(copy, CKA_ALWAYS_SENSITIVE));
		assert_true(says(copy, CKA_NEVER_EXTRACTABLE));
		assert_int_equal(number_of(copy, CKA_KEY_GEN_MECHANISM), CKM_AES_KEY_GEN);
	}
	ha_session_free(s);
}

static void what_is_not_said_is_as_the_standard_says(void **state)
{
	struct ha_session *s = session_of(group, CKF_RW_SESSION);

	(void)state;
	for (size_t w = 0; w < COUNT(making_ways); w++) {
		const struct making_way *way = &making_ways[w];
		CK_OBJECT_HANDLE object;
		CK_ULONG len = 0;

		if (is_copy(way))
			continue;
		assert_int_equal(way->make(s, NULL, 0, &object), CKR_OK);
		assert_false(says(object, CKA_TOKEN));
		assert_true(says(object, CKA_COPYABLE));
		assert_int_equal(says(object, CKA_PRIVATE), way->hidden || way->class == CKO_DATA);
		assert_int_equal(read_value(group, object, CKA_LABEL, NULL, &len), CKR_OK);
		assert_int_equal(len, 0);
		if (way->hidden)
			assert_false(says(object, CKA_EXTRACTABLE));
		if (way->class == CKO_CERTIFICATE)
			assert_int_equal(number_of(object, CKA_CERTIFICATE_CATEGORY), 0);
	}
	ha_session_free(s);
}

/* ---- refusals ---- */

/* All that there is, of which a refusal changes nothing. */
struct there {
	uint64_t changes;
	CK_ULONG guests, seen;
};

static struct there look(void)
{
	return (struct there){rig_changes(), guests(), seen(group)};
}

static void nothing_came_of_it(const struct there *before)
{
	const struct there now = look();

	assert_int_equal(now.changes, before->changes);
	assert_int_equal(now.guests, before->guests);
	assert_int_equal(now.seen, before->seen);
}

static CK_BYTE nothing[1];
static CK_MECHANISM_TYPE some_type = CKM_AES_ECB;
static const struct refusal {
	CK_ATTRIBUTE item;
	way_to_make *only; /* NULL = all */
	CK_RV rv;
} refusals[] = {
    {{CKA_MECHANISM_TYPE, &some_type, sizeof(some_type)}, NULL, CKR_ATTRIBUTE_TYPE_INVALID},
    {{CKA_UNIQUE_ID, nothing, 1}, NULL, CKR_ATTRIBUTE_READ_ONLY},
    {{CKA_PRIVATE, nothing, 0}, NULL, CKR_ATTRIBUTE_VALUE_INVALID},
    {{CKA_LOCAL, &yes, 1}, create_secret, CKR_ATTRIBUTE_READ_ONLY},
    {{CKA_LOCAL, &yes, 1}, create_public, CKR_ATTRIBUTE_READ_ONLY},
    {{CKA_LOCAL, &yes, 1}, generate_secret, CKR_ATTRIBUTE_READ_ONLY},
    {{CKA_LOCAL, &yes, 1}, unwrap_secret, CKR_ATTRIBUTE_READ_ONLY},
    {{CKA_LOCAL, &yes, 1}, derive_by_aes, CKR_ATTRIBUTE_READ_ONLY},
    {{CKA_LOCAL, &yes, 1}, copy_secret, CKR_ATTRIBUTE_READ_ONLY},
    {{CKA_VALUE, (CK_BYTE *)(uintptr_t)VALUE, VALUE_LEN}, generate_secret, CKR_ATTRIBUTE_READ_ONLY},
    {{CKA_VALUE, (CK_BYTE *)(uintptr_t)VALUE, VALUE_LEN}, unwrap_secret, CKR_ATTRIBUTE_READ_ONLY},
    {{CKA_VALUE, (CK_BYTE *)(uintptr_t)VALUE, VALUE_LEN}, derive_by_ecdh, CKR_ATTRIBUTE_READ_ONLY},
    {{CKA_VALUE, (CK_BYTE *)(uintptr_t)VALUE, VALUE_LEN}, copy_secret, CKR_ATTRIBUTE_READ_ONLY},
    {{CKA_VALUE_LEN, &len32, sizeof(len32)}, create_secret, CKR_ATTRIBUTE_READ_ONLY},
    {{CKA_VALUE_LEN, &len32, sizeof(len32)}, unwrap_secret, CKR_ATTRIBUTE_READ_ONLY},
    {{CKA_TRUSTED, &yes, 1}, create_secret, CKR_ATTRIBUTE_READ_ONLY},
    {{CKA_TRUSTED, &yes, 1}, create_certificate, CKR_ATTRIBUTE_READ_ONLY},
    {{CKA_ENCRYPT, &no, 1}, create_secret, CKR_TEMPLATE_INCONSISTENT},
    {{CKA_ENCRYPT, &no, 1}, generate_secret, CKR_TEMPLATE_INCONSISTENT},
    {{CKA_ENCRYPT, &yes, 1}, create_private, CKR_ATTRIBUTE_TYPE_INVALID},
    {{CKA_VALUE, NULL, 0}, create_certificate, CKR_TEMPLATE_INCONSISTENT},
    {{CKA_SENSITIVE, &no, 1}, copy_secret, CKR_ATTRIBUTE_READ_ONLY},
    {{CKA_EXTRACTABLE, &yes, 1}, copy_secret, CKR_ATTRIBUTE_READ_ONLY},
    {{CKA_EXTRACTABLE, &yes, 1}, copy_public, CKR_ATTRIBUTE_TYPE_INVALID},
    {{CKA_PRIVATE, &no, 1}, copy_secret, CKR_TEMPLATE_INCONSISTENT},
};

static void a_template_that_is_refused_leaves_nothing(void **state)
{
	struct ha_session *s = session_of(group, CKF_RW_SESSION);
	const struct there before = look();

	(void)state;
	for (size_t r = 0; r < COUNT(refusals); r++)
		for (size_t w = 0; w < COUNT(making_ways); w++) {
			CK_OBJECT_HANDLE object = 4711;

			if (refusals[r].only && refusals[r].only != making_ways[w].make)
				continue;
			for (int token = 0; token < 2; token++) {
				const CK_ATTRIBUTE more[] = {token ? in_token : in_session, refusals[r].item};
				CK_RV rv = making_ways[w].make(s, more, 2, &object);

				if (rv != refusals[r].rv)
					print_message("%s, refusal %zu\n", making_ways[w].name, r);
				assert_int_equal(rv, refusals[r].rv);
				assert_int_equal(object, 4711);
				nothing_came_of_it(&before);
			}
		}
	ha_session_free(s);
}

/* The members refuse it, and nobody else can know why. */
static void what_the_members_refuse_leaves_nothing(void **state)
{
	static const enum p11_fn functions[] = {P11_C_GenerateKey,	P11_C_GenerateKeyPair, P11_C_UnwrapKey,
						P11_C_DeriveKey,	P11_C_WrapKey,	       P11_C_CreateObject,
						P11_C_GetAttributeValue};
	struct ha_session *s = session_of(group, CKF_RW_SESSION);

	(void)state;
	for (size_t w = 0; w < COUNT(making_ways); w++)
		for (int token = 0; token < 2; token++)
			for (size_t f = 0; f < COUNT(functions); f++) {
				struct there before;
				CK_OBJECT_HANDLE object;
				CK_RV rv;

				look_again();
				before = look();
				for (size_t m = 0; m < RIG_MEMBERS; m++)
					for (unsigned n = 1; n <= 4; n++)
						fake_fail(m, functions[f], n, CKR_ATTRIBUTE_VALUE_INVALID, FAKE_BEFORE);
				rv = making_ways[w].make(s, token ? &in_token : &in_session, 1, &object);
				for (size_t m = 0; m < RIG_MEMBERS; m++)
					fake_heal(m);
				if (rv == CKR_OK) {
					assert_int_equal(destroy(object), CKR_OK);
				} else if (!token) {
					nothing_came_of_it(&before);
				} else {
					rig_settles();
					assert_true(seen(group) - before.seen <= (rv == CKR_FUNCTION_FAILED));
				}
			}
	ha_session_free(s);
}

static void who_may_not_write_makes_nothing_for_the_group(void **state)
{
	const struct there before = look();

	(void)state;
	for (size_t w = 0; w < COUNT(making_ways); w++) {
		struct ha_session *s = session_of(group, 0);
		CK_OBJECT_HANDLE object;

		assert_int_equal(making_ways[w].make(s, &in_token, 1, &object), CKR_SESSION_READ_ONLY);
		nothing_came_of_it(&before);
		assert_int_equal(making_ways[w].make(s, &in_session, 1, &object), CKR_OK);
		assert_int_equal(call_by(s, p11_C_DestroyObject(0, object)), CKR_OK);
		ha_session_free(s);
		nothing_came_of_it(&before);
	}
}

/* Without a login there is what is public, for the session. */
static void who_did_not_log_in_makes_public_objects_of_a_session(void **state)
{
	const CK_ATTRIBUTE open = NUM(CKA_PRIVATE, no), closed = NUM(CKA_PRIVATE, yes);
	struct ha_session *s = session_of(group, CKF_RW_SESSION);
	CK_OBJECT_HANDLE object;
	CK_ULONG before;

	(void)state;
	assert_int_equal(ha_logout(group), CKR_OK);
	before = seen(group);
	for (size_t w = 0; w < COUNT(making_ways); w++) {
		const struct making_way *way = &making_ways[w];
		const CK_ATTRIBUTE token[] = {open, in_token}, here[] = {open, in_session};
		bool of_ours = way->make == unwrap_secret || way->make == unwrap_private ||
			       way->make == derive_by_ecdh || way->make == derive_by_aes || way->make == copy_secret ||
			       way->make == copy_private;
		bool alone = way->make == copy_public || !way->hidden;
		CK_RV rv = way->make(s, &closed, 1, &object);

		assert_true(rv == CKR_USER_NOT_LOGGED_IN || (of_ours && rv != CKR_OK));
		rv = way->make(s, token, 2, &object);
		assert_true(rv == CKR_USER_NOT_LOGGED_IN || (of_ours && rv != CKR_OK));
		/* What is not said may be private. */
		if (!is_copy(way))
			assert_int_not_equal(way->make(s, &in_session, 1, &object), CKR_OK);
		rv = way->make(s, here, 2, &object);
		if (alone)
			assert_int_equal(rv, CKR_OK);
		if (of_ours)
			assert_int_not_equal(rv, CKR_OK);
		if (rv == CKR_OK)
			assert_int_equal(call_by(s, p11_C_DestroyObject(0, object)), CKR_OK);
		assert_int_equal(seen(group), before + (way->make == generate_pair && rv == CKR_OK));
		before = seen(group);
	}
	ha_session_free(s);
	assert_int_equal(guests(), 0);
}

/* ---- what it is made of ---- */

static void what_is_no_key_for_it_is_named_as_such(void **state)
{
	struct ha_session *s = session_of(group, CKF_RW_SESSION);
	CK_OBJECT_CLASS class = CKO_SECRET_KEY;
	CK_KEY_TYPE type = CKK_AES;
	const CK_ATTRIBUTE t[] = {NUM(CKA_CLASS, class), NUM(CKA_KEY_TYPE, type)};
	const CK_ATTRIBUTE for_nothing = NUM(CKA_UNWRAP, no);
	CK_MECHANISM unknown = {CKM_VENDOR_DEFINED, NULL, 0}, digest = {CKM_SHA256, NULL, 0};
	CK_OBJECT_HANDLE plain, data, object;
	uint8_t *blob = kit.secret_blob;
	CK_ULONG len = kit.secret_len;
	struct there before;

	(void)state;
	assert_int_equal(generate_secret(s, &for_nothing, 1, &plain), CKR_OK);
	assert_int_equal(create_data(s, NULL, 0, &data), CKR_OK);
	before = look();
#define UNWRAP(m, by, bytes, n) call_by(s, p11_C_UnwrapKey(0, m, by, bytes, n, t, 2, &object))
	assert_int_equal(UNWRAP(&wrapping, 4711, blob, len), CKR_UNWRAPPING_KEY_HANDLE_INVALID);
	assert_int_equal(UNWRAP(&wrapping, kit.private, blob, len), CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT);
	assert_int_equal(UNWRAP(&wrapping, plain, blob, len), CKR_KEY_FUNCTION_NOT_PERMITTED);
	assert_int_equal(UNWRAP(&unknown, kit.aes, blob, len), CKR_MECHANISM_INVALID);
	assert_int_equal(UNWRAP(&digest, kit.aes, blob, len), CKR_MECHANISM_INVALID);
	assert_int_equal(UNWRAP(&wrapping, kit.aes, blob, len - 1), CKR_WRAPPED_KEY_LEN_RANGE);
#define DERIVE(m, by) call_by(s, p11_C_DeriveKey(0, m, by, t, 2, &object))
	assert_int_equal(DERIVE(&encrypting, 4711), CKR_KEY_HANDLE_INVALID);
	assert_int_equal(DERIVE(&encrypting, kit.private), CKR_KEY_TYPE_INCONSISTENT);
	assert_int_equal(DERIVE(&encrypting, plain), CKR_KEY_FUNCTION_NOT_PERMITTED);
	assert_int_equal(DERIVE(&unknown, kit.aes), CKR_MECHANISM_INVALID);
	assert_int_equal(DERIVE(&wrapping, kit.aes), CKR_MECHANISM_INVALID);
	assert_int_equal(call_by(s, p11_C_CopyObject(0, 4711, NULL, 0, &object)), CKR_OBJECT_HANDLE_INVALID);
	nothing_came_of_it(&before);
	ha_session_free(s);
}

/* SoftHSM assumes nothing of what it derives, the standard a generic secret. */
static void what_is_derived_need_not_say_what_it_is(void **state)
{
	struct ha_session *s = session_of(group, CKF_RW_SESSION);

	(void)state;
	for (int token = 0; token < 2; token++) {
		const CK_ATTRIBUTE t[] = {token ? in_token : in_session, NUM(CKA_VALUE_LEN, len32), NUM(CKA_SIGN, yes)};
		CK_OBJECT_HANDLE object;

		assert_int_equal(call_by(s, p11_C_DeriveKey(0, &ecdh, kit.private, t, COUNT(t), &object)), CKR_OK);
		assert_int_equal(number_of(object, CKA_CLASS), CKO_SECRET_KEY);
		assert_int_equal(number_of(object, CKA_KEY_TYPE), CKK_GENERIC_SECRET);
		assert_int_equal(sign(object, NULL), CKR_OK);
	}
	ha_session_free(s);
}

/* Its class goes without saying, whatever else is said. */
static void what_is_derived_may_say_its_type_alone(void **state)
{
	struct ha_session *s = session_of(group, CKF_RW_SESSION);
	CK_KEY_TYPE aes = CKK_AES;
	const CK_ATTRIBUTE t[] = {NUM(CKA_KEY_TYPE, aes), NUM(CKA_VALUE_LEN, len16)};
	CK_OBJECT_HANDLE object;

	(void)state;
	assert_int_equal(call_by(s, p11_C_DeriveKey(0, &ecdh, kit.private, t, COUNT(t), &object)), CKR_OK);
	assert_int_equal(number_of(object, CKA_CLASS), CKO_SECRET_KEY);
	assert_int_equal(number_of(object, CKA_KEY_TYPE), CKK_AES);
	ha_session_free(s);
}

/* Tokens refuse codes of authentication by keys shorter than the hash: such a key is shown to be the one that was made
 * by its wrapped form. */
static void a_short_secret_that_may_sign_is_kept(void **state)
{
	struct ha_session *s = session_of(group, CKF_RW_SESSION);
	CK_OBJECT_CLASS class = CKO_SECRET_KEY;
	CK_KEY_TYPE generic = CKK_GENERIC_SECRET;

	(void)state;
	for (CK_ULONG len = 1; len < 34; len += 5) {
		const CK_ATTRIBUTE t[] = {NUM(CKA_CLASS, class), NUM(CKA_KEY_TYPE, generic), NUM(CKA_SIGN, yes),
					  in_token, {CKA_VALUE, (void *)(uintptr_t)VALUE, len}};
		CK_OBJECT_HANDLE object;

		assert_int_equal(call_by(s, p11_C_CreateObject(0, t, COUNT(t), &object)), CKR_OK);
		rig_in_sync();
	}
	ha_session_free(s);
}

/* A member calls what it is made of by another name now, and its host is the same. */
static void what_it_is_made_of_was_made_anew_on_the_members(void **state)
{
	static way_to_make *const ways[] = {unwrap_secret, derive_by_aes, copy_secret};
	struct ha_session *s = session_of(group, CKF_RW_SESSION);

	(void)state;
	for (size_t w = 0; w < COUNT(ways); w++)
		for (int token = 0; token < 2; token++) {
			CK_OBJECT_HANDLE object;

			assert_int_equal(ways[w](s, token ? &in_token : &in_session, 1, &object), CKR_OK);
			assert_int_equal(destroy(object), CKR_OK);
			for (size_t m = 0; m < RIG_MEMBERS; m++) {
				uint8_t id[UID_LEN];
				CK_ULONG len = sizeof(id);

				assert_int_equal(read_value(group, kit.aes, CKA_ID, id, &len), CKR_OK);
				rig_destroy(m, rig_object(m, CKO_SECRET_KEY, id, UID_LEN, NULL));
				rig_heals();
			}
			assert_int_equal(ways[w](s, token ? &in_token : &in_session, 1, &object), CKR_OK);
			assert_int_equal(destroy(object), CKR_OK);
		}
	ha_session_free(s);
}

/* The first member lacks it, another one has it. */
static void what_it_is_made_of_is_missing_on_one_member(void **state)
{
	static way_to_make *const ways[] = {unwrap_secret, derive_by_aes, copy_secret};
	struct ha_session *s = session_of(group, CKF_RW_SESSION);
	uint8_t id[UID_LEN];
	CK_ULONG len = sizeof(id);

	(void)state;
	assert_int_equal(read_value(group, kit.aes, CKA_ID, id, &len), CKR_OK);
	for (size_t w = 0; w < COUNT(ways); w++)
		for (int token = 0; token < 2; token++)
			for (size_t m = 0; m < RIG_MEMBERS; m++) {
				CK_OBJECT_HANDLE object;

				rig_destroy(m, rig_object(m, CKO_SECRET_KEY, id, UID_LEN, NULL));
				assert_int_equal(ways[w](s, token ? &in_token : &in_session, 1, &object), CKR_OK);
				assert_int_equal(destroy(object), CKR_OK);
				rig_heals();
			}
	ha_session_free(s);
}

/* ---- members are lost ---- */

/* Whatever is said of it is so, once all are back: it is there for everybody, or nothing of it is. */
static bool make_while_lost(struct ha_session *s, const struct making_way *way, uint32_t lost, unsigned message,
			    enum rig_when when)
{
	CK_ULONG before = seen(group);
	CK_OBJECT_HANDLE object;
	bool came, few = __builtin_popcount(lost) == 1;
	CK_RV rv;

	for (size_t m = 0; m < RIG_MEMBERS; m++)
		if (lost & 1u << m)
			rig_lose(m, message, when);
	rv = way->make(s, &in_token, 1, &object);
	came = rig_came();
	away(0);
	rig_settles();
	look_again();
	if (rv == CKR_OK) {
		assert_true(says(object, CKA_TOKEN));
		assert_int_equal(destroy(object), CKR_OK);
		assert_int_equal(seen(group), before);
	} else {
		assert_false(few);
		assert_true(seen(group) - before <= (rv == CKR_FUNCTION_FAILED));
	}
	return came;
}

static void whatever_is_said_of_a_creation_is_so_whoever_was_lost(void **state)
{
	static const uint32_t lost[] = {0x1, 0x8, 0x7};
	/* One of each kind: a record, a record that a member has to make, a maker of a key, a copy. */
	static const struct making_way ways[] = {
	    {.make = create_data}, {.make = create_public}, {.make = unwrap_private}, {.make = copy_secret}};
	struct ha_session *s = session_of(group, CKF_RW_SESSION);

	(void)state;
	for (size_t w = 0; w < COUNT(ways); w++)
		for (size_t l = 0; l < COUNT(lost); l++)
			for (unsigned n = RIG_WHENS;
			     make_while_lost(s, &ways[w], lost[l], n / RIG_WHENS, n % RIG_WHENS); n++)
				;
	ha_session_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    ON_KIT(each_is_made_for_a_session_and_for_the_group),
	    ON_KIT(a_past_is_told_as_far_as_it_is_known),
	    ON_KIT(a_past_goes_on_in_what_is_made_of_it),
	    ON_KIT(what_is_not_said_is_as_the_standard_says),
	    ON_KIT(a_template_that_is_refused_leaves_nothing),
	    ON_KIT(what_the_members_refuse_leaves_nothing),
	    ON_KIT(who_may_not_write_makes_nothing_for_the_group),
	    ON_KIT(who_did_not_log_in_makes_public_objects_of_a_session),
	    ON_KIT(what_is_no_key_for_it_is_named_as_such),
	    ON_KIT(what_is_derived_need_not_say_what_it_is),
	    ON_KIT(what_is_derived_may_say_its_type_alone),
	    ON_KIT(a_short_secret_that_may_sign_is_kept),
	    ON_KIT(what_it_is_made_of_was_made_anew_on_the_members),
	    ON_KIT(what_it_is_made_of_is_missing_on_one_member),
	    ON_KIT(whatever_is_said_of_a_creation_is_so_whoever_was_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
