/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations in parts, stopped between two of them while something happens to the member that has them.
 *
 *	streams families SIZE	names of those that take so many bytes
 *	streams by-line		"ready"; then for each line "FAMILY SIZE PARTS AT" the operation over so many bytes in so many
 *				parts: "paused" before part AT (PARTS: before the end), whereupon it waits for a line, and
 *				"same", "verified", or what is wrong
 *
 * Keys: stream-aes (AES), stream-mac (generic secret), stream-rsa (RSA pair).
 */
#include <stdint.h>

#include "stranger.h"

enum kind { DIGEST, SIGN, VERIFY, ENCRYPT, DECRYPT };

static CK_BYTE iv[16] = {1, 2, 3};
static CK_GCM_PARAMS gcm = {.pIv = iv, .ulIvLen = 12, .ulIvBits = 96, .pAAD = iv, .ulAADLen = 5, .ulTagBits = 128};
static CK_AES_CTR_PARAMS ctr = {.ulCounterBits = 128, .cb = {9}};

static const struct family {
	const char *name;
	enum kind kind;
	CK_MECHANISM mechanism;
	const char *key;
	CK_OBJECT_CLASS class;

} families[] = {
	{"sha512", DIGEST, {CKM_SHA512, NULL, 0}, NULL, 0},
	{"hmac-sign", SIGN, {CKM_SHA256_HMAC, NULL, 0}, "stream-mac", CKO_SECRET_KEY},
	{"hmac-verify", VERIFY, {CKM_SHA256_HMAC, NULL, 0}, "stream-mac", CKO_SECRET_KEY},
	{"rsa-sign", SIGN, {CKM_SHA256_RSA_PKCS, NULL, 0}, "stream-rsa", CKO_PRIVATE_KEY},
	{"rsa-verify", VERIFY, {CKM_SHA256_RSA_PKCS, NULL, 0}, "stream-rsa", CKO_PUBLIC_KEY},
	{"cbc-encrypt", ENCRYPT, {CKM_AES_CBC_PAD, iv, 16}, "stream-aes", CKO_SECRET_KEY},
	{"cbc-decrypt", DECRYPT, {CKM_AES_CBC_PAD, iv, 16}, "stream-aes", CKO_SECRET_KEY},
	{"ctr-encrypt", ENCRYPT, {CKM_AES_CTR, &ctr, sizeof(ctr)}, "stream-aes", CKO_SECRET_KEY},
	{"gcm-encrypt", ENCRYPT, {CKM_AES_GCM, &gcm, sizeof(gcm)}, "stream-aes", CKO_SECRET_KEY},
	{"gcm-decrypt", DECRYPT, {CKM_AES_GCM, &gcm, sizeof(gcm)}, "stream-aes", CKO_SECRET_KEY},
};
enum { FAMILIES = sizeof(families) / sizeof(families[0]), LONGEST = 16 << 20, SLACK = 4096 };
/* What a token keeps back until it has seen the tag comes in one message. */
enum { GCM_DECRYPT_MAX = 11 << 20 };

static CK_BYTE input[LONGEST + SLACK], output[2][LONGEST + SLACK];

struct run {
	const struct family *family;
	CK_OBJECT_HANDLE key;
	const CK_BYTE *in;
	CK_ULONG len, parts, at;
	bool pauses;
	CK_BYTE *out;
	CK_ULONG out_len;
};

static void pause_here(const struct run *run, CK_ULONG part)
{
	char line[16];

	if (!run->pauses || part != run->at)
		return;
	printf("paused\n");
	fflush(stdout);
	HOLDS(fgets(line, sizeof(line), stdin) != NULL);
}

static CK_RV begin_run(const struct run *run)
{
	CK_MECHANISM *m = (CK_MECHANISM *)&run->family->mechanism;

	switch (run->family->kind) {
	case DIGEST:
		return p11->C_DigestInit(session, m);
	case SIGN:
		return p11->C_SignInit(session, m, run->key);
	case VERIFY:
		return p11->C_VerifyInit(session, m, run->key);
	case ENCRYPT:
		return p11->C_EncryptInit(session, m, run->key);
	case DECRYPT:
		return p11->C_DecryptInit(session, m, run->key);
	}
	return CKR_GENERAL_ERROR;
}

static CK_RV update(struct run *run, CK_ULONG from, CK_ULONG len)
{
	CK_ULONG room = sizeof(output[0]) - run->out_len;
	CK_BYTE *in = (CK_BYTE *)run->in + from;
	CK_RV rv;

	switch (run->family->kind) {
	case DIGEST:
		return p11->C_DigestUpdate(session, in, len);
	case SIGN:
		return p11->C_SignUpdate(session, in, len);
	case VERIFY:
		return p11->C_VerifyUpdate(session, in, len);
	case ENCRYPT:
		rv = p11->C_EncryptUpdate(session, in, len, run->out + run->out_len, &room);
		break;
	default:
		rv = p11->C_DecryptUpdate(session, in, len, run->out + run->out_len, &room);
		break;
	}
	run->out_len += rv == CKR_OK ? room : 0;
	return rv;
}

static CK_RV finish(struct run *run)
{
	CK_ULONG room = sizeof(output[0]) - run->out_len;
	CK_RV rv = CKR_GENERAL_ERROR;

	switch (run->family->kind) {
	case DIGEST:
		rv = p11->C_DigestFinal(session, run->out, &room);
		break;
	case SIGN:
		rv = p11->C_SignFinal(session, run->out, &room);
		break;
	case VERIFY:
		/* What a run of its signing gave. */
		return p11->C_VerifyFinal(session, run->out, run->out_len);
	case ENCRYPT:
		rv = p11->C_EncryptFinal(session, run->out + run->out_len, &room);
		break;
	case DECRYPT:
		rv = p11->C_DecryptFinal(session, run->out + run->out_len, &room);
		break;
	}
	run->out_len += rv == CKR_OK ? room : 0;
	return rv;
}

static CK_RV carry_out(struct run *run)
{
	CK_ULONG done = 0;
	CK_RV rv = begin_run(run);

	if (run->family->kind != VERIFY)
		run->out_len = 0;
	for (CK_ULONG part = 0; part < run->parts && rv == CKR_OK; part++) {
		CK_ULONG end = run->len * (part + 1) / run->parts;

		pause_here(run, part);
		rv = update(run, done, end - done);
		done = end;
	}
	if (rv != CKR_OK)
		return rv;
	pause_here(run, run->parts);
	return finish(run);
}

/* The family that makes what this one takes. */
static const struct family *maker_of(const struct family *family)
{
	const struct family *maker = families;

	while (maker->kind != (family->kind == VERIFY ? SIGN : ENCRYPT) ||
	       maker->mechanism.mechanism != family->mechanism.mechanism)
		maker++;
	return maker;
}

/* Once in peace, once with a pause. */
static void play(const struct family *family, CK_ULONG size, CK_ULONG parts, CK_ULONG at)
{
	const struct family *maker = family->kind == VERIFY || family->kind == DECRYPT ? maker_of(family) : family;
	struct run peace = {.family = maker, .in = input, .len = size, .parts = parts, .out = output[0]}, run;
	CK_RV rv;

	peace.key = maker->key ? object(maker->key, maker->class) : 0;
	OK(carry_out(&peace));
	run = peace;
	run.family = family;
	run.key = family->key ? object(family->key, family->class) : 0;
	run.at = at;
	run.pauses = true;
	if (family->kind == DECRYPT) {
		run.in = output[0];
		run.len = peace.out_len;
	}
	if (family->kind != VERIFY)
		run.out = output[1];
	rv = carry_out(&run);
	if (rv != CKR_OK)
		printf("0x%lx\n", rv);
	else if (family->kind == VERIFY)
		printf("verified\n");
	else if (family->kind == DECRYPT)
		printf("%s\n", run.out_len == size && memcmp(run.out, input, size) == 0 ? "same" : "other bytes");
	else
		printf("%s\n", run.out_len == peace.out_len && memcmp(run.out, peace.out, run.out_len) == 0 ? "same" : "other bytes");
	fflush(stdout);
}

static void answer(const char *line)
{
	const struct family *family = families;
	unsigned long size, parts, at;
	char name[32];

	HOLDS(sscanf(line, "%31s %lu %lu %lu", name, &size, &parts, &at) == 4 && size <= LONGEST && parts);
	while (family < families + FAMILIES && strcmp(family->name, name) != 0)
		family++;
	HOLDS(family < families + FAMILIES);
	play(family, size, parts, at);
}

static void by_line(char **args)
{
	(void)args;
	for (size_t i = 0; i < sizeof(input); i++)
		input[i] = (CK_BYTE)(i * 7 + i / 251);
	begin();
	answer_lines(answer);
}

static void list(char **args)
{
	unsigned long size = strtoul(args[0], NULL, 10);

	for (size_t i = 0; i < FAMILIES; i++)
		if (families[i].mechanism.mechanism != CKM_AES_GCM || families[i].kind != DECRYPT || size <= GCM_DECRYPT_MAX)
			puts(families[i].name);
}

int main(int argc, char **argv)
{
	static const struct check checks[] = {{"families", list, 1}, {"by-line", by_line, 0}, {NULL, NULL, 0}};

	return run_check(checks, argc, argv);
}
