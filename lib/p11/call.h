/* SPDX-License-Identifier: Apache-2.0 */
/*
 * p11_call - a PKCS#11 call as data.
 *
 * Which function, its arguments, where the results go. A call can be executed
 * against a CK_FUNCTION_LIST, encoded for the wire, sent again to another
 * member, counted, delayed or failed by a test. One table (functions.h) gives each
 * function the kinds of its parameters in the order of the specification;
 * executing, encoding and decoding follow from it.
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
#include "p11/functions.h"
#include "p11/mech.h"
#include "p11/message.h"
#include "p11/pkcs11.h"

struct err;

enum p11_fn {
#define P11_ROW(where, name, ...) P11_##name,
	P11_FUNCTIONS(P11_ROW)
#undef P11_ROW
	P11_FN_MAX
};

enum p11_arg_kind {
	P11_ARG_END,
	P11_ARG_SLOT,
	P11_ARG_ULONG,		/* flags, type; a value in */
	P11_ARG_SESSION,
	P11_ARG_OBJECT,
	P11_ARG_MECHANISM,
	P11_ARG_PROCESS,	/* mechanism of messages (message.h) */
	P11_ARG_PARAM,		/* parameter of one message; .in: its form, NULL = plain bytes */
	P11_ARG_PARAM_GIVING,	/* the same, and the token writes into it */
	P11_ARG_IN,		/* bytes in */
	P11_ARG_PIN,		/* bytes in that are secret */
	P11_ARG_TEMPLATE,	/* attributes in */
	P11_ARG_SEARCH,		/* the same, of values that need not be any */
	P11_ARG_ATTRS,		/* C_GetAttributeValue: types in, values out; templates as one block (template.h) */
	P11_ARG_OUT,		/* bytes out, room and length in *len */
	P11_ARG_RANDOM,		/* bytes out, exactly len of them */
	P11_ARG_OUT_HANDLE,
	P11_ARG_OUT_HANDLES,	/* list of handles: array, room, count */
	P11_ARG_OUT_ULONGS,	/* list with room and count in *len */
	P11_ARG_OUT_INFO,	/* CK_INFO, CK_SLOT_INFO … by function */
	P11_ARG_OUT_NUMBER,
};

/* Columns of functions.h. */
enum p11_where { P11_WHERE_SLOT, P11_WHERE_LOGIN, P11_WHERE_SESSION, P11_WHERE_MESSAGE, P11_WHERE_HOST };
enum {
	P11_USERS = 1,		/* wants a login, whatever it works on */
	P11_WRITES = 2,		/* may change token objects */
	P11_STEP = 4,		/* a batch with it is one step against all others that have one */
};
enum p11_op {
	P11_OP_NONE,
	P11_OP_ENCRYPT,
	P11_OP_DECRYPT,
	P11_OP_DIGEST,
	P11_OP_SIGN,
	P11_OP_VERIFY,
	P11_OP_SIGN_RECOVER,
	P11_OP_VERIFY_RECOVER,
	P11_OP_FIND,
	P11_OP_MESSAGE_ENCRYPT,	/* processes of many messages */
	P11_OP_MESSAGE_DECRYPT,
	P11_OP_MESSAGE_SIGN,
	P11_OP_MESSAGE_VERIFY,
	P11_OP_MAX
};
enum p11_part { P11_PART_NONE, P11_PART_INIT, P11_PART_ONCE, P11_PART_UPDATE, P11_PART_FINAL };
enum p11_repeat {
	P11_REPEAT_ANY,		/* by any member, and another one when that fails */
	P11_REPEAT_OPERATION,	/* with all of its operation */
	P11_REPEAT_GROUP,	/* what the group knows, or does on all members */
	P11_REPEAT_MAKER,	/* makes an object, on one member, for all */
	P11_REPEAT_NOBODY,	/* belongs to one member's connection */
};

enum { P11_ARGS_MAX = 8, P11_BATCH_MAX = 64 };

/* Result of a call that a failed one before it kept from running. */
#define P11_NOT_RUN ((CK_RV)0xfffffffful)

struct p11_fn_info {
	const char *name;	/* "C_Sign" */
	enum p11_where where;
	unsigned flags;
	enum p11_op op;
	enum p11_part part;
	enum p11_repeat repeat;
	enum p11_arg_kind args[P11_ARGS_MAX];
};
extern const struct p11_fn_info p11_fn_table[P11_FN_MAX];

/* The function that has this part in this operation; P11_FN_MAX = none. */
enum p11_fn p11_fn_of(enum p11_op op, enum p11_part part);
/* What its mechanism must be for: CKF_SIGN …; 0 = it has none. */
CK_FLAGS p11_op_flag(enum p11_op op);
/* The same of its key, which knows no messages: CKF_SIGN of CKF_MESSAGE_SIGN, too. */
CK_FLAGS p11_op_use(enum p11_op op);
bool p11_op_is_message(enum p11_op op);

struct p11_arg {
	CK_ULONG number;	/* value, handle, or length in */
	const void *in;		/* bytes, template, mechanism */
	void *out;
	CK_ULONG *out_len;	/* room in, length out */
};

/*
 * Calls of P11_WHERE_HOST.
 *
 * X_Absent: CKR_OK when no object that the caller may see matches, else CKR_OBJECT_HANDLE_INVALID: a condition that ends
 * its batch. X_Age: for at least how many milliseconds, by its host's clock, the object has been there.
 *
 * X_Lease(name, holder, ttl_ms, number): take a lease of that name (number 0), renew it (the number it was granted with),
 * or give it up (ttl_ms 0). holder is a text for people. Renewing what was lost meanwhile is refused like taking what
 * somebody has, so that it is a condition, too.
 */

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

/* The argument that gives results of a length unknown before; NULL = none. */
struct p11_arg *p11_result_of(struct p11_call *call, enum p11_arg_kind *ret_kind);

/* Is its operation over behind this call, as its rv says (PKCS#11 v3.0 section 5.2)? A process of messages goes on until
 * it is ended, whatever becomes of one. */
bool p11_call_ends(const struct p11_call *call);

/*
 * A call as one member is to hear it: its session, and its handles of the objects, those inside mechanism parameters,
 * too. What the call points to stays the caller's.
 */
struct p11_inside {
	CK_MECHANISM mechanism;		/* in the place of the call's, where a parameter holds a handle */
	CK_OBJECT_HANDLE object;
};
/* object() gives the member's handle and CKR_OK; anything else ends the binding and is returned. */
CK_RV p11_bind(const struct p11_call *call, CK_SESSION_HANDLE session,
	       CK_RV (*object)(void *data, CK_OBJECT_HANDLE from, CK_OBJECT_HANDLE *ret), void *data,
	       struct p11_call *ret, struct p11_inside *inside);

/*
 * What is wrong with the arguments themselves, whoever would execute the call:
 * pointers that lead nowhere, values of a length their type does not have, arrays of no row
 * and too deep ones, parameters that do not fit their mechanism's row.
 * CKR_OK, or what PKCS#11 v3.0 section 5.1 has for it. A call that was not checked is
 * neither executed nor encoded.
 */
CK_RV p11_call_check(const struct p11_call *call);
CK_RV p11_template_check(const CK_ATTRIBUTE *items, CK_ULONG count);

/* Execute against a library; sets and returns call->rv. slot takes the place of
 * slot arguments. CKR_FUNCTION_NOT_SUPPORTED for those of P11_WHERE_HOST: no library has them. A library that claims to have written
 * more than there was room for is not believed: CKR_DEVICE_ERROR.
 * What functions->version says is believed: from 3.0 on it is a CK_FUNCTION_LIST_3_0, before it has none of
 * P11_WHERE_MESSAGE (CKR_FUNCTION_NOT_SUPPORTED). */
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
/* room: what its results may take in all; nothing is reserved beyond, and a request for more is ERR_PROTOCOL, too. */
int p11_decode_request(struct buf_reader *r, size_t room, struct p11_batch *ret, struct err *err);
void p11_encode_reply(struct buf *buf, const struct p11_call *calls, size_t count);
int p11_decode_reply(struct buf_reader *r, struct p11_call *calls, size_t count, struct err *err);

/* Constructors: the arguments of the specification, type-checked. */
#include "p11/call-new.h"

#endif
