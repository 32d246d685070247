/* SPDX-License-Identifier: Apache-2.0 */
/* Operations at once and in parts: what each step says, what it gives, and when it is over. */
#include <stdio.h>
#include <string.h>

#include "semantics.h"

enum op { ENCRYPT, DECRYPT, SIGN, VERIFY, DIGEST, OPS };
static const char *const op_names[] = {"encrypt", "decrypt", "sign", "verify", "digest"};

/* ---- mechanisms ---- */

static CK_BYTE zeros[16], iv12[12] = "twelve bytes";
static CK_RSA_PKCS_PSS_PARAMS pss1 = {CKM_SHA_1, CKG_MGF1_SHA1, 20}, pss256 = {CKM_SHA256, CKG_MGF1_SHA256, 32},
			      pss_mixed = {CKM_SHA256, CKG_MGF1_SHA1, 32},
			      pss_long = {CKM_SHA256, CKG_MGF1_SHA256, 999},
			      pss_odd = {CKM_AES_ECB, CKG_MGF1_SHA1, 20};
static CK_RSA_PKCS_OAEP_PARAMS oaep1 = {CKM_SHA_1, CKG_MGF1_SHA1, CKZ_DATA_SPECIFIED, NULL, 0},
			       oaep256 = {CKM_SHA256, CKG_MGF1_SHA256, CKZ_DATA_SPECIFIED, NULL, 0},
			       oaep_mgf = {CKM_SHA_1, CKG_MGF1_SHA256, CKZ_DATA_SPECIFIED, NULL, 0},
			       oaep_source = {CKM_SHA_1, CKG_MGF1_SHA1, 7, NULL, 0},
			       oaep_null = {CKM_SHA_1, CKG_MGF1_SHA1, CKZ_DATA_SPECIFIED, NULL, 4},
			       oaep_label = {CKM_SHA_1, CKG_MGF1_SHA1, CKZ_DATA_SPECIFIED, zeros, 4};
static CK_AES_CTR_PARAMS ctr = {128, {1}}, ctr0 = {0, {1}}, ctr129 = {129, {1}}, ctr8 = {8, {0}};
static CK_GCM_PARAMS gcm = {iv12, 12, 96, NULL, 0, 128}, gcm_aad = {iv12, 12, 96, zeros, 16, 96},
		     gcm_bits = {iv12, 12, 96, NULL, 0, 127}, gcm_many = {iv12, 12, 96, NULL, 0, 136},
		     gcm_no_iv = {NULL, 0, 0, NULL, 0, 128};

#define MECHANISM(name, parameter, ...) #name, {CKM_##name, parameter, __VA_ARGS__}
#define PLAIN(name) MECHANISM(name, NULL, 0)
#define WITH(name, parameter) MECHANISM(name, &(parameter), sizeof(parameter))

static const struct mechanism {
	const char *name;
	CK_MECHANISM ck;
	const char *does, *undoes;	/* the keys that encrypt or sign, and decrypt or verify */
	CK_ULONG len;			/* of its input, in all */
	bool random;			/* it gives other bytes each time */
} crypt[] = {
	{PLAIN(RSA_PKCS), "rsa-pub", "rsa", 16, true}, {PLAIN(RSA_X_509), "rsa-pub", "rsa", 128, false},
	{WITH(RSA_PKCS_OAEP, oaep1), "rsa-pub", "rsa", 16, true}, {PLAIN(AES_ECB), "aes", "aes", 32, false},
	{WITH(AES_CBC, zeros), "aes", "aes", 32, false}, {WITH(AES_CBC_PAD, zeros), "aes", "aes", 32, false},
	{WITH(AES_CTR, ctr), "aes", "aes", 32, false}, {WITH(AES_GCM, gcm), "aes", "aes", 32, false},
	{PLAIN(DES3_ECB), "des3", "des3", 32, false}, {MECHANISM(DES3_CBC, zeros, 8), "des3", "des3", 32, false},
	{MECHANISM(DES3_CBC_PAD, zeros, 8), "des3", "des3", 32, false},
}, sign[] = {
	{PLAIN(RSA_PKCS), "rsa", "rsa-pub", 16, false}, {PLAIN(RSA_X_509), "rsa", "rsa-pub", 128, false},
	{WITH(RSA_PKCS_PSS, pss1), "rsa", "rsa-pub", 20, true}, {PLAIN(SHA256_RSA_PKCS), "rsa", "rsa-pub", 32, false},
	{WITH(SHA256_RSA_PKCS_PSS, pss256), "rsa", "rsa-pub", 32, true},
	{PLAIN(MD5_RSA_PKCS), "rsa", "rsa-pub", 32, false}, {PLAIN(ECDSA), "ec", "ec-pub", 32, true},
	{PLAIN(DSA), "dsa", "dsa-pub", 20, true}, {PLAIN(DSA_SHA1), "dsa", "dsa-pub", 32, true},
	{PLAIN(MD5_HMAC), "generic", "generic", 32, false}, {PLAIN(SHA256_HMAC), "generic", "generic", 32, false},
	{PLAIN(SHA512_HMAC), "generic", "generic", 32, false}, {PLAIN(AES_CMAC), "aes", "aes", 32, false},
	{PLAIN(DES3_CMAC), "des3", "des3", 32, false},
}, digest[] = {
	{PLAIN(MD5), NULL, NULL, 32, false}, {PLAIN(SHA_1), NULL, NULL, 32, false},
	{PLAIN(SHA256), NULL, NULL, 32, false}, {PLAIN(SHA512), NULL, NULL, 32, false},
};

static const struct {
	const struct mechanism *list;
	size_t n;
} mechanisms[OPS] = {
	{crypt, N(crypt)}, {crypt, N(crypt)}, {sign, N(sign)}, {sign, N(sign)}, {digest, N(digest)},
};

static const char *key_of(enum op op, const struct mechanism *m)
{
	return op == DECRYPT || op == VERIFY ? m->undoes : m->does;
}

/* ---- one step ---- */

static CK_RV begin(enum op op, const CK_MECHANISM *m, CK_OBJECT_HANDLE key)
{
	CK_MECHANISM *mechanism = (CK_MECHANISM *)m;

	switch (op) {
	case ENCRYPT:
		return p11->C_EncryptInit(session, mechanism, key);
	case DECRYPT:
		return p11->C_DecryptInit(session, mechanism, key);
	case SIGN:
		return p11->C_SignInit(session, mechanism, key);
	case VERIFY:
		return p11->C_VerifyInit(session, mechanism, key);
	default:
		return p11->C_DigestInit(session, mechanism);
	}
}

static CK_RV at_once(enum op op, CK_BYTE *in, CK_ULONG n, CK_BYTE *out, CK_ULONG *len)
{
	switch (op) {
	case ENCRYPT:
		return p11->C_Encrypt(session, in, n, out, len);
	case DECRYPT:
		return p11->C_Decrypt(session, in, n, out, len);
	case SIGN:
		return p11->C_Sign(session, in, n, out, len);
	case VERIFY:
		return p11->C_Verify(session, in, n, out, *len);
	default:
		return p11->C_Digest(session, in, n, out, len);
	}
}

static CK_RV update(enum op op, CK_BYTE *in, CK_ULONG n, CK_BYTE *out, CK_ULONG *len)
{
	switch (op) {
	case ENCRYPT:
		return p11->C_EncryptUpdate(session, in, n, out, len);
	case DECRYPT:
		return p11->C_DecryptUpdate(session, in, n, out, len);
	case SIGN:
		return p11->C_SignUpdate(session, in, n);
	case VERIFY:
		return p11->C_VerifyUpdate(session, in, n);
	default:
		return p11->C_DigestUpdate(session, in, n);
	}
}

static CK_RV final(enum op op, CK_BYTE *out, CK_ULONG *len)
{
	switch (op) {
	case ENCRYPT:
		return p11->C_EncryptFinal(session, out, len);
	case DECRYPT:
		return p11->C_DecryptFinal(session, out, len);
	case SIGN:
		return p11->C_SignFinal(session, out, len);
	case VERIFY:
		return p11->C_VerifyFinal(session, out, *len);
	default:
		return p11->C_DigestFinal(session, out, len);
	}
}

/* ---- a history: words, each a step, with a mark for what is odd about it ---- */

static struct {
	enum op op;
	const struct mechanism *m;
	CK_OBJECT_HANDLE key;
	CK_BYTE in[256], proof[256];	/* proof: the signature that is verified */
	CK_ULONG len, fed, proof_len;
} run;

/* A decryption needs what was encrypted, a verification what was signed. */
static void prepare(enum op op, const struct mechanism *m)
{
	CK_BYTE plain[256];
	enum op before = op == DECRYPT ? ENCRYPT : SIGN;

	memset(&run, 0, sizeof(run));
	run.op = op;
	run.m = m;
	for (size_t i = 1; i < sizeof(plain); i++)
		plain[i] = (CK_BYTE)i;
	*plain = 0;
	memcpy(run.in, plain, m->len);
	run.len = m->len;
	run.proof_len = sizeof(run.proof);
	if (op == DECRYPT || op == VERIFY) {
		if (begin(before, &m->ck, object(m->does)) == CKR_OK)
			at_once(before, plain, m->len, run.proof, &run.proof_len);
		if (op == DECRYPT) {
			memcpy(run.in, run.proof, run.proof_len);
			run.len = run.proof_len;
		}
	}
	if (m->does)
		run.key = object(key_of(op, m));
}

/* ?: how long is it. <: too little room, or a signature without its last byte. 0: nothing comes in. !: it should, but
 * is not there. >: its last byte is missing. */
static void step(const char *word)
{
	char mark = word[strlen(word) - 1];
	CK_BYTE out[512] = {0}, *in = mark == '!' || mark == '0' ? NULL : run.in, *to = mark == '?' ? NULL : out;
	CK_ULONG len = sizeof(out), n = mark == '0' ? 0 : run.len;
	bool gives = run.op != VERIFY, once = strncmp(word, "once", 4) == 0;
	CK_RV rv;

	if (!gives) {
		to = mark == '?' ? NULL : run.proof;
		len = run.proof_len - (mark == '<');
	} else if (mark == '<') {
		len = 1;
	}
	if (mark == '>')
		n--;
	if (strcmp(word, "init") == 0) {
		is(begin(run.op, &run.m->ck, run.key));
		return;
	}
	if (strcmp(word, "init!") == 0) {
		is(begin(run.op, NULL, run.key));
		return;
	}
	if (once) {
		rv = at_once(run.op, in, n, to, &len);
	} else if (*word == 'u') {
		/* In halves, and again from the beginning. */
		n = mark == '0' ? 0 : n / 2;
		rv = update(run.op, in ? in + run.fed : NULL, n, to, &len);
		run.fed = rv == CKR_OK && to && in ? (run.fed ? 0 : n) : run.fed;
		gives = run.op == ENCRYPT || run.op == DECRYPT;
	} else {
		rv = final(run.op, to, &len);
	}
	is(rv);
	if (gives && rv == CKR_BUFFER_TOO_SMALL)
		says("%lu", len);
	else if (gives && rv == CKR_OK && to && !run.m->random)
		shows(out, len);
	else if (gives && rv == CKR_OK)
		says("%lu", len);
}

static const char *const histories[] = {
	"once", "update", "final", "init once once", "init once? once", "init once< once", "init once0", "init once!",
	"init once>", "init init once", "init update update final", "init update final", "init final",
	"init update0 final", "init update! final", "init update? update update final",
	"init update< update update final", "init update update final? final", "init update update final< final",
	"init update once", "init once? update final", "init once? final", "init update final once",
	"init final final", "init! once", "init final? once", "init update> final",
};

static void tell_histories(void)
{
	for (enum op op = 0; op < OPS; op++)
		for (size_t i = 0; i < mechanisms[op].n; i++)
			for (size_t n = 0; n < N(histories); n++) {
				char words[64], *rest = strcpy(words, histories[n]), *word;
				const struct mechanism *m = &mechanisms[op].list[i];

				probe("%s %s: %s", op_names[op], m->name, histories[n]);
				prepare(op, m);
				while ((word = next_word(&rest)))
					step(word);
			}
}

/* ---- beginning: keys, parameters ---- */

static void tell_keys(void)
{
	for (enum op op = 0; op < DIGEST; op++)
		for (size_t i = 0; i < mechanisms[op].n; i++)
			for (size_t n = 0; n < n_objects; n++) {
				const struct mechanism *m = &mechanisms[op].list[i];

				probe("%s %s with %s", op_names[op], m->name, objects[n].name);
				is(begin(op, &m->ck, object(objects[n].name)));
			}
	for (enum op op = 0; op < DIGEST; op++) {
		probe("%s with no key", op_names[op]);
		is(begin(op, &mechanisms[op].list[0].ck, CK_INVALID_HANDLE));
		is(begin(op, &mechanisms[op].list[0].ck, 0x7fffffff));
	}
}

static void tell_parameters(void)
{
	static const struct {
		enum op op;
		const char *what, *key;
		const char *name;
		CK_MECHANISM ck;
	} all[] = {
		{SIGN, "hash and mask differ", "rsa", WITH(RSA_PKCS_PSS, pss_mixed)},
		{SIGN, "long salt", "rsa", WITH(RSA_PKCS_PSS, pss_long)},
		{SIGN, "no hash", "rsa", WITH(RSA_PKCS_PSS, pss_odd)}, {SIGN, "none", "rsa", PLAIN(RSA_PKCS_PSS)},
		{SIGN, "too short", "rsa", MECHANISM(RSA_PKCS_PSS, &pss1, 8)},
		{SIGN, "another hash", "rsa", WITH(SHA256_RSA_PKCS_PSS, pss1)},
		{SIGN, "none", "rsa", PLAIN(SHA256_RSA_PKCS_PSS)},
		{SIGN, "one that is not needed", "rsa", WITH(SHA256_RSA_PKCS, zeros)},
		{SIGN, "one that is not needed", "ec", WITH(ECDSA, zeros)},
		{SIGN, "one that is not needed", "generic", WITH(SHA256_HMAC, zeros)},
		{VERIFY, "hash and mask differ", "rsa-pub", WITH(RSA_PKCS_PSS, pss_mixed)},
		{VERIFY, "none", "rsa-pub", PLAIN(RSA_PKCS_PSS)},
		{ENCRYPT, "SHA-256", "rsa-pub", WITH(RSA_PKCS_OAEP, oaep256)},
		{ENCRYPT, "hash and mask differ", "rsa-pub", WITH(RSA_PKCS_OAEP, oaep_mgf)},
		{ENCRYPT, "another source", "rsa-pub", WITH(RSA_PKCS_OAEP, oaep_source)},
		{ENCRYPT, "a label that is not there", "rsa-pub", WITH(RSA_PKCS_OAEP, oaep_null)},
		{ENCRYPT, "a label", "rsa-pub", WITH(RSA_PKCS_OAEP, oaep_label)},
		{ENCRYPT, "none", "rsa-pub", PLAIN(RSA_PKCS_OAEP)}, {DECRYPT, "none", "rsa", PLAIN(RSA_PKCS_OAEP)},
		{ENCRYPT, "one that is not needed", "aes", WITH(AES_ECB, zeros)},
		{ENCRYPT, "none", "aes", PLAIN(AES_CBC)}, {ENCRYPT, "8 bytes", "aes", MECHANISM(AES_CBC, zeros, 8)},
		{ENCRYPT, "17 bytes", "aes", MECHANISM(AES_CBC, zeros, 17)},
		{ENCRYPT, "16 bytes that are not there", "aes", MECHANISM(AES_CBC, NULL, 16)},
		{ENCRYPT, "none", "aes", PLAIN(AES_CBC_PAD)}, {DECRYPT, "none", "aes", PLAIN(AES_CBC_PAD)},
		{ENCRYPT, "16 bytes", "des3", MECHANISM(DES3_CBC, zeros, 16)},
		{ENCRYPT, "none", "des3", PLAIN(DES3_CBC)}, {ENCRYPT, "none", "aes", PLAIN(AES_CTR)},
		{ENCRYPT, "0 bits", "aes", WITH(AES_CTR, ctr0)}, {ENCRYPT, "129 bits", "aes", WITH(AES_CTR, ctr129)},
		{ENCRYPT, "8 bits", "aes", WITH(AES_CTR, ctr8)}, {ENCRYPT, "none", "aes", PLAIN(AES_GCM)},
		{ENCRYPT, "AAD", "aes", WITH(AES_GCM, gcm_aad)},
		{ENCRYPT, "tag of 127 bits", "aes", WITH(AES_GCM, gcm_bits)},
		{ENCRYPT, "tag of 136 bits", "aes", WITH(AES_GCM, gcm_many)},
		{ENCRYPT, "no IV", "aes", WITH(AES_GCM, gcm_no_iv)},
		{DIGEST, "one that is not needed", NULL, WITH(SHA256, zeros)},
		{ENCRYPT, "no such mechanism", "aes", "0x7777", {0x7777, NULL, 0}},
		{SIGN, "no such mechanism", "rsa", PLAIN(RC4)}, {DIGEST, "no such mechanism", NULL, PLAIN(RC4)},
		{DIGEST, "another family", NULL, PLAIN(AES_ECB)}, {SIGN, "another family", "rsa", PLAIN(AES_ECB)},
		{ENCRYPT, "another family", "aes", PLAIN(SHA256)},
		{VERIFY, "another family", "rsa-pub", WITH(RSA_PKCS_OAEP, oaep1)},
		{ENCRYPT, "another family", "rsa-pub", PLAIN(ECDSA)},
	};

	for (size_t i = 0; i < N(all); i++) {
		CK_BYTE data[32] = {0}, out[512];
		CK_ULONG len = sizeof(out);
		CK_RV rv;

		probe("%s %s, parameter: %s", op_names[all[i].op], all[i].name, all[i].what);
		rv = begin(all[i].op, &all[i].ck, all[i].key ? object(all[i].key) : 0);
		if (is(rv) != CKR_OK || all[i].op == VERIFY)
			continue;
		is(at_once(all[i].op, data, all[i].op == DECRYPT ? 128 : sizeof(data), out, &len));
	}
}

/* ---- what comes in is wrong ---- */

static void tell_input(void)
{
	static const CK_ULONG lengths[] = {0, 1, 15, 16, 17, 31, 33, 64, 117, 118, 127};

	for (enum op op = 0; op < DIGEST; op++)
		for (size_t i = 0; i < mechanisms[op].n; i++)
			for (size_t n = 0; n < N(lengths); n++) {
				const struct mechanism *m = &mechanisms[op].list[i];
				CK_BYTE out[512] = {0}, *to = op == VERIFY ? run.proof : out;
				CK_ULONG len = sizeof(out);
				CK_RV rv;

				probe("%s %s of %lu bytes", op_names[op], m->name, lengths[n]);
				prepare(op, m);
				len = op == VERIFY ? run.proof_len : len;
				is(begin(op, &m->ck, run.key));
				rv = is(at_once(op, run.in, lengths[n], to, &len));
				if (rv == CKR_OK && op != VERIFY && !m->random)
					shows(out, len);
			}
}

/* A signature that is not one, a ciphertext that was changed. */
static void tell_damage(void)
{
	for (enum op op = DECRYPT; op <= VERIFY; op += VERIFY - DECRYPT)
		for (size_t i = 0; i < mechanisms[op].n; i++) {
			const struct mechanism *m = &mechanisms[op].list[i];
			CK_BYTE out[512];
			CK_ULONG len = sizeof(out);

			/* Of what has no padding anything is something. */
			if (op == DECRYPT && m->random)
				continue;
			probe("%s %s, damaged", op_names[op], m->name);
			prepare(op, m);
			run.proof[run.proof_len - 1] ^= 1;
			run.in[run.len - 1] ^= op == DECRYPT;
			is(begin(op, &m->ck, run.key));
			if (op == VERIFY)
				is(at_once(op, run.in, run.len, run.proof, &run.proof_len));
			else if (is(at_once(op, run.in, run.len, out, &len)) == CKR_OK)
				shows(out, len);
			is(begin(op, &m->ck, run.key));
		}
}

void probe_operations(void)
{
	tell_histories();
	tell_keys();
	tell_parameters();
	tell_input();
	tell_damage();
}
