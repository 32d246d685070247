/* SPDX-License-Identifier: Apache-2.0 */
/* keys CHECK [ARGUMENTS]: a group's objects as an application sees and changes them, and a crowd that signs. */
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "stranger.h"

enum { THREADS = 8 };

static void objects(char **args)
{
	CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
	CK_OBJECT_HANDLE key, list[64];
	CK_BBOOL sensitive, extractable, token;
	CK_BYTE id[64], value[64], point[128];
	CK_ATTRIBUTE by_class = {CKA_CLASS, &class, sizeof(class)}, none = {CKA_LABEL, (void *)"nothing", 7};
	CK_ATTRIBUTE read[] = {{CKA_ID, id, sizeof(id)}, {CKA_SENSITIVE, &sensitive, 1}, {CKA_TOKEN, &token, 1}};
	CK_ATTRIBUTE hidden = {CKA_VALUE, value, sizeof(value)}, odd = {0x7fffffff, value, sizeof(value)};
	CK_ATTRIBUTE ec_point = {CKA_EC_POINT, NULL, 0}, open = {CKA_EXTRACTABLE, &extractable, 1};
	CK_ULONG count;

	(void)args;
	begin();
	IS(find(&by_class, 1, list, 64), 3);
	IS(find(&none, 1, list, 64), 0);
	key = object("signing-1", CKO_PRIVATE_KEY);
	IS(object("signing-1", CKO_PRIVATE_KEY), key);
	OK(p11->C_GetAttributeValue(session, key, read, 3));
	HOLDS(sensitive && token && read[0].ulValueLen == 16);
	IS(find(&(CK_ATTRIBUTE){CKA_ID, id, read[0].ulValueLen}, 1, list, 64), 2);
	IS(p11->C_GetAttributeValue(session, key, &hidden, 1), CKR_ATTRIBUTE_SENSITIVE);
	IS(hidden.ulValueLen, CK_UNAVAILABLE_INFORMATION);
	IS(p11->C_GetAttributeValue(session, key, &odd, 1), CKR_ATTRIBUTE_TYPE_INVALID);
	OK(p11->C_GetAttributeValue(session, key, &open, 1));
	OK(p11->C_GetAttributeValue(session, object("signing-1", CKO_PUBLIC_KEY), &ec_point, 1));
	HOLDS(ec_point.ulValueLen >= 65);
	ec_point = (CK_ATTRIBUTE){CKA_EC_POINT, point, 3};
	IS(p11->C_GetAttributeValue(session, object("signing-1", CKO_PUBLIC_KEY), &ec_point, 1), CKR_BUFFER_TOO_SMALL);
	IS(p11->C_GetAttributeValue(session, 123456, read, 3), CKR_OBJECT_HANDLE_INVALID);
	OK(p11->C_GetObjectSize(session, key, &count));
	IS(p11->C_GetObjectSize(session, 123456, &count), CKR_OBJECT_HANDLE_INVALID);
	IS(p11->C_GetObjectSize(session, key, NULL), CKR_ARGUMENTS_BAD);
	OK(p11->C_SeedRandom(session, id, sizeof(id)));
	OK(p11->C_FindObjectsInit(session, NULL, 0));
	IS(p11->C_FindObjectsInit(session, NULL, 0), CKR_OPERATION_ACTIVE);
	OK(p11->C_FindObjects(session, list, 1, &count));
	IS(count, 1);
	OK(p11->C_FindObjectsFinal(session));
	IS(p11->C_FindObjects(session, list, 1, &count), CKR_OPERATION_NOT_INITIALIZED);
	count = find(NULL, 0, list, 64);
	for (CK_ULONG i = 0; i < count; i++) {
		CK_BYTE label[64] = {0};
		CK_ATTRIBUTE is = {CKA_LABEL, label, sizeof(label) - 1};

		OK(p11->C_GetAttributeValue(session, list[i], &is, 1));
		HOLDS(strncmp((char *)label, "hsmctl ", 7) != 0);
	}
}

/* keys relabel OLD NEW */
static void relabel(char **args)
{
	const CK_ATTRIBUTE old = {CKA_LABEL, args[0], strlen(args[0])};
	CK_ATTRIBUTE label = {CKA_LABEL, args[1], strlen(args[1])};
	CK_OBJECT_HANDLE list[4];
	CK_ULONG count;

	begin();
	count = find(&old, 1, list, 4);
	HOLDS(count > 0);
	for (CK_ULONG i = 0; i < count; i++)
		OK(p11->C_SetAttributeValue(session, list[i], &label, 1));
}

/* keys destroy LABEL: all its objects. */
static void destroy(char **args)
{
	const CK_ATTRIBUTE label = {CKA_LABEL, args[0], strlen(args[0])};
	CK_OBJECT_HANDLE list[4];
	CK_ULONG count;

	begin();
	count = find(&label, 1, list, 4);
	HOLDS(count > 0);
	for (CK_ULONG i = 0; i < count; i++) {
		CK_RV rv = p11->C_DestroyObject(session, list[i]);

		HOLDS(rv == CKR_OK || (i > 0 && rv == CKR_OBJECT_HANDLE_INVALID));
	}
	IS(find(&label, 1, list, 4), 0);
}

/* ---- many at once ---- */

static struct {
	CK_OBJECT_HANDLE keys[4];
	CK_MECHANISM_TYPE mechanisms[4];
	const char *until;
	atomic_ulong done, failed, last;
} crowd;

static void *sign_all_the_time(void *data)
{
	size_t me = (size_t)data;
	CK_SESSION_HANDLE s = open_session();

	for (size_t i = me; access(crowd.until, F_OK) != 0; i++) {
		CK_RV rv = sign_with(s, crowd.keys[i % 4], crowd.mechanisms[i % 4]);

		crowd.done++;
		if (rv != CKR_OK) {
			crowd.failed++;
			crowd.last = rv;
		}
	}
	p11->C_CloseSession(s);
	return NULL;
}

/* keys crowd FILE: eight threads sign with four keys until FILE is there; "signing" once they do. */
static void many(char **args)
{
	pthread_t threads[THREADS];

	begin();
	crowd.until = args[0];
	crowd.keys[0] = object("signing-1", CKO_PRIVATE_KEY);
	crowd.keys[1] = object("tls-1", CKO_PRIVATE_KEY);
	crowd.keys[2] = object("mac-1", CKO_SECRET_KEY);
	crowd.keys[3] = object("signing-2", CKO_PRIVATE_KEY);
	memcpy(crowd.mechanisms, (CK_MECHANISM_TYPE[]){CKM_ECDSA, CKM_SHA256_RSA_PKCS, CKM_SHA256_HMAC, CKM_ECDSA},
	       sizeof(crowd.mechanisms));
	for (size_t i = 0; i < THREADS; i++)
		IS(pthread_create(&threads[i], NULL, sign_all_the_time, (void *)i), 0);
	puts("signing");
	fflush(stdout);
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	printf("%lu done, %lu failed, last 0x%lx\n", crowd.done, crowd.failed, crowd.last);
	HOLDS(crowd.done > THREADS);
	IS(crowd.failed, 0);
	OK(p11->C_Finalize(NULL));
}

static const struct check checks[] = {
	{"objects", objects, 0}, {"relabel", relabel, 2}, {"destroy", destroy, 1}, {"crowd", many, 1}, {0},
};

int main(int argc, char **argv)
{
	return run_check(checks, argc, argv);
}
