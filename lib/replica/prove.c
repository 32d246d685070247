/* SPDX-License-Identifier: Apache-2.0 */
/* Proof of replicas by using them. */
#include "replica/prove.h"

#include <string.h>

#include "base/err.h"
#include "crypto/digest.h"
#include "crypto/pubkey.h"
#include "member/member.h"
#include "p11/rv.h"
#include "replica/copy.h"
#include "replica/domain.h"

enum { SIGNATURE_MAX = 1024, CHALLENGE_LEN = 16 };

#define ANY CK_UNAVAILABLE_INFORMATION

/* DigestInfo of SHA-256, RFC 8017 section 9.2 note 1. */
static const uint8_t SHA256_PREFIX[] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
					0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};

/* Ways in which a key shows what it is; the first of those that suit it. */
static const struct way {
	CK_OBJECT_CLASS class;
	CK_KEY_TYPE type;		/* ANY: of a secret key that is no cipher's */
	CK_ATTRIBUTE_TYPE use;
	CK_MECHANISM_TYPE mechanism;
	enum { CHALLENGE, DIGEST, DIGEST_INFO, SEALED } input;
} ways[] = {
	{CKO_PRIVATE_KEY, CKK_EC, CKA_SIGN, CKM_ECDSA, DIGEST},
	{CKO_PRIVATE_KEY, CKK_EC, CKA_SIGN, CKM_ECDSA_SHA256, CHALLENGE},
	{CKO_PRIVATE_KEY, CKK_EC_EDWARDS, CKA_SIGN, CKM_EDDSA, CHALLENGE},
	{CKO_PRIVATE_KEY, CKK_RSA, CKA_SIGN, CKM_RSA_PKCS, DIGEST_INFO},
	{CKO_PRIVATE_KEY, CKK_RSA, CKA_SIGN, CKM_SHA256_RSA_PKCS, CHALLENGE},
	{CKO_PRIVATE_KEY, CKK_RSA, CKA_DECRYPT, CKM_RSA_PKCS, SEALED},
	{CKO_SECRET_KEY, CKK_AES, CKA_ENCRYPT, CKM_AES_ECB, CHALLENGE},
	{CKO_SECRET_KEY, CKK_AES, CKA_DECRYPT, CKM_AES_ECB, CHALLENGE},
	{CKO_SECRET_KEY, CKK_DES3, CKA_ENCRYPT, CKM_DES3_ECB, CHALLENGE},
	{CKO_SECRET_KEY, CKK_DES3, CKA_DECRYPT, CKM_DES3_ECB, CHALLENGE},
	{CKO_SECRET_KEY, ANY, CKA_SIGN, CKM_SHA256_HMAC, CHALLENGE},
};
enum { WAYS = sizeof(ways) / sizeof(ways[0]) };

/* HMACs of short keys are refused by tokens. */
enum { MAC_MIN = 32 };

/* For a code of authentication; how long it is, tokens may not say. */
static bool is_mac_key(const struct p11_attrs *attrs, CK_KEY_TYPE type)
{
	return (type == CKK_GENERIC_SECRET || type == CKK_SHA256_HMAC) &&
	       p11_attrs_ulong(attrs, CKA_VALUE_LEN, MAC_MIN) >= MAC_MIN;
}

static bool suits(const struct way *way, const struct p11_attrs *attrs)
{
	CK_KEY_TYPE type = p11_attrs_ulong(attrs, CKA_KEY_TYPE, CK_UNAVAILABLE_INFORMATION);

	return way->class == p11_attrs_ulong(attrs, CKA_CLASS, CK_UNAVAILABLE_INFORMATION) &&
	       (way->type == type || (way->type == ANY && is_mac_key(attrs, type)));
}

/* The one by which all members show a secret key, so that their answers can be compared: what the key is for decides,
 * not what a member lets it do. Of a key that is for none of it, the first. NULL = there is none. */
static const struct way *way_of(const struct p11_attrs *attrs)
{
	const struct way *first = NULL;

	for (size_t i = 0; i < WAYS; i++) {
		if (!suits(&ways[i], attrs))
			continue;
		if (p11_attrs_bool(attrs, ways[i].use, false))
			return &ways[i];
		first = first ? first : &ways[i];
	}
	return first;
}

/* As far as the record goes. */
static bool permits(const struct p11_attrs *attrs, const struct way *way)
{
	return p11_attrs_bool(attrs, way->use, false) && p11_attrs_allow(attrs, way->mechanism);
}

/* A refusal by the token means that the key is not usable; ERR_UNSUPPORTED: not for this, there. */
static int judge(CK_RV rv, bool restricted, struct err *err)
{
	if (rv == CKR_KEY_FUNCTION_NOT_PERMITTED || (restricted && rv == CKR_MECHANISM_INVALID))
		return err_set(err, ERR_UNSUPPORTED, "the key may not be tried: %s", p11_rv_name(rv));
	switch (p11_rv_class(rv)) {
	case P11_SESSION:
	case P11_MEMBER:
	case P11_BUSY:
		return err_set(err, ERR_UNREACHABLE, "the key could not be tried: %s", p11_rv_name(rv));
	default:
		return err_set(err, ERR_DIFFERENT, "the key does not work: %s", p11_rv_name(rv));
	}
}

/* A key on a member, being tried. */
struct trial {
	struct replica_site *site;
	CK_OBJECT_HANDLE key;
	const struct way *way;
	bool restricted;		/* to some mechanisms */
	const struct pubkey *public;	/* of a private key */
};

/* ERR_UNSUPPORTED: not with this key, there. */
typedef int (*trial_step)(const struct trial *t, void *data, struct err *err);

/* One Init and its operation. */
static int use(const struct trial *t, const void *in, size_t in_len, uint8_t *out, CK_ULONG *out_len, struct err *err)
{
	static const enum p11_fn functions[][2] = {
		{P11_C_SignInit, P11_C_Sign}, {P11_C_EncryptInit, P11_C_Encrypt}, {P11_C_DecryptInit, P11_C_Decrypt}};
	size_t which = t->way->use == CKA_SIGN ? 0 : t->way->use == CKA_ENCRYPT ? 1 : 2;
	CK_SESSION_HANDLE session = member_session(t->site->channel);
	CK_MECHANISM mechanism = {t->way->mechanism, NULL, 0};
	struct p11_call calls[] = {
		p11_init(functions[which][0], session, &mechanism, t->key),
		p11_transform(functions[which][1], session, in, in_len, out, out_len),
	};
	int rc = member_call(t->site->channel, calls, 2, NULL, err);
	CK_RV rv = calls[0].rv == CKR_OK ? calls[1].rv : calls[0].rv;

	return rc < 0 || rv == CKR_OK ? rc : judge(rv, t->restricted, err);
}

static int on_curve(const CK_ATTRIBUTE *params, const CK_ATTRIBUTE *point, struct pubkey **ret, struct err *err)
{
	int rc = pubkey_ec(params->pValue, params->ulValueLen, point->pValue, point->ulValueLen, ret, err);

	if (rc == -ERR_UNSUPPORTED)
		err->rv = CKR_CURVE_NOT_SUPPORTED;
	return rc;
}

static int public_key(const struct record *record, struct pubkey **ret, struct err *err)
{
	const struct p11_attrs *attrs = &record->objects[record->n_objects > 1 ? 1 : 0];
	const CK_ATTRIBUTE *n = p11_attrs_find(attrs, CKA_MODULUS), *e = p11_attrs_find(attrs, CKA_PUBLIC_EXPONENT);
	const CK_ATTRIBUTE *params = p11_attrs_find(attrs, CKA_EC_PARAMS), *point = p11_attrs_find(attrs, CKA_EC_POINT);
	CK_KEY_TYPE type = p11_attrs_ulong(attrs, CKA_KEY_TYPE, CK_UNAVAILABLE_INFORMATION);

	if (type == CKK_RSA && n && e)
		return pubkey_rsa(n->pValue, n->ulValueLen, e->pValue, e->ulValueLen, ret, err);
	if (type == CKK_EC && params && point)
		return on_curve(params, point, ret, err);
	if (type == CKK_EC_EDWARDS && point)
		return pubkey_ed25519(point->pValue, point->ulValueLen, ret, err);
	return err_set(err, ERR_INVALID, "the record holds no public key that can be used here");
}

static int prove_signature(const struct trial *t, const uint8_t challenge[static CHALLENGE_LEN], struct err *err)
{
	uint8_t input[sizeof(SHA256_PREFIX) + SHA256_LEN], signature[SIGNATURE_MAX];
	CK_ULONG len = sizeof(signature);
	const uint8_t *data = input;
	size_t data_len = sizeof(input);
	int rc;

	memcpy(input, SHA256_PREFIX, sizeof(SHA256_PREFIX));
	rc = crypto_sha256(challenge, CHALLENGE_LEN, input + sizeof(SHA256_PREFIX), err);
	if (rc < 0)
		return rc;
	if (t->way->input == DIGEST) {
		data = input + sizeof(SHA256_PREFIX);
		data_len = SHA256_LEN;
	} else if (t->way->input == CHALLENGE) {
		data = challenge;
		data_len = CHALLENGE_LEN;
	}
	rc = use(t, data, data_len, signature, &len, err);
	if (rc < 0)
		return rc;
	rc = pubkey_verify(t->public, challenge, CHALLENGE_LEN, signature, len, err);
	return rc == 0 ? err_set(err, ERR_DIFFERENT, "its signature does not verify: it is another key")
		       : rc < 0 ? rc : 0;
}

static int prove_decryption(const struct trial *t, const uint8_t challenge[static CHALLENGE_LEN], struct err *err)
{
	uint8_t blob[SIGNATURE_MAX], plain[SIGNATURE_MAX];
	size_t blob_len = sizeof(blob);
	CK_ULONG len = sizeof(plain);
	int rc = pubkey_encrypt(t->public, challenge, CHALLENGE_LEN, blob, &blob_len, err);

	if (rc == 0)
		rc = use(t, blob, blob_len, plain, &len, err);
	if (rc == 0 && (len != CHALLENGE_LEN || memcmp(plain, challenge, CHALLENGE_LEN) != 0))
		rc = err_set(err, ERR_DIFFERENT, "it does not decrypt: it is another key");
	return rc;
}

/* Equal keys wrap to equal blobs under one domain key (AES key wrap is deterministic). */
static int wrap_value(struct replica_site *site, CK_OBJECT_HANDLE key, struct proof *ret, struct err *err)
{
	CK_MECHANISM mechanism = {CKM_AES_KEY_WRAP_PAD, NULL, 0};
	uint8_t blob[DOMAIN_BLOB_MAX];
	CK_ULONG len = sizeof(blob);
	struct p11_call call = p11_C_WrapKey(member_session(site->channel), &mechanism, site->domain, key, blob, &len);
	int rc;

	if (!site->domain)
		return err_set(err, ERR_UNSUPPORTED, "'%s' has not the domain key that would prove it", site->of->name);
	rc = member_run(site->channel, &call, 1, err);
	ret->len = SHA256_LEN;
	return rc < 0 ? rc : crypto_sha256(blob, len, ret->value, err);
}

/* ---- secret keys ---- */

/* What a secret key makes of 16 bytes. */
static int transform(const struct trial *t, const uint8_t block[static CHALLENGE_LEN], struct proof *ret,
		     struct err *err)
{
	CK_ULONG len = sizeof(ret->value);
	int rc = use(t, block, CHALLENGE_LEN, ret->value, &len, err);

	ret->len = len;
	return rc;
}

/* The anchor's input: bound to the key, known to all. */
static int anchor_block(const struct record *record, uint8_t ret[static CHALLENGE_LEN], struct err *err)
{
	uint8_t text[6 + UID_LEN], digest[SHA256_LEN];
	int rc;

	memcpy(text, "anchor", 6);
	memcpy(text + 6, record->uid, UID_LEN);
	rc = crypto_sha256(text, sizeof(text), digest, err);
	memcpy(ret, digest, CHALLENGE_LEN);
	return rc;
}

static bool begins(const struct proof *proof, const uint8_t *with, size_t len)
{
	return len <= proof->len && memcmp(proof->value, with, len) == 0;
}

/* Is it the key that the record's check value was made with? A key that may only decrypt by now is so the other way
 * round: it was made when it could encrypt, or the reverse. */
static int check_anchor(const struct trial *t, const struct record *record, struct err *err)
{
	uint8_t block[CHALLENGE_LEN];
	struct proof value;
	int rc = anchor_block(record, block, err);

	if (rc == 0)
		rc = transform(t, block, &value, err);
	if (rc < 0 || !record->check_len || begins(&value, record->check, record->check_len))
		return rc;
	if (t->way->use != CKA_SIGN && record->check_len == CHALLENGE_LEN) {
		rc = transform(t, record->check, &value, err);
		if (rc < 0 || begins(&value, block, sizeof(block)))
			return rc;
	}
	return err_set(err, ERR_DIFFERENT, "it is not the key that was made: its check value differs");
}

static int make_anchor(const struct trial *t, struct record *record, struct err *err)
{
	uint8_t block[CHALLENGE_LEN];
	struct proof value;
	int rc = anchor_block(record, block, err);

	if (rc == 0)
		rc = transform(t, block, &value, err);
	if (rc < 0)
		return rc;
	record->check_len = value.len < CHECK_MAX ? value.len : CHECK_MAX;
	memcpy(record->check, value.value, record->check_len);
	return 0;
}

/* ---- twins ---- */

static bool may_have_twin(const struct p11_attrs *attrs)
{
	const struct way *way = way_of(attrs);

	return way && (way->type != ANY || p11_attrs_ulong(attrs, CKA_VALUE_LEN, 0) >= MAC_MIN);
}

/*
 * A key that may do nothing by which it shows what it is (or not on this token) is carried to its own member, into a
 * session object that may, and that is gone with the proof. What is carried so is what is carried to others.
 */
static int twin_make(const struct trial *t, CK_OBJECT_HANDLE *ret, struct err *err)
{
	static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
	CK_OBJECT_CLASS class = t->way->class;
	CK_KEY_TYPE type = t->way->type == ANY ? CKK_GENERIC_SECRET : t->way->type;
	const CK_ATTRIBUTE template[] = {
		{CKA_CLASS, &class, sizeof(class)}, {CKA_KEY_TYPE, &type, sizeof(type)},
		{CKA_TOKEN, &no, sizeof(no)}, {CKA_PRIVATE, &yes, sizeof(yes)}, {CKA_SENSITIVE, &yes, sizeof(yes)},
		{CKA_EXTRACTABLE, &no, sizeof(no)}, {t->way->use, &yes, sizeof(yes)},
	};

	return domain_carry(t->site, t->key, t->site, template, sizeof(template) / sizeof(template[0]), ret, err);
}

/* A trial of the key's twin. */
static int try_twin(const struct trial *of, trial_step step, void *data, struct err *err)
{
	struct trial twin = *of;
	struct err ignored;
	int rc;

	twin.restricted = false;
	rc = twin_make(of, &twin.key, err);
	if (rc == 0) {
		rc = step(&twin, data, err);
		copy_destroy(of->site, twin.key, &ignored);
	}
	/* There is no other way left. */
	if (rc == -ERR_UNSUPPORTED)
		rc = -(int)(err->code = ERR_TOKEN);
	return rc;
}

/* A member may still hold a key so, from before such restrictions were kept in records alone. */
static bool wants_pin(const struct trial *t, const struct p11_attrs *attrs)
{
	static const CK_ATTRIBUTE_TYPE types[] = {CKA_ALWAYS_AUTHENTICATE};
	owned(p11_attrs) struct p11_attrs read = {0};

	return p11_attrs_bool(attrs, CKA_ALWAYS_AUTHENTICATE, false) &&
	       member_get(t->site->channel, t->key, types, 1, &read, NULL) == 0 &&
	       p11_attrs_bool(&read, CKA_ALWAYS_AUTHENTICATE, false);
}

/* With the key itself, in the first way that its record permits and the token goes along with. */
static int try_itself(const struct trial *of, const struct p11_attrs *attrs, trial_step step, void *data,
		      struct err *err)
{
	struct trial t = *of;
	int rc = err_set(err, ERR_UNSUPPORTED, "the key may not be tried");

	if (wants_pin(of, attrs))
		return rc;
	for (size_t i = 0; i < WAYS && rc == -ERR_UNSUPPORTED; i++) {
		t.way = &ways[i];
		if (suits(t.way, attrs) && permits(attrs, t.way) && (t.public || t.way == of->way))
			rc = step(&t, data, err);
	}
	return rc;
}

/* ERR_UNSUPPORTED: neither with the key nor with a twin of it. */
static int try(struct replica_site *site, CK_OBJECT_HANDLE key, const struct p11_attrs *attrs,
	       const struct pubkey *public, trial_step step, void *data, struct err *err)
{
	const CK_ATTRIBUTE *allowed = p11_attrs_find(attrs, CKA_ALLOWED_MECHANISMS);
	const struct trial t = {.site = site, .key = key, .way = way_of(attrs),
				.restricted = allowed && allowed->ulValueLen, .public = public};
	int rc = try_itself(&t, attrs, step, data, err);

	return rc == -ERR_UNSUPPORTED && may_have_twin(attrs) ? try_twin(&t, step, data, err) : rc;
}

/* ---- proofs ---- */

static int step_anchor(const struct trial *t, void *data, struct err *err)
{
	return make_anchor(t, data, err);
}

static bool is_secret(const struct record *record)
{
	return p11_attrs_ulong(&record->objects[0], CKA_CLASS, 0) == CKO_SECRET_KEY;
}

int prove_anchor(struct replica_site *site, CK_OBJECT_HANDLE key, struct record *record, struct err *err)
{
	owned(pubkey) struct pubkey *public = NULL;
	struct proof proof;
	int rc;

	if (is_secret(record)) {
		rc = try(site, key, &record->objects[0], NULL, step_anchor, record, err);
		return rc == -ERR_UNSUPPORTED ? 0 : rc;
	}
	rc = public_key(record, &public, err);
	if (rc != -ERR_INVALID)
		return rc == -ERR_NO_MEMORY ? rc : 0;
	/* A private key of whose public half nothing is known, or nothing that we know to use. */
	rc = wrap_value(site, key, &proof, err);
	if (rc < 0)
		return rc;
	memcpy(record->check, proof.value, sizeof(record->check));
	record->check_len = sizeof(record->check);
	return 0;
}

/* What a step works on. */
struct task {
	const struct record *record;
	const uint8_t *challenge;
	struct proof *ret;
};

static int step_secret(const struct trial *t, void *data, struct err *err)
{
	const struct task *task = data;
	int rc = check_anchor(t, task->record, err);

	return rc < 0 ? rc : transform(t, task->challenge, task->ret, err);
}

static int step_private(const struct trial *t, void *data, struct err *err)
{
	const struct task *task = data;

	return t->way->input == SEALED ? prove_decryption(t, task->challenge, err)
				       : prove_signature(t, task->challenge, err);
}

/* Of a private key without a public half. */
static int prove_blob(struct replica_site *site, CK_OBJECT_HANDLE key, const struct record *record, struct err *err)
{
	struct proof proof;
	int rc = wrap_value(site, key, &proof, err);

	if (rc < 0 || begins(&proof, record->check, record->check_len))
		return rc;
	return err_set(err, ERR_DIFFERENT, "it is another key than the one that was made, or the domain key is");
}

int prove_key(struct replica_site *site, CK_OBJECT_HANDLE key, const struct record *record,
	      const uint8_t challenge[static 16], struct proof *ret, struct err *err)
{
	const struct p11_attrs *attrs = &record->objects[0];
	struct task task = {record, challenge, ret};
	owned(pubkey) struct pubkey *public = NULL;
	int rc;

	ret->len = 0;
	if (is_secret(record)) {
		rc = try(site, key, attrs, NULL, step_secret, &task, err);
		return rc == -ERR_UNSUPPORTED ? wrap_value(site, key, ret, err) : rc;
	}
	if (record->check_len)
		return prove_blob(site, key, record, err);
	rc = public_key(record, &public, err);
	return rc < 0 ? rc : try(site, key, attrs, public, step_private, &task, err);
}

/* What a failed use says of a key: is there one that may not do this? */
static bool may_be_forbidden(CK_RV rv)
{
	return rv == CKR_KEY_FUNCTION_NOT_PERMITTED || rv == CKR_KEY_UNEXTRACTABLE || rv == CKR_KEY_NOT_WRAPPABLE ||
	       rv == CKR_MECHANISM_INVALID;
}

/* Did the token look at the key at all? */
static bool says_nothing(CK_RV rv)
{
	enum p11_class class = p11_rv_class(rv);

	return class == P11_SESSION || class == P11_BUSY || class == P11_MEMBER || class == P11_CREDENTIAL;
}

/* What a key can be asked for without harm: any secret key, private ones of a type. */
static const struct use_of {
	bool private;
	CK_KEY_TYPE of;
	enum p11_fn init, operation;
	CK_MECHANISM_TYPE type;
} uses[] = {
	{false, 0, P11_C_EncryptInit, P11_C_Encrypt, CKM_AES_ECB},
	{false, 0, P11_C_SignInit, P11_C_Sign, CKM_SHA256_HMAC},
	{true, CKK_RSA, P11_C_SignInit, P11_C_Sign, CKM_RSA_PKCS},
	{true, CKK_EC, P11_C_SignInit, P11_C_Sign, CKM_ECDSA},
	{true, CKK_EC_EDWARDS, P11_C_SignInit, P11_C_Sign, CKM_EDDSA},
};
enum { USES = sizeof(uses) / sizeof(uses[0]) };

/* What comes of one use, or (n = USES) of wrapping it. */
static int try_use(struct replica_site *site, CK_OBJECT_HANDLE key, size_t n, CK_RV *ret, struct err *err)
{
	CK_SESSION_HANDLE session = member_session(site->channel);
	CK_MECHANISM mechanism = {n < USES ? uses[n].type : CKM_AES_KEY_WRAP_PAD, NULL, 0};
	uint8_t block[16] = {0}, out[DOMAIN_BLOB_MAX];
	CK_ULONG len = sizeof(out);
	struct p11_call calls[2];
	int rc;

	if (n < USES) {
		calls[0] = p11_init(uses[n].init, session, &mechanism, key);
		calls[1] = p11_transform(uses[n].operation, session, block, sizeof(block), out, &len);
	} else {
		calls[0] = p11_C_WrapKey(session, &mechanism, site->domain, key, out, &len);
	}
	rc = member_call(site->channel, calls, n < USES ? 2 : 1, NULL, err);
	*ret = calls[0].rv == CKR_OK && n < USES ? calls[1].rv : calls[0].rv;
	explicit_bzero(out, sizeof(out));
	return rc;
}

bool prove_has_kind(const struct p11_attrs *attrs)
{
	CK_KEY_TYPE type = p11_attrs_ulong(attrs, CKA_KEY_TYPE, CK_UNAVAILABLE_INFORMATION);

	/* The number of RSA is 0: what a secret key is that lost its type. */
	return type != CK_UNAVAILABLE_INFORMATION &&
	       (type != CKK_RSA || p11_attrs_ulong(attrs, CKA_CLASS, CKO_SECRET_KEY) != CKO_SECRET_KEY);
}

int prove_hollow(struct replica_site *site, CK_OBJECT_HANDLE key, const struct p11_attrs *attrs, struct err *err)
{
	CK_KEY_TYPE type = p11_attrs_ulong(attrs, CKA_KEY_TYPE, CK_UNAVAILABLE_INFORMATION);
	bool private = p11_attrs_ulong(attrs, CKA_CLASS, CKO_SECRET_KEY) == CKO_PRIVATE_KEY;
	bool kind_known = prove_has_kind(attrs);

	if (!site->domain)
		return 0;
	for (size_t n = 0; n <= USES; n++) {
		CK_RV rv;
		int rc;

		if (n < USES && kind_known && (uses[n].private != private || (private && uses[n].of != type)))
			continue;
		rc = try_use(site, key, n, &rv, err);
		if (rc < 0)
			return rc;
		/* Most private keys may not leave: that says nothing of one that signs wrongly. */
		if (private && n == USES && rv != CKR_OK && !says_nothing(rv))
			break;
		if (rv == CKR_OK || says_nothing(rv) || (kind_known && may_be_forbidden(rv)))
			return 0;
	}
	return 1;
}
