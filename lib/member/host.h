/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host - the library and token that an appliance or a worker hosts; one per process.
 *
 * Owns the real login, the change counter, the list of guests, who owns which session object, and the book.
 * Thread-safe.
 */
#ifndef MEMBER_HOST_H
#define MEMBER_HOST_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/own.h"
#include "crypto/cert.h"
#include "p11/call.h"

struct book;
struct catalogue;
struct err;
struct host;
struct appliance_config;
struct role_watch;

int host_open(const struct appliance_config *config, struct host **ret, struct err *err);
void host_free(struct host *host);
OWN_DEFINE(host)

CK_FUNCTION_LIST *host_functions(const struct host *host);
CK_SLOT_ID host_slot(const struct host *host);
uint64_t host_epoch(const struct host *host);
const char *host_serial(const struct host *host);
struct book *host_book(const struct host *host);

/* Bring the change counter up to date and return it; 0 = unknown: others write, and nobody sees it. */
uint64_t host_changes(struct host *host);
void host_changed(struct host *host);

/* Who speaks, as its certificate says; borrowed from the connection. */
struct host_peer {
	const char *name, *fingerprint;
	enum cert_role role;
};

/*
 * Is this the user PIN? Logs the token in at the first good one. CKR_OK, what the
 * token says, CKR_PIN_LOCKED when no more PINs are shown to it (throttle.h), or
 * CKR_SESSION_COUNT (busy): too many tries of this peer are under way. A wrong PIN
 * takes a while.
 */
CK_RV host_login(struct host *host, const struct host_peer *peer, const void *pin, CK_ULONG len);

/* All who are there now; guest.c's. */
struct guest;
struct guests {
	pthread_mutex_t lock;
	struct guest *first;
};
struct guests *host_guests(struct host *host);
/* Others' that each host has one of. */
struct catalogue *host_catalogue(struct host *host);
struct role_watch *host_roles(struct host *host);

/* Session objects: who made them, and on which session (owners.h). False without memory: it is nobody's. */
bool host_own_object(struct host *host, const void *guest, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object);
void host_disown_object(struct host *host, CK_OBJECT_HANDLE object);
void host_forget_session(struct host *host, CK_SESSION_HANDLE session);
/* Are any alive that were made on it? */
bool host_session_owns(struct host *host, CK_SESSION_HANDLE session);
/* NULL: nobody's, an object of the token. */
const void *host_object_owner(struct host *host, CK_OBJECT_HANDLE object);

#endif
