/* SPDX-License-Identifier: Apache-2.0 */
/* A thread for each token. */
#include "status/probe.h"

#include <pthread.h>
#include <signal.h>

#include "base/clock.h"
#include "base/mem.h"
#include "member/member.h"

struct task {
	struct probe *probe;
	struct tls_context *tls;
	const struct err *tls_err;
	pthread_t thread;
	bool started;
};

static int ask(const struct task *task, struct probe *probe)
{
	static const struct fleet_policy patience = {.connect_ms = 2000, .answer_ms = 1000, .call_ms = 5000};
	owned(member) struct member *member = NULL;
	int rc;

	if (!task->tls && probe->partition->link.kind == FLEET_LINK_TLS) {
		probe->err = *task->tls_err;
		return -(int)probe->err.code;
	}
	rc = member_open_partition(probe->device, probe->partition, probe->device->name, &patience,
				   task->tls, &member, &probe->err);
	return rc < 0 ? rc : member_probe(member, &probe->info, &probe->err);
}

static void *run(void *data)
{
	struct task *task = data;
	int64_t begin = clock_now_ns();

	task->probe->up = ask(task, task->probe) == 0;
	task->probe->latency_ms = (double)((clock_now_ns() - begin) / 10000) / 100;
	return NULL;
}

/* Signals stay with the thread that waits for them. */
static void start(struct task *task)
{
	sigset_t all, saved;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &saved);
	task->started = pthread_create(&task->thread, NULL, run, task) == 0;
	pthread_sigmask(SIG_SETMASK, &saved, NULL);
}

void probe_all(struct probe *probes, size_t count, struct tls_context *tls, const struct err *tls_err)
{
	owned(mem) struct task *tasks = mem_zalloc(count * sizeof(*tasks));
	struct task alone;

	for (size_t i = 0; i < count; i++) {
		struct task *task = tasks ? &tasks[i] : &alone;

		*task = (struct task){.probe = &probes[i], .tls = tls, .tls_err = tls_err};
		if (tasks)
			start(task);
		if (!task->started)
			run(task);
	}
	for (size_t i = 0; tasks && i < count; i++)
		if (tasks[i].started)
			pthread_join(tasks[i].thread, NULL);
}
