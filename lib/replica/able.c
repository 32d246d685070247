/* SPDX-License-Identifier: Apache-2.0 */
/* What replication needs of a token. */
#include "replica/able.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "member/member.h"
#include "p11/call-new.h"
#include "p11/rv.h"
#include "replica/domain.h"

enum { MECHANISMS_MAX = 1024, ROW_MAX = 2 };

/* One of a row is enough. */
static const struct {
	CK_MECHANISM_TYPE types[ROW_MAX];
	const char *name;
} needs[] = {
	{{CKM_AES_KEY_GEN, CKM_AES_KEY_GEN}, "CKM_AES_KEY_GEN"},
	{{CKM_AES_KEY_WRAP_KWP, CKM_AES_KEY_WRAP_PAD}, "CKM_AES_KEY_WRAP_KWP"},
	{{CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_RSA_PKCS_KEY_PAIR_GEN}, "CKM_RSA_PKCS_KEY_PAIR_GEN"},
	{{CKM_RSA_PKCS_OAEP, CKM_RSA_PKCS_OAEP}, "CKM_RSA_PKCS_OAEP"},
};

static bool has(const CK_ULONG *list, CK_ULONG count, CK_MECHANISM_TYPE type)
{
	for (CK_ULONG i = 0; i < count; i++)
		if (list[i] == type)
			return true;
	return false;
}

static int check_mechanisms(struct member_channel *channel, struct err *err)
{
	CK_ULONG list[MECHANISMS_MAX], count = MECHANISMS_MAX;
	struct p11_call call = p11_C_GetMechanismList(0, list, &count);
	char missing[200] = "";
	int rc = member_run(channel, &call, 1, err);

	for (size_t i = 0; rc == 0 && i < sizeof(needs) / sizeof(needs[0]); i++) {
		size_t used = strlen(missing);

		if (!has(list, count, needs[i].types[0]) && !has(list, count, needs[i].types[1]))
			snprintf(missing + used, sizeof(missing) - used, "%s%s", used ? ", " : "", needs[i].name);
	}
	if (rc < 0 || !*missing)
		return rc;
	err_set(err, ERR_UNSUPPORTED, "the token lacks what keys are carried by: %s", missing);
	return err_hint(err, "have its administrator permit these mechanisms, if it knows them");
}

/* Of the session: should we be killed, nothing stays. */
static int check_data(struct member_channel *channel, struct err *err)
{
	static CK_OBJECT_CLASS class = CKO_DATA;
	static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
	static char name[] = "hsmctl", value[] = "may data be kept here?";
	CK_OBJECT_HANDLE object = 0;
	const CK_ATTRIBUTE template[] = {
		{CKA_CLASS, &class, sizeof(class)},	 {CKA_TOKEN, &no, sizeof(no)},
		{CKA_PRIVATE, &yes, sizeof(yes)},	 {CKA_APPLICATION, name, sizeof(name) - 1},
		{CKA_LABEL, name, sizeof(name) - 1}, {CKA_VALUE, value, sizeof(value) - 1},
	};
	struct p11_call call =
	    p11_C_CreateObject(member_session(channel), template, sizeof(template) / sizeof(template[0]), &object);
	int rc = member_run(channel, &call, 1, err);

	if (rc < 0 && err && err->code == ERR_TOKEN)
		err->code = ERR_UNSUPPORTED;
	if (rc < 0)
		return err_wrap(err, "the token takes no private data objects, which records of keys are");
	call = p11_C_DestroyObject(member_session(channel), object);
	return member_run(channel, &call, 1, err);
}

int able_check(struct member_channel *channel, struct err *err)
{
	int rc = check_mechanisms(channel, err);

	return rc < 0 ? rc : check_data(channel, err);
}

int able_check_free(struct member_channel *channel, struct err *err)
{
	CK_ULONG count = 0;
	int rc = domain_count(channel, &count, err);

	if (rc < 0 || !count)
		return rc;
	err_set(err, ERR_IN_USE, "the token holds the domain key of a group, and serves in another fleet or did");
	return err_hint(
	    err,
	    "end that group there; if no fleet uses it, destroy its secret key 'hsmctl domain' by other tools");
}
