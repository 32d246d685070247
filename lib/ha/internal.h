/* SPDX-License-Identifier: Apache-2.0 */
/* internal - what the files of this room share; nobody else includes it. */
#ifndef HA_INTERNAL_H
#define HA_INTERNAL_H

#include <pthread.h>

#include "ha/ha.h"
#include "replica/record.h"
#include "replica/set.h"

struct err;

/* A handle on a member, known for one epoch of its host. */
struct ha_handle {
	uint64_t epoch;
	CK_OBJECT_HANDLE handle;
};

/* An object as applications know it. Handles are its place in the list, plus one. */
struct ha_object {
	uint8_t uid[UID_LEN];
	size_t part;			/* of the record: 0 private or secret, 1 public */
	struct record *record;		/* NULL: gone; the handle is never used again */
	struct ha_handle at[SET_MAX];
};

struct ha_health {
	bool up;
	bool suspect;		/* up, and to be probed: others answered what it could not */
	int64_t next_probe_ms, backoff_ms;
};

enum { SHAPES = 256 };

struct ha_group {
	struct replica_set *set;
	bool background;

	pthread_mutex_t health_lock;
	struct ha_health health[SET_MAX];

	pthread_rwlock_t index_lock;
	struct ha_object *objects;
	size_t n_objects, cap_objects;
	CK_OBJECT_HANDLE *cells;	/* map of uid and part to handle (index.c) */
	size_t n_cells;

	uint8_t *dead;			/* uids of deleted keys, sorted: for the life of the process */
	size_t n_dead, cap_dead;

	uint64_t index_writes;		/* own writes into the index, with index_lock */

	pthread_mutex_t refresh_lock;	/* of what is below; never taken with index_lock held */
	uint64_t index_changes[SET_MAX];/* of each member when it was read, 0 = not read */

	pthread_mutex_t write_lock;	/* one replicated write at a time */
	pthread_mutex_t login_lock;
	_Atomic bool logged_in;

	CK_MECHANISM_TYPE *mechanisms;
	CK_ULONG n_mechanisms;

	_Atomic uint64_t shapes[SHAPES];	/* of calls that were answered; each in its place, the newest counts */

	struct ha_config *config;	/* of the recoverer */
	pthread_t thread;
	bool thread_runs;
	_Atomic bool stopping;
	pthread_cond_t wake;		/* with health_lock */
};

/* ---- health.c ---- */
/* Members that answer and may serve: those that missed nothing, or what the policy says while there is none. */
uint32_t ha_up(struct ha_group *group);
/* Of mask, which can be reached, only those of serving may: the others are brought up to date before. */
void ha_members_behind(struct ha_group *group, uint32_t mask, uint32_t serving);
/* The best member outside tried: active before standby, least load, then
 * latency. When none is left that is up, those that are down get one chance
 * each, if they may and missed nothing. set->n_members = none. */
size_t ha_choose(struct ha_group *group, uint32_t tried, bool down_too);
/* Probe those of the mask, soon; those that fail are down. */
void ha_members_suspect(struct ha_group *group, uint32_t mask);
void ha_member_down(struct ha_group *group, size_t member, const struct err *why);
void ha_member_up(struct ha_group *group, size_t member);
/* Try members whose time has come: probe, bring up to date, serve again. */
void ha_recover(struct ha_group *group);
int ha_recovery_start(struct ha_group *group, struct err *err);
void ha_recovery_stop(struct ha_group *group);

/* ---- config.c ---- */
/* Where the group's members are, read again when the fleet document was written anew. */
int ha_config_new(const char *folder, struct ha_config **ret, struct err *err);
void ha_config_free(struct ha_config *config);
/* Did any of them move? */
bool ha_config_refresh(struct ha_group *group);
/* member_acquire(), also where the member is now. */
int ha_acquire(struct ha_group *group, size_t member, struct member_channel **ret, struct err *err);

/* ---- index.c ---- */
/* Read the records when they may have changed. */
CK_RV ha_index_refresh(struct ha_group *group);
/* What an object was when it was looked at; released by the caller. */
CK_RV ha_object_get(struct ha_group *group, CK_OBJECT_HANDLE handle, struct record *ret, size_t *ret_part);
CK_RV ha_index_put(struct ha_group *group, const struct record *record, CK_OBJECT_HANDLE ret[static 2]);
void ha_index_drop(struct ha_group *group, const uint8_t uid[static UID_LEN]);
void ha_index_clear(struct ha_group *group);
/* Its handle on the member the channel leads to; looked up when not known. */
CK_RV ha_resolve(struct ha_group *group, CK_OBJECT_HANDLE object, size_t member, struct member_channel *channel,
		 CK_OBJECT_HANDLE *ret, struct err *err);
void ha_forget_handle(struct ha_group *group, CK_OBJECT_HANDLE object, size_t member);

/* ---- run.c ---- */
/* A call whose member ended over it is sent once more, never a third time: it may be what ended it. Unless one of its
 * shape (function, mechanism, key, length) was answered before: then members end for reasons of their own. */
enum { RISKED_MAX = 2 };
uint64_t ha_shape(CK_OBJECT_HANDLE object, const struct p11_call *calls, size_t count);
bool ha_shape_known(struct ha_group *group, uint64_t shape);
void ha_shape_learn(struct ha_group *group, uint64_t shape);
/*
 * Build the batch for a session and a key handle: fills calls in, returns how
 * many. Called again for each member that is tried.
 */
typedef size_t (*ha_builder)(void *data, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key, struct p11_call *calls);
/*
 * The one place where a member is called for an application: choose, send,
 * judge the answer, go on to the next member where the class of the return value says so.
 * A call of an unknown shape that two members ended over goes to no third: CKR_FUNCTION_FAILED.
 * object CK_INVALID_HANDLE: none. ret_channel: keep the channel that answered
 * (NULL: give it back).
 */
CK_RV ha_run(struct ha_group *group, CK_OBJECT_HANDLE object, ha_builder build, void *data,
	     struct member_channel **ret_channel);

#endif
