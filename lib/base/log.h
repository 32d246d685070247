/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log - what happened, for people who look into a problem.
 *
 * Off by default. Programs send it to stderr with -v; inside an application it
 * goes where HSMCTL_LOG says (a file, or "syslog") and never to the host's
 * stdout or stderr. HSMCTL_DEBUG=room,room ("all") turns on debug lines.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* To stderr, up to level. For programs. */
void log_to_stderr(enum log_level level);
/* Errors to stderr, unless it was decided already where lines go. For programs. */
void log_default_stderr(void);
/* To this descriptor with times, for daemons; taken over, -1 = off. */
void log_to_fd(int fd, enum log_level level);
/* Where HSMCTL_LOG and HSMCTL_DEBUG say; read with secure_getenv. */
void log_from_environment(void);

bool log_wants(enum log_level level, const char *room);
void log_write(enum log_level level, const char *room, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#define log_error(room, ...) log_write(LOG_LEVEL_ERROR, room, __VA_ARGS__)
#define log_info(room, ...) log_write(LOG_LEVEL_INFO, room, __VA_ARGS__)
#define log_debug(room, ...)                                                   \
	do {                                                                   \
		if (log_wants(LOG_LEVEL_DEBUG, room))                          \
			log_write(LOG_LEVEL_DEBUG, room, __VA_ARGS__);         \
	} while (0)

#endif
