/* SPDX-License-Identifier: Apache-2.0 */
/* Loading a PKCS#11 library and finding the group in it. */
#include "drill/module.h"

#include <dlfcn.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/secret.h"
#include "p11/rv.h"

enum { SLOTS_MAX = 256 };

static int load(struct drill_module *m, const char *path, struct err *err)
{
	CK_C_GetFunctionList list;
	CK_RV rv;

	if (!file_exists(path)) {
		err_set(err, ERR_MISSING, "no PKCS#11 module '%s'", path);
		return err_hint(err, "name it with --module");
	}
	m->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!m->library)
		return err_set(err, ERR_MISSING, "cannot load '%s': %s", path, dlerror());
	list = (CK_C_GetFunctionList)(uintptr_t)dlsym(m->library, "C_GetFunctionList");
	if (!list)
		return err_set(err, ERR_MISSING, "'%s' is not a PKCS#11 module", path);
	rv = list(&m->f);
	return rv == CKR_OK ? 0 : p11_rv_err(err, rv, "C_GetFunctionList");
}

static int initialize(struct drill_module *m, const char *folder, struct err *err)
{
	owned(mem) char *parameter = mem_printf("store=%s", folder);
	/* NSS' headers have a field more than the standard (v3.0 section 5.4),
	 * where everybody else has pReserved. */
	CK_C_INITIALIZE_ARGS args = {
		.flags = CKF_OS_LOCKING_OK, .LibraryParameters = (CK_CHAR_PTR *)(void *)parameter,
		.pReserved = parameter,
	};
	CK_RV rv;

	if (!parameter)
		return err_no_memory(err);
	rv = m->f->C_Initialize(&args);
	m->initialized = rv == CKR_OK;
	return rv == CKR_OK ? 0 : p11_rv_err(err, rv, "C_Initialize");
}

/* Labels are padded with blanks. */
static bool is_label(const CK_UTF8CHAR label[static 32], const char *name)
{
	size_t len = strlen(name);

	if (len > 32 || memcmp(label, name, len) != 0)
		return false;
	for (size_t i = len; i < 32; i++)
		if (label[i] != ' ')
			return false;
	return true;
}

static int find_slot(struct drill_module *m, const char *group, struct err *err)
{
	CK_SLOT_ID slots[SLOTS_MAX];
	CK_ULONG count = SLOTS_MAX;
	CK_RV rv = m->f->C_GetSlotList(CK_TRUE, slots, &count);

	if (rv != CKR_OK)
		return p11_rv_err(err, rv, "C_GetSlotList");
	for (CK_ULONG i = 0; i < count; i++) {
		CK_TOKEN_INFO info;

		if (m->f->C_GetTokenInfo(slots[i], &info) != CKR_OK || !is_label(info.label, group))
			continue;
		m->slot = slots[i];
		return 0;
	}
	return err_set(err, ERR_NOT_FOUND, "the module shows no token '%s'", group);
}

static int login(struct drill_module *m, const struct secret *pin, struct err *err)
{
	CK_RV rv = drill_module_session(m, &m->session);

	if (rv != CKR_OK)
		return p11_rv_err(err, rv, "C_OpenSession");
	rv = m->f->C_Login(m->session, CKU_USER, pin->data, pin->len);
	return rv == CKR_OK || rv == CKR_USER_ALREADY_LOGGED_IN ? 0 : p11_rv_err(err, rv, "C_Login");
}

int drill_module_open(const char *path, const char *folder, const char *group, const struct secret *pin,
		      struct drill_module **ret, struct err *err)
{
	owned(drill_module) struct drill_module *m = mem_new(struct drill_module);
	int rc;

	if (!m)
		return err_no_memory(err);
	rc = load(m, path, err);
	if (rc == 0)
		rc = initialize(m, folder, err);
	if (rc == 0)
		rc = find_slot(m, group, err);
	if (rc == 0)
		rc = login(m, pin, err);
	if (rc < 0)
		return rc;
	*ret = own_take(m);
	return 0;
}

void drill_module_free(struct drill_module *m)
{
	if (!m)
		return;
	if (m->initialized)
		m->f->C_Finalize(NULL);
	if (m->library)
		dlclose(m->library);
	free(m);
}

CK_RV drill_module_session(const struct drill_module *m, CK_SESSION_HANDLE *ret)
{
	return m->f->C_OpenSession(m->slot, CKF_SERIAL_SESSION, NULL, NULL, ret);
}
