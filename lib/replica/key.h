/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key - what kinds of keys a group makes, and how a key looks to applications
 * and on a member.
 *
 * Applications see the attributes they asked for. On members a replicable key
 * is extractable (under the domain key) and carries its uid as CKA_ID.
 *
 * What restricts a key stands in its record, and is enforced from there before any member is
 * asked. Members hold as much of it as they can, all of them the same (column replica of p11/attr.c):
 *
 *	usage flags, CKA_SENSITIVE, CKA_ALLOWED_MECHANISMS, CKA_WRAP_TEMPLATE,
 *	CKA_UNWRAP_TEMPLATE, CKA_DERIVE_TEMPLATE,
 *	CKA_MODIFIABLE, CKA_COPYABLE		as asked, where the token knows them
 *	CKA_EXTRACTABLE				true: replicas travel wrapped
 *	CKA_WRAP_WITH_TRUSTED			not: the domain key is none that a token trusts
 *	CKA_DESTROYABLE				not: a replica is replaced by destroying it
 *	CKA_ALWAYS_AUTHENTICATE			not: proofs and failover would need the PIN each time
 *	CKA_TRUSTED				not on replicas: only the security officer gives it
 *	CKA_START_DATE, CKA_END_DATE		not: PKCS#11 gives them no meaning, and SoftHSM cannot
 *						read those of private objects
 */
#ifndef REPLICA_KEY_H
#define REPLICA_KEY_H

#include "p11/attr.h"
#include "p11/mech.h"
#include "p11/object.h"
#include "replica/record.h"

struct err;
struct member_channel;
struct replica_site;

enum key_kind {
	KEY_EC_P256, KEY_EC_P384, KEY_ED25519, KEY_RSA_2048, KEY_RSA_3072, KEY_RSA_4096,
	KEY_AES_128, KEY_AES_256, KEY_HMAC_SHA256, KEY_KIND_MAX
};
extern const char *const key_kind_names[];	/* "ec-p256", … */

/* Makes the key on one member, by these templates; ret: the handles. ERR_TOKEN with the rv, or the link failed. */
typedef int (*key_maker)(void *data, struct replica_site *site, const struct p11_attrs templates[RECORD_OBJECTS_MAX],
			 CK_OBJECT_HANDLE ret[RECORD_OBJECTS_MAX], struct err *err);

/*
 * What is to be made: templates[1] is the public half of a pair, empty for others. By the mechanism (P11_GENERATE), or as
 * make() does it.
 */
struct key_request {
	enum p11_way way;
	CK_MECHANISM mechanism;		/* of a generation */
	struct p11_attrs templates[RECORD_OBJECTS_MAX];
	size_t n_templates;
	const struct p11_attrs *base;	/* what it is derived from, or a copy of: its past goes on. NULL = none */
	bool hides_public;		/* the public half is not to be seen (RECORD_GONE) */
	bool copy;			/* the template is all that applications see of it, and was judged as such */
	bool passing;			/* not for the group: what not all tokens know stands in the record alone */
	key_maker make;
	void *data;
};
void key_request_release(struct key_request *request);
OWN_DEFINE_RELEASE(key_request)

enum { KEY_LABEL_MAX = 255 };	/* bytes of a new key's label */

/* May a new key be called this? 1 to KEY_LABEL_MAX bytes of UTF-8 without control characters, which is what can be
 * typed again to find it. ERR_USAGE names what is wrong. Keys of applications may have other labels. */
int key_label_check(const char *label, struct err *err);

/* CKA_LABEL byte for byte (a zero byte as '?'), new memory; "" when there is none, NULL without memory. */
char *key_label(const struct p11_attrs *attrs);

/* What members hold of a template that a key has for others (CKA_WRAP_TEMPLATE and its like): not what those others hold on
 * members otherwise than their records say. The record enforces all of it. */
int key_nested_held(const CK_ATTRIBUTE *value, struct p11_attrs *ret, struct err *err);

/* May it be destroyed, its public half with it (CKA_DESTROYABLE)? */
bool key_is_destroyable(const struct record *record);

/* The request `key generate` makes: all usages the kind is good for. */
int key_request_kind(enum key_kind kind, const char *label, struct key_request *ret, struct err *err);

/* What comes of it: [0] the private or secret key, or what there is one of; [1] the public half. */
struct p11_object key_object_made(const struct key_request *request, size_t index);

/* ERR_NOT_REPLICABLE for what no pair of members can carry (Ed25519 on
 * SoftHSM 2.6.1); ERR_TOKEN with what a token would say of those attributes that none gets to see. */
int key_request_check(const struct key_request *request, bool allow_unreplicated, struct err *err);

/* The template for a member: application's wishes, made replicable. index: 0 or 1. */
int key_member_template(const struct key_request *request, size_t index, const uint8_t uid[static UID_LEN],
			struct p11_attrs *ret, struct err *err);

/* When it was made: what was read from the member becomes what applications see. */
int key_record_object(const struct key_request *request, size_t index, const struct p11_attrs *read,
		      const uint8_t uid[static UID_LEN], struct p11_attrs *ret, struct err *err);

/* The same of an object on a member, read there. index: 0 or 1, of the request. */
int key_describe(struct member_channel *channel, CK_OBJECT_HANDLE object, const struct key_request *request, size_t index,
		 const uint8_t uid[static UID_LEN], struct p11_attrs *ret, struct err *err);

/* The same of an object that no member makes, nothing but its record: what was given, what is so where nothing is given,
 * and what follows from it. ERR_TOKEN (CKR_ATTRIBUTE_VALUE_INVALID): what was given does not follow. */
int key_describe_open(const struct p11_attrs *template, struct p11_attrs *ret, struct err *err);

/* Template to unwrap (private, secret) or create (public) object i of a record on a member. */
int key_replica_template(const struct record *record, size_t index, struct p11_attrs *ret, struct err *err);

/*
 * Of a template for this member: without those restrictions that its token does not know. *known: what was found out of
 * it before, kept by the caller; 0 = nothing yet. object: any secret key there, the domain key for one.
 */
int key_leave_out(struct member_channel *channel, CK_OBJECT_HANDLE object, _Atomic uint32_t *known,
		  struct p11_attrs *template, struct err *err);

/* Attribute types worth reading of an object of this class and key type; at most 64. */
CK_ULONG key_attribute_types(CK_OBJECT_CLASS object_class, CK_KEY_TYPE type, CK_ATTRIBUTE_TYPE ret[static 64]);

/* "ec-p256" for a record, "ec" and the like when it is none of ours. */
const char *key_kind_of(const struct record *record);
/* "private", "secret": the class people mean by the key. */
const char *key_class_of(const struct record *record);

#endif
