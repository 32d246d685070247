/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program that runs while its groups change. follow by-line: it says "ready", and answers each line of stdin with one:
 *
 *	slots			those there are, "ID PRESENT NAME;" each
 *	open NAME		a session on the token of that name, logged in: it is the one that is used from now on
 *	sign LABEL		a search and a signature
 *	make LABEL		an AES key
 *	session			is it there?
 *	event			a slot whose token came or went, or what C_WaitForSlotEvent says
 *	wait			the same, waiting
 *	end-soon		C_Finalize, while another thread waits
 *	crowd NAME		from now on eight threads open sessions there, look for keys and sign
 *	signed			there are more signatures than there were
 *	calm			they end: how many calls failed, how many met a token's end, and the last code of these
 */
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "stranger.h"

/* As it is padded. */
static const char *text_of(const CK_UTF8CHAR *padded, size_t size)
{
	static _Thread_local char text[65];

	memcpy(text, padded, size);
	while (size && text[size - 1] == ' ')
		size--;
	text[size] = 0;
	return text;
}

static void slots(void)
{
	CK_SLOT_ID list[16];
	CK_ULONG count = 0;

	OK(p11->C_GetSlotList(CK_FALSE, NULL, &count));
	HOLDS(count <= 16);
	OK(p11->C_GetSlotList(CK_FALSE, list, &count));
	for (CK_ULONG i = 0; i < count; i++) {
		CK_SLOT_INFO info;

		OK(p11->C_GetSlotInfo(list[i], &info));
		printf("%lu %d %s;", list[i], !!(info.flags & CKF_TOKEN_PRESENT), text_of(info.slotDescription, 64));
	}
	printf("\n");
}

static CK_RV open_on(const char *name, CK_SESSION_HANDLE *ret)
{
	CK_SLOT_ID list[16];
	CK_ULONG count = 16;
	CK_RV rv = p11->C_GetSlotList(CK_TRUE, list, &count);

	for (CK_ULONG i = 0; rv == CKR_OK && i < count; i++) {
		CK_TOKEN_INFO info;

		rv = p11->C_GetTokenInfo(list[i], &info);
		if (rv != CKR_OK || strcmp(text_of(info.label, 32), name) != 0)
			continue;
		rv = p11->C_OpenSession(list[i], CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, ret);
		return rv == CKR_OK ? log_in(*ret) : rv;
	}
	return rv == CKR_OK ? CKR_TOKEN_NOT_PRESENT : rv;
}

static CK_RV make(const char *label)
{
	CK_MECHANISM mechanism = {CKM_AES_KEY_GEN, NULL, 0};
	CK_ULONG len = 32;
	CK_BBOOL yes = CK_TRUE;
	CK_ATTRIBUTE template[] = {
		{CKA_LABEL, (void *)label, strlen(label)}, {CKA_VALUE_LEN, &len, sizeof(len)}, {CKA_TOKEN, &yes, 1}};
	CK_OBJECT_HANDLE key;

	return p11->C_GenerateKey(session, &mechanism, template, 3, &key);
}

static void event(CK_FLAGS flags)
{
	CK_SLOT_ID id;
	CK_RV rv = p11->C_WaitForSlotEvent(flags, &id, NULL);

	if (rv == CKR_OK)
		printf("%lu\n", id);
	else
		printf("0x%lx\n", rv);
}

static void *waits(void *data)
{
	CK_SLOT_ID id;

	*(CK_RV *)data = p11->C_WaitForSlotEvent(0, &id, NULL);
	return NULL;
}

static void end_soon(void)
{
	CK_RV rv = CKR_OK;
	pthread_t thread;

	HOLDS(pthread_create(&thread, NULL, waits, &rv) == 0);
	usleep(50000);
	OK(p11->C_Finalize(NULL));
	pthread_join(thread, NULL);
	printf("0x%lx\n", rv);
}

/* ---- a crowd ---- */

static struct {
	pthread_t threads[8];
	char name[33];
	atomic_bool calm;
	atomic_ulong signatures, ended, failed, last;
} crowd;

/* What a token's end is to a session on it. */
static bool is_the_end(CK_RV rv)
{
	return rv == CKR_TOKEN_NOT_PRESENT || rv == CKR_SESSION_HANDLE_INVALID || rv == CKR_USER_NOT_LOGGED_IN ||
	       rv == CKR_DEVICE_REMOVED || rv == CKR_OBJECT_HANDLE_INVALID || rv == CKR_KEY_HANDLE_INVALID;
}

static void *comes_and_signs(void *data)
{
	while (!crowd.calm) {
		CK_SESSION_HANDLE s = CK_INVALID_HANDLE;
		CK_RV rv = open_on(crowd.name, &s);

		if (rv == CKR_USER_ALREADY_LOGGED_IN)
			rv = CKR_OK;
		for (int n = 0; n < 20 && rv == CKR_OK && !crowd.calm; n++) {
			rv = find_and_sign(s, "signing");
			crowd.signatures += rv == CKR_OK;
		}
		if (rv != CKR_OK) {
			(is_the_end(rv) ? crowd.ended++ : crowd.failed++);
			crowd.last = rv;
		}
		p11->C_CloseSession(s);
	}
	return data;
}

static void begin_crowd(const char *name)
{
	snprintf(crowd.name, sizeof(crowd.name), "%s", name);
	for (size_t i = 0; i < sizeof(crowd.threads) / sizeof(crowd.threads[0]); i++)
		HOLDS(pthread_create(&crowd.threads[i], NULL, comes_and_signs, NULL) == 0);
	printf("crowded\n");
}

static void more_signatures(void)
{
	unsigned long before = crowd.signatures;

	while (crowd.signatures < before + 30)
		usleep(1000);
	printf("more\n");
}

static void end_crowd(void)
{
	crowd.calm = true;
	for (size_t i = 0; i < sizeof(crowd.threads) / sizeof(crowd.threads[0]); i++)
		pthread_join(crowd.threads[i], NULL);
	printf("%lu failed, %lu ended, 0x%lx\n", crowd.failed, crowd.ended, crowd.last);
}

static bool says(const char *line, const char *verb, const char **rest)
{
	size_t len = strlen(verb);

	*rest = line + len + (line[len] == ' ');
	return strncmp(line, verb, len) == 0 && (line[len] == ' ' || !line[len]);
}

static void answer(const char *line)
{
	CK_SESSION_INFO info;
	const char *rest;

	if (says(line, "slots", &rest))
		slots();
	else if (says(line, "event", &rest))
		event(CKF_DONT_BLOCK);
	else if (says(line, "wait", &rest))
		event(0);
	else if (says(line, "end-soon", &rest))
		end_soon();
	else if (says(line, "crowd", &rest))
		begin_crowd(rest);
	else if (says(line, "signed", &rest))
		more_signatures();
	else if (says(line, "calm", &rest))
		end_crowd();
	else
		printf("0x%lx\n", says(line, "open", &rest)   ? open_on(rest, &session)
				 : says(line, "sign", &rest) ? find_and_sign(session, rest)
				 : says(line, "make", &rest) ? make(rest)
							     : p11->C_GetSessionInfo(session, &info));
	fflush(stdout);
}

static void by_line(char **args)
{
	(void)args;
	OK(p11->C_Initialize(NULL));
	answer_lines(answer);
}

int main(int argc, char **argv)
{
	static const struct check checks[] = {{"by-line", by_line, 0}, {NULL, NULL, 0}};

	return run_check(checks, argc, argv);
}
