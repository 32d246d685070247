/* SPDX-License-Identifier: Apache-2.0 */
/* Slots, the token in each, and what becomes of them when the document changes. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/event.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/str.h"
#include "fleet/fleet.h"
#include "p11/rv.h"
#include "slot/gate.h"
#include "slot/state.h"

enum { LOOK_MS = 1000 };

/* ---- tokens ---- */

static void token_free(struct slot_token *token)
{
	ha_group_free(token->ha);
	secret_free(token->login.pin);
	pthread_mutex_destroy(&token->login.lock);
	free(token->serial);
	free(token->domain);
	free(token);
}

void slot_token_put(struct slot_token *token)
{
	if (token && atomic_fetch_sub(&token->users, 1) == 1)
		token_free(token);
}

static struct slot_token *token_new(struct slot *slot, const struct fleet_group *group)
{
	struct slot_token *token = mem_new(struct slot_token);

	if (!token)
		return NULL;
	*token = (struct slot_token){.users = 1, .slot = slot};
	pthread_mutex_init(&token->login.lock, NULL);
	token->serial = mem_strdup(group->serial ? group->serial : "");
	token->domain = mem_strdup(group->domain ? group->domain : "");
	if (token->serial && token->domain)
		return token;
	token_free(token);
	return NULL;
}

static bool is_token_of(const struct slot_token *token, const struct fleet_group *group)
{
	return group && str_eq(token->serial, group->serial ? group->serial : "") &&
	       str_eq(token->domain, group->domain ? group->domain : "");
}

/* With open_lock. A store holds the administrator's certificate, a bundle only the application's. */
static CK_RV open_group(struct slot_token *token)
{
	owned(mem) char *mine = mem_printf("%s/pki/application.key", module.folder);
	const char *role = mine && access(mine, R_OK) == 0 ? "application" : "admin";
	const struct fleet_group *group;
	struct ha_group *ha = NULL;
	struct err err = {0};
	CK_RV rv = CKR_TOKEN_NOT_PRESENT;

	pthread_rwlock_rdlock(&module.lock);
	group = token->removed ? NULL : fleet_group(module.fleet, token->slot->name);
	if (group)
		rv = ha_group_open(module.fleet, group, module.folder, role, module.background, &ha, &err) < 0
			     ? p11_rv_from_err(&err)
			     : CKR_OK;
	token->ha = ha;
	pthread_rwlock_unlock(&module.lock);
	if (err.code)
		event_log(EVENT_GROUP_UNOPENED, "%s", err.message);
	/* Who closed the gate meanwhile did not see this one. */
	if (ha && !gate_is_open())
		ha_group_cut(ha);
	return rv;
}

CK_RV slot_group(struct slot_token *token, struct ha_group **ret)
{
	CK_RV rv = CKR_OK;

	if (!token->ha) {
		pthread_mutex_lock(&module.open_lock);
		rv = token->ha ? CKR_OK : open_group(token);
		pthread_mutex_unlock(&module.open_lock);
	}
	*ret = token->ha;
	return rv;
}

/* ---- slots ---- */

static void slot_free(struct slot *slot)
{
	free(slot->name);
	free(slot);
}

/* Of a name; NULL when there is none. With the lock held. */
static struct slot *slot_of(const char *name)
{
	for (size_t i = 0; i < module.n_slots; i++)
		if (str_eq(module.slots[i]->name, name))
			return module.slots[i];
	return NULL;
}

/* Without a token yet. With the lock held. */
static struct slot *add_slot(const struct fleet_group *group)
{
	size_t cap = module.cap_slots ? module.cap_slots * 2 : 8;
	struct slot **grown = module.slots, *slot;

	if (module.n_slots == module.cap_slots)
		grown = mem_grow(module.slots, module.cap_slots, cap, sizeof(*grown));
	if (!grown)
		return NULL;
	module.cap_slots = module.n_slots == module.cap_slots ? cap : module.cap_slots;
	module.slots = grown;
	slot = mem_new(struct slot);
	if (!slot)
		return NULL;
	slot->name = mem_strdup(group->name);
	slot->id = fleet_group_slot(group);
	if (!slot->name) {
		slot_free(slot);
		return NULL;
	}
	return module.slots[module.n_slots++] = slot;
}

CK_ULONG slot_list(bool with_token, CK_SLOT_ID *ret, CK_ULONG room)
{
	CK_ULONG count = 0;

	pthread_rwlock_rdlock(&module.lock);
	for (size_t i = 0; i < module.n_slots; i++) {
		if (with_token && !module.slots[i]->token)
			continue;
		if (count < room)
			ret[count] = module.slots[i]->id;
		count++;
	}
	pthread_rwlock_unlock(&module.lock);
	return count;
}

bool slot_event(CK_SLOT_ID *ret)
{
	bool told = false;

	pthread_rwlock_rdlock(&module.lock);
	for (size_t i = 0; i < module.n_slots && !told; i++) {
		told = atomic_exchange(&module.slots[i]->event, false);
		if (told)
			*ret = module.slots[i]->id;
	}
	pthread_rwlock_unlock(&module.lock);
	return told;
}

struct slot_call slot_enter_slot(CK_SLOT_ID id)
{
	struct slot_call call = slot_enter_module();

	if (call.rv != CKR_OK)
		return call;
	call.rv = CKR_SLOT_ID_INVALID;
	pthread_rwlock_rdlock(&module.lock);
	for (size_t i = 0; i < module.n_slots; i++) {
		if (module.slots[i]->id != id)
			continue;
		call.rv = CKR_OK;
		call.slot = module.slots[i];
		call.token = call.slot->token;
		if (call.token)
			atomic_fetch_add(&call.token->users, 1);
	}
	pthread_rwlock_unlock(&module.lock);
	return call;
}

struct slot_call slot_enter_token(CK_SLOT_ID id)
{
	struct slot_call call = slot_enter_slot(id);

	if (call.rv == CKR_OK && !call.token)
		call.rv = CKR_TOKEN_NOT_PRESENT;
	return call;
}

/* ---- following the document ---- */

/* Tokens that are gone, as a list of their slots' last ones: put down without the lock. */
struct ended {
	struct slot_token **list;
	size_t count;
};

/* With the lock held; ended has room. */
static void take_up_slot(struct slot *slot, const struct fleet_group *group, struct ended *ended)
{
	if (slot->token && !is_token_of(slot->token, group)) {
		slot->token->removed = true;
		ended->list[ended->count++] = slot->token;
		slot->token = NULL;
		slot->event = true;
	}
	if (group && !slot->token) {
		slot->token = token_new(slot, group);
		slot->event = true;
	}
}

/* The slots are those of this document from now on, which is the module's. */
static int take_up_slots(struct fleet *fleet, struct ended *ended, struct err *err)
{
	bool complete = true;

	ended->list = mem_zalloc((module.n_slots + 1) * sizeof(struct slot_token *));
	if (!ended->list) {
		fleet_free(fleet);
		return err_no_memory(err);
	}
	pthread_rwlock_wrlock(&module.lock);
	fleet_free(module.fleet);
	module.fleet = fleet;
	for (size_t i = 0; i < module.n_slots; i++)
		take_up_slot(module.slots[i], fleet_group(fleet, module.slots[i]->name), ended);
	for (size_t i = 0; i < fleet->n_groups; i++) {
		struct slot *slot = slot_of(fleet->groups[i].name);

		if (slot || (slot = add_slot(&fleet->groups[i])))
			take_up_slot(slot, &fleet->groups[i], ended);
		complete = complete && slot && slot->token;
	}
	pthread_rwlock_unlock(&module.lock);
	return complete ? 0 : err_no_memory(err);
}

/* Its sessions are over, and what runs in them is cut. */
static void end_token(struct slot_token *token)
{
	event_log(EVENT_GROUP_REPLACED, "the group '%s' is not the one any more that it was", token->slot->name);
	if (token->ha)
		ha_group_cut(token->ha);
	slot_session_close_all(token);
	slot_token_put(token);
}

/* Running groups see to their members by themselves. */
static void refresh_groups(void)
{
	for (size_t i = 0;; i++) {
		struct slot_token *token = NULL;
		bool last;

		pthread_rwlock_rdlock(&module.lock);
		last = i >= module.n_slots;
		token = last ? NULL : module.slots[i]->token;
		if (token)
			atomic_fetch_add(&token->users, 1);
		pthread_rwlock_unlock(&module.lock);
		if (last)
			return;
		if (token && token->ha)
			ha_group_refresh(token->ha);
		slot_token_put(token);
	}
}

/* With look_lock. 1 when the document is another one. */
static int take_up(struct ended *ended, struct err *err)
{
	struct fleet *fleet = NULL;
	int rc = fleet_watch_read(&module.watch, &fleet, err);

	if (rc <= 0)
		return rc;
	rc = take_up_slots(fleet, ended, err);
	/* What there was no memory for is tried again. */
	if (rc < 0)
		fleet_watch_again(&module.watch);
	return rc < 0 ? rc : 1;
}

/* Without any lock: whoever ends may be waited for. */
static void settle(const struct ended *ended)
{
	for (size_t i = 0; i < ended->count; i++)
		end_token(ended->list[i]);
	free(ended->list);
}

int slot_take_up_first(struct err *err)
{
	struct ended ended = {0};
	int rc = module.folder ? fleet_watch_init(&module.watch, module.folder, err) : err_no_memory(err);

	if (rc < 0)
		return rc;
	/* No store means no groups, as no reader means no slot. */
	if (!file_exists(module.watch.path)) {
		log_info("slot", "no store '%s'", module.folder);
		return 0;
	}
	rc = file_check_ours(module.folder, false, err);
	if (rc == 0)
		rc = take_up(&ended, err);
	settle(&ended);
	/* What was there at the beginning is no event. */
	for (size_t i = 0; i < module.n_slots; i++)
		module.slots[i]->event = false;
	return rc < 0 ? rc : 0;
}

/* With look_lock, which is given back. */
static void look(void)
{
	struct ended ended = {0};
	struct err err = {0};
	int rc = take_up(&ended, &err);

	atomic_store(&module.look_ms, clock_now_ms() + LOOK_MS);
	pthread_mutex_unlock(&module.look_lock);
	if (rc < 0)
		event_log(EVENT_SLOTS_STAY, "slots stay as they were: %s", err.message);
	settle(&ended);
	if (rc > 0)
		refresh_groups();
}

void slot_take_up(void)
{
	pthread_mutex_lock(&module.look_lock);
	look();
}

void slot_take_up_soon(void)
{
	if (clock_now_ms() >= atomic_load(&module.look_ms) && pthread_mutex_trylock(&module.look_lock) == 0)
		look();
}

/* ---- the end ---- */

void slot_cut_all(void)
{
	pthread_rwlock_rdlock(&module.lock);
	for (size_t i = 0; i < module.n_slots; i++)
		if (module.slots[i]->token && module.slots[i]->token->ha)
			ha_group_cut(module.slots[i]->token->ha);
	pthread_rwlock_unlock(&module.lock);
}

void slot_end_all(void)
{
	for (size_t i = 0; i < module.n_slots; i++) {
		if (module.slots[i]->token)
			slot_session_close_all(module.slots[i]->token);
		slot_token_put(module.slots[i]->token);
		slot_free(module.slots[i]);
	}
}
