/* SPDX-License-Identifier: Apache-2.0 */
/* What all connections of one client have together on the shared token. */
#include "member/guest.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "crypto/digest.h"
#include "member/book.h"
#include "member/host.h"
#include "member/instance.h"

enum { SESSIONS_MAX = 1024 };

struct session {
	CK_SESSION_HANDLE handle;
	const void *visit;	/* that opened it; NULL = left behind */
	bool held;
};

struct guest {
	struct guest *next;		/* with the lock of the host's guests, as visits */
	unsigned visits;
	struct host *host;
	uint8_t instance[INSTANCE_LEN];
	bool shared;			/* instance is known */
	char *name;
	char fingerprint[SHA256_TEXT];
	enum cert_role role;
	atomic_bool logged_in;
	pthread_mutex_t lock;		/* of all below */
	pthread_cond_t let;		/* a session was let go, or is gone */
	struct session *sessions;
	size_t n_sessions, cap;
};

/* ---- coming and going ---- */

static void guest_free(struct guest *guest)
{
	pthread_cond_destroy(&guest->let);
	pthread_mutex_destroy(&guest->lock);
	free(guest->sessions);
	free(guest->name);
	free(guest);
}

static struct guest *guest_new(struct host *host, const struct host_peer *peer, const uint8_t *instance)
{
	struct guest *guest = mem_new(struct guest);
	char *name = guest ? mem_strndup(peer->name, strlen(peer->name)) : NULL;

	if (!name) {
		free(guest);
		return NULL;
	}
	*guest = (struct guest){.host = host, .shared = instance, .name = name, .role = peer->role};
	if (instance)
		memcpy(guest->instance, instance, INSTANCE_LEN);
	snprintf(guest->fingerprint, sizeof(guest->fingerprint), "%s", peer->fingerprint);
	pthread_mutex_init(&guest->lock, NULL);
	pthread_cond_init(&guest->let, NULL);
	return guest;
}

static bool is_guest(const struct guest *guest, const struct host_peer *peer, const uint8_t *instance)
{
	return guest->shared && instance && memcmp(guest->instance, instance, INSTANCE_LEN) == 0 &&
	       strcmp(guest->fingerprint, peer->fingerprint) == 0;
}

int guest_enter(struct host *host, const struct host_peer *peer, const uint8_t *instance, struct guest **ret,
		struct err *err)
{
	struct guests *all = host_guests(host);
	struct guest *guest;

	pthread_mutex_lock(&all->lock);
	for (guest = all->first; guest && !is_guest(guest, peer, instance); guest = guest->next)
		;
	if (!guest) {
		guest = guest_new(host, peer, instance);
		if (guest) {
			guest->next = all->first;
			all->first = guest;
		}
	}
	if (guest)
		guest->visits++;
	pthread_mutex_unlock(&all->lock);
	if (!guest)
		return err_no_memory(err);
	*ret = guest;
	return 0;
}

/* Nobody finds it any more, unless somebody visits it still. */
static bool was_last_visit(struct guest *guest)
{
	struct guests *all = host_guests(guest->host);
	struct guest **at = &all->first;
	bool last;

	pthread_mutex_lock(&all->lock);
	last = --guest->visits == 0;
	while (*at != guest)
		at = &(*at)->next;
	if (last)
		*at = guest->next;
	pthread_mutex_unlock(&all->lock);
	return last;
}

struct host *guest_host(const struct guest *guest)
{
	return guest->host;
}

const char *guest_name(const struct guest *guest)
{
	return guest->name;
}

enum cert_role guest_role(const struct guest *guest)
{
	return guest->role;
}

/* ---- login ---- */

bool guest_is_logged_in(const struct guest *guest)
{
	return atomic_load(&guest->logged_in);
}

CK_RV guest_login(struct guest *guest, const void *pin, CK_ULONG len)
{
	const struct host_peer peer = {guest->name, guest->fingerprint, guest->role};
	CK_RV rv = host_login(guest->host, &peer, pin, len);

	if (rv == CKR_OK)
		atomic_store(&guest->logged_in, true);
	return rv;
}

void guest_logout(struct guest *guest)
{
	atomic_store(&guest->logged_in, false);
}

/* ---- sessions; static functions with the lock held ---- */

static void remove_session(struct guest *guest, struct session *session)
{
	*session = guest->sessions[--guest->n_sessions];
	pthread_cond_broadcast(&guest->let);
}

/* Out of the books first, with the objects that end with it: handles may be given out again once it is closed. */
static void close_session(struct guest *guest, struct session *session)
{
	CK_SESSION_HANDLE handle = session->handle;

	host_forget_session(guest->host, handle);
	remove_session(guest, session);
	pthread_mutex_unlock(&guest->lock);
	host_functions(guest->host)->C_CloseSession(handle);
	pthread_mutex_lock(&guest->lock);
}

static struct session *find(const struct guest *guest, CK_SESSION_HANDLE handle)
{
	for (size_t i = 0; i < guest->n_sessions; i++)
		if (guest->sessions[i].handle == handle && guest->sessions[i].visit)
			return &guest->sessions[i];
	return NULL;
}

static CK_RV make_room(struct guest *guest)
{
	size_t cap = guest->cap ? guest->cap * 2 : 4;
	struct session *grown;

	if (guest->n_sessions < guest->cap)
		return CKR_OK;
	if (cap > SESSIONS_MAX)
		return CKR_SESSION_COUNT;
	grown = mem_grow(guest->sessions, guest->cap, cap, sizeof(*grown));
	if (!grown)
		return CKR_HOST_MEMORY;
	guest->sessions = grown;
	guest->cap = cap;
	return CKR_OK;
}

CK_RV guest_add_session(struct guest *guest, const void *visit, CK_SESSION_HANDLE session)
{
	CK_RV rv;

	pthread_mutex_lock(&guest->lock);
	rv = make_room(guest);
	if (rv == CKR_OK)
		guest->sessions[guest->n_sessions++] = (struct session){.handle = session, .visit = visit};
	pthread_mutex_unlock(&guest->lock);
	if (rv != CKR_OK)
		host_functions(guest->host)->C_CloseSession(session);
	return rv;
}

CK_RV guest_hold_session(struct guest *guest, CK_SESSION_HANDLE handle)
{
	struct session *session;

	pthread_mutex_lock(&guest->lock);
	while ((session = find(guest, handle)) && session->held)
		pthread_cond_wait(&guest->let, &guest->lock);
	if (session)
		session->held = true;
	pthread_mutex_unlock(&guest->lock);
	return session ? CKR_OK : CKR_SESSION_HANDLE_INVALID;
}

void guest_let_session(struct guest *guest, CK_SESSION_HANDLE handle)
{
	struct session *session;

	pthread_mutex_lock(&guest->lock);
	session = find(guest, handle);
	session->held = false;
	pthread_cond_broadcast(&guest->let);
	pthread_mutex_unlock(&guest->lock);
}

void guest_drop_session(struct guest *guest, CK_SESSION_HANDLE handle)
{
	host_forget_session(guest->host, handle);
	pthread_mutex_lock(&guest->lock);
	remove_session(guest, find(guest, handle));
	pthread_mutex_unlock(&guest->lock);
}

/* One that the visit opened, and that nobody holds. NULL when there are none. */
static struct session *await_session_of(struct guest *guest, const void *visit)
{
	for (;;) {
		bool held = false;

		for (size_t i = 0; i < guest->n_sessions; i++) {
			if (guest->sessions[i].visit != visit)
				continue;
			if (!guest->sessions[i].held)
				return &guest->sessions[i];
			held = true;
		}
		if (!held)
			return NULL;
		pthread_cond_wait(&guest->let, &guest->lock);
	}
}

static void close_sessions_of(struct guest *guest, const void *visit)
{
	struct session *session;

	pthread_mutex_lock(&guest->lock);
	while ((session = await_session_of(guest, visit))) {
		if (!host_session_owns(guest->host, session->handle)) {
			close_session(guest, session);
			continue;
		}
		session->visit = NULL;
		pthread_cond_broadcast(&guest->let);
	}
	pthread_mutex_unlock(&guest->lock);
}

void guest_leave(struct guest *guest, const void *visit)
{
	close_sessions_of(guest, visit);
	if (!was_last_visit(guest))
		return;
	book_leave(host_book(guest->host), guest);
	pthread_mutex_lock(&guest->lock);
	while (guest->n_sessions)
		close_session(guest, &guest->sessions[0]);
	pthread_mutex_unlock(&guest->lock);
	guest_free(guest);
}

/* ---- objects ---- */

bool guest_own_object(struct guest *guest, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object)
{
	return host_own_object(guest->host, guest, session, object);
}

/* One that was left behind, and by which nothing is alive any more. */
static struct session *find_idle(const struct guest *guest)
{
	for (size_t i = 0; i < guest->n_sessions; i++)
		if (!guest->sessions[i].visit && !host_session_owns(guest->host, guest->sessions[i].handle))
			return &guest->sessions[i];
	return NULL;
}

void guest_disown_object(struct guest *guest, CK_OBJECT_HANDLE object)
{
	struct session *session;

	host_disown_object(guest->host, object);
	pthread_mutex_lock(&guest->lock);
	while ((session = find_idle(guest)))
		close_session(guest, session);
	pthread_mutex_unlock(&guest->lock);
}
