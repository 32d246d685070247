/* SPDX-License-Identifier: Apache-2.0 */
/* Copies of token.object. */
#include "member/guard.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"

enum { TOKEN_OBJECT_MAX = 1 << 20 };

static long size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? (long)st.st_size : -1;
}

static int copy(const char *from, const char *to, struct err *err)
{
	owned(buf) struct buf bytes = {.max = TOKEN_OBJECT_MAX};
	int rc = file_read(from, &bytes, err);

	return rc < 0 ? rc : file_write(to, bytes.data, bytes.len, 0600, err);
}

/* The shorter of the two is the torn one: a whole token.object never shrinks. */
static int settle(const char *token, const char *saved, bool restore, struct err *err)
{
	long now = size_of(token), then = size_of(saved);

	if (restore && then > 0 && now < then) {
		log_error("appliance", "%s is torn (%ld of %ld bytes); restoring it", token, now, then);
		return copy(saved, token, err);
	}
	if (!restore && now > 0 && now >= then)
		return copy(token, saved, err);
	return 0;
}

static int each(const char *tokens, const char *guard, bool restore, struct err *err)
{
	struct dirent *entry;
	DIR *folder;
	int rc;

	if (!tokens || !guard)
		return 0;
	rc = file_mkdirs(guard, 0700, err);
	if (rc < 0)
		return rc;
	folder = opendir(tokens);
	if (!folder)
		return err_errno(err, "cannot open '%s'", tokens);
	while (rc == 0 && (entry = readdir(folder))) {
		owned(mem) char *token = mem_printf("%s/%s/token.object", tokens, entry->d_name);
		owned(mem) char *saved = mem_printf("%s/%s", guard, entry->d_name);

		if (!token || !saved)
			rc = err_no_memory(err);
		else if (entry->d_name[0] != '.')
			rc = settle(token, saved, restore, err);
	}
	closedir(folder);
	return rc;
}

int guard_restore(const char *tokens, const char *guard, struct err *err)
{
	return each(tokens, guard, true, err);
}

int guard_save(const char *tokens, const char *guard, struct err *err)
{
	return each(tokens, guard, false, err);
}
