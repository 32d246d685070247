/* SPDX-License-Identifier: Apache-2.0 */
/* pkcs11 - the one door to the PKCS#11 3.0 headers. */
#ifndef P11_PKCS11_H
#define P11_PKCS11_H

#include <pkcs11.h>

/* Of v3.0, and not in every header. */
#ifndef CKA_UNIQUE_ID
#define CKA_UNIQUE_ID 0x00000004UL
#endif
#ifndef CKM_DES3_CMAC
#define CKM_DES3_CMAC 0x00000138UL
#endif
#ifndef CKR_AEAD_DECRYPT_FAILED
#define CKR_AEAD_DECRYPT_FAILED 0x00000042UL
#endif
#ifndef CKA_NAME_HASH_ALGORITHM
#define CKA_NAME_HASH_ALGORITHM 0x0000008cUL
#endif

#endif
