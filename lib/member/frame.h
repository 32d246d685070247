/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frame - the protocol between a member's link and an appliance or worker.
 *
 * A frame is u32 length of the body, u8 kind, body; integers big-endian. The client
 * says HELLO, the server WELCOME (or REFUSED and closes); then CALL and REPLY take
 * turns, one at a time. While a call runs the server sends a BEAT every 100 ms,
 * so that slow is told from dead. Anything else ends the connection.
 *
 *	HELLO	"hsmctl" u8 oldest u8 newest version the client speaks
 *	WELCOME	u8 version, u64 epoch (differs at each start of the server),
 *		bytes serial of the token, bytes name of the device
 *	CALL	a batch (p11_encode_request)
 *	REPLY	u64 change counter of the token, results (p11_encode_reply)
 *	BEAT	empty
 *	REFUSED	bytes reason
 */
#ifndef MEMBER_FRAME_H
#define MEMBER_FRAME_H

#include <stdint.h>

#include "base/buf.h"

struct err;
struct tls;

enum frame_kind { FRAME_HELLO = 1, FRAME_WELCOME, FRAME_CALL, FRAME_REPLY, FRAME_BEAT, FRAME_REFUSED };

enum {
	FRAME_VERSION = 1,
	FRAME_HEAD = 5,
	FRAME_MAX = 16 << 20,	/* longest body; longer is ERR_PROTOCOL before a byte of it is read */
	FRAME_BEAT_MS = 100,
};

/* Begin a frame in an empty buffer: room for the head. */
void frame_begin(struct buf *frame);
/* Fill the head in and send it. */
int frame_send(struct tls *tls, struct buf *frame, enum frame_kind kind, int64_t deadline_ms, struct err *err);
/* Receive one frame; its body replaces what body held. Returns the kind. */
int frame_receive(struct tls *tls, struct buf *body, int64_t deadline_ms, struct err *err);

#endif
