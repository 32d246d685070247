/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker - a vendor's library in a process of its own, for one member of this process; inside the room and for
 * cmd/worker.
 *
 * Whatever the library does (hang, crash, exit, swallow memory) it does there. All channels of the member talk to one
 * worker, each over a socket of its own, and are one guest of it (guest.h). The first channel starts it; one that ended
 * is started anew by the next channel, the first time at once and then after a while, which grows as long as it goes on
 * ending soon. It ends with its member, or with the process that started it, however that ends. A child of fork() gets
 * a worker of its own.
 *
 * It is a program of ours (hsmctl-worker). The arguments of its command are a name for people, the path of the library,
 * and perhaps the serial and the URI of the token; SPAWN_FD is the control socket, over which it is handed the sockets
 * of channels, a byte with each. What is said on those is frame.h; PINs go nowhere else. It keeps the environment,
 * since libraries find their configuration by variables of any name, and those that preload something into the application mean it for
 * the library as well; of a process with the rights of another user (setuid) it keeps none but the member's own.
 */
#ifndef MEMBER_WORKER_H
#define MEMBER_WORKER_H

#include "base/own.h"

struct err;
struct member_config;
struct stream;
struct worker;

/* Starts nothing yet. config's strings are borrowed for the worker's life; its environment is copied. */
int worker_new(const struct member_config *config, struct worker **ret, struct err *err);
/* No channel may be open. The process ends by itself soon after. */
void worker_free(struct worker *worker);
OWN_DEFINE(worker)

/*
 * A new stream to the process, which is started if there is none; *ret_life tells its lives apart. ERR_MISSING without
 * the program, ERR_UNREACHABLE as long as it is not started again. All safe to retry. Thread-safe, as all below.
 */
int worker_connect(struct worker *worker, struct stream **ret, unsigned *ret_life, struct err *err);
/* A stream of that life was greeted: its library is loaded. */
void worker_greeted(struct worker *worker, unsigned life);
/* One was not. A process that has greeted before is killed; one that never did is still loading, for call_ms. */
void worker_silent(struct worker *worker, unsigned life);
/* Kill the process of that life, if it is still there. */
void worker_kill(struct worker *worker, unsigned life);

/* ---- in the worker itself ---- */

struct worker_order {
	const char *name, *library;
	const char *serial, *uri;	/* which of its tokens (library.h) */
};

/* Serve until whoever started us has gone; 0 then. A library that does not come back is left behind after two seconds:
 * the process ends under it. When the token cannot be served, whoever comes first is told why. */
int worker_serve(const struct worker_order *order, int control, struct err *err);

#endif
