/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session - one command's work in Azure: the connection to Resource Manager, and one lock for
 * each virtual network, in which one write goes on at a time.
 */
#ifndef PROVIDER_AZURE_SESSION_H
#define PROVIDER_AZURE_SESSION_H

#include <pthread.h>

#include "azure/arm.h"
#include "provider/layout.h"

struct fleet;
struct azure_locks;

struct azure_session {
	const struct provider_call *call;
	struct azure_access access;
	struct arm *arm;
	struct azure_locks *locks;
};

/* The cloud is the fleet's (NULL: as the environment says). Asks nobody yet. */
int azure_session_open(const struct provider_call *call, const struct fleet *fleet, struct azure_session *ret,
		       struct err *err);
void azure_session_release(struct azure_session *session);
OWN_DEFINE_RELEASE(azure_session)

/* Take the write lock of a virtual network, by its id; NULL takes none. The lock is given back as it
 * was got (NULL is fine). */
pthread_mutex_t *azure_network_lock(struct azure_session *session, const char *network);
void azure_network_unlock(pthread_mutex_t *lock);

/* The subscription of a command: the document's, else what is given, else AZURE_SUBSCRIPTION_ID
 * or ARM_SUBSCRIPTION_ID; NULL. Borrowed. */
const char *azure_subscription(const struct provider_call *call, const struct fleet *fleet);

#endif
