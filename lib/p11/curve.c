/* SPDX-License-Identifier: Apache-2.0 */
/* Named curves (RFC 5480 section 2.1.1.1). */
#include "p11/curve.h"

#include <string.h>

const struct p11_curve p11_curves[P11_CURVES] = {
	[P11_P256] = {{0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07}, 10, 32},
	[P11_P384] = {{0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22}, 7, 48},
	[P11_P521] = {{0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23}, 7, 66},
};

const struct p11_curve *p11_curve(const CK_ATTRIBUTE *params)
{
	for (int i = 0; params && i < P11_CURVES; i++)
		if (params->ulValueLen == p11_curves[i].params_len &&
		    memcmp(params->pValue, p11_curves[i].params, p11_curves[i].params_len) == 0)
			return &p11_curves[i];
	return NULL;
}
