/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions, who is logged in, and what that allows. */
#include <string.h>

#include "base/mem.h"
#include "internal.h"

void operation_end(struct operation *op)
{
	p11_mechanism_release(&op->mechanism);
	buf_release(&op->input);
	free(op->found);
	*op = (struct operation){0};
}

struct session *session_find(struct token *token, CK_SESSION_HANDLE handle)
{
	struct session *session = token->sessions;

	while (session && session->handle != handle)
		session = session->next;
	return session;
}

CK_RV session_open(struct token *token, CK_FLAGS flags, CK_SESSION_HANDLE *ret)
{
	struct session *session;

	if (!(flags & CKF_SERIAL_SESSION))
		return CKR_SESSION_PARALLEL_NOT_SUPPORTED;
	if (!(flags & CKF_RW_SESSION) && token->who == OFFICER)
		return CKR_SESSION_READ_WRITE_SO_EXISTS;
	session = mem_new(struct session);
	if (!session)
		return CKR_HOST_MEMORY;
	*session = (struct session){.next = token->sessions, .token = token, .flags = flags,
				    .handle = ((token->slot + 1) << 32) + ++token->last_session};
	token->sessions = session;
	*ret = session->handle;
	return CKR_OK;
}

static void log_out(struct token *token)
{
	if (token->who == NOBODY)
		return;
	token->who = NOBODY;
	for (size_t i = token->count; i-- > 0;)
		if (token->objects[i]->owner && object_flag(token->objects[i], CKA_PRIVATE))
			object_remove(token, i);
	object_renumber(token, true);
	for (struct session *s = token->sessions; s; s = s->next)
		operation_end(&s->op);
}

CK_RV session_close(struct session *session)
{
	struct token *token = session->token;
	struct session **at = &token->sessions;

	while (*at != session)
		at = &(*at)->next;
	*at = session->next;
	object_drop_owned(token, session);
	operation_end(&session->op);
	free(session);
	if (!token->sessions)
		log_out(token);
	return CKR_OK;
}

void session_close_all(struct token *token)
{
	while (token->sessions)
		session_close(token->sessions);
}

static CK_STATE state_of(const struct session *session)
{
	bool rw = session->flags & CKF_RW_SESSION;

	switch (session->token->who) {
	case USER:
		return rw ? CKS_RW_USER_FUNCTIONS : CKS_RO_USER_FUNCTIONS;
	case OFFICER:
		return CKS_RW_SO_FUNCTIONS;
	default:
		return rw ? CKS_RW_PUBLIC_SESSION : CKS_RO_PUBLIC_SESSION;
	}
}

void session_info(const struct session *session, CK_SESSION_INFO *ret)
{
	*ret = (CK_SESSION_INFO){.slotID = session->token->slot, .state = state_of(session), .flags = session->flags};
}

/* SoftHSM logs in once; whoever comes later is told so whatever the PIN. */
CK_RV session_login(struct session *session, CK_USER_TYPE type, const CK_BYTE *pin, CK_ULONG len)
{
	struct token *token = session->token;
	bool right = len == token->pin_len && memcmp(pin, token->pin, len) == 0;

	if (type == CKU_CONTEXT_SPECIFIC) {
		if (!session->op.ask_again)
			return CKR_OPERATION_NOT_INITIALIZED;
		session->op.ask_again = !right;
		return right ? CKR_OK : CKR_PIN_INCORRECT;
	}
	if (type != CKU_USER && type != CKU_SO)
		return CKR_USER_TYPE_INVALID;
	if (token->who != NOBODY)
		return (token->who == USER) == (type == CKU_USER) ? CKR_USER_ALREADY_LOGGED_IN
								  : CKR_USER_ANOTHER_ALREADY_LOGGED_IN;
	if (!token->pin_len && type == CKU_USER)
		right = session_set_pin(session, pin, len) == CKR_OK;
	if (!right && type == CKU_USER)
		return CKR_PIN_INCORRECT;
	token->who = type == CKU_USER ? USER : OFFICER;
	return CKR_OK;
}

CK_RV session_logout(struct session *session)
{
	log_out(session->token);
	return CKR_OK;
}

CK_RV session_set_pin(struct session *session, const CK_BYTE *pin, CK_ULONG len)
{
	if (len < 4 || len > PIN_MAX)
		return CKR_PIN_LEN_RANGE;
	memcpy(session->token->pin, pin, len);
	session->token->pin_len = len;
	return CKR_OK;
}

CK_RV session_may_read(const struct session *session, const struct object *object)
{
	return session->token->who != USER && object_flag(object, CKA_PRIVATE) ? CKR_USER_NOT_LOGGED_IN : CKR_OK;
}

CK_RV session_may_write(const struct session *session, const struct object *object)
{
	CK_RV rv = session_may_read(session, object);

	if (rv == CKR_OK && object_flag(object, CKA_TOKEN) && !(session->flags & CKF_RW_SESSION))
		rv = CKR_SESSION_READ_ONLY;
	return rv;
}
