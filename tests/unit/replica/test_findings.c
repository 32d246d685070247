/* SPDX-License-Identifier: Apache-2.0 */
/* What is wrong with keys and their records: how verify calls it, and what a sync makes of it. */
#include "rig.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/mem.h"
#include "crypto/digest.h"

static uint8_t foreign[UID_LEN] = "nobody's uid....";

static CK_OBJECT_HANDLE secret(size_t member, const struct record *record)
{
	return rig_object(member, CKO_SECRET_KEY, record->uid, UID_LEN, NULL);
}

static CK_OBJECT_HANDLE private(size_t member, const struct record *record)
{
	return rig_object(member, CKO_PRIVATE_KEY, record->uid, UID_LEN, NULL);
}

static CK_OBJECT_HANDLE public(size_t member, const struct record *record)
{
	return rig_object(member, CKO_PUBLIC_KEY, record->uid, UID_LEN, NULL);
}

static size_t objects_on(size_t member, const struct record *record)
{
	size_t count;

	rig_object(member, CK_UNAVAILABLE_INFORMATION, record->uid, UID_LEN, &count);
	return count;
}

static size_t records_on(size_t member, const struct record *record)
{
	size_t count;

	rig_record(member, record->uid, &count);
	return count;
}

static void cut_record(size_t member, CK_OBJECT_HANDLE object, size_t len)
{
	owned(p11_attrs) struct p11_attrs attrs = rig_attrs(member, object);
	const CK_ATTRIBUTE *value = p11_attrs_find(&attrs, CKA_VALUE);

	assert_true(len < value->ulValueLen);
	assert_true(fake_change(member, object, CKA_VALUE, value->pValue, len));
}

static void plant_like(size_t member, CK_OBJECT_HANDLE object)
{
	owned(p11_attrs) struct p11_attrs attrs = rig_attrs(member, object);

	assert_int_not_equal(fake_plant(member, attrs.items, attrs.count), CK_INVALID_HANDLE);
}

/* An AES key that somebody made without us; its value is that of foreign. */
static CK_OBJECT_HANDLE plant_stray(size_t member, const char *label, bool works, bool extractable)
{
	CK_OBJECT_CLASS class = CKO_SECRET_KEY;
	CK_KEY_TYPE type = CKK_AES;
	CK_BBOOL hidden = CK_TRUE, may = works, leaves = extractable;
	const CK_ATTRIBUTE stray[] = {
		{CKA_CLASS, &class, sizeof(class)}, {CKA_KEY_TYPE, &type, sizeof(type)}, {CKA_PRIVATE, &hidden, 1},
		{CKA_ENCRYPT, &may, 1}, {CKA_DECRYPT, &may, 1}, {CKA_SIGN, &may, 1}, {CKA_EXTRACTABLE, &leaves, 1},
		{CKA_VALUE, foreign, UID_LEN}, {CKA_LABEL, (void *)(uintptr_t)label, strlen(label)},
	};
	CK_OBJECT_HANDLE planted = fake_plant(member, stray, sizeof(stray) / sizeof(stray[0]));

	assert_int_not_equal(planted, CK_INVALID_HANDLE);
	return planted;
}

static void count_foreign(void *data, CK_OBJECT_HANDLE handle, const struct p11_attrs *attrs)
{
	const CK_ATTRIBUTE value = {CKA_VALUE, foreign, UID_LEN};

	(void)handle;
	*(size_t *)data += p11_attrs_match(attrs, &value, 1);
}

/* Objects of that value on all members. */
static size_t foreign_objects(void)
{
	size_t count = 0;

	for (size_t m = 0; m < rig_set->n_members; m++)
		fake_each(m, count_foreign, &count);
	return count;
}

/* A key named after a number. */
static void make_key(enum key_kind kind, size_t number, struct record *ret)
{
	char label[16];

	snprintf(label, sizeof(label), "k%zu", number);
	rig_key(kind, label, ret);
}

/* ---- torn records ---- */

static void a_torn_record_is_replaced_by_a_whole_one(void **state)
{
	owned(record) struct record record = {0};
	static const size_t lengths[] = {0, 1, 14, 40, 80};

	(void)state;
	rig_key(KEY_AES_256, "k", &record);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		cut_record(1, rig_record(1, record.uid, NULL), lengths[i]);
		rig_verify();
		assert_int_equal(rig_findings(FINDING_TORN, 1, NULL), 1);
		assert_int_equal(rig_findings(FINDING_MISSING, 1, NULL), 1);
		rig_heals();
		assert_int_equal(records_on(1, &record), 1);
	}
}

static void a_second_record_is_found_and_goes(void **state)
{
	static const enum finding_kind kinds[] = {FINDING_TORN, FINDING_DUPLICATE};
	owned(record) struct record record = {0};

	(void)state;
	rig_key(KEY_EC_P256, "k", &record);
	for (size_t i = 0; i < 2; i++) {
		plant_like(2, rig_record(2, record.uid, NULL));
		if (kinds[i] == FINDING_TORN)
			cut_record(2, rig_record(2, record.uid, NULL), 30);
		rig_finds(kinds[i], 2);
		rig_heals();
		assert_int_equal(records_on(2, &record), 1);
	}
}

/* Nobody has a whole record of the key: it is taken in again, under another uid. */
static void a_key_of_which_only_torn_records_are_left_is_not_lost(void **state)
{
	owned(record) struct record record = {0};

	(void)state;
	rig_key(KEY_AES_256, "k", &record);
	for (size_t m = 0; m < RIG_MEMBERS; m++) {
		cut_record(m, rig_record(m, record.uid, NULL), 30);
		if (m > 0)
			rig_destroy(m, secret(m, &record));
	}
	rig_away(3, true);
	/* The one who is away may know. */
	assert_int_equal(rig_sync(SYNC_ALL)->adopted, 0);
	assert_int_equal(records_on(0, &record), 1);
	assert_int_equal(objects_on(0, &record), 1);
	rig_away(3, false);
	rig_heals();
	assert_int_equal(rig_verify()->keys, 1);
	assert_int_equal(rig_verify()->proofs.passed, RIG_MEMBERS);
	assert_int_equal(records_on(0, &record), 0);
}

/* ---- records of a later version ---- */

/* What a later version would write in place of this record: another number, and more at the end. */
static void write_later(size_t member, const struct record *record)
{
	owned(p11_attrs) struct p11_attrs attrs = rig_attrs(member, rig_record(member, record->uid, NULL));
	const CK_ATTRIBUTE *value = p11_attrs_find(&attrs, CKA_VALUE);
	owned(buf) struct buf later = {.max = 4096};
	uint8_t digest[SHA256_LEN];

	buf_put(&later, value->pValue, value->ulValueLen - SHA256_LEN);
	later.data[sizeof("hsmctl-record") - 1] = 2;
	buf_put(&later, "more", 4);
	assert_int_equal(crypto_sha256(later.data, later.len, digest, NULL), 0);
	buf_put(&later, digest, sizeof(digest));
	assert_true(fake_change(member, rig_record(member, record->uid, NULL), CKA_VALUE, later.data, later.len));
}

static uint64_t changes(void)
{
	uint64_t sum = 0;

	for (size_t m = 0; m < rig_set->n_members; m++)
		sum += fake_changes(m);
	return sum;
}

static void what_a_later_version_wrote_is_left_alone(void **state)
{
	owned(record) struct record record = {0}, other = {0};
	const struct replica_sync_report *sync;
	uint64_t before;

	(void)state;
	rig_key(KEY_AES_256, "theirs", &record);
	rig_key(KEY_AES_256, "ours", &other);
	for (size_t m = 0; m < RIG_MEMBERS; m++)
		write_later(m, &record);
	rig_verify();
	assert_int_equal(rig_verify()->verdict, VERDICT_UNKNOWN);
	assert_int_equal(rig_verify()->n_findings, RIG_MEMBERS);
	assert_int_equal(rig_findings(FINDING_NOT_UNDERSTOOD, 0, NULL), 1);
	before = changes();
	sync = rig_sync(SYNC_ALL);
	assert_int_equal(sync->verdict, VERDICT_UNKNOWN);
	assert_int_equal(sync->n_left, RIG_MEMBERS);
	assert_int_equal(sync->n_skipped + sync->n_conflicts, 0);
	assert_false(sync->members[0].behind);
	assert_int_equal(changes(), before);
}

static void of_what_one_member_has_in_a_later_version_none_is_touched(void **state)
{
	owned(record) struct record record = {0};
	uint64_t before;

	(void)state;
	rig_key(KEY_AES_256, "theirs", &record);
	write_later(1, &record);
	rig_destroy(1, secret(1, &record));
	rig_destroy(2, secret(2, &record));
	before = changes();
	assert_int_equal(rig_sync(SYNC_ALL)->verdict, VERDICT_UNKNOWN);
	assert_int_equal(changes(), before);
	rig_finds(FINDING_NOT_UNDERSTOOD, 1);
}

static void strays_are_not_adopted_where_a_later_version_wrote(void **state)
{
	owned(record) struct record record = {0};
	uint64_t before;

	(void)state;
	rig_key(KEY_AES_256, "theirs", &record);
	write_later(2, &record);
	plant_stray(2, "stray", true, true);
	before = changes();
	assert_int_equal(rig_sync(SYNC_ALL)->verdict, VERDICT_UNKNOWN);
	assert_int_equal(rig_sync(SYNC_ALL)->adopted, 0);
	assert_int_equal(changes(), before);
	assert_int_equal(rig_verify()->n_findings, 2);
	assert_int_equal(rig_findings(FINDING_NOT_UNDERSTOOD, 2, NULL), 2);
}

static void writers_leave_a_later_record_alone(void **state)
{
	owned(record) struct record record = {0};
	owned(replica_sites) struct replica_sites sites = {0};
	struct err err = {0};
	uint32_t mask = 0;

	(void)state;
	rig_key(KEY_AES_256, "theirs", &record);
	write_later(1, &record);
	assert_int_equal(replica_sites_open(rig_set, UINT32_MAX, &sites, NULL), 0);
	assert_int_equal(replica_set_attributes(&sites, &record, 0, &(CK_ATTRIBUTE){CKA_LABEL, foreign, 1}, 1, &err),
			 -ERR_UNSUPPORTED);
	assert_non_null(strstr(err.message, "later version"));
	assert_int_equal(records_on(1, &record), 1);
	/* A deletion stands above whatever was written later. */
	assert_int_equal(replica_destroy(&sites, &record, &mask, &err), 0);
	assert_int_equal(mask, 0xd);
	assert_int_equal(records_on(1, &record), 1);
	assert_int_equal(objects_on(1, &record), 1);
	replica_sites_release(&sites);
	rig_sync(SYNC_ALL);
	assert_int_equal(records_on(1, &record), 1);
	assert_int_equal(objects_on(1, &record), 1);
	rig_finds(FINDING_NOT_UNDERSTOOD, 1);
}

/* ---- objects ---- */

static void a_wrong_public_half_is_found_and_replaced(void **state)
{
	static const enum key_kind kinds[] = {KEY_EC_P256, KEY_RSA_2048};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		owned(record) struct record record = {0}, other = {0};
		owned(p11_attrs) struct p11_attrs theirs = {0};
		CK_ATTRIBUTE_TYPE type = i ? CKA_MODULUS : CKA_EC_POINT;
		CK_OBJECT_HANDLE key;

		rig_key(kinds[i], "k", &record);
		rig_key(kinds[i], "other", &other);
		theirs = rig_attrs(1, public(1, &other));
		key = private(1, &record);
		assert_true(fake_change(1, public(1, &record), type, p11_attrs_find(&theirs, type)->pValue,
					p11_attrs_find(&theirs, type)->ulValueLen));
		rig_finds(FINDING_PUBLIC_HALF, 1);
		rig_heals();
		assert_int_equal(objects_on(1, &record), 2);
		/* What was right was not touched. */
		assert_int_equal(private(1, &record), key);
	}
}

static void a_public_key_of_no_key_is_a_persons_affair(void **state)
{
	owned(record) struct record record = {0};
	owned(p11_attrs) struct p11_attrs attrs = {0};
	const struct replica_sync_report *sync;
	CK_OBJECT_HANDLE planted;

	(void)state;
	rig_key(KEY_EC_P256, "k", &record);
	attrs = rig_attrs(0, public(0, &record));
	assert_int_equal(p11_attrs_set(&attrs, CKA_ID, foreign, UID_LEN, NULL), 0);
	planted = fake_plant(3, attrs.items, attrs.count);
	rig_finds(FINDING_PUBLIC_HALF, 3);
	sync = rig_sync(SYNC_ALL);
	assert_int_equal(sync->n_conflicts, 1);
	assert_false(sync->members[3].behind);
	rig_destroy(3, planted);
	rig_in_sync();
}

static void what_is_left_of_a_torn_public_key_goes(void **state)
{
	owned(record) struct record record = {0};
	size_t before = 0;

	(void)state;
	rig_key(KEY_EC_P256, "k", &record);
	rig_object(2, CKO_PUBLIC_KEY, record.uid, UID_LEN, &before);
	assert_true(fake_tear(2, public(2, &record), CKA_LABEL));
	rig_verify();
	assert_int_equal(rig_findings(FINDING_TORN, 2, NULL), 1);
	assert_int_equal(rig_findings(FINDING_MISSING, 2, NULL), 1);
	rig_heals();
	rig_object(2, CKO_PUBLIC_KEY, "", 0, &before);
	assert_int_equal(before, 0);
}

/* Wherever a token stopped to write. */
static void an_object_torn_anywhere_is_put_right(void **state)
{
	static const enum key_kind kinds[] = {KEY_EC_P256, KEY_RSA_2048, KEY_AES_256, KEY_HMAC_SHA256};
	static const CK_ATTRIBUTE_TYPE lost[] = {
		CKA_PRIVATE, CKA_LABEL, CKA_VALUE, CKA_KEY_TYPE, CKA_ID, CKA_SENSITIVE, CKA_ENCRYPT, CKA_SIGN,
		CKA_VERIFY, CKA_MODULUS, CKA_PUBLIC_EXPONENT, CKA_PRIVATE_EXPONENT, CKA_EXTRACTABLE, CKA_EC_PARAMS, CKA_EC_POINT};

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		owned(record) struct record record = {0};

		make_key(kinds[i], i, &record);
		for (size_t l = 0; l < sizeof(lost) / sizeof(lost[0]); l++)
			for (int half = 0; half < 2; half++) {
				size_t m = l % RIG_MEMBERS;
				CK_OBJECT_HANDLE object = half ? public(m, &record)
							  : i < 2 ? private(m, &record) : secret(m, &record);

				if (!object)
					continue;
				assert_true(fake_tear(m, object, lost[l]));
				rig_heals();
			}
	}
}

/* It signs rightly, and cannot be given away: so it is no source of its own repair. */
static void a_key_torn_so_that_it_cannot_leave_is_replaced_from_another(void **state)
{
	static const enum key_kind kinds[] = {KEY_RSA_2048, KEY_AES_256, KEY_HMAC_SHA256};

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		for (size_t m = 0; m < RIG_MEMBERS; m += 3) {
			owned(record) struct record record = {0};

			make_key(kinds[i], 10 * i + m, &record);
			assert_true(fake_change(m, kinds[i] == KEY_RSA_2048 ? private(m, &record) : secret(m, &record),
						CKA_EXTRACTABLE, NULL, 0));
			rig_finds(FINDING_ATTRIBUTE, m);
			rig_heals();
		}
}

/* An object that lost its mark, with the label of the live key that it is. */
static void the_same_key_without_its_mark_goes_once_the_key_is_back(void **state)
{
	static const enum key_kind kinds[] = {KEY_EC_P256, KEY_RSA_2048, KEY_AES_256, KEY_HMAC_SHA256};

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		owned(record) struct record record = {0};

		make_key(kinds[i], i, &record);
		assert_true(fake_change(1, i < 2 ? private(1, &record) : secret(1, &record), CKA_ID, "", 0));
		rig_verify();
		assert_int_equal(rig_findings(FINDING_DUPLICATE, 1, NULL), 1);
		rig_heals();
		assert_int_equal(objects_on(1, &record), i < 2 ? 2 : 1);
	}
}

static void another_key_of_the_same_label_is_left_where_it_is(void **state)
{
	owned(record) struct record record = {0};
	owned(p11_attrs) struct p11_attrs attrs = {0};
	CK_OBJECT_HANDLE planted;

	(void)state;
	rig_key(KEY_AES_256, "k", &record);
	attrs = rig_attrs(1, secret(1, &record));
	assert_int_equal(p11_attrs_set(&attrs, CKA_ID, "theirs", 6, NULL), 0);
	assert_int_equal(p11_attrs_set(&attrs, CKA_VALUE, "another key of 32 bytes to be us", 32, NULL), 0);
	planted = fake_plant(1, attrs.items, attrs.count);
	rig_finds(FINDING_CONFLICT, 1);
	assert_int_equal(rig_sync(SYNC_ALL)->n_conflicts, 1);
	assert_int_equal(rig_object(1, CKO_SECRET_KEY, "theirs", 6, NULL), planted);
}

/* The token shows no parameters of the curve for so many calls: while one object is read. */
static CK_RV hides_once(void *data, CK_SLOT_ID slot, enum p11_fn fn, bool after, CK_RV rv)
{
	unsigned *left = data;

	if (slot != 1 || fn != P11_C_GetAttributeValue || !*left)
		return rv;
	if (!after)
		fake_lack_attribute(1, CKA_EC_PARAMS);
	else
		fake_heal(1);
	*left -= after;
	return rv;
}

/* A token that lacks an attribute lacks it on all objects: that is no damage. */
static void an_attribute_is_missed_where_others_there_have_it(void **state)
{
	owned(record) struct record a = {0}, b = {0};
	const struct replica_report_finding *finding;
	unsigned left = 100;

	(void)state;
	rig_key(KEY_EC_P256, "a", &a);
	rig_key(KEY_EC_P256, "b", &b);
	fake_lack_attribute(1, CKA_EC_PARAMS);
	rig_in_sync();
	fake_heal(1);
	fake_watch(hides_once, &left);
	rig_finds(FINDING_ATTRIBUTE, 1);
	fake_watch(NULL, NULL);
	assert_int_equal(left, 0);
	assert_int_equal(rig_findings(FINDING_ATTRIBUTE, 1, &finding), 1);
	assert_string_equal(finding->detail, "CKA_EC_PARAMS is not there");
	rig_in_sync();
}

static void a_stray_without_a_name_is_adopted_not_destroyed(void **state)
{
	(void)state;
	plant_stray(2, "", true, true);
	rig_finds(FINDING_EXTRA, 2);
	assert_false(rig_verify()->members[2].behind);
	rig_heals();
	assert_int_equal(rig_verify()->keys, 1);
	assert_int_equal(foreign_objects(), RIG_MEMBERS);
}

/* What stood on a token before it came into the fleet is its owner's, torn or not, whatever it looks like. */
static void what_stands_on_an_adopted_token_is_named_and_left_alone(void **state)
{
	owned(record) struct record record = {0};
	CK_OBJECT_CLASS class = CKO_SECRET_KEY;
	const CK_ATTRIBUTE torn = {CKA_CLASS, &class, sizeof(class)};
	size_t before;

	(void)state;
	rig_key(KEY_AES_256, "ours", &record);
	rig_set->members[2].adopted = true;
	plant_stray(2, "theirs", true, true);
	plant_stray(2, "ours", true, true);
	assert_int_not_equal(fake_plant(2, &torn, 1), CK_INVALID_HANDLE);
	before = changes();
	assert_int_equal(rig_sync(SYNC_ALL)->verdict, VERDICT_IN_SYNC);
	assert_int_equal(rig_sync(SYNC_ALL)->n_left, 3);
	assert_int_equal(changes(), before);
	assert_int_equal(rig_verify()->verdict, VERDICT_IN_SYNC);
	assert_int_equal(rig_findings(FINDING_EXTRA, 2, NULL), 3);
	assert_int_equal(foreign_objects(), 2);
	/* Ours are looked after there as anywhere. */
	rig_destroy(2, secret(2, &record));
	assert_int_equal(rig_verify()->verdict, VERDICT_DIVERGED);
	assert_int_equal(rig_sync(SYNC_ALL)->verdict, VERDICT_IN_SYNC);
}

/* Whether it may do something, or nothing at all: nobody can say that it is no key. */
static void what_works_or_may_work_is_never_destroyed(void **state)
{
	(void)state;
	for (int works = 0; works < 2; works++) {
		CK_OBJECT_HANDLE stray = plant_stray(1, "", works, false);

		rig_finds(FINDING_EXTRA, 1);
		for (int i = 0; i < 2; i++)
			assert_int_equal(rig_sync(SYNC_ALL)->n_skipped, 1);
		assert_int_equal(foreign_objects(), 1);
		rig_destroy(1, stray);
	}
}

/* At whatever call something fails, and after or before the deed: the material is somewhere, and in the end there
 * once. */
static void an_adoption_that_is_cut_short_loses_and_doubles_nothing(void **state)
{
	(void)state;
	for (unsigned n = 0; n < 240; n += 2) {
		plant_stray(2, "stray", true, true);
		fake_fail(2, P11_FN_MAX, 1 + n / 2, CKR_FUNCTION_FAILED, n % 4 ? FAKE_BEFORE : FAKE_AFTER);
		rig_sync(SYNC_ALL);
		assert_true(foreign_objects() > 0);
		fake_heal(2);
		/* An Init that did it and said no leaves its session to the next. */
		rig_reconnect(2);
		rig_heals();
		assert_int_equal(rig_verify()->keys, 1);
	}
}

static void an_adoption_whose_last_step_fails_is_ended_by_the_next_sync(void **state)
{
	(void)state;
	plant_stray(2, "stray", true, true);
	/* The domain keys are proven by two that are destroyed each time: what is destroyed next is the original. */
	fake_lie(2, FAKE_LIE_DESTROY);
	rig_sync(SYNC_ALL);
	fake_heal(2);
	assert_true(foreign_objects() > RIG_MEMBERS);
	rig_verify();
	assert_true(rig_findings(FINDING_DUPLICATE, 2, NULL) > 0);
	rig_heals();
	assert_int_equal(foreign_objects(), RIG_MEMBERS);
}

/* ---- not replicable ---- */

/* Member 3 takes session keys, by which domain keys are proven, and no key of the group. */
static CK_RV takes_no_key(void *data, CK_SLOT_ID slot, enum p11_fn fn, bool after, CK_RV rv)
{
	bool *proving = data;

	if (slot == 0 && (fn == P11_C_GenerateKey || fn == P11_C_DestroyObject))
		*proving = fn == P11_C_GenerateKey;
	return slot == 3 && fn == P11_C_UnwrapKey && !after && !*proving ? CKR_ATTRIBUTE_VALUE_INVALID : rv;
}

static void a_member_that_takes_no_such_key_is_not_behind(void **state)
{
	owned(record) struct record record = {0};
	const struct replica_report_finding *finding;
	bool proving = false;

	(void)state;
	rig_away(3, true);
	rig_key(KEY_EC_P256, "k", &record);
	rig_away(3, false);
	rig_finds(FINDING_MISSING, 3);
	assert_true(rig_verify()->members[3].behind);
	fake_watch(takes_no_key, &proving);
	rig_finds(FINDING_NOT_REPLICABLE, 3);
	rig_findings(FINDING_NOT_REPLICABLE, 3, &finding);
	assert_non_null(strstr(finding->detail, "'m3' does not take it"));
	assert_false(rig_sync(SYNC_RECOVER)->members[3].behind);
	fake_watch(NULL, NULL);
	rig_heals();
}

/* ---- what is left undone ---- */

static void whoever_lacks_what_others_could_give_is_behind(void **state)
{
	owned(record) struct record record = {0};
	const struct replica_sync_report *sync;

	(void)state;
	rig_key(KEY_AES_256, "k", &record);
	rig_destroy(2, secret(2, &record));
	fake_limit(2, 1);
	sync = rig_sync(SYNC_RECOVER);
	assert_true(sync->members[2].behind);
	assert_false(sync->members[1].behind);
	assert_int_equal(sync->n_skipped, 1);
	assert_int_equal(sync->skipped[0].kind, FINDING_MISSING);
	assert_string_equal(sync->skipped[0].member, "m2");
	fake_limit(2, 0);
	rig_heals();
	assert_false(rig_sync(SYNC_RECOVER)->members[2].behind);
}

static void a_key_that_nobody_has_keeps_nobody_back(void **state)
{
	owned(record) struct record record = {0};
	const struct replica_sync_report *sync;

	(void)state;
	rig_key(KEY_AES_256, "k", &record);
	for (size_t m = 0; m < RIG_MEMBERS; m++)
		rig_destroy(m, secret(m, &record));
	sync = rig_sync(SYNC_ALL);
	assert_int_equal(sync->verdict, VERDICT_DIVERGED);
	assert_int_equal(sync->n_skipped, RIG_MEMBERS);
	for (size_t m = 0; m < RIG_MEMBERS; m++)
		assert_false(sync->members[m].behind);
}

/* Who gives is lost on the way: another one gives, and whoever takes is up. */
static CK_RV source_goes(void *data, CK_SLOT_ID slot, enum p11_fn fn, bool after, CK_RV rv)
{
	bool *armed = data;

	if (*armed && slot == 2 && fn == P11_C_UnwrapKey && !after) {
		*armed = false;
		rig_away(0, true);
	}
	return rv;
}

static void a_source_that_goes_away_is_not_held_against_who_takes(void **state)
{
	struct record record[3];
	const struct replica_sync_report *sync;
	bool armed = true;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		record[i] = (struct record){0};
		make_key(KEY_EC_P256, i, &record[i]);
		rig_destroy(2, private(2, &record[i]));
	}
	fake_watch(source_goes, &armed);
	sync = rig_sync(SYNC_RECOVER);
	fake_watch(NULL, NULL);
	assert_false(armed);
	assert_false(sync->members[0].reachable);
	assert_true(sync->members[2].reachable);
	assert_false(sync->members[2].behind);
	assert_int_equal(sync->copied, 3);
	for (size_t i = 0; i < 3; i++)
		record_release(&record[i]);
}

/* Member 3 goes away when it is to take a key of the group. */
static CK_RV goes_rather(void *data, CK_SLOT_ID slot, enum p11_fn fn, bool after, CK_RV rv)
{
	CK_RV answer = takes_no_key(data, slot, fn, after, rv);

	if (answer != rv)
		rig_away(3, true);
	return answer;
}

static void whoever_goes_away_when_it_is_to_take_a_key_is_not_asked_again(void **state)
{
	owned(record) struct record record = {0};
	bool proving = false;

	(void)state;
	rig_key(KEY_EC_P256, "k", &record);
	rig_destroy(3, private(3, &record));
	fake_watch(goes_rather, &proving);
	rig_finds(FINDING_UNREACHABLE, 3);
	fake_watch(NULL, NULL);
	rig_away(3, false);
	rig_heals();
}

/* Member 0 goes away when it is to give a key of the group. */
static CK_RV gives_rather_not(void *data, CK_SLOT_ID slot, enum p11_fn fn, bool after, CK_RV rv)
{
	unsigned *wraps = data;

	if (slot == 0 && fn == P11_C_WrapKey && !after && ++*wraps == RIG_MEMBERS)
		rig_away(0, true);
	return rv;
}

/* With the giver's link another one is found to have ended: that of who takes, whose session is gone since the proof of
 * its domain key. */
static void giver_and_taker_may_be_lost_at_once(void **state)
{
	owned(record) struct record record = {0};
	unsigned wraps = 0;

	(void)state;
	rig_key(KEY_EC_P256, "k", &record);
	rig_destroy(3, private(3, &record));
	fake_fail(3, P11_C_DestroyObject, 1, CKR_SESSION_HANDLE_INVALID, FAKE_AFTER);
	fake_watch(gives_rather_not, &wraps);
	rig_verify();
	fake_watch(NULL, NULL);
	assert_int_equal(rig_findings(FINDING_UNREACHABLE, 0, NULL), 1);
	assert_int_equal(rig_findings(FINDING_UNREACHABLE, 3, NULL), 1);
	rig_away(0, false);
	rig_heals();
}

/* One member goes away at its n-th call from now. */
struct leaving {
	CK_SLOT_ID member;
	unsigned left;
};

static CK_RV leave(void *data, CK_SLOT_ID slot, enum p11_fn fn, bool after, CK_RV rv)
{
	struct leaving *leaving = data;

	(void)fn;
	if (slot == leaving->member && !after && leaving->left && --leaving->left == 0)
		rig_away(slot, true);
	return rv;
}

/* Something of everything is wrong, and a member goes away at any moment. */
static void whoever_goes_away_when_what_is_left_is_right_in_the_end(void **state)
{
	owned(record) struct record pair = {0}, key = {0}, deleted = {0};
	owned(replica_sites) struct replica_sites sites = {0};

	(void)state;
	rig_key(KEY_EC_P256, "pair", &pair);
	rig_key(KEY_AES_256, "key", &key);
	rig_key(KEY_AES_256, "deleted", &deleted);
	rig_away(3, true);
	assert_int_equal(replica_sites_open(rig_set, UINT32_MAX, &sites, NULL), 0);
	assert_int_equal(replica_destroy(&sites, &deleted, &(uint32_t){0}, NULL), 0);
	replica_sites_release(&sites);
	rig_away(3, false);
	plant_stray(2, "stray", true, true);
	plant_like(1, rig_object(1, CKO_SECRET_KEY, rig_set->domain_id, UID_LEN, NULL));
	rig_destroy(2, rig_object(2, CKO_SECRET_KEY, rig_set->domain_id, UID_LEN, NULL));
	rig_destroy(3, private(3, &pair));
	assert_true(fake_tear(3, secret(3, &key), CKA_EXTRACTABLE));
	assert_true(fake_tear(0, public(0, &pair), CKA_LABEL));
	cut_record(0, rig_record(0, key.uid, NULL), 20);
	rig_keep();
	for (size_t m = 0; m < RIG_MEMBERS; m++) {
		struct leaving leaving = {.member = m};

		for (unsigned n = 1 + (unsigned)m; !leaving.left; n += 23) {
			leaving.left = n;
			fake_watch(leave, &leaving);
			assert_int_not_equal(rig_verify()->verdict, VERDICT_IN_SYNC);
			rig_sync(SYNC_ALL);
			fake_watch(NULL, NULL);
			rig_away(m, false);
			rig_heals();
			assert_int_equal(rig_verify()->keys, 3);
			rig_back();
		}
	}
}

#define ON_FOUR(f) cmocka_unit_test_setup_teardown(f, rig_four, rig_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_FOUR(a_torn_record_is_replaced_by_a_whole_one),
		ON_FOUR(a_second_record_is_found_and_goes),
		ON_FOUR(a_key_of_which_only_torn_records_are_left_is_not_lost),
		ON_FOUR(what_a_later_version_wrote_is_left_alone),
		ON_FOUR(of_what_one_member_has_in_a_later_version_none_is_touched),
		ON_FOUR(strays_are_not_adopted_where_a_later_version_wrote),
		ON_FOUR(writers_leave_a_later_record_alone),
		ON_FOUR(a_wrong_public_half_is_found_and_replaced),
		ON_FOUR(a_public_key_of_no_key_is_a_persons_affair),
		ON_FOUR(what_is_left_of_a_torn_public_key_goes),
		ON_FOUR(an_object_torn_anywhere_is_put_right),
		ON_FOUR(a_key_torn_so_that_it_cannot_leave_is_replaced_from_another),
		ON_FOUR(the_same_key_without_its_mark_goes_once_the_key_is_back),
		ON_FOUR(another_key_of_the_same_label_is_left_where_it_is),
		ON_FOUR(an_attribute_is_missed_where_others_there_have_it),
		ON_FOUR(a_stray_without_a_name_is_adopted_not_destroyed),
		ON_FOUR(what_stands_on_an_adopted_token_is_named_and_left_alone),
		ON_FOUR(what_works_or_may_work_is_never_destroyed),
		ON_FOUR(an_adoption_that_is_cut_short_loses_and_doubles_nothing),
		ON_FOUR(an_adoption_whose_last_step_fails_is_ended_by_the_next_sync),
		ON_FOUR(a_member_that_takes_no_such_key_is_not_behind),
		ON_FOUR(whoever_lacks_what_others_could_give_is_behind),
		ON_FOUR(a_key_that_nobody_has_keeps_nobody_back),
		ON_FOUR(whoever_goes_away_when_it_is_to_take_a_key_is_not_asked_again),
		ON_FOUR(giver_and_taker_may_be_lost_at_once),
		ON_FOUR(whoever_goes_away_when_what_is_left_is_right_in_the_end),
		ON_FOUR(a_source_that_goes_away_is_not_held_against_who_takes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
