/* SPDX-License-Identifier: Apache-2.0 */
/*
 * counted by-line: an application whose calls are counted. It says "ready", and does what a line of stdin says:
 *
 *	sign N		so many signatures with signing-1, looked for once; the first code that is not 0x0
 *	fork		a child of its own signs once and stays; its pid
 *	reap		the child is killed
 *	finalize, initialize
 *	kill		itself
 */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stranger.h"

static CK_OBJECT_HANDLE key;
static pid_t child;

static CK_RV sign(long count)
{
	CK_RV rv = CKR_OK;

	if (!key)
		key = object("signing-1", CKO_PRIVATE_KEY);
	for (long i = 0; i < count && rv == CKR_OK; i++)
		rv = sign_with(session, key, CKM_ECDSA);
	return rv;
}

/* Its stdin is not its own. */
static void be_child(int to)
{
	key = CK_INVALID_HANDLE;
	begin();
	OK(sign(1));
	HOLDS(write(to, "x", 1) == 1);
	for (;;)
		pause();
}

static CK_RV make_child(void)
{
	int pipes[2];
	char byte;

	OK(pipe(pipes));
	child = fork();
	if (child == 0)
		be_child(pipes[1]);
	close(pipes[1]);
	HOLDS(read(pipes[0], &byte, 1) == 1);
	close(pipes[0]);
	return (CK_RV)child;
}

static CK_RV reap(void)
{
	kill(child, SIGKILL);
	IS(waitpid(child, NULL, 0), child);
	return CKR_OK;
}

static CK_RV initialize(void)
{
	begin();
	key = CK_INVALID_HANDLE;
	return CKR_OK;
}

static CK_RV obey(const char *line)
{
	if (strncmp(line, "sign ", 5) == 0)
		return sign(atol(line + 5));
	if (strcmp(line, "fork") == 0)
		return make_child();
	if (strcmp(line, "reap") == 0)
		return reap();
	if (strcmp(line, "kill") == 0)
		raise(SIGKILL);
	return strcmp(line, "finalize") == 0 ? p11->C_Finalize(NULL) : initialize();
}

static void answer(const char *line)
{
	printf("0x%lx\n", obey(line));
}

static void by_line(char **args)
{
	(void)args;
	begin();
	answer_lines(answer);
}

int main(int argc, char **argv)
{
	static const struct check checks[] = {{"by-line", by_line, 0}, {NULL, NULL, 0}};

	return run_check(checks, argc, argv);
}
