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

/* Where an attribute is found (PKCS#11 v3.0 section 4). */
enum {
	P11_ON_PUBLIC = 1,
	P11_ON_PRIVATE = 2,
	P11_ON_SECRET = 4,
	P11_ON_RSA = 8,		/* keys of that type only */
	P11_ON_EC = 16,
	P11_SENSITIVE = 32,	/* never read from a token */
	P11_FIXED = 64,		/* says what the key is: the token sets it when a key is unwrapped */
	P11_HISTORY = 128,	/* describes the object's past, not the key: replicas differ */
};

struct p11_attr_info {
	CK_ATTRIBUTE_TYPE type;
	const char *name;	/* "CKA_LABEL" */
	enum p11_attr_kind kind;
	unsigned flags;
};

/* The table; ends with a row without name. */
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
