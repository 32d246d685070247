/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads of an application that sign by ECDSA; $MODULE, $PIN.
 *
 * crowd sign LABEL: four of them, until stdin ends. "ready", then a line for each call that took more than SLOW_US or
 * failed: "START_US DURATION_US RV" (CLOCK_MONOTONIC); at the end "CALLS FAILED".
 * crowd bursts LABEL THREADS BURSTS CALLS: so many come at once, sign so often each, and go; again and again.
 * "CALLS FAILED MS CONNECTIONS": those that were made.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "../slot/stranger.h"

enum { THREADS = 4, SLOW_US = 5000 };

static CK_OBJECT_HANDLE key;
static atomic_bool over;
static atomic_ulong calls, failed, connections;

/* In the place of libc's, also for the module. */
int connect(int fd, const struct sockaddr *address, socklen_t len)
{
	static int (*real)(int, const struct sockaddr *, socklen_t);

	if (!real)
		real = (int (*)(int, const struct sockaddr *, socklen_t))dlsym(RTLD_NEXT, "connect");
	atomic_fetch_add(&connections, 1);
	return real(fd, address, len);
}

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

static unsigned long calls_each;

static void *sign_some(void *data)
{
	CK_SESSION_HANDLE mine = open_session();

	for (unsigned long i = 0; i < calls_each; i++) {
		atomic_fetch_add(&calls, 1);
		atomic_fetch_add(&failed, sign_with(mine, key, CKM_ECDSA) != CKR_OK);
	}
	OK(p11->C_CloseSession(mine));
	return data;
}

static void bursts(char **args)
{
	unsigned long n = strtoul(args[1], NULL, 10), times = strtoul(args[2], NULL, 10);
	pthread_t *threads = calloc(n, sizeof(*threads));
	long long start;

	calls_each = strtoul(args[3], NULL, 10);
	begin();
	key = object(args[0], CKO_PRIVATE_KEY);
	start = now_us();
	while (times--) {
		for (unsigned long i = 0; i < n; i++)
			HOLDS(pthread_create(&threads[i], NULL, sign_some, NULL) == 0);
		for (unsigned long i = 0; i < n; i++)
			pthread_join(threads[i], NULL);
	}
	printf("%lu %lu %lld %lu\n", (unsigned long)calls, (unsigned long)failed, (now_us() - start) / 1000,
	       (unsigned long)connections);
	free(threads);
}

int main(int argc, char **argv)
{
	static const struct check checks[] = {{"sign", crowd, 1}, {"bursts", bursts, 4}, {NULL, NULL, 0}};

	return run_check(checks, argc, argv);
}
