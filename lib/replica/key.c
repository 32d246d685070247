/* SPDX-License-Identifier: Apache-2.0 */
/* Kinds of keys and their templates. */
#include "replica/key.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "crypto/digest.h"
#include "member/member.h"
#include "p11/curve.h"
#include "p11/rv.h"

const char *const key_kind_names[] = {"ec-p256", "ec-p384", "ed25519", "rsa-2048", "rsa-3072", "rsa-4096",
				      "aes-128", "aes-256", "hmac-sha256", NULL};

static const CK_BYTE ED25519[] = {0x13, 0x0c, 'e', 'd', 'w', 'a', 'r', 'd', 's', '2', '5', '5', '1', '9'};
static const CK_BYTE EXPONENT[] = {1, 0, 1};

static const struct kind {
	CK_MECHANISM_TYPE mechanism;
	CK_KEY_TYPE type;
	CK_ULONG size;			/* bits of an RSA key, bytes of a secret one */
	const CK_BYTE *params;
	size_t params_len;
} kinds[KEY_KIND_MAX] = {
	[KEY_EC_P256] = {CKM_EC_KEY_PAIR_GEN, CKK_EC, 0, p11_curves[P11_P256].params, 10},
	[KEY_EC_P384] = {CKM_EC_KEY_PAIR_GEN, CKK_EC, 0, p11_curves[P11_P384].params, 7},
	[KEY_ED25519] = {CKM_EC_EDWARDS_KEY_PAIR_GEN, CKK_EC_EDWARDS, 0, ED25519, sizeof(ED25519)},
	[KEY_RSA_2048] = {CKM_RSA_PKCS_KEY_PAIR_GEN, CKK_RSA, 2048, NULL, 0},
	[KEY_RSA_3072] = {CKM_RSA_PKCS_KEY_PAIR_GEN, CKK_RSA, 3072, NULL, 0},
	[KEY_RSA_4096] = {CKM_RSA_PKCS_KEY_PAIR_GEN, CKK_RSA, 4096, NULL, 0},
	[KEY_AES_128] = {CKM_AES_KEY_GEN, CKK_AES, 16, NULL, 0},
	[KEY_AES_256] = {CKM_AES_KEY_GEN, CKK_AES, 32, NULL, 0},
	[KEY_HMAC_SHA256] = {CKM_GENERIC_SECRET_KEY_GEN, CKK_GENERIC_SECRET, 32, NULL, 0},
};

/* Of another way than by generation the template tells, but of what is derived. */
static struct p11_object object_told(const struct key_request *request)
{
	const struct p11_attrs *template = &request->templates[0];
	struct p11_object object = p11_object_of(template);

	if (request->way == P11_DERIVE && object.class == CK_UNAVAILABLE_INFORMATION)
		object = (struct p11_object){CKO_SECRET_KEY, p11_attrs_ulong(template, CKA_KEY_TYPE, object.type)};
	if (request->way == P11_DERIVE && object.type == CK_UNAVAILABLE_INFORMATION)
		object.type = CKK_GENERIC_SECRET;
	return object;
}

static CK_OBJECT_CLASS class_made(const struct key_request *request, size_t index)
{
	CK_MECHANISM_TYPE by = request->mechanism.mechanism;

	if (request->n_templates > 1)
		return index ? CKO_PUBLIC_KEY : CKO_PRIVATE_KEY;
	return by == CKM_DSA_PARAMETER_GEN || by == CKM_DH_PKCS_PARAMETER_GEN ? CKO_DOMAIN_PARAMETERS : CKO_SECRET_KEY;
}

struct p11_object key_object_made(const struct key_request *request, size_t index)
{
	const struct p11_mech *mech = p11_mech(request->mechanism.mechanism);
	CK_KEY_TYPE type = CK_UNAVAILABLE_INFORMATION;

	if (request->way != P11_GENERATE)
		return object_told(request);
	type = mech ? mech->key_type : p11_attrs_ulong(&request->templates[index], CKA_KEY_TYPE, type);
	return (struct p11_object){class_made(request, index), type};
}

void key_request_release(struct key_request *request)
{
	for (size_t i = 0; i < RECORD_OBJECTS_MAX; i++)
		p11_attrs_release(&request->templates[i]);
	*request = (struct key_request){0};
}

/* What the key may be used for, said of every use it can have: tokens have other defaults. */
static int allow(struct p11_attrs *attrs, struct p11_object object, const CK_ATTRIBUTE_TYPE *wanted, struct err *err)
{
	static const CK_ATTRIBUTE_TYPE uses[] = {CKA_ENCRYPT, CKA_DECRYPT, CKA_SIGN, CKA_VERIFY, CKA_WRAP, CKA_UNWRAP};
	int rc = 0;

	for (size_t i = 0; i < sizeof(uses) / sizeof(uses[0]) && rc == 0; i++) {
		bool yes = false;

		if (!p11_object_has(object, uses[i]))
			continue;
		for (const CK_ATTRIBUTE_TYPE *w = wanted; *w; w++)
			yes = yes || *w == uses[i];
		rc = p11_attrs_set_bool(attrs, uses[i], yes, err);
	}
	return rc;
}

static int common(struct p11_attrs *attrs, const char *label, bool hidden, struct err *err)
{
	int rc = p11_attrs_set_bool(attrs, CKA_TOKEN, true, err);

	if (rc == 0)
		rc = p11_attrs_set_bool(attrs, CKA_PRIVATE, hidden, err);
	if (rc == 0 && hidden)
		rc = p11_attrs_set_bool(attrs, CKA_SENSITIVE, true, err);
	if (rc == 0 && hidden)
		rc = p11_attrs_set_bool(attrs, CKA_EXTRACTABLE, false, err);
	return rc < 0 ? rc : p11_attrs_set(attrs, CKA_LABEL, label, strlen(label), err);
}

static int pair_request(const struct kind *kind, const char *label, struct key_request *ret, struct err *err)
{
	static const CK_ATTRIBUTE_TYPE ec_private[] = {CKA_SIGN, 0}, ec_public[] = {CKA_VERIFY, 0};
	static const CK_ATTRIBUTE_TYPE rsa_private[] = {CKA_SIGN, CKA_DECRYPT, 0}, rsa_public[] = {CKA_VERIFY, CKA_ENCRYPT, 0};
	struct p11_attrs *private = &ret->templates[0], *public = &ret->templates[1];
	bool rsa = kind->type == CKK_RSA;
	int rc = common(private, label, true, err);

	ret->n_templates = 2;
	if (rc == 0)
		rc = common(public, label, false, err);
	if (rc == 0)
		rc = allow(private, key_object_made(ret, 0), rsa ? rsa_private : ec_private, err);
	if (rc == 0)
		rc = allow(public, key_object_made(ret, 1), rsa ? rsa_public : ec_public, err);
	if (rc == 0 && kind->params)
		rc = p11_attrs_set(public, CKA_EC_PARAMS, kind->params, kind->params_len, err);
	if (rc == 0 && rsa)
		rc = p11_attrs_set_ulong(public, CKA_MODULUS_BITS, kind->size, err);
	if (rc == 0 && rsa)
		rc = p11_attrs_set(public, CKA_PUBLIC_EXPONENT, EXPONENT, sizeof(EXPONENT), err);
	return rc;
}

int key_label_check(const char *label, struct err *err)
{
	size_t len = strlen(label), at = 0;
	char shown[KEY_LABEL_MAX + 1];

	if (!len)
		return err_set(err, ERR_USAGE, "a key needs a label");
	if (len > KEY_LABEL_MAX)
		return err_set(err, ERR_USAGE, "a label has at most %d bytes, this one has %zu", KEY_LABEL_MAX, len);
	memcpy(shown, label, len + 1);
	err_mask(shown);
	while (at < len && shown[at] == label[at])
		at++;
	if (at == len)
		return 0;
	return err_set(err, ERR_USAGE, "byte %zu of the label '%.80s' is 0x%02x: labels are text without control characters",
		       at + 1, shown, (unsigned char)label[at]);
}

char *key_label(const struct p11_attrs *attrs)
{
	const CK_ATTRIBUTE *label = p11_attrs_find(attrs, CKA_LABEL);
	size_t len = label ? label->ulValueLen : 0;
	char *text = mem_zalloc(len + 1);

	for (size_t i = 0; text && i < len; i++)
		text[i] = ((const char *)label->pValue)[i] ? ((const char *)label->pValue)[i] : '?';
	return text;
}

bool key_is_destroyable(const struct record *record)
{
	for (size_t o = 0; o < record->n_objects; o++)
		if (!p11_attrs_bool(&record->objects[o], CKA_DESTROYABLE, true))
			return false;
	return true;
}

int key_request_kind(enum key_kind kind, const char *label, struct key_request *ret, struct err *err)
{
	static const CK_ATTRIBUTE_TYPE aes[] = {CKA_ENCRYPT, CKA_DECRYPT, CKA_WRAP, CKA_UNWRAP, 0};
	static const CK_ATTRIBUTE_TYPE hmac[] = {CKA_SIGN, CKA_VERIFY, 0};
	const struct kind *k = &kinds[kind];
	int rc;

	*ret = (struct key_request){.mechanism.mechanism = k->mechanism, .n_templates = 1};
	if (k->type == CKK_EC || k->type == CKK_RSA || k->type == CKK_EC_EDWARDS) {
		rc = pair_request(k, label, ret, err);
	} else {
		rc = common(&ret->templates[0], label, true, err);
		if (rc == 0)
			rc = p11_attrs_set_ulong(&ret->templates[0], CKA_VALUE_LEN, k->size, err);
		if (rc == 0)
			rc = allow(&ret->templates[0], key_object_made(ret, 0), k->type == CKK_AES ? aes : hmac, err);
	}
	if (rc < 0)
		key_request_release(ret);
	return rc;
}

/* ---- what members hold ---- */

enum { KNOWN_MAX = 16 };
#define ASKED (1u << 31)

static enum p11_replica replica_of(CK_ATTRIBUTE_TYPE type)
{
	const struct p11_attr_info *info = p11_attr_info(type);

	return info ? info->replica : P11_OWN;
}

static void remove_empty(struct p11_attrs *attrs)
{
	for (CK_ULONG i = attrs->count; i-- > 0;)
		if (p11_attr_says_nothing(&attrs->items[i]))
			p11_attrs_remove(attrs, attrs->items[i].type);
}

int key_nested_held(const CK_ATTRIBUTE *value, struct p11_attrs *ret, struct err *err)
{
	const CK_ATTRIBUTE *items = value->pValue;
	int rc = 0;

	for (CK_ULONG i = 0; i < value->ulValueLen / sizeof(*items) && rc == 0; i++) {
		enum p11_replica replica = replica_of(items[i].type);

		bool otherwise = replica == P11_HELD_TRUE || replica == P11_HELD_FALSE || replica == P11_BY_RECORD ||
				 items[i].type == CKA_ID;

		if (!otherwise)
			rc = p11_attrs_merge(ret, &items[i], 1, err);
	}
	return rc;
}

static int narrow_nested(struct p11_attrs *attrs, struct err *err)
{
	int rc = 0;

	for (CK_ULONG i = 0; i < attrs->count && rc == 0; i++) {
		owned(p11_attrs) struct p11_attrs held = {0};
		CK_ATTRIBUTE_TYPE type = attrs->items[i].type;

		if (!p11_attr_is_nested(type))
			continue;
		rc = key_nested_held(&attrs->items[i], &held, err);
		if (rc == 0)
			rc = p11_attrs_set(attrs, type, held.items, held.count * sizeof(*held.items), err);
	}
	return rc;
}

/* What every copy holds true. */
static int open_up(struct p11_attrs *template, struct p11_object object, struct err *err)
{
	int rc = 0;

	for (const struct p11_attr_info *info = p11_attr_table; info->name && rc == 0; info++)
		if (info->replica == P11_HELD_TRUE && p11_object_place(object, info))
			rc = p11_attrs_set_bool(template, info->type, true, err);
	return rc;
}

/* By which a member's objects are known to be of a key. */
static int give_mark(struct p11_attrs *template, struct p11_object object, const uint8_t uid[static UID_LEN], struct err *err)
{
	return p11_object_has(object, CKA_ID) ? p11_attrs_set(template, CKA_ID, uid, UID_LEN, err) : 0;
}

/* What the standard assumes of what is derived, tokens want to be told. */
static int say_kind(struct p11_attrs *template, struct p11_object object, struct err *err)
{
	int rc = p11_attrs_set_ulong(template, CKA_CLASS, object.class, err);

	return rc < 0 ? rc : p11_attrs_set_ulong(template, CKA_KEY_TYPE, object.type, err);
}

int key_request_check(const struct key_request *request, bool allow_unreplicated, struct err *err)
{
	for (size_t i = 0; i < request->n_templates && !request->copy; i++) {
		const struct p11_attrs *template = &request->templates[i];
		/* No token gets to see all of it. */
		CK_RV rv = p11_object_check(request->way, key_object_made(request, i), template->items, template->count);

		if (rv != CKR_OK)
			return p11_rv_err(err, rv, "the template of the key");
	}
	if (key_object_made(request, 0).type == CKK_EC_EDWARDS && !allow_unreplicated)
		return err_set(err, ERR_NOT_REPLICABLE,
			       "ed25519 keys cannot be wrapped by the members' tokens, so they cannot be replicated");
	return 0;
}

int key_member_template(const struct key_request *request, size_t index, const uint8_t uid[static UID_LEN],
			struct p11_attrs *ret, struct err *err)
{
	const struct p11_attrs *wish = &request->templates[index];
	struct record described = {.objects[0] = *wish, .n_objects = 1};
	int rc;

	memcpy(described.uid, uid, UID_LEN);
	if (request->copy)
		return key_replica_template(&described, 0, ret, err);
	rc = p11_attrs_merge(ret, wish->items, wish->count, err);
	if (rc == 0 && request->way == P11_DERIVE)
		rc = say_kind(ret, key_object_made(request, index), err);
	if (rc == 0)
		rc = give_mark(ret, key_object_made(request, index), uid, err);
	if (rc == 0)
		rc = open_up(ret, key_object_made(request, index), err);
	for (CK_ULONG i = ret->count; i-- > 0;) {
		enum p11_replica replica = replica_of(ret->items[i].type);

		if (replica == P11_BY_RECORD || replica == P11_HELD_FALSE || (request->passing && replica == P11_WHERE_KNOWN))
			p11_attrs_remove(ret, ret->items[i].type);
	}
	if (rc == 0)
		rc = narrow_nested(ret, err);
	remove_empty(ret);
	return rc;
}

static bool flag_by_default(struct p11_object object, CK_ATTRIBUTE_TYPE type)
{
	const CK_ATTRIBUTE *begins = p11_object_default(object, type);

	return begins && *(const CK_BBOOL *)begins->pValue;
}

/* What was always so can only be said of what was never anywhere else. */
static int tell_past(const struct key_request *request, struct p11_object object, struct p11_attrs *ret, struct err *err)
{
	const struct p11_attrs *base = request->base;
	bool born = request->way == P11_GENERATE && !request->copy;
	bool sensitive = p11_attrs_bool(ret, CKA_SENSITIVE, true) &&
			 (born || (base && p11_attrs_bool(base, CKA_ALWAYS_SENSITIVE, false)));
	bool extractable = p11_attrs_bool(&request->templates[0], CKA_EXTRACTABLE, flag_by_default(object, CKA_EXTRACTABLE));
	bool hidden = !extractable && (born || (base && p11_attrs_bool(base, CKA_NEVER_EXTRACTABLE, false)));
	int rc = p11_attrs_set_bool(ret, CKA_EXTRACTABLE, extractable, err);

	if (rc == 0)
		rc = p11_attrs_set_bool(ret, CKA_ALWAYS_SENSITIVE, sensitive, err);
	return rc < 0 ? rc : p11_attrs_set_bool(ret, CKA_NEVER_EXTRACTABLE, hidden, err);
}

int key_record_object(const struct key_request *request, size_t index, const struct p11_attrs *read,
		      const uint8_t uid[static UID_LEN], struct p11_attrs *ret, struct err *err)
{
	const struct p11_attrs *wish = &request->templates[index];
	const struct p11_object object = key_object_made(request, index);
	int rc = p11_attrs_merge(ret, read->items, read->count, err);

	if (rc == 0)
		rc = p11_attrs_merge(ret, wish->items, wish->count, err);
	if (rc == 0 && !p11_attrs_find(wish, CKA_ID))
		rc = p11_attrs_set(ret, CKA_ID, uid, UID_LEN, err);
	remove_empty(ret);
	/* Key material an application gave never goes into a record. */
	for (CK_ULONG i = ret->count; i-- > 0;)
		if (p11_object_conceals(object, ret->items[i].type))
			p11_attrs_remove(ret, ret->items[i].type);
	return rc < 0 || !p11_object_has(object, CKA_EXTRACTABLE) ? rc : tell_past(request, object, ret, err);
}

int key_describe(struct member_channel *channel, CK_OBJECT_HANDLE object, const struct key_request *request, size_t index,
		 const uint8_t uid[static UID_LEN], struct p11_attrs *ret, struct err *err)
{
	static const CK_ATTRIBUTE_TYPE basics[] = {CKA_CLASS, CKA_KEY_TYPE};
	owned(p11_attrs) struct p11_attrs read = {0};
	CK_ATTRIBUTE_TYPE types[64];
	CK_ULONG n;
	int rc = member_get(channel, object, basics, 2, &read, err);

	if (rc < 0)
		return rc;
	n = key_attribute_types(p11_attrs_ulong(&read, CKA_CLASS, 0), p11_attrs_ulong(&read, CKA_KEY_TYPE, 0), types);
	rc = member_get(channel, object, types, n, &read, err);
	return rc < 0 ? rc : key_record_object(request, index, &read, uid, ret, err);
}

/* What is so where nothing is given. */
static int fill_in(struct p11_object object, struct p11_attrs *ret, struct err *err)
{
	int rc = 0;

	for (const struct p11_attr_info *info = p11_attr_table; info->name && rc == 0; info++) {
		const CK_ATTRIBUTE *begins = p11_object_default(object, info->type);

		if (begins && !p11_attrs_find(ret, info->type) && info->replica != P11_OWN)
			rc = p11_attrs_set(ret, info->type, begins->pValue, begins->ulValueLen, err);
	}
	return rc < 0 || p11_attrs_find(ret, CKA_PRIVATE) ? rc
		       : p11_attrs_set_bool(ret, CKA_PRIVATE, object.class == CKO_DATA, err);
}

/* Of a certificate: the first bytes of what its value hashes to (section 4.6). Who gives none wants none. */
static int check_certificate(struct p11_attrs *ret, struct err *err)
{
	enum { CHECK_LEN = 3 };
	const CK_ATTRIBUTE *value = p11_attrs_find(ret, CKA_VALUE), *given = p11_attrs_find(ret, CKA_CHECK_VALUE);
	uint8_t digest[SHA1_LEN];
	int rc;

	if (!value || !value->ulValueLen || (given && !given->ulValueLen))
		return 0;
	rc = crypto_sha1(value->pValue, value->ulValueLen, digest, err);
	if (rc == 0 && given && !p11_attr_same_value(given, &(CK_ATTRIBUTE){CKA_CHECK_VALUE, digest, CHECK_LEN}))
		return p11_rv_err(err, CKR_ATTRIBUTE_VALUE_INVALID, "the check value of the certificate");
	return rc < 0 ? rc : p11_attrs_set(ret, CKA_CHECK_VALUE, digest, CHECK_LEN, err);
}

static CK_ULONG bits_of(const CK_ATTRIBUTE *number)
{
	const CK_BYTE *at = number ? number->pValue : NULL;
	CK_ULONG len = number ? number->ulValueLen : 0, bits;

	while (len && !*at) {
		at++;
		len--;
	}
	bits = len * 8;
	for (unsigned top = len ? *at : 0x80; !(top & 0x80); top <<= 1)
		bits--;
	return bits;
}

/* Of domain parameters that were given: nobody made them here (section 4.11). */
static int measure_domain(struct p11_attrs *ret, struct err *err)
{
	int rc = p11_attrs_set_bool(ret, CKA_LOCAL, false, err);

	return rc < 0 ? rc : p11_attrs_set_ulong(ret, CKA_PRIME_BITS, bits_of(p11_attrs_find(ret, CKA_PRIME)), err);
}

int key_describe_open(const struct p11_attrs *template, struct p11_attrs *ret, struct err *err)
{
	const struct p11_object object = p11_object_of(template);
	int rc = p11_attrs_merge(ret, template->items, template->count, err);

	if (rc == 0)
		rc = fill_in(object, ret, err);
	if (rc == 0 && object.class == CKO_CERTIFICATE)
		rc = check_certificate(ret, err);
	if (rc == 0 && object.class == CKO_DOMAIN_PARAMETERS && !p11_attrs_find(ret, CKA_LOCAL))
		rc = measure_domain(ret, err);
	return rc;
}

/* Does a template for a copy hold it? Nothing that the token makes itself, and nothing that only the record holds. */
static bool is_given(struct p11_object object, const struct p11_attr_info *info, enum p11_way way)
{
	const struct p11_attr_place *place = p11_object_place(object, info);
	bool carried = place && (info->replica == P11_GIVEN || info->replica == P11_ALIKE || info->replica == P11_WHERE_KNOWN);

	return carried && !(place->notes & P11_CONCEALED) && !p11_attr_barred(place, way);
}

/* SoftHSM goes by it from where it stands in a template. */
static int modifiable_last(struct p11_attrs *attrs, struct err *err)
{
	bool there = p11_attrs_find(attrs, CKA_MODIFIABLE), modifiable = p11_attrs_bool(attrs, CKA_MODIFIABLE, true);

	p11_attrs_remove(attrs, CKA_MODIFIABLE);
	return there ? p11_attrs_set_bool(attrs, CKA_MODIFIABLE, modifiable, err) : 0;
}

int key_replica_template(const struct record *record, size_t index, struct p11_attrs *ret, struct err *err)
{
	const struct p11_attrs *from = &record->objects[index];
	const struct p11_object object = p11_object_of(from);
	bool hidden = object.class == CKO_PRIVATE_KEY || object.class == CKO_SECRET_KEY;
	int rc = 0;

	for (CK_ULONG i = 0; i < from->count && rc == 0; i++) {
		const struct p11_attr_info *info = p11_attr_info(from->items[i].type);

		if (is_given(object, info, hidden ? P11_UNWRAP : P11_CREATE))
			rc = p11_attrs_set(ret, info->type, from->items[i].pValue, from->items[i].ulValueLen, err);
	}
	if (rc == 0)
		rc = narrow_nested(ret, err);
	remove_empty(ret);
	if (rc == 0)
		rc = give_mark(ret, object, record->uid, err);
	if (rc == 0)
		rc = open_up(ret, object, err);
	return rc < 0 ? rc : modifiable_last(ret, err);
}

/* Restrictions that not all tokens know; bit i of what is known of a token is row i. */
static CK_ULONG where_known(CK_ATTRIBUTE_TYPE ret[static KNOWN_MAX])
{
	CK_ULONG count = 0;

	for (const struct p11_attr_info *info = p11_attr_table; info->name && count < KNOWN_MAX; info++)
		if (info->replica == P11_WHERE_KNOWN)
			ret[count++] = info->type;
	return count;
}

/* Which of them the token has no value of, not even an empty one. */
static int ask_known(struct member_channel *channel, CK_OBJECT_HANDLE object, const CK_ATTRIBUTE_TYPE *types,
		     CK_ULONG count, uint32_t *ret, struct err *err)
{
	owned(p11_attrs) struct p11_attrs read = {0};
	int rc = member_get(channel, object, types, count, &read, err);

	*ret = ASKED;
	for (CK_ULONG i = 0; i < count; i++)
		if (p11_attrs_find(&read, types[i]))
			*ret |= 1u << i;
	return rc;
}

int key_leave_out(struct member_channel *channel, CK_OBJECT_HANDLE object, _Atomic uint32_t *known,
		  struct p11_attrs *template, struct err *err)
{
	CK_ATTRIBUTE_TYPE types[KNOWN_MAX];
	CK_ULONG count = where_known(types);
	uint32_t mask = *known, concerned = 0;
	int rc = 0;

	for (CK_ULONG i = 0; i < count; i++)
		if (p11_attrs_find(template, types[i]))
			concerned |= 1u << i;
	if (concerned && !(mask & ASKED)) {
		rc = ask_known(channel, object, types, count, &mask, err);
		if (rc == 0)
			*known = mask;
	}
	for (CK_ULONG i = 0; i < count && rc == 0; i++)
		if (concerned & ~mask & 1u << i)
			p11_attrs_remove(template, types[i]);
	return rc;
}

CK_ULONG key_attribute_types(CK_OBJECT_CLASS object_class, CK_KEY_TYPE type, CK_ATTRIBUTE_TYPE ret[static 64])
{
	const struct p11_object object = {object_class, type};
	CK_ULONG count = 0;

	for (const struct p11_attr_info *info = p11_attr_table; info->name && count < 64; info++) {
		const struct p11_attr_place *place = p11_object_place(object, info);

		/* Reading dates of private objects fails on SoftHSM. */
		if (place && !(place->notes & P11_CONCEALED) && info->replica != P11_OWN && info->kind != P11_ATTR_DATE)
			ret[count++] = info->type;
	}
	return count;
}

const char *key_class_of(const struct record *record)
{
	return p11_class_name(p11_attrs_ulong(&record->objects[0], CKA_CLASS, CK_UNAVAILABLE_INFORMATION));
}

const char *key_kind_of(const struct record *record)
{
	const struct p11_attrs *attrs = &record->objects[0];
	CK_KEY_TYPE type = p11_attrs_ulong(attrs, CKA_KEY_TYPE, CK_UNAVAILABLE_INFORMATION);
	const CK_ATTRIBUTE *modulus = p11_attrs_find(attrs, CKA_MODULUS), *params = p11_attrs_find(attrs, CKA_EC_PARAMS);
	CK_ULONG size = modulus ? modulus->ulValueLen * 8 : p11_attrs_ulong(attrs, CKA_VALUE_LEN, 0);

	for (int i = 0; i < KEY_KIND_MAX; i++) {
		if (kinds[i].type != type)
			continue;
		if (kinds[i].params ? params && params->ulValueLen == kinds[i].params_len &&
					      memcmp(params->pValue, kinds[i].params, params->ulValueLen) == 0
				    : type == CKK_GENERIC_SECRET || kinds[i].size == size)
			return key_kind_names[i];
	}
	return p11_key_type_name(type);
}
