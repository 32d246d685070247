/* SPDX-License-Identifier: Apache-2.0 */
/* What attributes objects have, show and let be set: decisions by the table. */
#include "p11/object.h"

#include <string.h>

#include "p11/call.h"
#include "p11/template.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

/* ---- what it is ---- */

static unsigned class_bit(CK_OBJECT_CLASS class)
{
	static const unsigned bits[] = {
		[CKO_DATA] = P11_DATA,		    [CKO_CERTIFICATE] = P11_CERTIFICATE,
		[CKO_PUBLIC_KEY] = P11_PUBLIC,	    [CKO_PRIVATE_KEY] = P11_PRIVATE,
		[CKO_SECRET_KEY] = P11_SECRET,	    [CKO_DOMAIN_PARAMETERS] = P11_DOMAIN,
	};

	return class < COUNT(bits) ? bits[class] : 0;
}

/* Types that have a family; all others are P11_GENERIC. */
static const struct {
	CK_KEY_TYPE type;
	unsigned bit;
} families[] = {
	{CKK_RSA, P11_RSA},	      {CKK_EC, P11_EC},		    {CKK_EC_EDWARDS, P11_EC},
	{CKK_EC_MONTGOMERY, P11_EC},  {CKK_DSA, P11_DSA},	    {CKK_DH, P11_DH},
	{CKK_X9_42_DH, P11_X942},     {CKK_AES, P11_CIPHER},	    {CKK_RC2, P11_CIPHER},
	{CKK_RC4, P11_CIPHER},	      {CKK_RC5, P11_CIPHER},	    {CKK_CAST, P11_CIPHER},
	{CKK_CAST3, P11_CIPHER},      {CKK_CAST128, P11_CIPHER},    {CKK_BLOWFISH, P11_CIPHER},
	{CKK_TWOFISH, P11_CIPHER},    {CKK_CAMELLIA, P11_CIPHER},   {CKK_ARIA, P11_CIPHER},
	{CKK_AES_XTS, P11_CIPHER},    {CKK_DES, P11_ONE_SIZE},	    {CKK_DES2, P11_ONE_SIZE},
	{CKK_DES3, P11_ONE_SIZE},     {CKK_CDMF, P11_ONE_SIZE},	    {CKK_IDEA, P11_ONE_SIZE},
	{CKK_SEED, P11_ONE_SIZE},     {CKK_CHACHA20, P11_ONE_SIZE}, {CKK_POLY1305, P11_ONE_SIZE},
};

static unsigned type_bit(struct p11_object object)
{
	if (object.type == CK_UNAVAILABLE_INFORMATION)
		return 0;
	if (object.class == CKO_CERTIFICATE)
		return object.type == CKC_X_509 ? P11_X509 : object.type == CKC_WTLS ? P11_WTLS
			: object.type == CKC_X_509_ATTR_CERT ? P11_X509_ATTR : 0;
	for (size_t i = 0; i < COUNT(families); i++)
		if (families[i].type == object.type)
			return families[i].bit;
	return P11_GENERIC;
}

/* The attribute that tells the type of objects of a class; NULL = they have none. */
static const struct p11_attr_info *type_info(CK_OBJECT_CLASS class)
{
	unsigned bit = class_bit(class);

	if (bit & (P11_KEYS | P11_DOMAIN))
		return p11_attr_info(CKA_KEY_TYPE);
	return bit & P11_CERTIFICATE ? p11_attr_info(CKA_CERTIFICATE_TYPE) : NULL;
}

struct p11_object p11_object_of(const struct p11_attrs *attrs)
{
	CK_OBJECT_CLASS class = p11_attrs_ulong(attrs, CKA_CLASS, CK_UNAVAILABLE_INFORMATION);
	const struct p11_attr_info *info = type_info(class);

	CK_ULONG type = info ? p11_attrs_ulong(attrs, info->type, CK_UNAVAILABLE_INFORMATION) : CK_UNAVAILABLE_INFORMATION;

	return (struct p11_object){class, type};
}

/* Does the standard say what attributes it has? */
static bool is_known(struct p11_object object)
{
	return class_bit(object.class) &&
	       (object.type == CK_UNAVAILABLE_INFORMATION || object.type < CKK_VENDOR_DEFINED);
}

/* ---- what it has ---- */

const struct p11_attr_place *p11_object_place(struct p11_object object, const struct p11_attr_info *info)
{
	unsigned class = class_bit(object.class), type = type_bit(object);

	for (const struct p11_attr_place *place = info ? info->places : NULL; place && place->on; place++)
		if ((place->on & class) && (place->types == P11_ANY_TYPE || (place->types & type)))
			return place;
	return NULL;
}

bool p11_object_has(struct p11_object object, CK_ATTRIBUTE_TYPE type)
{
	return p11_object_place(object, p11_attr_info(type)) != NULL;
}

static bool concealed_somewhere(const struct p11_attr_info *info)
{
	bool is = false;

	for (const struct p11_attr_place *place = info ? info->places : NULL; place && place->on; place++)
		is = is || (place->notes & P11_CONCEALED);
	return is;
}

bool p11_object_conceals(struct p11_object object, CK_ATTRIBUTE_TYPE type)
{
	const struct p11_attr_info *info = p11_attr_info(type);
	const struct p11_attr_place *place = p11_object_place(object, info);

	return place ? place->notes & P11_CONCEALED : concealed_somewhere(info);
}

const CK_ATTRIBUTE *p11_object_default(struct p11_object object, CK_ATTRIBUTE_TYPE type)
{
	static CK_BBOOL no = CK_FALSE, yes = CK_TRUE;
	static CK_ULONG zero;
	static const CK_ATTRIBUTE values[] = {[P11_EMPTY] = {0, NULL, 0},
					      [P11_FALSE] = {0, &no, sizeof(no)},
					      [P11_TRUE] = {0, &yes, sizeof(yes)},
					      [P11_ZERO] = {0, &zero, sizeof(zero)}};
	const struct p11_attr_info *info = p11_attr_info(type);
	const struct p11_attr_place *place = p11_object_place(object, info);

	/* What has to be given has none. */
	if (!place || info->begins == P11_BY_TOKEN || (place->notes & P11_NEEDED_TO_CREATE))
		return NULL;
	return &values[info->begins];
}

bool p11_attr_says_nothing(const CK_ATTRIBUTE *item)
{
	const struct p11_attr_info *info = p11_attr_info(item->type);

	return !item->ulValueLen && info &&
	       (info->kind == P11_ATTR_ULONGS || info->kind == P11_ATTR_TEMPLATE || info->kind == P11_ATTR_DATE);
}

/* ---- what it shows ---- */

bool p11_object_reveals(const struct p11_attrs *attrs)
{
	return !p11_attrs_bool(attrs, CKA_SENSITIVE, true) && p11_attrs_bool(attrs, CKA_EXTRACTABLE, false);
}

/* Of an attribute that attrs do not hold. */
static CK_RV absent(const struct p11_attrs *attrs, CK_ATTRIBUTE_TYPE type, const CK_ATTRIBUTE **ret)
{
	struct p11_object object = p11_object_of(attrs);
	const struct p11_attr_place *place = p11_object_place(object, p11_attr_info(type));

	*ret = p11_object_default(object, type);
	if (*ret && !(place->notes & P11_TOKENS))
		return CKR_OK;
	return place && (place->notes & P11_CONCEALED) ? CKR_ATTRIBUTE_SENSITIVE : CKR_ATTRIBUTE_TYPE_INVALID;
}

/* What it shows of this type, in *ret. */
static CK_RV shown(const struct p11_attrs *attrs, CK_ATTRIBUTE_TYPE type, const CK_ATTRIBUTE **ret)
{
	*ret = p11_attrs_find(attrs, type);
	if (!*ret)
		return absent(attrs, type, ret);
	return p11_object_conceals(p11_object_of(attrs), type) && !p11_object_reveals(attrs) ? CKR_ATTRIBUTE_SENSITIVE
											     : CKR_OK;
}

CK_RV p11_object_read(const struct p11_attrs *attrs, CK_ATTRIBUTE *ret)
{
	const CK_ATTRIBUTE *at;
	CK_RV rv = shown(attrs, ret->type, &at);

	if (rv != CKR_OK) {
		ret->ulValueLen = CK_UNAVAILABLE_INFORMATION;
		return rv;
	}
	return p11_attr_is_nested(ret->type) && at->pValue ? p11_template_read(at, ret) : p11_value_read(at, ret);
}

CK_RV p11_object_shows(const struct p11_attrs *attrs, const CK_ATTRIBUTE *item)
{
	const CK_ATTRIBUTE *at;
	CK_RV rv = shown(attrs, item->type, &at);

	if (rv != CKR_OK)
		return rv == CKR_ATTRIBUTE_SENSITIVE ? rv : CKR_CANCEL;
	return p11_attr_same_value(&(CK_ATTRIBUTE){item->type, at->pValue, at->ulValueLen}, item) ? CKR_OK : CKR_CANCEL;
}

/* ---- what is done to it ---- */

/* Is it there, and of a value of its kind? *ret: what holds of it, NULL where only a token can know. */
static CK_RV check_item(struct p11_object object, const CK_ATTRIBUTE *item, const struct p11_attr_place **ret)
{
	*ret = p11_object_place(object, p11_attr_info(item->type));
	if (!*ret && item->type < CKA_VENDOR_DEFINED && is_known(object))
		return CKR_ATTRIBUTE_TYPE_INVALID;
	return p11_template_check(item, 1);
}

static bool truth(const CK_ATTRIBUTE *item)
{
	return *(const CK_BBOOL *)item->pValue != CK_FALSE;
}

/* Footnotes 10 to 12: once it is there it is read-only, whatever it is set to. */
static bool is_stuck(const struct p11_attrs *attrs, const struct p11_attr_place *place, const CK_ATTRIBUTE *item)
{
	if (place->notes & P11_OFFICERS)
		return truth(item);
	if (place->notes & P11_STAYS_TRUE)
		return p11_attrs_bool(attrs, item->type, false);
	return (place->notes & P11_STAYS_FALSE) && !p11_attrs_bool(attrs, item->type, true);
}

CK_RV p11_object_may_set(const struct p11_attrs *attrs, const CK_ATTRIBUTE *item)
{
	const struct p11_attr_place *place;
	CK_RV rv;

	if (!p11_attrs_bool(attrs, CKA_MODIFIABLE, true))
		return CKR_ACTION_PROHIBITED;
	rv = check_item(p11_object_of(attrs), item, &place);
	if (rv != CKR_OK || !place)
		return rv != CKR_OK ? rv : CKR_ATTRIBUTE_TYPE_INVALID;
	return (place->notes & P11_CHANGES) && !is_stuck(attrs, place, item) ? CKR_OK : CKR_ATTRIBUTE_READ_ONLY;
}

CK_RV p11_object_may_use(const struct p11_attrs *attrs, CK_FLAGS use, CK_MECHANISM_TYPE mechanism)
{
	for (const struct p11_attr_info *info = p11_attr_table; info->name; info++)
		if ((info->use & use) && !p11_attrs_bool(attrs, info->type, false))
			return CKR_KEY_FUNCTION_NOT_PERMITTED;
	return p11_attrs_allow(attrs, mechanism) ? CKR_OK : CKR_MECHANISM_INVALID;
}

/* ---- templates ---- */

bool p11_attr_barred(const struct p11_attr_place *place, enum p11_way way)
{
	static const unsigned notes[] = {
		[P11_CREATE] = P11_NOT_TO_CREATE, [P11_GENERATE] = P11_NOT_TO_GENERATE,
		[P11_UNWRAP] = P11_NOT_TO_UNWRAP};

	/* The standard has no footnote for it: what the mechanism makes, and what nobody may say. */
	if (way == P11_DERIVE)
		return (place->notes & P11_CONCEALED) || (place->notes & P11_NEVER) == P11_NEVER;
	return place->notes & notes[way];
}

/* What a call does not tell of the object it makes, and no template says. */
static struct p11_object assumed(enum p11_way way)
{
	if (way == P11_DERIVE)
		return (struct p11_object){CKO_SECRET_KEY, CKK_GENERIC_SECRET};
	return (struct p11_object){CK_UNAVAILABLE_INFORMATION, CK_UNAVAILABLE_INFORMATION};
}

/* Its class or type: by the call, the template, or by neither. */
static CK_RV settle(CK_ULONG told, const CK_ATTRIBUTE *given, CK_ULONG otherwise, CK_ULONG *ret)
{
	CK_ULONG value;

	*ret = told != CK_UNAVAILABLE_INFORMATION ? told : otherwise;
	if (given && p11_template_check(given, 1) != CKR_OK)
		return CKR_ATTRIBUTE_VALUE_INVALID;
	if (given) {
		memcpy(&value, given->pValue, sizeof(value));
		if (told != CK_UNAVAILABLE_INFORMATION && told != value)
			return CKR_TEMPLATE_INCONSISTENT;
		*ret = value;
	}
	return *ret == CK_UNAVAILABLE_INFORMATION ? CKR_TEMPLATE_INCOMPLETE : CKR_OK;
}

static CK_RV identify(enum p11_way way, const CK_ATTRIBUTE *items, CK_ULONG count, struct p11_object *object)
{
	struct p11_object otherwise = assumed(way);
	const struct p11_attr_info *info;
	CK_RV rv = settle(object->class, p11_template_find(items, count, CKA_CLASS), otherwise.class, &object->class);

	if (rv != CKR_OK)
		return rv;
	if (!class_bit(object->class))
		return object->class < CKO_VENDOR_DEFINED ? CKR_ATTRIBUTE_VALUE_INVALID : CKR_OK;
	info = type_info(object->class);
	if (!info)
		return CKR_OK;
	return settle(object->type, p11_template_find(items, count, info->type), otherwise.type, &object->type);
}

static CK_RV check_making(enum p11_way way, struct p11_object object, const CK_ATTRIBUTE *item)
{
	static const struct p11_attrs fresh = {0};
	const struct p11_attr_place *place;
	CK_RV rv = check_item(object, item, &place);

	if (rv != CKR_OK || !place)
		return rv;
	if (p11_attr_barred(place, way) || is_stuck(&fresh, place, item))
		return CKR_ATTRIBUTE_READ_ONLY;
	/* There is no such key, and tokens were seen to end over one. */
	return (place->notes & P11_CONCEALED) && (place->notes & P11_NEEDED_TO_CREATE) && !item->ulValueLen
		       ? CKR_ATTRIBUTE_VALUE_INVALID
		       : CKR_OK;
}

/* Is one missing that the call does not give either? Class and type are settled by now. */
static bool is_incomplete(enum p11_way way, struct p11_object object, const CK_ATTRIBUTE *items, CK_ULONG count)
{
	static const unsigned needed[] = {[P11_CREATE] = P11_NEEDED_TO_CREATE, [P11_GENERATE] = P11_NEEDED_TO_GENERATE,
					  [P11_UNWRAP] = P11_NEEDED_TO_UNWRAP, [P11_DERIVE] = 0};
	const struct p11_attr_info *typed = type_info(object.class);

	for (const struct p11_attr_info *info = p11_attr_table; info->name; info++) {
		const struct p11_attr_place *place = p11_object_place(object, info);

		if (place && (place->notes & needed[way]) && info->type != CKA_CLASS && info != typed &&
		    !p11_template_find(items, count, info->type))
			return true;
	}
	return false;
}

static bool said_twice(const CK_ATTRIBUTE *items, CK_ULONG count)
{
	for (CK_ULONG i = 1; i < count; i++) {
		const struct p11_attrs before = {(CK_ATTRIBUTE *)items, i, 0};

		if (p11_attrs_find(&before, items[i].type) && !p11_attrs_match(&before, &items[i], 1))
			return true;
	}
	return false;
}

/* Values that exclude each other, each of them good. */
static bool is_inconsistent(struct p11_object object, const CK_ATTRIBUTE *items, CK_ULONG count)
{
	const struct p11_attrs template = {(CK_ATTRIBUTE *)items, count, 0};
	const CK_ATTRIBUTE *value = p11_attrs_find(&template, CKA_VALUE), *url = p11_attrs_find(&template, CKA_URL);

	if (said_twice(items, count))
		return true;
	/* Section 4.9: only of what is private. */
	if (p11_attrs_bool(&template, CKA_ALWAYS_AUTHENTICATE, false) && !p11_attrs_bool(&template, CKA_PRIVATE, true))
		return true;
	/* Section 4.6.3: a certificate is there, or where it is found. */
	return object.class == CKO_CERTIFICATE && value && !value->ulValueLen && (!url || !url->ulValueLen);
}

CK_RV p11_object_check(enum p11_way way, struct p11_object object, const CK_ATTRIBUTE *items, CK_ULONG count)
{
	CK_RV rv = identify(way, items, count, &object);

	for (CK_ULONG i = 0; i < count && rv == CKR_OK; i++)
		rv = check_making(way, object, &items[i]);
	if (rv != CKR_OK)
		return rv;
	if (is_incomplete(way, object, items, count))
		return CKR_TEMPLATE_INCOMPLETE;
	return is_inconsistent(object, items, count) ? CKR_TEMPLATE_INCONSISTENT : CKR_OK;
}

CK_RV p11_object_check_known(struct p11_object object, const CK_ATTRIBUTE *items, CK_ULONG count)
{
	if (!is_known(object))
		return CKR_ATTRIBUTE_VALUE_INVALID;
	for (CK_ULONG i = 0; i < count; i++)
		if (!p11_object_has(object, items[i].type))
			return CKR_ATTRIBUTE_TYPE_INVALID;
	return CKR_OK;
}

static CK_RV check_other(const struct p11_attrs *from, const CK_ATTRIBUTE *item)
{
	const struct p11_attr_place *place;
	CK_RV rv = check_item(p11_object_of(from), item, &place);

	if (rv != CKR_OK || !place)
		return rv;
	if (!(place->notes & (P11_CHANGES | P11_COPIES)) || is_stuck(from, place, item))
		return CKR_ATTRIBUTE_READ_ONLY;
	return CKR_OK;
}

CK_RV p11_object_check_copy(const struct p11_attrs *from, const CK_ATTRIBUTE *items, CK_ULONG count)
{
	const CK_ATTRIBUTE *private = p11_template_find(items, count, CKA_PRIVATE);
	CK_RV rv = p11_attrs_bool(from, CKA_COPYABLE, true) ? CKR_OK : CKR_ACTION_PROHIBITED;

	for (CK_ULONG i = 0; i < count && rv == CKR_OK; i++)
		rv = check_other(from, &items[i]);
	if (rv != CKR_OK)
		return rv;
	/* What is private stays so. */
	if (private && !truth(private) && p11_attrs_bool(from, CKA_PRIVATE, true))
		return CKR_TEMPLATE_INCONSISTENT;
	return said_twice(items, count) ? CKR_TEMPLATE_INCONSISTENT : CKR_OK;
}
