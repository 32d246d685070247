/* SPDX-License-Identifier: Apache-2.0 */
/* Noticing that a document was written anew. */
#include "fleet/watch.h"

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "fleet/fleet.h"

int fleet_watch_init(struct fleet_watch *watch, const char *folder, struct err *err)
{
	*watch = (struct fleet_watch){.path = file_join(folder, "fleet.json")};
	return watch->path ? 0 : err_no_memory(err);
}

void fleet_watch_release(struct fleet_watch *watch)
{
	free(watch->path);
	watch->path = NULL;
}

static bool same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* No descriptor is free, a disk does not answer: that passes, and is told once. */
static int once(struct fleet_watch *watch, const struct stat *now, int rc)
{
	bool told = same(now, &watch->unread);

	watch->unread = *now;
	return told ? 0 : rc;
}

int fleet_watch_read(struct fleet_watch *watch, struct fleet **ret, struct err *err)
{
	struct stat now;
	int rc;

	/* Before it is read: one that is written meanwhile is read once more. */
	if (stat(watch->path, &now) < 0 || same(&now, &watch->seen))
		return 0;
	watch->seen = now;
	rc = file_check_ours(watch->path, false, err);
	if (rc == 0)
		rc = fleet_read_file(watch->path, 0, ret, err);
	if (rc == -ERR_NO_MEMORY || rc == -ERR_IO)
		fleet_watch_again(watch);
	if (rc == -ERR_IO)
		return once(watch, &now, rc);
	return rc < 0 ? rc : 1;
}

void fleet_watch_again(struct fleet_watch *watch)
{
	watch->seen = (struct stat){0};
}
