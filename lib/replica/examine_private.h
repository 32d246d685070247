/* SPDX-License-Identifier: Apache-2.0 */
/* examine_private - what the files that examine share. */
#ifndef REPLICA_EXAMINE_PRIVATE_H
#define REPLICA_EXAMINE_PRIVATE_H

#include "replica/examine.h"

/* What is found, and what it is about: a key, a stray, or neither. ERR_NO_MEMORY. */
int examine_add(struct examination *x, enum finding_kind kind, enum remedy remedy, size_t site, long key, long stray,
		const char *fmt, ...) __attribute__((format(printf, 7, 8)));

#endif
