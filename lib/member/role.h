/* SPDX-License-Identifier: Apache-2.0 */
/*
 * role - what a client may have a token do, by the role in its certificate.
 *
 * An administrator may do everything; whoever has the role of an appliance, or none, nothing. An application may do
 * what applications' processes do: use the group's keys, and keep them replicated, which includes bringing a member up
 * to date. A table (role.c) says of each function whether it is free, or on which conditions. What no application may:
 *
 *	use, change or destroy the domain key and the transport keys, or make any (kept.h), but for wrapping and
 *	unwrapping under the domain key as replicas travel;
 *	copy or change keys on their member, past their records;
 *	shorten a list of deleted keys;
 *	take away a record, other than for a newer one that restricts the key as much, or of a key that is deleted, or
 *	whose creation is not finished;
 *	wrap a key of the group under another key than the domain key, or unwrap it as one that is not sensitive, when a
 *	record there says otherwise.
 *
 * So who makes domain keys, brings them to other members and takes them away is an administrator. What an application
 * may do to the group's own keys through hsmctl's module is another matter: that is in their records, and the module
 * (ha) holds to it. This is for whoever goes past the module, and does not make up for what the token itself lets who
 * knows the PIN do: README.md, Security.
 *
 * The role is the connection's certificate's. A worker's client is the process that owns the token anyway.
 */
#ifndef MEMBER_ROLE_H
#define MEMBER_ROLE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/cert.h"
#include "p11/call.h"

struct host;

/* Refusals are logged: so many at a time, the others are counted. */
enum { ROLE_LOG_MAX = 20, ROLE_LOG_MS = 10000 };

/* What a host remembers of it. All zeros but the lock is a new one. */
struct role_watch {
	pthread_mutex_t lock;
	int64_t since_ms;
	unsigned said, unsaid;
};

/*
 * May this call of a batch be carried out, what is before it having been? CKR_OK, or whose fault it is: the caller's,
 * whatever the code. visible: the caller may see its objects.
 */
CK_RV role_judge(struct host *host, const char *name, enum cert_role role, const struct p11_call *calls, size_t at);
/* Is there a decision for it? */
bool role_knows(enum p11_fn fn);

#endif
