/* SPDX-License-Identifier: Apache-2.0 */
/* hsmctl: finds the program of a command and becomes it. */
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/globals.h"

enum { NAME_MAX_LEN = 64 };

/* Command words become program names, so nothing that could leave the folder. */
static bool is_command_name(const char *s)
{
	size_t len = strlen(s);

	return len > 0 && len <= NAME_MAX_LEN &&
	       strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

/* Only an installed or built tree has both bin and libexec/hsmctl side by side. */
static bool folder_beside_us(char ret[static PATH_MAX])
{
	static const char bin[] = "/bin/hsmctl";
	ssize_t len = readlink("/proc/self/exe", ret, PATH_MAX - 1);
	size_t keep;

	if (len < (ssize_t)sizeof(bin))
		return false;
	ret[len] = 0;
	keep = (size_t)len - strlen(bin);
	if (strcmp(ret + keep, bin) != 0 || keep + sizeof("/libexec/hsmctl") > PATH_MAX)
		return false;
	strcpy(ret + keep, "/libexec/hsmctl");
	return true;
}

static void try_folder(const char *folder, const char *name, char **argv)
{
	char path[PATH_MAX + NAME_MAX_LEN + 16];

	snprintf(path, sizeof(path), "%s/hsmctl-%s", folder, name);
	execv(path, argv);
}

/* Does not return when there is such a program. */
static void become(const char *name, char **argv)
{
	char folder[PATH_MAX], program[NAME_MAX_LEN + 16];

	snprintf(program, sizeof(program), "hsmctl-%s", name);
	argv[0] = program;
	if (folder_beside_us(folder))
		try_folder(folder, name, argv);
	try_folder(HSMCTL_LIBEXECDIR, name, argv);
	execvp(program, argv);
}

/* hsmctl-help knows every command and how errors are told. */
static int let_help_refuse(const char *word, int argc, char **argv)
{
	char *refusal[argc + 4];
	int n = 1;

	for (int i = 1; i < argc; i++)
		refusal[n++] = argv[i];
	refusal[n] = NULL;
	(void)word;
	become("help", refusal);
	return 2;
}

int main(int argc, char **argv)
{
	return let_help_refuse("", argc, argv);
}
