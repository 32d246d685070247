/* SPDX-License-Identifier: Apache-2.0 */
/* The worker itself: a host for one client, whose channels come in over the control socket. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/pass.h"
#include "base/proc.h"
#include "member/appliance.h"
#include "member/host.h"
#include "member/serve.h"
#include "member/stream.h"
#include "member/worker.h"

enum { STOP_MS = 2000 };

/* As long as a conversation may stay idle: its other end is a process, which ends. */
static const int64_t FOREVER_MS = 1000LL * 365 * 86400000;

struct hall {
	struct service service;
	pthread_mutex_t lock;
	pthread_cond_t left;
	unsigned guests;	/* conversations */
};

struct guest_of_hall {
	struct hall *hall;
	struct conversation conversation;
	struct stream *stream;
};

/* ---- the end ---- */

/* Whoever made the control socket: who started us. -1 = it has gone, or cannot be named. */
static int open_client(int control)
{
	struct ucred client = {0};
	socklen_t len = sizeof(client);

	if (getsockopt(control, SOL_SOCKET, SO_PEERCRED, &client, &len) < 0 || client.pid <= 0)
		return -1;
	return (int)syscall(SYS_pidfd_open, client.pid, 0);
}

/* Until the client closes the control socket, or ends while a child of its keeps that open; then the library has a
 * while to wind up. */
static void *watch(void *data)
{
	int control = *(int *)data;
	struct pollfd p[] = {{.fd = control, .events = POLLRDHUP}, {.fd = open_client(control), .events = POLLIN}};

	while (poll(p, 2, -1) < 0 && errno == EINTR)
		;
	shutdown(control, SHUT_RDWR);
	clock_sleep_ms(STOP_MS);
	_exit(1);
}

/* ---- conversations ---- */

static void leave(struct guest_of_hall *g)
{
	struct hall *hall = g->hall;

	stream_free(g->stream);
	conversation_release(&g->conversation);
	free(g);
	pthread_mutex_lock(&hall->lock);
	hall->guests--;
	pthread_cond_signal(&hall->left);
	pthread_mutex_unlock(&hall->lock);
}

static void *converse(void *data)
{
	/* The client is the one who runs this process: as far as anybody can hold it back from the token, the token
	 * itself does. */
	static const struct host_peer client = {.name = "the client", .fingerprint = "", .role = CERT_ROLE_ADMIN};
	struct guest_of_hall *g = data;
	struct err err = {0};

	conversation_hold(&g->conversation, g->stream, &client, true, &err);
	log_debug("worker", "a channel ends: %s", err.message);
	leave(g);
	return NULL;
}

/* fd is taken over; one that there is no room for is closed, which its client sees. */
static void welcome(struct hall *hall, int fd)
{
	struct guest_of_hall *g = mem_new(struct guest_of_hall);
	pthread_t thread;

	if (!g) {
		close(fd);
		return;
	}
	g->hall = hall;
	conversation_init(&g->conversation, &hall->service);
	pthread_mutex_lock(&hall->lock);
	hall->guests++;
	pthread_mutex_unlock(&hall->lock);
	if (stream_over_socket(fd, &g->stream, NULL) < 0 || pthread_create(&thread, NULL, converse, g) != 0)
		leave(g);
	else
		pthread_detach(thread);
}

static void await_all(struct hall *hall)
{
	pthread_mutex_lock(&hall->lock);
	while (hall->guests)
		pthread_cond_wait(&hall->left, &hall->lock);
	pthread_mutex_unlock(&hall->lock);
}

static int serve(struct hall *hall, int control, struct err *err)
{
	pthread_t heart;
	int fd;

	if (pthread_create(&heart, NULL, service_heart, &hall->service) != 0)
		return err_set(err, ERR_FAILED, "cannot start a thread");
	while (pass_receive(control, &fd))
		if (fd >= 0)
			welcome(hall, fd);
	await_all(hall);
	service_stop(&hall->service);
	pthread_join(heart, NULL);
	return 0;
}

/* Whoever comes first is told why, and there is no other. */
static void refuse(struct hall *hall, int control, const struct err *why)
{
	int fd;

	hall->service.ill = why;
	if (pass_receive(control, &fd) && fd >= 0)
		welcome(hall, fd);
	await_all(hall);
}

/* ---- the beginning ---- */

/* What the host did with signals is not for the library, and what ends a whole service or a terminal's programs is not
 * for us: the client may have calls to end. */
static void settle_signals(void)
{
	static const int not_for_us[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE};
	sigset_t none;

	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_DFL);
	for (size_t i = 0; i < sizeof(not_for_us) / sizeof(not_for_us[0]); i++)
		signal(not_for_us[i], SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* When memory runs out it is rather this process that ends than the client. Only before proc_guard(). */
static void go_first(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	(void)!write(fd, "500", 3);
	close(fd);
}

int worker_serve(const struct worker_order *order, int control, struct err *err)
{
	const struct appliance_config config = {
		.name = order->name, .library = order->library, .serial = order->serial, .uri = order->uri,
		.shared = true,
	};
	/* Threads look at it until the process ends. */
	static struct hall hall = {.lock = PTHREAD_MUTEX_INITIALIZER, .left = PTHREAD_COND_INITIALIZER};
	static int watched;
	owned(host) struct host *host = NULL;
	pthread_t watcher;
	int rc;

	settle_signals();
	go_first();
	proc_guard();
	watched = control;
	fcntl(control, F_SETFD, FD_CLOEXEC);
	if (pthread_create(&watcher, NULL, watch, &watched) != 0)
		return err_set(err, ERR_FAILED, "cannot start a thread");
	rc = host_open(&config, &host, err);
	service_init(&hall.service, host, order->name, FOREVER_MS);
	if (rc < 0) {
		refuse(&hall, control, err);
		return rc;
	}
	log_info("worker", "'%s': serves token %s of '%s'", order->name, host_serial(host), order->library);
	return serve(&hall, control, err);
}
