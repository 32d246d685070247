/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rig - a group over fake tokens, in this process: for tests of what stands above tokens.
 *
 * Member n is the fake token n (fake/token.h), so that anything may be done behind its back; it has the group's domain
 * key, and a transport key that the group pinned. Nothing runs in the background; time passes when a test says so, for
 * members and for this process alike. A test that asserts inside is the test that failed.
 */
#ifndef REPLICA_RIG_H
#define REPLICA_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "fake/token.h"
#include "json/type.h"
#include "replica/key.h"
#include "replica/sites.h"
#include "replica/verify.h"
#include "replica/write.h"

enum { RIG_MEMBERS = 4 };

/* The group of the test: two active members, two standbys, each in a datacentre of its own, policy 2 in 2. */
extern struct replica_set *rig_set;

/* For cmocka; rig_two has the first two members only. */
int rig_four(void **state);
int rig_two(void **state);
int rig_end(void **state);

/* The same group as another process has it, before it logs in; it goes before the rig ends. */
struct replica_set *rig_another(void);
/* PINs that the member refused so far; it takes "1234". */
size_t rig_refused(size_t member);

/* From now on nobody gets to this member; or somebody does again. */
void rig_away(size_t member, bool away);
/* It says nothing to whoever connects in a hurry. */
void rig_slow(size_t member, bool slow);
/* Connections of before are gone, with whatever a failed call left open on them. */
void rig_reconnect(size_t member);
/* Time passes. */
void rig_pass(int64_t ms);

/* The member goes away at its n-th message from now (1 = the next): before it takes it; killed before the last of its
 * calls (the only one is taken); or with all of it done. Nobody hears the answer. */
enum rig_when { RIG_BEFORE, RIG_HALFWAY, RIG_AFTER, RIG_WHENS };
void rig_lose(size_t member, unsigned message, enum rig_when when);
/* Before it takes its n-th message from now somebody else does something. */
void rig_between(size_t member, unsigned message, void (*somebody)(void *data), void *data);
/* Did all come about that was asked for by these two? It is over then, and if not. */
bool rig_came(void);
/* Messages that reached the member so far. */
unsigned long rig_messages(size_t member);

/* All members as they are, to come back as often as wanted; everybody can be reached then, nothing is wrong with
 * the tokens, and this process remembers no marks. */
void rig_keep(void);
void rig_back(void);

/* A member is put back to an older state of it, which is let go. */
void rig_restore(size_t member, struct fake_state *state);

/* A key as an application makes one; it is on all members that can be reached. */
void rig_key(enum key_kind kind, const char *label, struct record *ret);
/* The same with more in the template of its private or secret half; the members that have it. */
uint32_t rig_key_with(enum key_kind kind, const char *label, const CK_ATTRIBUTE *more, CK_ULONG count,
		      struct record *ret);

/* What stands on a member: objects of a class with this CKA_ID (any class: CK_UNAVAILABLE_INFORMATION), data objects
 * with this label. The first one's handle; the number into *ret_count (may be NULL). */
CK_OBJECT_HANDLE rig_object(size_t member, CK_OBJECT_CLASS class, const void *id, size_t id_len, size_t *ret_count);
CK_OBJECT_HANDLE rig_record(size_t member, const uint8_t uid[static UID_LEN], size_t *ret_count);
CK_OBJECT_HANDLE rig_memo(size_t member, const char *label, size_t *ret_count);
/* An object as it is, into a new list. */
struct p11_attrs rig_attrs(size_t member, CK_OBJECT_HANDLE object);
/* How many there are. */
size_t rig_objects(size_t member);
/* Changes to all tokens together. */
uint64_t rig_changes(void);
/* The channel of a member, with the others', until the end of the test or the next of these. */
struct replica_sites *rig_open(uint32_t mask);
/* It is gone. */
void rig_destroy(size_t member, CK_OBJECT_HANDLE object);

/* The reports live until the next of the same kind, or the end of the test. */
const struct replica_report *rig_verify(void);
const struct replica_sync_report *rig_sync(enum sync_mode mode);

/* Findings of a kind on a member in the last rig_verify(); the last of them into *ret (may be NULL). */
size_t rig_findings(enum finding_kind kind, size_t member, const struct replica_report_finding **ret);
/* Verify: exactly this is wrong, once. */
void rig_finds(enum finding_kind kind, size_t member);
/* Sync, then verify: in sync, nothing found; the sync said the same. */
void rig_heals(void);
/* Everybody is back, and creations that nobody finished are old enough: one sync, and all is right. */
void rig_settles(void);
/* Verify: in sync, nothing found. */
void rig_in_sync(void);

#endif
