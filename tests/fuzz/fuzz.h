/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz - what targets share: what must hold whatever the input, and an account of memory.
 *
 * A target is a program: the one function of libFuzzer's, and driver.c, or libFuzzer itself in its place.
 */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Not an assert() that some build leaves out. */
#define HOLDS(condition)                                                                              \
	do {                                                                                          \
		if (!(condition)) {                                                                   \
			fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                                      \
		}                                                                                     \
	} while (0)

/* The heap: bytes in use now, and the most that were since account_begin() beyond what was in use then. */
size_t account_in_use(void);
void account_begin(void);
size_t account_peak(void);

/* Bytes of the input taken from its front; zeros when there are none left. */
struct bytes {
	const uint8_t *at;
	size_t left;
};
static inline uint8_t take_u8(struct bytes *in)
{
	if (!in->left)
		return 0;
	in->left--;
	return *in->at++;
}

/* As many as are there, at most len. An exact copy on the heap, so that reading past the end is seen; to be freed. */
uint8_t *take(struct bytes *in, size_t len, size_t *ret_len);

#endif
