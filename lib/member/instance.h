/* SPDX-License-Identifier: Apache-2.0 */
/*
 * instance - who a client is to a host: this process, and in it one member.
 *
 * All connections with one id (and one certificate) are one guest of the host (guest.h). It is random, the same for as
 * long as the process lives, another one in every child of fork(), and tells the members of a process apart: a PIN that
 * was shown for one of them says nothing of what was shown for another.
 */
#ifndef MEMBER_INSTANCE_H
#define MEMBER_INSTANCE_H

#include <stdint.h>

struct err;

enum { INSTANCE_LEN = 16 };

/* Of the number-th member of this process. Thread-safe. */
int instance_id(uint32_t number, uint8_t ret[static INSTANCE_LEN], struct err *err);

#endif
