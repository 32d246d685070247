/* SPDX-License-Identifier: Apache-2.0 */
/*
 * module - the fake token as a PKCS#11 library, for appliances of the tests (HSMCTL_SOFTHSM_LIBRARY names it).
 *
 * FAKE_TOKENS tokens (1), seeded by FAKE_SEED (1); they live as long as the process. In a store's folder
 * appliances/DEVICE, as softhsm2.conf's path tells, the first bears the device's name, with a serial made of it, and its
 * PIN is the first that is given: so whoever provisions finds it initialised. Faults are lines of the file that
 * FAKE_FAULTS names, else of "faults" beside the appliance's softhsm2.conf, read at each call:
 *
 *	C_Sign die		the process ends
 *	C_Sign hang		the call never returns
 *	C_Sign 0x5		it answers with that code and does nothing
 *	C_Sign after:0x5	it answers with that code and has done the deed
 *	C_Sign after:die	the process ends with the deed done and unanswered
 *
 * Loaded by the name messages.so it has the interface of PKCS#11 3.0, and messages.
 */
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

static const char AFTER[] = "after:", APPLIANCES[] = "/appliances/";

/* The folder of softhsm2.conf; false = there is none. */
static bool find_folder(char ret[static PATH_MAX])
{
	const char *conf = getenv("SOFTHSM2_CONF"), *slash = conf ? strrchr(conf, '/') : NULL;

	if (!slash || slash - conf >= PATH_MAX)
		return false;
	memcpy(ret, conf, (size_t)(slash - conf));
	ret[slash - conf] = 0;
	return true;
}

static FILE *open_faults(void)
{
	const char *named = getenv("FAKE_FAULTS");
	char folder[PATH_MAX], path[PATH_MAX + 8];

	if (named)
		return fopen(named, "re");
	if (!find_folder(folder))
		return NULL;
	snprintf(path, sizeof(path), "%s/faults", folder);
	return fopen(path, "re");
}

static CK_RV carry_out(const char *fault)
{
	if (strcmp(fault, "die") == 0)
		_exit(5);
	while (strcmp(fault, "hang") == 0)
		pause();
	return strtoul(fault, NULL, 0);
}

static CK_RV meet_fault(void *data, CK_SLOT_ID slot, enum p11_fn fn, bool after, CK_RV rv)
{
	FILE *file = open_faults();
	char name[64], what[64];

	(void)data;
	(void)slot;
	while (file && fscanf(file, "%63s %63s", name, what) == 2) {
		bool late = strncmp(what, AFTER, sizeof(AFTER) - 1) == 0;

		if (late == after && strcmp(name, p11_fn_table[fn].name) == 0)
			rv = carry_out(late ? what + sizeof(AFTER) - 1 : what);
	}
	if (file)
		fclose(file);
	return rv;
}

static unsigned long number(const char *variable, unsigned long absent)
{
	const char *value = getenv(variable);

	return value ? strtoul(value, NULL, 0) : absent;
}

static bool has_messages(void)
{
	static const char NAME[] = "/messages.so";
	Dl_info self;
	size_t len = dladdr((void *)(uintptr_t)has_messages, &self) ? strlen(self.dli_fname) : 0;

	return len >= sizeof(NAME) - 1 && strcmp(self.dli_fname + len - (sizeof(NAME) - 1), NAME) == 0;
}

static void begin(void)
{
	char folder[PATH_MAX], *device;
	bool no = false;

	fake_reset(number("FAKE_TOKENS", 1) % (FAKE_SLOTS + 1), number("FAKE_SEED", 1));
	device = find_folder(folder) ? strstr(folder, APPLIANCES) : NULL;
	if (device && token_total()) {
		device += sizeof(APPLIANCES) - 1;
		device[strcspn(device, "/")] = 0;
		token_rename(token_of(0), device);
	}
	for (CK_SLOT_ID slot = 0; slot < token_total() && has_messages(); slot++)
		fake_offer_messages(slot);
	token_ready(&no);
	fake_watch(meet_fault, NULL);
}

static void begin_once(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, begin);
}

__attribute__((visibility("default"))) CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR list)
{
	if (!list)
		return CKR_ARGUMENTS_BAD;
	begin_once();
	*list = fake_functions();
	return CKR_OK;
}

__attribute__((visibility("default"))) CK_RV C_GetInterface(CK_UTF8CHAR_PTR name, CK_VERSION_PTR version,
							    CK_INTERFACE_PTR_PTR ret, CK_FLAGS flags)
{
	static CK_INTERFACE only = {.pInterfaceName = (CK_UTF8CHAR_PTR) "PKCS 11"};

	(void)flags;
	if (!ret || !has_messages() || (name && strcmp((char *)name, (char *)only.pInterfaceName) != 0) ||
	    (version && version->major != 3))
		return CKR_ARGUMENTS_BAD;
	begin_once();
	only.pFunctionList = fake_functions_3_0();
	*ret = &only;
	return CKR_OK;
}
