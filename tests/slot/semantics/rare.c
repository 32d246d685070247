/* SPDX-License-Identifier: Apache-2.0 */
/* Operations that few tokens have, or few keys. */
#include "semantics.h"

/* A code of authentication wants a key as long as its hash. */
static void tell_short_key(void)
{
	static const char *const lengths[] = {"VALUE=00", "VALUE=000102030405060708090a0b0c0d0e0f10111213"};
	static const CK_MECHANISM_TYPE types[] = {CKM_MD5_HMAC, CKM_SHA_1_HMAC, CKM_SHA512_HMAC};

	for (size_t i = 0; i < N(lengths) * N(types); i++) {
		CK_MECHANISM mechanism = {types[i / 2], NULL, 0};
		CK_BYTE data[16] = {0}, out[64];
		CK_ULONG len = sizeof(out);
		CK_OBJECT_HANDLE made;
		struct template t = {0};

		probe("sign 0x%lx with a short key, %s", types[i / 2], lengths[i % 2]);
		set_like(&t, "generic");
		set(&t, lengths[i % 2]);
		is(p11->C_CreateObject(session, t.items, t.n, &made));
		if (is(p11->C_SignInit(session, &mechanism, made)) == CKR_OK &&
		    is(p11->C_Sign(session, data, sizeof(data), out, &len)) == CKR_OK)
			shows(out, len);
	}
}

static void tell_digest_key(void)
{
	CK_MECHANISM sha256 = {CKM_SHA256, NULL, 0};
	CK_BYTE out[64];

	for (size_t i = 0; i < n_objects; i++) {
		CK_ULONG len = sizeof(out);

		probe("digest the key %s", objects[i].name);
		is(p11->C_DigestInit(session, &sha256));
		is(p11->C_DigestKey(session, object(objects[i].name)));
		if (is(p11->C_DigestFinal(session, out, &len)) == CKR_OK)
			shows(out, len);
	}
	probe("digest a key, no operation");
	is(p11->C_DigestKey(session, object("aes-open")));
	probe("digest no key");
	is(p11->C_DigestInit(session, &sha256));
	is(p11->C_DigestKey(session, 0x7fffffff));
}

static void tell_recover(void)
{
	CK_MECHANISM rsa = {CKM_RSA_PKCS, NULL, 0}, ecdsa = {CKM_ECDSA, NULL, 0};
	CK_BYTE data[16] = "sixteen bytes..", out[256];
	CK_ULONG len = sizeof(out);

	probe("sign and recover, RSA_PKCS");
	is(p11->C_SignRecoverInit(session, &rsa, object("rsa")));
	is(p11->C_SignRecover(session, data, sizeof(data), out, &len));
	probe("verify and recover, RSA_PKCS");
	is(p11->C_VerifyRecoverInit(session, &rsa, object("rsa-pub")));
	is(p11->C_VerifyRecover(session, out, len, data, &len));
	probe("sign and recover, ECDSA");
	is(p11->C_SignRecoverInit(session, &ecdsa, object("ec")));
}

static void tell_two_at_once(void)
{
	CK_MECHANISM ecb = {CKM_AES_ECB, NULL, 0}, sha256 = {CKM_SHA256, NULL, 0}, hmac = {CKM_SHA256_HMAC, NULL, 0};
	CK_BYTE data[16] = "sixteen bytes..", out[64];
	CK_ULONG len = sizeof(out);

	probe("digest and encrypt");
	is(p11->C_DigestInit(session, &sha256));
	is(p11->C_EncryptInit(session, &ecb, object("aes")));
	is(p11->C_DigestEncryptUpdate(session, data, sizeof(data), out, &len));
	probe("sign and encrypt");
	is(p11->C_SignInit(session, &hmac, object("generic")));
	is(p11->C_EncryptInit(session, &ecb, object("aes")));
	is(p11->C_SignEncryptUpdate(session, data, sizeof(data), out, &len));
	probe("decrypt and digest, nothing begun");
	is(p11->C_DecryptDigestUpdate(session, data, sizeof(data), out, &len));
	probe("decrypt and verify, nothing begun");
	is(p11->C_DecryptVerifyUpdate(session, data, sizeof(data), out, &len));
}

void probe_rare(void)
{
	tell_short_key();
	tell_digest_key();
	tell_recover();
	tell_two_at_once();
}
