/* SPDX-License-Identifier: Apache-2.0 */
/* Guards: a drill shows something only when the group was well before. */
#include <stdio.h>

#include "base/err.h"
#include "base/observer.h"
#include "base/str.h"
#include "drill/exercise.h"
#include "fleet/fleet.h"
#include "member/member.h"
#include "replica/set.h"
#include "replica/verify.h"
#include "store/store.h"

/* Token information is padded with blanks and not terminated. */
static int set_padded(char **field, const CK_UTF8CHAR *text, size_t len, struct err *err)
{
	char value[65];

	while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == 0))
		len--;
	snprintf(value, sizeof(value), "%.*s", (int)len, (const char *)text);
	err_mask(value);
	return len ? fleet_set(field, value, err) : 0;
}

static int describe_token(struct drill_member *m, const CK_TOKEN_INFO *info, struct err *err)
{
	char firmware[16];
	int rc = set_padded(&m->serial, info->serialNumber, sizeof(info->serialNumber), err);

	if (rc == 0)
		rc = set_padded(&m->model, info->model, sizeof(info->model), err);
	snprintf(firmware, sizeof(firmware), "%u.%u", info->firmwareVersion.major, info->firmwareVersion.minor);
	return rc < 0 ? rc : fleet_set(&m->firmware, firmware, err);
}

static int describe_member(struct exercise *x, size_t i, uint32_t *up, struct err *err)
{
	const struct replica_member *from = &x->set->members[i];
	struct drill_report *r = x->report;
	struct drill_member *m = json_append(&r->members, &r->n_members, sizeof(*m));
	CK_TOKEN_INFO info;
	struct err why = {0};
	int rc;

	if (!m)
		return err_no_memory(err);
	m->keys_before = m->keys_after = -1;
	rc = fleet_set(&m->name, from->name, err);
	if (rc == 0)
		rc = fleet_set(&m->role, fleet_role_names[from->role], err);
	if (rc == 0)
		rc = fleet_set(&m->datacenter, from->datacenter, err);
	if (rc == 0)
		rc = fleet_set(&m->region, from->region, err);
	if (rc < 0)
		return rc;
	observer_step(x->observer, from->name, "probing", i, x->set->n_members);
	rc = member_probe(from->member, &info, &why);
	if (rc == -ERR_PIN) {
		*err = why;
		return rc;
	}
	m->up_before = rc == 0;
	*up |= m->up_before ? UINT32_C(1) << i : 0;
	return rc == 0 ? describe_token(m, &info, err) : 0;
}

/* All that were chosen, or the one that the scenario takes by itself. */
static int find_chosen(const struct exercise *x, enum drill_target target, uint32_t *ret, struct err *err)
{
	static const char *const none[] = {NULL};
	const char *const *chosen = x->config->n_targets ? x->config->targets : none;
	size_t count = x->config->n_targets ? x->config->n_targets : 1;

	*ret = 0;
	for (size_t i = 0; i < count; i++) {
		uint32_t mask;
		int rc = drill_scenario_target(target, x->fleet, x->group, chosen[i], &mask, err);

		if (rc < 0)
			return rc;
		*ret |= mask;
	}
	return 0;
}

/* Everything that is broken at the same time, at worst. */
static int find_targets(struct exercise *x, uint32_t *ret, struct err *err)
{
	*ret = 0;
	for (size_t i = 0; i < x->scenario->n_steps; i++) {
		int rc = find_chosen(x, x->scenario->steps[i].target, &x->targets[i], err);

		if (rc < 0)
			return rc;
		*ret |= x->targets[i];
	}
	return 0;
}

static uint32_t active_members(const struct fleet_group *group)
{
	uint32_t mask = 0;

	for (size_t i = 0; i < group->n_members; i++)
		mask |= group->members[i].role == FLEET_ACTIVE ? UINT32_C(1) << i : 0;
	return mask;
}

static int refuse(const struct exercise *x, struct err *err)
{
	err_wrap(err, "the drill was refused");
	return err_hint(err, "see 'hsmctl ha show %s'", x->group->name);
}

/* Can the group go on with what is left? */
static int check_members(const struct exercise *x, uint32_t up, uint32_t targets, struct err *err)
{
	uint32_t left = up & ~targets;
	int n_up = __builtin_popcount(up);
	const char *group = x->group->name;

	if (n_up < 2)
		err_set(err, ERR_GUARD, "group '%s' has %d member%s up, a drill needs 2", group, n_up, n_up == 1 ? "" : "s");
	else if (targets & ~up)
		err_set(err, ERR_GUARD, "'%s' is down already", x->set->members[__builtin_ctz(targets & ~up)].name);
	else if (!left)
		err_set(err, ERR_GUARD, "no member of '%s' would be left", group);
	else if (left & active_members(x->group) || x->config->force)
		return 0;
	else
		err_set(err, ERR_GUARD, "no active member of '%s' would be left, and --force is not given", group);
	return refuse(x, err);
}

static int check_devices(const struct exercise *x, uint32_t targets, struct err *err)
{
	for (size_t i = 0; i < x->group->n_members; i++) {
		const struct fleet_device *device = exercise_device(x, i);
		const struct provider *provider;
		int rc;

		if (!(targets & UINT32_C(1) << i))
			continue;
		rc = device ? provider_of(x->fleet, device, &provider, err)
			    : err_set(err, ERR_INVALID, "member %zu has no device", i + 1);
		if (rc < 0)
			return rc;
		if (provider->adopts) {
			err_set(err, ERR_UNSUPPORTED, "'%s' is an %s: what serves it is not ours to break",
				device->name, provider->makes);
			return err_hint(err, "give a --target that is a local appliance");
		}
		if (!provider->fault || !provider->heal)
			return err_set(err, ERR_UNSUPPORTED, "the provider '%s' of '%s' cannot break devices",
				       provider->name, device->name);
	}
	return 0;
}

static int lock_devices(struct exercise *x, uint32_t targets, struct err *err)
{
	struct store_subject subjects[32];
	size_t n = 0;

	for (size_t i = 0; i < x->group->n_members; i++)
		if (targets & UINT32_C(1) << i)
			subjects[n++] = (struct store_subject){.kind = STORE_DEVICE, .name = x->group->members[i].device};
	return store_lock(x->store, subjects, n, x->doing, x->observer, &x->devices, err);
}

static int take_verdict(struct exercise *x, const struct replica_report *v, struct err *err)
{
	struct drill_verify *to = &x->report->verify;

	to->keys_before = v->keys;
	to->proofs_before = v->proofs.passed;
	to->findings_before = (int64_t)v->n_findings;
	for (size_t i = 0; i < v->n_members && i < x->report->n_members; i++)
		x->report->members[i].keys_before = v->members[i].reachable ? v->members[i].keys : -1;
	return fleet_set(&to->before, replica_verdict_names[v->verdict], err);
}

static int verify_before(struct exercise *x, struct err *err)
{
	struct replica_report v = {0};
	int rc;

	observer_step(x->observer, x->group->name, "verifying before the drill", 0, 0);
	rc = drill_verify(x->store, x->group->name, x->observer, &v, err);
	if (rc == 0)
		rc = take_verdict(x, &v, err);
	json_release(&replica_report_type, &v);
	if (rc < 0 || x->config->force || str_eq(x->report->verify.before, "in_sync"))
		return rc;
	err_set(err, ERR_GUARD, "the drill was refused: the replicas of '%s' are %s", x->group->name,
		str_eq(x->report->verify.before, "diverged") ? "diverged" : "not known to be in sync");
	return err_hint(err, "see 'hsmctl verify %s', or use --force", x->group->name);
}

int exercise_preflight(struct exercise *x, struct err *err)
{
	uint32_t up = 0, targets;
	int rc = find_targets(x, &targets, err);

	if (rc == 0)
		rc = check_devices(x, targets, err);
	if (rc == 0)
		rc = lock_devices(x, targets, err);
	for (size_t i = 0; i < x->set->n_members && rc == 0; i++)
		rc = describe_member(x, i, &up, err);
	if (rc == 0)
		rc = check_members(x, up, targets, err);
	return rc < 0 ? rc : verify_before(x, err);
}
