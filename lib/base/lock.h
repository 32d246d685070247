/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lock - an advisory lock on a file that names its holder.
 *
 * Held by the kernel (fcntl OFD lock), so it goes when the process does, also
 * by kill -9. The file's text says who, where, since when and doing what; it
 * is for people, never for the decision.
 */
#ifndef BASE_LOCK_H
#define BASE_LOCK_H

#include <stdint.h>

#include "base/own.h"

struct err;
struct lock;

/* Wait up to wait_ms. ERR_LOCKED names the holder. doing: "sync payments". */
int lock_take(const char *path, const char *doing, int64_t wait_ms,
	      struct lock **ret, struct err *err);
void lock_free(struct lock *lock);	/* gives it back */
OWN_DEFINE(lock)

#endif
