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

/* One call of an application in a session of its own. */
static inline CK_RV call_in(struct ha_group *in, struct p11_call call)
{
	owned(ha_session) struct ha_session *session = NULL;
	CK_RV rv = ha_session_open(in, CKF_SERIAL_SESSION | CKF_RW_SESSION, &session);

	return rv == CKR_OK ? ha_call(session, &call) : rv;
}

static struct ha_group *another_group(void)
{
	struct ha_group *made;

	assert_int_equal(ha_group_new(rig_another(), "/nonexistent", false, &made, NULL), 0);
	assert_int_equal(ha_login(made, "1234", 4), CKR_OK);
	return made;
}

static inline int open_group(void **state)
{
	rig_four(state);
	/* The first is nearest, so that it is known who is asked. */
	setenv("HSMCTL_DATACENTRE", "dc0", 1);
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
	const struct p11_attrs *t = r.templates;
	CK_OBJECT_HANDLE public;

	assert_int_equal(key_request_kind(kind, label, &r, NULL), 0);
	return call_in(group, r.n_templates > 1
				      ? p11_C_GenerateKeyPair(0, &r.mechanism, t[1].items, t[1].count, t[0].items, t[0].count,
							      &public, ret)
				      : p11_C_GenerateKey(0, &r.mechanism, t[0].items, t[0].count, ret));
}

static inline CK_RV destroy(CK_OBJECT_HANDLE object)
{
	return call_in(group, p11_C_DestroyObject(0, object));
}

/* All that match, into a new list. */
static inline CK_RV find_all(struct ha_group *in, const CK_ATTRIBUTE *template, CK_ULONG n, CK_OBJECT_HANDLE **ret,
			     CK_ULONG *ret_count)
{
	enum { ROOM = 4096 };
	owned(ha_session) struct ha_session *session = NULL;
	CK_OBJECT_HANDLE *list = calloc(ROOM, sizeof(*list));
	struct p11_call init = p11_C_FindObjectsInit(0, template, n), next = p11_C_FindObjects(0, list, ROOM, ret_count);
	CK_RV rv = ha_session_open(in, CKF_SERIAL_SESSION, &session);

	if (rv == CKR_OK)
		rv = ha_call(session, &init);
	if (rv == CKR_OK)
		rv = ha_call(session, &next);
	*ret = rv == CKR_OK ? list : NULL;
	if (rv != CKR_OK)
		free(list);
	return rv;
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
	CK_RV rv = find_all(group, &template, 1, &list, ret_count);

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

/* An operation, in a session of its own. */
struct use {
	enum p11_op op;
	struct ha_session *session;
};

static inline CK_RV use_begin(enum p11_op op, const CK_MECHANISM *mechanism, CK_OBJECT_HANDLE with, struct use *ret)
{
	struct p11_call init = p11_init(p11_fn_of(op, P11_PART_INIT), 0, mechanism, with);
	CK_RV rv;

	ret->op = op;
	assert_int_equal(ha_session_open(group, CKF_SERIAL_SESSION, &ret->session), CKR_OK);
	rv = ha_call(ret->session, &init);
	if (rv != CKR_OK)
		ha_session_free(ret->session);
	return rv;
}

static inline void use_end(struct use *use)
{
	ha_session_free(use->session);
}

/* An Init finds one that is active; otherwise it began another, which ends here. */
static inline bool is_over(struct use *use)
{
	static const CK_MECHANISM digest = {CKM_SHA256, NULL, 0};
	struct p11_call again = p11_init(p11_fn_of(use->op, P11_PART_INIT), 0, &digest, CK_INVALID_HANDLE);
	bool over = ha_call(use->session, &again) != CKR_OPERATION_ACTIVE;

	if (over)
		ha_session_free(use->session);
	if (over)
		assert_int_equal(ha_session_open(group, CKF_SERIAL_SESSION, &use->session), CKR_OK);
	return over;
}

static inline CK_RV use_call(struct use *use, enum p11_part part, const void *in, CK_ULONG len, void *out, CK_ULONG *out_len)
{
	struct p11_call call = p11_transform(p11_fn_of(use->op, part), 0, in, len, out, out_len);

	if (part == P11_PART_FINAL)
		call.args[1] = call.args[2];
	return ha_call(use->session, &call);
}

static inline CK_RV sign_text(CK_OBJECT_HANDLE with, const char *text, uint8_t ret[static 32])
{
	const CK_MECHANISM mechanism = {CKM_SHA256_HMAC, NULL, 0};
	CK_ULONG len = 32;
	struct use use;
	CK_RV rv = use_begin(P11_OP_SIGN, &mechanism, with, &use);

	if (rv != CKR_OK)
		return rv;
	rv = use_call(&use, P11_PART_ONCE, text, strlen(text), ret, &len);
	assert_true(is_over(&use));
	use_end(&use);
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
			call_in(group, p11_C_GenerateRandom(0, &byte, 1));
	}
}

#endif
