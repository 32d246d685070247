/* SPDX-License-Identifier: Apache-2.0 */
/* hsmctl: finds the program of a command and becomes it. */
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

/* Run the command at argv[at] with the words around it; returns if there is none. */
static void run_command(int at, char **argv)
{
	char *word = argv[at];
	size_t before = (size_t)(at - 1) * sizeof(*argv);

	if (!is_command_name(word))
		return;
	memmove(argv + 2, argv + 1, before);
	become(word, argv + 1);
	memmove(argv + 1, argv + 2, before);
	argv[at] = word;
}

static bool wants_json(int argc, char **argv)
{
	for (int i = 0; i < argc; i++)
		if (strcmp(argv[i], "-ojson") == 0 || strcmp(argv[i], "--output=json") == 0 ||
		    (i > 0 && strcmp(argv[i], "json") == 0 &&
		     (strcmp(argv[i - 1], "-o") == 0 || strcmp(argv[i - 1], "--output") == 0)))
			return true;
	return false;
}

/* hsmctl-help knows all commands and how errors are told. */
static int refuse(int at, int argc, char **argv)
{
	static char unknown[] = "--unknown", json[] = "--output=json";
	char *words[] = {NULL, unknown, argv[at], NULL, NULL, NULL};
	int n = 3;

	if (at + 1 < argc && argv[at + 1][0] != '-')
		words[n++] = argv[at + 1];
	if (wants_json(argc, argv))
		words[n] = json;
	become("help", words);
	fprintf(stderr, "hsmctl: no command '%s'\n", argv[at]);
	return 2;
}

static int print_version(void)
{
	if (puts("hsmctl " HSMCTL_VERSION) >= 0 && fflush(stdout) == 0)
		return 0;
	perror("hsmctl: cannot write to stdout");
	return 1;
}

static bool is_help(const char *word)
{
	return strcmp(word, "-h") == 0 || strcmp(word, "--help") == 0;
}

/* No command word: global options only. */
static int run_none(int argc, char **argv)
{
	int n = 1;

	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--version") == 0)
			become("version", argv);
	for (int i = 1; i < argc; i++)
		if (!is_help(argv[i]))
			argv[n++] = argv[i];
	argv[n] = NULL;
	become("help", argv);
	fputs("hsmctl: no commands are installed\n", stderr);
	return 1;
}

int main(int argc, char **argv)
{
	int at = argc > 0 ? 1 + cli_find_word(argc - 1, argv + 1) : 0;

	if (argc == 2 && strcmp(argv[1], "--version") == 0 && !getenv("HSMCTL_OUTPUT"))
		return print_version();
	if (at >= argc)
		return run_none(argc, argv);
	if (at == 1 && strcmp(argv[1], "__complete") == 0)
		become("completion", argv);
	run_command(at, argv);
	return refuse(at, argc, argv);
}
