/* SPDX-License-Identifier: Apache-2.0 */
/* A file lock with a holder. */
#include "base/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"

struct lock {
	int fd;
	bool held;
};

static int refused(int fd, const char *path, struct err *err)
{
	char holder[300] = "";
	ssize_t n = pread(fd, holder, sizeof(holder) - 1, 0);

	holder[n > 0 ? strcspn(holder, "\n") : 0] = 0;
	err_set(err, ERR_LOCKED, "'%s' is locked by %s", path,
		*holder ? holder : "another process");
	return err_hint(err, "wait for it to end, or try again");
}

static void name_holder(int fd, const char *doing)
{
	char host[65] = "?", since[CLOCK_TEXT], text[300];
	int len;

	gethostname(host, sizeof(host) - 1);
	clock_format(clock_utc_ms(), since);
	len = snprintf(text, sizeof(text), "uid %u, pid %d on %s since %s, doing '%.120s'\n",
		       (unsigned)getuid(), (int)getpid(), host, since, doing);
	if (ftruncate(fd, 0) == 0)
		(void)!pwrite(fd, text, (size_t)len, 0);
}

int lock_take(const char *path, const char *doing, int64_t wait_ms,
	      struct lock **ret, struct err *err)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int64_t end = clock_now_ms() + wait_ms;
	owned(lock) struct lock *lock = mem_new(struct lock);
	int rc;

	if (!lock)
		return err_no_memory(err);
	lock->fd = file_open(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600, err);
	if (lock->fd < 0)
		return lock->fd;
	while (fcntl(lock->fd, F_OFD_SETLK, &whole) < 0) {
		if (errno != EAGAIN && errno != EACCES && errno != EINTR)
			return err_errno(err, "cannot lock '%s'", path);
		if (clock_now_ms() >= end)
			return refused(lock->fd, path, err);
		clock_sleep_ms(20);
		rc = cancel_check(err);
		if (rc < 0)
			return rc;
	}
	lock->held = true;
	name_holder(lock->fd, doing);
	*ret = own_take(lock);
	return 0;
}

void lock_free(struct lock *lock)
{
	if (!lock)
		return;
	if (lock->fd >= 0) {
		if (lock->held)
			(void)!ftruncate(lock->fd, 0);
		close(lock->fd);
	}
	free(lock);
}
