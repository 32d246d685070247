/* SPDX-License-Identifier: Apache-2.0 */
/*
 * p11_call - a PKCS#11 call as data.
 *
 * Which function, its arguments, where the results go. A call can be executed
 * against a CK_FUNCTION_LIST, encoded for the wire, sent again to another
 * member, counted, delayed or failed by a test. One table (call.c) gives each
 * function the kinds of its parameters in the order of the specification;
 * encoding and decoding follow from it, so a new function is a row and a line
 * of the executor.
 *
 * Calls travel in batches: executed in order, up to the first that is not
 * CKR_OK; those behind it keep P11_NOT_RUN. An Init and its operation in one
 * batch are the fused call that failover repeats.
 *
 * Beside those of PKCS#11 there are calls of our own, X_: what a token's host (member/book.h)
 * knows and no library does.
 *
 * Arguments borrow the caller's memory for as long as the call lives.
 */
#ifndef P11_CALL_H
#define P11_CALL_H

#include "base/buf.h"
#include "base/own.h"
#include "p11/attr.h"
#include "p11/mech.h"
#include "p11/pkcs11.h"

struct err;

enum p11_fn {
	P11_C_GetInfo,
	P11_C_GetSlotInfo,
	P11_C_GetTokenInfo,
	P11_C_GetMechanismList,
	P11_C_GetMechanismInfo,
	P11_C_OpenSession,
	P11_C_CloseSession,
	P11_C_Login,
	P11_C_Logout,
	P11_C_CreateObject,
	P11_C_CopyObject,
	P11_C_DestroyObject,
	P11_C_GetAttributeValue,
	P11_C_SetAttributeValue,
	P11_C_FindObjectsInit,
	P11_C_FindObjects,
	P11_C_FindObjectsFinal,
	P11_C_EncryptInit,
	P11_C_Encrypt,
	P11_C_EncryptUpdate,
	P11_C_EncryptFinal,
	P11_C_DecryptInit,
	P11_C_Decrypt,
	P11_C_DecryptUpdate,
	P11_C_DecryptFinal,
	P11_C_DigestInit,
	P11_C_Digest,
	P11_C_DigestUpdate,
	P11_C_DigestFinal,
	P11_C_SignInit,
	P11_C_Sign,
	P11_C_SignUpdate,
	P11_C_SignFinal,
	P11_C_VerifyInit,
	P11_C_Verify,
	P11_C_VerifyUpdate,
	P11_C_VerifyFinal,
	P11_C_GenerateKey,
	P11_C_GenerateKeyPair,
	P11_C_WrapKey,
	P11_C_UnwrapKey,
	P11_C_DeriveKey,
	P11_C_SeedRandom,
	P11_C_GenerateRandom,
	P11_X_Absent,
	P11_X_Age,
	P11_X_Lease,
	P11_FN_MAX
};

enum p11_arg_kind {
	P11_ARG_END,
	P11_ARG_ULONG,		/* slot, flags, type; a value in */
	P11_ARG_SESSION,
	P11_ARG_OBJECT,
	P11_ARG_MECHANISM,
	P11_ARG_IN,		/* bytes in */
	P11_ARG_PIN,		/* bytes in that are secret */
	P11_ARG_TEMPLATE,	/* attributes in */
	P11_ARG_ATTRS,		/* C_GetAttributeValue: types in, values out; templates as one block (template.h) */
	P11_ARG_OUT,		/* bytes out, room and length in *len */
	P11_ARG_RANDOM,		/* bytes out, exactly len of them */
	P11_ARG_OUT_HANDLE,
	P11_ARG_OUT_HANDLES,	/* list of handles: array, room, count */
	P11_ARG_OUT_ULONGS,	/* list with room and count in *len */
	P11_ARG_OUT_INFO,	/* CK_INFO, CK_SLOT_INFO … by function */
	P11_ARG_OUT_NUMBER,
};

enum {
	P11_ANYONE = 1,		/* works without login */
	P11_WRITES = 2,		/* may change token objects */
	P11_STARTS = 4,		/* an …Init: leaves an operation in the session */
	P11_CONTINUES = 8,	/* belongs to an operation that was started */
	P11_SLOT = 16,		/* the first argument is a slot, not a session */
	P11_STEP = 32,		/* a batch with it is one step against all others that have one */
	P11_HOST = 64,		/* not of PKCS#11: the token's host answers it */
};

enum { P11_ARGS_MAX = 8, P11_BATCH_MAX = 64 };

/* Result of a call that a failed one before it kept from running. */
#define P11_NOT_RUN ((CK_RV)0xfffffffful)

struct p11_fn_info {
	const char *name;	/* "C_Sign" */
	unsigned flags;
	enum p11_arg_kind args[P11_ARGS_MAX];
};
extern const struct p11_fn_info p11_fn_table[P11_FN_MAX];

struct p11_arg {
	CK_ULONG number;	/* value, handle, or length in */
	const void *in;		/* bytes, template, mechanism */
	void *out;
	CK_ULONG *out_len;	/* room in, length out */
};

/*
 * X_Lease. Granted (CKR_OK): its number, which rises with every grant of that host, for how
 * long, and to whom. Somebody else's (CKR_FUNCTION_REJECTED): number 0, when it runs out,
 * and who has it.
 */
enum { P11_LEASE_NAME_MAX = 64, P11_LEASE_HOLDER_MAX = 127, P11_LEASE_MS_MAX = 3600000 };
struct p11_lease {
	CK_ULONG number, left_ms;
	char holder[P11_LEASE_HOLDER_MAX + 1];	/* masked */
};

struct p11_call {
	enum p11_fn fn;
	CK_RV rv;
	struct p11_arg args[P11_ARGS_MAX];
};

/*
 * What is wrong with the arguments themselves, whoever would execute the call:
 * pointers that lead nowhere, values of a length their type does not have, arrays of no row
 * and too deep ones, mechanisms without a row, parameters that do not fit it.
 * CKR_OK, or what PKCS#11 v3.0 section 5.1 has for it. A call that was not checked is
 * neither executed nor encoded.
 */
CK_RV p11_call_check(const struct p11_call *call);
CK_RV p11_template_check(const CK_ATTRIBUTE *items, CK_ULONG count);

/* Execute against a library; sets and returns call->rv. slot takes the place of
 * the slot arguments of P11_SLOT functions. CKR_FUNCTION_NOT_SUPPORTED for P11_HOST ones: no
 * library has them. A library that claims to have written
 * more than there was room for is not believed: CKR_DEVICE_ERROR. */
CK_RV p11_execute(CK_FUNCTION_LIST *functions, CK_SLOT_ID slot, struct p11_call *call);
/* A batch: the first result that is not CKR_OK, or CKR_OK. */
CK_RV p11_execute_all(CK_FUNCTION_LIST *functions, CK_SLOT_ID slot, struct p11_call *calls, size_t count);

/* A batch decoded from the wire: owns everything its arguments point to. */
struct p11_batch {
	struct p11_call calls[P11_BATCH_MAX];
	size_t count;
	struct p11_block *blocks;
};
void p11_batch_release(struct p11_batch *batch);
OWN_DEFINE_RELEASE(p11_batch)

/* Results of one reply never take more room than this in all. */
enum { P11_RESULT_MAX = 12 << 20 };

/* Requests and replies. The reply is decoded into the calls that were sent, so
 * results land where the caller wanted them; lengths that do not fit there are
 * ERR_PROTOCOL, as are unknown functions, kinds, and bytes left over. */
void p11_encode_request(struct buf *buf, const struct p11_call *calls, size_t count);
int p11_decode_request(struct buf_reader *r, struct p11_batch *ret, struct err *err);
void p11_encode_reply(struct buf *buf, const struct p11_call *calls, size_t count);
int p11_decode_reply(struct buf_reader *r, struct p11_call *calls, size_t count, struct err *err);

/* Constructors: the arguments of the specification, type-checked. */
#include "p11/call-new.h"

#endif
