/* SPDX-License-Identifier: Apache-2.0 */
/* writer CHECK [ARGUMENTS]: a group's keys made, changed and deleted by an application, as it is told or at random. */
#include <time.h>
#include <unistd.h>

#include "stranger.h"

enum { FOUND_MAX = 1024, LABEL_MAX = 64 };

static const CK_BYTE p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
static CK_BBOOL yes = CK_TRUE;

/* ---- keys ---- */

static CK_RV make_pair(const char *label)
{
	CK_MECHANISM mechanism = {CKM_EC_KEY_PAIR_GEN, NULL, 0};
	CK_ATTRIBUTE open[] = {{CKA_TOKEN, &yes, 1}, {CKA_VERIFY, &yes, 1}, {CKA_LABEL, (void *)label, strlen(label)},
			       {CKA_EC_PARAMS, (void *)p256, sizeof(p256)}};
	CK_ATTRIBUTE hidden[] = {{CKA_TOKEN, &yes, 1}, {CKA_PRIVATE, &yes, 1}, {CKA_SENSITIVE, &yes, 1}, {CKA_SIGN, &yes, 1},
				 {CKA_LABEL, (void *)label, strlen(label)}};
	CK_OBJECT_HANDLE public_key, private_key;

	return p11->C_GenerateKeyPair(session, &mechanism, open, 4, hidden, 5, &public_key, &private_key);
}

static CK_RV make_aes(const char *label)
{
	CK_MECHANISM mechanism = {CKM_AES_KEY_GEN, NULL, 0};
	CK_ULONG len = 16;
	CK_ATTRIBUTE template[] = {{CKA_TOKEN, &yes, 1}, {CKA_PRIVATE, &yes, 1}, {CKA_SENSITIVE, &yes, 1},
				   {CKA_ENCRYPT, &yes, 1}, {CKA_VALUE_LEN, &len, sizeof(len)},
				   {CKA_LABEL, (void *)label, strlen(label)}};
	CK_OBJECT_HANDLE key;

	return p11->C_GenerateKey(session, &mechanism, template, 6, &key);
}

/* kind: "aes" or "ec". */
static CK_RV make(const char *kind, const char *label)
{
	return strcmp(kind, "aes") == 0 ? make_aes(label) : make_pair(label);
}

/* Private and secret keys; label NULL: all, "": those without one. */
static CK_RV search(const char *label, CK_OBJECT_HANDLE *ret, CK_ULONG *ret_count)
{
	const CK_OBJECT_CLASS classes[] = {CKO_PRIVATE_KEY, CKO_SECRET_KEY};

	*ret_count = 0;
	for (int i = 0; i < 2; i++) {
		CK_ATTRIBUTE template[] = {{CKA_CLASS, (void *)&classes[i], sizeof(classes[i])},
					   {CKA_LABEL, (void *)label, label ? strlen(label) : 0}};
		CK_ULONG count = 0;
		CK_RV rv = p11->C_FindObjectsInit(session, template, label ? 2 : 1);

		if (rv == CKR_OK)
			rv = p11->C_FindObjects(session, ret + *ret_count, FOUND_MAX - *ret_count, &count);
		if (rv != CKR_OK)
			return rv;
		OK(p11->C_FindObjectsFinal(session));
		*ret_count += count;
	}
	return CKR_OK;
}

static CK_RV set_text(CK_OBJECT_HANDLE key, CK_ATTRIBUTE_TYPE type, const char *text)
{
	CK_ATTRIBUTE attribute = {type, (void *)text, strlen(text)};

	return p11->C_SetAttributeValue(session, key, &attribute, 1);
}

/* A block under a key: the same on every member that has the same key. */
static CK_RV encrypt_block(CK_OBJECT_HANDLE key)
{
	CK_MECHANISM mechanism = {CKM_AES_ECB, NULL, 0};
	CK_BYTE block[16] = {0}, out[16];
	CK_ULONG len = sizeof(out);
	CK_RV rv = p11->C_EncryptInit(session, &mechanism, key);

	if (rv == CKR_OK)
		rv = p11->C_Encrypt(session, block, sizeof(block), out, &len);
	for (CK_ULONG i = 0; i < len && rv == CKR_OK; i++)
		printf("%02x", out[i]);
	printf(rv == CKR_OK ? " " : "");
	return rv;
}

/* ---- line by line ---- */

/* The key that is spoken of: its handle, and no search since it was found. */
static CK_OBJECT_HANDLE known;

static CK_RV generate(char *kind, char *label)
{
	return make(kind, label);
}

static CK_RV find_label(char *label, char *unused)
{
	CK_OBJECT_HANDLE list[FOUND_MAX];
	CK_ULONG count;
	CK_RV rv = search(label ? label : "", list, &count);

	(void)unused;
	if (rv == CKR_OK)
		printf("%lu ", count);
	return rv;
}

static CK_RV know(char *label, char *unused)
{
	CK_OBJECT_HANDLE list[FOUND_MAX];
	CK_ULONG count;
	CK_RV rv = search(label ? label : "", list, &count);

	(void)unused;
	known = rv == CKR_OK && count == 1 ? list[0] : CK_INVALID_HANDLE;
	return rv;
}

static CK_RV sign(char *unused, char *unused2)
{
	(void)unused;
	(void)unused2;
	return sign_with(session, known, CKM_ECDSA);
}

static CK_RV block(char *unused, char *unused2)
{
	(void)unused;
	(void)unused2;
	return encrypt_block(known);
}

static CK_RV label(char *text, char *unused)
{
	(void)unused;
	return set_text(known, CKA_LABEL, text);
}

static CK_RV id(char *text, char *unused)
{
	(void)unused;
	return set_text(known, CKA_ID, text);
}

static CK_RV destroy(char *unused, char *unused2)
{
	(void)unused;
	(void)unused2;
	return p11->C_DestroyObject(session, known);
}

/* Make and delete so many keys. */
static CK_RV pass_by(char *count, char *unused)
{
	CK_RV rv = CKR_OK;

	(void)unused;
	for (int i = 0; i < atoi(count) && rv == CKR_OK; i++) {
		rv = make_aes("passing");
		if (rv == CKR_OK)
			rv = know((char *)"passing", NULL);
		if (rv == CKR_OK)
			rv = p11->C_DestroyObject(session, known);
	}
	return rv;
}

static CK_RV make_many(char *count, char *prefix)
{
	CK_RV rv = CKR_OK;

	for (int i = 1; i <= atoi(count) && rv == CKR_OK; i++) {
		char text[LABEL_MAX];

		snprintf(text, sizeof(text), "%s%d", prefix, i);
		rv = make_aes(text);
	}
	return rv;
}

static const struct verb {
	const char *name;
	CK_RV (*run)(char *first, char *second);
} verbs[] = {
	{"generate", generate}, {"find", find_label}, {"know", know}, {"sign", sign}, {"block", block}, {"label", label},
	{"id", id}, {"destroy", destroy}, {"pass-by", pass_by}, {"make", make_many},
};

static CK_RV obey(char *line)
{
	char *rest, *word = strtok_r(line, " \n", &rest), *first = strtok_r(NULL, " \n", &rest);
	char *second = strtok_r(NULL, " \n", &rest);

	for (size_t i = 0; word && i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(verbs[i].name, word) == 0)
			return verbs[i].run(first, second);
	return CKR_ARGUMENTS_BAD;
}

/* writer by-line: what each line of stdin says is done; "[RESULT] 0xRV" on stdout for each. */
static void by_line(char **args)
{
	char line[256];

	(void)args;
	begin();
	printf("ready\n");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		CK_RV rv = obey(line);

		printf("0x%lx\n", rv);
		fflush(stdout);
	}
	OK(p11->C_Finalize(NULL));
}

/* ---- at random ---- */

static struct {
	FILE *journal;
	const char *prefix;
	unsigned made, revision;
	unsigned long random;
} churn;

static unsigned long draw(unsigned long below)
{
	churn.random = churn.random * 6364136223846793005u + 1442695040888963407u;
	return (churn.random >> 33) % below;
}

/* One line before the attempt and one after its end, each with the time: what was promised is known whoever dies. */
static void note(const char *what, const char *from, const char *to)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	fprintf(churn.journal, "%s %s %s %lld\n", what, from, to, (long long)now.tv_sec * 1000000000 + now.tv_nsec);
	fflush(churn.journal);
}

static void note_end(CK_RV rv)
{
	char text[32];

	snprintf(text, sizeof(text), "0x%lx", rv);
	note("end", text, "-");
}

static void make_any(void)
{
	char name[LABEL_MAX];

	snprintf(name, sizeof(name), "%s-%u.0", churn.prefix, ++churn.made);
	note("make", name, "-");
	note_end(make(draw(2) ? "ec" : "aes", name));
}

/* "w1-7.0" becomes "w1-7.w2-31": what stands before the point stays. */
static void change(CK_OBJECT_HANDLE key, const char *name)
{
	char next[2 * LABEL_MAX];

	snprintf(next, sizeof(next), "%.*s.%s-%u", (int)strcspn(name, "."), name, churn.prefix, ++churn.revision);
	note("change", name, next);
	note_end(set_text(key, CKA_LABEL, next));
}

static void step(void)
{
	CK_OBJECT_HANDLE list[FOUND_MAX];
	char name[LABEL_MAX] = "";
	CK_ATTRIBUTE attribute = {CKA_LABEL, name, sizeof(name) - 1};
	CK_ULONG count;
	size_t which;

	/* Nobody answers, or the key is gone meanwhile: there are others. */
	if (search(NULL, list, &count) != CKR_OK)
		return;
	if (count < 8 || draw(3) == 0) {
		make_any();
		return;
	}
	which = draw(count);
	if (p11->C_GetAttributeValue(session, list[which], &attribute, 1) != CKR_OK || !strchr(name, '.'))
		return;
	if (draw(2)) {
		change(list[which], name);
		return;
	}
	note("delete", name, "-");
	note_end(p11->C_DestroyObject(session, list[which]));
}

/* writer churn SEED PREFIX JOURNAL UNTIL: until that file is there. */
static void churn_keys(char **args)
{
	begin();
	churn.random = strtoul(args[0], NULL, 0);
	churn.prefix = args[1];
	churn.journal = fopen(args[2], "ae");
	HOLDS(churn.journal);
	while (access(args[3], F_OK) != 0)
		step();
	OK(p11->C_Finalize(NULL));
}

static const struct check checks[] = {{"by-line", by_line, 0}, {"churn", churn_keys, 4}, {0}};

int main(int argc, char **argv)
{
	return run_check(checks, argc, argv);
}
