/* SPDX-License-Identifier: Apache-2.0 */
/* Proof of replicas by using them. */
#include "replica/prove.h"

#include <string.h>

#include "base/err.h"
#include "crypto/digest.h"
#include "crypto/pubkey.h"
#include "member/member.h"
#include "p11/rv.h"

enum { SIGNATURE_MAX = 1024, BLOB_MAX = 16384 };

/* DigestInfo of SHA-256, RFC 8017 section 9.2 note 1. */
static const uint8_t SHA256_PREFIX[] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
					0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};

/* One Init and its operation. A refusal by the token means the key is not usable. */
static int use(struct replica_site *site, enum p11_fn init, enum p11_fn operation, CK_MECHANISM_TYPE type,
	       CK_OBJECT_HANDLE key, const void *in, size_t in_len, uint8_t *out, CK_ULONG *out_len, struct err *err)
{
	CK_SESSION_HANDLE session = member_session(site->channel);
	CK_MECHANISM mechanism = {type, NULL, 0};
	struct p11_call calls[] = {
		p11_init(init, session, &mechanism, key),
		p11_transform(operation, session, in, in_len, out, out_len),
	};
	int rc = member_call(site->channel, calls, 2, err);
	CK_RV rv = calls[0].rv == CKR_OK ? calls[1].rv : calls[0].rv;

	if (rc < 0 || rv == CKR_OK)
		return rc;
	switch (p11_rv_class(rv)) {
	case P11_SESSION:
	case P11_MEMBER:
	case P11_BUSY:
		return err_set(err, ERR_UNREACHABLE, "the key could not be tried: %s", p11_rv_name(rv));
	default:
		return err_set(err, ERR_DIFFERENT, "the key does not work: %s", p11_rv_name(rv));
	}
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
	return err_set(err, ERR_INVALID, "the record holds no public key");
}

static int prove_signature(struct replica_site *site, CK_OBJECT_HANDLE key, const struct pubkey *public,
			   CK_KEY_TYPE type, const uint8_t challenge[static 16], struct err *err)
{
	uint8_t input[sizeof(SHA256_PREFIX) + SHA256_LEN], signature[SIGNATURE_MAX];
	CK_ULONG len = sizeof(signature);
	const uint8_t *data = input;
	size_t data_len = sizeof(input);
	CK_MECHANISM_TYPE mechanism = CKM_RSA_PKCS;
	int rc;

	memcpy(input, SHA256_PREFIX, sizeof(SHA256_PREFIX));
	rc = crypto_sha256(challenge, 16, input + sizeof(SHA256_PREFIX), err);
	if (rc < 0)
		return rc;
	if (type == CKK_EC) {
		mechanism = CKM_ECDSA;
		data = input + sizeof(SHA256_PREFIX);
		data_len = SHA256_LEN;
	} else if (type == CKK_EC_EDWARDS) {
		mechanism = CKM_EDDSA;
		data = challenge;
		data_len = 16;
	}
	rc = use(site, P11_C_SignInit, P11_C_Sign, mechanism, key, data, data_len, signature, &len, err);
	if (rc < 0)
		return rc;
	rc = pubkey_verify(public, challenge, 16, signature, len, err);
	return rc == 0 ? err_set(err, ERR_DIFFERENT, "its signature does not verify: it is another key")
		       : rc < 0 ? rc : 0;
}

static int prove_decryption(struct replica_site *site, CK_OBJECT_HANDLE key, const struct pubkey *public,
			    const uint8_t challenge[static 16], struct err *err)
{
	uint8_t blob[SIGNATURE_MAX], plain[SIGNATURE_MAX];
	size_t blob_len = sizeof(blob);
	CK_ULONG len = sizeof(plain);
	int rc = pubkey_encrypt(public, challenge, 16, blob, &blob_len, err);

	if (rc == 0)
		rc = use(site, P11_C_DecryptInit, P11_C_Decrypt, CKM_RSA_PKCS, key, blob, blob_len, plain, &len, err);
	if (rc == 0 && (len != 16 || memcmp(plain, challenge, 16) != 0))
		rc = err_set(err, ERR_DIFFERENT, "it does not decrypt: it is another key");
	return rc;
}

/* Equal keys wrap to equal blobs under one domain key (AES key wrap is deterministic). */
static int wrap_value(struct replica_site *site, CK_OBJECT_HANDLE key, struct proof *ret, struct err *err)
{
	CK_MECHANISM mechanism = {CKM_AES_KEY_WRAP_PAD, NULL, 0};
	uint8_t blob[BLOB_MAX];
	CK_ULONG len = sizeof(blob);
	struct p11_call call = p11_wrap_key(member_session(site->channel), &mechanism, site->domain, key, blob, &len);
	int rc;

	if (!site->domain)
		return err_set(err, ERR_UNSUPPORTED, "'%s' has not the domain key that would prove it", site->of->name);
	rc = member_run(site->channel, &call, 1, err);
	ret->len = SHA256_LEN;
	return rc < 0 ? rc : crypto_sha256(blob, len, ret->value, err);
}

/* What a secret key makes of 16 bytes; ERR_UNSUPPORTED when it may do nothing that shows it. */
static int transform(struct replica_site *site, CK_OBJECT_HANDLE key, const struct p11_attrs *attrs,
		     const uint8_t block[static 16], struct proof *ret, struct err *err)
{
	CK_ULONG len = sizeof(ret->value);
	int rc = -ERR_UNSUPPORTED;

	if (p11_attrs_ulong(attrs, CKA_KEY_TYPE, 0) == CKK_AES) {
		if (p11_attrs_bool(attrs, CKA_ENCRYPT, false))
			rc = use(site, P11_C_EncryptInit, P11_C_Encrypt, CKM_AES_ECB, key, block, 16, ret->value, &len, err);
		else if (p11_attrs_bool(attrs, CKA_DECRYPT, false))
			rc = use(site, P11_C_DecryptInit, P11_C_Decrypt, CKM_AES_ECB, key, block, 16, ret->value, &len, err);
	} else if (p11_attrs_bool(attrs, CKA_SIGN, false)) {
		rc = use(site, P11_C_SignInit, P11_C_Sign, CKM_SHA256_HMAC, key, block, 16, ret->value, &len, err);
	}
	ret->len = len;
	return rc;
}

/* The anchor's input: bound to the key, known to all. */
static int anchor_block(const struct record *record, uint8_t ret[static 16], struct err *err)
{
	uint8_t text[6 + UID_LEN], digest[SHA256_LEN];
	int rc;

	memcpy(text, "anchor", 6);
	memcpy(text + 6, record->uid, UID_LEN);
	rc = crypto_sha256(text, sizeof(text), digest, err);
	memcpy(ret, digest, 16);
	return rc;
}

int prove_anchor(struct replica_site *site, CK_OBJECT_HANDLE key, struct record *record, struct err *err)
{
	uint8_t block[16];
	struct proof value;
	int rc = anchor_block(record, block, err);

	if (rc < 0 || record->n_objects != 1)
		return rc;
	rc = transform(site, key, &record->objects[0], block, &value, err);
	if (rc == -ERR_UNSUPPORTED)
		return 0;
	if (rc < 0)
		return rc;
	record->check_len = value.len < CHECK_MAX ? value.len : CHECK_MAX;
	memcpy(record->check, value.value, record->check_len);
	return 0;
}

static int prove_secret(struct replica_site *site, CK_OBJECT_HANDLE key, const struct record *record,
			const uint8_t challenge[static 16], struct proof *ret, struct err *err)
{
	const struct p11_attrs *attrs = &record->objects[0];
	struct proof anchor;
	uint8_t block[16];
	int rc = anchor_block(record, block, err);

	if (rc < 0)
		return rc;
	rc = transform(site, key, attrs, block, &anchor, err);
	if (rc == -ERR_UNSUPPORTED)
		return wrap_value(site, key, ret, err);
	if (rc < 0)
		return rc;
	if (record->check_len && (record->check_len > anchor.len ||
				  memcmp(anchor.value, record->check, record->check_len) != 0))
		return err_set(err, ERR_DIFFERENT, "it is not the key that was made: its check value differs");
	return transform(site, key, attrs, challenge, ret, err);
}

int prove_key(struct replica_site *site, CK_OBJECT_HANDLE key, const struct record *record,
	      const uint8_t challenge[static 16], struct proof *ret, struct err *err)
{
	const struct p11_attrs *attrs = &record->objects[0];
	CK_KEY_TYPE type = p11_attrs_ulong(attrs, CKA_KEY_TYPE, CK_UNAVAILABLE_INFORMATION);
	owned(pubkey) struct pubkey *public = NULL;
	int rc;

	ret->len = 0;
	if (p11_attrs_ulong(attrs, CKA_CLASS, 0) == CKO_SECRET_KEY)
		return prove_secret(site, key, record, challenge, ret, err);
	rc = public_key(record, &public, err);
	if (rc < 0)
		return rc;
	if (p11_attrs_bool(attrs, CKA_SIGN, false))
		return prove_signature(site, key, public, type, challenge, err);
	if (type == CKK_RSA && p11_attrs_bool(attrs, CKA_DECRYPT, false))
		return prove_decryption(site, key, public, challenge, err);
	return wrap_value(site, key, ret, err);
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
	uint8_t block[16] = {0}, out[BLOB_MAX];
	CK_ULONG len = sizeof(out);
	struct p11_call calls[2];
	int rc;

	if (n < USES) {
		calls[0] = p11_init(uses[n].init, session, &mechanism, key);
		calls[1] = p11_transform(uses[n].operation, session, block, sizeof(block), out, &len);
	} else {
		calls[0] = p11_wrap_key(session, &mechanism, site->domain, key, out, &len);
	}
	rc = member_call(site->channel, calls, n < USES ? 2 : 1, err);
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
