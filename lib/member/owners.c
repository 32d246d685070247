/* SPDX-License-Identifier: Apache-2.0 */
/* Owners of session objects: two tables of handles, and a list of objects for each session. */
#include "member/owners.h"

#include <stdint.h>

#include "base/mem.h"

enum { FIRST_SIZE = 64 };

/* At the start of what is in a table. */
struct owners_node {
	struct owners_node *next;
	CK_ULONG handle;
};

struct made_on {
	struct owners_node node;	/* of the session */
	struct owned_object *first;
};

struct owned_object {
	struct owners_node node;
	const void *guest;
	struct made_on *session;
	struct owned_object *before, *after;	/* of the same session */
};

/* ---- tables ---- */

/* Handles are mostly counted up. */
static struct owners_node **head(const struct owners_table *table, CK_ULONG handle)
{
	uint64_t spread = (uint64_t)handle * 0x9e3779b97f4a7c15;

	return &table->heads[spread >> 32 & (table->size - 1)];
}

static struct owners_node *find(const struct owners_table *table, CK_ULONG handle)
{
	struct owners_node *node = table->size ? *head(table, handle) : NULL;

	while (node && node->handle != handle)
		node = node->next;
	return node;
}

static void link_in(struct owners_table *table, struct owners_node *node)
{
	struct owners_node **at = head(table, node->handle);

	node->next = *at;
	*at = node;
}

static bool make_room(struct owners_table *table)
{
	struct owners_table grown = {.size = table->size ? 2 * table->size : FIRST_SIZE, .count = table->count};
	struct owners_node *node, *next;

	if (table->count < table->size)
		return true;
	grown.heads = mem_zalloc(grown.size * sizeof(*grown.heads));
	if (!grown.heads)
		return false;
	for (size_t i = 0; i < table->size; i++) {
		for (node = table->heads[i]; node; node = next) {
			next = node->next;
			link_in(&grown, node);
		}
	}
	free(table->heads);
	*table = grown;
	return true;
}

/* A new one of that size, NULL without memory. */
static void *insert(struct owners_table *table, CK_ULONG handle, size_t size)
{
	struct owners_node *node = make_room(table) ? mem_zalloc(size) : NULL;

	if (!node)
		return NULL;
	node->handle = handle;
	link_in(table, node);
	table->count++;
	return node;
}

static void take_out(struct owners_table *table, struct owners_node *node)
{
	struct owners_node **at = head(table, node->handle);

	while (*at != node)
		at = &(*at)->next;
	*at = node->next;
	table->count--;
	free(node);
}

static void release(struct owners_table *table)
{
	for (size_t i = 0; i < table->size; i++)
		while (table->heads[i])
			take_out(table, table->heads[i]);
	free(table->heads);
	*table = (struct owners_table){0};
}

void owners_release(struct owners *owners)
{
	release(&owners->objects);
	release(&owners->sessions);
}

/* ---- objects ---- */

static void forget(struct owners *owners, struct owned_object *object)
{
	struct made_on *session = object->session;

	if (object->after)
		object->after->before = object->before;
	if (object->before)
		object->before->after = object->after;
	else
		session->first = object->after;
	take_out(&owners->objects, &object->node);
	if (!session->first)
		take_out(&owners->sessions, &session->node);
}

bool owners_add(struct owners *owners, const void *guest, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object)
{
	struct owned_object *owned;
	struct made_on *on;

	owners_drop(owners, object);
	owned = insert(&owners->objects, object, sizeof(*owned));
	on = owned ? (struct made_on *)find(&owners->sessions, session) : NULL;
	if (owned && !on)
		on = insert(&owners->sessions, session, sizeof(*on));
	if (owned && !on)
		take_out(&owners->objects, &owned->node);
	if (!on)
		return false;
	owned->guest = guest;
	owned->session = on;
	owned->after = on->first;
	if (on->first)
		on->first->before = owned;
	on->first = owned;
	return true;
}

void owners_drop(struct owners *owners, CK_OBJECT_HANDLE object)
{
	struct owned_object *owned = (struct owned_object *)find(&owners->objects, object);

	if (owned)
		forget(owners, owned);
}

void owners_drop_session(struct owners *owners, CK_SESSION_HANDLE session)
{
	/* It goes with its last object. */
	for (struct made_on *on; (on = (struct made_on *)find(&owners->sessions, session));)
		forget(owners, on->first);
}

const void *owners_find(const struct owners *owners, CK_OBJECT_HANDLE object)
{
	const struct owned_object *owned = (const struct owned_object *)find(&owners->objects, object);

	return owned ? owned->guest : NULL;
}

bool owners_has_session(const struct owners *owners, CK_SESSION_HANDLE session)
{
	return find(&owners->sessions, session);
}
