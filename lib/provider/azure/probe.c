/* SPDX-License-Identifier: Apache-2.0 */
/* Connects to ports, and asks questions in processes of their own. */
#include "provider/azure/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"

enum { END_MS = 1000 };

/* Milliseconds to wait in poll(). */
static int left(int64_t until_ms)
{
	int64_t ms = cancel_clamp(until_ms) - clock_now_ms();

	return ms < 0 ? 0 : ms > 60000 ? 60000 : (int)ms;
}

/* ---- ports ---- */

/* A socket that is connecting or connected, -1 when there is no way there. */
static int begin_connect(const struct azure_port *port)
{
	const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
	struct addrinfo *to = NULL;
	char service[8];
	int fd;

	snprintf(service, sizeof(service), "%u", port->port);
	if (getaddrinfo(port->address, service, &hints, &to) != 0)
		return -1;
	fd = socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, to->ai_addr, to->ai_addrlen) < 0 && errno != EINPROGRESS) {
		close(fd);
		fd = -1;
	}
	freeaddrinfo(to);
	return fd;
}

static bool connected(int fd)
{
	int code = -1;
	socklen_t len = sizeof(code);

	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &len) == 0 && code == 0;
}

static bool greets(int fd, const char *greeting)
{
	char said[16];
	size_t len = strlen(greeting);

	len = len < sizeof(said) ? len : sizeof(said);
	return recv(fd, said, len, 0) == (ssize_t)len && memcmp(said, greeting, len) == 0;
}

static void hang_up(struct pollfd *p)
{
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
}

/* One that has something to say: connected first, then its greeting. */
static void hear(struct azure_port *port, struct pollfd *p)
{
	if (p->events == POLLOUT && port->greeting && connected(p->fd)) {
		p->events = POLLIN;
		return;
	}
	port->answers = p->events == POLLIN ? greets(p->fd, port->greeting) : connected(p->fd);
	hang_up(p);
}

/* How many have not said yet. */
static size_t hear_all(struct azure_port *ports, struct pollfd *p, size_t n)
{
	size_t waiting = 0;

	for (size_t i = 0; i < n; i++) {
		if (p[i].fd >= 0 && p[i].revents)
			hear(&ports[i], &p[i]);
		waiting += p[i].fd >= 0;
	}
	return waiting;
}

int azure_ports_probe(struct azure_port *ports, size_t n, int64_t limit_ms, struct err *err)
{
	owned(mem) struct pollfd *p = mem_zalloc((n + 1) * sizeof(*p));
	int64_t until = clock_now_ms() + limit_ms;
	int rc = 0;

	if (!p)
		return err_no_memory(err);
	p[n] = (struct pollfd){.fd = cancel_fd(), .events = POLLIN};
	for (size_t i = 0; i < n; i++) {
		p[i] = (struct pollfd){.fd = begin_connect(&ports[i]), .events = POLLOUT};
		ports[i].answers = false;
	}
	while (rc == 0 && hear_all(ports, p, n) && clock_now_ms() < until) {
		if (poll(p, n + 1, left(until)) < 0 && errno != EINTR)
			break;
		rc = cancel_check(err);
	}
	for (size_t i = 0; i < n; i++)
		hang_up(&p[i]);
	return rc;
}

/* ---- questions ---- */

/* In the new process, which ends with this one. */
static _Noreturn void answer(const struct azure_question *question, int fd)
{
	const struct rlimit none = {0, 0};
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	uint8_t byte;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setpgid(0, 0);
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	setrlimit(RLIMIT_CORE, &none);
	for (int i = 0; i <= 2; i++)
		dup2(null, i);
	byte = (uint8_t)question->ask(question->data);
	_exit(write(fd, &byte, 1) != 1);
}

static void begin(struct azure_question *question)
{
	int fds[2];

	question->answer = STEP_UNKNOWN;
	question->fd = question->pid = -1;
	question->until_ms = clock_now_ms() + question->limit_ms;
	if (!question->ask || pipe2(fds, O_CLOEXEC) < 0)
		return;
	question->pid = fork();
	if (question->pid == 0)
		answer(question, fds[1]);
	close(fds[1]);
	if (question->pid > 0)
		question->fd = fds[0];
	else
		close(fds[0]);
}

void azure_questions_begin(struct azure_question *questions, size_t n)
{
	for (size_t i = 0; i < n; i++)
		begin(&questions[i]);
}

/* One that waits for hardware cannot even be killed; it is not waited for. */
static void end(struct azure_question *question)
{
	int fd = (int)syscall(SYS_pidfd_open, question->pid, 0);
	struct pollfd p = {.fd = fd, .events = POLLIN};

	kill(-question->pid, SIGKILL);
	kill(question->pid, SIGKILL);
	poll(&p, 1, END_MS);
	waitpid(question->pid, NULL, fd < 0 ? 0 : WNOHANG);
	if (fd >= 0)
		close(fd);
	close(question->fd);
	question->fd = question->pid = -1;
}

static int await(struct azure_question *question, struct err *err)
{
	struct pollfd p[2] = {{.fd = question->fd, .events = POLLIN}, {.fd = cancel_fd(), .events = POLLIN}};
	uint8_t byte;
	int rc = 0;

	while (rc == 0 && !p[0].revents && clock_now_ms() < question->until_ms) {
		if (poll(p, 2, left(question->until_ms)) < 0 && errno != EINTR)
			break;
		rc = cancel_check(err);
	}
	question->answer = STEP_OPEN;
	if (p[0].revents && read(question->fd, &byte, 1) == 1 && byte <= STEP_UNKNOWN)
		question->answer = (enum inventory_done)byte;
	end(question);
	return rc;
}

int azure_questions_await(struct azure_question *questions, size_t n, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; i < n; i++) {
		if (questions[i].fd < 0)
			continue;
		if (rc == 0)
			rc = await(&questions[i], err);
		else
			end(&questions[i]);
	}
	return rc;
}
