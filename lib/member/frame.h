/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frame - the protocol between a member's link and an appliance or worker, over any stream.
 *
 * A frame is u32 length of the body, u8 kind, body; integers big-endian. The client
 * says HELLO, the server WELCOME (or REFUSED and closes); then CALL and REPLY take
 * turns, one at a time. While a call comes in or runs the server sends a BEAT every
 * 100 ms, so that slow is told from dead; it stops when the call has taken longer
 * than its kind may (limit.h). Anything else ends the connection.
 *
 *	HELLO	"hsmctl" u8 oldest u8 newest version the client speaks; since version 3: its instance (16 bytes)
 *	WELCOME	u8 version (the newest that both speak), u64 epoch (differs at each start of the server),
 *		bytes serial of the token, bytes name of the device; since version 3: u8 1 when the instance is logged in
 *	CALL	a batch (p11_encode_request)
 *	REPLY	u64 change counter of the token, results (p11_encode_reply)
 *	BEAT	empty
 *	REFUSED	u8 why (enum frame_refusal), reason for people; nothing was done
 *
 * Since version 2 the server knows the calls of P11_WHERE_HOST; asked for one, a server of
 * version 1 would end the connection. Since version 3 connections of one instance (instance.h) are one guest. A server
 * of before calls a longer HELLO malformed: the client comes again with the one it knows. Since version 4 the server
 * passes mechanisms that it does not know (p11/mech.h), before it would end the connection over one; and knows the
 * functions of messages.
 */
#ifndef MEMBER_FRAME_H
#define MEMBER_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

struct err;
struct stream;

enum frame_kind { FRAME_HELLO = 1, FRAME_WELCOME, FRAME_CALL, FRAME_REPLY, FRAME_BEAT, FRAME_REFUSED };

enum frame_refusal {
	FRAME_MALFORMED = 1,	/* the peer does not speak as it should */
	FRAME_FULL,		/* no place free just now: busy, not ill */
	FRAME_STUCK,		/* the token's library does not come back from a call */
	FRAME_NO_TOKEN,		/* there is no token to serve, or no library */
};

enum {
	FRAME_OLDEST = 1,
	FRAME_VERSION = 4,
	FRAME_VERSION_INSTANCE = 3,	/* the first with instances */
	FRAME_VERSION_MECHANISM = 4,	/* the first that passes mechanisms of no row, and messages */
	FRAME_HEAD = 5,
	FRAME_MAX = 16 << 20,	/* longest body of a call or reply, */
	FRAME_SHORT = 4096,	/* of all else but a beat; longer is ERR_PROTOCOL before a byte of it is read */
	FRAME_BEAT_MS = 100,
	FRAME_RATE = 64,	/* bytes per ms (64 kB/s) at which a frame must move on the whole */
};

/*
 * How long a frame may take. Each byte is a sign of life and grants another
 * silence_ms; the frame has to be whole by end_ms, which moves on by the time its
 * size needs at FRAME_RATE, up to last_ms, and by what this process slept itself
 * (both monotonic, in ms). One pace serves all frames of an exchange.
 */
struct frame_pace {
	int64_t silence_ms, end_ms, last_ms;
	bool beats;	/* while a frame comes, send a beat every FRAME_BEAT_MS: */
	int64_t beat_ms;	/* the next one then */
};

/* A pace that begins now: total_ms, and what the size needs up to longest_ms. */
struct frame_pace frame_pace(int64_t silence_ms, int64_t total_ms, int64_t longest_ms);

/* Begin a frame in an empty buffer: room for the head. */
void frame_begin(struct buf *frame);
/* Fill the head in and send it; frame is clear afterwards. */
int frame_send(struct stream *stream, struct buf *frame, enum frame_kind kind, struct frame_pace *pace,
	       struct err *err);

/* A BEAT now or never: ERR_TIMEOUT when the peer has not read for so long that there is
 * no room for it; the connection is broken then. */
int frame_send_beat(struct stream *stream, struct err *err);

/* Receive the head of a frame. Returns the kind. */
int frame_receive_head(struct stream *stream, uint32_t *ret_len, struct frame_pace *pace, struct err *err);
/* Then its body, which replaces what body held. Memory grows with what arrives. */
int frame_receive_body(struct stream *stream, uint32_t len, struct buf *body, struct frame_pace *pace, struct err *err);
/* Both. ERR_TIMEOUT when a byte or the end did not come in time. */
int frame_receive(struct stream *stream, struct buf *body, struct frame_pace *pace, struct err *err);

#endif
