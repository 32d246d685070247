/* SPDX-License-Identifier: Apache-2.0 */
/* What memos there are on a hosted token: one search, then an account of changes. */
#include "member/catalogue.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "member/book.h"
#include "member/host.h"
#include "member/kept.h"

struct catalogue_entry {
	CK_OBJECT_HANDLE object;
	size_t len;
	uint8_t label[MEMO_LABEL];
};

/* ---- entries; with the lock held ---- */

static void forget(struct catalogue *c)
{
	free(c->entries);
	c->entries = NULL;
	c->count = c->cap = 0;
	c->whole = false;
}

void catalogue_release(struct catalogue *c)
{
	forget(c);
}

static void drop(struct catalogue *c, CK_OBJECT_HANDLE object)
{
	for (size_t i = c->count; i-- > 0;) {
		if (c->entries[i].object != object)
			continue;
		memmove(&c->entries[i], &c->entries[i + 1], (--c->count - i) * sizeof(*c->entries));
		return;
	}
}

static bool make_room(struct catalogue *c)
{
	size_t cap = c->cap ? c->cap * 2 : 64;
	struct catalogue_entry *grown;

	if (c->count < c->cap)
		return true;
	grown = mem_grow(c->entries, c->cap, cap, sizeof(*grown));
	if (!grown)
		return false;
	c->entries = grown;
	c->cap = cap;
	return true;
}

static bool add(struct catalogue *c, CK_OBJECT_HANDLE object, const CK_ATTRIBUTE *label)
{
	struct catalogue_entry *entry;

	if (!make_room(c))
		return false;
	entry = &c->entries[c->count++];
	*entry = (struct catalogue_entry){.object = object, .len = label->ulValueLen};
	memcpy(entry->label, label->pValue, label->ulValueLen);
	return true;
}

/* ---- the search ---- */

/* What is a memo on the token. */
static CK_RV take_in(struct host *host, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object)
{
	struct catalogue *c = host_catalogue(host);
	struct kept_seen seen = {0};
	enum kept_kind kind = kept_look(host_functions(host), session, object, &seen);
	const CK_ATTRIBUTE *label = p11_attrs_find(&seen.attrs, CKA_LABEL);

	if (kind == KEPT_IS_NOTHING || kept_is_key(kind) || !seen.token || !label)
		return CKR_OK;
	return add(c, object, label) ? CKR_OK : CKR_HOST_MEMORY;
}

static CK_RV take_found(void *data, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object)
{
	return take_in(data, session, object);
}

static CK_RV fill(struct host *host)
{
	struct catalogue *c = host_catalogue(host);
	CK_OBJECT_CLASS class = CKO_DATA;
	const CK_ATTRIBUTE memos[] = {
		{CKA_CLASS, &class, sizeof(class)},
		{CKA_APPLICATION, (void *)KEPT_APPLICATION, sizeof(KEPT_APPLICATION) - 1},
	};
	CK_RV rv = c->whole ? CKR_OK : book_each(host_book(host), memos, 2, take_found, host);

	c->whole = rv == CKR_OK;
	if (!c->whole)
		forget(c);
	return rv;
}

CK_RV catalogue_find(struct host *host, const void *label, size_t len, CK_OBJECT_HANDLE *list, CK_ULONG room,
		     CK_ULONG *ret_count)
{
	struct catalogue *c = host_catalogue(host);
	CK_ULONG count = 0;
	CK_RV rv;

	pthread_mutex_lock(&c->lock);
	rv = fill(host);
	for (size_t i = c->count; i-- > 0 && rv == CKR_OK;) {
		if (c->entries[i].len != len || memcmp(c->entries[i].label, label, len) != 0)
			continue;
		if (count < room)
			list[count++] = c->entries[i].object;
		else
			rv = CKR_HOST_MEMORY;
	}
	pthread_mutex_unlock(&c->lock);
	*ret_count = rv == CKR_OK ? count : 0;
	return rv;
}

/* ---- changes ---- */

/* Which object there may be a memo of now. */
static CK_OBJECT_HANDLE written(const struct p11_call *call)
{
	switch (call->fn) {
	case P11_C_CreateObject:
		return *(CK_OBJECT_HANDLE *)call->args[2].out;
	case P11_C_CopyObject:
		return *(CK_OBJECT_HANDLE *)call->args[3].out;
	case P11_C_SetAttributeValue:
		return call->args[1].number;
	default:
		return CK_INVALID_HANDLE;
	}
}

/* It may be another memo now, or none. */
static CK_RV take_anew(struct host *host, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object)
{
	drop(host_catalogue(host), object);
	return take_in(host, session, object);
}

void catalogue_note(struct host *host, const struct p11_call *call)
{
	struct catalogue *c = host_catalogue(host);
	CK_OBJECT_HANDLE object = written(call);

	pthread_mutex_lock(&c->lock);
	if (c->whole && call->fn == P11_C_DestroyObject)
		drop(c, call->args[1].number);
	/* Who cannot keep account searches again. */
	else if (c->whole && object && take_anew(host, call->args[0].number, object) != CKR_OK)
		forget(c);
	pthread_mutex_unlock(&c->lock);
}
