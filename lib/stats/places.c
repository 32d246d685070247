/* SPDX-License-Identifier: Apache-2.0 */
/* Folders for statistics. */
#include "stats/places.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"

static void add(struct stats_place *ret, size_t *count, const char *folder, const char *below, unsigned makes)
{
	struct stats_place *place = &ret[*count];
	int len = snprintf(place->path, sizeof(place->path), "%s%s", folder, below);

	place->makes = makes;
	/* One that is cut would be another. */
	*count += len > 0 && (size_t)len < sizeof(place->path);
}

/* The host may change its folder. */
static void add_store(struct stats_place *ret, size_t *count, const char *store)
{
	owned(mem) char *absolute = file_absolute(store);

	if (absolute)
		add(ret, count, absolute, "/run/applications", 2);
}

size_t stats_places(const char *store, bool bundle, struct stats_place ret[static STATS_PLACES])
{
	const char *named = secure_getenv("HSMCTL_STATISTICS"), *user = secure_getenv("XDG_RUNTIME_DIR");
	size_t count = 0;

	if (named && *named) {
		if (!str_eq(named, "off"))
			add(ret, &count, named, "", 0);
		return count;
	}
	if (store && !bundle)
		add_store(ret, &count, store);
	add(ret, &count, STATS_HOST_FOLDER, "", 0);
	if (user && *user == '/')
		add(ret, &count, user, "/hsmctl", 1);
	if (store && bundle && count < STATS_PLACES)
		add_store(ret, &count, store);
	return count;
}

static bool is_ours(const struct stat *st)
{
	return st->st_uid == geteuid() && !(st->st_mode & (S_IWGRP | S_IWOTH));
}

/* The last parts of a path, in a folder that is ours. */
static void make(const char *path, unsigned parts)
{
	char above[PATH_MAX];
	struct stat st;

	snprintf(above, sizeof(above), "%s", path);
	*strrchr(above, '/') = 0;
	if (parts > 1 && stat(above, &st) < 0)
		make(above, parts - 1);
	if (stat(above, &st) == 0 && is_ours(&st))
		mkdir(path, 0700);
}

/* Nobody but root, its owner and we may take files away from there. */
static bool is_safe(const struct stat *st)
{
	bool others = st->st_mode & (S_IWGRP | S_IWOTH);

	return (st->st_uid == 0 || st->st_uid == geteuid()) && (!others || (st->st_mode & S_ISVTX));
}

int stats_place_open(const struct stats_place *place)
{
	int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, fd = open(place->path, flags);
	struct stat st;

	if (fd < 0 && place->makes) {
		make(place->path, place->makes);
		fd = open(place->path, flags);
	}
	if (fd >= 0 && fstat(fd, &st) == 0 && is_safe(&st))
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}
