/* SPDX-License-Identifier: Apache-2.0 */
/* Logging to stderr, a file or syslog. */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/inherit.h"

static enum { OFF, PLAIN, TIMED, SYSLOG } target;
static enum log_level limit = LOG_LEVEL_ERROR;
static int log_fd = -1;
static char debug_rooms[128];

/* What was opened by name: hosts close descriptors that are not theirs, and open others of that number. */
static struct {
	pthread_mutex_t lock;
	char where[PATH_MAX];	/* "" = nothing was: the descriptor is somebody's who keeps it */
	struct stat is;
} opened = {.lock = PTHREAD_MUTEX_INITIALIZER};

void log_to_stderr(enum log_level level)
{
	target = PLAIN;
	log_fd = STDERR_FILENO;
	limit = level;
}

void log_default_stderr(void)
{
	if (target == OFF)
		log_to_stderr(LOG_LEVEL_ERROR);
}

void log_to_fd(int fd, enum log_level level)
{
	target = fd < 0 ? OFF : TIMED;
	log_fd = fd;
	limit = level;
}

/* Straight to /dev/log: openlog() would change the host's own settings. */
static int syslog_connect(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/dev/log"};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	close(fd);
	return -1;
}

/* By its name. Nobody is made to wait for a pipe's reader. */
static int open_named(const char *where)
{
	int fd = strcmp(where, "syslog") == 0 ? syslog_connect()
					      : open(where,
						     O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK |
							     O_NOCTTY,
						     0600);

	if (fd >= 0 && fstat(fd, &opened.is) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

static bool is_ours(int fd)
{
	struct stat now;

	return !*opened.where ||
	       (fstat(fd, &now) == 0 && now.st_dev == opened.is.st_dev && now.st_ino == opened.is.st_ino);
}

/* The descriptor to write to, opened again where it is not ours any more; -1: there is none. With the lock held. */
static int current(void)
{
	if (!is_ours(log_fd))
		log_fd = open_named(opened.where);
	return log_fd;
}

/* Whoever held it in the parent is not here. */
static void in_child(void)
{
	opened.lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
}

static void register_once(void)
{
	inherit_on_fork(in_child);
}

/* Named as from anywhere: hosts change their folder. */
static void keep_name(const char *where)
{
	char *path = strcmp(where, "syslog") == 0 ? NULL : file_absolute(where);
	const char *name = path ? path : where;

	if (strlen(name) < sizeof(opened.where))
		memcpy(opened.where, name, strlen(name) + 1);
	free(path);
}

void log_from_environment(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	const char *where = secure_getenv("HSMCTL_LOG");
	const char *rooms = secure_getenv("HSMCTL_DEBUG");

	if (rooms) {
		snprintf(debug_rooms, sizeof(debug_rooms), "%s", rooms);
		limit = LOG_LEVEL_DEBUG;
	}
	if (!where || !*where || target != OFF)
		return;
	pthread_once(&once, register_once);
	log_fd = open_named(where);
	if (log_fd < 0)
		return;
	keep_name(where);
	target = strcmp(where, "syslog") == 0 ? SYSLOG : TIMED;
	if (limit < LOG_LEVEL_INFO)
		limit = LOG_LEVEL_INFO;
}

bool log_wants(enum log_level level, const char *room)
{
	if (target == OFF || level > limit)
		return false;
	return level < LOG_LEVEL_DEBUG || !*debug_rooms ||
	       strstr(debug_rooms, room) || strcmp(debug_rooms, "all") == 0;
}

void log_write(enum log_level level, const char *room, const char *fmt, ...)
{
	char text[700], line[900], now[CLOCK_TEXT];
	int saved = errno, len, fd;
	va_list ap;

	if (!log_wants(level, room))
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	err_mask(text);
	clock_format(clock_utc_ms(), now);
	if (target == TIMED)
		len = snprintf(line, sizeof(line), "%s [%d] %s: %s\n", now, (int)getpid(), room, text);
	else if (target == SYSLOG)
		len = snprintf(line, sizeof(line), "<%d>hsmctl[%d]: %s: %s",
			       level == LOG_LEVEL_ERROR ? 131 : 134, (int)getpid(), room, text);
	else
		len = snprintf(line, sizeof(line), "%s: %s\n", room, text);
	pthread_mutex_lock(&opened.lock);
	fd = current();
	if (fd >= 0)
		(void)!write(fd, line, (size_t)len);
	pthread_mutex_unlock(&opened.lock);
	errno = saved;
}
