/* SPDX-License-Identifier: Apache-2.0 */
#include "folder.h"
#include "steps.h"

#include <dirent.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/str.h"
#include "crypto/digest.h"

static struct store *with_entries(const char *path)
{
	struct store *store = must_open(path);

	must_commit(store, "f");
	assert_int_equal(store_audit(store, "note", "n", NULL, NULL), 0);
	must_commit(store, "g");
	return store;
}

static void append(struct store *store, const char *junk, size_t len)
{
	size_t had;
	owned(mem) char *text = must_slurp(store, "audit.log", &had);
	owned(buf) struct buf both = {.max = 1 << 20};

	buf_put(&both, text, had);
	buf_put(&both, junk, len);
	must_write(store, "audit.log", both.data, both.len);
}

/* The newest entry. */
static struct store_audit_entry last(struct store *store, struct store_audit_trail *trail)
{
	*trail = (struct store_audit_trail){0};
	assert_int_equal(store_audit_read(store, trail, NULL), 0);
	return trail->entries[trail->n_entries - 1];
}

static void is_kept(const struct store_repair *repair, const char *bytes, size_t len)
{
	owned(buf) struct buf kept = {.max = 1 << 20};
	char digest[SHA256_TEXT];
	struct stat st;

	assert_int_equal(file_read(repair->kept, &kept, NULL), 0);
	assert_int_equal(kept.len, len);
	assert_memory_equal(kept.data, bytes, len);
	assert_int_equal(crypto_sha256_hex(bytes, len, digest, NULL), 0);
	assert_string_equal(repair->digest, digest);
	assert_int_equal(stat(repair->kept, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void a_broken_end_is_kept_beside_and_gone_on_from(void **state)
{
	static char zeros[200000];
	static const struct {
		const char *junk;
		size_t len;
	} cases[] = {
		{"garbage\n", 8}, {"{}\n{\"number\":4}\n\n", 17}, {"\n", 1}, {"{\"number\":4,\"ti", 15},
		{"a\0b\xff\n", 5}, {zeros, sizeof(zeros)},
	};
	owned(store) struct store *store = with_entries(*state);
	int entries = 3;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		owned(store_repair) struct store_repair seen = {0}, repair = {0};
		struct store_audit_trail trail;
		struct store_audit_entry entry;
		size_t len, after;
		owned(mem) char *text = must_slurp(store, "audit.log", &len), *now = NULL;

		append(store, cases[i].junk, cases[i].len);
		assert_int_equal(store_audit_look(store, &seen, NULL), 0);
		assert_int_equal(seen.damage, STORE_END_BROKEN);
		assert_null(seen.kept);
		assert_int_equal(store_audit_repair(store, false, &repair, NULL), 0);
		assert_int_equal(repair.damage, STORE_END_BROKEN);
		assert_int_equal(repair.entries, entries);
		assert_int_equal(repair.bytes, cases[i].len);
		is_kept(&repair, cases[i].junk, cases[i].len);
		assert_int_equal(must_verify(store), ++entries);
		now = must_slurp(store, "audit.log", &after);
		assert_memory_equal(now, text, len);
		entry = last(store, &trail);
		assert_string_equal(entry.action, "audit repair");
		assert_non_null(strstr(entry.detail, repair.digest));
		assert_non_null(strstr(entry.detail, strrchr(repair.kept, '/') + 1));
		assert_string_equal(store_head(store), entry.hash);
		json_release(&store_audit_trail_type, &trail);
	}
	must_commit(store, "h");
	assert_int_equal(must_verify(store), entries + 1);
}

static void nothing_happens_to_a_whole_trail(void **state)
{
	owned(store) struct store *store = with_entries(*state);

	for (int anew = 0; anew < 2; anew++) {
		owned(store_repair) struct store_repair repair = {0};

		assert_int_equal(store_audit_repair(store, anew, &repair, NULL), 0);
		assert_int_equal(repair.damage, STORE_WHOLE);
		assert_int_equal(repair.entries, 3);
		assert_null(repair.kept);
		assert_int_equal(must_verify(store), 3);
	}
}

/* Changed, removed or strange, with entries behind it. */
static void a_chain_that_is_broken_further_up_is_put_aside_only_when_that_is_meant(void **state)
{
	owned(store) struct store *store = with_entries(*state);

	for (int i = 0; i < 4; i++) {
		owned(store_repair) struct store_repair refused = {0}, repair = {0};
		struct store_audit_trail trail;
		struct store_audit_entry entry;
		size_t len, same_len;
		owned(mem) char *text = NULL, *same = NULL, *second = NULL, *broken = NULL;
		struct err err;

		must_commit(store, "f");
		must_commit(store, "g");
		text = must_slurp(store, "audit.log", &len);
		second = mem_strdup(strchr(text, 10) + 1);
		if (i == 0)
			broken = mem_printf("%s", second);
		else if (i == 1)
			broken = mem_printf("strange\n%s", text);
		else if (i == 2)
			broken = mem_printf("%s%s", text, second);
		else
			broken = mem_strdup(text), *strstr(broken, "\"user\":\"") = '\'';
		must_write(store, "audit.log", broken, strlen(broken));
		assert_int_equal(store_audit_repair(store, false, &refused, &err), -ERR_DIFFERENT);
		assert_non_null(strstr(err.hint, "--new-chain"));
		assert_null(refused.kept);
		same = must_slurp(store, "audit.log", &same_len);
		assert_string_equal(same, broken);
		assert_int_equal(store_audit_repair(store, true, &repair, &err), 0);
		assert_int_equal(repair.damage, STORE_CHAIN_BROKEN);
		is_kept(&repair, broken, strlen(broken));
		assert_int_equal(must_verify(store), 1);
		entry = last(store, &trail);
		assert_int_equal(entry.number, 1);
		assert_non_null(strstr(entry.detail, repair.digest));
		json_release(&store_audit_trail_type, &trail);
	}
}

/* What came of the document while the trail was broken is told before the repair is. */
static void a_document_that_the_trail_does_not_know_is_told(void **state)
{
	owned(store) struct store *store = with_entries(*state);
	owned(store_repair) struct store_repair repair = {0};
	struct store_audit_trail trail;
	size_t len;
	owned(mem) char *text = must_slurp(store, "audit.log", &len);

	/* The commit of "h" is lost. */
	must_commit(store, "h");
	must_write(store, "audit.log", text, len);
	append(store, "lost\n", 5);
	assert_int_equal(store_audit_repair(store, false, &repair, NULL), 0);
	last(store, &trail);
	assert_int_equal(trail.n_entries, 5);
	assert_string_equal(trail.entries[3].action, "store changed");
	assert_string_equal(trail.entries[4].action, "audit repair");
	json_release(&store_audit_trail_type, &trail);
	must_verify(store);
}

/* Until the process has the file open. */
static void await_open(pid_t pid, const char *path)
{
	owned(mem) char *folder = mem_printf("/proc/%d/fd", (int)pid);
	bool found = false;

	while (!found) {
		DIR *dir = opendir(folder);
		struct dirent *entry;

		while (dir && (entry = readdir(dir))) {
			char target[PATH_MAX];
			ssize_t len = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);

			target[len > 0 ? len : 0] = 0;
			found = found || str_eq(target, path);
		}
		closedir(dir);
	}
}

static void who_waited_for_a_trail_that_was_put_aside_appends_to_the_new_one(void **state)
{
	owned(store) struct store *store = with_entries(*state);
	owned(mem) char *path = store_file(store, "audit.log");
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	size_t len;
	owned(mem) char *text = must_slurp(store, "audit.log", &len);
	int fd = open(path, O_RDWR | O_CLOEXEC), ready[2], status;
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &whole), 0);
	pid = fork();
	if (pid == 0) {
		close(fd);
		(void)!write(ready[1], "x", 1);
		_exit(store_audit(store, "note", "late", NULL, NULL) < 0);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	await_open(pid, path);
	/* Another file of that name, as a repair leaves it. */
	must_write(store, "audit.log", text, len);
	close(fd);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(must_verify(store), 4);
	close(ready[0]);
	close(ready[1]);
}

static size_t kept_files(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	size_t n = 0;

	while ((entry = readdir(dir)))
		n += str_starts(entry->d_name, "audit.log.broken-");
	closedir(dir);
	return n;
}

/* Kill it at each of its steps; run again it ends well, and the bytes that went are somewhere beside. */
static void a_killed_repair_can_be_run_again(void **state)
{
	static char junk[5000];	/* more than an entry */

	memset(junk, 'x', sizeof(junk));
	junk[sizeof(junk) - 1] = '\n';
	for (int anew = 0; anew < 2; anew++)
		for (enum step_fault fault = STEP_KILL_BEFORE; fault <= STEP_KILL_HALFWAY; fault++) {
			owned(mem) char *path = mem_printf("%s/%d-%d", (char *)*state, anew, fault);
			bool died = true;

			for (unsigned long n = 1; died; n++) {
				owned(store) struct store *store = with_entries(path);
				owned(store_repair) struct store_repair repair = {0};
				struct err err = {0};
				pid_t pid;
				int status;

				if (anew) {
					size_t len;
					owned(mem) char *text = must_slurp(store, "audit.log", &len);

					text[2] = 'x';
					must_write(store, "audit.log", text, len);
				} else {
					append(store, junk, sizeof(junk));
				}
				pid = fork();
				if (pid == 0) {
					step_arm(fault, n);
					_exit(store_audit_repair(store, anew, &repair, NULL) < 0);
				}
				assert_int_equal(waitpid(pid, &status, 0), pid);
				died = status != 0;
				if (store_audit_repair(store, anew, &repair, &err) < 0)
					fail_msg("%s", err.message);
				must_verify(store);
				assert_true(kept_files(path) > 0);
				assert_int_equal(file_remove_tree(path, NULL), 0);
				assert_true(n < 100);
			}
		}
}

static int once(struct store *store, const char *broken, bool anew)
{
	owned(store_repair) struct store_repair repair = {0};
	unsigned long left = mem_fail_after;
	struct err err;

	mem_fail_after = 0;
	must_write(store, "audit.log", broken, strlen(broken));
	mem_fail_after = left;
	return store_audit_repair(store, anew, &repair, &err);
}

static void no_memory_is_survived(void **state)
{
	owned(store) struct store *store = with_entries(*state);
	size_t len;
	owned(mem) char *text = must_slurp(store, "audit.log", &len);
	owned(mem) char *end = mem_printf("%sgarbage\n", text), *midst = mem_printf("garbage\n%s", text);

	assert_survives_no_memory(once(store, end, false));
	must_verify(store);
	assert_survives_no_memory(once(store, midst, true));
	must_verify(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		temp_test(a_broken_end_is_kept_beside_and_gone_on_from),
		temp_test(nothing_happens_to_a_whole_trail),
		temp_test(a_chain_that_is_broken_further_up_is_put_aside_only_when_that_is_meant),
		temp_test(a_document_that_the_trail_does_not_know_is_told),
		temp_test(who_waited_for_a_trail_that_was_put_aside_appends_to_the_new_one),
		temp_test(a_killed_repair_can_be_run_again),
		temp_test(no_memory_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
