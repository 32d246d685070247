/* SPDX-License-Identifier: Apache-2.0 */
/* Files of statistics: what is counted is read, and what others write does no harm. */
#include "../base/temp.h"

#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/event.h"
#include "base/proc.h"
#include "base/str.h"
#include "stats/folder.h"
#include "stats/places.h"
#include "stats/stats.h"

/* A group of this process, in the folder of the test. */
static struct stats *open_in(const char *folder)
{
	struct stats *stats = NULL;

	setenv("HSMCTL_STATISTICS", folder, 1);
	assert_int_equal(stats_open(folder, false, "payments", "0102", &stats, NULL), 0);
	return stats;
}

static const char *name_of(const char *path)
{
	return strrchr(path, '/') + 1;
}

/* The newest of the entries that a walk came to. */
struct seen {
	size_t count;
	struct stats_entry last;
};

static int see(void *data, const struct stats_entry *entry, struct err *err)
{
	struct seen *seen = data;

	(void)err;
	seen->count++;
	memcpy(&seen->last, entry, sizeof(*entry));
	return 0;
}

static struct seen *look(const char *folder, struct stats_folder *ret)
{
	static struct seen seen;

	seen.count = 0;
	assert_int_equal(stats_each(folder, see, &seen, ret, NULL), 0);
	return &seen;
}

static size_t entries(const char *folder)
{
	struct stats_folder found;

	return look(folder, &found)->count;
}

static void what_is_counted_is_read(void **state)
{
	owned(stats) struct stats *stats = open_in(*state);
	struct stats_folder found;
	struct seen *seen;

	stats_member(stats, 0, "hsm-1", false);
	stats_member(stats, 2, "hsm-3/part", true);
	stats_asked(stats, 2, STATS_LINK, 0, 5000000);
	stats_asked(stats, 0, STATS_DONE, 0, 300000);
	stats_answered(stats, STATS_DONE, clock_now_ns(), clock_now_ns());
	stats_failover(stats, 2);
	stats_cut(stats, 2);
	stats_state(stats, 2, STATS_DOWN, ERR_TIMEOUT, 0x30);
	stats_happened(stats, EVENT_MEMBER_DOWN, 2, ERR_TIMEOUT, 0x30);
	stats_session(stats, true);
	stats_session(stats, true);
	stats_session(stats, false);
	stats_login(stats, true);
	stats_replayed(stats);
	stats_poisoned(stats);
	seen = look(*state, &found);
	assert_int_equal(seen->count, 1);
	assert_true(found.there && !found.denied && found.files == 1 && found.refused == 0);
	assert_int_equal(seen->last.life, STATS_RUNS);
	assert_int_equal(seen->last.uid, geteuid());
	assert_int_equal(seen->last.file.pid, getpid());
	assert_string_equal(seen->last.file.group, "payments");
	assert_string_equal(seen->last.file.serial, "0102");
	assert_string_equal(seen->last.file.program, "test_stats");
	assert_true(seen->last.last_ms > 0 && seen->last.last_ms >= seen->last.file.began_ms - 1);
	assert_string_equal(seen->last.file.members[2].name, "hsm-3/part");
	assert_int_equal(seen->last.file.members[2].role, 1);
	assert_int_equal(seen->last.file.members[1].there, 0);
	assert_int_equal(seen->last.file.members[2].state, STATS_DOWN);
	assert_int_equal(seen->last.file.members[2].error, ERR_TIMEOUT);
	assert_int_equal(seen->last.file.members[2].calls.outcomes[STATS_LINK], 1);
	assert_int_equal(seen->last.file.members[2].calls.times[stats_bucket(5000)], 1);
	assert_int_equal(seen->last.file.members[2].failovers + seen->last.file.members[2].cuts, 2);
	assert_int_equal(seen->last.file.members[2].outages, 1);
	assert_int_equal(seen->last.file.members[0].calls.outcomes[STATS_DONE], 1);
	assert_int_equal(seen->last.file.sessions, 1);
	assert_int_equal(seen->last.file.sessions_opened, 2);
	assert_int_equal(seen->last.file.logged_in, 1);
	assert_int_equal(seen->last.file.replays + seen->last.file.poisoned, 2);
	assert_int_equal(seen->last.file.changes[1].event, EVENT_MEMBER_DOWN);
	assert_int_equal(seen->last.file.changes[1].number, 1);
}

static void a_file_lasts_as_long_as_its_group(void **state)
{
	struct stats *stats = open_in(*state);
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s", stats_path(stats));
	assert_int_equal(entries(*state), 1);
	stats_free(stats);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(entries(*state), 0);
}

static void a_file_in_the_place_of_ours_stays(void **state)
{
	struct stats *stats = open_in(*state);
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s", stats_path(stats));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(file_write(path, "x", 1, 0600, NULL), 0);
	stats_free(stats);
	assert_int_equal(access(path, F_OK), 0);
}

static void two_groups_and_two_copies_of_the_library_have_files_of_their_own(void **state)
{
	owned(stats) struct stats *a = open_in(*state), *b = open_in(*state), *c = NULL;

	assert_int_equal(stats_open(*state, false, "other", NULL, &c, NULL), 0);
	assert_string_not_equal(stats_path(a), stats_path(b));
	assert_int_equal(entries(*state), 3);
}

/* The n-th time lies in this part: 0, 1, 2-3, 4-7 … */
static void times_fall_into_parts_that_double(void **state)
{
	static const struct {
		int64_t us;
		size_t bucket;
	} cases[] = {{INT64_MIN, 0}, {-1, 0}, {0, 0}, {1, 1}, {2, 2}, {3, 2}, {4, 3}, {1023, 10}, {1024, 11},
		     {INT64_C(1) << 30, 31}, {INT64_C(1) << 31, 31}, {INT64_MAX, 31}};
	stats_count times[STATS_BUCKETS] = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(stats_bucket(cases[i].us), cases[i].bucket);
	assert_true(stats_share_ms(times, 0.5) < 0);
	times[10] = 98;
	times[20] = 2;
	assert_true(stats_share_ms(times, 0.5) > 0.512 && stats_share_ms(times, 0.5) <= 1.024);
	assert_true(stats_share_ms(times, 0.99) > 524 && stats_share_ms(times, 0.99) <= 1048.576);
	assert_true(stats_share_ms(times, 1) == 1048.576);
}

static void *count_on(void *data)
{
	for (int i = 0; i < 20000; i++) {
		stats_asked(data, (size_t)i % 4, STATS_DONE, 0, i * 1000);
		stats_answered(data, STATS_DONE, 0, i * 1000);
		if (i % 100 == 0)
			stats_happened(data, EVENT_MEMBER_UP, (size_t)i % 4, 0, 0);
	}
	return NULL;
}

static void threads_count_at_once_and_a_reader_sees_no_nonsense(void **state)
{
	owned(stats) struct stats *stats = open_in(*state);
	pthread_t threads[4];
	struct stats_folder found;
	struct seen *seen;

	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, count_on, stats), 0);
	for (int i = 0; i < 50; i++) {
		seen = look(*state, &found);
		assert_int_equal(seen->count, 1);
		for (int c = 0; c < STATS_CHANGES; c++)
			assert_true(!seen->last.file.changes[c].number || seen->last.file.changes[c].member < 4);
	}
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	seen = look(*state, &found);
	assert_int_equal(stats_sum(seen->last.file.calls.outcomes, STATS_OUTCOMES), 80000);
	assert_int_equal(stats_sum(seen->last.file.calls.times, STATS_BUCKETS), 80000);
	assert_int_equal(seen->last.file.members[3].calls.outcomes[STATS_DONE], 20000);
	assert_int_equal(seen->last.file.n_changes, 800);
}

/* ---- what others write ---- */

/* A whole file, changed at one place, under this name. */
static void forge(const char *folder, const char *from, const char *name, size_t offset, const void *data, size_t len)
{
	struct stats_file file;
	int in_fd = open(from, O_RDONLY), out_fd;

	assert_int_equal(read(in_fd, &file, sizeof(file)), sizeof(file));
	close(in_fd);
	memcpy((char *)&file + offset, data, len);
	out_fd = open(in(folder, name), O_WRONLY | O_CREAT | O_TRUNC, 0644);
	assert_int_equal(write(out_fd, &file, sizeof(file)), sizeof(file));
	close(out_fd);
}

static void files_that_lie_are_refused(void **state)
{
	owned(stats) struct stats *stats = open_in(*state);
	static const uint64_t wrong = 0x4141414141414141;
	static const struct {
		size_t offset, len;
	} lies[] = {
		{offsetof(struct stats_file, magic), 8}, {offsetof(struct stats_file, version), 4},
		{offsetof(struct stats_file, size), 4}, {offsetof(struct stats_file, pid), 4},
		{offsetof(struct stats_file, started), 8}, {offsetof(struct stats_file, group), 8},
	};
	char other[PATH_MAX], name[STATS_NAME_MAX];
	struct stats_folder found;

	snprintf(other, sizeof(other), "%s/other", (char *)*state);
	assert_int_equal(mkdir(other, 0700), 0);
	snprintf(name, sizeof(name), "%s", name_of(stats_path(stats)));
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		forge(other, stats_path(stats), name, lies[i].offset, &wrong, lies[i].len);
		assert_int_equal(look(other, &found)->count, 0);
		assert_int_equal(found.refused, 1);
	}
	forge(other, stats_path(stats), name, 0, "", 0);
	assert_int_equal(look(other, &found)->count, 1);
	assert_int_equal(found.refused, 0);
}

static void what_is_no_file_of_that_length_is_refused(void **state)
{
	owned(stats) struct stats *stats = open_in(*state);
	char other[PATH_MAX], name[STATS_NAME_MAX];
	struct stats_folder found;
	const char *path;

	snprintf(other, sizeof(other), "%s/other", (char *)*state);
	snprintf(name, sizeof(name), "%s", name_of(stats_path(stats)));
	assert_int_equal(mkdir(other, 0700), 0);
	path = in(other, name);
	forge(other, stats_path(stats), name, 0, "", 0);
	for (off_t size = 0; size < (off_t)sizeof(struct stats_file); size += 777) {
		assert_int_equal(truncate(path, size), 0);
		assert_int_equal(look(other, &found)->count, 0);
		assert_int_equal(found.refused, 1);
	}
	/* A hole of a terabyte costs nothing, and would fill the memory. */
	if (truncate(path, INT64_C(1) << 40) == 0)
		assert_int_equal(look(other, &found)->count, 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink(stats_path(stats), path), 0);
	assert_int_equal(look(other, &found)->count, 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(look(other, &found)->count, 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(look(other, &found)->count, 0);
	assert_int_equal(found.refused, 1);
}

static void a_file_full_of_nonsense_is_within_bounds(void **state)
{
	owned(stats) struct stats *stats = open_in(*state);
	const size_t from = offsetof(struct stats_file, ended_ms), len = sizeof(struct stats_file) - from;
	char other[PATH_MAX], name[STATS_NAME_MAX];
	struct stats_folder found;
	static uint8_t noise[sizeof(struct stats_file)];
	struct seen *seen;

	snprintf(other, sizeof(other), "%s/other", (char *)*state);
	snprintf(name, sizeof(name), "%s", name_of(stats_path(stats)));
	assert_int_equal(mkdir(other, 0700), 0);
	for (int seed = 0; seed < 64; seed++) {
		srandom((unsigned)seed);
		for (size_t i = 0; i < len; i++)
			noise[i] = seed == 0 ? 0xff : (uint8_t)random();
		forge(other, stats_path(stats), name, from, noise, len);
		seen = look(other, &found);
		assert_int_equal(seen->count, 1);
		assert_true(stats_sum(seen->last.file.calls.outcomes, STATS_OUTCOMES) <= (UINT64_C(9) << 53));
		for (size_t i = 0; i < STATS_MEMBERS; i++) {
			const struct stats_member *m = &seen->last.file.members[i];

			assert_true(strlen(m->name) < sizeof(m->name));
			assert_true(m->role <= 1 && m->state < STATS_STATES && m->error < ERR_MAX);
			assert_true(stats_share_ms(m->calls.times, 0.99) >= -1);
		}
		for (size_t i = 0; i < STATS_CHANGES; i++) {
			const struct stats_change *c = &seen->last.file.changes[i];

			assert_true(!c->number || (c->event < EVENT_MAX && (c->member < STATS_MEMBERS || c->member == STATS_NOBODY)));
		}
	}
}

static void names_are_read_as_they_are_written_and_no_others(void **state)
{
	static const char *const wrong[] = {"", "1", "1-2-0", "1-2-0.", "0-2-0.g", "-1-2-0.g", "1-2-0.G", "01-2-0.g",
					    "1-2-0.a/b", "1-2-0..", "9999999999-2-0.g", "1-99999999999999999999-0.g",
					    "1-2-0.g ", " 1-2-0.g", "1-+2-0.g"};
	struct proc_id process;
	const char *group;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_false(stats_file_of(wrong[i], &process, &group));
	assert_true(stats_file_of("7-1234567890123-3.payments.eu", &process, &group));
	assert_int_equal(process.pid, 7);
	assert_int_equal(process.started, 1234567890123);
	assert_string_equal(group, "payments.eu");
}

/* ---- processes that are over ---- */

/* A child of ours that counts, and is killed. */
static void die_counting(const char *folder)
{
	pid_t pid = fork();

	if (pid == 0) {
		stats_answered(open_in(folder), STATS_DONE, 0, clock_now_ns());
		kill(getpid(), SIGKILL);
	}
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void a_killed_process_is_shown_as_over_and_goes_after_a_day(void **state)
{
	struct timespec old[2] = {{.tv_sec = time(NULL) - 2 * 86400}, {.tv_sec = time(NULL) - 2 * 86400}};
	char path[PATH_MAX], name[STATS_NAME_MAX];
	struct stats_folder found;
	struct seen *seen;
	struct proc_id process;

	die_counting(*state);
	seen = look(*state, &found);
	assert_int_equal(seen->count, 1);
	assert_int_equal(seen->last.life, STATS_ENDED);
	process = (struct proc_id){(pid_t)seen->last.file.pid, seen->last.file.started};
	stats_file_name(&process, 0, "payments", name);
	snprintf(path, sizeof(path), "%s", in(*state, name));
	assert_int_equal(entries(*state), 1);
	/* Its last call was a moment ago, whatever the file says of its age. */
	assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
	assert_int_equal(entries(*state), 1);
	assert_int_equal(access(path, F_OK), 0);
	forge(*state, path, name, offsetof(struct stats_file, last_ns), &(int64_t){0}, 8);
	assert_int_equal(entries(*state), 1);
	assert_int_equal(access(path, F_OK), 0);
	assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
	assert_int_equal(entries(*state), 1);
	assert_int_equal(entries(*state), 0);
}

static void another_process_of_the_same_number_is_not_the_one_that_counted(void **state)
{
	owned(stats) struct stats *stats = open_in(*state);
	struct proc_id process = {getpid(), proc_started(getpid()) - 1};
	char name[STATS_NAME_MAX], other[PATH_MAX];
	struct stats_folder found;

	snprintf(other, sizeof(other), "%s/other", (char *)*state);
	assert_int_equal(mkdir(other, 0700), 0);
	stats_file_name(&process, 0, "payments", name);
	forge(other, stats_path(stats), name, offsetof(struct stats_file, started), &process.started, 8);
	assert_int_equal(look(other, &found)->last.life, STATS_ENDED);
}

static void what_counts_in_another_space_of_numbers_is_elsewhere(void **state)
{
	owned(stats) struct stats *stats = open_in(*state);
	uint64_t space = 1;
	char name[STATS_NAME_MAX];
	struct stats_folder found;

	snprintf(name, sizeof(name), "%s", name_of(stats_path(stats)));
	forge(*state, stats_path(stats), name, offsetof(struct stats_file, space), &space, 8);
	assert_int_equal(look(*state, &found)->last.life, STATS_ELSEWHERE);
}

static void a_process_that_ends_without_a_word_takes_its_file_along(void **state)
{
	pid_t pid = fork();

	if (pid == 0) {
		open_in(*state);
		exit(0);
	}
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(entries(*state), 0);
}

static void a_child_neither_writes_nor_takes_the_parents_file(void **state)
{
	owned(stats) struct stats *stats = open_in(*state);
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct stats *own = open_in(*state);

		_Exit(entries(*state) == 2 && own ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	pid = fork();
	if (pid == 0)
		exit(0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(access(stats_path(stats), F_OK), 0);
	/* What the first one left. */
	assert_int_equal(entries(*state), 2);
	/* The mapping is not there at all. */
	pid = fork();
	if (pid == 0) {
		const struct rlimit none = {0};

		setrlimit(RLIMIT_CORE, &none);
		signal(SIGSEGV, SIG_DFL);
		stats_answered(stats, STATS_DONE, 0, 0);
		_Exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) || WEXITSTATUS(status));
}

/* ---- places ---- */

static size_t descriptors(void)
{
	size_t count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static void no_descriptor_is_kept(void **state)
{
	size_t before = descriptors();
	owned(stats) struct stats *stats = open_in(*state);

	assert_non_null(stats_path(stats));
	assert_int_equal(descriptors(), before);
	close_range(3, ~0u, 0);
	stats_answered(stats, STATS_DONE, 0, 0);
}

static void without_a_place_it_is_counted_where_nobody_sees_it(void **state)
{
	const char *const nowhere[] = {"off", "/nonexistent", "/dev/null", in(*state, "link")};

	assert_int_equal(symlink(*state, nowhere[3]), 0);
	for (size_t i = 0; i < sizeof(nowhere) / sizeof(nowhere[0]); i++) {
		owned(stats) struct stats *stats = open_in(nowhere[i]);

		assert_null(stats_path(stats));
		stats_member(stats, 31, "hsm-32", true);
		stats_asked(stats, 31, STATS_DONE, 0, 1000);
		stats_asked(stats, 32, STATS_DONE, 0, 1000);
		stats_answered(stats, STATS_DONE, 0, 1000);
		stats_happened(stats, EVENT_MEMBER_UP, 31, 0, 0);
	}
}

static void a_folder_that_others_can_write_is_used_when_it_is_sticky(void **state)
{
	const struct stats_place place = {.path = "/nonexistent"};
	struct stats *stats;

	assert_int_equal(chmod(*state, 0777), 0);
	stats = open_in(*state);
	assert_null(stats_path(stats));
	stats_free(stats);
	assert_int_equal(chmod(*state, 01777), 0);
	stats = open_in(*state);
	assert_non_null(stats_path(stats));
	stats_free(stats);
	assert_int_equal(stats_place_open(&place), -1);
}

static void a_store_has_its_own_and_a_bundle_does_not(void **state)
{
	struct stats_place places[STATS_PLACES];
	struct stats *stats = NULL;
	char want[PATH_MAX];

	unsetenv("HSMCTL_STATISTICS");
	setenv("XDG_RUNTIME_DIR", in(*state, "user"), 1);
	snprintf(want, sizeof(want), "%s/run/applications", (char *)*state);
	assert_int_equal(stats_places(*state, false, places), 3);
	assert_string_equal(places[0].path, want);
	assert_string_equal(places[1].path, STATS_HOST_FOLDER);
	assert_string_equal(places[2].path, in(*state, "user/hsmctl"));
	assert_int_equal(stats_places(*state, true, places), 3);
	assert_string_equal(places[0].path, STATS_HOST_FOLDER);
	assert_string_equal(places[2].path, want);
	assert_int_equal(stats_places(NULL, false, places), 2);
	assert_int_equal(stats_open(*state, false, "payments", NULL, &stats, NULL), 0);
	assert_true(str_starts(stats_path(stats), want));
	stats_free(stats);
	unsetenv("XDG_RUNTIME_DIR");
}

static void a_file_is_readable_whatever_the_umask(void **state)
{
	mode_t before = umask(0777);
	owned(stats) struct stats *stats = open_in(*state);
	struct stat st;

	umask(before);
	assert_non_null(stats_path(stats));
	assert_int_equal(stat(stats_path(stats), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0644);
}

/* A limit of file sizes is a full disk that needs no file system of its own. */
static void where_there_is_no_room_nothing_is_left_behind(void **state)
{
	struct rlimit before, small = {0};
	struct stats *stats;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small.rlim_max = before.rlim_max;
	small.rlim_cur = 4096;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	stats = open_in(*state);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_null(stats_path(stats));
	stats_answered(stats, STATS_DONE, 0, 0);
	stats_free(stats);
	/* Only "." and ".." */
	assert_int_equal(rmdir(*state), 0);
	assert_int_equal(mkdir(*state, 0700), 0);
}

static void a_folder_full_of_what_killed_processes_left_is_tidied(void **state)
{
	struct stats *stats = open_in(*state);
	struct stats_folder found;
	size_t before;

	for (int i = 0; i < 700; i++) {
		struct proc_id process = {getpid(), (uint64_t)i + 1};
		char name[STATS_NAME_MAX];

		stats_file_name(&process, 0, "payments", name);
		forge(*state, stats_path(stats), name, offsetof(struct stats_file, started), &process.started, 8);
	}
	before = entries(*state);
	assert_int_equal(before, 701);
	stats_free(stats);
	stats = open_in(*state);
	assert_non_null(stats_path(stats));
	assert_true(look(*state, &found)->count < 520);
	stats_free(stats);
}

static struct err failure;

static int open_once(const char *folder)
{
	struct stats *stats = NULL;
	int rc = stats_open(folder, false, "payments", "1", &stats, &failure);

	if (rc == 0)
		stats_free(stats);
	return rc;
}

static void want_of_memory_leaves_nothing_behind(void **state)
{
	setenv("HSMCTL_STATISTICS", *state, 1);
	for (unsigned long n = 1; n < 20; n++) {
		mem_fail_after = n;
		open_once(*state);
		mem_fail_after = 0;
		assert_int_equal(entries(*state), 0);
	}
}

static void each_event_has_a_code_of_its_own(void **state)
{
	(void)state;
	for (enum event a = EVENT_NONE + 1; a < EVENT_MAX; a++) {
		assert_int_equal(strlen(event_code(a)), 5);
		assert_true(*event_text(a) && *event_room(a));
		for (enum event b = EVENT_NONE + 1; b < a; b++)
			assert_string_not_equal(event_code(a), event_code(b));
	}
	assert_string_equal(event_code(EVENT_MAX), "-");
	assert_string_equal(event_code(EVENT_MEMBER_DOWN), "HA001");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		temp_test(what_is_counted_is_read),
		temp_test(a_file_lasts_as_long_as_its_group),
		temp_test(a_file_in_the_place_of_ours_stays),
		temp_test(two_groups_and_two_copies_of_the_library_have_files_of_their_own),
		temp_test(times_fall_into_parts_that_double),
		temp_test(threads_count_at_once_and_a_reader_sees_no_nonsense),
		temp_test(files_that_lie_are_refused),
		temp_test(what_is_no_file_of_that_length_is_refused),
		temp_test(a_file_full_of_nonsense_is_within_bounds),
		temp_test(names_are_read_as_they_are_written_and_no_others),
		temp_test(a_killed_process_is_shown_as_over_and_goes_after_a_day),
		temp_test(another_process_of_the_same_number_is_not_the_one_that_counted),
		temp_test(what_counts_in_another_space_of_numbers_is_elsewhere),
		temp_test(a_process_that_ends_without_a_word_takes_its_file_along),
		temp_test(a_child_neither_writes_nor_takes_the_parents_file),
		temp_test(no_descriptor_is_kept),
		temp_test(without_a_place_it_is_counted_where_nobody_sees_it),
		temp_test(a_folder_that_others_can_write_is_used_when_it_is_sticky),
		temp_test(a_store_has_its_own_and_a_bundle_does_not),
		temp_test(a_file_is_readable_whatever_the_umask),
		temp_test(where_there_is_no_room_nothing_is_left_behind),
		temp_test(a_folder_full_of_what_killed_processes_left_is_tidied),
		temp_test(want_of_memory_leaves_nothing_behind),
		cmocka_unit_test(each_event_has_a_code_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
