/* SPDX-License-Identifier: Apache-2.0 */
/* Objects that are nothing but their record, and private keys without a public half. */
#include "rig.h"

#include <stdio.h>

#include "base/mem.h"
#include "member/member.h"
#include "replica/domain.h"

static struct err err;
static struct record kept;
static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;

static int end(void **state)
{
	record_release(&kept);
	return rig_end(state);
}

#define ON_FOUR(f) cmocka_unit_test_setup_teardown(f, rig_four, end)

static int keep(struct replica_sites *sites, bool private, uint32_t *ret_mask)
{
	CK_OBJECT_CLASS class = CKO_DATA;
	CK_ATTRIBUTE items[] = {{CKA_CLASS, &class, sizeof(class)},
				{CKA_TOKEN, &yes, 1},
				{CKA_PRIVATE, private ? &yes : &no, 1},
				{CKA_LABEL, (void *)(uintptr_t) "old", 3},
				{CKA_VALUE, (void *)(uintptr_t) "some data", 9}};
	const struct p11_attrs attrs = {items, 5, 5};
	uint32_t ignored;

	record_release(&kept);
	return replica_keep(sites, &attrs, &kept, ret_mask ? ret_mask : &ignored, &err);
}

/* Whole records of it on a member, by what they say. */
struct counting {
	size_t records;
	char label[16];
};

static int take(void *data, CK_OBJECT_HANDLE handle, struct record *record, struct err *why)
{
	struct counting *c = data;
	owned(mem) char *label = record->n_objects ? key_label(&record->objects[0]) : NULL;

	(void)handle;
	(void)why;
	if (record->state != RECORD_LIVE || !record_is_all(record))
		return 0;
	c->records++;
	snprintf(c->label, sizeof(c->label), "%s", label ? label : "");
	return 0;
}

static struct counting on(size_t member)
{
	struct counting c = {0};
	struct replica_sites *sites = rig_open(1u << member);

	assert_int_equal(record_read_all(sites->sites[member].channel, NULL, take, &c, &err), 0);
	return c;
}

/* So many are there on all members of mask, none on the others. */
static void are_there(size_t records, uint32_t mask)
{
	for (size_t m = 0; m < rig_set->n_members; m++)
		assert_int_equal(on(m).records, mask & 1u << m ? records : 0);
}

/* Everybody is back: what was acknowledged is on all; of what was refused nothing is left. */
static void holds(int rc)
{
	size_t records;

	rig_settles();
	records = on(0).records;
	if (rc == 0)
		assert_int_equal(records, 1);
	else
		assert_true(records <= (rc == -ERR_NOT_KNOWN));
	are_there(records, UINT32_MAX);
}

/* ---- what is so ---- */

static void an_object_is_on_all_members_and_proven(void **state)
{
	(void)state;
	for (int private = 0; private < 2; private ++) {
		uint32_t mask = 0;

		assert_int_equal(keep(rig_open(UINT32_MAX), private, &mask), 0);
		assert_int_equal(mask, 0xf);
		assert_int_equal(kept.state, RECORD_LIVE);
		assert_int_equal(record_is_public(&kept), !private);
		are_there(1, UINT32_MAX);
		rig_in_sync();
		assert_int_equal(replica_destroy(rig_open(UINT32_MAX), &kept, NULL, &err), 0);
		are_there(0, UINT32_MAX);
		rig_in_sync();
	}
}

static bool keep_while_lost(uint32_t lost, unsigned message, enum rig_when when)
{
	struct replica_sites *sites = rig_open(UINT32_MAX);
	bool came;
	int rc;

	for (size_t m = 0; m < RIG_MEMBERS; m++)
		if (lost & 1u << m)
			rig_lose(m, message, when);
	rc = keep(sites, true, NULL);
	came = rig_came();
	if (came && __builtin_popcount(lost) == 1)
		assert_int_equal(rc, 0);
	if (came && __builtin_popcount(lost) > 2)
		assert_int_not_equal(rc, 0);
	holds(rc);
	rig_back();
	return came;
}

static void whatever_is_said_of_it_is_so_whoever_was_lost(void **state)
{
	static const uint32_t lost[] = {0x1, 0x2, 0x8, 0x3, 0xa, 0x7, 0xe, 0xf};

	(void)state;
	rig_keep();
	for (size_t l = 0; l < sizeof(lost) / sizeof(lost[0]); l++)
		for (unsigned n = RIG_WHENS; keep_while_lost(lost[l], n / RIG_WHENS, n % RIG_WHENS); n++)
			;
}

static void with_too_few_members_nothing_is_begun(void **state)
{
	uint64_t before = rig_changes();

	(void)state;
	assert_int_equal(keep(rig_open(0x4), true, NULL), -ERR_POLICY);
	assert_int_equal(rig_changes(), before);
}

/* They are there, and do not take it: a full token is its own trouble, of a refusal the caller hears. */
static void what_too_few_took_is_taken_back(void **state)
{
	(void)state;
	for (int64_t wanted = 2; wanted <= 4; wanted++)
		for (int full = 0; full < 2; full++) {
			rig_set->policy.min_members = wanted;
			for (size_t m = 1; m < RIG_MEMBERS; m++) {
				if (full)
					fake_limit(m, rig_objects(m));
				else
					fake_fail(m, P11_C_CreateObject, 1, CKR_ATTRIBUTE_VALUE_INVALID, FAKE_BEFORE);
			}
			assert_int_equal(keep(rig_open(UINT32_MAX), wanted & 1, NULL), full ? -ERR_POLICY : -ERR_TOKEN);
			assert_int_equal(err.rv, full ? CKR_OK : CKR_ATTRIBUTE_VALUE_INVALID);
			are_there(0, UINT32_MAX);
			for (size_t m = 1; m < RIG_MEMBERS; m++)
				fake_heal(m);
			rig_in_sync();
		}
}

/* Who took it goes before it can be taken back: then it comes about, and that is said. */
static void what_cannot_be_taken_back_is_not_called_refused(void **state)
{
	struct replica_sites *sites = rig_open(UINT32_MAX);

	(void)state;
	for (size_t m = 1; m < RIG_MEMBERS; m++)
		fake_limit(m, rig_objects(m));
	rig_lose(0, 2, RIG_BEFORE);
	assert_int_equal(keep(sites, true, NULL), -ERR_NOT_KNOWN);
	assert_true(rig_came());
	rig_settles();
	are_there(1, UINT32_MAX);
}

static void who_was_away_gets_it_with_a_sync_and_loses_it_so(void **state)
{
	(void)state;
	for (size_t m = 0; m < RIG_MEMBERS; m++) {
		uint32_t mask = 0;

		rig_away(m, true);
		assert_int_equal(keep(rig_open(UINT32_MAX), m & 1, &mask), 0);
		assert_int_equal(mask, 0xf & ~(1u << m));
		rig_away(m, false);
		rig_finds(FINDING_MISSING, m);
		/* Before anybody was told that it is made, those that took it knew who did not. */
		assert_int_equal(rig_findings(FINDING_STALE, m, NULL), 1);
		rig_heals();
		are_there(1, UINT32_MAX);
		rig_away(m, true);
		assert_int_equal(replica_destroy(rig_open(UINT32_MAX), &kept, NULL, &err), 0);
		rig_away(m, false);
		rig_settles();
		are_there(0, UINT32_MAX);
	}
}

/* Behind everybody's back. */
static void a_record_that_was_lost_is_missed_and_written_again(void **state)
{
	(void)state;
	assert_int_equal(keep(rig_open(UINT32_MAX), true, NULL), 0);
	for (size_t m = 0; m < RIG_MEMBERS; m++) {
		rig_destroy(m, rig_record(m, kept.uid, NULL));
		rig_finds(FINDING_MISSING, m);
		assert_int_equal(rig_sync(SYNC_DRY_RUN)->n_planned, 1);
		assert_int_equal(rig_sync(SYNC_DRY_RUN)->planned[0].action, SYNC_COPY);
		are_there(1, 0xf & ~(1u << m));
		rig_heals();
		are_there(1, UINT32_MAX);
	}
}

/* ---- changes ---- */

static int change_to(struct replica_sites *sites, CK_ATTRIBUTE_TYPE type, const char *text)
{
	const CK_ATTRIBUTE item = {type, (void *)(uintptr_t)text, strlen(text)};
	owned(record) struct record copy = {0};

	assert_int_equal(record_copy(&kept, &copy, NULL), 0);
	return replica_set_attributes(sites, &copy, 0, &item, 1, &err);
}

static void are_called(const char *label)
{
	for (size_t m = 0; m < RIG_MEMBERS; m++) {
		assert_int_equal(on(m).records, 1);
		assert_string_equal(on(m).label, label);
	}
}

static void a_change_reaches_who_was_away(void **state)
{
	(void)state;
	assert_int_equal(keep(rig_open(UINT32_MAX), true, NULL), 0);
	for (size_t m = 0; m < RIG_MEMBERS; m++) {
		char label[8];

		snprintf(label, sizeof(label), "new %zu", m);
		rig_away(m, true);
		assert_int_equal(change_to(rig_open(UINT32_MAX), CKA_LABEL, label), 0);
		rig_away(m, false);
		rig_finds(FINDING_ATTRIBUTE, m);
		assert_int_equal(rig_sync(SYNC_DRY_RUN)->n_planned, 1);
		assert_int_equal(rig_sync(SYNC_DRY_RUN)->planned[0].action, SYNC_REPAIR);
		rig_heals();
		are_called(label);
	}
}

static void others_change(void *data)
{
	owned(replica_sites) struct replica_sites sites = {0};

	(void)data;
	assert_int_equal(replica_sites_open(rig_set, UINT32_MAX, &sites, NULL), 0);
	assert_int_equal(change_to(&sites, CKA_APPLICATION, "theirs"), 0);
}

static bool has(const char *label, const char *application)
{
	struct replica_sites *sites = rig_open(UINT32_MAX);
	const CK_ATTRIBUTE items[] = {{CKA_LABEL, (void *)(uintptr_t)label, strlen(label)},
				      {CKA_APPLICATION, (void *)(uintptr_t)application, strlen(application)}};
	owned(record) struct record now = {0};

	assert_int_equal(record_copy(&kept, &now, NULL), 0);
	assert_int_equal(replica_set_attributes(sites, &now, 0, NULL, 0, &err), 0);
	return p11_attrs_match(&now.objects[0], items, 2);
}

static void two_changes_at_once_are_both_made(void **state)
{
	(void)state;
	assert_int_equal(keep(rig_open(UINT32_MAX), true, NULL), 0);
	rig_keep();
	for (size_t m = 0; m < RIG_MEMBERS; m++) {
		bool came = true;

		for (unsigned n = 1; came; n++) {
			struct replica_sites *sites = rig_open(UINT32_MAX);
			int rc;

			rig_between(m, n, others_change, NULL);
			rc = change_to(sites, CKA_LABEL, "ours");
			came = rig_came();
			assert_int_equal(rc, 0);
			rig_settles();
			if (came)
				assert_true(has("ours", "theirs"));
			rig_back();
		}
	}
}

/* Nobody brings it back by changing it. */
static void what_was_deleted_is_not_changed(void **state)
{
	(void)state;
	assert_int_equal(keep(rig_open(UINT32_MAX), false, NULL), 0);
	assert_int_equal(replica_destroy(rig_open(UINT32_MAX), &kept, NULL, &err), 0);
	assert_int_equal(change_to(rig_open(UINT32_MAX), CKA_LABEL, "new"), -ERR_NOT_FOUND);
	are_there(0, UINT32_MAX);
	rig_in_sync();
}

/* ---- private keys by themselves ---- */

static const uint8_t ONE[32] = {[31] = 1};
static const CK_BYTE P256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
static CK_OBJECT_CLASS private_class = CKO_PRIVATE_KEY;
static CK_KEY_TYPE ec = CKK_EC;

static int create(void *data, struct replica_site *site, const struct p11_attrs *templates, CK_OBJECT_HANDLE *ret,
		  struct err *why)
{
	struct p11_call call =
	    p11_C_CreateObject(member_session(site->channel), templates[0].items, templates[0].count, ret);

	(void)data;
	return member_run(site->channel, &call, 1, why);
}

static int make_private(void)
{
	CK_ATTRIBUTE items[] = {{CKA_CLASS, &private_class, sizeof(private_class)},
				{CKA_KEY_TYPE, &ec, sizeof(ec)},
				{CKA_TOKEN, &yes, 1},
				{CKA_SIGN, &yes, 1},
				{CKA_EC_PARAMS, (void *)(uintptr_t)P256, sizeof(P256)},
				{CKA_VALUE, (void *)(uintptr_t)ONE, sizeof(ONE)}};
	owned(key_request) struct key_request request = {.way = P11_CREATE, .n_templates = 1, .make = create};
	uint32_t mask;

	assert_int_equal(p11_attrs_merge(&request.templates[0], items, 6, NULL), 0);
	record_release(&kept);
	return replica_generate(rig_open(UINT32_MAX), &request, &kept, &mask, &err);
}

/* The blob that the domain key makes of it is its proof. */
static void a_private_key_without_a_public_half_is_proven(void **state)
{
	uint8_t other[32] = {[31] = 3};

	(void)state;
	assert_int_equal(make_private(), 0);
	assert_true(kept.check_len > 0);
	rig_in_sync();
	for (size_t m = 0; m < RIG_MEMBERS; m++) {
		CK_OBJECT_HANDLE object = rig_object(m, CKO_PRIVATE_KEY, kept.uid, UID_LEN, NULL);

		assert_true(fake_change(m, object, CKA_VALUE, other, sizeof(other)));
		rig_finds(FINDING_UNUSABLE, m);
		rig_heals();
		rig_destroy(m, rig_object(m, CKO_PRIVATE_KEY, kept.uid, UID_LEN, NULL));
		rig_finds(FINDING_MISSING, m);
		rig_heals();
	}
}

/* ---- keys that are kept meanwhile ---- */

static void what_one_member_wrapped_another_unwraps(void **state)
{
	CK_OBJECT_CLASS class = CKO_SECRET_KEY;
	CK_KEY_TYPE type = CKK_AES;
	const CK_ATTRIBUTE t[] = {
	    {CKA_CLASS, &class, sizeof(class)}, {CKA_KEY_TYPE, &type, sizeof(type)}, {CKA_TOKEN, &no, 1}};
	owned(record) struct record record = {0};

	(void)state;
	rig_key(KEY_AES_256, "k", &record);
	/* Whoever knows the mechanism by one number alone. */
	for (unsigned n = 0; n < 16; n++) {
		size_t from = n & 3, to = n >> 2;
		struct replica_sites *sites = rig_open(UINT32_MAX);
		CK_OBJECT_HANDLE object = rig_object(from, CKO_SECRET_KEY, record.uid, UID_LEN, NULL), copy;
		uint8_t blob[DOMAIN_BLOB_MAX];
		CK_ULONG len = sizeof(blob);

		fake_refuse_mechanism(from, from & 1 ? CKM_AES_KEY_WRAP_PAD : CKM_AES_KEY_WRAP_KWP);
		fake_refuse_mechanism(to, to & 1 ? CKM_AES_KEY_WRAP_PAD : CKM_AES_KEY_WRAP_KWP);
		assert_int_equal(domain_wrap(&sites->sites[from], object, blob, &len, &err), 0);
		assert_int_equal(domain_unwrap(&sites->sites[to], blob, len, t, 3, &copy, &err), 0);
		assert_int_not_equal(copy, CK_INVALID_HANDLE);
		/* What is wrong is told by the number that is known. */
		assert_int_equal(domain_unwrap(&sites->sites[to], blob, len - 8, t, 3, &copy, &err), -ERR_TOKEN);
		assert_int_not_equal(err.rv, CKR_MECHANISM_INVALID);
		fake_heal(from);
		fake_heal(to);
		len = 8;
		assert_int_equal(domain_wrap(&sites->sites[from], object, blob, &len, &err), -ERR_TOKEN);
		assert_int_equal(err.rv, CKR_BUFFER_TOO_SMALL);
	}
}

static void who_has_no_domain_key_neither_wraps_nor_unwraps(void **state)
{
	owned(record) struct record record = {0};
	struct replica_sites *sites;
	uint8_t blob[64] = {0};
	CK_ULONG len = sizeof(blob);
	CK_OBJECT_HANDLE ignored;

	(void)state;
	rig_key(KEY_AES_256, "k", &record);
	rig_destroy(1, rig_object(1, CKO_SECRET_KEY, rig_set->domain_id, 16, NULL));
	sites = rig_open(UINT32_MAX);
	assert_int_equal(domain_wrap(&sites->sites[1], 1, blob, &len, &err), -ERR_UNSUPPORTED);
	assert_int_equal(domain_unwrap(&sites->sites[1], blob, 40, NULL, 0, &ignored, &err), -ERR_UNSUPPORTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    ON_FOUR(an_object_is_on_all_members_and_proven),
	    ON_FOUR(whatever_is_said_of_it_is_so_whoever_was_lost),
	    ON_FOUR(with_too_few_members_nothing_is_begun),
	    ON_FOUR(what_too_few_took_is_taken_back),
	    ON_FOUR(what_cannot_be_taken_back_is_not_called_refused),
	    ON_FOUR(who_was_away_gets_it_with_a_sync_and_loses_it_so),
	    ON_FOUR(a_record_that_was_lost_is_missed_and_written_again),
	    ON_FOUR(a_change_reaches_who_was_away),
	    ON_FOUR(two_changes_at_once_are_both_made),
	    ON_FOUR(what_was_deleted_is_not_changed),
	    ON_FOUR(a_private_key_without_a_public_half_is_proven),
	    ON_FOUR(what_one_member_wrapped_another_unwraps),
	    ON_FOUR(who_has_no_domain_key_neither_wraps_nor_unwraps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
