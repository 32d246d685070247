/* SPDX-License-Identifier: Apache-2.0 */
/*
 * temp - one temporary folder for a test, and the cmocka prologue.
 *
 * Setup and teardown of a test: *state is the folder's path.
 */
#ifndef TESTS_TEMP_H
#define TESTS_TEMP_H

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"

static inline int temp_setup(void **state)
{
	const char *parent = getenv("TMPDIR");
	char *path = mem_printf("%s/hsmctl-test-XXXXXX", parent ? parent : "/tmp");

	*state = mkdtemp(path);
	return *state ? 0 : -1;
}

static inline int temp_teardown(void **state)
{
	mem_fail_after = 0;
	int rc = file_remove_tree(*state, NULL);

	free(*state);
	return rc;
}

/* "folder/name"; good until the fourth call after. */
static inline const char *in(const char *folder, const char *name)
{
	static char paths[4][2 * PATH_MAX];
	static unsigned next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
	return path;
}

#define temp_test(function) cmocka_unit_test_setup_teardown(function, temp_setup, temp_teardown)

/* Run call, which returns 0 or a code, with the n-th allocation failing, for
 * n = 1 until it succeeds; each failure has to be ERR_NO_MEMORY. */
#define assert_survives_no_memory(call)                                        \
	do {                                                                   \
		unsigned long n_ = 0;                                          \
		int rc_;                                                       \
		do {                                                           \
			mem_fail_after = ++n_;                                 \
			rc_ = (call);                                          \
			if (rc_ < 0)                                           \
				assert_int_equal(rc_, -ERR_NO_MEMORY);         \
			assert_true(n_ < 1000);                                \
		} while (rc_ < 0);                                             \
		mem_fail_after = 0;                                            \
		assert_true(n_ > 1);                                           \
	} while (0)

#endif
