/* SPDX-License-Identifier: Apache-2.0 */
/*
 * domain - the key under which a group's replicas travel.
 *
 * An AES-256 key on every member, with CKA_ID from the group. A member joins
 * by a handshake: it makes an RSA transport pair; a member that has the domain
 * key wraps it to the public half (RSA-OAEP, the best hash both can); the
 * joiner unwraps it into its token. The fingerprint of the transport key
 * (SHA-256 of its SubjectPublicKeyInfo) is shown and pinned in the fleet.
 * hsmctl never sees the domain key.
 */
#ifndef REPLICA_DOMAIN_H
#define REPLICA_DOMAIN_H

#include <stdint.h>

#include "p11/pkcs11.h"

struct err;
struct member_channel;
struct replica_site;

enum { DOMAIN_ID_LEN = 16, DOMAIN_FINGERPRINT = 65, DOMAIN_KEYS_MAX = 8, DOMAIN_BLOB_MAX = 16384 };

/* ERR_NOT_FOUND when the member has none; of several any one (examine.h says what is wrong with them). */
int domain_find(struct member_channel *channel, const uint8_t id[static DOMAIN_ID_LEN],
		CK_OBJECT_HANDLE *ret, struct err *err);
/* All of them, at most DOMAIN_KEYS_MAX; none is fine. */
int domain_list(struct member_channel *channel, const uint8_t id[static DOMAIN_ID_LEN],
		CK_OBJECT_HANDLE ret[static DOMAIN_KEYS_MAX], size_t *ret_count, struct err *err);

/* Generate it, unless it is there. */
int domain_create(struct member_channel *channel, const uint8_t id[static DOMAIN_ID_LEN],
		  CK_OBJECT_HANDLE *ret, struct err *err);

/*
 * Bring it from one member to another, and prove that both have the same one.
 * pinned: fingerprint the transport key must have, NULL = first time.
 * Repeatable; a domain key that is there and proves equal stays. One that does not work is replaced, one that works
 * and is another never: ERR_DIFFERENT.
 */
int domain_join(struct replica_site *from, struct replica_site *to, const uint8_t id[static DOMAIN_ID_LEN],
		const char *pinned, char ret_fingerprint[static DOMAIN_FINGERPRINT], struct err *err);

/*
 * Do both sites have the same domain key, and does it work? from == to asks only
 * the latter. ERR_DIFFERENT when a key carried from one to the other is not the same.
 */
int domain_prove(struct replica_site *from, struct replica_site *to, struct err *err);

/* Can the member get the domain key again, should it lose it: is the pinned transport key there, with its private half?
 * ERR_NOT_FOUND. */
int domain_transport(struct member_channel *channel, const char *pinned, struct err *err);

/* A transport key for a member that proved to have the domain key, and lost the pinned one: any pair that is whole, or a
 * new one. The caller pins it. */
int domain_renew(struct replica_site *site, char ret_fingerprint[static DOMAIN_FINGERPRINT], struct err *err);

/* Destroy all domain keys of id but one. */
int domain_sweep(struct member_channel *channel, const uint8_t id[static DOMAIN_ID_LEN], CK_OBJECT_HANDLE kept,
		 struct err *err);

/* Destroy domain keys: that of id, or with NULL every one a group left behind. */
int domain_destroy(struct member_channel *channel, const uint8_t *id, struct err *err);

/* How many of any group are there? */
int domain_count(struct member_channel *channel, CK_ULONG *ret, struct err *err);

/* Is this object ours, not a key of the application's: a domain or transport key? */
#include "p11/attr.h"
bool domain_owns(const struct p11_attrs *attrs);
/* What domain_list() and domain_transport() look for, among objects whose attributes were read. */
bool domain_is(const struct p11_attrs *attrs, const uint8_t id[static DOMAIN_ID_LEN]);
/* ERR_UNSUPPORTED, ERR_INVALID: a torn one. 1 when it is. */
int domain_is_transport(const struct p11_attrs *attrs, const char *pinned, struct err *err);
bool domain_is_private_half(const struct p11_attrs *attrs, const struct p11_attrs *public_half);

/*
 * Wrap a key on one member and unwrap it on another, by the first mechanism that
 * works for both (found by round trip and remembered per pair of members).
 */
int domain_carry(struct replica_site *from, CK_OBJECT_HANDLE key, struct replica_site *to,
		 const CK_ATTRIBUTE *template, CK_ULONG count, CK_OBJECT_HANDLE *ret, struct err *err);

/*
 * The two halves of it, for a key that is kept meanwhile: blob is whatever the member made of it (at most DOMAIN_BLOB_MAX
 * bytes), and any member takes it that has the domain key.
 */
int domain_wrap(struct replica_site *site, CK_OBJECT_HANDLE key, uint8_t *blob, CK_ULONG *len, struct err *err);
int domain_unwrap(struct replica_site *site, const uint8_t *blob, CK_ULONG len, const CK_ATTRIBUTE *template,
		  CK_ULONG count, CK_OBJECT_HANDLE *ret, struct err *err);

/* Does the member give this key away under the domain key? ERR_NOT_REPLICABLE says why not; other codes: could not be
 * told. Nothing is kept of it. */
int domain_gives(struct replica_site *site, CK_OBJECT_HANDLE key, struct err *err);

#endif
