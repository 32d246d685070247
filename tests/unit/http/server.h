/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server - a web server on loopback that does what a test's script says.
 *
 * Each request takes the next step; the last step serves all that come after it. The
 * server keeps the text of every request. With a TLS context it speaks https.
 */
#ifndef TESTS_HTTP_SERVER_H
#define TESTS_HTTP_SERVER_H

#include "../base/temp.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "http/http.h"

/* What becomes of the connection after the answer. */
enum step_end { STEP_KEEP, STEP_CLOSE, STEP_RESET, STEP_HOLD };

struct step {
	const char *answer;	/* NULL = nothing; "echo" = 200 with the path as body */
	size_t len;		/* of answer, 0 = up to its terminator */
	size_t fill;		/* this many 'x' behind it */
	enum step_end end;
	bool unread;		/* before the request is read */
	bool slowly;		/* every byte in a packet of its own */
	bool vanish;		/* before the answer the server stops to listen */
	int raise;		/* a signal for the process, after all that */
	bool none;		/* behind the last step */
};

#define STEPS(...) ((const struct step[]){__VA_ARGS__, {.none = true}})
#define OK_ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

enum { SERVER_CONNECTIONS = 64, SERVER_REQUEST = 2 << 20 };

struct server_connection {
	struct server *server;
	int fd;
	SSL *ssl;
	pthread_t thread;
};

struct server {
	int listener;
	unsigned port;
	SSL_CTX *tls;
	pthread_t thread;
	const struct step *steps;

	pthread_mutex_t lock;
	size_t next, n_requests, n_connections;
	struct server_connection connections[SERVER_CONNECTIONS];
	struct buf seen;		/* the requests, one behind the other */
};

/* The next step of the script; the request that takes it is counted when it was read. */
static inline const struct step *server_step(struct server *s)
{
	const struct step *step;

	pthread_mutex_lock(&s->lock);
	step = &s->steps[s->next];
	if (!step[1].none)
		s->next++;
	pthread_mutex_unlock(&s->lock);
	return step;
}

static inline bool server_unread_next(struct server *s)
{
	bool unread;

	pthread_mutex_lock(&s->lock);
	unread = s->steps[s->next].unread;
	pthread_mutex_unlock(&s->lock);
	return unread;
}

static inline ssize_t server_read(struct server_connection *c, char *data, size_t len)
{
	return c->ssl ? SSL_read(c->ssl, data, (int)len) : recv(c->fd, data, len, 0);
}

static inline bool server_write(struct server_connection *c, const char *data, size_t len)
{
	while (len) {
		ssize_t n = c->ssl ? SSL_write(c->ssl, data, (int)len) : send(c->fd, data, len, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		data += n;
		len -= (size_t)n;
	}
	return true;
}

/* Bytes of a whole request at the start of text, 0 when there is more to come. */
static inline size_t server_whole(const char *text, size_t len)
{
	const char *end = memmem(text, len, "\r\n\r\n", 4), *length;
	size_t whole;

	if (!end)
		return 0;
	whole = (size_t)(end - text) + 4;
	length = memmem(text, whole, "Content-Length: ", 16);
	whole += length ? strtoul(length + 16, NULL, 10) : 0;
	return whole <= len ? whole : 0;
}

static inline bool server_request(struct server_connection *c, char *text, size_t size, size_t *ret_len)
{
	struct server *s = c->server;

	for (size_t len = 0; len + 1 < size;) {
		ssize_t n = server_read(c, text + len, size - 1 - len);

		if (n <= 0)
			return false;
		len += (size_t)n;
		text[len] = 0;
		*ret_len = server_whole(text, len);
		if (!*ret_len)
			continue;
		pthread_mutex_lock(&s->lock);
		s->n_requests++;
		buf_put(&s->seen, text, len);
		pthread_mutex_unlock(&s->lock);
		return true;
	}
	return false;
}

static inline bool server_echo(struct server_connection *c, const char *request)
{
	const char *path = strchr(request, ' ');
	size_t len = path ? strcspn(++path, " ") : 0;
	char head[80];

	snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", len);
	return server_write(c, head, strlen(head)) && server_write(c, path, len);
}

static inline bool server_fill(struct server_connection *c, size_t len)
{
	char block[4096];

	memset(block, 'x', sizeof(block));
	for (size_t n; len; len -= n) {
		n = len < sizeof(block) ? len : sizeof(block);
		if (!server_write(c, block, n))
			return false;
	}
	return true;
}

static inline bool server_answer(struct server_connection *c, const struct step *step, const char *request)
{
	bool ok = true;

	if (step->answer && strcmp(step->answer, "echo") == 0)
		return server_echo(c, request);
	if (step->answer && step->slowly)
		for (const char *p = step->answer; *p && ok; p++)
			ok = server_write(c, p, 1);
	else if (step->answer)
		ok = server_write(c, step->answer, step->len ? step->len : strlen(step->answer));
	return ok && server_fill(c, step->fill);
}

/* Until the other end is gone, or the server stops. */
static inline void server_hold(struct server_connection *c)
{
	char block[4096];

	while (server_read(c, block, sizeof(block)) > 0)
		;
}

static inline void server_end(struct server_connection *c, enum step_end end)
{
	struct linger now = {.l_onoff = 1};

	if (end == STEP_HOLD)
		server_hold(c);
	if (end == STEP_RESET)
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	SSL_free(c->ssl);
	/* Closed under the lock: server_stop() uses the descriptors. */
	pthread_mutex_lock(&c->server->lock);
	close(c->fd);
	c->fd = -1;
	pthread_mutex_unlock(&c->server->lock);
}

static inline enum step_end server_talk(struct server_connection *c)
{
	char text[SERVER_REQUEST];
	enum step_end end = STEP_KEEP;
	size_t len;

	while (end == STEP_KEEP) {
		const struct step *step;

		if (server_unread_next(c->server))
			return server_step(c->server)->end;
		if (!server_request(c, text, sizeof(text), &len))
			return STEP_CLOSE;
		step = server_step(c->server);
		if (step->vanish)
			shutdown(c->server->listener, SHUT_RDWR);
		end = server_answer(c, step, text) ? step->end : STEP_CLOSE;
		if (step->raise)
			kill(getpid(), step->raise);
	}
	return end;
}

static inline void *server_serve(void *argument)
{
	struct server_connection *c = argument;
	int one = 1;

	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (c->server->tls) {
		c->ssl = SSL_new(c->server->tls);
		SSL_set_fd(c->ssl, c->fd);
	}
	server_end(c, c->ssl && SSL_accept(c->ssl) != 1 ? STEP_CLOSE : server_talk(c));
	return NULL;
}

static inline void *server_accept(void *argument)
{
	struct server *s = argument;

	for (;;) {
		int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
		struct server_connection *c;

		if (fd < 0 || s->n_connections == SERVER_CONNECTIONS)
			return NULL;
		pthread_mutex_lock(&s->lock);
		c = &s->connections[s->n_connections];
		*c = (struct server_connection){.server = s, .fd = fd};
		pthread_create(&c->thread, NULL, server_serve, c);
		s->n_connections++;
		pthread_mutex_unlock(&s->lock);
	}
}

/* Its threads take no signals. steps are borrowed. */
static inline void server_start(struct server *s, const struct step *steps, SSL_CTX *tls)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	sigset_t all, before;

	*s = (struct server){.steps = steps, .tls = tls};
	buf_init(&s->seen, 8 << 20);
	pthread_mutex_init(&s->lock, NULL);
	s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(s->listener, (struct sockaddr *)&address, len), 0);
	assert_int_equal(listen(s->listener, 64), 0);
	assert_int_equal(getsockname(s->listener, (struct sockaddr *)&address, &len), 0);
	s->port = ntohs(address.sin_port);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	assert_int_equal(pthread_create(&s->thread, NULL, server_accept, s), 0);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static inline void server_stop(struct server *s)
{
	shutdown(s->listener, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	close(s->listener);
	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < s->n_connections; i++)
		if (s->connections[i].fd >= 0)
			shutdown(s->connections[i].fd, SHUT_RDWR);
	pthread_mutex_unlock(&s->lock);
	for (size_t i = 0; i < s->n_connections; i++)
		pthread_join(s->connections[i].thread, NULL);
	pthread_mutex_destroy(&s->lock);
}

/* After server_stop(); what was seen goes with it. */
static inline void server_release(struct server *s)
{
	buf_release(&s->seen);
}

/* "SCHEME://127.0.0.1:PORT/PATH"; good until the fourth call after, in one thread. */
static inline const char *server_url(const struct server *s, const char *path)
{
	static _Thread_local char urls[4][8192];
	static _Thread_local unsigned next;
	char *url = urls[next++ % 4];

	snprintf(url, sizeof(urls[0]), "%s://127.0.0.1:%u%s", s->tls ? "https" : "http", s->port, path);
	return url;
}

/* A client that may talk to it, and hardly pauses. */
static inline struct http *server_client(const char *ca_file)
{
	const struct http_settings settings = {
		.user_agent = "test/1", .ca_file = ca_file, .allow_loopback = true, .pause_scale = 0.001,
	};
	struct http *http = NULL;
	struct err err;

	if (http_new(&settings, &http, &err) < 0)
		fail_msg("%s", err.message);
	return http;
}

#endif
