/* SPDX-License-Identifier: Apache-2.0 */
/* Functions a group's slot does not offer: they say so, after what is wrong with the call itself. */
#include "slot/module.h"

#define ABSENT(name, ...)                                                                                              \
	CK_RV name(CK_SESSION_HANDLE session, __VA_ARGS__)                                                             \
	{                                                                                                              \
		slot_scoped struct slot_call call = slot_enter(session);                                               \
                                                                                                                       \
		return call.rv != CKR_OK ? call.rv : CKR_FUNCTION_NOT_SUPPORTED;                                       \
	}
/* Of an argument that is not looked at. */
#define PIECE CK_BYTE_PTR, CK_ULONG
#define PARAMETER CK_VOID_PTR, CK_ULONG
#define RESULT CK_BYTE_PTR, CK_ULONG_PTR

ABSENT(C_InitPIN, CK_UTF8CHAR_PTR, CK_ULONG)
ABSENT(C_SetPIN, CK_UTF8CHAR_PTR, CK_ULONG, CK_UTF8CHAR_PTR, CK_ULONG)
ABSENT(C_GetOperationState, RESULT)
ABSENT(C_SetOperationState, PIECE, CK_OBJECT_HANDLE, CK_OBJECT_HANDLE)
/* Messages have one part: no mechanism says CKF_MULTI_MESSAGE (ha_mechanism_info()). */
ABSENT(C_EncryptMessageBegin, PARAMETER, PIECE)
ABSENT(C_EncryptMessageNext, PARAMETER, PIECE, RESULT, CK_FLAGS)
ABSENT(C_DecryptMessageBegin, PARAMETER, PIECE)
ABSENT(C_DecryptMessageNext, PARAMETER, PIECE, RESULT, CK_FLAGS)
ABSENT(C_SignMessageBegin, PARAMETER)
ABSENT(C_SignMessageNext, PARAMETER, PIECE, RESULT)
ABSENT(C_VerifyMessageBegin, PARAMETER)
ABSENT(C_VerifyMessageNext, PARAMETER, PIECE, PIECE)

#define ABSENT_END(name, code)                                                                                         \
	CK_RV name(CK_SESSION_HANDLE session)                                                                          \
	{                                                                                                              \
		slot_scoped struct slot_call call = slot_enter(session);                                               \
                                                                                                                       \
		return call.rv != CKR_OK ? call.rv : code;                                                             \
	}

/* PKCS#11 v3.0 section 5.20: what there was before 2.0. */
ABSENT_END(C_GetFunctionStatus, CKR_FUNCTION_NOT_PARALLEL)
ABSENT_END(C_CancelFunction, CKR_FUNCTION_NOT_PARALLEL)

CK_RV C_InitToken(CK_SLOT_ID id, CK_UTF8CHAR_PTR, CK_ULONG, CK_UTF8CHAR_PTR)
{
	slot_scoped struct slot_call call = slot_enter_token(id);

	return call.rv != CKR_OK ? call.rv : CKR_FUNCTION_NOT_SUPPORTED;
}
