/* SPDX-License-Identifier: Apache-2.0 */
#include "../base/temp.h"

#include "document.h"
#include "fleet/fleet.h"

static struct fleet *must_parse(const char *text)
{
	struct fleet *fleet = NULL;
	struct err err;

	if (fleet_read(text, strlen(text), "fleet.json", 0, &fleet, &err) < 0)
		fail_msg("%s", err.message);
	return fleet;
}

/* What one command may do while another works. */
static void set_address(struct fleet *f, const char *text)
{
	assert_int_equal(fleet_set(&f->devices[1].partitions[0].link.address, text, NULL), 0);
}

static void set_name(struct fleet *f, const char *text)
{
	assert_int_equal(fleet_set(&f->name, text, NULL), 0);
}

static void set_region(struct fleet *f, const char *text)
{
	assert_int_equal(fleet_set(&f->datacenters[0].region, text, NULL), 0);
}

static void set_subscription(struct fleet *f, const char *text)
{
	assert_int_equal(fleet_set(&f->azure.subscription, text, NULL), 0);
}

static void add_device(struct fleet *f, const char *text)
{
	struct fleet_device *device = json_append(&f->devices, &f->n_devices, sizeof(*device));

	assert_int_equal(fleet_set(&device->name, "new", NULL), 0);
	assert_int_equal(fleet_set(&device->datacenter, text, NULL), 0);
}

static void drop_group(struct fleet *f, const char *text)
{
	(void)text;
	fleet_remove_group(f, &f->groups[0]);
}

static void set_pin_source(struct fleet *f, const char *text)
{
	assert_int_equal(fleet_set(&f->groups[0].pin_source, text, NULL), 0);
}

static void nothing(struct fleet *f, const char *text)
{
	(void)f, (void)text;
}

typedef void (*change)(struct fleet *f, const char *text);

static const struct {
	change ours;
	const char *text;
	change theirs;
	const char *other;
	const char *says;	/* NULL: both changes are in the result */
} cases[] = {
	{set_address, "[::1]:5", nothing, NULL, NULL},
	{nothing, NULL, set_address, "[::1]:5", NULL},
	{set_address, "[::1]:5", set_address, "[::1]:5", NULL},
	{set_address, "[::1]:5", set_address, "[::1]:6", "device 'b' was changed"},
	{set_address, "[::1]:5", add_device, "e1", NULL},
	{add_device, "e1", add_device, "e1", NULL},
	{add_device, "e1", add_device, "w1", "device 'new' was changed"},
	{add_device, "w1", drop_group, NULL, NULL},
	{drop_group, NULL, set_region, "north", NULL},
	{drop_group, NULL, drop_group, NULL, NULL},
	{drop_group, NULL, set_pin_source, "env:A", "group 'g' was changed"},
	{set_pin_source, "env:A", drop_group, NULL, "group 'g' was changed"},
	{set_name, "mine", set_subscription, "s", NULL},
	{set_name, "mine", set_name, "other", "fleet 'other' was changed"},
	{set_subscription, "s", set_subscription, "t", "azure section of 'f' was changed"},
	{set_region, "north", set_region, "south", "datacenter 'e1' was changed"},
};

static void both_changes_are_kept_or_the_part_is_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		owned(fleet) struct fleet *base = must_parse(document), *ours = must_parse(document);
		owned(fleet) struct fleet *theirs = must_parse(document), *wanted = must_parse(document);
		struct err err = {0};
		int rc;

		cases[i].ours(ours, cases[i].text);
		cases[i].theirs(theirs, cases[i].other);
		theirs->revision = wanted->revision = 7;
		rc = fleet_rebase(base, ours, theirs, &err);
		if (cases[i].says) {
			if (rc != -ERR_CHANGED || !strstr(err.message, cases[i].says))
				fail_msg("case %zu: %d %s", i, rc, err.message);
			continue;
		}
		if (rc < 0)
			fail_msg("case %zu: %s", i, err.message);
		cases[i].theirs(wanted, cases[i].other);
		if (cases[i].ours != cases[i].theirs)
			cases[i].ours(wanted, cases[i].text);
		if (!json_equal(&fleet_type, theirs, wanted))
			fail_msg("case %zu: another result", i);
	}
}

static int once(void)
{
	owned(fleet) struct fleet *base = NULL, *ours = NULL, *theirs = NULL;
	unsigned long left = mem_fail_after;
	int rc;

	mem_fail_after = 0;
	base = must_parse(document);
	ours = must_parse(document);
	theirs = must_parse(document);
	set_address(ours, "[::1]:5");
	add_device(ours, "e1");
	set_subscription(ours, "s");
	mem_fail_after = left;
	rc = fleet_rebase(base, ours, theirs, NULL);
	return rc;
}

static void no_memory_is_survived(void **state)
{
	(void)state;
	assert_survives_no_memory(once());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_changes_are_kept_or_the_part_is_named),
		cmocka_unit_test(no_memory_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
