/* SPDX-License-Identifier: Apache-2.0 */
/*
 * message - parameters of single messages (PKCS#11 v3.0 sections 5.9 - 5.15).
 *
 * Beside its mechanism each message of a process has a parameter, into which the token may write: an IV that it made,
 * the tag of what was encrypted. AEADs have structs for it, which lead to both; the parameter of other mechanisms is
 * plain bytes. A form says how such a struct is laid out, so that the bytes travel and no address does.
 */
#ifndef P11_MESSAGE_H
#define P11_MESSAGE_H

#include <stdbool.h>

#include "base/buf.h"
#include "p11/mech.h"
#include "p11/pkcs11.h"

struct err;
struct p11_message_form;

enum { P11_MESSAGE_PARAM_MAX = P11_PLAIN_MAX };

/* NULL = plain bytes. */
const struct p11_message_form *p11_message_form(CK_MECHANISM_TYPE type);

/* CKR_MECHANISM_PARAM_INVALID: not of that form; what it leads to is absent or too long. Of plain bytes all is well. */
CK_RV p11_message_check(const struct p11_message_form *form, const void *param, CK_ULONG len);

/* Who makes the IV, and how many of its bits are neither given nor the same in each message. */
CK_GENERATOR_FUNCTION p11_message_generator(const struct p11_message_form *form, const void *param);
CK_ULONG p11_message_free_bits(const struct p11_message_form *form, const void *param);
void p11_message_set_generator(const struct p11_message_form *form, void *param, CK_GENERATOR_FUNCTION generator);

/* Wire form of a parameter that has passed the check. gives: the token writes into it, so that what it will write is left
 * out. The copy owns all. */
void p11_message_encode(struct buf *buf, const struct p11_message_form *form, const void *param, CK_ULONG len, bool gives);
int p11_message_decode(struct buf_reader *r, bool gives, struct p11_mechanism *ret, const struct p11_message_form **ret_form,
		       struct err *err);
/* What the token wrote into one that gives; decoded, to where the caller's leads. Nothing is written when it is not
 * believed (ERR_PROTOCOL): other fixed bits than were asked for. */
void p11_message_encode_result(struct buf *buf, const struct p11_message_form *form, const void *param, CK_ULONG len);
int p11_message_decode_result(struct buf_reader *r, const struct p11_message_form *form, void *param, CK_ULONG len,
			      struct err *err);

/* The same of a mechanism for messages, whose own parameter is that of its messages, or empty. */
CK_RV p11_process_check(const CK_MECHANISM *m);
void p11_process_encode(struct buf *buf, const CK_MECHANISM *m);
int p11_process_decode(struct buf_reader *r, struct p11_mechanism *ret, struct err *err);
int p11_process_copy(const CK_MECHANISM *from, struct p11_mechanism *ret, struct err *err);

#endif
