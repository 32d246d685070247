/* SPDX-License-Identifier: Apache-2.0 */
/* Keys that are given away, and keys that say what others are made like: by the record, whatever members hold. */
#include "objects.h"

static CK_RV wrap(CK_OBJECT_HANDLE by, CK_OBJECT_HANDLE object)
{
	uint8_t blob[1024];
	CK_ULONG len = sizeof(blob);

	return call_by(app, p11_C_WrapKey(0, &wrapping, by, object, blob, &len));
}

/* ---- what may leave ---- */

static void a_key_leaves_only_when_its_record_lets_it(void **state)
{
	const struct {
		CK_ATTRIBUTE items[2];
		CK_ULONG count;
		CK_RV rv;
	} cases[] = {
	    {{NUM(CKA_EXTRACTABLE, yes)}, 1, CKR_OK},
	    {{NUM(CKA_EXTRACTABLE, no)}, 1, CKR_KEY_UNEXTRACTABLE},
	    {{NUM(CKA_SENSITIVE, yes)}, 1, CKR_KEY_UNEXTRACTABLE},
	    {{NUM(CKA_EXTRACTABLE, yes), NUM(CKA_WRAP_WITH_TRUSTED, yes)}, 2, CKR_KEY_NOT_WRAPPABLE},
	    {{NUM(CKA_EXTRACTABLE, yes), NUM(CKA_WRAP_WITH_TRUSTED, no)}, 2, CKR_OK},
	};

	(void)state;
	for (size_t w = 0; w < COUNT(making_ways); w++)
		for (size_t c = 0; c < COUNT(cases) && making_ways[w].hidden && !is_copy(&making_ways[w]); c++)
			for (int token = 0; token < 2; token++) {
				const CK_ATTRIBUTE place = {CKA_TOKEN, token ? &yes : &no, 1};
				const struct wish more = wish_of(cases[c].items, cases[c].count, &place, 1);
				CK_OBJECT_HANDLE object;

				assert_int_equal(making_ways[w].make(app, more.items, more.count, &object), CKR_OK);
				assert_int_equal(wrap(kit.aes, object), cases[c].rv);
				assert_int_equal(destroy(object), CKR_OK);
			}
}

static void what_is_no_private_or_secret_key_is_not_wrapped(void **state)
{
	(void)state;
	for (size_t w = 0; w < COUNT(making_ways); w++) {
		CK_OBJECT_HANDLE object;

		if (making_ways[w].hidden)
			continue;
		assert_int_equal(making_ways[w].make(app, NULL, 0, &object), CKR_OK);
		assert_int_equal(wrap(kit.aes, object), CKR_KEY_NOT_WRAPPABLE);
		assert_int_equal(destroy(object), CKR_OK);
	}
	assert_int_equal(wrap(kit.aes, 4711), CKR_KEY_HANDLE_INVALID);
}

static void what_does_not_wrap_is_named_as_such(void **state)
{
	const CK_ATTRIBUTE leaves[] = {NUM(CKA_EXTRACTABLE, yes), NUM(CKA_WRAP, no)};
	CK_OBJECT_HANDLE object;

	(void)state;
	assert_int_equal(create_secret(app, leaves, COUNT(leaves), &object), CKR_OK);
	assert_int_equal(wrap(4711, object), CKR_WRAPPING_KEY_HANDLE_INVALID);
	assert_int_equal(wrap(kit.private, object), CKR_WRAPPING_KEY_TYPE_INCONSISTENT);
	assert_int_equal(wrap(object, object), CKR_KEY_FUNCTION_NOT_PERMITTED);
	wrapping.mechanism = CKM_SHA256;
	assert_int_equal(wrap(kit.aes, object), CKR_MECHANISM_INVALID);
	wrapping.mechanism = CKM_AES_KEY_WRAP_PAD;
}

static void what_a_key_wraps_is_as_its_template_says(void **state)
{
	const CK_ATTRIBUTE wanted[] = {TEXT(CKA_LABEL, "this"), NUM(CKA_SENSITIVE, yes)};
	const CK_ATTRIBUTE wrapper[] = {NUM(CKA_WRAP, yes),
					{CKA_WRAP_TEMPLATE, (void *)(uintptr_t)wanted, sizeof(wanted)}};
	const CK_ATTRIBUTE good[] = {NUM(CKA_EXTRACTABLE, yes), TEXT(CKA_LABEL, "this"), NUM(CKA_SENSITIVE, yes)};
	const CK_ATTRIBUTE named[] = {NUM(CKA_EXTRACTABLE, yes), TEXT(CKA_LABEL, "that"), NUM(CKA_SENSITIVE, yes)};
	const CK_ATTRIBUTE bare[] = {NUM(CKA_EXTRACTABLE, yes), TEXT(CKA_LABEL, "this"), NUM(CKA_SENSITIVE, no)};
	CK_OBJECT_HANDLE by, object;

	(void)state;
	assert_int_equal(create_secret(app, wrapper, COUNT(wrapper), &by), CKR_OK);
	assert_int_equal(create_secret(app, good, COUNT(good), &object), CKR_OK);
	assert_int_equal(wrap(by, object), CKR_OK);
	assert_int_equal(create_secret(app, named, COUNT(named), &object), CKR_OK);
	assert_int_equal(wrap(by, object), CKR_KEY_HANDLE_INVALID);
	assert_int_equal(create_secret(app, bare, COUNT(bare), &object), CKR_OK);
	assert_int_equal(wrap(by, object), CKR_KEY_HANDLE_INVALID);
}

/* It is the one that was wrapped, whoever unwraps it. */
static void what_was_wrapped_comes_back_as_it_was(void **state)
{
	const CK_ATTRIBUTE leaves = NUM(CKA_EXTRACTABLE, yes);
	CK_OBJECT_CLASS secret = CKO_SECRET_KEY, private = CKO_PRIVATE_KEY;
	CK_KEY_TYPE aes = CKK_AES, ec = CKK_EC;

	(void)state;
	for (size_t w = 0; w < COUNT(making_ways); w++) {
		const struct making_way *way = &making_ways[w];
		bool is_secret = way->class == CKO_SECRET_KEY;
		const CK_ATTRIBUTE t[] = {{CKA_CLASS, is_secret ? &secret : &private, sizeof(secret)},
					  {CKA_KEY_TYPE, is_secret ? &aes : &ec, sizeof(aes)},
					  {is_secret ? CKA_ENCRYPT : CKA_SIGN, &yes, 1}};
		CK_OBJECT_HANDLE object, again;
		struct effect effect;
		uint8_t blob[1024];
		CK_ULONG len = sizeof(blob);

		if (!way->hidden || is_copy(way))
			continue;
		assert_int_equal(way->make(app, &leaves, 1, &object), CKR_OK);
		assert_int_equal(effect_of(object, way->class, &effect), CKR_OK);
		assert_int_equal(call_by(app, p11_C_WrapKey(0, &wrapping, kit.aes, object, blob, &len)), CKR_OK);
		for (size_t m = 0; m < RIG_MEMBERS; m++) {
			away(0xf & ~(1u << m));
			assert_int_equal(call_by(app, p11_C_UnwrapKey(0, &wrapping, kit.aes, blob, len, t, 3, &again)),
					 CKR_OK);
			has_effect(again, way->class, &effect);
			away(0);
			look_again();
		}
	}
}

/* ---- what others are made like ---- */

/* A key by which others are made, with a template for them. */
static CK_OBJECT_HANDLE maker(CK_ATTRIBUTE_TYPE type, const CK_ATTRIBUTE *items, CK_ULONG count, bool token)
{
	const CK_ATTRIBUTE more[] = {NUM(CKA_UNWRAP, yes),
				     NUM(CKA_DERIVE, yes),
				     {CKA_TOKEN, token ? &yes : &no, 1},
				     {type, (void *)(uintptr_t)items, count * sizeof(*items)}};
	CK_OBJECT_HANDLE made;

	assert_int_equal(create_secret(app, more, COUNT(more), &made), CKR_OK);
	return made;
}

static void what_is_unwrapped_or_derived_is_as_the_template_of_its_maker_says(void **state)
{
	static way_to_make *const ways[] = {unwrap_secret, derive_by_aes};
	static const CK_ATTRIBUTE_TYPE types[] = {CKA_UNWRAP_TEMPLATE, CKA_DERIVE_TEMPLATE};
	const CK_ATTRIBUTE wanted[] = {TEXT(CKA_LABEL, "like this"), NUM(CKA_SENSITIVE, yes), NUM(CKA_EXTRACTABLE, no)};
	const CK_ATTRIBUTE same = TEXT(CKA_LABEL, "like this"), other = TEXT(CKA_LABEL, "like that");
	const CK_ATTRIBUTE leaves = NUM(CKA_EXTRACTABLE, yes);

	(void)state;
	for (size_t w = 0; w < COUNT(ways); w++)
		for (int n = 0; n < 4; n++) {
			const CK_ATTRIBUTE place = {CKA_TOKEN, n & 1 ? &yes : &no, 1}, again[] = {place, same},
					   differs[] = {place, other}, opens[] = {place, leaves};
			CK_OBJECT_HANDLE object;
			CK_ULONG before;

			kit.aes = maker(types[w], wanted, COUNT(wanted), n & 2);
			before = seen(group);
			assert_int_equal(ways[w](app, differs, 2, &object), CKR_TEMPLATE_INCONSISTENT);
			assert_int_equal(ways[w](app, opens, 2, &object), CKR_TEMPLATE_INCONSISTENT);
			assert_int_equal(seen(group), before);
			assert_int_equal(ways[w](app, again, 2, &object), CKR_OK);
			assert_int_equal(ways[w](app, &place, 1, &object), CKR_OK);
			assert_true(says(object, CKA_SENSITIVE));
			assert_false(says(object, CKA_EXTRACTABLE));
			assert_int_equal(seen(group), before + 2);
		}
}

/* ---- copies ---- */

static void a_copy_differs_in_what_was_asked_and_its_original_in_nothing(void **state)
{
	const CK_ATTRIBUTE open[] = {NUM(CKA_EXTRACTABLE, yes), NUM(CKA_TOKEN, yes), TEXT(CKA_LABEL, "original")};
	CK_OBJECT_HANDLE original, copy;
	struct effect effect;

	(void)state;
	for (int from = 0; from < 2; from++)
		for (int token = 0; token < 2; token++) {
			const CK_ATTRIBUTE wish[] = {NUM(CKA_EXTRACTABLE, no), NUM(CKA_SENSITIVE, yes),
						     NUM(CKA_DECRYPT, no),     TEXT(CKA_LABEL, "copy"),
						     NUM(CKA_MODIFIABLE, no),  {CKA_TOKEN, token ? &yes : &no, 1}};

			assert_int_equal(create_secret(app, open, from ? 3 : 1, &original), CKR_OK);
			assert_int_equal(effect_of(original, CKO_SECRET_KEY, &effect), CKR_OK);
			assert_int_equal(call_by(app, p11_C_CopyObject(0, original, wish, COUNT(wish), &copy)), CKR_OK);
			has_effect(copy, CKO_SECRET_KEY, &effect);
			assert_false(says(copy, CKA_EXTRACTABLE));
			assert_false(says(copy, CKA_NEVER_EXTRACTABLE));
			assert_true(says(copy, CKA_SENSITIVE));
			assert_false(says(copy, CKA_ALWAYS_SENSITIVE));
			assert_false(says(copy, CKA_DECRYPT));
			assert_int_equal(says(copy, CKA_TOKEN), token);
			assert_int_equal(call_by(app, p11_C_SetAttributeValue(0, copy, &wish[3], 1)),
					 CKR_ACTION_PROHIBITED);
			assert_int_equal(wrap(kit.aes, copy), CKR_KEY_UNEXTRACTABLE);
			assert_true(says(original, CKA_EXTRACTABLE));
			assert_true(says(original, CKA_DECRYPT));
			assert_int_equal(wrap(kit.aes, original), CKR_OK);
			rig_in_sync();
			assert_int_equal(destroy(original), CKR_OK);
			has_effect(copy, CKO_SECRET_KEY, &effect);
			assert_int_equal(destroy(copy), CKR_OK);
		}
}

static void what_is_not_to_be_copied_is_not(void **state)
{
	const CK_ATTRIBUTE single = NUM(CKA_COPYABLE, no);

	(void)state;
	for (size_t w = 0; w < COUNT(making_ways); w++) {
		CK_OBJECT_HANDLE object, copy;

		assert_int_equal(making_ways[w].make(app, &single, 1, &object), CKR_OK);
		assert_int_equal(call_by(app, p11_C_CopyObject(0, object, NULL, 0, &copy)), CKR_ACTION_PROHIBITED);
		assert_int_equal(destroy(object), CKR_OK);
	}
}

/* From a session into the group, and back. */
static void objects_of_every_class_are_copied_from_place_to_place(void **state)
{
	(void)state;
	for (size_t w = 0; w < COUNT(making_ways); w++)
		for (int n = 0; n < 4; n++) {
			const struct making_way *way = &making_ways[w];
			const CK_ATTRIBUTE from = {CKA_TOKEN, n & 1 ? &yes : &no, 1},
					   to = {CKA_TOKEN, n & 2 ? &yes : &no, 1};
			CK_OBJECT_HANDLE object, copy;
			struct effect effect;

			assert_int_equal(way->make(app, &from, 1, &object), CKR_OK);
			if (shows_effect(way))
				assert_int_equal(effect_of(object, way->class, &effect), CKR_OK);
			assert_int_equal(call_by(app, p11_C_CopyObject(0, object, &to, 1, &copy)), CKR_OK);
			assert_int_equal(destroy(object), CKR_OK);
			if (shows_effect(way))
				has_effect(copy, way->class, &effect);
			assert_int_equal(says(copy, CKA_TOKEN), n & 2 ? 1 : 0);
			rig_in_sync();
			assert_int_equal(destroy(copy), CKR_OK);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    ON_APP(a_key_leaves_only_when_its_record_lets_it),
	    ON_APP(what_is_no_private_or_secret_key_is_not_wrapped),
	    ON_APP(what_does_not_wrap_is_named_as_such),
	    ON_APP(what_a_key_wraps_is_as_its_template_says),
	    ON_APP(what_was_wrapped_comes_back_as_it_was),
	    ON_APP(what_is_unwrapped_or_derived_is_as_the_template_of_its_maker_says),
	    ON_APP(a_copy_differs_in_what_was_asked_and_its_original_in_nothing),
	    ON_APP(what_is_not_to_be_copied_is_not),
	    ON_APP(objects_of_every_class_are_copied_from_place_to_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
