/* SPDX-License-Identifier: Apache-2.0 */
/* able - could a token that hsmctl did not make hold replicas? Asked before it is taken into a fleet. */
#ifndef REPLICA_ABLE_H
#define REPLICA_ABLE_H

struct err;
struct member_channel;

/*
 * Over a channel that is logged in. Leaves nothing on the token. ERR_UNSUPPORTED names all mechanisms that carrying
 * keys takes and the token has not, or says why it takes no private data objects, which records are.
 */
int able_check(struct member_channel *channel, struct err *err);

/* ERR_IN_USE: it holds the domain key of a group, of another store by all that is known here. */
int able_check_free(struct member_channel *channel, struct err *err);

#endif
