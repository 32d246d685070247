/* SPDX-License-Identifier: Apache-2.0 */
/* What a connection may do on the shared token. */
#include "member/visit.h"

#include "base/err.h"
#include "base/mem.h"
#include "member/book.h"
#include "member/catalogue.h"
#include "member/guest.h"
#include "member/host.h"
#include "member/library.h"
#include "member/role.h"

struct visit {
	struct host *host;
	struct guest *guest;
	const struct p11_call *batch;	/* being carried out */
};

int visit_begin(struct host *host, const struct host_peer *peer, const uint8_t *instance, struct visit **ret,
		struct err *err)
{
	owned(mem) struct visit *visit = mem_new(struct visit);
	int rc;

	if (!visit)
		return err_no_memory(err);
	visit->host = host;
	rc = guest_enter(host, peer, instance, &visit->guest, err);
	if (rc == 0)
		*ret = own_take(visit);
	return rc;
}

void visit_free(struct visit *visit)
{
	if (!visit)
		return;
	guest_leave(visit->guest, visit);
	free(visit);
}

bool visit_is_logged_in(const struct visit *visit)
{
	return guest_is_logged_in(visit->guest);
}

/* Private objects are for those who logged in. */
static bool visible(const void *who, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object)
{
	const struct guest *guest = who;
	struct host *host = guest_host(guest);
	CK_BBOOL is_private = CK_TRUE;
	CK_ATTRIBUTE value = {CKA_PRIVATE, &is_private, sizeof(is_private)};
	const void *owner = host_object_owner(host, object);

	if (owner && owner != guest)
		return false;
	if (guest_is_logged_in(guest))
		return true;
	return host_functions(host)->C_GetAttributeValue(session, object, &value, 1) == CKR_OK && !is_private;
}

/* To who reads it is not there. Who wants to use it may just have to log in: on another connection somebody logged out. */
static CK_RV invisible(const struct guest *guest, const struct p11_call *call)
{
	bool reads = call->fn == P11_C_GetAttributeValue || p11_fn_table[call->fn].where == P11_WHERE_HOST;

	return guest_is_logged_in(guest) || reads ? CKR_OBJECT_HANDLE_INVALID : CKR_USER_NOT_LOGGED_IN;
}

static bool is_own(const struct visit *visit, CK_OBJECT_HANDLE object)
{
	return host_object_owner(visit->host, object) == visit->guest;
}

/* Whoever did not log in makes and changes nothing but public objects of its own. The token would not say so: it is logged
 * in. */
static bool stays_outside(const struct visit *visit, const struct p11_call *call)
{
	const struct p11_fn_info *info = &p11_fn_table[call->fn];
	bool made = info->repeat == P11_REPEAT_MAKER && call->fn != P11_C_CopyObject, outside = true;

	for (int i = 0; i < P11_ARGS_MAX && info->args[i] != P11_ARG_END; i++) {
		const struct p11_attrs template = {(CK_ATTRIBUTE *)call->args[i].in, call->args[i].number, 0};

		if (made && info->args[i] == P11_ARG_TEMPLATE)
			outside = outside && !p11_attrs_bool(&template, CKA_TOKEN, false) &&
				  !p11_attrs_bool(&template, CKA_PRIVATE, true);
		else if (!made && info->args[i] == P11_ARG_OBJECT)
			outside = outside && is_own(visit, call->args[i].number);
	}
	return outside;
}

static CK_RV judge(const struct visit *visit, const struct p11_call *call)
{
	const struct guest *guest = visit->guest;

	return role_judge(visit->host, guest_name(guest), guest_role(guest), visit->batch, (size_t)(call - visit->batch));
}

/* May this call go to the token? */
static CK_RV admit(const struct visit *visit, const struct p11_call *call)
{
	const struct p11_fn_info *info = &p11_fn_table[call->fn];
	const struct guest *guest = visit->guest;

	if (!guest_is_logged_in(guest) &&
	    ((info->flags & P11_USERS) || ((info->flags & P11_WRITES) && !stays_outside(visit, call))))
		return CKR_USER_NOT_LOGGED_IN;
	for (int i = 0; i < P11_ARGS_MAX && info->args[i] != P11_ARG_END; i++)
		if (info->args[i] == P11_ARG_OBJECT && !visible(guest, call->args[0].number, call->args[i].number))
			return invisible(guest, call);
	return judge(visit, call);
}

static CK_RV virtual_login(struct visit *visit, const struct p11_call *call)
{
	/* SO work is done by a process of its own, never by the daemon. */
	if (call->args[1].number != CKU_USER)
		return CKR_USER_TYPE_INVALID;
	return guest_login(visit->guest, call->args[2].in, call->args[2].number);
}

/* Handles this guest may see, moved to the front; how many. */
static CK_ULONG filter(const struct guest *guest, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE *list, CK_ULONG found)
{
	CK_ULONG kept = 0;

	for (CK_ULONG i = 0; i < found; i++)
		if (visible(guest, session, list[i]))
			list[kept++] = list[i];
	return kept;
}

/* As many as there is room for: fewer would tell the client that there are no more. */
static CK_RV find(const struct visit *visit, struct p11_call *call)
{
	CK_SESSION_HANDLE session = call->args[0].number;
	CK_ULONG room = call->args[1].number, kept = 0, found;
	CK_OBJECT_HANDLE *list = call->args[1].out;

	do {
		found = 0;
		call->rv = library_find(host_functions(visit->host), session, list + kept, room - kept, &found);
		if (call->rv == CKR_OK)
			kept += filter(visit->guest, session, list + kept, found);
	} while (call->rv == CKR_OK && found && kept < room);
	*call->args[1].out_len = kept;
	return call->rv;
}

/* A new session object is this guest's, or it is not left: without an owner it would be everybody's. */
static CK_RV own(const struct visit *visit, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object)
{
	if (guest_own_object(visit->guest, session, object))
		return CKR_OK;
	host_functions(visit->host)->C_DestroyObject(session, object);
	return CKR_HOST_MEMORY;
}

/* A new object belongs to this guest unless it went to the token. Did any? */
static CK_RV own_result(const struct visit *visit, const struct p11_call *call, bool *ret_any)
{
	const struct p11_fn_info *info = &p11_fn_table[call->fn];
	CK_RV rv = CKR_OK;

	*ret_any = false;
	for (int i = 0; i < P11_ARGS_MAX && info->args[i] != P11_ARG_END; i++) {
		CK_BBOOL token = CK_FALSE;
		CK_ATTRIBUTE value = {CKA_TOKEN, &token, sizeof(token)};
		CK_OBJECT_HANDLE object;

		if (info->args[i] != P11_ARG_OUT_HANDLE)
			continue;
		object = *(CK_OBJECT_HANDLE *)call->args[i].out;
		host_functions(visit->host)->C_GetAttributeValue(call->args[0].number, object, &value, 1);
		*ret_any = *ret_any || token;
		if (!token && own(visit, call->args[0].number, object) != CKR_OK)
			rv = CKR_HOST_MEMORY;
	}
	return rv;
}

/* It was carried out. What is of a guest alone is no change to others. */
static CK_RV note(const struct visit *visit, const struct p11_call *call, bool is_its_own)
{
	const struct p11_fn_info *info = &p11_fn_table[call->fn];
	bool changed = !is_its_own;
	CK_RV rv = CKR_OK;

	if (call->fn == P11_C_DestroyObject)
		guest_disown_object(visit->guest, call->args[1].number);
	if (!(info->flags & P11_WRITES))
		return CKR_OK;
	catalogue_note(visit->host, call);
	if (info->repeat == P11_REPEAT_MAKER)
		rv = own_result(visit, call, &changed);
	if (changed)
		host_changed(visit->host);
	return rv;
}

/* All of this is for one call at a time on its session. */
static CK_RV run(struct visit *visit, struct p11_call *call)
{
	CK_RV rv = admit(visit, call);
	bool is_its_own;

	if (rv != CKR_OK)
		return rv;
	if (call->fn == P11_C_Login)
		return virtual_login(visit, call);
	if (call->fn == P11_C_Logout) {
		guest_logout(visit->guest);
		return CKR_OK;
	}
	if (call->fn == P11_C_FindObjects)
		return find(visit, call);
	is_its_own = p11_fn_table[call->fn].args[1] == P11_ARG_OBJECT && is_own(visit, call->args[1].number);
	rv = book_execute(host_book(visit->host), &(struct book_guest){visit->guest, visible}, call);
	return rv == CKR_OK ? note(visit, call, is_its_own) : rv;
}

static CK_RV open_session(struct visit *visit, struct p11_call *call)
{
	CK_RV rv = judge(visit, call);

	if (rv == CKR_OK)
		rv = book_execute(host_book(visit->host), &(struct book_guest){visit->guest, visible}, call);
	return rv == CKR_OK ? guest_add_session(visit->guest, visit, *(CK_SESSION_HANDLE *)call->args[2].out) : rv;
}

static CK_RV execute(struct visit *visit, struct p11_call *call)
{
	CK_SESSION_HANDLE session = call->args[0].number;
	CK_RV rv;

	/* Who works in a session names it first. */
	if (p11_fn_table[call->fn].args[0] != P11_ARG_SESSION)
		return call->fn == P11_C_OpenSession ? open_session(visit, call) : run(visit, call);
	rv = guest_hold_session(visit->guest, session);
	if (rv != CKR_OK)
		return rv;
	if (call->fn == P11_C_CloseSession) {
		guest_drop_session(visit->guest, session);
		return p11_execute(host_functions(visit->host), host_slot(visit->host), call);
	}
	rv = run(visit, call);
	guest_let_session(visit->guest, session);
	return rv;
}

void visit_execute(struct visit *visit, struct p11_call *calls, size_t count)
{
	struct book *book = host_book(visit->host);
	bool step = book_is_step(calls, count), begun = false;
	CK_RV rv = CKR_OK;

	visit->batch = calls;
	for (size_t i = 0; i < count && rv == CKR_OK; i++) {
		/* Who has not logged in changes nothing, and holds nobody up. */
		if (step && !begun && visit_is_logged_in(visit)) {
			rv = book_begin(book);
			begun = rv == CKR_OK;
		}
		if (rv == CKR_OK)
			rv = execute(visit, &calls[i]);
		calls[i].rv = rv;
	}
	if (begun)
		book_end(book);
}
