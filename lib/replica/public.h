/* SPDX-License-Identifier: Apache-2.0 */
/* public - what a member shows to everybody of the keys of a group. */
#ifndef REPLICA_PUBLIC_H
#define REPLICA_PUBLIC_H

#include "replica/record.h"

struct err;
struct member_channel;

/*
 * The public halves of pairs, as records of which no more is known: objects[0] is empty, and CKA_ID of objects[1] is
 * the uid. Whether the pair is alive stands in its own record, which is private.
 */
int public_read(struct member_channel *channel, record_visitor each, void *data, struct err *err);

#endif
