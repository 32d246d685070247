/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate - who is inside the module.
 *
 * Every C_ function passes it. C_Initialize opens it, once, whoever calls it and
 * from however many threads; C_Finalize closes it, has what still runs inside cut
 * short, and takes nothing away before the last call has left. In a child after
 * fork() it is closed, and nobody is inside.
 */
#ifndef SLOT_GATE_H
#define SLOT_GATE_H

#include <stdbool.h>

#include "p11/pkcs11.h"

/* begin(data) runs alone; the gate is open when it says CKR_OK.
 * CKR_CRYPTOKI_ALREADY_INITIALIZED. */
CK_RV gate_open(CK_RV (*begin)(void *data), void *data);
/* cut() makes calls inside end soon, end() runs when the last of them is out.
 * CKR_CRYPTOKI_NOT_INITIALIZED. */
CK_RV gate_close(void (*cut)(void), void (*end)(void));

bool gate_is_open(void);
/* In, unless it is closed. Those who got in leave. */
bool gate_enter(void);
void gate_leave(void);

#endif
