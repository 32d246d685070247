/* SPDX-License-Identifier: Apache-2.0 */
/*
 * owners - who made which session object, and on which session.
 *
 * What one find or one call asks costs the same however many objects there are, of whomever. Handles are the token's,
 * guests any non-NULL pointers. All zeros is an empty one. Not thread-safe.
 */
#ifndef MEMBER_OWNERS_H
#define MEMBER_OWNERS_H

#include <stdbool.h>
#include <stddef.h>

#include "p11/pkcs11.h"

struct owners_node;
struct owners_table {
	struct owners_node **heads;
	size_t size, count;	/* size: a power of two, 0 = none yet */
};

struct owners {
	struct owners_table objects, sessions;	/* sessions: those on which any are alive */
};

void owners_release(struct owners *owners);

/* An object that is known already changes hands. False without memory: it is nobody's. */
bool owners_add(struct owners *owners, const void *guest, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object);
/* Either may be unknown. */
void owners_drop(struct owners *owners, CK_OBJECT_HANDLE object);
void owners_drop_session(struct owners *owners, CK_SESSION_HANDLE session);

/* The guest, or NULL. */
const void *owners_find(const struct owners *owners, CK_OBJECT_HANDLE object);
/* Are any alive that were made on it? */
bool owners_has_session(const struct owners *owners, CK_SESSION_HANDLE session);

#endif
