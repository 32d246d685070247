/* SPDX-License-Identifier: Apache-2.0 */
/* A command's connection to Azure, and the locks of its networks. */
#include "provider/azure/session.h"

#include <stdlib.h>
#include <strings.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "fleet/fleet.h"

/* A lock is made when it is first asked for, and lives as long as the session. */
struct lock_of_network {
	struct lock_of_network *next;
	char *network;
	pthread_mutex_t lock;
};
struct azure_locks {
	pthread_mutex_t lock;	/* of the list */
	struct lock_of_network *first;
};

static const char *variable(const char *first, const char *second)
{
	const char *value = secure_getenv(first);

	if (!value || !*value)
		value = secure_getenv(second);
	return value && *value ? value : NULL;
}

const char *azure_subscription(const struct provider_call *call, const struct fleet *fleet)
{
	if (fleet && fleet->azure.subscription)
		return fleet->azure.subscription;
	if (call->access && call->access->subscription)
		return call->access->subscription;
	return variable("AZURE_SUBSCRIPTION_ID", "ARM_SUBSCRIPTION_ID");
}

static int find_source(const char *name, unsigned *ret, struct err *err)
{
	int at = name ? str_index(azure_source_names, name) : 0;

	if (at < 0) {
		err_set(err, ERR_USAGE, "no kind of credential is named '%s'", name);
		return err_hint(err, "client-secret, client-certificate, workload-identity, github, azure-devops, cli, "
				     "managed-identity");
	}
	*ret = (unsigned)at;
	return 0;
}

static int fill_access(const struct provider_call *call, const struct fleet *fleet, struct azure_access *ret,
		       struct err *err)
{
	static const struct provider_access nothing;
	const struct provider_access *given = call->access ? call->access : &nothing;

	*ret = (struct azure_access){
		.tenant = given->tenant ? given->tenant : fleet ? fleet->azure.tenant : NULL,
		.client = given->client,
		.secret_source = given->secret_source,
		.certificate = given->certificate,
		.certificate_chain = given->certificate_chain,
		.password_source = given->password_source,
		.token_file = given->token_file,
		.rs256 = given->rs256,
		.send_chain = given->send_chain,
		.subscription = azure_subscription(call, fleet),
	};
	return find_source(given->credential, &ret->source, err);
}

int azure_session_open(const struct provider_call *call, const struct fleet *fleet, struct azure_session *ret,
		       struct err *err)
{
	int cloud = fleet && fleet->azure.n_regions ? (int)fleet->azure.cloud : -1;
	int rc = fill_access(call, fleet, &ret->access, err);

	ret->call = call;
	if (rc == 0 && !(ret->locks = mem_new(struct azure_locks)))
		rc = err_no_memory(err);
	if (rc < 0)
		return rc;
	pthread_mutex_init(&ret->locks->lock, NULL);
	rc = arm_open(cloud, &ret->access, &ret->arm, err);
	if (rc == 0)
		log_info("azure", "%s, %s", arm_endpoint(ret->arm), arm_about(ret->arm));
	return rc;
}

void azure_session_release(struct azure_session *session)
{
	struct lock_of_network *next;

	arm_free(session->arm);
	for (struct lock_of_network *l = session->locks ? session->locks->first : NULL; l; l = next) {
		next = l->next;
		pthread_mutex_destroy(&l->lock);
		free(l->network);
		free(l);
	}
	if (session->locks)
		pthread_mutex_destroy(&session->locks->lock);
	free(session->locks);
	*session = (struct azure_session){0};
}

/* Without memory the lock of all networks serves: slower, and as safe. */
static pthread_mutex_t *lock_of(struct azure_locks *locks, const char *network)
{
	static pthread_mutex_t all = PTHREAD_MUTEX_INITIALIZER;
	struct lock_of_network *l;

	pthread_mutex_lock(&locks->lock);
	l = locks->first;
	while (l && strcasecmp(l->network, network) != 0)
		l = l->next;
	if (!l && (l = mem_new(struct lock_of_network))) {
		l->network = mem_strdup(network);
		pthread_mutex_init(&l->lock, NULL);
		l->next = locks->first;
		if (l->network)
			locks->first = l;
		else
			free(own_take(l));
	}
	pthread_mutex_unlock(&locks->lock);
	return l ? &l->lock : &all;
}

pthread_mutex_t *azure_network_lock(struct azure_session *session, const char *network)
{
	pthread_mutex_t *lock = network ? lock_of(session->locks, network) : NULL;

	if (lock)
		pthread_mutex_lock(lock);
	return lock;
}

void azure_network_unlock(pthread_mutex_t *lock)
{
	if (lock)
		pthread_mutex_unlock(lock);
}
