/* SPDX-License-Identifier: Apache-2.0 */
/* sign LINK DIRECT-MODULE GROUP-MODULE LABEL: ECDSA signatures and random bytes of both in turns; $PIN logs in. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <pkcs11.h>

enum { ROUNDS = 40, BATCH = 50, SIDES = 2 };

struct side {
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

static void load(struct side *side, const char *path, const char *label)
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

static void sign(const struct side *side)
{
	CK_MECHANISM mechanism = {CKM_ECDSA, NULL, 0};
	CK_BYTE digest[32] = {1}, signature[64];
	CK_ULONG len = sizeof(signature);

	check(side->p11->C_SignInit(side->session, &mechanism, side->key), "C_SignInit");
	check(side->p11->C_Sign(side->session, digest, sizeof(digest), signature, &len), "C_Sign");
}

static void draw(const struct side *side)
{
	CK_BYTE bytes[32];

	check(side->p11->C_GenerateRandom(side->session, bytes, sizeof(bytes)), "C_GenerateRandom");
}

static void take_time(struct side *side, void (*what)(const struct side *side))
{
	double start = now_us();

	what(side);
	side->us[side->count++] = now_us() - start;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double percentile(struct side *side, size_t percent)
{
	return side->us[side->count * percent / 100];
}

static void compare(struct side sides[static SIDES], const char *link, const char *name,
		    void (*what)(const struct side *side))
{
	double direct, group;

	for (int i = 0; i < BATCH; i++)
		for (int s = 0; s < SIDES; s++)
			what(&sides[s]);
	sides[0].count = sides[1].count = 0;
	for (int round = 0; round < ROUNDS; round++)
		for (int s = 0; s < SIDES; s++)
			for (int i = 0; i < BATCH; i++)
				take_time(&sides[s], what);
	for (int s = 0; s < SIDES; s++)
		qsort(sides[s].us, sides[s].count, sizeof(sides[s].us[0]), by_size);
	direct = percentile(&sides[0], 50);
	group = percentile(&sides[1], 50);
	printf("%-9s %-6s direct p50 %6.1f us, p99 %6.1f us; group p50 %6.1f us, p99 %6.1f us: "
	       "ratio %.2f, %.1f us more\n", link, name, direct, percentile(&sides[0], 99), group, percentile(&sides[1], 99), group / direct,
	       group - direct);
}

int main(int argc, char **argv)
{
	static struct side sides[SIDES];

	if (argc != 5) {
		fprintf(stderr, "usage: sign LINK DIRECT-MODULE GROUP-MODULE LABEL\n");
		return 2;
	}
	load(&sides[0], argv[2], argv[4]);
	load(&sides[1], argv[3], argv[4]);
	compare(sides, argv[1], "ECDSA", sign);
	compare(sides, argv[1], "random", draw);
	return 0;
}
