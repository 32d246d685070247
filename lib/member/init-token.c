/* SPDX-License-Identifier: Apache-2.0 */
/* Making a token: the work of the security officer. */
#include <string.h>

#include "base/err.h"
#include "base/secret.h"
#include "member/appliance.h"
#include "member/library.h"
#include "p11/rv.h"

/* The slot with this label, or the first that holds no initialised token. */
static int choose_slot(CK_FUNCTION_LIST *f, const CK_UTF8CHAR *label, CK_SLOT_ID *ret, bool *ret_made,
		       struct err *err)
{
	CK_SLOT_ID slots[256];
	CK_ULONG count = sizeof(slots) / sizeof(slots[0]);
	CK_RV rv = f->C_GetSlotList(CK_TRUE, slots, &count);
	bool free_found = false;

	if (rv != CKR_OK)
		return p11_rv_err(err, rv, "C_GetSlotList");
	for (CK_ULONG i = 0; i < count; i++) {
		CK_TOKEN_INFO info;

		if (f->C_GetTokenInfo(slots[i], &info) != CKR_OK)
			continue;
		*ret_made = (info.flags & CKF_TOKEN_INITIALIZED) != 0;
		if (*ret_made && memcmp(info.label, label, sizeof(info.label)) == 0) {
			*ret = slots[i];
			return 0;
		}
		if (!*ret_made && !free_found) {
			*ret = slots[i];
			free_found = true;
		}
	}
	*ret_made = false;
	return free_found ? 0 : err_set(err, ERR_UNSUPPORTED, "the library offers no free slot");
}

static int set_pin(CK_FUNCTION_LIST *f, CK_SLOT_ID slot, const struct secret *so_pin,
		   const struct secret *pin, struct err *err)
{
	CK_SESSION_HANDLE session;
	CK_RV rv = f->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session);
	const char *what = "C_OpenSession";

	if (rv == CKR_OK) {
		what = "C_Login (SO)";
		rv = f->C_Login(session, CKU_SO, so_pin->data, so_pin->len);
	}
	if (rv == CKR_OK) {
		what = "C_InitPIN";
		rv = f->C_InitPIN(session, pin->data, pin->len);
	}
	if (rv == CKR_OK)
		rv = f->C_CloseSession(session);
	return rv == CKR_OK ? 0 : p11_rv_err(err, rv, what);
}

/* C_InitToken may move the token to another slot (SoftHSM does at the next start). */
static int read_token(CK_FUNCTION_LIST *f, CK_SLOT_ID slot, CK_TOKEN_INFO *ret, struct err *err)
{
	CK_RV rv = f->C_GetTokenInfo(slot, ret);

	return rv == CKR_OK ? 0 : p11_rv_err(err, rv, "C_GetTokenInfo");
}

int appliance_init_token(const char *library_path, const char *label, const struct secret *so_pin,
			 const struct secret *pin, char ret_serial[static 17], struct err *err)
{
	owned(library) struct library *library = NULL;
	CK_UTF8CHAR padded[32];
	CK_FUNCTION_LIST *f;
	CK_TOKEN_INFO info;
	CK_SLOT_ID slot = 0;
	bool made = false;
	int rc = library_open(library_path, &library, err);

	if (rc < 0)
		return rc;
	f = library_functions(library);
	memset(padded, ' ', sizeof(padded));
	memcpy(padded, label, strlen(label) < sizeof(padded) ? strlen(label) : sizeof(padded));
	rc = choose_slot(f, padded, &slot, &made, err);
	if (rc == 0 && !made) {
		CK_RV rv = f->C_InitToken(slot, so_pin->data, so_pin->len, padded);

		rc = rv == CKR_OK ? 0 : p11_rv_err(err, rv, "C_InitToken");
	}
	if (rc == 0)
		rc = read_token(f, slot, &info, err);
	if (rc == 0 && !(info.flags & CKF_USER_PIN_INITIALIZED))
		rc = set_pin(f, slot, so_pin, pin, err);
	if (rc < 0)
		return rc;
	library_text(info.serialNumber, sizeof(info.serialNumber), ret_serial);
	return 0;
}
