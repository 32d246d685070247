/* SPDX-License-Identifier: Apache-2.0 */
#include "temp.h"

#include <ctype.h>
#include <sys/resource.h>

#include "base/secret.h"

static void secrets_hold_what_was_given(void **state)
{
	static const size_t sizes[] = {0, 1, 4095, 4096, 4097, 65536};
	owned(mem) uint8_t *data = mem_zalloc(65537);

	(void)state;
	memset(data, 'x', 65537);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		owned(secret) struct secret *s = NULL, *copy = NULL;

		assert_int_equal(secret_new(sizes[i] ? data : NULL, sizes[i], &s, NULL), 0);
		assert_int_equal(s->len, sizes[i]);
		assert_memory_equal(s->data, data, sizes[i]);
		assert_int_equal(s->data[sizes[i]], 0);
		assert_int_equal(secret_dup(s, &copy, NULL), 0);
		assert_true(s->data != copy->data);
		assert_true(secret_equal(s, copy));
	}
	struct secret *none = NULL;

	assert_int_equal(secret_new(data, 65537, &none, NULL), -ERR_INVALID);
	assert_null(none);
	secret_free(NULL);
}

static void equality_looks_at_every_byte(void **state)
{
	owned(secret) struct secret *a = NULL, *b = NULL, *shorter = NULL, *empty = NULL;

	(void)state;
	secret_new("abc", 3, &a, NULL);
	secret_new("abc", 3, &b, NULL);
	secret_new("ab", 2, &shorter, NULL);
	secret_new("", 0, &empty, NULL);
	assert_true(secret_equal(a, b));
	assert_false(secret_equal(a, shorter));
	assert_false(secret_equal(shorter, a));
	assert_false(secret_equal(a, empty));
	for (int i = 0; i < 3; i++) {
		b->data[i] ^= 0x80;
		assert_false(secret_equal(a, b));
		b->data[i] ^= 0x80;
	}
}

static void random_secrets_are_printable_and_differ(void **state)
{
	owned(secret) struct secret *a = NULL, *b = NULL, *none = NULL;
	bool seen[256] = {false};
	size_t kinds = 0;

	(void)state;
	assert_int_equal(secret_random(256, &a, NULL), 0);
	assert_int_equal(secret_random(256, &b, NULL), 0);
	assert_int_equal(a->len, 256);
	assert_false(secret_equal(a, b));
	for (size_t i = 0; i < 256; i++) {
		assert_true(isalnum(a->data[i]));
		kinds += !seen[a->data[i]];
		seen[a->data[i]] = true;
	}
	assert_true(kinds > 30);
	assert_int_equal(secret_random(257, &none, NULL), -ERR_INVALID);
	assert_int_equal(secret_random(0, &none, NULL), 0);
	assert_int_equal(none->len, 0);
}

/* Lines of /proc/self/smaps that follow the mapping of address. */
static bool mapping_has(const void *address, const char *field, const char *flag)
{
	FILE *f = fopen("/proc/self/smaps", "re");
	unsigned long from, to;
	bool inside = false, found = false;
	char line[300];

	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			inside = (unsigned long)address >= from && (unsigned long)address < to;
		else if (inside && strncmp(line, field, strlen(field)) == 0)
			found |= strstr(line, flag) != NULL;
	}
	fclose(f);
	return found;
}

static void pages_are_locked_and_not_dumped(void **state)
{
	owned(secret) struct secret *s = NULL;

	(void)state;
	assert_int_equal(secret_new("1234", 4, &s, NULL), 0);
	assert_true(mapping_has(s->data, "VmFlags:", " dd"));
	/* Sanitizers make mlock() do nothing. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	assert_true(mapping_has(s->data, "VmFlags:", " lo"));
#endif
}

static void no_lockable_memory_stops_nothing(void **state)
{
	struct rlimit old, none = {0};
	owned(secret) struct secret *s = NULL;

	(void)state;
	getrlimit(RLIMIT_MEMLOCK, &old);
	none.rlim_max = old.rlim_max;
	setrlimit(RLIMIT_MEMLOCK, &none);
	assert_int_equal(secret_new("1234", 4, &s, NULL), 0);
	setrlimit(RLIMIT_MEMLOCK, &old);
	assert_string_equal(s->data, "1234");
}

static int once(void)
{
	owned(secret) struct secret *s = NULL, *copy = NULL;
	int rc = secret_random(8, &s, NULL);

	return rc < 0 ? rc : secret_dup(s, &copy, NULL);
}

static void memory_runs_out(void **state)
{
	(void)state;
	assert_survives_no_memory(once());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(secrets_hold_what_was_given),
		cmocka_unit_test(equality_looks_at_every_byte),
		cmocka_unit_test(random_secrets_are_printable_and_differ),
		cmocka_unit_test(pages_are_locked_and_not_dumped),
		cmocka_unit_test(no_lockable_memory_stops_nothing),
		cmocka_unit_test(memory_runs_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
