/* SPDX-License-Identifier: Apache-2.0 */
/* General-purpose, slot and token functions (PKCS#11 v3.0 sections 5.4, 5.5). */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "slot/gate.h"
#include "slot/module.h"

static void pad(CK_UTF8CHAR *field, size_t size, const char *text)
{
	size_t len = strlen(text);

	memset(field, ' ', size);
	memcpy(field, text, len < size ? len : size);
}
#define PAD(field, text) pad(field, sizeof(field), text)

static const CK_VERSION VERSION = {0, 1};

CK_RV C_Initialize(CK_VOID_PTR args)
{
	return slot_initialize(args);
}

CK_RV C_Finalize(CK_VOID_PTR reserved)
{
	return reserved ? CKR_ARGUMENTS_BAD : slot_finalize();
}

CK_RV C_GetInfo(CK_INFO_PTR info)
{
	slot_scoped struct slot_call call = slot_enter_module();

	if (call.rv != CKR_OK || !info)
		return call.rv != CKR_OK ? call.rv : CKR_ARGUMENTS_BAD;
	*info = (CK_INFO){.cryptokiVersion = {3, 0}, .libraryVersion = VERSION};
	PAD(info->manufacturerID, "hsmctl");
	PAD(info->libraryDescription, "HA groups of HSMs");
	return CKR_OK;
}

CK_RV C_GetSlotList(CK_BBOOL token_present, CK_SLOT_ID_PTR list, CK_ULONG_PTR count)
{
	slot_scoped struct slot_call call = slot_enter_module();
	CK_ULONG room;

	if (call.rv != CKR_OK || !count)
		return call.rv != CKR_OK ? call.rv : CKR_ARGUMENTS_BAD;
	room = list ? *count : 0;
	/* Slots that came are shown from the question for their number on (PKCS#11 v3.0 section 5.5.1). */
	if (!list)
		slot_take_up();
	*count = slot_list(token_present, list, room);
	return list && room < *count ? CKR_BUFFER_TOO_SMALL : CKR_OK;
}

CK_RV C_GetSlotInfo(CK_SLOT_ID id, CK_SLOT_INFO_PTR info)
{
	slot_scoped struct slot_call call = slot_enter_slot(id);
	char text[80];

	if (call.rv != CKR_OK || !info)
		return call.rv != CKR_OK ? call.rv : CKR_ARGUMENTS_BAD;
	*info = (CK_SLOT_INFO){.flags = CKF_REMOVABLE_DEVICE | (call.token ? CKF_TOKEN_PRESENT : 0),
			       .hardwareVersion = VERSION, .firmwareVersion = VERSION};
	snprintf(text, sizeof(text), "HA group %s", call.slot->name);
	PAD(info->slotDescription, text);
	PAD(info->manufacturerID, "hsmctl");
	return CKR_OK;
}

CK_RV C_GetTokenInfo(CK_SLOT_ID id, CK_TOKEN_INFO_PTR info)
{
	slot_scoped struct slot_call call = slot_enter_token(id);
	const struct slot_token *token = call.token;

	if (call.rv != CKR_OK || !info)
		return call.rv != CKR_OK ? call.rv : CKR_ARGUMENTS_BAD;
	*info = (CK_TOKEN_INFO){
		.flags = CKF_RNG | CKF_LOGIN_REQUIRED | CKF_USER_PIN_INITIALIZED | CKF_TOKEN_INITIALIZED,
		.ulMaxSessionCount = CK_EFFECTIVELY_INFINITE, .ulMaxRwSessionCount = CK_EFFECTIVELY_INFINITE,
		.ulSessionCount = token->sessions, .ulRwSessionCount = token->rw_sessions,
		.ulMinPinLen = 4, .ulMaxPinLen = 255,
		.ulTotalPublicMemory = CK_UNAVAILABLE_INFORMATION, .ulFreePublicMemory = CK_UNAVAILABLE_INFORMATION,
		.ulTotalPrivateMemory = CK_UNAVAILABLE_INFORMATION, .ulFreePrivateMemory = CK_UNAVAILABLE_INFORMATION,
		.hardwareVersion = VERSION, .firmwareVersion = VERSION,
	};
	PAD(info->label, token->slot->name);
	PAD(info->manufacturerID, "hsmctl");
	PAD(info->model, "hsmctl HA group");
	PAD(info->serialNumber, token->serial);
	PAD(info->utcTime, "");
	return CKR_OK;
}

CK_RV C_GetMechanismList(CK_SLOT_ID id, CK_MECHANISM_TYPE_PTR list, CK_ULONG_PTR count)
{
	slot_scoped struct slot_call call = slot_enter_token(id);
	struct ha_group *group;
	CK_ULONG n, room;

	if (call.rv == CKR_OK && !count)
		call.rv = CKR_ARGUMENTS_BAD;
	if (call.rv == CKR_OK)
		call.rv = slot_group(call.token, &group);
	room = call.rv == CKR_OK && list ? *count : 0;
	if (call.rv == CKR_OK)
		call.rv = ha_mechanisms(group, list, room, &n);
	if (call.rv != CKR_OK)
		return call.rv;
	*count = n;
	return list && room < n ? CKR_BUFFER_TOO_SMALL : CKR_OK;
}

CK_RV C_GetMechanismInfo(CK_SLOT_ID id, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO_PTR info)
{
	slot_scoped struct slot_call call = slot_enter_token(id);
	struct ha_group *group;

	if (call.rv == CKR_OK && !info)
		call.rv = CKR_ARGUMENTS_BAD;
	if (call.rv == CKR_OK)
		call.rv = slot_group(call.token, &group);
	return call.rv == CKR_OK ? ha_mechanism_info(group, type, info) : call.rv;
}

CK_RV C_WaitForSlotEvent(CK_FLAGS flags, CK_SLOT_ID_PTR slot, CK_VOID_PTR reserved)
{
	enum { WAIT_MS = 200 };
	slot_scoped struct slot_call call = slot_enter_module();

	if (call.rv == CKR_OK && (!slot || reserved))
		call.rv = CKR_ARGUMENTS_BAD;
	/* Ends with the module, too (section 5.5.3): it is not taken down before all calls are out. */
	while (call.rv == CKR_OK) {
		slot_take_up();
		if (slot_event(slot))
			return CKR_OK;
		if (flags & CKF_DONT_BLOCK)
			return CKR_NO_EVENT;
		clock_sleep_ms(WAIT_MS);
		call.rv = gate_is_open() ? CKR_OK : CKR_CRYPTOKI_NOT_INITIALIZED;
	}
	return call.rv;
}
