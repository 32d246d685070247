/* SPDX-License-Identifier: Apache-2.0 */
/* objects CHECK [ARGUMENTS]: sessions' own keys while members come and go, and objects of every class kept by the
 * group. */
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "stranger.h"

enum { THREADS = 4, MANY = 24 };
#define N(list) (sizeof(list) / sizeof((list)[0]))
#define NUM(type, variable)                                                                                            \
	{                                                                                                              \
		type, &(variable), sizeof(variable)                                                                    \
	}
#define TEXT(type, text)                                                                                               \
	{                                                                                                              \
		type, (void *)(text), sizeof(text) - 1                                                                 \
	}

static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
static CK_ULONG len32 = 32;
static CK_BYTE p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
static CK_OBJECT_CLASS secret = CKO_SECRET_KEY, data = CKO_DATA, certificate = CKO_CERTIFICATE;
static CK_KEY_TYPE aes = CKK_AES, generic = CKK_GENERIC_SECRET;
static CK_BYTE plain[32] = "thirty-two bytes in clear text..";

/* What a session has of its own. */
struct own {
	CK_SESSION_HANDLE session;
	CK_OBJECT_HANDLE cipher, mac, private;
	CK_BYTE point[128], secret[32], encrypted[32], tag[32];
	CK_ULONG point_len;
};

/* Agrees on a secret with the other side, which is itself, and reads it. */
static CK_RV agree(struct own *own, CK_BYTE ret[32])
{
	CK_ECDH1_DERIVE_PARAMS with = {CKD_NULL, 0, NULL, own->point_len, own->point};
	CK_MECHANISM mechanism = {CKM_ECDH1_DERIVE, &with, sizeof(with)};
	CK_ATTRIBUTE t[] = {NUM(CKA_CLASS, secret), NUM(CKA_KEY_TYPE, generic), NUM(CKA_TOKEN, no),
			    NUM(CKA_SENSITIVE, no), NUM(CKA_EXTRACTABLE, yes),	NUM(CKA_VALUE_LEN, len32)};
	CK_ATTRIBUTE value = {CKA_VALUE, ret, 32};
	CK_OBJECT_HANDLE made;
	CK_RV rv = p11->C_DeriveKey(own->session, &mechanism, own->private, t, N(t), &made);

	if (rv == CKR_OK)
		rv = p11->C_GetAttributeValue(own->session, made, &value, 1);
	return rv == CKR_OK ? p11->C_DestroyObject(own->session, made) : rv;
}

static CK_RV encrypt(const struct own *own, CK_BYTE ret[32])
{
	CK_MECHANISM mechanism = {CKM_AES_ECB, NULL, 0};
	CK_ULONG len = 32;
	CK_RV rv = p11->C_EncryptInit(own->session, &mechanism, own->cipher);

	return rv == CKR_OK ? p11->C_Encrypt(own->session, plain, sizeof(plain), ret, &len) : rv;
}

static CK_RV tag(const struct own *own, CK_BYTE ret[32])
{
	CK_MECHANISM mechanism = {CKM_SHA256_HMAC, NULL, 0};
	CK_ULONG len = 32;
	CK_RV rv = p11->C_SignInit(own->session, &mechanism, own->mac);

	return rv == CKR_OK ? p11->C_Sign(own->session, plain, sizeof(plain), ret, &len) : rv;
}

static void own_begin(struct own *own)
{
	CK_MECHANISM aes_gen = {CKM_AES_KEY_GEN, NULL, 0}, pair_gen = {CKM_EC_KEY_PAIR_GEN, NULL, 0},
		     generic_gen = {CKM_GENERIC_SECRET_KEY_GEN, NULL, 0};
	CK_ATTRIBUTE key[] = {NUM(CKA_VALUE_LEN, len32), NUM(CKA_ENCRYPT, yes), NUM(CKA_SIGN, yes)};
	CK_ATTRIBUTE open[] = {{CKA_EC_PARAMS, p256, sizeof(p256)}}, hidden[] = {NUM(CKA_DERIVE, yes)};
	CK_ATTRIBUTE point = {CKA_EC_POINT, own->point, sizeof(own->point)};
	CK_OBJECT_HANDLE public;

	own->session = open_session();
	OK(p11->C_GenerateKey(own->session, &aes_gen, key, N(key), &own->cipher));
	OK(p11->C_GenerateKey(own->session, &generic_gen, key, N(key), &own->mac));
	OK(p11->C_GenerateKeyPair(own->session, &pair_gen, open, 1, hidden, 1, &public, &own->private));
	OK(p11->C_GetAttributeValue(own->session, public, &point, 1));
	own->point_len = point.ulValueLen;
	OK(agree(own, own->secret));
	OK(encrypt(own, own->encrypted));
	OK(tag(own, own->tag));
}

/* They do what they did. */
static CK_RV own_use(struct own *own)
{
	CK_BYTE now[3][32];
	CK_RV rv = agree(own, now[0]);

	if (rv == CKR_OK)
		rv = encrypt(own, now[1]);
	if (rv == CKR_OK)
		rv = tag(own, now[2]);
	if (rv == CKR_OK && (memcmp(now[0], own->secret, 32) != 0 || memcmp(now[1], own->encrypted, 32) != 0 ||
			     memcmp(now[2], own->tag, 32) != 0))
		rv = CKR_VENDOR_DEFINED;
	return rv;
}

/* ---- members come and go ---- */

static struct {
	const char *until;
	atomic_ulong done, failed, last;
} crowd;

static void *use_all_the_time(void *arg)
{
	struct own own;

	(void)arg;
	own_begin(&own);
	while (access(crowd.until, F_OK) != 0) {
		CK_RV rv = own_use(&own);

		crowd.done++;
		if (rv != CKR_OK) {
			crowd.failed++;
			crowd.last = rv;
		}
	}
	OK(p11->C_CloseSession(own.session));
	return NULL;
}

/* objects crowd FILE: threads use keys of their sessions until FILE is there; "serving" once they do. */
static void many(char **args)
{
	pthread_t threads[THREADS];

	begin();
	crowd.until = args[0];
	for (size_t i = 0; i < THREADS; i++)
		IS(pthread_create(&threads[i], NULL, use_all_the_time, NULL), 0);
	while (crowd.done < THREADS)
		usleep(1000);
	puts("serving");
	fflush(stdout);
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	printf("%lu done, %lu failed, last 0x%lx\n", crowd.done, crowd.failed, crowd.last);
	IS(crowd.failed, 0);
	IS(find(&(CK_ATTRIBUTE)NUM(CKA_TOKEN, no), 1, (CK_OBJECT_HANDLE[1]){0}, 1), 0);
	OK(p11->C_Finalize(NULL));
}

static void pause_for_a_line(const char *word)
{
	puts(word);
	fflush(stdout);
	getchar();
}

/* objects paused: "made", and after a line they are used again. */
static void paused(char **args)
{
	struct own own;

	(void)args;
	begin();
	own_begin(&own);
	pause_for_a_line("made");
	OK(own_use(&own));
	OK(p11->C_CloseSession(own.session));
}

/* objects closed: "made", and after a line a session ends that has many. */
static void closed(char **args)
{
	CK_ATTRIBUTE t[] = {
	    NUM(CKA_CLASS, secret), NUM(CKA_KEY_TYPE, aes), {CKA_VALUE, plain, 32}, NUM(CKA_ENCRYPT, yes)};
	CK_OBJECT_HANDLE made;
	struct own own;

	(void)args;
	begin();
	own_begin(&own);
	for (int i = 0; i < MANY; i++)
		OK(p11->C_CreateObject(own.session, t, N(t), &made));
	pause_for_a_line("made");
	OK(p11->C_CloseSession(own.session));
	IS(find(&(CK_ATTRIBUTE)NUM(CKA_TOKEN, no), 1, &made, 1), 0);
}

/* ---- what the group keeps ---- */

static CK_BYTE content[3000];

static void fill(void)
{
	for (size_t i = 0; i < sizeof(content); i++)
		content[i] = (CK_BYTE)(i * 7 + i / 256);
}

/* objects make: a certificate, data and a key, all of the same content. */
static void make(char **args)
{
	CK_CERTIFICATE_TYPE x509 = CKC_X_509;
	CK_ATTRIBUTE cert[] = {NUM(CKA_CLASS, certificate),
			       NUM(CKA_CERTIFICATE_TYPE, x509),
			       NUM(CKA_TOKEN, yes),
			       TEXT(CKA_LABEL, "kept"),
			       TEXT(CKA_ID, "the id"),
			       TEXT(CKA_SUBJECT, "somebody"),
			       {CKA_VALUE, content, sizeof(content)}};
	CK_ATTRIBUTE datum[] = {NUM(CKA_CLASS, data),		NUM(CKA_TOKEN, yes),
				NUM(CKA_PRIVATE, yes),		TEXT(CKA_LABEL, "kept"),
				TEXT(CKA_APPLICATION, "tests"), {CKA_VALUE, content, sizeof(content)}};
	CK_ATTRIBUTE key[] = {NUM(CKA_CLASS, secret),  NUM(CKA_KEY_TYPE, generic), NUM(CKA_TOKEN, yes),
			      TEXT(CKA_LABEL, "kept"), NUM(CKA_SENSITIVE, no),	   NUM(CKA_EXTRACTABLE, yes),
			      {CKA_VALUE, content, 64}};
	CK_OBJECT_HANDLE made;

	(void)args;
	begin();
	fill();
	OK(p11->C_CreateObject(session, cert, N(cert), &made));
	OK(p11->C_CreateObject(session, datum, N(datum), &made));
	OK(p11->C_CreateObject(session, key, N(key), &made));
}

static void holds(CK_OBJECT_CLASS class, CK_ATTRIBUTE_TYPE type, const void *want, CK_ULONG len)
{
	CK_BYTE room[sizeof(content) + 1];
	CK_ATTRIBUTE value = {type, room, sizeof(room)};

	OK(p11->C_GetAttributeValue(session, object("kept", class), &value, 1));
	IS(value.ulValueLen, len);
	HOLDS(memcmp(room, want, len) == 0);
}

/* objects read: as they were made, by another process. */
static void read_back(char **args)
{
	(void)args;
	begin();
	fill();
	IS(find(&(CK_ATTRIBUTE)TEXT(CKA_LABEL, "kept"), 1, (CK_OBJECT_HANDLE[8]){0}, 8), 3);
	holds(CKO_CERTIFICATE, CKA_VALUE, content, sizeof(content));
	holds(CKO_CERTIFICATE, CKA_SUBJECT, "somebody", 8);
	holds(CKO_CERTIFICATE, CKA_ID, "the id", 6);
	holds(CKO_DATA, CKA_VALUE, content, sizeof(content));
	holds(CKO_DATA, CKA_APPLICATION, "tests", 5);
	holds(CKO_SECRET_KEY, CKA_VALUE, content, 64);
}

/* objects templates: what is unwrapped by a key with a template for it, here and for the group. */
static void templates(char **args)
{
	CK_ATTRIBUTE inner[] = {NUM(CKA_EXTRACTABLE, no), NUM(CKA_SENSITIVE, yes), TEXT(CKA_LABEL, "inner")};
	CK_ATTRIBUTE wrapper[] = {NUM(CKA_VALUE_LEN, len32),
				  NUM(CKA_WRAP, yes),
				  NUM(CKA_UNWRAP, yes),
				  NUM(CKA_TOKEN, no),
				  {CKA_UNWRAP_TEMPLATE, inner, sizeof(inner)}};
	CK_ATTRIBUTE leaves[] = {NUM(CKA_VALUE_LEN, len32), NUM(CKA_EXTRACTABLE, yes)};
	CK_ATTRIBUTE wish[] = {NUM(CKA_CLASS, secret), NUM(CKA_KEY_TYPE, aes), NUM(CKA_TOKEN, no),
			       NUM(CKA_EXTRACTABLE, yes)};
	CK_MECHANISM gen = {CKM_AES_KEY_GEN, NULL, 0}, wrap = {CKM_AES_KEY_WRAP_PAD, NULL, 0};

	(void)args;
	begin();
	for (int n = 0; n < 4; n++) {
		CK_OBJECT_HANDLE by, key, made;
		CK_BYTE blob[64];
		CK_ULONG len = sizeof(blob);
		CK_BBOOL extractable = CK_TRUE;
		CK_ATTRIBUTE read = NUM(CKA_EXTRACTABLE, extractable);

		wrapper[3].pValue = n & 1 ? &yes : &no;
		wish[2].pValue = n & 2 ? &yes : &no;
		OK(p11->C_GenerateKey(session, &gen, wrapper, N(wrapper), &by));
		OK(p11->C_GenerateKey(session, &gen, leaves, N(leaves), &key));
		OK(p11->C_WrapKey(session, &wrap, by, key, blob, &len));
		IS(p11->C_UnwrapKey(session, &wrap, by, blob, len, wish, 4, &made), CKR_TEMPLATE_INCONSISTENT);
		OK(p11->C_UnwrapKey(session, &wrap, by, blob, len, wish, 3, &made));
		OK(p11->C_GetAttributeValue(session, made, &read, 1));
		HOLDS(!extractable);
		OK(p11->C_DestroyObject(session, made));
		OK(p11->C_DestroyObject(session, by));
	}
}

static const struct check checks[] = {
    {"crowd", many, 1}, {"paused", paused, 0}, {"closed", closed, 0}, {"make", make, 0}, {"read", read_back, 0}, {"templates", templates, 0}, {0},
};

int main(int argc, char **argv)
{
	return run_check(checks, argc, argv);
}
