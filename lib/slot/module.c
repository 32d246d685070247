/* SPDX-License-Identifier: Apache-2.0 */
/* The module's process state: its beginning and its end. */
#include "slot/state.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/event.h"
#include "base/file.h"
#include "base/foreign.h"
#include "base/inherit.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "fleet/fleet.h"
#include "p11/rv.h"
#include "slot/gate.h"

struct slot_state module = {SLOT_STATE_LOCKS};

enum { RESERVED_MAX = 8192 };

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
static char *chosen_folder(const char *reserved)
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

/* As it is called from anywhere: hosts change their working directory. */
static char *choose_folder(const char *reserved)
{
	owned(mem) char *chosen = chosen_folder(reserved);

	return chosen ? file_absolute(chosen) : NULL;
}

static void forget(void)
{
	fleet_watch_release(&module.watch);
	fleet_free(module.fleet);
	free(module.slots);
	free(module.folder);
	free(module.sessions);
	module = (struct slot_state){SLOT_STATE_LOCKS, .last_handle = module.last_handle};
}

/* A reserved pointer is a text, or nothing that we may follow. */
static CK_RV read_reserved(const void *reserved, char *ret, size_t size)
{
	struct err err = {0};

	*ret = 0;
	if (!reserved || foreign_text(reserved, ret, size, &err) == 0)
		return CKR_OK;
	event_log(EVENT_ARGUMENTS, "C_Initialize, pReserved: %s", err.message);
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
	module = (struct slot_state){SLOT_STATE_LOCKS, .last_handle = module.last_handle};
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
	if (slot_take_up_first(&err) == 0)
		return CKR_OK;
	event_log(EVENT_STORE_UNREAD, "%s", err.message);
	forget();
	return CKR_GENERAL_ERROR;
}

CK_RV slot_initialize(const CK_C_INITIALIZE_ARGS *args)
{
	return gate_open(begin, (void *)args);
}

static void end(void)
{
	slot_end_all();
	forget();
}

CK_RV slot_finalize(void)
{
	return gate_close(slot_cut_all, end);
}

struct slot_call slot_enter_module(void)
{
	bool inside = gate_enter();

	if (inside)
		slot_take_up_soon();
	return (struct slot_call){.rv = inside ? CKR_OK : CKR_CRYPTOKI_NOT_INITIALIZED, .inside = inside};
}
