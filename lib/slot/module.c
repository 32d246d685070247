/* SPDX-License-Identifier: Apache-2.0 */
/* The module's process state: configuration, slots, sessions, the guard. */
#include "slot/module.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/foreign.h"
#include "base/inherit.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "fleet/fleet.h"
#include "p11/rv.h"
#include "slot/gate.h"

static struct module {
	pthread_rwlock_t lock;	/* of the list of sessions and of what is below */
	bool background;
	char *folder;
	struct fleet *fleet;
	struct slot *slots;
	size_t n_slots;
	struct slot_session **sessions;	/* by rising handle */
	size_t n_sessions, cap_sessions;
	CK_SESSION_HANDLE last_handle;
} module = {.lock = PTHREAD_RWLOCK_INITIALIZER};

enum { RESERVED_MAX = 8192 };

static pthread_mutex_t open_lock = PTHREAD_MUTEX_INITIALIZER;

/* ---- configuration ---- */

static char *default_folder(void)
{
	const char *state = secure_getenv("XDG_STATE_HOME"), *home = secure_getenv("HOME");

	if (geteuid() == 0)
		return mem_strdup("/var/lib/hsmctl");
	if (state && *state)
		return file_join(state, "hsmctl");
	return home ? file_join(home, ".local/state/hsmctl") : NULL;
}

/* "store=PATH" among other words of the reserved string, or the environment. */
static char *choose_folder(const char *reserved)
{
	const char *from = reserved ? strstr(reserved, "store=") : NULL;
	const char *environment = secure_getenv("HSMCTL_STORE");

	if (from && (from == reserved || from[-1] == ' ')) {
		from += strlen("store=");
		return mem_strndup(from, strcspn(from, " "));
	}
	if (environment && *environment)
		return mem_strdup(str_starts(environment, "file:") ? environment + 5 : environment);
	return default_folder();
}

static int read_fleet(struct err *err)
{
	owned(mem) char *path = module.folder ? file_join(module.folder, "fleet.json") : NULL;
	int rc;

	if (!path)
		return err_no_memory(err);
	/* No store means no groups, as no reader means no slot. */
	if (!file_exists(path)) {
		log_info("slot", "no store '%s'", module.folder);
		return 0;
	}
	rc = file_check_ours(path, false, err);
	if (rc == 0)
		rc = file_check_ours(module.folder, false, err);
	if (rc == 0)
		rc = fleet_read_file(path, 0, &module.fleet, err);
	if (rc < 0)
		return rc;
	module.n_slots = module.fleet->n_groups;
	module.slots = mem_zalloc(module.n_slots * sizeof(*module.slots));
	if (!module.slots)
		return err_no_memory(err);
	for (size_t i = 0; i < module.n_slots; i++) {
		module.slots[i].group = &module.fleet->groups[i];
		pthread_mutex_init(&module.slots[i].login.lock, NULL);
	}
	return 0;
}

static void forget(void)
{
	fleet_free(module.fleet);
	free(module.slots);
	free(module.folder);
	free(module.sessions);
	module = (struct module){.lock = PTHREAD_RWLOCK_INITIALIZER, .last_handle = module.last_handle};
}

/* A reserved pointer is a text, or nothing that we may follow. */
static CK_RV read_reserved(const void *reserved, char *ret, size_t size)
{
	struct err err = {0};

	*ret = 0;
	if (!reserved || foreign_text(reserved, ret, size, &err) == 0)
		return CKR_OK;
	log_error("slot", "C_Initialize, pReserved: %s", err.message);
	return CKR_ARGUMENTS_BAD;
}

static CK_RV check_args(const CK_C_INITIALIZE_ARGS *args)
{
	int callbacks;

	module.background = true;
	if (!args)
		return CKR_OK;
	callbacks = !!args->CreateMutex + !!args->DestroyMutex + !!args->LockMutex + !!args->UnlockMutex;
	if (callbacks != 0 && callbacks != 4)
		return CKR_ARGUMENTS_BAD;
	if (callbacks == 4 && !(args->flags & CKF_OS_LOCKING_OK))
		return CKR_CANT_LOCK;
	module.background = !(args->flags & CKF_LIBRARY_CANT_CREATE_OS_THREADS);
	return CKR_OK;
}

/* What the parent had stays where it is: locks may be held by threads that are not here. */
static void in_child(void)
{
	open_lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
	module = (struct module){.lock = PTHREAD_RWLOCK_INITIALIZER, .last_handle = module.last_handle};
}

static void register_once(void)
{
	inherit_on_fork(in_child);
}

static CK_RV begin(void *data)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	const CK_C_INITIALIZE_ARGS *args = data;
	char reserved[RESERVED_MAX];
	struct err err = {0};
	CK_RV rv = check_args(args);

	pthread_once(&once, register_once);
	log_from_environment();
	/* The NSS headers put a field of their own where the standard has pReserved. */
	if (rv == CKR_OK)
		rv = read_reserved(args ? args->LibraryParameters : NULL, reserved, sizeof(reserved));
	if (rv != CKR_OK)
		return rv;
	module.folder = choose_folder(reserved);
	if (read_fleet(&err) == 0)
		return CKR_OK;
	log_error("slot", "%s", err.message);
	forget();
	return CKR_GENERAL_ERROR;
}

CK_RV slot_initialize(const CK_C_INITIALIZE_ARGS *args)
{
	return gate_open(begin, (void *)args);
}

static void cut(void)
{
	for (size_t i = 0; i < module.n_slots; i++)
		if (module.slots[i].ha)
			ha_group_cut(module.slots[i].ha);
}

static void end(void)
{
	for (size_t i = 0; i < module.n_slots; i++) {
		slot_session_close_all(&module.slots[i]);
		ha_group_free(module.slots[i].ha);
	}
	forget();
}

CK_RV slot_finalize(void)
{
	return gate_close(cut, end);
}

/* ---- slots ---- */

size_t slot_count(void)
{
	return module.n_slots;
}

CK_SLOT_ID slot_id(const struct slot *slot)
{
	return (CK_SLOT_ID)(slot - module.slots);
}

CK_RV slot_group(struct slot *slot, struct ha_group **ret)
{
	owned(mem) char *mine = NULL;
	struct ha_group *ha = slot->ha;
	struct err err = {0};
	int rc = 0;

	if (ha) {
		*ret = ha;
		return CKR_OK;
	}
	pthread_mutex_lock(&open_lock);
	ha = slot->ha;
	if (!ha) {
		/* A store holds the administrator's certificate, a bundle only the application's. */
		mine = mem_printf("%s/pki/application.key", module.folder);
		rc = ha_group_open(module.fleet, slot->group, module.folder,
				   mine && access(mine, R_OK) == 0 ? "application" : "admin",
				   module.background, &ha, &err);
		if (rc < 0)
			log_error("slot", "%s", err.message);
		slot->ha = ha;
		/* Who closed the gate meanwhile did not see this one. */
		if (ha && !gate_is_open())
			ha_group_cut(ha);
	}
	*ret = ha;
	pthread_mutex_unlock(&open_lock);
	return rc < 0 ? p11_rv_from_err(&err) : CKR_OK;
}

/* ---- sessions ---- */

static void session_free(struct slot_session *session)
{
	ha_session_free(session->ha);
	pthread_mutex_destroy(&session->lock);
	free(session);
}

static void session_put(struct slot_session *session)
{
	if (atomic_fetch_sub(&session->users, 1) == 1)
		session_free(session);
}

/* Place of a handle in the list, n_sessions when it is not there. */
static size_t find_session(CK_SESSION_HANDLE handle)
{
	size_t low = 0, high = module.n_sessions;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (module.sessions[middle]->handle == handle)
			return middle;
		if (module.sessions[middle]->handle < handle)
			low = middle + 1;
		else
			high = middle;
	}
	return module.n_sessions;
}

struct slot_call slot_enter_module(void)
{
	bool inside = gate_enter();

	return (struct slot_call){.rv = inside ? CKR_OK : CKR_CRYPTOKI_NOT_INITIALIZED, .inside = inside};
}

struct slot_call slot_enter_slot(CK_SLOT_ID id)
{
	struct slot_call call = slot_enter_module();

	if (call.rv == CKR_OK && id >= module.n_slots)
		call.rv = CKR_SLOT_ID_INVALID;
	else if (call.rv == CKR_OK)
		call.slot = &module.slots[id];
	return call;
}

struct slot_call slot_enter(CK_SESSION_HANDLE handle)
{
	struct slot_call call = slot_enter_module();
	size_t at;

	if (call.rv != CKR_OK)
		return call;
	pthread_rwlock_rdlock(&module.lock);
	at = find_session(handle);
	if (at == module.n_sessions) {
		call.rv = CKR_SESSION_HANDLE_INVALID;
	} else {
		call.session = module.sessions[at];
		call.slot = call.session->slot;
		atomic_fetch_add(&call.session->users, 1);
	}
	pthread_rwlock_unlock(&module.lock);
	if (call.session)
		pthread_mutex_lock(&call.session->lock);
	return call;
}

void slot_leave(struct slot_call *call)
{
	if (call->session) {
		pthread_mutex_unlock(&call->session->lock);
		session_put(call->session);
	}
	if (call->inside)
		gate_leave();
}

CK_RV slot_run(struct slot_call *entered, struct p11_call *call)
{
	struct slot_session *session = entered->session;
	struct ha_group *group;
	CK_RV rv = session->ha ? CKR_OK : slot_group(session->slot, &group);

	if (rv == CKR_OK && !session->ha)
		rv = ha_session_open(group, session->flags, &session->ha);
	return rv == CKR_OK ? ha_call(session->ha, call) : rv;
}

CK_RV slot_session_open(struct slot *slot, CK_FLAGS flags, CK_SESSION_HANDLE *ret)
{
	struct slot_session *session = mem_new(struct slot_session);
	CK_RV rv = session ? CKR_OK : CKR_HOST_MEMORY;

	if (rv != CKR_OK)
		return rv;
	slot_login_settle(slot);
	pthread_mutex_init(&session->lock, NULL);
	session->slot = slot;
	session->flags = flags;
	session->users = 1;
	pthread_rwlock_wrlock(&module.lock);
	if (module.n_sessions == module.cap_sessions) {
		size_t cap = module.cap_sessions ? module.cap_sessions * 2 : 16;
		struct slot_session **grown = mem_grow(module.sessions, module.cap_sessions, cap, sizeof(*grown));

		rv = grown ? CKR_OK : CKR_HOST_MEMORY;
		module.sessions = grown ? grown : module.sessions;
		module.cap_sessions = grown ? cap : module.cap_sessions;
	}
	if (rv == CKR_OK) {
		session->handle = ++module.last_handle;
		module.sessions[module.n_sessions++] = session;
		slot->sessions++;
		slot->rw_sessions += (flags & CKF_RW_SESSION) != 0;
		*ret = session->handle;
	}
	pthread_rwlock_unlock(&module.lock);
	if (rv != CKR_OK)
		session_free(session);
	return rv;
}

/* Out of the list; the last call that uses it frees it. With the lock held for writing. */
static struct slot_session *take_out(size_t at)
{
	struct slot_session *session = module.sessions[at];

	memmove(&module.sessions[at], &module.sessions[at + 1],
		(module.n_sessions - at - 1) * sizeof(module.sessions[0]));
	module.n_sessions--;
	session->slot->sessions--;
	session->slot->rw_sessions -= (session->flags & CKF_RW_SESSION) != 0;
	return session;
}

/* Closing the last session logs out (PKCS#11 v3.0 section 5.6.2). With the lock held: so it is not the login of a
 * session opened meanwhile that ends. It is carried out without. */
static void note_when_last(struct slot *slot)
{
	if (slot->sessions == 0)
		slot->login.over = true;
}

CK_RV slot_session_close(CK_SESSION_HANDLE handle)
{
	struct slot_session *session = NULL;
	size_t at;

	pthread_rwlock_wrlock(&module.lock);
	at = find_session(handle);
	if (at < module.n_sessions) {
		session = take_out(at);
		note_when_last(session->slot);
	}
	pthread_rwlock_unlock(&module.lock);
	if (!session)
		return CKR_SESSION_HANDLE_INVALID;
	slot_login_settle(session->slot);
	session_put(session);
	return CKR_OK;
}

void slot_session_close_all(struct slot *slot)
{
	for (;;) {
		struct slot_session *session = NULL;

		pthread_rwlock_wrlock(&module.lock);
		for (size_t at = 0; at < module.n_sessions && !session; at++)
			if (module.sessions[at]->slot == slot)
				session = take_out(at);
		note_when_last(slot);
		pthread_rwlock_unlock(&module.lock);
		slot_login_settle(slot);
		if (!session)
			return;
		session_put(session);
	}
}
