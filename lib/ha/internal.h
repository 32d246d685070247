/* SPDX-License-Identifier: Apache-2.0 */
/* internal - what the files of this room share; nobody else includes it. */
#ifndef HA_INTERNAL_H
#define HA_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "ha/ha.h"
#include "ha/latency.h"
#include "member/member.h"
#include "replica/record.h"
#include "replica/sites.h"

struct err;
struct stats;

/* A handle on a member, known for one epoch of its host. */
struct ha_handle {
	uint64_t epoch;
	CK_OBJECT_HANDLE handle;
};

/* What makes an object a session's own: nobody else's index has it, and no member keeps it. */
struct ha_local {
	const struct ha_session *owner;
	uint8_t *blob;			/* the key under the domain key; NULL: the record is all, or it cannot be made again */
	CK_ULONG blob_len;
};
void ha_local_free(struct ha_local *local);

/*
 * An object as applications know it. A member holds the keys of the group; what else it is asked to use, a session's own
 * object or one that is all in its record, is made there when it is needed.
 *
 * Its handle is its place in the list, plus one, and which object it is of those that had that place: a handle is never
 * used again. The group's objects keep their places, sessions' own ones leave them to the next.
 */
struct ha_object {
	uint8_t uid[UID_LEN];
	size_t part;			/* of the record: 0 private or secret, 1 public */
	struct record *record;		/* NULL: gone */
	bool own;			/* the place is for sessions' own objects */
	uint32_t life;			/* how many had the place before */
	struct ha_local *local;		/* NULL: the group's */
	struct ha_handle at[SET_MAX];
};

struct ha_health {
	bool up;
	bool suspect;		/* up, and to be probed: others answered what it could not */
	bool slow;		/* up, and passed over until it was probed: it did not connect in a hurry */
	int64_t since_ms;	/* up, after it was down; 0 = it never was */
	int64_t next_probe_ms, backoff_ms;
};

/* What a member can do. */
struct ha_can {
	struct member_mechanism *list;	/* sorted; NULL = it was not asked */
	CK_ULONG count;
	uint64_t number;		/* of answers so far */
};

/* What a member is asked for, counted from the moment when it was chosen. */
struct ha_work {
	unsigned calls;
	int64_t us;		/* that they take, as far as is known */
	struct latency latency;
};

enum { SHAPES = 256, POISON_MAX = 64 };

struct ha_group {
	struct replica_set *set;
	bool background;

	pthread_mutex_t health_lock;
	struct ha_health health[SET_MAX];

	char datacenter[64];		/* of the application; "" = not known */
	pthread_mutex_t choice_lock;	/* of what is below; taken last */
	struct ha_work work[SET_MAX];
	size_t chosen;			/* the last that was */

	pthread_rwlock_t index_lock;
	struct ha_object *objects;
	size_t n_objects, cap_objects;
	size_t *free_places;		/* of sessions' own objects; room for all */
	size_t n_free;
	CK_OBJECT_HANDLE *cells;	/* map of uid and part to handle (index.c) */
	size_t n_cells;

	uint8_t *dead;			/* uids of deleted keys, sorted: for the life of the process */
	size_t n_dead, cap_dead;

	uint64_t index_writes;		/* own writes into the index, with index_lock */
	struct ha_handle domain[SET_MAX];	/* of the domain key on each member, with index_lock */

	pthread_mutex_t refresh_lock;	/* of what is below; never taken with index_lock held */
	uint64_t index_changes[SET_MAX];/* of each member when it was read, 0 = not read */
	uint64_t public_changes;	/* of the one that was read for who did not log in; 0 = it was not */

	pthread_mutex_t write_lock;	/* one replicated write at a time */
	pthread_mutex_t login_lock;
	_Atomic bool logged_in;

	pthread_mutex_t mechanism_lock;	/* of what is below */
	struct ha_can can[SET_MAX];
	struct member_mechanism *shared;	/* by all that could be asked, sorted */
	CK_ULONG n_shared;
	uint64_t shared_state;		/* by whom, and of which answers; 0 = nothing yet */

	_Atomic uint64_t shapes[SHAPES];	/* of calls that were answered; each in its place, the newest counts */

	_Atomic uint64_t poison[POISON_MAX];	/* digests of requests that members ended over; 0 = none */
	atomic_uint n_poison;			/* that there ever were; each takes the place of the oldest */

	struct stats *stats;			/* watch.c */
	_Atomic uint32_t told;			/* of these members: that calls went on to others */
	_Atomic bool told_nobody;		/* that nobody is left */

	struct ha_config *config;	/* of the recoverer */
	pthread_t thread;
	bool thread_runs;
	_Atomic bool stopping;
	pthread_cond_t wake;		/* with health_lock */
};

/* ---- mechanism.c ---- */
/* Ask a member what it can: one that was away may be another token by now. */
int ha_mechanisms_learn(struct ha_group *group, size_t member, struct err *err);
void ha_mechanisms_free(struct ha_group *group);
/* Has the group the mechanism, for this use? CKR_MECHANISM_INVALID. */
CK_RV ha_mechanism_check(struct ha_group *group, CK_MECHANISM_TYPE type, CK_FLAGS use);

/* ---- health.c ---- */
/* Members that answer and may serve: those that missed nothing, or what the policy says while there is none. */
uint32_t ha_up(struct ha_group *group);
/* Those that are passed over until a probe tells (ha_member_slow()). */
uint32_t ha_slow(struct ha_group *group);
/* They are members since a moment ago, and to be brought up to date. */
void ha_members_joined(struct ha_group *group, uint32_t mask);
/* Of mask, which can be reached, only those of serving may: the others are brought up to date before. */
void ha_members_behind(struct ha_group *group, uint32_t mask, uint32_t serving);
/* Probe those of the mask, soon; those that fail are down. */
void ha_members_suspect(struct ha_group *group, uint32_t mask);
void ha_member_down(struct ha_group *group, size_t member, const struct err *why);
/* It was silent while somebody in a hurry connected: others are asked, until a probe tells. */
void ha_member_slow(struct ha_group *group, size_t member);
void ha_member_up(struct ha_group *group, size_t member);
/* Try members whose time has come: probe, bring up to date, serve again. */
void ha_recover(struct ha_group *group);
int ha_recovery_start(struct ha_group *group, struct err *err);
void ha_recovery_stop(struct ha_group *group);

/* ---- choice.c ---- */
/* A call on its way to a member. */
struct ha_errand {
	uint32_t kind;
	size_t member;
	bool patient;		/* nobody else is left: connecting may take as long as the policy says */
	int64_t us;		/* that it was thought to take, */
	int64_t took_us;	/* and did: of one that was answered well, set before ha_errand_over() */
};
/* What kind of work a batch is (latency.h). */
uint32_t ha_kind(const struct p11_call *calls, size_t count);
void ha_choice_init(struct ha_group *group);
/*
 * The best member outside tried. Active ones before standbys; in the application's own datacentre first
 * (HSMCTL_DATACENTRE), where the policy says so, until the work that waits there takes longer than the way to another;
 * then the one that is done first, by the work it has and what it takes for calls of this kind. Of those that are alike
 * each in its turn. A member that has just come back gets one call at a time.
 *
 * down_too: when none is left that is up, those that are slow to connect and then those that are down get one chance
 * each, if they may and missed nothing. False: none. The member has the call until ha_errand_over().
 */
bool ha_choose(struct ha_group *group, struct ha_errand *errand, uint32_t tried, bool down_too);
/* To this member, where an operation of its stands. */
void ha_errand_on(struct ha_group *group, struct ha_errand *errand, size_t member);
void ha_errand_over(struct ha_group *group, const struct ha_errand *errand);

/* ---- config.c ---- */
/* Who the group's members are, and where, read again when the fleet document was written anew. */
int ha_config_new(const char *folder, struct ha_config **ret, struct err *err);
void ha_config_free(struct ha_config *config);
/* member_acquire(), or member_acquire_quick(), also where the member is now. */
int ha_acquire(struct ha_group *group, size_t member, bool patient, struct member_channel **ret, struct err *err);

/* ---- watch.c ---- */
/* What happens is told here, and nowhere else: to the log (base/event.h) and to statistics. serial NULL: not known. */
int ha_watch_open(struct ha_group *group, const char *folder, const char *role, const char *serial, struct err *err);
void ha_watch_close(struct ha_group *group);
/* The set has these members now, and such roles; who joined has not all yet. changed: it has others than before. */
void ha_watch_members(struct ha_group *group, uint32_t joined, bool changed);
/* It was asked, since that moment of the monotonic clock, on the channel (NULL: there was none); err: the link failed,
 * otherwise rv. Returns that moment now: on some machines nothing here costs as much as looking at the clock. */
int64_t ha_watch_asked(struct ha_group *group, size_t member, const struct member_channel *channel, int64_t from_ns,
		       const struct err *err, CK_RV rv);
/* So the application is answered. */
void ha_watch_answered(struct ha_group *group, int64_t from_ns, int64_t to_ns, CK_RV rv);
/* A call left these members, which failed, and goes to that one; an operation does. Clears *left. */
void ha_watch_failover(struct ha_group *group, uint32_t *left, size_t to);
void ha_watch_replay(struct ha_group *group, uint32_t *left, size_t to);
void ha_watch_poison(struct ha_group *group, enum p11_fn fn);
/* A call came to its end without an answer; rv: what the application is told. */
void ha_watch_nobody(struct ha_group *group, CK_RV rv);
/* With health_lock held. was_up: it is news. */
void ha_watch_down(struct ha_group *group, size_t member, bool was_up, const struct err *why);
void ha_watch_up(struct ha_group *group, size_t member);
void ha_watch_unread(struct ha_group *group, const struct err *why);
void ha_watch_login(struct ha_group *group, bool in);
/* A login failed there; told when it is for the PIN. */
void ha_watch_refused(struct ha_group *group, size_t member, const struct err *why);
void ha_watch_session(struct ha_group *group, bool opened);

/* ---- refresh.c ---- */
/* Read the records when they may have changed. */
CK_RV ha_index_refresh(struct ha_group *group);

/* ---- index.c ---- */
/* Writes of ours so far: what is read after one says less than it. */
uint64_t ha_index_writes(struct ha_group *group);
/* Replace what the index knows of the group's objects by these records (several of a uid: the newest counts; their order
 * changes). 0 when a write came in between or the application logged in or out, 1 when it is done. */
int ha_index_take_over(struct ha_group *group, struct record *records, size_t count, uint64_t writes, bool logged_in,
		       struct err *err);
/* A look at an object where it stands, with index_lock held: what look() says of it. */
typedef CK_RV (*ha_looker)(void *data, const struct record *record, size_t part);
CK_RV ha_object_look(struct ha_group *group, CK_OBJECT_HANDLE handle, ha_looker look, void *data);
/* One that takes a copy, of struct ha_copy. */
struct ha_copy {
	struct record *record;
	size_t *part;
};
CK_RV ha_take_copy(void *copy, const struct record *record, size_t part);
/* What an object was when it was looked at; released by the caller. */
CK_RV ha_object_get(struct ha_group *group, CK_OBJECT_HANDLE handle, struct record *ret, size_t *ret_part);
/* With index_lock held: the object of a handle, NULL when it is gone; and the other way round. */
struct ha_object *ha_object_at(struct ha_group *group, CK_OBJECT_HANDLE handle);
CK_OBJECT_HANDLE ha_object_handle(const struct ha_group *group, const struct ha_object *object);
/* Of the group's, by uid and part; CK_INVALID_HANDLE when nobody sees it. */
CK_OBJECT_HANDLE ha_index_find(struct ha_group *group, const uint8_t uid[static UID_LEN], size_t part);
bool ha_object_is_there(struct ha_group *group, CK_OBJECT_HANDLE handle);
bool ha_object_is_local(struct ha_group *group, CK_OBJECT_HANDLE handle);
CK_RV ha_index_put(struct ha_group *group, const struct record *record, CK_OBJECT_HANDLE ret[static 2]);
/* The object of this handle is that of another record from now on, which is all that it is. */
CK_RV ha_index_move(struct ha_group *group, CK_OBJECT_HANDLE handle, const struct record *record);
/* A session's own object, of one part; local is the index's from now on, also when this fails. */
CK_RV ha_index_put_local(struct ha_group *group, const struct record *record, struct ha_local *local,
			 CK_OBJECT_HANDLE *ret);
/* A session's own object is gone. With index_lock held for writing. */
void ha_index_drop_local(struct ha_group *group, struct ha_object *object);
void ha_index_drop(struct ha_group *group, const uint8_t uid[static UID_LEN]);
/* What the group has, and sessions' own objects that are private. */
void ha_index_clear(struct ha_group *group);
void ha_index_free(struct ha_group *group);
/* Its handle on the member the channel leads to; looked up, or made there, when not known. */
CK_RV ha_resolve(struct ha_group *group, CK_OBJECT_HANDLE object, size_t member, struct member_channel *channel,
		 CK_OBJECT_HANDLE *ret, struct err *err);
/* What it is called there, and that this is not known any more. */
void ha_object_is_at(struct ha_group *group, CK_OBJECT_HANDLE object, struct member_channel *channel, CK_OBJECT_HANDLE there);
void ha_forget_handle(struct ha_group *group, CK_OBJECT_HANDLE object, size_t member);

/* ---- local.c ---- */
/* The member at the other end of a channel, for what lib/replica does on one. */
int ha_site(struct ha_group *group, struct member_channel *channel, struct replica_site *ret, struct err *err);
/* The domain key was made anew there: it has another handle. */
int ha_site_again(struct ha_group *group, struct replica_site *site, struct err *err);
/* Make the object on that member, to be used there. err.code: the link failed. */
CK_RV ha_local_make(struct ha_group *group, CK_OBJECT_HANDLE object, struct member_channel *channel, CK_OBJECT_HANDLE *ret,
		    struct err *err);
/* Members that have it: they are asked first. */
uint32_t ha_local_where(struct ha_group *group, CK_OBJECT_HANDLE object);
/* A session's own object goes: from the index, and from the members that can be reached. */
void ha_local_destroy(struct ha_group *group, CK_OBJECT_HANDLE object);
/* All of a session. */
void ha_local_end(struct ha_session *session);
/*
 * Who logs in or out closes all channels, and what sessions made on a member goes with the last. Hold those members
 * that have public objects of sessions, before; let go of them when there is a channel of the new state, after.
 * logs_out: what is private goes from there.
 */
void ha_local_hold(struct ha_group *group, bool logs_out, struct member_channel *ret[static SET_MAX]);
void ha_local_let_go(struct ha_group *group, struct member_channel *held[static SET_MAX]);
/* Another record for it (swapped), by this C_SetAttributeValue: what members have of it is made anew, or changed there. */
CK_RV ha_local_change(struct ha_session *session, CK_OBJECT_HANDLE object, struct record *record,
		      const struct p11_call *call);

/* ---- call.c ---- */
/* A call whose member ended over it is sent once more, never a third time: it may be what ended it. Unless one of its
 * shape (function, mechanism, objects, lengths) was answered before: then members end for reasons of their own. */
enum { RISKED_MAX = 2, CALLS_MAX = 16 };
/*
 * The one place where members are called for an application: choose, bind, send, judge the answer, go on to the next
 * member where the class of the return value says so. calls: one batch of at most CALLS_MAX, with the application's
 * handles; results are where they point. CKR_FUNCTION_FAILED when two members ended over it, and nobody ever answered
 * one of its shape: nor is any asked for it again by this process. ret_channel: keep the channel that answered (NULL: give it back).
 */
CK_RV ha_send(struct ha_group *group, struct p11_call *calls, size_t count, struct member_channel **ret_channel);
/* One more call on a channel whose operation it continues. */
int ha_send_on(struct ha_group *group, struct member_channel *channel, struct p11_call *call, struct err *err);
/* What the member calls the objects of these calls has changed: those inside parameters, too. */
void ha_forget_handles(struct ha_group *group, const struct p11_call *calls, size_t count, size_t member);
/* Did the member not know an object that it was told to use? It may have another handle by now. */
bool ha_lacks_object(int rc, const struct err *err);
/* The member that the channel leads to. */
size_t ha_member_of(const struct ha_group *group, const struct member_channel *channel);

/* ---- log.c ---- */
enum { LOG_PARTS_MAX = CALLS_MAX - 2, LOG_MAX = 16 << 20, LOG_ALL_MAX = 256 << 20 /* of a process */ };
/* What an operation was fed so far: its updates, as calls that can be made again. What follows the same function is put
 * together, so that parts are few. */
struct ha_log {
	struct {
		enum p11_fn fn;
		size_t at, len;		/* of the bytes */
		CK_OBJECT_HANDLE object;	/* instead of bytes */
	} parts[LOG_PARTS_MAX];
	size_t count;
	struct buf bytes;
	bool overflowed;		/* more came than is kept: it cannot be made again */
};
void ha_log_init(struct ha_log *log);
void ha_log_release(struct ha_log *log);
/* Can all of the log, and this, be said in one call? */
bool ha_log_fits_call(const struct ha_log *log, const struct p11_call *call);
/* An update that came; what has no room, here or in the process, makes the log useless (overflowed). */
void ha_log_add(struct ha_log *log, const struct p11_call *call);
/* Part n from byte at on, at most max bytes; out, out_len are for the results of functions that give some. */
struct p11_call ha_log_call(const struct ha_log *log, size_t n, size_t at, size_t max, void *out, CK_ULONG *out_len);

/* ---- stream.c ---- */
/* An operation that stands on a member's channel, and can be put on another one's. */
struct ha_stream {
	struct member_channel *channel;
	size_t fed;			/* input of calls that give output */
	size_t delivered;		/* output that the application has */
	/* After a replay by a member that holds back more, or less, than the one before: so much of what comes next was
	 * delivered already; or was given ahead of its time. */
	size_t behind;
	struct buf ahead;
	unsigned ended;			/* members in a row that ended over a call of it */
	uint32_t left;			/* members that it stood on, and that failed */
	bool moved;			/* one of its calls was answered: it is not what members end over */
};
struct ha_operation;
void ha_stream_init(struct ha_stream *stream);
void ha_stream_release(struct ha_stream *stream);
/* Room for what a call with so much input may give: tokens that check a tag first hold back all until the end. */
size_t ha_stream_room(const struct ha_stream *stream, size_t len);
/* Put it somewhere, before anything is fed: what the member says of its Init. */
CK_RV ha_stream_begin(struct ha_operation *o);
/* One call of the operation, where it stands, or where it is put when that is lost. */
CK_RV ha_stream_send(struct ha_operation *o, struct p11_call *call);

/* ---- result.c ---- */
/* A result for which the application had no room: of which part, and of which input. The same call again gets it. */
struct ha_result {
	struct buf bytes;
	enum p11_part of;		/* P11_PART_NONE: none waits */
	uint8_t *asked;
	CK_ULONG asked_len;
};
enum { RESULT_ROOM = 64 << 10 };	/* more than any signature or digest */
void ha_result_init(struct ha_result *result);
void ha_result_release(struct ha_result *result);
/* Room for a result of at most len bytes, wiped when it is given back. */
CK_RV ha_result_room(struct ha_result *result, size_t len, uint8_t **ret);
/* Does the result of this part, made from the same input, wait? */
bool ha_result_waits(const struct ha_result *result, enum p11_part part, const void *in, CK_ULONG len);
/* To the application, if it has room: CKR_OK and *ret_given, otherwise it waits. */
CK_RV ha_result_give(struct ha_result *result, enum p11_part part, const void *in, CK_ULONG len, void *out,
		     CK_ULONG *out_len, bool *ret_given);

/* ---- operation.c ---- */
struct ha_operation {
	struct ha_group *group;
	enum p11_op op;
	struct p11_mechanism mechanism;
	CK_OBJECT_HANDLE key;
	CK_ULONG modulus_len;		/* of an RSA key, 0 = another one */
	CK_ULONG order_len;		/* of an EC key's curve or a DSA key's group, 0 = another one, or not known */
	CK_ULONG key_len;		/* of a secret key in bytes; CK_UNAVAILABLE_INFORMATION = not known */
	unsigned long number;		/* in which order the session's were begun */
	bool alone;			/* its Init went to a member by itself, and so does all that follows */
	bool waits;			/* for the PIN */
	bool each_time;			/* which its key wants for each use */
	bool updated;			/* an Update came: Once is not allowed any more */
	struct ha_log log;
	struct ha_stream stream;
	struct ha_result result;
};
/* Its Init, as a call. */
struct p11_call ha_operation_init(const struct ha_operation *o);
void ha_operation_free(struct ha_operation *operation);
enum { SINGLE_MAX = 3 << 20 };		/* encrypt and decrypt in one call */
/* A call of P11_REPEAT_OPERATION. */
CK_RV ha_operate(struct ha_session *session, struct p11_call *call);
/* C_DigestEncryptUpdate and its like. */
CK_RV ha_operate_both(struct ha_session *session, struct p11_call *call);

/* ---- message.c ---- */
/* One message of a process (C_EncryptMessage …): it ends nothing, whatever becomes of it. */
CK_RV ha_message(struct ha_operation *o, struct p11_call *call);

/* ---- session.c ---- */
struct ha_session {
	struct ha_group *group;
	CK_FLAGS flags;
	struct ha_operation *operations[P11_OP_MAX];
	unsigned long n_started;
	bool has_objects;		/* or had, of its own */
	CK_OBJECT_HANDLE *found;	/* active search */
	CK_ULONG n_found, next_found;
	bool finding;
};

/* ---- object.c ---- */
CK_RV ha_find_begin(struct ha_session *session, struct p11_call *call);
CK_RV ha_find_next(struct ha_session *session, struct p11_call *call);
CK_RV ha_find_end(struct ha_session *session, struct p11_call *call);
CK_RV ha_get_attributes(struct ha_session *session, struct p11_call *call);
CK_RV ha_set_attributes(struct ha_session *session, struct p11_call *call);
/* A key pair is one key to the group, to the application it is two objects: a public half that is destroyed is hidden; one
 * that is left is an object by itself. */
CK_RV ha_destroy(struct ha_session *session, struct p11_call *call);
/* A key that is to be used so (CKF_SIGN …): what a token would say of it, in its order of errors. */
CK_RV ha_key_get(struct ha_group *group, CK_OBJECT_HANDLE key, CK_FLAGS use, CK_MECHANISM_TYPE mechanism,
		 struct record *ret, size_t *ret_part);
/* The same without a copy: then look(), when it may be used so. */
CK_RV ha_key_look(struct ha_group *group, CK_OBJECT_HANDLE key, CK_FLAGS use, CK_MECHANISM_TYPE mechanism, ha_looker look,
		  void *data);
/* Sites of the members that are up, and afterwards: those that fell away are down. */
int ha_sites_open(struct ha_group *group, struct replica_sites *ret, struct err *err);
void ha_sites_close(struct ha_group *group, struct replica_sites *sites);

/* ---- make.c, wrap.c ---- */
/* C_CreateObject, C_CopyObject, C_GenerateKey, C_GenerateKeyPair, C_UnwrapKey, C_DeriveKey. */
CK_RV ha_make(struct ha_session *session, struct p11_call *call);
CK_RV ha_wrap(struct ha_session *session, struct p11_call *call);

#endif
