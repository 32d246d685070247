/* SPDX-License-Identifier: Apache-2.0 */
/* Restrictions of keys: in the record as asked, on every token as far as it knows them, and never loosened. */
#include "group.h"

#include "replica/copy.h"

static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
static CK_DATE date = {{'2', '0', '3', '0'}, {'0', '1'}, {'0', '1'}};
static CK_MECHANISM_TYPE ecdsa[] = {CKM_ECDSA}, ecdsa_sha256[] = {CKM_ECDSA_SHA256};
static CK_MECHANISM_TYPE sha256_rsa[] = {CKM_SHA256_RSA_PKCS}, oaep[] = {CKM_RSA_PKCS_OAEP};
static CK_MECHANISM_TYPE padded[] = {CKM_AES_CBC_PAD, CKM_AES_GCM}, sha384[] = {CKM_SHA384_HMAC};

#define LIST(list) {CKA_ALLOWED_MECHANISMS, list, sizeof(list)}
#define WITHIN(type, template) {type, template, sizeof(template)}

static CK_ATTRIBUTE inner[] = {{CKA_SENSITIVE, &yes, 1}, {CKA_LABEL, (void *)"inner", 5}, LIST(padded)};

/* What is asked of one half of a key, and whether its replicas show it. */
static const struct restriction {
	const char *title;
	enum key_kind kind;
	size_t half;
	CK_ATTRIBUTE item;
	bool on_tokens;
} restrictions[] = {
	{"ec to the plain mechanism", KEY_EC_P256, 0, LIST(ecdsa), true},
	{"ec to what the token lacks", KEY_EC_P256, 0, LIST(ecdsa_sha256), true},
	{"public ec", KEY_EC_P256, 1, LIST(ecdsa), true},
	{"rsa to a digest", KEY_RSA_2048, 0, LIST(sha256_rsa), true},
	{"rsa to decryption", KEY_RSA_2048, 0, LIST(oaep), true},
	{"aes to modes with padding", KEY_AES_256, 0, LIST(padded), true},
	{"hmac to another digest", KEY_HMAC_SHA256, 0, LIST(sha384), true},
	{"aes with a wrap template", KEY_AES_128, 0, WITHIN(CKA_WRAP_TEMPLATE, inner), true},
	{"aes with an unwrap template", KEY_AES_128, 0, WITHIN(CKA_UNWRAP_TEMPLATE, inner), true},
	{"rsa with an unwrap template", KEY_RSA_2048, 0, WITHIN(CKA_UNWRAP_TEMPLATE, inner), true},
	{"unmodifiable ec", KEY_EC_P256, 0, {CKA_MODIFIABLE, &no, 1}, true},
	{"uncopyable aes", KEY_AES_256, 0, {CKA_COPYABLE, &no, 1}, true},
	{"ec without a use", KEY_EC_P256, 0, {CKA_SIGN, &no, 1}, true},
	{"aes to decrypt", KEY_AES_256, 0, {CKA_ENCRYPT, &no, 1}, true},
	{"aes with a derive template", KEY_AES_128, 0, WITHIN(CKA_DERIVE_TEMPLATE, inner), false},
	{"indestructible ec", KEY_EC_P256, 0, {CKA_DESTROYABLE, &no, 1}, false},
	{"ec that asks each time", KEY_EC_P256, 0, {CKA_ALWAYS_AUTHENTICATE, &yes, 1}, false},
	{"aes for trusted keys", KEY_AES_256, 0, {CKA_WRAP_WITH_TRUSTED, &yes, 1}, false},
	{"dated ec", KEY_EC_P256, 0, {CKA_END_DATE, &date, sizeof(date)}, false},
};
enum { RESTRICTIONS = sizeof(restrictions) / sizeof(restrictions[0]) };

static int generate(const struct restriction *r, struct record *ret, struct err *err)
{
	owned(replica_sites) struct replica_sites sites = {0};
	owned(key_request) struct key_request request = {0};
	uint32_t mask = 0;
	int rc;

	assert_int_equal(replica_sites_open(&set, UINT32_MAX, &sites, err), 0);
	assert_int_equal(key_request_kind(r->kind, r->title, &request, err), 0);
	assert_int_equal(p11_attrs_merge(&request.templates[r->half], &r->item, 1, err), 0);
	rc = replica_generate(&sites, &request, ret, &mask, err);
	if (rc == 0)
		assert_int_equal(mask, (1u << MEMBERS) - 1);
	return rc;
}

/* What the object of a key says on a member, of one attribute. */
static bool shows(size_t member, const struct record *record, size_t half, const CK_ATTRIBUTE *item)
{
	struct member_channel *channel;
	owned(p11_attrs) struct p11_attrs read = {0};
	owned(mem) CK_OBJECT_HANDLE *list = NULL;
	const CK_ATTRIBUTE template[] = {
	    {CKA_ID, (void *)record->uid, UID_LEN}, *p11_attrs_find(&record->objects[half], CKA_CLASS)};
	CK_ULONG count = 0;
	struct err err = {0};

	assert_int_equal(member_acquire(set.members[member].member, &channel, &err), 0);
	assert_int_equal(member_find(channel, template, 2, &list, &count, &err), 0);
	assert_int_equal(count, 1);
	assert_int_equal(member_get(channel, list[0], &item->type, 1, &read, &err), 0);
	member_release(channel);
	return p11_attrs_match(&read, item, 1);
}

/* Everything is in order, and a sync has nothing to do. */
static void settled(struct err *err)
{
	struct replica_sync_report report = {0};

	assert_int_equal(verdict(err), VERDICT_IN_SYNC);
	assert_int_equal(replica_sync(&set, UINT32_MAX, SYNC_ALL, NULL, &report, err), 0);
	assert_int_equal(report.verdict, VERDICT_IN_SYNC);
	assert_int_equal(report.copied + report.repaired + report.adopted + report.deleted, 0);
	json_release(&replica_sync_report_type, &report);
}

/* A sync repairs so many keys on members, adopts so many, and all is in order. */
static void mended(int64_t repaired, int64_t adopted, struct err *err)
{
	struct replica_sync_report report = {0};

	assert_int_equal(replica_sync(&set, UINT32_MAX, SYNC_ALL, NULL, &report, err), 0);
	for (size_t i = 0; i < report.n_skipped; i++)
		print_message("%s: %s\n", report.skipped[i].key, report.skipped[i].reason);
	assert_int_equal(report.repaired, repaired);
	assert_int_equal(report.adopted, adopted);
	assert_int_equal(report.verdict, VERDICT_IN_SYNC);
	json_release(&replica_sync_report_type, &report);
	settled(err);
}

static void keys_are_restricted_on_every_member(void **state)
{
	struct err err = {0};

	(void)state;
	make_domain(&err);
	for (size_t i = 0; i < RESTRICTIONS; i++) {
		const struct restriction *r = &restrictions[i];
		owned(record) struct record record = {0};

		if (generate(r, &record, &err) < 0)
			fail_msg("%s: %s", r->title, err.message);
		assert_true(p11_attrs_match(&record.objects[r->half], &r->item, 1));
		for (size_t m = 0; m < MEMBERS; m++)
			if (shows(m, &record, r->half, &r->item) != r->on_tokens)
				fail_msg("%s: member %zu", r->title, m);
	}
	settled(&err);
}

static void what_no_token_sees_is_judged_as_one_would(void **state)
{
	static const struct {
		CK_RV want;
		struct restriction asked;
	} cases[] = {
		{CKR_ATTRIBUTE_TYPE_INVALID, {"secret", KEY_AES_256, 0, {CKA_ALWAYS_AUTHENTICATE, &yes, 1}, false}},
		{CKR_ATTRIBUTE_TYPE_INVALID, {"public", KEY_EC_P256, 1, {CKA_ALWAYS_AUTHENTICATE, &no, 1}, false}},
		{CKR_ATTRIBUTE_TYPE_INVALID, {"public", KEY_EC_P256, 1, {CKA_WRAP_WITH_TRUSTED, &yes, 1}, false}},
		{CKR_ATTRIBUTE_TYPE_INVALID, {"private", KEY_EC_P256, 0, WITHIN(CKA_WRAP_TEMPLATE, inner), false}},
		{CKR_ATTRIBUTE_READ_ONLY, {"trusted", KEY_AES_256, 0, {CKA_TRUSTED, &yes, 1}, false}},
	};
	struct err err = {0};

	(void)state;
	make_domain(&err);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		owned(record) struct record record = {0};

		if (generate(&cases[i].asked, &record, &err) == 0)
			fail_msg("%s: made", cases[i].asked.title);
		assert_int_equal(err.rv, cases[i].want);
	}
	settled(&err);
}

/* A list of nothing is no list: tokens refuse it, and it restricts nothing. */
static void what_is_empty_restricts_nothing(void **state)
{
	static const struct restriction empty[] = {
		{"no list", KEY_EC_P256, 0, {CKA_ALLOWED_MECHANISMS, NULL, 0}, false},
		{"no template", KEY_AES_256, 0, {CKA_UNWRAP_TEMPLATE, NULL, 0}, false},
		{"no date", KEY_AES_256, 0, {CKA_START_DATE, NULL, 0}, false},
	};
	struct err err = {0};

	(void)state;
	make_domain(&err);
	for (size_t i = 0; i < sizeof(empty) / sizeof(empty[0]); i++) {
		owned(record) struct record record = {0};

		if (generate(&empty[i], &record, &err) < 0)
			fail_msg("%s: %s", empty[i].title, err.message);
		assert_null(p11_attrs_find(&record.objects[0], empty[i].item.type));
	}
	settled(&err);
}

/* Another copy of the key in place of a member's own, made with another template. */
static void replace(size_t member, const struct record *record, const CK_ATTRIBUTE *items, CK_ULONG count,
		    struct err *err)
{
	owned(replica_sites) struct replica_sites sites = {0};
	owned(census) struct census census = {0};
	owned(p11_attrs) struct p11_attrs template = {0};
	struct replica_site *site;
	CK_OBJECT_HANDLE made, old;

	assert_int_equal(replica_sites_open(&set, 1u << member, &sites, err), 0);
	assert_int_equal(census_take(&sites, record->uid, &census, err), 0);
	site = &sites.sites[member];
	old = census.keys[0].copies[member].objects[0];
	assert_int_equal(key_replica_template(record, 0, &template, err), 0);
	for (CK_ULONG i = 0; i < count; i++) {
		p11_attrs_remove(&template, items[i].type);
		if (items[i].pValue)
			assert_int_equal(p11_attrs_merge(&template, &items[i], 1, err), 0);
	}
	assert_int_equal(domain_carry(site, old, site, template.items, template.count, &made, err), 0);
	assert_int_equal(copy_destroy(site, old, err), 0);
}

static void a_member_that_lost_a_restriction_gets_it_back(void **state)
{
	static const struct restriction lost[] = {
		{"ec", KEY_EC_P256, 0, LIST(ecdsa), true},
		{"aes", KEY_AES_256, 0, LIST(padded), true},
		{"template", KEY_AES_256, 0, WITHIN(CKA_UNWRAP_TEMPLATE, inner), true},
		{"unmodifiable", KEY_EC_P256, 0, {CKA_MODIFIABLE, &no, 1}, true},
	};
	struct err err = {0};

	(void)state;
	make_domain(&err);
	for (size_t i = 0; i < sizeof(lost) / sizeof(lost[0]); i++) {
		owned(record) struct record record = {0};
		const CK_ATTRIBUTE without = {lost[i].item.type, NULL, 0};

		if (generate(&lost[i], &record, &err) < 0)
			fail_msg("%s: %s", lost[i].title, err.message);
		replace(1, &record, &without, 1, &err);
		assert_false(shows(1, &record, 0, &lost[i].item));
		assert_int_equal(verdict(&err), VERDICT_DIVERGED);
		mended(1, 0, &err);
		assert_true(shows(1, &record, 0, &lost[i].item));
	}
}

/* As the member on which such a key was made used to hold it. */
static void a_member_that_asks_for_the_pin_each_time_stops_it(void **state)
{
	static const struct restriction asks = {"asks", KEY_EC_P256, 0, {CKA_ALWAYS_AUTHENTICATE, &yes, 1}, false};
	owned(record) struct record record = {0};
	struct err err = {0};

	(void)state;
	make_domain(&err);
	assert_int_equal(generate(&asks, &record, &err), 0);
	replace(0, &record, &asks.item, 1, &err);
	assert_true(shows(0, &record, 0, &asks.item));
	assert_int_equal(verdict(&err), VERDICT_DIVERGED);
	mended(1, 0, &err);
	for (size_t m = 0; m < MEMBERS; m++)
		replace(m, &record, &asks.item, 1, &err);
	mended(MEMBERS, 0, &err);
	assert_false(shows(0, &record, 0, &asks.item));
}

static void set_flag(struct record *record, CK_ATTRIBUTE_TYPE type, CK_BBOOL value, struct err *err)
{
	owned(replica_sites) struct replica_sites sites = {0};
	const CK_ATTRIBUTE item = {type, &value, sizeof(value)};

	assert_int_equal(replica_sites_open(&set, UINT32_MAX, &sites, err), 0);
	assert_int_equal(replica_set_attributes(&sites, record, 0, &item, 1, err), 0);
}

static void a_use_that_is_given_or_taken_later_can_be_carried_to_all_members(void **state)
{
	static const struct {
		enum key_kind kind;
		CK_ATTRIBUTE_TYPE use;
	} cases[] = {{KEY_EC_P256, CKA_SIGN}, {KEY_RSA_2048, CKA_SIGN},
		     {KEY_AES_256, CKA_ENCRYPT}, {KEY_HMAC_SHA256, CKA_SIGN}};
	struct err err = {0};

	(void)state;
	make_domain(&err);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct restriction taken = {"taken", cases[i].kind, 0, {cases[i].use, &no, 1}, true};
		const CK_ATTRIBUTE given = {cases[i].use, &yes, 1};
		owned(record) struct record record = {0};

		assert_int_equal(generate(&taken, &record, &err), 0);
		set_flag(&record, cases[i].use, CK_TRUE, &err);
		mended(MEMBERS, 0, &err);
		assert_true(shows(2, &record, 0, &given));
		set_flag(&record, cases[i].use, CK_FALSE, &err);
		mended(MEMBERS, 0, &err);
		assert_true(shows(2, &record, 0, &taken.item));
	}
}

/* Behind everybody's back, on the second member. */
static void make_outside(struct key_request *request, const CK_ATTRIBUTE *items, CK_ULONG count, struct err *err)
{
	static CK_BYTE id[] = "outside";
	const CK_ATTRIBUTE named = {CKA_ID, id, sizeof(id)};
	struct member_channel *channel;
	CK_OBJECT_HANDLE public, private;
	struct p11_call call;

	for (size_t i = 0; i < request->n_templates; i++)
		assert_int_equal(p11_attrs_merge(&request->templates[i], &named, 1, err), 0);
	assert_int_equal(p11_attrs_set_bool(&request->templates[0], CKA_EXTRACTABLE, true, err), 0);
	assert_int_equal(p11_attrs_merge(&request->templates[0], items, count, err), 0);
	assert_int_equal(member_acquire(set.members[1].member, &channel, err), 0);
	call = request->n_templates == 1
		       ? p11_C_GenerateKey(member_session(channel), &request->mechanism, request->templates[0].items,
					  request->templates[0].count, &private)
		       : p11_C_GenerateKeyPair(member_session(channel), &request->mechanism, request->templates[1].items,
					       request->templates[1].count, request->templates[0].items,
					       request->templates[0].count, &public, &private);
	if (member_run(channel, &call, 1, err) < 0)
		fail_msg("%s", err->message);
	member_release(channel);
}

static void the_record_of(const char *label, struct record *ret, struct err *err)
{
	owned(replica_sites) struct replica_sites sites = {0};
	owned(census) struct census census = {0};
	const CK_ATTRIBUTE named = {CKA_LABEL, (void *)label, strlen(label)};

	assert_int_equal(replica_sites_open(&set, UINT32_MAX, &sites, err), 0);
	assert_int_equal(census_take(&sites, NULL, &census, err), 0);
	for (size_t k = 0; k < census.n_keys; k++)
		if (p11_attrs_match(&census.keys[k].truth->objects[0], &named, 1))
			assert_int_equal(record_copy(census.keys[k].truth, ret, err), 0);
	assert_true(ret->n_objects > 0);
}

static void a_key_from_outside_keeps_its_restrictions(void **state)
{
	const struct {
		const char *label;
		enum key_kind kind;
		CK_ATTRIBUTE items[3];
		bool on_tokens[3];
	} cases[] = {
		{"pair", KEY_EC_P256,
		 {LIST(ecdsa_sha256), {CKA_ALWAYS_AUTHENTICATE, &yes, 1}, {CKA_MODIFIABLE, &no, 1}}, {true, false, true}},
		{"secret", KEY_AES_256,
		 {LIST(padded), WITHIN(CKA_UNWRAP_TEMPLATE, inner), {CKA_COPYABLE, &no, 1}}, {true, true, true}},
	};
	struct err err = {0};

	(void)state;
	make_domain(&err);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		owned(key_request) struct key_request request = {0};
		owned(record) struct record record = {0};

		assert_int_equal(key_request_kind(cases[i].kind, cases[i].label, &request, &err), 0);
		make_outside(&request, cases[i].items, 3, &err);
		mended(0, 1, &err);
		the_record_of(cases[i].label, &record, &err);
		assert_true(p11_attrs_match(&record.objects[0], cases[i].items, 3));
		for (size_t m = 0; m < MEMBERS; m++)
			for (size_t n = 0; n < 3; n++)
				assert_int_equal(shows(m, &record, 0, &cases[i].items[n]), cases[i].on_tokens[n]);
	}
}

static void what_a_token_does_not_know_is_left_out(void **state)
{
	owned(replica_sites) struct replica_sites sites = {0};
	owned(p11_attrs) struct p11_attrs template = {0};
	const CK_ATTRIBUTE items[] = {{CKA_LABEL, (void *)"x", 1}, LIST(ecdsa),
				      WITHIN(CKA_DERIVE_TEMPLATE, inner), {CKA_MODIFIABLE, &no, 1}};
	_Atomic uint32_t known = 0;
	struct err err = {0};

	(void)state;
	make_domain(&err);
	assert_int_equal(replica_sites_open(&set, UINT32_MAX, &sites, &err), 0);
	for (int again = 0; again < 2; again++) {
		CK_OBJECT_HANDLE domain = again ? CK_INVALID_HANDLE : sites.sites[1].domain;

		assert_int_equal(p11_attrs_merge(&template, items, 4, &err), 0);
		assert_int_equal(key_leave_out(sites.sites[1].channel, domain, &known, &template, &err), 0);
		assert_int_equal(template.count, 3);
		assert_null(p11_attrs_find(&template, CKA_DERIVE_TEMPLATE));
	}
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, open_set, close_set)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(keys_are_restricted_on_every_member),
	    TEST(what_no_token_sees_is_judged_as_one_would),
	    TEST(what_is_empty_restricts_nothing),
	    TEST(a_member_that_lost_a_restriction_gets_it_back),
	    TEST(a_member_that_asks_for_the_pin_each_time_stops_it),
	    TEST(a_use_that_is_given_or_taken_later_can_be_carried_to_all_members),
	    TEST(a_key_from_outside_keeps_its_restrictions),
	    TEST(what_a_token_does_not_know_is_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
