/* SPDX-License-Identifier: Apache-2.0 */
/* A target with faults, so that the driver is seen to find them. */
#include "fuzz.h"

#include <string.h>

static void *volatile lost;

static bool says(const uint8_t *data, size_t len, const char *word)
{
	return len >= strlen(word) && memcmp(data, word, strlen(word)) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	volatile int sum = 0;

	if (says(data, len, "read"))
		sum += data[len];
	if (says(data, len, "lose"))
		lost = malloc(16);
	if (says(data, len, "add"))
		sum = INT32_MAX, sum += 1;
	if (says(data, len, "much")) {
		void *volatile block = malloc((size_t)1 << 30);

		free(block);
	}
	HOLDS(!says(data, len, "lie"));
	return 0;
}
