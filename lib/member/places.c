/* SPDX-License-Identifier: Apache-2.0 */
/* Who has a place at the appliance, and who gives way. */
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "member/appliance.h"
#include "member/server.h"
#include "member/stream.h"

enum {
	GUESTS_MAX = 512,
	YIELD_MS = 60000,
	SHORT_MS = 60000,
	ADMINS_PART = 32,	/* of so many places one is an administrator's, however many applications come */
};

void connection_free(struct connection *connection)
{
	if (!connection)
		return;
	stream_free(connection->stream);
	if (connection->fd >= 0)
		close(connection->fd);
	conversation_release(&connection->conversation);
	free(connection);
}

/* ---- how many there are ---- */

void places_count(struct server *server)
{
	struct rlimit limit = {.rlim_cur = 1024};
	unsigned wish = server->config->guests ? server->config->guests : GUESTS_MAX;
	int all, library;

	getrlimit(RLIMIT_NOFILE, &limit);
	all = limit.rlim_cur < 1 << 20 ? (int)limit.rlim_cur : 1 << 20;
	library = all / 4 < LIBRARY_FILES ? all / 4 : LIBRARY_FILES;
	server->files = all - library;
	server->guests_max = server->files > 2 * NEWCOMER_FILES ? (unsigned)(server->files - NEWCOMER_FILES)
								: (unsigned)server->files / 2;
	if (server->guests_max < wish)
		log_error("appliance", "of %d descriptors %d are the library's: there are places for %u guests, not %u",
			  all, library, server->guests_max, wish);
	else
		server->guests_max = wish;
}

/* ---- newcomers ---- */

static void dismiss_newcomer(struct connection *c)
{
	c->place = SURPLUS;
	c->server->newcomers--;
	shutdown(c->fd, SHUT_RDWR);
}

/* The oldest that has not said hello, else the oldest that is no longer fresh. */
static struct connection *slowest_newcomer(struct server *server)
{
	int64_t now = clock_now_ms();
	struct connection *silent = NULL, *slow = NULL;

	for (struct connection *c = server->connections; c; c = c->next) {
		if (c->place != NEWCOMER)
			continue;
		if (!c->said_hello)
			silent = c;
		else if (now - c->came_ms > FRESH_MS)
			slow = c;
	}
	return silent ? silent : slow;
}

static bool dismiss_slowest(struct server *server)
{
	struct connection *slowest;

	/* What it said may be there, and its thread not yet have had the time to look. */
	while ((slowest = slowest_newcomer(server)) && !slowest->said_hello &&
	       connection_has_hello(slowest->fd, NULL) > 0)
		slowest->said_hello = true;
	if (slowest)
		dismiss_newcomer(slowest);
	return slowest;
}

bool places_make(struct server *server)
{
	/* Those on their way out take threads, too. */
	if (server->count >= server->guests_max + 2 * NEWCOMERS_MAX)
		return false;
	return server->newcomers < NEWCOMERS_MAX || dismiss_slowest(server);
}

bool places_allow(struct server *server, int fd)
{
	int64_t now = clock_now_ms();

	if (fd < server->files)
		return true;
	close(fd);
	dismiss_slowest(server);
	/* Once for as long as it lasts. */
	if (!server->short_ms || now - server->short_ms > SHORT_MS)
		log_error("appliance", "all descriptors but the library's are in use: connections are refused");
	server->short_ms = now;
	return false;
}

int place_greet(struct connection *connection, int *ret_fd, struct err *err)
{
	struct server *server = connection->server;
	int fd = -1;
	bool stays;

	pthread_mutex_lock(&server->lock);
	connection->said_hello = true;
	stays = connection->place == NEWCOMER;
	if (stays)
		fd = fcntl(connection->fd, F_DUPFD_CLOEXEC, 0);
	if (fd >= 0 && !places_allow(server, fd))
		fd = -1;
	pthread_mutex_unlock(&server->lock);
	if (fd < 0)
		return err_set(err, ERR_UNREACHABLE, stays ? "no descriptor is left for it" : "it gave way to others");
	*ret_fd = fd;
	return 0;
}

/* ---- guests ---- */

/* Whoever pools connections notices and makes a new one when it needs it. */
static void dismiss_idle_guest(struct server *server)
{
	int64_t yield = server->config->yield_ms ? server->config->yield_ms : YIELD_MS;
	int64_t oldest = clock_now_ms() - yield;
	struct connection *idle = NULL;

	for (struct connection *c = server->connections; c; c = c->next) {
		int64_t since = atomic_load(&c->conversation.idle_since);

		if (c->place == GUEST && since && since <= oldest) {
			oldest = since;
			idle = c;
		}
	}
	if (!idle)
		return;
	atomic_store(&idle->conversation.idle_since, 0);
	stream_cut(idle->stream);
}

static bool is_full(const struct server *server, enum cert_role role)
{
	unsigned kept = role == CERT_ROLE_ADMIN ? 0 : server->guests_max / ADMINS_PART;

	return server->guests >= server->guests_max - kept;
}

/* With the lock held. */
static void await_place(struct server *server, enum cert_role role)
{
	int64_t end = clock_now_ms() + PLACE_MS;
	struct timespec until = clock_after_ms(PLACE_MS);

	if (is_full(server, role))
		dismiss_idle_guest(server);
	while (is_full(server, role) && !server->stopping && clock_now_ms() < end)
		pthread_cond_timedwait(&server->changed, &server->lock, &until);
}

bool place_take(struct connection *connection, enum cert_role role)
{
	struct server *server = connection->server;
	bool taken = false;

	pthread_mutex_lock(&server->lock);
	if (connection->place == NEWCOMER) {
		connection->place = SURPLUS;
		server->newcomers--;
		await_place(server, role);
		taken = !is_full(server, role) && !server->stopping;
	}
	close(connection->fd);
	connection->fd = -1;
	if (taken) {
		connection->place = GUEST;
		server->guests++;
	}
	pthread_mutex_unlock(&server->lock);
	return taken;
}

void place_leave(struct connection *connection)
{
	struct server *server = connection->server;

	pthread_mutex_lock(&server->lock);
	for (struct connection **at = &server->connections; *at; at = &(*at)->next) {
		if (*at == connection) {
			*at = connection->next;
			break;
		}
	}
	server->newcomers -= connection->place == NEWCOMER;
	server->guests -= connection->place == GUEST;
	server->count--;
	connection_free(connection);
	pthread_cond_broadcast(&server->changed);
	pthread_mutex_unlock(&server->lock);
}
