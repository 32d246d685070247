/* SPDX-License-Identifier: Apache-2.0 */
/* curve - the named curves that keys are made on. */
#ifndef P11_CURVE_H
#define P11_CURVE_H

#include "p11/pkcs11.h"

enum { P11_P256, P11_P384, P11_P521, P11_CURVES, P11_PARAMS_MAX = 10 };

struct p11_curve {
	CK_BYTE params[P11_PARAMS_MAX];	/* CKA_EC_PARAMS: the DER of its OID */
	CK_ULONG params_len;
	CK_ULONG order_len;		/* bytes; a signature has twice as many */
};
extern const struct p11_curve p11_curves[P11_CURVES];

/* The one of this value of CKA_EC_PARAMS; NULL = another one, or (also when params is NULL) none. */
const struct p11_curve *p11_curve(const CK_ATTRIBUTE *params);

#endif
