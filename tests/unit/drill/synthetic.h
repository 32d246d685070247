/* SPDX-License-Identifier: Apache-2.0 */
/*
 * synthetic - a run that never happened, the same every time.
 *
 * Two threads for 30 s; a member hangs for the middle third: each thread is
 * held up once, for a second, and one operation fails when asked for.
 */
#ifndef TESTS_SYNTHETIC_H
#define TESTS_SYNTHETIC_H

#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "drill/recorder.h"
#include "drill/report.h"
#include "fleet/fleet.h"

#define MS INT64_C(1000000)
#define SYNTHETIC_START (INT64_C(5000) * MS)

static inline uint64_t synthetic_next(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return *state >> 33;
}

/* One thread's operations up to end_ms; held is when (ms) one takes a second. */
static inline int64_t synthetic_thread(struct recorder *r, uint64_t seed, int64_t from, int64_t to, int64_t held)
{
	int64_t at = from;

	while (at < to) {
		int64_t took = 300000 + (int64_t)(synthetic_next(&seed) % 900000);

		if (synthetic_next(&seed) % 400 == 0)
			took *= 12;
		if (held > 0 && at >= held) {
			took = 1000 * MS;
			held = 0;
		}
		recorder_add(r, at, at + took, true);
		at += took;
	}
	return at;
}

static inline int synthetic_recording(bool failure, struct recorder_summary *ret, struct err *err)
{
	owned(recorder) struct recorder *r = NULL;
	const int64_t fault = SYNTHETIC_START + 10000 * MS, heal = SYNTHETIC_START + 20000 * MS;
	const int64_t end = SYNTHETIC_START + 30000 * MS;
	int64_t a, b;
	int rc = recorder_new(SYNTHETIC_START, 30000, &r, err);

	if (rc < 0)
		return rc;
	a = synthetic_thread(r, 1, SYNTHETIC_START, fault, 0);
	b = synthetic_thread(r, 2, SYNTHETIC_START, fault, 0);
	recorder_fault(r, fault);
	a = synthetic_thread(r, 3, a, heal, fault + 5 * MS);
	b = synthetic_thread(r, 4, b, heal, fault + 60 * MS);
	recorder_heal(r, heal);
	if (failure)
		recorder_add(r, heal - 2000 * MS, heal - 1990 * MS, false);
	synthetic_thread(r, 5, a, end, 0);
	synthetic_thread(r, 6, b, end, 0);
	recorder_stop(r, end);
	return recorder_sum(r, ret, err);
}

struct synthetic_member {
	const char *name, *role, *datacenter, *region;
};

static inline int synthetic_texts(struct drill_report *r)
{
	const struct {
		char **field;
		const char *value;
	} texts[] = {
		{&r->id, "20261124-083000-3f2a"}, {&r->scenario, "member-hang"}, {&r->group, "payments"},
		{&r->summary, "an active member stops answering while its connections stay open, then continues"},
		{&r->hypothesis, "The silence is noticed by deadline; calls move to the other members."},
		{&r->started_at, "2026-11-24T08:30:00.123Z"}, {&r->ended_at, "2026-11-24T08:30:30.140Z"},
		{&r->tool, "hsmctl 0.1.0"}, {&r->host, "ops-7"}, {&r->operator, "alex"},
		{&r->fleet_sha256, "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"},
		{&r->notice, "Datacentres and regions are emulated: the members are local SoftHSM appliances on one host."},
		{&r->verify.before, "in_sync"}, {&r->verify.after, "in_sync"},
		{&r->evidence.sha256, "d4735e3a265e16eee03f59718b9b5d03019c07d8b6c51f90da3a666eec13ab35"},
		{&r->evidence.signature, "4e07408562bedb8b60ce05c1decfe3ad16b72230967de01f640b7e4729b49fce"
					 "4b227777d4dd1fc61c6f884f48641d02b4d121d3fd328cb08b5531fcacdabf8a"},
		{&r->evidence.key, "signing-1"}, {&r->evidence.mechanism, "ECDSA-SHA256 (r || s)"},
		{&r->evidence.public_key, "ef2d127de37b942baad06145e54b0c619a1f22327b2ebbcfbec78f5564afe39d"},
	};
	int rc = 0;

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts) && rc == 0; i++)
		rc = fleet_set(texts[i].field, texts[i].value, NULL);
	return rc;
}

static inline int synthetic_member(struct drill_report *r, const struct synthetic_member *from)
{
	struct drill_member *m = json_append(&r->members, &r->n_members, sizeof(*m));

	if (!m)
		return -ERR_NO_MEMORY;
	m->up_before = m->up_after = true;
	m->keys_before = m->keys_after = 3;
	m->name = mem_strdup(from->name);
	m->role = mem_strdup(from->role);
	m->datacenter = mem_strdup(from->datacenter);
	m->region = mem_strdup(from->region);
	m->serial = mem_strdup("9f3c1b7a22d04e51");
	m->model = mem_strdup("SoftHSM v2");
	m->firmware = mem_strdup("2.6");
	return 0;
}

static inline int synthetic_fault(struct drill_report *r)
{
	struct drill_fault *f = json_append(&r->faults, &r->n_faults, sizeof(*f));

	if (!f)
		return -ERR_NO_MEMORY;
	f->at = mem_strdup("2026-11-24T08:30:10.123Z");
	f->healed_at = mem_strdup("2026-11-24T08:30:20.124Z");
	f->target = mem_strdup("hsm-east-1");
	f->kind = mem_strdup("hang");
	f->command = mem_strdup("kill -STOP 41235");
	f->at_ms = 10000;
	f->healed_ms = 20001;
	f->recovered_ms = 20613;
	return 0;
}

static inline int synthetic_keys(struct drill_report *r)
{
	static const char *const labels[] = {"signing-1", "tls-1", "wrap-1"};
	int rc = 0;

	for (size_t i = 0; i < 3 && rc == 0; i++) {
		char **label = json_append(&r->keys, &r->n_keys, sizeof(*label));

		rc = label && (*label = mem_strdup(labels[i])) ? 0 : -ERR_NO_MEMORY;
	}
	return rc;
}

/* All but the verdict; not for tests of allocation failures. */
static inline int synthetic_report(bool failure, struct drill_report *r)
{
	static const struct synthetic_member members[] = {
		{"hsm-east-1", "active", "east-1", "east"}, {"hsm-east-2", "active", "east-2", "east"},
		{"hsm-west-1", "standby", "west-1", "west"}, {"hsm-west-2", "standby", "west-2", "west"},
	};
	owned(recorder_summary) struct recorder_summary summary = {0};
	int rc;

	drill_report_init(r);
	rc = synthetic_recording(failure, &summary, NULL);
	if (rc == 0)
		rc = drill_report_measure(r, &summary, NULL);
	if (rc == 0)
		rc = synthetic_texts(r);
	for (size_t i = 0; i < 4 && rc == 0; i++)
		rc = synthetic_member(r, &members[i]);
	if (rc == 0)
		rc = synthetic_fault(r);
	if (rc == 0)
		rc = synthetic_keys(r);
	if (rc == 0 && failure)
		rc = drill_report_finding(r, "sign with 'signing-1': CKR_DEVICE_ERROR", 1, 18010, NULL);
	r->planned_ms = 30000;
	r->duration_ms = 30000;
	r->threads = 2;
	r->seed = 42;
	r->fleet_revision = 7;
	r->emulated = true;
	r->recover_ms = 612;
	r->rpo_keys = 0;
	r->verify.keys_before = r->verify.keys_after = 3;
	r->verify.proofs_before = r->verify.proofs_after = 12;
	r->verify.findings_before = r->verify.findings_after = 0;
	return rc;
}

#endif
