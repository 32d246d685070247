/* SPDX-License-Identifier: Apache-2.0 */
#include "../base/temp.h"

#include "document.h"
#include "fleet/fleet.h"

static int fleet_setup(void **state)
{
	struct fleet *f = NULL;

	if (fleet_read(document, strlen(document), "f", 0, &f, NULL) < 0)
		return -1;
	*state = f;
	return 0;
}

static int fleet_teardown(void **state)
{
	mem_fail_after = 0;
	fleet_free(*state);
	return 0;
}

static void parts_are_found_by_name(void **state)
{
	const struct fleet *f = *state;

	assert_ptr_equal(fleet_datacenter(f, "w1"), &f->datacenters[1]);
	assert_ptr_equal(fleet_device(f, "b"), &f->devices[1]);
	assert_ptr_equal(fleet_partition(&f->devices[1], "p2"), &f->devices[1].partitions[1]);
	assert_ptr_equal(fleet_group(f, "g"), &f->groups[0]);
	assert_null(fleet_datacenter(f, "b"));
	assert_null(fleet_device(f, ""));
	assert_null(fleet_partition(&f->devices[0], "p2"));
	assert_null(fleet_group(f, NULL));
}

static void places_are_located(void **state)
{
	static const struct {
		const char *where;
		int rc;
		const char *partition, *message, *hint;
	} cases[] = {
		{"a", 0, "a", NULL, NULL},
		{"a/a", 0, "a", NULL, NULL},
		{"b/p2", 0, "p2", NULL, NULL},
		{"b", -ERR_AMBIGUOUS, NULL, "device 'b' has 2 partitions", "say which one: b/p1"},
		{"b/p", -ERR_NOT_FOUND, NULL, "no partition on device 'b' is named 'p'",
		 "did you mean 'p1'? see 'hsmctl partition list'"},
		{"b/", -ERR_NOT_FOUND, NULL, "no partition on device 'b' is named ''", NULL},
		{"device", -ERR_NOT_FOUND, NULL, "no device 'device'", "see 'hsmctl device list'"},
		{"/p1", -ERR_NOT_FOUND, NULL, "no device ''", NULL},
		{"", -ERR_NOT_FOUND, NULL, "no device ''", NULL},
		{"b/p1/x", -ERR_NOT_FOUND, NULL, "no partition on device 'b' is named 'p1/x'", NULL},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fleet_device *device = NULL;
		struct fleet_partition *partition = NULL;
		struct err err = {0};

		assert_int_equal(fleet_locate(*state, cases[i].where, &device, &partition, &err), cases[i].rc);
		if (cases[i].rc == 0) {
			assert_string_equal(partition->name, cases[i].partition);
			assert_int_equal(device->name[0], cases[i].where[0]);
			continue;
		}
		assert_null(device);
		assert_null(partition);
		assert_string_equal(err.message, cases[i].message);
		if (cases[i].hint)
			assert_string_equal(err.hint, cases[i].hint);
	}
}

static void a_device_without_partitions_is_said(void **state)
{
	struct fleet_device empty = {.name = (char[]){"x"}}, *device = NULL;
	struct fleet f = {.devices = &empty, .n_devices = 1};
	struct fleet_partition *partition = NULL;
	struct err err;

	(void)state;
	assert_int_equal(fleet_locate(&f, "x", &device, &partition, &err), -ERR_NOT_FOUND);
	assert_string_equal(err.message, "device 'x' has no partition");
}

static void errors_name_the_nearest(void **state)
{
	struct fleet_group groups[] = {{.name = (char[]){"payments"}}, {.name = (char[]){"signing"}}};
	struct fleet f = {.groups = groups, .n_groups = 2};
	struct fleet_group *group = NULL;
	struct fleet_device *device = NULL;
	struct err err;

	assert_int_equal(fleet_find_group(&f, "payment", &group, &err), -ERR_NOT_FOUND);
	assert_string_equal(err.message, "no group 'payment'");
	assert_string_equal(err.hint, "did you mean 'payments'? see 'hsmctl ha list'");
	assert_int_equal(fleet_find_group(&f, "other", &group, &err), -ERR_NOT_FOUND);
	assert_string_equal(err.hint, "see 'hsmctl ha list'");
	assert_int_equal(fleet_find_group(&f, "signing", &group, &err), 0);
	assert_ptr_equal(group, &groups[1]);
	assert_int_equal(fleet_find_device(*state, "b", &device, &err), 0);
	/* without memory the error is the same, less its hint's first half */
	mem_fail_after = 1;
	assert_int_equal(fleet_find_group(&f, "payment", &group, &err), -ERR_NOT_FOUND);
	assert_string_equal(err.hint, "see 'hsmctl ha list'");
}

static void the_group_of_a_partition_is_known(void **state)
{
	struct fleet *f = *state;

	assert_ptr_equal(fleet_group_of(f, "a", "a"), &f->groups[0]);
	assert_ptr_equal(fleet_group_of(f, "a", NULL), &f->groups[0]);
	assert_ptr_equal(fleet_group_of(f, "b", NULL), &f->groups[0]);
	assert_null(fleet_group_of(f, "b", "p2"));
	assert_null(fleet_group_of(f, "c", NULL));
}

static void members_are_named_for_people(void **state)
{
	const struct fleet *f = *state;
	const struct fleet_member gone = {.device = (char[]){"gone"}, .partition = (char[]){"p"}};
	char text[100], small[4];

	assert_string_equal(fleet_member_name(f, &f->groups[0].members[0], text, sizeof(text)), "a");
	assert_string_equal(fleet_member_name(f, &f->groups[0].members[1], text, sizeof(text)), "b/p1");
	assert_string_equal(fleet_member_name(f, &f->groups[0].members[1], small, sizeof(small)), "b/p");
	assert_string_equal(fleet_member_name(f, &gone, text, sizeof(text)), "gone");
}

static void policies_have_defaults(void **state)
{
	struct fleet *f = *state;
	struct fleet_group *g = &f->groups[0];
	struct fleet_policy p = fleet_group_policy(f, g);

	assert_int_equal(p.connect_ms, 5);
	assert_int_equal(p.answer_ms, 1000);
	assert_int_equal(p.call_ms, 60000);
	assert_true(p.allow_unreplicated);
	g->policy = (struct fleet_policy){0};
	p = fleet_group_policy(f, g);
	assert_int_equal(p.min_members, 2);
	assert_int_equal(p.min_datacenters, 2);
	assert_int_equal(p.connect_ms, 2000);
	g->policy.min_members = 1;
	g->policy.min_datacenters = 1;
	p = fleet_group_policy(f, g);
	assert_int_equal(p.min_members, 1);
	assert_int_equal(p.min_datacenters, 1);
	g->policy = (struct fleet_policy){0};
	assert_int_equal(fleet_set(&f->devices[1].datacenter, "e1", NULL), 0);
	p = fleet_group_policy(f, g);
	assert_int_equal(p.min_members, 2);
	assert_int_equal(p.min_datacenters, 1);
	g->n_members = 1;
	p = fleet_group_policy(f, g);
	assert_int_equal(p.min_members, 1);
	assert_int_equal(p.min_datacenters, 1);
	g->n_members = 2;
}

#define fleet_test(function) cmocka_unit_test_setup_teardown(function, fleet_setup, fleet_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		fleet_test(parts_are_found_by_name),
		fleet_test(places_are_located),
		cmocka_unit_test(a_device_without_partitions_is_said),
		fleet_test(errors_name_the_nearest),
		fleet_test(the_group_of_a_partition_is_known),
		fleet_test(members_are_named_for_people),
		fleet_test(policies_have_defaults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
