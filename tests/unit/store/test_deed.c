/* SPDX-License-Identifier: Apache-2.0 */
#include "folder.h"
#include "steps.h"

#include <dirent.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/str.h"

/* What a deed changes here: a file that is there or not. */
static int deed(const char *path)
{
	return file_write(in(path, "made"), "x", 1, 0600, NULL);
}

static bool is_done(const char *path)
{
	return file_exists(in(path, "made"));
}

static int begin(struct store *store, struct store_deed **ret, struct err *err)
{
	return store_deed_begin(store, "key generate", "payments", "signing-1", ret, err);
}

/* From the first entry to the last, as commands go about it. */
static int generate(const char *path, struct err *err)
{
	owned(store) struct store *store = NULL;
	owned(store_deed) struct store_deed *d = NULL;
	int rc = store_open(path, 0, &store, err);

	if (rc == 0)
		rc = begin(store, &d, err);
	if (rc < 0)
		return rc;
	rc = deed(path);
	store_deed_end(d, NULL, rc, err);
	return rc;
}

static struct store_audit_trail read_all(struct store *store)
{
	struct store_audit_trail trail = {0};
	struct err err;

	if (store_audit_read(store, &trail, &err) < 0)
		fail_msg("%s", err.message);
	return trail;
}

/* "begun done" of the trail's deeds, in its order; with fold one word a deed. */
static const char *outcomes(struct store *store, bool fold)
{
	static char text[1000];
	struct store_audit_trail trail = read_all(store);

	if (fold)
		assert_int_equal(store_audit_fold(&trail, NULL), 0);
	*text = 0;
	for (size_t i = 0; i < trail.n_entries; i++)
		if (trail.entries[i].deed)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", *text ? " " : "",
				 store_outcome_names[trail.entries[i].outcome]);
	json_release(&store_audit_trail_type, &trail);
	return text;
}

static size_t locks_left(const char *path)
{
	DIR *dir = opendir(in(path, "locks"));
	struct dirent *entry;
	size_t n = 0;

	while (dir && (entry = readdir(dir)))
		n += entry->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return n;
}

static void a_deed_has_an_entry_before_it_and_one_after(void **state)
{
	owned(store) struct store *store = must_open(*state);
	owned(store_deed) struct store_deed *d = NULL;
	struct store_audit_trail trail;

	assert_null(store_head(store));
	assert_int_equal(begin(store, &d, NULL), 0);
	assert_string_equal(outcomes(store, false), "begun");
	store_deed_end(d, NULL, 0, NULL);
	store_deed_end(d, NULL, 0, NULL);	/* once */
	assert_int_equal(must_verify(store), 2);
	trail = read_all(store);
	assert_string_equal(trail.entries[0].deed, trail.entries[1].deed);
	for (size_t i = 0; i < 2; i++) {
		assert_string_equal(trail.entries[i].action, "key generate");
		assert_string_equal(trail.entries[i].subject, "payments");
		assert_string_equal(trail.entries[i].detail, "signing-1");
	}
	assert_string_equal(store_head(store), trail.entries[1].hash);
	json_release(&store_audit_trail_type, &trail);
	assert_string_equal(outcomes(store, true), "done");
	assert_int_equal(locks_left(*state), 0);
}

static void the_end_says_how_it_went(void **state)
{
	static const struct {
		enum err_code code;
		enum store_outcome outcome;
	} cases[] = {
		{ERR_OK, STORE_DONE}, {ERR_POLICY, STORE_FAILED}, {ERR_TOKEN, STORE_FAILED},
		{ERR_NOT_KNOWN, STORE_NOT_KNOWN}, {ERR_INTERRUPTED, STORE_NOT_KNOWN}, {ERR_TIMEOUT, STORE_NOT_KNOWN},
	};
	owned(store) struct store *store = must_open(*state);
	struct store_audit_trail trail;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		owned(store_deed) struct store_deed *d = NULL;
		struct err why = {.message = "the reason"};

		assert_int_equal(begin(store, &d, NULL), 0);
		store_deed_end(d, i ? "more" : NULL, -(int)cases[i].code, &why);
	}
	trail = read_all(store);
	assert_int_equal(store_audit_fold(&trail, NULL), 0);
	assert_int_equal(trail.n_entries, sizeof(cases) / sizeof(cases[0]));
	for (size_t i = 0; i < trail.n_entries; i++) {
		assert_int_equal(trail.entries[i].outcome, cases[i].outcome);
		assert_string_equal(trail.entries[i].detail, i ? "more" : "signing-1");
		assert_true(str_eq(trail.entries[i].reason, i ? "the reason" : NULL));
	}
	json_release(&store_audit_trail_type, &trail);
}

static void without_an_entry_there_is_no_deed(void **state)
{
	owned(store) struct store *store = must_open(*state);
	owned(mem) char *log = file_join(*state, "audit.log");
	struct store_deed *none = NULL;
	struct err err;

	must_commit(store, "f");
	for (int i = 0; i < 2; i++) {
		size_t len;
		owned(mem) char *text = must_slurp(store, "audit.log", &len);
		owned(mem) char *broken = mem_printf("%.*s%s", (int)len, text, i ? "garbage\n" : "{}\n");

		must_write(store, "audit.log", broken, strlen(broken));
		assert_int_equal(begin(store, &none, &err), -ERR_INVALID);
		assert_non_null(strstr(err.hint, "audit repair"));
		must_write(store, "audit.log", text, len);
		assert_int_equal(locks_left(*state), 0);
	}
	if (geteuid() != 0)
		skip();
	/* root's store, of which somebody else may read all. */
	assert_int_equal(chmod(*state, 0755), 0);
	assert_int_equal(chmod(log, 0644), 0);
	assert_int_equal(seteuid(65534), 0);
	assert_int_equal(begin(store, &none, &err), -ERR_DENIED);
	assert_int_equal(seteuid(0), 0);
	assert_null(none);
	assert_string_equal(outcomes(store, false), "");
}

/* Kill it at each of its steps: nothing is done that the trail does not speak of, and whoever comes next ends it. */
static void a_killed_deed_was_begun_in_the_trail(void **state)
{
	for (enum step_fault fault = STEP_KILL_BEFORE; fault <= STEP_KILL_HALFWAY; fault++) {
		owned(mem) char *path = mem_printf("%s/%d", (char *)*state, fault);
		owned(store) struct store *store = must_open(path);
		size_t undone = 0, unended = 0, whole = 0;
		bool died = true;

		must_commit(store, "f");
		for (unsigned long n = 1; died; n++) {
			owned(store_deed) struct store_deed *next = NULL;
			bool begun;
			int status;
			pid_t pid = fork();

			if (pid == 0) {
				step_arm(fault, n);
				_exit(generate(path, NULL) < 0);
			}
			assert_int_equal(waitpid(pid, &status, 0), pid);
			died = status != 0;
			assert_true(!died || (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL));
			must_verify(store);
			begun = *outcomes(store, false);
			assert_true(begun || !is_done(path));
			undone += begun && !is_done(path);
			unended += str_eq(outcomes(store, true), "begun");
			whole += str_eq(outcomes(store, true), "done");
			/* whoever comes next */
			assert_int_equal(begin(store, &next, NULL), 0);
			store_deed_end(next, NULL, 0, NULL);
			assert_true(!begun || str_starts(outcomes(store, true), "done") ||
				    str_eq(outcomes(store, true), "not_known done"));
			assert_null(strstr(outcomes(store, true), "begun"));
			must_verify(store);
			assert_int_equal(locks_left(path), 0);
			/* a new trail for the next round */
			assert_int_equal(file_remove_tree(path, NULL), 0);
			store_free(store);
			store = must_open(path);
			must_commit(store, "f");
			assert_true(n < 100);
		}
		assert_true(undone && unended > undone && whole);
	}
}

/* A disk that is full at any step, for a moment or for good. */
static void a_full_disk_is_met_before_the_deed_or_told_after_it(void **state)
{
	for (enum step_fault fault = STEP_FULL_ONCE; fault <= STEP_FULL; fault++) {
		owned(mem) char *path = mem_printf("%s/%d", (char *)*state, fault);
		size_t refused = 0, unended = 0;
		bool met = true;

		for (unsigned long n = 1; met; n++) {
			owned(store) struct store *store = must_open(path);
			owned(store_deed) struct store_deed *next = NULL;
			struct err err = {0};
			int rc;

			must_commit(store, "f");
			step_arm(fault, n);
			rc = generate(path, &err);
			met = !step_left || step_full;
			step_arm(fault, 0);
			must_verify(store);
			assert_true(is_done(path) ? *outcomes(store, false) : rc < 0);
			refused += !*outcomes(store, false);
			unended += is_done(path) && str_eq(outcomes(store, true), "begun");
			assert_int_equal(begin(store, &next, NULL), 0);
			store_deed_end(next, NULL, 0, NULL);
			assert_null(strstr(outcomes(store, true), "begun"));
			assert_int_equal(locks_left(path), 0);
			assert_int_equal(file_remove_tree(path, NULL), 0);
			assert_true(n < 100);
		}
		assert_true(refused && unended);
	}
}

static void a_deed_that_goes_on_is_not_ended_by_others(void **state)
{
	owned(store) struct store *store = must_open(*state), *other = must_open(*state);
	owned(store_deed) struct store_deed *long_one = NULL, *short_one = NULL;
	struct store_audit_trail trail;

	assert_int_equal(begin(store, &long_one, NULL), 0);
	assert_int_equal(begin(other, &short_one, NULL), 0);
	store_deed_end(short_one, NULL, 0, NULL);
	assert_string_equal(outcomes(store, true), "begun done");
	trail = read_all(store);
	assert_true(store_deed_goes_on(store, &trail.entries[0]));
	store_deed_free(own_take(long_one));
	assert_false(store_deed_goes_on(store, &trail.entries[0]));
	json_release(&store_audit_trail_type, &trail);
	/* Let go without an end, as by a death: the next one says so, once. */
	for (int i = 0; i < 2; i++) {
		owned(store_deed) struct store_deed *next = NULL;

		assert_int_equal(begin(other, &next, NULL), 0);
		store_deed_end(next, NULL, 0, NULL);
	}
	assert_string_equal(outcomes(store, true), "done not_known done done");
	trail = read_all(store);
	assert_non_null(strstr(trail.entries[3].reason, "entry 1, did not come to its end"));
	json_release(&store_audit_trail_type, &trail);
}

static void a_commit_ends_a_deed(void **state)
{
	owned(store) struct store *store = must_open(*state);
	owned(store_edit) struct store_edit *edit = NULL;
	owned(store_deed) struct store_deed *d = NULL;

	assert_int_equal(store_edit_begin(store, "x", &edit, NULL), 0);
	assert_int_equal(begin(store, &d, NULL), 0);
	/* A document without a name is refused; the deed goes on. */
	assert_int_equal(store_deed_commit(d, edit, NULL, NULL), -ERR_INVALID);
	assert_string_equal(outcomes(store, true), "begun");
	assert_int_equal(locks_left(*state), 1);
	assert_int_equal(fleet_set(&store_edit_fleet(edit)->name, "f", NULL), 0);
	assert_int_equal(store_deed_commit(d, edit, NULL, NULL), 0);
	assert_string_equal(outcomes(store, false), "begun done");
	assert_int_equal(locks_left(*state), 0);
	store_deed_end(d, NULL, -ERR_FAILED, NULL);
	assert_int_equal(must_verify(store), 2);
}

static int once(const char *path)
{
	owned(store) struct store *store = NULL;
	owned(store_deed) struct store_deed *d = NULL;
	struct store_audit_trail trail = {0};
	struct err err;
	int rc = store_open(path, 0, &store, &err);

	if (rc == 0)
		rc = begin(store, &d, &err);
	if (rc == 0)
		rc = store_audit_read(store, &trail, &err);
	if (rc == 0)
		rc = store_audit_fold(&trail, &err);
	json_release(&store_audit_trail_type, &trail);
	if (rc == 0)
		store_deed_end(d, NULL, 0, NULL);
	return rc;
}

static void no_memory_is_survived(void **state)
{
	owned(store) struct store *store = must_open(*state);

	must_commit(store, "f");
	assert_survives_no_memory(once(*state));
	must_verify(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		temp_test(a_deed_has_an_entry_before_it_and_one_after),
		temp_test(the_end_says_how_it_went),
		temp_test(without_an_entry_there_is_no_deed),
		temp_test(a_killed_deed_was_begun_in_the_trail),
		temp_test(a_full_disk_is_met_before_the_deed_or_told_after_it),
		temp_test(a_deed_that_goes_on_is_not_ended_by_others),
		temp_test(a_commit_ends_a_deed),
		temp_test(no_memory_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
