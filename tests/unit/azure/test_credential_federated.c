/* SPDX-License-Identifier: Apache-2.0 */
#include "identity.h"

static void put_statement(struct identity *t, const char *path, const char *json)
{
	owned(mem) char *text = statement(t, json);

	assert_int_equal(file_write(path, text, strlen(text), 0644, NULL), 0);
}

/* ---- workload identity ---- */

static void a_file_becomes_a_token(void **state)
{
	static const char *const variables[] = {"AZURE_FEDERATED_TOKEN_FILE", "ARM_OIDC_TOKEN_FILE_PATH", NULL};
	struct identity *t = *state;

	set_ids();
	put_statement(t, in(t->folder, "token"), "{}");
	for (int i = 0; variables[i]; i++) {
		owned(azure_credential) struct azure_credential *c = NULL;

		setenv(variables[i], in(t->folder, "token"), 1);
		c = found(t, NULL);
		assert_says(azure_credential_about(c), "federated token (/");
		gives_token(t, c);
		assert_asked(t, (size_t)i + 1, "workload-identity");
		unsetenv(variables[i]);
	}
	struct azure_access given = {.token_file = in(t->folder, "token")};
	owned(azure_credential) struct azure_credential *c = found(t, &given);

	gives_token(t, c);
}

static void a_statement_in_the_environment(void **state)
{
	struct identity *t = *state;
	owned(azure_credential) struct azure_credential *c = NULL;
	owned(mem) char *text = statement(t, "{}");

	set_ids();
	setenv("ARM_OIDC_TOKEN", text, 1);
	c = found(t, NULL);
	assert_says(azure_credential_about(c), "federated token (ARM_OIDC_TOKEN)");
	gives_token(t, c);
}

/* Another subject in the file, and only that one is registered any more. */
static void a_file_that_is_replaced_is_read_anew(void **state)
{
	struct identity *t = *state;
	owned(azure_credential) struct azure_credential *c = NULL;
	const char *path = in(t->folder, "token");
	struct err err = {0};

	set_ids();
	setenv("AZURE_FEDERATED_TOKEN_FILE", path, 1);
	put_statement(t, path, "{\"subject\": \"first\"}");
	configure(t, "{\"token_says\": 1,"
		     " \"clients\": {\"" CLIENT "\": {\"federated\": [{\"subject\": \"first\"}]}}}");
	c = found(t, NULL);
	gives_token(t, c);
	configure(t, "{\"clients\": {\"" CLIENT "\": {\"federated\": [{\"subject\": \"second\"}]}}}");
	put_statement(t, path, "{\"subject\": \"second\"}");
	gives_token(t, c);
	put_statement(t, path, "{\"subject\": \"Second\"}");
	/* The last token may still be good for a moment. */
	struct secret *last = token_of(t, c), *none = NULL;

	assert_int_equal(azure_credential_token(c, last, &none, &err), -ERR_DENIED);
	secret_free(last);
	assert_says(err.message, "AADSTS70021");
	assert_says(err.hint, "letter by letter");
	assert_no_secret(err.message);
}

static void a_statement_that_has_ended_is_told_and_replaced(void **state)
{
	struct identity *t = *state;
	owned(azure_credential) struct azure_credential *c = NULL;
	const char *path = in(t->folder, "token");
	struct err err = {0};

	set_ids();
	setenv("AZURE_FEDERATED_TOKEN_FILE", path, 1);
	put_statement(t, path, "{\"seconds\": -1}");
	c = found(t, NULL);
	gives_none(c, ERR_DENIED, &err);
	assert_says(err.message, "AADSTS700024");
	assert_says(err.hint, "has expired");
	put_statement(t, path, "{\"seconds\": 60}");
	gives_token(t, c);
}

static void files_without_a_statement(void **state)
{
	static const char *const texts[] = {"", "\n", "two words", "line\nline", NULL};
	struct identity *t = *state;
	owned(azure_credential) struct azure_credential *c = NULL;
	const char *path = in(t->folder, "token");
	struct err err = {0};

	set_ids();
	setenv("AZURE_FEDERATED_TOKEN_FILE", path, 1);
	c = found(t, NULL);
	gives_none(c, ERR_NOT_FOUND, &err);
	for (int i = 0; texts[i]; i++) {
		file_write(path, texts[i], strlen(texts[i]), 0600, NULL);
		gives_none(c, ERR_INVALID, &err);
	}
	unsetenv("AZURE_CLIENT_ID");
	not_found(t, NULL, ERR_INVALID, &err);
}

/* ---- jobs ---- */

static void in_a_github_job(struct identity *t)
{
	owned(mem) char *url = mem_printf("%s/github/token?x=y", standin_url);

	setenv("AZURE_TENANT_ID", TENANT, 1);
	setenv("ACTIONS_ID_TOKEN_REQUEST_URL", url, 1);
	setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "standin-runner", 1);
	(void)t;
}

static void a_job_of_github(void **state)
{
	struct identity *t = *state;
	owned(azure_credential) struct azure_credential *c = NULL;
	struct err err = {0};

	in_a_github_job(t);
	/* Every job that may ask has the URL: it is not meant for Azure yet. */
	not_found(t, NULL, ERR_DENIED, &err);
	setenv("ARM_USE_OIDC", "true", 1);
	not_found(t, NULL, ERR_INVALID, &err);
	unsetenv("ARM_USE_OIDC");
	setenv("AZURE_CLIENT_ID", CLIENT, 1);
	c = found(t, NULL);
	assert_string_equal(azure_credential_about(c), "identity of a job of GitHub for client " CLIENT);
	gives_token(t, c);
	assert_asked(t, 1, "github");
	unsetenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN");
	not_found(t, NULL, ERR_INVALID, &err);
	assert_says(err.message, "ACTIONS_ID_TOKEN_REQUEST_TOKEN");
	assert_says(err.hint, "id-token: write");
}

/* GitHub's statement lasts minutes, the command hours: each token is bought with a new one. */
static void each_token_of_a_job_has_its_own_statement(void **state)
{
	struct identity *t = *state;
	owned(azure_credential) struct azure_credential *c = NULL;
	struct err err = {0};

	in_a_github_job(t);
	setenv("AZURE_CLIENT_ID", CLIENT, 1);
	configure(t, "{\"token_says\": 1, \"assertion_seconds\": -1}");
	c = found(t, NULL);
	gives_none(c, ERR_DENIED, &err);
	assert_says(err.message, "AADSTS700024");
	configure(t, "{\"assertion_seconds\": 60}");
	for (int i = 0; i < 2; i++)
		gives_token(t, c);
	assert_int_equal(asked_for(t, "/github/token?x=y&audience=api%3A%2F%2FAzureADTokenExchange"), 3);
}

static void a_job_that_may_not_ask(void **state)
{
	struct identity *t = *state;
	owned(azure_credential) struct azure_credential *c = NULL;
	struct err err = {0};

	in_a_github_job(t);
	setenv("AZURE_CLIENT_ID", CLIENT, 1);
	setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "somebody's", 1);
	c = found(t, NULL);
	gives_none(c, ERR_DENIED, &err);
	assert_says(err.message, "GitHub: the job's own token was refused: Unauthorized (401)");
}

static void a_job_of_azure_devops(void **state)
{
	struct identity *t = *state;
	owned(azure_credential) struct azure_credential *c = NULL;
	owned(mem) char *url = mem_printf("%s/devops/oidc", standin_url);
	struct err err = {0};

	set_ids();
	configure(t, "{\"devops_connections\": [\"connection 1\"]}");
	setenv("SYSTEM_OIDCREQUESTURI", url, 1);
	not_found(t, NULL, ERR_DENIED, &err);
	setenv("ARM_ADO_PIPELINE_SERVICE_CONNECTION_ID", "connection 1", 1);
	not_found(t, NULL, ERR_INVALID, &err);
	assert_says(err.message, "SYSTEM_ACCESSTOKEN");
	assert_says(err.hint, "$(System.AccessToken)");
	setenv("SYSTEM_ACCESSTOKEN", "standin-pipeline", 1);
	c = found(t, NULL);
	assert_says(azure_credential_about(c), "service connection connection 1 of Azure DevOps");
	gives_token(t, c);
	assert_asked(t, 1, "azure-devops");
	configure(t, "{\"devops_connections\": [\"another\"], \"token_says\": 1}");
	azure_credential_free(own_take(c));
	c = found(t, NULL);
	gives_none(c, ERR_DENIED, &err);
	assert_says(err.message, "Azure DevOps: ");
}

/* What Azure DevOps shows instead of a refusal. */
static void a_page_to_log_in_on_is_a_refusal(void **state)
{
	struct identity *t = *state;
	owned(azure_credential) struct azure_credential *c = NULL;
	owned(mem) char *url = mem_printf("%s/devops/oidc", standin_url);
	struct err err = {0};

	set_ids();
	setenv("SYSTEM_OIDCREQUESTURI", url, 1);
	setenv("SYSTEM_ACCESSTOKEN", "standin-pipeline", 1);
	setenv("ARM_ADO_PIPELINE_SERVICE_CONNECTION_ID", "1", 1);
	configure(t, "{\"faults\": [{\"kind\": \"redirect\", \"every\": 1, \"on\": \"identity\","
		     " \"match\": \"devops\"}]}");
	c = found(t, NULL);
	gives_none(c, ERR_DENIED, &err);
	assert_says(err.message, "(307)");
}

static void memory_runs_out(void **state)
{
	struct identity *t = *state;
	struct azure_access given = {.token_file = in(t->folder, "token")};
	owned(azure_credential) struct azure_credential *file = NULL, *job = NULL;

	set_ids();
	put_statement(t, in(t->folder, "token"), "{}");
	configure(t, "{\"token_says\": 1}");
	assert_survives_no_memory(find_once(t, &given));
	file = found(t, &given);
	assert_survives_no_memory(token_once(file));
	in_a_github_job(t);
	assert_survives_no_memory(find_once(t, &nothing));
	job = found(t, NULL);
	assert_survives_no_memory(token_once(job));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		identity_test(a_file_becomes_a_token),
		identity_test(a_statement_in_the_environment),
		identity_test(a_file_that_is_replaced_is_read_anew),
		identity_test(a_statement_that_has_ended_is_told_and_replaced),
		identity_test(files_without_a_statement),
		identity_test(a_job_of_github),
		identity_test(each_token_of_a_job_has_its_own_statement),
		identity_test(a_job_that_may_not_ask),
		identity_test(a_job_of_azure_devops),
		identity_test(a_page_to_log_in_on_is_a_refusal),
		identity_test(memory_runs_out),
	};

	return cmocka_run_group_tests(tests, identity_start, identity_stop);
}
