/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server - what the files of the appliance share: the list of connections, their
 * places, and whether the library is stuck. Nobody else includes it.
 */
#ifndef MEMBER_SERVER_H
#define MEMBER_SERVER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/own.h"

struct appliance_config;
struct host;
struct tls;
struct tls_context;

enum {
	NEWCOMERS_MAX = 64,	/* connections that have not shown a certificate yet */
	SILENT_MS = 2000,	/* for a newcomer's first byte */
	HANDSHAKE_MS = 5000,	/* for its handshake, and then for its hello */
	FRESH_MS = 1000,	/* a newcomer that speaks keeps its place for so long */
	PLACE_MS = 1000,	/* for a guest's place when all are taken */
	PATIENCE_MS = 30000,	/* a client may be stopped for so long in the middle of a frame */
	SMALL_FRAME = 64 << 10,	/* before login anybody may send so much at once; of more, */
	LARGE_MAX = 4,		/* so many frames at a time */
};

struct server {
	const struct appliance_config *config;
	struct host *host;
	struct tls_context *tls;
	pthread_mutex_t lock;		/* of all below */
	pthread_cond_t changed;		/* monotonic */
	struct connection *connections;	/* newest first */
	unsigned count, newcomers, guests, large;
	bool stopping;
	atomic_bool stuck;		/* a call is in the library for longer than it may */
};

struct connection {
	struct connection *next;
	struct server *server;
	enum { NEWCOMER, GUEST, SURPLUS } place;	/* surplus: on its way out */
	int fd;				/* a newcomer's socket, its own beside that of tls */
	int64_t came_ms;
	bool spoke;			/* a newcomer that has sent something */
	_Atomic(struct tls *) tls;	/* set once, by its own thread */
	pthread_mutex_t write_lock;	/* reply and heartbeat take turns */
	_Atomic int64_t busy_since;	/* ms, 0 = no call runs */
	_Atomic int64_t busy_until;	/* when the call counts as stuck */
	_Atomic int64_t idle_since;
};

/* ---- places.c ---- */
void connection_free(struct connection *connection);
OWN_DEFINE(connection)
/* With the lock held: is there a place for one more newcomer? One that says nothing,
 * or takes its time, gives way. */
bool places_make(struct server *server);
/* It showed its certificate. False: all places are taken, or it had to give way. */
bool place_take(struct connection *connection);
/* It spoke. False when it had to give way before. */
bool place_spoke(struct connection *connection);
/* It ends: out of the list, and freed. */
void place_leave(struct connection *connection);
/* One of the few places of large frames of those who have not logged in. */
bool place_take_large(struct server *server);
void place_leave_large(struct server *server);

/* ---- connection.c ---- */
/* Serves a connection (void *) until it ends, and frees it. */
void *connection_thread(void *connection);
/* Is its call in the library for longer than it may be? */
bool connection_is_overdue(struct connection *connection, int64_t now_ms);
/* Tell the peer that its call is under way, if it is and is not overdue. */
void connection_beat(struct connection *connection, int64_t now_ms);

#endif
