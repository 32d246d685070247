/* SPDX-License-Identifier: Apache-2.0 */
/* edges CHECK [ARGUMENTS]: hosts that call wrongly, from several threads at once, or with what kills tokens. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "stranger.h"

enum { THREADS = 8, ROUNDS = 20 };

/* ---- C_Initialize and C_Finalize ---- */

static CK_RV initialize_with(const void *reserved)
{
	CK_C_INITIALIZE_ARGS args = {.flags = CKF_OS_LOCKING_OK, .LibraryParameters = (void *)reserved};

	return p11->C_Initialize(&args);
}

static void reserved(char **args)
{
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CK_INFO info;

	(void)args;
	memset(page, 'a', 4096);
	HOLDS(mprotect(page + 4096, 4096, PROT_NONE) == 0);
	IS(initialize_with((void *)1), CKR_ARGUMENTS_BAD);
	IS(initialize_with((void *)-1), CKR_ARGUMENTS_BAD);
	IS(initialize_with(page + 4090), CKR_ARGUMENTS_BAD);
	IS(initialize_with("store=\t"), CKR_ARGUMENTS_BAD);
	IS(p11->C_GetInfo(&info), CKR_CRYPTOKI_NOT_INITIALIZED);
	OK(initialize_with("configDir='here' other=words"));
	OK(p11->C_Finalize(NULL));
}

static atomic_uint opened, already, odd;
static atomic_bool go;

static void *initialize_once(void *data)
{
	CK_RV rv;

	(void)data;
	while (!go)
		;
	rv = p11->C_Initialize(NULL);
	(rv == CKR_OK ? opened++ : rv == CKR_CRYPTOKI_ALREADY_INITIALIZED ? already++ : odd++);
	return NULL;
}

static void initialize_race(char **args)
{
	(void)args;
	for (int n = 0; n < ROUNDS; n++) {
		pthread_t threads[THREADS];

		go = false;
		opened = already = 0;
		for (int i = 0; i < THREADS; i++)
			HOLDS(pthread_create(&threads[i], NULL, initialize_once, NULL) == 0);
		go = true;
		for (int i = 0; i < THREADS; i++)
			pthread_join(threads[i], NULL);
		IS(opened, 1);
		IS(already, THREADS - 1);
		OK(p11->C_Finalize(NULL));
	}
	IS(odd, 0);
}

/* Everything a thread may meet whose module is taken down and set up again under it. */
static bool expected(CK_RV rv)
{
	return rv == CKR_OK || rv == CKR_CRYPTOKI_NOT_INITIALIZED || rv == CKR_SESSION_HANDLE_INVALID ||
	       rv == CKR_DEVICE_REMOVED || rv == CKR_USER_NOT_LOGGED_IN || rv == CKR_USER_ALREADY_LOGGED_IN ||
	       rv == CKR_KEY_HANDLE_INVALID || rv == CKR_OBJECT_HANDLE_INVALID;
}

static atomic_bool enough;
static atomic_ulong signatures;

static void *user(void *data)
{
	(void)data;
	while (!enough) {
		CK_SLOT_ID id;
		CK_SESSION_HANDLE s;
		CK_OBJECT_HANDLE key;
		CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
		CK_ATTRIBUTE template[] = {{CKA_LABEL, (void *)"signing-1", 9}, {CKA_CLASS, &class, sizeof(class)}};
		CK_ULONG found = 0;
		CK_RV rv = first_slot(&id);

		if (rv == CKR_OK)
			rv = p11->C_OpenSession(id, CKF_SERIAL_SESSION, NULL, NULL, &s);
		if (rv == CKR_OK)
			rv = log_in(s);
		if (rv == CKR_OK || rv == CKR_USER_ALREADY_LOGGED_IN)
			rv = p11->C_FindObjectsInit(s, template, 2);
		if (rv == CKR_OK)
			rv = p11->C_FindObjects(s, &key, 1, &found);
		if (rv == CKR_OK)
			rv = p11->C_FindObjectsFinal(s);
		for (int i = 0; i < 50 && rv == CKR_OK && found; i++) {
			rv = sign_with(s, key, CKM_ECDSA);
			signatures += rv == CKR_OK;
		}
		odd += !expected(rv);
		if (!expected(rv))
			fprintf(stderr, "a thread got 0x%lx\n", rv);
	}
	return NULL;
}

static void finalize_under_load(char **args)
{
	pthread_t threads[THREADS];

	(void)args;
	OK(p11->C_Initialize(NULL));
	for (int i = 0; i < THREADS; i++)
		HOLDS(pthread_create(&threads[i], NULL, user, NULL) == 0);
	for (int n = 0; n < ROUNDS; n++) {
		unsigned long before = signatures;

		while (signatures < before + 30)
			usleep(1000);
		OK(p11->C_Finalize(NULL));
		OK(p11->C_Initialize(NULL));
	}
	enough = true;
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	OK(p11->C_Finalize(NULL));
	IS(odd, 0);
}

static void *logs_in(void *data)
{
	*(CK_RV *)data = log_in(session);
	return NULL;
}

/* edges finalize-hung: every member hangs, and a call is on its way from one to the next. */
static void finalize_hung(char **args)
{
	struct timespec from, to;
	pthread_t thread;
	CK_RV rv = CKR_OK;

	(void)args;
	OK(p11->C_Initialize(NULL));
	session = open_session();
	HOLDS(pthread_create(&thread, NULL, logs_in, &rv) == 0);
	usleep(100000);
	clock_gettime(CLOCK_MONOTONIC, &from);
	OK(p11->C_Finalize(NULL));
	clock_gettime(CLOCK_MONOTONIC, &to);
	pthread_join(thread, NULL);
	IS(rv, CKR_DEVICE_REMOVED);
	/* At most the connecting that had begun: two seconds of eight. */
	HOLDS(to.tv_sec - from.tv_sec <= 4);
}

static atomic_bool login_is_over;

static void *logs_in_and_says_so(void *data)
{
	logs_in(data);
	login_is_over = true;
	return NULL;
}

/* edges close-hung: every member hangs, and the last session is closed while a login is on its way. */
static void close_hung(char **args)
{
	CK_SESSION_INFO info;
	CK_SLOT_ID slots[8];
	CK_ULONG count = 8;
	pthread_t thread;
	CK_RV rv = CKR_OK;

	(void)args;
	OK(p11->C_Initialize(NULL));
	session = open_session();
	HOLDS(pthread_create(&thread, NULL, logs_in_and_says_so, &rv) == 0);
	usleep(100000);
	OK(p11->C_CloseSession(session));
	session = open_session();
	OK(p11->C_GetSessionInfo(session, &info));
	IS(info.state, CKS_RW_PUBLIC_SESSION);
	OK(p11->C_GetSlotList(CK_TRUE, slots, &count));
	HOLDS(!login_is_over);
	pthread_join(thread, NULL);
	IS(rv, CKR_DEVICE_REMOVED);
	OK(p11->C_GetSessionInfo(session, &info));
	IS(info.state, CKS_RW_PUBLIC_SESSION);
}

/* ---- what is the caller's fault ---- */

static CK_RV generate_with(CK_MECHANISM_TYPE type, void *parameter, CK_ULONG len, CK_ATTRIBUTE *more)
{
	CK_ULONG size = 32;
	CK_BBOOL yes = CK_TRUE;
	CK_ATTRIBUTE template[] = {{CKA_TOKEN, &yes, 1}, {CKA_VALUE_LEN, &size, sizeof(size)}, {CKA_LABEL, (void *)"never", 5}, {0}};
	CK_MECHANISM mechanism = {type, parameter, len};
	CK_OBJECT_HANDLE key;

	if (more)
		template[3] = *more;
	return p11->C_GenerateKey(session, &mechanism, template, more ? 4 : 3, &key);
}

static CK_RV pair_with(CK_MECHANISM_TYPE type)
{
	CK_MECHANISM mechanism = {type, NULL, 0};
	CK_BBOOL yes = CK_TRUE;
	CK_ATTRIBUTE template[] = {{CKA_TOKEN, &yes, 1}};
	CK_OBJECT_HANDLE public_key, private_key;

	return p11->C_GenerateKeyPair(session, &mechanism, template, 1, template, 1, &public_key, &private_key);
}

static void bad_arguments(char **args)
{
	static const CK_MECHANISM_TYPE wants_parameter[] = {CKM_AES_GCM, CKM_AES_CTR, CKM_RSA_PKCS_PSS, CKM_RSA_PKCS_OAEP,
							    CKM_SHA256_RSA_PKCS_PSS};
	CK_BYTE bytes[16] = {0};
	CK_BBOOL yes = CK_TRUE;
	CK_ATTRIBUTE inner = {CKA_SIGN, &yes, 1};
	CK_ATTRIBUTE strange = {CKA_VENDOR_DEFINED | CKF_ARRAY_ATTRIBUTE, &inner, sizeof(inner)};
	CK_ATTRIBUTE part = {CKA_UNWRAP_TEMPLATE, &inner, sizeof(inner) - 1};
	CK_ATTRIBUTE missing = {CKA_ID, NULL, 4}, wide = {CKA_SIGN, bytes, 8};
	CK_MECHANISM gcm = {CKM_AES_GCM, NULL, 0}, lost = {CKM_AES_GCM, NULL, sizeof(CK_GCM_PARAMS)};

	(void)args;
	begin();
	for (size_t i = 0; i < sizeof(wants_parameter) / sizeof(wants_parameter[0]); i++) {
		HOLDS(generate_with(wants_parameter[i], NULL, 0, NULL) != CKR_OK);
		HOLDS(generate_with(wants_parameter[i], NULL, 48, NULL) != CKR_OK);
		HOLDS(pair_with(wants_parameter[i]) != CKR_OK);
	}
	IS(generate_with(0x7777, NULL, 0, NULL), CKR_MECHANISM_INVALID);
	IS(generate_with(CKM_RC2_KEY_GEN, NULL, 0, NULL), CKR_MECHANISM_INVALID);
	IS(generate_with(CKM_AES_ECB, NULL, 0, NULL), CKR_MECHANISM_INVALID);
	IS(pair_with(CKM_X9_42_DH_KEY_PAIR_GEN), CKR_MECHANISM_INVALID);
	IS(pair_with(CKM_AES_KEY_GEN), CKR_MECHANISM_INVALID);
	IS(generate_with(CKM_AES_KEY_GEN, NULL, 0, &strange), CKR_ATTRIBUTE_TYPE_INVALID);
	IS(generate_with(CKM_AES_KEY_GEN, NULL, 0, &part), CKR_ATTRIBUTE_VALUE_INVALID);
	IS(generate_with(CKM_AES_KEY_GEN, NULL, 0, &missing), CKR_ATTRIBUTE_VALUE_INVALID);
	IS(generate_with(CKM_AES_KEY_GEN, NULL, 0, &wide), CKR_ATTRIBUTE_VALUE_INVALID);
	IS(p11->C_EncryptInit(session, &gcm, object("wrap-1", CKO_SECRET_KEY)), CKR_MECHANISM_PARAM_INVALID);
	IS(p11->C_EncryptInit(session, &lost, object("wrap-1", CKO_SECRET_KEY)), CKR_MECHANISM_PARAM_INVALID);
	IS(p11->C_SetAttributeValue(session, object("wrap-1", CKO_SECRET_KEY), &wide, 1), CKR_ATTRIBUTE_VALUE_INVALID);
	OK(sign_with(session, object("signing-1", CKO_PRIVATE_KEY), CKM_ECDSA));
}

/* Data that there is no memory for takes its operation with it. A sanitizer needs more address space than is left
 * here, and ends the process. */
static void no_memory(void)
{
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	CK_MECHANISM sha256 = {CKM_SHA256, NULL, 0};
	enum { BIG = 7 << 20, LITTLE = 3 << 20 };
	CK_BYTE *data = calloc(1, BIG), out[64];
	CK_ULONG len = sizeof(out);
	struct rlimit all, little;
	unsigned long pages;
	FILE *file;

	OK(p11->C_DigestInit(session, &sha256));
	OK(p11->C_DigestUpdate(session, data, 1));
	file = fopen("/proc/self/statm", "re");
	HOLDS(file && fscanf(file, "%lu", &pages) == 1);
	fclose(file);
	HOLDS(getrlimit(RLIMIT_AS, &all) == 0);
	little = (struct rlimit){pages * (unsigned long)sysconf(_SC_PAGESIZE) + LITTLE, all.rlim_max};
	HOLDS(setrlimit(RLIMIT_AS, &little) == 0);
	IS(p11->C_DigestUpdate(session, data, BIG), CKR_HOST_MEMORY);
	HOLDS(setrlimit(RLIMIT_AS, &all) == 0);
	IS(p11->C_DigestFinal(session, out, &len), CKR_OPERATION_NOT_INITIALIZED);
	free(data);
#endif
}

/* A length that a call which failed left behind, and no memory: never a result of less than what was given. */
static void lost_input(char **args)
{
	CK_MECHANISM sha256 = {CKM_SHA256, NULL, 0}, ecdsa = {CKM_ECDSA, NULL, 0};
	CK_BYTE data[1] = {0}, out[64];
	CK_ULONG len = sizeof(out), never = CK_UNAVAILABLE_INFORMATION;
	CK_ATTRIBUTE label = {CKA_LABEL, out, sizeof(out)};

	(void)args;
	begin();
	IS(p11->C_GenerateRandom(session, out, never), CKR_ARGUMENTS_BAD);
	IS(p11->C_FindObjectsInit(session, &label, never), CKR_ARGUMENTS_BAD);
	IS(p11->C_GetAttributeValue(session, object("wrap-1", CKO_SECRET_KEY), &label, never), CKR_ARGUMENTS_BAD);
	OK(p11->C_SignInit(session, &ecdsa, object("signing-1", CKO_PRIVATE_KEY)));
	IS(p11->C_SignUpdate(session, out, never), CKR_ARGUMENTS_BAD);
	OK(p11->C_DigestInit(session, &sha256));
	OK(p11->C_DigestUpdate(session, data, 1));
	IS(p11->C_DigestUpdate(session, data, never), CKR_ARGUMENTS_BAD);
	OK(p11->C_DigestFinal(session, out, &len));
	no_memory();
}

/* A token that checks a tag first gives nothing before the end: all of it comes then. */
static void held_back(char **args)
{
	enum { LEN = 300000, STEP = 7001, TAG = 16 };
	CK_BYTE iv[12] = {1}, *data = malloc(LEN), *sealed = malloc(LEN + TAG), *out = malloc(LEN + TAG);
	CK_GCM_PARAMS params = {.pIv = iv, .ulIvLen = sizeof(iv), .ulIvBits = 96, .ulTagBits = TAG * 8};
	CK_MECHANISM gcm = {CKM_AES_GCM, &params, sizeof(params)};
	CK_ULONG len = LEN + TAG, made = 0, more;
	CK_OBJECT_HANDLE key;

	(void)args;
	HOLDS(data && sealed && out);
	for (int i = 0; i < LEN; i++)
		data[i] = (CK_BYTE)(i * 7 + (i >> 8));
	begin();
	key = object("wrap-1", CKO_SECRET_KEY);
	OK(p11->C_EncryptInit(session, &gcm, key));
	OK(p11->C_Encrypt(session, data, LEN, sealed, &len));
	OK(p11->C_DecryptInit(session, &gcm, key));
	for (CK_ULONG at = 0; at < len; at += STEP) {
		more = LEN + TAG - made;
		OK(p11->C_DecryptUpdate(session, sealed + at, len - at < STEP ? len - at : STEP, out + made, &more));
		made += more;
	}
	OK(p11->C_DecryptFinal(session, NULL, &more));
	IS(made + more, LEN);
	OK(p11->C_DecryptFinal(session, out + made, &more));
	HOLDS(memcmp(data, out, LEN) == 0);
	free(data);
	free(sealed);
	free(out);
}

/* A signature that no link carries is the caller's affair: nobody is down for it. */
static void no_signature(char **args)
{
	enum { HUGE = 17 << 20 };
	CK_MECHANISM hmac = {CKM_SHA256_HMAC, NULL, 0};
	CK_BYTE *data = calloc(1, HUGE);

	(void)args;
	HOLDS(data);
	begin();
	OK(p11->C_VerifyInit(session, &hmac, object("mac-1", CKO_SECRET_KEY)));
	OK(p11->C_VerifyUpdate(session, data, HUGE));
	IS(p11->C_VerifyFinal(session, data, HUGE), CKR_HOST_MEMORY);
	OK(sign_with(session, object("signing-1", CKO_PRIVATE_KEY), CKM_ECDSA));
	free(data);
}

/* What members cannot carry or prove is refused with the reason, not with the policy's. */
static void reasons(char **args)
{
	static const CK_BYTE secp256k1[] = {0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x0a};
	CK_MECHANISM mechanism = {CKM_EC_KEY_PAIR_GEN, NULL, 0};
	CK_BBOOL yes = CK_TRUE;
	CK_ATTRIBUTE template[] = {{CKA_TOKEN, &yes, 1}, {CKA_EC_PARAMS, (void *)secp256k1, sizeof(secp256k1)}};
	CK_OBJECT_HANDLE public_key, private_key;

	(void)args;
	begin();
	IS(p11->C_GenerateKeyPair(session, &mechanism, template, 2, template, 1, &public_key, &private_key),
	   CKR_CURVE_NOT_SUPPORTED);
}

/* ---- inputs that tokens refuse, or die of ---- */

static CK_RV raw(CK_MECHANISM_TYPE type, CK_OBJECT_HANDLE key, CK_ULONG len)
{
	CK_MECHANISM mechanism = {type, NULL, 0};
	CK_BYTE data[1024] = {0}, out[1024];
	CK_ULONG out_len = sizeof(out);

	OK(p11->C_SignInit(session, &mechanism, key));
	return p11->C_Sign(session, data, len, out, &out_len);
}

/* It takes its input at once. */
static CK_RV raw_in_parts(CK_OBJECT_HANDLE key)
{
	CK_MECHANISM mechanism = {CKM_RSA_X_509, NULL, 0};
	CK_BYTE data[16] = {0};

	OK(p11->C_SignInit(session, &mechanism, key));
	return p11->C_SignUpdate(session, data, sizeof(data));
}

static void raw_rsa(char **args)
{
	CK_MECHANISM mechanism = {CKM_RSA_X_509, NULL, 0};
	CK_OBJECT_HANDLE key;
	CK_BYTE data[300] = {0};

	(void)args;
	begin();
	key = object("tls-1", CKO_PRIVATE_KEY);
	IS(raw(CKM_RSA_X_509, key, 257), CKR_DATA_LEN_RANGE);
	IS(raw(CKM_RSA_X_509, key, 1024), CKR_DATA_LEN_RANGE);
	IS(raw(CKM_RSA_PKCS, key, 246), CKR_DATA_LEN_RANGE);
	IS(raw_in_parts(key), CKR_OPERATION_NOT_INITIALIZED);
	OK(raw(CKM_RSA_X_509, key, 256));
	OK(p11->C_VerifyInit(session, &mechanism, object("tls-1", CKO_PUBLIC_KEY)));
	IS(p11->C_Verify(session, data, 257, data, 256), CKR_DATA_LEN_RANGE);
	OK(p11->C_VerifyInit(session, &mechanism, object("tls-1", CKO_PUBLIC_KEY)));
	IS(p11->C_Verify(session, data, 256, data, 255), CKR_SIGNATURE_LEN_RANGE);
}

/* edges sign RV...: one signature after the other; each must end so. */
static void sign_until(char **args)
{
	CK_OBJECT_HANDLE key;

	begin();
	key = object("signing-1", CKO_PRIVATE_KEY);
	IS(sign_with(session, key, CKM_ECDSA), strtoul(args[0], NULL, 0));
	IS(sign_with(session, key, CKM_ECDSA), strtoul(args[1], NULL, 0));
}

/* edges by-line: after each line of stdin a search and a signature; "CODE" on stdout for each. */
static void answer(const char *line)
{
	(void)line;
	printf("0x%lx\n", find_and_sign(session, "signing-1"));
}

static void by_line(char **args)
{
	(void)args;
	begin();
	answer_lines(answer);
}

/* ---- connections ---- */

/* Calls what for each socket of this process, with its inode. */
static void each_socket(void (*what)(unsigned long inode, void *data), void *data)
{
	for (int fd = 0; fd < 1024; fd++) {
		char path[64], target[64] = "";
		unsigned long inode;

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		if (readlink(path, target, sizeof(target) - 1) > 0 && sscanf(target, "socket:[%lu]", &inode) == 1)
			what(inode, data);
	}
}

static void count_one(unsigned long inode, void *data)
{
	(void)inode;
	++*(unsigned long *)data;
}

static unsigned long sockets_open(void)
{
	unsigned long count = 0;

	each_socket(count_one, &count);
	return count;
}

static void keep_newest(unsigned long inode, void *data)
{
	unsigned long *newest = data;

	*newest = inode > *newest ? inode : *newest;
}

/* Rises with every socket that is made. */
static unsigned long newest_socket(void)
{
	unsigned long newest = 0;

	each_socket(keep_newest, &newest);
	return newest;
}

/* edges damaged COUNT: so many damaged ciphertexts and bad signatures, over the connections there are (unless a hung
 * member is probed meanwhile). */
static void damaged(char **args)
{
	CK_BYTE iv[16] = {1}, data[32] = {5}, signature[64] = {9};
	CK_MECHANISM cbc = {CKM_AES_CBC_PAD, iv, sizeof(iv)}, ecdsa = {CKM_ECDSA, NULL, 0};
	CK_OBJECT_HANDLE key, public_key;
	unsigned long newest = 0;

	begin();
	key = object("wrap-1", CKO_SECRET_KEY);
	public_key = object("signing-1", CKO_PUBLIC_KEY);
	for (int n = 0; n < atoi(args[0]); n++) {
		CK_BYTE out[64];
		CK_ULONG len = sizeof(out);
		CK_RV rv;

		OK(p11->C_DecryptInit(session, &cbc, key));
		rv = p11->C_Decrypt(session, data, sizeof(data), out, &len);
		HOLDS(rv == CKR_GENERAL_ERROR || rv == CKR_ENCRYPTED_DATA_INVALID || rv == CKR_FUNCTION_FAILED);
		OK(p11->C_VerifyInit(session, &ecdsa, public_key));
		IS(p11->C_Verify(session, data, 32, signature, sizeof(signature)), CKR_SIGNATURE_INVALID);
		/* Every member was met in the first round. */
		if (n == 0)
			newest = newest_socket();
		HOLDS(newest_socket() == newest || getenv("HUNG"));
	}
}

/* ---- children ---- */

static void children(char **args)
{
	unsigned long before = sockets_open();
	int status;
	pid_t pid;

	(void)args;
	begin();
	OK(sign_with(session, object("signing-1", CKO_PRIVATE_KEY), CKM_ECDSA));
	HOLDS(sockets_open() > before);
	pid = fork();
	if (pid == 0)
		_exit(sockets_open() != before);
	IS(waitpid(pid, &status, 0), pid);
	IS(status, 0);
	OK(sign_with(session, object("signing-1", CKO_PRIVATE_KEY), CKM_ECDSA));
}

static volatile sig_atomic_t told;

static void on_child(int number)
{
	told = number;
}

/* edges alone: whatever serves us, a host that waits for its own children meets no other, and is told of none. */
static void alone(char **args)
{
	(void)args;
	signal(SIGCHLD, on_child);
	begin();
	OK(sign_with(session, object("signing-1", CKO_PRIVATE_KEY), CKM_ECDSA));
	IS(waitpid(-1, NULL, WNOHANG), -1);
	IS(errno, ECHILD);
	OK(p11->C_Finalize(NULL));
	IS(waitpid(-1, NULL, WNOHANG), -1);
	IS(told, 0);
}

int main(int argc, char **argv)
{
	static const struct check checks[] = {
		{"reserved", reserved, 0},
		{"initialize-race", initialize_race, 0},
		{"finalize-under-load", finalize_under_load, 0},
		{"finalize-hung", finalize_hung, 0},
		{"close-hung", close_hung, 0},
		{"bad-arguments", bad_arguments, 0},
		{"lost-input", lost_input, 0},
		{"held-back", held_back, 0},
		{"no-signature", no_signature, 0},
		{"reasons", reasons, 0},
		{"raw-rsa", raw_rsa, 0},
		{"sign", sign_until, 2},
		{"by-line", by_line, 0},
		{"damaged", damaged, 1},
		{"children", children, 0},
		{"alone", alone, 0},
		{NULL, NULL, 0},
	};

	return run_check(checks, argc, argv);
}
