/* SPDX-License-Identifier: Apache-2.0 */
/*
 * module - the state of the virtual token library in one process.
 *
 * One slot per group of the fleet document. C_ functions are shells around
 * slot_enter() and slot_leave(): initialised? forked? which session? A child
 * after fork() must call C_Initialize itself; what its parent had is left
 * alone. The module prints nothing, installs no signal handler and changes
 * nothing in the environment of its host.
 */
#ifndef SLOT_MODULE_H
#define SLOT_MODULE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "ha/ha.h"
#include "p11/pkcs11.h"

struct fleet;
struct fleet_group;

struct slot {
	const struct fleet_group *group;	/* of module.fleet */
	struct ha_group *ha;			/* opened at first use */
	atomic_uint sessions, rw_sessions;
};

struct slot_session {
	CK_SESSION_HANDLE handle;	/* counted up, never used again */
	struct slot *slot;
	CK_FLAGS flags;
	atomic_uint users;
	pthread_mutex_t lock;		/* one call at a time */
	struct ha_operation *operations[HA_KIND_MAX];
	CK_OBJECT_HANDLE *found;	/* active search */
	CK_ULONG n_found, next_found;
	bool finding;
};

/* State of one C_ call; slot_leave() runs at the end of the block. */
struct slot_call {
	CK_RV rv;
	struct slot_session *session;	/* locked */
};

struct slot_call slot_enter(CK_SESSION_HANDLE handle);
/* Without a session: only that the module is there. */
CK_RV slot_enter_module(void);
void slot_leave(struct slot_call *call);
#define slot_scoped __attribute__((cleanup(slot_leave)))

CK_RV slot_initialize(const CK_C_INITIALIZE_ARGS *args);
CK_RV slot_finalize(void);

size_t slot_count(void);
/* CKR_SLOT_ID_INVALID. */
CK_RV slot_get(CK_SLOT_ID id, struct slot **ret);
CK_SLOT_ID slot_id(const struct slot *slot);
/* The running group of a slot, opened when it is not yet. */
CK_RV slot_group(struct slot *slot, struct ha_group **ret);

CK_RV slot_session_open(struct slot *slot, CK_FLAGS flags, CK_SESSION_HANDLE *ret);
CK_RV slot_session_close(CK_SESSION_HANDLE handle);
CK_RV slot_session_close_all(struct slot *slot);

#endif
