/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outsider PKI NAME ADDRESS DEED [ID]: somebody with a certificate (PKI/NAME.pem) and the PIN ($PIN) who goes past the
 * module to a member. What the appliance said to the deed is printed; status 1: there was nobody to talk to.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/secret.h"
#include "base/str.h"
#include "crypto/tls.h"
#include "fleet/fleet.h"
#include "member/member.h"
#include "p11/rv.h"

static struct member_channel *channel;
static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;

static CK_RV ask(struct p11_call call)
{
	return member_call(channel, &call, 1, NULL, NULL) < 0 ? CKR_DEVICE_REMOVED : call.rv;
}

static CK_OBJECT_HANDLE find(const CK_ATTRIBUTE *template, CK_ULONG n)
{
	CK_OBJECT_HANDLE *list = NULL, found = CK_INVALID_HANDLE;
	CK_ULONG count = 0;

	if (member_find(channel, template, n, &list, &count, NULL) == 0 && count)
		found = list[0];
	free(list);
	return found;
}

static CK_OBJECT_HANDLE labelled(const char *label)
{
	const CK_ATTRIBUTE t = {CKA_LABEL, (void *)label, strlen(label)};

	return find(&t, 1);
}

/* Under a key that he knows. */
static CK_RV take_out(CK_OBJECT_HANDLE key)
{
	CK_OBJECT_CLASS class = CKO_SECRET_KEY;
	CK_KEY_TYPE type = CKK_AES;
	CK_MECHANISM kwp = {CKM_AES_KEY_WRAP_PAD, NULL, 0};
	CK_BYTE value[32] = {1}, blob[4096];
	CK_ULONG len = sizeof(blob);
	const CK_ATTRIBUTE t[] = {
		{CKA_CLASS, &class, sizeof(class)}, {CKA_KEY_TYPE, &type, sizeof(type)}, {CKA_TOKEN, &no, 1},
		{CKA_WRAP, &yes, 1}, {CKA_VALUE, value, sizeof(value)},
	};
	CK_OBJECT_HANDLE mine;
	CK_RV rv = ask(p11_C_CreateObject(member_session(channel), t, 5, &mine));

	return rv == CKR_OK ? ask(p11_C_WrapKey(member_session(channel), &kwp, mine, key, blob, &len)) : rv;
}

static CK_RV take_domain(const char *id)
{
	(void)id;
	return take_out(labelled("hsmctl domain"));
}

static CK_RV take_key(const char *id)
{
	CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
	uint8_t uid[16];
	const CK_ATTRIBUTE t[] = {{CKA_CLASS, &class, sizeof(class)}, {CKA_ID, uid, sizeof(uid)}};

	return str_unhex(id, uid, sizeof(uid)) ? take_out(find(t, 2)) : CKR_ARGUMENTS_BAD;
}

static CK_RV name_domain(const char *id)
{
	const CK_ATTRIBUTE t = {CKA_LABEL, (void *)"hsmctl domain", 13};

	(void)id;
	return ask(p11_C_SetAttributeValue(member_session(channel), labelled("hsmctl domain"), &t, 1));
}

static CK_RV destroy_domain(const char *id)
{
	(void)id;
	return ask(p11_C_DestroyObject(member_session(channel), labelled("hsmctl domain")));
}

static CK_RV forget(const char *id)
{
	(void)id;
	return ask(p11_C_DestroyObject(member_session(channel), labelled("hsmctl graves")));
}

static CK_RV free_key(const char *id)
{
	char label[64];

	snprintf(label, sizeof(label), "hsmctl record %s", id);
	return ask(p11_C_DestroyObject(member_session(channel), labelled(label)));
}

static CK_RV rule(const char *id)
{
	(void)id;
	return ask(p11_C_Login(member_session(channel), CKU_SO, "officer", 7));
}

static const struct {
	const char *name;
	CK_RV (*does)(const char *id);
} deeds[] = {
	{"take-domain", take_domain}, {"take-key", take_key}, {"name-domain", name_domain},
	{"destroy-domain", destroy_domain}, {"forget", forget}, {"free-key", free_key}, {"rule", rule},
};

static int meet(char **args, struct member **ret, struct tls_context **tls, struct err *err)
{
	struct secret *pin = NULL;
	int rc = tls_context_new(args[0], args[1], false, tls, err);
	const struct member_config config = {
		.name = "the member", .link = FLEET_LINK_TLS, .address = args[2], .tls = *tls, .connect_ms = 20000,
		.answer_ms = 20000, .call_ms = 60000,
	};

	if (rc == 0)
		rc = member_open(&config, ret, err);
	if (rc == 0)
		rc = secret_new(getenv("PIN"), strlen(getenv("PIN")), &pin, err);
	if (rc == 0)
		member_set_pin(*ret, pin);
	return rc < 0 ? rc : member_acquire(*ret, &channel, err);
}

int main(int argc, char **argv)
{
	struct tls_context *tls = NULL;
	struct member *member = NULL;
	struct err err = {0};

	if (argc < 5 || meet(argv + 1, &member, &tls, &err) < 0) {
		fprintf(stderr, "%s\n", err.message);
		return 1;
	}
	for (size_t i = 0; i < sizeof(deeds) / sizeof(deeds[0]); i++)
		if (str_eq(argv[4], deeds[i].name))
			printf("%s\n", p11_rv_name(deeds[i].does(argc > 5 ? argv[5] : "")));
	member_release(channel);
	member_free(member);
	tls_context_free(tls);
	return 0;
}
