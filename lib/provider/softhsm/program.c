/* SPDX-License-Identifier: Apache-2.0 */
/* Finding our own programs. */
#include "provider/softhsm/program.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"

/* Only an installed or built tree has all programs in one folder. */
int softhsm_program(const char *name, char **ret, struct err *err)
{
	char self[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	const char *slash;
	owned(mem) char *path = NULL;

	self[len > 0 ? len : 0] = 0;
	slash = strrchr(self, '/');
	path = mem_printf("%.*s/%s", slash ? (int)(slash - self) : 0, self, name);
	if (path && !file_exists(path)) {
		free(path);
		path = file_join(HSMCTL_LIBEXECDIR, name);
	}
	if (!path)
		return err_no_memory(err);
	if (!file_exists(path))
		return err_set(err, ERR_MISSING, "no program '%s'", path);
	*ret = own_take(path);
	return 0;
}
