/* SPDX-License-Identifier: Apache-2.0 */
#include "temp.h"

#include <unistd.h>

#include "base/program.h"

static void a_program_that_is_nowhere_is_missing(void **state)
{
	owned(mem) char *path = NULL;
	struct err err;

	(void)state;
	assert_int_equal(program_find("hsmctl-nothing", &path, &err), -ERR_MISSING);
	assert_null(path);
}

static void a_program_beside_us_comes_first(void **state)
{
	owned(mem) char *path = NULL;
	struct err err;

	(void)state;
	assert_int_equal(program_find("test_program", &path, &err), 0);
	assert_int_equal(access(path, X_OK), 0);
}

static void the_working_folder_has_no_say(void **state)
{
	owned(mem) char *path = NULL;

	assert_int_equal(chdir(*state), 0);
	assert_int_equal(program_find("test_program", &path, NULL), 0);
	assert_int_equal(*path, '/');
	assert_int_equal(access(path, X_OK), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_program_that_is_nowhere_is_missing),
		cmocka_unit_test(a_program_beside_us_comes_first),
		cmocka_unit_test_setup_teardown(the_working_folder_has_no_say, temp_setup, temp_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
