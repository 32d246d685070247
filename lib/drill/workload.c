/* SPDX-License-Identifier: Apache-2.0 */
/* Application threads. */
#include "drill/workload.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "drill/key.h"
#include "drill/module.h"
#include "drill/recorder.h"
#include "drill/report.h"
#include "p11/rv.h"

enum { FINDINGS_MAX = 32, PAUSE_MS = 10, RANDOM_SHARE = 8 };

struct finding {
	char what[300];
	int64_t count, first_ns;
};

struct worker {
	struct drill_workload *of;
	pthread_t thread;
	CK_SESSION_HANDLE session;
	uint64_t random;	/* state of the generator */
	uint8_t input[DRILL_INPUT];
};

struct drill_workload {
	const struct drill_module *module;
	const struct drill_keys *keys;
	struct recorder *recorder;
	int64_t start_ns;
	atomic_bool stop;
	pthread_mutex_t lock;	/* of findings */
	struct finding findings[FINDINGS_MAX];
	size_t n_findings;
	size_t n_running;
	struct worker workers[DRILL_THREADS_MAX];
};

/* SplitMix64: repeatable, and good enough to choose. */
static uint64_t next(struct worker *w)
{
	uint64_t z = (w->random += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static void note(struct drill_workload *l, const char *what, int64_t now_ns)
{
	size_t i = 0;

	pthread_mutex_lock(&l->lock);
	while (i < l->n_findings && !str_eq(l->findings[i].what, what))
		i++;
	if (i == l->n_findings && i < FINDINGS_MAX) {
		snprintf(l->findings[i].what, sizeof(l->findings[i].what), "%s", what);
		l->findings[i].first_ns = now_ns;
		l->n_findings++;
	}
	l->findings[i < FINDINGS_MAX ? i : FINDINGS_MAX - 1].count++;
	pthread_mutex_unlock(&l->lock);
}

/* What an application would do after an error: drop the session, try again a
 * little later. */
static void start_over(struct worker *w)
{
	const struct drill_module *m = w->of->module;

	clock_sleep_ms(PAUSE_MS);
	if (w->session != CK_INVALID_HANDLE)
		m->f->C_CloseSession(w->session);
	if (drill_module_session(m, &w->session) != CKR_OK)
		w->session = CK_INVALID_HANDLE;
}

/* The operation that began at start_ns is over; result tells, when it returned
 * without an error, whether what it gave is right. Returns whether all is well. */
static bool over(struct worker *w, const char *doing, const char *label, int64_t start_ns, int64_t end_ns, CK_RV rv,
		 bool right)
{
	char what[300];

	recorder_add(w->of->recorder, start_ns, end_ns, rv == CKR_OK && right);
	if (rv == CKR_OK && right)
		return true;
	snprintf(what, sizeof(what), "%s%s%s%s: %s", doing, label ? " with '" : "", label ? label : "",
		 label ? "'" : "", rv == CKR_OK ? "wrong result" : p11_rv_name(rv));
	note(w->of, what, end_ns);
	start_over(w);
	return false;
}

static void draw(struct worker *w)
{
	uint8_t bytes[32];
	int64_t start = clock_now_ns();
	CK_RV rv = w->of->module->f->C_GenerateRandom(w->session, bytes, sizeof(bytes));

	over(w, "random", NULL, start, clock_now_ns(), rv, true);
}

static void sign(struct worker *w, const struct drill_key *key)
{
	uint8_t out[DRILL_OUTPUT];
	CK_ULONG len;
	int64_t start = clock_now_ns();
	CK_RV rv = drill_key_sign(w->of->module, w->session, key, w->input, DRILL_INPUT, out, &len);
	int64_t end = clock_now_ns();

	over(w, "sign", key->label, start, end, rv,
	     rv == CKR_OK && drill_key_verify(key, w->input, DRILL_INPUT, out, len));
}

static void authenticate(struct worker *w, const struct drill_key *key)
{
	uint8_t out[DRILL_OUTPUT];
	CK_ULONG len;
	int64_t start = clock_now_ns();
	CK_RV rv = drill_key_mac(w->of->module, w->session, key, out, &len);

	over(w, "MAC", key->label, start, clock_now_ns(), rv,
	     len == DRILL_MAC && memcmp(out, key->mac, DRILL_MAC) == 0);
}

/* Two operations: what one member encrypted, any member must decrypt. */
static void encrypt(struct worker *w, const struct drill_key *key)
{
	const struct drill_module *m = w->of->module;
	uint8_t secret[DRILL_OUTPUT], plain[DRILL_OUTPUT];
	CK_ULONG len, plain_len;
	int64_t start = clock_now_ns();
	CK_RV rv = drill_key_encrypt(m, w->session, key, w->input, w->input, DRILL_INPUT, secret, &len);

	if (!over(w, "encrypt", key->label, start, clock_now_ns(), rv, true))
		return;
	start = clock_now_ns();
	rv = drill_key_decrypt(m, w->session, key, w->input, secret, len, plain, &plain_len);
	over(w, "decrypt", key->label, start, clock_now_ns(), rv,
	     plain_len == DRILL_INPUT && memcmp(plain, w->input, DRILL_INPUT) == 0);
}

static void operate(struct worker *w)
{
	const struct drill_keys *keys = w->of->keys;
	const struct drill_key *key = &keys->items[next(w) % keys->count];

	for (size_t i = 0; i < DRILL_INPUT; i += sizeof(uint64_t)) {
		uint64_t word = next(w);

		memcpy(w->input + i, &word, sizeof(word));
	}
	if (next(w) % RANDOM_SHARE == 0)
		draw(w);
	else if (key->use == DRILL_SIGNS)
		sign(w, key);
	else if (key->use == DRILL_MACS)
		authenticate(w, key);
	else
		encrypt(w, key);
}

static void *work(void *data)
{
	struct worker *w = data;

	while (!atomic_load(&w->of->stop))
		operate(w);
	return NULL;
}

/* Signals are the command's; a thread inside the module must not be disturbed. */
static int create_quietly(struct worker *w)
{
	sigset_t all, before;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&w->thread, NULL, work, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return rc;
}

static int start_worker(struct drill_workload *l, uint64_t seed, struct err *err)
{
	struct worker *w = &l->workers[l->n_running];
	CK_RV rv;

	w->of = l;
	w->random = seed + l->n_running;
	(void)next(w);
	w->random = next(w);
	rv = drill_module_session(l->module, &w->session);
	if (rv != CKR_OK)
		return p11_rv_err(err, rv, "C_OpenSession");
	if (create_quietly(w) != 0)
		return err_set(err, ERR_NO_MEMORY, "cannot start a thread");
	l->n_running++;
	return 0;
}

int drill_workload_start(const struct drill_module *module, const struct drill_keys *keys,
			 struct recorder *recorder, size_t threads, uint64_t seed, int64_t start_ns,
			 struct drill_workload **ret, struct err *err)
{
	owned(drill_workload) struct drill_workload *l = mem_new(struct drill_workload);
	int rc = 0;

	if (!l)
		return err_no_memory(err);
	*l = (struct drill_workload){.module = module, .keys = keys, .recorder = recorder, .start_ns = start_ns};
	pthread_mutex_init(&l->lock, NULL);
	for (size_t i = 0; i < threads && i < DRILL_THREADS_MAX && rc == 0; i++)
		rc = start_worker(l, seed, err);
	if (rc < 0)
		return rc;
	*ret = own_take(l);
	return 0;
}

void drill_workload_stop(struct drill_workload *l)
{
	atomic_store(&l->stop, true);
	for (; l->n_running > 0; l->n_running--)
		pthread_join(l->workers[l->n_running - 1].thread, NULL);
}

int drill_workload_findings(const struct drill_workload *l, struct drill_report *report, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; i < l->n_findings && rc == 0; i++)
		rc = drill_report_finding(report, l->findings[i].what, l->findings[i].count,
					  (double)((l->findings[i].first_ns - l->start_ns) / 1000) / 1000, err);
	return rc;
}

void drill_workload_free(struct drill_workload *l)
{
	if (!l)
		return;
	drill_workload_stop(l);
	pthread_mutex_destroy(&l->lock);
	free(l);
}
