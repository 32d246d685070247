/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serve - what a host says to its clients, over any stream: the hello, then calls and replies, and beats meanwhile.
 *
 * A service is all conversations of one host. Its heart (a thread) beats for those whose calls are under way, and
 * notices a library that does not come back: as long as it does not, no other call is begun. Streams, their peers and
 * their threads are its owner's.
 */
#ifndef MEMBER_SERVE_H
#define MEMBER_SERVE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct err;
struct host;
struct host_peer;
struct stream;

enum {
	HELLO_MS = 5000,	/* for a client's hello */
	PATIENCE_MS = 30000,	/* a client may be stopped for so long in the middle of a frame */
	SMALL_FRAME = 64 << 10,	/* before login anybody may send so much at once, */
	SMALL_ROOM = 256 << 10,	/* and ask for results of so much; of more, */
	LARGE_MAX = 4,		/* so many calls at a time */
};

struct service {
	struct host *host;		/* NULL when it is ill */
	const struct err *ill;		/* why nobody is served; NULL = all are */
	const char *name;		/* of the device */
	int64_t idle_ms;		/* an idle conversation ends */
	atomic_bool stuck;		/* a call is in the library for longer than it may */
	atomic_uint large;
	pthread_mutex_t lock;		/* of all below */
	pthread_cond_t changed;		/* monotonic */
	struct conversation *first;
	bool stopping;
};

struct conversation {
	struct conversation *next;
	struct service *service;
	struct stream *stream;
	pthread_mutex_t write_lock;	/* reply and heartbeat take turns */
	_Atomic int64_t busy_since;	/* ms, 0 = no call runs */
	_Atomic int64_t busy_until;	/* when the call counts as stuck */
	_Atomic int64_t idle_since;	/* 0 = not idle */
};

/* name is borrowed; idle_ms 0 = 15 minutes. The service must not move, and lives as long as its heart. */
void service_init(struct service *service, struct host *host, const char *name, int64_t idle_ms);
/* A thread of its own (void *service), until service_stop(). */
void *service_heart(void *service);
void service_stop(struct service *service);

void conversation_init(struct conversation *conversation, struct service *service);
void conversation_release(struct conversation *conversation);

/*
 * Talk with peer over stream (borrowed) until one of them ends it: always a negative code, and why. has_place false:
 * tell it that all places are taken. Once in a conversation's life.
 */
int conversation_hold(struct conversation *conversation, struct stream *stream, const struct host_peer *peer,
		      bool has_place, struct err *err);

#endif
