/* SPDX-License-Identifier: Apache-2.0 */
/* Atomic files and folders. */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

static void own_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

/* What is no regular file may keep us waiting, and a command can be cancelled. */
static int wait_readable(int fd, struct err *err)
{
	struct pollfd p[] = {{.fd = fd, .events = POLLIN}, {.fd = cancel_fd(), .events = POLLIN}};
	int rc = cancel_check(err);

	while (rc == 0 && !p[0].revents) {
		int64_t left = cancel_clamp(INT64_MAX) - clock_now_ms();

		if (poll(p, 2, left < 0 ? 0 : left > 60000 ? 60000 : (int)left) < 0 && errno != EINTR)
			break;
		rc = cancel_check(err);
	}
	return rc;
}

static bool is_regular(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

/* Descriptors that this process was given, by name. */
static bool is_own_descriptor(const char *path)
{
	return str_eq(path, "/dev/stdin") || str_starts(path, "/dev/fd/") || str_starts(path, "/proc/self/fd/");
}

static const char *kind_of(mode_t mode)
{
	return S_ISFIFO(mode) ? "a named pipe" : S_ISSOCK(mode) ? "a socket" : S_ISDIR(mode) ? "a folder" : "a device";
}

static int not_regular(const char *path, struct err *err)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return err_errno(err, "cannot open '%s'", path);
	return err_set(err, ERR_INVALID, "'%s' is %s, not a file", path, kind_of(st.st_mode));
}

int file_open(const char *path, int flags, mode_t mode, struct err *err)
{
	int fd = open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, mode);

	if (fd >= 0 && (is_regular(fd) || is_own_descriptor(path)))
		return fd;
	if (fd < 0 && !(flags & O_CREAT) && (errno == ENOENT || errno == ENOTDIR))
		return err_set(err, ERR_NOT_FOUND, "no file '%s'", path);
	/* ENXIO: a socket, or a pipe that nobody reads. */
	if (fd < 0 && errno != ENXIO && errno != EISDIR)
		return err_errno(err, "cannot open '%s'", path);
	own_fd(&fd);
	return not_regular(path, err);
}

int file_read(const char *path, struct buf *ret, struct err *err)
{
	__attribute__((cleanup(own_fd))) int fd = file_open(path, O_RDONLY, 0, err);
	bool regular = fd >= 0 && is_regular(fd);

	if (fd < 0)
		return fd;
	for (;;) {
		size_t want = ret->max - ret->len < 65536 ? ret->max - ret->len + 1 : 65536;
		uint8_t block[65536];
		int rc = regular ? 0 : wait_readable(fd, err);
		ssize_t n = rc < 0 ? 0 : read(fd, block, want);
		bool fits;

		if (rc < 0)
			return rc;
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0)
			return err_errno(err, "cannot read '%s'", path);
		if (n == 0)
			return buf_check(ret, err);
		fits = (size_t)n <= ret->max - ret->len;
		if (fits)
			buf_put(ret, block, (size_t)n);
		if (ret->wipe)
			explicit_bzero(block, (size_t)n);
		if (!fits)
			return err_set(err, ERR_INVALID, "'%s' is larger than %zu bytes", path, ret->max);
		if (ret->bad)
			return buf_check(ret, err);
	}
}

static int write_all(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

static int sync_folder(const char *path)
{
	owned(mem) char *copy = mem_strdup(path);
	__attribute__((cleanup(own_fd))) int fd = -1;

	if (!copy)
		return -1;
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -1 : fsync(fd);
}

int file_write(const char *path, const void *data, size_t len, mode_t mode, struct err *err)
{
	owned(mem) char *temporary = mem_printf("%s.XXXXXX", path);
	__attribute__((cleanup(own_fd))) int fd = -1;

	if (!temporary)
		return err_no_memory(err);
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0)
		return err_errno(err, "cannot make a file beside '%s'", path);
	if (fchmod(fd, mode) < 0 || write_all(fd, data, len) < 0 || fsync(fd) < 0 ||
	    rename(temporary, path) < 0) {
		int rc = err_errno(err, "cannot write '%s'", path);

		unlink(temporary);
		return rc;
	}
	if (sync_folder(path) < 0)
		return err_errno(err, "cannot flush the folder of '%s'", path);
	return 0;
}

int file_mkdirs(const char *path, mode_t mode, struct err *err)
{
	owned(mem) char *copy = mem_strdup(path);
	struct stat st;

	if (!copy)
		return err_no_memory(err);
	/* "a/b/" is "a/b": the mode is for b. */
	for (size_t len = strlen(copy); len > 1 && copy[len - 1] == '/'; len--)
		copy[len - 1] = 0;
	for (char *p = copy; *p; p++) {
		if (*p != '/' || p == copy)
			continue;
		*p = 0;
		if (mkdir(copy, 0755) < 0 && errno != EEXIST)
			return err_errno(err, "cannot make folder '%s'", copy);
		*p = '/';
	}
	if (mkdir(copy, mode) == 0)
		return 0;
	if (errno == EEXIST && stat(copy, &st) == 0 && S_ISDIR(st.st_mode))
		return 0;
	return err_errno(err, "cannot make folder '%s'", copy);
}

static int remove_below(int parent, const char *name)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct dirent *entry;
	DIR *dir;

	if (fd < 0 && (errno == ENOTDIR || errno == ELOOP))
		return unlinkat(parent, name, 0);
	if (fd < 0)
		return errno == ENOENT ? 0 : -1;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return -1;
	}
	while ((entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (remove_below(dirfd(dir), entry->d_name) < 0 && errno != ENOENT) {
			closedir(dir);
			return -1;
		}
	}
	closedir(dir);
	return unlinkat(parent, name, AT_REMOVEDIR);
}

int file_remove_tree(const char *path, struct err *err)
{
	if (remove_below(AT_FDCWD, path) < 0 && errno != ENOENT)
		return err_errno(err, "cannot remove '%s'", path);
	return 0;
}

int file_remove(const char *path, struct err *err)
{
	if (unlink(path) < 0 && errno != ENOENT)
		return err_errno(err, "cannot remove '%s'", path);
	return 0;
}

bool file_exists(const char *path)
{
	return access(path, F_OK) == 0;
}

bool file_is_at(int fd, const char *path)
{
	struct stat here, there;

	return fstat(fd, &here) == 0 && stat(path, &there) == 0 && here.st_ino == there.st_ino &&
	       here.st_dev == there.st_dev;
}

int file_check_ours(const char *path, bool secret_file, struct err *err)
{
	struct stat st;

	if (stat(path, &st) < 0) {
		if (errno == ENOENT)
			return err_set(err, ERR_NOT_FOUND, "no '%s'", path);
		return err_errno(err, "cannot look at '%s'", path);
	}
	if (st.st_uid != geteuid() && st.st_uid != 0)
		return err_set(err, ERR_NOT_OURS, "'%s' belongs to another user (uid %u)",
			       path, (unsigned)st.st_uid);
	if (st.st_mode & (S_IWGRP | S_IWOTH)) {
		err_set(err, ERR_NOT_OURS, "others can write '%s'", path);
		return err_hint(err, "chmod go-w '%s'", path);
	}
	if (secret_file && ((st.st_mode & S_IROTH) || ((st.st_mode & S_IRGRP) && (st.st_uid || !st.st_gid)))) {
		err_set(err, ERR_NOT_OURS, "others can read '%s'", path);
		return err_hint(err, "chmod 600 '%s'", path);
	}
	return 0;
}

char *file_join(const char *folder, const char *name)
{
	return mem_printf("%s/%s", folder, name);
}

char *file_absolute(const char *path)
{
	owned(mem) char *head = mem_strdup(path);
	char real[PATH_MAX];
	const char *tail;

	if (!head)
		return NULL;
	/* The longest part that exists, then the rest as it is written. */
	for (size_t len = strlen(head); !realpath(len ? head : ".", real); head[len] = 0) {
		if (!len)
			return mem_strdup(path);
		while (len && head[len - 1] != '/')
			len--;
		while (len > 1 && head[len - 1] == '/')
			len--;
	}
	tail = path + strlen(head);
	tail += strspn(tail, "/");
	if (!*tail)
		return mem_strdup(real);
	return file_join(str_eq(real, "/") ? "" : real, tail);
}
