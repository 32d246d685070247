/* SPDX-License-Identifier: Apache-2.0 */
/* Who this process is to hosts of tokens. */
#include "member/instance.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "base/inherit.h"
#include "crypto/digest.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint8_t process[INSTANCE_LEN];
static bool known;

/* Another thread may have held the lock when the parent forked. */
static void forget_in_child(void)
{
	pthread_mutex_init(&lock, NULL);
	known = false;
}

static void watch_forks(void)
{
	inherit_on_fork(forget_in_child);
}

int instance_id(uint32_t number, uint8_t ret[static INSTANCE_LEN], struct err *err)
{
	int rc = 0;

	pthread_once(&once, watch_forks);
	pthread_mutex_lock(&lock);
	if (!known)
		rc = crypto_random(process, sizeof(process), err);
	known = rc == 0;
	memcpy(ret, process, INSTANCE_LEN);
	pthread_mutex_unlock(&lock);
	for (int i = 0; i < 4; i++)
		ret[i] ^= (uint8_t)(number >> 8 * i);
	return rc;
}
