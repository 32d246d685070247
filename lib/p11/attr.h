/* SPDX-License-Identifier: Apache-2.0 */
/*
 * p11_attrs - a list of attributes that owns its values.
 *
 * Values are stored as CK_ATTRIBUTEs store them on this host, so items can be
 * handed to a token as a template. They may hold key material given by an
 * application, so they are zeroed when given back.
 */
#ifndef P11_ATTR_H
#define P11_ATTR_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/own.h"
#include "p11/pkcs11.h"

struct err;

/* How a value travels: lengths of CK_ULONG differ between hosts, and so do pointers (template.h). */
enum p11_attr_kind { P11_ATTR_BYTES, P11_ATTR_BOOL, P11_ATTR_ULONG, P11_ATTR_ULONGS, P11_ATTR_DATE, P11_ATTR_TEMPLATE };

/* Classes of objects that are stored (PKCS#11 v3.0 section 4). */
enum {
	P11_DATA = 1,
	P11_CERTIFICATE = 2,
	P11_PUBLIC = 4,
	P11_PRIVATE = 8,
	P11_SECRET = 16,
	P11_DOMAIN = 32,	/* parameters */
	P11_KEYS = P11_PUBLIC | P11_PRIVATE | P11_SECRET,
	P11_HIDDEN = P11_PRIVATE | P11_SECRET,
	P11_ALL = P11_KEYS | P11_DATA | P11_CERTIFICATE | P11_DOMAIN,
};

/* Families of key types, and types of certificates: what attributes go by within a class. */
enum {
	P11_RSA = 1,
	P11_EC = 2,		/* and Edwards, and Montgomery */
	P11_DSA = 4,
	P11_DH = 8,
	P11_X942 = 16,		/* DH of X9.42 */
	P11_CIPHER = 32,	/* of more than one length */
	P11_GENERIC = 64,	/* generic secrets, HMAC, and all that have no family */
	P11_ONE_SIZE = 128,	/* DES and its like */
	P11_X509 = 256,
	P11_WTLS = 512,
	P11_X509_ATTR = 1024,
	P11_LOGARITHM = P11_DSA | P11_DH | P11_X942,
	P11_ANY_TYPE = 0xffff,
};

/* The footnotes of the standard's tables of attributes, by their numbers there (table 11), and one of our own. */
enum {
	P11_NEEDED_TO_CREATE = 1 << 1,
	P11_NOT_TO_CREATE = 1 << 2,
	P11_NEEDED_TO_GENERATE = 1 << 3,
	P11_NOT_TO_GENERATE = 1 << 4,
	P11_NEEDED_TO_UNWRAP = 1 << 5,
	P11_NOT_TO_UNWRAP = 1 << 6,
	P11_CONCEALED = 1 << 7,		/* while the key is sensitive or not extractable */
	P11_CHANGES = 1 << 8,		/* by C_SetAttributeValue and C_CopyObject */
	P11_TOKENS = 1 << 9,		/* the token chooses what it is by default */
	P11_OFFICERS = 1 << 10,		/* only the security officer makes it true */
	P11_STAYS_TRUE = 1 << 11,
	P11_STAYS_FALSE = 1 << 12,
	P11_COPIES = 1 << 13,		/* may be another one in a copy (section 4.1.3) */
	P11_NEVER = P11_NOT_TO_CREATE | P11_NOT_TO_GENERATE | P11_NOT_TO_UNWRAP,
};

/* What it is where a template does not say it. Of P11_TOKENS it is what a group chooses; a token may say otherwise. */
enum p11_default { P11_BY_TOKEN, P11_EMPTY, P11_FALSE, P11_TRUE, P11_ZERO };

/* How members hold it of a key of a group. What conceals (P11_CONCEALED) is the key itself: it stands nowhere. */
enum p11_replica {
	P11_OWN,		/* each object's own affair: neither read nor given */
	P11_GIVEN,		/* every copy gets it; from then on the record tells */
	P11_ALIKE,		/* every copy gets it, and holds it as the record says */
	P11_WHERE_KNOWN,	/* the same, on tokens that know such an attribute */
	P11_BY_RECORD,		/* in the record alone */
	P11_HELD_TRUE,		/* every copy holds it so, and the record what applications see */
	P11_HELD_FALSE,
	P11_MADE,		/* the token makes it of the key */
	P11_HISTORY,		/* of the object's past: copies differ */
};

struct p11_attr_info {
	CK_ATTRIBUTE_TYPE type;
	const char *name;	/* "CKA_LABEL" */
	enum p11_attr_kind kind;
	enum p11_default begins;
	enum p11_replica replica;
	CK_FLAGS use;		/* of keys, that it allows: CKF_SIGN … */
	/* Where it is found, and what holds there; ends with one that is on nothing. */
	struct p11_attr_place {
		unsigned on, types, notes;
	} places[6];
};

/*
 * The table; ends with a row without name. All that is decided by the type of an attribute is a column of it: object.h
 * decides for applications, replica/key.h and replica/census.h for copies.
 */
extern const struct p11_attr_info p11_attr_table[];
/* NULL for a type of no row; its values are bytes. */
const struct p11_attr_info *p11_attr_info(CK_ATTRIBUTE_TYPE type);

struct p11_attrs {
	CK_ATTRIBUTE *items;
	CK_ULONG count;
	CK_ULONG cap;
};

void p11_attrs_release(struct p11_attrs *attrs);
OWN_DEFINE_RELEASE(p11_attrs)

/* Set or add one value. ERR_NO_MEMORY. */
int p11_attrs_set(struct p11_attrs *attrs, CK_ATTRIBUTE_TYPE type, const void *value,
		  size_t len, struct err *err);
int p11_attrs_set_bool(struct p11_attrs *attrs, CK_ATTRIBUTE_TYPE type, bool value, struct err *err);
int p11_attrs_set_ulong(struct p11_attrs *attrs, CK_ATTRIBUTE_TYPE type, CK_ULONG value, struct err *err);
/* All of a template, values set over those there are. */
int p11_attrs_merge(struct p11_attrs *attrs, const CK_ATTRIBUTE *items, CK_ULONG count, struct err *err);
void p11_attrs_remove(struct p11_attrs *attrs, CK_ATTRIBUTE_TYPE type);

const CK_ATTRIBUTE *p11_attrs_find(const struct p11_attrs *attrs, CK_ATTRIBUTE_TYPE type);
/* The value, or what is given for an attribute that is absent or malformed. */
bool p11_attrs_bool(const struct p11_attrs *attrs, CK_ATTRIBUTE_TYPE type, bool absent);
CK_ULONG p11_attrs_ulong(const struct p11_attrs *attrs, CK_ATTRIBUTE_TYPE type, CK_ULONG absent);
/* Text of CKA_LABEL and the like, cut to fit, always terminated, masked. */
const char *p11_attrs_text(const struct p11_attrs *attrs, CK_ATTRIBUTE_TYPE type, char *text, size_t size);

/* Of two attributes of one type. */
bool p11_attr_same_value(const CK_ATTRIBUTE *a, const CK_ATTRIBUTE *b);
/* Has it each attribute of the template with the same value? */
bool p11_attrs_match(const struct p11_attrs *attrs, const CK_ATTRIBUTE *items, CK_ULONG count);
bool p11_attrs_equal(const struct p11_attrs *a, const struct p11_attrs *b);

/* May the key be used by this mechanism, as far as CKA_ALLOWED_MECHANISMS goes? Without a list, by any. */
bool p11_attrs_allow(const struct p11_attrs *attrs, CK_MECHANISM_TYPE mechanism);

/* Values of these types are themselves templates (template.h). */
bool p11_attr_is_nested(CK_ATTRIBUTE_TYPE type);
/* Made of pointers that nobody here can follow, a vendor's array: never travels. */
bool p11_attr_is_strange(CK_ATTRIBUTE_TYPE type);

/* In a template of the caller's. */
const CK_ATTRIBUTE *p11_template_find(const CK_ATTRIBUTE *items, CK_ULONG count, CK_ATTRIBUTE_TYPE type);

/* Wire form: u32 count, then u64 type and the value by kind. */
void p11_attrs_encode(struct buf *buf, const CK_ATTRIBUTE *items, CK_ULONG count);
/* Into an empty list; at most 256 attributes. ERR_PROTOCOL. */
int p11_attrs_decode(struct buf_reader *r, struct p11_attrs *ret, struct err *err);

/* One value by kind; used by calls as well. len (CK_ULONG)-1 = unavailable. */
void p11_attr_encode_value(struct buf *buf, CK_ATTRIBUTE_TYPE type, const void *value, CK_ULONG len);
/* Decode a value into new memory, one block (wiped by its owner). */
int p11_attr_decode_value(struct buf_reader *r, CK_ATTRIBUTE_TYPE type, void **ret, CK_ULONG *ret_len,
			  struct err *err);

/* "private", "public", "secret", "data", "certificate", "other". */
const char *p11_class_name(CK_OBJECT_CLASS object_class);
/* "ec", "rsa", "aes", "generic", "ed25519", …, "other". */
const char *p11_key_type_name(CK_KEY_TYPE type);

#endif
