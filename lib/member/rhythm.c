/* SPDX-License-Identifier: Apache-2.0 */
/* Learning how late a peer's sounds come. */
#include "member/rhythm.h"

#include "member/frame.h"

enum { FADES = 64 };	/* exchanges, more or less, after which the worst is forgotten */

void rhythm_hear(struct rhythm *rhythm, int64_t silence_us)
{
	int64_t beat_us = FRAME_BEAT_MS * 1000, late = silence_us > beat_us ? silence_us - beat_us : 0;
	int64_t before = atomic_load(&rhythm->late_us), faded = before - (before + FADES - 1) / FADES;

	atomic_store(&rhythm->late_us, late > faded ? late : faded);
	if (atomic_load(&rhythm->heard) < RHYTHM_SOUNDS)
		atomic_fetch_add(&rhythm->heard, 1);
}

int64_t rhythm_silence_ms(struct rhythm *rhythm, int64_t most_ms)
{
	int64_t late_ms = RHYTHM_TIMES * atomic_load(&rhythm->late_us) / 1000;
	int64_t silence = FRAME_BEAT_MS + (late_ms > RHYTHM_LATE_MS ? late_ms : RHYTHM_LATE_MS);

	return atomic_load(&rhythm->heard) < RHYTHM_SOUNDS || silence > most_ms ? most_ms : silence;
}
