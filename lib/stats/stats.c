/* SPDX-License-Identifier: Apache-2.0 */
/* Counting into a file that others may read. */
#include "stats/stats.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/inherit.h"
#include "base/mem.h"
#include "base/str.h"
#include "stats/folder.h"
#include "stats/places.h"

/* Copies of this library that one process may have loaded, each with its own files. */
enum { COPIES_MAX = 8 };

_Static_assert(sizeof(struct stats_file) % sizeof(uint64_t) == 0, "counters are aligned");
_Static_assert(sizeof(stats_count) == 8 && sizeof(struct stats_change) == 40, "others read it");

struct stats {
	struct stats_file *file;	/* mapped, or of the heap when nobody sees it */
	char *path;			/* NULL: of the heap */
	dev_t device;
	ino_t inode;
	pid_t pid;			/* whose it is */
	struct stats *next;		/* of those whose files go at exit */
};

#define ADD(counter, n) atomic_fetch_add_explicit(&(counter), n, memory_order_relaxed)
#define SET(place, value) atomic_store_explicit(&(place), value, memory_order_relaxed)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct stats *all;

/* ---- the file ---- */

static void forget_in_child(void)
{
	lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
	all = NULL;
}

static void register_once(void)
{
	inherit_on_fork(forget_in_child);
}

static void remember(struct stats *s)
{
	pthread_mutex_lock(&lock);
	s->next = all;
	all = s;
	pthread_mutex_unlock(&lock);
}

static void forget(struct stats *s)
{
	struct stats **at = &all;

	pthread_mutex_lock(&lock);
	while (*at && *at != s)
		at = &(*at)->next;
	if (*at)
		*at = s->next;
	pthread_mutex_unlock(&lock);
}

/* Whoever cannot take it away any more (another user by now, another root) says that it is over. */
static void end_file(struct stats *s)
{
	struct stat st;

	SET(s->file->ended_ms, clock_utc_ms());
	if (lstat(s->path, &st) == 0 && st.st_dev == s->device && st.st_ino == s->inode)
		unlink(s->path);
}

/* Hosts that end without C_Finalize. Their threads may count on. */
__attribute__((destructor)) static void at_exit(void)
{
	if (pthread_mutex_trylock(&lock) != 0)
		return;
	for (struct stats *s = all; s; s = s->next)
		if (s->pid == getpid())
			end_file(s);
	pthread_mutex_unlock(&lock);
}

/* The name under which ps and top know the process. */
static void read_program(char *ret, size_t size)
{
	char text[64] = "";
	int fd = open("/proc/self/comm", O_RDONLY | O_CLOEXEC);

	if (fd >= 0 && read(fd, text, sizeof(text) - 1) > 0)
		text[strcspn(text, "\n")] = 0;
	if (fd >= 0)
		close(fd);
	snprintf(ret, size, "%s", text);
}

static void fill(struct stats_file *file, const struct proc_id *self, const char *group, const char *serial)
{
	file->version = STATS_VERSION;
	file->size = sizeof(*file);
	file->pid = (uint32_t)self->pid;
	file->uid = geteuid();
	file->started = self->started;
	stats_here(&file->boot, &file->space);
	file->began_ms = clock_utc_ms();
	read_program(file->program, sizeof(file->program));
	snprintf(file->group, sizeof(file->group), "%s", group);
	snprintf(file->serial, sizeof(file->serial), "%s", serial ? serial : "");
	atomic_store_explicit(&file->magic, STATS_MAGIC, memory_order_release);
}

/* All of it is there before it is touched: a disk that is full later is nobody's SIGBUS. */
static struct stats_file *map(int fd)
{
	struct stats_file *file = MAP_FAILED;

	if (posix_fallocate(fd, 0, sizeof(*file)) == 0)
		file = mmap(NULL, sizeof(*file), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (file == MAP_FAILED)
		return NULL;
	/* A child counts in a file of its own, or not at all. */
	if (madvise(file, sizeof(*file), MADV_DONTFORK) == 0)
		return file;
	munmap(file, sizeof(*file));
	return NULL;
}

static bool take_file(struct stats *s, int fd, const char *folder, const char *name)
{
	struct stat st;

	/* Others may read it, whatever the host's umask. */
	if (fstat(fd, &st) < 0 || fchmod(fd, 0644) < 0)
		return false;
	s->path = file_join(folder, name);
	s->file = s->path ? map(fd) : NULL;
	s->device = st.st_dev;
	s->inode = st.st_ino;
	if (s->file)
		return true;
	free(s->path);
	s->path = NULL;
	return false;
}

/* In this folder, if it takes it. */
static bool make_file(struct stats *s, int folder, const char *path, const struct proc_id *self, const char *group)
{
	char name[STATS_NAME_MAX];
	int fd = -1;
	bool made;

	for (unsigned n = 0; n < COPIES_MAX && fd < 0; n++) {
		stats_file_name(self, n, group, name);
		fd = openat(folder, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (fd < 0 && errno != EEXIST)
			return false;
	}
	if (fd < 0)
		return false;
	made = take_file(s, fd, path, name);
	if (!made)
		unlinkat(folder, name, 0);
	close(fd);
	return made;
}

static void look_for_a_place(struct stats *s, const char *store, bool bundle, const struct proc_id *self, const char *group)
{
	struct stats_place places[STATS_PLACES];
	size_t count = str_is_name(group) && self->started ? stats_places(store, bundle, places) : 0;

	for (size_t i = 0; i < count && !s->file; i++) {
		int folder = stats_place_open(&places[i]);

		if (folder < 0)
			continue;
		if (stats_tidy(folder))
			make_file(s, folder, places[i].path, self, group);
		close(folder);
	}
	if (!s->file)
		event_log(EVENT_NO_STATISTICS, "no folder takes the statistics of '%s'", group);
}

int stats_open(const char *store, bool bundle, const char *group, const char *serial, struct stats **ret, struct err *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	owned(stats) struct stats *s = mem_new(struct stats);
	const struct proc_id self = {.pid = getpid(), .started = proc_started(getpid())};

	if (!s)
		return err_no_memory(err);
	pthread_once(&once, register_once);
	s->pid = self.pid;
	if (store)
		look_for_a_place(s, store, bundle, &self, group);
	if (!s->file)
		s->file = mem_new(struct stats_file);
	if (!s->file)
		return err_no_memory(err);
	if (s->path) {
		fill(s->file, &self, group, serial);
		remember(s);
	}
	*ret = own_take(s);
	return 0;
}

void stats_free(struct stats *stats)
{
	if (!stats)
		return;
	if (stats->path) {
		forget(stats);
		end_file(stats);
		munmap(stats->file, sizeof(*stats->file));
	} else {
		free(stats->file);
	}
	free(stats->path);
	free(stats);
}

const char *stats_path(const struct stats *stats)
{
	return stats->path;
}

/* ---- counting ---- */

size_t stats_bucket(int64_t us)
{
	size_t bucket = us > 0 ? (size_t)(64 - __builtin_clzll((unsigned long long)us)) : 0;

	return bucket < STATS_BUCKETS ? bucket : STATS_BUCKETS - 1;
}

uint64_t stats_bucket_us(size_t bucket)
{
	return UINT64_C(1) << bucket;
}

static void count(struct stats_calls *calls, enum stats_outcome outcome, int64_t ns)
{
	ADD(calls->outcomes[outcome], 1);
	ADD(calls->times[stats_bucket(ns / 1000)], 1);
}

void stats_asked(struct stats *stats, size_t member, enum stats_outcome outcome, int64_t from_ns, int64_t to_ns)
{
	if (member < STATS_MEMBERS)
		count(&stats->file->members[member].calls, outcome, to_ns - from_ns);
}

void stats_answered(struct stats *stats, enum stats_outcome outcome, int64_t from_ns, int64_t to_ns)
{
	count(&stats->file->calls, outcome, to_ns - from_ns);
	SET(stats->file->last_ns, to_ns);
}

void stats_failover(struct stats *stats, size_t member)
{
	if (member < STATS_MEMBERS)
		ADD(stats->file->members[member].failovers, 1);
}

void stats_cut(struct stats *stats, size_t member)
{
	if (member < STATS_MEMBERS)
		ADD(stats->file->members[member].cuts, 1);
}

void stats_replayed(struct stats *stats)
{
	ADD(stats->file->replays, 1);
}

void stats_poisoned(struct stats *stats)
{
	ADD(stats->file->poisoned, 1);
}

void stats_session(struct stats *stats, bool opened)
{
	ADD(stats->file->sessions, opened ? 1 : (uint32_t)-1);
	ADD(stats->file->sessions_opened, opened);
}

void stats_login(struct stats *stats, bool in)
{
	SET(stats->file->logged_in, in);
}

/* ---- what happens now and then ---- */

void stats_member(struct stats *stats, size_t member, const char *name, bool standby)
{
	struct stats_member *m = &stats->file->members[member];

	if (member >= STATS_MEMBERS)
		return;
	SET(m->role, standby);
	if (m->there)
		return;
	snprintf(m->name, sizeof(m->name), "%s", name);
	SET(m->since_ms, clock_utc_ms());
	atomic_store_explicit(&m->there, 1, memory_order_release);
}

void stats_left(struct stats *stats, size_t member)
{
	if (member < STATS_MEMBERS)
		SET(stats->file->members[member].there, 0);
}

void stats_reason(struct stats *stats, size_t member, unsigned error, unsigned long rv)
{
	if (member >= STATS_MEMBERS)
		return;
	SET(stats->file->members[member].error, error);
	SET(stats->file->members[member].rv, rv);
}

void stats_state(struct stats *stats, size_t member, enum stats_state state, unsigned error, unsigned long rv)
{
	struct stats_member *m = &stats->file->members[member];

	if (member >= STATS_MEMBERS)
		return;
	stats_reason(stats, member, error, rv);
	SET(m->since_ms, clock_utc_ms());
	SET(m->state, state);
	ADD(m->outages, state == STATS_DOWN);
}

void stats_happened(struct stats *stats, enum event event, size_t member, unsigned error, unsigned long rv)
{
	uint64_t number = ADD(stats->file->n_changes, 1) + 1;
	struct stats_change *c = &stats->file->changes[number % STATS_CHANGES];

	/* Whoever reads it now takes it for none. */
	atomic_exchange_explicit(&c->number, 0, memory_order_acq_rel);
	SET(c->at_ms, clock_utc_ms());
	SET(c->event, event);
	SET(c->member, member < STATS_MEMBERS ? (uint32_t)member : STATS_NOBODY);
	SET(c->error, error);
	SET(c->rv, rv);
	atomic_store_explicit(&c->number, number, memory_order_release);
}
