/* SPDX-License-Identifier: Apache-2.0 */
#include "../base/temp.h"

#include "azure/cloud.h"
#include "fleet/fleet.h"

static const char *const variables[] = {"AZURE_AUTHORITY_HOST", "HSMCTL_ARM_ENDPOINT", "ARM_ENVIRONMENT", "AZURE_CLOUD",
					"HSMCTL_INSECURE_LOOPBACK", "HSMCTL_PAUSE_SCALE", NULL};

static int clean(void **state)
{
	(void)state;
	for (int i = 0; variables[i]; i++)
		unsetenv(variables[i]);
	return 0;
}

static void each_cloud_has_its_places(void **state)
{
	static const struct {
		enum fleet_azure_cloud name;
		const char *authority, *arm;
	} cases[] = {
		{FLEET_AZURE_PUBLIC, "https://login.microsoftonline.com", "https://management.azure.com"},
		{FLEET_AZURE_USGOV, "https://login.microsoftonline.us", "https://management.usgovcloudapi.net"},
		{FLEET_AZURE_CHINA, "https://login.chinacloudapi.cn", "https://management.chinacloudapi.cn"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		owned(azure_cloud) struct azure_cloud cloud = {0};

		assert_int_equal(azure_cloud_init((int)cases[i].name, &cloud, NULL), 0);
		assert_string_equal(cloud.authority, cases[i].authority);
		assert_string_equal(cloud.arm, cases[i].arm);
		assert_string_equal(cloud.audience, cases[i].arm);
		assert_false(cloud.loopback);
		assert_true(cloud.pause_scale == 1);
	}
	assert_int_equal(azure_cloud_init(3, &(struct azure_cloud){0}, NULL), -ERR_INVALID);
}

static void the_environment_names_the_cloud(void **state)
{
	static const struct {
		const char *variable, *value, *authority;	/* NULL: refused */
	} cases[] = {
		{"ARM_ENVIRONMENT", "public", "https://login.microsoftonline.com"},
		{"ARM_ENVIRONMENT", "usgovernment", "https://login.microsoftonline.us"},
		{"ARM_ENVIRONMENT", "china", "https://login.chinacloudapi.cn"},
		{"ARM_ENVIRONMENT", "", "https://login.microsoftonline.com"},
		{"AZURE_CLOUD", "AzureCloud", "https://login.microsoftonline.com"},
		{"AZURE_CLOUD", "AzureUSGovernment", "https://login.microsoftonline.us"},
		{"AZURE_CLOUD", "AzureChinaCloud", "https://login.chinacloudapi.cn"},
		{"ARM_ENVIRONMENT", "german", NULL},
		{"AZURE_CLOUD", "azurecloud", NULL},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		owned(azure_cloud) struct azure_cloud cloud = {0}, named = {0};
		struct err err = {0};
		int rc;

		clean(state);
		setenv(cases[i].variable, cases[i].value, 1);
		rc = azure_cloud_init(-1, &cloud, &err);
		assert_int_equal(rc, cases[i].authority ? 0 : -ERR_INVALID);
		if (cases[i].authority)
			assert_string_equal(cloud.authority, cases[i].authority);
		else
			assert_non_null(strstr(err.message, cases[i].variable));
		/* A document that names one is not asked. */
		assert_int_equal(azure_cloud_init(FLEET_AZURE_CHINA, &named, NULL), 0);
		assert_string_equal(named.authority, "https://login.chinacloudapi.cn");
	}
}

static void other_endpoints(void **state)
{
	static const struct {
		const char *value, *loopback;	/* HSMCTL_INSECURE_LOOPBACK */
		int code;
		const char *becomes;
	} cases[] = {
		{"https://login.example.org", NULL, 0, "https://login.example.org"},
		{"https://login.example.org///", NULL, 0, "https://login.example.org"},
		{"https://login.example.org:444/adfs/", NULL, 0, "https://login.example.org:444/adfs"},
		{"login.example.org/", NULL, 0, "https://login.example.org"},
		{"https://127.0.0.1:1", NULL, 0, "https://127.0.0.1:1"},
		{"http://127.0.0.1:1/", "1", 0, "http://127.0.0.1:1"},
		{"http://localhost:1", "1", 0, "http://localhost:1"},
		{"http://[::1]:1", "1", 0, "http://[::1]:1"},
		{"http://127.0.0.1:1", NULL, ERR_DENIED, NULL},
		{"http://127.0.0.1:1", "0", ERR_DENIED, NULL},
		{"http://127.0.0.1:1", "true", ERR_DENIED, NULL},
		{"http://login.example.org", "1", ERR_DENIED, NULL},
		{"http://127.0.0.1.example.org", "1", ERR_DENIED, NULL},
		{"http://169.254.169.254", "1", ERR_DENIED, NULL},
		{"ftp://127.0.0.1", "1", ERR_DENIED, NULL},
		{"https://user@login.example.org", NULL, ERR_INVALID, NULL},
		{"https://login.example.org?x=y", NULL, ERR_INVALID, NULL},
		{"https://", NULL, ERR_INVALID, NULL},
		{"https://a b", NULL, ERR_INVALID, NULL},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (int v = 0; v < 2; v++) {
			owned(azure_cloud) struct azure_cloud cloud = {0};
			struct err err = {0};
			int rc;

			clean(state);
			setenv(variables[v], cases[i].value, 1);
			if (cases[i].loopback)
				setenv("HSMCTL_INSECURE_LOOPBACK", cases[i].loopback, 1);
			rc = azure_cloud_init(FLEET_AZURE_USGOV, &cloud, &err);
			if (rc != -cases[i].code)
				fail_msg("'%s': %d %s", cases[i].value, rc, err.message);
			if (rc < 0)
				assert_non_null(strstr(err.message, variables[v]));
			else
				assert_string_equal(v == 0 ? cloud.authority : cloud.arm, cases[i].becomes);
			if (rc == 0)
				assert_string_equal(cloud.audience, "https://management.usgovcloudapi.net");
		}
	}
}

static void pauses_are_scaled_for_stand_ins_only(void **state)
{
	static const struct {
		const char *scale, *loopback;
		double becomes;	/* 0: refused */
	} cases[] = {
		{"0.001", "1", 0.001}, {"2", "1", 2}, {"0.001", "0", 1}, {"x", "0", 1},
		{"0", "1", 0}, {"-1", "1", 0}, {"x", "1", 0}, {"1x", "1", 0}, {"nan", "1", 0}, {"inf", "1", 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		owned(azure_cloud) struct azure_cloud cloud = {0};
		int rc;

		clean(state);
		setenv("HSMCTL_PAUSE_SCALE", cases[i].scale, 1);
		setenv("HSMCTL_INSECURE_LOOPBACK", cases[i].loopback, 1);
		rc = azure_cloud_init(-1, &cloud, NULL);
		assert_int_equal(rc, cases[i].becomes > 0 ? 0 : -ERR_INVALID);
		if (rc == 0)
			assert_true(cloud.pause_scale == cases[i].becomes);
	}
}

static int once(void)
{
	owned(azure_cloud) struct azure_cloud cloud = {0};

	return azure_cloud_init(-1, &cloud, NULL);
}

static void memory_runs_out(void **state)
{
	(void)state;
	setenv("AZURE_AUTHORITY_HOST", "https://a.example", 1);
	assert_survives_no_memory(once());
}

#define clean_test(function) cmocka_unit_test_setup(function, clean)

int main(void)
{
	const struct CMUnitTest tests[] = {
		clean_test(each_cloud_has_its_places),
		clean_test(the_environment_names_the_cloud),
		clean_test(other_endpoints),
		clean_test(pauses_are_scaled_for_stand_ins_only),
		clean_test(memory_runs_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
