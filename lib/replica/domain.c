/* SPDX-License-Identifier: Apache-2.0 */
/* The domain key: making, joining, carrying keys under it. */
#include "replica/domain.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "crypto/digest.h"
#include "crypto/pubkey.h"
#include "member/kept.h"
#include "member/member.h"
#include "p11/rv.h"
#include "replica/sites.h"

static const char DOMAIN_LABEL[] = KEPT_DOMAIN;
static const char TRANSPORT_LABEL[] = KEPT_TRANSPORT;
enum { TRANSPORT_BITS = 2048, TRANSPORT_ID_LEN = 16 };

static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
static CK_OBJECT_CLASS secret_class = CKO_SECRET_KEY, public_class = CKO_PUBLIC_KEY, private_class = CKO_PRIVATE_KEY;
static CK_KEY_TYPE aes_type = CKK_AES, rsa_type = CKK_RSA;

#define COUNT(template) (sizeof(template) / sizeof((template)[0]))
#define LABEL(text) {CKA_LABEL, (void *)(text), sizeof(text) - 1}

bool domain_owns(const struct p11_attrs *attrs)
{
	const CK_ATTRIBUTE domain = LABEL(DOMAIN_LABEL), transport = LABEL(TRANSPORT_LABEL);

	return p11_attrs_match(attrs, &domain, 1) || p11_attrs_match(attrs, &transport, 1);
}

bool domain_is(const struct p11_attrs *attrs, const uint8_t id[static DOMAIN_ID_LEN])
{
	const CK_ATTRIBUTE wanted[] = {
		{CKA_CLASS, &secret_class, sizeof(secret_class)},
		LABEL(DOMAIN_LABEL),
		{CKA_ID, (void *)id, DOMAIN_ID_LEN},
	};

	return p11_attrs_match(attrs, wanted, COUNT(wanted));
}

/* ERR_NOT_FOUND or the only object of a template. */
static int find_one(struct member_channel *channel, const CK_ATTRIBUTE *template, CK_ULONG count,
		    const char *what, CK_OBJECT_HANDLE *ret, struct err *err)
{
	CK_OBJECT_HANDLE *list = NULL;
	CK_ULONG n = 0;
	int rc = member_find(channel, template, count, &list, &n, err);

	if (rc == 0 && n == 0)
		rc = err_set(err, ERR_NOT_FOUND, "no %s on '%s'", what, member_name(member_of(channel)));
	else if (rc == 0 && n > 1)
		rc = err_set(err, ERR_AMBIGUOUS, "%lu times %s on '%s'", n, what, member_name(member_of(channel)));
	else if (rc == 0)
		*ret = list[0];
	free(list);
	return rc;
}

int domain_list(struct member_channel *channel, const uint8_t id[static DOMAIN_ID_LEN],
		CK_OBJECT_HANDLE ret[static DOMAIN_KEYS_MAX], size_t *ret_count, struct err *err)
{
	const CK_ATTRIBUTE template[] = {
		{CKA_CLASS, &secret_class, sizeof(secret_class)},
		LABEL(DOMAIN_LABEL),
		{CKA_ID, (void *)id, DOMAIN_ID_LEN},
	};
	owned(mem) CK_OBJECT_HANDLE *list = NULL;
	CK_ULONG n = 0;
	int rc = member_find(channel, template, COUNT(template), &list, &n, err);

	if (rc < 0)
		return rc;
	*ret_count = n < DOMAIN_KEYS_MAX ? n : DOMAIN_KEYS_MAX;
	for (size_t i = 0; i < *ret_count; i++)
		ret[i] = list[i];
	return 0;
}

int domain_find(struct member_channel *channel, const uint8_t id[static DOMAIN_ID_LEN],
		CK_OBJECT_HANDLE *ret, struct err *err)
{
	CK_OBJECT_HANDLE list[DOMAIN_KEYS_MAX];
	size_t count = 0;
	int rc = domain_list(channel, id, list, &count, err);

	if (rc == 0 && count == 0)
		return err_set(err, ERR_NOT_FOUND, "no domain key on '%s'", member_name(member_of(channel)));
	if (rc == 0)
		*ret = list[0];
	return rc;
}

/* What a domain key is, however it comes about. It must stay extractable: a
 * later member gets it from an earlier one. */
#define DOMAIN_TEMPLATE(id)                                                    \
	{                                                                      \
		{CKA_CLASS, &secret_class, sizeof(secret_class)},              \
		{CKA_KEY_TYPE, &aes_type, sizeof(aes_type)},                   \
		{CKA_TOKEN, &yes, sizeof(yes)},                                \
		{CKA_PRIVATE, &yes, sizeof(yes)},                              \
		{CKA_SENSITIVE, &yes, sizeof(yes)},                            \
		{CKA_EXTRACTABLE, &yes, sizeof(yes)},                          \
		{CKA_WRAP, &yes, sizeof(yes)},                                 \
		{CKA_UNWRAP, &yes, sizeof(yes)},                               \
		{CKA_ENCRYPT, &no, sizeof(no)},                                \
		{CKA_DECRYPT, &no, sizeof(no)},                                \
		{CKA_SIGN, &no, sizeof(no)},                                   \
		{CKA_VERIFY, &no, sizeof(no)},                                 \
		{CKA_DERIVE, &no, sizeof(no)},                                 \
		LABEL(DOMAIN_LABEL),                                           \
		{CKA_ID, (void *)(id), DOMAIN_ID_LEN},                         \
	}

int domain_create(struct member_channel *channel, const uint8_t id[static DOMAIN_ID_LEN],
		  CK_OBJECT_HANDLE *ret, struct err *err)
{
	CK_ATTRIBUTE base[] = DOMAIN_TEMPLATE(id);
	CK_ATTRIBUTE template[COUNT(base) + 1];
	CK_MECHANISM mechanism = {CKM_AES_KEY_GEN, NULL, 0};
	CK_ULONG len = 32;
	struct p11_call call;
	int rc = domain_find(channel, id, ret, err);

	if (rc != -ERR_NOT_FOUND)
		return rc;
	memcpy(template, base, sizeof(base));
	template[COUNT(base)] = (CK_ATTRIBUTE){CKA_VALUE_LEN, &len, sizeof(len)};
	call = p11_C_GenerateKey(member_session(channel), &mechanism, template, COUNT(template), ret);
	rc = member_run(channel, &call, 1, err);
	return rc < 0 ? err_wrap(err, "cannot make the domain key") : 0;
}

/* ---- transport ---- */

/* The pair by which a member receives the domain key; CKA_ID joins its halves. */
struct transport {
	struct p11_attrs attrs;		/* of the public half */
	CK_OBJECT_HANDLE private_key;
	char fingerprint[DOMAIN_FINGERPRINT];
};

static void transport_release(struct transport *transport)
{
	p11_attrs_release(&transport->attrs);
}
OWN_DEFINE_RELEASE(transport)

static int transport_make(struct member_channel *channel, CK_OBJECT_HANDLE *ret_public,
			  CK_OBJECT_HANDLE *ret_private, struct err *err)
{
	uint8_t id[TRANSPORT_ID_LEN];
	CK_ULONG bits = TRANSPORT_BITS;
	CK_BYTE exponent[] = {1, 0, 1};
	CK_ATTRIBUTE public_template[] = {
		LABEL(TRANSPORT_LABEL), {CKA_ID, id, sizeof(id)},
		{CKA_TOKEN, &yes, sizeof(yes)}, {CKA_PRIVATE, &no, sizeof(no)},
		{CKA_WRAP, &yes, sizeof(yes)}, {CKA_ENCRYPT, &no, sizeof(no)}, {CKA_VERIFY, &no, sizeof(no)},
		{CKA_MODULUS_BITS, &bits, sizeof(bits)}, {CKA_PUBLIC_EXPONENT, exponent, sizeof(exponent)},
	};
	CK_ATTRIBUTE private_template[] = {
		LABEL(TRANSPORT_LABEL), {CKA_ID, id, sizeof(id)},
		{CKA_TOKEN, &yes, sizeof(yes)}, {CKA_PRIVATE, &yes, sizeof(yes)},
		{CKA_SENSITIVE, &yes, sizeof(yes)}, {CKA_EXTRACTABLE, &no, sizeof(no)},
		{CKA_UNWRAP, &yes, sizeof(yes)}, {CKA_DECRYPT, &no, sizeof(no)}, {CKA_SIGN, &no, sizeof(no)},
	};
	CK_MECHANISM mechanism = {CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0};
	struct p11_call call = p11_C_GenerateKeyPair(member_session(channel), &mechanism, public_template,
						     COUNT(public_template), private_template,
						     COUNT(private_template), ret_public, ret_private);
	int rc = crypto_random(id, sizeof(id), err);

	if (rc == 0)
		rc = member_run(channel, &call, 1, err);
	return rc < 0 ? err_wrap(err, "cannot make the transport key") : 0;
}

static int fingerprint_of(const struct p11_attrs *attrs, char ret[static DOMAIN_FINGERPRINT], struct err *err)
{
	const CK_ATTRIBUTE *n = p11_attrs_find(attrs, CKA_MODULUS), *e = p11_attrs_find(attrs, CKA_PUBLIC_EXPONENT);
	owned(pubkey) struct pubkey *key = NULL;
	int rc;

	if (!n || !e)
		return err_set(err, ERR_UNSUPPORTED, "the transport key shows no modulus");
	rc = pubkey_rsa(n->pValue, n->ulValueLen, e->pValue, e->ulValueLen, &key, err);
	return rc < 0 ? rc : pubkey_fingerprint(key, ret, err);
}

int domain_is_transport(const struct p11_attrs *attrs, const char *pinned, struct err *err)
{
	const CK_ATTRIBUTE wanted[] = {{CKA_CLASS, &public_class, sizeof(public_class)}, LABEL(TRANSPORT_LABEL)};
	char fingerprint[DOMAIN_FINGERPRINT];
	int rc;

	if (!p11_attrs_match(attrs, wanted, COUNT(wanted)))
		return 0;
	rc = fingerprint_of(attrs, fingerprint, err);
	return rc < 0 ? rc : strcmp(pinned, fingerprint) == 0;
}

bool domain_is_private_half(const struct p11_attrs *attrs, const struct p11_attrs *public_half)
{
	const CK_ATTRIBUTE *id = p11_attrs_find(public_half, CKA_ID);
	const CK_ATTRIBUTE wanted[] = {{CKA_CLASS, &private_class, sizeof(private_class)}, LABEL(TRANSPORT_LABEL)};

	return id && p11_attrs_match(attrs, wanted, COUNT(wanted)) && p11_attrs_match(attrs, id, 1);
}

/* Is this the pinned key, and is its private half there? 1 and the rest when it is. */
static int transport_try(struct member_channel *channel, CK_OBJECT_HANDLE public_key, const char *pinned,
			 struct transport *ret, struct err *err)
{
	static const CK_ATTRIBUTE_TYPE types[] = {CKA_ID, CKA_MODULUS, CKA_PUBLIC_EXPONENT};
	owned(p11_attrs) struct p11_attrs attrs = {0};
	const CK_ATTRIBUTE *id;
	int rc = member_get(channel, public_key, types, COUNT(types), &attrs, err);

	id = p11_attrs_find(&attrs, CKA_ID);
	if (rc == 0)
		rc = fingerprint_of(&attrs, ret->fingerprint, err);
	if (rc < 0 || !id || (pinned && strcmp(pinned, ret->fingerprint) != 0))
		return rc;
	const CK_ATTRIBUTE template[] = {
		{CKA_CLASS, &private_class, sizeof(private_class)}, LABEL(TRANSPORT_LABEL), *id};

	rc = find_one(channel, template, COUNT(template), "transport key", &ret->private_key, err);
	if (rc == -ERR_NOT_FOUND)
		return 0;
	ret->attrs = attrs;
	attrs = (struct p11_attrs){0};
	return rc < 0 ? rc : 1;
}

/* There may be several: a token finishes the pair that a killed command asked for while the next one makes another. 1
 * when the right one is among them. */
static int transport_look(struct member_channel *channel, const char *pinned, struct transport *ret, struct err *err)
{
	const CK_ATTRIBUTE template[] = {
		{CKA_CLASS, &public_class, sizeof(public_class)}, LABEL(TRANSPORT_LABEL)};
	owned(mem) CK_OBJECT_HANDLE *list = NULL;
	CK_ULONG n = 0;
	int rc = member_find(channel, template, COUNT(template), &list, &n, err);

	for (CK_ULONG i = 0; i < n && rc == 0; i++) {
		rc = transport_try(channel, list[i], pinned, ret, err);
		/* A torn one says nothing of the others. */
		if (rc == -ERR_UNSUPPORTED || rc == -ERR_INVALID)
			rc = 0;
	}
	return rc;
}

int domain_transport(struct member_channel *channel, const char *pinned, struct err *err)
{
	owned(transport) struct transport transport = {0};
	int rc = transport_look(channel, pinned, &transport, err);

	if (rc == 0)
		return err_set(err, ERR_NOT_FOUND, "the transport key that the group pinned is not on '%s'",
			       member_name(member_of(channel)));
	return rc < 0 ? rc : 0;
}

/* The member's transport pair, made when it has none. */
static int transport_get(struct replica_site *site, const char *pinned, struct transport *ret, struct err *err)
{
	CK_OBJECT_HANDLE made, made_private;
	int rc = transport_look(site->channel, pinned, ret, err);

	if (rc)
		return rc < 0 ? rc : 0;
	if (pinned) {
		err_set(err, ERR_DENIED, "'%s' shows no transport key that is the pinned one", site->of->name);
		return err_hint(err, "was it initialised anew, or is it another device? a group made again, by 'hsmctl ha delete' and "
				     "'hsmctl ha create', accepts it");
	}
	rc = transport_make(site->channel, &made, &made_private, err);
	if (rc == 0)
		rc = transport_try(site->channel, made, NULL, ret, err);
	return rc < 0 ? rc : 0;
}

int domain_renew(struct replica_site *site, char ret_fingerprint[static DOMAIN_FINGERPRINT], struct err *err)
{
	owned(transport) struct transport transport = {0};
	int rc = transport_get(site, NULL, &transport, err);

	if (rc == 0)
		memcpy(ret_fingerprint, transport.fingerprint, DOMAIN_FINGERPRINT);
	return rc;
}

/* A session copy of the joiner's public key on the member that wraps. */
static int import_public(struct member_channel *channel, const struct p11_attrs *attrs,
			 CK_OBJECT_HANDLE *ret, struct err *err)
{
	const CK_ATTRIBUTE *n = p11_attrs_find(attrs, CKA_MODULUS), *e = p11_attrs_find(attrs, CKA_PUBLIC_EXPONENT);
	CK_ATTRIBUTE template[] = {
		{CKA_CLASS, &public_class, sizeof(public_class)}, {CKA_KEY_TYPE, &rsa_type, sizeof(rsa_type)},
		{CKA_TOKEN, &no, sizeof(no)}, {CKA_WRAP, &yes, sizeof(yes)}, *n, *e,
	};
	struct p11_call call = p11_C_CreateObject(member_session(channel), template, COUNT(template), ret);

	return member_run(channel, &call, 1, err);
}

/* OAEP with the best hash both can; SoftHSM 2.6.1 has SHA-1 only. */
static int transfer(struct replica_site *from, CK_OBJECT_HANDLE wrapping, struct replica_site *to,
		    CK_OBJECT_HANDLE unwrapping, const uint8_t *id, CK_OBJECT_HANDLE *ret, struct err *err)
{
	CK_RSA_PKCS_OAEP_PARAMS hashes[] = {
		{CKM_SHA256, CKG_MGF1_SHA256, CKZ_DATA_SPECIFIED, NULL, 0},
		{CKM_SHA_1, CKG_MGF1_SHA1, CKZ_DATA_SPECIFIED, NULL, 0},
	};
	CK_ATTRIBUTE template[] = DOMAIN_TEMPLATE(id);
	int rc = -ERR_UNSUPPORTED;

	for (size_t i = 0; i < COUNT(hashes); i++) {
		CK_MECHANISM mechanism = {CKM_RSA_PKCS_OAEP, &hashes[i], sizeof(hashes[i])};
		CK_BYTE blob[TRANSPORT_BITS / 8];
		CK_ULONG len = sizeof(blob);
		struct p11_call wrap = p11_C_WrapKey(member_session(from->channel), &mechanism, wrapping,
						    from->domain, blob, &len);
		struct p11_call unwrap;

		rc = member_run(from->channel, &wrap, 1, err);
		if (rc < 0)
			continue;
		unwrap = p11_C_UnwrapKey(member_session(to->channel), &mechanism, unwrapping, blob, len,
					template, COUNT(template), ret);
		rc = member_run(to->channel, &unwrap, 1, err);
		if (rc == 0)
			return 0;
	}
	/* An appliance holds applications to that (member/role.h). */
	if (rc == -ERR_TOKEN && err->rv == CKR_ACTION_PROHIBITED)
		return err_set(err, ERR_TOKEN, "only an administrator may bring the domain key to '%s'", to->of->name);
	return err_wrap(err, "cannot bring the domain key to '%s'", to->of->name);
}

/* ---- proof ---- */

static int encrypt_zero(struct member_channel *channel, CK_OBJECT_HANDLE key, CK_BYTE ret[static 16], struct err *err)
{
	CK_MECHANISM ecb = {CKM_AES_ECB, NULL, 0};
	CK_BYTE zero[16] = {0};
	CK_ULONG len = 16;
	struct p11_call calls[] = {
		p11_init(P11_C_EncryptInit, member_session(channel), &ecb, key),
		p11_transform(P11_C_Encrypt, member_session(channel), zero, sizeof(zero), ret, &len),
	};

	return member_run(channel, calls, 2, err);
}

static void destroy(struct member_channel *channel, CK_OBJECT_HANDLE object)
{
	struct p11_call call = p11_C_DestroyObject(member_session(channel), object);

	if (channel)
		member_call(channel, &call, 1, NULL, NULL);
}

/* A session key carried under the domain key must do the same on both sides. */
int domain_prove(struct replica_site *from, struct replica_site *to, struct err *err)
{
	CK_MECHANISM generate = {CKM_AES_KEY_GEN, NULL, 0};
	CK_ULONG len = 16;
	CK_ATTRIBUTE template[] = {
		{CKA_CLASS, &secret_class, sizeof(secret_class)}, {CKA_KEY_TYPE, &aes_type, sizeof(aes_type)},
		{CKA_TOKEN, &no, sizeof(no)}, {CKA_PRIVATE, &yes, sizeof(yes)}, {CKA_SENSITIVE, &yes, sizeof(yes)},
		{CKA_EXTRACTABLE, &yes, sizeof(yes)}, {CKA_ENCRYPT, &yes, sizeof(yes)},
		{CKA_VALUE_LEN, &len, sizeof(len)},
	};
	CK_OBJECT_HANDLE made, carried;
	CK_BYTE here[16], there[16];
	struct p11_call call = p11_C_GenerateKey(member_session(from->channel), &generate, template,
						COUNT(template), &made);
	int rc = member_run(from->channel, &call, 1, err);

	if (rc < 0)
		return rc;
	rc = domain_carry(from, made, to, template, COUNT(template) - 1, &carried, err);
	if (rc == 0) {
		rc = encrypt_zero(from->channel, made, here, err);
		if (rc == 0)
			rc = encrypt_zero(to->channel, carried, there, err);
		if (rc == 0 && memcmp(here, there, sizeof(here)) != 0)
			rc = err_set(err, ERR_DIFFERENT, "the domain keys of '%s' and '%s' differ",
				     from->of->name, to->of->name);
		destroy(to->channel, carried);
	}
	destroy(from->channel, made);
	return rc;
}

/* 1 when the two have the same domain key, 0 when a token refuses what the other gave it; whatever else went wrong says
 * nothing of the keys. */
static int same_domain(struct replica_site *from, struct replica_site *to, struct err *err)
{
	int rc = domain_prove(from, to, err);

	return rc == 0 ? 1 : rc == -ERR_TOKEN || rc == -ERR_DIFFERENT ? 0 : rc;
}

/* A domain key that is not the one to be brought gives way if it does not work: then nothing is lost with it. 1 when
 * it is the one. */
static int make_room(struct replica_site *from, struct replica_site *to, struct err *err)
{
	int rc = same_domain(from, to, err);

	if (rc)
		return rc;
	rc = same_domain(to, to, err);
	if (rc > 0) {
		err_set(err, ERR_DIFFERENT, "'%s' has another domain key, which works", to->of->name);
		return err_hint(err, "a group made again, by 'hsmctl ha delete' and 'hsmctl ha create', gives all "
				     "members one");
	}
	if (rc == 0)
		destroy(to->channel, to->domain);
	return rc;
}

int domain_join(struct replica_site *from, struct replica_site *to, const uint8_t id[static DOMAIN_ID_LEN],
		const char *pinned, char ret_fingerprint[static DOMAIN_FINGERPRINT], struct err *err)
{
	owned(transport) struct transport transport = {0};
	CK_OBJECT_HANDLE imported;
	int rc = transport_get(to, pinned, &transport, err);

	if (rc < 0)
		return rc;
	memcpy(ret_fingerprint, transport.fingerprint, DOMAIN_FINGERPRINT);
	rc = domain_find(to->channel, id, &to->domain, err);
	if (rc == 0)
		rc = make_room(from, to, err);
	if (rc && rc != -ERR_NOT_FOUND)
		return rc < 0 ? rc : 0;
	rc = import_public(from->channel, &transport.attrs, &imported, err);
	if (rc < 0)
		return rc;
	rc = transfer(from, imported, to, transport.private_key, id, &to->domain, err);
	destroy(from->channel, imported);
	return rc < 0 ? rc : domain_prove(from, to, err);
}

int domain_sweep(struct member_channel *channel, const uint8_t id[static DOMAIN_ID_LEN], CK_OBJECT_HANDLE kept,
		 struct err *err)
{
	CK_OBJECT_HANDLE list[DOMAIN_KEYS_MAX];
	size_t count = 0;
	int rc = domain_list(channel, id, list, &count, err);

	for (size_t i = 0; i < count && rc == 0; i++) {
		struct p11_call call = p11_C_DestroyObject(member_session(channel), list[i]);

		rc = list[i] == kept ? 0 : member_run(channel, &call, 1, err);
	}
	return rc;
}

int domain_destroy(struct member_channel *channel, const uint8_t *id, struct err *err)
{
	const CK_ATTRIBUTE template[] = {
		{CKA_CLASS, &secret_class, sizeof(secret_class)},
		LABEL(DOMAIN_LABEL),
		{CKA_ID, (void *)id, DOMAIN_ID_LEN},
	};
	CK_OBJECT_HANDLE *list = NULL;
	CK_ULONG count = 0;
	int rc = member_find(channel, template, id ? COUNT(template) : COUNT(template) - 1, &list, &count, err);

	for (CK_ULONG i = 0; i < count && rc == 0; i++) {
		struct p11_call call = p11_C_DestroyObject(member_session(channel), list[i]);

		rc = member_run(channel, &call, 1, err);
	}
	free(list);
	return rc;
}

int domain_count(struct member_channel *channel, CK_ULONG *ret, struct err *err)
{
	const CK_ATTRIBUTE template[] = {{CKA_CLASS, &secret_class, sizeof(secret_class)}, LABEL(DOMAIN_LABEL)};
	owned(mem) CK_OBJECT_HANDLE *list = NULL;

	return member_find(channel, template, COUNT(template), &list, ret, err);
}

/* ---- carrying ---- */

/* RFC 5649 goes by two numbers: 0x210b is the standard's, 0x210a what SoftHSM
 * calls it; on NSS 0x210a is something else. */
static const struct {
	CK_MECHANISM_TYPE wrap, unwrap;
} pairs[] = {
	{CKM_AES_KEY_WRAP_KWP, CKM_AES_KEY_WRAP_KWP},
	{CKM_AES_KEY_WRAP_PAD, CKM_AES_KEY_WRAP_PAD},
	{CKM_AES_KEY_WRAP_PAD, CKM_AES_KEY_WRAP_KWP},
	{CKM_AES_KEY_WRAP_KWP, CKM_AES_KEY_WRAP_PAD},
};

enum { UNWRAPPINGS = 2 };	/* the first of them are all that there are */

static int lacks_domain(const struct replica_site *site, struct err *err)
{
	return err_set(err, ERR_UNSUPPORTED, "'%s' has not the domain key of the group", site->of->name);
}

static int carry_by(size_t pair, struct replica_site *from, CK_OBJECT_HANDLE key, struct replica_site *to,
		    const CK_ATTRIBUTE *template, CK_ULONG count, CK_OBJECT_HANDLE *ret, struct err *err)
{
	CK_MECHANISM wrapping = {pairs[pair].wrap, NULL, 0}, unwrapping = {pairs[pair].unwrap, NULL, 0};
	CK_BYTE blob[DOMAIN_BLOB_MAX];
	CK_ULONG len = sizeof(blob);
	struct p11_call call = p11_C_WrapKey(member_session(from->channel), &wrapping, from->domain, key, blob, &len);
	int rc = member_run(from->channel, &call, 1, err);

	if (rc < 0)
		return rc;
	call = p11_C_UnwrapKey(member_session(to->channel), &unwrapping, to->domain, blob, len, template, count, ret);
	return member_run(to->channel, &call, 1, err);
}

int domain_carry(struct replica_site *from, CK_OBJECT_HANDLE key, struct replica_site *to,
		 const CK_ATTRIBUTE *template, CK_ULONG count, CK_OBJECT_HANDLE *ret, struct err *err)
{
	_Atomic uint8_t *choice = &from->of->carries[to->of->index];
	int rc = -ERR_UNSUPPORTED;

	if (!from->domain || !to->domain)
		return lacks_domain(from->domain ? to : from, err);
	if (*choice)
		return carry_by(*choice - 1u, from, key, to, template, count, ret, err);
	for (size_t i = 0; i < COUNT(pairs); i++) {
		rc = carry_by(i, from, key, to, template, count, ret, err);
		if (rc == 0) {
			*choice = (uint8_t)(i + 1);
			log_debug("replica", "%s to %s by 0x%lx", from->of->name, to->of->name, pairs[i].wrap);
			return 0;
		}
		if (err->rv != CKR_MECHANISM_INVALID)
			return rc;
	}
	return rc;
}

int domain_wrap(struct replica_site *site, CK_OBJECT_HANDLE key, uint8_t *blob, CK_ULONG *len, struct err *err)
{
	CK_ULONG room = *len;
	int rc = -ERR_UNSUPPORTED;

	if (!site->domain)
		return lacks_domain(site, err);
	for (size_t i = 0; i < COUNT(pairs); i++) {
		CK_MECHANISM mechanism = {pairs[i].wrap, NULL, 0};
		struct p11_call call =
			p11_C_WrapKey(member_session(site->channel), &mechanism, site->domain, key, blob, len);

		*len = room;
		rc = member_run(site->channel, &call, 1, err);
		if (rc == 0 || err->rv != CKR_MECHANISM_INVALID)
			break;
	}
	return rc;
}

/* Who made it may have called the mechanism by the other number. */
int domain_unwrap(struct replica_site *site, const uint8_t *blob, CK_ULONG len, const CK_ATTRIBUTE *template,
		  CK_ULONG count, CK_OBJECT_HANDLE *ret, struct err *err)
{
	int rc = -ERR_TOKEN;

	if (!site->domain)
		return lacks_domain(site, err);
	for (size_t i = 0; i < UNWRAPPINGS && rc == -ERR_TOKEN; i++) {
		CK_MECHANISM mechanism = {pairs[i].unwrap, NULL, 0};
		struct p11_call call = p11_C_UnwrapKey(member_session(site->channel), &mechanism, site->domain, blob, len,
						       template, count, ret);
		struct err why = {0};

		rc = member_run(site->channel, &call, 1, &why);
		/* A member that knows one of the numbers alone says of that what is wrong. */
		if (rc != -ERR_TOKEN || why.rv != CKR_MECHANISM_INVALID || i == 0)
			*err = why;
	}
	return rc;
}

static int wrap_once(struct replica_site *site, CK_OBJECT_HANDLE key, struct err *err)
{
	CK_BYTE blob[DOMAIN_BLOB_MAX];
	CK_ULONG len = sizeof(blob);

	return domain_wrap(site, key, blob, &len, err);
}

/* A code that libraries use for everything must come twice. */
int domain_gives(struct replica_site *site, CK_OBJECT_HANDLE key, struct err *err)
{
	int rc = wrap_once(site, key, err);

	if (rc == -ERR_TOKEN && p11_rv_class(err->rv) == P11_AMBIGUOUS)
		rc = wrap_once(site, key, err);
	if (rc != -ERR_TOKEN || p11_rv_class(err->rv) == P11_HANDLE)
		return rc;
	err->code = ERR_NOT_REPLICABLE;
	return -ERR_NOT_REPLICABLE;
}
