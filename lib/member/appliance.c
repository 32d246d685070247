/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon: listens, gives each connection a thread, keeps hearts beating. */
#include "member/appliance.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"
#include "crypto/tls.h"
#include "member/frame.h"
#include "member/guest.h"
#include "member/host.h"

enum { CONNECTIONS_MAX = 512, HANDSHAKE_MS = 5000, REPLY_MS = 10000, IDLE_MS = 24 * 3600 * 1000 };

struct server {
	const struct appliance_config *config;
	struct host *host;
	struct tls_context *tls;
	pthread_mutex_t lock;		/* of the list */
	pthread_cond_t changed;
	struct connection *connections;
	unsigned count;
	bool stopping;
};

struct connection {
	struct connection *next;
	struct server *server;
	int fd;				/* until the handshake took it */
	_Atomic(struct tls *) tls;	/* set once, by its own thread */
	pthread_mutex_t write_lock;	/* reply and heartbeat take turns */
	_Atomic int64_t busy_since;	/* ms, 0 = no call runs */
};

static void connection_free(struct connection *connection)
{
	tls_free(connection->tls);
	if (connection->fd >= 0)
		close(connection->fd);
	pthread_mutex_destroy(&connection->write_lock);
	free(connection);
}

/* ---- one connection ---- */

static int refuse(struct connection *c, struct buf *out, const char *reason)
{
	frame_begin(out);
	buf_put_str(out, reason);
	frame_send(c->tls, out, FRAME_REFUSED, clock_now_ms() + HANDSHAKE_MS, NULL);
	log_info("appliance", "%s: %s", tls_peer_name(c->tls), reason);
	return -ERR_PROTOCOL;
}

static int welcome(struct connection *c, struct buf *in, struct buf *out, struct err *err)
{
	struct host *host = c->server->host;
	const char *serial = host_serial(host), *name = c->server->config->name;
	struct buf_reader r;
	const uint8_t *magic;
	uint8_t oldest, newest;
	int rc = frame_receive(c->tls, in, clock_now_ms() + HANDSHAKE_MS, err);

	if (rc < 0)
		return rc;
	r = buf_reader(in->data, in->len);
	magic = buf_get(&r, 6);
	oldest = buf_get_u8(&r);
	newest = buf_get_u8(&r);
	if (rc != FRAME_HELLO || !buf_read_done(&r) || memcmp(magic, "hsmctl", 6) != 0)
		return refuse(c, out, "not a client of this protocol");
	if (oldest > FRAME_VERSION || newest < FRAME_VERSION)
		return refuse(c, out, "no common version of the protocol");
	frame_begin(out);
	buf_put_u8(out, FRAME_VERSION);
	buf_put_u64(out, host_epoch(host));
	buf_put_bytes(out, serial, strlen(serial));
	buf_put_bytes(out, name, strlen(name));
	return frame_send(c->tls, out, FRAME_WELCOME, clock_now_ms() + HANDSHAKE_MS, err);
}

static int reply(struct connection *c, struct p11_batch *batch, struct buf *out, struct err *err)
{
	int rc;

	frame_begin(out);
	buf_put_u64(out, host_changes(c->server->host));
	p11_encode_reply(out, batch->calls, batch->count);
	pthread_mutex_lock(&c->write_lock);
	atomic_store(&c->busy_since, 0);
	rc = frame_send(c->tls, out, FRAME_REPLY, clock_now_ms() + REPLY_MS, err);
	pthread_mutex_unlock(&c->write_lock);
	return rc;
}

static int serve_call(struct connection *c, struct guest *guest, struct buf *in, struct buf *out, struct err *err)
{
	owned(p11_batch) struct p11_batch batch = {0};
	struct buf_reader r = buf_reader(in->data, in->len);
	int rc;

	atomic_store(&c->busy_since, clock_now_ms());
	rc = p11_decode_request(&r, &batch, err);
	if (rc < 0) {
		pthread_mutex_lock(&c->write_lock);
		atomic_store(&c->busy_since, 0);
		rc = refuse(c, out, err->message);
		pthread_mutex_unlock(&c->write_lock);
		return rc;
	}
	guest_execute(guest, batch.calls, batch.count);
	return reply(c, &batch, out, err);
}

static int converse(struct connection *c, struct err *err)
{
	owned(buf) struct buf in = {.max = FRAME_MAX, .wipe = true};
	owned(buf) struct buf out = {.max = FRAME_MAX + FRAME_HEAD, .wipe = true};
	owned(guest) struct guest *guest = NULL;
	unsigned roles = 1u << CERT_ROLE_ADMIN | 1u << CERT_ROLE_APPLICATION;
	struct tls *tls = NULL;
	int fd = c->fd, rc;

	c->fd = -1;
	rc = tls_handshake(c->server->tls, fd, roles, NULL, clock_now_ms() + HANDSHAKE_MS, &tls, err);
	c->tls = tls;
	if (rc == 0)
		rc = guest_new(c->server->host, &guest, err);
	if (rc == 0)
		rc = welcome(c, &in, &out, err);
	while (rc == 0) {
		rc = frame_receive(c->tls, &in, clock_now_ms() + IDLE_MS, err);
		if (rc == FRAME_CALL)
			rc = serve_call(c, guest, &in, &out, err);
		else if (rc >= 0)
			rc = refuse(c, &out, "an unexpected frame");
	}
	return rc;
}

static void *connection_thread(void *data)
{
	struct connection *c = data;
	struct server *server = c->server;
	struct err err = {0};

	converse(c, &err);
	log_info("appliance", "connection ends: %s", err.message);
	pthread_mutex_lock(&server->lock);
	for (struct connection **at = &server->connections; *at; at = &(*at)->next) {
		if (*at == c) {
			*at = c->next;
			break;
		}
	}
	connection_free(c);
	server->count--;
	pthread_cond_broadcast(&server->changed);
	pthread_mutex_unlock(&server->lock);
	return NULL;
}

/* ---- heartbeats ---- */

static void beat(struct connection *c, struct buf *frame)
{
	int64_t since = atomic_load(&c->busy_since);

	if (!since || clock_now_ms() - since < FRAME_BEAT_MS / 2)
		return;
	if (pthread_mutex_trylock(&c->write_lock) != 0)
		return;
	if (atomic_load(&c->busy_since)) {
		frame_begin(frame);
		if (frame_send(c->tls, frame, FRAME_BEAT, clock_now_ms(), NULL) < 0)
			tls_cut(c->tls);
	}
	pthread_mutex_unlock(&c->write_lock);
}

static void *heart_thread(void *data)
{
	struct server *server = data;
	owned(buf) struct buf frame = {.max = 64};

	pthread_mutex_lock(&server->lock);
	while (!server->stopping) {
		struct timespec until;

		for (struct connection *c = server->connections; c; c = c->next)
			beat(c, &frame);
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += (long)FRAME_BEAT_MS * 1000000;
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		pthread_cond_timedwait(&server->changed, &server->lock, &until);
	}
	pthread_mutex_unlock(&server->lock);
	return NULL;
}

/* ---- listening ---- */

static int start_thread(void *(*run)(void *), void *data)
{
	pthread_attr_t attributes;
	sigset_t all, saved;
	pthread_t thread;
	int rc;

	/* Signals belong to the thread that listens. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &saved);
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, 1 << 20);
	rc = pthread_create(&thread, &attributes, run, data);
	pthread_attr_destroy(&attributes);
	pthread_sigmask(SIG_SETMASK, &saved, NULL);
	return rc;
}

static void accept_one(struct server *server, int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct connection *c;

	if (fd < 0) {
		/* Out of descriptors: the connection still waits, so do not spin. */
		clock_sleep_ms(10);
		return;
	}
	c = mem_new(struct connection);
	if (!c) {
		close(fd);
		return;
	}
	*c = (struct connection){.server = server, .fd = fd};
	pthread_mutex_init(&c->write_lock, NULL);
	pthread_mutex_lock(&server->lock);
	if (server->count < CONNECTIONS_MAX && start_thread(connection_thread, c) == 0) {
		c->next = server->connections;
		server->connections = c;
		server->count++;
		c = NULL;
	}
	pthread_mutex_unlock(&server->lock);
	if (c)
		connection_free(c);
}

static int listen_on(const char *address, int *ret_fd, char *ret_text, size_t size, struct err *err)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	const char *colon = strrchr(address, ':');
	socklen_t len = sizeof(in);
	char host[64], text[INET_ADDRSTRLEN];
	int64_t port;
	int one = 1, fd;

	if (!colon || !str_int(colon + 1, 0, 65535, &port))
		return err_set(err, ERR_INVALID, "'%s' is not ADDRESS:PORT", address);
	snprintf(host, sizeof(host), "%.*s", (int)(colon - address), address);
	in.sin_port = htons((uint16_t)port);
	if (inet_pton(AF_INET, host, &in.sin_addr) != 1)
		return err_set(err, ERR_INVALID, "'%s' is not an IPv4 address", host);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_errno(err, "cannot make a socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&in, sizeof(in)) < 0 || listen(fd, 128) < 0) {
		int taken = errno == EADDRINUSE;

		err_errno(err, "cannot listen on '%s'", address);
		close(fd);
		if (taken)
			err->code = ERR_IN_USE;
		return -(int)err->code;
	}
	getsockname(fd, (struct sockaddr *)&in, &len);
	inet_ntop(AF_INET, &in.sin_addr, text, sizeof(text));
	snprintf(ret_text, size, "%s:%u", text, ntohs(in.sin_port));
	*ret_fd = fd;
	return 0;
}

/* Let calls under way end, for a while, then leave nobody connected. */
static void stop(struct server *server)
{
	int64_t end = clock_now_ms() + 2000;

	pthread_mutex_lock(&server->lock);
	server->stopping = true;
	pthread_cond_broadcast(&server->changed);
	for (struct connection *c = server->connections; c; c = c->next)
		if (c->tls && !atomic_load(&c->busy_since))
			tls_cut(c->tls);
	while (server->count && clock_now_ms() < end) {
		struct timespec until;

		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec += 1;
		pthread_cond_timedwait(&server->changed, &server->lock, &until);
		for (struct connection *c = server->connections; c; c = c->next)
			if (c->tls && !atomic_load(&c->busy_since))
				tls_cut(c->tls);
	}
	pthread_mutex_unlock(&server->lock);
}

static void accept_until_stopped(struct server *server, int listener)
{
	struct pollfd p[2] = {{.fd = listener, .events = POLLIN}, {.fd = cancel_fd(), .events = POLLIN}};

	while (cancel_check(NULL) == 0) {
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return;
		if (p[0].revents)
			accept_one(server, listener);
	}
}

/* A PIN must not reach a core file. */
static void harden(void)
{
	struct rlimit none = {0, 0};

	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0);
}

int appliance_serve(const struct appliance_config *config, struct err *err)
{
	/* Threads may still look at it when serving ends. */
	static struct server server;
	owned(host) struct host *host = NULL;
	owned(tls_context) struct tls_context *tls = NULL;
	char address[64];
	int listener = -1, rc;

	harden();
	cancel_install(0);
	rc = proc_pid_file_take(config->pid_file, "starting", err);
	if (rc == 0)
		rc = host_open(config, &host, err);
	if (rc == 0)
		rc = tls_context_new(config->tls_folder, config->name, true, &tls, err);
	if (rc == 0)
		rc = listen_on(config->address, &listener, address, sizeof(address), err);
	if (rc < 0)
		return rc;
	server = (struct server){.config = config, .host = host, .tls = tls};
	pthread_mutex_init(&server.lock, NULL);
	pthread_cond_init(&server.changed, NULL);
	if (start_thread(heart_thread, &server) != 0)
		return err_set(err, ERR_FAILED, "cannot start a thread");
	rc = proc_pid_file_take(config->pid_file, address, err);
	if (rc < 0)
		return rc;
	log_info("appliance", "'%s' serves token %s on %s", config->name, host_serial(host), address);
	accept_until_stopped(&server, listener);
	close(listener);
	stop(&server);
	if (server.count) {
		/* A call is stuck in the library: its state cannot be taken down. */
		log_error("appliance", "%u connections do not end", server.count);
		_exit(0);
	}
	log_info("appliance", "'%s' ends", config->name);
	return 0;
}
