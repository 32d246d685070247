/* SPDX-License-Identifier: Apache-2.0 */
/* file - whole files and folders, written so that a crash leaves old or new. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/buf.h"

struct err;

/*
 * Open a regular file without ever waiting for it: open(2) with these flags and O_CLOEXEC. A pipe, a device,
 * a socket or a folder in its place is refused with ERR_INVALID, for it would be waited for, or answer for
 * ever; only this process's own descriptors (/dev/stdin, /dev/fd/N) may be what they are, since whoever
 * started it gave them. Returns a descriptor of the caller's. ERR_NOT_FOUND when there is none and
 * flags do not make one.
 */
int file_open(const char *path, int flags, mode_t mode, struct err *err);

/* Append a file's bytes to ret, opened as above. What a descriptor of ours has to say is waited for, until the
 * command is cancelled. */
int file_read(const char *path, struct buf *ret, struct err *err);

/* Replace a file: temporary beside it, fsync, rename, fsync of the folder. */
int file_write(const char *path, const void *data, size_t len, mode_t mode, struct err *err);

/* Make a folder and its parents; 0 when it exists already. */
int file_mkdirs(const char *path, mode_t mode, struct err *err);

/* Remove a folder and all below it; 0 when there is none. Follows no links. */
int file_remove_tree(const char *path, struct err *err);

/* Remove one file; 0 when there is none. */
int file_remove(const char *path, struct err *err);

bool file_exists(const char *path);

/* Is the open file still the one of that name? */
bool file_is_at(int fd, const char *path);

/*
 * ERR_NOT_OURS unless path belongs to this user or root and neither group nor
 * others can write it. secret_file: nor read it, but for a group to which root gave it.
 */
int file_check_ours(const char *path, bool secret_file, struct err *err);

/* "a/b" in new memory, NULL without memory. */
char *file_join(const char *folder, const char *name);

/* As realpath(3) for a path that need not exist yet; new memory. */
char *file_absolute(const char *path);

#endif
