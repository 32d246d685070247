/* SPDX-License-Identifier: Apache-2.0 */
#include "temp.h"

#include <sys/mman.h>

#include "base/foreign.h"

enum { PAGE = 4096 };

/* Two pages of which the second may not be read. */
static char *edge(void)
{
	char *at = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(at, MAP_FAILED);
	assert_int_equal(mprotect(at + PAGE, PAGE, PROT_NONE), 0);
	return at;
}

static void a_text_is_copied_wherever_it_stands(void **state)
{
	char *page = edge(), ret[3000];

	(void)state;
	for (size_t len = 0; len < 2000; len += 37) {
		char *at = page + PAGE - len - 1;

		memset(at, 'a', len);
		at[len] = 0;
		assert_int_equal(foreign_text(at, ret, sizeof(ret), NULL), 0);
		assert_string_equal(ret, at);
	}
	munmap(page, 2 * PAGE);
}

static void what_is_no_text_is_refused_and_kills_nobody(void **state)
{
	char *page = edge(), ret[600];
	const void *nowhere[] = {(void *)1, (void *)8, (void *)-1, page + PAGE, (void *)0xdeadbeef0000};

	(void)state;
	for (size_t i = 0; i < sizeof(nowhere) / sizeof(nowhere[0]); i++)
		assert_int_equal(foreign_text(nowhere[i], ret, sizeof(ret), NULL), -ERR_INVALID);
	memset(page, 'a', PAGE);
	assert_int_equal(foreign_text(page + PAGE - 100, ret, sizeof(ret), NULL), -ERR_INVALID);
	assert_int_equal(foreign_text(page, ret, sizeof(ret), NULL), -ERR_INVALID);
	strcpy(page, "store=/tmp\001");
	assert_int_equal(foreign_text(page, ret, sizeof(ret), NULL), -ERR_INVALID);
	munmap(page, 2 * PAGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_text_is_copied_wherever_it_stands),
		cmocka_unit_test(what_is_no_text_is_refused_and_kills_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
