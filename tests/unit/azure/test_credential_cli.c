/* SPDX-License-Identifier: Apache-2.0 */
#include "identity.h"

#include <time.h>

/* A program named az, first in PATH: writes down its arguments, then does as the script says. */
static void put_az(struct identity *t, const char *script)
{
	owned(mem) char *text = mem_printf("#!/bin/sh\nprintf '%%s\\n' \"$*\" >>%s/arguments\n%s\n", t->folder, script);
	owned(mem) char *path = mem_printf("%s:/usr/bin:/bin", t->folder);

	assert_int_equal(file_write(in(t->folder, "az"), text, strlen(text), 0700, NULL), 0);
	setenv("PATH", path, 1);
}

static void log_in(struct identity *t)
{
	/* As az writes it, with a byte order mark. */
	static const char profile[] = "\xef\xbb\xbf{\"installationId\": \"x\", \"subscriptions\": [{\"id\": \"s\"}]}";

	file_write(in(t->folder, "azureProfile.json"), profile, strlen(profile), 0600, NULL);
}

/* A token that the stand-in would take cannot be made here: any text will do. */
static void prints_token(struct identity *t, const char *ends)
{
	owned(mem) char *script = mem_printf("echo '{\"accessToken\": \"eyJ.'$$'\", %s \"tenant\": \"t\","
					     " \"tokenType\": \"Bearer\"}'", ends);

	put_az(t, script);
}

static void assert_arguments(struct identity *t, const char *expected)
{
	owned(buf) struct buf text = {.max = 10000};

	assert_int_equal(file_read(in(t->folder, "arguments"), &text, NULL), 0);
	assert_string_equal(buf_text(&text), expected);
	assert_int_equal(unlink(in(t->folder, "arguments")), 0);
}

#define ASKS "account get-access-token --output json --scope https://management.azure.com/.default"

static struct secret *ask(struct azure_credential *c)
{
	struct secret *token = NULL;
	struct err err = {0};

	if (azure_credential_token(c, NULL, &token, &err) < 0)
		fail_msg("%s", err.message);
	return token;
}

static void az_is_asked_with_an_argument_vector(void **state)
{
	static const struct {
		const char *tenant, *subscription, *arguments;
	} cases[] = {
		{NULL, NULL, ASKS "\n"},
		{"contoso.example", NULL, ASKS " --tenant contoso.example\n"},
		{NULL, "Pay as you go (1)", ASKS " --subscription Pay as you go (1)\n"},
		{"t", "s", ASKS " --tenant t\n"},
	};
	struct identity *t = *state;

	prints_token(t, "");
	setenv("AZURE_TENANT_ID", "of-another-source", 1);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct azure_access given = {.source = AZURE_CLI, .tenant = cases[i].tenant,
					     .subscription = cases[i].subscription};
		owned(azure_credential) struct azure_credential *c = found(t, &given);
		owned(secret) struct secret *token = ask(c);

		assert_int_equal(strncmp((const char *)token->data, "eyJ.", 4), 0);
		assert_string_equal(azure_credential_about(c), "account of az");
		assert_arguments(t, cases[i].arguments);
	}
}

static void arguments_that_are_none(void **state)
{
	static const char *const bad[] = {"-x", "--debug", "a;b", "a$(b)", "a\nb", "a'b", "a/b", NULL};
	struct identity *t = *state;

	prints_token(t, "");
	for (int i = 0; bad[i]; i++) {
		struct azure_access tenant = {.source = AZURE_CLI, .tenant = bad[i]};
		struct azure_access subscription = {.source = AZURE_CLI, .subscription = bad[i]};
		struct err err = {0};

		not_found(t, &tenant, ERR_INVALID, &err);
		assert_says(err.message, "is no tenant");
		not_found(t, &subscription, ERR_INVALID, &err);
		assert_says(err.message, "is no subscription");
	}
	assert_false(file_exists(in(t->folder, "arguments")));
}

/* Without being asked for it, only where somebody has logged in. */
static void who_has_logged_in_is_found(void **state)
{
	static const char *const empty[] = {"", "x", "{}", "{\"subscriptions\": []}", "{\"subscriptions\": 1}", NULL};
	struct identity *t = *state;
	owned(azure_credential) struct azure_credential *c = NULL;
	struct err err = {0};

	prints_token(t, "");
	not_found(t, NULL, ERR_DENIED, &err);
	for (int i = 0; empty[i]; i++) {
		file_write(in(t->folder, "azureProfile.json"), empty[i], strlen(empty[i]), 0600, NULL);
		not_found(t, NULL, ERR_DENIED, &err);
	}
	log_in(t);
	c = found(t, NULL);
	assert_string_equal(azure_credential_about(c), "account of az");
	azure_credential_free(own_take(c));
	/* Without AZURE_CONFIG_DIR it is below the home. */
	owned(mem) char *home = mem_strdup(getenv("HOME") ? getenv("HOME") : "/");

	unsetenv("AZURE_CONFIG_DIR");
	setenv("HOME", t->folder, 1);
	not_found(t, NULL, ERR_DENIED, &err);
	file_mkdirs(in(t->folder, ".azure"), 0700, NULL);
	assert_int_equal(rename(in(t->folder, "azureProfile.json"), in(t->folder, ".azure/azureProfile.json")), 0);
	c = found(t, NULL);
	setenv("HOME", home, 1);
	/* A managed identity was asked for. */
	setenv("ARM_USE_MSI", "true", 1);
	azure_credential_free(own_take(c));
	c = found(t, NULL);
	assert_says(azure_credential_about(c), "managed identity");
}

static void no_az_at_all(void **state)
{
	struct identity *t = *state;
	struct azure_access given = {.source = AZURE_CLI};
	owned(mem) char *path = mem_strdup(getenv("PATH"));
	struct err err = {0};

	log_in(t);
	setenv("PATH", t->folder, 1);
	not_found(t, NULL, ERR_DENIED, &err);
	not_found(t, &given, ERR_MISSING, &err);
	assert_says(err.message, "no program 'az'");
	setenv("PATH", path, 1);
}

static void the_end_of_a_token_is_understood(void **state)
{
	struct identity *t = *state;
	struct azure_access given = {.source = AZURE_CLI};
	int64_t now = clock_utc_ms() / 1000;

	for (int i = 0; i < 6; i++) {
		/* Epoch, epoch as text, local time; each with an hour and with two minutes left. */
		time_t end = (time_t)(now + (i & 1 ? 120 : 3600));
		owned(azure_credential) struct azure_credential *c = NULL;
		owned(secret) struct secret *first = NULL, *second = NULL;
		owned(mem) char *ends = NULL;
		char date[40];
		struct tm tm;

		strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S.000000", localtime_r(&end, &tm));
		if (i / 2 == 0)
			ends = mem_printf("\"expires_on\": %lld,", (long long)end);
		else if (i / 2 == 1)
			ends = mem_printf("\"expires_on\": \"%lld\", \"expiresOn\": \"x\",", (long long)end);
		else
			ends = mem_printf("\"expiresOn\": \"%s\",", date);
		prints_token(t, ends);
		c = found(t, &given);
		first = ask(c);
		second = ask(c);
		assert_int_equal(secret_equal(first, second), !(i & 1));
	}
}

static void what_az_says_is_told(void **state)
{
	static const struct {
		const char *script;
		enum err_code code;
		const char *says, *hint;
	} cases[] = {
		{"echo \"ERROR: Please run 'az login' to setup account.\" >&2; exit 1", ERR_DENIED,
		 "az is not logged in", "az login --tenant t"},
		{"echo 'ERROR: AADSTS70043: The refresh token has expired.' >&2;"
		 " echo 'Interactive authentication is needed. Please run:' >&2; echo 'az login --scope x' >&2; exit 1",
		 ERR_DENIED, "az is not logged in", "az login"},
		{"echo 'ERROR: AADSTS50076: MFA is needed.' >&2; exit 1", ERR_DENIED,
		 "az ended with status 1: AADSTS50076", ""},
		{"printf 'ERROR: first\\nsecond\\n' >&2; exit 3", ERR_FAILED, "az ended with status 3: first", ""},
		{"exit 2", ERR_FAILED, "az ended with status 2", ""},
		{"kill -9 $$", ERR_FAILED, "az", ""},
		{"echo not json", ERR_PROTOCOL, "az", ""},
		{"true", ERR_PROTOCOL, "az answered without a token", ""},
		{"echo '{\"accessToken\": \"\"}'", ERR_PROTOCOL, "az answered without a token", ""},
		{"echo '{\"accessToken\": 1}'", ERR_PROTOCOL, "az", ""},
		{"echo '{\"accessToken\": \"eyJ\\\\n\"}'", ERR_PROTOCOL, "az", ""},
		{"echo '{\"a\": {\"accessToken\": \"eyJ\"}}'", ERR_PROTOCOL, "az", ""},
	};
	struct identity *t = *state;
	struct azure_access given = {.source = AZURE_CLI, .tenant = "t"};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		owned(azure_credential) struct azure_credential *c = NULL;
		struct err err = {0};

		put_az(t, cases[i].script);
		c = found(t, &given);
		gives_none(c, cases[i].code, &err);
		assert_says(err.message, cases[i].says);
		assert_says(err.hint, cases[i].hint);
		assert_null(strstr(err.message, "second"));
	}
}

static void memory_runs_out(void **state)
{
	struct identity *t = *state;
	struct azure_access given = {.source = AZURE_CLI, .tenant = "t"};
	owned(azure_credential) struct azure_credential *c = NULL;

	prints_token(t, "");
	assert_survives_no_memory(find_once(t, &given));
	c = found(t, &given);
	assert_survives_no_memory(token_once(c));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		identity_test(az_is_asked_with_an_argument_vector),
		identity_test(arguments_that_are_none),
		identity_test(who_has_logged_in_is_found),
		identity_test(no_az_at_all),
		identity_test(the_end_of_a_token_is_understood),
		identity_test(what_az_says_is_told),
		identity_test(memory_runs_out),
	};

	return cmocka_run_group_tests(tests, identity_start, identity_stop);
}
