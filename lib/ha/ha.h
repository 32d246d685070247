/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ha - a group at run time: one token for the application, made of members.
 *
 * Everything here is in terms of what the application sees. A call of its is one struct p11_call from the module's
 * entry to the member's link, and keeps the application's handles until the moment when it is sent: which member
 * carries it out is decided here, and for each that is tried it is bound anew. A session owns what PKCS#11 gives to
 * one: the active operations and the search.
 *
 * Objects have handles that stay the same for the life of the group. Groups are thread-safe; a session is used by one
 * thread at a time.
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
struct ha_session;
struct replica_set;

/* folder: the store or bundle. background: may start a thread for recovery. */
int ha_group_open(const struct fleet *fleet, const struct fleet_group *group, const char *folder,
		  const char *role, bool background, struct ha_group **ret, struct err *err);
/* The same of a set that is open: the group's from now on, also when this fails. For tests. */
int ha_group_new(struct replica_set *set, const char *folder, bool background, struct ha_group **ret, struct err *err);
/* No call may be under way, no session open. */
void ha_group_free(struct ha_group *group);
/* For good, from any thread: calls under way end with an error, soon, and so does the recovery of members. */
void ha_group_cut(struct ha_group *group);
OWN_DEFINE(ha_group)

/* Take up what the fleet document says by now of members, roles and policy. Cheap while nobody wrote
 * it. Was it written, and taken up? */
bool ha_group_refresh(struct ha_group *group);

/* CKR_OK; a wrong PIN reaches one member, once. */
CK_RV ha_login(struct ha_group *group, const void *pin, CK_ULONG len);
CK_RV ha_logout(struct ha_group *group);
bool ha_logged_in(const struct ha_group *group);

/*
 * Mechanisms that all members have which can be asked, for what all can do with them, and with the sizes of keys that
 * all take; messages are of one part (no CKF_MULTI_MESSAGE). A member is asked once, and again when it was away. Those
 * that no row of ours describes (p11/mech.h) are offered with parameters of plain bytes. list: the first room of
 * *ret_count.
 */
CK_RV ha_mechanisms(struct ha_group *group, CK_MECHANISM_TYPE *list, CK_ULONG room, CK_ULONG *ret_count);
/* CKR_MECHANISM_INVALID: not one of them. */
CK_RV ha_mechanism_info(struct ha_group *group, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO *ret);

/* flags: of C_OpenSession. */
CK_RV ha_session_open(struct ha_group *group, CK_FLAGS flags, struct ha_session **ret);
void ha_session_free(struct ha_session *session);
OWN_DEFINE(ha_session)

/*
 * Carry out a call of P11_WHERE_SESSION, whose own session argument says nothing here. Sets and returns call->rv:
 * what is the caller's fault first, then CKR_SESSION_READ_ONLY, CKR_FUNCTION_NOT_SUPPORTED for what groups do not offer.
 *
 * An Init without a mechanism ends the operation that is active (PKCS#11 v3.0 section 5.8.1).
 *
 * A length that is asked for (no room given), and CKR_BUFFER_TOO_SMALL, leave an operation active, and the result that
 * was made is kept for the same call made again (PKCS#11 v3.0 section 5.2).
 */
CK_RV ha_call(struct ha_session *session, struct p11_call *call);

/* Operations of these flags (CKF_SIGN …, CKF_FIND_OBJECTS) end, if any are active (PKCS#11 v3.0 section 5.6.6). */
void ha_session_cancel(struct ha_session *session, CK_FLAGS flags);

/* Is there an operation whose key wants the user's PIN for this use (CKA_ALWAYS_AUTHENTICATE), which was not given yet?
 * Until then it answers CKR_USER_NOT_LOGGED_IN, and is over; a process of messages, which wants it for each, is not. */
bool ha_session_waits(const struct ha_session *session);
/* It was given: for the one that was begun last. */
void ha_session_admit(struct ha_session *session);

#endif
