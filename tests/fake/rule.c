/* SPDX-License-Identifier: Apache-2.0 */
/* Which attributes an object has, how they begin, and who may change them: a table after SoftHSM 2.6.1's. */
#include <string.h>

#include "internal.h"

enum {
	DATA = 1, CERTIFICATE = 2, PUBLIC = 4, PRIVATE = 8, SECRET = 16,
	KEYS = PUBLIC | PRIVATE | SECRET, HIDDEN = PRIVATE | SECRET, ALL = DATA | CERTIFICATE | KEYS,
	RSA = 32, EC = 64,
};

enum {
	NEEDED = 1,		/* by C_CreateObject */
	NOT_CREATED = 2, NOT_GENERATED = 4, NOT_UNWRAPPED = 8, NEVER = 14,	/* may not stand in such a template */
	CONCEALED = 16,		/* of a sensitive or unextractable key */
	CHANGES = 32,		/* by C_SetAttributeValue and C_CopyObject */
	COPIES = 64,		/* by C_CopyObject only */
	ONLY_TRUE = 128, ONLY_FALSE = 256,	/* and never back */
	OFFICERS = 512,
};

enum kind { YES, NO, NUMBER, NOWHERE, BYTES, OTHER };	/* and how it begins; NOWHERE: CK_UNAVAILABLE_INFORMATION */

static const struct rule {
	CK_ATTRIBUTE_TYPE type;
	unsigned on;
	enum kind kind;
	unsigned flags;
} rules[] = {
	{CKA_CLASS, ALL, NUMBER, NEEDED},
	{CKA_TOKEN, ALL, NO, COPIES},
	{CKA_PRIVATE, DATA | HIDDEN, YES, COPIES},
	{CKA_PRIVATE, PUBLIC | CERTIFICATE, NO, COPIES},
	{CKA_LABEL, ALL, BYTES, CHANGES},
	{CKA_MODIFIABLE, ALL, YES, COPIES},
	{CKA_COPYABLE, ALL, YES, CHANGES | ONLY_FALSE},
	{CKA_DESTROYABLE, ALL, YES, COPIES},
	{CKA_APPLICATION, DATA, BYTES, CHANGES},
	{CKA_OBJECT_ID, DATA, BYTES, CHANGES},
	{CKA_VALUE, DATA, BYTES, CHANGES},
	{CKA_CERTIFICATE_TYPE, CERTIFICATE, NUMBER, NEEDED},
	{CKA_CERTIFICATE_CATEGORY, CERTIFICATE, NUMBER, 0},
	{CKA_ISSUER, CERTIFICATE, BYTES, CHANGES},
	{CKA_SERIAL_NUMBER, CERTIFICATE, BYTES, CHANGES},
	{CKA_VALUE, CERTIFICATE, BYTES, NEEDED},
	{CKA_KEY_TYPE, KEYS, NUMBER, NEEDED},
	{CKA_ID, KEYS | CERTIFICATE, BYTES, CHANGES},
	{CKA_START_DATE, KEYS, BYTES, CHANGES},
	{CKA_END_DATE, KEYS, BYTES, CHANGES},
	{CKA_DERIVE, KEYS, NO, CHANGES},
	{CKA_LOCAL, KEYS, NO, NEVER},
	{CKA_KEY_GEN_MECHANISM, KEYS, NOWHERE, NEVER},
	{CKA_ALLOWED_MECHANISMS, KEYS, OTHER, 0},
	{CKA_WRAP_TEMPLATE, PUBLIC | SECRET, OTHER, 0},
	{CKA_UNWRAP_TEMPLATE, HIDDEN, OTHER, 0},
	{CKA_SUBJECT, PUBLIC | PRIVATE | CERTIFICATE, BYTES, CHANGES},
	{CKA_TRUSTED, PUBLIC | SECRET | CERTIFICATE, NO, OFFICERS},
	{CKA_ENCRYPT, PUBLIC | SECRET, YES, CHANGES},
	{CKA_DECRYPT, HIDDEN, YES, CHANGES},
	{CKA_SIGN, HIDDEN, YES, CHANGES},
	{CKA_SIGN_RECOVER, PRIVATE, YES, CHANGES},
	{CKA_VERIFY, PUBLIC | SECRET, YES, CHANGES},
	{CKA_VERIFY_RECOVER, PUBLIC, YES, CHANGES},
	{CKA_WRAP, PUBLIC | SECRET, YES, CHANGES},
	{CKA_UNWRAP, HIDDEN, YES, CHANGES},
	{CKA_SENSITIVE, HIDDEN, NO, CHANGES | ONLY_TRUE},
	{CKA_EXTRACTABLE, HIDDEN, NO, CHANGES | ONLY_FALSE},
	{CKA_ALWAYS_SENSITIVE, HIDDEN, NO, NEVER},
	{CKA_NEVER_EXTRACTABLE, HIDDEN, YES, NEVER},
	{CKA_WRAP_WITH_TRUSTED, HIDDEN, NO, ONLY_TRUE},
	{CKA_ALWAYS_AUTHENTICATE, PRIVATE, NO, 0},
	{CKA_PUBLIC_KEY_INFO, PUBLIC | PRIVATE, BYTES, CHANGES},
	{CKA_CHECK_VALUE, SECRET, BYTES, 0},
	{CKA_VALUE, SECRET, BYTES, NEEDED | NOT_GENERATED | NOT_UNWRAPPED | CONCEALED},
	{CKA_VALUE_LEN, SECRET, NUMBER, NOT_CREATED | NOT_UNWRAPPED},
	{CKA_MODULUS, PUBLIC | RSA, BYTES, NEEDED | NOT_GENERATED},
	{CKA_MODULUS_BITS, PUBLIC | RSA, NUMBER, NOT_CREATED},
	{CKA_PUBLIC_EXPONENT, PUBLIC | RSA, BYTES, NEEDED},
	{CKA_EC_PARAMS, PUBLIC | EC, BYTES, NEEDED},
	{CKA_EC_POINT, PUBLIC | EC, BYTES, NEEDED | NOT_GENERATED},
	{CKA_MODULUS, PRIVATE | RSA, BYTES, NEEDED | NOT_GENERATED | NOT_UNWRAPPED},
	{CKA_PUBLIC_EXPONENT, PRIVATE | RSA, BYTES, NOT_GENERATED | NOT_UNWRAPPED},
	{CKA_PRIVATE_EXPONENT, PRIVATE | RSA, BYTES, NEEDED | NOT_GENERATED | NOT_UNWRAPPED | CONCEALED},
	{CKA_PRIME_1, PRIVATE | RSA, BYTES, NOT_GENERATED | NOT_UNWRAPPED | CONCEALED},
	{CKA_PRIME_2, PRIVATE | RSA, BYTES, NOT_GENERATED | NOT_UNWRAPPED | CONCEALED},
	{CKA_EXPONENT_1, PRIVATE | RSA, BYTES, NOT_GENERATED | NOT_UNWRAPPED | CONCEALED},
	{CKA_EXPONENT_2, PRIVATE | RSA, BYTES, NOT_GENERATED | NOT_UNWRAPPED | CONCEALED},
	{CKA_COEFFICIENT, PRIVATE | RSA, BYTES, NOT_GENERATED | NOT_UNWRAPPED | CONCEALED},
	{CKA_EC_PARAMS, PRIVATE | EC, BYTES, NEEDED | NOT_GENERATED | NOT_UNWRAPPED},
	{CKA_VALUE, PRIVATE | EC, BYTES, NEEDED | NOT_GENERATED | NOT_UNWRAPPED | CONCEALED},
};
enum { RULES = sizeof(rules) / sizeof(rules[0]) };

static unsigned class_of(const struct p11_attrs *attrs)
{
	switch (p11_attrs_ulong(attrs, CKA_CLASS, CK_UNAVAILABLE_INFORMATION)) {
	case CKO_DATA:
		return DATA;
	case CKO_CERTIFICATE:
		return CERTIFICATE;
	case CKO_PUBLIC_KEY:
		return PUBLIC;
	case CKO_PRIVATE_KEY:
		return PRIVATE;
	case CKO_SECRET_KEY:
		return SECRET;
	default:
		return 0;
	}
}

static unsigned type_of(const struct p11_attrs *attrs)
{
	CK_KEY_TYPE type = p11_attrs_ulong(attrs, CKA_KEY_TYPE, CK_UNAVAILABLE_INFORMATION);

	return type == CKK_RSA ? RSA : type == CKK_EC ? EC : 0;
}

static bool applies(const struct rule *rule, unsigned class, unsigned type)
{
	return (rule->on & class) && (!(rule->on & (RSA | EC)) || (rule->on & type));
}

static const struct rule *find(const struct p11_attrs *attrs, CK_ATTRIBUTE_TYPE type)
{
	unsigned class = class_of(attrs), key_type = type_of(attrs);

	for (size_t i = 0; i < RULES; i++)
		if (rules[i].type == type && applies(&rules[i], class, key_type))
			return &rules[i];
	return NULL;
}

bool rule_has(const struct p11_attrs *attrs, CK_ATTRIBUTE_TYPE type)
{
	return find(attrs, type) != NULL;
}

bool rule_hides(const struct p11_attrs *attrs, CK_ATTRIBUTE_TYPE type)
{
	const struct rule *rule = find(attrs, type);

	return rule && (rule->flags & CONCEALED) &&
	       (p11_attrs_bool(attrs, CKA_SENSITIVE, false) || !p11_attrs_bool(attrs, CKA_EXTRACTABLE, false));
}

static int begin(struct p11_attrs *attrs, const struct rule *rule)
{
	switch (rule->kind) {
	case YES:
	case NO:
		return p11_attrs_set_bool(attrs, rule->type, rule->kind == YES, NULL);
	case NUMBER:
	case NOWHERE:
		return p11_attrs_set_ulong(attrs, rule->type, rule->kind == NUMBER ? 0 : CK_UNAVAILABLE_INFORMATION,
					   NULL);
	default:
		return p11_attrs_set(attrs, rule->type, "", 0, NULL);
	}
}

CK_RV rule_fill(struct p11_attrs *attrs)
{
	unsigned class = class_of(attrs), type = type_of(attrs);

	for (size_t i = 0; i < RULES; i++)
		if (applies(&rules[i], class, type) && !p11_attrs_find(attrs, rules[i].type) &&
		    begin(attrs, &rules[i]) < 0)
			return CKR_HOST_MEMORY;
	return CKR_OK;
}

/* Does it hold templates within a template? */
static bool too_deep(const CK_ATTRIBUTE *item)
{
	const CK_ATTRIBUTE *items = item->pValue;
	bool deep = false;

	for (CK_ULONG i = 0; p11_attr_is_nested(item->type) && i < item->ulValueLen / sizeof(*items); i++)
		deep = deep || p11_attr_is_nested(items[i].type);
	return deep;
}

static bool fits(const struct rule *rule, const CK_ATTRIBUTE *item)
{
	if ((!item->pValue && item->ulValueLen) || too_deep(item))
		return false;
	switch (rule->kind) {
	case YES:
	case NO:
		return item->ulValueLen == sizeof(CK_BBOOL);
	case NUMBER:
	case NOWHERE:
		return item->ulValueLen == sizeof(CK_ULONG);
	default:
		/* A check value of an unwrapped key: refused even when it is right. A list of no mechanisms is none. */
		return item->ulValueLen ? rule->type != CKA_CHECK_VALUE : rule->type != CKA_ALLOWED_MECHANISMS;
	}
}

static bool goes_back(const struct p11_attrs *attrs, const struct rule *rule, const CK_ATTRIBUTE *item)
{
	bool is = p11_attrs_bool(attrs, rule->type, false), wanted = *(const CK_BBOOL *)item->pValue;

	return ((rule->flags & ONLY_TRUE) && is && !wanted) || ((rule->flags & ONLY_FALSE) && !is && wanted);
}

static bool read_only(const struct p11_attrs *attrs, const struct rule *rule, enum way way, bool officer,
		      const CK_ATTRIBUTE *item)
{
	static const unsigned barred[] = {[CREATE] = NOT_CREATED, [GENERATE] = NOT_GENERATED, [UNWRAP] = NOT_UNWRAPPED};

	if ((rule->flags & OFFICERS) && !officer && *(const CK_BBOOL *)item->pValue)
		return true;
	if (way == DERIVE)
		return (rule->flags & NEVER) == NEVER;
	if (way < COPY)
		return rule->flags & barred[way];
	if (!(rule->flags & CHANGES) && !(way == COPY && (rule->flags & COPIES)))
		return true;
	return (rule->flags & (ONLY_TRUE | ONLY_FALSE)) && goes_back(attrs, rule, item);
}

static CK_RV apply_one(struct p11_attrs *attrs, enum way way, bool officer, const CK_ATTRIBUTE *item)
{
	const struct rule *rule = find(attrs, item->type);

	if (!rule)
		return CKR_ATTRIBUTE_TYPE_INVALID;
	if (!fits(rule, item))
		return CKR_ATTRIBUTE_VALUE_INVALID;
	if (way < COPY && (item->type == CKA_CLASS || item->type == CKA_KEY_TYPE))
		return CKR_OK;
	/* SoftHSM minds it from where it stands in the template. */
	if (way == UNWRAP && !p11_attrs_bool(attrs, CKA_MODIFIABLE, true))
		return CKR_ATTRIBUTE_READ_ONLY;
	if (read_only(attrs, rule, way, officer, item))
		return CKR_ATTRIBUTE_READ_ONLY;
	return p11_attrs_set(attrs, item->type, item->pValue, item->ulValueLen, NULL) < 0 ? CKR_HOST_MEMORY : CKR_OK;
}

CK_RV rule_agrees(const struct p11_attrs *attrs, const CK_ATTRIBUTE *items, CK_ULONG count)
{
	const CK_ATTRIBUTE *class = p11_template_find(items, count, CKA_CLASS);
	const CK_ATTRIBUTE *type = p11_template_find(items, count, CKA_KEY_TYPE);

	if (class && !p11_attrs_match(attrs, class, 1))
		return CKR_ATTRIBUTE_VALUE_INVALID;
	return type && !p11_attrs_match(attrs, type, 1) ? CKR_TEMPLATE_INCONSISTENT : CKR_OK;
}

CK_RV rule_apply(struct p11_attrs *attrs, enum way way, bool officer, const CK_ATTRIBUTE *items, CK_ULONG count)
{
	unsigned class = class_of(attrs), type = type_of(attrs);
	CK_RV rv = CKR_OK;

	for (CK_ULONG i = 0; i < count && rv == CKR_OK; i++)
		rv = apply_one(attrs, way, officer, &items[i]);
	for (size_t i = 0; i < RULES && rv == CKR_OK && way == CREATE; i++)
		if (applies(&rules[i], class, type) && (rules[i].flags & NEEDED) &&
		    !p11_template_find(items, count, rules[i].type))
			rv = CKR_TEMPLATE_INCOMPLETE;
	return rv;
}
