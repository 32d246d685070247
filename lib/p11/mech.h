/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mech - what is known of mechanisms: one row each.
 *
 * A row says how the parameter travels, which key the mechanism wants and
 * what it can be used for; a new one is a new row (and, for a new parameter
 * struct, one case in mech.c). A mechanism of no row, a vendor's for one,
 * passes with a parameter of plain bytes, or without any: no pointer in it can
 * be followed to another process.
 */
#ifndef P11_MECH_H
#define P11_MECH_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/own.h"
#include "p11/pkcs11.h"

struct err;

enum p11_param {
	P11_PARAM_NONE,
	P11_PARAM_BYTES,	/* as they are; may be empty */
	P11_PARAM_IV8,		/* bytes, exactly so many */
	P11_PARAM_IV16,
	P11_PARAM_ULONG,	/* CK_MAC_GENERAL_PARAMS, CK_EXTRACT_PARAMS */
	P11_PARAM_PSS,		/* CK_RSA_PKCS_PSS_PARAMS */
	P11_PARAM_OAEP,		/* CK_RSA_PKCS_OAEP_PARAMS */
	P11_PARAM_GCM,		/* CK_GCM_PARAMS */
	P11_PARAM_CTR,		/* CK_AES_CTR_PARAMS */
	P11_PARAM_ECDH,		/* CK_ECDH1_DERIVE_PARAMS */
	P11_PARAM_STRING,	/* CK_KEY_DERIVATION_STRING_DATA */
	P11_PARAM_DATA8,	/* CK_DES_CBC_ENCRYPT_DATA_PARAMS: an IV, and data */
	P11_PARAM_DATA16,	/* CK_AES_CBC_ENCRYPT_DATA_PARAMS */
	P11_PARAM_OBJECT,	/* CK_OBJECT_HANDLE of another key */
};

struct p11_mech {
	CK_MECHANISM_TYPE type;
	const char *name;	/* "CKM_ECDSA" */
	enum p11_param param;
	CK_KEY_TYPE key_type;	/* of the key it works with or makes; CK_UNAVAILABLE_INFORMATION = none or any */
	CK_KEY_TYPE key_type_too;	/* or this one; the same where there is no other */
	CK_FLAGS use;		/* CKF_SIGN | CKF_VERIFY … */
	bool whole;		/* takes its input at once, never in parts */
};

/* All that a mechanism can be for. */
#define P11_USES                                                                                                       \
	(CKF_ENCRYPT | CKF_DECRYPT | CKF_DIGEST | CKF_SIGN | CKF_SIGN_RECOVER | CKF_VERIFY | CKF_VERIFY_RECOVER |      \
	 CKF_GENERATE | CKF_GENERATE_KEY_PAIR | CKF_WRAP | CKF_UNWRAP | CKF_DERIVE | P11_MESSAGE_USES)
#define P11_MESSAGE_USES (CKF_MESSAGE_ENCRYPT | CKF_MESSAGE_DECRYPT | CKF_MESSAGE_SIGN | CKF_MESSAGE_VERIFY)

extern const struct p11_mech p11_mech_table[];	/* ends with a row without name */
const struct p11_mech *p11_mech(CK_MECHANISM_TYPE type);
/* Does it work with keys of this type? */
bool p11_mech_takes(const struct p11_mech *row, CK_KEY_TYPE type);

/* What groups offer of it, of P11_USES: what its row says, for messages, too; of one that has none, all. */
CK_FLAGS p11_mech_uses(CK_MECHANISM_TYPE type);

/* A mechanism that owns its parameter and what that points to. */
struct p11_mechanism {
	CK_MECHANISM ck;	/* hand &m.ck to a token */
	void *blocks[3];	/* what parameter pointers lead to */
};
void p11_mechanism_release(struct p11_mechanism *m);
OWN_DEFINE_RELEASE(p11_mechanism)

/* Deep copy. ERR_TOKEN with rv CKR_MECHANISM_PARAM_INVALID (size or pointers do not fit the row). */
int p11_mechanism_copy(const CK_MECHANISM *from, struct p11_mechanism *ret, struct err *err);

/* Wire form; the mechanism must have passed p11_mechanism_check(). */
void p11_mechanism_encode(struct buf *buf, const CK_MECHANISM *m);
int p11_mechanism_decode(struct buf_reader *r, struct p11_mechanism *ret, struct err *err);
/* CKR_OK, or CKR_MECHANISM_PARAM_INVALID (m->pParameter too short, absent, or leading nowhere; or of values that no key
 * makes good: a tag of 129 bits, a mask of another hash; or of no row, and more than bytes). */
CK_RV p11_mechanism_check(const CK_MECHANISM *m);
/* Bytes that nobody knows: short, and without an address of this process among them. */
enum { P11_PLAIN_MAX = 256 };
bool p11_param_is_plain(const void *param, CK_ULONG len);

/*
 * How long is what it makes of len bytes, in one piece? use: CKF_SIGN, CKF_DIGEST, CKF_ENCRYPT: so many bytes exactly;
 * CKF_DECRYPT: at most so many. modulus_len, order_len: of an RSA key, and of the group that an EC or a DSA key is in,
 * in bytes, 0 where the key is none. CK_UNAVAILABLE_INFORMATION: only the token knows.
 */
CK_ULONG p11_mech_output_len(const CK_MECHANISM *m, CK_FLAGS use, CK_ULONG modulus_len, CK_ULONG order_len, CK_ULONG len);

/* Do tokens differ in whether they take this: a mechanism of no row, a hash or a label of OAEP, a key (key_len bytes,
 * where that is known) shorter than its hash? m has passed p11_mechanism_check(). */
bool p11_mech_is_doubtful(const CK_MECHANISM *m, CK_ULONG key_len);

/*
 * Is an input of len bytes in all one that the mechanism takes, with a key whose modulus has modulus_len bytes? use:
 * CKF_SIGN, CKF_VERIFY, CKF_ENCRYPT, CKF_DECRYPT. CKR_DATA_LEN_RANGE, CKR_ENCRYPTED_DATA_LEN_RANGE; CKR_OK where the
 * length is the token's affair (PKCS#11 v3.0 section 2.1, tables 3 and 5). m has passed p11_mechanism_check().
 */
CK_RV p11_mech_input_check(const CK_MECHANISM *m, CK_FLAGS use, CK_ULONG modulus_len, CK_ULONG len);

#endif
