/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guest - a client of a host: its sessions, its login, the session objects and leases that are its own.
 *
 * A client is an instance (instance.h) with one certificate, however many connections it has; each of them is a visit
 * (visit.h), and the guest goes with the last. A connection that names no instance is a guest by itself.
 *
 * What one connection has done holds for all: who has logged in on one has on all, who logs out has on all. A session
 * may be used from any of them. A session serves one call at a time: a call holds it from before the library is entered
 * until all that follows from it is noted, others wait. Nobody waits for a second one while holding a session.
 *
 * A session ends with the connection that opened it. Session objects die with the session that made them (PKCS#11 v3.0
 * section 5.6.2), but shall not with a connection: a session by which some are alive is left behind, out of everybody's
 * reach, and ends when the last of them is destroyed, or with the guest. C_CloseSession does destroy them.
 *
 * Thread-safe. The guest's lock is taken before that of the host's owners; nothing of the library is called under it.
 */
#ifndef MEMBER_GUEST_H
#define MEMBER_GUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "crypto/cert.h"
#include "p11/pkcs11.h"

struct err;
struct guest;
struct host;
struct host_peer;

/* One visit more of it. peer is copied; instance NULL: a guest of its own. */
int guest_enter(struct host *host, const struct host_peer *peer, const uint8_t *instance, struct guest **ret,
		struct err *err);
/* One less; visit: the one of guest_add_session(). The last one closes all sessions, and so destroys the session
 * objects. Waits for calls of others on sessions of this visit. */
void guest_leave(struct guest *guest, const void *visit);

struct host *guest_host(const struct guest *guest);
/* Of its certificate. */
const char *guest_name(const struct guest *guest);
enum cert_role guest_role(const struct guest *guest);

bool guest_is_logged_in(const struct guest *guest);
/* CKR_OK when this is the user's PIN, whether the guest is logged in already or not: host_login(). */
CK_RV guest_login(struct guest *guest, const void *pin, CK_ULONG len);
void guest_logout(struct guest *guest);

/* A session that the library has opened; CKR_SESSION_COUNT, CKR_HOST_MEMORY: it was closed again. */
CK_RV guest_add_session(struct guest *guest, const void *visit, CK_SESSION_HANDLE session);
/* Take it for one call. CKR_SESSION_HANDLE_INVALID: not one of this guest's. */
CK_RV guest_hold_session(struct guest *guest, CK_SESSION_HANDLE session);
void guest_let_session(struct guest *guest, CK_SESSION_HANDLE session);
/* One that is held is to be closed: it is nobody's, nor are the objects made on it. */
void guest_drop_session(struct guest *guest, CK_SESSION_HANDLE session);

/* A session object made on a session that is held (false without memory: it is nobody's); one that was destroyed. */
bool guest_own_object(struct guest *guest, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object);
void guest_disown_object(struct guest *guest, CK_OBJECT_HANDLE object);

#endif
