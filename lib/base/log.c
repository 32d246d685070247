/* SPDX-License-Identifier: Apache-2.0 */
/* Logging to stderr, a file or syslog. */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"

static enum { OFF, PLAIN, TIMED, SYSLOG } target;
static enum log_level limit = LOG_LEVEL_ERROR;
static int log_fd = -1;
static char debug_rooms[128];

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

void log_from_environment(void)
{
	const char *where = secure_getenv("HSMCTL_LOG");
	const char *rooms = secure_getenv("HSMCTL_DEBUG");

	if (rooms) {
		snprintf(debug_rooms, sizeof(debug_rooms), "%s", rooms);
		limit = LOG_LEVEL_DEBUG;
	}
	if (!where || !*where || target != OFF)
		return;
	if (strcmp(where, "syslog") == 0) {
		log_fd = syslog_connect();
		target = log_fd < 0 ? OFF : SYSLOG;
	} else {
		/* Nobody is made to wait for a pipe's reader. */
		log_fd = open(where, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY,
			      0600);
		target = log_fd < 0 ? OFF : TIMED;
	}
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
	int saved = errno, len;
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
	(void)!write(log_fd, line, (size_t)len);
	errno = saved;
}
