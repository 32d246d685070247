/* SPDX-License-Identifier: Apache-2.0 */
#include "folder.h"

#include <unistd.h>

#include "base/str.h"
#include "crypto/digest.h"

/* A store with a few entries. */
static struct store *with_entries(const char *path)
{
	struct store *store = must_open(path);

	must_commit(store, "f");
	assert_int_equal(store_audit(store, "key generate", "payments", "signing-1 (ec-p256)", NULL), 0);
	must_commit(store, "g");
	assert_int_equal(store_audit(store, "sync", "payments", NULL, NULL), 0);
	return store;
}

static void entries_say_who_did_what(void **state)
{
	owned(store) struct store *store = with_entries(*state);
	struct store_audit_trail trail = {0};
	char host[256];

	assert_int_equal(gethostname(host, sizeof(host)), 0);
	assert_int_equal(must_verify(store), 4);
	assert_int_equal(store_audit_read(store, &trail, NULL), 0);
	assert_int_equal(trail.n_entries, 4);
	assert_string_equal(trail.entries[1].action, "key generate");
	assert_string_equal(trail.entries[1].detail, "signing-1 (ec-p256)");
	assert_int_equal(trail.entries[1].revision, 1);
	assert_int_equal(trail.entries[2].revision, 2);
	assert_int_equal(trail.entries[3].revision, 2);
	assert_string_equal(trail.entries[3].host, host);
	assert_true(*trail.entries[3].user);
	assert_int_equal(strlen(trail.entries[3].time), strlen("2026-11-24T08:30:00.123Z"));
	assert_int_equal(strspn(trail.entries[0].previous, "0"), 64);
	json_release(&store_audit_trail_type, &trail);
}

/* The hash is what store.h says it is, so that others can check it too. */
static void hashes_are_those_of_the_line(void **state)
{
	owned(store) struct store *store = with_entries(*state);
	size_t len;
	owned(mem) char *text = must_slurp(store, "audit.log", &len);
	char *hash = strstr(text, ",\"hash\":\""), wanted[SHA256_TEXT];

	assert_non_null(hash);
	assert_true(str_starts(hash + 9 + 64, "\"}\n"));
	hash[0] = '}';
	assert_int_equal(crypto_sha256_hex(text, (size_t)(hash + 1 - text), wanted, NULL), 0);
	assert_memory_equal(hash + 9, wanted, 64);
}

/* Every byte of the trail counts. */
static void each_changed_byte_is_found(void **state)
{
	owned(store) struct store *store = with_entries(*state);
	size_t len, line = 1;
	owned(mem) char *text = must_slurp(store, "audit.log", &len);

	for (size_t i = 0; i + 1 < len; i++) {
		char *changed = mem_dup(text, len), wanted[20];
		struct err err;

		changed[i] = changed[i] == '1' ? '2' : '1';
		must_write(store, "audit.log", changed, len);
		free(changed);
		assert_int_equal(store_audit_verify(store, NULL, NULL, &err), -ERR_DIFFERENT);
		snprintf(wanted, sizeof(wanted), "line %zu: ", line);
		if (!strstr(err.message, wanted))
			fail_msg("byte %zu: %s", i, err.message);
		line += text[i] == '\n';
	}
	must_write(store, "audit.log", text, len);
	assert_int_equal(must_verify(store), 4);
}

static char *line_of(char *text, int number)
{
	while (--number)
		text = strchr(text, '\n') + 1;
	return text;
}

static void moved_and_missing_lines_are_found(void **state)
{
	static const struct {
		int lines[6];	/* of the trail, in their new order */
		const char *message;
	} cases[] = {
		{{1, 2, 3, 4}, NULL},
		{{1, 2, 3}, NULL},	/* the last entry changed no document: see store.h */
		{{2, 3, 4}, "line 1: entries are missing before it"},
		{{1, 3, 4}, "line 2: entries are missing before it"},
		{{1, 3, 2, 4}, "line 2: entries are missing before it"},
		{{1, 2, 2, 3}, "line 3: entries are missing before it"},
		{{1, 2}, "ends at revision 1, the document is of revision 2"},
		{{0}, "ends at revision 0, the document is of revision 2"},
	};
	owned(store) struct store *store = with_entries(*state);
	size_t len;
	owned(mem) char *text = must_slurp(store, "audit.log", &len);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		owned(buf) struct buf changed = {.max = 65536};
		struct err err;
		int rc;

		for (const int *line = cases[i].lines; *line; line++) {
			char *at = line_of(text, *line);

			buf_put(&changed, at, strcspn(at, "\n") + 1);
		}
		must_write(store, "audit.log", changed.data, changed.len);
		rc = store_audit_verify(store, NULL, NULL, &err);
		if (cases[i].message && (rc != -ERR_DIFFERENT || !strstr(err.message, cases[i].message)))
			fail_msg("case %zu: %d %s", i, rc, err.message);
		if (!cases[i].message)
			assert_true(rc > 0);
	}
}

static void an_older_document_is_found(void **state)
{
	owned(store) struct store *store = must_open(*state);
	owned(mem) char *old = NULL;
	struct err err;
	size_t len;

	must_commit(store, "f");
	old = must_slurp(store, "fleet.json", &len);
	must_commit(store, "g");
	must_commit(store, "h");
	must_write(store, "fleet.json", old, len);
	assert_int_equal(store_audit_verify(store, NULL, NULL, &err), -ERR_DIFFERENT);
	assert_string_equal(err.message, "the document is of revision 1, older than the trail's 3");
}

/* A crash may leave any beginning of a line. */
static void torn_lines_were_never_written(void **state)
{
	owned(store) struct store *store = with_entries(*state);
	size_t len, first;
	owned(mem) char *text = must_slurp(store, "audit.log", &len);

	first = strcspn(text, "\n");
	for (size_t torn = 0; torn < first; torn++) {
		owned(buf) struct buf log = {.max = 65536};
		struct store_audit_trail trail = {0};

		buf_put(&log, text, len);
		buf_put(&log, text, torn);
		must_write(store, "audit.log", log.data, log.len);
		assert_int_equal(must_verify(store), 4);
		assert_int_equal(store_audit_read(store, &trail, NULL), 0);
		assert_int_equal(trail.n_entries, 4);
		json_release(&store_audit_trail_type, &trail);
		assert_int_equal(store_audit(store, "note", "n", NULL, NULL), 0);
		assert_int_equal(must_verify(store), 5);
	}
}

static void a_trail_that_is_none_is_not_extended(void **state)
{
	static const char *const endings[] = {"x\n", "{}\n", "\n", "{\"number\":1}\n"};
	owned(store) struct store *store = with_entries(*state);
	size_t len;
	owned(mem) char *text = must_slurp(store, "audit.log", &len);

	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		owned(buf) struct buf log = {.max = 65536};
		struct store_audit_trail trail = {0};
		struct store_edit *edit = NULL;
		struct err err;
		size_t after;
		char *same;

		buf_put(&log, text, len);
		buf_put_str(&log, endings[i]);
		must_write(store, "audit.log", log.data, log.len);
		assert_int_equal(store_audit(store, "note", "n", NULL, NULL), -ERR_INVALID);
		assert_int_equal(store_edit_begin(store, "x", &edit, &err), -ERR_INVALID);
		assert_non_null(strstr(err.hint, "audit repair"));
		assert_int_equal(store_audit_verify(store, NULL, NULL, NULL), -ERR_DIFFERENT);
		assert_int_equal(store_audit_read(store, &trail, NULL), -ERR_INVALID);
		same = must_slurp(store, "audit.log", &after);
		assert_int_equal(after, log.len);
		assert_memory_equal(same, log.data, after);
		free(same);
	}
}

static void hostile_texts_are_kept_and_cut(void **state)
{
	static const char *const units[] = {"\x01", "\xff", "\"", "\\", "\n", "\xf0\x9f\x98\x80", "\x7f", "a"};
	owned(store) struct store *store = must_open(*state);
	struct store_audit_trail trail = {0};
	int n = 0;

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		owned(buf) struct buf text = {.max = 1 << 20};

		while (text.len < 20000)
			buf_put_str(&text, units[i]);
		assert_int_equal(store_audit(store, buf_text(&text), buf_text(&text), buf_text(&text), NULL), 0);
		assert_int_equal(must_verify(store), ++n);
	}
	assert_int_equal(store_audit_read(store, &trail, NULL), 0);
	assert_int_equal(strlen(trail.entries[n - 1].detail), 3000);
	json_release(&store_audit_trail_type, &trail);
}

static int read_and_release(struct store *store)
{
	struct store_audit_trail trail = {0};
	struct err err;
	int rc = store_audit_read(store, &trail, &err);

	if (rc < 0)
		assert_null(trail.entries);
	json_release(&store_audit_trail_type, &trail);
	return rc;
}

static void no_memory_is_survived(void **state)
{
	owned(store) struct store *store = with_entries(*state);

	assert_survives_no_memory(read_and_release(store));
	assert_survives_no_memory(store_audit(store, "note", "n", NULL, NULL));
	assert_int_equal(must_verify(store), 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		temp_test(entries_say_who_did_what),
		temp_test(hashes_are_those_of_the_line),
		temp_test(each_changed_byte_is_found),
		temp_test(moved_and_missing_lines_are_found),
		temp_test(an_older_document_is_found),
		temp_test(torn_lines_were_never_written),
		temp_test(a_trail_that_is_none_is_not_extended),
		temp_test(hostile_texts_are_kept_and_cut),
		temp_test(no_memory_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
