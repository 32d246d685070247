/* SPDX-License-Identifier: Apache-2.0 */
/* The sessions that are open, and how a call finds its own. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "slot/gate.h"
#include "slot/state.h"

static void session_free(struct slot_session *session)
{
	ha_session_free(session->ha);
	slot_token_put(session->token);
	pthread_mutex_destroy(&session->lock);
	free(session);
}

static void session_put(struct slot_session *session)
{
	if (atomic_fetch_sub(&session->users, 1) == 1)
		session_free(session);
}

/* Place of a handle in the list, n_sessions when it is not there. */
static size_t find_session(CK_SESSION_HANDLE handle)
{
	size_t low = 0, high = module.n_sessions;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (module.sessions[middle]->handle == handle)
			return middle;
		if (module.sessions[middle]->handle < handle)
			low = middle + 1;
		else
			high = middle;
	}
	return module.n_sessions;
}

struct slot_call slot_enter(CK_SESSION_HANDLE handle)
{
	struct slot_call call = slot_enter_module();
	size_t at;

	if (call.rv != CKR_OK)
		return call;
	pthread_rwlock_rdlock(&module.lock);
	at = find_session(handle);
	if (at == module.n_sessions) {
		call.rv = CKR_SESSION_HANDLE_INVALID;
	} else {
		call.session = module.sessions[at];
		call.token = call.session->token;
		atomic_fetch_add(&call.session->users, 1);
	}
	pthread_rwlock_unlock(&module.lock);
	if (call.session)
		pthread_mutex_lock(&call.session->lock);
	return call;
}

void slot_leave(struct slot_call *call)
{
	if (call->session) {
		pthread_mutex_unlock(&call->session->lock);
		session_put(call->session);
	} else {
		slot_token_put(call->token);
	}
	if (call->inside)
		gate_leave();
}

CK_RV slot_run(struct slot_call *entered, struct p11_call *call)
{
	struct slot_session *session = entered->session;
	struct ha_group *group;
	CK_RV rv = session->ha ? CKR_OK : slot_group(session->token, &group);

	if (rv == CKR_OK && !session->ha)
		rv = ha_session_open(group, session->flags, &session->ha);
	return rv == CKR_OK ? ha_call(session->ha, call) : rv;
}

/* A place in the list. With the lock held. */
static bool make_room(void)
{
	size_t cap = module.cap_sessions ? module.cap_sessions * 2 : 16;
	struct slot_session **grown;

	if (module.n_sessions < module.cap_sessions)
		return true;
	grown = mem_grow(module.sessions, module.cap_sessions, cap, sizeof(*grown));
	if (!grown)
		return false;
	module.sessions = grown;
	module.cap_sessions = cap;
	return true;
}

/* With the lock held. */
static CK_RV put_in(struct slot_session *session)
{
	struct slot_token *token = session->token;

	if (token->removed)
		return CKR_TOKEN_NOT_PRESENT;
	if (!make_room())
		return CKR_HOST_MEMORY;
	session->handle = ++module.last_handle;
	module.sessions[module.n_sessions++] = session;
	token->sessions++;
	token->rw_sessions += (session->flags & CKF_RW_SESSION) != 0;
	return CKR_OK;
}

CK_RV slot_session_open(struct slot_token *token, CK_FLAGS flags, CK_SESSION_HANDLE *ret)
{
	struct slot_session *session = mem_new(struct slot_session);
	CK_RV rv;

	if (!session)
		return CKR_HOST_MEMORY;
	slot_login_settle(token);
	pthread_mutex_init(&session->lock, NULL);
	atomic_fetch_add(&token->users, 1);
	session->token = token;
	session->flags = flags;
	session->users = 1;
	pthread_rwlock_wrlock(&module.lock);
	rv = put_in(session);
	if (rv == CKR_OK)
		*ret = session->handle;
	pthread_rwlock_unlock(&module.lock);
	if (rv != CKR_OK)
		session_free(session);
	return rv;
}

/* Out of the list; the last call that uses it frees it. With the lock held for writing. */
static struct slot_session *take_out(size_t at)
{
	struct slot_session *session = module.sessions[at];

	memmove(&module.sessions[at], &module.sessions[at + 1],
		(module.n_sessions - at - 1) * sizeof(module.sessions[0]));
	module.n_sessions--;
	session->token->sessions--;
	session->token->rw_sessions -= (session->flags & CKF_RW_SESSION) != 0;
	return session;
}

/* Closing the last session logs out (PKCS#11 v3.0 section 5.6.2). With the lock held: so it is not the login of a
 * session opened meanwhile that ends. It is carried out without. */
static void note_when_last(struct slot_token *token)
{
	if (token->sessions == 0)
		token->login.over = true;
}

CK_RV slot_session_close(CK_SESSION_HANDLE handle)
{
	struct slot_session *session = NULL;
	size_t at;

	pthread_rwlock_wrlock(&module.lock);
	at = find_session(handle);
	if (at < module.n_sessions) {
		session = take_out(at);
		note_when_last(session->token);
	}
	pthread_rwlock_unlock(&module.lock);
	if (!session)
		return CKR_SESSION_HANDLE_INVALID;
	slot_login_settle(session->token);
	session_put(session);
	return CKR_OK;
}

void slot_session_close_all(struct slot_token *token)
{
	for (;;) {
		struct slot_session *session = NULL;

		pthread_rwlock_wrlock(&module.lock);
		for (size_t at = 0; at < module.n_sessions && !session; at++)
			if (module.sessions[at]->token == token)
				session = take_out(at);
		note_when_last(token);
		pthread_rwlock_unlock(&module.lock);
		slot_login_settle(token);
		if (!session)
			return;
		session_put(session);
	}
}
