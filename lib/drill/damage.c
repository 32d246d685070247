/* SPDX-License-Identifier: Apache-2.0 */
/* Breaking members, healing them, and seeing them return. */
#include <math.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/observer.h"
#include "drill/exercise.h"
#include "fleet/fleet.h"
#include "member/member.h"
#include "replica/set.h"
#include "store/store.h"

static bool in(uint32_t mask, size_t i)
{
	return mask & UINT32_C(1) << i;
}

/* All members on the device of member i: they share its fate. */
static uint32_t companions(const struct exercise *x, size_t i)
{
	uint32_t mask = 0;

	for (size_t j = 0; j < x->group->n_members; j++)
		mask |= exercise_device(x, j) == exercise_device(x, i) ? UINT32_C(1) << j : 0;
	return mask;
}

static struct drill_fault *begin_fault(struct exercise *x, size_t i, enum fault_kind kind, int64_t now_ns)
{
	struct drill_report *r = x->report;
	struct drill_fault *f = json_append(&r->faults, &r->n_faults, sizeof(*f));
	char time[CLOCK_TEXT];

	if (!f)
		return NULL;
	x->fault_of[i] = r->n_faults - 1;
	clock_format(clock_utc_ms(), time);
	f->at = mem_strdup(time);
	f->target = mem_strdup(x->set->members[i].name);
	f->kind = mem_strdup(fault_kind_names[kind]);
	f->command = mem_strdup("");
	f->at_ms = exercise_ms(x, now_ns);
	f->healed_ms = f->recovered_ms = -1;
	return f->at && f->target && f->kind && f->command ? f : NULL;
}

static int break_member(struct exercise *x, size_t i, enum fault_kind kind, struct err *err)
{
	const struct fleet_device *device = exercise_device(x, i);
	const struct provider *provider;
	int64_t now = clock_now_ns();
	struct drill_fault *fault = begin_fault(x, i, kind, now);
	char command[200] = "";
	int rc = fault ? provider_of(x->fleet, device, &provider, err) : err_no_memory(err);

	if (rc < 0)
		return rc;
	observer_note(x->observer, "%s: %s", x->set->members[i].name, fault_kind_names[kind]);
	recorder_fault(x->recorder, now);
	/* Healing what was never broken does no harm; the other way round would. */
	x->broken |= companions(x, i);
	x->returning &= ~companions(x, i);
	rc = provider->fault(x->store, device, kind, command, sizeof(command), err);
	return rc < 0 ? rc : fleet_set(&fault->command, command, err);
}

int exercise_break(struct exercise *x, uint32_t mask, enum fault_kind kind, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; i < x->group->n_members && rc == 0; i++) {
		if (!in(mask, i))
			continue;
		rc = break_member(x, i, kind, err);
		mask &= ~companions(x, i);
	}
	return rc;
}

static int record_address(struct exercise *x, const struct fleet_device *healed, struct err *err)
{
	owned(store_edit) struct store_edit *edit = NULL;
	struct fleet_device *device;
	int rc = store_edit_begin(x->store, "drill run", &edit, err);

	/* The member is back, but nobody finds it before this is written. */
	if (rc < 0)
		return err_hint(err, "'hsmctl device start %s' writes its new address down", healed->name);
	rc = fleet_find_device(store_edit_fleet(edit), healed->name, &device, err);
	for (size_t i = 0; rc == 0 && i < device->n_partitions && i < healed->n_partitions; i++)
		rc = fleet_set(&device->partitions[i].link.address, healed->partitions[i].link.address, err);
	return rc < 0 ? rc : store_edit_commit(edit, "drill heal", healed->name, "its address changed", err);
}

/* The device is the drill's alone. Restarted it may have another address, which every reader must learn. */
static int heal_device(struct exercise *x, const char *name, struct err *err)
{
	owned(fleet) struct fleet *before = NULL, *fleet = NULL;
	const struct provider *provider;
	struct fleet_device *device;
	int rc = store_read(x->store, &fleet, err);

	if (rc == 0)
		rc = fleet_copy(fleet, &before, err);
	if (rc == 0)
		rc = fleet_find_device(fleet, name, &device, err);
	if (rc == 0)
		rc = provider_of(fleet, device, &provider, err);
	if (rc == 0)
		rc = provider->heal(x->store, device, err);
	if (rc < 0 || json_equal(&fleet_type, before, fleet))
		return rc;
	return record_address(x, device, err);
}

/* The fault that member i still suffers from, NULL when its device alone does. */
static struct drill_fault *open_fault(const struct exercise *x, size_t i)
{
	struct drill_report *r = x->report;
	struct drill_fault *f = r->n_faults ? &r->faults[x->fault_of[i]] : NULL;

	return f && !f->healed_at ? f : NULL;
}

static int heal_member(struct exercise *x, size_t i, struct err *err)
{
	struct drill_fault *fault = open_fault(x, i);
	const struct fleet_device *device = exercise_device(x, i);
	int64_t now = clock_now_ns();
	char time[CLOCK_TEXT];
	int rc;

	observer_note(x->observer, "%s: heal", x->set->members[i].name);
	recorder_heal(x->recorder, now);
	clock_format(clock_utc_ms(), time);
	rc = heal_device(x, device->name, err);
	if (rc < 0)
		return err_wrap(err, "cannot heal '%s'", device->name);
	x->broken &= ~companions(x, i);
	x->returning |= UINT32_C(1) << i;
	if (!fault)
		return 0;
	fault->healed_ms = exercise_ms(x, now);
	fault->healed_at = mem_strdup(time);
	return fault->healed_at ? 0 : err_no_memory(err);
}

int exercise_heal(struct exercise *x, uint32_t mask, struct err *err)
{
	struct err later;
	int first = 0;

	for (size_t i = 0; i < x->group->n_members; i++) {
		int rc;

		if (!in(mask & x->broken, i))
			continue;
		rc = heal_member(x, i, first ? &later : err);
		first = first ? first : rc;
	}
	if (first == 0 && x->returning)
		first = exercise_reload(x, err);
	return first;
}

int exercise_heal_all(struct exercise *x, struct err *err)
{
	int rc;

	if (!x->broken)
		return 0;
	/* Whoever asked for an end, healing is how a drill ends. */
	cancel_shield();
	rc = exercise_heal(x, x->broken, err);
	cancel_unshield();
	return rc;
}

static void returned(struct exercise *x, size_t i)
{
	struct drill_fault *fault = &x->report->faults[x->fault_of[i]];
	double took;

	fault->recovered_ms = exercise_ms(x, clock_now_ns());
	took = round((fault->recovered_ms - fault->healed_ms) * 1000) / 1000;
	x->report->recover_ms = took > x->report->recover_ms ? took : x->report->recover_ms;
	x->returning &= ~(UINT32_C(1) << i);
	observer_note(x->observer, "%s: back", x->set->members[i].name);
}

void exercise_watch(struct exercise *x)
{
	for (size_t i = 0; i < x->group->n_members; i++) {
		struct err why;

		if (in(x->returning, i) && member_probe(x->set->members[i].member, NULL, &why) == 0)
			returned(x, i);
	}
}
