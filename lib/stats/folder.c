/* SPDX-License-Identifier: Apache-2.0 */
/* Reading what processes count. */
#include "stats/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/event.h"
#include "base/mem.h"
#include "base/str.h"
#include "stats/stats.h"

enum { CROWDED = 512, FULL = 4096 };
#define DAY_MS INT64_C(86400000)
#define LATEST_MS INT64_C(253402300799999)	/* 9999-12-31 */
#define COUNT_MAX (UINT64_C(1) << 53)

static void own_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static void own_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

/* ---- names ---- */

void stats_file_name(const struct proc_id *process, unsigned number, const char *group, char ret[static STATS_NAME_MAX])
{
	snprintf(ret, STATS_NAME_MAX, "%d-%" PRIu64 "-%u.%s", (int)process->pid, process->started, number, group);
}

bool stats_file_of(const char *name, struct proc_id *ret, const char **ret_group)
{
	char again[STATS_NAME_MAX];
	unsigned number;
	int pid, at = 0;
	uint64_t started;

	if (sscanf(name, "%9d-%19" SCNu64 "-%3u.%n", &pid, &started, &number, &at) != 3 || !at || pid <= 0 ||
	    !str_is_name(name + at))
		return false;
	*ret = (struct proc_id){.pid = pid, .started = started};
	*ret_group = name + at;
	stats_file_name(ret, number, *ret_group, again);
	return str_eq(name, again);
}

/* ---- who lives ---- */

static uint64_t boot_id(void)
{
	uint64_t id = 0;
	char text[64] = "";
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);

	if (fd >= 0 && read(fd, text, sizeof(text) - 1) > 0)
		for (const char *c = text; *c; c++)
			id = id * 31 + (unsigned char)*c;
	own_fd(&fd);
	return id;
}

void stats_here(uint64_t *ret_boot, uint64_t *ret_space)
{
	struct stat st;

	*ret_boot = boot_id();
	*ret_space = stat("/proc/self/ns/pid", &st) == 0 ? st.st_ino : 0;
}

static bool is_alive(pid_t pid, uint64_t started)
{
	uint64_t now = proc_started(pid);

	/* It may be hidden from us. */
	return now ? now == started : kill(pid, 0) == 0 || errno == EPERM;
}

static enum stats_life life_of(const struct stats_file *file)
{
	uint64_t boot, space;

	stats_here(&boot, &space);
	if (file->ended_ms || file->boot != boot)
		return STATS_ENDED;
	if (file->space != space)
		return STATS_ELSEWHERE;
	return is_alive((pid_t)file->pid, file->started) ? STATS_RUNS : STATS_ENDED;
}

/* The monotonic clock is that of this boot. */
static int64_t last_ms(const struct stats_file *file)
{
	uint64_t boot, space;
	int64_t now = clock_now_ns(), last = file->last_ns;

	stats_here(&boot, &space);
	return last <= 0 || last > now || file->boot != boot ? 0 : clock_utc_ms() - (now - last) / 1000000;
}

/* ---- what others wrote ---- */

static void clean_text(char *text, size_t size)
{
	text[size - 1] = 0;
	err_mask(text);
}
#define CLEAN(text) clean_text(text, sizeof(text))

static void clean_counts(stats_count *counts, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (counts[i] > COUNT_MAX)
			counts[i] = COUNT_MAX;
}

static void clean_calls(struct stats_calls *calls)
{
	clean_counts(calls->outcomes, STATS_OUTCOMES);
	clean_counts(calls->times, STATS_BUCKETS);
}

static int64_t clean_time(int64_t ms)
{
	return ms < 0 ? 0 : ms > LATEST_MS ? LATEST_MS : ms;
}

static void clean_member(struct stats_member *m)
{
	CLEAN(m->name);
	m->role = m->role > 1 ? 1 : m->role;
	m->state = m->state < STATS_STATES ? m->state : STATS_DOWN;
	m->error = m->error < ERR_MAX ? m->error : ERR_FAILED;
	m->since_ms = clean_time(m->since_ms);
	clean_calls(&m->calls);
	clean_counts(&m->failovers, 1);
	clean_counts(&m->cuts, 1);
	clean_counts(&m->outages, 1);
}

/* One that nobody knows, or that was just being written, is left out. */
static void clean_change(struct stats_change *c)
{
	c->at_ms = clean_time(c->at_ms);
	if (c->event == EVENT_NONE || c->event >= EVENT_MAX || (c->member >= STATS_MEMBERS && c->member != STATS_NOBODY))
		c->number = 0;
	c->error = c->error < ERR_MAX ? c->error : ERR_FAILED;
}

static void clean(struct stats_file *file)
{
	CLEAN(file->program);
	CLEAN(file->serial);
	file->began_ms = clean_time(file->began_ms);
	file->ended_ms = clean_time(file->ended_ms);
	clean_counts(&file->sessions_opened, 1);
	clean_counts(&file->replays, 1);
	clean_counts(&file->poisoned, 1);
	clean_calls(&file->calls);
	for (size_t i = 0; i < STATS_MEMBERS; i++)
		clean_member(&file->members[i]);
	for (size_t i = 0; i < STATS_CHANGES; i++)
		clean_change(&file->changes[i]);
}

/* Does it say of itself what its name says? */
static int check(const struct stats_file *file, const char *name, struct err *err)
{
	struct proc_id process;
	const char *group;

	if (!stats_file_of(name, &process, &group))
		return err_set(err, ERR_INVALID, "'%s' is no name of a file of statistics", name);
	if (file->magic != STATS_MAGIC || file->version != STATS_VERSION || file->size != sizeof(*file))
		return err_set(err, ERR_INVALID, "'%s' holds no statistics, or of another version", name);
	if (file->pid != (uint32_t)process.pid || file->started != process.started ||
	    strncmp(file->group, group, sizeof(file->group)) != 0)
		return err_set(err, ERR_INVALID, "'%s' is of another process than it says", name);
	return 0;
}

static int read_all(int fd, void *ret, size_t size)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = pread(fd, (char *)ret + done, size - done, (off_t)done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		done += (size_t)n;
	}
	return 0;
}

int stats_read(int folder, const char *name, struct stats_entry *ret, struct err *err)
{
	__attribute__((cleanup(own_fd))) int fd =
		openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;
	int rc;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(err, "cannot open '%s'", name);
	if (!S_ISREG(st.st_mode) || st.st_size != sizeof(ret->file))
		return err_set(err, ERR_INVALID, "'%s' is no file of statistics", name);
	if (read_all(fd, &ret->file, sizeof(ret->file)) < 0)
		return err_errno(err, "cannot read '%s'", name);
	rc = check(&ret->file, name, err);
	if (rc < 0)
		return rc;
	clean(&ret->file);
	ret->uid = st.st_uid;
	ret->life = life_of(&ret->file);
	ret->last_ms = last_ms(&ret->file);
	return 0;
}

/* ---- folders ---- */

static bool is_old(const struct stats_entry *entry, int folder, const char *name)
{
	int64_t since = clock_utc_ms() - DAY_MS;
	struct stat st;

	return entry->life == STATS_ENDED && entry->last_ms < since && fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       (int64_t)st.st_mtime * 1000 < since;
}

/* One entry; those of other names are somebody's notes. */
static int visit(int folder, const char *name, struct stats_entry *entry, stats_visitor each, void *data,
		 struct stats_folder *ret, struct err *err)
{
	struct proc_id process;
	const char *group;
	int rc;

	if (!stats_file_of(name, &process, &group))
		return 0;
	if (ret->files + ret->refused == STATS_FILES_MAX) {
		ret->more = true;
		return 0;
	}
	if (stats_read(folder, name, entry, NULL) < 0) {
		/* It may have gone meanwhile. */
		ret->refused += faccessat(folder, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
		return 0;
	}
	ret->files++;
	rc = each(data, entry, err);
	if (rc == 0 && is_old(entry, folder, name) && (entry->uid == geteuid() || geteuid() == 0))
		unlinkat(folder, name, 0);
	return rc;
}

int stats_each(const char *path, stats_visitor each, void *data, struct stats_folder *ret, struct err *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	__attribute__((cleanup(own_dir))) DIR *dir = NULL;
	owned(mem) struct stats_entry *entry = mem_new(struct stats_entry);
	struct dirent *at;
	int rc = 0;

	*ret = (struct stats_folder){.there = fd >= 0, .denied = fd < 0 && errno == EACCES};
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!entry || (fd >= 0 && !dir)) {
		if (!dir)
			own_fd(&fd);
		return err_no_memory(err);
	}
	while (rc == 0 && dir && !ret->more && (at = readdir(dir)))
		rc = visit(dirfd(dir), at->d_name, entry, each, data, ret, err);
	return rc;
}

/* Of ours, and of nobody who runs? */
static bool is_left(int folder, const char *name, struct stats_entry *entry)
{
	struct stat st;

	return fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_uid == geteuid() &&
	       stats_read(folder, name, entry, NULL) == 0 && entry->life == STATS_ENDED;
}

bool stats_tidy(int folder)
{
	int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	__attribute__((cleanup(own_dir))) DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	owned(mem) struct stats_entry *entry = mem_new(struct stats_entry);
	struct dirent *at;
	size_t files = 0;

	if (!dir)
		own_fd(&fd);
	/* A folder that takes files and lists none is as good. */
	while (dir && entry && files < FULL && (at = readdir(dir)))
		if (++files <= CROWDED || !is_left(folder, at->d_name, entry) || unlinkat(folder, at->d_name, 0) < 0)
			continue;
		else
			files--;
	return files < FULL;
}

/* ---- histograms ---- */

uint64_t stats_sum(const stats_count *counts, size_t n)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += counts[i];
	return sum;
}

double stats_share_ms(const stats_count times[static STATS_BUCKETS], double share)
{
	double wanted = (double)stats_sum(times, STATS_BUCKETS) * share, before = 0;

	if (wanted <= 0)
		return -1;
	for (size_t i = 0; i < STATS_BUCKETS; i++) {
		double here = (double)times[i], low = i ? (double)stats_bucket_us(i - 1) : 0;

		if (here > 0 && before + here >= wanted)
			return (low + ((double)stats_bucket_us(i) - low) * (wanted - before) / here) / 1000;
		before += here;
	}
	return (double)stats_bucket_us(STATS_BUCKETS - 1) / 1000;
}
