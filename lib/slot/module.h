/* SPDX-License-Identifier: Apache-2.0 */
/*
 * module - the state of the virtual token library in one process.
 *
 * One slot per group of the fleet document. C_ functions are shells around
 * slot_enter() and slot_leave(): initialised? which slot, which session? A
 * child after fork() must call C_Initialize itself; its parent's connections
 * and PINs are not in it. The module prints nothing, installs no signal handler
 * and changes nothing in the environment of its host.
 */
#ifndef SLOT_MODULE_H
#define SLOT_MODULE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "ha/ha.h"
#include "p11/pkcs11.h"

struct fleet;
struct fleet_group;

struct secret;

/* The login that all sessions of a slot share (login.c). Its lock is held over calls at members: it is taken with no
 * other one held. */
struct slot_login {
	pthread_mutex_t lock;
	atomic_bool over;	/* its last session was closed: whoever has the lock, or gets it, logs out */
	struct secret *pin;	/* that a member has found right; NULL = nobody is logged in */
	unsigned wrong;		/* PINs in a row, for single uses of keys */
};

struct slot {
	const struct fleet_group *group;	/* of module.fleet */
	_Atomic(struct ha_group *) ha;		/* opened at first use */
	atomic_uint sessions, rw_sessions;
	struct slot_login login;
};

struct slot_session {
	CK_SESSION_HANDLE handle;	/* counted up, never used again */
	struct slot *slot;
	CK_FLAGS flags;
	atomic_uint users;
	pthread_mutex_t lock;		/* one call at a time */
	struct ha_session *ha;		/* opened at the first call */
};

/* One C_ call; slot_leave() runs at the end of the block, and the module stays until then. */
struct slot_call {
	CK_RV rv;
	bool inside;
	struct slot *slot;		/* of slot_enter_slot(), or the session's */
	struct slot_session *session;	/* of slot_enter(), locked */
};

/* CKR_CRYPTOKI_NOT_INITIALIZED, CKR_SLOT_ID_INVALID, CKR_SESSION_HANDLE_INVALID. */
struct slot_call slot_enter_module(void);
struct slot_call slot_enter_slot(CK_SLOT_ID id);
struct slot_call slot_enter(CK_SESSION_HANDLE handle);
void slot_leave(struct slot_call *call);
#define slot_scoped __attribute__((cleanup(slot_leave)))

/* CKR_ARGUMENTS_BAD also for a reserved pointer that leads to no text. */
CK_RV slot_initialize(const CK_C_INITIALIZE_ARGS *args);
/* Calls under way end with an error, soon; what they use stays until then. */
CK_RV slot_finalize(void);

/* ---- inside ---- */

size_t slot_count(void);
CK_SLOT_ID slot_id(const struct slot *slot);
/* The running group of a slot, opened when it is not yet. */
CK_RV slot_group(struct slot *slot, struct ha_group **ret);
/* A call in the session that was entered. */
CK_RV slot_run(struct slot_call *entered, struct p11_call *call);

/*
 * The user logs in, with a PIN that goes to a member; logs out; shows the PIN once more, for one use of a key that
 * wants it each time (CKU_CONTEXT_SPECIFIC). That PIN is compared with the one that was found right and reaches nobody;
 * after many wrong ones in a row the user is logged out (CKR_PIN_LOCKED), and the next PIN goes to a member.
 */
CK_RV slot_log_in(struct slot *slot, const void *pin, CK_ULONG len);
CK_RV slot_log_out(struct slot *slot);
CK_RV slot_log_in_again(struct slot_session *session, const void *pin, CK_ULONG len);
/* Carry out what closing the last session asked for, or leave it to the one who is logging in. */
void slot_login_settle(struct slot *slot);

CK_RV slot_session_open(struct slot *slot, CK_FLAGS flags, CK_SESSION_HANDLE *ret);
CK_RV slot_session_close(CK_SESSION_HANDLE handle);
void slot_session_close_all(struct slot *slot);

#endif
