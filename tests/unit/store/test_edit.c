/* SPDX-License-Identifier: Apache-2.0 */
#include "folder.h"
#include "steps.h"

#include <dirent.h>
#include <sys/wait.h>

#include "base/str.h"

static void commits_count_revisions(void **state)
{
	owned(store) struct store *store = must_open(*state);
	owned(store_edit) struct store_edit *edit = NULL;
	owned(fleet) struct fleet *fleet = NULL;
	struct store_audit_trail trail = {0};
	struct err err;

	assert_int_equal(store_edit_begin(store, "x", &edit, &err), 0);
	for (int i = 1; i <= 3; i++) {
		assert_int_equal(fleet_set(&store_edit_fleet(edit)->name, i < 3 ? "one" : "two", &err), 0);
		assert_int_equal(store_edit_commit(edit, "do it", "f", i < 3 ? NULL : "detail", &err), 0);
		assert_int_equal(store_edit_fleet(edit)->revision, i);
	}
	fleet = must_read(store);
	assert_string_equal(fleet->name, "two");
	assert_int_equal(fleet->revision, 3);
	assert_int_equal(must_verify(store), 3);
	assert_int_equal(store_audit_read(store, &trail, &err), 0);
	assert_int_equal(trail.n_entries, 3);
	assert_int_equal(trail.entries[2].number, 3);
	assert_int_equal(trail.entries[2].revision, 3);
	assert_string_equal(trail.entries[2].action, "do it");
	assert_string_equal(trail.entries[2].subject, "f");
	assert_string_equal(trail.entries[2].detail, "detail");
	assert_string_equal(trail.entries[2].previous, trail.entries[1].hash);
	assert_null(trail.entries[0].detail);
	json_release(&store_audit_trail_type, &trail);
}

static void what_is_not_committed_leaves_no_trace(void **state)
{
	owned(store) struct store *store = must_open(*state);
	owned(store_edit) struct store_edit *edit = NULL;
	owned(fleet) struct fleet *fleet = NULL;

	must_commit(store, "f");
	assert_int_equal(store_edit_begin(store, "x", &edit, NULL), 0);
	assert_int_equal(fleet_set(&store_edit_fleet(edit)->name, "g", NULL), 0);
	store_edit_free(own_take(edit));
	fleet = must_read(store);
	assert_string_equal(fleet->name, "f");
	assert_int_equal(fleet->revision, 1);
	assert_int_equal(must_verify(store), 1);
}

static void invalid_changes_are_refused(void **state)
{
	owned(store) struct store *store = must_open(*state);
	owned(store_edit) struct store_edit *edit = NULL;
	struct fleet *fleet;
	struct fleet_device *device;
	struct err err;

	assert_int_equal(store_edit_begin(store, "x", &edit, &err), 0);
	fleet = store_edit_fleet(edit);
	assert_int_equal(store_edit_commit(edit, "a", "b", NULL, &err), -ERR_INVALID);
	assert_string_equal(err.message, "the change would make the document invalid: the key 'name' is missing");
	assert_int_equal(fleet_set(&fleet->name, "f", NULL), 0);
	device = json_append(&fleet->devices, &fleet->n_devices, sizeof(*device));
	assert_int_equal(fleet_set(&device->name, "d", NULL), 0);
	assert_int_equal(fleet_set(&device->datacenter, "nowhere", NULL), 0);
	assert_int_equal(store_edit_commit(edit, "a", "b", NULL, &err), -ERR_INVALID);
	assert_non_null(strstr(err.message, "device 'd' names the datacenter 'nowhere'"));
	assert_int_equal(fleet->revision, 0);
	assert_int_equal(must_verify(store), 0);
	/* mended, the same edit goes through */
	free(device->name);
	free(device->datacenter);
	json_remove(&fleet->devices, &fleet->n_devices, sizeof(*device), 0);
	assert_int_equal(store_edit_commit(edit, "a", "b", NULL, &err), 0);
	assert_int_equal(must_verify(store), 1);
}

static void a_changed_document_is_not_overwritten(void **state)
{
	static const char other[] = "{\"name\":\"other\",\"datacenters\":[],\"devices\":[]}";
	owned(store) struct store *store = must_open(*state);
	struct err err;

	/* before the first revision and after it */
	for (int i = 0; i < 2; i++) {
		owned(store_edit) struct store_edit *edit = NULL;
		owned(fleet) struct fleet *fleet = NULL;
		owned(mem) char *path = store_file(store, "fleet.json");

		assert_int_equal(store_edit_begin(store, "x", &edit, &err), 0);
		assert_int_equal(fleet_set(&store_edit_fleet(edit)->name, "mine", NULL), 0);
		must_write(store, "fleet.json", other, strlen(other));
		assert_int_equal(store_edit_commit(edit, "a", "b", NULL, &err), -ERR_CHANGED);
		fleet = must_read(store);
		assert_string_equal(fleet->name, "other");
		assert_int_equal(must_verify(store), 0);
		if (i == 0)
			assert_int_equal(file_remove(path, NULL), 0);
	}
}

static void the_holder_of_the_lock_is_named(void **state)
{
	owned(store) struct store *store = must_open(*state);
	owned(store_edit) struct store_edit *edit = NULL, *other = NULL;
	struct err err;

	assert_int_equal(store_edit_begin(store, "ha create payments", &edit, &err), 0);
	assert_int_equal(store_edit_begin(store, "other", &other, &err), -ERR_LOCKED);
	assert_non_null(strstr(err.message, "doing 'ha create payments'"));
	/* entries need no edit, not even another's to end */
	assert_int_equal(store_audit(store, "key generate", "k", NULL, &err), 0);
	store_edit_free(own_take(edit));
	assert_int_equal(store_edit_begin(store, "other", &other, &err), 0);
}

static size_t litter(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	size_t n = 0;

	while ((entry = readdir(dir)))
		n += !str_eq(entry->d_name, ".") && !str_eq(entry->d_name, "..") &&
		     !str_eq(entry->d_name, "lock") && !str_eq(entry->d_name, "fleet.json") &&
		     !str_eq(entry->d_name, "audit.log");
	closedir(dir);
	return n;
}

static void must_add_place(struct store *store, const char *name)
{
	owned(store_edit) struct store_edit *edit = NULL;
	struct fleet_datacenter *place;
	struct fleet *fleet;
	struct err err;

	assert_int_equal(store_edit_begin(store, "x", &edit, NULL), 0);
	fleet = store_edit_fleet(edit);
	place = json_append(&fleet->datacenters, &fleet->n_datacenters, sizeof(*place));
	assert_int_equal(fleet_set(&place->name, name, NULL), 0);
	assert_int_equal(fleet_set(&place->region, "east", NULL), 0);
	assert_int_equal(fleet_set(&place->provider, "softhsm", NULL), 0);
	if (store_edit_commit(edit, "add", name, NULL, &err) < 0)
		fail_msg("%s", err.message);
}

/* Between a yield and a commit others edit, and both changes are kept. */
static void a_slow_edit_keeps_nobody_out(void **state)
{
	owned(store) struct store *store = must_open(*state), *other = must_open(*state);
	owned(store_edit) struct store_edit *slow = NULL;
	owned(fleet) struct fleet *fleet = NULL;
	struct err err;

	must_commit(store, "f");
	assert_int_equal(store_edit_begin(store, "provision apply", &slow, &err), 0);
	store_edit_yield(slow);
	for (int i = 1; i <= 2; i++) {
		must_add_place(other, i == 1 ? "g" : "h");
		assert_int_equal(fleet_set(&store_edit_fleet(slow)->name, i == 1 ? "t" : "u", NULL), 0);
		assert_int_equal(store_edit_commit(slow, "a", "b", NULL, &err), 0);
		assert_int_equal(store_edit_fleet(slow)->revision, 1 + 2 * i);
		assert_null(fleet_datacenter(store_edit_fleet(slow), "g"));
	}
	fleet = must_read(store);
	assert_int_equal(fleet->revision, 5);
	assert_string_equal(fleet->name, "u");
	assert_non_null(fleet_datacenter(fleet, "g"));
	assert_non_null(fleet_datacenter(fleet, "h"));
	assert_int_equal(must_verify(store), 5);
}

static void two_changes_of_one_part_are_a_conflict(void **state)
{
	owned(store) struct store *store = must_open(*state), *other = must_open(*state);
	owned(store_edit) struct store_edit *slow = NULL;
	owned(fleet) struct fleet *fleet = NULL;
	struct err err;

	must_commit(store, "f");
	assert_int_equal(store_edit_begin(store, "x", &slow, &err), 0);
	store_edit_yield(slow);
	must_commit(other, "theirs");
	assert_int_equal(fleet_set(&store_edit_fleet(slow)->name, "ours", NULL), 0);
	assert_int_equal(store_edit_commit(slow, "a", "b", NULL, &err), -ERR_CHANGED);
	assert_string_equal(err.message, "fleet 'theirs' was changed by another command meanwhile");
	fleet = must_read(store);
	assert_string_equal(fleet->name, "theirs");
	assert_int_equal(must_verify(store), 2);
	assert_int_equal(litter(*state), 0);
}

static void a_slow_edit_waits_for_the_lock_to_commit(void **state)
{
	owned(store) struct store *store = must_open(*state), *other = must_open(*state);
	owned(store_edit) struct store_edit *slow = NULL, *quick = NULL;
	struct err err;

	must_commit(store, "f");
	assert_int_equal(store_edit_begin(store, "x", &slow, &err), 0);
	store_edit_yield(slow);
	assert_int_equal(store_edit_begin(other, "ha create payments", &quick, &err), 0);
	assert_int_equal(fleet_set(&store_edit_fleet(slow)->name, "t", NULL), 0);
	assert_int_equal(store_edit_commit(slow, "a", "b", NULL, &err), -ERR_LOCKED);
	assert_non_null(strstr(err.message, "doing 'ha create payments'"));
	store_edit_free(own_take(quick));
	assert_int_equal(store_edit_commit(slow, "a", "b", NULL, &err), 0);
	/* and gives it back */
	must_commit(other, "f");
}

static pid_t start(void (*work)(const char *path, int id), const char *path, int id)
{
	pid_t pid = fork();

	if (pid == 0) {
		work(path, id);
		_exit(0);
	}
	assert_true(pid > 0);
	return pid;
}

static int status_of(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

enum { ROUNDS = 25 };

static void edit_often(const char *path, int id)
{
	owned(store) struct store *store = NULL;
	char name[20];

	if (store_open(path, 0, &store, NULL) < 0)
		_exit(1);
	snprintf(name, sizeof(name), "writer-%d", id);
	for (int i = 0; i < ROUNDS; i++)
		if (commit(store, name, NULL) < 0)
			_exit(2);
}

static void audit_often(const char *path, int id)
{
	owned(store) struct store *store = NULL;

	if (store_open(path, 0, &store, NULL) < 0)
		_exit(1);
	for (int i = 0; i < ROUNDS; i++)
		if (store_audit(store, "note", "n", NULL, NULL) < 0 ||
		    store_audit_verify(store, NULL, NULL, NULL) < 0)
			_exit(2 + id);
}

static void concurrent_edits_are_all_kept(void **state)
{
	owned(store) struct store *store = must_open(*state);
	owned(fleet) struct fleet *fleet = NULL;
	pid_t pids[4];

	for (int i = 0; i < 2; i++) {
		pids[i] = start(edit_often, *state, i);
		pids[2 + i] = start(audit_often, *state, i);
	}
	for (int i = 0; i < 4; i++)
		assert_int_equal(status_of(pids[i]), 0);
	fleet = must_read(store);
	assert_int_equal(fleet->revision, 2 * ROUNDS);
	assert_int_equal(must_verify(store), 4 * ROUNDS);
}

static int64_t last_revision(struct store *store)
{
	struct store_audit_trail trail = {0};
	int64_t revision;

	assert_int_equal(store_audit_read(store, &trail, NULL), 0);
	revision = trail.n_entries ? trail.entries[trail.n_entries - 1].revision : 0;
	json_release(&store_audit_trail_type, &trail);
	return revision;
}

/* A child that commits "after" and dies at the n-th step; true when it did. */
static bool dies_at(const char *path, enum step_fault fault, unsigned long n)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		owned(store) struct store *store = NULL;

		step_arm(fault, n);
		if (store_open(path, STORE_CREATE, &store, NULL) < 0 || commit(store, "after", NULL) < 0)
			_exit(1);
		_exit(0);
	}
	status = status_of(pid);
	assert_true(status == 0 || (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL));
	return status != 0;
}

/* Kill a commit at each of its steps: old or new, and a trail that explains it. */
static void a_killed_commit_is_old_or_new(void **state)
{
	for (enum step_fault fault = STEP_KILL_BEFORE; fault <= STEP_KILL_HALFWAY; fault++) {
		owned(mem) char *path = mem_printf("%s/%d", (char *)*state, fault);
		owned(store) struct store *store = must_open(path);
		size_t old = 0, new = 0, ahead = 0;
		bool died = true;

		for (unsigned long n = 1; died; n++) {
			owned(fleet) struct fleet *before = NULL, *after = NULL, *last = NULL;
			bool is_new, is_ahead;
			int entries;

			must_commit(store, "before");
			before = must_read(store);
			died = dies_at(path, fault, n);
			after = must_read(store);
			is_new = str_eq(after->name, "after");
			assert_int_equal(after->revision, before->revision + is_new);
			entries = must_verify(store);
			is_ahead = last_revision(store) > after->revision;
			old += !is_new;
			new += is_new;
			ahead += is_ahead;
			/* whoever comes next cleans up and goes on */
			must_commit(store, "next");
			last = must_read(store);
			assert_int_equal(last->revision, after->revision + 1);
			assert_int_equal(must_verify(store), entries + 1 + is_ahead);
			assert_int_equal(litter(path), 0);
			assert_true(n < 100);
		}
		/* each of the three outcomes was met */
		assert_true(old && new > 1 && ahead);
	}
}

static void the_trail_says_what_was_not_carried_out(void **state)
{
	owned(store) struct store *store = must_open(*state);
	struct store_audit_trail trail = {0};

	must_commit(store, "before");
	for (unsigned long n = 1; last_revision(store) < 2; n++)
		dies_at(*state, STEP_KILL_BEFORE, n);
	assert_int_equal(store_audit(store, "note", "n", NULL, NULL), 0);
	assert_int_equal(store_audit_read(store, &trail, NULL), 0);
	assert_int_equal(trail.n_entries, 4);
	assert_string_equal(trail.entries[1].action, "test commit");
	assert_int_equal(trail.entries[1].revision, 2);
	assert_string_equal(trail.entries[2].action, "store recover");
	assert_string_equal(trail.entries[2].detail,
			    "entry 2 was not carried out; the document stays at revision 1");
	assert_int_equal(trail.entries[2].revision, 1);
	assert_string_equal(trail.entries[3].action, "note");
	json_release(&store_audit_trail_type, &trail);
}

/* A disk that is full at any step, for a moment or for good. */
static void a_full_disk_changes_nothing(void **state)
{
	for (enum step_fault fault = STEP_FULL_ONCE; fault <= STEP_FULL; fault++) {
		owned(mem) char *path = mem_printf("%s/%d", (char *)*state, fault);
		owned(store) struct store *store = must_open(path);
		size_t failed = 0;
		int rc = -1;

		must_commit(store, "before");
		for (unsigned long n = 1; rc < 0; n++) {
			owned(fleet) struct fleet *before = must_read(store), *after = NULL;
			struct err err;

			step_arm(fault, n);
			rc = commit(store, "after", &err);
			step_arm(fault, 0);
			after = must_read(store);
			must_verify(store);
			assert_int_equal(litter(path), 0);
			if (rc < 0) {
				assert_int_equal(rc, -ERR_IO);
				assert_non_null(strstr(err.message, "No space left"));
				failed++;
			}
			/* all but the last flush of the folder, which comes after */
			if (rc < 0 && str_eq(after->name, "before"))
				assert_int_equal(after->revision, before->revision);
			else
				assert_string_equal(after->name, "after");
			if (rc < 0)
				must_commit(store, "before");
		}
		assert_true(failed > 4);
		must_verify(store);
	}
}

/* A store from nothing to its first entries. */
static int make_and_commit(const char *path)
{
	owned(store) struct store *store = NULL;
	owned(fleet) struct fleet *fleet = NULL;
	struct err err;
	int rc = store_open(path, STORE_CREATE, &store, &err);

	if (rc == 0)
		rc = commit(store, "f", &err);
	if (rc == 0)
		rc = store_audit(store, "note", "n", "detail", &err);
	if (rc == 0)
		rc = store_read(store, &fleet, &err);
	return rc < 0 ? rc : store_audit_verify(store, NULL, NULL, &err);
}

static int make_again(const char *path)
{
	owned(store) struct store *store = NULL;
	int rc;

	assert_int_equal(file_remove_tree(path, NULL), 0);
	rc = make_and_commit(path);
	mem_fail_after = 0;
	if (rc < 0) {
		/* whatever was made is whole and can be gone on with */
		store = must_open(path);
		must_verify(store);
		must_commit(store, "g");
		must_verify(store);
		assert_int_equal(litter(path), 0);
	}
	return rc;
}

static void no_memory_is_survived(void **state)
{
	owned(mem) char *path = file_join(*state, "store");

	assert_survives_no_memory(make_again(path));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		temp_test(commits_count_revisions),
		temp_test(what_is_not_committed_leaves_no_trace),
		temp_test(invalid_changes_are_refused),
		temp_test(a_changed_document_is_not_overwritten),
		temp_test(the_holder_of_the_lock_is_named),
		temp_test(a_slow_edit_keeps_nobody_out),
		temp_test(two_changes_of_one_part_are_a_conflict),
		temp_test(a_slow_edit_waits_for_the_lock_to_commit),
		temp_test(concurrent_edits_are_all_kept),
		temp_test(a_killed_commit_is_old_or_new),
		temp_test(the_trail_says_what_was_not_carried_out),
		temp_test(a_full_disk_changes_nothing),
		temp_test(no_memory_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
