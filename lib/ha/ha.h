/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ha - a group at run time: one token for the application, made of members.
 *
 * Everything here is in terms of what the application sees: objects have
 * handles that stay the same for the life of the group, calls go to whichever
 * member can answer. Thread-safe, except that one struct ha_operation is used by
 * one thread at a time.
 */
#ifndef HA_HA_H
#define HA_HA_H

#include <stdbool.h>
#include <stdint.h>

#include "base/own.h"
#include "p11/call.h"

struct err;
struct fleet;
struct fleet_group;
struct ha_group;
struct replica_set;

/* folder: the store or bundle. background: may start a thread for recovery. */
int ha_group_open(const struct fleet *fleet, const struct fleet_group *group, const char *folder,
		  const char *role, bool background, struct ha_group **ret, struct err *err);
/* The same of a set that is open: the group's from now on, also when this fails. For tests. */
int ha_group_new(struct replica_set *set, const char *folder, bool background, struct ha_group **ret, struct err *err);
/* No call may be under way. */
void ha_group_free(struct ha_group *group);
/* For good, from any thread: calls under way end with an error, soon, and so does the recovery of members. */
void ha_group_cut(struct ha_group *group);
OWN_DEFINE(ha_group)

/* CKR_OK; a wrong PIN reaches one member, once. */
CK_RV ha_login(struct ha_group *group, const void *pin, CK_ULONG len);
CK_RV ha_logout(struct ha_group *group);
bool ha_logged_in(const struct ha_group *group);

/* Mechanisms that a row of ours describes and a member has. A member that
 * answers is asked once; ret owned by the group. */
CK_RV ha_mechanisms(struct ha_group *group, const CK_MECHANISM_TYPE **ret, CK_ULONG *ret_count);
CK_RV ha_mechanism_info(struct ha_group *group, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO *ret);

/* ---- objects ---- */

/* Handles of the objects that match, as of now; a list of the caller's to free. */
CK_RV ha_find(struct ha_group *group, const CK_ATTRIBUTE *template, CK_ULONG count,
	      CK_OBJECT_HANDLE **ret, CK_ULONG *ret_count);
/* C_GetAttributeValue, from the record. */
CK_RV ha_get_attributes(struct ha_group *group, CK_OBJECT_HANDLE object, CK_ATTRIBUTE *values, CK_ULONG count);
CK_RV ha_set_attributes(struct ha_group *group, CK_OBJECT_HANDLE object, const CK_ATTRIBUTE *values, CK_ULONG count);
/* A key pair is one key: it goes, on all members, with its private half; the
 * public half by itself cannot be destroyed (CKR_ACTION_PROHIBITED). */
CK_RV ha_destroy(struct ha_group *group, CK_OBJECT_HANDLE object);
/* public_t NULL: a secret key, ret_public is not used. */
CK_RV ha_generate(struct ha_group *group, const CK_MECHANISM *mechanism, const CK_ATTRIBUTE *public_t, CK_ULONG public_n,
		  const CK_ATTRIBUTE *private_t, CK_ULONG private_n, CK_OBJECT_HANDLE *ret_public,
		  CK_OBJECT_HANDLE *ret_private);
CK_RV ha_random(struct ha_group *group, void *ret, CK_ULONG len);

/* ---- operations ---- */

enum ha_kind { HA_ENCRYPT, HA_DECRYPT, HA_DIGEST, HA_SIGN, HA_VERIFY, HA_KIND_MAX };

/*
 * One active operation of a session: mechanism, key, the input so far. Sign,
 * verify and digest keep their input and send all of it at the end, so any
 * member can do it and any other can repeat it; encrypt and decrypt hold a
 * channel and are replayed from the recorded input when it is lost.
 */
struct ha_operation;
CK_RV ha_operation_start(struct ha_group *group, enum ha_kind kind, const CK_MECHANISM *mechanism,
			 CK_OBJECT_HANDLE key, struct ha_operation **ret);
void ha_operation_free(struct ha_operation *operation);

/* Does its key want the user's PIN for this use (CKA_ALWAYS_AUTHENTICATE), and was it not given yet? Until then the
 * operation answers CKR_USER_NOT_LOGGED_IN, and is over. */
bool ha_operation_waits(const struct ha_operation *o);
void ha_operation_admit(struct ha_operation *o);

/*
 * out NULL asks for the length. *ret_over: the operation is over (also after a
 * failure), as PKCS#11 v3.0 section 5.2 says; BUFFER_TOO_SMALL and length
 * questions leave it active, and the result that was made is kept for the next try.
 */
CK_RV ha_operation_once(struct ha_operation *o, const void *in, CK_ULONG len, void *out, CK_ULONG *out_len, bool *ret_over);
CK_RV ha_operation_update(struct ha_operation *o, const void *in, CK_ULONG len, void *out, CK_ULONG *out_len, bool *ret_over);
CK_RV ha_operation_final(struct ha_operation *o, void *out, CK_ULONG *out_len, bool *ret_over);
/* Verify: signature against in (multi-part when in is NULL and once false). */
CK_RV ha_operation_verify(struct ha_operation *o, bool once, const void *in, CK_ULONG len,
			  const void *signature, CK_ULONG signature_len);

#endif
