/* SPDX-License-Identifier: Apache-2.0 */
/* sign DIRECT-MODULE GROUP-MODULE LABEL: ECDSA signatures on both in turns; $PIN logs in. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <pkcs11.h>

enum { ROUNDS = 40, BATCH = 50, SIDES = 2 };

struct side {
	const char *name;
	CK_FUNCTION_LIST *p11;
	CK_SESSION_HANDLE session;
	CK_OBJECT_HANDLE key;
	double us[ROUNDS * BATCH];
	size_t count;
};

static void check(CK_RV rv, const char *what)
{
	if (rv == CKR_OK)
		return;
	fprintf(stderr, "%s: 0x%lx\n", what, rv);
	exit(1);
}

static void load(struct side *side, const char *name, const char *path, const char *label)
{
	CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
	CK_ATTRIBUTE template[] = {{CKA_LABEL, (void *)label, strlen(label)}, {CKA_CLASS, &class, sizeof(class)}};
	CK_C_INITIALIZE_ARGS args = {.flags = CKF_OS_LOCKING_OK};
	void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	char *pin = getenv("PIN");
	CK_SLOT_ID slots[4];
	CK_ULONG count = 4;

	if (!module) {
		fprintf(stderr, "%s\n", dlerror());
		exit(1);
	}
	side->name = name;
	check(((CK_C_GetFunctionList)dlsym(module, "C_GetFunctionList"))(&side->p11), "C_GetFunctionList");
	check(side->p11->C_Initialize(&args), "C_Initialize");
	check(side->p11->C_GetSlotList(CK_TRUE, slots, &count), "C_GetSlotList");
	check(side->p11->C_OpenSession(slots[0], CKF_SERIAL_SESSION, NULL, NULL, &side->session), "C_OpenSession");
	check(side->p11->C_Login(side->session, CKU_USER, (CK_UTF8CHAR *)pin, strlen(pin)), "C_Login");
	check(side->p11->C_FindObjectsInit(side->session, template, 2), "C_FindObjectsInit");
	check(side->p11->C_FindObjects(side->session, &side->key, 1, &count), "C_FindObjects");
	check(count == 1 ? CKR_OK : CKR_KEY_HANDLE_INVALID, "the key");
	check(side->p11->C_FindObjectsFinal(side->session), "C_FindObjectsFinal");
}

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void sign(struct side *side)
{
	CK_MECHANISM mechanism = {CKM_ECDSA, NULL, 0};
	CK_BYTE digest[32] = {1}, signature[64];
	CK_ULONG len = sizeof(signature);
	double start = now_us();

	check(side->p11->C_SignInit(side->session, &mechanism, side->key), "C_SignInit");
	check(side->p11->C_Sign(side->session, digest, sizeof(digest), signature, &len), "C_Sign");
	side->us[side->count++] = now_us() - start;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double print(struct side *side)
{
	qsort(side->us, side->count, sizeof(side->us[0]), by_size);
	printf("%-10s p50 %7.1f us   p99 %7.1f us\n", side->name, side->us[side->count / 2],
	       side->us[side->count * 99 / 100]);
	return side->us[side->count / 2];
}

int main(int argc, char **argv)
{
	static struct side sides[SIDES];
	double direct, group;

	if (argc != 4) {
		fprintf(stderr, "usage: sign DIRECT-MODULE GROUP-MODULE LABEL\n");
		return 2;
	}
	load(&sides[0], "direct", argv[1], argv[3]);
	load(&sides[1], "group", argv[2], argv[3]);
	for (int i = 0; i < BATCH; i++)
		for (int s = 0; s < SIDES; s++)
			sign(&sides[s]);
	sides[0].count = sides[1].count = 0;
	for (int round = 0; round < ROUNDS; round++)
		for (int s = 0; s < SIDES; s++)
			for (int i = 0; i < BATCH; i++)
				sign(&sides[s]);
	direct = print(&sides[0]);
	group = print(&sides[1]);
	printf("ratio %.2f, %.1f us more for each signature\n", group / direct, group - direct);
	return 0;
}
