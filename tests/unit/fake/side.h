/* SPDX-License-Identifier: Apache-2.0 */
/* side - a library under test with a session, and a script of calls whose answers are written down. */
#ifndef TESTS_FAKE_SIDE_H
#define TESTS_FAKE_SIDE_H

#include <stdio.h>
#include <string.h>

#include "p11/pkcs11.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))
#define TEXT(type, text)                                                                                               \
	{                                                                                                              \
		type, (void *)(text), sizeof(text) - 1                                                                 \
	}
#define NUM(type, variable)                                                                                            \
	{                                                                                                              \
		type, &(variable), sizeof(variable)                                                                    \
	}

struct side {
	CK_FUNCTION_LIST *f;
	CK_SLOT_ID slot;
	CK_SESSION_HANDLE s;
	FILE *out; /* one line an answer: "title: what" */
};

/* Values for templates; not every test wants all of them. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-variable"
static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
static CK_OBJECT_CLASS data_class = CKO_DATA, secret_class = CKO_SECRET_KEY, private_class = CKO_PRIVATE_KEY,
		       public_class = CKO_PUBLIC_KEY;
static CK_KEY_TYPE aes_type = CKK_AES, generic_type = CKK_GENERIC_SECRET, ec_type = CKK_EC, rsa_type = CKK_RSA;
static CK_ULONG len16 = 16, len32 = 32;
static CK_BYTE P256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
static CK_BYTE ID[] = "0123456789abcdef";
#pragma GCC diagnostic pop

static inline CK_RV generate(const struct side *a, CK_MECHANISM_TYPE type, CK_ATTRIBUTE *t, CK_ULONG n,
			     CK_OBJECT_HANDLE *ret)
{
	CK_MECHANISM m = {type, NULL, 0};

	return a->f->C_GenerateKey(a->s, &m, t, n, ret);
}

/* Init and operation; the verb of the first that failed is lost. */
static inline CK_RV sign(const struct side *a, CK_MECHANISM_TYPE type, CK_OBJECT_HANDLE key, const void *in,
			 CK_ULONG len, CK_BYTE *out, CK_ULONG *out_len)
{
	CK_MECHANISM m = {type, NULL, 0};
	CK_RV rv = a->f->C_SignInit(a->s, &m, key);

	return rv == CKR_OK ? a->f->C_Sign(a->s, (CK_BYTE *)in, len, out, out_len) : rv;
}

static inline CK_RV verify(const struct side *a, CK_MECHANISM_TYPE type, CK_OBJECT_HANDLE key, const void *in,
			   CK_ULONG len, const CK_BYTE *signature, CK_ULONG signature_len)
{
	CK_MECHANISM m = {type, NULL, 0};
	CK_RV rv = a->f->C_VerifyInit(a->s, &m, key);

	return rv == CKR_OK ? a->f->C_Verify(a->s, (CK_BYTE *)in, len, (CK_BYTE *)signature, signature_len) : rv;
}

static inline CK_RV encrypt(const struct side *a, CK_MECHANISM *m, CK_OBJECT_HANDLE key, const void *in, CK_ULONG len,
			    CK_BYTE *out, CK_ULONG *out_len)
{
	CK_RV rv = a->f->C_EncryptInit(a->s, m, key);

	return rv == CKR_OK ? a->f->C_Encrypt(a->s, (CK_BYTE *)in, len, out, out_len) : rv;
}

static inline CK_RV decrypt(const struct side *a, CK_MECHANISM *m, CK_OBJECT_HANDLE key, const void *in, CK_ULONG len,
			    CK_BYTE *out, CK_ULONG *out_len)
{
	CK_RV rv = a->f->C_DecryptInit(a->s, m, key);

	return rv == CKR_OK ? a->f->C_Decrypt(a->s, (CK_BYTE *)in, len, out, out_len) : rv;
}

static inline CK_ULONG count_of(const struct side *a, CK_ATTRIBUTE *t, CK_ULONG n)
{
	CK_OBJECT_HANDLE list[256];
	CK_ULONG count = 0;

	a->f->C_FindObjectsInit(a->s, t, n);
	a->f->C_FindObjects(a->s, list, COUNT(list), &count);
	a->f->C_FindObjectsFinal(a->s);
	return count;
}

#endif
