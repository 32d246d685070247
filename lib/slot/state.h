/* SPDX-License-Identifier: Apache-2.0 */
/* state - what module.c, slots.c and sessions.c share; nobody else includes it. */
#ifndef SLOT_STATE_H
#define SLOT_STATE_H

#include "fleet/watch.h"
#include "slot/module.h"

struct fleet;

struct slot_state {
	bool background;
	char *folder;

	pthread_mutex_t look_lock;	/* held while the document is read and taken up; before lock */
	_Atomic int64_t look_ms;	/* when the next look is due */
	struct fleet_watch watch;

	pthread_mutex_t open_lock;	/* held while a group is opened; before lock */

	pthread_rwlock_t lock;		/* of what is below, and of which token a slot has */
	struct fleet *fleet;		/* as it was read last */
	struct slot **slots;
	size_t n_slots, cap_slots;
	struct slot_session **sessions;	/* by rising handle */
	size_t n_sessions, cap_sessions;
	CK_SESSION_HANDLE last_handle;
};

extern struct slot_state module;
#define SLOT_STATE_LOCKS                                                                                                \
	.look_lock = PTHREAD_MUTEX_INITIALIZER, .open_lock = PTHREAD_MUTEX_INITIALIZER, .lock = PTHREAD_RWLOCK_INITIALIZER

/* The first look: a document that is there has to be readable. */
int slot_take_up_first(struct err *err);
/* Calls under way end soon, with an error. */
void slot_cut_all(void);
/* Nobody is inside any more. */
void slot_end_all(void);

#endif
