/* SPDX-License-Identifier: Apache-2.0 */
/* Finding our own programs. */
#include "base/program.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"

/* The last part of a path is cut off. */
static void leave(char *folder)
{
	char *slash = strrchr(folder, '/');

	*(slash ? slash : folder) = 0;
}

/* The folder of the file that this code is mapped from, as the kernel has it: the loader knows it by the name that it
 * was given, which means nothing any more when the working folder is another one. "" when it cannot be known. */
static void find_code(char ret[static PATH_MAX])
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[PATH_MAX + 200];
	uintptr_t here = (uintptr_t)find_code;
	bool found = false;

	*ret = 0;
	while (maps && !found && fgets(line, sizeof(line), maps)) {
		unsigned long from, to;
		int at = 0;

		found = sscanf(line, "%lx-%lx %*s %*s %*s %*s %n", &from, &to, &at) == 2 && here >= from && here < to;
		if (found && at && line[at] == '/')
			snprintf(ret, PATH_MAX, "%s", line + at);
	}
	if (maps)
		fclose(maps);
	leave(ret);
}

/* False: it is not there, or there is no memory. */
static bool take(char *path, char **ret)
{
	if (path && file_exists(path)) {
		*ret = path;
		return true;
	}
	free(path);
	return false;
}

int program_find(const char *name, char **ret, struct err *err)
{
	char folder[PATH_MAX];

	find_code(folder);
	if (*folder && take(file_join(folder, name), ret))
		return 0;
	/* From lib/hsmctl or lib/pkcs11 to libexec/hsmctl. */
	leave(folder);
	leave(folder);
	if (*folder && take(mem_printf("%s/libexec/hsmctl/%s", folder, name), ret))
		return 0;
	if (take(file_join(HSMCTL_LIBEXECDIR, name), ret))
		return 0;
	return err_set(err, ERR_MISSING, "no program '%s/%s'", HSMCTL_LIBEXECDIR, name);
}
