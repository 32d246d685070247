/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon: listens, and gives each connection a thread. */
#include "member/appliance.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/proc.h"
#include "crypto/tls.h"
#include "member/host.h"
#include "member/port.h"
#include "member/server.h"
#include "member/stream.h"

enum { STOP_MS = 2000, DISMISS_MS = 100 };

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

static struct connection *newcomer(struct server *server, int fd)
{
	struct connection *c = mem_new(struct connection);

	if (!c) {
		close(fd);
		return NULL;
	}
	*c = (struct connection){.server = server, .fd = fd, .came_ms = clock_now_ms()};
	conversation_init(&c->conversation, &server->service);
	return c;
}

/* With the lock held. False: it waits in the listener's queue, so do not spin. */
static bool accept_one(struct server *server, int listener)
{
	owned(connection) struct connection *c = NULL;
	int fd;

	if (!places_make(server))
		return false;
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return errno == ECONNABORTED || errno == EAGAIN;
	if (!places_allow(server, fd))
		return true;
	c = newcomer(server, fd);
	if (!c || start_thread(connection_thread, c) != 0)
		return true;
	c->next = server->connections;
	server->connections = c;
	server->count++;
	server->newcomers++;
	own_take(c);
	return true;
}

/* Who waits for nothing of ours can go at once. */
static void dismiss_idle(struct server *server)
{
	for (struct connection *c = server->connections; c; c = c->next) {
		if (c->fd >= 0)
			shutdown(c->fd, SHUT_RDWR);
		else if (c->stream && !atomic_load(&c->conversation.busy_since))
			stream_cut(c->stream);
	}
}

/* Let calls under way end, for a while, then leave nobody connected. How many do not end. */
static unsigned stop(struct server *server)
{
	int64_t end = clock_now_ms() + STOP_MS;
	unsigned left;

	service_stop(&server->service);
	pthread_mutex_lock(&server->lock);
	server->stopping = true;
	pthread_cond_broadcast(&server->changed);
	dismiss_idle(server);
	while (server->count && clock_now_ms() < end) {
		struct timespec until = clock_after_ms(DISMISS_MS);

		pthread_cond_timedwait(&server->changed, &server->lock, &until);
		dismiss_idle(server);
	}
	left = server->count;
	pthread_mutex_unlock(&server->lock);
	return left;
}

static void accept_until_stopped(struct server *server, int listener)
{
	struct pollfd p[2] = {{.fd = listener, .events = POLLIN}, {.fd = cancel_fd(), .events = POLLIN}};

	while (cancel_check(NULL) == 0) {
		bool again = true;

		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return;
		if (p[0].revents) {
			pthread_mutex_lock(&server->lock);
			again = accept_one(server, listener);
			pthread_mutex_unlock(&server->lock);
		}
		if (!again)
			clock_sleep_ms(10);
	}
}

/* A PIN must not reach a core file, nor anybody else a file of the token. Descriptors
 * are as many as the system grants: one for each guest, two for each newcomer, and
 * the library's own (server.h). */
static void settle(void)
{
	struct rlimit files;

	proc_guard();
	umask(077);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}

static void server_init(struct server *server, const struct appliance_config *config, struct host *host,
			struct tls_context *tls)
{
	pthread_condattr_t monotonic;

	*server = (struct server){.config = config, .tls = tls};
	service_init(&server->service, host, config->name, config->idle_ms);
	places_count(server);
	pthread_mutex_init(&server->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&server->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
}

int appliance_serve(const struct appliance_config *config, struct err *err)
{
	/* Threads may still look at it when serving ends. */
	static struct server server;
	owned(host) struct host *host = NULL;
	owned(tls_context) struct tls_context *tls = NULL;
	char address[PORT_TEXT];
	int listener = -1, rc;
	unsigned left;

	settle();
	rc = proc_pid_file_take(config->pid_file, "starting", err);
	if (rc == 0)
		rc = host_open(config, &host, err);
	if (rc == 0)
		rc = tls_context_new(config->tls_folder, config->name, true, &tls, err);
	if (rc == 0)
		rc = port_bind(config->address, &listener, address, err);
	if (rc == 0)
		rc = port_listen(listener, address, err);
	if (rc < 0)
		return rc;
	server_init(&server, config, host, tls);
	if (start_thread(service_heart, &server.service) != 0)
		return err_set(err, ERR_FAILED, "cannot start a thread");
	rc = proc_pid_file_take(config->pid_file, address, err);
	if (rc < 0)
		return rc;
	log_info("appliance", "'%s' serves token %s on %s", config->name, host_serial(host), address);
	if (config->serves)
		config->serves();
	accept_until_stopped(&server, listener);
	close(listener);
	left = stop(&server);
	if (left) {
		log_error("appliance", "%u connections do not end", left);
		/* A call is stuck in the library: its state cannot be taken down. */
		own_take(host);
		own_take(tls);
	}
	log_info("appliance", "'%s' ends", config->name);
	return 0;
}
