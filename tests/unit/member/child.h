/* SPDX-License-Identifier: Apache-2.0 */
/* child - tests that are a process of their own: a library's state is the process's. Failures are its status. */
#ifndef TESTS_MEMBER_CHILD_H
#define TESTS_MEMBER_CHILD_H

#include <stdio.h>

#define CHECK(condition)                                                                                  \
	do {                                                                                              \
		if (!(condition)) {                                                                       \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);           \
			return 1;                                                                         \
		}                                                                                         \
	} while (0)

#endif
