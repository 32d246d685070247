/* SPDX-License-Identifier: Apache-2.0 */
/* script-keys - MACs, digests, ciphers; pairs, how they are carried and what they do. */
#ifndef TESTS_FAKE_SCRIPT_KEYS_H
#define TESTS_FAKE_SCRIPT_KEYS_H

#include "say.h"

static void hmac(struct side *a)
{
	CK_ATTRIBUTE t[] = {NUM(CKA_VALUE_LEN, len32)};
	static const CK_MECHANISM_TYPE types[] = {CKM_SHA_1_HMAC, CKM_SHA256_HMAC, CKM_SHA384_HMAC, CKM_SHA512_HMAC};
	CK_MECHANISM m = {CKM_SHA256_HMAC, NULL, 0};
	CK_BYTE mac[64], parts[64];
	CK_ULONG len, parts_len = sizeof(parts);
	CK_OBJECT_HANDLE key = 0, aes = 0;

	say(a, "hmac key", generate(a, CKM_GENERIC_SECRET_KEY_GEN, t, 1, &key));
	for (size_t i = 0; i < COUNT(types); i++) {
		len = sizeof(mac);
		say(a, "hmac", sign(a, types[i], key, "some text", 9, mac, &len));
		say_number(a, "hmac length", len);
		say(a, "hmac verify", verify(a, types[i], key, "some text", 9, mac, len));
		say(a, "hmac verify other", verify(a, types[i], key, "some test", 9, mac, len));
	}
	len = sizeof(mac);
	say(a, "hmac whole", sign(a, CKM_SHA256_HMAC, key, "some text", 9, mac, &len));
	say(a, "hmac init", a->f->C_SignInit(a->s, &m, key));
	say(a, "hmac init again", a->f->C_SignInit(a->s, &m, key));
	say(a, "hmac part", a->f->C_SignUpdate(a->s, (CK_BYTE *)"some ", 5));
	say(a, "hmac part", a->f->C_SignUpdate(a->s, (CK_BYTE *)"text", 4));
	say(a, "hmac final length", a->f->C_SignFinal(a->s, NULL, &parts_len));
	say_number(a, "hmac final length", parts_len);
	say(a, "hmac final", a->f->C_SignFinal(a->s, parts, &parts_len));
	say_number(a, "hmac the same", len == parts_len && memcmp(mac, parts, len) == 0);
	say(a, "hmac final again", a->f->C_SignFinal(a->s, parts, &parts_len));
	say(a, "aes", generate(a, CKM_AES_KEY_GEN, t, 1, &aes));
	say(a, "hmac with aes", sign(a, CKM_SHA256_HMAC, aes, "some text", 9, mac, &len));
	CK_MECHANISM ecb = {CKM_AES_ECB, NULL, 0};

	len = sizeof(mac);
	say(a, "ecb with hmac key", encrypt(a, &ecb, key, ID, 16, mac, &len));
	say(a, "hmac with nothing", sign(a, CKM_SHA256_HMAC, 4711, "some text", 9, mac, &len));
}

static void digest(struct side *a)
{
	CK_MECHANISM m = {CKM_SHA256, NULL, 0};
	CK_BYTE out[32];
	CK_ULONG len = sizeof(out);

	say(a, "digest init", a->f->C_DigestInit(a->s, &m));
	say(a, "digest", a->f->C_Digest(a->s, (CK_BYTE *)"abc", 3, out, &len));
	say_number(a, "digest begins", out[0]);
	say(a, "digest again", a->f->C_Digest(a->s, (CK_BYTE *)"abc", 3, out, &len));
	say(a, "digest init", a->f->C_DigestInit(a->s, &m));
	say(a, "digest part", a->f->C_DigestUpdate(a->s, (CK_BYTE *)"abc", 3));
	say(a, "digest final", a->f->C_DigestFinal(a->s, out, &len));
	say_number(a, "digest begins", out[0]);
}

static void ciphers(struct side *a)
{
	CK_ATTRIBUTE t[] = {NUM(CKA_CLASS, secret_class), NUM(CKA_KEY_TYPE, aes_type), NUM(CKA_TOKEN, no),
			    NUM(CKA_ENCRYPT, yes),	  NUM(CKA_DECRYPT, yes),       {CKA_VALUE, ID, 16}};
	CK_GCM_PARAMS gcm = {ID, 12, 96, ID, 4, 128};
	CK_MECHANISM list[] = {
	    {CKM_AES_ECB, NULL, 0}, {CKM_AES_CBC, ID, 16}, {CKM_AES_CBC_PAD, ID, 16}, {CKM_AES_GCM, &gcm, sizeof(gcm)}};
	CK_BYTE out[64], back[64];
	CK_OBJECT_HANDLE key = 0;

	say(a, "cipher key", a->f->C_CreateObject(a->s, t, COUNT(t), &key));
	for (size_t i = 0; i < COUNT(list); i++) {
		CK_ULONG len = sizeof(out), back_len = sizeof(back), none = 0;

		say(a, "cipher", encrypt(a, &list[i], key, ID, 16, out, &len));
		for (CK_ULONG n = 0; n < len && n < sizeof(out); n++)
			fprintf(a->out, "cipher byte: %02x\n", out[n]);
		say(a, "cipher back", decrypt(a, &list[i], key, out, len, back, &back_len));
		say_number(a, "cipher back", back_len == 16 && memcmp(back, ID, 16) == 0);
		out[1] ^= 1;
		back_len = sizeof(back);
		if (list[i].mechanism == CKM_AES_GCM)
			say(a, "cipher damaged", decrypt(a, &list[i], key, out, len, back, &back_len));
		say(a, "cipher init", a->f->C_EncryptInit(a->s, &list[i], key));
		say(a, "cipher length", a->f->C_Encrypt(a->s, ID, 16, NULL, &none));
		none = 1;
		say(a, "cipher too little", a->f->C_Encrypt(a->s, ID, 16, out, &none));
		len = sizeof(out);
		say(a, "cipher in the end", a->f->C_Encrypt(a->s, ID, 16, out, &len));
	}
}

static CK_RV make_pair(const struct side *a, CK_ATTRIBUTE *open, CK_ULONG n_open, CK_ATTRIBUTE *hidden,
		       CK_ULONG n_hidden, CK_MECHANISM_TYPE type, CK_OBJECT_HANDLE ret[2])
{
	CK_MECHANISM m = {type, NULL, 0};

	return a->f->C_GenerateKeyPair(a->s, &m, open, n_open, hidden, n_hidden, &ret[0], &ret[1]);
}

static void carry(struct side *a, const char *kind, CK_OBJECT_HANDLE domain, const CK_OBJECT_HANDLE pair[2],
		  CK_KEY_TYPE type, CK_MECHANISM_TYPE signs)
{
	CK_MECHANISM pad = {CKM_AES_KEY_WRAP_PAD, NULL, 0};
	CK_ATTRIBUTE t[] = {
	    NUM(CKA_CLASS, private_class), NUM(CKA_KEY_TYPE, type),   NUM(CKA_TOKEN, no), NUM(CKA_PRIVATE, yes),
	    NUM(CKA_SENSITIVE, yes),	   NUM(CKA_EXTRACTABLE, yes), NUM(CKA_SIGN, yes), TEXT(CKA_LABEL, "replica")};
	CK_ATTRIBUTE wrong[] = {NUM(CKA_CLASS, secret_class), NUM(CKA_KEY_TYPE, aes_type)};
	CK_BYTE blob[4096], signature[512], hash[32] = {1, 2, 3};
	CK_ULONG len = sizeof(blob), signature_len = sizeof(signature);
	CK_OBJECT_HANDLE copy = 0;

	fprintf(a->out, "-- %s\n", kind);
	say(a, "wrap private", a->f->C_WrapKey(a->s, &pad, domain, pair[1], blob, &len));
	if (type == CKK_EC) /* numbers of RSA keys are of random length */
		say_number(a, "wrap private", len);
	say(a, "unwrap private", a->f->C_UnwrapKey(a->s, &pad, domain, blob, len, t, COUNT(t), &copy));
	tell(a, "unwrapped private", copy);
	say(a, "sign", sign(a, signs, copy, hash, sizeof(hash), signature, &signature_len));
	say_number(a, "sign", signature_len);
	say(a, "verify", verify(a, signs, pair[0], hash, sizeof(hash), signature, signature_len));
	signature[9] ^= 1;
	say(a, "verify damaged", verify(a, signs, pair[0], hash, sizeof(hash), signature, signature_len));
	say(a, "verify short", verify(a, signs, pair[0], hash, sizeof(hash), signature, signature_len - 1));
	say(a, "wrap public", a->f->C_WrapKey(a->s, &pad, domain, pair[0], blob, &len));
	type = type == CKK_EC ? CKK_RSA : CKK_EC;
	say(a, "unwrap as another type", a->f->C_UnwrapKey(a->s, &pad, domain, blob, len, t, COUNT(t), &copy));
	say(a, "unwrap as a secret key", a->f->C_UnwrapKey(a->s, &pad, domain, blob, len, wrong, 2, &copy));
}

static void ec_keys(struct side *a, CK_OBJECT_HANDLE domain)
{
	CK_BYTE unknown[] = {0x06, 0x03, 0x2b, 0x01, 0x01};
	CK_ATTRIBUTE open[] = {{CKA_EC_PARAMS, P256, sizeof(P256)},
			       NUM(CKA_TOKEN, yes),
			       NUM(CKA_PRIVATE, no),
			       NUM(CKA_VERIFY, yes),
			       {CKA_ID, ID, 16}};
	CK_ATTRIBUTE hidden[] = {NUM(CKA_TOKEN, yes),	    NUM(CKA_PRIVATE, yes), NUM(CKA_SENSITIVE, yes),
				 NUM(CKA_EXTRACTABLE, yes), NUM(CKA_SIGN, yes),	   {CKA_ID, ID, 16}};
	CK_ATTRIBUTE odd = {CKA_EC_PARAMS, unknown, sizeof(unknown)};
	CK_BYTE point[80], signature[64], hash[32] = {1};
	CK_ATTRIBUTE read = {CKA_EC_POINT, point, sizeof(point)};
	CK_ULONG len = sizeof(signature);
	CK_OBJECT_HANDLE pair[2] = {0}, other[2], object = 0;

	say(a, "ec", make_pair(a, open, COUNT(open), hidden, COUNT(hidden), CKM_EC_KEY_PAIR_GEN, pair));
	tell(a, "ec public", pair[0]);
	tell(a, "ec private", pair[1]);
	say(a, "ec by default", make_pair(a, open, 1, NULL, 0, CKM_EC_KEY_PAIR_GEN, other));
	tell(a, "ec public by default", other[0]);
	tell(a, "ec private by default", other[1]);
	say(a, "ec without a curve", make_pair(a, open + 1, 1, NULL, 0, CKM_EC_KEY_PAIR_GEN, other));
	say(a, "ec on no curve", make_pair(a, &odd, 1, NULL, 0, CKM_EC_KEY_PAIR_GEN, other));
	carry(a, "ec", domain, pair, CKK_EC, CKM_ECDSA);
	say(a, "sign with public", sign(a, CKM_ECDSA, pair[0], hash, 32, signature, &len));
	say(a, "sign by rsa", sign(a, CKM_RSA_PKCS, pair[1], hash, 32, signature, &len));
	say(a, "sign hashing", sign(a, CKM_ECDSA_SHA256, pair[1], hash, 32, signature, &len));
	a->f->C_GetAttributeValue(a->s, pair[0], &read, 1);
	CK_ATTRIBUTE public[] = {NUM(CKA_CLASS, public_class),
				 NUM(CKA_KEY_TYPE, ec_type),
				 NUM(CKA_TOKEN, yes),
				 NUM(CKA_PRIVATE, no),
				 open[0],
				 read,
				 {CKA_ID, ID, 16}};

	say(a, "public half", a->f->C_CreateObject(a->s, public, COUNT(public), &object));
	tell(a, "public half", object);
	say(a, "public half without a point", a->f->C_CreateObject(a->s, public, 5, &other[0]));
	say(a, "destroy ec", a->f->C_DestroyObject(a->s, object));
}

static void derive_one(struct side *a, CK_MECHANISM *m, CK_OBJECT_HANDLE base, CK_ATTRIBUTE *t, CK_ULONG n)
{
	CK_BYTE value[64];
	CK_ATTRIBUTE read = {CKA_VALUE, value, sizeof(value)};
	CK_OBJECT_HANDLE key = 0;
	CK_RV rv = a->f->C_DeriveKey(a->s, m, base, t, n, &key);

	say(a, "derive", rv);
	if (rv != CKR_OK)
		return;
	tell(a, "derived", key);
	rv = a->f->C_GetAttributeValue(a->s, key, &read, 1);
	say(a, "derived value", rv);
	for (CK_ULONG i = 0; rv == CKR_OK && i < read.ulValueLen; i++)
		fprintf(a->out, "derived byte: %02x\n", value[i]);
}

static void derive(struct side *a, CK_MECHANISM *m, CK_OBJECT_HANDLE base)
{
	CK_ULONG len8 = 8, len17 = 17, len64 = 64;
	CK_ATTRIBUTE t[] = {NUM(CKA_CLASS, secret_class), NUM(CKA_KEY_TYPE, aes_type),   NUM(CKA_TOKEN, no),
			    NUM(CKA_SENSITIVE, no),	  NUM(CKA_EXTRACTABLE, yes), NUM(CKA_VALUE_LEN, len16)};
	CK_ATTRIBUTE closed[] = {t[0], t[1], t[2], NUM(CKA_SENSITIVE, yes), NUM(CKA_EXTRACTABLE, no), t[5]};
	CK_ATTRIBUTE other_class[] = {NUM(CKA_CLASS, public_class), t[1], t[5]};
	CK_ATTRIBUTE other_type[] = {t[0], NUM(CKA_KEY_TYPE, ec_type), t[5]};
	CK_ATTRIBUTE local[] = {t[0], t[1], t[5], NUM(CKA_LOCAL, yes)};
	CK_ULONG *lengths[] = {&len8, &len16, &len17, &len32, &len64};

	for (int generic = 0; generic < 2; generic++) {
		t[1].pValue = generic ? &generic_type : &aes_type;
		for (size_t i = 0; i < COUNT(lengths); i++) {
			t[5].pValue = lengths[i];
			derive_one(a, m, base, t, COUNT(t));
		}
	}
	derive_one(a, m, base, closed, COUNT(closed));
	derive_one(a, m, base, closed, COUNT(closed) - 1);
	derive_one(a, m, base, t + 1, COUNT(t) - 1);
	derive_one(a, m, base, &t[5], 1);
	derive_one(a, m, base, t, 1);
	derive_one(a, m, base, other_class, COUNT(other_class));
	derive_one(a, m, base, other_type, COUNT(other_type));
	derive_one(a, m, base, local, COUNT(local));
	derive_one(a, m, 4711, t, COUNT(t));
}

static void derived_keys(struct side *a)
{
	CK_BYTE value[32] = {0x12, 0x34};
	CK_ATTRIBUTE aes[] = {NUM(CKA_CLASS, secret_class), NUM(CKA_KEY_TYPE, aes_type), {CKA_VALUE, ID, 16}, NUM(CKA_DERIVE, yes)};
	CK_ATTRIBUTE ec[] = {NUM(CKA_CLASS, private_class), NUM(CKA_KEY_TYPE, ec_type), {CKA_VALUE, value, 32},
			     {CKA_EC_PARAMS, P256, sizeof(P256)}, NUM(CKA_DERIVE, yes)};
	/* The curve's own generator, as CKA_EC_POINT. */
	static CK_BYTE point[] = {
	    0x04, 0x41, 0x04, 0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4,
	    0x40, 0xf2, 0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2,
	    0x96, 0x4f, 0xe3, 0x42, 0xe2, 0xfe, 0x1a, 0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e, 0x16,
	    0x2b, 0xce, 0x33, 0x57, 0x6b, 0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5};
	CK_ECDH1_DERIVE_PARAMS whole = {CKD_NULL, 0, NULL, sizeof(point), point}, bare = {CKD_NULL, 0, NULL, sizeof(point) - 2, point + 2};
	CK_KEY_DERIVATION_STRING_DATA data = {(CK_BYTE *)"0123456789abcdef0123456789abcdef", 32}, odd = {data.pData, 15};
	CK_MECHANISM ecdh = {CKM_ECDH1_DERIVE, &whole, sizeof(whole)}, ecb = {CKM_AES_ECB_ENCRYPT_DATA, &data, sizeof(data)};
	CK_OBJECT_HANDLE from_aes = 0, from_ec = 0;

	say(a, "base aes", a->f->C_CreateObject(a->s, aes, COUNT(aes), &from_aes));
	say(a, "base ec", a->f->C_CreateObject(a->s, ec, COUNT(ec), &from_ec));
	derive(a, &ecb, from_aes);
	derive(a, &ecdh, from_ec);
	ecdh.pParameter = &bare;
	derive(a, &ecdh, from_ec);
	derive_one(a, &ecdh, from_aes, aes, 2);
	derive_one(a, &ecb, from_ec, aes, 2);
	ecb.pParameter = &odd;
	derive(a, &ecb, from_aes);
	aes[3].pValue = &no;
	say(a, "base for nothing", a->f->C_CreateObject(a->s, aes, COUNT(aes), &from_aes));
	derive_one(a, &ecb, from_aes, aes, 2);
}

static void asking_keys(struct side *a)
{
	CK_ATTRIBUTE open[] = {{CKA_EC_PARAMS, P256, sizeof(P256)}},
		     hidden[] = {NUM(CKA_ALWAYS_AUTHENTICATE, yes), NUM(CKA_SIGN, yes)};
	CK_MECHANISM m = {CKM_ECDSA, NULL, 0};
	CK_BYTE signature[64], hash[32] = {1};
	CK_ULONG len = sizeof(signature);
	CK_OBJECT_HANDLE pair[2] = {0};

	say(a, "asking", make_pair(a, open, 1, hidden, 2, CKM_EC_KEY_PAIR_GEN, pair));
	tell(a, "asking", pair[1]);
	say(a, "sign unasked", sign(a, CKM_ECDSA, pair[1], hash, 32, signature, &len));
	say(a, "sign init", a->f->C_SignInit(a->s, &m, pair[1]));
	say(a, "asked, wrong pin", a->f->C_Login(a->s, CKU_CONTEXT_SPECIFIC, (CK_BYTE *)"9999", 4));
	say(a, "asked", a->f->C_Login(a->s, CKU_CONTEXT_SPECIFIC, (CK_BYTE *)"1234", 4));
	say(a, "sign asked", a->f->C_Sign(a->s, hash, 32, signature, &len));
	len = sizeof(signature);
	say(a, "sign again", sign(a, CKM_ECDSA, pair[1], hash, 32, signature, &len));
}

/* The handshake by which a member gets the domain key, and proofs by RSA. */
static void rsa_keys(struct side *a, CK_OBJECT_HANDLE domain)
{
	CK_ULONG bits = 2048;
	CK_BYTE exponent[] = {1, 0, 1}, modulus[256], blob[512], plain[512];
	CK_ATTRIBUTE open[] = {
	    NUM(CKA_MODULUS_BITS, bits), {CKA_PUBLIC_EXPONENT, exponent, 3}, NUM(CKA_WRAP, yes), NUM(CKA_ENCRYPT, yes)};
	CK_ATTRIBUTE hidden[] = {NUM(CKA_EXTRACTABLE, yes), NUM(CKA_UNWRAP, yes), NUM(CKA_DECRYPT, yes),
				 NUM(CKA_SIGN, yes)};
	CK_RSA_PKCS_OAEP_PARAMS sha1 = {CKM_SHA_1, CKG_MGF1_SHA1, CKZ_DATA_SPECIFIED, NULL, 0},
				sha256 = {CKM_SHA256, CKG_MGF1_SHA256, CKZ_DATA_SPECIFIED, NULL, 0};
	CK_MECHANISM oaep = {CKM_RSA_PKCS_OAEP, &sha1, sizeof(sha1)},
		     oaep256 = {CKM_RSA_PKCS_OAEP, &sha256, sizeof(sha256)}, pkcs = {CKM_RSA_PKCS, NULL, 0};
	CK_ATTRIBUTE read = {CKA_MODULUS, modulus, sizeof(modulus)};
	CK_ATTRIBUTE secret[] = {NUM(CKA_CLASS, secret_class), NUM(CKA_KEY_TYPE, aes_type), NUM(CKA_TOKEN, no),
				 NUM(CKA_EXTRACTABLE, yes)};
	CK_ULONG len = sizeof(blob), plain_len = sizeof(plain);
	CK_OBJECT_HANDLE pair[2] = {0}, imported = 0, copy = 0;

	say(a, "rsa", make_pair(a, open, COUNT(open), hidden, COUNT(hidden), CKM_RSA_PKCS_KEY_PAIR_GEN, pair));
	tell(a, "rsa public", pair[0]);
	tell(a, "rsa private", pair[1]);
	say(a, "rsa without bits", make_pair(a, open + 1, 1, NULL, 0, CKM_RSA_PKCS_KEY_PAIR_GEN, pair + 0));
	say(a, "rsa", make_pair(a, open, COUNT(open), hidden, COUNT(hidden), CKM_RSA_PKCS_KEY_PAIR_GEN, pair));
	a->f->C_GetAttributeValue(a->s, pair[0], &read, 1);
	CK_ATTRIBUTE public[] = {NUM(CKA_CLASS, public_class),
				 NUM(CKA_KEY_TYPE, rsa_type),
				 NUM(CKA_TOKEN, no),
				 NUM(CKA_WRAP, yes),
				 read,
				 open[1]};

	say(a, "import", a->f->C_CreateObject(a->s, public, COUNT(public), &imported));
	tell(a, "imported", imported);
	say(a, "oaep sha256", a->f->C_WrapKey(a->s, &oaep256, imported, domain, blob, &len));
	say(a, "oaep", a->f->C_WrapKey(a->s, &oaep, imported, domain, blob, &len));
	say_number(a, "oaep", len);
	say(a, "unwrap oaep", a->f->C_UnwrapKey(a->s, &oaep, pair[1], blob, len, secret, COUNT(secret), &copy));
	tell(a, "by oaep", copy);
	say(a, "wrap private by oaep", a->f->C_WrapKey(a->s, &oaep, imported, pair[1], blob, &len));
	blob[7] ^= 1;
	say(a, "unwrap oaep damaged", a->f->C_UnwrapKey(a->s, &oaep, pair[1], blob, 256, secret, COUNT(secret), &copy));
	carry(a, "rsa", domain, pair, CKK_RSA, CKM_RSA_PKCS);
	carry(a, "rsa hashing", domain, pair, CKK_RSA, CKM_SHA256_RSA_PKCS);
	len = sizeof(blob);
	say(a, "rsa encrypt", encrypt(a, &pkcs, pair[0], "hello", 5, blob, &len));
	say(a, "rsa decrypt", decrypt(a, &pkcs, pair[1], blob, len, plain, &plain_len));
	say_number(a, "rsa decrypt", plain_len == 5 && memcmp(plain, "hello", 5) == 0);
	plain_len = 64;
	say(a, "rsa decrypt into little", decrypt(a, &pkcs, pair[1], blob, len, plain, &plain_len));
	say_number(a, "rsa decrypt into little", plain_len);
	plain_len = sizeof(plain);
	say(a, "rsa decrypt in the end", a->f->C_Decrypt(a->s, blob, len, plain, &plain_len));
	say_number(a, "rsa decrypt in the end", plain_len);
	plain_len = sizeof(plain);
	blob[9] ^= 1;
	say(a, "rsa decrypt damaged", decrypt(a, &pkcs, pair[1], blob, len, plain, &plain_len));
	plain_len = sizeof(plain);
	say(a, "rsa decrypt short", decrypt(a, &pkcs, pair[1], blob, len - 1, plain, &plain_len));
	say(a, "rsa sign too much", sign(a, CKM_RSA_PKCS, pair[1], modulus, 250, blob, &len));
	say(a, "rsa by ecdsa", sign(a, CKM_ECDSA, pair[1], modulus, 32, blob, &len));
}

static void farewell(struct side *a, CK_OBJECT_HANDLE domain)
{
	CK_ATTRIBUTE id = {CKA_ID, ID, 16}, token = NUM(CKA_TOKEN, yes), session = NUM(CKA_TOKEN, no);
	CK_ATTRIBUTE generic[] = {NUM(CKA_KEY_TYPE, generic_type)};
	CK_ATTRIBUTE label = {CKA_LABEL, NULL, 0};
	CK_SESSION_HANDLE second = 0;

	say_number(a, "all", count_of(a, NULL, 0));
	say_number(a, "by id", count_of(a, &id, 1));
	say_number(a, "by token", count_of(a, &token, 1));
	say_number(a, "by session", count_of(a, &session, 1));
	say_number(a, "by type", count_of(a, generic, 1));
	say(a, "second", a->f->C_OpenSession(a->slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &second));
	say(a, "logout", a->f->C_Logout(a->s));
	say_number(a, "all without login", count_of(a, NULL, 0));
	say(a, "old handle", a->f->C_GetAttributeValue(a->s, domain, &label, 1));
	say(a, "login", a->f->C_Login(a->s, CKU_USER, (CK_BYTE *)"1234", 4));
	say_number(a, "all again", count_of(a, NULL, 0));
	say(a, "old handle again", a->f->C_GetAttributeValue(a->s, domain, &label, 1));
	say(a, "close", a->f->C_CloseSession(a->s));
	a->s = second;
	say_number(a, "all in the second", count_of(a, NULL, 0));
	say(a, "close all", a->f->C_CloseAllSessions(a->slot));
	say(a, "open", a->f->C_OpenSession(a->slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &a->s));
	say_number(a, "all after that", count_of(a, NULL, 0));
}

#endif
