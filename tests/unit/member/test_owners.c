/* SPDX-License-Identifier: Apache-2.0 */
/* Owners of session objects, against a plain list of them, over random histories. */
#include <stdlib.h>

#include "../base/temp.h"
#include "base/clock.h"
#include "base/mem.h"
#include "member/owners.h"

enum { HANDLES = 600, SESSIONS = 12, GUESTS = 4, STEPS = 20000 };

/* What they should know: of each object its guest and session, 0 = nobody's. */
static struct {
	const char *guest;
	CK_SESSION_HANDLE session;
} expected[HANDLES];
static const char guests[GUESTS];

static void check_all(const struct owners *owners)
{
	bool made[SESSIONS + 1] = {false};

	for (CK_OBJECT_HANDLE i = 0; i < HANDLES; i++) {
		assert_ptr_equal(owners_find(owners, i), expected[i].guest);
		made[expected[i].session] = true;
	}
	for (CK_SESSION_HANDLE s = 1; s <= SESSIONS; s++)
		assert_int_equal(owners_has_session(owners, s), made[s]);
}

static void add(struct owners *owners, CK_OBJECT_HANDLE object)
{
	const char *guest = &guests[rand() % GUESTS];
	CK_SESSION_HANDLE session = 1 + (CK_SESSION_HANDLE)(rand() % SESSIONS);
	bool known;

	mem_fail_after = rand() % 8 ? 0 : 1 + (unsigned long)(rand() % 3);
	known = owners_add(owners, guest, session, object);
	mem_fail_after = 0;
	expected[object].guest = known ? guest : NULL;
	expected[object].session = known ? session : 0;
}

static void drop_session(struct owners *owners, CK_SESSION_HANDLE session)
{
	owners_drop_session(owners, session);
	for (size_t i = 0; i < HANDLES; i++) {
		if (expected[i].session != session)
			continue;
		expected[i].guest = NULL;
		expected[i].session = 0;
	}
}

static void every_object_has_its_owner_whatever_happens(void **state)
{
	unsigned seed = (unsigned)clock_utc_ms();
	struct owners owners = {0};

	(void)state;
	print_message("seed %u\n", seed);
	srand(seed);
	for (int step = 0; step < STEPS; step++) {
		CK_OBJECT_HANDLE object = (CK_OBJECT_HANDLE)(rand() % HANDLES);
		int what = rand() % 100;

		if (what < 70) {
			add(&owners, object);
		} else if (what < 97) {
			owners_drop(&owners, object);
			expected[object].guest = NULL;
			expected[object].session = 0;
		} else {
			drop_session(&owners, 1 + (CK_SESSION_HANDLE)(rand() % SESSIONS));
		}
		if (step % 100 == 0)
			check_all(&owners);
	}
	check_all(&owners);
	owners_release(&owners);
	assert_null(owners_find(&owners, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_object_has_its_owner_whatever_happens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
