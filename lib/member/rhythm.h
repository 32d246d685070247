/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rhythm - how long a peer may be silent before it counts as lost, as learned from how it was heard.
 *
 * A peer that owes an answer beats every FRAME_BEAT_MS. How late its sounds came so far says how late one may be that
 * comes yet: the worst of the last ones, eight times over, and never less than RHYTHM_LATE_MS. Before RHYTHM_SOUNDS were
 * heard, and at most, it is what the policy says. A peer that was lost teaches nothing.
 *
 * Thread-safe; what is lost when two hear at the same time does not matter.
 */
#ifndef MEMBER_RHYTHM_H
#define MEMBER_RHYTHM_H

#include <stdatomic.h>
#include <stdint.h>

enum { RHYTHM_SOUNDS = 32, RHYTHM_LATE_MS = 150, RHYTHM_TIMES = 8 };

struct rhythm {
	atomic_uint heard;
	_Atomic int64_t late_us;	/* the worst; it fades */
};

/* The longest silence of an exchange that came to its end. */
void rhythm_hear(struct rhythm *rhythm, int64_t silence_us);
/* What a silence may be now, in ms; most_ms: the policy's. */
int64_t rhythm_silence_ms(struct rhythm *rhythm, int64_t most_ms);

#endif
