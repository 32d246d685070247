/* SPDX-License-Identifier: Apache-2.0 */
#include "identity.h"

#include <sys/stat.h>

#define RESOURCE "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/standin"

/* A variable with a path of the stand-in, or with any other value. */
static void set_place(const char *name, const char *value)
{
	owned(mem) char *url = mem_printf("%s%s", standin_url, value);

	setenv(name, *value == '/' ? url : value, 1);
}

static void on(const char *const *variables)
{
	static const char *const all[] = {"IDENTITY_ENDPOINT", "IDENTITY_HEADER", "IMDS_ENDPOINT", "MSI_ENDPOINT",
					  "MSI_SECRET", "AZURE_POD_IDENTITY_AUTHORITY_HOST", NULL};

	for (int i = 0; all[i]; i++)
		unsetenv(all[i]);
	for (int i = 0; variables[i]; i += 2)
		set_place(variables[i], variables[i + 1]);
}

static const char *const app_service[] = {"IDENTITY_ENDPOINT", "/appservice/token", "IDENTITY_HEADER", "standin-header",
					  NULL};
static const char *const app_service_2017[] = {"MSI_ENDPOINT", "/appservice/token", "MSI_SECRET", "standin-msi", NULL};
static const char *const cloud_shell[] = {"MSI_ENDPOINT", "/cloudshell/token", NULL};
static const char *const arc[] = {"IDENTITY_ENDPOINT", "/arc/token", "IMDS_ENDPOINT", "http://localhost:40342", NULL};
static const char *const imds[] = {"AZURE_POD_IDENTITY_AUTHORITY_HOST", "/", NULL};

static void each_host_gives_its_identity(void **state)
{
	static const struct {
		const char *const *variables;
		const char *client;	/* chosen identity */
		const char *way, *about;
	} cases[] = {
		{app_service, NULL, "app-service", "managed identity of App Service"},
		{app_service, MANAGED, "app-service", "managed identity " MANAGED " of App Service"},
		{app_service, RESOURCE, "app-service", NULL},
		{app_service_2017, NULL, "app-service-2017", "managed identity of App Service"},
		{app_service_2017, MANAGED, "app-service-2017", NULL},
		{cloud_shell, NULL, "cloud-shell", "managed identity of Cloud Shell"},
		{imds, NULL, "imds", "managed identity of this virtual machine"},
		{imds, MANAGED, "imds", NULL},
		{imds, RESOURCE, "imds", NULL},
	};
	struct identity *t = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		owned(azure_credential) struct azure_credential *c = NULL;
		struct azure_access given = {.client = cases[i].client};
		owned(secret) struct secret *first = NULL, *second = NULL;

		on(cases[i].variables);
		c = found(t, &given);
		assert_null(azure_credential_tenant(c));
		if (cases[i].about)
			assert_string_equal(azure_credential_about(c), cases[i].about);
		first = token_of(t, c);
		/* How long it lasts was understood, too. */
		second = token_of(t, c);
		assert_true(secret_equal(first, second));
		assert_asked(t, i + 1, cases[i].way);
	}
}

static void a_date_of_2017(void **state)
{
	static const struct {
		const char *config;
		bool kept;
	} cases[] = {
		{"{\"legacy_dates\": true}", true}, {"{\"legacy_dates\": true, \"token_says\": 100}", false},
	};
	struct identity *t = *state;

	on(app_service_2017);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		owned(azure_credential) struct azure_credential *c = found(t, NULL);
		owned(secret) struct secret *first = NULL, *second = NULL;

		configure(t, cases[i].config);
		first = token_of(t, c);
		second = token_of(t, c);
		assert_int_equal(secret_equal(first, second), cases[i].kept);
	}
}

static void an_identity_that_is_not_there(void **state)
{
	struct identity *t = *state;
	owned(azure_credential) struct azure_credential *c = NULL;
	struct azure_access given = {.client = "00000000-0000-4000-8000-0000000000ff"};
	struct err err = {0};

	on(imds);
	c = found(t, &given);
	gives_none(c, ERR_DENIED, &err);
	assert_says(err.message, "the managed identity gave no token: Identity not found (400)");
}

static void hosts_with_one_identity_let_nobody_choose(void **state)
{
	struct identity *t = *state;
	struct azure_access given = {.client = MANAGED};
	owned(azure_credential) struct azure_credential *c = NULL;
	struct err err = {0};

	on(cloud_shell);
	not_found(t, &given, ERR_UNSUPPORTED, &err);
	on(arc);
	not_found(t, &given, ERR_UNSUPPORTED, &err);
	/* The environment's client may be meant for something else. */
	on(cloud_shell);
	setenv("AZURE_CLIENT_ID", CLIENT, 1);
	c = found(t, NULL);
	gives_token(t, c);
	on(app_service);
	setenv("IDENTITY_SERVER_THUMBPRINT", "1234", 1);
	not_found(t, NULL, ERR_UNSUPPORTED, &err);
	assert_says(err.message, "Service Fabric");
}

static void a_service_that_is_not_ready_is_waited_for(void **state)
{
	struct identity *t = *state;
	owned(azure_credential) struct azure_credential *c = NULL;
	struct err err = {0};

	on(imds);
	configure(t, "{\"imds_first\": [404, 410, 429, 500, 503, 404]}");
	c = found(t, NULL);
	gives_token(t, c);
	azure_credential_free(own_take(c));
	configure(t, "{\"imds_first\": [404, 404, 404, 404, 404, 404, 404, 404, 404, 404, 404, 404, 404, 404]}");
	json_tree_free(standin(t, "reset", "{}"));
	c = found(t, NULL);
	gives_none(c, ERR_DENIED, &err);
	/* The probe is not counted: it carries no header. */
	assert_int_equal(asked_for(t, "/metadata/identity/oauth2/token?"), 5);
}

/* Nobody at the address, or the metadata service of another cloud. */
static void a_host_that_is_not_azures(void **state)
{
	static const char *const nobody[] = {"AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:1", NULL};
	static const char *const another[] = {"AZURE_POD_IDENTITY_AUTHORITY_HOST", "/another", NULL};
	struct identity *t = *state;
	struct azure_access asked = {.source = AZURE_MANAGED_IDENTITY};
	owned(azure_credential) struct azure_credential *c = NULL;
	struct err err = {0};

	on(nobody);
	not_found(t, NULL, ERR_DENIED, &err);
	on(another);
	not_found(t, NULL, ERR_DENIED, &err);
	on(nobody);
	c = found(t, &asked);
	gives_none(c, ERR_UNREACHABLE, &err);
	assert_int_equal(err.retry, ERR_RETRY_SAFE);
	assert_says(err.message, "cannot reach the managed identity");
}

static void an_identity_endpoint_elsewhere_is_not_asked(void **state)
{
	static const char *const elsewhere[] = {"IDENTITY_ENDPOINT", "http://identity.example.org/token",
						"IDENTITY_HEADER", "standin-header", NULL};
	struct identity *t = *state;
	owned(azure_credential) struct azure_credential *c = NULL;
	struct err err = {0};

	on(elsewhere);
	c = found(t, NULL);
	gives_none(c, ERR_DENIED, &err);
}

static void a_wrong_header_is_refused(void **state)
{
	static const char *const wrong[] = {"IDENTITY_ENDPOINT", "/appservice/token", "IDENTITY_HEADER", "other", NULL};
	struct identity *t = *state;
	owned(azure_credential) struct azure_credential *c = NULL;
	struct err err = {0};

	on(wrong);
	c = found(t, NULL);
	gives_none(c, ERR_DENIED, &err);
	assert_says(err.message, "The identity header is wrong");
}

/* ---- Azure Arc ---- */

static void name_key(struct identity *t, const char *path)
{
	owned(mem) char *json = mem_printf("{\"arc_key_file\": \"%s\"}", path);

	configure(t, json);
}

static void put_key(const char *path, size_t len)
{
	char text[8192] = "arc-key-content";

	memset(text + strlen(text), 'k', sizeof(text) - strlen(text));
	assert_int_equal(file_write(path, text, len, 0600, NULL), 0);
}

static void arc_lets_in_who_can_read_its_key(void **state)
{
	struct identity *t = *state;
	owned(azure_credential) struct azure_credential *c = NULL;
	struct err err = {0};

	on(arc);
	setenv("HSMCTL_ARC_TOKENS", t->folder, 1);
	put_key(in(t->folder, "a.key"), 4096);
	name_key(t, in(t->folder, "a.key"));
	c = found(t, NULL);
	assert_string_equal(azure_credential_about(c), "managed identity of Azure Arc");
	gives_token(t, c);
	assert_asked(t, 1, "arc");
	azure_credential_free(own_take(c));
	/* Without a stand-in the agent's own folder is the only one. */
	t->cloud.loopback = false;
	c = found(t, NULL);
	gives_none(c, ERR_DENIED, &err);
	assert_says(err.message, "outside of '/var/opt/azcmagent/tokens'");
}

static void arc_gets_no_other_file(void **state)
{
	static const struct {
		const char *name;
		enum err_code code;
	} cases[] = {
		{"log", ERR_DENIED}, {".key", ERR_DENIED}, {"a.key.txt", ERR_DENIED}, {"a.KEY", ERR_DENIED},
		{"below/a.key", ERR_DENIED}, {"../a.key", ERR_DENIED}, {"large.key", ERR_DENIED},
		{"empty.key", ERR_DENIED}, {"folder.key", ERR_DENIED}, {"pipe.key", ERR_DENIED}, {"link.key", ERR_IO},
		{"none.key", ERR_IO}, {"lines.key", ERR_INVALID}, {"", ERR_DENIED},
	};
	struct identity *t = *state;
	owned(azure_credential) struct azure_credential *c = NULL;
	struct err err = {0};

	on(arc);
	setenv("HSMCTL_ARC_TOKENS", t->folder, 1);
	assert_int_equal(file_mkdirs(in(t->folder, "below"), 0700, NULL), 0);
	assert_int_equal(file_mkdirs(in(t->folder, "folder.key"), 0700, NULL), 0);
	assert_int_equal(mkfifo(in(t->folder, "pipe.key"), 0600), 0);
	assert_int_equal(symlink("good.key", in(t->folder, "link.key")), 0);
	put_key(in(t->folder, "good.key"), 40);
	put_key(in(t->folder, ".key"), 40);
	put_key(in(t->folder, "a.KEY"), 40);
	put_key(in(t->folder, "below/a.key"), 40);
	put_key(in(t->folder, "large.key"), 4097);
	put_key(in(t->folder, "empty.key"), 0);
	file_write(in(t->folder, "lines.key"), "a\r\nX-Header: b", 14, 0600, NULL);
	c = found(t, NULL);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		name_key(t, in(t->folder, cases[i].name));
		gives_none(c, cases[i].code, &err);
	}
	name_key(t, "/etc/a.key");
	gives_none(c, ERR_DENIED, &err);
	/* Only questions, no answer. */
	owned(json_tree) struct json_tree *log = standin(t, "log", NULL);

	for (size_t i = 0; i < json_tree_count(log); i++)
		assert_int_equal(json_tree_int(json_tree_at(log, i), "status", 0), 401);
}

static void memory_runs_out(void **state)
{
	static const char *const *const hosts[] = {app_service, cloud_shell, arc, NULL};
	struct identity *t = *state;

	setenv("HSMCTL_ARC_TOKENS", t->folder, 1);
	put_key(in(t->folder, "a.key"), 40);
	name_key(t, in(t->folder, "a.key"));
	configure(t, "{\"token_says\": 1}");
	for (int i = 0; hosts[i]; i++) {
		owned(azure_credential) struct azure_credential *c = NULL;

		on(hosts[i]);
		assert_survives_no_memory(find_once(t, &nothing));
		c = found(t, NULL);
		assert_survives_no_memory(token_once(c));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		identity_test(each_host_gives_its_identity),
		identity_test(a_date_of_2017),
		identity_test(an_identity_that_is_not_there),
		identity_test(hosts_with_one_identity_let_nobody_choose),
		identity_test(a_service_that_is_not_ready_is_waited_for),
		identity_test(a_host_that_is_not_azures),
		identity_test(an_identity_endpoint_elsewhere_is_not_asked),
		identity_test(a_wrong_header_is_refused),
		identity_test(arc_lets_in_who_can_read_its_key),
		identity_test(arc_gets_no_other_file),
		identity_test(memory_runs_out),
	};

	return cmocka_run_group_tests(tests, identity_start, identity_stop);
}
