/* SPDX-License-Identifier: Apache-2.0 */
/* The tokens themselves, and what is done to them behind their backs. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "internal.h"

struct fake_state {
	struct object **objects;
	size_t count;
};

static struct token tokens[FAKE_SLOTS];
static atomic_size_t total;
static atomic_bool ready;

struct token *token_of(CK_SLOT_ID slot)
{
	return slot < total ? &tokens[slot] : NULL;
}

size_t token_total(void)
{
	return total;
}

bool token_ready(bool *set)
{
	return set ? atomic_exchange(&ready, *set) : ready;
}

/* ---- locked, from outside ---- */

static void unlock(struct token **token)
{
	pthread_mutex_unlock(&(*token)->lock);
}

static struct token *lock(CK_SLOT_ID slot)
{
	struct token *token = token_of(slot);

	if (!token)
		abort();
	pthread_mutex_lock(&token->lock);
	return token;
}
#define LOCKED(slot) __attribute__((cleanup(unlock))) struct token *token = lock(slot)

/* ---- what the other files ask ---- */

/* splitmix64: good enough for keys that nobody wants. */
static uint64_t next_random(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

void token_random(struct token *token, void *ret, size_t len)
{
	for (size_t at = 0; at < len; at += sizeof(uint64_t)) {
		uint64_t word = next_random(&token->random);

		memcpy((uint8_t *)ret + at, &word, len - at < sizeof(word) ? len - at : sizeof(word));
	}
}

static bool contains(const CK_ULONG *list, size_t count, CK_ULONG value)
{
	for (size_t i = 0; i < count; i++)
		if (list[i] == value)
			return true;
	return false;
}

bool token_refuses(const struct token *token, CK_MECHANISM_TYPE type)
{
	return contains(token->refused, token->n_refused, type);
}

bool token_lacks(const struct token *token, CK_ATTRIBUTE_TYPE type)
{
	return contains(token->lacking, token->n_lacking, type);
}

/* Faults before the deed count the call; those behind it see what is left at zero. */
CK_RV token_fault(struct token *token, enum p11_fn fn, enum fake_when when, CK_RV rv)
{
	for (size_t i = 0; i < FAULTS_MAX; i++) {
		struct fault *fault = &token->faults[i];

		if (!fault->countdown || fault->when != when || (fault->fn != fn && fault->fn != P11_FN_MAX))
			continue;
		if (--fault->countdown == 0)
			rv = fault->rv;
	}
	return rv;
}

static void shuffle(struct token *token)
{
	for (size_t i = token->count; i > 1; i--) {
		size_t other = next_random(&token->random) % i;
		struct object *object = token->objects[i - 1];

		token->objects[i - 1] = token->objects[other];
		token->objects[other] = object;
	}
}

void token_restart(struct token *token)
{
	session_close_all(token);
	token->who = NOBODY;
	object_drop_owned(token, NULL);
	shuffle(token);
	object_renumber(token, false);
}

void token_clear(struct token *token)
{
	session_close_all(token);
	while (token->count)
		object_remove(token, token->count - 1);
}

/* ---- the control interface ---- */

static void fill(CK_UTF8CHAR *field, size_t len, const char *text)
{
	memset(field, ' ', len);
	memcpy(field, text, strlen(text) < len ? strlen(text) : len);
}

static void begin(struct token *token, CK_SLOT_ID slot, uint64_t seed)
{
	static const char PIN[] = "1234";
	char text[32];

	token_clear(token);
	free(token->objects);
	*token = (struct token){.lock = PTHREAD_MUTEX_INITIALIZER, .slot = slot, .random = seed};
	token->random = next_random(&token->random) + slot;
	token->last_handle = (slot + 1) << 32;
	snprintf(text, sizeof(text), "fake-%lu", slot);
	fill(token->label, sizeof(token->label), text);
	snprintf(text, sizeof(text), "fa4e%012lx", slot);
	fill(token->serial, sizeof(token->serial), text);
	memcpy(token->pin, PIN, sizeof(PIN) - 1);
	token->pin_len = sizeof(PIN) - 1;
}

void token_rename(struct token *token, const char *label)
{
	uint64_t serial = token->slot;
	char text[17];

	for (const char *at = label; *at; at++)
		serial = (serial ^ (uint8_t)*at) * 0x100000001b3;
	fill(token->label, sizeof(token->label), label);
	snprintf(text, sizeof(text), "%016lx", serial);
	fill(token->serial, sizeof(token->serial), text);
	token->pin_len = 0;
	token->random += serial;
	rsa_begin(token->random);
}

void fake_reset(size_t count, uint64_t seed)
{
	bool yes = true;

	if (count > FAKE_SLOTS)
		abort();
	for (size_t i = 0; i < FAKE_SLOTS; i++)
		if (i < count || tokens[i].objects || tokens[i].sessions)
			begin(&tokens[i], i, seed);
	rsa_begin(seed);
	total = count;
	token_ready(&yes);
}

void fake_restart(CK_SLOT_ID slot)
{
	LOCKED(slot);

	token_restart(token);
}

static struct object *copy_of(const struct object *object)
{
	struct object *copy = mem_new(struct object);

	if (!copy || p11_attrs_merge(&copy->attrs, object->attrs.items, object->attrs.count, NULL) < 0)
		abort();
	return copy;
}

struct fake_state *fake_save(CK_SLOT_ID slot)
{
	LOCKED(slot);
	struct fake_state *state = mem_new(struct fake_state);

	if (!state || !(state->objects = mem_zalloc((token->count + 1) * sizeof(struct object *))))
		abort();
	for (size_t i = 0; i < token->count; i++)
		if (!token->objects[i]->owner)
			state->objects[state->count++] = copy_of(token->objects[i]);
	return state;
}

void fake_restore(CK_SLOT_ID slot, const struct fake_state *state)
{
	LOCKED(slot);
	size_t limit = token->limit;

	token_clear(token);
	token->limit = 0;
	for (size_t i = 0; i < state->count; i++) {
		struct object *copy = copy_of(state->objects[i]);
		CK_OBJECT_HANDLE ignored;

		if (object_keep(token, &copy, &ignored) != CKR_OK)
			abort();
	}
	token->limit = limit;
	token_restart(token);
}

void fake_state_free(struct fake_state *state)
{
	for (size_t i = 0; state && i < state->count; i++)
		object_free(state->objects[i]);
	if (state)
		free(state->objects);
	free(state);
}

void fake_forget(CK_SLOT_ID slot, size_t n)
{
	LOCKED(slot);

	session_close_all(token);
	while (n-- && token->count) {
		size_t newest = 0;

		for (size_t i = 1; i < token->count; i++)
			if (token->objects[i]->number > token->objects[newest]->number)
				newest = i;
		object_remove(token, newest);
	}
	token_restart(token);
}

void fake_wipe(CK_SLOT_ID slot)
{
	LOCKED(slot);

	token_clear(token);
}

bool fake_tear(CK_SLOT_ID slot, CK_OBJECT_HANDLE handle, CK_ATTRIBUTE_TYPE first_lost)
{
	LOCKED(slot);
	struct object *object = object_find(token, handle);

	for (CK_ULONG i = object ? object->attrs.count : 0; i-- > 0;)
		if (object->attrs.items[i].type >= first_lost)
			p11_attrs_remove(&object->attrs, object->attrs.items[i].type);
	if (!object || rule_fill(&object->attrs) != CKR_OK)
		return false;
	rsa_free(object->rsa);
	object->rsa = NULL;
	token->changes++;
	return true;
}

bool fake_change(CK_SLOT_ID slot, CK_OBJECT_HANDLE handle, CK_ATTRIBUTE_TYPE type, const void *value, CK_ULONG len)
{
	LOCKED(slot);
	struct object *object = object_find(token, handle);

	if (!object)
		return false;
	if (value && object_set(object, type, value, len) != CKR_OK)
		return false;
	if (!value)
		p11_attrs_remove(&object->attrs, type);
	rsa_free(object->rsa);
	object->rsa = NULL;
	token->changes++;
	return rule_fill(&object->attrs) == CKR_OK;
}

void fake_fail(CK_SLOT_ID slot, enum p11_fn fn, unsigned countdown, CK_RV rv, enum fake_when when)
{
	LOCKED(slot);

	for (size_t i = 0; i < FAULTS_MAX; i++)
		if (!token->faults[i].countdown) {
			token->faults[i] = (struct fault){fn, countdown, rv, when};
			return;
		}
	abort();
}

void fake_refuse_mechanism(CK_SLOT_ID slot, CK_MECHANISM_TYPE type)
{
	LOCKED(slot);

	if (token->n_refused == SHUNNED_MAX)
		abort();
	token->refused[token->n_refused++] = type;
}

void fake_offer_vendors(CK_SLOT_ID slot)
{
	LOCKED(slot);

	token->vendors = true;
}

void fake_offer_messages(CK_SLOT_ID slot)
{
	LOCKED(slot);

	token->messages = true;
}

void fake_lack_attribute(CK_SLOT_ID slot, CK_ATTRIBUTE_TYPE type)
{
	LOCKED(slot);

	if (token->n_lacking == SHUNNED_MAX)
		abort();
	token->lacking[token->n_lacking++] = type;
}

void fake_limit(CK_SLOT_ID slot, size_t objects)
{
	LOCKED(slot);

	token->limit = objects;
}

void fake_lie(CK_SLOT_ID slot, unsigned what)
{
	LOCKED(slot);

	token->lies = what;
}

void fake_litter(CK_SLOT_ID slot, bool litters)
{
	LOCKED(slot);

	token->litters = litters;
}

void fake_heal(CK_SLOT_ID slot)
{
	LOCKED(slot);

	memset(token->faults, 0, sizeof(token->faults));
	token->n_refused = token->n_lacking = token->limit = 0;
	token->lies = 0;
	token->litters = token->vendors = token->messages = false;
}

CK_OBJECT_HANDLE fake_plant(CK_SLOT_ID slot, const CK_ATTRIBUTE *items, CK_ULONG count)
{
	LOCKED(slot);
	owned(object) struct object *object = mem_new(struct object);
	CK_OBJECT_HANDLE handle;

	if (!object || p11_attrs_merge(&object->attrs, items, count, NULL) < 0 ||
	    object_set_flag(object, CKA_TOKEN, true) != CKR_OK || rule_fill(&object->attrs) != CKR_OK)
		return CK_INVALID_HANDLE;
	return object_keep(token, &object, &handle) == CKR_OK ? handle : CK_INVALID_HANDLE;
}

void fake_each(CK_SLOT_ID slot, void (*each)(void *data, CK_OBJECT_HANDLE handle, const struct p11_attrs *attrs),
	       void *data)
{
	LOCKED(slot);

	for (size_t i = 0; i < token->count; i++)
		if (!token->objects[i]->owner)
			each(data, token->objects[i]->handle, &token->objects[i]->attrs);
}

unsigned long fake_calls(CK_SLOT_ID slot, enum p11_fn fn)
{
	LOCKED(slot);

	return token->calls[fn];
}

uint64_t fake_changes(CK_SLOT_ID slot)
{
	LOCKED(slot);

	return token->changes;
}
