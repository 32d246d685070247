/* SPDX-License-Identifier: Apache-2.0 */
/* Carries a desired fleet out, one committed step after the other. */
#include <stdio.h>
#include <string.h>

#include "base/cancel.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/observer.h"
#include "base/str.h"
#include "fleet/fleet.h"
#include "provider/inventory.h"
#include "provider/layout.h"
#include "provider/plan.h"
#include "provider/walk.h"
#include "store/store.h"

struct applier {
	struct walk walk;	/* first: cast back */
	const struct provider_call *call;
	struct store_edit *edit;	/* has yielded */
	struct store_lock *device;	/* on the one that is worked on */
	struct store_deed *deed;	/* of one that goes */
	struct fleet *before;	/* as the store had it */
	size_t done, total;
	struct inventory *result;	/* takes failures; the caller's */
};

static const char *const doing[] = {"making", "starting", "updating", "destroying", "adopting", "releasing"};

/* ---- locks ---- */

static int lock_fleet(const struct provider_call *call, const char *shown, struct store_lock **ret, struct err *err)
{
	const struct store_subject subject = {.kind = STORE_FLEET};

	return store_lock(call->store, &subject, 1, shown, call->observer, ret, err);
}

static int lock_device(const struct provider_call *call, const char *name, const char *shown, struct store_lock **ret,
		       struct err *err)
{
	const struct store_subject subject = {.kind = STORE_DEVICE, .name = name};

	return store_lock(call->store, &subject, 1, shown, call->observer, ret, err);
}

/* A group may have been made of it since the document was read, until it was locked. */
static int check_free_now(struct store *store, const char *name, struct err *err)
{
	owned(fleet) struct fleet *now = NULL;
	int rc = store_read(store, &now, err);

	return rc < 0 || !fleet_device(now, name) ? rc : provider_check_free(now, name, err);
}

/* ---- one change ---- */

static int destroy(struct applier *a, const struct provider *provider, const struct change *change, struct err *err)
{
	owned(mem) char *subject = mem_printf("device %s", change->name);
	int rc = subject ? check_free_now(a->walk.store, change->name, err) : err_no_memory(err);

	if (rc == 0)
		rc = store_deed_begin(a->call->store, "provision apply", subject, change_kind_names[change->kind],
				      &a->deed, err);
	return rc < 0 ? rc : provider->destroy(a->walk.store, change->device, err);
}

static int carry_out(struct walk *walk, const struct change *change, struct err *err)
{
	struct applier *a = (struct applier *)walk;
	const struct provider *provider;
	int rc = cancel_check(err);

	if (rc < 0 || !change->device)
		return rc;
	rc = provider_of(walk->fleet, change->device, &provider, err);
	/* Devices of a cloud are made, and unmade, when all of them are known. */
	if (rc < 0 || provider->layout)
		return rc;
	observer_step(a->call->observer, change->name, doing[change->kind], a->done, a->total);
	rc = lock_device(a->call, change->name, "provision apply", &a->device, err);
	if (rc < 0)
		return rc;
	if (change->kind == CHANGE_DESTROY || change->kind == CHANGE_RELEASE)
		return destroy(a, provider, change, err);
	return provider->apply(walk->store, walk->fleet, change->device, a->call->observer, err);
}

/* The change is recorded, or has failed. */
static void let_go(struct applier *a, int rc, const struct err *why)
{
	if (a->deed)
		store_deed_end(a->deed, NULL, rc, why);
	store_deed_free(own_take(a->deed));
	store_lock_free(own_take(a->device));
}

/* ": serial A, B": of what was adopted, for the trail. */
static int tell_serials(const struct change *change, struct buf *ret, struct err *err)
{
	buf_printf(ret, "%s: %s", change_kind_names[change->kind], change->detail);
	for (size_t i = 0; change->kind == CHANGE_ADOPT && i < change->device->n_partitions; i++)
		buf_printf(ret, "%s%s", i ? ", " : ", serial ", change->device->partitions[i].serial);
	return buf_check(ret, err);
}

static int record(struct walk *walk, const struct change *change, struct err *err)
{
	struct applier *a = (struct applier *)walk;
	owned(mem) char *subject = mem_printf("%s %s", change->noun, change->name);
	owned(buf) struct buf detail = {.max = 4096};
	int rc = subject ? tell_serials(change, &detail, err) : err_no_memory(err);

	a->done++;
	if (rc == 0)
		rc = a->deed ? store_deed_commit(a->deed, a->edit, buf_text(&detail), err)
			     : store_edit_commit(a->edit, "provision apply", subject, buf_text(&detail), err);
	let_go(a, rc, err);
	return rc;
}

static int failed(struct walk *walk, const char *device, const struct err *why, struct err *err)
{
	struct applier *a = (struct applier *)walk;

	let_go(a, -(int)why->code, why);
	return inventory_fail(a->result, device, why, err);
}

/* ---- what stands in a cloud ---- */

struct recorder {
	struct provider_step step;	/* first: cast back */
	struct store_edit *edit;
	const char *action;
};

static int record_step(struct provider_step *step, const char *subject, const char *detail, struct err *err)
{
	struct recorder *r = (struct recorder *)step;

	return store_edit_commit(r->edit, r->action, subject, detail, err);
}

/* Whether a device of it is no longer wanted, and stood in a cloud. */
static bool goes(const struct fleet *before, const struct fleet_device *device, const struct fleet *desired)
{
	const struct provider *provider;

	return !fleet_device(desired, device->name) && provider_of(before, device, &provider, NULL) == 0 && provider->layout;
}

/* Those that go, locked and free; their names for the trail. */
static int lock_going(struct applier *a, const struct fleet *desired, struct buf *names, struct err *err)
{
	const struct fleet *before = a->before;
	owned(mem) struct store_subject *subjects = mem_zalloc((before->n_devices + 1) * sizeof(*subjects));
	size_t n = 0;
	int rc;

	if (!subjects)
		return err_no_memory(err);
	for (size_t i = 0; i < before->n_devices; i++)
		if (goes(before, &before->devices[i], desired))
			subjects[n++] = (struct store_subject){.kind = STORE_DEVICE, .name = before->devices[i].name};
	rc = store_lock(a->call->store, subjects, n, "provision apply", a->call->observer, &a->device, err);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		buf_printf(names, "%s %s", names->len ? "," : "destroy:", subjects[i].name);
		rc = check_free_now(a->call->store, subjects[i].name, err);
	}
	return rc;
}

/* Also with nothing to go: an earlier run may have been killed. */
static int unmake_rest(struct applier *a, const struct provider_layout *layout, const struct fleet *desired, struct err *err)
{
	owned(buf) struct buf names = {.max = 4096};
	int rc = lock_going(a, desired, &names, err);

	if (rc == 0 && names.len)
		rc = store_deed_begin(a->call->store, "provision apply", "devices", buf_text(&names), &a->deed, err);
	if (rc == 0)
		rc = layout->remove(a->call, a->before, desired, err);
	let_go(a, rc, err);
	return rc;
}

static int settle(struct walk *walk, struct err *err)
{
	struct applier *a = (struct applier *)walk;
	struct recorder recorder = {{record_step}, a->edit, "provision apply"};
	const struct provider_layout *make = NULL, *unmake = NULL;
	int rc = provider_layout_of(walk->desired, &make, err);

	if (rc == 0)
		rc = provider_layout_of(a->before, &unmake, err);
	if (rc == 0 && make)
		rc = make->apply(a->call, walk->desired, walk->fleet, &recorder.step, err);
	unmake = unmake ? unmake : make;
	return rc < 0 || !unmake ? rc : unmake_rest(a, unmake, walk->desired, err);
}

/* ---- the whole ---- */

static bool is_destroyed_in(const struct provider_plan *plan, const char *subject)
{
	for (size_t i = 0; i < plan->n_changes; i++)
		if (plan->changes[i].kind == CHANGE_DESTROY && str_eq(plan->changes[i].subject, subject))
			return true;
	return false;
}

/* Nothing goes that nobody was asked about. */
static int check_confirmed(const struct provider_plan *seen, const struct provider_plan *now, struct err *err)
{
	for (size_t i = 0; seen && i < now->n_changes; i++) {
		if (now->changes[i].kind != CHANGE_DESTROY || is_destroyed_in(seen, now->changes[i].subject))
			continue;
		err_set(err, ERR_CHANGED, "%s would be destroyed too, which it would not a moment ago",
			now->changes[i].subject);
		return err_hint(err, "see 'hsmctl provision plan'");
	}
	return 0;
}

static int check_fresh(const struct provider_plan *kept, const struct provider_plan *now, struct err *err)
{
	if (kept->revision != now->revision)
		err_set(err, ERR_CHANGED, "the plan was made against revision %lld, the store has %lld",
			(long long)kept->revision, (long long)now->revision);
	else if (!json_equal(&provider_plan_type, kept, now))
		err_set(err, ERR_CHANGED, "what is to be done is no longer what the plan says");
	else
		return 0;
	return err_hint(err, "make a new one with 'hsmctl provision plan'");
}

static int begin(struct applier *a, const struct fleet *desired, const struct provider_plan *seen, bool exactly,
		 struct err *err)
{
	owned(provider_plan) struct provider_plan plan = {0};
	int rc = plan_compare(a->call, store_edit_fleet(a->edit), desired, &plan, err);

	if (rc == 0)
		rc = exactly ? check_fresh(seen, &plan, err) : check_confirmed(seen, &plan, err);
	if (rc == 0)
		rc = provider_plan_check(&plan, err);
	if (rc == 0 && plan.ends_hsms && !a->call->zeroised) {
		err_set(err, ERR_CONFIRM, "dedicated HSMs are to be deleted, which must hold no keys any more");
		return err_hint(err, "zeroise them, as 'hsmctl provision plan' shows, and give --zeroised");
	}
	if (rc == 0)
		rc = fleet_copy(store_edit_fleet(a->edit), &a->before, err);
	a->total = plan.n_changes;
	return rc;
}

int provider_apply(const struct provider_call *call, const struct fleet *desired, const struct provider_plan *seen,
		   bool exactly, struct inventory *ret, struct err *err)
{
	owned(store_lock) struct store_lock *lock = NULL;
	owned(store_edit) struct store_edit *edit = NULL;
	owned(fleet) struct fleet *complete = NULL, *before = NULL;
	struct applier applier = {
		.walk = {.store = call->store, .carry_out = carry_out, .settle = settle, .failed = failed,
			 .record = record},
		.call = call, .result = ret,
	};
	int rc = lock_fleet(call, "provision apply", &lock, err);

	if (rc == 0)
		rc = store_edit_begin(call->store, "provision apply", &edit, err);
	if (rc < 0)
		return rc;
	store_edit_yield(edit);
	rc = plan_prepare(call, store_edit_fleet(edit), desired, &complete, err);
	applier.edit = edit;
	if (rc == 0)
		rc = begin(&applier, complete, seen, exactly, err);
	before = applier.before;
	if (rc < 0)
		return rc;
	applier.walk.desired = complete;
	applier.walk.fleet = store_edit_fleet(edit);
	rc = walk_run(&applier.walk, err);
	let_go(&applier, rc, err);
	return rc;
}

/* ---- destroy ---- */

/* layout: unmakes it; NULL for one of a cloud: is unmade already. */
static int unmake_device(const struct provider_call *call, const struct fleet *fleet, const struct fleet_device *device,
			 const struct provider_layout *layout, struct err *err)
{
	const struct provider *provider;
	int rc = provider_of(fleet, device, &provider, err);

	if (rc < 0 || layout)
		return rc < 0 ? rc : layout->decommission(call, fleet, device, err);
	return provider->layout ? 0 : provider->destroy(call->store, device, err);
}

/* For the trail. */
static int what_and_where(const struct fleet *fleet, const struct fleet_device *device, char **ret, struct err *err)
{
	const struct provider *provider;
	int rc = provider_of(fleet, device, &provider, err);

	if (rc < 0)
		return rc;
	*ret = mem_printf("%s in %s%s", provider->makes, device->datacenter,
			  provider->adopts ? ", which stays as it is" : "");
	return *ret ? 0 : err_no_memory(err);
}

static int destroy_device(const struct provider_call *call, struct store_edit *edit, size_t i,
			  const struct provider_layout *layout, const char *action, struct err *err)
{
	struct fleet *fleet = store_edit_fleet(edit);
	owned(mem) char *subject = mem_printf("device %s", fleet->devices[i].name);
	owned(store_deed) struct store_deed *deed = NULL;
	owned(mem) char *detail = NULL;
	int rc = subject ? cancel_check(err) : err_no_memory(err);

	if (rc == 0)
		rc = what_and_where(fleet, &fleet->devices[i], &detail, err);
	if (rc == 0)
		rc = store_deed_begin(call->store, action, subject, NULL, &deed, err);
	if (rc < 0)
		return rc;
	rc = unmake_device(call, fleet, &fleet->devices[i], layout, err);
	if (rc == 0) {
		walk_forget_device(fleet, i);
		rc = store_deed_commit(deed, edit, detail, err);
	}
	store_deed_end(deed, NULL, rc, err);
	return rc;
}

/* Does a token that stays have its PIN in this folder? */
static bool holds_pins(const struct fleet *before, const char *folder)
{
	size_t len = strlen(folder);

	for (size_t i = 0; i < before->n_devices; i++) {
		const struct fleet_device *d = &before->devices[i];

		for (size_t j = 0; fleet_adopts(before, d) && j < d->n_partitions; j++) {
			const char *source = d->partitions[j].pin_source;

			if (source && str_starts(source, "file:") && strncmp(source + 5, folder, len) == 0 &&
			    source[5 + len] == '/')
				return true;
		}
	}
	return false;
}

/* What belonged to all devices: PINs and certificates. */
static int remove_shared(struct store *store, const struct fleet *before, struct err *err)
{
	static const char *const folders[] = {"appliances", "secrets", "pki"};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < sizeof(folders) / sizeof(folders[0]); i++) {
		owned(mem) char *path = store_file(store, "%s", folders[i]);

		if (path && holds_pins(before, path))
			continue;

		rc = path ? file_remove_tree(path, err) : err_no_memory(err);
	}
	return rc;
}

static int check_no_groups(const struct fleet *fleet, struct err *err)
{
	if (!fleet->n_groups)
		return 0;
	err_set(err, ERR_IN_USE, "group '%s' exists; its members' keys would be lost", fleet->groups[0].name);
	return err_hint(err, "hsmctl ha delete %s", fleet->groups[0].name);
}

static int forget_places(struct store_edit *edit, struct err *err)
{
	struct fleet *fleet = store_edit_fleet(edit);

	if (!fleet->n_datacenters && !fleet->azure.n_regions)
		return 0;
	while (fleet->n_datacenters)
		walk_forget_datacenter(fleet, fleet->n_datacenters - 1);
	json_release(&fleet_azure_type, &fleet->azure);
	return store_edit_commit(edit, "provision destroy", "datacenters", NULL, err);
}

/* Of a cloud everything goes at once, and before the store forgets it. */
static int empty_cloud(const struct provider_call *call, const struct fleet *fleet, struct err *err)
{
	const struct provider_layout *layout = NULL;
	owned(store_deed) struct store_deed *deed = NULL;
	int rc = provider_layout_of(fleet, &layout, err);

	if (rc == 0 && layout)
		rc = store_deed_begin(call->store, "provision destroy", "devices", "all that stand in the cloud", &deed, err);
	if (rc < 0 || !layout)
		return rc;
	rc = layout->remove(call, fleet, NULL, err);
	store_deed_end(deed, NULL, rc, err);
	return rc;
}

static int lock_all(const struct provider_call *call, const struct fleet *fleet, struct store_lock **ret, struct err *err)
{
	owned(mem) struct store_subject *subjects = mem_zalloc((fleet->n_devices + 1) * sizeof(*subjects));
	owned(fleet) struct fleet *now = NULL;
	int rc;

	if (!subjects)
		return err_no_memory(err);
	for (size_t i = 0; i < fleet->n_devices; i++)
		subjects[i] = (struct store_subject){.kind = STORE_DEVICE, .name = fleet->devices[i].name};
	rc = store_lock(call->store, subjects, fleet->n_devices, "provision destroy", call->observer, ret, err);
	/* Who made a group of them held these locks. */
	if (rc == 0)
		rc = store_read(call->store, &now, err);
	return rc < 0 ? rc : check_no_groups(now, err);
}

int provider_destroy(const struct provider_call *call, struct err *err)
{
	owned(store_lock) struct store_lock *lock = NULL, *devices = NULL;
	owned(store_edit) struct store_edit *edit = NULL;
	owned(fleet) struct fleet *before = NULL;
	int rc = lock_fleet(call, "provision destroy", &lock, err);
	struct fleet *fleet;
	size_t total;

	if (rc == 0)
		rc = store_edit_begin(call->store, "provision destroy", &edit, err);
	if (rc < 0)
		return rc;
	store_edit_yield(edit);
	fleet = store_edit_fleet(edit);
	total = fleet->n_devices;
	rc = lock_all(call, fleet, &devices, err);
	if (rc == 0)
		rc = fleet_copy(fleet, &before, err);
	if (rc == 0)
		rc = empty_cloud(call, fleet, err);
	while (rc == 0 && fleet->n_devices) {
		size_t last = fleet->n_devices - 1;

		observer_step(call->observer, fleet->devices[last].name, doing[CHANGE_DESTROY], total - last - 1, total);
		rc = destroy_device(call, edit, last, NULL, "provision destroy", err);
	}
	if (rc == 0)
		rc = forget_places(edit, err);
	return rc < 0 ? rc : remove_shared(call->store, before, err);
}

/* ---- one device ---- */

int provider_check_free(const struct fleet *fleet, const char *name, struct err *err)
{
	const struct fleet_group *group;
	struct fleet_device *device;
	int rc = name ? fleet_find_device(fleet, name, &device, err) : check_no_groups(fleet, err);

	if (rc < 0 || !name)
		return rc;
	group = fleet_group_of(fleet, device->name, NULL);
	if (!group)
		return 0;
	err_set(err, ERR_IN_USE, "device '%s' serves in group '%s'", device->name, group->name);
	return err_hint(err, "hsmctl ha delete %s", group->name);
}

int provider_check_zeroised(const struct provider_call *call, const struct fleet *fleet, const char *device,
			    struct err *err)
{
	for (size_t i = 0; !call->zeroised && i < fleet->n_devices; i++) {
		const struct fleet_device *d = &fleet->devices[i];
		const struct provider *provider;
		int rc = provider_of(fleet, d, &provider, err);

		if (rc < 0)
			return rc;
		if (!provider->zeroise || !d->azure.id || (device && !str_eq(device, d->name)))
			continue;
		err_set(err, ERR_CONFIRM, "%s '%s' must be zeroised by its administrator before it is deleted",
			provider->makes, d->name);
		return err_hint(err, "log in to it, zeroise it, and give --zeroised");
	}
	return 0;
}

int provider_decommission(const struct provider_call *call, const char *name, struct err *err)
{
	owned(store_lock) struct store_lock *lock = NULL, *alone = NULL;
	owned(store_edit) struct store_edit *edit = NULL;
	const struct provider_layout *layout = NULL;
	const struct provider *provider;
	struct fleet_device *device;
	struct fleet *fleet;
	int rc = lock_fleet(call, "device decommission", &lock, err);

	if (rc == 0)
		rc = lock_device(call, name, "device decommission", &alone, err);
	if (rc == 0)
		rc = store_edit_begin(call->store, "device decommission", &edit, err);
	if (rc < 0)
		return rc;
	store_edit_yield(edit);
	fleet = store_edit_fleet(edit);
	rc = provider_check_free(fleet, name, err);
	if (rc == 0)
		rc = fleet_find_device(fleet, name, &device, err);
	if (rc == 0)
		rc = provider_of(fleet, device, &provider, err);
	if (rc == 0 && provider->layout)
		rc = provider->layout(&layout, err);
	if (rc < 0)
		return rc;
	return destroy_device(call, edit, (size_t)(device - fleet->devices), layout, "device decommission", err);
}
