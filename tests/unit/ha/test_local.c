/* SPDX-License-Identifier: Apache-2.0 */
/* Objects of a session alone: no member keeps them, and none is needed for them. */
#include "objects.h"

#include <stdio.h>

static CK_OBJECT_HANDLE secret_in(struct ha_session *session)
{
	CK_OBJECT_HANDLE object;

	assert_int_equal(generate_secret(session, NULL, 0, &object), CKR_OK);
	return object;
}

static CK_RV use_it(CK_OBJECT_HANDLE object)
{
	struct effect ignored;

	return effect_of(object, CKO_SECRET_KEY, &ignored);
}

static CK_RV set(struct ha_session *session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE item)
{
	return call_by(session, p11_C_SetAttributeValue(0, object, &item, 1));
}

/* ---- whoever is there ---- */

static void any_member_serves_what_another_made(void **state)
{
	(void)state;
	for (size_t w = 0; w < COUNT(making_ways); w++) {
		const struct making_way *way = &making_ways[w];
		const CK_ATTRIBUTE here = NUM(CKA_TOKEN, no);
		struct effect effect;
		CK_OBJECT_HANDLE object;

		assert_int_equal(way->make(app, &here, 1, &object), CKR_OK);
		if (!shows_effect(way))
			continue;
		assert_int_equal(effect_of(object, way->class, &effect), CKR_OK);
		for (size_t m = 0; m < RIG_MEMBERS; m++) {
			away(0xf & ~(1u << m));
			has_effect(object, way->class, &effect);
			away(0);
			look_again();
			has_effect(object, way->class, &effect);
		}
	}
}

/* Others would have to make it before. */
static void who_has_it_already_is_asked_first(void **state)
{
	CK_OBJECT_HANDLE object;

	(void)state;
	for (size_t m = RIG_MEMBERS; m-- > 0;) {
		away(0xf & ~(1u << m));
		object = secret_in(app);
		away(0);
		look_again();
		assert_int_equal(use_it(object), CKR_OK);
		for (size_t other = 0; other < RIG_MEMBERS; other++)
			assert_int_equal(guests_on(other), other == m);
		assert_int_equal(destroy(object), CKR_OK);
	}
}

/* The public half that an application gave verifies what the private one signed, on any member. */
static void a_public_key_is_used_on_any_member(void **state)
{
	static const CK_MECHANISM ecdsa = {CKM_ECDSA, NULL, 0};

	(void)state;
	for (int token = 0; token < 2; token++) {
		const CK_ATTRIBUTE place = {CKA_TOKEN, token ? &yes : &no, 1};
		CK_OBJECT_HANDLE private, public;
		struct effect signature;

		assert_int_equal(create_private(app, NULL, 0, &private), CKR_OK);
		assert_int_equal(create_public(app, &place, 1, &public), CKR_OK);
		assert_int_equal(effect_of(private, CKO_PRIVATE_KEY, &signature), CKR_OK);
		for (size_t m = 0; m < RIG_MEMBERS; m++) {
			struct p11_call init = p11_init(P11_C_VerifyInit, 0, &ecdsa, public);
			struct p11_call verify = p11_C_Verify(0, VALUE, VALUE_LEN, signature.bytes, signature.len);

			away(0xf & ~(1u << m));
			assert_int_equal(ha_call(app, &init), CKR_OK);
			assert_int_equal(ha_call(app, &verify), CKR_OK);
			signature.bytes[3] ^= 1;
			assert_int_equal(ha_call(app, &init), CKR_OK);
			assert_int_equal(ha_call(app, &verify), CKR_SIGNATURE_INVALID);
			signature.bytes[3] ^= 1;
			away(0);
			look_again();
		}
	}
}

static bool make_while_lost(const struct making_way *way, size_t member, unsigned message, enum rig_when when)
{
	CK_ULONG before = seen(group);
	struct effect effect;
	CK_OBJECT_HANDLE object;
	bool came;

	look_again();
	rig_lose(member, message, when);
	assert_int_equal(way->make(app, NULL, 0, &object), CKR_OK);
	if (shows_effect(way) && !is_copy(way))
		assert_int_equal(effect_of(object, way->class, &effect), CKR_OK);
	came = rig_came();
	for (size_t m = 0; m < RIG_MEMBERS && shows_effect(way) && !is_copy(way); m++) {
		away(0xf & ~(1u << m));
		has_effect(object, way->class, &effect);
	}
	away(0);
	assert_int_equal(seen(group), before + 1 + (way->make == generate_pair));
	return came;
}

static void one_that_is_lost_at_any_message_is_not_noticed(void **state)
{
	(void)state;
	for (size_t w = 0; w < COUNT(making_ways); w++)
		for (size_t m = 0; m < 2; m++)
			for (unsigned n = RIG_WHENS; !is_copy(&making_ways[w]) &&
						     make_while_lost(&making_ways[w], m, n / RIG_WHENS, n % RIG_WHENS);
			     n++) {
				ha_session_free(app);
				app = session_of(group, CKF_RW_SESSION);
			}
}

/* While it is used, too. */
static void a_use_is_not_disturbed_by_one_that_is_lost(void **state)
{
	CK_OBJECT_HANDLE object = secret_in(app);
	struct effect effect;
	bool came = true;

	(void)state;
	assert_int_equal(effect_of(object, CKO_SECRET_KEY, &effect), CKR_OK);
	for (unsigned n = RIG_WHENS; came; n++) {
		look_again();
		for (size_t m = 0; m < 3; m++)
			rig_lose(m, n / RIG_WHENS, n % RIG_WHENS);
		has_effect(object, CKO_SECRET_KEY, &effect);
		came = n < 8 * RIG_WHENS;
		rig_came();
		away(0);
	}
}

static void restarts_are_not_noticed(void **state)
{
	CK_OBJECT_HANDLE objects[COUNT(making_ways)];
	struct effect effects[COUNT(making_ways)];

	(void)state;
	for (size_t w = 0; w < COUNT(making_ways); w++) {
		const CK_ATTRIBUTE here = NUM(CKA_TOKEN, no);

		assert_int_equal(making_ways[w].make(app, &here, 1, &objects[w]), CKR_OK);
		if (shows_effect(&making_ways[w]))
			assert_int_equal(effect_of(objects[w], making_ways[w].class, &effects[w]), CKR_OK);
	}
	for (size_t m = 0; m < RIG_MEMBERS; m++)
		rig_restore(m, fake_save(m));
	look_again();
	assert_int_equal(guests(), 0);
	for (size_t w = 0; w < COUNT(making_ways); w++)
		if (shows_effect(&making_ways[w]))
			has_effect(objects[w], making_ways[w].class, &effects[w]);
}

/* The domain key was replaced on a member that goes on: what it is called there has changed. What was made before is
 * carried there, or what is made there is carried away: each meets it first once. */
static void a_domain_key_that_came_anew_carries_on(void **state)
{
	CK_OBJECT_HANDLE before = secret_in(app), object;
	struct effect effect, made;

	(void)state;
	assert_int_equal(effect_of(before, CKO_SECRET_KEY, &effect), CKR_OK);
	for (size_t m = 0; m < 2 * RIG_MEMBERS; m++) {
		size_t member = m / 2;

		rig_destroy(member, rig_object(member, CKO_SECRET_KEY, rig_set->domain_id, 16, NULL));
		rig_heals();
		away(0xf & ~(1u << member));
		/* A token knows one of the two numbers as a rule. */
		fake_refuse_mechanism(member, CKM_AES_KEY_WRAP_PAD);
		if (m & 1)
			has_effect(before, CKO_SECRET_KEY, &effect);
		object = secret_in(app);
		fake_heal(member);
		assert_int_equal(effect_of(object, CKO_SECRET_KEY, &made), CKR_OK);
		away(1u << member);
		has_effect(object, CKO_SECRET_KEY, &made);
		away(0);
		look_again();
	}
}

/* ---- sessions ---- */

static void a_session_takes_its_objects_with_it_from_every_member(void **state)
{
	struct ha_session *other = session_of(group, 0);
	CK_OBJECT_HANDLE mine = secret_in(app), theirs = secret_in(other);
	CK_ULONG before;

	(void)state;
	for (size_t m = 0; m < RIG_MEMBERS; m++) {
		away(0xf & ~(1u << m));
		assert_int_equal(use_it(mine), CKR_OK);
		assert_int_equal(use_it(theirs), CKR_OK);
		away(0);
		look_again();
	}
	assert_int_equal(use_it(mine), CKR_OK);
	before = seen(group);
	ha_session_free(other);
	assert_int_equal(use_it(theirs), CKR_KEY_HANDLE_INVALID);
	assert_int_equal(use_it(mine), CKR_OK);
	assert_int_equal(seen(group), before - 1);
	assert_int_equal(destroy(mine), CKR_OK);
	assert_int_equal(guests(), 0);
}

static void a_session_that_ends_asks_nobody_twice_who_does_not_answer(void **state)
{
	enum { OBJECTS = 20 };
	unsigned long before;

	(void)state;
	for (int i = 0; i < OBJECTS; i++)
		secret_in(app);
	before = rig_messages(0);
	rig_lose(0, 1, RIG_BEFORE);
	ha_session_free(app);
	assert_true(rig_came());
	assert_int_equal(rig_messages(0), before + 1);
	app = session_of(group, CKF_RW_SESSION);
}

static void any_session_of_the_application_finds_and_uses_an_object_and_no_other_process(void **state)
{
	const CK_ATTRIBUTE label = TEXT(CKA_LABEL, "k"), here = NUM(CKA_TOKEN, no), there = NUM(CKA_TOKEN, yes);
	struct ha_group *other = another_group();
	owned(mem) CK_OBJECT_HANDLE *list = NULL, *own = NULL, *kept = NULL;
	CK_ATTRIBUTE both[] = {label, here};
	CK_OBJECT_HANDLE mine;
	CK_ULONG count;

	(void)state;
	key(KEY_AES_256, "k");
	assert_int_equal(generate_secret(app, &label, 1, &mine), CKR_OK);
	assert_int_equal(find_all(group, &label, 1, &list, &count), CKR_OK);
	assert_int_equal(count, 2);
	assert_int_equal(find_all(group, both, 2, &own, &count), CKR_OK);
	assert_int_equal(count, 1);
	assert_int_equal(own[0], mine);
	both[1] = there;
	assert_int_equal(find_all(group, both, 2, &kept, &count), CKR_OK);
	assert_int_equal(count, 1);
	assert_int_not_equal(kept[0], mine);
	assert_int_equal(seen(other), seen(group) - 1);
	assert_int_equal(call_in(other, p11_C_DestroyObject(0, mine)), CKR_OBJECT_HANDLE_INVALID);
	ha_group_free(other);
	rig_in_sync();
}

static void logging_out_ends_what_is_private(void **state)
{
	const CK_ATTRIBUTE open = NUM(CKA_PRIVATE, no);
	CK_OBJECT_HANDLE hidden = secret_in(app), public, data;

	(void)state;
	assert_int_equal(create_public(app, &open, 1, &public), CKR_OK);
	assert_int_equal(create_data(app, &open, 1, &data), CKR_OK);
	assert_int_equal(ha_logout(group), CKR_OK);
	assert_int_equal(use_it(hidden), CKR_USER_NOT_LOGGED_IN);
	assert_int_equal(number_of(public, CKA_CLASS), CKO_PUBLIC_KEY);
	assert_int_equal(number_of(data, CKA_CLASS), CKO_DATA);
	assert_int_equal(ha_login(group, "1234", 4), CKR_OK);
	assert_int_equal(use_it(hidden), CKR_KEY_HANDLE_INVALID);
	assert_int_equal(number_of(public, CKA_CLASS), CKO_PUBLIC_KEY);
	assert_int_equal(destroy(public), CKR_OK);
	assert_int_equal(destroy(data), CKR_OK);
	assert_int_equal(guests(), 0);
}

/* Members that have something public of a session are held meanwhile, whoever of them is there. */
static void a_member_that_was_lost_is_no_matter_to_who_logs_in_or_out(void **state)
{
	const CK_ATTRIBUTE open = NUM(CKA_PRIVATE, no);
	CK_OBJECT_HANDLE object;

	(void)state;
	assert_int_equal(generate_secret(app, &open, 1, &object), CKR_OK);
	for (size_t m = 0; m < RIG_MEMBERS; m++) {
		away(0xf & ~(1u << m));
		assert_int_equal(use_it(object), CKR_OK);
		away(0);
		look_again();
	}
	away(1u << 0);
	assert_int_equal(ha_logout(group), CKR_OK);
	away(1u << 1);
	assert_int_equal(ha_login(group, "1234", 4), CKR_OK);
	away(0);
	assert_int_equal(use_it(object), CKR_OK);
}

/* There is no domain key without a login, not even one that was known before. Public halves want no saying. */
static void who_did_not_log_in_uses_what_it_makes(void **state)
{
	const CK_ATTRIBUTE open = NUM(CKA_PRIVATE, no);
	CK_OBJECT_HANDLE object, half;

	(void)state;
	assert_int_equal(use_it(secret_in(app)), CKR_OK);
	assert_int_equal(ha_logout(group), CKR_OK);
	assert_int_equal(generate_secret(app, NULL, 0, &object), CKR_USER_NOT_LOGGED_IN);
	assert_int_equal(generate_secret(app, &open, 1, &object), CKR_OK);
	for (int i = 0; i < 10; i++)
		assert_int_equal(use_it(object), CKR_OK);
	assert_int_equal(generate_pair(app, NULL, 0, &half), CKR_USER_NOT_LOGGED_IN);
	assert_int_equal(generate_pair(app, &open, 1, &half), CKR_OK);
	assert_int_equal(destroy(object), CKR_OK);
	assert_int_equal(destroy(half), CKR_OK);
}

/* Whoever logged out still sees public objects by the handles they had, and changes none of the group's. */
static void what_is_public_stays_readable_after_a_logout(void **state)
{
	const CK_ATTRIBUTE kept[] = {NUM(CKA_TOKEN, yes), NUM(CKA_PRIVATE, no)};
	CK_OBJECT_HANDLE data;

	(void)state;
	assert_int_equal(create_data(app, kept, 2, &data), CKR_OK);
	assert_int_equal(ha_logout(group), CKR_OK);
	assert_int_equal(number_of(data, CKA_CLASS), CKO_DATA);
	assert_int_equal(set(app, data, (CK_ATTRIBUTE)TEXT(CKA_LABEL, "renamed")), CKR_USER_NOT_LOGGED_IN);
	assert_int_equal(destroy(data), CKR_USER_NOT_LOGGED_IN);
	assert_int_equal(ha_login(group, "1234", 4), CKR_OK);
	assert_int_equal(destroy(data), CKR_OK);
}

/* ---- what follows from what is given ---- */

static void certificates_and_domain_parameters_say_what_follows_from_them(void **state)
{
	static const CK_BYTE check[] = {0xbb, 0xb2, 0xb7}, other[] = {1, 2, 3};
	const CK_ATTRIBUTE wrong = BYTES(CKA_CHECK_VALUE, other), none = {CKA_CHECK_VALUE, NULL, 0},
			   vendor = NUM(CKA_VENDOR_DEFINED | 1, yes);
	CK_OBJECT_HANDLE object;
	CK_BYTE value[3];
	CK_ULONG len = sizeof(value);

	(void)state;
	assert_int_equal(create_certificate(app, NULL, 0, &object), CKR_OK);
	assert_int_equal(read_value(group, object, CKA_CHECK_VALUE, value, &len), CKR_OK);
	assert_int_equal(len, sizeof(check));
	assert_memory_equal(value, check, sizeof(check));
	assert_int_equal(create_certificate(app, &wrong, 1, &object), CKR_ATTRIBUTE_VALUE_INVALID);
	assert_int_equal(create_certificate(app, &none, 1, &object), CKR_OK);
	assert_int_equal(read_value(group, object, CKA_CHECK_VALUE, value, &len), CKR_OK);
	assert_int_equal(len, 0);
	assert_int_equal(create_certificate(app, &vendor, 1, &object), CKR_ATTRIBUTE_TYPE_INVALID);
	assert_int_equal(create_domain(app, NULL, 0, &object), CKR_OK);
	assert_false(says(object, CKA_LOCAL));
	/* 'p' is 0x70. */
	assert_int_equal(number_of(object, CKA_PRIME_BITS), 7);
}

/* Who may read a value may look for it; of others nobody learns. */
static void a_key_is_found_by_what_it_shows(void **state)
{
	const CK_ATTRIBUTE readable[] = {NUM(CKA_SENSITIVE, no), NUM(CKA_EXTRACTABLE, yes)};
	const CK_ATTRIBUTE hidden = NUM(CKA_SENSITIVE, yes), value = {CKA_VALUE, (void *)(uintptr_t)VALUE, VALUE_LEN};
	const CK_ATTRIBUTE half = {CKA_VALUE, (void *)(uintptr_t)VALUE, VALUE_LEN / 2};
	CK_OBJECT_HANDLE seen, unseen;
	CK_OBJECT_HANDLE *list;
	CK_ULONG count;

	(void)state;
	assert_int_equal(create_secret(app, readable, 2, &seen), CKR_OK);
	assert_int_equal(create_secret(app, &hidden, 1, &unseen), CKR_OK);
	assert_int_equal(find_all(group, &value, 1, &list, &count), CKR_OK);
	assert_int_equal(count, 1);
	assert_int_equal(list[0], seen);
	free(list);
	assert_int_equal(find_all(group, &half, 1, &list, &count), CKR_OK);
	assert_int_equal(count, 0);
	free(list);
}

/* ---- places and handles ---- */

static void handles_are_never_used_again_and_places_are(void **state)
{
	enum { ROUNDS = 300, AT_ONCE = 5 };
	static CK_OBJECT_HANDLE handles[ROUNDS * AT_ONCE];
	CK_OBJECT_HANDLE last_place = 0;

	(void)state;
	for (int r = 0; r < ROUNDS; r++) {
		for (int i = 0; i < AT_ONCE; i++) {
			CK_OBJECT_HANDLE *handle = &handles[r * AT_ONCE + i];

			assert_int_equal(create_data(app, NULL, 0, handle), CKR_OK);
			last_place = (*handle & 0xffffffff) > last_place ? *handle & 0xffffffff : last_place;
		}
		for (int i = 0; i < AT_ONCE; i++)
			assert_int_equal(destroy(handles[r * AT_ONCE + (i * 3) % AT_ONCE]), CKR_OK);
		/* What the group has does not get in between. */
		if (r % 100 == 0)
			key(KEY_AES_128, "more");
	}
	assert_true(last_place < 64);
	for (int i = 0; i < ROUNDS * AT_ONCE; i++) {
		CK_ULONG len = 0;

		assert_int_equal(read_value(group, handles[i], CKA_LABEL, NULL, &len), CKR_OBJECT_HANDLE_INVALID);
		for (int j = 0; j < i; j++)
			assert_int_not_equal(handles[i], handles[j]);
	}
}

static void many_objects_are_there_at_once(void **state)
{
	enum { OBJECTS = 500 };
	CK_ULONG before = seen(group);
	CK_OBJECT_HANDLE objects[OBJECTS];

	(void)state;
	for (int i = 0; i < OBJECTS; i++) {
		char text[32];
		CK_ATTRIBUTE label = {CKA_LABEL, text, (CK_ULONG)snprintf(text, sizeof(text), "object %d", i)};

		assert_int_equal(create_data(app, &label, 1, &objects[i]), CKR_OK);
	}
	assert_int_equal(seen(group), before + OBJECTS);
	assert_int_equal(found("object 499"), objects[499]);
	assert_int_equal(found("object 0"), objects[0]);
	ha_session_free(app);
	app = session_of(group, 0);
	assert_int_equal(seen(group), before);
	/* What the group has is where it was. */
	assert_int_equal(says(kit.aes, CKA_WRAP), true);
}

/* ---- changes ---- */

static void a_change_is_seen_and_kept_to(void **state)
{
	struct ha_session *reader = session_of(group, 0);

	(void)state;
	for (size_t m = 0; m < RIG_MEMBERS; m++) {
		const CK_ATTRIBUTE plain[] = {NUM(CKA_SENSITIVE, no), NUM(CKA_EXTRACTABLE, yes)};
		CK_ATTRIBUTE label = TEXT(CKA_LABEL, "renamed"), deaf = NUM(CKA_ENCRYPT, no),
			     shy = NUM(CKA_SENSITIVE, yes), bold = NUM(CKA_SENSITIVE, no),
			     stays = NUM(CKA_EXTRACTABLE, no);
		CK_OBJECT_HANDLE object;
		uint8_t value[32];
		CK_ULONG len = sizeof(value);

		away(0xf & ~(1u << m));
		assert_int_equal(create_secret(app, plain, 2, &object), CKR_OK);
		assert_int_equal(use_it(object), CKR_OK);
		assert_int_equal(read_value(group, object, CKA_VALUE, value, &len), CKR_OK);
		assert_memory_equal(value, VALUE, VALUE_LEN);
		assert_int_equal(set(reader, object, label), CKR_OK);
		assert_int_equal(found("renamed"), object);
		assert_int_equal(use_it(object), CKR_OK);
		assert_int_equal(set(reader, object, deaf), CKR_OK);
		assert_int_equal(use_it(object), CKR_KEY_FUNCTION_NOT_PERMITTED);
		assert_int_equal(set(reader, object, shy), CKR_OK);
		assert_int_equal(read_value(group, object, CKA_VALUE, value, &len), CKR_ATTRIBUTE_SENSITIVE);
		assert_int_equal(set(reader, object, bold), CKR_ATTRIBUTE_READ_ONLY);
		assert_int_equal(set(reader, object, stays), CKR_OK);
		assert_false(says(object, CKA_NEVER_EXTRACTABLE));
		deaf.pValue = &yes;
		assert_int_equal(set(reader, object, deaf), CKR_OK);
		away(0);
		look_again();
		assert_int_equal(use_it(object), CKR_OK);
		assert_int_equal(destroy(object), CKR_OK);
	}
	ha_session_free(reader);
	assert_int_equal(guests(), 0);
}

/* A member that keeps what it was to destroy is not asked to use that. */
static void what_was_there_before_a_change_is_not_used(void **state)
{
	const CK_ATTRIBUTE t[] = {NUM(CKA_VALUE_LEN, len32), NUM(CKA_ENCRYPT, no), NUM(CKA_DECRYPT, yes)};
	CK_MECHANISM by = {CKM_AES_KEY_GEN, NULL, 0};
	CK_OBJECT_HANDLE object;

	(void)state;
	assert_int_equal(call_by(app, p11_C_GenerateKey(0, &by, t, COUNT(t), &object)), CKR_OK);
	assert_int_equal(use_it(object), CKR_KEY_FUNCTION_NOT_PERMITTED);
	for (size_t m = 0; m < RIG_MEMBERS; m++)
		fake_fail(m, P11_C_DestroyObject, 1, CKR_FUNCTION_FAILED, FAKE_BEFORE);
	assert_int_equal(set(app, object, (CK_ATTRIBUTE)NUM(CKA_ENCRYPT, yes)), CKR_OK);
	assert_int_equal(use_it(object), CKR_OK);
}

static void what_may_not_be_changed_is_not(void **state)
{
	const CK_ATTRIBUTE fixed = NUM(CKA_MODIFIABLE, no), label = TEXT(CKA_LABEL, "renamed"),
			   local = NUM(CKA_LOCAL, yes), token = NUM(CKA_TOKEN, yes), keeps = NUM(CKA_DESTROYABLE, no);
	CK_OBJECT_HANDLE object;

	(void)state;
	assert_int_equal(generate_secret(app, &fixed, 1, &object), CKR_OK);
	assert_int_equal(set(app, object, label), CKR_ACTION_PROHIBITED);
	assert_int_equal(generate_secret(app, &keeps, 1, &object), CKR_OK);
	assert_int_equal(set(app, object, local), CKR_ATTRIBUTE_READ_ONLY);
	assert_int_equal(set(app, object, token), CKR_ATTRIBUTE_READ_ONLY);
	assert_int_equal(destroy(object), CKR_ACTION_PROHIBITED);
	assert_int_equal(use_it(object), CKR_OK);
	/* But it ends with its session. */
	ha_session_free(app);
	app = session_of(group, CKF_RW_SESSION);
	assert_int_equal(guests(), 0);
}

/* An operation that is under way goes on, with the key that it began with. */
static void a_change_disturbs_no_operation(void **state)
{
	static const CK_MECHANISM hmac = {CKM_SHA256_HMAC, NULL, 0};
	const CK_ATTRIBUTE t[] = {NUM(CKA_VALUE_LEN, len32), NUM(CKA_SIGN, yes)};
	CK_MECHANISM by = {CKM_GENERIC_SECRET_KEY_GEN, NULL, 0};
	CK_OBJECT_HANDLE object;
	uint8_t whole[32], parts[32];
	CK_ULONG len = sizeof(parts);
	struct use use;

	(void)state;
	assert_int_equal(call_by(app, p11_C_GenerateKey(0, &by, t, COUNT(t), &object)), CKR_OK);
	assert_int_equal(sign_text(object, "some text", whole), CKR_OK);
	assert_int_equal(use_begin(P11_OP_SIGN, &hmac, object, &use), CKR_OK);
	assert_int_equal(use_call(&use, P11_PART_UPDATE, "some ", 5, NULL, NULL), CKR_OK);
	assert_int_equal(set(app, object, (CK_ATTRIBUTE)TEXT(CKA_LABEL, "renamed")), CKR_OK);
	assert_int_equal(use_call(&use, P11_PART_UPDATE, "text", 4, NULL, NULL), CKR_OK);
	assert_int_equal(use_call(&use, P11_PART_FINAL, NULL, 0, parts, &len), CKR_OK);
	assert_memory_equal(whole, parts, 32);
	use_end(&use);
}

/* ---- what cannot be carried ---- */

/* Made without a login: nobody sees the domain key then. It goes with its member, and is said to be gone. */
static void what_cannot_be_carried_goes_with_its_member(void **state)
{
	const CK_ATTRIBUTE open = NUM(CKA_PRIVATE, no);
	CK_OBJECT_HANDLE object;

	(void)state;
	for (size_t m = 0; m < RIG_MEMBERS; m++)
		fake_refuse_mechanism(m, CKM_AES_KEY_WRAP_PAD), fake_refuse_mechanism(m, CKM_AES_KEY_WRAP_KWP);
	assert_int_equal(generate_secret(app, &open, 1, &object), CKR_OK);
	for (size_t m = 0; m < RIG_MEMBERS; m++)
		fake_heal(m);
	assert_int_equal(use_it(object), CKR_OK);
	assert_int_equal(set(app, object, (CK_ATTRIBUTE)TEXT(CKA_LABEL, "renamed")), CKR_OK);
	assert_int_equal(set(app, object, (CK_ATTRIBUTE)NUM(CKA_DECRYPT, no)), CKR_OK);
	assert_int_equal(use_it(object), CKR_OK);
	for (size_t m = 0; m < RIG_MEMBERS; m++)
		rig_restore(m, fake_save(m));
	look_again();
	assert_int_equal(use_it(object), CKR_KEY_HANDLE_INVALID);
	assert_int_equal(found("renamed"), object);
	assert_int_equal(destroy(object), CKR_OK);
}

/* ---- memory ---- */

static void memory_that_runs_out_leaves_nothing_or_an_object(void **state)
{
	(void)state;
	for (size_t w = 0; w < COUNT(making_ways); w++) {
		const CK_ATTRIBUTE here = NUM(CKA_TOKEN, no);
		bool enough = false;

		for (unsigned long n = 1; !enough; n++) {
			CK_ULONG before = seen(group), guests_before;
			struct ha_session *s = session_of(group, CKF_RW_SESSION);
			CK_OBJECT_HANDLE object;
			CK_RV rv;

			look_again();
			guests_before = guests();
			mem_fail_after = n;
			rv = making_ways[w].make(s, &here, 1, &object);
			enough = mem_fail_after != 0;
			mem_fail_after = 0;
			if (rv != CKR_OK) {
				assert_int_equal(rv, CKR_HOST_MEMORY);
				assert_int_equal(seen(group), before);
				assert_true(guests() <= guests_before);
			}
			ha_session_free(s);
			assert_int_equal(seen(group), before);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    ON_APP(any_member_serves_what_another_made),
	    ON_APP(who_has_it_already_is_asked_first),
	    ON_APP(a_public_key_is_used_on_any_member),
	    ON_APP(one_that_is_lost_at_any_message_is_not_noticed),
	    ON_APP(a_use_is_not_disturbed_by_one_that_is_lost),
	    ON_APP(restarts_are_not_noticed),
	    ON_APP(a_domain_key_that_came_anew_carries_on),
	    ON_APP(a_session_takes_its_objects_with_it_from_every_member),
	    ON_APP(a_session_that_ends_asks_nobody_twice_who_does_not_answer),
	    ON_APP(any_session_of_the_application_finds_and_uses_an_object_and_no_other_process),
	    ON_APP(logging_out_ends_what_is_private),
	    ON_APP(a_member_that_was_lost_is_no_matter_to_who_logs_in_or_out),
	    ON_APP(who_did_not_log_in_uses_what_it_makes),
	    ON_APP(what_is_public_stays_readable_after_a_logout),
	    ON_APP(certificates_and_domain_parameters_say_what_follows_from_them),
	    ON_APP(a_key_is_found_by_what_it_shows),
	    ON_APP(handles_are_never_used_again_and_places_are),
	    ON_APP(many_objects_are_there_at_once),
	    ON_APP(a_change_is_seen_and_kept_to),
	    ON_APP(what_was_there_before_a_change_is_not_used),
	    ON_APP(what_may_not_be_changed_is_not),
	    ON_APP(a_change_disturbs_no_operation),
	    ON_APP(what_cannot_be_carried_goes_with_its_member),
	    ON_APP(memory_that_runs_out_leaves_nothing_or_an_object),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
