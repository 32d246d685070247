/* SPDX-License-Identifier: Apache-2.0 */
/* A drill from begin to end. */
#include "drill/run.h"

#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/cred.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/observer.h"
#include "base/secret.h"
#include "base/str.h"
#include "crypto/digest.h"
#include "drill/exercise.h"
#include "drill/module.h"
#include "drill/workload.h"
#include "fleet/fleet.h"
#include "replica/set.h"
#include "store/store.h"

void exercise_release(struct exercise *x)
{
	drill_workload_free(x->workload);
	recorder_free(x->recorder);
	drill_keys_release(&x->keys);
	drill_module_free(x->module);
	secret_free(x->pin);
	replica_set_free(x->set);
	fleet_free(x->fleet);
	store_lock_free(x->devices);
	store_deed_free(x->deed);
	store_lock_free(x->lock);
}

double exercise_ms(const struct exercise *x, int64_t now_ns)
{
	return (double)((now_ns - x->start_ns) / 1000) / 1000;
}

struct fleet_device *exercise_device(const struct exercise *x, size_t i)
{
	return fleet_device(x->fleet, x->group->members[i].device);
}

int exercise_reload(struct exercise *x, struct err *err)
{
	owned(fleet) struct fleet *fleet = NULL;
	owned(replica_set) struct replica_set *set = NULL;
	struct fleet_group *group;
	int rc = store_read(x->store, &fleet, err);

	if (rc == 0)
		rc = fleet_find_group(fleet, x->config->group, &group, err);
	if (rc == 0)
		rc = replica_set_open(fleet, group, store_path(x->store), "admin", &set, err);
	if (rc == 0)
		rc = replica_set_login(set, x->pin, err);
	if (rc < 0)
		return rc;
	if (x->group && group->n_members != x->group->n_members)
		return err_set(err, ERR_CHANGED, "the members of '%s' changed during the drill", group->name);
	replica_set_free(x->set);
	fleet_free(x->fleet);
	x->set = own_take(set);
	x->fleet = own_take(fleet);
	x->group = group;
	return 0;
}

static int check_config(const struct drill_config *config, struct err *err)
{
	if (config->duration_ms < DRILL_MIN_MS)
		return err_set(err, ERR_USAGE, "a drill takes at least %d s", DRILL_MIN_MS / 1000);
	if (config->threads < 1 || config->threads > DRILL_THREADS_MAX)
		return err_set(err, ERR_USAGE, "a drill has 1 to %d threads", DRILL_THREADS_MAX);
	return 0;
}

/* Two drills at once would measure each other. */
static int take_lock(struct exercise *x, struct err *err)
{
	const struct store_subject subject = {.kind = STORE_DRILL};

	snprintf(x->doing, sizeof(x->doing), "drill run %.60s on %.60s", x->config->scenario, x->config->group);
	return store_lock(x->store, &subject, 1, x->doing, x->observer, &x->lock, err);
}

static int read_pin(struct exercise *x, struct err *err)
{
	owned(fleet) struct fleet *fleet = NULL;
	struct fleet_group *group;
	char what[128];
	int rc = store_read(x->store, &fleet, err);

	if (rc == 0)
		rc = fleet_find_group(fleet, x->config->group, &group, err);
	if (rc < 0)
		return rc;
	snprintf(what, sizeof(what), "user PIN of '%s'", group->name);
	return cred_read(group->pin_source, what, &x->pin, err);
}

/* The module may start threads; signals are for the command alone. */
static int load_module(struct exercise *x, struct err *err)
{
	sigset_t all, before;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = drill_module_open(x->config->module, store_path(x->store), x->group->name, x->pin, &x->module, err);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc == 0)
		rc = drill_keys_find(x->module, &x->keys, err);
	if (rc == -ERR_GUARD && x->keys.count == 0)
		err_hint(err, "see 'hsmctl key generate --help' and 'hsmctl key list %s'", x->group->name);
	return rc;
}

static int make_id(struct drill_report *r, const char *started_at, struct err *err)
{
	uint8_t random[2];
	char digits[15];
	size_t n = 0;
	int rc = crypto_random(random, sizeof(random), err);

	for (const char *c = started_at; *c && n < 14; c++)
		if (*c >= '0' && *c <= '9')
			digits[n++] = *c;
	digits[n] = 0;
	r->id = rc < 0 ? NULL : mem_printf("%.8s-%.6s-%02x%02x", digits, digits + 8, random[0], random[1]);
	return rc < 0 ? rc : r->id ? 0 : err_no_memory(err);
}

static int describe_host(struct drill_report *r, struct err *err)
{
	const struct passwd *user = getpwuid(geteuid());
	char host[256] = "";
	int rc;

	gethostname(host, sizeof(host) - 1);
	rc = fleet_set(&r->host, *host ? host : "unknown", err);
	if (rc == 0)
		rc = fleet_set(&r->tool, "hsmctl " HSMCTL_VERSION, err);
	if (rc < 0)
		return rc;
	r->operator = user ? mem_strdup(user->pw_name) : mem_printf("uid %ld", (long)geteuid());
	return r->operator ? 0 : err_no_memory(err);
}

static int describe_fleet(const struct exercise *x, struct err *err)
{
	struct drill_report *r = x->report;
	owned(buf) struct buf text;
	char digest[SHA256_TEXT];
	int rc;

	buf_init(&text, 16 << 20);
	r->fleet_revision = x->fleet->revision;
	rc = fleet_write(x->fleet, &text, err);
	if (rc == 0)
		rc = crypto_sha256_hex(text.data, text.len, digest, err);
	return rc < 0 ? rc : fleet_set(&r->fleet_sha256, digest, err);
}

static int describe_emulation(const struct exercise *x, struct err *err)
{
	struct drill_report *r = x->report;

	for (size_t i = 0; i < x->group->n_members; i++) {
		const struct fleet_device *device = exercise_device(x, i);
		const struct fleet_datacenter *dc = device ? fleet_datacenter(x->fleet, device->datacenter) : NULL;

		r->emulated = r->emulated || (dc && str_eq(dc->provider, "softhsm"));
	}
	if (!r->emulated)
		return 0;
	return fleet_set(&r->notice,
			 "Datacentres and regions are emulated: the members are local SoftHSM appliances on one host. "
			 "Network distance, and the loss of power, storage or a kernel, are not part of this result.",
			 err);
}

static int describe_keys(const struct exercise *x, struct err *err)
{
	struct drill_report *r = x->report;

	for (size_t i = 0; i < x->keys.count; i++) {
		char **label = json_append(&r->keys, &r->n_keys, sizeof(*label));

		if (!label || !(*label = mem_strdup(x->keys.items[i].label)))
			return err_no_memory(err);
	}
	return 0;
}

/* What is known before the load begins. The id comes last: with it the report
 * counts as begun. */
static int describe(struct exercise *x, struct err *err)
{
	struct drill_report *r = x->report;
	char time[CLOCK_TEXT];
	int rc = describe_host(r, err);

	clock_format(clock_utc_ms(), time);
	r->planned_ms = x->config->duration_ms;
	r->threads = x->config->threads;
	r->seed = x->config->seed;
	if (rc == 0)
		rc = fleet_set(&r->scenario, x->scenario->name, err);
	if (rc == 0)
		rc = fleet_set(&r->summary, x->scenario->summary, err);
	if (rc == 0)
		rc = fleet_set(&r->hypothesis, x->scenario->hypothesis, err);
	if (rc == 0)
		rc = fleet_set(&r->group, x->group->name, err);
	if (rc == 0)
		rc = fleet_set(&r->started_at, time, err);
	if (rc == 0)
		rc = describe_fleet(x, err);
	if (rc == 0)
		rc = describe_emulation(x, err);
	if (rc == 0)
		rc = describe_keys(x, err);
	return rc < 0 ? rc : make_id(r, time, err);
}

/* The last that may refuse: no entry, no drill. */
static int begin_deed(struct exercise *x, struct err *err)
{
	struct drill_report *r = x->report;
	owned(mem) char *detail = mem_printf("%s %s", r->scenario, r->id);
	int rc = detail ? store_deed_begin(x->store, "drill run", r->group, detail, &x->deed, err) : err_no_memory(err);

	if (rc < 0)
		free(own_take(r->id));
	return rc;
}

static int prepare(struct exercise *x, struct err *err)
{
	int rc = check_config(x->config, err);

	if (rc == 0)
		rc = drill_scenario_find(x->config->scenario, &x->scenario, err);
	if (rc == 0)
		rc = take_lock(x, err);
	if (rc == 0)
		rc = read_pin(x, err);
	if (rc == 0)
		rc = exercise_reload(x, err);
	if (rc == 0)
		rc = exercise_preflight(x, err);
	if (rc == 0)
		rc = load_module(x, err);
	if (rc == 0)
		rc = describe(x, err);
	return rc < 0 ? rc : begin_deed(x, err);
}

int drill_run(struct store *store, const struct drill_config *config, struct observer *observer,
	      struct drill_report *ret, struct err *err)
{
	owned(exercise) struct exercise x = {
		.store = store, .config = config, .observer = observer, .report = ret,
	};
	struct err why = {0};
	int rc = prepare(&x, err);

	if (rc < 0)
		return rc;
	cancel_hold();
	rc = exercise_perform(&x, &why);
	return exercise_conclude(&x, rc, &why, err);
}
