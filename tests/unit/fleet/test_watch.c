/* SPDX-License-Identifier: Apache-2.0 */
/* A document is read once for each time that it was written. */
#include "../base/temp.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "document.h"
#include "fleet/fleet.h"
#include "fleet/watch.h"

static void put(const char *folder, const char *text)
{
	assert_int_equal(file_write(in(folder, "fleet.json"), text, strlen(text), 0600, NULL), 0);
}

static int look(struct fleet_watch *watch, struct err *err)
{
	owned(fleet) struct fleet *fleet = NULL;
	int rc = fleet_watch_read(watch, &fleet, err);

	assert_int_equal(rc > 0, fleet != NULL);
	return rc;
}

static void reads_what_was_written_anew(void **state)
{
	owned(fleet_watch) struct fleet_watch watch = {0};
	const char *folder = *state;
	struct err err = {0};

	assert_int_equal(fleet_watch_init(&watch, folder, NULL), 0);
	assert_int_equal(look(&watch, &err), 0);
	put(folder, document);
	assert_int_equal(look(&watch, &err), 1);
	assert_int_equal(look(&watch, &err), 0);
	put(folder, document);
	assert_int_equal(look(&watch, &err), 1);
	assert_int_equal(unlink(in(folder, "fleet.json")), 0);
	assert_int_equal(look(&watch, &err), 0);
	put(folder, document);
	assert_int_equal(look(&watch, &err), 1);
}

static void says_once_what_cannot_be_read(void **state)
{
	owned(fleet_watch) struct fleet_watch watch = {0};
	const char *folder = *state;
	struct err err = {0};

	assert_int_equal(fleet_watch_init(&watch, folder, NULL), 0);
	put(folder, "{");
	assert_int_equal(look(&watch, &err), -ERR_INVALID);
	assert_int_equal(look(&watch, &err), 0);
	put(folder, document);
	assert_int_equal(chmod(in(folder, "fleet.json"), 0666), 0);
	assert_int_equal(look(&watch, &err), -ERR_NOT_OURS);
	assert_int_equal(look(&watch, &err), 0);
	/* Mended, though not written. */
	assert_int_equal(chmod(in(folder, "fleet.json"), 0600), 0);
	assert_int_equal(look(&watch, &err), 1);
}

static int look_for_memory(const char *folder, struct err *err)
{
	owned(fleet_watch) struct fleet_watch watch = {0};
	int rc = fleet_watch_init(&watch, folder, err);

	if (rc == 0)
		rc = look(&watch, err);
	/* It was not for nothing that it failed: it is tried again. */
	if (rc == -ERR_NO_MEMORY && watch.path) {
		mem_fail_after = 0;
		assert_int_equal(look(&watch, NULL), 1);
	}
	return rc < 0 ? rc : 0;
}

static void tries_again_when_memory_ran_out(void **state)
{
	put(*state, document);
	assert_survives_no_memory(look_for_memory(*state, NULL));
}

/* From now on nothing can be opened; what it was is returned. */
static struct rlimit no_descriptors(void)
{
	struct rlimit before, none;
	int next = open("/dev/null", O_RDONLY | O_CLOEXEC);

	assert_true(next >= 0);
	close(next);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = (struct rlimit){(rlim_t)next, before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	return before;
}

static void tries_again_when_descriptors_ran_out(void **state)
{
	owned(fleet_watch) struct fleet_watch watch = {0};
	const char *folder = *state;
	struct err err = {0};
	struct rlimit before;
	int first, second;

	assert_int_equal(fleet_watch_init(&watch, folder, NULL), 0);
	put(folder, document);
	before = no_descriptors();
	first = look(&watch, &err);
	second = look(&watch, &err);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(first, -ERR_IO);
	/* It was told. */
	assert_int_equal(second, 0);
	assert_int_equal(look(&watch, &err), 1);
	assert_int_equal(look(&watch, &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		temp_test(reads_what_was_written_anew),
		temp_test(says_once_what_cannot_be_read),
		temp_test(tries_again_when_memory_ran_out),
		temp_test(tries_again_when_descriptors_ran_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
