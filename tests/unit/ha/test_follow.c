/* SPDX-License-Identifier: Apache-2.0 */
/* Members, roles and policies that change while a group runs. */
#include "fixture.h"

#include <stdio.h>

#include "../base/temp.h"
#include "base/buf.h"
#include "base/str.h"
#include "fleet/fleet.h"

static char *folder;
static struct replica_set *set;		/* the group's */

/* The rig's members as a document has them: those of mask, in order, and the policy. */
static void document(uint32_t mask, const char *roles, const char *serials, const char *policy)
{
	owned(buf) struct buf text = {.max = 1 << 16};
	char domain[2 * sizeof(rig_set->domain_id) + 1];

	str_hex(rig_set->domain_id, sizeof(rig_set->domain_id), domain);
	buf_printf(&text, "{\"name\":\"f\",\"datacenters\":[");
	for (size_t m = 0; m < RIG_MEMBERS; m++)
		buf_printf(&text, "%s{\"name\":\"dc%zu\",\"region\":\"region\",\"provider\":\"softhsm\"}", m ? "," : "", m);
	buf_printf(&text, "],\"devices\":[");
	for (size_t m = 0; m < RIG_MEMBERS; m++) {
		buf_printf(&text, "%s{\"name\":\"m%zu\",\"datacenter\":\"dc%zu\",\"partitions\":[{\"name\":\"m%zu\"", m ? "," : "",
			   m, m, m);
		if (serials[m] != '-')
			buf_printf(&text, ",\"serial\":\"%c%zu\"", serials[m], m);
		if (serials[m] != '-')
			buf_printf(&text, ",\"link\":{\"module\":\"/nonexistent.so\"}");
		buf_printf(&text, "}]}");
	}
	buf_printf(&text, "],\"groups\":[{\"name\":\"rig\",\"domain\":\"%s\",\"policy\":{\"connect_ms\":1000,\"answer_ms\":1000,\"call_ms\":60000,%s},\"members\":[", domain, policy);
	for (size_t m = 0, n = 0; m < RIG_MEMBERS; m++)
		if (mask & 1u << m)
			buf_printf(&text, "%s{\"device\":\"m%zu\",\"role\":\"%s\"}", n++ ? "," : "", m,
				   roles[m] == 'a' ? "active" : "standby");
	buf_printf(&text, "]}]}\n");
	assert_int_equal(file_write(in(folder, "fleet.json"), text.data, text.len, 0600, NULL), 0);
}

/* As the rig has them. */
static void members(uint32_t mask)
{
	document(mask, "aass", "----", "\"min_members\":2,\"min_datacenters\":2");
}

static int open_following(void **state)
{
	void *path;

	assert_int_equal(temp_setup(&path), 0);
	folder = path;
	rig_four(state);
	set = rig_another();
	setenv("HSMCTL_DATACENTRE", "dc0", 1);
	assert_int_equal(ha_group_new(set, folder, false, &group, NULL), 0);
	assert_int_equal(ha_login(group, "1234", 4), CKR_OK);
	return 0;
}

static int close_following(void **state)
{
	void *path = folder;

	close_group(state);
	return temp_teardown(&path);
}

static void nothing_changes_when_the_document_says_the_same(void **state)
{
	CK_OBJECT_HANDLE k = key(KEY_HMAC_SHA256, "k");
	uint32_t who;

	(void)state;
	assert_false(ha_group_refresh(group));
	members(0xf);
	assert_true(ha_group_refresh(group));
	assert_false(ha_group_refresh(group));
	assert_int_equal(replica_set_members(set), 0xf);
	assert_int_equal(replica_set_current(set), 0xf);
	assert_int_equal(sign(k, &who), CKR_OK);
	assert_int_equal(who, 0x1);
}

static void who_leaves_is_neither_asked_nor_missed(void **state)
{
	CK_OBJECT_HANDLE k = key(KEY_HMAC_SHA256, "k");
	uint32_t who;

	(void)state;
	assert_int_equal(sign(k, &who), CKR_OK);
	assert_int_equal(who, 0x1);
	members(0xe);
	assert_true(ha_group_refresh(group));
	assert_false(ha_group_refresh(group));
	assert_int_equal(sign(k, &who), CKR_OK);
	assert_int_equal(who, 0x2);
	/* Nor in need. */
	away(0xe);
	assert_int_not_equal(sign(k, &who), CKR_OK);
	assert_int_equal(who, 0);
	away(0x1);
	look_again();
	key(KEY_HMAC_SHA256, "more");
	assert_int_equal(replica_set_mark_of(set, 0).counter, 0);
}

static void who_comes_back_has_what_it_missed_before_it_serves(void **state)
{
	CK_OBJECT_HANDLE k, doomed = key(KEY_HMAC_SHA256, "doomed");
	uint32_t who;

	(void)state;
	members(0xe);
	assert_true(ha_group_refresh(group));
	k = key(KEY_HMAC_SHA256, "k");
	assert_int_equal(destroy(doomed), CKR_OK);
	members(0xf);
	assert_true(ha_group_refresh(group));
	/* Nobody marked it, and nobody looked at it yet. */
	away(0xe);
	assert_int_not_equal(sign(k, &who), CKR_OK);
	assert_int_equal(who, 0);
	away(0);
	look_again();
	away(0xe);
	assert_int_equal(sign(k, &who), CKR_OK);
	assert_int_equal(who, 0x1);
	away(0);
	look_again();
	rig_in_sync();
}

static void roles_count_at_once(void **state)
{
	CK_OBJECT_HANDLE k = key(KEY_HMAC_SHA256, "k");
	uint32_t who;

	(void)state;
	document(0xf, "ssas", "----", "\"min_members\":2,\"min_datacenters\":2");
	assert_true(ha_group_refresh(group));
	assert_int_equal(sign(k, &who), CKR_OK);
	assert_int_equal(who, 0x4);
}

static void policies_count_at_once(void **state)
{
	CK_OBJECT_HANDLE k;

	(void)state;
	away(0xe);
	assert_int_equal(generate(KEY_HMAC_SHA256, "k", &k), CKR_TOKEN_WRITE_PROTECTED);
	document(0xf, "aass", "----", "\"min_members\":1,\"min_datacenters\":1");
	assert_true(ha_group_refresh(group));
	assert_int_equal(generate(KEY_HMAC_SHA256, "k", &k), CKR_OK);
}

static void another_token_of_that_name_is_another_member(void **state)
{
	CK_OBJECT_HANDLE k = key(KEY_HMAC_SHA256, "k");
	uint32_t who;

	(void)state;
	document(0xf, "aass", "s---", "\"min_members\":2,\"min_datacenters\":2");
	assert_true(ha_group_refresh(group));
	assert_int_equal(replica_set_members(set), 0x1e);
	assert_int_equal(sign(k, &who), CKR_OK);
	assert_int_equal(who, 0x2);
	/* The one of before again: its place is as it was. */
	members(0xf);
	assert_true(ha_group_refresh(group));
	assert_int_equal(replica_set_members(set), 0x0f);
}

static void places_come_to_an_end_with_an_error(void **state)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJ";
	CK_OBJECT_HANDLE k = key(KEY_HMAC_SHA256, "k");

	(void)state;
	for (size_t i = 0; letters[i]; i++) {
		char serials[] = {letters[i], '-', '-', '-', 0};

		document(0xf, "aass", serials, "\"min_members\":2,\"min_datacenters\":2");
		ha_group_refresh(group);
	}
	assert_int_equal(set->n_members, SET_MAX);
	assert_int_equal(replica_set_members(set) & 0xe, 0xe);
	assert_int_equal(sign(k, NULL), CKR_OK);
}

static void the_next_group_of_that_name_is_not_followed(void **state)
{
	(void)state;
	set->domain_id[0] ^= 1;
	members(0xe);
	assert_false(ha_group_refresh(group));
	assert_int_equal(replica_set_members(set), 0xf);
	set->domain_id[0] ^= 1;
}

static void a_pin_reaches_who_comes_once_it_is_right(void **state)
{
	CK_OBJECT_HANDLE k = key(KEY_HMAC_SHA256, "k");
	uint32_t who;

	(void)state;
	members(0xe);
	assert_true(ha_group_refresh(group));
	assert_int_equal(ha_logout(group), CKR_OK);
	members(0xf);
	assert_true(ha_group_refresh(group));
	look_again();
	assert_int_equal(ha_login(group, "1234", 4), CKR_OK);
	look_again();
	away(0xe);
	k = found("k");
	assert_int_equal(sign(k, &who), CKR_OK);
	assert_int_equal(who, 0x1);
}

#define FOLLOWING(f) cmocka_unit_test_setup_teardown(f, open_following, close_following)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FOLLOWING(nothing_changes_when_the_document_says_the_same),
		FOLLOWING(who_leaves_is_neither_asked_nor_missed),
		FOLLOWING(who_comes_back_has_what_it_missed_before_it_serves),
		FOLLOWING(roles_count_at_once),
		FOLLOWING(policies_count_at_once),
		FOLLOWING(another_token_of_that_name_is_another_member),
		FOLLOWING(places_come_to_an_end_with_an_error),
		FOLLOWING(the_next_group_of_that_name_is_not_followed),
		FOLLOWING(a_pin_reaches_who_comes_once_it_is_right),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
