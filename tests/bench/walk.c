/* SPDX-License-Identifier: Apache-2.0 */
/* walk DIRECT-MODULE COMMAND...: all that a token holds is read by plain calls, and the command is run, in turns; $PIN
 * logs in. */
#include <dlfcn.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <pkcs11.h>

enum { ROUNDS = 9, OBJECTS_MAX = 16384, VALUE_MAX = 4096 };

static CK_FUNCTION_LIST *p11;
static CK_SESSION_HANDLE session;

static void check(CK_RV rv, const char *what)
{
	if (rv == CKR_OK)
		return;
	fprintf(stderr, "%s: 0x%lx\n", what, rv);
	exit(1);
}

static void load(const char *path)
{
	void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	char *pin = getenv("PIN");
	CK_SLOT_ID slots[4];
	CK_ULONG count = 4;

	if (!module || !pin) {
		fprintf(stderr, "%s\n", module ? "no PIN" : dlerror());
		exit(1);
	}
	check(((CK_C_GetFunctionList)dlsym(module, "C_GetFunctionList"))(&p11), "C_GetFunctionList");
	check(p11->C_Initialize(NULL), "C_Initialize");
	check(p11->C_GetSlotList(CK_TRUE, slots, &count), "C_GetSlotList");
	check(p11->C_OpenSession(slots[0], CKF_SERIAL_SESSION, NULL, NULL, &session), "C_OpenSession");
	check(p11->C_Login(session, CKU_USER, (CK_UTF8CHAR *)pin, strlen(pin)), "C_Login");
}

/* Twice each, as whoever does not know what it is must: first the class. */
static void read_object(CK_OBJECT_HANDLE object)
{
	static CK_BYTE room[2][VALUE_MAX];
	CK_OBJECT_CLASS class;
	CK_ATTRIBUTE what = {CKA_CLASS, &class, sizeof(class)};
	CK_ATTRIBUTE values[] = {{CKA_LABEL, room[0], VALUE_MAX}, {CKA_ID, room[1], VALUE_MAX}};

	check(p11->C_GetAttributeValue(session, object, &what, 1), "CKA_CLASS");
	if (class == CKO_DATA)
		values[1].type = CKA_VALUE;
	check(p11->C_GetAttributeValue(session, object, values, 2), "C_GetAttributeValue");
}

/* How many objects there are. */
static CK_ULONG walk(void)
{
	static CK_OBJECT_HANDLE list[OBJECTS_MAX];
	CK_ULONG count;

	check(p11->C_FindObjectsInit(session, NULL, 0), "C_FindObjectsInit");
	check(p11->C_FindObjects(session, list, OBJECTS_MAX, &count), "C_FindObjects");
	check(p11->C_FindObjectsFinal(session), "C_FindObjectsFinal");
	for (CK_ULONG i = 0; i < count; i++)
		read_object(list[i]);
	return count;
}

/* What it prints is not read. */
static void run(char **command)
{
	posix_spawn_file_actions_t quiet;
	pid_t pid;
	int status;

	posix_spawn_file_actions_init(&quiet);
	posix_spawn_file_actions_addopen(&quiet, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	if (posix_spawnp(&pid, command[0], &quiet, NULL, command, environ) != 0 || waitpid(pid, &status, 0) != pid ||
	    status) {
		fprintf(stderr, "%s failed\n", command[0]);
		exit(1);
	}
	posix_spawn_file_actions_destroy(&quiet);
}

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	double direct[ROUNDS], command[ROUNDS], ratio[ROUNDS];
	CK_ULONG count = 0;

	if (argc < 3) {
		fprintf(stderr, "usage: walk DIRECT-MODULE COMMAND...\n");
		return 2;
	}
	load(argv[1]);
	for (int i = 0; i < ROUNDS; i++) {
		double start = now_ms(), middle;

		count = walk();
		middle = now_ms();
		run(argv + 2);
		direct[i] = middle - start;
		command[i] = now_ms() - middle;
		ratio[i] = command[i] / direct[i];
	}
	qsort(direct, ROUNDS, sizeof(direct[0]), by_size);
	qsort(command, ROUNDS, sizeof(command[0]), by_size);
	qsort(ratio, ROUNDS, sizeof(ratio[0]), by_size);
	printf("%lu objects read directly p50 %.1f ms, '%s %s' %.1f ms, ratio %.2f\n", count, direct[ROUNDS / 2], argv[2],
	       argc > 3 ? argv[3] : "", command[ROUNDS / 2], ratio[ROUNDS / 2]);
	return 0;
}
