/* SPDX-License-Identifier: Apache-2.0 */
/* What the certificates of applications and administrators let be done with a token. */
#include <fcntl.h>

#include "fixture.h"
#include "base/str.h"
#include "hosted.h"
#include "member/kept.h"
#include "member/role.h"
#include "member/visit.h"

static const struct host_peer officer = {.name = "officer", .fingerprint = "02", .role = CERT_ROLE_ADMIN};

struct visitor {
	struct visit *visit;
	CK_SESSION_HANDLE session;
};
static struct visitor admin, application;

static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
static CK_OBJECT_CLASS secret = CKO_SECRET_KEY, data_class = CKO_DATA;
static CK_KEY_TYPE aes = CKK_AES;
static CK_MECHANISM kwp = {CKM_AES_KEY_WRAP_PAD, NULL, 0}, kw = {CKM_AES_KEY_WRAP, NULL, 0};
static CK_MECHANISM rsa = {CKM_RSA_PKCS, NULL, 0}, aes_gen = {CKM_AES_KEY_GEN, NULL, 0};

#define LABEL(text) {CKA_LABEL, (void *)(text), strlen(text)}
#define COUNT(t) (sizeof(t) / sizeof((t)[0]))

static CK_RV call(const struct visitor *v, struct p11_call call)
{
	visit_execute(v->visit, &call, 1);
	return call.rv;
}

static CK_RV enter(struct visitor *v, const struct host_peer *peer)
{
	owned(secret) struct secret *pin = good_pin();
	CK_RV rv;

	if (visit_begin(host, peer, NULL, &v->visit, NULL) < 0)
		return CKR_HOST_MEMORY;
	rv = call(v, p11_C_OpenSession(0, CKF_SERIAL_SESSION | CKF_RW_SESSION, &v->session));
	return rv == CKR_OK ? call(v, p11_C_Login(v->session, CKU_USER, pin->data, pin->len)) : rv;
}

/* ---- the table ---- */

static void each_function_is_decided(void **state)
{
	(void)state;
	for (enum p11_fn fn = 0; fn < P11_FN_MAX; fn++)
		if (!role_knows(fn))
			fail_msg("lib/member/role.c does not say who may call %s", p11_fn_table[fn].name);
	assert_false(role_knows(P11_FN_MAX));
}

static int strange_roles(void)
{
	static const enum cert_role roles[] = {CERT_ROLE_NONE, CERT_ROLE_APPLIANCE};
	CK_INFO info;

	CHECK(open_host() == 0);
	for (size_t i = 0; i < COUNT(roles); i++) {
		const struct host_peer peer = {.name = "stranger", .fingerprint = "03", .role = roles[i]};
		struct visitor v;

		CHECK(enter(&v, &peer) == CKR_FUNCTION_REJECTED);
		CHECK(call(&v, p11_C_GetInfo(&info)) == CKR_FUNCTION_REJECTED);
		visit_free(v.visit);
	}
	CHECK(enter(&application, &somebody) == CKR_OK && call(&application, p11_C_GetInfo(&info)) == CKR_OK);
	return 0;
}

static void who_is_neither_administrator_nor_application_does_nothing(void **state)
{
	(void)state;
	assert_int_equal(in_child(strange_roles), 0);
}

/* ---- keys of the group's own ---- */

static CK_OBJECT_HANDLE domain, transport, transport_private, own, carried;

static CK_RV make_aes(const struct visitor *v, const char *label, bool token, CK_OBJECT_HANDLE *ret)
{
	CK_ULONG len = 32;
	CK_BBOOL on_token = token;
	const CK_ATTRIBUTE t[] = {
		LABEL(label), {CKA_TOKEN, &on_token, 1}, {CKA_VALUE_LEN, &len, sizeof(len)}, {CKA_WRAP, &yes, 1},
		{CKA_UNWRAP, &yes, 1}, {CKA_SENSITIVE, &yes, 1}, {CKA_EXTRACTABLE, &yes, 1},
	};

	return call(v, p11_C_GenerateKey(v->session, &aes_gen, t, COUNT(t), ret));
}

static CK_RV make_pair(const struct visitor *v, const char *label, CK_OBJECT_HANDLE *public, CK_OBJECT_HANDLE *private)
{
	CK_MECHANISM m = {CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0};
	CK_ULONG bits = 1024;
	const CK_ATTRIBUTE open[] = {LABEL(label), {CKA_TOKEN, &yes, 1}, {CKA_WRAP, &yes, 1},
				     {CKA_MODULUS_BITS, &bits, sizeof(bits)}};
	const CK_ATTRIBUTE hidden[] = {LABEL(label), {CKA_TOKEN, &yes, 1}, {CKA_UNWRAP, &yes, 1}};

	return call(v, p11_C_GenerateKeyPair(v->session, &m, open, COUNT(open), hidden, COUNT(hidden), public,
					     private));
}

static CK_RV wrap(const struct visitor *v, CK_MECHANISM *by, CK_OBJECT_HANDLE under, CK_OBJECT_HANDLE key)
{
	CK_BYTE blob[1024];
	CK_ULONG len = sizeof(blob);

	return call(v, p11_C_WrapKey(v->session, by, under, key, blob, &len));
}

/* Wrapped by the administrator, unwrapped by v, and gone. */
static CK_RV bring(const struct visitor *v, CK_MECHANISM *wrapping, CK_MECHANISM *by, CK_OBJECT_HANDLE public,
		   CK_OBJECT_HANDLE private, CK_OBJECT_HANDLE key, const char *label)
{
	const CK_ATTRIBUTE t[] = {LABEL(label), {CKA_CLASS, &secret, sizeof(secret)}, {CKA_KEY_TYPE, &aes, sizeof(aes)},
				  {CKA_TOKEN, &yes, 1}, {CKA_SENSITIVE, &yes, 1}};
	CK_BYTE blob[1024];
	CK_ULONG len = sizeof(blob);
	CK_OBJECT_HANDLE made;
	CK_RV rv = call(&admin, p11_C_WrapKey(admin.session, wrapping, public, key, blob, &len));

	if (rv == CKR_OK)
		rv = call(v, p11_C_UnwrapKey(v->session, by, private, blob, len, t, COUNT(t), &made));
	return rv == CKR_OK ? call(&admin, p11_C_DestroyObject(admin.session, made)) : rv;
}

static CK_RV copy(const struct visitor *v, CK_OBJECT_HANDLE key, const char *label)
{
	const CK_ATTRIBUTE t[] = {LABEL(label)};
	CK_OBJECT_HANDLE made;
	CK_RV rv = call(v, p11_C_CopyObject(v->session, key, t, 1, &made));

	return rv == CKR_OK ? call(&admin, p11_C_DestroyObject(admin.session, made)) : rv;
}

static CK_RV relabel(const struct visitor *v, CK_OBJECT_HANDLE key, const char *label)
{
	const CK_ATTRIBUTE t[] = {LABEL(label)};

	return call(v, p11_C_SetAttributeValue(v->session, key, t, 1));
}

static CK_RV reads_a_copy(const struct visitor *v)
{
	return copy(v, domain, "mine");
}

static CK_RV renames_it(const struct visitor *v)
{
	return relabel(v, domain, KEPT_DOMAIN);
}

static CK_RV takes_it_out(const struct visitor *v)
{
	return wrap(v, &kwp, own, domain);
}

static CK_RV takes_it_out_for_a_member(const struct visitor *v)
{
	return wrap(v, &rsa, transport, domain);
}

static CK_RV takes_it_out_by_itself(const struct visitor *v)
{
	return wrap(v, &kwp, domain, domain);
}

static CK_RV brings_it(const struct visitor *v)
{
	return bring(v, &rsa, &rsa, transport, transport_private, domain, "mine");
}

static CK_RV brings_one(const struct visitor *v)
{
	return bring(v, &kwp, &kwp, own, own, carried, KEPT_DOMAIN);
}

static CK_RV copies_one(const struct visitor *v)
{
	return copy(v, own, KEPT_DOMAIN);
}

static CK_RV copies(const struct visitor *v)
{
	return copy(v, own, "mine");
}

static CK_RV changes(const struct visitor *v)
{
	return relabel(v, own, "mine");
}

static CK_RV wraps_otherwise(const struct visitor *v)
{
	return wrap(v, &kw, domain, carried);
}

static CK_RV unwraps_otherwise(const struct visitor *v)
{
	return bring(v, &kw, &kw, domain, domain, carried, "mine");
}

static CK_RV uses_the_transport_key(const struct visitor *v)
{
	return wrap(v, &rsa, transport, carried);
}

static CK_RV makes_a_transport_key(const struct visitor *v)
{
	CK_OBJECT_HANDLE a, b;
	CK_RV rv = make_pair(v, KEPT_TRANSPORT, &a, &b);

	if (rv == CKR_OK)
		call(&admin, p11_C_DestroyObject(admin.session, a));
	return rv == CKR_OK ? call(&admin, p11_C_DestroyObject(admin.session, b)) : rv;
}
static CK_RV makes_a_domain_key(const struct visitor *v)
{
	CK_OBJECT_HANDLE made;
	CK_RV rv = make_aes(v, KEPT_DOMAIN, true, &made);

	return rv == CKR_OK ? call(&admin, p11_C_DestroyObject(admin.session, made)) : rv;
}
static CK_RV makes_one_of_a_value(const struct visitor *v)
{
	CK_BYTE value[32] = {1};
	const CK_ATTRIBUTE t[] = {
		LABEL(KEPT_DOMAIN), {CKA_CLASS, &secret, sizeof(secret)}, {CKA_KEY_TYPE, &aes, sizeof(aes)},
		{CKA_TOKEN, &no, 1}, {CKA_VALUE, value, sizeof(value)},
	};
	CK_OBJECT_HANDLE made;

	return call(v, p11_C_CreateObject(v->session, t, COUNT(t), &made));
}
static CK_RV destroys_a_transport_key(const struct visitor *v)
{
	return call(v, p11_C_DestroyObject(v->session, transport_private));
}
static CK_RV destroys_it(const struct visitor *v)
{
	return call(v, p11_C_DestroyObject(v->session, domain));
}


/* All of it is the administrators'; what destroys comes last. */
static const struct {
	const char *what;
	CK_RV (*does)(const struct visitor *v);
} forbidden[] = {
	{"copies the domain key", reads_a_copy},
	{"changes the domain key", renames_it},
	{"wraps the domain key under its own", takes_it_out},
	{"wraps the domain key under a transport key", takes_it_out_for_a_member},
	{"wraps the domain key under itself", takes_it_out_by_itself},
	{"unwraps with a transport key", brings_it},
	{"unwraps a domain key of its own", brings_one},
	{"copies its key to a domain key", copies_one},
	{"copies a key past its record", copies},
	{"changes a key past its record", changes},
	{"wraps under the domain key in another way", wraps_otherwise},
	{"unwraps under the domain key in another way", unwraps_otherwise},
	{"wraps under a transport key", uses_the_transport_key},
	{"makes a transport key", makes_a_transport_key},
	{"makes a domain key", makes_a_domain_key},
	{"makes a domain key of a value", makes_one_of_a_value},
	{"destroys a transport key", destroys_a_transport_key},
	{"destroys the domain key", destroys_it},
};

static int keys_of_ours(void)
{
	CHECK(open_host() == 0 && enter(&admin, &officer) == CKR_OK && enter(&application, &somebody) == CKR_OK);
	CHECK(make_aes(&admin, KEPT_DOMAIN, true, &domain) == CKR_OK);
	CHECK(make_pair(&admin, KEPT_TRANSPORT, &transport, &transport_private) == CKR_OK);
	CHECK(make_aes(&application, "own", true, &own) == CKR_OK);
	CHECK(make_aes(&application, "carried", true, &carried) == CKR_OK);
	/* What replication does is free. */
	CHECK(wrap(&application, &kwp, domain, carried) == CKR_OK);
	CHECK(bring(&application, &kwp, &kwp, domain, domain, carried, "replica") == CKR_OK);
	for (size_t i = 0; i < COUNT(forbidden); i++) {
		CK_RV rv = forbidden[i].does(&application);

		if (rv != CKR_ACTION_PROHIBITED)
			fprintf(stderr, "an application that %s: 0x%lx\n", forbidden[i].what, rv);
		CHECK(rv == CKR_ACTION_PROHIBITED);
	}
	for (size_t i = 0; i < COUNT(forbidden); i++) {
		CK_RV rv = forbidden[i].does(&admin);

		if (rv != CKR_OK)
			fprintf(stderr, "an administrator that %s: 0x%lx\n", forbidden[i].what, rv);
		CHECK(rv == CKR_OK);
	}
	return 0;
}

static void the_domain_key_and_transport_keys_are_the_administrators(void **state)
{
	(void)state;
	assert_int_equal(in_child(keys_of_ours), 0);
}

/* ---- memos ---- */

struct memo {
	char label[MEMO_LABEL];
	struct buf value;
	bool open;	/* for everybody to see */
};

static struct memo record(uint8_t uid, enum record_state state, uint64_t counter, bool extractable)
{
	struct memo memo = {.value = {.max = MEMO_MAX}};
	/* What is being made is described when it is there. */
	struct record record = {.state = state, .counter = counter, .n_objects = state != RECORD_CREATING};
	char hex[2 * UID_LEN + 1];

	memset(record.uid, uid, UID_LEN);
	str_hex(record.uid, UID_LEN, hex);
	snprintf(memo.label, sizeof(memo.label), KEPT_RECORD "%s", hex);
	p11_attrs_set_ulong(&record.objects[0], CKA_CLASS, CKO_SECRET_KEY, NULL);
	p11_attrs_set_ulong(&record.objects[0], CKA_KEY_TYPE, CKK_AES, NULL);
	p11_attrs_set_bool(&record.objects[0], CKA_SENSITIVE, true, NULL);
	p11_attrs_set_bool(&record.objects[0], CKA_EXTRACTABLE, extractable, NULL);
	record_encode(&record, &memo.value, NULL);
	record_release(&record);
	return memo;
}

static struct memo graves(const char *label, uint8_t from, uint8_t count)
{
	struct memo memo = {.value = {.max = MEMO_MAX}};
	uint8_t uids[256][GRAVE_LEN];

	snprintf(memo.label, sizeof(memo.label), "%s", label);
	for (uint8_t i = 0; i < count; i++)
		memset(uids[i], from + i, GRAVE_LEN);
	graves_encode(uids[0], count, &memo.value, NULL);
	return memo;
}

static struct memo view(const char *of)
{
	struct memo memo = {.value = {.max = MEMO_MAX}};

	snprintf(memo.label, sizeof(memo.label), KEPT_VIEW "%s", of);
	buf_put(&memo.value, "marks", 5);
	memo_seal(&memo.value, NULL);
	return memo;
}

static struct memo junk(const char *label)
{
	struct memo memo = {.value = {.max = MEMO_MAX}};

	snprintf(memo.label, sizeof(memo.label), "%s", label);
	buf_put(&memo.value, "junk", 4);
	return memo;
}

/* In one step: the memos that are put (NONE = none), then the object that goes (0 = none). *ret: the first one's. */
static CK_RV step(const struct visitor *v, struct memo a, struct memo b, CK_OBJECT_HANDLE goes, CK_OBJECT_HANDLE *ret)
{
	struct memo *memos[] = {&a, &b};
	CK_ATTRIBUTE items[2][6];
	struct p11_call calls[3];
	CK_OBJECT_HANDLE made[2];
	size_t n = 0;
	CK_RV rv = CKR_OK;

	for (size_t i = 0; i < 2; i++) {
		const CK_ATTRIBUTE t[] = {
			{CKA_CLASS, &data_class, sizeof(data_class)}, {CKA_APPLICATION, (void *)KEPT_APPLICATION, 6},
			LABEL(memos[i]->label), {CKA_PRIVATE, memos[i]->open ? &no : &yes, 1}, {CKA_TOKEN, &yes, 1},
			{CKA_VALUE, memos[i]->value.data, memos[i]->value.len},
		};

		memcpy(items[i], t, sizeof(t));
		if (*memos[i]->label)
			calls[n++] = p11_C_CreateObject(v->session, items[i], 6, &made[i]);
	}
	if (goes)
		calls[n++] = p11_C_DestroyObject(v->session, goes);
	visit_execute(v->visit, calls, n);
	for (size_t i = 0; i < n && rv == CKR_OK; i++)
		rv = calls[i].rv;
	if (rv == CKR_OK && ret)
		*ret = made[0];
	buf_release(&a.value);
	buf_release(&b.value);
	return rv;
}

#define NONE ((struct memo){0})

static CK_RV put(const struct visitor *v, struct memo memo, CK_OBJECT_HANDLE *ret)
{
	return step(v, memo, NONE, 0, ret);
}

static int records(void)
{
	CK_OBJECT_HANDLE live, other, creating, first;
	struct memo memo;
	const struct visitor *app = &application;

	CHECK(open_host() == 0 && enter(&admin, &officer) == CKR_OK && enter(&application, &somebody) == CKR_OK);
	/* As keys are made. */
	CHECK(put(app, record(1, RECORD_CREATING, 1, false), &creating) == CKR_OK);
	CHECK(step(app, record(1, RECORD_LIVE, 2, false), NONE, creating, &live) == CKR_OK);
	CHECK(put(app, record(2, RECORD_CREATING, 1, true), &creating) == CKR_OK);
	CHECK(call(app, p11_C_DestroyObject(app->session, creating)) == CKR_OK);
	CHECK(put(app, record(3, RECORD_LIVE, 1, true), &first) == CKR_OK);
	CHECK(call(app, p11_C_DestroyObject(app->session, first)) == CKR_OK);
	/* What is no record, or another key's. */
	CHECK(put(app, junk(KEPT_RECORD "01010101010101010101010101010101"), NULL) == CKR_ACTION_PROHIBITED);
	CHECK(put(app, junk("hsmctl something"), NULL) == CKR_ACTION_PROHIBITED);
	/* Away with it, or less strict. */
	CHECK(call(app, p11_C_DestroyObject(app->session, live)) == CKR_ACTION_PROHIBITED);
	CHECK(put(app, record(1, RECORD_LIVE, 3, true), NULL) == CKR_ACTION_PROHIBITED);
	CHECK(step(app, record(1, RECORD_LIVE, 3, true), NONE, live, NULL) == CKR_ACTION_PROHIBITED);
	CHECK(step(app, record(1, RECORD_LIVE, 1, false), NONE, live, NULL) == CKR_ACTION_PROHIBITED);
	CHECK(step(app, record(4, RECORD_LIVE, 3, false), NONE, live, NULL) == CKR_ACTION_PROHIBITED);
	CHECK(copy(app, live, "mine") == CKR_ACTION_PROHIBITED && relabel(app, live, "mine") == CKR_ACTION_PROHIBITED);
	/* By way of one that was never finished. */
	CHECK(put(app, record(1, RECORD_CREATING, 1, true), NULL) == CKR_ACTION_PROHIBITED);
	CHECK(put(app, record(1, RECORD_LIVE, 1, true), NULL) == CKR_ACTION_PROHIBITED);
	/* In the place of it, and where nobody looks. */
	memo = record(1, RECORD_LIVE, 3, false);
	memo.open = true;
	CHECK(step(app, memo, NONE, live, NULL) == CKR_ACTION_PROHIBITED);
	memo = record(1, RECORD_LIVE, 3, false);
	memcpy(memo.label, KEPT_PUBLIC, strlen(KEPT_PUBLIC));
	memo.open = true;
	CHECK(step(app, memo, NONE, live, NULL) == CKR_ACTION_PROHIBITED);
	/* A newer one, and one that it leaves over. */
	CHECK(step(app, record(1, RECORD_LIVE, 3, false), NONE, live, &live) == CKR_OK);
	CHECK(put(app, record(1, RECORD_LIVE, 4, false), &other) == CKR_OK);
	CHECK(call(app, p11_C_DestroyObject(app->session, other)) == CKR_ACTION_PROHIBITED);
	CHECK(call(app, p11_C_DestroyObject(app->session, live)) == CKR_OK);
	/* Deleted: written down first. */
	CHECK(put(app, graves(KEPT_GRAVES, 1, 1), NULL) == CKR_OK);
	CHECK(call(app, p11_C_DestroyObject(app->session, other)) == CKR_OK);
	/* An administrator does as he likes. */
	CHECK(put(&admin, record(5, RECORD_LIVE, 2, false), &live) == CKR_OK);
	CHECK(step(&admin, record(5, RECORD_LIVE, 3, true), NONE, live, &live) == CKR_OK);
	CHECK(call(&admin, p11_C_DestroyObject(admin.session, live)) == CKR_OK);
	CHECK(put(&admin, junk("hsmctl something"), &other) == CKR_OK);
	CHECK(call(app, p11_C_DestroyObject(app->session, other)) == CKR_ACTION_PROHIBITED);
	return 0;
}

static void records_give_way_only_to_those_that_restrict_as_much(void **state)
{
	(void)state;
	assert_int_equal(in_child(records), 0);
}

static int lists(void)
{
	CK_OBJECT_HANDLE open, marks, torn, old;
	struct memo open_view;
	const struct visitor *app = &application;

	CHECK(open_host() == 0 && enter(&admin, &officer) == CKR_OK && enter(&application, &somebody) == CKR_OK);
	/* Of a key deleted long ago, which no list of this host's making names. */
	CHECK(put(&admin, graves(KEPT_GRAVES_FULL, 100, 3), NULL) == CKR_OK);
	CHECK(put(&admin, record(101, RECORD_LIVE, 9, false), &old) == CKR_OK);
	CHECK(call(app, p11_C_DestroyObject(app->session, old)) == CKR_OK);
	CHECK(put(app, graves(KEPT_GRAVES, 1, 3), &open) == CKR_OK);
	CHECK(call(app, p11_C_DestroyObject(app->session, open)) == CKR_ACTION_PROHIBITED);
	CHECK(step(app, graves(KEPT_GRAVES, 1, 2), NONE, open, NULL) == CKR_ACTION_PROHIBITED);
	CHECK(step(app, graves(KEPT_GRAVES, 2, 3), NONE, open, NULL) == CKR_ACTION_PROHIBITED);
	CHECK(put(app, junk(KEPT_GRAVES), NULL) == CKR_ACTION_PROHIBITED);
	/* It grows, and is closed. */
	CHECK(step(app, graves(KEPT_GRAVES, 1, 4), NONE, open, &open) == CKR_OK);
	CHECK(step(app, graves(KEPT_GRAVES, 4, 1), graves(KEPT_GRAVES_FULL, 1, 3), open, &open) == CKR_OK);
	CHECK(put(&admin, junk(KEPT_GRAVES), &torn) == CKR_OK);
	CHECK(call(app, p11_C_DestroyObject(app->session, torn)) == CKR_OK);
	CHECK(put(app, view("a"), &marks) == CKR_OK);
	CHECK(call(app, p11_C_DestroyObject(app->session, marks)) == CKR_ACTION_PROHIBITED);
	CHECK(step(app, view("b"), NONE, marks, NULL) == CKR_ACTION_PROHIBITED);
	open_view = view("a");
	open_view.open = true;
	CHECK(step(app, open_view, NONE, marks, NULL) == CKR_ACTION_PROHIBITED);
	CHECK(step(app, view("a"), NONE, marks, &marks) == CKR_OK);
	CHECK(call(&admin, p11_C_DestroyObject(admin.session, marks)) == CKR_OK);
	CHECK(call(&admin, p11_C_DestroyObject(admin.session, open)) == CKR_OK);
	return 0;
}

static void no_application_shortens_a_list_of_deleted_keys(void **state)
{
	(void)state;
	assert_int_equal(in_child(lists), 0);
}

/* ---- keys that must not leave ---- */

/* Under the domain key, as one of this uid that anybody may read. */
static CK_RV unwrap_readable(const struct visitor *v, uint8_t uid[static UID_LEN])
{
	const CK_ATTRIBUTE t[] = {
		{CKA_CLASS, &secret, sizeof(secret)}, {CKA_KEY_TYPE, &aes, sizeof(aes)}, {CKA_TOKEN, &yes, 1},
		{CKA_SENSITIVE, &no, 1}, {CKA_ID, uid, UID_LEN},
	};
	CK_BYTE blob[1024];
	CK_ULONG len = sizeof(blob);
	CK_OBJECT_HANDLE made;
	CK_RV rv = call(v, p11_C_WrapKey(v->session, &kwp, domain, carried, blob, &len));

	return rv == CKR_OK ? call(v, p11_C_UnwrapKey(v->session, &kwp, domain, blob, len, t, COUNT(t), &made)) : rv;
}

static int leaving(void)
{
	uint8_t uid[UID_LEN];
	const CK_ATTRIBUTE mark = {CKA_ID, uid, sizeof(uid)};
	CK_OBJECT_HANDLE passing, live;
	const struct visitor *app = &application;

	CHECK(open_host() == 0 && enter(&admin, &officer) == CKR_OK && enter(&application, &somebody) == CKR_OK);
	CHECK(make_aes(app, "own", true, &own) == CKR_OK && make_aes(app, "carried", true, &carried) == CKR_OK);
	CHECK(make_aes(app, "passing", false, &passing) == CKR_OK);
	memset(uid, 7, sizeof(uid));
	CHECK(call(&admin, p11_C_SetAttributeValue(admin.session, carried, &mark, 1)) == CKR_OK);
	/* Without a record nobody knows. */
	CHECK(wrap(app, &kwp, own, carried) == CKR_KEY_UNEXTRACTABLE);
	CHECK(wrap(app, &kwp, own, passing) == CKR_OK && relabel(app, passing, "by") == CKR_OK);
	CHECK(put(app, record(7, RECORD_LIVE, 2, true), &live) == CKR_OK);
	CHECK(wrap(app, &kwp, own, carried) == CKR_OK);
	CHECK(step(app, record(7, RECORD_LIVE, 3, false), NONE, live, &live) == CKR_OK);
	CHECK(wrap(app, &kwp, own, carried) == CKR_KEY_UNEXTRACTABLE);
	CHECK(wrap(&admin, &kwp, own, carried) == CKR_OK);
	CHECK(make_aes(&admin, KEPT_DOMAIN, true, &domain) == CKR_OK);
	CHECK(unwrap_readable(app, uid) == CKR_ACTION_PROHIBITED && unwrap_readable(&admin, uid) == CKR_OK);
	memset(uid, 8, sizeof(uid));
	CHECK(put(app, record(8, RECORD_CREATING, 1, true), NULL) == CKR_OK && unwrap_readable(app, uid) == CKR_OK);
	return 0;
}

static void a_key_leaves_only_as_its_record_says(void **state)
{
	(void)state;
	assert_int_equal(in_child(leaving), 0);
}

/* ---- the log ---- */

static int refusals(void)
{
	owned(buf) struct buf log = {.max = 1 << 20};
	char *path = file_join(it.folder, "log");
	size_t lines = 0;

	CHECK(open_host() == 0 && enter(&admin, &officer) == CKR_OK && enter(&application, &somebody) == CKR_OK);
	CHECK(make_aes(&admin, KEPT_DOMAIN, true, &domain) == CKR_OK);
	log_to_fd(open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), LOG_LEVEL_INFO);
	for (int i = 0; i < 5 * ROLE_LOG_MAX; i++)
		CHECK(destroys_it(&application) == CKR_ACTION_PROHIBITED);
	CHECK(file_read(path, &log, NULL) == 0);
	CHECK(strstr(buf_text(&log), "refused 'somebody' (application): C_DestroyObject: an object of the group's own "
				     "(CKR_ACTION_PROHIBITED)"));
	for (const char *at = buf_text(&log); (at = strstr(at, "refused 'somebody'")); at++)
		lines++;
	/* A machine may be so slow that there is time for more. */
	CHECK(lines >= ROLE_LOG_MAX && lines < 5 * ROLE_LOG_MAX);
	free(path);
	return 0;
}

static void refusals_are_logged_and_do_not_fill_the_log(void **state)
{
	(void)state;
	assert_int_equal(in_child(refusals), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_function_is_decided),
		cmocka_unit_test(who_is_neither_administrator_nor_application_does_nothing),
		cmocka_unit_test(the_domain_key_and_transport_keys_are_the_administrators),
		cmocka_unit_test(records_give_way_only_to_those_that_restrict_as_much),
		cmocka_unit_test(no_application_shortens_a_list_of_deleted_keys),
		cmocka_unit_test(a_key_leaves_only_as_its_record_says),
		cmocka_unit_test(refusals_are_logged_and_do_not_fill_the_log),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
