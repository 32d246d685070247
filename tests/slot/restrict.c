/* SPDX-License-Identifier: Apache-2.0 */
/* restrict CHECK: keys made with restrictions, and what becomes of whoever does not keep to them. */
#include "stranger.h"

#define N(list) (sizeof(list) / sizeof((list)[0]))
#define LIST(list) {CKA_ALLOWED_MECHANISMS, list, sizeof(list)}

static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
static CK_BYTE p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07}, three[] = {1, 0, 1};
static CK_ULONG bits = 2048, len16 = 16;
static CK_DATE past = {{'2', '0', '0', '1'}, {'0', '1'}, {'0', '1'}};
static CK_MECHANISM_TYPE ecdsa[] = {CKM_ECDSA}, hashed[] = {CKM_ECDSA_SHA256}, sha256_rsa[] = {CKM_SHA256_RSA_PKCS};
static CK_MECHANISM_TYPE padded[] = {CKM_AES_CBC_PAD};
static CK_ATTRIBUTE inner[] = {{CKA_LABEL, (void *)"inner", 5}, {CKA_SENSITIVE, &yes, 1}, LIST(padded)};

static CK_ULONG with(CK_ATTRIBUTE *ret, CK_ULONG n, const CK_ATTRIBUTE *more, CK_ULONG n_more)
{
	for (CK_ULONG i = 0; i < n_more; i++)
		ret[n + i] = more[i];
	return n + n_more;
}

static CK_RV make_pair(CK_MECHANISM_TYPE type, const char *label, const CK_ATTRIBUTE *private, CK_ULONG private_n,
		       const CK_ATTRIBUTE *public, CK_ULONG public_n)
{
	CK_ATTRIBUTE hidden[16] = {{CKA_LABEL, (void *)label, strlen(label)}, {CKA_TOKEN, &yes, 1}, {CKA_SIGN, &yes, 1}};
	CK_ATTRIBUTE open[16] = {{CKA_LABEL, (void *)label, strlen(label)}, {CKA_TOKEN, &yes, 1}, {CKA_VERIFY, &yes, 1},
				 {CKA_EC_PARAMS, p256, sizeof(p256)}};
	CK_MECHANISM mechanism = {type, NULL, 0};
	CK_ULONG n = with(hidden, 3, private, private_n), m = 4;
	CK_OBJECT_HANDLE ignored;

	if (type == CKM_RSA_PKCS_KEY_PAIR_GEN) {
		open[3] = (CK_ATTRIBUTE){CKA_MODULUS_BITS, &bits, sizeof(bits)};
		open[m++] = (CK_ATTRIBUTE){CKA_PUBLIC_EXPONENT, three, sizeof(three)};
	}
	m = with(open, m, public, public_n);
	return p11->C_GenerateKeyPair(session, &mechanism, open, m, hidden, n, &ignored, &ignored);
}

static CK_RV make_aes(const char *label, const CK_ATTRIBUTE *more, CK_ULONG n_more)
{
	CK_ATTRIBUTE template[16] = {{CKA_LABEL, (void *)label, strlen(label)}, {CKA_TOKEN, &yes, 1},
				     {CKA_ENCRYPT, &yes, 1}, {CKA_VALUE_LEN, &len16, sizeof(len16)}};
	CK_MECHANISM mechanism = {CKM_AES_KEY_GEN, NULL, 0};
	CK_OBJECT_HANDLE ignored;

	return p11->C_GenerateKey(session, &mechanism, template, with(template, 4, more, n_more), &ignored);
}

static void make(char **args)
{
	const CK_ATTRIBUTE only_ecdsa = LIST(ecdsa), only_hashed = LIST(hashed), only_rsa = LIST(sha256_rsa);
	const CK_ATTRIBUTE guarded[] = {{CKA_ALWAYS_AUTHENTICATE, &yes, 1}, {CKA_MODIFIABLE, &no, 1},
					{CKA_COPYABLE, &no, 1}, {CKA_DESTROYABLE, &no, 1}};
	const CK_ATTRIBUTE wrapper[] = {LIST(padded), {CKA_WRAP_TEMPLATE, inner, sizeof(inner)},
					{CKA_UNWRAP_TEMPLATE, inner, 2 * sizeof(inner[0])}};
	const CK_ATTRIBUTE expired[] = {{CKA_WRAP_WITH_TRUSTED, &yes, 1}, {CKA_END_DATE, &past, sizeof(past)},
					{CKA_DERIVE_TEMPLATE, inner, sizeof(inner)}};

	(void)args;
	begin();
	OK(make_pair(CKM_EC_KEY_PAIR_GEN, "only-ecdsa", &only_ecdsa, 1, &only_ecdsa, 1));
	OK(make_pair(CKM_EC_KEY_PAIR_GEN, "only-hashed", &only_hashed, 1, NULL, 0));
	OK(make_pair(CKM_RSA_PKCS_KEY_PAIR_GEN, "only-rsa", &only_rsa, 1, &only_rsa, 1));
	OK(make_pair(CKM_EC_KEY_PAIR_GEN, "asks", guarded, 4, NULL, 0));
	OK(make_aes("only-padded", wrapper, 3));
	OK(make_aes("expired", expired, 3));
}

/* What no token would make, nor one that holds only what it can. */
static void refused(char **args)
{
	const CK_ATTRIBUTE asks = {CKA_ALWAYS_AUTHENTICATE, &yes, 1}, trusted = {CKA_TRUSTED, &yes, 1};
	const CK_ATTRIBUTE open_and_asks[] = {asks, {CKA_PRIVATE, &no, 1}};
	CK_ATTRIBUTE deep = {CKA_UNWRAP_TEMPLATE, inner, sizeof(inner)};
	CK_OBJECT_CLASS private = CKO_PRIVATE_KEY;
	const CK_ATTRIBUTE value = {CKA_VALUE, three, sizeof(three)}, class = {CKA_CLASS, &private, sizeof(private)};
	const CK_ATTRIBUTE deeper = {CKA_UNWRAP_TEMPLATE, &deep, sizeof(deep)}, short_date = {CKA_END_DATE, &past, 4};

	(void)args;
	begin();
	IS(make_aes("never", &asks, 1), CKR_ATTRIBUTE_TYPE_INVALID);
	IS(make_aes("never", &trusted, 1), CKR_ATTRIBUTE_READ_ONLY);
	IS(make_aes("never", &value, 1), CKR_ATTRIBUTE_READ_ONLY);
	IS(make_aes("never", &class, 1), CKR_TEMPLATE_INCONSISTENT);
	IS(make_aes("never", &deeper, 1), CKR_ATTRIBUTE_VALUE_INVALID);
	IS(make_aes("never", &short_date, 1), CKR_ATTRIBUTE_VALUE_INVALID);
	IS(make_pair(CKM_EC_KEY_PAIR_GEN, "never", open_and_asks, 2, NULL, 0), CKR_TEMPLATE_INCONSISTENT);
	IS(make_pair(CKM_EC_KEY_PAIR_GEN, "never", NULL, 0, &asks, 1), CKR_ATTRIBUTE_TYPE_INVALID);
}

/* ---- what is read ---- */

static CK_ULONG length_of(CK_OBJECT_HANDLE key, CK_ATTRIBUTE_TYPE type, CK_RV want)
{
	CK_ATTRIBUTE value = {type, NULL, 0};

	IS(p11->C_GetAttributeValue(session, key, &value, 1), want);
	return value.ulValueLen;
}

static void read_templates(CK_OBJECT_HANDLE key)
{
	CK_ATTRIBUTE read[3] = {0}, value = {CKA_WRAP_TEMPLATE, read, sizeof(read)};
	const CK_ATTRIBUTE same = {CKA_WRAP_TEMPLATE, inner, sizeof(inner)};
	const CK_ATTRIBUTE other = {CKA_WRAP_TEMPLATE, inner, sizeof(inner[0])};
	CK_BYTE label[5], list[8];
	CK_BBOOL sensitive = CK_FALSE;
	CK_OBJECT_HANDLE found[4];

	IS(length_of(key, CKA_WRAP_TEMPLATE, CKR_OK), sizeof(inner));
	IS(length_of(key, CKA_UNWRAP_TEMPLATE, CKR_OK), 2 * sizeof(inner[0]));
	OK(p11->C_GetAttributeValue(session, key, &value, 1));
	for (size_t i = 0; i < 3; i++) {
		IS(read[i].type, inner[i].type);
		IS(read[i].ulValueLen, inner[i].ulValueLen);
	}
	read[0].pValue = label;
	read[1].pValue = &sensitive;
	read[2].pValue = list;
	OK(p11->C_GetAttributeValue(session, key, &value, 1));
	HOLDS(memcmp(label, "inner", 5) == 0 && sensitive && memcmp(list, padded, sizeof(padded)) == 0);
	read[0].ulValueLen = 4;
	IS(p11->C_GetAttributeValue(session, key, &value, 1), CKR_BUFFER_TOO_SMALL);
	value.ulValueLen = 2 * sizeof(read[0]);
	IS(p11->C_GetAttributeValue(session, key, &value, 1), CKR_BUFFER_TOO_SMALL);
	IS(find(&same, 1, found, 4), 1);
	IS(find(&other, 1, found, 4), 0);
}

static void shown(char **args)
{
	CK_OBJECT_HANDLE asks, key;
	CK_BBOOL flags[4] = {7, 7, 7, 7};
	CK_ATTRIBUTE guarded[] = {{CKA_ALWAYS_AUTHENTICATE, &flags[0], 1}, {CKA_MODIFIABLE, &flags[1], 1},
				  {CKA_COPYABLE, &flags[2], 1}, {CKA_DESTROYABLE, &flags[3], 1}};
	CK_ATTRIBUTE label = {CKA_LABEL, (void *)"other", 5}, more = {CKA_WRAP_WITH_TRUSTED, &yes, 1};
	CK_ATTRIBUTE wrong = {CKA_DECRYPT, &yes, 1};

	(void)args;
	begin();
	asks = object("asks", CKO_PRIVATE_KEY);
	OK(p11->C_GetAttributeValue(session, asks, guarded, 4));
	HOLDS(flags[0] && !flags[1] && !flags[2] && !flags[3]);
	IS(p11->C_SetAttributeValue(session, asks, &label, 1), CKR_ACTION_PROHIBITED);
	IS(p11->C_SetAttributeValue(session, asks, &more, 1), CKR_ACTION_PROHIBITED);
	IS(p11->C_DestroyObject(session, asks), CKR_ACTION_PROHIBITED);
	read_templates(object("only-padded", CKO_SECRET_KEY));
	key = object("only-ecdsa", CKO_PRIVATE_KEY);
	IS(length_of(key, CKA_ALLOWED_MECHANISMS, CKR_OK), sizeof(ecdsa));
	/* What was not asked for is there, and empty; what such an object has not is not. */
	IS(length_of(key, CKA_UNWRAP_TEMPLATE, CKR_OK), 0);
	IS(length_of(key, CKA_START_DATE, CKR_OK), 0);
	IS(length_of(asks, CKA_ALLOWED_MECHANISMS, CKR_OK), 0);
	IS(length_of(key, CKA_WRAP_TEMPLATE, CKR_ATTRIBUTE_TYPE_INVALID), CK_UNAVAILABLE_INFORMATION);
	IS(length_of(key, CKA_PRIME_1, CKR_ATTRIBUTE_TYPE_INVALID), CK_UNAVAILABLE_INFORMATION);
	IS(length_of(object("expired", CKO_SECRET_KEY), CKA_END_DATE, CKR_OK), sizeof(CK_DATE));
	IS(length_of(object("expired", CKO_SECRET_KEY), CKA_DERIVE_TEMPLATE, CKR_OK), sizeof(inner));
	IS(length_of(object("expired", CKO_SECRET_KEY), CKA_PRIME_1, CKR_ATTRIBUTE_TYPE_INVALID), CK_UNAVAILABLE_INFORMATION);
	IS(length_of(object("expired", CKO_SECRET_KEY), CKA_VALUE, CKR_ATTRIBUTE_SENSITIVE), CK_UNAVAILABLE_INFORMATION);
	key = object("only-ecdsa", CKO_PUBLIC_KEY);
	IS(length_of(key, CKA_VALUE, CKR_ATTRIBUTE_TYPE_INVALID), CK_UNAVAILABLE_INFORMATION);
	IS(length_of(key, CKA_PUBLIC_KEY_INFO, CKR_OK), 0);
	IS(p11->C_SetAttributeValue(session, key, &wrong, 1), CKR_ATTRIBUTE_TYPE_INVALID);
}

/* ---- what is done ---- */

static CK_RV verify_init(const char *label, CK_MECHANISM_TYPE type)
{
	CK_SESSION_HANDLE s = open_session();
	CK_MECHANISM mechanism = {type, NULL, 0};
	CK_RV rv = p11->C_VerifyInit(s, &mechanism, object(label, CKO_PUBLIC_KEY));

	OK(p11->C_CloseSession(s));
	return rv;
}

static CK_RV encrypt_with(const char *label, CK_MECHANISM_TYPE type)
{
	CK_SESSION_HANDLE s = open_session();
	CK_BYTE iv[16] = {1}, data[16] = {2}, out[64];
	CK_MECHANISM mechanism = {type, type == CKM_AES_ECB ? NULL : iv, type == CKM_AES_ECB ? 0 : sizeof(iv)};
	CK_ULONG len = sizeof(out);
	CK_RV rv = p11->C_EncryptInit(s, &mechanism, object(label, CKO_SECRET_KEY));

	if (rv == CKR_OK)
		rv = p11->C_Encrypt(s, data, sizeof(data), out, &len);
	OK(p11->C_CloseSession(s));
	return rv;
}

/* Whichever member answers. */
static void obeyed(char **args)
{
	(void)args;
	begin();
	OK(sign_with(session, object("only-ecdsa", CKO_PRIVATE_KEY), CKM_ECDSA));
	OK(verify_init("only-ecdsa", CKM_ECDSA));
	OK(verify_init("only-hashed", CKM_ECDSA));
	OK(sign_with(session, object("only-rsa", CKO_PRIVATE_KEY), CKM_SHA256_RSA_PKCS));
	OK(encrypt_with("only-padded", CKM_AES_CBC_PAD));
	OK(encrypt_with("expired", CKM_AES_ECB));
	IS(sign_with(session, object("only-hashed", CKO_PRIVATE_KEY), CKM_ECDSA), CKR_MECHANISM_INVALID);
	IS(sign_with(session, object("only-rsa", CKO_PRIVATE_KEY), CKM_RSA_PKCS), CKR_MECHANISM_INVALID);
	IS(verify_init("only-rsa", CKM_RSA_PKCS), CKR_MECHANISM_INVALID);
	IS(encrypt_with("only-padded", CKM_AES_ECB), CKR_MECHANISM_INVALID);
	IS(sign_with(session, object("asks", CKO_PRIVATE_KEY), CKM_ECDSA), CKR_USER_NOT_LOGGED_IN);
}

/* ---- the PIN for each use ---- */

static CK_RV again(CK_SESSION_HANDLE s, const char *pin)
{
	return p11->C_Login(s, CKU_CONTEXT_SPECIFIC, (CK_UTF8CHAR *)pin, strlen(pin));
}

static CK_MECHANISM plain = {CKM_ECDSA, NULL, 0};
static CK_BYTE digest[32] = {1}, signature[64];

static CK_RV finish(CK_SESSION_HANDLE s)
{
	CK_ULONG len = sizeof(signature);

	return p11->C_Sign(s, digest, sizeof(digest), signature, &len);
}

static void asks(char **args)
{
	const char *pin = getenv("PIN");
	CK_SESSION_HANDLE other;
	CK_OBJECT_HANDLE key;
	CK_ULONG len = 0;

	(void)args;
	begin();
	other = open_session();
	key = object("asks", CKO_PRIVATE_KEY);
	IS(again(session, pin), CKR_OPERATION_NOT_INITIALIZED);
	/* Without it the operation ends, even where only a length is asked for. */
	OK(p11->C_SignInit(session, &plain, key));
	IS(finish(session), CKR_USER_NOT_LOGGED_IN);
	IS(finish(session), CKR_OPERATION_NOT_INITIALIZED);
	OK(p11->C_SignInit(session, &plain, key));
	IS(p11->C_Sign(session, digest, sizeof(digest), NULL, &len), CKR_USER_NOT_LOGGED_IN);
	OK(p11->C_SignInit(session, &plain, key));
	IS(p11->C_SignUpdate(session, digest, sizeof(digest)), CKR_USER_NOT_LOGGED_IN);
	/* With it, once, in this session; a wrong one before changes nothing. */
	OK(p11->C_SignInit(session, &plain, key));
	OK(p11->C_SignInit(other, &plain, key));
	IS(again(session, "wrong"), CKR_PIN_INCORRECT);
	OK(again(session, pin));
	IS(again(session, pin), CKR_OPERATION_NOT_INITIALIZED);
	OK(p11->C_Sign(session, digest, sizeof(digest), NULL, &len));
	OK(finish(session));
	IS(finish(other), CKR_USER_NOT_LOGGED_IN);
	OK(p11->C_SignInit(session, &plain, key));
	IS(finish(session), CKR_USER_NOT_LOGGED_IN);
	/* Keys that do not ask need none, and are not disturbed. */
	OK(p11->C_SignInit(session, &plain, object("only-ecdsa", CKO_PRIVATE_KEY)));
	IS(again(session, pin), CKR_OPERATION_NOT_INITIALIZED);
	OK(finish(session));
	IS(p11->C_Login(session, CKU_SO, (CK_UTF8CHAR *)pin, strlen(pin)), CKR_USER_TYPE_INVALID);
}

/* Whoever guesses is logged out. */
static void guesses(char **args)
{
	CK_OBJECT_HANDLE key;
	CK_SESSION_INFO info;

	(void)args;
	begin();
	key = object("asks", CKO_PRIVATE_KEY);
	for (int i = 0; i < 9; i++) {
		OK(p11->C_SignInit(session, &plain, key));
		IS(again(session, "guess"), CKR_PIN_INCORRECT);
		IS(finish(session), CKR_USER_NOT_LOGGED_IN);
	}
	OK(p11->C_SignInit(session, &plain, key));
	IS(again(session, "guess"), CKR_PIN_LOCKED);
	OK(p11->C_GetSessionInfo(session, &info));
	IS(info.state, CKS_RW_PUBLIC_SESSION);
	IS(again(session, getenv("PIN")), CKR_USER_NOT_LOGGED_IN);
	OK(log_in(session));
	key = object("asks", CKO_PRIVATE_KEY);
	IS(finish(session), CKR_USER_NOT_LOGGED_IN);
	OK(p11->C_SignInit(session, &plain, key));
	OK(again(session, getenv("PIN")));
	OK(finish(session));
}

/* Says "shown" with the PIN given for one use, and goes on at the next line of stdin. */
static void paused(char **args)
{
	char line[8];

	(void)args;
	begin();
	OK(p11->C_SignInit(session, &plain, object("asks", CKO_PRIVATE_KEY)));
	OK(again(session, getenv("PIN")));
	puts("shown");
	fflush(stdout);
	HOLDS(fgets(line, sizeof(line), stdin));
	OK(finish(session));
}

static const struct check checks[] = {
	{"make", make, 0}, {"refused", refused, 0}, {"shown", shown, 0}, {"obeyed", obeyed, 0},
	{"asks", asks, 0}, {"guesses", guesses, 0}, {"paused", paused, 0}, {0},
};

int main(int argc, char **argv)
{
	return run_check(checks, argc, argv);
}
