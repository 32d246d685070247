/* SPDX-License-Identifier: Apache-2.0 */
/* The same calls to SoftHSM and to the fake token: the answers are the same, but for a list of reasons. */
#include "../base/temp.h"

#include <sys/wait.h>
#include <unistd.h>

#include "fake/token.h"
#include "script-keys.h"
#include "script-objects.h"
#include "softhsm.h"

/* Titles of answers that may differ, and why. */
static const struct {
	const char *title, *why;
} permitted[] = {
    {"kwp", "the fake has RFC 5649 by its right number too; SoftHSM 2.6.1 by 0x210a only"},
};

static void script(struct side *a)
{
	CK_OBJECT_HANDLE domain;

	sessions(a);
	data_objects(a);
	guarded_objects(a);
	domain = domain_key(a);
	secret_keys(a, domain);
	policies(a, domain);
	templates(a);
	created_keys(a);
	hmac(a);
	digest(a);
	ciphers(a);
	ec_keys(a, domain);
	derived_keys(a);
	asking_keys(a);
	rsa_keys(a, domain);
	farewell(a, domain);
	fclose(a->out);
}

/* ---- the two sides ---- */

static void softhsm_side(const char *folder, const char *out)
{
	struct side a = {.out = fopen(out, "we")};

	if (!softhsm_begin(folder, &a))
		_exit(1);
	script(&a);
	_exit(0);
}

static void fake_side(const char *out)
{
	struct side a = {.f = fake_functions(), .out = fopen(out, "we")};

	fake_reset(1, 1);
	fake_litter(0, true);
	script(&a);
}

static bool is_permitted(const char *line)
{
	for (size_t i = 0; i < COUNT(permitted); i++) {
		size_t len = strlen(permitted[i].title);

		if (strncmp(line, permitted[i].title, len) == 0 && line[len] == ':')
			return true;
	}
	return false;
}

/* The number of answers; those that differ without a reason are printed. */
static size_t compare(const char *softhsm, const char *fake, size_t *ret_wrong)
{
	FILE *a = fopen(softhsm, "re"), *b = fopen(fake, "re");
	char x[4096], y[4096];
	size_t n = 0;

	assert_true(a && b);
	for (*ret_wrong = 0; fgets(x, sizeof(x), a); n++) {
		assert_non_null(fgets(y, sizeof(y), b));
		if (strcmp(x, y) == 0 || is_permitted(x))
			continue;
		print_error("SoftHSM: %s   fake: %s", x, y);
		++*ret_wrong;
	}
	assert_null(fgets(y, sizeof(y), b));
	fclose(a);
	fclose(b);
	return n;
}

static void same_answers(void **state)
{
	const char *softhsm = in(*state, "softhsm"), *fake = in(*state, "fake");
	size_t n, wrong;
	int status;
	pid_t child;

	if (!file_exists(SOFTHSM))
		skip();
	child = fork();
	if (child == 0)
		softhsm_side(*state, softhsm);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	fake_side(fake);
	n = compare(softhsm, fake, &wrong);
	print_message("%zu answers, %zu differ without a reason\n", n, wrong);
	assert_int_equal(wrong, 0);
	assert_true(n > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    temp_test(same_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
