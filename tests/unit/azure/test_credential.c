/* SPDX-License-Identifier: Apache-2.0 */
#include "identity.h"

#include <pthread.h>

static void a_client_secret_becomes_a_token(void **state)
{
	struct identity *t = *state;
	owned(azure_credential) struct azure_credential *c = NULL;

	set_ids();
	setenv("AZURE_CLIENT_SECRET", SECRET, 1);
	c = found(t, NULL);
	assert_string_equal(azure_credential_about(c), "client secret (AZURE_CLIENT_SECRET) of client " CLIENT);
	assert_string_equal(azure_credential_tenant(c), TENANT);
	gives_token(t, c);
	assert_asked(t, 1, "client-secret");
}

static void terraforms_names_are_read_too(void **state)
{
	struct identity *t = *state;
	owned(azure_credential) struct azure_credential *c = NULL;

	setenv("ARM_TENANT_ID", TENANT, 1);
	setenv("ARM_CLIENT_ID", CLIENT, 1);
	setenv("ARM_CLIENT_SECRET", SECRET, 1);
	setenv("AZURE_CLIENT_SECRET", "", 1);
	c = found(t, NULL);
	gives_token(t, c);
}

static void what_is_given_beats_the_environment(void **state)
{
	struct identity *t = *state;
	owned(azure_credential) struct azure_credential *c = NULL;
	owned(mem) char *reference = mem_printf("file:%s", in(t->folder, "secret"));
	struct azure_access given = {.tenant = TENANT, .client = CLIENT, .secret_source = reference};

	setenv("AZURE_TENANT_ID", "elsewhere", 1);
	setenv("AZURE_CLIENT_ID", "somebody", 1);
	setenv("AZURE_CLIENT_SECRET", "wrong", 1);
	file_write(in(t->folder, "secret"), SECRET "\n", sizeof(SECRET), 0600, NULL);
	c = found(t, &given);
	assert_says(azure_credential_about(c), reference);
	gives_token(t, c);
	assert_asked(t, 1, "client-secret");
}

/* Characters that a form has to encode. */
static void any_secret_gets_through(void **state)
{
	static const char secret[] = "~a+b &c=%d/\"\xc3\xa9\\;";
	struct identity *t = *state;
	owned(azure_credential) struct azure_credential *c = NULL;

	set_ids();
	setenv("AZURE_CLIENT_SECRET", secret, 1);
	configure(t, "{\"clients\": {\"" CLIENT "\": {\"secret\": \"~a+b &c=%d/\\\"\xc3\xa9\\\\;\"}}}");
	c = found(t, NULL);
	gives_token(t, c);
}

static void refusals_are_told_with_code_and_ids(void **state)
{
	static const struct {
		const char *tenant, *client, *secret;
		const char *code, *hint;
	} cases[] = {
		{TENANT, CLIENT, "wrong", "AADSTS7000215: Invalid client secret provided", "not its id"},
		{TENANT, "somebody", SECRET, "AADSTS700016", "check client and tenant"},
		{"elsewhere", CLIENT, SECRET, "AADSTS90002", "check the tenant"},
	};
	struct identity *t = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		owned(azure_credential) struct azure_credential *c = NULL;
		struct err err = {0};

		setenv("AZURE_TENANT_ID", cases[i].tenant, 1);
		setenv("AZURE_CLIENT_ID", cases[i].client, 1);
		setenv("AZURE_CLIENT_SECRET", cases[i].secret, 1);
		c = found(t, NULL);
		gives_none(c, ERR_DENIED, &err);
		assert_says(err.message, cases[i].code);
		assert_says(err.message, ", trace ");
		assert_says(err.message, ", correlation ");
		assert_null(strstr(err.message, "Trace ID"));
		/* Context in front of it cuts nothing off. */
		assert_true(err.message[strlen(err.message) - 1] == ')' && strlen(err.message) < 260);
		assert_null(strstr(err.message, "wrong"));
		assert_says(err.hint, cases[i].hint);
	}
}

static void half_a_source_is_told(void **state)
{
	static const struct {
		const char *variable, *value, *says, *hint;
	} cases[] = {
		{"AZURE_TENANT_ID", "", "no tenant", "AZURE_TENANT_ID"},
		{"AZURE_CLIENT_ID", "", "no client", "AZURE_CLIENT_ID"},
		{"AZURE_TENANT_ID", "../x", "'../x' is no id of a tenant", ""},
		{"AZURE_CLIENT_ID", "a&b", "'a&b' is no id of a client", ""},
	};
	struct identity *t = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err err = {0};

		set_ids();
		setenv("AZURE_CLIENT_SECRET", SECRET, 1);
		setenv(cases[i].variable, cases[i].value, 1);
		not_found(t, NULL, ERR_INVALID, &err);
		assert_says(err.message, "credential 'client-secret'");
		assert_says(err.message, cases[i].says);
		assert_says(err.hint, cases[i].hint);
	}
}

/* Tenant and client alone prove nothing. */
static void nothing_at_all(void **state)
{
	static const char *const looked_for[] = {"AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PATH",
						 "AZURE_FEDERATED_TOKEN_FILE", "ACTIONS_ID_TOKEN_REQUEST_URL",
						 "ARM_ADO_PIPELINE_SERVICE_CONNECTION_ID", "az", "managed identity",
						 NULL};
	struct identity *t = *state;
	struct err err = {0};

	set_ids();
	not_found(t, NULL, ERR_DENIED, &err);
	for (int i = 0; looked_for[i]; i++)
		assert_says(err.hint, looked_for[i]);
}

static void the_one_asked_for_is_used_or_nothing(void **state)
{
	struct identity *t = *state;

	set_ids();
	setenv("AZURE_CLIENT_SECRET", SECRET, 1);
	for (int source = AZURE_CLIENT_CERTIFICATE; source <= AZURE_DEVOPS; source++) {
		struct azure_access given = {.source = (unsigned)source};
		struct err err = {0};

		not_found(t, &given, ERR_INVALID, &err);
		assert_says(err.message, azure_source_names[source]);
		assert_says(err.message, "it needs");
	}
	struct azure_access both = {.source = AZURE_CLI, .token_file = "/x"};
	struct azure_access two = {.secret_source = "env:AZURE_CLIENT_SECRET", .certificate = "/x"};
	struct err err = {0};

	not_found(t, &both, ERR_INVALID, &err);
	not_found(t, &two, ERR_INVALID, &err);
	assert_says(err.message, "'client-secret' and to 'client-certificate'");
}

/* The first that is configured; its failure is not skipped over. */
static void there_is_an_order(void **state)
{
	struct identity *t = *state;
	owned(azure_credential) struct azure_credential *c = NULL;
	struct err err = {0};

	set_ids();
	setenv("AZURE_CLIENT_SECRET", "wrong", 1);
	setenv("AZURE_CLIENT_CERTIFICATE_PATH", "/nonexistent.pem", 1);
	setenv("AZURE_FEDERATED_TOKEN_FILE", "/nonexistent", 1);
	c = found(t, NULL);
	assert_says(azure_credential_about(c), "client secret");
	gives_none(c, ERR_DENIED, &err);
	unsetenv("AZURE_CLIENT_SECRET");
	not_found(t, NULL, ERR_NOT_FOUND, &err);
	assert_says(err.message, "/nonexistent.pem");
	unsetenv("AZURE_CLIENT_CERTIFICATE_PATH");
	azure_credential_free(own_take(c));
	c = found(t, NULL);
	gives_none(c, ERR_NOT_FOUND, &err);
	assert_says(err.message, "federated token");
}

/* ---- keeping and renewing ---- */

static struct azure_credential *with_secret(struct identity *t)
{
	set_ids();
	setenv("AZURE_CLIENT_SECRET", SECRET, 1);
	return found(t, NULL);
}

static void a_token_is_kept(void **state)
{
	struct identity *t = *state;
	owned(azure_credential) struct azure_credential *c = with_secret(t);
	owned(secret) struct secret *first = token_of(t, c), *second = token_of(t, c);

	assert_true(secret_equal(first, second));
	assert_asked(t, 1, "client-secret");
}

/* With five minutes left it is time for a new one. */
static void a_token_that_ends_is_renewed(void **state)
{
	static const struct {
		const char *config;
		bool renewed;
	} cases[] = {
		{"{\"token_says\": 1}", true}, {"{\"token_says\": 290}", true}, {"{\"token_says\": 320}", false},
	};
	struct identity *t = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		owned(azure_credential) struct azure_credential *c = with_secret(t);
		owned(secret) struct secret *first = NULL, *second = NULL;

		configure(t, cases[i].config);
		first = token_of(t, c);
		second = token_of(t, c);
		assert_int_equal(secret_equal(first, second), !cases[i].renewed);
	}
}

static void a_refused_token_is_given_up_once(void **state)
{
	struct identity *t = *state;
	owned(azure_credential) struct azure_credential *c = with_secret(t);
	owned(secret) struct secret *first = token_of(t, c), *second = NULL, *third = NULL;

	assert_int_equal(azure_credential_token(c, first, &second, NULL), 0);
	assert_false(secret_equal(first, second));
	assert_asked(t, 2, "client-secret");
	/* Who comes later with the same complaint gets what is there. */
	assert_int_equal(azure_credential_token(c, first, &third, NULL), 0);
	assert_true(secret_equal(second, third));
	assert_asked(t, 2, "client-secret");
}

/* Entra ID is away for a while: what has not ended yet still serves. */
static void the_old_token_serves_while_renewal_fails(void **state)
{
	struct identity *t = *state;
	owned(azure_credential) struct azure_credential *c = with_secret(t);
	owned(secret) struct secret *first = NULL, *second = NULL, *none = NULL;
	struct err err = {0};

	configure(t, "{\"token_says\": 200, \"token_seconds\": 200}");
	first = token_of(t, c);
	configure(t, "{\"faults\": [{\"kind\": \"503\", \"every\": 1, \"on\": \"identity\"}]}");
	second = token_of(t, c);
	assert_true(secret_equal(first, second));
	/* For a while nobody asks again. */
	gives_token(t, c);
	assert_int_equal(asked_for(t, "/" TENANT "/"), 1 + 4);
	assert_int_equal(azure_credential_token(c, first, &none, &err), -ERR_UNREACHABLE);
	assert_int_equal(err.retry, ERR_RETRY_SAFE);
	assert_says(err.message, "503");
}

static void faults_on_the_way_are_overcome(void **state)
{
	static const char *const kinds[] = {"429", "500", "502-html", "503", "504", "reset-before", "reset-after",
					    "truncated", "slow", NULL};
	struct identity *t = *state;

	for (int i = 0; kinds[i]; i++) {
		owned(azure_credential) struct azure_credential *c = with_secret(t);
		owned(mem) char *config = mem_printf("{\"faults\": [{\"kind\": \"%s\", \"at\": 1, \"on\": \"identity\","
						     " \"retry_after\": 1, \"seconds\": 0.05}]}", kinds[i]);

		configure(t, config);
		gives_token(t, c);
	}
}

/* Whatever happened to the request for a token: what the token is for was not sent. */
static void nothing_was_sent_without_a_token(void **state)
{
	static const char *const kinds[] = {"reset-before", "reset-after", "503", "garbage", NULL};
	struct identity *t = *state;

	for (int i = 0; kinds[i]; i++) {
		owned(azure_credential) struct azure_credential *c = with_secret(t);
		owned(mem) char *config = mem_printf("{\"faults\": [{\"kind\": \"%s\", \"every\": 1,"
						     " \"on\": \"identity\"}]}", kinds[i]);
		struct secret *none = NULL;
		struct err err = {0};

		configure(t, config);
		assert_true(azure_credential_token(c, NULL, &none, &err) < 0);
		assert_int_not_equal(err.retry, ERR_RETRY_IDEMPOTENT);
		if (i < 3)
			assert_int_equal(err.code, ERR_UNREACHABLE);
	}
}

static void strange_answers_are_no_tokens(void **state)
{
	static const struct {
		const char *kind;
		enum err_code code;
	} cases[] = {
		{"empty", ERR_PROTOCOL}, {"garbage", ERR_PROTOCOL}, {"huge", ERR_PROTOCOL}, {"redirect", ERR_PROTOCOL},
	};
	struct identity *t = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		owned(azure_credential) struct azure_credential *c = with_secret(t);
		owned(mem) char *config = mem_printf("{\"faults\": [{\"kind\": \"%s\", \"every\": 1,"
						     " \"on\": \"identity\"}]}", cases[i].kind);
		struct err err = {0};

		configure(t, config);
		gives_none(c, cases[i].code, &err);
	}
	owned(json_tree) struct json_tree *known = standin(t, "state", NULL);

	assert_int_equal(json_tree_count(json_tree_get(known, "trapped")), 0);
}

/* The authority's URL came from somewhere else than azure_cloud_init(). */
static void no_secret_goes_out_in_the_clear(void **state)
{
	struct identity *t = *state;
	owned(azure_credential) struct azure_credential *c = with_secret(t);
	struct azure_cloud cloud = {0};
	struct err err = {0};

	setenv("AZURE_AUTHORITY_HOST", "http://login.example.org", 1);
	assert_int_equal(azure_cloud_init(-1, &cloud, &err), -ERR_DENIED);
	free(t->cloud.authority);
	t->cloud.authority = mem_strdup("http://login.example.org");
	gives_none(c, ERR_DENIED, &err);
}

/* ---- threads ---- */

enum { THREADS = 8, ROUNDS = 50 };

struct together {
	struct azure_credential *credential;
	pthread_barrier_t barrier;
	const struct secret *refused;
	int rounds;
};

static void *ask_often(void *data)
{
	struct together *all = data;
	uintptr_t wrong = 0;

	pthread_barrier_wait(&all->barrier);
	for (int i = 0; i < all->rounds; i++) {
		owned(secret) struct secret *token = NULL;
		struct err err = {0};
		int rc = azure_credential_token(all->credential, all->refused, &token, &err);

		wrong += rc < 0 ? (uintptr_t)-rc << 16 : !token->len;
	}
	return (void *)wrong;
}

/* What went wrong in all threads. */
static uintptr_t together(struct azure_credential *c, const struct secret *refused, int rounds)
{
	struct together all = {.credential = c, .refused = refused, .rounds = rounds};
	pthread_t threads[THREADS];
	uintptr_t wrong = 0;

	pthread_barrier_init(&all.barrier, NULL, THREADS);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, ask_often, &all), 0);
	for (int i = 0; i < THREADS; i++) {
		void *one;

		pthread_join(threads[i], &one);
		wrong += (uintptr_t)one;
	}
	pthread_barrier_destroy(&all.barrier);
	return wrong;
}

static void threads_share_one_renewal(void **state)
{
	struct identity *t = *state;
	owned(azure_credential) struct azure_credential *c = with_secret(t);
	owned(secret) struct secret *token = NULL;

	assert_int_equal(together(c, NULL, ROUNDS), 0);
	assert_asked(t, 1, "client-secret");
	token = token_of(t, c);
	assert_int_equal(together(c, token, ROUNDS), 0);
	assert_asked(t, 2, "client-secret");
	/* And when every call renews. */
	configure(t, "{\"token_says\": 1}");
	secret_free(own_take(token));
	token = token_of(t, c);
	assert_int_equal(together(c, token, 5), 0);
}

static void threads_share_one_failure(void **state)
{
	struct identity *t = *state;
	owned(azure_credential) struct azure_credential *c = NULL;
	char way[64];

	set_ids();
	setenv("AZURE_CLIENT_SECRET", "wrong", 1);
	c = found(t, NULL);
	assert_int_equal(together(c, NULL, 1), (uintptr_t)THREADS * ERR_DENIED << 16);
	assert_true(requests(t, way) <= THREADS);
}

/* ---- memory ---- */

static void memory_runs_out(void **state)
{
	struct identity *t = *state;
	owned(azure_credential) struct azure_credential *c = NULL;

	set_ids();
	setenv("AZURE_CLIENT_SECRET", SECRET, 1);
	assert_survives_no_memory(find_once(t, &nothing));
	configure(t, "{\"token_says\": 1}");
	c = found(t, NULL);
	assert_survives_no_memory(token_once(c));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		identity_test(a_client_secret_becomes_a_token),
		identity_test(terraforms_names_are_read_too),
		identity_test(what_is_given_beats_the_environment),
		identity_test(any_secret_gets_through),
		identity_test(refusals_are_told_with_code_and_ids),
		identity_test(half_a_source_is_told),
		identity_test(nothing_at_all),
		identity_test(the_one_asked_for_is_used_or_nothing),
		identity_test(there_is_an_order),
		identity_test(a_token_is_kept),
		identity_test(a_token_that_ends_is_renewed),
		identity_test(a_refused_token_is_given_up_once),
		identity_test(the_old_token_serves_while_renewal_fails),
		identity_test(faults_on_the_way_are_overcome),
		identity_test(nothing_was_sent_without_a_token),
		identity_test(strange_answers_are_no_tokens),
		identity_test(no_secret_goes_out_in_the_clear),
		identity_test(threads_share_one_renewal),
		identity_test(threads_share_one_failure),
		identity_test(memory_runs_out),
	};

	return cmocka_run_group_tests(tests, identity_start, identity_stop);
}
