/* SPDX-License-Identifier: Apache-2.0 */
/*
 * catalogue - which memos (kept.h) a host's token holds, by their labels.
 *
 * A search makes a token look at every object that it has. So a host searches once, when somebody first asks, and from then
 * on keeps account of what its guests make, change and destroy. What is put on the token past the host it does not know of
 * before it starts again, as the book does not (book.h).
 *
 * Thread-safe. A step that asks finds all that was there when it began, and what it made itself.
 */
#ifndef MEMBER_CATALOGUE_H
#define MEMBER_CATALOGUE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "p11/call.h"

struct catalogue_entry;
struct host;

/* All zeros but the lock is a new one: nobody asked. */
struct catalogue {
	pthread_mutex_t lock;
	bool whole;			/* the token was searched */
	struct catalogue_entry *entries;	/* the newest last */
	size_t count, cap;
};

void catalogue_release(struct catalogue *catalogue);

/* The memos of a label, the newest first. CKR_HOST_MEMORY when there are more than room. */
CK_RV catalogue_find(struct host *host, const void *label, size_t len, CK_OBJECT_HANDLE *list, CK_ULONG room,
		     CK_ULONG *ret_count);
/* A call was carried out. */
void catalogue_note(struct host *host, const struct p11_call *call);

#endif
