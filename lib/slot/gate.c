/* SPDX-License-Identifier: Apache-2.0 */
/* Who is inside the module, and when it may be taken down. */
#include "slot/gate.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/inherit.h"

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;	/* of C_Initialize and C_Finalize */
static atomic_bool open_;
static atomic_uint inside;
/* For the one who waits until nobody is inside. */
static pthread_mutex_t out_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t out = PTHREAD_COND_INITIALIZER;

/* Threads that held a lock or were inside are not here. */
static void in_child(void)
{
	turn = out_lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
	out = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
	atomic_store(&open_, false);
	atomic_store(&inside, 0);
}

static void register_once(void)
{
	inherit_on_fork(in_child);
}

CK_RV gate_open(CK_RV (*begin)(void *data), void *data)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	CK_RV rv = CKR_CRYPTOKI_ALREADY_INITIALIZED;

	pthread_once(&once, register_once);
	pthread_mutex_lock(&turn);
	if (!atomic_load(&open_)) {
		rv = begin(data);
		atomic_store(&open_, rv == CKR_OK);
	}
	pthread_mutex_unlock(&turn);
	return rv;
}

CK_RV gate_close(void (*cut)(void), void (*end)(void))
{
	CK_RV rv = CKR_CRYPTOKI_NOT_INITIALIZED;

	pthread_mutex_lock(&turn);
	if (atomic_exchange(&open_, false)) {
		cut();
		pthread_mutex_lock(&out_lock);
		while (atomic_load(&inside))
			pthread_cond_wait(&out, &out_lock);
		pthread_mutex_unlock(&out_lock);
		end();
		rv = CKR_OK;
	}
	pthread_mutex_unlock(&turn);
	return rv;
}

bool gate_is_open(void)
{
	return atomic_load(&open_);
}

bool gate_enter(void)
{
	/* Threads that knock at a closed gate again and again must not keep the one waiting who closed it. */
	if (!atomic_load(&open_))
		return false;
	atomic_fetch_add(&inside, 1);
	if (atomic_load(&open_))
		return true;
	gate_leave();
	return false;
}

void gate_leave(void)
{
	if (atomic_fetch_sub(&inside, 1) > 1 || atomic_load(&open_))
		return;
	pthread_mutex_lock(&out_lock);
	pthread_cond_broadcast(&out);
	pthread_mutex_unlock(&out_lock);
}
