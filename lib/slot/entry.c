/* SPDX-License-Identifier: Apache-2.0 */
/* What an application finds first: function lists and interfaces (PKCS#11 v3.0 section 5.4). */
#include <string.h>

#include "slot/module.h"

#define EXPORT __attribute__((visibility("default")))

static CK_FUNCTION_LIST functions = {
	.version = {2, 40},
#undef CK_NEED_ARG_LIST

#define CK_PKCS11_2_0_ONLY 1
#define CK_PKCS11_FUNCTION_INFO(name) .name = name,
#include <pkcs11f.h>
#undef CK_PKCS11_FUNCTION_INFO
};

static CK_FUNCTION_LIST_3_0 functions_3_0 = {
	.version = {3, 0},
#undef CK_PKCS11_2_0_ONLY
#define CK_PKCS11_3_0 1
#define CK_PKCS11_FUNCTION_INFO(name) .name = name,
#include <pkcs11f.h>
#undef CK_PKCS11_FUNCTION_INFO
};

/* The newest first: it is what an application without a wish gets. */
static CK_INTERFACE interfaces[] = {
	{(CK_UTF8CHAR_PTR) "PKCS 11", &functions_3_0, 0},
	{(CK_UTF8CHAR_PTR) "PKCS 11", &functions, 0},
};
enum { INTERFACES = sizeof(interfaces) / sizeof(interfaces[0]) };

EXPORT CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR list)
{
	if (!list)
		return CKR_ARGUMENTS_BAD;
	*list = &functions;
	return CKR_OK;
}

EXPORT CK_RV C_GetInterfaceList(CK_INTERFACE_PTR list, CK_ULONG_PTR count)
{
	CK_ULONG room;

	if (!count)
		return CKR_ARGUMENTS_BAD;
	room = *count;
	*count = INTERFACES;
	if (!list)
		return CKR_OK;
	if (room < INTERFACES)
		return CKR_BUFFER_TOO_SMALL;
	memcpy(list, interfaces, sizeof(interfaces));
	return CKR_OK;
}

static bool fits(const CK_INTERFACE *interface, const CK_UTF8CHAR *name, const CK_VERSION *version, CK_FLAGS flags)
{
	const CK_VERSION *have = interface->pFunctionList;

	return (!name || strcmp((const char *)name, (const char *)interface->pInterfaceName) == 0) &&
	       (!version || (version->major == have->major && version->minor == have->minor)) &&
	       (flags & interface->flags) == flags;
}

EXPORT CK_RV C_GetInterface(CK_UTF8CHAR_PTR name, CK_VERSION_PTR version, CK_INTERFACE_PTR_PTR interface, CK_FLAGS flags)
{
	if (!interface)
		return CKR_ARGUMENTS_BAD;
	for (size_t i = 0; i < INTERFACES; i++) {
		if (!fits(&interfaces[i], name, version, flags))
			continue;
		*interface = &interfaces[i];
		return CKR_OK;
	}
	return CKR_ARGUMENTS_BAD;
}
