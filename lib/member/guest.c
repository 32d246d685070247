/* SPDX-License-Identifier: Apache-2.0 */
/* What one connection may do on the shared token. */
#include "member/guest.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "member/book.h"
#include "member/host.h"
#include "member/library.h"

enum { SESSIONS_MAX = 1024 };

struct guest {
	struct host *host;
	struct host_peer peer;
	bool logged_in;
	CK_SESSION_HANDLE *sessions;
	size_t n_sessions, cap;
};

int guest_new(struct host *host, const struct host_peer *peer, struct guest **ret, struct err *err)
{
	struct guest *guest = mem_new(struct guest);

	if (!guest)
		return err_no_memory(err);
	guest->host = host;
	guest->peer = *peer;
	*ret = guest;
	return 0;
}

void guest_free(struct guest *guest)
{
	if (!guest)
		return;
	/* First out of the books: a handle may be given out again once its
	 * session is closed. */
	host_forget_guest(guest->host, guest);
	book_leave(host_book(guest->host), guest);
	for (size_t i = 0; i < guest->n_sessions; i++)
		host_functions(guest->host)->C_CloseSession(guest->sessions[i]);
	free(guest->sessions);
	free(guest);
}

bool guest_is_logged_in(const struct guest *guest)
{
	return guest->logged_in;
}

static bool has_session(const struct guest *guest, CK_SESSION_HANDLE session)
{
	for (size_t i = 0; i < guest->n_sessions; i++)
		if (guest->sessions[i] == session)
			return true;
	return false;
}

static CK_RV add_session(struct guest *guest, CK_SESSION_HANDLE session)
{
	if (guest->n_sessions == guest->cap) {
		size_t cap = guest->cap ? guest->cap * 2 : 4;
		bool full = cap > SESSIONS_MAX;
		CK_SESSION_HANDLE *grown = full ? NULL : mem_grow(guest->sessions, guest->cap, cap, sizeof(*grown));

		if (!grown) {
			host_functions(guest->host)->C_CloseSession(session);
			return full ? CKR_SESSION_COUNT : CKR_HOST_MEMORY;
		}
		guest->sessions = grown;
		guest->cap = cap;
	}
	guest->sessions[guest->n_sessions++] = session;
	return CKR_OK;
}

static void drop_session(struct guest *guest, CK_SESSION_HANDLE session)
{
	for (size_t i = 0; i < guest->n_sessions; i++)
		if (guest->sessions[i] == session)
			guest->sessions[i] = guest->sessions[--guest->n_sessions];
}

/* Private objects are for those who logged in on this connection. */
static bool visible(const void *who, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object)
{
	const struct guest *guest = who;
	CK_BBOOL is_private = CK_TRUE;
	CK_ATTRIBUTE value = {CKA_PRIVATE, &is_private, sizeof(is_private)};

	if (host_object_is_foreign(guest->host, guest, object))
		return false;
	if (guest->logged_in)
		return true;
	return host_functions(guest->host)->C_GetAttributeValue(session, object, &value, 1) == CKR_OK && !is_private;
}

/* May this call go to the token? */
static CK_RV admit(struct guest *guest, const struct p11_call *call)
{
	const struct p11_fn_info *info = &p11_fn_table[call->fn];

	for (int i = 0; i < P11_ARGS_MAX && info->args[i] != P11_ARG_END; i++)
		if (info->args[i] == P11_ARG_SESSION && !has_session(guest, call->args[i].number))
			return CKR_SESSION_HANDLE_INVALID;
	if (!guest->logged_in && !(info->flags & P11_ANYONE))
		return CKR_USER_NOT_LOGGED_IN;
	for (int i = 0; i < P11_ARGS_MAX && info->args[i] != P11_ARG_END; i++)
		if (info->args[i] == P11_ARG_OBJECT && !visible(guest, call->args[0].number, call->args[i].number))
			return CKR_OBJECT_HANDLE_INVALID;
	return CKR_OK;
}

static CK_RV virtual_login(struct guest *guest, const struct p11_call *call)
{
	CK_RV rv;

	/* SO work is done by a process of its own, never by the daemon. */
	if (call->args[1].number != CKU_USER)
		return CKR_USER_TYPE_INVALID;
	if (guest->logged_in)
		return CKR_USER_ALREADY_LOGGED_IN;
	rv = host_login(guest->host, &guest->peer, call->args[2].in, call->args[2].number);
	guest->logged_in = rv == CKR_OK;
	return rv;
}

/* Handles this guest may see, moved to the front; how many. */
static CK_ULONG filter(struct guest *guest, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE *list, CK_ULONG found)
{
	CK_ULONG kept = 0;

	for (CK_ULONG i = 0; i < found; i++)
		if (visible(guest, session, list[i]))
			list[kept++] = list[i];
	return kept;
}

/* As many as there is room for: fewer would tell the client that there are no more. */
static CK_RV find(struct guest *guest, struct p11_call *call)
{
	CK_SESSION_HANDLE session = call->args[0].number;
	CK_ULONG room = call->args[1].number, kept = 0, found;
	CK_OBJECT_HANDLE *list = call->args[1].out;

	do {
		found = 0;
		call->rv = library_find(host_functions(guest->host), session, list + kept, room - kept, &found);
		if (call->rv == CKR_OK)
			kept += filter(guest, session, list + kept, found);
	} while (call->rv == CKR_OK && found && kept < room);
	*call->args[1].out_len = kept;
	return call->rv;
}

/* A new object belongs to this guest unless it went to the token. */
static void own_result(struct guest *guest, const struct p11_call *call)
{
	const struct p11_fn_info *info = &p11_fn_table[call->fn];

	for (int i = 0; i < P11_ARGS_MAX && info->args[i] != P11_ARG_END; i++) {
		CK_BBOOL token = CK_FALSE;
		CK_ATTRIBUTE value = {CKA_TOKEN, &token, sizeof(token)};
		CK_OBJECT_HANDLE object;

		if (info->args[i] != P11_ARG_OUT_HANDLE)
			continue;
		object = *(CK_OBJECT_HANDLE *)call->args[i].out;
		host_functions(guest->host)->C_GetAttributeValue(call->args[0].number, object, &value, 1);
		if (!token)
			host_own_object(guest->host, guest, object);
	}
}

static CK_RV execute(struct guest *guest, struct p11_call *call)
{
	CK_RV rv = admit(guest, call);

	if (rv != CKR_OK)
		return rv;
	if (call->fn == P11_C_Login)
		return virtual_login(guest, call);
	if (call->fn == P11_C_Logout) {
		guest->logged_in = false;
		return CKR_OK;
	}
	if (call->fn == P11_C_FindObjects)
		return find(guest, call);
	rv = book_execute(host_book(guest->host), &(struct book_guest){guest, visible}, call);
	if (rv != CKR_OK)
		return rv;
	if (call->fn == P11_C_OpenSession)
		return add_session(guest, *(CK_SESSION_HANDLE *)call->args[2].out);
	if (call->fn == P11_C_CloseSession)
		drop_session(guest, call->args[0].number);
	if (call->fn == P11_C_DestroyObject)
		host_disown_object(guest->host, call->args[1].number);
	if (p11_fn_table[call->fn].flags & P11_WRITES) {
		own_result(guest, call);
		host_changed(guest->host);
	}
	return CKR_OK;
}

void guest_execute(struct guest *guest, struct p11_call *calls, size_t count)
{
	struct book *book = host_book(guest->host);
	bool step = book_is_step(calls, count), begun = false;
	CK_RV rv = CKR_OK;

	for (size_t i = 0; i < count && rv == CKR_OK; i++) {
		/* Who has not logged in changes nothing, and holds nobody up. */
		if (step && !begun && guest->logged_in) {
			rv = book_begin(book);
			begun = rv == CKR_OK;
		}
		if (rv == CKR_OK)
			rv = execute(guest, &calls[i]);
		calls[i].rv = rv;
	}
	if (begun)
		book_end(book);
}
