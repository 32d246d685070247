/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server - what the files of the appliance share: the list of connections and their
 * places. Nobody else includes it. A guest here is a connection that has shown its certificate.
 */
#ifndef MEMBER_SERVER_H
#define MEMBER_SERVER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/own.h"
#include "member/serve.h"

struct appliance_config;
struct stream;
struct tls_context;

enum {
	NEWCOMERS_MAX = 64,	/* connections that have not shown a certificate yet */
	SILENT_MS = 2000,	/* for a newcomer's first byte */
	HANDSHAKE_MS = 5000,	/* for its handshake */
	FRESH_MS = 1000,	/* a newcomer that speaks keeps its place for so long */
	PLACE_MS = 1000,	/* for a guest's place when all are taken */
};

struct server {
	const struct appliance_config *config;
	struct tls_context *tls;
	struct service service;
	pthread_mutex_t lock;		/* of all below */
	pthread_cond_t changed;		/* monotonic */
	struct connection *connections;	/* newest first */
	unsigned count, newcomers, guests;
	bool stopping;
};

struct connection {
	struct connection *next;
	struct server *server;
	enum { NEWCOMER, GUEST, SURPLUS } place;	/* surplus: on its way out */
	int fd;				/* a newcomer's socket, its own beside that of tls */
	int64_t came_ms;
	bool spoke;			/* a newcomer that has sent something */
	_Atomic(struct stream *) stream;	/* set once, by its own thread */
	struct conversation conversation;
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

/* ---- connection.c ---- */
/* Serves a connection (void *) until it ends, and frees it. */
void *connection_thread(void *connection);

#endif
