/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rv - what a token's return value means for the choice of the next step.
 *
 * One table for all; vendors refine it by rows of their own.
 */
#ifndef P11_RV_H
#define P11_RV_H

#include <stdbool.h>

#include "base/err.h"
#include "p11/pkcs11.h"

enum p11_class {
	P11_DONE,	/* CKR_OK */
	P11_MEMBER,	/* the member's fault: try the next one */
	P11_CALLER,	/* the caller's fault: every member would say the same */
	P11_CREDENTIAL,	/* PIN refused: return it, never try another member */
	P11_BUSY,	/* the same member again, a little later */
	P11_SESSION,	/* session or login lost: log in again, once */
	P11_HANDLE,	/* stale handle: look the object up again */
	P11_AMBIGUOUS,	/* many libraries use it for everything: try each once */
};

enum p11_class p11_rv_class(CK_RV rv);

/* Did the token look at the PIN and refuse it? One that is locked did not look: whose wrong PINs locked it, and
 * whether this one is right, it does not say. One without a user PIN has nothing to compare it with. */
bool p11_pin_refused(CK_RV rv);

/* "CKR_PIN_INCORRECT"; codes of no known name as "0x80000001" in a buffer of
 * the calling thread. */
const char *p11_rv_name(CK_RV rv);

/* ERR_TOKEN (ERR_PIN for credentials, ERR_UNREACHABLE for the member's fault)
 * with err->rv set: "C_Login: CKR_PIN_INCORRECT". */
int p11_rv_err(struct err *err, CK_RV rv, const char *function);

/* Did a host that is well say that it has no place or time just now? */
bool p11_err_busy(const struct err *err);

/* What an application is told about an error of ours (PKCS#11 v3.0 section 5.1). */
CK_RV p11_rv_from_err(const struct err *err);

#endif
