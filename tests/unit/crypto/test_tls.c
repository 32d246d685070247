/* SPDX-License-Identifier: Apache-2.0 */
#include "../base/temp.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "crypto/tls.h"

enum {
	LONG_MS = 30000,
	BULK = 16 << 20,
	ADMINS = 1 << CERT_ROLE_ADMIN,
	APPLICATIONS = 1 << CERT_ROLE_APPLICATION,
	APPLIANCES = 1 << CERT_ROLE_APPLIANCE,
};

static int64_t far(void)
{
	return clock_now_ms() + LONG_MS;
}

static int64_t soon(void)
{
	return clock_now_ms() + 30;
}

/* Folders of two fleets that know nothing of each other, and their contexts. */
static char *fleet, *stranger;
static struct tls_context *server, *admin, *application, *strange_server, *strange_admin;
static char server_pin[SHA256_TEXT], admin_pin[SHA256_TEXT];

static struct tls_context *identity(const char *folder, const char *name, enum cert_role role)
{
	struct tls_context *context = NULL;

	assert_int_equal(cert_issue(folder, name, role, NULL), 0);
	assert_int_equal(tls_context_new(folder, name, role == CERT_ROLE_APPLIANCE, &context, NULL), 0);
	return context;
}

static void pin_of(const char *name, char ret[static SHA256_TEXT])
{
	owned(mem) char *path = mem_printf("%s/%s.pem", fleet, name);

	assert_int_equal(cert_fingerprint(path, ret, NULL), 0);
}

static int make_fleets(void **state)
{
	if (temp_setup(state) < 0)
		return -1;
	fleet = file_join(*state, "fleet");
	stranger = file_join(*state, "stranger");
	file_mkdirs(fleet, 0700, NULL);
	file_mkdirs(stranger, 0700, NULL);
	/* The same name on purpose: only the key tells the two CAs apart. */
	cert_authority_make(fleet, "fleet", NULL);
	cert_authority_make(stranger, "fleet", NULL);
	server = identity(fleet, "hsm-1", CERT_ROLE_APPLIANCE);
	admin = identity(fleet, "admin", CERT_ROLE_ADMIN);
	application = identity(fleet, "shop", CERT_ROLE_APPLICATION);
	strange_server = identity(stranger, "hsm-1", CERT_ROLE_APPLIANCE);
	strange_admin = identity(stranger, "admin", CERT_ROLE_ADMIN);
	pin_of("hsm-1", server_pin);
	pin_of("admin", admin_pin);
	return 0;
}

static int free_fleets(void **state)
{
	struct tls_context *all[] = {server, admin, application, strange_server, strange_admin};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		tls_context_free(all[i]);
	free(fleet);
	free(stranger);
	return temp_teardown(state);
}

/* Two connected TCP sockets on loopback. */
static void tcp_pair(int fds[2])
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(listener, (struct sockaddr *)&address, len), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
	fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fds[0], (struct sockaddr *)&address, len), 0);
	fds[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(fds[1] >= 0);
	close(listener);
}

static void unix_pair(int fds[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
}

struct end {
	struct tls_context *context;
	unsigned roles;
	const char *pin;
	int fd, rc;
	struct tls *tls;
	struct err err;
	pthread_t thread;
};

static void *shake(void *argument)
{
	struct end *e = argument;

	e->rc = tls_handshake(e->context, e->fd, e->roles, e->pin, far(), &e->tls, &e->err);
	return NULL;
}

/* Both ends at once: a is the client, b the server. */
static void meet(struct end *a, struct end *b, void (*connect_pair)(int fds[2]))
{
	int fds[2];

	connect_pair(fds);
	a->fd = fds[0];
	b->fd = fds[1];
	assert_int_equal(pthread_create(&b->thread, NULL, shake, b), 0);
	shake(a);
	pthread_join(b->thread, NULL);
}

static void meet_well(struct end *a, struct end *b)
{
	*a = (struct end){.context = admin, .roles = APPLIANCES};
	*b = (struct end){.context = server, .roles = ADMINS};
	meet(a, b, tcp_pair);
	assert_int_equal(a->rc, 0);
	assert_int_equal(b->rc, 0);
}

static void part(struct end *a, struct end *b)
{
	tls_free(a->tls);
	tls_free(b->tls);
}

static void both_ends_know_each_other(void **state)
{
	void (*const pairs[])(int fds[2]) = {tcp_pair, unix_pair};
	char text[6];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct end a = {.context = admin, .roles = APPLIANCES, .pin = server_pin};
		struct end b = {.context = server, .roles = ADMINS | APPLICATIONS, .pin = admin_pin};

		meet(&a, &b, pairs[i]);
		assert_int_equal(a.rc, 0);
		assert_int_equal(b.rc, 0);
		assert_int_equal(tls_peer_role(a.tls), CERT_ROLE_APPLIANCE);
		assert_int_equal(tls_peer_role(b.tls), CERT_ROLE_ADMIN);
		assert_string_equal(tls_peer_name(a.tls), "hsm-1");
		assert_string_equal(tls_peer_name(b.tls), "admin");
		assert_string_equal(tls_peer_fingerprint(a.tls), server_pin);
		assert_string_equal(tls_peer_fingerprint(b.tls), admin_pin);
		assert_int_equal(tls_write(a.tls, "hello", 6, far(), NULL), 0);
		assert_int_equal(tls_read(b.tls, text, 6, far(), NULL), 0);
		assert_string_equal(text, "hello");
		assert_int_equal(tls_write(b.tls, "world", 6, far(), NULL), 0);
		assert_int_equal(tls_read(a.tls, text, 6, far(), NULL), 0);
		assert_string_equal(text, "world");
		part(&a, &b);
	}
}

static void tcp_is_tuned(void **state)
{
	struct end a, b;
	int value = 0;
	socklen_t len = sizeof(value);

	(void)state;
	meet_well(&a, &b);
	assert_int_equal(getsockopt(a.fd, IPPROTO_TCP, TCP_NODELAY, &value, &len), 0);
	assert_int_equal(value, 1);
	/* The client wants to know soon; the server waits for a client that was stopped. */
	assert_int_equal(getsockopt(a.fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &value, &len), 0);
	assert_int_equal(value, 2000);
	assert_int_equal(getsockopt(b.fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &value, &len), 0);
	assert_int_equal(value, 60000);
	assert_int_equal(getsockopt(b.fd, SOL_SOCKET, SO_KEEPALIVE, &value, &len), 0);
	assert_int_equal(value, 1);
	part(&a, &b);
}

/* Who refuses, and that both ends are told. */
static void wrong_peers_are_refused(void **state)
{
	char no_pin[SHA256_TEXT];
	const struct {
		struct tls_context *client, *server;
		unsigned client_wants, server_wants;
		const char *client_pin, *server_pin;
		const char *client_says, *server_says;
	} cases[] = {
		{admin, strange_server, APPLIANCES, ADMINS, NULL, NULL,
		 "the peer is refused", "the peer refuses our certificate"},
		{strange_admin, server, APPLIANCES, ADMINS, NULL, NULL,
		 "the peer", "the peer"},
		{admin, server, ADMINS, ADMINS, NULL, NULL,
		 "role is not allowed", "the peer refuses our certificate"},
		{application, server, APPLIANCES, ADMINS, NULL, NULL,
		 "the peer refuses our certificate", "role is not allowed"},
		{admin, server, APPLIANCES, ADMINS, no_pin, NULL,
		 "not the pinned one", "the peer refuses our certificate"},
		{admin, server, APPLIANCES, ADMINS, NULL, server_pin,
		 "the peer refuses our certificate", "not the pinned one"},
		{admin, server, APPLIANCES, ADMINS, "", NULL,
		 "not the pinned one", "the peer refuses our certificate"},
		{admin, server, 0, ADMINS, NULL, NULL,
		 "role is not allowed", "the peer refuses our certificate"},
	};

	(void)state;
	memcpy(no_pin, server_pin, sizeof(no_pin));
	no_pin[63] = no_pin[63] == '0' ? '1' : '0';
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct end a = {.context = cases[i].client, .roles = cases[i].client_wants,
				.pin = cases[i].client_pin};
		struct end b = {.context = cases[i].server, .roles = cases[i].server_wants,
				.pin = cases[i].server_pin};

		meet(&a, &b, i % 2 ? tcp_pair : unix_pair);
		assert_int_equal(a.rc, -ERR_DENIED);
		assert_int_equal(b.rc, -ERR_DENIED);
		assert_non_null(strstr(a.err.message, cases[i].client_says));
		assert_non_null(strstr(b.err.message, cases[i].server_says));
		assert_int_equal(a.err.retry, ERR_RETRY_SAFE);
		assert_null(a.tls);
		assert_null(b.tls);
		assert_int_equal(ERR_peek_error(), 0);
	}
}

static void the_pin_may_be_in_capitals(void **state)
{
	struct end a = {.context = admin, .roles = APPLIANCES};
	struct end b = {.context = server, .roles = ADMINS};
	char pin[SHA256_TEXT];

	(void)state;
	for (size_t i = 0; i < sizeof(pin); i++)
		pin[i] = server_pin[i] >= 'a' ? (char)(server_pin[i] - 'a' + 'A') : server_pin[i];
	a.pin = pin;
	meet(&a, &b, tcp_pair);
	assert_int_equal(a.rc, 0);
	part(&a, &b);
}

/* A peer of OpenSSL without our code: no certificate, or TLS 1.2 only. */
static int plain_client(int fd, int version)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	SSL *ssl = SSL_new(context);
	char byte;
	int rc;

	SSL_CTX_set_max_proto_version(context, version);
	SSL_set_max_proto_version(ssl, version);
	SSL_set_fd(ssl, fd);
	rc = SSL_connect(ssl) == 1 && SSL_read(ssl, &byte, 1) == 1;
	SSL_free(ssl);
	SSL_CTX_free(context);
	ERR_clear_error();
	return rc;
}

static void a_peer_without_certificate_is_refused(void **state)
{
	struct end b = {.context = server, .roles = ADMINS};
	int fds[2];

	(void)state;
	unix_pair(fds);
	b.fd = fds[1];
	pthread_create(&b.thread, NULL, shake, &b);
	assert_int_equal(plain_client(fds[0], TLS1_3_VERSION), 0);
	pthread_join(b.thread, NULL);
	assert_int_equal(b.rc, -ERR_DENIED);
	assert_non_null(strstr(b.err.message, "no certificate"));
	close(fds[0]);
}

static void old_tls_is_not_spoken(void **state)
{
	struct end b = {.context = server, .roles = ADMINS};
	int fds[2];

	(void)state;
	unix_pair(fds);
	b.fd = fds[1];
	pthread_create(&b.thread, NULL, shake, &b);
	assert_int_equal(plain_client(fds[0], TLS1_2_VERSION), 0);
	pthread_join(b.thread, NULL);
	assert_int_equal(b.rc, -ERR_UNREACHABLE);
	close(fds[0]);
}

static void garbage_is_no_handshake(void **state)
{
	static const char *const texts[] = {
		"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
		"\x16\x03\x01\xff\xff\x01 and then too little",
		"\x16\x03\x03\x00\x04\x02\x00\x00\x00",
		"\x15\x03\x03\x00\x02\x02\x28",
		"",
	};

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(texts) / sizeof(texts[0]); i++) {
		struct tls *none = NULL;
		const char *text = texts[i / 2];
		int fds[2];

		unix_pair(fds);
		assert_int_equal(write(fds[0], text, strlen(text)), (ssize_t)strlen(text));
		shutdown(fds[0], SHUT_WR);
		assert_int_equal(tls_handshake(i % 2 ? server : admin, fds[1], ADMINS | APPLIANCES, NULL,
					       far(), &none, NULL), -ERR_UNREACHABLE);
		assert_null(none);
		close(fds[0]);
	}
	assert_int_equal(ERR_peek_error(), 0);
}

static void a_silent_peer_is_given_up(void **state)
{
	struct tls *none = NULL;
	struct err err = {0};
	char byte;
	int fds[2];

	(void)state;
	tcp_pair(fds);
	assert_int_equal(tls_handshake(server, fds[1], ADMINS, NULL, soon(), &none, &err), -ERR_UNREACHABLE);
	assert_non_null(strstr(err.message, "in time"));
	/* The descriptor was closed: the other end sees it. */
	assert_int_equal(read(fds[0], &byte, 1), 0);
	close(fds[0]);

	tcp_pair(fds);
	assert_int_equal(tls_handshake(admin, fds[0], ADMINS, NULL, 0, &none, &err), -ERR_UNREACHABLE);
	close(fds[1]);
}

static void deadlines_of_reading_and_writing(void **state)
{
	struct end a, b;
	struct err err = {0};
	owned(mem) char *big = mem_zalloc(BULK);
	char byte;

	(void)state;
	meet_well(&a, &b);
	assert_int_equal(tls_read(a.tls, &byte, 1, soon(), &err), -ERR_TIMEOUT);
	assert_int_equal(err.retry, ERR_RETRY_IDEMPOTENT);
	assert_int_equal(tls_wait(a.tls, soon(), &err), 0);
	assert_int_equal(tls_wait(a.tls, 0, &err), 0);
	assert_int_equal(err.code, ERR_OK);

	/* Nothing was lost by that. */
	assert_int_equal(tls_write(b.tls, "xy", 2, 0, NULL), 0);
	assert_int_equal(tls_wait(a.tls, far(), NULL), 1);
	assert_int_equal(tls_read(a.tls, &byte, 1, far(), NULL), 0);
	assert_int_equal(byte, 'x');
	/* In OpenSSL's buffer, not in the socket; and long past the deadline. */
	assert_int_equal(tls_wait(a.tls, 0, NULL), 1);
	assert_int_equal(tls_read(a.tls, &byte, 1, 0, NULL), 0);
	assert_int_equal(byte, 'y');

	/* Nobody reads: the write ends, and the connection with it. */
	assert_int_equal(tls_write(a.tls, big, BULK, soon(), &err), -ERR_TIMEOUT);
	assert_int_equal(err.retry, ERR_RETRY_SAFE);
	assert_int_equal(tls_write(a.tls, "x", 1, far(), &err), -ERR_UNREACHABLE);
	part(&a, &b);
}

static void half_a_message_breaks_the_connection(void **state)
{
	struct end a, b;
	char text[2];

	(void)state;
	meet_well(&a, &b);
	assert_int_equal(tls_write(b.tls, "x", 1, far(), NULL), 0);
	assert_int_equal(tls_wait(a.tls, far(), NULL), 1);
	assert_int_equal(tls_read(a.tls, text, 2, soon(), NULL), -ERR_TIMEOUT);
	assert_int_equal(tls_write(b.tls, "y", 1, far(), NULL), 0);
	assert_int_equal(tls_read(a.tls, text, 1, far(), NULL), -ERR_UNREACHABLE);
	assert_int_equal(tls_wait(a.tls, far(), NULL), -ERR_UNREACHABLE);
	part(&a, &b);
}

static void some_bytes_are_read_as_they_come(void **state)
{
	struct end a, b;
	char text[6];
	int n;

	(void)state;
	meet_well(&a, &b);
	assert_int_equal(tls_read_some(b.tls, text, 6, clock_now_ms(), NULL), -ERR_TIMEOUT);
	tls_write(a.tls, "hel", 3, far(), NULL);
	n = tls_read_some(b.tls, text, 6, far(), NULL);
	assert_int_equal(n, 3);
	assert_int_equal(tls_read_some(b.tls, text + n, 3, clock_now_ms(), NULL), -ERR_TIMEOUT);
	tls_write(a.tls, "lo", 3, far(), NULL);
	assert_int_equal(tls_read_some(b.tls, text + n, 3, far(), NULL), 3);
	assert_string_equal(text, "hello");
	tls_free(a.tls);
	assert_int_equal(tls_read_some(b.tls, text, 6, far(), NULL), -ERR_UNREACHABLE);
	tls_free(b.tls);
}

static void *cut(void *tls)
{
	tls_cut(tls);
	return NULL;
}

static void a_cut_ends_every_wait(void **state)
{
	(void)state;
	for (int what = 0; what < 3; what++) {
		struct end a, b;
		owned(mem) char *big = mem_zalloc(BULK);
		struct err err = {0};
		pthread_t thread;
		char byte;
		int rc;

		meet_well(&a, &b);
		pthread_create(&thread, NULL, cut, a.tls);
		if (what == 0)
			rc = tls_read(a.tls, &byte, 1, far(), &err);
		else if (what == 1)
			rc = tls_write(a.tls, big, BULK, far(), &err);
		else
			while ((rc = tls_wait(a.tls, far(), &err)) == 1)
				;
		pthread_join(thread, NULL);
		assert_int_equal(rc, -ERR_UNREACHABLE);
		assert_non_null(strstr(err.message, "cut"));
		assert_int_equal(tls_read(a.tls, &byte, 1, far(), NULL), -ERR_UNREACHABLE);
		assert_int_equal(tls_write(a.tls, "x", 1, far(), NULL), -ERR_UNREACHABLE);
		assert_int_equal(tls_wait(a.tls, far(), NULL), -ERR_UNREACHABLE);
		/* The peer gets what was sent before, then the end. */
		while ((rc = tls_read(b.tls, &byte, 1, far(), NULL)) == 0)
			;
		assert_int_equal(rc, -ERR_UNREACHABLE);
		part(&a, &b);
	}
}

static void what_came_before_a_cut_is_not_read(void **state)
{
	struct end a, b;
	char byte;

	(void)state;
	meet_well(&a, &b);
	assert_int_equal(tls_write(b.tls, "xyz", 3, far(), NULL), 0);
	assert_int_equal(tls_read(a.tls, &byte, 1, far(), NULL), 0);
	tls_cut(a.tls);
	assert_int_equal(tls_read(a.tls, &byte, 1, far(), NULL), -ERR_UNREACHABLE);
	part(&a, &b);
}

static void a_closed_peer_is_unreachable(void **state)
{
	struct end a, b;
	struct err err = {0};
	char text[4];

	(void)state;
	meet_well(&a, &b);
	assert_int_equal(tls_write(b.tls, "bye", 4, far(), NULL), 0);
	tls_free(b.tls);
	/* What was sent before is still there, then the end. */
	assert_int_equal(tls_wait(a.tls, far(), NULL), 1);
	assert_int_equal(tls_read(a.tls, text, 4, far(), NULL), 0);
	assert_int_equal(tls_wait(a.tls, far(), NULL), 1);
	assert_int_equal(tls_read(a.tls, text, 1, far(), &err), -ERR_UNREACHABLE);
	assert_non_null(strstr(err.message, "closed the connection"));
	assert_int_equal(tls_read(a.tls, text, 1, far(), &err), -ERR_UNREACHABLE);
	tls_free(a.tls);
}

/* SIGPIPE is deadly by default: a signal would end this child. */
static void writing_to_a_closed_peer_raises_no_signal(void **state)
{
	void (*const pairs[])(int fds[2]) = {tcp_pair, unix_pair};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct end a = {.context = admin, .roles = APPLIANCES};
		struct end b = {.context = server, .roles = ADMINS};
		int status;
		pid_t child;

		meet(&a, &b, pairs[i]);
		assert_int_equal(b.rc, 0);
		tls_free(b.tls);
		child = fork();
		if (child == 0) {
			struct err err = {0};
			int rc;

			signal(SIGPIPE, SIG_DFL);
			while ((rc = tls_write(a.tls, "x", 1, far(), &err)) == 0)
				;
			rc = rc == -ERR_UNREACHABLE && send(a.fd, "x", 1, MSG_NOSIGNAL) < 0 ? 42 : 1;
			_exit(rc);
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 42);
		tls_free(a.tls);
	}
}

static void *send_bulk(void *argument)
{
	struct end *e = argument;
	owned(mem) uint8_t *data = mem_zalloc(BULK);

	for (size_t i = 0; i < BULK; i++)
		data[i] = (uint8_t)(i * 2654435761u >> 13);
	e->rc = tls_write(e->tls, data, BULK, far(), &e->err);
	return NULL;
}

static void sixteen_mebibytes_arrive_whole(void **state)
{
	struct end a, b;
	owned(mem) uint8_t *data = mem_zalloc(BULK);

	(void)state;
	meet_well(&a, &b);
	for (int direction = 0; direction < 2; direction++) {
		struct end *from = direction ? &b : &a, *to = direction ? &a : &b;
		size_t wrong = 0;

		memset(data, 0, BULK);
		pthread_create(&from->thread, NULL, send_bulk, from);
		assert_int_equal(tls_read(to->tls, data, BULK, far(), NULL), 0);
		pthread_join(from->thread, NULL);
		assert_int_equal(from->rc, 0);
		for (size_t i = 0; i < BULK; i++)
			wrong += data[i] != (uint8_t)(i * 2654435761u >> 13);
		assert_int_equal(wrong, 0);
	}
	part(&a, &b);
}

/* A flipped bit on the way is found, and is not handed to anybody. */
static void changed_records_are_refused(void **state)
{
	struct end a, b;
	char record[256], text[4];
	int spare[2];
	ssize_t n;

	(void)state;
	meet_well(&a, &b);
	assert_int_equal(tls_write(b.tls, "abc", 4, far(), NULL), 0);
	assert_int_equal(tls_wait(a.tls, far(), NULL), 1);
	assert_int_equal(tls_read(a.tls, text, 4, far(), NULL), 0);
	assert_int_equal(tls_write(b.tls, "abc", 4, far(), NULL), 0);
	/* Take the record out of a's socket and put a changed one in its place. */
	n = recv(a.fd, record, sizeof(record), 0);
	assert_true(n > 20);
	record[n - 1] ^= 1;
	unix_pair(spare);
	assert_int_equal(write(spare[0], record, (size_t)n), n);
	assert_int_equal(dup2(spare[1], a.fd), a.fd);
	assert_int_equal(tls_read(a.tls, text, 4, far(), NULL), -ERR_UNREACHABLE);
	assert_int_equal(tls_read(a.tls, text, 4, far(), NULL), -ERR_UNREACHABLE);
	close(spare[0]);
	close(spare[1]);
	part(&a, &b);
}

static void old_errors_of_the_host_disturb_nothing(void **state)
{
	struct end a, b;
	const char *data;
	char byte;

	(void)state;
	ERR_clear_error();
	ERR_raise(ERR_LIB_USER, 7);
	ERR_raise_data(ERR_LIB_USER, 8, "what %s", "it was");
	meet_well(&a, &b);
	assert_int_equal(tls_read(a.tls, &byte, 1, soon(), NULL), -ERR_TIMEOUT);
	assert_int_equal(tls_write(b.tls, "x", 1, far(), NULL), 0);
	assert_int_equal(tls_read(a.tls, &byte, 1, far(), NULL), 0);
	tls_free(b.tls);
	assert_int_equal(tls_read(a.tls, &byte, 1, far(), NULL), -ERR_UNREACHABLE);
	tls_free(a.tls);
	assert_int_equal(ERR_GET_REASON(ERR_get_error()), 7);
	assert_int_equal(ERR_GET_REASON(ERR_get_error_all(NULL, NULL, NULL, &data, NULL)), 8);
	assert_string_equal(data, "what it was");
	assert_int_equal(ERR_get_error(), 0);
}

static void connections_outlive_their_context(void **state)
{
	struct tls_context *mine = NULL;
	struct end a = {.roles = APPLIANCES}, b = {.context = server, .roles = ADMINS};
	char byte;

	(void)state;
	assert_int_equal(tls_context_new(fleet, "admin", false, &mine, NULL), 0);
	a.context = mine;
	meet(&a, &b, unix_pair);
	tls_context_free(mine);
	assert_int_equal(tls_write(a.tls, "x", 1, far(), NULL), 0);
	assert_int_equal(tls_read(b.tls, &byte, 1, far(), NULL), 0);
	part(&a, &b);
}

static void a_context_needs_its_files(void **state)
{
	owned(mem) char *folder = file_join(*state, "broken");
	owned(mem) char *key = file_join(folder, "a.key");
	owned(mem) char *other = file_join(folder, "b.key");
	owned(mem) char *cert = file_join(folder, "a.pem");
	struct tls_context *none = NULL;
	struct err err = {0};

	assert_int_equal(tls_context_new(folder, "a", true, &none, &err), -ERR_NOT_FOUND);
	file_mkdirs(folder, 0700, NULL);
	cert_authority_make(folder, "f", NULL);
	assert_int_equal(tls_context_new(folder, "a", true, &none, &err), -ERR_NOT_FOUND);
	cert_issue(folder, "a", CERT_ROLE_ADMIN, NULL);
	cert_issue(folder, "b", CERT_ROLE_ADMIN, NULL);
	assert_int_equal(rename(other, key), 0);
	assert_int_equal(tls_context_new(folder, "a", true, &none, &err), -ERR_INVALID);
	assert_non_null(strstr(err.message, "not the key of"));
	assert_int_equal(file_write(cert, "junk", 4, 0644, NULL), 0);
	assert_int_equal(tls_context_new(folder, "a", true, &none, &err), -ERR_INVALID);
	assert_int_equal(ERR_peek_error(), 0);
}

static int one_context(void)
{
	owned(tls_context) struct tls_context *context = NULL;

	return tls_context_new(fleet, "admin", false, &context, NULL);
}

static void memory_runs_out(void **state)
{
	struct tls *none = NULL;
	int fds[2];
	char byte;

	(void)state;
	assert_survives_no_memory(one_context());
	unix_pair(fds);
	mem_fail_after = 1;
	assert_int_equal(tls_handshake(admin, fds[0], APPLIANCES, NULL, far(), &none, NULL),
			 -ERR_NO_MEMORY);
	mem_fail_after = 0;
	assert_int_equal(read(fds[1], &byte, 1), 0);
	close(fds[1]);
	tls_free(NULL);
	tls_context_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_ends_know_each_other),
		cmocka_unit_test(tcp_is_tuned),
		cmocka_unit_test(wrong_peers_are_refused),
		cmocka_unit_test(the_pin_may_be_in_capitals),
		cmocka_unit_test(a_peer_without_certificate_is_refused),
		cmocka_unit_test(old_tls_is_not_spoken),
		cmocka_unit_test(garbage_is_no_handshake),
		cmocka_unit_test(a_silent_peer_is_given_up),
		cmocka_unit_test(deadlines_of_reading_and_writing),
		cmocka_unit_test(half_a_message_breaks_the_connection),
		cmocka_unit_test(some_bytes_are_read_as_they_come),
		cmocka_unit_test(a_cut_ends_every_wait),
		cmocka_unit_test(what_came_before_a_cut_is_not_read),
		cmocka_unit_test(a_closed_peer_is_unreachable),
		cmocka_unit_test(writing_to_a_closed_peer_raises_no_signal),
		cmocka_unit_test(sixteen_mebibytes_arrive_whole),
		cmocka_unit_test(changed_records_are_refused),
		cmocka_unit_test(old_errors_of_the_host_disturb_nothing),
		cmocka_unit_test(connections_outlive_their_context),
		cmocka_unit_test(memory_runs_out),
		temp_test(a_context_needs_its_files),
	};

	/* plain_client() writes with write(). */
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, make_fleets, free_fleets);
}
