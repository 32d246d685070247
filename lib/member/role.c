/* SPDX-License-Identifier: Apache-2.0 */
/* Who may do what: the table, its conditions on keys, and the log of refusals. */
#include "member/role.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "member/host.h"
#include "member/kept.h"
#include "member/role_private.h"
#include "p11/rv.h"

CK_RV asked_refuse(struct asked *a, CK_RV rv, const char *why)
{
	a->why = why;
	return rv;
}

CK_RV asked_prohibit(struct asked *a, const char *why)
{
	return asked_refuse(a, CKR_ACTION_PROHIBITED, why);
}

enum kept_kind asked_look(const struct asked *a, CK_OBJECT_HANDLE object, struct kept_seen *ret)
{
	return kept_look(host_functions(a->host), a->call->args[0].number, object, ret);
}

/* ---- making ---- */

static struct p11_attrs template_of(const struct p11_arg *arg)
{
	return (struct p11_attrs){.items = (CK_ATTRIBUTE *)arg->in, .count = arg->number};
}

/* Nobody else sees what is not on the token; keys that are called like the group's own are nobody's to make. */
static CK_RV judge_templates(struct asked *a)
{
	const struct p11_fn_info *info = &p11_fn_table[a->call->fn];
	CK_RV rv = CKR_OK;

	for (int i = 0; i < P11_ARGS_MAX && info->args[i] != P11_ARG_END && rv == CKR_OK; i++) {
		struct p11_attrs template = template_of(&a->call->args[i]);
		enum kept_kind kind;

		if (info->args[i] != P11_ARG_TEMPLATE)
			continue;
		kind = kept_kind(&template);
		if (kept_is_key(kind))
			rv = asked_prohibit(a, "a key by a name of the group's own");
		else if (kind && p11_attrs_bool(&template, CKA_TOKEN, false))
			rv = role_put_memo(a, kind, &template);
	}
	return rv;
}

/* ---- the conditions ---- */

static CK_RV judge_use(struct asked *a, CK_OBJECT_HANDLE object)
{
	struct kept_seen seen;

	return asked_look(a, object, &seen) ? asked_prohibit(a, "an object of the group's own") : CKR_OK;
}

/* Replicas are never changed after they were made, nor copied on their member: what differs is in their records, and
 * what is made of them is carried. */
static CK_RV judge_copy(struct asked *a)
{
	return asked_prohibit(a, "a copy past the records");
}

static CK_RV judge_change(struct asked *a)
{
	struct kept_seen seen = {0};

	if (asked_look(a, a->call->args[1].number, &seen))
		return asked_prohibit(a, "an object of the group's own");
	return seen.token ? asked_prohibit(a, "a change past the records") : judge_templates(a);
}

static CK_RV judge_digest(struct asked *a)
{
	return judge_use(a, a->call->args[1].number);
}

static CK_RV use_inside(void *data, CK_OBJECT_HANDLE object, CK_OBJECT_HANDLE *ret)
{
	*ret = object;
	return judge_use(data, object);
}

/* The base, and a key inside the mechanism's parameter. */
static CK_RV judge_derive(struct asked *a)
{
	struct p11_inside inside;
	struct p11_call ignored;
	CK_RV rv = p11_bind(a->call, a->call->args[0].number, use_inside, a, &ignored, &inside);

	return rv == CKR_OK ? judge_templates(a) : rv;
}

static CK_RV judge_destroy(struct asked *a)
{
	CK_OBJECT_HANDLE object = a->call->args[1].number;
	struct kept_seen seen = {0};
	enum kept_kind kind = asked_look(a, object, &seen);

	if (kind == KEPT_IS_NOTHING || (!kept_is_key(kind) && !seen.token))
		return CKR_OK;
	return role_destroy_memo(a, kind, object, &seen);
}

/* As replicas travel (replica/domain.c): what was not wrapped so does not come out. */
static bool is_carrying(const struct p11_call *call)
{
	CK_MECHANISM_TYPE by = ((const CK_MECHANISM *)call->args[1].in)->mechanism;

	return by == CKM_AES_KEY_WRAP_KWP || by == CKM_AES_KEY_WRAP_PAD;
}

static CK_RV judge_wrap(struct asked *a)
{
	struct kept_seen wrapping, key = {0};
	enum kept_kind by = asked_look(a, a->call->args[2].number, &wrapping);

	if (asked_look(a, a->call->args[3].number, &key))
		return asked_prohibit(a, "the domain key or a transport key would leave");
	if (by == KEPT_IS_DOMAIN)
		return is_carrying(a->call) ? CKR_OK : asked_prohibit(a, "a use of the domain key that carries nothing");
	if (by)
		return asked_prohibit(a, "an object of the group's own");
	if (key.token && !role_may_leave(a, p11_attrs_find(&key.attrs, CKA_ID)))
		return asked_refuse(a, CKR_KEY_UNEXTRACTABLE, "its record keeps the key here");
	return CKR_OK;
}

static CK_RV judge_unwrap(struct asked *a)
{
	const struct p11_attrs template = template_of(&a->call->args[4]);
	struct kept_seen unwrapping;
	enum kept_kind by = asked_look(a, a->call->args[2].number, &unwrapping);
	CK_RV rv = CKR_OK;

	if (by && by != KEPT_IS_DOMAIN)
		return asked_prohibit(a, "the domain key would be brought here");
	if (by && !is_carrying(a->call))
		return asked_prohibit(a, "a use of the domain key that carries nothing");
	if (by && !p11_attrs_bool(&template, CKA_SENSITIVE, false))
		rv = role_judge_readable(a, p11_attrs_find(&template, CKA_ID));
	return rv == CKR_OK ? judge_templates(a) : rv;
}

/* ---- the table ---- */

/* What an application may do without more ado; NULL in the table: nobody has decided, and it may not. */
static CK_RV judge_nothing(struct asked *a)
{
	(void)a;
	return CKR_OK;
}
#define FREE judge_nothing

static CK_RV (*const of_application[P11_FN_MAX])(struct asked *a) = {
	/* What the token is, and sessions. Only the user logs in here (visit.c). */
	[P11_C_GetInfo] = FREE, [P11_C_GetSlotInfo] = FREE, [P11_C_GetTokenInfo] = FREE,
	[P11_C_GetMechanismList] = FREE, [P11_C_GetMechanismInfo] = FREE,
	[P11_C_OpenSession] = FREE, [P11_C_CloseSession] = FREE, [P11_C_Login] = FREE, [P11_C_Logout] = FREE,

	/* Objects. Everything that may be read is read by who brings a member up to date. */
	[P11_C_CreateObject] = judge_templates,
	[P11_C_CopyObject] = judge_copy,
	[P11_C_DestroyObject] = judge_destroy,
	[P11_C_GetAttributeValue] = FREE,
	[P11_C_GetObjectSize] = FREE,
	[P11_C_SetAttributeValue] = judge_change,
	[P11_C_FindObjectsInit] = FREE, [P11_C_FindObjects] = FREE, [P11_C_FindObjectsFinal] = FREE,

	/* Uses of keys: the group's own are for none of these, by their attributes, which nobody of these changes. */
	[P11_C_EncryptInit] = FREE, [P11_C_Encrypt] = FREE, [P11_C_EncryptUpdate] = FREE, [P11_C_EncryptFinal] = FREE,
	[P11_C_DecryptInit] = FREE, [P11_C_Decrypt] = FREE, [P11_C_DecryptUpdate] = FREE, [P11_C_DecryptFinal] = FREE,
	[P11_C_DigestInit] = FREE, [P11_C_Digest] = FREE, [P11_C_DigestUpdate] = FREE, [P11_C_DigestFinal] = FREE,
	[P11_C_SignInit] = FREE, [P11_C_Sign] = FREE, [P11_C_SignUpdate] = FREE, [P11_C_SignFinal] = FREE,
	[P11_C_VerifyInit] = FREE, [P11_C_Verify] = FREE, [P11_C_VerifyUpdate] = FREE, [P11_C_VerifyFinal] = FREE,
	[P11_C_SignRecoverInit] = FREE, [P11_C_SignRecover] = FREE,
	[P11_C_VerifyRecoverInit] = FREE, [P11_C_VerifyRecover] = FREE,
	[P11_C_DigestEncryptUpdate] = FREE, [P11_C_DecryptDigestUpdate] = FREE,
	[P11_C_SignEncryptUpdate] = FREE, [P11_C_DecryptVerifyUpdate] = FREE,
	[P11_C_MessageEncryptInit] = FREE, [P11_C_EncryptMessage] = FREE, [P11_C_MessageEncryptFinal] = FREE,
	[P11_C_MessageDecryptInit] = FREE, [P11_C_DecryptMessage] = FREE, [P11_C_MessageDecryptFinal] = FREE,
	[P11_C_MessageSignInit] = FREE, [P11_C_SignMessage] = FREE, [P11_C_MessageSignFinal] = FREE,
	[P11_C_MessageVerifyInit] = FREE, [P11_C_VerifyMessage] = FREE, [P11_C_MessageVerifyFinal] = FREE,
	/* Whether a key may be digested no attribute says. */
	[P11_C_DigestKey] = judge_digest,

	/* Making and carrying keys. */
	[P11_C_GenerateKey] = judge_templates, [P11_C_GenerateKeyPair] = judge_templates,
	[P11_C_DeriveKey] = judge_derive,
	[P11_C_WrapKey] = judge_wrap, [P11_C_UnwrapKey] = judge_unwrap,
	[P11_C_SeedRandom] = FREE, [P11_C_GenerateRandom] = FREE,

	/* What a host knows: steps and leases are how whoever writes, and who recovers, does it. */
	[P11_X_Absent] = FREE, [P11_X_Age] = FREE, [P11_X_Lease] = FREE,
};

bool role_knows(enum p11_fn fn)
{
	return fn < P11_FN_MAX && of_application[fn];
}

/* ---- all of it ---- */

/* Somebody who tries and tries shall not fill a disk. */
static void log_refusal(struct role_watch *watch, const char *who, const char *what, CK_RV rv, const char *why)
{
	int64_t now = clock_now_ms();
	unsigned unsaid = 0;
	bool say;

	pthread_mutex_lock(&watch->lock);
	if (now - watch->since_ms >= ROLE_LOG_MS) {
		unsaid = watch->unsaid;
		watch->since_ms = now;
		watch->said = watch->unsaid = 0;
	}
	say = watch->said < ROLE_LOG_MAX;
	*(say ? &watch->said : &watch->unsaid) += 1;
	pthread_mutex_unlock(&watch->lock);
	if (unsaid)
		log_info("appliance", "%u more refusals by role", unsaid);
	if (say)
		log_info("appliance", "refused %s: %s: %s (%s)", who, what, why, p11_rv_name(rv));
}

static CK_RV judge_application(struct asked *a)
{
	enum p11_fn fn = a->call->fn;

	if (!role_knows(fn))
		return asked_refuse(a, CKR_FUNCTION_REJECTED, "not for applications");
	/* What is wrong in itself is not carried out, and says so in its own words. */
	return of_application[fn] == FREE || p11_call_check(a->call) != CKR_OK ? CKR_OK : of_application[fn](a);
}

CK_RV role_judge(struct host *host, const char *name, enum cert_role role, const struct p11_call *calls, size_t at)
{
	struct asked a = {.host = host, .calls = calls, .call = &calls[at], .why = ""};
	char who[256];
	CK_RV rv;

	switch (role) {
	case CERT_ROLE_ADMIN:
		return CKR_OK;
	case CERT_ROLE_APPLICATION:
		rv = judge_application(&a);
		break;
	default:
		rv = asked_refuse(&a, CKR_FUNCTION_REJECTED, "not a role of clients");
		break;
	}
	if (rv == CKR_OK)
		return rv;
	snprintf(who, sizeof(who), "'%s' (%s)", name, cert_role_names[role]);
	log_refusal(host_roles(host), who, p11_fn_table[a.call->fn].name, rv, a.why);
	return rv;
}
