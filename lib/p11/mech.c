/* SPDX-License-Identifier: Apache-2.0 */
/* The mechanism table and how parameters travel. */
#include "p11/mech.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "p11/rv.h"

enum { PARAM_MAX = 1 << 20 };

#define ANY CK_UNAVAILABLE_INFORMATION
#define SIGN (CKF_SIGN | CKF_VERIFY)
#define CRYPT (CKF_ENCRYPT | CKF_DECRYPT)
#define WRAPS (CKF_WRAP | CKF_UNWRAP)
#define M(type, param, key, use) {type, #type, P11_PARAM_##param, key, use}

const struct p11_mech p11_mech_table[] = {
	M(CKM_RSA_PKCS_KEY_PAIR_GEN, NONE, CKK_RSA, CKF_GENERATE_KEY_PAIR),
	M(CKM_EC_KEY_PAIR_GEN, NONE, CKK_EC, CKF_GENERATE_KEY_PAIR),
	M(CKM_EC_EDWARDS_KEY_PAIR_GEN, NONE, CKK_EC_EDWARDS, CKF_GENERATE_KEY_PAIR),
	M(CKM_AES_KEY_GEN, NONE, CKK_AES, CKF_GENERATE),
	M(CKM_GENERIC_SECRET_KEY_GEN, NONE, CKK_GENERIC_SECRET, CKF_GENERATE),
	M(CKM_RSA_PKCS, NONE, CKK_RSA, SIGN | CRYPT | WRAPS),
	M(CKM_RSA_X_509, NONE, CKK_RSA, SIGN | CRYPT),
	M(CKM_SHA1_RSA_PKCS, NONE, CKK_RSA, SIGN),
	M(CKM_SHA224_RSA_PKCS, NONE, CKK_RSA, SIGN),
	M(CKM_SHA256_RSA_PKCS, NONE, CKK_RSA, SIGN),
	M(CKM_SHA384_RSA_PKCS, NONE, CKK_RSA, SIGN),
	M(CKM_SHA512_RSA_PKCS, NONE, CKK_RSA, SIGN),
	M(CKM_RSA_PKCS_PSS, PSS, CKK_RSA, SIGN),
	M(CKM_SHA1_RSA_PKCS_PSS, PSS, CKK_RSA, SIGN),
	M(CKM_SHA224_RSA_PKCS_PSS, PSS, CKK_RSA, SIGN),
	M(CKM_SHA256_RSA_PKCS_PSS, PSS, CKK_RSA, SIGN),
	M(CKM_SHA384_RSA_PKCS_PSS, PSS, CKK_RSA, SIGN),
	M(CKM_SHA512_RSA_PKCS_PSS, PSS, CKK_RSA, SIGN),
	M(CKM_RSA_PKCS_OAEP, OAEP, CKK_RSA, CRYPT | WRAPS),
	M(CKM_ECDSA, NONE, CKK_EC, SIGN),
	M(CKM_ECDSA_SHA1, NONE, CKK_EC, SIGN),
	M(CKM_ECDSA_SHA224, NONE, CKK_EC, SIGN),
	M(CKM_ECDSA_SHA256, NONE, CKK_EC, SIGN),
	M(CKM_ECDSA_SHA384, NONE, CKK_EC, SIGN),
	M(CKM_ECDSA_SHA512, NONE, CKK_EC, SIGN),
	M(CKM_ECDH1_DERIVE, ECDH, CKK_EC, CKF_DERIVE),
	M(CKM_CONCATENATE_BASE_AND_KEY, OBJECT, ANY, CKF_DERIVE),
	M(CKM_EDDSA, NONE, CKK_EC_EDWARDS, SIGN),
	M(CKM_AES_ECB, NONE, CKK_AES, CRYPT),
	M(CKM_AES_CBC, BYTES, CKK_AES, CRYPT),
	M(CKM_AES_CBC_PAD, BYTES, CKK_AES, CRYPT),
	M(CKM_AES_CTR, CTR, CKK_AES, CRYPT),
	M(CKM_AES_GCM, GCM, CKK_AES, CRYPT),
	M(CKM_AES_CMAC, NONE, CKK_AES, SIGN),
	M(CKM_AES_KEY_WRAP, BYTES, CKK_AES, WRAPS),
	M(CKM_AES_KEY_WRAP_PAD, BYTES, CKK_AES, WRAPS),
	M(CKM_AES_KEY_WRAP_KWP, BYTES, CKK_AES, WRAPS),
	M(CKM_SHA_1_HMAC, NONE, ANY, SIGN),
	M(CKM_SHA224_HMAC, NONE, ANY, SIGN),
	M(CKM_SHA256_HMAC, NONE, ANY, SIGN),
	M(CKM_SHA384_HMAC, NONE, ANY, SIGN),
	M(CKM_SHA512_HMAC, NONE, ANY, SIGN),
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
	default:
		return 0;
	}
}

static bool points(const void *p, CK_ULONG len)
{
	return len <= PARAM_MAX && (p || !len);
}

CK_RV p11_mechanism_check(const CK_MECHANISM *m)
{
	const struct p11_mech *row = p11_mech(m->mechanism);
	bool ok;

	if (!row)
		return CKR_MECHANISM_INVALID;
	/* Many programs leave rubbish in the parameter where none is wanted. */
	if (row->param == P11_PARAM_NONE)
		return CKR_OK;
	if (row->param == P11_PARAM_BYTES)
		return points(m->pParameter, m->ulParameterLen) ? CKR_OK : CKR_MECHANISM_PARAM_INVALID;
	if (!m->pParameter || m->ulParameterLen != param_size(row->param))
		return CKR_MECHANISM_PARAM_INVALID;
	ok = true;
	if (row->param == P11_PARAM_OAEP) {
		const CK_RSA_PKCS_OAEP_PARAMS *p = m->pParameter;

		ok = points(p->pSourceData, p->ulSourceDataLen);
	} else if (row->param == P11_PARAM_GCM) {
		const CK_GCM_PARAMS *p = m->pParameter;

		ok = points(p->pIv, p->ulIvLen) && points(p->pAAD, p->ulAADLen);
	} else if (row->param == P11_PARAM_ECDH) {
		const CK_ECDH1_DERIVE_PARAMS *p = m->pParameter;

		ok = points(p->pSharedData, p->ulSharedDataLen) && points(p->pPublicData, p->ulPublicDataLen);
	}
	return ok ? CKR_OK : CKR_MECHANISM_PARAM_INVALID;
}

CK_RV p11_mech_input_check(CK_MECHANISM_TYPE type, CK_FLAGS use, CK_ULONG modulus_len, CK_ULONG len)
{
	enum { PKCS1_PADDING = 11 };
	const CK_ULONG padding = type == CKM_RSA_PKCS ? PKCS1_PADDING : 0;

	if ((type != CKM_RSA_PKCS && type != CKM_RSA_X_509 && type != CKM_RSA_PKCS_OAEP) || !modulus_len)
		return CKR_OK;
	if (use == CKF_DECRYPT)
		return len == modulus_len ? CKR_OK : CKR_ENCRYPTED_DATA_LEN_RANGE;
	return len <= modulus_len && modulus_len - len >= padding ? CKR_OK : CKR_DATA_LEN_RANGE;
}

void p11_mechanism_encode(struct buf *buf, const CK_MECHANISM *m)
{
	const struct p11_mech *row = p11_mech(m->mechanism);

	buf_put_u64(buf, m->mechanism);
	if (!row) {
		buf->bad = true;
		return;
	}
	switch (row->param) {
	case P11_PARAM_NONE:
		break;
	case P11_PARAM_BYTES:
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
		const uint8_t *cb;

		p->ulCounterBits = (CK_ULONG)buf_get_u64(r);
		cb = buf_get(r, sizeof(p->cb));
		if (cb)
			memcpy(p->cb, cb, sizeof(p->cb));
	} else if (kind == P11_PARAM_ECDH) {
		CK_ECDH1_DERIVE_PARAMS *p = param;

		p->kdf = (CK_EC_KDF_TYPE)buf_get_u64(r);
		p->pSharedData = block(r, m, 1, &p->ulSharedDataLen);
		p->pPublicData = block(r, m, 2, &p->ulPublicDataLen);
	}
}

int p11_mechanism_decode(struct buf_reader *r, struct p11_mechanism *ret, struct err *err)
{
	const struct p11_mech *row;
	CK_ULONG size;

	*ret = (struct p11_mechanism){.ck.mechanism = (CK_MECHANISM_TYPE)buf_get_u64(r)};
	row = p11_mech(ret->ck.mechanism);
	if (!row)
		return p11_rv_err(err, CKR_MECHANISM_INVALID, "mechanism");
	size = param_size(row->param);
	if (row->param == P11_PARAM_BYTES) {
		ret->ck.pParameter = block(r, ret, 0, &ret->ck.ulParameterLen);
	} else if (size) {
		ret->blocks[0] = mem_zalloc(size);
		if (!ret->blocks[0])
			return err_no_memory(err);
		decode_param(r, row->param, ret->blocks[0], ret);
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
	p11_mechanism_encode(&wire, from);
	rc = buf_check(&wire, err);
	if (rc < 0)
		return rc;
	r = buf_reader(wire.data, wire.len);
	return p11_mechanism_decode(&r, ret, err);
}
