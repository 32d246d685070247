/* SPDX-License-Identifier: Apache-2.0 */
/* beside - what the build put beside these tests. */
#ifndef TESTS_FAKE_BESIDE_H
#define TESTS_FAKE_BESIDE_H

#include "../base/temp.h"

#include <limits.h>
#include <unistd.h>

/* A file of the build's folder, in a place that the caller has for the program's life. */
static char *beside(char place[static 2 * PATH_MAX], const char *file)
{
	ssize_t len = readlink("/proc/self/exe", place, PATH_MAX);

	/* From tests/unit/fake/PROGRAM. */
	for (int up = 0; up < 4 && len > 0; len--)
		up += place[len - 1] == '/';
	assert_true(len > 0);
	snprintf(place + len, PATH_MAX, "/%s", file);
	return place;
}

static const char *library(void)
{
	static char path[2 * PATH_MAX];

	return beside(path, "tests/fake/token.so");
}

#endif
