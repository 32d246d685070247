/* SPDX-License-Identifier: Apache-2.0 */
/* The worker of a member: starting it, handing it sockets, ending it. */
#include "member/worker.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/inherit.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/pass.h"
#include "base/proc.h"
#include "base/program.h"
#include "base/spawn.h"
#include "fleet/fleet.h"
#include "member/member.h"
#include "member/stream.h"

enum {
	STEADY_MS = 10000,	/* one that lived for so long did not end soon */
	AGAIN_MS = 100,		/* after the second that ended soon; doubles each time, */
	AGAIN_MAX_MS = 10000,	/* up to this */
};

/* Vendor's libraries load what openssl.cnf and the like name, and that may be our own module: it is told to start
 * no worker in a worker. */
static const char INSIDE[] = "HSMCTL_WORKER";

struct worker {
	const struct member_config *config;
	int64_t overdue_ms;	/* a library that takes longer to load will not */
	char **variables;	/* over the environment, NULL-terminated */
	pthread_mutex_t lock;	/* of all below */
	pid_t owner;		/* whose the process is: not that of a child of fork() */
	int control, pidfd;	/* -1 = there is none */
	unsigned life;		/* counts them */
	bool greeted;
	int64_t since_ms;
	unsigned soon;		/* so many in a row ended soon */
	int64_t again_ms;	/* not before */
};

/* ---- coming and going ---- */

static int copy_variables(struct worker *w, const struct member_config *config, struct err *err)
{
	size_t n = config->n_environment;

	w->variables = mem_zalloc((n + 2) * sizeof(*w->variables));
	for (size_t i = 0; w->variables && i < n; i++) {
		w->variables[i] = mem_printf("%s=%s", config->environment[i].name, config->environment[i].value);
		if (!w->variables[i])
			return err_no_memory(err);
	}
	if (w->variables)
		w->variables[n] = mem_printf("%s=1", INSIDE);
	return w->variables && w->variables[n] ? 0 : err_no_memory(err);
}

int worker_new(const struct member_config *config, struct worker **ret, struct err *err)
{
	owned(worker) struct worker *w = mem_new(struct worker);
	int rc;

	if (!w)
		return err_no_memory(err);
	*w = (struct worker){.config = config, .overdue_ms = config->call_ms, .control = -1, .pidfd = -1};
	pthread_mutex_init(&w->lock, NULL);
	rc = copy_variables(w, config, err);
	if (rc == 0)
		*ret = own_take(w);
	return rc;
}

static void let_go(struct worker *w)
{
	inherit_close(w->control);
	inherit_close(w->pidfd);
	w->control = w->pidfd = -1;
}

/* What the parent of a fork had is closed here already, and its numbers may be somebody else's. */
static bool is_running(struct worker *w)
{
	if (w->owner != getpid())
		w->control = w->pidfd = -1;
	return w->control >= 0;
}

void worker_free(struct worker *w)
{
	if (!w)
		return;
	if (is_running(w))
		let_go(w);
	for (char **variable = w->variables; variable && *variable; variable++)
		free(*variable);
	free(w->variables);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

/* ---- lives; with the lock held ---- */

/* It has ended, or ends now. */
static void bury(struct worker *w)
{
	int64_t now = clock_now_ms(), wait = AGAIN_MS;

	let_go(w);
	w->soon = w->greeted && now - w->since_ms >= STEADY_MS ? 1 : w->soon + 1;
	for (unsigned i = 2; i < w->soon && wait < AGAIN_MAX_MS; i++)
		wait *= 2;
	w->again_ms = w->soon < 2 ? now : now + (wait < AGAIN_MAX_MS ? wait : AGAIN_MAX_MS);
	log_info("member", "'%s': its worker ended (%u in a row)", w->config->name, w->soon);
}

static void end(struct worker *w)
{
	syscall(SYS_pidfd_send_signal, w->pidfd, SIGKILL, NULL, 0);
	bury(w);
}

static bool has_ended(const struct worker *w)
{
	struct pollfd p = {.fd = w->pidfd, .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

/* One that takes so long to load its library will not come to an end with it. */
static bool is_overdue(const struct worker *w)
{
	return !w->greeted && clock_now_ms() - w->since_ms > w->overdue_ms;
}

static bool nothing(const char *entry)
{
	(void)entry;
	return false;
}

/* Both ends are ours until one is handed over, and no child's. */
static int make_pair(int ret[2], struct err *err)
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ret) < 0)
		return err_errno(err, "cannot make a socket");
	inherit_not(ret[0]);
	inherit_not(ret[1]);
	return 0;
}

static int run(struct worker *w, const char *program, int control, struct err *err)
{
	const struct member_config *c = w->config;
	const char *argv[] = {program, c->name, c->module, c->serial ? c->serial : "", c->uri, NULL};
	bool strange = getauxval(AT_SECURE);
	owned(mem) const char **env = proc_environment((const char *const *)w->variables, strange ? nothing : NULL);

	return env ? spawn_aside(argv, env, control, &w->pidfd, err) : err_no_memory(err);
}

static int start(struct worker *w, struct err *err)
{
	owned(mem) char *found = NULL;
	const char *program = w->config->program;
	int ends[2], rc = program ? 0 : program_find("hsmctl-worker", &found, err);

	if (rc == 0)
		rc = make_pair(ends, err);
	if (rc < 0)
		return rc;
	rc = run(w, program ? program : found, ends[1], err);
	inherit_close(ends[1]);
	if (rc < 0) {
		inherit_close(ends[0]);
		return rc;
	}
	inherit_not(w->pidfd);
	w->owner = getpid();
	w->control = ends[0];
	w->life++;
	w->greeted = false;
	w->since_ms = clock_now_ms();
	return 0;
}

static int need(struct worker *w, struct err *err)
{
	int64_t left;

	if (is_running(w) && is_overdue(w))
		end(w);
	else if (is_running(w) && has_ended(w))
		bury(w);
	if (is_running(w))
		return 0;
	left = w->again_ms - clock_now_ms();
	if (left > 0)
		return err_set(err, ERR_UNREACHABLE, "its worker ended %u times in a row; the next starts in %lld ms",
			       w->soon, (long long)left);
	return start(w, err);
}

/* ---- channels ---- */

static int connect_to(struct worker *w, int fd, unsigned *ret_life, struct err *err)
{
	int rc;

	pthread_mutex_lock(&w->lock);
	rc = need(w, err);
	if (rc == 0)
		rc = pass_send(w->control, fd, err);
	*ret_life = w->life;
	pthread_mutex_unlock(&w->lock);
	return rc;
}

int worker_connect(struct worker *w, struct stream **ret, unsigned *ret_life, struct err *err)
{
	int ends[2], rc;

	if (getenv(INSIDE))
		return err_set(err, ERR_UNREACHABLE, "this is a worker, and starts no other");
	rc = make_pair(ends, err);
	if (rc < 0)
		return rc;
	rc = connect_to(w, ends[1], ret_life, err);
	inherit_close(ends[1]);
	if (rc == 0)
		return stream_over_socket(ends[0], ret, err);
	inherit_close(ends[0]);
	return rc;
}

void worker_greeted(struct worker *w, unsigned life)
{
	pthread_mutex_lock(&w->lock);
	if (w->life == life)
		w->greeted = true;
	pthread_mutex_unlock(&w->lock);
}

static void end_life(struct worker *w, unsigned life, bool if_greeted)
{
	pthread_mutex_lock(&w->lock);
	if (is_running(w) && w->life == life && (w->greeted || !if_greeted))
		end(w);
	pthread_mutex_unlock(&w->lock);
}

void worker_silent(struct worker *w, unsigned life)
{
	end_life(w, life, true);
}

void worker_kill(struct worker *w, unsigned life)
{
	end_life(w, life, false);
}
