/* SPDX-License-Identifier: Apache-2.0 */
/*
 * object - what an object has, shows, and lets be done to it, by the table of attributes (attr.h).
 *
 * The answers are those of a token that keeps to PKCS#11 v3.0 section 4. Two are not in its words: an attribute that
 * such an object cannot have is CKR_ATTRIBUTE_TYPE_INVALID also where other objects have it (section 4.1.1 would have
 * a template inconsistent then), as tokens say; and what the standard does not know, an attribute or a class or type of
 * vendors, is nobody's fault here: the token decides.
 */
#ifndef P11_OBJECT_H
#define P11_OBJECT_H

#include "p11/attr.h"

/* What it is, as far as its attributes go by that. CK_UNAVAILABLE_INFORMATION = not known. */
struct p11_object {
	CK_OBJECT_CLASS class;
	CK_ULONG type;		/* of a key, of domain parameters, of a certificate */
};
struct p11_object p11_object_of(const struct p11_attrs *attrs);

/* What holds of an attribute there; NULL = such an object does not have it. */
const struct p11_attr_place *p11_object_place(struct p11_object object, const struct p11_attr_info *info);
bool p11_object_has(struct p11_object object, CK_ATTRIBUTE_TYPE type);
/* Is it part of what a key hides (footnote 7)? Of objects that do not have it: of others? */
bool p11_object_conceals(struct p11_object object, CK_ATTRIBUTE_TYPE type);
/* Of an attribute that was not given. NULL = none, or the token chooses; the value is a constant. */
const CK_ATTRIBUTE *p11_object_default(struct p11_object object, CK_ATTRIBUTE_TYPE type);
/* Does a value of it without anything in it say nothing? A list, template or date: tokens refuse to be told so. */
bool p11_attr_says_nothing(const CK_ATTRIBUTE *item);

/* Is what the key conceals shown to whoever may read it? Only if it is neither sensitive nor kept from leaving. */
bool p11_object_reveals(const struct p11_attrs *attrs);
/*
 * What an application is told of one attribute (section 5.7.5), in *ret: a value of attrs; a default; or
 * CKR_ATTRIBUTE_SENSITIVE, CKR_ATTRIBUTE_TYPE_INVALID, CKR_BUFFER_TOO_SMALL. What conceals is sensitive too where attrs
 * do not hold it: with p11_object_reveals() only a token can tell.
 */
CK_RV p11_object_read(const struct p11_attrs *attrs, CK_ATTRIBUTE *ret);
/* Would it tell this value of itself, as far as attrs hold it or a default says? CKR_OK, CKR_CANCEL (another, or none),
 * or CKR_ATTRIBUTE_SENSITIVE: nobody is told, or only a token can tell. */
CK_RV p11_object_shows(const struct p11_attrs *attrs, const CK_ATTRIBUTE *item);

/* May an application set it now? CKR_ACTION_PROHIBITED, CKR_ATTRIBUTE_TYPE_INVALID, CKR_ATTRIBUTE_VALUE_INVALID,
 * CKR_ATTRIBUTE_READ_ONLY. */
CK_RV p11_object_may_set(const struct p11_attrs *attrs, const CK_ATTRIBUTE *item);

/* May the key be used so (one of CKF_SIGN …), and by this mechanism? CKR_KEY_FUNCTION_NOT_PERMITTED,
 * CKR_MECHANISM_INVALID. Dates have no meaning (section 4.7). */
CK_RV p11_object_may_use(const struct p11_attrs *attrs, CK_FLAGS use, CK_MECHANISM_TYPE mechanism);

/* How an object comes about. */
enum p11_way { P11_GENERATE, P11_CREATE, P11_UNWRAP, P11_DERIVE };
/* Is it an attribute that such a template may not hold? */
bool p11_attr_barred(const struct p11_attr_place *place, enum p11_way way);
/*
 * A template, before anything is made. object: what the call itself says of it, the mechanism of a generation for one.
 * In this order: class and type (INCOMPLETE, INCONSISTENT, VALUE_INVALID), each attribute (ATTRIBUTE_TYPE_INVALID,
 * ATTRIBUTE_VALUE_INVALID, ATTRIBUTE_READ_ONLY), what is missing (TEMPLATE_INCOMPLETE), what does not go together
 * (TEMPLATE_INCONSISTENT).
 */
CK_RV p11_object_check(enum p11_way way, struct p11_object object, const CK_ATTRIBUTE *items, CK_ULONG count);
/* Of an object that no token gets to see: is there anything in it that only a token could know? */
CK_RV p11_object_check_known(struct p11_object object, const CK_ATTRIBUTE *items, CK_ULONG count);
/* A template for a copy of this object. CKR_ACTION_PROHIBITED when it is not to be copied. */
CK_RV p11_object_check_copy(const struct p11_attrs *from, const CK_ATTRIBUTE *items, CK_ULONG count);

#endif
