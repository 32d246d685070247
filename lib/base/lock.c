/* SPDX-License-Identifier: Apache-2.0 */
/* A file lock with a holder. */
#include "base/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/observer.h"

enum { POLL_MS = 20, MOMENT_MS = 500, HOLDER_MAX = 300 };

struct lock {
	int fd;
	bool held;
	char *path;	/* of a file that goes with the lock; NULL: it stays */
};

static void read_holder(int fd, char holder[static HOLDER_MAX])
{
	ssize_t n = pread(fd, holder, HOLDER_MAX - 1, 0);

	holder[n > 0 ? n : 0] = 0;
	holder[strcspn(holder, "\n")] = 0;
	if (!*holder)
		snprintf(holder, HOLDER_MAX, "another process");
}

static const char *what_of(const struct lock_request *r, char text[static HOLDER_MAX])
{
	if (r->what)
		return r->what;
	snprintf(text, HOLDER_MAX, "'%.250s'", r->path);
	return text;
}

static int refused(const struct lock_request *r, int fd, struct err *err)
{
	char holder[HOLDER_MAX], what[HOLDER_MAX];

	read_holder(fd, holder);
	err_set(err, ERR_LOCKED, "%s is locked by %s", what_of(r, what), holder);
	return err_hint(err, "wait for it to end, or try again");
}

static void tell(const struct lock_request *r, int fd)
{
	char holder[HOLDER_MAX], what[HOLDER_MAX];

	read_holder(fd, holder);
	observer_note(r->observer, "waiting: %s is locked by %s", what_of(r, what), holder);
}

static void name_holder(int fd, const char *doing)
{
	char host[65] = "?", since[CLOCK_TEXT], text[HOLDER_MAX];
	int len;

	gethostname(host, sizeof(host) - 1);
	clock_format(clock_utc_ms(), since);
	len = snprintf(text, sizeof(text), "uid %u, pid %d on %s since %s, doing '%.120s'\n",
		       (unsigned)getuid(), (int)getpid(), host, since, doing);
	if (ftruncate(fd, 0) == 0)
		(void)!pwrite(fd, text, (size_t)len, 0);
}

/* Until it is ours, or the time is up. */
static int await(const struct lock_request *r, int fd, int64_t begin, struct err *err)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	bool told = !r->observer;

	while (fcntl(fd, F_OFD_SETLK, &whole) < 0) {
		int64_t waited = clock_now_ms() - begin;
		int rc;

		if (errno != EAGAIN && errno != EACCES && errno != EINTR)
			return err_errno(err, "cannot lock '%s'", r->path);
		if (waited >= r->wait_ms)
			return refused(r, fd, err);
		if (!told && waited >= MOMENT_MS) {
			tell(r, fd);
			told = true;
		}
		clock_sleep_ms(POLL_MS);
		rc = cancel_check(err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int lock_request(const struct lock_request *r, struct lock **ret, struct err *err)
{
	owned(lock) struct lock *lock = mem_new(struct lock);
	int64_t begin = clock_now_ms();
	int rc;

	if (!lock)
		return err_no_memory(err);
	lock->fd = -1;
	lock->path = r->passing ? mem_strdup(r->path) : NULL;
	if (r->passing && !lock->path)
		return err_no_memory(err);
	do {
		if (lock->fd >= 0)
			close(lock->fd);
		lock->fd = file_open(r->path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600, err);
		rc = lock->fd < 0 ? lock->fd : await(r, lock->fd, begin, err);
		/* A passing file may have gone while we waited for it: then it is nobody's lock. */
	} while (rc == 0 && r->passing && !file_is_at(lock->fd, r->path));
	if (rc < 0)
		return rc;
	lock->held = true;
	name_holder(lock->fd, r->doing);
	*ret = own_take(lock);
	return 0;
}

int lock_take(const char *path, const char *doing, int64_t wait_ms,
	      struct lock **ret, struct err *err)
{
	const struct lock_request request = {.path = path, .doing = doing, .wait_ms = wait_ms};

	return lock_request(&request, ret, err);
}

void lock_free(struct lock *lock)
{
	if (!lock)
		return;
	if (lock->held && lock->path && file_is_at(lock->fd, lock->path))
		unlink(lock->path);
	lock_leave(lock);
}

void lock_leave(struct lock *lock)
{
	if (!lock)
		return;
	if (lock->held)
		(void)!ftruncate(lock->fd, 0);
	if (lock->fd >= 0)
		close(lock->fd);
	free(lock->path);
	free(lock);
}

bool lock_is_held(const char *path)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int fd = file_open(path, O_RDONLY | O_NOFOLLOW, 0, NULL);
	bool held = fd >= 0 && fcntl(fd, F_OFD_GETLK, &whole) == 0 && whole.l_type != F_UNLCK;

	if (fd >= 0)
		close(fd);
	return held;
}
