/* SPDX-License-Identifier: Apache-2.0 */
/*
 * visit - one connection of a guest: what it asks of the token, and what comes of it.
 *
 * Used by the connection's own thread; several visits of one guest (guest.h) go on at once.
 */
#ifndef MEMBER_VISIT_H
#define MEMBER_VISIT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/own.h"
#include "p11/call.h"

struct err;
struct host;
struct host_peer;
struct visit;

/* instance: of INSTANCE_LEN bytes, NULL = a guest by itself. */
int visit_begin(struct host *host, const struct host_peer *peer, const uint8_t *instance, struct visit **ret,
		struct err *err);
/* Closes the sessions that were opened on it; session objects are the guest's. */
void visit_free(struct visit *visit);
OWN_DEFINE(visit)

/* Is its guest? */
bool visit_is_logged_in(const struct visit *visit);

/* Execute a batch as this guest; every call's rv is set as PKCS#11 would. From the login on, a
 * batch of P11_STEP is one step (book.h). */
void visit_execute(struct visit *visit, struct p11_call *calls, size_t count);

#endif
