/* SPDX-License-Identifier: Apache-2.0 */
/* pkcs11 - the one door to the PKCS#11 3.0 headers. */
#ifndef P11_PKCS11_H
#define P11_PKCS11_H

#include <pkcs11.h>

#endif
