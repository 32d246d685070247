/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crowd LABEL: threads of an application sign by ECDSA until stdin ends; $MODULE, $PIN. "ready", then a line for each call that
 * took more than SLOW_US or failed: "START_US DURATION_US RV" (CLOCK_MONOTONIC); at the end "CALLS FAILED".
 */
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "../slot/stranger.h"

enum { THREADS = 4, SLOW_US = 5000 };

static CK_OBJECT_HANDLE key;
static atomic_bool over;
static atomic_ulong calls, failed;

static long long now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (long long)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void *sign(void *data)
{
	CK_MECHANISM mechanism = {CKM_ECDSA, NULL, 0};
	CK_SESSION_HANDLE mine = open_session();

	while (!over) {
		CK_BYTE digest[32] = {1}, signature[64];
		CK_ULONG len = sizeof(signature);
		long long start = now_us(), took;
		CK_RV rv = p11->C_SignInit(mine, &mechanism, key);

		if (rv == CKR_OK)
			rv = p11->C_Sign(mine, digest, sizeof(digest), signature, &len);
		took = now_us() - start;
		atomic_fetch_add(&calls, 1);
		atomic_fetch_add(&failed, rv != CKR_OK);
		if (took > SLOW_US || rv != CKR_OK)
			printf("%lld %lld 0x%lx\n", start, took, rv);
		/* As an application does something else, too. */
		usleep(500);
	}
	return data;
}

static void crowd(char **args)
{
	pthread_t threads[THREADS];
	char byte;

	setvbuf(stdout, NULL, _IOLBF, 0);
	begin();
	key = object(args[0], CKO_PRIVATE_KEY);
	for (int i = 0; i < THREADS; i++)
		HOLDS(pthread_create(&threads[i], NULL, sign, NULL) == 0);
	printf("ready\n");
	while (read(0, &byte, 1) > 0)
		;
	over = true;
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	printf("%lu %lu\n", (unsigned long)calls, (unsigned long)failed);
}

int main(int argc, char **argv)
{
	static const struct check checks[] = {{"sign", crowd, 1}, {NULL, NULL, 0}};

	return run_check(checks, argc, argv);
}
