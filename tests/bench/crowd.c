/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads of an application that sign by ECDSA; $MODULE, $PIN.
 *
 * crowd sign LABEL: four of them, until stdin ends. "ready", then a line for each call that took more than SLOW_US or
 * failed: "START_US DURATION_US RV" (CLOCK_MONOTONIC); at the end "CALLS FAILED".
 * crowd bursts LABEL THREADS BURSTS CALLS: so many come at once, sign so often each, and go; again and again.
 * "CALLS FAILED MS CONNECTIONS": those that were made.
 * crowd rate LABEL sign|gcm THREADS SECONDS: ECDSA, or AES-GCM of 1 KiB. Calls a second.
 * crowd once LABEL: one signature. Microseconds from C_Initialize on.
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

/* ---- the token of any module ---- */

static CK_SLOT_ID slot;

static CK_SESSION_HANDLE open_anywhere(void)
{
	CK_SESSION_HANDLE ret;

	OK(p11->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &ret));
	return ret;
}

static void begin_anywhere(const char *label, CK_OBJECT_CLASS class)
{
	CK_C_INITIALIZE_ARGS args = {.flags = CKF_OS_LOCKING_OK};
	CK_SLOT_ID slots[8];
	CK_ULONG count = 8;

	OK(p11->C_Initialize(&args));
	OK(p11->C_GetSlotList(CK_TRUE, slots, &count));
	slot = slots[0];
	session = open_anywhere();
	OK(log_in(session));
	key = object(label, class);
}

static bool gcm;

static CK_RV encrypt_with(CK_SESSION_HANDLE s)
{
	CK_BYTE iv[12] = {1}, data[1024] = {2}, out[1024 + 16];
	CK_GCM_PARAMS params = {.pIv = iv, .ulIvLen = sizeof(iv), .ulIvBits = 96, .ulTagBits = 128};
	CK_MECHANISM mechanism = {CKM_AES_GCM, &params, sizeof(params)};
	CK_ULONG len = sizeof(out);
	CK_RV rv = p11->C_EncryptInit(s, &mechanism, key);

	return rv == CKR_OK ? p11->C_Encrypt(s, data, sizeof(data), out, &len) : rv;
}

static void *keep_calling(void *data)
{
	CK_SESSION_HANDLE mine = open_anywhere();

	while (!over) {
		OK(gcm ? encrypt_with(mine) : sign_with(mine, key, CKM_ECDSA));
		atomic_fetch_add(&calls, 1);
	}
	return data;
}

static void rate(char **args)
{
	unsigned long n = strtoul(args[2], NULL, 10), before;
	pthread_t *threads = calloc(n, sizeof(*threads));
	double seconds = strtod(args[3], NULL);
	long long start;

	gcm = strcmp(args[1], "gcm") == 0;
	begin_anywhere(args[0], gcm ? CKO_SECRET_KEY : CKO_PRIVATE_KEY);
	for (unsigned long i = 0; i < n; i++)
		HOLDS(pthread_create(&threads[i], NULL, keep_calling, NULL) == 0);
	/* Connections are made, and members known. */
	usleep(300000);
	before = calls;
	start = now_us();
	usleep((useconds_t)(seconds * 1e6));
	printf("%.1f\n", (double)(calls - before) * 1e6 / (double)(now_us() - start));
	over = true;
	for (unsigned long i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	free(threads);
}

static void once(char **args)
{
	long long start = now_us();

	begin_anywhere(args[0], CKO_PRIVATE_KEY);
	OK(sign_with(session, key, CKM_ECDSA));
	printf("%lld\n", now_us() - start);
}

int main(int argc, char **argv)
{
	static const struct check checks[] = {{"sign", crowd, 1}, {"bursts", bursts, 4}, {"rate", rate, 4}, {"once", once, 1}, {NULL, NULL, 0}};

	return run_check(checks, argc, argv);
}
