/* SPDX-License-Identifier: Apache-2.0 */
/* A vendor's library in a process of its own: frames to a worker, which is killed when it does not answer. */
#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "member/frame.h"
#include "member/limit.h"
#include "member/link.h"
#include "member/member.h"
#include "member/stream.h"
#include "member/worker.h"

struct worker_link {
	struct link link;
	struct link *over;	/* the stream to it */
	unsigned life;		/* of the process that is behind it */
};

static const struct link_ops *ops_of(const struct worker_link *w)
{
	return w->over->ops;
}

static void worker_link_close(struct link *link)
{
	link_free(((struct worker_link *)link)->over);
	free(link);
}

/* It is there but says nothing: it loads its library, or does not come back from it. Who is in a hurry leaves it to it. */
static int no_welcome(struct worker *worker, unsigned life, bool hurry, int rc, struct err *err)
{
	if (rc != -ERR_TIMEOUT || hurry || cancel_check(NULL) < 0)
		return rc;
	worker_silent(worker, life);
	return err_set(err, ERR_UNREACHABLE, "no answer of its worker");
}

static int greet(struct worker_link *w, struct err *err)
{
	const struct member_config *config = w->link.config;
	int64_t deadline = clock_now_ms() + config->connect_ms;
	struct stream *stream = NULL;
	int rc = worker_connect(config->worker, &stream, &w->life, err);

	if (rc < 0)
		return rc;
	rc = link_stream_open(config, stream, FRAME_VERSION, deadline, &w->over, err);
	if (rc < 0)
		return no_welcome(config->worker, w->life, config->silence_ms, rc, err);
	worker_greeted(config->worker, w->life);
	w->link.epoch = w->over->epoch;
	w->link.logged_in = w->over->logged_in;
	return 0;
}

static int worker_link_open(const struct member_config *config, struct link **ret, struct err *err)
{
	struct worker_link *w = mem_new(struct worker_link);
	owned(link) struct link *link = (struct link *)w;
	int rc;

	if (!w)
		return err_no_memory(err);
	w->link = (struct link){.ops = &link_worker, .config = config};
	rc = greet(w, err);
	if (rc == 0)
		*ret = own_take(link);
	else if (err)
		err->retry = ERR_RETRY_SAFE;
	return rc;
}

/*
 * A library that does not come back from one call holds its locks, and would keep the calls of all other channels
 * waiting for a deadline each: its process ends with the call, and they move on at once. So it does when a fault on
 * the way has left us in the middle of a call. What was refused, or never left us, is no word about the process.
 */
static int worker_link_call(struct link *link, struct p11_call *calls, size_t count, const struct call_limit *limit,
			    struct err *err)
{
	struct worker_link *w = (struct worker_link *)link;
	struct err mine = {0}, *why = err ? err : &mine;
	struct call_limit patient = *limit;
	int rc;

	/* What was learned of its silences is no reason to kill it: a process of this host is silent when the host is
	 * busy. */
	if (patient.silence_ms < link->config->answer_ms)
		patient.silence_ms = link->config->answer_ms;
	rc = ops_of(w)->call(w->over, calls, count, &patient, why);

	link->changes = w->over->changes;
	link->ended = w->over->ended;
	if (rc < 0 && why->retry != ERR_RETRY_SAFE)
		worker_kill(link->config->worker, w->life);
	return rc;
}

static bool worker_link_alive(struct link *link)
{
	struct worker_link *w = (struct worker_link *)link;

	return ops_of(w)->alive(w->over);
}

static void worker_link_cut(struct link *link)
{
	struct worker_link *w = (struct worker_link *)link;

	ops_of(w)->cut(w->over);
}

const struct link_ops link_worker = {
	.open = worker_link_open,
	.call = worker_link_call,
	.alive = worker_link_alive,
	.cut = worker_link_cut,
	.close = worker_link_close,
};
