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
#include "crypto/cert.h"
#include "member/serve.h"

struct appliance_config;
struct err;
struct stream;
struct tls_context;

enum {
	NEWCOMERS_MAX = 256,	/* connections that have not shown a certificate yet */
	SILENT_MS = 2000,	/* for a newcomer's hello, all of it */
	HANDSHAKE_MS = 5000,	/* for its handshake, from the hello to the end */
	FRESH_MS = 1000,	/* a newcomer that said hello keeps its place for so long */
	PLACE_MS = 1000,	/* for a guest's place when all are taken */
};

/*
 * Descriptors are the library's first: SoftHSM, which opens a file or two in each call, loses objects, and in the end
 * its token, when there are none. They are given out lowest first, so that a connection with one of the last ones would
 * be in the library's way. It is closed at once, and what is left is the library's, however many connections come.
 */
enum {
	LIBRARY_FILES = 256,	/* the last ones; a quarter of all when that is less */
	NEWCOMER_FILES = 128,	/* the least that guests leave to newcomers, which have two each */
};

struct server {
	const struct appliance_config *config;
	struct tls_context *tls;
	struct service service;
	pthread_mutex_t lock;		/* of all below */
	pthread_cond_t changed;		/* monotonic */
	struct connection *connections;	/* newest first */
	unsigned count, newcomers, guests;
	unsigned guests_max;
	int files;			/* descriptors for connections are below */
	int64_t short_ms;		/* when one was last refused for it, 0 = never */
	bool stopping;
};

struct connection {
	struct connection *next;
	struct server *server;
	enum { NEWCOMER, GUEST, SURPLUS } place;	/* surplus: on its way out */
	int fd;				/* a newcomer's socket, its own beside that of tls */
	int64_t came_ms;
	bool said_hello;		/* a newcomer whose first message is there */
	_Atomic(struct stream *) stream;	/* set once, by its own thread */
	struct conversation conversation;
};

/* ---- places.c ---- */
void connection_free(struct connection *connection);
OWN_DEFINE(connection)
/* Once the limit of descriptors is what it will be. */
void places_count(struct server *server);
/* With the lock held: is there a place for one more newcomer? One that has not said hello,
 * or takes its time, gives way. */
bool places_make(struct server *server);
/* With the lock held: may a connection have this descriptor? False: it was closed, and a newcomer gives way. */
bool places_allow(struct server *server, int fd);
/* It showed its certificate. False: all places are taken, the last ones by administrators only, or it had to give way. */
bool place_take(struct connection *connection, enum cert_role role);
/* It said hello, and gets a second descriptor for its handshake, which the listener can end by the first.
 * ERR_UNREACHABLE when it had to give way, or there is none. */
int place_greet(struct connection *connection, int *ret_fd, struct err *err);
/* It ends: out of the list, and freed. */
void place_leave(struct connection *connection);

/* ---- connection.c ---- */
/* Is the first record of TLS there, which has a client's hello? It is only looked at. 1 when it is; 0: poll() will tell
 * when it may be; negative for what speaks no TLS. */
int connection_has_hello(int fd, struct err *err);
/* Serves a connection (void *) until it ends, and frees it. */
void *connection_thread(void *connection);

#endif
