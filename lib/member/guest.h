/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guest - one connection to an appliance: its sessions, its login, what it may see.
 *
 * Used by the connection's own thread only.
 */
#ifndef MEMBER_GUEST_H
#define MEMBER_GUEST_H

#include "base/own.h"
#include "p11/call.h"

struct err;
struct guest;
struct host;
struct host_peer;

/* peer is copied; what it points to outlives the guest. */
int guest_new(struct host *host, const struct host_peer *peer, struct guest **ret, struct err *err);
/* Closes its sessions, and so destroys its session objects. */
void guest_free(struct guest *guest);
OWN_DEFINE(guest)

bool guest_is_logged_in(const struct guest *guest);

/* Execute a batch as this guest; every call's rv is set as PKCS#11 would. From the login on, a
 * batch of P11_STEP is one step (book.h). */
void guest_execute(struct guest *guest, struct p11_call *calls, size_t count);

#endif
