/* SPDX-License-Identifier: Apache-2.0 */
/* The objects that an application sees: what others do to them, and what it does. */
#include "fixture.h"

#include <stdio.h>

static CK_RV label_of(CK_OBJECT_HANDLE object, char ret[static 32])
{
	CK_ATTRIBUTE label = {CKA_LABEL, ret, 31};
	CK_RV rv = call_in(group, p11_C_GetAttributeValue(0, object, &label, 1));

	ret[rv == CKR_OK ? label.ulValueLen : 0] = '\0';
	return rv;
}

static CK_RV rename_to(CK_OBJECT_HANDLE object, const char *label)
{
	const CK_ATTRIBUTE item = {CKA_LABEL, (void *)(uintptr_t)label, strlen(label)};

	return call_in(group, p11_C_SetAttributeValue(0, object, &item, 1));
}

/* ---- what others do ---- */

static void others_delete(const struct record *record, uint32_t where)
{
	struct err err = {0};

	assert_int_equal(replica_destroy(rig_open(where), record, NULL, &err), 0);
}

static void others_rename(struct record *record, const char *label)
{
	const CK_ATTRIBUTE item = {CKA_LABEL, (void *)(uintptr_t)label, strlen(label)};
	struct err err = {0};

	assert_int_equal(replica_set_attributes(rig_open(UINT32_MAX), record, 0, &item, 1, &err), 0);
}

static void what_others_make_change_and_delete_is_seen(void **state)
{
	owned(record) struct record theirs = {0};
	CK_OBJECT_HANDLE k = key(KEY_AES_256, "k"), handle;
	char label[32];

	(void)state;
	rig_key(KEY_AES_256, "theirs", &theirs);
	handle = found("theirs");
	assert_int_not_equal(handle, CK_INVALID_HANDLE);
	others_rename(&theirs, "renamed");
	assert_int_equal(found("theirs"), CK_INVALID_HANDLE);
	assert_int_equal(found("renamed"), handle);
	assert_int_equal(label_of(handle, label), CKR_OK);
	assert_string_equal(label, "renamed");
	others_delete(&theirs, UINT32_MAX);
	assert_int_equal(found("renamed"), CK_INVALID_HANDLE);
	assert_int_equal(label_of(handle, label), CKR_OBJECT_HANDLE_INVALID);
	assert_int_equal(sign(handle, NULL), CKR_KEY_HANDLE_INVALID);
	assert_int_equal(found("k"), k);
}

static void handles_stay_whatever_comes_and_goes(void **state)
{
	enum { KEYS = 40 };
	CK_OBJECT_HANDLE handles[KEYS];
	char label[32], name[32];

	(void)state;
	for (int i = 0; i < KEYS; i++) {
		snprintf(name, sizeof(name), "k%d", i);
		handles[i] = key(KEY_AES_128, name);
		for (int j = 0; j < i; j++)
			assert_int_not_equal(handles[j], handles[i]);
		if (i % 3 == 2)
			assert_int_equal(destroy(handles[i - 1]), CKR_OK);
	}
	assert_int_equal(ha_logout(group), CKR_OK);
	assert_int_equal(ha_login(group, "1234", 4), CKR_OK);
	for (int i = 0; i < KEYS; i++) {
		bool gone = i % 3 == 1 && i + 1 < KEYS;

		snprintf(name, sizeof(name), "k%d", i);
		assert_int_equal(found(name), gone ? CK_INVALID_HANDLE : handles[i]);
		assert_int_equal(label_of(handles[i], label), gone ? CKR_OBJECT_HANDLE_INVALID : CKR_OK);
		assert_string_equal(label, gone ? "" : name);
	}
}

static void what_is_no_handle_is_no_object(void **state)
{
	static const CK_OBJECT_HANDLE none[] = {0, 2, 1000, CK_UNAVAILABLE_INFORMATION};
	char label[32];

	(void)state;
	assert_int_equal(key(KEY_AES_128, "k"), 1);
	for (size_t i = 0; i < COUNT(none); i++) {
		assert_int_equal(label_of(none[i], label), CKR_OBJECT_HANDLE_INVALID);
		assert_int_equal(rename_to(none[i], "x"), CKR_OBJECT_HANDLE_INVALID);
		assert_int_equal(destroy(none[i]), CKR_OBJECT_HANDLE_INVALID);
		assert_int_equal(sign(none[i], NULL), CKR_KEY_HANDLE_INVALID);
	}
}

/* ---- deleted keys ---- */

static void a_deleted_key_stays_so_for_the_life_of_the_process(void **state)
{
	CK_OBJECT_HANDLE k = key(KEY_HMAC_SHA256, "k"), handle;
	struct fake_state *older[RIG_MEMBERS];
	CK_ULONG count;

	(void)state;
	for (size_t m = 0; m < RIG_MEMBERS; m++)
		older[m] = fake_save(m);
	assert_int_equal(destroy(k), CKR_OK);
	/* Whoever comes back from a backup has the key, and knows nothing of its end; the others cannot be asked. */
	for (size_t m = 0; m < RIG_MEMBERS; m++) {
		rig_restore(m, older[m]);
		away(0xf & ~(1u << m));
		for (int i = 0; i < 2; i++) {
			find("k", &handle, &count);
			assert_int_equal(count, 0);
			assert_int_equal(sign(k, NULL), CKR_KEY_HANDLE_INVALID);
			assert_int_equal(ha_logout(group), CKR_OK);
			assert_int_equal(ha_login(group, "1234", 4), CKR_OK);
		}
		away(0);
		look_again();
	}
}

static void what_others_deleted_stays_so_as_well(void **state)
{
	owned(record) struct record theirs = {0};
	struct fake_state *older;
	CK_OBJECT_HANDLE handle;
	CK_ULONG count;

	(void)state;
	rig_key(KEY_HMAC_SHA256, "theirs", &theirs);
	assert_int_not_equal(found("theirs"), CK_INVALID_HANDLE);
	older = fake_save(3);
	others_delete(&theirs, UINT32_MAX);
	assert_int_equal(found("theirs"), CK_INVALID_HANDLE);
	rig_restore(3, older);
	away(0x7);
	find("theirs", &handle, &count);
	assert_int_equal(count, 0);
}

/* ---- what the application does ---- */

static void a_change_goes_over_what_others_changed(void **state)
{
	owned(record) struct record theirs = {0};
	const CK_ATTRIBUTE id = {CKA_ID, (void *)"ours", 4};
	CK_ATTRIBUTE read_id;
	CK_OBJECT_HANDLE handle;
	char label[32], text[32];

	(void)state;
	rig_key(KEY_AES_256, "theirs", &theirs);
	handle = found("theirs");
	others_rename(&theirs, "renamed");
	assert_int_equal(call_in(group, p11_C_SetAttributeValue(0, handle, &id, 1)), CKR_OK);
	assert_int_equal(label_of(handle, label), CKR_OK);
	assert_string_equal(label, "renamed");
	read_id = (CK_ATTRIBUTE){CKA_ID, text, sizeof(text)};
	assert_int_equal(call_in(group, p11_C_GetAttributeValue(0, handle, &read_id, 1)), CKR_OK);
	assert_int_equal(read_id.ulValueLen, 4);
	assert_memory_equal(text, "ours", 4);
	/* And it is so for everybody. */
	assert_int_equal(found("renamed"), handle);
}

static void a_key_that_others_deleted_can_neither_be_changed_nor_comes_back(void **state)
{
	owned(record) struct record theirs = {0};
	CK_OBJECT_HANDLE handle;
	size_t count;

	(void)state;
	rig_key(KEY_AES_256, "theirs", &theirs);
	handle = found("theirs");
	others_delete(&theirs, UINT32_MAX);
	assert_int_equal(rename_to(handle, "mine"), CKR_OBJECT_HANDLE_INVALID);
	for (size_t m = 0; m < RIG_MEMBERS; m++) {
		rig_object(m, CK_UNAVAILABLE_INFORMATION, theirs.uid, UID_LEN, &count);
		assert_int_equal(count, 0);
	}
	assert_int_equal(found("mine"), CK_INVALID_HANDLE);
}

/* How many objects this process sees, and another one. */
static CK_ULONG seen_by_all(void)
{
	struct ha_group *other = another_group();
	owned(mem) CK_OBJECT_HANDLE *list = NULL, *theirs = NULL;
	CK_ULONG count, count_there;

	assert_int_equal(find_all(group, NULL, 0, &list, &count), CKR_OK);
	assert_int_equal(find_all(other, NULL, 0, &theirs, &count_there), CKR_OK);
	assert_int_equal(count, count_there);
	ha_group_free(other);
	return count;
}

static void halves_of_a_pair_go_one_by_one(void **state)
{
	CK_OBJECT_CLASS class = CKO_PUBLIC_KEY;
	const CK_ATTRIBUTE template = {CKA_CLASS, &class, sizeof(class)};

	(void)state;
	for (int public_first = 0; public_first < 2; public_first++) {
		CK_OBJECT_HANDLE private = key(KEY_EC_P256, "pair");
		owned(mem) CK_OBJECT_HANDLE *list = NULL, *left = NULL;
		CK_ULONG count;

		assert_int_equal(find_all(group, &template, 1, &list, &count), CKR_OK);
		assert_int_equal(count, 1);
		assert_int_equal(destroy(public_first ? list[0] : private), CKR_OK);
		assert_int_equal(seen_by_all(), 1);
		assert_int_equal(find_all(group, NULL, 0, &left, &count), CKR_OK);
		assert_int_equal(left[0], public_first ? private : list[0]);
		rig_in_sync();
		assert_int_equal(destroy(left[0]), CKR_OK);
		assert_int_equal(destroy(left[0]), CKR_OBJECT_HANDLE_INVALID);
		assert_int_equal(seen_by_all(), 0);
		rig_in_sync();
	}
}

static CK_OBJECT_HANDLE public_of(struct ha_group *in)
{
	CK_OBJECT_CLASS class = CKO_PUBLIC_KEY;
	const CK_ATTRIBUTE template = {CKA_CLASS, &class, sizeof(class)};
	owned(mem) CK_OBJECT_HANDLE *list = NULL;
	CK_ULONG count;

	assert_int_equal(find_all(in, &template, 1, &list, &count), CKR_OK);
	return count ? list[0] : CK_INVALID_HANDLE;
}

static CK_RV verify_text(CK_OBJECT_HANDLE public, const uint8_t *signature, CK_ULONG len)
{
	static const CK_MECHANISM ecdsa = {CKM_ECDSA, NULL, 0};
	owned(ha_session) struct ha_session *session = NULL;
	struct p11_call init = p11_init(P11_C_VerifyInit, 0, &ecdsa, public);
	struct p11_call verify = p11_C_Verify(0, "thirty-two bytes of text to sign", 32, signature, len);
	CK_RV rv;

	assert_int_equal(ha_session_open(group, CKF_SERIAL_SESSION, &session), CKR_OK);
	rv = ha_call(session, &init);
	return rv == CKR_OK ? ha_call(session, &verify) : rv;
}

static CK_RV sign_with_pair(CK_OBJECT_HANDLE private, uint8_t ret[static 64])
{
	static const CK_MECHANISM ecdsa = {CKM_ECDSA, NULL, 0};
	CK_ULONG len = 64;
	struct use use;
	CK_RV rv = use_begin(P11_OP_SIGN, &ecdsa, private, &use);

	if (rv != CKR_OK)
		return rv;
	rv = use_call(&use, P11_PART_ONCE, "thirty-two bytes of text to sign", 32, ret, &len);
	use_end(&use);
	return rv;
}

/* What is left is used as before, whoever of the members is there. */
static void the_half_that_is_left_does_what_it_did(void **state)
{
	uint8_t signature[64], again[64];

	(void)state;
	for (int public_first = 0; public_first < 2; public_first++) {
		CK_OBJECT_HANDLE private = key(KEY_EC_P256, "pair"), public = public_of(group);

		assert_int_equal(sign_with_pair(private, signature), CKR_OK);
		assert_int_equal(verify_text(public, signature, 64), CKR_OK);
		assert_int_equal(destroy(public_first ? public : private), CKR_OK);
		for (size_t m = 0; m < RIG_MEMBERS; m++) {
			away(0xf & ~(1u << m));
			if (public_first)
				assert_int_equal(sign_with_pair(private, again), CKR_OK);
			assert_int_equal(verify_text(public, signature, 64), public_first ? CKR_KEY_HANDLE_INVALID : CKR_OK);
			if (!public_first)
				assert_int_equal(sign_with_pair(private, again), CKR_KEY_HANDLE_INVALID);
			away(0);
			look_again();
		}
		assert_int_equal(destroy(public_first ? private : public), CKR_OK);
		assert_int_equal(seen_by_all(), 0);
	}
}

/* A member that was away when halves were destroyed brings none of them back. */
static void a_half_that_was_destroyed_does_not_come_back(void **state)
{
	(void)state;
	for (int n = 0; n < 4; n++)
		for (size_t m = 0; m < RIG_MEMBERS; m++) {
			bool public_first = n & 1, both = n & 2;
			CK_OBJECT_HANDLE private = key(KEY_EC_P256, "pair"), public = public_of(group);

			away(1u << m);
			assert_int_equal(destroy(public_first ? public : private), CKR_OK);
			if (both)
				assert_int_equal(destroy(public_first ? private : public), CKR_OK);
			away(0);
			rig_settles();
			look_again();
			assert_int_equal(seen_by_all(), !both);
			if (!both)
				assert_int_equal(destroy(public_first ? private : public), CKR_OK);
			rig_settles();
			assert_int_equal(seen_by_all(), 0);
		}
}

/* Members are lost while halves are destroyed: the other half is there whatever comes of it. */
static bool destroy_while_lost(bool public_first, uint32_t lost, unsigned message, enum rig_when when)
{
	CK_OBJECT_HANDLE private = key(KEY_EC_P256, "pair"), public = public_of(group);
	CK_ULONG left;
	bool came;
	CK_RV rv;

	for (size_t m = 0; m < RIG_MEMBERS; m++)
		if (lost & 1u << m)
			rig_lose(m, message, when);
	rv = destroy(public_first ? public : private);
	came = rig_came();
	away(0);
	rig_settles();
	look_again();
	left = seen_by_all();
	if (rv == CKR_OK)
		assert_int_equal(left, 1);
	else
		assert_true(left == 2 || (rv == CKR_FUNCTION_FAILED && left <= 3));
	/* Nobody lost the half that was not asked for. */
	if (public_first)
		assert_int_not_equal(found("pair"), CK_INVALID_HANDLE);
	else
		assert_int_not_equal(public_of(group), CK_INVALID_HANDLE);
	for (CK_OBJECT_HANDLE object; (object = found("pair")) != CK_INVALID_HANDLE;)
		assert_int_equal(destroy(object), CKR_OK);
	assert_int_equal(seen_by_all(), 0);
	return came;
}

static void whatever_is_said_of_a_half_is_so_whoever_was_lost(void **state)
{
	static const uint32_t lost[] = {0x1, 0x8, 0x7};

	(void)state;
	for (int public_first = 0; public_first < 2; public_first++)
		for (size_t l = 0; l < COUNT(lost); l++)
			for (unsigned n = RIG_WHENS; destroy_while_lost(public_first, lost[l], n / RIG_WHENS, n % RIG_WHENS); n++)
				;
}

/* Another process, which has seen the pair. */
static void another_process_sees_what_became_of_the_halves(void **state)
{
	struct ha_group *other = another_group();

	(void)state;
	for (int public_first = 0; public_first < 2; public_first++) {
		CK_OBJECT_HANDLE private = key(KEY_EC_P256, "pair"), public = public_of(group), theirs = public_of(other);
		CK_ATTRIBUTE class = {CKA_CLASS, NULL, 0};

		assert_int_not_equal(theirs, CK_INVALID_HANDLE);
		assert_int_equal(destroy(public_first ? public : private), CKR_OK);
		assert_int_equal(public_of(other) == CK_INVALID_HANDLE, public_first);
		if (public_first)
			assert_int_equal(call_in(other, p11_C_GetAttributeValue(0, theirs, &class, 1)), CKR_OBJECT_HANDLE_INVALID);
		/* What it does goes over what was done, and does not undo it. */
		if (!public_first)
			assert_int_equal(call_in(other, p11_C_DestroyObject(0, public_of(other))), CKR_OK);
		else
			assert_int_equal(destroy(private), CKR_OK);
		assert_int_equal(seen_by_all(), 0);
		rig_in_sync();
	}
	ha_group_free(other);
}

/* What is said of a write, by how many members are there. */
static void a_write_is_made_refused_or_not_known(void **state)
{
	static const struct {
		uint32_t away;
		bool made;
	} cases[] = {{0x0, true}, {0x1, true}, {0x3, true}, {0x7, false}, {0xe, false}, {0xf, false}};

	(void)state;
	rig_keep();
	for (size_t i = 0; i < COUNT(cases); i++) {
		CK_OBJECT_HANDLE k = key(KEY_AES_256, "k"), more = CK_INVALID_HANDLE;
		uint64_t before = rig_changes();

		away(cases[i].away);
		assert_int_equal(generate(KEY_AES_256, "more", &more) == CKR_OK, cases[i].made);
		assert_int_equal(rename_to(k, "renamed") == CKR_OK, cases[i].made);
		assert_int_equal(destroy(k) == CKR_OK, cases[i].made);
		if (!cases[i].made)
			assert_int_equal(rig_changes(), before);
		away(0);
		look_again();
		assert_int_equal(found("more"), more);
		assert_int_equal(found("k"), cases[i].made ? CK_INVALID_HANDLE : k);
		assert_int_equal(destroy(cases[i].made ? more : k), CKR_OK);
	}
}

/* Members are lost while it is made: not known is said as such, and comes out one way or the other. */
static void a_write_whose_members_are_lost_is_not_called_refused(void **state)
{
	bool came = true;
	size_t not_known = 0;

	(void)state;
	for (unsigned n = 1; came; n++) {
		CK_OBJECT_HANDLE k = key(KEY_AES_256, "k");
		CK_RV rv;

		look_again();
		for (size_t m = 1; m < RIG_MEMBERS; m++)
			rig_lose(m, n, RIG_AFTER);
		rv = destroy(k);
		came = rig_came();
		away(0);
		rig_settles();
		look_again();
		if (rv == CKR_OK || rv == CKR_TOKEN_WRITE_PROTECTED)
			assert_int_equal(found("k") == CK_INVALID_HANDLE, rv == CKR_OK);
		else
			assert_int_equal(rv, CKR_FUNCTION_FAILED);
		not_known += rv == CKR_FUNCTION_FAILED;
		if (found("k"))
			assert_int_equal(destroy(k), CKR_OK);
	}
	assert_true(not_known > 0);
}

static void memory_that_runs_out_hides_no_key_for_good(void **state)
{
	CK_OBJECT_HANDLE k = key(KEY_AES_256, "k"), handle;
	bool enough = false;

	(void)state;
	key(KEY_EC_P256, "other");
	for (unsigned long n = 1; !enough; n++) {
		CK_ULONG count;
		CK_RV rv;

		/* So that everything is read anew. */
		assert_int_equal(ha_logout(group), CKR_OK);
		assert_int_equal(ha_login(group, "1234", 4), CKR_OK);
		mem_fail_after = n;
		rv = find("k", &handle, &count);
		enough = mem_fail_after != 0;
		mem_fail_after = 0;
		if (rv == CKR_OK)
			assert_int_equal(handle, k);
		else
			assert_int_equal(rv, CKR_HOST_MEMORY);
		assert_int_equal(found("k"), k);
	}
}

/* Of a pair of which a half is destroyed. */
static void memory_that_runs_out_loses_and_leaves_no_half(void **state)
{
	bool enough = false;

	(void)state;
	for (unsigned long n = 1; !enough; n++) {
		CK_OBJECT_HANDLE private = key(KEY_EC_P256, "pair"), public = public_of(group);
		CK_ULONG left;
		CK_RV rv;

		look_again();
		mem_fail_after = n;
		rv = destroy(private);
		enough = mem_fail_after != 0;
		mem_fail_after = 0;
		rig_settles();
		look_again();
		assert_int_not_equal(public_of(group), CK_INVALID_HANDLE);
		/* The pair as it was, or the half that is left; not both, unless that is said. */
		left = seen_by_all();
		assert_true(left == 1 || (left == 2 && rv != CKR_OK) || rv == CKR_FUNCTION_FAILED);
		if (rv == CKR_OK)
			assert_int_equal(public_of(group), public);
		for (CK_OBJECT_HANDLE object; (object = found("pair")) != CK_INVALID_HANDLE;)
			assert_int_equal(destroy(object), CKR_OK);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_GROUP(what_others_make_change_and_delete_is_seen),
		ON_GROUP(handles_stay_whatever_comes_and_goes),
		ON_GROUP(what_is_no_handle_is_no_object),
		ON_GROUP(a_deleted_key_stays_so_for_the_life_of_the_process),
		ON_GROUP(what_others_deleted_stays_so_as_well),
		ON_GROUP(a_change_goes_over_what_others_changed),
		ON_GROUP(a_key_that_others_deleted_can_neither_be_changed_nor_comes_back),
		ON_GROUP(halves_of_a_pair_go_one_by_one),
		ON_GROUP(the_half_that_is_left_does_what_it_did),
		ON_GROUP(a_half_that_was_destroyed_does_not_come_back),
		ON_GROUP(whatever_is_said_of_a_half_is_so_whoever_was_lost),
		ON_GROUP(another_process_sees_what_became_of_the_halves),
		ON_GROUP(a_write_is_made_refused_or_not_known),
		ON_GROUP(a_write_whose_members_are_lost_is_not_called_refused),
		ON_GROUP(memory_that_runs_out_hides_no_key_for_good),
		ON_GROUP(memory_that_runs_out_loses_and_leaves_no_half),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
