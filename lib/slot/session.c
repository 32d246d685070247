/* SPDX-License-Identifier: Apache-2.0 */
/* Session management (PKCS#11 v3.0 section 5.6). */
#include "slot/module.h"

CK_RV C_OpenSession(CK_SLOT_ID id, CK_FLAGS flags, CK_VOID_PTR application, CK_NOTIFY notify,
		    CK_SESSION_HANDLE_PTR session)
{
	slot_scoped struct slot_call call = slot_enter_token(id);

	(void)application;
	(void)notify;
	if (call.rv != CKR_OK || !session)
		return call.rv != CKR_OK ? call.rv : CKR_ARGUMENTS_BAD;
	if (!(flags & CKF_SERIAL_SESSION))
		return CKR_SESSION_PARALLEL_NOT_SUPPORTED;
	return slot_session_open(call.token, flags, session);
}

CK_RV C_CloseSession(CK_SESSION_HANDLE session)
{
	slot_scoped struct slot_call call = slot_enter_module();

	return call.rv == CKR_OK ? slot_session_close(session) : call.rv;
}

CK_RV C_CloseAllSessions(CK_SLOT_ID id)
{
	slot_scoped struct slot_call call = slot_enter_token(id);

	if (call.rv == CKR_OK)
		slot_session_close_all(call.token);
	return call.rv;
}

CK_RV C_GetSessionInfo(CK_SESSION_HANDLE session, CK_SESSION_INFO_PTR info)
{
	slot_scoped struct slot_call call = slot_enter(session);
	struct ha_group *group;
	bool rw, in;

	if (call.rv != CKR_OK || !info)
		return call.rv != CKR_OK ? call.rv : CKR_ARGUMENTS_BAD;
	group = call.token->ha;
	rw = (call.session->flags & CKF_RW_SESSION) != 0;
	in = group && ha_logged_in(group);
	*info = (CK_SESSION_INFO){
		.slotID = call.token->slot->id,
		.state = rw ? (in ? CKS_RW_USER_FUNCTIONS : CKS_RW_PUBLIC_SESSION)
			    : (in ? CKS_RO_USER_FUNCTIONS : CKS_RO_PUBLIC_SESSION),
		.flags = call.session->flags,
	};
	return CKR_OK;
}

CK_RV C_Login(CK_SESSION_HANDLE session, CK_USER_TYPE user, CK_UTF8CHAR_PTR pin, CK_ULONG len)
{
	slot_scoped struct slot_call call = slot_enter(session);

	if (call.rv == CKR_OK && user != CKU_USER && user != CKU_CONTEXT_SPECIFIC)
		call.rv = CKR_USER_TYPE_INVALID;
	if (call.rv == CKR_OK && !pin)
		call.rv = CKR_ARGUMENTS_BAD;
	if (call.rv != CKR_OK)
		return call.rv;
	return user == CKU_USER ? slot_log_in(call.token, pin, len) : slot_log_in_again(call.session, pin, len);
}

CK_RV C_LoginUser(CK_SESSION_HANDLE session, CK_USER_TYPE user, CK_UTF8CHAR_PTR pin, CK_ULONG len,
		  CK_UTF8CHAR_PTR name, CK_ULONG name_len)
{
	(void)name;
	/* A group has one user, who has no name. */
	return name_len ? CKR_USER_TYPE_INVALID : C_Login(session, user, pin, len);
}

CK_RV C_SessionCancel(CK_SESSION_HANDLE session, CK_FLAGS flags)
{
	slot_scoped struct slot_call call = slot_enter(session);

	if (call.rv == CKR_OK && call.session->ha)
		ha_session_cancel(call.session->ha, flags);
	return call.rv;
}

CK_RV C_Logout(CK_SESSION_HANDLE session)
{
	slot_scoped struct slot_call call = slot_enter(session);

	return call.rv == CKR_OK ? slot_log_out(call.token) : call.rv;
}
