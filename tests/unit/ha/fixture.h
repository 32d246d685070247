/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fixture - an application's group over the rig: keys, signatures, and who made them.
 *
 * rig_set is somebody else's process: whatever it writes the application has to find out. Nothing runs in the
 * background: members are looked at when something is asked and their time has come.
 */
#ifndef UNIT_HA_FIXTURE_H
#define UNIT_HA_FIXTURE_H

#include "../replica/rig.h"

#include <stdlib.h>

#include "base/mem.h"
#include "ha/ha.h"
#include "replica/view.h"

enum { NOBODY = RIG_MEMBERS, LONG_MS = 20000 };
#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static struct ha_group *group;

static struct ha_group *another_group(void)
{
	struct ha_group *made;

	assert_int_equal(ha_group_new(rig_another(), "/nonexistent", false, &made, NULL), 0);
	assert_int_equal(ha_login(made, "1234", 4), CKR_OK);
	return made;
}

static int open_group(void **state)
{
	rig_four(state);
	group = another_group();
	return 0;
}

static int close_group(void **state)
{
	ha_group_free(group);
	group = NULL;
	return rig_end(state);
}

#define ON_GROUP(f) cmocka_unit_test_setup_teardown(f, open_group, close_group)

/* What an application asks for; the private or secret half into *ret. */
static inline CK_RV generate(enum key_kind kind, const char *label, CK_OBJECT_HANDLE *ret)
{
	owned(key_request) struct key_request r = {0};
	CK_OBJECT_HANDLE public;

	assert_int_equal(key_request_kind(kind, label, &r, NULL), 0);
	return ha_generate(group, &r.mechanism, r.n_templates > 1 ? r.templates[1].items : NULL, r.templates[1].count,
			   r.templates[0].items, r.templates[0].count, &public, ret);
}

static inline CK_OBJECT_HANDLE key(enum key_kind kind, const char *label)
{
	CK_OBJECT_HANDLE handle = CK_INVALID_HANDLE;

	assert_int_equal(generate(kind, label, &handle), CKR_OK);
	return handle;
}

/* Objects of that label; the first one's handle. */
static inline CK_RV find(const char *label, CK_OBJECT_HANDLE *ret, CK_ULONG *ret_count)
{
	const CK_ATTRIBUTE template = {CKA_LABEL, (void *)(uintptr_t)label, strlen(label)};
	owned(mem) CK_OBJECT_HANDLE *list = NULL;
	CK_RV rv = ha_find(group, &template, 1, &list, ret_count);

	*ret = rv == CKR_OK && *ret_count ? list[0] : CK_INVALID_HANDLE;
	if (rv != CKR_OK)
		*ret_count = 0;
	return rv;
}

static inline CK_OBJECT_HANDLE found(const char *label)
{
	CK_OBJECT_HANDLE handle;
	CK_ULONG count;

	assert_int_equal(find(label, &handle, &count), CKR_OK);
	return handle;
}

/* Calls that each member took since the last look; whoever took some. */
static unsigned long calls_before[RIG_MEMBERS];

static inline uint32_t who_took(enum p11_fn fn)
{
	uint32_t mask = 0;

	for (size_t m = 0; m < RIG_MEMBERS; m++) {
		unsigned long calls = fake_calls(m, fn);

		if (calls != calls_before[m])
			mask |= 1u << m;
		calls_before[m] = calls;
	}
	return mask;
}

static inline CK_RV sign_text(CK_OBJECT_HANDLE with, const char *text, uint8_t ret[static 32])
{
	const CK_MECHANISM mechanism = {CKM_SHA256_HMAC, NULL, 0};
	struct ha_operation *operation;
	CK_ULONG len = 32;
	bool over;
	CK_RV rv = ha_operation_start(group, HA_SIGN, &mechanism, with, &operation);

	if (rv != CKR_OK)
		return rv;
	rv = ha_operation_once(operation, text, strlen(text), ret, &len, &over);
	assert_true(over);
	ha_operation_free(operation);
	return rv;
}

/* One signature. *ret_who (may be NULL): whoever was asked for it. */
static inline CK_RV sign(CK_OBJECT_HANDLE with, uint32_t *ret_who)
{
	uint8_t signature[32];
	uint32_t ignored;
	CK_RV rv;

	who_took(P11_C_Sign);
	rv = sign_text(with, "text", signature);
	*(ret_who ? ret_who : &ignored) = who_took(P11_C_Sign);
	return rv;
}

static inline void away(uint32_t mask)
{
	for (size_t m = 0; m < RIG_MEMBERS; m++)
		rig_away(m, mask & 1u << m);
}

/* As much time goes by as it takes until members are looked at again; each gets a look. */
static inline void look_again(void)
{
	uint8_t byte;

	for (size_t m = 0; m < RIG_MEMBERS; m++) {
		rig_pass(LONG_MS);
		for (size_t i = 0; i < RIG_MEMBERS; i++)
			ha_random(group, &byte, 1);
	}
}

#endif
