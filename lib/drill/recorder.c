/* SPDX-License-Identifier: Apache-2.0 */
/* Sums of a run, under one lock: operations cross a network, adding one does not. */
#include "drill/recorder.h"

#include <pthread.h>

#include "base/err.h"
#include "base/mem.h"
#include "drill/histogram.h"

enum { SLICE_MS = 100, SLICES_MAX = 600, FINE = 7, COARSE = 4 };
enum { NS_PER_MS = 1000000 };

const char *const drill_phase_names[] = {"before", "during", "after", NULL};

struct phase {
	struct histogram latency;
	uint64_t failed;
};

struct recorder {
	pthread_mutex_t lock;
	int64_t start_ns, end_ns;
	int64_t fault_ns, heal_ns;	/* -1 = not yet */
	int64_t last_good_ns;		/* when an operation last succeeded */
	int64_t outage_ns, detect_ns;
	bool came_back;			/* an operation of the phase after succeeded */
	struct phase phases[DRILL_PHASES];
	struct phase *slices;
	size_t n_slices;
	int64_t interval_ns;
};

static int make_slices(struct recorder *r, int64_t duration_ms, struct err *err)
{
	int64_t width = SLICE_MS * ((duration_ms - 1) / (SLICE_MS * SLICES_MAX) + 1);
	int rc = 0;

	r->interval_ns = width * NS_PER_MS;
	r->n_slices = (size_t)((duration_ms + width - 1) / width);
	r->slices = mem_zalloc(r->n_slices * sizeof(*r->slices));
	if (!r->slices)
		return err_no_memory(err);
	for (size_t i = 0; i < r->n_slices && rc == 0; i++)
		rc = histogram_init(&r->slices[i].latency, COARSE, err);
	return rc;
}

int recorder_new(int64_t start_ns, int64_t duration_ms, struct recorder **ret, struct err *err)
{
	owned(recorder) struct recorder *r = mem_new(struct recorder);
	int rc = 0;

	if (!r)
		return err_no_memory(err);
	pthread_mutex_init(&r->lock, NULL);
	r->start_ns = r->last_good_ns = start_ns;
	r->end_ns = r->fault_ns = r->heal_ns = r->detect_ns = -1;
	for (size_t i = 0; i < DRILL_PHASES && rc == 0; i++)
		rc = histogram_init(&r->phases[i].latency, FINE, err);
	if (rc == 0)
		rc = make_slices(r, duration_ms > 0 ? duration_ms : 1, err);
	if (rc < 0)
		return rc;
	*ret = own_take(r);
	return 0;
}

void recorder_free(struct recorder *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < DRILL_PHASES; i++)
		histogram_release(&r->phases[i].latency);
	for (size_t i = 0; r->slices && i < r->n_slices; i++)
		histogram_release(&r->slices[i].latency);
	free(r->slices);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

static enum drill_phase phase_of(const struct recorder *r, int64_t start_ns, int64_t end_ns)
{
	if (r->fault_ns < 0 || end_ns < r->fault_ns)
		return DRILL_BEFORE;
	return r->heal_ns >= 0 && start_ns >= r->heal_ns ? DRILL_AFTER : DRILL_DURING;
}

/* Operations that end after the planned time count for the last slice. */
static struct phase *slice_of(struct recorder *r, int64_t end_ns)
{
	int64_t i = (end_ns - r->start_ns) / r->interval_ns;

	if (i < 0)
		return &r->slices[0];
	return &r->slices[(size_t)i < r->n_slices ? (size_t)i : r->n_slices - 1];
}

/* The silence since the last success ends. */
static void end_silence(struct recorder *r, int64_t now_ns)
{
	int64_t silence = now_ns - r->last_good_ns;

	if (r->fault_ns >= 0 && now_ns >= r->fault_ns && silence > r->outage_ns)
		r->outage_ns = silence;
	r->last_good_ns = now_ns > r->last_good_ns ? now_ns : r->last_good_ns;
}

static void add_to(struct phase *phase, int64_t latency_ns, bool good)
{
	histogram_add(&phase->latency, latency_ns);
	phase->failed += !good;
}

void recorder_add(struct recorder *r, int64_t start_ns, int64_t end_ns, bool good)
{
	enum drill_phase phase;
	int64_t held;

	pthread_mutex_lock(&r->lock);
	phase = phase_of(r, start_ns, end_ns);
	add_to(&r->phases[phase], end_ns - start_ns, good);
	add_to(slice_of(r, end_ns), end_ns - start_ns, good);
	held = end_ns - (start_ns > r->fault_ns ? start_ns : r->fault_ns);
	if (phase == DRILL_DURING && held > r->detect_ns)
		r->detect_ns = held;
	if (good)
		end_silence(r, end_ns);
	r->came_back = r->came_back || (good && phase == DRILL_AFTER);
	pthread_mutex_unlock(&r->lock);
}

void recorder_fault(struct recorder *r, int64_t now_ns)
{
	pthread_mutex_lock(&r->lock);
	if (r->fault_ns < 0)
		r->fault_ns = now_ns;
	pthread_mutex_unlock(&r->lock);
}

void recorder_heal(struct recorder *r, int64_t now_ns)
{
	pthread_mutex_lock(&r->lock);
	r->heal_ns = now_ns;
	pthread_mutex_unlock(&r->lock);
}

void recorder_stop(struct recorder *r, int64_t now_ns)
{
	pthread_mutex_lock(&r->lock);
	end_silence(r, now_ns);
	r->end_ns = now_ns;
	pthread_mutex_unlock(&r->lock);
}

static void count(const struct recorder *r, uint64_t *ret_total, uint64_t *ret_failed)
{
	*ret_total = *ret_failed = 0;
	for (size_t i = 0; i < DRILL_PHASES; i++) {
		*ret_total += r->phases[i].latency.count;
		*ret_failed += r->phases[i].failed;
	}
}

void recorder_count(struct recorder *r, uint64_t *ret_total, uint64_t *ret_failed)
{
	pthread_mutex_lock(&r->lock);
	count(r, ret_total, ret_failed);
	pthread_mutex_unlock(&r->lock);
}

static void sum_phase(const struct phase *from, int64_t start_ns, int64_t end_ns, struct recorder_phase *ret)
{
	ret->start_ns = start_ns;
	ret->end_ns = start_ns < 0 ? -1 : end_ns;
	ret->total = from->latency.count;
	ret->failed = from->failed;
	ret->p50 = histogram_quantile(&from->latency, 0.50);
	ret->p99 = histogram_quantile(&from->latency, 0.99);
	ret->max = from->latency.count ? from->latency.max : -1;
}

static void sum_phases(const struct recorder *r, struct recorder_phase ret[static DRILL_PHASES])
{
	int64_t end = r->end_ns - r->start_ns;
	int64_t fault = r->fault_ns < 0 ? -1 : r->fault_ns - r->start_ns;
	int64_t heal = r->heal_ns < 0 ? -1 : r->heal_ns - r->start_ns;

	sum_phase(&r->phases[DRILL_BEFORE], 0, fault < 0 ? end : fault, &ret[DRILL_BEFORE]);
	sum_phase(&r->phases[DRILL_DURING], fault, heal < 0 ? end : heal, &ret[DRILL_DURING]);
	sum_phase(&r->phases[DRILL_AFTER], heal, end, &ret[DRILL_AFTER]);
}

static void sum_slices(const struct recorder *r, struct recorder_slice *ret)
{
	for (size_t i = 0; i < r->n_slices; i++) {
		const struct phase *from = &r->slices[i];

		ret[i].total = from->latency.count;
		ret[i].failed = from->failed;
		ret[i].p50 = histogram_quantile(&from->latency, 0.50);
		ret[i].max = from->latency.count ? from->latency.max : -1;
	}
}

int recorder_sum(struct recorder *r, struct recorder_summary *ret, struct err *err)
{
	*ret = (struct recorder_summary){.interval_ns = r->interval_ns, .n_slices = r->n_slices};
	ret->slices = mem_zalloc(r->n_slices * sizeof(*ret->slices));
	if (!ret->slices)
		return err_no_memory(err);
	count(r, &ret->total, &ret->failed);
	sum_phases(r, ret->phases);
	sum_slices(r, ret->slices);
	ret->outage_ns = r->fault_ns >= 0 && r->came_back ? r->outage_ns : -1;
	ret->detect_ns = r->detect_ns;
	return 0;
}

void recorder_summary_release(struct recorder_summary *summary)
{
	free(summary->slices);
	*summary = (struct recorder_summary){0};
}
