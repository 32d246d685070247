/* SPDX-License-Identifier: Apache-2.0 */
/*
 * member - one token behind a link that can always be cut.
 *
 * A member keeps a pool of channels (pool.h). A channel is one connection with one
 * PKCS#11 session on it, logged in when the member was given a PIN; one
 * thread uses it at a time. Every call has an end: when the peer is silent
 * for answer_ms (heartbeats and every byte count as sound; less for who is in a hurry, rhythm.h), or the call lasts
 * longer than its kind may (limit.h: five seconds, or call_ms where keys are
 * made, and more for what is large) or than the caller lets it, the link is cut
 * and the channel is broken.
 * Nothing is repeated here: who repeats what is the caller's decision, err.retry
 * tells what may be.
 *
 * To an appliance, and to a worker, the channels of a member are one client (guest.h): who has logged in on one of them
 * has on all, and sessions and session objects that were made on one are there on the others, until the last of them
 * ends. An appliance of before protocol version 3 keeps them apart, and so does a library in this process with logins
 * and sessions.
 *
 * The struct is thread-safe; channels are not.
 */
#ifndef MEMBER_MEMBER_H
#define MEMBER_MEMBER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/own.h"
#include "p11/call.h"

struct call_limit;
struct err;
struct fleet;
struct fleet_device;
struct fleet_partition;
struct fleet_policy;
struct secret;
struct tls_context;
struct member;
struct member_channel;
struct json_pair;
struct link_ops;
struct worker;

enum { MEMBER_QUICK_MS = 250 };

struct member_config {
	const struct link_ops *via;	/* link.h; NULL = by link. Tests bring their own */
	void *via_data;
	const char *name;		/* for people: "hsm-east-1" */
	unsigned link;			/* enum fleet_link_kind */
	const char *address;		/* tls */
	const char *certificate;	/* tls: pinned, NULL = any appliance of our CA */
	struct tls_context *tls;	/* tls: borrowed, outlives the member */
	const char *module;		/* module, worker: path of the library */
	const struct json_pair *environment;	/* worker: over that of this process; for member_open() alone */
	size_t n_environment;
	const char *program;		/* worker: NULL = ours */
	const char *serial;		/* of the token, NULL = the only one */
	const char *uri;		/* module, worker: which token (library.h), NULL = any of that serial */
	int64_t connect_ms, answer_ms, call_ms;
	unsigned connections;		/* at most, but for those that hold an operation (pool.h); 0 = POOL_MOST */
	int64_t silence_ms;		/* of a peer while a connection is made; for links alone: 0 = up to connect_ms */
	/* member_open() gives both: */
	uint32_t number;		/* of the member in its process */
	struct worker *worker;		/* worker: its process (worker.h) */
};

/* Does not connect. Strings are copied. */
int member_open(const struct member_config *config, struct member **ret, struct err *err);
void member_free(struct member *member);	/* no channel may be out */
OWN_DEFINE(member)

/* The config of a partition of the fleet. ERR_UNREACHABLE for a partition that
 * is not provisioned yet. */
int member_open_partition(const struct fleet_device *device, const struct fleet_partition *partition,
			  const char *name, const struct fleet_policy *policy,
			  struct tls_context *tls, struct member **ret, struct err *err);

const char *member_name(const struct member *member);

/* It is elsewhere now (a restarted appliance may be on another port): channels opened from now on go there. 1 when it
 * was not there before. */
int member_move(struct member *member, const char *address, const char *certificate, struct err *err);

/* Other limits: those of channels that are opened from now on. */
void member_set_limits(struct member *member, const struct fleet_policy *policy);

/*
 * For good, from any thread: calls under way fail soon, and so does every
 * acquiring from now on. A library in this process cannot be interrupted.
 */
void member_cut(struct member *member);

/*
 * The PIN for logging in, taken over; NULL logs out (idle channels are
 * closed; where others are still out, the next that is opened says so to the
 * appliance). A PIN that the appliance has accepted is not sent again as long as
 * any channel is there. A PIN the token refused once is never sent again: acquiring then
 * fails with ERR_PIN (err.rv says why) until another is set. CKR_PIN_LOCKED is no
 * word about the PIN but about the member: it is sent again when a second has passed.
 */
void member_set_pin(struct member *member, struct secret *pin);

/*
 * An idle channel, or a new connection, or, when there are as many as may be, the next that comes back within call_ms.
 * Logs in when a PIN is set.
 * ERR_UNREACHABLE, ERR_TIMEOUT, ERR_PIN, ERR_DENIED (certificates). A host that is
 * well but has no place free is asked again for connect_ms; err.rv is then of class
 * P11_BUSY (p11/rv.h), as when all channels are in use, and nothing is wrong with the member.
 */
int member_acquire(struct member *member, struct member_channel **ret, struct err *err);
/*
 * The same for somebody who has other members to go to: ERR_TIMEOUT when the peer says nothing for MEMBER_QUICK_MS, or
 * twice as long as it took to connect before, while a connection is made. Each byte of its is a sign of life. That is no
 * word about the member.
 */
int member_acquire_quick(struct member *member, struct member_channel **ret, struct err *err);
/* Give it back: into the pool, or closed when it is broken or unclean. NULL is fine. */
void member_release(struct member_channel *channel);

CK_SESSION_HANDLE member_session(const struct member_channel *channel);
struct member *member_of(const struct member_channel *channel);

/*
 * Execute a batch. 0 when it was carried out (each call's rv says how),
 * negative when the link failed: the channel is then broken, err.retry is
 * SAFE when nothing was sent. What p11_call_check() refuses is not sent, nor a
 * batch with a call of P11_WHERE_HOST to an appliance that knows none (CKR_FUNCTION_NOT_SUPPORTED):
 * the first call's rv says why. It does so, too, when too many others write
 * (CKR_SESSION_COUNT, of class P11_BUSY): nothing of the batch was done then.
 * A batch that ended in the middle of an operation makes the channel unclean: it is not given to anybody else.
 * limit (limit.h): the caller's own, where it is not 0; NULL = by the kind of the calls.
 */
int member_call(struct member_channel *channel, struct p11_call *calls, size_t count, const struct call_limit *limit,
		struct err *err);

/* The same by kind, and the first rv that is not CKR_OK becomes an error (p11_rv_err). */
int member_run(struct member_channel *channel, struct p11_call *calls, size_t count, struct err *err);

/* Whoever calls has others to go to: a silence that its peer's rhythm does not know is too long (rhythm.h). A command, which
 * has not, waits as long as the policy says. */
void member_hurry(struct member_channel *channel);
/* The channel holds an operation that somebody will go on with; it must not
 * return to the pool before member_clean(). */
void member_keep(struct member_channel *channel);
void member_clean(struct member_channel *channel);
/* Never reuse it. */
void member_spoil(struct member_channel *channel);

/* Is the link gone? */
bool member_broken(const struct member_channel *channel);
/* The failed call ended because the peer ended the connection, not for silence:
 * what was asked may be what ended it. */
bool member_ended(const struct member_channel *channel);

/*
 * Differs after each restart of the token's host: handles seen before mean
 * nothing any more. Of the channel's connection.
 */
uint64_t member_epoch(const struct member_channel *channel);
/* The change counter in the newest reply of any channel; 0 = none known. */
uint64_t member_changes(const struct member *member);

/* Acquire (with login when a PIN is set), read the token's info and random
 * bytes: up means all of it worked. ret_info may be NULL. */
int member_probe(struct member *member, CK_TOKEN_INFO *ret_info, struct err *err);
int member_probe_quick(struct member *member, CK_TOKEN_INFO *ret_info, struct err *err);

/* ---- what callers do with a channel all day ---- */

struct member_mechanism {
	CK_MECHANISM_TYPE type;
	CK_MECHANISM_INFO info;
};
/* All mechanisms of the token, in a list of the caller's to free, sorted by type; one that says nothing of itself is
 * left out. */
int member_mechanisms(struct member_channel *channel, struct member_mechanism **ret, CK_ULONG *ret_count,
		      struct err *err);

/* Handles of all objects that match, in a list of the caller's to free. */
int member_find(struct member_channel *channel, const CK_ATTRIBUTE *template, CK_ULONG count,
		CK_OBJECT_HANDLE **ret, CK_ULONG *ret_count, struct err *err);
/*
 * Read attributes, as many as can be read: those the token refuses, does not
 * know or fails on are left out. Appends to ret.
 */
int member_get(struct member_channel *channel, CK_OBJECT_HANDLE object, const CK_ATTRIBUTE_TYPE *types,
	       CK_ULONG count, struct p11_attrs *ret, struct err *err);

/* attrs: what member_get() gives of the object, to be taken over by zeroing it; NULL: it is gone. A negative return
 * ends the walk. */
typedef int (*member_visitor)(void *data, CK_OBJECT_HANDLE object, struct p11_attrs *attrs, struct err *err);
/* The same attributes of many objects, many in a message: types are at most 64. */
int member_get_each(struct member_channel *channel, const CK_OBJECT_HANDLE *objects, CK_ULONG n,
		    const CK_ATTRIBUTE_TYPE *types, CK_ULONG count, member_visitor each, void *data, struct err *err);

#endif
