/* SPDX-License-Identifier: Apache-2.0 */
#include "../base/temp.h"

#include "base/str.h"
#include "drill/scenario.h"
#include "fleet/fleet.h"

static const char document[] =
	"{\"name\":\"f\",\"datacenters\":[{\"name\":\"dc\",\"region\":\"r\",\"provider\":\"softhsm\"}],"
	"\"devices\":["
	"{\"name\":\"a\",\"datacenter\":\"dc\",\"partitions\":[{\"name\":\"p\"},{\"name\":\"q\"}]},"
	"{\"name\":\"b\",\"datacenter\":\"dc\",\"partitions\":[{\"name\":\"b\"}]},"
	"{\"name\":\"c\",\"datacenter\":\"dc\",\"partitions\":[{\"name\":\"c\"}]}],"
	"\"groups\":[{\"name\":\"g\",\"serial\":\"0123456789abcdef\","
	"\"domain\":\"00112233445566778899aabbccddeeff\",\"pin_source\":\"env:PIN\",\"members\":["
	"{\"device\":\"c\",\"partition\":\"c\",\"role\":\"standby\"},"
	"{\"device\":\"a\",\"partition\":\"p\",\"role\":\"active\"},"
	"{\"device\":\"b\",\"partition\":\"b\",\"role\":\"active\"},"
	"{\"device\":\"a\",\"partition\":\"q\",\"role\":\"standby\"}]}]}";

static void targets(void **state)
{
	static const struct {
		const char *chosen;
		int rc;
		uint32_t mask;
	} cases[] = {
		{NULL, 0, 0xa},		/* the first active one, and who shares its device */
		{"a", 0, 0xa},
		{"a/p", 0, 0xa},
		{"b", 0, 0x4},
		{"c", -ERR_GUARD, 0},
		{"a/q", -ERR_GUARD, 0},
		{"d", -ERR_NOT_FOUND, 0},
	};
	owned(fleet) struct fleet *fleet = NULL;
	struct err err = {0};

	(void)state;
	if (fleet_read(document, strlen(document), "test", 0, &fleet, &err) < 0)
		fail_msg("%s", err.message);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint32_t mask = 0;

		assert_int_equal(drill_scenario_target(DRILL_ACTIVE_MEMBER, fleet, &fleet->groups[0], cases[i].chosen, &mask,
						       &err),
				 cases[i].rc);
		assert_int_equal(mask, cases[i].mask);
	}
	for (size_t i = 0; i < fleet->groups[0].n_members; i++)
		fleet->groups[0].members[i].role = FLEET_STANDBY;
	assert_int_equal(drill_scenario_target(DRILL_ACTIVE_MEMBER, fleet, &fleet->groups[0], NULL, &(uint32_t){0}, &err),
			 -ERR_GUARD);
}

/* What every row promises to the code that plays it. */
static void rows_are_sound(void **state)
{
	(void)state;
	for (const struct drill_scenario *s = drill_scenarios; s->name; s++) {
		const struct drill_scenario *found = NULL;
		int open = 0;
		double at = 0;

		assert_true(str_is_name(s->name));
		assert_true(s->summary && s->hypothesis && s->n_steps > 0 && s->n_steps <= DRILL_STEPS_MAX);
		for (size_t i = 0; i < s->n_steps; i++) {
			assert_true(s->steps[i].at > at && s->steps[i].at < 1);
			at = s->steps[i].at;
			open += s->steps[i].action == DRILL_BREAK ? 1 : -1;
			assert_true(open >= 0);
		}
		assert_int_equal(open, 0);
		assert_int_equal(drill_scenario_find(s->name, &found, NULL), 0);
		assert_ptr_equal(found, s);
	}
}

static void an_unknown_name_gets_a_hint(void **state)
{
	const struct drill_scenario *found = NULL;
	struct err err = {0};

	(void)state;
	assert_int_equal(drill_scenario_find("member-crush", &found, &err), -ERR_NOT_FOUND);
	assert_non_null(strstr(err.hint, "member-crash"));
	assert_int_equal(drill_scenario_find("quite-another-thing", &found, &err), -ERR_NOT_FOUND);
	assert_non_null(strstr(err.hint, "drill list"));
	assert_null(found);
}

static int list(void)
{
	struct drill_scenario_list l = {0};
	struct err err;
	int rc = drill_scenario_list(&l, &err);

	if (rc == 0)
		assert_true(l.n_scenarios >= 2 && l.scenarios[0].n_faults >= 1);
	json_release(&drill_scenario_list_type, &l);
	return rc;
}

static void no_memory(void **state)
{
	(void)state;
	assert_survives_no_memory(list());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(targets),
		cmocka_unit_test(rows_are_sound),
		cmocka_unit_test(an_unknown_name_gets_a_hint),
		cmocka_unit_test(no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
