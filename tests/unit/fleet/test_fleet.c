/* SPDX-License-Identifier: Apache-2.0 */
#include "../base/temp.h"

#include "base/str.h"
#include "document.h"
#include "fleet/fleet.h"

static int read_text(const char *text, struct fleet **ret, struct err *err)
{
	return fleet_read(text, strlen(text), "fleet.json", 0, ret, err);
}

static void everything_is_read(void **state)
{
	owned(fleet) struct fleet *f = NULL;
	struct err err;

	(void)state;
	assert_int_equal(read_text(document, &f, &err), 0);
	assert_string_equal(f->name, "f");
	assert_int_equal(f->revision, 0);
	assert_string_equal(f->datacenters[1].region, "west");
	assert_string_equal(f->devices[1].module, "/lib/x.so");
	assert_int_equal(f->devices[1].partitions[0].link.kind, FLEET_LINK_TLS);
	assert_string_equal(f->devices[1].partitions[1].link.module, "/lib/y.so");
	assert_string_equal(f->devices[1].partitions[1].link.environment[0].value, "/etc/y");
	assert_true(f->has_groups);
	assert_int_equal(f->groups[0].members[0].role, FLEET_ACTIVE);
	assert_int_equal(f->groups[0].members[0].epoch, 3);
	assert_int_equal(f->groups[0].members[1].role, FLEET_STANDBY);
	assert_true(f->groups[0].policy.allow_unreplicated);
}

static void defaults_are_put_in(void **state)
{
	owned(fleet) struct fleet *f = NULL;

	(void)state;
	assert_int_equal(read_text(document, &f, NULL), 0);
	assert_int_equal(f->devices[0].n_partitions, 1);
	assert_string_equal(f->devices[0].partitions[0].name, "a");
	assert_int_equal(f->devices[0].partitions[0].link.kind, FLEET_LINK_NONE);
	assert_string_equal(f->groups[0].members[0].partition, "a");
}

static void documents_survive_a_round_trip(void **state)
{
	owned(fleet) struct fleet *f = NULL, *g = NULL, *h = NULL;
	owned(buf) struct buf text = {.max = 65536}, again = {.max = 65536};

	(void)state;
	assert_int_equal(read_text(document, &f, NULL), 0);
	f->revision = 41;
	assert_int_equal(fleet_write(f, &text, NULL), 0);
	assert_int_equal(fleet_read((char *)text.data, text.len, "again", 0, &g, NULL), 0);
	assert_true(json_equal(&fleet_type, f, g));
	assert_int_equal(fleet_write(g, &again, NULL), 0);
	assert_string_equal(buf_text(&text), buf_text(&again));
	assert_int_equal(fleet_copy(f, &h, NULL), 0);
	assert_true(json_equal(&fleet_type, f, h));
	assert_true(h->has_groups);
}

static void absent_groups_stay_absent(void **state)
{
	static const struct {
		const char *groups;
		bool has;
	} cases[] = {{"", false}, {",\"groups\":[]", true}, {DOCUMENT_GROUPS, true}};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		owned(fleet) struct fleet *f = NULL, *again = NULL, *copy = NULL;
		owned(buf) struct buf text = {.max = 65536};

		buf_printf(&text, "%s%s}", DOCUMENT_DATACENTERS DOCUMENT_DEVICES, cases[i].groups);
		assert_int_equal(read_text(buf_text(&text), &f, NULL), 0);
		assert_int_equal(f->has_groups, cases[i].has);
		buf_clear(&text);
		assert_int_equal(fleet_write(f, &text, NULL), 0);
		assert_int_equal(read_text(buf_text(&text), &again, NULL), 0);
		assert_int_equal(again->has_groups, cases[i].has);
		assert_int_equal(fleet_copy(f, &copy, NULL), 0);
		assert_int_equal(copy->has_groups, cases[i].has);
	}
}

#define DC "{\"name\":\"f\",\"datacenters\":[{\"name\":\"dc-1\",\"region\":\"r\",\"provider\":\"softhsm\"}],\n"
#define DEVICES(d) DC "\"devices\":[\n" d "]}"
#define DEVICE(d) DEVICES("{\"name\":\"a\",\"datacenter\":\"dc-1\",\n" d "}")
#define PARTITION(p) DEVICE("\"partitions\":[{\"name\":\"p\",\n" p "}]")
#define GROUPS(g) DOCUMENT_DATACENTERS DOCUMENT_DEVICES ",\n\"groups\":[\n" g "]}"
#define GROUP(g) GROUPS("{\"name\":\"g\",\"members\":[{\"device\":\"a\"},{\"device\":\"b\",\"partition\":\"p1\"}],\n" g "}")

static void a_library_runs_in_a_worker_unless_it_says_otherwise(void **state)
{
	static const struct {
		const char *kind;
		unsigned want;
	} cases[] = {{"", FLEET_LINK_WORKER}, {"\"kind\":\"worker\",", FLEET_LINK_WORKER},
		     {"\"kind\":\"module\",", FLEET_LINK_MODULE}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		owned(mem) char *text = mem_printf(PARTITION("\"link\":{%s\"module\":\"/x.so\"}"), cases[i].kind);
		owned(fleet) struct fleet *f = NULL;

		assert_int_equal(read_text(text, &f, NULL), 0);
		assert_int_equal(f->devices[0].partitions[0].link.kind, cases[i].want);
		assert_true(fleet_link_is_local(&f->devices[0].partitions[0].link));
	}
}

static const struct bad {
	const char *text, *message, *hint;
} bad[] = {
	{"{}", "1: the key 'name' is missing", ""},
	{"{\"name\":\"f\"}", "1: the key 'datacenters' is missing", ""},
	{"{\"name\":\"f\",\"datacenters\":[]}", "1: the key 'devices' is missing", ""},
	{"{\"name\":\"F\",\"datacenters\":[],\"devices\":[]}", "1: 'name' must be a name", ""},
	{"{\"schema\":\"hsmctl/plan/v1\",\"name\":\"f\"}", "1: 'schema' must be 'hsmctl/fleet/v1'", ""},
	{"{\"name\":\"f\",\n\"datacentres\":[]}", "2: unknown key 'datacentres'", "did you mean 'datacenters'?"},
	{"{\"name\":\"f\",\"revision\":-1}", "1: 'revision' must be at least 0", ""},
	{"{\"name\":\"f\",\"revision\":9999999999999999999999}", "1: 'revision' must be at least 0", ""},
	{"{\"name\":\"f\",\n\"name\":\"g\"}", "2: the key 'name' stands in line 1 already", ""},
	/* datacenters */
	{"{\"name\":\"f\",\"datacenters\":[\n{\"name\":\"d\",\"region\":\"r\",\n\"provider\":\"azure\"}],\"devices\":[]}",
	 "3: datacenter 'd' names the provider 'azure'; known: softhsm", ""},
	{"{\"name\":\"f\",\"datacenters\":[\n{\"name\":\"d\",\"provider\":\"softhsm\"}],\"devices\":[]}",
	 "2: the key 'region' is missing", ""},
	/* devices */
	{DEVICES("{\"name\":\"a\",\"datacenter\":\"dc-1\"},\n{\"name\":\"a\",\"datacenter\":\"dc-1\"}"),
	 "4: the name 'a' in 'devices' stands in line 3 already", ""},
	{DEVICES("{\"name\":\"a\",\n\"datacenter\":\"dc-2\"}"),
	 "4: device 'a' names the datacenter 'dc-2', which is not in the document", "did you mean 'dc-1'?"},
	{DEVICES("{\"name\":\"a\",\"datacenter\":\"elsewhere\"}"),
	 "3: device 'a' names the datacenter 'elsewhere', which is not in the document", ""},
	{DEVICE("\"module\":\"libsofthsm2.so\""), "4: 'module' of device 'a' must be an absolute path", ""},
	{DEVICE("\"partitions\":[{\"name\":\"p\"},\n{\"name\":\"p\"}]"),
	 "5: the name 'p' in 'partitions' stands in line 4 already", ""},
	{DEVICE("\"pin\":\"1234\""), "4: unknown key 'pin'", ""},
	/* secrets where references belong; their text is in no message */
	{PARTITION("\"pin_source\":\"hunter2secret\""),
	 "5: 'pin_source' of partition 'a/p' is not a reference to a secret",
	 "use file:PATH, env:NAME, exec:PROGRAM or prompt:"},
	{PARTITION("\"pin_source\":\"\""), "5: 'pin_source' of partition 'a/p' is not", NULL},
	{PARTITION("\"pin_source\":\"file:\""), "5: 'pin_source' of partition 'a/p' is not", NULL},
	{PARTITION("\"so_pin_source\":\"12345678\""), "5: 'so_pin_source' of partition 'a/p' is not", NULL},
	{PARTITION("\"pin_source\":1234"), "5: 'pin_source' must be a string", ""},
	{GROUP("\"pin_source\":\"hunter2secret\""), "11: 'pin_source' of group 'g' is not a reference", NULL},
	/* links */
	{PARTITION("\"link\":{\"kind\":\"tsl\"}"), "5: 'kind' must be one of none, tls, module, worker, not 'tsl'",
	 "did you mean 'tls'?"},
	{PARTITION("\"link\":{\"kind\":\"tls\"}"), "5: the link of partition 'a/p' needs an address", ""},
	{PARTITION("\"link\":{\"kind\":\"tls\",\n\"address\":\"host\"}"), "6: the link of partition 'a/p' needs an address", ""},
	{PARTITION("\"link\":{\"kind\":\"tls\",\"address\":\":1\"}"), "5: the link of", ""},
	{PARTITION("\"link\":{\"kind\":\"tls\",\"address\":\"h:0\"}"), "5: the link of", ""},
	{PARTITION("\"link\":{\"kind\":\"tls\",\"address\":\"h:65536\"}"), "5: the link of", ""},
	{PARTITION("\"link\":{\"kind\":\"tls\",\"address\":\"::1:22\"}"), "5: the link of", ""},
	{PARTITION("\"link\":{\"kind\":\"tls\",\"address\":\"[]:22\"}"), "5: the link of", ""},
	{PARTITION("\"link\":{\"kind\":\"tls\",\"address\":\"[::1:22\"}"), "5: the link of", ""},
	{PARTITION("\"link\":{\"kind\":\"tls\",\"address\":\"h:1\",\n\"certificate\":\"abc\"}"),
	 "6: 'certificate' of partition 'a/p' must be 64 hexadecimal digits", ""},
	{PARTITION("\"link\":{\"kind\":\"module\"}"), "5: the link of partition 'a/p' needs a module", ""},
	{PARTITION("\"link\":{\"kind\":\"worker\"}"), "5: the link of partition 'a/p' needs a module", ""},
	{PARTITION("\"link\":{\"module\":\"/x.so\",\n\"environment\":{\"A=B\":\"1\"}}"),
	 "6: the environment of partition 'a/p' names no variable with 'A=B'", ""},
	{PARTITION("\"link\":{\"module\":\"/x.so\",\n\"environment\":{\"\":\"1\"}}"),
	 "6: the environment of partition 'a/p' names no variable with ''", ""},
	{PARTITION("\"link\":{\"kind\":\"module\",\"module\":\"/x.so\",\n\"environment\":{\"A\":\"1\"}}"),
	 "6: the link of partition 'a/p' has an environment; only a worker has one", ""},
	{PARTITION("\"link\":{\"kind\":\"module\",\"module\":\"x.so\"}"),
	 "5: 'module' of partition 'a/p' must be an absolute path", ""},
	/* tokens by their URIs */
	{PARTITION("\"serial\":\"1\",\n\"uri\":\"pkcs11:token=a;serial=2\""),
	 "6: the uri of partition 'a/p' has another serial than its \"serial\", '1'", "leave one of them out"},
	{PARTITION("\"serial\":\"1\",\n\"uri\":\"pkcs11:token=a;object=k\""),
	 "6: the uri of partition 'a/p' names a token, which has no 'object'",
	 "tokens are named by token, serial, manufacturer, model and slot-id"},
	{PARTITION("\"serial\":\"1\",\n\"uri\":\"pkcs11:token=a?module-path=/x.so\""),
	 "6: the uri of partition 'a/p' names a token, which has no 'module-path'",
	 "write the library into its link: \"module\": \"/PATH\""},
	{PARTITION("\"serial\":\"1\",\n\"uri\":\"pkcs11:token=a?pin-source=file:/x\""),
	 "6: the uri of partition 'a/p' names a token, which has no 'pin-source'", "write it into \"pin_source\""},
	{PARTITION("\"serial\":\"1\",\n\"uri\":\"pkcs11:token=a?pin-value=hunter2\""),
	 "6: the uri of partition 'a/p': a PIN does not belong into a URI",
	 "take it out, and write \"pin_source\": \"file:PATH\" beside the uri"},
	{PARTITION("\"serial\":\"1\",\n\"uri\":\"pkcs11:tokn=a\""),
	 "6: the uri of partition 'a/p': unknown attribute 'tokn'", "did you mean 'token'?"},
	{PARTITION("\"serial\":\"1\",\n\"uri\":\"a\""), "6: the uri of partition 'a/p': a URI that does not begin",
	 "pkcs11:token=LABEL;serial=SERIAL is how tokens are named"},
	{PARTITION("\"link\":{\"kind\":\"tls\",\"address\":\"h:1\"},\n\"uri\":\"pkcs11:slot-id=1\""),
	 "6: the uri of partition 'a/p' has a 'slot-id'", "leave it out"},
	/* one token twice */
	{DEVICE("\"partitions\":[{\"name\":\"p\",\"serial\":\"7\"},\n{\"name\":\"q\",\n\"serial\":\"7\"}]"),
	 "6: partition 'a/q' has the serial of partition 'a/p': they are one token", ""},
	/* groups */
	{GROUPS("{\"name\":\"g\"}"), "10: the key 'members' is missing", ""},
	{GROUPS("{\"name\":\"g\",\n\"members\":[]}"), "11: group 'g' has no members", ""},
	{GROUPS("{\"name\":\"cgkpb\",\"members\":[{\"device\":\"a\"}]},\n{\"name\":\"dsarb\",\"members\":[{\"device\":\"b\",\"partition\":\"p1\"}]}"),
	 "11: the groups 'cgkpb' and 'dsarb' would have the same slot: choose another name", ""},
	{GROUPS("{\"name\":\"g\",\"members\":[{\"device\":\"a\"},\n{\"device\":\"c\"}]}"),
	 "11: group 'g' names the device 'c', which is not in the document", ""},
	{GROUPS("{\"name\":\"g\",\"members\":[\n{\"device\":\"b\"}]}"),
	 "11: group 'g' must say which partition of device 'b'", ""},
	{GROUPS("{\"name\":\"g\",\"members\":[{\"device\":\"b\",\n\"partition\":\"p3\"}]}"),
	 "11: group 'g' names the partition 'b/p3', which is not in the document", "did you mean 'p1'?"},
	{GROUPS("{\"name\":\"g\",\"members\":[{\"device\":\"a\"},\n{\"device\":\"a\",\"partition\":\"a\"}]}"),
	 "11: partition 'a/a' serves in group 'g' already", ""},
	{GROUPS("{\"name\":\"g\",\"members\":[{\"device\":\"a\"}]},\n{\"name\":\"h\",\"members\":[\n{\"device\":\"a\"}]}"),
	 "12: partition 'a/a' serves in group 'g' already", ""},
	{GROUPS("{\"name\":\"g\",\"members\":[{\"device\":\"a\"}]},\n{\"name\":\"g\",\"members\":[{\"device\":\"b\",\"partition\":\"p1\"}]}"),
	 "11: the name 'g' in 'groups' stands in line 10 already", ""},
	{GROUPS("{\"name\":\"g\",\"members\":[{\"device\":\"a\",\"role\":\"activ\"}]}"),
	 "10: 'role' must be one of active, standby, not 'activ'", "did you mean 'active'?"},
	{GROUPS("{\"name\":\"g\",\"members\":[{\"device\":\"a\",\n\"transport\":\"00\"}]}"),
	 "11: 'transport' of member 'a' of group 'g' must be 64", ""},
	{GROUP("\"serial\":\"1\""), "11: 'serial' of group 'g' must have 16 characters", ""},
	{GROUP("\"domain\":\"0\""), "11: 'domain' of group 'g' must be hexadecimal", ""},
	{GROUP("\"policy\":{\"min_members\":3}"), "11: group 'g' has 2 members, its policy wants 3", ""},
	{GROUP("\"policy\":{\n\"min_datacenters\":3}"),
	 "12: the members of group 'g' are in 2 datacenters, its policy wants 3", ""},
	{GROUP("\"policy\":{\"connections\":3}"),
	 "11: the policy of group 'g' lets an application have 3 connections to a member, it needs 4", ""},
	{GROUP("\"policy\":{\"routing\":\"own\"}"), "11: 'routing' must be one of own-datacenter, least-work, not 'own'",
	 ""},
	{GROUP("\"policy\":{\"min_members\":-1}"), "11: 'min_members' must be from 0 to 1000", ""},
	{GROUP("\"policy\":{\"call_ms\":3600001}"), "11: 'call_ms' must be from 0 to 3600000", ""},
};

static void bad_documents_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct fleet *f = NULL;
		struct err err;

		assert_int_equal(read_text(bad[i].text, &f, &err), -ERR_INVALID);
		assert_null(f);
		if (!str_starts(err.message, "fleet.json:") || !str_starts(err.message + 11, bad[i].message))
			fail_msg("%s: '%s', expected '%s'", bad[i].text, err.message, bad[i].message);
		if (bad[i].hint)
			assert_string_equal(err.hint, bad[i].hint);
		assert_null(strstr(err.message, "hunter2"));
		assert_null(strstr(err.hint, "hunter2"));
	}
}

static void every_truncation_is_refused(void **state)
{
	(void)state;
	for (size_t len = 0; len < strlen(document) - 1; len++) {
		owned(mem) char *part = mem_dup(document, len);
		struct fleet *f = NULL;

		assert_int_equal(fleet_read(part, len, "f", JSON_COMMENTS, &f, NULL), -ERR_INVALID);
	}
}

static void files_are_read(void **state)
{
	owned(fleet) struct fleet *f = NULL, *none = NULL;
	owned(mem) char *path = file_join(*state, "f.json");
	struct err err;

	assert_int_equal(fleet_read_file(path, 0, &f, &err), -ERR_NOT_FOUND);
	assert_int_equal(file_write(path, "", 0, 0600, NULL), 0);
	assert_int_equal(fleet_read_file(path, 0, &f, &err), -ERR_INVALID);
	assert_int_equal(file_write(path, document, strlen(document), 0600, NULL), 0);
	assert_int_equal(fleet_read_file(path, 0, &f, &err), 0);
	assert_string_equal(f->name, "f");
	assert_int_equal(file_write(path, "{} //", 5, 0600, NULL), 0);
	assert_int_equal(fleet_read_file(path, 0, &none, &err), -ERR_INVALID);
	assert_non_null(strstr(err.message, path));
	assert_non_null(strstr(err.message, ":1: comments are not allowed here"));
}

static void the_example_is_good(void **state)
{
	owned(fleet) struct fleet *f = NULL;
	const char *root = getenv("ROOT");
	owned(mem) char *path = mem_printf("%s/examples/two-regions.json", root ? root : "../../..");
	struct err err;

	(void)state;
	if (!file_exists(path)) {
		free(path);
		path = mem_strdup("examples/two-regions.json");
	}
	if (fleet_read_file(path, JSON_COMMENTS, &f, &err) < 0)
		fail_msg("%s", err.message);
	assert_string_equal(f->name, "two-regions");
	assert_int_equal(f->n_datacenters, 4);
	assert_int_equal(f->n_devices, 4);
	assert_false(f->has_groups);
	assert_string_equal(fleet_device(f, "hsm-west-2")->datacenter, "west-2");
	assert_string_equal(fleet_datacenter(f, "west-2")->region, "west");
	assert_string_equal(fleet_device(f, "hsm-west-2")->partitions[0].name, "hsm-west-2");
}

static int read_copy_write(void)
{
	owned(fleet) struct fleet *f = NULL, *copy = NULL;
	owned(buf) struct buf text = {.max = 65536};
	struct err err;
	int rc = read_text(document, &f, &err);

	if (rc == 0)
		rc = fleet_copy(f, &copy, &err);
	return rc < 0 ? rc : fleet_write(copy, &text, &err);
}

static void no_memory_is_survived(void **state)
{
	(void)state;
	assert_survives_no_memory(read_copy_write());
}

static void strings_are_set(void **state)
{
	char *field = NULL;

	(void)state;
	assert_int_equal(fleet_set(&field, "one", NULL), 0);
	assert_int_equal(fleet_set(&field, field + 1, NULL), 0);
	assert_string_equal(field, "ne");
	mem_fail_after = 1;
	assert_int_equal(fleet_set(&field, "two", NULL), -ERR_NO_MEMORY);
	assert_string_equal(field, "ne");
	assert_int_equal(fleet_set(&field, NULL, NULL), 0);
	assert_null(field);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_is_read),
		cmocka_unit_test(defaults_are_put_in),
		cmocka_unit_test(a_library_runs_in_a_worker_unless_it_says_otherwise),
		cmocka_unit_test(documents_survive_a_round_trip),
		cmocka_unit_test(absent_groups_stay_absent),
		cmocka_unit_test(bad_documents_are_refused),
		cmocka_unit_test(every_truncation_is_refused),
		temp_test(files_are_read),
		cmocka_unit_test(the_example_is_good),
		cmocka_unit_test(no_memory_is_survived),
		cmocka_unit_test(strings_are_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
