/* SPDX-License-Identifier: Apache-2.0 */
/*
 * module - the state of the virtual token library in one process.
 *
 * One slot per group that the fleet document names, or named since C_Initialize: a group that is gone leaves its slot
 * without a token, and one that is made again under its name is another token in that slot. A token's sessions end with
 * it. The document is looked at now and then, by whoever calls. C_ functions are shells around
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

struct secret;

/* The login that all sessions of a token share (login.c). Its lock is held over calls at members: it is taken with no
 * other one held. */
struct slot_login {
	pthread_mutex_t lock;
	atomic_bool over;	/* its last session was closed: whoever has the lock, or gets it, logs out */
	struct secret *pin;	/* that a member has found right; NULL = nobody is logged in */
	unsigned wrong;		/* PINs in a row, for single uses of keys */
};

/* One life of a group. It is there as long as a session or a call of it is, and is freed by whoever leaves last. */
struct slot_token {
	atomic_uint users;
	struct slot *slot;
	char *serial, *domain;			/* what tells it from another one of that name */
	atomic_bool removed;			/* the group is gone, or another one */
	_Atomic(struct ha_group *) ha;		/* opened at first use */
	atomic_uint sessions, rw_sessions;
	struct slot_login login;
};

/* They stay until C_Finalize. */
struct slot {
	char *name;				/* of the group */
	CK_SLOT_ID id;				/* fleet_group_slot() */
	struct slot_token *token;		/* NULL: the group is gone */
	atomic_bool event;			/* the token came or went, and nobody was told */
};

struct slot_session {
	CK_SESSION_HANDLE handle;	/* counted up, never used again */
	struct slot_token *token;
	CK_FLAGS flags;
	atomic_uint users;
	pthread_mutex_t lock;		/* one call at a time */
	struct ha_session *ha;		/* opened at the first call */
};

/* One C_ call; slot_leave() runs at the end of the block, and the module stays until then. */
struct slot_call {
	CK_RV rv;
	bool inside;
	struct slot *slot;		/* of slot_enter_slot() and slot_enter_token() */
	struct slot_token *token;	/* of slot_enter_token(), or the session's */
	struct slot_session *session;	/* of slot_enter(), locked */
};

/* CKR_CRYPTOKI_NOT_INITIALIZED, CKR_SLOT_ID_INVALID, CKR_TOKEN_NOT_PRESENT, CKR_SESSION_HANDLE_INVALID. */
struct slot_call slot_enter_module(void);
struct slot_call slot_enter_slot(CK_SLOT_ID id);
struct slot_call slot_enter_token(CK_SLOT_ID id);
struct slot_call slot_enter(CK_SESSION_HANDLE handle);
void slot_leave(struct slot_call *call);
#define slot_scoped __attribute__((cleanup(slot_leave)))

/* CKR_ARGUMENTS_BAD also for a reserved pointer that leads to no text. */
CK_RV slot_initialize(const CK_C_INITIALIZE_ARGS *args);
/* Calls under way end with an error, soon; what they use stays until then. */
CK_RV slot_finalize(void);

/* ---- slots.c ---- */
/* What the document says by now: at once, or if nobody looked for a second. */
void slot_take_up(void);
void slot_take_up_soon(void);
/* IDs of all slots, or of those with a token, as many as there is room for; how many there are. */
CK_ULONG slot_list(bool with_token, CK_SLOT_ID *ret, CK_ULONG room);
/* A slot whose token came or went since it was told the last time. */
bool slot_event(CK_SLOT_ID *ret);
/* Whoever holds a token puts it down in the end. NULL is fine. */
void slot_token_put(struct slot_token *token);
/* The running group of a token, opened when it is not yet. */
CK_RV slot_group(struct slot_token *token, struct ha_group **ret);

/* ---- sessions.c ---- */
/* A call in the session that was entered. */
CK_RV slot_run(struct slot_call *entered, struct p11_call *call);

CK_RV slot_session_open(struct slot_token *token, CK_FLAGS flags, CK_SESSION_HANDLE *ret);
CK_RV slot_session_close(CK_SESSION_HANDLE handle);
void slot_session_close_all(struct slot_token *token);

/* ---- login.c ---- */
/*
 * The user logs in, with a PIN that goes to a member; logs out; shows the PIN once more, for one use of a key that
 * wants it each time (CKU_CONTEXT_SPECIFIC). That PIN is compared with the one that was found right and reaches nobody;
 * after many wrong ones in a row the user is logged out (CKR_PIN_LOCKED), and the next PIN goes to a member.
 */
CK_RV slot_log_in(struct slot_token *token, const void *pin, CK_ULONG len);
CK_RV slot_log_out(struct slot_token *token);
CK_RV slot_log_in_again(struct slot_session *session, const void *pin, CK_ULONG len);
/* Carry out what closing the last session asked for, or leave it to the one who is logging in. */
void slot_login_settle(struct slot_token *token);

#endif
