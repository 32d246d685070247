/* SPDX-License-Identifier: Apache-2.0 */
#include "../base/temp.h"

#include "base/str.h"
#include "fleet/fleet.h"
#include "provider/inventory.h"
#include "provider/provider.h"
#include "store/store.h"

#define DATACENTERS                                                                                \
	"\"datacenters\":[{\"name\":\"e\",\"region\":\"east\",\"provider\":\"softhsm\"},"          \
	"{\"name\":\"w\",\"region\":\"west\",\"provider\":\"softhsm\"}]"
#define SERVED(name, dc, serial)                                                                   \
	"{\"name\":\"" name "\",\"datacenter\":\"" dc "\",\"partitions\":[{\"name\":\"" name         \
	"\",\"serial\":\"" serial "\",\"link\":{\"kind\":\"tls\",\"address\":\"127.0.0.1:7001\"}}]}"
#define STORED "{\"name\":\"f\"," DATACENTERS ",\"devices\":[" SERVED("a", "e", "s1") "," SERVED("b", "w", "s2") "]"
#define GROUP                                                                                      \
	",\"groups\":[{\"name\":\"g\",\"members\":[{\"device\":\"a\"},{\"device\":\"b\",\"role\":\"standby\"}]}]"

static struct fleet *must_parse(const char *text)
{
	struct fleet *fleet = NULL;
	struct err err;

	if (fleet_read(text, strlen(text), "text", 0, &fleet, &err) < 0)
		fail_msg("%s", err.message);
	return fleet;
}

static struct store *store_with(const char *path, const char *document)
{
	struct store *store = NULL;

	assert_int_equal(store_open(path, STORE_CREATE, &store, NULL), 0);
	if (document)
		assert_int_equal(file_write(in(path, "fleet.json"), document, strlen(document), 0600, NULL), 0);
	return store;
}

/* "create device a, destroy device b" */
static char *summary(const struct provider_plan *plan)
{
	struct buf text;
	char *copy;

	buf_init(&text, 4096);
	for (size_t i = 0; i < plan->n_changes; i++)
		buf_printf(&text, "%s%s %s", i ? ", " : "", change_kind_names[plan->changes[i].kind],
			   plan->changes[i].subject);
	copy = mem_strdup(buf_text(&text));
	buf_release(&text);
	return copy;
}

static int setup(void **state)
{
	/* Any file will do: nothing is loaded while planning. */
	setenv("HSMCTL_SOFTHSM_LIBRARY", "/proc/self/exe", 1);
	return temp_setup(state);
}

#define DEVICES(list) "{\"name\":\"f\"," DATACENTERS ",\"devices\":[" list "]"
#define PLAIN(name, dc) "{\"name\":\"" name "\",\"datacenter\":\"" dc "\"}"

static void plans(void **state)
{
	static const struct {
		const char *stored, *desired, *changes;
	} cases[] = {
		{NULL, DEVICES(PLAIN("a", "e")) "}", "create datacenter e, create datacenter w, create device a"},
		/* The appliances of these documents have no files: they are made. */
		{STORED "}", DEVICES(PLAIN("a", "e") "," PLAIN("b", "w")) "}", "create device a, create device b"},
		{STORED "}", DEVICES(PLAIN("b", "w")) "}", "create device b, destroy device a"},
		{STORED "}", DEVICES("") "}", "destroy device b, destroy device a"},
		{STORED GROUP "}", DEVICES(PLAIN("a", "e") "," PLAIN("b", "w")) GROUP "}",
		 "create device a, create device b"},
		{STORED "}",
		 "{\"name\":\"f\",\"datacenters\":[{\"name\":\"n\",\"region\":\"east\",\"provider\":\"softhsm\"}],"
		 "\"devices\":[]}",
		 "create datacenter n, destroy device b, destroy device a, destroy datacenter w, destroy datacenter e"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		owned(store) struct store *store = store_with(in(*state, i % 2 ? "one" : "two"), cases[i].stored);
		owned(fleet) struct fleet *desired = must_parse(cases[i].desired);
		struct provider_plan plan = {0};
		owned(mem) char *text = NULL;
		struct err err = {0};

		if (provider_plan_make(&(struct provider_call){.store = store}, desired, &plan, &err) < 0)
			fail_msg("case %zu: %s", i, err.message);
		text = summary(&plan);
		assert_string_equal(text, cases[i].changes);
		json_release(&provider_plan_type, &plan);
		assert_int_equal(file_remove_tree(store_path(store), NULL), 0);
	}
}

#define ADOPTING                                                                                   \
	"{\"name\":\"f\",\"datacenters\":[{\"name\":\"e\",\"region\":\"east\",\"provider\":\"existing\"}],\"devices\":["
#define THERE(more)                                                                                \
	"{\"name\":\"a\",\"datacenter\":\"e\",\"partitions\":[{\"name\":\"a\",\"pin_source\":\"file:/p\"," more             \
	"\"link\":{\"kind\":\"module\",\"module\":\"/nonexistent.so\"}}]}"

/* Only what was adopted is asked about; the library is none here. */
static void what_is_there_is_adopted_and_let_go(void **state)
{
	static const struct {
		const char *stored, *desired, *changes, *detail;
	} cases[] = {
		{NULL, ADOPTING THERE("") "]}", "create datacenter e, adopt device a",
		 "existing token in e (region east)"},
		{ADOPTING THERE("\"serial\":\"1\",") "]}", ADOPTING THERE("\"uri\":\"pkcs11:token=t\",") "]}",
		 "update device a", "uri"},
		{ADOPTING THERE("\"serial\":\"1\",") "]}", ADOPTING THERE("") "]}", "update device a",
		 "cannot be looked at"},
		{ADOPTING THERE("\"serial\":\"1\",") "]}", ADOPTING "]}", "release device a", "stay as they are"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		owned(store) struct store *store = store_with(in(*state, i % 2 ? "one" : "two"), cases[i].stored);
		owned(fleet) struct fleet *desired = must_parse(cases[i].desired);
		owned(provider_plan) struct provider_plan plan = {0};
		owned(mem) char *text = NULL;
		struct err err = {0};

		if (provider_plan_make(&(struct provider_call){.store = store}, desired, &plan, &err) < 0)
			fail_msg("case %zu: %s", i, err.message);
		text = summary(&plan);
		assert_string_equal(text, cases[i].changes);
		assert_non_null(strstr(plan.changes[plan.n_changes - 1].detail, cases[i].detail));
		assert_int_equal(file_remove_tree(store_path(store), NULL), 0);
	}
}

static void refusals(void **state)
{
	static const struct {
		const char *stored, *desired;
		enum err_code code;
		const char *says;
	} cases[] = {
		{STORED "}", "{\"name\":\"other\"," DATACENTERS ",\"devices\":[]}", ERR_EXISTS, "the fleet 'f'"},
		{STORED GROUP "}", DEVICES(PLAIN("a", "e")) "}", ERR_IN_USE, "'g'"},
		{STORED "}", DEVICES(PLAIN("a", "e")) ",\"groups\":[{\"name\":\"g\",\"members\":[{\"device\":\"a\"}]}]}",
		 ERR_UNSUPPORTED, "does not exist"},
		{STORED GROUP "}", DEVICES(PLAIN("a", "e") "," PLAIN("b", "w")) ",\"groups\":[]}", ERR_UNSUPPORTED,
		 "not in the document"},
		{STORED GROUP "}",
		 DEVICES(PLAIN("a", "e") "," PLAIN("b", "w"))
		 ",\"groups\":[{\"name\":\"g\",\"members\":[{\"device\":\"a\"},{\"device\":\"b\"}]}]}",
		 ERR_UNSUPPORTED, "is not what the document says"},
		{STORED "}", DEVICES(SERVED("a", "e", "s9")) "}", ERR_INVALID, "serial 's9'"},
		{NULL, DEVICES(PLAIN("ca", "e")) "}", ERR_INVALID, "'ca'"},
		{NULL, DEVICES("{\"name\":\"a\",\"datacenter\":\"e\",\"module\":\"/nonexistent.so\"}") "}", ERR_MISSING,
		 "/nonexistent.so"},
		{STORED GROUP "}",
		 DEVICES(PLAIN("b", "w") ",{\"name\":\"a\",\"datacenter\":\"e\",\"partitions\":[{\"name\":\"p\"}]}") "}",
		 ERR_IN_USE, "keeps its name"},
		{NULL, ADOPTING "{\"name\":\"a\",\"datacenter\":\"e\"}]}", ERR_INVALID, "has no link"},
		{ADOPTING THERE("\"serial\":\"1\",") "]}", ADOPTING THERE("\"serial\":\"2\",") "]}", ERR_EXISTS,
		 "was adopted with the serial '1'"},
		/* Both problems, the code of the first. */
		{NULL, DEVICES(PLAIN("ca", "e") "," PLAIN("admin", "w")) "}", ERR_INVALID, "'admin'"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		owned(store) struct store *store = store_with(in(*state, i % 2 ? "one" : "two"), cases[i].stored);
		owned(fleet) struct fleet *desired = must_parse(cases[i].desired);
		struct provider_plan plan = {0};
		struct err err = {0};

		assert_int_equal(provider_plan_make(&(struct provider_call){.store = store}, desired, &plan, &err), -(int)cases[i].code);
		assert_non_null(strstr(err.message, cases[i].says));
		assert_null(plan.changes);
		assert_int_equal(file_remove_tree(store_path(store), NULL), 0);
	}
}

static int plan_once(struct store *store, const struct fleet *desired)
{
	struct provider_plan plan = {0};
	struct err err = {0};
	int rc = provider_plan_make(&(struct provider_call){.store = store}, desired, &plan, &err);

	json_release(&provider_plan_type, &plan);
	return rc;
}

static void plans_survive_a_lack_of_memory(void **state)
{
	owned(store) struct store *store = store_with(*state, STORED GROUP "}");
	owned(fleet) struct fleet *desired = must_parse(DEVICES(PLAIN("a", "w") "," PLAIN("b", "w") "," PLAIN("c", "e")) "}");

	assert_survives_no_memory(plan_once(store, desired));
}

static void a_plan_of_another_revision_is_not_applied(void **state)
{
	owned(store) struct store *store = store_with(*state, NULL);
	owned(fleet) struct fleet *desired = must_parse(DEVICES("") "}");
	struct provider_plan kept = {.revision = 4};
	struct err err = {0};

	assert_int_equal(provider_apply(&(struct provider_call){.store = store}, desired, &kept, true, &(struct inventory){0}, &err),
			 -ERR_CHANGED);
	assert_false(file_exists(in(*state, "fleet.json")));
}

static void destroying_is_refused_while_groups_exist(void **state)
{
	owned(store) struct store *store = store_with(*state, STORED GROUP "}");
	owned(fleet) struct fleet *after = NULL;
	struct err err = {0};

	assert_int_equal(provider_destroy(&(struct provider_call){.store = store}, &err), -ERR_IN_USE);
	assert_int_equal(store_read(store, &after, &err), 0);
	assert_int_equal(after->n_devices, 2);
}

static void destroying_forgets_devices_without_files(void **state)
{
	owned(store) struct store *store = store_with(*state, STORED "}");
	owned(fleet) struct fleet *after = NULL;
	struct err err = {0};

	assert_int_equal(provider_destroy(&(struct provider_call){.store = store}, &err), 0);
	assert_int_equal(store_read(store, &after, &err), 0);
	assert_int_equal(after->n_devices + after->n_datacenters, 0);
	assert_int_equal(store_audit_verify(store, NULL, NULL, &err), 5);	/* two are begun first */
	assert_int_equal(provider_destroy(&(struct provider_call){.store = store}, &err), 0);
	assert_int_equal(store_audit_verify(store, NULL, NULL, &err), 5);
}

static void unknown_providers_are_refused(void **state)
{
	owned(fleet) struct fleet *fleet = must_parse(STORED "}");
	const struct provider *provider = NULL;
	struct err err = {0};

	(void)state;
	assert_int_equal(provider_of(fleet, &fleet->devices[0], &provider, &err), 0);
	assert_ptr_equal(provider, &provider_softhsm);
	assert_int_equal(fleet_set(&fleet->datacenters[0].provider, "abacus", &err), 0);
	assert_int_equal(provider_of(fleet, &fleet->devices[0], &provider, &err), -ERR_INVALID);
	assert_non_null(strstr(err.message, "abacus"));
	assert_int_equal(fleet_set(&fleet->devices[0].datacenter, "x", &err), 0);
	assert_int_equal(provider_of(fleet, &fleet->devices[0], &provider, &err), -ERR_INVALID);
}

#define plan_test(function) cmocka_unit_test_setup_teardown(function, setup, temp_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		plan_test(plans),
		plan_test(what_is_there_is_adopted_and_let_go),
		plan_test(refusals),
		plan_test(plans_survive_a_lack_of_memory),
		plan_test(a_plan_of_another_revision_is_not_applied),
		plan_test(destroying_is_refused_while_groups_exist),
		plan_test(destroying_forgets_devices_without_files),
		plan_test(unknown_providers_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
