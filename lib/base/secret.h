/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secret - a PIN or other secret, in memory that is locked, kept out of core
 * dumps and of forked children (who find zeros), and zeroed when given back.
 *
 * Secrets live nowhere else: never in a struct buf without wipe, never in a
 * format string.
 */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/own.h"

struct err;

struct secret {
	size_t len;
	uint8_t *data;	/* len bytes and a terminating zero */
};

/* A copy of data; at most 64 KiB. */
int secret_new(const void *data, size_t len, struct secret **ret, struct err *err);
/* chars printable characters (letters and digits) from the system's generator. */
int secret_random(size_t chars, struct secret **ret, struct err *err);
int secret_dup(const struct secret *secret, struct secret **ret, struct err *err);
bool secret_equal(const struct secret *a, const struct secret *b); /* constant time */
void secret_free(struct secret *secret);
OWN_DEFINE(secret)

#endif
