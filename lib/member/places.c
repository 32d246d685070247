/* SPDX-License-Identifier: Apache-2.0 */
/* Who has a place at the appliance, and who gives way. */
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "member/appliance.h"
#include "member/server.h"
#include "member/stream.h"

enum { GUESTS_MAX = 512, YIELD_MS = 60000 };

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

/* ---- newcomers ---- */

static void dismiss_newcomer(struct connection *c)
{
	c->place = SURPLUS;
	c->server->newcomers--;
	shutdown(c->fd, SHUT_RDWR);
}

/* The oldest that has said nothing, else the oldest that is no longer fresh. */
static struct connection *slowest_newcomer(struct server *server)
{
	int64_t now = clock_now_ms();
	struct connection *silent = NULL, *slow = NULL;

	for (struct connection *c = server->connections; c; c = c->next) {
		if (c->place != NEWCOMER)
			continue;
		if (!c->spoke)
			silent = c;
		else if (now - c->came_ms > FRESH_MS)
			slow = c;
	}
	return silent ? silent : slow;
}

static unsigned guests_max(const struct server *server)
{
	return server->config->guests ? server->config->guests : GUESTS_MAX;
}

bool places_make(struct server *server)
{
	struct connection *slowest;

	/* Those on their way out take threads, too. */
	if (server->count >= guests_max(server) + 2 * NEWCOMERS_MAX)
		return false;
	if (server->newcomers < NEWCOMERS_MAX)
		return true;
	slowest = slowest_newcomer(server);
	if (slowest)
		dismiss_newcomer(slowest);
	return slowest;
}

bool place_spoke(struct connection *connection)
{
	bool stays;

	pthread_mutex_lock(&connection->server->lock);
	connection->spoke = true;
	stays = connection->place == NEWCOMER;
	pthread_mutex_unlock(&connection->server->lock);
	return stays;
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

static bool is_full(const struct server *server)
{
	return server->guests >= guests_max(server);
}

/* With the lock held. */
static void await_place(struct server *server)
{
	int64_t end = clock_now_ms() + PLACE_MS;
	struct timespec until = clock_after_ms(PLACE_MS);

	if (is_full(server))
		dismiss_idle_guest(server);
	while (is_full(server) && !server->stopping && clock_now_ms() < end)
		pthread_cond_timedwait(&server->changed, &server->lock, &until);
}

bool place_take(struct connection *connection)
{
	struct server *server = connection->server;
	bool taken = false;

	pthread_mutex_lock(&server->lock);
	if (connection->place == NEWCOMER) {
		connection->place = SURPLUS;
		server->newcomers--;
		await_place(server);
		taken = !is_full(server) && !server->stopping;
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
