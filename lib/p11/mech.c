/* SPDX-License-Identifier: Apache-2.0 */
/* The mechanism table and how parameters travel. */
#include "p11/mech.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "p11/rv.h"

enum { PARAM_MAX = 1 << 20, PLAIN_MAX = P11_PLAIN_MAX };

#define ANY CK_UNAVAILABLE_INFORMATION
#define SIGN (CKF_SIGN | CKF_VERIFY)
#define CRYPT (CKF_ENCRYPT | CKF_DECRYPT)
#define RECOVER (CKF_SIGN_RECOVER | CKF_VERIFY_RECOVER)
#define WRAPS (CKF_WRAP | CKF_UNWRAP)
#define M(type, param, key, use) {type, #type, P11_PARAM_##param, key, key, use, false}
#define WHOLE(type, param, key, use) {type, #type, P11_PARAM_##param, key, key, use, true}
#define DES3(type, param, use) {type, #type, P11_PARAM_##param, CKK_DES3, CKK_DES2, use, false}
#define HMAC(type, own) {type, #type, P11_PARAM_NONE, CKK_GENERIC_SECRET, own, SIGN, false}

const struct p11_mech p11_mech_table[] = {
	M(CKM_RSA_PKCS_KEY_PAIR_GEN, NONE, CKK_RSA, CKF_GENERATE_KEY_PAIR),
	M(CKM_EC_KEY_PAIR_GEN, NONE, CKK_EC, CKF_GENERATE_KEY_PAIR),
	M(CKM_EC_EDWARDS_KEY_PAIR_GEN, NONE, CKK_EC_EDWARDS, CKF_GENERATE_KEY_PAIR),
	M(CKM_DSA_PARAMETER_GEN, NONE, CKK_DSA, CKF_GENERATE),
	M(CKM_DH_PKCS_PARAMETER_GEN, NONE, CKK_DH, CKF_GENERATE),
	M(CKM_DSA_KEY_PAIR_GEN, NONE, CKK_DSA, CKF_GENERATE_KEY_PAIR),
	M(CKM_DH_PKCS_KEY_PAIR_GEN, NONE, CKK_DH, CKF_GENERATE_KEY_PAIR),
	M(CKM_AES_KEY_GEN, NONE, CKK_AES, CKF_GENERATE),
	M(CKM_DES_KEY_GEN, NONE, CKK_DES, CKF_GENERATE),
	M(CKM_DES2_KEY_GEN, NONE, CKK_DES2, CKF_GENERATE),
	M(CKM_DES3_KEY_GEN, NONE, CKK_DES3, CKF_GENERATE),
	M(CKM_GENERIC_SECRET_KEY_GEN, NONE, CKK_GENERIC_SECRET, CKF_GENERATE),
	WHOLE(CKM_RSA_PKCS, NONE, CKK_RSA, SIGN | RECOVER | CRYPT | WRAPS),
	WHOLE(CKM_RSA_X_509, NONE, CKK_RSA, SIGN | RECOVER | CRYPT),
	M(CKM_MD5_RSA_PKCS, NONE, CKK_RSA, SIGN),
	M(CKM_SHA1_RSA_PKCS, NONE, CKK_RSA, SIGN),
	M(CKM_SHA224_RSA_PKCS, NONE, CKK_RSA, SIGN),
	M(CKM_SHA256_RSA_PKCS, NONE, CKK_RSA, SIGN),
	M(CKM_SHA384_RSA_PKCS, NONE, CKK_RSA, SIGN),
	M(CKM_SHA512_RSA_PKCS, NONE, CKK_RSA, SIGN),
	WHOLE(CKM_RSA_PKCS_PSS, PSS, CKK_RSA, SIGN),
	M(CKM_SHA1_RSA_PKCS_PSS, PSS, CKK_RSA, SIGN),
	M(CKM_SHA224_RSA_PKCS_PSS, PSS, CKK_RSA, SIGN),
	M(CKM_SHA256_RSA_PKCS_PSS, PSS, CKK_RSA, SIGN),
	M(CKM_SHA384_RSA_PKCS_PSS, PSS, CKK_RSA, SIGN),
	M(CKM_SHA512_RSA_PKCS_PSS, PSS, CKK_RSA, SIGN),
	WHOLE(CKM_RSA_PKCS_OAEP, OAEP, CKK_RSA, CRYPT | WRAPS),
	WHOLE(CKM_ECDSA, NONE, CKK_EC, SIGN),
	M(CKM_ECDSA_SHA1, NONE, CKK_EC, SIGN),
	M(CKM_ECDSA_SHA224, NONE, CKK_EC, SIGN),
	M(CKM_ECDSA_SHA256, NONE, CKK_EC, SIGN),
	M(CKM_ECDSA_SHA384, NONE, CKK_EC, SIGN),
	M(CKM_ECDSA_SHA512, NONE, CKK_EC, SIGN),
	WHOLE(CKM_DSA, NONE, CKK_DSA, SIGN),
	M(CKM_DSA_SHA1, NONE, CKK_DSA, SIGN),
	M(CKM_DSA_SHA224, NONE, CKK_DSA, SIGN),
	M(CKM_DSA_SHA256, NONE, CKK_DSA, SIGN),
	M(CKM_DSA_SHA384, NONE, CKK_DSA, SIGN),
	M(CKM_DSA_SHA512, NONE, CKK_DSA, SIGN),
	M(CKM_DH_PKCS_DERIVE, BYTES, CKK_DH, CKF_DERIVE),
	{CKM_ECDH1_DERIVE, "CKM_ECDH1_DERIVE", P11_PARAM_ECDH, CKK_EC, CKK_EC_MONTGOMERY, CKF_DERIVE, false},
	M(CKM_CONCATENATE_BASE_AND_KEY, OBJECT, ANY, CKF_DERIVE),
	WHOLE(CKM_EDDSA, NONE, CKK_EC_EDWARDS, SIGN),
	M(CKM_AES_ECB, NONE, CKK_AES, CRYPT | WRAPS),
	M(CKM_AES_CBC, IV16, CKK_AES, CRYPT | WRAPS),
	M(CKM_AES_CBC_PAD, IV16, CKK_AES, CRYPT | WRAPS),
	M(CKM_AES_CTR, CTR, CKK_AES, CRYPT),
	M(CKM_AES_GCM, GCM, CKK_AES, CRYPT),
	M(CKM_AES_CMAC, NONE, CKK_AES, SIGN),
	M(CKM_AES_KEY_WRAP, BYTES, CKK_AES, WRAPS),
	M(CKM_AES_KEY_WRAP_PAD, BYTES, CKK_AES, WRAPS),
	M(CKM_AES_KEY_WRAP_KWP, BYTES, CKK_AES, WRAPS),
	M(CKM_AES_ECB_ENCRYPT_DATA, STRING, CKK_AES, CKF_DERIVE),
	M(CKM_AES_CBC_ENCRYPT_DATA, DATA16, CKK_AES, CKF_DERIVE),
	M(CKM_DES_ECB, NONE, CKK_DES, CRYPT | WRAPS),
	M(CKM_DES_CBC, IV8, CKK_DES, CRYPT | WRAPS),
	M(CKM_DES_CBC_PAD, IV8, CKK_DES, CRYPT | WRAPS),
	M(CKM_DES_ECB_ENCRYPT_DATA, STRING, CKK_DES, CKF_DERIVE),
	M(CKM_DES_CBC_ENCRYPT_DATA, DATA8, CKK_DES, CKF_DERIVE),
	DES3(CKM_DES3_ECB, NONE, CRYPT | WRAPS),
	DES3(CKM_DES3_CBC, IV8, CRYPT | WRAPS),
	DES3(CKM_DES3_CBC_PAD, IV8, CRYPT | WRAPS),
	DES3(CKM_DES3_CMAC, NONE, SIGN),
	DES3(CKM_DES3_ECB_ENCRYPT_DATA, STRING, CKF_DERIVE),
	DES3(CKM_DES3_CBC_ENCRYPT_DATA, DATA8, CKF_DERIVE),
	HMAC(CKM_MD5_HMAC, CKK_MD5_HMAC),
	HMAC(CKM_SHA_1_HMAC, CKK_SHA_1_HMAC),
	HMAC(CKM_SHA224_HMAC, CKK_SHA224_HMAC),
	HMAC(CKM_SHA256_HMAC, CKK_SHA256_HMAC),
	HMAC(CKM_SHA384_HMAC, CKK_SHA384_HMAC),
	HMAC(CKM_SHA512_HMAC, CKK_SHA512_HMAC),
	M(CKM_SHA_1, NONE, ANY, CKF_DIGEST),
	M(CKM_SHA224, NONE, ANY, CKF_DIGEST),
	M(CKM_SHA256, NONE, ANY, CKF_DIGEST),
	M(CKM_SHA384, NONE, ANY, CKF_DIGEST),
	M(CKM_SHA512, NONE, ANY, CKF_DIGEST),
	M(CKM_MD5, NONE, ANY, CKF_DIGEST),
	{.name = NULL},
};

const struct p11_mech *p11_mech(CK_MECHANISM_TYPE type)
{
	for (const struct p11_mech *m = p11_mech_table; m->name; m++)
		if (m->type == type)
			return m;
	return NULL;
}

bool p11_mech_takes(const struct p11_mech *row, CK_KEY_TYPE type)
{
	return row->key_type == ANY || type == row->key_type || type == row->key_type_too;
}

/* What can be done with one message can be done with many. */
static CK_FLAGS messages_of(CK_FLAGS use)
{
	return (use & CKF_ENCRYPT ? CKF_MESSAGE_ENCRYPT : 0) | (use & CKF_DECRYPT ? CKF_MESSAGE_DECRYPT : 0) |
	       (use & CKF_SIGN ? CKF_MESSAGE_SIGN : 0) | (use & CKF_VERIFY ? CKF_MESSAGE_VERIFY : 0);
}

CK_FLAGS p11_mech_uses(CK_MECHANISM_TYPE type)
{
	const struct p11_mech *row = p11_mech(type);

	return row ? row->use | messages_of(row->use) : P11_USES;
}

void p11_mechanism_release(struct p11_mechanism *m)
{
	for (size_t i = 0; i < sizeof(m->blocks) / sizeof(m->blocks[0]); i++)
		free(m->blocks[i]);
	*m = (struct p11_mechanism){0};
}

static CK_ULONG param_size(enum p11_param param)
{
	switch (param) {
	case P11_PARAM_ULONG:
	case P11_PARAM_OBJECT:
		return sizeof(CK_ULONG);
	case P11_PARAM_PSS:
		return sizeof(CK_RSA_PKCS_PSS_PARAMS);
	case P11_PARAM_OAEP:
		return sizeof(CK_RSA_PKCS_OAEP_PARAMS);
	case P11_PARAM_GCM:
		return sizeof(CK_GCM_PARAMS);
	case P11_PARAM_CTR:
		return sizeof(CK_AES_CTR_PARAMS);
	case P11_PARAM_ECDH:
		return sizeof(CK_ECDH1_DERIVE_PARAMS);
	case P11_PARAM_STRING:
		return sizeof(CK_KEY_DERIVATION_STRING_DATA);
	case P11_PARAM_DATA8:
		return sizeof(CK_DES_CBC_ENCRYPT_DATA_PARAMS);
	case P11_PARAM_DATA16:
		return sizeof(CK_AES_CBC_ENCRYPT_DATA_PARAMS);
	case P11_PARAM_IV8:
		return 8;
	case P11_PARAM_IV16:
		return 16;
	default:
		return 0;
	}
}

/* Of what has no row it is bytes, if it passes. */
static enum p11_param param_of(const struct p11_mech *row)
{
	return row ? row->param : P11_PARAM_BYTES;
}

static bool is_bytes(enum p11_param param)
{
	return param == P11_PARAM_BYTES || param == P11_PARAM_IV8 || param == P11_PARAM_IV16;
}

static bool points(const void *p, CK_ULONG len)
{
	return len <= PARAM_MAX && (p || !len);
}

/* Hashes that go into a parameter, each with its mask and with the mechanism that makes a signature of it. */
static const struct {
	CK_MECHANISM_TYPE hash, pss;
	CK_RSA_PKCS_MGF_TYPE mgf;
} hashes[] = {
	{CKM_SHA_1, CKM_SHA1_RSA_PKCS_PSS, CKG_MGF1_SHA1},
	{CKM_SHA224, CKM_SHA224_RSA_PKCS_PSS, CKG_MGF1_SHA224},
	{CKM_SHA256, CKM_SHA256_RSA_PKCS_PSS, CKG_MGF1_SHA256},
	{CKM_SHA384, CKM_SHA384_RSA_PKCS_PSS, CKG_MGF1_SHA384},
	{CKM_SHA512, CKM_SHA512_RSA_PKCS_PSS, CKG_MGF1_SHA512},
};

/* Of a mechanism that hashes by itself the parameter names the same hash. What is not known may be one. */
static bool good_pss(CK_MECHANISM_TYPE type, const CK_RSA_PKCS_PSS_PARAMS *p)
{
	const struct p11_mech *hash = p11_mech(p->hashAlg);

	if (hash && !(hash->use & CKF_DIGEST))
		return false;
	for (size_t i = 0; i < sizeof(hashes) / sizeof(hashes[0]); i++)
		if (hashes[i].pss == type && hashes[i].hash != p->hashAlg)
			return false;
	for (size_t i = 0; i < sizeof(hashes) / sizeof(hashes[0]); i++)
		if (hashes[i].hash == p->hashAlg && hashes[i].mgf != p->mgf)
			return false;
	return p->sLen <= PARAM_MAX;
}

static bool good_oaep(const CK_RSA_PKCS_OAEP_PARAMS *p)
{
	return (p->source == 0 || p->source == CKZ_DATA_SPECIFIED) && (p->source || !p->ulSourceDataLen) &&
	       points(p->pSourceData, p->ulSourceDataLen);
}

static bool good_gcm(const CK_GCM_PARAMS *p)
{
	return p->ulTagBits <= 128 && p->ulTagBits % 8 == 0 && points(p->pIv, p->ulIvLen) && points(p->pAAD, p->ulAADLen);
}

static bool good_ecdh(const CK_ECDH1_DERIVE_PARAMS *p)
{
	return points(p->pSharedData, p->ulSharedDataLen) && points(p->pPublicData, p->ulPublicDataLen);
}

/* Of a parameter that has the size of its struct. */
static bool good_value(const struct p11_mech *row, const void *at)
{
	const CK_AES_CTR_PARAMS *ctr = at;
	const CK_KEY_DERIVATION_STRING_DATA *string = at;
	const CK_DES_CBC_ENCRYPT_DATA_PARAMS *data8 = at;
	const CK_AES_CBC_ENCRYPT_DATA_PARAMS *data16 = at;

	switch (row->param) {
	case P11_PARAM_PSS:
		return good_pss(row->type, at);
	case P11_PARAM_OAEP:
		return good_oaep(at);
	case P11_PARAM_GCM:
		return good_gcm(at);
	case P11_PARAM_ECDH:
		return good_ecdh(at);
	case P11_PARAM_CTR:
		return ctr->ulCounterBits >= 1 && ctr->ulCounterBits <= 128;
	case P11_PARAM_STRING:
		return points(string->pData, string->ulLen);
	case P11_PARAM_DATA8:
		return points(data8->pData, data8->length);
	case P11_PARAM_DATA16:
		return points(data16->pData, data16->length);
	default:
		return true;
	}
}

/* A struct among them would say where the rest is, in this process. */
bool p11_param_is_plain(const void *param, CK_ULONG len)
{
	const uint8_t *at = param;
	void *word;

	if (len > PLAIN_MAX || !points(param, len))
		return false;
	for (CK_ULONG i = 0; i + sizeof(word) <= len; i += sizeof(word)) {
		memcpy(&word, at + i, sizeof(word));
		if (mem_is_mapped(word))
			return false;
	}
	return true;
}

CK_RV p11_mechanism_check(const CK_MECHANISM *m)
{
	const struct p11_mech *row = p11_mech(m->mechanism);

	if (!row)
		return p11_param_is_plain(m->pParameter, m->ulParameterLen) ? CKR_OK : CKR_MECHANISM_PARAM_INVALID;
	/* Many programs leave rubbish in the parameter where none is wanted. */
	if (row->param == P11_PARAM_NONE)
		return CKR_OK;
	if (row->param == P11_PARAM_BYTES)
		return points(m->pParameter, m->ulParameterLen) ? CKR_OK : CKR_MECHANISM_PARAM_INVALID;
	if (!m->pParameter || m->ulParameterLen != param_size(row->param))
		return CKR_MECHANISM_PARAM_INVALID;
	return good_value(row, m->pParameter) ? CKR_OK : CKR_MECHANISM_PARAM_INVALID;
}

/* What hashes and codes of authentication come to. */
static const struct {
	CK_MECHANISM_TYPE type;
	CK_ULONG len;
} fixed[] = {
	{CKM_MD5, 16},	   {CKM_SHA_1, 20},	 {CKM_SHA224, 28},	{CKM_SHA256, 32},      {CKM_SHA384, 48},
	{CKM_SHA512, 64},  {CKM_MD5_HMAC, 16},	 {CKM_SHA_1_HMAC, 20},	{CKM_SHA224_HMAC, 28}, {CKM_SHA256_HMAC, 32},
	{CKM_SHA384_HMAC, 48}, {CKM_SHA512_HMAC, 64}, {CKM_AES_CMAC, 16}, {CKM_DES3_CMAC, 8},
};

/* 0 = another mechanism. */
static CK_ULONG fixed_len(CK_MECHANISM_TYPE type)
{
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		if (fixed[i].type == type)
			return fixed[i].len;
	return 0;
}

static CK_ULONG signature_len(const struct p11_mech *row, CK_ULONG modulus_len, CK_ULONG order_len)
{
	bool two = row->key_type == CKK_EC || row->key_type == CKK_DSA;
	CK_ULONG len = row->key_type == CKK_RSA ? modulus_len : two ? 2 * order_len : fixed_len(row->type);

	return len ? len : CK_UNAVAILABLE_INFORMATION;
}

static CK_ULONG tag_len(const CK_MECHANISM *m)
{
	return ((const CK_GCM_PARAMS *)m->pParameter)->ulTagBits / 8;
}

static CK_ULONG ciphertext_len(const CK_MECHANISM *m, CK_ULONG len, bool decrypts)
{
	CK_ULONG tag;

	switch (m->mechanism) {
	case CKM_AES_CBC_PAD:
		return decrypts ? len : (len / 16 + 1) * 16;
	case CKM_DES_CBC_PAD:
	case CKM_DES3_CBC_PAD:
		return decrypts ? len : (len / 8 + 1) * 8;
	case CKM_AES_GCM:
		tag = tag_len(m);
		return decrypts ? (len > tag ? len - tag : 0) : len + tag;
	case CKM_AES_ECB:
	case CKM_AES_CBC:
	case CKM_AES_CTR:
	case CKM_DES_ECB:
	case CKM_DES_CBC:
	case CKM_DES3_ECB:
	case CKM_DES3_CBC:
		return len;
	default:
		return CK_UNAVAILABLE_INFORMATION;
	}
}

CK_ULONG p11_mech_output_len(const CK_MECHANISM *m, CK_FLAGS use, CK_ULONG modulus_len, CK_ULONG order_len, CK_ULONG len)
{
	const struct p11_mech *row = p11_mech(m->mechanism);

	if (!row)
		return CK_UNAVAILABLE_INFORMATION;
	if (use == CKF_SIGN || use == CKF_DIGEST)
		return signature_len(row, modulus_len, order_len);
	if (use != CKF_ENCRYPT && use != CKF_DECRYPT)
		return CK_UNAVAILABLE_INFORMATION;
	return row->key_type == CKK_RSA && modulus_len ? modulus_len : ciphertext_len(m, len, use == CKF_DECRYPT);
}

bool p11_mech_is_doubtful(const CK_MECHANISM *m, CK_ULONG key_len)
{
	const struct p11_mech *row = p11_mech(m->mechanism);
	const CK_RSA_PKCS_OAEP_PARAMS *oaep = m->pParameter;

	if (!row || m->mechanism == CKM_RSA_PKCS_OAEP)
		return !row || oaep->hashAlg != CKM_SHA_1 || oaep->mgf != CKG_MGF1_SHA1 || oaep->ulSourceDataLen;
	return row->key_type == CKK_GENERIC_SECRET && key_len < fixed_len(row->type);
}

static CK_RV input_of_rsa(CK_MECHANISM_TYPE type, CK_FLAGS use, CK_ULONG modulus_len, CK_ULONG len)
{
	enum { PKCS1_PADDING = 11 };
	const CK_ULONG padding = type == CKM_RSA_PKCS ? PKCS1_PADDING : 0;

	if (!modulus_len)
		return CKR_OK;
	if (use == CKF_DECRYPT)
		return len == modulus_len ? CKR_OK : CKR_ENCRYPTED_DATA_LEN_RANGE;
	return len <= modulus_len && modulus_len - len >= padding ? CKR_OK : CKR_DATA_LEN_RANGE;
}

/* It signs what its hash came to. */
static CK_RV input_of_pss(const CK_MECHANISM *m, CK_ULONG len)
{
	CK_ULONG hash = fixed_len(((const CK_RSA_PKCS_PSS_PARAMS *)m->pParameter)->hashAlg);

	return !hash || len == hash ? CKR_OK : CKR_DATA_LEN_RANGE;
}

CK_RV p11_mech_input_check(const CK_MECHANISM *m, CK_FLAGS use, CK_ULONG modulus_len, CK_ULONG len)
{
	switch (m->mechanism) {
	case CKM_RSA_PKCS:
	case CKM_RSA_X_509:
	case CKM_RSA_PKCS_OAEP:
		return input_of_rsa(m->mechanism, use, modulus_len, len);
	case CKM_RSA_PKCS_PSS:
		return use == CKF_SIGN ? input_of_pss(m, len) : CKR_OK;
	case CKM_AES_CBC_PAD:
	case CKM_DES_CBC_PAD:
	case CKM_DES3_CBC_PAD:
		return use == CKF_DECRYPT && !len ? CKR_ENCRYPTED_DATA_LEN_RANGE : CKR_OK;
	case CKM_AES_GCM:
		return use == CKF_DECRYPT && len < tag_len(m) ? CKR_ENCRYPTED_DATA_LEN_RANGE : CKR_OK;
	default:
		return CKR_OK;
	}
}

void p11_mechanism_encode(struct buf *buf, const CK_MECHANISM *m)
{
	const struct p11_mech *row = p11_mech(m->mechanism);

	buf_put_u64(buf, m->mechanism);
	switch (param_of(row)) {
	case P11_PARAM_NONE:
		break;
	case P11_PARAM_BYTES:
	case P11_PARAM_IV8:
	case P11_PARAM_IV16:
		buf_put_bytes(buf, m->pParameter, m->ulParameterLen);
		break;
	case P11_PARAM_ULONG:
	case P11_PARAM_OBJECT:
		buf_put_u64(buf, *(CK_ULONG *)m->pParameter);
		break;
	case P11_PARAM_PSS: {
		const CK_RSA_PKCS_PSS_PARAMS *p = m->pParameter;

		buf_put_u64(buf, p->hashAlg);
		buf_put_u64(buf, p->mgf);
		buf_put_u64(buf, p->sLen);
		break;
	}
	case P11_PARAM_OAEP: {
		const CK_RSA_PKCS_OAEP_PARAMS *p = m->pParameter;

		buf_put_u64(buf, p->hashAlg);
		buf_put_u64(buf, p->mgf);
		buf_put_u64(buf, p->source);
		buf_put_bytes(buf, p->pSourceData, p->ulSourceDataLen);
		break;
	}
	case P11_PARAM_GCM: {
		const CK_GCM_PARAMS *p = m->pParameter;

		buf_put_bytes(buf, p->pIv, p->ulIvLen);
		buf_put_u64(buf, p->ulIvBits);
		buf_put_bytes(buf, p->pAAD, p->ulAADLen);
		buf_put_u64(buf, p->ulTagBits);
		break;
	}
	case P11_PARAM_CTR: {
		const CK_AES_CTR_PARAMS *p = m->pParameter;

		buf_put_u64(buf, p->ulCounterBits);
		buf_put(buf, p->cb, sizeof(p->cb));
		break;
	}
	case P11_PARAM_ECDH: {
		const CK_ECDH1_DERIVE_PARAMS *p = m->pParameter;

		buf_put_u64(buf, p->kdf);
		buf_put_bytes(buf, p->pSharedData, p->ulSharedDataLen);
		buf_put_bytes(buf, p->pPublicData, p->ulPublicDataLen);
		break;
	}
	case P11_PARAM_STRING: {
		const CK_KEY_DERIVATION_STRING_DATA *p = m->pParameter;

		buf_put_bytes(buf, p->pData, p->ulLen);
		break;
	}
	case P11_PARAM_DATA8: {
		const CK_DES_CBC_ENCRYPT_DATA_PARAMS *p = m->pParameter;

		buf_put(buf, p->iv, sizeof(p->iv));
		buf_put_bytes(buf, p->pData, p->length);
		break;
	}
	case P11_PARAM_DATA16: {
		const CK_AES_CBC_ENCRYPT_DATA_PARAMS *p = m->pParameter;

		buf_put(buf, p->iv, sizeof(p->iv));
		buf_put_bytes(buf, p->pData, p->length);
		break;
	}
	}
}

/* Read a block into blocks[i]; NULL and 0 when empty. */
static void *block(struct buf_reader *r, struct p11_mechanism *m, int i, CK_ULONG *ret_len)
{
	size_t len;
	const uint8_t *bytes = buf_get_bytes(r, &len);

	*ret_len = bytes ? len : 0;
	if (!bytes || !len)
		return NULL;
	m->blocks[i] = mem_dup(bytes, len);
	if (!m->blocks[i])
		r->bad = true;
	return m->blocks[i];
}

static void take(struct buf_reader *r, uint8_t *ret, size_t len)
{
	const uint8_t *bytes = buf_get(r, len);

	if (bytes)
		memcpy(ret, bytes, len);
}

static void decode_param(struct buf_reader *r, enum p11_param kind, void *param, struct p11_mechanism *m)
{
	if (kind == P11_PARAM_ULONG || kind == P11_PARAM_OBJECT) {
		*(CK_ULONG *)param = (CK_ULONG)buf_get_u64(r);
	} else if (kind == P11_PARAM_PSS) {
		CK_RSA_PKCS_PSS_PARAMS *p = param;

		p->hashAlg = (CK_MECHANISM_TYPE)buf_get_u64(r);
		p->mgf = (CK_RSA_PKCS_MGF_TYPE)buf_get_u64(r);
		p->sLen = (CK_ULONG)buf_get_u64(r);
	} else if (kind == P11_PARAM_OAEP) {
		CK_RSA_PKCS_OAEP_PARAMS *p = param;

		p->hashAlg = (CK_MECHANISM_TYPE)buf_get_u64(r);
		p->mgf = (CK_RSA_PKCS_MGF_TYPE)buf_get_u64(r);
		p->source = (CK_RSA_PKCS_OAEP_SOURCE_TYPE)buf_get_u64(r);
		p->pSourceData = block(r, m, 1, &p->ulSourceDataLen);
	} else if (kind == P11_PARAM_GCM) {
		CK_GCM_PARAMS *p = param;

		p->pIv = block(r, m, 1, &p->ulIvLen);
		p->ulIvBits = (CK_ULONG)buf_get_u64(r);
		p->pAAD = block(r, m, 2, &p->ulAADLen);
		p->ulTagBits = (CK_ULONG)buf_get_u64(r);
	} else if (kind == P11_PARAM_CTR) {
		CK_AES_CTR_PARAMS *p = param;

		p->ulCounterBits = (CK_ULONG)buf_get_u64(r);
		take(r, p->cb, sizeof(p->cb));
	} else if (kind == P11_PARAM_ECDH) {
		CK_ECDH1_DERIVE_PARAMS *p = param;

		p->kdf = (CK_EC_KDF_TYPE)buf_get_u64(r);
		p->pSharedData = block(r, m, 1, &p->ulSharedDataLen);
		p->pPublicData = block(r, m, 2, &p->ulPublicDataLen);
	} else if (kind == P11_PARAM_STRING) {
		CK_KEY_DERIVATION_STRING_DATA *p = param;

		p->pData = block(r, m, 1, &p->ulLen);
	} else if (kind == P11_PARAM_DATA8) {
		CK_DES_CBC_ENCRYPT_DATA_PARAMS *p = param;

		take(r, p->iv, sizeof(p->iv));
		p->pData = block(r, m, 1, &p->length);
	} else if (kind == P11_PARAM_DATA16) {
		CK_AES_CBC_ENCRYPT_DATA_PARAMS *p = param;

		take(r, p->iv, sizeof(p->iv));
		p->pData = block(r, m, 1, &p->length);
	}
}

int p11_mechanism_decode(struct buf_reader *r, struct p11_mechanism *ret, struct err *err)
{
	enum p11_param param;
	CK_ULONG size;

	*ret = (struct p11_mechanism){.ck.mechanism = (CK_MECHANISM_TYPE)buf_get_u64(r)};
	param = param_of(p11_mech(ret->ck.mechanism));
	size = param_size(param);
	if (is_bytes(param)) {
		ret->ck.pParameter = block(r, ret, 0, &ret->ck.ulParameterLen);
	} else if (size) {
		ret->blocks[0] = mem_zalloc(size);
		if (!ret->blocks[0])
			return err_no_memory(err);
		decode_param(r, param, ret->blocks[0], ret);
		ret->ck.pParameter = ret->blocks[0];
		ret->ck.ulParameterLen = size;
	}
	if (r->bad) {
		p11_mechanism_release(ret);
		return err_set(err, ERR_PROTOCOL, "a mechanism is cut short");
	}
	return 0;
}

int p11_mechanism_copy(const CK_MECHANISM *from, struct p11_mechanism *ret, struct err *err)
{
	owned(buf) struct buf wire = {.max = 3 * PARAM_MAX};
	struct buf_reader r;
	CK_RV rv = p11_mechanism_check(from);
	int rc;

	if (rv != CKR_OK)
		return p11_rv_err(err, rv, "mechanism");
	if (!from->pParameter && !from->ulParameterLen) {
		*ret = (struct p11_mechanism){.ck.mechanism = from->mechanism};
		return 0;
	}
	p11_mechanism_encode(&wire, from);
	rc = buf_check(&wire, err);
	if (rc < 0)
		return rc;
	r = buf_reader(wire.data, wire.len);
	return p11_mechanism_decode(&r, ret, err);
}
