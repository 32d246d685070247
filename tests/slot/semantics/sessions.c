/* SPDX-License-Identifier: Apache-2.0 */
/* States of sessions and of the login: each probe is what is done, in words. */
#include <stdlib.h>
#include <string.h>

#include "semantics.h"

enum { SESSIONS_MAX = 8 };

static struct {
	CK_SESSION_HANDLE sessions[SESSIONS_MAX];
	size_t n;
	CK_OBJECT_HANDLE made;
} run;

static CK_SESSION_HANDLE first(void)
{
	return run.sessions[0];
}

static CK_SESSION_HANDLE last(void)
{
	return run.sessions[run.n ? run.n - 1 : 0];
}

static CK_RV open_with(CK_FLAGS flags)
{
	return p11->C_OpenSession(slot, flags, NULL, NULL, &run.sessions[run.n < SESSIONS_MAX ? run.n++ : 0]);
}

static CK_RV state_of(CK_SESSION_HANDLE s)
{
	CK_SESSION_INFO info = {0};
	CK_RV rv = p11->C_GetSessionInfo(s, &info);

	if (rv == CKR_OK)
		says("%lu/%lx/%lu", info.state, info.flags, info.ulDeviceError);
	return rv;
}

static CK_RV make(const char *words)
{
	struct template t = {0};
	CK_RV rv;

	set(&t, words);
	rv = p11->C_CreateObject(last(), t.items, t.n, &run.made);
	if (rv == CKR_OK && strstr(words, "TOKEN=1"))
		drop(run.made);
	return rv;
}

static CK_RV generate(const char *words)
{
	struct template t = {0};
	CK_RV rv;

	set(&t, words);
	rv = p11->C_GenerateKey(last(), &(CK_MECHANISM){CKM_AES_KEY_GEN, NULL, 0}, t.items, t.n, &run.made);
	if (rv == CKR_OK && strstr(words, "TOKEN=1"))
		drop(run.made);
	return rv;
}

static CK_RV pair(const char *public, const char *private)
{
	struct template open = {0}, hidden = {0};
	CK_OBJECT_HANDLE other;
	CK_MECHANISM mechanism = {CKM_EC_KEY_PAIR_GEN, NULL, 0};

	set(&open, public);
	set(&hidden, private);
	return p11->C_GenerateKeyPair(last(), &mechanism, open.items, open.n, hidden.items, hidden.n, &other,
				       &run.made);
}

static CK_RV use_key(void)
{
	CK_RV rv = p11->C_EncryptInit(last(), &(CK_MECHANISM){CKM_AES_ECB, NULL, 0}, run.made);
	CK_BYTE block[16] = {0};
	CK_ULONG len = sizeof(block);

	return rv == CKR_OK ? p11->C_Encrypt(last(), block, sizeof(block), block, &len) : rv;
}

static CK_RV read_label(void)
{
	CK_BYTE label[64];

	return p11->C_GetAttributeValue(last(), run.made, &(CK_ATTRIBUTE){CKA_LABEL, label, sizeof(label)}, 1);
}

static CK_RV copy_for_token(void)
{
	CK_BBOOL yes = CK_TRUE;
	CK_OBJECT_HANDLE copy;
	CK_RV rv = p11->C_CopyObject(last(), run.made, &(CK_ATTRIBUTE){CKA_TOKEN, &yes, 1}, 1, &copy);

	if (rv == CKR_OK)
		drop(copy);
	return rv;
}

static CK_RV count(CK_ATTRIBUTE *of)
{
	CK_OBJECT_HANDLE list[64];
	CK_ULONG found = 0;
	CK_RV rv = p11->C_FindObjectsInit(last(), of, 1);

	if (rv != CKR_OK)
		return rv;
	rv = p11->C_FindObjects(last(), list, 64, &found);
	p11->C_FindObjectsFinal(last());
	says("%lu", found);
	return rv;
}

static CK_RV count_private(CK_BBOOL is)
{
	return count(&(CK_ATTRIBUTE){CKA_PRIVATE, &is, sizeof(is)});
}

static CK_RV end_digest(void)
{
	CK_BYTE digest[32];
	CK_ULONG len = sizeof(digest);

	return p11->C_DigestFinal(last(), digest, &len);
}

static CK_RV end_encryption(void)
{
	CK_BYTE out[16];
	CK_ULONG len = sizeof(out);

	return p11->C_EncryptFinal(last(), out, &len);
}

/* What a word does. */
#define STEPS(STEP)                                                                                                    \
	STEP(ro, open_with(CKF_SERIAL_SESSION))                                                                        \
	STEP(rw, open_with(CKF_SERIAL_SESSION | CKF_RW_SESSION))                                                       \
	STEP(parallel, open_with(CKF_RW_SESSION))                                                                      \
	STEP(close, p11->C_CloseSession(run.n ? run.sessions[--run.n] : 0))                                            \
	STEP(close_first, p11->C_CloseSession(first()))                                                                \
	STEP(close_all, p11->C_CloseAllSessions(slot))                                                                 \
	STEP(user, log_in(last(), CKU_USER, getenv("PIN")))                                                            \
	STEP(user_first, log_in(first(), CKU_USER, getenv("PIN")))                                                     \
	STEP(wrong, log_in(last(), CKU_USER, "wrong-pin"))                                                             \
	STEP(empty, log_in(last(), CKU_USER, ""))                                                                      \
	STEP(so, log_in(last(), CKU_SO, "wrong-so-pin"))                                                               \
	STEP(context, log_in(last(), CKU_CONTEXT_SPECIFIC, getenv("PIN")))                                             \
	STEP(nobody, log_in(last(), 99, getenv("PIN")))                                                                \
	STEP(logout, p11->C_Logout(last()))                                                                            \
	STEP(info, state_of(last()))                                                                                   \
	STEP(info_first, state_of(first()))                                                                            \
	STEP(data, make("CLASS=data TOKEN=0 PRIVATE=0 LABEL='made"))                                                   \
	STEP(hidden, make("CLASS=data TOKEN=0 PRIVATE=1 LABEL='made"))                                                 \
	STEP(data_kept, make("CLASS=data TOKEN=1 PRIVATE=0 LABEL='made"))                                              \
	STEP(hidden_kept, make("CLASS=data TOKEN=1 PRIVATE=1 LABEL='made"))                                            \
	STEP(default, make("CLASS=data LABEL='made"))                                                                  \
	STEP(key, generate("VALUE_LEN=16 LABEL='made"))                                                                \
	STEP(open_key, generate("VALUE_LEN=16 PRIVATE=0 ENCRYPT=1 LABEL='made"))                                       \
	STEP(key_kept, generate("VALUE_LEN=16 TOKEN=1 LABEL='made"))                                                   \
	STEP(pair, pair("EC_PARAMS=06082a8648ce3d030107 LABEL='made", "LABEL='made"))                                  \
	STEP(open_pair, pair("EC_PARAMS=06082a8648ce3d030107 LABEL='made", "LABEL='made PRIVATE=0"))                   \
	STEP(use, use_key())                                                                                           \
	STEP(read, read_label())                                                                                       \
	STEP(rename, p11->C_SetAttributeValue(last(), run.made, &(CK_ATTRIBUTE){CKA_LABEL, (void *)"made", 4}, 1))     \
	STEP(copy, copy_for_token())                                                                                   \
	STEP(destroy, p11->C_DestroyObject(last(), run.made))                                                          \
	STEP(count, count(&(CK_ATTRIBUTE){CKA_LABEL, (void *)"made", 4}))                                              \
	STEP(public, count_private(CK_FALSE))                                                                          \
	STEP(private, count_private(CK_TRUE))                                                                          \
	STEP(old_pin, p11->C_SetPIN(last(), (CK_UTF8CHAR *)"bad", 3, (CK_UTF8CHAR *)"12345678", 8))                    \
	STEP(new_pin, p11->C_InitPIN(last(), (CK_UTF8CHAR *)"12345678", 8))                                            \
	STEP(sha, p11->C_DigestInit(last(), &(CK_MECHANISM){CKM_SHA256, NULL, 0}))                                     \
	STEP(sha_end, end_digest())                                                                                    \
	STEP(encrypt, p11->C_EncryptInit(last(), &(CK_MECHANISM){CKM_AES_ECB, NULL, 0}, run.made))                     \
	STEP(encrypt_end, end_encryption())                                                                            \
	STEP(find, p11->C_FindObjectsInit(last(), NULL, 0))                                                            \
	STEP(find_end, p11->C_FindObjectsFinal(last()))

#define FUNCTION(name, ...)                                                                                            \
	static CK_RV do_##name(void)                                                                                   \
	{                                                                                                              \
		return __VA_ARGS__;                                                                                    \
	}
STEPS(FUNCTION)

static const struct {
	const char *word;
	CK_RV (*run)(void);
} steps[] = {
#define ROW(name, ...) {#name, do_##name},
	STEPS(ROW)
};

static const char *const histories[] = {
	/* open, close */
	"ro info close info", "rw info close info", "parallel", "ro rw close_all info", "close", "ro close close",
	"ro rw info_first info", "rw close_all close_all",
	/* the login is everybody's, and ends with the last session */
	"ro user info", "rw user info", "ro rw user info_first info", "rw ro user_first info", "rw user ro info",
	"rw user logout info", "rw user user", "rw logout", "rw user logout logout", "rw user close rw info",
	"rw rw user close info_first", "rw rw user close_first info", "rw user close_all rw info", "user", "logout",
	"rw wrong info user info", "rw user wrong info", "rw empty info", "rw user empty", "rw nobody",
	"rw user nobody", "rw context", "rw user context", "rw user sha context",
	/* the security officer */
	"rw so info", "ro so", "ro rw so", "rw user so info", "ro user so",
	"rw new_pin", "rw user new_pin", "ro new_pin", "rw old_pin", "rw user old_pin", "ro old_pin",
	/* objects of sessions, and who may make which */
	"ro data count", "ro hidden count", "ro data_kept count", "ro hidden_kept count", "ro default count",
	"rw data count", "rw hidden count", "rw data_kept count", "rw hidden_kept count", "rw default count",
	"ro user data count", "ro user hidden count", "ro user data_kept", "ro user hidden_kept",
	"ro user default count", "rw user data count", "rw user hidden count", "rw user data_kept count",
	"rw user hidden_kept count", "ro key", "ro open_key use", "ro key_kept", "ro pair", "ro open_pair", "rw key",
	"rw open_key use", "rw key_kept", "rw pair", "rw open_pair", "ro user key count", "ro user open_key use",
	"ro user key_kept", "ro user pair count", "rw user key count", "rw user open_key use",
	"rw user key_kept count", "rw user pair count",
	/* how long they last, and who sees them */
	"rw data close rw count", "rw rw data close count", "rw data rw count read",
	"rw data rw close_first count read", "rw user hidden logout count read",
	"rw user hidden logout user count read", "rw user data logout count read", "rw user key logout count read",
	"rw user open_key logout count use", "rw user key logout user count read",
	"rw user hidden_kept logout count read", "rw user hidden_kept logout user count read",
	"rw user data_kept logout count read", "rw user data_kept close_all ro count",
	"rw user hidden_kept close_all ro count user count", "rw user open_key rw use",
	"rw user open_key close_all ro count", "rw public private user public private logout public private",
	"ro public private", "rw user private",
	/* changed, copied, destroyed from sessions that may not */
	"ro data rename", "ro data copy", "ro data destroy count", "ro user hidden rename destroy",
	"ro user hidden copy", "rw user data_kept ro rename", "rw user data_kept ro copy",
	"rw user data_kept ro destroy", "rw user data_kept rename copy count destroy count",
	"rw user data copy count", "rw data copy", "rw user data_kept logout rename",
	"rw user data_kept logout destroy", "rw user hidden_kept logout destroy", "rw user destroy",
	"rw user data destroy destroy", "rw user data destroy read",
	/* operations and what happens to their session and login */
	"rw sha rw sha_end", "rw sha close rw sha_end", "rw sha sha", "rw sha user sha_end",
	"rw user sha logout sha_end", "rw user open_key encrypt logout encrypt_end", "rw user key encrypt",
	"rw user open_key encrypt destroy encrypt_end", "rw user open_key encrypt sha",
	"rw user open_key sha encrypt", "rw find sha", "rw sha find", "rw find find", "rw find_end",
	"rw find find_end find_end", "rw find user find_end", "rw user find logout find_end",
	"rw user open_key encrypt find",
};

static void step(const char *word)
{
	size_t at = 0;

	while (strcmp(steps[at].word, word) != 0)
		at++;
	is(steps[at].run());
}

void probe_sessions(void)
{
	for (size_t i = 0; i < N(histories); i++) {
		char *copy = strdup(histories[i]), *rest = copy, *word;

		probe_alone("sessions: %s", histories[i]);
		memset(&run, 0, sizeof(run));
		while ((word = next_word(&rest)))
			step(word);
		free(copy);
	}
}
